"""The verb ``depth``: what more hidden layers buy on the data at hand."""

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from fathom.cli.engine import prepare_engine
from fathom.cli.screen import LINE_SECONDS, STOPPED, Screen, StopRequest
from fathom.cli.tables import (
    TableOptions,
    read,
    refuse_overwriting,
    shown_notes,
    shown_path,
    split_names,
    started_at,
    take_apart,
)
from fathom.cli.train import check_numbers
from fathom.data.datasets import NAMES, load_digits
from fathom.deployment.container import require_writable
from fathom.errors import InputError
from fathom.inspection.depth import DepthData, DepthMonitor, from_digits, from_table, study_depth
from fathom.inspection.depth.laboratory import Outcome
from fathom.inspection.depth.run import MOST_DEPTH
from fathom.inspection.depth.shapes import SHAPES
from fathom.inspection.depth.study import DepthStudy
from fathom.nn.named import ActivationName
from fathom.training.history import Event

WRITE_S = 0.7  # kept back for drawing, writing and leaving
PICTURES = (".npz", ".gz")  # files that hold digits rather than a table
SUFFIXES = (".html", ".json", ".csv")


@dataclass(frozen=True)
class DepthOptions:
    """What is to be compared, as the user said it."""

    depths: str = "1-8"
    shapes: str = ",".join(SHAPES)
    sizes: str = "1/16,1/8,1/4,1/2"
    width: int = 64
    activation: str = "relu"
    seeds: int | None = None
    epochs: int | None = None
    time_limit: float = 120.0
    output: str | None = None


def run_depth(table: TableOptions, options: DepthOptions, is_json: bool) -> int:
    """Read, train networks of every depth, say what was found; return the exit code."""
    began = started_at()
    check_numbers(options.time_limit, table.seed)
    asked = _understand(options)
    _check_output(options.output, table.path)
    screen = Screen(is_json)
    stop = StopRequest(screen)
    with stop.listening():
        prepare_engine()
        data = _load(table)
        _introduce(screen, data, table)
        spent = time.monotonic() - began
        view = DepthView(screen, options.time_limit, stop, spent)
        limit = max(options.time_limit - spent - WRITE_S, 0.1)
        with view.shown():
            study = study_depth(data, **asked, time_limit=limit, seed=table.seed, monitor=view)
        _conclude(screen, study, options.output, time.monotonic() - began)
    return STOPPED if stop.is_asked else 0


def _understand(options: DepthOptions) -> dict[str, Any]:
    """Return what is asked for, each as the study takes it."""
    if options.activation not in get_args(ActivationName) or options.activation == "softmax":
        known = ", ".join(name for name in get_args(ActivationName) if name != "softmax")
        raise InputError(f"--activation {known}", got=repr(options.activation)[:80])
    shapes = [part.strip() for part in options.shapes.split(",") if part.strip()]
    unknown = [shape for shape in shapes if shape not in SHAPES]
    if unknown or not shapes:
        got = repr(unknown[0])[:80] if unknown else "none"
        raise InputError(f"--shapes among {', '.join(SHAPES)}", got=got)
    for flag, value, most in (
        ("--width", options.width, 4096),
        ("--seeds", options.seeds, 1000),
        ("--epochs", options.epochs, 100_000),
    ):
        if value is not None and not 1 <= value <= most:
            raise InputError(f"{flag} from 1 to {most:,}", got=f"{value}")
    return {
        "depths": parse_depths(options.depths),
        "shapes": shapes,
        "sizes": parse_sizes(options.sizes),
        "width": options.width,
        "activation": options.activation,
        "n_seeds": options.seeds,
        "epochs": options.epochs,
    }


def parse_depths(text: str) -> tuple[int, ...]:
    """Return the numbers of hidden layers in a text such as ``1-4,8``.

    Raises
    ------
    InputError
        If it holds anything but numbers from 1 to 64.

    Examples
    --------
    >>> parse_depths("1-3, 8")
    (1, 2, 3, 8)
    """
    found: set[int] = set()
    for part in text.split(","):
        ends = [end.strip() for end in part.split("-")]
        if not all(end.isdecimal() and len(end) <= 4 for end in ends) or len(ends) > 2:
            raise _wrong_depths(text)
        low, high = int(ends[0]), int(ends[-1])
        if not 1 <= low <= high <= MOST_DEPTH:
            raise _wrong_depths(text)
        found.update(range(low, high + 1))
    return tuple(sorted(found))


def _wrong_depths(text: str) -> InputError:
    return InputError(
        f"--depths from 1 to {MOST_DEPTH} hidden layers", got=repr(text)[:80],
        hint="for example --depths 1-8 or --depths 1,2,4",
    )  # fmt: skip


def parse_sizes(text: str) -> tuple[float, ...]:
    """Return sizes of the training set: shares such as ``1/16``, numbers of rows, or none.

    Raises
    ------
    InputError
        If it holds anything else.

    Examples
    --------
    >>> parse_sizes("1/16, 500"), parse_sizes("none")
    ((0.0625, 500.0), ())
    """
    if text.strip().lower() in ("none", ""):
        return ()
    found = []
    for part in text.split(","):
        above, sign, below = part.partition("/")
        try:
            size = float(above) / float(below) if sign else float(part)
        except (ValueError, ZeroDivisionError):
            size = math.nan
        if not 0 < size < math.inf:
            raise InputError(
                "--sizes of the training set, above 0", got=repr(part.strip())[:80],
                hint="for example --sizes 1/16,1/4 or --sizes 200,1000 or --sizes none",
            )  # fmt: skip
        found.append(size)
    return tuple(found)


def _check_output(output: str | None, source: str) -> None:
    if output is None:
        return
    if not output.lower().endswith(SUFFIXES):
        raise InputError(f"--output with a name in {', '.join(SUFFIXES)}", got=output[:200])
    refuse_overwriting(output, source)
    require_writable(Path(output))


def _load(options: TableOptions) -> DepthData:
    """Load digits by name or path, or a table with its target."""
    path = options.path
    if not options.target:
        if path in NAMES or path.lower().endswith(PICTURES) or Path(path).is_dir():
            return from_digits(load_digits(path, seed=options.seed), options.seed)
        raise InputError(
            "--target, the column to predict; or digits", got=f"{shown_path(path)[:200]} alone",
            hint=f"digits are {', '.join(NAMES)}, an .npz file, IDX files or a folder of pictures",
        )  # fmt: skip
    whole = read(options)
    options = replace(options, target=split_names(options.target, whole.frame.columns))
    table = take_apart(whole, options)
    kinds: Any = options.kinds
    name = path if "://" in path else Path(path).stem
    data = from_table(
        table.features, table.target, table.y, kinds=kinds, is_named=not options.no_header,
        name=shown_path(name), seed=options.seed,
    )  # fmt: skip
    return replace(data, notes=(*table.notes, *data.notes))


def _introduce(screen: Screen, data: DepthData, options: TableOptions) -> None:
    screen.emit(
        "data", name=data.name, task=data.task, training=len(data.training),
        validation=len(data.validation), test=len(data.test), inputs=data.n_inputs,
        outputs=data.n_outputs, target=list(options.target), notes=list(data.notes),
    )  # fmt: skip
    screen.say(
        f"{data.name}: {len(data.training):,} rows to learn from, {len(data.validation):,} to "
        f"choose epoch and learning rate, {len(data.test):,} kept apart to judge"
    )
    for line in shown_notes(data.notes):
        screen.say(line)


def _conclude(screen: Screen, study: DepthStudy, output: str | None, seconds: float) -> None:
    """Show what was found, and write it."""
    width = screen.console.width if screen.console.is_terminal else None
    screen.say()
    screen.say(study.headline()[1])
    screen.say()
    screen.say(study.table(blocks=screen.can_draw, width=width))
    if any(len(row.errors) > 1 for row in study.rows):
        screen.say(
            f"(vs {study.rows[0].depth}: whether all starts together err more or less than those "
            f"with {study.rows[0].depth}, by the test of Mann and Whitney)"
        )
    screen.say()
    for line in study.words():
        screen.say(line)
    for note in study.notes:
        screen.say(f"  · {note}")
    if output is not None:
        Path(output).write_text(_as_text(study, output), encoding="utf-8")
        screen.say(f"\nSaved as {output} after {seconds:.1f} s.")
    else:
        screen.say("\nWith charts: --output depth.html; every start: --output depth.csv")
    screen.emit("study", **study.model_dump(mode="json"), words=list(study.words()))
    screen.emit("done", seeds=study.n_seeds, seconds=round(seconds, 3), output=output)


def _as_text(study: DepthStudy, output: str) -> str:
    if output.lower().endswith(".html"):
        return study.page()
    return study.csv() if output.lower().endswith(".csv") else study.model_dump_json(indent=1)


class DepthView(DepthMonitor):
    """Shows a study as it goes on.

    Parameters
    ----------
    screen : Screen
        Where to.
    seconds : float
        The time limit.
    stop : StopRequest
        Asked whether to go on.
    spent : float
        Seconds of the limit that are used already.
    """

    def __init__(self, screen: Screen, seconds: float, stop: StopRequest, spent: float) -> None:
        self._screen, self._stop, self._seconds = screen, stop, seconds
        self._lock, self._is_over, self._n_trained = threading.Lock(), False, 0
        self._began = time.monotonic() - spent
        self._spoke, self._stage = 0.0, "getting ready"
        self._progress = Progress(
            SpinnerColumn(),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[detail]}", markup=False),
            console=screen.console,
            disable=not screen.is_live,
            transient=True,
        )
        self._task = self._progress.add_task("depth", total=seconds, detail="getting ready …")

    @contextmanager
    def shown(self) -> Iterator["DepthView"]:
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

    def on_stage(self, stage: str, n_networks: int) -> None:
        """Show what begins."""
        with self._lock:
            self._screen.emit("stage", stage=stage, networks=n_networks)
            self._stage, self._spoke = stage, 0.0
            self._speak()

    def on_result(self, outcome: Outcome) -> None:
        """Show a network that is trained."""
        with self._lock:
            if self._is_over:
                return
            order = outcome.order
            self._n_trained += 1
            self._screen.emit(
                "network", number=self._n_trained, widths=list(order.widths), rows=order.n_rows,
                learning_rate=order.learning_rate, start=order.start, error=outcome.error,
                loss=outcome.loss, validation_loss=outcome.validation_loss, epoch=outcome.epoch,
            )  # fmt: skip
            self._speak()

    def on_event(self, start: int, event: Event) -> None:
        """Show what is out of the ordinary."""
        with self._lock:
            if not self._is_over and event.kind != "stopped":
                self._screen.emit("note", **event.model_dump())

    def _speak(self) -> None:
        spent = time.monotonic() - self._began
        detail = f"{min(spent, self._seconds):3.0f} of {self._seconds:.0f} s  "
        detail += f"{self._n_trained:,} networks trained; {self._stage}"
        self._progress.update(self._task, completed=spent, detail=detail)
        is_due = time.monotonic() - self._spoke >= 5 * LINE_SECONDS
        if not self._screen.is_live and is_due:
            self._spoke = time.monotonic()
            self._screen.say(detail)
