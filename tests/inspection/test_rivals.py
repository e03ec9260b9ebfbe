"""Rivals and kernels: support vector machines and boosting against scikit-learn's own."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import AdaBoostClassifier, HistGradientBoostingClassifier
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier

from fathom import Dense
from fathom.errors import InputError
from fathom.inspection.judging import set_contest
from fathom.inspection.kernels import (
    LearnedKernel,
    alignment,
    learn_kernel,
    linear_gram,
    machine,
    rbf_gram,
    target_gram,
)  # fmt: skip
from fathom.inspection.probes import probe_layers
from fathom.inspection.rivals import Rivals, compare, train_rivals

X, Y = load_iris(return_X_y=True)
ORDER = np.random.default_rng(0).permutation(150)
SPLIT = (X[ORDER[:90]], Y[ORDER[:90]], X[ORDER[90:]], Y[ORDER[90:]])


@pytest.mark.parametrize("kernel", ["linear", "rbf", "poly"])
def test_machines_are_scikit_learns(kernel):
    rivals = train_rivals(*SPLIT, kernels=(kernel,), n_stages=0)
    expected = SVC(kernel=kernel).fit(*SPLIT[:2]).score(*SPLIT[2:])
    assert rivals.machines[0].score.value == pytest.approx(expected)
    assert rivals.boosted == ()


def test_a_tuned_machine_says_what_was_chosen_and_is_that_machine(xor):
    x, y = xor
    rivals = train_rivals(x[:200], y[:200], x[200:], y[200:], is_tuned=True, n_stages=0)
    tuned = next(m for m in rivals.machines if m.kernel == "rbf")
    cost, width = (part.split("=")[1] for part in tuned.setting.split(", ")[:2])
    model = SVC(C=float(cost), gamma=float(width)).fit(x[:200], y[:200])
    assert tuned.score.value == pytest.approx(model.score(x[200:], y[200:]), abs=0.011)
    assert rivals.best_machine.kernel == "rbf"


def test_boosting_is_scikit_learns_stage_by_stage():
    rivals = train_rivals(*SPLIT, kernels=(), n_stages=6)
    stumps = AdaBoostClassifier(
        DecisionTreeClassifier(max_depth=1), n_estimators=6, random_state=0
    ).fit(*SPLIT[:2])
    trees = HistGradientBoostingClassifier(max_iter=6, early_stopping=False).fit(*SPLIT[:2])
    for found, model in zip(rivals.boosted, (stumps, trees), strict=True):
        expected = [float((stage == SPLIT[3]).mean()) for stage in model.staged_predict(SPLIT[2])]
        assert found.scores == pytest.approx(expected)
        assert found.score.value == pytest.approx(expected[-1])


def test_numbers_have_rivals_too():
    x, y = load_diabetes(return_X_y=True)
    rivals = train_rivals(x[:300], y[:300], x[300:], y[300:], n_stages=5)
    center, scale = y[:300].mean(), y[:300].std()
    model = SVR(kernel="rbf").fit(x[:300], (y[:300] - center) / scale)
    error = y[300:] - (model.predict(x[300:]) * scale + center)
    expected = 1 - (error**2).mean() / y[300:].var()
    found = next(m for m in rivals.machines if m.kernel == "rbf")
    assert found.score.value == pytest.approx(expected)
    assert all(len(b.scores) == 5 for b in rivals.boosted)
    assert train_rivals(x, y, kernels=("rbf",), is_tuned=True, folds=2, n_stages=0).machines


def test_layers_and_rivals_are_compared_on_the_same_split(with_weights, xor, folding_network):
    x, y = xor
    probes = probe_layers(folding_network, x, y)
    flat = train_rivals(x, y, kernels=("linear",), n_stages=4)
    codes = {finding.code: finding for finding in compare(probes, flat)}
    assert codes["learned_beats_svm"]["rival"] == "linear kernel"
    assert "boosting_never" in codes
    round_ = train_rivals(x, y, kernels=("rbf",), n_stages=30)
    assert compare(probes, round_)[0].code == "learned_ties_svm"
    blind = probe_layers(with_weights(folding_network, (np.zeros((4, 2)), np.ones(4))), x, y)
    found = compare(blind, round_)
    assert (found[0].code, found[0]["rival"]) == ("learned_behind_svm", "RBF kernel")
    reached = {f["rival"]: f["n_stages"] for f in found if f.code == "boosting_stages"}
    assert reached
    for booster in round_.boosted:
        enough = [score >= blind.last_hidden.score.value for score in booster.scores]
        assert reached.get(booster.name, 0) == (enough.index(True) + 1 if any(enough) else 0)
    with pytest.raises(InputError, match="same split"):
        compare(probes, train_rivals(x, y, folds=3, kernels=("linear",), n_stages=0))


def test_rivals_go_to_json_and_back():
    rivals = train_rivals(*SPLIT, n_stages=2)
    assert Rivals.model_validate_json(rivals.model_dump_json()) == rivals
    assert "SVM, RBF kernel" in str(rivals)


def test_alignment_by_hand():
    one = np.diag([1.0, 0.0, 0.0])
    two = np.diag([0.0, 1.0, 0.0])
    # centered: e_i e_iᵀ - (e_i 1ᵀ + 1 e_iᵀ) / 3 + 1 1ᵀ / 9; sizes 2/3 each, product 1/9
    assert alignment(one, two) == pytest.approx((1 / 9) / (4 / 9))
    assert alignment(one, 5 * one) == pytest.approx(1)
    assert alignment(one, np.ones((3, 3))) == 0
    y = np.array([0, 0, 1, 1])
    assert alignment(linear_gram(np.eye(2)[y]), target_gram(y, is_classes=True)) == pytest.approx(1)
    with pytest.raises(InputError):
        alignment(one, np.eye(2))


def test_alignment_of_numbers_is_the_square_of_their_correlation():
    rng = np.random.default_rng(0)
    a, y = rng.normal(size=(2, 50))
    found = alignment(linear_gram(a[:, None]), target_gram(y, is_classes=False))
    assert found == pytest.approx(np.corrcoef(a, y)[0, 1] ** 2)


def test_grams_are_scikit_learns():
    x = np.random.default_rng(0).normal(size=(20, 3))
    np.testing.assert_allclose(rbf_gram(x), rbf_kernel(x, gamma=1 / (3 * x.var())), atol=1e-12)
    np.testing.assert_allclose(linear_gram(x), x @ x.T)


def test_a_machine_with_the_learned_kernel_is_one_with_the_matrix_computed_before():
    values = np.random.default_rng(0).normal(size=(150, 6)) + X[:, [0, 1, 2, 3, 0, 1]]
    contest = set_contest(Y[ORDER[:90]], Y[ORDER[90:]])
    values = values[ORDER]
    size = (values[:90] ** 2).sum(axis=1).mean()
    model = SVC(kernel="precomputed").fit(values[:90] @ values[:90].T / size, Y[ORDER[:90]])
    expected = model.predict(values[90:] @ values[:90].T / size)
    np.testing.assert_array_equal(machine(contest, values), expected)


def test_the_kernel_of_a_network_that_folds_the_plane_agrees_with_xor(xor, folding_network):
    x, y = xor
    kernel = learn_kernel(folding_network, x, y, n_shown=30)
    by_layer = [layer.alignment for layer in kernel.layers]
    assert by_layer[0] < 0.05 < 0.2 < by_layer[1]
    assert kernel.score.value > 0.95
    shown = y[list(kernel.rows)]
    assert (np.diff(shown) >= 0).all()
    assert shown.sum() == 15
    assert kernel.targets == tuple(map(str, shown))
    a = np.maximum(x @ np.array([[1, 1], [-1, -1], [1, -1], [-1, 1]]).T, 0)[list(kernel.rows)]
    cosine = a @ a.T / np.outer(*[np.linalg.norm(a, axis=1)] * 2)
    np.testing.assert_allclose(kernel.learned.values, cosine, atol=6e-4)


def test_a_neuron_that_knows_the_classes_has_their_kernel(make_network, with_weights, xor):
    x, y = xor
    softmax = Dense(units=2, activation="softmax")
    network = make_network(Dense(units=4), Dense(units=1, activation="tanh"), softmax)
    fold = [[1, 1], [-1, -1], [1, -1], [-1, 1]], np.zeros(4)
    network = with_weights(network, fold, ([[99, 99, -99, -99]], [0]))
    kernel = learn_kernel(network, x, y)
    assert kernel.layers[2].alignment > 0.95 > kernel.rbf_alignment
    assert kernel.findings[0].code == "kernel_aligned"


def test_a_kernel_that_learned_nothing_is_said_to_and_goes_to_json(make_network, with_weights):
    x, y = load_diabetes(return_X_y=True)
    network = make_network(Dense(units=1), Dense(units=1, activation="identity"), n_in=10,
                   loss="squared_error")  # fmt: skip
    network = with_weights(network, (np.zeros((1, 10)), [1]))
    kernel = learn_kernel(network, x[:300], y[:300], x[300:], y[300:])
    assert kernel.layers[1].alignment == 0
    assert kernel.findings[0].code == "kernel_not_aligned"
    assert kernel.score_name == "R²"
    assert LearnedKernel.model_validate_json(kernel.model_dump_json()) == kernel
