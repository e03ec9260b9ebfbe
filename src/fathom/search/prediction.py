"""Prediction: what a designed ensemble says of rows of a table."""

from collections.abc import Iterator

import numpy as np

from fathom.data.combinations import log_likelihoods
from fathom.data.features import join_trees
from fathom.data.parsing import ParsedTable
from fathom.data.trees import TreeView
from fathom.data.views import View
from fathom.nn.spread import over_rows
from fathom.search.design import Design, Member
from fathom.search.factors import centered, offsets_of
from fathom.search.material import decode
from fathom.training.calibration import sharpen

ROWS = 2**15  # at once, which bounds the memory of the matrices
A_WAY_DOWN = 300  # a tree takes as long as so many multiplications


def predict(design: Design, parsed: ParsedTable) -> np.ndarray:
    """Return probabilities of classes or labels, or numbers; of factors, log p(x | combination).

    Parameters
    ----------
    design : Design
        The ensemble.
    parsed : ParsedTable
        Rows of the same columns.

    Returns
    -------
    numpy.ndarray
        Float64, shape (rows, classes), (rows, outputs), or (rows, combinations).
    """
    n_outputs = design.members[0].architecture.n_outputs
    total = np.zeros((parsed.n_rows, n_outputs))
    for begin in range(0, parsed.n_rows, ROWS):
        rows = np.arange(begin, min(begin + ROWS, parsed.n_rows))
        part = parsed if len(rows) == parsed.n_rows else parsed.take(rows)
        total[rows] = _predict_part(design, part)
    if design.combined is not None:
        return log_likelihoods(total, 0.0, design.combined, design.target)
    if design.target.task == "classes":
        total = sharpen(total, design.sharpness)
        return total / total.sum(axis=1, keepdims=True)
    if design.target.task == "numbers":
        return np.clip(total, design.low, design.high)
    return total


def _predict_part(design: Design, parsed: ParsedTable) -> np.ndarray:
    total = np.zeros((parsed.n_rows, design.members[0].architecture.n_outputs))
    for member, shown in say_each(design, parsed):
        total += member.weight / len(member.folds) * shown
    return total


def say_each(design: Design, parsed: ParsedTable) -> Iterator[tuple[Member, np.ndarray]]:
    """Return what every network of an ensemble says by itself, member by member, fold by fold.

    Parameters
    ----------
    design : Design
        The ensemble.
    parsed : ParsedTable
        Rows of the same columns.

    Returns
    -------
    iterator of (Member, numpy.ndarray)
        Whose network it is, and what it says, as in `predict`, before probabilities are sharpened.
    """
    matrices: dict[tuple[int, View, bool], np.ndarray] = {}
    said: dict[int, np.ndarray] = {}
    for member in design.members:
        each = zip(member.folds, member.forwards, member.networks, strict=True)
        for fold, forward, network in each:
            key = (fold, member.genes.view, member.genes.has_trees)
            if key not in matrices:
                matrices[key] = to_matrix(design, parsed, *key, said)
            z = forward.combine(matrices[key])
            if design.combined is not None:
                yield member, centered(z) - offsets_of(network)
            else:
                yield member, decode(z, design.target, design.scales, member.genes.is_log_target)


def to_matrix(
    design: Design,
    parsed: ParsedTable,
    fold: int,
    view: View,
    has_trees: bool,
    said: dict[int, np.ndarray] | None = None,
) -> np.ndarray:
    """Return rows as the networks of a fold and view see them, float32, shape (rows, columns).

    What its trees say of these rows is taken from ``said``, and noted there, where that is given.
    """
    encoding = design.encodings[fold]
    matrix = encoding.encode(parsed, view)
    if not has_trees:
        return matrix
    said = {} if said is None else said
    if fold not in said:
        robust = matrix if view == "robust" else encoding.encode(parsed, "robust")
        said[fold] = show_trees(design.trees[fold], robust)
    return join_trees(matrix, encoding.layout, said[fold])


def show_trees(trees: TreeView, x: np.ndarray) -> np.ndarray:
    """Return what trees say of rows, worked out on several cores where that pays."""
    shown = np.empty((len(x), len(trees.center)))
    trees.prepare(len(x))  # before threads would all make the same

    def show(begin: int, end: int) -> bool:
        shown[begin:end] = trees.show(x[begin:end])
        return True

    over_rows(show, len(x), trees.n_trees, trees.n_trees * A_WAY_DOWN)
    return shown
