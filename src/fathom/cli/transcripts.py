"""Recordings and what is said in them, as commands learn it, write it down and judge it."""

import time
from pathlib import Path

import numpy as np
import polars as pl

from fathom.cli.pictures import (
    list_given,
    named_by_table,
    read_for,
)
from fathom.cli.screen import Screen
from fathom.cli.tables import TableOptions, say_saved, shown_notes, shown_path
from fathom.data.audio import Recordings
from fathom.data.cells import quoted
from fathom.data.folders import MOST_BAD
from fathom.data.pictures import paths_in
from fathom.data.tables import Table
from fathom.errors import InputError
from fathom.estimators.spelling import evaluate_texts
from fathom.estimators.transcriber import FathomTranscriber, tidy
from fathom.training.monitor import Deadline, Monitor

DISTINCT_SHARE = 0.25  # of the texts, from which they are written down rather than told apart
WORDS_SHARE = 0.5  # of the texts, that are to have several words
FEWEST_TEXTS = 20


def is_transcript(table: Table, options: TableOptions) -> bool:
    """Tell whether what is predicted of recordings is what is said in them.

    It is where it is asked for, or where the target holds texts of several words, most of them
    different.
    """
    if options.task != "auto" or len(options.target) != 1:
        return options.task == "text"
    if options.target[0] not in table.frame.columns:
        return False
    column = table.frame[options.target[0]]
    if column.dtype != pl.String or column.len() < FEWEST_TEXTS:
        return False
    texts = column.drop_nulls()
    has_words = texts.str.strip_chars().str.contains(r"\s").mean()
    is_free = texts.n_unique() > DISTINCT_SHARE * max(texts.len(), 1)
    return bool(is_free and isinstance(has_words, float) and has_words > WORDS_SHARE)


def train_transcriber(
    screen: Screen,
    table: Table,
    column: str,
    options: TableOptions,
    time_limit: float,
    monitor: Monitor,
    deadline: Deadline,
) -> FathomTranscriber:
    """Read recordings and texts of a table, and find a network that writes them down."""
    frame, name = table.frame, options.target[0]
    if name not in frame.columns:
        raise InputError(
            f"the target {quoted(name)} in the table", got="no such column",
            hint="name it with --target COLUMN",
        )  # fmt: skip
    texts = frame[name].cast(pl.String)
    if texts.null_count():
        raise InputError(
            f"a text in every row of {quoted(name)}",
            got=f"an empty cell in {texts.null_count():,} rows", hint="leave these rows out",
        )  # fmt: skip
    screen.emit(
        "data", file=options.path, recordings=frame.height, target=[name], task="text",
        notes=list(table.notes),
    )  # fmt: skip
    note = "" if options.task == "text" else " (--task classes tells them apart instead)"
    screen.say(f"{options.path}: {frame.height:,} recordings; {name} is what is said{note}")
    paths = paths_in(frame, column, Path(options.path).parent)
    heard = Recordings.read(paths, most_bad=MOST_BAD)
    assert heard.kept is not None
    for line in shown_notes((*table.notes, *heard.notes)):
        screen.say(line)
    seconds = sum(map(len, heard.waves)) / heard.rate
    screen.emit(
        "sounds", count=len(heard), rate=heard.rate, seconds=round(seconds, 3),
        notes=list(heard.notes),
    )  # fmt: skip
    model = FathomTranscriber(time_limit=time_limit, random_state=options.seed)
    chosen = texts[heard.kept].to_list()
    model.fit(heard, chosen, monitor=monitor, deadline=deadline)
    target = model.schema_.target.model_copy(update={"names": (name,)})
    model.schema_ = model.schema_.model_copy(update={"target": target})
    return model


def conclude_transcriber(
    screen: Screen, model: FathomTranscriber, path: Path, options: TableOptions, seconds: float
) -> None:
    """Say what was found, and what comes next."""
    screen.say()
    screen.say(str(model.architecture_))
    screen.say()
    best = model.history_.starts[model.history_.kept[0]].best
    score = None if best is None else best.validation_score
    if score is not None:
        screen.say(
            f"On recordings held out of training a sign has the probability {score:.1%}, on "
            "geometric average; fathom evaluate on other recordings counts words"
        )
    say_saved(screen, path, options.path, seconds, "OTHER_RECORDINGS.csv")
    screen.emit(
        "done", metric="probability of a sign", score=score, seconds=round(seconds, 3),
        output=str(path),
    )  # fmt: skip


def write_down(
    model: FathomTranscriber, files: list[str], options: TableOptions
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Return what is said in each file, beside its name, and notes."""
    paths = list_given(files, options)
    heard = read_for(model.schema_.input, paths, most_bad=1.0 if len(paths) > 1 else 0.0)
    names = model.schema_.target.names or ("text",)
    said = pl.Series(names[0], model.predict(heard.x).tolist(), pl.String)
    files_read = pl.Series("file", [str(paths[place]) for place in heard.kept], pl.String)
    return pl.DataFrame([files_read, said]), heard.notes


def judge_texts(
    screen: Screen, model: FathomTranscriber, options: TableOptions, began: float
) -> None:
    """Write down the recordings of a table, and count the words and characters that are wrong."""
    paths, truth, notes = named_by_table(options, model.schema_.target.names or ("text",))
    heard = read_for(model.schema_.input, paths, most_bad=1.0)
    right = truth[heard.kept].to_series().cast(pl.String)
    rows = np.flatnonzero(right.is_not_null().to_numpy())
    if not len(rows):
        raise InputError(
            "a text for some recording, to hold against what is predicted", got="none",
            hint="name the column of texts with --target COLUMN",
        )  # fmt: skip
    said = model.predict(heard.x[rows]).tolist()
    evaluation = evaluate_texts([tidy(right[int(row)]) for row in rows], said)
    screen.say(f"{len(rows):,} recordings of {shown_path(options.path)}")
    for line in shown_notes((*notes, *heard.notes)):
        screen.say(line)
    screen.say()
    screen.say(str(evaluation))
    screen.emit("evaluation", **evaluation.model_dump(mode="json"), notes=[*notes, *heard.notes])
    first = evaluation.metrics[0]
    seconds = round(time.monotonic() - began, 3)
    screen.emit("done", metric=first.name, score=first.value, seconds=seconds, output=None)
