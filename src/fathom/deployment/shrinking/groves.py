"""Groves: forests that networks look at, with fewer trees, or with none."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.special import expit

from fathom.data.descending import Trees
from fathom.data.trees import TreeView
from fathom.deployment.shrinking.units import Model, is_designed, restored_design
from fathom.deployment.trees import tree_tensors


def count_trees(model: Model) -> int:
    """Return the most trees in the forest of any fold; 0 where no network looks at trees."""
    views = model.design_.trees if is_designed(model) else ()
    return max((len(view.forest.roots) for view in views), default=0)


def forest_bytes(model: Model) -> int:
    """Return the bytes of a model's file that forests take."""
    found = [
        tree_tensors(replace(view, boosted=None, ranks=()), "") for view in model.design_.trees
    ]
    return sum(array.nbytes for tensors in found for array in tensors.values())


def with_fewer_trees(model: Model, n: int) -> Model:
    """Return the model with the first n trees of each fold's forest, which count for all.

    A forest's prediction is the mean of its trees, each grown alike on rows drawn anew: that of
    the first few is the same in expectation, and noisier.
    """
    return _changed(model, lambda view: _first_trees(view.forest, n))


def without_forests(model: Model) -> Model:
    """Return the model with forests that say of every row what they said in the mean."""
    return _changed(model, _of_one_leaf)


def _changed(model: Model, grow: Callable[[TreeView], Trees]) -> Model:
    found = model.design_
    trees = tuple(replace(view, forest=grow(view)) for view in found.trees)
    return restored_design(model, replace(found, trees=trees))


def _first_trees(trees: Trees, n: int) -> Trees:
    roots = trees.roots[:n]
    is_kept = np.zeros(len(trees.feature), bool)
    nodes = roots
    while len(nodes):
        is_kept[nodes] = True
        inner = nodes[trees.left[nodes] != nodes]
        nodes = np.concatenate([trees.left[inner], trees.right[inner]])
    number = (np.cumsum(is_kept) - 1).astype(np.int32)
    return Trees(
        feature=trees.feature[is_kept], left=number[trees.left[is_kept]],
        right=number[trees.right[is_kept]], threshold=trees.threshold[is_kept],
        value=trees.value[is_kept] * (len(trees.roots) / len(roots)), roots=number[roots],
        base=trees.base,
    )  # fmt: skip


def _of_one_leaf(view: TreeView) -> Trees:
    """Return one tree of one leaf, which says what the forest said in the mean."""
    width = view.forest.value.shape[1]
    if width == 2:  # one column, the logarithm of the odds
        share = expit(view.center[0])
        value = np.array([1 - share, share])
    elif width > 2:
        value = np.exp(view.center[:width])
    else:
        value = view.center[:1]
    nothing = np.zeros(1, np.int32)
    return Trees(nothing, nothing, nothing, np.zeros(1), value[None], nothing, np.zeros(width))
