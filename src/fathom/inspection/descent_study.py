"""One network's descent from every side: a weight, a surface, the fog, many starts, rules."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from fathom.errors import InputError
from fathom.inspection.arrays import Measured
from fathom.inspection.comparisons import (
    INITIALIZERS,
    OPTIMIZERS,
    Comparison,
    compare_initializers,
    compare_learning_rates,
    compare_optimizers,
)
from fathom.inspection.curve import LossCurve, loss_along
from fathom.inspection.depth.page import draw_page
from fathom.inspection.descents import PLAIN, Descent, Walk, walk_together
from fathom.inspection.example import hand_worked
from fathom.inspection.fog import Fog, under_fog
from fathom.inspection.landscape import Landscape
from fathom.inspection.surface import (
    LossSurface,
    surface_between,
    surface_over_directions,
    surface_over_path,
    surface_over_weights,
)
from fathom.inspection.svg import Say, element, escaped
from fathom.inspection.valleys import Starts, draw_starts, gather_starts
from fathom.inspection.weights import name_of
from fathom.nn.architecture import Architecture
from fathom.nn.network import Network
from fathom.training.recipe import Recipe

Part: TypeAlias = LossCurve | LossSurface | Descent | Fog | Starts | Comparison
OnPart: TypeAlias = Callable[[str, Part], None]

BITS = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0))
SUMS_OF_BITS = ((0.0, 0.0), (1.0, 0.0), (1.0, 0.0), (0.0, 1.0))  # last digit, and what is carried
MOST_STEEP = 2000  # of the steepest weights, among which those shown are chosen
COMPILING_S = 3.0  # a new program, about
FLOP_A_SECOND = 5e9  # of small networks on a processor, about
TITLES = {
    "curve": "One weight",
    "weights": "Two weights",
    "random": "Two random directions",
    "descent": "A descent",
    "path": "The way it went",
    "starts": "Several starts",
    "fog": "What it could see",
    "between": "The map revealed",
    "rates": "Learning rates",
    "optimizers": "Optimizers",
    "initializers": "Initializers",
}
LEADS = {
    "curve": "The loss along one weight, all others held: the slope says which way is down, and "
    "the next step is the learning rate times the slope.",
    "weights": "The loss over two weights, all others held.",
    "random": "The loss over two random directions, in which every neuron moves by a share of its "
    "own length.",
    "descent": "All weights go down at once, every step against the slope of each.",
    "path": "The plane in which that descent mostly lies.",
    "starts": "Where a descent ends depends on where it begins.",
    "fog": "One who descends knows only what is near the way taken.",
    "between": "The same map without the fog.",
    "rates": "Too small a step does not arrive, too large a one leaps out of the valley.",
    "optimizers": "Each from the same start, at the learning rate that suits it best.",
    "initializers": "How weights are drawn decides how long a descent takes, and whether it "
    "arrives at all.",
}


class DescentStudy(Measured):
    """A network's descent from every side; what there was no time for is None.

    Attributes
    ----------
    about : str
        Which network on which data.
    curve : LossCurve
        The loss along one weight.
    weights, random : LossSurface
        The loss over two weights, and over two random directions.
    descent : Descent
        One walk down.
    path : LossSurface
        The plane of that walk.
    starts : Starts or None
        Several walks, and the valleys they reached.
    fog : Fog
        What could be seen on the first walk: of the plane of its path, or, where another start
        found a deeper valley, of the plane through both.
    between : LossSurface
        That plane, revealed.
    rates, optimizers, initializers : Comparison or None
        Walks side by side.
    left_out : tuple of str
        Names of the parts there was no time for.
    """

    about: str
    curve: LossCurve
    weights: LossSurface
    random: LossSurface
    descent: Descent
    path: LossSurface
    starts: Starts | None = None
    fog: Fog
    between: LossSurface
    rates: Comparison | None = None
    optimizers: Comparison | None = None
    initializers: Comparison | None = None
    left_out: tuple[str, ...] = ()

    def parts(self) -> Iterator[tuple[str, Part]]:
        """Return the parts there are, each with its name."""
        for name in TITLES:
            part = getattr(self, name)
            if part is not None:
                yield name, part

    def __str__(self) -> str:
        parts = [f"{TITLES[name]}\n{part}" for name, part in self.parts()]
        return "\n\n".join([self.about, *parts])

    __repr__ = __str__

    def to_html(self, say: Say = str) -> str:
        """Return all parts as one HTML element, each drawn and in words.

        Parameters
        ----------
        say : callable
            Turns a label into the reader's language.
        """
        parts = [element("p", escaped(self.about))]
        for name, part in self.parts():
            parts.append(element("h3", escaped(say(TITLES[name]))))
            parts.append(element("p", escaped(say(LEADS[name]))))
            parts += _drawings(part, say)
            shown = {"style": "overflow-x:auto;font-size:12px"}
            parts.append(element("pre", escaped(str(part)), **shown))
        return element("div", "".join(parts), class_="fathom-descent")

    def page(self, say: Say = str) -> str:
        """Return a whole HTML page, with nothing fetched from outside."""
        return draw_page(self.to_html(say), say("How a network descends"))

    def _repr_html_(self) -> str:
        return self.to_html()


def _drawings(part: Part, say: Say) -> list[str]:
    if isinstance(part, Starts):
        return [part.to_svg(say), part.spread_to_svg(say)]
    if isinstance(part, Comparison):
        more = [part.epochs_to_svg(say)] if len(part.entries[0].descents) > 1 else []
        return [part.to_svg(say), *more]
    if isinstance(part, Fog):
        return [part.to_svg(say=say)]
    return [part.to_svg(say)]


@dataclass(frozen=True)
class Effort:
    """How much is tried.

    Attributes
    ----------
    n_points : int
        Points along the side of a map.
    n_looks : int
        Looks at each descent.
    n_starts : int
        Starts from which valleys are sought.
    n_seeds : int
        Starts for each initializer.
    rates : tuple of float
        Learning rates side by side.
    seconds : float
        Time after which no further part is begun.
    """

    n_points: int = 41
    n_looks: int = 100
    n_starts: int = 8
    n_seeds: int = 3
    rates: tuple[float, ...] = ()
    seconds: float = math.inf


def study_example(on_part: OnPart | None = None) -> DescentStudy:
    """Let the network worked out by hand learn to add two bits, and look from every side.

    Two bits in, two numbers out: the last digit of their sum, and what is carried. From the weights
    worked by hand the descent ends in a shallow valley; most other starts find a deep one.

    Parameters
    ----------
    on_part : callable, optional
        Told the name of every part and the part, once it is there.
    """
    network, worked = hand_worked()
    architecture = worked.model_copy(update={"loss": "binary_cross_entropy"})
    recipe = PLAIN.model_copy(update={"learning_rate": 3.0, "epochs": 2000})
    effort = Effort(
        n_looks=500, n_starts=30, n_seeds=10, rates=(0.003, 0.03, 0.3, 1.0, 3.0, 10.0, 30.0, 300.0)
    )
    return study_descent(
        architecture, BITS, SUMS_OF_BITS, recipe, network=network, is_start=True,
        weights=("output.neuron2.bias", "layer2.neuron2.bias"), learning_rate=3.0, effort=effort,
        about="three layers of two sigmoid neurons, learning to add two bits", on_part=on_part,
    )  # fmt: skip


def study_descent(
    architecture: Architecture,
    x: Any,
    y: Any,
    recipe: Recipe = PLAIN,
    *,
    network: Network | None = None,
    is_start: bool = False,
    weights: tuple[str, ...] = (),
    learning_rate: float | None = None,
    effort: Effort | None = None,
    about: str = "",
    on_part: OnPart | None = None,
) -> DescentStudy:
    """Look at a network's descent from every side.

    Parameters
    ----------
    architecture : Architecture
        The network.
    x, y : array
        Examples and targets.
    recipe : Recipe
        How it descends.
    network : Network, optional
        The network whose surface is shown; the end of the first descent where left out.
    is_start : bool
        Whether the network is where the first descent begins; that begins at random otherwise.
    weights : tuple of str
        One weight or two; where left out, the two along which the loss is steepest.
    learning_rate : float, optional
        Step size along the one weight. Where left out the steps begin away from the network, and
        the first goes a quarter of the way back.
    effort : Effort, optional
        How much is tried.
    about : str
        Which network on which data, in words.
    on_part : callable, optional
        Told the name of every part and the part, once it is there.

    Returns
    -------
    DescentStudy
        All of it, but for what there was no time for.
    """
    study = _Study(architecture, x, y, recipe, effort or Effort(), on_part)
    study.walk(network if is_start else None)
    shown = study.first.network if network is None else network
    study.look_around(Landscape(shown, architecture, x, y), weights, learning_rate)
    study.look_back()
    study.compare()
    return DescentStudy(about=about or f"{architecture.n_parameters:,} weights", **study.found)


class _Study:
    """The parts of a study as they come."""

    def __init__(
        self,
        architecture: Architecture,
        x: Any,
        y: Any,
        recipe: Recipe,
        effort: Effort,
        on_part: OnPart | None,
    ) -> None:
        self.architecture, self.x, self.y = architecture, x, y
        self.recipe, self.effort, self.on_part = recipe, effort, on_part
        self.began = time.monotonic()
        self.seconds_a_walk = 0.0
        self.found: dict[str, Any] = {"left_out": ()}
        self.first: Walk

    def keep(self, name: str, part: Part) -> None:
        """Keep a part, and tell of it."""
        self.found[name] = part
        if self.on_part is not None:
            self.on_part(name, part)

    def has_time(self, name: str, n_walks: int, n_programs: int = 1) -> bool:
        """Tell whether walks can be ended in time; note the part as left out if not."""
        needed = n_walks * self.seconds_a_walk + n_programs * COMPILING_S
        is_short = time.monotonic() - self.began + needed > self.effort.seconds
        if is_short:
            self.found["left_out"] += (name,)
        return not is_short

    def walk(self, network: Network | None) -> None:
        """Walk down once."""
        first = draw_starts(self.architecture, self.x, self.recipe, 1)[0]
        first = first._replace(name="from a random start")
        if network is not None:
            first = first._replace(network=network, name="from these weights")
        began = time.monotonic()
        n_looks = self.effort.n_looks
        self.first = walk_together(
            self.architecture, self.x, self.y, self.recipe, [first], n_looks=n_looks, keep_path=True
        )[0]
        self.seconds_a_walk = max(time.monotonic() - began - COMPILING_S / 2, 0.01)

    def look_around(
        self, landscape: Landscape, weights: tuple[str, ...], learning_rate: float | None
    ) -> None:
        """Look along one weight, over two, and over two random directions."""
        if len(weights) > 2:
            raise InputError("one weight or two", got=f"{len(weights)}")
        named = (*weights, *(name for name in steepest(landscape, 3) if name not in weights))
        one, two = named[:2]
        n = self.effort.n_points
        self.keep("curve", _curve(landscape, one, learning_rate))
        self.keep("weights", surface_over_weights(landscape, (one, two), n_points=n))
        self.keep("random", surface_over_directions(landscape, n_points=n))

    def look_back(self) -> None:
        """Look at the first walk: its losses, and the plane of its path."""
        landscape = self.landscape()
        self.keep("descent", self.first.descent)
        n = self.effort.n_points
        self.keep("path", surface_over_path(landscape, self.first.path, n_points=n))

    def landscape(self) -> Landscape:
        """Return the error surface around the end of the first walk."""
        return Landscape(self.first.network, self.architecture, self.x, self.y)

    def compare(self) -> None:
        """Walk from several starts, then by several rules, as long as there is time."""
        given = (self.architecture, self.x, self.y, self.recipe)
        effort, n_looks = self.effort, min(self.effort.n_looks, 200)
        between: LossSurface | None = None
        if self.has_time("starts", effort.n_starts):
            walkers = draw_starts(self.architecture, self.x, self.recipe, effort.n_starts)
            walks = walk_together(*given, walkers, n_looks=n_looks)
            self.keep("starts", gather_starts(*given[:3], walks))
            between = self.reveal(walks)
        whole = between or self.found["path"]
        self.keep("fog", under_fog(whole))
        self.keep("between", whole)
        rates = effort.rates or tuple(self.recipe.learning_rate * 10.0**n for n in range(-2, 3))
        if self.has_time("rates", len(rates)):
            self.keep("rates", compare_learning_rates(*given, rates=rates, n_looks=n_looks))
        if self.has_time("initializers", len(INITIALIZERS) * effort.n_seeds):
            found = compare_initializers(*given, n_starts=effort.n_seeds, n_looks=n_looks)
            self.keep("initializers", found)
        if self.has_time("optimizers", len(OPTIMIZERS) * len(rates), len(OPTIMIZERS)):
            self.keep("optimizers", compare_optimizers(*given, rates=rates, n_looks=n_looks))

    def reveal(self, walks: tuple[Walk, ...]) -> LossSurface | None:
        """Return a map of the first walk and the deepest valley, where the walk ended higher."""
        best = min(walks, key=lambda walk: walk.descent.final_loss)
        here = self.first.descent
        fall = here.losses[0] - best.descent.final_loss
        if here.final_loss - best.descent.final_loss <= 0.05 * fall:
            return None
        path, other, n = self.first.path, best.path.weights[-1], self.effort.n_points
        return surface_between(self.landscape(), path, other, n_points=n)


def _curve(landscape: Landscape, weight: str, learning_rate: float | None) -> LossCurve:
    """Return the loss along a weight, with steps that can be seen."""
    if learning_rate is not None:
        return loss_along(landscape, weight, learning_rate=learning_rate)
    around = loss_along(landscape, weight, learning_rate=1e-9, n_steps=0)
    away = 0.7 * (float(around.values[-1]) - around.value)
    starts = (around.value - away, around.value + away)
    heights = np.interp(starts, around.values, np.nan_to_num(around.losses, posinf=1e30))
    start = starts[int(np.argmax(heights))]
    probe = loss_along(landscape, weight, learning_rate=1e-9, n_steps=0, start=start)
    slope = abs(float(probe.step_slopes[0]))
    rate = 0.25 * away / slope if slope > 1e-12 else 1.0
    return loss_along(landscape, weight, learning_rate=float(f"{rate:.2g}"), start=start)


def steepest(landscape: Landscape, n: int) -> tuple[str, ...]:
    """Return the names of weights along which the loss is steepest, the steepest first.

    Each is of another layer than those before it, or, once there are no more layers, of another
    neuron and another input: two weights of one softmax layer may do the same.

    Parameters
    ----------
    landscape : Landscape
        The network on its data.
    n : int
        How many, at most as many as there are weights.
    """
    order = np.argsort(-np.abs(landscape.gradient()))[:MOST_STEEP]
    names = [name_of(landscape.network, int(position)) for position in order]
    chosen: list[str] = []
    while names and len(chosen) < n:
        likeness = [max((_likeness(name, one) for one in chosen), default=0) for name in names]
        chosen.append(names.pop(likeness.index(min(likeness))))
    return tuple(chosen)


def _likeness(name: str, other: str) -> int:
    """Return 0 for weights of two layers, else 1, and 1 more for each of neuron and input."""
    (layer, *place), (other_layer, *other_place) = name.split("."), other.split(".")
    if layer != other_layer:
        return 0
    return 1 + sum(a == b for a, b in zip(place, other_place, strict=False))


def affordable_epochs(architecture: Architecture, n_rows: int, n_walks: int, seconds: float) -> int:
    """Return about how many epochs so many walks can take in a time, 1 at least.

    Parameters
    ----------
    architecture : Architecture
        The network.
    n_rows : int
        Examples of an epoch.
    n_walks : int
        Walks.
    seconds : float
        The time.
    """
    uses = sum(
        count * (math.prod(shape[:-1]) if len(shape) == 3 else 1)
        for count, shape in zip(architecture.parameter_counts, architecture.shapes[1:], strict=True)
    )
    flop = 6.0 * n_rows * max(uses, 500)
    return max(1, int(seconds * FLOP_A_SECOND / (flop * n_walks)))
