"""Dense layers by NumPy alone: the engine's trace is the oracle."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fathom.errors import InputError
from fathom.inspection.example import BIASES, INPUT, TARGET, WEIGHTS
from fathom.inspection.plain import FUNCTIONS, PlainLayer, trace_dense
from fathom.inspection.trace import trace
from fathom.nn.activations import ACTIVATIONS
from fathom.nn.dense import DenseLayer
from fathom.nn.network import Network
from fathom.values import Value

EXACT = 1e-13  # relative: a few roundings of float64, in which exponentials may differ


def by_engine(layers, x, y, loss, rate):
    with jax.enable_x64(True):
        network = Network(
            tuple(
                DenseLayer(jnp.asarray(one.weights), jnp.asarray(one.biases), one.activation)
                for one in layers
            )
        )
    return trace(network, x, y, loss=loss, learning_rate=rate)


def assert_same(mine, theirs):
    """Compare two values field by field: words exactly, numbers to rounding."""
    assert type(mine) is type(theirs)
    for name in type(mine).model_fields:
        one, other = getattr(mine, name), getattr(theirs, name)
        if isinstance(one, tuple) and one and isinstance(one[0], Value):
            assert len(one) == len(other)
            for part, its in zip(one, other, strict=True):
                assert_same(part, its)
        elif isinstance(one, Value):
            assert_same(one, other)
        elif isinstance(one, (float, np.ndarray)):
            np.testing.assert_allclose(one, other, rtol=EXACT, atol=1e-15, err_msg=name)
        else:
            assert one == other, name


@pytest.fixture(scope="module")
def rng():
    return np.random.default_rng(3)


def drawn(rng, sides, activations):
    return [
        PlainLayer(rng.normal(size=(n_out, n_in)), rng.normal(size=n_out), activation)
        for n_in, n_out, activation in zip(sides, sides[1:], activations, strict=False)
    ]


def test_the_worked_example_is_that_of_the_engine():
    layers = [
        PlainLayer(np.array(w), np.array(b), "sigmoid")
        for w, b in zip(WEIGHTS, BIASES, strict=True)
    ]
    mine = trace_dense(layers, [INPUT], [TARGET], loss="squared_error", learning_rate=0.5)
    assert_same(mine, by_engine(layers, [INPUT], [TARGET], "squared_error", 0.5))
    np.testing.assert_allclose(mine.output, [[0.62, 0.83]], atol=0.005)


@pytest.mark.parametrize("activation", sorted(set(ACTIVATIONS) - {"softmax"}))
def test_hidden_layers_of_every_kind(rng, activation):
    layers = drawn(rng, (3, 4, 2), (activation, "sigmoid"))
    x, y = rng.normal(size=(6, 3)), rng.uniform(size=(6, 2))
    mine = trace_dense(layers, x, y, loss="binary_cross_entropy", learning_rate=0.1)
    assert_same(mine, by_engine(layers, x, y, "binary_cross_entropy", 0.1))


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_softmax_outputs(rng, loss):
    layers = drawn(rng, (3, 4, 5), ("tanh", "softmax"))
    x, y = rng.normal(size=(6, 3)), np.eye(5)[[0, 1, 2, 3, 4, 0]]
    mine = trace_dense(layers, x, y, loss=loss, learning_rate=0.1)
    assert_same(mine, by_engine(layers, x, y, loss, 0.1))


def test_there_is_every_activation_function_and_none_overflows():
    assert FUNCTIONS.keys() == ACTIVATIONS.keys()
    for activation in FUNCTIONS:
        layer = PlainLayer(np.array([[1e6], [-1e6]]), np.zeros(2), activation)
        found = trace_dense([layer], [[1.0]], [[1.0, 0.0]], loss="squared_error", learning_rate=1.0)
        assert np.isfinite(found.output).all(), activation
        assert np.isfinite(found.layers[0].delta).all(), activation


def test_a_loss_the_output_layer_is_not_made_for_is_refused(rng):
    with pytest.raises(InputError, match="softmax"):
        trace_dense(
            drawn(rng, (2, 2), ("tanh",)), [[1.0, 2.0]], [[1.0, 0.0]],
            loss="cross_entropy", learning_rate=1.0,
        )  # fmt: skip
