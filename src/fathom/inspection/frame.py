"""The ground of a chart: its title, legend and axes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from fathom.inspection.svg import (
    DASHES,
    Axis,
    color,
    document,
    element,
    marker,
    number_text,
    points,
    shortened,
    text_width,
    words,
)

Draws: TypeAlias = Literal["line", "points", "both"]

LINE = 18.0  # height of a line of text


@dataclass
class Frame:
    """The ground of a chart: title, legend and axes, and what is drawn on it so far.

    Parameters
    ----------
    width, height : float
        Size in pixels; the height may be set once it is known.
    title, x_label, y_label : str
        What the chart, the axis across and the axis up are called; left out where empty.
    description : str
        What it shows, for those who cannot see it.
    """

    width: float
    height: float
    title: str
    x_label: str
    y_label: str
    description: str
    top: float = 6.0
    left: float = 12.0
    bottom: float = 24.0
    right: float = 14.0
    parts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.title:
            shown = shortened(self.title, self.width - 16, 14.0)
            self.parts.append(words(8.0, self.top + 15, shown, class_="f-title"))
            self.top += 24
        if self.x_label:
            self.bottom += LINE

    def add(self, part: str) -> None:
        """Draw an element on top of those before it."""
        self.parts.append(part)

    def place_y_label(self) -> None:
        """Write what is upwards, above the axis, where it reads without turning the head."""
        if self.y_label:
            self.add(words(8.0, self.top + 12, f"↑ {shortened(self.y_label, self.width - 24)}"))
            self.top += LINE
        self.top += 6

    def place_legend(self, entries: Sequence[tuple[str, Draws, int]]) -> None:
        """Write a legend in as many lines as it takes."""
        x = 8.0
        for name, draws, number in entries:
            shown = shortened(name, self.width - 56)
            wide = 30 + text_width(shown) + 14
            if x > 8 and x + wide > self.width:
                x, self.top = 8.0, self.top + LINE
            y = self.top + 8
            if draws != "points":
                line = stroke(number)
                self.add(element("line", x1=x, y1=y, x2=x + 24, y2=y, **line))
            if draws != "line":
                self.add(marker(number, x + 12, y))
            self.add(words(x + 30, y + 4, shown))
            x += wide
        self.top += LINE if entries else 0

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the plot itself."""
        return self.left, self.top, self.width - self.right, self.height - self.bottom

    def draw_axes(self, across: Axis, up: Axis, is_ruled: bool = True) -> None:
        """Draw grid, ticks and the name of the axis across."""
        left, top, right, bottom = self.box
        for value in up.ticks(max(2, int((bottom - top) / 36))):
            y = up(value)
            if is_ruled:
                self.add(element("line", class_="f-grid", x1=left, y1=y, x2=right, y2=y))
            self.add(words(left - 6, y + 4, number_text(value), "end"))
        for value in across.ticks(max(2, int((right - left) / 64))):
            x = across(value)
            if is_ruled:
                self.add(element("line", class_="f-grid", x1=x, y1=top, x2=x, y2=bottom))
            self.add(words(x, bottom + 16, number_text(value), "middle"))
        self.name_axis()
        self.add(
            element("path", class_="f-axis", d=f"M{points([left, left], [top, bottom])}H{right:g}")
        )

    def name_axis(self) -> None:
        """Write below the plot what is across."""
        left, _, right, _ = self.box
        if self.x_label:
            shown = shortened(self.x_label, right - left)
            self.add(words((left + right) / 2, self.height - 8, f"{shown} →", "middle"))

    def clip(self, parts: Sequence[str]) -> None:
        """Draw what must not leave the plot: an inner svg lets nothing out."""
        left, top, right, bottom = self.box
        wide, high = right - left, bottom - top
        self.add(
            element(
                "svg", "".join(parts), x=left, y=top, width=wide, height=high,
                viewBox=f"{left:g} {top:g} {wide:g} {high:g}", overflow="hidden",
            )
        )  # fmt: skip

    def done(self) -> str:
        """Return the chart as an ``svg`` element."""
        return document(self.parts, self.width, self.height, self.title, self.description)


def stroke(number: int) -> dict[str, object]:
    """Return how the line of a series is drawn: its color and its dashes."""
    dash = DASHES[number % len(DASHES)]
    return {
        "stroke": color(number), "stroke_width": 2, "fill": "none",
        "stroke_dasharray": dash or None, "stroke_linejoin": "round",
    }  # fmt: skip
