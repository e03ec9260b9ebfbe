"""Activation functions and their slopes, side by side: a = f(z), and f′(z) written over z."""

import math
from types import MappingProxyType

import numpy as np

from fathom.loops.compiling import loop
from fathom.loops.numerics import (
    HALF,
    ONE,
    TWO,
    ZERO,
    exponential,
    logarithm_of_one_and,
    scaled_tail,
)

ACTIVATION_CODES: MappingProxyType[str, int] = MappingProxyType(
    {
        name: code
        for code, name in enumerate(
            ("identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "silu",
             "mish", "softplus")
        )
    }
)  # fmt: skip
"""The number of each activation function in the loops."""

IDENTITY, SIGMOID, TANH, RELU, LEAKY_RELU, ELU, SELU, GELU, SILU, MISH, SOFTPLUS = range(11)
LEAK = np.float32(0.01)
_SELU_SCALE, _SELU_DEPTH = np.float32(1.0507009873554805), np.float32(1.6732632423543772)
_SELU_LOW = np.float32(1.0507009873554805 * 1.6732632423543772)
_FLAT = np.float32(20.0)  # beyond it tanh(softplus(z)) is 1 in float32
_ROOT_HALF, _BELL = np.float32(math.sqrt(0.5)), np.float32(1 / math.sqrt(2 * math.pi))


@loop
def activate(function, z, a):  # type: ignore[no-untyped-def] # noqa: C901 (one line a function)
    """Write f(z) into a, and f′(z) over z.

    Parameters
    ----------
    function : int
        Code of the activation function f.
    z : numpy.ndarray
        Sums of one layer, in one row, float32.
    a : numpy.ndarray
        Room for the activations, of the same shape.
    """
    n = len(z)
    if function == RELU:
        for i in range(n):
            is_up = z[i] > ZERO
            a[i] = z[i] if is_up else ZERO
            z[i] = ONE if is_up else ZERO
    elif function == SELU:
        for i in range(n):
            low = _SELU_LOW * exponential(min(z[i], ZERO))
            a[i] = _SELU_SCALE * z[i] if z[i] > ZERO else low - _SELU_LOW
            z[i] = _SELU_SCALE if z[i] > ZERO else low
    elif function == MISH:  # tanh(ln(1 + e^z)) = e (e + 2) / (e (e + 2) + 2) with e = e^z
        for i in range(n):
            e = exponential(min(z[i], _FLAT))
            gate = e * (e + TWO) / (e * (e + TWO) + TWO)
            a[i] = z[i] * gate
            z[i] = gate + z[i] * (ONE - gate * gate) * e / (ONE + e)
    elif function == TANH:
        for i in range(n):
            a[i] = ONE - TWO / (exponential(TWO * z[i]) + ONE)
            z[i] = ONE - a[i] * a[i]
    elif function == SIGMOID:
        for i in range(n):
            a[i] = ONE / (ONE + exponential(-z[i]))
            z[i] = a[i] * (ONE - a[i])
    elif function == IDENTITY:
        for i in range(n):
            a[i] = z[i]
            z[i] = ONE
    else:
        _activate_rarer(function, z, a)


@loop
def _activate_rarer(function, z, a):  # type: ignore[no-untyped-def] # noqa: C901
    n = len(z)
    if function == LEAKY_RELU:
        for i in range(n):
            slope = ONE if z[i] >= ZERO else LEAK
            a[i], z[i] = slope * z[i], slope
    elif function == ELU:
        for i in range(n):
            low = exponential(min(z[i], ZERO))
            a[i] = z[i] if z[i] > ZERO else low - ONE
            z[i] = ONE if z[i] > ZERO else low
    elif function == GELU:  # z Φ(z), whose slope is Φ(z) + z φ(z); Φ(-z) = ½ erfc(z / √2)
        for i in range(n):
            bell = exponential(-HALF * z[i] * z[i])
            tail = HALF * scaled_tail(_ROOT_HALF * abs(z[i])) * bell
            share = ONE - tail if z[i] >= ZERO else tail
            a[i], z[i] = z[i] * share, share + z[i] * _BELL * bell
    elif function == SILU:
        for i in range(n):
            gate = ONE / (ONE + exponential(-z[i]))
            a[i], z[i] = z[i] * gate, gate + z[i] * gate * (ONE - gate)
    elif function == SOFTPLUS:
        for i in range(n):
            low = logarithm_of_one_and(exponential(-abs(z[i])))
            a[i], z[i] = max(z[i], ZERO) + low, ONE / (ONE + exponential(-z[i]))
