"""The error surface and the ways down it, by command."""

import importlib
import re
from functools import partial

import pytest

from fathom.inspection.comparisons import compare_optimizers
from fathom.inspection.descent_study import TITLES, DescentStudy, Effort

ROWS = ("--rows", 60)


def test_it_shows_every_part_in_the_terminal_and_on_a_page(fathom, trained, tmp_path, monkeypatch):
    folder, _ = trained
    verb = importlib.import_module("fathom.cli.descent")  # not the function of that name
    little = Effort(n_points=15, n_looks=20, n_starts=2, n_seeds=1)  # and nothing is left out
    monkeypatch.setattr(verb, "Effort", lambda **_: little)
    some = partial(compare_optimizers, names=("rmsprop", "adam"))  # each is compiled
    monkeypatch.setattr("fathom.inspection.descent_study.compare_optimizers", some)
    asked = (*ROWS, "--time-limit", 5, "--output", "d.html")
    run = fathom("descent", folder / "m.fathom", *asked)
    assert (run.code, run.err) == (0, "")
    assert re.search(r"weights, on 60 of 200 rows of \S*customers\.csv", run.out)
    for name in ("curve", "weights", "random", "descent", "path", "fog", "starts", "rates",
                 "initializers", "optimizers"):  # fmt: skip
        assert TITLES[name].upper() in run.out, name
    assert "Saved as d.html" in run.out
    text = (tmp_path / "d.html").read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert "<svg" in text
    assert "<script" not in text


def test_json_lines_and_the_file_are_the_same_study(fathom, trained, tmp_path):
    folder, _ = trained
    run = fathom(
        "descent", folder / "m.fathom", *ROWS, "--time-limit", 1, "--json",
        "--output", "d.json",
    )  # fmt: skip
    assert (run.code, run.err) == (0, "")
    study = DescentStudy.model_validate_json((tmp_path / "d.json").read_text())
    shown = {event.pop("event"): event for event in run.events}
    assert shown["done"]["left_out"] == list(study.left_out)
    assert study.left_out  # one second is not enough for everything
    assert shown["path"] == study.path.model_dump(mode="json")
    # the path ends at the network the surface is drawn around
    assert study.path.path.losses[-1] == pytest.approx(study.path.loss, rel=1e-5)


def test_named_weights_are_those_shown(fathom, model, customers, tmp_path):
    customers.write_csv(tmp_path / "some.csv")
    names = ("output.neuron1.bias", "output.neuron2.bias")
    run = fathom(
        "descent", model, "--data", "some.csv", "--rows", 40, "--time-limit", 1, "--json",
        "--weights", ",".join(names),
    )  # fmt: skip
    assert run.code == 0, run.err
    parts = {event["event"]: event for event in run.events}
    assert parts["curve"]["weight"] == names[0]
    assert [axis["name"] for axis in parts["weights"]["axes"]] == list(names)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--network", 99), "--network"),
        (("--network", "x"), "--network with the number of a network"),
        (("--rows", 0), "--rows from 1 to 100,000"),
        (("--time-limit", 0), "--time-limit from 1"),
        (("--weights", "layer99.neuron1.bias"), "layer99"),
        (("--output", "d.png"), "--output with a name in .html, .json"),
        (("--data", "absent.csv"), "absent.csv"),
        (("--example",), "a model file or --example"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(fathom, trained, arguments, said):
    folder, _ = trained
    assert said in fathom("descent", folder / "m.fathom", *arguments).refusal


def test_neither_a_model_nor_the_example(fathom):
    assert "a model file, or --example" in fathom("descent").refusal
