"""Products of a layer's weights and many rows, as BLAS multiplies them in least time."""

import sys

import numpy as np

BLOCK = 128  # rows of one product
MOST_IN_PLACE = 10**6  # multiplications of a product that OpenBLAS does where its factors lie


def rows_at_once(weight: np.ndarray) -> int:
    """Return how many rows to multiply weights by, shape (out, in), in one product at most.

    Notes
    -----
    Of a larger product BLAS lays out both factors anew, which for few neurons takes half as long
    as multiplying; for many it pays, so that there is no limit.
    """
    n_rows = MOST_IN_PLACE // weight.size
    return n_rows if n_rows >= BLOCK else sys.maxsize


def multiply_in_blocks(weight: np.ndarray, x: np.ndarray, out: np.ndarray) -> None:
    """Write W x, shape (out, rows), for x of shape (in, rows), block after block of rows.

    Parameters
    ----------
    weight, x, out : numpy.ndarray
        Float32, rows along memory in x and out.
    """
    whole = x.shape[1] - x.shape[1] % BLOCK
    np.matmul(weight, _in_blocks(x[:, :whole]), out=_in_blocks(out[:, :whole]))
    if whole < x.shape[1]:
        np.matmul(weight, x[:, whole:], out=out[:, whole:])


def _in_blocks(values: np.ndarray) -> np.ndarray:
    """Return a view of shape (blocks, features, rows of a block)."""
    return values.reshape(len(values), -1, BLOCK).swapaxes(0, 1)
