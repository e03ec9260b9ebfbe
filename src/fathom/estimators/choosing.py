"""Which way a table goes: pictures beside columns, texts alone, or a search on its columns."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import polars as pl

from fathom.data.encoding import Standardization
from fathom.data.illustrated import RowEncoding
from fathom.data.parsing import join_texts
from fathom.data.schema import ColumnKind, Schema
from fathom.data.text import TextEncoding
from fathom.estimators.designing import Given, read_prose
from fathom.estimators.illustrated import (
    FoundForRows,
    RowPredictor,
    find_illustrated,
    search_illustrated,
)
from fathom.estimators.predicting import Predictor
from fathom.estimators.prose import FoundForTexts, TextPredictor, search_texts
from fathom.nn.architecture import Architecture
from fathom.nn.network import Network
from fathom.training.monitor import Deadline, Monitor

AnyEncoding: TypeAlias = Standardization | TextEncoding | RowEncoding
AnyPredictor: TypeAlias = Predictor | TextPredictor | RowPredictor


def search_apart(
    frame: pl.DataFrame,
    kinds: Mapping[str, ColumnKind] | None,
    given: Given,
    seed: Callable[[], int],
    *,
    has_names: bool,
    monitor: Monitor | None,
    deadline: Deadline,
) -> FoundForRows | FoundForTexts | None:
    """Find a network where a table names pictures or is nothing but text; None for any other.

    Parameters
    ----------
    frame : polars.DataFrame
        The features.
    kinds : mapping of str to str, or None
        Overrules what columns are taken for.
    given : Given
        The target and what stands beside the features.
    seed : callable
        Returns the seed of every random choice; it is asked once, and not for any other table.
    has_names : bool
        Whether columns have names of their own.
    monitor : Monitor or None
        Told of what happens, and asked whether to stop.
    deadline : Deadline
        When to be done.
    """
    known = find_illustrated(frame, kinds)
    if known is not None:
        return search_illustrated(
            frame, known, given, seed(), has_names=has_names, monitor=monitor, deadline=deadline
        )
    prose = read_prose(frame, kinds, has_names=has_names)
    if prose is None:
        return None
    return search_texts(
        join_texts(prose[1]), given.y, prose[0], given.target, given.weight, seed(),
        monitor=monitor, deadline=deadline,
    )  # fmt: skip


def predictor_of(
    networks: tuple[Network, ...],
    schema: Schema,
    architecture: Architecture,
    encoding: AnyEncoding,
) -> AnyPredictor:
    """Return what predicts with networks, by how rows come to them."""
    if isinstance(encoding, RowEncoding):
        return RowPredictor(networks, architecture, encoding)
    if isinstance(encoding, TextEncoding):
        return TextPredictor(networks, encoding)
    return Predictor(networks, schema, architecture, encoding)
