"""Losses: what a batch adds to loss and score, and the node errors of the output layer."""

from typing import Any

import numpy as np

from fathom.loops.activations import activate
from fathom.loops.compiling import loop
from fathom.loops.numerics import HALF, ONE, TWO, ZERO, exponential, logarithm, logarithm_of_one_and
from fathom.loops.records import BINARY_CROSS_ENTROPY, CROSS_ENTROPY


@loop
def compare(rules, z, classes, values, weight, share, error, sums):  # type: ignore[no-untyped-def]
    """Compare prediction with truth: add up loss and score, and write the node errors δ = ∂E/∂z.

    Parameters
    ----------
    rules : Rules
        Loss, smoothing, and the output layer's activation function.
    z : numpy.ndarray
        Sums of the output layer, shape (batch, outputs).
    classes : numpy.ndarray
        Number of each example's class, shape (batch,); not looked at where there are none.
    values : numpy.ndarray
        Targets that are labels or numbers, shape (batch, outputs); not looked at where there are
        none.
    weight : numpy.ndarray
        Weight of each example.
    share : float
        What the loss of one example counts in that of the batch.
    error : numpy.ndarray
        Room for the node errors, shape (batch, outputs).
    sums : numpy.ndarray
        Added to, float64: loss, weight, then the parts of the score.
    """
    if rules.loss == CROSS_ENTROPY:
        _cross_entropy(rules, z, classes, weight, share, error, sums)
    elif rules.loss == BINARY_CROSS_ENTROPY:
        _binary_cross_entropy(rules, z, values, weight, share, error, sums)
    else:
        _squared_error(rules, z, values, weight, share, error, sums)


@loop
def _cross_entropy(rules, z, classes, weight, share, error, sums):  # type: ignore[no-untyped-def]
    """E = -Σ y ln a, a = softmax(z); δ = a - y."""
    n_rows, n = z.shape
    spread = np.float32(rules.smoothing / n)
    peak = np.float32(1.0 - rules.smoothing)
    height, total = np.empty(n_rows, np.float32), np.empty(n_rows, np.float32)
    sums[2] += _raise_to_powers(z, classes, weight, error, height)
    for r in range(n_rows):
        total[r] = ZERO
        for k in range(n):
            total[r] += error[r, k]
    for r in range(n_rows):  # a loop of its own, as it fills vector registers
        height[r] += logarithm(total[r])
    for r in range(n_rows):
        factor, truth = weight[r] * share, classes[r]
        one, loss = factor / total[r], height[r] - peak * z[r, truth]
        for k in range(n):
            error[r, k] = one * error[r, k] - factor * spread
            loss -= spread * z[r, k]
        error[r, truth] -= factor * peak
        sums[0] += weight[r] * loss
        sums[1] += weight[r]


@loop
def _raise_to_powers(z, classes, weight, power, highest):  # type: ignore[no-untyped-def]
    """Write e^(z - max z) and max z of every example; return the weight of those that are right."""
    right: Any = 0.0
    for r in range(len(z)):
        most, chosen = z[r, 0], 0
        for k in range(1, z.shape[1]):
            if z[r, k] > most:
                most, chosen = z[r, k], k
        for k in range(z.shape[1]):
            power[r, k] = z[r, k] - most
        highest[r] = most
        right += weight[r] if chosen == classes[r] else ZERO
    flat = power.reshape(-1)
    for i in range(len(flat)):
        flat[i] = exponential(flat[i])
    return right


@loop
def _binary_cross_entropy(rules, z, values, weight, share, error, sums):  # type: ignore[no-untyped-def]
    """E = Σ (softplus(z) - y z); δ = a - y, a = sigmoid(z)."""
    n = z.shape[1]
    spread, peak = np.float32(rules.smoothing / 2), np.float32(1.0 - rules.smoothing)
    for r in range(len(z)):
        loss, n_right = 0.0, 0
        for k in range(n):
            height, truth = z[r, k], peak * values[r, k] + spread
            low = exponential(-abs(height))
            loss += max(height, ZERO) + logarithm_of_one_and(low) - truth * height
            a = ONE / (ONE + low) if height >= ZERO else low / (ONE + low)
            error[r, k] = weight[r] * share * (a - truth)
            n_right += (a >= HALF) == (truth >= HALF)
        sums[0] += weight[r] * loss
        sums[1] += weight[r]
        sums[2] += weight[r] * n_right / n


@loop
def _squared_error(rules, z, values, weight, share, error, sums):  # type: ignore[no-untyped-def]
    """E = ½ Σ (a - y)², a = f(z); δ = (a - y) f′(z)."""
    n = z.shape[1]
    a = np.empty(n, np.float32)
    for r in range(len(z)):
        activate(rules.output, z[r], a)
        square, size = ZERO, ZERO
        n_right = 0
        for k in range(n):
            off, truth = a[k] - values[r, k], values[r, k]
            error[r, k] = weight[r] * share * off * z[r, k]
            square += off * off
            size += truth * truth
            n_right += (a[k] >= HALF) == (truth >= HALF)
        sums[0] += weight[r] * square / TWO
        sums[1] += weight[r]
        if rules.counts_right:
            sums[2] += weight[r] * n_right / n
        else:
            sums[2] += weight[r] * square
            sums[3] += weight[r] * size
            for k in range(n):
                sums[4 + k] += weight[r] * values[r, k]
