"""The controller: sees to it that every task is done, whatever executors lose."""

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fathom.errors import ExecutorError
from fathom.parallel.executor import Executor, Outcome, Placed, Task
from fathom.parallel.journal import Journal

MOST_ATTEMPTS = 3
FIRST_S, TIMES_GUESSED = 1800.0, 50.0  # that a task may take while none is done, see `_limit`
LEAST_S, TIMES_EXPECTED = 120.0, 5.0  # that a task may take once some are
TICK_S = 0.1  # between two looks at the clock, at the nodes, and for tasks that are late
MOST_IDLE_S = 120.0  # without a single node


@dataclass
class Tally:
    """What became of tasks.

    Attributes
    ----------
    n_done, n_known : int
        Done now, and known from the journal.
    n_lost, n_late, n_overdue : int
        Submissions whose worker was lost; answers to what was done already, which are ignored; and
        submissions past their deadline.
    n_abandoned : int
        Tasks given up after `MOST_ATTEMPTS`.
    seconds, seconds_lost : float
        Of work that was used, and that was not.
    """

    n_done: int = 0
    n_known: int = 0
    n_lost: int = 0
    n_late: int = 0
    n_overdue: int = 0
    n_abandoned: int = 0
    seconds: float = 0.0
    seconds_lost: float = 0.0


@dataclass
class _Running:
    task: Task
    began: float
    work: float
    is_given_up: bool = False
    charged: float = 0.0  # seconds that were counted as lost before its end was known


class Controller:
    """Has tasks done by an executor that may lose them, and keeps their results in a journal.

    Parameters
    ----------
    executor : Executor
        Who does them.
    placed : Placed
        What they look at.
    journal : Journal
        Where results are kept, and found again.
    task_seconds : float, optional
        Deadline of a task; where left out, it is learned from those that are done.
    remaining : callable, optional
        Seconds until everything has to be over.
    should_stop : callable, optional
        Whether a stop is asked for.
    clock : callable, optional
        Seconds since some moment; a simulation has one of its own.

    Notes
    -----
    Tasks are pure, so it does not matter which of several submissions answers: the first counts,
    later ones are ignored. A task that outlives its deadline, or whose worker is lost, is submitted
    again, `MOST_ATTEMPTS` times in all.
    """

    def __init__(
        self,
        executor: Executor,
        placed: Placed,
        journal: Journal,
        *,
        task_seconds: float | None = None,
        remaining: Callable[[], float] = lambda: math.inf,
        should_stop: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._executor, self._placed, self._journal = executor, placed, journal
        self._task_seconds, self._remaining, self._should_stop = (
            task_seconds, remaining, should_stop,
        )  # fmt: skip
        self.tally, self._clock = Tally(), clock
        self._submitted: dict[int, _Running] = {}
        self._asked: dict[str, set[int]] = {}  # by task: its submissions that are not given up
        self._n_running = 0  # submissions that are not given up
        self._done: set[str] = set()
        self._attempts: Counter[str] = Counter()
        self._longest = self._work_done = 0.0
        self._n_slots, self._last_seen = 0, clock()
        self._counted = self._looked = -math.inf

    @property
    def is_over(self) -> bool:
        """Whether the time is over, or a stop is asked for."""
        return self._remaining() <= 0 or self._should_stop()

    def run(
        self,
        tasks: Sequence[Task],
        on_done: Callable[[Task], None] = lambda task: None,
        work: Callable[[Task], float] = lambda task: 1.0,
    ) -> tuple[Task, ...]:
        """Have tasks done; return those that are, in the order given.

        Parameters
        ----------
        tasks : sequence of Task
            What is to be done; what the journal knows is not done again.
        on_done : callable
            Told of every result as it comes.
        work : callable
            Seconds a task should take, which need be right within a factor of `TIMES_GUESSED`;
            where something is known already, only their ratios matter.

        Raises
        ------
        ExecutorError
            If a task raised an error, or there is nobody left to do any.
        """
        waiting: deque[Task] = deque()
        for task in tasks:
            if self._journal.find(task.key) is None:
                waiting.append(task)
            else:
                self._done.add(task.key)
                self.tally.n_known += 1
                on_done(task)
        while (waiting or self._n_running) and not self.is_over:
            self._submit(waiting, work)
            for outcome in self._executor.wait(min(TICK_S, max(self._remaining(), 0.0))):
                self._settle(outcome, waiting, on_done)
            self._give_up_late(waiting)
        for ticket, running in self._submitted.items():
            if not running.is_given_up:
                self._give_up(ticket, running)
        return tuple(task for task in tasks if task.key in self._done)

    def _count_slots(self) -> None:
        """Ask who is there, unless that was done a moment ago."""
        now = self._clock()
        if now - self._counted < TICK_S:
            return
        self._n_slots, self._counted = sum(node.slots for node in self._executor.nodes()), now
        if self._n_slots:
            self._last_seen = now
        elif now - self._last_seen > MOST_IDLE_S:
            raise ExecutorError(
                "a node that does tasks", got=f"none for {MOST_IDLE_S:g} s",
                hint="see to the cluster; the same command goes on from the journal",
            )  # fmt: skip

    def _submit(self, waiting: deque[Task], work: Callable[[Task], float]) -> None:
        self._count_slots()
        while waiting and self._n_running < self._n_slots:
            task = waiting.popleft()
            if task.key in self._done:
                continue
            ticket = self._executor.submit(task, self._placed)
            self._submitted[ticket] = _Running(task, self._clock(), work(task))
            self._asked.setdefault(task.key, set()).add(ticket)
            self._attempts[task.key] += 1
            self._n_running += 1

    def _settle(
        self, outcome: Outcome, waiting: deque[Task], on_done: Callable[[Task], None]
    ) -> None:
        running = self._submitted.pop(outcome.ticket, None)
        if running is None:  # answered before
            self.tally.n_late += 1
            return
        task = running.task
        self.tally.seconds_lost -= running.charged
        if not running.is_given_up:
            self._let_go(outcome.ticket, task)
        if task.key in self._done:
            self.tally.n_late += outcome.result is not None
            self.tally.seconds_lost += outcome.seconds
            return
        if outcome.failure:
            raise ExecutorError(
                "a task that ends well", got=f"{outcome.failure} ({outcome.node})",
                hint="see to it that every node has the same version, then give the same command",
            )  # fmt: skip
        if outcome.result is None:
            self.tally.seconds_lost += outcome.seconds
            if not running.is_given_up:  # otherwise it was late, and is begun again already
                self.tally.n_lost += 1
                self._try_again(task, waiting, "its worker was lost", outcome.node)
            return
        self._journal.keep(
            task.key, outcome.result, node=outcome.node, seconds=outcome.seconds,
            config=task.config,
        )  # fmt: skip
        self._done.add(task.key)
        self._longest = max(self._longest, outcome.seconds)
        self._work_done += running.work
        self.tally.n_done += 1
        self.tally.seconds += outcome.seconds
        for ticket in tuple(self._asked.get(task.key, ())):
            self._give_up(ticket, self._submitted[ticket])
        on_done(task)

    def _try_again(self, task: Task, waiting: deque[Task], why: str, node: str) -> None:
        attempt = self._attempts[task.key]
        self._journal.note("lost", task=task.key, attempt=attempt, why=why, node=node)
        if attempt < MOST_ATTEMPTS:
            waiting.appendleft(task)
        else:
            self.tally.n_abandoned += 1

    def _let_go(self, ticket: int, task: Task) -> None:
        """Count a submission no longer among those that run."""
        self._asked[task.key].discard(ticket)
        self._n_running -= 1

    def _give_up(self, ticket: int, running: _Running) -> None:
        running.is_given_up = True
        self._let_go(ticket, running.task)
        self._executor.cancel(ticket)

    def _give_up_late(self, waiting: deque[Task]) -> None:
        now = self._clock()
        if now - self._looked < min(TICK_S, self._task_seconds or TICK_S):
            return
        self._looked = now
        for ticket, running in list(self._submitted.items()):
            limit = self._limit(running.work)
            if not running.is_given_up and now - running.began > limit:
                self.tally.n_overdue += 1
                running.charged = now - running.began
                self.tally.seconds_lost += running.charged
                self._give_up(ticket, running)
                self._try_again(running.task, waiting, f"no answer in {limit:.0f} s", "")

    def _limit(self, work: float) -> float:
        """Return the seconds a task may take: as said, or several times what it should.

        That is the longest so far, or what its work takes at the mean speed so far: the first
        ones done are often the smallest.
        """
        if self._task_seconds is not None:
            return self._task_seconds
        if not self.tally.n_done:
            return max(FIRST_S, TIMES_GUESSED * work)
        mean = self.tally.seconds / max(self._work_done, 1e-9)
        return max(LEAST_S, TIMES_EXPECTED * max(self._longest, mean * work))
