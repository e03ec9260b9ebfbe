"""Opening: one network of an estimator, and rows as it sees them, by names that hold."""

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from fathom import Architecture, Dense, FathomClassifier, FathomRegressor
from fathom.data import trees
from fathom.data.datasets import load_digits
from fathom.errors import InputError
from fathom.estimators.opening import count_networks, open_model
from fathom.training.calibration import sharpen, softmax
from fathom.training.recipe import Recipe

RNG = np.random.default_rng(0)
N = 180
AGE = RNG.integers(18, 80, N)
CITY = np.asarray([f"city {n}" for n in RNG.integers(0, 14, N)])
SEX = RNG.choice(["male", "female"], N)
WORDS = ["deep", "sea", "anchor", "rope", "salty", "wave", "ship", "storm", "captain", "lost"]
TABLE = pd.DataFrame({
    "age": AGE,
    "spent": np.where(np.arange(N) % 9 == 0, np.nan, RNG.normal(30, 8, N)),
    "city": CITY,
    "sex": SEX,
    "since": pd.date_range("2023-01-01", periods=N, freq="D"),
    "words": [" ".join(RNG.choice(WORDS, 8)) for _ in range(N)],
    "same": 1,
})  # fmt: skip
CHURN = np.where(AGE + RNG.normal(0, 3, N) > 50, "leaves", "stays")
KINDS = np.asarray(["a", "b", "c"])[np.digitize(AGE, (35, 60))]
AMOUNT = np.exp(AGE / 20 + RNG.normal(0, 0.1, N))


@pytest.fixture(autouse=True, scope="module")
def _few_trees():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trees, "N_FOREST", 20)
        patch.setattr(trees, "N_ROUNDS", dict.fromkeys((True, False), 10))
        yield


def searched(kind, y, seconds=5.0):
    return kind(time_limit=seconds, random_state=0).fit(TABLE, y)


@pytest.fixture(scope="module")
def classifier():
    return searched(FathomClassifier, CHURN)


@pytest.fixture(scope="module")
def regressor():
    return searched(FathomRegressor, AMOUNT)


def every_network(model):
    first = open_model(model, TABLE)
    for member in range(first.n_members):
        n_folds = open_model(model, TABLE, member=member).n_folds
        yield from (open_model(model, TABLE, member=member, fold=fold) for fold in range(n_folds))


def test_the_networks_opened_make_up_the_prediction(classifier):
    opened = list(every_network(classifier))
    total = sum(
        one.weight / one.n_folds * softmax(np.asarray(one.network.combine(jnp.asarray(one.x))))
        for one in opened
    )
    p = sharpen(total, classifier.design_.sharpness)
    p /= p.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(p, classifier.predict_proba(TABLE), atol=1e-5)
    counts = count_networks(classifier)
    assert [one.n_folds for one in opened if one.fold == 0] == list(counts)
    assert sum(counts) == len(opened)
    weights = [one.weight for one in opened if one.fold == 0]
    assert weights == sorted(weights, reverse=True)
    assert sum(weights) == pytest.approx(1)


def test_there_is_a_name_for_every_input_and_every_feature(classifier, regressor):
    for model in (classifier, regressor):
        for one in every_network(model):
            shapes = one.architecture.shapes
            assert (len(one.input_names),) == one.x.shape[1:] == one.architecture.input_shape
            assert (len(one.feature_names),) == shapes[1]
            assert len(set(one.input_names)) == len(one.input_names)
            assert len(set(one.feature_names)) == len(one.feature_names)
            assert len(one.output_names) == one.architecture.n_outputs


CHANGES = {"age": 77, "spent": 31.5, "city": "city 3", "sex": "male", "words": "rope"}


@pytest.mark.parametrize("column", CHANGES)
def test_a_change_in_a_column_is_seen_in_inputs_of_its_name_only(classifier, column):
    changed = TABLE.assign(**{column: CHANGES[column]})
    for one in every_network(classifier):
        other = open_model(classifier, changed, member=one.member, fold=one.fold)
        differs = (one.x != other.x).any(axis=0)
        seen = {name for name, is_other in zip(one.input_names, differs, strict=True) if is_other}
        assert seen
        assert all(name.startswith((column, "trees")) for name in seen)


def test_codes_say_what_they_stand_for(classifier):
    one = open_model(classifier, TABLE)
    for column, words in (("sex", SEX), ("city", CITY)):
        place = one.input_names.index(column)
        assert [one.codes[place][int(code)] for code in one.x[:, place]] == list(words)
    assert one.codes[one.input_names.index("sex")][0] == "missing or unknown"


def test_features_of_categories_are_those_of_the_words_they_are_named_by(classifier):
    one = open_model(classifier, TABLE)
    shown = np.asarray(one.network.layers[0](jnp.asarray(one.x)))
    is_male = shown[:, one.feature_names.index("sex = male")]
    np.testing.assert_array_equal(is_male, SEX == "male")


def test_steps_of_a_thermometer_are_named_by_their_thresholds(classifier):
    design = classifier.design_
    for one in every_network(classifier):
        if one.architecture.layers[0].form != "thermometer":
            continue
        shown = np.asarray(one.network.layers[0](jnp.asarray(one.x)))
        name = next(n for n in one.feature_names if n.startswith("age > "))
        threshold = float(name.removeprefix("age > "))
        column = shown[:, one.feature_names.index(name)]
        np.testing.assert_array_equal(column, threshold < AGE)
    assert design.members


def test_targets_are_as_in_training(classifier, regressor):
    assert open_model(classifier, TABLE).y is None
    one = open_model(classifier, TABLE, CHURN)
    assert one.class_names == ("leaves", "stays")
    np.testing.assert_array_equal(one.y, CHURN == "stays")
    one = open_model(regressor, TABLE, AMOUNT)
    assert one.class_names == ()
    chosen = max(regressor.design_.members, key=lambda member: member.weight)
    scale = regressor.design_.scales[chosen.genes.is_log_target]
    np.testing.assert_allclose(scale.decode(one.y)[:, 0], AMOUNT, rtol=1e-5)


def described(loss, output, n_inputs=3):
    layers = (Dense(units=4, activation="tanh"), output)
    return Architecture(input_shape=(n_inputs,), layers=layers, loss=loss)


RECIPE = Recipe(epochs=3, n_starts=2, combine="average", validation_fraction=0.0)
X = RNG.normal(size=(N, 3)) * (1, 10, 100)


def test_a_described_network_is_opened_as_it_predicts():
    output = Dense(units=3, activation="softmax")
    model = FathomClassifier(described("cross_entropy", output), RECIPE).fit(
        pd.DataFrame(X, columns=["a", "b", "c"]), KINDS
    )
    opened = [
        open_model(model, pd.DataFrame(X, columns=["a", "b", "c"]), KINDS, member=start)
        for start in (0, 1)
    ]
    each = [np.asarray(one.network(jnp.asarray(one.x))) for one in opened]
    p = model.predict_proba(pd.DataFrame(X, columns=["a", "b", "c"]))
    np.testing.assert_allclose(np.mean(each, axis=0), p, atol=1e-6)
    assert opened[0].input_names == opened[0].feature_names == ("a", "b", "c")
    assert opened[0].output_names == opened[0].class_names == ("a", "b", "c")
    assert opened[1].n_members == 2
    np.testing.assert_array_equal(np.asarray(["a", "b", "c"])[opened[0].y], KINDS)


def test_one_sigmoid_neuron_tells_of_the_second_class():
    output = Dense(units=1, activation="sigmoid")
    model = FathomClassifier(described("binary_cross_entropy", output), RECIPE).fit(X, CHURN)
    one = open_model(model, X, CHURN)
    assert one.input_names == ("x1", "x2", "x3")
    assert one.output_names == ("stays",)
    np.testing.assert_array_equal(one.y[:, 0], CHURN == "stays")


def test_pictures_have_rows_and_columns():
    digits = load_digits("digits")
    x, y = digits.x_train[:100], digits.y_train[:100]
    flat = described("cross_entropy", Dense(units=len(np.unique(y)), activation="softmax"), 256)
    model = FathomClassifier(flat, RECIPE).fit(x, y)
    one = open_model(model, x[:5], y[:5])
    assert one.x.dtype == np.float32
    assert one.input_names[16 * 3 + 6] == "pixel (4, 7)"
    np.testing.assert_array_equal(one.x.reshape(5, 16, 16), x[:5])


def test_what_is_not_there_is_refused(classifier):
    with pytest.raises(InputError, match=r"member (from )?0"):
        open_model(classifier, TABLE, member=99)
    with pytest.raises(InputError, match="fold"):
        open_model(classifier, TABLE, fold=99)
    with pytest.raises(InputError, match=r"classes that the model knows.*'unheard'.*row 3"):
        open_model(classifier, TABLE.head(3), ["leaves", "stays", "unheard"])
    with pytest.raises(InputError, match="a target for each of 3 rows"):
        open_model(classifier, TABLE.head(3), ["leaves"])
