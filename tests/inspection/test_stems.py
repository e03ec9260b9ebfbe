"""One way in at a time: the network of one part is the whole network, all other parts as given."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fathom import (
    Architecture,
    Bag,
    Columns,
    Conv2D,
    Dense,
    Dropout,
    GlobalAveragePool,
    Stem,
    Stems,
    build,
)
from fathom.errors import InputError
from fathom.inspection.attribution import contributed_by_place
from fathom.inspection.stems import ways_in

COLUMNS, WORDS, SIDE = 3, 4, 6
WIDTH = COLUMNS + 2 * WORDS + SIDE * SIDE


@pytest.fixture(scope="module")
def network():
    stems = (
        Stem(name="columns", shape=(COLUMNS,), layers=(Columns(n_numbers=3), Dense(units=5))),
        Stem(name="text", first=COLUMNS, shape=(2 * WORDS,), layers=(Bag(codes=9, units=2),)),
        Stem(
            name="photo", first=COLUMNS + 2 * WORDS, shape=(SIDE, SIDE, 1),
            layers=(Conv2D(channels=4), GlobalAveragePool()),
        ),
    )  # fmt: skip
    layers = (Stems(stems=stems), Dropout(rate=0.1), Dense(units=7, activation="tanh"))
    described = Architecture(
        input_shape=(WIDTH,), layers=(*layers, Dense(units=2, activation="softmax")),
        loss="cross_entropy",
    )  # fmt: skip
    return build(described, jax.random.key(0))


def row(seed):
    rng = np.random.default_rng(seed)
    codes, weights = rng.integers(1, 9, WORDS), rng.random(WORDS)
    parts = rng.normal(size=COLUMNS), codes, weights, rng.random(SIDE * SIDE)
    return np.concatenate(parts).astype(np.float32)[None]


def test_each_way_is_the_whole_network_with_its_part_exchanged(network):
    one, other = row(0), row(1)
    bounds = [0, COLUMNS, COLUMNS + 2 * WORDS, WIDTH]
    for place, way in enumerate(ways_in(network, one)):
        mixed = one.copy()
        part = slice(bounds[place], bounds[place + 1])
        mixed[:, part] = other[:, part]
        for given, whole in ((way.x, one), (other[:, part].reshape(way.x.shape), mixed)):
            found = way.network.combine(jnp.asarray(given))
            np.testing.assert_allclose(found, network.combine(jnp.asarray(whole)), atol=1e-5)


def test_the_places_of_a_picture_add_up_to_what_it_changes_in_the_whole(network):
    one = row(2)
    way = ways_in(network, one)[-1]
    shares = contributed_by_place(way.network, way.x, np.array([1]))
    flat = one.copy()
    flat[:, -SIDE * SIDE :] = flat[:, -SIDE * SIDE :].mean()
    z, base = (float(network.combine(jnp.asarray(x))[0, 1]) for x in (one, flat))
    assert shares.shape == (1, SIDE, SIDE)
    assert float(shares.sum()) == pytest.approx(z - base, abs=1e-3)


def test_a_network_of_one_input_has_no_ways_to_part():
    described = Architecture(
        input_shape=(2,), layers=(Dense(units=1, activation="identity"),), loss="squared_error"
    )
    with pytest.raises(InputError, match="of a single input"):
        ways_in(build(described, jax.random.key(0)), np.zeros((1, 2), np.float32))
