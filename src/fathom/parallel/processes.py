"""All cores of this machine as an executor: a process for each group of cores."""

import contextlib
import itertools
import os
import pickle
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from pathlib import Path

from fathom.errors import ExecutorError
from fathom.parallel.cores import own_cores
from fathom.parallel.executor import Executor, Node, Outcome, Placed, Task
from fathom.parallel.worker import receive, send

MOST_STILLBORN = 3  # workers in a row that end before they answered anything
_START = "from fathom.parallel.worker import main; main()"


class _Worker:
    """A process, what it does just now, and who listens to it."""

    def __init__(
        self, name: str, cores: tuple[int, ...], folder: Path, said: "queue.SimpleQueue[_Said]"
    ) -> None:
        self.name, self.cores = name, cores
        self.ticket: int | None = None
        self.began = 0.0
        self.errors = folder / f"{name.replace(' ', '-')}.txt"
        path = os.pathsep.join(os.path.abspath(part) for part in sys.path)
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _START, ",".join(map(str, cores))],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                start_new_session=True,  # Ctrl-C is for the process that decides
                env={"JAX_PLATFORMS": "cpu", **os.environ, "PYTHONPATH": path},
            )  # fmt: skip
        self._listener = threading.Thread(target=self._listen, args=(said,), daemon=True)
        self._listener.start()

    def _listen(self, said: "queue.SimpleQueue[_Said]") -> None:
        assert self.process.stdout is not None
        with self.process.stdout as answers, contextlib.suppress(EOFError, OSError):
            while True:
                said.put((self, receive(answers)))
        said.put((self, None))

    def give(self, ticket: int, task: Task, place: str) -> None:
        assert self.process.stdin is not None
        self.ticket, self.began = ticket, time.monotonic()
        with contextlib.suppress(OSError):  # it is gone, which its listener tells
            send(self.process.stdin, (ticket, task, place))

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self._listener.join(timeout=5.0)
        with contextlib.suppress(OSError):
            assert self.process.stdin is not None
            self.process.stdin.close()


_Said = tuple[_Worker, tuple[int, object, str, float] | None]


class Processes(Executor):
    """Processes of this machine, each with cores of its own, started anew when they die.

    Parameters
    ----------
    count : int, optional
        How many; one for each core this process may use where left out.

    Notes
    -----
    Data goes to the workers by a file that only this user can read, each worker holds a copy, and
    a worker ends by itself when this process is gone.
    """

    def __init__(self, count: int | None = None) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="fathom-workers-"))
        self._said: queue.SimpleQueue[_Said] = queue.SimpleQueue()
        self._waiting: deque[tuple[int, Task]] = deque()
        self._placed: dict[str, str] = {}
        self._n_submitted = self._n_stillborn = 0
        groups = core_groups(own_cores(), count)
        self._workers = [self._start(n, cores) for n, cores in enumerate(groups)]

    def _start(self, number: int, cores: tuple[int, ...]) -> _Worker:
        return _Worker(f"process {number + 1}", cores, self._folder, self._said)

    def submit(self, task: Task, placed: Placed) -> int:
        """Give a task to a worker that is idle, or put it in the line."""
        if placed.key not in self._placed:
            place = self._folder / f"data-{len(self._placed)}.pickle"
            with place.open("wb") as file:
                pickle.dump(placed.value, file, protocol=pickle.HIGHEST_PROTOCOL)
            self._placed[placed.key] = str(place)
        self._n_submitted += 1
        self._waiting.append((self._n_submitted, task))
        self._hand_out()
        return self._n_submitted

    def _hand_out(self) -> None:
        for worker in self._workers:
            if self._waiting and worker.ticket is None:
                ticket, task = self._waiting.popleft()
                worker.give(ticket, task, self._placed[task.data])

    def wait(self, timeout_s: float) -> list[Outcome]:
        """Return what workers answered, and what those were at that died."""
        found: list[Outcome] = []
        with contextlib.suppress(queue.Empty):
            found += self._hear(*self._said.get(timeout=timeout_s))
            while True:
                found += self._hear(*self._said.get_nowait())
        self._hand_out()
        return found

    def _hear(
        self, worker: _Worker, answer: tuple[int, object, str, float] | None
    ) -> list[Outcome]:
        if worker not in self._workers:
            return []  # ended by `cancel`, whose listener comes to its end too
        if answer is not None:
            ticket, result, failure, seconds = answer
            worker.ticket, self._n_stillborn = None, 0
            return [Outcome(ticket, result, failure, worker.name, seconds)]  # type: ignore[arg-type]
        self._n_stillborn += 1
        if self._n_stillborn > MOST_STILLBORN * len(self._workers):
            lines = worker.errors.read_text(errors="replace").strip().splitlines()
            raise ExecutorError(
                "worker processes that do their tasks",
                got=f"{self._n_stillborn} in a row that ended before, the last with exit code "
                f"{worker.process.wait()}" + (f": {lines[-1][:200]}" if lines else ""),
                hint="look for too little memory, or use fewer processes",
            )
        self._replace(worker)
        if worker.ticket is None:
            return []
        seconds = time.monotonic() - worker.began
        return [Outcome(worker.ticket, node=worker.name, seconds=seconds)]

    def _replace(self, worker: _Worker) -> None:
        worker.end()
        at = self._workers.index(worker)
        self._workers[at] = self._start(at, worker.cores)

    def cancel(self, ticket: int) -> None:
        """Take a task out of the line, or end the worker that is at it and start another."""
        self._waiting = deque(one for one in self._waiting if one[0] != ticket)
        for worker in list(self._workers):
            if worker.ticket == ticket:
                self._replace(worker)

    def nodes(self) -> tuple[Node, ...]:
        """Return the workers."""
        return tuple(Node(worker.name, 1) for worker in self._workers)

    def process_ids(self) -> tuple[int, ...]:
        """Return the number of each worker's process."""
        return tuple(worker.process.pid for worker in self._workers)

    def close(self) -> None:
        """End the workers, and remove what was written for them."""
        workers, self._workers = self._workers, []
        for worker in workers:
            worker.end()
        self._waiting.clear()
        shutil.rmtree(self._folder, ignore_errors=True)


def core_groups(cores: tuple[int, ...], count: int | None) -> tuple[tuple[int, ...], ...]:
    """Divide cores among workers; where there are more workers, they take turns on them.

    Examples
    --------
    >>> core_groups((0, 1, 2, 3), 2)
    ((0, 1), (2, 3))
    >>> core_groups((0, 1), 3)
    ((0,), (1,), (0,))
    """
    count = len(cores) if count is None else count
    if count >= len(cores):
        return tuple((cores[n % len(cores)],) for n in range(count))
    ends = [n * len(cores) // count for n in range(count + 1)]
    return tuple(cores[low:high] for low, high in itertools.pairwise(ends))
