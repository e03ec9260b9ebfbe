"""One row on its way through networks: memory, views and calls made once, and kept."""

import math
import threading

import numpy as np

from fathom.nn.forward import Forward, activate_outputs
from fathom.nn.pointwise import Space
from fathom.nn.products import Calls
from fathom.nn.spread import TILE

FEW_OUTPUTS = 16  # of a softmax, which take Python less time than NumPy takes to begin


class SingleRow(threading.local):
    """The mean of networks' outputs for one row, computed in memory of each thread's own.

    Parameters
    ----------
    forwards : tuple of Forward
        The networks, one at least.
    n_features : int
        Numbers they take, of which the last stays 1.

    Attributes
    ----------
    whole, room : numpy.ndarray
        Where the row is to be written, float32: with its last 1, and without.

    Notes
    -----
    The row is the first of a tile of zeros, as BLAS computes fewer rows in another order: alone it
    comes out as it does among others.
    """

    def __init__(self, forwards: tuple[Forward, ...], n_features: int) -> None:
        tile = np.zeros((n_features, TILE), np.float32)
        tile[-1, 0] = 1
        self.whole, self.room = tile[:, 0], tile[:-1, 0]
        self._given, space = (forwards, n_features), Space()
        self._plans = [(*each.plan(tile, space), each.output_activation) for each in forwards]

    def __reduce__(self) -> tuple[type["SingleRow"], tuple[tuple[Forward, ...], int]]:
        """Travel as what it was made of."""
        return SingleRow, self._given

    def outputs(self) -> np.ndarray:
        """Return the outputs for the row that was written, float64 of shape (1, outputs)."""
        each = [_outputs_of(*plan) for plan in self._plans]
        return each[0] if len(each) == 1 else sum(each[1:], start=each[0]) / len(each)


def _outputs_of(calls: Calls, z: np.ndarray, activation: str) -> np.ndarray:
    for call in calls:
        call()
    if activation == "softmax" and len(z) <= FEW_OUTPUTS:
        return _softmax_of_few(z[:, 0].tolist())
    return activate_outputs(z[:, :1], activation).T.astype(np.float64)


def _softmax_of_few(sums: list[float]) -> np.ndarray:
    """Return exp(z) / Σ exp(z) of one row, shape (1, outputs), but for the last bit as in NumPy."""
    largest = max(sums)
    powers = [math.exp(one - largest) for one in sums]
    total = sum(powers)
    return np.array([[power / total for power in powers]])
