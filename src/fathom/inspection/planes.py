"""Planes: points of two classes, and how networks and their rivals divide the plane they lie in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from pydantic import FiniteFloat
from sklearn.ensemble import AdaBoostClassifier, GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from fathom.errors import InputError
from fathom.inspection.contours import outline
from fathom.inspection.descents import Walk, Walker, draw_start, walk_together
from fathom.inspection.judging import Score, set_contest
from fathom.nn.architecture import Architecture
from fathom.nn.dense import Dense
from fathom.nn.named import ActivationName
from fathom.nn.network import Network
from fathom.nn.xla import jnp
from fathom.training.recipe import Recipe
from fathom.values import Value

PlaneName: TypeAlias = Literal["moons", "circles", "exclusive_or", "spirals", "checkerboard"]
KERNELS = ("linear", "poly", "rbf")
STAGES = (1, 2, 3, 5, 8, 12, 20, 30)
SIDE = 61  # places along a side of the plane
SQUARE = 1000.0  # on which regions are drawn
N_STARTS = 4
TURNS = 1.5  # of a spiral


@dataclass(frozen=True)
class Points:
    """Points of two classes in the plane.

    Attributes
    ----------
    x, x_test : numpy.ndarray
        Points to learn from, and points to judge by, shape (n, 2), within about ±1.
    y, y_test : numpy.ndarray
        Their classes, 0 and 1.
    """

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray

    @property
    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """The corners of the plane that is shown."""
        room = 0.1 * np.ptp(self.x, axis=0)
        return self.x.min(axis=0) - room, self.x.max(axis=0) + room


def draw_points(name: PlaneName, n: int = 200, noise: float = 0.08, seed: int = 0) -> Points:
    """Draw points of two classes in the plane, as many again to judge by.

    Parameters
    ----------
    name : {"moons", "circles", "exclusive_or", "spirals", "checkerboard"}
        How they lie.
    n : int
        How many.
    noise : float
        Standard deviation of what is added to each coordinate.
    seed : int
        Which.

    Examples
    --------
    >>> points = draw_points("circles", 100, noise=0.0)
    >>> radius = np.hypot(*points.x.T)
    >>> bool(radius[points.y == 1].max() < radius[points.y == 0].min())
    True
    """
    rng = np.random.default_rng(seed)
    y = np.arange(2 * n) % 2
    x = _PLANES[name](rng, y) + noise * rng.standard_normal((2 * n, 2))
    return Points(x[:n], y[:n], x[n:], y[n:])


def _moons(rng: np.random.Generator, y: np.ndarray) -> np.ndarray:
    angle = np.pi * rng.uniform(0, 1, len(y))
    upper = np.stack([np.cos(angle) - 0.5, np.sin(angle) - 0.25], axis=1)
    lower = np.stack([0.5 - np.cos(angle), 0.25 - np.sin(angle)], axis=1)
    return 0.75 * np.where(y[:, None] == 0, upper, lower)


def _circles(rng: np.random.Generator, y: np.ndarray) -> np.ndarray:
    angle = 2 * np.pi * rng.uniform(0, 1, len(y))
    radius = np.where(y == 0, 0.95, 0.42)
    return radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _exclusive_or(rng: np.random.Generator, y: np.ndarray) -> np.ndarray:
    x = rng.uniform(0.12, 1, (len(y), 2)) * rng.choice([-1, 1], (len(y), 1))
    x[:, 1] *= np.where(y == 0, 1, -1)
    return x


def _spirals(rng: np.random.Generator, y: np.ndarray) -> np.ndarray:
    along = np.sqrt(rng.uniform(0.02, 1, len(y)))
    angle = 2 * np.pi * TURNS * along + np.pi * y
    return along[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _checkerboard(rng: np.random.Generator, y: np.ndarray) -> np.ndarray:
    across = rng.integers(0, 3, len(y))
    up = np.where(across % 2 == y, rng.choice([0, 2], len(y)), 1)
    cells = np.stack([across, up], axis=1)
    return (cells + rng.uniform(0.1, 0.9, cells.shape)) / 1.5 - 1


_PLANES: dict[PlaneName, Callable[[np.random.Generator, np.ndarray], np.ndarray]] = {
    "moons": _moons, "circles": _circles, "exclusive_or": _exclusive_or, "spirals": _spirals,
    "checkerboard": _checkerboard,
}  # fmt: skip


class Region(Value):
    """Where in the plane a model says class 1.

    Attributes
    ----------
    path : str
        Its outline, as the data of a path on a square of 1000.
    score : Score
        Accuracy on points it has not seen.
    """

    path: str
    score: Score


class StagedRegion(Value):
    """A region after some stages of boosting."""

    n_stages: int
    region: Region


class Line(Value):
    """A straight line that divides a plane: points at which weight · x + bias = 0.

    Attributes
    ----------
    across, up, bias : float
        The two weights and the bias.
    accuracy : float
        Share of the points it was fitted to that lie on the right side.
    """

    across: FiniteFloat
    up: FiniteFloat
    bias: FiniteFloat
    accuracy: FiniteFloat


def dividing_line(at: np.ndarray, y: np.ndarray) -> Line:
    """Return the line that divides two classes in the plane best, by logistic regression.

    Parameters
    ----------
    at : numpy.ndarray
        Where the points lie, shape (n, 2).
    y : numpy.ndarray
        Their classes, 0 and 1.

    Examples
    --------
    >>> line = dividing_line(np.array([[0.0, 0.0], [0.0, 1.0], [2.0, 0.0], [2.0, 1.0]]),
    ...     np.array([0, 0, 1, 1]))
    >>> line.accuracy, round(-line.bias / line.across, 2)
    (1.0, 1.0)
    """
    spread = np.where(at.std(axis=0) > 1e-12, at.std(axis=0), 1.0)
    model = LogisticRegression(C=1000.0, max_iter=1000).fit(at / spread, y)
    across, up = model.coef_[0] / spread
    said = model.predict(at / spread)
    return Line(
        across=float(across), up=float(up), bias=float(model.intercept_[0]),
        accuracy=float(np.mean(said == y)),
    )  # fmt: skip


def train_on_points(
    points: Points,
    widths: Sequence[int],
    activation: ActivationName = "tanh",
    *,
    epochs: int = 800,
    seed: int = 0,
) -> Walk:
    """Train a small network on points in the plane, from a few starts; the lowest loss is kept.

    Parameters
    ----------
    points : Points
        The points.
    widths : sequence of int
        Neurons of the hidden layers.
    activation : str
        Activation function of the hidden layers.
    epochs : int
        Passes over all points, one step of Adam each.
    seed : int
        Seed of the starts.
    """
    if not widths or activation == "softmax":
        raise InputError(
            "hidden layers, of any activation function but softmax",
            got="none, or softmax among them",
        )  # fmt: skip
    hidden = [Dense(units=width, activation=activation) for width in widths]
    described = Architecture(
        input_shape=(2,), layers=(*hidden, Dense(units=2, activation="softmax")),
        loss="cross_entropy",
    )  # fmt: skip
    recipe = Recipe(
        optimizer="adam", learning_rate=0.02, schedule="cosine", batch_size=1_000_000,
        epochs=epochs, seed=seed,
    )  # fmt: skip
    walkers = [
        Walker(f"start {n + 1}", draw_start(described, points.x, seed, n), 0.02, n)
        for n in range(N_STARTS)
    ]
    walks = walk_together(described, points.x, points.y, recipe, walkers, n_looks=1)
    return min(walks, key=lambda walk: walk.descent.final_loss)


def network_region(network: Network, points: Points) -> Region:
    """Return where a network of two classes says class 1."""

    def decide(x: np.ndarray) -> np.ndarray:
        z = np.asarray(network.combine(jnp.asarray(x, jnp.float32)), np.float64)
        return np.asarray(z[:, 1] - z[:, 0])

    return _region(decide, points)


def machine_regions(points: Points, kernels: Sequence[str] = KERNELS) -> dict[str, Region]:
    """Return where support vector machines with fixed kernels say class 1."""
    machines = {}
    for kernel in kernels:
        machine = SVC(kernel=kernel, C=10.0, coef0=1.0).fit(points.x, points.y)
        machines[kernel] = _region(machine.decision_function, points)
    return machines


def boosted_regions(points: Points) -> dict[str, tuple[StagedRegion, ...]]:
    """Return where boosted stumps and boosted trees say class 1, after ever more stages."""
    most = STAGES[-1]
    boosters = {
        "stumps": AdaBoostClassifier(
            DecisionTreeClassifier(max_depth=1), n_estimators=most, random_state=0
        ),
        "trees": GradientBoostingClassifier(
            n_estimators=most, max_depth=4, learning_rate=0.2, random_state=0
        ),
    }
    found = {}
    for name, booster in boosters.items():
        booster.fit(points.x, points.y)
        every = np.concatenate([_grid(points), points.x_test])
        staged = [
            np.asarray(values).reshape(len(every))
            for values in booster.staged_decision_function(every)
        ]
        found[name] = tuple(
            StagedRegion(n_stages=n, region=_region_of(staged[n - 1], points))
            for n in STAGES
            if n <= len(staged)
        )
    return found


def _grid(points: Points) -> np.ndarray:
    low, high = points.ends
    across, up = (np.linspace(low[axis], high[axis], SIDE) for axis in (0, 1))
    return np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)


def _region(decide: Callable[[np.ndarray], np.ndarray], points: Points) -> Region:
    return _region_of(decide(np.concatenate([_grid(points), points.x_test])), points)


def _region_of(values: np.ndarray, points: Points) -> Region:
    """Return the region of values on the grid, then on the points to judge by."""
    side = np.linspace(0, SQUARE, SIDE).tolist()
    heights = values[: SIDE * SIDE].reshape(SIDE, SIDE)
    said = (values[SIDE * SIDE :] > 0).astype(int)
    contest = set_contest(points.y, points.y_test)
    return Region(path=outline(heights, 0.0, side, side[::-1]), score=contest.score(said))
