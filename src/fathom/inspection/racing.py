"""Races: walks over two weights side by side, from several starts or by several rules."""

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Literal, TypeAlias

import numpy as np
from pydantic import Field, FiniteFloat

from fathom.errors import InputError
from fathom.inspection.arrays import Measured, Numbers
from fathom.inspection.landscape import Landscape
from fathom.inspection.weights import position_of
from fathom.training.recipe import OptimizerName
from fathom.values import Value

RATES = tuple(float(f"{10 ** (power / 2):.1g}") for power in range(-6, 5))  # 0.001 to 100
N_STEPS = 400
MOST_RUNNERS = 12
BETWEEN = 17  # places looked at between two ends
RIDGE = 0.01  # of the whole fall: what is higher than that between two ends divides valleys
NEAR_BEST = 0.05  # of the fall of the best: as good as the best
RateVerdict: TypeAlias = Literal["too small", "right", "too large", "diverges"]


class Runner(Value):
    """One that is to walk down.

    Attributes
    ----------
    start : tuple of float
        The two weights where it begins.
    learning_rate : float
        Its step size η.
    optimizer : str
        The rule of its steps.
    """

    start: tuple[FiniteFloat, FiniteFloat]
    learning_rate: FiniteFloat = Field(gt=0)
    optimizer: OptimizerName = "gradient_descent"


class Run(Measured):
    """One walk over two weights, all others held.

    Attributes
    ----------
    runner : Runner
        Who walked.
    x, y, losses : numpy.ndarray
        The two weights and the loss, at the start and after every step.
    """

    runner: Runner
    x: Numbers
    y: Numbers
    losses: Numbers

    @property
    def end(self) -> tuple[float, float, float]:
        """The two weights and the loss after the last step."""
        return float(self.x[-1]), float(self.y[-1]), float(self.losses[-1])

    @property
    def is_diverged(self) -> bool:
        """Whether it ended as no number, or higher than it began."""
        return not self.losses[-1] <= self.losses[0] * (1 + 1e-9) + 1e-12

    def steps_to(self, loss: float) -> int | None:
        """Return after how many steps a loss was first reached; None if never."""
        found = np.flatnonzero(self.losses <= loss)
        return int(found[0]) if len(found) else None


class Basin(Value):
    """A valley that some walks ended in.

    Attributes
    ----------
    runs : tuple of int
        Numbers of the walks, the lowest end first.
    x, y, loss : float
        The lowest end.
    """

    runs: tuple[int, ...] = Field(min_length=1)
    x: FiniteFloat
    y: FiniteFloat
    loss: FiniteFloat


class Race(Measured):
    """Walks over two weights side by side, and the valleys they ended in.

    Attributes
    ----------
    weights : tuple of str
        The weight across and the weight up.
    runs : tuple of Run
        One for each runner, in their order.
    basins : tuple of Basin
        The deepest first; walks that diverged are in none.
    """

    weights: tuple[str, str]
    runs: tuple[Run, ...]
    basins: tuple[Basin, ...]

    def basin_of(self, number: int) -> int | None:
        """Return the number of the valley a walk ended in, from 0; None where it diverged."""
        found = (place for place, basin in enumerate(self.basins) if number in basin.runs)
        return next(found, None)

    def __str__(self) -> str:
        lines = [f"{len(self.runs)} walks over {self.weights[0]} and {self.weights[1]}"]
        for place, basin in enumerate(self.basins, start=1):
            which = ", ".join(str(run + 1) for run in sorted(basin.runs))
            where = f"({basin.x:.4g}, {basin.y:.4g})"
            lines.append(f"valley {place} at {where}: loss {basin.loss:.4g}, walks {which}")
        lost = [str(n + 1) for n in range(len(self.runs)) if self.basin_of(n) is None]
        return "\n".join([*lines, *([f"diverged: {', '.join(lost)}"] if lost else [])])

    __repr__ = __str__


def race(
    landscape: Landscape,
    weights: tuple[str, str],
    runners: Sequence[Runner],
    *,
    n_steps: int = N_STEPS,
) -> Race:
    """Let several walk down over two weights, all other weights held.

    Two ends are in one valley where nothing on the straight way between them lies higher than the
    higher of them, by more than 1 % of the way down.

    Parameters
    ----------
    landscape : Landscape
        The network on its data.
    weights : tuple of str
        The weight across and the weight up.
    runners : sequence of Runner
        Who walks: 1 to 12.
    n_steps : int
        How many steps each takes.

    Returns
    -------
    Race
        The walks and the valleys.

    Raises
    ------
    InputError
        If there is no such weight, or both are the same, or nobody walks.

    Examples
    --------
    >>> from fathom.inspection.example import hand_worked
    >>> network, architecture = hand_worked()
    >>> landscape = Landscape(network, architecture, [[1.0, -1.0]], [[1.0, 0.0]])
    >>> found = race(landscape, ("output.neuron1.bias", "output.neuron2.bias"), [
    ...     Runner(start=(x, 2.0), learning_rate=5.0) for x in (-3.0, 3.0)
    ... ])
    >>> [basin.runs for basin in found.basins]
    [(1, 0)]
    """
    if not 1 <= len(runners) <= MOST_RUNNERS:
        raise InputError(f"1 to {MOST_RUNNERS} walks", got=f"{len(runners)}")
    positions = _positions(landscape, weights)
    runs: dict[int, Run] = {}
    for optimizer in dict.fromkeys(runner.optimizer for runner in runners):
        mine = [n for n, runner in enumerate(runners) if runner.optimizer == optimizer]
        walked = _walk(landscape, positions, [runners[n] for n in mine], n_steps)
        runs |= dict(zip(mine, walked, strict=True))
    every = tuple(runs[number] for number in range(len(runners)))
    return Race(weights=weights, runs=every, basins=_find_basins(landscape, positions, every))


def _positions(landscape: Landscape, weights: tuple[str, str]) -> list[int]:
    positions = [position_of(landscape.network, weight) for weight in weights]
    if positions[0] == positions[1]:
        raise InputError("two different weights", got=f"{weights[0]} twice")
    return positions


def _walk(
    landscape: Landscape, positions: list[int], runners: Sequence[Runner], n_steps: int
) -> list[Run]:
    """Walk by one rule, always so many together that one program does for all."""
    filled = [*runners, *([runners[-1]] * (MOST_RUNNERS - len(runners)))]
    places, losses = landscape.walk_along(
        positions, np.array([one.start for one in filled]),
        np.array([one.learning_rate for one in filled]), n_steps, runners[0].optimizer,
    )  # fmt: skip
    return [
        Run(runner=runner, x=place[:, 0], y=place[:, 1], losses=height)
        for runner, place, height in zip(runners, places, losses, strict=False)
    ]


def _find_basins(
    landscape: Landscape, positions: list[int], runs: Sequence[Run]
) -> tuple[Basin, ...]:
    kept = [n for n, run in enumerate(runs) if not run.is_diverged]
    if not kept:
        return ()
    kept.sort(key=lambda n: runs[n].end[2])
    fall = max(float(runs[n].losses[0]) for n in kept) - runs[kept[0]].end[2]
    ridges = _ridges(landscape, positions, [runs[n].end for n in kept])
    groups: list[list[int]] = []
    for place in range(len(kept)):
        for group in groups:
            if ridges[group[0], place] <= RIDGE * fall:
                group.append(place)
                break
        else:
            groups.append([place])
    found = []
    for group in groups:
        x, y, loss = runs[kept[group[0]]].end
        found.append(Basin(runs=tuple(kept[place] for place in group), x=x, y=y, loss=loss))
    return tuple(found)


def _ridges(
    landscape: Landscape, positions: list[int], ends: Sequence[tuple[float, float, float]]
) -> np.ndarray:
    """Return by how much the way between two ends rises above the higher one, shape (n, n)."""
    shares = np.linspace(0, 1, BETWEEN)[:, None]
    own = landscape.weights[positions].astype(float)
    places = np.tile(np.zeros(2), (MOST_RUNNERS * (MOST_RUNNERS - 1) // 2, BETWEEN, 1))
    pairs = list(combinations(range(len(ends)), 2))
    for number, (a, b) in enumerate(pairs):
        one, other = np.array(ends[a][:2]), np.array(ends[b][:2])
        places[number] = one + shares * (other - one) - own
    directions = np.zeros((2, landscape.n_weights))
    directions[[0, 1], positions] = 1
    heights = landscape.losses_on(directions, places.reshape(-1, 2)).reshape(len(places), BETWEEN)
    ridges = np.zeros((len(ends), len(ends)))
    for number, (a, b) in enumerate(pairs):
        top = float(np.max(np.where(np.isfinite(heights[number]), heights[number], math.inf)))
        ridges[a, b] = ridges[b, a] = top - max(ends[a][2], ends[b][2])
    return ridges


class Tried(Measured):
    """Learning rates tried from one start by one rule.

    Attributes
    ----------
    runs : tuple of Run
        One for each rate, ascending.
    verdicts : tuple of str
        What each rate is: too small, right, too large, diverges.
    best : int
        Number of the rate that ends lowest, and of those as low the one that is there soonest.
    """

    runs: tuple[Run, ...]
    verdicts: tuple[RateVerdict, ...]
    best: int


def try_rates(
    landscape: Landscape,
    weights: tuple[str, str],
    start: tuple[float, float],
    optimizer: OptimizerName = "gradient_descent",
    *,
    rates: Sequence[float] = RATES,
    n_steps: int = N_STEPS,
) -> Tried:
    """Walk down over two weights from one start at several learning rates, and judge them.

    A rate is right where it ends as low as the best, within 5 % of the best's fall; others below
    the best are too small, others above it too large; one that ends as no number or higher than it
    began diverges.

    Parameters
    ----------
    landscape, weights
        As for `race`.
    start : tuple of float
        Where all begin.
    optimizer : str
        The rule of the steps.
    rates : sequence of float
        Learning rates, above 0.
    n_steps : int
        How many steps each takes.
    """
    runners = [
        Runner(start=start, learning_rate=rate, optimizer=optimizer) for rate in sorted(rates)
    ]
    runs = race(landscape, weights, runners, n_steps=n_steps).runs
    ends = [math.inf if run.is_diverged else run.end[2] for run in runs]
    best = min(range(len(runs)), key=lambda n: (ends[n], float(np.nansum(runs[n].losses))))
    near = ends[best] + NEAR_BEST * (float(runs[best].losses[0]) - ends[best])
    good = [n for n in range(len(runs)) if ends[n] <= near]
    soonest = min(good, key=lambda n: runs[n].steps_to(near) or 0, default=best)
    return Tried(
        runs=runs, verdicts=tuple(_judge(n, soonest, ends[n], near) for n in range(len(runs))),
        best=soonest,
    )  # fmt: skip


def _judge(number: int, best: int, end: float, near: float) -> RateVerdict:
    if not math.isfinite(end):
        return "diverges"
    if end <= near:
        return "right"
    return "too small" if number < best else "too large"
