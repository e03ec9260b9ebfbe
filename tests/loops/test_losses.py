"""Losses: what they add up and the node errors, against NumPy in float64."""

import numpy as np
import pytest

from fathom.loops.activations import ACTIVATION_CODES
from fathom.loops.descent import Rules
from fathom.loops.losses import AT_ONCE, compare
from fathom.loops.records import BINARY_CROSS_ENTROPY, CROSS_ENTROPY, SQUARED_ERROR

RNG = np.random.default_rng(0)
NEAR = {"rtol": 2e-5, "atol": 1e-6}
SHARE = np.float32(0.25)
ROWS = [1, 33, AT_ONCE + 45]


def rules_of(loss, output="identity", smoothing=0.0, counts_right=True):
    return Rules(loss, ACTIVATION_CODES[output], counts_right, True, smoothing, 0.0, False, 0.999)


def compared(rules, z, classes, values, weight):
    """Return the node errors, and what is added to the sums."""
    error, sums = np.full_like(z, np.nan), np.zeros(4 + values.shape[1])
    compare(rules, z.copy(), classes, values, weight, SHARE, error, sums)
    return error, sums


def drawn(n_rows, n):
    z = RNG.normal(scale=3, size=(n_rows, n)).astype(np.float32)
    return z, RNG.uniform(0.5, 2, n_rows).astype(np.float32)


@pytest.mark.parametrize("n_rows", ROWS)
@pytest.mark.parametrize("n", [2, 3, 26])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy(n_rows, n, smoothing):
    z, weight = drawn(n_rows, n)
    classes = RNG.integers(0, n, n_rows).astype(np.int32)
    none = np.zeros((n_rows, 0), np.float32)
    error, sums = compared(rules_of(CROSS_ENTROPY, smoothing=smoothing), z, classes, none, weight)
    logs = z.astype(float) - np.logaddexp.reduce(z.astype(float), axis=1)[:, None]
    truth = np.eye(n)[classes] * (1 - smoothing) + smoothing / n
    np.testing.assert_allclose(error, SHARE * weight[:, None] * (np.exp(logs) - truth), **NEAR)
    right = weight @ (z.argmax(axis=1) == classes)
    loss = -(weight @ (truth * logs).sum(axis=1))
    np.testing.assert_allclose(sums, [loss, weight.sum(), right, 0], **NEAR)


def test_of_classes_that_are_as_high_the_first_is_chosen():
    z, weight = np.zeros((40, 3), np.float32), np.ones(40, np.float32)
    classes = np.repeat(np.int32([0, 1, 2, 0]), 10)
    none = np.zeros((40, 0), np.float32)
    _, sums = compared(rules_of(CROSS_ENTROPY), z, classes, none, weight)
    assert sums[2] == 20


def test_heights_far_apart_do_not_overflow():
    z, weight = np.float32([[1000.0, -1000.0], [-1000.0, 1000.0]]), np.ones(2, np.float32)
    none = np.zeros((2, 0), np.float32)
    error, sums = compared(rules_of(CROSS_ENTROPY), z, np.int32([0, 0]), none, weight)
    np.testing.assert_allclose(error, SHARE * np.float32([[0, 0], [-1, 1]]), atol=1e-30)
    np.testing.assert_allclose(sums, [2000, 2, 1, 0])


@pytest.mark.parametrize("n_rows", ROWS)
@pytest.mark.parametrize("n", [1, 5])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_binary_cross_entropy(n_rows, n, smoothing):
    z, weight = drawn(n_rows, n)
    values = RNG.integers(0, 2, (n_rows, n)).astype(np.float32)
    classes = np.zeros(n_rows, np.int32)
    rules = rules_of(BINARY_CROSS_ENTROPY, "sigmoid", smoothing)
    error, sums = compared(rules, z, classes, values, weight)
    truth = values * (1 - smoothing) + smoothing / 2
    a = 1 / (1 + np.exp(-z.astype(float)))
    np.testing.assert_allclose(error, SHARE * weight[:, None] * (a - truth), **NEAR)
    loss = weight @ (np.logaddexp(0, z.astype(float)) - truth * z).sum(axis=1)
    right = weight @ ((a >= 0.5) == (values >= 0.5)).mean(axis=1)
    np.testing.assert_allclose(sums[:4], [loss, weight.sum(), right, 0], **NEAR)


@pytest.mark.parametrize("n_rows", ROWS)
@pytest.mark.parametrize("n", [1, 4])
@pytest.mark.parametrize("output", ["identity", "sigmoid"])
def test_squared_error(n_rows, n, output):
    z, weight = drawn(n_rows, n)
    is_shares = output == "sigmoid"
    values = RNG.uniform(size=(n_rows, n)).astype(np.float32)
    rules = rules_of(SQUARED_ERROR, output, counts_right=is_shares)
    error, sums = compared(rules, z, np.zeros(n_rows, np.int32), values, weight)
    a = 1 / (1 + np.exp(-z.astype(float))) if is_shares else z.astype(float)
    slope = a * (1 - a) if is_shares else 1
    np.testing.assert_allclose(error, SHARE * weight[:, None] * (a - values) * slope, **NEAR)
    square = weight @ ((a - values) ** 2).sum(axis=1)
    np.testing.assert_allclose(sums[:2], [square / 2, weight.sum()], **NEAR)
    if is_shares:
        right = weight @ ((a >= 0.5) == (values >= 0.5)).mean(axis=1)
        np.testing.assert_allclose(sums[2:4], [right, 0], **NEAR)
    else:
        length = weight @ (values.astype(float) ** 2).sum(axis=1)
        np.testing.assert_allclose(sums[2:], [square, length, *(weight @ values)], **NEAR)
