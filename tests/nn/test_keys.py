"""Keys drawn without the compiler: `jax.random` is the oracle."""

import jax
import numpy as np
import pytest

from fathom.nn.keys import fold_in, split


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
