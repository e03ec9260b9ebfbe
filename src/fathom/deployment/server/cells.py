"""Cells of a request to arrays, column by column: the quick way for what is plain."""

import math
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import polars as pl

from fathom.data.cells import MISSING as MISSING_WORDS
from fathom.data.cells import listing, nearest, quoted
from fathom.data.frames import from_values
from fathom.data.parsing import MAX_TEXT_CHARS, ParsedTable, parse_table
from fathom.data.schema import Column, TableInput
from fathom.deployment.server.refusals import refuse
from fathom.deployment.server.rows import MISSING, OUTSIDE, Drift, Rows, find_drift
from fathom.deployment.server.sent_pictures import decode_pictures

QUICK_ROWS = 64  # rows up to which plain Python is quicker than whole columns at once
MOST_KNOWN = 4096  # words remembered in a column
LONGEST_KNOWN = 200  # characters of such a word
MOST_COMPARED = 50  # names a misspelt one is compared with
_LONGEST_MISSING = max(map(len, MISSING_WORDS))
_LARGEST = sys.float_info.max

Cells: TypeAlias = Sequence[Any] | np.ndarray  # of one column: plain values, or an array


class _Door:
    """One column: takes values that need no further look, and remembers words seen before.

    What a word stands for depends on nothing but the column, so what was worked out once by
    `parse_table` is looked up the next time.
    """

    def __init__(self, column: Column) -> None:
        self.column = column
        self.is_coded = column.kind in ("category", "yes_no")
        self.nothing: Any = -1 if self.is_coded else "" if column.kind == "text" else math.nan
        self.dtype: Any = np.int32 if self.is_coded else np.float64
        self._known: dict[str, Any] = {}
        low, high = column.low, column.high
        self._low, self._high = -_LARGEST, _LARGEST
        self._inner = (-math.inf, math.inf)
        if low is not None and high is not None:
            width = high - low
            self._low, self._high = max(low - width, -_LARGEST), min(high + width, _LARGEST)
            self._inner = (low, high)
        if self.is_coded:
            words = list(column.categories[:MOST_KNOWN])
            frame = pl.DataFrame({column.name: pl.Series(words, dtype=pl.String)})
            self.learn(words, parse_table(frame, (column,)).values[0])

    def learn(self, cells: Cells, values: np.ndarray) -> None:
        """Remember what words stand for, if it is nothing out of the ordinary."""
        if self.column.kind == "text":
            return
        for cell, value in zip(cells, values.tolist(), strict=True):
            word = self._word(cell)
            if word is None or len(word) > LONGEST_KNOWN:
                continue
            if self.is_coded:
                is_plain = 0 <= value < len(self.column.categories)
            else:
                is_plain = self._low <= value <= self._high
            if is_plain:
                if len(self._known) >= MOST_KNOWN:
                    self._known.clear()
                self._known[word] = value

    def quick(self, cells: Sequence[Any], drift: Drift) -> list[Any] | None:
        """Return what the cells stand for; None where one of them needs a further look."""
        if self.column.kind == "text":
            return self._quick_text(cells, drift)
        found = []
        name = self.column.name
        for cell in cells:
            if cell is None:
                drift[name, MISSING] += 1
                found.append(self.nothing)
                continue
            value = self._read(cell)
            if value is None:
                return None
            if not self.is_coded and not self._inner[0] <= value <= self._inner[1]:
                drift[name, OUTSIDE] += 1
            found.append(value)
        return found

    def _read(self, cell: Any) -> Any:
        """Return what one cell stands for; None where it needs a further look."""
        kind = type(cell)
        if kind is str:
            return self._known.get(cell)
        if self.column.kind == "number":
            if (kind is float or kind is int) and self._low <= cell <= self._high:
                return float(cell)
        elif self.is_coded and (kind is int or kind is bool):
            return self._known.get(self._word(cell) or "")
        return None

    def _word(self, cell: Any) -> str | None:
        """Return how a cell is written that is known by its word."""
        if type(cell) is str:
            return cell
        if not self.is_coded:
            return None
        if type(cell) is bool:
            return "true" if cell else "false"
        return str(cell) if type(cell) is int and abs(cell) < 2**63 else None

    def _quick_text(self, cells: Sequence[Any], drift: Drift) -> list[Any] | None:
        found = []
        for cell in cells:
            if cell is None:
                drift[self.column.name, MISSING] += 1
                cell = ""
            elif not (
                type(cell) is str
                and _LONGEST_MISSING < len(cell) <= MAX_TEXT_CHARS
                and cell.isascii()
                and cell[0] > " "
                and cell[-1] > " "
            ):
                return None
            found.append(cell)
        return found


class TableDoor:
    """Columns of a request to rows of a table.

    Parameters
    ----------
    table : TableInput
        The columns of the model.
    ignored : collection of str
        Columns that may be there without being known: the target's.
    """

    def __init__(self, table: TableInput, ignored: Sequence[str]) -> None:
        self.table, self._ignored = table, frozenset(ignored)
        self.names = tuple(column.name for column in table.columns)
        self.used = tuple(column.name for column in table.columns if column.is_used)
        self._known = frozenset(self.names)
        self._doors = {column.name: _Door(column) for column in table.columns if column.is_used}

    def read(self, columns: Mapping[str, Cells], n: int, extra: frozenset[str]) -> Rows:
        """Return the rows of columns that are all there.

        Parameters
        ----------
        columns : mapping of str to sequence or numpy.ndarray
            The cells of every column that is used, n each.
        n : int
            How many rows.
        extra : frozenset of str
            Columns that came besides.

        Raises
        ------
        InputError
            If a column cannot be read.
        Refusal
            If a number is infinite.
        """
        pictures = {
            column.name: decode_pictures(column, list(columns[column.name]))
            for column in self.table.columns if column.kind == "picture"
        }  # fmt: skip
        if n <= QUICK_ROWS and not pictures:
            found = self._quick(columns, n)
            if found is not None:
                return self._noted(found, extra)
        return self._noted(self._whole(columns, n, pictures), extra)

    def _quick(self, columns: Mapping[str, Cells], n: int) -> Rows | None:
        values, drift = [], Counter[tuple[str, str]]()
        for column in self.table.columns:
            if not column.is_used:
                values.append(np.zeros(0))
                continue
            cells, door = columns[column.name], self._doors[column.name]
            found = None
            if isinstance(cells, np.ndarray):
                if cells.dtype.kind in "fiu" and door.column.kind == "number":
                    found = door.quick(cells.tolist(), drift)
            else:
                found = door.quick(cells, drift)
            if found is None:
                return None
            values.append(np.array(found, object if column.kind == "text" else door.dtype))
        if drift and self._has_empty_row(drift, n):
            return None
        is_unusual = np.zeros(n, bool)
        parsed = ParsedTable(self.table.columns, tuple(values), n, (), is_unusual)
        return Rows(n, parsed, (), drift)

    def _has_empty_row(self, drift: Drift, n: int) -> bool:
        """Tell whether a row may be without any value: every column has something missing."""
        return n > 0 and all(drift[name, MISSING] for name in self.used)

    def _whole(
        self, columns: Mapping[str, Cells], n: int, pictures: Mapping[str, np.ndarray] | None = None
    ) -> Rows:
        pictures = pictures or {}
        series = [_as_series(name, columns[name]) for name in self.used if name not in pictures]
        others = [
            pl.Series(column.name, [None] * n, dtype=pl.String)
            for column in self.table.columns
            if not column.is_used or column.name in pictures
        ]
        frame = pl.DataFrame([*series, *others]).select(self.names)
        parsed = parse_table(frame, self.table.columns, pictures=pictures)
        for place, column in enumerate(self.table.columns):
            if column.name in pictures:
                continue
            if column.is_used and n <= QUICK_ROWS and isinstance(columns[column.name], list):
                self._doors[column.name].learn(columns[column.name], parsed.values[place])
        return Rows(n, parsed, parsed.notes, find_drift(parsed))

    def _noted(self, rows: Rows, extra: frozenset[str]) -> Rows:
        strange = extra - self._known - self._ignored
        if not strange:
            return rows
        some = listing(sorted(strange)[:MOST_COMPARED])
        note = f"columns not known from training were ignored: {some}"
        return Rows(rows.n, rows.given, (note, *rows.notes), rows.drift)

    def require_known(self, name: str, given: Sequence[str], where: str) -> None:
        """Refuse for a column that is not there, and say which may be meant."""
        strange = [one[:LONGEST_KNOWN] for one in list(given)[:MOST_COMPARED]]
        strange = [one for one in strange if one not in self._known]
        refuse(
            f"the column {quoted(name)}{where}",
            got=f"{listing(strange)} instead" if strange else "none of that name",
            hint=nearest(name, strange) or "give null where a value is not known",
        )


def _as_series(name: str, cells: Cells) -> pl.Series:
    if isinstance(cells, np.ndarray) and cells.dtype.kind in "fiub":
        if cells.dtype.kind == "f" and np.isinf(cells).any():
            _refuse_infinite(name, int(np.isinf(cells).argmax()))
        if cells.dtype.kind == "f" and cells.dtype.itemsize < 4:
            cells = cells.astype(np.float32)
        return pl.Series(name, np.ascontiguousarray(cells))
    cells = list(cells)
    for row, cell in enumerate(cells):
        is_number = isinstance(cell, float | int) and not isinstance(cell, bool)
        if is_number and (cell > _LARGEST or cell < -_LARGEST):
            _refuse_infinite(name, row)
    return from_values(name, cells)


def _refuse_infinite(name: str, row: int) -> None:
    refuse(
        f"a finite number in column {quoted(name)}", got=f"infinity in row {row + 1}",
        hint="give null where a value is not known",
    )  # fmt: skip
