"""A studio that listens, ways to ask it, and a browser."""

import contextlib
import http.client
import importlib
import json
import os
import shlex
import shutil
import threading
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from fathom.cli import app
from fathom.data.dividing import divide
from fathom.data.tables import read_table
from fathom.errors import InputError
from fathom.studio.jobs import JobTicket
from fathom.studio.page import page_files
from fathom.studio.table_messages import JobRequest
from fathom.training import monitor
from fathom.training.monitor import Deadline

BROWSER = Path("/usr/bin/chromium")
NEEDS_ALL = "FATHOM_NEEDS_BROWSER" in os.environ


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    """Return a studio that listens on a free port; it ends with the tests."""
    from fathom.studio.serving import Served

    # Loaded here and not while the browser is: Python 3.11 trips where two threads parse at once,
    # as jaxtyping and pytest do with what they import.
    for name in ("app", "networks", "reshaping", "lessons", "descent", "depth"):
        importlib.import_module(f"fathom.studio.{name}")
    try:
        page_files()
    except InputError as error:
        if NEEDS_ALL:
            raise
        pytest.skip(str(error))
    one = Served(tmp_path_factory.mktemp("studio"))
    thread = threading.Thread(target=one.run, daemon=True)
    thread.start()
    yield one
    one.close()
    thread.join(10)


class Client:
    """Asks a studio as a browser would, or as one who means ill."""

    def __init__(self, served):
        self.port = served.port
        self.host = f"127.0.0.1:{self.port}"
        self.origin = f"http://{self.host}"
        status, headers, _ = self.ask(
            "POST", "/api/session", {"token": served.keys.token}, cookie=None
        )
        assert status == 200
        self.cookie = headers["set-cookie"].split(";")[0]

    def ask(self, method, path, message=None, *, cookie="own", headers=None, body=None):
        """Ask; return status, headers and what came back, JSON read."""
        known = {"host": self.host}
        if method not in ("GET", "HEAD"):
            known |= {"origin": self.origin, "content-type": "application/json"}
        if cookie is not None:
            known["cookie"] = self.cookie if cookie == "own" else cookie
        known |= headers or {}
        data = body if body is not None else None if message is None else json.dumps(message)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        if data is not None:
            data = data.encode() if isinstance(data, str) else data
            known.setdefault("content-length", str(len(data)))
        for name, value in known.items():
            if value is not None:
                connection.putheader(name, value)
        with closing(connection):
            connection.endheaders(data)
            answer = connection.getresponse()
            text = answer.read()
            found = {name.lower(): value for name, value in answer.getheaders()}
        is_json = found.get("content-type", "").startswith("application/json")
        return answer.status, found, json.loads(text) if is_json else text


@pytest.fixture(scope="session")
def client(served):
    return Client(served)


@pytest.fixture(scope="session")
def little_models(tmp_path_factory):
    """Return small networks that read digits, after one epoch, each as a file and as it is."""
    from fathom import FathomClassifier, save
    from fathom.data.datasets import load_digits
    from fathom.estimators.defaults import small_reading_network, small_reading_recipe

    material, found = load_digits("digits"), {}
    for kind in ("dnn", "cnn"):
        recipe = small_reading_recipe(16, kind).model_copy(update={"epochs": 1})
        model = FathomClassifier(small_reading_network(list(range(10)), 16, kind), recipe)
        model.fit(material.x_train, material.y_train)
        found[kind] = save(model, tmp_path_factory.mktemp(kind) / "model.fathom"), model
    return found


@pytest.fixture(scope="session")
def furnished(served, little_models):
    """Return the studio with networks in it that read digits, so that none is trained."""
    for number, (kind, (path, _)) in enumerate(little_models.items()):
        folder = served.folder / "digits" / "runs" / f"{number + 1:016x}"
        folder.mkdir(parents=True)
        shutil.copy(path, folder / "model.fathom")
        ticket = {
            "wish": {"network": kind}, "epochs": 1, "n_train": 1438, "n_drawings": 0,
            "arguments": ["digits"], "began": 0, "process": 0, "process_began": "",
        }  # fmt: skip
        (folder / "ticket.json").write_text(json.dumps(ticket))
        result = {"network": kind, "accuracy": 0.5, "seconds": 1.0}
        (folder / "events.jsonl").write_text(json.dumps({"event": "done", "results": [result]}))
    return served


@pytest.fixture(scope="session")
def browser():
    """Return a real browser, or skip where there is none."""
    if not NEEDS_ALL:
        pytest.importorskip("playwright", reason="needs the package playwright")
        if not BROWSER.exists():
            pytest.skip(f"needs a browser at {BROWSER}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=str(BROWSER), args=["--no-sandbox", "--disable-gpu"]
        )
        yield opened
        opened.close()


class Window:
    """A window of the browser, with what its console said and what it asked for outside."""

    def __init__(self, browser, served, *, width=1440, height=900, **options):
        self.context = browser.new_context(viewport={"width": width, "height": height}, **options)
        self.context.set_default_timeout(60_000)
        self.said, self.outside = [], []
        self._here = f"http://127.0.0.1:{served.port}/"
        self.page = self.anew()

    def anew(self):
        """Open a page, and listen to it."""
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", self._hear)
        return self.page

    def _hear(self, asked):
        if not asked.url.startswith((self._here, "blob:" + self._here)):
            self.outside.append(asked.url)

    def enter(self, served, place=""):
        """Open the studio by its link, then a page of it."""
        self.page.goto(served.link)
        self.page.wait_for_selector('svg.network [data-name="output.neuron2.a"]', state="attached")
        if place:
            self.page.evaluate("(place) => (location.hash = place)", place)
        return self.page

    def sticks_out(self):
        """Return what is wider than the page and does not scroll in a box of its own."""
        return self.page.evaluate(
            """[...document.querySelectorAll('main *')].filter(e =>
            !e.closest('.wide, .shape, svg, .hidden-text, [hidden]')
            && e.getBoundingClientRect().width
            && e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
            .map(e => e.tagName + '.' + e.className)"""
        )

    def number(self, name):
        return self.page.locator(f'svg.network [data-name="{name}"] text').first

    def close(self):
        assert self.said == []
        assert self.outside == []
        self.context.close()


@pytest.fixture
def opened(browser, served):
    """Return a function that opens the studio in a window, by its link."""
    windows = []

    def open_one(**options):
        window = Window(browser, served, **options)
        windows.append(window)
        window.page.goto(served.link)
        window.page.wait_for_selector('svg.network [data-name="output.neuron2.a"] text')
        return window

    yield open_one
    for window in windows:
        window.close()


@pytest.fixture
def opened_at(browser):
    """Return a function that opens a page of a studio in a window, by its link."""
    windows = []

    def open_one(served, place, **options):
        window = Window(browser, served, **options)
        windows.append(window)
        window.enter(served, place)
        return window

    yield open_one
    for window in windows:
        window.close()


@pytest.fixture
def window(browser, served):
    """Return a window in which nothing is open yet."""
    one = Window(browser, served)
    yield one
    one.context.close()


AXE = Path(__file__).parents[2] / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
GRAVE = ("serious", "critical")


@pytest.fixture(scope="session")
def violations():
    """Return a function that lists what keeps people from using a page, as axe-core finds it."""
    if not AXE.exists():
        if NEEDS_ALL:
            pytest.fail(f"no {AXE}: npm ci in frontend/ puts it there")
        pytest.skip("needs axe-core: cd frontend && npm ci")
    source = AXE.read_text(encoding="utf-8")

    def find(page):
        page.evaluate(source)
        found = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
        return [
            (one["id"], one["nodes"][0]["html"][:200], one["nodes"][0]["failureSummary"])
            for one in found["violations"]
            if one["impact"] in GRAVE
        ]

    return find


PEOPLE = 'people\'s "table" <b>.csv'
TOWN = 'it\'s "town" </script>'


def make_people(n=240, seed=0):
    """Make people: mostly the old ones leave, and those in Ulm."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, n)
    town = rng.choice(["Ulm", "Bonn", "Kiel"], n)
    is_leaving = age + 15 * (town == "Ulm") + rng.normal(0, 12, n) > 55
    return pl.DataFrame({
        "age": age, TOWN: town, "spent": (age * 2 + rng.normal(0, 9, n)).round(1),
        "leaves": np.where(is_leaving, "yes", "no"),
    })  # fmt: skip


@pytest.fixture
def run_command(monkeypatch):
    """Return a function that runs the verbs of commands within this process, in a folder."""

    def run(line, folder):
        _, *words = shlex.split(line)
        for verb in ("train", "evaluate", "inspect"):
            module = importlib.import_module(f"fathom.cli.{verb}")
            monkeypatch.setattr(module, "started_at", monitor.time.monotonic, raising=False)
            monkeypatch.setattr(module, "time", monitor.time, raising=False)
            monkeypatch.setattr(module, "prepare_engine", lambda: None, raising=False)
            monkeypatch.setattr(module, "prepare_training", lambda name: None, raising=False)
        with contextlib.chdir(folder):
            return app(words, standalone_mode=False) or 0

    return run


def write_job(folder, target, kinds, seconds, **more):
    """Divide people as a search does, and write what stands in its folder before it begins."""
    folder.mkdir(parents=True)
    frame = make_people()
    frame.write_csv(folder / PEOPLE)
    parts = divide(read_table(folder / PEOPLE).frame, target)
    parts.frame[parts.training].write_parquet(folder / "train.parquet")
    parts.frame[parts.test].write_parquet(folder / "test.parquet")
    request = JobRequest(table="0" * 16, target=target, kinds=kinds, time_limit=seconds)
    ticket = JobTicket(
        request=request, name=PEOPLE, task=parts.target.task, n_train=len(parts.training),
        n_test=len(parts.test), arguments=("train",), times=(seconds,), began=1.0, **more,
    )  # fmt: skip
    (folder / "ticket.json").write_text(ticket.model_dump_json())
    return ticket


@dataclass(frozen=True)
class Searched:
    """A search that has ended: its folder, its ticket, its model."""

    folder: Path
    ticket: JobTicket
    model: Any


def search_people(folder, target, kinds, model):
    """Search for a second for a model of people, and keep it as the studio does."""
    from fathom import save
    from fathom.estimators.designing import Given, search_anew

    ticket = write_job(folder, target, kinds, 1.0)
    parts = divide(pl.read_parquet(folder / "train.parquet"), target, fraction=0.0)
    given = Given(parts.target, parts.values, np.ones(len(parts.values)))
    found = search_anew(
        parts.x_train, given, kinds, has_names=True, seed=0, monitor=None, deadline=Deadline(1.0)
    )
    save(model.restore_design(found.schema, found.design), folder / "model.fathom")
    (folder / "events.jsonl").write_text(json.dumps({"event": "done", "seconds": 1.0}) + "\n")
    return ticket


@pytest.fixture(scope="session")
def searched(tmp_path_factory):
    """Return a search for who leaves, a second of it."""
    from fathom import FathomClassifier, load

    folder = tmp_path_factory.mktemp("searched") / f"{1:016x}"
    model = FathomClassifier(random_state=0, time_limit=1.0)
    ticket = search_people(folder, "leaves", {TOWN: "category"}, model)
    return Searched(folder, ticket, load(folder / "model.fathom"))


@pytest.fixture(scope="session")
def finished(served, searched):
    """Return the studio with that search in it."""
    place = served.folder / "jobs" / searched.folder.name
    shutil.copytree(searched.folder, place)
    return served


@pytest.fixture(scope="session")
def spending(finished):
    """Return the place of a search for what is spent, a second of it."""
    from fathom import FathomRegressor

    folder = finished.folder / "jobs" / f"{3:016x}"
    search_people(folder, "spent", {}, FathomRegressor(random_state=0, time_limit=1.0))
    return f"#/data/{folder.name}"
