"""A trial: one candidate trained on one fold, as a pure function that any machine may do."""

import hashlib
import json
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydantic import Field, FiniteFloat

from fathom.data.parsing import ParsedTable
from fathom.data.schema import Target
from fathom.data.splitting import Fold
from fathom.data.trees import Growth
from fathom.errors import ExecutorError
from fathom.nn.vectors import count_numbers, from_vector, outline_of, to_vector
from fathom.nn.xla import jnp
from fathom.parallel.executor import Placed, Result, Task
from fathom.search.material import Material
from fathom.search.record import PACKAGES, digest_rows, made_with
from fathom.search.space import Genes
from fathom.search.tried import Tried, best_so_far, make_job
from fathom.training.engines import cores_each
from fathom.training.history import Epoch, StartHistory
from fathom.training.monitor import Monitor
from fathom.training.plan import Examples
from fathom.training.population import Job, Trained, train_job
from fathom.values import Value

FUNCTION = "fathom.search.trial:do_trial"


@dataclass
class Workpiece:
    """A table with its folds as it travels to where trials are done.

    Attributes
    ----------
    parsed, target, y, weight, folds, seed
        As of `Material`.
    growth : dict of int to Growth
        How far the trees of each fold are grown, which no clock may decide here.
    versions : tuple of str
        Versions of what computes; another would give other last bits.
    """

    parsed: ParsedTable
    target: Target
    y: np.ndarray
    weight: np.ndarray
    folds: tuple[Fold, ...]
    seed: int
    growth: dict[int, Growth]
    versions: tuple[str, ...] = field(default_factory=lambda: _versions())

    @property
    def material(self) -> Material:
        """Return the table as networks see it; it is made where it is first asked for."""
        found: Material | None = self.__dict__.get("_material")
        if found is None:
            found = self.__dict__["_material"] = Material(
                self.parsed, self.target, self.y, self.weight, self.folds, self.seed, self.growth
            )
        return found

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what each place works out for itself."""
        return {name: value for name, value in self.__dict__.items() if name != "_material"}

    def placed(self) -> Placed:
        """Return this under a key of everything that trials on it depend on."""
        digest = hashlib.sha256()
        rows = digest_rows(self.parsed, self.y, self.weight, None, None)
        columns = [one.model_dump(mode="json") for one in self.parsed.columns]
        described = [
            rows, columns, self.target.model_dump(mode="json"), self.seed,
            sorted((fold, *growth) for fold, growth in self.growth.items()), self.versions,
        ]  # fmt: skip
        digest.update(json.dumps(described, sort_keys=True).encode())
        for fold in self.folds:
            for part in (fold.training, fold.held_out):
                digest.update(np.asarray(part, np.int64).tobytes() + b";")
        return Placed(digest.hexdigest(), self)


def _versions() -> tuple[str, ...]:
    return made_with()[: len(PACKAGES)]


class Trial(Value):
    """What is trained: a candidate's genes, and the fold.

    Attributes
    ----------
    number : int
        Number of the candidate, which with the search's seed gives that of its training.
    fold : int
        The division into rows that train and rows that judge.
    genes : Genes
        Everything else about it.
    """

    number: int = Field(ge=0)
    fold: int = Field(ge=0)
    genes: Genes

    def task(self, placed: Placed, seed: int) -> Task:
        """Return the trial as a task."""
        return Task(FUNCTION, placed.key, self.model_dump_json(), seed)


class _Times(Value):
    """What of a training is not the same twice."""

    seconds: FiniteFloat
    epochs: tuple[FiniteFloat, ...] = ()
    processor: tuple[FiniteFloat, FiniteFloat] = (0.0, 0.0)  # of it, until it trained and training


class _Watch(Monitor):
    """Ends a training whose best is long past, which depends on nothing but its own losses."""

    def __init__(self) -> None:
        self._epochs: list[Epoch] = []
        self._is_over = False

    def on_epoch(self, start: int, epoch: Epoch) -> None:
        self._epochs.append(epoch)
        reason = best_so_far(self._epochs)[1]
        if reason is not None:
            self._is_over, self.stop_reason = True, reason

    def should_stop(self) -> bool:
        return self._is_over


def do_trial(workpiece: Workpiece, config: str, seed: int) -> Result:
    """Train a candidate on a fold.

    Parameters
    ----------
    workpiece : Workpiece
        The table.
    config : str
        A `Trial`, as JSON.
    seed : int
        Seed of the search.

    Returns
    -------
    Result
        Network, sums z of the held-out rows and history as bytes; times as notes.

    Raises
    ------
    ExecutorError
        If this machine computes with other versions than the one that asks.
    """
    if workpiece.versions != _versions():
        differing = set(_versions()) ^ set(workpiece.versions)
        raise ExecutorError(
            "the same versions on every node", got=f"{', '.join(sorted(differing))}",
            hint="install the same packages everywhere",
        )  # fmt: skip
    trial = Trial.model_validate_json(config)
    tried = Tried(trial.number, trial.genes, "")
    ticks = [time.process_time()]
    with cores_each(1):  # which decides the last bits of everything
        job = make_job(tried, trial.fold, workpiece.material, seed)
        ticks.append(time.process_time())
        trained = train_job(job, monitor=_Watch(), engine="loops")
        ticks.append(time.process_time())
    return _pack(trained, (ticks[1] - ticks[0], ticks[2] - ticks[1]))


def _pack(trained: Trained, processor: tuple[float, float]) -> Result:
    """Return a line of JSON, and after it the numbers of the network and the sums z."""
    history = trained.history
    epochs = tuple(epoch.model_copy(update={"seconds": 0.0}) for epoch in history.epochs)
    network = np.zeros(0, np.float32) if trained.network is None else to_vector(trained.network)
    z = np.zeros((0, 0), np.float32) if trained.z is None else np.asarray(trained.z, np.float32)
    head = {
        "history": history.model_copy(update={"epochs": epochs}).model_dump(mode="json"),
        "numbers": len(network), "z": z.shape,
    }  # fmt: skip
    payload = b"\n".join([json.dumps(head).encode(), network.tobytes() + z.tobytes()])
    times = _Times(
        seconds=trained.seconds, epochs=tuple(e.seconds for e in history.epochs),
        processor=processor,
    )  # fmt: skip
    return Result(payload, times.model_dump_json())


def restore_trained(result: Result, tried: Tried, fold: int, material: Material) -> Trained:
    """Return what a trial trained.

    Parameters
    ----------
    result : Result
        What came back.
    tried : Tried
        The candidate.
    fold : int
        The fold.
    material : Material
        The table, here.
    """
    head, _, body = result.payload.partition(b"\n")
    facts, times = json.loads(head), _Times.model_validate_json(result.notes)
    numbers = np.frombuffer(body, np.float32)
    history = StartHistory.model_validate(facts["history"])
    epochs = tuple(
        epoch.model_copy(update={"seconds": seconds})
        for epoch, seconds in zip(history.epochs, times.epochs, strict=True)
    )
    history = history.model_copy(update={"epochs": epochs})
    job = _job_without_rows(tried, fold, material)
    if not facts["numbers"]:
        return Trained(job, None, None, history, times.seconds)
    shapes = outline_of(job.architecture)
    vector, z = np.split(numbers, [count_numbers(shapes)])
    network = from_vector(shapes, vector)
    return Trained(job, network, z.reshape(facts["z"]), history, times.seconds)


def _job_without_rows(tried: Tried, fold: int, material: Material) -> Job:
    """Return a trial's job for the record; its rows stay where it was done."""
    genes = tried.genes
    nothing = Examples(jnp.zeros((0, 0)), jnp.zeros(0), jnp.zeros(0))
    return Job(
        number=tried.number, fold=fold,
        architecture=genes.architecture(material.layout(genes.has_trees), material.target),
        recipe=genes.recipe(0), examples=nothing, held_out=nothing,
        rows=np.zeros(0, np.int32), judge=lambda z: (float("inf"), 0.0),
    )  # fmt: skip
