"""Random keys from random keys: those of `jax.random`, with nothing compiled to draw them.

JAX compiles a small program for each sort of derivation anew in every process, which takes longer
than drawing the weights of a small network.
"""

import jax
import numpy as np
from jaxtyping import Array, Key

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = 0x1BD11BDA
MASK = 0xFFFFFFFF  # numbers are of 32 bits


def fold_in(key: Key[Array, ""], number: int) -> Key[Array, ""]:
    """Return the key of a number under a key, that of `jax.random.fold_in`.

    Examples
    --------
    >>> key = jax.random.key(3)
    >>> bool(fold_in(key, 5) == jax.random.fold_in(key, 5))
    True
    """
    return _child(key, number) if _is_known(key) else jax.random.fold_in(key, number)


def split(key: Key[Array, ""], n: int = 2) -> tuple[Key[Array, ""], ...]:
    """Return keys that have nothing to do with each other, those of `jax.random.split`.

    Examples
    --------
    >>> key = jax.random.key(3)
    >>> [bool(one == other) for one, other in zip(split(key, 3), jax.random.split(key, 3))]
    [True, True, True]
    """
    if _is_known(key) and jax.threefry_partitionable.value:
        return tuple(_child(key, number) for number in range(n))
    keys = jax.random.split(key, n)
    return tuple(keys[number] for number in range(n))


def _is_known(key: Key[Array, ""]) -> bool:
    """Tell whether a key's numbers are there to see, and are of the sort that is drawn here."""
    return not isinstance(key, jax.core.Tracer) and str(jax.random.key_impl(key)) == "threefry2x32"


def _child(key: Key[Array, ""], number: int) -> Key[Array, ""]:
    first, second = (int(part) for part in np.asarray(jax.random.key_data(key)))
    drawn = np.array(_threefry(first, second, 0, number & MASK), np.uint32)
    return jax.random.wrap_key_data(jax.device_put(drawn), impl="threefry2x32")


def _threefry(first: int, second: int, x: int, y: int) -> tuple[int, int]:
    """Encrypt two numbers under a key of two: Threefry-2x32 in 20 rounds.

    References
    ----------
    Salmon, Moraes, Dror, Shaw (2011). Parallel random numbers: as easy as 1, 2, 3. SC11.
    """
    keys = first, second, first ^ second ^ PARITY
    x, y = (x + first) & MASK, (y + second) & MASK
    for turn in range(5):
        for rotation in ROTATIONS[turn % 2]:
            x = (x + y) & MASK
            y = ((y << rotation) | (y >> (32 - rotation))) & MASK
            y ^= x
        x = (x + keys[(turn + 1) % 3]) & MASK
        y = (y + keys[(turn + 2) % 3] + turn + 1) & MASK
    return x, y
