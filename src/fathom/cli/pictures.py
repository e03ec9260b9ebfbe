"""Pictures and recordings as commands read them: learned from, predicted, judged, by file."""

import math
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from fathom.cli.screen import Screen
from fathom.cli.senses import file_column
from fathom.cli.tables import (
    TableOptions,
    read,
    say_saved,
    shown_notes,
    split_names,
    take_apart,
)
from fathom.data.audio import Recordings
from fathom.data.cells import listing, quoted
from fathom.data.folders import (
    LabeledFiles,
    find_contradictions,
    list_classes,
    list_files,
)
from fathom.data.pictures import (
    LEAST_SIDE,
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
from fathom.estimators.designing import class_weights, unit_mean
from fathom.estimators.listening import sound_rows
from fathom.estimators.photographs import Earlier, scaled, search_levels, search_photographs
from fathom.search.picturing import choose_size
from fathom.training.history import StartHistory
from fathom.training.monitor import Deadline, Monitor
from fathom.training.recipe import Recipe


@dataclass(frozen=True)
class KnownFiles:
    """Files of pictures or recordings, and what is known of each.

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
    groups : numpy.ndarray or None
        Group of each file, where a column tells.
    """

    paths: tuple[Path, ...]
    target: Target
    y: np.ndarray
    weight: np.ndarray
    notes: tuple[str, ...]
    groups: np.ndarray | None = None


def from_folder(options: TableOptions) -> KnownFiles:
    """List files of a folder with one sub-folder for each class."""
    files = list_classes(Path(options.path))
    classes, y = np.unique(files.labels, return_inverse=True)
    target = Target(task="classes", classes=tuple(classes.tolist()), names=(CLASS_COLUMN,))
    weight = _weigh(np.ones(len(y)), y, target, options)
    return KnownFiles(files.paths, target, y, weight, find_contradictions(files))


def from_table(table: Table, column: str, options: TableOptions) -> KnownFiles:
    """List files that a column of a table names."""
    taken = take_apart(table, options)
    paths = paths_in(taken.features, column, Path(options.path).parent)
    others = [name for name in taken.features.columns if name != column]
    notes = taken.notes
    if others:
        notes += (f"beside the files in {quoted(column)} left out: {listing(others)}",)
    weight = np.ones(len(taken.y)) if taken.weight is None else taken.weight
    weight = _weigh(weight, taken.y, taken.target, options)
    return KnownFiles(paths, taken.target, taken.y, weight, notes, taken.groups)


def _weigh(weight: np.ndarray, y: np.ndarray, target: Target, options: TableOptions) -> np.ndarray:
    if options.class_weight is not None:
        if target.task != "classes":
            raise InputError(
                "--class-weight with a target of classes", got=f"one of {target.task}",
                hint="leave it out",
            )  # fmt: skip
        weight = weight * class_weights(y, target.classes, options.class_weight)
    return unit_mean(weight)


def introduce_files(screen: Screen, files: KnownFiles, options: TableOptions, noun: str) -> None:
    """Say how many pictures or recordings there are, and what is predicted of them."""
    target, n = files.target, len(files.paths)
    what = f"one of {len(target.classes)} classes" if target.task == "classes" else target.task
    screen.emit(
        "data", file=options.path, **{noun: n}, target=list(target.names), task=target.task,
        classes=len(target.classes), notes=list(files.notes),
    )  # fmt: skip
    screen.say(f"{options.path}: {n:,} {noun}; {', '.join(target.names)} is {what}")
    if target.task == "classes":
        counts = np.bincount(files.y, minlength=len(target.classes))
        shown = [f"{name} {count:,}" for name, count in zip(target.classes, counts, strict=True)]
        screen.say(f"  {listing(shown)}")
    for line in shown_notes(files.notes):
        screen.say(line)


def train_pictures(
    screen: Screen,
    files: KnownFiles,
    options: TableOptions,
    time_limit: float,
    monitor: Monitor,
    deadline: Deadline,
    before: FathomClassifier | FathomRegressor | None = None,
) -> FathomClassifier | FathomRegressor:
    """Read pictures at a size for which there is time, and find a network or train one on."""
    first_stage = None  # channels, where a network is looked for
    if before is not None:
        height, width, channels = before.schema_.input.shape
    else:
        channels, native = survey(files.paths)
        n, native = len(files.paths), max(native, LEAST_SIDE)
        size = choose_size(n, native, deadline.remaining())
        height, width = scaled((1, 1), size.side)
        first_stage = size.width
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
        raise InputError(
            "pictures of every class", got="a class of which none can be read",
            hint="replace its files, or leave the class out",
        )  # fmt: skip
    watch: dict[str, Any] = {"monitor": monitor, "deadline": deadline}
    if before is None:
        found = search_photographs(
            pictures.x, y, files.target, weight, options.seed, width=first_stage, **watch
        )
    else:
        found = search_levels(
            pictures.x, y, before.schema_, weight, options.seed, (), earlier=Earlier.of(before),
            **watch,
        )  # fmt: skip
    kind = FathomRegressor if files.target.task == "numbers" else FathomClassifier
    return kind(time_limit=time_limit, random_state=options.seed).restore(*found)


def require_same_target(before: FathomClassifier | FathomRegressor, target: Target) -> None:
    """Refuse to train a network on with rows or files of something else.

    Raises
    ------
    InputError
        If they have another target than those it learned from.
    """
    known = before.schema_.target
    has_other_name = bool(known.names) and known.names != target.names  # one from Python has none
    if has_other_name or (known.task, known.classes) != (target.task, target.classes):
        raise InputError(
            "rows or files with the target of the first training, "
                + listing(known.classes or known.names),
            got=listing(target.classes or target.names), hint="train anew, without --continue",
        )  # fmt: skip


def conclude_files(
    screen: Screen,
    model: FathomClassifier | FathomRegressor,
    path: Path,
    options: TableOptions,
    seconds: float,
    noun: str,
    n: int,
) -> None:
    """Say what was tried, how good the network is on what was held out, and what comes next.

    Of n rows or files in all.
    """
    history = model.history_
    best = history.starts[history.kept[0]].best
    score, is_before = None if best is None else best.validation_score, False
    if score is None:  # what is kept may have learned from everything, once another was judged
        judged = [s.best for s in history.starts if s.best and s.best.validation_score is not None]
        best = min(judged, key=lambda epoch: epoch.validation_loss or 0.0, default=None)
        score, is_before = None if best is None else best.validation_score, best is not None
    screen.say()
    screen.say(str(model.architecture_))
    screen.say()
    for line in why_stopped(history.starts):
        screen.say(f"  · {line}")
    is_classes = history.score_name == "accuracy"
    if score is not None:
        n_held_out = round(n * (model.recipe_.validation_fraction or Recipe().validation_fraction))
        shown = f"{score:.1%} accuracy" if is_classes else f"R² {score:.3f}"
        if is_classes:
            shown += f", give or take {margin(score, n_held_out):.0f} points by chance"
        which = (
            "held out, before the model learned from all" if is_before else "held out of training"
        )
        screen.say(f"On about {n_held_out:,} {noun} {which}: {shown}, and rather too good, as the "
                   f"best epoch was chosen so; fathom evaluate on other {noun} tells")  # fmt: skip
    names = "" if options.names is None else f" --names {shlex.quote(options.names)}"
    further = ("fathom inspect {name} --row 1    what each part of a row spoke for",)
    known = f"OTHER_{noun.upper()}{names}"
    say_saved(screen, path, options.path, seconds, known, *further * (noun == "rows"))
    screen.emit(
        "done", metric=history.score_name, score=score, seconds=round(seconds, 3),
        output=str(path),
    )  # fmt: skip


def margin(share: float, n: int) -> float:
    """Return by how many points a share of n may be off by chance, in 19 of 20 cases.

    Examples
    --------
    >>> round(margin(0.8, 110))
    7

    References
    ----------
    Agresti, Coull (1998). Approximate is better than "exact" for interval estimation of binomial
    proportions.
    """
    middle = (share * n + 2) / (n + 4)
    return 196 * math.sqrt(middle * (1 - middle) / (n + 4))


def why_stopped(starts: Sequence[StartHistory]) -> list[str]:
    """Return why each training stopped; what is true of several is said once, with their number.

    Examples
    --------
    >>> from fathom.training.history import Event
    >>> stop = Event(epoch=9, kind="stopped", text="all epochs done (linear)")
    >>> why_stopped([StartHistory(events=(stop,))] * 2)
    ['all epochs done (linear), 2 times']
    """
    counts = Counter(
        event.text for start in starts for event in start.events if event.kind == "stopped"
    )
    return [text if n == 1 else f"{text}, {n} times" for text, n in counts.items()]


def predict_files(
    model: FathomClassifier | FathomRegressor, files: Sequence[str], options: TableOptions
) -> tuple[pl.DataFrame, Any, tuple[str, ...]]:
    """Return the name of each file, what they hold in the same order, and notes."""
    paths = list_given(files, options)
    read_files = read_for(model.schema_.input, paths, most_bad=1.0 if len(paths) > 1 else 0.0)
    names = pl.DataFrame({"file": [str(paths[place]) for place in read_files.kept]})
    return names, read_files.x, read_files.notes


def list_given(files: Sequence[str], options: TableOptions) -> list[Path]:
    """Return the files that are named one by one, by a folder, or by a column of a table.

    Raises
    ------
    InputError
        If there are none.
    """
    paths: list[Path] = []
    for given in files:
        path = Path(given)
        if path.is_dir():
            paths += list_files(path)
        elif path.suffix.lower() in (".csv", ".tsv", ".parquet", ".jsonl", ".xlsx"):
            table = read(_at(options, given))
            column = file_column(table, _at(options, given))
            if column is None:
                raise InputError(
                    "a column of paths of files", got=f"none in {given}",
                    hint="name it with --image-column or --sound-column",
                )  # fmt: skip
            paths += paths_in(table.frame, column[0], path.parent)
        else:
            paths.append(path)
    if not paths:
        raise InputError(
            "pictures or recordings to predict from", got=f"none in {', '.join(files)}",
            hint="name files, folders, or a table of their paths",
        )  # fmt: skip
    return paths


class ReadOf(NamedTuple):
    """What was read of files for a model: pictures or recordings, which are kept, and notes."""

    x: Any
    kept: np.ndarray
    notes: tuple[str, ...]


def read_for(described: Any, paths: Sequence[Path], *, most_bad: float) -> ReadOf:
    """Read files as a model sees or hears them."""
    assert isinstance(described, ImageInput)
    if described.hearing is not None:
        heard = Recordings.read(paths, described.hearing.rate, most_bad=most_bad)
        assert heard.kept is not None
        return ReadOf(heard, heard.kept, heard.notes)
    seen = read_pictures_of(
        paths, described.height, described.width, described.channels, most_bad=most_bad
    )
    return ReadOf(seen.x, seen.kept, seen.notes)


def as_levels(x: Any, described: ImageInput) -> np.ndarray:
    """Return what was read of files as levels, (n, height, width, channels): sound as pictures."""
    if described.hearing is None:
        return np.asarray(x)
    return sound_rows(x, described).reshape(-1, *described.shape)


def _at(options: TableOptions, path: str) -> TableOptions:
    return replace(options, path=path)


class Judged(NamedTuple):
    """Pictures or recordings, their target as a table, the name of each file, and notes."""

    x: Any
    truth: pl.DataFrame
    names: tuple[str, ...]
    notes: tuple[str, ...]


def read_judged(model: FathomClassifier | FathomRegressor, options: TableOptions) -> Judged:
    """Read pictures or recordings whose target is known.

    Raises
    ------
    InputError
        If there are none.
    """
    path, target = Path(options.path), model.schema_.target
    if path.is_dir() and options.names is None:
        files: LabeledFiles = list_classes(path)
        paths, notes = files.paths, files.notes
        truth = pl.DataFrame({CLASS_COLUMN: files.labels})
    else:
        paths, truth, notes = named_by_table(options, target.names)
    if target.task == "classes" and (read_target(truth.to_series(), target) < 0).all():
        raise InputError(
            f"files of classes the model knows ({listing(target.classes)})", got="none",
            hint="name sub-folders, or the classes in the column of --target, as in training",
        )  # fmt: skip
    found = read_for(model.schema_.input, paths, most_bad=1.0)
    names = tuple(_below(paths[place], path) for place in found.kept)
    return Judged(found.x, truth[found.kept], names, (*notes, *found.notes))


def _below(file: Path, given: Path) -> str:
    """Return what a file is called below the folder, or beside the table, that names it."""
    folder = given if given.is_dir() else given.parent
    return file.relative_to(folder).as_posix() if file.is_relative_to(folder) else file.name


def named_by_table(
    options: TableOptions, known: Sequence[str]
) -> tuple[tuple[Path, ...], pl.DataFrame, tuple[str, ...]]:
    """Return the files a table names, the columns of their target, and notes.

    Raises
    ------
    InputError
        If it has no such columns.
    """
    table = read(options)
    column = file_column(table, options)
    if column is None:
        raise InputError(
            "a column of paths of files", got=f"none in {options.path}",
            hint="name it with --image-column or --sound-column",
        )  # fmt: skip
    names = list(split_names(options.target, table.frame.columns) or known)
    absent = [name for name in names if name not in table.frame.columns]
    if absent:
        raise InputError(
            f"the target {quoted(absent[0])} in the table", got="no such column",
            hint="name it with --target COLUMN",
        )  # fmt: skip
    paths = paths_in(table.frame, column[0], Path(options.path).parent)
    return paths, table.frame.select(names), table.notes
