"""Estimators that design their own networks: from any table to a fitted ensemble."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from fathom.data.audit import audit
from fathom.data.cells import quoted
from fathom.data.columns import infer_columns
from fathom.data.parsing import ParsedTable, parse_table
from fathom.data.schema import Column, ColumnKind, Schema, TableInput, Target
from fathom.data.splitting import Fold
from fathom.data.survey import Survey
from fathom.errors import InputError
from fathom.loading import Later
from fathom.search.design import Design, Plan, design
from fathom.search.material import Grown
from fathom.search.replay import replay
from fathom.search.rounds import Rounds, as_rounds, design_in_rounds
from fathom.search.tried import Tried
from fathom.training.monitor import Deadline, Monitor

LOOKED_AT = 200  # rows that tell whether a table may be nothing but text


def refuse_compressed(estimator: object, purpose: str) -> None:
    """Refuse a model that was made smaller, whose networks are no longer those of its search.

    Raises
    ------
    InputError
        If it is one.
    """
    if hasattr(estimator, "compression_"):
        raise InputError(
            f"a model as its search left it, {purpose}", got="one that was compressed afterwards",
            hint="give the model it was made from",
        )  # fmt: skip


def describe_table(
    frame: pl.DataFrame, kinds: Mapping[str, ColumnKind] | None, *, has_names: bool
) -> tuple[TableInput, ParsedTable, tuple[str, ...]]:
    """Infer what the columns are and parse them; return notes on what was guessed beside it."""
    given: dict[str, ColumnKind] = {}
    if not has_names:  # an array of numbers holds numbers, whatever they look like
        for column in frame.iter_columns():
            if column.dtype.is_numeric() and column.drop_nulls().n_unique() > 1:
                given[column.name] = "number"
    given |= dict(kinds or {})
    columns, notes = infer_columns(frame, given)
    for name in (described.name for described in columns if described.kind == "picture"):
        raise InputError(
            "one target and a training begun anew, for pictures in a table",
            got=f"column {quoted(name)} of pictures in a search on columns",
            hint=f"leave it out with --kind {quoted(name)}=identifier",
        )
    parsed = parse_table(frame, columns, is_named=has_names)
    return TableInput(columns=columns, is_named=has_names), parsed, notes


def is_prose(columns: Sequence[Column]) -> bool:
    """Tell whether all that is used of a table is text."""
    used = [column.kind for column in columns if column.is_used]
    return bool(used) and set(used) == {"text"}


def read_prose(
    frame: pl.DataFrame, kinds: Mapping[str, ColumnKind] | None, *, has_names: bool
) -> tuple[TableInput, ParsedTable] | None:
    """Return what a table is and its rows where all that is used of it is text, else None.

    Parameters
    ----------
    frame : polars.DataFrame
        The table.
    kinds : mapping of str to str, or None
        Overrules what columns are taken for.
    has_names : bool
        Whether its columns have names of their own.
    """
    if frame.width == 0 or pl.String not in frame.dtypes:
        return None
    try:
        some = infer_columns(frame.head(LOOKED_AT), dict(kinds or {}))[0]
    except InputError:  # a few rows may be all alike where the others are not
        return None
    if not is_prose(some):  # which is quickly seen of most tables
        return None
    table, parsed, _ = describe_table(frame, kinds, has_names=has_names)
    return (table, parsed) if is_prose(table.columns) else None


class Searched(NamedTuple):
    """A search as it stands, from which it can go on.

    Attributes
    ----------
    schema : Schema
        What goes in and out.
    design : Design
        The ensemble.
    tried : tuple of Tried
        Every candidate.
    folds : tuple of Fold
        How rows were divided.
    n_rows : int
        Rows it was given.
    grown : dict of int to trees
        The trees of each fold.
    """

    schema: Schema
    design: Design
    tried: tuple[Tried, ...]
    folds: tuple[Fold, ...]
    n_rows: int
    grown: Grown


class Searching(NamedTuple):
    """A search that is not over: what goes in and out, and its ensemble as it stands."""

    schema: Schema
    design: Design


class Given(NamedTuple):
    """What a search is given besides the table itself."""

    target: Target
    y: np.ndarray
    weight: np.ndarray
    groups: np.ndarray | None = None
    order: np.ndarray | None = None


def search_anew(
    frame: pl.DataFrame,
    given: Given,
    kinds: Mapping[str, ColumnKind] | None,
    *,
    has_names: bool,
    seed: int,
    monitor: Monitor | None,
    deadline: Deadline,
    tell: Callable[[TableInput], None] | None = None,
    keep: Callable[[Searching], None] | None = None,
    executor: object = None,
    look_beyond: Callable[[tuple[Column, ...]], Survey] | None = None,
) -> Searched:
    """Infer what the columns are, tell it, and search for networks, here or with workers.

    Where the rows are a sample, ``look_beyond`` is given their columns and says what all rows hold.
    """
    rounds = as_rounds(executor)
    _rows_that_count(given.weight)  # before columns of one row are called constant
    table, parsed, notes = describe_table(frame, kinds, has_names=has_names)
    if tell is not None:
        tell(table)
    plan = Plan(seed)
    if look_beyond is not None:
        found = look_beyond(table.columns)
        table = table.model_copy(update={"columns": found.columns})
        parsed = parse_table(frame, found.columns, is_named=has_names)
        notes, plan = (*notes, *found.notes), replace(plan, beyond=found.beyond)
    schema = Schema(input=table, target=given.target)
    notes = (*notes, *parsed.notes)
    return _search(schema, parsed, given, plan, notes, monitor, deadline, keep, rounds)


def search_on(
    frame: pl.DataFrame,
    given: Given,
    schema: Schema,
    before: Searched | Design,
    *,
    monitor: Monitor | None,
    deadline: Deadline,
    keep: Callable[[Searching], None] | None = None,
) -> Searched:
    """Go on with a search on the same rows.

    Parameters
    ----------
    before : Searched or Design
        The search as it stood, or the ensemble that was kept of it.
    keep : callable, optional
        Given the model as it stands now and then.

    Raises
    ------
    InputError
        If the rows or the target are not those of the first search.
    """
    found = before.design if isinstance(before, Searched) else before
    n_rows = before.n_rows if isinstance(before, Searched) else found.n_rows
    parsed = _parse_again(frame, given, schema, n_rows)
    if isinstance(before, Searched):
        plan = Plan(
            found.seed, earlier=before.tried, folds=before.folds, grown=before.grown,
            record=found.record,
        )  # fmt: skip
    else:
        plan = Plan(found.seed, earlier=found)
    return _search(schema, parsed, given, plan, found.report.notes, monitor, deadline, keep)


def _parse_again(frame: pl.DataFrame, given: Given, schema: Schema, n_rows: int) -> ParsedTable:
    """Parse the table of an earlier search, once rows and target can be those it had."""
    table = schema.input
    is_same = isinstance(table, TableInput) and schema.target == given.target
    if not is_same or frame.height != n_rows:
        raise InputError(
            f"the {n_rows:,} rows and the target of the first fit, to go on with it or replay it",
            got=f"{frame.height:,} rows" if is_same else "another target",
            hint="fit the same table again, or begin anew",
        )
    assert isinstance(table, TableInput)
    return parse_table(frame, table.columns, is_named=table.is_named)


def replay_search(
    frame: pl.DataFrame,
    given: Given,
    schema: Schema,
    found: Design,
    *,
    monitor: Monitor | None = None,
) -> tuple[Design, ParsedTable]:
    """Train the networks of a model again, step by step as they were; see `replay`.

    Parameters
    ----------
    frame : polars.DataFrame
        The features the search was given.
    given : Given
        What it was given besides.
    schema, found : Schema, Design
        The model.
    monitor : Monitor, optional
        Told of every epoch and every network, and asked whether to stop.

    Returns
    -------
    tuple of Design and ParsedTable
        The model anew, and the rows.

    Raises
    ------
    InputError
        If the model does not record enough, or these are not the rows it was trained on.
    TrainingError
        If it was stopped before every network was trained.
    """
    parsed = _parse_again(frame, given, schema, found.n_rows)
    rows = _rows_that_count(given.weight)
    again = replay(
        found, parsed.take(rows), given.y[rows], given.weight[rows].astype(np.float32),
        _rows_of(given.groups, rows), _rows_of(given.order, rows), monitor=monitor,
    )  # fmt: skip
    return again, parsed


def _search(
    schema: Schema,
    parsed: ParsedTable,
    given: Given,
    plan: Plan,
    notes: tuple[str, ...],
    monitor: Monitor | None,
    deadline: Deadline,
    keep: Callable[[Searching], None] | None,
    rounds: Rounds | None = None,
) -> Searched:
    y, weight = given.y, given.weight
    rows, n_rows = _rows_that_count(weight), len(weight)
    if len(rows) < n_rows:
        parsed, y, weight = parsed.take(rows), y[rows], weight[rows]
    plan = replace(plan, groups=_rows_of(given.groups, rows), order=_rows_of(given.order, rows))
    warnings = Later(lambda: () if plan.earlier else audit(
        parsed, schema.target, y,
        is_grouped=plan.groups is not None, is_ordered=plan.order is not None,
    ))  # fmt: skip

    def noted(found: Design) -> Design:
        every = (*notes, *warnings.result(), *found.report.notes)
        report = found.report.model_copy(update={"notes": every})
        return replace(found, report=report, n_rows=n_rows)

    rows_given = parsed, schema.target, y, weight.astype(np.float32), plan
    if rounds is None:
        found, strategy = design(
            *rows_given, deadline=deadline, monitor=monitor, at_first_epoch=warnings.begin,
            keep=None if keep is None else lambda found: keep(Searching(schema, noted(found))),
        )  # fmt: skip
    else:
        warnings.begin()
        found, strategy = design_in_rounds(
            *rows_given, rounds, deadline=deadline, monitor=monitor
        )  # fmt: skip
    found = noted(found)
    material = strategy.material
    return Searched(
        schema, found, tuple(strategy.tried), material.folds, n_rows, dict(material.grown)
    )


def _rows_that_count(weight: np.ndarray) -> np.ndarray:
    rows = np.flatnonzero(weight > 0)
    if len(rows) < 2:
        raise InputError(
            "at least 2 rows of weight above 0", got=f"{len(rows)} sample{'s' * (len(rows) != 1)}",
            hint="give more rows, or weights above 0",
        )  # fmt: skip
    return rows


def _rows_of(array: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return None if array is None else array[rows]


def unit_mean(weight: np.ndarray) -> np.ndarray:
    """Return weights with mean 1 over the rows that have any, as float32."""
    weight = weight / weight.max()  # so that no sum overflows
    return np.asarray(weight / weight[weight > 0].mean(), np.float32)


def class_weights(y: np.ndarray, classes: tuple[object, ...], asked: Any) -> np.ndarray:
    """Return the weight of each row by its class.

    Parameters
    ----------
    y : numpy.ndarray
        Class numbers.
    classes : tuple
        The classes.
    asked : "balanced", mapping of class to weight, or None
        ``balanced`` weighs classes by n / (classes · rows of the class).

    Raises
    ------
    InputError
        For a class that is not there, or a weight that is not 0 or more.
    """
    if asked is None:
        return np.ones(len(y))
    counts = np.bincount(y, minlength=len(classes))
    if isinstance(asked, str):
        if asked != "balanced":
            raise InputError(
                "class_weight 'balanced', a mapping or None", got=repr(asked),
                hint="'balanced' makes rare classes count as much as common ones",
            )  # fmt: skip
        return np.asarray((len(y) / (len(classes) * np.maximum(counts, 1)))[y])
    if not isinstance(asked, Mapping):
        raise InputError(
            "class_weight 'balanced', a mapping or None", got=repr(asked)[:80],
            hint="'balanced' makes rare classes count as much as common ones",
        )  # fmt: skip
    unknown = [key for key in asked if key not in classes]
    if unknown:
        raise InputError(
            f"class weights for classes of y: {classes[:5]}", got=repr(unknown[0]),
            hint="name classes as they stand in y",
        )  # fmt: skip
    each = np.array([float(asked.get(name, 1.0)) for name in classes])
    if not (np.isfinite(each).all() and (each >= 0).all()):
        raise InputError("class weights of 0 or more", got=f"{each.min():g}")
    return each[y]
