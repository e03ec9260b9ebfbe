"""A network drawn: neurons with their numbers, synapses as wide as their weights, biases in boxes.

Static SVG, without scripts; light or dark as the reader's system says. Texts are given by the
caller, in any language, and escaped here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from fathom.inspection.layers import LayerTrace
from fathom.inspection.svg import (
    color,
    document,
    element,
    number_text,
    shortened,
    text_width,
    words,
)

MOST_NEURONS = 8  # of a stage that are drawn
MOST_NUMBERED = 8  # synapses between two stages up to which their weights are written
RADIUS, SPACING, GAP = 21.0, 104.0, 170.0
BOX_WIDTH, TOP, MARGIN = 96.0, 46.0, 26.0
NAME_WIDTH = 110.0
NARROWEST, WIDEST = 0.4, 4.5  # of a synapse, in pixels
POSITIVE, NEGATIVE = 0, 1  # colors
DASHES = "6 3"  # of synapses below 0, for those who see no color


@dataclass(frozen=True)
class Labels:
    """The words in a drawing, in the reader's language.

    Attributes
    ----------
    positive, negative : str
        What the two kinds of lines are.
    sum, error : str
        Signs before z and δ beside a neuron.
    bias : str
        Sign before a bias.
    more : callable
        Number of neurons that are not drawn → what is written in their place.
    """

    positive: str = "positive weight"
    negative: str = "negative weight"
    sum: str = "z"
    error: str = "δ"
    bias: str = "b"
    more: Callable[[int], str] = field(default=lambda n: f"{n:,} more")


@dataclass(frozen=True)
class Stage:
    """One column of a drawing: the inputs, a layer of neurons, or a layer as one box.

    Attributes
    ----------
    title : str
        What stands above it.
    values : numpy.ndarray or None
        The number in each neuron; None where the layer is one box.
    sums, errors : numpy.ndarray or None
        z and δ of each neuron, written beside it.
    weights : numpy.ndarray or None
        Weight of each synapse from the stage before, shape (neurons, neurons before).
    biases : numpy.ndarray or None
        Bias of each neuron.
    names : sequence of str
        What each neuron stands for; empty where they have no names.
    note : str
        What stands in the box.
    links : sequence of str
        Where on the same page each neuron leads; empty where it leads nowhere.
    """

    title: str
    values: np.ndarray | None = None
    sums: np.ndarray | None = None
    errors: np.ndarray | None = None
    weights: np.ndarray | None = None
    biases: np.ndarray | None = None
    names: Sequence[str] = ()
    note: str = ""
    links: Sequence[str] = ()


def draw_network(
    stages: Sequence[Stage],
    *,
    title: str,
    description: str = "",
    labels: Labels | None = None,
    most: int = MOST_NEURONS,
) -> str:
    """Draw a network from its inputs to its outputs.

    Parameters
    ----------
    stages : sequence of Stage
        Columns from left to right.
    title, description : str
        What it is and what it shows, for those who cannot see it.
    labels : Labels, optional
        The words in it; English where left out.
    most : int, default 8
        Neurons of a stage that are drawn; of more, those farthest from 0.

    Returns
    -------
    str
        One ``svg`` element.

    Examples
    --------
    >>> first = Stage("input", values=np.array([1.0, -1.0]))
    >>> second = Stage("output", values=np.array([0.98]), weights=np.array([[1.0, -2.0]]))
    >>> drawn = draw_network([first, second], title="two inputs and a neuron")
    >>> drawn.count("<circle"), drawn.count("<line")
    (3, 4)
    """
    labels = labels or Labels()
    shown = [_chosen(stage, most) for stage in stages]
    slots = [_n_slots(stage, chosen) for stage, chosen in zip(stages, shown, strict=True)]
    height = TOP + SPACING * max(slots) + 34
    first = RADIUS if stages[0].values is not None else BOX_WIDTH / 2
    left = MARGIN + (NAME_WIDTH if stages[0].names else 0) + first
    right = MARGIN + (NAME_WIDTH if stages[-1].names else 0) + RADIUS + 20
    right = max(right, MARGIN + GAP / 2)  # the title above the last column
    xs = [left + GAP * place for place in range(len(stages))]
    ys = [_heights(count, max(slots)) for count in slots]
    synapses: list[str] = []
    neurons: list[str] = []
    for place, (stage, chosen) in enumerate(zip(stages, shown, strict=True)):
        if place:
            before = (xs[place - 1], ys[place - 1], shown[place - 1], stages[place - 1])
            synapses += _draw_synapses(stage, chosen, xs[place], ys[place], before)
        is_last = place == len(stages) - 1
        neurons += _draw_stage(stage, chosen, xs[place], ys[place], labels, is_last=is_last)
    width = xs[-1] + right
    has_weights = any(part.weights is not None for part in stages)
    legend = _draw_legend(height - 12, labels) if has_weights else []
    role = "group" if any(part.links for part in stages) else "img"
    drawn = [*synapses, *neurons, *legend]
    return document(drawn, max(width, 330), height, title, description, role=role)


def _chosen(stage: Stage, most: int) -> list[int]:
    """Return the neurons that are drawn: all of few, of many those farthest from 0."""
    if stage.values is None:
        return []
    if len(stage.values) <= most:
        return list(range(len(stage.values)))
    strongest = np.argsort(-np.abs(np.nan_to_num(stage.values)), kind="stable")[: most - 1]
    return sorted(int(place) for place in strongest)


def _n_slots(stage: Stage, chosen: Sequence[int]) -> int:
    if stage.values is None:
        return 1
    return len(chosen) + (len(stage.values) > len(chosen))


def _heights(count: int, most: int) -> list[float]:
    """Return the middles of neurons in a column, the column itself in the middle."""
    first = TOP + SPACING * (most - count) / 2 + SPACING / 2
    return [first + SPACING * place for place in range(count)]


def _draw_synapses(
    stage: Stage,
    chosen: Sequence[int],
    x: float,
    ys: Sequence[float],
    before: tuple[float, Sequence[float], Sequence[int], Stage],
) -> list[str]:
    """Draw lines from the stage before, as wide as their weights are large."""
    x_before, ys_before, chosen_before, stage_before = before
    start = x_before + (BOX_WIDTH / 2 if stage_before.values is None else RADIUS)
    end = x - (BOX_WIDTH / 2 if stage.values is None else RADIUS)
    if stage.weights is None or stage.values is None or stage_before.values is None:
        return [_joint(start, ys_before, end, ys)]
    drawn, numbers = [], []
    largest = float(np.abs(stage.weights).max()) or 1.0
    is_numbered = len(chosen) * len(chosen_before) <= MOST_NUMBERED
    for row, neuron in enumerate(chosen):
        for column, source in enumerate(chosen_before):
            weight = float(stage.weights[neuron, source])
            y_before, y = ys_before[column], ys[row]
            drawn.append(_line(start, y_before, end, y, weight, largest))
            if is_numbered:
                share = 0.62 + 0.16 * (column % 2)  # so that lines that cross keep theirs apart
                numbers.append(
                    _number_on(start + share * (end - start), y_before + share * (y - y_before),
                               weight)
                )  # fmt: skip
    return drawn + numbers


def _joint(start: float, ys_before: Sequence[float], end: float, ys: Sequence[float]) -> str:
    """Draw one line where there are no weights to tell apart."""
    middle = [(min(column) + max(column)) / 2 for column in (ys_before, ys)]
    return element(
        "line", x1=start, y1=middle[0], x2=end, y2=middle[1], stroke="var(--f-faint)",
        stroke_width=6.0, stroke_linecap="round",
    )  # fmt: skip


def _line(x1: float, y1: float, x2: float, y2: float, weight: float, largest: float) -> str:
    share = abs(weight) / largest
    is_negative = weight < 0
    return element(
        "line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=color(NEGATIVE if is_negative else POSITIVE),
        stroke_width=NARROWEST + (WIDEST - NARROWEST) * share,
        stroke_dasharray=DASHES if is_negative else None,
        opacity=f"{0.25 + 0.6 * share:.2f}",
    )  # fmt: skip


def _number_on(x: float, y: float, value: float) -> str:
    """Write a number upon a line, with the ground around it so that it can be read."""
    return words(
        x, y + 3.5, _brief(value), "middle", font_size=11, paint_order="stroke",
        style="stroke:var(--f-ground);stroke-width:4px",
    )  # fmt: skip


def _brief(value: float) -> str:
    rounded = float(f"{value:.3g}") if np.isfinite(value) else value
    return number_text(rounded).replace("-", "−")


def _draw_stage(
    stage: Stage,
    chosen: Sequence[int],
    x: float,
    ys: Sequence[float],
    labels: Labels,
    *,
    is_last: bool,
) -> list[str]:
    """Draw a column: its title, and a box or its neurons."""
    drawn = [words(x, 18, shortened(stage.title, GAP - 10, 12), "middle", class_="f-title",
                   style="font-size:12px")]  # fmt: skip
    if stage.values is None:
        return [*drawn, *_draw_box(stage, x, ys[0])]
    for row, neuron in enumerate(chosen):
        parts = _draw_neuron(stage, neuron, x, ys[row], labels)
        is_link = neuron < len(stage.links)
        drawn += [_linked(stage.links[neuron], parts)] if is_link else parts
        if stage.names and neuron < len(stage.names):
            side, anchor = (RADIUS + 8, "start") if is_last else (-RADIUS - 8, "end")
            name = shortened(stage.names[neuron], NAME_WIDTH)
            drawn.append(words(x + side, ys[row] + 4, name, anchor))
    n_more = len(stage.values) - len(chosen)
    if n_more:
        drawn.append(words(x, ys[-1] - 6, "⋮", "middle", font_size=18))
        drawn.append(words(x, ys[-1] + 12, labels.more(n_more), "middle", font_size=11))
    return drawn


def _linked(place: str, parts: Sequence[str]) -> str:
    return element("a", "".join(parts), href=f"#{place}")


def _draw_box(stage: Stage, x: float, y: float) -> list[str]:
    box = element(
        "rect", x=x - BOX_WIDTH / 2, y=y - 24, width=BOX_WIDTH, height=48.0, rx=6,
        fill="var(--f-ground)", stroke="var(--f-text)",
    )  # fmt: skip
    return [box, words(x, y + 4, shortened(stage.note, BOX_WIDTH - 8), "middle")]


def _draw_neuron(stage: Stage, neuron: int, x: float, y: float, labels: Labels) -> list[str]:
    """Draw a neuron with its activation inside, z above it, δ below it, and its bias in a box."""
    assert stage.values is not None
    drawn = [
        element("circle", cx=x, cy=y, r=RADIUS, fill="var(--f-ground)", stroke="var(--f-text)",
                stroke_width=1.3),
        words(x, y + 4, _brief(float(stage.values[neuron])), "middle"),
    ]  # fmt: skip
    below = y + RADIUS + 4
    if stage.biases is not None:
        text = f"{labels.bias} {_brief(float(stage.biases[neuron]))}"
        half = 4 + text_width(text, 10.5) / 2
        drawn += [
            element("line", x1=x, y1=y + RADIUS, x2=x, y2=below, stroke="var(--f-text)"),
            element("rect", x=x - half, y=below, width=2 * half, height=16.0, rx=2,
                    fill="var(--f-ground)", stroke="var(--f-text)"),
            words(x, below + 12, text, "middle", font_size=10.5),
        ]  # fmt: skip
        below += 16
    for values, sign, at in (
        (stage.sums, labels.sum, y - RADIUS - 5), (stage.errors, labels.error, below + 12)
    ):  # fmt: skip
        if values is not None:
            text = f"{sign} {_brief(float(values[neuron]))}"
            drawn.append(words(x, at, text, "middle", font_size=10.5))
    return drawn


def _draw_legend(y: float, labels: Labels) -> list[str]:
    drawn, x = [], MARGIN
    for sign, text in ((1.0, labels.positive), (-1.0, labels.negative)):
        drawn += [_line(x, y, x + 24, y, sign, 1.0), words(x + 30, y + 4, text, font_size=11)]
        x += 54 + text_width(text, 11)
    return drawn


def stages_of(
    x: np.ndarray,
    layers: Sequence[LayerTrace],
    *,
    row: int = 0,
    input_names: Sequence[str] = (),
    feature_names: Sequence[str] = (),
    output_names: Sequence[str] = (),
) -> list[Stage]:
    """Return what is drawn of a trace: the inputs, dense layers as neurons, others as boxes.

    Of the columns of a table, what the first layers make of them is drawn in their place.

    Parameters
    ----------
    x : numpy.ndarray
        The inputs.
    layers : sequence of LayerTrace
        What flowed through each layer.
    row : int, default 0
        Which example.
    input_names, feature_names, output_names : sequence of str
        What inputs, what the first layer makes of a table's columns, and outputs stand for.
    """
    stages = [Stage("input", values=x[row], names=input_names)]
    if x.ndim > 2:
        stages = [Stage("input", note="×".join(map(str, x.shape[1:])))]
    is_table = layers[0].kind == "columns"
    for place, layer in enumerate(layers):
        if layer.kind in ("dropout", "flatten"):
            continue
        if is_table and (place == 0 or (place == 1 and layer.kind == "gain")):
            stages = [Stage("features", values=layer.a[row], names=feature_names)]
            continue
        if layer.kind not in ("dense", "combination"):
            words_of = str(layer).rsplit(" ", 1)
            stages.append(Stage(words_of[0], note=words_of[-1]))
            continue
        weight, bias = layer.parameter("weight"), layer.parameter("bias")
        is_last = layer is layers[-1]
        stages.append(
            Stage(
                f"{layer.name} · {layer.activation}", values=layer.a[row], sums=layer.z[row],
                errors=None if layer.delta is None else layer.delta[row],
                weights=_added(layer) if weight is None else weight.value,
                biases=None if bias is None else bias.value,
                names=output_names if is_last else (),
            )
        )  # fmt: skip
    return stages


def _added(layer: LayerTrace) -> np.ndarray | None:
    """Return what a combination adds up as weights of 0 and 1; None of any other layer."""
    if layer.kind != "combination":
        return None
    matrix = np.zeros((layer.z.shape[1], layer.x.shape[1]))
    np.put_along_axis(matrix, layer.constants["parts"].astype(int), 1.0, axis=1)
    return matrix
