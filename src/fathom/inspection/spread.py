"""Spread: how far the right numbers lie from predicted ones, by what is predicted."""

from typing import Any

import numpy as np
from pydantic import Field, FiniteFloat

from fathom.errors import InputError
from fathom.inspection.aligned import align
from fathom.inspection.findings import Finding, find
from fathom.inspection.judging import Z
from fathom.inspection.svg import number_text
from fathom.values import Value

MOST_BANDS, LEAST_IN_BAND = 10, 20
INNER = (10.0, 90.0)  # percentiles between which eight of ten lie
HOLDS = 0.8  # share of the bands whose mean is what was predicted, from which that is as it should


class SpreadBand(Value):
    """Predictions of about the same number.

    Attributes
    ----------
    low, high : float
        The lowest and the highest of them.
    n_rows : int
        How many.
    predicted, right : float
        Their mean, and that of the right numbers.
    right_low, right_high : float
        The 95 % interval of the latter.
    inner_low, inner_high : float
        Between which eight of ten right numbers lie.
    """

    low: FiniteFloat
    high: FiniteFloat
    n_rows: int = Field(ge=1)
    predicted: FiniteFloat
    right: FiniteFloat
    right_low: FiniteFloat
    right_high: FiniteFloat
    inner_low: FiniteFloat
    inner_high: FiniteFloat


class Spread(Value):
    """Whether predicted numbers can be taken at their word.

    Attributes
    ----------
    n_rows : int
        How many rows.
    half, most : float
        Distances from the predicted number within which half and nine of ten right ones lie.
    bands : tuple of SpreadBand
        Rows by what was predicted, in parts of about equally many.
    findings : tuple of Finding
        What that says.
    """

    n_rows: int = Field(ge=1)
    half: FiniteFloat
    most: FiniteFloat
    bands: tuple[SpreadBand, ...]
    findings: tuple[Finding, ...] = ()

    def __str__(self) -> str:
        rows = [("predicted", "rows", "right", "low", "high", "8 of 10 from", "to")]
        rows += [
            (f"{b.predicted:.4g}", f"{b.n_rows:,}", f"{b.right:.4g}", f"{b.right_low:.4g}",
             f"{b.right_high:.4g}", f"{b.inner_low:.4g}", f"{b.inner_high:.4g}")
            for b in self.bands
        ]  # fmt: skip
        return "\n".join([align(rows), *map(str, self.findings)])

    __repr__ = __str__


def check_spread(predicted: Any, y: Any) -> Spread:
    """Compare predicted numbers with the right ones, part by part.

    Where a prediction can be taken at its word, the right numbers of rows with about the same
    prediction average what was predicted: E[y | prediction] = prediction.

    Parameters
    ----------
    predicted : array-like
        Predicted numbers, shape (n,).
    y : array-like
        The right ones, shape (n,).

    Returns
    -------
    Spread
        Parts, distances, and what they mean.

    Raises
    ------
    InputError
        If shapes or numbers do not fit.

    Examples
    --------
    >>> found = check_spread([1.0, 2.0, 3.0, 4.0], [1.0, 2.5, 2.5, 5.0])
    >>> found.half, len(found.bands)
    (0.5, 1)
    """
    a, y = (np.asarray(part, np.float64) for part in (predicted, y))
    if a.ndim != 1 or a.shape != y.shape or not len(a):
        raise InputError(
            "as many predicted numbers as right ones, one or more",
            got=f"shapes {a.shape} and {y.shape}",
        )
    if not (np.isfinite(a).all() and np.isfinite(y).all()):
        raise InputError("finite numbers", got="NaN or infinity")
    n_bands = int(np.clip(len(a) // LEAST_IN_BAND, 1, MOST_BANDS))
    # rows of the same prediction are never parted
    edges = np.unique(np.quantile(a, np.linspace(0, 1, n_bands + 1)[1:-1]))
    place = np.searchsorted(edges, a, side="right")
    bands = tuple(_band(a[place == k], y[place == k]) for k in np.unique(place))
    off = np.abs(y - a)
    half, most = (float(np.quantile(off, share)) for share in (0.5, 0.9))
    n_held = sum(one.right_low <= one.predicted <= one.right_high for one in bands)
    facts = {"n_held": n_held, "n_bands": len(bands)}
    is_held = n_held >= HOLDS * len(bands)
    findings = (
        find("spread_within", half=number_text(half), most=number_text(most), n_rows=len(a)),
        find("means_hold", "good", **facts) if is_held
        else find("means_stray", "warning", **facts),
    )  # fmt: skip
    return Spread(n_rows=len(a), half=half, most=most, bands=bands, findings=findings)


def _band(a: np.ndarray, y: np.ndarray) -> SpreadBand:
    n, right = len(y), float(y.mean())
    reach = Z * float(y.std(ddof=1)) / np.sqrt(n) if n > 1 else 0.0
    inner_low, inner_high = np.percentile(y, INNER)
    return SpreadBand(
        low=a.min(), high=a.max(), n_rows=n, predicted=a.mean(), right=right,
        right_low=right - reach, right_high=right + reach, inner_low=inner_low,
        inner_high=inner_high,
    )  # fmt: skip
