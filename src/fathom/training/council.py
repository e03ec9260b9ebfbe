"""Decisions that all processes of one training take alike: the first one takes them."""

import time

import numpy as np

from fathom.nn.xla import jax
from fathom.training.monitor import Deadline


class Council:
    """The processes that train one network together.

    Whatever they do has to be the same in the same order, or they wait for each other for ever. So
    what depends on a clock, a file or a user is known by what the first one says.
    """

    @property
    def leads(self) -> bool:
        """Whether this is the process that decides and writes."""
        return jax.process_index() == 0

    def agree(self, number: float) -> float:
        """Return the number that the first process has."""
        if jax.process_count() == 1:
            return number
        from jax.experimental import multihost_utils

        data = np.frombuffer(np.float64(number).tobytes(), np.uint8)  # JAX would make it float32
        told = np.asarray(multihost_utils.broadcast_one_to_all(data))
        return float(np.frombuffer(told.astype(np.uint8).tobytes(), np.float64)[0])


class AgreedDeadline(Deadline):
    """A moment by which several processes have to be done, on the clock of the first one.

    Parameters
    ----------
    ends_at : float
        That moment, on this machine's monotonic clock.
    council : Council
        The processes.
    """

    def __init__(self, ends_at: float, council: Council) -> None:
        self._council = council
        super().__init__(None)
        self._end = council.agree(ends_at)

    def now(self) -> float:
        """Return the time of the first process."""
        return self._council.agree(time.monotonic())
