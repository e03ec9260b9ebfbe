"""Trust: the gap between seen and unseen rows, calibration, and who is taken for whom."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from pydantic import Field, FiniteFloat

from fathom.data.schema import Label
from fathom.errors import InputError
from fathom.inspection.aligned import align
from fathom.inspection.charts import Series, line_chart, matrix_chart
from fathom.inspection.findings import Finding, find
from fathom.inspection.judging import wilson
from fathom.training.history import History
from fathom.values import Value

MUCH_HIGHER = 1.5  # validation loss by training loss that is worth a warning
AT_LEAST = 0.01  # and by how much it has to be higher at all
ROSE = 1.05
STILL_FELL = 0.99
N_BINS = 15
N_DRAWS = 500
MOST_CLASSES = 100


class Gap(Value):
    """How a network does on rows it learned and on rows it has not seen.

    Attributes
    ----------
    train_loss, train_score : float
        At the epoch kept, mean over the starts kept, each batch before its step.
    validation_loss, validation_score : float or None
        On the rows held out; None where there were none.
    score_name : str
        What the scores are.
    best_epoch, last_epoch : int
        The epoch kept and the last one, of the first start kept.
    findings : tuple of Finding
        What that says.
    """

    train_loss: FiniteFloat
    train_score: FiniteFloat
    validation_loss: FiniteFloat | None
    validation_score: FiniteFloat | None
    score_name: str
    best_epoch: int
    last_epoch: int
    findings: tuple[Finding, ...] = ()

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [("rows", "loss", self.score_name)]
        rows.append(("learned", f"{self.train_loss:.4f}", f"{self.train_score:.4f}"))
        if self.validation_loss is not None and self.validation_score is not None:
            figures = f"{self.validation_loss:.4f}", f"{self.validation_score:.4f}"
            rows.append(("held out", *figures))
        return "\n".join([align(rows), *map(str, self.findings)])

    __repr__ = __str__


def check_gap(history: History) -> Gap | None:
    """Compare the losses on rows learned and held out, at the epoch kept.

    Parameters
    ----------
    history : History
        What happened in training.

    Returns
    -------
    Gap or None
        The losses; None where no start was trained.

    Examples
    --------
    >>> from fathom.training.history import Epoch, StartHistory
    >>> epochs = tuple(
    ...     Epoch(epoch=n, train_loss=1 / n, train_score=0.9, validation_loss=abs(n - 3) + 1,
    ...           validation_score=0.8, learning_rate=0.1, seconds=n)
    ...     for n in range(1, 6)
    ... )
    >>> start = StartHistory(epochs=epochs, best_epoch=3)
    >>> gap = check_gap(History(starts=(start,), kept=(0,), score_name="accuracy", seconds=5))
    >>> [finding.code for finding in gap.findings]
    ['gap_large', 'gap_turned']

    Notes
    -----
    The training loss is taken with dropout and augmentation on, so it may be the higher of the two.
    """
    kept = [history.starts[n] for n in history.kept if history.starts[n].best is not None]
    best = [start.best for start in kept if start.best is not None]
    if not best:
        return None
    train = float(np.mean([epoch.train_loss for epoch in best]))
    held_out = [(e.validation_loss, e.validation_score) for e in best]
    losses = [loss for loss, _ in held_out if loss is not None]
    scores = [score for _, score in held_out if score is not None]
    validation = float(np.mean(losses)) if losses else None
    gap = Gap(
        train_loss=train, train_score=float(np.mean([epoch.train_score for epoch in best])),
        validation_loss=validation, validation_score=float(np.mean(scores)) if scores else None,
        score_name=history.score_name, best_epoch=kept[0].best_epoch,
        last_epoch=kept[0].epochs[-1].epoch,
    )  # fmt: skip
    if validation is None:
        return gap.model_copy(update={"findings": (find("gap_unknown"),)})
    facts = {"train": train, "validation": validation}
    if validation > MUCH_HIGHER * train and validation > train + AT_LEAST:
        found = [find("gap_large", "warning", **facts, ratio=validation / max(train, 1e-9))]
    else:
        found = [find("gap_small", "good", **facts)]
    every = [e.validation_loss for e in kept[0].epochs if e.validation_loss is not None]
    found += _on_course(every, gap.best_epoch, gap.last_epoch)
    return gap.model_copy(update={"findings": tuple(found)})


def _on_course(losses: list[float], best: int, last: int) -> Iterator[Finding]:
    """Say where the loss on held-out rows turned, or that it still fell."""
    lowest = min(losses)
    if best < last and lowest > 0 and losses[-1] > ROSE * lowest:
        yield find("gap_turned", best=best, last=last, ratio=losses[-1] / lowest)
    before = losses[: max(1, round(0.9 * len(losses)))]
    if best == last and len(losses) >= 10 and lowest < STILL_FELL * min(before):
        yield find("gap_still_falling", last=last)


class Bin(Value):
    """Predictions of about the same confidence.

    Attributes
    ----------
    low, high : float
        Limits of the confidence, the probability of the class predicted.
    n_rows : int
        How many predictions.
    confidence : float
        Their mean confidence.
    accuracy : float
        Share of them that were right.
    accuracy_low, accuracy_high : float
        The 95 % interval of that share.
    """

    low: FiniteFloat
    high: FiniteFloat
    n_rows: int = Field(ge=1)
    confidence: FiniteFloat
    accuracy: FiniteFloat
    accuracy_low: FiniteFloat
    accuracy_high: FiniteFloat


class Calibration(Value):
    """Whether probabilities can be taken at their word.

    Attributes
    ----------
    n_rows : int
        How many rows.
    accuracy, confidence : float
        Share of right predictions, and their mean confidence.
    error : float
        Expected calibration error: the mean distance of accuracy from confidence, bin by bin.
    chance_error : float
        What it would be below in 95 of 100 cases if every probability were right.
    bins : tuple of Bin
        Bins of equal width that hold rows.
    findings : tuple of Finding
        What that says.
    """

    n_rows: int = Field(ge=1)
    accuracy: FiniteFloat
    confidence: FiniteFloat
    error: FiniteFloat
    chance_error: FiniteFloat
    bins: tuple[Bin, ...]
    findings: tuple[Finding, ...] = ()

    def __str__(self) -> str:
        rows = [("confidence", "rows", "right", "low", "high")]
        rows += [
            (f"{b.confidence:.3f}", f"{b.n_rows:,}", f"{b.accuracy:.3f}", f"{b.accuracy_low:.3f}",
             f"{b.accuracy_high:.3f}")
            for b in self.bins
        ]  # fmt: skip
        return "\n".join([align(rows), *map(str, self.findings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        xs = [b.confidence for b in self.bins]
        drawn = Series(
            "predictions", xs, [b.accuracy for b in self.bins], "both", number=0,
            low=[b.accuracy_low for b in self.bins], high=[b.accuracy_high for b in self.bins],
        )  # fmt: skip
        ideal = Series("as sure as right", [0, 1], [0, 1], number=1)
        return line_chart(
            [ideal, drawn], title="Is it as sure as it is right?", x_label="confidence",
            y_label="share that is right", x_range=(0, 1), y_range=(0, 1), width=380, height=340,
            description=str(self),
        )  # fmt: skip


def check_calibration(probabilities: Any, y: Any, *, seed: int = 0) -> Calibration:
    """Compare how sure predictions are with how often they are right.

    The expected calibration error is Σ_b n_b / n · |accuracy_b - confidence_b| over 15 bins of
    equal width. Even perfect probabilities have some, by chance; how much is drawn.

    Parameters
    ----------
    probabilities : array-like
        Probabilities of the classes, shape (n, classes), each row summing to 1.
    y : array-like
        Numbers of the right classes, shape (n,).
    seed : int, default 0
        Seed of the draws.

    Returns
    -------
    Calibration
        Bins, error, and what it means.

    Raises
    ------
    InputError
        If shapes or numbers do not fit.

    Examples
    --------
    >>> found = check_calibration([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]], [0, 1, 1])
    >>> round(found.error, 4), round(found.accuracy, 4)
    (0.4, 0.6667)

    References
    ----------
    Guo, Pleiss, Sun, Weinberger (2017). On calibration of modern neural networks.
    arXiv:1706.04599. Bröcker, Smith (2007) on what chance makes of a reliable forecast.
    """
    p, y = _checked(probabilities, y)
    sure = p.max(axis=1)
    right = (p.argmax(axis=1) == y).astype(np.float64)
    place = np.minimum((sure * N_BINS).astype(int), N_BINS - 1)
    counts = np.bincount(place, minlength=N_BINS)
    confidence, accuracy = (np.bincount(place, part, N_BINS) for part in (sure, right))
    bins = []
    for b in np.flatnonzero(counts):
        low, high = wilson(float(accuracy[b]), int(counts[b]))
        bins.append(
            Bin(low=b / N_BINS, high=(b + 1) / N_BINS, n_rows=counts[b],
                confidence=confidence[b] / counts[b], accuracy=accuracy[b] / counts[b],
                accuracy_low=low, accuracy_high=high)
        )  # fmt: skip
    error = float(np.abs(accuracy - confidence).sum() / len(y))
    chance = _chance_error(sure, place, confidence, seed)
    facts = {"ece": error, "accuracy": right.mean(), "confidence": sure.mean(), "chance": chance}
    return Calibration(
        n_rows=len(y), accuracy=right.mean(), confidence=sure.mean(), error=error,
        chance_error=chance, bins=tuple(bins), findings=(_judge(facts, len(y)),),
    )  # fmt: skip


def _checked(probabilities: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    p, numbers = np.asarray(probabilities, np.float64), np.asarray(y)
    if p.ndim != 2 or p.shape[1] < 2 or len(p) == 0 or not np.isfinite(p).all():
        raise InputError("probabilities of shape (n, classes)", got=f"shape {p.shape}")
    if p.min() < 0 or np.abs(p.sum(axis=1) - 1).max() > 1e-3:
        raise InputError(
            "probabilities that sum to 1 in each row", got="a row that sums to something else"
        )
    if numbers.shape != (len(p),) or numbers.dtype.kind not in "iu":
        raise InputError(f"{len(p)} class numbers", got=f"{numbers.dtype} of {numbers.shape}")
    if numbers.min() < 0 or numbers.max() >= p.shape[1]:
        raise InputError(f"class numbers from 0 to {p.shape[1] - 1}", got=f"{numbers.max()}")
    return p, numbers


def _chance_error(sure: np.ndarray, place: np.ndarray, confidence: np.ndarray, seed: int) -> float:
    """Return the calibration error that perfect probabilities stay below in 95 of 100 draws."""
    rng = np.random.default_rng(seed)
    errors = []
    for _ in range(N_DRAWS):
        right = (rng.random(len(sure)) < sure).astype(np.float64)
        drawn = np.bincount(place, right, N_BINS)
        errors.append(float(np.abs(drawn - confidence).sum()) / len(sure))
    return float(np.quantile(errors, 0.95))


def _judge(facts: dict[str, Any], n: int) -> Finding:
    if facts["ece"] <= facts["chance"]:
        return find("calibrated", "good", **facts)
    low, high = wilson(float(facts["accuracy"]) * n, n)
    if facts["confidence"] > high:
        return find("overconfident", "warning", **facts)
    if facts["confidence"] < low:
        return find("underconfident", "note", **facts)
    return find("uneven_confidence", "note", **facts)


class Cell(Value):
    """The rows of one class that were taken for one class.

    Attributes
    ----------
    truth, prediction : int
        Numbers of the classes.
    n : int
        How many rows.
    rows : tuple of int
        Their numbers, at most so many as were asked for: of mistakes the surest first, of right
        predictions the least sure first.
    """

    truth: int = Field(ge=0)
    prediction: int = Field(ge=0)
    n: int = Field(ge=1)
    rows: tuple[int, ...]


class Confusion(Value):
    """Which classes are taken for which, and in which rows.

    Attributes
    ----------
    classes : tuple of bool, int, float or str
        The classes.
    n_rows : int
        How many rows.
    cells : tuple of Cell
        The cells that hold rows; mistakes first, the most frequent first.
    findings : tuple of Finding
        What stands out.
    """

    classes: tuple[Label, ...]
    n_rows: int = Field(ge=1)
    cells: tuple[Cell, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def counts(self) -> np.ndarray:
        """Rows of class i taken for class j, shape (classes, classes)."""
        counts = np.zeros((len(self.classes),) * 2, int)
        for cell in self.cells:
            counts[cell.truth, cell.prediction] = cell.n
        return counts

    def rows(self, truth: Label, prediction: Label) -> tuple[int, ...]:
        """Return the numbers of the rows of one class that were taken for another."""
        for label in (truth, prediction):
            if label not in self.classes:
                raise InputError(
                    f"one of the classes {', '.join(map(str, self.classes[:20]))}", got=repr(label)
                )
        wanted = self.classes.index(truth), self.classes.index(prediction)
        found = (cell.rows for cell in self.cells if (cell.truth, cell.prediction) == wanted)
        return next(found, ())

    def __str__(self) -> str:
        names = [str(name)[:8] for name in self.classes]
        table = [("", *names)]
        table += [
            (name, *(str(n) if n else "·" for n in line))
            for name, line in zip(names, self.counts, strict=True)
        ]
        lines = [align(table, 0)] if len(names) <= 30 else []
        for cell in [c for c in self.cells if c.truth != c.prediction][:5]:
            truth, taken = self.classes[cell.truth], self.classes[cell.prediction]
            shown = ", ".join(map(str, cell.rows[:8])) + (", …" if cell.n > 8 else "")
            lines.append(f"{truth} taken for {taken}: {cell.n} (rows {shown})")
        return "\n".join([*lines, *map(str, self.findings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        names = [str(name) for name in self.classes]
        return matrix_chart(
            self.counts.astype(float), row_names=names, column_names=names,
            title="Which classes are taken for which", x_label="predicted", y_label="true",
            as_text=lambda v: f"{v:.0f}" if v else "", description=str(self),
        )  # fmt: skip


def check_confusion(
    y: Any, predicted: Any, classes: Sequence[Label], *, most_rows: int = 100
) -> Confusion:
    """Count which classes are taken for which, and keep the rows of every cell.

    Parameters
    ----------
    y : array-like
        Numbers of the right classes, shape (n,).
    predicted : array-like
        Numbers of the predicted classes, shape (n,), or probabilities, shape (n, classes).
    classes : sequence
        The classes.
    most_rows : int, default 100
        Row numbers kept in each cell.

    Returns
    -------
    Confusion
        The cells, with their rows.

    Raises
    ------
    InputError
        If shapes or numbers do not fit, or there are more than 100 classes.

    Examples
    --------
    >>> found = check_confusion([0, 0, 1, 1], [0, 1, 1, 1], ["cat", "dog"])
    >>> found.rows("cat", "dog")
    (1,)
    """
    truth, guess = np.asarray(y), np.asarray(predicted)
    k = len(classes)
    if not 2 <= k <= MOST_CLASSES:
        raise InputError(f"from 2 to {MOST_CLASSES} classes", got=f"{k}")
    sure = np.zeros(len(guess))
    if guess.ndim == 2:
        guess, _ = _checked(guess, truth)
        sure, guess = guess.max(axis=1), guess.argmax(axis=1)
    for numbers in (truth, guess):
        if numbers.shape != truth.shape or numbers.ndim != 1 or numbers.dtype.kind not in "iu":
            raise InputError("as many class numbers as rows", got=f"shape {numbers.shape}")
        if len(numbers) == 0 or numbers.min() < 0 or numbers.max() >= k:
            raise InputError(f"class numbers from 0 to {k - 1}", got="numbers beyond, or none")
    order = np.argsort(np.where(truth == guess, sure, -sure), kind="stable")
    code = (truth * k + guess)[order]
    by_cell = order[np.argsort(code, kind="stable")]
    found, begins, counts = np.unique(np.sort(code), return_index=True, return_counts=True)
    cells = [
        Cell(truth=c // k, prediction=c % k, n=n, rows=by_cell[b : b + min(n, most_rows)].tolist())
        for c, b, n in zip(found.tolist(), begins, counts.tolist(), strict=True)
    ]
    cells.sort(key=lambda cell: (cell.truth == cell.prediction, -cell.n))
    values = np.asarray(classes).tolist()
    return Confusion(
        classes=tuple(values), n_rows=len(truth), cells=tuple(cells),
        findings=tuple(_on_mistakes(cells, values, truth, guess)),
    )  # fmt: skip


def _on_mistakes(
    cells: list[Cell], classes: list[Label], truth: np.ndarray, guess: np.ndarray
) -> Iterator[Finding]:
    first = cells[0]
    if first.truth == first.prediction:
        yield find("no_mistakes", "good", n_rows=len(truth))
    else:
        yield find(
            "confused_most", truth=str(classes[first.truth]),
            prediction=str(classes[first.prediction]), n=first.n,
            n_truth=int((truth == first.truth).sum()),
        )  # fmt: skip
    for number, name in enumerate(classes):
        n = int((truth == number).sum())
        if n and not (guess == number).any():
            yield find("class_never_predicted", "warning", label=str(name), n=n)
