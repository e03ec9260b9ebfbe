"""The material: rows to learn from, rows to stop by, and rows kept apart to judge."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import polars as pl

from fathom.data.columns import infer_columns
from fathom.data.datasets import Digits
from fathom.data.features import Layout, TableEncoding
from fathom.data.parsing import parse_table
from fathom.data.schema import ColumnKind, Target, Task
from fathom.data.splitting import hold_out
from fathom.errors import InputError
from fathom.nn.named import ActivationName, LossName
from fathom.nn.xla import jnp
from fathom.training.calibration import (
    binary_log_loss,
    calibrated_log_loss,
    fit_sharpness,
    log_loss,
    softmax,
)
from fathom.training.plan import EVALUATION_BATCH, Examples

TEST_SHARE, VALIDATION_SHARE = 0.2, 0.15
MOST_TRAINING_ROWS = 50_000
MOST_CODES = 50  # inputs a category may become: the most frequent ones, and all others together
ErrorName: TypeAlias = Literal["error", "RMSE", "relative RMSE"]
OUTPUTS: dict[Task, tuple[ActivationName, LossName]] = {
    "classes": ("softmax", "cross_entropy"),
    "labels": ("sigmoid", "binary_cross_entropy"),
    "numbers": ("identity", "squared_error"),
}


@dataclass(frozen=True, eq=False)
class DepthData:
    """Examples for a study of depth, in three parts.

    Attributes
    ----------
    name : str
        What the data are called.
    x : numpy.ndarray
        Inputs, float32, shape (n, inputs).
    y : numpy.ndarray
        Class numbers (n,), or labels or numbers (n, outputs).
    task : {"classes", "labels", "numbers"}
        What is predicted.
    n_outputs : int
        Width of the output layer.
    training, validation, test : numpy.ndarray
        Rows that are learned from, that choose epoch and learning rate, and that judge.
    notes : tuple of str
        What was found out about the data, in words.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    task: Task
    n_outputs: int
    training: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    notes: tuple[str, ...] = ()

    @property
    def n_inputs(self) -> int:
        """Width of the input."""
        return int(self.x.shape[1])

    @property
    def output(self) -> tuple[ActivationName, LossName]:
        """Activation function of the output layer, and the loss that goes with it."""
        return OUTPUTS[self.task]

    @property
    def error_name(self) -> ErrorName:
        """What is measured on the test rows: the share of wrong answers, or the RMSE.

        The RMSE of several numbers is relative to the standard deviation of each.
        """
        if self.task != "numbers":
            return "error"
        return "RMSE" if self.n_outputs == 1 else "relative RMSE"


class Bench:
    """The data as networks see them, and how their outputs are judged.

    Parameters
    ----------
    data : DepthData
        The data.
    """

    def __init__(self, data: DepthData) -> None:
        self.data = data
        aim = data.y
        self._spread = 1.0
        if data.task == "numbers":
            center, spread = _center_and_spread(data.y[data.training])
            aim = data.y / spread - center / spread
            self._spread = float(spread[0]) if data.n_outputs == 1 else 1.0
        self._aim = aim
        kind = np.int32 if data.task == "classes" else np.float32
        self.examples = Examples(
            jnp.asarray(data.x), jnp.asarray(aim.astype(kind)), jnp.ones(len(aim), jnp.float32)
        )
        most = max(len(data.validation), len(data.test))
        self._n_evaluated = -(-most // EVALUATION_BATCH) * EVALUATION_BATCH
        self.validation = self._part(data.validation)
        self.test_x = self._part(data.test).x

    def _part(self, rows: np.ndarray) -> Examples:
        """Return a part, repeated up to one size for all, so that one program evaluates them."""
        return Examples(*(part[np.resize(rows, self._n_evaluated)] for part in self.examples))

    def judge(self, z: np.ndarray) -> tuple[float, float]:
        """Return loss and score of the validation rows; the loss chooses epoch and rate.

        The log loss of classes is taken with the sharpness set right: it judges what is told
        apart, not how sure of itself a network is, which depth changes.
        """
        rows, data = self.data.validation, self.data
        z, y = z[: len(rows)], data.y[rows]
        if not np.isfinite(z).all():
            return float("inf"), 0.0
        if data.task == "classes":
            right = float(np.mean(z.argmax(axis=1) == y))
            return calibrated_log_loss(z, y, np.ones(len(y))), right
        if data.task == "labels":
            return binary_log_loss(_sigmoid(z), y, np.ones(len(y))), 1 - self._misses(z, y).mean()
        loss = float(np.mean((z - self._aim[rows]) ** 2))
        return loss, 1 - loss

    def assess(self, z: np.ndarray, z_validation: np.ndarray) -> tuple[np.ndarray, float]:
        """Return what each test row adds to the error, and the loss of the test rows.

        Parameters
        ----------
        z, z_validation : numpy.ndarray
            Sums of the output layer for test and validation rows, which set the sharpness.

        Returns
        -------
        tuple of numpy.ndarray and float
            For every test row the share of wrong answers, or the squared error in units of the
            target's variance; and the log loss, or the mean of these squares.
        """
        data = self.data
        z, z_validation = z[: len(data.test)], z_validation[: len(data.validation)]
        y, weight = data.y[data.test], np.ones(len(data.test))
        if data.task == "classes":
            known = data.y[data.validation]
            beta = fit_sharpness(z_validation, known, np.ones(len(known)))
            return self._misses(z, y), log_loss(softmax(beta * z), y, weight)
        if data.task == "labels":
            return self._misses(z, y), binary_log_loss(_sigmoid(z), y, weight)
        squares = np.mean((z - self._aim[data.test]) ** 2, axis=1)
        return squares, float(squares.mean())

    def _misses(self, z: np.ndarray, y: np.ndarray) -> np.ndarray:
        if self.data.task == "classes":
            return (z.argmax(axis=1) != y).astype(np.float64)
        return np.asarray(((z > 0) != (y > 0.5)).mean(axis=1))

    def error(self, parts: np.ndarray) -> float:
        """Return the error of all test rows from what each adds to it."""
        mean = float(np.mean(parts))
        return mean if self.data.error_name == "error" else mean**0.5 * self._spread


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-np.clip(z.astype(np.float64), -500, 500))))


def from_arrays(
    x: np.ndarray, y: np.ndarray, *, task: Task, n_outputs: int, name: str = "data", seed: int = 0
) -> DepthData:
    """Take inputs that a network can see as they are, and divide them into three parts.

    Parameters
    ----------
    x : numpy.ndarray
        Inputs, shape (n, inputs), of spread 1 or so.
    y : numpy.ndarray
        Class numbers (n,), or labels or numbers (n, outputs).
    task : {"classes", "labels", "numbers"}
        What is predicted.
    n_outputs : int
        How many classes, labels or numbers there are.
    name : str
        What the data are called.
    seed : int
        Seed of the division.

    Raises
    ------
    InputError
        If there are too few rows for three parts.
    """
    training, validation, test = _divide(len(y), y if task == "classes" else None, seed)
    return DepthData(
        name, x.astype(np.float32), y, task, n_outputs, training, validation, test
    )  # fmt: skip


def from_digits(digits: Digits, seed: int = 0) -> DepthData:
    """Take pictures of signs as they are divided, every pixel an input."""
    x = np.concatenate([digits.x_train, digits.x_test])
    labels = np.concatenate([digits.y_train, digits.y_test])
    classes, y = np.unique(labels, return_inverse=True)
    n = len(digits.y_train)
    kept, validation = _hold_out(np.arange(n), VALIDATION_SHARE, y, seed)
    return DepthData(
        digits.name, x.reshape(len(x), -1).astype(np.float32), y, "classes", len(classes),
        kept, validation, np.arange(n, len(y)),
    )  # fmt: skip


def from_table(
    frame: pl.DataFrame,
    target: Target,
    y: np.ndarray,
    *,
    kinds: Mapping[str, ColumnKind] | None = None,
    is_named: bool = True,
    name: str = "table",
    seed: int = 0,
) -> DepthData:
    """Take a table: divide its rows, and learn from the training part how to show it.

    Numbers are brought to a robust scale, categories become an input each.

    Parameters
    ----------
    frame : polars.DataFrame
        The features.
    target : Target
        What is predicted.
    y : numpy.ndarray
        Its values, as `fathom.data.target.ParsedTarget` holds them.
    kinds : mapping, optional
        Kinds of columns that are known.
    is_named : bool
        Whether the columns have names of their own.
    name : str
        What the table is called.
    seed : int
        Seed of the division.

    Raises
    ------
    InputError
        If there are too few rows, or no column can be used.
    """
    is_classes = target.task == "classes"
    training, validation, test = _divide(len(y), y if is_classes else None, seed)
    columns, notes = infer_columns(frame[training], dict(kinds or {}))
    parsed = parse_table(frame, columns, is_named=is_named)
    n_classes = len(target.classes)
    aim = y
    if target.task == "numbers":
        center, spread = _center_and_spread(y[training])
        aim = y / spread - center / spread
    encoding, means = TableEncoding.fit(parsed.take(training), aim[training], n_classes, seed)
    every = encoding.target_means(parsed)
    every[training] = means
    x = _one_hot(encoding.encode(parsed, "robust", every), encoding.layout)
    if len(training) > MOST_TRAINING_ROWS:
        notes = (*notes, f"learned from {MOST_TRAINING_ROWS:,} of {len(training):,} training rows")
        rng = np.random.default_rng(seed)
        training = np.sort(rng.permutation(training)[:MOST_TRAINING_ROWS])
    return DepthData(
        name, x, y, target.task, n_classes or target.n_outputs, training, validation, test, notes
    )


def _center_and_spread(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each column; 1 where it is constant."""
    largest = np.maximum(np.abs(y).max(axis=0), np.finfo(float).tiny)
    unit = y / largest  # so that no square overflows
    spread = unit.std(axis=0)
    spread = np.where(spread > 1e-12, spread, 1.0)
    return unit.mean(axis=0) * largest, spread * largest


def _one_hot(matrix: np.ndarray, layout: Layout) -> np.ndarray:
    """Replace every column of codes by an input for each code; code 0 is all the others."""
    at = layout.n_numbers + layout.n_plain
    blocks = [matrix[:, :at]]
    for place, n_codes in enumerate(layout.codes):
        n = min(n_codes, MOST_CODES)
        codes = matrix[:, at + place].astype(np.int64)
        codes = np.where(codes < n, codes, 0)
        blocks.append((codes[:, None] == np.arange(n)).astype(np.float32))
    return np.ascontiguousarray(np.hstack(blocks), np.float32)


def _divide(
    n: int, classes: np.ndarray | None, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rest, test = _hold_out(np.arange(n), TEST_SHARE, classes, seed)
    return *_hold_out(rest, VALIDATION_SHARE, classes, seed), test


def _hold_out(
    rows: np.ndarray, share: float, classes: np.ndarray | None, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    of_rows = None if classes is None else classes[rows]
    kept, held_out = hold_out(len(rows), share, seed, of_rows)
    if held_out is None:
        raise InputError(
            "rows enough to learn from, to stop by and to test on",
            got=f"{len(rows)} rows" + ("" if classes is None else f", {classes.max() + 1} classes"),
            hint="add data",
        )
    return np.sort(rows[kept]), np.sort(rows[held_out])
