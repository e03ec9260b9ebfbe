"""The verdict: whether depth pays, by rule, from the errors of many starts."""

import math
from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
from pydantic import FiniteFloat
from scipy.stats import mannwhitneyu

from fathom.inspection.depth.shapes import Shape
from fathom.values import Value

LEVEL = 0.05  # probability of a difference by chance from which on it is not believed
DRAWS = 10_000
Finding: TypeAlias = Literal["better", "worse", "no difference", "too few starts"]


class Comparison(Value):
    """The deep network against the shallow one, at what is equal.

    Attributes
    ----------
    shape : {"parameters", "neurons", "width"}
        What is equal.
    shallow, deep : int
        Hidden layers: the fewest, and of all others those with the lowest validation loss, so
        that the test rows take no part in the choice.
    difference : float
        Median error of the deep network less that of the shallow one.
    low, high : float
        95 % interval of the difference, for other starts and other test rows of the same kind.
    p_value : float
        Two-sided, of the test of Mann and Whitney on the errors of the starts.

    References
    ----------
    Mann, Whitney (1947). On a test of whether one of two random variables is stochastically larger
    than the other. Annals of Mathematical Statistics 18(1), 50-60.
    """

    shape: Shape
    shallow: int
    deep: int
    difference: FiniteFloat
    low: FiniteFloat
    high: FiniteFloat
    p_value: FiniteFloat

    @property
    def finding(self) -> Finding:
        """What is found on these test rows."""
        if self.p_value >= LEVEL or self.difference == 0:
            return "no difference"
        return "better" if self.difference < 0 else "worse"

    @property
    def is_general(self) -> bool:
        """Whether it can be expected of other rows too."""
        return self.low > 0 or self.high < 0


def compare(
    shape: Shape,
    shallow: tuple[int, Sequence[float]],
    deep: tuple[int, Sequence[float]],
    row_spread: float,
) -> Comparison:
    """Compare the errors of two networks over their starts.

    The interval is that of a bootstrap: starts are drawn anew, and the luck of the test rows is
    added as a normal number.

    Parameters
    ----------
    shape : str
        What is equal.
    shallow, deep : tuple of int and sequence of float
        Hidden layers, and the error of each start.
    row_spread : float
        Standard error of the difference that comes from there being only so many test rows.

    Examples
    --------
    >>> found = compare("width", (1, [0.30, 0.31, 0.32, 0.30]), (3, [0.2, 0.21, 0.2, 0.19]), 0.01)
    >>> found.finding, found.is_general, found.p_value < 0.05
    ('better', True, True)
    """
    a, b = np.asarray(shallow[1], float), np.asarray(deep[1], float)
    rng = np.random.default_rng(0)
    drawn = [np.median(rng.choice(errors, (DRAWS, len(errors))), axis=1) for errors in (a, b)]
    differences = drawn[1] - drawn[0] + rng.normal(0.0, row_spread, DRAWS)
    low, high = np.quantile(differences, (0.025, 0.975))
    return Comparison(
        shape=shape, shallow=shallow[0], deep=deep[0],
        difference=float(np.median(b) - np.median(a)), low=float(low), high=float(high),
        p_value=p_value(a, b),
    )  # fmt: skip


def p_value(a: Sequence[float] | np.ndarray, b: Sequence[float] | np.ndarray) -> float:
    """Return the two-sided probability that two samples of one kind differ so much."""
    if np.ptp(np.concatenate([a, b])) == 0:
        return 1.0
    return float(min(1.0, mannwhitneyu(a, b).pvalue))


def row_spread(shallow: np.ndarray, deep: np.ndarray, errors: tuple[float, float] | None) -> float:
    """Return the standard error of a difference of errors over test rows.

    Parameters
    ----------
    shallow, deep : numpy.ndarray
        What each test row adds to the error of either network, mean over its starts.
    errors : tuple of float, optional
        The RMSE of either, where the error is one: √a - √b is (a - b) / (√a + √b).
    """
    of_mean = float(np.std(deep - shallow)) / math.sqrt(len(shallow))
    if errors is None:
        return of_mean
    roots = np.sqrt([np.mean(shallow), np.mean(deep)]).sum()
    relative = of_mean / max(float(roots), 1e-12)  # in the unit of the parts
    scale = sum(errors) / max(float(roots), 1e-12)
    return relative * scale


def mark_all(reference: Sequence[float], others: Sequence[Sequence[float]]) -> list[Finding]:
    """Say of several samples whether each is lower or higher than the reference.

    All are tested at once, so the bounds are those of Holm: the smallest probability times the
    number of tests, the next times one less, and so on, until one is not small enough.

    References
    ----------
    Holm (1979). A simple sequentially rejective multiple test procedure. Scandinavian Journal of
    Statistics 6(2), 65-70.
    """
    chances = [p_value(reference, other) for other in others]
    n, m = len(reference), min(map(len, others), default=0)
    is_few = 2 * len(others) / math.comb(n + m, n) >= LEVEL  # were they all on one side
    found: list[Finding] = ["too few starts" if is_few else "no difference"] * len(others)
    for rank, place in enumerate(np.argsort(chances, kind="stable")):
        if chances[place] * (len(others) - rank) >= LEVEL:
            break
        difference = float(np.median(others[place]) - np.median(reference))
        if difference:
            found[place] = "better" if difference < 0 else "worse"
    return found


def rows_for_error(sizes: Sequence[int], errors: Sequence[float], error: float) -> float | None:
    """Return how many training rows reach an error, between the sizes that were tried.

    Error is taken as a power of the number of rows between two sizes; more rows never count as
    worse than fewer.

    Parameters
    ----------
    sizes : sequence of int
        Training rows, ascending.
    errors : sequence of float
        The error at each.
    error : float
        The error to reach.

    Returns
    -------
    float or None
        Rows, the smallest size where that is enough already; None where no size reaches it.

    Examples
    --------
    >>> rows_for_error([100, 400], [0.2, 0.1], 0.2 / 2**0.5)
    200.0
    """
    best = np.minimum.accumulate(np.asarray(errors, float))
    reached = np.flatnonzero(best <= error)
    if not len(reached):
        return None
    after = int(reached[0])
    if after == 0:
        return float(sizes[0])
    high, low = best[after - 1], best[after]
    if low > 0 and error > 0:
        share = math.log(high / error) / math.log(high / low)
    else:
        share = (high - error) / (high - low)
    return round(float(sizes[after - 1] * (sizes[after] / sizes[after - 1]) ** share), 6)
