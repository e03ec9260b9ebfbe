"""Sites: where in a network neurons can be left out, and what the next layer sees of them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from fathom.nn.architecture import Architecture
from fathom.nn.blocks import ActivationLayer, DropoutLayer, FlattenLayer, ResidualLayer
from fathom.nn.convolution import Conv2DLayer, GlobalAveragePoolLayer, PoolLayer
from fathom.nn.dense import DenseLayer
from fathom.nn.embedding import GainLayer
from fathom.nn.layer import AbstractLayer
from fathom.nn.network import Network
from fathom.nn.normalization import BatchNormLayer
from fathom.nn.xla import Array, jax, jitted

Check: TypeAlias = Callable[[], None]
"""Called now and then within long work; what it raises ends the work."""

Place: TypeAlias = tuple[int, ...]
"""Where a layer stands: its position, or that of its residual block and its position in it."""

ROWS_AT_ONCE = 256
MOST_PATCHES = 16_384  # of a convolution's input that are looked at
BY_CHANNEL = (BatchNormLayer, ActivationLayer, DropoutLayer, PoolLayer, GainLayer)
BEHIND_FLATTEN = (ActivationLayer, DropoutLayer)


@dataclass(frozen=True)
class Described:
    """A network and its description.

    Attributes
    ----------
    architecture : Architecture
        The description.
    network : Network
        The network.
    """

    architecture: Architecture
    network: Network


@dataclass(frozen=True)
class Site:
    """Neurons that can be left out: those of one layer, seen by one other.

    Attributes
    ----------
    producer, consumer : tuple of int
        Where the layer stands whose neurons they are, and the one that sums over them.
    """

    producer: Place
    consumer: Place


def find_sites(network: Network) -> tuple[Site, ...]:
    """Return where neurons can be left out, from the input to the output.

    A dense layer or a convolution is one where nothing but functions of single neurons or channels
    stand between it and the next such layer. Neurons that a shortcut adds to others, or that are
    normalized together with others, are not.
    """
    return tuple(_sites_in(network.layers, ()))


def _sites_in(layers: Sequence[AbstractLayer], prefix: Place) -> Iterator[Site]:
    for place, layer in enumerate(layers):
        if isinstance(layer, ResidualLayer):
            yield from _sites_in(layer.layers, (*prefix, place))
        if isinstance(layer, DenseLayer | Conv2DLayer):
            consumer = _consumer_of(layers, place)
            if consumer is not None:
                yield Site((*prefix, place), (*prefix, consumer))


def _consumer_of(layers: Sequence[AbstractLayer], producer: int) -> int | None:
    is_flat = False
    for place in range(producer + 1, len(layers)):
        layer = layers[place]
        if isinstance(layer, DenseLayer | Conv2DLayer):
            return place
        if isinstance(layer, FlattenLayer | GlobalAveragePoolLayer):
            is_flat = is_flat or isinstance(layer, FlattenLayer)
        elif not isinstance(layer, BEHIND_FLATTEN if is_flat else BY_CHANNEL):
            return None
    return None


def layer_at(network: Network, place: Place) -> AbstractLayer:
    """Return the layer that stands somewhere."""
    layer = network.layers[place[0]]
    if len(place) == 1:
        return layer
    assert isinstance(layer, ResidualLayer)
    return layer.layers[place[1]]


def count_neurons(layer: AbstractLayer) -> int:
    """Return how many neurons a dense layer has, or channels a convolution."""
    if isinstance(layer, Conv2DLayer):
        return int(layer.kernel.shape[3])
    assert isinstance(layer, DenseLayer)
    return int(layer.weight.shape[0])


def nothing() -> None:
    """Let work go on."""


def inputs_of(
    network: Network, places: Sequence[Place], x: np.ndarray, check: Check = nothing
) -> dict[Place, np.ndarray]:
    """Return what comes into some layers for a batch, float32, by their place.

    Parameters
    ----------
    network : Network
        The network.
    places : sequence of tuple of int
        Where the layers stand.
    x : numpy.ndarray
        Examples as the network takes them.
    check : callable
        Called for every batch; see `Check`.
    """
    parts: dict[Place, list[np.ndarray]] = {place: [] for place in places}
    last = max((place[0] for place in places), default=-1)
    for begin in range(0, len(x), ROWS_AT_ONCE):
        check()
        h = jax.device_put(np.asarray(x[begin : begin + ROWS_AT_ONCE], np.float32))
        for number, layer in enumerate(network.layers[: last + 1]):
            if (number,) in parts:
                parts[(number,)].append(np.asarray(h))
            if isinstance(layer, ResidualLayer):
                inner = h
                for position, one in enumerate(layer.layers):
                    if (number, position) in parts:
                        parts[(number, position)].append(np.asarray(inner))
                    inner = _through(one, inner)
            h = _through(layer, h)
    return {place: np.concatenate(found) for place, found in parts.items()}


@jitted()
def _through(layer: AbstractLayer, h: Array) -> Array:
    return layer(h)


def features_of(layer: AbstractLayer, h: np.ndarray, n_channels: int) -> np.ndarray:
    """Return what a layer sums over, by the channel it comes from.

    Parameters
    ----------
    layer : DenseLayer or Conv2DLayer
        The layer.
    h : numpy.ndarray
        What comes into it.
    n_channels : int
        Neurons or channels it comes from.

    Returns
    -------
    numpy.ndarray
        Shape (rows, channels, numbers of each): one number of a neuron, several of a channel; of a
        convolution a row for each of its places, at most some thousand of them, evenly spread.
    """
    if isinstance(layer, DenseLayer):
        return h.reshape(len(h), -1, n_channels).transpose(0, 2, 1)
    assert isinstance(layer, Conv2DLayer)
    height, width = layer.kernel.shape[:2]
    padded = np.pad(h, [(0, 0), _padding(layer, h, 1), _padding(layer, h, 2), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(1, 2))
    windows = windows[:, :: layer.stride, :: layer.stride]
    n = int(np.prod(windows.shape[:3]))
    chosen = np.unique(np.linspace(0, n - 1, min(n, MOST_PATCHES)).astype(int))
    rows, lines, columns = np.unravel_index(chosen, windows.shape[:3])
    return windows[rows, lines, columns].reshape(len(chosen), n_channels, -1)


def _padding(layer: Conv2DLayer, h: np.ndarray, axis: int) -> tuple[int, int]:
    """Return the zeros before and behind a side, as the convolution itself has them."""
    if layer.padding != "same":
        return 0, 0
    side, size = h.shape[axis], layer.kernel.shape[axis - 1]
    missing = max((-(-side // layer.stride) - 1) * layer.stride + size - side, 0)
    return missing // 2, missing - missing // 2


def weight_of(layer: AbstractLayer, n_channels: int) -> np.ndarray:
    """Return a layer's weights, float64 of shape (out, channels, numbers of each)."""
    if isinstance(layer, DenseLayer):
        weight = np.asarray(layer.weight, np.float64)
        return weight.reshape(len(weight), -1, n_channels).transpose(0, 2, 1)
    assert isinstance(layer, Conv2DLayer)
    kernel = np.asarray(layer.kernel, np.float64)
    return kernel.transpose(3, 2, 0, 1).reshape(kernel.shape[3], n_channels, -1)


def shape_weight(layer: AbstractLayer, weight: np.ndarray) -> np.ndarray:
    """Return weights of shape (out, channels, numbers of each) as the layer keeps them."""
    n_out, n_channels, _ = weight.shape
    if isinstance(layer, DenseLayer):
        return weight.transpose(0, 2, 1).reshape(n_out, -1).astype(np.float32)
    assert isinstance(layer, Conv2DLayer)
    sides = layer.kernel.shape[:2]
    return weight.reshape(n_out, n_channels, *sides).transpose(2, 3, 1, 0).astype(np.float32)
