"""Splitting: which rows train, and which are held out to judge.

Rows are divided as scikit-learn divides them. What the first network of a search needs of that is
written out here, since loading scikit-learn takes longer than training that network
(docs/decisions/0033-the-first-epoch.md); whoever needs more loads it.
"""

import warnings
from dataclasses import dataclass

import numpy as np

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
    from sklearn.model_selection import train_test_split

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
    parts = min(parts, distinct)
    can_stratify = classes is not None and np.bincount(classes).max() >= parts
    if groups is not None:
        found = _divide_groups(parts, seed, classes if can_stratify else None, groups)
    elif classes is not None and can_stratify:
        found = folds_at(place_by_class(classes, parts, seed))
    else:
        found = folds_at(place_by_chance(n, parts, seed))
    if classes is not None and groups is None:
        found = [_with_single_rows(fold, classes) for fold in found]
    return tuple(found if n_folds > 1 else found[:1])


def place_by_chance(n: int, n_folds: int, seed: int) -> np.ndarray:
    """Return the number of the fold that holds out each row, as `KFold` shuffles rows."""
    order = np.arange(n)
    np.random.RandomState(seed).shuffle(order)
    sizes = np.full(n_folds, n // n_folds)
    sizes[: n % n_folds] += 1
    places = np.empty(n, int)
    places[order] = np.repeat(np.arange(n_folds), sizes)
    return places


def place_by_class(classes: np.ndarray, n_folds: int, seed: int) -> np.ndarray:
    """Return the number of the fold that holds out each row, as `StratifiedKFold` deals them out.

    Rows that lie sorted by class, the class that appears first in front, are dealt to the folds in
    turn: so many of a class each fold gets. Which rows those are is drawn.
    """
    rng = np.random.RandomState(seed)
    present, first = np.unique(classes, return_index=True)
    by_appearance = present[np.argsort(first)]
    counts = np.bincount(classes)[by_appearance]
    dealt = np.repeat(np.arange(len(present)), counts)
    places = np.empty(len(classes), int)
    shares = [np.bincount(dealt[fold::n_folds], minlength=len(present)) for fold in range(n_folds)]
    for number, shares_of_one in zip(by_appearance, np.transpose(shares), strict=True):
        own = np.repeat(np.arange(n_folds), shares_of_one)
        rng.shuffle(own)
        places[classes == number] = own
    return places


def folds_at(places: np.ndarray) -> list[Fold]:
    """Return the folds, given the number of the one that holds out each row."""
    each = range(int(places.max()) + 1)
    return [Fold(np.flatnonzero(places != fold), np.flatnonzero(places == fold)) for fold in each]


def _divide_groups(
    n_folds: int, seed: int, classes: np.ndarray | None, groups: np.ndarray
) -> list[Fold]:
    """Divide whole groups, each part with its share of every class where classes are given."""
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    def divide(splitter: GroupKFold | StratifiedGroupKFold) -> list[Fold]:
        folds = splitter.split(np.zeros((len(groups), 1)), classes, groups)
        return [Fold(np.sort(training), np.sort(held_out)) for training, held_out in folds]

    whole_groups = GroupKFold(n_folds, shuffle=True, random_state=seed)
    if classes is None:
        return divide(whole_groups)
    with warnings.catch_warnings():  # a class of few rows is told of elsewhere
        warnings.simplefilter("ignore", UserWarning)
        found = divide(StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed))
    is_whole = all(len(fold.held_out) for fold in found)  # or shares of classes left one empty
    return found if is_whole else divide(whole_groups)


def _with_single_rows(fold: Fold, classes: np.ndarray) -> Fold:
    """Train on rows that are the only ones of their class, where others are left to judge."""
    is_single = np.bincount(classes)[classes[fold.held_out]] < 2
    if is_single.all() or not is_single.any():
        return fold
    training = np.concatenate([fold.training, fold.held_out[is_single]])
    return Fold(np.sort(training), fold.held_out[~is_single])


def _latest(order: np.ndarray, fraction: float) -> Fold:
    n_late = min(max(1, round(fraction * len(order))), len(order) - 1)
    border = np.sort(order)[len(order) - n_late]
    is_late = order >= border
    if is_late.all():
        raise InputError("rows of at least 2 times", got="one time only", hint="leave --time out")
    return Fold(np.flatnonzero(~is_late), np.flatnonzero(is_late))
