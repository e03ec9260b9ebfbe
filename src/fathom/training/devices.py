"""On how many devices one network is trained, as data."""

import re
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from fathom.errors import InputError
from fathom.parallel.cores import n_cores
from fathom.parallel.opening import MOST_PROCESSES, require_address
from fathom.values import Value

Sharded: TypeAlias = Literal["nothing", "optimizer", "weights"]
_HINT = (
    "devices or devices:4 for those of this process; processes or processes:4 of this machine; "
    "workers:HOST:PORT for the machines of a Ray cluster"
)
_WORKERS = "workers:"


def require_devices(address: str) -> str:
    """Return an address of devices, once it is one.

    Raises
    ------
    InputError
        If it names none.

    Examples
    --------
    >>> require_devices("devices:2")
    'devices:2'
    """
    if address.startswith(_WORKERS):
        return _WORKERS + require_address(address.removeprefix(_WORKERS))
    found = re.fullmatch(r"(devices|processes)(:\d{1,9})?", address)
    if found is None:
        raise InputError(
            "devices that train one network together", got=repr(address)[:80], hint=_HINT
        )
    if found[2] and not 1 <= int(found[2][1:]) <= MOST_PROCESSES:
        raise InputError(f"1 to {MOST_PROCESSES} {found[1]}", got=found[2][1:], hint=_HINT)
    return address


Devices: TypeAlias = Annotated[str, AfterValidator(require_devices)]


class DataParallel(Value):
    """One network trained on many devices, each with a part of every batch.

    Attributes
    ----------
    address : str
        ``devices`` or ``devices:4`` for those of this process, such as its accelerators;
        ``processes`` or ``processes:4`` for processes of this machine, on its cores;
        ``workers:HOST:PORT`` for the machines of a Ray cluster, ``workers:`` followed by what
        ``--cluster`` takes.
    sharded : {"nothing", "optimizer", "weights"}
        What is divided among the devices beside the batch and its activations: what the optimizer
        remembers, twice the size of the network with Adam; or the weights too.
    rematerialize : bool
        Whether activations are worked out twice rather than kept: about √layers of them are kept,
        for about a third more time. On a processor XLA undoes it, and nothing is saved.
    checkpoints : str or None
        Folder from which a training that was cut off goes on, on as many devices as there are then.
    checkpoint_seconds : float
        Seconds from one checkpoint to the next; with 0 there is one after each call of the program.
    n_parts : int or None
        Parts of a batch that workers are given; as many as there are workers when it begins where
        left out. It decides the last bits, who works does not.
    most_restarts : int
        Restarts of processes in a row, none of which reached another checkpoint, before training
        is given up.

    Examples
    --------
    >>> DataParallel(address="processes:2").n_processes
    2
    """

    address: Devices = "devices"
    sharded: Sharded = "nothing"
    rematerialize: bool = False
    checkpoints: str | None = None
    checkpoint_seconds: float = Field(default=60.0, ge=0, le=1e9)
    n_parts: int | None = Field(default=None, ge=1, le=100_000)
    most_restarts: int = Field(default=3, ge=0, le=1000)

    @model_validator(mode="after")
    def _workers_hold_no_part_of_the_network(self) -> "DataParallel":
        if self.workers is not None and (self.sharded != "nothing" or self.rematerialize):
            raise ValueError("workers have all of the network: nothing of it is sharded")
        return self

    @property
    def workers(self) -> str | None:
        """Address of the workers that are given parts of each batch; None for devices."""
        is_theirs = self.address.startswith(_WORKERS)
        return self.address.removeprefix(_WORKERS) if is_theirs else None

    @property
    def n_processes(self) -> int | None:
        """Processes that train; None where this one does, on its devices."""
        kind, _, count = self.address.partition(":")
        if kind != "processes":
            return None
        return int(count) if count else n_cores()

    @property
    def n_devices(self) -> int | None:
        """Devices of this process that are used; None for all."""
        kind, _, count = self.address.partition(":")
        return int(count) if kind == "devices" and count else None


def as_data_parallel(given: object) -> DataParallel:
    """Return what an estimator was given for an executor, for a network that is described.

    Raises
    ------
    InputError
        If it is neither an address of devices nor a `DataParallel`.
    """
    if isinstance(given, DataParallel):
        return given
    if isinstance(given, str):
        return DataParallel(address=given)
    raise InputError(
        "executor as an address such as 'processes:4', or DataParallel, for a described network",
        got=repr(given)[:80], hint="leave architecture and recipe out to search for one",
    )  # fmt: skip


def refuse_executor(given: object) -> None:
    """Refuse devices for networks that are searched for among pictures.

    Raises
    ------
    InputError
        If there are to be some.
    """
    if given is not None:
        raise InputError(
            "an architecture or a recipe with executor, for pictures", got="neither",
            hint="leave executor out: networks for pictures are searched for by this process",
        )  # fmt: skip
