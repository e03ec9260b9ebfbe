"""How loops are compiled: once a machine, kept in a cache, outside Python's lock."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])
# Sums may be formed in any order, so that they fill vector registers; NaN stays NaN.
_RELAXED = {"reassoc", "contract", "arcp", "nsz"}


def loop(function: Function) -> Function:
    """Compile a loop over arrays when it is first called, and keep it for later processes.

    What is kept is found again by the file of the function alone, so that what is older than any
    of the loops has to go; `fathom.training.engines` sees to it.
    """
    return _compile(function, _RELAXED)


def exact(function: Function) -> Function:
    """Compile a formula of single numbers, in the order it is written."""
    return _compile(function, False)


def _compile(function: Function, relaxed: set[str] | bool) -> Function:
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": relaxed}
    try:
        return cast(Function, njit(cache=True, **options)(function))
    except RuntimeError:  # there is no folder to keep it in
        return cast(Function, njit(**options)(function))
