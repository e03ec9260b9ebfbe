"""The matrix unit: only where a processor has one, loops are compiled for it, and Linux lets us."""

import ctypes
import os
import subprocess
import sys

import pytest

from fathom.loops import matrix_unit

COMPILE_ALL = """
from numba import njit
from fathom.loops.matrix_unit import (
    add, begin, configure, end, may_use_unit, release, split,
)

@njit
def use(n):
    configure()
    split(n, n, n, n, n)
    begin(n, n)
    add(n, n)
    end(n, n)
    release()
    return n

assert not may_use_unit()
assert use(7) == 7  # none of them does anything: that is no address
"""


def test_for_a_processor_without_it_what_is_written_does_nothing():
    told = {**os.environ, "NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    subprocess.run([sys.executable, "-c", COMPILE_ALL], env=told, check=True, timeout=120)


@pytest.mark.parametrize(
    ("is_there", "system", "answer", "may"),
    [(True, "linux", 0, True), (True, "linux", -1, False), (True, "darwin", 0, False),
     (False, "linux", 0, False)],
)  # fmt: skip
def test_linux_is_asked_and_may_refuse(is_there, system, answer, may, monkeypatch):
    class Library:
        @staticmethod
        def syscall(*what):
            assert what == (158, 0x1023, 18)
            return answer

    monkeypatch.setattr(matrix_unit, "_IS_THERE", is_there)
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: Library)
    assert matrix_unit.may_use_unit.__wrapped__() is may
