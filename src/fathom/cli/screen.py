"""What the commands show: for people on a terminal, as plain lines, or as JSON lines."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from fathom.training.history import Epoch, Event
from fathom.training.monitor import Monitor

LINE_SECONDS = 1.0  # between two plain lines of progress
STOPPED = 130  # exit code after a request to stop
_LOCK = threading.Lock()


def report_error(message: str, is_json: bool) -> None:
    """Say in one line what went wrong: on stderr, and as the last event where JSON is asked for."""
    if is_json:
        _write_line({"event": "error", "message": message})
    print(f"fathom: {printable(' '.join(message.split()))}", file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """Return a text without the characters that would steer the terminal it is written to."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _write_line(fields: dict[str, Any]) -> None:
    with _LOCK:  # events come from several threads; a line is written whole
        try:
            sys.stdout.write(json.dumps(fields, allow_nan=False) + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            _stop_writing()


def _stop_writing() -> None:
    """Send to nowhere what nobody reads any more; the work goes on, and its result is saved."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        _stop_writing()


class Screen:
    """Where a command writes.

    Parameters
    ----------
    is_json : bool
        Whether to write one JSON object a line and nothing else on stdout.
    is_aside : bool
        Whether what is for people goes to stderr, because stdout is for a result.
    """

    def __init__(self, is_json: bool, *, is_aside: bool = False) -> None:
        self.is_json = is_json
        self.console = _Console(quiet=is_json, stderr=is_aside, highlight=False, emoji=False)

    @property
    def can_draw(self) -> bool:
        """Whether block characters can be written."""
        return self.console.encoding.lower().startswith("utf")

    @property
    def is_live(self) -> bool:
        """Whether what is shown can be drawn over again: a terminal that knows how."""
        is_able = self.console.is_terminal and not self.console.is_dumb_terminal
        return is_able and not self.is_json

    def say(self, text: str = "") -> None:
        """Write for people."""
        self.console.print(printable(text), markup=False, soft_wrap=True)

    def emit(self, event: str, **fields: Any) -> None:
        """Write for programs."""
        if self.is_json:
            _write_line({"event": event, **fields})


class StopRequest:
    """Remembers that the user asked to stop; a second request ends the program at once."""

    MESSAGE = "Stopping; the best so far is kept. Once more to quit at once."

    def __init__(self, screen: Screen) -> None:
        self._screen, self._asked = screen, threading.Event()
        self.is_drawn = False  # a live picture says so, which a line on the screen would tear

    @property
    def is_asked(self) -> bool:
        """Whether a stop was asked for."""
        return self._asked.is_set()

    @contextmanager
    def listening(self) -> Iterator["StopRequest"]:
        """Listen to Ctrl-C and to the request to terminate."""
        signals = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(number, self._hear) for number in signals]
        try:
            yield self
        finally:
            for number, handler in zip(signals, before, strict=True):
                signal.signal(number, handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self._asked.is_set():
            self._screen.console.show_cursor()
            os._exit(STOPPED)  # a compiled program in another thread would be waited for otherwise
        self._asked.set()
        if not self.is_drawn:
            os.write(sys.stderr.fileno(), f"{self.MESSAGE}\n".encode())


class _Detail(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(str(task.fields.get("detail", "")))


class TrainingView(Monitor):
    """Shows a training as it goes on.

    Parameters
    ----------
    screen : Screen
        Where to.
    name : str
        What is trained, for example ``"dnn"``.
    epochs, n_starts : int
        Epochs each start may take, and how many starts there are.
    stop : StopRequest
        Asked whether to go on.
    """

    def __init__(
        self, screen: Screen, name: str, epochs: int, n_starts: int, stop: StopRequest
    ) -> None:
        self._screen, self._name, self._stop = screen, name, stop
        self._total = epochs * n_starts
        self._lock, self._spoke = threading.Lock(), 0.0
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn(f"{name:<4}"),
            BarColumn(bar_width=24),
            _Detail(),
            TimeElapsedColumn(),
            console=screen.console,
            disable=screen.is_json or not screen.console.is_terminal,
            transient=True,
        )
        self._task = self._progress.add_task(name, total=self._total, detail="compiling …")

    @contextmanager
    def shown(self) -> Iterator["TrainingView"]:
        """Keep the progress on the screen while inside."""
        with self._progress:
            yield self

    def should_stop(self) -> bool:
        """Tell whether the user asked to stop."""
        return self._stop.is_asked

    def on_epoch(self, start: int, epoch: Epoch) -> None:
        """Show an epoch."""
        with self._lock:
            self._screen.emit("epoch", network=self._name, start=start, **epoch.model_dump())
            detail = f"epoch {epoch.epoch:>3}  loss {epoch.train_loss:.4f}  "
            detail += f"accuracy {epoch.train_score:6.2%}"
            if epoch.validation_score is not None:
                detail += f"  held out {epoch.validation_score:6.2%}"
            self._progress.update(self._task, advance=1, detail=detail)
            is_due = time.monotonic() - self._spoke >= LINE_SECONDS
            if not self._screen.console.is_terminal and is_due:
                self._spoke = time.monotonic()
                self._screen.say(f"{self._name}  start {start + 1}  {detail}")

    def on_event(self, start: int, event: Event) -> None:
        """Show what is out of the ordinary."""
        self._screen.emit("note", network=self._name, start=start, **event.model_dump())
        if event.kind in ("divided", "rolled_back"):
            self._screen.say(f"{self._name}  start {start + 1}: {event.text}")
