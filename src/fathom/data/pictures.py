"""Pictures for a network: files of any size as one array of small ones."""

import math
import os
import re
import tempfile
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from PIL import Image

from fathom.data.cache import cache_folder
from fathom.data.cells import nearest, quoted, to_cells
from fathom.data.folders import MOST_BAD, READERS, read_all
from fathom.data.images import IMAGE_SUFFIXES, has_color, read_levels, shorter_side
from fathom.errors import DatasetError, FathomError, InputError

MOST_IN_MEMORY = 2**30  # bytes of pictures; more of them are kept in a file
LEAST_SIDE = 8  # pixels that a picture is brought to at least
MOST_OF_CELLS = 2**32  # bytes of the pictures that the rows of one table may name
SAMPLED = 24  # pictures looked at to tell greys from colors
NAMES_SHARE = 0.9  # of the words in a column that name pictures, in one that holds their paths


@dataclass(frozen=True)
class Pictures:
    """Pictures of one size.

    Attributes
    ----------
    x : numpy.ndarray
        Levels, shape (n, height, width, channels), uint8.
    kept : numpy.ndarray
        Positions of the files they come from; those that cannot be read are left out.
    notes : tuple of str
        What was passed over, and what is odd.
    """

    x: np.ndarray
    kept: np.ndarray
    notes: tuple[str, ...]


def read_pictures_of(
    paths: Sequence[Path], height: int, width: int, channels: int, *, most_bad: float = MOST_BAD
) -> Pictures:
    """Read files as pictures of one size.

    Parameters
    ----------
    paths : sequence of Path
        The files, whatever they are called.
    height, width, channels : int
        What to bring them to.
    most_bad : float, default 0.1
        Share of the files that may be unreadable.

    Raises
    ------
    DatasetError
        If they would not fit on the disk, or too many cannot be read.

    Notes
    -----
    What would take more than 1 GiB is kept in a file without a name in the cache folder, which the
    system takes into memory piece by piece as it is looked at, and which goes with the process.
    """
    room = _make_room((len(paths), height, width, channels))
    moving: list[Path] = []

    def read(path: Path) -> np.ndarray:
        levels = read_levels(path, height, width, channels)
        if path.suffix.lower() in (".gif", ".webp", ".tif", ".tiff", ".png") and _has_frames(path):
            moving.append(path)
        return levels

    def keep(place: int, levels: np.ndarray) -> None:
        room[place] = levels

    found = read_all(paths, read, "pictures", most_bad=most_bad, keep=keep)
    if not len(found.kept):
        raise DatasetError(
            "a picture that can be read", got="none",
            hint="PNG, JPEG, GIF, BMP, TIFF and WebP are read",
        )  # fmt: skip
    notes = found.notes
    if moving:
        notes += (f"of {len(moving):,} pictures with several frames the first is seen",)
    if len(found.kept) < len(paths):
        for place, source in enumerate(found.kept.tolist()):  # close up, without a second copy
            room[place] = room[source]
    return Pictures(room[: len(found.kept)], found.kept, notes)


def _make_room(shape: tuple[int, ...]) -> np.ndarray:
    """Return an array for levels: in memory, or in a file where it is large."""
    need = math.prod(shape)
    if need <= MOST_IN_MEMORY:
        return np.empty(shape, np.uint8)
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            if hasattr(os, "posix_fallocate"):  # or a full disk would end the process later
                os.posix_fallocate(file.fileno(), 0, need)
            return np.memmap(file, np.uint8, "w+", shape=shape)
    except OSError as error:
        raise DatasetError(
            f"room for pictures on the disk of {folder}",
            got=f"{shape[0]:,} of {shape[1]}×{shape[2]}, which take {need / 2**30:.1f} GiB "
            f"({error.strerror})",
            hint="give fewer pictures, or name a folder on another disk by FATHOM_CACHE",
        ) from None


def _has_frames(path: Path) -> bool:
    try:
        with Image.open(path) as picture:
            return getattr(picture, "n_frames", 1) > 1
    except (OSError, ValueError, SyntaxError, EOFError):
        return False


def survey(paths: Sequence[Path]) -> tuple[int, int]:
    """Look at a sample of pictures before all are read.

    Returns
    -------
    tuple of int
        Channels (3 where any has color, else 1), and the shorter side that is usual, in pixels.
    """
    every = max(1, len(paths) // SAMPLED)
    channels, sides = 1, []
    for path in paths[::every]:
        try:
            sides.append(shorter_side(path))
            channels = 3 if channels == 3 or has_color(path) else 1
        except FathomError:
            continue  # it is listed when it is read
    return channels, max(1, int(np.median(sides))) if sides else LEAST_SIDE


def find_file_column(
    frame: pl.DataFrame,
    target: Sequence[str],
    folder: Path,
    known: frozenset[str] = IMAGE_SUFFIXES,
) -> str | None:
    """Return the column that holds paths of pictures, or of other files, or None.

    Parameters
    ----------
    frame : polars.DataFrame
        The table.
    target : sequence of str
        Columns that are predicted.
    folder : Path
        Where the table is, from which its paths go.
    known : frozenset of str
        How names of such files end.
    """
    suffixes = tuple(known)
    for column in frame.iter_columns():
        if column.dtype != pl.String or column.name in target or not column.len():
            continue
        words = column.drop_nulls()
        lower = words.str.to_lowercase()
        are_names = words.len() and all(text.endswith(suffixes) for text in lower)
        if are_names and any(_place(text, folder).is_file() for text in words[:SAMPLED]):
            return column.name
    return None


def _place(text: str, folder: Path) -> Path:
    return folder / text if "\0" not in text else folder


def paths_in(frame: pl.DataFrame, column: str, folder: Path) -> tuple[Path, ...]:
    """Return the paths a column holds, relative ones from the folder of the table.

    Raises
    ------
    InputError
        If there is no such column, or it holds no words.
    """
    if column not in frame.columns:
        raise InputError(
            "--image-column or --sound-column to name a column of the table", got=quoted(column),
            hint=nearest(column, frame.columns),
        )  # fmt: skip
    if frame[column].dtype != pl.String:
        raise InputError(
            f"paths of files in the column {quoted(column)}", got=str(frame[column].dtype),
            hint="name the column of paths with --image-column or --sound-column",
        )  # fmt: skip
    return tuple(_place(text or ".", folder) for text in frame[column])


def find_picture_columns(
    frame: pl.DataFrame, ignored: Collection[str] = (), folder: Path | None = None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Find the columns of a table that hold paths of pictures.

    Parameters
    ----------
    frame : polars.DataFrame
        The table.
    ignored : collection of str
        Columns that are something else.
    folder : Path, optional
        From where relative paths go; the working directory where left out.

    Returns
    -------
    tuple of tuple of str
        Columns of which some pictures are there, and those that look alike but name none that is.
    """
    found: list[str] = []
    absent: list[str] = []
    ends = "|".join(re.escape(suffix) for suffix in sorted(IMAGE_SUFFIXES))
    for column in frame.iter_columns():
        if column.dtype != pl.String or column.name in ignored or not _may_name(column, ends):
            continue
        words = to_cells(column).drop_nulls()
        are_names = words.str.contains(f"(?i)(?:{ends})$")
        if not len(words) or are_names.sum() < NAMES_SHARE * len(words):
            continue
        named = words.filter(are_names).unique(maintain_order=True)
        some = named.gather_every(max(1, len(named) // SAMPLED))
        is_there = any(_place(text, folder or Path()).is_file() for text in some)
        (found if is_there else absent).append(column.name)
    return tuple(found), tuple(absent)


def _may_name(column: pl.Series, ends: str) -> bool:
    """Tell from its first rows whether a column may name pictures, which is quickly seen."""
    some = column.head(SAMPLED).str.contains(f"(?i)(?:{ends})\\s*$").drop_nulls()
    return bool(some.any()) or not len(some)


def place_paths(
    frame: pl.DataFrame, names: Collection[str], folder: Path
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Return a table whose relative paths go from the working directory, and what is odd about it.

    Parameters
    ----------
    frame : polars.DataFrame
        The table.
    names : collection of str
        Columns of paths.
    folder : Path
        Where the table is, from which its paths go.
    """
    notes = []
    for name in names:
        if name not in frame.columns or frame[name].dtype != pl.String:
            continue
        texts = to_cells(frame[name])
        placed = [None if text is None else str(_place(text, folder)) for text in texts]
        frame = frame.with_columns(pl.Series(name, placed, dtype=pl.String))
        inside = os.path.join(os.path.abspath(folder), "")
        outside = [
            row for row, text in enumerate(placed)
            if text is not None and not os.path.abspath(text).startswith(inside)
            and os.path.abspath(text) != os.path.abspath(folder)
        ]  # fmt: skip
        if outside:
            first = f"first in row {outside[0] + 1}: {quoted(texts[outside[0]], 60)}"
            what = "1 path leads" if len(outside) == 1 else f"{len(outside):,} paths lead"
            notes.append(f"column {quoted(name)}: {what} out of the table's folder ({first})")
    return frame, tuple(notes)


class ReadCells(NamedTuple):
    """The pictures that cells name.

    Attributes
    ----------
    values : numpy.ndarray
        (n,) objects: levels of shape (height, width, channels), uint8; None where there are none.
    bad : tuple of int
        Rows that name a picture which cannot be read.
    reason : str
        Why the first of them cannot.
    """

    values: np.ndarray
    bad: tuple[int, ...]
    reason: str


def read_cells(cells: pl.Series, shape: tuple[int, int, int]) -> ReadCells:
    """Read the pictures that cells name, each file once, whatever cannot be read left out.

    Parameters
    ----------
    cells : polars.Series
        Paths, null where there is none.
    shape : tuple of int
        Height, width and channels to bring them to.

    Raises
    ------
    DatasetError
        If they would take too much memory.
    """
    texts = [None if text is None else str(text) for text in cells]
    files = [text for text in dict.fromkeys(texts) if text is not None]
    need = len(files) * math.prod(shape)
    if need > MOST_OF_CELLS:
        raise DatasetError(
            f"pictures that take at most {MOST_OF_CELLS / 2**30:.0f} GiB",
            got=f"{len(files):,} of {shape[0]}×{shape[1]}, which take {need / 2**30:.1f} GiB",
            hint="give fewer rows at once",
        )

    def attempt(text: str) -> np.ndarray | str:
        try:
            return read_levels(Path(text), *shape)
        except FathomError as error:
            return error.got

    with ThreadPoolExecutor(READERS) as pool:
        found = dict(zip(files, pool.map(attempt, files), strict=True))
    values = np.empty(len(texts), object)
    bad: list[int] = []
    for row, text in enumerate(texts):
        levels = None if text is None else found[text]
        if isinstance(levels, str):
            bad.append(row)
        else:
            values[row] = levels
    reason = found[str(texts[bad[0]])] if bad else ""
    return ReadCells(values, tuple(bad), str(reason))
