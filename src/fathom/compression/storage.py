"""Storage: weights in fewer bits, and what a network computes with once they are read back.

Weights between neurons are kept as whole numbers of 8 bits with a scale for each output, or as
floats of 16 bits; biases, gains and statistics stay floats of 32 bits, being few. What is read back
is float32 again, and so is the arithmetic: fewer bits make a file smaller, not a prediction faster.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from fathom.compression.sites import Place, inputs_of
from fathom.nn.blocks import ResidualLayer
from fathom.nn.convolution import Conv2DLayer
from fathom.nn.dense import DenseLayer
from fathom.nn.network import Network
from fathom.nn.tree import leaves, named_leaves, rebuild

Storage: TypeAlias = Literal["float32", "float16", "int8"]

MOST = 127  # of a whole number; -128 is left out, so that both signs reach as far
SCALE_BITS = 17  # of a scale, so that 127 times it is exact in float32
CLIPS = np.linspace(0.7, 1.0, 13)  # shares of the largest weight that a scale may end at
OUTPUT_AXIS = {"weight": 0, "projection": 0, "mix": 0, "kernel": 3, "table": 1}
LARGEST_FLOAT16 = 65504.0


class Stored(NamedTuple):
    """A network as few flat arrays.

    Attributes
    ----------
    values : numpy.ndarray
        The weights between neurons, layer after layer, int8 or float16.
    scales : numpy.ndarray
        For int8 what each output's numbers are multiplied by, layer after layer, float32.
    rest : numpy.ndarray
        Everything else, float32.
    """

    values: np.ndarray
    scales: np.ndarray
    rest: np.ndarray


class _Leaf(NamedTuple):
    name: str
    shape: tuple[int, ...]
    axis: int | None  # of its outputs, where it holds weights between neurons

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


def _leaves(network: Network) -> list[_Leaf]:
    found = []
    for name, leaf in named_leaves(network):
        axis = OUTPUT_AXIS.get(name.rpartition(".")[2])
        found.append(_Leaf(name, leaf.shape, axis if len(leaf.shape) > 1 else None))
    return found


def stored_sizes(outline: Network, storage: Storage) -> Stored:
    """Return empty arrays of the sizes and types that a network of some shapes is stored in.

    Parameters
    ----------
    outline : Network
        The network, or one of shapes without values.
    storage : {"float16", "int8"}
        How its weights are kept.
    """
    leaves = _leaves(outline)
    narrow = sum(leaf.size for leaf in leaves if leaf.axis is not None)
    rest = sum(leaf.size for leaf in leaves if leaf.axis is None)
    scales = sum(leaf.shape[leaf.axis] for leaf in leaves if leaf.axis is not None)
    is_int8 = storage == "int8"
    return Stored(
        np.broadcast_to(np.int8(0) if is_int8 else np.float16(0), narrow),
        np.broadcast_to(np.float32(0), scales * is_int8),
        np.broadcast_to(np.float32(0), rest),
    )


def store(network: Network, storage: Storage) -> Stored:
    """Return a network as it is stored; weights from `narrow` come back exactly."""
    values, scales, rest = [], [], []
    for leaf, array in zip(_leaves(network), leaves(network), strict=True):
        plain = np.asarray(array, np.float32)
        if leaf.axis is None:
            rest.append(plain.ravel())
        elif storage == "int8":
            whole, scale = quantize(plain, leaf.axis)
            values.append(whole.ravel())
            scales.append(scale)
        else:
            values.append(plain.astype(np.float16).ravel())
    kind = np.int8 if storage == "int8" else np.float16
    return Stored(
        np.concatenate([*values, np.zeros(0, kind)]),
        np.concatenate([*scales, np.zeros(0, np.float32)]),
        np.concatenate([*rest, np.zeros(0, np.float32)]),
    )


def unstore(outline: Network, stored: Stored) -> Network:
    """Return the network that was stored, float32 throughout.

    Parameters
    ----------
    outline : Network
        Its shapes.
    stored : Stored
        Arrays of the sizes that `stored_sizes` gives.
    """
    at, at_scale, at_rest = 0, 0, 0
    arrays = []
    for leaf in _leaves(outline):
        if leaf.axis is None:
            array = stored.rest[at_rest : at_rest + leaf.size].reshape(leaf.shape)
            at_rest += leaf.size
        else:
            array = stored.values[at : at + leaf.size].reshape(leaf.shape).astype(np.float32)
            at += leaf.size
        if leaf.axis is not None and len(stored.scales):
            n = leaf.shape[leaf.axis]
            array = array * _along(stored.scales[at_scale : at_scale + n], leaf.axis, array.ndim)
            at_scale += n
        arrays.append(array)
    found: Network = rebuild(outline, iter(arrays))
    return found


def narrow(
    network: Network, storage: Storage, squares: Mapping[str, np.ndarray] | None = None
) -> Network:
    """Return a network with the weights it will have once it was stored.

    Parameters
    ----------
    network : Network
        The network.
    storage : {"float32", "float16", "int8"}
        How its weights are kept; for float32 nothing changes.
    squares : mapping of str to numpy.ndarray, optional
        From `input_squares`: scales are then chosen so that the next layer's sums suffer least on
        the batch they come from; without them the largest weight of each output decides.
    """
    if storage == "float32":
        return network
    squares = squares or {}
    arrays = []
    for leaf, array in zip(_leaves(network), leaves(network), strict=True):
        plain = np.asarray(array, np.float32)
        if leaf.axis is not None and storage == "int8":
            whole, scale = quantize(plain, leaf.axis, squares.get(leaf.name))
            plain = whole * _along(scale, leaf.axis, plain.ndim)
        elif leaf.axis is not None:
            plain = plain.astype(np.float16).astype(np.float32)
        arrays.append(plain)
    found: Network = rebuild(network, iter(arrays))
    return found


def can_store(network: Network, storage: Storage) -> bool:
    """Tell whether every weight is within what is stored: float16 ends at 65,504."""
    if storage != "float16":
        return True
    pairs = zip(_leaves(network), leaves(network), strict=True)
    return all(
        float(np.abs(np.asarray(array)).max(initial=0)) <= LARGEST_FLOAT16
        for leaf, array in pairs if leaf.axis is not None
    )  # fmt: skip


def quantize(
    weight: np.ndarray, axis: int, squares: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return weights as whole numbers from -127 to 127, and a scale for each output.

    w ≈ s q with q = round(w / s), s = max |w| / 127 of the output: no weight is further than s / 2
    from what it was. With a batch's mean squares m of the inputs, of scales down to 0.7 of that
    the one of the least Σ_i m_i (w_i − s q_i)² is taken; larger weights are cut to 127 s.

    Parameters
    ----------
    weight : numpy.ndarray
        The weights, float32.
    axis : int
        The axis of the outputs.
    squares : numpy.ndarray, optional
        Mean square of the input behind each weight, of a shape that broadcasts to the weights'.

    Returns
    -------
    tuple of numpy.ndarray
        int8 of the weights' shape, and float32 of shape (outputs,). A scale is 1 where all weights
        are 0, and has 17 bits, so that every s q is exact in float32 and quantizes to itself.

    Examples
    --------
    >>> whole, scale = quantize(np.array([[1.0, -0.5], [0.0, 0.0]], np.float32), 0)
    >>> whole.tolist(), scale.tolist()
    ([[127, -63], [0, 0]], [0.007874131202697754, 1.0])
    """
    rows = np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1).astype(np.float64)
    largest = np.abs(rows).max(axis=1, initial=0)
    best = _rounded_up(largest / MOST)
    if squares is not None:
        shaped = np.broadcast_to(squares, weight.shape)
        mass = np.moveaxis(shaped, axis, 0).reshape(len(rows), -1)
        errors = np.full(len(rows), np.inf)
        for clip in CLIPS[::-1]:  # the widest first, which stays where others are no better
            scale = _rounded_up(clip * largest / MOST)
            whole = np.clip(np.rint(rows / scale[:, None]), -MOST, MOST)
            error = np.sum(mass * (rows - whole * scale[:, None]) ** 2, axis=1)
            is_better = error < errors
            best, errors = np.where(is_better, scale, best), np.where(is_better, error, errors)
    whole = np.clip(np.rint(rows / best[:, None]), -MOST, MOST).astype(np.int8)
    moved = (weight.shape[axis], *(n for at, n in enumerate(weight.shape) if at != axis))
    return np.moveaxis(whole.reshape(moved), 0, axis), best.astype(np.float32)


def _rounded_up(scale: np.ndarray) -> np.ndarray:
    """Return scales with 17 bits, not below the given ones; 1 for 0 and what is next to it."""
    mantissa, exponent = np.frexp(scale)
    rounded = np.ldexp(np.ceil(mantissa * 2**SCALE_BITS) / 2**SCALE_BITS, exponent)
    return np.where(scale < np.finfo(np.float32).tiny, 1.0, rounded)


def is_canonical(stored: Stored, outline: Network) -> bool:
    """Tell whether whole numbers and scales are what `store` makes of the network they give."""
    again = store(unstore(outline, stored), "int8")
    return np.array_equal(again.values, stored.values) and np.array_equal(
        again.scales, stored.scales
    )  # fmt: skip


def _along(values: np.ndarray, axis: int, ndim: int) -> np.ndarray:
    return values.reshape([-1 if at == axis else 1 for at in range(ndim)])


def input_squares(network: Network, x: np.ndarray) -> dict[str, np.ndarray]:
    """Return the mean square of what comes into each dense layer and convolution, by weight.

    Parameters
    ----------
    network : Network
        The network.
    x : numpy.ndarray
        A batch of examples as the network takes them.

    Returns
    -------
    dict of str to numpy.ndarray
        For the name of each weight, an array that broadcasts to it.
    """
    names: dict[Place, str] = {}
    for number, layer in enumerate(network.layers):
        if isinstance(layer, DenseLayer | Conv2DLayer):
            names[(number,)] = f"layers.{number}.{_weight_name(layer)}"
        elif isinstance(layer, ResidualLayer):
            for position, inner in enumerate(layer.layers):
                if isinstance(inner, DenseLayer | Conv2DLayer):
                    place = f"layers.{number}.layers.{position}"
                    names[(number, position)] = f"{place}.{_weight_name(inner)}"
    found = {}
    for at, h in inputs_of(network, list(names), x).items():
        mean = np.mean(h.astype(np.float64) ** 2, axis=tuple(range(h.ndim - 1)))
        is_kernel = names[at].endswith("kernel")
        found[names[at]] = mean[None, None, :, None] if is_kernel else mean[None, :]
    return found


def _weight_name(layer: DenseLayer | Conv2DLayer) -> str:
    return "weight" if isinstance(layer, DenseLayer) else "kernel"
