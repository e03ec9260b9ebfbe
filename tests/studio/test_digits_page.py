"""The digits page in a real browser: it learns to read, and reads what is drawn."""

import os
import threading

import numpy as np
import pytest

from fathom.studio.digits import DigitRoom
from fathom.studio.drawings import as_text
from fathom.studio.penned import ink
from fathom.studio.serving import Served

PEN = 0.85  # radius of the page's pen, in cells
SLOW_MS = 300_000  # for what trains, on a machine that does other work too
TWO = [(3.5, 4), (5, 2.2), (8, 1.5), (11, 2.5), (12, 5), (10.5, 8), (7, 11), (3.5, 14), (12.8, 14)]
ONE = [(8, 1.5), (8, 14.5)]
# Digits written in a hurry, as strokes on the grid; no network learns from them.
HURRIED = (
    [[(9, 2), (6, 4), (5, 8), (6, 12), (8.5, 14), (11, 11.5), (11.5, 7.5), (10.5, 3.5), (8.5, 2)]],
    [[(6, 5), (9, 1.5), (8, 14.5)]],
    [[(4.5, 5), (6, 2.5), (9, 2), (11, 4.5), (9.5, 8), (5, 13.5), (8, 12.8), (12, 13.8)]],
    [[(5, 2.5), (9, 2), (10.8, 4.5), (7, 7.5), (10.5, 9), (11, 12), (8, 14.3), (4.5, 13)]],
    [[(8, 1.5), (4, 9), (12.5, 8.5)], [(10.5, 5), (9, 14.5)]],
    [[(6, 2), (5, 7.5), (9, 7), (11.5, 10), (9.5, 13.8), (4.5, 13.5)], [(6, 2), (11.5, 2)]],
    [[(9.5, 1.5), (6, 6), (4.8, 11), (7, 14.2), (10.5, 13), (11, 10), (8, 8.8), (5, 11)]],
    [[(4, 3), (12, 2.5), (9, 7), (6.5, 14.5)], [(5.5, 8.2), (11, 7.8)]],
    [[(10.8, 4), (8, 1.8), (5.5, 4), (8, 7.5), (11, 11), (8, 14.3), (5, 11.5), (8, 7.5),
      (10.8, 4)]],
    [[(11.5, 4), (8, 2), (5, 4.5), (6.5, 7.8), (11, 6), (11.5, 3.5), (10.5, 9), (9, 14.5)]],
)  # fmt: skip
WAYS = ((1, 0, 0), (0.5, -3, 0), (0.9, 0, 0.3), (0.9, 0, -0.2))  # size, place, slant


@pytest.fixture(scope="module")
def studio(tmp_path_factory, served):
    """Return a studio nobody has been in yet, so that there is no network in it."""
    one = Served(tmp_path_factory.mktemp("digits"))
    thread = threading.Thread(target=one.run, daemon=True)
    thread.start()
    yield one
    one.close()
    thread.join(10)


def draw(page, points):
    """Draw a stroke through points of the grid, which has 16 cells a side."""
    page.get_by_test_id("pad").scroll_into_view_if_needed()
    box = page.get_by_test_id("pad").bounding_box()
    places = [(box["x"] + x * box["width"] / 16, box["y"] + y * box["width"] / 16)
              for x, y in points]  # fmt: skip
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=4)
    page.mouse.up()


def wait_for_answer(page, network, digit):
    page.wait_for_function(
        "([network, digit]) => document.querySelector(`[data-testid=answer-${network}]`)"
        ".textContent === digit",
        arg=[network, digit], timeout=SLOW_MS,
    )  # fmt: skip


def test_it_learns_at_first_sight_and_reads_what_is_drawn(opened_at, studio):
    window = opened_at(studio, "#/digits")
    page = window.page
    for network in ("dnn", "cnn"):
        page.wait_for_function(
            "(n) => /^epoch \\d+ of \\d+$/.test("
            "document.querySelector(`[data-testid=epoch-${n}]`)?.textContent ?? '') ||"
            "document.querySelector(`[data-testid=network-${n}] header p`).textContent"
            ".includes('read right')",
            arg=network, timeout=SLOW_MS,
        )  # fmt: skip
        page.get_by_test_id(f"network-{network}").get_by_text("of the test pictures").wait_for(
            timeout=SLOW_MS
        )
    draw(page, TWO)
    for network in ("dnn", "cnn"):
        wait_for_answer(page, network, "2")
    read_what_a_pen_draws(page)
    look_inside(page)
    page.get_by_role("button", name="Clear").click()
    wait_for_answer(page, "dnn", "?")
    draw_by_keyboard(page)
    for network in ("dnn", "cnn"):
        wait_for_answer(page, network, "1")
    retrain(page, studio)
    for width in (390, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert window.sticks_out() == []


def read_what_a_pen_draws(page):
    """See all ten digits in one hand, large and small, slanted either way: nine of ten are read."""
    inks, labels = [], []
    for size, place, slant in WAYS:
        for digit, strokes in enumerate(HURRIED):
            shape = size * np.array([[1, -slant], [0, 1]])
            moved = [(np.array(one) - 8) @ shape.T + (8 + place, 8 - place) for one in strokes]
            inks.append(as_text(ink(moved, PEN)))
            labels.append(digit)
    found = page.evaluate(
        """(inks) => Promise.all(inks.map((ink) => fetch("/api/digits/read", {
            method: "POST", headers: { "content-type": "application/json" },
            body: JSON.stringify({ ink, fits: true }) }).then((answer) => answer.json())))""",
        inks,
    )
    for at in range(2):
        chances = [one["readings"][at]["probabilities"] for one in found]
        assert (np.argmax(chances, axis=1) == labels).mean() >= 0.9


def look_inside(page):
    """See the layers, and what a neuron of the first and of the last looks for."""
    dense = page.get_by_test_id("network-dnn")
    assert dense.locator(".flow section").count() == 3
    neurons = dense.get_by_role("group", name="dense 64 relu").get_by_role("button")
    assert neurons.count() == 64
    neurons.nth(4).click()
    card = page.get_by_test_id("neuron")
    card.get_by_text("Deep network, layer 2, neuron 5").wait_for(timeout=SLOW_MS)
    assert card.get_by_role("img", name="its weights").count() == 1
    assert card.locator(".few figure").count() == 8
    page.keyboard.press("ArrowRight")  # from neuron to neuron
    assert neurons.nth(5).evaluate("e => e === document.activeElement")
    maps = page.get_by_test_id("network-cnn").locator(".flow section")
    assert maps.count() == 6
    maps.last.get_by_role("button").nth(2).click()
    card.get_by_text("Convolutional network, layer 7, neuron 3").wait_for(timeout=SLOW_MS)
    assert card.get_by_role("img", name="its filter").count() == 0


def draw_by_keyboard(page):
    """Draw a 1: up from the middle, pen down, and down again."""
    page.get_by_role("application", name="Drawing grid").focus()
    for _ in range(7):
        page.keyboard.press("ArrowUp")
    page.keyboard.press("Space")
    for _ in range(13):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    for _ in range(13):
        page.keyboard.press("ArrowUp")
    page.keyboard.press("Space")
    assert page.get_by_test_id("pad").locator("rect:not(.cursor)").count() == 28


def retrain(page, studio):
    """Keep the drawing, learn from it too, and stop: there is a network, also once started anew."""
    page.get_by_label("This is a").select_option("1")
    page.get_by_role("button", name="Keep", exact=True).click()
    page.get_by_role("button", name="Remove this 1").wait_for()
    training = page.get_by_test_id("training-dnn")
    training.get_by_role("button", name="Train anew").click()
    training.get_by_role("button", name="Stop now").wait_for()
    room = DigitRoom(studio.folder / "digits")
    process = room.runs.ticket(room.facts().runs[0].id).process
    assert os.getsid(process) == process  # what ends the studio does not end it
    training.get_by_role("button", name="Stop now").click()
    training.get_by_role("button", name="Train anew").wait_for(timeout=SLOW_MS)
    training.get_by_text("2,039 pictures, 1 of them yours").wait_for()
    again = DigitRoom(studio.folder / "digits").facts()
    newest = again.runs[0]
    assert (newest.network, newest.state, newest.is_reading) == ("dnn", "done", True)
    assert newest.n_drawings == 1
    assert [one.label for one in again.drawings] == [1]


def test_it_speaks_chinese_on_a_phone_in_the_dark(opened_at, studio):
    window = opened_at(
        studio, "#/digits", width=390, height=844, color_scheme="dark", locale="zh-CN",
        has_touch=True,
    )  # fmt: skip
    page = window.page
    page.get_by_text("画一个数字").wait_for()
    page.get_by_role("button", name="看一个例子").click()
    page.get_by_text("网络都没有学过它").wait_for()
    assert page.get_by_test_id("pad").locator("rect").count() > 10
    assert page.title() == "数字 · Fathom"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert window.sticks_out() == []


def test_no_digit_is_lit_while_nothing_is_drawn(opened_at, furnished):
    page = opened_at(furnished, "#/digits").page
    tile = page.locator("[data-testid=network-dnn] .units button:has(.digit)")
    tile.first.wait_for(timeout=SLOW_MS)
    grounds = "tiles => [...new Set(tiles.map(e => getComputedStyle(e).backgroundColor))].length"
    assert page.get_by_test_id("answer-dnn").text_content() == "?"
    assert tile.count() == 10
    assert tile.evaluate_all(grounds) == 1
    draw(page, ONE)
    page.wait_for_function(
        "() => document.querySelector('[data-testid=answer-dnn]').textContent !== '?'",
        timeout=SLOW_MS,
    )
    assert tile.evaluate_all(grounds) > 1
