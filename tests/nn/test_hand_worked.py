"""The network worked out by hand: three layers of two sigmoid neurons, and a softmax layer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fathom.nn.activations import ACTIVATIONS, softmax
from fathom.nn.architecture import Architecture
from fathom.nn.dense import Dense
from fathom.nn.network import build

W1, B1 = [[1.0, -2.0], [-1.0, 1.0]], [1.0, 0.0]
W2, B2 = [[2.0, -1.0], [-2.0, -1.0]], [0.0, 0.0]
W3, B3 = [[3.0, -1.0], [-1.0, 4.0]], [-2.0, 2.0]


@pytest.fixture
def network(float64):
    described = Architecture(
        input_shape=(2,),
        layers=tuple(Dense(units=2, activation="sigmoid") for _ in range(3)),
        loss="binary_cross_entropy",
    )
    built = build(described, jax.random.key(0))
    leaves = [jnp.asarray(v, jnp.float64) for v in (W1, B1, W2, B2, W3, B3)]
    return jax.tree.unflatten(jax.tree.structure(built), leaves)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def by_hand(x):
    a, all_z, all_a = np.array(x), [], []
    for w, b in ((W1, B1), (W2, B2), (W3, B3)):
        z = np.array([sum(w[j][i] * a[i] for i in range(2)) + b[j] for j in range(2)])
        a = sigmoid(z)
        all_z.append(z)
        all_a.append(a)
    return all_z, all_a


@pytest.mark.parametrize(
    ("x", "layers"),
    [
        ((1.0, -1.0), [(0.98, 0.12), (0.86, 0.11), (0.62, 0.83)]),
        ((0.0, 0.0), [(0.73, 0.50), (0.72, 0.12), (0.51, 0.85)]),
    ],
)
def test_every_layer_holds_the_printed_and_the_exact_values(network, x, layers):
    a = jnp.asarray([x], jnp.float64)
    _, exact = by_hand(x)
    for layer, printed, value in zip(network.layers, layers, exact, strict=True):
        a = layer(a)
        np.testing.assert_allclose(a[0], value, atol=1e-6, rtol=0)
        np.testing.assert_allclose(np.round(a[0], 2), printed, atol=1e-9)
    np.testing.assert_allclose(network(jnp.asarray([x], jnp.float64))[0], exact[-1], atol=1e-6)


def test_the_first_sums_are_4_and_minus_2(network):
    z = network.layers[0].combine(jnp.asarray([[1.0, -1.0]], jnp.float64))
    np.testing.assert_allclose(z[0], [4.0, -2.0], atol=1e-6)


def test_softmax_layer(float64):
    z = jnp.asarray([3.0, 1.0, -3.0], jnp.float64)
    np.testing.assert_allclose(np.exp(z), [20.0855, 2.7183, 0.0498], atol=1e-4)
    exact = np.exp([3.0, 1.0, -3.0]) / np.exp([3.0, 1.0, -3.0]).sum()
    np.testing.assert_allclose(softmax(z), exact, atol=1e-6)
    printed = np.round(ACTIVATIONS["softmax"](z), 2)
    np.testing.assert_allclose(printed, [0.88, 0.12, 0.00], atol=1e-9)
