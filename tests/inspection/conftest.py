"""Small networks made for what they are to show."""

import re
from html import unescape

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fathom import Architecture, Dense, build


def _make(*layers, n_in=2, loss="cross_entropy", seed=0):
    shape = n_in if isinstance(n_in, tuple) else (n_in,)
    return build(Architecture(input_shape=shape, layers=layers, loss=loss), jax.random.key(seed))


def _with_weights(network, *pairs):
    for place, (weight, bias) in enumerate(pairs):
        network = eqx.tree_at(
            lambda n, p=place: (n.layers[p].weight, n.layers[p].bias), network,
            (jnp.asarray(weight, jnp.float32), jnp.asarray(bias, jnp.float32)),
        )  # fmt: skip
    return network


IN_ENGLISH = re.compile(
    r"\b(?:the|of|and|on|is|are|was|loss|layers?|rows?|with|from|starts?|steps?|epochs?|neurons?)\b"
)


@pytest.fixture(scope="session")
def in_english():
    """Return a function that lists the lines of a page that are English sentences."""

    def find(page):
        shown = re.sub("<style>.*?</style>", "", page, flags=re.DOTALL)
        lines = "\n".join(re.findall(">([^<>]+)<", shown)).split("\n")
        return [line for line in map(unescape, lines) if IN_ENGLISH.search(line)]

    return find


@pytest.fixture(scope="session")
def make_network():
    """Return a function that builds a network of these layers."""
    return _make


@pytest.fixture(scope="session")
def with_weights():
    """Return a function that gives the first layers of a network these weights and biases."""
    return _with_weights


@pytest.fixture(scope="session")
def xor():
    """Return points whose class is whether both numbers have the same sign."""
    x = np.random.default_rng(0).uniform(-1, 1, (400, 2)).astype(np.float32)
    x += 0.1 * np.sign(x)
    return x, (x[:, 0] * x[:, 1] > 0).astype(int)


@pytest.fixture(scope="session")
def folding_network():
    """Return a network that folds the plane so that a line tells apart what XOR mixes."""
    network = _make(Dense(units=4), Dense(units=2, activation="softmax"))
    return _with_weights(network, ([[1, 1], [-1, -1], [1, -1], [-1, 1]], np.zeros(4)))
