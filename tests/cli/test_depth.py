"""What more hidden layers buy, by command."""

import csv
import json

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_diabetes, load_wine

from fathom.inspection.depth import DepthStudy

TARGET = ("--target", "grape")
QUICK = (
    "--depths", "1,3", "--sizes", "1/4", "--width", 16, "--epochs", 8, "--seeds", 4,
    "--time-limit", 60,
)  # fmt: skip


@pytest.fixture(scope="session")
def wines():
    bunch = load_wine(as_frame=True)
    grapes = np.array(["nebbiolo", "barbera", "dolcetto"])[bunch.target]
    return pl.from_pandas(bunch.data).with_columns(grape=pl.Series(grapes))


@pytest.fixture
def wine(wines, tmp_path):
    wines.write_csv(tmp_path / "wine.csv")
    return "wine.csv"


def test_it_says_whether_depth_pays(fathom, wine):
    run = fathom("depth", wine, *TARGET, *QUICK)
    assert (run.code, run.err) == (0, "")
    for part in (
        "wine: 121 rows to learn from, 21 to choose epoch and learning rate, 36 kept apart",
        "choosing learning rates", "training from 4 starts",
        "relu, 8 epochs in batches of 32, 4 starts of every network", "Equal parameters",
        "Equal neurons", "Equal width", "layers  widths", "3×16", "vs 1", "│",
        "Error % by training rows, equal parameters, median of 2 starts", "epth ", "on wine",
        "Mann-Whitney p =", "Training rows for an error of", "--output depth.html",
    ):  # fmt: skip
        assert part in run.out, part


def test_json_lines_files_and_the_screen_are_the_same_study(fathom, wine, tmp_path):
    run = fathom("depth", wine, *TARGET, *QUICK, "--json", "--output", "d.json")
    assert (run.code, run.err) == (0, "")
    events = run.events
    assert events[0]["event"] == "data"
    assert [event.pop("event") for event in events[-2:]] == ["study", "done"]
    assert events[-1]["output"] == "d.json"
    assert events[-1]["seconds"] < 3 * 60
    study = DepthStudy.model_validate_json((tmp_path / "d.json").read_text())
    assert events[-2].pop("words") == list(study.words())
    assert DepthStudy.model_validate_json(json.dumps(events[-2])) == study
    judged = [e for e in events if e.get("event") == "network" and e["start"] < 1000]
    row = study.rows[0]
    errors = [
        e["error"]
        for e in sorted(judged, key=lambda e: e["start"])
        if tuple(e["widths"]) == row.widths and e["rows"] == 121
    ]
    assert errors == list(row.errors)


def test_files_by_their_suffix(fathom, wine, tmp_path):
    few = (*QUICK[:-4], "--seeds", 1, "--sizes", "none", "--shapes", "width")
    for name in ("d.html", "d.csv"):
        run = fathom("depth", wine, *TARGET, *few, "--output", name)
        assert run.code == 0, run.err
        assert f"Saved as {name}" in run.out
    page = (tmp_path / "d.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "<svg" in page
    lines = list(csv.DictReader((tmp_path / "d.csv").read_text().splitlines()))
    assert [line["layers"] for line in lines] == ["1", "3"]


def test_numbers_are_judged_by_rmse(fathom, tmp_path):
    frame = load_diabetes(as_frame=True, scaled=False).frame
    pl.from_pandas(frame).write_csv(tmp_path / "diabetes.csv")
    run = fathom("depth", "diabetes.csv", "--target", "target", *QUICK, "--json")
    assert (run.code, run.err) == (0, "")
    study = run.events[-2]
    assert (study["task"], study["error_name"]) == ("numbers", "RMSE")
    spread = frame["target"].std()
    assert all(0.5 * spread < e < 1.1 * spread for row in study["rows"] for e in row["errors"])


def test_digits_by_name(fathom):
    few = ("--depths", "1-2", "--sizes", "none", "--shapes", "width", "--epochs", 4)
    run = fathom("depth", "digits", *few, "--seeds", 1, "--json")
    assert (run.code, run.err) == (0, "")
    data, study = run.events[0], run.events[-2]
    assert (data["inputs"], data["outputs"], data["test"]) == (256, 10, 359)
    assert all(row["errors"][0] < 0.3 for row in study["rows"])


def test_a_terminal_too_narrow_for_strips_gets_none(fathom, wine):
    run = fathom("depth", wine, *TARGET, *QUICK, is_terminal=True)
    table = run.out[run.out.index("Equal parameters") : run.out.index("(vs 1")]
    assert max(map(len, table.splitlines())) <= 100


def test_the_time_limit_is_kept(fathom, wine):
    run = fathom(
        "depth", wine, *TARGET, "--depths", "1-4", "--width", 12, "--time-limit", 7, "--json"
    )
    assert run.code == 0, run.err
    assert run.events[-1]["seconds"] < 3 * 7  # however slow the machine becomes meanwhile


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--target, the column to predict; or digits"),
        (("--target", "grap"), "a target that is a column of the table — got grap"),
        ((*TARGET, "--depths", "0-99"), "--depths from 1 to 64 hidden layers — got '0-99'"),
        ((*TARGET, "--depths", "4-2"), "--depths from 1 to 64"),
        ((*TARGET, "--depths", "two"), "--depths from 1 to 64"),
        ((*TARGET, "--depths", ""), "--depths from 1 to 64"),
        ((*TARGET, "--time-limit", 0), "--time-limit above 0, in seconds — got 0"),
        ((*TARGET, "--time-limit", "nan"), "--time-limit above 0"),
        ((*TARGET, "--time-limit", 0.01), "time enough to train networks"),
        ((*TARGET, "--shapes", "heigth"), "--shapes among parameters, neurons, width — got 'he"),
        ((*TARGET, "--sizes", "1/0"), "--sizes of the training set, above 0 — got '1/0'"),
        ((*TARGET, "--sizes", "-5"), "--sizes of the training set"),
        ((*TARGET, "--activation", "softmax"), "--activation identity, sigmoid"),
        ((*TARGET, "--seeds", 0), "--seeds from 1 to 1,000 — got 0"),
        ((*TARGET, "--epochs", -1), "--epochs from 1"),
        ((*TARGET, "--width", 3), "a width that leaves each of 8 hidden layers a neuron"),
        ((*TARGET, "--seed", -1), "--seed from 0"),
        ((*TARGET, "--output", "depth.png"), "--output with a name in .html, .json, .csv"),
        ((*TARGET, "--output", "wine.csv"), "--output other than what is read"),
        ((*TARGET, "--output", "no/such.csv"), "a folder to write such.csv into"),
        ((*TARGET, "--task", "guess"), "a task: auto, classes, labels or numbers"),
    ],
)
def test_bad_input_is_one_line(fathom, wine, arguments, said):
    assert said in fathom("depth", wine, *arguments).refusal


def test_data_that_are_not_there_are_one_line(fathom):
    assert "none.csv" in fathom("depth", "none.csv", *TARGET).refusal
    assert "--target" in fathom("depth", "none.csv").refusal
    assert "none.npz" in fathom("depth", "none.npz").refusal
