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
    for picture in range(len(x)):
        for row in range(layer.height_out):
            for column in range(layer.width_out):
                place = (row * layer.width_out + column) * channels
                corner = row * layer.kernel_height * line + column * layer.kernel_width * channels
                _take(layer, x[picture], corner, a[picture, place : place + channels])


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
    is_pairs = layer.is_max and layer.kernel_height == 2 and layer.kernel_width == 2
    fill(back.reshape(-1), ZERO)
    for picture in range(len(x)):
        pixels, kept, errors, down = x[picture], a[picture], error[picture], back[picture]
        for row in range(layer.height_out):
            for column in range(layer.width_out):
                place = (row * layer.width_out + column) * channels
                corner = row * layer.kernel_height * line + column * layer.kernel_width * channels
                if is_pairs:
                    _give_pairs(pixels, kept, errors, down, channels, line, place, corner)
                elif layer.is_max:
                    _give_largest(layer, pixels, kept, errors, down, place, corner)
                else:
                    _give_all(layer, errors, down, place, corner)


@loop
def _give_pairs(pixels, kept, errors, down, channels, line, place, corner):  # type: ignore[no-untyped-def]
    """Pass the errors of a square of 2 × 2 to its largest pixels: all four at once."""
    second, third = corner + channels, corner + line
    fourth = third + channels
    for k in range(channels):
        most = kept[place + k]
        is_1, is_2 = np.float32(pixels[corner + k] == most), np.float32(pixels[second + k] == most)
        is_3, is_4 = np.float32(pixels[third + k] == most), np.float32(pixels[fourth + k] == most)
        part = errors[place + k] / (is_1 + is_2 + is_3 + is_4)
        down[corner + k], down[second + k] = part * is_1, part * is_2
        down[third + k], down[fourth + k] = part * is_3, part * is_4


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
