"""Judging: every model on the same split, by the same score, with its interval."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from pydantic import FiniteFloat
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold, StratifiedKFold

from fathom.errors import InputError
from fathom.values import Value

Task: TypeAlias = Literal["classes", "numbers"]
ScoreName: TypeAlias = Literal["accuracy", "R²"]
N_RESAMPLES = 1000
Z = 1.959964  # of a 95 % interval


class Score(Value):
    """A score with its 95 % interval over rows.

    Attributes
    ----------
    value, low, high : float
        The score, and between which values it lies on other rows of the same kind.
    """

    value: FiniteFloat
    low: FiniteFloat
    high: FiniteFloat

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True)
class Contest:
    """A split and a score for models to be compared by.

    Attributes
    ----------
    task : {"classes", "numbers"}
        What is predicted.
    y : numpy.ndarray
        The target of all rows: class numbers, or numbers.
    pairs : tuple of (numpy.ndarray, numpy.ndarray)
        Rows to learn from and rows to be judged on, one pair a fold.
    is_held_out : bool
        Whether the rows to be judged on were given rather than taken in turn.
    """

    task: Task
    y: np.ndarray
    pairs: tuple[tuple[np.ndarray, np.ndarray], ...]
    is_held_out: bool

    @property
    def score_name(self) -> ScoreName:
        """What scores are called: accuracy of classes, R² of numbers."""
        return "accuracy" if self.task == "classes" else "R²"

    @property
    def tested(self) -> np.ndarray:
        """Rows that are judged on, in the order in which predictions come."""
        return np.concatenate([test for _, test in self.pairs])

    def predict(self, make: Callable[[], BaseEstimator], x: np.ndarray) -> np.ndarray:
        """Fit a new model in every fold and return its predictions for the rows tested."""
        parts = []
        for train, test in self.pairs:
            with warnings.catch_warnings():
                # a plane between classes that are apart never settles, and need not
                warnings.simplefilter("ignore", ConvergenceWarning)
                parts.append(make().fit(x[train], self.y[train]).predict(x[test]))
        return np.concatenate(parts)

    def errors(self, predicted: np.ndarray) -> np.ndarray:
        """Return of each row tested whether it is wrong (0 or 1), or its squared error."""
        truth = self.y[self.tested]
        if self.task == "classes":
            return (predicted != truth).astype(np.float64)
        return (predicted - truth) ** 2

    def scale(self) -> float:
        """Return what a mean error is divided by: 1 of classes, the variance of numbers."""
        if self.task == "classes":
            return 1.0
        return float(np.var(self.y[self.tested])) or 1.0

    def score(self, predicted: np.ndarray) -> Score:
        """Return accuracy or R² with its interval."""
        errors = self.errors(predicted)
        if self.task == "classes":
            low, high = wilson(float(len(errors) - errors.sum()), len(errors))
            return Score(value=float(1 - errors.mean()), low=low, high=high)
        low, high = resampled_mean(errors[:, None], seed=0)[:, 0] / self.scale()
        value = 1 - float(errors.mean()) / self.scale()
        return Score(value=value, low=float(1 - high), high=float(1 - low))

    def gain(self, before: np.ndarray, after: np.ndarray) -> Score:
        """Return by how much one model scores above another on the same rows."""
        difference = (self.errors(before) - self.errors(after)) / self.scale()
        spread = Z * float(difference.std()) / math.sqrt(len(difference))
        mean = float(difference.mean())
        return Score(value=mean, low=mean - spread, high=mean + spread)


def set_contest(y: Any, y_test: Any = None, *, folds: int = 5, seed: int = 0) -> Contest:
    """Set what models are judged on: rows held out, or every row in turn by cross-validation.

    Parameters
    ----------
    y : array-like
        Target of the rows to learn from; whole numbers, yes/no and text are classes.
    y_test : array-like, optional
        Target of rows to be judged on, which follow the others; cross-validation without them.
    folds : int
        How many folds of cross-validation; fewer where a class has fewer rows.
    seed : int
        Seed of the folds.

    Raises
    ------
    InputError
        If there is one class only, or a row has no target.
    """
    task, target = read_target(y)
    n = len(target)
    if y_test is not None:
        test_task, test_target = read_target(y_test)
        if test_task != task:
            raise InputError(f"{task} in y_test, as in y", got=test_task)
        every = np.concatenate([np.asarray(y).reshape(-1), np.asarray(y_test).reshape(-1)])
        whole = read_target(every)[1] if task == "classes" else np.append(target, test_target)
        pair = np.arange(n), np.arange(n, len(whole))
        return Contest(task, whole, (pair,), True)
    if not 2 <= folds <= n:
        raise InputError(f"from 2 to {n} folds, one row or more each", got=f"{folds}")
    rarest = int(np.bincount(target).min()) if task == "classes" else 0
    kind = StratifiedKFold if rarest >= 2 else KFold
    n_folds = min(folds, rarest) if rarest >= 2 else folds
    splitter = kind(n_folds, shuffle=True, random_state=seed)
    return Contest(task, target, tuple(splitter.split(target, target)), False)


def read_target(y: Any) -> tuple[Task, np.ndarray]:
    """Return whether a target is classes or numbers, and its class numbers or float64.

    Whole numbers, yes/no and text are classes, and so is a single column of zeros and ones.

    Raises
    ------
    InputError
        If it has several columns, holds nothing, one class only, or numbers that are not finite.

    Examples
    --------
    >>> read_target(["b", "a", "b"])
    ('classes', array([1, 0, 1]))
    >>> read_target([[0.0], [1.0]])
    ('classes', array([0, 1]))
    """
    array = np.asarray(y)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or len(array) == 0:
        raise InputError(
            "one target for each row", got=f"shape {array.shape}", hint="give one column of it"
        )
    if array.dtype.kind == "O":
        array = array.astype(str)
    is_yes_no = array.dtype.kind == "f" and bool(np.isin(array, (0, 1)).all())
    if array.dtype.kind in "biuU" or is_yes_no:
        classes, numbers = np.unique(array, return_inverse=True)
        if len(classes) < 2:
            raise InputError("rows of two classes or more", got=f"{classes[0]!r} only")
        return "classes", numbers
    numbers = array.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise InputError("a finite target in every row", got="NaN or infinity")
    return "numbers", numbers


def wilson(n_right: float, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share.

    References
    ----------
    Wilson (1927). Probable inference, the law of succession, and statistical inference. JASA 22.

    Examples
    --------
    >>> low, high = wilson(9, 10)
    >>> round(low, 3), round(high, 3)
    (0.596, 0.982)
    """
    share, square = n_right / n, Z**2 / n
    middle = (share + square / 2) / (1 + square)
    spread = Z / (1 + square) * math.sqrt(share * (1 - share) / n + square / (4 * n))
    return max(0.0, middle - spread), min(1.0, middle + spread)


def resampled_mean(columns: np.ndarray, seed: int, n_resamples: int = N_RESAMPLES) -> np.ndarray:
    """Return the 95 % bootstrap intervals of means, shape (2, columns), over rows drawn anew."""
    n = len(columns)
    rng = np.random.default_rng(seed)
    at_once = max(1, 2**22 // n)
    means = []
    for begin in range(0, n_resamples, at_once):
        draws = min(at_once, n_resamples - begin)
        counts = rng.multinomial(n, np.full(n, 1 / n), size=draws)
        means.append(counts.astype(np.float64) @ columns / n)
    return np.quantile(np.vstack(means), [0.025, 0.975], axis=0)
