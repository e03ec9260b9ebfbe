"""Several starts: the simple way out of a local optimum."""

import math
import os
import time
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp

from fathom.nn.architecture import Architecture
from fathom.nn.network import Network, build
from fathom.training.history import History, StartHistory
from fathom.training.loop import train
from fathom.training.metrics import score_name
from fathom.training.monitor import Deadline, Monitor
from fathom.training.program import Examples
from fathom.training.recipe import Recipe

SCALING_ROWS = 1024  # examples a data-scaled initializer looks at


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

    On a processor the starts are spread over its cores, a thread each; on an accelerator they
    take turns. Which networks come out does not depend on how many run at once, unless the
    deadline cuts them short.

    Parameters
    ----------
    architecture : Architecture
        The network.
    recipe : Recipe
        How to train it, how many starts, and whether to keep the best or average all.
    examples, held_out : Examples
        Training examples, and those that choose epoch and start.
    monitor, deadline : optional
        As for `fathom.training.loop.train`; starts that wait for a core share the time.

    Returns
    -------
    tuple of networks, and History
        The networks whose outputs, averaged, are the model's; and what happened.
    """
    monitor, deadline = monitor or Monitor(), deadline or Deadline(None)
    is_cpu = jax.default_backend() == "cpu"
    workers = min(recipe.n_starts, len(os.sched_getaffinity(0)) if is_cpu else 1)
    rounds = math.ceil(recipe.n_starts / workers)
    sample = examples.x[:SCALING_ROWS].astype(jnp.float32)

    def run(start: int) -> tuple[Network, StartHistory]:
        key = jax.random.fold_in(jax.random.key(recipe.seed), start)
        network = build(architecture, key, sample)
        if start > 0 and monitor.should_stop():
            return network, StartHistory()
        rounds_left = rounds - start // workers
        mine = deadline.share(1 / rounds_left)
        return train(
            network, architecture, recipe, examples, held_out,
            start=start, monitor=monitor, deadline=mine,
        )  # fmt: skip

    began = time.monotonic()
    with ThreadPoolExecutor(workers) as pool:
        networks, histories = zip(*pool.map(run, range(recipe.n_starts)), strict=True)
    kept = choose_starts(histories, recipe.combine)
    history = History(
        starts=histories,
        kept=kept,
        score_name=score_name(architecture.output_activation),
        seconds=time.monotonic() - began,
    )
    return tuple(networks[start] for start in kept), history


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

    return (min(trained, key=loss),)
