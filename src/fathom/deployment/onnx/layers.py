"""Networks as ONNX: one layer after another, float32 as they were trained."""

import math
from typing import Any

import numpy as np

from fathom.deployment.onnx.graph import DOUBLE, FLOAT, INTEGER, Term
from fathom.errors import InputError
from fathom.nn.blocks import ActivationLayer, DropoutLayer, FlattenLayer, ResidualLayer
from fathom.nn.convolution import Conv2DLayer, GlobalAveragePoolLayer, PoolLayer
from fathom.nn.dense import DenseLayer
from fathom.nn.embedding import ColumnsLayer, GainLayer
from fathom.nn.intake import as_float32
from fathom.nn.layer import AbstractLayer, Shape
from fathom.nn.network import Network
from fathom.nn.normalization import BatchNormLayer, LayerNormLayer
from fathom.nn.pointwise import SELU_ALPHA, SELU_SCALE

_ONE_NODE: dict[str, tuple[str, dict[str, Any]]] = {
    "sigmoid": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
    "relu": ("Relu", {}),
    "leaky_relu": ("LeakyRelu", {"alpha": 0.01}),
    "elu": ("Elu", {"alpha": 1.0}),
    "selu": ("Selu", {"alpha": SELU_ALPHA, "gamma": SELU_SCALE}),
    "softplus": ("Softplus", {}),
}


def combine(network: Network, x: Term, shape: Shape) -> Term:
    """Return the sums z of a network's output layer.

    Parameters
    ----------
    network : Network
        The network.
    x : Term
        Encoded rows, float32.
    shape : tuple of int
        Shape of one of them.
    """
    for layer in network.layers[:-1]:
        x, shape = _pass(layer, x, shape)
    assert isinstance(network.output, DenseLayer)  # factors are refused before
    return _dense(network.output, x)


def activate(z: Term, activation: str) -> Term:
    """Return a = f(z); softmax along the last axis."""
    graph = z.graph
    if activation == "identity":
        return z
    if activation == "softmax":
        return graph.add("Softmax", z, axis=-1)
    if activation == "gelu":
        share = graph.add("Erf", z * math.sqrt(0.5)) + 1.0
        return z * share * 0.5
    if activation == "silu":
        return z * graph.add("Sigmoid", z)
    if activation == "mish":
        return z * graph.add("Tanh", graph.add("Softplus", z))
    operator, attributes = _ONE_NODE[activation]
    return graph.add(operator, z, **attributes)


def activate_outputs(z: Term, activation: str) -> Term:
    """Return a = f(z) of an output layer in float64, probabilities worked out in it."""
    if activation in ("softmax", "sigmoid"):
        return activate(z.to(DOUBLE), activation)
    return activate(z, activation).to(DOUBLE)


def _pass(layer: AbstractLayer, x: Term, shape: Shape) -> tuple[Term, Shape]:  # noqa: C901
    """Return what a layer makes of rows, and the shape of one."""
    graph = x.graph
    if isinstance(layer, DropoutLayer):
        return x, shape
    if isinstance(layer, FlattenLayer):
        size = math.prod(shape)
        return x.reshape(-1, size), (size,)
    if isinstance(layer, DenseLayer):
        return activate(_dense(layer, x), layer.activation), (len(layer.weight),)
    if isinstance(layer, ActivationLayer):
        return activate(x, layer.activation), shape
    if isinstance(layer, GainLayer):
        return x * as_float32(layer.gain), shape
    if isinstance(layer, BatchNormLayer):
        variance = as_float32(layer.running_variance.value)
        factor = as_float32(layer.scale) / np.sqrt(variance + np.float32(layer.epsilon))
        shift = as_float32(layer.shift) - as_float32(layer.running_mean.value) * factor
        return x * factor + shift, shape
    if isinstance(layer, LayerNormLayer):
        weights = as_float32(layer.scale), as_float32(layer.shift)
        made = graph.add("LayerNormalization", x, *weights, axis=-1, epsilon=layer.epsilon)
        return made, shape
    if isinstance(layer, ResidualLayer):
        return _residual(layer, x, shape)
    if isinstance(layer, Conv2DLayer):
        return _convolution(layer, x, shape)
    if isinstance(layer, PoolLayer):
        made = graph.add(
            "MaxPool" if layer.is_max else "AveragePool", x.transpose(0, 3, 1, 2),
            kernel_shape=[layer.size] * 2, strides=[layer.size] * 2,
        )  # fmt: skip
        height, width, channels = shape
        return made.transpose(0, 2, 3, 1), (height // layer.size, width // layer.size, channels)
    if isinstance(layer, GlobalAveragePoolLayer):
        return graph.add("ReduceMean", x, axes=[1, 2], keepdims=0), shape[-1:]
    if isinstance(layer, ColumnsLayer):
        made = _columns(layer, x)
        return made, (-1,)  # what follows is dense, or as wide
    raise InputError(
        "a layer that ONNX has operators for", got=type(layer).__name__,
        hint="write a program of NumPy: fathom export MODEL model.py",
    )  # fmt: skip


def _dense(layer: DenseLayer, x: Term) -> Term:
    """Return W x + b."""
    weight = as_float32(layer.weight)
    bias = np.zeros(len(weight), np.float32) if layer.bias is None else as_float32(layer.bias)
    return x.graph.add("Gemm", x, weight, bias, transB=1)


def _residual(layer: ResidualLayer, x: Term, shape: Shape) -> tuple[Term, Shape]:
    y, after = x, shape
    for inner in layer.layers:
        y, after = _pass(inner, y, after)
    if layer.projection is not None:
        x = x.graph.add("MatMul", x, as_float32(np.asarray(layer.projection).T))
    return x + y, after


def _convolution(layer: Conv2DLayer, x: Term, shape: Shape) -> tuple[Term, Shape]:
    """Return f(K * x + b), channels last outside and first within, as ONNX has them."""
    kernel = as_float32(np.asarray(layer.kernel).transpose(3, 2, 0, 1))
    n_out, _, *patch = kernel.shape
    sides, before, behind = [], [], []
    for side, size in zip(shape[:2], patch, strict=True):
        room = side if layer.padding == "same" else side - size + 1
        after = -(-room // layer.stride)
        missing = max((after - 1) * layer.stride + size - side, 0)
        missing = missing if layer.padding == "same" else 0
        sides.append(after)
        before.append(missing // 2)
        behind.append(missing - missing // 2)
    weights = [kernel] if layer.bias is None else [kernel, as_float32(layer.bias)]
    z = x.graph.add(
        "Conv", x.transpose(0, 3, 1, 2), *weights, kernel_shape=patch,
        strides=[layer.stride] * 2, pads=[*before, *behind],
    )  # fmt: skip
    return activate(z, layer.activation).transpose(0, 2, 3, 1), (*sides, n_out)


def _columns(layer: ColumnsLayer, x: Term) -> Term:
    graph, n, first_code = x.graph, layer.n_numbers, layer.n_numbers + layer.n_plain
    parts = []
    if n and layer.form in ("as_is", "periodic"):
        parts.append(x.columns(0, n))
    if n and layer.form != "as_is":
        parts.append(_formed(layer, x.columns(0, n)))
    if layer.n_plain:
        parts.append(x.columns(n, first_code))
    if layer.one_hot:
        columns, codes = np.asarray(layer.one_hot).T
        is_code = graph.add("Equal", x.pick(first_code + columns), codes.astype(np.float32))
        parts.append(is_code.to(FLOAT))
    if layer.table is not None:
        columns, offsets = np.asarray(layer.embedded).T
        table = as_float32(layer.table)
        rows = x.pick(first_code + columns).to(INTEGER) + offsets.astype(np.int64)
        found = graph.add("Gather", graph.constant(table), rows, dtype=FLOAT)
        parts.append(found.reshape(-1, len(columns) * table.shape[1]))
    return graph.join(parts)


def _formed(layer: ColumnsLayer, numbers: Term) -> Term:
    """Return numbers as thermometers, or W h + c with h filled bins or waves."""
    n = layer.n_numbers
    if layer.form == "thermometer":
        steps = np.arange(1, layer.bins, dtype=np.float32)
        return numbers.expand(2).is_at_least(steps).to(FLOAT).reshape(-1, n * len(steps))
    x = numbers.transpose(1, 0).expand(2)  # (numbers, rows, 1)
    if layer.form == "piecewise":
        steps = np.arange(layer.bins, dtype=np.float32)
        parts = (x - steps).clip(0.0, 1.0) - 0.5
    else:
        frequency, phase = (as_float32(a)[:, None, :] for a in (layer.frequency, layer.phase))
        parts = x.graph.add("Cos", x * (2 * math.pi) * frequency + phase)
    mixed = x.graph.add("MatMul", parts, as_float32(layer.mix)) + as_float32(layer.shift)[:, None]
    units = np.asarray(layer.shift).shape[1]
    return mixed.transpose(1, 0, 2).reshape(-1, n * units)
