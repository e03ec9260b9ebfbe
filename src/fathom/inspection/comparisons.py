"""Descents side by side: initializers, learning rates, optimizers."""

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from pydantic import Field

from fathom.errors import InputError
from fathom.inspection.aligned import align
from fathom.inspection.arrays import Measured
from fathom.inspection.charts import Series, distribution_chart, line_chart
from fathom.inspection.descents import (
    N_LOOKS,
    PLAIN,
    Descent,
    Walker,
    draw_start,
    walk_together,
)
from fathom.inspection.svg import Say
from fathom.nn.architecture import Architecture
from fathom.nn.blocks import Residual
from fathom.nn.initializers import Initializer, InitializerName
from fathom.training.recipe import OptimizerName, Recipe

Subject: TypeAlias = Literal["initializer", "learning rate", "optimizer"]
Verdict: TypeAlias = Literal["too small", "right", "too large", "diverges", ""]

INITIALIZERS: tuple[InitializerName, ...] = (
    "zeros", "normal", "glorot_uniform", "glorot_normal", "he_normal", "lecun_normal",
    "orthogonal", "data_scaled",
)  # fmt: skip
OPTIMIZERS: tuple[OptimizerName, ...] = get_args(OptimizerName)
RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
DEPTH = 0.9  # share of the best fall by which a descent counts as arrived
MOST_BANDS = 4  # more of them cover each other
NEAR_BEST = 0.05  # of the best fall: as good as the best


class Entry(Measured):
    """One of the things compared, with its descents.

    Attributes
    ----------
    name : str
        Which initializer, learning rate or optimizer.
    descents : tuple of Descent
        One for each start.
    verdict : str
        Of a learning rate: too small, right, too large, diverges.
    """

    name: str
    descents: tuple[Descent, ...] = Field(min_length=1)
    verdict: Verdict = ""

    @property
    def final_loss(self) -> float:
        """Median of the final losses."""
        return float(np.median([descent.final_loss for descent in self.descents]))

    def epochs_to(self, loss: float) -> np.ndarray:
        """Return for every start the epochs to a loss, infinite where it never got there."""
        return np.array([descent.epochs_to(loss) for descent in self.descents])


class Comparison(Measured):
    """Descents side by side that differ in one thing.

    Attributes
    ----------
    subject : {"initializer", "learning rate", "optimizer"}
        What differs.
    entries : tuple of Entry
        What is compared.
    target_loss : float
        The loss at which a descent counts as arrived.
    """

    subject: Subject
    entries: tuple[Entry, ...] = Field(min_length=1)
    target_loss: float

    def __getitem__(self, name: str) -> Entry:
        """Return an entry by its name."""
        return next(entry for entry in self.entries if entry.name == name)

    @property
    def best(self) -> Entry:
        """The entry that arrives soonest; of those that never do, the lowest at the end."""
        return min(self.entries, key=lambda e: (_middle(e.epochs_to(self.target_loss))[1],
                                                e.final_loss))  # fmt: skip

    def __str__(self) -> str:
        has_rate = self.subject == "optimizer"
        has_verdict = any(entry.verdict for entry in self.entries)
        n = len(self.entries[0].descents)
        header = [self.subject, *(["η"] if has_rate else []), "final loss", "epochs"]
        header += ["quartiles", "arrived"] if n > 1 else []
        rows: list[list[object]] = [[*header, *([""] if has_verdict else [])]]
        for entry in self.entries:
            epochs = entry.epochs_to(self.target_loss)
            first, middle, third = _middle(epochs)
            cells: list[object] = [entry.name]
            cells += [f"{entry.descents[0].learning_rate:g}"] if has_rate else []
            cells += [_shown(entry.final_loss), _shown(middle, "never")]
            if n > 1:
                arrived = int(np.isfinite(epochs).sum())
                quartiles = f"{_shown(first, 'never')} to {_shown(third, 'never')}"
                cells += [quartiles if math.isfinite(first) else "", f"{arrived} of {n}"]
            rows.append([*cells, *([entry.verdict] if has_verdict else [])])
        starts = f", medians over {n} starts" if n > 1 else ", from the same start"
        head = f"{_PLURALS[self.subject]} side by side{starts}; epochs to a loss of "
        return f"{head}{self.target_loss:.4g}\n{align(rows)}"

    __repr__ = __str__

    def to_svg(self, say: Say = str, *, width: float = 480, height: float = 300) -> str:
        """Draw the median loss over the epochs, of few entries with a band between quartiles.

        Parameters
        ----------
        say : callable
            Turns a label into the reader's language.
        width, height : float
            Size in pixels.
        """
        series, heights = [], []
        first = max(float(d.losses[0]) for entry in self.entries for d in entry.descents)
        for entry in self.entries:
            losses = np.stack([descent.losses for descent in entry.descents])
            with np.errstate(invalid="ignore"):  # of ∞ and ∞ at a quartile
                low, middle, high = np.quantile(losses, [0.25, 0.5, 0.75], axis=0)
            has_band = len(losses) > 1 and len(self.entries) <= MOST_BANDS
            band = {"low": low, "high": high} if has_band else {}
            name = f"{entry.name} ({say(entry.verdict)})" if entry.verdict else say(entry.name)
            series.append(Series(name, entry.descents[0].epochs, middle, **band))
            heights.append(middle)
        shown = np.concatenate(heights)
        shown = shown[np.isfinite(shown) & (shown <= 4 * first)]
        least, most = float(shown.min()), float(shown.max())
        is_log = 0 < least < most / 20
        ends = (least / 1.3, most * 1.3) if is_log else (min(least, 0.0), most * 1.05)
        return line_chart(
            series, title=say(_TITLES[self.subject]), x_label=say("epochs"), y_label=say("loss"),
            log_y=is_log, y_range=ends if ends[0] < ends[1] else None, width=width, height=height,
            description=str(self),
        )  # fmt: skip

    def epochs_to_svg(self, say: Say = str, *, width: float = 480) -> str:
        """Draw how many epochs it takes to the target loss, as distributions over the starts."""
        return distribution_chart(
            [say(entry.name) for entry in self.entries],
            [entry.epochs_to(self.target_loss) for entry in self.entries],
            title=f"{say('Epochs to a loss of')} {self.target_loss:.3g}", x_label=say("epochs"),
            median_label=say("median"), width=width, description=str(self),
        )  # fmt: skip

    def _repr_html_(self) -> str:
        return self.to_svg() + (self.epochs_to_svg() if len(self.entries[0].descents) > 1 else "")


_TITLES: dict[Subject, str] = {
    "initializer": "Initializers side by side",
    "learning rate": "Learning rates side by side",
    "optimizer": "Optimizers side by side",
}
_PLURALS: dict[Subject, str] = {
    "initializer": "initializers", "learning rate": "learning rates", "optimizer": "optimizers",
}  # fmt: skip


def compare_initializers(
    architecture: Architecture,
    x: Any,
    y: Any,
    recipe: Recipe = PLAIN,
    *,
    names: Sequence[InitializerName] = INITIALIZERS,
    n_starts: int = 10,
    target_loss: float | None = None,
    n_looks: int = N_LOOKS,
) -> Comparison:
    """Compare how fast a network learns from weights drawn in several ways.

    Parameters
    ----------
    architecture : Architecture
        The network, whose layers' own initializers are replaced.
    x, y : array
        Examples and targets.
    recipe : Recipe
        How it descends.
    names : sequence of str
        Names of initializers; see `fathom.nn.initializers.Initializer`.
    n_starts : int
        Random starts for each.
    target_loss : float, optional
        The loss at which a descent has arrived; by default 90 % of the way of the one that came
        lowest.
    n_looks : int
        How often the loss is worked out; epochs are counted from look to look.

    Returns
    -------
    Comparison
        An entry for each initializer.
    """
    walkers = []
    for name in names:
        drawn = initialized_by(architecture, name)
        walkers += [
            Walker(
                name.replace("_", " "), draw_start(drawn, x, recipe.seed, start),
                recipe.learning_rate, start, name,
            )
            for start in range(n_starts)
        ]  # fmt: skip
    return _compare("initializer", architecture, x, y, recipe, walkers, target_loss, n_looks)


def compare_learning_rates(
    architecture: Architecture,
    x: Any,
    y: Any,
    recipe: Recipe = PLAIN,
    *,
    rates: Sequence[float] = RATES,
    n_starts: int = 1,
    target_loss: float | None = None,
    n_looks: int = N_LOOKS,
) -> Comparison:
    """Compare learning rates from the same start: too small, right, too large.

    A rate is right where it ends as low as the best, within 5 % of the best's fall; others below
    the best rate are too small, others above it too large; one that ends as no number, or higher
    than it began, diverges.

    Parameters
    ----------
    architecture : Architecture
        The network.
    x, y : array
        Examples and targets.
    recipe : Recipe
        How it descends, but for the learning rate.
    rates : sequence of float
        Learning rates, above 0.
    n_starts : int
        Random starts, the same for each rate.
    target_loss, n_looks : optional
        As for `compare_initializers`.

    Returns
    -------
    Comparison
        An entry for each rate, ascending, with a verdict.
    """
    if not rates or min(rates) <= 0:
        raise InputError("learning rates above 0", got=", ".join(f"{rate:g}" for rate in rates))
    networks = [draw_start(architecture, x, recipe.seed, start) for start in range(n_starts)]
    walkers = [
        Walker(f"{rate:g}", network, rate, start)
        for rate in sorted(rates)
        for start, network in enumerate(networks)
    ]
    found = _compare("learning rate", architecture, x, y, recipe, walkers, target_loss, n_looks)
    return found.model_copy(update={"entries": _judge(found.entries)})


def compare_optimizers(
    architecture: Architecture,
    x: Any,
    y: Any,
    recipe: Recipe = PLAIN,
    *,
    names: Sequence[OptimizerName] = OPTIMIZERS,
    rates: Sequence[float] = RATES,
    n_starts: int = 1,
    target_loss: float | None = None,
    n_looks: int = N_LOOKS,
) -> Comparison:
    """Compare optimizers from the same start, each at the learning rate that suits it best.

    Parameters
    ----------
    architecture : Architecture
        The network.
    x, y : array
        Examples and targets.
    recipe : Recipe
        How it descends, but for optimizer and learning rate.
    names : sequence of str
        Names of optimizers; see `fathom.training.optimizers.make_optimizer`.
    rates : sequence of float
        Learning rates tried for each; the one with the lowest final loss is shown.
    n_starts : int
        Random starts, the same for each.
    target_loss, n_looks : optional
        As for `compare_initializers`.

    Returns
    -------
    Comparison
        An entry for each optimizer.
    """
    entries = []
    for name in names:
        its = recipe.model_copy(update={"optimizer": name})
        tried = compare_learning_rates(
            architecture, x, y, its, rates=rates, n_starts=n_starts, n_looks=n_looks
        )
        best = min(tried.entries, key=lambda entry: (entry.final_loss, _sum_of(entry)))
        entries.append(Entry(name=name.replace("_", " "), descents=best.descents))
    return Comparison(
        subject="optimizer", entries=tuple(entries), target_loss=target_loss or _target(entries)
    )


def initialized_by(architecture: Architecture, name: InitializerName) -> Architecture:
    """Return an architecture whose layers with weights all draw them in one way.

    Parameters
    ----------
    architecture : Architecture
        The network.
    name : str
        Name of the initializer.
    """

    def changed(layer: Any) -> Any:
        if isinstance(layer, Residual):
            return layer.model_copy(update={"layers": tuple(map(changed, layer.layers))})
        if "initializer" in type(layer).model_fields:
            return layer.model_copy(update={"initializer": Initializer(name=name)})
        return layer

    return architecture.model_copy(update={"layers": tuple(map(changed, architecture.layers))})


def _compare(
    subject: Subject,
    architecture: Architecture,
    x: Any,
    y: Any,
    recipe: Recipe,
    walkers: list[Walker],
    target_loss: float | None,
    n_looks: int,
) -> Comparison:
    walks = walk_together(architecture, x, y, recipe, walkers, n_looks=n_looks)
    descents = [walk.descent for walk in walks]
    entries = [
        Entry(name=name, descents=tuple(group))
        for name, group in groupby(descents, key=lambda descent: descent.name)
    ]
    return Comparison(
        subject=subject, entries=tuple(entries), target_loss=target_loss or _target(entries)
    )


def _target(entries: Sequence[Entry]) -> float:
    """Return the loss at 90 % of the way down of the descent that came lowest."""
    descents = [descent for entry in entries for descent in entry.descents]
    lowest = min(descents, key=lambda descent: descent.final_loss)
    first = float(lowest.losses[0])
    return first - DEPTH * (first - lowest.final_loss)


def _judge(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    best = min(range(len(entries)), key=lambda n: entries[n].final_loss)
    first = float(np.median([descent.losses[0] for descent in entries[best].descents]))
    near = entries[best].final_loss + NEAR_BEST * (first - entries[best].final_loss)
    judged = []
    for number, entry in enumerate(entries):
        verdict: Verdict = "too small" if number < best else "too large"
        if sum(descent.is_diverged for descent in entry.descents) > len(entry.descents) / 2:
            verdict = "diverges"
        elif entry.final_loss <= near:
            verdict = "right"
        judged.append(entry.model_copy(update={"verdict": verdict}))
    return tuple(judged)


def _sum_of(entry: Entry) -> float:
    return float(sum(descent.losses.sum() for descent in entry.descents))


def _middle(epochs: np.ndarray) -> tuple[float, float, float]:
    """Return quartiles and median, some of which may be infinite, without interpolating."""
    first, middle, third = np.quantile(epochs, [0.25, 0.5, 0.75], method="inverted_cdf")
    return float(first), float(middle), float(third)


def _shown(value: float, beyond: str = "∞") -> str:
    return f"{value:.4g}" if math.isfinite(value) else beyond
