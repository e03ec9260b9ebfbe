"""Encoding: from the numbers a user has to the numbers a network likes."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from fathom.errors import InputError

FARTHEST = 1e6  # encoded values beyond this many standard deviations are drawn in to it
SPAN = 1e15  # centers and scales within it, and its inverse, keep float32 from under- and overflow
ROUNDING = 3e-8  # of a standard deviation: half the last digit of a float32 about 1


@dataclass(frozen=True)
class Standardization:
    """Center and scale of every column: x ↦ (x - center) / scale.

    Attributes
    ----------
    center : numpy.ndarray
        Mean of each column of the training rows, float64.
    scale : numpy.ndarray
        Standard deviation of each column, float64; 1 where a column is constant.
    """

    center: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(cls, x: np.ndarray) -> Self:
        """Learn centers and scales from rows of shape (n, columns), finite, of any size."""
        _require_numbers(x)
        largest = np.abs(x).max(axis=0).astype(np.float64)
        largest[largest == 0] = 1.0
        unit = x / largest  # so that no square overflows
        center, scale = unit.mean(axis=0, dtype=np.float64), unit.std(axis=0, dtype=np.float64)
        scale = np.where(scale <= 1e-7, 1.0, np.maximum(scale * largest, np.finfo(float).tiny))
        return cls(center * largest, scale)

    def encode(self, x: np.ndarray) -> np.ndarray:
        """Return (x - center) / scale as float32, drawn in to ±1e6."""
        _require_numbers(x)
        half = 0.5 * np.asarray(x, np.float64) - 0.5 * self.center  # halves cannot overflow
        with np.errstate(over="ignore"):
            encoded = np.clip(2 * (half / self.scale), -FARTHEST, FARTHEST)
        return encoded.astype(np.float32)

    def decode(self, values: np.ndarray) -> np.ndarray:
        """Return values · scale + center as float64."""
        return np.asarray(values, np.float64) * self.scale + self.center

    @classmethod
    def of_pixels(cls, x: np.ndarray) -> Self:
        """Return the scale that brings pixels to [0, 1], the same for all of them."""
        top = float(np.abs(x).max()) or 1.0
        if x.dtype == np.uint8 and top > 1:
            top = 255.0
        return cls(np.zeros(1), np.full(1, max(top, 1.0)))


def _require_numbers(x: np.ndarray) -> None:
    """Refuse texts, which scikit-learn lets pass among columns of some kinds of tables."""
    if x.dtype.kind in "fiub":
        return
    found = next((one for one in x.ravel().tolist() if isinstance(one, str)), None)
    if found is not None:
        raise InputError(
            "numbers in every column, where the network or its recipe is given",
            got=f"the text {found[:40]!r}",
            hint="leave both out and give a time limit, and columns of every kind are encoded",
        )


class NearStandardization:
    """The center taken from rows that are finite and not far, which is nearly all, in float32.

    The scale is left to whatever multiplies next: `inverse` is what to multiply by.

    Parameters
    ----------
    whole : Standardization
        What it stands for.
    n_features : int
        Numbers per row.

    Attributes
    ----------
    is_possible : bool
        Whether centers and scales are such that float32 neither under- nor overflows.
    inverse : numpy.ndarray
        1 / scale of each column, float64.
    surely_near : float
        Numbers whose squares add up to less are all finite and near.

    Notes
    -----
    The center is taken from a float32 row in float32 where it is exact enough there, otherwise in
    float64, so that no digits are lost in columns that lie far from 0.
    """

    def __init__(self, whole: Standardization, n_features: int) -> None:
        center = np.broadcast_to(whole.center, n_features).astype(np.float64)
        scale = np.broadcast_to(whole.scale, n_features).astype(np.float64)
        self.is_possible = bool(
            (np.abs(center) < SPAN).all() and (scale > 1 / SPAN).all() and (scale < SPAN).all()
        )
        if not self.is_possible:
            return
        self.inverse = 1 / scale
        near = center.astype(np.float32)
        is_exact = bool((np.abs(near - center) <= ROUNDING * scale).all())
        self._center: np.ndarray = center
        self._center_32: np.ndarray = near if is_exact else center
        self._farthest = FARTHEST * scale
        self.surely_near = float(self._farthest.min()) ** 2

    def center_of(self, x: np.ndarray) -> np.ndarray:
        """Return what is taken from rows of float32 or of float64."""
        return self._center_32 if x.dtype.char == "f" else self._center

    def center_one_into(self, x: np.ndarray, room: np.ndarray, whole: np.ndarray) -> bool:
        """Write x - center of one row, shape (columns,), into room, which is a part of the whole.

        Returns
        -------
        bool
            Whether all of the whole are surely finite and near; if not, `center_into` may know.
        """
        np.subtract(x, self.center_of(x), out=room, casting="same_kind")
        return bool(np.dot(whole, whole) < self.surely_near)

    def center_into(self, x: np.ndarray, room: np.ndarray) -> bool:
        """Write x - center of float32 or float64 rows, features first, and a last row of ones.

        Parameters
        ----------
        x : numpy.ndarray
            Rows, shape (n, columns).
        room : numpy.ndarray
            Where to: float32, shape (columns + 1, n or more), contiguous; behind the n-th come 0.

        Returns
        -------
        bool
            Whether all are finite and nearer than `FARTHEST`; if not, what was written is void.
        """
        values, found = room[:-1], room[:-1, : len(x)]
        if x.dtype.char == "f" and self._center_32.dtype.char == "f":
            np.copyto(found, x.T)  # turned first: in one step it takes a fifth longer
            values -= self._center_32[:, None]  # all of it, which NumPy does in one loop
        else:
            np.subtract(x.T, self._center[:, None], out=found, casting="same_kind")
        room[:, len(x) :] = 0
        room[-1, : len(x)] = 1
        flat = room.reshape(-1)
        if np.dot(flat, flat) < self.surely_near:  # False for NaN, too
            return True
        return bool((np.abs(found) <= self._farthest[:, None]).all())
