"""Activation functions, losses and initializers against their equations."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax
from scipy.stats import norm

from fathom.errors import ArchitectureError
from fathom.nn.activations import ACTIVATIONS
from fathom.nn.architecture import Architecture
from fathom.nn.blocks import Flatten, Residual
from fathom.nn.convolution import Conv2D
from fathom.nn.dense import Dense
from fathom.nn.initializers import Initializer
from fathom.nn.losses import LOSSES, binary_cross_entropy, cross_entropy, reduce_loss, squared_error
from fathom.nn.network import build

Z = np.linspace(-6, 6, 41)
sigmoid = 1 / (1 + np.exp(-Z))
softplus = np.log1p(np.exp(Z))
EQUATIONS = {
    "identity": Z,
    "sigmoid": sigmoid,
    "tanh": (np.exp(Z) - np.exp(-Z)) / (np.exp(Z) + np.exp(-Z)),
    "relu": np.maximum(0, Z),
    "leaky_relu": np.maximum(0.01 * Z, Z),
    "elu": np.where(Z > 0, Z, np.exp(Z) - 1),
    "selu": 1.0507009873554805 * np.where(Z > 0, Z, 1.6732632423543772 * (np.exp(Z) - 1)),
    "gelu": Z * norm.cdf(Z),
    "silu": Z * sigmoid,
    "mish": Z * np.tanh(softplus),
    "softplus": softplus,
    "softmax": np.exp(Z) / np.exp(Z).sum(),
}


def test_every_activation_has_an_equation():
    assert EQUATIONS.keys() == ACTIVATIONS.keys()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(float64, name):
    np.testing.assert_allclose(ACTIVATIONS[name](jnp.asarray(Z)), EQUATIONS[name], atol=1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_is_finite_far_out(name):
    far = ACTIVATIONS[name](jnp.asarray([-1e30, -200.0, 0.0, 200.0, 1e30], jnp.float32))
    assert np.isfinite(far).all()


def test_losses_against_numpy(float64):
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(6, 4)), np.eye(4)[[0, 1, 2, 3, 1, 0]]
    a = 1 / (1 + np.exp(-z))
    found = squared_error(jnp.asarray(z), jnp.asarray(y), "sigmoid")
    np.testing.assert_allclose(found, 0.5 * ((a - y) ** 2).sum(axis=1))
    found = cross_entropy(jnp.asarray(z), jnp.asarray(y))
    np.testing.assert_allclose(found, -(y * log_softmax(z, axis=1)).sum(axis=1))
    found = binary_cross_entropy(jnp.asarray(z), jnp.asarray(y))
    np.testing.assert_allclose(found, -(y * np.log(a) + (1 - y) * np.log(1 - a)).sum(axis=1))


@pytest.mark.parametrize("name", sorted(LOSSES.keys() - {"ctc"}))  # which is in test_sequence
def test_loss_gradient_is_that_of_finite_differences(float64, name):
    rng = np.random.default_rng(1)
    z, y = jnp.asarray(rng.normal(size=(3, 4))), jnp.asarray(np.eye(4)[[0, 2, 1]])
    f = lambda z: LOSSES[name](z, y, "sigmoid" if name != "cross_entropy" else "softmax").sum()
    gradient = jax.grad(f)(z)
    for i in range(3):
        for k in range(4):
            step = jnp.zeros((3, 4)).at[i, k].set(1e-6)
            slope = (f(z + step) - f(z - step)) / 2e-6
            assert float(gradient[i, k]) == pytest.approx(float(slope), abs=1e-8)


@pytest.mark.parametrize("name", sorted(LOSSES.keys() - {"ctc"}))  # which is in test_sequence
def test_loss_is_finite_far_out(name):
    z = jnp.asarray([[-1e4, 1e4], [1e4, -1e4]], jnp.float32)
    y = jnp.asarray([[1.0, 0.0], [1.0, 0.0]], jnp.float32)
    activation = {"cross_entropy": "softmax"}.get(name, "sigmoid")
    assert np.isfinite(LOSSES[name](z, y, activation)).all()


def test_mean_and_total(float64):
    values, weights = jnp.asarray([1.0, 2.0, 6.0]), jnp.asarray([1.0, 1.0, 2.0])
    assert float(reduce_loss(values, weights, "total")) == 15.0
    assert float(reduce_loss(values, weights, "mean")) == 5.0


N_IN, N_OUT = 300, 200
STANDARD_DEVIATIONS = {
    "normal": 0.05,
    "uniform": 0.05 / 3**0.5,
    "glorot_uniform": (2 / 500) ** 0.5,
    "glorot_normal": (2 / 500) ** 0.5,
    "he_uniform": (2 / 300) ** 0.5,
    "he_normal": (2 / 300) ** 0.5,
    "lecun_uniform": (1 / 300) ** 0.5,
    "lecun_normal": (1 / 300) ** 0.5,
    "data_scaled": (1 / 300) ** 0.5,
}


@pytest.mark.parametrize("name", STANDARD_DEVIATIONS)
@pytest.mark.parametrize("scale", [None, 0.5])
def test_spread_of_random_initializers(name, scale):
    drawn = Initializer(name=name, scale=scale).draw(jax.random.key(0), (N_OUT, N_IN), N_IN, N_OUT)
    factor = 1.0 if scale is None else scale
    if name in ("normal", "uniform") and scale is not None:
        factor = scale / 0.05
    wanted = STANDARD_DEVIATIONS[name] * factor
    assert float(drawn.std()) == pytest.approx(wanted, rel=0.02)
    assert abs(float(drawn.mean())) < wanted / 50
    if name.endswith("uniform"):
        assert float(jnp.abs(drawn).max()) <= wanted * 3**0.5 * 1.0001


def test_plain_initializers():
    draw = lambda initializer: initializer.draw(jax.random.key(0), (4, 3), 3, 4)
    assert not draw(Initializer(name="zeros")).any()
    np.testing.assert_array_equal(draw(Initializer(name="constant", value=0.5)), 0.5)
    q = draw(Initializer(name="orthogonal", scale=2.0))
    np.testing.assert_allclose(q.T @ q, 4 * np.eye(3), atol=1e-5)


def test_data_scaled_gives_every_unit_unit_variance():
    layers = (
        Conv2D(channels=5, initializer="data_scaled"),
        Residual(layers=(Conv2D(channels=5, initializer="data_scaled"),)),
        Flatten(),
        Dense(units=9, activation="tanh", initializer="data_scaled"),
        Dense(units=3, activation="softmax", initializer=Initializer(name="data_scaled", scale=2)),
    )
    described = Architecture(input_shape=(6, 6, 2), layers=layers, loss="cross_entropy")
    x = 5 * jax.random.normal(jax.random.key(1), (400, 6, 6, 2)) + 1
    network = build(described, jax.random.key(0), x)
    first = network.layers[0]
    np.testing.assert_allclose(first.combine(x).std(axis=(0, 1, 2)), 1, rtol=1e-4)
    inner = network.layers[1].layers[0]
    np.testing.assert_allclose(inner.combine(first(x)).std(axis=(0, 1, 2)), 1, rtol=1e-4)
    hidden = x
    for layer in network.layers[:3]:
        hidden = layer(hidden)
    np.testing.assert_allclose(network.layers[3].combine(hidden).std(axis=0), 1, rtol=1e-4)
    np.testing.assert_allclose(network.combine(x).std(axis=0), 2, rtol=1e-4)
    with pytest.raises(ArchitectureError, match="data=x_train"):
        build(described, jax.random.key(0))


def test_data_scaled_leaves_a_unit_alone_that_never_varies():
    layers = (Dense(units=3, initializer="data_scaled", activation="identity"),)
    described = Architecture(input_shape=(2,), layers=layers, loss="squared_error")
    network = build(described, jax.random.key(0), jnp.ones((10, 2)))
    assert np.isfinite(network.layers[0].weight).all()


layers_of_dense = st.lists(
    st.tuples(st.integers(1, 50), st.sampled_from(sorted(set(ACTIVATIONS) - {"softmax"}))),
    max_size=6,
)


@settings(deadline=None, max_examples=50)
@given(n_in=st.integers(1, 40), hidden=layers_of_dense, n_out=st.integers(2, 9))
def test_architectures_go_to_json_and_back_and_count_their_parameters(n_in, hidden, n_out):
    layers = [Dense(units=units, activation=name) for units, name in hidden]
    layers.append(Dense(units=n_out, activation="softmax"))
    described = Architecture(input_shape=(n_in,), layers=tuple(layers), loss="cross_entropy")
    assert Architecture.model_validate_json(described.model_dump_json()) == described
    assert hash(Architecture.model_validate(described.model_dump())) == hash(described)
    widths = [n_in, *(units for units, _ in hidden), n_out]
    count = sum(o * (i + 1) for i, o in itertools.pairwise(widths))
    assert described.n_parameters == count
    assert f"{count:,} parameters" in str(described)


SOFTMAX = Dense(units=3, activation="softmax")
REFUSED = [
    ({"layers": ()}, "at least 1"),
    ({"layers": (Conv2D(channels=2), SOFTMAX)}, r"layer 1 \(conv2d.*image input"),
    ({"input_shape": (4, 4, 1), "layers": (Conv2D(channels=2), SOFTMAX)}, "layer 2.*flatten"),
    ({"layers": (SOFTMAX, SOFTMAX)}, "layer 1.*softmax at the output"),
    ({"layers": (Dense(units=3),)}, "softmax output"),
    ({"layers": (SOFTMAX,), "loss": "binary_cross_entropy"}, "sigmoid output"),
    ({"layers": (SOFTMAX, Flatten())}, "softmax at the output|dense output layer"),
    ({"layers": (Dense(units=1, activation="softmax"),)}, "at least 2 outputs"),
    ({"input_shape": (0,), "layers": (SOFTMAX,)}, "1 or more"),
    ({"input_shape": (3, 3), "layers": (SOFTMAX,)}, "height, width, channels"),
    ({"layers": ({"kind": "dense", "units": -1}, SOFTMAX)}, "layers 1 dense.*units"),
    ({"layers": ({"kind": "transformer"}, SOFTMAX)}, "layers 1"),
    ({"layers": (SOFTMAX,), "loss": "hinge"}, "loss"),
    ({"layers": (Dense(units=10**6), Dense(units=10**6), SOFTMAX)}, "parameters"),
    (
        {
            "input_shape": (2, 2, 1),
            "layers": (Conv2D(channels=1, kernel=3, padding="valid"), Flatten(), SOFTMAX),
        },
        "at least as large as the kernel",
    ),
    (
        {
            "input_shape": (4, 4, 1),
            "layers": (Residual(layers=(Conv2D(channels=1, stride=2),)), Flatten(), SOFTMAX),
        },
        "keep the shape",
    ),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_what_cannot_be_built_is_refused_with_layer_and_reason(changes, message):
    with pytest.raises(ArchitectureError, match=message):
        Architecture(**{"input_shape": (8,), "loss": "cross_entropy", **changes})
