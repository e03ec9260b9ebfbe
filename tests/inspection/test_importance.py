"""Importance and dependence of any model, against scikit-learn's and against arithmetic."""

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import log_loss

from fathom.errors import InputError
from fathom.inspection.dependence import Dependence, measure_dependence
from fathom.inspection.importance import Importance, measure_importance
from fathom.inspection.tabular import column_names, column_of, rearranged, take_rows

RNG = np.random.default_rng(0)
IRIS_X, IRIS_Y = load_iris(return_X_y=True, as_frame=True)


def linear_case(n=400):
    x = RNG.normal(size=(n, 3)) * [1, 2, 3]
    return x, x @ [2.0, 1.0, 0.0]


def test_the_fall_for_a_linear_model_is_what_arithmetic_says():
    x, y = linear_case()
    found = measure_importance(lambda t: t @ [2.0, 1.0, 0.0], x, y, n_repeats=60)
    # a shuffle moves w x by w (x - x′), of mean square 2 w² var(x); R² falls by that over var(y)
    for place, weight in enumerate([2.0, 1.0, 0.0]):
        expected = 2 * weight**2 * x[:, place].var() / y.var()
        assert found[f"x{place + 1}"].drop == pytest.approx(expected, rel=0.03)
    assert found["x3"].drop == 0
    assert found["x3"].is_noise
    assert found.score_name == "R²"


@pytest.mark.parametrize("kind", ["regression", "classes"])
def test_it_agrees_with_scikit_learn(kind):
    if kind == "regression":
        x, y = load_diabetes(return_X_y=True, as_frame=True)
        model = RandomForestRegressor(20, random_state=0).fit(x[:300], y[:300])
    else:
        x, y = IRIS_X, IRIS_Y.replace({0: "a", 1: "b", 2: "c"})
        x = x.assign(noise=RNG.normal(size=150))
        model = RandomForestClassifier(20, max_depth=3, random_state=0).fit(x[:300], y[:300])
    x, y = x[-150:], y[-150:]
    mine = measure_importance(model.predict, x, y, n_repeats=30)
    theirs = permutation_importance(model, x, y, n_repeats=30, random_state=1, n_jobs=1)
    for place, name in enumerate(x.columns):
        spread = theirs.importances_std[place] / np.sqrt(30)
        assert mine[name].drop == pytest.approx(
            theirs.importances_mean[place], abs=5 * 2**0.5 * spread + 1e-9
        )
        assert mine[name].low <= mine[name].drop <= mine[name].high


def test_intervals_hold_what_all_rows_would_give():
    true = 2 * 1 / 2  # w² var(x) doubled, by var(y), over all rows there could be
    hits = 0
    for seed in range(60):
        x = np.random.default_rng(seed).normal(size=(150, 2))
        y = x.sum(axis=1)
        found = measure_importance(lambda t: t.sum(axis=1), x, y, n_repeats=5, seed=seed)["x1"]
        hits += found.low <= true <= found.high
    assert 53 <= hits <= 60


def test_probabilities_are_judged_by_the_log_loss():
    model = LogisticRegression(max_iter=500).fit(IRIS_X, IRIS_Y)
    found = measure_importance(
        model.predict_proba, IRIS_X, IRIS_Y, classes=model.classes_, n_repeats=1, seed=5
    )
    order = np.random.default_rng(5).permutation(150)
    shuffled = IRIS_X.copy()
    shuffled["petal width (cm)"] = IRIS_X["petal width (cm)"].to_numpy()[order]
    before, after = (log_loss(IRIS_Y, model.predict_proba(x)) for x in (IRIS_X, shuffled))
    assert found["petal width (cm)"].drop == pytest.approx(after - before)
    assert found.score_name == "log likelihood"
    assert found.columns[0].drop == max(one.drop for one in found.columns)


def test_what_stands_out_is_said():
    x, _ = linear_case()
    weights = [3.0, 1.0, 0.0]  # with [2, 1, 0] two columns matter equally: a toss of a coin
    y = x @ weights
    x = np.column_stack([x, x[:, 0] ** 3])
    found = measure_importance(lambda t: t[:, :3] @ weights, x, y)
    codes = {finding.code: finding for finding in found.findings}
    assert codes["importance_main"]["column"] == "x1"
    assert codes["importance_none"]["columns"] in ("x3, x4", "x4, x3")
    assert codes["importance_shared"]["correlation"] == pytest.approx(1)
    assert {codes["importance_shared"]["one"], codes["importance_shared"]["other"]} == {"x1", "x4"}
    nothing = measure_importance(lambda t: np.zeros(len(t)), x, y, most_rows=50)
    assert nothing.findings[0].code == "importance_all_noise"
    assert nothing.findings[-1].code == "sampled"
    assert Importance.model_validate_json(found.model_dump_json()) == found


def table(kind):
    columns = {
        "age": [20.0, 30.0, None, 50.0] * 10,
        "sort": ["a", "b", "c", "a"] * 10,
        "when": [dt.datetime(2020, 1, 1) + dt.timedelta(days=i) for i in range(40)],
        "n": list(range(40)),
    }
    frame = pl.DataFrame(columns).with_columns(pl.col("sort").cast(pl.Categorical))
    if kind == "polars":
        return frame
    if kind == "pyarrow":
        return frame.to_arrow()
    plain = pd.DataFrame(columns, index=np.arange(40) * 7 + 3)
    return plain.assign(sort=plain["sort"].astype("category"))


@pytest.mark.parametrize("kind", ["polars", "pandas", "pyarrow"])
def test_tables_of_any_library_keep_their_types(kind):
    if kind == "pyarrow":
        pytest.importorskip("pyarrow")
    frame = table(kind)
    types = {"polars": "dtypes", "pandas": "dtypes", "pyarrow": "schema"}[kind]
    order = np.random.default_rng(0).permutation(40)
    assert column_names(frame) == ["age", "sort", "when", "n"]
    for place, name in enumerate(column_names(frame)):
        changed = rearranged(frame, place, order)
        assert type(changed) is type(frame)
        assert str(getattr(changed, types)) == str(getattr(frame, types))
        moved, before = column_of(changed, place), column_of(frame, place)
        assert list(map(str, moved)) == list(map(str, before[order]))
        for other in set(range(4)) - {place}:
            assert list(map(str, column_of(changed, other))) == list(
                map(str, column_of(frame, other))
            ), name
    rows = take_rows(frame, np.array([5, 2]))
    assert list(column_of(rows, 3)) == [5, 2]


@pytest.mark.parametrize("kind", ["polars", "pandas"])
def test_any_estimator_of_any_table_can_be_asked(kind):
    frame = table(kind)

    def predict(given):
        sort = np.asarray(given["sort"].to_numpy(), str)
        return (sort == "b") * 5.0 + np.asarray(given["n"].to_numpy()) * 0.1

    target = predict(frame)
    found = measure_importance(predict, frame, target)
    assert {one.column for one in found.columns[:2]} == {"sort", "n"}
    assert found["age"].drop == found["when"].drop == 0
    sort = measure_dependence(predict, frame, "sort")
    assert dict(zip(sort.places, sort.mean - sort.mean.min(), strict=True)) == pytest.approx(
        {"a": 0, "b": 5, "c": 0}
    )
    assert sort.findings[0].code == "dependence_kinds"
    assert sort.findings[0]["most"] == "b"
    when = measure_dependence(predict, frame, "when", n_places=5)
    assert when.places == tuple(sorted(when.places))
    assert when.findings[0].code == "dependence_flat"
    assert measure_dependence(predict, frame, "age").places == (20.0, 30.0, 50.0)


@pytest.mark.parametrize(
    ("predict", "more"),
    [
        (lambda t: np.zeros(3), {}),
        (lambda t: np.zeros((len(t), 2)), {}),
        (lambda t: np.zeros((len(t), 2)), {"classes": [0, 1, 2]}),
        (lambda t: np.zeros((len(t), 3)), {"classes": [0, 1, 5]}),
        (lambda t: np.zeros(len(t)), {"y": [1, 2]}),
        (lambda t: np.zeros(len(t)), {"n_repeats": 0}),
        (lambda t: np.zeros(len(t)), {"X": "rows"}),
        (lambda t: np.zeros(len(t)), {"error": lambda y, p: 0.0}),
    ],
)
def test_what_cannot_be_judged_is_refused(predict, more):
    with pytest.raises(InputError):
        measure_importance(predict, **{"X": IRIS_X, "y": IRIS_Y, **more})


@pytest.mark.parametrize("kind", ["regression", "classes"])
def test_dependence_is_scikit_learns_by_brute_force(kind):
    if kind == "regression":
        x, y = load_diabetes(return_X_y=True, as_frame=True)
        model, column, output = RandomForestRegressor(10, random_state=0).fit(x, y), "bmi", None
        predict = model.predict
    else:
        x, column, output = IRIS_X, "petal length (cm)", 1
        model = RandomForestClassifier(10, random_state=0).fit(x, IRIS_Y)
        predict = model.predict_proba
    found = measure_dependence(predict, x, column, output=output, n_places=9, most_rows=len(x))
    theirs = partial_dependence(
        model, x, [column], kind="both", method="brute", percentiles=(0, 1),
        custom_values={column: np.array(found.places)},
        **({} if output is None else {"response_method": "predict_proba"}),
    )  # fmt: skip
    which = 0 if output is None else output
    np.testing.assert_allclose(found.mean, theirs["average"][which])
    np.testing.assert_allclose(found.curves, theirs["individual"][which])
    assert x[column].min() <= found.places[0] < found.places[-1] <= x[column].max()


def test_directions_and_company_are_said():
    x = RNG.uniform(-1, 1, size=(300, 3))

    def first(function, column="x1"):
        return [f.code for f in measure_dependence(function, x, column).findings]

    assert first(lambda t: 3 * t[:, 0]) == ["dependence_rises"]
    assert first(lambda t: t[:, 1] - t[:, 0] ** 3) == ["dependence_falls"]
    assert first(lambda t: t[:, 0] ** 2) == ["dependence_turns"]
    assert first(lambda t: t[:, 1]) == ["dependence_flat"]
    assert "dependence_varies" in first(lambda t: t[:, 0] * t[:, 1])
    both = measure_dependence(lambda t: t[:, 0] * t[:, 1] + 0 * t[:, 2], x, 0, most_rows=300)
    # x₁x₂ has no effect in the mean but for the mean of x₂
    assert both.share_varying > 0.98
    assert measure_dependence(lambda t: t[:, 0], x, "x1").share_varying == pytest.approx(
        0, abs=1e-9
    )
    assert Dependence.model_validate_json(both.model_dump_json()) == both


@pytest.mark.parametrize(
    ("predict", "more"),
    [
        (lambda t: np.array(["a"] * len(t)), {}),
        (lambda t: np.zeros((len(t), 3)), {}),
        (lambda t: np.zeros((len(t), 3)), {"output": 3}),
        (lambda t: np.full(len(t), np.nan), {}),
        (lambda t: np.zeros(len(t)), {"column": "colour"}),
        (lambda t: np.zeros(len(t)), {"column": 4}),
    ],
)
def test_what_has_no_dependence_is_refused(predict, more):
    with pytest.raises(InputError):
        measure_dependence(predict, **{"X": IRIS_X, "column": "petal width (cm)", **more})


def test_a_fitted_pipeline_gives_its_own_answers():
    x, y = load_diabetes(return_X_y=True)
    model = LinearRegression().fit(x, y)
    found = measure_dependence(model.predict, x, 2)
    slope = np.diff(found.mean) / np.diff(found.places)
    np.testing.assert_allclose(slope, model.coef_[2])
