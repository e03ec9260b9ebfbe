"""A network unfolded: drawn, and every number of it with its formula, on a page of its own."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version

from fathom.errors import InputError
from fathom.inspection.drawing import Labels as DrawingLabels
from fathom.inspection.drawing import draw_network, stages_of
from fathom.inspection.layers import LayerTrace
from fathom.inspection.report.inside import translate_stage
from fathom.inspection.report.labels import LABELS
from fathom.inspection.report.layout import Section, draw_page, tag, text, wide
from fathom.inspection.svg import escaped
from fathom.inspection.tongues import Language
from fathom.inspection.traced import Trace
from fathom.inspection.why import Explanation, why
from fathom.inspection.why_phrases import say_meaning

MOST_NUMBERS = 4000  # explained on one page
MOST_NEURONS = 32  # of a layer that are drawn
NAME = re.compile(r"([a-z]\w*(?:\.\w+(?:,\d+)*)+)")
STYLE = (
    ".numbers{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(300px,100%),1fr));"
    "gap:10px}"
    ".numbers article{border:1px solid var(--line);border-radius:10px;padding:9px 12px;"
    "min-width:0;scroll-margin-top:12px}"
    ".numbers article:target{border-color:var(--accent);background:var(--wash)}"
    ".numbers h3{margin:0;font-size:.875rem}.numbers p{margin:2px 0;font-size:.8125rem}"
    ".numbers .value{float:right;margin-left:10px;font-variant-numeric:tabular-nums}"
    ".numbers .line{display:flex;flex-wrap:wrap;gap:0 14px;font:.8125rem/1.5 ui-monospace,Menlo,"
    "Consolas,monospace;padding:1px 0}.numbers code{font:inherit;white-space:pre-wrap}"
    ".numbers .line span{flex:1 1 14em;min-width:0}.numbers a{color:var(--accent)}"
    "svg a:hover circle,svg a:focus-visible circle{stroke:var(--accent);stroke-width:3}"
)


@dataclass(frozen=True)
class _Words:
    heading: str
    subtitle: str
    drawn: str
    about_drawn: str
    given: str
    forward: str
    loss: str
    backward: str
    left_out: str
    end: str


WORDS: dict[Language, _Words] = {
    "en": _Words(
        heading="A network, number by number",
        subtitle="Every number with the formula it comes from; what stands in a formula leads to "
        "where it comes from in turn.",
        drawn="The network", about_drawn="A neuron leads to its activation.",
        given="What is given", forward="{layer}: forward", loss="Loss",
        backward="{layer}: backward", end="Written by Fathom {version}. This file needs "
        "nothing else: no server, no script, nothing from outside.",
        left_out="The network has more numbers than fit on a page; of these there are no "
        "formulas here: {what}.",
    ),
    "zh": _Words(
        heading="一个网络，逐个数字",
        subtitle="每个数字都附有算出它的公式；公式里的每个数，又可以点开看它从何而来。",
        drawn="网络图", about_drawn="点击神经元，看它的激活值。", given="给定的数",
        forward="{layer}：前向", loss="损失", backward="{layer}：反向",
        end="由 Fathom {version} 生成。这个文件自成一体：不需要服务器，没有脚本，"
        "也不从外部加载任何东西。",
        left_out="这个网络的数字太多，一页放不下；这里没有列出其公式的有：{what}。",
    ),
}  # fmt: skip
LEFT_OUT: dict[Language, tuple[str, ...]] = {
    "en": ("", "other examples", "other examples, gradients and new weights",
           "other examples, weights, gradients and new weights"),
    "zh": ("", "其他样本", "其他样本、梯度和新权重", "其他样本、权重、梯度和新权重"),
}  # fmt: skip


def write_network(traced: Trace, row: int = 0, language: Language = "en") -> str:
    """Write a network of dense layers as an HTML page of its own, that runs and fetches nothing.

    Parameters
    ----------
    traced : Trace
        The network at work on some examples, with their targets.
    row : int, default 0
        Which of them is drawn.
    language : {"en", "zh"}, default "en"
        English or Chinese.

    Returns
    -------
    str
        A whole HTML page: the network drawn, then every number with its formula, the numbers in
        it linked to their own. Of a large network some are left out, and the page says which.

    Raises
    ------
    InputError
        If there is no such example or language, or a network holds other layers than dense ones.

    Examples
    --------
    >>> from fathom.inspection.example import INPUT, TARGET, hand_worked
    >>> from fathom.inspection.trace import trace
    >>> network, architecture = hand_worked()
    >>> page = write_network(trace(network, [INPUT], [TARGET], loss=architecture.loss))
    >>> page.count('id="layer1.neuron1.z"'), 'href="#layer1.neuron1.z"' in page
    (1, True)
    """
    if language not in WORDS:
        raise InputError(f"a language: {' or '.join(WORDS)}", got=repr(language)[:40])
    if not 0 <= row < traced.n_rows:
        raise InputError(f"an example from 0 to {traced.n_rows - 1}", got=str(row))
    if traced.loss is None or any(layer.kind != "dense" for layer in traced.layers):
        raise InputError("dense layers, and what their outputs should be", got="others, or none")
    tier, parts = _chosen(traced, row)
    found = {title: _explained(traced, names) for title, names in parts.items()}
    known = {one.name for every in found.values() for one in every}
    words = WORDS[language]
    left = words.left_out.format(what=LEFT_OUT[language][tier]) if tier else ""
    sections = [
        Section("part-network", words.drawn, words.about_drawn, _drawn(traced, row, language))
    ]
    for (kind, layer), every in found.items():
        title = str(getattr(words, kind)).format(layer=layer)
        cards = "".join(_card(one, known, language) for one in every)
        body = tag("div", cards, class_="numbers")
        sections.append(Section(f"part-{kind}-{layer}".rstrip("-"), title, "", body))
    return draw_page(
        sections, heading=words.heading, subtitle=f"{words.subtitle} {left}".strip(),
        end=words.end.format(version=version("fathom-dnn")), labels=LABELS[language], style=STYLE,
    )  # fmt: skip


def _chosen(traced: Trace, row: int) -> tuple[int, dict[tuple[str, str], list[str]]]:
    """Return how much is left out, and the names of the numbers by the parts of the page."""
    every = range(traced.n_rows)
    for tier, rows in enumerate((every, (row,), (row,), (row,))):
        parts = dict(_parts(traced, rows, learns=tier < 2, weighs=tier < 3))
        if sum(map(len, parts.values())) <= MOST_NUMBERS:
            break
    return tier, parts


def _parts(
    traced: Trace, rows: Sequence[int], *, learns: bool, weighs: bool
) -> Iterator[tuple[tuple[str, str], list[str]]]:
    n_in, n_out = traced.x.shape[1], traced.layers[-1].z.shape[1]
    given = [f"input.{k + 1}" for k in range(n_in)] + [f"target.{k + 1}" for k in range(n_out)]
    yield ("given", ""), list(_of_rows(traced, rows, given))
    for layer in traced.layers:
        yield ("forward", layer.name), list(_forward(traced, layer, rows, weighs=weighs))
    yield ("loss", ""), ["loss", *(f"row{row + 1}.loss" for row in rows if traced.n_rows > 1)]
    for layer in reversed(traced.layers):
        deltas = [f"{neuron}.delta" for neuron in _neurons(layer)]
        slopes = [f"{neuron}.slope" for neuron in _neurons(layer)
                  if layer.activation not in ("softmax", "identity")]  # fmt: skip
        names = list(_of_rows(traced, rows, [*deltas, *slopes]))
        if learns:
            names += [f"{one}.{what}" for one in _parameters(layer) for what in ("gradient", "new")]
        yield ("backward", layer.name), names


def _of_rows(traced: Trace, rows: Sequence[int], names: Sequence[str]) -> Iterator[str]:
    for row in rows:
        for name in names:
            yield f"row{row + 1}.{name}" if traced.n_rows > 1 else name


def _neurons(layer: LayerTrace) -> list[str]:
    return [f"{layer.name}.neuron{unit + 1}" for unit in range(layer.z.shape[1])]


def _parameters(layer: LayerTrace) -> list[str]:
    parts = [*(f"weight{k + 1}" for k in range(layer.x.shape[1])), "bias"]
    has_bias = layer.parameter("bias") is not None
    return [
        f"{one}.{part}" for one in _neurons(layer) for part in parts[: None if has_bias else -1]
    ]


def _forward(
    traced: Trace, layer: LayerTrace, rows: Sequence[int], *, weighs: bool
) -> Iterator[str]:
    if weighs:
        yield from _parameters(layer)
    quantities = ("z", "exp", "a") if layer.activation == "softmax" else ("z", "a")
    names = [f"{neuron}.{quantity}" for quantity in quantities for neuron in _neurons(layer)]
    yield from _of_rows(traced, rows, names)


def _explained(traced: Trace, names: Sequence[str]) -> list[Explanation]:
    return list({one.name: one for one in (why(traced, name) for name in names)}.values())


def _drawn(traced: Trace, row: int, language: Language) -> str:
    labels, prefix = LABELS[language], f"row{row + 1}." if traced.n_rows > 1 else ""
    stages = []
    for place, stage in enumerate(stages_of(traced.x, traced.layers, row=row)):
        n = 0 if stage.values is None else len(stage.values)
        names = (
            [f"{traced.layers[place - 1].name}.neuron{k + 1}.a" for k in range(n)]
            if place else [f"input.{k + 1}" for k in range(n)]
        )  # fmt: skip
        linked = replace(stage, links=tuple(prefix + name for name in names))
        stages.append(translate_stage(linked, labels))
    words = DrawingLabels(
        positive=labels.positive, negative=labels.negative, more=labels.more.format
    )
    title = WORDS[language].drawn
    return wide(draw_network(stages, title=title, labels=words, most=MOST_NEURONS))


def _card(one: Explanation, known: set[str], language: Language) -> str:
    said = say_meaning(one.meaning, language)
    width = max(map(len, one.lines))
    lines = []
    for line, note in zip(one.lines, one.notes, strict=True):
        parts = [_part(part, known, language) for part in NAME.split(note)]
        beside = tag("span", "".join(parts)) if note else ""
        lines.append(tag("div", text("code", line.ljust(width)) + beside, class_="line"))
    head = tag("span", escaped(one.result), class_="value") + escaped(one.name)
    formula = f"= {say_meaning(one.formula, language)}"
    body = tag("h3", head) + (text("p", said, class_="soft") if said else "")
    if one.meaning or one.formula not in ("given", "learned"):
        body += text("p", formula, class_="soft") + "".join(lines)
    else:
        body += text("p", say_meaning(one.formula, language), class_="soft")
    return tag("article", body, id=one.name)


def _part(part: str, known: set[str], language: Language) -> str:
    if part in known:
        return text("a", part, href=f"#{part}")
    return escaped(say_meaning(part, language))
