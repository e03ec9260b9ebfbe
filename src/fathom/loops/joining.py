"""Blocks with a shortcut: y = S x + f(x), where S is the identity or a projection of channels.

The layers of f come one after another, then the join, which adds what the block took. Backward the
join keeps ∂E/∂y in its slopes until the errors have come through f; then the shortcut's are added.
"""

import numpy as np

from fathom.loops.compiling import loop
from fathom.loops.moving import add, copy


@loop
def _weight(layer, parameters):  # type: ignore[no-untyped-def]
    """Return S, shape (channels_out, channels)."""
    weight = parameters[layer.weight : layer.weight + layer.channels_out * layer.channels]
    return weight.reshape(layer.channels_out, layer.channels)


@loop
def forward_join(layer, parameters, source, x, y):  # type: ignore[no-untyped-def]
    """Add to f(x) what the block took.

    Parameters
    ----------
    layer : record
        The join.
    parameters : numpy.ndarray
        All parameters of the network.
    source, x, y : numpy.ndarray
        What the block took, f of it, and room for their sum, shapes (batch, n).
    """
    out, inner = y.reshape(-1), x.reshape(-1)
    if layer.weight < 0:
        taken = source.reshape(-1)
        for i in range(len(out)):
            out[i] = inner[i] + taken[i]
        return
    n_rows = len(out) // layer.channels_out
    taken = source.reshape(-1).reshape(n_rows, layer.channels)
    np.dot(taken, _weight(layer, parameters).T, out.reshape(n_rows, layer.channels_out))
    add(inner, out)


@loop
def backward_join(layer, source, error, kept, back, gradient):  # type: ignore[no-untyped-def]
    """Pass errors back into f, keep them for the shortcut, and work out ∂E/∂S.

    Parameters
    ----------
    layer, source
        As for `forward_join`.
    error, back : numpy.ndarray
        ∂E/∂y, and room for the same, which is what f's last layer gets.
    kept : numpy.ndarray
        Room where they stay for `backward_shortcut`.
    gradient : numpy.ndarray
        Gradient of all parameters, of which this layer's part is written.
    """
    copy(error.reshape(-1), kept.reshape(-1))
    copy(error.reshape(-1), back.reshape(-1))
    if layer.weight >= 0:
        n_rows = kept.size // layer.channels_out
        delta = kept.reshape(-1).reshape(n_rows, layer.channels_out)
        taken = source.reshape(-1).reshape(n_rows, layer.channels)
        np.dot(delta.T, taken, _weight(layer, gradient))


@loop
def backward_shortcut(layer, parameters, kept, aside, back):  # type: ignore[no-untyped-def]
    """Add to ∂E/∂x of a block's first layer what came by the shortcut.

    Parameters
    ----------
    layer, parameters
        As for `forward_join`.
    kept : numpy.ndarray
        ∂E/∂y as `backward_join` kept them.
    aside : numpy.ndarray
        Room to work in.
    back : numpy.ndarray
        ∂E/∂x, added to.
    """
    down = back.reshape(-1)
    if layer.weight < 0:
        add(kept.reshape(-1), down)
        return
    n_rows = kept.size // layer.channels_out
    delta = kept.reshape(-1).reshape(n_rows, layer.channels_out)
    by_shortcut = aside[: len(down)]
    room = by_shortcut.reshape(n_rows, layer.channels)
    np.dot(delta, _weight(layer, parameters), room)
    add(by_shortcut, down)
