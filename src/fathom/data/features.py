"""Features: a parsed table as one matrix that a network's first layer takes apart again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from fathom.data.parsing import ParsedTable, lacks_picture
from fathom.data.schema import Column
from fathom.data.sketches import QuantileSketch
from fathom.data.splitting import folds_at, place_by_chance
from fathom.data.views import NumberViews, View
from fathom.errors import InputError

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

FEW_CODES = 10  # codes up to which a category is told by one-hot alone
MOST_CODES = 1001  # codes a category may have in the network: missing and the 1000 most frequent
MOST_TARGET_MEANS = 10  # classes up to which a category is also told by the classes' shares
PRIOR_WEIGHT = 10.0  # rows the overall mean counts for in the mean of a category
INNER_FOLDS = 5
TREE_COLUMNS = 300  # columns up to which trees place bins; above it there are no tree bins
TEXT_HASHES = 2**14
TEXT_PARTS = 32
TEXT_ROWS = 20_000  # texts that the directions are found on
DATE_CYCLES = ((12.0, "month"), (7.0, "weekday"), (24.0, "hour"))
N_DATE_PARTS = 4  # month, day, weekday, hour


class Layout(NamedTuple):
    """How many columns of each sort the matrix has: numbers, then plain ones, then codes."""

    n_numbers: int
    n_plain: int
    codes: tuple[int, ...]

    @property
    def width(self) -> int:
        """Columns in all."""
        return self.n_numbers + self.n_plain + len(self.codes)


class TextParts(NamedTuple):
    """Directions in the space of hashed character n-grams that texts differ most along."""

    weight: np.ndarray  # of each n-gram, shape (hashes,): rare ones count more
    parts: np.ndarray  # (hashes, parts), scaled so that each has spread 1 in training


@dataclass(frozen=True)
class TableEncoding:
    """What is learned from training rows about how to show a table to a network.

    Attributes
    ----------
    columns : tuple of Column
        The columns.
    numbers : tuple of NumberViews
        One for each number: number columns, the parts of dates, and means of the target.
    means : dict of int to numpy.ndarray
        For the position of each category column of many categories: mean of the target for each
        code, shape (codes, outputs).
    texts : dict of int to TextParts
        For the position of each text column: its directions.
    layout : Layout
        The columns of the matrix.
    """

    columns: tuple[Column, ...]
    numbers: tuple[NumberViews, ...]
    means: dict[int, np.ndarray]
    texts: dict[int, TextParts]
    layout: Layout

    @classmethod
    def fit(
        cls,
        parsed: ParsedTable,
        y: np.ndarray,
        n_classes: int,
        seed: int,
        beyond: Mapping[str, QuantileSketch] | None = None,
    ) -> tuple[Self, np.ndarray]:
        """Learn from training rows only.

        Parameters
        ----------
        parsed : ParsedTable
            Training rows.
        y : numpy.ndarray
            Class numbers, shape (n,), or numbers or labels, shape (n, outputs).
        n_classes : int
            Number of classes; 0 where the target is numbers or labels.
        seed : int
            Seed of noise, samples and inner folds.
        beyond : mapping of str to QuantileSketch, optional
            By name of a column of numbers or dates, its values in training rows that are not in
            memory.

        Returns
        -------
        tuple of TableEncoding and numpy.ndarray
            The encoding, and the means of the target for the training rows themselves, shape
            (n, means), each worked out from rows of other inner folds.

        Raises
        ------
        InputError
            If no column can be used.

        References
        ----------
        Micci-Barreca (2001), SIGKDD Explorations 3(1), 27-32: means of the target, drawn towards
        the overall mean where a category is rare.
        """
        shown = _shown_target(y, n_classes)
        means, held_out = {}, []
        for position, column in enumerate(parsed.columns):
            if has_means(column, n_classes):
                codes = _codes(column, parsed.values[position])
                means[position] = _target_means(codes, shown, n_codes(column))
                held_out.append(_inner_means(codes, shown, n_codes(column), seed))
        texts = {
            position: _fit_text(parsed.values[position], seed)
            for position, column in enumerate(parsed.columns)
            if column.kind == "text"
        }
        others = np.hstack(held_out) if held_out else np.zeros((parsed.n_rows, 0))
        raw = [*_plain_numbers(parsed), *others.T]
        single = y if y.ndim == 1 else y[:, 0]
        aim = single if len(raw) <= TREE_COLUMNS else None
        known = beyond or {}
        sketches = [known.get(name) if name else None for name in _plain_names(parsed.columns)]
        sketches += [None] * (len(raw) - len(sketches))
        numbers = tuple(
            NumberViews.fit(x, aim, is_classes=n_classes > 0, seed=seed + number, beyond=sketch)
            for number, (x, sketch) in enumerate(zip(raw, sketches, strict=True))
        )
        layout = layout_of(parsed.columns, others.shape[1])
        if layout.width == 0:
            raise InputError(
                "a column that differs from row to row",
                got="only constant columns and identifiers",
                hint="overrule a kind, for example --kind column=category",
            )
        return cls(parsed.columns, numbers, means, texts, layout), others

    def with_thresholds(self) -> Self:
        """Return the encoding with the thresholds of all trees worked out, see `NumberViews`."""
        return replace(self, numbers=tuple(one.with_thresholds() for one in self.numbers))

    def encode(
        self, parsed: ParsedTable, view: View, means: np.ndarray | None = None
    ) -> np.ndarray:
        """Return rows as a matrix.

        Parameters
        ----------
        parsed : ParsedTable
            Rows of the same columns.
        view : str
            How numbers are shown; see `NumberViews`.
        means : numpy.ndarray, optional
            Means of the target to show in place of those learned, shape (n, means): for the
            training rows themselves, which must not see their own target.

        Returns
        -------
        numpy.ndarray
            Float32, shape (n, layout.width): numbers, plain columns, codes (0 for missing or
            unknown).
        """
        matrix = np.empty((parsed.n_rows, self.layout.width), np.float32)
        shown = means if means is not None else self.target_means(parsed)
        for number, x in enumerate([*_plain_numbers(parsed), *shown.T]):
            matrix[:, number] = self.numbers[number].show(x, view)
        at = self.layout.n_numbers
        for block in self._plain_blocks(parsed):
            matrix[:, at : at + block.shape[1]] = block
            at += block.shape[1]
        for column, values in zip(parsed.columns, parsed.values, strict=True):
            if column.kind in ("category", "yes_no"):
                matrix[:, at] = _codes(column, values)
                at += 1
        return matrix

    def target_means(self, parsed: ParsedTable) -> np.ndarray:
        """Return the learned means of the target for each row, shape (n, means)."""
        found = [
            means[_codes(parsed.columns[position], parsed.values[position])]
            for position, means in self.means.items()
        ]
        return np.hstack(found) if found else np.zeros((parsed.n_rows, 0))

    def _plain_blocks(self, parsed: ParsedTable) -> Iterator[np.ndarray]:
        for position, (column, values) in enumerate(
            zip(parsed.columns, parsed.values, strict=True)
        ):
            if column.kind in ("number", "date") and column.n_missing:
                yield np.isnan(values)[:, None].astype(np.float32)
            if column.kind == "picture" and column.n_missing:
                yield lacks_picture(values)[:, None].astype(np.float32)
            if column.kind == "date":
                yield _cycles(values)
            if column.kind == "text":
                weight, parts = self.texts[position]
                yield _hashed(values) @ (weight[:, None] * parts)


def with_trees(layout: Layout, n_tree_columns: int) -> Layout:
    """Return a layout with the columns of trees among the plain ones."""
    return layout._replace(n_plain=layout.n_plain + n_tree_columns)


def join_trees(matrix: np.ndarray, layout: Layout, columns: np.ndarray) -> np.ndarray:
    """Put the columns of trees in their place behind the plain ones."""
    at = layout.n_numbers + layout.n_plain
    return np.hstack([matrix[:, :at], columns.astype(np.float32), matrix[:, at:]])


def n_codes(column: Column) -> int:
    """Return how many codes a category has in the network, the one for missing included."""
    return min(len(column.categories) + 1, MOST_CODES)


def _codes(column: Column, values: np.ndarray) -> np.ndarray:
    """Return 0 for missing, unknown and too rare categories, and the others from 1."""
    codes = values.astype(np.int64) + 1
    return np.where(codes < n_codes(column), codes, 0) if len(column.categories) else 0 * codes


def has_means(column: Column, n_classes: int) -> bool:
    """Tell whether a column is also told by means of the target."""
    return (
        column.kind == "category" and n_codes(column) > FEW_CODES and n_classes <= MOST_TARGET_MEANS
    )


def n_shown(n_classes: int, n_outputs: int) -> int:
    """Return how many means of the target such a column has: of each class, or each output."""
    if n_classes == 0:
        return n_outputs
    return 1 if n_classes == 2 else n_classes


def layout_of(columns: tuple[Column, ...], n_means: int) -> Layout:
    """Return the columns of the matrix, given how many means of the target are among them."""
    n_numbers = sum(c.kind == "number" for c in columns) + n_means
    n_numbers += sum(1 + N_DATE_PARTS for c in columns if c.kind == "date")
    n_plain = sum(c.kind in ("number", "date", "picture") and c.n_missing > 0 for c in columns)
    n_plain += sum(2 * len(DATE_CYCLES) for c in columns if c.kind == "date")
    n_plain += sum(TEXT_PARTS for c in columns if c.kind == "text")
    codes = tuple(max(n_codes(c), 2) for c in columns if c.kind in ("category", "yes_no"))
    return Layout(n_numbers, n_plain, codes)


def _plain_numbers(parsed: ParsedTable) -> Iterator[np.ndarray]:
    """Return the numbers that are there without any target: columns, and parts of dates."""
    for column, values in zip(parsed.columns, parsed.values, strict=True):
        if column.kind == "number":
            yield values
        elif column.kind == "date":
            yield values
            parts = _date_parts(values)
            yield from parts.values()


def _plain_names(columns: tuple[Column, ...]) -> Iterator[str]:
    """Return for each of these numbers the column it is the value of; none for parts of dates."""
    for column in columns:
        if column.kind == "number":
            yield column.name
        elif column.kind == "date":
            yield from (column.name, *[""] * N_DATE_PARTS)


def _date_parts(days: np.ndarray) -> dict[str, np.ndarray]:
    is_missing = np.isnan(days)
    moment = np.where(is_missing, 0.0, days)
    date = np.floor(moment).astype("int64").astype("datetime64[D]")
    month = date.astype("datetime64[M]")
    parts = {
        "month": month.astype("int64") % 12.0,
        "day": (date - month).astype("int64") + 1.0,
        "weekday": (np.floor(moment) + 3) % 7,  # 1970-01-01 was a Thursday
        "hour": (moment - np.floor(moment)) * 24,
    }
    return {name: np.where(is_missing, np.nan, part) for name, part in parts.items()}


def _cycles(days: np.ndarray) -> np.ndarray:
    parts = _date_parts(days)
    angles = [2 * np.pi * np.nan_to_num(parts[name]) / period for period, name in DATE_CYCLES]
    return np.stack([f(angle) for angle in angles for f in (np.sin, np.cos)], axis=1)


def _shown_target(y: np.ndarray, n_classes: int) -> np.ndarray:
    """Return what the mean of the target is taken of, shape (n, outputs)."""
    if n_classes == 0:
        return y.reshape(len(y), -1).astype(np.float64)
    if n_classes == 2:
        return (y == 1)[:, None].astype(np.float64)
    return (y[:, None] == np.arange(n_classes)).astype(np.float64)


def _target_means(codes: np.ndarray, y: np.ndarray, n: int) -> np.ndarray:
    overall = y.mean(axis=0)
    counts = np.bincount(codes, minlength=n)[:, None]
    totals = np.stack([np.bincount(codes, column, minlength=n) for column in y.T], axis=1)
    return (totals + PRIOR_WEIGHT * overall) / (counts + PRIOR_WEIGHT)


def _inner_means(codes: np.ndarray, y: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Return for every row the mean of its category among rows of other inner folds."""
    means = np.tile(y.mean(axis=0), (len(y), 1))
    if len(y) < 2 * INNER_FOLDS:
        return means
    for fold in folds_at(place_by_chance(len(y), INNER_FOLDS, seed)):
        others, rows = fold.training, fold.held_out
        means[rows] = _target_means(codes[others], y[others], n)[codes[rows]]
    return means


def _hashed(texts: np.ndarray) -> "csr_matrix":
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import HashingVectorizer

    vectorizer = HashingVectorizer(
        n_features=TEXT_HASHES, analyzer="char_wb", ngram_range=(2, 4), alternate_sign=False
    )
    return vectorizer.transform(texts) if len(texts) else csr_matrix((0, TEXT_HASHES))


def _fit_text(texts: np.ndarray, seed: int) -> TextParts:
    from scipy.sparse import diags
    from sklearn.decomposition import TruncatedSVD

    rows = np.random.default_rng(seed).permutation(len(texts))[:TEXT_ROWS]
    counts = _hashed(texts[rows])
    occurs = np.asarray((counts > 0).sum(axis=0)).ravel()
    weight = np.log((1 + len(rows)) / (1 + occurs)) + 1
    weighted = counts @ diags(weight)
    n_parts = min(TEXT_PARTS, max(1, len(rows) - 1))
    with np.errstate(divide="ignore", invalid="ignore"):  # its share of a variance that is 0
        directions = TruncatedSVD(n_parts, random_state=seed).fit(weighted).components_.T
    spread = np.asarray(weighted @ directions).std(axis=0)
    parts = np.zeros((TEXT_HASHES, TEXT_PARTS))
    parts[:, :n_parts] = directions / np.where(spread > 1e-12, spread, 1)
    return TextParts(weight, parts)
