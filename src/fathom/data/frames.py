"""Tables in memory: one way in for every kind of data frame, array and list of rows."""

import datetime as dt
import decimal
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl

from fathom.data.schema import MAX_COLUMNS
from fathom.errors import DatasetError, InputError

MAX_NAME_LENGTH = 10_000

_WRITTEN = (str, int, float, decimal.Decimal, dt.date, dt.time, dt.timedelta)
_PLAIN = (
    pl.Boolean, pl.String, pl.Date, pl.Float32, pl.Float64,
    pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64,
)  # fmt: skip


@dataclass(frozen=True)
class Table:
    """A table, and what was guessed or repaired on the way.

    Attributes
    ----------
    frame : polars.DataFrame
        Its columns; their names are distinct, stripped of spaces, and never empty.
    notes : tuple of str
        What was guessed or repaired, a sentence each.
    first_row : int
        Line of the file where the first row of data stands, where lines are known; otherwise 1.
    decimal : {".", ","}
        The decimal mark the file used. A later part of the same data is read with the same mark,
        because a part may be too small to tell.
    """

    frame: pl.DataFrame
    notes: tuple[str, ...] = ()
    first_row: int = 1
    decimal: str = "."


def name_columns(
    columns: Sequence[pl.Series], names: Sequence[str]
) -> tuple[pl.DataFrame, list[str]]:
    """Make a table under the names its file states, once they can be told apart.

    Spaces around names go, columns without name and values go, columns without name are called
    by their place (``column_3``), and a name seen before gets a number (``a``, ``a_2``). The same
    names always end up the same.

    Parameters
    ----------
    columns : sequence of polars.Series
        The values.
    names : sequence of str
        One name for each column, as the file states it.

    Returns
    -------
    frame : polars.DataFrame
        The table under its names.
    notes : list of str
        What was changed.

    Raises
    ------
    DatasetError
        If no column is left, there are too many, or a name is too long.

    Examples
    --------
    >>> frame, notes = name_columns([pl.Series([1]), pl.Series([2])], [" a", "a"])
    >>> frame.columns
    ['a', 'a_2']
    """
    notes = []
    stripped = [name.strip() for name in names]
    if stripped != list(names):
        notes.append("spaces around column names were removed")
    kept = [place for place, name in enumerate(stripped) if name or not _is_blank(columns[place])]
    if len(kept) < len(stripped):
        n = len(stripped) - len(kept)
        were = (
            "column without name and values was"
            if n == 1
            else ("columns without name and values were")
        )
        notes.append(f"{n:,} {were} left out")
    _check_names([stripped[place] for place in kept])
    stated = set(stripped)
    final = tell_apart([stripped[place] or _place_name(place, stated) for place in kept])
    for place, name in zip(kept, final, strict=True):
        if name != stripped[place] and len(notes) < 20:
            was = f"{_short(stripped[place])} was there twice" if stripped[place] else "had no name"
            notes.append(f"column {place + 1} {was} and is called {_short(name)}")
    named = [columns[place].alias(name) for place, name in zip(kept, final, strict=True)]
    return pl.DataFrame(named), notes


def tell_apart(names: Iterable[str]) -> list[str]:
    """Give names that come again a number: ``a``, ``a`` become ``a``, ``a_2``.

    Parameters
    ----------
    names : iterable of str
        Names in order.

    Returns
    -------
    list of str
        As many names, all different.

    Examples
    --------
    >>> tell_apart(["a", "a", "a_2"])
    ['a', 'a_3', 'a_2']
    """
    names = list(names)
    taken, used, times = set(names), set(), dict.fromkeys(names, 1)
    final = []
    for name in names:
        new = name
        while new in used or (new != name and new in taken):
            times[name] += 1
            new = f"{name}_{times[name]}"
        used.add(new)
        final.append(new)
    return final


def _place_name(place: int, taken: set[str]) -> str:
    name = f"column_{place + 1}"
    while name in taken:
        name += "_"
    return name


def to_frame(x: object) -> pl.DataFrame:
    """Turn any table in memory into a Polars frame of plain columns.

    The columns of the result are yes/no, whole numbers, floats, text, dates or times of day in
    UTC; categories are text, lengths of time are seconds, periods are their first moment. Columns
    of mixed Python values become numbers if all are numbers and text otherwise, as a CSV file
    would hold them. Rows keep their order and an index is ignored.

    Parameters
    ----------
    x : data frame, array of shape (n, columns), or list
        A data frame of pandas, Polars, or of any kind that narwhals knows; a 2-D array; a list of
        rows, each a list or a dict. The columns of arrays and lists are ``x0``, ``x1``, ….

    Returns
    -------
    polars.DataFrame
        A table of plain columns.

    Raises
    ------
    InputError
        If it is no table, two columns share a name, or a column holds what is no plain value.

    Examples
    --------
    >>> to_frame([[1, "a"], [2.5, None]]).dtypes
    [Float64, String]
    """
    named = _columns_of(x)
    names = [name.strip() or f"column_{place}" for place, (name, _) in enumerate(named, start=1)]
    _check_names(names, InputError)
    if len(set(names)) < len(names):
        again, _ = Counter(names).most_common(1)[0]
        raise InputError(
            "columns with names of their own",
            got=f"{_short(again)} twice",
            hint="rename one of them",
        )
    columns = (column.alias(name) for name, (_, column) in zip(names, named, strict=True))
    return pl.DataFrame([to_plain(column) for column in columns])


def from_values(name: str, values: Sequence[Any]) -> pl.Series:
    """Make a column of Python values: numbers if all are numbers, text if they are mixed.

    Parameters
    ----------
    name : str
        Name of the column.
    values : sequence
        Text, numbers, yes/no, dates, times; ``None``, ``nan``, ``NaT`` and ``NA`` are missing.

    Returns
    -------
    polars.Series
        The column.

    Raises
    ------
    InputError
        If a value is none of these.

    Examples
    --------
    >>> from_values("a", [1, "x", None, 2.0]).to_list()
    ['1', 'x', None, '2.0']
    """
    kinds = set(map(type, values))
    if any(issubclass(kind, np.generic) for kind in kinds):
        values = [_python(value) for value in values]
        kinds = set(map(type, values))
    if not kinds <= {str, int, bool, type(None)}:
        values = [None if _is_missing(value) else value for value in values]
        kinds = set(map(type, values))
    kinds.discard(type(None))
    strange = next((kind for kind in kinds if not issubclass(kind, _WRITTEN)), None)
    if strange is not None:
        raise _not_plain(name, f"a value of type {strange.__name__}")
    try:
        return _typed(name, values, kinds)
    except (ValueError, OverflowError, TypeError) as error:
        raise InputError(
            f"values in {_short(name)} that can be numbers or text",
            got=f"{type(error).__name__}: {error}"[:200],
            hint="leave the column out, or convert it first",
        ) from None  # fmt: skip


def _typed(name: str, values: Sequence[Any], kinds: set[type]) -> pl.Series:
    def all_are(*wanted: type) -> bool:
        return bool(kinds) and all(issubclass(kind, wanted) for kind in kinds)

    if all_are(bool):
        return pl.Series(name, values, dtype=pl.Boolean)
    if all_are(int) and not any(issubclass(kind, bool) for kind in kinds) and _fits(values):
        return pl.Series(name, values, dtype=pl.Int64)
    if all_are(int, float, decimal.Decimal) and bool not in kinds and kinds != {int}:
        floats = [None if value is None else float(value) for value in values]
        return pl.Series(name, floats, dtype=pl.Float64)
    if all_are(dt.date) and not all_are(dt.datetime) and dt.datetime not in kinds:
        return pl.Series(name, values, dtype=pl.Date)
    if all_are(dt.date):
        return pl.Series(name, list(map(_moment, values)), dtype=pl.Datetime("us"))
    if all_are(dt.timedelta):
        return pl.Series(name, [None if v is None else v.total_seconds() for v in values])
    if all_are(dt.time):
        return to_plain(pl.Series(name, values, dtype=pl.Time))
    texts = values if kinds <= {str} else [None if v is None else str(v) for v in values]
    return pl.Series(name, texts, dtype=pl.String)


def _fits(values: Sequence[Any]) -> bool:
    return all(value is None or -(2**63) <= value < 2**63 for value in values)


def _moment(value: dt.date | None) -> dt.datetime | None:
    if isinstance(value, dt.datetime):
        # as naive UTC; a pandas timestamp would warn about its nanoseconds
        utc = value.astimezone(dt.UTC) if value.tzinfo else value
        return dt.datetime(
            utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second, utc.microsecond
        )
    return dt.datetime(value.year, value.month, value.day) if value is not None else None


def _python(value: Any) -> Any:
    """Turn a NumPy number into Python's own."""
    if isinstance(value, np.datetime64 | np.timedelta64):
        # .item() gives whole nanoseconds as a number without unit
        return value.astype(f"{value.dtype.kind}8[us]").item()
    if isinstance(value, np.longdouble):
        return float(value)
    return value.item() if isinstance(value, np.generic) else value


def _is_missing(value: Any) -> bool:
    # NA of pandas cannot be compared to itself and is known by its name
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | decimal.Decimal) and value != value


def _columns_of(x: Any) -> list[tuple[str, pl.Series]]:
    if isinstance(x, pl.LazyFrame):
        x = x.collect()
    if isinstance(x, pl.DataFrame):
        return [(column.name, column) for column in x.get_columns()]
    if nw.dependencies.is_pandas_dataframe(x):
        names = map(_name_of, x.columns)
        return [(name, _from_pandas(name, x.iloc[:, i])) for i, name in enumerate(names)]
    native = nw.from_native(x, pass_through=True)
    if isinstance(native, nw.LazyFrame):
        native = native.collect(backend="polars")
    if isinstance(native, nw.DataFrame):
        return _columns_of(native.to_polars())
    if isinstance(x, list | tuple):
        return _from_rows(x)
    if hasattr(x, "__array__") and hasattr(x, "shape"):
        return _from_array(x if isinstance(x, np.ndarray) else np.asarray(x))
    hint = "give x.toarray()" if hasattr(x, "toarray") else "give a data frame or a 2-D array"
    raise InputError("a table", got=f"a {type(x).__name__}", hint=hint)


def _name_of(name: Any) -> str:
    return (
        "_".join(map(str, name)) if isinstance(name, tuple) else "" if name is None else str(name)
    )


def _from_rows(rows: Sequence[Any]) -> list[tuple[str, pl.Series]]:
    if rows and all(isinstance(row, Mapping) for row in rows):
        keys = dict.fromkeys(key for row in rows for key in row)
        return [(str(k), from_values(str(k), [row.get(k) for row in rows])) for k in keys]
    if not rows or not all(isinstance(row, list | tuple | np.ndarray) for row in rows):
        raise InputError(
            "rows, each a list or a dict",
            got=f"a list of {type(rows[0]).__name__}" if rows else "an empty list",
            hint="give a data frame or a 2-D array",
        )  # fmt: skip
    for place, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise InputError(
                f"{len(rows[0])} values in each row, as in row 0",
                got=f"{len(row)} in row {place}",
                hint="give None where a value is missing",
            )
    columns = zip(*rows, strict=True)
    return [(f"x{i}", from_values(f"x{i}", column)) for i, column in enumerate(columns)]


def _from_array(x: np.ndarray) -> list[tuple[str, pl.Series]]:
    if x.ndim != 2:
        raise InputError(
            "a table of shape (rows, columns)",
            got=f"an array of shape {x.shape}",
            hint="reshape(-1, 1) makes one column, reshape(1, -1) one row" if x.ndim == 1 else "",
        )
    if isinstance(x, np.ma.MaskedArray):
        x = np.where(np.ma.getmaskarray(x), np.array(None), np.ma.getdata(x))
    return [(f"x{i}", _from_numpy(f"x{i}", x[:, i])) for i in range(x.shape[1])]


def _from_numpy(name: str, values: np.ndarray) -> pl.Series:
    kind = values.dtype.kind
    if kind in "mM":
        # Polars knows no unit but these, and a longer one would not fit nanoseconds
        unit = np.datetime_data(values.dtype)[0]
        return pl.Series(name, values if unit in ("us", "ns") else values.astype(f"{kind}8[ms]"))
    if kind == "f" and values.dtype.itemsize not in (4, 8):
        values = values.astype(np.float32 if values.dtype.itemsize < 4 else np.float64)
    if kind in "biuf":
        native = values.astype(values.dtype.newbyteorder("="), copy=False)
        return pl.Series(name, np.ascontiguousarray(native))
    if kind in "OU":
        return from_values(name, values.tolist())
    raise _not_plain(name, f"{values.dtype}")


def _from_pandas(name: str, column: Any) -> pl.Series:
    dtype = column.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "biufmM":
        return _from_numpy(name, column.to_numpy())
    if hasattr(dtype, "categories"):
        texts = pl.Series(name, [str(label) for label in dtype.categories], dtype=pl.String)
        codes = pl.Series(column.cat.codes.to_numpy().astype(np.int64))
        return texts.gather(codes.set(codes < 0, None))
    if str(dtype).startswith("period"):
        return _from_numpy(name, column.dt.to_timestamp().to_numpy())
    if getattr(dtype, "tz", None) is not None:
        return _from_numpy(name, column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy())
    values = column.to_numpy(dtype=object).copy()
    values[column.isna().to_numpy()] = None
    return from_values(name, values.tolist())


def to_plain(column: pl.Series) -> pl.Series:
    """Bring a column to one of the plain types: yes/no, number, text, date or time of day in UTC.

    Parameters
    ----------
    column : polars.Series
        Any column. Categories become text, lengths of time and times of day seconds, NaN missing.

    Returns
    -------
    polars.Series
        The plain column.

    Raises
    ------
    InputError
        If it is nested or of raw bytes.

    Examples
    --------
    >>> to_plain(pl.Series(["a", "b"], dtype=pl.Categorical)).dtype
    String
    """
    dtype = column.dtype
    if dtype == pl.Object:
        return from_values(column.name, column.to_list())
    if isinstance(dtype, pl.Datetime):
        is_naive = dtype.time_zone is None
        return column if is_naive else column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    if isinstance(dtype, pl.Duration):
        return _seconds(
            column.cast(pl.Int64), {"ms": 10**3, "us": 10**6}.get(dtype.time_unit, 10**9)
        )
    if dtype == pl.Time:
        return _seconds(column.cast(pl.Int64), 10**9)
    if isinstance(dtype, pl.Categorical | pl.Enum | pl.Null):
        return column.cast(pl.String)
    if dtype.is_numeric() and dtype not in _PLAIN:
        column = column.cast(pl.Float64)  # decimals, 16-bit floats and 128-bit whole numbers
    if column.dtype not in _PLAIN:
        raise _not_plain(column.name, f"{dtype}")
    return column.fill_nan(None) if column.dtype.is_float() else column


def _seconds(ticks: pl.Series, per_second: int) -> pl.Series:
    # whole seconds apart, or Polars, which divides by multiplying, gives 60.00000000000001
    return ticks // per_second + (ticks % per_second) / per_second


def _check_names(names: Sequence[str], error: Callable[..., InputError] = DatasetError) -> None:
    if not names:
        raise error("a column or more", got="none")
    if len(names) > MAX_COLUMNS:
        raise error(f"at most {MAX_COLUMNS:,} columns", got=f"{len(names):,}")
    for place, name in enumerate(names, start=1):
        if len(name) > MAX_NAME_LENGTH:
            raise error(
                f"column names of at most {MAX_NAME_LENGTH:,} characters",
                got=f"{len(name):,} in column {place}: {_short(name)}",
                hint="is the first row data? then give --no-header",
            )


def _is_blank(column: pl.Series) -> bool:
    if column.dtype == pl.String:
        return bool(column.str.strip_chars().str.len_bytes().fill_null(0).max() in (0, None))
    return column.null_count() == len(column)


def _not_plain(name: str, got: str) -> InputError:
    return InputError(
        f"numbers, text, yes/no, dates or times in column {_short(name)}",
        got=got,
        hint="leave the column out, or split it into plain ones",
    )


def _short(name: str) -> str:
    return repr(name if len(name) <= 80 else name[:79] + "…")
