"""Predictions: what takes long is shared among cores, and comes out the same to the bit."""

import numpy as np
import pytest

from fathom.data.trees import Growth, TreeView
from fathom.search import prediction
from fathom.search.prediction import show_trees

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3000, 4)).astype(np.float32)
NUMBERS = X[:, 0] * X[:, 1] + RNG.normal(size=3000)


@pytest.mark.parametrize(("y", "n_classes"), [(NUMBERS, 0), (np.digitize(NUMBERS, [-1, 1]), 3)])
@pytest.mark.parametrize("cost", [1, 10**5])
def test_trees_say_the_same_whoever_walks_down_them(monkeypatch, y, n_classes, cost):
    trees, _ = TreeView.fit(X[:200], y[:200], n_classes, seed=0, growth=Growth(40, 3, 20))
    expected, parts, show = trees.show(X), [], TreeView.show
    monkeypatch.setattr(prediction, "A_WAY_DOWN", cost)
    monkeypatch.setattr(TreeView, "show", lambda self, x: parts.append(len(x)) or show(self, x))
    np.testing.assert_array_equal(show_trees(trees, X), expected)
    assert sum(parts) == len(X)
    assert len(parts) > 1 or cost == 1
    assert show_trees(trees, X[:0]).shape == (0, expected.shape[1])
    np.testing.assert_array_equal(show_trees(trees, X[5:6]), expected[5:6])
