"""What every layer is: a description, which is data, and a module, which computes."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, TypeAlias, TypeVar

from jaxtyping import Float, Key

from fathom.errors import ArchitectureError, FathomError
from fathom.nn.keys import RandomKey
from fathom.nn.tree import Module, divide
from fathom.nn.xla import Array
from fathom.values import Value

Shape: TypeAlias = tuple[int, ...]
"""The shape of one example: ``(features,)`` or ``(height, width, channels)``."""

M = TypeVar("M", bound=Module)
InsideLine: TypeAlias = tuple[str, Shape, int]
"""A layer inside another one as tables show it: its name, the shape it makes, its parameters."""


MAX_VALUES_PER_EXAMPLE = 2**24
"""The most numbers a layer may make of one example."""


def require_bounded(shape: Shape) -> Shape:
    """Return the shape, or refuse one that would fill the memory."""
    if math.prod(shape) > MAX_VALUES_PER_EXAMPLE:
        raise ArchitectureError(
            f"at most {MAX_VALUES_PER_EXAMPLE:,} values per example", got=f"shape {shape}",
            hint="pool earlier, or use fewer channels",
        )  # fmt: skip
    return shape


class LayerDescription(Value):
    """A layer as data: what it is, before it has a single weight.

    Every description knows which input shapes it accepts, what shape it returns, how many
    parameters it has, and how to build the module that computes it.
    """

    error_type: ClassVar[type[FathomError]] = ArchitectureError

    kind: str

    @abstractmethod
    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape this layer gives for one example.

        Raises
        ------
        ArchitectureError
            If the layer cannot follow an input of this shape.
        """

    @abstractmethod
    def n_parameters(self, input_shape: Shape) -> int:
        """Return the number of trainable parameters."""

    @abstractmethod
    def build(self, input_shape: Shape, key: RandomKey) -> "AbstractLayer":
        """Make the module that computes this layer."""

    def inside(self) -> tuple[InsideLine, ...]:
        """Name what is inside the layer, where a table shows that on lines of its own."""
        return ()

    @abstractmethod
    def __str__(self) -> str:
        """Name the layer in a few words, for tables."""


def every_layer(layers: Iterable[LayerDescription]) -> Iterator[LayerDescription]:
    """Yield layers, and those inside of them."""
    for layer in layers:
        yield layer
        yield from every_layer(getattr(layer, "layers", ()))


class Statistic(Module):
    """An array a layer keeps but no optimizer may touch, such as a running mean."""

    value: Array


class AbstractLayer(Module, ABC):
    """A layer that computes: batches in, batches out."""

    @property
    def is_convolution(self) -> bool:
        """Whether the layer computes a convolution."""
        return False

    @abstractmethod
    def __call__(self, x: Float[Array, "batch *shape"]) -> Float[Array, "batch *shape_out"]:
        """Compute the layer's output as a trained network does."""

    def train(
        self, x: Float[Array, "batch *shape"], key: Key[Array, ""]
    ) -> tuple[Float[Array, "batch *shape_out"], "AbstractLayer"]:
        """Compute the output while learning, and the layer with its statistics brought up to date.

        Layers that behave the same in training and afterwards need not override this.
        """
        return self(x), self

    def scaled_on(self, x: Float[Array, "batch *shape"]) -> "AbstractLayer":
        """Return the layer scaled on data, where its initializer asks for that."""
        return self


def is_trainable(leaf: Any) -> bool:
    """Tell whether a leaf of a network is changed by the optimizer."""
    return getattr(getattr(leaf, "dtype", None), "kind", None) == "f"


def partition(module: M) -> tuple[M, M]:
    """Split a module into what the optimizer changes and everything else.

    Returns
    -------
    tuple of Module
        The trainable part and the rest, each with None where the other has an array or a
        `Statistic`; `fathom.nn.tree.join` joins them again.
    """
    return divide(module, is_trainable, Statistic)
