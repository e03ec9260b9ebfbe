"""The columns of a table as inputs of an ONNX graph, and as the matrix its networks see."""

from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
import polars as pl

from fathom.data.cells import NO_WORDS, YEARS, YES_WORDS, listing
from fathom.data.features import DATE_CYCLES, TableEncoding, n_codes
from fathom.data.parsing import parse_table
from fathom.data.schema import Column, TableInput
from fathom.data.views import View
from fathom.deployment.onnx.graph import DOUBLE, FLOAT, INTEGER, ML, WORD, Graph, Term
from fathom.deployment.onnx.numbers import show_numbers
from fathom.errors import InputError

SAYS = {
    "number": "a number; NaN where missing",
    "clock": "hours as a number, 13.5 for 13:30; NaN where missing",
    "date": "days since 1970-01-01 (UTC) as a number; NaN where missing",
    "category": "a word as in training; any other counts as missing",
    "yes_no": "yes or no as a word; any other counts as missing",
}
_ENCODED = "give --encoded: its inputs are the encoded rows, which Fathom makes"


class Marks(NamedTuple):
    """What inputs are called in the graph."""

    names: tuple[str, ...]  # one for each column of the table; empty for one that is not used

    @classmethod
    def of(cls, table: TableInput) -> "Marks":
        """Name an input after each column that is used, or after its place where that cannot be."""
        taken = {column.name for column in table.columns}
        names = []
        for place, column in enumerate(table.columns, start=1):
            name = column.name
            if not name.isprintable() or not name.strip() or name.startswith("fathom/"):
                name = f"column_{place}"
                while name in taken:
                    name += "_"
            names.append(name if column.is_used else "")
        return cls(tuple(names))


def describe_column(column: Column) -> str:
    """Say what an input takes."""
    return SAYS["clock" if column.style == "clock" else column.kind]


def require_sayable(table: TableInput) -> None:
    """Refuse columns that ONNX has no words for.

    Raises
    ------
    InputError
        Names them, and says what to do.
    """
    texts = [column.name for column in table.columns if column.kind == "text"]
    if texts:
        noun = "column" if len(texts) == 1 else "columns"
        raise InputError(
            "a table without columns of text, whose n-grams ONNX cannot find",
            got=f"text in {noun} {listing(texts)}",
            hint=_ENCODED,
        )


@dataclass(frozen=True)
class TableTerms:
    """The columns of a table in the graph, parsed but not yet encoded.

    Attributes
    ----------
    numbers : Term or None
        Numbers, dates and the parts of dates, float64, NaN where missing.
    plain : Term or None
        Which are missing, and the cycles of dates, float32.
    codes : Term or None
        Codes of categories, int64.
    code_places : dict of int to int
        For the position of a category in the table, its place among the codes.
    """

    numbers: Term | None
    plain: Term | None
    codes: Term | None
    code_places: dict[int, int]


def give_columns(graph: Graph, table: TableInput) -> TableTerms:
    """Add an input for every column that is used, and what is read from it."""
    numbers, plain, codes, places = [], [], [], {}
    marks = Marks.of(table)
    for position, (column, name) in enumerate(zip(table.columns, marks.names, strict=True)):
        if not column.is_used:
            continue
        is_word = column.kind in ("category", "yes_no")
        given = graph.give(name, WORD if is_word else DOUBLE, [1], describe_column(column))
        if is_word:
            places[position] = len(codes)
            codes.append(_code(graph, column, given))
            continue
        value = _present(given, is_date=column.kind == "date")
        is_missing = graph.add("IsNaN", value)
        numbers.append(value)
        if column.n_missing:
            plain.append(is_missing.to(FLOAT))
        if column.kind == "date":
            parts = _date_parts(graph.where(is_missing, 0.0, value))
            numbers += [graph.where(is_missing, np.nan, part) for part in parts.values()]
            zeroed = {n: graph.where(is_missing, 0.0, part) for n, part in parts.items()}
            for period, part in DATE_CYCLES:
                angle = zeroed[part] * (2 * np.pi) / period
                plain += [graph.add(wave, angle).to(FLOAT) for wave in ("Sin", "Cos")]
    joined = (graph.join(terms) if terms else None for terms in (numbers, plain, codes))
    return TableTerms(*joined, places)


def encode_columns(terms: TableTerms, encoding: TableEncoding, view: View) -> list[Term]:
    """Return numbers, plain columns and codes in a view, float32, those there are.

    Side by side they are the matrix that `TableEncoding.encode` makes.
    """
    raw = [] if terms.numbers is None else [terms.numbers]
    for position, means in encoding.means.items():
        assert terms.codes is not None
        code = terms.codes.pick([terms.code_places[position]]).reshape(-1)
        table = code.graph.constant(means)
        raw.append(code.graph.add("Gather", table, code))
    found = []
    if raw:
        found.append(show_numbers(raw[0].graph.join(raw), encoding.numbers, view))
    found += [] if terms.plain is None else [terms.plain]
    return found + ([] if terms.codes is None else [terms.codes.to(FLOAT)])


def _present(x: Term, *, is_date: bool) -> Term:
    """Return numbers with NaN for what is not finite, and for dates that are none."""
    graph = x.graph
    is_missing = graph.add("IsNaN", x - x)  # infinity less itself is NaN
    if is_date:
        low, high = ((year - 1970) * 365.2425 for year in YEARS)
        is_missing = graph.add("Or", is_missing, graph.add("Or", x < low, x > high))
    return graph.where(is_missing, np.nan, x)


def _date_parts(moment: Term) -> dict[str, Term]:
    """Return month, day, weekday and hour of days since 1970-01-01.

    References
    ----------
    Hinnant (2013). chrono-compatible low-level date algorithms, civil_from_days.
    """
    graph = moment.graph

    def whole(x: Term) -> Term:
        return graph.add("Floor", x)

    days = whole(moment)
    shifted = days + 719468.0  # from 0000-03-01, so that a leap day ends its year
    day = shifted - whole(shifted / 146097.0) * 146097.0  # of an era of 400 years
    leaps = whole(day / 1460.0) - whole(day / 36524.0) + whole(day / 146096.0)
    year = whole((day - leaps) / 365.0)
    day = day - (year * 365.0 + whole(year / 4.0) - whole(year / 100.0))
    month = whole((day * 5.0 + 2.0) / 153.0)  # 0 for March
    return {
        "month": graph.where(month < 9.5, month + 2.0, month - 10.0),
        "day": day - whole((month * 153.0 + 2.0) / 5.0) + 1.0,
        "weekday": days + 3.0 - whole((days + 3.0) / 7.0) * 7.0,
        "hour": (moment - days) * 24.0,
    }


def _code(graph: Graph, column: Column, word: Term) -> Term:
    """Return the code of a word: 0 for one that is missing, unknown or too rare."""
    codes = spelled_codes(column)
    known = codes or {"": 0}
    return graph.add(
        "LabelEncoder", word, dtype=INTEGER, domain=ML, keys_strings=list(known),
        values_int64s=list(known.values()), default_int64=0,
    )  # fmt: skip


def spelled_codes(column: Column) -> dict[str, int]:
    """Return the codes of all categories in the usual ways of writing each.

    A table of words cannot overlook case in general as Fathom does: there are the word of
    training, all small, all capital and capitalized letters, and whole numbers with a point.
    """
    ways = (str, str.lower, str.upper, str.capitalize, str.title)
    words = [*column.categories, *sorted(YES_WORDS | NO_WORDS)] if column.kind == "yes_no" else [*column.categories]
    spellings = {way(word) for way, word in product(ways, words)}
    spellings |= {f"{word}.0" for word in words if word.lstrip("+-").isdigit()}
    ordered = sorted(spellings)
    frame = pl.DataFrame({"word": pl.Series(ordered, dtype=pl.String)})
    asked = column.model_copy(update={"name": "word"})
    values = parse_table(frame, (asked,)).values[0] + 1
    known = np.where(values < n_codes(column), values, 0) if column.categories else 0 * values
    return {
        word: int(code)
        for word, code in zip(ordered, known.tolist(), strict=True)
        if code
    }
