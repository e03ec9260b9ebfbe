"""Streams: tables larger than memory, piece by piece from the disk."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from fathom.data.blanks import BLANKS
from fathom.data.frames import Table, name_columns, to_plain
from fathom.data.sources import CHUNK_BYTES, Source, check_file, guarded, kind_of
from fathom.data.tables import read_table
from fathom.errors import DatasetError, InputError

MOST_BYTES = 2**44
GROUP_ROWS = 2**16  # in a row group, where a file is written anew
PIECES = 8  # of a window, each from another place in the file
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
          "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}  # fmt: skip


def parse_bytes(text: str) -> int:
    """Return a size such as ``4GB`` or ``512 MiB`` in bytes.

    Raises
    ------
    InputError
        If it is none.

    Examples
    --------
    >>> parse_bytes("4GB"), parse_bytes("1.5 GiB")
    (4000000000, 1610612736)
    """
    found = re.fullmatch(r"\s*(\d{1,12}(?:\.\d{1,6})?)\s*([KMGT]?I?B?)\s*", text.upper())
    if not found or found[2] not in _UNITS:
        raise InputError("a size such as 4GB or 512MiB", got=repr(text)[:80])
    return int(float(found[1]) * _UNITS[found[2]])


@dataclass(frozen=True)
class RowFile:
    """A Parquet file whose rows are taken piece by piece.

    Attributes
    ----------
    path : Path
        Where it is.
    name : str
        What the user calls it.
    n_rows : int
        Rows it holds.
    columns : tuple of str
        Its columns, as the file calls them.
    """

    path: Path
    name: str
    n_rows: int
    columns: tuple[str, ...]

    @property
    def n_cells(self) -> int:
        """Rows times columns."""
        return self.n_rows * len(self.columns)

    def take(self, begin: int, count: int) -> pl.DataFrame:
        """Return some rows in memory, under the names that `read_table` gives."""
        with guarded(Source(self.path, self.name, self.path, MOST_BYTES), "Parquet"):
            lazy = pl.scan_parquet(self.path, glob=False, hive_partitioning=False)
            frame = lazy.slice(begin, count).collect(engine="streaming")
            plain = [to_plain(column) for column in frame.get_columns()]
            return name_columns(plain, frame.columns)[0]

    def take_others(self, begin: int, count: int, without: np.ndarray) -> pl.DataFrame:
        """Return some rows as `take` does, except those whose places, ascending, are given."""
        low, high = np.searchsorted(without, (begin, begin + count))
        is_kept = np.ones(count, bool)
        is_kept[without[low:high] - begin] = False
        return self.take(begin, count).filter(pl.Series(is_kept))

    def pieces(self, rows: int) -> list[tuple[int, int]]:
        """Divide the rows into pieces of so many, each as its first row and how many."""
        return [(at, min(rows, self.n_rows - at)) for at in range(0, self.n_rows, rows)]

    def sample(self, count: int, piece: int, rng: np.random.Generator) -> tuple[Table, np.ndarray]:
        """Draw rows at random, all alike, in one pass.

        Parameters
        ----------
        count : int
            How many, at most all.
        piece : int
            Rows that are in memory at once.
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        tuple of Table and numpy.ndarray
            The rows, and their places in the file, ascending.
        """
        frames, places, left, wanted = [], [], self.n_rows, min(count, self.n_rows)
        for begin, n in self.pieces(piece):
            k = int(rng.hypergeometric(wanted, left - wanted, n)) if wanted else 0
            left, wanted = left - n, wanted - k
            if not k:
                continue
            chosen = np.sort(rng.choice(n, k, replace=False))
            frames.append(self.take(begin, n)[chosen])
            places.append(begin + chosen)
        notes = (f"{sum(map(len, places)):,} of {self.n_rows:,} rows were drawn for the search",)
        return Table(pl.concat(frames, how="vertical_relaxed"), notes), np.concatenate(places)

    def windows(
        self, rows: int, without: np.ndarray, rng: np.random.Generator
    ) -> Iterator[pl.DataFrame]:
        """Give all rows once, in windows of several pieces from all over the file.

        Parameters
        ----------
        rows : int
            Of a window.
        without : numpy.ndarray
            Places of rows that are left out, ascending.
        rng : numpy.random.Generator
            Shuffles pieces; rows within a window are left to whoever trains on it.
        """
        pieces = self.pieces(max(rows // PIECES, 1))
        order = rng.permutation(len(pieces))
        for first in range(0, len(order), PIECES):
            window = [pieces[number] for number in np.sort(order[first : first + PIECES])]
            frames = [self.take_others(begin, count, without) for begin, count in window]
            yield pl.concat(frames, how="vertical_relaxed")


def open_rows(path: str, scratch: Path, separator: str | None = None) -> RowFile:
    """Open a large table: Parquet as it is; comma-separated text is written anew as Parquet.

    Parameters
    ----------
    path : str
        The file.
    scratch : Path
        An empty folder with room for a copy.
    separator : str, optional
        What parts values in text; a comma where left out.

    Raises
    ------
    DatasetError
        If it is no such file, or damaged.
    """
    source = Source(Path(path), path, scratch, MOST_BYTES)
    check_file(source)
    kind, _ = kind_of(source)
    if kind == "parquet":
        return _open(source.path, path)
    if kind != "delimited":
        raise DatasetError(
            "Parquet or CSV, for a table larger than memory", got=path,
            hint="save it as Parquet, or leave --memory out",
        )  # fmt: skip
    _require_plain(source, separator)
    copy = scratch / "rows.parquet"
    with guarded(source, "text"):
        pl.scan_csv(source.path, infer_schema=False, separator=separator or ",").sink_parquet(
            copy, row_group_size=GROUP_ROWS, compression="lz4"
        )
    return _open(copy, path)


def _open(path: Path, name: str) -> RowFile:
    with guarded(Source(path, name, path, MOST_BYTES), "Parquet"):
        lazy = pl.scan_parquet(path, glob=False, hive_partitioning=False)
        n_rows = int(lazy.select(pl.len()).collect().item())
        columns = tuple(lazy.collect_schema().names())
    if not n_rows:
        raise DatasetError("rows of data", got=f"{name}, which has none", hint="add rows")
    return RowFile(path, name, n_rows, columns)


def _require_plain(source: Source, separator: str | None) -> None:
    """Refuse text whose head is not what a plain reading makes of it."""
    if separator == BLANKS:
        raise DatasetError(
            "one sign between values, to be read from the disk",
            got=f"any number of blanks in {source.name}", hint="save it as Parquet",
        )  # fmt: skip
    head = source.scratch / "head.csv"
    with source.path.open("rb") as file:
        data = file.read(CHUNK_BYTES)
    head.write_bytes(data[: data.rfind(b"\n") + 1] or data)
    careful = read_table(head, separator=separator)
    with guarded(source, "text"):
        plain = pl.read_csv(head, infer_schema=False, separator=separator or ",")
    named, _ = name_columns(plain.get_columns(), plain.columns)
    is_same = careful.decimal == "." and careful.frame.columns == named.columns
    if not is_same or careful.frame.height != named.height:
        raise DatasetError(
            "plain CSV in UTF-8, with a header and points in numbers, to be read from the disk",
            got=f"{source.name}, which is otherwise",
            hint="save it as Parquet, or name the sign with --separator",
        )
