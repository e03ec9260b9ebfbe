"""Many rows through dense layers, block by block, outside Python's lock: to predict, not to learn.

NumPy takes and gives back that lock at each of its calls, and threads that meet there wait; here a
thread takes all its rows through all layers in one call. It multiplies by the very function of BLAS
that NumPy calls, and has only activation functions of which every number is exact, so that the
bits are those of `fathom.nn.forward`, which a process predicts by that never trains.
"""

from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fathom.loops.activations import ACTIVATION_CODES, LEAK, LEAKY_RELU, RELU
from fathom.loops.compiling import loop
from fathom.loops.layouts import turn
from fathom.loops.moving import fill, room
from fathom.loops.numerics import ONE, ZERO
from fathom.loops.registers import FLOAT, SHORT, WHOLE, address

EXACT: MappingProxyType[str, int] = MappingProxyType(
    {name: ACTIVATION_CODES[name] for name in ("identity", "relu", "leaky_relu")}
)
"""The activation functions of which NumPy and a loop make the same bits, and their codes."""
STEP = np.dtype(
    [(name, np.int64) for name in ("begin", "n_in", "n_sums", "n_out", "activation")], align=True
)
"""A layer: its first weight, the size of its matrix, neurons (some rows of it may be none), f."""
_ROWS_FIRST, _AS_IT_IS = 101, 111  # how BLAS is told that rows lie along memory, and not to turn


class Chain(NamedTuple):
    """Dense layers one after another, as a loop takes them; see `chain_of`.

    Attributes
    ----------
    multiply : int
        Address of `cblas_sgemm` with whole numbers of 64 bits.
    limit : float
        Sum of the squares of a block's centered numbers from which on nothing is computed.
    weights : numpy.ndarray
        All matrices in one row, float32, each with the biases as its last column.
    steps : numpy.ndarray
        A `STEP` for each layer.
    block, tile : int
        Rows that are multiplied at once, and of which a multiple is always multiplied.
    """

    multiply: int
    limit: float
    weights: np.ndarray
    steps: np.ndarray
    block: int
    tile: int

    @property
    def n_outputs(self) -> int:
        """Neurons of the last layer."""
        return int(self.steps[-1]["n_out"])


def chain_of(
    multiply: int,
    limit: float,
    layers: Sequence[tuple[np.ndarray, int, str]],
    block: int,
    tile: int,
) -> Chain:
    """Return dense layers as a loop takes them.

    Parameters
    ----------
    multiply, limit, block, tile
        See `Chain`.
    layers : sequence of (numpy.ndarray, int, str)
        Of each layer its weights with the biases as last column, its neurons, and the name of its
        activation function, which is one of `EXACT`.
    """
    steps = np.zeros(len(layers), STEP)
    begin = 0
    for step, (weights, n_out, activation) in zip(steps, layers, strict=True):
        n_sums, n_in = weights.shape
        values: dict[str, int] = {
            "begin": begin, "n_in": n_in, "n_sums": n_sums, "n_out": n_out,
            "activation": EXACT[activation],
        }  # fmt: skip
        for name, value in values.items():
            step[name] = value
        begin += weights.size
    flat = np.concatenate([weights.reshape(-1) for weights, _, _ in layers])
    return Chain(multiply, limit, flat, steps, block, tile)


def sums_of(chain: Chain, center: np.ndarray, x: np.ndarray) -> np.ndarray | None:
    """Return the sums z of the last layer, float32 of shape (outputs, rows).

    Parameters
    ----------
    chain : Chain
        The layers.
    center : numpy.ndarray
        What is taken from each row first.
    x : numpy.ndarray
        Rows, float32 or float64, one after another in memory.

    Returns
    -------
    numpy.ndarray or None
        None where some block of rows reaches the limit, or has a number that is not finite.
    """
    z = np.empty((chain.n_outputs, len(x)), np.float32)
    return z if _run(*chain, center.astype(np.float64, copy=False), x, z) else None


def _make_product(context, multiply, weights, x, z, n_out, n_in, width):  # type: ignore[no-untyped-def]
    """Describe the call that writes W x, all three given by the addresses of their numbers."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        multiply, *addresses, n_out, n_in, width = arguments
        numbers, whole, short = FLOAT.as_pointer(), WHOLE, SHORT
        weights, x, z = (builder.inttoptr(one, numbers) for one in addresses)
        kinds = [
            short, short, short, whole, whole, whole,
            FLOAT, numbers, whole, numbers, whole, FLOAT, numbers, whole,
        ]  # fmt: skip
        kind = ir.FunctionType(ir.VoidType(), kinds).as_pointer()
        given = [
            ir.Constant(short, _ROWS_FIRST), ir.Constant(short, _AS_IT_IS),
            ir.Constant(short, _AS_IT_IS), n_out, width, n_in,
            ir.Constant(FLOAT, 1.0), weights, n_in, x, width, ir.Constant(FLOAT, 0.0), z, width,
        ]  # fmt: skip
        builder.call(builder.inttoptr(multiply, kind), given)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 7), generate


_product: Callable[..., None] = intrinsic(_make_product)


@loop
def _run(multiply, limit, weights, steps, block, tile, center, x, z):  # type: ignore[no-untyped-def]
    """Write the sums of the last layer into z; tell whether all rows are within the limit."""
    n_rows, widest = len(x), len(center) + 1
    for step in steps:
        widest = max(widest, step.n_sums, step.n_out + 1)
    both = room(2 * block * widest)
    here, there = both[: block * widest], both[block * widest :]
    for begin in range(0, n_rows, block):
        size = min(block, n_rows - begin)
        width = (size + tile - 1) // tile * tile
        if not _take(x[begin : begin + size], center, limit, there, here, width):
            return False
        for step in steps:
            _product(
                multiply, address(weights[step.begin :]), address(here), address(there),
                step.n_sums, step.n_in, width,
            )  # fmt: skip
            _activate(step.activation, there[: step.n_out * width])
            fill(there[step.n_out * width : (step.n_out + 1) * width], ONE)
            here, there = there, here
        for output in range(len(z)):
            for row in range(size):
                z[output, begin + row] = here[output * width + row]
    return True


@loop
def _take(x, center, limit, aside, values, width):  # type: ignore[no-untyped-def]
    """Write x - center features first, and a last feature of ones; tell whether it is in limits.

    There is room for `width` rows, and those behind the last are 0.
    """
    n_rows, n_features = x.shape
    total = ZERO
    for row in range(n_rows):
        for feature in range(n_features):
            value = np.float32(x[row, feature] - center[feature])
            aside[row * n_features + feature] = value
            total += value * value
    fill(values[: n_features * width], ZERO)
    fill(values[n_features * width : (n_features + 1) * width], ONE)
    turn(address(aside), n_rows, n_features, address(values), width)
    return total < limit


@loop
def _activate(function, z):  # type: ignore[no-untyped-def]
    """Write f(z) over z; what is not a number stays none."""
    if function == RELU:
        for i in range(len(z)):
            z[i] = ZERO if z[i] < ZERO else z[i]
    elif function == LEAKY_RELU:
        for i in range(len(z)):
            z[i] = LEAK * z[i] if z[i] < ZERO else z[i]
