"""Trees in flat arrays: held against scikit-learn's own predictions."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from fathom.data.trees import (
    BOOST_FEATURES,
    N_ROUNDS,
    Growth,
    TreeView,
    _boost,
    _grow_boosted,
    _grow_forest,
    n_tree_columns,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 5)).astype(np.float32)
X[:, 3] = RNG.integers(0, 4, 400)
NUMBERS = X[:, 0] * X[:, 1] + X[:, 3] + 0.1 * RNG.normal(size=400)
TWO = (NUMBERS > 1).astype(int)
THREE = np.digitize(NUMBERS, [0.5, 2])
SHUFFLED = np.random.default_rng(1).permutation(400)
SMALL = Growth(40, 3, 60)  # trees enough for what does not depend on their number


@pytest.mark.parametrize(("y", "n_classes"), [(NUMBERS, 0), (TWO, 2), (THREE, 3)])
def test_boosted_trees_predict_what_scikit_learn_does(y, n_classes):
    kind = HistGradientBoostingClassifier if n_classes else HistGradientBoostingRegressor
    rounds = 100 if n_classes else 300
    settings = {"learning_rate": 0.1, "max_features": BOOST_FEATURES, "early_stopping": False}
    theirs = kind(max_iter=rounds, random_state=0, **settings).fit(X, y)
    raw = theirs.decision_function(X) if n_classes else theirs.predict(X)
    ours = _boost(X, y, n_classes, 0, rounds, 0.1)
    np.testing.assert_allclose(ours.predict(X), raw.reshape(len(X), -1), atol=1e-6)
    staged = list(theirs.staged_decision_function(X) if n_classes else theirs.staged_predict(X))
    ours_staged = ours.predict_stages(X, np.array([1 / rounds, 0.5, 1.0]))
    for shown, rounds_done in zip(ours_staged, [1, rounds // 2, rounds], strict=True):
        raw = staged[rounds_done - 1].reshape(len(X), -1)
        np.testing.assert_allclose(shown, raw, atol=1e-6)


@pytest.mark.parametrize(("y", "n_classes"), [(NUMBERS, 0), (TWO, 2)])
def test_boosting_ends_early_where_more_rounds_only_learn_by_heart(y, n_classes):
    most = N_ROUNDS[n_classes > 0] // 3  # at three times the rate, as where there is less time
    n_rounds = lambda target: len(_grow_boosted(X, target, n_classes, 0, 3, most)[0].roots)
    by_heart = n_rounds(y[SHUFFLED])
    assert by_heart < most / 4
    assert n_rounds(y) > by_heart


@pytest.mark.parametrize(("y", "n_classes"), [(NUMBERS, 0), (TWO, 2), (THREE, 3)])
def test_rows_are_judged_by_trees_that_have_not_seen_them(y, n_classes):
    shuffled = y[SHUFFLED]  # nothing to learn: trees that saw a row would know its target
    _, columns = TreeView.fit(X, shuffled, n_classes, seed=0, growth=SMALL)
    assert columns.shape == (400, n_tree_columns(n_classes, 1, 400))
    goal = (shuffled == 1 if n_classes else shuffled).astype(float)
    at = [0, columns.shape[1] // 2] if n_classes != 3 else [1, 4]
    for column in at:
        assert abs(np.corrcoef(columns[:, column], goal)[0, 1]) < 0.2


@pytest.mark.parametrize(("y", "n_classes"), [(NUMBERS, 0), (TWO, 2), (THREE, 3)])
def test_trees_that_the_time_ended_grow_alike_again(y, n_classes):
    first, shown = TreeView.fit(X, y, n_classes, seed=3, seconds=0.4)
    assert first.growth.rounds < N_ROUNDS[n_classes > 0]
    again, shown_again = TreeView.fit(X, y, n_classes, seed=3, growth=first.growth)
    np.testing.assert_array_equal(shown, shown_again)
    np.testing.assert_array_equal(first.show(X), again.show(X))
    assert again.growth == first.growth


def test_what_trees_say_of_new_rows_helps():
    view, columns = TreeView.fit(X[:300], NUMBERS[:300], 0, seed=0, growth=SMALL)
    shown = view.show(X[300:])
    assert columns.std(axis=0) == pytest.approx([1, 1])
    for column in shown.T:
        assert np.corrcoef(column, NUMBERS[300:])[0, 1] > 0.7


def test_a_forest_of_classes_gives_shares_though_one_class_is_absent():
    trees, _ = _grow_forest(X, np.where(THREE == 1, 0, THREE), 3, seed=0)
    shares = trees.predict(X)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert (shares[:, 1] == 0).all()


def test_boosting_where_a_class_is_absent():
    y = np.where(THREE == 0, 2, THREE)
    raw = _boost(X, y, 3, 0, 100, 0.1).predict(X)
    assert ((raw[:, 2] > raw[:, 1]) == (y == 2)).mean() > 0.95


@pytest.mark.parametrize(
    ("n_classes", "n_outputs", "n_rows", "columns"),
    [(0, 1, 100, 2), (2, 1, 100, 2), (3, 1, 100, 6), (20, 1, 100, 20), (0, 2, 100, 0),
     (500, 1, 9000, 0), (2, 1, 9, 0)],
)  # fmt: skip
def test_number_of_columns(n_classes, n_outputs, n_rows, columns):
    assert n_tree_columns(n_classes, n_outputs, n_rows) == columns


def test_boosting_where_there_is_one_class_says_nothing():
    assert (_boost(X, np.ones(400, int), 2, 0, 100, 0.1).predict(X) == 0).all()


@pytest.mark.parametrize("n_codes", [4, 40])
def test_a_categorys_place_in_the_order_does_not_give_a_rows_target_away(n_codes):
    found = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        codes = rng.integers(0, n_codes, 200)
        y = rng.normal(size=200)
        x = np.stack([rng.normal(size=200), codes], axis=1).astype(np.float32)
        _, columns = TreeView.fit(x, y, 0, seed, (n_codes,), growth=SMALL)
        found.append([np.corrcoef(column, y)[0, 1] for column in columns.T])
    assert np.abs(np.mean(found, axis=0)).max() < 0.15
