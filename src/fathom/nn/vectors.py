"""Vectors: all numbers of a network in one row, and a network of them again."""

import jax
import jax.numpy as jnp
import numpy as np

from fathom.nn.architecture import Architecture
from fathom.nn.network import Network, draw


def outline(architecture: Architecture) -> Network:
    """Return a network of shapes without any values."""
    return jax.eval_shape(lambda key: draw(architecture, key), jax.random.key(0))


def to_vector(network: Network) -> np.ndarray:
    """Return all numbers of a network, float32, in the order of its layers."""
    leaves = [np.asarray(leaf, np.float32).ravel() for leaf in jax.tree.leaves(network)]
    return np.concatenate(leaves)


def count_numbers(shapes: Network) -> int:
    """Return how many numbers a network has, given its outline."""
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))


def from_vector(shapes: Network, vector: np.ndarray) -> Network:
    """Return the network of an outline that has these numbers."""
    leaves, structure = jax.tree.flatten(shapes)
    ends = np.cumsum([leaf.size for leaf in leaves])
    parts = np.split(vector, ends[:-1])
    shaped = [
        jnp.asarray(part.reshape(leaf.shape)) for part, leaf in zip(parts, leaves, strict=True)
    ]
    return jax.tree.unflatten(structure, shaped)
