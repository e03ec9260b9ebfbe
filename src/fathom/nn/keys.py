"""Random keys from random keys: those of `jax.random`, with nothing compiled to draw them.

JAX compiles a small program for each sort of derivation anew in every process, which takes longer
than drawing the weights of a small network; and it would have to be loaded for it.
"""

from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Key, UInt32

from fathom.nn.xla import Array, jax

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = 0x1BD11BDA
MASK = 0xFFFFFFFF  # numbers are of 32 bits

RandomKey: TypeAlias = Key[Array, ""] | UInt32[np.ndarray, "2"] | None
"""What weights are drawn by: a key of JAX for arrays of JAX, its two numbers for the same values as
arrays of NumPy; None for the outline of a network, whose arrays have shapes and take no memory."""


def host_key(seed: int) -> UInt32[np.ndarray, "2"]:
    """Return the numbers of `jax.random.key`.

    Examples
    --------
    >>> host_key(3)
    array([0, 3], dtype=uint32)
    """
    return np.array([0, seed & MASK], np.uint32)


def fold_in(key: Any, number: int) -> Any:
    """Return the key of a number under a key, that of `jax.random.fold_in`; of the same sort.

    Examples
    --------
    >>> import jax
    >>> bool(fold_in(jax.random.key(3), 5) == jax.random.fold_in(jax.random.key(3), 5))
    True
    >>> fold_in(host_key(3), 5)
    array([2464363587,  131619366], dtype=uint32)
    """
    return _child(key, number) if _is_known(key) else jax.random.fold_in(key, number)


def split(key: Any, n: int = 2) -> tuple[Any, ...]:
    """Return keys that have nothing to do with each other, those of `jax.random.split`.

    Examples
    --------
    >>> import jax
    >>> key = jax.random.key(3)
    >>> [bool(one == other) for one, other in zip(split(key, 3), jax.random.split(key, 3))]
    [True, True, True]
    """
    if _is_ours(key) or (_is_known(key) and jax.threefry_partitionable.value):
        return tuple(_child(key, number) for number in range(n))
    keys = jax.random.split(key, n)
    return tuple(keys[number] for number in range(n))


def lay(key: RandomKey, numbers: Any) -> Any:
    """Return numbers as float32 where what is drawn by the key is: an array of JAX or of NumPy."""
    laid = np.asarray(numbers, np.float32)
    if isinstance(key, np.ndarray):
        return laid
    return hollow(laid.shape) if key is None else jax.device_put(laid)


def hollow(shape: tuple[int, ...]) -> Any:
    """Return an array that has a shape and takes no memory, float32."""
    return np.broadcast_to(np.float32(0), shape)


def _is_ours(key: Any) -> bool:
    return key is None or isinstance(key, np.ndarray)


def _is_known(key: Any) -> bool:
    """Tell whether a key's numbers are there to see, and are of the sort that is drawn here."""
    if _is_ours(key):
        return True
    return not isinstance(key, jax.core.Tracer) and str(jax.random.key_impl(key)) == "threefry2x32"


def _child(key: Any, number: int) -> Any:
    if key is None:
        return None
    is_ours = _is_ours(key)
    first, second = np.asarray(key if is_ours else jax.random.key_data(key)).tolist()
    drawn = np.array(_threefry(first, second, 0, number & MASK), np.uint32)
    if is_ours:
        return drawn
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
