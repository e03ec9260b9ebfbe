"""Neurons left out: dead and double ones change nothing, others what NumPy says they must."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fathom import (
    Activation,
    Architecture,
    AveragePool,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool,
    LayerNorm,
    MaxPool,
    Residual,
    build,
)
from fathom.compression.neurons import order_neurons, prune_neurons
from fathom.compression.sites import Described, Site, features_of, find_sites, weight_of

RNG = np.random.default_rng(0)


def made(shape, *layers, n_out=3):
    output = Dense(units=n_out, activation="softmax")
    architecture = Architecture(input_shape=shape, layers=(*layers, output), loss="cross_entropy")
    network = build(architecture, jax.random.key(0))
    noise = lambda leaf: leaf + jnp.asarray(0.1 * RNG.normal(size=leaf.shape), jnp.float32)
    return Described(architecture, jax.tree.map(noise, network))


def plain():
    return Conv2D(channels=4, kernel=(3, 3), activation="identity", has_bias=False)


CASES = {
    "dense": ((6,), [Dense(units=9, activation="tanh"), Dense(units=8, activation="relu")]),
    "normalized": (
        (6,),
        [Dense(units=9, activation="identity", has_bias=False), BatchNorm(),
         Activation(activation="relu"), Dropout(rate=0.2),
         Dense(units=8, activation="identity", has_bias=False), BatchNorm()],
    ),
    "no bias": ((6,), [Dense(units=9, activation="relu"), Dense(units=8, has_bias=False)]),
    "convolution": (
        (9, 8, 2),
        [plain(), BatchNorm(), Activation(activation="relu"), MaxPool(size=2),
         Conv2D(channels=5, kernel=(3, 2), padding="valid"), AveragePool(size=2), Flatten(),
         Dense(units=7, activation="selu")],
    ),
    "strided": (
        (9, 8, 2),
        [Conv2D(channels=6, kernel=(2, 2)), Conv2D(channels=5, kernel=(3, 3), stride=2),
         GlobalAveragePool(), Dropout(rate=0.1)],
    ),
    "residual": (
        (6, 6, 2),
        [Residual(layers=(Conv2D(channels=5, kernel=(3, 3)), BatchNorm(), plain())),
         GlobalAveragePool()],
    ),
}  # fmt: skip


class OverError(Exception):
    pass


@pytest.mark.parametrize("name", ["dense", "convolution"])
def test_the_clock_is_looked_at_for_every_neuron_and_batch(name):
    shape, layers = CASES[name]
    described, x = made(shape, *layers), batch(shape)
    seen = []
    whole = order_neurons(described.network, x, lambda: seen.append(0))
    n_neurons = sum(len(one.neurons) for one in whole)
    assert len(seen) > n_neurons
    keep = {one.site.producer: one.neurons[1:] for one in whole}
    prune_neurons(described, x, keep, lambda: seen.append(1))
    assert sum(seen) >= 2 * len(keep)
    left = [len(seen) - sum(seen) - 2]

    def check():
        left[0] -= 1
        if left[0] < 0:
            raise OverError

    with pytest.raises(OverError):  # before the last neurons, not behind them
        order_neurons(described.network, x, check)
    assert left[0] == -1


def batch(shape, n=400):
    return RNG.normal(size=(n, *shape)).astype(np.float32)


def outputs(described, x):
    return np.asarray(jax.jit(lambda network, x: network(x))(described.network, x))


@pytest.mark.parametrize("case", CASES)
def test_features_times_weights_are_the_sums_of_the_layer(case):
    shape, layers = CASES[case]
    described, x = made(shape, *layers), batch(shape, 30)
    network = described.network
    for site in find_sites(network):
        if len(site.producer) > 1:
            continue
        h = jnp.asarray(x)
        for layer in network.layers[: site.consumer[0]]:
            h = layer(h)
        consumer = network.layers[site.consumer[0]]
        n = described.architecture.shapes[site.producer[0] + 1][-1]
        features = features_of(consumer, np.asarray(h), n)
        weight = weight_of(consumer, n)
        sums = np.einsum("rcs,ocs->ro", features, weight)
        bias = 0 if consumer.bias is None else np.asarray(consumer.bias)
        expected = np.asarray(consumer.combine(h)).reshape(-1, len(weight))
        np.testing.assert_allclose(sums + bias, expected, atol=2e-5)


def killed(network, site, dead):
    """Return the network with some neurons of a site that never answer, whatever comes in."""

    def silence(layer):
        where = "weight" if hasattr(layer, "weight") else "kernel"
        array = getattr(layer, where)
        array = array.at[dead].set(0) if where == "weight" else array.at[..., dead].set(0)
        layer = eqx.tree_at(lambda one: getattr(one, where), layer, array)
        if layer.bias is not None:
            layer = eqx.tree_at(lambda one: one.bias, layer, layer.bias.at[dead].set(0))
        return layer

    def follow(layer):  # what a normalization makes of nothing is nothing too
        if not hasattr(layer, "running_mean"):
            return layer
        arrays = lambda one: (one.running_mean.value, one.shift)
        return eqx.tree_at(arrays, layer, [a.at[dead].set(0) for a in arrays(layer)])

    layers = list(network.layers)
    inner = layers if len(site.producer) == 1 else list(layers[site.producer[0]].layers)
    at = site.producer[-1]
    inner[at] = silence(inner[at])
    for place in range(at + 1, site.consumer[-1]):
        inner[place] = follow(inner[place])
    if len(site.producer) > 1:
        block = layers[site.producer[0]]
        layers[site.producer[0]] = eqx.tree_at(lambda one: one.layers, block, tuple(inner))
        return type(network)(tuple(layers))
    return type(network)(tuple(inner))


@pytest.mark.parametrize("case", CASES)
def test_dead_neurons_go_first_and_nothing_changes(case):
    shape, layers = CASES[case]
    described, x, fresh = made(shape, *layers), batch(shape), batch(shape, 50)
    dead = np.array([1, 3])
    for site in find_sites(described.network):
        network = killed(described.network, site, dead)
        one = Described(described.architecture, network)
        order = next(o for o in order_neurons(network, x) if o.site == site)
        assert set(order.neurons[:2]) == set(dead)
        assert order.errors[1] < 1e-5
        assert order.keep_within(1e-5) == len(order.neurons) - 2
        small = prune_neurons(one, x, {site.producer: order.neurons[2:]})
        assert small.architecture.n_parameters < one.architecture.n_parameters
        leaves = sum(leaf.size for leaf in jax.tree.leaves(small.network))
        again = build(small.architecture, jax.random.key(0))
        assert leaves == sum(leaf.size for leaf in jax.tree.leaves(again))
        np.testing.assert_allclose(outputs(small, fresh), outputs(one, fresh), atol=1e-5)


def test_a_double_neuron_and_a_constant_one_go_and_others_take_their_part():
    described = made((6,), Dense(units=9, activation="tanh"), Dense(units=8, activation="relu"))
    first = described.network.layers[0]
    weight = np.array(first.weight)
    bias = np.array(first.bias)
    weight[4], bias[4] = weight[2], bias[2]  # the same twice
    weight[7], bias[7] = 0, 0.8  # always tanh 0.8
    layers = (
        eqx.tree_at(
            lambda one: (one.weight, one.bias), first, (jnp.asarray(weight), jnp.asarray(bias))
        ),
        *described.network.layers[1:],
    )
    one = Described(described.architecture, type(described.network)(layers))
    x, fresh = batch((6,)), batch((6,), 50)
    order = order_neurons(one.network, x)[0]
    assert 7 in order.neurons[:2]
    assert {2, 4} & set(order.neurons[:2])
    assert order.errors[1] < 1e-5 < order.errors[2]
    small = prune_neurons(one, x, {(0,): order.neurons[2:]})
    np.testing.assert_allclose(outputs(small, fresh), outputs(one, fresh), atol=1e-4)


def test_what_is_fitted_is_the_least_squares_solution_of_numpy():
    described = made((6,), Dense(units=9, activation="tanh"), Dense(units=8, activation="relu"))
    x = batch((6,), 1000)
    small = prune_neurons(described, x, {(0,): np.array([0, 2, 3, 8])})
    hidden = np.tanh(
        x @ np.asarray(described.network.layers[0].weight).T
        + np.asarray(described.network.layers[0].bias)
    ).astype(np.float64)
    second = described.network.layers[1]
    z = hidden @ np.asarray(second.weight).T + np.asarray(second.bias)
    kept = np.column_stack([hidden[:, [0, 2, 3, 8]], np.ones(len(x))])
    found = np.linalg.lstsq(kept, z, rcond=None)[0]
    np.testing.assert_allclose(small.network.layers[1].weight, found[:4].T, atol=1e-4)
    np.testing.assert_allclose(small.network.layers[1].bias, found[4], atol=1e-4)
    order = order_neurons(described.network, x)[0]
    gone = prune_neurons(described, x, {(0,): order.neurons[3:]}).network
    features = np.tanh(x @ np.asarray(gone.layers[0].weight).T + np.asarray(gone.layers[0].bias))
    left = features @ np.asarray(gone.layers[1].weight).T + np.asarray(gone.layers[1].bias) - z
    assert (left**2).mean(axis=0).sum() / z.var(axis=0).sum() == pytest.approx(
        order.errors[2], rel=0.02
    )


def test_where_neurons_cannot_go_there_is_no_site():
    normalized = made((6,), Dense(units=9), LayerNorm(), Dense(units=8))
    assert find_sites(normalized.network) == (Site((2,), (3,)),)
    added = made((6,), Dense(units=9), Residual(layers=(Dense(units=9),)))
    assert find_sites(added.network) == ()
    assert find_sites(made((6,)).network) == ()
