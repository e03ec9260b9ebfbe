"""The page of a report: two languages that say the same, all escaped, nothing from outside."""

import dataclasses
import re
import string
from html.parser import HTMLParser

import numpy as np
import pytest

from fathom.errors import InputError
from fathom.inspection.chinese import CHINESE
from fathom.inspection.dependence import measure_dependence
from fathom.inspection.findings import ENGLISH, find
from fathom.inspection.importance import measure_importance
from fathom.inspection.report import ReportContents, write_report
from fathom.inspection.report.contents import (
    ClassFacts,
    ColumnFacts,
    CurveFacts,
    MetricFacts,
    Mistake,
    NetworkFacts,
    Scatter,
)
from fathom.inspection.report.labels import LABELS
from fathom.inspection.tongues import name_layer, say
from fathom.inspection.trust import check_calibration, check_confusion

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)>&\x00'


def placeholders(template):
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def test_chinese_says_every_finding_with_the_same_numbers():
    assert CHINESE.keys() == ENGLISH.keys()
    for code, template in ENGLISH.items():
        assert placeholders(CHINESE[code]) == placeholders(template), code
        assert re.search(r"[\u4e00-\u9fff]", CHINESE[code]), code
        assert CHINESE[code].endswith("。"), code


def test_shares_and_signs_are_written_alike_in_both_languages():
    def formats(template):
        parts = string.Formatter().parse(template)
        return {(name, spec) for _, name, spec, _ in parts if name and "/" not in spec and spec}

    for code, template in ENGLISH.items():
        assert formats(CHINESE[code]) >= formats(template), code


def test_both_languages_have_every_label_and_the_same_places_in_it():
    english, chinese = LABELS["en"], LABELS["zh"]
    for field in dataclasses.fields(english):
        one, other = getattr(english, field.name), getattr(chinese, field.name)
        if isinstance(one, str):
            assert one, field.name
            assert other, field.name
            assert placeholders(one) == placeholders(other), field.name
            assert one.count("{}") == other.count("{}"), field.name
        elif field.name != "terms":
            assert one.keys() == other.keys(), field.name


def test_terms_in_chinese_sentences_are_chinese_too():
    said = say(
        find("importance_main", column="age", score="accuracy", drop=0.1, low=0.05, high=0.2), "zh"
    )
    assert said == "age 最重要：把它的值打乱，准确率下降 0.100（0.050 到 0.200）。"
    dead = find("dead_units", number=3, layer="dense 64 · batch norm · relu", n_dead=1, n_units=64,
                n_rows=500)  # fmt: skip
    assert "全连接 64 · 批归一化 · relu" in say(dead, "zh")
    assert "accuracy" in say(find("importance_main", column="a", score="accuracy", drop=0.1,
                                  low=0, high=1), "en")  # fmt: skip
    assert name_layer("max_pool 2×2", "zh") == "最大池化 2×2"


class Page(HTMLParser):
    """Every element and attribute of a page, and whether elements are closed in order."""

    VOID = ("meta", "link", "img", "br", "hr")

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.open, self.text = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open, tag
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def make_contents(name="age", label="yes", n=60, **changes):
    """Return contents with every part in them, names and classes as given."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 2))
    y = (x[:, 0] > 0).astype(int)
    p = 1 / (1 + np.exp(-2 * x[:, 0] + 0.3))
    proba = np.stack([1 - p, p], axis=1)

    def predict(rows):
        return 1 / (1 + np.exp(-2 * np.asarray(rows)[:, 0]))

    importance = measure_importance(predict, x, p)
    columns = tuple(
        one.model_copy(update={"column": f"{name}{place}"})
        for place, one in enumerate(importance.columns)
    )
    dependence = measure_dependence(predict, x, 0).model_copy(update={"column": name})
    network = NetworkFacts(
        1, "kept", 1.0, 0.3, 0.2, 2, 64, (("activation", "relu"), ("input_form", "periodic")), 3, 5
    )
    classes = ("no", label)
    given = {
        "model": f"{name}.fathom", "data": name, "task": "classes", "target": name,
        "classes": classes, "n_rows": n, "n_all": n,
        "verdict": (find("report_accuracy", guess=label, n_rows=n, value=0.9, low=0.8, high=0.95,
                         baseline=0.5),),
        "on_data": (find("data_unused", n_columns=1, columns=name),),
        "columns": (ColumnFacts(name, "category", f"{label}, {label}", 2, 0.1, 0.05, 3),),
        "notes": (f"column {name}: odd",), "counts": ((label, 20), ("no", 40)),
        "metrics": (MetricFacts("accuracy", 0.9, 0.8, 0.95, 0.5, True),
                    MetricFacts("ROC AUC", None, None, None, 0.5, True)),
        "per_class": (ClassFacts(label, 0.9, None, 0.8, 20),), "networks": (network,),
        "loss_name": "log loss",
        "curves": (CurveFacts(1, (1, 2, 3), (0.9, 0.5, 0.4), (0.8, 0.6, 0.5), 3),),
        "confusion": check_confusion(y, proba, classes),
        "calibration": check_calibration(proba, y), "scatter": Scatter(name, p, p + 0.1),
        "importance": importance.model_copy(update={"columns": columns}),
        "dependence": (dependence,), "dependence_of": label,
        "layers": (("dense 64 relu", "64", 100), ("dense 2 softmax", "2", 20)),
        "mistakes": (Mistake(7, 2.5, label, "no", 0.9, 0.1, ((name, label),)),
                     Mistake(9, 2.0, label, "no", 0.9, 0.00001, (), np.eye(4))),
    }  # fmt: skip
    return ReportContents(**{**given, **changes})


@pytest.mark.parametrize("language", ["en", "zh"])
def test_names_and_classes_are_text_wherever_they_stand(language):
    page = Page(write_report(make_contents(EVIL, EVIL), language))
    assert page.open == []
    assert "script" not in page.tags
    assert [(t, n) for t, n, _ in page.attributes if n.startswith("on")] == []
    assert "".join(page.text).count("<script>alert(1)</script>") >= 10
    assert "\x00" not in write_report(make_contents(EVIL, EVIL), language)
    images = [value for tag, name, value in page.attributes if (tag, name) == ("img", "src")]
    assert images
    assert all(value.startswith("data:image/png;base64,") for value in images)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_nothing_is_asked_of_the_outside(language):
    text = write_report(make_contents(), language)
    page = Page(text)
    for tag, name, value in page.attributes:
        if name in ("src", "href", "action", "data", "poster", "srcset"):
            assert value.startswith(("#", "data:")), (tag, name, value)
    assert not re.search(r"url\(|@import|<script|javascript:", text)
    outside = set(re.findall(r"https?://[^\"' <]+", text))
    assert outside == {"http://www.w3.org/2000/svg"}  # a name, which nothing fetches


def test_links_lead_to_parts_that_are_there_and_ids_are_unique():
    page = Page(write_report(make_contents()))
    ids = [value for _, name, value in page.attributes if name == "id"]
    anchors = [value[1:] for tag, name, value in page.attributes if (tag, name) == ("a", "href")]
    assert len(ids) == len(set(ids))
    assert anchors
    assert set(anchors) <= set(ids)
    labelled = {v for _, name, value in page.attributes if name == "aria-labelledby"
                for v in value.split()}  # fmt: skip
    assert labelled <= set(ids)


def test_the_language_is_declared_and_the_words_are_of_it():
    english, chinese = (write_report(make_contents(), language) for language in ("en", "zh"))
    assert '<html lang="en">' in english
    assert '<html lang="zh-Hans">' in chinese
    assert not re.search(r"[\u4e00-\u9fff]", english)
    visible = re.sub(r"<style>.*?</style>|<[^>]*>", " ", chinese)
    words = {w for w in re.findall(r"[A-Za-z]{3,}", visible) if w.islower()}
    # the data's own words, functions by their names, and notes in English by their heading
    assert words <= {"age", "yes", "odd", "column", "relu", "softmax", "fathom"}, words


def test_figures_stand_in_the_page_as_they_are():
    page = " ".join(Page(write_report(make_contents())).text)
    for part in ("90.0%", "80.0% to 95.0%", "50.0%", "2 × 64", "row 7", "7", "as waves", "–"):
        assert part in page, part


def test_parts_there_is_nothing_to_say_about_are_left_out():
    bare = ReportContents("m", "d.csv", "numbers", "", (), 3, 3, ())
    page = Page(write_report(bare))
    assert page.open == []
    assert "svg" not in page.tags
    assert "How m predicts" not in page.text
    assert page.tags.count("section") == 3


def test_no_other_language():
    with pytest.raises(InputError, match="en or zh"):
        write_report(make_contents(), "fr")
