"""Columns: what kind of thing each column of a table holds, and why it is taken for that."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

import polars as pl

from fathom.data.cells import (
    MISSING,
    NO_WORDS,
    YES_WORDS,
    Notes,
    counted,
    iter_cells,
    listing,
    missing_words,
    nearest,
    quoted,
    to_days,
    to_keys,
    to_numbers,
    to_words,
)
from fathom.data.readings import (
    FEW_ROWS,
    Reading,
    choose_categories,
    count_distinct,
    find_unread,
    first_cell,
    group_words,
    is_text,
    read_as_dates,
    read_as_numbers,
    sample_of,
    words_each,
)
from fathom.data.schema import Column, ColumnKind
from fathom.errors import InputError

__all__ = ["MISSING", "infer_columns"]

EXACT = 2.0**53  # whole numbers above lose their last digits as floats
ID_NAME = re.compile(
    r"(?i:(?:^|[^a-z])(?:id|ids|uid|uuid|guid)$|^id[^a-z]|^[pus]id$|^(?:row|object)id$)"
    r"|[a-z](?:Id|ID|UID|UUID)$"
)
_COUNTER_NAME = re.compile(
    r"(?i)(?:|#|no|nr|n°|index|row|row[ _]?n(?:um(?:ber)?|r|o)|order|seq|s\.?no\.?|key|record|"
    r"unnamed:? ?_?0|column_?[01]|level_0)"
)
_POST_CODE_NAME = re.compile(r"(?i)(?:^|[^a-z])(?:zip|zip[ _]?code|post(?:al)?[ _]?code|plz)$")
_TIME_NAME = re.compile(r"(?i)(?:date|time|stamp|epoch|created|updated|(?:^|_)ts$|_at$|^at_)")


@dataclass(frozen=True)
class _Given:
    """A column as it came."""

    name: str
    raw: pl.Series
    cells: pl.Series
    notes: Notes

    @property
    def n_missing(self) -> int:
        return self.cells.null_count()

    @property
    def n_present(self) -> int:
        return len(self.cells) - self.n_missing

    def note(self, topic: str, sentence: str) -> None:
        self.notes.add(topic, self.name, f"column {quoted(self.name)}: {sentence}")

    def column(self, kind: ColumnKind, reason: str, **more: object) -> Column:
        fields = {"n_missing": self.n_missing, **more}
        return Column(name=self.name, kind=kind, reason=reason, **fields)


def infer_columns(
    frame: pl.DataFrame, kinds: Mapping[str, ColumnKind] | None = None
) -> tuple[tuple[Column, ...], tuple[str, ...]]:
    """Find out what kind of thing each column holds.

    Parameters
    ----------
    frame : polars.DataFrame
        The training rows; columns of text exactly as written in a file, or of any type.
    kinds : mapping of str to str, optional
        The kinds of some columns, by name, where they are known better.

    Returns
    -------
    tuple of Column
        The columns in order, each with the reason for its kind.
    tuple of str
        What a reader should know: every guess that may surprise, in words.

    Raises
    ------
    InputError
        If ``kinds`` names a column that is not there or a kind that it cannot be, or no column is
        left to learn from.

    Examples
    --------
    >>> frame = pl.DataFrame({"age": ["31", "44", "NA"], "code": ["01", "02", "01"]})
    >>> columns, notes = infer_columns(frame)
    >>> [column.kind for column in columns]
    ['number', 'category']
    >>> print(notes[1])
    column code: numbers with leading zeros (such as 01) are codes, taken as categories...
    """
    kinds = kinds or {}
    _check_kinds(frame, kinds)
    notes = Notes()
    columns = tuple(
        _describe(_Given(raw.name, raw, cells, notes), kinds.get(raw.name))
        for raw, cells in zip(frame.iter_columns(), iter_cells(frame), strict=True)
    )
    if columns and not any(column.is_used for column in columns):
        first = columns[0]
        raise InputError(
            "a column to learn from",
            got=f"none; {quoted(first.name)} is left out: {quoted(first.reason)}",
            hint=f"--kind {quoted(first.name)}=category keeps it",
        )
    return columns, notes.lines()


def _check_kinds(frame: pl.DataFrame, kinds: Mapping[str, ColumnKind]) -> None:
    names = dict.fromkeys(frame.columns)
    for name, kind in kinds.items():
        if name not in names:
            raise InputError(
                "a column of the table for a kind",
                got=quoted(name),
                hint=nearest(name, list(names)) or f"it has {listing(list(names))}",
            )
        if kind not in get_args(ColumnKind):
            raise InputError(
                f"a kind of column ({', '.join(get_args(ColumnKind))})",
                got=f"{quoted(kind)} for column {quoted(name)}",
                hint=nearest(kind, get_args(ColumnKind)),
            )


def _describe(given: _Given, kind: ColumnKind | None) -> Column:
    column = _as_kind(given, kind) if kind else _guess(given)
    if column.is_used:
        _note_missing(given, column)
    return column


def _note_missing(given: _Given, column: Column) -> None:
    words = missing_words(given.raw) if given.n_missing else {}
    if words:
        shown = ", ".join(f"'{quoted(word)}' ({n:,})" for word, n in list(words.items())[:3])
        given.note("missing words", f"read as missing: {shown}")
    if given.n_missing >= 0.95 * len(given.raw) and column.kind != "constant":
        share = 100 * given.n_missing / len(given.raw)
        given.note("mostly missing", f"{share:.3g} % of the values are missing; it is kept")


def _guess(given: _Given) -> Column:
    cells = given.cells
    if not given.n_present:
        given.note("all missing", "every value is missing, so it is left out")
        return given.column("constant", "every value is missing")
    if isinstance(given.raw.dtype, pl.Categorical | pl.Enum):
        return _words_column(given, "the data frame says so")
    if cells.dtype == pl.Boolean:
        if cells.n_unique() == 1:
            return _one_value(given, str(cells.drop_nulls()[0]))
        return _yes_no_column(given, ("False", "True"), "true or false")
    if cells.dtype == pl.Datetime:
        days = to_days(cells, "%Y-%m-%d")
        return _date_column(given, Reading("%Y-%m-%d", days, find_unread(cells, days)), "dates")
    if cells.dtype != pl.String:
        return _number_column(given, Reading("plain", to_numbers(cells), pl.Series([])))
    reading = read_as_numbers(cells)
    if reading:
        return _number_column(given, reading)
    return _guess_words(given)


def _guess_words(given: _Given) -> Column:
    spellings = _yes_no_spellings(given.cells)
    if spellings:
        return _yes_no_column(given, spellings, f"says {spellings[0]} or {spellings[1]}")
    dates = read_as_dates(given.cells)
    if dates:
        for doubt in dates.doubts:
            given.note("doubtful dates", doubt)
        return _date_column(given, dates, f"dates such as {first_cell(given.cells)}")
    return _words_column(given)


def _number_column(given: _Given, reading: Reading) -> Column:
    values, cells = reading.values, given.cells
    finite = values.filter(values.is_finite())
    n_distinct = count_distinct(finite)
    is_whole = bool(len(finite)) and bool((finite == finite.floor()).all())
    if cells.dtype == pl.String and is_whole:
        zeros = cells.filter(cells.str.contains(r"^[+-]?0\d+$"))
        if len(zeros):
            example = f"numbers with leading zeros (such as {zeros[0]})"
            given.note("leading zeros", f"{example} are codes, taken as categories; "
                       f"--kind {quoted(given.name)}=number reads them as numbers")  # fmt: skip
            return _words_column(given, example)
    if is_whole and finite.abs().max() > EXACT and cells.n_unique() > values.n_unique():  # type: ignore[operator]
        what = "whole numbers too long to be told apart as numbers"
        given.note("long numbers", f"{what} are taken as words")
        return _words_column(given, what)
    if is_whole:
        column = _code_column(given, finite, n_distinct) or _stamp_column(given, finite, n_distinct)
        if column:
            return column
    if n_distinct == 0:
        given.note("all missing", "no value is a finite number, so it is left out")
        return given.column("constant", "no finite number")
    if n_distinct == 1:
        return _one_value(given, first_cell(to_words(cells)), len(values) - len(finite))
    return _described_number(given, reading, finite, n_distinct)


def _described_number(
    given: _Given, reading: Reading, finite: pl.Series, n_distinct: int, reason: str = ""
) -> Column:
    low, high = float(finite.min()), float(finite.max())  # type: ignore[arg-type]
    _note_unread(given, reading, "numbers")
    _note_number_style(given, reading)
    n_infinite = reading.values.is_infinite().sum()
    if n_infinite:
        row = reading.values.is_infinite().arg_true()[0]
        where = f"first in row {row + 1}: {quoted(given.cells[row], 30)}"
        given.note("infinities", f"{n_infinite:,} infinite or beyond 1.8e308 ({where}), taken as "
                   "missing")  # fmt: skip
    if max(-low, high) > EXACT and finite.eq(finite.floor()).all():
        given.note("big numbers", "whole numbers above 9,007,199,254,740,992 lose their last "
                   f"digits; --kind {quoted(given.name)}=category keeps them apart")  # fmt: skip
    n_missing = given.n_missing + n_infinite + len(reading.rows_unread)
    return given.column(
        "number", reason or "numbers" + _written_style(reading.style), style=reading.style,
        low=low, high=high, n_distinct=n_distinct, n_missing=n_missing,
        missing_words=reading.missing_words,
    )  # fmt: skip


def _written_style(style: str) -> str:
    return {"thousands": " with separators", "decimal_comma": " with a decimal comma",
            "clock": ", times of day in hours"}.get(style, "")  # fmt: skip


def _note_unread(given: _Given, reading: Reading, what: str) -> None:
    rows = reading.rows_unread
    if not len(rows):
        return
    share = 100 * (1 - len(rows) / given.n_present)
    share_words = f"{min(share, 99.99):.4g} %" if share > 99.9 else f"{share:.3g} %"
    example = quoted(given.cells[rows[0]], 30)
    given.note("unread", f"{share_words} are {what}; {len(rows):,} cannot be read (first in row "
               f"{rows[0] + 1}: '{example}') and count as missing")  # fmt: skip


def _note_number_style(given: _Given, reading: Reading) -> None:
    cells, name = given.cells, quoted(given.name)
    if cells.dtype != pl.String or (reading.style == "plain" and _are_bare(cells)):
        return
    is_signed = cells.str.contains(r"^[^\d]*\d.*[^\d.eE+-]|[^\d.eE+-].*\d").fill_null(False)
    example = next(iter(cells.filter(is_signed).head(1)), "")
    if reading.style == "decimal_comma":
        text = "numbers with a decimal comma"
    elif reading.style == "thousands":
        only = cells.drop_nulls().str.contains(r"^[+-]?\d{1,3}(?:,\d{3})?$").all()
        doubt = "; if the comma is a decimal comma, write a point" if only else ""
        text = f"the separators in numbers are those of thousands{doubt}"
    elif reading.style == "clock":
        text = "times of day, read as hours"
    elif is_signed.sum() > 0.05 * given.n_present:
        text = "signs beside the numbers (currency, percent) are read over"
    else:
        return
    given.note("number style", f"{text} (such as {quoted(example, 30)}); --kind {name}=category "
               "takes them as they are")  # fmt: skip


def _are_bare(cells: pl.Series) -> bool:
    """Tell whether cells hold numbers and nothing beside them, which takes no search to see."""
    return cells.cast(pl.Float64, strict=False).null_count() == cells.null_count()


def _code_column(given: _Given, finite: pl.Series, n_distinct: int) -> Column | None:
    """Describe whole numbers that only name things: row counters, identifiers, post codes."""
    name = given.name.strip()
    is_unique = n_distinct == len(given.cells) > 1
    has_id_name = bool(ID_NAME.search(name))
    is_counter = (
        is_unique
        and bool(_COUNTER_NAME.fullmatch(name))
        and bool((finite.diff().drop_nulls() == 1).all())
    )
    if is_counter or (is_unique and has_id_name):
        reason = "counts the rows" if is_counter else "named like an identifier, all different"
        return _identifier(given, reason, n_distinct)
    if _POST_CODE_NAME.search(name) or (has_id_name and n_distinct > 2):
        what = "numbers that name things, by the column's name"
        given.note("codes", f"{what}: taken as categories; --kind {quoted(name)}=number "
                   "takes them as numbers")  # fmt: skip
        return _words_column(given, what)
    return None


def _identifier(given: _Given, reason: str, n_distinct: int) -> Column:
    given.note("identifiers", f"left out as an identifier ({reason}); "
               f"--kind {quoted(given.name)}=category or =number keeps it")  # fmt: skip
    return given.column("identifier", reason, n_distinct=n_distinct)


def _stamp_column(given: _Given, finite: pl.Series, n_distinct: int) -> Column | None:
    """Describe whole numbers that clearly are moments: 20240131, or seconds since 1970."""
    low, high = float(finite.min()), float(finite.max())  # type: ignore[arg-type]
    has_name = bool(_TIME_NAME.search(given.name))
    style = ""
    if low >= 19000101 and high <= 21001231 and (n_distinct >= 5 or has_name) and n_distinct > 1:
        style = "%Y%m%d"
    elif has_name and n_distinct > 1 and low >= 6.3e8 and high <= 4.1e9:
        style = "epoch_s"
    elif has_name and n_distinct > 1 and low >= 6.3e11 and high <= 4.1e12:
        style = "epoch_ms"
    if not style:
        return None
    days = to_days(given.cells, style)
    rows = find_unread(given.cells, days)
    if len(rows):
        return None
    written = {"%Y%m%d": "dates as YYYYMMDD", "epoch_s": "seconds since 1970",
               "epoch_ms": "milliseconds since 1970"}[style]  # fmt: skip
    example = first_cell(to_words(given.cells))
    given.note("stamps", f"numbers such as {example} are read as {written}; "
               f"--kind {quoted(given.name)}=number takes them as numbers")  # fmt: skip
    return _date_column(given, Reading(style, days, rows), written)


def _one_value(given: _Given, value: str, n_more_missing: int = 0) -> Column:
    """Describe a column of one value: left out, unless the missing ones tell rows apart."""
    value = value[:1000]
    if given.n_missing or n_more_missing > given.n_missing:
        reason = f"either '{quoted(value)}' or missing"
        return given.column("category", reason, categories=(value,), n_distinct=1)
    given.note("constant", f"always '{quoted(value)}', so it is left out")
    return given.column("constant", f"always '{quoted(value)}'", n_distinct=1)


def _yes_no_spellings(cells: pl.Series) -> tuple[str, str] | None:
    """Return how no and yes are most often written, where nothing else is written."""
    if len(sample_of(cells).unique()) > 8:
        return None
    counts = cells.drop_nulls().rename("word").value_counts(sort=True, name="n")
    if len(counts) > 8:
        return None
    words = [str(word) for word in counts["word"]]
    lower = [word.lower() for word in words]
    is_known = set(lower) <= YES_WORDS | NO_WORDS and not set(lower) <= {"0", "1"}
    no = next((w for w, k in zip(words, lower, strict=True) if k in NO_WORDS), None)
    yes = next((w for w, k in zip(words, lower, strict=True) if k in YES_WORDS), None)
    return (no, yes) if is_known and no and yes else None


def _yes_no_column(given: _Given, spellings: tuple[str, str], reason: str) -> Column:
    if given.cells.dtype == pl.String:
        spelled = given.cells.drop_nulls().unique().sort().to_list()
        if len(spelled) > 2:
            given.note("yes and no", f"{', '.join(map(quoted, spelled))} are read as yes or no")
    return given.column("yes_no", reason, categories=spellings, n_distinct=2)


def _date_column(given: _Given, reading: Reading, reason: str) -> Column:
    _note_unread(given, reading, "dates")
    days = reading.values.drop_nulls()
    if not len(days):
        given.note("all missing", "no date can be read, so it is left out")
        return given.column("constant", "no date that can be read")
    if days.n_unique() == 1:
        return _one_value(given, first_cell(to_words(given.cells)), reading.values.null_count())
    return given.column(
        "date", reason, style=reading.style, low=float(days.min()), high=float(days.max()),  # type: ignore[arg-type]
        n_distinct=days.n_unique(), n_missing=reading.values.null_count(),
    )  # fmt: skip


def _words_column(given: _Given, reason: str = "") -> Column:
    """Describe words: categories, free text or an identifier; codes have a reason already."""
    groups = group_words(given.cells)
    n, n_distinct = given.n_present, len(groups)
    if n_distinct == 1:
        return _one_value(given, str(groups["word"][0]))
    n_words = words_each(groups["word"])
    has_id_name = bool(ID_NAME.search(given.name.strip()))
    is_unique = n_distinct >= 0.95 * n and n >= FEW_ROWS and n_words < 2
    if is_unique or (has_id_name and n_distinct == n):
        return _identifier(given, "nearly all values differ", n_distinct)
    if not reason and is_text(n, n_distinct, n_words):
        reason = f"free text, {n_words:.2g} words in a cell"
        return given.column("text", reason, n_distinct=n_distinct)
    return _category_column(given, groups, reason or "words")


def _category_column(given: _Given, groups: pl.DataFrame, reason: str) -> Column:
    several = groups.filter(pl.col("spellings") > 1)
    if len(several):
        first = given.cells.filter(to_keys(to_words(given.cells)) == several["key"][0])
        spelled = ", ".join(f"'{quoted(word)}'" for word in first.unique().sort().head(3))
        given.note("spellings", f"{spelled} are taken for the same; case does not count in words "
                   f"({counted(len(several), 'word')} spelled in several ways)")  # fmt: skip
    kept = choose_categories(groups)
    if len(kept) < len(groups):
        given.note("rare", f"of {len(groups):,} categories, the {len(kept):,} most frequent "
                   "are told apart and the rest are 'other'")  # fmt: skip
    return given.column(
        "category", f"{reason}: {len(groups):,} different ones in {given.n_present:,} rows",
        categories=tuple(kept["word"]), n_distinct=len(groups),
    )  # fmt: skip


def _as_kind(given: _Given, kind: ColumnKind) -> Column:
    """Describe a column as the kind the user says it is."""
    reason = "as asked for"
    if kind in ("identifier", "constant"):
        return given.column(kind, reason, n_distinct=given.cells.n_unique())
    if not given.n_present:
        return given.column("constant", "every value is missing")
    if kind in ("text", "picture"):
        return given.column(kind, reason, n_distinct=given.cells.drop_nulls().n_unique())
    if kind == "category":
        return _category_column(given, group_words(given.cells), reason)
    if kind == "yes_no":
        return _as_yes_no(given, reason)
    return _as_number(given, reason) if kind == "number" else _as_date(given, reason)


def _as_yes_no(given: _Given, reason: str) -> Column:
    spellings = ("False", "True") if given.cells.dtype == pl.Boolean else None
    groups = group_words(given.cells)
    spellings = spellings or _yes_no_spellings(to_words(given.cells))
    if not spellings and len(groups) == 2:
        no, yes = sorted(groups["word"])
        spellings = (no, yes)
    if not spellings:
        raise InputError(
            f"two values in column {quoted(given.name)}, to be yes_no",
            got=f"{len(groups):,}: {listing(groups['word'], 4)}",
            hint=f"--kind {quoted(given.name)}=category takes any",
        )
    return _yes_no_column(given, spellings, reason)


def _as_number(given: _Given, reason: str) -> Column:
    cells = given.cells
    reading = read_as_numbers(cells) if cells.dtype == pl.String else None
    if not reading:
        values = to_numbers(cells)
        reading = Reading("plain", values, find_unread(cells, values))
    finite = reading.values.filter(reading.values.is_finite())
    _refuse_unread(given, reading, "numbers", "number")
    if not len(finite):
        return given.column("constant", "no finite number")
    return _described_number(given, reading, finite, finite.n_unique(), reason)


def _as_date(given: _Given, reason: str) -> Column:
    cells = given.cells
    reading = read_as_dates(cells) if cells.dtype == pl.String else None
    if not reading:
        tried = []
        for style in ("%Y-%m-%d", "%Y%m%d", "epoch_s", "epoch_ms"):
            days = to_days(cells, style)
            tried.append(Reading(style, days, find_unread(cells, days)))
        reading = min(tried, key=lambda one: len(one.rows_unread))
    _refuse_unread(given, reading, "dates", "date")
    return _date_column(given, reading, reason)


def _refuse_unread(given: _Given, reading: Reading, what: str, kind: str) -> None:
    rows = reading.rows_unread
    if 2 * len(rows) > given.n_present:
        raise InputError(
            f"{what} in column {quoted(given.name)}, as --kind {quoted(given.name)}={kind} says",
            got=f"'{first_cell(to_words(given.cells).gather(rows))}' in row {rows[0] + 1} and "
            f"{len(rows):,} of {given.n_present:,} values that are none",
            hint="leave the kind out, or name another",
        )
