"""How smoothly a weight is dragged: ``python benchmarks/studio_frames.py``.

A real Chromium draws a network of 4 layers of 16 neurons; a weight of it is dragged to and fro, as
many times a second as the browser draws. Counted are the frames in which the page drew the weight
where it was dragged to, and the answers of Python, after which every number follows. Processor
milliseconds for each redraw, of the page's main thread and of all processes of the browser, which
paint as well where there is no graphics processor, say what it would be on a machine that does
nothing else.
"""

import argparse
import os
import tempfile
import threading
from pathlib import Path
from typing import Any

from playwright.sync_api import CDPSession, Page, sync_playwright

from fathom.studio.messages import Reshape
from fathom.studio.networks import example
from fathom.studio.reshaping import reshape
from fathom.studio.serving import Served

LAYERS, NEURONS = 4, 16
DRAG = """async ([name, seconds]) => {
    const label = document.querySelector(`svg.network g.synapse[data-name="${name}"] .reach`);
    const box = label.getBoundingClientRect();
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    const send = (kind, target, at) => target.dispatchEvent(new PointerEvent(kind, {
        bubbles: true, button: 0, buttons: 1, pointerId: 1, clientX: at, clientY: y }));
    const box_of_all = document.querySelector("svg.network");
    box_of_all.setPointerCapture = () => undefined; // no pointer of flesh is there to be captured
    send("pointerdown", label, x);
    const shown = () => document.querySelector(
        `svg.network g.label[data-name="${name}"] text`)?.textContent;
    const answers = () => document.querySelector(".lossvalue b").textContent;
    const found = { frames: 0, redrawn: 0, answered: 0, longest: 0, seconds: 0 };
    const began = performance.now();
    let [before, loss, last] = [shown(), answers(), began];
    await new Promise((done) => {
        const step = (now) => {
            found.frames += 1;
            if (shown() !== before) found.redrawn += 1;
            if (answers() !== loss) found.answered += 1;
            [before, loss] = [shown(), answers()];
            found.longest = Math.max(found.longest, now - last);
            last = now;
            found.seconds = (now - began) / 1000;
            if (found.seconds > seconds) return done();
            send("pointermove", box_of_all, x + 8 + 120 * Math.abs(Math.sin(now / 700)));
            requestAnimationFrame(step);
        };
        requestAnimationFrame(step);
    });
    send("pointerup", box_of_all, x);
    return found;
}"""


def main() -> None:
    """Open the network, drag one of its weights for some seconds, a few times, and print rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--browser", default="/usr/bin/chromium")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        served = Served(Path(folder))
        thread = threading.Thread(target=served.run, daemon=True)
        thread.start()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=given.browser, args=["--no-sandbox"]
            )
            page = browser.new_page(viewport={"width": 1440, "height": 1000}, locale="en-US")
            page.set_default_timeout(120_000)
            name = put_network(page, served.link)
            runs = [drag(page, name, given.seconds) for _ in range(given.times)]
            browser.close()
        served.close()
        thread.join(10)
    show(runs)


def put_network(page: Page, link: str) -> str:
    """Open the page with a network of 4 layers of 16 neurons on it; return a weight of it."""
    begun = example("hand_worked")
    wish = Reshape(
        state=begun, n_inputs=NEURONS, units=(NEURONS,) * LAYERS, draws_all=True,
        activations=("sigmoid",) * LAYERS,
    )  # fmt: skip
    first = reshape(wish).model_dump_json()
    page.route(
        "**/api/network/examples/*",
        lambda asked: asked.fulfill(body=first, content_type="application/json"),
    )
    page.goto(link)
    page.wait_for_selector(f'svg.network [data-name="output.neuron{NEURONS}.a"]')
    assert page.locator("svg.network g.synapse").count() == LAYERS * NEURONS**2
    name = "layer2.neuron8.weight8"
    page.locator(f'svg.network g.synapse[data-name="{name}"] .reach').dispatch_event(
        "pointerdown", {"button": 0, "pointerId": 1}
    )
    page.locator("svg.network").dispatch_event("pointerup", {"pointerId": 1})
    page.wait_for_timeout(500)
    return name


def drag(page: Page, name: str, seconds: float) -> dict[str, Any]:
    """Drag a weight for some seconds; return what was drawn, and the browser's seconds."""
    assert page.context.browser is not None
    whole = page.context.browser.new_browser_cdp_session()
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    before, before_all = spent(session), spent_by_all(whole)
    found = page.evaluate(DRAG, [name, seconds])
    found["processor"] = spent(session) - before
    found["browser"] = spent_by_all(whole) - before_all
    session.detach()
    whole.detach()
    return dict(found)


def spent(session: CDPSession) -> float:
    """Return the processor seconds the page's main thread has taken for tasks so far."""
    every = session.send("Performance.getMetrics")["metrics"]
    return float(next(one["value"] for one in every if one["name"] == "TaskDuration"))


def spent_by_all(session: CDPSession) -> float:
    """Return the processor seconds that all processes of the browser have taken so far."""
    every = session.send("SystemInfo.getProcessInfo")["processInfo"]
    return float(sum(one["cpuTime"] for one in every))


def show(runs: list[dict[str, Any]]) -> None:
    """Print the medians, and how busy the machine was."""
    median = {key: sorted(run[key] for run in runs)[len(runs) // 2] for key in runs[0]}
    seconds = median["seconds"]
    print(f"{LAYERS} layers of {NEURONS} neurons, median of {len(runs)} drags of {seconds:.1f} s")
    print(f"frames a second             {median['frames'] / seconds:7.1f}")
    print(f"frames with the weight anew {median['redrawn'] / seconds:7.1f}")
    print(f"answers drawn a second      {median['answered'] / seconds:7.1f}")
    each = 1000 * median["processor"] / max(median["redrawn"], 1)
    print(f"processor time of a redraw  {each:7.1f} ms, so at most {1000 / each:.0f} a second")
    every = 1000 * median["browser"] / max(median["redrawn"], 1)
    print(f"of the whole browser        {every:7.1f} ms")
    print(f"longest between two frames  {median['longest']:7.0f} ms")
    print(f"load of the machine         {os.getloadavg()[0]:7.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
