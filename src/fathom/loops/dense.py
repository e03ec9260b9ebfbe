"""Dense layers: what the library of matrix products is slow at is worked out in tiles.

A library lays both matrices out anew before it multiplies them, which takes a small product as long
as the product itself, and leaves the nearest memory to its copies. Tiles take small matrices as
they lie. Large ones, of which each number is needed many times, are better laid out.
"""

import numpy as np

from fathom.loops.compiling import loop
from fathom.loops.moving import fill
from fathom.loops.numerics import ZERO
from fathom.loops.tiles import LANES, Lay, multiply, turn

FEWEST, MOST = 8, 40_000  # inputs or neurons, and weights, of a layer that is worked out in tiles
PART = 128  # examples whose inputs stay in the nearest memory


@loop
def _suits_tiles(layer):  # type: ignore[no-untyped-def]
    is_wide = min(layer.n_in, layer.n_out) >= FEWEST
    return is_wide and layer.n_in * layer.n_out <= MOST


@loop
def _stride(n):  # type: ignore[no-untyped-def]
    """Return numbers from row to row: an odd number of lines, so that rows do not share places."""
    return LANES * ((n + LANES - 1) // LANES | 1)


@loop
def room_for_dense(layer):  # type: ignore[no-untyped-def]
    """Return how many numbers a layer needs aside: its weights turned, and a row of zeros."""
    if not _suits_tiles(layer):
        return 0
    return layer.n_in * _stride(layer.n_out) + max(layer.n_in, layer.n_out)


@loop
def forward_dense(layer, parameters, x, z, aside):  # type: ignore[no-untyped-def]
    """Form each neuron's weighted sum: z = W x + b.

    Parameters
    ----------
    layer : numpy.record
        The layer, dtype `LAYER`.
    parameters : numpy.ndarray
        Those of the network.
    x : numpy.ndarray
        What it takes, shape (batch, n_in).
    z : numpy.ndarray
        Room for the sums, shape (batch, n_out).
    aside : numpy.ndarray
        Room to work in.
    """
    n_in, n_out = layer.n_in, layer.n_out
    weight = parameters[layer.weight : layer.weight + n_out * n_in]
    if _suits_tiles(layer):
        stride = _stride(n_out)
        zeros = aside[n_in * stride : n_in * stride + n_out]
        turn(weight.ctypes.data, n_out, n_in, aside.ctypes.data, stride)
        if layer.bias >= 0:
            first = parameters[layer.bias : layer.bias + n_out].ctypes.data
        else:
            fill(zeros, ZERO)
            first = zeros.ctypes.data
        lay = Lay(n_in, 0, 1, stride, 0, n_out, n_in, n_in)
        multiply(lay, x.ctypes.data, aside.ctypes.data, first, z.ctypes.data, len(x), n_out)
        return
    np.dot(x, weight.reshape(n_out, n_in).T, z)
    if layer.bias >= 0:
        bias = parameters[layer.bias : layer.bias + n_out]
        for r in range(len(z)):
            for j in range(n_out):
                z[r, j] += bias[j]


@loop
def backward_dense(layer, parameters, x, delta, back, aside, gradient):  # type: ignore[no-untyped-def]
    """Work out ∂E/∂W = δᵀ x and ∂E/∂b = Σ δ, and ∂E/∂x = δ W.

    Parameters
    ----------
    layer, parameters, x, aside
        As for `forward_dense`.
    delta : numpy.ndarray
        Node errors δ, shape (batch, n_out).
    back : numpy.ndarray
        Room for ∂E/∂x, shape (batch, n_in).
    gradient : numpy.ndarray
        Gradient of all parameters, of which this layer's part is written.
    """
    n_in, n_out = layer.n_in, layer.n_out
    of_weight = gradient[layer.weight : layer.weight + n_out * n_in]
    weight = parameters[layer.weight : layer.weight + n_out * n_in]
    if layer.bias >= 0:
        of_bias = gradient[layer.bias : layer.bias + n_out]
        fill(of_bias, ZERO)
        for r in range(len(delta)):
            for j in range(n_out):
                of_bias[j] += delta[r, j]
    if _suits_tiles(layer):
        zeros = aside[:n_in]
        fill(zeros, ZERO)
        _products(delta, x, zeros, of_weight)
        if layer.passes_back:
            lay = Lay(n_out, 0, 1, n_in, 0, n_in, n_out, n_out)
            ends = zeros.ctypes.data, back.ctypes.data
            multiply(lay, delta.ctypes.data, weight.ctypes.data, *ends, len(delta), n_in)
        return
    np.dot(delta.T, x, of_weight.reshape(n_out, n_in))
    if layer.passes_back:
        np.dot(delta, weight.reshape(n_out, n_in), back)


@loop
def _products(delta, x, zeros, total):  # type: ignore[no-untyped-def]
    """Write δᵀ x, the sum over all examples of what each error makes of each input."""
    n_out, n_in = delta.shape[1], x.shape[1]
    for begin in range(0, len(delta), PART):
        n = min(PART, len(delta) - begin)
        start, stride = (total, n_in) if begin else (zeros, 0)
        lay = Lay(1, 0, n_out, n_in, stride, n_in, n, n)
        errors, inputs = delta[begin:].ctypes.data, x[begin:].ctypes.data
        multiply(lay, errors, inputs, start.ctypes.data, total.ctypes.data, n_out, n_in)
