"""What a report says of fitted models, against figures worked out otherwise."""

import jax.numpy as jnp
import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss, r2_score

from fathom import Architecture, Conv2D, Dense, FathomClassifier, FathomRegressor, Flatten, Recipe
from fathom.errors import InputError
from fathom.estimators.reporting import gather_report
from fathom.estimators.reporting.asking import narrowed, read_rows
from fathom.inspection.report import write_report


def make_table(n=260, seed=0):
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, n).astype(float)
    city = rng.choice(["Ulm", "Bonn", "Kiel"], n)
    since = np.datetime64("2023-01-01") + rng.integers(0, 500, n)
    risk = age + 12 * (city == "Kiel") + rng.normal(0, 6, n)
    table = pl.DataFrame({
        "ticket": [f"T-{k}" for k in range(n)], "age": age,
        "spent": [None if k % 7 == 0 else float(v) for k, v in enumerate(rng.normal(30, 8, n))],
        "city": city, "since": since.astype(str), "member": rng.choice(["yes", "no"], n),
    })  # fmt: skip
    return table, np.where(risk > 50, "leaves", "stays"), risk


@pytest.fixture(scope="module")
def designed():
    table, y, _ = make_table()
    return FathomClassifier(time_limit=2, random_state=0).fit(table, y)


@pytest.fixture(scope="module")
def fresh():
    """Rows not seen in training: one of an unknown city, an age far outside, two without target."""
    table, y, _ = make_table(120, seed=1)
    city = table["city"].to_list()
    city[3] = "Rom"
    age = table["age"].to_list()
    age[4] = 900.0
    y = y.astype(object)
    y[[5, 50]] = None
    return table.with_columns(city=pl.Series(city), age=pl.Series(age)), pl.Series(y)


@pytest.fixture(scope="module")
def contents(designed, fresh):
    return gather_report(designed, *fresh, target_name="churn")


def codes(findings):
    return [finding.code for finding in findings]


def test_its_figures_are_those_of_scikit_learn(designed, fresh, contents):
    x, y = fresh
    known = y.is_not_null().to_numpy()
    p = designed.predict_proba(x)[known]
    truth = y.filter(y.is_not_null()).to_numpy().astype(str)
    figures = {metric.name: metric for metric in contents.metrics}
    predicted = designed.classes_[p.argmax(axis=1)]
    assert figures["accuracy"].value == pytest.approx(accuracy_score(truth, predicted))
    assert figures["log loss"].value == pytest.approx(log_loss(truth, p), abs=1e-9)
    shares = [np.mean(truth == c) for c in designed.classes_]
    guess = np.tile(shares, (len(truth), 1))
    assert figures["accuracy"].baseline == pytest.approx(max(shares))
    assert figures["log loss"].baseline == pytest.approx(log_loss(truth, guess), abs=1e-9)
    expected = confusion_matrix(truth, predicted, labels=designed.classes_)
    assert (contents.confusion.counts == expected).all()
    assert dict(contents.counts) == {c: int((truth == c).sum()) for c in designed.classes_}


def test_rows_have_the_numbers_of_the_data(designed, fresh, contents):
    x, y = fresh
    p = designed.predict_proba(x)
    places = {name: place for place, name in enumerate(designed.classes_)}
    assert contents.mistakes
    losses = [one.loss for one in contents.mistakes]
    assert losses == sorted(losses, reverse=True)
    for one in contents.mistakes:
        row = one.row - 1
        assert (one.truth, one.said) == (y[row], designed.classes_[p[row].argmax()])
        assert one.loss == pytest.approx(-np.log(max(p[row, places[y[row]]], 1e-7)), rel=1e-6)
        assert dict(one.cells)["city"] == x["city"][row]
    for cell in contents.confusion.cells:
        for row in cell.rows:
            assert y[row - 1] == designed.classes_[cell.truth]


def test_it_says_what_the_rows_are(contents):
    facts = {column.name: column for column in contents.columns}
    assert (facts["city"].n_strange, facts["age"].n_strange) == (1, 1)
    assert facts["spent"].missing == pytest.approx(np.mean(np.arange(120)[[
        k for k in range(120) if k not in (5, 50)]] % 7 == 0))  # fmt: skip
    assert facts["ticket"].kind == "identifier"
    said = {finding.code: finding for finding in contents.on_data}
    assert said["data_no_target"]["n"] == 2
    assert said["data_unusual"]["n_unusual"] == 2
    assert said["data_unused"]["columns"] == "ticket"
    assert contents.n_rows == 118
    assert contents.n_all == 120


def test_asking_again_gives_the_predictions_themselves(designed, fresh):
    x, _ = fresh
    asker = read_rows(designed, x)
    table = asker.table(np.arange(120))
    assert "ticket" not in table.columns
    assert table["spent"].null_count() == x["spent"].null_count()
    assert table["since"].dtype == pl.Datetime("ms")
    np.testing.assert_allclose(asker.answer(table), designed.predict_proba(x), atol=1e-12)
    some = np.array([5, 2, 90])
    np.testing.assert_allclose(asker.answer(asker.table(some)), designed.predict_proba(x[some]),
                               atol=1e-12)  # fmt: skip


def test_what_matters_is_found(contents):
    assert contents.importance.columns[0].column == "age"
    assert {one.column for one in contents.importance.columns} == {
        "age", "spent", "city", "since", "member",
    }  # fmt: skip
    assert contents.dependence[0].column == "age"
    assert contents.dependence_of == "stays"
    assert contents.dependence[0].mean[0] > contents.dependence[0].mean[-1] + 0.2


def test_networks_and_curves_are_those_of_the_search(designed, contents):
    report = designed.report_
    assert len(contents.networks) == len(report.candidates)
    kept = [one for one in contents.networks if one.state == "kept"]
    assert sum(one.weight for one in kept) == pytest.approx(1)
    assert {one.number - 1 for one in kept} == {c.number for c in report.kept}
    tried = {c.number + 1: c for c in report.candidates}
    for one in contents.networks:
        # A loss on the first fold alone is no match for those on all of them, and not shown.
        is_first_fold = tried[one.number].reason.startswith("cut after the first")
        assert one.loss == (None if is_first_fold else tried[one.number].loss)
    numbers = [curve.network for curve in contents.curves]
    assert set(numbers) <= {one.number for one in kept}
    first = report.kept[0]
    curve = next(c for c in contents.curves if c.network == first.number + 1)
    assert curve.best_epoch == first.best_epoch
    assert "search_baseline" in codes(contents.on_search)


def test_training_rows_are_not_taken_for_new_ones(designed, contents):
    table, y, _ = make_table()
    again = gather_report(designed, table, y)
    assert "report_same_rows" in codes(again.verdict)
    assert "report_same_rows" not in codes(contents.verdict)
    assert again.held_out.value == designed.report_.scores[0].value


def test_guessing_is_called_guessing(designed):
    table, y, _ = make_table(400, seed=2)
    shuffled = np.random.default_rng(0).permutation(y)
    said = codes(gather_report(designed, table, shuffled).verdict)
    assert {"report_worse", "report_no_better"} & set(said)
    assert "report_fell" in said


def test_a_sample_is_a_sample_and_says_so(designed):
    table, y, _ = make_table()
    some = gather_report(designed, table, y, most_rows=50, is_training=False)
    assert (some.n_rows, some.n_all) == (50, 260)
    assert "data_rows_drawn" in codes(some.on_data)
    assert all(1 <= one.row <= 260 for one in some.mistakes)


def test_numbers_against_scikit_learn():
    x, y = load_diabetes(return_X_y=True, as_frame=True)
    model = FathomRegressor(time_limit=2, random_state=0).fit(x[:300], y[:300])
    found = gather_report(model, x[300:], y[300:], target_name="progress")
    figures = {metric.name: metric for metric in found.metrics}
    predicted = model.predict(x[300:])
    assert figures["R²"].value == pytest.approx(r2_score(y[300:], predicted))
    spread = np.sqrt(np.mean((y[300:] - y[300:].mean()) ** 2))
    assert figures["RMSE"].baseline == pytest.approx(spread)
    assert figures["R²"].baseline == pytest.approx(0, abs=1e-12)
    order = np.argsort(found.scatter.truth)
    np.testing.assert_allclose(found.scatter.truth[order], np.sort(y[300:]))
    worst = found.mistakes[0].row - 1
    assert worst == np.argmax(np.abs(np.asarray(y[300:]) - predicted))
    assert found.importance.columns[0].column in ("s5", "bmi")
    assert "report_numbers" in codes(found.verdict)
    # Losses of rows learned and of rows held out are told in one unit, or a gap would be none.
    kept = [one.train_loss for one in model.report_.kept]
    trained = [epoch.train_loss for start in model.history_.starts for epoch in start.epochs]
    assert found.gap.train_loss == pytest.approx(np.mean(kept), rel=0.3)
    assert max(found.curves[0].train) <= np.sqrt(2 * max(trained)) * (1 + 1e-9)
    assert found.gap.validation_loss < 1.5 * found.gap.train_loss
    assert len(write_report(found, "zh")) < 1_000_000


def test_errors_that_lean_are_told():
    x, y = load_diabetes(return_X_y=True)
    layers = (Dense(units=4, activation="tanh"), Dense(units=1, activation="identity"))
    described = Architecture(input_shape=(10,), layers=layers, loss="squared_error")
    model = FathomRegressor(described, Recipe(epochs=5), random_state=0).fit(x, y)
    said = gather_report(model, x, y - 100).on_answers
    assert said[0].code == "residual_high"
    assert said[0]["mean"] == pytest.approx(np.mean(model.predict(x) - y + 100), rel=1e-9)


def test_a_network_that_was_given_on_an_array():
    x, y = load_iris(return_X_y=True)
    layers = (Dense(units=6, activation="tanh"), Dense(units=3, activation="softmax"))
    described = Architecture(input_shape=(4,), layers=layers, loss="cross_entropy")
    model = FathomClassifier(described, Recipe(epochs=30, n_starts=2), random_state=0).fit(x, y)
    found = gather_report(model, x, y)
    assert found.importance.columns[0].column in ("x3", "x4")
    assert len(found.networks) == 2
    assert found.layers[0] == ("dense 6 tanh", "6", 30)
    assert sum(count for *_, count in found.layers) == described.n_parameters
    assert found.health.n_rows == 150
    assert "Gradient" not in write_report(found)


def test_a_network_that_was_given_on_a_frame_keeps_its_names():
    x, y = load_iris(return_X_y=True, as_frame=True)
    layers = (Dense(units=6, activation="tanh"), Dense(units=3, activation="softmax"))
    described = Architecture(input_shape=(4,), layers=layers, loss="cross_entropy")
    model = FathomClassifier(described, Recipe(epochs=20), random_state=0).fit(x, y)
    found = gather_report(model, x, y)
    assert {one.column for one in found.importance.columns} == set(x.columns)
    assert found.mistakes == () or dict(found.mistakes[0].cells).keys() == set(x.columns)


def test_labels():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3))
    y = (x[:, :2] > 0).astype(int)
    layers = (Dense(units=8, activation="tanh"), Dense(units=2, activation="sigmoid"))
    described = Architecture(input_shape=(3,), layers=layers, loss="binary_cross_entropy")
    model = FathomClassifier(described, Recipe(epochs=40), random_state=0).fit(x, y)
    found = gather_report(model, x, y)
    assert found.confusion is None
    assert found.metrics[0].value == pytest.approx(np.mean(model.predict(x) == y))
    assert {one.column for one in found.importance.columns[:2]} == {"x1", "x2"}
    assert "每一行具有 2 个标签" in write_report(found, "zh")


def test_pictures_are_drawn_with_their_weights():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 80)
    x = (rng.random((80, 6, 6)) < 0.2).astype(np.uint8)
    x[y == 1, 2:4] = 1
    layers = (
        Conv2D(channels=4, kernel=3), Flatten(), Dense(units=2, activation="softmax"),
    )  # fmt: skip
    described = Architecture(input_shape=(6, 6, 1), layers=layers, loss="cross_entropy")
    model = FathomClassifier(described, Recipe(epochs=3), random_state=0).fit(x, y)
    found = gather_report(model, x, 1 - y)  # so that most are mistakes
    assert found.importance is None
    assert found.picture_shape == (6, 6, 1)
    assert [weights.shape for weights in found.first_weights] == [(3, 3)] * 4
    one = found.mistakes[0]
    np.testing.assert_array_equal(one.picture, x[one.row - 1])
    flat = np.full_like(one.picture, one.picture.mean())
    z = [
        float(model.networks_[0].combine(jnp.asarray(each, jnp.float32)[None, ..., None])[0, said])
        for each in (one.picture, flat)
        for said in [int(one.said)]
    ]
    assert one.because.sum() == pytest.approx(z[0] - z[1], abs=1e-4)
    assert write_report(found).count("data:image/png;base64,") == 4 + 2 * len(found.mistakes)


def test_of_many_columns_those_that_go_with_the_predictions_are_shuffled():
    rng = np.random.default_rng(0)
    table = pl.DataFrame(rng.normal(size=(500, 30))).with_columns(
        pl.Series("word", rng.choice(["a", "b", "c"], 500))
    )
    said = (table["column_7"] + 3 * (table["word"] == "b").cast(float)).to_numpy()[:, None]
    assert set(narrowed(table, said, most=2)) == {"column_7", "word"}
    assert narrowed(table, said, most=31) == table.columns


def test_bad_input_is_refused(designed):
    table, y, _ = make_table(20)
    with pytest.raises(InputError, match="a target for each of 20 rows"):
        gather_report(designed, table, y[:10])
    with pytest.raises(InputError, match="a row whose target the model knows"):
        gather_report(designed, table, ["nothing"] * 20)
