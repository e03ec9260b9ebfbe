"""Display: how values show themselves in a notebook, as HTML and SVG without a script."""

import math
from collections.abc import Sequence
from html import escape

_COLORS = ("#0072b2", "#d55e00")  # read on light and on dark ground
_DASHES = ("", "6 3")
_CELL = "padding:2px 12px 2px 0;text-align:{};border-bottom:1px solid rgba(128,128,128,.3)"


def table(head: Sequence[str], lines: Sequence[Sequence[object]]) -> str:
    """Return a table, its texts escaped, in the colors of the page it stands on.

    Parameters
    ----------
    head : sequence of str
        Titles of the columns.
    lines : sequence of sequences
        Cells; the first column is words, the others are numbers.

    Examples
    --------
    >>> "&lt;b&gt;" in table(["layer"], [["<b>"]])
    True
    """

    def write(tag: str, cells: Sequence[object]) -> str:
        sides = ["left"] + ["right"] * (len(cells) - 1)
        return "".join(
            f'<{tag} style="{_CELL.format(side)}">{escape(str(cell))}</{tag}>'
            for cell, side in zip(cells, sides, strict=True)
        )

    rows = "".join(f"<tr>{write('td', line)}</tr>" for line in lines)
    style = "border-collapse:collapse;font-variant-numeric:tabular-nums;background:none"
    return f'<table style="{style}"><tr>{write("th", head)}</tr>{rows}</table>'


def curves(
    named: Sequence[tuple[str, Sequence[float]]], title: str, width: int = 320, height: int = 120
) -> str:
    """Return small curves in one picture, drawn over 1, 2, 3, ...; on equal factors above 0.

    Parameters
    ----------
    named : sequence of (str, sequence of float)
        A name and the heights of each; points that are not finite are left out.
    title : str
        What they are.
    width, height : int
        Size in pixels.

    Returns
    -------
    str
        An ``svg`` element; an empty text where there is nothing to draw.

    Examples
    --------
    >>> curves([("training", [0.9, 0.4, 0.2])], "loss").count("<polyline")
    1
    >>> curves([("training", [])], "loss")
    ''
    """
    known = [value for _, values in named for value in values if math.isfinite(value)]
    if len(known) < 2:
        return ""
    is_log = min(known) > 0
    low, high = ((math.log(end) if is_log else end) for end in (min(known), max(known)))
    longest = max(len(values) for _, values in named)

    def place(number: int, value: float) -> str:
        up = ((math.log(value) if is_log else value) - low) / ((high - low) or 1.0)
        across = number / max(longest - 1, 1)
        return f"{6 + across * (width - 12):.1f},{height - 20 - up * (height - 46):.1f}"

    parts = [f"<title>{escape(title)}</title>"]
    for which, (name, values) in enumerate(named):
        at = [place(n, value) for n, value in enumerate(values) if math.isfinite(value)]
        color, dash = _COLORS[which % 2], _DASHES[which % 2]
        line = f'fill="none" stroke="{color}" stroke-width="1.8" stroke-dasharray="{dash}"'
        parts.append(f'<polyline points="{" ".join(at)}" {line}/>' if at else "")
        x = 6 + which * width // 2
        parts.append(f'<path d="M{x} 9h18" {line}/><text x="{x + 24}" y="13">{escape(name)}</text>')
    ends = f"{min(known):.3g} – {max(known):.3g}"
    parts.append(f'<text x="6" y="{height - 5}">{escape(f"{title}, {ends}")}</text>')
    frame = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img"'
    style = "max-width:100%;font:11px system-ui,sans-serif;fill:currentColor"
    return f'<svg xmlns="http://www.w3.org/2000/svg" {frame} style="{style}">{"".join(parts)}</svg>'


def note(text: str) -> str:
    """Return a line of text, escaped."""
    return f'<div style="margin:4px 0">{escape(text)}</div>'
