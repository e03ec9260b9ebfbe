"""Spreading: many rows in parts that fit a cache, on all cores."""

import ctypes
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue

import numpy as np
from threadpoolctl import LibController, ThreadpoolController

VALUES_AT_ONCE = 2**17  # numbers of the widest layer in one part: what a core's cache holds
VALUES_BESIDE = 2**19  # likewise where threads work side by side, who meet at each call of NumPy
LEAST_AT_ONCE = 256  # rows of a part, so that a product of matrices is worth its call
MOST_VALUES_AT_ONCE = 2**22  # which bounds the memory, whatever the width
TILE = 16  # rows that BLAS takes at once, or a multiple: fewer are computed in another order
BUFFER = 512  # numbers; NumPy repeats one number for each row in it before it takes that from rows
LITTLE = 4_000_000  # multiplications that are left to BLAS and its threads
WORTH_A_THREAD = 10_000_000  # multiplications below which a thread costs more than it saves

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
    total = n_rows * n_products
    if total < LITTLE:
        return _work_off(work, _parts(n_rows, widest, VALUES_AT_ONCE))
    if not _SPREADING.acquire(blocking=False):
        return _work_off(work, _parts(n_rows, widest, VALUES_BESIDE))
    try:
        n_allowed = max((library.num_threads for library in _blas()), default=1)
        n_threads = max(1, min(n_allowed, n_rows // TILE, total // WORTH_A_THREAD))
        at_once = VALUES_AT_ONCE if n_threads == 1 else VALUES_BESIDE
        parts = _parts(n_rows, widest, at_once, n_threads)
        with blas_alone():
            return _side_by_side(work, parts, n_threads)
    finally:
        _SPREADING.release()


def _parts(n_rows: int, widest: int, at_once: int, multiple: int = 1) -> deque[tuple[int, int]]:
    """Return where parts of whole tiles begin and end; their number is a multiple of that given."""
    most = max(1, min(max(LEAST_AT_ONCE, at_once // widest), MOST_VALUES_AT_ONCE // widest))
    n_parts = max(1, -(-n_rows // (most * multiple))) * multiple
    tiles = -(-n_rows // TILE)
    ends = [min(tiles * place // n_parts * TILE, n_rows) for place in range(n_parts + 1)]
    return deque(pairwise(ends))


def _work_off(work: Callable[[int, int], bool], parts: deque[tuple[int, int]]) -> bool:
    """Take parts until none is left; the threads share them, so a slow one takes fewer."""
    with np.errstate(all="ignore"):  # a thread of its own does not inherit the caller's
        np.setbufsize(BUFFER)  # until here, too
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
    shares = [_Share(work, parts) for _ in range(n_threads - 1)]
    if shares:
        _team(os.getpid()).do(shares)
    try:
        is_done = _work_off(work, parts)
    finally:
        parts.clear()
        for share in shares:
            share.wait()
    results = [share.result() for share in shares]
    return is_done and all(results)


class _Share:
    """What one thread of the team does of some work, unless all is done before it begins."""

    def __init__(self, work: Callable[[int, int], bool], parts: deque[tuple[int, int]]) -> None:
        self._work, self._parts = work, parts
        self._beginning, self._end = threading.Lock(), threading.Lock()
        self._end.acquire()
        self._is_done = True
        self._error: BaseException | None = None

    def do(self) -> None:
        if not self._beginning.acquire(blocking=False):
            return
        try:
            self._is_done = _work_off(self._work, self._parts)
        except BaseException as error:
            self._error = error
            self._parts.clear()
        self._end.release()

    def wait(self) -> None:
        """Return when it is done, or will not be begun any more."""
        if not self._beginning.acquire(blocking=False):
            self._end.acquire()

    def result(self) -> bool:
        """Return whether all it took could be computed, or raise what was raised there."""
        if self._error is not None:
            raise self._error
        return self._is_done


class _Team:
    """Threads that wait for shares; an executor with its futures takes longer to hand one over."""

    def __init__(self) -> None:
        self._shares: SimpleQueue[_Share] = SimpleQueue()
        self._size = 0

    def do(self, shares: list[_Share]) -> None:
        """Have shares done, and do not wait for it; without a thread who asks does all."""
        with suppress(RuntimeError):
            while self._size < len(shares):
                threading.Thread(target=self._serve, name="fathom-rows", daemon=True).start()
                self._size += 1
        for share in shares[: self._size]:
            self._shares.put(share)

    def _serve(self) -> None:
        while True:
            self._shares.get().do()


@lru_cache(maxsize=1)
def _team(process: int) -> _Team:
    """Return the team of this process; a forked one, which has no threads, gets its own."""
    return _Team()


class _BlasAlone:
    """Keeps BLAS to the threads that call it, from the first who asks for that to the last."""

    def __init__(self) -> None:
        self._lock, self._n_users = threading.Lock(), 0
        self._before: list[tuple[LibController, int]] = []

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            known = {library.filepath for library, _ in self._before}
            new = [one for one in _blas() if one.filepath not in known]  # loaded since, perhaps
            self._before += [(library, library.num_threads) for library in new]
            for library in new:
                if library.num_threads != 1:
                    library.set_num_threads(1)
            self._n_users += 1
        try:
            yield
        finally:
            with self._lock:
                self._n_users -= 1
                if self._n_users == 0:
                    for library, n_before in self._before:
                        if n_before != 1:
                            library.set_num_threads(n_before)
                    self._before = []


blas_alone = _BlasAlone()
"""A context in which BLAS keeps to the threads that call it; any number may be in it at once."""


def multiply_address() -> int | None:
    """Return where NumPy's BLAS has `cblas_sgemm` with whole numbers of 64 bits.

    None where NumPy was not built with OpenBLAS as its wheels are, and nobody knows what it calls.
    """
    beside = str(Path(np.__file__).resolve().parent)
    for library in _blas():
        if str(Path(library.filepath).resolve()).startswith(beside):
            function = getattr(library.dynlib, "scipy_cblas_sgemm64_", None)
            if function is not None:
                return ctypes.cast(function, ctypes.c_void_p).value
    return None


def _blas() -> list[LibController]:
    """Return the libraries of BLAS; SciPy has its own, which comes with what loops call."""
    return _found("scipy.linalg.cython_blas" in sys.modules)


@cache
def _found(with_scipy: bool) -> list[LibController]:
    return list(ThreadpoolController().select(user_api="blas").lib_controllers)
