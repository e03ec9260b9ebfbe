"""Rows of a request, as a model takes them, and what is unusual about them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from fathom.data.parsing import ParsedTable, lacks_picture
from fathom.data.schema import Column
from fathom.estimators.predicting import RowsInOrder

Drift: TypeAlias = Counter[tuple[str, str]]  # of column and what it is: missing, unseen, outside
MISSING, UNSEEN, OUTSIDE = "missing", "unseen", "outside"


@dataclass(frozen=True)
class Rows:
    """Rows that have been checked.

    Attributes
    ----------
    n : int
        How many.
    given : ParsedTable or RowsInOrder
        What the estimator predicts from.
    notes : tuple of str
        What could not be taken as it is, in words.
    drift : Counter
        By column: how many values are missing, categories unseen in training, or numbers outside
        the range of training. What there is none of is left out.
    """

    n: int
    given: ParsedTable | RowsInOrder
    notes: tuple[str, ...] = ()
    drift: Drift = field(default_factory=Counter)

    @property
    def is_unusual(self) -> np.ndarray | None:
        """Which rows are unlike those of training; None where that is not known."""
        return self.given.is_unusual if isinstance(self.given, ParsedTable) else None

    def part(self, begin: int, end: int) -> "Rows":
        """Return some of the rows."""
        if (begin, end) == (0, self.n):
            return self
        if isinstance(self.given, ParsedTable):
            return Rows(end - begin, self.given.take(np.arange(begin, end)))
        return Rows(end - begin, RowsInOrder(self.given.values[begin:end]))


def join_rows(parts: Sequence[Rows]) -> ParsedTable | RowsInOrder:
    """Return the rows of several requests to one model as one batch."""
    first = parts[0].given
    if len(parts) == 1:
        return first
    if isinstance(first, RowsInOrder):
        return RowsInOrder(np.concatenate([part.given.values for part in parts]))
    tables = [part.given for part in parts if isinstance(part.given, ParsedTable)]
    values = tuple(
        np.concatenate([table.values[place] for table in tables])
        for place in range(len(first.columns))
    )
    is_unusual = np.concatenate([table.is_unusual for table in tables])
    return ParsedTable(first.columns, values, len(is_unusual), (), is_unusual)


def find_drift(parsed: ParsedTable) -> Drift:
    """Count in every column what is missing, unseen in training, or outside its range."""
    found: Drift = Counter()
    for column, values in zip(parsed.columns, parsed.values, strict=True):
        if not column.is_used:
            continue
        for what, is_so in _oddities(column, values).items():
            if n := int(is_so.sum()):
                found[column.name, what] = n
    return found


def _oddities(column: Column, values: np.ndarray) -> dict[str, np.ndarray]:
    if column.kind == "text":
        return {MISSING: values == ""}
    if column.kind == "picture":
        return {MISSING: lacks_picture(values)}
    if column.kind in ("category", "yes_no"):
        return {MISSING: values == -1, UNSEEN: values == len(column.categories)}
    if column.low is None or column.high is None:
        return {MISSING: np.isnan(values)}
    is_outside = (values < column.low) | (values > column.high)
    return {MISSING: np.isnan(values), OUTSIDE: is_outside}
