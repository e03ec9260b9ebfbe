"""The verb ``train``: from a table to a model, within the time that was promised."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fathom.cli.combinations import say_held_out
from fathom.cli.engine import prepare_engine, prepare_training
from fathom.cli.illustrated import note_absent_pictures, take_illustrated, train_illustrated
from fathom.cli.introducing import introduce, show_columns, warn_of_little_time
from fathom.cli.pictures import (
    conclude_files,
    file_column,
    from_folder,
    from_table,
    introduce_files,
    require_same_target,
    sense_of_folder,
    train_pictures,
)
from fathom.cli.screen import STOPPED, Screen, StopRequest, report_error
from fathom.cli.sounds import train_sounds
from fathom.cli.streaming import (
    LargeRows,
    large_rows,
    require_streamable,
    sample_rows,
    say_onward,
    search_and_go_on,
)
from fathom.cli.tables import (
    TableOptions,
    TrainingTable,
    is_folder,
    join_run,
    read_with_target,
    recall_run,
    record_run,
    refuse_overwriting,
    say_saved,
    shown_notes,
    started_at,
    take_apart,
)
from fathom.cli.texts import conclude_texts
from fathom.cli.transcripts import conclude_transcriber, is_transcript, train_transcriber
from fathom.cli.unfinished import Unfinished
from fathom.cli.watching import SearchView
from fathom.cli.workers import conclude_rounds, require_searchable, say_rounds
from fathom.data.folders import Sense
from fathom.data.parsing import ParsedTable, join_texts
from fathom.data.schema import ImageInput, TableInput
from fathom.data.tables import Table
from fathom.data.text import TextEncoding
from fathom.data.textfiles import CLASS_COLUMN
from fathom.deployment.archive import load, save
from fathom.deployment.container import require_writable
from fathom.errors import InputError, TrainingError
from fathom.estimators import FathomClassifier, FathomRegressor
from fathom.estimators.base import unit_mean
from fathom.estimators.designing import (
    Given,
    Searched,
    class_weights,
    refuse_compressed,
    search_anew,
    search_on,
)
from fathom.estimators.prose import FoundForTexts, go_on_with_texts, read_prose, search_texts
from fathom.search.report import Report
from fathom.search.rounds import Rounds
from fathom.training.monitor import Deadline, Monitor

SAVE_S, SAVE_S_PER_CELL = 0.5, 2e-8  # kept back for saving and leaving
LEAST_S = 1.0  # of training, whatever is left
NOUNS: dict[Sense, str] = {"images": "pictures", "sounds": "recordings"}


def run_train(
    options: TableOptions,
    time_limit: float,
    output: str | None,
    continued: str | None,
    is_json: bool,
    rounds: Rounds | None = None,
    memory: int | None = None,
) -> int:
    """Read, search, save, say what was found; return the exit code."""
    began = started_at()
    check_numbers(time_limit, options.seed)
    if memory is not None:
        require_streamable(options, continued, rounds)
    before = None
    if continued is not None:
        require_searchable(rounds, "with --continue")
        before, options = earlier(Path(continued), options, "--continue")
        output = output or continued
        if isinstance(before.schema_.input, ImageInput):
            return _go_on_with_files(before, options, time_limit, output, is_json, began)
    sense = sense_of_folder(options)
    if sense is not None and sense in NOUNS:
        require_searchable(rounds, f"for {NOUNS[sense]}")
        return _train_on_files(None, sense, options, time_limit, output, is_json, began)
    if not options.target and is_folder(options.path):
        options = replace(options, target=(CLASS_COLUMN,))
        if options.names is not None and options.task == "auto":
            options = replace(options, task="classes")  # 0 to 9 in names of files are no amounts
    require_table(options)
    place = Path(output or "model.fathom")
    refuse_overwriting(place, options.path)
    require_writable(place)
    screen = Screen(is_json)
    prepare_engine()
    with large_rows(options, memory) as rows:
        if rows is not None:
            return _train_from_disk(screen, rows, options, place, time_limit, began)
    whole, options = read_with_target(options)
    beside = None if before is not None else take_illustrated(whole, options)
    if beside is not None:
        require_searchable(rounds, "for pictures in a table")
        given = to_given(beside.table, options)
        return train_illustrated(
            screen, given, beside, options, place, time_limit, began, whole.decimal
        )  # fmt: skip
    named = None if before is not None else file_column(whole, options)
    if named is not None:
        require_searchable(rounds, f"for {NOUNS[named[1]]}")
        return _train_on_files(whole, named[1], options, time_limit, output, is_json, began)
    table = note_absent_pictures(take_apart(whole, options), options)
    return _train_on_table(
        screen, table, options, before, rounds, place, time_limit, began, whole.decimal
    )


def _train_on_table(
    screen: Screen,
    table: TrainingTable,
    options: TableOptions,
    before: Any,
    rounds: Rounds | None,
    place: Path,
    time_limit: float,
    began: float,
    decimal: str,
) -> int:
    """Find networks for a table or for texts in it; return the exit code."""
    given = to_given(table, options)
    is_plain = before is None and not given.target.factors
    prose = _read_prose(table, options) if is_plain else None
    is_of_texts = prose is not None or is_model_of_texts(before)
    if is_of_texts:
        require_searchable(rounds, "for texts")
    else:
        prepare_training("rows")  # of no use for texts, whose first steps they would hold up
    introduce(screen, table, options)
    if rounds is not None:
        say_rounds(screen, rounds)
    reserve = SAVE_S + SAVE_S_PER_CELL * table.features.height * table.features.width
    spent = time.monotonic() - began
    left = max(time_limit - spent - reserve, LEAST_S)
    warn_of_little_time(screen, time_limit, spent, left + reserve)
    stop = StopRequest(screen)
    safe = Unfinished(screen, place, options, decimal)
    with stop.listening():  # from here on there may be something to keep
        view, deadline = SearchView(screen, time_limit, stop, spent), Deadline(left)
        try:
            with view.shown():
                model = _find(
                    screen, table, given, options, before, prose, view, deadline, safe, rounds
                )
        except TrainingError:
            if not stop.is_asked:
                raise
            text = "stopped before any network was trained; nothing is saved"
            report_error(text, screen.is_json)
            return STOPPED
        is_cut = stop.is_asked or deadline.remaining() <= 0
        model.time_limit = time_limit
        path = save(model, place)
        record_run(path, options, decimal)
        safe.remove()
        seconds = time.monotonic() - began
        if is_of_texts:
            conclude_texts(screen, model, path, options, seconds)
        else:
            _conclude(screen, model, path, seconds, options)
        if rounds is not None:
            conclude_rounds(screen, rounds, is_cut=is_cut)
    return STOPPED if stop.is_asked else 0


def _train_from_disk(
    screen: Screen,
    rows: LargeRows,
    options: TableOptions,
    place: Path,
    time_limit: float,
    began: float,
) -> int:
    """Search on a sample, train on over the whole file; return the exit code."""
    prepare_training("rows")
    table, options, places = sample_rows(screen, rows, options)
    given = to_given(table, options)
    introduce(screen, table, options)
    spent = time.monotonic() - began
    left = max(time_limit - spent - SAVE_S, LEAST_S)
    warn_of_little_time(screen, time_limit, spent, left + SAVE_S)
    stop = StopRequest(screen)
    with stop.listening():
        view, deadline = SearchView(screen, time_limit, stop, spent), Deadline(left)
        with view.shown():
            schema, onward = search_and_go_on(
                screen, table, given, rows, places, options, view, deadline,
                lambda columns: show_columns(screen, columns, None, is_new=True),
            )  # fmt: skip
        kind = FathomRegressor if given.target.task == "numbers" else FathomClassifier
        model = kind(random_state=options.seed, time_limit=time_limit)
        path = save(model.restore_design(schema, onward.design), place)
        say_onward(screen, onward, rows)
        seconds = time.monotonic() - began
        _conclude(screen, model, path, seconds, options, can_go_on=False)
    return STOPPED if stop.is_asked else 0


def _go_on_with_files(
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
    return _train_on_files(table, sense, options, time_limit, output, is_json, began, before)


def _train_on_files(
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
    left = max(time_limit - spent - SAVE_S, LEAST_S)
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
        conclude_files(screen, model, path, options, seconds, NOUNS[sense])
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
        deadline = Deadline(max(time_limit - spent - SAVE_S, LEAST_S))
        with view.shown():
            model = train_transcriber(screen, table, column, options, time_limit, view, deadline)
        path = save(model, place)
        conclude_transcriber(screen, model, path, options, time.monotonic() - began)
    return STOPPED if stop.is_asked else 0


def require_table(options: TableOptions) -> None:
    """Refuse to learn without a table or a target.

    Raises
    ------
    InputError
        If either is not named.
    """
    if not options.path:
        hint = "fathom train TABLE.csv --target COLUMN"
        raise InputError("a table to learn from", got="none", hint=hint)
    if not options.target:
        hint = "name a column of the table: --target COLUMN"
        raise InputError("--target, the column to predict", got="none", hint=hint)


def check_numbers(time_limit: float, seed: int) -> None:
    """Refuse a time limit or a seed that cannot be one.

    Raises
    ------
    InputError
        If it is out of range.
    """
    if not 0 < time_limit < float("inf"):
        hint = "--time-limit 60 gives a minute"
        raise InputError("--time-limit above 0, in seconds", got=f"{time_limit:g}", hint=hint)
    if not 0 <= seed < 2**32:
        raise InputError("--seed from 0 to 4,294,967,295", got=f"{seed}")


def earlier(path: Path, options: TableOptions, flag: str) -> tuple[Any, TableOptions]:
    """Return the model to go on with or to replay, as the flag says, and what it was trained on.

    Raises
    ------
    InputError
        If it is no model of a table, of pictures, recordings or texts, or what it was trained on is
        not known.
    """
    model = load(path)
    described = model.schema_.input
    is_of_files = isinstance(described, ImageInput) and described.is_photo
    is_apart = is_of_files or is_model_of_texts(model)
    can_go_on = is_apart and flag == "--continue" and hasattr(model, "networks_")
    if not hasattr(model, "design_") and not can_go_on:
        raise InputError(
            f"a model of a table for {flag}, or of pictures, recordings or texts for --continue",
            got=f"{path}, which is none",
        )  # fmt: skip
    refuse_compressed(model, f"for {flag}")
    known = recall_run(path)
    if known is None and (not options.path or not (options.target or is_of_files)):
        raise InputError(
            "the table a model was trained on", got=f"no record of it for {path}",
            hint=f"name it: fathom train TABLE --target COLUMN {flag} {path}",
        )  # fmt: skip
    if known is not None:
        return model, join_run(known, options)
    if options.kinds:
        raise InputError("--kind where a search begins", got=f"--kind with {flag}")
    return model, options


def to_given(table: TrainingTable, options: TableOptions) -> Given:
    """Return what a search is given besides the features."""
    weight = np.ones(len(table.y)) if table.weight is None else table.weight
    if options.class_weight is not None:
        if table.target.task != "classes" or table.target.factors:
            got = "several factors" if table.target.factors else table.target.task
            hint = "--prior uniform, in predict, gives rare ones their due" * bool(
                table.target.factors
            )
            raise InputError("--class-weight for one column of classes", got=got, hint=hint)
        weight = weight * class_weights(table.y, table.target.classes, options.class_weight)
    return Given(table.target, table.y, unit_mean(weight), table.groups, table.order)


def _search(
    screen: Screen,
    table: TrainingTable,
    given: Given,
    options: TableOptions,
    before: Any,
    view: Monitor,
    deadline: Deadline,
    safe: Unfinished,
    rounds: Rounds | None,
) -> Searched:
    if before is not None:
        show_columns(screen, before.schema_.input, options.time, is_new=False)
        return search_on(
            table.features, given, before.schema_, before.design_, monitor=view, deadline=deadline,
            keep=safe.keep,
        )  # fmt: skip
    kinds: Any = options.kinds
    return search_anew(
        table.features, given, kinds, has_names=not options.no_header, seed=options.seed,
        monitor=view, deadline=deadline, keep=safe.keep, executor=rounds,
        tell=lambda columns: show_columns(screen, columns, options.time, is_new=True),
    )  # fmt: skip


def is_model_of_texts(model: Any) -> bool:
    """Tell whether a model, if there is one, is one of texts."""
    return isinstance(getattr(model, "encoding_", None), TextEncoding)


def _read_prose(
    table: TrainingTable, options: TableOptions
) -> tuple[TableInput, ParsedTable] | None:
    kinds: Any = options.kinds
    return read_prose(table.features, kinds, has_names=not options.no_header)


def _find(
    screen: Screen,
    table: TrainingTable,
    given: Given,
    options: TableOptions,
    before: Any,
    prose: tuple[TableInput, ParsedTable] | None,
    view: Monitor,
    deadline: Deadline,
    safe: Unfinished,
    rounds: Rounds | None,
) -> FathomClassifier | FathomRegressor:
    """Find networks for a table, and return the model they make."""
    kind = FathomRegressor if given.target.task == "numbers" else FathomClassifier
    model = kind(random_state=options.seed)
    if is_model_of_texts(before):
        require_same_target(before, given.target)
        texts = join_texts(before._parse_rows(table.features))
        watch: dict[str, Any] = {"monitor": view, "deadline": deadline}
        found_so_far = FoundForTexts.of(before)
        return model.restore(
            *go_on_with_texts(found_so_far, texts, given.y, given.weight, **watch)
        )  # fmt: skip
    if prose is None:
        found = _search(screen, table, given, options, before, view, deadline, safe, rounds)
        return model.restore_design(found.schema, found.design)
    show_columns(screen, prose[0], options.time, is_new=True)
    return model.restore(
        *search_texts(
            join_texts(prose[1]), given.y, prose[0], given.target, given.weight, options.seed,
            monitor=view, deadline=deadline,
        )
    )  # fmt: skip


def _conclude(
    screen: Screen,
    model: FathomClassifier | FathomRegressor,
    path: Path,
    seconds: float,
    options: TableOptions,
    *,
    can_go_on: bool = True,
) -> None:
    report: Report = model.report_
    if report.notes:
        screen.say()
        screen.say("Worth knowing:")
        for line in shown_notes(report.notes):
            screen.say(line)
    screen.say()
    for line in report.words():
        screen.say(line)
    say_held_out(screen, model)
    screen.say(f"The search ended: {report.stopped}.")
    further = ("fathom train --continue {name} --time-limit 60",) if can_go_on else ()
    say_saved(screen, path, options.path, seconds, "NEW_ROWS.csv", *further)
    screen.emit("report", **report.model_dump(mode="json"), words=list(report.words()))
    metric, score = report.headline
    each = {one.output: one.value for one in report.scores if one.output}
    screen.emit(
        "done", metric=metric, score=score, **({"rmse": each} if each else {}),
        seconds=round(seconds, 3), output=str(path),
    )  # fmt: skip
