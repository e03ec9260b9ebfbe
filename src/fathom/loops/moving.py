"""Moving numbers from place to place, in plain loops: slices take the compiler seconds each."""

import numpy as np

from fathom.loops.compiling import loop

LINE = 16  # numbers in a line of the nearest memory, 64 bytes


@loop
def room(n):  # type: ignore[no-untyped-def]
    """Return room for so many numbers, whose first one begins a line of memory.

    A register of 16 is then read from one line where it would be from two, which takes twice the
    time.
    """
    whole = np.empty(n + LINE, np.float32)
    skip = (-whole.ctypes.data // 4) % LINE
    return whole[skip : skip + n]


@loop
def whole_lines(n):  # type: ignore[no-untyped-def]
    """Return how many numbers so many take, if what comes next is to begin a line."""
    return (n + LINE - 1) // LINE * LINE


@loop
def fill(row, value):  # type: ignore[no-untyped-def]
    """Write a value into every place of a row."""
    for i in range(len(row)):
        row[i] = value


@loop
def copy(row, room):  # type: ignore[no-untyped-def]
    """Write a row into another of the same length."""
    for i in range(len(row)):
        room[i] = row[i]


@loop
def scale(row, factors):  # type: ignore[no-untyped-def]
    """Multiply a row by factors, in its place: a third array that is one of them is slower."""
    for i in range(len(row)):
        row[i] *= factors[i]


@loop
def add(row, total):  # type: ignore[no-untyped-def]
    """Add a row to another of the same length."""
    for i in range(len(row)):
        total[i] += row[i]
