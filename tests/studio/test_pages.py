"""The studio's pages in a real browser: what a learner and an analyst do, in both languages."""

import re

import pytest

from fathom import load
from fathom.studio.jobs import Jobs
from fathom.studio.security import CONTENT_POLICY

SLOW_MS = 180_000  # for what trains, on a machine that does other work too


def is_dark(page):
    ground, ink = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    bright = [sum(int(n) for n in re.findall(r"\d+", one)[:3]) for one in (ground, ink)]
    return bright[0] < bright[1]


def sticks_out(page):
    """Return what is wider than the page and does not scroll in a box of its own."""
    return page.evaluate(
        """[...document.querySelectorAll('main *')].filter(e => !e.closest('.wide, .shape')
        && !e.closest('svg') && !e.closest('.hidden-text') && e.getBoundingClientRect().width
        && e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
        .map(e => e.tagName + '.' + e.className)"""
    )


@pytest.mark.parametrize(
    ("width", "scheme", "locale"),
    [(1440, "light", "en-US"), (390, "dark", "zh-CN")],
)
def test_the_hand_worked_network_is_on_the_page(opened, width, scheme, locale):
    window = opened(width=width, color_scheme=scheme, locale=locale)
    page = window.page
    shown = {
        "layer1.neuron1.z": "z 4.00", "layer1.neuron2.z": "z −2.00", "layer1.neuron1.a": "0.98",
        "layer2.neuron1.a": "0.86", "layer2.neuron2.a": "0.11", "output.neuron1.a": "0.62",
        "output.neuron2.a": "0.83", "output.neuron1.delta": "δ −0.090", "output.neuron1.bias": "−2",
    }  # fmt: skip
    for name, text in shown.items():
        assert window.number(name).text_content().strip() == text
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert sticks_out(page) == []
    assert is_dark(page) == (scheme == "dark")
    is_chinese = locale == "zh-CN"
    assert page.evaluate("document.documentElement.lang").startswith("zh" if is_chinese else "en")
    assert page.locator("nav a").first.text_content() == ("网络" if is_chinese else "Network")
    assert "token" not in page.url
    page.locator("header button").first.click()  # the other language
    assert page.locator("nav a").first.text_content() == ("Network" if is_chinese else "网络")
    page.locator("header button").last.click()  # the other theme
    assert is_dark(page) != (scheme == "dark")
    page.reload()  # the cookie is enough, and choices are remembered
    page.wait_for_selector('svg.network [data-name="output.neuron2.a"] text')
    assert page.locator("nav a").first.text_content() == ("Network" if is_chinese else "网络")


def test_any_number_is_explained_down_to_what_is_given(opened):
    window = opened()
    page = window.page
    why = page.get_by_role("region", name="Why this number?")
    page.locator('[data-name="layer2.neuron1.delta"]').dispatch_event("pointerdown")
    why.get_by_text("= −0.04576").wait_for()
    for name in ("output.neuron1.delta", "output.neuron1.a", "output.neuron1.z"):
        why.get_by_role("button", name=name, exact=True).click()
        why.locator("b", has_text=name).wait_for()
    why.get_by_role("button", name="output.neuron1.weight1").click()
    value = why.get_by_role("spinbutton")
    assert value.input_value() == "3"
    assert why.get_by_label("Asked so far").locator("button").count() == 4
    value.fill("0")  # and everything follows
    value.press("Enter")
    page.wait_for_function(
        """() => document.querySelector('[data-name="output.neuron1.a"] text').textContent.trim()
        === '0.11'"""
    )  # σ(0 · 0.86 − 1 · 0.11 − 2)
    page.get_by_role("button", name="Undo").click()
    page.wait_for_function(
        """() => document.querySelector('[data-name="output.neuron1.a"] text').textContent.trim()
        === '0.62'"""
    )


def test_a_weight_is_dragged_and_the_network_walked_by_keyboard(opened):
    window = opened()
    page = window.page
    box = page.locator('g.label[data-name="layer1.neuron1.weight1"]').bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 60, y)
    page.mouse.move(x - 150, y)
    page.mouse.up()
    assert window.number("layer1.neuron1.weight1").text_content() == "−0.50"
    page.wait_for_function(
        """() => document.querySelector('[data-name="layer1.neuron1.z"] text').textContent
        === 'z 2.50'"""
    )  # −0.5 · 1 − 2 · −1 + 1
    network = page.get_by_role("application", name="The network")
    network.focus()
    said = page.locator(".frame [aria-live]")
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    assert said.text_content().startswith("Output, neuron 2: activation 0.8")
    page.keyboard.press("s")
    assert said.text_content() == "Weight from Layer 2 1 to Output 2: −1"
    page.keyboard.press("+")
    assert window.number("output.neuron2.weight1").text_content() == "−0.90"
    page.keyboard.press("ArrowLeft")  # along the synapse
    assert said.text_content().startswith("Layer 2, neuron 1")
    page.keyboard.press("Enter")
    page.get_by_role("region", name="Why this number?").get_by_text("layer2.neuron1.a").wait_for()


def test_stepping_shows_only_what_is_known_and_learning_lowers_the_loss(opened):
    window = opened()
    page = window.page
    page.get_by_role("button", name="To the beginning").click()
    where = page.get_by_test_id("where")
    assert where.text_content() == "Layer 1, Neuron 1 · product"
    assert page.locator('[data-name="layer1.neuron1.z"] text').count() == 0
    assert page.locator(".lossvalue").text_content().endswith("?")
    why = page.get_by_role("region", name="Why this number?")
    why.locator("tr.now", has_text="layer1.neuron1.weight1").wait_for()
    step = page.get_by_role("button", name="One step on")
    for _ in range(3):
        step.click()
    assert where.text_content() == "Layer 1, Neuron 1 · sum z"
    assert page.locator('[data-name="layer1.neuron1.z"] text').count() == 1
    assert page.locator('[data-name="layer1.neuron1.delta"] text').count() == 0
    page.get_by_role("button", name="Backward").click()
    assert where.text_content() == "Output, Neuron 1 · node error δ"
    assert page.locator('[data-name="output.neuron1.delta"] text').count() == 1
    page.get_by_role("button", name="To the end").click()
    before = float(page.locator(".lossvalue b").text_content())
    page.get_by_role("button", name="50 steps of descent").click()
    page.get_by_text("Loss, step by step").wait_for()
    after = float(page.locator(".lossvalue b").text_content())
    assert after < before
    moment = page.get_by_test_id("moment")
    shown = "(v) => document.querySelector('.lossvalue b').textContent.trim() === v"
    moment.focus()
    page.keyboard.press("Home")  # back to before the first step; every panel follows
    page.get_by_text("after step 0 of 50").wait_for()
    page.wait_for_function(shown, arg=f"{before:.4f}")
    page.wait_for_function(
        """() => document.querySelector('[data-name="output.neuron1.a"] text').textContent.trim()
        === '0.62'"""
    )
    page.keyboard.press("End")
    page.wait_for_function(shown, arg=f"{after:.4f}")
    page.keyboard.press("ArrowLeft")
    page.get_by_text("after step 49 of 50").wait_for()
    page.get_by_role("button", name="Take the step").click()  # on from there
    page.get_by_text("after step 50 of 50").wait_for()
    page.wait_for_function(shown, arg=f"{after:.4f}")


def test_other_shapes_and_other_outputs(opened):
    window = opened()
    page = window.page
    page.get_by_role("button", name="One neuron more in Layer 2").click()
    page.wait_for_selector('[data-name="layer2.neuron3.a"] text')
    page.get_by_label("Activation function of Output").select_option("softmax")
    page.wait_for_selector('[data-name="output.neuron1.exp"]')
    shares = [float(window.number(f"output.neuron{k}.a").text_content()) for k in (1, 2)]
    assert sum(shares) == pytest.approx(1, abs=0.011)
    page.get_by_label("Begin with").select_option("exclusive_or")
    page.get_by_test_id("exercise").wait_for()


def test_strangers_see_nothing(window, served):
    window.page.goto(f"http://127.0.0.1:{served.port}/")
    window.page.get_by_text("Open the newest link in the terminal").wait_for()
    assert window.page.locator("svg.network").count() == 0
    window.said.clear()  # the browser tells of the 401
    window.close()


HOSTILE = "<img src=x onerror=document.title='owned'>"


@pytest.fixture
def titanic(shared, tmp_path):
    """Return a table of passengers, with a column, a category and a name that would do harm."""
    text = (shared / "tables" / "titanic.csv").read_text().replace("who,", f"{HOSTILE},", 1)
    path = tmp_path / "titanic <b>.csv"
    path.write_text(text.replace(",man,", f",{HOSTILE},"))
    return path


def begin_search(page, path):
    """Give the page a table, correct a column, and begin; return the number of the search."""
    page.get_by_role("link", name="Your data").click()
    page.set_input_files(".choose input", path)
    page.get_by_text("891 rows, 14 columns").wait_for()
    assert page.get_by_test_id("target").input_value() == "survived"
    page.get_by_label("pclass: taken for").select_option("category")
    page.get_by_text("3, 1, 2").wait_for()
    page.get_by_role("spinbutton").fill("600")
    page.get_by_role("button", name="Go", exact=True).click()
    page.wait_for_selector("[data-testid=state].running")
    return page.url.rpartition("/")[2]


def look_at_result(page):
    """See how good it is, ask what if, look at the rows of a cell, and take the model."""
    page.get_by_test_id("quality").get_by_text("on 178 rows that no network has seen").wait_for()
    accuracy = page.get_by_test_id("quality").locator("tr", has_text="accuracy").first
    assert float(accuracy.locator("td").first.text_content().rstrip("%")) > 65
    whatif = page.get_by_test_id("whatif")
    before = whatif.locator(".class b").first.text_content()
    whatif.get_by_label("sex").select_option("female")
    whatif.get_by_label(HOSTILE).select_option("woman")
    page.wait_for_function(
        "(b) => document.querySelector('[data-testid=whatif] .class b').textContent !== b",
        arg=before,
    )
    page.locator("button.cell:enabled").first.click()
    page.get_by_test_id("rows").locator("td.value").first.wait_for()
    with page.expect_download() as download:
        page.get_by_role("link", name="Model").click()
    return download.value


def test_a_table_is_learned_from_whoever_is_looking(opened, served, client, titanic, tmp_path):
    window = opened()
    job = begin_search(window.page, titanic)
    window.page.close()  # nobody is looking
    assert Jobs(served.folder / "jobs", None).is_running(job)  # to a studio started anew as well
    page = window.anew()
    page.goto(f"http://127.0.0.1:{served.port}/#/data/{job}")
    page.wait_for_selector("ul.cards li .structure", timeout=SLOW_MS)
    page.get_by_role("button", name="Stop now").click()
    assert client.ask("POST", f"/api/jobs/{job}/stop", {})[0] == 200  # twice is once
    page.wait_for_selector("[data-testid=state].done", timeout=SLOW_MS)
    assert int(page.get_by_test_id("members").text_content()) >= 1
    saved = tmp_path / "model.fathom"
    look_at_result(page).save_as(saved)
    assert load(saved).schema_.target.names == ("survived",)
    assert page.title().endswith("Fathom")  # no script of the table ran
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert sticks_out(page) == []
    page.get_by_role("button", name="中文").click()
    board = page.get_by_test_id("leaderboard")
    board.get_by_text("一共尝试了").wait_for()
    assert not re.search(r"\b(?:networks?|dropout|rate|epochs?|loss|the|of)\b", board.inner_text())
    told = client.ask("GET", f"/api/jobs/{job}/events", headers={"last-event-id": "3"})[2].decode()
    assert told.startswith("id: ")
    assert '"event":"data"' not in told  # heard before
    assert told.rstrip().rpartition("event: end")[1]
    assert client.ask("GET", f"/api/jobs/{job}/pages/nothing")[0] == 422
    assert client.ask("DELETE", f"/api/jobs/{job}")[0] == 204
    assert client.ask("GET", f"/api/jobs/{job}")[0] == 422


def test_the_policy_lets_no_script_of_others_run(opened):
    window = opened()
    found = window.page.evaluate(
        """() => new Promise(resolve => {
            document.addEventListener('securitypolicyviolation', e => resolve(e.violatedDirective));
            const script = document.createElement('script');
            script.textContent = 'document.title = "owned"';
            document.body.append(script);
        })"""
    )
    assert found.startswith("script-src")
    assert "unsafe" not in CONTENT_POLICY
    assert window.page.title() != "owned"
    window.said.clear()  # the browser tells of it
