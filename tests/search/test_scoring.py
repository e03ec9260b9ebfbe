"""Scores of held-out predictions, beside what scikit-learn makes of the same."""

import numpy as np
import polars as pl
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import accuracy_score, root_mean_squared_error

from fathom.data.columns import infer_columns
from fathom.data.parsing import parse_table
from fathom.data.schema import Target
from fathom.data.splitting import make_folds
from fathom.search.material import Material
from fathom.search.scoring import score_predictions

RNG = np.random.default_rng(0)
N = 90
FRAME = pl.DataFrame({"a": RNG.normal(size=N)})
ROWS = np.arange(60, N)
WEIGHT = RNG.uniform(0.5, 1.5, N).astype(np.float32)


def make(target, y, weight=WEIGHT):
    parsed = parse_table(FRAME, infer_columns(FRAME)[0])
    return Material(parsed, target, y, weight, make_folds(N, 1, 0.3, 0), 0)


def test_accuracy_is_the_weighted_share_of_right_answers():
    y = RNG.choice(3, N, p=[0.2, 0.5, 0.3])
    material = make(Target(task="classes", classes=("a", "b", "c")), y)
    p = RNG.dirichlet(np.ones(3), len(ROWS))
    (score,) = score_predictions(material, p, ROWS)
    right = accuracy_score(y[ROWS], p.argmax(axis=1), sample_weight=WEIGHT[ROWS])
    same = DummyClassifier().fit(y[:, None], y).score(y[:, None], y, sample_weight=WEIGHT)
    assert (score.name, score.output) == ("accuracy", "")
    assert score.value == pytest.approx(right)
    assert score.baseline == pytest.approx(same)


def test_labels_are_right_one_by_one():
    y = RNG.integers(0, 2, (N, 2)).astype(float)
    material = make(Target(task="labels", n_outputs=2, is_flat=False, names=("u", "v")), y)
    p = RNG.uniform(size=(len(ROWS), 2))
    (score,) = score_predictions(material, p, ROWS)
    each = [accuracy_score(y[ROWS, k], p[:, k] >= 0.5, sample_weight=WEIGHT[ROWS]) for k in (0, 1)]
    assert score.value == pytest.approx(np.mean(each))


def test_the_error_of_a_number_is_in_its_unit():
    y = RNG.normal(500, 70, (N, 1))
    material = make(Target(task="numbers"), y)
    shown = y[ROWS] + RNG.normal(0, 9, (len(ROWS), 1))
    (score,) = score_predictions(material, shown, ROWS)
    rmse = root_mean_squared_error(y[ROWS], shown, sample_weight=WEIGHT[ROWS])
    assert (score.name, score.output) == ("RMSE", "")
    assert score.value == pytest.approx(rmse)
    assert score.value == pytest.approx(
        material.loss(shown, ROWS) * material.scales[False].scale[0]
    )
    assert material.shown_loss == ("RMSE", material.scales[False].scale[0])
    same = DummyRegressor().fit(y, y[:, 0], sample_weight=WEIGHT).predict(y)
    baseline = root_mean_squared_error(y[:, 0], same, sample_weight=WEIGHT)
    assert score.baseline == pytest.approx(baseline)


def test_several_numbers_have_an_error_each():
    y = RNG.normal((5, 5000), (1, 700), (N, 2))
    shown = y[ROWS] + RNG.normal(size=(len(ROWS), 2))
    for names, called in ((("pay", "tax"), ["pay", "tax"]), ((), ["output 1", "output 2"])):
        target = Target(task="numbers", n_outputs=2, is_flat=False, names=names)
        material = make(target, y)
        scores = score_predictions(material, shown, ROWS)
        assert [score.output for score in scores] == called
        for k, score in enumerate(scores):
            rmse = root_mean_squared_error(y[ROWS, k], shown[:, k], sample_weight=WEIGHT[ROWS])
            assert score.value == pytest.approx(rmse)
    assert material.shown_loss == ("relative RMSE", 1.0)


@pytest.mark.parametrize("size", [1e-300, 1e-200, 1e200, 1e307])
def test_sizes_at_the_ends_of_what_numbers_can_be(size):
    y = RNG.uniform(0.1, 1, (N, 1))
    (plain,) = score_predictions(make(Target(task="numbers"), y), 0 * y[ROWS], ROWS)
    (score,) = score_predictions(make(Target(task="numbers"), y * size), 0 * y[ROWS], ROWS)
    assert score.value == pytest.approx(plain.value * size)
    assert score.baseline == pytest.approx(plain.baseline * size)


def test_without_rows_there_is_no_score():
    material = make(Target(task="numbers"), RNG.normal(size=(N, 1)))
    assert score_predictions(material, np.zeros((0, 1)), ROWS[:0]) == ()
