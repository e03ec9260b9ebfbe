"""Calibration: probabilities that mean what they say."""

import numpy as np

LEAST_SHARPNESS, MOST_SHARPNESS = 0.2, 5.0
NEWTON_STEPS = 8
LEAST_CURVATURE = 1e-12
MOST_ROWS = 5000  # rows a sharpness is worked out on while training goes on
LEAST_PROBABILITY = 1e-7


def softmax(z: np.ndarray) -> np.ndarray:
    """Return exp(z_i) / Σ_j exp(z_j) along the last axis, as float64."""
    exponential = np.exp(z - z.max(axis=-1, keepdims=True), dtype=np.float64)
    return exponential / exponential.sum(axis=-1, keepdims=True)


def fit_sharpness(z: np.ndarray, y: np.ndarray, weight: np.ndarray) -> float:
    """Return the factor β that makes softmax(β z) most probable; 1/β is the temperature.

    The loss -Σ w log softmax(β z)_y / Σ w is convex in β; Newton's method finds its minimum.

    Parameters
    ----------
    z : numpy.ndarray
        Sums or logarithms of probabilities, shape (n, classes).
    y : numpy.ndarray
        Class numbers, shape (n,).
    weight : numpy.ndarray
        Weight of each row.

    Returns
    -------
    float
        β, from 0.2 to 5.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger (2017). On calibration of modern neural networks.
    arXiv:1706.04599.
    """
    z = _by_class(z)
    share = weight / weight.sum()
    right = share @ z[y, np.arange(len(y))]
    beta = 1.0
    for _ in range(NEWTON_STEPS):
        powers = np.exp(beta * z)
        total = powers.sum(axis=0)
        powers *= z
        mean = powers.sum(axis=0) / total
        powers *= z
        slope = share @ mean - right
        curvature = share @ (powers.sum(axis=0) / total - mean**2)
        step = slope / max(curvature, LEAST_CURVATURE)  # which is 0 where all is too sure
        after = float(min(max(beta - step, beta / 2, LEAST_SHARPNESS), beta * 2, MOST_SHARPNESS))
        if abs(after - beta) < 1e-4:
            return after
        beta = after
    return beta


def _by_class(z: np.ndarray) -> np.ndarray:
    """Return z less the largest of its row, a row for each class: sums over few are slow."""
    rows = np.ascontiguousarray(z.T, np.float64)
    return rows - rows.max(axis=0)


def log_loss(p: np.ndarray, y: np.ndarray, weight: np.ndarray) -> float:
    """Return -Σ w log p_y / Σ w, probabilities bounded below by 1e-7."""
    return _mean_loss(p[np.arange(len(y)), y], weight)


def _mean_loss(right: np.ndarray, weight: np.ndarray) -> float:
    """Return the log loss of what the right classes were given."""
    return float(-np.sum(weight * np.log(np.maximum(right, LEAST_PROBABILITY))) / np.sum(weight))


def binary_log_loss(p: np.ndarray, y: np.ndarray, weight: np.ndarray) -> float:
    """Return the mean over labels of -Σ w (y log p + (1 - y) log(1 - p)) / Σ w."""
    p = np.clip(p, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    rows = -np.mean(y * np.log(p) + (1 - y) * np.log1p(-p), axis=1)
    return float(np.sum(weight * rows) / np.sum(weight))


def calibrated_log_loss(z: np.ndarray, y: np.ndarray, weight: np.ndarray) -> float:
    """Return the log loss that is left once the sharpness of softmax(β z) is set right.

    It judges what a network has learned to tell apart, not how sure of itself it is, which is
    mended afterwards.

    References
    ----------
    Berta, Holzmüller, Jordan, Bach (2025). Rethinking early stopping: refine, then calibrate.
    arXiv:2501.19195.
    """
    few = slice(None, None, -(-len(y) // MOST_ROWS))
    beta = fit_sharpness(z[few], y[few], weight[few])
    powers = np.exp(beta * _by_class(z))
    return _mean_loss(powers[y, np.arange(len(y))] / powers.sum(axis=0), weight)


def sharpen(p: np.ndarray, beta: float) -> np.ndarray:
    """Return p^β brought to sum 1 over the last axis."""
    if beta == 1.0:
        return p
    return softmax(beta * np.log(np.maximum(p, LEAST_PROBABILITY)))
