"""One way into a network at a time: what one stem makes of its part, all others as they are."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from fathom.errors import InputError
from fathom.nn.layer import AbstractLayer
from fathom.nn.network import Network
from fathom.nn.stems import StemsLayer
from fathom.nn.xla import Array, jnp


class BesideLayer(AbstractLayer):
    """Puts what other stems made beside what one makes: y = (before, x, after)."""

    before: Float[Array, " before"]
    after: Float[Array, " after"]

    def __call__(self, x: Float[Array, "batch features"]) -> Float[Array, "batch out"]:
        """Lay the three side by side, the first and the last alike in every row."""
        sides = [jnp.tile(side, (x.shape[0], 1)) for side in (self.before, self.after)]
        return jnp.concatenate([sides[0], x, sides[1]], axis=1)


class Way(NamedTuple):
    """One way into a network.

    Attributes
    ----------
    network : Network
        The network as a function of this part of the row alone.
    x : numpy.ndarray
        The part, shape (1, *shape of the part).
    """

    network: Network
    x: np.ndarray


def ways_in(network: Network, row: np.ndarray) -> tuple[Way, ...]:
    """Take a network with stems apart: for each the network that hears of its part alone.

    Whatever explains a network of one input then explains each part, given all others: the shares
    of a part's inputs add up to what that part changes.

    Parameters
    ----------
    network : Network
        A network whose first layer is one of stems.
    row : numpy.ndarray
        One row as it takes them, shape (1, features).

    Returns
    -------
    tuple of Way
        One for each stem, in their order.

    Raises
    ------
    InputError
        If the network has no stems.

    Examples
    --------
    >>> import jax
    >>> import jax.numpy as jnp
    >>> from fathom import Architecture, Dense, Stem, Stems, build
    >>> stems = Stems(
    ...     stems=(
    ...         Stem(name="left", shape=(1,), layers=(Dense(units=2),)),
    ...         Stem(name="right", first=1, shape=(2,), layers=(Dense(units=3),)),
    ...     )
    ... )
    >>> described = Architecture(
    ...     input_shape=(3,), layers=(stems, Dense(units=1, activation="identity")),
    ...     loss="squared_error",
    ... )
    >>> network, row = build(described, jax.random.key(0)), np.float32([[0.3, -1.0, 2.0]])
    >>> whole, ways = network(jnp.asarray(row)).item(), ways_in(network, row)
    >>> [abs(way.network(jnp.asarray(way.x)).item() - whole) < 1e-6 for way in ways]
    [True, True]
    """
    first = network.layers[0]
    if not isinstance(first, StemsLayer):
        raise InputError(
            "a network of several inputs", got="one of a single input",
            hint="explain it as it is",
        )  # fmt: skip
    parts, made = [], []
    for (begin, shape), stem in zip(first.parts, first.stems, strict=True):
        part = np.asarray(row[:, begin : begin + math.prod(shape)], np.float32)
        part = part.reshape(1, *shape)
        parts.append(part)
        seen: Array = jnp.asarray(part)
        for layer in stem:
            seen = layer(seen)
        made.append(seen[0])
    none = jnp.zeros(0, jnp.float32)
    return tuple(
        Way(
            Network((
                *stem,
                BesideLayer(
                    jnp.concatenate([none, *made[:place]]),
                    jnp.concatenate([none, *made[place + 1 :]]),
                ),
                *network.layers[1:],
            )),
            parts[place],
        )
        for place, stem in enumerate(first.stems)
    )  # fmt: skip
