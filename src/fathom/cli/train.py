"""The verb ``train``: from a table to a model, within the time that was promised."""

import shlex
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from fathom.cli.engine import prepare_engine
from fathom.cli.screen import LINE_SECONDS, STOPPED, Screen, StopRequest
from fathom.cli.tables import (
    TableOptions,
    TrainingTable,
    is_address,
    join_run,
    read,
    recall_run,
    record_run,
    refuse_overwriting,
    shown_notes,
    shown_path,
    split_names,
    started_at,
    take_apart,
)
from fathom.data.cells import listing
from fathom.data.schema import TableInput
from fathom.deployment.archive import load, save
from fathom.deployment.container import require_writable
from fathom.errors import InputError
from fathom.estimators import FathomClassifier, FathomRegressor
from fathom.estimators.base import unit_mean
from fathom.estimators.designing import Given, Searched, class_weights, search_anew, search_on
from fathom.search.report import Report
from fathom.training.history import Epoch, Event
from fathom.training.monitor import Deadline, Monitor

SAVE_S, SAVE_S_PER_CELL = 0.5, 2e-8  # kept back for saving and leaving
LEAST_S = 1.0  # of training, whatever is left


def run_train(
    options: TableOptions,
    time_limit: float,
    output: str | None,
    continued: str | None,
    is_json: bool,
) -> int:
    """Read, search, save, say what was found; return the exit code."""
    began = started_at()
    check_numbers(time_limit, options.seed)
    before = None
    if continued is not None:
        before, options = _earlier(Path(continued), options)
    if not options.path:
        raise InputError("a table to learn from", got="none", hint="fathom train TABLE.csv")
    if not options.target:
        raise InputError("--target, the column to predict", got="none")
    place = Path(output or continued or "model.fathom")
    refuse_overwriting(place, options.path)
    require_writable(place)
    screen = Screen(is_json)
    stop = StopRequest(screen)
    with stop.listening():
        prepare_engine()
        whole = read(options)
        options = replace(options, target=split_names(options.target, whole.frame.columns))
        table = take_apart(whole, options)
        given = _given(table, options)
        _introduce(screen, table, options)
        reserve = SAVE_S + SAVE_S_PER_CELL * table.features.height * table.features.width
        left = time_limit - (time.monotonic() - began) - reserve
        view = SearchView(screen, max(left, LEAST_S), stop)
        deadline = Deadline(max(left, LEAST_S))
        with view.shown():
            found = _search(screen, table, given, options, before, view, deadline)
        model = _model(found, options, time_limit)
        path = save(model, place)
        record_run(path, options, whole.decimal)
        _conclude(screen, found.design.report, path, time.monotonic() - began, options)
    return STOPPED if stop.is_asked else 0


def check_numbers(time_limit: float, seed: int) -> None:
    """Refuse a time limit or a seed that cannot be one.

    Raises
    ------
    InputError
        If it is out of range.
    """
    if not 0 < time_limit < float("inf"):
        raise InputError("--time-limit above 0, in seconds", got=f"{time_limit:g}")
    if not 0 <= seed < 2**32:
        raise InputError("--seed from 0 to 4,294,967,295", got=f"{seed}")


def _earlier(path: Path, options: TableOptions) -> tuple[Any, TableOptions]:
    """Return the model to go on with, and what it was trained on."""
    model = load(path)
    if not isinstance(model.schema_.input, TableInput):
        raise InputError("a model of a table to continue", got=f"{path}, which is none")
    known = recall_run(path)
    if known is None and (not options.path or not options.target):
        raise InputError(
            "the table a model was trained on", got=f"no record of it for {path}",
            hint=f"name it: fathom train TABLE --target COLUMN --continue {path}",
        )  # fmt: skip
    if known is not None:
        return model, join_run(known, options)
    if options.kinds:
        raise InputError("--kind where a search begins", got="--kind with --continue")
    return model, options


def _given(table: TrainingTable, options: TableOptions) -> Given:
    weight = np.ones(len(table.y)) if table.weight is None else table.weight
    if options.class_weight is not None:
        if table.target.task != "classes":
            raise InputError("--class-weight for classes only", got=table.target.task)
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
) -> Searched:
    if before is not None:
        _show_columns(screen, before.schema_.input, is_new=False)
        return search_on(
            table.features, given, before.schema_, before.design_, monitor=view, deadline=deadline
        )
    kinds: Any = options.kinds
    return search_anew(
        table.features, given, kinds, has_names=not options.no_header, seed=options.seed,
        monitor=view, deadline=deadline,
        tell=lambda columns: _show_columns(screen, columns, is_new=True),
    )  # fmt: skip


def _model(
    found: Searched, options: TableOptions, time_limit: float
) -> FathomClassifier | FathomRegressor:
    is_numbers = found.schema.target.task == "numbers"
    kind = FathomRegressor if is_numbers else FathomClassifier
    model = kind(time_limit=time_limit, random_state=options.seed)
    return model.restore_design(found.schema, found.design)


def _introduce(screen: Screen, table: TrainingTable, options: TableOptions) -> None:
    target, name = table.target, ", ".join(options.target)
    what = {
        "classes": f"one of {len(target.classes)} classes",
        "labels": f"{target.n_outputs} labels, each yes or no",
        "numbers": "a number" if target.n_outputs == 1 else f"{target.n_outputs} numbers",
    }[target.task]
    rows, columns = table.features.shape
    screen.emit(
        "data", file=shown_path(options.path), rows=rows, columns=columns,
        target=list(options.target), task=target.task, classes=len(target.classes),
        notes=list(table.notes),
    )  # fmt: skip
    shown = options.path if is_address(options.path) else Path(options.path).name
    screen.say(f"{shown_path(shown)}: {rows:,} rows, {columns:,} columns; {name} is {what}")
    for line in shown_notes(table.notes):
        screen.say(line)


def _show_columns(screen: Screen, table: TableInput, *, is_new: bool) -> None:
    """Say what each column was taken for, names by kind."""
    screen.emit(
        "columns",
        columns=[{"name": c.name, "kind": c.kind, "reason": c.reason} for c in table.columns],
    )
    names: dict[str, list[str]] = {}
    for column in table.columns:
        if column.is_used:
            names.setdefault(column.kind.replace("_", "/"), []).append(column.name)
        else:
            shown = f"{column.name} ({column.kind})"
            names.setdefault("left out", []).append(shown)
    for kind in sorted(names, key=lambda kind: kind == "left out"):
        screen.say(f"  {kind:<10}  {listing(names[kind])}")
    if is_new:
        screen.say("  (overrule with --kind COLUMN=KIND, for example --kind year=category)")


def _conclude(
    screen: Screen,
    report: Report,
    path: Path,
    seconds: float,
    options: TableOptions,
) -> None:
    if report.notes:
        screen.say()
        screen.say("Worth knowing:")
        for line in shown_notes(report.notes):
            screen.say(line)
    screen.say()
    for line in report.words():
        screen.say(line)
    shown, name = shlex.quote(shown_path(options.path)), shlex.quote(str(path))
    screen.say()
    screen.say(f"Saved as {path} after {seconds:.1f} s. Next:")
    screen.say(f"  fathom predict {name} {shown} --output predictions.csv")
    screen.say(f"  fathom evaluate {name} NEW_ROWS.csv")
    screen.say(f"  fathom train --continue {name} --time-limit 60")
    screen.emit("report", **report.model_dump(mode="json"), words=list(report.words()))
    screen.emit(
        "done", metric=report.loss_name, score=report.validation_loss,
        seconds=round(seconds, 3), output=str(path),
    )  # fmt: skip


class SearchView(Monitor):
    """Shows a search as it goes on.

    Parameters
    ----------
    screen : Screen
        Where to.
    seconds : float
        Seconds it will take.
    stop : StopRequest
        Asked whether to go on.
    """

    def __init__(self, screen: Screen, seconds: float, stop: StopRequest) -> None:
        self._screen, self._stop, self._seconds = screen, stop, seconds
        self._lock, self._spoke, self._is_over = threading.Lock(), 0.0, False
        self._began = time.monotonic()
        self._best: dict[int, float] = {}
        self._progress = Progress(
            SpinnerColumn(),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[detail]}", markup=False),
            console=screen.console,
            disable=screen.is_json or not screen.console.is_terminal,
            transient=True,
        )
        self._task = self._progress.add_task("train", total=seconds, detail="first networks …")

    @contextmanager
    def shown(self) -> Iterator["SearchView"]:
        """Keep the progress on the screen while inside; what comes later is not shown."""
        try:
            with self._progress:
                yield self
        finally:
            with self._lock:
                self._is_over = True  # a thread that was not waited for may still speak

    def should_stop(self) -> bool:
        """Tell whether the user asked to stop."""
        return self._stop.is_asked

    def on_epoch(self, start: int, epoch: Epoch) -> None:
        """Show an epoch of a candidate."""
        with self._lock:
            if self._is_over:
                return
            self._screen.emit("epoch", network=start + 1, **epoch.model_dump())
            loss = epoch.validation_loss
            if loss is not None:
                self._best[start] = min(loss, self._best.get(start, loss))
            spent = time.monotonic() - self._began
            n = max(len(self._best), 1)
            detail = f"{min(spent, self._seconds):3.0f} of {self._seconds:.0f} s  {n} network"
            detail += "s" * (n > 1)
            if self._best:
                detail += f"  best loss on held-out rows {min(self._best.values()):.4f}"
            self._progress.update(self._task, completed=spent, detail=detail)
            is_due = time.monotonic() - self._spoke >= 5 * LINE_SECONDS
            if not self._screen.console.is_terminal and is_due:
                self._spoke = time.monotonic()
                self._screen.say(detail)

    def on_event(self, start: int, event: Event) -> None:
        """Show what is out of the ordinary."""
        with self._lock:
            if self._is_over:
                return
            self._screen.emit("note", network=start + 1, **event.model_dump())
