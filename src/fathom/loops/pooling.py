"""Pooling: of every square of a picture the maximum or the mean, channel by channel."""

import numpy as np

from fathom.loops.compiling import loop
from fathom.loops.moving import copy, fill
from fathom.loops.numerics import ZERO


@loop
def forward_pool(layer, x, a):  # type: ignore[no-untyped-def]
    """Take the maximum or the mean of each square, channel by channel.

    Parameters
    ----------
    layer : record
        The pool; its kernel is the square.
    x, a : numpy.ndarray
        Pictures in, shape (batch, n_in), and out, shape (batch, n_out).
    """
    channels, line = layer.channels, layer.width * layer.channels
    n, is_pairs = layer.width_out * channels, _is_of_pairs(layer)
    for picture in range(len(x)):
        pixels = x[picture]
        for row in range(layer.height_out):
            first, kept = row * layer.kernel_height * line, a[picture, row * n : (row + 1) * n]
            if is_pairs:
                upper, lower = _two_lines(pixels, first, line)
                _take_pairs(upper, lower, kept, layer.width_out, channels)
                continue
            for column in range(layer.width_out):
                place, corner = column * channels, first + column * layer.kernel_width * channels
                _take(layer, pixels, corner, kept[place : place + channels])


@loop
def _is_of_pairs(layer):  # type: ignore[no-untyped-def]
    """Tell whether the squares are of 2 × 2, and their maximum is taken: the usual pool."""
    return layer.is_max and layer.kernel_height == 2 and layer.kernel_width == 2


@loop
def _two_lines(pixels, first, line):  # type: ignore[no-untyped-def]
    """Return two lines of a picture, from the first number of the upper one on."""
    return pixels[first : first + line], pixels[first + line : first + 2 * line]


@loop
def _take_pairs(upper, lower, kept, n, channels):  # type: ignore[no-untyped-def]
    """Take the largest values of the squares of 2 × 2 in two lines of pixels."""
    for column in range(n):
        place, left = column * channels, 2 * column * channels
        right = left + channels
        for k in range(channels):
            high = max(upper[left + k], upper[right + k])
            kept[place + k] = max(high, max(lower[left + k], lower[right + k]))


@loop
def _take(layer, pixels, corner, kept):  # type: ignore[no-untyped-def]
    """Take what one square gives: its largest values, or their mean."""
    channels, line = layer.channels, layer.width * layer.channels
    copy(pixels[corner : corner + channels], kept)
    for place in range(1, layer.kernel_height * layer.kernel_width):
        i, j = divmod(place, layer.kernel_width)
        source = corner + i * line + j * channels
        if layer.is_max:
            for k in range(channels):
                kept[k] = max(kept[k], pixels[source + k])
        else:
            for k in range(channels):
                kept[k] += pixels[source + k]
    if not layer.is_max:
        share = np.float32(1.0 / (layer.kernel_height * layer.kernel_width))
        for k in range(channels):
            kept[k] *= share


@loop
def backward_pool(layer, x, a, error, back):  # type: ignore[no-untyped-def]
    """Pass errors back to the pixels that were the largest, in equal parts, or to all.

    Parameters
    ----------
    layer, x, a
        As `forward_pool` left them.
    error, back : numpy.ndarray
        ∂E/∂a, and room for ∂E/∂x.
    """
    channels, line = layer.channels, layer.width * layer.channels
    n, is_pairs = layer.width_out * channels, _is_of_pairs(layer)
    is_covered = 2 * layer.height_out == layer.height and 2 * layer.width_out == layer.width
    if not (is_pairs and is_covered):
        fill(back.reshape(-1), ZERO)
    for picture in range(len(x)):
        pixels, down = x[picture], back[picture]
        for row in range(layer.height_out):
            kept = a[picture, row * n : (row + 1) * n]
            errors = error[picture, row * n : (row + 1) * n]
            first = row * layer.kernel_height * line
            if is_pairs:
                ends = (*_two_lines(pixels, first, line), *_two_lines(down, first, line))
                _give_pairs(ends, kept, errors, layer.width_out, channels)
                continue
            for column in range(layer.width_out):
                place, corner = column * channels, first + column * layer.kernel_width * channels
                if layer.is_max:
                    _give_largest(layer, pixels, kept, errors, down, place, corner)
                else:
                    _give_all(layer, errors, down, place, corner)


@loop
def _give_pairs(ends, kept, errors, n, channels):  # type: ignore[no-untyped-def]
    """Pass the errors of squares of 2 × 2 in two lines to their largest pixels: four at once."""
    upper, lower, above, below = ends
    for column in range(n):
        place, left = column * channels, 2 * column * channels
        right = left + channels
        for k in range(channels):
            most = kept[place + k]
            is_1, is_2 = np.float32(upper[left + k] == most), np.float32(upper[right + k] == most)
            is_3, is_4 = np.float32(lower[left + k] == most), np.float32(lower[right + k] == most)
            part = errors[place + k] / (is_1 + is_2 + is_3 + is_4)
            above[left + k], above[right + k] = part * is_1, part * is_2
            below[left + k], below[right + k] = part * is_3, part * is_4


@loop
def _give_largest(layer, pixels, kept, errors, down, place, corner):  # type: ignore[no-untyped-def]
    """Pass the errors of a square to its largest pixels, in equal parts."""
    channels, line = layer.channels, layer.width * layer.channels
    for k in range(channels):
        count = ZERO
        for i in range(layer.kernel_height):
            for j in range(layer.kernel_width):
                pixel = pixels[corner + i * line + j * channels + k]
                count += np.float32(pixel == kept[place + k])
        for i in range(layer.kernel_height):
            for j in range(layer.kernel_width):
                source = corner + i * line + j * channels + k
                if pixels[source] == kept[place + k]:
                    down[source] = errors[place + k] / count


@loop
def _give_all(layer, errors, down, place, corner):  # type: ignore[no-untyped-def]
    """Pass the errors of a square to all its pixels, in equal parts."""
    channels, line = layer.channels, layer.width * layer.channels
    share = np.float32(1.0 / (layer.kernel_height * layer.kernel_width))
    for i in range(layer.kernel_height):
        for j in range(layer.kernel_width):
            for k in range(channels):
                down[corner + i * line + j * channels + k] = errors[place + k] * share
