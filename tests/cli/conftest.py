"""The command line within this process, a table to train on, and a model trained once."""

import contextlib
import importlib
import json
import sys
import threading
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper

import numpy as np
import polars as pl
import pytest

from fathom.cli import main
from fathom.training import monitor

VERBS = (
    "digits", "train", "replay", "predict", "evaluate", "compare", "compress", "depth", "descent",
    "export", "files", "illustrated", "inspect", "report", "space",
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """What a command gave."""

    code: int
    out: str
    err: str

    @property
    def events(self):
        return [json.loads(line, parse_constant=_refuse) for line in self.out.splitlines()]

    @property
    def refusal(self):
        """The one line in which a command refuses."""
        assert self.code == 2, self.out + self.err
        assert self.err.startswith("fathom: expected "), self.err
        assert len(self.err.splitlines()) == 1
        return self.err.strip()


def _refuse(word):
    raise AssertionError(f"{word} is not JSON")


class Stream(TextIOWrapper):
    """A stream that may pass for a terminal."""

    def __init__(self, is_terminal):
        super().__init__(BytesIO(), encoding="utf-8", write_through=True)
        self.is_terminal = is_terminal

    def isatty(self):
        return self.is_terminal

    def fileno(self):
        return 2

    def text(self):
        return self.buffer.getvalue().decode()


def run_fathom(*arguments, cwd, is_terminal=False):
    """Run a command as `fathom` would, its clock beginning now."""
    out, err = Stream(is_terminal), Stream(False)
    with pytest.MonkeyPatch.context() as patch, contextlib.chdir(cwd):
        patch.setattr(sys, "argv", ["fathom", *map(str, arguments)])
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        patch.setattr("fathom.cli._leave", sys.exit)  # which may end the process at once
        patch.setenv("COLUMNS", "100")
        patch.setenv("TERM", "dumb")
        for verb in VERBS:
            module = importlib.import_module(f"fathom.cli.{verb}")  # not the function of that name
            patch.setattr(module, "started_at", monitor.time.monotonic, raising=False)
            patch.setattr(module, "time", monitor.time, raising=False)  # as searches look at it
            patch.setattr(module, "prepare_engine", lambda: None, raising=False)
            patch.setattr(module, "prepare_training", lambda name: None, raising=False)
        try:
            code = main() or 0
        except SystemExit as end:
            code = end.code or 0
    return Run(code, out.text(), err.text())


@pytest.fixture(autouse=True, scope="session")
def _no_thread_left():
    """Wait for programs still compiling: Python must not end beneath them."""
    yield
    for thread in threading.enumerate():
        if thread.name.startswith("fathom-population"):
            thread.join(60)


@pytest.fixture
def fathom(tmp_path):
    """Run a command in the folder of the test."""
    return lambda *arguments, **options: run_fathom(*arguments, cwd=tmp_path, **options)


@pytest.fixture(scope="session")
def run_in():
    """Run a command in a folder that is named, for models that many tests share."""
    return run_fathom


def make_customers(n=200, seed=0):
    """Make customers, of whom mostly the old ones leave."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, n)
    days = np.datetime64("2023-01-01") + rng.integers(0, 500, n)
    spent = rng.normal(30, 8, n).round(2)
    is_leaving = age + rng.normal(0, 3, n) > 50
    return pl.DataFrame({
        "ticket": [f"T-{number}" for number in rng.permutation(n) + 1000],
        "age": age,
        "spent": [None if row % 9 == 0 else value for row, value in enumerate(spent)],
        "city": rng.choice(["Ulm", "Bonn", "Kiel"], n),
        "is member": rng.choice(["yes", "no"], n),
        "since": days.astype(str),
        "churn": np.where(is_leaving, "leaves", "stays"),
    })  # fmt: skip


@pytest.fixture(scope="session")
def customers():
    return make_customers()


@pytest.fixture(scope="session")
def trained(tmp_path_factory, customers):
    """Return a folder with customers.csv and m.fathom, and what training it gave."""
    folder = tmp_path_factory.mktemp("customers")
    customers.write_csv(folder / "customers.csv")
    asked = ("--target", "churn", "--time-limit", 4, "--output", "m.fathom", "--json")
    return folder, run_fathom("train", "customers.csv", *asked, cwd=folder)


@pytest.fixture(scope="session")
def model(trained):
    return trained[0] / "m.fathom"


@pytest.fixture
def given(monkeypatch, fathom):
    """Return a function that gives what a training would be given, without the training."""
    found = {}

    class EnoughError(Exception):
        pass

    def search(frame, given, kinds, **options):
        found.update(options, frame=frame, given=given, kinds=kinds)
        raise EnoughError

    monkeypatch.setattr(importlib.import_module("fathom.cli.train"), "search_anew", search)

    def run(*arguments):
        found.clear()
        with pytest.raises(EnoughError):
            fathom("train", *arguments)
        return found

    return run
