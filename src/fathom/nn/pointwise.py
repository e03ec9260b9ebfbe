"""Activation functions in NumPy, in place: what a prediction needs, and nothing compiled.

Values are laid out features first, shape (features, rows), so that every step runs along memory.
"""

import math
import threading
from collections.abc import Callable
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from scipy.special import erfc

from fathom.nn.spread import TILE

SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772  # Klambauer et al. 2017
N_SLOTS = 3  # a layer's input and output, and what a residual block keeps
SCRATCH = N_SLOTS  # the slot for what a layer needs on the way
GIVEN = N_SLOTS + 1  # the slot for a network's input, which no layer writes to
ALIASED = 256  # rows whose float32 lie a multiple of 1 KiB apart, where few fit a cache together
CACHE_LINE = 64  # bytes; the rows of a tile are one, so that each feature's begin with one
ZERO, INFINITY = np.zeros((), np.float32), np.full((), np.inf, np.float32)


class Space(threading.local):
    """The memory a thread computes in: kept from call to call, so that it stays in the cache."""

    def __init__(self) -> None:
        self._slots = [np.empty(0, np.float32) for _ in range(N_SLOTS + 2)]

    def take(self, slot: int, features: int, rows: int) -> np.ndarray:
        """Return room of shape (features, rows) in a slot, over whatever stood there."""
        size = features * rows
        flat = self._slots[slot]
        if len(flat) < size:
            flat = self._slots[slot] = _empty_aligned(size)
        return flat[:size].reshape(features, rows)

    def given(self, features: int, n_rows: int) -> np.ndarray:
        """Return room for so many rows of a network's input, shape (features, rows or more).

        Rows are filled up to whole tiles, and never to a number that lies badly in memory; what is
        behind the last is yet to be written, too.
        """
        n_filled = n_rows + -n_rows % TILE
        if n_filled % ALIASED == 0:
            n_filled += TILE
        return self.take(GIVEN, features, n_filled)

    def hold(self, rows: np.ndarray) -> np.ndarray:
        """Return rows, shape (rows, features), as a network's input: see `given`."""
        room = self.given(rows.shape[1], len(rows))
        room[:, : len(rows)] = rows.T
        room[:, len(rows) :] = 0
        return room


def _empty_aligned(size: int) -> np.ndarray:
    """Return room that begins with a cache line, so that no step reads across two of them."""
    room = np.empty(size + CACHE_LINE // 4, np.float32)
    begin = -room.ctypes.data % CACHE_LINE // 4
    return room[begin : begin + size]


InPlace: TypeAlias = Callable[[np.ndarray, Space], None]


def _scratch_like(z: np.ndarray, space: Space) -> np.ndarray:
    return space.take(SCRATCH, *z.shape)


def _sigmoid_into(z: np.ndarray, out: np.ndarray) -> None:
    """Write 1 / (1 + exp(-z)); where exp overflows the quotient is 0, as it should be."""
    np.negative(z, out=out)
    np.exp(out, out=out)
    out += 1
    np.reciprocal(out, out=out)


def _softplus_rest_into(z: np.ndarray, out: np.ndarray) -> None:
    """Write ln(1 + exp(-|z|)), which with max(z, 0) makes ln(1 + exp(z)) and cannot overflow."""
    np.abs(z, out=out)
    np.negative(out, out=out)
    np.exp(out, out=out)
    np.log1p(out, out=out)


def _sigmoid(z: np.ndarray, space: Space) -> None:
    _sigmoid_into(z, z)


def _tanh(z: np.ndarray, space: Space) -> None:
    np.tanh(z, out=z)


def _relu(z: np.ndarray, space: Space) -> None:
    if z.shape[1] == TILE:
        np.maximum(z, ZERO, out=z)
    else:
        z.clip(ZERO, INFINITY, z)  # in half of the time, but longer to begin


def _leaky_relu(z: np.ndarray, space: Space) -> None:
    np.maximum(z, np.multiply(z, 0.01, out=_scratch_like(z, space)), out=z)


def _elu(z: np.ndarray, space: Space, alpha: float = 1.0) -> None:
    below = np.minimum(z, 0, out=_scratch_like(z, space))
    np.expm1(below, out=below)
    below *= alpha
    np.maximum(z, ZERO, out=z)
    z += below


def _selu(z: np.ndarray, space: Space) -> None:
    _elu(z, space, SELU_ALPHA)
    z *= SELU_SCALE


def _gelu(z: np.ndarray, space: Space) -> None:
    """Φ(z) = erfc(-z / √2) / 2, which keeps its digits far below 0."""
    share = np.multiply(z, -math.sqrt(0.5), out=_scratch_like(z, space))
    erfc(share, out=share)
    z *= share
    z *= 0.5


def _silu(z: np.ndarray, space: Space) -> None:
    share = _scratch_like(z, space)
    _sigmoid_into(z, share)
    z *= share


def _mish(z: np.ndarray, space: Space) -> None:
    share = _scratch_like(z, space)
    _softplus_rest_into(z, share)
    share += np.maximum(z, 0)
    np.tanh(share, out=share)
    z *= share


def _softplus(z: np.ndarray, space: Space) -> None:
    rest = _scratch_like(z, space)
    _softplus_rest_into(z, rest)
    np.maximum(z, ZERO, out=z)
    z += rest


def _softmax(z: np.ndarray, space: Space) -> None:
    z -= np.maximum.reduce(z, axis=0)
    np.exp(z, out=z)
    z /= np.add.reduce(z, axis=0)


IN_PLACE: MappingProxyType[str, InPlace | None] = MappingProxyType(
    {
        "identity": None,
        "sigmoid": _sigmoid,
        "tanh": _tanh,
        "relu": _relu,
        "leaky_relu": _leaky_relu,
        "elu": _elu,
        "selu": _selu,
        "gelu": _gelu,
        "silu": _silu,
        "mish": _mish,
        "softplus": _softplus,
        "softmax": _softmax,
    }
)
"""Every activation function by name, as what it does to z of shape (features, rows)."""
