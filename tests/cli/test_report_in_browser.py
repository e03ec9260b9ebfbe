"""Reports opened in a browser: nothing goes wrong, nothing leaves, nothing is too wide."""

import os
from pathlib import Path

import pytest

from fathom import Architecture, Dense, FathomClassifier, Flatten, Recipe, load_digits
from fathom.estimators.reporting import gather_report
from fathom.inspection.report import write_report

BROWSER = Path("/usr/bin/chromium")

if "FATHOM_NEEDS_BROWSER" not in os.environ:
    pytest.importorskip("playwright", reason="needs the package playwright")
    if not BROWSER.exists():
        pytest.skip(f"needs a browser at {BROWSER}", allow_module_level=True)

from playwright.sync_api import sync_playwright  # noqa: E402


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=str(BROWSER), args=["--no-sandbox", "--disable-gpu"]
        )
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def of_pictures():
    digits = load_digits()
    layers = (Flatten(), Dense(units=16), Dense(units=10, activation="softmax"))
    described = Architecture(input_shape=(16, 16, 1), layers=layers, loss="cross_entropy")
    model = FathomClassifier(described, Recipe(epochs=4), random_state=0)
    return gather_report(model.fit(digits.x_train, digits.y_train), digits.x_test, digits.y_test)


@pytest.fixture(scope="module")
def of_a_table(trained, customers):
    from fathom import load

    model = load(trained[0] / "m.fathom")
    long = "a_name_without_any_place_where_it_could_be_parted_" * 3
    contents = gather_report(model, customers.drop("churn"), customers["churn"], target_name=long)
    return contents


def open_page(browser, path, **options):
    """Open a page; return it, what its console said, and what it asked for besides itself."""
    context = browser.new_context(**options)
    page = context.new_page()
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_load_state("networkidle")
    outside = [url for url in asked if url != path.as_uri() and not url.startswith("data:")]
    return page, said, outside


def luminance(color):
    red, green, blue = (int(part) for part in color.strip("rgba()").split(",")[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("kind", ["of_a_table", "of_pictures"])
def test_a_report_on_a_telephone(browser, request, tmp_path, kind, language, scheme):
    path = tmp_path / "report.html"
    text = write_report(request.getfixturevalue(kind), language)
    assert len(text.encode()) < 5_000_000
    path.write_text(text, encoding="utf-8")
    page, said, outside = open_page(
        browser, path, viewport={"width": 390, "height": 844}, color_scheme=scheme
    )
    assert said == []
    assert outside == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("document.documentElement.lang")[:2] == language
    ground, ink = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    chart = page.evaluate("getComputedStyle(document.querySelector('svg.fathom-chart text')).fill")
    is_dark = scheme == "dark"
    assert (luminance(ground) < luminance(ink)) == is_dark
    assert (luminance(chart) > 128) == is_dark
    # what is too wide for the page scrolls in a box of its own, and nothing sticks out of it
    out = page.evaluate(
        """[...document.querySelectorAll('main *')].filter(e => !e.closest('.wide')
        && !e.closest('svg svg') && e.getBoundingClientRect().right > 391)
        .map(e => e.tagName + '.' + e.className)"""
    )
    assert [name for name in out if not name.startswith(("line", "path", "poly"))] == []
    page.context.close()


@pytest.mark.parametrize("kind", ["of_a_table", "of_pictures"])
def test_a_report_needs_no_script_and_its_links_work(browser, request, tmp_path, kind):
    path = tmp_path / "report.html"
    path.write_text(write_report(request.getfixturevalue(kind), "en"), encoding="utf-8")
    page, said, outside = open_page(
        browser, path, viewport={"width": 1200, "height": 900}, java_script_enabled=False
    )
    assert (said, outside) == ([], [])
    sections = page.locator("main > section")
    assert sections.count() == page.locator("nav a").count() >= 8
    for link in page.locator("nav a").all():
        target = link.get_attribute("href")
        assert page.locator(target).count() == 1
        assert page.locator(f"{target} h2").is_visible()
    images = page.locator("img")
    assert images.count() == (2 * 12 if kind == "of_pictures" else 0)  # with what spoke for each
    cells = page.locator("svg.fathom-chart a")
    assert cells.count() > 0
    for cell in cells.all():  # a cell of the matrix leads to the numbers of its rows
        target = cell.get_attribute("href")
        assert page.locator(target).count() == 1
    cells.last.click()
    assert page.locator(target).is_visible()
    page.locator("nav a").last.click()
    assert page.url.endswith("#health")
    page.context.close()
