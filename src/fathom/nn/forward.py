"""The forward pass in NumPy: a trained network predicts, and nothing is compiled for it."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from fathom.nn.blocks import ActivationLayer, DropoutLayer, FlattenLayer, ResidualLayer
from fathom.nn.dense import DenseLayer
from fathom.nn.embedding import ColumnsLayer, GainLayer
from fathom.nn.intake import as_float32, columns_parts
from fathom.nn.layer import AbstractLayer
from fathom.nn.network import Network
from fathom.nn.normalization import BatchNormLayer, LayerNormLayer
from fathom.nn.pointwise import GIVEN, IN_PLACE, N_SLOTS, SCRATCH, Space
from fathom.nn.products import Calls, plan_product
from fathom.nn.spread import over_rows

Step: TypeAlias = Callable[[np.ndarray, Space, Calls], np.ndarray]
"""Given where its input lies, notes what to call, and returns where its result will lie."""

PASSING = (DropoutLayer, FlattenLayer)  # which change no row of numbers
FLAT = (DenseLayer, BatchNormLayer, LayerNormLayer, GainLayer, ColumnsLayer, ResidualLayer)
SPACE = Space()
"""Where each thread computes."""


class DenseStep(NamedTuple):
    """A dense layer whose biases are multiplied by a last input that is 1.

    Attributes
    ----------
    weights : numpy.ndarray
        Float32 of shape (neurons or more, inputs + 1); what is behind the neurons is 0.
    n_out : int
        Its neurons.
    activation : str
        Name of its activation function; that of the output layer is left out.
    """

    weights: np.ndarray
    n_out: int
    activation: str


class Forward:
    """A network prepared for prediction: y = f_L(... f_1(x)) by NumPy, for any number of rows.

    Attributes
    ----------
    n_outputs : int
        Outputs of the network.
    output_activation : str
        Activation function of its output layer.
    widest : int
        Most numbers it makes of one row at once.
    n_products : int
        Multiplications that one row costs.
    dense : tuple of DenseStep
        Its layers, where all are dense and each takes its biases from a row of ones; else none.

    Examples
    --------
    >>> import jax
    >>> from fathom import Architecture, Dense, build
    >>> network = build(Architecture(
    ...     input_shape=(2,), layers=(Dense(units=3, activation="softmax"),), loss="cross_entropy",
    ... ), jax.random.key(0))
    >>> forward = Forward.of(network)
    >>> forward(np.zeros((4, 2))).shape
    (4, 3)

    Notes
    -----
    Values lie features first, so that every step runs along memory, and in the memory of the
    thread that computes them; between dense layers a row of ones carries the biases. Sums are
    float32; probabilities are worked out from them in float64. Rows are filled up to whole tiles
    of BLAS, so that their order changes nothing; with their number a result may differ in its last
    digits, as BLAS multiplies small matrices in another way.
    """

    def __init__(self, network: Network, factor: np.ndarray | None = None) -> None:
        output = network.output
        weight: Any = output.weight
        last = DenseLayer(weight, output.bias, "identity")
        layers = (*network.layers[:-1], last)
        preparation = _Preparation(factor)
        self._steps, _ = preparation.chain(layers, GIVEN, ())
        is_dense = all(isinstance(layer, (DenseLayer, *PASSING)) for layer in layers)
        self.dense = tuple(preparation.with_ones) if is_dense and factor is not None else ()
        self._given = network, factor
        self.output_activation = output.activation
        self.n_outputs = len(output.weight)
        self.widest, self.n_products = preparation.widest, preparation.n_products

    @staticmethod
    def of(network: Network, factor: np.ndarray | None = None) -> "Forward | None":
        """Prepare a network.

        Parameters
        ----------
        network : Network
            The network.
        factor : numpy.ndarray, optional
            What every input is yet to be multiplied by; the rows then have a last column of ones.
            Only for a network that begins with a dense layer, in whose weights it goes.

        Returns
        -------
        Forward or None
            None where it has a layer this cannot compute, as a convolution, or cannot take the
            factor.
        """
        if not is_computable(network.layers[:-1]):
            return None
        first = next(layer for layer in network.layers if not isinstance(layer, PASSING))
        if factor is not None and not isinstance(first, DenseLayer):
            return None
        return Forward(network, factor)

    def __reduce__(self) -> tuple[type["Forward"], tuple[Network, np.ndarray | None]]:
        """Travel as what it was made of."""
        return Forward, self._given

    def combine(self, x: np.ndarray) -> np.ndarray:
        """Return the sums z of the output layer, float32 of shape (rows, outputs)."""
        return self._over(x, np.empty((len(x), self.n_outputs), np.float32), self.write_sums)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return the network's outputs a = f(z), float64 of shape (rows, outputs)."""
        return self._over(x, np.empty((len(x), self.n_outputs)), self.write_outputs)

    def write_sums(self, x: np.ndarray, out: np.ndarray) -> None:
        """Write z for rows of one part as `Space.given` holds them, shape (rows, outputs)."""
        out[...] = self._run(x)[:, : len(out)].T

    def write_outputs(self, x: np.ndarray, out: np.ndarray) -> None:
        """Write a for rows of one part as `Space.given` holds them, shape (rows, outputs)."""
        out[...] = self.outputs(x, len(out))

    def outputs(self, x: np.ndarray, n_rows: int) -> np.ndarray:
        """Return a for the first rows of those, valid until this thread computes again."""
        return activate_outputs(self._run(x)[:, :n_rows], self.output_activation).T

    def plan(self, values: np.ndarray, space: Space) -> tuple[Calls, np.ndarray]:
        """Return what to call, one after the other, for z of given rows, and where z will lie.

        Parameters
        ----------
        values : numpy.ndarray
            Where the rows will stand, shape (features, rows), as `Space.given` has them.
        space : Space
            Where to compute.
        """
        calls: Calls = []
        for step in self._steps:
            values = step(values, space, calls)
        return calls, values

    def _run(self, values: np.ndarray) -> np.ndarray:
        """Return z, shape (outputs, rows), valid until this thread computes again."""
        calls, z = self.plan(values, SPACE)
        for call in calls:
            call()
        return z

    def _over(
        self, x: np.ndarray, out: np.ndarray, write: Callable[[np.ndarray, np.ndarray], None]
    ) -> np.ndarray:
        rows = x.reshape(len(x), math.prod(x.shape[1:]))

        def work(begin: int, end: int) -> bool:
            write(SPACE.hold(rows[begin:end]), out[begin:end])
            return True

        over_rows(work, len(rows), self.widest, self.n_products)
        return out


def activate_outputs(z: np.ndarray, activation: str) -> np.ndarray:
    """Return a = f(z) of an output layer's sums, shape (outputs, rows).

    Parameters
    ----------
    z : numpy.ndarray
        The sums, float32, which may be written over.
    activation : str
        Name of the output layer's activation function.

    Returns
    -------
    numpy.ndarray
        Probabilities of a softmax or sigmoid layer in float64, so that they sum to 1 as nearly as
        numbers do; other outputs in float32.
    """
    activate = IN_PLACE[activation]
    if activation in ("softmax", "sigmoid"):
        z = z.astype(np.float64)
    if activate is not None:
        activate(z, SPACE)
    return z


def is_computable(layers: tuple[AbstractLayer, ...]) -> bool:
    """Tell whether NumPy computes every layer, and no picture comes to one that needs rows."""
    kinds = [type(layer) for layer in layers]
    if FlattenLayer in kinds and any(kind in FLAT for kind in kinds[: kinds.index(FlattenLayer)]):
        return False
    inner = [layer.layers for layer in layers if isinstance(layer, ResidualLayer)]
    known = (*PASSING, *FLAT, ActivationLayer)
    return all(kind in known for kind in kinds) and all(map(is_computable, inner))


class _Preparation:
    """Turns layers into steps; each writes to a slot of memory other than that it reads."""

    def __init__(self, factor: np.ndarray | None) -> None:
        self.widest, self.n_products = 1, 1
        self.with_ones: list[DenseStep] = []
        self._factor = factor

    def chain(
        self, layers: tuple[AbstractLayer, ...], source: int, held: tuple[int, ...]
    ) -> tuple[list[Step], int]:
        """Return the steps of layers whose input lies in a slot, and the slot they end in.

        Slots that are held are not written to.
        """
        layers = tuple(layer for layer in layers if not isinstance(layer, PASSING))
        steps: list[Step] = []
        for place, layer in enumerate(layers):
            target = next(s for s in range(N_SLOTS) if s not in (source, *held))
            if isinstance(layer, DenseLayer):
                steps.append(self._dense(layer, target, *self._joints(layers, place)))
            elif isinstance(layer, ResidualLayer):
                steps.append(self._residual(layer, source, target))
            else:
                steps.append(self._simple(layer, target))
            source = target
        return steps, source

    def _joints(self, layers: tuple[AbstractLayer, ...], place: int) -> tuple[bool, bool]:
        """Tell whether a dense layer gets a row of ones from one before, and gives one on."""
        after = layers[place + 1] if place + 1 < len(layers) else None
        gets = isinstance(layers[place - 1], DenseLayer) if place else self._factor is not None
        return gets, isinstance(after, DenseLayer)

    def _note(self, features: int, n_products: int = 0) -> None:
        self.widest = max(self.widest, features)
        self.n_products += n_products

    def _dense(self, layer: DenseLayer, target: int, gets_ones: bool, gives_ones: bool) -> Step:
        weight, column = as_float32(layer.weight), None
        if self._factor is not None:
            weight, self._factor = as_float32(weight * self._factor), None
        n_out = len(weight)
        bias = None if layer.bias is None else as_float32(layer.bias)[:, None]
        if gets_ones:
            last = np.zeros((n_out, 1), np.float32) if bias is None else bias
            weight = np.concatenate([weight, last], axis=1)
        else:
            column = bias
        activate = IN_PLACE[layer.activation]
        if n_out == 1:  # a second row, of zeros: BLAS multiplies by one row in another order
            weight = np.concatenate([weight, np.zeros_like(weight)])
        if gets_ones:
            self.with_ones.append(DenseStep(weight, n_out, layer.activation))
        n_sums, n_values = len(weight), n_out + gives_ones
        self._note(max(weight.shape) + 1, weight.size)

        def step(x: np.ndarray, space: Space, calls: Calls) -> np.ndarray:
            room = space.take(target, max(n_sums, n_values), x.shape[1])
            z = room[:n_out]
            calls += plan_product(weight, x, room[:n_sums])
            if column is not None:
                calls.append(partial(np.add, z, column, out=z))
            if activate is not None:
                calls.append(partial(activate, z, space))
            if gives_ones:
                calls.append(partial(room[n_out].fill, 1))
            return room[:n_values]

        return step

    def _residual(self, layer: ResidualLayer, source: int, target: int) -> Step:
        steps, _ = self.chain(layer.layers, source, (source,))
        projection = None if layer.projection is None else as_float32(layer.projection)
        if projection is not None:
            self._note(max(projection.shape), projection.size)

        def step(x: np.ndarray, space: Space, calls: Calls) -> np.ndarray:
            y = x
            for inner in steps:
                y = inner(y, space, calls)
            if projection is None:
                shortcut = x
            else:
                shortcut = space.take(SCRATCH, *y.shape)
                calls.append(partial(np.dot, projection, x, shortcut))
            values = space.take(target, *y.shape)
            calls.append(partial(np.add, shortcut, y, out=values))
            return values

        return step

    def _simple(self, layer: AbstractLayer, target: int) -> Step:
        """Return the step of a layer that has no weights between its inputs."""
        if isinstance(layer, ActivationLayer):
            return _activation(layer, target)
        if isinstance(layer, LayerNormLayer):
            return _layer_norm(layer, target)
        if isinstance(layer, BatchNormLayer):
            variance = as_float32(layer.running_variance.value)
            factor = as_float32(layer.scale) / np.sqrt(variance + np.float32(layer.epsilon))
            shift = as_float32(layer.shift) - as_float32(layer.running_mean.value) * factor
            return _affine(factor, shift, target)
        if isinstance(layer, GainLayer):
            return _affine(as_float32(layer.gain), None, target)
        assert isinstance(layer, ColumnsLayer)
        return self._columns(layer, target)

    def _columns(self, layer: ColumnsLayer, target: int) -> Step:
        parts = columns_parts(layer)
        ends = np.cumsum([0, *(part.n_features for part in parts)]).tolist()
        widest = max(ends[-1], *(part.n_between for part in parts))
        self._note(widest, sum(part.n_products for part in parts))
        writes = [
            (part.write, slice(*bounds))
            for part, *bounds in zip(parts, ends[:-1], ends[1:], strict=True)
        ]

        def step(x: np.ndarray, space: Space, calls: Calls) -> np.ndarray:
            values = space.take(target, ends[-1], x.shape[1])
            calls += [partial(write, x, values[place], space) for write, place in writes]
            return values

        return step


def _activation(layer: ActivationLayer, target: int) -> Step:
    activate = IN_PLACE[layer.activation]

    def step(x: np.ndarray, space: Space, calls: Calls) -> np.ndarray:
        values = space.take(target, *x.shape)
        calls.append(partial(np.copyto, values, x))
        if activate is not None:
            calls.append(partial(activate, values, space))
        return values

    return step


def _affine(factor: np.ndarray, shift: np.ndarray | None, target: int) -> Step:
    factors = factor[:, None]
    shifts = None if shift is None else shift[:, None]

    def step(x: np.ndarray, space: Space, calls: Calls) -> np.ndarray:
        values = space.take(target, *x.shape)
        calls.append(partial(np.multiply, x, factors, out=values))
        if shifts is not None:
            calls.append(partial(np.add, values, shifts, out=values))
        return values

    return step


def _layer_norm(layer: LayerNormLayer, target: int) -> Step:
    scale, shift = as_float32(layer.scale)[:, None], as_float32(layer.shift)[:, None]
    share = np.full(len(scale), 1 / len(scale), np.float32)
    epsilon = np.float32(layer.epsilon)

    def normalize(x: np.ndarray, values: np.ndarray, squares: np.ndarray) -> None:
        np.subtract(x, np.dot(share, x), out=values)
        np.multiply(values, values, out=squares)
        values /= np.sqrt(np.dot(share, squares) + epsilon)
        values *= scale
        values += shift

    def step(x: np.ndarray, space: Space, calls: Calls) -> np.ndarray:
        values = space.take(target, *x.shape)
        calls.append(partial(normalize, x, values, space.take(SCRATCH, *x.shape)))
        return values

    return step
