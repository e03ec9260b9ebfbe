"""The error surface drawn: the loss over two weights, or over two directions among all."""

import math
from typing import Literal, TypeAlias

import numpy as np

from fathom.errors import InputError
from fathom.inspection.arrays import Measured, Numbers
from fathom.inspection.charts import Series
from fathom.inspection.contours import surface_chart
from fathom.inspection.curve import grid_losses, offsets
from fathom.inspection.directions import WeightPath, filter_normalized, plane_of
from fathom.inspection.landscape import Landscape
from fathom.inspection.svg import Say
from fathom.inspection.weights import position_of

SurfaceKind: TypeAlias = Literal["weights", "random", "path", "valleys"]

MARGIN = 0.25  # of a map, around the path on it


class SurfaceAxis(Measured):
    """One axis of a surface.

    Attributes
    ----------
    name : str
        What it is: a weight, or a direction in the space of all weights.
    share : float or None
        For the plane of a path: share of the path's movement that lies along it.
    """

    name: str
    share: float | None = None

    def label(self, say: Say = str) -> str:
        """Return its name, with the share where there is one."""
        return say(self.name) + ("" if self.share is None else f" ({self.share:.0%})")


class SurfacePath(Measured):
    """A path over the weights, projected on a surface.

    Attributes
    ----------
    steps : numpy.ndarray
        Numbers of the steps, 0 at the start.
    x, y : numpy.ndarray
        Where each step is on the surface.
    losses : numpy.ndarray
        The true loss at each step; not the surface's beneath it where the path is off the surface.
    off : numpy.ndarray
        How far each step is from the surface, in weight space.
    """

    steps: Numbers
    x: Numbers
    y: Numbers
    losses: Numbers
    off: Numbers


class LossSurface(Measured):
    """The loss of a network over two of its weights, or over two directions among all of them.

    Attributes
    ----------
    kind : {"weights", "random", "path", "valleys"}
        Two weights; two random directions, filter-normalized; the principal plane of a path; or the
        plane through where a path begins, where it ends, and another network.
    axes : tuple of SurfaceAxis
        What is across and what is up.
    x, y : numpy.ndarray
        Coordinates of the grid: values of the weights, or steps from the network along directions.
    losses : numpy.ndarray
        Shape (y, x).
    at : tuple of float
        Where the network is.
    loss : float
        Its loss, which the surface has at that place.
    path : SurfacePath or None
        The way it came.
    other : tuple of float, optional
        Place and loss of another network of the same architecture on the surface.
    """

    kind: SurfaceKind
    axes: tuple[SurfaceAxis, SurfaceAxis]
    x: Numbers
    y: Numbers
    losses: Numbers
    at: tuple[float, float]
    loss: float
    path: SurfacePath | None = None
    other: tuple[float, float, float] | None = None

    @property
    def lowest(self) -> tuple[float, float, float]:
        """Place and loss of the lowest point of the grid."""
        finite = np.where(np.isfinite(self.losses), self.losses, np.inf)
        row, column = np.unravel_index(int(np.argmin(finite)), finite.shape)
        return float(self.x[column]), float(self.y[row]), float(self.losses[row, column])

    def __str__(self) -> str:
        x, y, least = self.lowest
        finite = self.losses[np.isfinite(self.losses)]
        most = float(finite.max()) if len(finite) else math.inf
        lines = [
            f"loss over {_PLACES[self.kind]}: {self.axes[0].label()} and {self.axes[1].label()}, "
            f"{len(self.x)} × {len(self.y)} places",
            f"the network at ({self.at[0]:.4g}, {self.at[1]:.4g}): loss {self.loss:.4g}",
            f"lowest on the map at ({x:.4g}, {y:.4g}): {least:.4g}; highest: {most:.4g}",
        ]
        if self.path is not None:
            lines.append(
                f"the path: {len(self.path.steps)} places, from loss {self.path.losses[0]:.4g} to "
                f"{self.path.losses[-1]:.4g}; at most {np.nanmax(self.path.off):.3g} off this plane"
            )
        if self.other is not None:
            x, y, height = self.other
            lines.append(f"another network at ({x:.4g}, {y:.4g}): loss {height:.4g}")
        return "\n".join(lines)

    __repr__ = __str__

    def to_svg(
        self,
        say: Say = str,
        *,
        known: np.ndarray | None = None,
        title: str = "",
        n_steps: int | None = None,
        width: float = 480,
        height: float = 440,
    ) -> str:
        """Draw the surface as a map, with the network and the path on it, as static SVG.

        Parameters
        ----------
        say : callable
            Turns a label into the reader's language.
        known : numpy.ndarray, optional
            Which places are known, shape (y, x); fog lies over the others.
        title : str
            What the map is called.
        n_steps : int, optional
            How many places of the path are drawn; all where left out.
        width, height : float
            Size in pixels.
        """
        paths = []
        if self.path is not None:
            x, y = self.path.x[:n_steps], self.path.y[:n_steps]
            paths.append(Series(say("path taken"), x, y, "both"))
        marks = []
        if n_steps is None:
            marks.append(Series(say("the network"), [self.at[0]], [self.at[1]], "points"))
            if self.other is not None:
                other = self.other
                marks.append(Series(say("another network"), [other[0]], [other[1]], "points"))
        return surface_chart(
            self.x, self.y, self.losses, title=title or say(_TITLES[self.kind]),
            x_label=self.axes[0].label(say), y_label=self.axes[1].label(say),
            value_label=say("loss"), paths=paths, marks=marks, known=known, width=width,
            height=height, description=str(self),
        )  # fmt: skip

    def _repr_html_(self) -> str:
        return self.to_svg()


_PLACES: dict[SurfaceKind, str] = {
    "weights": "two weights",
    "random": "two random directions",
    "path": "the principal plane of the path",
    "valleys": "the plane through start, end and another network",
}
_TITLES: dict[SurfaceKind, str] = {
    "weights": "Loss over two weights",
    "random": "Loss over two random directions",
    "path": "Loss over the plane of the path",
    "valleys": "Loss over the plane of start, end and another network",
}


def surface_over_weights(
    landscape: Landscape,
    weights: tuple[str, str],
    *,
    path: WeightPath | None = None,
    span: float | None = None,
    n_points: int = 41,
) -> LossSurface:
    """Work out the loss over two weights, all others held.

    Parameters
    ----------
    landscape : Landscape
        The network on its data.
    weights : tuple of str
        The weight across and the weight up.
    path : WeightPath, optional
        The way the network came, drawn by these two weights.
    span : float, optional
        How far the map reaches around the network; where left out, twice the weight's size, at
        least 2, and around the path.
    n_points : int
        Points along either side.

    Raises
    ------
    InputError
        If there is no such weight, or both are the same.
    """
    positions = [position_of(landscape.network, weight) for weight in weights]
    if positions[0] == positions[1]:
        raise InputError("two different weights", got=f"{weights[0]} twice")
    values = landscape.weights[positions].astype(float)
    directions = np.zeros((2, landscape.n_weights))
    directions[[0, 1], positions] = 1
    reach = [span or max(2.0, 2 * abs(value)) for value in values]
    return _surface(
        landscape, "weights", directions, (values[0], values[1]), reach, path, n_points,
        (SurfaceAxis(name=weights[0]), SurfaceAxis(name=weights[1])),
    )  # fmt: skip


def surface_over_directions(
    landscape: Landscape,
    *,
    seed: int = 0,
    path: WeightPath | None = None,
    span: float = 1.0,
    n_points: int = 41,
) -> LossSurface:
    """Work out the loss over two random directions, each neuron's as long as its weights are.

    Parameters
    ----------
    landscape : Landscape
        The network on its data.
    seed : int
        Which directions.
    path : WeightPath, optional
        The way the network came, projected on the two directions.
    span : float
        How far the map reaches around the network; at 1 each neuron moves by its own length.
    n_points : int
        Points along either side.

    References
    ----------
    Li, Xu, Taylor, Studer, Goldstein (2018). Visualizing the loss landscape of neural nets.
    arXiv:1712.09913.
    """
    directions = filter_normalized(landscape.network, seed)
    axes = (SurfaceAxis(name="random direction 1"), SurfaceAxis(name="random direction 2"))
    return _surface(landscape, "random", directions, (0.0, 0.0), [span, span], path, n_points, axes)


def surface_over_path(landscape: Landscape, path: WeightPath, *, n_points: int = 41) -> LossSurface:
    """Work out the loss over the plane in which a path mostly lies.

    The plane goes through the network, along the two principal components of the path's weights.

    Parameters
    ----------
    landscape : Landscape
        The network at the end of the path, on its data.
    path : WeightPath
        The way it came.
    n_points : int
        Points along either side.

    References
    ----------
    Li, Xu, Taylor, Studer, Goldstein (2018), section 7. arXiv:1712.09913.
    """
    directions, shares = plane_of(path.weights)
    axes = tuple(
        SurfaceAxis(name=f"main direction {n}", share=float(share))
        for n, share in enumerate(shares, start=1)
    )
    return _surface(
        landscape, "path", directions, (0.0, 0.0), [0.0, 0.0], path, n_points,
        (axes[0], axes[1]),
    )  # fmt: skip


def surface_between(
    landscape: Landscape, path: WeightPath, other: np.ndarray, *, n_points: int = 41
) -> LossSurface:
    """Work out the loss over the plane through a path's start, its end, and another network.

    Parameters
    ----------
    landscape : Landscape
        The network at the end of the path, on its data.
    path : WeightPath
        The way it came.
    other : numpy.ndarray
        Weights of a network of the same architecture, shape (parameters,), for example of one that
        reached a deeper valley.
    n_points : int
        Points along either side.

    Returns
    -------
    LossSurface
        Across is the way from the network to the other one, up what of the way from its start is
        at right angles to it.

    Raises
    ------
    InputError
        If the other network is the network itself.
    """
    own = landscape.weights.astype(np.float64)
    ways = np.stack([other.astype(np.float64) - own, own - path.weights[0]])
    length = float(np.linalg.norm(ways[0]))
    if not 0 < length < math.inf:
        raise InputError("another network than the one the path leads to", got="the same weights")
    ways[0] /= length
    ways[1] -= (ways[1] @ ways[0]) * ways[0]
    ways[1] /= float(np.linalg.norm(ways[1])) or 1.0
    axes = (SurfaceAxis(name="towards the other network"), SurfaceAxis(name="away from the start"))
    ends = WeightPath(
        np.append(path.steps, path.steps[-1]), np.concatenate([path.weights, other[None]])
    )
    found = _surface(
        landscape, "valleys", ways, (0.0, 0.0), [0.0, 0.0], path, n_points, axes, room_for=ends
    )
    height = float(landscape.losses_at(other[None])[0])
    return found.model_copy(update={"other": (length, 0.0, height)})


def _surface(
    landscape: Landscape,
    kind: SurfaceKind,
    directions: np.ndarray,
    at: tuple[float, float],
    reach: list[float],
    path: WeightPath | None,
    n_points: int,
    axes: tuple[SurfaceAxis, SurfaceAxis],
    room_for: WeightPath | None = None,
) -> LossSurface:
    projected = None if path is None else _project(landscape, path, directions, at)
    shown = projected if room_for is None else _project(landscape, room_for, directions, at)
    sides = []
    for along in range(2):
        low, high = -reach[along], reach[along]
        if shown is not None:
            track = (shown.x, shown.y)[along] - at[along]
            ends = float(np.nanmin(track)), float(np.nanmax(track))
            room = MARGIN * (ends[1] - ends[0])
            low, high = min(low, ends[0] - room), max(high, ends[1] + room)
        if high - low < 1e-6:
            low, high = -1.0, 1.0
        sides.append(offsets(low, high, n_points))
    steps = np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2)
    losses = grid_losses(landscape, directions, steps).reshape(len(sides[1]), len(sides[0]))
    return LossSurface(
        kind=kind, axes=axes, x=at[0] + sides[0], y=at[1] + sides[1], losses=losses,
        at=(float(at[0]), float(at[1])), loss=landscape.loss, path=projected,
    )  # fmt: skip


def _project(
    landscape: Landscape, path: WeightPath, directions: np.ndarray, at: tuple[float, float]
) -> SurfacePath:
    """Return the places of a path nearest to it in the plane, and how far it is from them."""
    is_finite = np.isfinite(path.weights).all(axis=1)
    away = path.weights[is_finite].astype(np.float64) - landscape.weights.astype(np.float64)
    found = np.linalg.lstsq(directions.T, away.T, rcond=None)[0]
    places, off = np.full((2, len(path)), np.nan), np.full(len(path), np.nan)
    places[:, is_finite] = found
    off[is_finite] = np.linalg.norm(away - found.T @ directions, axis=1)
    return SurfacePath(
        steps=path.steps,
        x=at[0] + places[0],
        y=at[1] + places[1],
        losses=landscape.losses_at(path.weights),
        off=off,
    )
