"""Rounds: a search whose every decision falls between trials, so that any workers come to it."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, TypeAlias

import numpy as np
from pydantic import AfterValidator, Field

from fathom.data.parsing import ParsedTable
from fathom.data.schema import Target
from fathom.data.splitting import make_folds
from fathom.data.trees import FEWER_FOLDS, MOST_BOOSTED_CLASSES, N_FOREST, Growth
from fathom.errors import InputError
from fathom.parallel.controller import MOST_ATTEMPTS, Controller, Tally
from fathom.parallel.executor import Task
from fathom.parallel.journal import Journal
from fathom.parallel.opening import open_executor, require_address
from fathom.search.design import (
    FOLD_SECONDS,
    FOLDS,
    LEAST_HELD_OUT,
    LEAST_SHARE,
    MOST_SHARE,
    Design,
    Plan,
    finish,
)
from fathom.search.material import Material
from fathom.search.record import digest_rows
from fathom.search.space import draw_genes
from fathom.search.strategy import Strategy
from fathom.search.trial import Trial, Workpiece, restore_trained
from fathom.search.tried import Tried
from fathom.training.engines import cores_each, warm_up
from fathom.training.monitor import Deadline, Monitor
from fathom.training.population import Trained
from fathom.values import Value

ROUND_SIZE = 12  # candidates that begin together where nothing else is said
NOMINAL_S = 600.0  # of one core, for which epochs and widths are planned; no clock runs
BOOST_ROUNDS = 100
MOST_TREE_ROWS = 200_000  # training rows up to which every worker grows trees

Address: TypeAlias = Annotated[str, AfterValidator(require_address)]


class Rounds(Value):
    """A search in rounds: who trains its networks, and how many rounds there are.

    Attributes
    ----------
    address : str
        ``here``; ``processes`` or ``processes:4`` for processes of this machine; ``auto``,
        ``local`` or ``HOST:PORT`` for a Ray cluster.
    n_rounds : int
        Rounds; the first is the portfolio, filled up at random, each further one is bred.
    size : int
        Candidates that begin together in a round. It decides what is trained, and how many workers
        have something to do: those times folds.
    journal : str or None
        Folder in which results are kept, from which a search that was interrupted goes on; None
        for none.
    trial_seconds : float or None
        Time after which a trial is begun once more elsewhere; learned from others where left out.

    Examples
    --------
    >>> Rounds(address="processes:2").n_rounds
    3
    """

    address: Address = "processes"
    n_rounds: int = Field(default=3, ge=1, le=1000)
    size: int = Field(default=ROUND_SIZE, ge=1, le=10_000)
    journal: str | None = None
    trial_seconds: float | None = Field(default=None, gt=0)


def as_rounds(given: object) -> Rounds | None:
    """Return what an estimator was given for an executor as rounds.

    Raises
    ------
    InputError
        If it is no address, no `Rounds` and not None.
    """
    if given is None or isinstance(given, Rounds):
        return given
    if isinstance(given, str):
        return Rounds(address=given)
    raise InputError(
        "executor as an address such as 'processes:4', or Rounds", got=repr(given)[:80]
    )  # fmt: skip


class _Unhurried(Deadline):
    """Time to plan with that does not pass."""

    def __init__(self) -> None:
        super().__init__(None)

    def remaining(self) -> float:
        return NOMINAL_S


class RoundStrategy(Strategy):
    """The same search, with nothing in it that a clock or the number of workers decides."""

    def __init__(
        self, material: Material, seed: int, monitor: Monitor | None, size: int = ROUND_SIZE
    ) -> None:
        super().__init__(material, _Unhurried(), seed, 1, (), monitor)
        self._size = size

    def _has_program(self, structure: object) -> bool:
        return True

    def _learn_speed(self, tried: Tried, trained: Trained) -> None:
        pass

    def _can_grow_trees(self) -> bool:
        is_small = len(self.material.folds[0].training) <= MOST_TREE_ROWS
        return self.material.n_tree_columns > 0 and is_small

    def work(self, tried: Tried) -> float:
        """Return about how much work a trial of a candidate is."""
        return tried.genes.epochs * self._epoch_cost(tried.genes)

    def open_round(self) -> list[Tried]:
        """Return the candidates of the next round, numbered; none where the search is at its end.

        The first round is the portfolio, filled up with draws from the prior; as long as it is not
        over, nothing is bred.
        """
        self.stopped = "" if not self.tried else self._why_end(NOMINAL_S)
        if self.stopped:
            return []
        opened: list[Tried] = []
        while len(opened) < self._size:
            candidate = self._next_candidate(NOMINAL_S) or self._draw()
            if candidate is None:
                break
            self.tried.append(candidate)
            opened.append(candidate)
        return opened

    def _draw(self) -> Tried | None:
        """Return a candidate of the prior where nothing is known yet to breed from."""
        if self._complete():
            return None
        genes = draw_genes(self._rng, self._usual, has_numbers=self._has_numbers)
        fitted = self._fit_in(genes, NOMINAL_S)
        return None if fitted is None else Tried(len(self.tried), fitted, "drawn at random")


def design_in_rounds(
    parsed: ParsedTable,
    target: Target,
    y: np.ndarray,
    weight: np.ndarray,
    plan: Plan,
    rounds: Rounds,
    *,
    deadline: Deadline,
    monitor: Monitor | None = None,
) -> tuple[Design, Strategy]:
    """Find networks for a table with the workers there are, the same ones whoever they are.

    Parameters
    ----------
    parsed, target, y, weight, plan
        As for `fathom.search.design.design`; it begins anew.
    rounds : Rounds
        Who trains, and how much.
    deadline : Deadline
        Cuts the search off; a search that is not cut off does not depend on it.
    monitor : Monitor, optional
        Told of every network, and asked whether to stop.

    Returns
    -------
    tuple of Design and Strategy
        The ensemble, and the search as it stands.

    Raises
    ------
    InputError
        If the workers cannot be reached, or the journal is of another search.
    ExecutorError
        If nobody is left to train.
    TrainingError
        If no network found a finite loss.

    Notes
    -----
    What is trained in a round is decided by what is known after the round before. A trial is a pure
    function of table, genes and seed, and its result is in the journal before it counts. So a
    search that is killed and begun again asks for the same trials, and finds those already done.
    """
    began, monitor = time.monotonic(), monitor or Monitor()
    with cores_each(1):
        workpiece = _workpiece(parsed, target, y, weight, plan)
        placed = workpiece.placed()
        folder = None if rounds.journal is None else Path(rounds.journal)
        journal = Journal(folder, placed.key)
        try:
            warm_up()  # before workers would all compile the same
            strategy = RoundStrategy(workpiece.material, workpiece.seed, monitor, rounds.size)
            with open_executor(rounds.address) as executor:
                controller = Controller(
                    executor, placed, journal, task_seconds=rounds.trial_seconds,
                    remaining=deadline.remaining, should_stop=monitor.should_stop,
                )  # fmt: skip
                _Search(strategy, workpiece, controller, journal, monitor).run(rounds.n_rounds)
        finally:
            journal.close()
        rows = digest_rows(parsed, y, weight, plan.groups, plan.order)
        found = finish(strategy, began, monitor, rows, "")
        report = found.report.model_copy(update={"notes": _notes(controller.tally)})
        return replace(found, report=report), strategy


def _workpiece(
    parsed: ParsedTable, target: Target, y: np.ndarray, weight: np.ndarray, plan: Plan
) -> Workpiece:
    """Divide the rows, and say how far trees are grown, by nothing but the table."""
    n = len(y)
    is_small = FOLDS * n * FOLD_SECONDS <= NOMINAL_S
    folds = make_folds(
        n, min(FOLDS, n) if is_small else 1, max(LEAST_SHARE, min(MOST_SHARE, LEAST_HELD_OUT / n)),
        plan.seed, classes=y if target.task == "classes" else None,
        groups=plan.groups, order=plan.order,
    )  # fmt: skip
    can_boost = len(target.classes) <= MOST_BOOSTED_CLASSES
    growth = Growth(N_FOREST, FEWER_FOLDS, BOOST_ROUNDS) if can_boost else Growth(N_FOREST, 0, 0)
    grown = dict.fromkeys(range(len(folds)), growth)
    return Workpiece(parsed, target, y, weight, folds, plan.seed, grown)


class _Search:
    """Runs rounds: candidates on the first fold, then those that are promoted on the others."""

    def __init__(
        self,
        strategy: RoundStrategy,
        workpiece: Workpiece,
        controller: Controller,
        journal: Journal,
        monitor: Monitor,
    ) -> None:
        self._strategy, self._material, self._seed = (
            strategy, workpiece.material, workpiece.seed,
        )  # fmt: skip
        self._placed, self._controller = workpiece.placed(), controller
        self._journal, self._monitor = journal, monitor

    def run(self, n_rounds: int) -> None:
        """Run rounds until there are as many as asked for, or the search is at its end."""
        strategy = self._strategy
        for number in range(n_rounds):
            opened = strategy.open_round()
            if not opened:
                return
            for tried in opened:
                strategy.news.tell(tried, "begun", reason=tried.origin, epoch=0)
            self._train([(tried, 0) for tried in opened])
            if not self._controller.is_over:
                others = range(1, len(self._material.folds))
                promoted = [tried for tried in opened if tried.is_promoted]
                self._train([(tried, fold) for tried in promoted for fold in others])
            if self._controller.is_over:
                strategy.stopped = f"the time limit came in round {number + 1} of {n_rounds}"
                return
        strategy.stopped = f"{_counted(n_rounds)} over"

    def _train(self, wanted: list[tuple[Tried, int]]) -> None:
        """Have candidates trained on folds, and hear of the results in their order."""
        tasks = {}
        for tried, fold in wanted:
            trial = Trial(number=tried.number, fold=fold, genes=tried.genes)
            tasks[trial.task(self._placed, self._seed)] = tried, fold
            tried.started.add(fold)
        shown: dict[str, Trained] = {}

        def restore(task: Task) -> None:
            result = self._journal.find(task.key)
            assert result is not None
            tried, fold = tasks[task]
            shown[task.key] = restore_trained(result, tried, fold, self._material)
            for epoch in shown[task.key].history.epochs:
                self._monitor.on_epoch(tried.number, epoch)

        # The longest first, so that workers wait little for the last; it decides nothing.
        ordered = sorted(tasks, key=lambda task: -self._strategy.work(tasks[task][0]))
        self._controller.run(ordered, restore, lambda task: self._strategy.work(tasks[task][0]))
        for task in tasks:
            if task.key in shown:
                self._strategy.on_trained(shown[task.key])


def _counted(n_rounds: int) -> str:
    return "the one round is" if n_rounds == 1 else f"all {n_rounds} rounds are"


def _trials(n: int) -> str:
    return "1 trial was" if n == 1 else f"{n} trials were"


def _notes(tally: Tally) -> tuple[str, ...]:
    """Say what did not go smoothly, if anything."""
    notes = []
    if tally.n_known:
        notes.append(f"{_trials(tally.n_known)} known from the journal and not done again")
    again = tally.n_lost + tally.n_overdue
    if again:
        notes.append(
            f"{_trials(again)} begun again: {tally.n_lost} whose worker was lost, "
            f"{tally.n_overdue} without an answer in time; "
            f"{tally.seconds_lost:.0f} s of work lost"
        )
    if tally.n_abandoned:
        notes.append(
            f"{_trials(tally.n_abandoned)} given up after {MOST_ATTEMPTS} attempts, so this "
            "search may differ from one in which nothing is lost"
        )
    return tuple(notes)
