"""The descent page and the depth page in a real browser, as a learner walks through them."""

import itertools
import re
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pytest

SLOW_MS = 300_000  # for what compiles and trains, on a machine that does other work too
READY = "[data-testid=walks] tbody tr"


@pytest.fixture
def descent(opened_at, served):
    """Return a function that opens the descent page and waits for its ball."""

    def open_one(**options):
        window = opened_at(served, "#/descent", **options)
        window.page.wait_for_selector("svg.curve .ball", timeout=SLOW_MS)
        return window

    return open_one


def wait_for_text(page, test_id, pattern):
    page.wait_for_function(
        "([id, pattern]) => new RegExp(pattern).test("
        "document.querySelector(`[data-testid=${id}]`)?.textContent ?? '')",
        arg=[test_id, pattern], timeout=SLOW_MS,
    )  # fmt: skip


IS_DRAWN = """() => {
    const canvas = document.querySelector("[role=application] canvas");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return canvas.width > 300 && data.filter((one, at) => at % 4 === 3 && one > 0).length > 1000;
}"""


def value_of(page, test_id):
    return float(page.get_by_test_id(test_id).text_content().replace("−", "-"))


def test_a_ball_steps_down_a_curve(descent):
    page = descent().page
    page.get_by_test_id("source").select_option("ravine")
    wait_for_text(page, "at", "^−2.0000$")
    before = value_of(page, "loss")
    page.get_by_role("button", name="One step on").click()
    at, loss, slope = (value_of(page, name) for name in ("at", "loss", "slope"))
    assert loss < before
    rate = float(page.get_by_role("spinbutton", name="Learning rate η").input_value())
    told = page.get_by_test_id("formula").text_content().replace("−", "-")
    assert float(told.rpartition("=")[2]) == pytest.approx(at - rate * slope, abs=6e-3)
    slider = page.get_by_role("slider", name="Step", exact=True)
    slider.focus()
    page.keyboard.press("Home")  # scrubbed back
    assert page.get_by_test_id("step").text_content() == "step 0 of 60"
    page.get_by_role("button", name="Play").click()
    page.get_by_role("button", name="Pause").click()
    wait_for_text(page, "verdict", "^Right")
    page.get_by_role("button", name=re.compile("^too small")).click()
    wait_for_text(page, "verdict", "^Too small")
    page.get_by_role("button", name=re.compile("^too large")).click()
    wait_for_text(page, "verdict", "^(Too|Far too) large|^It leapt")
    page.get_by_label("Start at").fill("3")
    page.get_by_label("Start at").press("Enter")
    wait_for_text(page, "step", "^step 0 ")
    wait_for_text(page, "at", "^3.0000$")


def test_walks_race_over_two_weights_in_the_fog(descent):
    page = descent().page
    page.get_by_role("button", name="Two weights").click()
    page.wait_for_selector(READY, timeout=SLOW_MS)
    assert page.locator(READY).count() == 5
    page.get_by_role("button", name="One weight").click()
    page.wait_for_selector("svg.curve .ball", timeout=SLOW_MS)
    page.get_by_role("button", name="Two weights").click()
    page.wait_for_selector(READY, timeout=SLOW_MS)
    page.wait_for_timeout(300)  # what would clear it comes after a frame
    assert page.evaluate(IS_DRAWN)  # though nothing has moved since
    page.get_by_label("Fog of war").check()
    wait_for_text(page, "seen", "^seen")
    first = page.get_by_test_id("seen").text_content()
    page.get_by_role("button", name="To the end").click()
    assert page.get_by_test_id("seen").text_content() != first
    assert page.locator("rect.fog").count() == 1
    page.get_by_role("button", name="Reveal the map").click()
    wait_for_text(page, "seen", "^The whole map")
    assert page.locator("rect.fog").count() == 0
    assert page.get_by_test_id("valleys").locator("li").count() >= 3
    # by keyboard: a start is set, the landscape turned
    page.get_by_role("application", name="Map of the loss").focus()
    for key in ("ArrowUp", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    page.wait_for_function(
        f"() => document.querySelectorAll('{READY}').length === 6", timeout=SLOW_MS
    )
    page.keyboard.press("Delete")
    page.wait_for_function(
        f"() => document.querySelectorAll('{READY}').length === 5", timeout=SLOW_MS
    )
    turned = page.get_by_role("application", name="as a landscape")
    before = turned.get_attribute("aria-label")
    turned.focus()
    page.keyboard.press("ArrowRight")
    assert turned.get_attribute("aria-label") != before
    page.get_by_role("button", name="optimizers").click()
    wait_for_text(page, "walks", "Adam")
    page.get_by_role("button", name="learning rates").click()
    wait_for_text(page, "walks", "right")


def test_ones_own_network_is_walked_on(descent):
    page = descent().page
    page.get_by_test_id("source").select_option("own")
    page.wait_for_function(
        "() => document.querySelectorAll('[data-testid=across] option').length === 18",
        timeout=SLOW_MS,
    )
    page.get_by_test_id("across").select_option("output.neuron2.bias")
    wait_for_text(page, "at", "\\d")
    page.locator("h2", has_text="Loss along output.neuron2.bias").wait_for(timeout=SLOW_MS)


def test_layers_bend_a_plane_beside_rivals(opened_at, served):
    window = opened_at(served, "#/depth")
    page = window.page
    page.wait_for_selector("[data-testid=stages]", timeout=SLOW_MS)
    meter = page.get_by_test_id("meter")
    shares = [float(one.rstrip("%")) for one in meter.locator(".value").all_text_contents()]
    assert shares[0] < 80 < 90 < shares[-1]
    assert page.get_by_test_id("layer").text_content() == "input"
    slider = page.get_by_role("slider", name="Layer")
    slider.focus()
    page.keyboard.press("End")
    assert page.get_by_test_id("layer").text_content() == "layer 3"
    plane = page.locator("figure", has_text="support vector machine")
    drawn = plane.locator("path.inside").get_attribute("d")
    plane.get_by_role("button", name="linear").click()
    assert plane.locator("path.inside").get_attribute("d") != drawn
    stages = page.get_by_role("slider", name="Stages")
    assert page.get_by_test_id("stages").text_content() == "30"  # done, as those beside it
    stages.focus()
    page.keyboard.press("Home")
    assert page.get_by_test_id("stages").text_content() == "1"
    page.keyboard.press("End")
    assert page.get_by_test_id("stages").text_content() == "30"


def test_tall_is_trained_against_fat_until_it_is_stopped(opened_at, served, client):
    window = opened_at(served, "#/depth")
    page = window.page
    tall = page.get_by_test_id("tall")
    tall.locator("select").first.select_option("spirals")
    tall.get_by_role("spinbutton", name="Seconds").fill("60")
    tall.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_selector("[data-testid=state][data-state=running]", timeout=SLOW_MS)
    assert client.ask("POST", "/api/depth/study", {})[0] == 422  # one at a time
    window.page.close()  # it goes on, whoever looks
    page = window.anew()
    page.goto(f"http://127.0.0.1:{served.port}/#/depth")
    page.wait_for_selector("[data-testid=state]", timeout=SLOW_MS, state="attached")
    stop = page.get_by_role("button", name="Stop, keep what there is")
    if stop.count():
        stop.click()
    page.wait_for_selector(
        "[data-testid=state][data-state=done], [data-testid=state][data-state=failed]",
        timeout=SLOW_MS,
        state="attached",
    )
    assert page.get_by_test_id("lines").locator("tbody tr").count() == 3


def points(share):
    """Return percentage points as the page has them: of two as near, those farther from 0."""
    return Decimal(100 * share).quantize(Decimal("0.1"), ROUND_HALF_UP)


def percent(share):
    return f"{points(share)}%"


def test_tall_against_fat_is_seen_to_its_end_with_the_numbers_of_python(opened_at, served, client):
    page = opened_at(served, "#/depth").page
    tall = page.get_by_test_id("tall")
    tall.locator("select").first.select_option("spirals")
    for depth in ("1", "3", "2", "4", "6", "8"):
        button = tall.get_by_role("button", name=depth, exact=True)
        if button.get_attribute("aria-pressed") != str(depth in ("1", "3")).lower():
            button.click()
    tall.get_by_role("spinbutton", name="Seconds").fill("4")
    number = client.ask("GET", "/api/depth/study")[2]["number"]
    tall.get_by_role("button", name="Start", exact=True).click()
    for state in ("running", "done"):
        page.wait_for_selector(f"[data-testid=state][data-state={state}]", timeout=SLOW_MS)
    said = client.ask("GET", "/api/depth/study")[2]
    assert said["number"] == number + 1
    assert [line["depth"] for line in said["lines"]] == [1, 3]
    rows = page.get_by_test_id("lines").locator("tbody tr")
    for at, line in enumerate(said["lines"]):
        widths, errors = line["widths"], line["errors"]
        sides = [2, *widths, 2]
        weights = sum((n + 1) * m for n, m in itertools.pairwise(sides))
        low, median, high = np.quantile(errors, [0.25, 0.5, 0.75])
        shown = rows.nth(at).locator("td").all_text_contents()
        assert shown[1:] == [
            str(weights), str(len(errors)), percent(median), f"{percent(low)} – {percent(high)}"
        ]  # fmt: skip
        assert all(abs(error * said["n_test"] - round(error * said["n_test"])) < 1e-6
                   for error in errors)  # fmt: skip
    n_starts = sum(len(line["errors"]) for line in said["lines"])
    assert page.locator("svg.spread .dot").count() == n_starts
    verdict = said["verdict"]
    state = page.get_by_test_id("state").text_content().replace("−", "-")
    difference = np.median(said["lines"][1]["errors"]) - np.median(said["lines"][0]["errors"])
    assert verdict["difference"] == pytest.approx(difference, abs=1e-9)
    assert f"Difference {points(difference):+} points".replace("+0.0", "0.0") in state
    how = {"better": "err less than", "worse": "err more than"}
    assert how.get(verdict["finding"], "cannot be told from") in state
    page.get_by_text("In words").click()
    for words in said["words"]:
        page.get_by_text(words["en"]).wait_for()
    page.get_by_role("button", name="中文").click()
    for words in said["words"]:
        assert words["zh"] != words["en"]
        page.get_by_text(words["zh"]).wait_for()


@pytest.mark.parametrize("place", ["#/descent", "#/depth"])
def test_pages_fit_a_phone_in_chinese_and_in_the_dark(opened_at, served, place):
    options = {"width": 390, "height": 844, "color_scheme": "dark", "locale": "zh-CN"}
    window = opened_at(served, place, **options)
    page = window.page
    ready = "svg.curve .ball" if place == "#/descent" else "[data-testid=stages]"
    page.wait_for_selector(ready, timeout=SLOW_MS)
    if place == "#/descent":
        page.get_by_role("button", name="两个权重").click()
        page.wait_for_selector(READY, timeout=SLOW_MS)
    text = page.locator("main").inner_text()
    assert re.search("[一-鿿]", text)
    assert not re.search(r"\b(the|of|loss|layer)\b", text)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert window.sticks_out() == []
