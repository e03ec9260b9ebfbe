"""Schedules: how large a step is allowed as training goes on."""

import numpy as np

WARMUP = 0.1  # share of the training in which one_cycle climbs to the full learning rate


def learning_rate_factors(schedule: str, progress: np.ndarray) -> np.ndarray:
    """Return the share of the full learning rate at points of the training.

    With t the progress:

    ============ ===================================================================
    constant     1
    linear       1 - t
    cosine       ½ (1 + cos π t)
    flat_cosine  1 for t < ½, then ½ (1 + cos 2π (t - ½))
    one_cycle    t / 0.1 for t < 0.1, then ½ (1 + cos π (t - 0.1) / 0.9)
    cosine_bumps ½ (1 - cos 2π log₂(1 + 15 t)): four bumps, each twice as long as the last
    ============ ===================================================================

    Parameters
    ----------
    schedule : str
        One of the names above.
    progress : numpy.ndarray
        Shares t of the training that are done, 0 to 1.

    Returns
    -------
    numpy.ndarray
        Factors in [0, 1], float64.

    Examples
    --------
    >>> learning_rate_factors("linear", np.array([0.25, 0.5]))
    array([0.75, 0.5 ])

    References
    ----------
    Loshchilov, Hutter (2016). SGDR. arXiv:1608.03983. Smith, Topin (2017). Super-convergence.
    arXiv:1708.07120. Holzmüller, Grinsztajn, Steinwart (2024). arXiv:2407.04491 (cosine_bumps).
    """
    t = np.minimum(np.maximum(np.asarray(progress, np.float64), 0.0), 1.0)
    if schedule == "constant":
        return np.ones_like(t)
    if schedule == "linear":
        return 1.0 - t
    if schedule == "cosine_bumps":
        return 0.5 * (1.0 - np.cos(2 * np.pi * np.log2(1 + 15 * t)))
    start = {"flat_cosine": 0.5, "one_cycle": WARMUP}.get(schedule, 0.0)
    fall = np.maximum(t - start, 0.0) / (1.0 - start)
    factors = 0.5 * (1.0 + np.cos(np.pi * fall))
    return np.where(t < WARMUP, t / WARMUP, factors) if schedule == "one_cycle" else factors
