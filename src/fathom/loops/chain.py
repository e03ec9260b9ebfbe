"""The chain of layers, forward and backward: combination, activation, node errors, gradients."""

from typing import NamedTuple

import numpy as np

from fathom.loops.activations import activate
from fathom.loops.columns import backward_columns, forward_columns
from fathom.loops.compiling import loop
from fathom.loops.convolution import (
    backward_convolution,
    divide_gradient,
    forward_convolution,
    room_for_convolution,
)
from fathom.loops.denormals import flush, restore
from fathom.loops.dense import backward_dense, find_errors, forward_dense, room_for_dense
from fathom.loops.gains import backward_gain, forward_gain
from fathom.loops.joining import backward_join, backward_shortcut, forward_join
from fathom.loops.layouts import take_rows, turn
from fathom.loops.meeting import at_rest
from fathom.loops.moving import copy, room
from fathom.loops.normalization import backward_norm, forward_norm
from fathom.loops.numerics import ZERO, random_bits
from fathom.loops.pooling import backward_pool, forward_pool
from fathom.loops.records import (
    ACTIVATION,
    COLUMNS,
    CONVOLUTION,
    DENSE,
    GAIN,
    JOIN,
    NORM,
    POOL,
)
from fathom.loops.registers import address


class Chain(NamedTuple):
    """A network without its parameters.

    Attributes
    ----------
    layers : numpy.ndarray
        A record of each layer, dtype `LAYER`.
    one_hot, embedded : numpy.ndarray
        Codes of a columns layer, dtype `CODE`.
    places : int
        Places an example in the working row.
    widest : int
        The most values a layer takes or gives.
    """

    layers: np.ndarray
    one_hot: np.ndarray
    embedded: np.ndarray
    places: int
    widest: int


@loop
def values_of(work, place, batch, n):  # type: ignore[no-untyped-def]
    """Return the part of the working row that a layer's values for a batch lie in."""
    return work[place * batch : (place + n) * batch].reshape(batch, n)


@loop
def _waves_of(layer, work, batch):  # type: ignore[no-untyped-def]
    """Return where the parts of numbers lie, column by column."""
    n = layer.n_numbers * layer.parts if layer.units > 0 else 0
    return work[layer.slope * batch : (layer.slope + n) * batch].reshape(n, batch)


@loop
def _source(layer, inputs, work, batch):  # type: ignore[no-untyped-def]
    """Return what the block that a join ends took."""
    if layer.source < 0:
        return inputs[: batch * layer.n_source].reshape(batch, layer.n_source)
    return values_of(work, layer.source, batch, layer.n_source)


@loop
def gather(chain, x, rows, inputs, aside):  # type: ignore[no-untyped-def]
    """Collect a batch of examples, laid out as the first layer wants them."""
    n, batch = x.shape[1], len(rows)
    if chain.layers[0].kind == COLUMNS:
        take_rows(address(x), rows, n, address(aside), n)
        turn(address(aside), batch, n, address(inputs), batch)
    else:
        take_rows(address(x), rows, n, address(inputs), n)


@loop
def forward(  # type: ignore[no-untyped-def]
    chain, parameters, statistics, inputs, batch, work, aside, seed, first, company
):
    """Compute every layer for a batch; the output layer's sums z are returned.

    Parameters
    ----------
    chain : Chain
        The network.
    parameters : numpy.ndarray
        Its parameters.
    statistics : numpy.ndarray or None
        Its statistics, which follow the batch while learning; None where it is of rows alone, and
        what only pictures and normalization need is then not even compiled.
    inputs : numpy.ndarray
        The batch as `gather` laid it out.
    batch : int
        Its examples.
    work : numpy.ndarray
        The working row, where activations and slopes stay for `backward`.
    aside : numpy.ndarray
        Room that one layer at a time works in: columns, or the lines of pictures.
    seed, first : numpy.uint32, int
        Seed of the dropout, and the number of the first example in the whole batch.
    company : Company
        Which cores divide the batch; values are dropped where they learn.
    """
    is_learning = company.n_examples > 0
    a = inputs[: batch * chain.layers[0].n_in].reshape(batch, chain.layers[0].n_in)
    for k in range(len(chain.layers)):
        layer, x = chain.layers[k], a
        a = values_of(work, layer.a, batch, layer.n_out)
        slope = values_of(work, layer.slope, batch, layer.n_out)
        if layer.kind == DENSE:
            is_output = k == len(chain.layers) - 1
            forward_dense(layer, parameters, x, a if is_output else slope, aside)
            if not is_output:
                activate(layer.activation, slope.reshape(-1), a.reshape(-1))
        elif layer.kind == COLUMNS:
            columns = inputs[: batch * layer.n_in].reshape(layer.n_in, batch)
            shown = aside[: layer.n_out * batch].reshape(layer.n_out, batch)
            waves = _waves_of(layer, work, batch)
            forward_columns(
                layer, chain.one_hot, chain.embedded, parameters, columns, waves, shown, a
            )
        elif layer.kind == GAIN:
            forward_gain(x, parameters[layer.weight : layer.weight + layer.n_in], a)
        elif layer.kind == ACTIVATION:
            copy(x.reshape(-1), slope.reshape(-1))
            activate(layer.activation, slope.reshape(-1), a.reshape(-1))
        elif statistics is not None:
            source = _source(layer, inputs, work, batch)
            _forward_of_pictures(layer, parameters, statistics, source, x, slope, a, aside, company)
        if is_learning and layer.keep < 1.0:
            drop(layer.keep, np.uint32(seed + np.uint32(k)), a, slope, 0, layer.n_out, first)
    return a


@loop
def _forward_of_pictures(  # type: ignore[no-untyped-def]
    layer, parameters, statistics, source, x, slope, a, aside, company
):
    if layer.kind == CONVOLUTION:
        forward_convolution(layer, parameters, x, slope, aside)
        activate(layer.activation, slope.reshape(-1), a.reshape(-1))
    elif layer.kind == POOL:
        forward_pool(layer, x, a)
    elif layer.kind == NORM:
        forward_norm(layer, parameters, statistics, x, slope, a, company)
    elif layer.kind == JOIN:
        forward_join(layer, parameters, source, x, a)


@loop
def drop(keep, seed, a, slope, begin, end, first):  # type: ignore[no-untyped-def]
    """Keep each value from column `begin` to `end` with a probability, and divide it by that.

    Its slope as well, by which the error is multiplied on the way back. The first example has the
    number `first` in its batch; so a part of one keeps what the whole does.
    """
    border = np.uint32(min(keep * 4294967296.0, 4294967295.0))
    kept, n = np.float32(1.0 / keep), a.shape[1]
    for r in range(len(a)):
        for i in range(begin, end):
            factor = kept if random_bits(seed, np.uint32((first + r) * n + i)) < border else ZERO
            a[r, i] *= factor
            slope[r, i] *= factor


@loop
def backward_layer(  # type: ignore[no-untyped-def]
    chain, k, parameters, statistics, inputs, batch, work, aside, error, back, gradient, company
):
    """Pass node errors back through one layer, and work out its gradient.

    Parameters
    ----------
    chain, parameters, statistics, inputs, batch, work, aside
        As for `forward`.
    k : int
        Which layer.
    error : numpy.ndarray
        ∂E/∂a of the layer, of the output layer ∂E/∂z, shape (batch, n_out); overwritten with the
        node errors δ = ∂E/∂z.
    back : numpy.ndarray
        Room for ∂E/∂x, shape (batch, n_in).
    gradient : numpy.ndarray
        Gradient of all parameters, of which this layer's part is written.
    company : Company
        Which cores divide the batch.
    """
    layer = chain.layers[k]
    slope = values_of(work, layer.slope, batch, layer.n_out)
    if layer.kind == COLUMNS:
        columns = inputs[: batch * layer.n_in].reshape(layer.n_in, batch)
        turned = aside[: layer.n_out * batch].reshape(layer.n_out, batch)
        waves = _waves_of(layer, work, batch)
        backward_columns(layer, chain.embedded, parameters, columns, waves, error, turned, gradient)
        return
    if k > 0:
        x = values_of(work, chain.layers[k - 1].a, batch, layer.n_in)
    else:
        x = inputs[: batch * layer.n_in].reshape(batch, layer.n_in)
    if layer.kind == DENSE:
        is_output = k == len(chain.layers) - 1
        find_errors(layer, error, slope, is_output, gradient)
        backward_dense(layer, parameters, x, error, back, aside, gradient)
    elif layer.kind == GAIN:
        begin, end = layer.weight, layer.weight + layer.n_in
        backward_gain(x, parameters[begin:end], error, back, gradient[begin:end])
    elif layer.kind == ACTIVATION:
        _times(error, slope, back)
    elif statistics is not None and (k > 0 or chain.layers[1].for_norm == 0):
        source, a = (
            _source(layer, inputs, work, batch),
            values_of(work, layer.a, batch, layer.n_out),
        )
        if layer.for_norm > 0:  # whose slopes are the normalized inputs
            x = values_of(work, chain.layers[k - 1].slope, batch, layer.n_in)
        _backward_of_pictures(
            layer, parameters, statistics, source, x, a, slope, error, back, aside, gradient,
            company,
        )  # fmt: skip
        if layer.for_norm > 0:
            divide_gradient(layer, chain.layers[k - 1], parameters, error, aside, gradient)


@loop
def add_shortcut(chain, k, parameters, statistics, batch, work, aside, back):  # type: ignore[no-untyped-def]
    """Add to ∂E/∂x of a layer that begins a block what came by the block's shortcut."""
    if statistics is not None and chain.layers[k].join > 0:
        join = chain.layers[chain.layers[k].join]
        kept = values_of(work, join.slope, batch, join.n_out)
        backward_shortcut(join, parameters, kept, aside, back)


@loop
def _backward_of_pictures(  # type: ignore[no-untyped-def]
    layer, parameters, statistics, source, x, a, slope, error, back, aside, gradient, company
):
    if layer.kind == CONVOLUTION:
        backward_convolution(layer, parameters, x, error, slope, back, aside, gradient)
    elif layer.kind == POOL:
        backward_pool(layer, x, a, error, back)
    elif layer.kind == NORM:
        backward_norm(layer, parameters, statistics, slope, error, back, gradient, company)
    elif layer.kind == JOIN:
        backward_join(layer, source, error, slope, back, gradient)


@loop
def _times(left, right, product):  # type: ignore[no-untyped-def]
    for r in range(len(left)):
        for i in range(left.shape[1]):
            product[r, i] = left[r, i] * right[r, i]


@loop
def room_aside(layers, statistics, widest, batch):  # type: ignore[no-untyped-def]
    """Return how many numbers the layers need aside, one at a time and at most, for a batch."""
    most = batch * widest
    for k in range(len(layers)):
        if layers[k].kind == DENSE:
            most = max(most, room_for_dense(layers[k], batch))
        elif statistics is not None:
            if layers[k].kind == CONVOLUTION:
                most = max(most, room_for_convolution(layers[k]))
            elif layers[k].kind == JOIN:
                most = max(most, layers[k].n_source * batch)
    return most


@loop
def combine(chain, parameters, statistics, x, at_once, z):  # type: ignore[no-untyped-def]
    """Write the sums z of the output layer for all examples, so many at once, as when trained."""
    before, company = flush(), at_rest()
    width = max(chain.widest, x.shape[1])
    work = room(at_once * chain.places)
    inputs = room(at_once * width)
    aside = room(room_aside(chain.layers, statistics, width, at_once))
    rows = np.empty(at_once, np.int32)
    for begin in range(0, len(x), at_once):
        end = min(begin + at_once, len(x))
        batch = end - begin
        for place in range(batch):
            rows[place] = begin + place
        gather(chain, x, rows[:batch], inputs, aside)
        seed = np.uint32(0)
        found = forward(chain, parameters, statistics, inputs, batch, work, aside, seed, 0, company)
        copy(found.reshape(-1), z[begin:end].reshape(-1))
    restore(before)
