"""A search in rounds on invented machines: time passes in jumps, all else is the package's own.

The controller and the strategy are those that run; machines, what trials cost, losses of networks
and losses of nodes are invented here. `scale_simulated.py` fits the costs to measured searches,
holds the simulation against them and carries it on.
"""

import heapq
import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from fathom.data.features import Layout, with_trees
from fathom.data.schema import Target
from fathom.data.trees import n_tree_columns
from fathom.parallel.controller import Controller, Tally
from fathom.parallel.executor import Executor, Node, Outcome, Placed, Result, Task
from fathom.parallel.journal import Journal
from fathom.search import rounds as in_rounds
from fathom.search.design import FOLD_SECONDS, FOLDS, LEAST_HELD_OUT, LEAST_SHARE, MOST_SHARE
from fathom.search.rounds import RoundStrategy
from fathom.training.history import Epoch, StartHistory

SHOWN_ROWS = 200  # held-out rows of an invented table, which decide how near is near
MOST_JUMP_S = 60.0  # between two looks of the controller at its deadlines
TARGET = Target(task="classes", classes=("no", "yes"))


@dataclass(frozen=True)
class Costs:
    """Seconds of one core; `scale_simulated.py --runs` fits them.

    Attributes
    ----------
    weight, update, row, epoch : float
        Of training: a row, an epoch and a parameter; a step and a parameter; a row and an epoch;
        an epoch.
    fold, encode, tree : float
        Of what a worker does once for each fold: the fold, a cell, a row where trees are grown.
    again : float
        Of what it does for each trial besides training, a cell.
    start : float
        Of a worker, until it does its first trial.
    first, last : float
        Of the process that decides: before the first trial and after the last.
    result, submit : float
        Of the process that decides: each result, synced to the disk; each submission.
    trained : float
        Share of the planned epochs that are trained, as some end early.
    cell_bytes : float
        Bytes of a cell as it travels to a node.
    """

    weight: float = 7.04e-11
    update: float = 4.07e-9
    row: float = 0.0
    epoch: float = 1.15e-3
    fold: float = 0.0163
    encode: float = 6.09e-7
    tree: float = 7.57e-4
    again: float = 4.08e-8
    start: float = 2.47
    first: float = 8.03
    last: float = 4.56
    result: float = 0.0186
    submit: float = 0.0
    trained: float = 0.882
    cell_bytes: float = 8.0


@dataclass(frozen=True)
class Machines:
    """Who works.

    Attributes
    ----------
    nodes, slots : int
        Machines, and workers on each.
    cores : int or None
        Of a machine; with fewer than workers these take turns. None for as many.
    bandwidth : float
        Bytes a second that a machine sends or receives.
    failure_s, back_s, noticed_s : float
        Mean time between two losses of one machine; time until it is there again; time until its
        loss is noticed. The machine of the process that decides is never lost.
    dying : float
        Share of trials whose worker dies.
    spread : float
        Standard deviation of the logarithm of a trial's time: stragglers.
    """

    nodes: int = 1
    slots: int = 1
    cores: int | None = None
    bandwidth: float = 1.25e9
    failure_s: float = math.inf
    back_s: float = 600.0
    noticed_s: float = 12.0
    dying: float = 0.0
    spread: float = 0.0


@dataclass(frozen=True)
class Load:
    """What a trial is, as far as it costs.

    Attributes
    ----------
    fold, rows, columns : int
        The fold, rows of the whole table, its columns.
    epochs : float
        Epochs that are trained.
    parameters : int
        Of the network.
    has_trees : bool
        Whether trees are grown for it.
    batch : int
        Rows of a step.
    cores : int
        That train it together, which the package cannot do in a search.
    exchange_s : float
        Seconds that these take for their gradients in an epoch.
    """

    fold: int
    rows: int
    columns: int
    epochs: float
    parameters: int
    has_trees: bool = False
    batch: int = 256
    cores: int = 1
    exchange_s: float = 0.0

    def training(self, costs: Costs) -> float:
        """Return the seconds of training, and of what every trial costs besides."""
        each = (costs.weight * self.parameters + costs.row) / self.cores
        steps = costs.update * self.parameters * math.ceil(self.rows / self.batch)
        epoch = self.rows * each + steps + costs.epoch + self.exchange_s
        return epoch * self.epochs + costs.again * self.cells / self.cores

    def preparing(self, costs: Costs, known: set[tuple[int, bool]]) -> float:
        """Return the seconds until a worker that knows some folds can begin."""
        is_known = (self.fold, False) in known
        new = 0.0 if is_known else costs.fold + costs.encode * self.cells
        if self.has_trees and (self.fold, True) not in known:
            new += costs.tree * self.rows
        return new / self.cores

    @property
    def cells(self) -> int:
        """Rows times columns."""
        return self.rows * self.columns


@dataclass
class _Machine:
    number: int
    is_up: bool = True
    is_known: bool = True  # as one that is up
    there: float | None = None  # when the table is


@dataclass(eq=False)
class _Slot:
    machine: _Machine
    ticket: int | None = None
    began: float = 0.0
    life: int = 0  # what was begun in an earlier one has no end
    is_started: bool = False
    known: set[tuple[int, bool]] = field(default_factory=set)

    def clear(self) -> None:
        self.ticket, self.is_started, self.life = None, False, self.life + 1
        self.known.clear()


class Simulated(Executor):
    """Machines that do nothing, in no time, and say when they would have been done.

    Parameters
    ----------
    loads : sequence of Load
        What tasks cost, by the number that is their config.
    machines, costs : Machines, Costs
        Who works, and how fast.
    seed : int
        Of what is lost, and when.
    """

    def __init__(self, loads: Sequence[Load], machines: Machines, costs: Costs, seed: int) -> None:
        self._loads, self._machines, self._costs = loads, machines, costs
        self._rng, self.now = np.random.default_rng(seed), costs.first
        self.n_machines_lost = 0
        self._events: list[tuple[float, int, str, Any]] = []
        self._order = itertools.count()
        every = [_Machine(number) for number in range(machines.nodes)]
        self._slots = {m.number: [_Slot(m) for _ in range(machines.slots)] for m in every}
        self._every = every
        every[0].there = self.now  # where the process is that decides
        self._senders = [self.now]  # when each that has the table is free to send it
        # The last is taken first, and one that was just used again: machines are filled up.
        self._idle = [s for m in reversed(every) for s in reversed(self._slots[m.number])]
        self._waiting: list[tuple[int, Task]] = []
        self._at: dict[int, _Slot] = {}
        self._n_submitted = 0
        self._shown: tuple[Node, ...] | None = None
        if math.isfinite(machines.failure_s):
            for machine in every[1:]:
                self._push(self._until_lost(), "down", machine)

    def _push(self, seconds: float, kind: str, about: object) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._order), kind, about))

    def _until_lost(self) -> float:
        return float(self._rng.exponential(self._machines.failure_s))

    def submit(self, task: Task, placed: Placed) -> int:
        """Give a task to a worker that is taken for idle."""
        self.now += self._costs.submit
        self._n_submitted += 1
        self._waiting.append((self._n_submitted, task))
        self._hand_out()
        return self._n_submitted

    def _hand_out(self) -> None:
        while self._waiting and self._idle:
            slot = self._idle.pop()
            if slot.ticket is None and slot.machine.is_known:
                self._begin(slot, *self._waiting.pop(0))

    def _begin(self, slot: _Slot, ticket: int, task: Task) -> None:
        slot.ticket, slot.began, self._at[ticket] = ticket, self.now, slot
        if not slot.machine.is_up:
            return  # which will be noticed
        load, costs = self._loads[int(task.config)], self._costs
        seconds = max(self._bring(slot.machine, load) - self.now, 0.0)
        seconds += 0.0 if slot.is_started else costs.start
        cores = self._machines.cores or self._machines.slots
        factor = max(1.0, self._machines.slots / cores)
        if self._machines.spread:
            factor *= math.exp(self._rng.normal(0.0, self._machines.spread))
        seconds += factor * (load.preparing(costs, slot.known) + load.training(costs))
        slot.is_started = True
        slot.known |= {(load.fold, False), (load.fold, load.has_trees)}
        if self._machines.dying and self._rng.random() < self._machines.dying:
            self._push(seconds * self._rng.random(), "died", (slot, slot.life))
        else:
            self._push(seconds, "done", (slot, slot.life))

    def _bring(self, machine: _Machine, load: Load) -> float:
        """Return when the table is on a machine; whoever has it passes it on, to one at a time."""
        if machine.there is None:
            begun = max(heapq.heappop(self._senders), self.now)
            machine.there = begun + load.cells * self._costs.cell_bytes / self._machines.bandwidth
            heapq.heappush(self._senders, machine.there)
            heapq.heappush(self._senders, machine.there)
        return machine.there

    def wait(self, timeout_s: float) -> list[Outcome]:
        """Let time pass until something happened."""
        limit, outcomes = self.now + max(timeout_s, MOST_JUMP_S), []
        while self._events and self._events[0][0] <= (self.now if outcomes else limit):
            when, _, kind, about = heapq.heappop(self._events)
            self.now = max(self.now, when)
            outcomes += getattr(self, f"_{kind}")(about)
        if not outcomes:
            self.now = max(self.now, limit)
        self.now += self._costs.result * sum(one.result is not None for one in outcomes)
        self._hand_out()
        return outcomes

    def _done(self, about: tuple[_Slot, int]) -> list[Outcome]:
        slot, life = about
        if slot.life != life or slot.ticket is None:
            return []
        ticket, slot.ticket = slot.ticket, None
        del self._at[ticket]
        self._idle.append(slot)
        seconds = self.now - slot.began
        return [Outcome(ticket, Result(b""), "", str(slot.machine.number), seconds)]

    def _died(self, about: tuple[_Slot, int]) -> list[Outcome]:
        slot, life = about
        if slot.life != life or slot.ticket is None:
            return []
        return self._drop(slot)

    def _drop(self, slot: _Slot) -> list[Outcome]:
        """Have what a slot does lost, and all it knew."""
        ticket = slot.ticket
        slot.clear()
        self._idle.append(slot)
        if ticket is None:
            return []
        del self._at[ticket]
        return [Outcome(ticket, node=str(slot.machine.number), seconds=self.now - slot.began)]

    def _down(self, machine: _Machine) -> list[Outcome]:
        machine.is_up, machine.there = False, None
        self.n_machines_lost += 1
        for slot in self._slots[machine.number]:
            slot.life += 1
        self._push(self._machines.noticed_s, "noticed", machine)
        self._push(max(self._machines.back_s, self._machines.noticed_s), "back", machine)
        return []

    def _noticed(self, machine: _Machine) -> list[Outcome]:
        machine.is_known, self._shown = False, None
        return [one for slot in self._slots[machine.number] for one in self._drop(slot)]

    def _back(self, machine: _Machine) -> list[Outcome]:
        machine.is_up = machine.is_known = True
        self._shown = None
        self._idle[:0] = self._slots[machine.number]
        self._push(self._until_lost(), "down", machine)
        return []

    def cancel(self, ticket: int) -> None:
        """End a task by force."""
        self._waiting = [one for one in self._waiting if one[0] != ticket]
        slot = self._at.pop(ticket, None)
        if slot is not None:
            slot.clear()
            self._idle.append(slot)

    def nodes(self) -> tuple[Node, ...]:
        """Return the machines that are taken for up."""
        if self._shown is None:
            slots = self._machines.slots
            self._shown = tuple(Node(str(m.number), slots) for m in self._every if m.is_known)
        return self._shown

    def close(self) -> None:
        """Forget everything."""
        self._events.clear()


@dataclass(frozen=True)
class Simulation:
    """How a search would have gone.

    Attributes
    ----------
    seconds : float
        From the command to the model.
    n_trials, n_counted : int
        Trials that were wanted; the most often that one of them was counted.
    work : float
        Seconds workers were at what counted.
    busy : float
        Their share of all seconds of all workers.
    n_machines_lost : int
        Losses of machines.
    tally : Tally
        What the controller says.
    """

    seconds: float
    n_trials: int
    n_counted: int
    work: float
    busy: float
    n_machines_lost: int
    tally: Tally


def simulate(
    steps: Sequence[Sequence[Load]], machines: Machines, costs: Costs, seed: int = 0
) -> Simulation:
    """Have the controller run a search, step after step, on invented machines.

    Parameters
    ----------
    steps : sequence of sequence of Load
        Trials between whose steps decisions fall.
    machines, costs : Machines, Costs
        Who works, and how fast.
    seed : int
        Of everything that is lost.
    """
    loads = [load for step in steps for load in step]
    cluster = Simulated(loads, machines, costs, seed)
    placed, counted = Placed("simulated", None), Counter[str]()
    journal = Journal(None, placed.key)
    controller = Controller(cluster, placed, journal, clock=lambda: cluster.now)
    number = itertools.count()
    for step in steps:
        named = {Task("none:none", placed.key, str(next(number)), 0): load for load in step}
        work = {task: load.training(costs) for task, load in named.items()}
        ordered = sorted(named, key=lambda task: -work[task])
        controller.run(ordered, lambda task: counted.update([task.config]), work.__getitem__)
    seconds = cluster.now + costs.last
    whole = machines.nodes * machines.slots * seconds
    return Simulation(
        seconds, len(loads), max(counted.values(), default=0), controller.tally.seconds,
        controller.tally.seconds / whole, cluster.n_machines_lost, controller.tally,
    )  # fmt: skip


class _Endless(RoundStrategy):
    """The strategy, without an end where nothing gets better: losses are invented."""

    def _why_end(self, remaining: float) -> str:
        return ""


def plan(
    rows: int, columns: int, costs: Costs, *, rounds: int = 3, size: int = in_rounds.ROUND_SIZE,
    seed: int = 0, nominal_s: float = in_rounds.NOMINAL_S,
) -> list[list[Load]]:  # fmt: skip
    """Return what a search would train on a table of so many rows, by the strategy itself.

    Parameters
    ----------
    rows, columns : int
        Of the table; a fifth of its columns are categories.
    costs : Costs
        For the share of epochs that are trained.
    rounds, size : int
        Rounds, and candidates in each.
    seed : int
        Of the losses, which are invented: a candidate's own, and some noise for each fold.
    nominal_s : float
        Seconds for which the strategy plans.
    """
    rng = np.random.default_rng([11, seed])
    table = _invented_table(rows, columns)
    before, in_rounds.NOMINAL_S = in_rounds.NOMINAL_S, nominal_s
    try:
        strategy = _Endless(table, seed, None, size)
        steps = []
        for _ in range(rounds):
            opened = strategy.open_round()
            own = {tried.number: 1 + 0.1 * rng.exponential() for tried in opened}
            promoted: list[Any] = []
            for folds in ((0,), range(1, len(table.folds))):
                chosen = [(t, fold) for t in (promoted if folds != (0,) else opened)
                          for fold in folds]  # fmt: skip
                if not chosen:
                    continue
                steps.append([_load(table, t.genes, fold, costs) for t, fold in chosen])
                for tried, fold in chosen:
                    tried.started.add(fold)
                    strategy.on_trained(_invented(tried, fold, own[tried.number], rng))
                promoted = [tried for tried in opened if tried.is_promoted]
    finally:
        in_rounds.NOMINAL_S = before
    return steps


def _load(table: Any, genes: Any, fold: int, costs: Costs) -> Load:
    network = genes.architecture(table.layout(genes.has_trees), TARGET)
    epochs = max(genes.epochs * costs.trained, 1.0)
    return Load(fold, table.rows, table.columns, epochs, network.n_parameters, genes.has_trees,
                genes.batch_size)  # fmt: skip


def _invented(tried: Any, fold: int, loss: float, rng: np.random.Generator) -> Any:
    """Return a network that was never trained, as the strategy hears of one."""
    epoch = Epoch(epoch=1, train_loss=loss, train_score=0.5, learning_rate=0.1, seconds=0.0)
    best = int(np.ceil(tried.genes.epochs * rng.uniform(0.4, 1.0))) + 1
    z = np.full((1, 1), loss * (1 + 0.02 * rng.normal()))
    history = StartHistory(epochs=(epoch,), best_epoch=best)
    job = SimpleNamespace(number=tried.number, fold=fold)
    return SimpleNamespace(job=job, network=job, z=z, history=history, seconds=0.0)


def _invented_table(rows: int, columns: int) -> Any:
    """Return what the strategy asks of a table, without one."""
    is_small = FOLDS * rows * FOLD_SECONDS <= in_rounds.NOMINAL_S
    share = 1 / FOLDS if is_small else max(LEAST_SHARE, min(MOST_SHARE, LEAST_HELD_OUT / rows))
    n_held_out = max(int(rows * share), 1)
    fold = SimpleNamespace(
        training=range(rows - n_held_out), held_out=np.arange(min(n_held_out, SHOWN_ROWS))
    )
    folds = (fold,) * (FOLDS if is_small else 1)
    codes = (12,) * (columns // 5)
    layout = Layout(columns - len(codes), 0, codes)
    trees = n_tree_columns(2, 1, len(fold.training))
    return SimpleNamespace(
        rows=rows, columns=columns, folds=folds, target=TARGET, can_log=False,
        n_tree_columns=trees, tree_seconds=0.0, grown=dict.fromkeys(range(len(folds))),
        shown_loss=("log loss", 1.0),
        encoding=lambda fold: SimpleNamespace(layout=layout), seconds_for_trees=lambda: 0.0,
        layout=lambda has_trees: with_trees(layout, trees if has_trees else 0),
        predict=lambda z, is_log: z, loss=lambda shown, rows: float(np.mean(shown)),
        held_out_rows=np.concatenate([one.held_out for one in folds]),
        essence=lambda shown, rows: (shown[:, 0], lambda p: float(np.mean(p))),
    )  # fmt: skip
