"""Packing: a network as records and one long row of parameters, for the loops, and back."""

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
    DENSE,
    DROPOUT,
    GAIN,
    LAYER,
    PERIODIC,
    PIECE,
    PIECEWISE,
    THERMOMETER,
)
from fathom.nn.blocks import ActivationLayer, DropoutLayer
from fathom.nn.dense import DenseLayer
from fathom.nn.embedding import ColumnsLayer, GainLayer
from fathom.nn.layer import AbstractLayer, partition
from fathom.nn.network import Network
from fathom.training.optimizers import rate_factors

_FORMS = {
    "as_is": AS_IS, "piecewise": PIECEWISE, "thermometer": THERMOMETER, "periodic": PERIODIC,
}  # fmt: skip
_KINDS = {
    ColumnsLayer: COLUMNS, GainLayer: GAIN, DenseLayer: DENSE, DropoutLayer: DROPOUT,
    ActivationLayer: ACTIVATION,
}  # fmt: skip


@dataclass(frozen=True)
class Packing:
    """How a network's parameters lie in one row.

    Attributes
    ----------
    chain : Chain
        Its layers, as records.
    pieces : numpy.ndarray
        Parameters that take steps of one size.
    others : Network
        Everything of the network but its parameters.
    structure : jax.tree_util.PyTreeDef
        The tree of its parameters.
    shapes : tuple of tuple of int
        Their shapes.
    """

    chain: Chain
    pieces: np.ndarray
    others: Network
    structure: Any
    shapes: tuple[tuple[int, ...], ...]

    def unpack(self, row: np.ndarray) -> Network:
        """Return the network with the parameters of a row."""
        leaves, place = [], 0
        for shape in self.shapes:
            size = int(np.prod(shape, dtype=np.int64))
            leaves.append(jnp.asarray(row[place : place + size].reshape(shape).copy()))
            place += size
        network: Network = eqx.combine(jax.tree.unflatten(self.structure, leaves), self.others)
        return network


def can_pack(network: Network) -> bool:
    """Tell whether the loops know every layer: columns first, gains, dense layers, dropout."""
    kinds = [type(layer) for layer in network.layers]
    is_known = all(kind in _KINDS for kind in kinds) and ColumnsLayer not in kinds[1:]
    is_float32 = all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(partition(network)[0]))
    activations = [getattr(layer, "activation", "identity") for layer in network.layers[:-1]]
    return is_known and is_float32 and all(name in ACTIVATION_CODES for name in activations)


def pack_parameters(network: Network) -> np.ndarray:
    """Return all parameters in one row, float32."""
    leaves = [np.asarray(leaf).ravel() for leaf in jax.tree.leaves(partition(network)[0])]
    return np.concatenate(leaves) if leaves else np.zeros(0, np.float32)


def pack(network: Network, *, is_by_role: bool) -> Packing:
    """Describe a network for the loops.

    Parameters
    ----------
    network : Network
        One that `can_pack`.
    is_by_role : bool
        Whether every parameter takes steps that suit its role, or steps of one size.
    """
    parameters, others = cast(tuple[Any, Any], partition(network))
    factors = rate_factors(parameters) if is_by_role else jax.tree.map(lambda _: 1.0, parameters)
    layers = np.zeros(len(network.layers), LAYER)
    pieces: list[tuple[int, int, float, float]] = []
    width = widest = _n_inputs(network)
    places = begin = 0
    for record, layer, mine, rates in zip(
        layers, network.layers, parameters.layers, factors.layers, strict=True
    ):
        end = _place_parameters(record, mine, rates, begin, pieces)
        record["kind"], record["n_in"] = _KINDS[type(layer)], width
        record["passes_back"], record["begin"], record["end"] = begin > 0, begin, end
        width = _describe(record, layer)
        record["n_out"], record["a"], record["slope"] = width, places, places + width
        places, widest, begin = places + 2 * width, max(widest, width), end
    first = network.layers[0]
    one_hot, embedded = (
        (first.one_hot, first.embedded) if isinstance(first, ColumnsLayer) else ((), ())
    )
    chain = Chain(
        layers, np.array(list(one_hot), CODE), np.array(list(embedded), CODE), places, widest
    )
    leaves = jax.tree.leaves(parameters)
    return Packing(
        chain, np.array(pieces, PIECE), others, jax.tree.structure(parameters),
        tuple(leaf.shape for leaf in leaves),
    )  # fmt: skip


def _n_inputs(network: Network) -> int:
    """Return how many numbers an example is."""
    first = network.layers[0]
    if isinstance(first, ColumnsLayer):
        codes = [column for column, _ in (*first.one_hot, *first.embedded)]
        return first.n_numbers + first.n_plain + max(codes, default=-1) + 1
    for layer in network.layers:
        if isinstance(layer, GainLayer):
            return len(layer.gain)
        if isinstance(layer, DenseLayer):
            return int(layer.weight.shape[1])
    raise AssertionError("the output layer is dense")


def _place_parameters(
    record: Any,
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
        record["weight" if name == "gain" else name] = begin
        pieces.append((begin, begin + leaf.size, float(rate), float(leaf.ndim > 1)))
        begin += leaf.size
    return begin


def _describe(record: Any, layer: AbstractLayer) -> int:
    """Note what else the loops need to know of a layer; return how many values it gives."""
    width = int(record["n_in"])
    if isinstance(layer, DenseLayer):
        record["activation"] = ACTIVATION_CODES.get(layer.activation, 0)
        return int(layer.weight.shape[0])
    if isinstance(layer, ActivationLayer):
        record["activation"] = ACTIVATION_CODES[layer.activation]
    if isinstance(layer, DropoutLayer):
        record["keep"] = 1.0 - float(layer.rate.value)
    if not isinstance(layer, ColumnsLayer):
        return width
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
