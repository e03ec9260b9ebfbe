"""Tables whose values stand apart by blanks: rewritten with tabs, and read like any other."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice

from fathom.data.plaintext import Text

BLANKS = "space"  # what a separator is called that is any number of blanks
FIRST = b"name"  # of a first column without one
MOST_LINE_BYTES = 2**28


def blanks_to_tabs(text: Text, *, has_header: bool) -> Text:
    """Return a text whose values are parted by tabs instead of any number of blanks.

    A first line that is one number, the count of the rows, is left out; where there is one name
    fewer than there are values in the first row, the first column gets the name ``name``.

    Parameters
    ----------
    text : Text
        The file.
    has_header : bool
        Whether its first row is names.
    """
    notes: list[str] = []

    def parts() -> Iterator[bytes]:
        with text.source.path.open("rb") as file:
            lines = map(bytes.split, iter(lambda: file.readline(MOST_LINE_BYTES), b""))
            head = list(islice(lines, 3))
            for cells in chain(_named(head, notes) if has_header else head, lines):
                yield b"\t".join(cells) + b"\n"

    source = text.source.rewritten("parted", parts())
    return replace(text, source=source, notes=(*text.notes, *notes))


def _named(head: list[list[bytes]], notes: list[str]) -> list[list[bytes]]:
    """Return the first lines with the count of rows left out and the first column named."""
    counted, head = head[:0], list(head)
    if len(head) > 1 and len(head[0]) == 1 < len(head[1]) and head[0][0].isdigit():
        notes.append("the first line, a number alone, was left out")
        counted, head = [[]], head[1:]  # a blank line, so that the others keep their numbers
    if len(head) > 1 and len(head[1]) == len(head[0]) + 1:
        notes.append("the first column has no name and is called 'name'")
        head[0] = [FIRST, *head[0]]
    return counted + head
