"""Steps and sums of networks with layers for pictures, or normalization: compiled on their own.

They take the compiler as long again as all the rest, which a machine that sees nothing but tables
need not wait for.
"""

from fathom.loops.chain import combine
from fathom.loops.compiling import loop
from fathom.loops.descent import advance


@loop
def advance_pictures(  # type: ignore[no-untyped-def]
    company, at_once, gradients, chain, pieces, rules, origin, learner, room, known, rows, rates,
    seeds, n_before, sums,
):  # fmt: skip
    """Take steps; see `fathom.loops.descent.advance`."""
    return advance(
        company, at_once, gradients, chain, pieces, rules, origin, learner, room, known, rows,
        rates, seeds, n_before, sums,
    )  # fmt: skip


@loop
def combine_pictures(chain, parameters, statistics, x, at_once, z):  # type: ignore[no-untyped-def]
    """Write the sums z of the output layer; see `fathom.loops.chain.combine`."""
    combine(chain, parameters, statistics, x, at_once, z)
