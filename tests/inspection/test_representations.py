"""Representations: what each layer gives, against layers run by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fathom import (
    Activation,
    Architecture,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    LayerNorm,
    MaxPool,
    Residual,
    build,
)  # fmt: skip
from fathom.errors import InputError
from fathom.inspection.representations import (
    as_rows,
    draw_rows,
    label,
    last_hidden,
    representations,
    stages,
)  # fmt: skip

RNG = np.random.default_rng(0)


def make(*layers, shape=(3,), loss="squared_error"):
    return build(Architecture(input_shape=shape, layers=layers, loss=loss), jax.random.key(1))


def test_dense_layers_are_what_numpy_makes_of_them():
    network = make(Dense(units=5, activation="tanh"), Dense(units=2, activation="sigmoid"))
    x = RNG.normal(size=(300, 3)).astype(np.float32)  # more than a batch, and not a whole number
    first, second = network.layers
    a = np.tanh(x @ np.asarray(first.weight).T + np.asarray(first.bias))
    z = a @ np.asarray(second.weight).T + np.asarray(second.bias)
    seen = representations(network, x)
    assert [layer.number for layer in seen] == [0, 1, 2]
    np.testing.assert_array_equal(seen[0].values, x)
    np.testing.assert_allclose(seen[1].values, a, atol=1e-6)
    np.testing.assert_allclose(seen[2].values, z, atol=1e-6)
    np.testing.assert_allclose(last_hidden(network, x).values, a, atol=1e-6)


def test_what_finishes_a_layer_belongs_to_it():
    network = make(
        Flatten(), Dense(units=4, activation="identity"), BatchNorm(), Activation(),
        Dropout(rate=0.5), Dense(units=4, activation="gelu"), LayerNorm(), Dropout(rate=0.1),
        Dense(units=2, activation="softmax"), shape=(2, 2, 1), loss="cross_entropy",
    )  # fmt: skip
    assert [label(stage.number, stage.name) for stage in stages(network)] == [
        "input", "2 dense 4 · batch norm · relu", "6 dense 4 gelu · layer norm",
        "9 dense 2 softmax",
    ]  # fmt: skip
    x = jnp.asarray(RNG.normal(size=(6, 2, 2, 1)).astype(np.float32))
    expected = x
    for layer in network.layers[:5]:
        expected = layer(expected)
    np.testing.assert_allclose(representations(network, x)[1].values, expected, atol=1e-6)


def test_pictures_and_blocks():
    network = make(
        Conv2D(channels=3), MaxPool(size=2), Flatten(),
        Residual(layers=(Dense(units=12, activation="tanh"),)),
        Dense(units=1, activation="identity"), shape=(4, 4, 1),
    )  # fmt: skip
    seen = representations(network, RNG.normal(size=(5, 4, 4, 1)))
    assert [str(layer) for layer in seen] == [
        "input", "1 conv 3 3×3 relu", "2 max pool", "4 residual [dense 12 tanh]", "5 dense 1",
    ]  # fmt: skip
    assert [layer.values.shape for layer in seen] == [
        (5, 4, 4, 1), (5, 4, 4, 3), (5, 12), (5, 12), (5, 1)
    ]  # fmt: skip
    assert seen[1].flat.shape == (5, 48)


def test_a_network_of_an_output_layer_alone_has_the_rows_as_its_last_hidden_layer():
    network = make(Dense(units=1, activation="identity"))
    x = RNG.normal(size=(4, 3)).astype(np.float32)
    found = last_hidden(network, x)
    assert str(found) == "input"
    np.testing.assert_array_equal(found.values, x)


def test_float64_networks_are_run_in_float64(float64):
    network = make(Dense(units=4, activation="tanh"), Dense(units=1, activation="identity"))
    network = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), network)
    x = RNG.normal(size=(7, 3))
    a = np.tanh(x @ np.asarray(network.layers[0].weight).T + np.asarray(network.layers[0].bias))
    np.testing.assert_allclose(representations(network, x)[1].values, a, atol=1e-14)


@pytest.mark.parametrize(
    "x", [np.ones((4, 2)), np.ones(3), np.ones((0, 3)), np.full((2, 3), np.nan), [["a", "b", "c"]]]
)
def test_rows_the_network_cannot_take_are_refused(x):
    network = make(Dense(units=4), Dense(units=1, activation="identity"))
    with pytest.raises(InputError):
        representations(network, x)


def test_a_network_that_overflows_is_refused():
    network = make(Dense(units=4, activation="identity"), Dense(units=1, activation="identity"))
    with pytest.raises(InputError, match="finite"):
        representations(network, np.full((2, 3), 3e38))


def test_rows_are_drawn_once_each_and_in_order():
    drawn = draw_rows(100, 30, seed=0)
    assert len(set(drawn.tolist())) == 30
    assert (np.diff(drawn) > 0).all()
    assert draw_rows(5, 30, seed=0).tolist() == [0, 1, 2, 3, 4]
    network = make(Dense(units=1, activation="identity"))
    assert as_rows(network, [[1, 2, 3]]).dtype == np.float32
