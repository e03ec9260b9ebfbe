"""The descent page: a curve, a map, walks over it, and what is seen of it in the fog."""

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from fathom.errors import InputError
from fathom.inspection.contours import levels_of, outline, place_among, shade
from fathom.inspection.curve import LossCurve, loss_along
from fathom.inspection.descent_study import BITS, SUMS_OF_BITS, steepest
from fathom.inspection.example import BIASES, WEIGHTS
from fathom.inspection.fog import first_seen
from fathom.inspection.landscape import Landscape
from fathom.inspection.racing import Race, Run, Runner, Tried, race, try_rates
from fathom.inspection.stepping import judge_steps, suit_rates
from fathom.inspection.surface import LossSurface, surface_over_weights
from fathom.inspection.weights import name_of, position_of
from fathom.nn.xla import jax
from fathom.studio.descent_messages import (
    Band,
    CurveAnswer,
    CurveAsk,
    CurveStep,
    MapAnswer,
    MapAsk,
    RaceAnswer,
    RaceAsk,
    Racer,
    Scene,
    SceneAsk,
    SceneName,
    Start,
    Weights,
)
from fathom.studio.messages import Example, LayerState, NetworkState
from fathom.studio.networks import example
from fathom.studio.reshaping import landscape_of
from fathom.training.recipe import OptimizerName

CURVE_POINTS, CURVE_STEPS = 241, 60
MAP_POINTS, MAP_SIDE, N_LEVELS = 49, 1000.0, 16
RACE_STEPS = 200
ARRIVED = 0.01  # of the way down to the end of one's valley
OPTIMIZERS: tuple[OptimizerName, ...] = (
    "gradient_descent", "momentum", "rmsprop", "adam",
)  # fmt: skip
OWN_SPAN = 3.0

Rows = tuple[tuple[float, ...], ...]


def scene(asked: SceneAsk) -> Scene:
    """Return something to descend on.

    Examples
    --------
    >>> found = scene(SceneAsk(name="chain"))
    >>> found.weights, len(found.names)
    (('layer1.neuron1.weight1', 'output.neuron1.weight1'), 4)
    """
    if (asked.name is None) == (asked.network is None):
        raise InputError("a scene by its name, or a network", got="both or neither")
    if asked.network is not None:
        return _own(asked.network)
    assert asked.name is not None
    return _SCENES[asked.name]()


def _own(network: NetworkState) -> Scene:
    landscape = landscape_of(network)
    names = _names(landscape)
    if len(names) < 2:
        raise InputError("a network of two weights or more", got=f"{len(names)}")
    with jax.enable_x64(True):
        one, two = steepest(landscape, 2)
    middle = _middle(landscape, (one, two))
    span = max(OWN_SPAN, *(abs(value) for value in middle))
    return _scene(network, (one, two), span, _corners(middle, span)[1:], None)


def _names(landscape: Landscape) -> tuple[str, ...]:
    return tuple(name_of(landscape.network, place) for place in range(landscape.n_weights))


def _middle(landscape: Landscape, weights: Weights) -> Start:
    one, two = (float(landscape.weights[position_of(landscape.network, name)]) for name in weights)
    return one, two


def _corners(middle: Start, span: float) -> tuple[Start, ...]:
    """Return five places of a map: where its middle is, and near its corners."""
    away = round(0.75 * span, 2)
    places = [(0.0, 0.0), (-away, away), (away, away), (away, -away), (-away, -away)]
    return tuple((round(middle[0] + a, 4), round(middle[1] + b, 4)) for a, b in places)


def _scene(
    network: NetworkState,
    weights: Weights,
    span: float,
    starts: tuple[Start, ...],
    learning_rate: float | None,
) -> Scene:
    return Scene(
        network=network, weights=weights, names=_names(landscape_of(network)), span=span,
        start=starts[0][0], starts=starts, learning_rate=learning_rate,
    )  # fmt: skip


def _outlier() -> Scene:
    """Let one example contradict: a sigmoid neuron with squared error then has several valleys."""
    rows = ((0.5, 0, 0.75), (1, 0, 0.9), (1.5, 0, 0.96), (6, 0, 0.2),
            (0, 0.5, 0.75), (0, 1, 0.9), (0, 6, 0.15))  # fmt: skip
    network = _network([("sigmoid", [[1.5, 1.5]], [0.0])], rows)
    starts = ((-1.6, 3.6), (4.4, 4.2), (4.6, -1.2), (-1.5, -1.4), (0.9, 2.6))
    return _scene(network, _PAIR, 3.5, starts, 4.0)


_PAIR: Weights = ("output.neuron1.weight1", "output.neuron1.weight2")


def _chain() -> Scene:
    """Put two neurons one behind the other: two valleys, and a saddle between them."""
    rows = ((1, 0.9), (-1, -0.3), (0.4, 0.6))
    network = _network([("tanh", [[0.3]], [0.4]), ("identity", [[0.4]], [0.0])], rows)
    starts = ((-2.4, 1.6), (2.6, 2.2), (-0.5, 0.2), (2.4, -1.7), (-0.3, -2.2))
    weights = ("layer1.neuron1.weight1", "output.neuron1.weight1")
    return _scene(network, weights, 3.0, starts, 0.3)


def _ravine() -> Scene:
    """Let two inputs go together: one long narrow valley of a linear neuron."""
    rows = ((2, 1, 1.5), (1, 0.8, 0.6), (2, 1.6, 1.2), (-1, -0.3, -0.85))
    network = _network([("identity", [[1.0, -0.5]], [0.0])], rows)
    starts = ((-2.0, -3.5), (-2.5, 3.0), (4.5, -1.0), (3.5, 3.0))
    return _scene(network, _PAIR, 4.0, starts, 0.3)


def _adder() -> Scene:
    """Let the network worked out by hand learn to add two bits."""
    layers = [("sigmoid", weights, biases) for weights, biases in zip(WEIGHTS, BIASES, strict=True)]
    rows = tuple((*x, *y) for x, y in zip(BITS, SUMS_OF_BITS, strict=True))
    network = _network(layers, rows, n_inputs=2).model_copy(update={"loss": "binary_cross_entropy"})
    weights = ("output.neuron2.bias", "layer2.neuron2.bias")
    return _scene(network, weights, 8.0, _corners((2.0, 0.0), 8.0), 3.0)


def _exclusive_or() -> Scene:
    return _own(example("exclusive_or"))


_SCENES: dict[SceneName, Callable[[], Scene]] = {
    "outlier": _outlier, "chain": _chain, "ravine": _ravine, "adder": _adder,
    "exclusive_or": _exclusive_or,
}  # fmt: skip


def _network(
    layers: Sequence[tuple[str, list[list[float]], list[float]]],
    rows: Sequence[tuple[float, ...]],
    n_inputs: int | None = None,
) -> NetworkState:
    n = len(layers[0][1][0]) if n_inputs is None else n_inputs
    return NetworkState(
        layers=tuple(
            LayerState(activation=activation, weights=weights, biases=biases)
            for activation, weights, biases in layers
        ),
        examples=tuple(Example(x=row[:n], target=row[n:]) for row in rows),
    )


def curve(asked: CurveAsk) -> CurveAnswer:
    """Return the loss along one weight, and the steps down it from a place."""
    landscape = landscape_of(asked.network)
    with jax.enable_x64(True):
        start = _start_of(landscape, asked) if asked.start is None else asked.start
        along = partial(
            loss_along, landscape, asked.weight, n_steps=CURVE_STEPS, start=start, span=asked.span,
            n_points=CURVE_POINTS,
        )  # fmt: skip
        found = along(learning_rate=1e-9)
        rates = suit_rates(landscape, found, n_steps=CURVE_STEPS)
        suiting = rates.right or rates.too_small or rates.too_large or 1.0
        rate = asked.learning_rate or suiting
        found = along(learning_rate=rate)
    at, least = found.lowest
    return CurveAnswer(
        weight=found.weight, values=found.values.tolist(), losses=_known(found.losses),
        learning_rate=rate, steps=_steps(found), verdict=judge_steps(found), rates=rates,
        lowest=CurveStep(at=at, loss=least, slope=0.0),
    )  # fmt: skip


def _start_of(landscape: Landscape, asked: CurveAsk) -> float:
    """Return a place three quarters of the way out, on the higher side."""
    around = loss_along(
        landscape, asked.weight, learning_rate=1e-9, n_steps=0, span=asked.span, n_points=9
    )
    heights = np.where(np.isfinite(around.losses), around.losses, -np.inf)
    return float(around.values[1] if heights[1] > heights[-2] else around.values[-2])


def _steps(found: LossCurve) -> tuple[CurveStep, ...]:
    steps = []
    for at, loss, slope in zip(found.steps, found.step_losses, found.step_slopes, strict=True):
        if not math.isfinite(at + loss + slope):
            break
        steps.append(CurveStep(at=float(at), loss=float(loss), slope=float(slope)))
    return tuple(steps)


def _known(losses: np.ndarray) -> tuple[float | None, ...]:
    return tuple(_short(one) if math.isfinite(one) else None for one in losses.tolist())


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def survey(asked: MapAsk) -> MapAnswer:
    """Return the loss over two weights, as numbers and as a map."""
    surface = _surface(landscape_of(asked.network), asked.weights, asked.span)
    levels = levels_of(surface.losses, N_LEVELS)
    side = np.linspace(0, MAP_SIDE, MAP_POINTS).tolist()
    filled = np.where(np.isfinite(surface.losses), surface.losses, levels[-1])
    bands = tuple(
        Band(
            level=float(levels[n]), color=shade(n / (N_LEVELS - 1)),
            path=outline(filled, float(levels[n]), side, side[::-1]),
        )
        for n in range(1, N_LEVELS)
    )  # fmt: skip
    heights = np.round(place_among(levels, surface.losses), 4)
    return MapAnswer(
        x=surface.x.tolist(), y=surface.y.tolist(),
        losses=tuple(_known(row) for row in surface.losses), heights=heights.tolist(),
        ground=shade(0), bands=bands, lowest=[_short(one) for one in surface.lowest],
    )  # fmt: skip


def _surface(landscape: Landscape, weights: Weights, span: float) -> LossSurface:
    with jax.enable_x64(True):
        return surface_over_weights(landscape, weights, span=span, n_points=MAP_POINTS)


def run_race(asked: RaceAsk) -> RaceAnswer:
    """Let several walk down over two weights, side by side."""
    landscape = landscape_of(asked.network)
    surface = _surface(landscape, asked.weights, asked.span)
    starts = asked.starts or _drawn(surface, asked.n_starts, asked.seed)
    with jax.enable_x64(True):
        runners, verdicts = _line_up(landscape, asked, starts)
        found = race(landscape, asked.weights, runners, n_steps=RACE_STEPS)
    levels = levels_of(surface.losses, N_LEVELS)
    tracks = [(run.x, run.y) for run in found.runs]
    seen = first_seen(surface, tracks, asked.radius)
    shares, lowest = _by_step(surface, seen)
    return RaceAnswer(
        racers=tuple(
            _racer(found, number, verdict, levels)
            for number, verdict in enumerate(verdicts)
        ),
        basins=found.basins, learning_rate=runners[0].learning_rate, n_steps=RACE_STEPS,
        seen=seen.tolist(), share_seen=shares, lowest_seen=lowest,
    )  # fmt: skip


def _drawn(surface: LossSurface, n: int, seed: int) -> tuple[Start, ...]:
    """Draw starts anywhere on a map, but for its edges."""
    shares = np.random.default_rng(seed).uniform(0.06, 0.94, (n, 2))
    low = np.array([surface.x[0], surface.y[0]])
    high = np.array([surface.x[-1], surface.y[-1]])
    places = np.round(low + shares * (high - low), 3)
    return tuple((float(x), float(y)) for x, y in places)


def _line_up(
    landscape: Landscape, asked: RaceAsk, starts: Sequence[Start]
) -> tuple[list[Runner], list[str | None]]:
    """Return who walks, and what is known of their learning rates."""

    def tried(optimizer: OptimizerName) -> Tried:
        return try_rates(landscape, asked.weights, starts[0], optimizer, n_steps=RACE_STEPS)

    if asked.kind == "starts":
        rate = asked.learning_rate
        if rate is None:
            found = tried(asked.optimizer)
            rate = found.runs[found.best].runner.learning_rate
        runners = [
            Runner(start=start, learning_rate=rate, optimizer=asked.optimizer) for start in starts
        ]
        return runners, [None] * len(runners)
    if asked.kind == "rates":
        found = tried(asked.optimizer)
        chosen = _telling(found)
        return [found.runs[n].runner for n in chosen], [found.verdicts[n] for n in chosen]
    each = [tried(optimizer) for optimizer in OPTIMIZERS]
    return [found.runs[found.best].runner for found in each], [None] * len(each)


def _telling(found: Tried) -> list[int]:
    """Return the rates worth showing: far too small, too small, right, too large, diverging."""
    by = {
        verdict: [n for n, one in enumerate(found.verdicts) if one == verdict]
        for verdict in ("too small", "too large", "diverges")
    }
    small = by["too small"]
    chosen = {found.best, *small[-1:], *small[-3:-2], *by["too large"][:1], *by["diverges"][:1]}
    return sorted(chosen)


def _racer(found: Race, number: int, verdict: str | None, levels: np.ndarray) -> Racer:
    run, basin = found.runs[number], found.basin_of(number)
    n = _finite(run)
    bottom = None
    if basin is not None:
        first, least = float(run.losses[0]), run.end[2]
        bottom = run.steps_to(least + ARRIVED * (first - least))
    return Racer(
        start=run.runner.start, optimizer=run.runner.optimizer,
        learning_rate=run.runner.learning_rate, verdict=verdict,
        x=[_short(v) for v in run.x[:n]], y=[_short(v) for v in run.y[:n]],
        losses=[_short(v) for v in run.losses[:n]],
        heights=np.round(place_among(levels, run.losses[:n]), 4).tolist(), basin=basin,
        steps_to_bottom=bottom,
    )  # fmt: skip


def _finite(run: Run) -> int:
    """Return how many places of a walk are numbers, 1 at least."""
    is_lost = ~np.isfinite(run.x + run.y + run.losses)
    return max(1, int(np.argmax(is_lost)) if is_lost.any() else len(run.x))


def _by_step(surface: LossSurface, seen: np.ndarray) -> tuple[list[float], list[float]]:
    """Return by each step the share of the map that is seen, and the lowest loss there."""
    steps = np.arange(RACE_STEPS + 1)
    is_seen = seen >= 0
    shares = (is_seen[None] & (seen[None] <= steps[:, None, None])).mean(axis=(1, 2))
    heights = np.where(is_seen & np.isfinite(surface.losses), surface.losses, np.inf)
    first = np.where(is_seen, seen, RACE_STEPS)
    lowest = np.full(len(steps), np.inf)
    np.minimum.at(lowest, first.reshape(-1), heights.reshape(-1))
    lowest = np.minimum.accumulate(lowest)
    whole = float(np.max(heights[np.isfinite(heights)], initial=0.0))
    return (
        [round(float(one), 4) for one in shares],
        [_short(float(one)) if math.isfinite(one) else whole for one in lowest],
    )
