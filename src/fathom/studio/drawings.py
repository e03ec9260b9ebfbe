"""Drawings: what is drawn on the digits page, as ink on a grid, and those that are kept."""

import json
import secrets
import threading
from pathlib import Path

import numpy as np

from fathom.data.images import to_ink
from fathom.errors import InputError
from fathom.studio.digit_messages import MOST_DRAWINGS, SIDE, KeepWish, OwnDrawing

ID_BYTES = 8


def as_grid(ink: str) -> np.ndarray:
    """Return a drawing as an array, shape (16, 16), uint8.

    Examples
    --------
    >>> as_grid("1" + 255 * "0")[0, :3].tolist()
    [1, 0, 0]
    """
    return (np.frombuffer(ink.encode(), np.uint8) - ord("0")).reshape(SIDE, SIDE)


def as_text(grid: np.ndarray) -> str:
    """Return an array of ink as a drawing is sent.

    Examples
    --------
    >>> as_text(as_grid("01" * 128)) == "01" * 128
    True
    """
    return "".join("1" if cell else "0" for cell in np.asarray(grid).ravel())


def fit(grid: np.ndarray) -> np.ndarray:
    """Bring a drawing to the middle of the grid and to its size, as pictures are when learned from.

    Parameters
    ----------
    grid : numpy.ndarray
        Shape (16, 16), 1 is ink.

    Examples
    --------
    >>> small = np.zeros((16, 16), np.uint8)
    >>> small[1:5, 1] = 1
    >>> bool(fit(small).any(axis=1).all())  # as tall as the grid
    True
    """
    if not grid.any():
        return grid
    larger = np.kron(grid, np.ones((2, 2), np.uint8))  # what is larger than the grid is cropped
    return to_ink(larger, SIDE, is_light_paper=False)


class Drawings:
    """The drawings kept to be learned from.

    Parameters
    ----------
    folder : Path
        Where they are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._place, self._lock = folder / "drawings.json", threading.Lock()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def every(self) -> tuple[OwnDrawing, ...]:
        """Return all drawings, the oldest first."""
        try:
            found = json.loads(self._place.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return ()
        return tuple(OwnDrawing.model_validate(one) for one in found)

    def keep(self, wish: KeepWish) -> OwnDrawing:
        """Keep a drawing.

        Raises
        ------
        InputError
            If there is no ink, or there are too many already.
        """
        if "1" not in wish.ink:
            raise InputError("a drawing", got="an empty grid", hint="draw a digit first")
        with self._lock:
            before = self.every()
            if len(before) >= MOST_DRAWINGS:
                raise InputError(
                    f"at most {MOST_DRAWINGS} drawings", got="one more", hint="remove some first"
                )
            kept = OwnDrawing(id=secrets.token_hex(ID_BYTES), ink=wish.ink, label=wish.label)
            self._write((*before, kept))
        return kept

    def remove(self, name: str) -> None:
        """Remove a drawing; nothing happens where there is none of this id."""
        with self._lock:
            self._write(tuple(one for one in self.every() if one.id != name))

    def _write(self, drawings: tuple[OwnDrawing, ...]) -> None:
        part = self._place.with_suffix(".part")
        part.write_text(json.dumps([one.model_dump() for one in drawings]), encoding="utf-8")
        part.replace(self._place)
