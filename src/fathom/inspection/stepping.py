"""Steps along one weight: whether a learning rate is too small, right or too large."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from pydantic import FiniteFloat

from fathom.inspection.curve import LossCurve
from fathom.inspection.landscape import Landscape
from fathom.inspection.weights import position_of
from fathom.values import Value

RATES = tuple(float(f"{10 ** (power / 4):.2g}") for power in range(-12, 11))  # 0.001 to 320
NEAR = 0.05  # of the way down: as good as arrived
StepVerdict: TypeAlias = Literal["too small", "right", "too large", "leaps", "diverges", "at rest"]


class ValleyFloor(NamedTuple):
    """The valley below a place of a curve.

    Attributes
    ----------
    low, high : float
        Where it ends to either side: on a ridge, or where the curve does.
    at, loss : float
        Its lowest point.
    """

    low: float
    high: float
    at: float
    loss: float


def valley_below(values: np.ndarray, losses: np.ndarray, start: float) -> ValleyFloor:
    """Return the valley one comes to downhill from a place of a curve.

    Parameters
    ----------
    values, losses : numpy.ndarray
        The curve, ascending; what is not finite is a wall.
    start : float
        The place.

    Examples
    --------
    >>> values = np.linspace(-2, 2, 401)
    >>> valley = valley_below(values, (values**2 - 1) ** 2, 0.2)
    >>> [round(float(value), 2) for value in valley]
    [0.0, 2.0, 1.0, 0.0]
    """
    heights = np.where(np.isfinite(losses), losses, np.inf)
    at = int(np.argmin(np.abs(values - start)))
    while True:
        near = [n for n in (at - 1, at + 1) if 0 <= n < len(heights) and heights[n] < heights[at]]
        if not near:
            break
        at = min(near, key=lambda n: float(heights[n]))
    low = high = at
    while low > 0 and heights[low - 1] >= heights[low]:
        low -= 1
    while high < len(heights) - 1 and heights[high + 1] >= heights[high]:
        high += 1
    return ValleyFloor(
        float(values[low]), float(values[high]), float(values[at]), float(heights[at])
    )


def judge_steps(curve: LossCurve) -> StepVerdict:
    """Say whether the steps of a curve are of a size that suits its valley.

    ========= ==============================================================================
    at rest   it begins at the bottom
    diverges  it ends as no number, or higher than it began
    leaps     it ends in another valley than the one downhill from its start
    right     it has come 95 % of the way down
    too large it has not, and rose on its way or went to and fro
    too small it has not, and only fell
    ========= ==============================================================================

    Parameters
    ----------
    curve : LossCurve
        A curve with steps.
    """
    valley = valley_below(curve.values, curve.losses, float(curve.steps[0]))
    first, last = float(curve.step_losses[0]), float(curve.step_losses[-1])
    fall = first - valley.loss
    if fall <= 1e-9 * max(1.0, abs(first)):
        return "at rest"
    if not last <= first:
        return "diverges"
    is_inside = valley.low <= curve.steps[-1] <= valley.high
    if not is_inside:
        return "leaps"
    if last - valley.loss <= NEAR * fall:
        return "right"
    turns = np.sign(curve.step_slopes[1:]) != np.sign(curve.step_slopes[:-1])
    is_restless = bool(np.any(np.diff(curve.step_losses) > 0) or turns.mean() > 0.5)
    return "too large" if is_restless else "too small"


class SuitingRates(Value):
    """Three learning rates for the steps along one weight.

    Attributes
    ----------
    too_small, right, too_large : float or None
        One of each; None where none of those tried is such.
    """

    too_small: FiniteFloat | None
    right: FiniteFloat | None
    too_large: FiniteFloat | None


def _comes_to_rest(steps: np.ndarray) -> bool:
    """Tell whether the last quarter of the steps stays in a fiftieth of what all went through."""
    last = steps[-max(2, len(steps) // 4) :]
    return bool(np.ptp(last) <= np.ptp(steps) / 50)


def suit_rates(
    landscape: Landscape,
    curve: LossCurve,
    *,
    n_steps: int,
    rates: Sequence[float] = RATES,
) -> SuitingRates:
    """Find a learning rate that is too small, one that is right, and one that is too large.

    Parameters
    ----------
    landscape : Landscape
        The network on its data.
    curve : LossCurve
        The curve, whose first step is where all begin.
    n_steps : int
        How many steps they have.
    rates : sequence of float
        Those tried, ascending.

    Returns
    -------
    SuitingRates
        The right one is there soonest, of those that come to rest if any does; the one too small is
        the largest such below a sixth of it, the one too large the smallest such above it: one that
        goes to and fro rather than one that leaps out or diverges, where there is one.
    """
    position, start = position_of(landscape.network, curve.weight), float(curve.steps[0])
    verdicts: dict[float, StepVerdict] = {}
    soon: dict[float, tuple[bool, float]] = {}
    for rate in rates:
        steps, losses, slopes = landscape.descend_along(position, start, rate, n_steps)
        walked = curve.model_copy(
            update={
                "learning_rate": rate, "steps": steps, "step_losses": losses, "step_slopes": slopes,
            }
        )  # fmt: skip
        verdicts[rate] = judge_steps(walked)
        soon[rate] = not _comes_to_rest(steps), float(np.nansum(losses))
    right = min((r for r in rates if verdicts[r] == "right"), key=lambda r: soon[r], default=None)
    small = [r for r in rates if verdicts[r] == "too small" and (right is None or r <= right / 6)]
    large = [
        next((r for r in rates if verdicts[r] == kind and r > (right or 0.0)), None)
        for kind in ("too large", "leaps", "diverges")
    ]
    return SuitingRates(
        too_small=small[-1] if small else None, right=right,
        too_large=next((rate for rate in large if rate is not None), None),
    )  # fmt: skip
