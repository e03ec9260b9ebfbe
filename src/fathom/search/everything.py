"""A contest whose winner learns from everything: judged by what is held out, trained on all."""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import jax
import numpy as np

from fathom.errors import TrainingError
from fathom.nn.network import Network
from fathom.search.contest import (
    Entry,
    Ground,
    cut,
    left_out,
    loss_of,
    named,
    run_entry,
    stopped,
    tell,
)
from fathom.training.history import Epoch, Event, StartHistory
from fathom.training.monitor import Deadline, Monitor
from fathom.training.program import Examples
from fathom.training.recipe import Recipe
from fathom.training.starts import n_workers, train_starts

JUDGED_SHARE = 0.3  # of the time, for the networks that are judged
LEAST_S = 60.0  # below which nothing is trained twice
ENOUGH_PASSES = 60  # over all examples, after which another network helps more than more of them
MOST_ROUNDS = 3  # of as many networks as there are cores
LEAST_TRAINED = 0.5  # of the epochs of those before, with which one that came later counts


@dataclass(frozen=True)
class Learned:
    """What came of it.

    Attributes
    ----------
    entry : Entry
        The winner, and how it was trained in the end.
    networks : tuple of Network
        Whose outputs are averaged.
    starts : tuple of StartHistory
        Those that were judged, then those that learned from everything.
    kept : tuple of int
        Which of them the networks are.
    """

    entry: Entry
    networks: tuple[Network, ...]
    starts: tuple[StartHistory, ...]
    kept: tuple[int, ...]


def judge_and_learn(
    entries: Sequence[Entry],
    ground: Ground,
    rows: np.ndarray,
    *,
    deadline: Deadline,
    monitor: Monitor,
) -> Learned:
    """Try every entry on a part, and train the best anew on everything, from several starts.

    Where few groups speak for all others, the one that judges is missed most by those that learn.

    Parameters
    ----------
    entries : sequence of Entry
        The networks, the surest first.
    ground : Ground
        What they are tried on, and judged by; something is held out.
    rows : numpy.ndarray
        Positions of all examples to learn from in the end.
    deadline : Deadline
        When to be done; it is finite.
    monitor : Monitor
        Told of every epoch and of what became of each network, and asked whether to stop.

    Raises
    ------
    TrainingError
        If no entry found a finite loss.
    """
    starts, winner = _judge(entries, ground, deadline, monitor)
    entry, pass_s = entries[winner.number], winner.seconds_per_row * len(rows)
    judged = Learned(entry, (winner.network,), starts, (winner.number,))
    if monitor.should_stop() or deadline.remaining() < pass_s:
        return judged
    rounds = int(deadline.remaining() / (pass_s * ENOUGH_PASSES))
    n_starts = min(MOST_ROUNDS, max(1, rounds)) * n_workers()
    entry = replace(entry, recipe=_recipe(entry, n_starts, entry.recipe.seed))
    everything = pick(ground.examples, rows)
    found = _learn(entry, (), starts, (), everything, deadline, monitor)
    fewest = min(len(found.starts[number].epochs) for number in found.kept)
    if fewest < LEAST_TRAINED * len(starts[winner.number].epochs):  # it was asked to stop
        return replace(judged, starts=found.starts)
    return found


def learn_more(
    before: Learned, examples: Examples, *, deadline: Deadline, monitor: Monitor
) -> Learned:
    """Train further networks from other starts, and average them with those there are.

    Parameters
    ----------
    before : Learned
        What there is.
    examples : Examples
        All examples.
    deadline : Deadline
        When to be done.
    monitor : Monitor
        Told of every epoch, and asked whether to stop.
    """
    seed = (before.entry.recipe.seed + len(before.starts)) % 2**32
    entry = replace(before.entry, recipe=_recipe(before.entry, n_workers(), seed))
    found = _learn(entry, before.networks, before.starts, before.kept, examples, deadline, monitor)
    epochs = [len(found.starts[number].epochs) for number in found.kept]
    n_before = len(before.networks)
    least = LEAST_TRAINED * float(np.mean(epochs[:n_before]))
    chosen = [place for place, n in enumerate(epochs) if place < n_before or n >= least]
    networks = tuple(found.networks[place] for place in chosen)
    kept = tuple(found.kept[place] for place in chosen)
    return replace(found, entry=before.entry, networks=networks, kept=kept)


@dataclass(frozen=True)
class _Winner:
    number: int
    network: Network
    seconds_per_row: float  # of training, once in every epoch


def _judge(
    entries: Sequence[Entry], ground: Ground, deadline: Deadline, monitor: Monitor
) -> tuple[tuple[StartHistory, ...], _Winner]:
    """Try the entries side by side, a core each, and find the one with the least loss."""
    workers = min(len(entries), n_workers())
    seconds = JUDGED_SHARE * deadline.remaining() / math.ceil(len(entries) / workers)

    def attempt(number: int) -> tuple[Network | None, StartHistory]:
        if number and monitor.should_stop():
            return None, StartHistory(events=(stopped(0, "left out: asked to stop"),))
        try:
            return run_entry(number, entries[number], None, ground, Deadline(seconds), monitor)
        except TrainingError as error:
            return None, left_out(entries[number], error)

    with ThreadPoolExecutor(workers) as pool:
        tried = list(pool.map(attempt, range(len(entries))))
    losses = [math.inf if network is None else loss_of(history) for network, history in tried]
    winner = int(np.argmin(losses))
    network, history = tried[winner]
    if network is None:
        raise TrainingError("a network with a finite loss", got=history.events[-1].text)
    starts = [
        start if number == winner or one is None
        else cut(number, entries[number], start, losses[number], losses[winner], monitor)
        for number, (one, start) in enumerate(tried)
    ]  # fmt: skip
    each = history.epochs[-1].seconds / len(history.epochs) / len(ground.training)
    return tuple(starts), _Winner(winner, network, each)


def _recipe(entry: Entry, n_starts: int, seed: int) -> Recipe:
    changed = {"n_starts": n_starts, "combine": "average", "validation_fraction": 0.0}
    return entry.recipe.model_copy(update={**changed, "seed": seed})


def _learn(
    entry: Entry,
    networks: tuple[Network, ...],
    starts: tuple[StartHistory, ...],
    kept: tuple[int, ...],
    examples: Examples,
    deadline: Deadline,
    monitor: Monitor,
) -> Learned:
    """Train networks on all examples, beside those there are."""
    numbered = _Numbered(entry, len(starts), monitor)
    found, history = train_starts(
        entry.architecture, entry.recipe, examples, monitor=numbered, deadline=deadline
    )
    for number, start in enumerate(history.starts):
        numbered.conclude(number, start)
    learned = [named(start, entry) for start in history.starts]
    new = tuple(len(starts) + place for place in history.kept)
    return Learned(entry, (*networks, *found), (*starts, *learned), (*kept, *new))


def pick(examples: Examples, rows: np.ndarray) -> Examples:
    """Return the examples at these positions, each once and in order."""
    if len(rows) == len(examples.weight):  # not copied: they may lie in a file
        return examples
    return jax.tree.map(lambda part: part[rows], examples)


class _Numbered(Monitor):
    """Tells of starts by numbers that go on after those of the networks before."""

    def __init__(self, entry: Entry, n_before: int, monitor: Monitor) -> None:
        self._entry, self._n_before, self._monitor = entry, n_before, monitor
        self.stop_reason = monitor.stop_reason
        for start in range(entry.recipe.n_starts):
            tell(monitor, n_before + start, entry, "begun", reason="learns from everything")

    def on_epoch(self, start: int, epoch: Epoch) -> None:
        self._monitor.on_epoch(self._n_before + start, epoch)

    def on_event(self, start: int, event: Event) -> None:
        self._monitor.on_event(self._n_before + start, event)

    def should_stop(self) -> bool:
        return self._monitor.should_stop()

    def conclude(self, start: int, history: StartHistory) -> None:
        reason = f"{len(history.epochs)} epochs on everything"
        tell(self._monitor, self._n_before + start, self._entry, "complete", reason=reason)
