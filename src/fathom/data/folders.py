"""Folders with one sub-folder for each class: which files there are, and which cannot be read."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import polars as pl

from fathom.data.cells import listing, quoted
from fathom.data.images import IMAGE_SUFFIXES
from fathom.errors import DatasetError, FathomError

MOST_BAD = 0.1  # share of files that may be unreadable
MOST_LISTED = 5
PARTS = frozenset({"train", "training", "test", "testing", "val", "valid", "validation"})
IGNORED = frozenset({"thumbs.db", "desktop.ini"})
READERS = 4  # files decoded at once; decoders let others work meanwhile

Sense: TypeAlias = Literal["images", "texts", "sounds"]
FILE_COLUMN = "file"
PART = re.compile(r"\{(\w+)\}")
AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff"})


@dataclass(frozen=True)
class LabeledFiles:
    """Files and the class of each.

    Attributes
    ----------
    paths : tuple of Path
        The files.
    labels : tuple of str
        Their classes; empty strings where none are known.
    notes : tuple of str
        What is odd about them.
    """

    paths: tuple[Path, ...]
    labels: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReadFiles:
    """What was read of files.

    Attributes
    ----------
    values : list
        What the files hold, those that cannot be read left out.
    kept : numpy.ndarray
        Positions of the files that were read.
    notes : tuple of str
        Which were not, and why.
    """

    values: list[object]
    kept: np.ndarray
    notes: tuple[str, ...]


def list_classes(folder: Path) -> LabeledFiles:
    """List the files of a folder with one sub-folder for each class.

    Hidden files are left out, and links to folders are not followed.

    Parameters
    ----------
    folder : Path
        The folder.

    Raises
    ------
    DatasetError
        If it has not at least two sub-folders with files in them, or cannot be read.
    """
    wanted = f"one sub-folder for each class in {folder}, two or more"
    hint = (
        "for example pets/cat/1.jpg and pets/dog/1.jpg; where names of files tell: "
        "--names '{class}_{number}'"
    )
    try:
        classes = sorted(p for p in folder.iterdir() if p.is_dir() and p.name[:1] != ".")
    except OSError as error:
        raise DatasetError("a folder that can be read", got=f"{folder} ({error})") from None
    names = {path.name.lower() for path in classes}
    if names and names <= PARTS:
        hint = f"these look like parts of a data set: give {classes[-1]} alone"
        raise DatasetError(wanted, got=listing([path.name for path in classes]), hint=hint)
    found = [(path, part.name) for part in classes for path in list_files(part)]
    n_classes = len({label for _, label in found})
    if n_classes < 2:
        raise DatasetError(wanted, got=f"a folder with {n_classes} of them", hint=hint)
    paths, labels = zip(*found, strict=True)
    return LabeledFiles(paths, labels)


def list_files(folder: Path) -> list[Path]:
    """List the files below a folder, sorted; hidden ones are left out, links not followed."""
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name[:1] != "."]
        found += [
            Path(place) / name for name in files if name[:1] != "." and name.lower() not in IGNORED
        ]
    return sorted(found)


def list_named(folder: Path, pattern: str) -> pl.DataFrame:
    """List the files of a folder as a table, with what their names say.

    Parameters
    ----------
    folder : Path
        The folder.
    pattern : str
        What names are made of, for example ``"{class}_{speaker}_{take}"``: each part in braces is
        a column. The suffix does not count.

    Returns
    -------
    polars.DataFrame
        The column ``file``, paths from the folder above, and one for each part.

    Raises
    ------
    DatasetError
        If the pattern has no part, or no file has such a name.
    """
    names = PART.findall(pattern)
    is_sound = names and len(set(names)) == len(names) and FILE_COLUMN not in names
    if not is_sound:
        raise DatasetError(
            "--names with parts in braces, each once, none called file", got=quoted(pattern),
            hint="for example --names '{class}_{speaker}_{take}'",
        )  # fmt: skip
    literal = [re.escape(text) for text in PART.split(pattern)[::2]]
    groups = [f"(?P<p{number}>.+?)" for number in range(len(names))] + [""]
    known = re.compile("".join(a + b for a, b in zip(literal, groups, strict=True)), re.DOTALL)
    rows = []
    for path in list_files(folder):
        match = known.fullmatch(path.stem)
        if match:
            rows.append([str(path.relative_to(folder.parent)), *match.groups()])
    if not rows:
        raise DatasetError(f"files in {folder} named {quoted(pattern)}", got="none")
    return pl.DataFrame(rows, schema=[FILE_COLUMN, *names], orient="row")


def sense_of(files: LabeledFiles, folder: Path) -> Sense:
    """Tell from their names whether files are pictures, texts or recordings.

    Raises
    ------
    DatasetError
        If most are none of them.
    """
    suffixes = Counter(path.suffix.lower() for path in files.paths)
    counts: dict[Sense, int] = {
        "images": sum(suffixes[suffix] for suffix in IMAGE_SUFFIXES),
        "texts": suffixes[".txt"] + suffixes[".md"],
        "sounds": sum(suffixes[suffix] for suffix in AUDIO_SUFFIXES),
    }
    sense = max(counts, key=lambda name: counts[name])
    if counts[sense] == 0:
        common = ", ".join(suffix or "no suffix" for suffix, _ in suffixes.most_common(3))
        raise DatasetError(
            "pictures (.png, .jpg, .gif, .bmp, .tif, .webp), recordings (.wav, .flac, .ogg, .mp3) "
            "or texts (.txt) in the folder",
            got=f"{len(files.paths):,} other files ({common}) in {folder}",
        )
    return sense


def read_all(
    paths: Sequence[Path],
    read: Callable[[Path], object],
    what: str,
    *,
    most_bad: float = MOST_BAD,
    keep: Callable[[int, Any], object] = lambda place, value: value,
) -> ReadFiles:
    """Read many files, passing over those that cannot be read, up to a limit.

    Parameters
    ----------
    paths : sequence of Path
        The files.
    read : callable
        Reads one, and raises one of our errors where it cannot be read.
    what : str
        What they are, in words, for example ``"pictures"``.
    most_bad : float, default 0.1
        Share of the files that may be unreadable.
    keep : callable, optional
        Takes the position of a file and what was read of it, and returns what is kept of that.

    Raises
    ------
    DatasetError
        If more than that share cannot be read; names the first and says why.
    """

    def attempt(place: int) -> object:
        try:
            return keep(place, read(paths[place]))
        except FathomError as error:
            return error

    with ThreadPoolExecutor(READERS) as pool:
        found = list(pool.map(attempt, range(len(paths))))
    bad = [place for place, value in enumerate(found) if isinstance(value, FathomError)]
    if bad and len(bad) >= max(1, most_bad * len(paths)):
        raise DatasetError(
            f"{what} of which less than {most_bad:.0%} cannot be read",
            got=f"{len(bad):,} of {len(paths):,}, the first: {_reason(found[bad[0]])}",
            hint="remove or replace those files",
        )
    kept = np.setdiff1d(np.arange(len(paths)), bad)
    notes = [f"passed over: {_reason(found[place])}" for place in bad[:MOST_LISTED]]
    if len(bad) > MOST_LISTED:
        notes.append(f"and {len(bad) - MOST_LISTED:,} more files that cannot be read")
    return ReadFiles([found[place] for place in kept], kept, tuple(notes))


def _reason(error: object) -> str:
    return quoted(error.got, 300) if isinstance(error, FathomError) else ""


def find_contradictions(files: LabeledFiles) -> tuple[str, ...]:
    """Say which files are the same, byte for byte, but of different classes, and how many twice."""
    seen: dict[bytes, tuple[Path, str]] = {}
    notes, n_same = [], 0
    for path, label in zip(files.paths, files.labels, strict=True):
        try:
            digest = hashlib.blake2b(path.read_bytes(), digest_size=16).digest()
        except OSError:
            continue  # it is among the files that cannot be read
        first, before = seen.setdefault(digest, (path, label))
        if first == path:
            continue
        if before == label:
            n_same += 1
        else:
            notes.append(
                f"the same file is {quoted(before)} as {first.name} and {quoted(label)} as "
                f"{path.name}"
            )
    if len(notes) > MOST_LISTED:
        rest = len(notes) - MOST_LISTED
        notes = [*notes[:MOST_LISTED], f"and {rest:,} more files of two classes"]
    if n_same:
        notes.append(f"{n_same:,} files are there more than once in their class")
    return tuple(notes)
