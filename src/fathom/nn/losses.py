"""Losses: how far a prediction is from the truth."""

from collections.abc import Callable
from types import MappingProxyType
from typing import TypeAlias

from jaxtyping import Float, Int

from fathom.nn.activations import ACTIVATIONS
from fathom.nn.xla import Array, jax, jnp

Loss: TypeAlias = Callable[..., Float[Array, " batch"]]
"""Sums of the output layer, the truth, the output's activation → the loss of each example."""


def squared_error(
    z: Float[Array, "batch out"], target: Float[Array, "batch out"], activation: str
) -> Float[Array, " batch"]:
    """Half the squared distance between output and truth: E = ½ Σ_k (a_k - y_k)², a = f(z).

    With the factor ½ the node error of an output neuron is (a_k - y_k) f′(z_k).

    Parameters
    ----------
    z : jax.Array
        Sums of the output layer, before its activation function.
    target : jax.Array
        The truth y.
    activation : str
        Name of the output layer's activation function f.

    Returns
    -------
    jax.Array
        The loss of each example.
    """
    return 0.5 * jnp.sum((ACTIVATIONS[activation](z) - target) ** 2, axis=1)


def cross_entropy(
    z: Float[Array, "batch out"], target: Float[Array, "batch out"], activation: str = "softmax"
) -> Float[Array, " batch"]:
    """Cross entropy over a softmax layer: E = -Σ_k y_k ln a_k, a = softmax(z).

    Worked out from z, so that it neither overflows nor takes the logarithm of 0. The node error of
    an output neuron is a_k - y_k where the y_k sum to 1.

    Parameters
    ----------
    z : jax.Array
        Sums of the output layer.
    target : jax.Array
        Probabilities y, each row summing to 1 (one 1 among 0s for a class).
    activation : str
        Always ``"softmax"``; an `Architecture` refuses any other.

    Returns
    -------
    jax.Array
        The loss of each example, in nats.
    """
    return -jnp.sum(target * jax.nn.log_softmax(z, axis=1), axis=1)


def binary_cross_entropy(
    z: Float[Array, "batch out"], target: Float[Array, "batch out"], activation: str = "sigmoid"
) -> Float[Array, " batch"]:
    """Cross entropy over independent sigmoid outputs: E = -Σ_k (y_k ln a_k + (1-y_k) ln(1-a_k)).

    Each output is a probability of its own, so several labels can hold at once. Worked out as
    Σ_k (softplus(z_k) - y_k z_k). The node error of an output neuron is a_k - y_k.

    Parameters
    ----------
    z : jax.Array
        Sums of the output layer.
    target : jax.Array
        Probabilities y of each label, in [0, 1].
    activation : str
        Always ``"sigmoid"``; an `Architecture` refuses any other.

    Returns
    -------
    jax.Array
        The loss of each example, in nats.
    """
    return jnp.sum(jax.nn.softplus(z) - target * z, axis=1)


def ctc(
    z: Float[Array, "batch time out"], target: Int[Array, "batch length"], activation: str
) -> Float[Array, " batch"]:
    """Connectionist temporal classification: E = -ln Σ_π Π_t a_t(π_t), over alignments π of y.

    An alignment names one sign for each moment, 0 being the blank; it is one of y where y is left
    once signs that follow themselves are told once and blanks are dropped.

    Parameters
    ----------
    z : jax.Array
        Sums of the output layer at each moment; output 0 is the blank.
    target : jax.Array
        Numbers of the signs y, 1 or more, filled up with 0.
    activation : str
        Always ``"softmax"``; an `Architecture` refuses any other.

    Returns
    -------
    jax.Array
        The loss of each example, in nats.

    References
    ----------
    Graves, Fernández, Gomez, Schmidhuber (2006). Connectionist temporal classification. ICML.

    Notes
    -----
    A text that has no alignment, because there are too few moments, costs a large finite loss.
    """
    import optax  # here, as who only predicts need not wait for it

    padding = (target == 0).astype(z.dtype)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        return optax.ctc_loss(z, jnp.zeros(z.shape[:2], z.dtype), target, padding)


LOSSES: MappingProxyType[str, Loss] = MappingProxyType(
    {
        "squared_error": squared_error,
        "cross_entropy": cross_entropy,
        "binary_cross_entropy": binary_cross_entropy,
        "ctc": ctc,
    }
)
"""Every loss by name."""


def reduce_loss(
    values: Float[Array, " batch"], weights: Float[Array, " batch"], reduction: str
) -> Float[Array, ""]:
    """Join the losses of a batch into one number: Σ w_i E_i / n (mean) or Σ w_i E_i (total).

    Parameters
    ----------
    values : jax.Array
        Loss of each example.
    weights : jax.Array
        Weight of each example, at least 0; of mean 1 over all examples, so that a heavy example
        counts more in whatever batch it is drawn.
    reduction : {"mean", "total"}
        Which of the two.
    """
    total = jnp.sum(values * weights)
    return total / len(values) if reduction == "mean" else total
