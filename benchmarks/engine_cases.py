"""What the engine is measured on: networks of equal examples, and what a step of each costs.

A case is one or more networks, each a chain of dense layers (or one of convolutions), trained with
Adam on the same made-up examples. Every system gets the same arrays, batch and learning rate, and
shuffles the rows of every network anew in every epoch.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

RATE = 1e-3
SIDE, CHANNELS = 16, (32, 64, 64)  # of the convolutional network
HELD_OUT = 1 / 8  # of the examples, on which Fathom rates a network after every epoch; no peer does


@dataclass(frozen=True)
class Case:
    """Networks trained together.

    Attributes
    ----------
    members : tuple of tuple of int
        Inputs, neurons of each hidden layer, and classes, for each network.
    batch, rows : int
        Examples a step, and examples there are.
    is_picture : bool
        Whether the network is the convolutional one.
    """

    members: tuple[tuple[int, ...], ...]
    batch: int
    rows: int
    is_picture: bool = False

    @property
    def n_steps(self) -> int:
        """Steps of an epoch."""
        return self.rows // self.batch

    @property
    def n_held_out(self) -> int:
        """Examples held out, at most 512."""
        return min(512, int(HELD_OUT * self.rows))

    @property
    def is_uniform(self) -> bool:
        """Whether all networks have one shape, so that they can be stacked."""
        return len(set(self.members)) == 1 and not self.is_picture

    @property
    def flop(self) -> float:
        """Operations of a step in matrix products, the mean over the networks.

        Each weight is used once per example forward and twice backward, in two operations each;
        the first layer passes no error on, which saves a third of it.
        """
        if self.is_picture:
            return self.batch * _picture_flop()
        totals = []
        for widths in self.members:
            products = [a * b for a, b in pairwise(widths)]
            totals.append(6 * sum(products) - 2 * products[0])
        return self.batch * sum(totals) / len(totals)

    @property
    def rating_flop(self) -> float:
        """Operations in matrix products of rating the examples held out, for each step."""
        if self.is_picture:
            forward = _forward_flop()
        else:
            sizes = [sum(a * b for a, b in pairwise(widths)) for widths in self.members]
            forward = 2 * sum(sizes) / len(sizes)
        return forward * self.n_held_out / self.n_steps

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Return examples: random inputs, classes told by a random network of 16 neurons."""
        rng = np.random.default_rng(0)
        n_in, n_out = self.members[0][0], self.members[0][-1]
        n = self.rows + self.n_held_out
        x = rng.normal(size=(n, n_in)).astype(np.float32)
        hidden = np.tanh(x @ rng.normal(size=(n_in, 16)) / math.sqrt(n_in))
        y = (hidden @ rng.normal(size=(16, n_out))).argmax(axis=1)
        if self.is_picture:
            x = x.reshape(n, SIDE, SIDE, 1)
        return x, y.astype(np.int64)


def _picture_flop() -> float:
    """Operations of one example of a step; as with dense layers, the first passes no error on."""
    return 3.0 * _forward_flop() - 2.0 * SIDE**2 * 9 * CHANNELS[0]


def _forward_flop() -> float:
    """Operations forward: convolutions of 3 × 3, the picture halved after the first and last."""
    first, second, third = CHANNELS
    half, quarter = (SIDE // 2) ** 2, (SIDE // 4) ** 2
    convolutions = SIDE**2 * 9 * first + half * 9 * first * second + half * 9 * second * third
    return 2.0 * (convolutions + quarter * third * 10)


SMALL = (30, 64, 64, 2)
MIDDLE = (256, 256, 256, 256, 10)
LARGE = (256, *(1000,) * 8, 10)
WIDTHS = (64, 128, 256, 384)
MIXED = tuple((30, *(width,) * depth, 2) for depth in (1, 2, 3, 4) for width in WIDTHS)
CASES = {
    "one_small_b32": Case((SMALL,), 32, 16_384),
    "one_small_b256": Case((SMALL,), 256, 16_384),
    "one_middle": Case((MIDDLE,), 128, 4096),
    "one_large": Case((LARGE,), 100, 1000),
    "population_small_b32": Case((SMALL,) * 64, 32, 16_384),
    "population_small_b256": Case((SMALL,) * 64, 256, 16_384),
    "population_middle": Case((MIDDLE,) * 16, 128, 4096),
    "population_mixed": Case(MIXED, 128, 8192),
    "cnn": Case(((SIDE * SIDE, 10),), 128, 1280, is_picture=True),
    "population_cnn": Case(((SIDE * SIDE, 10),) * 4, 128, 1280, is_picture=True),
}
TITLES = {
    "one_small_b32": "30-64-64-2, batch 32",
    "one_small_b256": "30-64-64-2, batch 256",
    "one_middle": "256-256×3-10, batch 128",
    "one_large": "256-1000×8-10, batch 100",
    "population_small_b32": "64 × (30-64-64-2), batch 32",
    "population_small_b256": "64 × (30-64-64-2), batch 256",
    "population_middle": "16 × (256-256×3-10), batch 128",
    "population_mixed": "16 mixed, depth 1-4, width 64-384, batch 128",
    "cnn": "CNN 16×16, channels 32-64-64, batch 128",
    "population_cnn": "4 × that CNN",
}
