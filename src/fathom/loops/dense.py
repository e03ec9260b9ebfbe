"""Dense layers in tiles, which take inputs, errors and weights as they lie.

A library of matrix products lays both matrices out anew before it multiplies them, which takes as
long as a small product itself, and its copies push out of the nearest memory what comes next.
Here only z = W x asks for that, and only for as many neurons at once as a tile is wide. Layers
narrower than a tile are left to the library. Where a processor has a matrix unit, wider ones are
worked out by that, which wants both matrices laid out for it, too, but makes up for it.
"""

import numpy as np

from fathom.loops.compiling import loop
from fathom.loops.halves import Side, multiply_halves, room_for_halves
from fathom.loops.layouts import turn
from fathom.loops.moving import fill, scale, whole_lines
from fathom.loops.numerics import ZERO
from fathom.loops.registers import LANES, address
from fathom.loops.tiles import TALL, VECTORS, Ahead, Lay, multiply, multiply_ahead

FEWEST = 8  # inputs or neurons of a layer that is worked out in tiles
PANEL = LANES * VECTORS  # neurons whose weights are turned, and multiplied, at once
DEEP = 64  # neurons whose errors are passed back at once, so that their weights stay near it
FAR = 2**18  # weights of a layer that are not found in nearer memory when they are next needed
PART = 128  # examples whose inputs stay in the nearest memory
FEWEST_SPLIT = 32  # examples from which a matrix unit pays


@loop
def room_for_dense(layer, batch):  # type: ignore[no-untyped-def]
    """Return how many numbers a layer needs aside: zeros, and a panel of weights, or halves."""
    n_in, n_out = layer.n_in, layer.n_out
    if not splits(layer, batch):
        return PANEL + n_in * PANEL
    forward, back = room_for_halves(batch, n_in), room_for_halves(batch, n_out)
    return whole_lines(max(n_in, n_out)) + max(forward, back, room_for_halves(n_out, batch))


@loop
def splits(layer, batch):  # type: ignore[no-untyped-def]
    """Tell whether numbers are split for the matrix unit, for so many examples."""
    return layer.splits and batch >= FEWEST_SPLIT


@loop
def zeros_of(aside, n):  # type: ignore[no-untyped-def]
    """Return so many zeros, and the room that is left."""
    zeros = aside[:n]
    fill(zeros, ZERO)
    return zeros, aside[whole_lines(n) :]


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
    if min(n_in, n_out) >= FEWEST:
        add_inputs(layer, parameters, x, z, 0, n_out, aside)
        return
    weight = parameters[layer.weight : layer.weight + n_out * n_in]
    np.dot(x, weight.reshape(n_out, n_in).T, z)
    if layer.bias >= 0:
        bias = parameters[layer.bias : layer.bias + n_out]
        for r in range(len(z)):
            for j in range(n_out):
                z[r, j] += bias[j]


@loop
def find_errors(layer, error, slope, is_output, gradient):  # type: ignore[no-untyped-def]
    """Work out node errors δ = ∂E/∂a f′(z), and ∂E/∂b = Σ δ.

    Parameters
    ----------
    layer : numpy.record
        The layer, dtype `LAYER`.
    error : numpy.ndarray
        ∂E/∂a, overwritten with δ, shape (batch, n_out).
    slope : numpy.ndarray
        f′(z), of the same shape.
    is_output : bool
        Whether the errors of an output layer are given, which are δ already.
    gradient : numpy.ndarray
        Gradient of all parameters, of which that of the biases is written.
    """
    if layer.bias < 0:
        if not is_output:
            scale(error.reshape(-1), slope.reshape(-1))
        return
    total = gradient[layer.bias : layer.bias + layer.n_out]
    if is_output:
        add_errors(error, 0, total)
        return
    fill(total, ZERO)
    for r in range(len(error)):
        for j in range(len(total)):
            delta = error[r, j] * slope[r, j]
            error[r, j] = delta
            total[j] += delta


@loop
def backward_dense(layer, parameters, x, delta, back, aside, gradient):  # type: ignore[no-untyped-def]
    """Work out ∂E/∂W = δᵀ x, and ∂E/∂x = δ W.

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
    if min(n_in, n_out) < FEWEST:
        np.dot(delta.T, x, of_weight.reshape(n_out, n_in))
        if layer.passes_back:
            weight = parameters[layer.weight : layer.weight + n_out * n_in]
            np.dot(delta, weight.reshape(n_out, n_in), back)
        return
    at_once = n_out if splits(layer, len(x)) else DEEP
    for j in range(0, n_out, at_once):
        of_some = of_weight[j * n_in : min(j + at_once, n_out) * n_in]
        add_products(layer, x, delta, j, aside, of_some)
    if layer.passes_back:
        pass_back(layer, parameters, delta, back, 0, n_in, aside)


@loop
def add_inputs(layer, parameters, x, z, begin, end, aside):  # type: ignore[no-untyped-def]
    """Form the weighted sums of the neurons from `begin` to `end`; see `forward_dense`."""
    n_in, n_out = layer.n_in, layer.n_out
    weight = address(parameters[layer.weight :])
    if splits(layer, len(x)):
        zeros, aside = zeros_of(aside, end - begin)
        start = address(parameters[layer.bias + begin :]) if layer.bias >= 0 else address(zeros)
        multiply_halves(
            Side(address(x), n_in, True), Side(weight + 4 * begin * n_in, n_in, True), start, 0,
            address(z) + 4 * begin, n_out, len(x), end - begin, n_in, aside,
        )  # fmt: skip
        return
    zeros, aside = zeros_of(aside, PANEL)
    panel = address(aside)
    lay = Lay(n_in, 0, 1, PANEL, 0, n_out, n_in, n_in)
    step = spread(layer, 4 * PANEL * n_in, len(x), n_in)
    for j in range(begin, end, PANEL):
        n = min(PANEL, end - j)
        turn(weight + 4 * j * n_in, n, n_in, panel, PANEL)
        start = address(parameters[layer.bias + j :]) if layer.bias >= 0 else address(zeros)
        next_panel = Ahead(weight + 4 * min(j + n, end - 1) * n_in, step, step * n_in)
        multiply_ahead(lay, address(x), panel, start, address(z) + 4 * j, len(x), n, next_panel)


@loop
def pass_back(layer, parameters, delta, back, begin, end, aside):  # type: ignore[no-untyped-def]
    """Work out ∂E/∂x = δ W for the inputs from `begin` to `end`; see `backward_dense`."""
    n_in, n_out = layer.n_in, layer.n_out
    zeros, aside = zeros_of(aside, n_in)
    weight = address(parameters[layer.weight + begin :])
    found = address(back) + 4 * begin
    if splits(layer, len(delta)):
        multiply_halves(
            Side(address(delta), n_out, True), Side(weight, n_in, False), address(zeros), 0, found,
            n_in, len(delta), end - begin, n_out, aside,
        )  # fmt: skip
        return
    for j in range(0, n_out, DEEP):
        n = min(DEEP, n_out - j)
        start, stride = (found, n_in) if j else (address(zeros), 0)
        lay = Lay(n_out, 0, 1, n_in, stride, n_in, n, n)
        errors = address(delta) + 4 * j
        step = spread(layer, 4 * (end - begin), TALL, n)
        for i in range(0, end - begin, PANEL):
            row = min(j + n + i * n // (end - begin), n_out - 1)
            next_rows = Ahead(weight + 4 * row * n_in, step, 4 * n_in)
            multiply_ahead(
                lay, errors, weight + 4 * (j * n_in + i), start + 4 * i, found + 4 * i,
                len(delta), min(PANEL, end - begin - i), next_rows,
            )  # fmt: skip


@loop
def spread(layer, n_bytes, n_rows, n):  # type: ignore[no-untyped-def]
    """Return how far each of n steps, of all tiles above each other, goes to fetch so many bytes.

    0 where the layer's weights are near anyway.
    """
    if layer.n_in * layer.n_out < FAR:
        return 0
    n_steps = (n_rows + TALL - 1) // TALL * n
    return (n_bytes + n_steps - 1) // n_steps


@loop
def add_products(layer, x, delta, begin, aside, total):  # type: ignore[no-untyped-def]
    """Write δᵀ x, the sum over examples of what each error makes of each input.

    Parameters
    ----------
    layer, x, delta, aside
        As for `backward_dense`.
    begin : int
        The first neuron; `total` says how many.
    total : numpy.ndarray
        Room for ∂E/∂W of these neurons, in one row.
    """
    n_in, n_out = x.shape[1], delta.shape[1]
    zeros, aside = zeros_of(aside, n_in)
    n_rows = len(total) // n_in
    if splits(layer, len(x)):
        left, right = Side(address(delta[:, begin:]), n_out, False), Side(address(x), n_in, False)
        multiply_halves(
            left, right, address(zeros), 0, address(total), n_in, n_rows, n_in, len(x), aside
        )
        return
    for first in range(0, len(delta), PART):
        n = min(PART, len(delta) - first)
        start, stride = (total, n_in) if first else (zeros, 0)
        lay = Lay(1, 0, n_out, n_in, stride, n_in, n, n)
        errors = address(delta) + 4 * (first * n_out + begin)
        inputs = address(x) + 4 * first * n_in
        multiply(lay, errors, inputs, address(start), address(total), n_rows, n_in)


@loop
def add_errors(delta, begin, total):  # type: ignore[no-untyped-def]
    """Write ∂E/∂b = Σ δ of the neurons from `begin`, as many as there is room for."""
    fill(total, ZERO)
    for r in range(len(delta)):
        for j in range(len(total)):
            total[j] += delta[r, begin + j]
