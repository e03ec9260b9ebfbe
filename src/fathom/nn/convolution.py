"""Convolution and pooling: the same small neurons everywhere on a picture."""

from typing import Literal

from jaxtyping import Float
from pydantic import Field, field_validator

from fathom.errors import ArchitectureError
from fathom.nn.activations import ACTIVATIONS
from fathom.nn.dense import data_scale, draw_parameters, resolve_initializer, scale_to_spread
from fathom.nn.initializers import BiasInitializer, Initializer
from fathom.nn.keys import RandomKey
from fathom.nn.layer import AbstractLayer, LayerDescription, Shape
from fathom.nn.named import ActivationName
from fathom.nn.tree import changed, fixed
from fathom.nn.xla import Array, jax, jnp

_LAYOUT = ("NHWC", "HWIO", "NHWC")  # channels last: twice as fast as channels first on CPU


class Conv2DLayer(AbstractLayer):
    """A convolution: z[h, w] = Σ_ij K[i, j]ᵀ x[s h + i, s w + j] + b, then a = f(z)."""

    kernel: Float[Array, "kernel_height kernel_width in out"]
    bias: Float[Array, " out"] | None
    activation: str = fixed()
    stride: int = fixed()
    padding: str = fixed()
    data_scale: float | None = fixed(default=None)

    @property
    def is_convolution(self) -> bool:
        """Whether the layer computes a convolution: yes."""
        return True

    def combine(
        self, x: Float[Array, "batch height width in"]
    ) -> Float[Array, "batch height_out width_out out"]:
        """Form each neuron's weighted sum over the patch it sees."""
        z = jax.lax.conv_general_dilated(
            x,
            self.kernel,
            window_strides=(self.stride, self.stride),
            padding=self.padding.upper(),
            dimension_numbers=_LAYOUT,
        )
        return z if self.bias is None else z + self.bias[None, None, None, :]

    def __call__(
        self, x: Float[Array, "batch height width in"]
    ) -> Float[Array, "batch height_out width_out out"]:
        """Compute a = f(K * x + b)."""
        return ACTIVATIONS[self.activation](self.combine(x))

    def scaled_on(self, x: Float[Array, "batch height width in"]) -> AbstractLayer:
        """Give every channel's sum the standard deviation its initializer asks for."""
        if self.data_scale is None:
            return self
        factor = scale_to_spread(jnp.std(self.combine(x), axis=(0, 1, 2)), self.data_scale)
        return changed(self, kernel=self.kernel * factor[None, None, None, :])


class Conv2D(LayerDescription):
    """A convolution layer: neurons that each see a small patch and share their weights.

    Parameters
    ----------
    channels : int
        Number of kernels, 1 to 65,536.
    kernel : int or pair of int, default 3
        Height and width of the patch in pixels, 1 to 64.
    stride : int, default 1
        Step between patches in pixels, 1 to 64.
    padding : {"same", "valid"}, default "same"
        Whether the border is filled with zeros, so that at stride 1 the size is kept.
    activation : str, default "relu"
        Name of the activation function; not ``"softmax"``.
    initializer, bias_initializer : Initializer or str
        As for `Dense`.
    has_bias : bool, default True
        Whether each channel has a bias.

    Examples
    --------
    >>> Conv2D(channels=8).output_shape((16, 16, 1))
    (16, 16, 8)
    """

    kind: Literal["conv2d"] = "conv2d"
    channels: int = Field(ge=1, le=65_536)
    kernel: tuple[int, int] = (3, 3)
    stride: int = Field(default=1, ge=1, le=64)
    padding: Literal["same", "valid"] = "same"
    activation: ActivationName = "relu"
    initializer: Initializer | None = None
    bias_initializer: BiasInitializer = Initializer(name="zeros")
    has_bias: bool = True

    @field_validator("kernel", mode="before")
    @classmethod
    def _square_kernel(cls, value: object) -> object:
        return (value, value) if isinstance(value, int) else value

    @field_validator("kernel")
    @classmethod
    def _kernel_in_range(cls, value: tuple[int, int]) -> tuple[int, int]:
        if not all(1 <= side <= 64 for side in value):
            raise ValueError(f"a kernel side is 1 to 64 pixels, got {value}")
        return value

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return ``(height, width, channels)`` after the strides."""
        require_image(input_shape)
        if self.activation == "softmax":
            raise ArchitectureError(
                "softmax at the output layer only", got="softmax in a convolution",
                hint="give it another activation, for example relu",
            )  # fmt: skip
        sides = []
        for side, kernel in zip(input_shape[:2], self.kernel, strict=True):
            room = side if self.padding == "same" else side - kernel + 1
            if room < 1:
                raise ArchitectureError(
                    f"an input at least as large as the kernel {self.kernel}",
                    got=f"{input_shape}",
                    hint="use padding='same' or a smaller kernel",
                )
            sides.append(-(-room // self.stride))
        return (*sides, self.channels)

    def n_parameters(self, input_shape: Shape) -> int:
        """Return kernel area · input channels · channels, and one bias for each channel."""
        area = self.kernel[0] * self.kernel[1]
        return self.channels * (area * input_shape[2] + self.has_bias)

    def build(self, input_shape: Shape, key: RandomKey) -> Conv2DLayer:
        """Draw the kernels and biases."""
        area = self.kernel[0] * self.kernel[1]
        initializer = resolve_initializer(self.initializer, self.activation)
        kernel, bias = draw_parameters(
            key, (*self.kernel, input_shape[2], self.channels),
            area * input_shape[2], area * self.channels, initializer,
            self.bias_initializer if self.has_bias else None,
        )  # fmt: skip
        return Conv2DLayer(
            kernel, bias, self.activation, self.stride, self.padding, data_scale(initializer)
        )

    def __str__(self) -> str:
        stride = f" stride {self.stride}" if self.stride > 1 else ""
        height, width = self.kernel
        return f"conv2d {self.channels} {height}×{width}{stride} {self.activation}"


class PoolLayer(AbstractLayer):
    """Pooling over squares that do not overlap; rows and columns left over are dropped."""

    size: int = fixed()
    is_max: bool = fixed()

    def __call__(
        self, x: Float[Array, "batch height width channels"]
    ) -> Float[Array, "batch height_out width_out channels"]:
        """Take the maximum or the mean of each square."""
        batch, height, width, channels = x.shape
        rows, columns = height // self.size, width // self.size
        x = x[:, : rows * self.size, : columns * self.size]
        # By reshape rather than reduce_window, whose gradient is 9 times slower on CPU.
        x = x.reshape(batch, rows, self.size, columns, self.size, channels)
        return x.max(axis=(2, 4)) if self.is_max else x.mean(axis=(2, 4))


class _Pool(LayerDescription):
    size: int = Field(default=2, ge=1, le=1024)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return height and width divided by the size, rounded down."""
        require_image(input_shape)
        if min(input_shape[:2]) < self.size:
            raise ArchitectureError(
                f"an input of at least {self.size}×{self.size} pixels",
                got=f"{input_shape}",
                hint="pool less, or use a smaller size",
            )
        return (input_shape[0] // self.size, input_shape[1] // self.size, input_shape[2])

    def n_parameters(self, input_shape: Shape) -> int:
        """Return 0."""
        return 0

    def build(self, input_shape: Shape, key: RandomKey) -> PoolLayer:
        """Make the layer; there is nothing to draw."""
        return PoolLayer(self.size, self.kind == "max_pool")

    def __str__(self) -> str:
        return f"{self.kind} {self.size}×{self.size}"


class MaxPool(_Pool):
    """Keep the largest value of every ``size`` × ``size`` square, channel by channel.

    Parameters
    ----------
    size : int, default 2
        Side of the square in pixels, and the step from one to the next.
    """

    kind: Literal["max_pool"] = "max_pool"


class AveragePool(_Pool):
    """Keep the mean of every ``size`` × ``size`` square, channel by channel.

    Parameters
    ----------
    size : int, default 2
        Side of the square in pixels, and the step from one to the next.
    """

    kind: Literal["average_pool"] = "average_pool"


class GlobalAveragePoolLayer(AbstractLayer):
    """The mean of each channel over the whole picture."""

    def __call__(
        self, x: Float[Array, "batch height width channels"]
    ) -> Float[Array, "batch channels"]:
        """Average over height and width."""
        return x.mean(axis=(1, 2))


class GlobalAveragePool(LayerDescription):
    """Average each channel over the whole picture: (height, width, channels) to (channels,)."""

    kind: Literal["global_average_pool"] = "global_average_pool"

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return ``(channels,)``."""
        require_image(input_shape)
        return (input_shape[2],)

    def n_parameters(self, input_shape: Shape) -> int:
        """Return 0."""
        return 0

    def build(self, input_shape: Shape, key: RandomKey) -> GlobalAveragePoolLayer:
        """Make the layer; there is nothing to draw."""
        return GlobalAveragePoolLayer()

    def __str__(self) -> str:
        return self.kind


def require_image(shape: Shape) -> None:
    """Refuse a shape that is not (height, width, channels)."""
    if len(shape) != 3:
        raise ArchitectureError(
            "an image input of shape (height, width, channels)",
            got=f"{shape}",
            hint="give the architecture a three-part input_shape, for example (16, 16, 1)",
        )
