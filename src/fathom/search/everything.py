"""A contest whose winner learns from everything: judged by what is held out, trained on all."""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from fathom.errors import TrainingError
from fathom.nn.network import Network
from fathom.nn.xla import jax
from fathom.search.contest import (
    Entry,
    Ground,
    cut,
    left_out,
    loss_of,
    named,
    run_entry,
    start_of,
    stopped,
    tell,
)
from fathom.training.engines import LoopsName, are_loops_ready, expected_loops
from fathom.training.history import Epoch, Event, NetworkEvent, StartHistory
from fathom.training.loop import make_plan
from fathom.training.monitor import Deadline, Monitor
from fathom.training.plan import Examples
from fathom.training.recipe import Recipe
from fathom.training.starts import n_workers, train_starts

JUDGED_SHARE = 0.3  # of the time, for the networks that are judged
BEGUN_AGAIN = 0.25  # of the time, that has to be left to begin again by loops that come late
FAIR = 2.0  # times as many epochs as another may have had where losses are compared
LEAST_S = 60.0  # below which nothing is trained twice
FEWEST_STEPS = 90  # of a trial, before which losses say nothing
ENOUGH_PASSES = 60  # over all examples, after which another network helps more than more of them
MOST_ROUNDS = 3  # of as many networks as there are cores
ASKED_EVERY_S = 0.2  # whether loops are compiled
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
    keeps_judges: bool = False,
) -> Learned:
    """Try every entry on a part, and train the best anew on everything, from several starts.

    Where few groups speak for all others, the one that judges is missed most by those that learn.
    On a machine whose loops are not compiled yet the surest entry is trained by XLA until they are:
    what is trained before tells nothing of what is trained after. If little time is left then, the
    surest learns from everything without a contest.

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
    keeps_judges : bool, default False
        Whether what is held out judges to the end, as something else is to be compared by it.

    Raises
    ------
    TrainingError
        If no entry found a finite loss.
    """
    early, alone = _train_meanwhile(entries, ground, deadline, monitor)
    if alone is not None:
        return alone
    others = entries if not early or deadline.remaining() >= LEAST_S else ()
    entries = (*entries[: len(early)], *others)
    starts, winner = _judge(entries, early, ground, deadline, monitor)
    entry = entries[winner.number]
    pass_s = winner.seconds_per_row * len(rows)
    judged = Learned(entry, (winner.network,), starts, (winner.number,))
    if monitor.should_stop() or deadline.remaining() < pass_s:
        return judged
    rounds = int(deadline.remaining() / (pass_s * ENOUGH_PASSES))
    n_starts = min(MOST_ROUNDS, max(1, rounds)) * n_workers()
    fraction = entry.recipe.validation_fraction if keeps_judges else 0.0
    entry = replace(entry, recipe=_recipe(entry, n_starts, entry.recipe.seed, fraction))
    everything = pick(ground.examples, ground.training if keeps_judges else rows)
    judges = ground.held_out if keeps_judges else None
    found = _learn(entry, (), starts, (), everything, deadline, monitor, judges)
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


class _Waiting(Monitor):
    """Asks a training to stop once loops are compiled, where enough time is left to begin again."""

    def __init__(self, name: LoopsName, deadline: Deadline, monitor: Monitor) -> None:
        self._name, self._monitor = name, monitor
        self._deadline, self._least_s = deadline, BEGUN_AGAIN * deadline.remaining()
        self._asks = deadline.now()
        self.is_done = False

    @property
    def stop_reason(self) -> str:  # type: ignore[override]
        """Why the training is to end."""
        return "loops are compiled now" if self.is_done else self._monitor.stop_reason

    def on_epoch(self, start: int, epoch: Epoch) -> None:
        self._monitor.on_epoch(start, epoch)

    def on_event(self, start: int, event: Event) -> None:
        self._monitor.on_event(start, event)

    def on_network(self, event: NetworkEvent) -> None:
        self._monitor.on_network(event)

    def should_stop(self) -> bool:
        is_due, now = False, self._deadline.now()
        if now >= self._asks:
            self._asks = now + ASKED_EVERY_S
            is_due = self._deadline.remaining() >= self._least_s and are_loops_ready(self._name)
        self.is_done = self.is_done or is_due
        return self.is_done or self._monitor.should_stop()


Tried: TypeAlias = tuple[Network | None, StartHistory]


def _train_meanwhile(
    entries: Sequence[Entry], ground: Ground, deadline: Deadline, monitor: Monitor
) -> tuple[list[Tried], Learned | None]:
    """Train the surest entry until loops are compiled.

    Returns
    -------
    list, and Learned or None
        What was trained, nothing where loops are there or will never be; the same as all that came
        of it, where it ended by itself, by the clock or by request.
    """
    entry = entries[0]
    plan, network = make_plan(entry.architecture, entry.recipe), start_of(entry)
    name = expected_loops(plan, network, ground.examples.x)
    if name is None:
        return [], None
    waiting = _Waiting(name, deadline, monitor)
    try:
        trained, history = run_entry(0, entry, None, ground, deadline, waiting)
    except TrainingError as error:
        return [(None, left_out(entry, error))], None
    alone = None if waiting.is_done else Learned(entry, (trained,), (history,), (0,))
    return [(trained, history)], alone


def learn_side_by_side(
    entry: Entry, ground: Ground, n_starts: int, *, deadline: Deadline, monitor: Monitor
) -> Learned:
    """Train one network from several starts, all judged by what is held out, without a contest.

    Parameters
    ----------
    entry : Entry
        The network.
    ground : Ground
        What they are trained on, and judged by.
    n_starts : int
        How many, side by side as far as there are cores.
    deadline : Deadline
        When to be done.
    monitor : Monitor
        Told of every epoch, and asked whether to stop.
    """
    changed = {"n_starts": n_starts, "combine": "average"}
    entry = replace(entry, recipe=entry.recipe.model_copy(update=changed))
    examples = pick(ground.examples, ground.training)
    return _learn(entry, (), (), (), examples, deadline, monitor, ground.held_out)


@dataclass(frozen=True)
class _Winner:
    number: int
    network: Network
    seconds_per_row: float  # of training, once in every epoch


def _judge(
    entries: Sequence[Entry],
    early: Sequence[Tried],
    ground: Ground,
    deadline: Deadline,
    monitor: Monitor,
) -> tuple[tuple[StartHistory, ...], _Winner]:
    """Try the entries side by side, a core each, and find the one with the least loss.

    Where there were few steps, or one had far more epochs than another, by another engine or on a
    busier core, losses say nothing; then the surest is taken.
    """
    first = len(early)
    workers = max(1, min(len(entries) - first, n_workers()))
    rounds = max(1, math.ceil((len(entries) - first) / workers))
    seconds = JUDGED_SHARE * deadline.remaining() / rounds

    def attempt(number: int) -> Tried:
        if number > first and monitor.should_stop():
            return None, StartHistory(events=(stopped(0, "left out: asked to stop"),))
        try:
            return run_entry(number, entries[number], None, ground, Deadline(seconds), monitor)
        except TrainingError as error:
            return None, left_out(entries[number], error)

    with ThreadPoolExecutor(workers) as pool:
        tried = [*early, *pool.map(attempt, range(first, len(entries)))]
    losses = [math.inf if network is None else loss_of(history) for network, history in tried]
    winner = int(np.argmin(losses))
    network, history = tried[winner]
    if network is None:
        raise TrainingError("a network with a finite loss", got=history.events[-1].text)
    is_for_good = winner < first or monitor.should_stop()  # it is this network that counts
    unfair = "" if is_for_good else _why_unfair(entries[first:], tried[first:], ground)
    if unfair:
        winner = next(n for n in range(first, len(tried)) if tried[n][0] is not None)
        network, history = tried[winner][0] or network, tried[winner][1]
    starts = [
        start if number == winner or one is None
        else cut(number, entries[number], start, losses[number], losses[winner], monitor, unfair)
        for number, (one, start) in enumerate(tried)
    ]  # fmt: skip
    each = history.epochs[-1].seconds / len(history.epochs) / len(ground.training)
    return tuple(starts), _Winner(winner, network, each)


def _why_unfair(entries: Sequence[Entry], tried: Sequence[Tried], ground: Ground) -> str:
    """Return why losses say nothing of which network is the better one; empty where they do."""
    counts, steps = [], []
    for entry, (network, history) in zip(entries, tried, strict=True):
        if network is not None:
            counts.append(len(history.epochs))
            steps.append(counts[-1] * len(ground.training) / entry.recipe.batch_size)
    if len(counts) < 2 or (max(counts) <= FAIR * min(counts) and min(steps) >= FEWEST_STEPS):
        return ""
    return f"trials of {min(counts)} to {max(counts)} epochs say nothing, the surest goes on"


def _recipe(entry: Entry, n_starts: int, seed: int, fraction: float = 0.0) -> Recipe:
    changed = {"n_starts": n_starts, "combine": "average", "validation_fraction": fraction}
    return entry.recipe.model_copy(update={**changed, "seed": seed})


def _learn(
    entry: Entry,
    networks: tuple[Network, ...],
    starts: tuple[StartHistory, ...],
    kept: tuple[int, ...],
    examples: Examples,
    deadline: Deadline,
    monitor: Monitor,
    held_out: Examples | None = None,
) -> Learned:
    """Train networks on examples, beside those there are."""
    what = " everything" if held_out is None else ""
    numbered = _Numbered(entry, len(starts), monitor, what)
    found, history = train_starts(
        entry.architecture, entry.recipe, examples, held_out, monitor=numbered, deadline=deadline
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

    def __init__(self, entry: Entry, n_before: int, monitor: Monitor, what: str) -> None:
        self._entry, self._n_before, self._monitor = entry, n_before, monitor
        self._what, self.stop_reason = what, monitor.stop_reason
        for start in range(entry.recipe.n_starts):
            reason = f"learns from{what}" if what else ""
            tell(monitor, n_before + start, entry, "begun", reason=reason)

    def on_epoch(self, start: int, epoch: Epoch) -> None:
        self._monitor.on_epoch(self._n_before + start, epoch)

    def on_event(self, start: int, event: Event) -> None:
        self._monitor.on_event(self._n_before + start, event)

    def should_stop(self) -> bool:
        return self._monitor.should_stop()

    def conclude(self, start: int, history: StartHistory) -> None:
        reason = f"{len(history.epochs)} epochs" + f" on{self._what}" * bool(self._what)
        number, judged = self._n_before + start, None if self._what else history
        tell(self._monitor, number, self._entry, "complete", reason=reason, history=judged)
