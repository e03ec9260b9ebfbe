"""Charts as static SVG: lines and points, distributions, bars, a matrix.

Every text is given by the caller, in any language, and escaped here. Nothing rests on color alone:
lines have dashes, points have marks, cells and bars have numbers.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from fathom.inspection.frame import Draws, Frame, stroke
from fathom.inspection.svg import (
    FONT_SIZE,
    Axis,
    color,
    element,
    escaped,
    fit_axis,
    marker,
    number_text,
    points,
    shortened,
    text_width,
    words,
)

Numbers: TypeAlias = Sequence[float] | np.ndarray

MOST_MARKS = 12  # more marks on a line would hide it
STRIP = 80  # values of a distribution that are still shown one by one


@dataclass(frozen=True)
class Series:
    """Points that belong together on a chart.

    Parameters
    ----------
    name : str
        Its name in the legend; without one it is not in the legend.
    x, y : sequence of float
        Coordinates; a line is broken where one is not finite.
    draws : {"line", "points", "both"}
        How the points are drawn.
    low, high : sequence of float, optional
        A band around the line, for example from the first quartile to the third.
    number : int, optional
        Which color, dash and mark; by default its position in the chart.
    """

    name: str
    x: Numbers
    y: Numbers
    draws: Draws = "line"
    low: Numbers | None = None
    high: Numbers | None = None
    number: int | None = None


def line_chart(
    series: Sequence[Series],
    *,
    title: str,
    x_label: str,
    y_label: str,
    log_x: bool = False,
    log_y: bool = False,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    width: float = 480,
    height: float = 280,
    description: str = "",
) -> str:
    """Draw lines or points over two axes, with a legend.

    Parameters
    ----------
    series : sequence of Series
        What is drawn, the last on top.
    title, x_label, y_label : str
        What the chart, the axis across and the axis up are called.
    log_x, log_y : bool
        Whether an axis goes by equal factors; values of 0 and less are left out on it.
    x_range, y_range : tuple of float, optional
        Ends of an axis; what lies beyond is cut off. By default everything has room.
    width, height : float
        Size in pixels.
    description : str
        What the chart shows, for those who cannot see it.

    Returns
    -------
    str
        An ``svg`` element.

    Examples
    --------
    >>> drawn = line_chart(
    ...     [Series("training", [1, 2, 3], [0.9, 0.4, 0.3])],
    ...     title="Learning", x_label="epoch", y_label="loss",
    ... )
    >>> drawn.startswith("<svg") and "epoch" in drawn
    True
    """
    frame = Frame(width, height, title, x_label, y_label, description)
    numbered = [(s, i if s.number is None else s.number) for i, s in enumerate(series)]
    frame.place_legend([(s.name, s.draws, n) for s, n in numbered if s.name])
    frame.place_y_label()
    heights = [part for s in series for part in (s.y, s.low, s.high) if part is not None]
    ys = y_range or [v for part in heights for v in part]
    xs = x_range or [v for s in series for v in s.x]
    _, top, right, bottom = frame.box
    up = fit_axis(ys, bottom, top, log_y, 0.0 if y_range else 0.04)
    ticks = up.ticks(max(2, int((bottom - top) / 36)))
    frame.left = 14 + max(text_width(number_text(t)) for t in [*ticks, 0.0])
    across = fit_axis(xs, frame.left, right, log_x, 0.0 if x_range else 0.02)
    frame.draw_axes(across, up)
    frame.clip([part for s, n in numbered for part in _series_parts(s, n, across, up)])
    return frame.done()


def _series_parts(series: Series, number: int, across: Axis, up: Axis) -> list[str]:
    parts = []
    xs = [across(float(v)) for v in series.x]
    if series.low is not None and series.high is not None:
        low, high = ([up(float(v)) for v in band] for band in (series.low, series.high))
        kept = [i for i in range(len(xs)) if math.isfinite(xs[i] + low[i] + high[i])]
        outline = [(xs[i], low[i]) for i in kept] + [(xs[i], high[i]) for i in reversed(kept)]
        if outline:
            around = points(*zip(*outline, strict=True))
            parts.append(element("polygon", points=around, fill=color(number), opacity="0.18"))
    ys = [up(float(v)) for v in series.y]
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in zip(xs, ys, strict=True):
        if math.isfinite(x) and math.isfinite(y):
            runs[-1].append((x, y))
        elif runs[-1]:
            runs.append([])
    if series.draws != "points":
        parts += [
            element("polyline", points=points(*zip(*run, strict=True)), **stroke(number))
            for run in runs
            if len(run) > 1
        ]
    marked = [point for run in runs for point in run]
    if series.draws == "both" and len(marked) > MOST_MARKS:
        marked = marked[:: -(-len(marked) // MOST_MARKS)]
    if series.draws != "line":
        parts += [marker(number, x, y) for x, y in marked]
    else:
        parts += [marker(number, *run[0]) for run in runs if len(run) == 1]
    return parts


def distribution_chart(
    names: Sequence[str],
    values: Sequence[Numbers],
    *,
    title: str,
    x_label: str,
    log_x: bool = False,
    median_label: str = "median",
    width: float = 480,
    description: str = "",
) -> str:
    """Draw a distribution for each name: a box from quartile to quartile, and every value.

    Parameters
    ----------
    names : sequence of str
        A name for each distribution, written above it.
    values : sequence of sequences of float
        The values of each; those that are not finite are counted in words beside its name.
    title, x_label : str
        What the chart and the axis of the values are called.
    log_x : bool
        Whether the axis goes by equal factors.
    median_label : str
        What the middle value is called.
    width : float
        Width in pixels; the height follows from how many distributions there are.
    description : str
        What the chart shows, for those who cannot see it.

    Returns
    -------
    str
        An ``svg`` element.
    """
    frame = Frame(width, 0, title, x_label, "", description)
    row = 44.0
    frame.height = frame.top + row * len(names) + 8 + frame.bottom
    left, top, right, bottom = frame.box
    finite = [np.asarray([v for v in given if math.isfinite(v)], float) for given in values]
    across = fit_axis([v for given in finite for v in given], left, right, log_x)
    for value in across.ticks(max(2, int((right - left) / 64))):
        x = across(value)
        frame.add(element("line", class_="f-grid", x1=x, y1=top, x2=x, y2=bottom))
        frame.add(words(x, bottom + 16, number_text(value), "middle"))
    frame.name_axis()
    for number, (name, given, kept) in enumerate(zip(names, values, finite, strict=True)):
        y = top + row * number
        missing = len(given) - len(kept)
        note = f" ({missing} ∞)" if missing else ""
        frame.add(words(left, y + 14, shortened(f"{name}{note}", right - left - 120)))
        if len(kept):
            frame.parts += _box(kept, y + 28, across, number)
            median = f"{median_label} {number_text(_median(given))}"
            frame.add(words(right, y + 14, median, "end"))
    return frame.done()


def _median(values: Numbers) -> float:
    """Return the middle value; infinite ones are the largest."""
    return float(np.quantile(np.asarray(values, float), 0.5, method="inverted_cdf"))


def _box(values: np.ndarray, y: float, across: Axis, number: int) -> list[str]:
    low, first, middle, third, high = (
        across(float(q)) for q in np.quantile(values, [0, 0.25, 0.5, 0.75, 1])
    )
    line = {"stroke": color(number), "stroke_width": 1.5}
    parts = [
        element("line", x1=low, y1=y, x2=high, y2=y, **line),
        element(
            "rect", x=first, y=y - 7, width=max(third - first, 1.0), height=14.0, rx=2,
            fill=color(number), fill_opacity="0.22", **line,
        ),
    ]  # fmt: skip
    shown = values if len(values) <= STRIP else np.empty(0)
    for position, value in enumerate(shown):
        height = y + 5 * math.sin(2.4 * position)  # apart, the same each time
        parts.append(element("circle", cx=across(float(value)), cy=height, r=2, fill=color(number)))
    parts.append(
        element(
            "line", x1=middle, y1=y - 9, x2=middle, y2=y + 9, stroke="var(--f-text)", stroke_width=2
        )
    )
    return parts


def bar_chart(
    names: Sequence[str],
    values: Numbers,
    *,
    title: str,
    x_label: str,
    low: Numbers | None = None,
    high: Numbers | None = None,
    as_text: Callable[[float], str] = number_text,
    width: float = 480,
    description: str = "",
) -> str:
    """Draw a bar for each name, from 0, with its number and, where given, its interval.

    Parameters
    ----------
    names : sequence of str
        Names of the bars, from the top.
    values : sequence of float
        Their lengths; negative ones go to the left.
    title, x_label : str
        What the chart and the axis of the values are called.
    low, high : sequence of float, optional
        Ends of an interval around each value.
    as_text : callable
        How a number is written beside its bar.
    width : float
        Width in pixels; the height follows from how many bars there are.
    description : str
        What the chart shows, for those who cannot see it.

    Returns
    -------
    str
        An ``svg`` element.
    """
    frame = Frame(width, 0, title, x_label, "", description)
    row = 22.0
    frame.height = frame.top + row * len(names) + 8 + frame.bottom
    widest = max([text_width(name) for name in names], default=0.0)
    frame.left = min(widest, 0.38 * width) + 14
    texts = [as_text(float(v)) for v in values]
    frame.right = max([text_width(text) for text in texts], default=0.0) + 16
    left, top, right, bottom = frame.box
    ends = [0.0, *values, *(low if low is not None else ()), *(high if high is not None else ())]
    axis = fit_axis(ends, left, right, margin=0.0)
    for value in axis.ticks(max(2, int((right - left) / 64))):
        x = axis(value)
        frame.add(element("line", class_="f-grid", x1=x, y1=top, x2=x, y2=bottom))
        frame.add(words(x, bottom + 16, number_text(value), "middle"))
    frame.name_axis()
    for number, (name, value, text) in enumerate(zip(names, values, texts, strict=True)):
        y = top + row * number
        frame.add(words(left - 6, y + 15, shortened(name, left - 10), "end"))
        if math.isfinite(value):
            start, end = sorted((axis(0.0), axis(float(value))))
            bar = {"x": start, "width": max(end - start, 0.5), "height": row - 8, "rx": 2}
            frame.add(element("rect", y=y + 4, fill=color(0), fill_opacity="0.75", **bar))
        if low is not None and high is not None and math.isfinite(low[number] + high[number]):
            a, b, middle = axis(float(low[number])), axis(float(high[number])), y + row / 2
            ends_at = f"M{a:.1f} {middle - 4:.1f}v8m0 -4H{b:.1f}m0 -4v8"
            frame.add(element("path", class_="f-axis", d=ends_at))
        frame.add(words(width - frame.right + 8, y + 15, text))
    zero = axis(0.0)
    frame.add(element("line", class_="f-axis", x1=zero, y1=top, x2=zero, y2=bottom))
    return frame.done()


def matrix_chart(
    values: np.ndarray,
    *,
    row_names: Sequence[str],
    column_names: Sequence[str],
    title: str,
    x_label: str = "",
    y_label: str = "",
    as_text: Callable[[float], str] = number_text,
    cell: float = 34,
    links: Mapping[tuple[int, int], str] = MappingProxyType({}),
    description: str = "",
) -> str:
    """Draw a matrix as a table whose cells are the darker the larger their number.

    Parameters
    ----------
    values : numpy.ndarray
        Shape (rows, columns); cells that are not finite stay empty.
    row_names, column_names : sequence of str
        Names on the left and above.
    title, x_label, y_label : str
        What the chart, its columns and its rows are called.
    as_text : callable
        How a number is written in its cell; cells too small for numbers go without, but have them
        as a hint of the browser.
    cell : float
        Side of a cell in pixels.
    links : mapping of (row, column) to str
        Where cells lead to, for example ``#rows-3-5``.
    description : str
        What the chart shows, for those who cannot see it.

    Returns
    -------
    str
        An ``svg`` element.
    """
    n_rows, n_columns = values.shape
    side = min(max([text_width(name) for name in row_names], default=0.0) + 10, 160.0)
    frame = Frame(max(side + n_columns * cell + 20, 220), 0, title, x_label, y_label, description)
    frame.place_y_label()
    frame.left = side + 6
    _name_columns(frame, column_names, cell)
    frame.bottom -= 16
    frame.height = frame.top + n_rows * cell + frame.bottom
    finite = values[np.isfinite(values)]
    low = min(float(finite.min()), 0.0) if len(finite) else 0.0
    spread = float(finite.max()) - low if len(finite) else 1.0
    for row, name in enumerate(row_names):
        y = frame.top + row * cell
        frame.add(words(frame.left - 6, y + cell / 2 + 4, shortened(name, side), "end"))
        for column in range(n_columns):
            value = float(values[row, column])
            if not math.isfinite(value):
                continue
            share = (value - low) / spread if spread > 0 else 0.0
            where = (frame.left + column * cell, y)
            hint = f"{name}, {column_names[column]}: {as_text(value)}"
            drawn = _cell(where, cell, share, as_text(value), hint)
            to = links.get((row, column))
            frame.add(element("a", drawn, href=to) if to else drawn)
    frame.name_axis()
    return frame.done()


def _name_columns(frame: Frame, names: Sequence[str], cell: float) -> None:
    """Write the names of columns above them, upright where they would not fit."""
    widest = max([text_width(name) for name in names], default=0.0)
    is_turned = widest > cell - 4
    frame.top += (min(widest, 120.0) if is_turned else 12.0) + 6
    y = frame.top - 6
    for column, name in enumerate(names):
        x = frame.left + (column + 0.5) * cell
        if is_turned:
            at = f"rotate(-90 {x:.1f} {y:.1f})"
            frame.add(words(x, y + 4, shortened(name, 120), transform=at))
        else:
            frame.add(words(x, y, name, "middle"))


def _cell(where: tuple[float, float], side: float, share: float, text: str, hint: str) -> str:
    """Draw a cell; its ground is at most half opaque, so that the number on it can be read."""
    x, y = where
    ground = element(
        "rect", element("title", escaped(hint)), x=x + 0.5, y=y + 0.5, width=side - 1,
        height=side - 1, fill=color(0), fill_opacity=f"{0.04 + 0.56 * share:.2f}",
    )  # fmt: skip
    if text_width(text, FONT_SIZE - 1) > side - 2:
        return ground
    return ground + words(x + side / 2, y + side / 2 + 4, text, "middle", font_size=FONT_SIZE - 1)
