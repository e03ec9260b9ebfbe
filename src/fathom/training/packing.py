"""Packing: a network as records and one long row of parameters, for the loops, and back."""

import math
from dataclasses import dataclass
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from fathom.loops.activations import ACTIVATION_CODES
from fathom.loops.chain import Chain
from fathom.loops.records import (
    ACTIVATION,
    AS_IS,
    CODE,
    COLUMNS,
    CONVOLUTION,
    DENSE,
    DROPOUT,
    GAIN,
    LAYER,
    NORM,
    PERIODIC,
    PIECE,
    PIECEWISE,
    POOL,
    THERMOMETER,
)
from fathom.nn.blocks import ActivationLayer, DropoutLayer, FlattenLayer
from fathom.nn.convolution import Conv2DLayer, GlobalAveragePoolLayer, PoolLayer
from fathom.nn.dense import DenseLayer
from fathom.nn.embedding import ColumnsLayer, GainLayer
from fathom.nn.layer import AbstractLayer, Shape, partition
from fathom.nn.network import Network
from fathom.nn.normalization import BatchNormLayer
from fathom.training.optimizers import rate_factors

_FORMS = {
    "as_is": AS_IS, "piecewise": PIECEWISE, "thermometer": THERMOMETER, "periodic": PERIODIC,
}  # fmt: skip
_KINDS = {
    ColumnsLayer: COLUMNS, GainLayer: GAIN, DenseLayer: DENSE, DropoutLayer: DROPOUT,
    ActivationLayer: ACTIVATION, Conv2DLayer: CONVOLUTION, PoolLayer: POOL,
    GlobalAveragePoolLayer: POOL, BatchNormLayer: NORM,
}  # fmt: skip
_STATISTICS = 4  # rows of a normalization in the row of statistics, two of them running
_ROW_WISE = (ColumnsLayer, GainLayer, DenseLayer)  # layers that take rows, no pictures
_NORM_NAMES = {"scale": "scale", "shift": "offset"}
_NAMES = {"gain": "weight", "kernel": "weight"}  # of parameters, where a record has another


@dataclass(frozen=True)
class Packing:
    """How a network's parameters lie in one row.

    Attributes
    ----------
    chain : Chain
        Its layers, as records.
    pieces : numpy.ndarray
        Parameters that take steps of one size.
    statistics : numpy.ndarray or None
        What no optimizer touches, as it is at first, with room for a batch's own; None where
        `needs_pictures` does not hold.
    others : Network
        Everything of the network but its parameters.
    structure : jax.tree_util.PyTreeDef
        The tree of its parameters.
    shapes : tuple of tuple of int
        Their shapes.
    """

    chain: Chain
    pieces: np.ndarray
    statistics: np.ndarray | None
    others: Network
    structure: Any
    shapes: tuple[tuple[int, ...], ...]

    def unpack(self, row: np.ndarray, statistics: np.ndarray | None) -> Network:
        """Return the network with the parameters of a row, and these statistics."""
        leaves, place = [], 0
        for shape in self.shapes:
            size = int(np.prod(shape, dtype=np.int64))
            leaves.append(jnp.asarray(row[place : place + size].reshape(shape).copy()))
            place += size
        network: Network = eqx.combine(jax.tree.unflatten(self.structure, leaves), self.others)
        layers, begin = list(network.layers), 0
        for k, layer in enumerate(layers):
            if isinstance(layer, BatchNormLayer) and statistics is not None:
                n = len(layer.scale)
                mean, variance = statistics[begin : begin + 2 * n].reshape(2, n).copy()
                layers[k] = eqx.tree_at(
                    lambda norm: (norm.running_mean.value, norm.running_variance.value),
                    layer, (jnp.asarray(mean), jnp.asarray(variance)),
                )  # fmt: skip
                begin += _STATISTICS * n
        return Network(tuple(layers))


def needs_pictures(network: Network) -> bool:
    """Tell whether a layer is for pictures, or normalizes: loops that are compiled on their own."""
    return any(_KINDS.get(type(layer)) in (CONVOLUTION, POOL, NORM) for layer in network.layers)


def is_divisible(network: Network) -> bool:
    """Tell whether a batch may be divided among cores: no example looks at the others."""
    return not any(isinstance(layer, BatchNormLayer) for layer in network.layers)


def can_pack(network: Network, input_shape: Shape) -> bool:
    """Tell whether the loops know every layer, in the order they stand."""
    layers = [layer for layer in network.layers if not isinstance(layer, FlattenLayer)]
    kinds = [type(layer) for layer in layers]
    is_known = all(kind in _KINDS for kind in kinds) and ColumnsLayer not in kinds[1:]
    # Neurons that look at a picture pixel by pixel are left to XLA.
    is_flat = len(input_shape) == 1
    for layer in network.layers:
        is_flat = is_flat or isinstance(layer, (FlattenLayer, GlobalAveragePoolLayer))
        is_known = is_known and (is_flat or not isinstance(layer, _ROW_WISE))
    is_float32 = all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(partition(network)[0]))
    activations = [getattr(layer, "activation", "identity") for layer in layers[:-1]]
    return is_known and is_float32 and all(name in ACTIVATION_CODES for name in activations)


def pack_parameters(network: Network) -> np.ndarray:
    """Return all parameters in one row, float32."""
    leaves = [np.asarray(leaf).ravel() for leaf in jax.tree.leaves(partition(network)[0])]
    return np.concatenate(leaves) if leaves else np.zeros(0, np.float32)


def pack(network: Network, input_shape: Shape, *, is_by_role: bool) -> Packing:
    """Describe a network for the loops.

    Parameters
    ----------
    network : Network
        One that `can_pack`.
    input_shape : tuple of int
        Of one example: ``(features,)`` or ``(height, width, channels)``.
    is_by_role : bool
        Whether every parameter takes steps that suit its role, or steps of one size.
    """
    parameters, others = cast(tuple[Any, Any], partition(network))
    factors = rate_factors(parameters) if is_by_role else jax.tree.map(lambda _: 1.0, parameters)
    records: list[Any] = []
    pieces: list[tuple[int, int, float, float]] = []
    statistics: list[np.ndarray] = [np.zeros(0, np.float32)]
    shape, widest, places, begin = input_shape, math.prod(input_shape), 0, 0
    for layer, mine, rates in zip(network.layers, parameters.layers, factors.layers, strict=True):
        if isinstance(layer, FlattenLayer):  # a picture lies as one row of numbers already
            shape = (math.prod(shape),)
            continue
        record = np.zeros(1, LAYER)[0]
        end = _place_parameters(record, layer, mine, rates, begin, pieces)
        record["kind"], record["n_in"] = _KINDS[type(layer)], math.prod(shape)
        record["passes_back"], record["begin"], record["end"] = begin > 0, begin, end
        record["running"] = sum(map(len, statistics))
        shape = _describe(record, layer, shape)
        if isinstance(layer, BatchNormLayer):
            statistics.append(_as_statistics(layer))
        width = math.prod(shape)
        record["n_out"], record["a"], record["slope"] = width, places, places + width
        places, widest, begin = places + 2 * width, max(widest, width), end
        records.append(record)
    leaves = jax.tree.leaves(parameters)
    return Packing(
        _as_chain(network, np.array(records, LAYER), places, widest), np.array(pieces, PIECE),
        np.concatenate(statistics) if needs_pictures(network) else None,
        others, jax.tree.structure(parameters), tuple(leaf.shape for leaf in leaves),
    )  # fmt: skip


def _as_chain(network: Network, layers: np.ndarray, places: int, widest: int) -> Chain:
    first = network.layers[0]
    one_hot, embedded = (
        (first.one_hot, first.embedded) if isinstance(first, ColumnsLayer) else ((), ())
    )
    codes = np.array(list(one_hot), CODE), np.array(list(embedded), CODE)
    return Chain(layers, *codes, places, widest)


def _as_statistics(layer: BatchNormLayer) -> np.ndarray:
    running = np.asarray(layer.running_mean.value), np.asarray(layer.running_variance.value)
    own = np.zeros((_STATISTICS - 2) * len(layer.scale), np.float32)
    return np.concatenate([*running, own])


def _place_parameters(
    record: Any,
    layer: AbstractLayer,
    parameters: PyTree,
    rates: PyTree,
    begin: int,
    pieces: list[tuple[int, int, float, float]],
) -> int:
    """Note where each parameter of a layer lies; return where the next layer's begin."""
    record["bias"] = -1
    found = jax.tree_util.tree_leaves_with_path(parameters)
    for (path, leaf), rate in zip(found, jax.tree.leaves(rates), strict=True):
        name = path[-1].name
        if isinstance(layer, BatchNormLayer):
            name = _NORM_NAMES[name]
        record[_NAMES.get(name, name)] = begin
        pieces.append((begin, begin + leaf.size, float(rate), float(leaf.ndim > 1)))
        begin += leaf.size
    return begin


def _describe(record: Any, layer: AbstractLayer, shape: Shape) -> Shape:
    """Note what else the loops need to know of a layer; return the shape of what it gives."""
    if isinstance(layer, DenseLayer):
        record["activation"] = ACTIVATION_CODES.get(layer.activation, 0)
        return (int(layer.weight.shape[0]),)
    if isinstance(layer, ActivationLayer):
        record["activation"] = ACTIVATION_CODES[layer.activation]
    if isinstance(layer, DropoutLayer):
        record["keep"] = 1.0 - float(layer.rate.value)
    if isinstance(layer, BatchNormLayer):
        record["channels"] = len(layer.scale)
        record["momentum"], record["epsilon"] = layer.momentum, layer.epsilon
    if isinstance(layer, ColumnsLayer):
        return (_describe_columns(record, layer),)
    if isinstance(layer, (Conv2DLayer, PoolLayer, GlobalAveragePoolLayer)):
        return _describe_picture(record, layer, shape)
    return shape


def _describe_picture(
    record: Any, layer: Conv2DLayer | PoolLayer | GlobalAveragePoolLayer, shape: Shape
) -> Shape:
    """Note the sizes of pictures in and out; return the shape of what the layer gives."""
    sides = np.array(shape[:2])
    record["height"], record["width"], record["channels"] = shape
    channels = shape[2]
    if isinstance(layer, Conv2DLayer):
        kernel, channels = np.array(layer.kernel.shape[:2]), layer.kernel.shape[3]
        record["activation"] = ACTIVATION_CODES[layer.activation]
        record["stride"] = layer.stride
        room = sides if layer.padding == "same" else sides - kernel + 1
        out = -(-room // layer.stride)
        # Zeros around the picture, the odd one at its far side, as XLA has it.
        missing = np.maximum((out - 1) * layer.stride + kernel - sides, 0)
        record["top"], record["left"] = missing // 2
    else:
        size = layer.size if isinstance(layer, PoolLayer) else shape[:2]
        kernel = np.broadcast_to(size, 2)
        out = sides // kernel
        record["is_max"] = isinstance(layer, PoolLayer) and layer.is_max
    record["kernel_height"], record["kernel_width"] = kernel
    record["height_out"], record["width_out"] = out
    record["channels_out"] = channels
    if isinstance(layer, GlobalAveragePoolLayer):
        return (channels,)
    return (int(out[0]), int(out[1]), channels)


def _describe_columns(record: Any, layer: ColumnsLayer) -> int:
    """Note how columns are shown; return how many values there are of a row."""
    n = layer.n_numbers
    record["form"], record["n_numbers"] = _FORMS[layer.form], n
    record["n_plain"], record["parts"] = layer.n_plain, layer.bins
    values = n
    if layer.form == "thermometer":
        values = n * (layer.bins - 1)
    if layer.mix is not None:
        record["parts"], record["units"] = layer.mix.shape[1:]
        values = n * int(record["units"]) + (n if layer.form == "periodic" else 0)
    if layer.table is not None:
        record["category_units"] = layer.table.shape[1]
        values += len(layer.embedded) * layer.table.shape[1]
    return values + layer.n_plain + len(layer.one_hot)
