"""Low rank: exact where a layer has it, and else as close as any product of that rank."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from fathom import Architecture, Dense, build
from fathom.compression.factors import factorize, find_spectra
from fathom.compression.sites import Described

RNG = np.random.default_rng(0)
ARCHITECTURE = Architecture(
    input_shape=(30,),
    layers=(Dense(units=24, activation="tanh"), Dense(units=3, activation="softmax")),
    loss="cross_entropy",
)


def described(weight):
    network = build(ARCHITECTURE, jax.random.key(0))
    changed = jnp.asarray(weight, jnp.float32)
    return Described(
        ARCHITECTURE, eqx.tree_at(lambda one: one.layers[0].weight, network, changed)
    )  # fmt: skip


def test_a_matrix_of_low_rank_is_kept_exactly():
    weight = RNG.normal(size=(24, 5)) @ RNG.normal(size=(5, 30)) / 5
    one, x = described(weight), RNG.normal(size=(200, 30)).astype(np.float32)
    (spectrum,) = find_spectra(one.network, x)
    assert spectrum.pays_below == 24 * 30 // 54
    rank = spectrum.rank_within(1e-8)
    assert rank == 5
    small = factorize(one, x, {0: rank})
    assert str(small.architecture.layers[0]) == "dense 5 identity"
    assert small.architecture.n_parameters == 5 * 30 + 24 * 5 + 24 + 75
    fresh = jnp.asarray(RNG.normal(size=(50, 30)), jnp.float32)
    np.testing.assert_allclose(small.network(fresh), one.network(fresh), atol=1e-5)


def test_no_product_of_that_rank_is_closer_on_the_batch():
    weight = RNG.normal(size=(24, 30))
    x = (RNG.normal(size=(500, 30)) * np.geomspace(1, 0.01, 30)).astype(np.float32)
    one = described(weight)
    small = factorize(one, x, {0: 4}).network
    product = np.asarray(small.layers[1].weight) @ np.asarray(small.layers[0].weight)
    sums = x.astype(np.float64) @ weight.T
    values = np.linalg.svd(sums, compute_uv=False)
    best = np.sum(values[4:] ** 2)  # Eckart and Young
    assert np.sum((x @ product.T - sums) ** 2) < best * 1.001
    (spectrum,) = find_spectra(one.network, x)
    np.testing.assert_allclose(spectrum.errors[4], best / np.sum(values**2), rtol=1e-3)


def test_where_it_does_not_pay_there_is_no_rank():
    x = RNG.normal(size=(500, 30)).astype(np.float32)
    (spectrum,) = find_spectra(described(RNG.normal(size=(24, 30))).network, x)
    assert spectrum.rank_within(1e-6) is None
