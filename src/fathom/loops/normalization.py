"""Batch normalization: y = γ (x - μ) / √(σ² + ε) + β, feature by feature over a batch.

In the row of statistics every such layer has four rows of features: the running mean and variance,
and of the batch at hand the mean and the factor 1 / √(σ² + ε), which `backward_norm` needs again.
"""

import math

import numpy as np

from fathom.loops.compiling import loop
from fathom.loops.moving import fill
from fathom.loops.numerics import ONE, ZERO


@loop
def _rows(values, n):  # type: ignore[no-untyped-def]
    """Return values as rows of n features: of a picture, every pixel is a row."""
    flat = values.reshape(-1)
    return flat.reshape(len(flat) // n, n)


@loop
def forward_norm(layer, parameters, statistics, x, normalized, y, is_learning):  # type: ignore[no-untyped-def]
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
    is_learning : int
        Whether the batch's own statistics are used.
    """
    n, first = layer.channels, layer.running
    mean, factor = statistics[first : first + n], statistics[first + 3 * n : first + 4 * n]
    if is_learning:
        mean = statistics[first + 2 * n : first + 3 * n]
        _measure(layer, statistics, _rows(x, n), mean, factor)
    else:
        for k in range(n):
            factor[k] = _one_over_spread(statistics[first + n + k], layer.epsilon)
    scale, shift = parameters[layer.scale : layer.scale + n], parameters[layer.offset :]
    values, steady, out = _rows(x, n), _rows(normalized, n), _rows(y, n)
    for r in range(len(values)):
        for k in range(n):
            steady[r, k] = (values[r, k] - mean[k]) * factor[k]
            out[r, k] = steady[r, k] * scale[k] + shift[k]


@loop
def _one_over_spread(variance, epsilon):  # type: ignore[no-untyped-def]
    return ONE / np.float32(math.sqrt(variance + np.float32(epsilon)))


@loop
def _measure(layer, statistics, values, mean, factor):  # type: ignore[no-untyped-def]
    """Work out μ and 1 / √(σ² + ε) of a batch, and let the running statistics follow."""
    n, first, share = len(mean), layer.running, np.float32(1.0 / len(values))
    variance = np.zeros(n, np.float32)
    fill(mean, ZERO)
    for r in range(len(values)):
        for k in range(n):
            mean[k] += values[r, k]
    for k in range(n):
        mean[k] *= share
    for r in range(len(values)):
        for k in range(n):
            off = values[r, k] - mean[k]
            variance[k] += off * off
    kept = np.float32(layer.momentum)
    for k in range(n):
        variance[k] *= share
        factor[k] = _one_over_spread(variance[k], layer.epsilon)
        statistics[first + k] = kept * statistics[first + k] + (ONE - kept) * mean[k]
        old = statistics[first + n + k]
        statistics[first + n + k] = kept * old + (ONE - kept) * variance[k]


@loop
def backward_norm(layer, parameters, statistics, normalized, error, back, gradient):  # type: ignore[no-untyped-def]
    """Pass errors back: ∂E/∂x = γ / √(σ² + ε) (δ - mean(δ) - x̂ mean(δ x̂)); ∂E/∂γ, ∂E/∂β.

    Parameters
    ----------
    layer, parameters, statistics, normalized
        As `forward_norm` left them.
    error, back : numpy.ndarray
        ∂E/∂y, and room for ∂E/∂x, shape (batch, n_in).
    gradient : numpy.ndarray
        Gradient of all parameters, of which this layer's part is written.
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
    share = np.float32(1.0 / len(errors))
    for r in range(len(errors)):
        for k in range(n):
            inner = errors[r, k] - share * (of_shift[k] + steady[r, k] * of_scale[k])
            down[r, k] = scale[k] * factor[k] * inner
