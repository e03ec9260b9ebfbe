"""Features: what a neuron answers to."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import optax
from pydantic import Field, FiniteFloat

from fathom.errors import InputError
from fathom.inspection.aligned import align
from fathom.inspection.arrays import Measured, Numbers
from fathom.inspection.charts import bar_chart
from fathom.inspection.findings import Finding, find
from fathom.inspection.judging import read_target
from fathom.inspection.pictures import picture_grid, side_by_side
from fathom.inspection.representations import (
    Stage,
    as_rows,
    draw_rows,
    label,
    run_in_batches,
    stages,
)
from fathom.nn.activations import ACTIVATIONS
from fathom.nn.blocks import ActivationLayer
from fathom.nn.convolution import Conv2DLayer
from fathom.nn.dense import DenseLayer
from fathom.nn.embedding import ColumnsLayer
from fathom.nn.network import Network
from fathom.nn.xla import Array, jax, jitted, jnp

N_STARTS = 4  # rows that an ascent begins at, besides the mean of all
N_STEPS = 300
STEP = 0.05  # of an ascent, as a share of the range of each number
ABOVE_ALL = 0.5  # share of a neuron's strongest rows that are of one class


class NeuronView(Measured):
    """What one neuron answers to.

    Attributes
    ----------
    number, name
        The layer, numbered as `Architecture` prints it.
    neuron : int
        The neuron's number in it, from 1; of a convolution the channel's.
    rows : tuple of int
        The rows it answers to most strongly, the strongest first.
    sums : tuple of float
        Its sum z before the activation function in each of them; of a convolution the largest over
        the picture.
    activations : tuple of float
        What its activation function makes of that.
    labels : tuple of str
        What each of the rows is.
    examples : numpy.ndarray
        The rows themselves, shape (rows, *input_shape).
    excited : numpy.ndarray
        The input within the range of the data that excites it most, as far as was found.
    excited_sum : float
        Its sum there.
    share_active : float
        Share of all rows in which its sum is above 0.
    findings : tuple of Finding
        What is worth saying about it.
    """

    number: int = Field(ge=1)
    name: str
    neuron: int = Field(ge=1)
    rows: tuple[int, ...]
    sums: tuple[FiniteFloat, ...]
    activations: tuple[FiniteFloat, ...]
    labels: tuple[str, ...]
    examples: Numbers
    excited: Numbers
    excited_sum: FiniteFloat
    share_active: FiniteFloat
    findings: tuple[Finding, ...] = ()

    def __str__(self) -> str:
        head = f"neuron {self.neuron} of {label(self.number, self.name)}"
        rows = [("row", "label", "z", "a")]
        rows += [
            (str(row), name, f"{z:.3f}", f"{a:.3f}")
            for row, name, z, a in zip(
                self.rows, self.labels, self.sums, self.activations, strict=True
            )
        ]
        share = f"active in {self.share_active:.1%} of the rows"
        most = f"the input that excites it most has z = {self.excited_sum:.3f}"
        return "\n".join([head, align(rows, 2), share, most, *map(str, self.findings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return draw_neuron(self)


def draw_neuron(view: NeuronView, shape: tuple[int, int] | None = None) -> str:
    """Draw what a neuron answers to: pictures where rows are pictures, else its favorite input.

    Parameters
    ----------
    view : NeuronView
        The neuron.
    shape : tuple of int, optional
        Height and width, where rows are pictures laid out.
    """
    title = f"Neuron {view.neuron} of {label(view.number, view.name)}"
    found = [*view.examples, view.excited]
    if shape is None and view.excited.ndim != 3:
        values = view.excited.ravel()
        order = np.argsort(-np.abs(values), kind="stable")[:20]
        return bar_chart(
            [f"input {n + 1}" for n in order], values[order], title=title,
            x_label="the input that excites it most", description=str(view),
        )  # fmt: skip
    images = [
        each.mean(axis=-1) if each.ndim == 3 else each.reshape(shape or each.shape)
        for each in found
    ]
    names = [*(name or f"row {row}" for name, row in zip(view.labels, view.rows, strict=True))]
    return side_by_side([picture_grid(images, [*names, "made for it"], title=title, across=5)])


def look_at_neuron(
    network: Network,
    x: Any,
    y: Any = None,
    *,
    layer: int,
    neuron: int,
    n_strongest: int = 9,
    decay: float = 0.0,
    seed: int = 0,
) -> NeuronView:
    """Show what a neuron answers to: its strongest rows, and an input made for it.

    The input is found by gradient ascent on the neuron's sum z from its strongest rows and from
    the mean of all, every number kept within the range it has in the rows:
    max z(x) - ½ λ |x - x̄|².

    Parameters
    ----------
    network : Network
        The network.
    x : array-like
        Rows as the network takes them.
    y : array-like, optional
        What they are.
    layer : int
        Number of the layer as `Architecture` prints it.
    neuron : int
        Number of the neuron in it, from 1; of a convolution the channel's.
    n_strongest : int, default 9
        How many rows.
    decay : float, default 0
        λ, which draws the input to the mean of the rows; 0 leaves only the range.
    seed : int, default 0
        Not used where all rows are looked at; seed of the draw beyond 20,000 of them.

    Returns
    -------
    NeuronView
        What it answers to.

    Raises
    ------
    InputError
        If there is no such neuron.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fathom import Architecture, Dense, build
    >>> x, y = load_iris(return_X_y=True)
    >>> network = build(Architecture(
    ...     input_shape=(4,), loss="cross_entropy",
    ...     layers=(Dense(units=8), Dense(units=3, activation="softmax")),
    ... ), jax.random.key(0))
    >>> view = look_at_neuron(network, x, y, layer=1, neuron=2)
    >>> len(view.rows), view.excited_sum >= view.sums[0]
    (9, True)

    References
    ----------
    Erhan, Bengio, Courville, Vincent (2009). Visualizing higher-layer features of a deep network.
    """
    rows = as_rows(network, x)
    drawn = draw_rows(len(rows), 20_000, seed)
    rows = rows[drawn]
    stage = find_stage(network, layer)
    sums = neuron_sums(network, rows, stage)
    n_neurons = sums.shape[1]
    if not 1 <= neuron <= n_neurons:
        raise InputError(f"a neuron from 1 to {n_neurons} in layer {layer}", got=f"{neuron}")
    z = sums[:, neuron - 1]
    strongest = np.argsort(-z, kind="stable")[:n_strongest]
    starts = np.concatenate([rows[strongest[:N_STARTS]], rows.mean(axis=0, keepdims=True)])
    excited, excited_sum = excite(network, rows, stage, neuron, starts, decay)
    labels = ("",) * len(strongest)
    if y is not None:
        given = np.asarray(y).reshape(len(x), -1)[:, 0][drawn]
        labels = tuple(map(str, given[strongest]))
    activation = ACTIVATIONS[activation_of(network, stage)]
    is_rectified = activation_of(network, stage) == "relu"
    return NeuronView(
        number=stage.number, name=stage.name, neuron=neuron,
        rows=tuple(drawn[strongest].tolist()), sums=tuple(z[strongest].tolist()),
        activations=tuple(np.asarray(activation(jnp.asarray(z[strongest]))).tolist()),
        labels=labels, examples=rows[strongest], excited=excited, excited_sum=excited_sum,
        share_active=float((z > 0).mean()),
        findings=tuple(_findings(z, strongest, None if y is None else given, is_rectified)),
    )  # fmt: skip


def _findings(
    z: np.ndarray, strongest: np.ndarray, given: np.ndarray | None, is_rectified: bool
) -> Iterator[Finding]:
    if is_rectified and (z <= 0).all():
        yield find("neuron_dead", "warning", n_rows=len(z))
        return
    if given is None or read_target(given)[0] != "classes":
        return
    labels, counts = np.unique(given[strongest], return_counts=True)
    most = int(counts.argmax())
    share, base = counts[most] / len(strongest), float((given == labels[most]).mean())
    n = len(strongest)
    if share > ABOVE_ALL and share > base:
        name = str(labels[most])
        yield find("neuron_class", label=name, share=share, base=base, n_strongest=n)
    else:
        yield find("neuron_mixed", n_strongest=n, n_classes=len(labels))


def find_stage(network: Network, layer: int) -> Stage:
    """Return the stage of a number, which may be that of any layer in it.

    Raises
    ------
    InputError
        If there is none.
    """
    for stage in stages(network)[1:]:
        if stage.first <= layer - 1 <= stage.last:
            return stage
    raise InputError(
        f"a layer from 1 to {len(network.layers)} that has neurons", got=f"{layer}",
        hint="print the architecture to see their numbers",
    )  # fmt: skip


def activation_of(network: Network, stage: Stage) -> str:
    """Return the name of a stage's activation function; softmax, of the output, as identity."""
    for layer in reversed(network.layers[stage.first : stage.last + 1]):
        if isinstance(layer, ActivationLayer | DenseLayer | Conv2DLayer):
            return "identity" if layer.activation == "softmax" else layer.activation
    return "identity"


def neuron_sums(network: Network, x: Any, stage: Stage) -> np.ndarray:
    """Return the sums z of a stage's neurons before their activation function.

    Returns
    -------
    numpy.ndarray
        Shape (rows, neurons); of a convolution the largest over the picture, for each channel.
    """
    rows = as_rows(network, x)
    (sums,) = run_in_batches(lambda part: (_peaks(network, jnp.asarray(part), stage),), rows)
    return sums


@jitted(static_argnums=2)
def _peaks(network: Network, x: Array, stage: Stage) -> Array:
    z = sums_of(network, x, stage)
    return jnp.max(z, axis=tuple(range(1, z.ndim - 1))) if z.ndim > 2 else z


def sums_of(network: Network, x: Array, stage: Stage) -> Array:
    """Run rows through a network up to the sums of a stage's neurons."""
    for layer in network.layers[: stage.first]:
        x = layer(x)
    z = x
    for layer in network.layers[stage.first : stage.last + 1]:
        if isinstance(layer, DenseLayer | Conv2DLayer):
            z = layer.combine(x)
            x = ACTIVATIONS[layer.activation](z)
            is_open = layer.activation == "identity"
        elif isinstance(layer, ActivationLayer):
            z, x = x, layer(x)
            is_open = False
        else:
            is_open = layer is network.layers[stage.first] or is_open
            x = layer(x)
        z = x if is_open else z
    return z


def excite(
    network: Network, rows: np.ndarray, stage: Stage, neuron: int, starts: np.ndarray, decay: float
) -> tuple[np.ndarray, float]:
    """Return the input within the range of the rows that excites a neuron most, and its sum.

    Adam's steps, of at most a twentieth of each number's range at first, go up from every start;
    the best point on any of the ways is returned.

    Parameters
    ----------
    network : Network
        The network.
    rows : numpy.ndarray
        Rows whose range holds, and whose mean the decay draws to.
    stage : Stage
        The neuron's layer.
    neuron : int
        Its number, from 1.
    starts : numpy.ndarray
        Rows to begin at.
    decay : float
        λ of the penalty ½ λ |x - x̄|², at least 0.
    """
    if not decay >= 0:
        raise InputError("a decay of 0 or more", got=f"{decay}")
    low, high, center = rows.min(axis=0), rows.max(axis=0), rows.mean(axis=0)
    if isinstance(network.layers[0], ColumnsLayer):
        starts = starts[:-1]  # there is no row between two categories
    scalar = jnp.asarray(decay, rows.dtype)
    found, values = _ascend(
        network, jnp.asarray(starts), jnp.asarray(low), jnp.asarray(high), jnp.asarray(center),
        scalar, jnp.int32(neuron - 1), stage,
    )  # fmt: skip
    best = np.asarray(found)[int(np.asarray(values).argmax())]
    (sums,) = (np.asarray(_peaks(network, jnp.asarray(best[None]), stage)),)
    return best, float(sums[0, neuron - 1])


@jitted(static_argnums=7)
def _ascend(
    network: Network,
    starts: Array,
    low: Array,
    high: Array,
    center: Array,
    decay: Array,
    neuron: Array,
    stage: Stage,
) -> tuple[Array, Array]:
    low, high, center = low[None], high[None], center[None]
    span = high - low

    def heights(x: Array) -> Array:
        away = jnp.sum(jnp.square(x - center), axis=tuple(range(1, x.ndim)))
        return jnp.take(_peaks(network, x, stage), neuron, axis=1) - 0.5 * decay * away

    def total(x: Array) -> tuple[Array, Array]:
        values = heights(x)
        return jnp.sum(values), values

    rule = optax.scale_by_adam()

    def step(carry: Any, now: Array) -> tuple[Any, None]:
        x, memory, best, best_value = carry
        (_, values), slope = jax.value_and_grad(total, has_aux=True)(x)
        is_better = values > best_value
        shape = (-1,) + (1,) * (x.ndim - 1)
        best = jnp.where(is_better.reshape(shape), x, best)
        with jax.numpy_dtype_promotion("standard"):  # optax mixes the types of its counters
            # in units of each number's range, so that all move alike
            direction, memory = rule.update(slope * span, memory)
        x = jnp.clip(x + now * span * direction, low, high)
        return (x, memory, best, jnp.maximum(values, best_value)), None

    rates = jnp.asarray(np.linspace(STEP, STEP / 100, N_STEPS), starts.dtype)
    beginning = (starts, rule.init(starts), starts, heights(starts))
    (x, _, best, best_value), _ = jax.lax.scan(step, beginning, rates)
    last = heights(x)
    shape = (-1,) + (1,) * (x.ndim - 1)
    found = jnp.where((last > best_value).reshape(shape), x, best)
    return found, jnp.maximum(last, best_value)


class WeightImages(Measured):
    """The weights of first-layer neurons as pictures.

    Attributes
    ----------
    number, name
        The layer, numbered as `Architecture` prints it.
    neurons : tuple of int
        Numbers of the neurons, from 1, the one with the largest weights first.
    images : numpy.ndarray
        Their weights, shape (neurons, height, width), summed over channels.
    """

    number: int = Field(ge=1)
    name: str
    neurons: tuple[int, ...]
    images: Numbers

    def __str__(self) -> str:
        n, height, width = self.images.shape
        return f"weights of {n} neurons of {label(self.number, self.name)}, {height}×{width} each"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        names = [f"{n}" for n in self.neurons]
        title = f"Weights of {label(self.number, self.name)}: orange above 0, blue below"
        return picture_grid(list(self.images), names, title=title)


def first_weights(
    network: Network, shape: tuple[int, ...] | None = None, *, n_shown: int = 40
) -> WeightImages:
    """Show the weights of the first layer as pictures: what each neuron looks for.

    Parameters
    ----------
    network : Network
        A network whose first layer with weights is dense or a convolution.
    shape : tuple of int, optional
        (height, width) or (height, width, channels) of the input; needed for a dense layer.
    n_shown : int, default 40
        Neurons shown, those with the largest weights.

    Returns
    -------
    WeightImages
        Their weights.

    Raises
    ------
    InputError
        If the first layer has no such weights, or the shape does not fit.

    Examples
    --------
    >>> from fathom import Architecture, Dense, Flatten, build
    >>> network = build(Architecture(
    ...     input_shape=(8, 8, 1), loss="cross_entropy",
    ...     layers=(Flatten(), Dense(units=5), Dense(units=3, activation="softmax")),
    ... ), jax.random.key(0))
    >>> print(first_weights(network, (8, 8)))
    weights of 5 neurons of 2 dense 5 relu, 8×8 each
    """
    has_weights = [isinstance(layer, DenseLayer | Conv2DLayer) for layer in network.layers]
    stage = find_stage(network, has_weights.index(True) + 1)
    layer = network.layers[has_weights.index(True)]
    if isinstance(layer, Conv2DLayer):
        weights = np.moveaxis(np.asarray(layer.kernel), -1, 0)
    else:
        assert isinstance(layer, DenseLayer)
        flat = np.asarray(layer.weight)
        if shape is None or int(np.prod(shape)) != flat.shape[1] or len(shape) not in (2, 3):
            raise InputError(
                f"the shape of a picture of {flat.shape[1]} numbers", got=f"{shape}",
                hint="give shape=(height, width) or (height, width, channels)",
            )  # fmt: skip
        weights = flat.reshape(len(flat), *shape[:2], -1)
    sizes = np.sqrt((weights**2).sum(axis=(1, 2, 3)))
    order = np.argsort(-sizes, kind="stable")[:n_shown]
    return WeightImages(
        number=stage.number, name=stage.name, neurons=tuple((order + 1).tolist()),
        images=weights[order].sum(axis=-1),
    )  # fmt: skip
