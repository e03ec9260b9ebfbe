"""Sequences of like length side by side, so that there is less silence to work through.

Sequences lie in one array, filled up with zeros behind their end. A step works through as much of
it as the longest of its batch needs, brought to one of a few lengths, as each of them is a program
to compile.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from fathom.training.plan import Examples, Plan, Sums
from fathom.training.program import Program, State, make_program

AFTER = 32  # moments of silence behind a sequence, in which a network may say the last sign
LENGTHS = 32  # of which the shorter ones are multiples


@dataclass(frozen=True)
class Lengths:
    """A few lengths, and which of them each example needs.

    Attributes
    ----------
    moments : tuple of int
        The lengths, from the shortest on; the last is that of the array.
    needed : numpy.ndarray
        Position of the shortest one that holds each example and the silence behind it, shape (n,).
    """

    moments: tuple[int, ...]
    needed: np.ndarray

    def program(self, plan: Plan) -> Program:
        """Return a plan's program whose steps are as long as the longest of their examples.

        All lengths are compiled in the first call, side by side, so that later ones tell what a
        call takes.
        """
        programs = [make_program(replace(plan, moments=moments)) for moments in self.moments]
        compiled: list[Program] = []

        def advance(
            state: State, examples: Examples, rows: np.ndarray, *rest: Any
        ) -> tuple[State, Sums, Any]:
            if not compiled:
                with ThreadPoolExecutor() as pool:
                    list(pool.map(lambda one: one.advance(state, examples, rows, *rest), programs))
                compiled.extend(programs)
            return compiled[self.needed[rows].max()].advance(state, examples, rows, *rest)

        return make_program(plan)._replace(advance=advance)


def choose_lengths(x: np.ndarray, most: int) -> Lengths:
    """Choose the lengths with which there is the least to work through.

    Parameters
    ----------
    x : numpy.ndarray
        Sequences, 0 behind their end, shape (n, time, features).
    most : int
        Lengths there may be.

    Examples
    --------
    >>> x = np.zeros((4, 448, 2), np.uint8)
    >>> x[:3, :200], x[3] = 1, 1
    >>> lengths = choose_lengths(x, 2)
    >>> lengths.moments, lengths.needed
    ((256, 448), array([0, 0, 0, 1]))
    """
    full = x.shape[1]
    is_heard = np.asarray(x.any(axis=2))
    ends = np.where(is_heard.any(axis=1), full - is_heard[:, ::-1].argmax(axis=1), 0)
    rooms = np.minimum(-(-(ends + AFTER) // LENGTHS) * LENGTHS, full)
    shapes, counts = np.unique(rooms, return_counts=True)
    shorter = shapes[shapes < full]
    choices = (
        np.array((*some, full))
        for n in range(min(most - 1, len(shorter)) + 1)
        for some in combinations(shorter, n)
    )
    best = min(choices, key=lambda all_: counts @ all_[np.searchsorted(all_, shapes)])
    return Lengths(tuple(best.tolist()), np.searchsorted(best, rooms))
