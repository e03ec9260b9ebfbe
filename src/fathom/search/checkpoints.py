"""Checkpoints: the model of a search as it stands, kept safe now and then."""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

FIRST_S, EVERY_S = 10.0, 15.0  # before the first one, and from one to the next
SHARE = 0.03  # of the time that they may take

Kept = TypeVar("Kept")


class Checkpoints(Generic[Kept]):
    """Keeps a model now and then, seldom enough to cost next to nothing.

    Parameters
    ----------
    make : callable
        Returns the model as it stands.
    keep : callable
        Keeps it.

    Examples
    --------
    >>> kept = []
    >>> checkpoints = Checkpoints(lambda: "model", kept.append)
    >>> checkpoints.consider()
    >>> kept
    []
    """

    def __init__(self, make: Callable[[], Kept], keep: Callable[[Kept], None]) -> None:
        self._make, self._keep = make, keep
        self._next = time.monotonic() + FIRST_S

    def consider(self) -> None:
        """Keep the model where it is time for that."""
        began = time.monotonic()
        if began < self._next:
            return
        self._keep(self._make())
        ended = time.monotonic()
        self._next = ended + max(EVERY_S, (ended - began) / SHARE)
