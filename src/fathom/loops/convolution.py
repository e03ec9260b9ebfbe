"""Convolution over pictures that lie as (height, width, channels), row after row.

Of a row of pixels every neuron sees a piece, as wide as the kernel, and its neighbor the piece that
begins so many pixels further on. So a picture with its border of zeros *is* the matrix of what the
neurons see, one row for each, rows of it overlapping; `fathom.loops.tiles` multiplies such. Where a
processor has a matrix unit and channels are many enough for it, `fathom.loops.patches` does.
"""

from typing import NamedTuple

import numpy as np

from fathom.loops.compiling import loop
from fathom.loops.halves import FEWEST
from fathom.loops.moving import add, copy, fill, scale, whole_lines
from fathom.loops.numerics import ZERO
from fathom.loops.patches import (
    AT_ONCE,
    Patches,
    add_patches,
    multiply_patches,
    room_for_patches,
    split_kernel,
)
from fathom.loops.registers import address
from fathom.loops.tiles import Lay, multiply

FEWEST_SEEN = 64  # numbers of a patch side by side for whose gradient a matrix unit pays


class Room(NamedTuple):
    """Where a convolution works: parts of one row of numbers.

    Attributes
    ----------
    pictures : numpy.ndarray
        As many as are worked through together, each with the border that kernels see.
    errors : numpy.ndarray
        Node errors of these pictures, as far apart as the stride, with a border of zeros.
    turned : numpy.ndarray
        The kernel turned by half, its inputs and outputs exchanged.
    zeros : numpy.ndarray
        What sums start from where there is no bias.
    places : numpy.ndarray
        Where patches begin, int32; none where no matrix unit works.
    beside : int
        Address of room for halves.
    """

    pictures: np.ndarray
    errors: np.ndarray
    turned: np.ndarray
    zeros: np.ndarray
    places: np.ndarray
    beside: int


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
def _at_once(layer):  # type: ignore[no-untyped-def]
    """Return how many pictures are worked through together."""
    return max(1, AT_ONCE // (layer.height_out * layer.width_out)) if layer.splits else 1


@loop
def _parts(layer):  # type: ignore[no-untyped-def]
    """Return how many numbers each part of the room has, in whole lines."""
    height, width, high, wide = _sizes(layer)
    kernel = layer.kernel_height * layer.kernel_width * layer.channels * layer.channels_out
    n, n_places, beside = _at_once(layer), 0, 0
    if layer.splits:
        n_places = n * max(layer.height_out * layer.width_out, layer.height * layer.width)
        n_pieces, n_pixels = layer.kernel_height, layer.kernel_width
        beside = max(
            room_for_patches(n_pixels * layer.channels, n_pieces, layer.channels_out),
            room_for_patches(n_pixels * layer.channels_out, n_pieces, layer.channels),
        )
    return (
        whole_lines(n * height * width * layer.channels),
        whole_lines(n * high * wide * layer.channels_out),
        whole_lines(kernel),
        whole_lines(max(layer.channels, layer.channels_out)),
        whole_lines(n_places),
        beside,
    )


@loop
def room_for_convolution(layer):  # type: ignore[no-untyped-def]
    """Return how many numbers a convolution needs aside, forward or backward."""
    pictures, errors, kernel, zeros, places, beside = _parts(layer)
    return pictures + errors + kernel + zeros + places + beside


@loop
def _divide(layer, aside):  # type: ignore[no-untyped-def]
    """Return the parts of the room, with zeros wherever borders are."""
    pictures, errors, kernel, zeros, places, _ = _parts(layer)
    turned = pictures + errors
    start = turned + kernel
    begin = start + zeros
    fill(aside[:turned], ZERO)
    fill(aside[start:begin], ZERO)
    return Room(
        aside[:pictures], aside[pictures:turned], aside[turned:start], aside[start:begin],
        aside[begin : begin + places].view(np.int32), address(aside[begin + places :]),
    )  # fmt: skip


@loop
def _write_places(n_pictures, size, n_rows, n_columns, line, step, places):  # type: ignore[no-untyped-def]
    """Write where the patch of each neuron of some pictures begins, and return as many places.

    Parameters
    ----------
    n_pictures, size : int
        How many pictures, and the numbers each of them takes.
    n_rows, n_columns : int
        The neurons of a picture.
    line, step : int
        Numbers from one row of patches to the next, and from one patch to the next.
    places : numpy.ndarray
        Room for them.
    """
    n = 0
    for picture in range(n_pictures):
        for row in range(n_rows):
            for column in range(n_columns):
                places[n] = picture * size + row * line + column * step
                n += 1
    return places[:n]


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
    kernel = address(parameters[layer.weight :])
    start = address(parameters[layer.bias :]) if layer.bias >= 0 else address(room.zeros)
    if layer.splits:
        split_kernel(kernel, seen, layer.kernel_height, n_out, room.beside)
        for first in range(0, len(x), _at_once(layer)):
            patches = _take_pictures(layer, x, first, room)
            multiply_patches(patches, start, address(z[first]), n_out, room.beside)
        return
    lay = Lay(
        layer.stride * layer.channels, line, 1, n_out, 0, n_out, seen, layer.kernel_height * seen
    )
    for picture in range(len(x)):
        _put_inside(layer, x[picture], room.pictures)
        sums = address(z[picture])
        for row in range(layer.height_out):
            pixels = address(room.pictures[row * layer.stride * line :])
            to = sums + 4 * row * layer.width_out * n_out
            multiply(lay, pixels, kernel, start, to, layer.width_out, n_out)


@loop
def _take_pictures(layer, x, first, room):  # type: ignore[no-untyped-def]
    """Write some pictures within their borders, and return what neurons see of them."""
    height, width, _, _ = _sizes(layer)
    channels, stride = layer.channels, layer.stride
    n, line, size = (
        min(_at_once(layer), len(x) - first),
        width * channels,
        height * width * channels,
    )
    for picture in range(n):
        _put_inside(layer, x[first + picture], room.pictures[picture * size :])
    places = _write_places(
        n, size, layer.height_out, layer.width_out, stride * line, stride * channels, room.places
    )
    seen = layer.kernel_width * channels
    return Patches(address(room.pictures), places, layer.kernel_height, line, seen)


@loop
def backward_convolution(  # type: ignore[no-untyped-def]
    layer, parameters, x, error, slope, back, aside, gradient
):
    """Work out ∂E/∂K and ∂E/∂b, and ∂E/∂x where a layer before has parameters and needs it.

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
    if _passes_back(layer):
        _turn(layer, parameters, room.turned)
    if layer.splits:
        _backward_split(layer, x, error, back, room, gradient)
        return
    for picture in range(len(x)):
        _put_inside(layer, x[picture], room.pictures)
        _add_gradient(layer, room.pictures, error[picture], gradient)
        if _passes_back(layer):
            _pass_back(layer, room, error[picture], back[picture])


@loop
def _passes_back(layer):  # type: ignore[no-untyped-def]
    """Tell whether ∂E/∂x is asked for."""
    return layer.passes_back > 0 and layer.for_norm == 0


@loop
def _backward_split(layer, x, error, back, room, gradient):  # type: ignore[no-untyped-def]
    """Work out ∂E/∂K, ∂E/∂b and ∂E/∂x by a matrix unit, ∂E/∂x of few channels without it."""
    n_out, n_in, n_pieces = layer.channels_out, layer.channels, layer.kernel_height
    _, _, high, wide = _sizes(layer)
    seen, size = layer.kernel_width * n_out, high * wide * n_out
    is_split = _passes_back(layer) and n_in >= FEWEST
    adds_split = layer.kernel_width * n_in >= FEWEST_SEEN
    kernel = address(gradient[layer.weight :])
    for first in range(0, len(x), _at_once(layer)):
        if adds_split:
            patches = _take_pictures(layer, x, first, room)
            add_patches(patches, address(error[first]), n_out, kernel, room.beside)
    for picture in range(len(x)):
        if adds_split:
            _add_to_bias(layer, error[picture], gradient)
        else:
            _put_inside(layer, x[picture], room.pictures)
            _add_gradient(layer, room.pictures, error[picture], gradient)
        if _passes_back(layer) and not is_split:
            _pass_back(layer, room, error[picture], back[picture])
    if not is_split:
        return
    split_kernel(address(room.turned), seen, n_pieces, n_in, room.beside)
    for first in range(0, len(x), _at_once(layer)):
        n = min(_at_once(layer), len(x) - first)
        for picture in range(n):
            _put_errors(layer, error[first + picture], room.errors[picture * size :])
        places = _write_places(n, size, layer.height, layer.width, wide * n_out, n_out, room.places)
        patches = Patches(address(room.errors), places, n_pieces, wide * n_out, seen)
        multiply_patches(patches, address(room.zeros), address(back[first]), n_in, room.beside)


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
    _add_to_bias(layer, delta, gradient)


@loop
def _add_to_bias(layer, delta, gradient):  # type: ignore[no-untyped-def]
    """Add ∂E/∂b = Σ δ of one picture."""
    n_out, places = layer.channels_out, layer.height_out * layer.width_out
    if layer.bias >= 0:
        of_bias = gradient[layer.bias : layer.bias + n_out]
        for place in range(places):
            for channel in range(n_out):
                of_bias[channel] += delta[place * n_out + channel]


@loop
def divide_gradient(layer, norm, parameters, delta, aside, gradient):  # type: ignore[no-untyped-def]
    """Of the gradient for normalized inputs make that of the kernel, and that of the normalization.

    The inputs are y = γ x̂ + β within a picture, and 0 in its border. So with G = Σ x̂ δ, which
    `backward_convolution` found as if inputs were x̂, and D = Σ δ of the neurons for which a place
    of the kernel lies within the picture: ∂E/∂K = γ G + β D, ∂E/∂γ = Σ K G and ∂E/∂β = Σ K D.
    Errors need not be passed back to the inputs for that.

    Parameters
    ----------
    layer, norm : record
        The convolution, and the normalization of the inputs before it.
    parameters : numpy.ndarray
        All parameters of the network.
    delta : numpy.ndarray
        Node errors δ, shape (batch, n_out).
    aside : numpy.ndarray
        Room to work in.
    gradient : numpy.ndarray
        Gradient of all parameters; G stands where that of the kernel will.
    """
    n_in, n_out = layer.channels, layer.channels_out
    total, seen = aside[: layer.n_out], aside[layer.n_out : layer.n_out + n_out]
    copy(delta[0], total)
    for example in range(1, len(delta)):
        add(delta[example], total)
    fill(gradient[norm.begin : norm.end], ZERO)
    first = layer.weight
    for i in range(layer.kernel_height):
        for j in range(layer.kernel_width):
            _add_seen(layer, i, j, total, seen)
            for k in range(n_in):
                scale, shift = parameters[norm.scale + k], parameters[norm.offset + k]
                of_scale, of_shift = ZERO, ZERO
                for n in range(n_out):
                    found, weight = gradient[first + n], parameters[first + n]
                    of_scale += weight * found
                    of_shift += weight * seen[n]
                    gradient[first + n] = scale * found + shift * seen[n]
                gradient[norm.scale + k] += of_scale
                gradient[norm.offset + k] += of_shift
                first += n_out


@loop
def _add_seen(layer, i, j, total, seen):  # type: ignore[no-untyped-def]
    """Add up, by channels, errors of the neurons that see pixels by a place of the kernel."""
    n_out = layer.channels_out
    top, bottom = _within(layer.top - i, layer.stride, layer.height, layer.height_out)
    left, right = _within(layer.left - j, layer.stride, layer.width, layer.width_out)
    fill(seen, ZERO)
    for row in range(top, bottom):
        for column in range(left, right):
            place = (row * layer.width_out + column) * n_out
            for n in range(n_out):
                seen[n] += total[place + n]


@loop
def _within(before, stride, n, n_neurons):  # type: ignore[no-untyped-def]
    """Return from and to which neuron r the pixel r · stride - before is one of n."""
    return max(0, -(-before // stride)), min(n_neurons, (n - 1 + before) // stride + 1)


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
    n_in, n_out = layer.channels, layer.channels_out
    line, seen = _sizes(layer)[3] * n_out, layer.kernel_width * n_out
    _put_errors(layer, delta, room.errors)
    lay = Lay(n_out, line, 1, n_in, 0, n_in, seen, layer.kernel_height * seen)
    for row in range(layer.height):
        errors = address(room.errors[row * line :])
        to = address(back[row * layer.width * n_in :])
        kernel, zeros = address(room.turned), address(room.zeros)
        multiply(lay, errors, kernel, zeros, to, layer.width, n_in)


@loop
def _put_errors(layer, delta, errors):  # type: ignore[no-untyped-def]
    """Write node errors of a picture as far apart as the stride, within their border."""
    n_out, stride = layer.channels_out, layer.stride
    line = _sizes(layer)[3] * n_out
    top, left = layer.kernel_height - 1 - layer.top, layer.kernel_width - 1 - layer.left
    n_together = layer.width_out * n_out if stride == 1 else n_out
    for row in range(layer.height_out):
        source, place = row * layer.width_out * n_out, (row * stride + top) * line + left * n_out
        for k in range(0, layer.width_out * n_out, n_together):
            for number in range(n_together):
                errors[place + k * stride + number] = delta[source + k + number]
