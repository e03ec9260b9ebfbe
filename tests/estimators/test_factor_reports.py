"""What a report says of several factors, against figures worked out otherwise."""

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import accuracy_score, log_loss, recall_score

from fathom import Architecture, Dense, FathomClassifier, Recipe
from fathom.estimators.reporting import gather_report
from fathom.inspection.report import write_report

SEX, HAIR = np.array(["f", "m"]), np.array(["dark", "fair", "red"])


def make(n, seed, has_all):
    """Return rows whose factors show in different columns; m + red there only where asked."""
    rng = np.random.default_rng(seed)
    sex = rng.integers(0, 2, n)
    hair = np.where(rng.random(n) < 0.6, sex, rng.integers(0, 3, n))
    kept = has_all | ~((sex == 1) & (hair == 2))
    sex, hair = sex[kept], hair[kept]
    x = rng.normal(size=(len(sex), 4))
    x[:, 0] += 2 * sex
    x[:, 1] += 2 * (hair == 1)
    x[:, 2] += 2 * (hair == 2)
    return x, np.stack([SEX[sex], HAIR[hair]], axis=1)


@pytest.fixture(scope="module")
def model():
    layers = (Dense(units=8, activation="tanh"), Dense(units=5, activation="softmax"))
    described = Architecture(input_shape=(4,), layers=layers, loss="cross_entropy")
    recipe = Recipe(epochs=8, batch_size=64, learning_rate=0.01)
    x, y = make(500, 0, has_all=False)
    return FathomClassifier(described, recipe, time_limit=None, random_state=0).fit(x, y)


@pytest.fixture(scope="module")
def fresh():
    x, y = make(300, 1, has_all=True)
    y = y.astype(object)
    y[7, 1] = "blue"  # which training never saw
    return x, y


@pytest.fixture(scope="module")
def contents(model, fresh):
    return gather_report(model, *fresh)


@pytest.fixture(scope="module")
def known(fresh):
    x, y = fresh
    rows = np.arange(len(x)) != 7
    return x[rows], y[rows].astype(str)


def test_each_factor_is_judged_by_itself(model, contents, known):
    x, y = known
    assert [one.name for one in contents.factors] == list(model.schema_.target.names)
    for j, (one, p) in enumerate(zip(contents.factors, model.predict_proba(x), strict=True)):
        classes = model.classes_[j]
        said = classes[p.argmax(axis=1)]
        figures = {metric.name: metric for metric in one.metrics}
        assert figures["accuracy"].value == pytest.approx(accuracy_score(y[:, j], said))
        assert figures["log loss"].value == pytest.approx(log_loss(y[:, j], p))
        recalls = recall_score(y[:, j], said, average=None, labels=classes)
        assert [each.recall for each in one.per_class] == pytest.approx(recalls.tolist())
        assert one.calibration.accuracy == pytest.approx(figures["accuracy"].value)


def test_every_combination_has_its_counts_and_its_share_that_is_right(model, contents, known):
    x, y = known
    names = [" + ".join(one) for one in model.combinations_]
    p = model.predict_combination_proba(x)
    said, truth = np.array(names)[p.argmax(axis=1)], np.array([" + ".join(one) for one in y])
    model.set_params(prior="uniform")
    even = np.array(names)[model.predict_combination_proba(x).argmax(axis=1)]
    model.set_params(prior="training")
    assert {one.name for one in contents.combinations} == set(names)
    seen = [one.n_seen for one in contents.combinations]
    assert seen == sorted(model.combination_counts_, reverse=True)
    for one in contents.combinations:
        rows, place = truth == one.name, names.index(one.name)
        assert one.n_seen == model.combination_counts_[place]
        assert (one.n_rows, one.n_taken) == (rows.sum(), (said == one.name).sum())
        assert one.recall == pytest.approx(np.mean(said[rows] == one.name))
        assert one.low <= one.recall <= one.high
        assert one.recall_uniform == pytest.approx(np.mean(even[rows] == one.name))
        assert one.mean_probability == pytest.approx(p[:, place].mean())
        assert one.share == pytest.approx(rows.mean())
        assert (one.mark == "new") == (one.name == "m + red")


def test_what_the_prior_does_is_what_the_model_does_with_it(model, contents, known):
    x, y = known
    for one in contents.priors:
        model.set_params(prior=one.power)
        assert one.accuracy == pytest.approx(model.score(x, y))
        is_right = (model.predict(x) == y).all(axis=1)
        each = [is_right[(y == pair).all(axis=1)].mean() for pair in model.combinations_]
        assert one.mean == pytest.approx(np.mean(each))
    model.set_params(prior="training")
    assert [one.power for one in contents.priors] == [0, 0.25, 0.5, 0.75, 1]
    assert contents.metrics[0].value == pytest.approx(contents.priors[-1].accuracy)
    said = {finding.code: finding for finding in contents.on_factors}
    assert said["factors_new"]["n_rows"] == (y == ["m", "red"]).all(axis=1).sum()


def test_a_prior_of_ones_own_is_beside_the_others(model, known):
    x, y = known
    own = {("f", "dark"): 1, ("m", "red"): 1}
    try:
        found = gather_report(model.set_params(prior=own), x, y, most_rows=120)
    finally:
        model.set_params(prior="training")
    assert found.priors[-1].power is None
    assert {one.name for one in found.combinations if one.n_taken} <= {"f + dark", "m + red"}
    assert "factors_own_prior" in {finding.code for finding in found.on_factors}


def test_the_page_says_so_in_both_languages(contents, fresh):
    assert contents.n_rows == len(fresh[0]) - 1  # one is of a class nobody knows
    assert {one.code for one in contents.on_data} >= {"asked_factors", "data_no_target"}
    assert contents.layers[-1][0] == "combination of 2 × 3 softmax"
    for language, words in {"en": "Every combination", "zh": "每个组合"}.items():
        page = write_report(contents, language)
        assert words in page
        assert "m + red" in page
        assert 'id="factors"' in page


def test_rows_of_what_was_never_seen_alone_can_be_reported(model):
    x, y = make(400, 2, has_all=True)
    rows = (y == ["m", "red"]).all(axis=1)
    target = pl.DataFrame({"hair": y[rows, 1], "gender": y[rows, 0]})
    found = gather_report(model, x[rows], target.select("gender", "hair"))
    assert found.health is None  # no network has an output for them
    assert sum(one.n_rows for one in found.combinations) == rows.sum()
    assert "m + red" in write_report(found)
