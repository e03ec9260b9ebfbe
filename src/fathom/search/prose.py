"""Networks for texts: a bag of n-grams, shallow or deep, judged once and trained on all."""

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from fathom.errors import TrainingError
from fathom.nn.architecture import Architecture, Layer
from fathom.nn.bag import Bag
from fathom.nn.blocks import Activation, Dropout, Residual
from fathom.nn.dense import Dense
from fathom.nn.named import LossName
from fathom.nn.network import Network
from fathom.search.contest import Entry, Ground, left_out, loss_of, run_entry
from fathom.training.history import History, StartHistory
from fathom.training.metrics import score_name
from fathom.training.monitor import Deadline, Monitor
from fathom.training.plan import Examples
from fathom.training.recipe import Recipe
from fathom.training.starts import n_workers, train_starts

UNITS, FEWER_UNITS = 32, 16
STEPS = 350  # that a training aims at, within the limits of epochs
DROPPED, DROPPED_OF_FEW = 0.5, 0.3  # share of the n-grams left out while learning
FEW = 256  # n-grams of a text, below which fewer are left out: each is missed more
RATE, RATE_BY_SLOPE = 3e-3, 0.1  # of Adam; of Nesterov's momentum, for batches of BATCH_BY_SLOPE
BATCH_BY_SLOPE, PASSES_BY_SLOPE = 64, 2  # and as many times the epochs of Adam
LONGEST_GRADIENT = 1.0  # where steps are as long as it
OF_NGRAMS, SHALLOW, DEEP = " n-grams, ", "one hidden layer", "three hidden layers"
BY_SLOPE = "one hidden layer, steps as long as the slope"
FEWEST_EPOCHS, MOST_EPOCHS = 4, 40
TRIAL_SHARE = 0.4  # of the time that is left, for a network that is judged
MOST_STARTS = 4  # networks trained on all texts, whose outputs are averaged
LEAST_SHARE = 0.7  # of the time a trial took, in which a training on all texts is worth while
MOST_TOGETHER = 16  # networks of a model that was trained on, whose outputs are averaged
LEAST_TRAINED = 0.5  # of its epochs, with which a network that the clock cut short still counts
NEAR = 1.5  # times the least loss, up to which a network is judged again by other texts
ENOUGH_JUDGING = 1500  # texts that have judged, after which no others are asked
SLOWER = 1.4  # how much longer than the trial a network trained beside others may take


Division: TypeAlias = tuple[np.ndarray, np.ndarray]
"""Rows that train, and rows that judge."""


@dataclass(frozen=True)
class Prepared:
    """Texts as examples, and the codes there are.

    Attributes
    ----------
    examples : Examples
        Rows of codes and weights, and what is to be said of each.
    n_codes : int
        Codes, 0 included.
    """

    examples: Examples
    n_codes: int


@dataclass(frozen=True)
class Written:
    """What was found for texts.

    Attributes
    ----------
    entry : Entry
        The network that was chosen, and how it was trained in the end.
    networks : tuple of Network
        Whose outputs are averaged.
    history : History
        The networks that were judged, then those that make up the model.
    is_whole : bool
        Whether the networks learned from all texts, and from codes learned from all; otherwise from
        those that were not held out.
    """

    entry: Entry
    networks: tuple[Network, ...]
    history: History
    is_whole: bool


def text_entries(
    length: int, n_codes: int, output: Dense, loss: LossName, n: int, seed: int
) -> tuple[Entry, ...]:
    """Describe the networks that are judged for texts.

    Adam takes steps of one size for all n-grams, so that rare ones soon count; those of Nesterov's
    momentum are as long as the slope, so that at first only frequent ones do, as under a penalty on
    squared weights. Which is better differs from texts to texts; those of few n-grams, nearly all
    of them rare, go without the second.

    Parameters
    ----------
    length : int
        Codes in a row.
    n_codes : int
        Codes there are.
    output, loss : Dense, str
        The output layer, and what is minimized.
    n : int
        Texts to train on.
    seed : int
        Seed of every random choice.
    """
    batch = 32 if n < 1500 else 64 if n < 5000 else 128
    epochs = math.ceil(STEPS * batch / n)
    epochs = min(MOST_EPOCHS, max(FEWEST_EPOCHS, epochs))
    adam = Recipe(
        learning_rate=RATE, batch_size=batch, seed=seed, validation_fraction=0.1, epochs=epochs
    )
    changed = {
        "optimizer": "nesterov", "learning_rate": RATE_BY_SLOPE * batch / BATCH_BY_SLOPE,
        "epochs": PASSES_BY_SLOPE * epochs, "gradient_clip": LONGEST_GRADIENT,
    }  # fmt: skip
    by_slope = adam.model_copy(update=changed)
    dropped = DROPPED_OF_FEW if length < FEW else DROPPED
    inner = (Dense(units=UNITS, activation="relu"), Dropout(rate=0.2), Dense(units=UNITS))
    deeper = (Residual(layers=inner), Dropout(rate=0.2))

    def entry(name: str, units: int, recipe: Recipe, *behind: Layer) -> Entry:
        bag = Bag(codes=n_codes, units=units, dropout=dropped)
        layers = (bag, Activation(activation="relu"), *behind, output)
        described = Architecture(input_shape=(2 * length,), layers=layers, loss=loss)
        return Entry(f"a bag of {n_codes:,}{OF_NGRAMS}{name}", described, recipe)

    shallow, deep = entry(SHALLOW, UNITS, adam), entry(DEEP, UNITS, adam, *deeper)
    if length < FEW:
        return shallow, deep
    return shallow, entry(BY_SLOPE, FEWER_UNITS, by_slope), deep


def find_for_texts(
    prepare: Callable[[np.ndarray | None], Prepared],
    describe: Callable[[Prepared, int], tuple[Entry, ...]],
    divisions: Sequence[Division],
    *,
    deadline: Deadline,
    monitor: Monitor,
) -> Written:
    """Judge a few networks on texts held out, then train the best on all texts, several times.

    Parameters
    ----------
    prepare : callable
        Takes the rows that codes are learned from, or None for all, and returns the texts so.
    describe : callable
        Takes texts as prepared and how many are trained on, and returns the entries.
    divisions : sequence of Division
        Rows that train and rows that judge, drawn anew each time. Networks that the first division
        does not tell apart are judged on the next too, where there is time; no division at all
        where there are too few texts.
    deadline : Deadline
        When to be done.
    monitor : Monitor
        Told of every epoch and of what became of each network, and asked whether to stop.
    """
    began = time.monotonic()
    starts: list[StartHistory] = []
    chosen: Entry | None = None
    epochs, n_starts = 0, 1
    if divisions:
        starts, best = _contest(prepare, describe, divisions, deadline, monitor)
        if best.network is None:
            raise TrainingError("a network with a finite loss", got=starts[0].events[-1].text)
        chosen = best.entry
        if len(best.history.epochs) == chosen.recipe.epochs:  # the clock did not cut it short
            # The rate falls within them, so that very few would end before anything is learned.
            epochs = max(best.history.best_epoch, math.ceil(chosen.recipe.epochs / 2))
        n_starts = _affordable(deadline, best.seconds)
        if n_starts == 0 or monitor.should_stop():
            judges_only = _history((*starts,), (best.number,), chosen, began)
            return Written(chosen, (best.network,), judges_only, is_whole=False)
    whole = prepare(None)
    entry = _same_kind(describe(whole, len(whole.examples.weight)), chosen)
    recipe = entry.recipe.model_copy(
        update={
            "n_starts": n_starts, "combine": "average", "validation_fraction": 0.0,
            "epochs": epochs or entry.recipe.epochs,
        }
    )  # fmt: skip
    networks, found = train_starts(
        entry.architecture, recipe, whole.examples, monitor=monitor, deadline=deadline
    )
    kept = tuple(len(starts) + place for place in found.kept)
    whole_history = _history((*starts, *found.starts), kept, entry, began)
    chosen = Entry(entry.name, entry.architecture, recipe)
    return Written(chosen, networks, whole_history, is_whole=True)


def _kind(entry: Entry) -> str:
    """Return what an entry is, whatever texts it is described for."""
    return entry.name.partition(OF_NGRAMS)[2]


def _same_kind(entries: tuple[Entry, ...], chosen: Entry | None) -> Entry:
    """Return the one that was chosen, described for all texts; the surest where none is."""
    kind = "" if chosen is None else _kind(chosen)
    return next((one for one in entries if _kind(one) == kind), entries[0])


@dataclass(frozen=True)
class _Judged:
    number: int
    entry: Entry
    network: Network | None  # None where no loss was finite
    history: StartHistory
    seconds: float

    @property
    def loss(self) -> float:
        return math.inf if self.network is None else loss_of(self.history)


def _contest(
    prepare: Callable[[np.ndarray | None], Prepared],
    describe: Callable[[Prepared, int], tuple[Entry, ...]],
    divisions: Sequence[Division],
    deadline: Deadline,
    monitor: Monitor,
) -> tuple[list[StartHistory], _Judged]:
    """Judge entries on one division after another, and find the one with the least mean loss.

    Returns
    -------
    list of StartHistory, _Judged
        Every training, and the winner's on the first division.
    """
    starts: list[StartHistory] = []
    first: dict[str, _Judged] = {}
    losses: dict[str, list[float]] = {}
    n_judging = 0
    for training, held_out in divisions:
        mark = time.monotonic()
        prepared = prepare(training)
        prepare_s = time.monotonic() - mark
        judges = Examples(*(part[held_out] for part in prepared.examples))
        ground = Ground(prepared.examples, training, judges)
        entries = describe(prepared, len(training))
        running = tuple(one for one in entries if not first or _kind(one) in losses)
        judged = _judge(running, len(starts), ground, deadline, monitor)
        starts += [one.history for one in judged]
        if first and len(judged) < len(losses):  # means over other texts would say nothing
            break
        for one in judged:
            first.setdefault(_kind(one.entry), one)
            losses.setdefault(_kind(one.entry), []).append(one.loss)
        n_judging += len(held_out)
        means = {kind: float(np.mean(each)) for kind, each in losses.items()}
        least = min(means.values())
        losses = {kind: losses[kind] for kind, mean in means.items() if mean <= NEAR * least}
        longest = max(first[kind].seconds for kind in losses)
        took = time.monotonic() - mark
        enough_s = took + prepare_s + SLOWER * longest * MOST_STARTS / n_workers()
        is_told = len(losses) == 1 or n_judging >= ENOUGH_JUDGING
        if is_told or deadline.remaining() < enough_s or monitor.should_stop():
            break
    return starts, first[min(losses, key=lambda kind: float(np.mean(losses[kind])))]


def _judge(
    entries: tuple[Entry, ...], n_before: int, ground: Ground, deadline: Deadline, monitor: Monitor
) -> list[_Judged]:
    """Train the entries a core each, as many rounds of them as leave time to train on all texts."""

    def attempt(place: int) -> _Judged:
        number, entry, mark = n_before + place, entries[place], time.monotonic()
        share = deadline.share(TRIAL_SHARE)
        try:
            network, history = run_entry(number, entry, None, ground, share, monitor)
        except TrainingError as error:
            seconds = time.monotonic() - mark
            return _Judged(number, entry, None, left_out(entry, error), seconds)
        return _Judged(number, entry, network, history, time.monotonic() - mark)

    workers = min(len(entries), n_workers())
    judged: list[_Judged] = []
    with ThreadPoolExecutor(workers) as pool:
        while len(judged) < len(entries):
            longest = max((one.seconds for one in judged), default=0.0)
            if judged and (monitor.should_stop() or deadline.remaining() < 4 * longest):
                break
            last = min(len(judged) + workers, len(entries))
            judged += pool.map(attempt, range(len(judged), last))
    return judged


def train_more(
    entry: Entry, examples: Examples, n_before: int, *, deadline: Deadline, monitor: Monitor
) -> tuple[tuple[Network, ...], tuple[StartHistory, ...], tuple[int, ...]]:
    """Train further networks from other starts, as many as there is time for.

    Parameters
    ----------
    entry : Entry
        What they are, and how they are trained.
    examples : Examples
        All texts.
    n_before : int
        How many trainings there were before, so that chance falls otherwise this time.
    deadline : Deadline
        When to be done.
    monitor : Monitor
        Told of every epoch, and asked whether to stop.

    Returns
    -------
    tuple
        The networks; what happened in every training; which of those made them.
    """
    networks: list[Network] = []
    starts: list[StartHistory] = []
    kept: list[int] = []
    n = n_workers()
    while n > 0:
        seed = (entry.recipe.seed + n_before + len(starts)) % 2**32
        changed = {"n_starts": n, "combine": "average", "validation_fraction": 0.0, "seed": seed}
        recipe = entry.recipe.model_copy(update=changed)
        mark = time.monotonic()
        found, history = train_starts(
            entry.architecture, recipe, examples, monitor=monitor, deadline=deadline
        )
        took = time.monotonic() - mark
        for place, network in zip(history.kept, found, strict=True):
            if len(history.starts[place].epochs) >= LEAST_TRAINED * recipe.epochs:
                networks.append(network)
                kept.append(len(starts) + place)
        starts += history.starts
        left = deadline.remaining()
        fitting = n_workers() * int(left / max(took, 1e-3)) if math.isfinite(left) else MOST_STARTS
        n = 0 if monitor.should_stop() else min(MOST_STARTS - len(starts), fitting)
    return tuple(networks), tuple(starts), tuple(kept)


def _affordable(deadline: Deadline, longest: float) -> int:
    """Return how many networks there is time to train on all texts, as long as trials took."""
    remaining = deadline.remaining()
    if math.isinf(remaining):
        return MOST_STARTS
    rounds = max(0, int(remaining / max(SLOWER * longest, 1e-3)))  # the time may be over
    if rounds == 0 and remaining > LEAST_SHARE * longest:
        return 1  # for fewer epochs, but on all texts
    return min(MOST_STARTS, rounds * n_workers())


def _history(
    starts: tuple[StartHistory, ...], kept: tuple[int, ...], entry: Entry, began: float
) -> History:
    name = score_name(entry.architecture.output_activation)
    seconds = time.monotonic() - began
    return History(starts=starts, kept=kept, score_name=name, seconds=seconds)
