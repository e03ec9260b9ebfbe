"""Cells: what is written in the cells of a column, as numbers, days and words.

Everything here treats a cell in the same way in training and in prediction, and the same whether
it comes from a file (text) or from a data frame (typed).
"""

import difflib
from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl

from fathom.errors import InputError

MISSING = frozenset({
    "", "na", "n/a", "n.a.", "nan", "-nan", "nat", "null", "(null)", "<null>", "none", "nil",
    "<na>", "#n/a", "#na", "#n/a n/a", "#null!", "#value!", "#div/0!", "#ref!", "#name?", "#num!",
    "-", "--", "---", "–", "—", "?", "??", ".", "..", "...", "\\n",
    "1.#ind", "-1.#ind", "1.#qnan",
})  # fmt: skip
"""What counts as missing, compared without spaces around it and without case."""

YES_WORDS = frozenset({"true", "yes", "y", "t", "1"})
NO_WORDS = frozenset({"false", "no", "n", "f", "0"})
MAX_CELL_CHARS = 1000  # of a category or a class; longer ones are told apart by their beginning
YEARS = (1500, 2500)  # dates outside are stand-ins for "never" or mistakes
US_A_DAY = 86_400_000_000

_MISSING = pl.Series(sorted(MISSING), dtype=pl.String).implode()
_LONGEST_MISSING = max(len(word.encode()) for word in MISSING)
_NO_TEXT = pl.Series([None], dtype=pl.String)
_NO_NUMBER = pl.Series([None], dtype=pl.Float64)
_CODES = (
    r"USD|EUR|GBP|CHF|JPY|CNY|INR|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|BRL|MXN|ZAR|KRW|RUB|TRY|DM|"
    r"Rs\.?|kr\.?"
)
CURRENCY = rf"(?:[$€£¥₹₩₽₺]|(?:US|A|C|HK|R|S)\$|{_CODES})"
_GROUPED = r"\d{1,3}(?:[ \x{a0}\x{202f}\x{2009}]\d{3})+|\d{1,3}(?:['’]\d{3})+"
_THOUSANDS = (
    rf"^[+-]?(?:\d+|\d{{1,3}}(?:,\d{{2,3}})*,\d{{3}}|{_GROUPED})(?:\.\d*)?(?:[eE][+-]?\d+)?$"
)
_POINTED = r"\d{1,3}(?:\.\d{3})+"
_DECIMAL_COMMA = rf"^[+-]?(?:(?:\d*|{_POINTED}|{_GROUPED}),\d+|\d+|{_POINTED}|{_GROUPED})$"
CLOCK = r"^(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d+)?))?$"


class Notes:
    """What is to be said about columns, gathered by topic so that many columns say it once."""

    def __init__(self) -> None:
        self._topics: dict[str, list[tuple[str, str]]] = {}

    def add(self, topic: str, column: str, sentence: str) -> None:
        """Note a sentence on a column."""
        self._topics.setdefault(topic, []).append((column, sentence))

    def lines(self) -> tuple[str, ...]:
        """Return the sentences; of many columns to a topic, three and the names of the others."""
        return tuple(self._lines())

    def _lines(self) -> Iterator[str]:
        for told in self._topics.values():
            shown = told if len(told) <= 4 else told[:3]
            yield from (sentence for _, sentence in shown)
            rest = [column for column, _ in told[len(shown) :]]
            if rest:
                yield f"the same of {len(rest):,} more columns: {listing(rest)}"


def listing(names: Iterable[object], most: int = 8) -> str:
    """Join names in words, at most some of them.

    Examples
    --------
    >>> listing(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    every = [quoted(name) for name in names]
    shown, more = every[:most], len(every) - most
    return ", ".join(shown) + (f" and {more:,} more" if more > 0 else "")


def nearest(name: object, names: Iterable[str]) -> str:
    """Return a question after the names most like one, or nothing where none is like it.

    Examples
    --------
    >>> nearest("agee", ["age", "sex"])
    'did you mean age?'
    >>> nearest("age", ["Age", "Wage"])  # the very word but for capitals
    'did you mean Age?'
    """
    names, word = list(names), str(name)
    near = [one for one in names if one.casefold() == word.casefold()]
    near = near or difflib.get_close_matches(word, names, n=3, cutoff=0.6)
    return f"did you mean {' or '.join(map(quoted, near))}?" if near else ""


def counted(n: int, noun: str) -> str:
    """Return "1 value is" or "12 values are".

    Examples
    --------
    >>> counted(1, "row"), counted(2000, "row")
    ('1 row is', '2,000 rows are')
    """
    return f"1 {noun} is" if n == 1 else f"{n:,} {noun}s are"


def first_row(rows: pl.Series | np.ndarray) -> str:
    """Say in which row something is found first, counting from 1."""
    return f"in row {int(rows[0]) + 1:,}"


def quoted(value: object, most: int = 60) -> str:
    """Return a name or a value as one short line that prints safely."""
    text = "".join(c if c.isprintable() else "�" for c in str(value))
    return text if len(text) <= most else f"{text[: most - 1]}…"


def to_cells(series: pl.Series) -> pl.Series:
    """Bring a column to one of four forms, with null for all that is missing.

    Parameters
    ----------
    series : polars.Series
        A column of any type that has one value a row.

    Returns
    -------
    polars.Series
        Boolean; numbers (whole or float); Datetime in microseconds, UTC where a time zone was
        given; or String without spaces around it.

    Raises
    ------
    InputError
        If the column holds lists or records.

    Examples
    --------
    >>> to_cells(pl.Series(["1", " N/A", "x "])).to_list()
    ['1', None, 'x']
    """
    kind = series.dtype
    if kind.is_integer() or kind == pl.Boolean:
        return series
    if kind.is_numeric():
        return series.cast(pl.Float64).fill_nan(None)
    if kind.is_temporal():
        return _moments(series, kind)
    if kind in (pl.Object, pl.Binary):
        words = [_written(value) for value in series.to_list()]
        return _clean(pl.Series(series.name, words, dtype=pl.String))
    if kind.is_nested() or kind == pl.Unknown:
        raise InputError(
            "one value in each cell",
            got=f"{kind} in column {quoted(series.name)}",
            hint="split it into columns, or leave it out",
        )
    return _clean(series.cast(pl.String))


def _moments(series: pl.Series, kind: pl.DataType) -> pl.Series:
    """Bring dates to moments in UTC, durations to seconds and times of day to hours."""
    if kind == pl.Duration:
        return series.dt.total_microseconds() / 1e6
    if kind == pl.Time:
        return series.cast(pl.Int64) / 3.6e12
    if isinstance(kind, pl.Datetime) and kind.time_zone:
        series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return series.cast(pl.Datetime("us"))


def is_nothing(value: object) -> bool:
    """Whether an object stands for a missing value: None, NaN, NaT or pandas' NA.

    Examples
    --------
    >>> is_nothing(None), is_nothing(float("nan")), is_nothing("")
    (True, True, False)
    """
    try:
        return value is None or bool(value != value)
    except TypeError:  # pandas' NA is neither equal to itself nor not
        return True
    except ValueError:  # an array in a cell
        return False


def _written(value: object) -> str | None:
    """Write a value as a file would hold it."""
    if is_nothing(value):
        return None
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _clean(text: pl.Series) -> pl.Series:
    has_spaces, has_missing = text.to_frame("text").select(*_flags("text")).row(0)
    return _cleaned(text, has_spaces, has_missing)


def _flags(name: str) -> tuple[pl.Expr, pl.Expr]:
    """Whether a column has spaces to take off, and words for missing as far as one can see."""
    text = pl.col(name).str
    is_short = text.len_bytes() <= _LONGEST_MISSING
    is_missing = pl.col(name).filter(is_short).str.to_lowercase().is_in(_MISSING)
    return (
        text.contains(r"^\s|\s$").any().alias(f"{name} spaces"),
        is_missing.any().alias(f"{name} missing"),
    )


def _cleaned(text: pl.Series, has_spaces: bool, has_missing: bool) -> pl.Series:
    if has_spaces:
        text = text.str.strip_chars()
    if has_spaces or has_missing:
        return text.zip_with(~text.str.to_lowercase().is_in(_MISSING), _NO_TEXT)
    return text


def iter_cells(frame: pl.DataFrame) -> Iterator[pl.Series]:
    """Bring every column of a table to cells, as `to_cells` does, much faster for many columns."""
    texts = [series.alias(str(i)) for i, series in enumerate(frame.iter_columns())
             if series.dtype == pl.String]  # fmt: skip
    flags = pl.DataFrame(texts).select([flag for one in texts for flag in _flags(one.name)])
    found = iter(flags.row(0) if texts else ())
    for series in frame.iter_columns():
        if series.dtype == pl.String:
            yield _cleaned(series, next(found), next(found))
        else:
            yield to_cells(series)


def missing_words(series: pl.Series) -> dict[str, int]:
    """Count the words other than nothing that are read as missing, as they are written."""
    if series.dtype != pl.String:
        return {}
    stripped = series.str.strip_chars()
    words = stripped.filter(stripped.str.to_lowercase().is_in(_MISSING) & (stripped != ""))
    counts = words.rename("").value_counts(sort=True, name="n")
    return dict(zip(counts[""].to_list(), counts["n"].to_list(), strict=True))


def to_numbers(cells: pl.Series, style: str = "plain") -> pl.Series:
    """Read cells as numbers.

    Parameters
    ----------
    cells : polars.Series
        What `to_cells` returns.
    style : {"plain", "thousands", "decimal_comma", "clock"}
        How they are written. Percent and currency signs are read over in any of them; ``clock``
        gives hours.

    Returns
    -------
    polars.Series
        Float64, null where nothing or no number is written; may be infinite.

    Examples
    --------
    >>> to_numbers(pl.Series(["1,234.5", "10%", "$5", "x"])).to_list()
    [1234.5, 10.0, 5.0, None]
    >>> to_numbers(pl.Series(["1.234,5", "0,5"]), "decimal_comma").to_list()
    [1234.5, 0.5]
    """
    if cells.dtype == pl.Datetime:
        return _NO_NUMBER.new_from_index(0, len(cells))
    if cells.dtype != pl.String:
        return cells.cast(pl.Float64)
    first = _loosen(cells, style) if style in ("decimal_comma", "clock") else _plain(cells)
    if first.null_count() == cells.null_count():
        return first
    rows = (first.is_null() & cells.is_not_null()).arg_true()
    rest = cells.gather(rows)
    second = _plain(rest) if style in ("decimal_comma", "clock") else _loosen(rest, style)
    return first.scatter(rows, second)


def _plain(text: pl.Series) -> pl.Series:
    return text.cast(pl.Float64, strict=False)


def _loosen(text: pl.Series, style: str) -> pl.Series:
    """Read numbers with signs and separators; null where the grammar does not hold."""
    if style == "clock":
        return _hours(text)
    bare = (
        text.str.replace("−", "-", literal=True)
        .str.replace(r"^\((.+)\)$", "-$1")
        .str.replace(rf"^([+-]?)\s*{CURRENCY}\s*([+-]?)", "$1$2")
        .str.replace(rf"\s*(?:%|{CURRENCY})$", "")
    )
    grammar = _DECIMAL_COMMA if style == "decimal_comma" else _THOUSANDS
    bare = bare.zip_with(bare.str.contains(grammar), _NO_TEXT)
    if style == "decimal_comma":
        bare = bare.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    return _plain(bare.str.replace_all(r"[^0-9.eE+-]", ""))


def _hours(text: pl.Series) -> pl.Series:
    parts = text.str.extract_groups(CLOCK).struct.unnest().cast(pl.Float64)
    hours, minutes, seconds = parts.iter_columns()
    is_time = (hours < 24) & (minutes < 60) & (seconds.fill_null(0) < 61)
    total = hours + minutes / 60 + seconds.fill_null(0) / 3600
    return total.zip_with(is_time.fill_null(False), _NO_NUMBER)


ISO_DATES = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%Y-%m")
DAY_FIRST = ("%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%d/%m/%y", "%d.%m.%y", "%d-%m-%y")
MONTH_FIRST = ("%m/%d/%Y", "%m.%d.%Y", "%m-%d-%Y", "%m/%d/%y", "%m.%d.%y", "%m-%d-%y")
NAMED_MONTH = (
    "%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y",
    "%B %d %Y", "%b %Y", "%B %Y", "%a, %d %b %Y", "%a %d %b %Y",
)  # fmt: skip
TIMES = (
    "", " %H:%M:%S%.f", " %H:%M", " %I:%M:%S %p", " %I:%M %p", " %H:%M:%S%.f%z", " %H:%M%z",
    " %H:%M:%S%.f %z", " %H%M%S",
)  # fmt: skip
_ISO_FORMATS = tuple(date + time for date in ISO_DATES for time in TIMES if "%I" not in time)
_FORMATS = frozenset(
    date + time for date in (*ISO_DATES, *DAY_FIRST, *MONTH_FIRST, *NAMED_MONTH) for time in TIMES
)


def to_days(cells: pl.Series, style: str) -> pl.Series:
    """Read cells as dates.

    Parameters
    ----------
    cells : polars.Series
        What `to_cells` returns.
    style : str
        Formats of `strftime`, joined by ``|``; or ``epoch_s`` or ``epoch_ms``, the seconds or
        milliseconds since 1970. ISO dates are read besides.

    Returns
    -------
    polars.Series
        Float64, days since 1970-01-01 in UTC; null where nothing, no date, or a year before 1500
        or after 2500 is written.

    Examples
    --------
    >>> to_days(pl.Series(["02/01/1970", "1970-01-01T12:00", "30/02/1970"]), "%d/%m/%Y").to_list()
    [1.0, 0.5, None]
    """
    if cells.dtype == pl.Datetime:
        return _bounded(cells)
    if cells.dtype == pl.Boolean:
        return _NO_NUMBER.new_from_index(0, len(cells))
    if style.startswith("epoch"):
        stamps = to_numbers(cells) * (1e6 if style == "epoch_s" else 1e3) / US_A_DAY
        if stamps.null_count() == cells.null_count() or cells.dtype != pl.String:
            return _in_bounds(stamps)
        return _in_bounds(stamps).fill_null(read_dates(cells, _ISO_FORMATS))
    formats = [one for one in style.split("|") if one in _FORMATS]
    if cells.dtype != pl.String:
        cells = cells.cast(pl.Float64).cast(pl.Int64, strict=False).cast(pl.String)
        return read_dates(cells, formats)
    days = read_dates(cells, formats)
    rows = (days.is_null() & cells.is_not_null()).arg_true()
    return days.scatter(rows, read_dates(cells.gather(rows), _ISO_FORMATS)) if len(rows) else days


def are_impossible_dates(text: pl.Series) -> pl.Series:
    """Whether each of some unread cells is still written as a date: 30 February, the year 9999."""
    return text.str.contains(r"^(?:\d{4}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2})[-/.]\d{1,4}(?:$|[ Tt])")


def read_dates(text: pl.Series, formats: Iterable[str]) -> pl.Series:
    """Read text by the first of several formats that fits, as days since 1970-01-01."""
    days = _NO_NUMBER.new_from_index(0, len(text))
    rest = even_dates(text)
    for style in formats:
        if rest.null_count() == len(rest):
            break
        read = _bounded(_stamps(rest, style))
        if read.null_count() < len(read):
            days = days.fill_null(read)
            rest = rest.zip_with(days.is_null(), _NO_TEXT)
    return days


def even_dates(text: pl.Series) -> pl.Series:
    """Bring the ways of writing one moment closer together: no T, no Z, no dot after a month."""
    return (
        text.str.replace(r"(\d)[Tt](\d)", "$1 $2")
        .str.replace(r"\s*(?:Z|UTC|GMT)$", "+0000")
        .str.replace(r"([A-Za-z]{3})\. ", "$1 ")
        .str.replace("Sept ", "Sep ", literal=True)
    )


def _stamps(text: pl.Series, style: str) -> pl.Series:
    if "%Y%m%d" in style:  # the library is content with fewer digits, a code is no date then
        fits = text.str.contains(r"^\d{8}(?: |$)")
        text = text.zip_with(fits, _NO_TEXT)
    stamps = text.str.to_datetime(style, time_unit="us", strict=False)
    return stamps.dt.replace_time_zone(None) if "%z" in style else stamps


def _bounded(stamps: pl.Series) -> pl.Series:
    return _in_bounds(stamps.cast(pl.Int64) / US_A_DAY)


def _in_bounds(days: pl.Series) -> pl.Series:
    low, high = ((year - 1970) * 365.2425 for year in YEARS)
    fits = days.is_between(low, high)
    return days.zip_with(fits.fill_null(False), _NO_NUMBER)


def to_words(cells: pl.Series) -> pl.Series:
    r"""Write cells as words: whole numbers without a point, letters composed, single spaces.

    Examples
    --------
    >>> to_words(pl.Series([1.0, 2.5])).to_list()
    ['1', '2.5']
    >>> to_words(pl.Series(["a  b", "e\u0301"])).to_list()
    ['a b', 'é']
    """
    if cells.dtype.is_float():
        whole = cells.cast(pl.Int64, strict=False)
        is_whole = (whole.cast(pl.Float64) == cells).fill_null(False)
        return whole.cast(pl.String).zip_with(is_whole, cells.cast(pl.String))
    if cells.dtype == pl.Datetime:
        return cells.dt.to_string("%Y-%m-%d %H:%M:%S").str.strip_suffix(" 00:00:00")
    if cells.dtype != pl.String:
        return cells.cast(pl.String)
    words = cells
    if (words.str.len_chars() > MAX_CELL_CHARS).any():
        words = words.str.head(MAX_CELL_CHARS)  # cells may be megabytes long
    if words.str.contains(r"\s\s|[^\S ]").any():
        words = words.str.replace_all(r"\s+", " ")
    if (words.str.len_bytes() != words.str.len_chars()).any():
        words = words.str.normalize("NFC")
    return words


def to_keys(words: pl.Series) -> pl.Series:
    """Return what words are told apart by: case does not count beyond one letter, nor does ``.0``.

    Examples
    --------
    >>> to_keys(pl.Series(["RED", "Red", "a", "A", "1.0"])).to_list()
    ['red', 'red', 'a', 'A', '1']
    """
    keys = words.str.to_lowercase()
    keys = keys.zip_with(words.str.len_chars() > 1, words)
    if keys.str.ends_with("0").any():
        keys = keys.str.replace(r"^([+-]?\d+)\.0+$", "$1")
    return keys


def to_codes(cells: pl.Series, keys: dict[str, int], other: int) -> np.ndarray:
    """Return the numbers of words by their keys, ``other`` for unknown ones, -1 for missing."""
    seen = cells.unique().drop_nulls()
    found = to_keys(to_words(seen)).replace_strict(
        list(keys), list(keys.values()), default=other, return_dtype=pl.Int32
    )
    codes = cells.replace_strict(seen, found, default=-1, return_dtype=pl.Int32)
    return codes.to_numpy()
