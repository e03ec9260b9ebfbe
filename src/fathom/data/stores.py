"""Files that keep tables in a form of their own: Parquet, JSON and SQLite."""

import json
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import polars as pl

from fathom.data.frames import Table, from_values, name_columns, to_plain
from fathom.data.schema import MAX_COLUMNS
from fathom.data.sources import CHUNK_BYTES, Source, guarded, too_large
from fathom.errors import DatasetError, InputError

MAX_QUERY_SECONDS = 600.0

BYTES_PER_CELL = 16
_BATCH_CELLS = 1_000_000
_MAX_LINE_BYTES = 2**26
_SPACE = re.compile(r"[ \t\r\n]*")
_TRIAL = """
import sys
import polars as pl
lazy = pl.scan_parquet(sys.argv[1], glob=False, hive_partitioning=False)
n_cells = lazy.select(pl.len()).collect().item() * len(lazy.collect_schema())
print(n_cells, flush=True)
if n_cells <= int(sys.argv[2]):
    lazy.collect()
"""
_ALLOWED = {
    sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE,
}  # fmt: skip


def read_parquet(source: Source) -> Table:
    """Read a Parquet file.

    Raises
    ------
    DatasetError
        If it is damaged, larger in memory than the limit, or holds nested columns.
    """
    with guarded(source, "Parquet"):
        _try_parquet(source)
        frame = pl.read_parquet(source.path.absolute(), glob=False, hive_partitioning=False)
        return table_of(source, frame.get_columns(), frame.columns)


def _try_parquet(source: Source) -> None:
    """Read the file in a process of its own first: some damaged ones end the process."""
    most = source.most_bytes // BYTES_PER_CELL
    command = [sys.executable, "-P", "-c", _TRIAL, str(source.path.absolute()), str(most)]
    trial = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    n_cells = int(trial.stdout or 0)
    if n_cells > most:
        raise too_large(source, f"room for {n_cells:,} values")
    if trial.returncode:
        reason = trial.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise DatasetError(
            "a whole Parquet file", got=f"{source.name}, which is damaged ({reason})"[:300],
            hint="fetch the file again",
        )  # fmt: skip


def read_json(source: Source) -> Table:
    """Read JSON: an object a line, or one array of objects. Values are kept as text.

    Raises
    ------
    DatasetError
        If it is damaged, is none of the two, or nests values.
    """
    rows: list[dict[str, str | None]] = []
    keys: dict[str, None] = {}
    parts: list[pl.DataFrame] = []
    n_rows = 0
    with guarded(source, "JSON"):
        for place, item in _objects(source):
            rows.append({key: _as_written(source, place, key, v) for key, v in item.items()})
            keys.update(dict.fromkeys(item))
            n_rows += 1
            _check_cells(source, n_rows, len(keys))
            if len(rows) * len(keys) >= _BATCH_CELLS:
                parts.append(_text_frame(rows))
                rows = []
        parts.append(_text_frame(rows))
        frame = pl.concat(parts, how="diagonal")
        return table_of(source, frame.get_columns(), frame.columns)


def _text_frame(rows: list[dict[str, str | None]]) -> pl.DataFrame:
    keys = dict.fromkeys(key for row in rows for key in row)
    return pl.DataFrame(
        {key: [row.get(key) for row in rows] for key in keys},
        schema=dict.fromkeys(keys, pl.String),
    )


def _as_written(source: Source, place: str, key: str, value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, str):
        return value
    raise DatasetError(
        f"text, a number, true, false or null in {key[:80]!r}",
        got=f"a nested value in {place} of {source.name}",
        hint="leave that key out, or give each of its values a key of its own",
    )


def _objects(source: Source) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give each object with its place; numbers stay as they are written."""
    decoder = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)
    with source.path.open("rb") as file:
        is_array = file.read(CHUNK_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"["
    found = _from_array(source, decoder) if is_array else _from_lines(source, decoder)
    for place, item in found:
        if not isinstance(item, dict):
            raise DatasetError(
                "JSON objects, one a line or in one array",
                got=f"{str(item)[:40]!r} in {place} of {source.name}",
                hint='for example {"age": 40, "name": "Ann"}',
            )
        yield place, item


def _from_lines(source: Source, decoder: json.JSONDecoder) -> Iterator[tuple[str, Any]]:
    with source.path.open("rb") as file:
        for number in range(1, 2**63):
            line = file.readline(_MAX_LINE_BYTES)
            if not line:
                return
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            if text:
                yield f"line {number}", _decoded(source, decoder.decode, (text,), f"line {number}")


def _from_array(source: Source, decoder: json.JSONDecoder) -> Iterator[tuple[str, Any]]:
    text = source.path.read_text("utf-8-sig")
    at = _past_space(text, text.index("[") + 1)
    number = 0
    while not text.startswith("]", at):
        if number:
            if not text.startswith(",", at):
                raise _broken(source, f"object {number}", "no comma or ] after it")
            at = _past_space(text, at + 1)
        number += 1
        place = f"object {number}"
        item, at = _decoded(source, decoder.raw_decode, (text, at), place)
        at = _past_space(text, at)
        yield place, item
    if text[at + 1 :].strip():
        raise _broken(source, "its end", "more after the closing ]")


def _past_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _decoded(
    source: Source, decode: Callable[..., Any], arguments: tuple[Any, ...], place: str
) -> Any:
    try:
        return decode(*arguments)
    except RecursionError:
        raise _broken(source, place, "values nested too deep") from None
    except (ValueError, StopIteration) as error:
        raise _broken(source, place, str(error) or "no value") from None


def _broken(source: Source, place: str, reason: str) -> DatasetError:
    return DatasetError(
        "JSON objects, one a line or in one array",
        got=f"{reason[:200]} in {place} of {source.name}",
        hint='for example {"age": 40, "name": "Ann"}',
    )  # fmt: skip


def read_sqlite(source: Source, query: str | None) -> Table:
    """Read what a SELECT gives from an SQLite file, which is opened for reading only.

    Raises
    ------
    DatasetError
        If it is damaged, the query fails, takes too long, or gives more than the limit.
    InputError
        If the query gives no rows by its nature.
    """
    uri = source.path.absolute().as_uri() + "?mode=ro"
    notes: list[str] = []
    try:
        connection = sqlite3.connect(uri, uri=True)
        try:
            connection.execute("PRAGMA trusted_schema = OFF")
            if query is None:
                query, notes = _only_table(source, connection)
            _restrict(connection)
            cursor = connection.execute(query)
            if cursor.description is None:
                raise InputError(
                    "a query that gives rows", got=query[:80], hint="--query 'SELECT …'"
                )
            names = [column[0] for column in cursor.description]
            return table_of(source, _fetched(source, cursor, names), names, notes)
        finally:
            connection.close()
    except (sqlite3.Error, sqlite3.Warning, UnicodeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise DatasetError(
            f"a SELECT that works on {source.name}",
            got=f"{type(error).__name__}: {error}"[:300],
            hint="--query 'SELECT … FROM …'",
        ) from None


def _only_table(source: Source, connection: sqlite3.Connection) -> tuple[str, list[str]]:
    """Give a query for the one table there is."""
    found = connection.execute(
        "SELECT name FROM sqlite_master "
        "WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'"
    )
    tables = [str(row[0]) for row in found]
    if len(tables) != 1:
        shown = ", ".join(tables[:10]) or "none"
        raise DatasetError(
            f"a query, or one table in {source.name}",
            got=f"no query and {len(tables)} tables ({shown})"[:300],
            hint="--query 'SELECT * FROM …'",
        )
    quoted = tables[0].replace('"', '""')
    return f'SELECT * FROM "{quoted}"', [f"the table {tables[0]!r} was read, the only one"]


def _restrict(connection: sqlite3.Connection) -> None:
    """Allow SELECT and nothing else, for so long and no longer."""
    end = time.monotonic() + MAX_QUERY_SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > end, 100_000)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_LINE_BYTES)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.set_authorizer(
        lambda action, *_: sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY
    )


def _fetched(source: Source, cursor: sqlite3.Cursor, names: list[str]) -> list[pl.Series]:
    batches: list[pl.DataFrame] = []
    n_bytes = 0
    size = max(1, _BATCH_CELLS // len(names))
    while rows := cursor.fetchmany(size):
        columns = zip(names, zip(*rows, strict=True), strict=True)
        with _said_of(source):
            series = [_batch_column(name, values) for name, values in columns]
        batch = pl.DataFrame([column.alias(str(place)) for place, column in enumerate(series)])
        batches.append(batch)
        n_bytes += int(batch.estimated_size())
        if n_bytes > source.most_bytes:
            raise too_large(source, "more from this query")
    if not batches and source.may_be_empty:
        return [pl.Series(name, [], dtype=pl.String) for name in names]
    if not batches:
        raise DatasetError(
            "rows of data", got=f"none from this query on {source.name}",
            hint="ask for other rows with --query",
        )  # fmt: skip
    return pl.concat(batches, how="vertical_relaxed").get_columns()


def _batch_column(name: str, values: tuple[Any, ...]) -> pl.Series:
    column = from_values(name, values)
    # what is missing in one batch may be numbers in the next
    return column if column.null_count() < len(column) else column.cast(pl.Null)


@contextmanager
def _said_of(source: Source) -> Iterator[None]:
    """Let an error about a column name the file as well."""
    try:
        yield
    except InputError as error:
        got = f"{error.got} in {source.name}"
        raise DatasetError(error.expected, got=got, hint=error.hint) from None


def _check_cells(source: Source, n_rows: int, n_columns: int) -> None:
    if n_columns > MAX_COLUMNS:
        raise DatasetError(
            f"at most {MAX_COLUMNS:,} columns", got=f"more in {source.name}",
            hint="leave columns out",
        )  # fmt: skip
    if n_rows * n_columns * BYTES_PER_CELL > source.most_bytes:
        raise too_large(source, f"room for {n_rows:,} rows of {n_columns:,} columns")


def table_of(
    source: Source, columns: Sequence[pl.Series], names: Sequence[str], notes: Sequence[str] = ()
) -> Table:
    """Make the table of plain columns, whatever the file calls them.

    Raises
    ------
    DatasetError
        If a column cannot be made plain, or there are no rows where some are wanted.
    """
    with _said_of(source):
        plain = [to_plain(column.alias(name)) for column, name in zip(columns, names, strict=True)]
    frame, renamed = name_columns(plain, names)
    if not frame.height and not source.may_be_empty:
        raise DatasetError(
            "rows of data", got=f"{source.name}, which has no data rows", hint="add rows"
        )
    return Table(frame, (*notes, *renamed))
