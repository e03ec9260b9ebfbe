"""Tables in plain text: columns side by side, numbers to the right."""

from collections.abc import Sequence


def align(rows: Sequence[Sequence[object]], left: int = 1) -> str:
    """Lay out rows as a table, the first columns to the left and the others to the right.

    Parameters
    ----------
    rows : sequence of sequences
        Cells, the header first; all rows of one length.
    left : int, default 1
        How many columns stand to the left.

    Examples
    --------
    >>> print(align([("layer", "accuracy"), ("input", "0.9"), ("1 dense", "0.95")]))
    layer   accuracy
    input        0.9
    1 dense     0.95
    """
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        " ".join(
            f"{cell:<{width}}" if place < left else f"{cell:>{width}}"
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    )
