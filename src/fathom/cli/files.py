"""Training on files: pictures and recordings in a folder, or named by a table."""

import time
from pathlib import Path

from fathom.cli.engine import prepare_engine, prepare_training
from fathom.cli.pictures import (
    conclude_files,
    from_folder,
    from_table,
    introduce_files,
    require_same_target,
    train_pictures,
)
from fathom.cli.screen import STOPPED, Screen, StopRequest
from fathom.cli.senses import NOUNS, file_column, sense_of_folder
from fathom.cli.sounds import train_sounds
from fathom.cli.tables import TableOptions, read_with_target, record_run, require_table
from fathom.cli.transcripts import conclude_transcriber, is_transcript, train_transcriber
from fathom.cli.watching import SearchView, time_left
from fathom.data.folders import Sense
from fathom.data.schema import ImageInput
from fathom.data.tables import Table
from fathom.deployment.archive import save
from fathom.deployment.container import require_writable
from fathom.estimators import FathomClassifier, FathomRegressor
from fathom.training.monitor import Deadline


def go_on_with_files(
    before: FathomClassifier | FathomRegressor,
    options: TableOptions,
    time_limit: float,
    output: str,
    is_json: bool,
    began: float,
) -> int:
    """Train a network of pictures or recordings on; return the exit code."""
    described = before.schema_.input
    assert isinstance(described, ImageInput)
    sense: Sense = "images" if described.hearing is None else "sounds"
    table = None
    if sense_of_folder(options) is None:
        require_table(options)
        table, options = read_with_target(options)
    return train_on_files(table, sense, options, time_limit, output, is_json, began, before)


def train_on_files(
    table: Table | None,
    sense: Sense,
    options: TableOptions,
    time_limit: float,
    output: str | None,
    is_json: bool,
    began: float,
    before: FathomClassifier | FathomRegressor | None = None,
) -> int:
    """Find a network for files in a folder or named by a table; return the exit code."""
    screen, place = Screen(is_json), Path(output or "model.fathom")
    require_writable(place)
    if table is None:
        prepare_training("pictures")
        files = from_folder(options)
    else:
        column = file_column(table, options)
        assert column is not None
        if sense == "sounds" and is_transcript(table, options):
            prepare_engine()
            return _train_on_texts(screen, table, column[0], options, time_limit, place, began)
        prepare_training("pictures")
        files = from_table(table, column[0], options)
    if before is not None:
        require_same_target(before, files.target)
    introduce_files(screen, files, options, NOUNS[sense])
    spent = time.monotonic() - began
    left = time_left(time_limit, spent)
    stop = StopRequest(screen)
    with stop.listening():
        view, deadline = SearchView(screen, time_limit, stop, spent), Deadline(left)
        with view.shown():
            if sense == "sounds":
                model = train_sounds(
                    screen, files, options.seed, time_limit, view, deadline, before
                )
            else:
                model = train_pictures(
                    screen, files, options, time_limit, view, deadline, before
                )  # fmt: skip
        path = save(model, place)
        record_run(path, options, ".")
        seconds = time.monotonic() - began
        n = int((files.weight > 0).sum())
        conclude_files(screen, model, path, options, seconds, NOUNS[sense], n)
    return STOPPED if stop.is_asked else 0


def _train_on_texts(
    screen: Screen,
    table: Table,
    column: str,
    options: TableOptions,
    time_limit: float,
    place: Path,
    began: float,
) -> int:
    """Find a network that writes down recordings; return the exit code."""
    spent = time.monotonic() - began
    stop = StopRequest(screen)
    with stop.listening():
        view = SearchView(screen, time_limit, stop, spent)
        deadline = Deadline(time_left(time_limit, spent))
        with view.shown():
            model = train_transcriber(screen, table, column, options, time_limit, view, deadline)
        path = save(model, place)
        conclude_transcriber(screen, model, path, options, time.monotonic() - began)
    return STOPPED if stop.is_asked else 0
