"""Metrics against scikit-learn's and by hand; intervals against a bootstrap row by row."""

import time

import numpy as np
import pytest
from sklearn import metrics as sk
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import scale

from fathom.errors import InputError
from fathom.estimators.evaluation import (
    Evaluation,
    evaluate_classes,
    evaluate_labels,
    evaluate_numbers,
)


def draw_classes(n, k, seed=0):
    """Return right classes and probabilities that know something of them."""
    rng = np.random.default_rng(seed)
    y = rng.choice(k, n, p=np.arange(1, k + 1) / np.arange(1, k + 1).sum())
    z = 2.0 * np.eye(k)[y] + rng.normal(size=(n, k)) * 1.5
    p = np.exp(z)
    return y, p / p.sum(axis=1, keepdims=True)


def values(evaluation):
    return {metric.name: metric.value for metric in evaluation.metrics}


def test_a_hand_worked_example():
    p = [[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.2, 0.8]]
    found = evaluate_classes([0, 0, 1, 1], p, ["no", "yes"])
    assert values(found) == pytest.approx(
        {
            "accuracy": 0.75,
            "balanced accuracy": 0.75,
            "ROC AUC": 0.75,  # of the four pairs only (.3, .4) is the wrong way round
            "log loss": -np.log([0.9, 0.6, 0.3, 0.8]).mean(),
            "F1": 2 / 3,
            "Brier": (0.1**2 + 0.4**2 + 0.7**2 + 0.2**2) / 4,
            "ECE": (0.1 + 0.4 + 0.7 + 0.2) / 4,  # each row in a bin of its own
        }
    )
    assert found.confusion == ((2, 0), (1, 1))
    no, yes = found.per_class
    assert (no.precision, no.recall, no.f1, no.support) == pytest.approx((2 / 3, 1, 0.8, 2))
    assert (yes.label, yes.precision, yes.recall, yes.support) == ("yes", 1, 0.5, 2)
    assert sum(part.n_rows for part in found.calibration) == 4


@pytest.mark.parametrize("k", [2, 5])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_point_estimates_are_scikit_learns(k, is_weighted):
    y, p = draw_classes(400, k)
    w = np.random.default_rng(1).random(400) + 0.1 if is_weighted else None
    found = values(evaluate_classes(y, p, range(k), sample_weight=w, n_resamples=0))
    chosen = p.argmax(axis=1)
    area = {"multi_class": "ovr", "labels": range(k)} if k > 2 else {}
    expected = {
        "accuracy": sk.accuracy_score(y, chosen, sample_weight=w),
        "balanced accuracy": sk.balanced_accuracy_score(y, chosen, sample_weight=w),
        "ROC AUC": sk.roc_auc_score(y, p[:, 1] if k == 2 else p, sample_weight=w, **area),
        "log loss": sk.log_loss(y, p, sample_weight=w),
        "F1": sk.f1_score(y, chosen, average="binary" if k == 2 else "macro", sample_weight=w),
        "Brier": sk.brier_score_loss(y, p[:, 1] if k == 2 else p, sample_weight=w),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "k"), [(60, 3)])
def test_intervals_are_those_of_a_bootstrap_row_by_row(n, k):
    y, p = draw_classes(n, k, seed=3)
    found = evaluate_classes(y, p, range(k))
    rng = np.random.default_rng(4)
    drawn = []
    for _ in range(250):
        rows = rng.integers(n, size=n)
        drawn.append(values(evaluate_classes(y[rows], p[rows], range(k), n_resamples=0)))
    for metric in found.metrics:
        each = [draw[metric.name] for draw in drawn]
        expected = np.percentile(each, [2.5, 97.5])
        if metric.name == "ECE":  # which is larger in a draw, as chance makes gaps twice there
            expected = np.maximum(expected - (np.mean(each) - metric.value), 0)
        width = expected[1] - expected[0]
        assert metric.low == pytest.approx(expected[0], abs=0.15 * width), metric.name
        assert metric.high == pytest.approx(expected[1], abs=0.15 * width), metric.name
        assert metric.low <= metric.value <= metric.high


def test_rows_in_groups_give_the_same_interval():
    y, p = draw_classes(20_000, 3, seed=5)
    found = evaluate_classes(y, p, range(3))["accuracy"]
    error = np.sqrt(found.value * (1 - found.value) / 20_000)
    assert found.low == pytest.approx(found.value - 1.96 * error, abs=0.2 * error)
    assert found.high == pytest.approx(found.value + 1.96 * error, abs=0.2 * error)


def test_a_row_of_weight_two_is_a_row_given_twice_and_one_of_weight_zero_none():
    y, p = draw_classes(50, 3)
    w = np.arange(50) % 3
    once = evaluate_classes(y, p, range(3), sample_weight=w)
    rows = np.repeat(np.arange(50), w)
    assert values(once) == pytest.approx(values(evaluate_classes(y[rows], p[rows], range(3))))
    assert once.n_rows == (w > 0).sum()


def test_what_is_not_defined_is_said():
    p = np.array([[0.8, 0.2], [0.7, 0.3], [0.9, 0.1]])
    found = evaluate_classes([0, 0, 0], p, [False, True])
    assert found["ROC AUC"].value is None
    assert "one class" in found["ROC AUC"].note
    assert found["F1"].value is None
    assert found["accuracy"].value == 1
    assert found["log loss"].value == pytest.approx(-np.log([0.8, 0.7, 0.9]).mean())
    assert found.per_class[1].recall is None
    assert "—" in str(found)
    one = evaluate_classes([1], [[0.3, 0.7]], ["a", "b"])
    assert one["accuracy"].value == one["F1"].value == 1


def test_a_class_without_rows_is_left_out_of_the_means():
    y, p = draw_classes(200, 3)
    q = np.insert(p, 1, 0.0, axis=1)
    found = evaluate_classes(np.array([0, 2, 3])[y], q, "abcd")
    given = evaluate_classes(y, p, "acd")
    assert values(found) == pytest.approx(values(given))
    assert found.per_class[1].support == 0
    assert found.per_class[1].f1 is None


def test_impossible_probabilities_of_the_right_class_give_a_finite_loss():
    found = evaluate_classes([0, 1], [[0.0, 1.0], [0.0, 0.0]], ["a", "b"])
    assert 10 < found["log loss"].value < 40


def test_numbers():
    y, a = np.array([3.0, 5.0, 7.0, 9.0]), np.array([3.0, 5.0, 7.0, 10.0])
    found = evaluate_numbers(y, a)
    assert values(found) == pytest.approx({"RMSE": 0.5, "MAE": 0.25, "R²": 0.95})
    assert all(m.low <= m.value <= m.high for m in found.metrics)
    same = evaluate_numbers([2.0, 2.0], [1.0, 3.0])
    assert same["R²"].value is None
    assert "same" in same["R²"].note
    assert evaluate_numbers([2.0], [1.0])["RMSE"].value == 1


def test_several_numbers():
    rng = np.random.default_rng(0)
    y = rng.normal(size=(100, 2)) * [1, 1000] + [0, 1e7]
    a = y + rng.normal(size=(100, 2)) * [0.5, 100]
    found = evaluate_numbers(y, a, names=["small", "large"])
    assert found["R²"].value == pytest.approx(sk.r2_score(y, a))
    assert found["RMSE of large"].value == pytest.approx(
        sk.root_mean_squared_error(y[:, 1], a[:, 1])
    )
    each = [found[f"MAE of {name}"].value for name in ("small", "large")]
    assert found["MAE"].value == pytest.approx(np.mean(each))
    assert found["R² of large"].low > 0.97
    assert evaluate_numbers(y, a)["RMSE of output 1"].value > 0


def test_labels():
    rng = np.random.default_rng(0)
    y = (rng.random((300, 3)) < [0.5, 0.2, 0.0]).astype(int)
    p = np.clip(0.5 * y + 0.5 * rng.random((300, 3)), 0, 1)
    found = evaluate_labels(y, p, names=["a", "b", "never"])
    chosen = p >= 0.5
    assert found["accuracy"].value == pytest.approx(1 - sk.hamming_loss(y, chosen))
    assert found["exact match"].value == pytest.approx(sk.accuracy_score(y, chosen))
    assert found["ROC AUC"].value == pytest.approx(
        sk.roc_auc_score(y[:, :2], p[:, :2], average="macro")
    )
    assert found["Brier"].value == pytest.approx(((p - y) ** 2).mean())
    assert found.per_class[2].recall is None
    assert all(m.low <= m.value <= m.high for m in found.metrics)
    single = evaluate_labels([[1], [0]], [[0.9], [0.2]])
    assert single["accuracy"].value == 1
    nothing = evaluate_labels([[0], [0]], [[0.1], [0.2]])
    assert nothing["ROC AUC"].value is None
    assert nothing["F1"].value is None


def test_it_goes_to_json_and_back_and_prints_aligned():
    y, p = draw_classes(100, 3)
    found = evaluate_classes(y, p, ["red", "green", "blue"])
    assert Evaluation.model_validate_json(found.model_dump_json()) == found
    text = str(found)
    first = text.split("\n\n")[1].splitlines()
    assert len({line.index("[") for line in first}) == 1
    assert "green" in text
    assert text.count("\n\n") == 3
    with pytest.raises(InputError, match="accuracy"):
        found["precision"]


def test_seeds():
    y, p = draw_classes(100, 2)
    assert evaluate_classes(y, p, "ab") == evaluate_classes(y, p, "ab")
    other = evaluate_classes(y, p, "ab", seed=1)
    assert values(other) == values(evaluate_classes(y, p, "ab"))


@pytest.mark.parametrize(
    ("y", "p", "message"),
    [
        ([0, 1], [[0.5, 0.5]], "class numbers"),
        ([0, 2], [[0.5, 0.5]] * 2, "class numbers"),
        ([0.0, 1.0], [[0.5, 0.5]] * 2, "class numbers"),
        ([0], [[np.nan, 0.5]], "probabilities"),
        ([0], [[-0.1, 1.1]], "probabilities"),
        ([0], [0.5], "shape"),
        ([0], [[0.5, 0.2, 0.3]], "two classes"),
    ],
)
def test_what_cannot_be_is_refused(y, p, message):
    with pytest.raises(InputError, match=message):
        evaluate_classes(y, p, ["a", "b"])


def test_more_that_cannot_be_is_refused():
    with pytest.raises(InputError, match="weights"):
        evaluate_numbers([1.0], [1.0], sample_weight=[0.0])
    with pytest.raises(InputError, match="finite"):
        evaluate_numbers([1.0], [np.inf])
    with pytest.raises(InputError, match="as many"):
        evaluate_numbers([1.0], [1.0, 2.0])
    with pytest.raises(InputError, match="names"):
        evaluate_numbers([1.0], [1.0], names=["a", "b"])
    with pytest.raises(InputError, match="0 and 1"):
        evaluate_labels([[2]], [[0.5]])
    with pytest.raises(InputError, match="0 to 1"):
        evaluate_labels([[1]], [[1.5]])


@pytest.mark.parametrize("k", [2, 10])
def test_a_hundred_thousand_rows_take_no_time(k):
    y, p = draw_classes(100_000, k)
    began = time.process_time()
    evaluate_classes(y, p, range(k))
    assert time.process_time() - began < 10  # a fifth of it on a quiet machine


@pytest.mark.parametrize("load", [load_breast_cancer, load_digits])
def test_a_classifier_of_scikit_learn(load):
    x, y = load(return_X_y=True)
    model = LogisticRegression(max_iter=1000).fit(scale(x[::2]), y[::2])
    p = model.predict_proba(scale(x[1::2]))
    found = evaluate_classes(y[1::2], p, model.classes_.tolist())
    assert found["accuracy"].value > 0.9
    assert found["accuracy"].low < found["accuracy"].value < found["accuracy"].high
