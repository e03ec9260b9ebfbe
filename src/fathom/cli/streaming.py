"""Tables larger than memory: searched on a sample that fits, trained on over the whole file."""

import itertools
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from fathom.cli.evaluate import right_numbers
from fathom.cli.screen import Screen
from fathom.cli.tables import TableOptions, TrainingTable, read_weights, split_names, take_apart
from fathom.data.cells import counted, listing, quoted, to_cells, to_words
from fathom.data.parsing import parse_table
from fathom.data.schema import Column, Schema, TableInput, Target
from fathom.data.streams import RowFile, open_rows, parse_bytes
from fathom.data.survey import Survey, survey
from fathom.data.target import parse_target, read_target
from fathom.errors import InputError
from fathom.estimators.designing import Given, class_weights, search_anew, unit_mean
from fathom.search.onward import Onward, Window, train_onward
from fathom.search.rounds import Rounds
from fathom.training.monitor import Deadline, Monitor

BYTES_PER_CELL = 80  # in memory with all a search makes of it, by benchmarks/tables_memory.py
BASE_BYTES = 900_000_000  # of the process itself
LEAST_MEMORY = 1_500_000_000
SAMPLE_SHARE, WINDOW_SHARE = 0.5, 0.3  # of the memory that is left
MOST_SAMPLE, MOST_WINDOW = 200_000, 400_000  # rows
SEARCH_SHARE = 0.5  # of the time; the rest is for the rows on the disk
MOST_UNKNOWN = 1000  # classes beside those of the sample that are counted
SURVEY_SHARE = 0.2  # of the time at most in which they are read once before; part of the search's


def read_memory(text: str) -> int:
    """Return a memory bound in bytes.

    Raises
    ------
    InputError
        If it is no size, or too small to train anything.
    """
    n_bytes = parse_bytes(text)
    if n_bytes < LEAST_MEMORY:
        raise InputError(f"--memory of {LEAST_MEMORY / 1e9:g}GB or more", got=text)
    return n_bytes


@dataclass(frozen=True)
class LargeRows:
    """A table on the disk, and how many rows of it may be in memory.

    Attributes
    ----------
    file : RowFile
        The rows.
    memory : int
        The bound, in bytes.
    """

    file: RowFile
    memory: int

    @property
    def room(self) -> float:
        """Rows the memory has room for, with all that a search makes of them."""
        return (self.memory - BASE_BYTES) / BYTES_PER_CELL / len(self.file.columns)

    @property
    def window(self) -> int:
        """Rows that are taken from the disk at once."""
        return int(max(min(WINDOW_SHARE * self.room, MOST_WINDOW), 1))


@contextmanager
def large_rows(options: TableOptions, memory: int) -> Iterator[LargeRows | None]:
    """Give a table as a file to take rows from, where it does not fit into the memory allowed."""
    with tempfile.TemporaryDirectory(prefix="fathom-rows-") as scratch:
        rows = LargeRows(open_rows(options.path, Path(scratch), options.separator), memory)
        yield rows if rows.file.n_rows > rows.room else None


def require_streamable(options: TableOptions, continued: str | None, rounds: Rounds | None) -> None:
    """Refuse what goes with no memory bound.

    Raises
    ------
    InputError
        If rows are to be grouped or ordered, or a search to go on or to be done by workers.
    """
    asked = {
        "--group": options.group, "--time": options.time, "--continue": continued,
        "--cluster": rounds, "--no-header": options.no_header, "--query": options.query,
        "--sheet": options.sheet, "--decimal": options.decimal, "--encoding": options.encoding,
    }  # fmt: skip
    for flag, value in asked.items():
        if value:
            raise InputError(
                f"--memory without {flag}", got="both",
                hint="leave one of them out: rows on the disk are never in memory together",
            )  # fmt: skip


def sample_rows(
    screen: Screen, rows: LargeRows, options: TableOptions
) -> tuple[TrainingTable, TableOptions, np.ndarray]:
    """Draw the rows a search has room for; return them, and their places in the file."""
    count = int(min(SAMPLE_SHARE * rows.room, MOST_SAMPLE, rows.file.n_rows))
    screen.say(
        f"  larger than the {rows.memory / 1e9:g} GB allowed: a search on {count:,} of "
        f"{rows.file.n_rows:,} rows, whose networks are then trained on over all others"
    )
    rng = np.random.default_rng([options.seed, 1])
    table, places = rows.file.sample(count, rows.window, rng)
    options = replace(options, target=split_names(options.target, table.frame.columns))
    taken = take_apart(table, options)
    if taken.target.factors:
        raise InputError(
            "one column of classes for a table larger than memory",
            got=f"{len(options.target)}: {listing(options.target)}",
            hint="predict them one at a time, or leave --memory out",
        )
    return taken, options, places


def search_and_go_on(
    screen: Screen,
    table: TrainingTable,
    given: Given,
    rows: LargeRows,
    places: np.ndarray,
    options: TableOptions,
    view: Monitor,
    deadline: Deadline,
    tell: Callable[[TableInput], None],
) -> tuple[Schema, Onward]:
    """Read all rows once, search on the sample, then train the networks on over the others."""
    kinds: Any = options.kinds
    search_time = deadline.share(SEARCH_SHARE)

    def look_beyond(columns: tuple[Column, ...]) -> Survey:
        looking = deadline.share(SURVEY_SHARE)
        unknown: Counter[str] = Counter()
        pieces = _pieces(rows, places, options, given.target, unknown)
        until = itertools.takewhile(
            lambda _: looking.remaining() > 0 and not view.should_stop(), pieces
        )
        began = time.monotonic()
        found = survey(columns, table.features, until, options.seed)
        if unknown:
            note = f"target {quoted(options.target[0])}: {counted(sum(unknown.values()), 'row')} "
            note += f"left out, of classes that the sample has not: {listing(unknown)}"
            found = replace(found, notes=(note, *found.notes))
        _say_survey(screen, found, rows, len(places), time.monotonic() - began)
        return found

    found = search_anew(
        table.features, given, kinds, has_names=True, seed=options.seed, monitor=view,
        deadline=search_time, tell=tell, look_beyond=look_beyond,
    )  # fmt: skip
    described = found.schema.input
    assert isinstance(described, TableInput)
    used = np.flatnonzero(given.weight > 0)
    onward = train_onward(
        found.design, parse_table(table.features, described.columns).take(used),
        given.y[used], given.weight[used].astype(np.float32), found.folds,
        _windows(rows.file, places, found.schema, options, rows.window),
        deadline=deadline, monitor=view,
    )  # fmt: skip
    return found.schema, onward


def _pieces(
    rows: LargeRows,
    places: np.ndarray,
    options: TableOptions,
    target: Target,
    unknown: Counter[str],
) -> Iterator[pl.DataFrame]:
    """Give the features of all rows outside the sample that have an answer, in no order.

    Classes that the sample has not are counted in ``unknown``.
    """
    pieces = rows.file.pieces(rows.window)
    for number in np.random.default_rng([options.seed, 3]).permutation(len(pieces)):
        begin, count = pieces[number]
        frame = rows.file.take_others(begin, count, places)
        y, _, is_known = _weighed(frame, options, target)
        if target.task == "classes" and (y < 0).any():
            cells = to_cells(frame[options.target[0]].filter(pl.Series(y < 0))).drop_nulls()
            counts = to_words(cells).rename("word").value_counts(name="n").rows()
            unknown.update(dict(counts[: max(MOST_UNKNOWN - len(unknown), 0)]))
        yield frame.filter(pl.Series(is_known))


def _weighed(
    frame: pl.DataFrame, options: TableOptions, target: Target
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the answers and weights of rows, and which of them count."""
    y, is_known = _answers(frame.select(options.target), target)
    weight = np.ones(len(y))
    if options.weight:
        weight = read_weights(frame[options.weight], np.arange(len(y)), is_part=True)
    return y, weight, is_known & (weight > 0)


def _windows(
    rows: RowFile, places: np.ndarray, schema: Schema, options: TableOptions, n_window: int
) -> Iterator[Window]:
    table, target, n_before = schema.input, schema.target, 0
    assert isinstance(table, TableInput)
    rng = np.random.default_rng([options.seed, 2])
    for frame in rows.windows(n_window, places, rng):
        y, weight, is_known = _weighed(frame, options, target)
        if options.class_weight is not None:
            weight = weight * class_weights(
                np.maximum(y, 0), target.classes, options.class_weight
            )  # fmt: skip
        features = frame.drop(options.target).filter(pl.Series(is_known))
        parsed = parse_table(
            features, table.columns, ignored=[options.weight] if options.weight else (),
            is_part=True,
        )  # fmt: skip
        if is_known.any():
            progress = n_before / rows.n_rows
            yield Window(parsed, y[is_known], unit_mean(weight[is_known]), progress)
        n_before += frame.height


def _answers(truth: pl.DataFrame, target: Target) -> tuple[np.ndarray, np.ndarray]:
    """Return the right answers, and which rows have one that the model knows."""
    if target.task == "classes":
        y = read_target(truth.to_series(), target)
        return y, y >= 0
    if target.task == "numbers":
        numbers = np.stack([right_numbers(truth[name]) for name in truth.columns], axis=1)
        return numbers, np.isfinite(numbers).all(axis=1)
    parsed = parse_target(truth, "labels", drop_missing=True)
    labels, is_known = np.zeros((truth.height, target.n_outputs)), np.zeros(truth.height, bool)
    labels[parsed.rows], is_known[parsed.rows] = parsed.values, True
    return labels, is_known


def _say_survey(
    screen: Screen, found: Survey, rows: LargeRows, n_sample: int, seconds: float
) -> None:
    """Say what all rows were read for."""
    n_all, n_read = rows.file.n_rows, found.n_rows + n_sample
    error = max((fact.rank_error for fact in found.facts), default=0.0)
    screen.emit(
        "survey", rows=n_read, seconds=round(seconds, 3), rank_error=error,
        columns=[fact.model_dump(mode="json") for fact in found.facts],
    )  # fmt: skip
    screen.say(
        f"  {n_read:,} of {n_all:,} rows read once in {seconds:.0f} s: ranges, categories and "
        f"missing values are theirs, quantiles right within {error:.2%} of the rows"
    )


def say_onward(screen: Screen, onward: Onward, rows: LargeRows) -> None:
    """Say what the rows on the disk were good for."""
    report, per_second = onward.design.report, onward.n_rows / max(onward.seconds, 1e-9)
    before, after = onward.loss_before, report.validation_loss
    screen.emit(
        "onward", rows=onward.n_rows, seconds=round(onward.seconds, 3), better=onward.n_better,
        networks=onward.n_networks, loss_before=before, loss=after,
    )  # fmt: skip
    text = (
        f"Trained on over {onward.n_rows:,} further rows of {rows.file.n_rows:,}, "
        f"{per_second:,.0f} a second: {onward.n_better} of {onward.n_networks} networks are better"
    )
    if before is not None and after is not None:
        text += f"; {report.loss_name} {before:.5g} → {after:.5g} on held-out rows"
    screen.say()
    screen.say(text)
