"""Backpropagation written out by hand in NumPy: node errors backward, then gradients a·δ."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fathom.nn.architecture import Architecture
from fathom.nn.dense import Dense
from fathom.nn.losses import LOSSES, reduce_loss
from fathom.nn.network import build

SIZES = (5, 7, 4, 3)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def backpropagate(weights, biases, x, y, loss):
    """Return the gradients of the mean loss, from node errors worked out layer by layer."""
    activations = [x]
    for w, b in zip(weights, biases, strict=True):
        z = activations[-1] @ w.T + b
        is_last = w is weights[-1]
        if is_last and loss == "cross_entropy":
            e = np.exp(z - z.max(axis=1, keepdims=True))
            activations.append(e / e.sum(axis=1, keepdims=True))
        else:
            activations.append(sigmoid(z))
    a = activations[-1]
    # Node errors of the output layer: ∂E/∂z.
    delta = (a - y) * a * (1 - a) if loss == "squared_error" else a - y
    gradients = []
    for layer in reversed(range(len(weights))):
        before = activations[layer]
        gradients.append((delta.T @ before / len(x), delta.mean(axis=0)))
        # Node errors of the layer before: each the weighted sum of the errors it feeds, times f′.
        delta = (delta @ weights[layer]) * before * (1 - before)
    return gradients[::-1]


@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy", "binary_cross_entropy"])
def test_gradients_are_those_of_backpropagation_by_hand(float64, loss):
    rng = np.random.default_rng(3)
    output = "softmax" if loss == "cross_entropy" else "sigmoid"
    layers = [Dense(units=n, activation="sigmoid") for n in SIZES[1:-1]]
    layers.append(Dense(units=SIZES[-1], activation=output))
    described = Architecture(input_shape=(SIZES[0],), layers=tuple(layers), loss=loss)
    weights = [rng.normal(size=(o, i)) for i, o in itertools.pairwise(SIZES)]
    biases = [rng.normal(size=o) for o in SIZES[1:]]
    leaves = [jnp.asarray(v) for pair in zip(weights, biases, strict=True) for v in pair]
    network = jax.tree.unflatten(jax.tree.structure(build(described, jax.random.key(0))), leaves)
    x = rng.normal(size=(11, SIZES[0]))
    y = np.eye(SIZES[-1])[rng.integers(0, SIZES[-1], 11)]

    def mean_loss(network):
        values = LOSSES[loss](network.combine(jnp.asarray(x)), jnp.asarray(y), output)
        return reduce_loss(values, jnp.ones(11), "mean")

    found = eqx.filter_grad(mean_loss)(network)
    for layer, (w, b) in zip(found.layers, backpropagate(weights, biases, x, y, loss), strict=True):
        np.testing.assert_allclose(layer.weight, w, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(layer.bias, b, rtol=1e-9, atol=1e-12)
