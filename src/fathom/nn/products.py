"""Products of a layer's weights and many rows, as BLAS multiplies them in least time."""

import sys
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import numpy as np

BLOCK = 128  # rows of one product
MOST_IN_PLACE = 10**6  # multiplications of a product that OpenBLAS does where its factors lie

Calls: TypeAlias = list[Callable[[], object]]
"""What is to be called, one after the other."""


def rows_at_once(weight: np.ndarray) -> int:
    """Return how many rows to multiply weights by, shape (out, in), in one product at most.

    Notes
    -----
    Of a larger product BLAS lays out both factors anew, which for few neurons takes half as long
    as multiplying; for many it pays, so that there is no limit.
    """
    n_rows = MOST_IN_PLACE // weight.size
    return n_rows if n_rows >= BLOCK else sys.maxsize


def plan_product(weight: np.ndarray, x: np.ndarray, out: np.ndarray) -> Calls:
    """Return what writes W x, shape (out, rows), for x of shape (in, rows).

    Parameters
    ----------
    weight, x, out : numpy.ndarray
        Float32, rows along memory in x and out.
    """
    n_rows = x.shape[1]
    if n_rows <= rows_at_once(weight):
        return [partial(np.dot, weight, x, out)]
    whole = n_rows - n_rows % BLOCK
    inside, blocks = _in_blocks(x[:, :whole]), _in_blocks(out[:, :whole])
    calls: Calls = [partial(np.matmul, weight, inside, out=blocks)]
    if whole < n_rows:
        calls.append(partial(np.matmul, weight, x[:, whole:], out=out[:, whole:]))
    return calls


def _in_blocks(values: np.ndarray) -> np.ndarray:
    """Return a view of shape (blocks, features, rows of a block)."""
    return values.reshape(len(values), -1, BLOCK).swapaxes(0, 1)
