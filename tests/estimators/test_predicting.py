"""The quick way to a prediction is the long way, and refuses nothing else."""

import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from fathom import Architecture, FathomClassifier, FathomRegressor, Recipe
from fathom.data.encoding import FARTHEST, NearStandardization, Standardization
from fathom.errors import InputError
from fathom.estimators.predicting import encode_rows
from fathom.nn.blocks import Residual
from fathom.nn.dense import Dense
from fathom.nn.network import Network
from fathom.nn.normalization import LayerNorm

RNG = np.random.default_rng(0)
SCALES = np.array([1.0, 1e-3, 1e4, 5.0, 1.0])
X = RNG.normal(size=(300, 5)) * SCALES + np.array([0, 0, 0, 1e4, -2])
Y = X[:, 0] * X[:, 4] > 0
QUICK = Recipe(epochs=2, batch_size=64)


def described(output, loss, *first):
    layers = (*first, Dense(units=8, activation="silu"), output)
    return Architecture(input_shape=(5,), layers=layers, loss=loss)


def fit(kind=FathomClassifier, y=Y, output=None, loss="cross_entropy", starts=1, first=()):
    output = output or Dense(units=2, activation="softmax")
    recipe = QUICK.model_copy(update={"n_starts": starts, "combine": "average"})
    return kind(described(output, loss, *first), recipe, random_state=0).fit(X, y)


@pytest.fixture(scope="module")
def model():
    return fit()


def by_network(model, x):
    """Return the mean of the outputs as the networks themselves compute them."""
    rows = encode_rows(model.encoding_, np.asarray(x), model.schema_, model.architecture_)
    encoded = jnp.asarray(rows, jnp.float32)
    return np.mean([np.asarray(n(encoded), np.float64) for n in model.networks_], axis=0)


def is_quick(model, x):
    return model._predictor.try_plain(x) is not None


@pytest.mark.parametrize(
    "settings",
    [
        {}, {"starts": 3}, {"first": (LayerNorm(),)},
        {"first": (Residual(layers=(Dense(units=5),)),)},
        {"output": Dense(units=1, activation="sigmoid"), "loss": "binary_cross_entropy"},
        {"y": np.stack([Y, X[:, 1] > 0, X[:, 3] > 1e4], axis=1).astype(int),
         "output": Dense(units=3, activation="sigmoid"), "loss": "binary_cross_entropy"},
        {"kind": FathomRegressor, "y": 100 * X[:, :1] + 7,
         "output": Dense(units=1, activation="identity"), "loss": "squared_error", "starts": 2},
        {"kind": FathomRegressor, "y": np.abs(X[:, :2]),
         "output": Dense(units=2, activation="softplus"), "loss": "squared_error"},
    ],
)  # fmt: skip
def test_outputs_are_those_of_the_networks(settings):
    model = fit(**settings)
    expected = by_network(model, X)
    first = settings.get("first", (Dense(units=1),))[0]
    for x in (X, X.astype(np.float32), X.tolist(), pd.DataFrame(X).to_numpy()):
        outputs = model._predict_outputs(x)
        assert outputs.dtype == np.float64
        np.testing.assert_allclose(outputs, by_network(model, x), rtol=2e-5, atol=1e-6)
    assert is_quick(model, X) == isinstance(first, Dense)
    if isinstance(model, FathomClassifier) and model.schema_.target.task == "classes":
        np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1, rtol=1e-12)
    if isinstance(model, FathomRegressor) and model.target_encoding_ is not None:
        predicted = model.target_encoding_.decode(expected)
        np.testing.assert_allclose(model.predict(X), predicted, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("dtype", ["int64", "int8", "bool", "float16", ">f4", ">f8", "object"])
def test_rows_of_any_type(model, dtype):
    x = np.clip(X, -100, 100).astype(dtype)
    expected = by_network(model, x.astype(np.float64))
    np.testing.assert_allclose(model.predict_proba(x), expected, rtol=2e-5, atol=1e-6)


def test_rows_in_any_order_in_memory(model):
    expected = model.predict_proba(X)
    wide = np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)
    reversed_ = np.ascontiguousarray(X[::-1, ::-1])
    for x in (np.asfortranarray(X), wide[::2, ::3], reversed_[::-1, ::-1]):
        assert is_quick(model, x)
        np.testing.assert_allclose(model.predict_proba(x), expected, atol=1e-6)
    kept = X.copy()
    kept.flags.writeable = False
    np.testing.assert_array_equal(model.predict_proba(kept), expected)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (X[:, :4], ValueError, "X has 4 features, but FathomClassifier is expecting 5"),
        (X[:0], ValueError, "minimum of 1 is required"),
        (X[0], ValueError, "Expected 2D array, got 1D array"),
        (X[None], ValueError, "X has 1500 features"),
        (np.where(np.eye(300, 5), np.nan, X), ValueError, "Input X contains NaN"),
        (np.where(np.eye(300, 5), np.inf, X), ValueError, "Input X contains infinity"),
        (np.where(np.eye(300, 5), -np.inf, X).astype(np.float32), ValueError, "contains infinity"),
        (X.astype(complex), ValueError, "Complex data not supported"),
        (X.astype(str)[:, :1], ValueError, "not compatible with arrays of bytes"),
        (None, ValueError, "Expected 2D array"),
    ],
)
def test_what_cannot_be_used_is_refused_as_ever(model, x, error, message):
    for rows in (x, x[:1] if x is not None and x.ndim == 2 and len(x) else x):
        with pytest.raises(error, match=message):
            model.predict_proba(rows)


def test_an_unfitted_estimator_says_so():
    with pytest.raises(ValueError, match="not fitted yet"):
        FathomClassifier().predict_proba(X)
    with pytest.raises(ValueError, match="not fitted yet"):
        clone(fit()).predict(X)


def test_named_columns_are_asked_for(model):
    names = list("abcde")
    named = FathomClassifier(model.architecture, QUICK, random_state=0)
    named.fit(pd.DataFrame(X, columns=names), Y)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        p = named.predict_proba(X)
    np.testing.assert_allclose(p, model.predict_proba(X), atol=1e-6)
    with pytest.raises(ValueError, match="feature names"):
        named.predict(pd.DataFrame(X, columns=names[::-1]))


def test_far_values_are_drawn_in_as_ever(model):
    for far in (1e9, -1e30, 1e200, np.finfo(float).max):
        x = X[:3].copy()
        x[1, 1] = far
        assert not is_quick(model, x)
        np.testing.assert_allclose(
            model.predict_proba(x), by_network(model, x), rtol=2e-5, atol=1e-6
        )


def test_the_quick_centering_is_the_standardization():
    x = RNG.normal(size=(50, 4)) * [1, 1e-3, 1e6, 0] + [0, 50, -1e9, 3]
    whole = Standardization.fit(x)
    near = NearStandardization(whole, 4)
    for rows in (x, x.astype(np.float32)):
        room = np.zeros((5, 64), np.float32)
        assert near.center_into(rows, room)
        assert (room[4, :50] == 1).all()
        assert (room[:, 50:] == 0).all()
        np.testing.assert_allclose(room[:4, :50].T * near.inverse, whole.encode(rows), atol=2e-6)
    for far, is_near in ((0.99 * FARTHEST, True), (1.01 * FARTHEST, False), (np.nan, False)):
        rows = whole.center + np.eye(4) * whole.scale * far
        with np.errstate(all="ignore"):
            assert near.center_into(rows, np.empty((5, 4), np.float32)) == is_near
    extreme = Standardization(np.zeros(2), np.array([1.0, 1e-300]))
    assert not NearStandardization(extreme, 2).is_possible


def test_damaged_weights_are_told(model):
    broken = copy.deepcopy(model)
    leaves, structure = jax.tree.flatten(broken.networks_)
    broken.networks_ = jax.tree.unflatten(structure, [leaf * np.nan for leaf in leaves])
    with pytest.raises(InputError, match="weights are damaged"):
        broken.predict_proba(X)
    assert np.isfinite(model.predict_proba(X)).all()


def test_exchanged_networks_predict_themselves(model):
    changed = copy.deepcopy(model)
    (network,) = changed.networks_
    changed.networks_ = (Network(jax.tree.map(lambda leaf: -leaf, network.layers)),)
    np.testing.assert_allclose(changed._predict_outputs(X), by_network(changed, X), atol=1e-6)
    assert not np.allclose(changed.predict_proba(X), model.predict_proba(X))


def test_travels_with_the_estimator(model):
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert is_quick(other, X)
        np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))


def test_a_prediction_compiles_nothing(model):
    compiled = []
    listen = lambda name, *_, **__: compiled.append(name)
    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        for n in (1, 3, 17, 300):
            model.predict_proba(X[:n])
            model.predict(X[:n].tolist())
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    assert not compiled
