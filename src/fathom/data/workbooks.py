"""Workbooks: Excel files, which hold one table a sheet."""

import re
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from fathom.data.delimited import check_header
from fathom.data.frames import Table
from fathom.data.sources import CHUNK_BYTES, Source, check_file, guarded, kind_of, too_large, unpack
from fathom.data.stores import BYTES_PER_CELL, table_of
from fathom.errors import InputError

MOST_MEASURED_BYTES = 2**24  # of a workbook whose sheets are measured: it is read once for that
MOST_MEASURED, MOST_NAMED = 50, 8
_PLACE = re.compile(rb"""\br=["']([A-Z]{1,3})([0-9]{1,7})["']""")


@dataclass(frozen=True)
class Sheet:
    """A sheet of a workbook.

    Attributes
    ----------
    name : str
        What it is called.
    n_rows, n_columns : int or None
        How much stands there, below a first row of names; None where it was not measured.
    """

    name: str
    n_rows: int | None
    n_columns: int | None


def list_sheets(path: str | Path, *, most_bytes: int) -> tuple[Sheet, ...]:
    """Return the sheets of a workbook in their order; none where the file is no workbook.

    Parameters
    ----------
    path : str or Path
        The file.
    most_bytes : int
        How many bytes are unpacked at most.

    Raises
    ------
    DatasetError
        If it is damaged, or unpacks to more than the limit.
    InputError
        If the package that reads Excel files is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="fathom-") as scratch:
        source = Source(Path(path), str(path), Path(scratch), most_bytes)
        check_file(source)
        source, _ = unpack(source)
        if kind_of(source)[0] != "excel":
            return ()
        with guarded(source, "Excel"):
            book = _opened(source)
            is_small = source.path.stat().st_size <= MOST_MEASURED_BYTES
            return tuple(
                _measured(book, name) if is_small and place < MOST_MEASURED
                else Sheet(name, None, None)
                for place, name in enumerate(book.sheet_names)
            )  # fmt: skip


def _measured(book: Any, name: str) -> Sheet:
    import fastexcel

    try:
        cells = book.load_sheet(name, header_row=None, n_rows=1, dtypes="string")
    except fastexcel.FastExcelError:  # a sheet with nothing but a chart
        return Sheet(name, 0, 0)
    return Sheet(name, max(cells.total_height - 1, 0), cells.width)


def read_excel(source: Source, has_header: bool | None, sheet: str | None = None) -> Table:
    """Read a sheet of an Excel file, the first where none is named.

    Raises
    ------
    DatasetError
        If it is damaged, or unpacks to more than the limit.
    InputError
        If there is no such sheet, or the package that reads Excel files is not installed.
    """
    with guarded(source, "Excel"):
        book = _opened(source)
        chosen, notes = _chosen(book.sheet_names, sheet)
        n_header = int(has_header is not False)
        cells = book.load_sheet(chosen, header_row=None, n_rows=1, dtypes="string").to_polars()
        if not cells.height:  # what reads it takes that for damage
            return table_of(source, [], [])
        names = [name or "" for name in cells.row(0)] if n_header else []
        if n_header:
            notes += check_header(source, 1, names, is_sure=bool(has_header))
        frame = book.load_sheet(
            chosen, header_row=None, skip_rows=n_header, schema_sample_rows=None
        ).to_polars()
        frame = frame.filter(~pl.all_horizontal(pl.all().is_null()))
        columns = [_as_whole(column) for column in frame.get_columns()]
        names = names or [f"column_{place}" for place in range(1, len(columns) + 1)]
        return table_of(source, columns, names, notes)


def _opened(source: Source) -> Any:
    """Open a workbook, once it is known that it unpacks to a fair size."""
    try:
        import fastexcel
    except ImportError:
        raise InputError(
            "the package that reads Excel files",
            got="none",
            hint="pip install 'fathom-dnn[excel]', or save the sheet as CSV",
        ) from None
    _check_workbook(source)
    return fastexcel.read_excel(source.path)


def _chosen(names: list[str], sheet: str | None) -> tuple[str, list[str]]:
    """Return the sheet to read, and what was guessed."""
    if sheet is None:
        note = f"of {len(names)} sheets the first was read, {names[0]!r}; --sheet names another"
        return names[0], [note] if len(names) > 1 else []
    if sheet in names:
        return sheet, []
    shown = ", ".join(map(repr, names[:MOST_NAMED]))
    rest = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    raise InputError(
        f"a sheet by its name: {shown}{rest}", got=repr(sheet)[:80],
        hint="choose one that is listed",
    )  # fmt: skip


def _as_whole(column: pl.Series) -> pl.Series:
    """Make whole numbers of numbers that all are; Excel has only floats."""
    if not column.dtype.is_float():
        return column
    is_whole = ((column == column.round()) & (column.abs() < 2**53)).all()
    return column.cast(pl.Int64) if is_whole else column


def _check_workbook(source: Source) -> None:
    """Unpack all parts once, and refuse a sheet whose corners are too far apart.

    A few bytes can place a cell at the far end of a sheet; its reader makes room for all between.
    """
    n_bytes, last_column, last_row = 0, 0, 0
    with zipfile.ZipFile(source.path) as archive:
        for part in archive.infolist():
            tail = b""
            with archive.open(part) as file:
                while chunk := file.read(CHUNK_BYTES):
                    n_bytes += len(chunk)
                    if n_bytes > source.most_bytes:
                        raise too_large(source, "more once it is unpacked")
                    for letters, digits in _PLACE.findall(tail + chunk):
                        last_row = max(last_row, int(digits))
                        last_column = max(last_column, _column_number(letters))
                    tail = chunk[-20:]
    if last_column * last_row * 2 * BYTES_PER_CELL > source.most_bytes:
        raise too_large(source, f"room for {last_row:,} rows of {last_column:,} columns")


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number
