"""The verb ``compare``: Fathom and what one would otherwise pick, on the same rows."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from rich.table import Table as RichTable
from rich.text import Text

from fathom.cli.engine import prepare_engine
from fathom.cli.screen import STOPPED, Screen, StopRequest, printable
from fathom.cli.senses import folder_of
from fathom.cli.tables import (
    TableOptions,
    TrainingTable,
    read_with_target,
    shown_notes,
    started_at,
    take_apart,
)
from fathom.cli.train import check_numbers
from fathom.cli.watching import SearchView
from fathom.data.cells import listing
from fathom.data.columns import infer_columns
from fathom.data.combinations import combinations_of
from fathom.data.pictures import find_picture_columns, place_paths
from fathom.data.schema import ColumnKind, Label, Target
from fathom.data.splitting import hold_out
from fathom.errors import InputError
from fathom.estimators import FathomClassifier, FathomRegressor
from fathom.estimators.evaluation import Evaluation, Metric, evaluate_classes, evaluate_numbers
from fathom.estimators.peers import OPTIONAL, PEER_NAMES, make_peers

SHOWN = {
    "classes": ("log loss", "accuracy", "ROC AUC"),
    "numbers": ("RMSE", "MAE", "R²"),
}
SHOWN_OF_FACTORS = ("log loss", "accuracy", "balanced accuracy")  # the mean over combinations
WIDE = 120  # letters of a line that hold every interval


@dataclass(frozen=True)
class Outcome:
    """How one system did."""

    name: str
    evaluation: Evaluation | None
    fit_seconds: float
    predict_seconds: float
    reason: str = ""
    notes: tuple[str, ...] = ()

    @property
    def rank_key(self) -> float:
        """The metric outcomes are sorted by; infinite for a system that failed."""
        if self.evaluation is None:
            return float("inf")
        value = self.evaluation[SHOWN[self.evaluation.task][0]].value
        return float("inf") if value is None else value


def run_compare(
    options: TableOptions,
    time_limit: float,
    names: list[str] | None,
    test_share: float,
    is_json: bool,
) -> int:
    """Split, train everyone, test everyone, show; return the exit code."""
    began = started_at()
    check_numbers(time_limit, options.seed)
    if not 0.01 <= test_share <= 0.9:
        raise InputError("--test-share from 0.01 to 0.9", got=f"{test_share:g}")
    screen = Screen(is_json)
    stop = StopRequest(screen)
    with stop.listening():
        prepare_engine()
        table, pictures = _read_comparable(options)
        training, test = _divide(table, test_share, options.seed)
        unseen: dict[str, ColumnKind] = dict.fromkeys(pictures, "identifier")
        columns, notes = infer_columns(table.features[training], unseen)
        if pictures:
            notes += (f"Fathom alone sees the pictures that {listing(pictures)} names",)
        task: Any = table.target.task
        peers = make_peers(task, columns, names, seed=options.seed)
        _introduce(screen, table, len(training), len(test), (*table.notes, *notes))
        systems: dict[str, Any] = {"Fathom": _fathom(table.target, time_limit, options.seed)}
        outcomes: list[Outcome] = []
        for name, system in {**systems, **peers}.items():
            if stop.is_asked:
                break
            screen.say(f"{name} …")
            fit = _fitter(screen, stop, name, time_limit)
            outcomes.append(_try(name, system, fit, table, training, test))
            _emit(screen, outcomes[-1])
        outcomes.sort(key=lambda outcome: outcome.rank_key)
        _show(screen, outcomes, table.target, len(test))
        for name in PEER_NAMES if names is None else ():
            if name not in peers:
                screen.say(f"{name} is not installed: pip install {OPTIONAL[name]}")
        _emit_end(screen, outcomes, table.target, time.monotonic() - began)
    return STOPPED if stop.is_asked else 0


def _divide(table: TrainingTable, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that all learn from, and those that all are tested on."""
    classes = table.y if table.target.task == "classes" else None
    training, test = hold_out(len(table.y), share, seed, classes)
    if test is None:
        raise InputError(
            "enough rows to test on", got=f"{len(table.y)} rows",
            hint="add rows, or give a larger --test-share",
        )  # fmt: skip
    return training, test


def _read_comparable(options: TableOptions) -> tuple[TrainingTable, tuple[str, ...]]:
    """Read a table with one target that all can predict, and say which columns name pictures."""
    whole, options = read_with_target(options)
    table = take_apart(whole, options)
    if len(options.target) != 1 and not table.target.factors:
        raise InputError(
            "one column to compare on, or several of classes", got=f"{len(options.target)} columns",
            hint="--target COLUMN with one name",
        )  # fmt: skip
    folder = folder_of(options.path)
    named = find_picture_columns(table.features, (), folder)[0]
    table = replace(table, features=place_paths(table.features, named, folder)[0])
    if table.target.task == "labels":
        raise InputError(
            "a target of classes or numbers to compare on", got="labels of 0 and 1",
            hint="--task classes, with one column",
        )  # fmt: skip
    return table, tuple(named)


def _fathom(target: Target, time_limit: float, seed: int) -> Any:
    kind = FathomRegressor if target.task == "numbers" else FathomClassifier
    model = kind(time_limit=time_limit, random_state=seed)
    return _Factored(model, target) if target.factors else model


class _Factored:
    """Fathom on several factors, asked as the others are: by the numbers of combinations seen."""

    def __init__(self, model: Any, target: Target) -> None:
        self._model, self._target = model, target

    def fit(self, frame: pl.DataFrame, y: np.ndarray, monitor: Any = None) -> None:
        """Learn each factor of its own, and what they make together."""
        found = combinations_of(self._target)
        numbers = found.every[found.seen_at[y]]
        names = [[str(label) for label in factor.classes] for factor in self._target.factors]
        columns = {
            factor.name: pl.Series(names[j]).gather(numbers[:, j])
            for j, factor in enumerate(self._target.factors)
        }
        self._model.fit(frame, pl.DataFrame(columns), monitor=monitor)

    def predict_places(self, frame: pl.DataFrame) -> np.ndarray:
        """Return the probability of every combination of the table, seen in training or not."""
        p = self._model.predict_combination_proba(frame)
        places = {name: place for place, name in enumerate(combinations_of(self._target).names)}
        known = combinations_of(self._model.schema_.target).names
        shares = np.zeros((len(p), len(places)))
        shares[:, [places[name] for name in known]] = p
        return shares


def _fitter(
    screen: Screen, stop: StopRequest, name: str, time_limit: float
) -> Callable[[Any, pl.DataFrame, np.ndarray], None]:
    def fit(system: Any, frame: pl.DataFrame, y: np.ndarray) -> None:
        if name != "Fathom":
            system.fit(frame, y)
            return
        view = SearchView(screen, time_limit, stop)
        with view.shown():
            system.fit(frame, y, monitor=view)

    return fit


def _try(
    name: str,
    system: Any,
    fit: Callable[[Any, pl.DataFrame, np.ndarray], None],
    table: TrainingTable,
    training: np.ndarray,
    test: np.ndarray,
) -> Outcome:
    """Fit and test one system; a failure is an outcome too."""
    began = time.monotonic()
    is_classes = table.target.task == "classes"
    y = table.y if is_classes else table.y.reshape(len(table.y), -1)[:, 0]
    try:
        fit(system, table.features[training], y[training])
        fitted = time.monotonic()
        if is_classes:
            shares = _ask(system, table.features[test], table.target)
        else:
            found = system.predict(table.features[test])
        predicted = time.monotonic()
    except Exception as error:  # every library has errors of its own
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        return Outcome(name, None, time.monotonic() - began, 0.0, reason)
    evaluation = (
        evaluate_classes(_places(y[test], table.target), shares, _judged(table.target))
        if is_classes
        else evaluate_numbers(y[test], found)
    )
    notes = tuple(getattr(system, "notes_", ()))
    return Outcome(name, evaluation, fitted - began, predicted - fitted, notes=notes)


def _ask(system: Any, features: pl.DataFrame, target: Target) -> np.ndarray:
    """Return what a system gives each class, or of factors every combination."""
    if isinstance(system, _Factored):
        return system.predict_places(features)
    found = system.predict_proba(features)
    shares = np.zeros((len(found), len(_judged(target))))
    shares[:, _places(np.asarray(system.classes_, int), target)] = found
    return shares


def _judged(target: Target) -> Sequence[Label]:
    """Return what is told apart: classes, or of factors every combination, seen or not."""
    return combinations_of(target).names if target.factors else target.classes


def _places(numbers: np.ndarray, target: Target) -> np.ndarray:
    """Return where numbers of classes stand in what is told apart."""
    return combinations_of(target).seen_at[numbers] if target.factors else numbers


def _introduce(
    screen: Screen, table: TrainingTable, n_train: int, n_test: int, notes: tuple[str, ...]
) -> None:
    screen.emit("data", train=n_train, test=n_test, task=table.target.task, notes=list(notes))
    screen.say(f"Everyone learns from the same {n_train:,} rows and is tested on {n_test:,} others")
    for line in shown_notes(notes):
        screen.say(line)


def _as_event(outcome: Outcome) -> dict[str, Any]:
    metrics = outcome.evaluation.metrics if outcome.evaluation else ()
    return {
        "system": outcome.name,
        "metrics": {m.name: [m.value, m.low, m.high] for m in metrics},
        "fit_seconds": round(outcome.fit_seconds, 3),
        "predict_seconds": round(outcome.predict_seconds, 3),
        "failure": outcome.reason,
        "notes": list(outcome.notes),
    }


def _emit(screen: Screen, outcome: Outcome) -> None:
    screen.emit("result", **_as_event(outcome))
    if outcome.evaluation is None:
        screen.say(f"  {outcome.name} failed: {outcome.reason}")
    for note in outcome.notes:
        screen.say(f"  {outcome.name}: {note}")


def _emit_end(screen: Screen, outcomes: list[Outcome], target: Target, seconds: float) -> None:
    """Tell programs who was best, and all that was found."""
    best = outcomes[0] if outcomes else None
    metric = SHOWN[target.task][0]
    score = best.evaluation[metric].value if best and best.evaluation else None
    screen.emit(
        "done", best=best.name if best else None, metric=metric, score=score,
        seconds=round(seconds, 3), output=None,
        results=[_as_event(outcome) for outcome in outcomes],
    )  # fmt: skip


def _show(screen: Screen, outcomes: list[Outcome], target: Target, n_test: int) -> None:
    """Show a table, the best first, with intervals as far as they fit."""
    names = SHOWN_OF_FACTORS if target.factors else SHOWN[target.task]
    width = screen.console.width if screen.console.is_terminal else WIDE
    n_intervals = len(names) if width >= WIDE else 1
    title = f"Best first; in brackets the 95 % interval, as far as {n_test:,} test rows tell"
    shown = RichTable(title=title, title_justify="left")
    shown.add_column("")
    for name in names:
        shown.add_column(name, justify="right")
    shown.add_column("seconds", justify="right")
    for outcome in outcomes:
        if outcome.evaluation is None:
            continue
        cells = [
            _cell(outcome.evaluation[name], has_interval=place < n_intervals)
            for place, name in enumerate(names)
        ]
        style = "bold" if outcome.name == "Fathom" else ""
        cells = [printable(outcome.name), *cells, f"{outcome.fit_seconds:.1f}"]
        shown.add_row(*(Text(cell) for cell in cells), style=style)
    screen.console.width = width
    screen.console.print(shown)


def _cell(metric: Metric, *, has_interval: bool) -> str:
    if metric.value is None:
        return "–"
    if not has_interval or metric.low is None or metric.high is None:
        return _four(metric.value)
    return f"{_four(metric.value)} [{_four(metric.low)}, {_four(metric.high)}]"


def _four(value: float) -> str:
    """Return four digits, zeros at the end included, so that columns can be compared."""
    return f"{value:#.4g}".rstrip(".")
