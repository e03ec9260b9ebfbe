"""The ensemble: which trained networks, together, predict best what was held out."""

from collections.abc import Callable, Sequence

import numpy as np

MOST_PICKS = 24
FIRST = 3  # networks a choice begins with, so that chance does not pick a single one
LEAST_GAIN = 1e-5  # relative; below it one more network is not worth its time


def choose_ensemble(
    predictions: Sequence[np.ndarray],
    losses: Sequence[float],
    loss: Callable[[np.ndarray], float],
    most_picks: int = MOST_PICKS,
) -> tuple[np.ndarray, float]:
    """Choose networks greedily, with replacement, so that their mean predicts best.

    It begins with the best few, whichever number of them is best, and adds one network at a
    time, the one that lowers the loss of the mean most, until none does.

    Parameters
    ----------
    predictions : sequence of numpy.ndarray
        Each network's predictions for the same held-out rows.
    losses : sequence of float
        Each network's own loss.
    loss : callable
        Loss of predictions.
    most_picks : int
        Picks at most.

    Returns
    -------
    tuple of numpy.ndarray and float
        Weight of each network, summing to 1, and the loss of the ensemble.

    References
    ----------
    Caruana, Niculescu-Mizil, Crew, Ksikes (2004). Ensemble selection from libraries of models.
    ICML (with its sorted initialization).

    Examples
    --------
    >>> truth = np.array([0.0, 1.0])
    >>> members = [truth + 0.2, truth - 0.2, truth + 5]
    >>> error = lambda p: float(np.mean((p - truth) ** 2))
    >>> weights, _ = choose_ensemble(members, [error(m) for m in members], error)
    >>> weights.tolist()
    [0.5, 0.5, 0.0]
    """
    order = np.argsort(losses, kind="stable")
    counts = np.zeros(len(predictions), int)
    total = np.zeros_like(predictions[0], dtype=np.float64)
    best, best_counts = np.inf, counts
    for member in order[:FIRST]:
        counts = counts.copy()
        counts[member] += 1
        total = total + predictions[member]
        value = loss(total / counts.sum())
        if value < best:
            best, best_counts = value, counts
    counts = best_counts.copy()
    total = sum(count * predictions[m] for m, count in enumerate(counts) if count)
    while counts.sum() < most_picks:
        n = counts.sum() + 1
        values = [loss((total + prediction) / n) for prediction in predictions]
        member = int(np.argmin(values))
        if not values[member] < best * (1 - LEAST_GAIN):
            break
        best, total = values[member], total + predictions[member]
        counts[member] += 1
    return counts / counts.sum(), float(best)
