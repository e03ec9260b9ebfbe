"""Keys drawn without the compiler: `jax.random` is the oracle."""

import jax
import numpy as np
import pytest

from fathom.nn.keys import fold_in, host_key, lay, split


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_keys_are_those_of_jax(seed):
    key = jax.random.fold_in(jax.random.key(seed), seed // 7)
    for number in (0, 1, 4096, 2**32 - 1):
        mine, theirs = fold_in(key, number), jax.random.fold_in(key, np.uint32(number))
        assert mine.dtype == theirs.dtype
        np.testing.assert_array_equal(jax.random.key_data(mine), jax.random.key_data(theirs))
    for n in (2, 5):
        mine, theirs = split(key, n), jax.random.split(key, n)
        data = [jax.random.key_data(one) for one in mine]
        np.testing.assert_array_equal(data, jax.random.key_data(theirs))


def test_under_a_transformation_jax_draws_them():
    key = jax.random.key(5)
    found = jax.jit(lambda key: jax.random.key_data(split(fold_in(key, 3))[1]))(key)
    np.testing.assert_array_equal(found, jax.random.key_data(split(fold_in(key, 3))[1]))


@pytest.mark.parametrize("seed", [0, 1, 2**31 + 5, 2**32 - 1])
def test_the_numbers_of_a_key_lead_to_those_of_its_children(seed):
    ours, theirs = host_key(seed), jax.random.key(np.uint32(seed))
    np.testing.assert_array_equal(ours, jax.random.key_data(theirs))
    np.testing.assert_array_equal(fold_in(ours, 7), jax.random.key_data(fold_in(theirs, 7)))
    for mine, other in zip(split(ours, 3), split(theirs, 3), strict=True):
        assert isinstance(mine, np.ndarray)
        np.testing.assert_array_equal(mine, jax.random.key_data(other))


def test_nothing_is_drawn_for_an_outline():
    assert fold_in(None, 3) is None
    assert split(None, 3) == (None, None, None)
    assert lay(None, np.ones((2, 3))).shape == (2, 3)


def test_numbers_lie_where_their_key_does():
    assert isinstance(lay(host_key(0), 0.5), np.ndarray)
    assert isinstance(lay(jax.random.key(0), [0.5]), jax.Array)
