"""The parts of a report on single answers: metrics, confusion, calibration, errors, mistakes."""

import numpy as np
from scipy.ndimage import gaussian_filter

from fathom.inspection.charts import Series, line_chart, matrix_chart
from fathom.inspection.pictures import BLUE, ORANGE, levels_png, png
from fathom.inspection.report.contents import Mistake, ReportContents, Scatter
from fathom.inspection.report.labels import Labels
from fathom.inspection.report.layout import (
    CHART_WIDTH,
    Section,
    charts,
    folded,
    found,
    percent,
    table,
    tag,
    text,
    told,
    wide,
)
from fathom.inspection.report.overview import write
from fathom.inspection.svg import element, escaped
from fathom.inspection.trust import Calibration, Cell, Confusion

MOST_CLASSES = 30  # in a matrix or a table that is shown at once
MOST_BESIDE = 10  # classes of a matrix that fits beside another chart
MOST_CELLS, MOST_ROWS = 8, 8
MOST_LISTED = 200  # cells of mistakes, all together
PICTURE = 84  # pixels, wide
PATCH = 1 / 24  # of a picture's side, over which contributions are smoothed
MOST_LETTERS = 600  # of a text
STRONGEST, FAINTEST = 0.55, 0.04  # color behind a word
MOST_VALUES = 8  # of a row that are shown at once


def quality_section(contents: ReportContents, labels: Labels) -> Section:
    """Show every metric with its interval, beside what guessing has."""
    head = [labels.metric, labels.value, "95%", labels.guessing.format("").strip(" :：")]
    lines = []
    for one in contents.metrics:
        ends = "–"
        if one.low is not None and one.high is not None:
            low, high = write(one.name, one.low), write(one.name, one.high)
            ends = labels.interval.format(low=low, high=high)
        value = tag("b", escaped(write(one.name, one.value)))
        line = [escaped(labels.term(one.name)), value, escaped(ends)]
        lines.append([*line, escaped(write(one.name, one.baseline))])
    body = table(head, lines)
    if contents.per_class and not contents.factors:  # of combinations there is a table of its own
        body += _per_class(contents, labels)
    return Section("quality", labels.quality, labels.about_quality, body)


def _per_class(contents: ReportContents, labels: Labels) -> str:
    name = labels.class_name if contents.task == "classes" else labels.label_name
    head = [name, labels.precision, labels.recall, "F1", labels.rows]
    lines = [
        [escaped(one.label), percent(one.precision), percent(one.recall), write("F1", one.f1),
         f"{one.n_rows:,}"]
        for one in contents.per_class
    ]  # fmt: skip
    if len(lines) > MOST_CLASSES:
        return folded(labels.every_class, table(head, lines))
    return text("h3", labels.every_class) + table(head, lines)


def answers_section(contents: ReportContents, labels: Labels) -> Section | None:
    """Show where answers go: confusion and calibration of classes, errors of numbers."""
    drawn: list[str] = []
    after = ""
    if contents.confusion is not None:
        shown = len(contents.confusion.classes) <= MOST_CLASSES
        drawn += [draw_confusion(contents.confusion, labels)] if shown else []
        after = _cells(contents.confusion, labels)
    if contents.calibration is not None:
        drawn.append(draw_calibration(contents.calibration, labels))
    if contents.scatter is not None:
        drawn += draw_errors(contents.scatter, labels)
    if not drawn and not after:
        return None
    said = [*(contents.confusion.findings if contents.confusion else ())]
    said += contents.calibration.findings if contents.calibration else ()
    body = found([*contents.on_answers, *said], labels)
    is_wide = contents.confusion is not None and len(contents.confusion.classes) > MOST_BESIDE
    body += "".join(map(wide, drawn)) if is_wide else charts(drawn)
    return Section("answers", labels.answers, labels.about_answers, body + after)


def draw_confusion(confusion: Confusion, labels: Labels) -> str:
    """Draw which classes are taken for which."""
    names = [str(name) for name in confusion.classes]
    counts = confusion.counts
    widest = max(len(f"{n:,}") for n in counts.flat)
    return matrix_chart(
        counts.astype(float), row_names=names, column_names=names, title=labels.confusion,
        x_label=labels.predicted, y_label=labels.true, cell=max(34.0, 8.0 * widest + 6),
        as_text=lambda n: f"{n:,.0f}" if n else "", description=told(confusion.findings, labels),
        links={(c.truth, c.prediction): f"#{_place(c)}" for c in _mistaken(confusion)},
    )  # fmt: skip


def _mistaken(confusion: Confusion) -> list[Cell]:
    """Return the cells of mistakes that are listed, the most frequent first."""
    return [cell for cell in confusion.cells if cell.truth != cell.prediction][:MOST_LISTED]


def _place(cell: Cell) -> str:
    return f"rows-{cell.truth}-{cell.prediction}"


def _cells(confusion: Confusion, labels: Labels) -> str:
    """List the mistakes with the numbers of their rows, where the cells of the matrix lead."""
    mistaken = _mistaken(confusion)
    if not mistaken:
        return ""
    head = [labels.cell, labels.rows, labels.share, labels.row_numbers]
    totals = confusion.counts.sum(axis=1)
    lines = [_cell_line(cell, confusion, int(totals[cell.truth]), labels) for cell in mistaken]
    shown = text("h3", labels.worst_cells) + table(head, lines[:MOST_CELLS], left=(0, 3))
    if len(lines) > MOST_CELLS:
        summary = labels.more_cells.format(n=len(lines) - MOST_CELLS)
        shown += folded(summary, table(head, lines[MOST_CELLS:], left=(0, 3)))
    return shown


def _cell_line(cell: Cell, confusion: Confusion, total: int, labels: Labels) -> list[str]:
    truth, taken = (
        tag("b", escaped(confusion.classes[place])) for place in (cell.truth, cell.prediction)
    )
    rows = ", ".join(f"{row:,}" for row in cell.rows[:MOST_ROWS])
    rows += ", …" if cell.n > MOST_ROWS else ""
    mistake = labels.cell_line.format(truth=truth, prediction=taken)
    return [tag("span", mistake, id=_place(cell)), f"{cell.n:,}", percent(cell.n / total), rows]


def draw_calibration(calibration: Calibration, labels: Labels, of: str = "") -> str:
    """Draw how often predictions are right by how sure they are; of one factor where named."""
    bins = calibration.bins
    drawn = Series(
        labels.predictions, [b.confidence for b in bins], [b.accuracy for b in bins], "both",
        low=[b.accuracy_low for b in bins], high=[b.accuracy_high for b in bins], number=0,
    )  # fmt: skip
    return line_chart(
        [Series(labels.perfect, [0, 1], [0, 1], number=1), drawn],
        title=f"{of}: {labels.calibration}" if of else labels.calibration,
        x_label=labels.confidence, y_label=labels.share_right, x_range=(0, 1), y_range=(0, 1),
        width=CHART_WIDTH, height=340, description=told(calibration.findings, labels),
    )  # fmt: skip


def draw_errors(scatter: Scatter, labels: Labels) -> list[str]:
    """Draw predicted numbers by true ones, and errors by predicted ones."""
    both = np.concatenate([scatter.truth, scatter.said])
    ends = [float(both.min()), float(both.max())]
    exact = Series(labels.exact, ends, ends, number=1)
    against = line_chart(
        [Series("", scatter.truth, scatter.said, "points", number=0), exact],
        title=labels.scatter, x_label=labels.true, y_label=labels.predicted, width=CHART_WIDTH,
        height=360,
    )  # fmt: skip
    off = scatter.said - scatter.truth
    reach = [float(scatter.said.min()), float(scatter.said.max())]
    errors = line_chart(
        [Series("", scatter.said, off, "points", number=0),
         Series(labels.exact, reach, [0.0, 0.0], number=1)],
        title=labels.residuals, x_label=labels.predicted, y_label=labels.error,
        width=CHART_WIDTH, height=360,
    )  # fmt: skip
    return [against, errors]


def mistakes_section(contents: ReportContents, labels: Labels) -> Section | None:
    """Show the worst rows: what they are, what was said, their values."""
    if not contents.mistakes:
        return None
    cards = "".join(_card(mistake, labels) for mistake in contents.mistakes)
    body = found(contents.on_mistakes, labels) + tag("div", cards, class_="cards")
    about = labels.about_mistakes
    if contents.picture_shape:
        about = labels.about_mistaken_pictures
    elif any(one.words or one.picture is not None for one in contents.mistakes):
        about = labels.about_mistaken_parts
    return Section("mistakes", labels.mistakes, about, body)


def _card(mistake: Mistake, labels: Labels) -> str:
    sure = "" if mistake.sureness is None else f" ({percent(mistake.sureness)})"
    right = "" if mistake.truth_share is None else f" ({_few(mistake.truth_share)})"
    verdict = [(labels.said, mistake.said + sure), (labels.is_truth, mistake.truth + right)]
    lines = "".join(
        f'<div>{escaped(name)} <b class="{kind}">{escaped(value)}</b></div>'
        for (name, value), kind in zip(verdict, ("bad", ""), strict=True)
    )
    head = text("b", labels.row.format(f"{mistake.row:,}"))
    if mistake.picture is not None:
        lines = tag("div", _pictures(mistake, labels) + tag("div", lines), class_="picture")
    body = head + lines + _words(mistake.words) + _values(mistake.cells[:MOST_VALUES])
    if len(mistake.cells) > MOST_VALUES:
        body += folded(labels.more_values, _values(mistake.cells[MOST_VALUES:]))
    return tag("div", body, class_="card")


def _words(words: tuple[tuple[str, float], ...]) -> str:
    """Show a text, its words the more colored the more they spoke for what was said or against."""
    most = max((abs(share) for _, share in words), default=0.0) or 1.0
    parts, n_shown = [], 0
    for stretch, share in words:
        if n_shown >= MOST_LETTERS:
            parts.append("…")
            break
        stretch = stretch[: MOST_LETTERS - n_shown]
        n_shown += len(stretch)
        color = ",".join(map(str, ORANGE if share > 0 else BLUE))
        strength = STRONGEST * abs(share) / most
        shown = escaped(stretch)
        if strength >= FAINTEST:
            shown = tag("span", shown, style=f"background:rgba({color},{strength:.2f})")
        parts.append(shown)
    return tag("p", "".join(parts), class_="words") if parts else ""


def _pictures(mistake: Mistake, labels: Labels) -> str:
    """Show a picture, and beside it what in it spoke for what was said."""
    assert mistake.picture is not None
    shown = mistake.picture
    source = levels_png(shown) if shown.dtype == np.uint8 else png(-shown)
    height, width = shown.shape[:2]
    size = {"width": PICTURE, "height": round(PICTURE * height / width)}
    name = labels.row.format(f"{mistake.row:,}")
    drawn = element("img", src=source, alt=name, **size)
    if mistake.because is not None:
        # Single pixels speak at random; what a patch of them says together is to be seen.
        patches = gaussian_filter(mistake.because, PATCH * max(height, width))
        source = png(patches / (float(np.abs(patches).max()) or 1.0))
        drawn += element("img", src=source, alt=labels.spoke_for.format(name), **size)
    return drawn


def _few(share: float) -> str:
    return f"{share:.1%}" if share >= 0.01 else f"{share:.2%}" if share >= 1e-4 else "< 0.01%"


def _values(cells: tuple[tuple[str, str], ...]) -> str:
    if not cells:
        return ""
    return tag("dl", "".join(text("dt", name) + text("dd", value) for name, value in cells))
