"""Delimited text (CSV and its kin): every value as it is written, nothing shifted, nothing lost.

Polars parses; the csv module of the standard library guesses the separator from the beginning and,
where rows are irregular or quoted, looks at every one, because Polars forgives broken quotes.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import TextIO

import polars as pl

from fathom.data.blanks import BLANKS, blanks_to_tabs
from fathom.data.decimals import commas_to_points
from fathom.data.frames import MAX_NAME_LENGTH, Table, name_columns
from fathom.data.plaintext import Text, as_text, check_encoding, first_lines
from fathom.data.schema import MAX_COLUMNS
from fathom.data.sources import CHUNK_BYTES, Source, guarded
from fathom.data.unquoted import find_unquoted
from fathom.errors import DatasetError, InputError

SEPARATORS = {",": "','", ";": "';'", "\t": "tab", "|": "'|'"}
MOST_SHORT_ROWS = 0.01
MAX_FIELD_CHARS = 2**26

_MOST_BLANKS_AT_END = 1000
_NUMBER = re.compile(r"[+-]?([0-9]+([.,][0-9]*)*|[.,][0-9]+)([eE][+-]?[0-9]+)?")
_WHOLE = re.compile(r"[+-]?[0-9]+")
_REMARKS = ("#", "//", "%", "sep=")


@dataclass(frozen=True)
class _Layout:
    """Where the cells are."""

    separator: str
    has_header: bool
    cells: tuple[str, ...]  # of the first row
    n_blank_lines: int  # before it
    first_row: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Rows:
    """What a look at every row tells."""

    n_rows: int  # the header counted
    n_short: int
    first_short: int
    n_blanks_inside: int
    n_blanks_at_end: int


def read_delimited(
    source: Source,
    *,
    separator: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    has_header: bool | None = None,
) -> Table:
    """Read delimited text; every column is text, as written.

    Parameters
    ----------
    source : Source
        The file, unpacked.
    separator : str or None
        One character, or ``"space"`` for any number of blanks; ``None`` finds out.
    decimal : {".", ","} or None
        The decimal mark; ``None`` finds out. Numbers with a comma are rewritten with a point.
    encoding : str or None
        Name of the encoding; ``None`` goes by the byte-order mark, then UTF-8, then Windows-1252.
    has_header : bool or None
        Whether the first row is names; ``None`` says yes, and refuses a row of numbers.

    Returns
    -------
    Table
        The table and what was guessed.

    Raises
    ------
    DatasetError
        If rows do not fit the header, quotes are left open, or it cannot be read as text.
    InputError
        If an option makes no sense.
    """
    separator = check_options(separator, decimal, encoding)
    with guarded(source, "text"):
        text = as_text(source, encoding)
        if separator == BLANKS:
            text, separator = blanks_to_tabs(text, has_header=has_header is not False), "\t"
        layout = _layout(text, separator, has_header)
        try:
            frame, repairs = _values(text, layout)
        except DatasetError:
            taken = _as_written(text, layout, has_header)
            if taken is None:
                raise
            layout, frame, repairs = taken
        if not frame.height and not source.may_be_empty:
            raise DatasetError(
                "rows of data", got=f"{source.name}, which has a header and no data rows",
                hint="add rows, or give --no-header if the first row is data",
            )  # fmt: skip
        if layout.has_header:
            frame, renamed = name_columns(frame.get_columns(), layout.cells)
        else:
            frame, renamed = frame.rename(_numbered(frame.columns)), []
        is_sought = layout.separator != ","
        frame, mark, converted = commas_to_points(frame, decimal, is_sought=is_sought)
    notes = (*text.notes, *layout.notes, *repairs, *renamed, *converted)
    return Table(frame, notes, layout.first_row, mark)


def check_options(separator: str | None, decimal: str | None, encoding: str | None) -> str | None:
    """Refuse options that make no sense, and give the separator as one character.

    Raises
    ------
    InputError
        If the separator, the decimal mark or the encoding cannot be one.
    """
    if separator in ("tab", "\\t"):
        separator = "\t"
    if separator not in (None, BLANKS) and (
        len(separator) != 1 or not separator.isascii() or separator in '"\r\n\0'
    ):
        raise InputError(
            "one plain character as the separator",
            got=repr(separator),
            hint="for example --separator ';', --separator tab or --separator space",
        )
    if decimal not in (None, ".", ","):
        raise InputError("'.' or ',' as the decimal mark", got=repr(decimal), hint="--decimal ','")
    check_encoding(encoding)
    return separator


def _numbered(columns: list[str]) -> dict[str, str]:
    return {old: f"column_{place}" for place, old in enumerate(columns, start=1)}


def _layout(text: Text, separator: str | None, has_header: bool | None) -> _Layout:
    """Find the separator and the header in the first lines."""
    lines, is_all = first_lines(text.source)
    if has_header is not False:
        _refuse_remarks(text.source, lines)
    notes = []
    if separator is None:
        separator, others = _sniff(lines, is_all)
        if separator != ",":
            notes.append(f"the separator {SEPARATORS[separator]} was found")
        if others:
            fitting = " and ".join(SEPARATORS[other] for other in others)
            notes.append(f"{fitting} would fit as well; name the separator with --separator")
    rows = [(line, cells) for line, cells in _rows(lines, separator) if not _is_blank(cells)]
    if not rows:
        raise DatasetError(
            "a table", got=f"{text.source.name}, which is empty but for blank lines",
            hint="save it again, with a header and rows",
        )  # fmt: skip
    line, cells = rows[0]
    if len(cells) > MAX_COLUMNS:
        raise DatasetError(
            f"at most {MAX_COLUMNS:,} columns", got=f"{len(cells):,} in {text.source.name}",
            hint="leave columns out, or name the separator with --separator",
        )  # fmt: skip
    if has_header is not False:
        notes += check_header(text.source, line, cells, is_sure=bool(has_header))
        next_line = line + 1 + sum(cell.count("\n") for cell in cells)
        first_row = rows[1][0] if len(rows) > 1 else next_line
    else:
        first_row = line
    return _Layout(separator, has_header is not False, tuple(cells), line - 1, first_row,
                   tuple(notes))  # fmt: skip


def _sniff(lines: list[str], is_all: bool) -> tuple[str, list[str]]:
    """Give the separator that cuts most rows like the first, and others that do as well."""
    scores = {}
    for separator in SEPARATORS:
        rows = [cells for _, cells in _rows(lines, separator) if not _is_blank(cells)]
        if not is_all and len(rows) > 2:
            rows.pop()  # it may go on after these lines
        if rows and len(rows[0]) > 1:
            scores[separator] = sum(len(cells) == len(rows[0]) for cells in rows) / len(rows)
    if not scores:
        return ",", []
    best, *others = sorted(scores, key=lambda separator: -scores[separator])
    return best, [other for other in others if scores[other] == scores[best] and len(lines) > 1]


def _refuse_remarks(source: Source, lines: list[str]) -> None:
    """Refuse remarks before the header, unless the header itself begins like one (``#id``)."""
    full = [line for line in lines if line.strip()]
    marks = [line.lstrip().lower().startswith(_REMARKS) for line in full]
    n_remarks = marks.index(False) if False in marks else len(marks)
    if not n_remarks or (n_remarks == 1 and len(full) > 1 and _is_alike(full[0], full[1])):
        return
    raise DatasetError(
        "a header in the first row",
        got=f"remarks in {source.name}, the first of them {full[0].strip()[:60]!r}",
        hint=f"leave them out, for example: tail -n +{n_remarks + 1} FILE > clean.csv",
    )


def _is_alike(first: str, second: str) -> bool:
    if first.lstrip().lower().startswith("sep="):  # a line for Excel only
        return False
    n_cells = [[len(cells) for _, cells in _rows([first, second], s)] for s in SEPARATORS]
    found = [n for n in n_cells if len(n) == 2]
    return any(a == b > 1 for a, b in found) or all(a == b for a, b in found)


def check_header(source: Source, line: int, cells: list[str], *, is_sure: bool) -> list[str]:
    """Refuse a first row that is likely data.

    Parameters
    ----------
    source : Source
        The file.
    line : int
        The line the row begins in.
    cells : list of str
        The row.
    is_sure : bool
        Whether the user says it is names.

    Returns
    -------
    list of str
        A note where it may be data all the same.

    Raises
    ------
    DatasetError
        If it is numbers, or a name is too long to be one.
    """
    full = [cell.strip() for cell in cells if cell.strip()]
    long = next((cell for cell in full if len(cell) > MAX_NAME_LENGTH), None)
    if long:
        raise DatasetError(
            f"column names of at most {MAX_NAME_LENGTH:,} characters",
            got=f"{len(long):,} in line {line} of {source.name}: {long[:40]!r}…",
            hint="check the separator: --separator names another",
        )  # fmt: skip
    numbers = [cell for cell in full if _NUMBER.fullmatch(cell)]
    if is_sure or not numbers:
        return []
    # years are names, measurements are not
    has_fractions = not all(map(_WHOLE.fullmatch, numbers))
    if len(numbers) == len(full) or (has_fractions and 2 * len(numbers) >= len(full)):
        raise DatasetError(
            f"the names of the columns in line {line} of {source.name}",
            got=f"numbers ({', '.join(full[:5])}{', …' if full[5:] else ''})"[:200],
            hint="give --no-header if the first row is data (has_header=True in Python if not)",
        )
    return [f"some column names are numbers ({', '.join(numbers[:3])}); give --no-header if the "
            "first row is data"]  # fmt: skip


def _values(text: Text, layout: _Layout) -> tuple[pl.DataFrame, list[str]]:
    """Parse all rows, after a look at each where they may be irregular."""
    source, notes = text.source, []
    rows = None
    if text.has_quotes or text.has_bare_returns or not _is_regular(source, layout):
        rows = _look_at_rows(source, layout)
        notes = _say_rows(rows, rows.n_rows - layout.has_header)
        is_blank_inside = rows.n_blanks_inside or rows.n_blanks_at_end > _MOST_BLANKS_AT_END
        if text.has_bare_returns or is_blank_inside:
            return _repaired(source, layout, rows), notes
    frame = _parse(source, layout, rows, layout.n_blank_lines)
    if frame is None:
        if rows is None:
            rows = _look_at_rows(source, layout)
        frame = _repaired(source, layout, rows)
        notes.append("quotes within values were taken as they are")
    return frame, notes


def _as_written(
    text: Text, layout: _Layout, has_header: bool | None
) -> tuple[_Layout, pl.DataFrame, list[str]] | None:
    """Read text between tabs whose quotes are signs like any other; None where they are not."""
    if layout.separator != "\t" or text.has_bare_returns or not text.has_quotes:
        return None
    found = find_unquoted(text.source)
    if found is None:
        return None
    with _opened(text.source) as file:
        line = layout.n_blank_lines + 1
        cells = next(islice(file, layout.n_blank_lines, None)).rstrip("\r\n").split("\t")
    heading = []
    if has_header is not False:
        heading = check_header(text.source, line, cells, is_sure=bool(has_header))
    notes = [note for note in layout.notes if note.startswith("the separator")]
    first = line + (has_header is not False)
    anew = replace(layout, cells=tuple(cells), first_row=first, notes=(*notes, *heading))
    rows = _Rows(found.n_lines, 0, 0, 0, 0)
    frame = _parse(text.source, anew, rows, layout.n_blank_lines, quote=None)
    return None if frame is None else (anew, frame, [found.note])


def _say_rows(rows: _Rows, n_data_rows: int) -> list[str]:
    notes = []
    if rows.n_short:
        notes.append(
            f"{rows.n_short:,} of {n_data_rows:,} rows are shorter than the first (one is in line "
            f"{rows.first_short}); their last values are missing"
        )
    if rows.n_blanks_inside:
        notes.append(f"{rows.n_blanks_inside:,} blank lines between rows were left out")
    return notes


def _is_regular(source: Source, layout: _Layout) -> bool:
    """Whether, without quotes, the count of separators is right for the count of lines."""
    if len(layout.cells) == 1:
        return False  # a blank line looks like a missing value
    separator, n_separators, n_lines, last = layout.separator.encode(), 0, 0, b""
    for chunk in source.chunks():
        n_separators += chunk.count(separator)
        n_lines += chunk.count(b"\n")
        last = chunk[-1:]
    n_lines += last != b"\n"
    # Polars drops an empty last cell that no line end follows, even one too many
    return last != separator and n_separators == (len(layout.cells) - 1) * n_lines


def _look_at_rows(source: Source, layout: _Layout) -> _Rows:
    """Count the cells of every row; the first row that is broken or too long is refused."""
    n_columns, n_rows, n_short, first_short, n_blanks, n_inside = len(layout.cells), 0, 0, 0, 0, 0
    with _opened(source) as file:
        for line, cells in _strict_rows(source, file, layout):
            if len(cells) != n_columns or n_columns == 1:
                if _is_blank(cells, n_columns):
                    n_blanks += 1
                    continue
                if len(cells) > n_columns:
                    raise _too_long(source, layout, line, len(cells))
                n_short += len(cells) < n_columns
                first_short = first_short or (line if n_short else 0)
            if n_blanks:
                n_inside += n_blanks if n_rows else 0
                n_blanks = 0
            n_rows += 1
    n_data_rows = n_rows - layout.has_header
    if n_short > max(1, MOST_SHORT_ROWS * n_data_rows):
        raise DatasetError(
            f"{n_columns} values in each row of {source.name}, as in the first",
            got=f"fewer in {n_short:,} of {n_data_rows:,} rows; one is in line {first_short}",
            hint="complete the rows, or name the separator with --separator",
        )
    return _Rows(n_rows, n_short, first_short, n_inside, n_blanks)


def _too_long(source: Source, layout: _Layout, line: int, n_cells: int) -> DatasetError:
    sign = SEPARATORS.get(layout.separator, repr(layout.separator))
    return DatasetError(
        f"{len(layout.cells)} values in each row, as in the first",
        got=f"{n_cells} in line {line} of {source.name}",
        hint=f'put values that hold the separator {sign} in "quotes", '
        "or name another one with --separator",
    )


def _strict_rows(source: Source, file: TextIO, layout: _Layout) -> Iterator[tuple[int, list[str]]]:
    # the limit holds for the whole process; raising it does no harm, lowering it again could
    csv.field_size_limit(max(csv.field_size_limit(), MAX_FIELD_CHARS))
    reader = csv.reader(_lines(source, file), delimiter=layout.separator, strict=True)
    line = 1
    try:
        for cells in reader:
            yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise DatasetError(
            "a closing quote for each that opens a value",
            got=f"none in the row that begins in line {line} of {source.name} ({error})",
            hint='a quote within a quoted value is written twice: "5"" pipe"',
        ) from None


def _rows(lines: Iterable[str], separator: str) -> Iterator[tuple[int, list[str]]]:
    """Give each row with the line it begins in, whatever its quotes."""
    csv.field_size_limit(max(csv.field_size_limit(), MAX_FIELD_CHARS))
    reader = csv.reader(lines, delimiter=separator)
    line = 1
    for cells in reader:
        yield line, cells
        line = reader.line_num + 1


def _lines(source: Source, file: TextIO) -> Iterator[str]:
    for line_number in range(1, 2**63):
        line = file.readline(MAX_FIELD_CHARS * 4)
        if len(line) == MAX_FIELD_CHARS * 4:
            raise DatasetError(
                f"lines of fewer than {MAX_FIELD_CHARS * 4:,} characters",
                got=f"a longer line {line_number} in {source.name}",
                hint="look for a quote that is opened and never closed",
            )  # fmt: skip
        if not line:
            return
        yield line


def _opened(source: Source) -> TextIO:
    return source.path.open(encoding="utf-8-sig", newline="")


def _is_blank(cells: list[str], n_columns: int = 2) -> bool:
    return not cells or (n_columns > 1 and len(cells) == 1 and not cells[0].strip())


def _repaired(source: Source, layout: _Layout, rows: _Rows) -> pl.DataFrame:
    """Write the rows anew, every value quoted and no line blank, and parse that."""

    def parts() -> Iterator[bytes]:
        buffer = io.StringIO()
        writer = csv.writer(
            buffer, delimiter=layout.separator, quoting=csv.QUOTE_ALL, lineterminator="\n"
        )
        with _opened(source) as file:
            for _, cells in _strict_rows(source, file, layout):
                if _is_blank(cells, len(layout.cells)):
                    continue
                writer.writerow(cells)
                if buffer.tell() > CHUNK_BYTES:
                    yield buffer.getvalue().encode()
                    buffer.seek(0)
                    buffer.truncate()
        yield buffer.getvalue().encode()

    frame = _parse(source.rewritten("quoted", parts()), layout, rows, 0)
    if frame is None:
        raise DatasetError(
            "a table that can be parsed", got=source.name,
            hint="name the separator with --separator, or save it as Parquet",
        )  # fmt: skip
    return frame


def _parse(
    source: Source,
    layout: _Layout,
    rows: _Rows | None,
    n_blank_lines: int,
    quote: str | None = '"',
) -> pl.DataFrame | None:
    """Let Polars parse; ``None`` where it does not find what is there."""
    n_rows = rows.n_rows - layout.has_header if rows else None
    try:
        frame = pl.read_csv(
            source.path.absolute(),
            separator=layout.separator,
            has_header=layout.has_header,
            skip_lines=n_blank_lines,
            n_rows=n_rows,
            quote_char=quote,
            infer_schema=False,
            raise_if_empty=False,
            glob=False,
        )
    except pl.exceptions.PolarsError:
        return None
    is_whole = frame.width == len(layout.cells) and n_rows in (None, frame.height)
    return frame if is_whole else None
