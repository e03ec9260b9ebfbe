"""Steps that several cores take together: each has some of the examples, or of the neurons."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import threadpoolctl

from fathom.errors import TrainingError
from fathom.loops.descent import Known, Learner, Room, Rules, find_gradient, update
from fathom.loops.meeting import calling_off
from fathom.loops.moving import LINE
from fathom.loops.records import ACTIVATION, DENSE
from fathom.loops.wide import advance_share
from fathom.training.packing import Packing

AT_ONCE = 32  # examples whose activations stay near the core
WIDE = 2**22  # weights times examples of a step from which neurons are shared among cores
FEWEST_SHARED = 2**18  # weights from which that pays
FEWEST_ALONE = 2**19  # from which one core, too, is quicker so, as they do not stay near it
_STRIDE = np.uint32(0x9E3779B9)  # from the seed of one part to that of the next


def advance_together(
    packing: Packing,
    rules: Rules,
    learner: Learner,
    rooms: tuple[Room, ...],
    known: Known,
    rows: np.ndarray,
    rates: np.ndarray,
    seeds: np.ndarray,
    n_before: int,
    sums: np.ndarray,
) -> None:
    """Take steps as `fathom.loops.descent.advance` does, with a room and a core for each part.

    The gradient of a batch is the sum of those of its parts, as long as no example looks at the
    others, which in batch normalization they do.
    """
    share = np.float32(1.0 / rows.shape[1] if rules.is_mean else 1.0)
    own = [np.zeros_like(sums) for _ in rooms]

    def find(core: int, chosen: np.ndarray, seed: np.uint32) -> np.ndarray:
        """Find the gradient of a core's part of a batch, a few examples at a time."""
        room, total = rooms[core], np.zeros(0, np.float32)
        for begin in range(0, len(chosen), AT_ONCE):
            few, next_seed = chosen[begin : begin + AT_ONCE], np.uint32(seed ^ np.uint32(begin))
            find_gradient(
                packing.chain, rules, learner, room, known, few, share, next_seed, own[core]
            )
            total = total + room.gradient if begin else room.gradient.copy()
        return total

    with _controller().limit(limits=1, user_api="blas"), ThreadPoolExecutor(len(rooms)) as pool:
        for step, chosen in enumerate(rows):
            parts = np.array_split(chosen, len(rooms))
            with np.errstate(over="ignore"):
                own_seeds = seeds[step] + _STRIDE * np.arange(len(rooms), dtype=np.uint32)
            total = sum(pool.map(find, range(len(rooms)), parts, own_seeds))
            update(packing.pieces, rules, learner, total, rates[step], n_before + step + 1)
    sums += np.sum(own, axis=0)


def is_wide(packing: Packing, batch: int, cores: int) -> bool:
    """Tell whether a network is of dense layers alone, and worth dividing its neurons."""
    layers = packing.chain.layers
    is_dense = set(layers["kind"].tolist()) <= {DENSE, ACTIVATION}
    n, fewest = int(layers[-1]["end"]), FEWEST_SHARED if cores > 1 else FEWEST_ALONE
    return is_dense and n >= fewest and batch * n >= WIDE


def advance_side_by_side(
    packing: Packing,
    rules: Rules,
    learner: Learner,
    room: Room,
    cores: int,
    known: Known,
    rows: np.ndarray,
    rates: np.ndarray,
    seeds: np.ndarray,
    n_before: int,
    sums: np.ndarray,
) -> None:
    """Take steps as `fathom.loops.descent.advance` does, with some of the neurons for each core.

    How many cores there are changes no result: each number comes of the same sums. If one of the
    threads cannot be started or fails, the others stop, and the weights are lost.

    Raises
    ------
    TrainingError
        If there are no threads to be had.
    """
    n_shares = max(1, min(cores, rows.shape[1]))
    counter = np.zeros(LINE, np.int64)
    given = (
        n_shares, counter, packing.chain, packing.pieces, rules, learner, room, known, rows, rates,
        seeds, n_before, sums,
    )  # fmt: skip

    def take(share: int) -> None:
        with calling_off(counter):
            advance_share(share, *given)

    if n_shares == 1:
        take(0)
        return
    with ThreadPoolExecutor(n_shares) as pool, calling_off(counter):
        taken = [_begin(pool, take, share) for share in range(n_shares)]
        for share in taken:
            share.result()


def _begin(pool: ThreadPoolExecutor, take: Callable[[int], None], share: int) -> Future[None]:
    """Have a thread of its own take a share."""
    try:
        return pool.submit(take, share)
    except RuntimeError as error:
        raise TrainingError(
            "a thread for each core, that they share the neurons of a wide network",
            got=str(error),
            hint="let this process have more threads, or train on one core",
        ) from error


def for_each(work: Callable[[Any], Any], tasks: Sequence[Any], n_threads: int) -> list[Any]:
    """Return what comes of every task, on several threads where there are several of both."""
    if min(n_threads, len(tasks)) <= 1:
        return [work(task) for task in tasks]
    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(work, tasks))


@cache
def _controller() -> threadpoolctl.ThreadpoolController:
    return threadpoolctl.ThreadpoolController()
