"""Dividing: a table parted into rows to learn from and rows kept apart to judge by."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from fathom.data.schema import Target
from fathom.data.splitting import hold_out
from fathom.data.target import AskedTask, choose_target, parse_target


@dataclass(frozen=True)
class Divided:
    """A table, its rows without a target left out, some of the others kept apart.

    Attributes
    ----------
    frame : polars.DataFrame
        All rows that have a target, with it.
    rows : numpy.ndarray
        Their numbers in the table, from 0.
    name : str
        The column that is predicted.
    target : Target
        What it is.
    values : numpy.ndarray
        Class numbers (n,), or numbers (n, 1), of the rows.
    training : numpy.ndarray
        Numbers of the rows to learn from.
    test : numpy.ndarray
        Numbers of the rows kept apart; none where they would be too few.
    """

    frame: pl.DataFrame
    rows: np.ndarray
    name: str
    target: Target
    values: np.ndarray
    training: np.ndarray
    test: np.ndarray

    @property
    def x_train(self) -> pl.DataFrame:
        """What is learned from, without the target."""
        return self.frame[self.training].drop(self.name)

    @property
    def x_test(self) -> pl.DataFrame:
        """What is kept apart, without the target."""
        return self.frame[self.test].drop(self.name)

    @property
    def y_train(self) -> np.ndarray:
        """The target of what is learned from: classes as they are called, or numbers."""
        return self._named(self.training)

    @property
    def y_test(self) -> np.ndarray:
        """The target of what is kept apart."""
        return self._named(self.test)

    def _named(self, rows: np.ndarray) -> np.ndarray:
        if self.target.task == "classes":
            return np.asarray(self.target.classes)[self.values[rows]]
        return self.values[rows].reshape(-1)


def divide(
    frame: pl.DataFrame,
    target: str,
    *,
    task: AskedTask = "auto",
    fraction: float = 0.2,
    seed: int = 0,
) -> Divided:
    """Leave out rows without a target, and keep some of the others apart.

    Parameters
    ----------
    frame : polars.DataFrame
        The table.
    target : str
        The column to predict.
    task : {"auto", "classes", "numbers"}
        What it is; ``auto`` finds out.
    fraction : float
        Share of the rows to keep apart, in [0, 1); classes keep their shares.
    seed : int
        Seed of the choice.

    Returns
    -------
    Divided
        The rows to learn from and those kept apart.

    Raises
    ------
    InputError
        If there is no such column, or it is no target.

    Examples
    --------
    >>> table = pl.DataFrame({"x": range(50), "y": ["a", "b"] * 25})
    >>> parts = divide(table, "y", seed=1)
    >>> parts.x_train.shape, parts.y_test.tolist().count("a")
    ((40, 1), 5)
    """
    _, goal = choose_target(frame, target)
    parsed = parse_target(goal.to_series(), task, drop_missing=True)
    classes = parsed.values if parsed.target.task == "classes" else None
    training, test = hold_out(len(parsed.rows), fraction, seed, classes)
    return Divided(
        frame=frame[parsed.rows], rows=parsed.rows, name=target, target=parsed.target,
        values=parsed.values, training=training,
        test=np.zeros(0, np.int64) if test is None else test,
    )  # fmt: skip
