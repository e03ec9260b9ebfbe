"""The joints of a network: activation, dropout, flatten, and the residual block."""

import math
from typing import Annotated, Literal, TypeAlias

from jaxtyping import Float, Key
from pydantic import Field

from fathom.errors import ArchitectureError
from fathom.nn.activations import ACTIVATIONS
from fathom.nn.convolution import AveragePool, Conv2D, GlobalAveragePool, MaxPool
from fathom.nn.dense import Dense
from fathom.nn.embedding import Gain
from fathom.nn.initializers import Initializer
from fathom.nn.keys import RandomKey, fold_in, lay
from fathom.nn.layer import AbstractLayer, LayerDescription, Shape, Statistic, require_bounded
from fathom.nn.named import ActivationName
from fathom.nn.normalization import BatchNorm, LayerNorm
from fathom.nn.sequence import Conv1D
from fathom.nn.tree import changed, fixed
from fathom.nn.xla import Array, jax, jnp


class ActivationLayer(AbstractLayer):
    """An activation function on its own: a = f(z)."""

    activation: str = fixed()

    def __call__(self, x: Float[Array, "batch *shape"]) -> Float[Array, "batch *shape"]:
        """Apply the activation function."""
        return ACTIVATIONS[self.activation](x)


class DropoutLayer(AbstractLayer):
    """While learning, each value is dropped with probability p and the others divided by 1 - p."""

    rate: Statistic  # an array, so that networks which differ in it alone share their programs

    def __call__(self, x: Float[Array, "batch *shape"]) -> Float[Array, "batch *shape"]:
        """Return the input: a trained network drops nothing."""
        return x

    def train(
        self, x: Float[Array, "batch *shape"], key: Key[Array, ""]
    ) -> tuple[Float[Array, "batch *shape"], AbstractLayer]:
        """Drop values at random."""
        # Sixteen random bits decide as well as a random float, at half the cost.
        bits = jax.random.bits(key, x.shape, jnp.uint16).astype(jnp.int32)
        rate = self.rate.value.astype(x.dtype)
        is_kept = bits >= jnp.round(rate * 2**16).astype(jnp.int32)
        return jnp.where(is_kept, x / (1 - rate), 0), self


class FlattenLayer(AbstractLayer):
    """Lay out every example as one row of numbers."""

    def __call__(self, x: Float[Array, "batch *shape"]) -> Float[Array, "batch features"]:
        """Reshape to (batch, features)."""
        return x.reshape(x.shape[0], -1)


class ResidualLayer(AbstractLayer):
    """y = S x + f(x): the inner layers learn what to add; S is the identity or a projection."""

    layers: tuple[AbstractLayer, ...]
    projection: Float[Array, "out in"] | None

    @property
    def is_convolution(self) -> bool:
        """Whether any inner layer computes a convolution."""
        return any(layer.is_convolution for layer in self.layers)

    def _shortcut(self, x: Float[Array, "batch *shape"]) -> Float[Array, "batch *shape_out"]:
        return x if self.projection is None else x @ self.projection.T

    def __call__(self, x: Float[Array, "batch *shape"]) -> Float[Array, "batch *shape_out"]:
        """Compute S x + f(x)."""
        y = x
        for layer in self.layers:
            y = layer(y)
        return self._shortcut(x) + y

    def train(
        self, x: Float[Array, "batch *shape"], key: Key[Array, ""]
    ) -> tuple[Float[Array, "batch *shape_out"], AbstractLayer]:
        """Compute S x + f(x) while learning."""
        y, layers = train_through(self.layers, x, key)
        return self._shortcut(x) + y, changed(self, layers=layers)

    def scaled_on(self, x: Float[Array, "batch *shape"]) -> AbstractLayer:
        """Scale the inner layers one after another."""
        layers, _ = scale_through(self.layers, x)
        return changed(self, layers=layers)


def train_through(
    layers: tuple[AbstractLayer, ...], x: Float[Array, "batch *shape"], key: Key[Array, ""]
) -> tuple[Float[Array, "batch *shape_out"], tuple[AbstractLayer, ...]]:
    """Run a batch through layers that are learning; return the output and the layers after it."""
    after = []
    for position, layer in enumerate(layers):
        x, layer = layer.train(x, jax.random.fold_in(key, position))
        after.append(layer)
    return x, tuple(after)


def scale_through(
    layers: tuple[AbstractLayer, ...], x: Float[Array, "batch *shape"]
) -> tuple[tuple[AbstractLayer, ...], Float[Array, "batch *shape_out"]]:
    """Scale layers on data from the first to the last; return them and what comes out."""
    after = []
    for layer in layers:
        layer = layer.scaled_on(x)
        after.append(layer)
        x = layer(x)
    return tuple(after), x


class Activation(LayerDescription):
    """An activation function as a layer of its own, for example after a `BatchNorm`.

    Parameters
    ----------
    activation : str, default "relu"
        Name of the activation function; not ``"softmax"``, which belongs to the output layer.
    """

    kind: Literal["activation"] = "activation"
    activation: ActivationName = "relu"

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape unchanged."""
        if self.activation == "softmax":
            raise ArchitectureError(
                "softmax as the activation of the output layer",
                got="softmax as a layer of its own",
                hint="give the last dense layer activation='softmax'",
            )
        return input_shape

    def n_parameters(self, input_shape: Shape) -> int:
        """Return 0."""
        return 0

    def build(self, input_shape: Shape, key: RandomKey) -> ActivationLayer:
        """Make the layer; there is nothing to draw."""
        return ActivationLayer(self.activation)

    def __str__(self) -> str:
        return f"activation {self.activation}"


class Dropout(LayerDescription):
    """Drop values at random while learning, so that no neuron leans on a single other.

    y = m x / (1 - p), m = 0 with probability p, else 1; afterwards y = x.

    Parameters
    ----------
    rate : float
        The probability p, 0 to 0.999.

    References
    ----------
    Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov (2014), JMLR 15, 1929-1958.

    Notes
    -----
    The rate is rounded to a multiple of 1 / 65,536.
    """

    kind: Literal["dropout"] = "dropout"
    rate: float = Field(ge=0, le=0.999)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape unchanged."""
        return input_shape

    def n_parameters(self, input_shape: Shape) -> int:
        """Return 0."""
        return 0

    def build(self, input_shape: Shape, key: RandomKey) -> DropoutLayer:
        """Make the layer; there is nothing to draw."""
        return DropoutLayer(Statistic(lay(key, self.rate)))

    def __str__(self) -> str:
        return f"dropout {self.rate:g}"


class Flatten(LayerDescription):
    """Lay out a picture as one row of numbers, row by row of pixels."""

    kind: Literal["flatten"] = "flatten"

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the product of the sides as a shape of one part."""
        return (math.prod(input_shape),)

    def n_parameters(self, input_shape: Shape) -> int:
        """Return 0."""
        return 0

    def build(self, input_shape: Shape, key: RandomKey) -> FlattenLayer:
        """Make the layer; there is nothing to draw."""
        return FlattenLayer()

    def __str__(self) -> str:
        return self.kind


InnerLayer: TypeAlias = Annotated[
    Dense
    | Conv2D
    | Conv1D
    | MaxPool
    | AveragePool
    | GlobalAveragePool
    | BatchNorm
    | LayerNorm
    | Activation
    | Dropout
    | Flatten
    | Gain,
    Field(discriminator="kind"),
]


class Residual(LayerDescription):
    """A residual block: y = x + f(x), so that the layers inside learn only what to add.

    Where f changes the number of features (or channels), x is brought to it by a projection S,
    one weight for each pair of them: y = S x + f(x).

    Parameters
    ----------
    layers : tuple of layer descriptions
        The layers f, at least one; residual blocks do not nest.

    References
    ----------
    He, Zhang, Ren, Sun (2016). Deep residual learning. arXiv:1512.03385.
    """

    kind: Literal["residual"] = "residual"
    layers: tuple[InnerLayer, ...] = Field(min_length=1, max_length=64)

    def shapes(self, input_shape: Shape) -> list[Shape]:
        """Return the shape of one example at the input and after every inner layer."""
        shapes = [input_shape]
        for layer in self.layers:
            if getattr(layer, "activation", None) == "softmax":
                raise ArchitectureError(
                    "softmax at the output only", got=f"{layer} inside",
                    hint="give it another activation, for example relu",
                )  # fmt: skip
            shapes.append(require_bounded(layer.output_shape(shapes[-1])))
        return shapes

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of f(x), which must agree with x in all but the last part."""
        shape = self.shapes(input_shape)[-1]
        if shape[:-1] != input_shape[:-1]:
            raise ArchitectureError(
                f"inner layers that keep the shape {input_shape} but for its last part",
                got=f"{shape}",
                hint="use padding='same' and stride 1 inside, and pool before or after the block",
            )
        return shape

    def n_parameters(self, input_shape: Shape) -> int:
        """Return the parameters of the inner layers and of the projection."""
        shapes = self.shapes(input_shape)
        inner = sum(
            layer.n_parameters(shape) for layer, shape in zip(self.layers, shapes[:-1], strict=True)
        )
        is_projected = shapes[-1] != input_shape
        return inner + is_projected * shapes[-1][-1] * input_shape[-1]

    def build(self, input_shape: Shape, key: RandomKey) -> ResidualLayer:
        """Draw the inner layers, and the projection where one is needed."""
        shapes = self.shapes(input_shape)
        layers = tuple(
            layer.build(shape, fold_in(key, position))
            for position, (layer, shape) in enumerate(zip(self.layers, shapes[:-1], strict=True))
        )
        projection = None
        if shapes[-1] != input_shape:
            n_out, n_in = shapes[-1][-1], input_shape[-1]
            draw = Initializer(name="glorot_uniform").draw
            projection = draw(fold_in(key, len(layers)), (n_out, n_in), n_in, n_out)
        return ResidualLayer(layers, projection)

    def __str__(self) -> str:
        return "residual [" + ", ".join(str(layer) for layer in self.layers) + "]"
