"""Readings: the one way in which the text of a whole column is best read."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from fathom.data.cells import (
    DAY_FIRST,
    ISO_DATES,
    MONTH_FIRST,
    NAMED_MONTH,
    TIMES,
    are_impossible_dates,
    quoted,
    read_dates,
    to_keys,
    to_numbers,
    to_words,
)
from fathom.data.schema import MAX_CATEGORIES

MOSTLY = 0.95  # share of the values that must be readable
SAMPLE = 1000
FEW_TO_COUNT = 10_000
FEW_CATEGORIES = 1000  # with more than these, categories of one row count as "other"
FEW_ROWS = 20  # below, values that all differ say nothing about what they are
_NO_SPACES = r"[\x{3040}-\x{30ff}\x{3400}-\x{9fff}\x{ac00}-\x{d7af}\x{0e00}-\x{0eff}]"
_SEPARATED = r"\d,\d{3}|\d[\s'’]\d{3}"
_DATE_LIKE = (
    r"^(?:\d{4}[-/.]\d{1,2}(?:[-/.]\d{1,2})?|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2})|\d{8})"
    r"(?:$|[ Tt])"
    r"|^(?:[A-Za-z]{3},? )?\d{1,2}[- ][A-Za-z]{3,9}[- ]\d{2,4}|^[A-Za-z]{3,9} (?:\d{1,2},? )?\d{4}"
)


@dataclass(frozen=True)
class Reading:
    """How far the cells of a column can be read as numbers or dates.

    Attributes
    ----------
    style : str
        How they are written, as `to_numbers` and `to_days` take it.
    values : polars.Series
        What is read; null where nothing is.
    rows_unread : polars.Series
        Rows in which something is written that cannot be read.
    missing_words : tuple of str
        The one word that stands in those rows, if it is one.
    doubts : tuple of str
        What is not certain, in words.
    """

    style: str
    values: pl.Series
    rows_unread: pl.Series
    missing_words: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def first_cell(cells: pl.Series) -> str:
    """Return the first value that is there, for a message."""
    return quoted(next(iter(cells.drop_nulls().head(1)), ""))


def find_unread(cells: pl.Series, values: pl.Series) -> pl.Series:
    """Return the rows in which something is written that was not read."""
    if values.null_count() == cells.null_count():  # a missing cell is never read
        return pl.Series([], dtype=pl.UInt32)
    return (values.is_null() & cells.is_not_null()).arg_true()


def sample_of(cells: pl.Series) -> pl.Series:
    """Return about a thousand of the values that are there, from all over the column."""
    present = cells.drop_nulls()
    return present.gather_every(max(1, len(present) // SAMPLE))


def is_mostly_read(n_unread: int, n_present: int) -> bool:
    """Whether few enough values are unread to call those mistakes; one of five may be."""
    return n_unread <= max((1 - MOSTLY) * n_present, 1 if n_present >= 5 else 0)


def count_distinct(numbers: pl.Series) -> int:
    """Count different numbers; few are counted in one thread, which takes less than to share."""
    if len(numbers) > FEW_TO_COUNT:
        return numbers.n_unique()
    return len(np.unique(numbers.to_numpy()))


def read_as_numbers(cells: pl.Series) -> Reading | None:
    """Read text as numbers in the style that reads most of it; None where it is none.

    Examples
    --------
    >>> read_as_numbers(pl.Series(["1,5", "2"])).style
    'decimal_comma'
    """
    sample = sample_of(cells)
    styles = ["plain"]
    is_plain = sample.cast(pl.Float64, strict=False).count() == len(sample)
    if not is_plain:
        if sample.str.contains(r"\d").sum() < 0.5 * len(sample):
            return None
        reads = {s: to_numbers(sample, s).count() for s in ("plain", "decimal_comma", "clock")}
        styles = [s for s, n in reads.items() if n >= 0.5 * len(sample)]
        if not styles:
            return None
    found = {style: to_numbers(cells, style) for style in styles}
    style = max(styles, key=lambda s: found[s].count())
    values = found[style]
    rows = find_unread(cells, values)
    if is_mostly_read(len(rows), cells.count()):
        if style == "plain" and not is_plain and cells.str.contains(_SEPARATED).any():
            style = "thousands"
        return Reading(style, values, rows)
    words = cells.gather(rows)
    is_one_word = words.n_unique() == 1 and not words.str.contains(r"\d").any()
    if is_one_word and len(rows) <= 0.5 * cells.count() and values.n_unique() > 20:
        return Reading(style, values, rows, (str(words[0]),))
    return None


def read_as_dates(cells: pl.Series) -> Reading | None:
    """Read text as dates, day or month first for the column as a whole; None where it is none.

    Examples
    --------
    >>> read_as_dates(pl.Series(["31/01/2024", "01/02/2024"])).style
    '%d/%m/%Y'
    """
    sample = sample_of(cells).unique()
    if sample.str.contains(_DATE_LIKE).sum() < 0.5 * len(sample):
        return None
    clear = _formats(sample, (*ISO_DATES, *NAMED_MONTH))
    by_day, by_month = _formats(sample, DAY_FIRST), _formats(sample, MONTH_FIRST)
    order = by_day
    is_ambiguous = False
    if by_month:
        n_by_day, n_by_month = (read_dates(cells, order).count() for order in (by_day, by_month))
        order = by_month if n_by_month > n_by_day else by_day
        is_ambiguous = n_by_month == n_by_day and "." not in order[0]
    style = _joined((*clear, *order))
    if not style:
        return None
    days = read_dates(cells, style.split("|"))
    rows = find_unread(cells, days)
    unread = cells.gather(rows)
    n_unread = len(rows) - int(are_impossible_dates(unread).sum())
    if not is_mostly_read(n_unread, cells.count()) or 2 * len(rows) > cells.count():
        return None
    doubts = _doubts(cells, style, bool(clear and order), is_ambiguous)
    return Reading(style, days, rows, doubts=doubts)


def _doubts(cells: pl.Series, style: str, is_mixed: bool, is_ambiguous: bool) -> tuple[str, ...]:
    doubts = [f"dates are written in more than one way ({style})"] if is_mixed else []
    if is_ambiguous:
        doubtful = cells.filter(cells.str.contains(r"^\d{1,2}[/-]").fill_null(False))
        doubts.append(f"{first_cell(doubtful)} may be day or month first; read as day first in all "
                      "rows; write dates as YYYY-MM-DD to be sure")  # fmt: skip
    return tuple(doubts)


def _formats(sample: pl.Series, dates: tuple[str, ...]) -> tuple[str, ...]:
    """Return the formats that read some of the sample, those that read most first."""
    has_colon = bool(sample.str.contains(":", literal=True).any())
    times = TIMES if has_colon else ("", " %H%M%S")
    counts = {date + t: read_dates(sample, [date + t]).count() for date in dates for t in times}
    return tuple(sorted((s for s, n in counts.items() if n), key=lambda s: -counts[s]))


def _joined(formats: tuple[str, ...]) -> str:
    style = ""
    for one in formats:
        longer = f"{style}|{one}" if style else one
        style = longer if len(longer) <= 100 else style
    return style


def group_words(cells: pl.Series) -> pl.DataFrame:
    """Count words, spellings of one word together: the most frequent word, ``n``, ``spellings``."""
    return join_spellings(to_words(cells.drop_nulls()).rename("word").value_counts(name="n"))


def join_spellings(counts: pl.DataFrame) -> pl.DataFrame:
    """Count spellings of one word together, from each ``word`` and how often, ``n``, it comes."""
    counts = counts.with_columns(to_keys(counts["word"]).alias("key"))
    counts = counts.sort("n", "word", descending=[True, False])
    if counts["key"].n_unique() == len(counts):
        return counts.with_columns(spellings=pl.lit(1))
    grouped = counts.group_by("key", maintain_order=True).agg(
        pl.col("word").first(), pl.col("n").sum(), pl.len().alias("spellings")
    )
    return grouped.sort("n", "word", descending=[True, False])


def choose_categories(groups: pl.DataFrame) -> pl.DataFrame:
    """Return the words that are told apart: all where they are few, else those that come again."""
    if len(groups) <= FEW_CATEGORIES:
        return groups
    kept = groups.filter(pl.col("n") > 1).head(MAX_CATEGORIES)
    return kept if len(kept) else groups.head(FEW_CATEGORIES)


def words_each(words: pl.Series) -> float:
    """Return the mean number of words; in scripts without spaces, two signs are one."""
    sample = sample_of(words)
    counts = sample.str.count_matches(r"\S+").cast(pl.Float64)
    signs = sample.str.count_matches(_NO_SPACES).cast(pl.Float64)
    return float((counts + signs / 2).mean())  # type: ignore[arg-type]


def is_text(n: int, n_distinct: int, n_words: float) -> bool:
    """Whether words are free text rather than names of categories."""
    share = n_distinct / n
    return (
        (n_words >= 4 and share >= 0.5 and n_distinct >= 5)
        or (n_words >= 3 and share >= 0.3 and n_distinct >= FEW_ROWS)
        or (n_words >= 2 and share >= 0.8 and n_distinct >= FEW_ROWS)
        or (n_words >= 6 and n_distinct >= 100)
    )
