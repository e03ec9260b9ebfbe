"""Tables of a study, aligned, for a terminal."""

from collections.abc import Sequence

import numpy as np

from fathom.inspection.depth.material import ErrorName
from fathom.inspection.depth.rows import DepthRow
from fathom.inspection.depth.shapes import written
from fathom.inspection.depth.verdict import Finding

STRIP = 24  # letters of a strip on which every start has its place
MARKS: dict[Finding, str] = {
    "better": "lower",
    "worse": "higher",
    "no difference": "-",
    "too few starts": "?",
}


def cell(value: float, name: ErrorName) -> str:
    """Write an error for a column whose head says the unit."""
    return f"{100 * value:.2f}" if name == "error" else f"{value:.4g}"


def unit(name: ErrorName) -> str:
    """Return the head of a column of errors."""
    return "error %" if name == "error" else name


def head(name: ErrorName, first: int) -> tuple[str, ...]:
    """Return the heads of the columns of a table of networks."""
    return (
        "layers", "widths", "parameters", "neurons", "rate", unit(name), "quartiles",
        f"vs {first}",
    )  # fmt: skip


def cells(row: DepthRow, finding: Finding | None, name: ErrorName) -> tuple[str, ...]:
    """Return a network as the cells of a table."""
    low, high = row.quartiles
    return (
        str(row.depth), written(row.widths), f"{row.n_parameters:,}", f"{row.n_neurons:,}",
        f"{row.learning_rate:g}", cell(row.median, name),
        f"{cell(low, name)}-{cell(high, name)}", "" if finding is None else MARKS[finding],
    )  # fmt: skip


def write_rows(
    rows: Sequence[DepthRow],
    findings: dict[int, Finding],
    name: ErrorName,
    span: tuple[float, float],
    *,
    blocks: bool,
    width: int | None,
) -> list[str]:
    """Return the lines of a table of networks, each with a strip of all its starts.

    Parameters
    ----------
    rows : sequence of DepthRow
        Networks of one shape, the shallowest first.
    findings : dict of int to str
        For every depth but the first, whether its errors differ from the first's.
    name : str
        What the errors are.
    span : tuple of float
        Errors at the ends of the strips.
    blocks : bool
        Whether ``•`` and ``│`` can be shown; ``o`` and ``|`` otherwise.
    width : int or None
        Letters of a line; the strips are left out where there is no room for them.
    """
    low, high = (cell(end, name) for end in span)
    between = ("·" if blocks else ".") * (STRIP - len(low) - len(high) - 2)
    table = [(*head(name, rows[0].depth), f"{low} {between} {high}")]
    for row in rows:
        strip = draw_strip(row.errors, span, blocks=blocks)
        table.append((*cells(row, findings.get(row.depth), name), strip))
    lines = align(table, left={1, 7, 8})
    if width is None or max(map(len, lines)) <= width:
        return lines
    return align([line[:-1] for line in table], left={1, 7})


def draw_strip(errors: Sequence[float], span: tuple[float, float], *, blocks: bool) -> str:
    """Draw every error as a point between the ends of a strip, the median as a line."""
    one, middle = ("•", "│") if blocks else ("o", "|")
    width = max(span[1] - span[0], 1e-300)
    letters = [" "] * STRIP
    for value, letter in [*((e, one) for e in errors), (float(np.median(errors)), middle)]:
        letters[round(min(max((value - span[0]) / width, 0), 1) * (STRIP - 1))] = letter
    return "".join(letters)


def write_curves(curves: dict[int, tuple[DepthRow, ...]], name: ErrorName) -> list[str]:
    """Return the lines of a table of median errors: a line for each depth, a column a size."""
    first = next(iter(curves.values()))
    table = [("layers", "widths", *(f"{row.n_rows:,}" for row in first))]
    table += [
        (str(depth), written(curve[-1].widths), *(cell(row.median, name) for row in curve))
        for depth, curve in curves.items()
    ]
    return align(table, left={1})


def align(table: Sequence[Sequence[str]], left: set[int]) -> list[str]:
    """Align the columns of a table, those named to the left."""
    widths = [max(len(row[place]) for row in table) for place in range(len(table[0]))]
    return [
        "  ".join(
            f"{text:<{width}}" if place in left else f"{text:>{width}}"
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
