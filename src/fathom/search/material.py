"""The material: a table as every network of a search needs to see it."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from fathom.data.features import Layout, TableEncoding, join_trees, with_trees
from fathom.data.parsing import ParsedTable
from fathom.data.schema import Target
from fathom.data.sketches import QuantileSketch
from fathom.data.splitting import Fold
from fathom.data.trees import Growth, TreeView, n_tree_columns
from fathom.data.views import View
from fathom.nn.xla import Array
from fathom.training.calibration import (
    binary_log_loss,
    calibrated_log_loss,
    log_loss,
    softmax,
)
from fathom.training.loop import Judge
from fathom.training.machine import place
from fathom.training.plan import Examples

LARGEST_LOG = 1e300  # target of whose logarithm there is a way back
Grown: TypeAlias = dict[int, tuple[TreeView, np.ndarray]]  # trees of a fold, and what they say
TREE_SHARE, MOST_TREE_S = 0.3, 600.0  # of the time that trees may take
MORE_TIME = 1.25  # times what trees may take that they may have taken before
SKEWED = 1.0  # skewness from which the logarithm of a target is worth trying


@dataclass(frozen=True)
class TargetScale:
    """How a target of numbers is brought to mean 0 and standard deviation 1, and back.

    y ↦ (f(y) - center) / scale with f(y) = y, or log(y + offset) where an offset is given.

    Attributes
    ----------
    center, scale : numpy.ndarray
        One for each output.
    offset : float or None
        Added before the logarithm; None for no logarithm.
    """

    center: np.ndarray
    scale: np.ndarray
    offset: float | None = None

    @classmethod
    def fit(cls, y: np.ndarray, offset: float | None = None) -> "TargetScale":
        """Learn from training values of shape (n, outputs)."""
        moved = y if offset is None else np.log(y + offset)
        largest = np.maximum(np.abs(moved).max(axis=0), np.finfo(float).tiny)
        unit = moved / largest  # so that no square overflows
        spread = unit.std(axis=0)
        spread = np.where(spread > 1e-12, spread, 1.0)
        return cls(unit.mean(axis=0) * largest, np.maximum(spread * largest, 1e-300), offset)

    def encode(self, y: np.ndarray) -> np.ndarray:
        """Return float32 of mean 0 and spread 1."""
        moved = y if self.offset is None else np.log(y + self.offset)
        return (moved / self.scale - self.center / self.scale).astype(np.float32)

    def decode(self, z: np.ndarray) -> np.ndarray:
        """Return numbers as the user has them."""
        moved = z.astype(np.float64) * self.scale + self.center
        if self.offset is None:
            return moved
        return np.exp(np.minimum(moved, 700.0)) - self.offset


def log_offset(y: np.ndarray) -> float | None:
    """Return what to add before a logarithm, or None where the target has none worth trying."""
    if y.shape[1] != 1 or y.min() < 0 or y.max() > LARGEST_LOG:
        return None
    unit = y / max(y.max(), np.finfo(float).tiny)  # so that no square overflows
    spread = unit.std()
    is_skewed = spread > 0 and np.mean(((unit - unit.mean()) / spread) ** 3) > SKEWED
    if not is_skewed:
        return None
    return 0.0 if y.min() > 0 else float(np.quantile(y[y > 0], 0.1))


def decode(
    z: np.ndarray, target: Target, scales: dict[bool, TargetScale], is_log: bool
) -> np.ndarray:
    """Return probabilities of classes or labels, or numbers as the user has them, from sums z.

    Parameters
    ----------
    z : numpy.ndarray
        Sums of an output layer, shape (rows, outputs).
    target : Target
        What is predicted.
    scales : dict of bool to TargetScale
        The way back for numbers, without and with a logarithm.
    is_log : bool
        Whether the network learned the logarithm.

    Returns
    -------
    numpy.ndarray
        Float64, shape (rows, outputs).
    """
    if target.task == "classes":
        return softmax(z)
    if target.task == "labels":
        return 1 / (1 + np.exp(-np.clip(z.astype(np.float64), -500, 500)))
    return scales[is_log].decode(z)


class Material:
    """Encodings, examples and judges of a table, made when first asked for, by fold and view.

    Parameters
    ----------
    parsed : ParsedTable
        All rows.
    target : Target
        What is predicted.
    y : numpy.ndarray
        Class numbers (n,), or labels or numbers (n, outputs).
    weight : numpy.ndarray
        Weight of each row, mean 1.
    folds : tuple of Fold
        Which rows train and which are held out, for each fold.
    seed : int
        Seed of the encodings.
    growth : mapping of int to Growth, optional
        How far to grow the trees of some folds, whatever the time.
    beyond : mapping of str to QuantileSketch, optional
        By name of a column, its values in training rows that are not in memory.
    """

    def __init__(
        self,
        parsed: ParsedTable,
        target: Target,
        y: np.ndarray,
        weight: np.ndarray,
        folds: tuple[Fold, ...],
        seed: int,
        growth: Mapping[int, Growth] | None = None,
        beyond: Mapping[str, QuantileSketch] | None = None,
    ) -> None:
        self.parsed, self.target, self.y, self.weight = parsed, target, y, weight
        self.folds, self._seed = folds, seed
        self._encodings: dict[int, tuple[TableEncoding, np.ndarray]] = {}
        self._matrices: dict[tuple[int, View, bool], Array] = {}
        self.tree_seconds = 60.0  # that growing the trees of one fold may take
        self.grown: Grown = {}
        self._growth, self._beyond = dict(growth or {}), beyond
        self._lock, self._tree_locks = threading.RLock(), [threading.Lock() for _ in folds]
        self.scales: dict[bool, TargetScale] = {}
        trained = np.unique(np.concatenate([fold.training for fold in folds]))
        if target.task == "numbers":
            self.scales[False] = TargetScale.fit(y[trained])
            offset = log_offset(y[trained])
            if offset is not None:
                self.scales[True] = TargetScale.fit(y[trained], offset)
        # Brought to spread 1 for what learns from it with squares, which would overflow otherwise.
        self._learned = self.scales[False].encode(y) if self.scales else y
        self._aims = {is_log: self._aim(is_log) for is_log in list(self.scales) or [False]}
        self._weight = place(weight.astype(np.float32))

    @property
    def held_out_rows(self) -> np.ndarray:
        """Rows that some fold holds out, fold after fold."""
        return np.concatenate([fold.held_out for fold in self.folds])

    @property
    def can_log(self) -> bool:
        """Whether the logarithm of the target is worth trying."""
        return True in self.scales

    @property
    def n_classes(self) -> int:
        """Number of classes, 0 where numbers or labels are predicted."""
        return len(self.target.classes)

    def _aim(self, is_log: bool) -> Array:
        if self.target.task == "classes":
            return place(self.y.astype(np.int32))
        if self.target.task == "labels":
            return place(self.y.astype(np.float32))
        return place(self.scales[is_log].encode(self.y))

    def encoding(self, fold: int) -> TableEncoding:
        """Return the encoding learned from a fold's training rows."""
        with self._lock:
            encoding, every = self._fitted(fold)
            whole = encoding.with_thresholds()
            self._encodings[fold] = whole, every
            return whole

    def _fitted(self, fold: int) -> tuple[TableEncoding, np.ndarray]:
        with self._lock:
            if fold not in self._encodings:
                rows = self.folds[fold].training
                encoding, means = TableEncoding.fit(
                    self.parsed.take(rows), self._learned[rows], self.n_classes, self._seed,
                    self._beyond,
                )  # fmt: skip
                every = encoding.target_means(self.parsed)
                every[rows] = means
                self._encodings[fold] = encoding, every
            return self._encodings[fold]

    @property
    def n_tree_columns(self) -> int:
        """Columns that trees would add; 0 where they cannot predict the target."""
        n_outputs = 1 if self.y.ndim == 1 else self.y.shape[1]
        if self.target.task == "labels":
            return 0
        return n_tree_columns(self.n_classes, n_outputs, len(self.folds[0].training))

    def layout(self, has_trees: bool) -> Layout:
        """Return the columns of a matrix, with or without those of the trees."""
        return with_trees(self._fitted(0)[0].layout, self.n_tree_columns if has_trees else 0)

    def trees(self, fold: int) -> TreeView:
        """Return the trees grown on a fold's training rows."""
        return self._grown(fold)[0]

    def give_trees(self, seconds: float) -> None:
        """Give growing trees its share of the time there is, the same for each fold."""
        self.tree_seconds = TREE_SHARE * min(seconds, MOST_TREE_S) / len(self.folds)

    def grow_as_before(self, growth: Mapping[int, Growth], seconds: float) -> None:
        """Grow the trees of folds as far as in a search of so many seconds, if there is time.

        The same trees, to the bit, are what networks that have learned from them go on seeing.
        """
        took = TREE_SHARE * min(seconds, MOST_TREE_S) / len(self.folds)
        if took <= MORE_TIME * self.tree_seconds:
            self._growth.update(growth)

    def seconds_for_trees(self) -> float:
        """Return how long growing the trees that are not there yet may take."""
        return self.tree_seconds * (len(self.folds) - len(self.grown))

    def _grown(self, fold: int) -> tuple[TreeView, np.ndarray]:
        """Return a fold's trees and what they say of all rows, of training rows out of bag."""
        encoding, means = self._fitted(fold)
        with self._tree_locks[fold]:
            if fold not in self.grown:
                rows = self.folds[fold].training
                matrix = encoding.encode(self.parsed, "robust", means)
                y = self._learned[rows] if self.y.ndim == 1 else self._learned[rows, 0]
                view, own = TreeView.fit(
                    matrix[rows],
                    y,
                    self.n_classes,
                    self._seed,
                    encoding.layout.codes,
                    seconds=self.tree_seconds,
                    growth=self._growth.get(fold),
                )
                every = np.empty((len(matrix), own.shape[1]))
                others = np.setdiff1d(np.arange(len(matrix)), rows)
                every[rows], every[others] = own, view.show(matrix[others])
                self.grown[fold] = view, every
            return self.grown[fold]

    def examples(self, fold: int, view: View, is_log: bool, has_trees: bool) -> Examples:
        """Return all rows as a network of that fold and view sees them."""
        columns = self._grown(fold)[1] if has_trees else None
        with self._lock:
            key = (fold, view, has_trees)
            if key not in self._matrices:
                if self._matrices:  # the first network is not kept waiting for thresholds
                    self.encoding(fold)
                encoding, means = self._fitted(fold)
                matrix = encoding.encode(self.parsed, view, means)
                if columns is not None:
                    matrix = join_trees(matrix, encoding.layout, columns)
                self._matrices[key] = place(matrix)
            return Examples(self._matrices[key], self._aims[is_log], self._weight)

    def held_out(self, fold: int, view: View, is_log: bool, has_trees: bool) -> Examples:
        """Return the rows a fold holds out."""
        rows = self.folds[fold].held_out
        every = self.examples(fold, view, is_log, has_trees)
        return Examples(*(part[rows] for part in every))

    def predict(self, z: np.ndarray, is_log: bool) -> np.ndarray:
        """Return probabilities, or numbers as the user has them, from sums z."""
        return decode(z, self.target, self.scales, is_log)

    def loss(self, predictions: np.ndarray, rows: np.ndarray) -> float:
        """Return the loss of predictions for some rows: log loss, or RMSE over the spread."""
        y, weight = self.y[rows], self.weight[rows]
        if self.target.task == "classes":
            return log_loss(predictions, y, weight)
        if self.target.task == "labels":
            return binary_log_loss(predictions, y, weight)
        return self._relative_rmse(predictions, y, weight)

    @property
    def shown_loss(self) -> tuple[str, float]:
        """What people are shown for a loss: its name, and what the loss is multiplied with."""
        if self.target.task != "numbers":
            return "log loss", 1.0
        if self.target.n_outputs > 1:
            return "relative RMSE", 1.0
        return "RMSE", float(self.scales[False].scale[0])

    def _relative_rmse(self, predictions: np.ndarray, y: np.ndarray, weight: np.ndarray) -> float:
        errors = np.mean(((predictions - y) / self.scales[False].scale) ** 2, axis=1)
        return float(np.sqrt(np.sum(weight * errors) / np.sum(weight)))

    def essence(
        self, predictions: np.ndarray, rows: np.ndarray
    ) -> tuple[np.ndarray, Callable[[np.ndarray], float]]:
        """Return what of predictions decides their loss, and that loss, for a quick choice.

        For classes it is the probability of the right one: the log loss needs no other.
        """
        y, weight = self.y[rows], self.weight[rows]
        share = weight / weight.sum()
        if self.target.task == "classes":
            right = predictions[np.arange(len(y)), y]
            return right, lambda p: -float(np.sum(share * np.log(np.maximum(p, 1e-7))))
        if self.target.task == "labels":
            right = np.where(y > 0.5, predictions, 1 - predictions)
            return (
                right,
                lambda p: -float(np.sum(share * np.mean(np.log(np.maximum(p, 1e-7)), axis=1))),
            )
        return predictions, lambda p: self._relative_rmse(p, y, weight)

    def judge(self, fold: int, is_log: bool) -> Judge:
        """Return what rates a network of a fold by its held-out sums z: loss, and score."""
        rows = self.folds[fold].held_out
        y, weight = self.y[rows], self.weight[rows]
        share = weight / weight.sum()

        def judge(z: np.ndarray) -> tuple[float, float]:
            if not np.isfinite(z).all():
                return float("inf"), 0.0
            if self.target.task == "classes":
                right = float(np.sum(share * (z.argmax(axis=1) == y)))
                return calibrated_log_loss(z, y, weight), right
            loss = self.loss(self.predict(z, is_log), rows)
            if self.target.task == "labels":
                return loss, float(np.sum(share * np.mean((z > 0) == (y > 0.5), axis=1)))
            return loss, 1 - loss**2

        return judge

    def baseline_loss(self) -> float:
        """Return the loss of always giving the shares of the classes, or the mean."""
        if self.target.task == "classes":
            shares = np.bincount(self.y, self.weight, self.n_classes) / self.weight.sum()
            return log_loss(np.tile(shares, (len(self.y), 1)), self.y, self.weight)
        share = self.weight / self.weight.sum()
        mean = np.sum(share[:, None] * self.y, axis=0)
        return self.loss(np.tile(mean, (len(self.y), 1)), np.arange(len(self.y)))
