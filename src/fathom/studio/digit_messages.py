"""Messages of the digits page: drawings, what networks make of them, and their training."""

from typing import Annotated, Literal, TypeAlias

from pydantic import ConfigDict, Field, FiniteFloat

from fathom.studio.wording import Words
from fathom.values import Value

SIDE = 16
MOST_DRAWINGS = 200
LONGEST_S = 600.0

Ink: TypeAlias = Annotated[str, Field(pattern=rf"^[01]{{{SIDE * SIDE}}}$")]
Digit: TypeAlias = Annotated[int, Field(ge=0, le=9)]
ReaderName: TypeAlias = Literal["dnn", "cnn"]
ReaderSize: TypeAlias = Literal["small", "full"]
RunState: TypeAlias = Literal["running", "stopping", "done", "failed"]
Picture: TypeAlias = tuple[tuple[float, ...], ...]


class Drawing(Value):
    """A drawing, row by row, 1 is ink.

    Attributes
    ----------
    ink : str
        256 signs, 0 or 1.
    fits : bool
        Whether it is brought to the size and place that the pictures learned from have.
    """

    ink: Ink
    fits: bool = True


class LayerFlow(Value):
    """What one layer makes of a drawing.

    Attributes
    ----------
    number : int
        Its number as an architecture is printed.
    name_en, name_zh : str
        What it is.
    height, width : int
        Size of the map of each of its units; 1 and 1 for a neuron of a dense layer.
    units : tuple of tuple of float
        The activations of each unit, row by row; of the output layer the probabilities.
    can_look : bool
        Whether there is more to see of its units: a pool only passes on what is before it.
    """

    number: int
    name_en: str
    name_zh: str
    height: int
    width: int
    units: tuple[tuple[float, ...], ...]
    can_look: bool


class DigitReading(Value):
    """What one network makes of a drawing.

    Attributes
    ----------
    network : str
        Which one.
    run : str
        The training it comes from.
    n_networks : int
        How many networks are averaged in it; the layers are those of the first.
    probabilities : tuple of float
        Of the ten digits.
    layers : tuple of LayerFlow
        From the first layer to the output.
    """

    network: ReaderName
    run: str
    n_networks: int
    probabilities: tuple[float, ...]
    layers: tuple[LayerFlow, ...]


class DigitReadings(Value):
    """What the networks make of a drawing, and the drawing as they see it."""

    seen: Ink
    readings: tuple[DigitReading, ...]


class NeuronWish(Value):
    """A wish to see what a neuron looks for."""

    network: ReaderName
    layer: int = Field(ge=1, le=100)
    neuron: int = Field(ge=1, le=4096)


class StrongPicture(Value):
    """A picture to which a neuron answers strongly."""

    ink: Ink
    label: str
    sum: float


class NeuronLook(Value):
    """What a neuron looks for.

    Attributes
    ----------
    network, run, layer, neuron
        Which one it is.
    weights : tuple or None
        Its weights as a picture, where it sees the drawing itself.
    excited : tuple of tuple of float
        The drawing that excites it most, found by gradient ascent, each pixel 0 to 1.
    excited_sum : float
        Its sum z there.
    share_active : float
        Share of all pictures learned from in which its sum is above 0.
    strongest : tuple of StrongPicture
        The pictures learned from that it answers to most strongly.
    said_en, said_zh : str
        What is worth saying about it.
    """

    network: ReaderName
    run: str
    layer: int
    neuron: int
    weights: Picture | None
    excited: Picture
    excited_sum: float
    share_active: float
    strongest: tuple[StrongPicture, ...]
    said_en: str
    said_zh: str


class FirstWeights(Value):
    """The weights of the first layer's neurons as pictures, those with the largest weights."""

    network: ReaderName
    run: str
    layer: int
    neurons: tuple[int, ...]
    pictures: tuple[Picture, ...]


class TrainWish(Value):
    """A wish to train a network that reads digits."""

    network: ReaderName
    size: ReaderSize = "small"
    time_limit: FiniteFloat = Field(default=60.0, ge=5, le=LONGEST_S)
    uses_drawings: bool = True
    seed: int = Field(default=0, ge=0, lt=2**31)


class DigitRun(Value):
    """How a training stands.

    Attributes
    ----------
    epochs : int
        Epochs planned, of all starts together.
    n_train, n_drawings : int
        Pictures learned from, and how many drawings of the reader's own are among them.
    accuracy : float or None
        On test pictures that no network learns from.
    is_reading : bool
        Whether its network is the one that reads.
    message : Words or None
        Why it failed.
    """

    id: str
    network: ReaderName
    size: ReaderSize
    state: RunState
    seconds: float
    epochs: int
    n_train: int
    n_drawings: int
    accuracy: float | None
    is_reading: bool
    message: Words | None
    command: str


class DigitEvent(Value):
    """One line of what a training tells; only what the page draws."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    event: str
    start: int | None = None
    epoch: int | None = None
    train_loss: float | None = None
    train_score: float | None = None
    validation_score: float | None = None
    accuracy: float | None = None
    message: str | None = None


class KeepWish(Value):
    """A wish to keep a drawing, to learn from."""

    ink: Ink
    label: Digit


class OwnDrawing(Value):
    """A drawing that was kept."""

    id: str
    ink: Ink
    label: Digit


class DigitsFacts(Value):
    """What there is on the digits page."""

    runs: tuple[DigitRun, ...]
    drawings: tuple[OwnDrawing, ...]
    most_drawings: int = MOST_DRAWINGS


class TestDigit(Value):
    """A picture of the test part: written by a person, learned from by none of the networks."""

    ink: Ink
    label: Digit


DIGIT_MESSAGES: tuple[type[Value], ...] = (
    Drawing, DigitReadings, NeuronWish, NeuronLook, FirstWeights, TrainWish, DigitRun, DigitEvent,
    KeepWish, OwnDrawing, DigitsFacts, TestDigit,
)  # fmt: skip
"""What the digits page and the server say to each other."""
