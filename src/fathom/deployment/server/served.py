"""A model as the server has it: loaded, tried out, and described."""

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from fathom.data.cells import quoted
from fathom.data.encoding import Standardization
from fathom.data.frames import tell_apart
from fathom.data.schema import ImageInput, NumbersInput, Schema, TableInput
from fathom.deployment.answers import AnswerColumns, answer_values, predict_answers
from fathom.deployment.archive import load
from fathom.deployment.server.intake import AbstractIntake, open_intake
from fathom.deployment.server.rows import Rows, join_rows
from fathom.deployment.server.tensors import Given, TensorKind
from fathom.errors import ModelFileError
from fathom.estimators import FathomClassifier, FathomRegressor
from fathom.estimators.predicting import RowsInOrder

_DATATYPES = {"text": "BYTES", "whole": "INT64", "number": "FP64", "yes_no": "BOOL"}
TRIED_ROWS = 512  # enough for their cost to stand out from what any prediction costs
MOST_COUNTED = 1000  # columns that are counted each by name
OTHERS = "(others)"
FEW_TRIES = 4


class Cost(NamedTuple):
    """Seconds that a prediction takes: so many for any, and so many more for each row."""

    fixed: float
    per_row: float

    def of(self, n: int) -> float:
        """Return the seconds for n rows."""
        return self.fixed + n * self.per_row

    def rows_within(self, seconds: float) -> int:
        """Return how many rows take so long."""
        return max(0, int((seconds - self.fixed) / max(self.per_row, 1e-9)))


class Mark(NamedTuple):
    """What tells that a file was replaced."""

    inode: int
    size: int
    modified: int

    @classmethod
    def of(cls, path: Path) -> "Mark | None":
        """Return the mark of a file; None where there is none."""
        try:
            found = os.stat(path)
        except OSError:
            return None
        return cls(found.st_ino, found.st_size, found.st_mtime_ns)


@dataclass(frozen=True)
class Served:
    """A model that is ready to answer.

    Attributes
    ----------
    name : str
        What it is called in addresses.
    model : FathomClassifier or FathomRegressor
        The estimator.
    intake : AbstractIntake
        The way in.
    digest : str
        SHA-256 of its file.
    mark : Mark or None
        How the file was when it was read.
    cost : Cost
        What predictions cost.
    """

    name: str
    model: FathomClassifier | FathomRegressor
    intake: AbstractIntake
    digest: str
    mark: Mark | None
    cost: Cost

    @classmethod
    def load(cls, name: str, path: Path) -> Self:
        """Load a model, and predict some rows with it, so that whatever is to compile is compiled.

        Raises
        ------
        ModelFileError
            If the file cannot be used.
        """
        for _ in range(FEW_TRIES):
            mark = Mark.of(path)
            model = load(path)
            digest = _digest(path)
            if Mark.of(path) == mark:
                break
        else:
            raise ModelFileError(
                "a model file that stays while it is read", got=f"{path}, which changes",
                hint="replace it at once, with mv rather than cp",
            )  # fmt: skip
        schema = model.schema_
        center = scale = None
        if isinstance(schema.input, NumbersInput) and isinstance(model.encoding_, Standardization):
            center, scale = model.encoding_.center, model.encoding_.scale
        intake = open_intake(schema, center, scale)
        return cls(name, model, intake, digest, mark, _try_out(model, intake))

    @property
    def schema(self) -> Schema:
        """What goes in and comes out."""
        return self.model.schema_

    @cached_property
    def columns(self) -> AnswerColumns:
        """What predictions are called."""
        return AnswerColumns.of(self.schema.target)

    @cached_property
    def unusual(self) -> str:
        """What the column is called that tells which rows are unlike those of training."""
        return tell_apart([*self.columns.names, "is_unusual"])[-1]

    @cached_property
    def _counted(self) -> frozenset[str]:
        described = self.schema.input
        if isinstance(described, TableInput):
            names = [column.name for column in described.columns]
        elif isinstance(described, NumbersInput):
            names = list(described.names) or [f"x{n}" for n in range(described.n_features)]
        else:
            names = []
        return frozenset(names[:MOST_COUNTED])

    def shown_column(self, name: str) -> str:
        """Return under which name a column is counted: its own, unless there are too many."""
        return quoted(name) if name in self._counted else OTHERS

    @property
    def n_answers(self) -> int:
        """Numbers that are predicted of a row."""
        return len(self.columns.shares or self.columns.chosen)

    def predict(self, parts: Sequence[Rows]) -> np.ndarray:
        """Return what is predicted of the rows of several requests, one after another."""
        return predict_answers(self.model, join_rows(parts))

    def answer(self, rows: Rows, answers: np.ndarray) -> list[dict[str, Any]]:
        """Return an object for each row, as ``fathom predict --json`` gives it."""
        names: tuple[str, ...] = self.columns.names
        values = answer_values(self.schema.target, answers)
        is_unusual = rows.is_unusual
        if is_unusual is not None:
            names, values = (*names, self.unusual), [*values, is_unusual.tolist()]
        return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]

    @cached_property
    def kinds(self) -> tuple[TensorKind, ...]:
        """The tensors it gives."""
        columns, shares = self.columns, len(self.columns.shares)
        kinds = [
            TensorKind(name, _DATATYPES[kind], (-1, 1))
            for name, kind in zip(columns.chosen, columns.kinds, strict=True)
        ]
        taken = list(columns.chosen)
        if shares:
            taken = tell_apart([*taken, "probabilities"])
            kinds.append(TensorKind(taken[-1], "FP64", (-1, shares)))
        if isinstance(self.schema.input, TableInput):
            kinds.append(TensorKind(tell_apart([*taken, "is_unusual"])[-1], "BOOL", (-1, 1)))
        return tuple(kinds)

    def answer_tensors(self, rows: Rows, answers: np.ndarray) -> dict[str, Given]:
        """Return the tensors of an answer by name."""
        values: list[Any] = answer_values(self.schema.target, answers)
        values = values[: len(self.columns.chosen)]
        if self.columns.shares:
            values.append(answers)
        if rows.is_unusual is not None:
            values.append(rows.is_unusual)
        return {
            kind.name: Given(kind, (rows.n, *kind.shape[1:]), column)
            for kind, column in zip(self.kinds, values, strict=True)
        }

    def describe(self) -> dict[str, Any]:
        """Return what a client should know of it."""
        described, target = self.schema.input, self.schema.target
        found: dict[str, Any] = {
            "name": self.name,
            "task": target.task,
            "target": list(self.columns.chosen),
            "classes": list(target.classes),
            "networks": len(self.model.networks_),
            "sha256": self.digest,
        }
        if isinstance(described, TableInput):
            fields = {"name", "kind", "low", "high", "categories"}
            found["columns"] = [
                column.model_dump(include=fields) for column in described.columns if column.is_used
            ]
        else:
            found["shape"] = list(described.shape)
            found["columns"] = list(getattr(described, "names", ()))
        return found


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelFileError(
            "a model file that can be read", got=f"{path}: {error}",
            hint="check the path and its permissions",
        ) from None  # fmt: skip


def _try_out(model: FathomClassifier | FathomRegressor, intake: AbstractIntake) -> Cost:
    """Predict one row and some rows; return what they took once nothing was left to compile."""
    described = model.schema_.input
    sizes = (1, TRIED_ROWS)
    if isinstance(described, TableInput):
        nothing = [None] * len(described.columns)
        every = [intake.from_json([nothing] * n) for n in sizes]
    elif isinstance(described, ImageInput):
        every = [Rows(n, RowsInOrder(np.zeros((n, described.n_features)))) for n in sizes]
    else:
        assert isinstance(model.encoding_, Standardization)
        middle = np.broadcast_to(model.encoding_.center, described.n_features)
        every = [Rows(n, RowsInOrder(np.tile(middle, (n, 1)))) for n in sizes]
    spent = []
    for rows in every:
        seconds = []
        for _ in range(1 + FEW_TRIES):
            began = time.perf_counter()
            predict_answers(model, rows.given)
            seconds.append(time.perf_counter() - began)
        spent.append(min(seconds[1:]))
    one, many = spent
    return Cost(one, max(many - one, 0.02 * one) / (TRIED_ROWS - 1))
