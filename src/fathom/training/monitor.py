"""What the outside may see of a training while it runs, and how it may ask for its end."""

import time

from fathom.training.history import Epoch, Event, NetworkEvent


class Monitor:
    """Watches a training; the default one sees nothing and never asks to stop.

    Its methods may be called from several threads at once, one for each start.
    """

    stop_reason = "stopped by request"

    def on_epoch(self, start: int, epoch: Epoch) -> None:
        """Hear of an epoch of the given start."""

    def on_event(self, start: int, event: Event) -> None:
        """Hear of something out of the ordinary in the given start."""

    def on_network(self, event: NetworkEvent) -> None:
        """Hear what became of a network of a search; the search waits, so be quick."""

    def should_stop(self) -> bool:
        """Tell whether training is to stop now and keep the best weights so far."""
        return False


class Deadline:
    """A moment by which something has to be done.

    Parameters
    ----------
    seconds : float or None
        Seconds from now; None for never.
    """

    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else self.now() + seconds

    def now(self) -> float:
        """Return the time on the clock that counts, in seconds."""
        return time.monotonic()

    def remaining(self) -> float:
        """Return the seconds left; infinite where there is no deadline, below 0 once it is past."""
        return float("inf") if self._end is None else self._end - self.now()

    def share(self, part: float) -> "Deadline":
        """Return a deadline after the given part of the seconds left."""
        left = self.remaining()
        return Deadline(None if left == float("inf") else part * left)
