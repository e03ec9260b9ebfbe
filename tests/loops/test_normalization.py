"""Batch normalization: features that fill no register are worked out several rows at a time."""

import numpy as np
import pytest

from fathom.loops.meeting import Company
from fathom.loops.moving import LINE
from fathom.loops.normalization import forward_norm
from fathom.loops.records import LAYER, NORM

RNG = np.random.default_rng(0)


def company_of_one(n_examples):
    told = np.zeros((2, 1, 0), np.float32)
    return Company(0, 1, np.zeros(1, np.int64), np.zeros(1, np.int64), told, n_examples)


@pytest.mark.parametrize("channels", [1, 3, LINE // 2 - 1, LINE // 2, 20])
@pytest.mark.parametrize("n_pixels", [LINE, 2 * LINE, 5])
def test_it_is_the_equation_while_learning_and_after(channels, n_pixels):
    layer = np.zeros(1, LAYER)[0]
    layer["kind"], layer["n_in"], layer["channels"] = NORM, n_pixels * channels, channels
    layer["offset"], layer["momentum"], layer["epsilon"] = channels, 0.9, 1e-3
    x = RNG.normal(3, 2, (7, n_pixels, channels)).astype(np.float32)
    scale, shift, mean = RNG.normal(size=(3, channels)).astype(np.float32)
    variance = RNG.uniform(0.5, 2, channels).astype(np.float32)
    parameters = np.concatenate([scale, shift])
    statistics = np.concatenate([mean, variance, np.zeros(2 * channels, np.float32)])
    rows = x.reshape(7, -1)
    steady, y = np.full_like(rows, np.nan), np.full_like(rows, np.nan)

    def assert_normalized(center, spread):
        expected = (x - center) / np.sqrt(spread + 1e-3)
        np.testing.assert_allclose(steady.reshape(x.shape), expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(
            y.reshape(x.shape), expected * scale + shift, rtol=1e-4, atol=1e-5
        )

    forward_norm(layer, parameters, statistics, rows, steady, y, company_of_one(0))
    assert_normalized(mean, variance)
    forward_norm(layer, parameters, statistics, rows, steady, y, company_of_one(7))
    own = x.astype(np.float64).mean(axis=(0, 1)), x.astype(np.float64).var(axis=(0, 1))
    assert_normalized(*own)
    for place, (before, new) in enumerate(zip((mean, variance), own, strict=True)):
        found = statistics[place * channels : (place + 1) * channels]
        np.testing.assert_allclose(found, 0.9 * before + 0.1 * new, rtol=1e-4, atol=1e-5)
