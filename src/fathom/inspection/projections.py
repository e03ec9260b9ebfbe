"""Projections: what every layer makes of the rows, drawn in the plane."""

from typing import Any, Literal, TypeAlias

import numpy as np
from pydantic import Field, FiniteFloat
from scipy.linalg import eigh

from fathom.errors import InputError
from fathom.inspection.arrays import Measured, Numbers
from fathom.inspection.findings import Finding, find
from fathom.inspection.judging import read_target
from fathom.inspection.pictures import cloud, side_by_side
from fathom.inspection.probes import require_pairs
from fathom.inspection.representations import (
    Representation,
    draw_rows,
    label,
    representations,
)
from fathom.inspection.svg import color, document, element, fit_axis, marker, points, words
from fathom.nn.network import Network
from fathom.values import Value

Method: TypeAlias = Literal["pca", "discriminant"]
MAIN_DIRECTIONS = 50  # a layer's rows are brought to these before discriminants are looked for
TINY = 1e-9


class Projection(Measured):
    """The rows of one layer in the plane.

    Attributes
    ----------
    number, name
        The layer, numbered as `Architecture` prints it; 0 is the input.
    at : numpy.ndarray
        Where each row lies, shape (rows, 2).
    share : float
        Share of the variance (of that between classes, for discriminants) that the plane shows.
    """

    number: int = Field(ge=0)
    name: str
    at: Numbers
    share: FiniteFloat

    def __str__(self) -> str:
        return label(self.number, self.name)


class Projections(Measured):
    """The same rows in the plane, layer by layer.

    Attributes
    ----------
    method : {"pca", "discriminant"}
        How the plane was chosen.
    rows : tuple of int
        Numbers of the rows.
    labels : tuple of str
        What each row is: its class, or nothing.
    layers : tuple of Projection
        The input, every hidden layer, and the sums of the output layer.
    findings : tuple of Finding
        What is worth saying about it.
    """

    method: Method
    rows: tuple[int, ...]
    labels: tuple[str, ...]
    layers: tuple[Projection, ...]
    findings: tuple[Finding, ...] = ()

    def __str__(self) -> str:
        plane = "two main directions" if self.method == "pca" else "two best discriminants"
        lines = [f"{len(self.rows):,} rows by the {plane} of each layer"]
        lines += [f"{layer}: {layer.share:.0%}" for layer in self.layers]
        return "\n".join([*lines, *map(str, self.findings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return side_by_side(
            [
                cloud(
                    layer.at, self.labels, title=str(layer),
                    x_label=f"first direction, both show {layer.share:.0%}",
                    y_label="second direction",
                )
                for layer in self.layers
            ]
        )  # fmt: skip


def project(
    network: Network,
    x: Any,
    y: Any = None,
    *,
    method: Method = "pca",
    n_shown: int = 300,
    most_rows: int = 3000,
    seed: int = 0,
) -> Projections:
    """Draw in the plane what every layer makes of the rows.

    The plane is that of the two main directions (PCA), or of the two directions along which the
    classes lie farthest apart for their width (Fisher's discriminants). It is chosen on other rows
    than those shown, where there are enough.

    Parameters
    ----------
    network : Network
        The network.
    x, y : array-like
        Rows as the network takes them, and their target, which discriminants need.
    method : {"pca", "discriminant"}, default "pca"
        How the plane is chosen.
    n_shown : int, default 300
        Rows shown.
    most_rows : int, default 3000
        Rows the plane is chosen on.
    seed : int, default 0
        Seed of the draw.

    Returns
    -------
    Projections
        One plane a layer.

    Raises
    ------
    InputError
        If discriminants are asked for without classes.

    Examples
    --------
    >>> import jax
    >>> from sklearn.datasets import load_iris
    >>> from fathom import Architecture, Dense, build
    >>> x, y = load_iris(return_X_y=True)
    >>> network = build(Architecture(
    ...     input_shape=(4,), loss="cross_entropy",
    ...     layers=(Dense(units=8), Dense(units=3, activation="softmax")),
    ... ), jax.random.key(0))
    >>> seen = project(network, x, y, n_shown=50)
    >>> seen.layers[0].at.shape, round(seen.layers[0].share, 2)
    ((50, 2), 0.98)
    """
    if y is not None:
        require_pairs(x, y, None, None)
    drawn = draw_rows(len(x), most_rows + n_shown, seed)
    mixed = np.random.default_rng(seed).permutation(drawn)
    shown, others = np.sort(mixed[:n_shown]), np.sort(mixed[n_shown:])
    has_others = len(others) >= n_shown
    chosen_on = others if has_others else drawn
    labels, classes = [""] * len(shown), None
    if y is not None:
        array = np.asarray(y).reshape(len(x), -1)[:, 0]
        task, numbers = read_target(array)
        if task == "classes":
            labels, classes = [str(value) for value in array[shown]], numbers[chosen_on]
    if method == "discriminant" and classes is None:
        raise InputError(
            "classes for discriminants", got="none", hint="give y of classes, or method='pca'"
        )
    learned = representations(network, np.asarray(x)[chosen_on])
    seen = representations(network, np.asarray(x)[shown])
    layers = tuple(_project(*pair, method, classes) for pair in zip(learned, seen, strict=True))
    last = layers[-2]
    found = [find("projection_share", layer=str(last), share=last.share)] * (method == "pca")
    if not has_others and method == "discriminant":
        found.append(find("projection_same_rows", "warning", n_rows=len(drawn)))
    return Projections(
        method=method, rows=tuple(shown.tolist()), labels=tuple(labels), layers=layers,
        findings=tuple(found),
    )  # fmt: skip


def _project(
    learned: Representation, seen: Representation, method: Method, classes: np.ndarray | None
) -> Projection:
    known, new = (part.flat.astype(np.float64) for part in (learned, seen))
    center = known.mean(axis=0)
    if method == "pca" or classes is None:
        directions, share = main_directions(known)
    else:
        directions, share = discriminants(known, classes)
    at = np.round((new - center) @ directions, 4)
    return Projection(number=seen.number, name=seen.name, at=at, share=share)


def main_directions(values: np.ndarray, n: int = 2) -> tuple[np.ndarray, float]:
    """Return the directions along which rows differ most, and their share of the variance.

    Parameters
    ----------
    values : numpy.ndarray
        Rows, shape (rows, features).
    n : int
        How many directions.

    Returns
    -------
    tuple of numpy.ndarray and float
        Orthonormal directions, shape (features, n), the largest entry of each positive; zeros
        where there are fewer. The share of the variance, 1 where there is none.

    Examples
    --------
    >>> directions, share = main_directions(np.array([[0.0, 0.0], [2.0, 0.0], [4.0, 0.0]]), 1)
    >>> directions.tolist(), share
    ([[1.0], [0.0]], 1.0)
    """
    centered = values - values.mean(axis=0)[None, :]
    if centered.shape[0] < centered.shape[1]:  # the smaller of the two square matrices
        sizes, left = np.linalg.eigh(centered @ centered.T)
        right = centered.T @ left
        right /= np.maximum(np.linalg.norm(right, axis=0), np.finfo(float).tiny)[None, :]
    else:
        sizes, right = np.linalg.eigh(centered.T @ centered)
    sizes, right = np.maximum(sizes[::-1][:n], 0), right[:, ::-1][:, :n]
    total = float((centered**2).sum())
    right = np.where(sizes[None, :] > TINY * total, right, 0)
    found = np.zeros((values.shape[1], n))
    found[:, : right.shape[1]] = _with_sign(right)
    return found, float(sizes.sum() / total) if total > 0 else 1.0


def discriminants(values: np.ndarray, classes: np.ndarray, n: int = 2) -> tuple[np.ndarray, float]:
    """Return the directions along which classes lie farthest apart for their width.

    They are the w that make (wᵀ B w) / (wᵀ W w) largest, B the covariance of the class means and W
    the mean covariance within classes, looked for among the main directions of the rows.

    Parameters
    ----------
    values : numpy.ndarray
        Rows, shape (rows, features).
    classes : numpy.ndarray
        Class number of each row.
    n : int
        How many directions; one fewer than classes tell them apart.

    Returns
    -------
    tuple of numpy.ndarray and float
        Directions, shape (features, n), of variance 1 within classes, zeros where there are fewer;
        and their share of what tells the classes apart, the sum of those ratios.

    References
    ----------
    Fisher (1936). The use of multiple measurements in taxonomic problems. Belhumeur, Hespanha,
    Kriegman (1997). Eigenfaces vs. Fisherfaces. IEEE PAMI 19, for the main directions first.
    """
    most = min(MAIN_DIRECTIONS, values.shape[1], max(1, len(values) - len(np.unique(classes)) - 1))
    main, _ = main_directions(values, most)
    main = main[:, np.abs(main).sum(axis=0) > 0]
    found = np.zeros((values.shape[1], n))
    if main.shape[1] == 0:
        return found, 1.0
    rows = (values - values.mean(axis=0)[None, :]) @ main
    between, within = np.zeros((2, rows.shape[1], rows.shape[1]))
    for number in np.unique(classes):
        mine = rows[classes == number]
        mean = mine.mean(axis=0)
        between += len(mine) / len(rows) * np.outer(mean, mean)
        within += (mine - mean[None, :]).T @ (mine - mean[None, :]) / len(rows)
    floor = 1e-6 * float(np.trace(within + between)) / len(within)
    ratios, directions = eigh(between, within + floor * np.eye(len(within)))
    ratios, directions = np.maximum(ratios[::-1], 0), directions[:, ::-1][:, :n]
    most = min(n, len(np.unique(classes)) - 1, directions.shape[1])
    found[:, :most] = _with_sign(main @ directions[:, :most])
    total = float(ratios.sum())
    return found, float(ratios[:most].sum() / total) if total > 0 else 1.0


def _with_sign(directions: np.ndarray) -> np.ndarray:
    """Turn each direction so that its largest entry is positive."""
    largest = np.abs(directions).argmax(axis=0)
    signs = np.sign(directions[largest, np.arange(directions.shape[1])])
    return directions * np.where(signs == 0, 1, signs)[None, :]


class BentLayer(Measured):
    """The grid of the input plane as one layer bends it.

    Attributes
    ----------
    number, name
        The layer, numbered as `Architecture` prints it; 0 is the input.
    lines : numpy.ndarray
        Where the points of each line of the grid lie, shape (lines, points, 2).
    at : numpy.ndarray
        Where the rows lie, shape (rows, 2).
    share : float
        Share of the grid's variance that the plane shows; 1 for layers of one or two neurons.
    """

    number: int = Field(ge=0)
    name: str
    lines: Numbers
    at: Numbers
    share: FiniteFloat

    def __str__(self) -> str:
        return label(self.number, self.name)


class BentGrid(Value):
    """The plane of two inputs, bent layer by layer.

    Attributes
    ----------
    low, high : tuple of float
        Corners of the grid.
    labels : tuple of str
        What each row is.
    layers : tuple of BentLayer
        The input, every hidden layer, and the sums of the output layer.
    """

    low: tuple[FiniteFloat, FiniteFloat]
    high: tuple[FiniteFloat, FiniteFloat]
    labels: tuple[str, ...]
    layers: tuple[BentLayer, ...]

    def __str__(self) -> str:
        corners = f"({self.low[0]:g}, {self.low[1]:g}) to ({self.high[0]:g}, {self.high[1]:g})"
        lines = [f"the plane from {corners}, bent by each layer"]
        lines += [f"{layer}: the picture shows {layer.share:.0%}" for layer in self.layers]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return side_by_side([_draw_bent(layer, self.labels) for layer in self.layers])


def bend_grid(
    network: Network,
    x: Any = None,
    y: Any = None,
    *,
    low: tuple[float, float] = (-1.0, -1.0),
    high: tuple[float, float] = (1.0, 1.0),
    n_lines: int = 13,
    n_points: int = 61,
) -> BentGrid:
    """Show how each layer of a network of two inputs bends the plane.

    A grid is laid on the inputs, and its lines are followed through the layers. A layer of two
    neurons is drawn as it is; of wider ones the plane of the two main directions of the grid is.

    Parameters
    ----------
    network : Network
        A network of two inputs.
    x, y : array-like, optional
        Rows to be drawn on the grid, whose range it then takes, and what they are.
    low, high : tuple of float
        Corners of the grid where there are no rows.
    n_lines, n_points : int
        Lines in each direction, and points on a line.

    Returns
    -------
    BentGrid
        The grid, layer by layer.

    Raises
    ------
    InputError
        If the network has not two inputs.

    Examples
    --------
    >>> import jax
    >>> from fathom import Architecture, Dense, build
    >>> network = build(Architecture(
    ...     input_shape=(2,), loss="binary_cross_entropy",
    ...     layers=(Dense(units=2, activation="tanh"), Dense(units=1, activation="sigmoid")),
    ... ), jax.random.key(0))
    >>> bend_grid(network).layers[1].lines.shape
    (26, 61, 2)
    """
    rows = np.empty((0, 2)) if x is None else np.asarray(x, np.float64)
    if rows.ndim != 2 or rows.shape[1] != 2:
        raise InputError("rows of two numbers", got=f"shape {rows.shape}")
    if len(rows):
        room = 0.1 * np.maximum(np.ptp(rows, axis=0), TINY)
        corners = rows.min(axis=0) - room, rows.max(axis=0) + room
        low, high = ((float(c[0]), float(c[1])) for c in corners)
    grid = _grid(low, high, n_lines, n_points)
    everything = np.concatenate([grid.reshape(-1, 2), rows])
    layers = []
    for seen in representations(network, everything):
        flat = seen.flat.astype(np.float64)
        at, share = _flattened(flat, n_grid=grid.shape[0] * grid.shape[1])
        cut = grid.shape[0] * grid.shape[1]
        lines = np.round(at[:cut].reshape(grid.shape), 4)
        layers.append(
            BentLayer(number=seen.number, name=seen.name, lines=lines, share=share,
                      at=np.round(at[cut:], 4))
        )  # fmt: skip
    labels = ("",) * len(rows) if y is None else tuple(map(str, np.asarray(y).reshape(-1)))
    if len(labels) != len(rows):
        raise InputError("a target for each row", got=f"{len(rows)} rows, {len(labels)} of y")
    return BentGrid(low=low, high=high, labels=labels, layers=tuple(layers))


def _grid(
    low: tuple[float, float], high: tuple[float, float], n_lines: int, n_points: int
) -> np.ndarray:
    """Return the lines of a grid, those across first, shape (2 n_lines, n_points, 2)."""
    across, up = (np.linspace(a, b, n_lines) for a, b in zip(low, high, strict=True))
    along = [np.linspace(a, b, n_points) for a, b in zip(low, high, strict=True)]
    level = [np.stack([along[0], np.full(n_points, y)], axis=1) for y in up]
    upright = [np.stack([np.full(n_points, x), along[1]], axis=1) for x in across]
    return np.stack(level + upright)


def _flattened(values: np.ndarray, n_grid: int) -> tuple[np.ndarray, float]:
    """Return values in the plane, as they are or by the main directions of the grid."""
    n = values.shape[1]
    if n <= 2:
        return np.pad(values, [(0, 0), (0, 2 - n)]), 1.0
    directions, share = main_directions(values[:n_grid])
    return (values - values[:n_grid].mean(axis=0)[None, :]) @ directions, share


def _draw_bent(layer: BentLayer, labels: tuple[str, ...], side: float = 220) -> str:
    flat = layer.lines.reshape(-1, 2)
    across = fit_axis([*flat[:, 0], *layer.at[:, 0]], 8, side - 8)
    up = fit_axis([*flat[:, 1], *layer.at[:, 1]], side + 18, 34)
    parts = [words(8, 21, str(layer), class_="f-title")]
    half = len(layer.lines) // 2
    for number, line in enumerate(layer.lines):
        drawn = points(map(across, line[:, 0]), map(up, line[:, 1]))
        width = 1.6 if number % half in (0, half - 1) else 0.8
        stroke = color(0) if number < half else color(2)
        parts.append(
            element("polyline", points=drawn, fill="none", stroke=stroke, stroke_width=width)
        )
    names = list(dict.fromkeys(sorted(labels)))
    for name, (x, y) in zip(labels, layer.at, strict=True):
        parts.append(marker(names.index(name) + 1, across(float(x)), up(float(y)), 2.4))
    return document(parts, side, side + 24, str(layer))
