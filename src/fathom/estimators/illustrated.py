"""Estimators of tables that name pictures: one network sees columns, texts and pictures at once."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from fathom.data.cells import listing, quoted, to_cells
from fathom.data.columns import infer_columns
from fathom.data.encoding import Standardization
from fathom.data.illustrated import RowEncoding
from fathom.data.parsing import ParsedTable, lacks_picture, parse_table
from fathom.data.pictures import LEAST_SIDE, MOST_OF_CELLS, find_picture_columns, survey
from fathom.data.schema import Column, ColumnKind, Schema, TableInput
from fathom.data.splitting import hold_out, make_folds
from fathom.errors import InputError
from fathom.estimators.aims import aim_of, fit_target_encoding
from fathom.estimators.defaults import output_layer
from fathom.estimators.designing import Given
from fathom.estimators.photographs import scaled, time_for
from fathom.estimators.predicting import average_outputs, sums_in_parts
from fathom.nn.architecture import Architecture
from fathom.nn.network import Network
from fathom.nn.xla import jax, jnp
from fathom.search.contest import Entry, Ground, Outcome, challenge, contest
from fathom.search.everything import LEAST_S, Learned, judge_and_learn, learn_side_by_side
from fathom.search.illustrating import VALIDATION, blind_entry, illustrated_entries
from fathom.search.picturing import SIZES, Size, choose_size
from fathom.training.history import History
from fathom.training.metrics import score_name
from fathom.training.monitor import Deadline, Monitor
from fathom.training.plan import Examples
from fathom.training.recipe import Recipe
from fathom.training.starts import n_workers

PICTURES_SHARE = 0.7  # of the time, for which pictures are sized
END_SHARE, END_S = 0.01, 0.5  # of the time, kept back for what follows the last step
TOGETHER_SHARE = 0.8  # of the time, for networks that see pictures
LEAST_LEFT_S = 0.5  # for the network that sees none


class FoundForRows(NamedTuple):
    """Everything that `FathomEstimator.restore` takes."""

    schema: Schema
    architecture: Architecture
    recipe: Recipe
    history: History
    networks: tuple[Network, ...]
    encoding: RowEncoding
    target_encoding: Standardization | None


class Illustrated(NamedTuple):
    """What the columns of a table that names pictures are, and what a person should know of it."""

    columns: tuple[Column, ...]
    notes: tuple[str, ...]


def find_illustrated(
    frame: pl.DataFrame, kinds: Mapping[str, ColumnKind] | None
) -> Illustrated | None:
    """Return what the columns of a table are where one of them names pictures, else None.

    Parameters
    ----------
    frame : polars.DataFrame
        The table; its paths go from the working directory.
    kinds : mapping of str to str, or None
        Overrules what columns are taken for.
    """
    given: dict[str, ColumnKind] = dict(kinds or {})
    if pl.String in frame.dtypes:
        found, _ = find_picture_columns(frame, given)
        given |= dict.fromkeys(found, "picture")
    if "picture" not in given.values():
        return None
    wrong = [name for name, kind in given.items() if kind == "picture" and name in frame.columns
             and frame[name].dtype != pl.String]  # fmt: skip
    if wrong:
        raise InputError(
            f"paths of pictures in column {quoted(wrong[0])}", got=str(frame[wrong[0]].dtype)
        )
    columns, notes = infer_columns(frame, given)
    return Illustrated(columns, notes) if any(c.kind == "picture" for c in columns) else None


def search_illustrated(
    frame: pl.DataFrame,
    known: Illustrated,
    given: Given,
    seed: int,
    *,
    has_names: bool,
    monitor: Monitor | None,
    deadline: Deadline,
    tell: Callable[[TableInput, tuple[str, ...]], None] | None = None,
) -> FoundForRows:
    """Read the pictures a table names at a size for which there is time, and find a network.

    Parameters
    ----------
    frame : polars.DataFrame
        The features.
    known : Illustrated
        What its columns are.
    given : Given
        The target and what stands beside the features.
    seed : int
        Seed of every random choice.
    has_names : bool
        Whether its columns have names of their own.
    monitor : Monitor or None
        Told of what happens, and asked whether to stop.
    deadline : Deadline
        When to be done.
    tell : callable, optional
        Given the table, once it is known how large its pictures are, and what is odd about it.
    """
    began = deadline.remaining()
    columns, size = _sized(frame, known.columns, deadline)
    parsed = _counted(parse_table(frame, columns, is_named=has_names))
    table = TableInput(columns=parsed.columns, is_named=has_names)
    if tell is not None:
        tell(table, (*known.notes, *parsed.notes))
    rows = np.flatnonzero(given.weight > 0)
    y, weight = given.y[rows], given.weight[rows].astype(np.float32)
    schema = Schema(input=table, target=given.target)
    ground, encoding, scale, entries, blind = _prepare(
        parsed.take(rows), y, weight, schema, size.width, seed, _beside(given, rows), deadline
    )
    reserve = END_S + END_SHARE * time_for(deadline)
    left = deadline.remaining()
    last = Deadline(max(left - reserve, 0.1)) if math.isfinite(left) else deadline
    found = _compete(entries, blind, ground, last, monitor or Monitor())
    seconds = began - deadline.remaining() if math.isfinite(began) else 0.0
    return _concluded(found, schema, encoding, scale, seconds)


def _sized(
    frame: pl.DataFrame, columns: tuple[Column, ...], deadline: Deadline
) -> tuple[tuple[Column, ...], Size]:
    """Choose how large the pictures of each column are to be."""
    places = [n for n, column in enumerate(columns) if column.kind == "picture"]
    paths = [
        tuple(Path(text) for text in to_cells(frame[columns[n].name]).drop_nulls())
        for n in places
    ]  # fmt: skip
    surveyed = [survey(found) if found else (1, LEAST_SIDE) for found in paths]
    native = max(side for _, side in surveyed)
    n_pictures = max(1, sum(map(len, paths)))
    seconds = PICTURES_SHARE * time_for(deadline)
    size = choose_size(n_pictures, max(native, LEAST_SIDE), seconds)
    for side, width in reversed(SIZES):  # as large as memory allows
        if n_pictures * 3 * size.side**2 <= MOST_OF_CELLS:
            break
        size = Size(min(size.side, side), min(size.width, width))
    chosen = list(columns)
    height, width = scaled((1, 1), size.side)
    for n, (channels, _) in zip(places, surveyed, strict=True):
        chosen[n] = columns[n].model_copy(update={"shape": (height, width, channels)})
    return tuple(chosen), size


def _counted(parsed: ParsedTable) -> ParsedTable:
    """Count the rows without a picture, so that a flag tells of them."""
    columns = []
    for column, values in zip(parsed.columns, parsed.values, strict=True):
        if column.kind == "picture":
            n_missing = int(lacks_picture(values).sum())
            if n_missing == parsed.n_rows:
                raise InputError(
                    f"pictures in column {quoted(column.name)}",
                    got=f"none that can be read; {listing(parsed.notes, 1)}",
                    hint=f"leave the column out with --kind {quoted(column.name)}=identifier",
                )
            column = column.model_copy(update={"n_missing": n_missing})
        columns.append(column)
    return ParsedTable(
        tuple(columns), parsed.values, parsed.n_rows, parsed.notes, parsed.is_unusual
    )  # fmt: skip


class _Beside(NamedTuple):
    groups: np.ndarray | None
    order: np.ndarray | None


def _beside(given: Given, rows: np.ndarray) -> _Beside:
    return _Beside(*(None if x is None else x[rows] for x in (given.groups, given.order)))


def _part(
    n: int, fraction: float, seed: int, classes: np.ndarray | None, beside: _Beside
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return rows that train, and rows that judge."""
    if beside.groups is None and beside.order is None:
        return hold_out(n, fraction, seed, classes)
    fold = make_folds(
        n, 1, fraction, seed, classes=classes, groups=beside.groups, order=beside.order
    )[0]
    return fold.training, fold.held_out


def _prepare(
    parsed: ParsedTable,
    y: np.ndarray,
    weight: np.ndarray,
    schema: Schema,
    width: int,
    seed: int,
    beside: _Beside,
    deadline: Deadline,
) -> tuple[Ground, RowEncoding, Standardization | None, tuple[Entry, ...], Entry | None]:
    """Return what networks learn from, how it is shown to them, and which of them compete."""
    target = schema.target
    output, loss = output_layer(schema)
    is_classes = target.task == "classes"
    training, held_out = _part(len(y), VALIDATION, seed, y if is_classes else None, beside)
    scale = Standardization.fit(y[training]) if target.task == "numbers" else None
    shown = y if scale is None else scale.encode(y).astype(np.float64)
    encoding, means = RowEncoding.fit(parsed, training, shown, len(target.classes), seed)
    entries = illustrated_entries(
        encoding, width, output, loss, len(training), seed, time_for(deadline)
    )
    architecture = entries[0].architecture
    scale = fit_target_encoding(architecture, target, y[training])
    aim = aim_of(y, architecture, target, scale)
    parts = tuple(jnp.asarray(part) for part in encoding.encode(parsed, means))
    examples = Examples(parts, jnp.asarray(aim), jnp.asarray(weight))
    judges = None
    if held_out is not None:
        judges = jax.tree.map(lambda part: part[held_out], examples)
    blind = blind_entry(encoding, output, loss, len(training), seed)
    return Ground(examples, training, judges), encoding, scale, entries, blind


def _compete(
    entries: tuple[Entry, ...],
    blind: Entry | None,
    ground: Ground,
    deadline: Deadline,
    monitor: Monitor,
) -> Learned:
    """Train networks that see everything, then one that sees no pictures; return the best."""
    found = _see_all(entries, ground, deadline.share(TOGETHER_SHARE), monitor)
    if blind is None or ground.held_out is None or monitor.should_stop():
        return found
    if deadline.remaining() < LEAST_LEFT_S:
        return found
    before = Outcome(found.entry, found.networks[0], found.starts)
    after = challenge(before, blind, ground, deadline=deadline, monitor=monitor)
    if after.entry is blind:
        return Learned(blind, (after.network,), after.starts, (after.kept,))
    return replace(found, starts=after.starts)


def _see_all(
    entries: tuple[Entry, ...], ground: Ground, deadline: Deadline, monitor: Monitor
) -> Learned:
    """Train the best of networks that see everything, one a core where there is time for that."""
    watch: Any = {"deadline": deadline, "monitor": monitor}
    if ground.held_out is None or not LEAST_S <= deadline.remaining() < math.inf:
        found = contest(entries, ground, **watch)
        return Learned(found.entry, (found.network,), found.starts, (len(found.starts) - 1,))
    if len(entries) > 1:
        return judge_and_learn(entries, ground, ground.training, keeps_judges=True, **watch)
    return learn_side_by_side(entries[0], ground, n_workers(), **watch)


def _concluded(
    found: Learned,
    schema: Schema,
    encoding: RowEncoding,
    scale: Standardization | None,
    seconds: float,
) -> FoundForRows:
    history = History(
        starts=found.starts,
        kept=found.kept,
        score_name=score_name(found.entry.architecture.output_activation),
        seconds=seconds,
    )
    return FoundForRows(
        schema, found.entry.architecture, found.entry.recipe, history, found.networks, encoding,
        scale,
    )  # fmt: skip


class RowPredictor:
    """Outputs of networks for rows of columns, texts and pictures, averaged.

    Parameters
    ----------
    networks : tuple of Network
        The networks.
    architecture : Architecture
        What they have in common.
    encoding : RowEncoding
        How rows are shown.
    """

    def __init__(
        self, networks: tuple[Network, ...], architecture: Architecture, encoding: RowEncoding
    ) -> None:
        self.networks, self.encoding = networks, encoding
        self._architecture = architecture

    def outputs_of(self, parsed: ParsedTable) -> np.ndarray:
        """Return the outputs for rows of a table, float64 of shape (rows, outputs)."""

        def encode(begin: int, end: int) -> np.ndarray:
            some = np.arange(begin, min(end, parsed.n_rows))
            return self.encoding.encode_rows(parsed.take(some))

        parts: Iterator[tuple[int, list[np.ndarray]]] = sums_in_parts(
            self.networks, self._architecture, encode, parsed.n_rows
        )
        return average_outputs(parts, self._architecture, parsed.n_rows)


def refuse_illustrated(encoding: object, purpose: str, hint: str) -> None:
    """Refuse a model of a table that names pictures.

    Raises
    ------
    InputError
        If it is one.
    """
    if isinstance(encoding, RowEncoding):
        raise InputError(
            f"a model of a table without pictures, {purpose}",
            got="one that sees the pictures its rows name", hint=hint,
        )  # fmt: skip
