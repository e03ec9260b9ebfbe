"""The weights of a network as tensors, and back.

In float32 a network of an ensemble is one row of numbers, layer after layer. In fewer bits it is,
for each network:

====== ===========================================================================================
values the weights between neurons in one row, layer after layer, int8 or float16
scales for int8: what the numbers of each output are multiplied by, layer after layer, float32
rest   biases, gains and statistics in one row of float32
====== ===========================================================================================
"""

import numpy as np

from fathom.compression.storage import (
    MOST,
    Storage,
    Stored,
    is_canonical,
    store,
    stored_sizes,
    unstore,
)
from fathom.deployment.container import Tensors
from fathom.errors import ModelFileError
from fathom.nn.network import Network
from fathom.nn.vectors import count_numbers, from_vector, to_vector

LARGEST_SCALE = 1e30  # far from where 127 times it is infinite in float32


def weight_tensors(network: Network, prefix: str, storage: Storage) -> dict[str, np.ndarray]:
    """Return the arrays of a network by name.

    Parameters
    ----------
    network : Network
        The network.
    prefix : str
        What every name begins with, or the only name.
    storage : {"float32", "float16", "int8"}
        How its weights are kept.
    """
    if storage == "float32":
        return {prefix: to_vector(network)}
    return _named(store(network, storage), prefix)


def weight_shapes(
    outline: Network, prefix: str, storage: Storage
) -> dict[str, tuple[tuple[int, ...], type]]:
    """Return shape and type of the arrays of a network in fewer bits, by name."""
    found = _named(stored_sizes(outline, storage), prefix)
    return {name: (array.shape, array.dtype.type) for name, array in found.items()}


def _named(stored: Stored, prefix: str) -> dict[str, np.ndarray]:
    """Return the arrays that hold anything by name."""
    return {f"{prefix}.{name}": array for name, array in stored._asdict().items() if len(array)}


def take_weights(tensors: Tensors, prefix: str, outline: Network, storage: Storage) -> Stored:
    """Take the arrays of a network from a file, once their sizes and types are right.

    Raises
    ------
    ModelFileError
        If one is absent or another than the outline needs.
    """
    if storage == "float32":
        rest = tensors.take(prefix, count_numbers(outline), dtype=np.float32)
        return stored_sizes(outline, "float16")._replace(rest=rest)
    empty = stored_sizes(outline, storage)
    return Stored(*(
        tensors.take(f"{prefix}.{name}", len(array), dtype=array.dtype.type)
        if len(array) else array
        for name, array in empty._asdict().items()
    ))  # fmt: skip


def fill(outline: Network, stored: Stored, storage: Storage) -> Network:
    """Make a network of arrays whose sizes are right, its weights float32.

    Raises
    ------
    ModelFileError
        If scales are none, or whole numbers are not what such a network is stored as.
    """
    if storage == "float32":
        return from_vector(outline, stored.rest)
    if storage == "int8":
        if not ((stored.scales > 0) & (stored.scales < LARGEST_SCALE)).all():
            raise ModelFileError("scales of weights above 0", got="a scale of 0 or less, or huge")
        if (stored.values < -MOST).any():
            raise ModelFileError(f"weights from -{MOST} to {MOST}", got="-128")
        if not is_canonical(stored, outline):
            raise ModelFileError(
                "weights that reach 127 of their scale in each output", got="weights that do not"
            )  # fmt: skip
    return unstore(outline, stored)
