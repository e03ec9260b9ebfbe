"""Threads that meet: none goes on before all have come, or it is known that not all will."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fathom.loops.compiling import loop
from fathom.loops.meeting import calling_off, meet

THREADS, ROUNDS = 3, 200


@loop
def take_turns(number, counter, written, read):
    """Write a number each round, and read after a meeting what the thread beside has written."""
    beside = (number + 1) % len(written)
    for turn in range(len(read)):
        written[number] = turn + 1
        meet(counter, (2 * turn + 1) * len(written))
        read[turn] = written[beside]
        meet(counter, (2 * turn + 2) * len(written))


def test_nobody_goes_on_alone():
    counter, written = np.zeros(1, np.int64), np.zeros(THREADS, np.int64)
    read = np.zeros((THREADS, ROUNDS), np.int64)
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda k: take_turns(k, counter, written, read[k]), range(THREADS)))
    assert np.array_equal(read, np.tile(np.arange(1, ROUNDS + 1), (THREADS, 1)))
    assert counter[0] == 2 * ROUNDS * THREADS


def test_nobody_waits_for_who_will_not_come():
    counter = np.zeros(1, np.int64)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(meet, counter, 2)
        with pytest.raises(MemoryError), calling_off(counter):
            raise MemoryError
        assert not waiting.result()
    assert not meet(counter, 2)
