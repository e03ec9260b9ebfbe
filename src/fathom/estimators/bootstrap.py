"""The metrics, and what they would be on rows drawn anew: the bootstrap."""

from typing import Any, TypeAlias

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    f1_score,
    log_loss,
    mean_absolute_error,
    r2_score,
    recall_score,
    roc_auc_score,
    root_mean_squared_error,
)

MOST_GROUPS = 5000  # more rows than these are resampled in random groups, which spread alike
COUNTS_AT_ONCE = 2**22
CALIBRATION_BINS = 15
EPSILON = float(np.finfo(np.float64).eps)  # the least probability a logarithm is taken of

Scores: TypeAlias = dict[str, tuple[float | None, np.ndarray]]


class Drawing:
    """Rows drawn anew, many times over: each time sums over the rows that were drawn.

    Every metric here is worked out from sums over rows, so that a draw is one line of counts times
    a matrix of what each row adds. Many rows are first joined at random into groups: a sum over
    groups drawn anew varies as one over rows does.

    Parameters
    ----------
    n : int
        How many rows.
    seed : int
        Seed of the draws.
    n_resamples : int
        How many draws.

    Examples
    --------
    >>> drawing = Drawing(4, seed=0, n_resamples=2)
    >>> drawing.add(weight=np.ones(4), value=np.array([1.0, 2.0, 3.0, 4.0]))
    >>> drawing.draw()["weight"].tolist()
    [[4.0], [4.0]]
    """

    def __init__(self, n: int, seed: int, n_resamples: int) -> None:
        rng = np.random.default_rng(seed)
        self.n_groups = min(n, MOST_GROUPS)
        group = np.arange(n) if n <= MOST_GROUPS else rng.permutation(n) % self.n_groups
        self._join = csr_matrix((np.ones(n), (group, np.arange(n))), shape=(self.n_groups, n))
        self._parts: dict[str, np.ndarray] = {}
        self._rng, self._n_resamples = rng, n_resamples

    def add(self, **parts: Any) -> None:
        """Sum under each name these columns, which have one line a row."""
        for name, columns in parts.items():
            joined = self._join @ (columns[:, None] if columns.ndim == 1 else columns)
            self._parts[name] = joined if isinstance(joined, np.ndarray) else joined.toarray()

    def total(self, name: str) -> np.ndarray:
        """Return the sums over the rows as they are."""
        return self._parts[name].sum(axis=0)

    def draw(self) -> dict[str, np.ndarray]:
        """Return for each name its sums, one line a draw."""
        together = np.hstack(list(self._parts.values()))
        n, sums = self.n_groups, []
        for begin in range(0, self._n_resamples, at_once := max(1, COUNTS_AT_ONCE // n)):
            draws = min(at_once, self._n_resamples - begin)
            rows = self._rng.integers(n, size=(draws, n)) + n * np.arange(draws)[:, None]
            counts = np.bincount(rows.ravel(), minlength=draws * n).reshape(draws, n)
            sums.append(counts.astype(np.float64) @ together)
        whole = np.vstack(sums) if sums else np.empty((0, together.shape[1]))
        ends = np.cumsum([part.shape[1] for part in self._parts.values()])
        return dict(zip(self._parts, np.split(whole, ends[:-1], axis=1), strict=True))


class _AreaUnderCurve:
    """ROC AUC of columns of scores against the rest, and what draws make of it.

    AUC is the mean, over the rows of a class, of the share of the other rows that score below; and
    also the mean, over the other rows, of the share of the class that scores above [1]_. Drawing
    rows moves both means, and AUC by the sum of what each moves, but for terms of second order: so
    no draw needs sorting.

    References
    ----------
    .. [1] DeLong et al., "Comparing the areas under two or more correlated receiver operating
       characteristic curves", Biometrics 44, 1988.
    """

    def __init__(
        self, drawing: Drawing, is_it: np.ndarray, w: np.ndarray, scores: np.ndarray
    ) -> None:
        self._columns = [j for j in range(is_it.shape[1]) if 0 < is_it[:, j].sum() < len(w)]
        areas = [roc_auc_score(is_it[:, j], scores[:, j], sample_weight=w) for j in self._columns]
        self._areas = np.asarray(areas)
        self.value = mean_of_defined(areas)
        for j in self._columns:
            mine, others = w * is_it[:, j], w * ~is_it[:, j]
            below, above = _placements(scores[:, j], mine, others)
            sums = np.stack([mine, mine * below, others, others * above], axis=1)
            drawing.add(**{f"area {j}": sums})

    def drawn(self, sums: dict[str, np.ndarray]) -> np.ndarray:
        """Return the areas of each draw."""
        if not self._columns:
            return np.empty((0, 1))
        parts = np.stack([sums[f"area {j}"] for j in self._columns], axis=2)
        mine = ratio(parts[:, 1], parts[:, 0])
        areas: np.ndarray = mine + ratio(parts[:, 3], parts[:, 2]) - self._areas
        return np.clip(areas, 0.0, 1.0)


def _placements(
    scores: np.ndarray, mine: np.ndarray, others: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of the others' weight below each score, and of mine above; ties half."""
    values, where = np.unique(scores, return_inverse=True)
    shares = []
    for weight in (others, mine):
        at = np.bincount(where, weights=weight, minlength=len(values))
        shares.append((np.cumsum(at) - at / 2) / at.sum())
    return shares[0][where], 1.0 - shares[1][where]


def _spread_out(values: np.ndarray, numbers: np.ndarray, size: int) -> csr_matrix:
    """Return a matrix that holds each value in the column of its number."""
    n = len(numbers)
    return csr_matrix((values, (np.arange(n), numbers)), shape=(n, size))


def bin_numbers(confidence: np.ndarray) -> np.ndarray:
    """Return the number of the bin each confidence falls into.

    Examples
    --------
    >>> bin_numbers(np.array([0.0, 0.5, 1.0])).tolist()
    [0, 7, 14]
    """
    return np.minimum((confidence * CALIBRATION_BINS).astype(np.intp), CALIBRATION_BINS - 1)


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Divide; NaN where there is nothing to divide by.

    Examples
    --------
    >>> ratio(np.array([1.0, 0.0]), np.array([4.0, 0.0])).tolist()
    [0.25, nan]
    """
    shape = np.broadcast_shapes(above.shape, below.shape)
    return np.divide(above, below, out=np.full(shape, np.nan), where=below > 0)


def mean_of_defined(values: Any) -> float | None:
    """Return the mean of what is defined, None where nothing is.

    Examples
    --------
    >>> mean_of_defined([1.0, float("nan"), 2.0]), mean_of_defined([])
    (1.5, None)
    """
    found = np.asarray(values, np.float64)
    found = found[~np.isnan(found)]
    return float(found.mean()) if found.size else None


def class_scores(
    y: np.ndarray, p: np.ndarray, predicted: np.ndarray, w: np.ndarray, drawing: Drawing
) -> Scores:
    """Return each metric of classes, and its values on the drawn rows.

    Parameters
    ----------
    y, predicted : numpy.ndarray of shape (n,)
        Numbers of the right classes and of the predicted ones.
    p : numpy.ndarray of shape (n, k)
        Probabilities.
    w : numpy.ndarray of shape (n,)
        Weights, above 0.
    drawing : Drawing
        A fresh one.
    """
    n, k = p.shape
    rows, numbers = np.arange(n), np.arange(k)
    is_binary = k == 2
    right, sure = (predicted == y).astype(np.float64), p[rows, predicted]
    square = ((p**2).sum(axis=1) - 2 * p[rows, y] + 1) * (0.5 if is_binary else 1.0)
    first = 1 if is_binary else 0
    area = _AreaUnderCurve(drawing, y[:, None] == numbers[first:], w, p[:, first:])
    drawing.add(
        weight=w, right=w * right, square=w * square,
        loss=-w * np.log(np.clip(p[rows, y], EPSILON, 1.0)),
        gaps=_spread_out(w * (sure - right), bin_numbers(sure), CALIBRATION_BINS),
        truth=_spread_out(w, y, k), choice=_spread_out(w, predicted, k),
        hits=_spread_out(w * right, y, k),
    )  # fmt: skip
    drawn = drawing.draw()
    weight = drawn["weight"]
    f1 = ratio(2 * drawn["hits"], drawn["truth"] + drawn["choice"])
    known = np.array([1]) if is_binary else np.union1d(y, predicted)
    given: dict[str, Any] = {"sample_weight": w}
    macro = {**given, "average": "macro", "zero_division": np.nan}
    return {
        "accuracy": (accuracy_score(y, predicted, **given), ratio(drawn["right"], weight)),
        "balanced accuracy": (
            recall_score(y, predicted, labels=np.unique(y), **macro),
            ratio(drawn["hits"], drawn["truth"]),
        ),
        "ROC AUC": (area.value, area.drawn(drawn)),
        "log loss": (log_loss(y, p, labels=numbers, **given), ratio(drawn["loss"], weight)),
        "F1": (f1_score(y, predicted, labels=known, **macro), f1[:, first:]),
        "Brier": (
            brier_score_loss(y, p, labels=numbers, **given),
            ratio(drawn["square"], weight),
        ),
        "ECE": _calibration_error(drawing.total("gaps"), drawn["gaps"], w.sum(), weight),
    }


def label_scores(
    y: np.ndarray, p: np.ndarray, predicted: np.ndarray, w: np.ndarray, drawing: Drawing
) -> Scores:
    """Return each metric of labels, and its values on the drawn rows.

    Parameters
    ----------
    y, predicted : numpy.ndarray of shape (n, m)
        The right labels and the predicted ones, 0 or 1.
    p : numpy.ndarray of shape (n, m)
        Probabilities that they hold.
    w : numpy.ndarray of shape (n,)
        Weights, above 0.
    drawing : Drawing
        A fresh one.
    """
    n, m = y.shape
    column, right = w[:, None], predicted == y
    sure = np.where(predicted == 1, p, 1 - p)
    loss = -np.log(np.clip(np.where(y == 1, p, 1 - p), EPSILON, 1.0))
    area = _AreaUnderCurve(drawing, y == 1, w, p)
    drawing.add(
        weight=w, right=w * right.mean(axis=1), exact=w * right.all(axis=1),
        loss=w * loss.mean(axis=1), square=w * ((p - y) ** 2).mean(axis=1),
        gaps=sum(
            _spread_out(w * (sure - right)[:, j], bin_numbers(sure[:, j]), CALIBRATION_BINS)
            for j in range(m)
        ),
        hits=column * (y & predicted), either=column * (y + predicted),
    )  # fmt: skip
    drawn = drawing.draw()
    weight = drawn["weight"]

    def over_labels(metric: Any, of: np.ndarray, **more: Any) -> float | None:
        return mean_of_defined(
            [metric(y[:, j], of[:, j], sample_weight=w, **more) for j in range(m)]
        )

    gaps = _calibration_error(drawing.total("gaps"), drawn["gaps"], w.sum() * m, weight * m)
    exact = accuracy_score(np.ones(n, bool), right.all(axis=1), sample_weight=w)
    return {
        "accuracy": (over_labels(accuracy_score, predicted), ratio(drawn["right"], weight)),
        "exact match": (exact, ratio(drawn["exact"], weight)),
        "ROC AUC": (area.value, area.drawn(drawn)),
        "log loss": (over_labels(log_loss, p, labels=[0, 1]), ratio(drawn["loss"], weight)),
        "F1": (
            over_labels(f1_score, predicted, zero_division=np.nan),
            ratio(2 * drawn["hits"], drawn["either"]),
        ),
        "Brier": (over_labels(brier_score_loss, p, pos_label=1), ratio(drawn["square"], weight)),
        "ECE": gaps,
    }


def number_scores(y: np.ndarray, a: np.ndarray, w: np.ndarray, drawing: Drawing) -> list[Scores]:
    """Return each metric of each output, and its values on the drawn rows.

    Parameters
    ----------
    y, a : numpy.ndarray of shape (n, m)
        The right numbers and the predicted ones.
    w : numpy.ndarray of shape (n,)
        Weights, above 0.
    drawing : Drawing
        A fresh one.
    """
    column, error = w[:, None], a - y
    centered = y - np.average(y, axis=0, weights=w)  # so that no digits are lost in the spread
    drawing.add(
        weight=w, squares=column * error**2, sizes=column * np.abs(error),
        sums=column * centered, around=column * centered**2,
    )  # fmt: skip
    drawn = drawing.draw()
    weight, squares = drawn["weight"], drawn["squares"]
    around = drawn["around"] - ratio(drawn["sums"] ** 2, weight)
    around[around <= 1e-12 * drawn["around"]] = 0  # one and the same row, drawn again and again
    draws = (np.sqrt(ratio(squares, weight)), ratio(drawn["sizes"], weight))
    explained = 1 - ratio(squares, around)
    scores = []
    for j in range(y.shape[1]):
        part = y[:, j], a[:, j]
        has_spread = bool((part[0] != part[0][0]).any())
        scores.append({
            "RMSE": (root_mean_squared_error(*part, sample_weight=w), draws[0][:, [j]]),
            "MAE": (mean_absolute_error(*part, sample_weight=w), draws[1][:, [j]]),
            "R²": (
                r2_score(*part, sample_weight=w) if has_spread else None,
                explained[:, [j]] if has_spread else np.empty((0, 1)),
            ),
        })  # fmt: skip
    return scores


def _calibration_error(
    gaps: np.ndarray, drawn: np.ndarray, weight: float, drawn_weight: np.ndarray
) -> tuple[float, np.ndarray]:
    value = float(np.abs(gaps).sum() / weight)
    found = ratio(np.abs(drawn).sum(axis=1, keepdims=True), drawn_weight)
    if not len(found):
        return value, found
    # Chance makes gaps of its own, and draws add theirs to those of the rows: on average that much.
    return value, np.maximum(found - (np.nanmean(found) - value), 0.0)
