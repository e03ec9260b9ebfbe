"""Steps of wide dense networks: each layer's neurons are shared among cores.

Every core has neurons of its own in every layer: it forms their sums, and updates their weights.
After each layer all wait for each other, as each neuron looks at all those of the layer before.
The gradient of the weights is never whole: that of a few neurons is worked out, and Adam's step
taken with it, before it leaves the nearest memory; there weights and means would not fit.
"""

import numpy as np

from fathom.loops.activations import activate
from fathom.loops.chain import drop, gather, values_of
from fathom.loops.compiling import loop
from fathom.loops.denormals import flush, restore
from fathom.loops.dense import (
    PANEL,
    add_errors,
    add_inputs,
    pass_back,
    room_for_dense,
    splits,
    spread,
    zeros_of,
)
from fathom.loops.descent import compare_chosen, n_broken, pace_of, update_piece
from fathom.loops.halves import BLOCK, Side, multiply_split, room_for_side, split_side
from fathom.loops.layouts import lay_out
from fathom.loops.meeting import meet
from fathom.loops.moving import copy, scale, whole_lines
from fathom.loops.records import DENSE
from fathom.loops.registers import address
from fathom.loops.tiles import Ahead, Lay, multiply_ahead

FEW = 32  # neurons whose gradient is worked out at once, and stays near the core


@loop
def room_for_share(layers, batch):  # type: ignore[no-untyped-def]
    """Return how many numbers a share needs aside, one layer at a time and at most."""
    most = 0
    for k in range(len(layers)):
        if layers[k].kind == DENSE:
            n_in = layers[k].n_in
            descending = batch * (n_in + PANEL + FEW) + whole_lines(n_in) + FEW * n_in
            if splits(layers[k], batch):
                sides = room_for_side(n_in, batch) + room_for_side(FEW, batch)
                descending = BLOCK * BLOCK + sides + whole_lines(n_in) + FEW * n_in
            most = max(most, room_for_dense(layers[k], batch), descending, layers[k].n_out)
    return whole_lines(most)


@loop
def advance_share(  # type: ignore[no-untyped-def]
    share, n_shares, counter, chain, pieces, rules, origin, learner, room, known, rows, rates,
    seeds, n_before, sums,
):  # fmt: skip
    """Take one core's share of steps; all shares have to be taken at the same time.

    Parameters
    ----------
    share, n_shares : int
        Which share this is, from 0, and how many there are.
    counter : numpy.ndarray
        Where they meet, see `fathom.loops.meeting.meet`. Where that is called off, no further step
        is begun, and none of the weights means anything any more.
    chain, pieces, rules, origin, learner, room, known, rows, rates, seeds, n_before, sums
        As for `fathom.loops.descent.advance`, the same for all; with room aside for each, and none
        for a gradient.

    Returns
    -------
    int
        As of `fathom.loops.descent.advance`.
    """
    batch, n_features = rows.shape[1], known.x.shape[1]
    size, n_met = len(room.aside) // n_shares, 0
    aside = room.aside[share * size : (share + 1) * size]
    first, last = batch * share // n_shares, batch * (share + 1) // n_shares
    inputs = room.inputs[first * n_features : last * n_features]
    part = np.float32(1.0 / batch if rules.is_mean else 1.0)
    before, now = flush(), origin
    for step in range(len(rows)):
        gather(chain, known.x, rows[step][first:last], inputs, aside)
        n_met += n_shares
        if not meet(counter, n_met):
            break
        for k in range(len(chain.layers)):
            _forward(share, n_shares, chain, k, now.parameters, room, batch, aside, seeds[step])
            n_met += n_shares
            meet(counter, n_met)
        if share == 0:
            layer = chain.layers[len(chain.layers) - 1]
            z = values_of(room.work, layer.a, batch, layer.n_out)
            delta = values_of(room.work, layer.slope, batch, layer.n_out)
            compare_chosen(rules, z, known, rows[step], part, delta, sums)
        n_met += n_shares
        meet(counter, n_met)
        pace = pace_of(rules, rates[step], n_before + step + 1)
        for k in range(len(chain.layers) - 1, -1, -1):
            layer = chain.layers[k]
            if layer.passes_back:
                _backward(share, n_shares, chain, k, now.parameters, room, batch, aside)
            n_met += n_shares
            meet(counter, n_met)  # the weights have been used by all, and all errors are known
            if layer.kind == DENSE:
                _descend(
                    share, n_shares, chain, k, pieces, rules, now, learner, room, batch, aside,
                    pace,
                )  # fmt: skip
            if not layer.passes_back:
                break
        now, n_met = learner, n_met + n_shares
        meet(counter, n_met)
    restore(before)
    return n_broken(learner.parameters, share, n_shares)


@loop
def _own(n, share, n_shares):  # type: ignore[no-untyped-def]
    """Return the first of n neurons that are a share's, and the one after its last."""
    n_panels = (n + PANEL - 1) // PANEL
    return (
        min(n, n_panels * share // n_shares * PANEL),
        min(n, n_panels * (share + 1) // n_shares * PANEL),
    )


@loop
def _inputs(chain, k, room, batch):  # type: ignore[no-untyped-def]
    """Return what a layer takes."""
    n_in = chain.layers[k].n_in
    if k == 0:
        return room.inputs[: batch * n_in].reshape(batch, n_in)
    return values_of(room.work, chain.layers[k - 1].a, batch, n_in)


@loop
def _forward(share, n_shares, chain, k, parameters, room, batch, aside, seed):  # type: ignore[no-untyped-def]
    """Compute the activations and slopes of a layer's neurons that are a share's."""
    layer, x = chain.layers[k], _inputs(chain, k, room, batch)
    begin, end = _own(layer.n_out, share, n_shares)
    a = values_of(room.work, layer.a, batch, layer.n_out)
    slope = values_of(room.work, layer.slope, batch, layer.n_out)
    is_output = k == len(chain.layers) - 1
    if layer.kind == DENSE:
        add_inputs(layer, parameters, x, a if is_output else slope, begin, end, aside)
    else:
        for r in range(batch):
            copy(x[r][begin:end], slope[r][begin:end])
    if not is_output:
        for r in range(batch):
            activate(layer.activation, slope[r][begin:end], a[r][begin:end])
        if layer.keep < 1.0:
            drop(layer.keep, np.uint32(seed + np.uint32(k)), a, slope, begin, end, 0)


@loop
def _backward(share, n_shares, chain, k, parameters, room, batch, aside):  # type: ignore[no-untyped-def]
    """Write the errors of those neurons before a layer that are a share's over their slopes."""
    layer, before = chain.layers[k], chain.layers[k - 1]
    begin, end = _own(layer.n_in, share, n_shares)
    delta = values_of(room.work, layer.slope, batch, layer.n_out)
    slope = values_of(room.work, before.slope, batch, layer.n_in)
    back = delta
    if layer.kind == DENSE:
        back = room.back[: batch * layer.n_in].reshape(batch, layer.n_in)
        pass_back(layer, parameters, delta, back, begin, end, aside)
    for r in range(batch):
        scale(slope[r][begin:end], back[r][begin:end])


@loop
def _descend(  # type: ignore[no-untyped-def]
    share, n_shares, chain, k, pieces, rules, now, learner, room, batch, aside, pace
):
    """Take Adam's step with the weights and biases of a layer's neurons that are a share's."""
    layer, x = chain.layers[k], _inputs(chain, k, room, batch)
    delta = values_of(room.work, layer.slope, batch, layer.n_out)
    begin, end = _own(layer.n_out, share, n_shares)
    for p in range(len(pieces)):
        if pieces[p].begin == layer.bias:
            gradient = aside[: end - begin]
            add_errors(delta, begin, gradient)
            first = layer.bias + begin
            update_piece(pieces[p], rules, now, learner, gradient, first, pace)
        elif pieces[p].begin == layer.weight:
            if splits(layer, batch):
                _descend_split(
                    pieces[p], rules, now, learner, layer, x, delta, begin, end, aside, pace
                )
                continue
            n_in = layer.n_in
            inputs, aside = _part(aside, (n_in + PANEL - 1) // PANEL * PANEL * batch)
            errors, aside = _part(aside, FEW * batch)
            zeros, aside = zeros_of(aside, n_in)
            _lay_out(x, 0, n_in, PANEL, inputs)
            for j in range(begin, end, FEW):
                n = min(FEW, end - j)
                gradient = aside[: n * n_in]
                _lay_out(delta, j, n, FEW, errors)
                first = layer.weight + j * n_in
                needed = (
                    address(now.parameters[first:]), address(now.mean[first:]),
                    address(now.square[first:]),
                )  # fmt: skip
                _add_products(layer, inputs, errors, zeros, gradient, needed)
                update_piece(pieces[p], rules, now, learner, gradient, first, pace)


@loop
def _descend_split(piece, rules, now, learner, layer, x, delta, begin, end, aside, pace):  # type: ignore[no-untyped-def]
    """Take the step with weights, as `_descend` does, by halves."""
    batch, n_in = x.shape
    zeros, aside = zeros_of(aside, n_in)
    block, aside = _part(aside, BLOCK * BLOCK)
    inputs, aside = _part(aside, room_for_side(n_in, batch))
    errors, aside = _part(aside, room_for_side(FEW, batch))
    right = Side(address(x), n_in, False)
    split_side(right, n_in, batch, False, address(inputs), address(block))
    for j in range(begin, end, FEW):
        n = min(FEW, end - j)
        gradient, first = aside[: n * n_in], layer.weight + j * n_in
        left = Side(address(delta) + 4 * j, layer.n_out, False)
        split_side(left, n, batch, True, address(errors), address(block))
        multiply_split(
            address(errors), address(inputs), address(zeros), 0, address(gradient), n_in, n, n_in,
            batch, address(block),
        )  # fmt: skip
        update_piece(piece, rules, now, learner, gradient, first, pace)


@loop
def _part(room, n):  # type: ignore[no-untyped-def]
    """Return room for n numbers, and what is left."""
    return room[:n], room[n:]


@loop
def _lay_out(rows, begin, n, width, laid):  # type: ignore[no-untyped-def]
    """Write n columns as panels of some width, one after another: all products need them."""
    batch, n_columns = rows.shape
    start, result = address(rows) + 4 * begin, address(laid)
    for i in range(0, n, width):
        lay_out(start + 4 * i, n_columns, batch, min(width, n - i), result + 4 * i * batch, width)


@loop
def _add_products(layer, inputs, errors, zeros, total, needed):  # type: ignore[no-untyped-def]
    """Write δᵀ x of as many neurons as there is room for, of errors and inputs in panels.

    Meanwhile arrays as large as that, which are needed right after it, are fetched.
    """
    batch, n_in = len(errors) // FEW, layer.n_in
    lay = Lay(1, 0, FEW, PANEL, 0, n_in, batch, batch)
    n_rows, n_panels = len(total) // n_in, (n_in + PANEL - 1) // PANEL
    part = 4 * len(total) * len(needed) // n_panels  # bytes of one of them, with each panel
    step = spread(layer, part, n_rows, batch)
    for p in range(n_panels):
        i = p * PANEL
        right, found = address(inputs) + 4 * i * batch, address(total) + 4 * i
        next_part = Ahead(needed[p % len(needed)] + p // len(needed) * part, step, step * batch)
        multiply_ahead(
            lay, address(errors), right, address(zeros), found, n_rows, min(PANEL, n_in - i),
            next_part,
        )  # fmt: skip
