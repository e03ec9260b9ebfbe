"""The first parts of a report: the verdict, and the data."""

from fathom.inspection.charts import bar_chart, distribution_chart
from fathom.inspection.phrasebook import say_text
from fathom.inspection.report.contents import ColumnFacts, MetricFacts, ReportContents
from fathom.inspection.report.labels import Labels
from fathom.inspection.report.layout import (
    CHART_WIDTH,
    Section,
    charts,
    folded,
    found,
    number,
    percent,
    table,
    tag,
    text,
)
from fathom.inspection.svg import escaped
from fathom.inspection.tongues import Language, say

MOST_COLUMNS = 20  # shown at once
MOST_COUNTED = 30  # classes in a chart
MOST_LISTED = 400  # in all
SHARES = ("accuracy", "balanced accuracy", "exact match", "R²")
FRACTIONS = ("ROC AUC", "F1", "ECE")
HEADLINES = {
    "classes": ("accuracy", "ROC AUC", "log loss", "balanced accuracy"),
    "labels": ("accuracy", "exact match", "ROC AUC", "log loss"),
    "numbers": ("R²", "RMSE", "MAE"),
}


def verdict_section(contents: ReportContents, labels: Labels) -> Section:
    """Say how good the model is: a few figures, and sentences."""
    known = {metric.name: metric for metric in contents.metrics}
    chosen = [known[name] for name in HEADLINES[contents.task] if name in known]
    figures = "".join(_figure(metric, labels) for metric in chosen if metric.value is not None)
    if contents.held_out is not None:
        title = labels.held_out_figure.format(labels.term(contents.held_out.name))
        figures = _figure(contents.held_out, labels, title) + figures
    lead = ""
    if contents.verdict:
        lead = text("p", say(contents.verdict[0], labels.language), class_="lead")
    figures = tag("div", figures, class_="figures") if figures else ""
    body = lead + figures + found(contents.verdict[1:], labels)
    return Section("verdict", labels.verdict, "", body)


def _figure(metric: MetricFacts, labels: Labels, title: str = "") -> str:
    parts = text("span", title or labels.term(metric.name)) + text(
        "b", write(metric.name, metric.value)
    )
    if metric.low is not None and metric.high is not None:
        ends = (write(metric.name, end) for end in (metric.low, metric.high))
        parts += text(
            "span", labels.interval.format(**dict(zip(("low", "high"), ends, strict=True)))
        )
    if metric.baseline is not None:
        parts += text("span", labels.guessing.format(write(metric.name, metric.baseline)))
    return tag("div", parts, class_="figure")


def write(name: str, value: float | None) -> str:
    """Write a metric, shares as percentages."""
    if name in FRACTIONS and value is not None:
        return f"{value:.3f}"
    return percent(value) if name in SHARES else number(value)


def data_section(contents: ReportContents, labels: Labels) -> Section:
    """Show what the columns are, what is missing and what is unlike training."""
    columns = contents.columns
    body = found(contents.on_data, labels) + charts(_draw_target(contents, labels))
    if columns:
        body += _columns(columns[:MOST_COLUMNS], labels)
    if len(columns) > MOST_COLUMNS:
        summary = labels.more_columns.format(n=f"{len(columns):,}")
        body += folded(summary, _columns(columns[:MOST_LISTED], labels))
    if contents.notes:
        lines = "".join(_note(note, labels.language) for note in contents.notes)
        body += folded(labels.notes, tag("ul", lines, class_="small"))
    return Section("data", labels.data, labels.about_data, body)


def _note(note: str, language: Language) -> str:
    """Write a note in the reader's language, marked where there are no words for it yet."""
    said = say_text(note, language)
    return text("li", said, lang="en" if language != "en" and said == note else None)


def _draw_target(contents: ReportContents, labels: Labels) -> list[str]:
    """Draw how many rows there are of each class, or how the right numbers are spread."""
    if 1 < len(contents.counts) <= MOST_COUNTED:
        return [
            bar_chart(
                [name for name, _ in contents.counts], [n for _, n in contents.counts],
                title=labels.rows_of_each, x_label=labels.rows, width=CHART_WIDTH,
                as_text=lambda n: f"{n:,.0f}",
            )
        ]  # fmt: skip
    if contents.target_values:
        return [
            distribution_chart(
                [contents.target or labels.value], [contents.target_values],
                title=labels.target_values, x_label=contents.target, width=CHART_WIDTH,
                median_label=labels.settled,
            )
        ]  # fmt: skip
    return []


def _columns(columns: tuple[ColumnFacts, ...], labels: Labels) -> str:
    has_before = any(column.missing_before is not None for column in columns)
    head = [labels.column, labels.kind, labels.values, labels.distinct, labels.missing]
    head += [labels.in_training] * has_before + [labels.strange]
    lines = []
    for column in columns:
        line = [escaped(column.name), escaped(labels.kinds[column.kind]), escaped(column.values)]
        line += [f"{column.n_distinct:,}" if column.n_distinct else "–", _share(column.missing)]
        line += [_share(column.missing_before)] * has_before
        line.append(f"{column.n_strange:,}" if column.n_strange else "–")
        lines.append(line)
    muted = [column.kind in ("identifier", "constant") for column in columns]
    return table(head, lines, left=(0, 1, 2), broad=(0, 2), muted=muted)


def _share(value: float | None) -> str:
    return "–" if not value else percent(value)
