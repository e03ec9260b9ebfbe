"""Intake: what a request says becomes rows that the model takes, or a refusal."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from fathom.data.cells import listing, quoted
from fathom.data.schema import ImageInput, NumbersInput, Schema, TableInput
from fathom.deployment.server.cells import MOST_COMPARED, Cells, TableDoor
from fathom.deployment.server.refusals import refuse
from fathom.deployment.server.rows import OUTSIDE, Drift, Rows
from fathom.deployment.server.tensors import Tensor, TensorKind
from fathom.estimators.predicting import RowsInOrder

WHOLE = "input"  # name of the one tensor of a model whose rows are numbers or pictures
FAR = 6.0  # standard deviations from the mean of training beyond which a number is outside
DATATYPES = {"number": "FP64"}  # of a column of that kind; others are BYTES


class AbstractIntake(ABC):
    """The way in to one model.

    Attributes
    ----------
    kinds : tuple of TensorKind
        The tensors it takes.
    is_slow : bool
        Whether taking even a small request apart may take a while.
    """

    kinds: tuple[TensorKind, ...]
    is_slow: bool = False

    @abstractmethod
    def from_json(self, rows: list[Any]) -> Rows:
        """Return rows given as JSON, each an object by column name or a list."""

    @abstractmethod
    def from_tensors(self, tensors: Mapping[str, Tensor]) -> Rows:
        """Return rows given as tensors."""


def open_intake(schema: Schema, center: np.ndarray | None, scale: np.ndarray | None) -> Any:
    """Return the way in to a model.

    Parameters
    ----------
    schema : Schema
        What goes in.
    center, scale : numpy.ndarray or None
        Mean and standard deviation of each number in training, where the model keeps them.
    """
    described = schema.input
    if isinstance(described, TableInput):
        return TableIntake(described, schema.target.names)
    if isinstance(described, ImageInput):
        return PictureIntake(described)
    return NumbersIntake(described, center, scale)


def _require_names(
    tensors: Mapping[str, Tensor], wanted: tuple[str, ...], known: frozenset[str]
) -> None:
    """Refuse unless every tensor that is needed is there, and none is unknown."""
    absent = [name for name in wanted if name not in tensors]
    strange = [name for name in tensors if name not in known]
    if absent or strange:
        got = f"{listing(strange[:MOST_COMPARED])} instead" if strange else (
            f"none called {quoted(absent[0])}"
        )  # fmt: skip
        refuse(f"inputs {listing(wanted)}", got=got)


def _count_rows(tensors: Mapping[str, Tensor]) -> int:
    counts = {tensor.shape[0] for tensor in tensors.values()}
    if len(counts) > 1:
        refuse("inputs of as many rows each", got=" and ".join(map(str, sorted(counts)[:4])))
    return counts.pop()


class TableIntake(AbstractIntake):
    """Rows of a table: an object or a list each; a tensor for each column.

    A table of numbers whose columns have no names is one tensor, shape (rows, columns).
    """

    def __init__(self, table: TableInput, ignored: tuple[str, ...]) -> None:
        self._door = TableDoor(table, ignored)
        self.is_slow = table.has_pictures  # which are small only while they are packed
        self._is_whole = not table.is_named and all(
            column.kind in ("number", "constant", "identifier") for column in table.columns
        )
        self._columns = frozenset(self._door.names)
        self._used = frozenset(self._door.used)
        if self._is_whole:
            self.kinds = (TensorKind(WHOLE, "FP64", (-1, len(table.columns))),)
        else:
            self.kinds = tuple(
                TensorKind(column.name, DATATYPES.get(column.kind, "BYTES"), (-1, 1))
                for column in table.columns
                if column.is_used
            )

    def from_json(self, rows: list[Any]) -> Rows:
        """Return rows by column name, or lists in the order of training."""
        if not rows:
            return self._door.read({name: [] for name in self._used}, 0, frozenset())
        kinds = set(map(type, rows))
        if kinds == {list}:
            return self._from_lists(rows)
        if kinds != {dict}:
            refuse("rows all as objects or all as lists", got=quoted(rows[0], 40))
        columns: dict[str, Cells] = {}
        for name in self._door.used:
            try:
                columns[name] = [row[name] for row in rows]
            except KeyError:
                place = next(place for place, row in enumerate(rows) if name not in row)
                self._door.require_known(name, list(rows[place]), f" in row {place + 1}")
        extra: frozenset[str] = frozenset()
        for row in rows:
            if not row.keys() <= self._columns:
                extra |= row.keys() - self._columns
        return self._door.read(columns, len(rows), extra)

    def _from_lists(self, rows: list[Any]) -> Rows:
        n = len(self._door.names)
        for place, row in enumerate(rows):
            if len(row) != n:
                refuse(f"{n:,} values in row {place + 1}, one for each column", got=f"{len(row):,}")
        cells = zip(*rows, strict=True)
        columns: dict[str, Cells] = {
            name: list(column)
            for name, column in zip(self._door.names, cells, strict=True)
            if name in self._used
        }
        return self._door.read(columns, len(rows), frozenset())

    def from_tensors(self, tensors: Mapping[str, Tensor]) -> Rows:
        """Return rows whose columns are tensors."""
        if self._is_whole:
            return self._from_one(tensors)
        _require_names(tensors, self._door.used, self._columns)
        n = _count_rows(tensors)
        for tensor in tensors.values():
            if tensor.shape not in ((n,), (n, 1)):
                refuse(
                    f"shape [{n}, 1] in input {quoted(tensor.name)}", got=f"{list(tensor.shape)}"
                )
        columns = {name: tensors[name].values for name in self._door.used}
        return self._door.read(columns, n, frozenset())

    def _from_one(self, tensors: Mapping[str, Tensor]) -> Rows:
        values = _numbers(tensors, len(self._door.names))
        columns: dict[str, Cells] = {
            name: values[:, place]
            for place, name in enumerate(self._door.names)
            if name in self._used
        }
        return self._door.read(columns, len(values), frozenset())


def _numbers(tensors: Mapping[str, Tensor], width: int) -> np.ndarray:
    """Return the one tensor there is, as float64 of shape (rows, width)."""
    _require_names(tensors, (WHOLE,), frozenset((WHOLE,)))
    tensor = tensors[WHOLE]
    if tensor.datatype == "BYTES":
        refuse(f"numbers as input {WHOLE}", got="BYTES")
    n = tensor.shape[0]
    if tensor.shape != (n, width):
        refuse(f"shape [{n}, {width}] of input {WHOLE}", got=f"{list(tensor.shape)}")
    return np.asarray(tensor.values, np.float64).reshape(n, width)


class NumbersIntake(AbstractIntake):
    """Rows of numbers, none of them missing; one tensor, shape (rows, numbers)."""

    def __init__(
        self, described: NumbersInput, center: np.ndarray | None, scale: np.ndarray | None
    ) -> None:
        self._n = described.n_features
        self._names = described.names or tuple(f"x{place}" for place in range(self._n))
        self._wanted = frozenset(self._names)
        self._near: tuple[np.ndarray, np.ndarray] | None = None
        if center is not None and scale is not None:
            self._near = (center - FAR * scale, center + FAR * scale)
        self.kinds = (TensorKind(WHOLE, "FP64", (-1, self._n)),)

    def from_json(self, rows: list[Any]) -> Rows:
        """Return rows by column name, or lists in the order of training."""
        lists = []
        for place, row in enumerate(rows):
            if isinstance(row, dict):
                row = self._in_order(row, place)
            if not isinstance(row, list) or len(row) != self._n:
                got = f"{len(row):,}" if isinstance(row, list) else quoted(row, 40)
                refuse(f"{self._n:,} numbers in row {place + 1}", got=got)
            if not set(map(type, row)) <= {int, float}:
                odd = next(at for at, v in enumerate(row) if type(v) not in (int, float))
                self._refuse(place, odd, repr(row[odd]))
            lists.append(row)
        try:
            values = np.array(lists, np.float64).reshape(len(rows), self._n)
        except OverflowError:
            refuse("finite numbers", got="a whole number beyond all floats")
        return self._checked(values)

    def _in_order(self, row: dict[str, Any], place: int) -> list[Any]:
        try:
            return [row[name] for name in self._names]
        except KeyError as error:
            strange = [name[:60] for name in list(row)[:MOST_COMPARED] if name not in self._wanted]
            refuse(
                f"the column {quoted(error.args[0])} in row {place + 1}",
                got=f"{listing(strange)} instead" if strange else "none of that name",
            )

    def from_tensors(self, tensors: Mapping[str, Tensor]) -> Rows:
        """Return rows of the one tensor."""
        return self._checked(_numbers(tensors, self._n))

    def _refuse(self, row: int, column: int, got: str) -> None:
        refuse(
            f"a finite number in column {quoted(self._names[column])}",
            got=f"{quoted(got, 40)} in row {row + 1}",
            hint="this model knows no missing values",
        )

    def _checked(self, values: np.ndarray) -> Rows:
        if not np.isfinite(values).all():
            row, column = np.argwhere(~np.isfinite(values))[0]
            self._refuse(int(row), int(column), str(values[row, column]))
        drift: Drift = Counter()
        if self._near is not None:
            is_outside = (values < self._near[0]) | (values > self._near[1])
            if is_outside.any():
                for column in np.flatnonzero(is_outside.any(axis=0)):
                    drift[self._names[column], OUTSIDE] = int(is_outside[:, column].sum())
        return Rows(len(values), RowsInOrder(values), (), drift)


class PictureIntake(AbstractIntake):
    """Pictures, shape (height, width), with channels, or laid out in a row; one tensor of them."""

    def __init__(self, described: ImageInput) -> None:
        self._shape, self._is_ink = described.shape, described.is_ink
        self.kinds = (TensorKind(WHOLE, "FP32", (-1, *self._shape)),)

    def from_json(self, rows: list[Any]) -> Rows:
        """Return pictures given as lists of rows of pixels."""
        for place, picture in enumerate(rows):
            if not isinstance(picture, list):
                refuse(f"picture {place + 1} as lists of pixels", got=quoted(picture, 40))
        try:
            values = np.array(rows, np.float64) if rows else np.zeros((0, *self._shape))
        except (ValueError, TypeError, OverflowError):
            got = "lists of different lengths, or what is no number"
            refuse(f"pictures of shape {list(self._shape)}", got=got)
        return self._checked(values)

    def from_tensors(self, tensors: Mapping[str, Tensor]) -> Rows:
        """Return pictures of the one tensor."""
        _require_names(tensors, (WHOLE,), frozenset((WHOLE,)))
        tensor = tensors[WHOLE]
        if tensor.datatype == "BYTES":
            refuse(f"numbers as input {WHOLE}", got="BYTES")
        return self._checked(np.asarray(tensor.values).reshape(tensor.shape))

    def _checked(self, values: np.ndarray) -> Rows:
        n, (height, width, channels) = len(values), self._shape
        pixels = height * width * channels
        allowed = [(n, *self._shape), (n, pixels)]
        if channels == 1:
            allowed.append((n, height, width))
        if values.shape not in allowed:
            refuse(f"pictures of shape {list(self._shape)}", got=f"{list(values.shape[1:])}")
        flat = values.reshape(n, pixels).astype(np.float64)
        if not np.isfinite(flat).all():
            refuse("finite pixels", got="NaN or infinity")
        if self._is_ink and n and (flat.min() < 0 or flat.max() > 1):
            refuse(
                "pixels from 0 (paper) to 1 (ink)", got=f"{flat.min():g} to {flat.max():g}",
                hint="bring pictures to ink first",
            )  # fmt: skip
        return Rows(n, RowsInOrder(flat))
