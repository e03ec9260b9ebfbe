"""The dense layer: every neuron sees every input."""

from typing import Literal

from jaxtyping import Float
from pydantic import Field

from fathom.errors import ArchitectureError
from fathom.nn.activations import ACTIVATIONS, default_initializer
from fathom.nn.initializers import BiasInitializer, Initializer
from fathom.nn.keys import RandomKey, split
from fathom.nn.layer import AbstractLayer, LayerDescription, Shape
from fathom.nn.named import ActivationName
from fathom.nn.tree import changed, fixed
from fathom.nn.xla import Array, jnp


class DenseLayer(AbstractLayer):
    """A layer of neurons: combination function z = W x + b, then activation function a = f(z).

    Rows of W are neurons: ``W[j, i]`` is the synapse from input i to neuron j.
    """

    weight: Float[Array, "out in"]
    bias: Float[Array, " out"] | None
    activation: str = fixed()
    data_scale: float | None = fixed(default=None)

    def combine(self, x: Float[Array, "batch *time in"]) -> Float[Array, "batch *time out"]:
        """Form each neuron's weighted sum: z = W x + b; of a sequence, at every moment."""
        z = x @ self.weight.T
        return z if self.bias is None else z + self.bias.reshape((1,) * (z.ndim - 1) + (-1,))

    def __call__(self, x: Float[Array, "batch *time in"]) -> Float[Array, "batch *time out"]:
        """Compute a = f(W x + b)."""
        return ACTIVATIONS[self.activation](self.combine(x))

    def scaled_on(self, x: Float[Array, "batch in"]) -> AbstractLayer:
        """Give every neuron's sum the standard deviation its initializer asks for."""
        if self.data_scale is None:
            return self
        factor = scale_to_spread(jnp.std(self.combine(x), axis=0), self.data_scale)
        return changed(self, weight=self.weight * factor[:, None])


def scale_to_spread(spread: Float[Array, " out"], wanted: float) -> Float[Array, " out"]:
    """Return the factors that bring each spread to the wanted one; 1 where there is no spread."""
    return jnp.where(spread > 0, wanted / jnp.where(spread > 0, spread, 1), 1)


class Dense(LayerDescription):
    """A layer of neurons, each combining all inputs: a = f(W x + b).

    Parameters
    ----------
    units : int
        Number of neurons, 1 to 1,000,000.
    activation : str, default "relu"
        Name of the activation function f; ``"softmax"`` at the output only.
    initializer : Initializer or str, optional
        How W is drawn; He's for the relu family, LeCun's for selu, Glorot's otherwise.
    bias_initializer : Initializer or str, default "zeros"
        How b is drawn: any but orthogonal and data_scaled.
    has_bias : bool, default True
        Whether there is a bias b.

    Examples
    --------
    >>> Dense(units=3, activation="tanh").output_shape((5,))
    (3,)
    """

    kind: Literal["dense"] = "dense"
    units: int = Field(ge=1, le=1_000_000)
    activation: ActivationName = "relu"
    initializer: Initializer | None = None
    bias_initializer: BiasInitializer = Initializer(name="zeros")
    has_bias: bool = True

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return ``(units,)``, or ``(time, units)`` of a sequence."""
        if len(input_shape) not in (1, 2):
            raise ArchitectureError(
                "a flat input of shape (features,)",
                got=f"{input_shape}",
                hint="put a flatten or global_average_pool layer before it",
            )
        return (*input_shape[:-1], self.units)

    def n_parameters(self, input_shape: Shape) -> int:
        """Return units · inputs, and one bias for each unit."""
        return self.units * (input_shape[-1] + self.has_bias)

    def build(self, input_shape: Shape, key: RandomKey) -> DenseLayer:
        """Draw W and b."""
        n_in = input_shape[-1]
        initializer = resolve_initializer(self.initializer, self.activation)
        weight, bias = draw_parameters(
            key, (self.units, n_in), n_in, self.units, initializer,
            self.bias_initializer if self.has_bias else None,
        )  # fmt: skip
        return DenseLayer(weight, bias, self.activation, data_scale(initializer))

    def __str__(self) -> str:
        return f"dense {self.units} {self.activation}"


def resolve_initializer(initializer: Initializer | None, activation: str) -> Initializer:
    """Return the initializer given, or the one that suits the activation function."""
    return initializer or Initializer.model_validate(default_initializer(activation))


def data_scale(initializer: Initializer) -> float | None:
    """Return the spread to scale each neuron to on data, or None where none is asked for."""
    return (initializer.scale or 1.0) if initializer.name == "data_scaled" else None


def draw_parameters(
    key: RandomKey,
    shape: tuple[int, ...],
    n_in: int,
    n_out: int,
    initializer: Initializer,
    bias_initializer: Initializer | None,
) -> tuple[Float[Array, "..."], Float[Array, " out"] | None]:
    """Draw the weights and the biases of a layer of ``n_out`` neurons with ``n_in`` inputs each."""
    weight_key, bias_key = split(key)
    weight = initializer.draw(weight_key, shape, n_in, n_out)
    if bias_initializer is None:
        return weight, None
    units = shape[0] if len(shape) == 2 else shape[-1]
    return weight, bias_initializer.draw(bias_key, (units,), n_in, units)
