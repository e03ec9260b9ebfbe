"""Weights in fewer bits: how far they move, and that they come back as they were stored."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fathom import Architecture, BatchNorm, Conv2D, Dense, Flatten, build
from fathom.compression.storage import (
    can_store,
    input_squares,
    is_canonical,
    narrow,
    quantize,
    store,
    stored_sizes,
    unstore,
)

DESCRIBED = Architecture(
    input_shape=(5, 4, 2),
    layers=(
        Conv2D(channels=3, kernel=(3, 3), activation="relu"), BatchNorm(), Flatten(),
        Dense(units=7, activation="tanh"), Dense(units=6, activation="softmax"),
    ),
    loss="cross_entropy",
)  # fmt: skip
NETWORK = build(DESCRIBED, jax.random.key(0))
X = np.random.default_rng(0).normal(size=(50, 5, 4, 2)).astype(np.float32)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_no_weight_moves_further_than_half_a_scale(axis):
    weight = np.random.default_rng(1).standard_cauchy((4, 5, 6)).astype(np.float32)
    whole, scale = quantize(weight, axis)
    assert whole.dtype == np.int8
    assert scale.shape == (weight.shape[axis],)
    shaped = np.moveaxis(np.moveaxis(whole, axis, -1) * scale, -1, axis)
    moved = np.abs(np.moveaxis(shaped - weight, axis, -1)).reshape(-1, len(scale)).max(axis=0)
    assert (moved <= scale / 2 * (1 + 1e-6)).all()
    largest = np.abs(np.moveaxis(weight, axis, -1)).reshape(-1, len(scale)).max(axis=0)
    np.testing.assert_allclose(scale, largest / 127, rtol=2**-16)
    assert (np.abs(whole.astype(int)).reshape(-1).max()) == 127


def test_what_was_quantized_quantizes_to_itself():
    weight = np.random.default_rng(2).normal(size=(300, 20)).astype(np.float32)
    weight[7] = 0
    squares = np.random.default_rng(3).random((1, 20))
    whole, scale = quantize(weight, 0, squares)
    assert scale[7] == 1
    again, same = quantize((whole * scale[:, None]).astype(np.float32), 0)
    np.testing.assert_array_equal(again, whole)
    np.testing.assert_array_equal(same, scale)


def test_a_calibrated_scale_is_never_worse_on_the_batch_it_is_chosen_on():
    rng = np.random.default_rng(4)
    weight = rng.normal(size=(40, 30)).astype(np.float32)
    weight[:, 0] = 4.0  # the largest, behind an input that never comes
    squares = np.where(np.arange(30) == 0, 0.0, rng.random(30))[None]
    errors = []
    for given in (None, squares):
        whole, scale = quantize(weight, 0, given)
        errors.append((squares * (weight - whole * scale[:, None]) ** 2).sum(axis=1))
    assert (errors[1] <= errors[0] * (1 + 1e-5)).all()
    assert errors[1].sum() < 0.7 * errors[0].sum()


def test_int8_outputs_are_those_of_numpy_by_hand():
    """Of a network of one dense layer, with numbers worked out outside of the package."""
    one = Architecture(
        input_shape=(3,), layers=(Dense(units=2, activation="identity"),), loss="squared_error"
    )
    network = build(one, jax.random.key(1))
    weight = np.array([[0.51, -1.0, 0.252], [2.0, 0.0, -0.3]], np.float32)
    bias = np.array([0.1, -0.2], np.float32)
    leaves = [weight, bias]
    network = jax.tree.unflatten(jax.tree.structure(network), map(jnp.asarray, leaves))
    x = np.array([[1.0, 2.0, -3.0]], np.float32)
    scales = np.array([1.0, 2.0]) / 127
    whole = np.rint(weight / scales[:, None])
    by_hand = x @ (whole * scales[:, None]).T + bias
    np.testing.assert_allclose(narrow(network, "int8")(jnp.asarray(x)), by_hand, atol=2e-4)
    np.testing.assert_array_equal(store(network, "int8").values, whole.ravel())


@pytest.mark.parametrize("storage", ["int8", "float16"])
def test_a_network_comes_back_as_it_was_stored(storage):
    squares = input_squares(NETWORK, X)
    small = narrow(NETWORK, storage, squares)
    stored = store(small, storage)
    for array, empty in zip(stored, stored_sizes(NETWORK, storage), strict=True):
        assert array.shape == empty.shape
        assert array.dtype == empty.dtype
    back = unstore(NETWORK, stored)
    for one, other in zip(jax.tree.leaves(back), jax.tree.leaves(small), strict=True):
        np.testing.assert_array_equal(one, other)
    n = 3 * 3 * 2 * 3 + 60 * 7 + 7 * 6
    assert stored.values.nbytes == n * (1 if storage == "int8" else 2)
    assert len(stored.scales) == (3 + 7 + 6 if storage == "int8" else 0)
    assert len(stored.rest) == 3 + 4 * 3 + 7 + 6


def test_float32_leaves_a_network_alone():
    assert narrow(NETWORK, "float32") is NETWORK


def test_squares_are_the_means_of_what_comes_in():
    squares = input_squares(NETWORK, X)
    assert set(squares) == {"layers.0.kernel", "layers.3.weight", "layers.4.weight"}
    np.testing.assert_allclose(
        squares["layers.0.kernel"][0, 0, :, 0], (X**2).mean(axis=(0, 1, 2)), rtol=1e-5
    )
    inner = np.asarray(NETWORK.layers[1](NETWORK.layers[0](jnp.asarray(X)))).reshape(50, -1)
    np.testing.assert_allclose(squares["layers.3.weight"][0], (inner**2).mean(axis=0), rtol=1e-4)


def test_what_is_not_canonical_is_told():
    stored = store(NETWORK, "int8")
    assert is_canonical(stored, NETWORK)
    for scales in (stored.scales * 2, stored.scales * np.float32(1 + 2**-20)):
        assert is_canonical(stored._replace(scales=scales), NETWORK) == (
            scales[0] > 1.5 * stored.scales[0]
        )
    assert not is_canonical(stored._replace(values=stored.values // 2), NETWORK)


def test_float16_ends_somewhere():
    large = jax.tree.map(lambda leaf: leaf + 1e5, NETWORK)
    assert can_store(NETWORK, "float16")
    assert not can_store(large, "float16")
    assert can_store(large, "int8")
