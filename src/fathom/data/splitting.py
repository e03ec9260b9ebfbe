"""Splitting: which rows train, and which are held out to judge."""

import numpy as np
from sklearn.model_selection import train_test_split

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
