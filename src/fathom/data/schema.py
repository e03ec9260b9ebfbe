"""Schema: what goes into a model and what comes out, as data."""

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, FiniteFloat, StringConstraints, model_validator

from fathom.values import Value

MAX_CLASSES = 100_000

Label: TypeAlias = (
    bool
    | Annotated[int, Field(ge=-(2**63), lt=2**63)]
    | FiniteFloat
    | Annotated[str, StringConstraints(max_length=10_000)]
)
Task: TypeAlias = Literal["classes", "labels", "numbers"]


class NumbersInput(Value):
    """A row of numbers.

    Attributes
    ----------
    n_features : int
        How many numbers.
    names : tuple of str
        Their names, in order; empty where they have none.
    """

    kind: Literal["numbers"] = "numbers"
    n_features: int = Field(ge=1, le=10_000_000)
    names: tuple[Annotated[str, StringConstraints(max_length=10_000)], ...] = ()

    @model_validator(mode="after")
    def _one_name_a_column(self) -> Self:
        if self.names and len(self.names) != self.n_features:
            raise ValueError("there is one name for each column, or none at all")
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one example as an array."""
        return (self.n_features,)


class ImageInput(Value):
    """A picture.

    Attributes
    ----------
    height, width, channels : int
        Its size in pixels, and numbers per pixel.
    is_ink : bool
        Whether every pixel is ink (1) or no ink (0).
    """

    kind: Literal["image"] = "image"
    height: int = Field(ge=1, le=16_384)
    width: int = Field(ge=1, le=16_384)
    channels: int = Field(ge=1, le=1024)
    is_ink: bool = False

    @property
    def n_features(self) -> int:
        """How many numbers one picture is."""
        return self.height * self.width * self.channels

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one example as an array."""
        return (self.height, self.width, self.channels)


class Target(Value):
    """What is predicted.

    Attributes
    ----------
    task : {"classes", "labels", "numbers"}
        One of several classes, several labels that each hold or not, or one or several numbers.
    classes : tuple
        The classes, sorted, as the user wrote them; empty for the other tasks.
    n_outputs : int
        How many labels or numbers; 1 for classes.
    is_flat : bool
        Whether the target is one value per row, shape (n,), rather than columns.
    """

    task: Task
    classes: tuple[Label, ...] = Field(default=(), max_length=MAX_CLASSES)
    n_outputs: int = Field(default=1, ge=1, le=MAX_CLASSES)
    is_flat: bool = True

    @model_validator(mode="after")
    def _classes_are_distinct(self) -> Self:
        if (self.task == "classes") != (len(self.classes) >= 2):
            raise ValueError("two classes or more belong to the task 'classes', and to no other")
        if len({(type(label), label) for label in self.classes}) != len(self.classes):
            raise ValueError("a class is named twice")
        if len({type(label) for label in self.classes}) > 1:
            raise ValueError("classes are all of one type: text, whole numbers, numbers or yes/no")
        return self


class Schema(Value):
    """What goes into a model and what comes out.

    Attributes
    ----------
    input : NumbersInput or ImageInput
        What one example is.
    target : Target
        What is predicted of it.
    """

    input: Annotated[NumbersInput | ImageInput, Field(discriminator="kind")]
    target: Target
