"""A network as lines of a program: one layer after another, W x + b and an activation."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fathom.nn.blocks import ActivationLayer, DropoutLayer, FlattenLayer, ResidualLayer
from fathom.nn.convolution import Conv2DLayer, GlobalAveragePoolLayer, PoolLayer
from fathom.nn.dense import DenseLayer
from fathom.nn.embedding import ColumnsLayer, GainLayer
from fathom.nn.intake import as_float32
from fathom.nn.layer import AbstractLayer
from fathom.nn.network import Network
from fathom.nn.normalization import BatchNormLayer, LayerNormLayer


@dataclass
class Written:
    """The lines of a network, and the weights they speak of.

    Attributes
    ----------
    lines : list of str
        The body of a function of ``a``, the rows, and ``w``, the weights.
    weights : dict of str to numpy.ndarray
        Weights by name.
    """

    lines: list[str] = field(default_factory=list)
    weights: dict[str, np.ndarray] = field(default_factory=dict)

    def weigh(self, letter: str, array: Any, kind: type = np.float32) -> str:
        """Keep weights, and return what they are called."""
        n = 1 + sum(name.rstrip("0123456789") == letter for name in self.weights)
        self.weights[f"{letter}{n}"] = np.ascontiguousarray(array, kind)
        return f"w.{letter}{n}"

    def say(self, line: str) -> None:
        """Add a line."""
        self.lines.append(line)


def write_network(network: Network) -> Written:
    """Return a network as lines that end in the sums z of its output layer."""
    written = Written()
    for layer in network.layers[:-1]:
        _write(layer, written)
    assert isinstance(network.output, DenseLayer)  # factors are refused before
    written.say(f"z = {_sums(network.output, written)}")
    return written


def _activated(activation: str, sums: str) -> str:
    return sums if activation == "identity" else f"{activation}({sums})"


def _sums(layer: DenseLayer, written: Written) -> str:
    weight = written.weigh("W", layer.weight)
    bias = "" if layer.bias is None else f" + {written.weigh('b', layer.bias)}"
    return f"a @ {weight}.T{bias}"


def _write(layer: AbstractLayer, written: Written) -> None:  # noqa: C901 (one rule for each layer)
    """Add the line of a layer."""
    if isinstance(layer, DenseLayer):
        written.say(f"a = {_activated(layer.activation, _sums(layer, written))}")
    elif isinstance(layer, ActivationLayer):
        written.say(f"a = {_activated(layer.activation, 'a')}")
    elif isinstance(layer, FlattenLayer):
        written.say("a = a.reshape(len(a), -1)")
    elif isinstance(layer, GainLayer):
        written.say(f"a = a * {written.weigh('g', layer.gain)}")
    elif isinstance(layer, BatchNormLayer):
        factor = np.asarray(layer.scale) / np.sqrt(
            np.asarray(layer.running_variance.value) + np.float32(layer.epsilon)
        )
        shift = np.asarray(layer.shift) - np.asarray(layer.running_mean.value) * factor
        gain, add = written.weigh("g", factor), written.weigh("h", shift)
        written.say(f"a = a * {gain} + {add}  # batch normalization")
    elif isinstance(layer, LayerNormLayer):
        gain, add = written.weigh("g", layer.scale), written.weigh("h", layer.shift)
        written.say(f"a = layer_norm(a, {layer.epsilon!r}) * {gain} + {add}")
    elif isinstance(layer, Conv2DLayer):
        kernel = written.weigh("K", layer.kernel)
        is_padded = layer.padding == "same"
        sums = f"convolve(a, {kernel}, {layer.stride}, is_padded={is_padded})"
        if layer.bias is not None:
            sums += f" + {written.weigh('b', layer.bias)}"
        written.say(f"a = {_activated(layer.activation, sums)}")
    elif isinstance(layer, PoolLayer):
        which = "max" if layer.is_max else "mean"
        written.say(f"a = squares(a, {layer.size}).{which}(axis=(2, 4))")
    elif isinstance(layer, GlobalAveragePoolLayer):
        written.say("a = a.mean(axis=(1, 2))")
    elif isinstance(layer, ResidualLayer):
        _write_residual(layer, written)
    elif isinstance(layer, ColumnsLayer):
        _write_columns(layer, written)
    else:
        assert isinstance(layer, DropoutLayer)  # a trained network drops nothing


def _write_residual(layer: ResidualLayer, written: Written) -> None:
    written.say("shortcut = a")
    for inner in layer.layers:
        _write(inner, written)
    if layer.projection is None:
        written.say("a = shortcut + a")
    else:
        written.say(f"a = shortcut @ {written.weigh('S', layer.projection)}.T + a")


def _write_columns(layer: ColumnsLayer, written: Written) -> None:
    """Write how columns come in: numbers in one of four forms, plain ones, categories."""
    n, end = layer.n_numbers, layer.n_numbers + layer.n_plain
    written.say(f"x, plain, codes = a[:, :{n}], a[:, {n}:{end}], a[:, {end}:].astype(int)")
    joined = []
    if n and layer.form in ("as_is", "periodic"):
        joined.append("x")
    if n and layer.form == "thermometer":
        written.say(f"h = x[:, :, None] >= np.arange(1, {layer.bins})")
        joined.append("h.reshape(len(a), -1)")
    elif n and layer.form != "as_is":
        if layer.form == "piecewise":
            written.say(f"h = np.clip(x[:, :, None] - np.arange({layer.bins}), 0, 1) - 0.5")
        else:
            waves = written.weigh("frequency", layer.frequency), written.weigh("phase", layer.phase)
            written.say(f"h = np.cos(2 * np.pi * x[:, :, None] * {waves[0]} + {waves[1]})")
        mix, shift = written.weigh("M", layer.mix), written.weigh("c", layer.shift)
        written.say(f"h = np.einsum('rnp,npu->rnu', h, {mix}) + {shift}  # M h + c of each number")
        joined.append("h.reshape(len(a), -1)")
    if layer.n_plain:
        joined.append("plain")
    if layer.one_hot:
        columns, codes = np.asarray(layer.one_hot).T
        column = written.weigh("column", columns, np.int64)
        code = written.weigh("code", codes, np.int64)
        joined.append(f"codes[:, {column}] == {code}")
    if layer.table is not None:
        columns, offsets = np.asarray(layer.embedded).T
        column = written.weigh("column", columns, np.int64)
        first = written.weigh("first", offsets, np.int64)
        table = written.weigh("vectors", as_float32(layer.table))
        joined.append(f"{table}[codes[:, {column}] + {first}].reshape(len(a), -1)")
    for number, part in enumerate(joined):
        written.say(f"{'a = [' if number == 0 else '     '}{part},")
    written.lines[-1] = f"{written.lines[-1][:-1]}]"
    written.say("a = np.concatenate(a, axis=1).astype(np.float32)")
