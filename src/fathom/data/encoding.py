"""Encoding: from the numbers a user has to the numbers a network likes."""

from dataclasses import dataclass
from typing import Self

import numpy as np

FARTHEST = 1e6  # encoded values beyond this many standard deviations are drawn in to it


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
        largest = np.abs(x).max(axis=0).astype(np.float64)
        largest[largest == 0] = 1.0
        unit = x / largest  # so that no square overflows
        center, scale = unit.mean(axis=0, dtype=np.float64), unit.std(axis=0, dtype=np.float64)
        scale = np.where(scale <= 1e-7, 1.0, np.maximum(scale * largest, np.finfo(float).tiny))
        return cls(center * largest, scale)

    def encode(self, x: np.ndarray) -> np.ndarray:
        """Return (x - center) / scale as float32, drawn in to ±1e6."""
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
