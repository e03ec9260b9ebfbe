"""Several starts: the simple way out of a local optimum."""

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, TypeVar

from fathom.errors import TrainingError
from fathom.nn.architecture import Architecture
from fathom.nn.keys import fold_in, host_key
from fathom.nn.network import Network, build, needs_data
from fathom.nn.xla import jax, jnp
from fathom.parallel.cores import n_cores
from fathom.training.history import Epoch, Event, History, StartHistory
from fathom.training.loop import train
from fathom.training.machine import platform
from fathom.training.metrics import score_name
from fathom.training.monitor import Deadline, Monitor
from fathom.training.plan import Examples
from fathom.training.program import join_parts
from fathom.training.recipe import Recipe
from fathom.training.together import MOST, Together

SCALING_ROWS = 1024  # examples a data-scaled initializer looks at
Result = TypeVar("Result")
WAIT_S = 0.1  # after which who waits for the starts listens to what else there is


def train_starts(
    architecture: Architecture,
    recipe: Recipe,
    examples: Examples,
    held_out: Examples | None = None,
    *,
    monitor: Monitor | None = None,
    deadline: Deadline | None = None,
) -> tuple[tuple[Network, ...], History]:
    """Train a network from ``recipe.n_starts`` random starts and keep the best, or all.

    On a processor the starts are spread over its cores; which networks come out does not depend on
    how many run at once, but for rounding, unless the deadline cuts them short. On an accelerator
    they take their steps together.

    Parameters
    ----------
    architecture : Architecture
        The network.
    recipe : Recipe
        How to train it, how many starts, and whether to keep the best or average all.
    examples, held_out : Examples
        Training examples, and those that choose epoch and start.
    monitor, deadline : optional
        As for `fathom.training.loop.train`; starts that wait for a core share the time, and are
        left out once it is over.

    Returns
    -------
    tuple of networks, and History
        The networks whose outputs, averaged, are the model's; and what happened.

    Raises
    ------
    TrainingError
        If no start found a finite loss; those that did not are left out otherwise.
    """
    monitor, deadline = _Watched(monitor or Monitor()), deadline or Deadline(None)
    is_on_processor = platform() == "cpu"
    workers = min(recipe.n_starts, n_workers() if is_on_processor else MOST)
    together = None if is_on_processor else Together()
    rounds = math.ceil(recipe.n_starts / workers)
    root: Any = host_key(recipe.seed)
    sample = None
    if needs_data(architecture):
        root = jax.random.key(recipe.seed)
        sample = join_parts(jax.tree.map(lambda part: jnp.asarray(part[:SCALING_ROWS]), examples.x))
    failures: list[TrainingError] = []

    def run(start: int) -> tuple[Network | None, StartHistory]:
        if start >= workers and (monitor.should_stop() or deadline.remaining() <= 0):
            return None, StartHistory()
        network = build(architecture, fold_in(root, start), sample)
        mine = deadline.share(1 / (rounds - start // workers))
        try:
            return train(
                network, architecture, recipe, examples, held_out,
                start=start, monitor=monitor, deadline=mine,
                cores=max(1, n_workers() // workers), together=together,
            )  # fmt: skip
        except TrainingError as error:
            failures.append(error)
            event = Event(epoch=1, kind="stopped", text=f"left out: {error}")
            return None, StartHistory(events=(event,))

    began = time.monotonic()
    networks, histories = zip(*_run_all(run, recipe.n_starts, workers, monitor), strict=True)
    kept = choose_starts(histories, recipe.combine)
    if not kept:
        raise failures[0]
    history = History(
        starts=histories,
        kept=kept,
        score_name=score_name(architecture.output_activation),
        seconds=time.monotonic() - began,
    )
    return tuple(networks[start] for start in kept), history


class _Watched(Monitor):
    """Stands between the starts and the outside: an interruption ends them all."""

    def __init__(self, outside: Monitor) -> None:
        self._outside, self._is_ending = outside, False

    @property
    def stop_reason(self) -> str:  # type: ignore[override]
        return self._outside.stop_reason

    def on_epoch(self, start: int, epoch: Epoch) -> None:
        self._outside.on_epoch(start, epoch)

    def on_event(self, start: int, event: Event) -> None:
        self._outside.on_event(start, event)

    def should_stop(self) -> bool:
        return self._is_ending or self._outside.should_stop()

    @contextmanager
    def ending(self) -> Iterator[None]:
        """End all starts where something is raised, Ctrl-C included; they are waited for."""
        try:
            yield
        except BaseException:
            self._is_ending = True
            raise


def _run_all(
    run: Callable[[int], Result], n_starts: int, workers: int, watched: _Watched
) -> list[Result]:
    """Return what comes of every start, so many at once."""
    with ThreadPoolExecutor(workers) as pool, watched.ending():
        futures = [pool.submit(run, start) for start in range(n_starts)]
        while wait(futures, WAIT_S).not_done:  # who waits without an end hears no Ctrl-C
            pass
        return [future.result() for future in futures]


def n_workers() -> int:
    """Return how many networks may train at once: one a core, or one on an accelerator."""
    return n_cores() if platform() == "cpu" else 1


def choose_starts(histories: tuple[StartHistory, ...], combine: str) -> tuple[int, ...]:
    """Return the positions of the starts to keep: the best one, or all that were trained."""
    trained = [start for start, history in enumerate(histories) if history.best is not None]
    if combine == "average":
        return tuple(trained)

    def loss(start: int) -> float:
        best = histories[start].best
        assert best is not None
        held_out = best.validation_loss
        return best.train_loss if held_out is None else held_out

    return (min(trained, key=loss),) if trained else ()
