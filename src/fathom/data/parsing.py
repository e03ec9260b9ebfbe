"""Parsing: a table to arrays, column by column, in prediction just as in training."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import polars as pl

from fathom.data.cells import (
    NO_WORDS,
    YES_WORDS,
    Notes,
    are_impossible_dates,
    counted,
    iter_cells,
    listing,
    nearest,
    quoted,
    to_codes,
    to_days,
    to_keys,
    to_numbers,
    to_words,
)
from fathom.data.readings import find_unread
from fathom.data.schema import Column, ColumnKind
from fathom.errors import InputError

MAX_TEXT_CHARS = 100_000  # of one cell
MANY_PICTURES = 10  # of which one at least is there, where the paths are right
FEW_ROWS = 100  # whose words are looked up one by one


@dataclass(frozen=True)
class ParsedTable:
    """A table as arrays, one for each column.

    Attributes
    ----------
    columns : tuple of Column
        What the columns are.
    values : tuple of numpy.ndarray
        One array of n values for each column. ``number`` and ``date``: float64, NaN where missing,
        dates as days since 1970-01-01. ``category`` and ``yes_no``: int32, the number of the
        category, -1 where missing, ``len(categories)`` for any other. ``text``: str objects, empty
        where missing. ``picture``: objects, levels (height, width, channels) of uint8, None where
        there is no picture that can be read. ``identifier`` and ``constant``: an empty array.
    n_rows : int
        How many rows.
    notes : tuple of str
        What could not be taken as it is, counted, in words.
    is_unusual : numpy.ndarray
        (n,) bool: whether a row has a category not among those of training, a number or date
        further outside the range of training than that range is wide, no picture though each row
        of training had one, or no value at all.
    """

    columns: tuple[Column, ...]
    values: tuple[np.ndarray, ...]
    n_rows: int
    notes: tuple[str, ...]
    is_unusual: np.ndarray

    def take(self, rows: np.ndarray) -> "ParsedTable":
        """Return some of the rows, by number or as a mask."""
        values = tuple(
            array[rows] if column.is_used else array
            for column, array in zip(self.columns, self.values, strict=True)
        )
        is_unusual = self.is_unusual[rows]
        return ParsedTable(self.columns, values, len(is_unusual), self.notes, is_unusual)


def parse_table(
    frame: pl.DataFrame,
    columns: tuple[Column, ...],
    *,
    is_named: bool = True,
    ignored: Collection[str] = (),
    is_part: bool = False,
    pictures: Mapping[str, np.ndarray] | None = None,
) -> ParsedTable:
    """Turn a table into arrays.

    Parameters
    ----------
    frame : polars.DataFrame
        The rows; columns of text exactly as written in a file, or of any type.
    columns : tuple of Column
        What the columns are, from `infer_columns`.
    is_named : bool
        Whether columns are found by name, in any order, rather than by position.
    ignored : collection of str
        Columns that may be there though they are no features, such as the target.
    is_part : bool
        Whether these are rows of a larger table, so that few of them say nothing of a column.
    pictures : mapping of str to numpy.ndarray, optional
        Pictures of columns that are here already, as in `ParsedTable`; their cells are not looked
        at, and no file is opened.

    Returns
    -------
    ParsedTable
        The arrays, and what is to be said about them.

    Raises
    ------
    InputError
        If a column that is used is not there, the width is wrong where columns have no names, or
        more than half of the values of a column of numbers or dates cannot be read, unless they
        are those of a part.

    Examples
    --------
    >>> from fathom.data.columns import infer_columns
    >>> columns, _ = infer_columns(pl.DataFrame({"age": ["31", "44"], "sex": ["f", "m"]}))
    >>> parsed = parse_table(pl.DataFrame({"sex": ["M", "d"], "age": ["?", "40"]}), columns)
    >>> parsed.values
    (array([nan, 40.]), array([2, 2], dtype=int32))
    >>> parsed.notes[0]
    "column sex: 2 values are not among the categories of training (first in row 1: 'M')"
    """
    notes = Notes()
    found = _find(frame, columns, is_named, ignored, notes)
    cells = iter_cells(found)
    is_unusual = np.zeros(frame.height, bool)
    is_empty = np.ones(frame.height, bool)
    values = []
    for column in columns:
        if not column.is_used:
            values.append(np.zeros(0))
            continue
        cell = next(cells)
        given = None if pictures is None else pictures.get(column.name)
        array = _parse(column, cell, notes, is_part) if given is None else given
        if given is not None:
            _note_absent(column, given, notes)
        values.append(array)
        is_unusual |= _is_outside(column, array)
        is_empty &= _is_missing(column, array)
    if any(column.is_used for column in columns):
        is_unusual |= is_empty
        if n_empty := int(is_empty.sum()):
            first = int(is_empty.argmax()) + 1
            notes.add(
                "empty", "", f"{counted(n_empty, 'row')} without any value (first row {first})"
            )
    return ParsedTable(tuple(columns), tuple(values), frame.height, notes.lines(), is_unusual)


def _find(
    frame: pl.DataFrame,
    columns: tuple[Column, ...],
    is_named: bool,
    ignored: Collection[str],
    notes: Notes,
) -> pl.DataFrame:
    """Find the columns that are used, by name or by position."""
    if not is_named:
        every = frame.get_columns()
        if len(every) != len(columns):
            every = [one for one in every if one.name not in ignored]
        if len(every) != len(columns):
            raise InputError(
                f"a table of {len(columns):,} columns, as in training",
                got=f"{frame.width:,} columns",
                hint="the columns have no names, so each must be in its place",
            )
        used = [one for column, one in zip(columns, every, strict=True) if column.is_used]
        return pl.DataFrame(used, height=frame.height)
    known, present = {column.name for column in columns}, set(frame.columns)
    extra = [name for name in frame.columns if name not in known and name not in ignored]
    absent = [c.name for c in columns if c.is_used and c.name not in present]
    if absent:
        raise InputError(
            f"the columns of training; {len(absent):,} are missing: {listing(absent)}",
            got=f"a table with {listing(extra)}" if extra else f"{frame.width:,} others",
            hint=nearest(absent[0], extra),
        )
    if extra:
        what = counted(len(extra), "column")
        notes.add("extra", "", f"{what} not known from training and ignored: {listing(extra)}")
    return frame.select([column.name for column in columns if column.is_used])


def join_texts(parsed: ParsedTable) -> list[str]:
    """Return one text for each row; several columns of text one after another."""
    values = [
        values
        for column, values in zip(parsed.columns, parsed.values, strict=True)
        if column.kind == "text"
    ]
    return [" \n ".join(map(str, parts)) for parts in zip(*values, strict=True)]


def lacks_picture(values: np.ndarray) -> np.ndarray:
    """Return in which rows of a column of pictures there is none, bool (n,)."""
    return np.fromiter((value is None for value in values), bool, len(values))


def _is_missing(column: Column, array: np.ndarray) -> np.ndarray:
    if column.kind == "picture":
        return lacks_picture(array)
    if array.dtype == object:
        return np.asarray(array == "", bool)
    return array == -1 if array.dtype == np.int32 else np.isnan(array)


def _is_outside(column: Column, array: np.ndarray) -> np.ndarray:
    """Whether values are unlike those of training: other categories, numbers far outside."""
    if column.kind in ("category", "yes_no"):
        return array == len(column.categories)
    if column.kind == "picture" and not column.n_missing:
        return lacks_picture(array)
    if column.low is None or column.high is None:
        return np.zeros(len(array), bool)
    with np.errstate(over="ignore"):
        width = np.float64(column.high) - column.low
        return (array < column.low - width) | (array > column.high + width)


def read_values(column: Column, cells: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Return the cells of numbers or dates in which something is written, and what is read."""
    if column.missing_words and cells.dtype == pl.String:
        is_word = cells.is_in(pl.Series(column.missing_words).implode())
        cells = cells.zip_with(~is_word, pl.Series([None], dtype=pl.String))
    read = to_numbers if column.kind == "number" else to_days
    return cells, read(cells, column.style)


def _parse(column: Column, cells: pl.Series, notes: Notes, is_part: bool) -> np.ndarray:
    if column.kind == "text":
        return _parse_text(cells)
    if column.kind == "picture":
        return _parse_pictures(column, cells, notes)
    if column.kind in ("category", "yes_no"):
        return _parse_codes(column, cells, notes)
    cells, values = read_values(column, cells)
    _note_unread(column, cells, values, notes, is_part)
    array = values.to_numpy(writable=True).astype(np.float64, copy=False)
    is_infinite = np.isinf(array)
    if is_infinite.any():
        array[is_infinite] = np.nan
        note = f"{counted(is_infinite.sum(), 'value')} infinite, taken as missing"
        _note(notes, "infinities", column, f"{note} (first in row {int(is_infinite.argmax()) + 1})")
    is_far = _is_outside(column, array)
    if is_far.any():
        low, high = (_written(column, end) for end in (column.low, column.high))
        row = int(is_far.argmax())
        first = f"first in row {row + 1}: {_written(column, array[row])}"
        note = f"{counted(is_far.sum(), 'value')} far outside the range of training"
        _note(notes, "far", column, f"{note}, {low} to {high} ({first})")
    return array


def _note(notes: Notes, topic: str, column: Column, text: str) -> None:
    notes.add(topic, column.name, f"column {quoted(column.name)}: {text}")


def _written(column: Column, value: float | None) -> str:
    if column.kind == "date" and value is not None:
        return str(np.datetime64(0, "s") + np.timedelta64(round(value * 86400), "s"))[:10]
    return f"{value:.6g}"


def _note_unread(
    column: Column, cells: pl.Series, values: pl.Series, notes: Notes, is_part: bool
) -> None:
    """Count values that cannot be read, and refuse a whole column in which most cannot."""
    rows = find_unread(cells, values)
    if not len(rows):
        return
    what = "numbers" if column.kind == "number" else "dates"
    example = f"'{quoted(cells[rows[0]], 30)}'"
    n_wrong = len(rows)
    if column.kind == "date" and cells.dtype == pl.String:
        n_wrong -= int(are_impossible_dates(cells.gather(rows)).sum())
    if 2 * n_wrong > cells.count() and not is_part:
        raise InputError(
            f"{what} in column {quoted(column.name)}, as in training",
            got=f"{example} in row {rows[0] + 1}; {len(rows):,} of {cells.count():,} values cannot "
            f"be read as {what}",
            hint="check that the columns are those of training",
        )
    text = f"{counted(len(rows), 'value')} not readable as {what}, taken as missing"
    _note(notes, "unread", column, f"{text} (first in row {rows[0] + 1}: {example})")


def _parse_codes(column: Column, cells: pl.Series, notes: Notes) -> np.ndarray:
    other = len(column.categories)
    keys, as_written = _known_words(column.kind, column.categories)
    codes = _look_up(cells, as_written) if len(cells) <= FEW_ROWS else None
    if codes is None:
        codes = to_codes(cells, keys, other)
    is_other = codes == other
    if is_other.any():
        row = int(is_other.argmax())
        example = quoted(to_words(cells.slice(row, 1))[0], 30)
        text = f"{counted(is_other.sum(), 'value')} not among the categories of training"
        _note(notes, "unseen", column, f"{text} (first in row {row + 1}: '{example}')")
    return codes


@lru_cache(maxsize=256)
def _known_words(
    kind: ColumnKind, categories: tuple[str, ...]
) -> tuple[dict[str, int], dict[str | None, int]]:
    """Return the numbers of categories by their keys, and by how they are written themselves."""
    written = pl.Series(categories, dtype=pl.String)
    keys = {str(key): number for number, key in enumerate(to_keys(written))}
    if kind == "yes_no" and _are_yes_no_words(categories):
        words = YES_WORDS | NO_WORDS
        keys = {w: int(word in YES_WORDS) for word in words for w in (word, word.upper())}
    codes = to_codes(written, keys, len(categories)).tolist()
    return keys, {None: -1, **dict(zip(categories, codes, strict=True))}


def _look_up(cells: pl.Series, as_written: dict[str | None, int]) -> np.ndarray | None:
    """Return the numbers of a few words, if all are written as in training: words take long."""
    if cells.dtype != pl.String:
        return None
    codes = [as_written.get(cell) for cell in cells.to_list()]
    return None if None in codes else np.array(codes, np.int32)


def _are_yes_no_words(categories: tuple[str, ...]) -> bool:
    no, yes = (word.lower() for word in categories)
    return no in NO_WORDS and yes in YES_WORDS


def _parse_text(cells: pl.Series) -> np.ndarray:
    text = cells if cells.dtype == pl.String else to_words(cells)
    if (text.str.len_chars() > MAX_TEXT_CHARS).any():
        text = text.str.head(MAX_TEXT_CHARS)
    return np.asarray(text.str.normalize("NFC").fill_null("").to_numpy(), dtype=object)


def _parse_pictures(column: Column, cells: pl.Series, notes: Notes) -> np.ndarray:
    """Read the pictures that a column names; a row whose picture cannot be read has none."""
    from fathom.data.pictures import read_cells  # Pillow, which other tables need not wait for

    if column.shape is None:
        raise AssertionError("the size of pictures is chosen before they are read")
    found = read_cells(cells, column.shape)
    n_named, n_bad = cells.count(), len(found.bad)
    if n_bad == n_named >= MANY_PICTURES:
        raise InputError(
            f"pictures where column {quoted(column.name)} says",
            got=f"none of {n_named:,} that can be read, the first: {quoted(found.reason, 200)}",
            hint="relative paths go from the folder of the table; in Python, from the working "
            "directory",
        )
    if n_bad:
        text = f"{counted(n_bad, 'picture')} not readable, taken as missing"
        first = f"first in row {found.bad[0] + 1}: {quoted(found.reason, 200)}"
        _note(notes, "unread pictures", column, f"{text} ({first})")
    _note_absent(column, np.asarray(cells.to_list(), object), notes)
    return found.values


def _note_absent(column: Column, values: np.ndarray, notes: Notes) -> None:
    """Count the rows that have no picture at all."""
    is_absent = lacks_picture(values)
    if is_absent.any():
        row = int(is_absent.argmax()) + 1
        text = f"{counted(int(is_absent.sum()), 'row')} without a picture (first row {row})"
        _note(notes, "no pictures", column, text)
