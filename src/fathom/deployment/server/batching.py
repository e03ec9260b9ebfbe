"""Batching: requests that wait at the same time are predicted together."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from fathom.deployment.server.refusals import busy
from fathom.deployment.server.rows import Rows
from fathom.deployment.server.served import Served

AT_ONCE_S = 2e-3  # a batch that takes less is predicted in the thread that speaks HTTP
BATCH_S = 0.03  # a batch takes about as long, so that small requests wait for large ones no longer
LEAST_ROWS, MOST_ROWS = 32, 8192  # of a batch
MOST_AT_ONCE = 512  # rows, whatever they seem to cost


class _Waiting:
    """A request that is not yet answered in full."""

    def __init__(self, rows: Rows, future: asyncio.Future[np.ndarray], since: float) -> None:
        self.rows, self.future, self.since = rows, future, since
        self.n_done = 0
        self.answers: list[np.ndarray] = []


class Batcher:
    """Predicts for one model what waits, as much at once as is there and never waiting for more.

    A small batch is computed at once; a larger one in a thread, while the server goes on listening.
    A request of many rows is computed in parts, between which others get their turn.

    Parameters
    ----------
    served : Served
        The model.
    most_waiting : int
        Rows that may wait; a request beyond is refused. One request alone may be as large as it
        likes.
    most_seconds : float
        How long a request may wait for its turn.
    on_batch : callable
        Told of every batch: requests, rows and seconds.
    """

    def __init__(
        self,
        served: Served,
        most_waiting: int,
        most_seconds: float,
        on_batch: Callable[[int, int, float], None],
    ) -> None:
        self._served, self._most_waiting, self._most_seconds = served, most_waiting, most_seconds
        self._on_batch = on_batch
        self._waiting: deque[_Waiting] = deque()
        self._is_busy = False
        self.n_waiting = 0
        self._at_once = min(served.cost.rows_within(AT_ONCE_S), MOST_AT_ONCE)
        self._most_rows = min(max(served.cost.rows_within(BATCH_S), LEAST_ROWS), MOST_ROWS)
        self._worker: ThreadPoolExecutor | None = None

    async def predict(self, rows: Rows) -> np.ndarray:
        """Return what is predicted of rows, once it is their turn.

        Raises
        ------
        Refusal
            If too many rows wait already, or its turn does not come in time.
        """
        if not rows.n:
            return np.zeros((0, self._served.n_answers))
        if self.n_waiting and self.n_waiting + rows.n > self._most_waiting:
            raise busy(f"{self.n_waiting:,} rows waiting", self._served.cost.of(self.n_waiting))
        loop = asyncio.get_running_loop()
        one = _Waiting(rows, loop.create_future(), time.monotonic())
        self._waiting.append(one)
        self.n_waiting += rows.n
        if not self._is_busy:
            self._is_busy = True
            loop.call_soon(self._next)  # after those that have arrived at the same time
        return await one.future

    def _next(self) -> None:
        """Begin the next batch, or rest."""
        batch, n = self._take()
        if not batch:
            self._is_busy = False
            return
        if n <= self._at_once:
            self._deliver(batch, *_compute(self._served, [part for _, part in batch]))
            self._go_on()
            return
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, "fathom-serve")
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(
            self._worker, _compute, self._served, [part for _, part in batch]
        )

        def done(future: asyncio.Future[Any]) -> None:
            if not future.cancelled():
                self._deliver(batch, *future.result())
            self._go_on()

        work.add_done_callback(done)

    def _go_on(self) -> None:
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._next)
        else:
            self._is_busy = False

    def _take(self) -> tuple[list[tuple[_Waiting, Rows]], int]:
        """Take as many rows as a batch holds, from the first request on."""
        batch: list[tuple[_Waiting, Rows]] = []
        n = 0
        for _ in range(len(self._waiting)):
            if n >= self._most_rows:
                break
            one = self._waiting.popleft()
            if self._is_over(one):
                continue
            end = min(one.n_done + self._most_rows - n, one.rows.n)
            batch.append((one, one.rows.part(one.n_done, end)))
            n += end - one.n_done
            self.n_waiting -= end - one.n_done
            one.n_done = end
            if end < one.rows.n:
                self._waiting.append(one)
        return batch, n

    def _is_over(self, one: _Waiting) -> bool:
        """Tell whether nobody waits for a request any more, or it has waited too long."""
        is_over = one.future.done()
        if not is_over and not one.n_done and time.monotonic() - one.since > self._most_seconds:
            one.future.set_exception(
                busy(f"{self._most_seconds:g} s of waiting", self._served.cost.of(self.n_waiting))
            )
            is_over = True
        if is_over:
            self.n_waiting -= one.rows.n - one.n_done
        return is_over

    def _deliver(
        self, batch: list[tuple[_Waiting, Rows]], found: list[Any], seconds: float
    ) -> None:
        self._on_batch(len(batch), sum(part.n for _, part in batch), seconds)
        for (one, _), answers in zip(batch, found, strict=True):
            if one.future.done():
                continue
            if isinstance(answers, Exception):
                one.future.set_exception(answers)
                continue
            one.answers.append(answers)
            if one.n_done == one.rows.n:
                is_whole = len(one.answers) == 1
                one.future.set_result(one.answers[0] if is_whole else np.concatenate(one.answers))


def _compute(served: Served, parts: list[Rows]) -> tuple[list[Any], float]:
    """Return what is predicted of each part, or the error it gives; and the seconds it took."""
    began = time.perf_counter()
    found: list[Any]
    try:
        answers = served.predict(parts)
        if len(parts) == 1:
            found = [answers]
        else:
            ends = np.cumsum([part.n for part in parts])[:-1]
            found = np.split(answers, ends)
    except Exception as error:  # whatever it is, who waits must hear of it
        is_alone = len(parts) == 1  # if not, one of them must not be the ruin of the others
        found = [error] if is_alone else [_compute(served, [part])[0][0] for part in parts]
    return found, time.perf_counter() - began
