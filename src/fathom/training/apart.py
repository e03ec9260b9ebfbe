"""One network on machines that share nothing: parts of each batch as tasks, whose gradients meet.

The process that decides takes every step. It hands out the weights and the rows of a batch, workers
give back the gradient of a part each, it adds them up in the order of the parts and moves the
weights. So a worker holds nothing that is missed where it is lost, and a part is done again by
another; only who decides has checkpoints.
"""

import itertools
import operator
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Key

from fathom.errors import ExecutorError, InputError
from fathom.nn.architecture import Architecture
from fathom.nn.layer import partition
from fathom.nn.network import Network
from fathom.nn.normalization import BatchNormLayer
from fathom.nn.vectors import outline_of
from fathom.nn.xla import Array, PyTree, jax, jnp
from fathom.parallel.controller import MOST_ATTEMPTS, Controller
from fathom.parallel.executor import Executor, Placed, Result, Task
from fathom.parallel.journal import Journal
from fathom.training.history import EngineName
from fathom.training.loop import make_plan
from fathom.training.mesh import refuse_batch
from fathom.training.plan import EVALUATION_BATCH, Examples, Knobs, Sums
from fathom.training.program import State, make_halves, make_program
from fathom.training.recipe import Recipe

FUNCTION = "fathom.training.apart:find_part"


@dataclass(frozen=True)
class Given:
    """What each worker is given once.

    Attributes
    ----------
    architecture, recipe : Architecture, Recipe
        The network, and how it is trained.
    examples : Examples
        All rows, as arrays of NumPy.
    """

    architecture: Architecture
    recipe: Recipe
    examples: Examples


@dataclass(frozen=True)
class Step:
    """What workers are given for one step.

    Attributes
    ----------
    leaves : tuple of numpy.ndarray
        All numbers of the network.
    parts : numpy.ndarray
        Rows of the batch, shape (parts, examples).
    key : numpy.ndarray
        What its random choices come from.
    knobs : tuple of float
        As in `Knobs`.
    """

    leaves: tuple[np.ndarray, ...]
    parts: np.ndarray
    key: np.ndarray
    knobs: tuple[float, float]


def find_part(value: tuple[Given, Step], config: str, _: int) -> Result:
    """Return the gradient of a part of a batch, and behind it the sums, as float32."""
    given, step = value
    number = int(config)
    rows = step.parts[number]
    batch = jax.tree.map(lambda part: jnp.asarray(part[rows]), given.examples)
    network = jax.tree.unflatten(
        _structure(given.architecture), [jnp.asarray(leaf) for leaf in step.leaves]
    )
    key = jax.random.fold_in(jax.random.wrap_key_data(jnp.asarray(step.key)), number)
    knobs = Knobs(*(jnp.float32(one) for one in step.knobs))
    slope = make_halves(make_plan(given.architecture, given.recipe))[0]
    gradient, sums = slope(network, batch, key, knobs)
    behind = [np.asarray(part, np.float32).ravel() for part in sums]
    return Result(np.concatenate([np.asarray(gradient), *behind]).tobytes())


@lru_cache(maxsize=4)
def _structure(architecture: Architecture) -> Any:
    return jax.tree.structure(outline_of(architecture))


class ApartProgram:
    """The functions of one plan, with steps whose gradients workers find; see `Program`.

    Parameters
    ----------
    executor : Executor
        The workers.
    given : Given
        The network and the rows.
    subject : str
        Hash of all that.
    n_parts : int, optional
        Parts of each batch; one a worker where left out.

    Raises
    ------
    InputError
        If batches do not divide evenly, or the network looks at whole batches.

    Notes
    -----
    Dropout and augmentation draw for each part by itself, so what they drop depends on the number
    of parts; all else does up to rounding only, and on who works nothing does.
    """

    name: ClassVar[EngineName] = "xla"
    evaluation_batch: ClassVar[int] = EVALUATION_BATCH

    def __init__(
        self, executor: Executor, given: Given, subject: str, n_parts: int | None = None
    ) -> None:
        _refuse_batch_norm(given.architecture)
        self._executor, self._placed = executor, Placed(subject, given)
        self.n_parts = n_parts or max(sum(node.slots for node in executor.nodes()), 1)
        batch = min(given.recipe.batch_size, len(given.examples.weight))
        if batch % self.n_parts:
            raise refuse_batch(batch, self.n_parts)
        self._plan = make_plan(given.architecture, given.recipe)
        usual = make_program(self._plan)
        self.start, self.fresh, self.draw = usual.start, usual.fresh, usual.draw
        self.evaluate, self.combine = usual.evaluate, usual.combine
        self.weights, self.network = usual.weights, usual.network
        self._numbers = itertools.count()
        self.n_lost = 0

    def advance(
        self,
        state: State,
        examples: Examples,
        rows: np.ndarray,
        key: Key[Array, ""],
        rates: np.ndarray,
        knobs: Knobs,
    ) -> tuple[State, Sums, bool]:
        """Take steps; the rows are those of the examples that workers were given."""
        journal = Journal(None, self._placed.key)
        controller = Controller(self._executor, self._placed, journal)
        total, is_finite, move = None, True, make_halves(self._plan)[1]
        for number, batch in enumerate(rows):
            mine = jax.random.fold_in(key, number)
            gradient, sums = self._find(controller, journal, state.network, batch, mine, knobs)
            state, is_known = move(state, jnp.asarray(gradient), jnp.float32(rates[number]), knobs)
            total = sums if total is None else jax.tree.map(operator.add, total, sums)
            is_finite = bool(is_known) and bool(np.isfinite(total.loss))
            if not is_finite:
                break
        self.n_lost += controller.tally.n_lost + controller.tally.n_overdue
        assert total is not None
        return state, total, is_finite

    def _find(
        self,
        controller: Controller,
        journal: Journal,
        network: Network,
        batch: np.ndarray,
        key: Key[Array, ""],
        knobs: Knobs,
    ) -> tuple[np.ndarray, Sums]:
        """Return the gradient of a batch, and its totals."""
        step = Step(
            tuple(map(np.asarray, jax.tree.leaves(network))), batch.reshape(self.n_parts, -1),
            np.asarray(jax.random.key_data(key)),
            (float(knobs.weight_decay), float(knobs.label_smoothing)),
        )  # fmt: skip
        beside = Placed(f"step {next(self._numbers)}", step)
        tasks = [Task(FUNCTION, self._placed.key, f"{n}", 0, beside) for n in range(self.n_parts)]
        if len(controller.run(tasks)) < self.n_parts:
            raise ExecutorError(
                "a worker that finds the gradient of a part",
                got=f"none that answered in {MOST_ATTEMPTS} tries",
                hint="see to the cluster; what is in a folder of checkpoints is gone on from",
            )
        total: np.ndarray | None = None
        for task in tasks:  # in their order, so that the last bits do not depend on who was first
            result = journal.find(task.key)
            assert result is not None
            found = np.frombuffer(result.payload, np.float32)
            total = found if total is None else total + found
            journal.forget(task.key)
        assert total is not None
        n = sum(leaf.size for leaf in jax.tree.leaves(partition(network)[0]))
        sums = Sums(*map(jnp.asarray, (total[n], total[n + 1 : -1], total[-1])))
        share = self.n_parts if self._plan.reduction == "mean" else 1
        return total[:n] / np.float32(share), sums

    def place_like(self, arrays: list[np.ndarray], like: PyTree) -> PyTree:
        """Return arrays as a tree, on this process's device."""
        return jax.tree.unflatten(jax.tree.structure(like), [jnp.asarray(one) for one in arrays])

    def gather(self, arrays: list[Array]) -> Iterator[np.ndarray]:
        """Return arrays of this process."""
        return (np.asarray(array) for array in arrays)


def _refuse_batch_norm(architecture: Architecture) -> None:
    """Refuse networks whose layers look at a whole batch, of which each worker sees a part."""
    layers = jax.tree.leaves(
        outline_of(architecture), is_leaf=lambda one: isinstance(one, BatchNormLayer)
    )
    if any(isinstance(layer, BatchNormLayer) for layer in layers):
        raise InputError(
            "a network without batch normalization, for workers that each see a part of a batch",
            got="one with", hint="use layer normalization, or processes of one machine",
        )  # fmt: skip
