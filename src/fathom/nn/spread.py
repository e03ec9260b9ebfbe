"""Spreading: many rows in parts that fit a cache, on all cores."""

import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache, lru_cache
from itertools import pairwise

import numpy as np
from threadpoolctl import ThreadpoolController

VALUES_AT_ONCE = 2**17  # numbers of the widest layer in one part: what a core's cache holds
LEAST_AT_ONCE = 256  # rows of a part, so that a product of matrices is worth its call
MOST_VALUES_AT_ONCE = 2**22  # which bounds the memory, whatever the width
TILE = 16  # rows that BLAS takes at once, or a multiple: fewer are computed in another order
WORTH_A_THREAD = 4_000_000  # multiplications below which a thread costs more than it saves

_SPREADING = threading.Lock()  # one at a time: the threads of BLAS are the whole process's


def over_rows(work: Callable[[int, int], bool], n_rows: int, widest: int, n_products: int) -> bool:
    """Call ``work(begin, end)`` for every part of the rows, on several cores where that pays.

    Parameters
    ----------
    work : callable
        Computes rows ``begin`` to ``end`` and tells whether it could; no part overlaps another.
        Floating point errors pass in silence inside.
    n_rows : int
        Number of rows, 0 or more.
    widest : int
        Most numbers that are made of one row at once.
    n_products : int
        Multiplications that one row costs.

    Returns
    -------
    bool
        Whether all parts could be computed; the first that cannot ends its thread's work.

    Notes
    -----
    As many threads as BLAS may use now, each with enough to do; BLAS itself gets one in the
    meantime, as its own threads would divide the products of matrices only. A second call at the
    same time keeps to its thread.
    """
    n_worth = n_rows * n_products // WORTH_A_THREAD
    is_little = n_worth == 0
    if is_little and n_rows * widest <= VALUES_AT_ONCE:
        with np.errstate(all="ignore"):
            return work(0, n_rows)
    most = max(1, min(max(LEAST_AT_ONCE, VALUES_AT_ONCE // widest), MOST_VALUES_AT_ONCE // widest))
    n_parts = -(-n_rows // most)
    if is_little or not _SPREADING.acquire(blocking=False):
        return _work_off(work, _parts(n_rows, n_parts))
    try:
        blas = _blas()
        n_allowed = max((library.num_threads for library in blas.lib_controllers), default=1)
        if n_allowed == 1:
            return _work_off(work, _parts(n_rows, n_parts))
        n_threads = min(n_allowed, n_worth, n_rows)
        with blas.limit(limits=1):
            parts = _parts(n_rows, -(-n_parts // n_threads) * n_threads)
            return _side_by_side(work, parts, n_threads)
    finally:
        _SPREADING.release()


def _parts(n_rows: int, n_parts: int) -> deque[tuple[int, int]]:
    tiles = -(-n_rows // TILE)
    ends = [min(tiles * place // n_parts * TILE, n_rows) for place in range(n_parts + 1)]
    return deque(pairwise(ends))


def _work_off(work: Callable[[int, int], bool], parts: deque[tuple[int, int]]) -> bool:
    """Take parts until none is left; the threads share them, so a slow one takes fewer."""
    with np.errstate(all="ignore"):  # a thread of its own does not inherit the caller's
        while True:
            try:
                begin, end = parts.popleft()
            except IndexError:
                return True
            if end > begin and not work(begin, end):
                parts.clear()
                return False


def _side_by_side(
    work: Callable[[int, int], bool], parts: deque[tuple[int, int]], n_threads: int
) -> bool:
    if n_threads == 1:
        return _work_off(work, parts)
    workers = _workers(os.getpid())
    others = [workers.submit(_work_off, work, parts) for _ in range(n_threads - 1)]
    try:
        is_done = _work_off(work, parts)
    finally:
        parts.clear()
        wait(other for other in others if not other.cancel())  # who has not begun need not
    results = [other.result() for other in others if not other.cancelled()]
    return is_done and all(results)


@lru_cache(maxsize=1)
def _workers(process: int) -> ThreadPoolExecutor:
    """Return the threads that wait for work; a forked process, which has none, gets its own."""
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="fathom-rows")


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")
