"""Targets: what is predicted, its task and its values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import polars as pl

from fathom.data.cells import (
    MISSING,
    counted,
    first_row,
    is_nothing,
    listing,
    nearest,
    quoted,
    to_cells,
    to_numbers,
    to_words,
)
from fathom.data.combinations import join_factors
from fathom.data.readings import find_unread, first_cell, read_as_dates, read_as_numbers
from fathom.data.schema import MAX_CLASSES, Factor, Label, Target, Task
from fathom.errors import InputError

AskedTask: TypeAlias = Literal["auto"] | Task
MOST_INFERRED_CLASSES = 20  # of whole numbers; more are taken for counts or measures
MANY_CLASSES = 1000
CLASS_WORDS = ("none", "nil", "-")  # missing elsewhere, but a class where they are frequent
FREQUENT = 0.02
_WHOLE = r"^[+-]?(?:0|[1-9]\d{0,17})(?:\.0*)?$"
_CODE = r"^[+-]?0\d|\d{16}"  # digits that floats would not keep


@dataclass(frozen=True)
class ParsedTarget:
    """What is predicted, as arrays.

    Attributes
    ----------
    target : Target
        What it is.
    values : numpy.ndarray
        ``classes``: int64 class numbers, shape (n,); ``labels``: 0 and 1 as float64, (n, labels);
        ``numbers``: float64, (n, numbers).
    rows : numpy.ndarray
        Numbers of the rows that are kept; all of them unless rows without a target are dropped.
    notes : tuple of str
        What was inferred and how to overrule it, in words.
    """

    target: Target
    values: np.ndarray
    rows: np.ndarray
    notes: tuple[str, ...] = ()


def choose_target(
    frame: pl.DataFrame, names: str | Sequence[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Part a table into features and target.

    Parameters
    ----------
    frame : polars.DataFrame
        The table.
    names : str or sequence of str
        The columns to predict.

    Returns
    -------
    tuple of polars.DataFrame
        The features and the target.

    Raises
    ------
    InputError
        If a column is not there (the nearest are named) or nothing is left to predict from.

    Examples
    --------
    >>> features, target = choose_target(pl.DataFrame({"a": [1], "b": [2]}), "b")
    >>> features.columns, target.columns
    (['a'], ['b'])
    """
    names = [names] if isinstance(names, str) else list(names)
    present = set(frame.columns)
    for name in names:
        if name not in present:
            raise InputError(
                "a target that is a column of the table",
                got=quoted(name),
                hint=nearest(name, frame.columns) or f"it has {listing(frame.columns)}",
            )
    if not names or len(set(names)) < len(names):
        raise InputError("one target, or several different ones", got=listing(names) or "none")
    if len(names) == frame.width:
        raise InputError("columns to predict from besides the target", got="none", hint="add some")
    return frame.drop(names), frame.select(names)


def _infer(cells: pl.Series) -> tuple[Literal["classes", "numbers"], str]:
    """Infer the task, and say why where it is not plain.

    Words, yes/no, two different values, and whole numbers of at most 20 kinds that come often are
    classes; all else that is a number is a number.
    """
    if cells.dtype == pl.Boolean:
        return "classes", ""
    if cells.dtype == pl.String:
        reading = read_as_numbers(cells) if cells.count() else None
        if not reading or reading.missing_words or _has_leading_zeros(cells):
            return "classes", ""
        values = reading.values
    elif cells.dtype == pl.Datetime:
        return "numbers", ""
    else:
        values = to_numbers(cells)
    values = values.drop_nulls()
    n_distinct = values.n_unique()
    if not bool((values == values.floor()).all()):
        return "numbers", ""
    if n_distinct <= 2:
        return "classes", ""
    each = len(values) / n_distinct
    is_run = values.min() in (0, 1) and values.max() == values.min() + n_distinct - 1  # type: ignore[operator]
    what = f"{n_distinct:,} different whole numbers"
    if n_distinct <= MOST_INFERRED_CLASSES and (each >= 20 or (is_run and each >= 5)):
        return "classes", f"{what} are taken as classes; --task numbers predicts a number"
    if n_distinct <= (200 if each >= 5 else MOST_INFERRED_CLASSES):
        return "numbers", f"{what} are taken as numbers; --task classes predicts one of them"
    return "numbers", ""


def _has_leading_zeros(cells: pl.Series) -> bool:
    return bool(cells.str.contains(r"^0\d+$").any())


def parse_target(
    y: pl.Series | pl.DataFrame | np.ndarray,
    task: AskedTask = "auto",
    *,
    drop_missing: bool = False,
) -> ParsedTarget:
    """Find out what is predicted, and turn it into numbers.

    Parameters
    ----------
    y : polars.Series, polars.DataFrame or numpy.ndarray
        The target: one column, or several for labels or several numbers.
    task : {"auto", "classes", "labels", "numbers"}
        What it is; ``auto`` finds out and says so.
    drop_missing : bool
        Whether rows without a target are left out rather than refused.

    Returns
    -------
    ParsedTarget
        The target and its values. Classes come back as they were given: yes/no values as bool,
        text as text, whole numbers as int, even where they are written as text or as floats.

    Raises
    ------
    InputError
        If values are missing, infinite or no numbers where numbers are asked for, if there is one
        class only, or a number is the same in every row.

    Examples
    --------
    >>> parsed = parse_target(pl.Series("sold", ["1.0", "0", "1"]))
    >>> parsed.target.classes, parsed.values
    ((0, 1), array([1, 0, 1]))
    """
    if task not in ("auto", "classes", "labels", "numbers"):
        raise InputError("a task: auto, classes, labels or numbers", got=quoted(task))
    frame, is_flat = _to_frame(y)
    names = tuple(name for name in frame.columns if not name.startswith("\0"))
    columns = [_cells(series) for series in frame.iter_columns()]
    _refuse_dates(columns)
    rows = _rows_with_target(frame, columns, drop_missing)
    notes = [] if len(rows) == frame.height else [
        f"{counted(frame.height - len(rows), 'row')} left out, having no target"
    ]  # fmt: skip
    columns = [cells.gather(rows) for cells in columns]
    if task == "auto":
        task, note = _infer_several(columns)
        notes += [f"target {_name(columns[0])}: {note}"] * bool(note)
    if task == "classes":
        target, values, more = _parse_classes(columns, names, rows)
    elif task == "labels":
        target, values, more = _parse_labels(columns, names, rows)
    else:
        target, values, more = _parse_numbers(columns, names, rows, is_flat)
    return ParsedTarget(target, values, rows, (*notes, *more))


def _name(cells: pl.Series) -> str:
    return quoted(cells.name) if cells.name and not cells.name.startswith("\0") else "y"


def _to_frame(y: pl.Series | pl.DataFrame | np.ndarray) -> tuple[pl.DataFrame, bool]:
    """Bring a target to a frame; columns without a name get one that begins with NUL."""
    if isinstance(y, pl.DataFrame):
        if not y.width:
            raise InputError("a target", got="a table without columns")
        return y, y.width == 1
    if isinstance(y, pl.Series):
        return (y if y.name else y.alias("\x000")).to_frame(), True
    if y.ndim not in (1, 2) or 0 in y.shape[1:]:
        raise InputError("a target of shape (n,) or (n, columns)", got=f"shape {y.shape}")
    flat = [y] if y.ndim == 1 else list(y.T)
    series = [_from_array(array).alias(f"\0{i}") for i, array in enumerate(flat)]
    return pl.DataFrame(series), y.ndim == 1


def _from_array(array: np.ndarray) -> pl.Series:
    if array.dtype == np.float16:
        return pl.Series(array.astype(np.float32))
    if array.dtype != object:
        return pl.Series(np.ascontiguousarray(array))
    values = [value.item() if isinstance(value, np.generic) else value for value in array]
    values = [None if is_nothing(value) else value for value in values]
    types = {type(value) for value in values if value is not None}
    if types in ({bool}, {int}, {float}, {int, float}, {str}):
        return pl.Series(values, strict=False)
    return pl.Series(values, dtype=pl.Object)


def _cells(y: pl.Series) -> pl.Series:
    """Bring a target to cells; words such as "none" stay where they are frequent."""
    cells = to_cells(y)
    if cells.dtype != pl.String or not cells.null_count():
        return cells
    words = y.cast(pl.String) if y.dtype != pl.Object else None
    if words is None or read_as_numbers(cells):
        return cells
    words = words.str.strip_chars()
    lower = words.str.to_lowercase()
    frequent = [word for word in CLASS_WORDS if (lower == word).sum() >= max(2, FREQUENT * len(y))]
    is_class = lower.is_in(pl.Series(frequent, dtype=pl.String).implode()).fill_null(False)
    return words.zip_with(is_class, cells)


def _refuse_dates(columns: list[pl.Series]) -> None:
    for cells in columns:
        dates = read_as_dates(cells) if cells.dtype == pl.String and cells.count() else None
        if cells.dtype == pl.Datetime or (dates and dates.values.n_unique() > 20):
            raise InputError(
                "a target of classes or numbers",
                got=f"dates in {_name(cells)}, such as {first_cell(to_words(cells))}",
                hint="choose another target, or turn the dates into numbers such as days",
            )


def _rows_with_target(
    frame: pl.DataFrame, columns: list[pl.Series], drop_missing: bool
) -> np.ndarray:
    """Return the rows that have a target, or refuse if some have none."""
    is_missing = np.zeros(frame.height, bool)
    for cells in columns:
        is_missing |= cells.is_null().to_numpy()
    rows = np.flatnonzero(~is_missing)
    if not frame.height:
        raise InputError("a target for each row", got="no rows")
    if not len(rows):
        raise InputError("a target", got="no value at all", hint="choose another column")
    if len(rows) < frame.height and not drop_missing:
        first = int(is_missing.argmax())
        written = [quoted(series[first], 20) for series in frame.iter_columns()]
        words = [word for word in written if word.lower() in MISSING and word != "None"]
        example = f", where it is '{words[0]}'" if words and words[0] else ""
        n = frame.height - len(rows)
        raise InputError(
            f"a target in every row of {', '.join(_name(cells) for cells in columns)}",
            got=f"{n:,} of {frame.height:,} rows without, the first in row {first + 1}{example}",
            hint="--drop-missing-target leaves them out",
        )
    return rows


def _infer_several(columns: list[pl.Series]) -> tuple[Task, str]:
    if len(columns) == 1:
        return _infer(columns[0])
    if all(_as_labels(cells) is not None for cells in columns):
        what = f"{len(columns)} columns of 0 and 1 are taken as labels, each on its own"
        return "labels", f"{what}; --task classes takes them as factors of one answer"
    are_classes = [_infer(cells)[0] == "classes" for cells in columns]
    words = [c for c in columns if c.dtype == pl.String and read_as_numbers(c) is None]
    if all(are_classes) and (words or all(cells.n_unique() == 2 for cells in columns)):
        what = f"{len(columns)} columns of classes are taken as factors of one answer"
        return "classes", f"{what}; name one column to predict it alone"
    if words:
        odd = columns[are_classes.index(False)]
        raise InputError(
            "several targets that are all numbers, or all classes",
            got=f"classes in {_name(words[0])} and numbers in {_name(odd)}",
            hint="predict them one at a time",
        )
    return "numbers", ""


_LABELS = {"1": 1.0, "true": 1.0, "yes": 1.0, "0": 0.0, "false": 0.0, "no": 0.0}


def _as_labels(cells: pl.Series) -> pl.Series | None:
    """Read a column as 0 and 1, or not at all."""
    if cells.dtype == pl.Datetime:
        return None
    words = cells if cells.dtype == pl.String else to_words(cells)
    words = words.str.to_lowercase().str.replace(r"\.0+$", "")
    labels = words.replace_strict(_LABELS, default=None, return_dtype=pl.Float64)
    return None if labels.null_count() else labels


def _parse_labels(
    columns: list[pl.Series], names: tuple[str, ...], rows: np.ndarray
) -> tuple[Target, np.ndarray, tuple[str, ...]]:
    found, constant = [], []
    for cells in columns:
        labels = _as_labels(cells)
        if labels is None:
            words = to_words(cells)
            known = words.str.to_lowercase().str.replace(r"\.0+$", "").is_in(list(_LABELS))
            wrong = (~known).arg_true().to_numpy()
            raise InputError(
                f"labels of 0 and 1 in {_name(cells)}",
                got=f"'{quoted(words[int(wrong[0])])}' {first_row(rows[wrong])}",
                hint="--task classes or --task numbers",
            )
        constant += [_name(cells)] * (labels.n_unique() == 1)
        found.append(labels.to_numpy())
    target = Target(task="labels", n_outputs=len(columns), is_flat=False, names=names)
    notes = (f"always the same, so nothing to learn: {listing(constant)}",) * bool(constant)
    return target, np.stack(found, axis=1), notes


def _parse_numbers(
    columns: list[pl.Series], names: tuple[str, ...], rows: np.ndarray, is_flat: bool
) -> tuple[Target, np.ndarray, tuple[str, ...]]:
    numbers = np.stack([_read_numbers(cells, rows) for cells in columns], axis=1)
    for cells, column in zip(columns, numbers.T, strict=True):
        if (column == column[0]).all():
            raise InputError(
                f"a target {_name(cells)} that differs from row to row",
                got=f"{column[0]:.6g} in all {len(column):,} rows",
                hint="choose another target, or more rows",
            )
    target = Target(task="numbers", n_outputs=len(columns), is_flat=is_flat, names=names)
    return target, numbers, ()


def _read_numbers(cells: pl.Series, rows: np.ndarray) -> np.ndarray:
    reading = read_as_numbers(cells) if cells.dtype == pl.String else None
    values = reading.values if reading else to_numbers(cells)
    wrong = find_unread(cells, values).to_numpy()
    hint = "correct or remove them, or --task classes"
    _refuse(f"a number in every row of {_name(cells)}", cells, rows, wrong, hint, mark="'")
    array = values.to_numpy()
    _refuse_infinite(cells, array, rows)
    return array


def _refuse_infinite(cells: pl.Series, array: np.ndarray, rows: np.ndarray) -> None:
    wrong = np.flatnonzero(~np.isfinite(array))
    _refuse(f"a finite target {_name(cells)}", cells, rows, wrong, "correct or remove them")


def _refuse(
    expected: str, cells: pl.Series, rows: np.ndarray, wrong: np.ndarray, hint: str, mark: str = ""
) -> None:
    """Refuse cells if there are wrong ones, naming the first."""
    if len(wrong):
        first = f"{mark}{quoted(cells[int(wrong[0])], 30)}{mark} {first_row(rows[wrong])}"
        raise InputError(expected, got=f"{first} ({len(wrong):,} such values)", hint=hint)


def _parse_classes(
    columns: list[pl.Series], names: tuple[str, ...], rows: np.ndarray
) -> tuple[Target, np.ndarray, tuple[str, ...]]:
    found: list[Factor] = []
    each: list[np.ndarray] = []
    notes: list[str] = []
    for place, cells in enumerate(columns, start=1):
        if cells.dtype.is_float():
            _refuse_infinite(cells, cells.to_numpy(), rows)
        values = _class_values(cells)
        if len(columns) > 1 and values.dtype.is_float():
            hint = "predict it alone, with --task numbers"
            raise InputError(f"classes in {_name(cells)}", got=f"numbers: {values[0]}", hint=hint)
        classes = values.unique().sort()
        _check_classes(cells, classes)
        labels: tuple[Label, ...] = tuple(classes.to_list())
        each.append(_class_numbers(values, classes))
        notes += _note_classes(cells, labels, each[-1])
        name = cells.name if cells.name in names else f"target {place}"
        found.append(Factor(name=name, classes=labels))
    if len(found) > 1:
        return *join_factors(found, np.stack(each, axis=1)), tuple(notes)
    return Target(task="classes", classes=labels, names=names), each[0], tuple(notes)


def _class_numbers(values: pl.Series, classes: pl.Series) -> np.ndarray:
    """Return the number of each value's class, -1 where it is none of them."""
    numbers = np.arange(len(classes))
    found = values.replace_strict(classes, numbers, default=-1, return_dtype=pl.Int64)
    return found.to_numpy()


def _class_values(cells: pl.Series) -> pl.Series:
    """Bring classes to their normal form: bool, int, float or text."""
    if cells.dtype == pl.String:
        if cells.str.contains(_WHOLE).all():
            digits = cells.str.replace(r"\.0*$", "").str.replace("+", "", literal=True)
            return digits.cast(pl.Int64)
        numbers = cells.cast(pl.Float64, strict=False)
        is_number = bool(numbers.is_finite().all()) and not numbers.null_count()
        return numbers if is_number and not cells.str.contains(_CODE).any() else to_words(cells)
    if cells.dtype.is_float():
        is_whole = bool((cells == cells.floor()).all()) and float(cells.abs().max()) < 2**63  # type: ignore[arg-type]
        return cells.cast(pl.Int64) if is_whole else cells + 0.0  # which makes -0 a 0
    if cells.dtype == pl.Boolean:
        return cells
    return cells.cast(pl.String if int(cells.max()) >= 2**63 else pl.Int64)  # type: ignore[arg-type]


def read_target(y: pl.Series | np.ndarray, target: Target) -> np.ndarray:
    """Read the classes of other rows, to compare with what is predicted for them.

    Parameters
    ----------
    y : polars.Series or numpy.ndarray
        Classes, written in any way that `parse_target` takes for the same.
    target : Target
        The target of training; its task is ``classes``.

    Returns
    -------
    numpy.ndarray
        int64 class numbers; -1 where a class is missing or not among those of training.

    Examples
    --------
    >>> target = parse_target(pl.Series([0, 1, 1])).target
    >>> read_target(pl.Series(["1.0", "0", "2", None]), target)
    array([ 1,  0, -1, -1])
    """
    series = y if isinstance(y, pl.Series) else _from_array(y)
    words = to_words(_cells(series))
    words = words.str.replace(r"^\+?(-?\d+)\.0*$", "$1")
    names = to_words(pl.Series(list(target.classes)))
    if target.classes in ((False, True), (0, 1)):
        words = words.str.to_lowercase()
        words = words.replace({"false": names[0], "true": names[1], "0": names[0], "1": names[1]})
    return _class_numbers(words, names)


def _check_classes(cells: pl.Series, classes: pl.Series) -> None:
    n, n_classes = len(cells), len(classes)
    if n_classes == 1:
        raise InputError(
            f"two classes or more in {_name(cells)}",
            got=f"'{quoted(classes[0])}' in all {n:,} rows",
            hint="choose another target, or rows of other classes too",
        )
    if n_classes > MAX_CLASSES or (n_classes == n and n > 2):
        raise InputError(
            f"classes in {_name(cells)} that come more than once",
            got=f"{n_classes:,} different ones in {n:,} rows",
            hint="choose another target, or --task numbers if they are numbers",
        )


def _note_classes(
    cells: pl.Series, labels: tuple[Label, ...], numbers: np.ndarray
) -> tuple[str, ...]:
    notes, name = [], _name(cells)
    counts = np.bincount(numbers, minlength=len(labels))
    single = [labels[i] for i in np.flatnonzero(counts == 1)]
    if single:
        what = "a class" if len(single) == 1 else f"{len(single):,} classes"
        notes.append(f"target {name}: {what} with one row only: {listing(single)}")
    frequent = [label for label in labels if str(label).lower() in CLASS_WORDS]
    if frequent:
        notes.append(f"target {name}: {listing(frequent)} is frequent and taken as a class of its "
                     "own, not as missing")  # fmt: skip
    if len(labels) >= MANY_CLASSES:
        notes.append(f"target {name}: {len(labels):,} classes, {len(numbers) / len(labels):.3g} "
                     "rows each; training is slow and needs many rows for each")  # fmt: skip
    if isinstance(labels[0], str):
        lower = pl.Series(labels).str.to_lowercase()
        twins = [label for label, is_twin in zip(labels, lower.is_duplicated(), strict=True)
                 if is_twin]  # fmt: skip
        if twins:
            notes.append(f"target {name}: classes that differ in case only are kept apart: "
                         f"{listing(twins)}")  # fmt: skip
    return tuple(notes)
