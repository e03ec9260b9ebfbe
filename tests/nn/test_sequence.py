"""Convolutions over time, and the loss over all alignments, against what is written out."""

from itertools import groupby, product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fathom.errors import ArchitectureError
from fathom.nn.architecture import Architecture
from fathom.nn.blocks import Flatten
from fathom.nn.dense import Dense
from fathom.nn.losses import ctc
from fathom.nn.network import build
from fathom.nn.sequence import Conv1D

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("kernel", "stride"), [(5, 1), (3, 2), (4, 3), (2, 4), (1, 1)])
def test_a_convolution_over_time_is_its_equation(kernel, stride):
    described = Conv1D(channels=4, kernel=kernel, stride=stride, activation="tanh")
    layer = described.build((11, 3), jax.random.key(0))
    x = RNG.normal(size=(2, 11, 3)).astype("f4")
    found = np.asarray(layer(jnp.asarray(x)))
    weights = np.asarray(layer.kernel)
    n = -(-11 // stride)
    before = max(0, (n - 1) * stride + kernel - 11) // 2
    expected = np.zeros((2, n, 4))
    for t, tap in product(range(n), range(kernel)):
        place = t * stride + tap - before
        if 0 <= place < 11:
            expected[:, t] += x[:, place] @ weights[tap]
    np.testing.assert_allclose(found, np.tanh(expected), atol=1e-5)


def test_it_is_what_xla_calls_a_convolution():
    layer = Conv1D(channels=4, kernel=5, stride=2, activation="identity", has_bias=False).build(
        (12, 3), jax.random.key(0)
    )
    x = jnp.asarray(RNG.normal(size=(2, 12, 3)), jnp.float32)
    expected = jax.lax.conv_general_dilated(
        x, layer.kernel, (2,), "SAME", dimension_numbers=("NWC", "WIO", "NWC")
    )
    np.testing.assert_allclose(layer(x), expected, atol=1e-5)


@pytest.mark.parametrize("signs", [(), (1,), (2, 1), (1, 1), (1, 2, 1)])
def test_the_loss_is_the_sum_over_all_alignments(signs):
    z = RNG.normal(size=(1, 4, 3)).astype("f4")
    a = np.exp(z[0]) / np.exp(z[0]).sum(axis=1, keepdims=True)
    total = 0.0
    for path in product(range(3), repeat=4):
        if tuple(k for k, _ in groupby(path) if k) == signs:
            total += np.prod(a[np.arange(4), path])
    target = np.zeros((1, 5), np.int32)
    target[0, : len(signs)] = signs
    found = ctc(jnp.asarray(z), jnp.asarray(target), "softmax")
    assert float(found[0]) == pytest.approx(-np.log(total), rel=1e-4)


def test_the_gradient_of_that_loss_is_that_of_finite_differences(float64):
    z, target = jnp.asarray(RNG.normal(size=(2, 4, 3))), jnp.asarray([[1, 1], [2, 0]], jnp.int32)
    f = jax.jit(lambda z: ctc(z, target, "softmax").sum())
    gradient = jax.grad(f)(z)
    for place in ((0, 0, 0), (0, 2, 1), (1, 3, 2)):
        step = jnp.zeros(z.shape).at[place].set(1e-5)
        slope = (f(z + step) - f(z - step)) / 2e-5
        assert float(gradient[place]) == pytest.approx(float(slope), abs=1e-6)


def test_that_loss_is_finite_far_out_and_where_no_alignment_is():
    far = jnp.asarray([[[-1e4, 1e4], [1e4, -1e4]]], jnp.float32)
    for target in ([[1, 0]], [[1, 1]], [[0, 0]]):  # a sign twice has no room in two moments
        assert np.isfinite(ctc(far, jnp.asarray(target, jnp.int32), "softmax")).all()


def test_sequences_belong_to_their_loss_and_the_reverse():
    output = Dense(units=3, activation="softmax")
    layers = (Conv1D(channels=5, stride=2), output)
    described = Architecture(input_shape=(9, 2), layers=layers, loss="ctc")
    assert described.n_outputs == 3
    assert described.shapes == ((9, 2), (5, 5), (5, 3))
    network = build(described, jax.random.key(0))
    assert network.combine(jnp.zeros((2, 9, 2))).shape == (2, 5, 3)
    assert network.combine(jnp.zeros((2, 13, 2))).shape == (2, 7, 3)  # of any length
    for shape, chain, loss in (
        ((9, 2), layers, "cross_entropy"),
        ((9, 2), (Flatten(), output), "ctc"),
        ((9, 2), (Flatten(), output), "cross_entropy"),
        ((9,), (output,), "ctc"),
        ((9, 2), (Conv1D(channels=5), Dense(units=3)), "ctc"),
        ((9, 2, 1), (Conv1D(channels=5), output), "ctc"),
    ):
        with pytest.raises(ArchitectureError):
            Architecture(input_shape=shape, layers=chain, loss=loss)
    with pytest.raises(ArchitectureError, match="needs no data"):
        Conv1D(channels=2, initializer="data_scaled").output_shape((9, 2))
