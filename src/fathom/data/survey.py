"""A survey: what the columns of a table larger than memory hold, over all its rows, in one pass."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import polars as pl

from fathom.data.cells import counted, iter_cells, listing, quoted, to_keys, to_words
from fathom.data.parsing import read_values
from fathom.data.readings import choose_categories, find_unread, first_cell, join_spellings
from fathom.data.schema import Column
from fathom.data.sketches import QuantileSketch, WordCounts
from fathom.data.views import bounded
from fathom.errors import InputError
from fathom.values import Value

SHOWN_SHARES = (0.01, 0.25, 0.5, 0.75, 0.99)
SHOWN_WORDS = 10


class ColumnFacts(Value):
    """What the rows of a file hold in one column.

    Attributes
    ----------
    name, kind : str
        The column.
    n_present, n_missing : int
        Values that are there, and that are not, cannot be read or are infinite.
    mean, spread : float or None
        Of numbers (dates as days since 1970-01-01): mean and standard deviation; None where there
        are none, or they are too large for a float.
    low, high : float or None
        Smallest and largest.
    quantiles : tuple of float
        At the shares `SHOWN_SHARES`.
    rank_error : float
        By what share of all values their ranks may be off.
    frequent : tuple of (str, int)
        Of words, the most frequent and how often they come.
    n_distinct : int
        Different words; of numbers 0, as they are not counted.
    most_lost : int
        By how much a count may be too small.
    """

    name: str
    kind: str
    n_present: int
    n_missing: int
    mean: float | None = None
    spread: float | None = None
    low: float | None = None
    high: float | None = None
    quantiles: tuple[float, ...] = ()
    rank_error: float = 0.0
    frequent: tuple[tuple[str, int], ...] = ()
    n_distinct: int = 0
    most_lost: int = 0


@dataclass(frozen=True)
class Survey:
    """What all rows hold, and what a sample of them could not tell.

    Attributes
    ----------
    columns : tuple of Column
        The columns of the sample, their range, categories and missing values those of all rows.
    beyond : dict of str to QuantileSketch
        By name of a column of numbers or dates: its values outside the sample.
    facts : tuple of ColumnFacts
        What was gathered of each column that is used, the sample included.
    n_rows : int
        Rows outside the sample that were read.
    notes : tuple of str
        What a reader should know.
    """

    columns: tuple[Column, ...]
    beyond: dict[str, QuantileSketch]
    facts: tuple[ColumnFacts, ...]
    n_rows: int
    notes: tuple[str, ...]


def survey(
    columns: Sequence[Column], sample: pl.DataFrame, pieces: Iterable[pl.DataFrame], seed: int = 0
) -> Survey:
    """Read rows once and say what each column holds.

    Parameters
    ----------
    columns : sequence of Column
        The columns, as `infer_columns` describes them by the sample.
    sample : polars.DataFrame
        The rows that are in memory.
    pieces : iterable of polars.DataFrame
        All other rows, some at a time; columns by name.
    seed : int
        Of what quantiles leave to chance.

    Returns
    -------
    Survey
        What they hold. Memory is bounded, however many rows there are: some 100 kB for a column of
        numbers, `fathom.data.sketches.MOST_WORDS` words for one of categories.

    Raises
    ------
    InputError
        If more than half of the values of a column of numbers or dates cannot be read.

    Notes
    -----
    Kinds, and the way in which numbers and dates are written, stay those of the sample.
    """
    used = [column for column in columns if column.is_used]
    seen = [_begin(column, seed + at) for at, column in enumerate(used)]
    n_rows = 0
    for piece in pieces:
        for one, cells in zip(seen, iter_cells(piece.select(c.name for c in used)), strict=True):
            one.see(cells)
        n_rows += piece.height
    beyond = {one.column.name: one.sketch.copy() for one in seen if isinstance(one, _Numbers)}
    for one, cells in zip(seen, iter_cells(sample.select(c.name for c in used)), strict=True):
        one.see(cells)
    found = {one.column.name: one.described() for one in seen}
    notes = tuple(note for one in seen for note in one.notes())
    return Survey(
        tuple(found.get(column.name, column) for column in columns), beyond,
        tuple(one.facts() for one in seen), n_rows, notes,
    )  # fmt: skip


class _Numbers:
    """Numbers or dates, as they are seen."""

    def __init__(self, column: Column, seed: int) -> None:
        self.column, self.sketch = column, QuantileSketch(seed)
        self.n_missing = self.n_unread = self.n_written = 0
        self._unread = ""
        self._mean = self._squares = 0.0  # the sum of squared distances from the mean

    def see(self, cells: pl.Series) -> None:
        cells, read = read_values(self.column, cells)
        rows = find_unread(cells, read)
        if len(rows) and not self._unread:
            self._unread = first_cell(to_words(cells.gather(rows)))
        self.n_unread, self.n_written = self.n_unread + len(rows), self.n_written + cells.count()
        values = read.to_numpy().astype(np.float64)
        values = bounded(values[np.isfinite(values)])
        self.n_missing += len(cells) - len(values)
        if len(values):
            n_before = self.sketch.n
            self.sketch.update(values)
            self._move(values, n_before)

    def _move(self, values: np.ndarray, n_before: int) -> None:
        """Bring mean and squares to all values (Chan, Golub, LeVeque 1983)."""
        n, share = self.sketch.n, len(values) / self.sketch.n
        with np.errstate(over="ignore", invalid="ignore"):
            mean = float(values.mean())
            apart = mean - self._mean
            self._squares += float(np.sum((values - mean) ** 2)) + apart**2 * n_before * share
            self._mean += apart * len(values) / n

    def described(self) -> Column:
        if 2 * self.n_unread > self.n_written:
            what = "numbers" if self.column.kind == "number" else "dates"
            raise InputError(
                f"{what} in column {quoted(self.column.name)}, as in a sample of the rows",
                got=f"'{quoted(self._unread, 30)}' and {self.n_unread:,} of {self.n_written:,} "
                f"values that cannot be read as {what}",
                hint=f"--kind {quoted(self.column.name)}=category takes any",
            )
        if not self.sketch.n:
            return self.column
        ends = {"low": self.sketch.low, "high": self.sketch.high}
        return self.column.model_copy(update={**ends, "n_missing": self.n_missing})

    def notes(self) -> Iterable[str]:
        if self.n_unread:
            yield (
                f"column {quoted(self.column.name)}: of all rows {counted(self.n_unread, 'value')} "
                f"not readable and missing, such as '{quoted(self._unread, 30)}'"
            )

    def facts(self) -> ColumnFacts:
        sketch, spread = self.sketch, math.sqrt(self._squares / max(self.sketch.n, 1))
        known = ColumnFacts(
            name=self.column.name, kind=self.column.kind, n_present=sketch.n,
            n_missing=self.n_missing,
        )  # fmt: skip
        if not sketch.n:
            return known
        return known.model_copy(
            update={
                "low": sketch.low, "high": sketch.high, "rank_error": sketch.rank_error(),
                "mean": self._mean if math.isfinite(self._mean) else None,
                "spread": spread if math.isfinite(spread) else None,
                "quantiles": tuple(sketch.quantiles(SHOWN_SHARES).tolist()),
            }
        )  # fmt: skip


class _Words:
    """Categories, as they are seen."""

    def __init__(self, column: Column) -> None:
        self.column, self.counts, self.n_missing = column, WordCounts(), 0

    def see(self, cells: pl.Series) -> None:
        self.n_missing += cells.null_count()
        self.counts.update(to_words(cells.drop_nulls()))

    def described(self) -> Column:
        column, groups = self.column, join_spellings(self.counts.words)
        update: dict[str, object] = {"n_missing": self.n_missing}
        if column.kind == "category":
            update |= {
                "categories": tuple(choose_categories(groups)["word"]),
                "n_distinct": max(len(groups), column.n_distinct),
            }
        return column.model_copy(update=update)

    def notes(self) -> Iterable[str]:
        known = to_keys(pl.Series(self.column.categories, dtype=pl.String)).implode()
        groups = join_spellings(self.counts.words)
        new = groups.filter(~pl.col("key").is_in(known))
        if self.column.kind == "category" and len(new):
            yield (
                f"column {quoted(self.column.name)}: {len(new):,} of {len(groups):,} categories "
                f"came from rows outside the sample ({listing(new['word'], 3)})"
            )

    def facts(self) -> ColumnFacts:
        words = join_spellings(self.counts.words)
        return ColumnFacts(
            name=self.column.name, kind=self.column.kind, n_present=self.counts.n,
            n_missing=self.n_missing, n_distinct=len(words), most_lost=self.counts.most_lost,
            frequent=tuple(words.head(SHOWN_WORDS).select("word", "n").rows()),
        )  # fmt: skip


class _Others:
    """Texts, of which only the missing ones are counted."""

    def __init__(self, column: Column) -> None:
        self.column, self.n_present, self.n_missing = column, 0, 0

    def see(self, cells: pl.Series) -> None:
        self.n_missing += cells.null_count()
        self.n_present += cells.count()

    def described(self) -> Column:
        return self.column.model_copy(update={"n_missing": self.n_missing})

    def notes(self) -> Iterable[str]:
        return ()

    def facts(self) -> ColumnFacts:
        return ColumnFacts(
            name=self.column.name, kind=self.column.kind, n_present=self.n_present,
            n_missing=self.n_missing,
        )  # fmt: skip


_Seen: TypeAlias = _Numbers | _Words | _Others


def _begin(column: Column, seed: int) -> _Seen:
    if column.kind in ("number", "date"):
        return _Numbers(column, seed)
    return _Words(column) if column.kind in ("category", "yes_no") else _Others(column)
