"""The glossary on the page: what a word means, where it stands, by pointer, finger and keyboard."""

import gzip
import json
import re
from pathlib import Path

import pytest

from fathom.studio.page import page_files

TERMS = json.loads(
    (Path(__file__).parents[2] / "docs" / "glossary.json").read_text(encoding="utf-8")
)
BY_NAME = {term["en"]: term for term in TERMS}
MOST_BYTES = 400_000  # of the page, packed, without fonts, of which it has none


def test_the_page_is_light(served):
    files = page_files()
    assert sum(len(gzip.compress(content)) for content, _ in files.values()) < MOST_BYTES
    assert not [name for name in files if re.search(r"\.(?:woff2?|ttf|otf)$", name)]


def test_a_word_in_a_lesson_says_what_it_means(opened_at, furnished):
    window = opened_at(furnished, "#/lessons/neuron/1")
    page = window.page
    word = page.locator("section.step .term", has_text=re.compile("^weight$"))
    word.wait_for()
    tip = page.get_by_role("tooltip")
    assert tip.count() == 0
    word.hover()
    tip.get_by_text(BY_NAME["weight"]["says"]).wait_for()
    tip.hover()  # it can be pointed at without going away
    page.wait_for_timeout(400)
    assert tip.is_visible()
    page.keyboard.press("Escape")
    tip.wait_for(state="detached")
    page.mouse.move(2, 2)
    word.focus()  # the same by keyboard
    tip.get_by_text(BY_NAME["weight"]["zh"]).wait_for()  # in the other language beside it
    described = page.locator(f"#{word.get_attribute('aria-describedby')}")
    assert described.text_content() == BY_NAME["weight"]["says"]
    page.keyboard.press("Tab")
    page.wait_for_function(
        "(said) => document.querySelector('[role=tooltip]')?.textContent.includes(said) !== true",
        arg=BY_NAME["weight"]["says"],
    )
    page.get_by_role("button", name="中文").click()
    page.locator("section.step .term", has_text=re.compile("^权重$")).focus()
    tip.get_by_text(BY_NAME["weight"]["zh_says"]).wait_for()


def test_a_number_is_explained_with_a_word_that_is_explained(opened):
    page = opened().page
    why = page.get_by_role("region", name="Why this number?")
    tip = page.get_by_role("tooltip")
    named = {
        "layer1.neuron1.z": "sum z", "layer1.neuron1.delta": "node error δ",
        "layer1.neuron1.bias": "bias", "output.neuron1.a": "activation",
    }  # fmt: skip
    for name, term in named.items():
        page.locator(f'svg.network [data-name="{name}"]').first.click()
        why.locator(".name b", has_text=name).wait_for()
        why.locator(".name .term").focus()
        tip.get_by_text(BY_NAME[term]["says"]).wait_for()


def test_all_words_are_in_a_dialog(opened, violations):
    page = opened().page
    button = page.get_by_role("button", name="Words")
    button.press("Enter")
    dialog = page.get_by_role("dialog", name="Words")
    dialog.wait_for()
    assert dialog.locator("dt").count() == len(TERMS)
    assert violations(page) == []
    dialog.get_by_label("Find a word").fill("偏置")
    found = [text.split()[0] for text in dialog.locator("dt").all_text_contents()]
    assert "bias" in found
    assert found == sorted(found, key=str.casefold)
    dialog.get_by_label("Find a word").fill("no such word")
    dialog.get_by_text("No such word here.").wait_for()
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    assert button.evaluate("(one) => one === document.activeElement")


def test_a_tapped_word_fits_a_phone(opened_at, furnished):
    options = {"width": 390, "height": 844, "has_touch": True, "locale": "zh-CN"}
    page = opened_at(furnished, "#/lessons/backpropagation/1", **options).page
    words = page.locator("section.step .term")
    words.first.wait_for()
    tip = page.get_by_role("tooltip")
    for at in range(words.count()):
        words.nth(at).tap()
        box = tip.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        assert 0 <= box["y"] <= 844 - box["height"]
    page.locator("h1#lesson-title").tap()
    tip.wait_for(state="detached")


@pytest.mark.parametrize("name", ["sum z", "node error δ", "gradient", "softmax", "ensemble"])
def test_the_terms_that_pages_lean_on_are_there(name):
    assert BY_NAME[name]["says"]
    assert BY_NAME[name]["zh_says"]
