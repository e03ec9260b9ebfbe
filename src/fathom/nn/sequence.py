"""Sequences: the same neurons at every moment, each seeing a stretch of time."""

from typing import Literal

from jaxtyping import Float
from pydantic import Field

from fathom.errors import ArchitectureError
from fathom.nn.activations import ACTIVATIONS
from fathom.nn.dense import draw_parameters, resolve_initializer
from fathom.nn.initializers import BiasInitializer, Initializer
from fathom.nn.keys import RandomKey
from fathom.nn.layer import AbstractLayer, LayerDescription, Shape
from fathom.nn.named import ActivationName
from fathom.nn.tree import fixed
from fathom.nn.xla import Array, jnp


class Conv1DLayer(AbstractLayer):
    """A convolution over time: z[t] = Σ_i K[i]ᵀ x[s t + i - p] + b, then a = f(z)."""

    kernel: Float[Array, "taps in out"]
    bias: Float[Array, " out"] | None
    activation: str = fixed()
    stride: int = fixed()

    def combine(self, x: Float[Array, "batch time in"]) -> Float[Array, "batch time_out out"]:
        """Form each neuron's weighted sum over the moments it sees; outside there are zeros."""
        taps, n_in, n_out = self.kernel.shape
        time = x.shape[1]
        after = -(-time // self.stride)
        missing = max(0, (after - 1) * self.stride + taps - time)
        x = jnp.pad(x, ((0, 0), (missing // 2, missing - missing // 2), (0, 0)))
        # As one product of matrices: XLA's gradient of a convolution is far slower on CPU.
        last = (after - 1) * self.stride + 1
        seen = [x[:, tap : tap + last : self.stride] for tap in range(taps)]
        z = jnp.concatenate(seen, axis=2) @ self.kernel.reshape(taps * n_in, n_out)
        return z if self.bias is None else z + self.bias[None, None, :]

    def __call__(self, x: Float[Array, "batch time in"]) -> Float[Array, "batch time_out out"]:
        """Compute a = f(K * x + b)."""
        return ACTIVATIONS[self.activation](self.combine(x))


class Conv1D(LayerDescription):
    """A convolution over time: neurons that each see a few moments and share their weights.

    Parameters
    ----------
    channels : int
        Number of neurons, 1 to 65,536.
    kernel : int, default 5
        Moments each sees, 1 to 1,024.
    stride : int, default 1
        Moments from one look to the next, 1 to 64.
    activation : str, default "relu"
        Name of the activation function; not ``"softmax"``.
    initializer, bias_initializer : Initializer or str
        As for `Dense`; not ``"data_scaled"``.
    has_bias : bool, default True
        Whether each neuron has a bias.

    Examples
    --------
    >>> Conv1D(channels=64, stride=2).output_shape((99, 40))
    (50, 64)
    """

    kind: Literal["conv1d"] = "conv1d"
    channels: int = Field(ge=1, le=65_536)
    kernel: int = Field(default=5, ge=1, le=1024)
    stride: int = Field(default=1, ge=1, le=64)
    activation: ActivationName = "relu"
    initializer: Initializer | None = None
    bias_initializer: BiasInitializer = Initializer(name="zeros")
    has_bias: bool = True

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return ``(time, channels)``, the time divided by the stride and rounded up."""
        if len(input_shape) != 2:
            raise ArchitectureError(
                "a sequence of shape (time, features)", got=f"{input_shape}",
                hint="give the architecture a two-part input_shape, for example (300, 40)",
            )  # fmt: skip
        if self.activation == "softmax":
            raise ArchitectureError(
                "softmax at the output layer only", got="softmax in a convolution",
                hint="give it another activation, for example relu",
            )  # fmt: skip
        if self.initializer is not None and self.initializer.name == "data_scaled":
            raise ArchitectureError(
                "an initializer that needs no data", got="data_scaled", hint="use he_normal"
            )
        return (-(-input_shape[0] // self.stride), self.channels)

    def n_parameters(self, input_shape: Shape) -> int:
        """Return taps · input features · channels, and one bias for each channel."""
        return self.channels * (self.kernel * input_shape[1] + self.has_bias)

    def build(self, input_shape: Shape, key: RandomKey) -> Conv1DLayer:
        """Draw the kernel and the biases."""
        n_in = input_shape[1]
        initializer = resolve_initializer(self.initializer, self.activation)
        kernel, bias = draw_parameters(
            key, (self.kernel, n_in, self.channels), self.kernel * n_in,
            self.kernel * self.channels, initializer,
            self.bias_initializer if self.has_bias else None,
        )  # fmt: skip
        return Conv1DLayer(kernel, bias, self.activation, self.stride)

    def __str__(self) -> str:
        stride = f" stride {self.stride}" if self.stride > 1 else ""
        return f"conv1d {self.channels} {self.kernel}{stride} {self.activation}"
