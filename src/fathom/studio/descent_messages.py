"""Messages of the descent page: which landscape it asks about, and what it draws of it."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, FiniteFloat

from fathom.inspection.racing import MOST_RUNNERS, Basin, RateVerdict
from fathom.inspection.stepping import StepVerdict, SuitingRates
from fathom.studio.messages import NetworkState, Number, Text
from fathom.training.recipe import OptimizerName
from fathom.values import Value

SceneName: TypeAlias = Literal["outlier", "chain", "ravine", "adder", "exclusive_or"]
RaceKind: TypeAlias = Literal["starts", "rates", "optimizers"]
Span: TypeAlias = Annotated[FiniteFloat, Field(ge=0.01, le=1000)]
Rate: TypeAlias = Annotated[FiniteFloat, Field(gt=0, le=10_000)]
Start: TypeAlias = tuple[Number, Number]
Weights: TypeAlias = tuple[Text, Text]
MOST_STARTS = 8


class SceneAsk(Value):
    """A wish for something to descend on: a scene by its name, or one's own network."""

    name: SceneName | None = None
    network: NetworkState | None = None


class Scene(Value):
    """A network on its examples, and where to look at its error surface.

    Attributes
    ----------
    network : NetworkState
        The network; the middle of every map is where its weights are.
    weights : tuple of str
        The weight across and the weight up.
    names : tuple of str
        All weights and biases.
    span : float
        How far a map reaches to each side.
    start : float
        Where the ball on the curve of the first weight begins.
    starts : tuple
        Where walks over both weights begin.
    learning_rate : float or None
        A step size for walks over both; None where one has yet to be found.
    """

    network: NetworkState
    weights: Weights
    names: tuple[str, ...]
    span: float
    start: float
    starts: tuple[Start, ...]
    learning_rate: float | None


class CurveAsk(Value):
    """A question for the loss along one weight.

    Where no start is given it is on the higher side of the curve, and the learning rate is the
    right one.
    """

    network: NetworkState
    weight: Text
    start: Number | None = None
    span: Span
    learning_rate: Rate | None = None


class CurveStep(Value):
    """Where a weight is after a step, with loss and slope there."""

    at: float
    loss: float
    slope: float


class CurveAnswer(Value):
    """The loss along one weight, and the steps down it.

    Attributes
    ----------
    weight : str
        Its name.
    values, losses : tuple of float
        The curve; None where the loss is not finite.
    learning_rate : float
        The step size η.
    steps : tuple of CurveStep
        The start and every step, as far as numbers go.
    verdict : str
        What the learning rate is.
    rates : SuitingRates
        One that is too small, one that is right, one that is too large.
    lowest : CurveStep
        The lowest point of the curve.
    """

    weight: str
    values: tuple[float, ...]
    losses: tuple[float | None, ...]
    learning_rate: float
    steps: tuple[CurveStep, ...]
    verdict: StepVerdict
    rates: SuitingRates
    lowest: CurveStep


class MapAsk(Value):
    """A question for the loss over two weights."""

    network: NetworkState
    weights: Weights
    span: Span


class Band(Value):
    """What of a map lies at a level or above, as the data of a path on a square of 1000."""

    level: float
    color: str
    path: str


class MapAnswer(Value):
    """The loss over two weights, all others held.

    Attributes
    ----------
    x, y : tuple of float
        Coordinates of the grid.
    losses : tuple of tuple of float
        Loss at each place, row by row from below; None where it is not finite.
    heights : tuple of tuple of float
        How high it is drawn, 0 to 1: even between the lines of the map.
    ground : str
        Color of the lowest band.
    bands : tuple of Band
        The lines between bands, the lowest first.
    lowest : tuple of float
        Place and loss of the lowest point of the grid.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    losses: tuple[tuple[float | None, ...], ...]
    heights: tuple[tuple[float, ...], ...]
    ground: str
    bands: tuple[Band, ...]
    lowest: tuple[float, float, float]


class RaceAsk(Value):
    """A wish for walks over two weights side by side.

    Attributes
    ----------
    kind : {"starts", "rates", "optimizers"}
        What differs between them. Rates and optimizers begin at the first start.
    starts : tuple
        Where they begin; drawn anywhere on the map where empty.
    n_starts, seed : int
        How many are drawn, and which.
    optimizer : str
        The rule of the steps, where it is one for all.
    learning_rate : float, optional
        The step size, where it is one for all; one that suits the first start where left out.
    radius : float
        How far one sees in the fog, as a share of the map's sides.
    """

    network: NetworkState
    weights: Weights
    span: Span
    kind: RaceKind = "starts"
    starts: Annotated[tuple[Start, ...], Field(max_length=MOST_STARTS)] = ()
    n_starts: int = Field(default=5, ge=1, le=MOST_STARTS)
    seed: int = Field(default=0, ge=0, lt=2**31)
    optimizer: OptimizerName = "gradient_descent"
    learning_rate: Rate | None = None
    radius: FiniteFloat = Field(default=0.12, ge=0.01, le=1)


class Racer(Value):
    """One walk over two weights.

    Attributes
    ----------
    start : tuple of float
        Where it began.
    optimizer, learning_rate
        Its rule and its step size.
    verdict : str
        What the learning rate is, where rates are compared.
    x, y, losses, heights : tuple of float
        Where it is, the loss there, and how high that is drawn, at the start and after each step,
        as far as numbers go.
    basin : int or None
        Number of the valley it ended in, from 0; None where it diverged.
    steps_to_bottom : int or None
        After how many steps it had come 99 % of the way down to the end of its valley.
    """

    start: Start
    optimizer: OptimizerName
    learning_rate: float
    verdict: RateVerdict | None = None
    x: tuple[float, ...]
    y: tuple[float, ...]
    losses: tuple[float, ...]
    heights: tuple[float, ...]
    basin: int | None
    steps_to_bottom: int | None


class RaceAnswer(Value):
    """Walks over two weights, the valleys they ended in, and what could be seen on the way.

    Attributes
    ----------
    racers : tuple of Racer
        The walks.
    basins : tuple of Basin
        The valleys, the deepest first.
    learning_rate : float
        The step size, where it is one for all.
    n_steps : int
        Steps of each.
    seen : tuple of tuple of int
        For each place of the map the step at which it is first seen by any; -1 for never.
    share_seen : tuple of float
        The share of the map that is seen by each step.
    lowest_seen : tuple of float
        The lowest loss that is seen by each step.
    """

    racers: Annotated[tuple[Racer, ...], Field(max_length=MOST_RUNNERS)]
    basins: tuple[Basin, ...]
    learning_rate: float
    n_steps: int
    seen: tuple[tuple[int, ...], ...]
    share_seen: tuple[float, ...]
    lowest_seen: tuple[float, ...]


DESCENT_MESSAGES: tuple[type[Value], ...] = (
    SceneAsk, Scene, CurveAsk, CurveAnswer, MapAsk, MapAnswer, RaceAsk, RaceAnswer,
)  # fmt: skip
"""What the descent page and the server say to each other."""
