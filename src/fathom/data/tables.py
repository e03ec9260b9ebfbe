"""Tables from files and to files: the front for every format."""

import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import polars as pl

from fathom.data.delimited import check_options, read_delimited
from fathom.data.frames import Table, name_columns, to_frame, to_plain
from fathom.data.sources import Source, check_file, kind_of, unpack
from fathom.data.stores import read_json, read_parquet, read_sqlite
from fathom.data.workbooks import read_excel
from fathom.errors import DatasetError, InputError

__all__ = [
    "MOST_BYTES", "Table", "read_table", "require_format", "to_frame", "write_csv", "write_table",
]  # fmt: skip

MOST_BYTES = 8 * 2**30

_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]{1,30})://", re.IGNORECASE)
_DATABASES = {"postgresql", "postgres", "redshift", "mysql", "mssql", "oracle", "clickhouse"}
_SELECT = re.compile(r"\s*(select|with)\b", re.IGNORECASE)
_FORMULA = r"^[=+\-@\t\r]"
_NUMBER = r"^[+-]?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?$"


def read_table(
    path: str | Path,
    *,
    separator: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    has_header: bool | None = None,
    query: str | None = None,
    sheet: str | None = None,
    most_bytes: int = MOST_BYTES,
    may_be_empty: bool = False,
) -> Table:
    r"""Read a table from a file of any usual format, known by its bytes and not by its name.

    Delimited text, packed with gzip, bzip2, xz or zstd or not; Parquet; Excel (``.xlsx``); JSON,
    an object a line or one array; SQLite; and the address of a database. No code in a file runs.

    Parameters
    ----------
    path : str or Path
        The file, or an address such as ``postgresql://user@host/name``.
    separator : str or None
        For delimited text: what stands between values, ``"space"`` for any number of blanks;
        ``None`` finds out.
    decimal : {".", ","} or None
        For delimited text: the decimal mark; ``None`` finds out.
    encoding : str or None
        For delimited text: its encoding; ``None`` finds out.
    has_header : bool or None
        For delimited text and Excel: whether the first row is names. ``None`` says yes, but
        refuses a row of numbers.
    query : str or None
        For databases: the SELECT to run.
    sheet : str or None
        For Excel: the name of the sheet; ``None`` takes the first.
    most_bytes : int
        How many bytes are read, or unpacked, at most.
    may_be_empty : bool
        Whether a table may have names of columns and no rows.

    Returns
    -------
    Table
        The table, with a note for everything that was guessed or repaired. Columns of delimited
        text and JSON are text, as written.

    Raises
    ------
    DatasetError
        If the file is not there, damaged, too large or holds no table; says in which line.
    InputError
        If an option makes no sense, or a package that is needed is not installed.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "wine.csv"
    >>> _ = path.write_text("colour;litre\nred;0,75\nwhite;1,5\n")
    >>> table = read_table(path)
    >>> table.frame.rows()
    [('red', '0.75'), ('white', '1.5')]
    >>> table.notes[0]
    "the separator ';' was found"
    """
    check_options(separator, decimal, encoding)
    address = _ADDRESS.match(str(path))
    if address:
        return _from_address(str(path), address[1].lower(), query, may_be_empty)
    with tempfile.TemporaryDirectory(prefix="fathom-") as scratch:
        source = Source(Path(path), str(path), Path(scratch), most_bytes, may_be_empty)
        check_file(source)
        source, unpacked = unpack(source)
        kind, said = kind_of(source)
        if query is not None and kind != "sqlite":
            raise InputError(
                "a database to ask with --query", got=f"{source.name}, which is none",
                hint="leave --query out, or name a database",
            )  # fmt: skip
        if sheet is not None and kind != "excel":
            raise InputError(
                "an Excel workbook for --sheet", got=f"{source.name}, which is none",
                hint="leave --sheet out, or name a workbook",
            )  # fmt: skip
        if kind == "delimited":
            table = read_delimited(
                source, separator=separator, decimal=decimal, encoding=encoding,
                has_header=has_header,
            )  # fmt: skip
        else:
            table = _read_store(source, kind, has_header, query, sheet)
    return replace(table, notes=(*unpacked, *said, *table.notes))


def _read_store(
    source: Source, kind: str, has_header: bool | None, query: str | None, sheet: str | None
) -> Table:
    """Read a format that says by itself where values begin and end."""
    if kind == "excel":
        return read_excel(source, has_header, sheet)
    if kind == "sqlite":
        return read_sqlite(source, query)
    return read_parquet(source) if kind == "parquet" else read_json(source)


def _from_address(address: str, scheme: str, query: str | None, may_be_empty: bool) -> Table:
    """Ask a database; its address may hold a password and is in no message."""
    if scheme not in _DATABASES:
        raise InputError(
            f"the address of a database ({', '.join(sorted(_DATABASES))}) or a file",
            got=f"{scheme}://…",
            hint="download the file and give its path",
        )
    if query is None or not _SELECT.match(query):
        raise InputError(
            "a SELECT to ask the database",
            got=repr(query)[:80] if query else "none",
            hint="--query 'SELECT … FROM …'",
        )
    try:
        frame = pl.read_database_uri(query, address, engine="connectorx")
    except ImportError:
        raise InputError(
            "the package that talks to databases", got="none", hint="pip install connectorx pyarrow"
        ) from None
    except Exception as error:  # drivers raise kinds of their own, and may repeat the address
        raise DatasetError(
            f"an answer from {scheme}://…",
            got=f"{type(error).__name__}: {str(error).replace(address, '…')}"[:300],
            hint="check the address, the password and the query",
        ) from None
    named, notes = name_columns([to_plain(column) for column in frame], frame.columns)
    if not named.height and not may_be_empty:
        raise DatasetError(
            "rows of data", got="none from this query", hint="ask for other rows with --query"
        )
    return Table(named, tuple(notes))


def write_table(frame: pl.DataFrame, path: str | Path) -> Path:
    r"""Write a table whole or not at all; the format goes by the end of the name.

    In CSV, text that a spreadsheet would run as a formula (it begins with ``=``, ``+``, ``-``,
    ``@``, a tab or a carriage return and is no number) gets an apostrophe in front, names too.

    Parameters
    ----------
    frame : polars.DataFrame
        The table.
    path : str or Path
        Ends in ``.csv``, ``.txt`` or nothing (commas), ``.tsv`` (tabs), ``.jsonl`` or ``.ndjson``,
        or ``.parquet``.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    InputError
        If it cannot be written there, or not in that format.

    Examples
    --------
    >>> import tempfile
    >>> path = write_table(pl.DataFrame({"a": ["=1+1", "-5"]}), tempfile.mkdtemp() + "/a.csv")
    >>> path.read_text()
    "a\n'=1+1\n-5\n"
    """
    path = Path(path)
    require_format(path)
    write = _WRITERS[path.suffix.lower()]
    try:
        if path.exists() and not path.is_file():
            raise InputError(
                "a file to write to", got=f"{path}, which is no regular file",
                hint="give another place with --output",
            )  # fmt: skip
        target = path.resolve()
        handle, part = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                write(frame, file)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(part, 0o666 & ~_umask())
            os.replace(part, target)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InputError(
            f"to write {path}",
            got=error.strerror or str(error),
            hint="give another place with --output",
        ) from None
    except pl.exceptions.PolarsError as error:
        raise InputError(
            f"columns that fit into {path.name}", got=str(error)[:200],
            hint="give a name that ends in .parquet",
        ) from None  # fmt: skip
    return path


def require_format(path: str | Path) -> None:
    """Refuse a name for a table whose end tells of no format that can be written.

    Raises
    ------
    InputError
        If it ends otherwise than `write_table` knows.
    """
    path = Path(path)
    if path.suffix.lower() not in _WRITERS:
        raise InputError("a name that ends in .csv, .tsv, .jsonl or .parquet", got=f"{path.name!r}")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_csv(frame: pl.DataFrame, file: IO[bytes], separator: str = ",") -> None:
    r"""Write a table as CSV to an open file or stream, formulas escaped as in `write_table`.

    Parameters
    ----------
    frame : polars.DataFrame
        The table.
    file : binary file
        Where to.
    separator : str
        What stands between values.

    Examples
    --------
    >>> import io
    >>> file = io.BytesIO()
    >>> write_csv(pl.DataFrame({"a": ["=1+1"], "b": [2]}), file)
    >>> file.getvalue()
    b"a,b\n'=1+1,2\n"
    """
    texts = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    safe = frame.with_columns(_escaped(pl.col(name)) for name in texts)
    if safe.width == 1:  # a missing value alone would be a blank line, which readers leave out
        safe = safe.select(pl.all().cast(pl.String).fill_null(""))
    names = (
        pl.Series(safe.columns, dtype=pl.String).to_frame("name").select(_escaped(pl.col("name")))
    )
    safe.columns = names.to_series().to_list()
    safe.write_csv(file, separator=separator)


def _escaped(value: pl.Expr) -> pl.Expr:
    is_formula = value.str.contains(_FORMULA) & ~value.str.contains(_NUMBER)
    return pl.when(is_formula).then(pl.lit("'") + value).otherwise(value).name.keep()


def _write_tsv(frame: pl.DataFrame, file: IO[bytes]) -> None:
    write_csv(frame, file, separator="\t")


_WRITERS: dict[str, Callable[[pl.DataFrame, Any], None]] = {
    "": write_csv, ".csv": write_csv, ".txt": write_csv, ".tsv": _write_tsv,
    ".jsonl": pl.DataFrame.write_ndjson, ".ndjson": pl.DataFrame.write_ndjson,
    ".parquet": pl.DataFrame.write_parquet,
}  # fmt: skip
