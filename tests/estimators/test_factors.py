"""Several columns of classes: what an estimator learns, says and keeps, and what it refuses."""

import itertools

import numpy as np
import pandas as pd
import pytest

from fathom import Architecture, Dense, FathomClassifier, Recipe, load, save
from fathom.deployment.answers import predicted_columns
from fathom.errors import InputError
from fathom.estimators.opening import open_model

SEX, HAIR = np.array(["f", "m"]), np.array(["dark", "fair", "red"])
RECIPE = Recipe(epochs=12, batch_size=64, learning_rate=0.01)


def make(n=700, seed=0):
    """Return rows whose factors show in different columns; m + red is never seen."""
    rng = np.random.default_rng(seed)
    sex = rng.integers(0, 2, n)
    hair = np.where(rng.random(n) < 0.6, sex, rng.integers(0, 3, n))
    kept = ~((sex == 1) & (hair == 2))
    sex, hair = sex[kept], hair[kept]
    x = rng.normal(size=(len(sex), 5))
    x[:, 0] += 2 * sex
    x[:, 1] += 2 * (hair == 1)
    x[:, 2] += 2 * (hair == 2)
    return x, np.stack([SEX[sex], HAIR[hair]], axis=1)


def network(units=5, inputs=5):
    layers = (Dense(units=12, activation="tanh"), Dense(units=units, activation="softmax"))
    return Architecture(input_shape=(inputs,), layers=layers, loss="cross_entropy")


X, Y = make()


@pytest.fixture(scope="module")
def model():
    return FathomClassifier(network(), RECIPE, time_limit=None, random_state=0).fit(X, Y)


@pytest.fixture(scope="module")
def designed():
    """Return what a search finds for a table, whatever the clock lets it find."""
    frame = pd.DataFrame(X, columns=list("abcde")).assign(place=np.where(X[:, 3] > 0, "n", "s"))
    target = pd.DataFrame(Y, columns=["sex", "hair"])
    return FathomClassifier(time_limit=3, random_state=0).fit(frame, target), frame


def test_the_network_has_an_output_for_each_class_of_each_factor(model):
    shapes = model.architecture_.shapes
    assert shapes[-2:] == ((5,), (5,))  # classes of both factors; combinations seen
    assert str(model.architecture_.layers[-1]) == "combination of 2 × 3 softmax"
    assert [list(classes) for classes in model.classes_] == [list(SEX), list(HAIR)]
    assert model.combinations_.tolist() == [list(p) for p in itertools.product(SEX, HAIR)]
    pairs, counts = np.unique(Y, axis=0, return_counts=True)
    found = dict(zip(map(tuple, model.combinations_), model.combination_counts_, strict=True))
    assert found.pop(("m", "red")) == 0
    assert found == dict(zip(map(tuple, pairs), counts, strict=True))


def test_predictions_are_those_of_the_most_probable_combination(model):
    x, y = make(seed=1)
    p = model.predict_combination_proba(x)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert (p > 0).all()  # of what was never seen, too
    predicted = model.predict(x)
    assert (predicted == model.combinations_[p.argmax(axis=1)]).all()
    assert model.score(x, y) == (predicted == y).all(axis=1).mean() > 0.5
    sex, hair = model.predict_proba(x)
    np.testing.assert_allclose(sex[:, 1], p[:, 3:].sum(axis=1))
    np.testing.assert_allclose(hair[:, 0], p[:, 0] + p[:, 3])


def test_probabilities_of_what_was_seen_keep_their_shares(model):
    shares = model.combination_counts_ / len(Y)
    np.testing.assert_allclose(model.predict_combination_proba(X).mean(axis=0), shares, atol=0.02)


def test_its_networks_can_be_opened_and_answer_what_was_seen(model):
    opened = open_model(model, X[:4], Y[:4])
    assert opened.output_names == ("f + dark", "f + fair", "f + red", "m + dark", "m + fair")
    said = [opened.output_names[number].split(" + ") for number in opened.y]
    assert said == Y[:4].tolist()
    # Of what was seen the network's own sums differ from the model's by what belongs to all rows.
    z = opened.trace().layer("output").z
    inside = model._predict_outputs(X[:4])[:, :5] - z
    inside -= inside.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(inside, np.tile(inside[0], (4, 1)), atol=1e-4)


def test_another_prior_needs_no_training_and_only_shifts(model):
    x, _ = make(seed=2)
    p = model.predict_combination_proba(x)
    try:
        uniform = model.set_params(prior="uniform").predict_combination_proba(x)
        counts = model.combination_counts_
        shift = 6 * (counts + 1 / 6) / (counts.sum() + 1)
        expected = p / shift / (p / shift).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(uniform, expected, rtol=1e-8)
        assert uniform[:, 5].mean() > 100 * p[:, 5].mean()
        own = model.set_params(prior={("m", "red"): 1, ("f", "dark"): 1}).predict(x)
        assert {*map(tuple, own)} == {("m", "red"), ("f", "dark")}
        x_unseen = X[Y[:, 1] == "red"] + [2, 0, 0, 0, 0]  # red-haired, and m besides
        found = model.set_params(prior="uniform").predict(x_unseen)
        assert (found == ["m", "red"]).all(axis=1).mean() > 0.4
    finally:
        model.set_params(prior="training")


def test_a_model_file_keeps_all_of_it(model, tmp_path):
    again = load(save(model, tmp_path / "m.fathom"))
    np.testing.assert_array_equal(
        again.predict_combination_proba(X), model.predict_combination_proba(X)
    )
    assert again.schema_ == model.schema_
    assert again.combined_ == model.combined_
    model.set_params(prior={"f + dark": 0.25, "m + red": 0.75})
    try:
        kept = load(save(model, tmp_path / "p.fathom"))
        expected = model.predict_combination_proba(X)
        np.testing.assert_allclose(kept.predict_combination_proba(X), expected, atol=1e-12)
    finally:
        model.set_params(prior="training")


def test_a_search_learns_factors_and_its_file_keeps_them(designed, tmp_path):
    model, frame = designed
    assert model.schema_.target.names == ("sex", "hair")
    p = model.predict_combination_proba(frame)
    assert p.shape == (len(X), 6)
    assert (p > 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert model.score(frame, pd.DataFrame(Y)) > 0.2
    assert sum(score.n_rows for score in model.combined_.scores) > 0
    again = load(save(model, tmp_path / "m.fathom"))
    np.testing.assert_allclose(again.predict_combination_proba(frame), p, atol=1e-6)
    columns = predicted_columns(again, frame)
    assert columns.columns[:4] == ["sex", "hair", "probability_sex_f", "probability_sex_m"]
    assert columns["sex"].to_list() == model.predict(frame)[:, 0].tolist()
    np.testing.assert_allclose(columns["probability_m + red"], p[:, 5], atol=1e-6)


def test_a_search_goes_on(designed):
    model, frame = designed
    before = len(model.leaderboard_)
    model.set_params(warm_start=True, time_limit=2).fit(
        frame, pd.DataFrame(Y, columns=["sex", "hair"])
    )
    assert len(model.leaderboard_) >= before
    assert model.predict_combination_proba(frame).shape == (len(X), 6)


def test_columns_of_other_types_come_back_as_they_were():
    y = pd.DataFrame({"is_m": Y[:, 0] == "m", "hair": Y[:, 1]})
    model = FathomClassifier(network(), RECIPE, time_limit=None, random_state=0).fit(X, y)
    predicted = model.predict(X[:3])
    assert {type(value) for value in predicted[:, 0]} == {bool}
    assert {type(value) for value in predicted[:, 1]} == {str}


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.stack([Y[:, 0], np.full(len(Y), "dark")], axis=1), "two classes or more in"),
        (np.where(np.arange(len(Y))[:, None] == 7, None, Y), "a target in every row of y"),
        (pd.DataFrame({"a": Y[:, 0], "b": X[:, 0]}), "classes in b"),
    ],
)
def test_targets_that_are_no_factors_are_refused_in_one_line(y, message):
    with pytest.raises(InputError, match=message) as refused:
        FathomClassifier(network(), RECIPE, time_limit=None).fit(X, y)
    assert "\n" not in str(refused.value)


def test_what_does_not_go_together_is_refused(model):
    with pytest.raises(InputError, match="an output layer of 5 softmax"):
        FathomClassifier(network(4), RECIPE).fit(X, Y)
    with pytest.raises(InputError, match="class_weight None for several factors"):
        FathomClassifier(network(), RECIPE, class_weight="balanced").fit(X, Y)
    with pytest.raises(InputError, match="for a prior over their combinations"):
        FathomClassifier(network(2), RECIPE, prior="uniform").fit(X, Y[:, 0])
    with pytest.raises(InputError, match=r"got 'm \+ blue'"):
        FathomClassifier(network(), RECIPE, prior={("m", "blue"): 1.0}).fit(X, Y)
    unseen = np.array([["m", "red"]])
    with pytest.raises(InputError, match=r"combinations that training saw.*m \+ red in row 1"):
        open_model(model, X[:1], unseen)
    with pytest.raises(InputError, match="2 columns of classes"):
        open_model(model, X[:1], unseen[:, :1])
    with pytest.raises(InputError, match="a combination of the target's own factors"):
        FathomClassifier(model.architecture_, RECIPE).fit(X, Y[:, ::-1])
    with pytest.raises(InputError, match="a combination of the target's own factors"):
        FathomClassifier(model.architecture_, RECIPE).fit(X, Y[:, 0])
