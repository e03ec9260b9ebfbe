"""Charts in a terminal: lines in dots, a surface in shades."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fathom.inspection.contours import levels_of
from fathom.inspection.svg import number_text

# The dots of a braille letter, by row and column within it.
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_SHADES = " ░▒▓█"  # the darker the terminal shows it, the higher: a valley stays empty
_LETTERS = " .:+#"


@dataclass(frozen=True)
class Mark:
    """A sign at a point of a chart."""

    x: float
    y: float
    sign: str


def draw_curve(
    x: Sequence[float] | np.ndarray,
    y: Sequence[float] | np.ndarray,
    marks: Sequence[Mark] = (),
    *,
    blocks: bool,
    width: int = 60,
    height: int = 14,
) -> str:
    """Draw a line over two axes.

    Parameters
    ----------
    x, y : sequence of float
        Points of the line, x ascending; where one is not finite there is a gap.
    marks : sequence of Mark
        Signs on the chart, the last on top.
    blocks : bool
        Whether dots of braille can be shown; ``*`` otherwise.
    width, height : int
        Letters across and lines down.
    """
    xs, ys = np.asarray(x, float), np.asarray(y, float)
    is_shown = np.isfinite(xs) & np.isfinite(ys)
    if not is_shown.any():
        return "(nothing finite to draw)"
    xs, ys = xs[is_shown], ys[is_shown]
    ends = (float(xs.min()), float(xs.max()), float(ys.min()), float(ys.max()))
    canvas = np.zeros((height, width), int)
    fine = np.linspace(ends[0], ends[1], 8 * width)
    for place, level in zip(fine, np.interp(fine, xs, ys), strict=True):
        across = _place(place, ends[0], ends[1], 2 * width)
        down = 4 * height - 1 - _place(level, ends[2], ends[3], 4 * height)
        canvas[down // 4, across // 2] |= _DOTS[down % 4][across % 2]
    letters = [[chr(0x2800 + dots) if blocks else "*" for dots in row] for row in canvas]
    rows = [
        [letter if dots else " " for letter, dots in zip(line, row, strict=True)]
        for line, row in zip(letters, canvas, strict=True)
    ]
    for mark in marks:
        is_inside = ends[0] <= mark.x <= ends[1] and math.isfinite(mark.y)
        if is_inside and ends[2] <= mark.y <= ends[3]:
            down = height - 1 - _place(mark.y, ends[2], ends[3], height)
            rows[down][_place(mark.x, ends[0], ends[1], width)] = mark.sign
    return _framed(["".join(row) for row in rows], ends, blocks)


def draw_map(
    x: np.ndarray,
    y: np.ndarray,
    z: np.ndarray,
    marks: Sequence[Mark] = (),
    *,
    known: np.ndarray | None = None,
    blocks: bool,
    width: int = 60,
    height: int = 22,
) -> str:
    """Draw a surface in shades: the lowest places are empty, the highest are full.

    Parameters
    ----------
    x, y : numpy.ndarray
        Coordinates of the grid, ascending.
    z : numpy.ndarray
        Heights, shape (y, x).
    marks : sequence of Mark
        Signs on the map, the last on top.
    known : numpy.ndarray, optional
        Which heights are known, shape (y, x); the others are shown as ``?``.
    blocks : bool
        Whether shaded blocks can be shown; dots and signs otherwise.
    width, height : int
        Letters across and lines down.
    """
    across = np.linspace(0, len(x) - 1, width).round().astype(int)
    down = np.linspace(len(y) - 1, 0, height).round().astype(int)
    shades = _SHADES if blocks else _LETTERS
    edges = levels_of(z, len(shades))
    bands = np.clip(np.searchsorted(edges, np.nan_to_num(z, nan=np.inf)) - 1, 0, len(shades) - 1)
    rows = [[shades[bands[row, column]] for column in across] for row in down]
    if known is not None:
        rows = [
            [sign if known[row, column] else "?" for sign, column in zip(line, across, strict=True)]
            for line, row in zip(rows, down, strict=True)
        ]
    ends = (float(x[0]), float(x[-1]), float(y[0]), float(y[-1]))
    for mark in marks:
        if ends[0] <= mark.x <= ends[1] and ends[2] <= mark.y <= ends[3]:
            line = height - 1 - _place(mark.y, ends[2], ends[3], height)
            rows[line][_place(mark.x, ends[0], ends[1], width)] = mark.sign
    drawn = _framed(["".join(row) for row in rows], ends, blocks)
    names = ["empty", *(shade * 2 for shade in shades[1:])]
    steps = ", ".join(
        f"{name} to {number_text(float(edge))}" for name, edge in zip(names, edges[1:], strict=True)
    )
    return f"{drawn}\n{steps}"


def _place(value: float, low: float, high: float, n: int) -> int:
    share = (value - low) / (high - low) if high > low else 0.5
    return min(max(int(share * n), 0), n - 1)


def _framed(rows: list[str], ends: tuple[float, float, float, float], blocks: bool) -> str:
    """Put an axis beside the rows and one below, with the values at their ends."""
    left, right, low, high = (number_text(end) for end in ends)
    side, foot, corner = ("│", "─", "└") if blocks else ("|", "-", "+")
    margin = max(len(low), len(high))
    labels = [high, *[""] * (len(rows) - 2), low]
    lines = [f"{label:>{margin}} {side}{row}" for label, row in zip(labels, rows, strict=True)]
    width = len(rows[0])
    lines.append(f"{'':>{margin}} {corner}{foot * width}")
    lines.append(f"{'':>{margin}}  {left}{right:>{max(width - len(left), len(right) + 1)}}")
    return "\n".join(line.rstrip() for line in lines)
