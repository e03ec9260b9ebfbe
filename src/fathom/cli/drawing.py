"""Pictures in a terminal: ink and levels as blocks, probabilities as bars, a confusion matrix."""

from collections.abc import Sequence

import numpy as np

from fathom.data.images import resize_levels
from fathom.data.schema import ImageInput

BAR_WIDTH = 20
MOST_DRAWN = 32  # rows and columns of a picture


def draw_reading(
    picture: np.ndarray, classes: Sequence[object], probabilities: np.ndarray, *, blocks: bool
) -> str:
    """Draw a picture with the probability of each class beside it.

    Parameters
    ----------
    picture : numpy.ndarray
        Shape (height, width), from 0 (paper) to 1 (ink).
    classes : sequence
        The classes.
    probabilities : numpy.ndarray
        Probability of each class.
    blocks : bool
        Whether block characters can be shown; ``#`` and ``=`` otherwise.

    Returns
    -------
    str
        As many lines as the picture has rows, or as there are bars, if more.
    """
    shades, full = (" ░▒▓█", "█") if blocks else (" .:*#", "=")
    strength = np.round(np.asarray(picture, float) * (len(shades) - 1)).astype(int)
    rows = ["".join(2 * shades[pixel] for pixel in row) for row in strength]
    width = max(len(str(label)) for label in classes)
    bars = []
    order = range(len(classes)) if len(classes) <= 10 else np.argsort(-probabilities)[:10]
    for number in order:
        p = float(probabilities[number])
        bars.append(f"{classes[number]!s:>{width}}: {p:.2f} {full * round(p * BAR_WIDTH)}")
    top = max(0, (len(rows) - len(bars)) // 2)
    bars = [""] * top + bars
    height = max(len(rows), len(bars))
    rows += [""] * (height - len(rows))
    bars += [""] * (height - len(bars))
    edge = "│" if blocks else "|"
    wide = 2 * picture.shape[1]
    return "\n".join(
        f"{edge}{row:<{wide}}{edge}  {bar}".rstrip() for row, bar in zip(rows, bars, strict=True)
    )


def as_ink(picture: np.ndarray, described: ImageInput) -> np.ndarray:
    """Return a picture as `draw_reading` draws it: levels as ink that is darker where they are.

    Parameters
    ----------
    picture : numpy.ndarray
        Ink, shape (height, width), or levels from 0 to 255, shape (height, width, channels).
    described : ImageInput
        What it is: of ink, of levels, or of what is heard, where time goes to the right then and
        what is loud is dark.
    """
    if not described.is_photo:
        return picture
    height, width = (min(side, MOST_DRAWN) for side in picture.shape[:2])
    small = resize_levels(picture[None], height, width)[0].mean(axis=-1)
    small = (small - small.min()) / max(float(np.ptp(small)), 1.0)  # few shades: all are used
    return small.T[::-1] if described.hearing is not None else 1 - small


def draw_confusion(
    true: np.ndarray, predicted: np.ndarray, classes: Sequence[object], *, blocks: bool
) -> str:
    """Draw a confusion matrix: a row for each true class, a column for each predicted one.

    Parameters
    ----------
    true, predicted : numpy.ndarray
        Numbers of the classes.
    classes : sequence
        The classes.
    blocks : bool
        Whether ``·`` can be shown for an empty cell.
    """
    n = len(classes)
    counts = np.zeros((n, n), int)
    np.add.at(counts, (true, predicted), 1)
    names = [str(label)[:6] for label in classes]
    empty = "·" if blocks else "."
    width = max(*map(len, names), len(str(counts.max())), 3)
    lines = [" " * (width + 2) + " ".join(f"{name:>{width}}" for name in names)]
    for name, row in zip(names, counts, strict=True):
        cells = " ".join(f"{count or empty:>{width}}" for count in row)
        lines.append(f"{name:>{width}}  {cells}")
    return "\n".join(lines)
