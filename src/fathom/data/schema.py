"""Schema: what goes into a model and what comes out, as data."""

import math
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, FiniteFloat, StringConstraints, model_validator

from fathom.values import Value

MAX_CLASSES = 100_000
MAX_COLUMNS = 100_000
MAX_CATEGORIES = 10_000
MAX_SIGNS = 10_000  # of texts that are written down
MAX_FACTORS, MAX_COMBINATIONS = 10, 1024

Label: TypeAlias = (
    bool
    | Annotated[int, Field(ge=-(2**63), lt=2**63)]
    | FiniteFloat
    | Annotated[str, StringConstraints(max_length=10_000)]
)
Task: TypeAlias = Literal["classes", "labels", "numbers", "text"]
Name: TypeAlias = Annotated[str, StringConstraints(max_length=10_000)]
Side: TypeAlias = Annotated[int, Field(ge=1, le=1024)]
CellKind: TypeAlias = Literal[
    "number", "category", "yes_no", "date", "text", "identifier", "constant"
]
"""Kinds of columns whose cells say all there is to know."""
ColumnKind: TypeAlias = Literal[
    "number", "category", "yes_no", "date", "text", "picture", "identifier", "constant"
]


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
    names: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _one_name_a_column(self) -> Self:
        if self.names and len(self.names) != self.n_features:
            raise ValueError("there is one name for each column, or none at all")
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one example as an array."""
        return (self.n_features,)


class Hearing(Value):
    """How a recording becomes a picture of sound, time by frequency.

    Attributes
    ----------
    rate : int
        Samples a second.
    window, hop : int
        Samples looked at at once, and from one look to the next.
    bands : int
        Bands of frequencies, on the mel scale.
    lowest, highest : float
        Where they begin and end, in hertz.
    range_db : float
        Decibels below the loudest of a recording, at which silence begins.
    stretch : float
        Factor by which a recording may become longer or shorter to be as long as others; 1 where
        it stays as long as it is.
    """

    rate: int = Field(ge=100, le=1_000_000)
    window: int = Field(ge=2, le=2**20)
    hop: int = Field(ge=1, le=2**20)
    bands: int = Field(ge=1, le=1024)
    lowest: FiniteFloat = Field(ge=0)
    highest: FiniteFloat = Field(gt=0)
    range_db: FiniteFloat = Field(default=80.0, ge=1, le=200)
    stretch: FiniteFloat = Field(default=1.0, ge=1, le=16)

    @model_validator(mode="after")
    def _has_room_for_bands(self) -> Self:
        if not self.lowest < self.highest <= self.rate / 2:
            raise ValueError("bands lie between 0 and half the sampling rate")
        if not self.hop <= self.window <= min(self.rate, 16 * self.hop):
            raise ValueError("a window is as long as 1 to 16 hops, and a second at most")
        return self


class ImageInput(Value):
    """A picture.

    Attributes
    ----------
    height, width, channels : int
        Its size in pixels, and numbers per pixel.
    is_ink : bool
        Whether every pixel is ink (1) or no ink (0).
    is_photo : bool
        Whether pixels are levels from 0 to 255 of a picture that may have had any size.
    hearing : Hearing or None
        How a recording becomes such a picture, moments from top to bottom, bands from left to
        right; None for what is to be seen.
    """

    kind: Literal["image"] = "image"
    height: int = Field(ge=1, le=16_384)
    width: int = Field(ge=1, le=16_384)
    channels: int = Field(ge=1, le=1024)
    is_ink: bool = False
    is_photo: bool = False
    hearing: Hearing | None = None

    @model_validator(mode="after")
    def _sound_is_levels(self) -> Self:
        hearing = self.hearing
        if hearing is not None and (
            not self.is_photo or self.channels != 1 or self.width != hearing.bands
        ):
            raise ValueError("a picture of sound has levels, one channel, and a column a band")
        return self

    @property
    def n_features(self) -> int:
        """How many numbers one picture is."""
        return self.height * self.width * self.channels

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one example as an array."""
        return (self.height, self.width, self.channels)


class Column(Value):
    """One column of a table.

    Attributes
    ----------
    name : str
        Its name.
    kind : str
        ``number``, ``category``, ``yes_no``, ``date``, ``text``, or ``picture`` for paths of
        pictures; ``identifier`` and ``constant`` columns are known but not used.
    categories : tuple of str
        The categories seen in training, the most frequent first; for ``yes_no`` the two spellings,
        no before yes.
    style : str
        How its values are written, for example ``plain``, ``thousands`` or ``%Y-%m-%d``.
    low, high : float or None
        Smallest and largest value seen in training; for dates in days since 1970-01-01.
    missing_words : tuple of str
        Words that stand for missing in this column alone, besides the list for all columns.
    n_distinct, n_missing : int
        Distinct values and missing ones in the training rows.
    reason : str
        Why it is taken for this kind, in words.
    shape : tuple of int or None
        Height, width and channels that its pictures are brought to, once that is chosen.
    """

    name: Name
    kind: ColumnKind
    categories: tuple[Name, ...] = Field(default=(), max_length=MAX_CATEGORIES)
    style: Annotated[str, StringConstraints(max_length=100)] = "plain"
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None
    missing_words: tuple[Name, ...] = Field(default=(), max_length=100)
    n_distinct: int = Field(default=0, ge=0)
    n_missing: int = Field(default=0, ge=0)
    reason: Annotated[str, StringConstraints(max_length=1000)] = ""
    shape: tuple[Side, Side, Literal[1, 3]] | None = None

    @model_validator(mode="after")
    def _suits_its_kind(self) -> Self:
        if self.kind == "yes_no" and len(self.categories) != 2:
            raise ValueError("a column of yes and no has two categories")
        if self.shape is not None and self.kind != "picture":
            raise ValueError("a shape belongs to a column of pictures")
        return self

    @property
    def is_used(self) -> bool:
        """Whether the network sees it."""
        return self.kind not in ("identifier", "constant")


class TableInput(Value):
    """A row of a table: columns of several kinds.

    Attributes
    ----------
    columns : tuple of Column
        The columns in the order of the training table.
    is_named : bool
        Whether the columns have names of their own, so that they are found by name.
    """

    kind: Literal["table"] = "table"
    columns: tuple[Column, ...] = Field(min_length=1, max_length=MAX_COLUMNS)
    is_named: bool = True

    @property
    def n_features(self) -> int:
        """How many columns."""
        return len(self.columns)

    @property
    def has_pictures(self) -> bool:
        """Whether a column names pictures."""
        return any(column.kind == "picture" for column in self.columns)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one row."""
        return (len(self.columns),)


class Factor(Value):
    """One of several columns of classes that are predicted together.

    Attributes
    ----------
    name : str
        Its name.
    classes : tuple
        Its classes, sorted, as the user wrote them.
    """

    name: Name
    classes: tuple[Label, ...] = Field(min_length=2, max_length=MAX_CLASSES)


class Target(Value):
    """What is predicted.

    Attributes
    ----------
    task : {"classes", "labels", "numbers", "text"}
        One of several classes, several labels that each hold or not, one or several numbers, or
        what is said.
    classes : tuple
        The classes, sorted, as the user wrote them; empty for the other tasks. Of several factors
        the combinations that training saw, as text.
    n_outputs : int
        How many labels or numbers; 1 for classes.
    is_flat : bool
        Whether the target is one value per row, shape (n,), rather than columns.
    names : tuple of str
        Names of the target's columns; empty where they have none.
    signs : tuple of str
        The signs that texts are written with, sorted; empty for the other tasks.
    factors : tuple of Factor
        Columns of classes that are factors of one answer; empty unless there are several.
    seen : tuple of tuple of int
        Of factors, the class numbers of each combination in ``classes``, ascending.
    counts : tuple of int
        How many training rows each of them had.
    """

    task: Task
    classes: tuple[Label, ...] = Field(default=(), max_length=MAX_CLASSES)
    n_outputs: int = Field(default=1, ge=1, le=MAX_CLASSES)
    is_flat: bool = True
    names: tuple[Name, ...] = Field(default=(), max_length=MAX_CLASSES)
    signs: tuple[Annotated[str, StringConstraints(min_length=1, max_length=1)], ...] = Field(
        default=(), max_length=MAX_SIGNS
    )

    @model_validator(mode="after")
    def _signs_belong_to_texts(self) -> Self:
        if (self.task == "text") != bool(self.signs) or len(set(self.signs)) != len(self.signs):
            raise ValueError("signs, each once, belong to the task 'text', and to no other")
        return self

    factors: tuple[Factor, ...] = Field(default=(), max_length=MAX_FACTORS)
    seen: tuple[tuple[Annotated[int, Field(ge=0)], ...], ...] = Field(
        default=(), max_length=MAX_COMBINATIONS
    )
    counts: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(), max_length=MAX_COMBINATIONS)

    @model_validator(mode="after")
    def _factors_make_the_classes(self) -> Self:
        if not self.factors:
            if self.seen or self.counts:
                raise ValueError("combinations belong to several factors")
            return self
        sizes = [len(factor.classes) for factor in self.factors]
        if self.task != "classes" or len(sizes) < 2 or math.prod(sizes) > MAX_COMBINATIONS:
            raise ValueError(f"factors are several, of {MAX_COMBINATIONS:,} combinations at most")
        if not len(self.seen) == len(self.counts) == len(self.classes):
            raise ValueError("each combination has its class and its count")
        if list(self.seen) != sorted(set(self.seen)):
            raise ValueError("combinations ascend, each there once")
        for one in self.seen:
            if len(one) != len(sizes) or any(n >= size for n, size in zip(one, sizes, strict=True)):
                raise ValueError("a combination has a class number for each factor")
        return self

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
    input : NumbersInput, ImageInput or TableInput
        What one example is.
    target : Target
        What is predicted of it.
    """

    input: Annotated[NumbersInput | ImageInput | TableInput, Field(discriminator="kind")]
    target: Target
