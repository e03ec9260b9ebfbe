"""Bag: how the n-grams of a text come into a network."""

from typing import Literal

from jaxtyping import Float, Key
from pydantic import Field

from fathom.errors import ArchitectureError
from fathom.nn.initializers import draw_normal
from fathom.nn.keys import RandomKey, lay
from fathom.nn.layer import AbstractLayer, LayerDescription, Shape, Statistic
from fathom.nn.xla import Array, jax, jnp

SPREAD = 0.03  # of the first vectors: small, so that what is learned soon outweighs it


class BagLayer(AbstractLayer):
    """The weighted sum of learned vectors: y = Σ_j w_j v[c_j], of codes c and weights w."""

    table: Float[Array, "codes units"]
    dropout: Statistic

    def __call__(self, x: Float[Array, "batch codes_and_weights"]) -> Float[Array, "batch units"]:
        """Sum the vectors of the codes, each times its weight."""
        length = x.shape[1] // 2
        return self._sum(x[:, :length], x[:, length:])

    def train(
        self, x: Float[Array, "batch codes_and_weights"], key: Key[Array, ""]
    ) -> tuple[Float[Array, "batch units"], AbstractLayer]:
        """Sum while learning: each code is left out with probability p, the others over 1 - p."""
        length = x.shape[1] // 2
        codes, weights = x[:, :length], x[:, length:]
        rate = self.dropout.value.astype(x.dtype)
        bits = jax.random.bits(key, weights.shape, jnp.uint16).astype(jnp.int32)
        is_kept = bits >= jnp.round(rate * 2**16).astype(jnp.int32)
        return self._sum(codes, jnp.where(is_kept, weights / (1 - rate), 0)), self

    def _sum(
        self, codes: Float[Array, "batch length"], weights: Float[Array, "batch length"]
    ) -> Float[Array, "batch units"]:
        vectors = self.table[codes.astype(jnp.int32)]
        return jnp.einsum("bl,blu->bu", weights, vectors)


class Bag(LayerDescription):
    """The way into a network for texts: a learned vector for each n-gram, summed by weight.

    The input is as many codes as weights, y = Σ_j w_j v[c_j]. It is what a dense layer makes of a
    row with one column for each n-gram, but only those that occur are looked up.

    Parameters
    ----------
    codes : int
        Codes there are; what has weight 0 counts for nothing, whatever its code.
    units : int
        Length of a vector.
    dropout : float, default 0
        Share of the n-grams left out while learning, in [0, 1).

    Examples
    --------
    >>> Bag(codes=1000, units=64).output_shape((2 * 30,))
    (64,)

    References
    ----------
    Joulin, Grave, Bojanowski, Mikolov (2017). Bag of tricks for efficient text classification.
    arXiv:1607.01759. Galke, Scherp (2022). Bag-of-words vs. graph vs. sequence in text
    classification. arXiv:2109.03777.
    """

    kind: Literal["bag"] = "bag"
    codes: int = Field(ge=2, le=2**24)
    units: int = Field(ge=1, le=65_536)
    dropout: float = Field(default=0.0, ge=0, lt=1)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return ``(units,)``."""
        if len(input_shape) != 1 or input_shape[0] % 2:
            raise ArchitectureError(
                "an input of as many codes as weights, (2 · length,)", got=f"{input_shape}",
                hint="a bag stands first, behind codes and weights of n-grams",
            )  # fmt: skip
        return (self.units,)

    def n_parameters(self, input_shape: Shape) -> int:
        """Return one vector for each code."""
        return self.codes * self.units

    def build(self, input_shape: Shape, key: RandomKey) -> BagLayer:
        """Draw the vectors."""
        table = draw_normal(key, (self.codes, self.units), SPREAD)
        return BagLayer(table, Statistic(lay(key, self.dropout)))

    def __str__(self) -> str:
        dropped = f" dropping {self.dropout:g}" if self.dropout else ""
        return f"bag {self.codes:,} codes {self.units}{dropped}"
