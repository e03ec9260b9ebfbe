"""Convolution over pictures that lie as (height, width, channels), row after row.

A convolution is a few matrix products. Of some pictures at once, as many as stay near the core,
every row of pixels is laid out as the pieces that a kernel as wide as it is sees of it: a *line*.
The neurons of a picture's row see as many lines, one below the other, as the kernel is high; all
lines that meet the same row of the kernel are one block, which that row is multiplied by.

A kernel row that sees but a few numbers makes poor products: then a line holds all the rows the
kernel sees, and one product does it.
"""

from typing import NamedTuple

import numpy as np

from fathom.loops.compiling import loop
from fathom.loops.moving import fill
from fathom.loops.numerics import ZERO

NEAR = 131_072  # numbers in the lines of the pictures taken at once: the core's own memory
FEW = 32  # numbers a kernel row sees that make a poor product


class Lines(NamedTuple):
    """How the lines of some pictures lie.

    Attributes
    ----------
    n_bands : int
        Blocks of lines, one product each: as many as the kernel has rows, or one.
    rows : int
        Rows of pixels in a line.
    phases, per_phase : int
        Lines lie so that those the stride leads over come one after another: first 0, s, 2 s, ...,
        then 1, s + 1, ...; so many such turns, of so many lines.
    n_seen : int
        Numbers in one piece of a line.
    """

    n_bands: int
    rows: int
    phases: int
    per_phase: int
    n_seen: int


@loop
def _plan(layer):  # type: ignore[no-untyped-def]
    """Return how lines lie for a convolution."""
    wide, high = layer.kernel_width * layer.channels, layer.kernel_height
    if wide < FEW:
        return Lines(1, high, 1, layer.height_out, wide * high)
    phases = min(layer.stride, high)
    return Lines(high, 1, phases, layer.height_out + (high - 1) // layer.stride, wide)


@loop
def _room_for_lines(layer):  # type: ignore[no-untyped-def]
    """Return how many numbers the lines of one picture are."""
    lines = _plan(layer)
    return lines.phases * lines.per_phase * layer.width_out * lines.n_seen


@loop
def _n_at_once(layer, batch):  # type: ignore[no-untyped-def]
    """Return how many pictures are taken at once."""
    return min(batch, max(1, NEAR // _room_for_lines(layer)))


@loop
def room_for_convolution(layer, batch):  # type: ignore[no-untyped-def]
    """Return how many numbers a convolution needs aside for a batch, forward or backward."""
    at_once, n_seen = _n_at_once(layer, batch), _plan(layer).n_seen
    n_places = layer.height_out * layer.width_out
    of_lines, of_sums = _room_for_lines(layer), n_places * layer.channels_out
    back = at_once * (of_lines * 2 + of_sums + n_places * n_seen) + n_seen * layer.channels_out
    return max(at_once * (of_lines + 2 * of_sums), back)


@loop
def _take(aside, taken, size):  # type: ignore[no-untyped-def]
    """Return the next part of a room, and how much of it is taken then."""
    return aside[taken : taken + size], taken + size


@loop
def forward_convolution(layer, parameters, x, z, aside):  # type: ignore[no-untyped-def]
    """Form each neuron's weighted sum over the patch it sees: z[h, w] = Σ_ij Kᵀ x + b.

    Parameters
    ----------
    layer : record
        The convolution.
    parameters : numpy.ndarray
        All parameters of the network.
    x, z : numpy.ndarray
        Pictures in, shape (batch, n_in), and sums out, shape (batch, n_out).
    aside : numpy.ndarray
        Room to work in, of as many numbers as `room_for_convolution` says: it is kept from step to
        step, since memory that is new costs more than what is done in it.
    """
    lines, n_channels, at_once = _plan(layer), layer.channels_out, _n_at_once(layer, len(x))
    n_places = layer.height_out * layer.width_out
    room, taken = _take(aside, 0, at_once * _room_for_lines(layer))
    sums, taken = _take(aside, taken, at_once * n_places * n_channels)
    part, taken = _take(aside, taken, at_once * n_places * n_channels)
    for begin in range(0, len(x), at_once):
        n = min(at_once, len(x) - begin)
        shown = room[: n * _room_for_lines(layer)]
        _lay_out(layer, lines, x[begin : begin + n], shown)
        total = sums[: n * n_places * n_channels].reshape(n * n_places, n_channels)
        more = part[: n * n_places * n_channels].reshape(n * n_places, n_channels)
        for band in range(lines.n_bands):
            block, kernel = _block(layer, lines, band, n, shown), _rows_of(layer, lines, band)
            weight = parameters[kernel[0] : kernel[1]].reshape(lines.n_seen, n_channels)
            np.dot(block, weight, more if band else total)
            if band:
                _add(more.reshape(-1), total.reshape(-1))
        _to_pictures(layer, parameters, total, z[begin : begin + n])


@loop
def backward_convolution(  # type: ignore[no-untyped-def]
    layer, parameters, x, error, slope, back, aside, gradient
):
    """Work out ∂E/∂K and ∂E/∂b, and ∂E/∂x where a layer before has parameters.

    Parameters
    ----------
    layer, parameters, x
        As for `forward_convolution`.
    error, slope : numpy.ndarray
        ∂E/∂a and f′(z), shape (batch, n_out): their product is the node errors δ = ∂E/∂z.
    back : numpy.ndarray
        Room for ∂E/∂x, shape (batch, n_in).
    aside : numpy.ndarray
        Room to work in.
    gradient : numpy.ndarray
        Gradient of all parameters, of which this layer's part is written.
    """
    lines, n_channels, at_once = _plan(layer), layer.channels_out, _n_at_once(layer, len(x))
    n_places = layer.height_out * layer.width_out
    room, taken = _take(aside, 0, at_once * _room_for_lines(layer))
    errors, taken = _take(aside, taken, at_once * n_places * n_channels)
    downs, taken = _take(aside, taken, at_once * _room_for_lines(layer))
    piece, taken = _take(aside, taken, at_once * n_places * lines.n_seen)
    of_row, taken = _take(aside, taken, lines.n_seen * n_channels)
    more = of_row.reshape(lines.n_seen, n_channels)
    fill(gradient[layer.begin : layer.end], ZERO)
    for begin in range(0, len(x), at_once):
        n = min(at_once, len(x) - begin)
        shown = room[: n * _room_for_lines(layer)]
        _lay_out(layer, lines, x[begin : begin + n], shown)
        delta = errors[: n * n_places * n_channels].reshape(n * n_places, n_channels)
        _from_pictures(layer, error[begin : begin + n], slope[begin : begin + n], delta)
        if layer.bias >= 0:
            of_bias = gradient[layer.bias : layer.bias + n_channels]
            for r in range(len(delta)):
                for channel in range(n_channels):
                    of_bias[channel] += delta[r, channel]
        down = downs[: len(shown) if layer.passes_back else 0]
        fill(down, ZERO)
        for band in range(lines.n_bands):
            block, kernel = _block(layer, lines, band, n, shown), _rows_of(layer, lines, band)
            np.dot(block.T, delta, more)
            _add(more.reshape(-1), gradient[kernel[0] : kernel[1]])
            if layer.passes_back:
                weight = parameters[kernel[0] : kernel[1]].reshape(lines.n_seen, n_channels)
                seen = piece[: block.size].reshape(block.shape)
                np.dot(delta, weight.T, seen)
                _add(seen.reshape(-1), _block(layer, lines, band, n, down).reshape(-1))
        if layer.passes_back:
            _put_back(layer, lines, down, back[begin : begin + n])


@loop
def _rows_of(layer, lines, band):  # type: ignore[no-untyped-def]
    """Return from where to where the kernel rows lie that a block is multiplied by."""
    size = lines.n_seen * layer.channels_out
    return layer.weight + band * size, layer.weight + (band + 1) * size


@loop
def _block(layer, lines, band, n, shown):  # type: ignore[no-untyped-def]
    """Return the lines that meet one row of the kernel, a piece a row."""
    first = (band % layer.stride) * lines.per_phase + band // layer.stride
    pieces = n * layer.width_out
    size, begin = layer.height_out * pieces * lines.n_seen, first * pieces * lines.n_seen
    return shown[begin : begin + size].reshape(layer.height_out * pieces, lines.n_seen)


@loop
def _add(more, total):  # type: ignore[no-untyped-def]
    for i in range(len(total)):
        total[i] += more[i]


@loop
def _to_pictures(layer, parameters, total, z):  # type: ignore[no-untyped-def]
    """Bring sums from (row, picture) into (picture, row), and add the bias."""
    wide, n_channels = layer.width_out, layer.channels_out
    for row in range(layer.height_out):
        for picture in range(len(z)):
            sums, first = z[picture], (row * len(z) + picture) * wide
            for column in range(wide):
                place = (row * wide + column) * n_channels
                if layer.bias >= 0:
                    for k in range(n_channels):
                        sums[place + k] = total[first + column, k] + parameters[layer.bias + k]
                else:
                    for k in range(n_channels):
                        sums[place + k] = total[first + column, k]


@loop
def _from_pictures(layer, error, slope, delta):  # type: ignore[no-untyped-def]
    """Bring δ = ∂E/∂a f′(z) from (picture, row) into (row, picture)."""
    wide, n_channels = layer.width_out, layer.channels_out
    for row in range(layer.height_out):
        for picture in range(len(error)):
            down, steep, first = error[picture], slope[picture], (row * len(error) + picture) * wide
            for column in range(wide):
                place = (row * wide + column) * n_channels
                for k in range(n_channels):
                    delta[first + column, k] = down[place + k] * steep[place + k]


@loop
def _inside(layer, column):  # type: ignore[no-untyped-def]
    """Return where a piece begins in a row of pixels, and from where to where it is inside."""
    left = column * layer.stride - layer.left
    return left, max(0, -left), min(layer.kernel_width, layer.width - left)


@loop
def _lay_out(layer, lines, x, shown):  # type: ignore[no-untyped-def]
    """Write the lines of some pictures: (line, picture, piece); beyond the border is 0."""
    channels, line = layer.channels, layer.width * layer.channels
    wide, place = layer.kernel_width * channels, 0
    for number in range(lines.phases * lines.per_phase):
        phase, turn = divmod(number, lines.per_phase)
        top = turn * layer.stride + phase - layer.top
        for picture in range(len(x)):
            pixels = x[picture]
            for column in range(layer.width_out):
                left, low, high = _inside(layer, column)
                for row in range(top, top + lines.rows):
                    first, last = low * channels, high * channels
                    if row < 0 or row >= layer.height:
                        first = last = wide
                    source = row * line + left * channels
                    for k in range(first):
                        shown[place + k] = ZERO
                    for k in range(first, last):
                        shown[place + k] = pixels[source + k]
                    for k in range(last, wide):
                        shown[place + k] = ZERO
                    place += wide


@loop
def _put_back(layer, lines, down, back):  # type: ignore[no-untyped-def]
    """Add up at every pixel what the pieces it lies in say of it."""
    channels, line = layer.channels, layer.width * layer.channels
    wide, place = layer.kernel_width * channels, 0
    fill(back.reshape(-1), ZERO)
    for number in range(lines.phases * lines.per_phase):
        phase, turn = divmod(number, lines.per_phase)
        top = turn * layer.stride + phase - layer.top
        for picture in range(len(back)):
            pixels = back[picture]
            for column in range(layer.width_out):
                left, low, high = _inside(layer, column)
                for row in range(top, top + lines.rows):
                    if 0 <= row < layer.height:
                        source = row * line + left * channels
                        for k in range(low * channels, high * channels):
                            pixels[source + k] += down[place + k]
                    place += wide
