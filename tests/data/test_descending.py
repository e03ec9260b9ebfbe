"""Rows fall into the leaves that single steps lead to, whichever way they are taken."""

import pickle

import numpy as np
import pytest

from fathom.data import descending
from fathom.data.descending import ENDS, Trees
from fathom.data.trees import _boost, _grow_forest

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 5)).astype(np.float32)
X[:, 3] = RNG.integers(0, 4, 400)
NUMBERS = X[:, 0] * X[:, 1] + X[:, 3] + 0.1 * RNG.normal(size=400)
FOREST, _ = _grow_forest(X, NUMBERS, 0, 0, wanted=20)
BOOSTED = _boost(X, np.digitize(NUMBERS, [0.5, 2]), 3, 0, 10, 0.1)
ROWS = X[:60].copy()
ROWS[7, 2], ROWS[8], ROWS[9] = np.nan, np.inf, -np.inf  # what is unknown goes right


def by_single_steps(trees, rows):
    """Return the leaves, one row, one tree, one step at a time."""
    leaves = np.empty((len(rows), len(trees.roots)), int)
    for row, tree in np.ndindex(leaves.shape):
        node, after = -1, int(trees.roots[tree])
        while node != after:
            node = after
            is_left = rows[row, trees.feature[node]] <= trees.threshold[node]
            after = int((trees.left if is_left else trees.right)[node])
        leaves[row, tree] = node
    return leaves


def scattered(n_trees, n_splits, rng):
    """Return trees of other sizes, whose nodes lie in any order and whose thresholds repeat."""
    children, roots, inner = [], [], []
    for _ in range(n_trees):
        roots.append(len(children))
        children.append(None)
        ends = [roots[-1]]
        for _ in range(int(rng.integers(0, n_splits + 1))):
            node = ends.pop(int(rng.integers(len(ends))))
            children[node] = len(children), len(children) + 1
            ends += children[node]
            children += [None, None]
            inner.append(node)
    n = len(children)
    new = rng.permutation(n)
    left = right = np.arange(n)
    left, right = left.copy(), right.copy()
    for node in inner:
        left[new[node]], right[new[node]] = new[list(children[node])]
    choices = [-np.inf, np.inf, 1e300, -1e300, 1 + 2**-30, 1.0, 1 - 2**-30, 0.0, -0.0, 0.3, 0.1, -1]
    kinds = {"feature": np.int32, "left": np.int32, "right": np.int32, "roots": np.int32}
    given = {
        "feature": rng.integers(0, 3, n), "left": left, "right": right,
        "threshold": rng.choice(choices, n), "value": rng.normal(size=(n, 2)),
        "roots": new[roots], "base": np.zeros(2),
    }  # fmt: skip
    return Trees(**{k: np.asarray(v, kinds.get(k, np.float64)) for k, v in given.items()})


def edges(rng, n=80):
    values = [-np.inf, np.inf, np.nan, 1.0, np.nextafter(np.float32(1), np.float32(0)), 0.0, -0.0,
              0.3, 0.1, -1, 3e38, -3e38]  # fmt: skip
    return rng.choice(np.array(values, np.float32), (n, 3))


@pytest.mark.parametrize("least", [0, 10**9], ids=["tops", "roots"])
@pytest.mark.parametrize("pairs", [1, 100, 2**15])
@pytest.mark.parametrize("trees", [FOREST, BOOSTED], ids=["forest", "boosted"])
def test_rows_fall_into_the_leaves_that_single_steps_lead_to(monkeypatch, trees, pairs, least):
    for name, value in {"PAIRS": pairs, "NODES": pairs, "TOPS": 7, "MANY_ROWS": least}.items():
        monkeypatch.setattr(descending, name, value)
    trees = pickle.loads(pickle.dumps(trees))
    expected = by_single_steps(trees, ROWS)
    for begin, end in ((0, None), (3, 3), (3, 18)):
        trees.prepare(len(ROWS), begin, end)
        np.testing.assert_array_equal(trees.leaves(ROWS, begin, end), expected[:, begin:end])
    assert bool(trees._tops) == (least == 0)
    np.testing.assert_allclose(trees.predict(ROWS), trees.value[expected].sum(axis=1) + trees.base)
    assert trees.predict(ROWS[:0]).shape == (0, trees.value.shape[1])


def test_the_trees_are_larger_and_smaller_than_a_top():
    nodes = np.arange(len(FOREST.left))
    assert (FOREST.left == nodes).sum() > 2 * ENDS * len(FOREST.roots)
    FOREST.prepare(10**6)
    BOOSTED.prepare(10**6)
    assert [top.is_all for top in (*FOREST._tops.values(), *BOOSTED._tops.values())] == [0, 1]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("n_splits", [0, 3, ENDS - 1, ENDS, 200])
def test_any_trees_and_any_numbers(monkeypatch, n_splits, seed):
    monkeypatch.setattr(descending, "MANY_ROWS", 0)
    rng = np.random.default_rng(seed)
    trees, rows = scattered(9, n_splits, rng), edges(rng)
    trees.prepare(len(rows))
    assert trees._tops
    np.testing.assert_array_equal(trees.leaves(rows), by_single_steps(trees, rows))


def test_tops_are_made_for_many_rows_and_do_not_travel():
    trees = pickle.loads(pickle.dumps(FOREST))
    expected = trees.predict(ROWS)
    for _ in range(7):
        assert not trees._tops
        trees.predict(ROWS)
    many = np.tile(ROWS, (10, 1))
    np.testing.assert_array_equal(trees.predict(many), np.tile(expected, (10, 1)))
    assert list(trees._tops) == [(0, 20)]
    again = pickle.loads(pickle.dumps(trees))
    assert not again._tops
    np.testing.assert_array_equal(again.predict(ROWS), expected)
