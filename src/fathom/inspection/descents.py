"""Descents: networks walking down the error surface, looked at along the way."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from fathom.errors import InputError
from fathom.inspection.arrays import Measured, Numbers
from fathom.inspection.charts import Series, line_chart
from fathom.inspection.directions import WeightPath
from fathom.inspection.landscape import as_examples
from fathom.inspection.svg import Say
from fathom.nn.architecture import Architecture
from fathom.nn.layer import partition
from fathom.nn.network import Network, build
from fathom.nn.xla import Array, jax, jitted, jnp
from fathom.training.loop import CALL_BYTES, make_plan, pad_for_evaluation
from fathom.training.machine import platform
from fathom.training.plan import Examples, Knobs, Plan
from fathom.training.program import State, make_program
from fathom.training.recipe import OptimizerName, Recipe
from fathom.training.rows import RowStream
from fathom.training.schedules import learning_rate_factors
from fathom.training.starts import SCALING_ROWS

PLAIN = Recipe(
    optimizer="gradient_descent", learning_rate=0.1, schedule="constant", batch_size=1_000_000,
    epochs=1000,
)  # fmt: skip
"""Plain gradient descent: every step on all examples, always the same learning rate."""

N_LOOKS = 100
TOGETHER_VALUES = 2**25  # numbers between layers, of all networks that walk together


class Descent(Measured):
    """One walk down the error surface: the loss at chosen steps.

    Attributes
    ----------
    name : str
        What sets it apart from others.
    start : int
        Number of its random start.
    optimizer : str
        Rule of its steps.
    learning_rate : float
        The step size η.
    initializer : str
        How its weights were drawn; empty where each layer's own way.
    steps : numpy.ndarray
        Numbers of the steps after which the loss was looked at, 0 at the start.
    losses : numpy.ndarray
        Loss over all examples; infinite where it was no number any more.
    steps_per_epoch : int
        Steps it takes to see every example once.
    """

    name: str
    start: int
    optimizer: OptimizerName
    learning_rate: float
    initializer: str = ""
    steps: Numbers
    losses: Numbers
    steps_per_epoch: int

    @property
    def epochs(self) -> np.ndarray:
        """Passes over the examples at every look."""
        return self.steps / self.steps_per_epoch

    @property
    def final_loss(self) -> float:
        """Loss at the last look."""
        return float(self.losses[-1])

    @property
    def is_diverged(self) -> bool:
        """Whether the loss ended as no number, or above where it began."""
        return not self.final_loss <= self.losses[0] * (1 + 1e-6)

    @property
    def is_moving(self) -> bool:
        """Whether the loss fell by over 2 % of its whole fall in the last tenth of the walk."""
        if self.is_diverged:
            return False
        before = self.losses[-max(2, len(self.losses) // 10)]
        fallen = self.losses[0] - self.final_loss
        return bool(before - self.final_loss > 0.02 * fallen > 0)

    def epochs_to(self, loss: float) -> float:
        """Return after how many epochs the loss was first seen at or below a value; ∞ if never."""
        found = np.flatnonzero(self.losses <= loss)
        return float(self.epochs[found[0]]) if len(found) else math.inf

    def __str__(self) -> str:
        rule = f"{self.optimizer.replace('_', ' ')}, η = {self.learning_rate:g}"
        end = f"loss {self.losses[0]:.4g} → {self.final_loss:.4g}"
        state = "diverged" if self.is_diverged else "still falling" if self.is_moving else "settled"
        return f"{self.name} ({rule}): {end} in {self.epochs[-1]:g} epochs, {state}"

    __repr__ = __str__

    def to_svg(self, say: Say = str, *, width: float = 480, height: float = 260) -> str:
        """Draw the loss over the epochs, as static SVG."""
        return draw_descents([self], self.name, say, width=width, height=height)

    def _repr_html_(self) -> str:
        return self.to_svg()


@dataclass(frozen=True)
class Walk:
    """A descent with the weights along the way.

    Attributes
    ----------
    descent : Descent
        The losses.
    network : Network
        The network at the end.
    path : WeightPath
        Its weights at every look, those of the network the last.
    """

    descent: Descent
    network: Network
    path: WeightPath


class Walker(NamedTuple):
    """One network before its descent.

    Attributes
    ----------
    name : str
        What sets its descent apart.
    network : Network
        Where it begins.
    learning_rate : float
        Its step size.
    start : int
        Number of its random start, which also fixes the order of its batches.
    initializer : str
        How its weights were drawn.
    """

    name: str
    network: Network
    learning_rate: float
    start: int = 0
    initializer: str = ""


def descend(
    architecture: Architecture,
    x: Any,
    y: Any,
    recipe: Recipe = PLAIN,
    *,
    network: Network | None = None,
    start: int = 0,
    n_looks: int = N_LOOKS,
) -> Walk:
    """Let one network walk down the error surface and keep its weights along the way.

    Parameters
    ----------
    architecture : Architecture
        The network.
    x, y : array
        Examples, and numbers of classes or rows of target values.
    recipe : Recipe
        Optimizer, learning rate, schedule, batch size, epochs, seed. What holds out, stops or
        takes back does not apply: a descent that diverges is shown as one.
    network : Network, optional
        Where to begin; a random start where left out.
    start : int
        Number of the random start.
    n_looks : int
        How often the weights are kept, besides the start.

    Returns
    -------
    Walk
        Losses, weights and the network at the end.

    Examples
    --------
    >>> from fathom.inspection.example import hand_worked
    >>> network, architecture = hand_worked()
    >>> walk = descend(
    ...     architecture, [[1.0, -1.0]], [[1.0, 0.0]], network=network, n_looks=10,
    ...     recipe=PLAIN.model_copy(update={"learning_rate": 2.0}),
    ... )
    >>> walk.descent.final_loss < 0.01, walk.path.weights.shape
    (True, (11, 18))
    """
    if network is None:
        network = draw_start(architecture, x, recipe.seed, start)
    walker = Walker(f"start {start + 1}", network, recipe.learning_rate, start)
    return walk_together(architecture, x, y, recipe, [walker], n_looks=n_looks, keep_path=True)[0]


def draw_start(architecture: Architecture, x: Any, seed: int, start: int) -> Network:
    """Draw a network's random start, the same as training draws."""
    key = jax.random.fold_in(jax.random.key(seed), start)
    return build(architecture, key, jnp.asarray(np.asarray(x)[:SCALING_ROWS], jnp.float32))


def walk_together(
    architecture: Architecture,
    x: Any,
    y: Any,
    recipe: Recipe,
    walkers: Sequence[Walker],
    *,
    n_looks: int = N_LOOKS,
    keep_path: bool = False,
) -> tuple[Walk, ...]:
    """Let several networks of one architecture walk down, in one compiled program.

    Parameters
    ----------
    architecture : Architecture
        What all of them are; how their weights were drawn may differ.
    x, y : array
        Examples and targets.
    recipe : Recipe
        How they walk; each by its own learning rate.
    walkers : sequence of Walker
        The networks where they begin.
    n_looks : int
        How often the loss is worked out, besides the start.
    keep_path : bool
        Whether to keep the weights at every look, rather than at the end alone.

    Returns
    -------
    tuple of Walk
        One for each walker, in their order.
    """
    if not walkers or n_looks < 1:
        raise InputError("a network and a look, one at least", got="none")
    examples = as_examples(architecture, x, y, dtype=_dtype_of(walkers[0].network))
    sizes = [math.prod(shape) for shape in architecture.shapes]
    most = max(1, TOGETHER_VALUES // (sum(sizes) * len(examples.weight)))
    is_alone = walkers[0].network.has_convolution  # several kernels at once are slow on CPU
    size = 1 if is_alone else min(most, len(walkers))
    size = math.ceil(len(walkers) / math.ceil(len(walkers) / size))  # even groups, few programs
    walks: list[Walk] = []
    for first in range(0, len(walkers), size):
        group = _Group(architecture, recipe, examples, walkers[first : first + size], n_looks)
        walks += group.run(keep_path)
    return tuple(walks)


class _Group:
    """Networks that walk side by side."""

    def __init__(
        self,
        architecture: Architecture,
        recipe: Recipe,
        examples: Examples,
        walkers: Sequence[Walker],
        n_looks: int,
    ) -> None:
        self.recipe, self.walkers, self.examples = recipe, walkers, examples
        network = walkers[0].network
        is_scanned = not (network.has_convolution and platform() == "cpu")
        self.plan = make_plan(architecture, recipe, is_scanned)
        self.n = len(examples.weight)
        self.batch = min(recipe.batch_size, self.n)
        self.steps_per_epoch = math.ceil(self.n / self.batch)
        n_steps = recipe.epochs * self.steps_per_epoch
        self.stride = _stride(n_steps, n_looks)
        self.looks = [*range(0, n_steps, self.stride), n_steps]
        bytes_a_step = len(walkers) * self.batch * math.prod(architecture.input_shape) * 4
        self.most = max(1, int(CALL_BYTES / bytes_a_step)) if is_scanned else 1
        self.seen = pad_for_evaluation(examples)
        self.share = 1 / self.n if architecture.reduction == "mean" else 1.0
        rngs = [np.random.default_rng([recipe.seed, walker.start]) for walker in walkers]
        self.streams = [RowStream(np.arange(self.n), rng) for rng in rngs]
        self.knobs = Knobs(jnp.float32(recipe.weight_decay), jnp.float32(recipe.label_smoothing))
        self.key = jax.random.key(recipe.seed)
        self.done = 0

    def run(self, keep_path: bool) -> list[Walk]:
        structure = jax.tree.structure(self.walkers[0].network)
        leaves = zip(*(jax.tree.leaves(walker.network) for walker in self.walkers), strict=True)
        together = jax.tree.unflatten(structure, [_stacked(same) for same in leaves])
        program = _compiled(self.plan)
        state = program.start(together)
        losses, weights = [], []
        for look in self.looks:
            while self.done < look:
                state = self._advance(state, min(self.most, look - self.done))
            sums = program.evaluate(state.network, self.seen)
            losses.append(np.asarray(sums.loss, np.float64) * self.share)
            if keep_path or look in (0, self.looks[-1]):
                weights.append(np.asarray(_rows_of(state.network)))
        kept = self.looks if keep_path else [0, self.looks[-1]]
        heights = np.stack(losses, axis=1)
        heights = np.where(np.isfinite(heights), heights, np.inf)
        walked = jax.tree.map(np.asarray, state.network)
        return [
            Walk(
                self._describe(walker, heights[number]),
                jax.tree.map(lambda leaf, n=number: jax.device_put(leaf[n]), walked),
                WeightPath(np.array(kept), np.stack([row[number] for row in weights])),
            )
            for number, walker in enumerate(self.walkers)
        ]

    def _advance(self, state: State, n_steps: int) -> State:
        """Take steps, each walker at its learning rate and on its batches."""
        progress = (self.done + np.arange(n_steps) + 0.5) / self.looks[-1]
        factors = learning_rate_factors(self.recipe.schedule, progress)
        rates = np.outer([walker.learning_rate for walker in self.walkers], factors)
        if self.batch == self.n:
            rows = np.tile(np.arange(self.n, dtype=np.int32), (len(self.walkers), n_steps, 1))
        else:
            taken = [stream.take(n_steps * self.batch) for stream in self.streams]
            rows = np.stack(taken).reshape(len(self.walkers), n_steps, self.batch)
        key = jax.random.fold_in(self.key, self.done)
        starts = jnp.array([walker.start for walker in self.walkers])
        keys = jax.vmap(lambda start: jax.random.fold_in(key, start))(starts)
        self.done += n_steps
        return _compiled(self.plan).advance(
            state, self.examples, rows, keys, rates.astype(np.float32), self.knobs
        )

    def _describe(self, walker: Walker, losses: np.ndarray) -> Descent:
        return Descent(
            name=walker.name, start=walker.start, optimizer=self.recipe.optimizer,
            learning_rate=walker.learning_rate, initializer=walker.initializer, steps=self.looks,
            losses=losses, steps_per_epoch=self.steps_per_epoch,
        )  # fmt: skip


class _Compiled(NamedTuple):
    """The functions of a program, over several networks at once."""

    start: Any
    advance: Any
    evaluate: Any


@lru_cache(maxsize=64)
def _compiled(plan: Plan) -> _Compiled:
    program = make_program(plan)

    def advance(*given: Any) -> State:
        return program.advance(*given)[0]

    return _Compiled(
        jax.jit(jax.vmap(program.start)),
        jax.jit(jax.vmap(advance, in_axes=(0, None, 0, 0, 0, None))),
        _evaluation(replace(plan, optimizer="gradient_descent", rates="equal", gradient_clip=None)),
    )


@lru_cache(maxsize=64)
def _evaluation(plan: Plan) -> Any:
    """Return the same program for all rules: how one steps does not change what a loss is."""
    return jax.jit(jax.vmap(make_program(plan).evaluate, in_axes=(0, None)))


def _stacked(leaves: Sequence[Any]) -> Array:
    return jax.device_put(np.stack([np.asarray(leaf) for leaf in leaves]))


@jitted()
def _rows_of(networks: Network) -> Any:
    return jax.vmap(lambda network: jax.flatten_util.ravel_pytree(partition(network)[0])[0])(
        networks
    )


def _stride(n_steps: int, n_looks: int) -> int:
    """Return how many steps lie between two looks: a divisor of all where one is near."""
    least = -(-n_steps // n_looks)
    return next((s for s in range(least, 2 * least) if n_steps % s == 0), least)


def _dtype_of(network: Network) -> Any:
    return jax.tree.leaves(partition(network)[0])[0].dtype


def draw_descents(
    descents: Sequence[Descent],
    title: str,
    say: Say = str,
    *,
    width: float = 480,
    height: float = 280,
    description: str = "",
) -> str:
    """Draw the losses of descents over their epochs, as static SVG.

    Parameters
    ----------
    descents : sequence of Descent
        Each a line; where over 8, all thin and without a legend.
    title : str
        What the chart is called.
    say : callable
        Turns a label into the reader's language.
    width, height : float
        Size in pixels.
    description : str
        What the chart shows, for those who cannot see it.
    """
    is_crowd = len(descents) > 8
    series = [
        Series("" if is_crowd or len(descents) == 1 else d.name, d.epochs, d.losses)
        for d in descents
    ]
    first = max(float(d.losses[0]) for d in descents)
    finite = [v for d in descents for v in d.losses if math.isfinite(v)]
    low, high = (min(finite), min(max(finite), 4 * first)) if finite else (0.0, 1.0)
    is_log = 0 < low < high / 20
    shown = (low / 1.3, high * 1.3) if is_log else (min(low, 0.0), high + 0.05 * (high - low))
    return line_chart(
        series, title=title, x_label=say("epochs"), y_label=say("loss"), log_y=is_log,
        y_range=shown if shown[0] < shown[1] else None, width=width, height=height,
        description=description or "; ".join(map(str, descents[:8])),
    )  # fmt: skip
