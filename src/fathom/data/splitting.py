"""Splitting: which rows train, and which are held out to judge."""

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import (
    BaseCrossValidator,
    GroupKFold,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    train_test_split,
)

from fathom.errors import InputError

FEWEST_HELD_OUT = 5


def hold_out(
    n: int, fraction: float, seed: int, classes: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Choose rows to hold out, keeping the shares of the classes.

    Rows of a class that appears only once are never held out. Nothing is held out where that
    would be fewer than five rows or fewer than one for each class.

    Parameters
    ----------
    n : int
        Number of rows.
    fraction : float
        Share to hold out, in [0, 1).
    seed : int
        Seed of the choice.
    classes : numpy.ndarray, optional
        Class number of each row.

    Returns
    -------
    tuple of numpy.ndarray and (numpy.ndarray or None)
        Rows to train on, and rows held out or None.

    Examples
    --------
    >>> training, held_out = hold_out(100, 0.2, seed=0)
    >>> len(training), len(held_out)
    (80, 20)
    """
    rows = np.arange(n)
    always = np.zeros(0, rows.dtype)
    if classes is not None:
        is_single = np.bincount(classes)[classes] < 2
        rows, always = rows[~is_single], rows[is_single]
        classes = classes[rows]
    n_classes = 0 if classes is None else len(np.unique(classes))
    n_held_out = round(fraction * len(rows))
    if n_held_out < max(FEWEST_HELD_OUT, n_classes) or len(rows) - n_held_out < n_classes:
        return np.arange(n), None
    training, held_out = train_test_split(
        rows, test_size=n_held_out, random_state=seed, stratify=classes
    )
    return np.concatenate([training, always]), held_out


@dataclass(frozen=True)
class Fold:
    """Which rows train, and which are held out to judge."""

    training: np.ndarray
    held_out: np.ndarray


def make_folds(
    n: int,
    n_folds: int,
    fraction: float,
    seed: int,
    *,
    classes: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    order: np.ndarray | None = None,
) -> tuple[Fold, ...]:
    """Divide rows into training and held-out ones, once or in several folds.

    Parameters
    ----------
    n : int
        Number of rows.
    n_folds : int
        Folds; 1 for a single held-out part.
    fraction : float
        Share of the rows in that part, in (0, 1).
    seed : int
        Seed of the division.
    classes : numpy.ndarray, optional
        Class number of each row; every part gets its share of each class, and a class of one row
        always trains where it is not kept from it by groups or order.
    groups : numpy.ndarray, optional
        Group of each row; a group is never on both sides.
    order : numpy.ndarray, optional
        Time of each row: the latest rows are held out, whatever ``n_folds`` is.

    Returns
    -------
    tuple of Fold
        The divisions; none has an empty side.

    Raises
    ------
    InputError
        If there are fewer than two rows, groups or times.

    Examples
    --------
    >>> folds = make_folds(100, 5, 0.2, seed=0)
    >>> len(folds), len(folds[0].held_out)
    (5, 20)
    """
    if order is not None:
        return (_latest(order, fraction),)
    distinct = n if groups is None else len(np.unique(groups))
    if distinct < 2:
        what = "rows" if groups is None else "groups"
        raise InputError(f"at least 2 {what}", got=f"{distinct}", hint="add data")
    parts = n_folds if n_folds > 1 else max(2, round(1 / fraction))
    splitter = _splitter(min(parts, distinct), seed, classes, groups)
    with warnings.catch_warnings():  # a class of few rows is told of elsewhere
        warnings.simplefilter("ignore", UserWarning)
        found = _divide(splitter, n, classes, groups)
        if not all(len(fold.held_out) for fold in found):  # for the shares of classes' sake
            whole_groups = GroupKFold(len(found), shuffle=True, random_state=seed)
            found = _divide(whole_groups, n, classes, groups)
    if classes is not None and groups is None:
        found = [_with_single_rows(fold, classes) for fold in found]
    return tuple(found if n_folds > 1 else found[:1])


def _divide(
    splitter: BaseCrossValidator, n: int, classes: np.ndarray | None, groups: np.ndarray | None
) -> list[Fold]:
    folds = splitter.split(np.zeros((n, 1)), classes, groups)
    return [Fold(np.sort(training), np.sort(held_out)) for training, held_out in folds]


def _with_single_rows(fold: Fold, classes: np.ndarray) -> Fold:
    """Train on rows that are the only ones of their class, where others are left to judge."""
    is_single = np.bincount(classes)[classes[fold.held_out]] < 2
    if is_single.all() or not is_single.any():
        return fold
    training = np.concatenate([fold.training, fold.held_out[is_single]])
    return Fold(np.sort(training), fold.held_out[~is_single])


def _splitter(
    n_folds: int, seed: int, classes: np.ndarray | None, groups: np.ndarray | None
) -> BaseCrossValidator:
    can_stratify = classes is not None and np.bincount(classes).max() >= n_folds
    if groups is not None:
        kind = StratifiedGroupKFold if can_stratify else GroupKFold
    else:
        kind = StratifiedKFold if can_stratify else KFold
    return kind(n_folds, shuffle=True, random_state=seed)


def _latest(order: np.ndarray, fraction: float) -> Fold:
    n_late = min(max(1, round(fraction * len(order))), len(order) - 1)
    border = np.sort(order)[len(order) - n_late]
    is_late = order >= border
    if is_late.all():
        raise InputError("rows of at least 2 times", got="one time only", hint="leave --time out")
    return Fold(np.flatnonzero(~is_late), np.flatnonzero(is_late))
