"""Steps that cores share: the gradients of parts of a batch, or the moving of the weights."""

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise

import numpy as np
import threadpoolctl

from fathom.loops.descent import Known, Learner, Room, Rules, find_gradient, update
from fathom.training.packing import Packing

AT_ONCE = 32  # examples whose activations stay near the core
MANY = 1_000_000  # parameters from which sharing them is worth the waiting for each other
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


def advance_large(
    packing: Packing,
    rules: Rules,
    learner: Learner,
    room: Room,
    known: Known,
    rows: np.ndarray,
    rates: np.ndarray,
    seeds: np.ndarray,
    n_before: int,
    sums: np.ndarray,
    cores: int,
) -> None:
    """Take steps as `fathom.loops.descent.advance` does, each core moving its part of the weights.

    Matrix products use the cores by themselves. Adam's step is but a few operations a number: it
    takes as long as memory takes to bring them, and one core does not ask for all memory can bring.
    """
    share = np.float32(1.0 / rows.shape[1] if rules.is_mean else 1.0)
    parts = _divide(packing.pieces, cores)
    with ThreadPoolExecutor(cores) as pool:
        for step, chosen in enumerate(rows):
            find_gradient(
                packing.chain, rules, learner, room, known, chosen, share, seeds[step], sums
            )
            number, rate = n_before + step + 1, rates[step]
            waiting = [
                pool.submit(update, part, rules, learner, room.gradient, rate, number)
                for part in parts
            ]
            for moved in waiting:
                moved.result()


def _divide(pieces: np.ndarray, n: int) -> list[np.ndarray]:
    """Cut the row of parameters into n equal parts; pieces that lie across a cut are in both."""
    cuts, parts = [int(pieces["end"].max()) * k // n for k in range(n + 1)], []
    for first, last in pairwise(cuts):
        part = pieces.copy()
        part["begin"], part["end"] = np.maximum(part["begin"], first), np.minimum(part["end"], last)
        parts.append(part[part["begin"] < part["end"]])
    return parts


@cache
def _controller() -> threadpoolctl.ThreadpoolController:
    return threadpoolctl.ThreadpoolController()
