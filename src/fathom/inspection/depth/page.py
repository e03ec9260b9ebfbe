"""Pages of a study: static HTML with its charts, for a notebook or a file, light or dark."""

from collections.abc import Sequence
from dataclasses import dataclass

from fathom.inspection.charts import Series, distribution_chart, line_chart
from fathom.inspection.depth.material import ErrorName
from fathom.inspection.depth.rows import DepthRow
from fathom.inspection.depth.shapes import TITLES, Shape, written
from fathom.inspection.depth.table import cell, cells, head, unit
from fathom.inspection.depth.verdict import Finding
from fathom.inspection.svg import element, escaped

LEFT = {1, 7}  # columns of words
FAR = 4  # by what the errors differ, from where on an axis goes by equal factors
STYLE = (
    ".fathom-depth{font:14px/1.5 system-ui,sans-serif;max-width:960px}"
    ".fathom-depth table{border-collapse:collapse;font-variant-numeric:tabular-nums}"
    ".fathom-depth td,.fathom-depth th{padding:2px 10px 2px 0;text-align:right;font-weight:400}"
    ".fathom-depth th{border-bottom:1px solid}"
    ".fathom-depth .f-words{text-align:left}"
    ".fathom-depth .f-wide{overflow-x:auto}"
    ".fathom-depth .f-verdict{font-size:1.2em;font-weight:600}"
)
PAGE_STYLE = (
    ":root{color-scheme:light dark}body{margin:1.5em auto;padding:0 1em;max-width:960px}"
    "@media (prefers-color-scheme:dark){body{background:#151515;color:#e8e8e8}}"
)


@dataclass(frozen=True)
class Section:
    """A part of a page: a title, charts, and a table whose first line is its head."""

    title: str
    charts: tuple[str, ...]
    table: tuple[tuple[str, ...], ...]


def draw_parts(
    headline: Sequence[str],
    said: Sequence[str],
    sections: Sequence[Section],
    notes: Sequence[str],
) -> str:
    """Return a study as one HTML element.

    Parameters
    ----------
    headline : sequence of str
        What was trained, and how.
    said : sequence of str
        What was found, the verdict first.
    sections : sequence of Section
        Charts and tables.
    notes : sequence of str
        What else is worth knowing.
    """
    parts = [element("style", STYLE)]
    parts.append(element("p", escaped(said[0]), class_="f-verdict"))
    parts.append(element("p", "<br/>".join(escaped(line) for line in headline)))
    parts.append(element("ul", "".join(element("li", escaped(line)) for line in said[1:])))
    for section in sections:
        if section.title:
            parts.append(element("h3", escaped(section.title)))
        parts += section.charts
        if section.table:
            parts.append(element("div", _table(section.table), class_="f-wide"))
    parts += [element("p", escaped(f"Note: {note}")) for note in notes]
    return element("div", "".join(parts), class_="fathom-depth")


def _table(lines: Sequence[Sequence[str]]) -> str:
    def write(line: Sequence[str], tag: str) -> str:
        return "".join(
            element(tag, escaped(text) or " ", class_="f-words" if place in LEFT else None)
            for place, text in enumerate(line)
        )

    written_lines = [element("tr", write(line, "td")) for line in lines[1:]]
    return element("table", element("tr", write(lines[0], "th")) + "".join(written_lines))


def draw_page(fragment: str, title: str) -> str:
    """Return a whole HTML page around an element, with nothing fetched from outside."""
    top = '<meta charset="utf-8"/><meta name="viewport" content="width=device-width"/>'
    top += element("title", escaped(title)) + element("style", PAGE_STYLE)
    body = element("h1", escaped(title)) + fragment
    page = element("html", element("head", top) + element("body", body), lang="en")
    return f"<!DOCTYPE html>{page}\n"


def overview(rows: dict[Shape, tuple[DepthRow, ...]], name: ErrorName) -> Section:
    """Return the chart of error against depth: medians, quartiles, and every start."""
    series = []
    for number, (shape, those) in enumerate(rows.items()):
        depths = [row.depth for row in those]
        quartiles = [[_shown(q, name) for q in row.quartiles] for row in those]
        low, high = zip(*quartiles, strict=True)
        medians = [_shown(row.median, name) for row in those]
        series.append(
            Series(TITLES[shape], depths, medians, "both", low=low, high=high, number=number)
        )
        places = [row.depth for row in those for _ in row.errors]
        every = [_shown(error, name) for row in those for error in row.errors]
        series.append(Series("", places, every, "points", number=number))
    errors = [error for those in rows.values() for row in those for error in row.errors]
    chart = line_chart(
        series, title="Error by depth", x_label="hidden layers",
        y_label=f"{unit(name)} on test rows", width=640, height=340,
        log_y=max(errors) > FAR * min(errors) > 0,
        description="Median over the starts, a band from quartile to quartile, and every start.",
    )  # fmt: skip
    return Section("", (chart,), ())


def shape_section(
    shape: Shape, rows: Sequence[DepthRow], findings: dict[int, Finding], name: ErrorName
) -> Section:
    """Return the distributions of one shape, and their table."""
    chart = distribution_chart(
        [f"{row.depth}: {written(row.widths)}" for row in rows],
        [[_shown(error, name) for error in row.errors] for row in rows],
        title=f"{TITLES[shape].capitalize()}: every start",
        x_label=f"{unit(name)} on test rows",
        width=640,
        description="For each number of hidden layers the error of every start.",
    )
    lines = [cells(row, findings.get(row.depth), name) for row in rows]
    table = (head(name, rows[0].depth), *lines)
    return Section(TITLES[shape].capitalize(), (chart,), table)


def curves_section(curves: dict[int, tuple[DepthRow, ...]], name: ErrorName) -> Section:
    """Return the learning curves, and their table."""
    series = []
    for number, (depth, curve) in enumerate(curves.items()):
        quartiles = [[_shown(q, name) for q in row.quartiles] for row in curve]
        low, high = zip(*quartiles, strict=True)
        medians = [_shown(row.median, name) for row in curve]
        sizes = [row.n_rows for row in curve]
        title = f"{depth} layer{'s' * (depth != 1)}"
        series.append(Series(title, sizes, medians, "both", low=low, high=high, number=number))
    shape = next(iter(curves.values()))[0].shape
    chart = line_chart(
        series, title=f"Error by training rows, {TITLES[shape]}", x_label="training rows",
        y_label=f"{unit(name)} on test rows", log_x=True, width=640, height=360,
        description="Median over the starts, and a band from quartile to quartile.",
    )  # fmt: skip
    first = next(iter(curves.values()))
    lines = [("layers", "widths", *(f"{row.n_rows:,}" for row in first))]
    lines += [
        (str(depth), written(curve[-1].widths), *(cell(row.median, name) for row in curve))
        for depth, curve in curves.items()
    ]
    return Section("How many rows each depth needs", (chart,), tuple(lines))


def _shown(value: float, name: ErrorName) -> float:
    return 100 * value if name == "error" else value
