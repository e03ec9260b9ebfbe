"""Factoring: several columns of classes as factors of one answer, at an estimator."""

from typing import Any

import numpy as np
from scipy.sparse import issparse

from fathom.data.cells import listing
from fathom.data.combinations import Combined, fit_combined, log_likelihoods, with_scores
from fathom.data.frames import to_frame
from fathom.data.schema import Target
from fathom.data.target import ParsedTarget, parse_target, read_target
from fathom.errors import InputError
from fathom.estimators.checking import is_table, refuse_unfit_target
from fathom.estimators.predicting import Predictor
from fathom.search.factors import centered, offsets_of

MOST_ROWS = 20_000  # from which it is worked out how much room a combination takes


def read_factors(y: Any) -> ParsedTarget | None:
    """Read a target of several columns of classes; None where it is anything else.

    Columns of 0 and 1 are labels, each on its own, unless they are written as words.
    """
    if issparse(y):
        return None
    try:
        array = np.asarray(y)
    except ValueError:  # rows of several lengths, which are no target: left to scikit-learn
        return None
    if array.ndim != 2 or array.shape[1] < 2 or not len(array) or _is_labels(array):
        return None
    refuse_unfit_target(y)
    return parse_target(to_frame(y) if is_table(y) else array, "classes")


def _is_labels(array: np.ndarray) -> bool:
    return array.dtype.kind in "biuf" and bool(np.isin(array, (0, 1)).all())


def read_combinations(y: Any, target: Target) -> np.ndarray:
    """Return the place of each row's combination among all, -1 where a class is not known.

    Parameters
    ----------
    y : array-like or data frame
        A column of classes for each factor; of a frame, found by name where it has them.
    target : Target
        Of several factors.

    Raises
    ------
    InputError
        If there is not a column for each.
    """
    columns = _factor_columns(y, target)
    numbers = [
        read_target(column, Target(task="classes", classes=factor.classes))
        for column, factor in zip(columns, target.factors, strict=True)
    ]
    sizes = [len(factor.classes) for factor in target.factors]
    each = np.stack(numbers)
    places = np.ravel_multi_index(tuple(np.maximum(each, 0)), sizes)
    return np.where((each >= 0).all(axis=0), places, -1)


def _factor_columns(y: Any, target: Target) -> list[Any]:
    names = [factor.name for factor in target.factors]
    frame = to_frame(y) if is_table(y) else None
    if frame is not None and set(names) <= set(frame.columns):
        return [frame[name] for name in names]
    array = np.asarray(frame if frame is not None else y)
    if array.ndim != 2 or array.shape[1] != len(names):
        raise InputError(
            f"{len(names)} columns of classes: {listing(names)}", got=f"shape {array.shape}",
            hint="give y as in training",
        )  # fmt: skip
    return [array[:, j] for j in range(len(names))]


def likelihoods_of(
    predictor: Predictor, rows: np.ndarray, combined: Combined, target: Target
) -> np.ndarray:
    """Return log p(x | combination) of rows that have been checked."""
    return log_likelihoods(*_mean_sums(predictor, rows), combined, target)


def combine_trained(
    predictor: Predictor,
    rows: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    held_out: np.ndarray | None,
    target: Target,
) -> Combined:
    """Work out what turns the sums of trained networks into probabilities of combinations.

    Parameters
    ----------
    predictor : Predictor
        The networks.
    rows : numpy.ndarray
        Rows that have been checked.
    y, weight : numpy.ndarray
        Number of each row's combination among those seen, and its weight.
    held_out : numpy.ndarray or None
        Which rows took no part in training.
    target : Target
        Of several factors.
    """
    few = np.flatnonzero(weight > 0)
    few = few[:: -(-len(few) // MOST_ROWS)]
    sums, offsets = _mean_sums(predictor, rows[few])
    combined = fit_combined(sums, offsets, weight[few], target)
    if held_out is None:
        return combined
    sums, offsets = _mean_sums(predictor, rows[held_out])
    return with_scores(combined, sums, offsets, y[held_out], target)


def _mean_sums(predictor: Predictor, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of the networks' sums, and of the offsets in them."""
    sums = np.mean([centered(z) for z in predictor.sums(rows)], axis=0)
    offsets = np.mean([offsets_of(network) for network in predictor.networks], axis=0)
    return sums, offsets
