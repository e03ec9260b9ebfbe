"""Representations: what every layer makes of the same rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fathom.errors import FathomError, InputError
from fathom.nn.blocks import ActivationLayer, DropoutLayer, FlattenLayer, ResidualLayer
from fathom.nn.combination import CombinationLayer
from fathom.nn.convolution import Conv2DLayer, PoolLayer
from fathom.nn.dense import DenseLayer
from fathom.nn.embedding import ColumnsLayer, GainLayer
from fathom.nn.layer import AbstractLayer
from fathom.nn.network import Network
from fathom.nn.normalization import BatchNormLayer, LayerNormLayer
from fathom.nn.xla import Array, jitted, jnp

BATCH_ROWS = 256  # rows run at once; fewer are filled up, so that nothing is recompiled
SILENT = (DropoutLayer, FlattenLayer)
"""Layers that change no number in a trained network."""
FINISHING = (*SILENT, BatchNormLayer, LayerNormLayer, ActivationLayer, GainLayer)
"""Layers that finish what the one before them began."""


@dataclass(frozen=True)
class Stage:
    """A layer as people count them: neurons with the normalization and activation after them.

    Attributes
    ----------
    number : int
        Number of its first layer in the network as `Architecture` prints it; 0 is the input.
    name : str
        What it is, for example ``dense 64 · batch norm · relu``.
    first, last : int
        Positions of its first and its last layer in ``network.layers``; both -1 for the input.
    """

    number: int
    name: str
    first: int
    last: int


@dataclass(frozen=True)
class Representation:
    """What one stage makes of rows.

    Attributes
    ----------
    number, name
        Those of the `Stage`.
    values : numpy.ndarray
        Shape (rows, ...); of the output layer the sums z, before its activation function.
    """

    number: int
    name: str
    values: np.ndarray

    @property
    def flat(self) -> np.ndarray:
        """The values as one line a row."""
        return self.values.reshape(len(self.values), -1)

    def __str__(self) -> str:
        return label(self.number, self.name)


def label(number: int, name: str) -> str:
    """Name a stage as a printed architecture does: its number, then what it is."""
    return f"{number} {name}" if number else name


def stages(network: Network) -> tuple[Stage, ...]:
    """Return the stages of a network: the input, each hidden layer, the output layer.

    Normalization, activation, gain, dropout and flattening belong to the layer before them.

    Examples
    --------
    >>> import jax
    >>> from fathom import Activation, Architecture, BatchNorm, Dense, build
    >>> network = build(Architecture(
    ...     input_shape=(4,), loss="cross_entropy",
    ...     layers=(Dense(units=8, activation="identity"), BatchNorm(), Activation(),
    ...             Dense(units=3, activation="softmax")),
    ... ), jax.random.key(0))
    >>> [(stage.number, stage.name) for stage in stages(network)]
    [(0, 'input'), (1, 'dense 8 · batch norm · relu'), (4, 'dense 3 softmax')]
    """
    groups: list[list[int]] = []
    for position, layer in enumerate(network.layers):
        if groups and isinstance(layer, FINISHING):
            groups[-1].append(position)
        else:
            groups.append([position])
    found = [Stage(0, "input", -1, -1)]
    for group in groups:
        names = [name_of(network.layers[p]) for p in group]
        name = " · ".join(name for name in names if name)
        if name:
            found.append(Stage(group[0] + 1, name, group[0], group[-1]))
    return tuple(found)


def name_of(layer: AbstractLayer) -> str:
    """Name a layer in a few words; nothing for one that changes no number."""
    if isinstance(layer, DenseLayer):
        return f"dense {layer.weight.shape[0]}{_activation(layer.activation)}"
    if isinstance(layer, Conv2DLayer):
        height, width, _, channels = layer.kernel.shape
        return f"conv {channels} {height}×{width}{_activation(layer.activation)}"
    if isinstance(layer, ActivationLayer):
        return layer.activation.replace("_", " ")
    if isinstance(layer, ResidualLayer):
        inner = " · ".join(name for name in map(name_of, layer.layers) if name)
        return f"residual [{inner}]"
    if isinstance(layer, ColumnsLayer):
        return "columns"
    if isinstance(layer, SILENT):
        return ""
    if isinstance(layer, PoolLayer):
        return "max pool" if layer.is_max else "average pool"
    if isinstance(layer, CombinationLayer):
        return f"combination {len(layer.parts)} softmax"
    words = type(layer).__name__.removesuffix("Layer")
    return "".join(f" {c.lower()}" if c.isupper() else c for c in words).strip()


def _activation(name: str) -> str:
    return "" if name == "identity" else f" {name.replace('_', ' ')}"


def representations(network: Network, x: Any) -> tuple[Representation, ...]:
    """Return what every stage of a network makes of the same rows.

    Parameters
    ----------
    network : Network
        A network, as it computes when trained: nothing is dropped, statistics are the running
        ones.
    x : array-like
        Rows as the network takes them, shape (n, *input_shape).

    Returns
    -------
    tuple of Representation
        The input, every hidden layer, and the sums z of the output layer.

    Raises
    ------
    InputError
        If the network cannot take the rows.

    Examples
    --------
    >>> import jax
    >>> from fathom import Architecture, Dense, build
    >>> network = build(Architecture(
    ...     input_shape=(4,), loss="cross_entropy",
    ...     layers=(Dense(units=8), Dense(units=3, activation="softmax")),
    ... ), jax.random.key(0))
    >>> for layer in representations(network, np.ones((5, 4))):
    ...     print(layer, layer.values.shape)
    input (5, 4)
    1 dense 8 relu (5, 8)
    2 dense 3 softmax (5, 3)
    """
    rows = as_rows(network, x)
    found = stages(network)
    ends = tuple(stage.last for stage in found[1:])
    outputs = run_in_batches(lambda part: _run(network, part, ends), rows)
    values = (rows, *outputs)
    return tuple(
        Representation(stage.number, stage.name, each)
        for stage, each in zip(found, values, strict=True)
    )


def spread_codes(network: Network, x: Any) -> np.ndarray:
    """Return rows with each code of a category spread out over 0 and 1, as linear models need it.

    Parameters
    ----------
    network : Network
        The network, whose first layer says which inputs are codes; rows of any other are returned
        as they are.
    x : array-like
        Rows as the network takes them.

    Examples
    --------
    >>> import jax
    >>> from fathom import Architecture, Columns, Dense, build
    >>> network = build(Architecture(
    ...     input_shape=(2,), loss="squared_error",
    ...     layers=(Columns(n_numbers=1, codes=(3,)), Dense(units=1, activation="identity")),
    ... ), jax.random.key(0))
    >>> spread_codes(network, [[0.5, 0.0], [0.75, 2.0]]).tolist()
    [[0.5, 1.0, 0.0], [0.75, 0.0, 1.0]]
    """
    rows, first = as_rows(network, x), network.layers[0]
    if not isinstance(first, ColumnsLayer):
        return rows
    begin = first.n_numbers + first.n_plain
    codes = [column[:, None] == np.unique(column)[None, :] for column in rows[:, begin:].T]
    return np.concatenate([rows[:, :begin], *codes], axis=1, dtype=rows.dtype)


def last_hidden(network: Network, x: Any) -> Representation:
    """Return what the last hidden layer makes of rows; the rows themselves where there is none."""
    rows = as_rows(network, x)
    stage = stages(network)[-2]
    if stage.last < 0:
        return Representation(stage.number, stage.name, rows)
    (values,) = run_in_batches(lambda part: _run(network, part, (stage.last,)), rows)
    return Representation(stage.number, stage.name, values)


def run_in_batches(run: Any, rows: np.ndarray) -> tuple[np.ndarray, ...]:
    """Run rows through a compiled function of batches of one size; join what it returns."""
    parts = []
    for begin in range(0, len(rows), BATCH_ROWS):
        part = rows[begin : begin + BATCH_ROWS]
        missing = BATCH_ROWS - len(part)
        filled = np.concatenate([part, np.repeat(part[-1:], missing, axis=0)]) if missing else part
        try:
            outputs = run(filled)
        except (TypeError, ValueError) as error:
            if isinstance(error, FathomError):
                raise
            raise InputError(
                "rows the network can take",
                got=f"shape {rows.shape[1:]} a row",
                hint="give rows encoded and shaped as they were in training",
            ) from None
        parts.append([np.asarray(output)[: len(part)] for output in outputs])
    joined = tuple(np.concatenate(each) for each in zip(*parts, strict=True))
    for values in joined:
        require_finite(values, "outputs of every layer")
    return joined


def as_rows(network: Network, x: Any) -> np.ndarray:
    """Return rows as an array of the network's own precision; refuse none, and numbers not finite.

    Raises
    ------
    InputError
        If there is no row, or a number is missing or infinite.
    """
    try:
        rows = np.asarray(x, network.output.weight.dtype)
    except (TypeError, ValueError):
        raise InputError(
            "rows of numbers, as the network takes them",
            got=f"a {type(x).__name__}",
            hint="encode the rows as they were for training",
        ) from None
    if rows.ndim < 2 or len(rows) == 0:
        raise InputError("one row or more, shape (n, *input_shape)", got=f"shape {rows.shape}")
    require_finite(rows, "numbers in every row")
    return rows


def require_finite(values: np.ndarray, what: str) -> None:
    """Refuse values that are not finite."""
    if not np.isfinite(values).all():
        raise InputError(
            f"finite {what}", got=f"{int((~np.isfinite(values)).sum()):,} that are not"
        )


@jitted(static_argnums=2)
def _run(network: Network, x: Array, ends: tuple[int, ...]) -> list[Array]:
    found = []
    for position, layer in enumerate(network.layers):
        is_output = position == len(network.layers) - 1
        x = network.output.combine(x) if is_output else layer(x)
        if position in ends:
            found.append(jnp.asarray(x))
    return found


def draw_rows(n: int, most: int, seed: int) -> np.ndarray:
    """Return the numbers of at most so many rows drawn at random, in order."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, most, replace=False))
