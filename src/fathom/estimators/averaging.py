"""The mean of what several networks say of rows: by NumPy, or by loops where they are loaded."""

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np

from fathom.data.encoding import NearStandardization
from fathom.nn.forward import Forward, activate_outputs
from fathom.nn.network import Network
from fathom.nn.products import BLOCK, rows_at_once
from fathom.nn.spread import LITTLE, TILE, multiply_address, over_rows
from fathom.training.engines import are_loops_loaded

if TYPE_CHECKING:
    from fathom.loops.prediction import Chain


class Mean:
    """The mean of the outputs of networks.

    Parameters
    ----------
    forwards : tuple of Forward
        The networks, one at least.
    """

    def __init__(self, forwards: tuple[Forward, ...]) -> None:
        self.forwards = forwards
        self._widest = max(forward.widest for forward in forwards)
        self._n_products = sum(forward.n_products for forward in forwards)

    @classmethod
    def of(cls, networks: tuple[Network, ...], factor: np.ndarray | None) -> "Mean | None":
        """Prepare networks; None where NumPy cannot compute one of them."""
        found = [Forward.of(network, factor) for network in networks]
        forwards = tuple(forward for forward in found if forward is not None)
        return cls(forwards) if len(forwards) == len(networks) else None

    def is_much(self, n_rows: int) -> bool:
        """Tell whether so many rows are spread over the cores."""
        return n_rows * self._n_products >= LITTLE

    def over_rows(self, work: Callable[[int, int], bool], n_rows: int) -> bool:
        """Call `work` for every part of the rows; see `fathom.nn.spread.over_rows`."""
        return over_rows(work, n_rows, self._widest, self._n_products)

    def write(self, rows: np.ndarray, out: np.ndarray) -> None:
        """Write the outputs for one part of the rows as `Space.given` holds them."""
        _average((forward.outputs(rows, len(out)) for forward in self.forwards), out)


class Chains:
    """Networks of dense layers as loops take them: a part of the rows in one call a network.

    NumPy takes Python's lock at each of its calls, where threads wait for each other; the loops do
    not, and work on few rows at a time, which the nearest memory holds. Theirs are the same bits.

    Parameters
    ----------
    forwards : tuple of Forward
        The networks, prepared for centered rows.
    near : NearStandardization
        What takes the center from rows.
    """

    def __init__(self, forwards: tuple[Forward, ...], near: NearStandardization) -> None:
        self._given = forwards, near
        self._found: list[Chain] | None = None

    def __reduce__(self) -> tuple[type["Chains"], tuple[tuple[Forward, ...], NearStandardization]]:
        """Travel as what it was made of: an address of this process is none of another's."""
        return Chains, self._given

    def can(self, x: np.ndarray) -> bool:
        """Tell whether rows of float32 or float64 can go through in one call a network.

        That is where this process has loaded the loops anyway, networks have only activation
        functions that are exact, and layers so small that NumPy multiplies them block by block.
        """
        is_plain = x.flags.c_contiguous and x.flags.writeable  # as the loops are compiled for
        if not (is_plain and are_loops_loaded()):
            return False
        if self._found is None:
            self._found = self._find()
        return bool(self._found)

    def write(self, x: np.ndarray, out: np.ndarray) -> bool:
        """Write the outputs for rows, shape (rows, columns); False where one may not be near."""
        from fathom.loops.prediction import sums_of

        forwards, near = self._given
        found = [sums_of(chain, near.center_of(x), x) for chain in self._found or ()]
        sums = [z for z in found if z is not None]
        if len(sums) < len(forwards):
            return False
        pairs = zip(forwards, sums, strict=True)
        _average((activate_outputs(z, one.output_activation).T for one, z in pairs), out)
        return True

    def _find(self) -> "list[Chain]":
        from fathom.loops.prediction import EXACT, chain_of

        forwards, near = self._given
        multiply = multiply_address()
        steps = [step for forward in forwards for step in forward.dense]
        is_known = all(step.activation in EXACT for step in steps)
        is_small = all(rows_at_once(step.weights) < sys.maxsize for step in steps)
        if multiply is None or not (is_known and is_small and all(one.dense for one in forwards)):
            return []
        return [
            chain_of(multiply, near.surely_near, forward.dense, BLOCK, TILE) for forward in forwards
        ]


def _average(each: Iterable[np.ndarray], out: np.ndarray) -> None:
    """Write the mean of arrays, each of which may be void when the next one is asked for."""
    n = 0
    for outputs in each:
        if n == 0:
            out[...] = outputs
        else:
            out += outputs
        n += 1
    if n > 1:
        out /= n
