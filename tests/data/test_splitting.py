"""Folds: what scikit-learn's splitters promise, and no row, group or moment on both sides."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import KFold, StratifiedKFold

from fathom.data.splitting import hold_out, make_folds
from fathom.errors import InputError

RNG = np.random.default_rng(0)


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.integers(0, 3), min_size=2, max_size=40),
    st.integers(1, 6),
    st.booleans(),
    st.booleans(),
    st.integers(0, 9),
)
def test_every_division_is_one_whatever_the_rows(labels, n_folds, has_classes, has_groups, seed):
    values = np.array(labels)
    n = len(values)
    classes = values if has_classes else None
    groups = np.arange(n) // 3 if has_groups else None
    if has_groups and n <= 3:
        with pytest.raises(InputError, match="at least 2 groups"):
            make_folds(n, n_folds, 0.2, seed, classes=classes, groups=groups)
        return
    folds = make_folds(n, n_folds, 0.2, seed, classes=classes, groups=groups)
    assert 1 <= len(folds) <= n_folds
    for fold in folds:
        assert len(fold.training)
        assert len(fold.held_out)
        both = np.sort(np.concatenate([fold.training, fold.held_out]))
        np.testing.assert_array_equal(both, np.arange(n))
        if groups is not None:
            assert not set(groups[fold.training]) & set(groups[fold.held_out])
    held_out = np.concatenate([fold.held_out for fold in folds])
    assert len(np.unique(held_out)) == len(held_out)


@settings(deadline=None, max_examples=100)
@given(
    st.integers(2, 5), st.integers(1, 4), st.integers(10, 70), st.booleans(),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_folds_are_scikit_learns_row_by_row(n_folds, n_classes, n, has_classes, seed):
    # at least twice as many of each class as folds, so that no row is the only one of its class
    rng = np.random.default_rng(seed)
    present = np.repeat(rng.permutation(9)[:n_classes], 2 * n_folds)
    classes = rng.permutation(np.concatenate([present, rng.choice(present, n)]))
    folds = make_folds(len(classes), n_folds, 0.2, seed, classes=classes if has_classes else None)
    kind = StratifiedKFold if has_classes else KFold
    theirs = kind(n_folds, shuffle=True, random_state=seed).split(classes, classes)
    for fold, (training, held_out) in zip(folds, theirs, strict=True):
        np.testing.assert_array_equal(fold.training, training)
        np.testing.assert_array_equal(fold.held_out, held_out)


@pytest.mark.parametrize(("fraction", "n_held_out"), [(0.1, 20), (0.2, 40), (0.5, 100)])
def test_a_single_division_holds_out_the_share_and_each_class_in_its_own(fraction, n_held_out):
    classes = np.repeat([0, 1], [150, 50])
    (fold,) = make_folds(200, 1, fraction, 0, classes=classes)
    assert len(fold.held_out) == n_held_out
    assert classes[fold.held_out].mean() == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("n_folds", [1, 5])
def test_the_only_row_of_a_class_always_trains(n_folds):
    classes = np.r_[np.arange(60) % 2, 2]
    for seed in range(8):
        for fold in make_folds(61, n_folds, 0.2, seed, classes=classes):
            assert 60 in fold.training
            assert 60 not in fold.held_out


def test_where_every_class_has_one_row_some_are_held_out_all_the_same():
    for fold in make_folds(6, 3, 0.2, 0, classes=np.arange(6)):
        assert len(fold.held_out) == 2


def test_the_latest_rows_judge():
    order = RNG.permutation(100)
    (fold,) = make_folds(100, 5, 0.2, 0, order=order)
    assert order[fold.held_out].min() > order[fold.training].max()
    assert len(fold.held_out) == 20


def test_rows_of_one_moment_stay_together():
    order = np.repeat([1, 2, 3], [10, 10, 80])
    (fold,) = make_folds(100, 1, 0.1, 0, order=order)
    assert set(order[fold.held_out]) == {3}
    assert set(order[fold.training]) == {1, 2}
    with pytest.raises(InputError, match="one time only"):
        make_folds(9, 1, 0.1, 0, order=np.ones(9))


def test_the_same_seed_gives_the_same_division():
    first, second, other = (make_folds(50, 3, 0.2, seed) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first[0].held_out, second[0].held_out)
    assert not np.array_equal(first[0].held_out, other[0].held_out)


def test_one_row_cannot_be_divided():
    with pytest.raises(InputError, match="at least 2 rows"):
        make_folds(1, 5, 0.2, 0)


@settings(deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.floats(0, 0.9))
def test_hold_out_never_takes_the_only_row_of_a_class(labels, fraction):
    classes = np.array(labels)
    training, held_out = hold_out(len(classes), fraction, 0, classes)
    assert set(np.flatnonzero(np.bincount(classes) == 1)) <= set(classes[training])
    rows = training if held_out is None else np.concatenate([training, held_out])
    assert sorted(rows) == list(range(len(classes)))
