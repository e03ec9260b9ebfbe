"""One network on many devices: begun, watched over, and begun again from its last checkpoint."""

import contextlib
import hashlib
import json
import shutil
import socket
import tempfile
import time
from contextlib import closing
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from fathom import errors
from fathom.errors import FathomError, InputError
from fathom.nn.architecture import Architecture
from fathom.nn.network import Network
from fathom.nn.vectors import outline_of
from fathom.nn.xla import jax, jnp
from fathom.parallel.executor import Placed, Result, Task
from fathom.parallel.gang import Gang
from fathom.parallel.journal import Journal
from fathom.parallel.opening import open_executor
from fathom.parallel.processes import Processes
from fathom.training.apart import ApartProgram, Given
from fathom.training.checkpoints import read_checkpoint, read_notes
from fathom.training.council import Council
from fathom.training.devices import DataParallel, as_data_parallel
from fathom.training.history import Epoch, Event, History, StartHistory
from fathom.training.keeping import Notes
from fathom.training.mesh import make_mesh, refuse_batch
from fathom.training.metrics import score_name
from fathom.training.monitor import Deadline, Monitor
from fathom.training.peers import (
    FUNCTION,
    STOP,
    TOLD,
    TRAINED,
    UNDER_WAY,
    Seat,
    Work,
    mesh_program,
    remove_checkpoints,
    save_examples,
    train_as_one,
)
from fathom.training.plan import Examples
from fathom.training.recipe import Recipe
from fathom.training.starts import train_starts

HAND_OVER_S, HAND_OVER_SHARE = 1.0, 0.1  # of the time, for bringing here what was trained


def train_described(
    architecture: Architecture,
    recipe: Recipe,
    examples: Examples,
    held_out: Examples | None,
    *,
    monitor: Monitor | None,
    deadline: Deadline | None,
    executor: object = None,
) -> tuple[tuple[Network, ...], History]:
    """Train a described network: its starts on the cores, or one start on many devices.

    Parameters
    ----------
    architecture, recipe, examples, held_out, monitor, deadline
        As for `fathom.training.starts.train_starts`.
    executor : DataParallel, str or None
        The devices; None for starts on the cores.

    Returns
    -------
    tuple of networks, and History
        As of `fathom.training.starts.train_starts`.
    """
    given = architecture, recipe, examples, held_out
    if executor is None:
        return train_starts(*given, monitor=monitor, deadline=deadline)
    setting = as_data_parallel(executor)
    return train_on_devices(*given, setting, monitor=monitor, deadline=deadline)


def train_on_devices(
    architecture: Architecture,
    recipe: Recipe,
    examples: Examples,
    held_out: Examples | None,
    setting: DataParallel,
    *,
    monitor: Monitor | None = None,
    deadline: Deadline | None = None,
) -> tuple[tuple[Network], History]:
    """Train one network on many devices; it is what one device makes of it, up to rounding.

    Parameters
    ----------
    architecture : Architecture
        The network.
    recipe : Recipe
        How to train it, from one start.
    examples, held_out : Examples
        Training examples, and those that choose the epoch.
    setting : DataParallel
        Which devices, what is divided among them, and where checkpoints are.
    monitor, deadline : optional
        As for `fathom.training.loop.train`.

    Returns
    -------
    tuple of one Network, and History
        As of `fathom.training.starts.train_starts`.

    Raises
    ------
    InputError
        If there are fewer devices, or batches cannot be divided among them.
    TrainingError
        If no learning rate gave a finite loss.
    ExecutorError
        If processes are lost again and again.
    """
    if recipe.n_starts > 1:
        raise InputError(
            "n_starts=1 for one network on many devices", got=f"n_starts={recipe.n_starts}",
            hint="leave executor out: starts are spread over the cores",
        )  # fmt: skip
    monitor, deadline = monitor or Monitor(), deadline or Deadline(None)
    known, judged = jax.tree.map(np.asarray, (examples, held_out))
    _require_divisible(recipe, known, setting)
    began = time.monotonic()
    scratch = Path(tempfile.mkdtemp(prefix="fathom-mesh-"))
    try:
        place = Path(setting.checkpoints) if setting.checkpoints else None
        subject = _digest(architecture, recipe, known, judged)
        with closing(Journal(place, subject)) as journal:
            folder = scratch if place is None and setting.n_processes else place
            trained = None
            if folder is None or not (folder / TRAINED).exists():
                trained = _train(
                    Work(architecture, recipe, setting, str(scratch), str(folder or "")),
                    known, judged, journal, monitor, deadline,
                )  # fmt: skip
            if folder is not None:
                trained = _take(folder, architecture)
                remove_checkpoints(folder)
            journal.remove()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    assert trained is not None
    network, history = trained
    return (network,), History(
        starts=(history,), kept=(0,), score_name=score_name(architecture.output_activation),
        seconds=time.monotonic() - began,
    )  # fmt: skip


def _train(
    work: Work,
    examples: Examples,
    held_out: Examples | None,
    journal: Journal,
    monitor: Monitor,
    deadline: Deadline,
) -> tuple[Network, StartHistory] | None:
    """Train in this process, or in others, which leave the network in the folder."""
    if work.setting.n_processes is None:
        with contextlib.ExitStack() as stack:
            if work.setting.workers is None:
                program: Any = mesh_program(work, make_mesh(work.setting.n_devices))
            else:
                executor = stack.enter_context(open_executor(work.setting.workers))
                given = Given(work.architecture, work.recipe, examples)
                program = ApartProgram(executor, given, journal.subject, work.setting.n_parts)
            return train_as_one(
                work.architecture, work.recipe, examples, held_out, work.setting, program,
                council=Council(), folder=Path(work.checkpoints) if work.checkpoints else None,
                monitor=monitor, deadline=deadline,
            )  # fmt: skip
    scratch = Path(work.rows)
    save_examples(scratch, "known", examples)
    save_examples(scratch, "held_out", held_out)
    _supervise(work, work.setting.n_processes, journal, _Listener(scratch, monitor), deadline)
    return None


def _supervise(
    work: Work, count: int, journal: Journal, listener: "_Listener", deadline: Deadline
) -> None:
    """Have processes train together, however often one of them is lost."""
    placed = Placed(journal.subject, work)
    left = deadline.remaining()
    ends_at = None
    if left != float("inf"):
        ends_at = time.monotonic() + left - min(HAND_OVER_S, HAND_OVER_SHARE * left)

    def tasks(attempt: int) -> list[Task]:
        port = _free_port()  # another each time: the last one may linger
        seats = [Seat(number=n, n_peers=count, port=port, ends_at=ends_at) for n in range(count)]
        return [Task(FUNCTION, placed.key, seat.model_dump_json(), attempt) for seat in seats]

    gang = Gang(
        partial(Processes, count), placed, journal, most_restarts=work.setting.most_restarts,
        reached=partial(_reached, Path(work.checkpoints)), look=listener.look,
    )  # fmt: skip
    results = gang.run(tasks)
    listener.look()
    for result in results:
        _raise_what_failed(result)


def _raise_what_failed(result: Result) -> None:
    """Raise the error of a process here."""
    if result.payload:
        name, *parts = json.loads(result.payload)
        kind: type[FathomError] = getattr(errors, name)
        raise kind(*parts)


def _reached(folder: Path) -> int:
    """Return how many calls of the program the last checkpoint has behind it."""
    notes = read_notes(folder / UNDER_WAY)
    return 0 if notes is None else 1 + Notes.model_validate_json(notes).n_calls


def _take(folder: Path, architecture: Architecture) -> tuple[Network, StartHistory]:
    """Return the network that was trained."""
    leaves, structure = jax.tree.flatten(outline_of(architecture))
    shapes = [(leaf.shape, np.dtype(leaf.dtype)) for leaf in leaves]
    history, arrays = read_checkpoint(folder / TRAINED, lambda _: shapes)
    network = jax.tree.unflatten(structure, [jnp.array(array) for array in arrays])
    return network, StartHistory.model_validate_json(history)


class _Listener:
    """Hears what processes tell of a training, and passes on that it is to stop."""

    def __init__(self, folder: Path, monitor: Monitor) -> None:
        self._told, self._stop, self._monitor = folder / TOLD, folder / STOP, monitor
        self._offset = 0
        self._known: set[tuple[object, ...]] = set()  # what is done again is not told again

    def look(self) -> None:
        """Read what is new; it is called now and then."""
        if not self._stop.exists() and self._monitor.should_stop():
            self._stop.with_suffix(".draft").write_text(self._monitor.stop_reason)
            self._stop.with_suffix(".draft").replace(self._stop)
        if self._told.exists():
            with self._told.open("rb") as file:
                file.seek(self._offset)
                new = file.read()
            whole = new[: new.rfind(b"\n") + 1]
            self._offset += len(whole)
            for line in whole.splitlines():
                self._pass_on(*json.loads(line))

    def _pass_on(self, what: str, said: str) -> None:
        if what == "epoch":
            epoch = Epoch.model_validate_json(said)
            if ("epoch", epoch.epoch) not in self._known:
                self._known.add(("epoch", epoch.epoch))
                self._monitor.on_epoch(0, epoch)
            return
        event = Event.model_validate_json(said)
        if ("event", event.epoch, event.text) not in self._known:
            self._known.add(("event", event.epoch, event.text))
            self._monitor.on_event(0, event)


def _require_divisible(recipe: Recipe, examples: Examples, setting: DataParallel) -> None:
    """Refuse batches of which not every device can have as many examples."""
    count = setting.n_processes or setting.n_parts or 1
    if setting.workers is None and setting.n_processes is None:
        count = make_mesh(setting.n_devices).size
    batch = min(recipe.batch_size, len(examples.weight))
    if batch % count:
        raise refuse_batch(batch, count)


def _digest(
    architecture: Architecture, recipe: Recipe, examples: Examples, held_out: Examples | None
) -> str:
    """Return the SHA-256 of all that the weights depend on, but for rounding."""
    said = [version("fathom-dnn"), architecture.model_dump_json(), recipe.model_dump_json()]
    digest = hashlib.sha256(json.dumps(said).encode())
    for array in (*examples, *(held_out or ())):
        digest.update(f"{array.dtype.str}{array.shape};".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
