"""Tables of any library, as they came: rows taken out, one column rearranged."""

from typing import Any

import narwhals as nw
import numpy as np

from fathom.errors import InputError


def take_rows(table: Any, rows: np.ndarray) -> Any:
    """Return some rows of a table, in the library it came in; lists become an array.

    Parameters
    ----------
    table : data frame, array or list of rows
        The table.
    rows : numpy.ndarray
        Numbers of the rows.

    Raises
    ------
    InputError
        If it is no table.

    Examples
    --------
    >>> take_rows([[1, 2], [3, 4]], np.array([1]))
    array([[3, 4]])
    """
    if isinstance(table, np.ndarray | list | tuple):
        array = np.asarray(table)
        if array.ndim != 2:
            raise InputError("a table of shape (rows, columns)", got=f"shape {array.shape}")
        return array[rows]
    frame = _frame(table)
    if nw.dependencies.is_pandas_dataframe(table):
        return table.iloc[rows].reset_index(drop=True)
    return frame[rows.tolist()].to_native()


def column_names(table: Any) -> list[str]:
    """Return the names of a table's columns; x1, x2, ... for an array."""
    if isinstance(table, np.ndarray):
        return [f"x{place + 1}" for place in range(table.shape[1])]
    if nw.dependencies.is_pandas_dataframe(table):
        return [str(name) for name in table.columns]
    return [str(name) for name in _frame(table).columns]


def column_of(table: Any, place: int) -> np.ndarray:
    """Return the values of one column."""
    if isinstance(table, np.ndarray):
        return table[:, place]
    if nw.dependencies.is_pandas_dataframe(table):
        return np.asarray(table.iloc[:, place].to_numpy())
    frame = _frame(table)
    return np.asarray(frame.get_column(frame.columns[place]).to_numpy())


def rearranged(table: Any, place: int, order: np.ndarray) -> Any:
    """Return a table in which one column has the values of other rows, of the type it had.

    Parameters
    ----------
    table : data frame or array
        The table.
    place : int
        Position of the column.
    order : numpy.ndarray
        For each row, the number of the row whose value it gets.

    Examples
    --------
    >>> rearranged(np.array([[1, 2], [3, 4]]), 0, np.array([1, 0]))
    array([[3, 2],
           [1, 4]])
    """
    if isinstance(table, np.ndarray):
        changed = table.copy()
        changed[:, place] = table[order, place]
        return changed
    if nw.dependencies.is_pandas_dataframe(table):
        changed = table.copy()
        changed.isetitem(place, table.iloc[order, place].array)
        return changed
    frame = _frame(table)
    values = frame.get_column(frame.columns[place])
    return frame.with_columns(values[order.tolist()]).to_native()


def is_numeric(values: np.ndarray) -> bool:
    """Tell whether a column's values are numbers, some of them known."""
    if values.dtype.kind not in "iuf":
        return False
    return bool(np.isfinite(np.asarray(values, np.float64)).any())


def _frame(table: Any) -> nw.DataFrame[Any]:
    try:
        return nw.from_native(table, eager_only=True)
    except TypeError:
        raise InputError(
            "a data frame or an array", got=f"a {type(table).__name__}",
            hint="give polars, pandas or NumPy",
        ) from None  # fmt: skip
