"""Networks of an estimator, ready to predict rows of numbers or pictures."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from fathom.data.encoding import NearStandardization, Standardization
from fathom.data.schema import ImageInput, Schema
from fathom.estimators.averaging import Chains, Mean
from fathom.nn.architecture import Architecture
from fathom.nn.forward import SPACE, Forward, activate_outputs
from fathom.nn.network import Network
from fathom.nn.single import SingleRow
from fathom.nn.xla import Array, jitted, jnp

COMPILED_ROWS = 256  # rows of one call; fewer are filled up, so that nothing is recompiled
FEW_ROWS = 16  # likewise of a call for the last rows; many such cost no more than a large one
COMPILED_VALUES = 2**26  # numbers a layer may make in one call; very large pictures come in fewer


@dataclass(frozen=True)
class RowsInOrder:
    """Numbers that are known to be what a network of numbers takes: no look at names is due.

    Attributes
    ----------
    values : numpy.ndarray
        Shape (rows, features), float64, finite, the columns in the order of training.
    """

    values: np.ndarray


@jitted()
def _combine(network: Network, x: Any) -> Array:
    return network.combine(x.astype(jnp.float32))


class Predictor:
    """Outputs of networks, averaged: by NumPy, and of those with convolutions by a compiled one.

    Parameters
    ----------
    networks : tuple of Network
        The networks.
    schema : Schema
        What goes in.
    architecture : Architecture
        What they have in common.
    encoding : Standardization
        How rows are brought to their liking.
    """

    def __init__(
        self,
        networks: tuple[Network, ...],
        schema: Schema,
        architecture: Architecture,
        encoding: Standardization,
    ) -> None:
        self.networks, self.encoding = networks, encoding
        self._schema, self._architecture = schema, architecture
        self._n_features, self._n_outputs = schema.input.n_features, architecture.n_outputs
        self._near = NearStandardization(encoding, self._n_features)
        self._plain: Mean | None = None
        if self._near.is_possible and schema.input.kind == "numbers":
            self._plain = Mean.of(networks, self._near.inverse)
        if self._plain is not None:
            self._single = SingleRow(self._plain.forwards, self._n_features + 1)
            self._chains = Chains(self._plain.forwards, self._near)

    @cached_property
    def _mean(self) -> Mean | None:
        """The networks for encoded rows; None where some have convolutions."""
        return Mean.of(self.networks, None)

    def try_plain(self, x: object) -> np.ndarray | None:
        """Return the outputs for an array of numbers that needs no further look, else None.

        That is one of float32 or float64, of as many columns as in training and a row at least,
        all finite.
        """
        mean = self._plain
        if mean is None or type(x) is not np.ndarray or x.dtype.char not in "fd":
            return None
        if x.ndim != 2 or x.shape[1] != self._n_features:
            return None
        n_rows = len(x)
        if n_rows == 1:
            single = self._single
            with np.errstate(all="ignore"):
                if self._near.center_one_into(x[0], single.room, single.whole):
                    return single.outputs()
        return self._plain_rows(mean, x) if n_rows else None

    def _plain_rows(self, mean: Mean, x: np.ndarray) -> np.ndarray | None:
        """Return the outputs for rows of float32 or float64, None where one is not finite."""
        outputs = np.empty((len(x), self._n_outputs))
        at_once = self._chains if mean.is_much(len(x)) and self._chains.can(x) else None

        def work(begin: int, end: int) -> bool:
            if at_once is not None and at_once.write(x[begin:end], outputs[begin:end]):
                return True
            room = SPACE.given(self._n_features + 1, end - begin)
            if not self._near.center_into(x[begin:end], room):
                return False
            mean.write(room, outputs[begin:end])
            return True

        return outputs if mean.over_rows(work, len(x)) else None

    def outputs(self, x: np.ndarray) -> np.ndarray:
        """Return the outputs for rows that have been checked, float64 of shape (rows, outputs)."""
        outputs = np.empty((len(x), self._n_outputs))
        mean = self._mean
        if mean is None:
            self._write_compiled(x, outputs)
            return outputs

        def work(begin: int, end: int) -> bool:
            encoded = self._encode(x[begin:end]).reshape(end - begin, self._n_features)
            mean.write(SPACE.hold(encoded), outputs[begin:end])
            return True

        mean.over_rows(work, len(x))
        return outputs

    def sums(self, x: np.ndarray) -> list[np.ndarray]:
        """Return each network's sums z for rows that have been checked, (rows, outputs)."""
        found = [Forward.of(network) for network in self.networks]
        forwards = [forward for forward in found if forward is not None]
        if len(forwards) == len(self.networks):
            rows = self._encode(x).reshape(len(x), self._n_features).astype(np.float32, copy=False)
            return [forward.combine(rows) for forward in forwards]
        sums = [np.empty((len(x), self._n_outputs), np.float32) for _ in self.networks]
        for begin, parts in self._compiled_sums(x):
            for whole, part in zip(sums, parts, strict=True):
                whole[begin : begin + len(part)] = part
        return sums

    def _encode(self, x: np.ndarray) -> np.ndarray:
        return encode_rows(self.encoding, x, self._schema, self._architecture)

    def _write_compiled(self, x: np.ndarray, out: np.ndarray) -> None:
        out[:] = average_outputs(self._compiled_sums(x), self._architecture, len(x))

    def _compiled_sums(self, x: np.ndarray) -> Iterator[tuple[int, list[np.ndarray]]]:
        """Yield, part by part, where it begins and each network's sums z."""
        encode = lambda begin, end: self._encode(x[begin:end])  # noqa: E731
        return sums_in_parts(self.networks, self._architecture, encode, len(x))


def sums_in_parts(
    networks: tuple[Network, ...],
    architecture: Architecture,
    encode: Callable[[int, int], np.ndarray],
    n: int,
) -> Iterator[tuple[int, list[np.ndarray]]]:
    """Yield, part by part, where it begins and each network's sums z, by a compiled network.

    Parameters
    ----------
    networks : tuple of Network
        The networks.
    architecture : Architecture
        What they have in common.
    encode : callable
        Returns the rows from one number to another, or as many as there are, as networks take them.
    n : int
        How many rows there are.
    """
    largest = max(math.prod(shape) for shape in architecture.shapes)
    for begin, size in calls(n, max(1, min(COMPILED_ROWS, COMPILED_VALUES // largest))):
        encoded = encode(begin, begin + size)
        found = len(encoded)
        padded = np.pad(encoded, [(0, size - found)] + [(0, 0)] * (encoded.ndim - 1))
        yield begin, [np.array(_combine(network, padded))[:found] for network in networks]


def calls(n: int, at_once: int) -> Iterator[tuple[int, int]]:
    """Yield where each call for n rows begins, and of how many rows it is: one of two sizes.

    Examples
    --------
    >>> list(calls(530, 256))
    [(0, 256), (256, 256), (512, 16), (528, 16)]
    """
    few = min(FEW_ROWS, at_once)
    full = n - n % at_once
    last = at_once if n - full > at_once // 4 else few
    yield from ((begin, at_once) for begin in range(0, full, at_once))
    yield from ((begin, last) for begin in range(full, n, last))


def average_outputs(
    parts: Iterator[tuple[int, list[np.ndarray]]], architecture: Architecture, n: int
) -> np.ndarray:
    """Return the mean of networks' outputs from their sums z, float64 of shape (n, outputs)."""
    outputs = np.empty((n, architecture.n_outputs))
    activation = architecture.output_activation
    for begin, sums in parts:
        each = [activate_outputs(z.T, activation).T for z in sums]
        outputs[begin : begin + len(each[0])] = np.mean(each, axis=0)
    return outputs


def is_ink(schema: Schema) -> bool:
    """Tell whether one example is a picture of ink and paper only."""
    return isinstance(schema.input, ImageInput) and schema.input.is_ink


def encode_rows(
    encoding: Standardization, x: np.ndarray, schema: Schema, architecture: Architecture
) -> np.ndarray:
    """Return rows as the network takes them; ink and levels stay one byte per pixel."""
    is_photo = isinstance(schema.input, ImageInput) and schema.input.is_photo
    is_exact = (is_ink(schema) or is_photo) and x.dtype.kind in "bu"
    encoded = x.astype(np.uint8) if is_exact else encoding.encode(x)
    return encoded.reshape(len(x), *architecture.input_shape)
