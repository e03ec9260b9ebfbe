"""Losses: what a batch adds to loss and score, and the node errors of the output layer."""

from typing import Any

import numpy as np

from fathom.loops.activations import activate
from fathom.loops.compiling import loop
from fathom.loops.layouts import turn
from fathom.loops.moving import add, copy, fill, room, scale
from fathom.loops.numerics import HALF, ONE, TWO, ZERO, exponential, logarithm, logarithm_of_one_and
from fathom.loops.records import BINARY_CROSS_ENTROPY, CROSS_ENTROPY
from fathom.loops.registers import address

AT_ONCE = 256  # examples whose powers stay near the core


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
    n, most = z.shape[1], min(AT_ONCE, len(z))
    space, chosen = room((n + 3) * most), np.empty(most, np.int32)
    spread, peak = np.float32(rules.smoothing / n), np.float32(1.0 - rules.smoothing)
    loss: Any = 0.0
    right: Any = 0.0
    seen = 0.0
    for begin in range(0, len(z), AT_ONCE):
        m = min(AT_ONCE, len(z) - begin)
        rows = space[: (n + 3) * m].reshape(n + 3, m)
        height, total, factor = rows[n], rows[n + 1], rows[n + 2]
        turn(address(z) + 4 * begin * n, m, n, address(rows), m)
        _raise_to_powers(rows, n, height, total, chosen)
        _add_logarithms(total, height)
        for r in range(m):
            of_one, truth = weight[begin + r], classes[begin + r]
            loss += of_one * (height[r] - peak * z[begin + r, truth])
            right += of_one if chosen[r] == truth else ZERO
            seen += of_one
            factor[r] = of_one * share
        _divide(factor, total)
        for k in range(n):
            scale(rows[k], total)
        turn(address(rows), n, m, address(error) + 4 * begin * n, n)
        for r in range(m):
            error[begin + r, classes[begin + r]] -= factor[r] * peak
    if spread > ZERO:
        loss += _spread_truth(z, weight, share, spread, error)
    sums[0] += loss
    sums[1] += seen
    sums[2] += right


@loop
def _raise_to_powers(rows, n, height, total, chosen):  # type: ignore[no-untyped-def]
    """Write e^(z - max z) over z, class by class; and max z, the sum, and the class of max z."""
    copy(rows[0], height)
    for k in range(1, n):
        _raise(rows[k], height)
    fill(total, ZERO)
    for k in range(n - 1, -1, -1):  # the first class of those that are highest comes last
        _choose(rows[k], height, np.int32(k), chosen)
        _powers(rows[k], height)
        add(rows[k], total)


# Each a function of its own: a loop over few arrays, which the compiler sees that it may fill
# registers for.


@loop
def _raise(row, height):  # type: ignore[no-untyped-def]
    for r in range(len(row)):
        height[r] = max(height[r], row[r])


@loop
def _choose(row, height, number, chosen):  # type: ignore[no-untyped-def]
    for r in range(len(row)):
        chosen[r] = number if row[r] == height[r] else chosen[r]


@loop
def _powers(row, height):  # type: ignore[no-untyped-def]
    for r in range(len(row)):
        row[r] = exponential(row[r] - height[r])


@loop
def _add_logarithms(total, height):  # type: ignore[no-untyped-def]
    for r in range(len(total)):
        height[r] += logarithm(total[r])


@loop
def _divide(factor, total):  # type: ignore[no-untyped-def]
    for r in range(len(total)):
        total[r] = factor[r] / total[r]


@loop
def _spread_truth(z, weight, share, spread, error):  # type: ignore[no-untyped-def]
    """Let every class have a share of the truth; return what that adds to the loss."""
    loss = 0.0
    for r in range(len(z)):
        total = ZERO
        for k in range(z.shape[1]):
            total += z[r, k]
            error[r, k] -= weight[r] * share * spread
        loss -= weight[r] * spread * total
    return loss


@loop
def _binary_cross_entropy(rules, z, values, weight, share, error, sums):  # type: ignore[no-untyped-def]
    """E = Σ (softplus(z) - y z); δ = a - y, a = sigmoid(z)."""
    n_rows, n = z.shape
    spread, peak = np.float32(rules.smoothing / 2), np.float32(1.0 - rules.smoothing)
    losses = room(n_rows * n)
    height, truth, off = z.reshape(-1), values.reshape(-1), error.reshape(-1)
    for i in range(len(height)):
        low, y = exponential(-abs(height[i])), peak * truth[i] + spread
        losses[i] = max(height[i], ZERO) + logarithm_of_one_and(low) - y * height[i]
        off[i] = (ONE if height[i] >= ZERO else low) / (ONE + low) - y
    total, seen, right = 0.0, 0.0, 0.0
    for r in range(n_rows):
        loss, n_right = ZERO, 0
        for k in range(n):
            loss += losses[r * n + k]
            n_right += (z[r, k] >= ZERO) == (peak * values[r, k] + spread >= HALF)
            error[r, k] *= weight[r] * share
        total += weight[r] * loss
        seen += weight[r]
        right += weight[r] * n_right / n
    sums[0] += total
    sums[1] += seen
    sums[2] += right


@loop
def _squared_error(rules, z, values, weight, share, error, sums):  # type: ignore[no-untyped-def]
    """E = ½ Σ (a - y)², a = f(z); δ = (a - y) f′(z)."""
    n = z.shape[1]
    activate(rules.output, z.reshape(-1), error.reshape(-1))
    total, seen, right, length = 0.0, 0.0, 0.0, 0.0
    for r in range(len(z)):
        square, size, n_right = ZERO, ZERO, 0
        for k in range(n):
            a, y = error[r, k], values[r, k]
            error[r, k] = weight[r] * share * (a - y) * z[r, k]
            square += (a - y) * (a - y)
            size += y * y
            n_right += (a >= HALF) == (y >= HALF)
        total += weight[r] * square
        length += weight[r] * size
        right += weight[r] * n_right / n
        seen += weight[r]
    sums[0] += total / TWO
    sums[1] += seen
    if rules.counts_right:
        sums[2] += right
        return
    sums[2] += total
    sums[3] += length
    for r in range(len(z)):
        for k in range(n):
            sums[4 + k] += weight[r] * values[r, k]
