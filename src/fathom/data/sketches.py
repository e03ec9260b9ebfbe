"""Sketches: quantiles and frequent words of any number of rows, seen once, in little memory."""

import copy
import math
from collections.abc import Sequence

import numpy as np
import polars as pl

CAPACITY = 4096  # values of the highest level; three times as many in all, some 100 kB
SHRINKING = 2 / 3  # of a level's room, from each to the one below
LEAST_ROOM = 8
CHANCE = 1e-6  # that a rank is further off than `rank_error` says
MOST_WORDS = 20_000


class QuantileSketch:
    """Quantiles of values that are seen once.

    Values lie in levels, and one of level h stands for 2ʰ values. A level that is full is sorted,
    and every second of its values moves up, beginning with the first or the second by the toss of
    a coin. So a halving moves the rank of any number by 2ʰ, 0 or -2ʰ, with mean 0; after all of
    them a rank is off by more than t with a chance of at most 2 exp(-t² / 2 Σ 4ʰ) (Azuma).

    Parameters
    ----------
    seed : int
        Of the coins.
    capacity : int
        Values of the highest level; each below has room for two thirds of the one above it.

    Attributes
    ----------
    n : int
        Values seen, without missing ones.
    low, high : float
        The smallest and the largest of them, exactly.

    References
    ----------
    Karnin, Lang, Liberty (2016). Optimal quantile approximation in streams. arXiv:1603.05346.

    Examples
    --------
    >>> sketch = QuantileSketch()
    >>> sketch.update(np.arange(101.0))
    >>> sketch.quantiles([0, 0.25, 1]).tolist()
    [0.0, 25.0, 100.0]
    """

    def __init__(self, seed: int = 0, capacity: int = CAPACITY) -> None:
        self.n, self.low, self.high = 0, math.inf, -math.inf
        self._levels: list[np.ndarray] = [np.zeros(0)]
        self._squares = 0.0  # Σ 4ʰ over all halvings
        self._capacity, self._rng = capacity, np.random.default_rng(seed)

    @property
    def size(self) -> int:
        """Values that are held."""
        return sum(map(len, self._levels))

    def update(self, values: np.ndarray) -> None:
        """See further values, float64; NaN is passed over."""
        values = values[~np.isnan(values)]
        if len(values):
            self._see(len(values), float(values.min()), float(values.max()))
            self._levels[0] = np.concatenate([self._levels[0], values])
            self._make_room()

    def merge(self, other: "QuantileSketch") -> None:
        """See what another sketch has seen."""
        self._see(other.n, other.low, other.high)
        self._squares += other._squares
        for level, values in enumerate(other._levels):
            if level == len(self._levels):
                self._levels.append(np.zeros(0))
            self._levels[level] = np.concatenate([self._levels[level], values])
        self._make_room()

    def copy(self) -> "QuantileSketch":
        """Return a sketch that has seen the same."""
        return copy.deepcopy(self)

    def quantiles(self, shares: Sequence[float] | np.ndarray) -> np.ndarray:
        """Return the values below which these shares of all values lie; NaN where there are none.

        As long as nothing was halved they are those of `numpy.quantile`.
        """
        if not self.n:
            return np.full(len(shares), np.nan)
        values = np.concatenate(self._levels)
        weights = np.repeat(2.0 ** np.arange(len(self._levels)), list(map(len, self._levels)))
        order = np.argsort(values, kind="stable")
        values, weights = values[order], weights[order]
        ranks = np.cumsum(weights) - (weights + 1) / 2  # from 0, in the middle of those it is for
        ranks = np.concatenate([[0.0], ranks, [self.n - 1.0]])
        values = np.concatenate([[self.low], values, [self.high]])
        return np.interp(np.asarray(shares, np.float64) * (self.n - 1), ranks, values)

    def rank_error(self, chance: float = CHANCE) -> float:
        """Return by what share of all values a quantile's rank is off, except by this chance."""
        return math.sqrt(2 * math.log(2 / chance) * self._squares) / max(self.n, 1)

    def _see(self, n: int, low: float, high: float) -> None:
        self.n, self.low, self.high = self.n + n, min(self.low, low), max(self.high, high)

    def _make_room(self) -> None:
        for level in range(64):  # of which 2⁶⁴ values would need one more
            if level == len(self._levels):
                return
            depth = len(self._levels) - 1 - level
            if len(self._levels[level]) > max(self._capacity * SHRINKING**depth, LEAST_ROOM):
                self._halve(level)

    def _halve(self, level: int) -> None:
        # Higher levels are runs that are sorted already.
        values = np.sort(self._levels[level], kind="stable" if level else None)
        odd = len(values) % 2
        if level + 1 == len(self._levels):
            self._levels.append(np.zeros(0))
        kept = values[odd + int(self._rng.integers(2)) :: 2]
        self._levels[level + 1] = np.concatenate([self._levels[level + 1], kept])
        self._levels[level] = values[:odd]
        self._squares += 4.0**level


class WordCounts:
    """How often words come, seen once: exactly up to a number of words, then the frequent ones.

    Where there are more words than there is room for, the count of the first that finds none is
    taken from all, and those left with nothing are forgotten. So a count is at most n / (room + 1)
    too small, and a word that comes more often than that is among them.

    Parameters
    ----------
    room : int
        Words that are held.

    Attributes
    ----------
    n : int
        Words seen.
    most_lost : int
        By how much a count may be too small; 0 where all are exact.

    References
    ----------
    Misra, Gries (1982). Finding repeated elements. Agarwal and others (2012). Mergeable
    summaries. PODS.

    Examples
    --------
    >>> counts = WordCounts()
    >>> counts.update(pl.Series(["b", "a", "b", None]))
    >>> counts.words.rows()
    [('b', 2), ('a', 1)]
    """

    def __init__(self, room: int = MOST_WORDS) -> None:
        self.n = self.most_lost = 0
        self._room = room
        self._words = pl.DataFrame(schema={"word": pl.String, "n": pl.Int64})

    @property
    def words(self) -> pl.DataFrame:
        """The words and their counts ``n``, the most frequent first."""
        return self._words.sort("n", "word", descending=[True, False])

    def update(self, words: pl.Series) -> None:
        """See further words; null is passed over."""
        counts = words.drop_nulls().rename("word").value_counts(name="n")
        self._add(counts.with_columns(pl.col("n").cast(pl.Int64)), len(words) - words.null_count())

    def merge(self, other: "WordCounts") -> None:
        """See what another has seen."""
        self.most_lost += other.most_lost
        self._add(other._words, other.n)

    def _add(self, counts: pl.DataFrame, n: int) -> None:
        self.n += n
        joined = pl.concat([self._words, counts]).group_by("word").agg(pl.col("n").sum())
        if joined.height > self._room:
            taken = int(joined["n"].top_k(self._room + 1).min())  # type: ignore[arg-type]
            joined = joined.with_columns(pl.col("n") - taken).filter(pl.col("n") > 0)
            self.most_lost += taken
        self._words = joined
