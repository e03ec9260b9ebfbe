"""A gang: tasks that need each other, done at the same time or begun again together."""

import time
from collections.abc import Callable, Sequence

from fathom.errors import ExecutorError
from fathom.parallel.executor import Executor, Outcome, Placed, Result, Task
from fathom.parallel.journal import Journal

TICK_S = 0.1  # between two looks at what goes on
GRACE_S = 1.0  # in which it shows who was lost first: the others fail by it


class Gang:
    """Has tasks done by as many workers at once; where one is lost, all begin again.

    Parameters
    ----------
    begin : callable
        Begins an executor with a worker for each task: every try has workers of its own.
    placed : Placed
        What they look at.
    journal : Journal
        Where losses are noted.
    reached : callable
        How far the tasks have come, as far as a new try goes on from there.
    most_restarts : int
        Restarts in a row that come no further before it gives up.
    look : callable
        Called now and then while they are at it.

    Notes
    -----
    Beside the `Controller`, whose tasks need nobody: there a lost one is done again by itself.
    """

    def __init__(
        self,
        begin: Callable[[], Executor],
        placed: Placed,
        journal: Journal,
        *,
        reached: Callable[[], int],
        most_restarts: int,
        look: Callable[[], None] = lambda: None,
    ) -> None:
        self._begin, self._placed, self._journal = begin, placed, journal
        self._reached, self._most_restarts, self._look = reached, most_restarts, look
        self.n_restarts = 0

    def run(self, tasks: Callable[[int], Sequence[Task]]) -> tuple[Result, ...]:
        """Have tasks done; return what each gave.

        Parameters
        ----------
        tasks : callable
            Number of the try → its tasks.

        Raises
        ------
        ExecutorError
            If they come no further, however often they begin.
        """
        in_vain, before = 0, self._reached()
        while True:
            with self._begin() as workers:
                found = self._try(workers, tasks(self.n_restarts))
            if not isinstance(found, str):
                return found
            reached = self._reached()
            in_vain = 1 if reached > before else in_vain + 1
            before = reached
            if in_vain > self._most_restarts:
                raise ExecutorError(
                    "processes that stay until all are done",
                    got=f"{found}, and no way on in {self._most_restarts} restarts",
                    hint="look for too little memory, or use fewer processes; what is in a folder "
                    "of checkpoints is gone on from",
                )
            self.n_restarts += 1
            self._journal.note("restarted", restart=self.n_restarts, why=found, reached=reached)

    def _try(self, workers: Executor, tasks: Sequence[Task]) -> tuple[Result, ...] | str:
        """Return what each task gave, or why they have to begin again."""
        numbers = {workers.submit(task, self._placed): n for n, task in enumerate(tasks)}
        results: dict[int, Result] = {}
        while len(results) < len(tasks):
            for outcome in workers.wait(TICK_S):
                if outcome.result is None:
                    return self._first_lost(workers, outcome)
                results[numbers[outcome.ticket]] = outcome.result
            self._look()
        return tuple(results[number] for number in range(len(tasks)))

    def _first_lost(self, workers: Executor, outcome: Outcome) -> str:
        """Say who was lost, or what failed where nobody was."""
        said, until = outcome, time.monotonic() + GRACE_S
        while said.failure and time.monotonic() < until:
            for other in workers.wait(TICK_S):
                if other.result is None and not other.failure:
                    said = other
        first_line = (said.failure.strip().splitlines() or [""])[0][:300]
        return f"{said.node}: {first_line}" if said.failure else f"{said.node} was lost"
