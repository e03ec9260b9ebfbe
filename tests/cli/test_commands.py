"""The commands as a user runs them: output, JSON lines, exit codes, Ctrl-C, bad input."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import fathom as library
from fathom.cli.screen import Screen, StopRequest
from fathom.data.datasets import load_digits
from fathom.deployment.archive import load
from fathom.estimators.defaults import reading_network, reading_recipe

DRAWN = load_digits("digits")
PATIENCE_S = 300  # an end, whatever the machine


def process(*arguments, cwd):
    """Run a command in a process of its own, for what a process alone shows."""
    return subprocess.run(
        [sys.executable, "-m", "fathom", *map(str, arguments)], cwd=cwd, capture_output=True,
        text=True, timeout=PATIENCE_S, encoding="utf-8", env={**os.environ, "PYTHONUTF8": "1"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """Return a folder with d.fathom, trained by steps, not by the clock."""
    folder = tmp_path_factory.mktemp("read")
    recipe = reading_recipe(16, "dnn").model_copy(update={"epochs": 25, "n_starts": 1})
    model = library.FathomClassifier(reading_network(list(range(10)), 16, "dnn"), recipe)
    library.save(model.fit(DRAWN.x_train, DRAWN.y_train), folder / "d.fathom")
    return folder


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp("picture") / "two.png"
    two = DRAWN.x_test[DRAWN.y_test == 2][0]
    Image.fromarray(255 - 255 * two.repeat(9, axis=0).repeat(9, axis=1)).save(path)
    return path


def test_digits_shows_how_well_the_networks_read(tmp_path):
    run = process("digits", "--time-limit", 5, "--output", "d.fathom", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    for part in (
        "digits: 1,438 pictures to learn from and 359 to be tested on", "epoch ", "accuracy",
        "deep network (dnn)", "convolutional network (cnn)", "scikit-learn SVC",
        "scikit-learn MLPClassifier", "rows are the truth", "██", "2: 0.", "misread",
        "Saved as d.fathom", "fathom predict d.fathom",
    ):  # fmt: skip
        assert part in run.stdout, part
    assert run.stderr == ""
    assert load(tmp_path / "d.fathom").classes_.tolist() == list(range(10))


def test_digits_in_json_lines(fathom, tmp_path):
    run = fathom("digits", "--json", "--network", "cnn", "--time-limit", 2, "--no-compare")
    events = run.events
    assert run.code == 0
    assert next(event["event"] for event in events) == "data"
    epochs = [event for event in events if event["event"] == "epoch"]
    assert {"network", "start", "train_loss", "validation_score"} <= epochs[0].keys()
    done = events[-1]
    assert done["event"] == "done"
    assert done["output"] == "digits.fathom"
    assert [result["network"] for result in done["results"]] == ["cnn"]
    assert 0 <= done["results"][0]["accuracy"] <= 1
    assert (tmp_path / "digits.fathom").is_file()


def test_predict_reads_a_picture(read, picture):
    run = process("predict", "d.fathom", picture, cwd=read)
    assert run.returncode == 0
    assert f"{picture}: 2 (" in run.stdout
    assert "  2: " in run.stdout
    assert "█" in run.stdout


def test_predict_reads_many_and_agrees_with_the_library(read, picture, fathom, tmp_path):
    np.savez(tmp_path / "many.npz", x=DRAWN.x_test[:50])
    events = fathom("predict", read / "d.fathom", picture.parent, "many.npz", "--json").events
    assert events[-1] == {"event": "done", "count": 51}
    found = [event["prediction"] for event in events[1:-1]]
    assert found == library.load(read / "d.fathom").predict(DRAWN.x_test[:50]).tolist()
    assert sum(events[1]["probabilities"].values()) == pytest.approx(1, abs=1e-4)


def digits_running(folder):
    return subprocess.Popen(
        [sys.executable, "-m", "fathom", "digits", "--json", "--time-limit", "3000"],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop_once_it_keeps_the_best_model_so_far(tmp_path, number):
    with digits_running(tmp_path) as process:
        for line in process.stdout:
            if json.loads(line)["event"] == "epoch":
                process.send_signal(number)
                break
        rest, errors = process.communicate(timeout=PATIENCE_S)  # long before the time is over
    assert process.returncode == 130
    assert "Traceback" not in errors
    done = next(e for e in map(json.loads, rest.splitlines()) if e["event"] == "done")
    assert [result["network"] for result in done["results"]] == ["dnn"]
    assert (tmp_path / "digits.fathom").is_file()


def test_asked_to_stop_twice_it_ends_at_once(tmp_path):
    with digits_running(tmp_path) as process:
        for line in process.stdout:
            if json.loads(line)["event"] == "data":  # before any network is trained
                process.send_signal(signal.SIGINT)
                break
        assert "Once more" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE_S)
    # A Python that is already closing down has let go of the signal: a shell shows 130 for both.
    assert process.returncode in (130, -signal.SIGINT)
    assert "Traceback" not in errors
    for left in tmp_path.iterdir():  # it may just have been saved, and is whole then
        load(left)


def test_only_the_second_request_to_stop_ends_the_program(monkeypatch):
    exits = []
    monkeypatch.setattr("fathom.cli.screen.os._exit", exits.append)
    stop = StopRequest(Screen(is_json=True))
    stop._hear(signal.SIGINT, None)
    assert stop.is_asked
    assert exits == []
    stop._hear(signal.SIGINT, None)
    assert exits[0] == 130


BAD = [
    (("digits", "--data", "minst"), "did you mean mnist"),
    (("digits", "--network", "rnn"), "dnn, cnn or both"),
    (("digits", "--time-limit", "0"), "--time-limit"),
    (("digits", "--time-limit", "nan"), "--time-limit"),
    (("digits", "--seed", "-1"), "--seed"),
    (("digits", "--data", "text.txt"), "IDX file"),
    (("digits", "--data", "bad.npz"), "damaged"),
    (("predict", "absent.fathom", "a.png"), "does not exist"),
    (("predict", "text.txt", "a.png"), "model file"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=[" ".join(a) for a, _ in BAD])
def test_bad_input_is_one_clear_line_and_exit_code_2(fathom, tmp_path, arguments, message):
    (tmp_path / "text.txt").write_text("hello, this is some text and no model")
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 no archive")
    before = sorted(tmp_path.iterdir())
    run = fathom(*arguments)
    assert run.out == ""
    assert message in run.refusal
    assert sorted(tmp_path.iterdir()) == before


def test_bad_input_as_processes_tell_it(tmp_path):
    said = process("predict", "absent.fathom", "a.png", cwd=tmp_path)
    assert (said.returncode, said.stdout, len(said.stderr.splitlines())) == (2, "", 1)
    as_json = process("digits", "--data", "minst", "--json", cwd=tmp_path)
    assert as_json.returncode == 2
    assert json.loads(as_json.stdout)["event"] == "error"


def test_bad_input_is_an_event_for_programs(fathom):
    for arguments in ("digits", "--data", "minst"), ("predict", "absent.fathom", "a.png"):
        as_json = fathom(*arguments, "--json")
        assert as_json.code == 2
        assert json.loads(as_json.out)["event"] == "error"


def test_predict_refuses_bad_pictures_and_other_models(read, fathom, tmp_path):
    (tmp_path / "no.png").write_bytes(b"hello")
    (tmp_path / "empty").mkdir()
    for given in ("no.png", "empty"):
        run = fathom("predict", read / "d.fathom", given)
        assert run.refusal
        assert run.out == ""
    x = np.random.default_rng(0).normal(size=(40, 3))
    model = library.FathomRegressor(recipe=library.Recipe(epochs=1)).fit(x, x[:, 0])
    library.save(model, tmp_path / "other.fathom")
    assert "takes 3 numbers" in fathom("predict", "other.fathom", "no.png").refusal


def test_a_model_that_cannot_be_written_is_said_before_training(fathom):
    run = fathom("digits", "--output", "absent/d.fathom")
    assert "absent" in run.refusal
    assert run.out == ""


def test_help_and_version(tmp_path):
    run = process("--help", cwd=tmp_path)
    assert run.returncode == 0
    assert "digits" in run.stdout
    assert "predict" in run.stdout
    assert process("--version", cwd=tmp_path).stdout.startswith("fathom 0.")
    assert process("digits", "--help", cwd=tmp_path).returncode == 0
    assert process("nonsense", cwd=tmp_path).returncode == 2


@pytest.mark.parametrize("name", ["fathom-depth", "other"])
def test_what_a_thread_of_ours_still_compiles_is_left_behind(name):
    code = f"""
import atexit, threading, time
from fathom.cli import _leave
threading.Thread(target=time.sleep, args=(600,), name={name!r}, daemon=True).start()
atexit.register(print, "the interpreter ends")
print("said")
_leave(2)
"""
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_S
    )
    said = ["said"] if name.startswith("fathom-") else ["said", "the interpreter ends"]
    assert (run.returncode, run.stdout.splitlines()) == (2, said)
