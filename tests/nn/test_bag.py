"""The bag of n-grams: what a dense layer makes of one column for each."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fathom.errors import ArchitectureError
from fathom.nn.architecture import Architecture
from fathom.nn.bag import Bag
from fathom.nn.dense import Dense
from fathom.nn.network import build

CODES = np.array([[3, 1, 0, 3], [2, 0, 0, 0], [4, 3, 2, 1]], np.float32)
WEIGHTS = np.array([[0.5, 1, 0, 2], [1, 0, 0, 0], [0.1, 0.2, 0.3, 0.4]], np.float32)
ROWS = jnp.asarray(np.hstack([CODES, WEIGHTS]))


def columns():
    """Return the same rows with one column for each code."""
    wide = np.zeros((3, 5), np.float32)
    for row in range(3):
        for code, weight in zip(CODES[row].astype(int), WEIGHTS[row], strict=True):
            wide[row, code] += weight
    return wide


@pytest.fixture
def bag():
    return Bag(codes=5, units=7, dropout=0.25).build((8,), jax.random.key(0))


def test_it_is_a_dense_layer_on_one_column_for_each_code(bag):
    np.testing.assert_allclose(bag(ROWS), columns() @ np.asarray(bag.table), rtol=1e-5)


def test_its_gradient_is_that_of_the_dense_layer(bag):
    error = np.random.default_rng(1).normal(size=(3, 7)).astype(np.float32)
    found = jax.grad(lambda b: jnp.sum(b(ROWS) * error))(bag).table
    np.testing.assert_allclose(found, columns().T @ error, rtol=1e-5, atol=1e-6)


def test_while_learning_it_leaves_out_codes_and_keeps_the_mean(bag):
    draws = bag.train(jnp.tile(ROWS[1:2], (400, 1)), jax.random.key(1))[0]
    assert len(np.unique(np.asarray(draws[:, 0]).round(6))) == 2  # its one code is there or not
    np.testing.assert_allclose(draws.mean(axis=0), bag(ROWS)[1], rtol=0.1, atol=2e-3)


def test_an_architecture_with_a_bag_counts_its_vectors_and_refuses_odd_rows():
    layers = (Bag(codes=5, units=7), Dense(units=2, activation="softmax"))
    described = Architecture(input_shape=(8,), layers=layers, loss="cross_entropy")
    assert described.n_parameters == 5 * 7 + 7 * 2 + 2
    assert build(described, jax.random.key(0))(ROWS).shape == (3, 2)
    with pytest.raises(ArchitectureError, match="as many codes as weights"):
        Architecture(input_shape=(7,), layers=layers, loss="cross_entropy")
