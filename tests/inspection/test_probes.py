"""Probes: scores against scikit-learn's, and what they say of networks made for it."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.datasets import load_diabetes, load_iris, make_blobs
from sklearn.linear_model import LogisticRegression, RidgeClassifierCV, RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fathom import Dense
from fathom.errors import InputError
from fathom.inspection.judging import read_target, resampled_mean, set_contest, wilson
from fathom.inspection.probes import DECAYS, Probes, probe_layers

IRIS_X, IRIS_Y = load_iris(return_X_y=True)


def test_classes_that_a_plane_separates_are_told_apart_by_every_layer(make_network):
    x, y = make_blobs(200, centers=[(-5, -5), (5, 5)], random_state=0)
    network = make_network(
        Dense(units=4, activation="tanh", initializer="orthogonal"),
        Dense(units=2, activation="softmax"),
    )
    probes = probe_layers(network, x, y)
    assert [layer.score.value for layer in probes.layers[:2]] == [1.0, 1.0]
    assert probes.gain.value == 0
    assert probes.findings[0].code == "probe_flat"


def test_the_score_is_scikit_learns_on_the_same_folds(make_network):
    network = make_network(Dense(units=5), Dense(units=3, activation="softmax"), n_in=4)
    probes = probe_layers(network, IRIS_X, IRIS_Y, folds=4, seed=3)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300, tol=1e-3))
    folds = StratifiedKFold(4, shuffle=True, random_state=3)
    expected = cross_val_score(model, IRIS_X.astype(np.float32).astype(float), IRIS_Y, cv=folds)
    sizes = [len(test) for _, test in folds.split(IRIS_X, IRIS_Y)]
    assert probes.layers[0].score.value == pytest.approx(np.average(expected, weights=sizes))
    assert (probes.folds, probes.n_rows, probes.n_tested) == (4, 150, 150)


@pytest.mark.parametrize("kind", ["logistic", "ridge"])
def test_rows_held_out_are_judged_by_a_model_of_the_others(kind, make_network):
    network = make_network(
        Dense(units=6, activation="tanh"), Dense(units=3, activation="softmax"), n_in=4
    )
    train, test = np.arange(0, 150, 2), np.arange(1, 150, 2)
    pairs = (IRIS_X[train], IRIS_Y[train], IRIS_X[test], IRIS_Y[test])
    probes = probe_layers(network, *pairs, kind=kind)
    linear = {
        "logistic": LogisticRegression(max_iter=300, tol=1e-3),
        "ridge": RidgeClassifierCV(alphas=DECAYS),
    }[kind]
    hidden = np.asarray(network.layers[0](jnp.asarray(IRIS_X, jnp.float32)), float)
    model = make_pipeline(StandardScaler(), linear).fit(hidden[train], IRIS_Y[train])
    score = probes.layers[1].score
    assert score.value == pytest.approx(model.score(hidden[test], IRIS_Y[test]))
    assert probes.folds == 0
    n_right = round(score.value * len(test))
    interval = binomtest(n_right, len(test)).proportion_ci(method="wilson")
    assert (score.low, score.high) == pytest.approx((interval.low, interval.high))


def test_numbers_are_judged_by_the_r2_of_a_ridge_regression(make_network):
    x, y = load_diabetes(return_X_y=True)
    x = StandardScaler().fit_transform(x)
    network = make_network(Dense(units=8), Dense(units=1, activation="identity"), n_in=10,
                   loss="squared_error")  # fmt: skip
    probes = probe_layers(network, x[:300], y[:300], x[300:], y[300:])
    model = make_pipeline(StandardScaler(), RidgeCV(alphas=DECAYS)).fit(x[:300], y[:300])
    score = probes.layers[0].score
    assert probes.score_name == "R²"
    assert score.value == pytest.approx(r2_score(y[300:], model.predict(x[300:])), abs=1e-4)
    assert score.low < score.value < score.high
    assert probe_layers(network, x[:300], y[:300, None]).layers[0].score.value > 0.3


def test_a_network_that_folds_the_plane_makes_xor_plain(xor, folding_network):
    x, y = xor
    probes = probe_layers(folding_network, x, y)
    assert probes.layers[0].score.value < 0.65
    assert probes.last_hidden.score.value > 0.97
    assert probes.layers[1].gain.low > 0
    rise = probes.findings[0]
    assert rise.code == "probe_rises"
    assert rise["gain"] == pytest.approx(
        probes.last_hidden.score.value - probes.layers[0].score.value
    )
    assert probes.gain.value == pytest.approx(rise["gain"])


def test_a_layer_that_loses_the_classes_is_said_to(make_network, with_weights):
    x, y = make_blobs(200, centers=[(-5, 0), (5, 0)], random_state=0)
    blind = make_network(Dense(units=1), Dense(units=2), Dense(units=2, activation="softmax"))
    blind = with_weights(blind, ([[0, 1]], [0]))  # looks at the number that says nothing
    probes = probe_layers(blind, x, y)
    assert probes.findings[0].code == "probe_falls"
    codes = {finding.code: finding for finding in probes.findings}
    assert "probe_best" not in codes
    assert codes["probe_steps"]["n_steps"] == 2


def test_a_layer_that_loses_what_the_one_before_had_is_said_to(make_network, with_weights, xor):
    layers = Dense(units=4), Dense(units=2), Dense(units=2, activation="softmax")
    fold = [[1, 1], [-1, -1], [1, -1], [-1, 1]], np.zeros(4)
    network = with_weights(make_network(*layers), fold, (np.zeros((2, 4)), np.ones(2)))
    codes = {finding.code: finding for finding in probe_layers(network, *xor).findings}
    assert codes["probe_best"]["layer"] == "1 dense 4 relu"
    assert codes["probe_best"]["difference"] > 0.4


def test_wide_layers_are_brought_to_their_main_directions(make_network):
    x, y = make_blobs(120, n_features=1500, centers=3, random_state=0)
    network = make_network(Dense(units=3, activation="softmax"), n_in=1500)
    assert probe_layers(network, x, y).layers[0].score.value == 1


def test_text_and_rare_classes_and_draws(make_network):
    network = make_network(Dense(units=3), Dense(units=3, activation="softmax"), n_in=4)
    names = np.array(["a", "b", "c"], object)[IRIS_Y]
    assert probe_layers(network, IRIS_X, names) == probe_layers(network, IRIS_X, IRIS_Y)
    rare = np.where(np.arange(150) == 0, 7, IRIS_Y)  # one row of its class
    assert probe_layers(network, IRIS_X, rare).n_tested == 150
    drawn = probe_layers(network, IRIS_X, IRIS_Y, most_rows=60)
    assert drawn.n_rows == 60
    assert drawn.findings[-1].code == "sampled"


@pytest.mark.parametrize(
    "given",
    [
        {"y": IRIS_Y[:3]}, {"y": np.zeros(150, int)}, {"y": np.full(150, np.nan)},
        {"x_test": IRIS_X}, {"y": np.ones((150, 2))}, {"folds": 1}, {"folds": 151},
        {"x_test": IRIS_X, "y_test": IRIS_Y + 0.5},
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused(given, make_network):
    network = make_network(Dense(units=3), Dense(units=3, activation="softmax"), n_in=4)
    with pytest.raises(InputError):
        probe_layers(network, **{"x": IRIS_X, "y": IRIS_Y, **given})


def test_intervals_of_means_hold_the_mean_in_19_of_20_cases():
    rng = np.random.default_rng(0)
    hits = 0
    for seed in range(200):
        low, high = resampled_mean(rng.exponential(size=(80, 1)), seed, 300)[:, 0]
        hits += low <= 1 <= high
    assert 175 <= hits <= 199
    for n_right in (0, 1, 20):
        interval = binomtest(n_right, 20).proportion_ci(method="wilson")
        assert wilson(n_right, 20) == pytest.approx((interval.low, interval.high), abs=1e-7)


def test_targets_are_read_for_what_they_are():
    assert read_target([True, False])[0] == "classes"
    assert read_target(np.array([[1.5], [2.5]]))[0] == "numbers"
    contest = set_contest([0.0, 1.0, 1.0, 0.0], folds=2)
    assert (contest.task, contest.scale()) == ("classes", 1.0)
    assert sorted(contest.tested.tolist()) == [0, 1, 2, 3]


def test_probes_go_to_json_and_back(xor, folding_network):
    probes = probe_layers(folding_network, *xor)
    assert Probes.model_validate_json(probes.model_dump_json()) == probes
    assert "1 dense 4 relu" in str(probes)
