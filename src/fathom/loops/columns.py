"""The columns of a table into a network, and the errors of its first neurons back.

A batch lies here column by column, so that one formula runs over all its rows at once: the inputs
as (columns, batch), what comes out as (features, batch), turned round at the end. Embedded codes
alone are taken row by row: an entry of their table is a row of numbers.
"""

import numpy as np

from fathom.loops.compiling import loop
from fathom.loops.layouts import add_to_rows, take_rows, turn
from fathom.loops.moving import copy, fill
from fathom.loops.numerics import HALF, ONE, ZERO, cosine, sine
from fathom.loops.records import AS_IS, PERIODIC, PIECEWISE, THERMOMETER
from fathom.loops.registers import address
from fathom.loops.tiles import Lay, multiply

_TURN = np.float32(6.283185307179586)
_PER_TURN = np.float32(1 / 6.283185307179586)


@loop
def forward_columns(layer, one_hot, embedded, parameters, x, waves, features, a):  # type: ignore[no-untyped-def]
    """Bring every column into the form the dense layers get.

    Parameters
    ----------
    layer : record
        The columns layer.
    one_hot, embedded : numpy.ndarray
        Its codes.
    parameters : numpy.ndarray
        All parameters of the network.
    x : numpy.ndarray
        Inputs, shape (columns, batch).
    waves : numpy.ndarray
        Room for the parts of the numbers before they are mixed, which the way back needs too; shape
        (numbers · parts, batch).
    features : numpy.ndarray
        Room for what comes out, shape (features, batch).
    a : numpy.ndarray
        The same turned round, shape (batch, features): what the next layer gets.
    """
    n, place = layer.n_numbers, 0
    if layer.form == AS_IS:
        place = _pass(x, 0, n, features, 0)
    elif layer.form == THERMOMETER:
        place = _thermometers(layer, x, features)
    else:
        place = _mixtures(layer, parameters, x, waves, features)
    place = _pass(x, n, layer.n_plain, features, place)
    codes = x[n + layer.n_plain :]
    for k in range(len(one_hot)):
        column, code = codes[one_hot[k].column], np.float32(one_hot[k].code)
        feature = features[place]
        for r in range(len(column)):
            feature[r] = ONE if column[r] == code else ZERO
        place += 1
    turn(address(features), place, features.shape[1], address(a), a.shape[1])
    rows, table = np.empty(features.shape[1], np.int32), address(parameters[layer.table :])
    for k in range(len(embedded)):
        _find_rows(codes[embedded[k].column], embedded[k].code, rows)
        units, found = layer.category_units, address(a) + 4 * place
        take_rows(table, rows, units, found, a.shape[1])
        place += units


@loop
def _find_rows(codes, first, rows):  # type: ignore[no-untyped-def]
    """Write which row of the table each code has."""
    for r in range(len(codes)):
        rows[r] = first + np.int32(codes[r])


@loop
def _pass(x, first, n, features, place):  # type: ignore[no-untyped-def]
    """Let n columns through as they are; return the next place."""
    for column in range(n):
        copy(x[first + column], features[place + column])
    return place + n


@loop
def _thermometers(layer, x, features):  # type: ignore[no-untyped-def]
    place = 0
    for number in range(layer.n_numbers):
        column = x[number]
        for step in range(1, layer.parts):
            feature, height = features[place], np.float32(step)
            for r in range(len(column)):
                feature[r] = ONE if column[r] >= height else ZERO
            place += 1
    return place


@loop
def _wave(layer, parameters, number, part, column, h):  # type: ignore[no-untyped-def]
    """Work out h_part of a number, before it is mixed."""
    if layer.form == PIECEWISE:
        begin = np.float32(part)
        for r in range(len(column)):
            h[r] = min(max(column[r] - begin, ZERO), ONE) - HALF
    else:
        place = number * layer.parts + part
        frequency = parameters[layer.frequency + place]
        phase = parameters[layer.phase + place] * _PER_TURN
        for r in range(len(column)):
            h[r] = cosine(column[r] * frequency + phase)


@loop
def _mixtures(layer, parameters, x, waves, features):  # type: ignore[no-untyped-def]
    """Mix for every number its parts h: W h + c, behind the numbers as they are if periodic."""
    batch, parts, units, place = x.shape[1], layer.parts, layer.units, 0
    if layer.form == PERIODIC:
        place = _pass(x, 0, layer.n_numbers, features, 0)
    lay = Lay(1, 0, units, batch, batch, batch, parts, parts)
    for number in range(layer.n_numbers):
        for unit in range(units):
            fill(features[place + unit], parameters[layer.shift + number * units + unit])
        h = waves[number * parts : (number + 1) * parts]
        for part in range(parts):
            _wave(layer, parameters, number, part, x[number], h[part])
        mix = address(parameters[layer.mix + number * parts * units :])
        mixed = address(features[place])
        multiply(lay, mix, address(h), mixed, mixed, units, batch)
        place += units
    return place


@loop
def backward_columns(layer, embedded, parameters, x, waves, error, turned, gradient):  # type: ignore[no-untyped-def]
    """Work out the gradient of the embeddings from the errors of the features.

    Parameters
    ----------
    layer : record
        The columns layer.
    embedded : numpy.ndarray
        Its embedded codes.
    parameters, gradient : numpy.ndarray
        All parameters of the network, and their gradient, of which this layer's part is written.
    x, waves : numpy.ndarray
        Inputs, and parts of numbers, as for `forward_columns`.
    error : numpy.ndarray
        ∂E/∂feature, shape (batch, features).
    turned : numpy.ndarray
        Room for the same turned round, shape (features, batch).
    """
    fill(gradient[layer.begin : layer.end], ZERO)
    batch, n_features = error.shape
    if layer.form in (PIECEWISE, PERIODIC):
        turn(address(error), batch, n_features, address(turned), batch)
        _backward_mixtures(layer, parameters, x, waves, turned, gradient)
    units = layer.category_units
    place = n_features - len(embedded) * units
    codes = x[layer.n_numbers + layer.n_plain :]
    rows, table = np.empty(batch, np.int32), address(gradient[layer.table :])
    for k in range(len(embedded)):
        _find_rows(codes[embedded[k].column], embedded[k].code, rows)
        add_to_rows(address(error) + 4 * place, n_features, rows, units, table)
        place += units


@loop
def _backward_mixtures(layer, parameters, x, waves, errors, gradient):  # type: ignore[no-untyped-def]
    batch, parts, units = x.shape[1], layer.parts, layer.units
    back, zeros = np.empty((parts, batch), np.float32), np.zeros(batch, np.float32)
    lay = Lay(units, 0, 1, batch, 0, batch, units, units)
    place = layer.n_numbers if layer.form == PERIODIC else 0
    for number in range(layer.n_numbers):
        h = waves[number * parts : (number + 1) * parts]
        mix = layer.mix + number * parts * units
        for unit in range(units):
            error = errors[place + unit]
            gradient[layer.shift + number * units + unit] = _sum(error)
            for part in range(parts):
                gradient[mix + part * units + unit] = _dot(error, h[part])
        if layer.form == PERIODIC:
            mixed = address(errors[place])
            multiply(
                lay, address(parameters[mix:]), mixed, address(zeros), address(back), parts, batch
            )
            for part in range(parts):
                _backward_wave(
                    layer, parameters, number * parts + part, x[number], back[part], gradient
                )
        place += units


@loop
def _sum(row):  # type: ignore[no-untyped-def]
    total = ZERO
    for r in range(len(row)):
        total += row[r]
    return total


@loop
def _dot(left, right):  # type: ignore[no-untyped-def]
    total = ZERO
    for r in range(len(left)):
        total += left[r] * right[r]
    return total


@loop
def _backward_wave(layer, parameters, place, column, back, gradient):  # type: ignore[no-untyped-def]
    """Pass errors back: h = cos(2π f x + φ), ∂h/∂φ = -sin(2π f x + φ), ∂h/∂f = 2π x ∂h/∂φ."""
    frequency = parameters[layer.frequency + place]
    phase = parameters[layer.phase + place] * _PER_TURN
    of_phase, of_frequency = ZERO, ZERO
    for r in range(len(column)):
        down = -back[r] * sine(column[r] * frequency + phase)
        of_phase += down
        of_frequency += down * column[r]
    gradient[layer.phase + place] = of_phase
    gradient[layer.frequency + place] = of_frequency * _TURN
