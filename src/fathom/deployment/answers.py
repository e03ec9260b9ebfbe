"""Answers: predictions as columns with names, the same from the command and from the server."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import polars as pl

from fathom.data.combinations import combinations_of, marginals
from fathom.data.frames import tell_apart
from fathom.data.parsing import ParsedTable
from fathom.data.schema import Label, Target
from fathom.estimators import FathomClassifier, FathomRegressor
from fathom.estimators.predicting import RowsInOrder

Kind = Literal["text", "whole", "number", "yes_no"]
_KINDS: dict[type, Kind] = {str: "text", bool: "yes_no", int: "whole", float: "number"}
_TYPES: dict[Kind, Any] = {
    "text": pl.String, "whole": pl.Int64, "number": pl.Float64, "yes_no": pl.Boolean,
}  # fmt: skip


@dataclass(frozen=True)
class AnswerColumns:
    """What the columns of a prediction are called and hold.

    Attributes
    ----------
    chosen : tuple of str
        The columns of the target: a class, a class of each factor, labels of 0 and 1, or numbers.
    kinds : tuple of {"text", "whole", "number", "yes_no"}
        What each of those holds.
    shares : tuple of str
        The columns of probabilities, one for each class or label; of factors one for each class of
        each, then one for each combination; none for numbers.

    Examples
    --------
    >>> AnswerColumns.of(Target(task="classes", classes=("a", "b"), names=("kind",)))
    AnswerColumns(chosen=('kind',), kinds=('text',), shares=('probability_a', 'probability_b'))
    """

    chosen: tuple[str, ...]
    kinds: tuple[Kind, ...]
    shares: tuple[str, ...]

    @classmethod
    def of(cls, target: Target) -> Self:
        """Name the columns; they are all different, though classes are called as they like."""
        names = _target_names(target)
        if target.task == "numbers":
            numbers: tuple[Kind, ...] = tuple("number" for _ in names)
            return cls(tuple(tell_apart(names)), numbers, ())
        told: Sequence[Label] = target.classes if target.task == "classes" else names
        kinds: tuple[Kind, ...] = tuple("whole" for _ in names)
        if target.factors:
            told = [f"{f.name}_{label}" for f in target.factors for label in f.classes]
            told += combinations_of(target).names
            kinds = tuple(_KINDS[type(factor.classes[0])] for factor in target.factors)
        elif target.task == "classes":
            kinds = (_KINDS[type(target.classes[0])],)
        apart = tell_apart([*names, *(f"probability_{name}" for name in told)])
        return cls(tuple(apart[: len(names)]), kinds, tuple(apart[len(names) :]))

    @property
    def names(self) -> tuple[str, ...]:
        """All columns, in order."""
        return (*self.chosen, *self.shares)


def predict_answers(
    model: FathomClassifier | FathomRegressor, rows: Any | ParsedTable | RowsInOrder
) -> np.ndarray:
    """Return what is predicted as float64: numbers, or the probability of each class or label.

    Of factors it is that of each class of each, then of each combination.
    """
    if isinstance(model, FathomRegressor):
        numbers = model.predict(rows)  # type: ignore[arg-type]
        return np.asarray(numbers).reshape(len(numbers), -1)
    if model.schema_.target.factors:
        p = model.predict_combination_proba(rows)  # type: ignore[arg-type]
        return np.concatenate([*marginals(p, model.schema_.target), p], axis=1)
    return np.asarray(model.predict_proba(rows))  # type: ignore[arg-type]


def answer_values(target: Target, answers: np.ndarray) -> list[list[Any]]:
    """Return the columns that `AnswerColumns` names as lists of plain values.

    Parameters
    ----------
    target : Target
        What is predicted.
    answers : numpy.ndarray
        What `predict_answers` returns.
    """
    if target.task == "numbers":
        return [column.tolist() for column in answers.T]
    if target.task == "labels":
        labels = (answers >= 0.5).astype(np.int64)
        return [column.tolist() for column in (*labels.T, *answers.T)]
    if target.factors:
        every = combinations_of(target).every
        every = every[answers[:, -len(every) :].argmax(axis=1)]
        each = [
            [factor.classes[number] for number in numbers]
            for factor, numbers in zip(target.factors, every.T.tolist(), strict=True)
        ]
        return [*each, *(column.tolist() for column in answers.T)]
    classes = target.classes
    chosen = [classes[place] for place in answers.argmax(axis=1).tolist()]
    return [chosen, *(column.tolist() for column in answers.T)]


def predicted_columns(
    model: FathomClassifier | FathomRegressor, rows: Any | ParsedTable
) -> pl.DataFrame:
    """Return predictions as columns: the target, and a probability of each class or label."""
    target = model.schema_.target
    columns = AnswerColumns.of(target)
    types = [_TYPES[kind] for kind in columns.kinds] + [pl.Float64] * len(columns.shares)
    values = answer_values(target, predict_answers(model, rows))
    found = zip(columns.names, values, types, strict=True)
    return pl.DataFrame([pl.Series(name, column, dtype=kind) for name, column, kind in found])


def _target_names(target: Target) -> tuple[str, ...]:
    if target.factors:
        return tuple(factor.name for factor in target.factors)
    if len(target.names) == target.n_outputs:
        return target.names
    if target.n_outputs == 1:
        return ("prediction",)
    return tuple(f"prediction_{n + 1}" for n in range(target.n_outputs))
