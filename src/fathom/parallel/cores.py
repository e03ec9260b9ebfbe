"""Which of the machine's cores this process may use, and work spread over them."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

Given = TypeVar("Given")
Found = TypeVar("Found")


def own_cores() -> tuple[int, ...]:
    """Return the numbers of the cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def n_cores() -> int:
    """Return how many cores this process may use."""
    return len(own_cores())


def for_each(work: Callable[[Given], Found], tasks: Sequence[Given], n_threads: int) -> list[Found]:
    """Return what comes of every task, on several threads where there are several of both.

    Where no further thread is to be had, who asks does the rest. A task may be done twice then.
    """
    if min(n_threads, len(tasks)) <= 1:
        return [work(task) for task in tasks]
    given: list[Future[Found]] = []
    with ThreadPoolExecutor(n_threads) as pool:
        with suppress(RuntimeError):
            for task in tasks:
                given.append(pool.submit(work, task))  # noqa: PERF401 (what was begun stays)
        rest = [work(task) for task in tasks[len(given) :]]
        return [*(one.result() for one in given), *rest]
