"""Activation functions: what a neuron makes of the sum it has formed."""

from collections.abc import Callable
from types import MappingProxyType
from typing import TypeAlias

from jaxtyping import Float

from fathom.nn.xla import Array, jax, jnp

ActivationFunction: TypeAlias = Callable[[Float[Array, "..."]], Float[Array, "..."]]


def identity(z: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return the input unchanged: f(z) = z."""
    return z


def gelu(z: Float[Array, "..."]) -> Float[Array, "..."]:
    """Weigh the input by the normal distribution function: f(z) = z · Φ(z), exactly.

    References
    ----------
    Hendrycks, Gimpel (2016). Gaussian error linear units. arXiv:1606.08415.
    """
    return jax.nn.gelu(z, approximate=False)


def softmax(z: Float[Array, "... classes"]) -> Float[Array, "... classes"]:
    """Turn a layer's sums into one choice: a_i = exp(z_i) / Σ_j exp(z_j).

    Unlike the other activation functions it looks at the whole layer, so it stands at the output
    only.
    """
    return jax.nn.softmax(z, axis=-1)


ACTIVATIONS: MappingProxyType[str, ActivationFunction] = MappingProxyType(
    {
        "identity": identity,  # f(z) = z
        "sigmoid": lambda z: jax.nn.sigmoid(z),  # f(z) = 1 / (1 + exp(-z))
        "tanh": lambda z: jnp.tanh(z),  # f(z) = (exp(z) - exp(-z)) / (exp(z) + exp(-z))
        "relu": lambda z: jax.nn.relu(z),  # f(z) = max(0, z)
        "leaky_relu": lambda z: jax.nn.leaky_relu(z),  # f(z) = max(0.01 z, z)
        "elu": lambda z: jax.nn.elu(z),  # f(z) = z where z > 0, else exp(z) - 1
        "selu": lambda z: jax.nn.selu(z),  # f(z) = 1.0507 (z where z > 0, else 1.6733 (exp(z) - 1))
        "gelu": gelu,  # f(z) = z Φ(z)
        "silu": lambda z: jax.nn.silu(z),  # f(z) = z sigmoid(z)
        "mish": lambda z: jax.nn.mish(z),  # f(z) = z tanh(softplus(z))
        "softplus": lambda z: jax.nn.softplus(z),  # f(z) = ln(1 + exp(z))
        "softmax": softmax,  # over the whole layer
    }
)
"""Every activation function by name, with its equation."""

DEFAULT_INITIALIZERS: MappingProxyType[str, str] = MappingProxyType(
    {
        "relu": "he_normal",
        "leaky_relu": "he_normal",
        "elu": "he_normal",
        "gelu": "he_normal",
        "silu": "he_normal",
        "mish": "he_normal",
        "softplus": "he_normal",
        "selu": "lecun_normal",
    }
)
"""The initializer whose variance suits an activation function; Glorot's for the others."""


def default_initializer(activation: str) -> str:
    """Return the name of the initializer that keeps the signal's variance through an activation."""
    return DEFAULT_INITIALIZERS.get(activation, "glorot_uniform")
