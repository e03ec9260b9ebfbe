"""Trainings of the digits page: the command ``fathom digits`` in processes of their own."""

import json
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fathom.errors import InputError
from fathom.studio.digit_messages import (
    SIDE,
    DigitEvent,
    DigitRun,
    OwnDrawing,
    ReaderName,
    RunState,
    TrainWish,
)
from fathom.studio.drawings import as_grid, fit
from fathom.studio.processes import MOST_LINE, begun_at, last_event
from fathom.studio.tables import ID, ID_BYTES, known_folder
from fathom.values import Value

MOST_RUNNING = 2  # the dense network and the convolutional one
MOST_KEPT = 4  # trainings of each network
REPEATS = 5  # of a drawing among some 1400 pictures, each time distorted anew
POLL_S = 0.1
STOP_PATIENCE_S = 600.0  # for a first epoch: stopped before it, there is no network to keep


class DigitTicket(Value):
    """What a training was started with, kept beside it."""

    wish: TrainWish
    epochs: int
    n_train: int
    n_drawings: int
    arguments: tuple[str, ...]
    began: float
    process: int
    process_began: str


class DigitRuns:
    """All trainings of the digits page.

    Parameters
    ----------
    folder : Path
        Where they are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._lock = folder, threading.Lock()
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._tickets: dict[str, DigitTicket] = {}
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def folder_of(self, name: str) -> Path:
        """Return where a training is kept."""
        return known_folder(self._folder, name)

    def names(self) -> list[str]:
        """Return the ids of all trainings, the newest first."""
        found = [
            path.name
            for path in self._folder.iterdir()
            if ID.fullmatch(path.name) and (path / "ticket.json").is_file()
        ]
        return sorted(found, key=lambda name: -self.ticket(name).began)

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

    def ticket(self, name: str) -> DigitTicket:
        """Return what a training was started with."""
        if name not in self._tickets:
            text = (self.folder_of(name) / "ticket.json").read_text(encoding="utf-8")
            self._tickets[name] = DigitTicket.model_validate_json(text)
        return self._tickets[name]

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
            name = secrets.token_hex(ID_BYTES)
            folder = self._folder / name
            folder.mkdir(mode=0o700)
            n_train = _write_material(folder / "material.npz", drawings)
            arguments = (
                "digits", "--data=material.npz", f"--network={wish.network}",
                f"--size={wish.size}", f"--time-limit={wish.time_limit:g}", f"--seed={wish.seed}",
                "--no-compare", "--output=model.fathom", "--json",
            )  # fmt: skip
            self._run(
                name,
                {
                    "wish": wish, "epochs": _planned_epochs(wish), "n_train": n_train,
                    "n_drawings": len(drawings), "arguments": arguments,
                },
            )  # fmt: skip
        return self.facts(name)

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
                self._tickets.pop(name, None)

    def _run(self, name: str, draft: dict[str, Any]) -> None:
        folder = self._folder / name
        with (
            (folder / "events.jsonl").open("ab") as said,
            (folder / "errors.txt").open("wb") as ill,
        ):
            child = subprocess.Popen(
                [sys.executable, "-m", "fathom", *draft["arguments"]], cwd=folder,
                stdin=subprocess.DEVNULL, stdout=said, stderr=ill, start_new_session=True,
            )  # fmt: skip
        self._children[name] = child
        ticket = DigitTicket(
            **draft, process=child.pid, process_began=begun_at(child.pid), began=time.time()
        )
        (folder / "ticket.json").write_text(ticket.model_dump_json(), encoding="utf-8")

    def is_running(self, name: str) -> bool:
        """Tell whether the process of a training lives."""
        child = self._children.get(name)
        if child is not None:
            return child.poll() is None
        ticket = self.ticket(name)
        return bool(ticket.process_began) and begun_at(ticket.process) == ticket.process_began

    def facts(self, name: str) -> DigitRun:
        """Return how a training stands."""
        folder, ticket = self.folder_of(name), self.ticket(name)
        is_running = self.is_running(name)
        last = last_event(folder / "events.jsonl")
        results = last.get("results") or []
        state: RunState = "done" if last.get("event") == "done" else "failed"
        if is_running:
            state = "stopping" if (folder / "stop").exists() else "running"
        seconds = time.time() - ticket.began if is_running else 0.0
        message = ""
        if state == "failed":
            message = str(last.get("message") or "the training ended before there was a network")
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
        folder = self.folder_of(name)
        if self.is_running(name):
            try:
                (folder / "stop").touch(exist_ok=False)
            except FileExistsError:
                return self.facts(name)
            threading.Thread(target=self._stop_in_time, args=(name,), daemon=True).start()
        return self.facts(name)

    def _stop_in_time(self, name: str) -> None:
        """Pass the wish to stop on once there is something to keep."""
        place = self.folder_of(name) / "events.jsonl"
        end = time.monotonic() + STOP_PATIENCE_S
        while self.is_running(name) and time.monotonic() < end:
            if b'"event": "epoch"' in place.read_bytes():
                break
            time.sleep(POLL_S)
        if self.is_running(name):
            os.kill(self.ticket(name).process, signal.SIGINT)

    def events(self, name: str, after: int) -> Iterator[tuple[int, DigitEvent]]:
        """Return what a training has said so far, with the number of each line, from one on."""
        place = self.folder_of(name) / "events.jsonl"
        with place.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    return  # it is being written
                if number > after and len(line) <= MOST_LINE:
                    yield number, DigitEvent.model_validate(json.loads(line))


def _planned_epochs(wish: TrainWish) -> int:
    """Return how many epochs a training takes if it has the time, all starts together."""
    from fathom.estimators.defaults import reading_recipe, small_reading_recipe

    recipe_of = small_reading_recipe if wish.size == "small" else reading_recipe
    recipe = recipe_of(SIDE, wish.network)
    return recipe.epochs * recipe.n_starts


def _write_material(path: Path, drawings: tuple[OwnDrawing, ...]) -> int:
    """Write what is learned from and tested on; return how many pictures are learned from.

    Drawings are learned from alone: the test stays what it was before, so that accuracies compare.
    """
    from fathom.data.datasets import load_digits

    digits = load_digits("digits")
    own = [fit(as_grid(one.ink)) for one in drawings for _ in range(REPEATS)]
    labels = [one.label for one in drawings for _ in range(REPEATS)]
    x = np.concatenate([digits.x_train, np.array(own, np.uint8).reshape(-1, SIDE, SIDE)])
    y = np.concatenate([digits.y_train, np.array(labels, np.int64)])
    np.savez_compressed(path, x_train=x, y_train=y, x_test=digits.x_test, y_test=digits.y_test)
    return len(digits.y_train) + len(drawings)
