"""Decision trees as ONNX, and what they say of a row."""

import numpy as np
from onnx import numpy_helper

from fathom.data.descending import Trees
from fathom.data.trees import LEAST_SHARE, TreeView
from fathom.deployment.onnx.graph import DOUBLE, FLOAT, INTEGER, ML, Term


def show_trees(view: TreeView, numbers: Term | None, codes: Term | None) -> Term:
    """Return what a fold's trees say of encoded rows, as `TreeView.show` does.

    Parameters
    ----------
    view : TreeView
        The trees.
    numbers : Term or None
        The columns before the codes in the robust view, float32.
    codes : Term or None
        The codes of categories, float32.

    Returns
    -------
    Term
        Float32, shape (rows, columns).
    """
    first = numbers if numbers is not None else codes
    assert first is not None
    graph, parts = first.graph, [] if numbers is None else [numbers]
    if codes is not None:
        parts.append(_ranked(codes, view.ranks))
    x = graph.join(parts).to(DOUBLE)  # so that it is compared with thresholds as they are
    found = [_as_shown(view.forest, _predict(view.forest, x))]
    if view.boosted is not None:
        found.append(_predict(view.boosted, x))
    return ((graph.join(found) - view.center) / view.scale).to(FLOAT)


def _ranked(codes: Term, ranks: tuple[np.ndarray, ...]) -> Term:
    sizes = [len(rank) for rank in ranks]
    offsets = np.cumsum([0, *sizes[:-1]])
    table = codes.graph.constant(np.concatenate(ranks).astype(np.float32))
    return codes.graph.add("Gather", table, codes.to(INTEGER) + offsets, dtype=FLOAT)


def _as_shown(forest: Trees, shares: Term) -> Term:
    n_classes = forest.value.shape[1]
    if n_classes == 1:
        return shares
    graph = shares.graph
    logs = graph.add("Log", graph.add("Max", shares, LEAST_SHARE))
    return logs.pick([1]) - logs.pick([0]) if n_classes == 2 else logs


def _predict(trees: Trees, x: Term) -> Term:
    """Return base plus the values of the leaves each row falls into, float64."""
    graph = x.graph
    found = graph.add(
        "TreeEnsembleRegressor", x, dtype=FLOAT, domain=ML, **_attributes(trees)
    ).to(DOUBLE)  # fmt: skip
    return found + trees.base


def _attributes(trees: Trees) -> dict[str, object]:
    tree = _tree_of_nodes(trees)
    order = np.argsort(tree, kind="stable")  # the nodes of one tree after those of another
    tree = tree[order]
    firsts = np.searchsorted(tree, np.arange(len(trees.roots)))
    number = np.empty(len(tree), np.int64)  # of a node within its tree
    number[order] = np.arange(len(tree)) - firsts[tree]
    is_leaf = trees.left == np.arange(len(trees.left))
    leaves = np.flatnonzero(is_leaf[order])
    values = trees.value[order[leaves]]
    counted = values != 0
    counted[~counted.any(axis=1), 0] = True  # a leaf that adds nothing says so
    rows, targets = np.nonzero(counted)
    modes = np.where(is_leaf[order], "LEAF", "BRANCH_LEQ").tolist()
    threshold = np.where(is_leaf, 0.0, trees.threshold)[order]
    return {
        "n_targets": values.shape[1],
        "nodes_treeids": tree.tolist(),
        "nodes_nodeids": number[order].tolist(),
        "nodes_featureids": trees.feature[order].tolist(),
        "nodes_modes": modes,
        "nodes_values_as_tensor": numpy_helper.from_array(threshold, "thresholds"),
        "nodes_truenodeids": np.where(is_leaf, 0, number[trees.left])[order].tolist(),
        "nodes_falsenodeids": np.where(is_leaf, 0, number[trees.right])[order].tolist(),
        "target_treeids": tree[leaves[rows]].tolist(),
        "target_nodeids": number[order][leaves[rows]].tolist(),
        "target_ids": targets.tolist(),
        "target_weights_as_tensor": numpy_helper.from_array(values[rows, targets], "weights"),
    }


def _tree_of_nodes(trees: Trees) -> np.ndarray:
    """Return which tree each node belongs to, found by walking down all of them at once."""
    found = np.zeros(len(trees.left), np.int64)
    nodes = trees.roots
    found[nodes] = np.arange(len(nodes))
    while len(nodes):
        inner = nodes[trees.left[nodes] != nodes]
        for after in (trees.left, trees.right):
            found[after[inner]] = found[inner]
        nodes = np.concatenate([trees.left[inner], trees.right[inner]])
    return found
