"""Arithmetic of the loops, number by number, against NumPy in float64."""

import numpy as np
import pytest
from scipy.special import erfcx
from scipy.stats import kstest

from fathom.loops.numerics import (
    cosine,
    exponential,
    logarithm,
    logarithm_of_one_and,
    random_bits,
    reciprocal,
    scaled_tail,
    sine,
)

RNG = np.random.default_rng(0)


def each(function, values):
    return np.array([function(np.float32(value)) for value in values], np.float64)


def test_exponential_is_that_of_numpy():
    x = np.float32([*RNG.uniform(-87, 88, 2000), *RNG.normal(size=2000), 0.0, 1.0, -87.0, 88.0])
    np.testing.assert_allclose(each(exponential, x), np.exp(x.astype(float)), rtol=3e-7)


def test_exponential_stays_finite_where_that_of_a_float32_does_not():
    assert exponential(np.float32(1000)) == exponential(np.float32(88)) < np.inf
    assert 0 < exponential(np.float32(-1000)) == exponential(np.float32(-87))


def test_reciprocal_is_that_of_numpy():
    size = np.float32([*np.geomspace(1e-37, 1e37, 4000), *RNG.uniform(1, 2, 4000), 1.0])
    x = np.concatenate([size, -size])
    np.testing.assert_allclose(each(reciprocal, x), 1 / x.astype(float), rtol=1e-7)


@pytest.mark.parametrize("beyond", [np.inf, np.nan])
def test_reciprocal_of_what_is_not_finite_is_not_finite(beyond):
    assert not np.isfinite(reciprocal(np.float32(beyond)))


def test_logarithm_is_that_of_numpy():
    x = np.float32([*np.geomspace(1.2e-38, 3e38, 2000), *RNG.uniform(0.5, 2, 2000), 1.0, 2.0, 0.5])
    truth = np.log(x.astype(float))
    error = np.abs(each(logarithm, x) - truth) / np.maximum(1, np.abs(truth))
    assert error.max() < 2e-7


def test_logarithm_of_one_and_keeps_its_digits_near_0():
    x = np.float32([*np.geomspace(1.2e-38, 1, 2000), *RNG.uniform(0, 1, 2000), 0.0, 1.0])
    np.testing.assert_allclose(each(logarithm_of_one_and, x), np.log1p(x.astype(float)), rtol=3e-7)


def test_scaled_tail_is_that_of_scipy():
    x = np.float32([*np.linspace(0, 15, 4000), *np.geomspace(1e-6, 1e6, 1000)])
    np.testing.assert_allclose(each(scaled_tail, x), erfcx(x.astype(float)), rtol=6e-7)


@pytest.mark.parametrize(("ours", "theirs"), [(sine, np.sin), (cosine, np.cos)])
def test_waves_are_those_of_numpy(ours, theirs):
    turns = np.float32([*RNG.uniform(-2, 2, 3000), 0.0, 0.25, 0.5, 0.75, 1.0, -0.5])
    truth = theirs(2 * np.pi * turns.astype(float))
    np.testing.assert_allclose(each(ours, turns), truth, atol=1e-6)


def test_random_bits_are_even_and_those_of_a_seed_its_own():
    drawn = [[int(random_bits(np.uint32(s), np.uint32(i))) for i in range(4000)] for s in (1, 2)]
    for bits in drawn:
        assert kstest(np.array(bits) / 2**32, "uniform").pvalue > 0.001
        assert abs(np.corrcoef(bits[1:], bits[:-1])[0, 1]) < 0.06
    assert abs(np.corrcoef(*drawn)[0, 1]) < 0.06
    assert drawn[0][:5] == [int(random_bits(np.uint32(1), np.uint32(i))) for i in range(5)]
