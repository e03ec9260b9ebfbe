"""Prediction: what a designed ensemble says of rows of a table."""

import jax
import jax.numpy as jnp
import numpy as np

from fathom.data.features import join_trees
from fathom.data.parsing import ParsedTable
from fathom.data.views import View
from fathom.nn.network import Network
from fathom.search.design import Design
from fathom.search.material import decode
from fathom.training.calibration import sharpen

ROWS = 512  # of one call; fewer are filled up, so that nothing is recompiled and no row depends
# on its neighbours


@jax.jit
def _combine(network: Network, x: jax.Array) -> jax.Array:
    return network.combine(x)


def predict(design: Design, parsed: ParsedTable) -> np.ndarray:
    """Return probabilities of classes or labels, or numbers.

    Parameters
    ----------
    design : Design
        The ensemble.
    parsed : ParsedTable
        Rows of the same columns.

    Returns
    -------
    numpy.ndarray
        Float64, shape (rows, classes) or (rows, outputs).
    """
    n_outputs = design.members[0].architecture.n_outputs
    total = np.zeros((parsed.n_rows, n_outputs))
    for begin in range(0, parsed.n_rows, 64 * ROWS):  # bounds the memory of the matrices
        rows = np.arange(begin, min(begin + 64 * ROWS, parsed.n_rows))
        total[rows] = _predict_part(design, parsed.take(rows))
    if design.target.task == "classes":
        total = sharpen(total, design.sharpness)
        return total / total.sum(axis=1, keepdims=True)
    if design.target.task == "numbers":
        return np.clip(total, design.low, design.high)
    return total


def _predict_part(design: Design, parsed: ParsedTable) -> np.ndarray:
    matrices: dict[tuple[int, View, bool], np.ndarray] = {}
    total = np.zeros((parsed.n_rows, design.members[0].architecture.n_outputs))
    for member in design.members:
        for fold, network in zip(member.folds, member.networks, strict=True):
            key = (fold, member.genes.view, member.genes.has_trees)
            if key not in matrices:
                matrices[key] = to_matrix(design, parsed, *key)
            z = _outputs(network, matrices[key])
            shown = decode(z, design.target, design.scales, member.genes.is_log_target)
            total += member.weight / len(member.folds) * shown
    return total


def to_matrix(
    design: Design, parsed: ParsedTable, fold: int, view: View, has_trees: bool
) -> np.ndarray:
    """Return rows as the networks of a fold and view see them, float32, shape (rows, columns)."""
    encoding = design.encodings[fold]
    matrix = encoding.encode(parsed, view)
    if not has_trees:
        return matrix
    robust = matrix if view == "robust" else encoding.encode(parsed, "robust")
    return join_trees(matrix, encoding.layout, design.trees[fold].show(robust))


def _outputs(network: Network, x: np.ndarray) -> np.ndarray:
    parts = []
    for begin in range(0, len(x), ROWS):
        part = x[begin : begin + ROWS]
        padded = np.pad(part, [(0, ROWS - len(part)), (0, 0)])
        parts.append(np.asarray(_combine(network, jnp.asarray(padded)))[: len(part)])
    return np.concatenate(parts)
