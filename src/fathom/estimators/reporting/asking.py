"""Asking: a fitted model as a question to a table, read once however often it is asked."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from fathom.data.combinations import log_prior, probabilities
from fathom.data.illustrated import RowEncoding
from fathom.data.parsing import ParsedTable
from fathom.data.schema import Column, ImageInput, TableInput
from fathom.data.text import TextEncoding
from fathom.estimators.base import FathomEstimator
from fathom.estimators.reporting.sight import Sight, picture_numbers
from fathom.search.prediction import predict

DAY_MS = 86_400_000
MOST_COLUMNS = 60  # that are shuffled one by one; of more, those that go most with the predictions


@dataclass(frozen=True)
class Asker:
    """A model and rows, so that changed rows can be asked about without reading them again.

    Attributes
    ----------
    model : FathomEstimator
        The model.
    x : any
        The rows as they came: a frame, an array, or pictures.
    parsed : ParsedTable or None
        The same as arrays, where they are rows of a table.
    sight : Sight or None
        What the model makes of the pictures that rows of a table name.
    """

    model: FathomEstimator
    x: Any
    parsed: ParsedTable | None
    sight: Sight | None = None

    def __len__(self) -> int:
        return len(self.x) if self.parsed is None else self.parsed.n_rows

    @property
    def is_picture(self) -> bool:
        """Whether a row is a picture, or a recording, and nothing else."""
        return isinstance(self.model.schema_.input, ImageInput)

    @property
    def has_columns(self) -> bool:
        """Whether the rows have columns that can be shuffled; of one text alone all is known."""
        if self.parsed is None:
            return not self.is_picture
        n_used = sum(column.is_used for column in self.parsed.columns)
        return n_used > 1 or not isinstance(self.model.encoding_, TextEncoding)

    def outputs(self) -> np.ndarray:
        """Return what the model says of all rows, shape (rows, classes or outputs)."""
        return _as_shares(self.model, self.raw())

    def raw(self) -> np.ndarray:
        """Return the same before a prior is taken in: of factors, log p(row | combination)."""
        if self.parsed is None:
            return _say(self.model, self.x)
        everyone = np.arange(self.parsed.n_rows)
        return self._say_parsed(self.parsed, {
            place: np.where([value is None for value in values], -1, everyone)
            for place, values in self._pictures().items()
        })  # fmt: skip

    def _pictures(self) -> dict[int, np.ndarray]:
        assert self.parsed is not None
        pairs = zip(self.parsed.columns, self.parsed.values, strict=True)
        return {place: values for place, (c, values) in enumerate(pairs) if c.kind == "picture"}

    def _say_parsed(self, parsed: ParsedTable, pictures: dict[int, np.ndarray]) -> np.ndarray:
        if self.sight is not None:
            return self.sight.say(parsed, pictures)
        if isinstance(self.model.encoding_, TextEncoding):
            return _say(self.model, parsed)
        return self.model._require_finite(predict(self.model.design_, parsed))

    def table(self, rows: np.ndarray) -> pl.DataFrame:
        """Return some rows as a table of numbers, words and dates, without unused columns.

        Pictures stand in it as words that tell them apart.
        """
        if self.parsed is None:
            names = _names(self.model, np.asarray(self.x).shape[1])
            numbers = np.asarray(self.x, np.float64)[rows]
            return pl.DataFrame(dict(zip(names, numbers.T, strict=True)))
        pairs = zip(self.parsed.columns, self.parsed.values, strict=True)
        return pl.DataFrame(
            {column.name: _readable(column, values, rows) for column, values in pairs
             if column.is_used}
        )  # fmt: skip

    def answer(self, table: pl.DataFrame) -> np.ndarray:
        """Return what the model says of a table like that of `table`."""
        if self.parsed is None:
            has_names = hasattr(self.model, "feature_names_in_")
            said = _say(self.model, table if has_names else table.to_numpy())
            return _as_shares(self.model, said)
        columns, known, pictures = self.parsed.columns, self._pictures(), {}
        values = []
        for place, column in enumerate(columns):
            if place in known:
                words = table[column.name].fill_null("-1")
                pictures[place] = words.cast(pl.Int64).to_numpy()
                values.append(_gathered(known[place], pictures[place]))
            elif column.is_used:
                values.append(_unreadable(column, table[column.name]))
            else:
                values.append(np.zeros(0))
        is_unusual = np.zeros(table.height, bool)
        parsed = ParsedTable(columns, tuple(values), table.height, (), is_unusual)
        return _as_shares(self.model, self._say_parsed(parsed, pictures))


def read_rows(model: FathomEstimator, x: Any) -> Asker:
    """Read rows for a model, once."""
    if not isinstance(model.schema_.input, TableInput):
        return Asker(model, x, None)
    parsed = model._parse_rows(x)
    has_pictures = isinstance(model.encoding_, RowEncoding)
    return Asker(model, x, parsed, Sight(model, parsed) if has_pictures else None)


def _gathered(pictures: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Return the pictures of so many rows; None for -1."""
    found = np.empty(len(numbers), object)
    for place, number in enumerate(numbers.tolist()):
        found[place] = pictures[number] if number >= 0 else None
    return found


def _say(model: FathomEstimator, x: Any) -> np.ndarray:
    if model.schema_.target.factors:
        return np.asarray(model._predict_outputs(x), np.float64)
    ask = getattr(model, "predict_proba", None) or model.predict
    said = np.asarray(ask(x), np.float64)
    return said.reshape(len(said), -1)


def _as_shares(model: FathomEstimator, said: np.ndarray) -> np.ndarray:
    """Return of factors the probabilities under the model's prior; what was said, of others."""
    target = model.schema_.target
    if not target.factors:
        return said
    return probabilities(said, log_prior(target, getattr(model, "prior", "training")))


def _names(model: FathomEstimator, width: int) -> list[str]:
    names = getattr(model.schema_.input, "names", ())
    return list(names) or [f"x{place + 1}" for place in range(width)]


def _readable(column: Column, values: np.ndarray, rows: np.ndarray) -> pl.Series:
    """Return some of a column as a person reads it; what is missing is null."""
    if column.kind == "picture":
        return pl.Series(picture_numbers(values, rows), dtype=pl.String)
    values = values[rows]
    if column.kind in ("category", "yes_no"):
        # a sign for all others that no category can be
        words = pl.Series([*column.categories, "\N{REPLACEMENT CHARACTER}"], dtype=pl.String)
        known = pl.Series(values.astype(np.int64))
        return words.gather(known.replace(-1, None))
    if column.kind == "text":
        return pl.Series(values.tolist(), dtype=pl.String)
    numbers = pl.Series(values, dtype=pl.Float64).fill_nan(None)
    if column.kind == "date":
        return (numbers * DAY_MS).round().cast(pl.Int64).cast(pl.Datetime("ms"))
    return numbers


def _unreadable(column: Column, series: pl.Series) -> np.ndarray:
    """Return a readable column as the array it was made of."""
    if column.kind in ("category", "yes_no"):
        codes = {name: code for code, name in enumerate(column.categories)}
        other = len(column.categories)
        found = series.replace_strict(codes, default=other, return_dtype=pl.Int32)
        return np.where(series.is_null(), -1, found.fill_null(other).to_numpy()).astype(np.int32)
    if column.kind == "text":
        return np.asarray(series.fill_null("").to_numpy(), dtype=object)
    is_date = column.kind == "date"
    numbers = series.dt.epoch("ms").cast(pl.Float64) / DAY_MS if is_date else series
    return np.asarray(numbers.fill_null(float("nan")).to_numpy(), np.float64)


def narrowed(table: pl.DataFrame, outputs: np.ndarray, most: int = MOST_COLUMNS) -> list[str]:
    """Return the columns worth shuffling: of many, those that go most with the predictions."""
    if table.width <= most:
        return table.columns
    said = outputs - outputs.mean(axis=0)
    shares = [_explained(_codes(series), said) for series in table.iter_columns()]
    best = np.argsort(-np.asarray(shares), kind="stable")[:most]
    return [table.columns[place] for place in sorted(best.tolist())]


def _codes(series: pl.Series, n_bins: int = 10) -> np.ndarray:
    """Return groups of a column: tenths of numbers, the most frequent words."""
    ranks = series.rank("dense" if series.dtype == pl.String else "average")
    values = ranks.fill_null(0).to_numpy().astype(np.float64)
    top = float(values.max()) or 1.0
    return np.minimum(values / top * n_bins, n_bins - 1).astype(int)


def _explained(codes: np.ndarray, said: np.ndarray) -> float:
    """Return the share of the predictions' variance that groups explain."""
    counts = np.maximum(np.bincount(codes), 1)
    between = sum(float((np.bincount(codes, column) ** 2 / counts).sum()) for column in said.T)
    return between / (float((said**2).sum()) or 1.0)
