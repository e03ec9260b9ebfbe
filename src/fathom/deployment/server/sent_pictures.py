"""Pictures of a request: the bytes of their files in base64, decoded within limits."""

import base64
import binascii
from typing import Any

import numpy as np

from fathom.data.cells import quoted
from fathom.data.images import count_pixels, decode_levels
from fathom.data.schema import Column
from fathom.deployment.server.refusals import refuse
from fathom.errors import InputError

MOST_PIXELS = 64_000_000  # of all pictures of one column of a request
_DATA = "data:"  # how the address of a picture in a page begins


def decode_pictures(column: Column, cells: list[Any]) -> np.ndarray:
    """Return the pictures that cells hold, as levels; None for cells that are null or empty.

    What a cell says is never taken for the name of a file.

    Parameters
    ----------
    column : Column
        The column of pictures.
    cells : list
        Its cells: text in base64, with or without ``data:image/…;base64,`` before it, or None.

    Raises
    ------
    Refusal
        If a cell is no base64, no picture, or there are too many pixels to decode.
    """
    shape = column.shape
    assert shape is not None
    files = [_file(column, row, cell) for row, cell in enumerate(cells, start=1)]
    found = np.empty(len(cells), object)
    left = MOST_PIXELS
    for row, data in enumerate(files):
        if data is None:
            found[row] = None
            continue
        try:
            left -= count_pixels(data)
            if left < 0:
                refuse(
                    f"at most {MOST_PIXELS:,} pixels in column {quoted(column.name)}, all rows "
                    "together", got="more", hint="make the pictures smaller, or ask for fewer rows",
                )  # fmt: skip
            found[row] = decode_levels(data, *shape)
        except InputError as error:
            refuse(f"{error.expected} in {_where(column, row + 1)}", error.got, error.hint)
    return found


def _where(column: Column, row: int) -> str:
    return f"column {quoted(column.name)}, row {row}"


def _file(column: Column, row: int, cell: Any) -> bytes | None:
    """Return the bytes a cell stands for."""
    if cell is None or cell == "":
        return None
    text = cell
    if isinstance(text, str) and text.startswith(_DATA):
        text = text.partition(",")[2]
    try:
        if not isinstance(text, str):
            raise ValueError
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        refuse(
            f"a picture as the bytes of its file in base64 in {_where(column, row)}",
            got=quoted(cell, 40), hint="a server opens no files: send what is in them",
        )  # fmt: skip
