"""The columns of a table as inputs of an ONNX graph, and as the matrix its networks see."""

from dataclasses import dataclass

import numpy as np

from fathom.data.cells import YEARS, listing
from fathom.data.features import DATE_CYCLES, N_DATE_PARTS, TableEncoding
from fathom.data.schema import Column, TableInput
from fathom.data.views import View
from fathom.deployment.inputs import Marks, describe_column, spelled_codes
from fathom.deployment.onnx.graph import DOUBLE, FLOAT, INTEGER, ML, WORD, Graph, Term
from fathom.deployment.onnx.numbers import show_numbers
from fathom.errors import InputError

_ENCODED = "give --encoded: its inputs are the encoded rows, which Fathom makes"


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
    given: dict[int, Term] = {}
    for position, name in enumerate(Marks.of(table).names):
        if name:
            column = table.columns[position]
            kind = WORD if column.kind in ("category", "yes_no") else DOUBLE
            given[position] = graph.give(name, kind, [1], describe_column(column))
    words = [at for at, term in given.items() if term.dtype == WORD]
    codes = [_code(graph, table.columns[at], given[at]) for at in words]
    dates = {at: _Date.of(term) for at, term in given.items() if table.columns[at].kind == "date"}
    return TableTerms(
        numbers=_numbers(graph, given, dates, words),
        plain=_plain(graph, table, given, dates, words),
        codes=graph.join(codes) if codes else None,
        code_places={at: place for place, at in enumerate(words)},
    )


def _numbers(
    graph: Graph, given: dict[int, Term], dates: dict[int, "_Date"], words: list[int]
) -> Term | None:
    """Return all numbers in the order of the columns, of dates with their parts."""
    plain = [at for at in given if at not in dates and at not in words]
    blocks = [_present(graph.join([given[at] for at in plain]))] if plain else []
    blocks += [date.numbers() for date in dates.values()]
    if not blocks or len(blocks) == 1:
        return blocks[0] if blocks else None
    places, after = {at: [place] for place, at in enumerate(plain)}, len(plain)
    for at in dates:
        places[at] = list(range(after, after + 1 + N_DATE_PARTS))
        after += 1 + N_DATE_PARTS
    return graph.join(blocks).pick([place for at in sorted(places) for place in places[at]])


def _plain(
    graph: Graph,
    table: TableInput,
    given: dict[int, Term],
    dates: dict[int, "_Date"],
    words: list[int],
) -> Term | None:
    """Return which are missing, for columns where some were, and the cycles of dates."""
    found = []
    for at, term in given.items():
        if at in words:
            continue
        is_date = at in dates
        if table.columns[at].n_missing:
            is_missing = dates[at].is_missing if is_date else graph.add("IsNaN", term - term)
            found.append(is_missing.to(FLOAT))
        if is_date:
            found += dates[at].cycles()
    return graph.join(found) if found else None


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


def _present(x: Term) -> Term:
    """Return numbers with NaN for what is not finite: infinity less itself is NaN."""
    return x.graph.where(x.graph.add("IsNaN", x - x), np.nan, x)


@dataclass(frozen=True)
class _Date:
    """A date in days since 1970-01-01, and its parts; 0 where it is missing."""

    value: Term
    is_missing: Term
    parts: dict[str, Term]

    @classmethod
    def of(cls, x: Term) -> "_Date":
        """Take it apart."""
        graph = x.graph
        low, high = ((year - 1970) * 365.2425 for year in YEARS)
        is_outside = graph.add("Or", x.is_below(low), x.is_above(high))
        is_missing = graph.add("Or", graph.add("IsNaN", x - x), is_outside)
        value = graph.where(is_missing, 0.0, x)
        return cls(value, is_missing, _date_parts(value))

    def numbers(self) -> Term:
        """Return the date and its parts side by side, NaN where it is missing."""
        graph = self.value.graph
        return graph.where(self.is_missing, np.nan, graph.join([self.value, *self.parts.values()]))

    def cycles(self) -> list[Term]:
        """Return sine and cosine of the parts, float32.

        Of whole numbers they come from a table: runtimes round sin π to 0, from which trees could
        tell it apart.
        """
        graph, found = self.value.graph, []
        for period, name in DATE_CYCLES:
            part = graph.where(self.is_missing, 0.0, self.parts[name])
            whole = graph.add("Floor", part)
            is_whole = graph.add("Equal", part, whole)
            for operator, wave in (("Sin", np.sin), ("Cos", np.cos)):
                told = wave(2 * np.pi * np.arange(period) / period)
                exact = graph.add("Gather", graph.constant(told), whole.to(INTEGER), dtype=DOUBLE)
                between = graph.add(operator, part * (2 * np.pi) / period)
                found.append(graph.where(is_whole, exact, between).to(FLOAT))
        return found


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
        "month": graph.where(month.is_below(9.5), month + 2.0, month - 10.0),
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
