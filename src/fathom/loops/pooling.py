"""Pooling: of every square of a picture the maximum or the mean, channel by channel."""

import numpy as np

from fathom.loops.compiling import loop
from fathom.loops.moving import copy, fill
from fathom.loops.numerics import ONE, ZERO


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
    fill(back.reshape(-1), ZERO)
    shares = np.empty(channels, np.float32)
    fill(shares, np.float32(1.0 / (layer.kernel_height * layer.kernel_width)))
    for picture in range(len(x)):
        pixels, down = x[picture], back[picture]
        for row in range(layer.height_out):
            for column in range(layer.width_out):
                place = (row * layer.width_out + column) * channels
                corner = row * layer.kernel_height * line + column * layer.kernel_width * channels
                kept = a[picture, place : place + channels]
                errors = error[picture, place : place + channels]
                if layer.is_max:
                    _share_of_largest(layer, pixels, corner, kept, shares)
                for i in range(layer.kernel_height):
                    for j in range(layer.kernel_width):
                        source = corner + i * line + j * channels
                        for k in range(channels):
                            is_taken = not layer.is_max or pixels[source + k] == kept[k]
                            down[source + k] = errors[k] * shares[k] if is_taken else ZERO


@loop
def _share_of_largest(layer, pixels, corner, kept, shares):  # type: ignore[no-untyped-def]
    """Write 1 over the number of pixels of a square that are as large as its largest."""
    channels, line = layer.channels, layer.width * layer.channels
    fill(shares, ZERO)
    for i in range(layer.kernel_height):
        for j in range(layer.kernel_width):
            source = corner + i * line + j * channels
            for k in range(channels):
                shares[k] += np.float32(pixels[source + k] == kept[k])
    for k in range(channels):
        shares[k] = ONE / shares[k]
