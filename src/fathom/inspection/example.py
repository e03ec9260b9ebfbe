"""The worked example: small networks whose every number can be checked by hand."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the numbers alone need no engine
    from fathom.nn.architecture import Architecture
    from fathom.nn.network import Network

WEIGHTS = (
    [[1.0, -2.0], [-1.0, 1.0]],
    [[2.0, -1.0], [-2.0, -1.0]],
    [[3.0, -1.0], [-1.0, 4.0]],
)
BIASES = ([1.0, 0.0], [0.0, 0.0], [-2.0, 2.0])
INPUT, TARGET = (1.0, -1.0), (1.0, 0.0)
SUMS = (3.0, 1.0, -3.0)  # of the softmax layer
LEARNING_RATE = 0.5


def hand_worked() -> "tuple[Network, Architecture]":
    """Return the network of three layers of two sigmoid neurons, with its description.

    (1, -1) becomes (0.98, 0.12), (0.86, 0.11), and at the output (0.62, 0.83).

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> network, _ = hand_worked()
    >>> network(jnp.array([[1.0, -1.0]])).round(2)
    Array([[0.62, 0.83]], dtype=float32)
    """
    from fathom.nn.architecture import Architecture
    from fathom.nn.dense import Dense

    layers = tuple(Dense(units=2, activation="sigmoid") for _ in WEIGHTS)
    described = Architecture(input_shape=(2,), layers=layers, loss="squared_error")
    return _filled(described, WEIGHTS, BIASES), described


def softmax_layer() -> "tuple[Network, Architecture]":
    """Return one softmax layer of three neurons whose sums are its inputs, with its description.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> network, _ = softmax_layer()
    >>> network(jnp.array([[3.0, 1.0, -3.0]])).round(2)
    Array([[0.88, 0.12, 0.  ]], dtype=float32)
    """
    from fathom.nn.architecture import Architecture
    from fathom.nn.dense import Dense

    layers = (Dense(units=3, activation="softmax"),)
    described = Architecture(input_shape=(3,), layers=layers, loss="cross_entropy")
    identity = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    return _filled(described, (identity,), ([0.0, 0.0, 0.0],)), described


def _filled(
    described: "Architecture",
    weights: tuple[list[list[float]], ...],
    biases: tuple[list[float], ...],
) -> "Network":
    from fathom.nn.network import draw
    from fathom.nn.xla import jax, jnp

    drawn = draw(described, jax.random.key(0))
    pairs = zip(weights, biases, strict=True)
    leaves = [jnp.asarray(part, jnp.float32) for pair in pairs for part in pair]
    return jax.tree.unflatten(jax.tree.structure(drawn), leaves)
