"""Slopes: the derivative of every activation function, as a function and as arithmetic."""

import math
from collections.abc import Callable
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

LEAK = 0.01  # of leaky_relu
SELU_SCALE, SELU_DEPTH = 1.0507009873554805, 1.6732632423543772
MOST_EXPONENT = 700.0  # beyond which an exponential is no float
TINY = 1e-6  # below which exp(z) - 1 loses digits


class Equation(NamedTuple):
    """An activation function as it is written, and its slope.

    Attributes
    ----------
    formula, slope_formula : str
        a = f(z) and f′(z), symbolic.
    slope : callable
        z and a → f′(z), elementwise.
    arithmetic : callable
        z → the arithmetic that gives a, with ``{z}`` where z stands; what Python evaluates.
    slope_arithmetic : callable
        z → the arithmetic of f′(z), with ``{z}`` and ``{a}``.
    """

    formula: str
    slope_formula: str
    slope: Callable[[np.ndarray, np.ndarray], np.ndarray]
    arithmetic: Callable[[float], str]
    slope_arithmetic: Callable[[float], str]


def _sigmoid(z: float) -> str:
    return "1 / (1 + exp(-{z}))" if z > -MOST_EXPONENT else "exp({z})"


def _softplus(z: float) -> str:
    if z > MOST_EXPONENT:
        return "{z}"
    return "log(1 + exp({z}))" if z > -10 else "log1p(exp({z}))"


def _exp_minus_1(z: float) -> str:
    return "exp({z}) - 1" if abs(z) > TINY else "expm1({z})"


def sigmoid(z: np.ndarray) -> np.ndarray:
    """Return σ(z) = 1 / (1 + e^(-z)); where the power is infinite it is 0, as it should be."""
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-z))


def _softplus_of(z: np.ndarray) -> np.ndarray:
    return np.logaddexp(z, 0)


def _gelu_slope(z: np.ndarray, a: np.ndarray) -> np.ndarray:
    from scipy.special import erf  # the one function here that NumPy has not

    return (1 + erf(z / math.sqrt(2))) / 2 + z * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)


def _silu_slope(z: np.ndarray, a: np.ndarray) -> np.ndarray:
    return sigmoid(z) * (1 + z * (1 - sigmoid(z)))


def _mish_slope(z: np.ndarray, a: np.ndarray) -> np.ndarray:
    bent = np.tanh(_softplus_of(z))
    return bent + z * (1 - bent**2) * sigmoid(z)


def _mish_slope_arithmetic(z: float) -> str:
    bent, share = f"tanh({_softplus(z)})", _sigmoid(z)
    return f"{bent} + {{z}} * (1 - {bent}**2) * ({share})"


EQUATIONS: MappingProxyType[str, Equation] = MappingProxyType(
    {
        "identity": Equation(
            "z", "1", lambda z, a: np.ones_like(z), lambda z: "{z}", lambda z: "1"
        ),
        "sigmoid": Equation(
            "σ(z) = 1 / (1 + e^(−z))", "σ′(z) = a · (1 − a)",
            lambda z, a: a * (1 - a), _sigmoid, lambda z: "{a} * (1 - {a})",
        ),
        "tanh": Equation(
            "tanh(z)", "tanh′(z) = 1 − a²",
            lambda z, a: 1 - a**2, lambda z: "tanh({z})", lambda z: "1 - {a}**2",
        ),
        "relu": Equation(
            "max(0, z)", "1 where z > 0, else 0",
            lambda z, a: (z > 0).astype(z.dtype),
            lambda z: "max(0, {z})", lambda z: "int({z} > 0)",
        ),
        "leaky_relu": Equation(
            "max(0.01 z, z)", "1 where z ≥ 0, else 0.01",
            lambda z, a: np.where(z >= 0, 1.0, LEAK),
            lambda z: "max(0.01 * {z}, {z})", lambda z: "1" if z >= 0 else "0.01",
        ),
        "elu": Equation(
            "z where z > 0, else e^z − 1", "1 where z > 0, else e^z",
            lambda z, a: np.where(z > 0, 1.0, np.exp(np.minimum(z, 0))),
            lambda z: "{z}" if z > 0 else _exp_minus_1(z),
            lambda z: "1" if z > 0 else "exp({z})",
        ),
        "selu": Equation(
            "λ z where z > 0, else λ α (e^z − 1), with λ = 1.0507 and α = 1.6733",
            "λ where z > 0, else λ α e^z",
            lambda z, a: SELU_SCALE * np.where(z > 0, 1.0, SELU_DEPTH * np.exp(np.minimum(z, 0))),
            lambda z: (
                "{scale} * {z}" if z > 0 else f"{{scale}} * {{depth}} * ({_exp_minus_1(z)})"
            ),
            lambda z: "{scale}" if z > 0 else "{scale} * {depth} * exp({z})",
        ),
        "gelu": Equation(
            "z · Φ(z), Φ the normal distribution", "Φ(z) + z · φ(z)",
            _gelu_slope, lambda z: "{z} * (1 + erf({z} / sqrt(2))) / 2",
            lambda z: "(1 + erf({z} / sqrt(2))) / 2 + {z} * exp(-{z}**2 / 2) / sqrt(2 * pi)",
        ),
        "silu": Equation(
            "z · σ(z)", "σ(z) · (1 + z · (1 − σ(z)))",
            _silu_slope, lambda z: f"{{z}} * ({_sigmoid(z)})",
            lambda z: f"({_sigmoid(z)}) * (1 + {{z}} * (1 - {_sigmoid(z)}))",
        ),
        "mish": Equation(
            "z · tanh(ln(1 + e^z))", "t + z · (1 − t²) · σ(z), with t = tanh(ln(1 + e^z))",
            _mish_slope, lambda z: f"{{z}} * tanh({_softplus(z)})", _mish_slope_arithmetic,
        ),
        "softplus": Equation(
            "ln(1 + e^z)", "σ(z)", lambda z, a: sigmoid(z), _softplus, _sigmoid
        ),
    }
)  # fmt: skip
"""Every activation function that looks at one neuron alone, by name."""

CONSTANTS = MappingProxyType({"scale": SELU_SCALE, "depth": SELU_DEPTH})
"""Numbers that stand in the arithmetic besides z and a."""


def slope_of(activation: str, z: np.ndarray, a: np.ndarray) -> np.ndarray:
    """Return f′(z) for every neuron.

    Parameters
    ----------
    activation : str
        Name of the activation function; not ``"softmax"``, whose neurons hang together.
    z, a : numpy.ndarray
        Sums, and activations a = f(z).

    Examples
    --------
    >>> slope_of("tanh", np.array([0.0]), np.array([0.0]))
    array([1.])
    """
    return EQUATIONS[activation].slope(z, a)


def through_softmax(a: np.ndarray, upstream: np.ndarray) -> np.ndarray:
    """Return ∂L/∂z of a softmax layer: δ_i = a_i (g_i - Σ_j g_j a_j), g = ∂L/∂a.

    Parameters
    ----------
    a, upstream : numpy.ndarray
        Activations, and ∂L/∂a, shape (batch, classes).
    """
    return a * (upstream - np.sum(upstream * a, axis=-1, keepdims=True))
