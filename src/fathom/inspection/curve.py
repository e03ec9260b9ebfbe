"""The loss along one weight, with its slope and the steps downhill."""

import math

import numpy as np

from fathom.errors import InputError
from fathom.inspection.arrays import Measured, Numbers
from fathom.inspection.charts import Series, line_chart
from fathom.inspection.landscape import Landscape
from fathom.inspection.svg import Say
from fathom.inspection.weights import position_of

FAR = 3.0  # spans beyond which a step along one weight is not followed


class LossCurve(Measured):
    """The loss along one weight, all others held, and the steps downhill from where it is.

    Attributes
    ----------
    weight : str
        Name of the weight.
    value, loss, slope : float
        The weight as it is, and loss and slope ∂L/∂w there.
    learning_rate : float
        The step size η.
    values, losses : numpy.ndarray
        The curve.
    steps, step_losses, step_slopes : numpy.ndarray
        Where gradient descent along this weight alone goes, w ← w - η ∂L/∂w, from its start, with
        loss and slope at each place.
    """

    weight: str
    value: float
    loss: float
    slope: float
    learning_rate: float
    values: Numbers
    losses: Numbers
    steps: Numbers
    step_losses: Numbers
    step_slopes: Numbers

    @property
    def step(self) -> float:
        """The next step from where the weight is, -η ∂L/∂w."""
        return -self.learning_rate * self.slope

    @property
    def lowest(self) -> tuple[float, float]:
        """The place of the curve with the least loss, and that loss."""
        finite = np.where(np.isfinite(self.losses), self.losses, np.inf)
        place = int(np.argmin(finite))
        return float(self.values[place]), float(self.losses[place])

    def __str__(self) -> str:
        at, least = self.lowest
        lines = [
            f"{self.weight} = {self.value:.4g}: loss {self.loss:.4g}, slope {self.slope:.4g}",
            f"next step: -η · slope = -{self.learning_rate:g} · {self.slope:.4g} "
            f"= {self.step:.4g}, so {self.weight} = {self.value + self.step:.4g}",
            f"lowest on this curve: {least:.4g} at {at:.4g}",
        ]
        if len(self.steps) > 1:
            lines.append(
                f"{len(self.steps) - 1} steps from {self.steps[0]:.4g} (loss "
                f"{self.step_losses[0]:.4g}) to {self.steps[-1]:.4g} (loss "
                f"{self.step_losses[-1]:.4g})"
            )
        return "\n".join(lines)

    __repr__ = __str__

    def to_svg(self, say: Say = str, *, width: float = 480, height: float = 300) -> str:
        """Draw the curve with its tangent and the steps, as static SVG.

        Parameters
        ----------
        say : callable
            Turns a label into the reader's language.
        width, height : float
            Size in pixels.
        """
        low, high = float(self.values[0]), float(self.values[-1])
        reach = 0.16 * (high - low)
        ends = np.array([self.value - reach, self.value + reach])
        tangent = self.loss + self.slope * (ends - self.value)
        is_near = (self.steps >= low) & (self.steps <= high)
        series = [
            Series(say("loss"), self.values, self.losses),
            Series(say("slope"), ends, tangent, number=6),
            Series(
                say("steps"), np.where(is_near, self.steps, np.nan), self.step_losses, "both",
                number=1,
            ),
            Series(say("now"), [self.value], [self.loss], "points", number=2),
        ]  # fmt: skip
        finite = self.losses[np.isfinite(self.losses)]
        shown = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
        room = 0.06 * (shown[1] - shown[0] or 1.0)
        return line_chart(
            series, title=f"{say('Loss along one weight')}: {self.weight}", x_label=self.weight,
            y_label=say("loss"), y_range=(shown[0] - room, shown[1] + room), width=width,
            height=height, description=str(self),
        )  # fmt: skip

    def _repr_html_(self) -> str:
        return self.to_svg()


def loss_along(
    landscape: Landscape,
    weight: str,
    *,
    learning_rate: float = 0.1,
    n_steps: int = 10,
    start: float | None = None,
    span: float | None = None,
    n_points: int = 161,
) -> LossCurve:
    """Work out the loss along one weight, and where gradient descent along it goes.

    Parameters
    ----------
    landscape : Landscape
        The network on its data.
    weight : str
        Which weight: ``layer1.neuron1.weight1``, ``output.neuron1.bias``.
    learning_rate : float
        The step size η, above 0.
    n_steps : int
        How many steps are taken, w ← w - η ∂L/∂w.
    start : float, optional
        Where the steps begin; at the weight as it is where left out.
    span : float, optional
        How far the curve reaches to either side of the weight; where left out, twice its size,
        at least 2, and as far as the steps go.
    n_points : int
        Points of the curve.

    Returns
    -------
    LossCurve
        Curve, slope and steps.

    Raises
    ------
    InputError
        If there is no such weight, or a number is out of range.

    Examples
    --------
    >>> from fathom.inspection.example import hand_worked
    >>> network, architecture = hand_worked()
    >>> landscape = Landscape(network, architecture, [[1.0, -1.0]], [[1.0, 0.0]])
    >>> curve = loss_along(landscape, "output.neuron2.bias", learning_rate=2.0)
    >>> print(curve)
    output.neuron2.bias = 2: loss 0.4168, slope 0.1175
    next step: -η · slope = -2 · 0.1175 = -0.2349, so output.neuron2.bias = 1.765
    lowest on this curve: 0.07641 at -2
    10 steps from 2 (loss 0.4168) to -0.4143 (loss 0.1189)
    """
    if not 0 < learning_rate < math.inf:
        raise InputError("a learning rate above 0", got=f"{learning_rate:g}")
    position = position_of(landscape.network, weight)
    value = float(landscape.weights[position])
    begin = value if start is None else start
    steps, step_losses, slopes = landscape.descend_along(position, begin, learning_rate, n_steps)
    wide = span or max(2.0, 2 * abs(value))
    is_near = np.isfinite(steps) & (np.abs(steps - value) <= (wide if span else FAR * wide))
    reached = [value - wide, value + wide, *steps[is_near]]
    away = offsets(min(reached) - value, max(reached) - value, n_points)
    direction = np.zeros((1, landscape.n_weights))
    direction[0, position] = 1
    _, slope = landscape.descend_along(position, value, learning_rate, 0)[1:]
    return LossCurve(
        weight=weight, value=value, loss=landscape.loss, slope=float(slope[0]),
        learning_rate=learning_rate, values=value + away,
        losses=grid_losses(landscape, direction, away[:, None]), steps=steps,
        step_losses=step_losses, step_slopes=slopes,
    )  # fmt: skip


def grid_losses(landscape: Landscape, directions: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return the loss at steps along directions, as `Landscape.losses_on`, exact where it is."""
    losses = landscape.losses_on(directions, steps)
    # The same number to the last bit, which a compiler may round otherwise in another program.
    return np.where((steps == 0).all(axis=1), landscape.loss, losses)


def offsets(low: float, high: float, n: int) -> np.ndarray:
    """Return equal steps from about low to about high, one of them exactly 0."""
    if n < 3:
        raise InputError("3 points or more along a side", got=f"{n}")
    step = (high - low) / (n - 1)
    before = min(max(round(-low / step), 0), n - 1)
    return (np.arange(n) - before) * step
