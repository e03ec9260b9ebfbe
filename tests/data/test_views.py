"""Views of a number: against NumPy and scikit-learn, and finite whatever comes in."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import norm, rankdata
from sklearn.preprocessing import QuantileTransformer
from sklearn.tree import DecisionTreeClassifier

from fathom.data.views import NumberViews, View

RNG = np.random.default_rng(0)
X = RNG.normal(3, 2, 3000)
HUGE = np.finfo(float).max
cells = st.lists(st.floats(allow_nan=True, allow_infinity=False), min_size=1, max_size=40)


def fit(x, y=None, is_classes=False):
    return NumberViews.fit(np.asarray(x, float), y, is_classes=is_classes, seed=0)


@settings(deadline=None, max_examples=150)
@given(cells, cells)
@example([-HUGE, HUGE], [np.nan, 0.0, 1e308])
@example([HUGE, HUGE, HUGE, 1.0], [-HUGE])
@example([1e-320, 2e-320, 5e-324], [1e-320, 1.0])
@example([0.0] * 30 + [1e300], [1e300, -1e300])
@example([np.nan], [np.nan, 7.0])
def test_whatever_comes_in_every_view_is_finite_and_rises(learned, shown):
    y = np.arange(len(learned)) * 1.0
    views = fit(learned, y)
    rows = np.sort(np.array([*shown, *learned]))  # NaN last
    present = rows[~np.isnan(rows)]
    for view in get_args(View):
        found = views.show(rows, view)
        assert np.isfinite(found).all()
        assert np.abs(found).max() <= 16
        rising = views.show(present, view)
        assert (np.diff(rising) >= -1e-9).all()


def test_robust_is_the_equation():
    low, middle, high = np.quantile(X, (0.25, 0.5, 0.75))
    z = (X - middle) / (high - low)
    expected = z / np.sqrt(1 + (z / 3) ** 2)
    np.testing.assert_allclose(fit(X).show(X, "robust"), expected, rtol=1e-12)


def test_robust_takes_half_the_range_where_the_quartiles_are_one():
    x = np.r_[np.zeros(90), np.arange(-4, 7)]
    z = x / 5
    np.testing.assert_allclose(fit(x).show(x, "robust"), z / np.sqrt(1 + (z / 3) ** 2))


def test_one_extreme_value_leaves_the_others_as_they_were():
    x = X.copy()
    x[0] = 1e300
    for view in ("robust", "quantile"):
        change = np.abs(fit(x).show(X[1:], view) - fit(X).show(X[1:], view))
        assert (change > 0.01).mean() < 0.011  # the last of 100 quantiles reaches up to it


def test_quantile_is_scikit_learns_to_a_normal_distribution():
    x = RNG.exponential(size=3000)
    theirs = QuantileTransformer(n_quantiles=1000, output_distribution="normal")
    expected = theirs.fit_transform(x[:, None])[:, 0]
    found = fit(x).show(x, "quantile")
    inner = np.abs(expected) < 2
    np.testing.assert_allclose(found[inner], expected[inner], atol=0.15)
    assert abs(found.mean()) < 0.05
    assert found.std() == pytest.approx(1, abs=0.05)
    assert np.abs(found).max() <= norm.isf(1e-7) + 1e-6


def test_a_value_that_is_many_quantiles_at_once_gets_their_middle():
    x = np.r_[np.zeros(500), RNG.random(500)]
    assert norm.cdf(fit(x).show(np.zeros(1), "quantile"))[0] == pytest.approx(0.25, abs=0.05)


def test_bins_hold_equal_shares_and_tell_how_far_through_them_a_value_is():
    views = fit(X)
    found = views.show(X, "bins")
    np.testing.assert_allclose(np.bincount(found[found < 16].astype(int)), 3000 / 16, atol=1.1)
    edges = np.quantile(X, np.linspace(0, 1, 17))
    np.testing.assert_allclose(views.show(edges, "bins"), np.arange(17), atol=1e-9)
    middles = (edges[1:] + edges[:-1]) / 2
    np.testing.assert_allclose(views.show(middles, "bins"), np.arange(16) + 0.5, atol=1e-9)


def test_tree_bins_are_the_leaves_of_scikit_learns_tree():
    y = ((X > 1) & (X < 4)).astype(int)
    views = fit(X, y, is_classes=True)
    tree = DecisionTreeClassifier(max_leaf_nodes=16, min_samples_leaf=15, random_state=0)
    leaves = tree.fit(X[:, None].astype(np.float32), y).apply(X[:, None])
    found = views.show(X, "tree_bins")
    assert len(np.unique(found)) == tree.get_n_leaves()
    for number in np.unique(found):
        assert len(np.unique(leaves[found == number])) == 1
    assert np.abs(views.thresholds - 1).min() < 0.02
    assert np.abs(views.thresholds - 4).min() < 0.02


def test_without_a_target_there_is_one_tree_bin():
    assert not fit(X).show(X, "tree_bins").any()


def test_a_missing_value_is_shown_as_the_median():
    x = X.copy()
    x[::3] = np.nan
    views = fit(x, RNG.random(3000))
    middle = np.array([np.nanmedian(x)])
    for view in get_args(View):
        assert views.show(np.array([np.nan]), view) == views.show(middle, view)


@pytest.mark.parametrize("x", [[4.0] * 9, [np.nan] * 9, [4.0, np.nan]])
def test_a_column_without_differences_says_nothing(x):
    views = fit(x, np.arange(len(x)) % 2, is_classes=True)
    for view in get_args(View):
        assert not views.show(np.array([*x, 4.0]), view).any()


def test_what_is_learned_depends_on_order_not_on_unit():
    y = (X > 2).astype(int)
    shown = fit(X, y, is_classes=True), fit(1e200 * X - 1e200, y, is_classes=True)
    for view in ("robust", "bins"):
        np.testing.assert_allclose(
            shown[0].show(X, view), shown[1].show(1e200 * X - 1e200, view), atol=1e-6
        )
    quantiles = [
        views.show(x, "quantile") for views, x in zip(shown, (X, 1e200 * X - 1e200), strict=True)
    ]
    np.testing.assert_allclose(rankdata(quantiles[0]), rankdata(quantiles[1]), atol=30)
