"""The network page's file and program, and the Chinese of every page, in a real browser."""

import json
import re

import pytest

IN_ENGLISH = re.compile(
    r"\b(?:the|of|and|on|is|are|was|with|from|loss|layers?|rows?|neurons?|weights?|epochs?|steps?)\b"
)


def test_a_network_is_kept_as_a_file_a_page_and_a_program(opened, violations, tmp_path):
    window = opened()
    page = window.page
    page.get_by_text("Keep it").click()
    script = page.get_by_test_id("script")
    script.get_by_text("DenseLayer").wait_for()
    assert "jnp.array([[1.0, -2.0], [-1.0, 1.0]])" in script.text_content()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save to a file").click()
    kept = tmp_path / "network.json"
    download.value.save_as(kept)
    page.locator("header button").first.click()
    with page.expect_download() as download:
        page.get_by_role("button", name="保存为网页").click()
    download.value.save_as(tmp_path / "network.html")
    page.locator("header button").first.click()
    alone = window.context.browser.new_page()
    asked = []
    alone.on("request", lambda one: asked.append(one.url))
    alone.goto((tmp_path / "network.html").as_uri())  # without the studio
    assert set(IN_ENGLISH.findall(alone.locator("body").inner_text())) == {"loss"}  # a name
    alone.locator('svg a[href="#output.neuron2.a"]').click()
    shown = alone.locator("article:target")
    assert shown.locator(".value").inner_text() == "0.8291"
    shown.get_by_role("link", name="output.neuron2.z").click()
    assert "output.neuron2.bias" in alone.locator("article:target").inner_text()
    assert violations(alone) == []
    assert [one.partition("#")[0] for one in asked] == [(tmp_path / "network.html").as_uri()]
    alone.close()
    state = json.loads(kept.read_text())
    assert state["layers"][2]["weights"] == [[3, -1], [-1, 4]]
    state["layers"][2]["biases"] = [0, 2]  # another teacher's network
    kept.write_text(json.dumps(state))
    page.set_input_files("[data-testid=open-network]", kept)
    page.wait_for_function(
        """() => document.querySelector('[data-name="output.neuron1.a"] text').textContent.trim()
        === '0.92'"""
    )  # σ(0.48 + 2)
    kept.write_text('{"layers": "<b>"}')
    page.set_input_files("[data-testid=open-network]", kept)
    page.get_by_role("alert").get_by_text("holds no network").wait_for()
    window.said.clear()  # the browser tells of the refusal
    assert page.locator('[data-name="output.neuron1.a"] text').text_content().strip() == "0.92"


@pytest.mark.parametrize(
    ("place", "ready"),
    [
        ("#/network", '[data-name="output.neuron2.a"] text'),
        ("#/digits", ".flow section"),
        ("#/lessons", "main ol .card"),
        ("#/lessons/backpropagation/2", "section.step"),
    ],
)
def test_no_english_sentence_is_left_on_a_chinese_page(opened_at, furnished, place, ready):
    page = opened_at(furnished, place, locale="zh-CN").page
    page.wait_for_selector(ready)
    if place == "#/network":
        for name in ("layer2.neuron1.delta", "layer1.neuron1.a", "output.neuron1.z"):
            page.locator(f'[data-name="{name}"]').first.dispatch_event("pointerdown")
            page.locator(".name b", has_text=name).wait_for()
            assert IN_ENGLISH.findall(page.locator("body").inner_text()) == []
    text = page.locator("body").inner_text()
    assert re.search("[一-鿿]{4}", text)
    assert IN_ENGLISH.findall(text) == []
