"""Messages of the data page on rows: those kept apart, how sure the model is, one row's path."""

from pydantic import Field

from fathom.data.schema import Label
from fathom.studio.messages import Text
from fathom.studio.table_messages import Cell, Prediction, RowWish
from fathom.studio.wording import Words
from fathom.values import Value

MOST_ROWS = 10**9
MOST_NETWORKS = 10_000


class HeldOutRow(Value):
    """A row that no network has seen, and what the model says of it.

    Attributes
    ----------
    row : int
        Its number among those kept apart, from 0.
    place : int or None
        Its number in the table, from 1; None of searches that did not note it yet.
    cells : tuple of (str or None)
        Its values, without the target.
    truth, said : class or number
        What it is, and what the model says.
    sure, truth_share : float or None
        Probability of what is said, and of what it is; None for numbers.
    """

    row: int
    place: int | None
    cells: tuple[Cell, ...]
    truth: Label
    said: Label
    sure: float | None
    truth_share: float | None


class RowList(Value):
    """Some of the rows kept apart.

    Attributes
    ----------
    n_all : int
        How many such rows there are, of which the first are listed.
    """

    columns: tuple[str, ...]
    rows: tuple[HeldOutRow, ...]
    n_all: int


class PathWish(Value):
    """A wish to follow a row kept apart through one of the model's networks."""

    row: int = Field(ge=0, lt=MOST_ROWS)
    member: int = Field(default=0, ge=0, lt=MOST_NETWORKS)
    fold: int = Field(default=0, ge=0, lt=MOST_NETWORKS)


class RowWhy(PathWish):
    """A question why a number on the path of a row is what it is, by its name."""

    name: Text


class PathUnit(Value):
    """One number of a layer.

    Attributes
    ----------
    name : str
        The name `why` knows.
    says : str
        What it stands for, where it has a name.
    value : float
        The number.
    """

    name: str
    says: str
    value: float


class PathLayer(Value):
    """What comes out of a layer for one row.

    Attributes
    ----------
    name : str
        As in a trace: ``input``, ``layer1``, ``output``.
    title : Words
        What it is.
    n_units, n_active : int
        How many numbers, and how many of them are not 0.
    largest : float
        The largest of all, whatever their signs.
    units : tuple of PathUnit
        The numbers in their order; of many those that are farthest from 0.
    """

    name: str
    title: Words
    n_units: int
    n_active: int
    largest: float
    units: tuple[PathUnit, ...]


class PathNetwork(Value):
    """One network of the model, and what it says of the row by itself.

    Attributes
    ----------
    member, fold : int
        Which network, from 0; members by weight.
    number : int
        Its number on the leaderboard.
    weight : float
        Its share in the model.
    said : float
        The probability of what the model says, or the number.
    """

    member: int
    fold: int
    number: int
    weight: float
    structure: Words
    said: float


class ColumnShare(Value):
    """What one column of a row spoke for.

    Attributes
    ----------
    column : str
        Its name; empty for what trees say, who see all columns.
    here, usual : str or None
        Its value, and the value it usually has.
    share : float
        What it changes.
    """

    column: str
    here: Cell
    usual: Cell
    share: float


class WordPart(Value):
    """A stretch of a text, and what it added to the sum of the output."""

    text: str
    share: float


class RowPath(Value):
    """The path of a row through the model, and what spoke for what is said of it.

    Attributes
    ----------
    row : int
        Its number among the rows kept apart, from 0.
    said : Prediction
        What the model says.
    networks : tuple of PathNetwork
        The networks whose answers are averaged, the heaviest first.
    sharpness : float
        The exponent that calibrates their mean.
    effects : tuple of ColumnShare
        By how much each column, in place of its usual value, changes what the model says.
    layers : tuple of PathLayer
        The path through the chosen network; none for a model of texts.
    output : str
        The output that is explained.
    z, usual_z : float
        Its sum, and that of a row as they usually are.
    shares : tuple of ColumnShare
        What each column added to the sum (integrated gradients).
    words : tuple of WordPart
        The same of a text, word by word.
    """

    row: int
    columns: tuple[str, ...]
    cells: tuple[Cell, ...]
    truth: Label | None
    said: Prediction
    networks: tuple[PathNetwork, ...]
    sharpness: float
    effects: tuple[ColumnShare, ...]
    member: int
    fold: int
    layers: tuple[PathLayer, ...]
    output: str
    z: float
    usual_z: float
    shares: tuple[ColumnShare, ...]
    words: tuple[WordPart, ...]


class ScriptWish(Value):
    """A wish for a program that does again what was done on the page.

    Attributes
    ----------
    values : RowWish or None
        The row that was asked about by hand.
    path : RowWhy or None
        The row that was followed, and the number that was asked for.
    language : {"en", "zh"}
        Of the remarks in it.
    """

    values: RowWish | None = None
    path: RowWhy | None = None
    language: str = Field(default="en", pattern="^(en|zh)$")


class Script(Value):
    """A program, and commands, that do again what was done on the page."""

    python: str
    commands: str


ROW_MESSAGES: tuple[type[Value], ...] = (
    RowList, PathWish, RowWhy, RowPath, ScriptWish, Script,
)  # fmt: skip
"""What the data page and the server say to each other of rows."""
