"""How far a network for sequences sees, and how large it may be."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fathom.nn.network import build
from fathom.search.transcribing import (
    STRIDES,
    choose_sequence,
    count_products,
    sequence_entry,
    sequence_network,
)


@pytest.mark.parametrize("stride", STRIDES)
def test_a_moment_is_told_by_a_second_around_it_whatever_the_stride(stride):
    """The oracle is the gradient: what an output depends on."""
    described = sequence_network((192, 6), 8, 3, 4, stride)
    network = build(described, jax.random.key(0))

    def middle(x):
        return network.combine(x)[0, 192 // stride // 2].sum()

    x = jax.random.normal(jax.random.key(1), (1, 192, 6), jnp.float32)
    slope = np.abs(np.asarray(jax.jit(jax.grad(middle))(x))[0]).max(axis=1)
    seen = np.flatnonzero(slope > 0)
    assert described.shapes[-1] == (192 // stride, 5)
    assert 95 <= seen[-1] - seen[0] + 1 <= 125  # moments of 10 ms: a digit and its neighbours


def test_more_time_gives_a_larger_network():
    sizes = [
        count_products(choose_sequence(3000, (448, 40), 11, seconds, 2, STRIDES[0]))
        for seconds in (60.0, 600.0, 6000.0)
    ]
    assert sizes[0] < sizes[1] < sizes[2]


def test_lengths_are_compiled_where_there_is_time_for_them_to_pay():
    described = sequence_network((192, 6), 8, 1, 3)
    found = [sequence_entry(described, 100, 0, seconds).recipe for seconds in (20.0, 60.0, 600.0)]
    assert [recipe.n_lengths for recipe in found] == [1, 2, 3]
