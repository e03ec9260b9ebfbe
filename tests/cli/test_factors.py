"""Several targets as factors of one answer, by command."""

import io

import numpy as np
import polars as pl
import pytest

import fathom as library


def make_people(n=500, seed=0):
    """Make people of whom none is m and red."""
    rng = np.random.default_rng(seed)
    sex = rng.integers(0, 2, n)
    hair = np.where(rng.random(n) < 0.6, sex, rng.integers(0, 3, n))
    hair[(sex == 1) & (hair == 2)] = 1
    return pl.DataFrame({
        "height": 170 + 10 * sex + rng.normal(0, 4, n),
        "light": (hair == 1) + rng.normal(0, 0.3, n),
        "warm": (hair == 2) + rng.normal(0, 0.3, n),
        "gender": np.array(["f", "m"])[sex],
        "hair": np.array(["dark", "fair", "red"])[hair],
    })  # fmt: skip


@pytest.fixture(scope="module")
def people():
    return make_people()


@pytest.fixture(scope="module")
def learned(tmp_path_factory, people, run_in):
    folder = tmp_path_factory.mktemp("people")
    people.write_csv(folder / "people.csv")
    asked = ("--target", "gender,hair", "--time-limit", 4, "--output", "m.fathom")
    return folder, run_in("train", "people.csv", *asked, cwd=folder)


@pytest.fixture(scope="module")
def run(learned, run_in):
    assert learned[1].code == 0, learned[1].err
    return lambda *arguments: run_in(*arguments, cwd=learned[0])


def read(found):
    assert found.code == 0, found.err
    return pl.read_csv(io.StringIO(found.out))


def test_training_says_what_it_takes_them_for_and_how_each_combination_fares(learned):
    run = learned[1]
    assert run.code == 0, run.err
    assert "gender, hair is 2 × 3 classes together, 5 combinations of them seen" in run.out
    assert "2 columns of classes are taken as factors of one answer" in run.out
    lines = [line for line in run.out.splitlines() if " + " in line]
    unseen = next(line for line in lines if line.startswith("m + red"))
    assert unseen.split()[3:] == ["0", "never", "seen", "0", "—", "—"]
    assert any(line.startswith("mean over combinations") for line in run.out.splitlines())


def test_predictions_are_those_of_the_library(run, learned, people):
    found = read(run("predict", "m.fathom", "people.csv"))
    model = library.load(learned[0] / "m.fathom")
    rows = people.drop("gender", "hair")
    predicted = model.predict(rows)
    assert found["gender"].to_list() == predicted[:, 0].tolist()
    assert found["hair"].to_list() == predicted[:, 1].tolist()
    names = [f"probability_{first} + {second}" for first, second in model.combinations_]
    np.testing.assert_allclose(
        found.select(names), model.predict_combination_proba(rows), atol=1e-9
    )
    _, hair = model.predict_proba(rows)
    np.testing.assert_allclose(found["probability_hair_fair"], hair[:, 1], atol=1e-9)


def test_a_prior_is_chosen_when_predicting(run, learned):
    plain = read(run("predict", "m.fathom", "people.csv"))["probability_m + red"].mean()
    even = read(run("predict", "m.fathom", "people.csv", "--prior", "uniform"))
    assert even["probability_m + red"].mean() > 10 * plain
    own = pl.DataFrame({"hair": ["red", "dark"], "gender": ["m", "f"], "share": [1, 1]})
    own.write_csv(learned[0] / "own.csv")
    found = read(run("predict", "m.fathom", "people.csv", "--prior", "own.csv"))
    assert {*zip(found["gender"], found["hair"], strict=True)} <= {("m", "red"), ("f", "dark")}
    assert found["probability_f + red"].max() == 0


def test_evaluation_reports_every_combination(run, learned, people):
    found = run("evaluate", "m.fathom", "people.csv", "--prior", "0.5", "--json")
    assert found.code == 0, found.err
    told = next(event for event in found.events if event["event"] == "combinations")
    model = library.load(learned[0] / "m.fathom").set_params(prior=0.5)
    is_right = model.predict(people.drop("gender", "hair")) == people["gender", "hair"].to_numpy()
    for one in told["combinations"]:
        first, second = one["combination"].split(" + ")
        rows = ((people["gender"] == first) & (people["hair"] == second)).to_numpy()
        assert one["rows"] == one["seen"] == rows.sum()
        if rows.any():
            expected = is_right.all(axis=1)[rows].mean()
            assert one["right, prior 0.5"] == pytest.approx(expected)


def test_a_report_is_written_on_factors(run, learned, people):
    found = run("report", "m.fathom", "--rows", 200, "-o", "r.html", "--prior", "0.5", "--json")
    assert found.code == 0, found.err
    codes = {event.get("code") for event in found.events}
    assert {"asked_factors", "factors_hardest", "factors_own_prior"} <= codes
    page = (learned[0] / "r.html").read_text()
    assert "never seen" in page
    assert "gender: " in page  # its calibration


def test_a_row_is_looked_into(run, people):
    shown = run("inspect", "m.fathom", "--row", 3)
    assert shown.code == 0, shown.err
    assert f"it is {people['gender'][2]} + {people['hair'][2]}." in shown.out
    assert "output · combination 5" in shown.out
    why = run("inspect", "m.fathom", "--row", 3, "--why", "output.neuron1.z")
    assert "over its class of each factor" in why.out
    parts = run("inspect", "m.fathom", "--row", 3, "--attribution")
    assert parts.code == 0, parts.err
    assert "What makes z of" in parts.out


def test_others_are_compared_on_combinations(run, people):
    asked = ("--target", "gender,hair", "--peers", "linear", "--time-limit", 2, "--json")
    found = run("compare", "people.csv", *asked)
    assert found.code == 0, found.err
    results = {event["system"]: event for event in found.events if event["event"] == "result"}
    assert set(results) == {"Fathom", "linear"}
    assert not any(one["failure"] for one in results.values())
    assert all(one["metrics"]["accuracy"][0] > 0.3 for one in results.values())


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pl.DataFrame({"gender": ["m"], "hair": ["blue"], "share": [1]}), "got 'm + blue'"),
        (pl.DataFrame({"gender": ["m"], "share": [1]}), "the columns gender, hair in the prior"),
        (pl.DataFrame({"gender": ["m"], "hair": ["red"], "share": ["?"]}), "a share of 0 or more"),
        (pl.DataFrame({"gender": ["m"] * 2, "hair": ["red"] * 2, "s": [1, 2]}), "twice"),
    ],
)
def test_a_prior_that_is_none_is_refused_in_one_line(run, learned, table, message):
    table.write_csv(learned[0] / "prior.csv")
    found = run("predict", "m.fathom", "people.csv", "--prior", "prior.csv")
    assert message in found.refusal


def test_what_cannot_be_done_is_refused_in_one_line(run, learned, people, fathom, model):
    assert (
        "training, uniform, a number"
        in run("predict", "m.fathom", "people.csv", "--prior", "evenly").refusal
    )
    assert (
        "a model of one target"
        in fathom("predict", model, learned[0] / "people.csv", "--prior", "uniform").refusal
    )
    assert "one of 2 factors" in run("export", "m.fathom", "m.py").refusal
    twice = run("train", "people.csv", "--target", "hair,hair")
    assert "several different ones" in twice.refusal
    mixed = run("train", "people.csv", "--target", "hair,height")
    assert "classes in hair and numbers in height" in mixed.refusal
    weighted = ("--target", "gender,hair", "--class-weight", "balanced")
    assert "one column of classes" in run("train", "people.csv", *weighted).refusal
    holes = people.with_columns(hair=pl.when(pl.int_range(500) == 3).then(None).otherwise("hair"))
    holes.write_csv(learned[0] / "holes.csv")
    refusal = run("train", "holes.csv", "--target", "gender,hair").refusal
    assert "a target in every row of gender, hair" in refusal
    same = people.with_columns(gender=pl.lit("f"))
    same.write_csv(learned[0] / "same.csv")
    refusal = run("train", "same.csv", "--target", "gender,hair").refusal
    assert "two classes or more in gender" in refusal
