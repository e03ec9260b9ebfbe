"""JAX, loaded when something is first computed with it.

It takes longer to load than a first small network takes to train, and networks that loops train
and NumPy uses need none of it. Everything in Fathom that does need it has it from here.
"""

import sys
import threading
from collections.abc import Callable
from functools import cache, wraps
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from fathom.loading import ONE_AT_A_TIME, load

_PARTS = ("jax", "jax.numpy", "jax.flatten_util")
_found: dict[str, ModuleType] = {}  # its modules, once they are loaded
_actions: list[Callable[[], None]] = []  # that wait for it
_is_ready = threading.Event()
Function = TypeVar("Function", bound=Callable[..., Any])


def is_loaded() -> bool:
    """Tell whether JAX is loaded."""
    return _is_ready.is_set()


def when_loaded(action: Callable[[], None]) -> None:
    """Do something before anything is done with JAX; at once where it is loaded."""
    if is_loaded():
        action()
        return
    _actions.append(action)
    if is_loaded():  # by another thread, between the two
        _act()
    elif "jax" in sys.modules and ONE_AT_A_TIME.acquire(blocking=False):  # by who uses Fathom
        try:
            _load()
        finally:
            ONE_AT_A_TIME.release()


def _act() -> None:
    while True:
        try:
            action = _actions.pop(0)
        except IndexError:  # nothing waits any more
            return
        action()


def _load() -> None:
    with ONE_AT_A_TIME:
        if not _found:  # what is done here asks for JAX again
            load(*_PARTS)
            _found.update({name: sys.modules[name] for name in _PARTS})
            _act()
            _is_ready.set()
            _act()


class _Late(ModuleType):
    """A module that is loaded when something of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        if not is_loaded():
            _load()
        return getattr(_found[self.__name__], name)


if TYPE_CHECKING:
    import jax
    import jax.flatten_util
    import jax.numpy as jnp
    from jax import Array
    from jax.sharding import Mesh, NamedSharding
    from jaxtyping import PyTree
else:
    jax, jnp = _Late("jax"), _Late("jax.numpy")
    Array = Any  # of NumPy too
    Mesh = NamedSharding = PyTree = Any


def jitted(**options: Any) -> Callable[[Function], Function]:
    """Have a function compiled by `jax.jit` when it is first called.

    Parameters
    ----------
    **options
        Those of `jax.jit`.

    Examples
    --------
    >>> @jitted(static_argnums=1)
    ... def power(x, n):
    ...     return x**n
    >>> float(power(3.0, 2))
    9.0
    """

    def decorate(function: Function) -> Function:
        make = cache(lambda: jax.jit(function, **options))

        @wraps(function)
        def call(*given: Any, **named: Any) -> Any:
            return make()(*given, **named)

        return call  # type: ignore[return-value]

    return decorate


__all__ = [
    "Array", "Mesh", "NamedSharding", "PyTree", "is_loaded", "jax", "jitted", "jnp", "when_loaded",
]  # fmt: skip
