"""Scores: what a user asks of a network, as sums that can be added batch by batch."""

from typing import Literal

import numpy as np
from jaxtyping import Float, Num

from fathom.nn.xla import Array, jnp


def score_name(activation: str) -> Literal["accuracy", "r2"]:
    """Return the score for an output layer: accuracy for probabilities, R² for numbers."""
    return "accuracy" if activation in ("softmax", "sigmoid") else "r2"


def score_sums(
    a: Float[Array, "batch out"],
    target: Float[Array, "batch out"],
    weight: Float[Array, " batch"],
    activation: str,
) -> Float[Array, "parts"]:
    """Return what a batch adds to the score, to be summed over batches and given to `score`.

    Parameters
    ----------
    a : jax.Array
        Outputs of the network.
    target : jax.Array
        The truth.
    weight : jax.Array
        Weight of each example, at least 0.
    activation : str
        Activation function of the output layer.

    Returns
    -------
    jax.Array
        For softmax the weight of the right choices; for sigmoid the share of right labels; for
        numbers Σ w e², Σ w y², and Σ w y for each output, with e = y - a.
    """
    if activation == "softmax":
        right = jnp.argmax(a, axis=1) == jnp.argmax(target, axis=1)
        return jnp.sum(weight * right.astype(weight.dtype))[None]
    if activation == "sigmoid":
        right = (a >= 0.5) == (target >= 0.5)
        return jnp.sum(weight * jnp.mean(right.astype(weight.dtype), axis=1))[None]
    column = weight[:, None]
    squares = jnp.stack([jnp.sum(column * (target - a) ** 2), jnp.sum(column * target**2)])
    return jnp.concatenate([squares, jnp.sum(column * target, axis=0)])


def sign_score_sums(
    values: Float[Array, " batch"],
    target: Num[Array, "batch width"],
    weight: Float[Array, " batch"],
) -> Float[Array, "parts"]:
    """Return what texts add to their score: the probability of a sign, e^(-E / signs).

    Parameters
    ----------
    values : jax.Array
        Loss E of each text.
    target : jax.Array
        Numbers of its signs, filled up with 0.
    weight : jax.Array
        Weight of each example, at least 0.
    """
    n_signs = jnp.maximum(jnp.sum((target > 0).astype(values.dtype), axis=1), 1)
    return jnp.sum(weight * jnp.exp(-values / n_signs))[None]


def score(sums: Float[Array | np.ndarray, "parts"], weight: float, activation: str) -> float:
    """Return accuracy, or R² = 1 - Σ w e² / Σ w (y - ȳ)² taken over all outputs together.

    Parameters
    ----------
    sums : jax.Array
        The total of `score_sums` over all batches.
    weight : float
        Total weight of the examples.
    activation : str
        Activation function of the output layer.
    """
    parts = [float(part) for part in sums]
    if score_name(activation) == "accuracy":
        return parts[0] / weight
    error, square, *totals = parts
    spread = square - sum(total**2 for total in totals) / weight
    return 1.0 - error / spread if spread > 1e-12 * (square + 1e-30) else 0.0
