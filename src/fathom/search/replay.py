"""Replay: the networks of a model trained once more, step by step as they were."""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from fathom.data.parsing import ParsedTable
from fathom.data.trees import MOST_BOOSTED_CLASSES, Growth
from fathom.errors import InputError, TrainingError
from fathom.search.design import Design, Plan, assemble, calibrate, divide
from fathom.search.material import Material
from fathom.search.record import (
    NetworkRecord,
    Record,
    digest_rows,
    grown_alike,
    made_with,
    require_record,
    require_same_rows,
)
from fathom.search.tried import Tried, make_job, retrace
from fathom.training.engines import cores_each
from fathom.training.history import Epoch, NetworkEvent, StartHistory, Steps
from fathom.training.monitor import Monitor
from fathom.training.population import Job, Trained, train_population

Generation = tuple[dict[int, Growth], list[NetworkRecord]]
Key = tuple[int, int]  # number of a candidate, and fold


def require_replayable(found: Design) -> Record:
    """Return the record of a model that can be trained again.

    Raises
    ------
    InputError
        If it has none, or one that does not go with the model.
    """
    record = require_record(found.record, sum(len(m.networks) for m in found.members))
    numbers = [c.number for c in found.report.candidates if c.status == "kept"]
    keys = [
        (number, fold)
        for number, member in zip(numbers, found.members, strict=False)
        for fold in member.folds
    ]
    starts = found.history.starts
    is_whole = len(starts) == len(keys) and all(start.steps is not None for start in starts)
    if [(one.number, one.fold) for one in record.networks] != keys or not is_whole:
        raise InputError(
            "a record that goes with the networks in the model, to replay it",
            got="a record of other networks", hint="train anew to get a model that can be replayed",
        )  # fmt: skip
    return record


def replay(
    found: Design,
    parsed: ParsedTable,
    y: np.ndarray,
    weight: np.ndarray,
    groups: np.ndarray | None = None,
    order: np.ndarray | None = None,
    *,
    monitor: Monitor | None = None,
) -> Design:
    """Train every network of a model again, as far as each went, whatever the time.

    What the clock decided is taken from the model: which candidates are in it and their weights,
    how many folds there are, how far trees were grown and each network was trained. All else is
    worked out again, and comes out the same to the bit on the same machine with the same versions.

    Parameters
    ----------
    found : Design
        The model.
    parsed : ParsedTable
        The rows its search was given.
    y, weight, groups, order : numpy.ndarray
        As its search was given them.
    monitor : Monitor, optional
        Told of every epoch, and of every network that is complete; asked whether to stop.

    Returns
    -------
    Design
        The model anew. Its report, and the history of each network all of whose epochs were the
        same, keep the times of the first training.

    Raises
    ------
    InputError
        If the model does not record enough, or these are not the rows it was trained on.
    TrainingError
        If it was stopped before every network was trained.
    """
    record, monitor = require_replayable(found), monitor or Monitor()
    require_same_rows(record, digest_rows(parsed, y, weight, groups, order), "replay it")
    classes = y if found.target.task == "classes" else None
    plan = Plan(found.seed, groups, order, earlier=found)
    folds = divide(len(y), classes, plan, 0.0)
    with cores_each(1):
        generations = [
            (Material(parsed, found.target, y, weight, folds, found.seed, growth), networks)
            for growth, networks in _generations(found, record)
        ]
        again = _Again(found, record, generations, monitor)
        train_population(again, monitor=monitor)
        return _remake(found, record, generations[0][0], again.trained)


def _generations(found: Design, record: Record) -> list[Generation]:
    """Part the networks by the trees they learned with: those in the model, or earlier ones.

    A search that goes on from a file grows its trees anew, further where it has more time.
    """
    last = {fold: found.trees[fold].growth for m in found.members if m.genes.has_trees
            for fold in m.folds}  # fmt: skip
    known = {fold: _known(growth, found) for fold, growth in last.items()}
    generations: list[Generation] = [(known, [])]
    for one in record.networks:
        if one.growth is None:
            generations[0][1].append(one)
            continue
        growth = _known(grown_alike(one), found)
        for grown, networks in generations:
            if grown.setdefault(one.fold, growth) == growth:
                networks.append(one)
                break
        else:
            generations.append(({one.fold: growth}, [one]))
    return generations


def _known(growth: Growth | None, found: Design) -> Growth:
    """Return how far trees were grown, once that is known, and is what such trees can be."""
    can_boost = len(found.target.classes) <= MOST_BOOSTED_CLASSES
    if growth is None or not growth.is_possible or (growth.rounds > 0) != can_boost:
        raise InputError(
            "a record of how far trees were grown, to replay a model",
            got="none" if growth is None else str(tuple(growth)),
            hint="train anew to get a model that can be replayed",
        )
    return growth


class _Again:
    """Directs a population: every network of a model once more.

    Parameters
    ----------
    found, record : Design, Record
        The model.
    generations : iterable of Material and networks
        What each network is trained on.
    monitor : Monitor
        Told of every network that is complete.
    """

    def __init__(
        self,
        found: Design,
        record: Record,
        generations: Iterable[tuple[Material, list[NetworkRecord]]],
        monitor: Monitor,
    ) -> None:
        self._monitor, self.trained = monitor, dict[Key, Trained]()
        steps = {
            (one.number, one.fold): start.steps
            for one, start in zip(record.networks, found.history.starts, strict=True)
        }
        self._genes = {c.number: c.genes for c in found.report.candidates}
        self._loss_name = "log loss"
        self._waiting: list[Callable[[], Job]] = []
        for material, networks in generations:
            self._loss_name = material.shown_loss[0]
            for one in networks:
                tried = Tried(one.number, self._genes[one.number], "")
                key = (one.number, one.fold)
                self._waiting.append(_maker(tried, one.fold, material, found.seed, steps[key]))

    @property
    def is_done(self) -> bool:
        """Whether every network is begun."""
        return not self._waiting

    def next_job(self) -> Callable[[], Job] | None:
        """Return how to make the next job."""
        return self._waiting.pop(0)

    def on_epoch(self, job: Job, epochs: list[Epoch]) -> str | None:
        """Let a network go on."""
        return None

    def on_trained(self, trained: Trained) -> None:
        """Keep a network, and tell of it."""
        job, genes = trained.job, self._genes[trained.job.number]
        self.trained[job.number, job.fold] = trained
        event = NetworkEvent(
            number=job.number, status="complete", structure=str(genes),
            reason=f"fold {job.fold + 1}", epoch=len(trained.history.epochs), epochs=genes.epochs,
            loss_name=self._loss_name,
        )  # fmt: skip
        self._monitor.on_network(event)


def _maker(
    tried: Tried, fold: int, material: Material, seed: int, steps: Steps | None
) -> Callable[[], Job]:
    return lambda: make_job(tried, fold, material, seed, steps)


def _remake(
    found: Design, record: Record, material: Material, trained: dict[Key, Trained]
) -> Design:
    """Make the model of its networks trained again."""
    n_missing = sum(
        (one.number, one.fold) not in trained or trained[one.number, one.fold].network is None
        for one in record.networks
    )
    if n_missing:
        raise TrainingError(
            f"all {len(record.networks)} networks of the model, trained again",
            got=f"{n_missing} that are not trained to the end",
            hint="train anew to get a model that can be replayed",
        )  # fmt: skip
    histories = {
        (one.number, one.fold): _as_before(start, trained[one.number, one.fold].history)
        for one, start in zip(record.networks, found.history.starts, strict=True)
    }
    kept = []
    networks = itertools.groupby(record.networks, key=lambda one: one.number)
    for member, (number, own) in zip(found.members, networks, strict=True):
        tried = Tried(number, member.genes, "", status="kept", weight=member.weight)
        folds = [one.fold for one in own]
        again = {fold: trained[number, fold].network for fold in folds}
        retrace(
            tried, material, {fold: n for fold, n in again.items() if n is not None},
            {fold: histories[number, fold] for fold in folds},
        )  # fmt: skip
        kept.append(tried)
    sharpness, loss, scores = calibrate(kept, material)
    changes = {"validation_loss": loss, "scores": scores, "temperature": 1 / sharpness}
    report = found.report.model_copy(update=changes)
    history = found.history.model_copy(update={"starts": tuple(histories.values())})
    return replace(
        assemble(kept, material, sharpness, report, history),
        seed=found.seed, n_rows=found.n_rows,
        record=record.model_copy(update={"made_with": made_with()}),
    )  # fmt: skip


def _as_before(before: StartHistory, again: StartHistory) -> StartHistory:
    """Return the history of the first training where the second went the same way, else its own."""
    untimed = {e.epoch: e.model_copy(update={"seconds": 0.0}) for e in again.epochs}
    is_same = before.best_epoch == again.best_epoch and all(
        untimed.get(epoch.epoch) == epoch.model_copy(update={"seconds": 0.0})
        for epoch in before.epochs
    )
    return before if is_same else again.model_copy(update={"steps": before.steps})
