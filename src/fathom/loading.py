"""What can wait: libraries that load for longer than a first network trains, and work like that."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from importlib import import_module
from typing import Generic, TypeVar

ONE_AT_A_TIME = threading.RLock()
"""Held by who loads what others may ask for at the same time."""
Found = TypeVar("Found")


def load(*names: str) -> None:
    """Load modules that others may ask for at the same time; those wait until they are there.

    Modules that import each other must not be loaded by two threads at once: Python hands one of
    them a module that is not complete.

    Parameters
    ----------
    *names : str
        The modules.

    Examples
    --------
    >>> load("json")
    """
    with ONE_AT_A_TIME:
        for name in names:
            import_module(name)


class Later(Generic[Found]):
    """Work that is done beside what goes on, once somebody says that it is time for it.

    Parameters
    ----------
    work : callable
        Returns what is to be found out.

    Examples
    --------
    >>> later = Later(lambda: 6 * 7)
    >>> later.begin()
    >>> later.result()
    42
    """

    def __init__(self, work: Callable[[], Found]) -> None:
        self._work, self._lock, self._has_begun = work, threading.Lock(), False
        self._found: Future[Found] = Future()

    def begin(self) -> None:
        """Begin in a thread of its own; a second time changes nothing."""
        with self._lock:
            if not self._has_begun:
                self._has_begun = True
                threading.Thread(target=self._do, name="fathom-later", daemon=True).start()

    def _do(self) -> None:
        try:
            self._found.set_result(self._work())
        except BaseException as error:  # raised again where the result is asked for
            self._found.set_exception(error)

    def result(self) -> Found:
        """Return what was found; wait for it, and begin where nobody has."""
        self.begin()
        return self._found.result()
