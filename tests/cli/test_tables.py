"""Training on a table by command, and predicting with the model."""

import io
import json
import os
import signal
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

import fathom as library
from fathom.cli.screen import Screen, StopRequest
from fathom.cli.train import SearchView
from fathom.data.tables import read_table
from fathom.training.history import Epoch, Event

P = ["probability_leaves", "probability_stays"]


def rows_of(run):
    """Return the predictions in a command's CSV."""
    return pl.read_csv(io.StringIO(run.out))


@pytest.fixture(scope="module")
def features(customers):
    return customers.drop("churn")


@pytest.fixture(scope="module")
def expected(model, features):
    return library.load(model).predict_proba(features)


@pytest.fixture
def predict(fathom, model, tmp_path):
    """Predict the rows of a frame."""

    def run(frame, *arguments, **options):
        frame.write_csv(tmp_path / "rows.csv")
        return fathom("predict", model, "rows.csv", *arguments, **options)

    return run


def test_training_tells_everything_in_json_lines(trained, customers):
    folder, run = trained
    assert run.code == 0, run.err
    assert run.err == ""
    events = {event["event"]: event for event in run.events}
    names = list(dict.fromkeys(event["event"] for event in run.events))
    assert [name for name in names if name != "note"] == [
        "data", "columns", "network", "epoch", "report", "done",
    ]  # fmt: skip
    data = events["data"]
    assert (data["rows"], data["columns"], data["task"]) == (200, 6, "classes")
    kinds = {column["name"]: column["kind"] for column in events["columns"]["columns"]}
    assert kinds == {
        "ticket": "identifier", "age": "number", "spent": "number", "city": "category",
        "is member": "yes_no", "since": "date",
    }  # fmt: skip
    assert events["report"]["n_train"] + events["report"]["n_held_out"] == customers.height
    done = run.events[-1]
    assert done.keys() == {"event", "metric", "score", "seconds", "output"}
    assert done["metric"] == "log loss"
    assert done["score"] == events["report"]["validation_loss"]
    assert done["seconds"] < 3 * 4  # however slow the machine becomes meanwhile
    assert done["output"] == "m.fathom"
    assert (folder / "m.fathom").is_file()


def test_training_says_in_words_what_it_took_the_columns_for(fathom, customers, tmp_path):
    many = customers.with_columns(pl.col("age").alias(f"age {n}") for n in range(12))
    many.write_csv(tmp_path / "my customers.csv")
    run = fathom("train", "my customers.csv", "--target", "churn", "--time-limit", 1)
    assert run.code == 0, run.err
    for part in (
        "my customers.csv: 200 rows, 18 columns; churn is one of 2 classes",
        "  number      age, spent, age 0, age 1, age 2, age 3, age 4, age 5 and 6 more\n",
        "  yes/no      is member\n", "  left out    ticket (identifier)\n",
        "overrule with --kind COLUMN=KIND", "held-out rows", "always giving the same answer",
        "Saved as model.fathom after", "fathom predict model.fathom 'my customers.csv'",
        "fathom train --continue model.fathom",
    ):  # fmt: skip
        assert part in run.out, part
    assert run.out.index("overrule with") < run.out.index("best network")
    assert (tmp_path / "model.fathom").is_file()


def test_predictions_are_those_of_the_library(predict, trained, features, expected):
    folder, _ = trained
    as_csv = predict(features)
    assert (as_csv.code, as_csv.err) == (0, "")
    assert rows_of(as_csv).columns == ["churn", *P, "is_unusual"]
    np.testing.assert_array_equal(rows_of(as_csv)[P].to_numpy(), expected)
    as_json = predict(features, "--json").events
    assert [event["row"] for event in as_json[:-1]] == list(range(1, 201))
    assert [[event["values"][p] for p in P] for event in as_json[:-1]] == expected.tolist()
    assert as_json[-1].items() >= {"event": "done", "count": 200, "output": None}.items()
    as_text = library.load(folder / "m.fathom").predict_proba(
        read_table(folder / "customers.csv").frame.drop("churn")
    )
    np.testing.assert_array_equal(as_text, expected)
    chosen = np.array(["leaves", "stays"])[expected.argmax(axis=1)]
    assert rows_of(as_csv)["churn"].to_list() == chosen.tolist()


def test_predictions_learned_something(customers, expected):
    is_right = (expected[:, 0] > 0.5) == (customers["churn"] == "leaves").to_numpy()
    assert is_right.mean() > 0.55  # a busy machine has time for a linear network only


def test_predictions_keep_the_order_and_carry_columns_over(predict, features, expected, tmp_path):
    order = np.random.default_rng(1).permutation(200)
    shuffled = features[order]
    run = predict(shuffled, "--id", "ticket", "--id", "city", "--output", "p.csv")
    assert run.code == 0
    assert "200 predictions written to p.csv" in run.out
    written = pl.read_csv(tmp_path / "p.csv")
    assert written.columns == ["ticket", "city", "churn", *P, "is_unusual"]
    assert written["ticket"].to_list() == shuffled["ticket"].to_list()
    np.testing.assert_allclose(written[P].to_numpy(), expected[order], rtol=1e-12)
    run = predict(features.with_columns(churn=pl.lit("?")), "--keep", "--output", "p.parquet")
    kept = pl.read_parquet(tmp_path / "p.parquet")
    assert kept.columns == [*features.columns, "churn", "predicted_churn", *P, "is_unusual"]


def test_a_terminal_is_shown_the_first_rows(predict, features):
    run = predict(features, is_terminal=True)
    assert "probability_leaves" in run.out
    assert "and 190 more; --output FILE.csv writes all" in run.out
    assert len(run.out.splitlines()) < 20


def test_formulas_are_escaped_on_stdout_as_in_a_file(predict, features):
    evil = features.with_columns(ticket=pl.lit("=cmd|'/c calc'!A0"))
    assert rows_of(predict(evil, "--id", "ticket"))["ticket"][0] == "'=cmd|'/c calc'!A0"


def test_rows_67_68_and_74_other_columns_change_nothing(predict, customers, expected):
    odd = customers.select(reversed(customers.columns)).with_columns(shoe=pl.lit(42))
    run = predict(odd)
    np.testing.assert_array_equal(rows_of(run)[P].to_numpy(), expected)
    assert run.err.count("not known from training and ignored: shoe") == 1
    assert "churn" not in run.err


def test_row_66_a_missing_column_is_refused(predict, features):
    said = predict(features.drop("city").rename({"age": "agee"})).refusal
    assert "missing: age, city" in said
    assert "did you mean agee?" in said
    assert predict(features.drop("ticket")).code == 0  # which is not used


def test_row_69_unseen_categories_are_counted(predict, features):
    strange = features.with_columns(
        city=pl.when(pl.int_range(200) < 7).then(pl.lit("Graz")).otherwise("city")
    )
    run = predict(strange)
    assert "city: 7 values are not among the categories of training" in run.err
    assert "7 rows are unlike those of training" in run.err
    assert rows_of(run)["is_unusual"].to_list() == [True] * 7 + [False] * 193


def test_row_70_text_where_numbers_were(predict, features):
    few = features.with_columns(
        age=pl.when(pl.int_range(200) < 3).then(pl.lit("old")).otherwise(pl.col("age").cast(str))
    )
    assert "3 values are not readable as numbers, taken as missing" in predict(few).err
    said = predict(features.with_columns(age=pl.lit("old"))).refusal
    assert "numbers in column age, as in training" in said


def test_row_71_no_rows_give_the_columns_alone(predict, features, tmp_path):
    run = predict(features.clear())
    assert run.out == "churn,probability_leaves,probability_stays,is_unusual\n"
    features.clear().write_parquet(tmp_path / "no.parquet")
    as_json = predict(features.clear(), "--json").events
    assert as_json[-1].items() >= {"event": "done", "count": 0}.items()


def test_rows_72_and_73_empty_and_far_rows_are_predicted_and_flagged(predict, features, model):
    rows = features.head(3).with_columns(pl.lit(None).alias(name) for name in features.columns)
    far = features.tail(1).with_columns(age=pl.lit(5000))
    given = pl.concat([rows, far, features.head(1)], how="vertical_relaxed")
    run = predict(given)
    found = rows_of(run)
    assert found["is_unusual"].to_list() == [True] * 4 + [False]
    assert library.load(model).find_unusual(given).tolist() == [True] * 4 + [False]
    np.testing.assert_allclose(found[P].sum_horizontal().to_numpy(), 1)
    assert "3 rows are without any value" in run.err
    assert "1 value is far outside the range of training" in run.err


def test_what_is_read_is_never_written_over(fathom, predict, features, model, tmp_path):
    before = model.read_bytes()
    features.write_csv(tmp_path / "t.csv")
    assert "--output other than" in predict(features, "--output", "rows.csv").refusal
    os.link(model, tmp_path / "same.csv")
    assert "--output other than" in predict(features, "--output", "same.csv").refusal
    assert model.read_bytes() == before
    said = fathom("train", "t.csv", "--target", "city", "--output", "t.csv").refusal
    assert "--output other than" in said


def test_wishes_that_cannot_be_met(predict, features, fathom, model):
    assert "did you mean ticket?" in predict(features, "--id", "tickets").refusal
    assert ".csv, .tsv" in predict(features, "--output", "p.docx").refusal
    assert "absent" in predict(features, "--output", "absent/p.csv").refusal
    assert "one table" in fathom("predict", model, "a.csv", "b.csv").refusal
    assert "absent.csv" in fathom("predict", model, "absent.csv").refusal


def test_a_search_goes_on_where_it_was(trained, fathom, tmp_path):
    folder, run = trained
    asked = ("--continue", folder / "m.fathom", "--output", "c.fathom", "--time-limit", 1)
    more = fathom("train", *asked, "--json")
    assert more.code == 0, more.err
    before, after = (
        next(event for event in one.events if event["event"] == "report") for one in (run, more)
    )
    assert len(after["candidates"]) >= len(before["candidates"])
    assert [c["genes"] for c in after["candidates"]][: len(before["candidates"])] == [
        c["genes"] for c in before["candidates"]
    ]
    assert more.events[-1]["output"] == "c.fathom"
    assert library.load(tmp_path / "c.fathom").classes_.tolist() == ["leaves", "stays"]
    assert "--seed as in the first training" in fathom("train", *asked, "--seed", 7).refusal
    assert "--target as in the first" in fathom("train", *asked, "--target", "city").refusal
    assert "--kind as in the first" in fathom("train", *asked, "--kind", "age=category").refusal


def test_a_search_without_a_record_needs_its_table(trained, fathom, customers, tmp_path):
    folder, _ = trained
    moved = tmp_path / "moved.fathom"
    moved.write_bytes((folder / "m.fathom").read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FATHOM_CACHE", str(tmp_path / "cache"))
        said = fathom("train", "--continue", moved).refusal
        assert "fathom train TABLE --target COLUMN --continue" in said
        customers.head(150).write_csv(tmp_path / "other.csv")
        customers.write_csv(tmp_path / "same.csv")
        asked = ("--target", "churn", "--continue", moved, "--time-limit", 1)
        assert "200 rows" in fathom("train", "other.csv", *asked).refusal
        said = fathom("train", "same.csv", "--continue", moved, "--target", "city").refusal
        assert "another target" in said
        assert "--kind" in fathom("train", "same.csv", *asked, "--kind", "age=number").refusal
        assert fathom("train", "same.csv", *asked).code == 0


def test_asked_to_stop_training_keeps_the_best_and_says_130(trained, tmp_path):
    command = [sys.executable, "-m", "fathom", "train", trained[0] / "customers.csv"]
    with subprocess.Popen(
        [*command, "--target", "churn", "--time-limit", "3000", "--json"], cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        for line in process.stdout:
            if json.loads(line)["event"] == "epoch":
                process.send_signal(signal.SIGINT)
                break
        rest, errors = process.communicate(timeout=300)  # long before the time is over
    assert process.returncode == 130
    assert errors == "Stopping; the best so far is kept. Once more to quit at once.\n"
    assert json.loads(rest.splitlines()[-1])["output"] == "model.fathom"
    assert library.load(tmp_path / "model.fathom").n_features_in_ == 6


def test_a_reader_that_stops_reading_is_no_error(trained):
    folder, _ = trained
    command = f"{sys.executable} -m fathom predict m.fathom customers.csv | head -n 1"
    run = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True)
    assert run.stdout == "churn,probability_leaves,probability_stays,is_unusual\n"
    assert run.stderr == ""


def test_what_a_thread_says_after_the_search_is_not_shown(capsys):
    screen = Screen(is_json=True)
    view = SearchView(screen, 1.0, StopRequest(screen))
    epoch = Epoch(epoch=1, train_loss=1, train_score=0, learning_rate=1, seconds=0)
    with view.shown():
        view.on_epoch(0, epoch)
    view.on_epoch(0, epoch)
    view.on_event(0, Event(epoch=1, kind="stopped", text="late"))
    assert len(capsys.readouterr().out.splitlines()) == 1
