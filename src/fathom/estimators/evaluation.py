"""How good predictions are: the metrics people expect, each with how sure it is."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import Field, FiniteFloat
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from fathom.data.schema import Label, Task
from fathom.errors import InputError
from fathom.estimators.bootstrap import (
    CALIBRATION_BINS,
    Drawing,
    Scores,
    bin_numbers,
    class_scores,
    label_scores,
    mean_of_defined,
    number_scores,
    ratio,
)
from fathom.values import Value

N_RESAMPLES = 1000
MOST_CONFUSED = 100  # classes up to which who is taken for whom is kept
MOST_SHOWN = 30  # classes in a printed table
MOST_LETTERS = 24  # of a class in it
BETTER_HIGH = ("accuracy", "balanced accuracy", "exact match", "ROC AUC", "F1", "R²")
UNDEFINED = {
    "ROC AUC": "not defined: the rows hold one class only",
    "F1": "not defined: no row is of the class or taken for it",
    "R²": "not defined: the right numbers are all the same",
}


class Metric(Value):
    """One number for how good predictions are.

    Attributes
    ----------
    name : str
        Its name.
    value : float or None
        The metric on the rows given; None where it is not defined on them.
    low, high : float or None
        The 95 % bootstrap interval: between them lie 95 % of the values on rows drawn anew, with
        replacement, from the rows given.
    is_better_high : bool
        Whether more is better.
    note : str
        Why it is not defined.
    """

    name: str
    value: FiniteFloat | None
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None
    is_better_high: bool = False
    note: str = ""


class ClassReport(Value):
    """How well one class, or one label, is told from the others.

    Attributes
    ----------
    label : bool, int, float or str
        The class.
    precision : float or None
        Share of the rows taken for it that are of it; None where no row was taken for it.
    recall : float or None
        Share of the rows of it that were taken for it; None where there are none.
    f1 : float or None
        Harmonic mean of both; None where the class neither is there nor was predicted.
    support : int
        Rows of it.
    """

    label: Label
    precision: FiniteFloat | None
    recall: FiniteFloat | None
    f1: FiniteFloat | None
    support: int = Field(ge=0)


class CalibrationBin(Value):
    """Predictions of about the same confidence.

    Attributes
    ----------
    low, high : float
        Limits of the confidence: the probability of the class that was predicted.
    n_rows : int
        How many predictions.
    confidence : float
        Their mean confidence.
    accuracy : float
        Share of them that were right; equal to the confidence where probabilities can be trusted.
    """

    low: float
    high: float
    n_rows: int = Field(ge=1)
    confidence: FiniteFloat
    accuracy: FiniteFloat


class Evaluation(Value):
    """How good predictions are.

    Attributes
    ----------
    task : {"classes", "labels", "numbers"}
        What was predicted.
    n_rows : int
        How many rows.
    metrics : tuple of Metric
        The metrics, the one most asked for first.
    per_class : tuple of ClassReport
        One report for each class or label; empty for numbers.
    confusion : tuple of tuple of int
        Rows of class i taken for class j, unweighted; empty above 100 classes and for other tasks.
    calibration : tuple of CalibrationBin
        Bins of equal width that hold rows; empty for numbers.

    Examples
    --------
    >>> evaluation = evaluate_numbers([1.0, 2.0, 4.0], [1.0, 2.0, 3.0])
    >>> print(round(evaluation["MAE"].value, 3))
    0.333
    """

    task: Task
    n_rows: int = Field(ge=1)
    metrics: tuple[Metric, ...]
    per_class: tuple[ClassReport, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    calibration: tuple[CalibrationBin, ...] = ()

    def __getitem__(self, name: str) -> Metric:
        """Return the metric of that name."""
        found = {metric.name: metric for metric in self.metrics}
        if name not in found:
            raise InputError(f"one of the metrics {', '.join(found)}", got=repr(name))
        return found[name]

    def __str__(self) -> str:
        rows = f"{self.n_rows:,} row" + "s" * (self.n_rows != 1)
        parts = [f"{rows}; in brackets the 95 % bootstrap interval", _metric_table(self.metrics)]
        if self.per_class:
            parts.append(_class_table(self.per_class, self.task))
        if self.confusion and len(self.confusion) <= MOST_SHOWN // 2:
            parts.append(_confusion_table(self.per_class, self.confusion))
        return "\n\n".join(parts)


def evaluate_classes(
    y_true: Any,
    probabilities: Any,
    classes: Sequence[Label],
    sample_weight: Any = None,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
) -> Evaluation:
    """Say how good the probabilities of classes are.

    The class of the highest probability is the one predicted. The expected calibration error is
    Σ_b (w_b / w) |accuracy_b − confidence_b| over 15 bins of equal width of the confidence [1]_.
    For two classes F1, ROC AUC and Brier are those of the second class; for more, F1 and ROC AUC
    (one class against the rest) are means over the classes, and Brier sums over them.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        Numbers of the right classes, from 0.
    probabilities : array-like of shape (n, k)
        Probability of each class; rows are brought to the sum 1.
    classes : sequence
        Names of the k classes.
    sample_weight : array-like of shape (n,), optional
        Weight of each row, at least 0; rows of weight 0 are left out.
    seed : int
        Seed of the resampling.
    n_resamples : int
        How often rows are drawn anew; 0 for no intervals.

    Returns
    -------
    Evaluation
        Accuracy, balanced accuracy, ROC AUC, log loss, F1, Brier, expected calibration error.

    Raises
    ------
    InputError
        If shapes disagree, or a probability is not finite or below 0.

    Examples
    --------
    >>> p = [[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.2, 0.8]]
    >>> evaluation = evaluate_classes([0, 0, 1, 1], p, ["no", "yes"])
    >>> evaluation["accuracy"].value, evaluation["ROC AUC"].value
    (0.75, 0.75)

    References
    ----------
    .. [1] Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    """
    p = _checked_probabilities(probabilities)
    y = _checked_classes(y_true, p, len(classes))
    total, k = p.sum(axis=1, keepdims=True), len(classes)
    p = np.divide(p, total, out=np.full_like(p, 1 / k), where=total > 0)
    w, y, p = _weighed(sample_weight, y, p)
    n = len(y)
    predicted = p.argmax(axis=1)
    confusion = (
        confusion_matrix(y, predicted, labels=np.arange(k)).tolist() if k <= MOST_CONFUSED else ()
    )
    return Evaluation(
        task="classes", n_rows=n, confusion=confusion,
        metrics=_metrics(class_scores(y, p, predicted, w, Drawing(n, seed, n_resamples))),
        per_class=tuple(
            _report(label, y == c, predicted == c, w) for c, label in enumerate(classes)
        ),
        calibration=_calibration(p[np.arange(n), predicted], predicted == y, w),
    )  # fmt: skip


def evaluate_labels(
    y_true: Any,
    probabilities: Any,
    names: Sequence[str] = (),
    sample_weight: Any = None,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
) -> Evaluation:
    """Say how good the probabilities of labels that each hold or not are.

    A label is predicted at a probability of 0.5 or more. Log loss and Brier are means over the
    labels, F1 over those that hold or are predicted anywhere, ROC AUC over those that hold in some
    rows but not in all.

    Parameters
    ----------
    y_true : array-like of shape (n, m)
        Whether each label holds, 0 or 1.
    probabilities : array-like of shape (n, m)
        Probability that it holds.
    names : sequence of str
        Names of the labels; numbered from 0 where there are none.
    sample_weight, seed, n_resamples
        As for `evaluate_classes`.

    Returns
    -------
    Evaluation
        Accuracy (share of right labels), exact match (rows with every label right), ROC AUC, log
        loss, F1, Brier, expected calibration error.

    Raises
    ------
    InputError
        If shapes disagree, a label is neither 0 nor 1, or a probability is not from 0 to 1.

    Examples
    --------
    >>> evaluation = evaluate_labels([[1, 0], [0, 1]], [[0.9, 0.2], [0.7, 0.8]])
    >>> evaluation["accuracy"].value, evaluation["exact match"].value
    (0.75, 0.5)
    """
    p = _checked_probabilities(probabilities)
    n, m = p.shape
    y = np.asarray(y_true)
    if y.shape != p.shape or not np.isin(y, (0, 1)).all():
        raise InputError(f"labels of 0 and 1 of shape {p.shape}", got=f"shape {y.shape}")
    if p.max() > 1:
        raise InputError("probabilities from 0 to 1", got=f"{p.max():g}")
    labels: tuple[Label, ...] = _checked_names(names, m) or tuple(range(m))
    w, y, p = _weighed(sample_weight, y.astype(np.int8), p)
    n = len(y)
    predicted = (p >= 0.5).astype(np.int8)
    confidence = np.where(predicted == 1, p, 1 - p).ravel()
    return Evaluation(
        task="labels", n_rows=n,
        metrics=_metrics(label_scores(y, p, predicted, w, Drawing(n, seed, n_resamples))),
        per_class=tuple(
            _report(label, y[:, j] == 1, predicted[:, j] == 1, w) for j, label in enumerate(labels)
        ),
        calibration=_calibration(confidence, (predicted == y).ravel(), np.repeat(w, m)),
    )  # fmt: skip


def evaluate_numbers(
    y_true: Any,
    predictions: Any,
    names: Sequence[str] = (),
    sample_weight: Any = None,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
) -> Evaluation:
    """Say how good predicted numbers are.

    With several outputs each metric is the mean over them, and is given for each besides.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, m)
        The right numbers.
    predictions : array-like of the same shape
        The predicted ones.
    names : sequence of str
        Names of the outputs; numbered from 1 where there are none.
    sample_weight, seed, n_resamples
        As for `evaluate_classes`.

    Returns
    -------
    Evaluation
        RMSE and MAE, in the unit of the target, and R².

    Raises
    ------
    InputError
        If shapes disagree, or a number is not finite.

    Examples
    --------
    >>> print(evaluate_numbers([3.0, 5.0, 7.0, 9.0], [3.0, 5.0, 7.0, 10.0], n_resamples=0))
    4 rows; in brackets the 95 % bootstrap interval
    <BLANKLINE>
    RMSE                  0.5000
    MAE                   0.2500
    R²                    0.9500
    """
    y, a = (np.asarray(part, np.float64) for part in (y_true, predictions))
    if y.shape != a.shape or y.ndim not in (1, 2) or y.size == 0:
        raise InputError(
            "as many predictions as right numbers, at least one",
            got=f"shapes {a.shape} and {y.shape}",
        )
    if not (np.isfinite(y).all() and np.isfinite(a).all()):
        raise InputError("finite numbers", got="NaN or infinity")
    w, y, a = _weighed(sample_weight, *(part.reshape(len(part), -1) for part in (y, a)))
    n, m = y.shape
    outputs = _checked_names(names, m) or tuple(f"output {j + 1}" for j in range(m))
    each = number_scores(y, a, w, Drawing(n, seed, n_resamples))
    return Evaluation(task="numbers", n_rows=n, metrics=_number_metrics(each, outputs))


def _metrics(scores: Scores, of: str = "") -> tuple[Metric, ...]:
    """Join each value with the interval of its values on drawn rows."""
    metrics = []
    for name, (value, drawn) in scores.items():
        given: dict[str, Any] = {"name": name + of, "is_better_high": name in BETTER_HIGH}
        if value is None or not np.isfinite(value):
            note = UNDEFINED.get(name, "not defined on these rows")
            metrics.append(Metric(value=None, note=note, **given))
            continue
        is_defined = ~np.isnan(drawn)
        draws = ratio(np.where(is_defined, drawn, 0.0).sum(axis=1), is_defined.sum(axis=1))
        draws = draws[~np.isnan(draws)]
        low, high = np.percentile(draws, [2.5, 97.5]) if len(draws) else (None, None)
        metrics.append(Metric(value=value, low=low, high=high, **given))
    return tuple(metrics)


def _number_metrics(each: list[Scores], names: Sequence[str]) -> tuple[Metric, ...]:
    """Return the means over the outputs, then, where there are several, each output's own."""
    if len(each) == 1:
        return _metrics(each[0])
    means: Scores = {}
    for name in each[0]:
        defined = [scores[name] for scores in each if scores[name][0] is not None]
        drawn = np.hstack([part for _, part in defined]) if defined else np.empty((0, 1))
        means[name] = mean_of_defined([value for value, _ in defined]), drawn
    metrics = _metrics(means)
    for scores, name in zip(each, names, strict=True):
        metrics += _metrics(scores, f" of {name}")
    return metrics


def _report(label: Label, is_it: np.ndarray, is_taken: np.ndarray, w: np.ndarray) -> ClassReport:
    found = precision_recall_fscore_support(
        is_it, is_taken, labels=[True], sample_weight=w, zero_division=np.nan
    )
    precision, recall, f1 = (mean_of_defined(part) for part in found[:3])
    return ClassReport(
        label=label, precision=precision, recall=recall, f1=f1, support=int(is_it.sum())
    )


def _calibration(
    confidence: np.ndarray, is_right: np.ndarray, w: np.ndarray
) -> tuple[CalibrationBin, ...]:
    numbers = bin_numbers(confidence)
    bins = []
    for b in np.unique(numbers):
        chosen = numbers == b
        sure, right = (
            float(np.average(part[chosen], weights=w[chosen])) for part in (confidence, is_right)
        )
        low, high = b / CALIBRATION_BINS, (b + 1) / CALIBRATION_BINS
        n_rows = int(chosen.sum())
        bins.append(
            CalibrationBin(low=low, high=high, n_rows=n_rows, confidence=sure, accuracy=right)
        )
    return tuple(bins)


def _weighed(sample_weight: Any, *parts: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the weights and the rows whose weight is above 0."""
    n = len(parts[0])
    w = np.ones(n) if sample_weight is None else np.asarray(sample_weight, np.float64)
    if w.shape != (n,) or not np.isfinite(w).all() or w.min() < 0 or w.max() == 0:
        raise InputError(f"{n} weights of at least 0, one of them above", got=f"shape {w.shape}")
    kept = w > 0
    return (w[kept], *(part[kept] for part in parts))


def _checked_probabilities(probabilities: Any) -> np.ndarray:
    p = np.asarray(probabilities, np.float64)
    if p.ndim != 2 or 0 in p.shape:
        raise InputError("probabilities of shape (rows, classes)", got=f"shape {p.shape}")
    if not np.isfinite(p).all() or p.min() < 0:
        raise InputError("probabilities of at least 0", got="NaN, infinity or less than 0")
    return p


def _checked_classes(y_true: Any, p: np.ndarray, n_classes: int) -> np.ndarray:
    n, k = p.shape
    y = np.asarray(y_true)
    if k != n_classes or k < 2:
        raise InputError("two classes or more, a probability for each", got=f"{n_classes} and {k}")
    if y.shape != (n,) or y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= k:
        raise InputError(f"{n} class numbers from 0 to {k - 1}", got=f"{y.dtype} of {y.shape}")
    return y


def _checked_names(names: Sequence[str], n: int) -> tuple[str, ...]:
    if names and len(names) != n:
        raise InputError(f"{n} names, or none", got=f"{len(names)}")
    return tuple(names)


def _shown(value: float | None) -> str:
    if value is None:
        return "—"
    return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"


def _metric_table(metrics: tuple[Metric, ...]) -> str:
    width = max(18, *(len(metric.name) for metric in metrics))
    rows = [_aligned(metric) for metric in metrics]
    bound = max((len(part) for row in rows for part in row[1:]), default=0)
    lines = []
    for metric, (value, *bounds) in zip(metrics, rows, strict=True):
        line = f"{metric.name:<{width}} {value:>9}"
        if bounds:
            line += f"  [{', '.join(part.rjust(bound) for part in bounds)}]"
        lines.append(f"{line}  {metric.note}".rstrip())
    return "\n".join(lines)


def _aligned(metric: Metric) -> list[str]:
    """Return a metric and its interval with 4 decimals, which are below each other, if they do."""
    values = [metric.value] if metric.low is None else [metric.value, metric.low, metric.high]
    known = [abs(value) for value in values if value is not None]
    is_usual = all(size < 10 for size in known) and (not known or not 0 < known[0] < 1e-3)
    return [f"{v:.4f}" if is_usual and v is not None else _shown(v) for v in values]


def _class_table(reports: tuple[ClassReport, ...], task: Task) -> str:
    shown = reports[:MOST_SHOWN]
    title = "class" if task == "classes" else "label"
    names = [str(report.label)[:MOST_LETTERS] for report in shown]
    width = max(18, *(len(name) for name in names))
    lines = [f"{title:<{width}} precision    recall        F1      rows"]
    for name, report in zip(names, shown, strict=True):
        numbers = [
            f"{'—' if part is None else format(part, '.4f'):>9}"
            for part in (report.precision, report.recall, report.f1)
        ]
        lines.append(f"{name:<{width}} {' '.join(numbers)} {report.support:>9,}")
    if len(reports) > len(shown):
        lines.append(f"and {len(reports) - len(shown):,} more")
    return "\n".join(lines)


def _confusion_table(
    reports: tuple[ClassReport, ...], confusion: tuple[tuple[int, ...], ...]
) -> str:
    names = [str(report.label)[:MOST_LETTERS] for report in reports]
    first = max(18, *(len(name) for name in names))
    width = max(5, *(len(f"{count:,}") for row in confusion for count in row))
    heads = "  ".join(f"{name[:width]:>{width}}" for name in names)
    lines = [f"{'is, taken for →':<{first}}  {heads}"]
    for name, row in zip(names, confusion, strict=True):
        lines.append(f"{name:<{first}}  " + "  ".join(f"{count:>{width},}" for count in row))
    return "\n".join(lines)
