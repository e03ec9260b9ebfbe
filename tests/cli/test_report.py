"""Reports by command."""

import re

import numpy as np
import polars as pl
import pytest

from fathom import Architecture, Dense, FathomClassifier, Flatten, Recipe, load, load_digits, save


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """Return a file with a network that reads digits, trained a little."""
    digits = load_digits()
    layers = (Flatten(), Dense(units=16), Dense(units=10, activation="softmax"))
    described = Architecture(input_shape=(16, 16, 1), layers=layers, loss="cross_entropy")
    model = FathomClassifier(described, Recipe(epochs=4), random_state=0)
    path = tmp_path_factory.mktemp("reader") / "digits.fathom"
    save(model.fit(digits.x_train, digits.y_train), path)
    return path


@pytest.fixture
def table(customers, tmp_path):
    customers.write_csv(tmp_path / "fresh.csv")
    return "fresh.csv"


def test_it_writes_a_page_and_says_the_most_important(fathom, model, table, tmp_path):
    run = fathom("report", model, "--data", table, "-o", "r.html")
    assert (run.code, run.err) == (0, "")
    assert "Looking at" in run.out
    assert "It is right in" in run.out
    assert "Written to r.html" in run.out
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert page.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert len(page) < 5_000_000
    assert "<script" not in page
    assert str(tmp_path) not in page
    for part in ("fresh.csv", "churn", "leaves", "Confusion matrix", "city", "How they learned"):
        assert part in page, part


def test_the_page_is_the_same_again(fathom, model, table, tmp_path):
    fathom("report", model, "--data", table, "-o", "a.html")
    fathom("report", model, "--data", table, "-o", "b.html")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_json_lines_hold_the_figures_of_evaluate(fathom, model, table):
    run = fathom("report", model, "--data", table, "--json", "--lang", "zh")
    assert (run.code, run.err) == (0, "")
    metrics = {e["name"]: e for e in run.events if e["event"] == "metric"}
    others = fathom("evaluate", model, table, "--json").events
    evaluation = next(e for e in others if e["event"] == "evaluation")
    for one in evaluation["metrics"]:
        mine = metrics[one["name"]]
        for name in ("value", "low", "high"):
            assert mine[name] == pytest.approx(one[name], abs=1e-12), one["name"]
    findings = [e for e in run.events if e["event"] == "finding"]
    assert {"report_accuracy", "search_tried", "asked_classes"} <= {e["code"] for e in findings}
    assert all(re.search(r"[\u4e00-\u9fff]", e["text"]) for e in findings)
    assert run.events[-1]["event"] == "done"
    assert run.events[-1]["output"] == "report.html"


def test_the_table_of_training_is_found_and_called_so(fathom, trained, tmp_path):
    folder, _ = trained
    run = fathom("report", folder / "m.fathom", "-o", "r.html")
    assert run.code == 0
    assert "most likely the rows it was trained on" in run.out


def test_a_sample_keeps_the_numbers_of_rows(fathom, model, table, customers):
    run = fathom("report", model, "--data", table, "--rows", 60, "--json")
    found = {e["code"]: e["numbers"] for e in run.events if e["event"] == "finding"}
    assert found["data_rows_drawn"] == {"n_rows": 60, "n_all": 200}
    if "worst_surest" in found:
        worst = found["worst_surest"]
        assert customers["churn"][worst["row"] - 1] == worst["truth"]


def test_another_name_of_the_target(fathom, model, customers, tmp_path):
    customers.rename({"churn": "left us"}).write_csv(tmp_path / "other.csv")
    run = fathom("report", model, "--data", "other.csv", "--target", "left us")
    assert run.code == 0
    assert "left us" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_pictures_of_digits(fathom, reader, tmp_path):
    run = fathom("report", reader, "--lang", "zh", "-o", "d.html")
    assert (run.code, run.err) == (0, "")
    page = (tmp_path / "d.html").read_text(encoding="utf-8")
    digits = load_digits()
    wrong = int((load(reader).predict(digits.x_test) != digits.y_test).sum())
    drawn = page.count("data:image/png;base64,")
    # mistakes, each with what spoke for them, and the weights of 16 neurons
    assert drawn == 2 * min(wrong, 12) + 16
    assert "混淆矩阵" in page


def test_names_that_look_like_markup_stay_text(fathom, customers, tmp_path):
    evil = "<script>alert(1)</script>"
    table = customers.rename({"age": evil}).with_columns(
        pl.col("city").replace({"Ulm": "<img src=x onerror=alert(1)>"})
    )
    table.write_csv(tmp_path / "t.csv")
    asked = ("--target", "churn", "--time-limit", 1.5, "--output", "m.fathom")
    assert fathom("train", "t.csv", *asked).code == 0
    assert fathom("report", "m.fathom", "--data", "t.csv").code == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--lang", "fr"), "--lang en or zh"),
        (("--rows", 1), "--rows of 2 or more"),
        (("-o", "report.pdf"), "--output that ends in .html"),
        (("-o", "nowhere/r.html"), "--output in a folder that is there"),
        (("--target", "nothing"), "the target nothing in the table"),
        (("--data", "absent.csv"), "absent.csv"),
    ],
)
def test_bad_options_are_refused_in_one_line(fathom, model, table, options, said):
    given = options if "--data" in options else ("--data", table, *options)
    assert said in fathom("report", model, *given).refusal


def test_a_table_without_any_known_target_is_refused(fathom, model, customers, tmp_path):
    customers.with_columns(churn=pl.lit("perhaps")).write_csv(tmp_path / "t.csv")
    refusal = fathom("report", model, "--data", "t.csv").refusal
    assert "target" in refusal


def test_numbers_read_as_in_evaluate(fathom, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 2)).round(3)
    pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": (2 * x[:, 0]).round(3)}).write_csv(
        tmp_path / "n.csv"
    )
    fathom("train", "n.csv", "--target", "y", "--time-limit", 1.5, "--output", "n.fathom")
    run = fathom("report", "n.fathom", "--data", "n.csv", "--json")
    metrics = {e["name"]: e["value"] for e in run.events if e["event"] == "metric"}
    evaluated = fathom("evaluate", "n.fathom", "n.csv", "--json").events
    others = next(e for e in evaluated if e["event"] == "evaluation")["metrics"]
    assert metrics == {one["name"]: pytest.approx(one["value"]) for one in others}
