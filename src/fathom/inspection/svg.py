"""Static SVG: escaped text, axes with round numbers, one style for light and dark."""

import math
import unicodedata
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from xml.sax.saxutils import escape, quoteattr

Say: TypeAlias = Callable[[str], str]
"""Turns an English label into the reader's language."""

N_COLORS = 8
DASHES = ("", "7 3", "2 3", "9 3 2 3", "12 4", "4 2", "1 4", "6 2 1 2")
FONT_SIZE = 12.0
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

# Okabe and Ito's colors, the strong ones first; on dark ground blue and sky blue change places and
# black becomes the color of text. A page may set --fathom-… on any element around a chart.
_LIGHT = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#1a1a1a", "#b5a800")
_DARK = ("#56b4e9", "#ef7a26", "#1fbf92", "#dd92bd", "#f0b020", "#3d8fd1", "#e8e8e8", "#f0e442")


def _variables(colors: Sequence[str], text: str, faint: str, ground: str) -> str:
    named = {"text": text, "faint": faint, "ground": ground}
    named |= {str(number): color for number, color in enumerate(colors, 1)}
    return "".join(f"--f-{name}:var(--fathom-{name},{color});" for name, color in named.items())


_BRIGHT = _variables(_LIGHT, "#1a1a1a", "#d4d4d4", "#ffffff")
_DIM = _variables(_DARK, "#e8e8e8", "#4a4a4a", "#151515")

STYLE = (
    f".fathom-chart{{{_BRIGHT}max-width:100%;height:auto;"
    "font:12px system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans','PingFang SC',"
    "'Microsoft YaHei','Noto Sans CJK SC',sans-serif}"
    f"@media (prefers-color-scheme:dark){{.fathom-chart{{{_DIM}}}}}"
    f"[data-theme=light] .fathom-chart,[data-jp-theme-light=true] .fathom-chart,"
    f".vscode-light .fathom-chart{{{_BRIGHT}}}"
    f"[data-theme=dark] .fathom-chart,[data-jp-theme-light=false] .fathom-chart,"
    f".vscode-dark .fathom-chart{{{_DIM}}}"
    ".fathom-chart text{fill:var(--f-text);stroke:none}"
    ".fathom-chart .f-title{font-weight:600;font-size:14px}"
    ".fathom-chart .f-grid{stroke:var(--f-faint);stroke-width:1;fill:none}"
    ".fathom-chart .f-axis{stroke:var(--f-text);stroke-width:1;fill:none}"
)
"""The style of every chart; light or dark as the reader's system, notebook or page says."""


def escaped(text: object) -> str:
    """Return a text as it may stand in XML, without the characters that cannot."""
    return escape(printable(text))


def printable(text: object) -> str:
    """Return a text with a sign of its own for characters XML cannot hold."""
    return "".join(
        c if c in "\n\t" or unicodedata.category(c) not in ("Cs", "Cn", "Cc")
        else "\N{REPLACEMENT CHARACTER}"
        for c in str(text)
    )  # fmt: skip


def element(tag: str, content: str = "", /, **attributes: object) -> str:
    """Write an element; ``stroke_width`` becomes ``stroke-width``, ``class_`` ``class``.

    Parameters
    ----------
    tag : str
        Name of the element.
    content : str
        Markup inside it, already escaped.
    **attributes
        Its attributes, numbers rounded to a tenth of a pixel; those that are None are left out.

    Examples
    --------
    >>> element("circle", cx=1, cy=2.04, r=3, stroke_width=2)
    '<circle cx="1" cy="2" r="3" stroke-width="2"/>'
    """
    written = "".join(
        f" {name.rstrip('_').replace('_', '-')}={quoteattr(_written(value))}"
        for name, value in attributes.items()
        if value is not None
    )
    return f"<{tag}{written}>{content}</{tag}>" if content else f"<{tag}{written}/>"


def words(x: float, y: float, text: object, anchor: str = "start", **attributes: object) -> str:
    """Write a text at a point, escaped; ``anchor`` is start, middle or end."""
    where = None if anchor == "start" else anchor
    return element("text", escaped(text), x=x, y=y, text_anchor=where, **attributes)


def points(xs: Iterable[float], ys: Iterable[float]) -> str:
    """Write points as the ``points`` of a polyline, or after an M as a path."""
    return " ".join(
        f"{_written(float(x))},{_written(float(y))}" for x, y in zip(xs, ys, strict=True)
    )


def document(
    parts: Iterable[str],
    width: float,
    height: float,
    title: str,
    description: str = "",
    *,
    role: str = "img",
) -> str:
    """Join the parts of a drawing into an SVG that says what it is.

    Parameters
    ----------
    parts : iterable of str
        Elements, in the order in which they are drawn.
    width, height : float
        Size in pixels; the drawing shrinks where there is less room.
    title, description : str
        What it is, and what it shows, for those who cannot see it.
    role : str
        ``group`` where there are links in it, which an image has none of.

    Returns
    -------
    str
        One ``svg`` element with its style, without scripts or references to anything outside.
    """
    body = "".join(parts)
    name = f"f{zlib.crc32((title + body).encode('utf-8', 'replace')):08x}"
    head = element("title", escaped(title) or " ", id=f"{name}t")
    labelled = f"{name}t"
    if description:
        head += element("desc", escaped(description), id=f"{name}d")
        labelled += f" {name}d"
    return element(
        "svg", head + f"<style>{STYLE}</style>" + body, xmlns="http://www.w3.org/2000/svg",
        class_="fathom-chart", viewBox=f"0 0 {width:g} {height:g}", width=width, height=height,
        role=role, aria_labelledby=labelled,
    )  # fmt: skip


def text_width(text: object, size: float = FONT_SIZE) -> float:
    """Estimate the width of a text in pixels, on the wide side: full-width letters an em."""
    return size * sum(_letter_width(letter) for letter in str(text))


def _letter_width(letter: str) -> float:
    """Return the width of a letter in em, about as the widest of usual sans-serif fonts has it."""
    if unicodedata.east_asian_width(letter) in "WF":
        return 1.0
    if letter in "mwMW@%—":
        return 0.92
    if letter in "ijlI.,;:'|!()[] ":
        return 0.36
    return 0.7 if letter.isupper() else 0.6


def shortened(text: object, width: float, size: float = FONT_SIZE) -> str:
    """Return a text cut to about a width, with an ellipsis where something is missing."""
    whole = str(text)
    if text_width(whole, size) <= width:
        return whole
    while whole and text_width(whole + "…", size) > width:
        whole = whole[:-1]
    return whole + "…"


def number_text(value: float) -> str:
    """Write a number briefly: four digits, powers of ten beyond 0.001 and 99,999.

    Examples
    --------
    >>> number_text(0.25), number_text(1e-6), number_text(-2e7), number_text(12000.0)
    ('0.25', '10⁻⁶', '−2·10⁷', '12000')
    """
    if not math.isfinite(value):
        return {math.inf: "∞", -math.inf: "−∞"}.get(value, "–")
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"
    mantissa, exponent = f"{abs(value):.1e}".split("e")
    factor = mantissa.removesuffix(".0")
    power = f"10{str(int(exponent)).translate(_SUPERSCRIPTS)}"
    sign = "−" if value < 0 else ""
    return sign + (power if factor == "1" else f"{factor}·{power}")


@dataclass(frozen=True)
class Axis:
    """One axis: from values to pixels, by equal steps or by equal factors.

    Attributes
    ----------
    low, high : float
        The values at its ends; above 0 where ``is_log``.
    start, stop : float
        The pixels at its ends.
    is_log : bool
        Whether equal distances are equal factors.
    """

    low: float
    high: float
    start: float
    stop: float
    is_log: bool = False

    def __call__(self, value: float) -> float:
        """Return the pixel of a value; NaN where a logarithm has none."""
        if self.is_log:
            if value <= 0:
                return math.nan
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.stop - self.start)

    def ticks(self, most: int = 6) -> list[float]:
        """Return round values along the axis, at most about so many."""
        if self.is_log:
            return self._log_ticks(most)
        step = _round_step((self.high - self.low) / most)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(n * step, 12) + 0.0 for n in range(first, last + 1)]

    def _log_ticks(self, most: int) -> list[float]:
        low, high = math.log10(self.low), math.log10(self.high)
        first, last = math.ceil(low - 1e-9), math.floor(high + 1e-9)
        if last - first >= 2:
            every = -(-(last - first) // most)
            return [10.0**n for n in range(first, last + 1, every)]
        ticks = [m * 10.0**n for n in range(first - 1, last + 1) for m in (1, 2, 5)]
        inside = [t for t in ticks if self.low * (1 - 1e-9) <= t <= self.high * (1 + 1e-9)]
        return inside if len(inside) >= 2 else [self.low, self.high]


def fit_axis(
    values: Iterable[float], start: float, stop: float, is_log: bool = False, margin: float = 0.04
) -> Axis:
    """Make the axis on which all finite values have room; 0 to 1 where there are none."""
    finite = [float(v) for v in values if math.isfinite(v) and (v > 0 or not is_log)]
    low, high = (min(finite), max(finite)) if finite else ((0.1, 1.0) if is_log else (0.0, 1.0))
    if is_log:
        factor = (high / low) ** margin if high > low else 2.0
        return Axis(low / factor, high * factor, start, stop, True)
    room = margin * (high - low) if high > low else (abs(high) or 1.0) * 0.5
    return Axis(low - room, high + room, start, stop)


def color(number: int) -> str:
    """Return the color of a series, as a CSS variable that knows light and dark."""
    return f"var(--f-{number % N_COLORS + 1})"


def marker(
    number: int, x: float, y: float, size: float = 3.2, fill: str = "", stroke: str | None = None
) -> str:
    """Draw the mark of a series: circle, square, triangle, diamond, ... each its own."""
    shape = number % 6
    attributes = {"fill": fill or color(number), "stroke": stroke}
    if shape == 0:
        return element("circle", cx=x, cy=y, r=size, **attributes)
    if shape == 1:
        return element(
            "rect", x=x - size, y=y - size, width=2 * size, height=2 * size, **attributes
        )
    corners = {
        2: ((0, -1.3), (1.2, 0.9), (-1.2, 0.9)),
        3: ((0, -1.4), (1.4, 0), (0, 1.4), (-1.4, 0)),
        4: ((0, 1.3), (1.2, -0.9), (-1.2, -0.9)),
        5: ((-1.2, -0.4), (0, -1.3), (1.2, -0.4), (0.75, 1.1), (-0.75, 1.1)),
    }[shape]
    xs, ys = zip(*((x + size * dx, y + size * dy) for dx, dy in corners), strict=True)
    return element("polygon", points=points(xs, ys), **attributes)


def _round_step(raw: float) -> float:
    size = 10.0 ** math.floor(math.log10(raw))
    return next(m * size for m in (1, 2, 2.5, 5, 10) if m * size >= raw * (1 - 1e-9))


def _written(value: object) -> str:
    if isinstance(value, float):
        rounded = f"{value:.1f}".removesuffix(".0")
        return "0" if rounded == "-0" else rounded
    return printable(value)
