"""Rows and targets as they are given to an estimator, checked as scikit-learn asks."""

from typing import Any

import numpy as np
import polars as pl
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import (
    _check_feature_names,
    _check_y,
    check_consistent_length,
    validate_data,
)

from fathom.data.cells import first_row, is_nothing
from fathom.data.frames import to_frame
from fathom.errors import InputError


def is_table(x: object) -> bool:
    """Tell whether x is a data frame, of whatever library."""
    return hasattr(x, "columns") or hasattr(x, "__dataframe__")


def is_mixed(x: object) -> bool:
    """Tell whether x holds words among its values, so that it is no array of numbers.

    Words in a row are one column of them, such as texts.
    """
    if is_table(x) or issparse(x):
        return False
    array = np.asarray(x, dtype=object) if isinstance(x, list) else np.asarray(x)
    if array.ndim not in (1, 2):
        return False
    if array.dtype.kind in "US":
        return True
    if array.dtype != object:
        return False
    return any(isinstance(value, str) for value in array.flat)


def read_features(estimator: BaseEstimator, x: Any, *, reset: bool) -> pl.DataFrame:
    """Return features as a frame, checked as scikit-learn asks.

    Parameters
    ----------
    estimator : estimator
        Whose ``n_features_in_`` and ``feature_names_in_`` are set, or are to be met.
    x : data frame, array or list
        Rows, or one word or text for each; values may be missing.
    reset : bool
        Whether this is training.
    """
    if not is_table(x) and not is_mixed(x):
        array = validate_data(estimator, x, reset=reset, dtype="numeric", ensure_all_finite=False)
        return to_frame(array)
    frame = to_frame(x if is_table(x) else _as_rows(x))
    if reset:
        if frame.height == 0 or frame.width == 0:
            raise InputError(
                "a table with rows and columns", got=f"{frame.height} rows, {frame.width} columns"
            )
        _check_feature_names(estimator, x, reset=True)
        estimator.n_features_in_ = frame.width
    return frame


def dense_target(y: Any) -> np.ndarray:
    """Return a target that may have come as a sparse matrix as an array."""
    return np.asarray(y.toarray() if issparse(y) else y)


def refuse_words(y: Any) -> None:
    """Refuse a target of words where numbers are predicted.

    Raises
    ------
    InputError
        Names the first.
    """
    array = np.asarray(y)
    if array.dtype.kind != "U" and array.dtype != object:
        return
    for value in array.ravel():
        try:
            float(value)
        except ValueError:
            raise InputError(
                "a target of numbers", got=f"{str(value)!r}"[:80],
                hint="take FathomClassifier for classes",
            ) from None  # fmt: skip
        except TypeError:  # no word either: left to scikit-learn
            return


def refuse_unfit_target(y: Any) -> None:
    """Refuse a target that is missing or infinite in some rows, as the command does.

    Raises
    ------
    InputError
        Names how many rows, and the first. What is no target at all is left to scikit-learn.
    """
    try:
        array = np.asarray(y, dtype=object if isinstance(y, list | tuple) else None)
    except ValueError:
        return
    if array.size == 0 or array.ndim not in (1, 2) or array.dtype.kind not in "fO":
        return
    is_missing, is_infinite = _missing_and_infinite(array.reshape(len(array), -1))
    rows = np.flatnonzero(is_missing.any(axis=1))
    if len(rows):
        raise InputError(
            "a target in every row of y",
            got=f"{len(rows):,} of {len(array):,} rows without (NaN or None), the first "
            f"{first_row(rows)}",
            hint="leave those rows out",
        )
    rows = np.flatnonzero(is_infinite.any(axis=1))
    if len(rows):
        value = "-inf" if (array[rows[0]] == -np.inf).any() else "inf"
        got = f"{value} {first_row(rows)} ({len(rows):,} such rows)"
        raise InputError("a finite target y", got=got, hint="correct or remove them")


def _missing_and_infinite(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if array.dtype.kind == "f":
        return np.isnan(array), np.isinf(array)
    found = [
        (is_nothing(v), isinstance(v, float | np.floating) and np.isinf(v)) for v in array.flat
    ]
    is_missing, is_infinite = np.array(found, bool).reshape(-1, 2).T
    return is_missing.reshape(array.shape), is_infinite.reshape(array.shape)


def refuse_constant_target(y: np.ndarray, weight: np.ndarray) -> None:
    """Refuse numbers that are the same in every row that counts, as the command does.

    Raises
    ------
    InputError
        If a column of them never changes.
    """
    y = y[weight > 0]
    is_constant = (y == y[:1]).all(axis=0)
    if len(y) > 1 and is_constant.any():
        column = int(is_constant.argmax())
        name = "y" if y.shape[1] == 1 else f"y, column {column},"
        raise InputError(
            f"a target {name} that differs from row to row",
            got=f"{y[0, column]:.6g} in all {len(y):,} rows",
            hint="choose another target, or more rows",
        )


def _as_rows(x: Any) -> Any:
    """Return one column where words come in a row."""
    n_axes = x.ndim if hasattr(x, "ndim") else 1 + np.ndim(x[0])
    return np.asarray(x, dtype=object).reshape(-1, 1) if n_axes == 1 else x


def read_rows(
    estimator: BaseEstimator, x: Any, y: Any, *, y_numeric: bool = False
) -> tuple[pl.DataFrame, np.ndarray]:
    """Return features as a frame and the target as an array, checked as scikit-learn asks."""
    refuse_unfit_target(y)
    if not is_table(x) and not is_mixed(x):
        array, y = validate_data(
            estimator, x, y, dtype="numeric", ensure_all_finite=False, multi_output=True,
            y_numeric=y_numeric,
        )  # fmt: skip
        return to_frame(array), y
    y = _check_y(y, multi_output=True, y_numeric=y_numeric, estimator=estimator)
    frame = read_features(estimator, x, reset=True)
    check_consistent_length(frame, y)
    return frame, y
