"""The trees of a fold as few large tensors, and back.

For the forest, and for the boosted trees where there are any:

====== ===========================================================================================
roots  (trees,): first node of each tree
base   (outputs,): what every prediction begins with
nodes  (inner nodes, 5): number, column that is asked, node to the left, to the right, threshold
leaves (leaves, outputs): what each node that is not inner adds, in order
====== ===========================================================================================

Besides, ``shown`` (2, columns): center and scale of what they say; and, where there are columns of
codes, ``ranks`` (codes of all columns,): the place of every code in its column's order.
"""

import numpy as np

from fathom.data.descending import Trees
from fathom.data.features import Layout
from fathom.data.schema import Target
from fathom.data.trees import (
    LEAF_ROWS,
    LEAST_ROWS,
    MOST_BOOSTED_CLASSES,
    N_FOREST,
    N_ROUNDS,
    TREE_ROWS,
    Growth,
    TreeView,
    n_tree_columns,
)
from fathom.deployment.container import Tensors
from fathom.errors import ModelFileError

MOST_ROUNDS = max(N_ROUNDS.values())
MOST_STEPS = TREE_ROWS // LEAF_ROWS + 1  # down a tree, so that no file makes a prediction run long


def tree_tensors(view: TreeView, prefix: str) -> dict[str, np.ndarray]:
    """Return the arrays of a fold's trees by name.

    Parameters
    ----------
    view : TreeView
        The trees.
    prefix : str
        What every name begins with.
    """
    found = {f"{prefix}.shown": np.stack([view.center, view.scale])}
    if view.ranks:
        found[f"{prefix}.ranks"] = np.concatenate(view.ranks)
    for kind, trees in (("forest", view.forest), ("boosted", view.boosted)):
        if trees is None:
            continue
        number = np.arange(len(trees.feature))
        is_leaf = trees.left == number
        found[f"{prefix}.{kind}.roots"], found[f"{prefix}.{kind}.base"] = trees.roots, trees.base
        found[f"{prefix}.{kind}.leaves"] = trees.value[is_leaf]
        if not is_leaf.all():
            told = (number, trees.feature, trees.left, trees.right, trees.threshold)
            found[f"{prefix}.{kind}.nodes"] = np.column_stack(told)[~is_leaf]
    return {name: np.asarray(array, np.float64) for name, array in found.items()}


def count_tree_columns(target: Target) -> int:
    """Return how many columns trees add; 0 where they cannot predict the target."""
    if target.task == "labels":
        return 0
    return n_tree_columns(len(target.classes), target.n_outputs, LEAST_ROWS)


def restore_trees(
    target: Target, layout: Layout, tensors: Tensors, prefix: str, growth: Growth | None
) -> TreeView:
    """Make a fold's trees again, once they are sure to come to an end.

    Parameters
    ----------
    target : Target
        What is predicted.
    layout : Layout
        Columns of the matrix that trees look at.
    tensors : Tensors
        The tensors of the file.
    prefix : str
        What the names of these begin with.
    growth : Growth or None
        How far they were grown, where that is known.

    Raises
    ------
    ModelFileError
        If something is absent, of the wrong size, or no tree.
    """
    center, scale = tensors.take(f"{prefix}.shown", 2, count_tree_columns(target))
    if (scale <= 0).any():
        raise ModelFileError("scales above 0", got=f"a scale of 0 or less in {prefix}")
    ranks: tuple[np.ndarray, ...] = ()
    if layout.codes:
        together = tensors.take(f"{prefix}.ranks", sum(layout.codes))
        ranks = tuple(np.split(together, np.cumsum(layout.codes)[:-1]))
    n_classes, width = len(target.classes), layout.width
    forest = _restore(max(n_classes, 1), width, tensors, f"{prefix}.forest", N_FOREST)
    boosted = None
    if n_classes <= MOST_BOOSTED_CLASSES:
        n_outputs = 1 if n_classes in (0, 2) else n_classes
        most = MOST_ROUNDS * n_outputs
        boosted = _restore(n_outputs, width, tensors, f"{prefix}.boosted", most)
    return TreeView(forest, boosted, center, scale, ranks, growth)


def _restore(n_outputs: int, width: int, tensors: Tensors, prefix: str, most: int) -> Trees:
    base = tensors.take(f"{prefix}.base", n_outputs)
    leaves = tensors.take(f"{prefix}.leaves", None, n_outputs)
    nodes, told = f"{prefix}.nodes", np.zeros((0, 5))
    if nodes in tensors:
        told = tensors.take(nodes, None, 5)
    n = len(told) + len(leaves)
    links = _whole(told[:, :4], max(n, width), nodes)
    number, feature, left, right = links.T
    roots = _whole(tensors.take(f"{prefix}.roots", None), n, f"{prefix}.roots")
    if len(roots) > most:
        raise ModelFileError(f"at most {most:,} trees", got=f"{len(roots):,} in {prefix}")
    # What follows a node comes after it, so that every way down ends at a leaf.
    is_rising = (left > number).all() and (right > number).all() and (np.diff(number) > 0).all()
    is_once = np.array_equal(np.sort(np.concatenate([left, right, roots])), np.arange(n))
    if not is_rising or not is_once or feature.max(initial=0) >= width:
        raise ModelFileError("nodes that make trees", got=f"nodes that make none in {nodes}")
    is_leaf = np.ones(n, bool)
    is_leaf[number] = False
    value, threshold = np.zeros((n, n_outputs)), np.zeros(n)
    value[is_leaf], threshold[number] = leaves, told[:, 4]
    columns, ways = np.zeros(n, np.int32), np.tile(np.arange(n, dtype=np.int32), (2, 1))
    columns[number], ways[:, number] = feature, (left, right)
    _require_shallow(ways, roots, prefix)
    return Trees(columns, ways[0], ways[1], threshold, value, roots, base)


def _require_shallow(ways: np.ndarray, nodes: np.ndarray, prefix: str) -> None:
    """Refuse trees in which a row would take more steps than in any that is grown."""
    for _ in range(MOST_STEPS):
        nodes = nodes[ways[0, nodes] != nodes]  # those that are no leaves
        if not len(nodes):
            return
        nodes = ways[:, nodes].ravel()
    raise ModelFileError(f"trees of at most {MOST_STEPS:,} steps", got=f"deeper ones in {prefix}")


def _whole(array: np.ndarray, end: int, name: str) -> np.ndarray:
    """Return whole numbers from 0 to below an end as int32."""
    if (array < 0).any() or (array >= end).any() or (array % 1 != 0).any():
        raise ModelFileError(
            f"whole numbers from 0 to {end - 1:,}", got=f"another number in {name}"
        )
    return array.astype(np.int32)
