"""Importance: how much worse any fitted model gets when a column's values are shuffled."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from pydantic import Field, FiniteFloat
from scipy.stats import rankdata

from fathom.errors import InputError
from fathom.inspection.aligned import align
from fathom.inspection.charts import bar_chart
from fathom.inspection.findings import Finding, find
from fathom.inspection.judging import resampled_mean
from fathom.inspection.representations import draw_rows
from fathom.inspection.tabular import (
    column_names,
    column_of,
    is_numeric,
    rearranged,
    take_rows,
)
from fathom.values import Value

Predict: TypeAlias = Callable[[Any], Any]
RowError: TypeAlias = Callable[[np.ndarray, np.ndarray], np.ndarray]
ScoreName: TypeAlias = Literal["accuracy", "log likelihood", "R²", "score"]
LEAST_PROBABILITY = 1e-7
ALIKE = 0.8  # rank correlation from which two columns say much the same
MOST_NAMED = 8


class ColumnImportance(Value):
    """By how much a model's score falls when one column's values are shuffled.

    Attributes
    ----------
    column : str
        Its name.
    drop : float
        The fall of the score, mean over all shuffles.
    low, high : float
        The 95 % interval over rows drawn anew.
    """

    column: str
    drop: FiniteFloat
    low: FiniteFloat
    high: FiniteFloat

    @property
    def is_noise(self) -> bool:
        """Whether it may as well be 0 or less."""
        return self.low <= 0


class Importance(Value):
    """By how much a model's score falls when columns are shuffled, one at a time.

    Attributes
    ----------
    score_name : {"accuracy", "log likelihood", "R²", "score"}
        What falls.
    columns : tuple of ColumnImportance
        The columns, the most important first.
    n_rows, n_repeats : int
        Rows, and shuffles of each column.
    findings : tuple of Finding
        What is worth saying about it.
    """

    score_name: ScoreName
    columns: tuple[ColumnImportance, ...]
    n_rows: int = Field(ge=1)
    n_repeats: int = Field(ge=1)
    findings: tuple[Finding, ...] = ()

    def __getitem__(self, column: str) -> ColumnImportance:
        """Return the importance of a column by its name."""
        return next(one for one in self.columns if one.column == column)

    def __str__(self) -> str:
        rows = [("column", f"fall of {self.score_name}", "low", "high")]
        rows += [
            (one.column, f"{one.drop:.4f}", f"{one.low:.4f}", f"{one.high:.4f}")
            for one in self.columns
        ]
        return "\n".join([align(rows), *map(str, self.findings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        shown = self.columns[:30]
        return bar_chart(
            [one.column for one in shown], [one.drop for one in shown],
            title="What each column is worth", x_label=f"fall of {self.score_name} when shuffled",
            low=[one.low for one in shown], high=[one.high for one in shown],
            as_text=lambda v: f"{v:.3f}", description=str(self),
        )  # fmt: skip


def measure_importance(
    predict: Predict,
    X: Any,
    y: Any,
    *,
    classes: Any = None,
    error: RowError | None = None,
    n_repeats: int = 5,
    most_rows: int = 5000,
    seed: int = 0,
) -> Importance:
    """Shuffle each column in turn and see how much worse the predictions get.

    Parameters
    ----------
    predict : callable
        What is asked for predictions, for example ``model.predict`` or ``model.predict_proba``.
    X : data frame or array
        Rows as ``predict`` takes them (polars, pandas, NumPy, ...), best rows the model was not
        trained on.
    y : array-like
        Their target.
    classes : array-like, optional
        The class of each column of predicted probabilities, for example ``model.classes_``.
    error : callable, optional
        Takes the target and the predictions, returns an error for each row. Where left out: the
        negative log probability of the right class where ``classes`` are given; for numbers the
        squared error by the variance of the target, so that R² falls; for labels 0 or 1, so that
        accuracy falls.
    n_repeats : int, default 5
        Shuffles of each column.
    most_rows : int, default 5000
        Rows looked at, drawn at random from more.
    seed : int, default 0
        Seed of the draw, the shuffles and the intervals.

    Returns
    -------
    Importance
        The fall of the score for each column, with its interval over rows.

    Raises
    ------
    InputError
        If there are fewer than 2 rows, or the predictions do not fit the target.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> x, y = load_iris(return_X_y=True, as_frame=True)
    >>> model = DecisionTreeClassifier(max_depth=2, random_state=0).fit(x, y)
    >>> found = measure_importance(model.predict, x, y)
    >>> found["sepal width (cm)"].drop
    0.0
    >>> found.columns[0].low > 0.1
    True

    References
    ----------
    Breiman (2001). Random forests. Machine Learning 45. Fisher, Rudin, Dominici (2019). All models
    are wrong, but many are useful. JMLR 20.

    Notes
    -----
    Shuffling tears columns apart that belong together, and shows the model rows that may not exist.
    Columns that say much the same stand in for each other, and both seem unimportant; such pairs
    are named.
    """
    if len(X) != len(y) or len(X) < 2:
        raise InputError("2 rows or more, a target each", got=f"{len(X)} rows, {len(y)} targets")
    if n_repeats < 1:
        raise InputError("one shuffle or more of each column", got=f"n_repeats={n_repeats}")
    rows = draw_rows(len(X), most_rows, seed)
    table, target = take_rows(X, rows), np.asarray(y)[rows]
    predicted = np.asarray(predict(table))
    if len(predicted) != len(rows):
        raise InputError(f"{len(rows)} predictions", got=f"{len(predicted)}")
    judged = _chosen_error(error, classes, target, predicted)
    names, moved = column_names(table), []
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(rows)) for _ in range(n_repeats)]
    before = _row_errors(judged, target, predicted)
    for place in range(len(names)):
        worse = np.stack([
            _row_errors(judged, target, predict(rearranged(table, place, order))) - before
            for order in orders
        ])  # fmt: skip
        moved.append(_influences(worse, orders, judged.shares))
    influences = np.stack(moved, axis=1)
    low, high = resampled_mean(influences, seed)
    drops, score_name = influences.mean(axis=0), judged.score_name
    order = np.argsort(-drops, kind="stable")
    columns = tuple(
        ColumnImportance(column=names[i], drop=drops[i], low=low[i], high=high[i]) for i in order
    )
    found = [*_findings(columns, score_name), *_alike(table, names, columns)]
    if len(rows) < len(X):
        found.append(find("sampled", n_used=len(rows), n_rows=len(X)))
    return Importance(
        score_name=score_name, columns=columns, n_rows=len(rows), n_repeats=n_repeats,
        findings=tuple(found),
    )  # fmt: skip


class _Judge(NamedTuple):
    """How rows are judged: their errors, what falls, and each row's share in the errors' unit."""

    measure: RowError
    score_name: ScoreName
    shares: np.ndarray


def _chosen_error(
    error: RowError | None, classes: Any, target: np.ndarray, predicted: np.ndarray
) -> _Judge:
    alike = np.ones(len(target))
    if error is not None:
        return _Judge(error, "score", alike)
    if classes is not None:
        return _Judge(_surprise(classes, target, predicted), "log likelihood", alike)
    if predicted.shape != target.shape:
        raise InputError(
            f"predictions like the target, of shape {target.shape}", got=f"{predicted.shape}",
            hint="give model.predict, or classes=model.classes_ with model.predict_proba",
        )  # fmt: skip
    if target.dtype.kind == "f" and predicted.dtype.kind == "f":
        away = ((target - target.mean(axis=0)) ** 2).reshape(len(target), -1).mean(axis=1)
        scale = float(away.mean()) or 1.0

        def squared(y: np.ndarray, p: np.ndarray) -> np.ndarray:
            return ((y - p) ** 2).reshape(len(y), -1).mean(axis=1) / scale

        return _Judge(squared, "R²", away / scale if away.any() else alike)

    def wrong(y: np.ndarray, p: np.ndarray) -> np.ndarray:
        return (y != p).reshape(len(y), -1).mean(axis=1)

    return _Judge(wrong, "accuracy", alike)


def _surprise(classes: Any, target: np.ndarray, predicted: np.ndarray) -> RowError:
    known = np.asarray(classes)
    if predicted.ndim != 2 or predicted.shape[1] != len(known):
        raise InputError(
            f"probabilities of {len(known)} classes", got=f"shape {predicted.shape}",
            hint="give model.predict_proba, or leave classes out",
        )  # fmt: skip
    places = {value: place for place, value in enumerate(known.tolist())}
    strange = next((v for v in target.ravel().tolist() if v not in places), None)
    if strange is not None:
        raise InputError("targets among the classes", got=repr(strange))
    at = np.array([places[value] for value in target.ravel().tolist()])
    each = np.arange(len(at))
    return lambda _, p: -np.log(np.maximum(p[each, at], LEAST_PROBABILITY))


def _row_errors(judged: _Judge, target: np.ndarray, predicted: Any) -> np.ndarray:
    errors = np.asarray(judged.measure(target, np.asarray(predicted)), np.float64)
    if errors.shape != (len(target),) or not np.isfinite(errors).all():
        raise InputError("a finite error for each row", got=f"shape {errors.shape}")
    return errors


def _influences(worse: np.ndarray, orders: list[np.ndarray], shares: np.ndarray) -> np.ndarray:
    """Return what each row does to the fall, of mean the fall itself.

    A row counts where it is judged and where its value went: the fall is a mean over pairs, whose
    spread over rows is that of the sum of both (Hoeffding 1948). It also has a share in the unit of
    the errors, the variance of the target.
    """
    fall = float(worse.mean())
    went = np.zeros_like(worse)
    for line, given, order in zip(went, worse, orders, strict=True):
        line[order] = given
    return (worse + went).mean(axis=0) - fall - fall * (shares - 1)


def _findings(columns: tuple[ColumnImportance, ...], score_name: ScoreName) -> list[Finding]:
    noise = [one.column for one in columns if one.is_noise]
    if len(noise) == len(columns):
        return [find("importance_all_noise", "warning")]
    first = columns[0]
    found = [
        find("importance_main", column=first.column, score=score_name, drop=first.drop,
             low=first.low, high=first.high)
    ]  # fmt: skip
    if noise:
        named = ", ".join(noise[:MOST_NAMED]) + (", …" if len(noise) > MOST_NAMED else "")
        found.append(
            find("importance_none", n_columns=len(noise), n_all=len(columns), columns=named)
        )
    return found


def _alike(table: Any, names: list[str], columns: tuple[ColumnImportance, ...]) -> list[Finding]:
    """Name the pairs of numeric columns that say much the same, the closest first."""
    numeric = [place for place in range(len(names)) if is_numeric(column_of(table, place))]
    if len(numeric) < 2:
        return []
    ranks = []
    for place in numeric:
        values = np.asarray(column_of(table, place), np.float64)
        is_known = np.isfinite(values)
        ranks.append(rankdata(np.where(is_known, values, np.median(values[is_known]))))
    centered = np.stack(ranks) - np.mean(ranks, axis=1)[:, None]
    sizes = np.linalg.norm(centered, axis=1)
    kept = sizes > 0
    centered = centered[kept] / sizes[kept][:, None]
    numeric = [place for place, is_kept in zip(numeric, kept, strict=True) if is_kept]
    together = centered @ centered.T
    pairs = [
        (together[i, j], numeric[i], numeric[j])
        for i in range(len(numeric))
        for j in range(i)
        if abs(together[i, j]) >= ALIKE
    ]
    pairs.sort(key=lambda pair: -abs(pair[0]))
    return [
        find("importance_shared", one=names[j], other=names[i], correlation=correlation)
        for correlation, i, j in pairs[:3]
    ]
