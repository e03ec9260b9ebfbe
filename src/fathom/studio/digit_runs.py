"""Trainings of the digits page: the command ``fathom digits`` in processes of their own."""

import shlex
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fathom.errors import InputError
from fathom.studio.digit_messages import (
    SIDE,
    DigitEvent,
    DigitRun,
    OwnDrawing,
    ReaderName,
    TrainWish,
)
from fathom.studio.drawings import as_grid, fit
from fathom.studio.penned import draw_digits
from fathom.studio.processes import Commands, Ticket
from fathom.studio.wording import in_both

MOST_RUNNING = 2  # the dense network and the convolutional one
MOST_KEPT = 4  # trainings of each network
PENNED = 60  # drawings of a pen, of each digit
REPEATS = 5  # of a drawing among some 1400 pictures, each time distorted anew
STOP_PATIENCE_S = 600.0  # for a first epoch: stopped before it, there is no network to keep


class DigitTicket(Ticket):
    """What a training was started with."""

    wish: TrainWish
    epochs: int
    n_train: int
    n_drawings: int


class DigitRuns(Commands[DigitTicket]):
    """All trainings of the digits page.

    Parameters
    ----------
    folder : Path
        Where they are kept.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, DigitTicket, b'"event": "epoch"', STOP_PATIENCE_S)
        self._lock = threading.Lock()

    def every(self) -> tuple[DigitRun, ...]:
        """Return all trainings, the newest first."""
        return tuple(self.facts(name) for name in self.names())

    def reader(self, network: ReaderName) -> str:
        """Return the id of the newest training of a network that left one; nothing if none did."""
        for name in self.names():
            has_model = (self._folder / name / "model.fathom").is_file()
            if self.ticket(name).wish.network == network and has_model:
                return name
        return ""

    def start(self, wish: TrainWish, drawings: tuple[OwnDrawing, ...]) -> DigitRun:
        """Start a training.

        Raises
        ------
        InputError
            If one of this network goes on already.
        """
        drawings = drawings if wish.uses_drawings else ()
        with self._lock:
            self._refuse_crowd(wish.network)
            self._make_room(wish.network)
            folder = self.new_folder()
            n_train = _write_material(folder / "material.npz", drawings)
            arguments = (
                "digits", "--data=material.npz", f"--network={wish.network}",
                f"--size={wish.size}", f"--time-limit={wish.time_limit:g}", f"--seed={wish.seed}",
                "--no-compare", "--output=model.fathom", "--json",
            )  # fmt: skip
            draft = DigitTicket(
                wish=wish, epochs=_planned_epochs(wish), n_train=n_train,
                n_drawings=len(drawings), arguments=arguments,
            )  # fmt: skip
            self.run(folder.name, draft)
        return self.facts(folder.name)

    def _refuse_crowd(self, network: ReaderName) -> None:
        going = [name for name in self.names() if self.is_running(name)]
        is_same = any(self.ticket(name).wish.network == network for name in going)
        if is_same or len(going) >= MOST_RUNNING:
            raise InputError(
                "one training of each network at a time", got="one that goes on",
                hint="stop it, or wait for its end",
            )  # fmt: skip

    def _make_room(self, network: ReaderName) -> None:
        """Remove the oldest trainings of a network, never the one whose network reads."""
        ended = [
            name for name in self.names()
            if self.ticket(name).wish.network == network and not self.is_running(name)
        ]  # fmt: skip
        reader = self.reader(network)
        for name in ended[MOST_KEPT - 1 :]:
            if name != reader:
                shutil.rmtree(self._folder / name, ignore_errors=True)

    def facts(self, name: str) -> DigitRun:
        """Return how a training stands."""
        ticket, state, last = self.ticket(name), self.state(name), self.last_event(name)
        results = last.get("results") or []
        is_running = state in ("running", "stopping")
        seconds = time.time() - ticket.began if is_running else 0.0
        message = None
        if state == "failed":
            said = last.get("message") or "the training ended before there was a network"
            message = in_both(str(said))
        return DigitRun(
            id=name, network=ticket.wish.network, size=ticket.wish.size, state=state,
            seconds=float(results[0]["seconds"]) if results else seconds,
            epochs=ticket.epochs, n_train=ticket.n_train, n_drawings=ticket.n_drawings,
            accuracy=float(results[0]["accuracy"]) if results else None,
            is_reading=self.reader(ticket.wish.network) == name, message=message,
            command=shlex.join(["fathom", *ticket.arguments]),
        )  # fmt: skip

    def stop(self, name: str) -> DigitRun:
        """Ask a training to end with the best it has; asking twice asks once."""
        self.ask_to_stop(name)
        return self.facts(name)

    def events(self, name: str, after: int) -> Iterator[tuple[int, DigitEvent]]:
        """Return what a training has said so far, with the number of each line, from one on."""
        for number, event in self.said(name, after):
            yield number, DigitEvent.model_validate(event)


def _planned_epochs(wish: TrainWish) -> int:
    """Return how many epochs a training takes if it has the time, all starts together."""
    from fathom.estimators.defaults import reading_recipe, small_reading_recipe

    recipe_of = small_reading_recipe if wish.size == "small" else reading_recipe
    recipe = recipe_of(SIDE, wish.network)
    return recipe.epochs * recipe.n_starts


def _write_material(path: Path, drawings: tuple[OwnDrawing, ...]) -> int:
    """Write what is learned from and tested on; return how many pictures are learned from.

    Drawings, the reader's own and those of a pen, are learned from alone: the test stays what it
    was before, so that accuracies compare.
    """
    from fathom.data.datasets import load_digits

    digits = load_digits("digits")
    penned, kinds = draw_digits(PENNED)
    own = [fit(as_grid(one.ink)) for one in drawings for _ in range(REPEATS)]
    labels = [one.label for one in drawings for _ in range(REPEATS)]
    x = np.concatenate([digits.x_train, penned, np.array(own, np.uint8).reshape(-1, SIDE, SIDE)])
    y = np.concatenate([digits.y_train, kinds, np.array(labels, np.int64)])
    np.savez_compressed(path, x_train=x, y_train=y, x_test=digits.x_test, y_test=digits.y_test)
    return len(digits.y_train) + len(kinds) + len(drawings)
