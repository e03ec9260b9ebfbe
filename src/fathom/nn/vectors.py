"""Vectors: all numbers of a network in one row, and a network of them again."""

from functools import lru_cache

import numpy as np

from fathom.nn.architecture import Architecture
from fathom.nn.network import Network, draw
from fathom.nn.tree import leaves, rebuild


@lru_cache(maxsize=64)  # members of an ensemble are alike
def outline_of(architecture: Architecture) -> Network:
    """Return a network of shapes: its arrays take no memory, and their values mean nothing."""
    return draw(architecture, None)


def to_vector(network: Network) -> np.ndarray:
    """Return all numbers of a network, float32, in the order of its layers."""
    return np.concatenate([np.asarray(leaf, np.float32).ravel() for leaf in leaves(network)])


def count_numbers(shapes: Network) -> int:
    """Return how many numbers a network has, given its outline."""
    return sum(leaf.size for leaf in leaves(shapes))


def from_vector(shapes: Network, vector: np.ndarray) -> Network:
    """Return the network of an outline that has these numbers, as arrays of NumPy."""
    known = leaves(shapes)
    ends = np.cumsum([leaf.size for leaf in known])
    found = np.split(vector, ends[:-1])
    shaped = (part.reshape(leaf.shape) for part, leaf in zip(found, known, strict=True))
    network: Network = rebuild(shapes, shaped)
    return network
