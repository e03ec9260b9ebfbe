"""The lessons in a real browser, and every page as axe-core sees it."""

import pytest

from fathom.studio.lessons import LESSONS


def test_a_lesson_drives_the_network_and_checks_what_is_found(opened_at, furnished):
    window = opened_at(furnished, "#/lessons")
    page = window.page
    page.get_by_role("link", name="Begin: Designing a network by itself").wait_for()
    assert page.locator("main li").count() == 10
    page.get_by_role("link", name="Begin: Neuron, layer and bias").click()
    page.wait_for_selector('svg.network [data-name="output.neuron2.bias"]')
    # There is something to find, once the lesson's network has taken the place of the page's own.
    window.number("output.neuron2.z").wait_for(state="detached")
    answer, verdict = page.get_by_label("Your answer"), page.get_by_test_id("verdict")
    answer.fill("2")
    answer.press("Enter")
    verdict.get_by_text("Look at the sign.").wait_for()
    answer.fill("-2")
    page.get_by_role("button", name="Check").click()
    verdict.get_by_text("Right.").wait_for()
    assert window.number("output.neuron2.z").text_content().strip() == "z −2.00"
    page.get_by_role("link", name="Step 4 of 4").click()
    page.get_by_text("Neurons side by side are a layer").wait_for()
    page.get_by_role("button", name="Check what stands on the page").click()
    verdict.get_by_text("Both sums of layer 1").wait_for()
    table = page.get_by_text("The same as a table")
    table.click()
    bias = page.get_by_role("spinbutton", name="Layer 1, Neuron 1, bias")
    bias.fill("-4")
    bias.press("Enter")
    page.get_by_role("button", name="Check what stands on the page").click()
    verdict.get_by_text("Right.").wait_for()
    page.get_by_role("link", name="All lessons").click()
    page.get_by_text("2 of 4 steps done").wait_for()
    page.reload()
    page.get_by_text("2 of 4 steps done").wait_for()  # remembered


def test_every_step_of_every_lesson_opens_in_both_languages(opened_at, furnished):
    window = opened_at(furnished, "#/lessons/neuron/1", width=390, height=844)
    page = window.page
    page.get_by_test_id("verdict").wait_for(state="attached")
    for lesson in LESSONS:
        for at, step in enumerate(lesson.steps, start=1):
            if step.page == "digits" and at > 1:
                continue  # the page beneath is the same
            page.evaluate("(place) => (location.hash = place)", f"#/lessons/{lesson.key}/{at}")
            page.get_by_text(step.text.en[:60]).wait_for()
            if step.page == "network":
                assert page.locator("svg.network").is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert window.sticks_out() == []
    page.locator("header button").first.click()
    page.get_by_text(LESSONS[-1].steps[-1].text.zh[:20]).wait_for()


PLACES = [
    "#/network", "#/descent", "#/digits", "#/depth", "#/data", "#/lessons", "#/lessons/loss/3",
]  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_grave_keeps_anybody_out(opened_at, furnished, violations, scheme):
    window = opened_at(furnished, "#/network", color_scheme=scheme)
    page = window.page
    for place in PLACES:
        page.evaluate("(place) => (location.hash = place)", place)
        page.locator("main .card:visible").first.wait_for()
        assert violations(page) == [], place
