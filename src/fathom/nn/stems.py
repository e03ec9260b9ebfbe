"""Stems: inputs of different sorts, side by side in one row, each coming in in its own way."""

import math
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, TypeAlias

from jaxtyping import Float, Key
from pydantic import Field, StringConstraints, field_validator

from fathom.errors import ArchitectureError, FathomError
from fathom.nn.bag import Bag
from fathom.nn.blocks import InnerLayer, Residual, scale_through, train_through
from fathom.nn.embedding import Columns
from fathom.nn.keys import RandomKey, fold_in
from fathom.nn.layer import AbstractLayer, InsideLine, LayerDescription, Shape, require_bounded
from fathom.nn.tree import fixed
from fathom.nn.xla import Array, jax, jnp
from fathom.values import Value

StemLayer: TypeAlias = Annotated[
    InnerLayer | Residual | Columns | Bag, Field(discriminator="kind")
]  # fmt: skip


class StemsLayer(AbstractLayer):
    """Chains side by side, each of which reads its part of a row: y = (f₁(x₁), f₂(x₂), ...)."""

    stems: tuple[tuple[AbstractLayer, ...], ...]
    parts: tuple[tuple[int, Shape], ...] = fixed()  # where each begins, its shape

    @property
    def is_convolution(self) -> bool:
        """Whether any layer of a stem computes a convolution."""
        return any(layer.is_convolution for stem in self.stems for layer in stem)

    def _read(self, x: Float[Array, "batch features"]) -> Iterator[Float[Array, "batch *shape"]]:
        for first, shape in self.parts:
            yield x[:, first : first + math.prod(shape)].reshape(x.shape[0], *shape)

    def __call__(self, x: Float[Array, "batch features"]) -> Float[Array, "batch out"]:
        """Compute every stem, and lay what they make side by side."""
        made = []
        for part, stem in zip(self._read(x), self.stems, strict=True):
            for layer in stem:
                part = layer(part)
            made.append(part)
        return jnp.concatenate(made, axis=1)

    def train(
        self, x: Float[Array, "batch features"], key: Key[Array, ""]
    ) -> tuple[Float[Array, "batch out"], AbstractLayer]:
        """Compute every stem while it learns."""
        made, stems = [], []
        for number, (part, stem) in enumerate(zip(self._read(x), self.stems, strict=True)):
            y, after = train_through(stem, part, jax.random.fold_in(key, number))
            made.append(y)
            stems.append(after)
        return jnp.concatenate(made, axis=1), StemsLayer(tuple(stems), self.parts)

    def scaled_on(self, x: Float[Array, "batch features"]) -> AbstractLayer:
        """Scale the layers of every stem one after another."""
        stems = [
            scale_through(stem, part)[0]
            for part, stem in zip(self._read(x), self.stems, strict=True)
        ]  # fmt: skip
        return StemsLayer(tuple(stems), self.parts)


class Stem(Value):
    """One way in: a part of the row, the shape it has, and the layers that read it.

    Parameters
    ----------
    name : str
        What the part is called.
    first : int
        Where in the row it begins, counting from 0.
    shape : tuple of int
        Its shape: ``(features,)``, or ``(height, width, channels)`` of a picture laid out.
    layers : tuple of layer descriptions
        The layers, at least one; what the last one makes is flat.
    """

    error_type: ClassVar[type[FathomError]] = ArchitectureError

    name: Annotated[str, StringConstraints(max_length=1000)]
    first: int = Field(default=0, ge=0, lt=2**31)
    shape: Shape
    layers: tuple[StemLayer, ...] = Field(min_length=1, max_length=64)

    @field_validator("shape")
    @classmethod
    def _shape_in_range(cls, value: Shape) -> Shape:
        if len(value) not in (1, 3) or min(value) < 1:
            raise ArchitectureError(
                "a part of shape (features,) or (height, width, channels), each 1 or more",
                got=f"{value}",
            )
        return require_bounded(value)

    @property
    def last(self) -> int:
        """Where in the row it ends."""
        return self.first + math.prod(self.shape)

    def shapes(self) -> list[Shape]:
        """Return the shape of the part, and what it is after every layer.

        Raises
        ------
        ArchitectureError
            If a layer cannot follow the one before it, or the last one's output is not flat.
        """
        shapes = [self.shape]
        for layer in self.layers:
            try:
                if getattr(layer, "activation", None) == "softmax":
                    raise ArchitectureError("softmax at the output only", got=f"{layer} in a stem")
                shapes.append(require_bounded(layer.output_shape(shapes[-1])))
            except ArchitectureError as error:
                raise ArchitectureError(
                    f"in the stem {self.name} {error.expected}", got=error.got, hint=error.hint
                ) from None
        if len(shapes[-1]) != 1:
            raise ArchitectureError(
                f"a stem {self.name} that makes a flat output", got=f"{shapes[-1]}",
                hint="end it in flatten or global_average_pool",
            )  # fmt: skip
        return shapes

    def counts(self) -> list[int]:
        """Return the number of parameters of every layer."""
        pairs = zip(self.layers, self.shapes()[:-1], strict=True)
        return [layer.n_parameters(shape) for layer, shape in pairs]

    def build(self, key: RandomKey) -> tuple[AbstractLayer, ...]:
        """Draw the layers."""
        return tuple(
            layer.build(shape, fold_in(key, position))
            for position, (layer, shape) in enumerate(
                zip(self.layers, self.shapes()[:-1], strict=True)
            )
        )


class Stems(LayerDescription):
    """Several inputs at once: each stem reads its part of the row, and all they make is joined.

    y = (f₁(x₁), f₂(x₂), ...), as the first layer of a network: for instance the columns of a table,
    the words of a text and a picture, in one row. The layers behind it see all of them together,
    and learning reaches every stem through them.

    Parameters
    ----------
    stems : tuple of Stem
        The stems, at least one. Parts may overlap, and what none of them reads is left out.

    Examples
    --------
    >>> from fathom import Columns, Conv2D, GlobalAveragePool
    >>> layer = Stems(
    ...     stems=(
    ...         Stem(name="columns", shape=(3,), layers=(Columns(n_numbers=3),)),
    ...         Stem(
    ...             name="photo",
    ...             first=3,
    ...             shape=(8, 8, 1),
    ...             layers=(Conv2D(channels=4), GlobalAveragePool()),
    ...         ),
    ...     )
    ... )
    >>> layer.output_shape((3 + 8 * 8,))
    (7,)

    References
    ----------
    Ngiam, Khosla, Kim, Nam, Lee, Ng (2011). Multimodal deep learning. ICML.
    """

    kind: Literal["stems"] = "stems"
    stems: tuple[Stem, ...] = Field(min_length=1, max_length=64)

    @property
    def layers(self) -> tuple[LayerDescription, ...]:
        """The layers of all stems."""
        return tuple(layer for stem in self.stems for layer in stem.layers)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return what all stems make together, as a shape of one part."""
        if len(input_shape) != 1:
            raise ArchitectureError("a flat input of shape (features,)", got=f"{input_shape}")
        for stem in self.stems:
            if stem.last > input_shape[0]:
                raise ArchitectureError(
                    f"a row of {stem.last:,} numbers or more, where the stem {stem.name} ends",
                    got=f"{input_shape[0]:,}",
                )
        return (sum(stem.shapes()[-1][0] for stem in self.stems),)

    def n_parameters(self, input_shape: Shape) -> int:
        """Return the parameters of all stems."""
        return sum(sum(stem.counts()) for stem in self.stems)

    def build(self, input_shape: Shape, key: RandomKey) -> StemsLayer:
        """Draw every stem."""
        stems = tuple(stem.build(fold_in(key, number)) for number, stem in enumerate(self.stems))
        return StemsLayer(stems, tuple((stem.first, stem.shape) for stem in self.stems))

    def inside(self) -> tuple[InsideLine, ...]:
        """Name every layer of every stem, with the shape it makes and its parameters."""
        return tuple(
            (f"{stem.name}: {layer}", shape, count)
            for stem in self.stems
            for layer, shape, count in zip(
                stem.layers, stem.shapes()[1:], stem.counts(), strict=True
            )
        )

    def __str__(self) -> str:
        return "stems " + " + ".join(stem.name for stem in self.stems)
