"""Numbers as ONNX: the views of a column, as `fathom.data.views` works them out."""

from collections.abc import Sequence

import numpy as np

from fathom.data.views import (
    CLIP,
    FARTHEST,
    LARGEST,
    LEAST_SHARE,
    SMALLEST,
    NumberViews,
    View,
)
from fathom.deployment.normal import MIDDLE, TAIL
from fathom.deployment.onnx.graph import DOUBLE, FLOAT, INTEGER, Term


def show_numbers(x: Term, numbers: Sequence[NumberViews], view: View) -> Term:
    """Return columns of numbers in a view.

    Parameters
    ----------
    x : Term
        Float64, shape (rows, columns), NaN where missing.
    numbers : sequence of NumberViews
        What was learned of each column.
    view : str
        The view.

    Returns
    -------
    Term
        Float32, of the same shape.
    """
    graph = x.graph
    fill = np.array([one.fill for one in numbers])
    x = graph.where(graph.add("IsNaN", x), np.asarray(fill), x)
    x = graph.where(graph.add("Abs", x).is_below(SMALLEST), 0.0, x.clip(-LARGEST, LARGEST))
    if view == "bins":
        return _bins(x, [one.edges for one in numbers]).to(FLOAT)
    if view == "tree_bins":
        return _n_below(x, [one.thresholds for one in numbers]).to(FLOAT)
    scale = np.array([one.scale for one in numbers])
    is_constant = scale == 0
    if view == "quantile":
        quantiles = [one.quantiles for one in numbers]
        is_constant |= np.array([len(one) == 1 for one in quantiles])
        shown = _normal(_shares(x, quantiles))
    else:
        half = x * 0.5 - np.asarray(0.5 * fill)
        z = (half * 2.0 / np.where(is_constant, 1.0, scale)).clip(-FARTHEST, FARTHEST)
        third = z / CLIP
        shown = z / graph.add("Sqrt", third * third + 1.0)
    if is_constant.any():
        shown = graph.where(graph.constant(is_constant), 0.0, shown)
    return shown.to(FLOAT)


def _padded(rows: Sequence[np.ndarray], width: int, value: float = np.inf) -> np.ndarray:
    table = np.full((len(rows), width), value)
    for row, values in zip(table, rows, strict=True):
        row[: len(values)] = values
    return table


def _bins(x: Term, edges: Sequence[np.ndarray]) -> Term:
    """Return how many bins lie below, and how far x is through its own."""
    most = max(len(one) for one in edges) - 1
    if most == 0:
        return x * 0.0
    lows = _padded([one[:-1] for one in edges], most)
    widths = _padded([np.diff(one) for one in edges], most, 1.0)
    through = ((x.expand(2) - lows) / widths).clip(0.0, 1.0)
    return through.total(2).reshape(-1, len(edges))


def _n_below(x: Term, thresholds: Sequence[np.ndarray]) -> Term:
    most = max(len(one) for one in thresholds)
    if most == 0:
        return x * 0.0
    is_above = x.expand(2).is_above(_padded(thresholds, most))
    return is_above.to(DOUBLE).total(2).reshape(-1, len(thresholds))


def _shares(x: Term, quantiles: Sequence[np.ndarray]) -> Term:
    """Return the share of training values below x, between quantiles as the crow flies.

    From both sides, as `NumberViews` does, so that a value that is many quantiles at once gets
    their middle.
    """
    graph, n_steps = x.graph, max(len(one) for one in quantiles).bit_length()
    table = _padded(quantiles, 2**n_steps - 1)
    flat, offsets = graph.constant(table.ravel()), np.arange(len(table)) * table.shape[1]
    last = np.array([len(one) - 1 for one in quantiles])
    steps = np.maximum(last, 1).astype(np.float64)

    def look_up(places: Term) -> Term:
        return graph.add("Gather", flat, places + offsets)

    def count(operator: str) -> Term:
        """Return how many quantiles are less, or less or equal, by halving."""
        found = graph.add("Cast", x * 0.0, dtype=INTEGER, to=7)
        for step in (2**power for power in reversed(range(n_steps))):
            is_below = graph.add(operator, look_up(found + (step - 1)), x)
            found = found + is_below.to(INTEGER) * step
        return found

    def between(low: Term, high: Term) -> tuple[Term, Term]:
        return look_up(low.clip(0, last)), look_up(high.clip(0, last))

    place = count("LessOrEqual") - 1
    low, high = between(place, place + 1)
    from_below = (place.to(DOUBLE) + (x - low) / (high - low)) / steps
    from_below = graph.where(
        place.is_below(0), 0.0, graph.where(place.is_at_least(last), 1.0, from_below)
    )
    place = count("Less")
    low, high = between(place - 1, place)
    from_above = (place.to(DOUBLE) - (high - x) / (high - low)) / steps
    from_above = graph.where(
        place.is_at_most(0), 0.0, graph.where(place.is_above(last), 1.0, from_above)
    )
    return ((from_below + from_above) / 2.0).clip(LEAST_SHARE, 1 - LEAST_SHARE)


def _normal(share: Term) -> Term:
    """Return Φ⁻¹ of shares in [1e-7, 1 - 1e-7]."""
    graph = share.graph
    q = share - 0.5
    r = 0.180625 - q * q
    middle = q * _ratio(*MIDDLE, r)
    least = graph.add("Min", share, 1.0 - share)
    root = graph.add("Sqrt", graph.add("Neg", graph.add("Log", least)))
    tail = _ratio(*TAIL, root - 1.6)
    tail = tail * graph.add("Sign", q)
    return graph.where(graph.add("Abs", q).is_at_most(0.425), middle, tail)


def _ratio(over: Sequence[float], under: Sequence[float], x: Term) -> Term:
    return _polynomial(over, x) / _polynomial(under, x)


def _polynomial(coefficients: Sequence[float], x: Term) -> Term:
    """Return Σ c_k x^k by Horner's rule."""
    *rest, first = coefficients
    found = x * first
    for coefficient in reversed(rest[1:]):
        found = (found + coefficient) * x
    return found + rest[0]
