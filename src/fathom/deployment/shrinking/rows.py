"""Rows for a compression: some to fit and calibrate on, some that choose, some that judge."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing

from fathom.data.parsing import ParsedTable
from fathom.data.schema import TableInput, Target
from fathom.data.splitting import hold_out
from fathom.errors import InputError
from fathom.estimators import FathomClassifier, FathomRegressor
from fathom.estimators.opening import target_numbers
from fathom.training.calibration import binary_log_loss, log_loss

JUDGE_SHARE, CHOOSE_SHARE = 0.2, 0.2  # of all rows; of those that are left
FEWEST = 40
MOST_JUDGES, MOST_CHOOSERS, MOST_LEARNERS = 20_000, 4000, 60_000


@dataclass(frozen=True)
class Part:
    """Rows and their target.

    Attributes
    ----------
    x : ParsedTable or array
        Rows as the model takes them, of a table parsed.
    y : numpy.ndarray
        Class numbers (n,), or labels or numbers (n, outputs).
    """

    x: Any
    y: np.ndarray

    def take(self, rows: np.ndarray) -> "Part":
        """Return some of the rows."""
        return Part(take_rows(self.x, rows), self.y[rows])


@dataclass(frozen=True)
class Parts:
    """Rows that learn, that choose between ways, and that judge at the end."""

    learn: Part
    choose: Part
    judge: Part


def part_rows(model: FathomClassifier | FathomRegressor, x: Any, y: Any, seed: int) -> Parts:
    """Part rows with known targets into those that learn, choose and judge.

    Raises
    ------
    InputError
        If there are fewer than 40, or a target is unknown to the model.
    """
    target = model.schema_.target
    numbers = target_numbers(y, target)
    if isinstance(model.schema_.input, TableInput):
        x = model._parse_rows(x)
        n = x.n_rows
    else:
        x = model._check_rows(x)
        n = len(x)
    if len(numbers) != n:
        raise InputError(
            f"a target for each of {n} rows", got=f"{len(numbers)}",
            hint="give X and y of the same rows",
        )  # fmt: skip
    if n < FEWEST:
        raise InputError(f"at least {FEWEST} rows to judge by", got=f"{n}")
    whole = Part(x, numbers)
    rest, judge = _held_out(whole, JUDGE_SHARE, seed, target)
    learn, choose = _held_out(rest, CHOOSE_SHARE, seed + 1, target)
    return Parts(
        _at_most(learn, MOST_LEARNERS, seed), _at_most(choose, MOST_CHOOSERS, seed),
        _at_most(judge, MOST_JUDGES, seed),
    )  # fmt: skip


def _held_out(part: Part, share: float, seed: int, target: Target) -> tuple[Part, Part]:
    classes = part.y if target.task == "classes" else None
    kept, out = hold_out(len(part.y), share, seed, classes)
    if out is None:  # too few of some class: by chance alone
        rows = np.random.default_rng(seed).permutation(len(part.y))
        n = max(1, round(share * len(rows)))
        kept, out = np.sort(rows[n:]), np.sort(rows[:n])
    return part.take(kept), part.take(out)


def _at_most(part: Part, most: int, seed: int) -> Part:
    n = len(part.y)
    if n <= most:
        return part
    return part.take(np.sort(np.random.default_rng(seed).choice(n, most, replace=False)))


def take_rows(x: Any, rows: np.ndarray) -> Any:
    """Return some of the rows of a table, a frame or an array."""
    return x.take(rows) if isinstance(x, ParsedTable) else _safe_indexing(x, rows)


def predictions(model: FathomClassifier | FathomRegressor, x: Any) -> np.ndarray:
    """Return probabilities, or numbers of shape (rows, outputs)."""
    if isinstance(model, FathomClassifier):
        return np.asarray(model.predict_proba(x))
    values = model.predict(x)
    return np.asarray(values).reshape(len(values), -1)


def rate(predicted: np.ndarray, y: np.ndarray, target: Target) -> tuple[float, float]:
    """Return loss and score of predictions: log loss and accuracy, or RMSE and R².

    Of several outputs numbers are each in their own spread, and R² is the mean over them.
    """
    weight = np.ones(len(y))
    if target.task == "classes":
        return log_loss(predicted, y, weight), float(np.mean(predicted.argmax(axis=1) == y))
    if target.task == "labels":
        right = np.mean((predicted >= 0.5) == (y > 0.5))
        return binary_log_loss(predicted, y, weight), float(right)
    errors = np.mean((predicted - y) ** 2, axis=0)
    spread = y.var(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    loss = float(np.sqrt(errors[0] if len(errors) == 1 else np.mean(errors / spread)))
    return loss, float(1 - np.mean(errors / spread))
