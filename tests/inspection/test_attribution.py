"""Attribution: contributions that add up, exact for linear networks, and true neighbors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad_vec
from sklearn.datasets import load_iris

from fathom import Columns, Conv2D, Dense, Flatten, Gain, LayerNorm, Residual
from fathom.errors import InputError
from fathom.inspection.attribution import (
    Attribution,
    Neighbors,
    attribute,
    find_neighbors,
    inputs_of,
    typical_row,
)

X, Y = load_iris(return_X_y=True)
RNG = np.random.default_rng(0)


def test_contributions_to_a_linear_output_are_weight_times_distance(make_network, with_weights):
    network = make_network(Dense(units=2, activation="softmax"), n_in=4)
    weights = RNG.normal(size=(2, 4))
    network = with_weights(network, (weights, [0.5, -1]))
    found = attribute(network, X[:6], output=1, baseline=X[9], names=tuple("abcd"))
    np.testing.assert_allclose(found.contributions, weights[1] * (X[:6] - X[9]), atol=1e-5)
    np.testing.assert_allclose(found.sums, X[:6] @ weights[1] - 1, atol=1e-5)
    assert found.baseline_sum == pytest.approx(X[9] @ weights[1] - 1, abs=1e-5)
    assert found.names == tuple("abcd")
    assert found.findings == ()


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "gelu", "mish", "leaky_relu"])
@pytest.mark.parametrize("seed", range(3))
def test_contributions_add_up(make_network, activation, seed):
    network = make_network(
        Dense(units=16, activation=activation), LayerNorm(),
        Residual(layers=(Dense(units=16, activation=activation),)),
        Dense(units=3, activation="softmax"), n_in=4, seed=seed,
    )  # fmt: skip
    x = np.random.default_rng(seed).normal(size=(20, 4))
    found = attribute(network, 3 * x, output=seed, baseline=np.full(4, 0.3))
    difference = np.asarray(network.combine(jnp.asarray(3 * x, jnp.float32)))[:, seed]
    difference = difference - np.asarray(network.combine(jnp.full((1, 4), 0.3)))[0, seed]
    sums = found.contributions.sum(axis=1)
    sizes = np.abs(found.contributions).sum(axis=1)
    assert (np.abs(sums - difference) <= 1.1e-3 * sizes).all()
    np.testing.assert_allclose(found.gaps, sums - difference, atol=1e-4)
    assert found.findings == ()


def test_contributions_are_the_integral_of_the_gradient(make_network, float64):
    network = make_network(
        Dense(units=5, activation="tanh"), Dense(units=2, activation="softmax"), n_in=3
    )
    network = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), network)
    x, base = RNG.normal(size=(2, 3))
    first, last = network.layers
    w, b, v = (np.asarray(a) for a in (first.weight, first.bias, last.weight))

    def gradient(t):
        a = np.tanh(w @ (base + t * (x - base)) + b)
        return (v[1] * (1 - a**2)) @ w

    expected = (x - base) * quad_vec(gradient, 0, 1)[0]
    found = attribute(network, [x], output=1, baseline=base)
    np.testing.assert_allclose(found.contributions[0], expected, rtol=2e-3)


def test_an_input_the_network_does_not_see_contributes_nothing(make_network, with_weights):
    network = make_network(Dense(units=3, activation="tanh"), Dense(units=2, activation="softmax"),
                           n_in=4)  # fmt: skip
    weights = np.array(network.layers[0].weight)
    weights[:, 2] = 0
    network = with_weights(network, (weights, np.zeros(3)))
    found = attribute(network, X[:5])
    assert not found.contributions[:, 2].any()
    assert found.contributions[:, 1].all()


@pytest.mark.parametrize("form", ["as_is", "piecewise", "thermometer", "periodic"])
def test_columns_get_all_that_is_made_of_them(make_network, form):
    columns = Columns(n_numbers=2, n_plain=1, codes=(3, 30, 4), form=form, bins=4)
    network = make_network(
        columns, Gain(), Dense(units=8, activation="tanh"), Dense(units=2, activation="softmax"),
        n_in=6,
    )  # fmt: skip
    x = np.column_stack([
        RNG.uniform(0, 4, (50, 2)), RNG.normal(size=50), RNG.integers(0, 3, 50),
        RNG.integers(0, 30, 50), RNG.integers(0, 4, 50),
    ])  # fmt: skip
    base = typical_row(network, x)
    assert base[3] == np.bincount(x[:, 3].astype(int)).argmax()
    assert base[0] == pytest.approx(np.median(x[:, 0]), abs=1e-6)
    found = attribute(network, x, output=1, baseline=base)
    assert found.contributions.shape == (50, 6)
    assert np.abs(found.gaps).max() < 1e-3
    same = x[:, 4] == base[4]
    assert not found.contributions[same, 4].any()
    assert np.abs(found.contributions[~same, 4]).min() > 0
    first = network.layers[0]
    assert len(inputs_of(first)) == first(jnp.asarray(x, jnp.float32)).shape[1]
    for place in range(6):  # only what is made of a column changes with it
        changed = x.copy()
        changed[:, place] = (changed[:, place] + 1) % 3
        moved = first(jnp.asarray(x, jnp.float32)) != first(jnp.asarray(changed, jnp.float32))
        assert set(inputs_of(first)[np.asarray(moved).any(axis=0)]) == {place}


def test_pictures_keep_their_shape(make_network):
    network = make_network(
        Conv2D(channels=3, activation="tanh"), Flatten(), Dense(units=2, activation="softmax"),
        n_in=(4, 4, 1),
    )  # fmt: skip
    found = attribute(network, RNG.normal(size=(300, 4, 4, 1)), output_name="cat")
    assert found.shape == (4, 4, 1)
    assert found.contributions.shape == (300, 16)
    assert np.abs(found.gaps).max() < 1e-3
    assert Attribution.model_validate_json(found.model_dump_json()) == found
    assert "row 0: z of cat" in str(found)


@pytest.mark.parametrize(
    "given", [{"output": 2}, {"output": -1}, {"baseline": np.zeros(3)}, {"names": ("a",)}]
)
def test_what_does_not_fit_is_refused(make_network, given):
    network = make_network(Dense(units=2, activation="softmax"), n_in=4)
    with pytest.raises(InputError):
        attribute(network, X, **given)


def test_neighbors_are_the_nearest_by_brute_force(make_network):
    network = make_network(
        Dense(units=6, activation="tanh"), Dense(units=3, activation="softmax"), n_in=4
    )
    known, asked = X[::2], X[1::2]
    found = find_neighbors(network, known, asked, Y[::2], k=3)
    hidden = [
        np.asarray(network.layers[0](jnp.asarray(part, jnp.float32)), float)
        for part in (known, asked)
    ]
    away = np.linalg.norm(hidden[1][:, None] - hidden[0][None], axis=2)
    between = np.linalg.norm(hidden[0][:, None] - hidden[0][None], axis=2)
    scale = np.sqrt((between**2).mean())
    for row, nearest in enumerate(found.rows):
        distances = [one.distance for one in nearest]
        np.testing.assert_allclose(distances, np.sort(away[row])[:3] / scale, atol=1e-5)
        for one in nearest:
            assert one.label == str(Y[::2][one.row])
            assert away[row, one.row] / scale == pytest.approx(one.distance, abs=1e-5)
    assert Neighbors.model_validate_json(found.model_dump_json()) == found
    for k in (0, 76):
        with pytest.raises(InputError):
            find_neighbors(network, known, asked, k=k)
    with pytest.raises(InputError):
        find_neighbors(network, known, asked, Y)
