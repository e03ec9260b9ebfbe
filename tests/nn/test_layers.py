"""The same battery for every layer: shapes, counts, gradients, jit, vmap, keys, JSON."""

from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from pydantic import TypeAdapter

from fathom.nn.architecture import Layer
from fathom.nn.blocks import Activation, Dropout, Flatten, Residual
from fathom.nn.convolution import AveragePool, Conv2D, GlobalAveragePool, MaxPool
from fathom.nn.dense import Dense
from fathom.nn.embedding import Columns, Gain
from fathom.nn.layer import partition
from fathom.nn.normalization import BatchNorm, LayerNorm
from fathom.nn.sequence import Conv1D
from fathom.nn.stems import Stem, Stems

FLAT, IMAGE, SEQUENCE = (6,), (5, 4, 3), (7, 3)
CASES = [
    (Dense(units=7, activation="tanh"), FLAT),
    (Dense(units=7, activation="softmax"), FLAT),
    (Dense(units=2, activation="mish", has_bias=False), FLAT),
    (Conv2D(channels=2, activation="softplus"), IMAGE),
    (Conv2D(channels=2, kernel=(2, 3), stride=2, padding="valid", activation="silu"), IMAGE),
    (Dense(units=2, activation="tanh"), SEQUENCE),
    (Conv1D(channels=4, activation="softplus"), SEQUENCE),
    (Conv1D(channels=2, kernel=4, stride=3, activation="tanh", has_bias=False), SEQUENCE),
    (Residual(layers=(Conv1D(channels=5, activation="identity"), BatchNorm())), SEQUENCE),
    (MaxPool(size=2), IMAGE),
    (AveragePool(size=3), IMAGE),
    (GlobalAveragePool(), IMAGE),
    (BatchNorm(), FLAT),
    (BatchNorm(), IMAGE),
    (LayerNorm(), FLAT),
    (LayerNorm(), IMAGE),
    (Activation(activation="gelu"), IMAGE),
    (Dropout(rate=0.25), FLAT),
    (Gain(), FLAT),
    (Columns(n_numbers=5, n_plain=1), FLAT),
    (Columns(n_numbers=4, codes=(4, 3)), FLAT),
    (Columns(n_numbers=4, n_plain=2, form="piecewise", bins=3), FLAT),
    (Columns(n_numbers=4, n_plain=2, form="periodic", waves=5), FLAT),
    (Columns(n_numbers=6, form="thermometer", bins=4), FLAT),
    (Flatten(), IMAGE),
    (Residual(layers=(Dense(units=6, activation="tanh"),)), FLAT),
    (Residual(layers=(Dense(units=9, activation="tanh"), LayerNorm())), FLAT),
    (
        Residual(layers=(Conv2D(channels=4, activation="identity"), BatchNorm(), Activation())),
        IMAGE,
    ),
    (
        Stems(
            stems=(
                Stem(name="a", shape=(3,), layers=(Gain(), Dense(units=2, activation="tanh"))),
                Stem(name="b", first=2, shape=(2, 2, 1), layers=(LayerNorm(), Flatten())),
            )
        ),
        FLAT,
    ),
]
battery = pytest.mark.parametrize(("described", "shape"), CASES, ids=[str(c[0]) for c in CASES])


def in_float64(tree):
    return jax.tree.map(lambda leaf: leaf.astype(jnp.float64), tree)


def make_anew(described, shape, seed=0):
    layer = in_float64(described.build(shape, jax.random.key(seed)))
    x = jax.random.normal(jax.random.key(seed + 1), (8, *shape), jnp.float64)
    return layer, x


make = cache(make_anew)


@battery
def test_shape_and_count_are_as_described(float64, described, shape):
    layer, x = make(described, shape)
    assert layer(x).shape == (8, *described.output_shape(shape))
    trainable = jax.tree.leaves(partition(layer)[0])
    assert sum(leaf.size for leaf in trainable) == described.n_parameters(shape)


@battery
def test_gradient_is_that_of_finite_differences(float64, described, shape):
    layer, x = make(described, shape)
    parameters, others = partition(layer)
    key = jax.random.key(5)

    @jax.jit
    def output(parameters, x):
        layer = eqx.combine(parameters, others)
        return layer(x), layer.train(x, key)[0]

    check_grads(output, (parameters, x), order=1, modes=["rev"], eps=1e-6, rtol=1e-5, atol=1e-5)


@battery
def test_jit_and_vmap_change_nothing(float64, described, shape):
    layer, x = make(described, shape)
    plain = layer(x)
    np.testing.assert_allclose(jax.jit(lambda layer, x: layer(x))(layer, x), plain, rtol=1e-12)
    layers = [make(described, shape, seed)[0] for seed in range(3)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *layers)
    together = jax.vmap(lambda layer, x: layer(x))(stacked, jnp.stack([x, x, x]))
    for one, layer in zip(together, layers, strict=True):
        np.testing.assert_allclose(one, layer(x), rtol=1e-10, atol=1e-12)


@battery
def test_same_key_same_weights_and_same_training_output(float64, described, shape):
    first, x = make_anew(described, shape)
    second, _ = make_anew(described, shape)
    assert all(map(np.array_equal, jax.tree.leaves(first), jax.tree.leaves(second)))
    one, two = (layer.train(x, jax.random.key(9))[0] for layer in (first, second))
    np.testing.assert_array_equal(one, two)


@battery
def test_goes_to_json_and_back(described, shape):
    adapter = TypeAdapter(Layer)
    assert adapter.validate_json(described.model_dump_json()) == described


def test_dropout_drops_the_share_asked_for_and_keeps_the_mean():
    layer = Dropout(rate=0.3).build((1000,), jax.random.key(0))
    y, _ = layer.train(jnp.ones((200, 1000)), jax.random.key(1))
    assert float((y == 0).mean()) == pytest.approx(0.3, abs=0.005)
    assert float(y.mean()) == pytest.approx(1.0, abs=0.01)
    np.testing.assert_array_equal(layer(y), y)


def test_batch_norm_normalizes_and_remembers(float64):
    layer = in_float64(BatchNorm(momentum=0.75).build((4,), jax.random.key(0)))
    x = 3 + 2 * jax.random.normal(jax.random.key(1), (50, 4), jnp.float64)
    y, after = layer.train(x, jax.random.key(2))
    np.testing.assert_allclose(y.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(y.std(axis=0), 1, atol=1e-5)
    np.testing.assert_allclose(after.running_mean.value, 0.25 * x.mean(axis=0))
    np.testing.assert_allclose(after.running_variance.value, 0.75 + 0.25 * x.var(axis=0))
    for _ in range(200):
        _, after = after.train(x, jax.random.key(2))
    np.testing.assert_allclose(after(x), y, atol=1e-9)


def test_statistics_are_not_trainable():
    layer = BatchNorm().build((4,), jax.random.key(0))
    assert len(jax.tree.leaves(partition(layer)[0])) == 2
    assert len(jax.tree.leaves(partition(layer)[1])) == 2


def test_convolution_against_loops(float64):
    described = Conv2D(channels=2, kernel=(2, 3), padding="valid", activation="identity")
    layer, x = make(described, IMAGE)
    expected = np.zeros((8, 4, 2, 2))
    for h in range(4):
        for w in range(2):
            patch = np.asarray(x)[:, h : h + 2, w : w + 3, :]
            expected[:, h, w] = np.einsum("bijc,ijco->bo", patch, layer.kernel)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-10, atol=1e-12)


def test_pooling_against_loops(float64):
    layer, x = make(MaxPool(size=2), IMAGE)
    for h in range(2):
        for w in range(2):
            square = np.asarray(x)[:, 2 * h : 2 * h + 2, 2 * w : 2 * w + 2]
            np.testing.assert_array_equal(layer(x)[:, h, w], square.max(axis=(1, 2)))
