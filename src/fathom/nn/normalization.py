"""Normalization: bring the signal between two layers back to a steady size."""

from typing import Literal

import numpy as np
from jaxtyping import Float, Key
from pydantic import Field

from fathom.nn.keys import RandomKey, lay
from fathom.nn.layer import AbstractLayer, LayerDescription, Shape, Statistic
from fathom.nn.tree import changed, fixed
from fathom.nn.xla import Array, jnp


class BatchNormLayer(AbstractLayer):
    """y = γ (x - μ) / √(σ² + ε) + β, with μ and σ² of the batch, afterwards the running ones."""

    scale: Float[Array, " features"]
    shift: Float[Array, " features"]
    running_mean: Statistic
    running_variance: Statistic
    momentum: float = fixed()
    epsilon: float = fixed()

    def __call__(self, x: Float[Array, "batch *shape"]) -> Float[Array, "batch *shape"]:
        """Normalize by the running mean and variance."""
        return self._normalize(x, self.running_mean.value, self.running_variance.value)

    def train(
        self, x: Float[Array, "batch *shape"], key: Key[Array, ""]
    ) -> tuple[Float[Array, "batch *shape"], AbstractLayer]:
        """Normalize by the batch's own mean and variance, and let the running ones follow."""
        axes = tuple(range(x.ndim - 1))
        mean, variance = x.mean(axis=axes), x.var(axis=axes)
        follow = lambda running, now: Statistic(  # noqa: E731
            self.momentum * running.value + (1 - self.momentum) * now
        )
        updated = changed(
            self, running_mean=follow(self.running_mean, mean),
            running_variance=follow(self.running_variance, variance),
        )  # fmt: skip
        return self._normalize(x, mean, variance), updated

    def _normalize(
        self,
        x: Float[Array, "batch *shape"],
        mean: Float[Array, " features"],
        variance: Float[Array, " features"],
    ) -> Float[Array, "batch *shape"]:
        factor = self.scale / jnp.sqrt(variance + self.epsilon)
        return x * _along_last(factor, x.ndim) + _along_last(self.shift - mean * factor, x.ndim)


class LayerNormLayer(AbstractLayer):
    """y = γ (x - μ) / √(σ² + ε) + β, with μ and σ² over each example's own last axis."""

    scale: Float[Array, " features"]
    shift: Float[Array, " features"]
    epsilon: float = fixed()

    def __call__(self, x: Float[Array, "batch *shape"]) -> Float[Array, "batch *shape"]:
        """Normalize each example by itself."""
        mean = x.mean(axis=-1, keepdims=True)
        variance = x.var(axis=-1, keepdims=True)
        normalized = (x - mean) / jnp.sqrt(variance + self.epsilon)
        return normalized * _along_last(self.scale, x.ndim) + _along_last(self.shift, x.ndim)


def _along_last(values: Float[Array, " features"], ndim: int) -> Float[Array, "..."]:
    return values.reshape((1,) * (ndim - 1) + values.shape)


class _Normalization(LayerDescription):
    epsilon: float = Field(default=1e-5, gt=0, le=1)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape unchanged."""
        return input_shape

    def n_parameters(self, input_shape: Shape) -> int:
        """Return one scale γ and one shift β for each feature or channel."""
        return 2 * input_shape[-1]

    def __str__(self) -> str:
        return self.kind


class BatchNorm(_Normalization):
    """Normalize each feature (or channel) over the batch, then scale and shift it.

    y = γ (x - μ) / √(σ² + ε) + β. While learning, μ and σ² are the batch's own; afterwards
    they are the running ones, r ← m r + (1 - m) batch value.

    Parameters
    ----------
    momentum : float, default 0.9
        The share m of the running statistics that is kept at each step, in [0, 1).
    epsilon : float, default 1e-5
        ε, above 0.

    References
    ----------
    Ioffe, Szegedy (2015). Batch normalization. arXiv:1502.03167.

    Notes
    -----
    The running variance follows the biased batch variance (divided by n, not n - 1).
    """

    kind: Literal["batch_norm"] = "batch_norm"
    momentum: float = Field(default=0.9, ge=0, lt=1)

    def build(self, input_shape: Shape, key: RandomKey) -> BatchNormLayer:
        """Start with γ = 1, β = 0, running mean 0 and variance 1."""
        ones, zeros = _ones_and_zeros(input_shape, key)
        return BatchNormLayer(
            ones, zeros, Statistic(zeros), Statistic(ones), self.momentum, self.epsilon
        )


class LayerNorm(_Normalization):
    """Normalize each example over its features (or, pixel by pixel, its channels).

    y = γ (x - μ) / √(σ² + ε) + β, the same while learning and afterwards.

    Parameters
    ----------
    epsilon : float, default 1e-5
        ε, above 0.

    References
    ----------
    Ba, Kiros, Hinton (2016). Layer normalization. arXiv:1607.06450.
    """

    kind: Literal["layer_norm"] = "layer_norm"

    def build(self, input_shape: Shape, key: RandomKey) -> LayerNormLayer:
        """Start with γ = 1 and β = 0."""
        return LayerNormLayer(*_ones_and_zeros(input_shape, key), self.epsilon)


def _ones_and_zeros(
    shape: Shape, key: RandomKey
) -> tuple[Float[Array, " features"], Float[Array, " features"]]:
    n_features = shape[-1]
    return lay(key, np.ones(n_features)), lay(key, np.zeros(n_features))
