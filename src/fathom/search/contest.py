"""A contest: a few described networks are tried a little, and the best is trained on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fathom.errors import TrainingError
from fathom.nn.architecture import Architecture
from fathom.nn.network import Network, build
from fathom.nn.xla import jax
from fathom.training.history import Event, NetworkEvent, NetworkStatus, StartHistory
from fathom.training.loop import make_plan, pad_for_evaluation, train
from fathom.training.monitor import Deadline, Monitor
from fathom.training.plan import Examples
from fathom.training.program import make_program
from fathom.training.recipe import Recipe
from fathom.training.starts import n_workers

TRIAL_SHARE = 0.36  # of the time, for all trials together
LEAST_FOR_TRIALS = 60.0  # seconds below which the first entry is trained alone


@dataclass(frozen=True)
class Entry:
    """A network that takes part.

    Attributes
    ----------
    name : str
        What sets it apart, in words.
    architecture, recipe : Architecture, Recipe
        The network, and how it is trained.
    """

    name: str
    architecture: Architecture
    recipe: Recipe


@dataclass(frozen=True)
class Outcome:
    """What a contest found.

    Attributes
    ----------
    entry : Entry
        The winner.
    network : Network
        Trained to the end.
    starts : tuple of StartHistory
        What happened: a trial for each entry that had one, then the training of the winner, then
        that of a challenger.
    kept : int, default -1
        Which of them made the winner.
    """

    entry: Entry
    network: Network
    starts: tuple[StartHistory, ...]
    kept: int = -1


@dataclass(frozen=True)
class Ground:
    """What every entry is trained on.

    Attributes
    ----------
    examples : Examples
        All examples.
    training : numpy.ndarray
        Positions of those to train on.
    held_out : Examples or None
        Those that judge.
    """

    examples: Examples
    training: np.ndarray
    held_out: Examples | None


def contest(
    entries: Sequence[Entry],
    ground: Ground,
    *,
    deadline: Deadline,
    monitor: Monitor,
) -> Outcome:
    """Try each entry for a share of the time, and train the best on from where it stands.

    Parameters
    ----------
    entries : sequence of Entry
        The networks, the surest first: where time is short it is trained alone.
    ground : Ground
        What they are trained on, and judged by.
    deadline : Deadline
        When to be done.
    monitor : Monitor
        Told of every epoch and of what became of each network, and asked whether to stop.

    Raises
    ------
    TrainingError
        If no entry found a finite loss.

    Notes
    -----
    One early cut keeps nearly all of what a longer race would find. Trials bring their learning
    rate down to 0, so that what is compared are networks that have settled; the winner's then rises
    once more (a warm restart).
    """
    limit = deadline.remaining()
    has_trials = (
        len(entries) > 1 and ground.held_out is not None and LEAST_FOR_TRIALS <= limit < math.inf
    )
    if not has_trials:
        network, history = run_entry(0, entries[0], None, ground, deadline, monitor, n_workers())
        return Outcome(entries[0], network, (history,))
    cores = n_workers()  # one network at a time has all of them
    tried: list[tuple[float, int, Network]] = []
    starts: list[StartHistory] = []
    errors: list[TrainingError] = []
    for number, entry in enumerate(entries):
        if number and monitor.should_stop():
            break
        share = Deadline(TRIAL_SHARE * limit / len(entries))
        try:
            network, history = run_entry(number, entry, None, ground, share, monitor, cores)
        except TrainingError as error:
            errors.append(error)
            starts.append(left_out(entry, error))
            continue
        tried.append((loss_of(history), number, network))
        starts.append(history)
    if not tried:
        raise errors[0]
    best, winner, network = min(tried, key=lambda one: one[:2])
    for loss, number, _ in tried:
        if number != winner:
            starts[number] = cut(number, entries[number], starts[number], loss, best, monitor)
    final, history = run_entry(winner, entries[winner], network, ground, deadline, monitor, cores)
    if loss_of(history) > best:  # what followed was no better: stay with the trial's
        final = network
    return Outcome(entries[winner], final, (*starts, history))


def challenge(
    found: Outcome, entry: Entry, ground: Ground, *, deadline: Deadline, monitor: Monitor
) -> Outcome:
    """Train one more network, and keep the better of it and the winner so far.

    Parameters
    ----------
    found : Outcome
        The winner so far.
    entry : Entry
        Another network, much cheaper to train.
    ground : Ground
        What it is trained on, and judged by; something is held out.
    deadline : Deadline
        When to be done.
    monitor : Monitor
        Told of every epoch and of what became of each network, and asked whether to stop.
    """
    number, starts = len(found.starts), list(found.starts)
    try:
        network, history = run_entry(number, entry, None, ground, deadline, monitor, n_workers())
    except TrainingError as error:
        return replace(found, starts=(*starts, left_out(entry, error)), kept=number - 1)
    before, now = min(map(loss_of, starts)), loss_of(history)
    if now < before:
        starts[-1] = cut(number - 1, found.entry, starts[-1], before, now, monitor)
        return Outcome(entry, network, (*starts, history), number)
    behind = cut(number, entry, history, now, before, monitor)
    return replace(found, starts=(*starts, behind), kept=number - 1)


def go_on(
    number: int,
    entry: Entry,
    network: Network,
    ground: Ground,
    *,
    deadline: Deadline,
    monitor: Monitor,
) -> tuple[Network, StartHistory, bool]:
    """Train a network on from where it stands, and keep what was before where that was better.

    Parameters
    ----------
    number : int
        How many trainings there were before, so that chance falls otherwise this time.
    entry : Entry
        What the network is, and how it is trained.
    network : Network
        As it stands.
    ground : Ground
        What it is trained on, and judged by.
    deadline : Deadline
        When to be done.
    monitor : Monitor
        Told of every epoch, and asked whether to stop.

    Returns
    -------
    tuple of Network, StartHistory and bool
        The better network, what happened, and whether it is the new one.
    """
    before = math.inf if ground.held_out is None else _judge(entry, network, ground.held_out)
    trained, history = run_entry(number, entry, network, ground, deadline, monitor, n_workers())
    is_better = loss_of(history) < before
    return (trained if is_better else network), history, is_better


def _judge(entry: Entry, network: Network, held_out: Examples) -> float:
    program = make_program(make_plan(entry.architecture, entry.recipe))
    sums = program.evaluate(network, pad_for_evaluation(held_out))
    return float(sums.loss) / float(sums.weight)


def run_entry(
    number: int,
    entry: Entry,
    network: Network | None,
    ground: Ground,
    deadline: Deadline,
    monitor: Monitor,
    cores: int = 1,
) -> tuple[Network, StartHistory]:
    """Train an entry from its start, or on from where it stands, and tell what it came to.

    It has so many cores to itself; others may train beside it.
    """
    tell(monitor, number, entry, "begun", reason="" if network is None else "goes on")
    if network is None:
        network = start_of(entry)
    trained, history = train(
        network, entry.architecture, entry.recipe, ground.examples, ground.held_out,
        start=number, rows=ground.training, monitor=monitor, deadline=deadline,
        cores=cores,
    )  # fmt: skip
    tell(monitor, number, entry, "complete", history=history)
    return trained, named(history, entry)


def start_of(entry: Entry) -> Network:
    """Return the network of an entry at its random start."""
    return build(entry.architecture, jax.random.key(entry.recipe.seed))


def named(history: StartHistory, entry: Entry) -> StartHistory:
    """Say of which network it is that its training stopped, as several are told of together."""
    events = tuple(
        event.model_copy(update={"text": f"{event.text} ({entry.name})"})
        if event.kind == "stopped"
        else event
        for event in history.events
    )
    return history.model_copy(update={"events": events})


def loss_of(history: StartHistory) -> float:
    """Return the loss of the epoch kept, on what was held out where something was."""
    best = history.best
    if best is None:
        return math.inf
    return best.train_loss if best.validation_loss is None else best.validation_loss


def stopped(epoch: int, text: str) -> Event:
    """Return the event of a training that is over."""
    return Event(epoch=epoch, kind="stopped", text=text)


def left_out(entry: Entry, error: TrainingError) -> StartHistory:
    """Return the history of a network that could not be trained."""
    return StartHistory(events=(stopped(0, f"left out ({entry.name}): {error}"),))


def cut(
    number: int,
    entry: Entry,
    history: StartHistory,
    loss: float,
    best: float,
    monitor: Monitor,
    why: str = "",
) -> StartHistory:
    """Tell, and note in its history, that a network was behind the best, or why else it is cut."""
    why = why or f"held-out loss {loss:.4g}, the best {best:.4g}"
    text = f"cut after its trial ({entry.name}): {why}"
    tell(monitor, number, entry, "cut", reason=text, history=history)
    event = stopped(len(history.epochs), text)
    return history.model_copy(update={"events": (*history.events, event)})


def tell(
    monitor: Monitor,
    number: int,
    entry: Entry,
    status: NetworkStatus,
    *,
    reason: str = "",
    history: StartHistory | None = None,
) -> None:
    """Tell what became of an entry."""
    loss = math.inf if history is None else loss_of(history)
    monitor.on_network(
        NetworkEvent(
            number=number, status=status, structure=entry.name, reason=reason,
            epoch=None if history is None else len(history.epochs), epochs=entry.recipe.epochs,
            loss=loss if math.isfinite(loss) else None, loss_name="loss",
        )
    )  # fmt: skip
