"""Messages of the network page: what the page sends, and what it draws."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, FiniteFloat

from fathom.inspection.why import Explanation
from fathom.nn.named import ActivationName
from fathom.studio.door_messages import MOST_EXAMPLES, MOST_LAYERS, MOST_UNITS
from fathom.values import Value

LARGEST = 1e6  # of what may be typed
MOST_STEPS = 200  # of descent asked for at once

Number: TypeAlias = Annotated[FiniteFloat, Field(ge=-LARGEST, le=LARGEST)]
Row: TypeAlias = Annotated[tuple[Number, ...], Field(min_length=1, max_length=MOST_UNITS)]
Units: TypeAlias = Annotated[int, Field(ge=1, le=MOST_UNITS)]
Text: TypeAlias = Annotated[str, Field(max_length=200)]
ShownLoss: TypeAlias = Literal["cross_entropy", "binary_cross_entropy", "squared_error"]
ExampleName: TypeAlias = Literal["hand_worked", "softmax", "exclusive_or"]
StepKind: TypeAlias = Literal[
    "product", "sum", "exponential", "activation", "loss", "error", "gradient", "update"
]


class LayerState(Value):
    """A dense layer as it stands on the page: rows of weights are neurons."""

    activation: ActivationName
    weights: Annotated[tuple[Row, ...], Field(min_length=1, max_length=MOST_UNITS)]
    biases: Row


class Example(Value):
    """What goes in, and what should come out."""

    x: Row
    target: Row


class NetworkState(Value):
    """Everything on the network page that can be changed by hand."""

    layers: Annotated[tuple[LayerState, ...], Field(min_length=1, max_length=MOST_LAYERS)]
    examples: Annotated[tuple[Example, ...], Field(min_length=1, max_length=MOST_EXAMPLES)]
    row: int = Field(default=0, ge=0, lt=MOST_EXAMPLES)
    loss: ShownLoss = "squared_error"
    learning_rate: FiniteFloat = Field(default=0.5, gt=0, le=1000)


class LayerNumbers(Value):
    """What one layer computed of the chosen example, and what flows back through it.

    Attributes
    ----------
    name : str
        As in a trace: ``layer1``, ``output``.
    z, a, delta : tuple of float
        Sums, activations and node errors of its neurons.
    exponentials : tuple of float
        e^z of each neuron in a softmax layer; empty elsewhere.
    """

    name: str
    z: tuple[float, ...]
    a: tuple[float, ...]
    delta: tuple[float, ...]
    exponentials: tuple[float, ...] = ()


class NetworkNumbers(Value):
    """Every number of the network on the page.

    Attributes
    ----------
    layers : tuple of LayerNumbers
        The layers, the first one first.
    outputs : tuple of tuple of float
        What the network says of every example.
    losses : tuple of float
        Loss of every example.
    loss : float
        Their mean.
    """

    layers: tuple[LayerNumbers, ...]
    outputs: tuple[tuple[float, ...], ...]
    losses: tuple[float, ...]
    loss: float


class NetworkAnswer(Value):
    """A network, as it is now, with its numbers."""

    state: NetworkState
    numbers: NetworkNumbers


class Reshape(Value):
    """A wish for another shape: weights that are in both are kept, others drawn."""

    state: NetworkState
    n_inputs: Units
    units: Annotated[tuple[Units, ...], Field(min_length=1, max_length=MOST_LAYERS)]
    activations: Annotated[tuple[ActivationName, ...], Field(min_length=1, max_length=MOST_LAYERS)]
    loss: ShownLoss = "squared_error"
    seed: int = Field(default=0, ge=0, lt=2**31)
    draws_all: bool = False


class Descend(Value):
    """A wish for steps of gradient descent over all examples."""

    state: NetworkState
    n_steps: int = Field(default=1, ge=1, le=MOST_STEPS)


class Passed(Value):
    """The layers of a network on its way down, before a step counted from 0."""

    step: int
    layers: tuple[LayerState, ...]


class Descended(Value):
    """The network after some steps, the loss before each of them, and the networks in between.

    Attributes
    ----------
    passed : tuple of Passed
        The networks before the steps; of a large one those of every second, third, ... step.
    """

    answer: NetworkAnswer
    losses: tuple[float, ...]
    passed: tuple[Passed, ...]


class Ask(Value):
    """A question why a number is what it is, by its name."""

    state: NetworkState
    name: Text


class Slope(Value):
    """The loss along one weight, all others held, and where steps downhill along it go.

    Attributes
    ----------
    value, loss, slope : float
        The weight as it is, and loss and ∂L/∂w there.
    values, losses : tuple of float
        The curve; None where the loss is not finite.
    steps, step_losses : tuple of float
        Where gradient descent along this weight alone goes, from where it is.
    """

    weight: str
    value: float
    loss: float
    slope: float
    values: tuple[float, ...]
    losses: tuple[float | None, ...]
    steps: tuple[float, ...]
    step_losses: tuple[float, ...]


class Program(Value):
    """A network as a program in Python."""

    text: str


class PageWish(Value):
    """A wish for a network as a page of its own."""

    state: NetworkState
    language: Literal["en", "zh"] = "en"


class NetworkPage(Value):
    """A network as a page of its own: HTML that runs and fetches nothing."""

    html: str


class TapeRequest(Value):
    """A wish for the order in which a network of this shape computes and learns."""

    n_inputs: Units
    units: Annotated[tuple[Units, ...], Field(min_length=1, max_length=MOST_LAYERS)]
    is_softmax: bool = False


class Step(Value):
    """One step of computing or learning.

    Attributes
    ----------
    kind : str
        What happens.
    name : str
        The number it is about, by the name `why` knows.
    layer, unit : int
        Where; -1 where it is of no layer or no neuron.
    part : int
        Which product of a sum, or which weight; -1 for none or the bias.
    grain : int
        0 for each number, 1 for the last of a neuron, 2 for the last of a layer: who walks neuron
        by neuron stops at 1 and more.
    """

    kind: StepKind
    name: str
    layer: int = -1
    unit: int = -1
    part: int = -1
    grain: int = 0


class Tape(Value):
    """The steps from the first product to the last new weight."""

    steps: tuple[Step, ...]


NETWORK_MESSAGES: tuple[type[Value], ...] = (
    NetworkState, NetworkAnswer, Reshape, Descend, Descended, Ask, Explanation, Slope, Program,
    PageWish, NetworkPage, TapeRequest, Tape,
)  # fmt: skip
"""What the network page and the server say to each other."""
