"""Packing: a network as records and one long row of parameters, for the loops, and back."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from fathom.loops.activations import ACTIVATION_CODES
from fathom.loops.chain import Chain
from fathom.loops.halves import FEWEST
from fathom.loops.matrix_unit import may_use_unit
from fathom.loops.records import (
    ACTIVATION,
    AS_IS,
    CODE,
    COLUMNS,
    CONVOLUTION,
    DENSE,
    GAIN,
    JOIN,
    LAYER,
    NORM,
    PERIODIC,
    PIECE,
    PIECEWISE,
    POOL,
    THERMOMETER,
)
from fathom.nn.blocks import ActivationLayer, DropoutLayer, FlattenLayer, ResidualLayer
from fathom.nn.combination import CombinationLayer
from fathom.nn.convolution import Conv2DLayer, GlobalAveragePoolLayer, PoolLayer
from fathom.nn.dense import DenseLayer
from fathom.nn.embedding import ColumnsLayer, GainLayer
from fathom.nn.keys import hollow
from fathom.nn.layer import AbstractLayer, Shape, Statistic, partition
from fathom.nn.network import Network
from fathom.nn.normalization import BatchNormLayer
from fathom.nn.tree import changed, is_on_host, join, leaves, named_leaves, on_device, transform
from fathom.nn.vectors import count_numbers, from_vector
from fathom.nn.xla import PyTree
from fathom.training.optimizers import rate_factors

_FORMS = {
    "as_is": AS_IS, "piecewise": PIECEWISE, "thermometer": THERMOMETER, "periodic": PERIODIC,
}  # fmt: skip
_KINDS = {
    ColumnsLayer: COLUMNS, GainLayer: GAIN, DenseLayer: DENSE, DropoutLayer: ACTIVATION,
    ActivationLayer: ACTIVATION, Conv2DLayer: CONVOLUTION, PoolLayer: POOL,
    GlobalAveragePoolLayer: POOL, BatchNormLayer: NORM, ResidualLayer: JOIN,
    CombinationLayer: DENSE,
}  # fmt: skip
_STATISTICS = 4  # rows of a normalization in the row of statistics, two of them running
_NOT_INSIDE = (ResidualLayer, FlattenLayer, GlobalAveragePoolLayer, ColumnsLayer)  # of a block
_ROW_WISE = (ColumnsLayer, GainLayer, DenseLayer, CombinationLayer)  # that take rows, no pictures
_DROPPED_AT_ONCE = (DenseLayer, ActivationLayer)  # whose activations are, where they lie
_NORM_NAMES = {"scale": "scale", "shift": "offset"}
_NAMES = {
    "gain": "weight",
    "kernel": "weight",
    "projection": "weight",
}  # of parameters, where a record has another


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
    outline : Network
        Its parameters alone, as shapes.
    is_on_host : bool
        Whether its arrays are NumPy's.
    """

    chain: Chain
    pieces: np.ndarray
    statistics: np.ndarray | None
    others: Network
    outline: Network
    is_on_host: bool

    @cached_property
    def kinds(self) -> frozenset[int]:
        """The kinds of layers there are."""
        return frozenset(self.chain.layers["kind"].tolist())

    @cached_property
    def n_parameters(self) -> int:
        """How many parameters steps change."""
        return int(self.chain.layers[-1]["end"])

    @cached_property
    def n_outputs(self) -> int:
        """Neurons of the output layer."""
        return int(self.chain.layers[-1]["n_out"])

    @cached_property
    def drops(self) -> bool:
        """Whether there is dropout."""
        return bool((self.chain.layers["keep"] < 1).any())

    def unpack(self, row: np.ndarray, statistics: np.ndarray | None) -> Network:
        """Return the network with the parameters of a row, and these statistics."""
        n = count_numbers(self.outline)
        network: Network = join(from_vector(self.outline, row[:n].copy()), self.others)
        if statistics is not None:
            sizes = [_STATISTICS * n for n in _norm_sizes(network.layers)]
            rows = iter(np.split(statistics, np.cumsum(sizes)))
            network = Network(_with_statistics(network.layers, rows))
        return network if self.is_on_host else on_device(network)


def _flat(layers: tuple[AbstractLayer, ...]) -> Iterator[AbstractLayer]:
    """Yield the layers in the order they compute, those of a block before the block itself."""
    for layer in layers:
        if isinstance(layer, ResidualLayer):
            yield from _flat(layer.layers)
        yield layer


def _norm_sizes(layers: tuple[AbstractLayer, ...]) -> list[int]:
    return [len(layer.scale) for layer in _flat(layers) if isinstance(layer, BatchNormLayer)]


def _with_statistics(
    layers: tuple[AbstractLayer, ...], rows: Iterator[np.ndarray]
) -> tuple[AbstractLayer, ...]:
    """Return the layers with the running statistics of the rows, one after another."""
    after: list[AbstractLayer] = []
    for layer in layers:
        if isinstance(layer, BatchNormLayer):
            mean: Any
            variance: Any
            mean, variance = next(rows)[: 2 * len(layer.scale)].reshape(2, -1).copy()
            layer = changed(
                layer, running_mean=Statistic(mean), running_variance=Statistic(variance)
            )
        elif isinstance(layer, ResidualLayer):
            inner = _with_statistics(layer.layers, rows)
            layer = changed(layer, layers=inner)
        after.append(layer)
    return tuple(after)


def needs_pictures(network: Network) -> bool:
    """Tell whether a layer is for pictures, normalizes, or has a shortcut beside it.

    Those loops are compiled on their own.
    """
    kinds = {_KINDS.get(type(layer)) for layer in network.layers}
    return not kinds.isdisjoint((CONVOLUTION, POOL, NORM, JOIN))


def can_pack(network: Network, input_shape: Shape) -> bool:
    """Tell whether the loops know every layer, in the order they stand."""
    layers = [layer for layer in _flat(network.layers) if not isinstance(layer, FlattenLayer)]
    kinds = [type(layer) for layer in layers]
    is_known = all(kind in _KINDS for kind in kinds) and ColumnsLayer not in kinds[1:]
    # Neurons that look at a picture pixel by pixel, and blocks within blocks, are left to XLA.
    is_flat = len(input_shape) == 1
    for layer in network.layers:
        is_flat = is_flat or isinstance(layer, (FlattenLayer, GlobalAveragePoolLayer))
        inner = layer.layers if isinstance(layer, ResidualLayer) else ()
        is_known = is_known and not any(isinstance(one, _NOT_INSIDE) for one in inner)
        is_rows = any(isinstance(one, _ROW_WISE) for one in (layer, *inner))
        is_known = is_known and (is_flat or not is_rows)
    is_float32 = all(leaf.dtype == np.float32 for leaf in leaves(partition(network)[0]))
    activations = [getattr(layer, "activation", "identity") for layer in layers[:-1]]
    return is_known and is_float32 and all(name in ACTIVATION_CODES for name in activations)


def pack_parameters(network: Network) -> np.ndarray:
    """Return all parameters in one row, float32; what is fixed for good lies at its end."""
    found = [np.asarray(leaf).ravel() for leaf in leaves(partition(network)[0])]
    if isinstance(network.output, CombinationLayer):
        found.append(network.output.weight.ravel())
    return np.concatenate(found) if found else np.zeros(0, np.float32)


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
    parameters, others = partition(network)
    factors = rate_factors(parameters) if is_by_role else transform(lambda _: 1.0, parameters)
    packer = _Packer(input_shape)
    packer.add_all(network.layers, parameters.layers, factors.layers)
    _spare_inputs(packer.records)
    return Packing(
        _as_chain(network, packer), np.array(packer.pieces, PIECE),
        np.concatenate(packer.statistics) if needs_pictures(network) else None,
        others, transform(lambda leaf: hollow(leaf.shape), parameters), is_on_host(network),
    )  # fmt: skip


class _Packer:
    """Lays layers out one after another."""

    def __init__(self, input_shape: Shape) -> None:
        self.shape, self.widest = input_shape, math.prod(input_shape)
        self.records: list[Any] = []
        self.pieces: list[tuple[int, int, float, float]] = []
        self.statistics: list[np.ndarray] = [np.zeros(0, np.float32)]
        self.places = self.begin = 0

    def add_all(self, layers: Any, parameters: Any, rates: Any) -> None:
        """Lay out layers; those of a block, then the block's join."""
        before: AbstractLayer | None = None
        for layer, mine, factor in zip(layers, parameters, rates, strict=True):
            if isinstance(layer, FlattenLayer):  # a picture lies as one row of numbers already
                self.shape = (math.prod(self.shape),)
            elif isinstance(layer, DropoutLayer) and isinstance(before, _DROPPED_AT_ONCE):
                self.records[-1]["keep"] = 1.0 - float(layer.rate.value)
            elif isinstance(layer, ResidualLayer):
                first, shape = len(self.records), self.shape
                source = self.records[-1]["a"] if self.records else -1
                self.add_all(layer.layers, mine.layers, factor.layers)
                # What is left of a block without its layers is the projection.
                alone = [changed(part, layers=()) for part in (mine, factor)]
                record = self._add(layer, *alone)
                record["source"], record["n_source"] = source, math.prod(shape)
                record["channels"], record["channels_out"] = shape[-1], self.shape[-1]
                self.records[first]["join"] = len(self.records) - 1
            else:
                self._add(layer, mine, factor)
            before = layer

    def _add(self, layer: AbstractLayer, parameters: PyTree, rates: PyTree) -> Any:
        record = np.zeros(1, LAYER)[0]
        record["keep"] = 1.0
        end = _place_parameters(record, layer, parameters, rates, self.begin, self.pieces)
        record["kind"], record["n_in"] = _KINDS[type(layer)], math.prod(self.shape)
        record["passes_back"], record["begin"], record["end"] = self.begin > 0, self.begin, end
        record["running"] = sum(map(len, self.statistics))
        self.shape = _describe(record, layer, self.shape)
        if isinstance(layer, CombinationLayer):
            # Its matrix has a gradient like that of any dense layer, but no step is taken by it.
            record["weight"], record["end"] = end, end + layer.weight.size
        if isinstance(layer, BatchNormLayer):
            self.statistics.append(_as_statistics(layer))
        width = math.prod(self.shape)
        record["n_out"], record["a"], record["slope"] = width, self.places, self.places + width
        # Columns keep the parts that they mix where other layers keep slopes.
        n_parts = record["n_numbers"] * record["parts"] if record["units"] else 0
        self.places, self.begin = self.places + width + max(width, int(n_parts)), end
        self.widest = max(self.widest, width)
        self.records.append(record)
        return self.records[-1]


def _spare_inputs(records: list[Any]) -> None:
    """Have a convolution right behind a normalization of the inputs find the gradient of both."""
    if len(records) > 1 and (records[0]["kind"], records[1]["kind"]) == (NORM, CONVOLUTION):
        is_plain = records[0]["keep"] == 1 and not records[0]["join"] and not records[1]["join"]
        records[1]["for_norm"] = is_plain


def _as_chain(network: Network, packer: _Packer) -> Chain:
    first = network.layers[0]
    one_hot, embedded = (
        (first.one_hot, first.embedded) if isinstance(first, ColumnsLayer) else ((), ())
    )
    codes = np.array(list(one_hot), CODE), np.array(list(embedded), CODE)
    return Chain(np.array(packer.records, LAYER), *codes, packer.places, packer.widest)


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
    record["weight"] = -1 if isinstance(layer, ResidualLayer) else 0
    for (name, leaf), rate in zip(named_leaves(parameters), leaves(rates), strict=True):
        if isinstance(layer, BatchNormLayer):
            name = _NORM_NAMES[name]
        record[_NAMES.get(name, name)] = begin
        pieces.append((begin, begin + leaf.size, float(rate), float(leaf.ndim > 1)))
        begin += leaf.size
    return begin


def _describe(record: Any, layer: AbstractLayer, shape: Shape) -> Shape:
    """Note what else the loops need to know of a layer; return the shape of what it gives."""
    if isinstance(layer, (DenseLayer, CombinationLayer)):
        record["activation"] = ACTIVATION_CODES.get(layer.activation, 0)
        record["splits"] = min(layer.weight.shape) >= FEWEST and may_use_unit()
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
        fewest = min(kernel[1] * shape[2], channels)  # numbers of a patch side by side
        record["splits"] = fewest >= FEWEST and may_use_unit()
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
