"""Convolution over pictures that lie as (height, width, channels), row after row.

Of a row of pixels every neuron sees a piece, as wide as the kernel, and its neighbor the piece that
begins so many pixels further on. So a picture with its border of zeros *is* the matrix of what the
neurons see, one row for each, rows of it overlapping; `fathom.loops.tiles` multiplies such.
"""

from typing import NamedTuple

import numpy as np

from fathom.loops.compiling import loop
from fathom.loops.moving import fill, scale
from fathom.loops.numerics import ZERO
from fathom.loops.registers import address
from fathom.loops.tiles import Lay, multiply


class Room(NamedTuple):
    """Where a convolution works: parts of one row of numbers.

    Attributes
    ----------
    picture : numpy.ndarray
        One picture with the border that kernels see.
    errors : numpy.ndarray
        Node errors of one picture, as far apart as the stride, with a border of zeros.
    turned : numpy.ndarray
        The kernel turned by half, its inputs and outputs exchanged.
    zeros : numpy.ndarray
        What sums start from where there is no bias.
    """

    picture: np.ndarray
    errors: np.ndarray
    turned: np.ndarray
    zeros: np.ndarray


@loop
def _sizes(layer):  # type: ignore[no-untyped-def]
    """Return the height and width of a picture, and of its node errors, with their borders."""
    high, wide, stride = layer.kernel_height, layer.kernel_width, layer.stride
    return (
        (layer.height_out - 1) * stride + high,
        (layer.width_out - 1) * stride + wide,
        layer.height + high - 1,
        layer.width + wide - 1,
    )


@loop
def room_for_convolution(layer):  # type: ignore[no-untyped-def]
    """Return how many numbers a convolution needs aside, forward or backward."""
    height, width, high, wide = _sizes(layer)
    kernel = layer.kernel_height * layer.kernel_width * layer.channels * layer.channels_out
    widest = max(layer.channels, layer.channels_out)
    return height * width * layer.channels + high * wide * layer.channels_out + kernel + widest


@loop
def _divide(layer, aside):  # type: ignore[no-untyped-def]
    """Return the parts of the room, with zeros wherever borders are."""
    height, width, high, wide = _sizes(layer)
    picture = height * width * layer.channels
    errors = picture + high * wide * layer.channels_out
    turned = errors + layer.kernel_height * layer.kernel_width * layer.channels * layer.channels_out
    end = turned + max(layer.channels, layer.channels_out)
    fill(aside[:errors], ZERO)
    fill(aside[turned:end], ZERO)
    return Room(aside[:picture], aside[picture:errors], aside[errors:turned], aside[turned:end])


@loop
def _put_inside(layer, pixels, picture):  # type: ignore[no-untyped-def]
    """Write a picture within its border."""
    height, width, _, _ = _sizes(layer)
    channels = layer.channels
    n = min(layer.width, width - layer.left) * channels
    for row in range(min(layer.height, height - layer.top)):
        source = row * layer.width * channels
        place = ((row + layer.top) * width + layer.left) * channels
        for k in range(n):
            picture[place + k] = pixels[source + k]


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
    room, line = _divide(layer, aside), _sizes(layer)[1] * layer.channels
    n_out, seen = layer.channels_out, layer.kernel_width * layer.channels
    lay = Lay(
        layer.stride * layer.channels, line, 1, n_out, 0, n_out, seen, layer.kernel_height * seen
    )
    kernel = address(parameters[layer.weight :])
    start = address(parameters[layer.bias :]) if layer.bias >= 0 else address(room.zeros)
    for picture in range(len(x)):
        _put_inside(layer, x[picture], room.picture)
        sums = address(z[picture])
        for row in range(layer.height_out):
            pixels = address(room.picture[row * layer.stride * line :])
            to = sums + 4 * row * layer.width_out * n_out
            multiply(lay, pixels, kernel, start, to, layer.width_out, n_out)


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
        ∂E/∂a, overwritten with the node errors δ = ∂E/∂z = ∂E/∂a f′(z), and f′(z), both of shape
        (batch, n_out).
    back : numpy.ndarray
        Room for ∂E/∂x, shape (batch, n_in).
    aside : numpy.ndarray
        Room to work in.
    gradient : numpy.ndarray
        Gradient of all parameters, of which this layer's part is written.
    """
    scale(error.reshape(-1), slope.reshape(-1))
    fill(gradient[layer.begin : layer.end], ZERO)
    room = _divide(layer, aside)
    if layer.passes_back:
        _turn(layer, parameters, room.turned)
    for picture in range(len(x)):
        _put_inside(layer, x[picture], room.picture)
        _add_gradient(layer, room.picture, error[picture], gradient)
        if layer.passes_back:
            _pass_back(layer, room, error[picture], back[picture])


@loop
def _add_gradient(layer, picture, delta, gradient):  # type: ignore[no-untyped-def]
    """Add ∂E/∂K = Σ x δ over all neurons of one picture, and ∂E/∂b = Σ δ."""
    n_out, seen = layer.channels_out, layer.kernel_width * layer.channels
    line, places = _sizes(layer)[1] * layer.channels, layer.height_out * layer.width_out
    further = layer.stride * layer.channels
    lay = Lay(1, layer.stride * line, further, n_out, n_out, n_out, layer.width_out, places)
    for row in range(layer.kernel_height):
        kernel = address(gradient[layer.weight + row * seen * n_out :])
        pixels = address(picture[row * line :])
        multiply(lay, pixels, address(delta), kernel, kernel, seen, n_out)
    if layer.bias >= 0:
        of_bias = gradient[layer.bias : layer.bias + n_out]
        for place in range(places):
            for channel in range(n_out):
                of_bias[channel] += delta[place * n_out + channel]


@loop
def _turn(layer, parameters, turned):  # type: ignore[no-untyped-def]
    """Write K[i, j, in, out] as [height - 1 - i, width - 1 - j, out, in]."""
    n_in, n_out = layer.channels, layer.channels_out
    n_places = layer.kernel_height * layer.kernel_width
    for place in range(n_places):
        kernel = layer.weight + place * n_in * n_out
        first = (n_places - 1 - place) * n_in * n_out
        for channel in range(n_out):
            for k in range(n_in):
                turned[first + channel * n_in + k] = parameters[kernel + k * n_out + channel]


@loop
def _pass_back(layer, room, delta, back):  # type: ignore[no-untyped-def]
    """Work out ∂E/∂x of one picture: every pixel sees the errors of the neurons that saw it."""
    n_in, n_out, stride = layer.channels, layer.channels_out, layer.stride
    line, seen = _sizes(layer)[3] * n_out, layer.kernel_width * n_out
    top, left = layer.kernel_height - 1 - layer.top, layer.kernel_width - 1 - layer.left
    for row in range(layer.height_out):
        for column in range(layer.width_out):
            source = (row * layer.width_out + column) * n_out
            place = (row * stride + top) * line + (column * stride + left) * n_out
            for channel in range(n_out):
                room.errors[place + channel] = delta[source + channel]
    lay = Lay(n_out, line, 1, n_in, 0, n_in, seen, layer.kernel_height * seen)
    for row in range(layer.height):
        errors = address(room.errors[row * line :])
        to = address(back[row * layer.width * n_in :])
        kernel, zeros = address(room.turned), address(room.zeros)
        multiply(lay, errors, kernel, zeros, to, layer.width, n_in)
