"""Pictures as commands read them: learned from, predicted and judged, file by file."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from fathom.cli.screen import Screen
from fathom.cli.tables import (
    TableOptions,
    is_folder,
    read,
    say_saved,
    shown_notes,
    split_names,
    take_apart,
)
from fathom.data.cells import listing, quoted
from fathom.data.folders import (
    LabeledFiles,
    find_contradictions,
    list_classes,
    list_files,
    sense_of,
)
from fathom.data.pictures import (
    LEAST_SIDE,
    Pictures,
    find_image_column,
    paths_in,
    read_pictures_of,
    survey,
)
from fathom.data.schema import ImageInput, Target
from fathom.data.tables import Table
from fathom.data.target import read_target
from fathom.data.textfiles import CLASS_COLUMN
from fathom.errors import InputError
from fathom.estimators import FathomClassifier, FathomRegressor
from fathom.estimators.base import unit_mean
from fathom.estimators.designing import class_weights
from fathom.estimators.photographs import scaled, search_photographs
from fathom.search.picturing import choose_size
from fathom.training.monitor import Deadline, Monitor
from fathom.training.starts import n_cores


@dataclass(frozen=True)
class LabeledPictures:
    """Files of pictures, and what is known of each.

    Attributes
    ----------
    paths : tuple of Path
        The files.
    target : Target
        What is predicted.
    y, weight : numpy.ndarray
        Class numbers, labels or numbers, and the weight of each file.
    notes : tuple of str
        What is odd.
    """

    paths: tuple[Path, ...]
    target: Target
    y: np.ndarray
    weight: np.ndarray
    notes: tuple[str, ...]


def holds_pictures(path: str) -> bool:
    """Tell whether a path is a folder of pictures, one sub-folder for each class."""
    folder = Path(path)
    return is_folder(path) and sense_of(list_classes(folder), folder) == "images"


def image_column(table: Table, options: TableOptions) -> str | None:
    """Return the column of a table that holds paths of pictures, named or found; or None."""
    if options.image_column is not None:
        return options.image_column
    return find_image_column(table.frame, options.target, Path(options.path).parent)


def from_folder(options: TableOptions) -> LabeledPictures:
    """List pictures of a folder with one sub-folder for each class."""
    files = list_classes(Path(options.path))
    classes, y = np.unique(files.labels, return_inverse=True)
    target = Target(task="classes", classes=tuple(classes.tolist()), names=(CLASS_COLUMN,))
    weight = _weigh(np.ones(len(y)), y, target, options)
    return LabeledPictures(files.paths, target, y, weight, find_contradictions(files))


def from_table(table: Table, column: str, options: TableOptions) -> LabeledPictures:
    """List pictures that a column of a table names."""
    taken = take_apart(table, options)
    paths = paths_in(taken.features, column, Path(options.path).parent)
    others = [name for name in taken.features.columns if name != column]
    notes = taken.notes
    if others:
        notes += (f"beside the pictures in {quoted(column)} left out: {listing(others)}",)
    weight = np.ones(len(taken.y)) if taken.weight is None else taken.weight
    return LabeledPictures(
        paths, taken.target, taken.y, _weigh(weight, taken.y, taken.target, options), notes
    )


def _weigh(weight: np.ndarray, y: np.ndarray, target: Target, options: TableOptions) -> np.ndarray:
    if options.class_weight is not None:
        if target.task != "classes":
            raise InputError("--class-weight for classes only", got=target.task)
        weight = weight * class_weights(y, target.classes, options.class_weight)
    return unit_mean(weight)


def introduce_pictures(screen: Screen, files: LabeledPictures, options: TableOptions) -> None:
    """Say how many pictures there are, and what is predicted of them."""
    target, n = files.target, len(files.paths)
    what = f"one of {len(target.classes)} classes" if target.task == "classes" else target.task
    screen.emit(
        "data", file=options.path, pictures=n, target=list(target.names), task=target.task,
        classes=len(target.classes), notes=list(files.notes),
    )  # fmt: skip
    screen.say(f"{options.path}: {n:,} pictures; {', '.join(target.names)} is {what}")
    if target.task == "classes":
        counts = np.bincount(files.y, minlength=len(target.classes))
        shown = [f"{name} {count:,}" for name, count in zip(target.classes, counts, strict=True)]
        screen.say(f"  {listing(shown)}")
    for line in shown_notes(files.notes):
        screen.say(line)


def train_pictures(
    screen: Screen,
    files: LabeledPictures,
    options: TableOptions,
    time_limit: float,
    monitor: Monitor,
    deadline: Deadline,
) -> FathomClassifier | FathomRegressor:
    """Read pictures at a size for which there is time, and find a network for them."""
    channels, native = survey(files.paths)
    size = choose_size(len(files.paths), max(native, LEAST_SIDE), deadline.remaining(), n_cores())
    height, width = scaled((1, 1), size.side)
    screen.say(
        f"  read as {height}×{width} pixels, {'grey' if channels == 1 else 'colors'}; "
        f"{len(files.paths) * height * width * channels / 2**20:.0f} MiB"
    )
    pictures = read_pictures_of(files.paths, height, width, channels)
    for line in shown_notes(pictures.notes):
        screen.say(line)
    screen.emit("pictures", count=len(pictures.x), height=height, width=width, channels=channels,
                notes=list(pictures.notes))  # fmt: skip
    y, weight = files.y[pictures.kept], files.weight[pictures.kept]
    if files.target.task == "classes" and len(np.unique(y)) < len(files.target.classes):
        raise InputError("pictures of every class", got="a class of which none can be read")
    found = search_photographs(
        pictures.x, y, files.target, weight, options.seed, monitor=monitor, deadline=deadline,
        width=size.width,
    )  # fmt: skip
    kind = FathomRegressor if files.target.task == "numbers" else FathomClassifier
    return kind(time_limit=time_limit, random_state=options.seed).restore(*found)


def conclude_pictures(
    screen: Screen,
    model: FathomClassifier | FathomRegressor,
    path: Path,
    options: TableOptions,
    seconds: float,
) -> None:
    """Say what was tried, how good the network is on pictures held out, and what comes next."""
    history = model.history_
    kept = history.starts[history.kept[0]]
    best = kept.best
    score = None if best is None else best.validation_score
    screen.say()
    screen.say(str(model.architecture_))
    screen.say()
    for start in history.starts:
        for event in start.events:
            if event.kind == "stopped":
                screen.say(f"  · {event.text}")
    is_classes = history.score_name == "accuracy"
    if score is not None:
        shown = f"{score:.1%} accuracy" if is_classes else f"R² {score:.3f}"
        screen.say(f"On pictures held out of training: {shown} (the best of its epochs, so a little"
                   " too good; fathom evaluate on other pictures tells)")  # fmt: skip
    say_saved(screen, path, options.path, seconds, "OTHER_PICTURES")
    screen.emit(
        "done", metric=history.score_name, score=score, seconds=round(seconds, 3),
        output=str(path),
    )  # fmt: skip


def predict_files(
    model: FathomClassifier | FathomRegressor, files: Sequence[str], options: TableOptions
) -> tuple[pl.DataFrame, np.ndarray, tuple[str, ...]]:
    """Return the name of each file, the pictures in the same order, and notes."""
    paths: list[Path] = []
    for given in files:
        path = Path(given)
        if path.is_dir():
            paths += list_files(path)
        elif path.suffix.lower() in (".csv", ".tsv", ".parquet", ".jsonl", ".xlsx"):
            table = read(_at(options, given))
            column = image_column(table, _at(options, given))
            if column is None:
                raise InputError("a column of paths of pictures", got=f"none in {given}")
            paths += paths_in(table.frame, column, path.parent)
        else:
            paths.append(path)
    if not paths:
        raise InputError("pictures", got=f"none in {', '.join(files)}")
    pictures = _read(paths, model, most_bad=1.0 if len(paths) > 1 else 0.0)
    names = pl.DataFrame({"file": [str(paths[place]) for place in pictures.kept]})
    return names, pictures.x, pictures.notes


def _read(
    paths: Sequence[Path], model: FathomClassifier | FathomRegressor, *, most_bad: float
) -> Pictures:
    described = model.schema_.input
    assert isinstance(described, ImageInput)
    return read_pictures_of(
        paths, described.height, described.width, described.channels, most_bad=most_bad
    )


def _at(options: TableOptions, path: str) -> TableOptions:
    return replace(options, path=path)


def read_judged(
    model: FathomClassifier | FathomRegressor, options: TableOptions
) -> tuple[np.ndarray, pl.DataFrame, tuple[str, ...]]:
    """Return pictures whose target is known, that target as a table, and notes.

    Raises
    ------
    InputError
        If there are no such pictures.
    """
    path, target = Path(options.path), model.schema_.target
    if path.is_dir():
        files: LabeledFiles = list_classes(path)
        paths, notes = files.paths, files.notes
        truth = pl.DataFrame({CLASS_COLUMN: files.labels})
    else:
        table = read(options)
        column = image_column(table, options)
        if column is None:
            raise InputError("a column of paths of pictures", got=f"none in {options.path}")
        names = list(split_names(options.target, table.frame.columns) or target.names)
        absent = [name for name in names if name not in table.frame.columns]
        if absent:
            raise InputError(
                f"the target {quoted(absent[0])} in the table", got="no such column",
                hint="name it with --target COLUMN",
            )  # fmt: skip
        paths = paths_in(table.frame, column, path.parent)
        truth, notes = table.frame.select(names), table.notes
    if target.task == "classes" and (read_target(truth.to_series(), target) < 0).all():
        raise InputError(f"pictures of {listing(target.classes)}", got="none of these classes")
    pictures = _read(paths, model, most_bad=1.0)
    return pictures.x, truth[pictures.kept], (*notes, *pictures.notes)
