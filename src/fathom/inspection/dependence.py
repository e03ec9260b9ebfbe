"""Dependence: how any fitted model's prediction moves with one column, on average and by row."""

from typing import Any, TypeAlias

import numpy as np
from pydantic import Field, FiniteFloat

from fathom.errors import InputError
from fathom.inspection.aligned import align
from fathom.inspection.arrays import Measured, Numbers
from fathom.inspection.charts import Series, bar_chart, line_chart
from fathom.inspection.findings import Finding, find
from fathom.inspection.importance import Predict
from fathom.inspection.representations import draw_rows
from fathom.inspection.tabular import column_names, column_of, is_numeric, rearranged, take_rows

Place: TypeAlias = FiniteFloat | str
ENDS = 0.01, 0.99  # quantiles between which a column of numbers is looked at
BACKWARDS = 0.02  # of the range, by which a curve that rises may fall in between
FLAT = 1e-6  # of the spread of predictions, below which a column has no effect
VARIES = 0.25  # share of a column's effect that differs from row to row, worth a word
MOST_CURVES = 40


class Dependence(Measured):
    """How the prediction moves with one column.

    Attributes
    ----------
    column : str
        Its name.
    is_number : bool
        Whether the places are numbers, in order.
    places : tuple of float or str
        The values it is given in every row.
    mean : numpy.ndarray
        The mean prediction at each.
    curves : numpy.ndarray
        The prediction for each row, shape (rows, places).
    findings : tuple of Finding
        What is worth saying about it.
    """

    column: str
    is_number: bool
    places: tuple[Place, ...] = Field(min_length=1)
    mean: Numbers
    curves: Numbers
    findings: tuple[Finding, ...] = ()

    @property
    def share_varying(self) -> float:
        """Share of the column's effect that differs from row to row, 0 to 1."""
        centered = self.curves - self.curves.mean(axis=1)[:, None]
        whole = float((centered**2).mean())
        if whole == 0:
            return 0.0
        return float(np.clip(1 - float((centered.mean(axis=0) ** 2).mean()) / whole, 0, 1))

    def __str__(self) -> str:
        rows = [(self.column, "mean prediction")]
        rows += [
            (f"{place:.6g}" if isinstance(place, float) else place, f"{value:.4f}")
            for place, value in zip(self.places, self.mean, strict=True)
        ]
        return "\n".join([align(rows), *map(str, self.findings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        title = f"The prediction by {self.column}"
        if not self.is_number:
            return bar_chart(
                [str(place) for place in self.places], self.mean, title=title,
                x_label="mean prediction", description=str(self),
            )  # fmt: skip
        xs = [float(place) for place in self.places]
        every = max(1, len(self.curves) // MOST_CURVES)
        faint = [Series("", xs, curve, number=5) for curve in self.curves[::every]]
        return line_chart(
            [*faint, Series("mean", xs, self.mean, number=0)], title=title, x_label=self.column,
            y_label="prediction", description=str(self),
        )  # fmt: skip


def measure_dependence(
    predict: Predict,
    X: Any,
    column: str | int,
    *,
    output: int | None = None,
    n_places: int = 20,
    most_rows: int = 200,
    seed: int = 0,
) -> Dependence:
    """Give every row the same value in one column, one value after another.

    The mean over rows is the partial dependence; the curves of single rows show whether the column
    does the same in all of them.

    Parameters
    ----------
    predict : callable
        What is asked for predictions: numbers, or probabilities of classes.
    X : data frame or array
        Rows as ``predict`` takes them (polars, pandas, NumPy, ...).
    column : str or int
        Name of the column, or its position from 0.
    output : int, optional
        Which column of the predictions, from 0; where left out the only one, or the second of two.
    n_places : int, default 20
        Values the column is given: of numbers quantiles from 1 % to 99 %, else the most frequent.
    most_rows : int, default 200
        Rows looked at, drawn at random from more.
    seed : int, default 0
        Seed of the draw.

    Returns
    -------
    Dependence
        The mean and the curve of each row.

    Raises
    ------
    InputError
        If there is no such column or output, or the predictions are no numbers.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> x, y = load_iris(return_X_y=True, as_frame=True)
    >>> model = LogisticRegression(max_iter=500).fit(x, y)
    >>> found = measure_dependence(model.predict_proba, x, "petal length (cm)", output=2)
    >>> print(found.findings[0])
    The prediction rises with petal length (cm), from ... to 0.9... on average.

    References
    ----------
    Friedman (2001). Greedy function approximation. Annals of Statistics 29. Goldstein, Kapelner,
    Bleich, Pitkin (2015). Peeking inside the black box. arXiv:1309.6392.
    """
    rows = draw_rows(len(X), most_rows, seed)
    whole = take_rows(X, np.arange(len(X)))
    names = column_names(whole)
    place = _position(names, column)
    values = column_of(whole, place)
    sources, is_number, labels = _choose_places(values, n_places)
    n, m = len(rows), len(sources)
    if m == 0:
        raise InputError(f"a known value in column {names[place]!r}", got="none")
    # every row once for each place, and behind them the rows that hold the values to be given
    stacked = take_rows(whole, np.concatenate([np.tile(rows, m), sources]))
    order = np.concatenate([n * m + np.repeat(np.arange(m), n), n * m + np.arange(m)])
    given = rearranged(stacked, place, order)
    predicted = _numbers(predict(take_rows(given, np.arange(n * m))), n * m, output)
    curves = predicted.reshape(m, n).T
    found = Dependence(
        column=names[place], is_number=is_number, places=labels, mean=curves.mean(axis=0),
        curves=curves,
    )  # fmt: skip
    return found.model_copy(update={"findings": tuple(_findings(found))})


def _position(names: list[str], column: str | int) -> int:
    if isinstance(column, str) and column in names:
        return names.index(column)
    if isinstance(column, int) and 0 <= column < len(names):
        return column
    raise InputError(f"one of the columns {', '.join(names[:20])}", got=repr(column)[:80])


def _choose_places(
    values: np.ndarray, n_places: int
) -> tuple[np.ndarray, bool, tuple[float | str, ...]]:
    """Return rows that hold the values to be given, whether they are numbers, and the values."""
    is_ordered = is_numeric(values) or values.dtype.kind == "M"
    if is_ordered:
        known = np.flatnonzero(
            ~np.isnat(values) if values.dtype.kind == "M" else np.isfinite(values)
        )
        distinct, first = np.unique(values[known], return_index=True)
        if len(distinct) > n_places:
            at = np.quantile(
                np.arange(len(known)), np.linspace(*ENDS, n_places), method="nearest"
            ).astype(int)
            chosen = known[np.argsort(values[known], kind="stable")[at]]
            distinct, where = np.unique(values[chosen], return_index=True)
            sources = chosen[where]
        else:
            sources = known[first]
        if values.dtype.kind == "M":
            return sources, False, tuple(map(str, distinct))
        return sources, True, tuple(float(value) for value in distinct)
    texts = np.array([_text(value) for value in values])
    known = np.flatnonzero(texts != "")
    distinct, first, counts = np.unique(texts[known], return_index=True, return_counts=True)
    most = np.argsort(-counts, kind="stable")[:n_places]
    return known[first[most]], False, tuple(distinct[most].tolist())


def _text(value: Any) -> str:
    """Return a value in words; nothing where it is missing."""
    is_missing = value is None or type(value).__name__ in ("NAType", "NaTType")
    return "" if is_missing or value != value else str(value)


def _numbers(predicted: Any, n: int, output: int | None) -> np.ndarray:
    """Return one number for each row."""
    values = np.asarray(predicted)
    if values.dtype.kind not in "biuf" or len(values) != n:
        raise InputError(
            "numbers as predictions, one for each row", got=f"{values.dtype} of {values.shape}",
            hint="give model.predict_proba for classes",
        )  # fmt: skip
    columns = values.reshape(n, -1).astype(np.float64)
    if output is None and columns.shape[1] > 2:
        raise InputError(
            "an output to look at", got=f"{columns.shape[1]} of them",
            hint="give output=0 for the first",
        )  # fmt: skip
    chosen = columns.shape[1] - 1 if output is None else output
    if not 0 <= chosen < columns.shape[1]:
        raise InputError(f"an output from 0 to {columns.shape[1] - 1}", got=f"{output}")
    if not np.isfinite(columns[:, chosen]).all():
        raise InputError("finite predictions", got="NaN or infinity")
    return columns[:, chosen]


def _findings(found: Dependence) -> list[Finding]:
    mean, spread = found.mean, float(np.ptp(found.mean))
    centered = found.curves - found.curves.mean(axis=1)[:, None]
    if float(np.abs(centered).max()) <= FLAT * (float(np.ptp(found.curves)) or 1.0):
        return [find("dependence_flat", column=found.column)]
    first, last = float(mean[0]), float(mean[-1])
    steps = np.diff(mean)
    said = find("dependence_turns", column=found.column, low=mean.min(), high=mean.max())
    if found.is_number and last - first > 0 and (steps >= -BACKWARDS * spread).all():
        said = find("dependence_rises", column=found.column, first=first, last=last)
    elif found.is_number and last - first < 0 and (steps <= BACKWARDS * spread).all():
        said = find("dependence_falls", column=found.column, first=first, last=last)
    elif not found.is_number:
        places = [str(place) for place in found.places]
        low, high = int(mean.argmin()), int(mean.argmax())
        said = find(
            "dependence_kinds", column=found.column, most=places[high], high=mean[high],
            least=places[low], low=mean[low],
        )  # fmt: skip
    if found.share_varying > VARIES:
        return [said, find("dependence_varies", column=found.column, share=found.share_varying)]
    return [said]
