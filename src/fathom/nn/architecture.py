"""A network as data: which layers, how wide, how joined, which output and loss."""

from functools import cached_property
from typing import Annotated, ClassVar, TypeAlias

from pydantic import Field, field_validator, model_validator

from fathom.display import note, table
from fathom.errors import ArchitectureError, FathomError
from fathom.nn.bag import Bag
from fathom.nn.blocks import InnerLayer, Residual
from fathom.nn.combination import Combination
from fathom.nn.dense import Dense
from fathom.nn.embedding import Columns
from fathom.nn.layer import Shape, every_layer, require_bounded
from fathom.nn.named import REQUIRED_ACTIVATIONS, ActivationName, LossName, ReductionName
from fathom.nn.stems import Stems
from fathom.values import Value

Layer: TypeAlias = Annotated[
    InnerLayer | Residual | Columns | Bag | Stems | Combination, Field(discriminator="kind")
]

MAX_LAYERS = 1000
MAX_PARAMETERS = 2**31


class Architecture(Value):
    """A network described: it can be printed, compared, saved and built, but has no weights yet.

    Parameters
    ----------
    input_shape : tuple of int
        Shape of one example: ``(features,)``, ``(height, width, channels)``, or of a sequence
        ``(time, features)``.
    layers : tuple of layer descriptions
        From the first hidden layer to the output layer, which is a `Dense` layer, or a
        `Combination` of several factors.
    loss : {"cross_entropy", "binary_cross_entropy", "squared_error", "ctc"}
        What is minimized. Cross entropy needs a softmax output (one choice), binary cross
        entropy a sigmoid output (independent probabilities); squared error takes any. Sequences
        take ctc, which needs a softmax output, and nothing else does.
    reduction : {"mean", "total"}, default "mean"
        Whether the loss of a batch is the mean or the total over its examples.

    Raises
    ------
    ArchitectureError
        If the network cannot be built; names the layer and says why.

    Examples
    --------
    >>> network = Architecture(
    ...     input_shape=(4,),
    ...     layers=(Dense(units=8), Dense(units=3, activation="softmax")),
    ...     loss="cross_entropy",
    ... )
    >>> network.n_parameters
    67
    >>> print(network)
    layer             shape parameters
    input             4
    1 dense 8 relu    8             40
    2 dense 3 softmax 3             27
    67 parameters, loss: cross entropy (mean)
    """

    error_type: ClassVar[type[FathomError]] = ArchitectureError

    input_shape: Shape
    layers: tuple[Layer, ...] = Field(min_length=1, max_length=MAX_LAYERS)
    loss: LossName
    reduction: ReductionName = "mean"

    @field_validator("input_shape")
    @classmethod
    def _input_shape_in_range(cls, value: Shape) -> Shape:
        if len(value) not in (1, 2, 3) or min(value) < 1:
            raise ArchitectureError(
                "an input_shape of (features,), (height, width, channels) or (time, features), "
                "each 1 or more",
                got=f"{value}",
            )
        return require_bounded(value)

    @model_validator(mode="after")
    def _can_be_built(self) -> "Architecture":
        n_layers = sum(1 for _ in every_layer(self.layers))
        if n_layers > MAX_LAYERS:
            raise ArchitectureError(
                f"at most {MAX_LAYERS:,} layers in all", got=f"{n_layers:,}",
                hint="leave layers out",
            )  # fmt: skip
        if self.n_parameters > MAX_PARAMETERS:
            raise ArchitectureError(
                f"at most {MAX_PARAMETERS:,} parameters", got=f"{self.n_parameters:,}",
                hint="make layers narrower, or pool before dense ones",
            )  # fmt: skip
        for number, layer in enumerate(self.layers[:-1], start=1):
            if isinstance(layer, Combination):
                raise ArchitectureError(
                    "a combination at the output layer only", got=f"one in layer {number}",
                    hint="put it at the end",
                )  # fmt: skip
        if not isinstance(self.layers[-1], (Dense, Combination)):
            raise ArchitectureError(
                "a dense output layer at the end",
                got=f"layer {len(self.layers)} ({self.layers[-1]})",
                hint="add Dense(units=number of outputs, ...)",
            )
        needed = REQUIRED_ACTIVATIONS.get(self.loss)
        if needed is not None and self.output_activation != needed:
            raise ArchitectureError(
                f"a {needed} output for the loss {self.loss}",
                got=f"{self.output_activation} in layer {len(self.layers)}",
                hint=f"give the last layer activation='{needed}', or take loss='squared_error'",
            )
        is_sequence = len(self.input_shape) == 2 and len(self.shapes[-1]) == 2
        if is_sequence != (self.loss == "ctc") or (len(self.input_shape) == 2) != is_sequence:
            raise ArchitectureError(
                "the loss ctc for sequences from end to end, and for nothing else",
                got=f"{self.loss} for {self.input_shape} to {self.shapes[-1]}",
                hint="a picture has the input_shape (height, width, channels)",
            )
        if self.loss in ("cross_entropy", "ctc") and self.n_outputs < 2:
            raise ArchitectureError(
                "at least 2 outputs for a choice by softmax",
                got=f"{self.n_outputs}",
                hint="use one sigmoid output with loss='binary_cross_entropy'",
            )
        return self

    @cached_property
    def shapes(self) -> tuple[Shape, ...]:
        """Shape of one example at the input and after every layer."""
        shapes = [self.input_shape]
        for number, layer in enumerate(self.layers, start=1):
            try:
                if getattr(layer, "activation", None) == "softmax" and number < len(self.layers):
                    raise ArchitectureError(
                        "softmax at the output layer only", got="softmax in a hidden layer",
                        hint="give that layer another activation, for example relu",
                    )  # fmt: skip
                shape = require_bounded(layer.output_shape(shapes[-1]))
            except ArchitectureError as error:
                where = f"layer {number} ({layer})"
                raise ArchitectureError(
                    f"in {where} {error.expected}", got=error.got, hint=error.hint
                ) from None
            shapes.append(shape)
        return tuple(shapes)

    @cached_property
    def parameter_counts(self) -> tuple[int, ...]:
        """Number of trainable parameters of every layer."""
        pairs = zip(self.layers, self.shapes[:-1], strict=True)
        return tuple(layer.n_parameters(shape) for layer, shape in pairs)

    @property
    def n_parameters(self) -> int:
        """Number of trainable parameters of the whole network."""
        return sum(self.parameter_counts)

    @property
    def n_outputs(self) -> int:
        """Number of neurons in the output layer."""
        return self.shapes[-1][-1]

    @property
    def output_activation(self) -> ActivationName:
        """Activation function of the output layer."""
        output = self.layers[-1]
        assert isinstance(output, (Dense, Combination))
        return output.activation

    def _lines(self) -> list[tuple[str, str, str]]:
        """Name the input and every layer, with shape and parameters; what is inside comes below."""
        told: list[tuple[str, Shape, str]] = [("input", self.input_shape, "")]
        for number, layer in enumerate(self.layers, start=1):
            count = self.parameter_counts[number - 1]
            told.append((f"{number} {layer}", self.shapes[number], f"{count:,}"))
            told += [(f"  {name}", shape, f"{n:,}") for name, shape, n in layer.inside()]
        return [(name, "×".join(map(str, shape)), count) for name, shape, count in told]

    def _repr_html_(self) -> str:
        lines = self._lines()
        loss = f"loss: {self.loss.replace('_', ' ')} ({self.reduction})"
        last = note(f"{self.n_parameters:,} parameters, {loss}")
        return table(("layer", "shape", "parameters"), lines) + last

    def __str__(self) -> str:
        names, shapes, counts = zip(("layer", "shape", "parameters"), *self._lines(), strict=True)
        widths = [max(map(len, column)) for column in (names, shapes, counts)]
        rows = [
            f"{name:<{widths[0]}} {shape:<{widths[1]}} {count:>{widths[2]}}".rstrip()
            for name, shape, count in zip(names, shapes, counts, strict=True)
        ]
        loss = f"loss: {self.loss.replace('_', ' ')} ({self.reduction})"
        return "\n".join([*rows, f"{self.n_parameters:,} parameters, {loss}"])
