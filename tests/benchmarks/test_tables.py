"""The benchmark of tables: its runs, the commands among them, and going on where it stopped."""

import json
import signal
import subprocess
import sys
from argparse import Namespace

import numpy as np
import pandas as pd
import pytest


def given(output, data, **more):
    fields = {
        "data": data, "tables": None, "splits": 2, "time_limit": [5.0], "peers": "linear",
        "command": False, "timeout": 60.0, "again": False, "output": output, **more,
    }  # fmt: skip
    return Namespace(**fields)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=60)
    frame = pd.DataFrame({
        "x": [f"{v:.3f}" if i % 9 else " " for i, v in enumerate(x)],
        "when": [f"2024-01-{1 + i % 28:02} 10:00:00" for i in range(60)],
        "word": rng.choice(["a", "b"], 60),
        "y": np.where(x > 0, "up", "down"),
    })  # fmt: skip
    frame.loc[0, "y"] = "alone"
    frame.to_csv(tmp_path / "small.csv", index=False)
    described = {"task": "multiclass", "target": "y", "columns": 3}
    suite = [
        {"name": "large", "file": "missing.csv", "rows": 6000, **described},
        {"name": "small", "file": "small.csv", "rows": 60, **described},
    ]
    (tmp_path / "suite.json").write_text(json.dumps(suite))
    return tmp_path


def test_it_goes_on_where_it_stopped(tables, folder, monkeypatch, capsys):
    run = []

    def pretend(job, data, timeout):
        run.append((job["table"]["name"], job["split"], job["system"], job["limit"]))
        if len(run) == 3:
            raise KeyboardInterrupt
        return {"wall_seconds": 1.0, "failure": "no end after 60 s" if len(run) == 1 else ""}

    monkeypatch.setattr(tables, "run_alone", pretend)
    output = folder / "results.jsonl"
    with pytest.raises(KeyboardInterrupt):
        tables.run_all(given(output, folder))
    assert run == [
        ("small", 0, "Fathom", 5.0), ("small", 0, "linear", None), ("large", 0, "Fathom", 5.0),
    ]  # fmt: skip
    with output.open("a") as file:
        file.write('{"table": "large", "spl')  # cut off
    run[:] = [None] * 3
    tables.run_all(given(output, folder, splits=1))
    assert run[3:] == [("large", 0, "Fathom", 5.0), ("large", 0, "linear", None)]
    lines = tables.read_lines(output)
    assert len(lines) == 4
    assert lines[0]["versions"]["numpy"] == np.__version__
    assert len(tables.remaining([{"table": {"name": "small"}, "split": 0, "system": "Fathom",
                                  "limit": 5.0}], lines, again=True)) == 1  # fmt: skip


def test_a_fit_in_a_process_of_its_own_and_one_that_fails(tables, folder):
    jobs = tables.plan(
        json.loads((folder / "suite.json").read_text()),
        given(None, folder, splits=1, time_limit=[]),
    )
    found, failed = (tables.run_alone(job, folder, 600.0) for job in jobs)
    assert found["failure"] == ""
    assert found["error"] < 0.3
    assert found["fit_seconds"] < found["wall_seconds"]
    assert "missing.csv" in failed["failure"]


@pytest.mark.slow
def test_the_commands_are_timed_whole_and_what_they_wrote_is_tested(tables, folder):
    table = json.loads((folder / "suite.json").read_text())[1]
    job = {"table": table, "split": 0, "system": tables.COMMAND, "limit": 3.0}
    found = tables.run_alone(job, folder, 600.0)
    assert found["failure"] == ""
    assert found["n_test"] == 12
    assert found["error"] < 0.4
    assert 0.5 < found["fit_seconds"] < found["wall_seconds"] - found["predict_seconds"]


def test_a_command_that_fails_says_why(tables, tmp_path):
    with pytest.raises(RuntimeError, match=r"fathom train ended with 2: fathom: expected"):
        tables.seconds_of_command(["train", "absent.csv", "--target", "y"], str(tmp_path))


def test_an_interrupted_run_leaves_nothing_running(tables, folder, monkeypatch):
    started = []

    class Interrupted(subprocess.Popen):
        def communicate(self, input=None, timeout=None):
            if timeout is not None:
                started.append(self)
                raise KeyboardInterrupt
            return super().communicate()

    monkeypatch.setattr(tables.subprocess, "Popen", Interrupted)
    jobs = tables.plan(json.loads((folder / "suite.json").read_text()), given(None, folder))
    with pytest.raises(KeyboardInterrupt):
        tables.run_alone(jobs[0], folder, 600.0)
    assert started[0].returncode == -signal.SIGKILL


def test_dates_become_days(tables):
    when = pd.to_datetime(["1970-01-02 12:00", None])
    frame = pd.DataFrame({"when": when, "x": [1, 2], "word": ["a", "b"]})
    days = tables.dates_to_days(frame)
    assert days["when"].tolist() == pytest.approx([1.5, np.nan], nan_ok=True)
    pd.testing.assert_frame_equal(days[["x", "word"]], frame[["x", "word"]])
    assert list(days) == list(frame)


def test_time_limits(tables):
    assert tables.limits_of(["5", "20,60", "5"]) == [5.0, 20.0, 60.0]
    assert tables.limits_of(["none"]) == []
    for wrong in ("0", "-1", "inf", "nan", "soon"):
        with pytest.raises(SystemExit, match="--time-limit above 0"):
            tables.limits_of(["5", wrong])


def test_the_split_is_the_same_for_everyone(tables, folder):
    table = json.loads((folder / "suite.json").read_text())[1]
    x_train, y_train, x_test, y_test, known = tables.split(table, folder, 3)
    again = tables.split(table, folder, 3)
    pd.testing.assert_frame_equal(x_train, again[0])
    assert len(x_test) == 12
    assert "alone" in y_train
    assert known.tolist() == ["alone", "down", "up"]
    assert [column.kind for column in tables.describe(x_train)] == ["number", "date", "category"]
    assert not set(x_train.index) & set(x_test.index)
    assert (y_test == "up").sum() in (5, 6, 7)


def test_unknown_peers_are_refused(tables, folder):
    with pytest.raises(SystemExit, match="XGBoost"):
        tables.plan([], given(None, folder, peers="forest"))


def test_peers_that_are_not_installed_are_left_out(tables, folder, monkeypatch, capsys):
    monkeypatch.setattr(tables.importlib.util, "find_spec", lambda name: None)
    small = json.loads((folder / "suite.json").read_text())[1:]
    asked = given(None, folder, splits=1, time_limit=[], peers="XGBoost,linear,AutoGluon")
    assert [job["system"] for job in tables.plan(small, asked)] == ["linear"]
    assert "pip install autogluon.tabular" in capsys.readouterr().out


def test_unknown_tables_are_refused(tables, folder):
    with pytest.raises(SystemExit, match="expected --tables of large, small, got tiny"):
        tables.run_all(given(folder / "results.jsonl", folder, tables="small,tiny"))


def test_the_command_line(tables, ranks, folder, monkeypatch, capsys):
    output = folder / "results.jsonl"
    lines = [
        {"table": "a", "task": "regression", "rows": 9, "split": 0, "system": system, "rmse": rmse,
         "time_limit": None, "fit_seconds": 1.0, "wall_seconds": 2.0}
        for system, rmse in (("linear", 3.0), ("linear", 2.0), ("MLP", 4.0))
    ]  # fmt: skip
    output.write_text("\n".join(map(json.dumps, lines)))
    monkeypatch.setattr(sys, "argv", ["tables.py", "--report", "--output", str(output)])
    tables.main()
    assert capsys.readouterr().out.strip() == ranks.report(lines[1:])
    monkeypatch.setattr(sys, "argv", ["tables.py", "--output", str(output)])
    with pytest.raises(SystemExit):
        tables.main()
    assert "expected --data" in capsys.readouterr().err
