"""Forward and backward through layers, written as the textbooks do: z, a, and node errors δ."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fathom.errors import InputError
from fathom.inspection.layers import LayerKind
from fathom.inspection.slopes import slope_of
from fathom.nn.activations import ACTIVATIONS
from fathom.nn.blocks import ActivationLayer, DropoutLayer, FlattenLayer, ResidualLayer
from fathom.nn.combination import CombinationLayer
from fathom.nn.convolution import Conv2DLayer, GlobalAveragePoolLayer, PoolLayer
from fathom.nn.dense import DenseLayer
from fathom.nn.embedding import ColumnsLayer, GainLayer
from fathom.nn.layer import AbstractLayer, partition
from fathom.nn.normalization import BatchNormLayer, LayerNormLayer
from fathom.nn.tree import changed, join
from fathom.nn.xla import Array, PyTree, jax, jitted, jnp

KINDS: dict[type[AbstractLayer], LayerKind] = {
    DenseLayer: "dense",
    Conv2DLayer: "conv2d",
    GlobalAveragePoolLayer: "global_average_pool",
    BatchNormLayer: "batch_norm",
    LayerNormLayer: "layer_norm",
    ActivationLayer: "activation",
    DropoutLayer: "dropout",
    FlattenLayer: "flatten",
    ResidualLayer: "residual",
    ColumnsLayer: "columns",
    GainLayer: "gain",
    CombinationLayer: "combination",
}


@dataclass
class Passage:
    """One layer with a batch in it: what came in and out, and what flows back."""

    layer: AbstractLayer
    kind: LayerKind
    x: np.ndarray
    z: np.ndarray
    a: np.ndarray
    activation: str
    inner: "tuple[Passage, ...]" = ()
    key: Any = None
    delta: np.ndarray | None = None
    x_gradient: np.ndarray | None = None
    gradient: PyTree = field(default=None)


def kind_of(layer: AbstractLayer) -> LayerKind:
    """Return what a layer is called in its description."""
    if isinstance(layer, PoolLayer):
        return "max_pool" if layer.is_max else "average_pool"
    if type(layer) not in KINDS:
        raise InputError("a layer of fathom.nn", got=type(layer).__name__)
    return KINDS[type(layer)]


def run_forward(layers: Sequence[AbstractLayer], x: np.ndarray, key: Any) -> tuple[Passage, ...]:
    """Run a batch through layers, keeping everything.

    Parameters
    ----------
    layers : sequence of AbstractLayer
        The layers, float64.
    x : numpy.ndarray
        What comes in.
    key : jax.Array or None
        Where given, the layers compute as while learning, with this randomness.
    """
    passages = []
    for position, layer in enumerate(layers):
        own = None if key is None else jax.random.fold_in(key, position)
        passage = _run_one(layer, x, own)
        passages.append(passage)
        x = passage.a
    return tuple(passages)


def _run_one(layer: AbstractLayer, x: np.ndarray, key: Any) -> Passage:
    kind = kind_of(layer)
    if isinstance(layer, DenseLayer | Conv2DLayer | CombinationLayer):
        z, a = map(np.asarray, _combine(layer, x))
        return Passage(layer, kind, x, z, a, layer.activation)
    if isinstance(layer, ActivationLayer):
        a = np.asarray(_compute(layer, x, None))
        return Passage(layer, kind, x, x, a, layer.activation)
    if isinstance(layer, ResidualLayer):
        inner = run_forward(layer.layers, x, key)
        shortcut = x if layer.projection is None else x @ np.asarray(layer.projection).T
        y = shortcut + inner[-1].a
        return Passage(layer, kind, x, y, y, "identity", inner)
    y = np.asarray(_compute(layer, x, key))
    return Passage(layer, kind, x, y, y, "identity", key=key)


# A layer is one program: compiled operation by operation, a network would be watched for seconds.


@jitted()
def _combine(layer: Any, x: Any) -> tuple[Array, Array]:
    z = layer.combine(x)
    return z, ACTIVATIONS[layer.activation](z)


@jitted()
def _compute(layer: AbstractLayer, x: Any, key: Any) -> Array:
    return layer(x) if key is None else layer.train(x, key)[0]


def run_backward(passages: Sequence[Passage], upstream: np.ndarray) -> np.ndarray:
    """Carry ∂L/∂a of the last layer back to the first; return ∂L/∂x of that.

    For a layer with activation function f, δ = ∂L/∂a ⊙ f′(z); for a dense layer then
    ∂L/∂W = δᵀ x, ∂L/∂b = Σ δ and ∂L/∂x = δ W, summed over the batch.
    """
    for passage in reversed(passages):
        upstream = flow_back(passage, upstream * _slope(passage))
    return upstream


def _slope(passage: Passage) -> np.ndarray:
    if passage.activation == "identity":
        return np.ones_like(passage.z)
    return slope_of(passage.activation, passage.z, passage.a)


def flow_back(passage: Passage, delta: np.ndarray) -> np.ndarray:
    """Carry the node errors of one layer back to what came into it, and keep everything."""
    passage.delta = delta
    layer = passage.layer
    if isinstance(layer, DenseLayer):
        passage.gradient = _with_weights(layer, delta.T @ passage.x, delta.sum(axis=0))
        passage.x_gradient = delta @ np.asarray(layer.weight)
    elif isinstance(layer, ActivationLayer):
        passage.gradient, passage.x_gradient = partition(layer)[0], delta
    elif isinstance(layer, ResidualLayer):
        passage.x_gradient = _back_through_block(passage, layer, delta)
    else:
        pulled, x_gradient = _pull_back(layer, passage.x, passage.key, delta)
        passage.gradient, passage.x_gradient = pulled, np.asarray(x_gradient)
    return passage.x_gradient


def _with_weights(layer: DenseLayer, weight: np.ndarray, bias: np.ndarray) -> PyTree:
    trainable = partition(layer)[0]
    gradient = changed(trainable, weight=jnp.asarray(weight))
    return gradient if layer.bias is None else changed(gradient, bias=jnp.asarray(bias))


def _back_through_block(passage: Passage, block: ResidualLayer, delta: np.ndarray) -> np.ndarray:
    """Carry node errors back through both ways of a residual block, y = S x + f(x)."""
    through_inner = run_backward(passage.inner, delta)
    inner = tuple(part.gradient for part in passage.inner)
    gradient = changed(partition(block)[0], layers=inner)
    if block.projection is None:
        passage.gradient = gradient
        return delta + through_inner
    rows, columns = (part.reshape(-1, part.shape[-1]) for part in (delta, passage.x))
    passage.gradient = changed(gradient, projection=jnp.asarray(rows.T @ columns))
    return delta @ np.asarray(block.projection) + through_inner


@jitted()
def _pull_back(given: AbstractLayer, x: Any, key: Any, delta: Any) -> tuple[PyTree, Array]:
    """Carry node errors back by the layer's own vector-Jacobian product."""
    parameters, others = partition(given)

    def combine(parameters: PyTree, x: Array) -> Array:
        layer: Any = join(parameters, others)
        if isinstance(layer, Conv2DLayer | CombinationLayer):
            return layer.combine(x)
        return _compute(layer, x, key)

    _, pull = jax.vjp(combine, parameters, x)
    gradient, x_gradient = pull(delta)
    return gradient, x_gradient


def constants_of(passage: Passage) -> dict[str, np.ndarray]:
    """Return the arrays a layer used besides its parameters."""
    layer, x = passage.layer, passage.x
    if isinstance(layer, CombinationLayer):
        return {"parts": np.array(layer.parts, np.float64)}
    if isinstance(layer, LayerNormLayer):
        return {
            "mean": x.mean(axis=-1, keepdims=True), "variance": x.var(axis=-1, keepdims=True)
        }  # fmt: skip
    if isinstance(layer, BatchNormLayer):
        if passage.key is not None:
            axes = tuple(range(x.ndim - 1))
            return {"mean": x.mean(axis=axes), "variance": x.var(axis=axes)}
        return {
            "mean": np.asarray(layer.running_mean.value),
            "variance": np.asarray(layer.running_variance.value),
        }
    if isinstance(layer, DropoutLayer) and passage.key is not None:
        kept = _compute(layer, np.ones_like(x), passage.key)
        return {"kept": (np.asarray(kept) > 0).astype(np.float64)}
    return {}


def settings_of(passage: Passage) -> dict[str, int | float | str]:
    """Return what a layer's description fixed."""
    layer = passage.layer
    if isinstance(layer, Conv2DLayer):
        return {"stride": layer.stride, "padding": layer.padding}
    if isinstance(layer, PoolLayer):
        return {"size": layer.size}
    if isinstance(layer, BatchNormLayer | LayerNormLayer):
        is_batch = isinstance(layer, BatchNormLayer) and passage.key is not None
        return {"epsilon": layer.epsilon, "uses_batch": int(is_batch)}
    if isinstance(layer, DropoutLayer):
        return {"rate": float(layer.rate.value)}
    if isinstance(layer, ColumnsLayer):
        return {
            "form": layer.form, "bins": layer.bins,
            "n_numbers": layer.n_numbers, "n_plain": layer.n_plain,
            "one_hot": " ".join(f"{column},{code}" for column, code in layer.one_hot),
            "embedded": " ".join(f"{column},{first}" for column, first in layer.embedded),
        }  # fmt: skip
    return {}
