"""A surface as a map: bands of equal height, the lines between them, and the paths on it."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from fathom.inspection.charts import Numbers, Series
from fathom.inspection.frame import Frame
from fathom.inspection.svg import (
    DASHES,
    Axis,
    color,
    element,
    fit_axis,
    marker,
    number_text,
    points,
    text_width,
    words,
)

# Viridis (van der Walt, Smith 2015), from low to high: even to the eye, and in shades of grey too.
_RAMP = (
    (68, 1, 84), (71, 45, 123), (59, 82, 139), (44, 114, 142), (33, 145, 140),
    (40, 174, 128), (94, 201, 98), (173, 220, 48), (253, 231, 37),
)  # fmt: skip
_CORNERS = ((0, 0), (0, 1), (1, 1), (1, 0))  # of a cell, as row and column, going round
_Side: TypeAlias = tuple[tuple[int, int], tuple[int, int]]  # the corners at its ends, in order


def surface_chart(
    x: Numbers,
    y: Numbers,
    z: np.ndarray,
    *,
    title: str,
    x_label: str,
    y_label: str,
    value_label: str,
    paths: Sequence[Series] = (),
    marks: Sequence[Series] = (),
    known: np.ndarray | None = None,
    n_levels: int = 14,
    width: float = 480,
    height: float = 420,
    description: str = "",
) -> str:
    """Draw a surface as a map of its heights, dark where it is low, with paths on it.

    Parameters
    ----------
    x, y : sequence of float
        Coordinates of the grid, ascending.
    z : numpy.ndarray
        Heights, shape (y, x); those that are not finite are left grey.
    title, x_label, y_label, value_label : str
        What the map, its axes and the heights are called.
    paths : sequence of Series
        Lines on the map; a ring at the first point, a mark at the last.
    marks : sequence of Series
        Points on the map.
    known : numpy.ndarray, optional
        Which heights are known, shape (y, x); fog lies over the others.
    n_levels : int
        Number of bands. Their edges lie the closer the lower they are, so that a valley shows
        beneath high walls.
    width, height : float
        Size in pixels.
    description : str
        What the map shows, for those who cannot see it.

    Returns
    -------
    str
        An ``svg`` element.
    """
    frame = Frame(width, height, title, x_label, y_label, description)
    series = [(s, n if s.number is None else s.number) for n, s in enumerate((*paths, *marks), 1)]
    lines, dots = series[: len(paths)], series[len(paths) :]
    frame.place_legend(
        [(s.name, "both", n) for s, n in lines if s.name]
        + [(s.name, "points", n) for s, n in dots if s.name]
    )
    frame.place_y_label()
    levels = levels_of(z, n_levels)
    frame.right = 44 + max(text_width(number_text(level)) for level in levels)
    _, top, _, bottom = frame.box
    up = fit_axis([y[0], y[-1]], bottom, top, margin=0.0)
    ticks = up.ticks(max(2, int((bottom - top) / 36)))
    frame.left = 14 + max(text_width(number_text(t)) for t in [*ticks, 0.0])
    across = fit_axis([x[0], x[-1]], frame.left, frame.box[2], margin=0.0)
    xs, ys = [across(float(v)) for v in x], [up(float(v)) for v in y]
    frame.clip([*_bands(z, levels, xs, ys), *_fog(z, known, xs, ys)])
    frame.draw_axes(across, up, is_ruled=False)
    drawn = [part for s, n in lines for part in _path(s, n, across, up)]
    drawn += [part for s, n in dots for part in _marks(s, n, across, up)]
    frame.clip(drawn)
    _scale(frame, levels, value_label)
    return frame.done()


def levels_of(z: np.ndarray, n_levels: int) -> np.ndarray:
    """Return the edges of the bands: low + (high - low) tᵖ, with half the map below t = ½.

    Parameters
    ----------
    z : numpy.ndarray
        Heights; those that are not finite do not count.
    n_levels : int
        Number of bands.

    Returns
    -------
    numpy.ndarray
        One edge more than bands, from the lowest height to the highest.
    """
    finite = z[np.isfinite(z)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    share = (float(np.median(finite)) - low) / (high - low) if high > low else 0.5
    power = min(max(math.log(max(share, 1e-9)) / math.log(0.5), 1.0), 6.0)
    return low + (high - low) * np.linspace(0, 1, n_levels + 1) ** power


def place_among(levels: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Return how high heights lie among levels: 0 on the lowest, 1 on the highest or above it.

    Between two levels it rises evenly, so that what is drawn as high as this has its lines at even
    distances. What is not finite lies as high as the highest.
    """
    even = np.linspace(0, 1, len(levels))
    return np.interp(np.where(np.isfinite(z), z, levels[-1]), levels, even)


def shade(share: float) -> str:
    """Return the color of a height, 0 for the lowest and 1 for the highest."""
    place = min(max(share, 0.0), 1.0) * (len(_RAMP) - 1)
    n = min(int(place), len(_RAMP) - 2)
    mixed = (a + (b - a) * (place - n) for a, b in zip(_RAMP[n], _RAMP[n + 1], strict=True))
    return "#" + "".join(f"{round(c):02x}" for c in mixed)


def _bands(z: np.ndarray, levels: np.ndarray, xs: list[float], ys: list[float]) -> list[str]:
    """Paint the lowest band everywhere, and over it band after band what is higher."""
    filled = np.where(np.isfinite(z), z, levels[-1])
    n = len(levels) - 1
    size = {"width": xs[-1] - xs[0], "height": ys[0] - ys[-1]}
    parts = [element("rect", x=xs[0], y=ys[-1], fill=shade(0), **size)]
    soft = {"stroke": "#fff", "stroke_opacity": "0.35", "stroke_width": "0.7"}
    for number in range(1, n):
        around = outline(filled, float(levels[number]), xs, ys)
        fill = shade(number / (n - 1))
        parts.append(element("path", d=around, fill=fill, fill_rule="evenodd", **soft))
    return parts


def outline(z: np.ndarray, level: float, xs: list[float], ys: list[float]) -> str:
    """Return the outline of where a surface is at a level or above, as the data of a path.

    Marching squares: in each cell the outline runs from the side where going round leaves what is
    above to the next side where it comes back; a side's neighbor carries on. A ring of cells
    without width, where all is below, closes the outline at the edge of the map.
    """
    z = np.pad(z, 1, constant_values=level - 1)
    xs, ys = [xs[0], *xs, xs[-1]], [ys[0], *ys, ys[-1]]
    inside = z >= level
    count = sum(inside[r : len(ys) - 1 + r, c : len(xs) - 1 + c].astype(int) for r, c in _CORNERS)
    follows: dict[_Side, _Side] = {}
    for row, column in np.argwhere((count > 0) & (count < 4)).tolist():
        corners = [(row + r, column + c) for r, c in _CORNERS]
        sides = list(zip(corners, (*corners[1:], corners[0]), strict=True))
        crossed = [(min(a, b), max(a, b)) for a, b in sides if inside[a] != inside[b]]
        leaves = [inside[a] for a, b in sides if inside[a] != inside[b]]
        for n, is_leaving in enumerate(leaves):
            if is_leaving:
                follows[crossed[n]] = crossed[(n + 1) % len(crossed)]
    loops = []
    while follows:
        side, loop = next(iter(follows)), []
        while side in follows:
            (row, column), (row_2, column_2) = side
            here, there = float(z[side[0]]), float(z[side[1]])
            share = (level - here) / (there - here)
            x = xs[column] + share * (xs[column_2] - xs[column])
            loop.append((x, ys[row] + share * (ys[row_2] - ys[row])))
            side = follows.pop(side)
        loops.append(f"M{points(*zip(*loop, strict=True))}z")
    return "".join(loops)


def _fog(z: np.ndarray, known: np.ndarray | None, xs: list[float], ys: list[float]) -> list[str]:
    """Cover the neighborhood of every point of the grid that is not known, or has no height."""
    covered = ~np.isfinite(z) if known is None else ~(known & np.isfinite(z))
    edges_x = [xs[0], *((a + b) / 2 for a, b in pairwise(xs)), xs[-1]]
    edges_y = [ys[0], *((a + b) / 2 for a, b in pairwise(ys)), ys[-1]]
    runs = []
    for row in range(len(ys)):
        ends = np.flatnonzero(np.diff(np.pad(covered[row], 1).astype(int)))
        for first, last in zip(ends[::2], ends[1::2], strict=True):
            a, b, c, d = edges_x[first], edges_x[last], edges_y[row], edges_y[row + 1]
            runs.append(f"M{points((a, b, b, a), (c, c, d, d))}z")
    return [element("path", d="".join(runs), fill="var(--f-faint)")] if runs else []


def _path(series: Series, number: int, across: Axis, up: Axis) -> list[str]:
    """Draw a path with a pale edge, so that it is seen on every height."""
    placed = [(across(float(a)), up(float(b))) for a, b in zip(series.x, series.y, strict=True)]
    placed = [(a, b) for a, b in placed if math.isfinite(a + b)]
    if not placed:
        return []
    line = {
        "points": points(*zip(*placed, strict=True)),
        "fill": "none",
        "stroke_linejoin": "round",
    }
    parts = [
        element("polyline", stroke="#fff", stroke_width=4.5, **line),
        element(
            "polyline", stroke=color(number), stroke_width=2.2, **line,
            stroke_dasharray=DASHES[number % len(DASHES)] or None,
        ),
    ]  # fmt: skip
    if series.draws != "line" and len(placed) <= 40:
        parts += [marker(number, *p, size=2.4, stroke="#fff") for p in placed[1:-1]]
    x, y = placed[0]
    parts.append(
        element("circle", cx=x, cy=y, r=5, fill="#fff", stroke=color(number), stroke_width=2)
    )
    parts.append(marker(number, *placed[-1], size=5.0, stroke="#fff"))
    return parts


def _marks(series: Series, number: int, across: Axis, up: Axis) -> list[str]:
    placed = [(across(float(a)), up(float(b))) for a, b in zip(series.x, series.y, strict=True)]
    return [marker(number, *p, size=4.5, stroke="#fff") for p in placed]


def _scale(frame: Frame, levels: np.ndarray, label: str) -> None:
    """Draw beside the map which shade is which height."""
    _, top, right, bottom = frame.box
    n = len(levels) - 1
    high = (bottom - top) / n
    for number in range(n):
        y = bottom - (number + 1) * high
        shown = {"x": right + 12, "width": 12.0, "height": high + 0.3}
        frame.add(element("rect", y=y, fill=shade(number / (n - 1)), **shown))
    every = max(1, math.ceil(24 / high))
    for number in range(0, n + 1, every):
        y = bottom - number * high
        frame.add(words(right + 28, y + 4, number_text(float(levels[number]))))
    frame.add(words(frame.width - 8, top - 12, label, "end"))
