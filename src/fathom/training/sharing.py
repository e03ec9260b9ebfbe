"""Steps that several cores take together: each has some of the examples, or of the neurons."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from fathom.errors import TrainingError
from fathom.loading import load
from fathom.loops.descent import Known, Learner, Room, Rules, advance
from fathom.loops.meeting import Company, calling_off
from fathom.loops.moving import LINE
from fathom.loops.pictures import advance_pictures
from fathom.loops.records import ACTIVATION, CONVOLUTION, DENSE, NORM, POOL
from fathom.loops.wide import advance_share
from fathom.nn.spread import blas_alone
from fathom.training.packing import Packing

AT_ONCE = 32  # examples whose activations stay near the core
WIDE = 2**22  # weights times examples of a step from which neurons are shared among cores
FEWEST_SHARED = 2**18  # weights from which that pays
FEWEST_ALONE = 2**19  # from which one core, too, is quicker so, as they do not stay near it
FEWEST_IN_PART = {False: 16, True: 48}  # examples of a core's part of a batch of rows,
WORK_OF_PART = {False: 2**19, True: 2**20}  # and weights times examples, without and with a matrix
# unit: with less, meeting takes longer than is gained


class Team:
    """Threads that take shares of the steps of one network, each at the same time as all others.

    They are kept from call to call, as starting them takes longer than some steps.
    """

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._size = 0

    def take_all(self, take: Callable[[int], int], n_shares: int, counter: np.ndarray) -> list[int]:
        """Have every share taken, the first by who calls; none waits for one that failed.

        Returns
        -------
        list of int
            What each returned, the first one's first.

        Raises
        ------
        TrainingError
            If there are no threads to be had.
        """

        def take_or_call_off(share: int) -> int:
            with calling_off(counter):
                return take(share)

        try:
            with calling_off(counter):
                taken = [
                    self._begin(take_or_call_off, share, n_shares) for share in range(1, n_shares)
                ]
                return [take_or_call_off(0), *(share.result() for share in taken)]
        except BaseException:
            self._end()
            raise

    def _begin(self, take: Callable[[int], int], share: int, n_shares: int) -> Future[int]:
        """Have a thread of its own take a share."""
        if self._pool is None or self._size != n_shares:
            self._end()
            self._pool, self._size = ThreadPoolExecutor(n_shares - 1), n_shares
        try:
            return self._pool.submit(take, share)
        except RuntimeError as error:
            raise TrainingError(
                "a thread for each core, that they share the work of a network",
                got=str(error),
                hint="let this process have more threads, or train on one core",
            ) from error

    def _end(self) -> None:
        """Wait until no thread is at work."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown()


def advance_in_parts(
    team: Team,
    packing: Packing,
    rules: Rules,
    origin: Learner,
    learner: Learner,
    rooms: tuple[Room, ...],
    gradients: np.ndarray,
    known: Known,
    rows: np.ndarray,
    rates: np.ndarray,
    seeds: np.ndarray,
    n_before: int,
    sums: np.ndarray,
) -> int:
    """Take steps by `fathom.loops.descent.advance`, with some of the examples for each core.

    As many as there are rooms; with several, gradients are added up in their order, as are sums of
    a normalization, by which each core keeps the same statistics. If one of the threads cannot be
    started or fails, the others stop, and the weights are lost.

    Returns
    -------
    int
        How many parameters are infinite or NaN afterwards.

    Raises
    ------
    TrainingError
        If there are no threads to be had.
    """
    n_shares, counter = len(rooms), np.zeros(LINE, np.int64)
    go = advance if packing.statistics is None else advance_pictures
    at_once = AT_ONCE if n_shares > 1 and takes_few_at_once(packing) else rows.shape[1]
    told = np.zeros((2, n_shares, _most_sums(packing)), np.float32)
    own_sums = np.zeros((n_shares, len(sums)))

    def take(share: int) -> int:
        n_met, own = np.zeros(1, np.int64), learner.statistics
        if share and own is not None:
            own = own.copy()
        company = Company(share, n_shares, counter, n_met, told, rows.shape[1])
        now, then = origin._replace(statistics=own), learner._replace(statistics=own)
        return go(
            company, at_once, gradients, packing.chain, packing.pieces, rules, now, then,
            rooms[share], known, rows, rates, seeds, n_before, own_sums[share],
        )  # fmt: skip

    if n_shares == 1:
        broken = [take(0)]
    else:
        # Which the loops call; what is not there cannot be limited.
        load("scipy.linalg.cython_blas")
        with blas_alone():
            broken = team.take_all(take, n_shares, counter)
    sums += np.sum(own_sums, axis=0)
    return sum(broken)


def n_parts(packing: Packing, batch: int, cores: int) -> int:
    """Return in how many parts a batch is divided among cores."""
    if cores == 1:
        return 1
    if has_pictures(packing):
        return min(cores, batch)
    work = batch * packing.n_parameters
    has_unit = bool(packing.chain.layers["splits"].any())
    return max(1, min(cores, batch // FEWEST_IN_PART[has_unit], work // WORK_OF_PART[has_unit]))


def has_pictures(packing: Packing) -> bool:
    """Tell whether examples are pictures."""
    return not packing.kinds.isdisjoint((CONVOLUTION, POOL))


def takes_few_at_once(packing: Packing) -> bool:
    """Tell whether a core takes a few of its examples at a time, as more do not stay near it.

    Where a normalization looks at all of them, they go through each layer together.
    """
    return has_pictures(packing) and NORM not in packing.kinds


def _most_sums(packing: Packing) -> int:
    """Return how many sums cores tell each other at once: two a feature of a normalization."""
    if NORM not in packing.kinds:
        return 0
    layers = packing.chain.layers
    return 2 * int(layers["channels"][layers["kind"] == NORM].max())


def is_wide(packing: Packing, batch: int, cores: int) -> bool:
    """Tell whether a network is of dense layers alone, and worth dividing its neurons."""
    is_dense = packing.kinds <= {DENSE, ACTIVATION}
    n, fewest = packing.n_parameters, FEWEST_SHARED if cores > 1 else FEWEST_ALONE
    return is_dense and n >= fewest and batch * n >= WIDE


def advance_side_by_side(
    team: Team,
    packing: Packing,
    rules: Rules,
    origin: Learner,
    learner: Learner,
    room: Room,
    cores: int,
    known: Known,
    rows: np.ndarray,
    rates: np.ndarray,
    seeds: np.ndarray,
    n_before: int,
    sums: np.ndarray,
) -> int:
    """Take steps as `fathom.loops.descent.advance` does, with some of the neurons for each core.

    How many cores there are changes no result: each number comes of the same sums. If one of the
    threads cannot be started or fails, the others stop, and the weights are lost.

    Returns
    -------
    int
        How many parameters are infinite or NaN afterwards.

    Raises
    ------
    TrainingError
        If there are no threads to be had.
    """
    n_shares = max(1, min(cores, rows.shape[1]))
    counter = np.zeros(LINE, np.int64)
    given = (
        n_shares, counter, packing.chain, packing.pieces, rules, origin, learner, room, known,
        rows, rates, seeds, n_before, sums,
    )  # fmt: skip

    return sum(team.take_all(lambda share: advance_share(share, *given), n_shares, counter))
