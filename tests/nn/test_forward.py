"""The forward pass in NumPy is that of the network."""

import pickle
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.nn import spread
from fathom.nn.activations import ACTIVATIONS
from fathom.nn.architecture import Architecture
from fathom.nn.blocks import Activation, Dropout, Flatten, Residual
from fathom.nn.convolution import Conv2D, MaxPool
from fathom.nn.dense import Dense
from fathom.nn.embedding import Columns, Gain
from fathom.nn.forward import Forward
from fathom.nn.network import build
from fathom.nn.normalization import BatchNorm, LayerNorm
from fathom.nn.pointwise import IN_PLACE, Space
from fathom.nn.single import SingleRow
from fathom.nn.spread import over_rows

OUTPUT = Dense(units=3, activation="softmax")
INNER = (
    Dense(units=7, activation="tanh", bias_initializer="glorot_normal"),
    Dense(units=5, activation="mish", has_bias=False),
    BatchNorm(), LayerNorm(), Activation(activation="gelu"), Dropout(rate=0.25), Gain(),
)  # fmt: skip
CASES = [
    *((layer,) for layer in INNER),
    (Columns(n_numbers=5, n_plain=1),),
    (Columns(n_numbers=3, codes=(4, 3, 40)),),
    (Columns(n_numbers=3, n_plain=1, codes=(30, 20), most_one_hot=5, category_units=3),),
    (Columns(n_numbers=4, n_plain=2, form="piecewise", bins=3),),
    (Columns(n_numbers=4, n_plain=2, form="periodic", waves=5),),
    (Columns(n_numbers=6, form="thermometer", bins=4),),
    (Columns(n_numbers=0, n_plain=2, codes=(3, 3, 3, 20), form="piecewise"),),
    (Flatten(), Dense(units=4)),
    (Residual(layers=(Dense(units=6, activation="tanh"),)),),
    (Residual(layers=(Dense(units=9, activation="tanh"), LayerNorm())), Dense(units=4)),
    (Dense(units=8), Residual(layers=(Dropout(rate=0.5),)), Residual(layers=(Gain(), BatchNorm()))),
    (Dense(units=8), Residual(layers=(LayerNorm(), Dense(units=5), Dense(units=8))), Gain()),
]


def make(layers, seed=0, output=OUTPUT, input_shape=(6,)):
    loss = "cross_entropy" if output.activation == "softmax" else "squared_error"
    described = Architecture(input_shape=input_shape, layers=(*layers, output), loss=loss)
    network = build(described, jax.random.key(seed))
    leaves, structure = jax.tree.flatten(network)
    rng = np.random.default_rng(seed)
    shaken = [  # so that no scale is 1 and no shift 0; variances stay above 0
        np.abs(leaf + 0.3 * rng.normal(size=leaf.shape)) if leaf.ndim == 1 else leaf
        for leaf in map(np.asarray, leaves)
    ]
    return jax.tree.unflatten(structure, [jnp.asarray(leaf, jnp.float32) for leaf in shaken])


@jax.jit
def run(network, x):
    return network.combine(x), network(x)


def rows(n, width=6, seed=0):
    return np.random.default_rng(seed).uniform(-4, 4, (n, width)).astype(np.float32)


@pytest.mark.parametrize("layers", CASES, ids=lambda layers: " ".join(map(str, layers)))
def test_is_the_network(layers):
    network, x = make(layers), rows(37)
    if isinstance(layers[0], Columns):
        codes = np.random.default_rng(1).integers(0, 3, x.shape)
        first = layers[0].n_numbers + layers[0].n_plain
        x[:, first:] = codes[:, first:]
    forward = Forward.of(network)
    sums, outputs = run(network, jnp.asarray(x))
    np.testing.assert_allclose(forward.combine(x), sums, rtol=2e-5, atol=2e-5)
    for n in (0, 1, 2, 37):
        np.testing.assert_allclose(forward(x[:n]), outputs[:n], rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_every_activation_function(name):
    z = np.concatenate([np.linspace(-100, 100, 801), [0, -1e-7, 1e-7, -3e4, 3e4, 1e30, -1e30]])
    z = z.astype(np.float32).reshape(4, -1)
    expected = np.asarray(ACTIVATIONS[name](jnp.asarray(z.T))).T
    with np.errstate(all="ignore"):
        if IN_PLACE[name] is not None:
            IN_PLACE[name](z, Space())
    np.testing.assert_allclose(z, expected, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_every_output_and_hidden_function_in_a_network(name):
    hidden = () if name == "softmax" else (Dense(units=9, activation=name),)
    network, x = make(hidden, output=Dense(units=4, activation=name)), 3 * rows(11)
    forward = Forward.of(network)
    assert forward(x).dtype == np.float64
    np.testing.assert_allclose(forward(x), run(network, jnp.asarray(x))[1], rtol=5e-5, atol=1e-5)


@settings(max_examples=8, deadline=None)
@given(
    st.lists(st.sampled_from((*INNER, *(Residual(layers=(one,)) for one in INNER))), max_size=5),
    st.integers(0, 5), st.integers(0, 40),
)  # fmt: skip
def test_chains_of_any_layers(layers, seed, n):
    network, x = make(layers, seed), rows(n, seed=seed)
    np.testing.assert_allclose(
        Forward.of(network)(x), run(network, jnp.asarray(x))[1], rtol=2e-4, atol=2e-5
    )


@pytest.mark.parametrize("dtype", ["float64", "int32", "uint8", "bool", "float16"])
def test_rows_of_any_type_and_order(dtype):
    network = make(INNER)
    x = np.random.default_rng(0).uniform(0, 5, (40, 12)).astype(dtype)[::2, ::2]
    expected = run(network, jnp.asarray(x, jnp.float32))[1]
    np.testing.assert_allclose(Forward.of(network)(x), expected, rtol=2e-5, atol=2e-6)


def test_what_it_cannot_compute_it_leaves():
    shape = (5, 4, 2)
    for layers in (
        (Conv2D(channels=2), Flatten()), (MaxPool(size=2), Flatten()), (BatchNorm(), Flatten()),
        (Residual(layers=(Conv2D(channels=2),)), Flatten()),
    ):  # fmt: skip
        assert Forward.of(make(layers, input_shape=shape)) is None
    network = make((Activation(), Flatten(), Dense(units=3)), input_shape=shape)
    x = np.random.default_rng(0).normal(size=(7, *shape)).astype(np.float32)
    np.testing.assert_allclose(
        Forward.of(network)(x), run(network, jnp.asarray(x))[1], rtol=2e-5, atol=2e-6
    )


def test_a_row_does_not_depend_on_its_neighbours_beyond_rounding():
    network, x = make((Dense(units=64), Dense(units=64))), rows(9000)
    forward = Forward.of(network)
    whole = forward(x)
    np.testing.assert_allclose(whole, run(network, jnp.asarray(x))[1], rtol=1e-4, atol=1e-6)
    for n in (1, 3, 255, 257, 2500):
        np.testing.assert_allclose(forward(x[:n]), whole[:n], atol=1e-6)
        np.testing.assert_allclose(forward(x[-n:]), whole[-n:], atol=1e-6)


def test_the_order_of_rows_changes_nothing():
    network = make((Dense(units=50), Dense(units=20, activation="tanh")))
    forward = Forward.of(network)
    for n in (1, 2, 60, 65, 700):
        x, order = rows(n), np.random.default_rng(0).permutation(n)
        np.testing.assert_allclose(forward(x[order]), forward(x)[order], rtol=1e-7, atol=1e-9)


def test_threads_do_not_write_into_each_other():
    network = make((Dense(units=64), Residual(layers=(Dense(units=64),))))
    forward, x = Forward.of(network), rows(6000)
    expected, found = forward(x), [None] * 6
    threads = [
        threading.Thread(target=lambda place=place: found.__setitem__(place, forward(x)))
        for place in range(len(found))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in found:
        np.testing.assert_allclose(one, expected, atol=1e-6)


def test_every_row_is_computed_once_and_an_error_comes_through():
    for n in (0, 1, 255, 256, 5000, 100_001):
        for n_products in (1, 10**6):
            seen = np.zeros(n, int)

            def work(begin, end, seen=seen):
                seen[begin:end] += 1
                return end < 100_000

            assert over_rows(work, n, 64, n_products) == (n < 100_000)
            if n < 100_000:
                assert (seen == 1).all()

    def fails(begin, end):
        raise ValueError(f"{begin} to {end}") if begin else KeyError("first")

    for n_products in (1, 10**6):
        with pytest.raises((ValueError, KeyError)):
            over_rows(fails, 50_000, 64, n_products)
    assert over_rows(lambda begin, end: True, 50_000, 64, 10**6)


def test_rows_are_computed_where_no_further_thread_can_be_had(monkeypatch):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    spread._team.cache_clear()  # whose threads wait already
    monkeypatch.setattr(spread.threading.Thread, "start", refuse)
    seen = np.zeros(900, int)

    def work(begin, end):
        seen[begin:end] += 1
        return True

    assert spread._side_by_side(work, deque([(0, 400), (400, 900)]), 2)
    assert (seen == 1).all()
    spread._team.cache_clear()


def test_who_has_rows_computed_finds_numpy_as_it_was():
    before = np.getbufsize(), np.geterr()
    assert over_rows(lambda begin, end: np.getbufsize() == spread.BUFFER, 50_000, 64, 10**6)
    assert (np.getbufsize(), np.geterr()) == before


def test_travels_as_its_network():
    forward, x = Forward.of(make(INNER)), rows(5)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(forward))(x), forward(x))


@pytest.mark.parametrize(("units", "activation"), [(2, "softmax"), (7, "softmax"), (3, "identity")])
def test_one_row_alone_is_that_row_among_others(units, activation):
    layers = (Dense(units=6), Dense(units=units, activation=activation))
    described = Architecture(input_shape=(4,), layers=layers, loss="squared_error")
    forward = Forward(build(described, jax.random.key(1)), np.ones(4))
    rows = np.random.default_rng(2).normal(size=(20, 5)).astype(np.float32)
    rows[:, -1] = 1
    together = np.empty((20, units))
    forward.write_outputs(Space().hold(rows), together)
    single = SingleRow((forward,), 5)
    for row, expected in zip(rows, together, strict=True):
        single.room[:] = row[:-1]
        np.testing.assert_allclose(single.outputs()[0], expected, rtol=1e-15)


def test_one_row_through_several_networks_is_their_mean_in_each_thread():
    networks = [make((*INNER, Residual(layers=INNER[:1] + INNER[3:4])), seed) for seed in range(3)]
    forwards = tuple(Forward.of(network) for network in networks)
    single, x = pickle.loads(pickle.dumps(SingleRow(forwards, 6))), rows(40)
    x[:, -1] = 1
    expected = np.mean([forward(x) for forward in forwards], axis=0)

    def say(row):
        single.room[:] = row[:-1]
        return single.outputs()[0]

    with ThreadPoolExecutor(4) as executor:
        np.testing.assert_allclose(list(executor.map(say, x)), expected, rtol=1e-5, atol=1e-7)
