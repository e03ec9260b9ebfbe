"""The combination layer: its sums, its gradient, and the steps that loops and XLA take."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fathom.errors import ArchitectureError
from fathom.nn.architecture import Architecture
from fathom.nn.combination import Combination
from fathom.nn.dense import Dense
from fathom.nn.forward import Forward
from fathom.nn.losses import cross_entropy
from fathom.nn.network import build

SEEN = ((0, 0), (0, 2), (1, 1), (1, 2))
OFFSETS = (-0.5, -1.0, -2.0, -3.0)
JOINED = Combination(factors=(2, 3), seen=SEEN, offsets=OFFSETS)


def described(joined=JOINED):
    layers = (Dense(units=7, activation="tanh"), Dense(units=5, activation="identity"), joined)
    return Architecture(input_shape=(4,), layers=layers, loss="cross_entropy")


def sums_by_hand(energies, offsets):
    """Add up, combination by combination, what each factor says of its class."""
    return np.array(
        [
            [
                row[first] + row[2 + second] + b
                for (first, second), b in zip(SEEN, offsets, strict=True)
            ]
            for row in energies
        ]
    )


def test_sums_are_those_of_the_factors_and_an_offset():
    energies = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
    layer = JOINED.build((5,), jax.random.key(0))
    expected = sums_by_hand(energies, OFFSETS)
    np.testing.assert_allclose(layer.combine(jnp.asarray(energies)), expected, rtol=1e-5)
    np.testing.assert_allclose(energies @ layer.weight.T + OFFSETS, expected, rtol=1e-5)
    np.testing.assert_allclose(layer(jnp.asarray(energies)).sum(axis=1), 1, rtol=1e-6)


def test_gradient_is_that_of_finite_differences(float64):
    rng = np.random.default_rng(1)
    energies, offsets, chosen = rng.normal(size=(3, 5)), rng.normal(size=4), [2, 0, 3]
    layer = JOINED.build((5,), jax.random.key(0))

    def loss(energies, offsets):
        z = jnp.sum(energies[:, np.array(layer.parts)], axis=2) + offsets[None, :]
        return jnp.sum(cross_entropy(z, jnp.eye(4)[np.array(chosen)]))

    def by_hand(energies, offsets):
        z = sums_by_hand(energies, offsets)
        return sum(np.log(np.exp(row).sum()) - row[k] for row, k in zip(z, chosen, strict=True))

    np.testing.assert_allclose(loss(energies, offsets), by_hand(energies, offsets))
    of_energies, of_offsets = jax.grad(loss, (0, 1))(jnp.asarray(energies), jnp.asarray(offsets))
    for place in np.ndindex(3, 5):
        step = np.zeros((3, 5))
        step[place] = 1e-6
        slope = (by_hand(energies + step, offsets) - by_hand(energies - step, offsets)) / 2e-6
        np.testing.assert_allclose(of_energies[place], slope, atol=1e-7)
    for k in range(4):
        step = np.eye(4)[k] * 1e-6
        slope = (by_hand(energies, offsets + step) - by_hand(energies, offsets - step)) / 2e-6
        np.testing.assert_allclose(of_offsets[k], slope, atol=1e-7)


def test_a_network_counts_only_what_it_learns():
    architecture = described()
    assert architecture.parameter_counts == (35, 40, 4)
    network = build(architecture, jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(network)) == architecture.n_parameters
    np.testing.assert_allclose(network.output.bias, OFFSETS)


def test_numpy_predicts_as_the_network():
    network = build(described(), jax.random.key(0))
    x = np.random.default_rng(2).normal(size=(9, 4)).astype(np.float32)
    forward = Forward.of(network)
    sums, outputs = network.combine(jnp.asarray(x)), network(jnp.asarray(x))
    np.testing.assert_allclose(forward.combine(x), sums, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(forward(x), outputs, rtol=1e-4)


def test_what_cannot_be_is_refused():
    with pytest.raises(ArchitectureError, match="4 inputs, one for each class"):
        described(Combination(factors=(2, 2), seen=((0, 0), (1, 1)), offsets=(0, 0)))
    with pytest.raises(ArchitectureError, match="at the output layer only"):
        Architecture(
            input_shape=(5,), layers=(JOINED, Dense(units=2, activation="softmax")),
            loss="cross_entropy",
        )  # fmt: skip
    for broken in ({"seen": ((0, 0), (0, 3))}, {"seen": ((0,), (1,))}, {"offsets": (0, 0)}):
        with pytest.raises(ArchitectureError):
            Combination(**{"factors": (2, 3), "seen": SEEN, "offsets": OFFSETS, **broken})
