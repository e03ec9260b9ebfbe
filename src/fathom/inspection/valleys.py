"""Several starts at once: which valley of the error surface each reached."""

import math
from typing import Any

import numpy as np

from fathom.errors import InputError
from fathom.inspection.aligned import align
from fathom.inspection.arrays import Measured, Numbers
from fathom.inspection.charts import distribution_chart
from fathom.inspection.descents import (
    N_LOOKS,
    PLAIN,
    Descent,
    Walk,
    Walker,
    draw_descents,
    draw_start,
    walk_together,
)
from fathom.inspection.landscape import Landscape
from fathom.inspection.svg import Say
from fathom.nn.architecture import Architecture
from fathom.nn.xla import jnp
from fathom.training.recipe import Recipe

SAME_OUTPUTS = 0.1  # root mean square difference of outputs, in spreads of the target
SAME_LOSS = 0.05  # difference of losses, in falls of the best start
COMPARED_ROWS = 500  # examples on which outputs are compared


class Valley(Measured):
    """A place at the end of some descents: networks that do the same.

    Attributes
    ----------
    starts : tuple of int
        The starts that ended in it, by number, the lowest loss first.
    losses : numpy.ndarray
        Their losses.
    outputs : numpy.ndarray
        What the lowest of them gives for the first rows, shape (rows, outputs).
    weight_distance : float
        The longest way between two of them in weight space: far where they do the same by other
        weights, for example with their hidden neurons in another order.
    """

    starts: tuple[int, ...]
    losses: Numbers
    outputs: Numbers
    weight_distance: float

    @property
    def loss(self) -> float:
        """The lowest loss in it."""
        return float(self.losses[0])


class Starts(Measured):
    """Descents from several random starts, and the valleys they reached.

    Attributes
    ----------
    descents : tuple of Descent
        One for each start.
    valleys : tuple of Valley
        The deepest first; starts that diverged are in none.
    """

    descents: tuple[Descent, ...]
    valleys: tuple[Valley, ...]

    @property
    def final_losses(self) -> np.ndarray:
        """Loss at the end of each start."""
        return np.array([descent.final_loss for descent in self.descents])

    @property
    def n_diverged(self) -> int:
        """How many starts ended higher than they began."""
        return sum(descent.is_diverged for descent in self.descents)

    def valley_of(self, start: int) -> int | None:
        """Return the number of the valley a start reached, from 0; None where it diverged."""
        found = (number for number, valley in enumerate(self.valleys) if start in valley.starts)
        return next(found, None)

    def chance_of_best(self, n_starts: int) -> float:
        """Return the chance that the best of some starts reaches the deepest valley."""
        share = len(self.valleys[0].starts) / len(self.descents) if self.valleys else 0.0
        return 1 - (1 - share) ** n_starts

    def __str__(self) -> str:
        n = len(self.descents)
        finite = self.final_losses[np.isfinite(self.final_losses)]
        lines = [f"{n} starts, {_counted(len(self.valleys), 'valley', 'valleys')}"]
        if len(finite):
            low, first, middle, third, high = np.quantile(finite, [0, 0.25, 0.5, 0.75, 1])
            lines.append(
                f"final loss: {low:.4g} at best, {middle:.4g} in the middle (half of them from "
                f"{first:.4g} to {third:.4g}), {high:.4g} at worst"
            )
        rows: list[tuple[object, ...]] = [("valley", "loss", "starts", "share", "which")]
        for number, valley in enumerate(self.valleys, start=1):
            shown = [str(start + 1) for start in sorted(valley.starts)]
            which = ", ".join(shown[:8]) + (", …" if len(shown) > 8 else "")
            count = len(valley.starts)
            rows.append((number, f"{valley.loss:.4g}", count, f"{count / n:.0%}", which))
        if self.valleys:
            lines.append(align(rows))
        if self.n_diverged:
            lines.append(f"{_counted(self.n_diverged, 'start', 'starts')} diverged")
        moving = sum(d.is_moving for d in self.descents)
        if moving:
            lines.append(f"{_counted(moving, 'start was', 'starts were')} still moving at the end")
        if len(self.valleys) > 1:
            lines.append(
                f"the best of 1 start reaches the deepest valley {self.chance_of_best(1):.0%} of "
                f"the time, the best of 5 starts {self.chance_of_best(5):.0%}"
            )
        return "\n".join(lines)

    __repr__ = __str__

    def to_svg(self, say: Say = str, *, width: float = 480) -> str:
        """Draw the losses of all starts over the epochs, as static SVG."""
        title = say("Several starts")
        return draw_descents(self.descents, title, say, width=width, description=str(self))

    def spread_to_svg(self, say: Say = str, *, width: float = 480) -> str:
        """Draw the spread of the final losses, as static SVG."""
        return distribution_chart(
            [say("final loss")], [self.final_losses], title=say("Spread of the final losses"),
            x_label=say("loss"), median_label=say("median"), width=width, description=str(self),
        )  # fmt: skip

    def _repr_html_(self) -> str:
        return self.to_svg() + self.spread_to_svg()


def try_starts(
    architecture: Architecture,
    x: Any,
    y: Any,
    recipe: Recipe = PLAIN,
    *,
    n_starts: int = 20,
    n_looks: int = N_LOOKS,
) -> Starts:
    """Let a network descend from several random starts, and tell the valleys they reach apart.

    Two ends are in one valley where their losses differ by less than 5 % of the way down and
    their outputs on the examples by less than a tenth of the target's spread, in root mean square.
    Outputs are compared rather than weights because networks whose hidden neurons stand in another
    order are the same network.

    Parameters
    ----------
    architecture : Architecture
        The network.
    x, y : array
        Examples and targets.
    recipe : Recipe
        How it descends; its seed gives the starts.
    n_starts : int
        How many starts.
    n_looks : int
        How often the loss is worked out.

    Returns
    -------
    Starts
        Descents and valleys.
    """
    walkers = draw_starts(architecture, x, recipe, n_starts)
    walks = walk_together(architecture, x, y, recipe, walkers, n_looks=n_looks)
    return gather_starts(architecture, x, y, walks)


def draw_starts(
    architecture: Architecture, x: Any, recipe: Recipe, n_starts: int
) -> tuple[Walker, ...]:
    """Draw several random starts of a network, as training with the recipe would."""
    if n_starts < 1:
        raise InputError("1 start or more", got=f"{n_starts}")
    return tuple(
        Walker(
            f"start {start + 1}", draw_start(architecture, x, recipe.seed, start),
            recipe.learning_rate, start,
        )
        for start in range(n_starts)
    )  # fmt: skip


def gather_starts(architecture: Architecture, x: Any, y: Any, walks: tuple[Walk, ...]) -> Starts:
    """Return several descents with the valleys they reached."""
    return Starts(
        descents=tuple(walk.descent for walk in walks),
        valleys=find_valleys(architecture, x, y, walks),
    )


def find_valleys(
    architecture: Architecture, x: Any, y: Any, walks: tuple[Walk, ...]
) -> tuple[Valley, ...]:
    """Group the ends of descents by what the networks there do, the lowest loss first.

    Parameters
    ----------
    architecture : Architecture
        What all of them are.
    x, y : array
        Examples and targets.
    walks : tuple of Walk
        The descents; those that diverged are left out.
    """
    kept = [walk for walk in walks if not walk.descent.is_diverged]
    if not kept:
        return ()
    kept.sort(key=lambda walk: walk.descent.final_loss)
    target = Landscape(kept[0].network, architecture, x, y).examples.y
    outputs = np.stack([_outputs(walk, x) for walk in kept])
    spread = 1.0 if target.ndim == 1 else float(np.std(target)) or 1.0
    fall = max(walk.descent.losses[0] - walk.descent.final_loss for walk in kept)
    places: list[list[int]] = []
    for number, walk in enumerate(kept):
        for members in places:
            lowest = members[0]
            difference = math.sqrt(np.mean((outputs[number] - outputs[lowest]) ** 2))
            higher = walk.descent.final_loss - kept[lowest].descent.final_loss
            if difference <= SAME_OUTPUTS * spread and higher <= SAME_LOSS * fall:
                members.append(number)
                break
        else:
            places.append([number])
    return tuple(
        Valley(
            starts=tuple(kept[n].descent.start for n in members),
            losses=[kept[n].descent.final_loss for n in members], outputs=outputs[members[0]][:8],
            weight_distance=_widest([kept[n].path.weights[-1] for n in members]),
        )
        for members in places
    )  # fmt: skip


def _outputs(walk: Walk, x: Any) -> np.ndarray:
    rows = np.asarray(x, np.float32)
    chosen = rows[np.linspace(0, len(rows) - 1, min(len(rows), COMPARED_ROWS)).astype(int)]
    return np.asarray(walk.network(jnp.asarray(chosen)), np.float64)


def _widest(weights: list[np.ndarray]) -> float:
    rows = np.stack(weights[:50])
    return max(float(np.linalg.norm(rows - row, axis=1).max()) for row in rows)


def _counted(n: int, one: str, many: str) -> str:
    return f"{n} {one if n == 1 else many}"
