"""Tables that name pictures, as commands take them: learned from, and read for a model."""

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from fathom.cli.engine import prepare_engine
from fathom.cli.introducing import introduce, show_columns, warn_of_little_time
from fathom.cli.pictures import conclude_files
from fathom.cli.screen import STOPPED, Screen, StopRequest
from fathom.cli.senses import folder_of, kinds_with_pictures
from fathom.cli.tables import (
    TableOptions,
    TrainingTable,
    record_run,
    shown_notes,
    take_apart,
)
from fathom.cli.watching import SAVE_S, SearchView, time_left
from fathom.data.cells import quoted
from fathom.data.parsing import ParsedTable
from fathom.data.pictures import find_picture_columns, place_paths
from fathom.data.schema import TableInput
from fathom.data.tables import Table
from fathom.deployment.archive import save
from fathom.estimators import FathomClassifier, FathomRegressor
from fathom.estimators.designing import Given
from fathom.estimators.illustrated import Illustrated, find_illustrated, search_illustrated
from fathom.training.monitor import Deadline


@dataclass(frozen=True)
class IllustratedTable:
    """A table that names pictures, taken apart for training.

    Attributes
    ----------
    table : TrainingTable
        Its features, whose paths go from the working directory, its target and what is beside.
    known : Illustrated
        What its columns are.
    """

    table: TrainingTable
    known: Illustrated


@dataclass(frozen=True)
class TakenRows:
    """Rows of a table that were read already, taken by number as those of a data frame are."""

    parsed: ParsedTable

    def __getitem__(self, rows: np.ndarray) -> ParsedTable:
        """Return some of the rows."""
        return self.parsed.take(rows)


def take_illustrated(table: Table, options: TableOptions) -> IllustratedTable | None:
    """Take a table apart that names pictures and has something else besides; None for others.

    Pictures alone are left to `fathom.cli.pictures`, as are several targets that are factors.

    Parameters
    ----------
    table : Table
        The table.
    options : TableOptions
        How it is read, and what its columns are for.
    """
    given = kinds_with_pictures(table, options)
    names = [name for name, kind in given.items() if kind == "picture"]
    if not names:
        return None
    folder, kinds = folder_of(options.path), dict(options.kinds)
    taken = take_apart(table, options)
    if taken.target.factors:
        return None
    features, notes = place_paths(taken.features, names, folder)
    if options.image_column is not None:  # no other column is taken for pictures
        others = find_picture_columns(features, given)[0]
        given |= dict.fromkeys(others, "identifier")
    known = find_illustrated(features, given)
    n_used = 0 if known is None else sum(column.is_used for column in known.columns)
    if known is None or (n_used < 2 and "picture" not in kinds.values()):
        return None
    return IllustratedTable(replace(taken, features=features, notes=taken.notes + notes), known)


def train_illustrated(
    screen: Screen,
    given: Given,
    taken: IllustratedTable,
    options: TableOptions,
    place: Path,
    time_limit: float,
    began: float,
    decimal: str,
) -> int:
    """Find a network for a table that names pictures; return the exit code."""
    prepare_engine()
    table = taken.table
    introduce(screen, table, options)
    spent = time.monotonic() - began
    left = time_left(time_limit, spent)
    warn_of_little_time(screen, time_limit, spent, left + SAVE_S)

    def tell(described: TableInput, notes: tuple[str, ...]) -> None:
        show_columns(screen, described, options.time, is_new=True)
        for column in described.columns:
            if column.shape is not None:
                height, width, channels = column.shape
                colors = "grey" if channels == 1 else "colors"
                screen.say(f"  {quoted(column.name)}: read as {height}×{width} pixels, {colors}")
        for line in shown_notes(notes):
            screen.say(line)
        screen.emit("pictures", notes=list(notes))

    stop = StopRequest(screen)
    with stop.listening():
        view, deadline = SearchView(screen, time_limit, stop, spent), Deadline(left)
        with view.shown():
            found = search_illustrated(
                table.features, taken.known, given, options.seed, has_names=not options.no_header,
                monitor=view, deadline=deadline, tell=tell,
            )  # fmt: skip
        kind = FathomRegressor if given.target.task == "numbers" else FathomClassifier
        model = kind(time_limit=time_limit, random_state=options.seed).restore(*found)
        path = save(model, place)
        record_run(path, options, decimal)
        n, seconds = int((given.weight > 0).sum()), time.monotonic() - began
        conclude_files(screen, model, path, options, seconds, "rows", n)
    return STOPPED if stop.is_asked else 0


def placed(
    frame: pl.DataFrame, described: TableInput, options: TableOptions
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Return rows for a model with their paths as it can follow them, and what is odd about them.

    Parameters
    ----------
    frame : polars.DataFrame
        The rows, in the columns of training.
    described : TableInput
        The table of training.
    options : TableOptions
        Where the rows are.
    """
    if not described.has_pictures:
        return frame, ()
    names = [column.name for column in described.columns if column.kind == "picture"]
    if not described.is_named and frame.width == len(described.columns):
        pairs = zip(frame.columns, described.columns, strict=True)
        names = [name for name, column in pairs if column.kind == "picture"]
    return place_paths(frame, names, folder_of(options.path))
