"""Calibration against scipy's minimum and scikit-learn's log loss."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from scipy.special import softmax as scipy_softmax
from sklearn.metrics import log_loss as sklearn_log_loss

from fathom.training.calibration import (
    binary_log_loss,
    calibrated_log_loss,
    fit_sharpness,
    log_loss,
    sharpen,
    softmax,
)

RNG = np.random.default_rng(0)


def draw(n, k, true_beta, seed=0):
    """Draw sums z and classes that softmax(true_beta z) gives."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, k))
    p = scipy_softmax(true_beta * z, axis=1)
    y = (p.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(max=k - 1)
    return z, y, rng.uniform(0.2, 3, n)


@pytest.mark.parametrize("true_beta", [0.3, 1.0, 2.5])
@pytest.mark.parametrize("k", [2, 5])
def test_the_sharpness_is_scipys_minimum(true_beta, k):
    z, y, weight = draw(4000, k, true_beta)
    found = fit_sharpness(z, y, weight)
    best = minimize_scalar(
        lambda b: log_loss(softmax(b * z), y, weight), bounds=(0.2, 5), method="bounded"
    )
    assert found == pytest.approx(best.x, rel=5e-3)
    assert found == pytest.approx(true_beta, rel=0.15)


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 40), st.integers(2, 6), st.floats(1e-3, 1e3), st.integers(0, 1000))
def test_it_stays_in_bounds_and_nothing_in_them_is_better(n, k, size, seed):
    z, y, weight = draw(n, k, 1.0, seed)
    z = (size * z).astype(np.float32).astype(float)
    beta = fit_sharpness(z, y, weight)
    assert 0.2 <= beta <= 5

    def loss(b):  # without any bound on probabilities
        return np.average(logsumexp(b * z, axis=1) - b * z[np.arange(n), y], weights=weight)

    assert loss(beta) <= min(map(loss, (0.2, 0.5, 1.0, 2.0, 5.0))) * 1.01 + 1e-3


def test_sums_that_say_nothing_or_are_always_right_have_bounds():
    y = np.arange(20) % 2
    assert fit_sharpness(np.zeros((20, 2)), y, np.ones(20)) == 1
    assert fit_sharpness(np.eye(2)[y], y, np.ones(20)) == 5
    assert fit_sharpness(np.eye(2)[1 - y], y, np.ones(20)) == 0.2


def test_log_losses_are_scikit_learns():
    z, y, weight = draw(200, 3, 1.0)
    p = softmax(z)
    expected = sklearn_log_loss(y, p, sample_weight=weight)
    assert log_loss(p, y, weight) == pytest.approx(expected)
    labels = (RNG.random((200, 2)) > 0.4).astype(float)
    each = [sklearn_log_loss(labels[:, k], p[:, k], sample_weight=weight) for k in range(2)]
    assert binary_log_loss(p[:, :2], labels, weight) == pytest.approx(np.mean(each))


def test_certainty_that_is_wrong_costs_something_finite():
    p = np.array([[1.0, 0.0]])
    assert log_loss(p, np.array([1]), np.ones(1)) == pytest.approx(-np.log(1e-7))
    assert np.isfinite(binary_log_loss(p, 1 - p, np.ones(1)))


def test_softmax_is_scipys_and_does_not_overflow():
    z = np.array([[1000.0, 999.0, -1000.0], [0, 0, 0]], np.float32)
    np.testing.assert_allclose(softmax(z), scipy_softmax(z.astype(float), axis=1))
    assert softmax(z).dtype == np.float64


def test_sharpening_is_the_power_brought_to_sum_1():
    p = softmax(RNG.normal(size=(50, 4)))
    expected = p**1.7 / (p**1.7).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(sharpen(p, 1.7), expected)
    np.testing.assert_array_equal(sharpen(p, 1.0), p)
    assert (sharpen(p, 0.3).argmax(axis=1) == p.argmax(axis=1)).all()


def test_the_calibrated_loss_does_not_depend_on_how_sure_the_sums_are():
    z, y, weight = draw(9000, 3, 1.0)
    losses = [calibrated_log_loss(size * z, y, weight) for size in (0.5, 1.0, 3.0)]
    np.testing.assert_allclose(losses, losses[1], rtol=1e-3)
    assert losses[1] <= log_loss(softmax(z), y, weight) * (1 + 1e-3)
