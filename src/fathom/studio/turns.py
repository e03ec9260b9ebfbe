"""Turns: what computes for a page goes one after another, and nobody waits for ever."""

import threading
from collections.abc import Callable
from typing import TypeVar

from fathom.errors import InputError

WAIT_S = 120.0
Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class Turns:
    """Lets one computation through at a time.

    Parameters
    ----------
    wait_s : float
        How long one waits for its turn.
    """

    def __init__(self, wait_s: float = WAIT_S) -> None:
        self._lock, self._wait_s = threading.Lock(), wait_s

    def take(self, task: Callable[[Asked], Answer], asked: Asked) -> Answer:
        """Do a task once it is its turn.

        Raises
        ------
        InputError
            If its turn does not come in time.
        """
        if not self._lock.acquire(timeout=self._wait_s):
            raise InputError(
                "one computation at a time", got="one that still goes on",
                hint="wait a little, then ask again",
            )  # fmt: skip
        try:
            return task(asked)
        finally:
            self._lock.release()
