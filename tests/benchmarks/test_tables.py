"""The benchmark of tables: its report on invented results, and going on where it stopped."""

import importlib.util
import json
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

PATH = Path(__file__).resolve().parents[2] / "benchmarks" / "tables.py"


@pytest.fixture(scope="module")
def tables():
    spec = importlib.util.spec_from_file_location("benchmark_of_tables", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def classes(table, system, limit=None, split=0, error=0.1, loss=0.3, seconds=1.0, **more):
    return {
        "table": table, "task": "binary", "rows": 500, "split": split, "system": system,
        "time_limit": limit, "error": error, "log_loss": loss, "ece": 0.02, "auc": 0.9,
        "n_test": 100, "fit_seconds": seconds, "wall_seconds": seconds + 1, "failure": "", **more,
    }  # fmt: skip


def numbers(table, system, limit=None, rmse=1.0, **more):
    line = classes(table, system, limit, **more)
    for name in ("error", "log_loss", "ece", "auc"):
        del line[name]
    return {**line, "task": "regression", "rmse": rmse, "r2": 0.5}


def failure(table, system, limit=None):
    line = classes(table, system, limit)
    del line["error"], line["log_loss"], line["ece"], line["fit_seconds"]
    return {**line, "failure": "MemoryError (exit code 1)"}


LINES = [
    classes("a", "Fathom", 20, error=0.10, loss=0.20, seconds=20.5),
    classes("a", "trees", error=0.10, loss=0.30),
    classes("a", "net", error=0.20, loss=0.40),
    classes("b", "Fathom", 20, error=0.00, loss=0.10, seconds=23.0),
    classes("b", "trees", error=0.01, loss=0.20),
    failure("b", "net"),
    numbers("c", "Fathom", 20, rmse=2.0, seconds=21.5),
    numbers("c", "trees", rmse=1.0),
    numbers("c", "net", rmse=4000.0),
]


def by_system(tables, metric, lines=LINES):
    cells = tables.cells_of(lines, metric)
    systems = sorted({name for cell in cells.values() for name in cell})
    return {row["system"]: row for row in tables.standing(cells, systems, metric)}


def test_ranks_share_ties_and_put_failures_last(tables):
    assert tables.ranks([0.2, 0.1, 0.2, float("inf")]) == [2.5, 1.0, 2.5, 4.0]
    found = by_system(tables, "error")
    assert found["Fathom 20 s"]["mean rank"] == (1.5 + 1) / 2
    assert found["trees"]["mean rank"] == (1.5 + 2) / 2
    assert found["net"]["mean rank"] == 3
    assert [found[name]["failures"] for name in ("Fathom 20 s", "trees", "net")] == [0, 0, 1]


def test_distance_and_wins(tables):
    found = by_system(tables, "log_loss")
    assert found["trees"]["above the best"] == pytest.approx((0.5 + 1.0) / 2)
    assert found["net"]["above the best"] == pytest.approx(1.0)
    assert found["Fathom 20 s"]["win rate"] == 1
    assert found["Fathom 20 s"]["best on"] == 2
    # no mistake at all: one row more wrong on both sides
    assert by_system(tables, "error")["trees"]["above the best"] == pytest.approx(0.5)
    assert by_system(tables, "rmse")["trees"]["best on"] == 1


def test_the_promise(tables):
    assert [tables.is_kept(line) for line in LINES if line["system"] == "Fathom"] == [
        True, False, True,
    ]  # fmt: skip
    assert "| Fathom 20 s | 3 | 1 | +3.0 s |" in tables.report(LINES)


def test_the_report_says_it_all(tables):
    text = tables.report(LINES)
    for wanted in (
        "| a | **10.00** | 20.00 | **10.00** |",
        "| b | **0.1000** | failed | 0.2000 |",
        "| c | 2.000 | 4,000.0 | **1.000** |",
        "2 splits of 2 tables",
        "| b | 0 | net | None | MemoryError (exit code 1) |",
        "Calibration on tables under 3,000 rows",
    ):
        assert wanted in text
    assert "Quality against time" not in text


def test_several_limits_are_ranked_apart_and_make_a_curve(tables):
    lines = [*LINES, classes("a", "Fathom", 60, loss=0.1), classes("b", "Fathom", 60, loss=0.1)]
    text = tables.report(lines)
    assert text.split("### Over the tables: log loss")[1].count("2 splits of 2 tables") == 2
    assert "| log loss | Fathom 20 s | 50.0 % | 1.75 | 2 |" in text
    assert "| log loss | Fathom 60 s | 0.0 % | 1.25 | 2 |" in text


def test_a_system_run_on_some_tables_only_is_ranked_on_those(tables):
    lines = [*LINES, classes("a", "slow", error=0.05, loss=0.05)]
    text = tables.standings(lines, "log_loss")
    assert "2 splits of 2 tables" in text
    assert "1 split of 1 table\n" in text
    assert text.count("slow") == 1


def test_results_without_any_of_fathom(tables):
    text = tables.report([line for line in LINES if line["system"] != "Fathom"])
    assert "The promise" not in text
    assert "| trees | 1.00 |" in text


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
    found, failed = (tables.run_alone(job, folder, 60.0) for job in jobs)
    assert found["failure"] == ""
    assert found["error"] < 0.3
    assert found["fit_seconds"] < found["wall_seconds"]
    assert "missing.csv" in failed["failure"]


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


def test_the_command_line(tables, folder, monkeypatch, capsys):
    output = folder / "results.jsonl"
    output.write_text("\n".join(map(json.dumps, LINES)))
    monkeypatch.setattr(sys, "argv", ["tables.py", "--report", "--output", str(output)])
    tables.main()
    assert capsys.readouterr().out.strip() == tables.report(LINES)
