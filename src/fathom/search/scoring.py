"""Scoring: how good predictions for held-out rows are, as a user would ask for it."""

import numpy as np

from fathom.search.material import Material
from fathom.search.report import Score


def score_predictions(
    material: Material, predictions: np.ndarray, rows: np.ndarray
) -> tuple[Score, ...]:
    """Return the share of right answers, or the RMSE of each output in its own unit.

    Parameters
    ----------
    material : Material
        The table; rows count by their weight, as in its loss.
    predictions : numpy.ndarray
        Probabilities of classes or labels, or numbers, shape (rows, outputs).
    rows : numpy.ndarray
        The rows they are for.

    Returns
    -------
    tuple of Score
        One accuracy, or one RMSE for each output; none where a figure is not finite.
    """
    if not len(rows):
        return ()
    target, every, y = material.target, material.weight, material.y
    if target.task == "numbers":
        largest = np.maximum(np.abs(y).max(axis=0), 1e-300)  # so that no square overflows
        unit = y / largest
        mean = np.average(unit, axis=0, weights=every)
        errors = largest * _root_mean_square(predictions / largest - unit[rows], every[rows])
        baselines = largest * _root_mean_square(unit - mean, every)
        if not (np.isfinite(errors).all() and np.isfinite(baselines).all()):
            return ()
        names = [""] if len(errors) == 1 else list(target.names)
        names = names or [f"output {number + 1}" for number in range(len(errors))]
        return tuple(
            Score(name="RMSE", output=name, value=float(error), baseline=float(baseline))
            for name, error, baseline in zip(names, errors, baselines, strict=True)
        )
    if target.task == "classes":
        is_right = predictions.argmax(axis=1) == y[rows]
        baseline = float((np.bincount(y, every) / every.sum()).max())
    else:
        is_right = np.mean((predictions >= 0.5) == (y[rows] > 0.5), axis=1)
        shares = np.average(y > 0.5, axis=0, weights=every)
        baseline = float(np.maximum(shares, 1 - shares).mean())
    accuracy = float(np.average(is_right, weights=every[rows]))
    return (Score(name="accuracy", value=accuracy, baseline=baseline),)


def _root_mean_square(errors: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the weighted root mean square of each column."""
    return np.asarray(np.sqrt(np.average(errors**2, axis=0, weights=weight)))
