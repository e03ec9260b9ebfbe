"""Schedules: how large a step is allowed as training goes on."""

import math

WARMUP = 0.1  # share of the training in which one_cycle climbs to the full learning rate


def learning_rate_factor(schedule: str, progress: float) -> float:
    """Return the share of the full learning rate at a point of the training.

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
    progress : float
        Share t of the training that is done, 0 to 1.

    Returns
    -------
    float
        Factor in [0, 1].

    Examples
    --------
    >>> learning_rate_factor("cosine", 0.5)
    0.5

    References
    ----------
    Loshchilov, Hutter (2016). SGDR. arXiv:1608.03983. Smith, Topin (2017). Super-convergence.
    arXiv:1708.07120. Holzmüller, Grinsztajn, Steinwart (2024). arXiv:2407.04491 (cosine_bumps).
    """
    t = min(max(progress, 0.0), 1.0)
    if schedule == "constant":
        return 1.0
    if schedule == "linear":
        return 1.0 - t
    if schedule == "cosine_bumps":
        return 0.5 * (1.0 - math.cos(2 * math.pi * math.log2(1 + 15 * t)))
    if schedule == "one_cycle" and t < WARMUP:
        return t / WARMUP
    start = {"flat_cosine": 0.5, "one_cycle": WARMUP}.get(schedule, 0.0)
    fall = max(t - start, 0.0) / (1.0 - start)
    return 0.5 * (1.0 + math.cos(math.pi * fall))
