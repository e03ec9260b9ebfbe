"""Texts in files of their own, as a table."""

from pathlib import Path

import polars as pl

from fathom.data.folders import find_contradictions, list_classes, list_files, read_all, sense_of
from fathom.data.frames import Table
from fathom.data.plaintext import MOST_TEXT_BYTES, TITLES, decode_text
from fathom.errors import DatasetError

TEXT_COLUMN, CLASS_COLUMN, FILE_COLUMN = "text", "class", "file"
SUFFIXES = frozenset({".txt", ".md", ""})


def read_text_folder(folder: Path) -> Table:
    """Read a folder with one sub-folder of texts for each class.

    Parameters
    ----------
    folder : Path
        The folder; texts are UTF-8, UTF-16 with a mark, GB18030 or Windows-1252.

    Returns
    -------
    Table
        Columns ``text`` and ``class``, a row for each file that can be read.

    Raises
    ------
    DatasetError
        If it has no such sub-folders, its files are no texts, or too many cannot be read.
    """
    files = list_classes(folder)
    if sense_of(files, folder) != "texts":
        raise DatasetError(
            "a folder of texts (.txt)", got=f"{folder}, which holds others",
            hint="name the folder of texts alone",
        )  # fmt: skip
    texts, kept, notes = _read(files.paths)
    labels = [files.labels[place] for place in kept]
    frame = pl.DataFrame({TEXT_COLUMN: texts, CLASS_COLUMN: labels})
    return Table(frame, (*notes, *find_contradictions(files)))


def read_loose_texts(folder: Path) -> Table:
    """Read all texts below a folder, whatever their classes.

    Returns
    -------
    Table
        Columns ``file`` and ``text``.
    """
    paths = tuple(p for p in list_files(folder) if p.suffix.lower() in SUFFIXES)
    if not paths:
        raise DatasetError(
            "texts (.txt) in the folder", got=f"none in {folder}",
            hint="put each text into a file of its own that ends in .txt",
        )  # fmt: skip
    texts, kept, notes = _read(paths)
    names = [str(paths[place]) for place in kept]
    return Table(pl.DataFrame({FILE_COLUMN: names, TEXT_COLUMN: texts}), notes)


def _read(paths: tuple[Path, ...]) -> tuple[list[str], list[int], tuple[str, ...]]:
    """Return texts, the positions of their files, and what is worth saying."""
    found = read_all(paths, _read_one, "texts")
    texts, notes, encodings = [], found.notes, set()
    n_odd = n_long = 0
    for value in found.values:
        assert isinstance(value, tuple)
        text, encoding, is_cut = value
        texts.append(text)
        encodings.add(encoding)
        n_odd += "\N{REPLACEMENT CHARACTER}" in text
        n_long += is_cut
    for encoding in sorted(encodings - {"utf-8"}):
        notes += (f"some texts are {TITLES.get(encoding, encoding.upper())} rather than UTF-8",)
    if n_odd:
        notes += (f"{n_odd:,} texts have signs that cannot be read, taken as U+FFFD",)
    if n_long:
        notes += (f"of {n_long:,} texts only the first {MOST_TEXT_BYTES:,} bytes are read",)
    return texts, found.kept.tolist(), notes


def _read_one(path: Path) -> tuple[str, str, bool]:
    try:
        if not path.is_file():
            raise DatasetError(
                "a text file", got=f"{path}, which is no file", hint="check the path"
            )
        with path.open("rb") as file:
            data = file.read(MOST_TEXT_BYTES + 1)
    except OSError as error:
        raise DatasetError(
            "a text that can be read", got=f"{path} ({error.strerror})",
            hint="check its permissions",
        ) from None  # fmt: skip
    text, encoding = decode_text(data[:MOST_TEXT_BYTES])
    return text, encoding, len(data) > MOST_TEXT_BYTES
