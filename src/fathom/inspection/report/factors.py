"""The part of a report on factors: each by itself, every combination, and what a prior does."""

from dataclasses import dataclass

from fathom.inspection.charts import Series, line_chart
from fathom.inspection.report.answers import draw_calibration
from fathom.inspection.report.contents import CombinationFacts, FactorFacts, ReportContents
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
from fathom.inspection.report.overview import write
from fathom.inspection.svg import escaped
from fathom.inspection.tongues import Language

MOST_COMBINATIONS = 40  # shown at once
MOST_CLASSES = 30  # of a factor shown at once
SHOWN = ("accuracy", "balanced accuracy", "log loss", "ECE")


@dataclass(frozen=True)
class _Words:
    """Words of this part alone, in one language."""

    title: str
    about: str
    factor: str
    each: str
    every: str
    more: str
    combination: str
    seen: str
    marks: dict[str, str]
    right: str
    right_uniform: str
    taken: str
    mean_probability: str
    share: str
    priors: str
    prior: str
    training: str
    uniform: str
    own: str
    mean: str
    rare: str
    axis: str
    share_right: str


WORDS: dict[Language, _Words] = {
    "en": _Words(
        title="Factors and combinations",
        about="Each factor by itself, then what they make together: how often training saw a "
        "combination, how many of its rows are right here, and whether its probability is as "
        "large as its share of the rows.",
        factor="factor",
        each="Factor by factor",
        every="Every combination",
        more="All {n} combinations",
        combination="combination",
        seen="seen in training",
        marks={"": "", "rare": "rare", "new": "never seen", "untold": "never seen *"},
        right="right",
        right_uniform="right, prior uniform",
        taken="taken for it",
        mean_probability="mean probability",
        share="share of rows",
        priors="What the prior does",
        prior="prior",
        training="training (1)",
        uniform="uniform (0)",
        own="the model's own",
        mean="mean over combinations",
        rare="rare or never seen",
        axis="prior: uniform (0) to that of training (1)",
        share_right="share that is right",
    ),
    "zh": _Words(
        title="因子与组合",
        about="先逐个看每个因子，再看它们的组合：训练时见过多少次，这里有多少行判断正确，"
        "以及它的平均概率是否与它所占的比例相符。",
        factor="因子",
        each="逐个因子",
        every="每个组合",
        more="全部 {n} 个组合",
        combination="组合",
        seen="训练时见过",
        marks={"": "", "rare": "稀有", "new": "从未见过", "untold": "从未见过 *"},
        right="正确",
        right_uniform="正确（均匀先验）",
        taken="被判为它",
        mean_probability="平均概率",
        share="所占比例",
        priors="先验的作用",
        prior="先验",
        training="训练先验（1）",
        uniform="均匀（0）",
        own="模型自己的先验",
        mean="各组合的平均",
        rare="稀有或从未见过",
        axis="先验：从均匀（0）到训练先验（1）",
        share_right="正确的比例",
    ),
}


def factors_section(contents: ReportContents, labels: Labels) -> Section | None:
    """Show each factor, every combination and what the prior does, for a model of several."""
    if not contents.factors:
        return None
    words = WORDS[labels.language]
    body = found(contents.on_factors, labels)
    body += text("h3", words.each) + _factors(contents.factors, labels, words)
    body += charts(
        [draw_calibration(one.calibration, labels, of=one.name) for one in contents.factors]
    )
    shown, every = contents.combinations[:MOST_COMBINATIONS], contents.combinations
    body += text("h3", words.every) + _combinations(shown, labels, words)
    if len(every) > len(shown):
        body += folded(words.more.format(n=f"{len(every):,}"), _combinations(every, labels, words))
    body += text("h3", words.priors) + _priors(contents, labels, words)
    body += charts([_draw_priors(contents, labels, words)])
    return Section("factors", words.title, words.about, body)


def _factors(factors: tuple[FactorFacts, ...], labels: Labels, words: _Words) -> str:
    """Write how each factor fares beside guessing, and each of its classes."""
    guessing = labels.guessing.format("").strip(" :：")
    head = [words.factor, labels.metric, labels.value, "95%", guessing]
    lines = []
    for one in factors:
        for metric in (m for m in one.metrics if m.name in SHOWN):
            ends = "–"
            if metric.low is not None and metric.high is not None:
                low, high = write(metric.name, metric.low), write(metric.name, metric.high)
                ends = labels.interval.format(low=low, high=high)
            value = tag("b", escaped(write(metric.name, metric.value)))
            line = [escaped(one.name), escaped(labels.term(metric.name)), value, escaped(ends)]
            lines.append([*line, escaped(write(metric.name, metric.baseline))])
    body = table(head, lines, left=(0, 1))
    head = [words.factor, labels.class_name, labels.precision, labels.recall, "F1", labels.rows]
    lines = [
        [escaped(one.name), escaped(each.label), percent(each.precision), percent(each.recall),
         write("F1", each.f1), f"{each.n_rows:,}"]
        for one in factors for each in one.per_class
    ]  # fmt: skip
    classes = table(head, lines, left=(0, 1))
    return body + (folded(labels.every_class, classes) if len(lines) > MOST_CLASSES else classes)


def _combinations(every: tuple[CombinationFacts, ...], labels: Labels, words: _Words) -> str:
    """Write of every combination what was seen of it, and how it fares."""
    head = [words.combination, words.seen, "", labels.rows, words.right, "95%"]
    head += [words.right_uniform, words.taken, words.mean_probability, words.share]
    lines = []
    for one in every:
        ends = "–"
        if one.low is not None and one.high is not None:
            ends = labels.interval.format(low=percent(one.low), high=percent(one.high))
        lines.append([
            escaped(one.name), f"{one.n_seen:,}", escaped(words.marks[one.mark]),
            f"{one.n_rows:,}", tag("b", percent(one.recall)), escaped(ends),
            percent(one.recall_uniform), f"{one.n_taken:,}", percent(one.mean_probability),
            percent(one.share),
        ])  # fmt: skip
    return table(head, lines, left=(0, 2), muted=[not one.n_rows for one in every])


def _priors(contents: ReportContents, labels: Labels, words: _Words) -> str:
    head = [words.prior, labels.term("accuracy"), words.mean, words.rare, labels.term("log loss")]
    lines = []
    for one in contents.priors:
        names = {0.0: words.uniform, 1.0: words.training, None: words.own}
        name = names.get(one.power, f"{one.power}")
        line = [escaped(name), percent(one.accuracy), percent(one.mean), percent(one.rare)]
        lines.append([*line, number(one.log_loss)])
    return table(head, lines)


def _draw_priors(contents: ReportContents, labels: Labels, words: _Words) -> str:
    """Draw what is right by how much the prior of training counts."""
    known = [one for one in contents.priors if one.power is not None]
    places = [one.power for one in known if one.power is not None]
    series = [
        Series(labels.term("accuracy"), places, [one.accuracy for one in known], "both", number=0),
        Series(words.mean, places, [one.mean for one in known], "both", number=1),
    ]
    rare = [one.rare for one in known if one.rare is not None]
    if len(rare) == len(known):
        series.append(Series(words.rare, places, rare, "both", number=2))
    return line_chart(
        series, title=words.priors, x_label=words.axis, y_label=words.share_right, x_range=(0, 1),
        y_range=(0, 1), width=CHART_WIDTH, height=320,
    )  # fmt: skip
