"""What `fathom train` tells while it goes on, when it is stopped, and when it is not understood."""

import importlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console

import fathom as library
from fathom.cli import watching
from fathom.cli.introducing import warn_of_little_time
from fathom.cli.screen import Screen, StopRequest
from fathom.cli.watching import SearchView, in_words
from fathom.errors import TrainingError
from fathom.training.history import Epoch, NetworkEvent

CHURN = ("--target", "churn")
train = importlib.import_module("fathom.cli.train")


@pytest.fixture
def table(customers, tmp_path):
    customers.write_csv(tmp_path / "t.csv")
    return "t.csv"


def events_of(run, kind):
    return [event for event in run.events if event["event"] == kind]


# Networks, for programs


def test_every_network_is_told_of_from_its_beginning(trained):
    _, run = trained
    (report,) = events_of(run, "report")
    heard = {}
    for event in events_of(run, "network"):
        heard.setdefault(event["number"], []).append(event)
    assert sorted(heard) == [c["number"] + 1 for c in report["candidates"]]
    ends = {"kept": "complete", "spare": "complete", "cut": "cut", "failed": "failed"}
    for candidate in report["candidates"]:
        told = heard[candidate["number"] + 1]
        statuses = [event["status"] for event in told]
        assert statuses[0] == "begun"
        assert statuses.count("begun") == 1
        assert told[0]["reason"] == candidate["origin"]
        assert told[0]["epochs"] == candidate["genes"]["epochs"]
        if candidate["status"] in ends and candidate["n_folds"] == report["n_folds"]:
            end = next(event for event in told if event["status"] == ends[candidate["status"]])
            assert end["loss"] == candidate["loss"]
    for place, event in enumerate(run.events):
        if event["event"] == "epoch":
            begun = [e for e in run.events[:place] if e["event"] == "network"]
            assert event["network"] in {e["number"] for e in begun}


def test_the_ensemble_can_be_followed_to_its_end(trained):
    _, run = trained
    (report,) = events_of(run, "report")
    members = set()
    for event in events_of(run, "network"):
        if event["status"] == "chosen":
            members.add(event["number"])
        if event["status"] == "dropped":
            members.remove(event["number"])
        assert event["loss_name"] == "log loss"
        assert (event["ensemble_loss"] is None) == (event["members"] == [])
    kept = {c["number"] + 1 for c in report["candidates"] if c["status"] == "kept"}
    assert members == kept == set(event["members"])
    # Which is calibrated at the end, and so no worse.
    assert report["validation_loss"] <= event["ensemble_loss"] * (1 + 1e-3)


# Errors in the unit of the target


def test_the_error_is_in_the_unit_of_the_target(fathom, tmp_path):
    rng = np.random.default_rng(0)
    a = rng.normal(size=240)
    frame = pl.DataFrame({"a": a, "b": rng.normal(size=240), "pay": 5000 + 700 * a})
    frame.write_csv(tmp_path / "t.csv")
    run = fathom("train", "t.csv", "--target", "pay", "--time-limit", 2, "--json")
    done, (report,) = run.events[-1], events_of(run, "report")
    scale = library.load(tmp_path / "model.fathom").design_.scales[False].scale[0]
    assert scale > 400
    assert (done["metric"], done["score"]) == ("RMSE", report["scores"][0]["value"])
    assert done["score"] == pytest.approx(report["validation_loss"] * scale)
    assert report["scores"][0]["baseline"] == pytest.approx(np.std(frame["pay"].to_numpy()))
    said = next(line for line in report["words"] if "always giving the same" in line)
    assert said.startswith(("RMSE ", "No better than guessing: RMSE "))
    complete = [e for e in events_of(run, "network") if e["status"] == "complete"]
    for event in complete:
        assert event["loss_name"] == "RMSE"
        loss = report["candidates"][event["number"] - 1]["loss"]
        assert event["loss"] == pytest.approx(loss * scale)


def test_of_several_numbers_each_has_its_error(fathom, tmp_path):
    rng = np.random.default_rng(0)
    a = rng.normal(size=200)
    frame = pl.DataFrame({"a": a, "pay": 5000 + 700 * a, "age": 40 + 9 * a})
    frame.write_csv(tmp_path / "t.csv")
    run = fathom("train", "t.csv", "--target", "pay,age", "--time-limit", 2, "--json")
    done, (report,) = run.events[-1], events_of(run, "report")
    assert done["metric"] == "relative RMSE"
    assert done["score"] == report["validation_loss"]
    assert done["rmse"] == {s["output"]: s["value"] for s in report["scores"]}
    scales = library.load(tmp_path / "model.fathom").design_.scales[False].scale
    relative = np.array([done["rmse"]["pay"], done["rmse"]["age"]]) / scales
    assert np.sqrt(np.mean(relative**2)) == pytest.approx(report["validation_loss"])
    assert "for pay, " in report["words"][-1]


# Networks, for people


def network(status, number=0, **more):
    fields = {"structure": "linear", "epochs": 9, "loss_name": "log loss"}
    return NetworkEvent(number=number, status=status, **{**fields, **more})


def epoch(number):
    return Epoch(epoch=number, train_loss=1, train_score=0, learning_rate=1, seconds=0)


def watch(seconds=60, is_json=False, **more):
    screen = Screen(is_json)
    return SearchView(screen, seconds, StopRequest(screen), **more)


def test_figures_say_time_networks_losses_and_the_last_event():
    view = watch(spent=7.0)
    assert view.figures() == (
        "7 of 60 s", "0 networks tried, 0 cut, 0 in the model", "getting ready",
    )  # fmt: skip
    view.on_network(network("begun"))
    assert view.figures()[1:] == (
        "1 network tried, 0 cut, 0 in the model", "network 1 begins: linear",
    )  # fmt: skip
    view.on_epoch(0, epoch(3))
    assert view.figures()[-1] == "network 1 in epoch 3 of 9"
    told = {"loss": 0.5, "ensemble_loss": 0.5, "members": (0,)}
    view.on_network(network("complete", **told))
    view.on_network(network("chosen", **told))
    view.on_network(network("begun", 1, **{**told, "loss": None}))
    view.on_epoch(1, epoch(1))
    assert view.figures()[1:] == (
        "2 networks tried, 0 cut, 1 in the model",
        "log loss on held-out rows: best network 0.5, model 0.5",
        "network 1 joins the model: 1 network, log loss 0.5",
    )
    view.on_network(network("cut", 1, reason="cut at epoch 4 of 9: far behind", **told))
    assert view.figures()[1] == "2 networks tried, 1 cut, 1 in the model"
    assert view.figures()[-1] == "network 2 cut at epoch 4 of 9: far behind"
    told = {"loss": 0.4, "ensemble_loss": 0.3, "members": (0, 2)}
    view.on_network(network("complete", 2, **told))
    assert view.figures()[2] == "log loss on held-out rows: best network 0.4, model 0.3"


def test_what_became_of_a_network_in_words():
    assert in_words(network("failed")) == "network 1 failed: no finite loss"
    assert in_words(network("complete", 4, loss=0.25)) == "network 5 complete: log loss 0.25"
    dropped = network("dropped", ensemble_loss=0.2, members=(1,))
    assert in_words(dropped) == "network 1 leaves the model: 1 network, log loss 0.2"


def test_plain_lines_come_with_the_first_loss_and_then_now_and_then(capsys, monkeypatch):
    view = watch(spent=2.0)
    with view.shown():
        view.on_network(network("begun"))
        view.on_epoch(0, epoch(1))
        assert capsys.readouterr().out == ""
        told = {"loss": 0.5, "ensemble_loss": 0.5, "members": (0,)}
        view.on_network(network("complete", **told))
        for number in range(1, 30):
            view.on_network(network("begun", number, **told))
        line = capsys.readouterr().out
        assert line == (
            "  2 of 60 s; 1 network tried, 0 cut, 1 in the model; log loss on held-out rows: "
            "best network 0.5, model 0.5; network 1 complete: log loss 0.5\n"
        )
        monkeypatch.setattr(watching, "SEARCH_LINE_SECONDS", 0.0)
        view.on_network(network("begun", 30, **told))
        assert "31 networks tried" in capsys.readouterr().out


def test_what_happened_is_told_once_and_then_what_is_under_way(capsys, monkeypatch):
    monkeypatch.setattr(watching, "SEARCH_LINE_SECONDS", 0.0)
    view = watch()
    with view.shown():
        view.on_network(network("complete", 0, loss=0.5))
        view.on_network(network("begun", 1, loss=0.5))
        for number in (1, 2):
            view.on_epoch(1, epoch(number))
        view.on_network(network("complete", 1, loss=0.25))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("; ")[-1] for line in lines] == [
        "network 1 complete: log loss 0.5", "network 2 begins: linear",
        "network 2 in epoch 1 of 9", "network 2 in epoch 2 of 9",
        "network 2 complete: log loss 0.25",
    ]  # fmt: skip


def test_plain_lines_come_in_silence_too(capsys, monkeypatch):
    monkeypatch.setattr(watching, "SEARCH_LINE_SECONDS", 0.0)
    monkeypatch.setattr(watching, "LINE_SECONDS", 0.01)
    view = watch()
    with view.shown():
        until = time.monotonic() + 120
        said = ""
        while not said and time.monotonic() < until:
            time.sleep(0.01)
            said = capsys.readouterr().out
    assert "getting ready" in said
    capsys.readouterr()
    time.sleep(0.05)
    assert capsys.readouterr().out == ""


def test_json_has_no_plain_lines(capsys, monkeypatch):
    monkeypatch.setattr(watching, "SEARCH_LINE_SECONDS", 0.0)
    view = watch(is_json=True)
    with view.shown():
        view.on_network(network("complete", 2, loss=0.5, ensemble_loss=0.5, members=(2, 0)))
    view.on_network(network("begun", 3))  # by a thread that was not waited for
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == {
        "event": "network", "number": 3, "status": "complete", "structure": "linear",
        "reason": "", "epoch": None, "epochs": 9, "loss": 0.5, "behind": None,
        "loss_name": "log loss", "ensemble_loss": 0.5, "members": [3, 1],
    }  # fmt: skip


def test_on_a_terminal_the_picture_says_it_all_and_that_it_stops(capfd, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    screen = Screen(is_json=False)
    drawn = io.StringIO()
    screen.console = Console(file=drawn, force_terminal=True, width=90)
    stop = StopRequest(screen)
    view = SearchView(screen, 60, stop, spent=5.0)
    with view.shown():
        told = {"loss": 0.5, "ensemble_loss": 0.25, "members": (0,)}
        view.on_network(network("chosen", **told))
        until = time.monotonic() + 120
        while "joins" not in drawn.getvalue() and time.monotonic() < until:
            time.sleep(0.02)
        stop._hear(signal.SIGINT, None)
        while stop.MESSAGE not in drawn.getvalue() and time.monotonic() < until:
            time.sleep(0.02)
    for part in (
        "5 of 60 s", "1 network tried, 0 cut, 1 in the model", "best network 0.5, model 0.25",
        "network 1 joins the model", stop.MESSAGE,
    ):  # fmt: skip
        assert part in drawn.getvalue(), part
    assert capfd.readouterr() == ("", "")
    assert not stop.is_drawn


# Stopped


def running(folder, *arguments):
    """Start the command and wait until it listens."""
    process = subprocess.Popen(
        [sys.executable, "-m", "fathom", *arguments], cwd=folder,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    status, mask = Path(f"/proc/{process.pid}/status"), 1 << (signal.SIGTERM - 1)
    until = time.monotonic() + 120
    while time.monotonic() < until:
        caught = next(line for line in status.read_text().splitlines() if "SigCgt" in line)
        if int(caught.split()[1], 16) & mask:
            return process
        time.sleep(0.002)
    raise AssertionError("it does not listen")


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("wait", [0.0, 0.3])
def test_stopped_while_it_loads_it_says_so_in_one_line(table, tmp_path, number, wait):
    for more in ((), ("--json",)):
        with running(tmp_path, "train", table, *CHURN, *more) as process:
            time.sleep(wait)
            process.send_signal(number)
            out, errors = process.communicate(timeout=300)
        assert process.returncode == 130
        assert errors == "fathom: stopped before there was anything to save\n"
        if not more:
            assert out == ""
        else:
            message = "stopped before there was anything to save"
            assert json.loads(out) == {"event": "error", "message": message}
    assert not (tmp_path / "model.fathom").exists()


def test_stopped_before_any_network_nothing_is_saved(fathom, table, tmp_path, monkeypatch):
    def search(*_, monitor, **__):
        os.kill(os.getpid(), signal.SIGINT)
        assert monitor.should_stop()
        raise TrainingError("a network with a finite loss", got="none in the time there was")

    monkeypatch.setattr(train, "search_anew", search)
    run = fathom("train", table, *CHURN, "--json")
    assert run.code == 130
    message = "stopped before any network was trained; nothing is saved"
    assert run.events[-1] == {"event": "error", "message": message}
    assert run.err.splitlines()[-1] == f"fathom: {message}"
    assert not (tmp_path / "model.fathom").exists()


def test_a_search_that_finds_nothing_is_an_error(fathom, table, monkeypatch):
    def search(*_, **__):
        raise TrainingError("a network with a finite loss", got="none in the time there was")

    monkeypatch.setattr(train, "search_anew", search)
    assert "none in the time there was" in fathom("train", table, *CHURN).refusal


# Too little time


def test_a_limit_that_cannot_be_kept_is_said(capsys):
    screen = Screen(is_json=False)
    warn_of_little_time(screen, 60, 2.0, 58.0)
    warn_of_little_time(screen, 3, 2.0, 1.6)  # kept as well as promised
    assert capsys.readouterr().out == ""
    warn_of_little_time(screen, 1, 2.5, 1.6)
    said = capsys.readouterr().out
    assert "1 s is too short: starting and reading alone took 2.5 s; it will" in said
    assert "take about 4 s" in said
    warn_of_little_time(Screen(is_json=True), 0.5, 2.5, 1.6)
    event = json.loads(capsys.readouterr().out)
    assert (event["event"], event["kind"]) == ("note", "late")


def test_a_limit_shorter_than_its_start_still_gives_a_model(fathom, table, tmp_path, monkeypatch):
    run = fathom("train", table, *CHURN, "--time-limit", "0.001")
    assert run.code == 0, run.err
    assert "0.001 s is too short" in run.out
    assert "of 0.001 s; " in run.out
    assert library.load(tmp_path / "model.fathom").n_features_in_ == 6


def test_why_the_search_ended_is_said(fathom, table):
    run = fathom("train", table, *CHURN, "--time-limit", 1)
    assert "The search ended: " in run.out


# Not understood

USAGE = [
    (("train", "t.csv", "--tagret", "y"), "an option of fathom train — got --tagret", "--target?"),
    (("train", "t.csv", "--zzz"), "an option of fathom train — got --zzz", "train --help"),
    (("train", "t.csv", "-q"), "an option of fathom train — got -q", "train --help"),
    (("train", "a", "b c", "d"), "no more arguments for fathom train — got b c d", "quotes"),
    (("train", "t.csv", "--target"), "--target, a value after it — got none", "train --help"),
    (("train", "--time-limit", "abc"), "--time-limit SECONDS: a number — got abc", "train --help"),
    (("train", "--time-limit=1e"), "--time-limit SECONDS: a number — got 1e", "train --help"),
    (("train", "t.csv", "--seed", "1.5"), "--seed: a whole number — got 1.5", "train --help"),
    (("train", "t.csv", "--no-header=1"), "--no-header without a value", "train --help"),
    (("predict",), "MODEL, a model file, for example model.fathom — got none", "predict --help"),
    (("predict", "m.fathom"), "FILES, a table", "predict --help"),
    (("compare", "t.csv"), "--target COLUMN, what to predict — got none", "compare --help"),
    (("trian", "t.csv"), "a command: digits, train, predict", "did you mean train?"),
    (("frobnicate",), "got frobnicate", "fathom --help"),
    (("--nope",), "an option of fathom — got --nope", "fathom --help"),
    (("train", "t.csv", *CHURN, "--time-limit", "0"), "--time-limit above 0", "a minute"),
    (("train", "t.csv", *CHURN, "--time-limit", "-1"), "in seconds — got -1", "a minute"),
    (("train", "t.csv", *CHURN, "--time-limit", "nan"), "in seconds — got nan", "a minute"),
    (("train", "t.csv", *CHURN, "--time-limit", "inf"), "in seconds — got inf", "a minute"),
]


@pytest.mark.parametrize(("asked", "message", "hint"), USAGE, ids=[" ".join(u[0]) for u in USAGE])
def test_what_is_not_understood_is_one_line(fathom, asked, message, hint):
    said = fathom(*asked).refusal
    assert message in said
    assert hint in said
    as_json = fathom(*asked[:1], "--json", *asked[1:])
    assert as_json.code == 2
    if asked[0] != "--nope":
        assert as_json.events == [{"event": "error", "message": said.removeprefix("fathom: ")}]


def test_what_is_not_understood_cannot_steer_the_terminal(fathom):
    run = fathom("train", "--\x1b[2J")
    assert "\x1b" not in run.err
    assert run.code == 2


def test_without_arguments_there_is_help(fathom):
    run = fathom()
    assert (run.code, run.out) == (2, "")
    assert run.err.startswith("Usage: fathom")
    assert "Train on a table" in run.err
    assert fathom("--version").code == 0
    assert fathom("train", "--help").code == 0


# In order of time


def test_the_column_of_times_stays_and_that_is_said(fathom, table):
    run = fathom("train", table, *CHURN, "--time", "since", "--time-limit", 1, "--json")
    (columns,) = events_of(run, "columns")
    assert "column since orders the rows, and the latest judge" in columns["notes"][0]
    assert {c["name"]: c["kind"] for c in columns["columns"]}["since"] == "date"
    (report,) = events_of(run, "report")
    assert "--time since" not in " ".join(report["notes"])  # advice that is followed already
    hidden = ("--time", "since", "--kind", "since=identifier", "--time-limit", 1)
    run = fathom("train", table, *CHURN, *hidden)
    assert "since (identifier)" in run.out
    assert "orders the rows" not in run.out
    run = fathom("train", table, *CHURN, "--time-limit", 1)
    assert "--time since gives an honest estimate" in run.out
