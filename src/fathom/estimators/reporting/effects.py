"""Effects: what each column of one row changes in what a model says, against its usual value."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from fathom.estimators.base import FathomEstimator
from fathom.estimators.reporting.asking import read_rows


@dataclass(frozen=True)
class ColumnEffect:
    """What one column of a row changes.

    Attributes
    ----------
    column : str
        Its name.
    here, usual : float, str, datetime or None
        Its value, and the one it usually has: the median, or the most frequent.
    change : float
        What is said of the row, less what would be said were the column as it usually is.
    """

    column: str
    here: Any
    usual: Any
    change: float


def column_effects(
    model: FathomEstimator, row: pl.DataFrame, known: pl.DataFrame, output: int
) -> tuple[ColumnEffect, ...]:
    """Say what each column of a row changes in an output of the whole model.

    Parameters
    ----------
    model : FathomClassifier or FathomRegressor
        A model of a table.
    row : polars.DataFrame
        The row, alone in its table.
    known : polars.DataFrame
        Rows that tell what is usual.
    output : int
        Number of the class whose probability is looked at, or of the number.

    Returns
    -------
    tuple of ColumnEffect
        Those that change most first; empty where a row has nothing but one text.
    """
    asker = read_rows(model, row)
    if not asker.has_columns or asker.parsed is None:
        return ()
    table, usual = asker.table(np.arange(1)), usual_row(model, known)
    names = [c.name for c in asker.parsed.columns if c.is_used and c.kind != "picture"]
    changed = pl.concat([table] * (len(names) + 1))
    changed = changed.with_columns(
        pl.when(pl.int_range(pl.len()) == place)
        .then(pl.lit(usual[name], dtype=table.schema[name]))
        .otherwise(pl.col(name))
        .alias(name)
        for place, name in enumerate(names, start=1)
    )
    said = asker.answer(changed)[:, output]
    found = [
        ColumnEffect(name, table[name][0], usual[name], float(said[0] - said[place]))
        for place, name in enumerate(names, start=1)
    ]
    return tuple(sorted(found, key=lambda one: -abs(one.change)))


def usual_row(model: FathomEstimator, known: pl.DataFrame) -> dict[str, Any]:
    """Return of each column the median, the most frequent word, or no text at all."""
    asker = read_rows(model, known)
    assert asker.parsed is not None
    kinds = {column.name: column.kind for column in asker.parsed.columns}
    table = asker.table(np.arange(known.height))
    return {name: _usual(table[name], kinds[name]) for name in table.columns}


def _usual(series: pl.Series, kind: str) -> Any:
    values = series.drop_nulls()
    if kind == "text" or not len(values):
        return None
    if series.dtype == pl.String:
        return values.mode().sort()[0]
    return values.median()
