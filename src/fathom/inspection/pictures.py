"""Pictures in charts: heat maps, weights as images, clouds of points, small ones side by side."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from fathom.errors import InputError
from fathom.inspection.charts import Series, line_chart
from fathom.inspection.svg import document, element, shortened, words

BLUE, ORANGE = (0, 114, 178), (213, 94, 0)  # as charts have them; read on light and dark ground
MOST_GROUPS = 12


def png(signed: np.ndarray) -> str:
    """Return a picture as a PNG in a ``data:`` address: 1 is full orange, -1 full blue, 0 nothing.

    Parameters
    ----------
    signed : numpy.ndarray
        Shape (height, width), from -1 to 1; cut off beyond.

    Examples
    --------
    >>> png(np.eye(2)).startswith("data:image/png;base64,")
    True
    """
    strength = np.clip(signed, -1, 1)
    colored = np.where(strength[..., None] < 0, np.array(BLUE), np.array(ORANGE))
    alpha = np.round(255 * np.abs(strength))[..., None]
    return _address(Image.fromarray(np.concatenate([colored, alpha], -1).astype(np.uint8), "RGBA"))


def levels_png(levels: np.ndarray) -> str:
    """Return a picture of levels as a PNG in a ``data:`` address.

    Parameters
    ----------
    levels : numpy.ndarray
        Shape (height, width, 1) for grey or (height, width, 3) for colors, uint8.
    """
    return _address(Image.fromarray(levels[..., 0] if levels.shape[-1] == 1 else levels))


def _address(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def picture(signed: np.ndarray, x: float, y: float, width: float, height: float) -> str:
    """Return a picture as an element of an SVG, its pixels kept apart."""
    return element(
        "image", href=png(signed), x=x, y=y, width=width, height=height,
        preserveAspectRatio="none", style="image-rendering:pixelated",
    )  # fmt: skip


def heat_map(
    values: np.ndarray, *, title: str, names: Sequence[str] = (), side: float = 320
) -> str:
    """Draw a square matrix as a picture, the darker the larger; names where rows of a kind begin.

    Parameters
    ----------
    values : numpy.ndarray
        Shape (n, n), from 0 to 1, or from -1 to 1.
    title : str
        What it is called.
    names : sequence of str
        What the rows are of, in order; a line is drawn where it changes. None where left out.
    side : float
        Side in pixels.

    Returns
    -------
    str
        An ``svg`` element.
    """
    left, top, n = 48.0 if names else 12.0, 34.0, len(values)
    parts = [words(8, 21, shortened(title, side + left), class_="f-title")]
    parts.append(picture(-np.asarray(values), left, top, side, side))
    begins = [p for p in range(len(names)) if p == 0 or names[p] != names[p - 1]]
    if len(begins) <= MOST_GROUPS:
        for begin, end in zip(begins, [*begins[1:], len(names)], strict=True):
            start, middle = top + side * begin / n, top + side * (begin + end) / 2 / n
            across = left + side * begin / n
            parts.append(words(left - 6, middle + 4, shortened(names[begin], left - 10), "end"))
            line = {"class_": "f-grid"}
            parts.append(element("line", x1=left, x2=left + side, y1=start, y2=start, **line))
            parts.append(element("line", x1=across, x2=across, y1=top, y2=top + side, **line))
    edge = {"fill": "none", "class_": "f-axis"}
    parts.append(element("rect", x=left, y=top, width=side, height=side, **edge))
    return document(parts, left + side + 12, top + side + 12, title)


def picture_grid(
    pictures: Sequence[np.ndarray],
    names: Sequence[str],
    *,
    title: str,
    across: int = 8,
    side: float = 56,
    scale: float | None = None,
) -> str:
    """Draw pictures side by side: orange above 0, blue below, each on its own scale or on one.

    Parameters
    ----------
    pictures : sequence of numpy.ndarray
        Each of shape (height, width).
    names : sequence of str
        What is written under each.
    title : str
        What they are together.
    across : int
        Pictures in a row.
    side : float
        Longer side of a picture in pixels.
    scale : float, optional
        What is full color; the largest size in each picture where left out.

    Returns
    -------
    str
        An ``svg`` element.
    """
    parts = [words(8, 21, shortened(title, across * (side + 8)), class_="f-title")]
    for place, (each, name) in enumerate(zip(pictures, names, strict=True)):
        row, column = divmod(place, across)
        x, y = 8 + column * (side + 8), 34 + row * (side + 24)
        most = scale or float(np.abs(each).max()) or 1.0
        longer = max(each.shape)
        height, width = (side * edge / longer for edge in each.shape)
        parts.append(picture(each / most, x, y, width, height))
        edge = {"fill": "none", "class_": "f-grid"}
        parts.append(element("rect", x=x, y=y, width=width, height=height, **edge))
        parts.append(words(x, y + side + 13, shortened(name, side, 10), font_size=10))
    n_rows = -(-len(pictures) // across)
    width = 16 + min(across, max(len(pictures), 1)) * (side + 8)
    return document(parts, max(width, 220), 40 + n_rows * (side + 24), title)


def cloud(
    at: np.ndarray, groups: Sequence[str], *, title: str, x_label: str, y_label: str,
    width: float = 300, height: float = 280,
) -> str:  # fmt: skip
    """Draw points in the plane, those of a group alike.

    Parameters
    ----------
    at : numpy.ndarray
        Shape (n, 2).
    groups : sequence of str
        Group of each point; beyond twelve groups all points are drawn alike.
    title, x_label, y_label : str
        What the chart and its axes are called.
    width, height : float
        Size in pixels.

    Returns
    -------
    str
        An ``svg`` element.
    """
    if at.ndim != 2 or at.shape[1] != 2 or len(at) != len(groups):
        raise InputError("points in the plane, a group each", got=f"shape {at.shape}")
    names = list(dict.fromkeys(sorted(groups, key=_in_order)))
    if len(names) > MOST_GROUPS:
        names, groups = [""], [""] * len(groups)
    which = np.asarray(groups)
    series = [
        Series(name, at[which == name, 0], at[which == name, 1], "points", number=number)
        for number, name in enumerate(names)
    ]
    return line_chart(
        series, title=title, x_label=x_label, y_label=y_label, width=width, height=height
    )


def _in_order(name: str) -> tuple[int, float, str]:
    """Sort names that are numbers as numbers, before the others."""
    try:
        return 0, float(name), name
    except ValueError:
        return 1, 0.0, name


def side_by_side(drawings: Sequence[str]) -> str:
    """Put charts beside each other, as many as there is room for."""
    return f'<div style="display:flex;flex-wrap:wrap;gap:8px">{"".join(drawings)}</div>'
