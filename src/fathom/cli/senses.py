"""What a path or a table names besides numbers and words: pictures, recordings."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from fathom.cli.tables import TableOptions, TrainingTable, is_address, is_folder
from fathom.data.cells import quoted
from fathom.data.folders import AUDIO_SUFFIXES, Sense, list_classes, sense_of
from fathom.data.images import IMAGE_SUFFIXES
from fathom.data.pictures import find_file_column, find_picture_columns
from fathom.data.schema import ColumnKind
from fathom.data.tables import Table

NOUNS: dict[Sense, str] = {"images": "pictures", "sounds": "recordings"}


def sense_of_folder(options: TableOptions) -> Sense | None:
    """Return what a folder with one sub-folder for each class holds; None for another path."""
    folder = Path(options.path)
    if not is_folder(options.path) or options.names is not None:
        return None
    return sense_of(list_classes(folder), folder)


def file_column(table: Table, options: TableOptions) -> tuple[str, Sense] | None:
    """Return the column of a table with paths of pictures or recordings, and which; or None."""
    if options.image_column is not None:
        return options.image_column, "images"
    if options.sound_column is not None:
        return options.sound_column, "sounds"
    folder = Path(options.path).parent
    kinds: tuple[tuple[Sense, frozenset[str]], ...] = (
        ("images", IMAGE_SUFFIXES), ("sounds", AUDIO_SUFFIXES),
    )  # fmt: skip
    for sense, suffixes in kinds:
        others = [name for name, kind in options.kinds.items() if kind != "picture"]
        column = find_file_column(table.frame, [*options.target, *others], folder, suffixes)
        if column is not None:
            return column, sense
    return None


def folder_of(path: str) -> Path:
    """Return the folder from which the paths in a table go."""
    return Path() if is_address(path) else Path(path).parent


def kinds_with_pictures(table: Table, options: TableOptions) -> dict[str, ColumnKind]:
    """Return the kinds of columns that were given, those of pictures found among them."""
    kinds: dict[str, Any] = dict(options.kinds)
    if options.names is not None or options.sound_column is not None:
        return {}
    folder, chosen = folder_of(options.path), options.image_column
    if chosen is not None:
        if chosen not in table.frame.columns:
            return {}
        found: tuple[str, ...] = (chosen,)
    else:
        found = find_picture_columns(table.frame, {*options.target, *kinds}, folder)[0]
    beside = {options.group, options.time, options.weight}
    return {
        **dict.fromkeys((name for name in found if name not in beside), "picture"), **kinds
    }  # fmt: skip


def note_absent_pictures(table: TrainingTable, options: TableOptions) -> TrainingTable:
    """Note which columns look like names of pictures though none of them is there."""
    if options.names is not None:
        return table
    folder = folder_of(options.path)
    absent = find_picture_columns(table.features, options.kinds, folder)[1]
    notes = tuple(
        f"column {quoted(name)} looks like names of pictures, but none is there; paths go from the "
        f"folder of the table ({quoted(folder.resolve(), 200)})"
        for name in absent
    )
    return replace(table, notes=table.notes + notes) if notes else table
