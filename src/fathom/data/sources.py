"""Files that hold tables: what they are, whatever they are called, and unpacked."""

import bz2
import gzip
import importlib
import lzma
import os
import re
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Literal, TypeAlias

from fathom.errors import DatasetError, FathomError

CHUNK_BYTES = 2**20
TAKE_A_PART = "give a part of it, or raise the limit with most_bytes="

Kind: TypeAlias = Literal["delimited", "json", "parquet", "excel", "sqlite"]

ENDINGS: dict[str, Kind] = {
    ".csv": "delimited", ".tsv": "delimited", ".tab": "delimited", ".txt": "delimited",
    ".json": "json", ".jsonl": "json", ".ndjson": "json",
    ".parquet": "parquet", ".pq": "parquet",
    ".xlsx": "excel", ".xlsm": "excel", ".xls": "excel",
    ".db": "sqlite", ".sqlite": "sqlite", ".sqlite3": "sqlite",
}  # fmt: skip
_TITLES: dict[Kind, str] = {
    "delimited": "delimited text",
    "json": "JSON",
    "parquet": "Parquet",
    "excel": "Excel",
    "sqlite": "SQLite",
}
_PACKED = {
    "gzip": re.compile(rb"\x1f\x8b"),
    "bzip2": re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"),  # a column may be called BZh
    "xz": re.compile(rb"\xfd7zXZ\0"),
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd"),
}
_STRANGERS = {
    b"PK": "a zip archive",
    b"\xd0\xcf\x11\xe0": "an old Excel file (.xls)",
    b"ARROW1": "an Arrow file",
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"RIFF": "a recording or a picture",
    b"7z\xbc\xaf": "a 7z archive",
    b"\x89HDF": "an HDF5 file",
    b"\x80\x04\x95": "a pickle, which could run code",
    b"\x80\x05\x95": "a pickle, which could run code",
}
_JSON = re.compile(rb'(?:\xef\xbb\xbf)?\s*(?:\{\s*(?:"|\}|$)|\[\s*(?:\{|\[|\]|$))')


@dataclass(frozen=True)
class Source:
    """A file on its way to a table.

    Attributes
    ----------
    path : Path
        Where its bytes are now.
    name : str
        What the user calls it; errors use this name.
    scratch : Path
        An empty folder for rewritten copies.
    most_bytes : int
        How many bytes are read or unpacked at most.
    may_be_empty : bool
        Whether a table without rows is one.
    """

    path: Path
    name: str
    scratch: Path
    most_bytes: int
    may_be_empty: bool = False

    def rewritten(self, step: str, parts: Iterator[bytes]) -> "Source":
        """Write a copy in the scratch folder, and go on with it."""
        path, n_bytes = self.scratch / step, 0
        with path.open("wb") as file:
            for part in parts:
                n_bytes += len(part)
                if n_bytes > self.most_bytes:
                    raise too_large(self, f"more once it is {step}")
                file.write(part)
        return replace(self, path=path)

    def chunks(self) -> Iterator[bytes]:
        """Give its bytes, a piece at a time, never cutting a line end of two bytes in half."""
        held = b""
        with self.path.open("rb") as file:
            while chunk := held + file.read(CHUNK_BYTES):
                held = b"\r" if len(chunk) > 1 and chunk.endswith(b"\r") else b""
                yield chunk[:-1] if held else chunk


def too_large(source: Source, got: str) -> DatasetError:
    """Give the error for a file that is larger than the limit."""
    return DatasetError(
        f"at most {source.most_bytes:,} bytes in {source.name}",
        got=got,
        hint=TAKE_A_PART,
    )


@contextmanager
def guarded(source: Source, what: str) -> Iterator[None]:
    """Turn whatever a parser raises, a Rust panic included, into one line about the file."""
    try:
        yield
    except FathomError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DatasetError(
            f"a whole {what} file", got=f"{source.name}, which is damaged ({reason})"[:300],
            hint="fetch the file again",
        ) from None  # fmt: skip


def check_file(source: Source) -> None:
    """Refuse what is no readable file of a fair size, without ever waiting for it.

    Raises
    ------
    DatasetError
        If it is absent, a folder, a pipe or a device, closed to reading, empty or too large.
    """
    try:
        state = os.stat(source.path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DatasetError(
            "a file with a table", got=f"{source.name}: {reason}",
            hint="check the path and its permissions",
        ) from None  # fmt: skip
    if not stat.S_ISREG(state.st_mode):  # to open a pipe would wait for the other end
        kind = "a folder" if stat.S_ISDIR(state.st_mode) else "no regular file"
        raise DatasetError(
            "a file with a table", got=f"{source.name}, which is {kind}",
            hint="name the file of the table",
        )  # fmt: skip
    if not os.access(source.path, os.R_OK):
        raise DatasetError(
            "a file that may be read",
            got=f"{source.name}, which is closed to reading",
            hint="change its permissions",
        )
    if state.st_size == 0:
        raise DatasetError(
            "a table", got=f"{source.name}, which is empty (0 bytes)",
            hint="save it again, with a header and rows",
        )  # fmt: skip
    if state.st_size > source.most_bytes:
        raise too_large(source, f"{state.st_size:,} bytes")


def unpack(source: Source) -> tuple[Source, list[str]]:
    """Unpack gzip, bzip2, xz or zstd, known by the first bytes, and stop at the limit.

    Returns
    -------
    source : Source
        The unpacked copy, or the source itself where it is not packed.
    notes : list of str
        What was done.

    Raises
    ------
    DatasetError
        If it is damaged or unpacks to more than the limit.
    """
    packing = _packing(_head(source))
    if packing is None:
        return source, []
    with guarded(source, packing), _opened(source, packing) as file:
        unpacked = source.rewritten("unpacked", iter(lambda: file.read(CHUNK_BYTES), b""))
    if unpacked.path.stat().st_size == 0:
        raise DatasetError(
            "a table", got=f"{source.name}, which is empty once it is unpacked",
            hint="save it again, with a header and rows",
        )  # fmt: skip
    return unpacked, [f"the file was unpacked ({packing})"]


def _packing(head: bytes) -> str | None:
    return next((name for name, magic in _PACKED.items() if magic.match(head)), None)


def _opened(source: Source, packing: str) -> IO[bytes] | gzip.GzipFile:
    if packing == "gzip":
        return gzip.open(source.path)
    if packing == "bzip2":
        return bz2.open(source.path)
    if packing == "xz":
        return lzma.open(source.path)
    for module in ("compression.zstd", "zstandard"):  # Python 3.14 brings its own
        try:
            opened: IO[bytes] = importlib.import_module(module).open(source.path, "rb")
        except ImportError:
            continue
        return opened
    raise DatasetError(
        "a file this installation can unpack",
        got=f"{source.name}, which is packed with zstd",
        hint="run: unzstd FILE, or: pip install zstandard",
    )


def kind_of(source: Source) -> tuple[Kind, list[str]]:
    """Tell from its bytes what kind of file it is, whatever its name.

    Returns
    -------
    kind : {"delimited", "json", "parquet", "excel", "sqlite"}
        The kind.
    notes : list of str
        A sentence where the name claims another kind.

    Raises
    ------
    DatasetError
        If it is known to hold no table.
    """
    head = _head(source)
    suffixes = [suffix.lower() for suffix in Path(source.name).suffixes]
    claimed = next((ENDINGS[suffix] for suffix in suffixes[::-1] if suffix in ENDINGS), None)
    is_archive = head.startswith(b"PK") and _is_binary(head)
    if claimed == "excel" and is_archive and not _is_workbook(source.path):
        raise DatasetError(
            "a whole Excel file", got=f"{source.name}, which is damaged (no workbook is in it)",
            hint="fetch the file again",
        )  # fmt: skip
    kind = _kind(source, head)
    if claimed in (None, kind):
        return kind, []
    return kind, [f"the file holds {_TITLES[kind]}, not {_TITLES[claimed]} as its name says"]


def _kind(source: Source, head: bytes) -> Kind:
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"SQLite format 3\0"):
        return "sqlite"
    if head.startswith(b"PK") and _is_workbook(source.path):
        return "excel"
    if _JSON.match(head):
        return "json"
    what = next((what for magic, what in _STRANGERS.items() if head.startswith(magic)), None)
    what = "packed twice" if _packing(head) else what
    if what and _is_binary(head):
        raise DatasetError(
            "a table: CSV, Parquet, Excel (.xlsx), JSON lines or SQLite",
            got=f"{source.name}, which is {what}",
            hint="unpack it, or save it as .csv or .xlsx",
        )
    return "delimited"


def _is_binary(head: bytes) -> bool:
    # "PK" may well begin the name of a column
    return any(byte < 9 or 13 < byte < 32 or byte > 126 for byte in head)


def _is_workbook(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except Exception:  # a hostile archive makes zipfile raise many kinds; it is none either way
        return False


def _head(source: Source) -> bytes:
    with guarded(source, "data"), source.path.open("rb") as file:
        return file.read(4096)
