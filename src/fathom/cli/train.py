"""The verb ``train``: from a table to a model, within the time that was promised.

What is needed only once a first network has learned is loaded then, and what is needed for
pictures, recordings, texts and files larger than the memory is loaded for those alone: see
docs/decisions/0033-the-first-epoch.md.
"""

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fathom.cli.engine import prepare_engine, prepare_training
from fathom.cli.introducing import introduce, show_columns, warn_of_little_time
from fathom.cli.screen import STOPPED, Screen, StopRequest, report_error
from fathom.cli.senses import (
    NOUNS,
    file_column,
    kinds_with_pictures,
    note_absent_pictures,
    sense_of_folder,
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
    require_table,
    started_at,
    take_apart,
)
from fathom.cli.unfinished import Unfinished
from fathom.cli.watching import SAVE_S, SearchView, time_left
from fathom.cli.workers import conclude_rounds, require_searchable, say_rounds
from fathom.data.parsing import ParsedTable
from fathom.data.schema import ImageInput, TableInput
from fathom.data.tables import Table
from fathom.data.text import TextEncoding
from fathom.data.textfiles import CLASS_COLUMN
from fathom.deployment.container import require_writable
from fathom.errors import InputError, TrainingError
from fathom.estimators.designing import (
    Given,
    Searched,
    class_weights,
    read_prose,
    refuse_compressed,
    search_anew,
    search_on,
    unit_mean,
)
from fathom.loading import load
from fathom.search.rounds import Rounds
from fathom.training.monitor import Deadline, Monitor

if TYPE_CHECKING:
    from fathom.estimators import FathomClassifier, FathomRegressor

SAVE_S_PER_CELL = 2e-8  # kept back for saving a table's model, beside what all need
AMPLE = 3.0  # times what starting took: with less, a search plans with what loading the rest leaves
REST = ("fathom.cli.concluding", "sklearn.ensemble")  # what comes after the first epoch


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
        from fathom.cli.streaming import require_streamable

        require_streamable(options, continued, rounds)
    before = None
    if continued is not None:
        require_searchable(rounds, "with --continue")
        before, options = earlier(Path(continued), options, "--continue")
        output = output or continued
        if isinstance(before.schema_.input, ImageInput):
            from fathom.cli.files import go_on_with_files

            return go_on_with_files(before, options, time_limit, output, is_json, began)
    sense = sense_of_folder(options)
    if sense is not None and sense in NOUNS:
        require_searchable(rounds, f"for {NOUNS[sense]}")
        from fathom.cli.files import train_on_files

        return train_on_files(None, sense, options, time_limit, output, is_json, began)
    options = _with_target_of_folder(options)
    require_table(options)
    place = Path(output or "model.fathom")
    refuse_overwriting(place, options.path)
    require_writable(place)
    screen = Screen(is_json)
    if memory is not None:
        done = _train_from_disk(screen, memory, options, place, time_limit, began)
        if done is not None:
            return done
    whole, options = read_with_target(options)
    if before is None:
        limits = time_limit, began
        done = _train_on_what_is_named(screen, whole, options, rounds, output, place, *limits)
        if done is not None:
            return done
    table = note_absent_pictures(take_apart(whole, options), options)
    return _train_on_table(
        screen, table, options, before, rounds, place, time_limit, began, whole.decimal
    )


def _with_target_of_folder(options: TableOptions) -> TableOptions:
    """Predict the classes of a folder of texts, where no target is named."""
    if options.target or not is_folder(options.path):
        return options
    # 0 to 9 in names of files are no amounts.
    is_by_name = options.names is not None and options.task == "auto"
    task = "classes" if is_by_name else options.task
    return replace(options, target=(CLASS_COLUMN,), task=task)


def _train_on_what_is_named(
    screen: Screen,
    whole: Table,
    options: TableOptions,
    rounds: Rounds | None,
    output: str | None,
    place: Path,
    time_limit: float,
    began: float,
) -> int | None:
    """Learn from pictures or recordings a table names; return the exit code, None without any."""
    if "picture" in kinds_with_pictures(whole, options).values():
        from fathom.cli.illustrated import take_illustrated, train_illustrated

        beside = take_illustrated(whole, options)
        if beside is not None:
            require_searchable(rounds, "for pictures in a table")
            given = to_given(beside.table, options)
            return train_illustrated(
                screen, given, beside, options, place, time_limit, began, whole.decimal
            )  # fmt: skip
    named = file_column(whole, options)
    if named is None:
        return None
    from fathom.cli.files import train_on_files

    require_searchable(rounds, f"for {NOUNS[named[1]]}")
    return train_on_files(whole, named[1], options, time_limit, output, screen.is_json, began)


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
        prepare_engine()  # alone: loops are of no use for texts, and would hold up the first steps
    else:
        prepare_training("rows")
    introduce(screen, table, options)
    if rounds is not None:
        say_rounds(screen, rounds)
    reserve = SAVE_S + SAVE_S_PER_CELL * table.features.height * table.features.width
    if time_limit < AMPLE * (time.monotonic() - began):
        load(*REST)
    spent = time.monotonic() - began
    left = time_left(time_limit, spent, reserve)
    warn_of_little_time(screen, time_limit, spent, left + reserve)
    stop = StopRequest(screen)
    safe = Unfinished(screen, place, options, decimal)
    with stop.listening():  # from here on there may be something to keep
        view, deadline = SearchView(screen, time_limit, stop, spent, _load_rest), Deadline(left)
        try:
            with view.shown():
                model = _find(
                    screen, table, given, options, before, prose, view, deadline, safe, rounds
                )
        except TrainingError:
            if not stop.is_asked:
                raise
            report_error("stopped before any network was trained; nothing is saved", screen.is_json)
            return STOPPED
        is_cut = stop.is_asked or deadline.remaining() <= 0
        model.time_limit = time_limit
        _conclude(screen, model, place, options, decimal, began, safe, is_of_texts=is_of_texts)
        if rounds is not None:
            conclude_rounds(screen, rounds, is_cut=is_cut)
    return STOPPED if stop.is_asked else 0


def _conclude(
    screen: Screen,
    model: "FathomClassifier | FathomRegressor",
    place: Path,
    options: TableOptions,
    decimal: str,
    began: float,
    safe: Unfinished,
    *,
    is_of_texts: bool,
) -> None:
    """Save a model in place of what was kept meanwhile, and say what it is."""
    from fathom.cli.concluding import conclude_search
    from fathom.cli.texts import conclude_texts
    from fathom.deployment.archive import save

    path = save(model, place)
    record_run(path, options, decimal)
    safe.remove()
    seconds = time.monotonic() - began
    if is_of_texts:
        conclude_texts(screen, model, path, options, seconds)
    else:
        conclude_search(screen, model, path, seconds, options)


def _train_from_disk(
    screen: Screen,
    memory: int,
    options: TableOptions,
    place: Path,
    time_limit: float,
    began: float,
) -> int | None:
    """Search on a sample of a file that does not fit into memory, train on over all of it.

    Return the exit code, None where the file does fit.
    """
    from fathom.cli.concluding import conclude_search, model_for
    from fathom.cli.streaming import large_rows, sample_rows, say_onward, search_and_go_on
    from fathom.deployment.archive import save

    with large_rows(options, memory) as rows:
        if rows is None:
            return None
        prepare_training("rows")
        table, options, places = sample_rows(screen, rows, options)
        given = to_given(table, options)
        introduce(screen, table, options)
        spent = time.monotonic() - began
        left = time_left(time_limit, spent)
        warn_of_little_time(screen, time_limit, spent, left + SAVE_S)
        stop = StopRequest(screen)
        with stop.listening():
            view, deadline = SearchView(screen, time_limit, stop, spent), Deadline(left)
            with view.shown():
                schema, onward = search_and_go_on(
                    screen, table, given, rows, places, options, view, deadline,
                    lambda columns: show_columns(screen, columns, None, is_new=True),
                )  # fmt: skip
            model = model_for(given.target, options.seed).restore_design(schema, onward.design)
            model.time_limit = time_limit
            path = save(model, place)
            say_onward(screen, onward, rows)
            seconds = time.monotonic() - began
            conclude_search(screen, model, path, seconds, options, can_go_on=False)
        return STOPPED if stop.is_asked else 0


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
    from fathom.deployment.archive import load as load_model

    model = load_model(path)
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
) -> "FathomClassifier | FathomRegressor":
    """Find networks for a table, and return the model they make."""
    if prose is not None or is_model_of_texts(before):
        from fathom.cli.texts import train_texts

        return train_texts(screen, table, given, options, before, prose, view, deadline)
    found = _search(screen, table, given, options, before, view, deadline, safe, rounds)
    from fathom.cli.concluding import model_for

    return model_for(given.target, options.seed).restore_design(found.schema, found.design)


def _load_rest() -> None:
    """Load what saving and saying takes while networks train, so that the end need not wait."""
    threading.Thread(target=load, args=REST, name="fathom-loading", daemon=True).start()
