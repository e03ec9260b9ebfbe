"""scikit-learn's own checks, and its tools around our estimators."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from fathom import FathomClassifier, FathomRegressor, Recipe
from fathom.errors import InputError

EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "training goes in random batches: a row of weight 2 is drawn once and counts twice, a row "
        "given twice is drawn at two other moments, so the weights agree only on average"
    ),
}


DEFAULT = Recipe(learning_rate=2e-3, batch_size=32, epochs=100, weight_decay=0.01)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(
    # Those of a search, which the clock ends, are in test_designing.
    [FathomClassifier(recipe=DEFAULT), FathomRegressor(recipe=DEFAULT)],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES,
)
def test_scikit_learn_check(estimator, check):
    check(estimator)


X, Y = load_iris(return_X_y=True)
QUICK = Recipe(epochs=15, learning_rate=0.01, batch_size=32)


def test_clone_pipeline_grid_search_and_cross_validation():
    model = make_pipeline(MinMaxScaler(), FathomClassifier(recipe=QUICK, random_state=0))
    assert cross_val_score(clone(model), X, Y, cv=3).mean() > 0.85
    rates = [QUICK.model_copy(update={"learning_rate": rate}) for rate in (1e-6, 0.01)]
    search = GridSearchCV(FathomClassifier(random_state=0), {"recipe": rates}, cv=2).fit(X, Y)
    assert search.best_params_["recipe"].learning_rate == 0.01


def test_data_frames_keep_their_names():
    frame, y = load_breast_cancer(return_X_y=True, as_frame=True)
    model = FathomClassifier(recipe=QUICK, random_state=0).fit(frame, y)
    assert list(model.feature_names_in_) == list(frame.columns)
    assert model.schema_.input.names == tuple(frame.columns)
    assert model.score(frame, y) > 0.95
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame.rename(columns={frame.columns[0]: "other"}))


@pytest.mark.parametrize(
    "kind",
    [
        str,
        float,
        bool,
        lambda y: np.array(["no", "yes"], object)[y],
        lambda y: pd.Series(y, dtype="category"),
    ],
)
def test_classes_of_any_type_come_back_as_they_were(kind):
    y = Y[:100]
    labels = kind(y) if not isinstance(kind, type) else y.astype(kind)
    model = FathomClassifier(recipe=QUICK, random_state=0).fit(X[:100], labels)
    predicted = model.predict(X[:100])
    assert (predicted == np.asarray(labels)).mean() > 0.9
    plain = FathomClassifier(recipe=QUICK, random_state=0).fit(X[:100], y)
    np.testing.assert_array_equal(model.predict_proba(X[:9]), plain.predict_proba(X[:9]))


def test_at_most_eight_constructor_parameters():
    for estimator in (FathomClassifier, FathomRegressor):
        assert len(estimator().get_params()) <= 8


@pytest.mark.parametrize("words", [["low", "high"], np.array(["1.5", "?"], object)])
@pytest.mark.parametrize("table", [False, True])
def test_a_target_of_words_is_refused_where_numbers_are_predicted(words, table):
    x = np.arange(20.0).reshape(10, 2)
    given = pd.DataFrame(x, columns=["a", "b"]) if table else x
    with pytest.raises(InputError, match=r"a target of numbers.*FathomClassifier"):
        FathomRegressor(time_limit=1).fit(given, np.resize(words, 10))


@pytest.mark.parametrize(
    "kind", [list, np.array, pd.Series, pl.Series, lambda x: np.array(x, object)]
)
def test_texts_in_a_row_are_one_column(kind):
    texts = ["a good day", "a bad night", "good and nice", "bad and awful"] * 10
    model = FathomClassifier(time_limit=1, random_state=0).fit(kind(texts), ["up", "down"] * 20)
    assert model.n_features_in_ == 1
    table = pd.DataFrame({"any name": texts[:4]})
    assert np.array_equal(model.predict_proba(kind(texts[:4])), model.predict_proba(table))
    with pytest.raises(ValueError, match="1D array"):
        model.predict([1.0, 2.0])


def test_one_class_is_shown_as_it_is_written():
    with pytest.raises(InputError, match=r"one class only: 0\.0 "):
        FathomClassifier(time_limit=1).fit(np.arange(20.0).reshape(10, 2), np.zeros(10))
