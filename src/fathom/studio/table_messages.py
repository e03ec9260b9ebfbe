"""Messages of the data page: a table, a search while it goes on, and what came of it."""

from typing import Annotated, Literal, TypeAlias

from pydantic import ConfigDict, Field, FiniteFloat

from fathom.data.schema import CellKind, Label, Task
from fathom.estimators.evaluation import ClassReport, Metric
from fathom.inspection.spread import SpreadBand
from fathom.inspection.trust import Bin
from fathom.studio.wording import Words
from fathom.values import Value

Cell: TypeAlias = str | None
Id: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Name: TypeAlias = Annotated[str, Field(max_length=10_000)]
JobState: TypeAlias = Literal["running", "stopping", "done", "failed"]
LEAST_SECONDS, MOST_SECONDS = 1.0, 86_400.0


class ColumnFacts(Value):
    """What a column is taken for, and why."""

    name: str
    kind: CellKind
    reason: Words
    n_distinct: int
    n_missing: int
    low: float | None
    high: float | None
    style: str
    categories: tuple[str, ...]


class SheetFacts(Value):
    """A sheet of a workbook; how large it is only where that was cheap to tell."""

    name: str
    n_rows: int | None
    n_columns: int | None


class TableFacts(Value):
    """A table as it was understood.

    Attributes
    ----------
    sheet : str or None
        The sheet of the workbook that was read; None where the file is no workbook.
    sheets : tuple of SheetFacts
        All sheets of the workbook.
    preview : tuple of tuple of (str or None)
        The first rows, as they were written.
    target : str
        The column that is most likely to be predicted.
    notes : tuple of Words
        What was guessed or repaired.
    """

    id: Id
    name: str
    sheet: str | None
    sheets: tuple[SheetFacts, ...]
    n_rows: int
    columns: tuple[ColumnFacts, ...]
    preview: tuple[tuple[Cell, ...], ...]
    target: str
    notes: tuple[Words, ...]


class Correction(Value):
    """The sheet to read, and what its columns really are where they were taken for other things."""

    sheet: Name | None = None
    kinds: dict[Name, CellKind] = Field(default_factory=dict, max_length=10_000)


class JobRequest(Value):
    """A wish for a model of a table."""

    table: Id
    target: Name
    sheet: Name | None = None
    task: Literal["auto", "classes", "numbers"] = "auto"
    kinds: dict[Name, CellKind] = Field(default_factory=dict, max_length=10_000)
    time_limit: FiniteFloat = Field(default=60.0, ge=LEAST_SECONDS, le=MOST_SECONDS)
    keeps_test_rows: bool = True
    seed: int = Field(default=0, ge=0, lt=2**32)


class MoreTime(Value):
    """A wish to go on with a search that has ended."""

    time_limit: FiniteFloat = Field(default=60.0, ge=LEAST_SECONDS, le=MOST_SECONDS)


class JobFacts(Value):
    """A search: what it was asked for, and how it stands.

    Attributes
    ----------
    seconds : float
        Since it began, while it goes on; in all once it has ended.
    has_model : bool
        Whether there is a model that predicts.
    message : Words or None
        Why it failed; None where it did not.
    command : str
        The command that does the same.
    """

    id: Id
    name: str
    target: str
    task: str
    time_limit: float
    state: JobState
    seconds: float
    n_train: int
    n_test: int
    has_model: bool
    message: Words | None
    command: str


class SearchEvent(Value):
    """One line of what a search tells; only what the page draws."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    event: str
    network: int | None = None  # of an epoch or a note
    number: int | None = None  # of a network
    status: str | None = None
    structure: Words | None = None
    reason: Words | None = None
    epoch: int | None = None
    epochs: int | None = None
    loss: float | None = None
    loss_name: str | None = None
    ensemble_loss: float | None = None
    members: tuple[int, ...] | None = None
    train_loss: float | None = None
    validation_loss: float | None = None
    learning_rate: float | None = None
    seconds: float | None = None
    text: Words | None = None
    message: str | None = None


class Place(Value):
    """One network on the leaderboard."""

    network: int
    status: str
    structure: Words
    weight: float
    loss: float | None
    train_loss: float | None
    epochs: int
    seconds: float
    origin: Words
    reason: Words


class FormColumn(Value):
    """A column of the form in which one row is filled in."""

    name: str
    kind: CellKind
    low: float | None
    high: float | None
    is_whole: bool
    categories: tuple[str, ...]
    value: Cell


class CalibrationFacts(Value):
    """Whether probabilities can be taken at their word.

    Attributes
    ----------
    error, chance_error : float
        Expected calibration error, and below what it stays in 95 of 100 cases where every
        probability is right.
    bins : tuple of Bin
        Predictions of about the same confidence, and how often they are right.
    said : tuple of Words
        What that says.
    """

    n_rows: int
    accuracy: float
    confidence: float
    error: float
    chance_error: float
    bins: tuple[Bin, ...]
    said: tuple[Words, ...]


class Point(Value):
    """A row kept apart: its number from 0, the right number and the predicted one."""

    row: int
    right: float
    predicted: float


class SpreadFacts(Value):
    """Whether predicted numbers can be taken at their word.

    Attributes
    ----------
    half, most : float
        Distances from the predicted number within which half and nine of ten right ones lie.
    bands : tuple of SpreadBand
        Rows of about the same prediction, and what is right for them.
    points : tuple of Point
        Some of the rows.
    low, high : float
        Ends of both axes.
    ticks : tuple of float
        Marks for them.
    said : tuple of Words
        What that says.
    """

    n_rows: int
    half: float
    most: float
    bands: tuple[SpreadBand, ...]
    points: tuple[Point, ...]
    low: float
    high: float
    ticks: tuple[float, ...]
    said: tuple[Words, ...]


class Result(Value):
    """What came of a search.

    Attributes
    ----------
    metrics, per_class, confusion, calibration, spread
        On the rows that no network has seen; empty or None where none were kept.
    words : tuple of Words
        What was tried and chosen, in words.
    notes : tuple of Words
        What was guessed, repaired or noticed in the rows.
    form : tuple of FormColumn
        The columns of one row, with the values of a first row.
    """

    task: Task
    target: str
    classes: tuple[Label, ...]
    n_test: int
    metrics: tuple[Metric, ...]
    baselines: tuple[float | None, ...]
    per_class: tuple[ClassReport, ...]
    confusion: tuple[tuple[int, ...], ...]
    calibration: CalibrationFacts | None
    spread: SpreadFacts | None
    words: tuple[Words, ...]
    notes: tuple[Words, ...]
    loss_name: str
    loss: float | None
    places: tuple[Place, ...]
    form: tuple[FormColumn, ...]


class RowWish(Value):
    """One row to predict: what stands in its columns."""

    values: dict[Name, Annotated[str, Field(max_length=100_000)] | None] = Field(max_length=10_000)


class Prediction(Value):
    """What the model says of one row: a probability for each class, or a number."""

    classes: tuple[Label, ...]
    probabilities: tuple[float, ...]
    numbers: tuple[float, ...]


class ColumnWorth(Value):
    """By how much the score falls when a column is shuffled."""

    column: str
    drop: float
    low: float
    high: float


class Worth(Value):
    """What each column is worth to the model, the most important first."""

    score_name: str
    columns: tuple[ColumnWorth, ...]


TABLE_MESSAGES: tuple[type[Value], ...] = (
    TableFacts, Correction, JobRequest, MoreTime, JobFacts, SearchEvent, Result, RowWish,
    Prediction, Worth,
)  # fmt: skip
"""What the data page and the server say to each other."""
