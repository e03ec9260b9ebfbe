"""Pictures in a terminal: ink as blocks, probabilities as bars, a confusion matrix."""

from collections.abc import Sequence

import numpy as np

BAR_WIDTH = 20


def draw_reading(
    picture: np.ndarray, classes: Sequence[object], probabilities: np.ndarray, *, blocks: bool
) -> str:
    """Draw a picture of ink with the probability of each class beside it.

    Parameters
    ----------
    picture : numpy.ndarray
        Shape (height, width), 1 is ink.
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
    ink, full = ("██", "█") if blocks else ("##", "=")
    rows = ["".join(ink if pixel else "  " for pixel in row) for row in picture]
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
