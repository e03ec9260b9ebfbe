"""What a network's layers do to the space of the rows, from every side, beside fixed kernels."""

import time
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np

from fathom.errors import InputError
from fathom.inspection.arrays import Measured
from fathom.inspection.depth.page import draw_page
from fathom.inspection.features import (
    NeuronView,
    WeightImages,
    first_weights,
    look_at_neuron,
    neuron_sums,
)
from fathom.inspection.findings import Finding
from fathom.inspection.funnel import Funnel, measure_funnel
from fathom.inspection.judging import read_target
from fathom.inspection.kernels import LearnedKernel, learn_kernel
from fathom.inspection.probes import Probes, probe_layers
from fathom.inspection.projections import BentGrid, Projections, bend_grid, project
from fathom.inspection.representations import Stage, spread_codes, stages
from fathom.inspection.rivals import Rivals, compare, draw_stages, train_rivals
from fathom.inspection.svg import element, escaped
from fathom.nn.convolution import Conv2DLayer
from fathom.nn.dense import DenseLayer
from fathom.nn.embedding import ColumnsLayer
from fathom.nn.network import Network

Part: TypeAlias = (
    Probes | Projections | BentGrid | Rivals | LearnedKernel | Funnel | WeightImages | NeuronView
)
OnPart: TypeAlias = Callable[[str, Part], None]

TITLES = {
    "probes": "How plain each layer makes it",
    "main": "Each layer in the plane",
    "apart": "Each layer where its classes lie farthest apart",
    "grid": "The plane of the inputs, bent",
    "funnel": "From simple features to abstract ones",
    "weights": "What the first layer looks for",
    "first_neuron": "A neuron of the first hidden layer",
    "last_neuron": "A neuron of the last hidden layer",
    "kernel": "The kernel it has learned",
    "rivals": "Beside fixed kernels and boosting",
}
LEADS = {
    "probes": "What a linear model can read off a layer, that layer has made plain.",
    "main": "The two directions along which the rows differ most.",
    "apart": "Fisher's two best discriminants, chosen on other rows where there are enough.",
    "grid": "Lines of a grid on the two inputs, followed through the layers.",
    "funnel": "A deep network may lead from many simple features to few abstract ones.",
    "weights": "Weights as pictures, the largest first.",
    "first_neuron": "The rows it answers to most strongly, and an input made for it.",
    "last_neuron": "The rows it answers to most strongly, and an input made for it.",
    "kernel": "Two rows are alike to a network where its last hidden layer answers alike.",
    "rivals": "Support vector machines and boosted trees on the same split of the same rows.",
}


class SpaceStudy(Measured):
    """What a network's layers do to the space of the rows.

    Attributes
    ----------
    about : str
        Which network on which rows.
    probes : Probes
        How well a linear model does on each layer.
    main : Projections
        Each layer in the plane of its two main directions.
    apart : Projections or None
        The same by discriminants; None for a target of numbers.
    grid : BentGrid or None
        The input plane bent, for a network of two inputs.
    funnel : Funnel
        Effective dimensions and selectivity, layer by layer.
    weights : WeightImages or None
        First-layer weights as pictures, for a network that sees pictures.
    first_neuron, last_neuron : NeuronView or None
        What a neuron of the first and one of the last hidden layer answers to.
    kernel : LearnedKernel
        The kernel of the last hidden layer beside the RBF kernel.
    rivals : Rivals or None
        Machines with fixed kernels, and boosting, on the split of the probes.
    beside : tuple of Finding
        How the layers stand beside them.
    left_out : tuple of str
        Names of the parts there was no time for.
    """

    about: str
    probes: Probes
    main: Projections
    apart: Projections | None = None
    grid: BentGrid | None = None
    funnel: Funnel
    weights: WeightImages | None = None
    first_neuron: NeuronView | None = None
    last_neuron: NeuronView | None = None
    kernel: LearnedKernel | None = None
    rivals: Rivals | None = None
    beside: tuple[Finding, ...] = ()
    left_out: tuple[str, ...] = ()

    def parts(self) -> Iterator[tuple[str, Part]]:
        """Return the parts there are, each with its name."""
        for name in TITLES:
            part = getattr(self, name)
            if part is not None:
                yield name, part

    def __str__(self) -> str:
        parts = [f"{TITLES[name]}\n{part}" for name, part in self.parts()]
        return "\n\n".join([self.about, *parts, *map(str, self.beside)])

    __repr__ = __str__

    def to_html(self) -> str:
        """Return all parts as one HTML element, each drawn and in words."""
        parts = [element("p", escaped(self.about))]
        for name, part in self.parts():
            parts.append(element("h3", escaped(TITLES[name])))
            parts.append(element("p", escaped(LEADS[name])))
            parts.append(element("div", part._repr_html_(), style="overflow-x:auto"))
            if isinstance(part, Rivals):
                parts.append(draw_stages(part, self.probes))
            shown = {"style": "white-space:pre-wrap;font-size:12px"}
            parts.append(element("pre", escaped(str(part)), **shown))
        parts += [element("p", escaped(str(finding))) for finding in self.beside]
        return element("div", "".join(parts), class_="fathom-space")

    def page(self) -> str:
        """Return a whole HTML page, with nothing fetched from outside."""
        return draw_page(self.to_html(), "What each layer does to the space")

    def _repr_html_(self) -> str:
        return self.to_html()


def study_space(
    network: Network,
    x: Any,
    y: Any,
    *,
    about: str = "",
    picture_shape: tuple[int, ...] | None = None,
    neuron: tuple[int, int] | None = None,
    seconds: float = float("inf"),
    seed: int = 0,
    on_part: OnPart | None = None,
) -> SpaceStudy:
    """Look at what a network's layers do to the space of the rows, from every side.

    Parameters
    ----------
    network : Network
        The network.
    x, y : array-like
        Rows as the network takes them, best such as it was not trained on, and their target.
    about : str
        Which network on which rows, in words.
    picture_shape : tuple of int, optional
        Height, width and channels, where rows are pictures.
    neuron : tuple of int, optional
        Layer and neuron to look at instead of one of the last hidden layer, as for
        `fathom.inspection.features.look_at_neuron`.
    seconds : float
        Time after which the kernel and the rivals, which take longest, are not begun.
    seed : int
        Seed of the draws and the folds.
    on_part : callable, optional
        Told the name of every part and the part, once it is there.

    Returns
    -------
    SpaceStudy
        All of it, but for what there was no time for.

    Raises
    ------
    InputError
        If there are too few rows, or the target is neither classes nor numbers.

    Examples
    --------
    >>> import jax
    >>> from sklearn.datasets import load_iris
    >>> from fathom import Architecture, Dense, build
    >>> x, y = load_iris(return_X_y=True)
    >>> network = build(Architecture(
    ...     input_shape=(4,), loss="cross_entropy",
    ...     layers=(Dense(units=8), Dense(units=3, activation="softmax")),
    ... ), jax.random.key(0))
    >>> study = study_space(network, x, y, seconds=0)
    >>> [name for name, _ in study.parts()]
    ['probes', 'main', 'apart', 'funnel', 'last_neuron']
    >>> study.left_out
    ('kernel', 'rivals')
    """
    began = time.monotonic()
    rows, target = np.asarray(x), _one_target(y)
    found: dict[str, Any] = {"left_out": ()}
    for name, part in _look(network, rows, target, picture_shape, neuron, seed):
        found[name] = part
        if on_part is not None:
            on_part(name, part)
    for name, make in (("kernel", _learn_kernel), ("rivals", _train_rivals)):
        if time.monotonic() - began > seconds:
            found["left_out"] += (name,)
            continue
        found[name] = make(network, rows, target, seed)
        if on_part is not None:
            on_part(name, found[name])
    if "rivals" in found:
        found["beside"] = compare(found["probes"], found["rivals"])
    return SpaceStudy(about=about or f"{len(rows):,} rows", **found)


def _one_target(y: Any) -> np.ndarray:
    target = np.asarray(y)
    if target.ndim > 1:
        target = target.reshape(len(target), -1)
        if target.shape[1] > 1:
            raise InputError("classes, or one number a row", got=f"{target.shape[1]} columns")
        target = target[:, 0]
    return target


def _look(
    network: Network,
    x: np.ndarray,
    y: np.ndarray,
    picture_shape: tuple[int, ...] | None,
    neuron: tuple[int, int] | None,
    seed: int,
) -> Iterator[tuple[str, Part]]:
    """Yield the parts that take little time."""
    chosen = _neurons(network, x, neuron)
    yield "probes", probe_layers(network, x, y, seed=seed)
    yield "main", project(network, x, y, seed=seed)
    if read_target(y)[0] == "classes":
        yield "apart", project(network, x, y, method="discriminant", seed=seed)
    first = network.layers[0]
    if x.shape[1:] == (2,) and (not isinstance(first, ColumnsLayer) or first.n_numbers == 2):
        yield "grid", bend_grid(network, x, y)
    yield "funnel", measure_funnel(network, x, y, seed=seed)
    if picture_shape is not None:
        yield "weights", first_weights(network, picture_shape)
    for name, (layer, number) in chosen.items():
        yield name, look_at_neuron(network, x, y, layer=layer, neuron=number, seed=seed)


def _learn_kernel(network: Network, x: np.ndarray, y: np.ndarray, seed: int) -> LearnedKernel:
    return learn_kernel(network, x, y, seed=seed)


def _train_rivals(network: Network, x: np.ndarray, y: np.ndarray, seed: int) -> Rivals:
    """Train rivals on the rows, categories as 0 and 1 and all columns of like size."""
    flat = spread_codes(network, x).reshape(len(x), -1).astype(np.float64)
    if x.ndim == 2:
        spread = flat.std(axis=0)
        flat = (flat - flat.mean(axis=0)[None]) / np.where(spread > 0, spread, 1.0)[None]
    return train_rivals(flat, y, seed=seed)


def _neurons(
    network: Network, x: np.ndarray, asked: tuple[int, int] | None
) -> dict[str, tuple[int, int]]:
    """Return layer and neuron to be looked at: the liveliest of the first and the last layer."""
    hidden = [stage for stage in stages(network)[1:-1] if _has_neurons(network, stage)]
    ends = {"first_neuron": hidden[:1] if len(hidden) > 1 else [], "last_neuron": hidden[-1:]}
    found = {
        name: (stage.number, int(neuron_sums(network, x, stage).var(axis=0).argmax()) + 1)
        for name, places in ends.items()
        for stage in places
    }
    return {**found, "last_neuron": asked} if asked is not None else found


def _has_neurons(network: Network, stage: Stage) -> bool:
    layers = network.layers[stage.first : stage.last + 1]
    return any(isinstance(layer, DenseLayer | Conv2DLayer) for layer in layers)
