"""What one of the processes does that train a network together."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fathom.errors import FathomError
from fathom.nn.architecture import Architecture
from fathom.nn.network import Network, build
from fathom.nn.vectors import outline_of
from fathom.nn.xla import Mesh, jax, jnp
from fathom.parallel.executor import Result
from fathom.training.apart import ApartProgram
from fathom.training.checkpoints import read_checkpoint, write_checkpoint
from fathom.training.council import AgreedDeadline, Council
from fathom.training.devices import DataParallel
from fathom.training.history import Epoch, Event, StartHistory
from fathom.training.keeping import Keeper, Moment, Notes
from fathom.training.loop import make_plan, train
from fathom.training.machine import platform
from fathom.training.mesh import MeshProgram, make_mesh, make_mesh_program
from fathom.training.monitor import Deadline, Monitor
from fathom.training.plan import Examples
from fathom.training.program import State
from fathom.training.recipe import Recipe
from fathom.training.starts import SCALING_ROWS
from fathom.values import Value

FUNCTION = "fathom.training.peers:take_part"
UNDER_WAY, TRAINED = "checkpoint.bin", "trained.bin"  # in a folder of checkpoints
TOLD, STOP = "told.jsonl", "stop"  # in the folder of the rows
MOST_SHARE = 0.1  # of the time that checkpoints may take
JOIN_S = 300  # within which all have to be there
HEARTBEAT_S = 100  # without a sign of life, after which one is taken for dead


class Seat(Value):
    """The place of one process among those that train together.

    Attributes
    ----------
    number, n_peers : int
        Which one of how many.
    port : int
        Where they meet.
    ends_at : float or None
        When they have to be done, on the monotonic clock.
    """

    number: int
    n_peers: int
    port: int
    ends_at: float | None = None


@dataclass(frozen=True)
class Work:
    """What is trained.

    Attributes
    ----------
    architecture, recipe, setting
        The network, how it is trained, and on what.
    rows : str
        Folder of the rows, which all processes map and none holds.
    checkpoints : str
        Folder of the checkpoints.
    """

    architecture: Architecture
    recipe: Recipe
    setting: DataParallel
    rows: str
    checkpoints: str


def take_part(work: Work, config: str, _: int) -> Result:
    """Train with the others; the first process leaves what came out in the folder."""
    seat = Seat.model_validate_json(config)
    if seat.n_peers > 1:
        meet(seat)
    council, rows = Council(), Path(work.rows)
    known = load_examples(rows, "known")
    assert known is not None
    deadline = Deadline(None) if seat.ends_at is None else AgreedDeadline(seat.ends_at, council)
    try:
        train_as_one(
            work.architecture, work.recipe, known, load_examples(rows, "held_out"), work.setting,
            mesh_program(work, make_mesh()), council=council, folder=Path(work.checkpoints),
            monitor=_Herald(rows, council), deadline=deadline,
        )  # fmt: skip
    except FathomError as error:  # the same in all of them, and no reason to begin again
        said = [type(error).__name__, error.expected, error.got, error.hint]
        return Result(json.dumps(said).encode())
    return Result(b"")


def mesh_program(work: Work, mesh: Mesh) -> MeshProgram:
    """Return what takes the steps on the devices of a mesh."""
    has_convolution = outline_of(work.architecture).has_convolution
    is_scanned = not (has_convolution and platform() == "cpu")
    plan = make_plan(work.architecture, work.recipe, is_scanned)
    return make_mesh_program(plan, mesh, work.setting.sharded, work.setting.rematerialize)


def meet(seat: Seat) -> None:
    """Join the other processes, by an address that only this machine has."""
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    address = f"127.0.0.1:{seat.port}"
    jax.distributed.initialize(
        address, seat.n_peers, seat.number, coordinator_bind_address=address,
        cluster_detection_method="deactivate", initialization_timeout=JOIN_S,
        heartbeat_timeout_seconds=HEARTBEAT_S,
    )  # fmt: skip


def train_as_one(
    architecture: Architecture,
    recipe: Recipe,
    examples: Examples,
    held_out: Examples | None,
    setting: DataParallel,
    program: MeshProgram | ApartProgram,
    *,
    council: Council,
    folder: Path | None,
    monitor: Monitor,
    deadline: Deadline,
) -> tuple[Network, StartHistory]:
    """Train a network on many devices, with all processes that have some.

    Parameters
    ----------
    architecture, recipe
        The network, and how it is trained.
    examples, held_out : Examples
        Arrays of NumPy.
    setting : DataParallel
        How often there are checkpoints.
    program : MeshProgram or ApartProgram
        Takes the steps.
    council : Council
        The processes.
    folder : Path or None
        Where checkpoints are, and what is trained in the end; None for none.
    monitor, deadline
        As for `fathom.training.loop.train`; in all processes they have to say the same.

    Returns
    -------
    tuple of Network and StartHistory
        As of `fathom.training.loop.train`.
    """
    key = jax.random.fold_in(jax.random.key(recipe.seed), 0)  # that of the first start
    network = build(architecture, key, jnp.asarray(examples.x[:SCALING_ROWS], jnp.float32))
    keeper = (
        None if folder is None
        else _FileKeeper(program, folder, setting.checkpoint_seconds, council)
    )  # fmt: skip
    trained, history = train(
        network, architecture, recipe, examples, held_out,
        monitor=monitor, deadline=deadline, program=program, keeper=keeper,
    )  # fmt: skip
    if folder is not None and council.leads:
        leaves = (np.asarray(leaf) for leaf in jax.tree.leaves(trained))
        write_checkpoint(folder / TRAINED, history.model_dump_json(), leaves)
    return trained, history


def remove_checkpoints(folder: Path) -> None:
    """Remove all checkpoints of a folder, those that were not written to their end among them."""
    for name in (UNDER_WAY, TRAINED):
        (folder / name).unlink(missing_ok=True)
        (folder / name).with_suffix(".draft").unlink(missing_ok=True)


class _FileKeeper(Keeper):
    """Keeps a training in a file, from which it goes on with any number of processes."""

    def __init__(
        self,
        program: MeshProgram | ApartProgram,
        folder: Path,
        seconds: float,
        council: Council,
    ) -> None:
        self._program, self._place = program, folder / UNDER_WAY
        self._seconds, self._council = seconds, council
        self._next = time.monotonic() + seconds

    def recall(self, start: State) -> Moment | None:
        """Return what was kept last, on the devices there are now."""
        if not self._place.exists():
            return None
        trees: list[Any] = []

        def like(notes: str) -> list[tuple[tuple[int, ...], np.dtype[Any]]]:
            is_midway = Notes.model_validate_json(notes).call > 0
            trees.extend([start, start.network, *[start] * is_midway])
            return [(leaf.shape, np.dtype(leaf.dtype)) for leaf in jax.tree.leaves(trees)]

        notes, arrays = read_checkpoint(self._place, like)
        good, kept, *now = self._program.place_like(arrays, trees)
        return Moment(Notes.model_validate_json(notes), good, kept, now[0] if now else None)

    def consider(self, look: Callable[[], Moment]) -> None:
        """Write a checkpoint where it is time for that."""
        began = time.monotonic()
        if not self._council.agree(float(began >= self._next)):
            return
        moment = look()
        leaves = jax.tree.leaves([moment.good, moment.kept, moment.now])
        arrays = self._program.gather(leaves)
        if self._council.leads:
            write_checkpoint(self._place, moment.notes.model_dump_json(), arrays)
        else:
            for _ in arrays:  # all have to take part in bringing them together
                pass
        ended = time.monotonic()
        pause = max(self._seconds, (ended - began) / MOST_SHARE) if self._seconds else 0.0
        self._next = ended + pause


class _Herald(Monitor):
    """Tells the process that began this one what happens, by a file, and hears of its wishes."""

    def __init__(self, folder: Path, council: Council) -> None:
        self._told, self._stop, self._council = folder / TOLD, folder / STOP, council

    def on_epoch(self, start: int, epoch: Epoch) -> None:
        """Tell of an epoch."""
        self._tell("epoch", epoch)

    def on_event(self, start: int, event: Event) -> None:
        """Tell of something out of the ordinary."""
        self._tell("event", event)

    def _tell(self, what: str, value: Value) -> None:
        if self._council.leads:
            with self._told.open("a") as file:
                file.write(json.dumps([what, value.model_dump_json()]) + "\n")

    def should_stop(self) -> bool:
        """Tell whether a stop was asked for."""
        if not self._council.agree(float(self._stop.exists())):
            return False
        self.stop_reason = self._stop.read_text()
        return True


def save_examples(folder: Path, name: str, examples: Examples | None) -> None:
    """Write examples to files that processes can map."""
    for part, array in (examples._asdict() if examples else {}).items():
        np.save(folder / f"{name}-{part}.npy", np.asarray(array))


def load_examples(folder: Path, name: str) -> Examples | None:
    """Map the examples of a name; None where there are none."""
    places = [folder / f"{name}-{part}.npy" for part in Examples._fields]
    if not places[0].exists():
        return None
    return Examples(*(np.load(place, mmap_mode="r") for place in places))
