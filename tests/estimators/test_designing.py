"""Estimators that design their own networks: any table in, and everything scikit-learn asks."""

import pickle
import time
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from fathom import FathomClassifier, FathomRegressor
from fathom.data import trees
from fathom.errors import InputError

RNG = np.random.default_rng(0)
N = 160
X = RNG.normal(size=(N, 3))
Y = (X[:, 0] > 0).astype(int)
NUMBERS = 3 * X[:, 0] + X[:, 1]
WORDS = ["deep", "sea", "anchor", "rope", "salty", "wave", "ship", "storm", "captain", "lost"]


@pytest.fixture(autouse=True, scope="module")
def _few_trees():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trees, "N_FOREST", 20)
        patch.setattr(trees, "N_ROUNDS", dict.fromkeys((True, False), 10))
        yield


def mixed():
    category = pd.Categorical(
        np.where(Y == 1, "x", RNG.choice(["x", "y"], N)), categories=["never", "x", "y"]
    )
    return pd.DataFrame({
        "number": np.where(np.arange(N) % 9 == 0, np.nan, X[:, 0]),
        "whole": pd.array([None if i % 8 == 0 else i % 13 for i in range(N)], dtype="Int64"),
        "category": category,
        "object": [None if i % 7 == 0 else ["a", 1, 2.5][i % 3] for i in range(N)],
        "day": pd.date_range("2024-01-01", periods=N, freq="D").where(np.arange(N) % 5 > 0),
        "text": [" ".join(RNG.choice(WORDS, 8)) for _ in range(N)],
        "is": RNG.choice([True, False], N),
        "constant": 1,
        "empty": np.nan,
    })  # fmt: skip


TABLE = mixed()


def classifier(seconds=0.5, **more):
    return FathomClassifier(time_limit=seconds, random_state=0, **more)


def regressor(seconds=0.5, **more):
    return FathomRegressor(time_limit=seconds, random_state=0, **more)


@pytest.fixture(scope="module")
def fitted():
    return classifier(4.0).fit(TABLE, np.where(Y, "yes", "no"))


@pytest.fixture(scope="module")
def plain():
    return classifier(2.0).fit(X, Y)


def test_a_table_of_every_kind_of_column_is_learned(fitted):
    assert fitted.score(TABLE, np.where(Y, "yes", "no")) > 0.6
    kinds = {c.name: c.kind for c in fitted.schema_.input.columns}
    assert kinds == {
        "number": "number", "whole": "number", "category": "category", "object": "category",
        "day": "date", "text": "text", "is": "yes_no", "constant": "constant",
        "empty": "constant",
    }  # fmt: skip
    assert list(fitted.classes_) == ["no", "yes"]
    assert list(fitted.feature_names_in_) == list(TABLE.columns)
    p = fitted.predict_proba(TABLE)
    np.testing.assert_allclose(p.sum(axis=1), 1)


def test_polars_and_another_order_of_columns_say_the_same(fitted):
    p = fitted.predict_proba(TABLE)
    np.testing.assert_allclose(fitted.predict_proba(TABLE[list(TABLE.columns)[::-1]]), p)
    strings = TABLE.assign(
        object=[None if v is None else str(v) for v in TABLE["object"]],
        category=TABLE["category"].astype(str),
    )
    frame = pl.DataFrame({
        name: [None if pd.isna(v) else v for v in strings[name]] for name in TABLE.columns
    })  # fmt: skip
    np.testing.assert_allclose(fitted.predict_proba(frame), p, atol=1e-6)
    np.testing.assert_allclose(fitted.predict_proba(TABLE.assign(extra=1)), p)
    shuffled = TABLE.sample(frac=1, random_state=0)
    np.testing.assert_allclose(fitted.predict_proba(shuffled), p[shuffled.index], atol=1e-6)


def test_what_was_never_seen_gets_an_answer(fitted):
    other = TABLE.head(3).copy()
    other["category"] = ["never", "new", None]
    other["object"] = ["new", None, 1e9]
    other["number"] = [1e308, -1e308, np.nan]
    assert np.isfinite(fitted.predict_proba(other)).all()
    nothing = pd.DataFrame({name: [None, None] for name in TABLE.columns})
    assert np.isfinite(fitted.predict_proba(nothing)).all()


def test_no_rows_get_no_answers(fitted):
    assert fitted.predict_proba(TABLE.head(0)).shape == (0, 2)
    assert fitted.predict(TABLE.head(0)).shape == (0,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns=["number"]), "number"),
        (lambda t: t.rename(columns={"day": "date"}), "day"),
        (lambda t: t.assign(number="many"), "numbers in column number"),
        (lambda t: t.to_numpy()[:, :4], "columns"),
    ],
)
def test_another_table_is_refused(fitted, change, message):
    with pytest.raises(ValueError, match=message):
        fitted.predict(change(TABLE))


def test_frames_whose_names_look_like_places_are_known_by_name():
    frame = pd.DataFrame(X, columns=["x0", "x1", "x2"])
    model = classifier().fit(frame, Y)
    p = model.predict_proba(frame)
    np.testing.assert_array_equal(model.predict_proba(frame[["x2", "x0", "x1"]]), p)
    model.fit(X, Y)
    assert not hasattr(model, "feature_names_in_")
    assert model.predict(X[:2]).shape == (2,)


def test_arrays_with_values_missing_and_words(plain):
    x = X.copy()
    x[::4, 1] = np.nan
    assert np.isfinite(plain.predict_proba(x)).all()
    rows = [[float(a), "left" if b > 0 else "right"] for a, b in X[:, :2]]
    model = classifier().fit(rows, Y)
    assert [c.kind for c in model.schema_.input.columns] == ["number", "category"]
    assert model.predict(rows[:3]).shape == (3,)
    late = np.array([[1.5, 2.5]] * 1200 + [[0.5, "word"]] * 30, object)
    late[:600, 0] = 0.25
    target = np.arange(1230) % 2
    assert classifier().fit(late, target).schema_.input.columns[1].kind != "number"


@pytest.mark.parametrize("x", [X[:, :2], np.hstack([X, X]), X[0], "words", [[]]])
def test_rows_of_another_shape_are_refused(plain, x):
    with pytest.raises(ValueError, match=r"."):
        plain.predict(x)


@pytest.mark.parametrize("labels", [
    Y.astype(bool), Y.astype(float), Y.astype(str), np.array(["b", "a"], object)[Y],
    pd.Series(np.array(["b", "a"])[Y], dtype="category"), Y * 7 - 3,
])  # fmt: skip
def test_classes_of_any_type_come_back(labels):
    model = classifier().fit(X, labels)
    assert model.classes_.tolist() == np.unique(np.asarray(labels)).tolist()
    assert set(model.predict(X)) <= set(np.asarray(labels))


def test_rows_of_weight_0_take_no_part():
    y = Y.copy()
    wrong = np.arange(N) % 2 == 0
    y[wrong] = 1 - y[wrong]
    model = classifier(2.0).fit(X, y, sample_weight=1.0 * ~wrong)
    assert (model.predict(X) == Y).mean() > 0.6
    assert model.report_.n_train + model.report_.n_held_out == N // 2
    with pytest.raises(ValueError, match="at least 2 rows"):
        classifier().fit(X, Y, sample_weight=np.eye(N)[0])


def test_class_weights_move_the_border():
    y = RNG.integers(0, 2, N)
    first, even, second = (
        classifier(1.5, class_weight=weight).fit(X, y).predict_proba(X)[:, 1].mean()
        for weight in ({0: 50}, "balanced", {1: 50})
    )
    assert first < even < second


@pytest.mark.parametrize(
    ("weight", "y"),
    [("even", Y), ({2: 1}, Y), ({1: -1}, Y), ({1: np.nan}, Y), (3, Y),
     ("balanced", (X > 0).astype(int))],
)  # fmt: skip
def test_class_weights_that_cannot_be_are_refused(weight, y):
    with pytest.raises(InputError, match="class"):
        classifier(class_weight=weight).fit(X, y)


@pytest.mark.parametrize(
    ("parameters", "data", "message"),
    [
        ({"time_limit": -1}, {}, "time_limit"),
        ({"column_kinds": {"other": "number"}}, {}, "other"),
        ({"column_kinds": {"number": "shape"}}, {}, "kind"),
        ({}, {"groups": np.zeros(3)}, "one value for each"),
        ({}, {"groups": [None, "a"] * (N // 2)}, "one type"),
        ({}, {"groups": np.zeros(N)}, "at least 2 groups"),
        ({}, {"order": np.zeros(N)}, "one time"),
        ({}, {"y": np.full(N, np.nan)}, "NaN"),
        ({}, {"y": np.zeros(N)}, "at least 2 classes"),
        ({}, {"X": TABLE.head(0), "y": []}, "0 sample|rows"),
        ({}, {"y": Y[:5]}, "inconsistent"),
    ],
)
def test_what_cannot_be_used_is_refused(parameters, data, message):
    with pytest.raises(ValueError, match=message):
        FathomClassifier(**parameters).fit(**{"X": TABLE, "y": Y, **data})


def test_labels_and_several_numbers():
    labels = (X[:, :2] > 0).astype(int)
    model = classifier(2.0).fit(X, labels)
    assert model.predict_proba(X).shape == model.predict(X).shape == (N, 2)
    assert (model.predict(X) == labels).mean() > 0.6
    assert [list(c) for c in model.classes_] == [[0, 1]] * 2
    y = np.stack([1e6 * X[:, 0], X[:, 1] - 1000], axis=1)
    model = regressor(2.0).fit(X, y)
    assert model.predict(X).shape == (N, 2)
    assert model.score(X, y) > 0
    assert regressor().fit(X, y[:, :1]).predict(X).shape == (N, 1)


def test_numbers_stay_within_what_was_seen():
    model = regressor(1.5).fit(X, NUMBERS)
    far = model.predict(1e6 * X)
    assert NUMBERS.min() <= far.min()
    assert far.max() <= NUMBERS.max()
    assert model.predict(X).shape == (N,)


@pytest.mark.parametrize("scale", [1e300, 1e-300])
def test_numbers_of_any_size_are_learned(scale):
    model = regressor(1.5).fit(X, scale * NUMBERS)
    assert np.corrcoef(model.predict(X) / scale, NUMBERS)[0, 1] > 0.6
    assert np.isfinite(model.predict(1e300 * X)).all()


def test_extreme_cells_harm_no_other_row():
    x = np.vstack([X, [[1e300, -1e300, np.nan]]])
    model = classifier(2.0).fit(x, [*Y, 1])
    assert (model.predict(X) == Y).mean() > 0.6


@pytest.mark.parametrize("n", [2, 3, 5])
def test_few_rows_give_a_model_all_the_same(n):
    y = np.arange(n) % 2
    p = classifier().fit(X[:n], y).predict_proba(X)
    assert np.isfinite(p).all()
    assert np.isfinite(regressor().fit(X[:n], 1.0 * y).predict(X)).all()


def test_a_class_of_one_row_is_known():
    y = Y.copy()
    y[3] = 7
    model = classifier().fit(X, y)
    assert model.classes_.tolist() == [0, 1, 7]
    assert model.predict_proba(X).shape == (N, 3)


def test_thousands_of_columns_take_bounded_time():
    x = RNG.normal(size=(200, 2_500)).astype(np.float32)
    began = time.process_time()
    model = classifier(2.0).fit(x, x[:, 0] > 0)
    assert model.predict(x[:5]).shape == (5,)
    assert time.process_time() - began < 60


def test_noise_is_called_noise():
    model = classifier(2.0).fit(RNG.normal(size=(300, 3)), RNG.integers(0, 2, 300))
    if model.report_.validation_loss is not None:
        assert model.report_.gain < 0.05
        assert model.report_.is_no_better_than_guessing == (model.report_.gain < 0.01)
        assert model.report_.words()[-1].startswith("No better") == (model.report_.gain < 0.01)


def test_the_leaderboard_is_rows_for_a_data_frame(plain):
    board = pd.DataFrame(plain.leaderboard_)
    assert len(board) == len(plain.report_.candidates)
    assert board["loss"].dropna().is_monotonic_increasing
    assert board.loc[board["status"] == "kept", "weight"].sum() == pytest.approx(1)
    assert {"network", "input_form", "depth", "dropout", "epochs_trained", "seconds", "reason"} <= {
        *board
    }


def test_a_model_goes_through_pickle_without_its_training_rows(plain):
    file = pickle.dumps(plain)
    again = pickle.loads(file)
    np.testing.assert_array_equal(again.predict_proba(X), plain.predict_proba(X))
    assert again.report_ == plain.report_
    assert not hasattr(again, "_searched")
    again.set_params(warm_start=True).fit(X, Y)
    assert len(again.report_.candidates) >= len(plain.report_.candidates)


def test_a_warm_start_goes_on_with_the_same_rows_only():
    model = classifier(1.5, warm_start=True).fit(X, Y)
    before = model.report_
    model.fit(X, Y)
    after = model.report_
    kept = [(c.number, c.genes) for c in before.candidates]
    assert [(c.number, c.genes) for c in after.candidates[: len(kept)]] == kept
    # A model that the clock left with some of its folds is judged on their rows alone: only
    # what was trained on all of them can be compared.
    complete = {c.number: c.loss for c in before.candidates if c.n_folds == before.n_folds}
    assert complete.items() <= {c.number: c.loss for c in after.candidates}.items()
    best = min((c.loss for c in after.candidates if c.n_folds == after.n_folds), default=np.inf)
    assert after.validation_loss <= best * (1 + 1e-3) + 1e-6
    for x, y in ((X[:-1], Y[:-1]), (X, Y + 1), (X[:, :2], Y)):
        with pytest.raises(ValueError, match=r"first fit|columns"):
            model.fit(x, y)
    for y, more in ((1 - Y, {}), (Y, {"groups": np.arange(N) // 9}), (Y, {"sample_weight": 1 + Y}),
                    (Y, {"order": np.arange(N)})):  # fmt: skip
        with pytest.raises(InputError, match="the very rows the model was trained on"):
            model.fit(X, y, **more)
    fresh = clone(model).fit(X, Y)
    assert fresh.report_.candidates[0].number == 0


def test_groups_never_both_train_and_judge_and_the_latest_rows_judge():
    groups = np.repeat(["a", "b", "c", "d"], N // 4)
    model = classifier().fit(TABLE, Y, groups=groups)
    for fold in model._searched.folds:
        assert not set(groups[fold.training]) & set(groups[fold.held_out])
    days = TABLE["number"].index.to_numpy()[::-1]
    (fold,) = classifier().fit(TABLE, Y, order=days)._searched.folds
    assert days[fold.held_out].min() > days[fold.training].max()


def test_scikit_learns_tools_around_it():
    model = classifier()
    assert clone(model).get_params() == model.get_params()
    scores = cross_val_score(model, X, Y, cv=2)
    assert scores.mean() > 0.5
    search = GridSearchCV(model, {"time_limit": [0.5, 1.0]}, cv=2).fit(X, Y)
    assert search.best_params_["time_limit"] in (0.5, 1.0)
    inside = make_pipeline(StandardScaler().set_output(transform="pandas"), classifier())
    inside.fit(pd.DataFrame(X, columns=list("abc")), Y)
    assert list(inside[-1].feature_names_in_) == list("abc")
    one_hot = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["category"]), ("passthrough", ["is"])
    )
    assert make_pipeline(one_hot, classifier()).fit(TABLE, Y).predict(TABLE).shape == (N,)


def test_groups_are_routed_where_that_is_asked_for():
    groups = np.repeat(np.arange(8), N // 8)
    with sklearn.config_context(enable_metadata_routing=True):
        model = classifier(0.5).set_fit_request(groups=True)
        found = cross_validate(
            model, X, Y, cv=GroupKFold(2), params={"groups": groups}, return_estimator=True
        )
        assert len(found["estimator"]) == 2
        assert model.get_metadata_routing().fit.requests["groups"] is True


def test_fitting_warns_of_nothing_and_leaves_its_input_alone():
    table, labels = TABLE.copy(), Y.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classifier(1.5).fit(table, labels)
    pd.testing.assert_frame_equal(table, TABLE)
    np.testing.assert_array_equal(labels, Y)


NOT_THE_SAME = "compares two fits, but a search that the clock ends comes out otherwise each time"
EXPECTED_FAILURES = {
    **dict.fromkeys(
        (
            "check_fit_idempotent", "check_sample_weight_equivalence_on_dense_data",
            "check_pipeline_consistency", "check_supervised_y_2d", "check_regressors_int",
            "check_classifier_data_not_an_array", "check_regressor_data_not_an_array",
            "check_classifiers_multilabel_representation_invariance",
        ),
        NOT_THE_SAME,
    ),
    "check_class_weight_classifiers": (
        "a class that counts ten million times as much takes more than half a second to win"
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(
    [FathomClassifier(time_limit=0.3), FathomRegressor(time_limit=0.4)],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES,
)
def test_scikit_learn_check(estimator, check):
    if check.func.__name__ in ("check_classifiers_train", "check_regressors_train"):
        estimator = clone(estimator).set_params(time_limit=1)  # they ask for a good fit
    check(estimator)
