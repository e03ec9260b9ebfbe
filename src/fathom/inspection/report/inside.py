"""The parts of a report on what is inside: the search, curves, columns, the network, its health."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fathom.inspection.charts import Series, bar_chart, line_chart
from fathom.inspection.dependence import Dependence
from fathom.inspection.drawing import Labels as DrawingLabels
from fathom.inspection.drawing import Stage, draw_network
from fathom.inspection.health import Health, LayerHealth
from fathom.inspection.importance import Importance
from fathom.inspection.pictures import picture_grid
from fathom.inspection.report.contents import CurveFacts, NetworkFacts, ReportContents
from fathom.inspection.report.labels import Labels
from fathom.inspection.report.layout import (
    CHART_WIDTH,
    Section,
    charts,
    folded,
    found,
    number,
    table,
    tag,
    text,
    told,
    wide,
)
from fathom.inspection.svg import escaped
from fathom.inspection.tongues import name_layer, say

MOST_NETWORKS = 12  # shown at once
MOST_COLUMNS = 20  # in a chart
BAND = (0.1, 0.9)  # quantiles of single rows around a mean
MOST_NEURONS = 6  # of a layer that are drawn
APART = 8.0  # by what figures differ, from where on an axis goes by equal factors


def networks_section(contents: ReportContents, labels: Labels) -> Section | None:
    """Show the networks that were tried, the best first, and why some were not taken."""
    body = found(contents.on_search, labels)
    networks = contents.networks
    if networks:
        body += _networks(contents, networks[:MOST_NETWORKS], labels)
    if len(networks) > MOST_NETWORKS:
        summary = labels.more_networks.format(n=len(networks))
        body += folded(summary, _networks(contents, networks, labels))
    return Section("networks", labels.networks, labels.about_networks, body) if body else None


def _networks(contents: ReportContents, networks: tuple[NetworkFacts, ...], labels: Labels) -> str:
    loss = labels.loss.format(labels.term(contents.loss_name))
    head = [labels.network, labels.state, labels.share, loss, labels.train_loss, labels.shape]
    head += [labels.settings, labels.epoch]
    has_reasons = any(one.reason for one in networks)
    head += [labels.why] * has_reasons
    lines = []
    for one in networks:
        shape = f"{one.n_hidden} × {one.width}" if one.n_hidden else labels.linear
        reason = say(one.reason, labels.language) if one.reason else ""
        traits = (_trait(name, value, labels) for name, value in one.traits)
        epochs = f"{one.best_epoch} / {one.n_epochs}" if one.n_epochs else "–"
        lines.append([
            f"{one.number}", text("span", labels.states[one.state], class_=f"tag {one.state}"),
            f"{one.weight:.0%}" if one.weight else "–", number(one.loss), number(one.train_loss),
            escaped(shape), escaped(", ".join(traits)), epochs,
            *[escaped(reason)] * has_reasons,
        ])  # fmt: skip
    muted = [one.state != "kept" for one in networks]
    return table(head, lines, left=(1, 5, 6, 8), broad=(6, 8), muted=muted)


def _trait(name: str, value: str | float, labels: Labels) -> str:
    shown = f"{value:.3g}" if isinstance(value, float) else value
    return labels.traits[name].format(labels.traits.get(shown, shown))


def curves_section(contents: ReportContents, labels: Labels) -> Section | None:
    """Draw the losses of the kept networks, epoch by epoch."""
    if not contents.curves:
        return None
    shares = {one.number: one.weight for one in contents.networks}
    drawn = [_curve(curve, shares.get(curve.network, 1.0), labels) for curve in contents.curves]
    gap = contents.gap.findings if contents.gap else ()
    body = found([*gap, *contents.on_curves], labels) + charts(drawn)
    return Section("curves", labels.curves, labels.about_curves, body)


def _curve(curve: CurveFacts, share: float, labels: Labels) -> str:
    losses = [*curve.train, *curve.held_out]
    series = [Series(labels.learned_rows, curve.epochs, curve.train, number=0)]
    if any(math.isfinite(loss) for loss in curve.held_out):
        series.append(Series(labels.held_out_rows, curve.epochs, curve.held_out, number=1))
        if curve.best_epoch in curve.epochs:
            best = curve.held_out[curve.epochs.index(curve.best_epoch)]
            series.append(Series(labels.best_epoch, [curve.best_epoch], [best], "points", number=2))
    return line_chart(
        series, title=labels.curve_title.format(number=curve.network, share=f"{share:.0%}"),
        x_label=labels.term("epoch"), y_label=labels.term("loss"), width=CHART_WIDTH, height=270,
        log_y=_is_far(losses),
    )  # fmt: skip


def _is_far(values: Sequence[float]) -> bool:
    """Tell whether figures above 0 differ so much that an axis should go by equal factors."""
    known = [value for value in values if math.isfinite(value) and value > 0]
    return bool(known) and max(known) > APART * min(known)


def columns_section(contents: ReportContents, labels: Labels) -> Section | None:
    """Draw what columns are worth, and how the prediction moves with the best of them."""
    if contents.importance is None:
        return None
    said = [*contents.importance.findings]
    drawn = [draw_importance(contents.importance, labels)]
    for one in contents.dependence:
        said += one.findings
        drawn.append(draw_dependence(one, contents.dependence_of, labels))
    body = found(said, labels) + charts(drawn)
    return Section("columns", labels.columns, labels.about_columns, body)


def draw_importance(importance: Importance, labels: Labels) -> str:
    """Draw the fall of the score for each column."""
    shown = importance.columns[:MOST_COLUMNS]
    return bar_chart(
        [one.column for one in shown], [one.drop for one in shown], title=labels.importance,
        x_label=labels.importance_axis.format(labels.term(importance.score_name)),
        low=[one.low for one in shown], high=[one.high for one in shown],
        as_text=lambda drop: f"{round(drop, 3) + 0.0:.3f}", width=CHART_WIDTH,
        description=told(importance.findings, labels),
    )  # fmt: skip


def draw_dependence(one: Dependence, of: str, labels: Labels) -> str:
    """Draw how the prediction moves with a column, on average and in single rows."""
    what = labels.probability_of.format(of) if of else labels.prediction
    if not one.is_number:
        return bar_chart(
            [str(place) for place in one.places], one.mean, x_label=what, width=CHART_WIDTH,
            title=labels.dependence_kinds.format(one.column),
            description=told(one.findings, labels),
        )  # fmt: skip
    places = [float(place) for place in one.places]
    low, high = np.quantile(one.curves, BAND, axis=0)
    return line_chart(
        [Series(labels.band, places, one.mean, "both", low=low, high=high)],
        title=labels.dependence.format(one.column), x_label=one.column, y_label=what,
        width=CHART_WIDTH, height=300, description=told(one.findings, labels),
    )  # fmt: skip


def network_section(contents: ReportContents, labels: Labels) -> Section | None:
    """Draw the heaviest network, and list its layers."""
    if not contents.layers:
        return None
    body = ""
    if contents.stages:
        shown = [translate_stage(stage, labels) for stage in contents.stages]
        drawing = DrawingLabels(
            positive=labels.positive, negative=labels.negative, more=labels.more.format
        )
        drawn = draw_network(shown, title=labels.drawing, labels=drawing, most=MOST_NEURONS)
        body += wide(drawn)
    lines = [
        [escaped(name_layer(name, labels.language)), escaped(shape), f"{count:,}" if count else "–"]
        for name, shape, count in contents.layers
    ]
    total = sum(count for _, _, count in contents.layers)
    lines.append([tag("b", escaped(labels.total)), "", tag("b", f"{total:,}")])
    body += table([labels.layer, labels.numbers_out, labels.parameters], lines)
    if contents.first_weights:
        pictures = list(contents.first_weights)
        names = [f"{place}" for place in range(1, len(pictures) + 1)]
        drawn = picture_grid(pictures, names, title="", across=6, side=52)
        body += text("h3", labels.first_weights) + charts([drawn])
    said = found(contents.on_network, labels)
    return Section("network", labels.drawing, labels.about_drawing, said + body)


def translate_stage(stage: Stage, labels: Labels) -> Stage:
    """Return a column of the drawing with its title in the reader's language."""
    known = {"input": labels.input, "features": labels.features}
    title = known.get(stage.title) or name_layer(stage.title, labels.language)
    title = title.removesuffix(" ·")  # an output layer that bends nothing
    if title.startswith("layer") and labels.language == "zh":
        title = f"{labels.layer} {title.removeprefix('layer')}"
    if stage.values is None and title != labels.input:  # a box: what it is above, its shape inside
        words = f"{stage.title} {stage.note}".split()
        shape = next((word for word in words if "×" in word), stage.note)
        kind = " ".join(word for word in words if word not in (shape, "identity"))
        return replace(stage, title=name_layer(kind, labels.language), note=shape)
    return replace(stage, title=title)


def health_section(contents: ReportContents, labels: Labels) -> Section | None:
    """Show how each layer is."""
    health = contents.health
    if health is None:
        return None
    head = [labels.layer, labels.neurons, labels.dead, labels.flat, "|∂L/∂a|"]
    head += [labels.by_size]
    lines = [
        [f"{one.number} {escaped(name_layer(one.name, labels.language))}", *_counted(one),
         f"{one.error:.2g}",
         "–" if one.update_ratio is None else f"{one.update_ratio:.2g}"]
        for one in health.layers
    ]  # fmt: skip
    body = (
        found(health.findings, labels) + table(head, lines) + charts(_draw_health(health, labels))
    )
    return Section("health", labels.health, labels.about_health, body)


def _counted(one: LayerHealth) -> tuple[str, str, str]:
    """Return how many neurons a layer has, dead ones and flat answers; dashes where none count."""
    if not one.n_neurons:
        return "–", "–", "–"
    return f"{one.n_neurons:,}", f"{one.n_dead:,}", f"{one.share_saturated:.0%}"


def _draw_health(health: Health, labels: Labels) -> list[str]:
    errors = [(one.number, one.error) for one in health.layers]
    updates = [(one.number, one.update_ratio) for one in health.layers if one.update_ratio]
    drawn = []
    for title, y_label, pairs in (
        (labels.errors_back, "|∂L/∂a|", errors), (labels.updates, labels.by_size, updates),
    ):  # fmt: skip
        if len(pairs) < 2:
            continue
        places, values = zip(*pairs, strict=True)
        series = Series("", places, values, "both", number=0)
        drawn.append(
            line_chart(
                [series], title=title, x_label=labels.layer, y_label=y_label,
                log_y=_is_far(values), width=CHART_WIDTH, height=240,
            )
        )  # fmt: skip
    return drawn
