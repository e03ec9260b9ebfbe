"""What our estimators do beyond scikit-learn's checks."""

import numpy as np
import polars as pl
import pytest

from fathom import Architecture, Augmentation, FathomClassifier, FathomRegressor, Recipe
from fathom.data.schema import ImageInput
from fathom.errors import InputError
from fathom.nn.blocks import Flatten
from fathom.nn.convolution import Conv2D
from fathom.nn.dense import Dense

RNG = np.random.default_rng(0)
QUICK = Recipe(epochs=12, learning_rate=0.01, batch_size=32)
X = RNG.normal(size=(240, 5))
SIGNS = (X[:, :3] > 0).astype(int)


def test_several_labels_are_independent_probabilities():
    model = FathomClassifier(recipe=QUICK, random_state=0).fit(X, SIGNS)
    p = model.predict_proba(X)
    assert p.shape == (240, 3)
    assert not np.allclose(p.sum(axis=1), 1)
    assert (model.predict(X) == SIGNS).mean() > 0.9
    assert model.architecture_.output_activation == "sigmoid"
    assert [list(c) for c in model.classes_] == [[0, 1]] * 3


@pytest.mark.parametrize(
    ("units", "output", "loss"),
    [
        (2, "softmax", "cross_entropy"), (2, "softmax", "squared_error"),
        (2, "sigmoid", "binary_cross_entropy"), (2, "sigmoid", "squared_error"),
        (1, "sigmoid", "binary_cross_entropy"), (1, "sigmoid", "squared_error"),
    ],
)  # fmt: skip
def test_every_output_layer_that_can_tell_two_classes(units, output, loss):
    architecture = Architecture(
        input_shape=(5,),
        layers=(Dense(units=16, activation="tanh"), Dense(units=units, activation=output)),
        loss=loss,
    )
    model = FathomClassifier(architecture, QUICK.model_copy(update={"epochs": 30}), random_state=0)
    model.fit(X, np.where(SIGNS[:, 0], "yes", "no"))
    p = model.predict_proba(X)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert (model.predict(X) == np.where(SIGNS[:, 0], "yes", "no")).mean() > 0.9


def test_pictures_get_a_convolutional_network_and_rows_the_same_answer():
    pictures = (RNG.random((60, 9, 8)) > 0.5).astype(np.uint8)
    y = pictures[:, :4].sum(axis=(1, 2)) > pictures[:, 5:].sum(axis=(1, 2))
    model = FathomClassifier(recipe=QUICK, random_state=0).fit(pictures, y)
    assert model.schema_.input == ImageInput(height=9, width=8, channels=1, is_ink=True)
    assert any(isinstance(layer, Conv2D) for layer in model.architecture_.layers)
    rows = pictures.reshape(60, -1)
    np.testing.assert_array_equal(model.predict_proba(rows), model.predict_proba(pictures))
    many = np.concatenate([pictures] * 6)  # 360: a full call, and another for the last
    for few in (pictures[:1], pictures[:17], many):  # calls of every size say the same
        expected = model.predict_proba(pictures)[np.arange(len(few)) % 60]
        np.testing.assert_allclose(model.predict_proba(few), expected, atol=1e-6)
    with pytest.raises(InputError, match="as in fit"):
        model.predict(pictures.transpose(0, 2, 1))
    with pytest.raises(InputError, match="pixels from 0 to 255"):
        model.predict(255 * pictures)


def test_texts_among_the_columns_of_a_given_recipe_are_refused():
    numbers = {"a": np.arange(50.0), "b": np.arange(50.0) ** 2}
    texts = pl.DataFrame({**numbers, "b": ["many words", "few"] * 25})
    recipe = QUICK.model_copy(update={"epochs": 1})
    with pytest.raises(InputError, match=r"numbers in every column.*(many words|few)"):
        FathomRegressor(recipe=recipe).fit(texts, numbers["a"])
    model = FathomRegressor(recipe=recipe).fit(pl.DataFrame(numbers), numbers["a"])
    with pytest.raises(InputError, match=r"numbers in every column.*(many words|few)"):
        model.predict(texts)


def test_rows_are_laid_out_as_the_architecture_asks():
    layers = (Conv2D(channels=2), Flatten(), Dense(units=2, activation="softmax"))
    architecture = Architecture(input_shape=(4, 4, 1), layers=layers, loss="cross_entropy")
    x = RNG.normal(size=(50, 16))
    model = FathomClassifier(architecture, QUICK, random_state=0).fit(x, x[:, 0] > 0)
    assert model.predict(x).shape == (50,)


def test_several_numbers_at_once_and_their_own_scale():
    y = np.stack([1e6 * X[:, 0], X[:, 1] - 1000], axis=1)
    model = FathomRegressor(recipe=QUICK.model_copy(update={"epochs": 60}), random_state=0)
    assert model.fit(X, y).score(X, y) > 0.9
    assert model.predict(X).shape == (240, 2)
    assert model.fit(X, y[:, :1]).predict(X).shape == (240, 1)
    assert model.fit(X, y[:, 0]).predict(X).shape == (240,)


def test_predictions_do_not_depend_on_how_many_rows_come_at_once():
    model = FathomClassifier(recipe=QUICK, random_state=0).fit(X, SIGNS[:, 0])
    whole = model.predict_proba(np.tile(X, (3, 1)))
    for n in (1, 7, 240):
        np.testing.assert_allclose(model.predict_proba(X[:n]), whole[:n], atol=1e-6)


def test_random_state_fixes_everything_and_the_seed_is_recorded():
    fit = lambda seed: FathomClassifier(recipe=QUICK, random_state=seed).fit(X, SIGNS[:, 0])
    np.testing.assert_array_equal(fit(1).predict_proba(X), fit(1).predict_proba(X))
    assert not np.array_equal(fit(1).predict_proba(X), fit(2).predict_proba(X))
    assert fit(7).recipe_.seed == 7
    drawn = FathomClassifier(recipe=QUICK, random_state=np.random.RandomState(0))
    drawn.fit(X[:40], SIGNS[:40, 0])
    repeated = FathomClassifier(drawn.architecture_, drawn.recipe_).fit(X[:40], SIGNS[:40, 0])
    np.testing.assert_array_equal(drawn.predict_proba(X), repeated.predict_proba(X))


def test_rows_of_weight_0_take_no_part_and_heavy_rows_count():
    y = SIGNS[:, 0].copy()
    wrong = np.arange(240) % 2 == 0
    y[wrong] = 1 - y[wrong]
    model = FathomClassifier(recipe=QUICK, random_state=0).fit(X, y, sample_weight=1.0 * ~wrong)
    assert (model.predict(X) == SIGNS[:, 0]).mean() > 0.9
    heavy = np.where(wrong, 0.05, 5.0)
    model = FathomClassifier(recipe=QUICK, random_state=0).fit(X, y, sample_weight=heavy)
    assert (model.predict(X) == SIGNS[:, 0]).mean() > 0.9


def test_extreme_numbers_end_in_no_nan():
    x = X.copy()
    x[0] = 1e300
    model = FathomClassifier(recipe=QUICK, random_state=0).fit(x, SIGNS[:, 0])
    assert np.isfinite(model.predict_proba(x)).all()


def softmax(units, n_in=5):
    layers = (Dense(units=units, activation="softmax"),)
    return Architecture(input_shape=(n_in,), layers=layers, loss="cross_entropy")


REFUSED = [
    ({"architecture": softmax(2, n_in=4)}, {}, "5 numbers per row"),
    ({"architecture": softmax(3)}, {}, "2 softmax or 2 sigmoid or 1 sigmoid"),
    ({"architecture": "deep"}, {}, "an Architecture"),
    ({"recipe": {"epochs": 3}}, {}, "a Recipe"),
    ({"time_limit": 0}, {}, "time_limit"),
    ({"time_limit": "fast"}, {}, "time_limit"),
    ({"recipe": Recipe(augmentation=Augmentation(shift=1))}, {}, "augmentation"),
    ({}, {"sample_weight": np.zeros(240)}, "above 0|non-zero"),
    ({}, {"sample_weight": -np.ones(240)}, "[Nn]egative"),
    ({}, {"sample_weight": np.full(240, np.nan)}, "NaN"),
    ({}, {"y": np.zeros(240)}, "at least 2 classes"),
    ({}, {"y": np.stack([np.full(240, 2), RNG.integers(0, 5, 240)], axis=1)}, "two classes or"),
    ({}, {"y": np.full((240, 2), 7)}, "two classes or more in"),
]


@pytest.mark.parametrize(("parameters", "data", "message"), REFUSED)
def test_what_cannot_be_used_is_refused(parameters, data, message):
    given = {"y": SIGNS[:, 0], **data}
    with pytest.raises(ValueError, match=message):
        FathomClassifier(**parameters).fit(X, **given)


def test_the_history_tells_what_happened():
    recipe = QUICK.model_copy(update={"n_starts": 2})
    model = FathomClassifier(recipe=recipe, random_state=0).fit(X, SIGNS[:, 0])
    assert len(model.history_.starts) == 2
    assert len(model.networks_) == 1
    assert "2 starts, 24 epochs" in str(model.history_)
    assert "not kept" in str(model.history_)
