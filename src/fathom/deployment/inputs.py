"""The inputs of an exported model: their names, and what each takes."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
import polars as pl

from fathom.data.cells import NO_WORDS, YES_WORDS
from fathom.data.features import n_codes
from fathom.data.parsing import parse_table
from fathom.data.schema import Column, NumbersInput, TableInput
from fathom.data.views import View
from fathom.search.design import Design

Shown: TypeAlias = tuple[int, View]  # the rows of a fold in a view
PICTURES, ROWS = "pictures", "rows"
SAYS = {
    "number": "a number; NaN where missing",
    "clock": "hours as a number, 13.5 for 13:30; NaN where missing",
    "date": "days since 1970-01-01 (UTC) as a number; NaN where missing",
    "category": "a word as in training; any other counts as missing",
    "yes_no": "yes or no as a word; any other counts as missing",
}
_WAYS: tuple[Callable[[str], str], ...] = (str, str.lower, str.upper, str.capitalize, str.title)


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


def row_names(described: NumbersInput) -> tuple[str, ...]:
    """Return the names of one input for each number; none where they come as one tensor of rows."""
    names = described.names
    are_usable = all(name.isprintable() and name.strip() for name in names)
    return names if are_usable and len(set(names)) == len(names) else ()


def describe_column(column: Column) -> str:
    """Say what an input takes."""
    return SAYS["clock" if column.style == "clock" else column.kind]


def spelled_codes(column: Column) -> dict[str, int]:
    """Return the codes of all categories in the usual ways of writing each.

    A table of words cannot overlook case in general as Fathom does: there are the word of
    training, all small, all capital and capitalized letters, whole numbers with a point, and a
    space before or behind.
    """
    words = [*column.categories]
    if column.kind == "yes_no":
        words += YES_WORDS | NO_WORDS
    spellings = {way(word) for word in words for way in _WAYS}
    spellings |= {f"{word}.0" for word in words if word.lstrip("+-").isdigit()}
    spellings |= {spaced for word in spellings for spaced in (f"{word} ", f" {word}")}
    ordered = sorted(spellings)
    frame = pl.DataFrame({"word": pl.Series(ordered, dtype=pl.String)})
    asked = column.model_copy(update={"name": "word"})
    values = parse_table(frame, (asked,)).values[0] + 1
    known = np.where(values < n_codes(column), values, 0) if column.categories else 0 * values
    return {word: int(code) for word, code in zip(ordered, known.tolist(), strict=True) if code}


def encoded_name(fold: int, view: View) -> str:
    """Return what an input of encoded rows is called."""
    return f"{view}_{fold + 1}"


def encoded_inputs(design: Design) -> list[Shown]:
    """Return the folds and views whose encoded rows are inputs, in their order."""
    found: dict[Shown, None] = {}
    for member in design.members:
        for fold in member.folds:
            found[fold, member.genes.view] = None
            if member.genes.has_trees:
                found[fold, "robust"] = None
    return list(found)
