"""How good a model is, and what others make of the same rows, by command."""

import importlib
import signal

import numpy as np
import polars as pl
import pytest

import fathom as library
from fathom.data.schema import Target
from fathom.deployment.answers import predicted_columns
from fathom.estimators.evaluation import evaluate_classes

CHURN = ("--target", "churn")
compare = importlib.import_module("fathom.cli.compare")


@pytest.fixture
def evaluate(fathom, model, tmp_path):
    """Evaluate the model on a frame."""

    def run(frame, *arguments):
        frame.write_csv(tmp_path / "rows.csv")
        return fathom("evaluate", model, "rows.csv", *arguments)

    return run


def test_metrics_are_those_of_the_library(evaluate, customers, model):
    run = evaluate(customers, "--json")
    assert (run.code, run.err) == (0, "")
    found, done = run.events
    p = library.load(model).predict_proba(customers.drop("churn"))
    y = (customers["churn"] == "stays").to_numpy().astype(int)
    expected = evaluate_classes(y, p, ("leaves", "stays")).model_dump(mode="json")
    assert {name: found[name] for name in expected} == expected
    assert done.items() >= {"event": "done", "metric": "accuracy", "output": None}.items()
    assert done["score"] == pytest.approx(((p[:, 1] > 0.5) == y).mean())
    said = evaluate(customers).out
    for part in ("200 rows", "accuracy", "ROC AUC", "log loss", "Brier", "leaves", "taken for"):
        assert part in said


def test_classes_that_are_unknown_are_left_out_and_said(evaluate, customers):
    odd = pl.int_range(200) < 5
    rows = customers.with_columns(churn=pl.when(odd).then(pl.lit("?!")).otherwise("churn"))
    found = evaluate(rows, "--json").events[0]
    assert found["n_rows"] == 195
    assert found["notes"] == [
        "5 rows with a class that is missing or unknown to the model left out"
    ]
    known = evaluate(customers.filter(~odd), "--json").events[0]
    assert found["metrics"] == known["metrics"]


def test_figures_on_the_rows_of_training_are_called_too_good(fathom, trained):
    folder, _ = trained
    asked = ("evaluate", folder / "m.fathom", folder / "customers.csv")
    assert fathom(*asked).out.count("trained on these very rows") == 1
    assert "very rows, so" in fathom(*asked, "--json").events[0]["notes"][0]


def test_one_row_can_be_evaluated(evaluate, customers):
    run = evaluate(customers.head(1))
    assert run.code == 0
    assert "not defined" in run.out


def test_the_target_under_another_name(evaluate, customers):
    renamed = customers.rename({"churn": "left?"})
    assert "'left?'" not in evaluate(renamed).refusal
    same = [evaluate(customers, "--json"), evaluate(renamed, "--json", "--target", "left?")]
    assert same[0].events[0] == same[1].events[0]
    both = renamed.with_columns(churn=pl.lit("stays"))
    assert evaluate(both, "--json", "--target", "left?").events[0] == same[0].events[0]


def test_a_wrong_target_is_refused(evaluate, customers, fathom, model):
    assert "from which the model predicts" in evaluate(customers, "--target", "age").refusal
    assert "one of leaves, stays as target" in evaluate(customers, "--target", "ticket").refusal
    assert "the column of right answers" in evaluate(customers, "--target", "churn,city").refusal
    said = evaluate(customers.rename({"churn": "chrun"})).refusal
    assert "the target churn in the table" in said
    assert "did you mean chrun?" in said
    assert "columns of training" in evaluate(customers.drop("city")).refusal
    assert "no data rows" in evaluate(customers.clear()).refusal
    assert "absent.csv" in fathom("evaluate", model, "absent.csv").refusal
    assert "absent.fathom" in fathom("evaluate", "absent.fathom", "rows.csv").refusal


class Stub:
    """A model whose classes are called like columns."""

    def __init__(self, target, p):
        self.schema_ = type("Schema", (), {"target": target})
        self.predict_proba = lambda frame: np.array(p)


def test_columns_of_predictions_never_hide_each_other():
    target = Target(task="classes", classes=("a", "b"), names=("probability_a",))
    found = predicted_columns(Stub(target, [[0.3, 0.7]]), pl.DataFrame({"x": [1]}))
    assert found.rows(named=True) == [
        {"probability_a": "b", "probability_a_2": 0.3, "probability_b": 0.7}
    ]
    labels = ("a", "probability_a")
    target = Target(task="labels", n_outputs=2, is_flat=False, names=labels)
    found = predicted_columns(Stub(target, [[0.3, 0.7]]), pl.DataFrame({"x": [1]}))
    assert found.row(0) == (0, 1, 0.3, 0.7)


def test_fathom_and_others_are_tested_on_the_same_rows(fathom, customers, tmp_path):
    customers.write_csv(tmp_path / "t.csv")
    asked = ("compare", "t.csv", *CHURN, "--time-limit", 1, "--peers", "linear,k-NN")
    run = fathom(*asked)
    assert (run.code, run.err) == (0, "")
    for part in (
        "Everyone learns from the same 160 rows and is tested on 40 others", "Fathom …", "linear …",
        "Best first", "log loss", "accuracy", "ROC AUC", "seconds",
    ):  # fmt: skip
        assert part in run.out, part
    rows = [line for line in run.out.splitlines() if line.startswith("│")]
    assert {row.split()[1] for row in rows} == {"Fathom", "linear", "k-NN"}
    assert all(row.count("[") == 3 for row in rows)  # an interval to each metric, in one line
    narrow = fathom(*asked, "--json")
    done = narrow.events[-1]
    assert done.keys() == {"event", "best", "metric", "score", "seconds", "output", "results"}
    losses = [result["metrics"]["log loss"] for result in done["results"]]
    assert losses == sorted(losses)
    assert losses[0][0] == done["score"]
    assert all(low < value < high for value, low, high in losses)
    assert done["best"] == done["results"][0]["system"]


def test_a_failing_system_is_a_line(fathom, customers, tmp_path, monkeypatch):
    class Broken:
        def fit(self, frame, y):
            raise KeyError("out of\nluck")

    class Guessing:
        notes_ = ("did not converge",)
        classes_ = (0, 1)

        def fit(self, frame, y):
            return self

        def predict_proba(self, frame):
            return np.full((len(frame), 2), 0.5)

    others = {"Broken": Broken(), "Guessing": Guessing()}
    monkeypatch.setattr(compare, "make_peers", lambda *_, **__: others)
    monkeypatch.setattr(compare, "_fathom", lambda *_: Guessing())
    monkeypatch.setattr(
        compare, "_fitter", lambda *_: lambda system, frame, y: system.fit(frame, y)
    )
    customers.write_csv(tmp_path / "t.csv")
    asked = ("compare", "t.csv", *CHURN, "--peers", "Broken,Guessing")
    run = fathom(*asked)
    assert (run.code, run.err) == (0, "")
    assert "Broken failed: 'out of\\nluck'" in run.out
    assert "Guessing: did not converge" in run.out
    results = fathom(*asked, "--json").events[-1]["results"]
    assert [result["system"] for result in results] == ["Fathom", "Guessing", "Broken"]
    assert "luck" in results[-1]["failure"]


def test_numbers_are_compared(fathom, customers, tmp_path):
    customers.write_csv(tmp_path / "t.csv")
    asked = ("--target", "age", "--time-limit", 1, "--peers", "linear", "--json")
    done = fathom("compare", "t.csv", *asked).events[-1]
    assert done["metric"] == "RMSE"
    assert {"RMSE", "MAE", "R²"} <= done["results"][0]["metrics"].keys()


def test_asked_to_stop_comparing_shows_what_there_is(fathom, customers, tmp_path, monkeypatch):
    class Interrupting:
        classes_ = (0, 1)

        def fit(self, frame, y, **_):
            signal.raise_signal(signal.SIGINT)

        def predict_proba(self, frame):
            return np.full((len(frame), 2), 0.5)

    monkeypatch.setattr(compare, "_fathom", lambda *_: Interrupting())
    told = []
    monkeypatch.setattr("fathom.cli.screen.os.write", lambda _, text: told.append(text))
    customers.write_csv(tmp_path / "t.csv")
    run = fathom("compare", "t.csv", *CHURN, "--peers", "linear", "--json")
    assert run.code == 130
    (result,) = run.events[-1]["results"]
    assert (result["system"], result["failure"]) == ("Fathom", "")
    assert told[0].startswith(b"Stopping; the best so far is kept.")


COMPARISONS = [
    (("--peers", "linaer"), "one of linear"),
    (("--time-limit", "0"), "--time-limit above 0"),
    (("--seed", "-1"), "--seed"),
    (("--test-share", "1"), "--test-share"),
    (("--test-share", "nan"), "--test-share"),
    (("--target", "chrun"), "did you mean churn?"),
    (("--target", "age,city"), "numbers in age"),
    (("--task", "labels"), "labels"),
]


@pytest.mark.parametrize(
    ("asked", "message"), COMPARISONS, ids=[" ".join(a) for a, _ in COMPARISONS]
)
def test_comparisons_that_cannot_be_made(fathom, customers, tmp_path, asked, message):
    customers.write_csv(tmp_path / "t.csv")
    target = () if "--target" in asked else CHURN
    assert message in fathom("compare", "t.csv", *target, *asked).refusal
