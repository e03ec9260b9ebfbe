"""The weights of a network as tensors, and back.

In float32 a network of an ensemble is one row of numbers, layer after layer. In fewer bits it is,
for each network:

====== ===========================================================================================
values the weights between neurons in one row, layer after layer, int8 or float16
scales for int8: what the numbers of each output are multiplied by, layer after layer, float32
rest   biases, gains and statistics in one row of float32
====== ===========================================================================================
"""

from functools import lru_cache

import jax
import jax.numpy as jnp
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
from fathom.nn.architecture import Architecture
from fathom.nn.network import Network, draw

LARGEST_SCALE = 1e30  # far from where 127 times it is infinite in float32


@lru_cache(maxsize=64)  # tracing is most of what loading a small file takes, and members are alike
def outline_of(architecture: Architecture) -> Network:
    """Return a network of shapes without any values."""
    return jax.eval_shape(lambda key: draw(architecture, key), jax.random.key(0))


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
        leaves = [np.asarray(leaf, np.float32).ravel() for leaf in jax.tree.leaves(network)]
        return {prefix: np.concatenate(leaves)}
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
        size = sum(leaf.size for leaf in jax.tree.leaves(outline))
        return stored_sizes(outline, "float16")._replace(
            rest=tensors.take(prefix, size, dtype=np.float32)
        )
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
        leaves, structure = jax.tree.flatten(outline)
        ends = np.cumsum([leaf.size for leaf in leaves])
        parts = np.split(stored.rest, ends[:-1])
        shaped = [
            jnp.asarray(part.reshape(leaf.shape))
            for part, leaf in zip(parts, leaves, strict=True)
        ]  # fmt: skip
        return jax.tree.unflatten(structure, shaped)
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
