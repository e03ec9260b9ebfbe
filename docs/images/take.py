"""Take the studio's pictures for README and tutorial: ``python docs/images/take.py --data DIR``."""

import argparse
import tempfile
import threading
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from fathom.studio.serving import Served

HERE = Path(__file__).parent
WIDTH, HEIGHT = 1280, 800
SECONDS = 30


def main() -> None:
    """Open the studio, do what a user does, and keep two pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="folder with tables/titanic.csv")
    parser.add_argument("--browser", default="/usr/bin/chromium")
    given = parser.parse_args()
    served = Served(Path(tempfile.mkdtemp()))
    threading.Thread(target=served.run, daemon=True).start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=given.browser, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, locale="en-US")
        page.set_default_timeout(200_000)
        page.goto(served.link)
        take_network(page)
        take_data(page, Path(given.data) / "tables" / "titanic.csv")
        browser.close()
    served.close()


def take_network(page: Page) -> None:
    """Keep a picture of the hand-worked network, with the reason of a node error."""
    page.wait_for_selector('svg.network [data-name="layer2.neuron1.delta"]')
    page.locator('[data-name="layer2.neuron1.delta"]').dispatch_event("pointerdown")
    page.get_by_text("= −0.04576").wait_for()
    keep(page, "network.png", 690)


def take_data(page: Page, table: Path) -> None:
    """Keep a picture of what a search found."""
    page.get_by_role("link", name="Your data").click()
    page.set_input_files(".choose input", table)
    page.get_by_role("spinbutton").fill(str(SECONDS))
    page.get_by_role("button", name="Go", exact=True).click()
    page.wait_for_selector("[data-testid=state].done")
    page.wait_for_selector("[data-testid=whatif] .class")
    page.get_by_label("class", exact=True).select_option("First")
    page.wait_for_timeout(1500)
    keep(page, "data.png", HEIGHT + 100)


def keep(page: Page, name: str, height: int) -> None:
    """Write a picture with few colours, which is small."""
    page.set_viewport_size({"width": WIDTH, "height": height})
    # a machine without Chinese letters would draw boxes in their place
    page.evaluate("document.querySelector('.settings').style.visibility = 'hidden'")
    page.wait_for_timeout(500)
    page.screenshot(path=HERE / name)
    with Image.open(HERE / name) as picture:
        picture.convert("RGB").quantize(256, method=Image.Quantize.FASTOCTREE).save(
            HERE / name, optimize=True
        )


if __name__ == "__main__":
    main()
