"""Tab-separated text whose quotes are signs like any other: no value is put in them.

The format text/tab-separated-values knows no quotes, while what spreadsheets write does. Which of
both a file is, only its quotes can tell: where they do not close, and every line has as many tabs
as the first, they are part of what is written.
"""

import csv
from dataclasses import dataclass

from fathom.data.schema import MAX_COLUMNS
from fathom.data.sources import Source

TAB = b"\t"


@dataclass(frozen=True)
class Unquoted:
    """What a look at every line tells of such a file.

    Attributes
    ----------
    n_lines : int
        Lines with values, the header among them; blank ones before and behind are not counted.
    n_tabs : int
        Tabs in each.
    line : int
        The first line whose quotes part no values.
    """

    n_lines: int
    n_tabs: int
    line: int

    @property
    def note(self) -> str:
        """What is said of it."""
        tabs = "1 tab" if self.n_tabs == 1 else f"{self.n_tabs} tabs"
        return (
            f"quotes were taken as they are written: those in line {self.line} are not closed, and "
            f"every line has {tabs}"
        )


def find_unquoted(source: Source) -> Unquoted | None:
    """Look at every line; None where they have not all the same number of tabs, one at least.

    Parameters
    ----------
    source : Source
        Text in UTF-8.
    """
    n_tabs = n_lines = first = 0
    is_over = False
    with source.path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip(b"\r\n"):
                is_over = n_lines > 0
                continue
            found = line.count(TAB)
            n_tabs = n_tabs or found
            if is_over or found != n_tabs or not 0 < found < MAX_COLUMNS:
                return None
            n_lines += 1
            if not first and b'"' in line and not _parts_values(line, n_tabs):
                first = number
    return Unquoted(n_lines, n_tabs, first) if first else None


def _parts_values(line: bytes, n_tabs: int) -> bool:
    """Tell whether a line, taken with its quotes, is as many values."""
    text = line.decode("utf-8-sig", errors="replace")
    try:
        rows = list(csv.reader([text], delimiter="\t", strict=True))
    except csv.Error:
        return False
    return len(rows) == 1 and len(rows[0]) == n_tabs + 1
