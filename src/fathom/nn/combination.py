"""The combination layer: factors first, each judged by itself, then what they make together."""

from typing import Annotated, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field, FiniteFloat, model_validator

from fathom.errors import ArchitectureError
from fathom.nn.keys import RandomKey, lay
from fathom.nn.layer import AbstractLayer, LayerDescription, Shape
from fathom.nn.named import ActivationName
from fathom.nn.tree import fixed
from fathom.nn.xla import Array, jax, jnp

MAX_COMBINATIONS = 1024
Size = Annotated[int, Field(ge=2, le=MAX_COMBINATIONS)]


class CombinationLayer(AbstractLayer):
    """Joins what is said of each factor: z_k = Σ_j x[part of factor j in combination k] + b_k.

    It learns nothing but the offsets b; which inputs a combination adds up is fixed.
    """

    bias: Float[Array, " out"]
    parts: tuple[tuple[int, ...], ...] = fixed()
    n_inputs: int = fixed()

    @property
    def activation(self) -> ActivationName:
        """Always ``"softmax"``: one combination is the answer."""
        return "softmax"

    @property
    def weight(self) -> Float[np.ndarray, "out in"]:
        """The layer as a matrix of 0 and 1: W[k, i] is 1 where combination k has part i."""
        matrix = np.zeros((len(self.parts), self.n_inputs), np.float32)
        np.put_along_axis(matrix, np.array(self.parts), 1.0, axis=1)
        return matrix

    def combine(self, x: Float[Array, "batch in"]) -> Float[Array, "batch out"]:
        """Add up what each combination is made of, and its offset."""
        return jnp.sum(x[:, np.array(self.parts)], axis=2) + self.bias[None, :]

    def __call__(self, x: Float[Array, "batch in"]) -> Float[Array, "batch out"]:
        """Return the probability of each combination."""
        return jax.nn.softmax(self.combine(x), axis=1)


class Combination(LayerDescription):
    """An output layer for several factors at once: z_k = Σ_j x[j, k_j] + b_k, then softmax.

    The layer before it has one output for each class of each factor, factor after factor (minus
    the energies E_j), and each learns from every row, however rare the combination. The offsets
    b_k begin at the logarithm of how frequent each combination is, so that what is rare is not
    learned as something the features say.

    Parameters
    ----------
    factors : tuple of int
        Classes of each factor; two factors or more.
    seen : tuple of tuple of int
        The combinations there is an output for: a class number for each factor.
    offsets : tuple of float
        Where each b_k begins.

    Examples
    --------
    >>> layer = Combination(factors=(2, 3), seen=((0, 0), (0, 2), (1, 1)), offsets=(0, 0, 0))
    >>> layer.output_shape((5,))
    (3,)

    References
    ----------
    Mahajan, Pezeshki, Arnal, Mitliagkas, Ahuja, Vincent (2025). Compositional risk minimization.
    ICML. arXiv:2410.06303.
    """

    kind: Literal["combination"] = "combination"
    factors: tuple[Size, ...] = Field(min_length=2, max_length=10)
    seen: tuple[tuple[Annotated[int, Field(ge=0)], ...], ...] = Field(
        min_length=2, max_length=MAX_COMBINATIONS
    )
    offsets: tuple[FiniteFloat, ...] = Field(min_length=2, max_length=MAX_COMBINATIONS)

    @model_validator(mode="after")
    def _fits_together(self) -> "Combination":
        if len(self.offsets) != len(self.seen) or len(set(self.seen)) != len(self.seen):
            raise ValueError("each combination is there once, with one offset")
        for one in self.seen:
            if len(one) != len(self.factors) or any(
                number >= size for number, size in zip(one, self.factors, strict=True)
            ):
                raise ValueError("a combination has a class number for each factor")
        return self

    @property
    def units(self) -> int:
        """How many combinations there is an output for."""
        return len(self.seen)

    @property
    def activation(self) -> ActivationName:
        """Always ``"softmax"``."""
        return "softmax"

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return ``(combinations,)``."""
        if input_shape != (sum(self.factors),):
            raise ArchitectureError(
                f"{sum(self.factors)} inputs, one for each class of each factor",
                got=f"shape {input_shape}",
                hint="put a dense layer of that many units before it",
            )
        return (len(self.seen),)

    def n_parameters(self, input_shape: Shape) -> int:
        """Return one offset for each combination."""
        return len(self.seen)

    def build(self, input_shape: Shape, key: RandomKey) -> CombinationLayer:
        """Make the layer; nothing of it is drawn."""
        begins = np.cumsum((0, *self.factors[:-1])).tolist()
        parts = tuple(
            tuple(begin + number for begin, number in zip(begins, one, strict=True))
            for one in self.seen
        )
        return CombinationLayer(lay(key, self.offsets), parts, sum(self.factors))

    def __str__(self) -> str:
        return f"combination of {' × '.join(map(str, self.factors))} softmax"
