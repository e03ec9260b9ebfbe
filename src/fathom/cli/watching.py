"""Watching a search: what its networks become, for people and for programs."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from fathom.cli.screen import LINE_SECONDS, Screen, StopRequest, printable
from fathom.training.history import Epoch, Event, NetworkEvent
from fathom.training.monitor import Monitor

SEARCH_LINE_SECONDS = 5 * LINE_SECONDS  # between two plain lines of a search
BAR_WIDTH = 24
REFRESHED = 8  # times a second, on a terminal

SAVE_S = 0.5  # kept back for saving and leaving
LEAST_S = 1.0  # of training, whatever is left


def time_left(limit: float, spent: float, reserve: float = SAVE_S) -> float:
    """Return the seconds of a limit that are left to train in."""
    return max(limit - spent - reserve, LEAST_S)


class SearchView(Monitor):
    """Shows a search as it goes on.

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
    at_first_epoch : callable
        Called once, when a network has had its first epoch.
    """

    def __init__(
        self,
        screen: Screen,
        seconds: float,
        stop: StopRequest,
        spent: float = 0.0,
        at_first_epoch: Callable[[], None] = lambda: None,
    ) -> None:
        self._screen, self._stop, self._seconds = screen, stop, seconds
        self._at_first_epoch: Callable[[], None] | None = at_first_epoch
        self._lock, self._over, self._is_over = threading.Lock(), threading.Event(), False
        now = time.monotonic()
        self._began, self._spoke, self._has_spoken_of_loss = now - spent, now, False
        self._planned: dict[int, int] = {}  # epochs each network is given
        self._n_tried = self._n_cut = 0
        self._best: float | None = None
        self._news: NetworkEvent | None = None
        self._last, self._told, self._under_way = "getting ready", "", ""
        self._spinner = Spinner("dots")

    @contextmanager
    def shown(self) -> Iterator["SearchView"]:
        """Keep the progress on the screen while inside; what comes later is not shown."""
        try:
            if self._screen.is_live:
                with Live(
                    get_renderable=self._picture, console=self._screen.console, transient=True,
                    refresh_per_second=REFRESHED,
                ):  # fmt: skip
                    self._stop.is_drawn = True
                    yield self
            else:
                threading.Thread(target=self._speak_in_silence, daemon=True).start()
                yield self
        finally:
            with self._lock:
                self._is_over = True  # a thread that was not waited for may still speak
            self._over.set()
            self._stop.is_drawn = False

    def should_stop(self) -> bool:
        """Tell whether the user asked to stop."""
        return self._stop.is_asked

    def on_epoch(self, start: int, epoch: Epoch) -> None:
        """Show an epoch of a candidate."""
        with self._lock:
            if self._is_over:
                return
            self._screen.emit("epoch", network=start + 1, **epoch.model_dump())
            if self._at_first_epoch is not None:
                self._at_first_epoch()
                self._at_first_epoch = None
            given = self._planned.get(start)
            of = f" of {given}" if given else ""
            self._under_way = f"network {start + 1} in epoch {epoch.epoch}{of}"
            if self._best is None:  # there is no other news yet
                self._last = self._under_way
            self._speak()

    def on_event(self, start: int, event: Event) -> None:
        """Show what is out of the ordinary."""
        with self._lock:
            if self._is_over:
                return
            self._screen.emit("note", network=start + 1, **event.model_dump())

    def on_network(self, event: NetworkEvent) -> None:
        """Show what became of a candidate."""
        with self._lock:
            if self._is_over:
                return
            fields = event.model_dump(exclude={"number", "members"})
            members = [number + 1 for number in event.members]
            self._screen.emit("network", number=event.number + 1, **fields, members=members)
            self._news = event
            self._n_tried = max(self._n_tried, event.number + 1)
            self._n_cut += event.status == "cut"
            self._planned[event.number] = event.epochs
            if event.status in ("complete", "chosen") and event.loss is not None:
                self._best = event.loss if self._best is None else min(event.loss, self._best)
            if event.status == "begun":
                self._under_way = in_words(event)
            if event.status != "begun" or self._best is None:
                self._last = in_words(event)
            self._speak()

    def figures(self) -> tuple[str, ...]:
        """Say how far the search is: time, networks, losses, and what happened last."""
        spent = time.monotonic() - self._began
        members = self._news.members if self._news else ()
        tried = f"{self._n_tried} network{'s' * (self._n_tried != 1)} tried"
        counts = f"{tried}, {self._n_cut} cut, {len(members)} in the model"
        found = [f"{spent:.0f} of {self._seconds:g} s", counts]
        if self._news and self._best is not None:
            losses = f"{self._news.loss_name} on held-out rows: best network {self._best:.5g}"
            if self._news.ensemble_loss is not None:
                losses += f", model {self._news.ensemble_loss:.5g}"
            found.append(losses)
        news = self._under_way if self._last == self._told and self._under_way else self._last
        last = self._stop.MESSAGE if self._stop.is_asked else news
        return (*found, printable(last))

    def _speak(self) -> None:
        """Write a plain line where there is no live picture, unless the last was just now."""
        is_first = self._best is not None and not self._has_spoken_of_loss
        is_due = is_first or time.monotonic() - self._spoke >= SEARCH_LINE_SECONDS
        if self._screen.is_live or not is_due:
            return
        self._spoke, self._has_spoken_of_loss = time.monotonic(), self._best is not None
        self._screen.say(f"  {'; '.join(self.figures())}")
        self._told = self._last  # news are told once, then what is under way

    def _speak_in_silence(self) -> None:
        while not self._over.wait(LINE_SECONDS):
            with self._lock:
                if not self._is_over:
                    self._speak()

    def _picture(self) -> Group:
        clock, counts, *more = self.figures()
        spent = min(time.monotonic() - self._began, self._seconds)
        bar = ProgressBar(total=self._seconds, completed=spent, width=BAR_WIDTH)
        head = Table.grid(padding=(0, 1))
        head.add_row(self._spinner, bar, Text(f"{clock}  {counts}"))
        return Group(head, *(Text(f"  {line}") for line in more))


def in_words(event: NetworkEvent) -> str:
    """Say what became of a network.

    Examples
    --------
    >>> event = NetworkEvent(number=0, status="chosen", structure="linear", epochs=9,
    ...                      loss_name="log loss", loss=0.5, ensemble_loss=0.25, members=(0, 3))
    >>> in_words(event)
    'network 1 joins the model: 2 networks, log loss 0.25'
    """
    name = f"network {event.number + 1}"
    if event.status == "begun":
        return f"{name} begins: {event.structure}"
    if event.status == "cut":
        return f"{name} {event.reason}"
    if event.status == "failed":
        return f"{name} failed: {event.reason or 'no finite loss'}"
    if event.status == "complete":
        loss = "" if event.loss is None else f": {event.loss_name} {event.loss:.5g}"
        return f"{name} complete{loss}"
    loss = "" if event.ensemble_loss is None else f", {event.loss_name} {event.ensemble_loss:.5g}"
    what, n = "joins" if event.status == "chosen" else "leaves", len(event.members)
    return f"{name} {what} the model: {n} network{'s' * (n != 1)}{loss}"
