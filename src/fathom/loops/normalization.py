"""Batch normalization: y = γ (x - μ) / √(σ² + ε) + β, feature by feature over a batch.

In the row of statistics every such layer has four rows of features: the running mean and variance,
and of the batch at hand the mean and the factor 1 / √(σ² + ε), which `backward_norm` needs again.
Cores that divide a batch add up what each found of its part, so that all normalize by the whole;
each has statistics of its own, which therefore agree.
"""

import math

import numpy as np

from fathom.loops.compiling import loop
from fathom.loops.meeting import add_up
from fathom.loops.moving import LINE, copy, fill
from fathom.loops.numerics import ONE, ZERO


@loop
def _rows(values, n):  # type: ignore[no-untyped-def]
    """Return values as rows of n features: of a picture, every pixel is a row."""
    flat = values.reshape(-1)
    return flat.reshape(len(flat) // n, n)


@loop
def forward_norm(layer, parameters, statistics, x, normalized, y, company):  # type: ignore[no-untyped-def]
    """Normalize a batch: by its own mean and variance while learning, else by the running ones.

    Parameters
    ----------
    layer : record
        The normalization.
    parameters, statistics : numpy.ndarray
        Those of the network; while learning, the running ones follow.
    x, y : numpy.ndarray
        Values in and out, shape (batch, n_in).
    normalized : numpy.ndarray
        Room for (x - μ) / √(σ² + ε), which `backward_norm` needs.
    company : Company
        Which cores divide the batch; its own statistics are used where they learn.
    """
    n, first = layer.channels, layer.running
    mean, factor = statistics[first : first + n], statistics[first + 3 * n : first + 4 * n]
    if company.n_examples > 0:
        mean = statistics[first + 2 * n : first + 3 * n]
        _measure(layer, statistics, x, mean, factor, company)
    else:
        for k in range(n):
            factor[k] = _one_over_spread(statistics[first + n + k], layer.epsilon)
    scale, shift = parameters[layer.scale : layer.scale + n], parameters[layer.offset :]
    n_wide = _width(n, x.size)
    values, steady, out = _rows(x, n_wide), _rows(normalized, n_wide), _rows(y, n_wide)
    means, factors = _repeat(mean, n, n_wide), _repeat(factor, n, n_wide)
    scales, shifts = _repeat(scale, n, n_wide), _repeat(shift, n, n_wide)
    for r in range(len(values)):
        for k in range(n_wide):
            steady[r, k] = (values[r, k] - means[k]) * factors[k]
            out[r, k] = steady[r, k] * scales[k] + shifts[k]


@loop
def _width(n, size):  # type: ignore[no-untyped-def]
    """Return how many numbers make a row: of several rows where features fill no register."""
    return n * LINE if n < LINE // 2 and size % (n * LINE) == 0 else n


@loop
def _repeat(row, n, n_wide):  # type: ignore[no-untyped-def]
    """Return n features as often as so many numbers take."""
    wide = np.empty(n_wide, np.float32)
    for k in range(n_wide):
        wide[k] = row[k % n]
    return wide


@loop
def _fold(wide, row):  # type: ignore[no-untyped-def]
    """Write sums of features that were repeated as one for each."""
    fill(row, ZERO)
    for k in range(len(wide)):
        row[k % len(row)] += wide[k]


@loop
def _one_over_spread(variance, epsilon):  # type: ignore[no-untyped-def]
    return ONE / np.float32(math.sqrt(variance + np.float32(epsilon)))


@loop
def _rows_of_all(layer, company):  # type: ignore[no-untyped-def]
    """Return how many rows of features the whole batch has."""
    return company.n_examples * (layer.n_in // layer.channels)


@loop
def _measure(layer, statistics, x, mean, factor, company):  # type: ignore[no-untyped-def]
    """Work out μ and 1 / √(σ² + ε) of a batch, and let the running statistics follow."""
    n, first = len(mean), layer.running
    share = np.float32(1.0 / _rows_of_all(layer, company))
    n_wide = _width(n, x.size)
    values, total, variance = _rows(x, n_wide), np.zeros(n_wide, np.float32), np.empty_like(mean)
    for r in range(len(values)):
        for k in range(n_wide):
            total[k] += values[r, k]
    _fold(total, mean)
    add_up(company, mean)
    for k in range(n):
        mean[k] *= share
    means = _repeat(mean, n, n_wide)
    fill(total, ZERO)
    for r in range(len(values)):
        for k in range(n_wide):
            off = values[r, k] - means[k]
            total[k] += off * off
    _fold(total, variance)
    add_up(company, variance)
    kept = np.float32(layer.momentum)
    for k in range(n):
        variance[k] *= share
        factor[k] = _one_over_spread(variance[k], layer.epsilon)
        statistics[first + k] = kept * statistics[first + k] + (ONE - kept) * mean[k]
        old = statistics[first + n + k]
        statistics[first + n + k] = kept * old + (ONE - kept) * variance[k]


@loop
def backward_norm(  # type: ignore[no-untyped-def]
    layer, parameters, statistics, normalized, error, back, gradient, company
):
    """Pass errors back: ∂E/∂x = γ / √(σ² + ε) (δ - mean(δ) - x̂ mean(δ x̂)); ∂E/∂γ, ∂E/∂β.

    Parameters
    ----------
    layer, parameters, statistics, normalized
        As `forward_norm` left them.
    error, back : numpy.ndarray
        ∂E/∂y, and room for ∂E/∂x, shape (batch, n_in).
    gradient : numpy.ndarray
        Gradient of all parameters, of which this layer's part is written, for the examples at hand.
    company : Company
        Which cores divide the batch.
    """
    n, first = layer.channels, layer.running
    factor = statistics[first + 3 * n : first + 4 * n]
    scale = parameters[layer.scale : layer.scale + n]
    of_scale = gradient[layer.scale : layer.scale + n]
    of_shift = gradient[layer.offset : layer.offset + n]
    steady, errors, down = _rows(normalized, n), _rows(error, n), _rows(back, n)
    fill(of_scale, ZERO)
    fill(of_shift, ZERO)
    for r in range(len(errors)):
        for k in range(n):
            of_shift[k] += errors[r, k]
            of_scale[k] += errors[r, k] * steady[r, k]
    both = np.empty(2 * n, np.float32)
    of_errors, of_products = both[:n], both[n:]
    copy(of_shift, of_errors)
    copy(of_scale, of_products)
    add_up(company, both)
    share = np.float32(1.0 / _rows_of_all(layer, company))
    for r in range(len(errors)):
        for k in range(n):
            inner = errors[r, k] - share * (of_errors[k] + steady[r, k] * of_products[k])
            down[r, k] = scale[k] * factor[k] * inner
