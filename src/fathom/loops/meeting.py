"""Where threads wait for each other, between loops that no lock of Python holds up.

A meeting is a count of arrivals. Who does not come would be waited for for ever, so that it can be
called off: the count then is beyond all arrivals, and nobody waits any more.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fathom.loops.compiling import loop
from fathom.loops.moving import add, copy, fill
from fathom.loops.numerics import ZERO

PATIENCE = 10_000  # looks at the others, some microseconds, before the core is offered to them
CALLED_OFF = 2**62  # more arrivals than there will ever be
_OFFER = "SwitchToThread" if sys.platform == "win32" else "sched_yield"
_WHOLE = ir.IntType(64)


def _make_arrive(context, counter):  # type: ignore[no-untyped-def]
    """Describe how a count goes up by one, whoever else counts."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.inttoptr(arguments[0], _WHOLE.as_pointer())
        builder.atomic_rmw("add", place, ir.Constant(_WHOLE, 1), "seq_cst")
        return context.get_dummy_value()

    return types.void(types.int64), generate


def _make_look(context, counter):  # type: ignore[no-untyped-def]
    """Describe how a count is read that others change."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.inttoptr(arguments[0], _WHOLE.as_pointer())
        return builder.load_atomic(place, "seq_cst", 8)

    return types.int64(types.int64), generate


def _make_offer(context):  # type: ignore[no-untyped-def]
    """Describe how the core is offered to whoever waits for one."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        module, kind = builder.module, ir.FunctionType(ir.IntType(32), [])
        builder.call(module.globals.get(_OFFER) or ir.Function(module, kind, _OFFER), [])
        return context.get_dummy_value()

    return types.void(), generate


_arrive: Callable[..., None] = intrinsic(_make_arrive)
_look: Callable[..., int] = intrinsic(_make_look)
_offer: Callable[..., None] = intrinsic(_make_offer)


@loop
def meet(counter, goal):  # type: ignore[no-untyped-def]
    """Wait until so many arrivals have been counted, this one among them.

    Parameters
    ----------
    counter : numpy.ndarray
        A whole number of 64 bits, 0 at first, that all who meet share; it only ever grows.
    goal : int
        Arrivals there are when the last one is here: how many meet, times how often until now.

    Returns
    -------
    bool
        Whether all have come; if not, the meeting has been called off.
    """
    _arrive(counter.ctypes.data)
    looks = 0
    arrivals = _look(counter.ctypes.data)
    while arrivals < goal:
        looks += 1
        if looks > PATIENCE:
            _offer()
        arrivals = _look(counter.ctypes.data)
    return arrivals < CALLED_OFF


class Company(NamedTuple):
    """Cores that take the steps of one network together, as one of them sees it.

    Attributes
    ----------
    share, n_shares : int
        Which of them it is, from 0, and how many there are.
    counter : numpy.ndarray
        Where they `meet`, the same for all.
    n_met : numpy.ndarray
        Arrivals at the last meeting and all before, a whole number of 64 bits of its own.
    told : numpy.ndarray
        Room in which they tell each other sums, shape (2, shares, sums or more), the same for all.
    n_examples : int
        Examples of the batch that they divide among them; 0 where nothing is learned.
    """

    share: int
    n_shares: int
    counter: np.ndarray
    n_met: np.ndarray
    told: np.ndarray
    n_examples: int


@loop
def at_rest():  # type: ignore[no-untyped-def]
    """Return the company of a core that learns nothing."""
    told = np.zeros((2, 1, 0), np.float32)
    return Company(0, 1, np.zeros(1, np.int64), np.zeros(1, np.int64), told, 0)


@loop
def meet_all(company):  # type: ignore[no-untyped-def]
    """Wait for all of a company; return False where the meeting has been called off."""
    company.n_met[0] += company.n_shares
    return meet(company.counter, company.n_met[0])


@loop
def add_up(company, sums):  # type: ignore[no-untyped-def]
    """Write over a core's own sums those of the whole company, in the order of its shares.

    All have to ask. There are two rooms to tell sums in, which take turns: who writes into one
    again has met all others since, who have read it by then.
    """
    if company.n_shares == 1:
        return
    told, n = company.told[company.n_met[0] // company.n_shares % 2], len(sums)
    copy(sums, told[company.share][:n])
    meet_all(company)
    fill(sums, ZERO)
    for share in range(company.n_shares):
        add(told[share][:n], sums)


@contextmanager
def calling_off(counter: np.ndarray) -> Iterator[None]:
    """Call a meeting off where something goes wrong, that nobody waits for who will not come."""
    try:
        yield
    except BaseException:
        counter[0] = CALLED_OFF
        raise
