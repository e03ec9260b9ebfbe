"""Here: this process as an executor: one task after another, with nothing sent anywhere."""

from collections import deque

from fathom.parallel.executor import Executor, Node, Outcome, Placed, Task, call


class Here(Executor):
    """Does a task whenever somebody waits for one.

    Examples
    --------
    >>> with Here() as executor:
    ...     executor.nodes()
    (Node(name='here', slots=1),)
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, Task, Placed]] = deque()
        self._n_submitted = 0

    def submit(self, task: Task, placed: Placed) -> int:
        """Put a task at the end of the line."""
        self._n_submitted += 1
        self._waiting.append((self._n_submitted, task, placed))
        return self._n_submitted

    def wait(self, timeout_s: float) -> list[Outcome]:
        """Do the next task, however long it takes."""
        if not self._waiting:
            return []
        ticket, task, placed = self._waiting.popleft()
        result, failure, seconds = call(task, placed.value)
        return [Outcome(ticket, result, failure, "here", seconds)]

    def cancel(self, ticket: int) -> None:
        """Take a task out of the line."""
        self._waiting = deque(one for one in self._waiting if one[0] != ticket)

    def nodes(self) -> tuple[Node, ...]:
        """Return this process."""
        return (Node("here", 1),)

    def close(self) -> None:
        """Forget what waits."""
        self._waiting.clear()
