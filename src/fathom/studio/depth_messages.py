"""Messages of the depth page: tall against fat, bent spaces, and their rivals."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, FiniteFloat

from fathom.inspection.depth.shapes import Shape
from fathom.inspection.judging import Score
from fathom.inspection.planes import Line, PlaneName, Region, StagedRegion
from fathom.nn.named import ActivationName
from fathom.studio.wording import Words
from fathom.values import Value

DepthMaterial: TypeAlias = Literal["spirals", "checkerboard", "digits"]
Hidden: TypeAlias = Literal["tanh", "relu", "sigmoid"]
MOST_DEPTHS = 5


class DepthWish(Value):
    """A wish to compare networks of few and many layers."""

    material: DepthMaterial
    shape: Shape = "parameters"
    depths: Annotated[
        tuple[Annotated[int, Field(ge=1, le=8)], ...], Field(min_length=2, max_length=MOST_DEPTHS)
    ] = (1, 2, 4)
    width: int = Field(default=16, ge=4, le=64)
    activation: ActivationName = "relu"
    seconds: FiniteFloat = Field(default=15, ge=3, le=120)
    seed: int = Field(default=0, ge=0, lt=2**31)


class DepthStop(Value):
    """A wish that a study ends, by its number."""

    number: int = Field(ge=1)


class DepthLine(Value):
    """One network of a study, with the errors from the starts that are trained by now."""

    depth: int
    widths: tuple[int, ...]
    n_parameters: int
    n_neurons: int
    errors: tuple[float, ...]
    median: float | None
    low: float | None
    high: float | None


class DepthVerdict(Value):
    """How the deep network does against the shallow one."""

    shallow: int
    deep: int
    finding: Literal["better", "worse", "no difference"]
    difference: float
    low: float
    high: float
    p_value: float
    is_general: bool


class DepthNews(Value):
    """How a study stands.

    Attributes
    ----------
    number : int
        Which study it is; 0 where there was none yet.
    state : {"none", "running", "stopping", "done", "failed"}
        How it stands.
    wish : DepthWish or None
        What was asked for.
    stage : {"speed", "rates", "starts", ""}
        What is being done.
    n_done, n_planned : int
        Networks trained of this stage, and how many it has at most.
    seconds : float
        How long it has gone on.
    lines : tuple of DepthLine
        The networks, the shallowest first.
    n_starts : int
        Starts of every network; 0 while it goes on.
    n_test : int
        Rows that judge.
    verdict : DepthVerdict or None
        What came of it.
    words : tuple of Words
        The same in sentences.
    problem : Words or None
        Why it failed; None where it did not.
    """

    number: int = 0
    state: Literal["none", "running", "stopping", "done", "failed"] = "none"
    wish: DepthWish | None = None
    stage: Literal["speed", "rates", "starts", ""] = ""
    n_done: int = 0
    n_planned: int = 0
    seconds: float = 0.0
    lines: tuple[DepthLine, ...] = ()
    n_starts: int = 0
    n_test: int = 0
    verdict: DepthVerdict | None = None
    words: tuple[Words, ...] = ()
    problem: Words | None = None


class BendAsk(Value):
    """A question what the layers of a network make of a plane."""

    points: PlaneName
    noise: FiniteFloat = Field(default=0.05, ge=0, le=0.4)
    seed: int = Field(default=0, ge=0, lt=2**31)
    widths: Annotated[
        tuple[Annotated[int, Field(ge=2, le=16)], ...], Field(min_length=1, max_length=6)
    ] = (8, 8, 2)
    activation: Hidden = "tanh"


class BendStage(Value):
    """What one layer makes of the plane.

    Attributes
    ----------
    number : int
        The layer; 0 is the input.
    name : str
        What it is.
    n_neurons : int
        How many numbers it gives.
    lines : tuple
        Where the points of each line of the grid lie, those across first.
    at : tuple
        Where the points lie.
    share : float
        Share of the grid's variance that the picture shows.
    line : Line
        The line that divides the classes best in the picture.
    probe : Score
        Accuracy of a linear model on all numbers of the layer, on points it has not seen.
    """

    number: int
    name: Words
    n_neurons: int
    lines: tuple[tuple[tuple[float, float], ...], ...]
    at: tuple[tuple[float, float], ...]
    share: float
    line: Line
    probe: Score


class BendAnswer(Value):
    """A trained network, layer by layer.

    Attributes
    ----------
    classes : tuple of int
        Class of each point.
    stages : tuple of BendStage
        The input and every hidden layer.
    region : Region
        Where the network says class 1.
    low, high : tuple of float
        Corners of the plane.
    n_parameters : int
        Its weights and biases.
    """

    classes: tuple[int, ...]
    stages: tuple[BendStage, ...]
    region: Region
    low: tuple[float, float]
    high: tuple[float, float]
    n_parameters: int


class RivalsAsk(Value):
    """A question how other models do on the same points."""

    points: PlaneName
    noise: FiniteFloat = Field(default=0.05, ge=0, le=0.4)
    seed: int = Field(default=0, ge=0, lt=2**31)


class RivalsAnswer(Value):
    """Support vector machines by their kernels, and boosting stage by stage."""

    machines: dict[str, Region]
    boosted: dict[str, tuple[StagedRegion, ...]]


DEPTH_MESSAGES: tuple[type[Value], ...] = (
    DepthWish, DepthStop, DepthNews, BendAsk, BendAnswer, RivalsAsk, RivalsAnswer,
)  # fmt: skip
"""What the depth page and the server say to each other."""
