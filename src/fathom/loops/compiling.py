"""How loops are compiled: once a machine, kept in a cache, outside Python's lock."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])
# Sums may be formed in any order, so that they fill vector registers; NaN stays NaN.
_RELAXED = {"reassoc", "contract", "arcp", "nsz"}


def loop(function: Function) -> Function:
    """Compile a loop over arrays when it is first called, and keep it for later processes.

    What is kept is found again by the file of the function alone: whoever changes a loop that
    others call removes ``__pycache__`` of this room.
    """
    return cast(
        Function, njit(nogil=True, cache=True, error_model="numpy", fastmath=_RELAXED)(function)
    )


def exact(function: Function) -> Function:
    """Compile a formula of single numbers, in the order it is written."""
    return cast(Function, njit(nogil=True, cache=True, error_model="numpy")(function))
