"""The funnel: whether many simple features become few abstract ones, measured layer by layer."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import numpy as np
from pydantic import Field, FiniteFloat

from fathom.inspection.aligned import align
from fathom.inspection.charts import Series, line_chart
from fathom.inspection.features import neuron_sums
from fathom.inspection.findings import Finding, find
from fathom.inspection.judging import read_target
from fathom.inspection.pictures import side_by_side
from fathom.inspection.probes import require_pairs
from fathom.inspection.representations import draw_rows, label, representations, stages
from fathom.nn.network import Network
from fathom.values import Value

NARROWER = 0.95  # effective dimensions of the last hidden layer by those of the first
MORE_SELECTIVE = 0.02  # selectivity of the last hidden layer less that of the first
FIRES_SELDOM = 1e-12

Selectivity: TypeAlias = Literal["class selectivity", "correlation with the target"]


class FunnelLayer(Value):
    """One layer of the funnel.

    Attributes
    ----------
    number, name
        The layer, numbered as `Architecture` prints it; 0 is the input.
    n_neurons : int
        Neurons; of a convolution channels, of the input numbers.
    n_alive : int
        Neurons that are active in some row.
    share_active : float
        Share of the neurons active in a row, on average: those with a sum z above 0.
    selectivity : float
        Mean selectivity of the neurons that differ between rows, 0 to 1.
    dimension : float
        Effective dimension of the layer's activity: the participation ratio of its variances.
    """

    number: int = Field(ge=0)
    name: str
    n_neurons: int = Field(ge=1)
    n_alive: int = Field(ge=0)
    share_active: FiniteFloat
    selectivity: FiniteFloat
    dimension: FiniteFloat

    def __str__(self) -> str:
        return label(self.number, self.name)


class Funnel(Value):
    """From many simple features to few abstract ones, or not.

    Attributes
    ----------
    selectivity_name : str
        What selectivity is: of classes the class selectivity index, of numbers the correlation.
    n_rows : int
        Rows it was measured on.
    layers : tuple of FunnelLayer
        The input and every hidden layer.
    findings : tuple of Finding
        Whether it holds.
    """

    selectivity_name: Selectivity
    n_rows: int
    layers: tuple[FunnelLayer, ...] = Field(min_length=1)
    findings: tuple[Finding, ...] = ()

    def __str__(self) -> str:
        rows = [("layer", "neurons", "alive", "active", "selectivity", "dimensions")]
        rows += [
            (str(one), f"{one.n_neurons:,}", f"{one.n_alive:,}", f"{one.share_active:.1%}",
             f"{one.selectivity:.3f}", f"{one.dimension:.1f}")
            for one in self.layers
        ]  # fmt: skip
        return "\n".join([align(rows), *map(str, self.findings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        places = range(len(self.layers))
        drawn = {
            "effective dimensions": [one.dimension for one in self.layers],
            self.selectivity_name: [one.selectivity for one in self.layers],
            "share of neurons active in a row": [one.share_active for one in self.layers],
        }
        return side_by_side(
            [
                line_chart(
                    [Series("", places, heights, "both")], title=name[:1].upper() + name[1:],
                    x_label="layers from the input", y_label=name, width=300, height=220,
                )
                for name, heights in drawn.items()
            ]
        )  # fmt: skip


def measure_funnel(
    network: Network, x: Any, y: Any, *, most_rows: int = 2000, seed: int = 0
) -> Funnel:
    """Measure whether the layers lead from many simple features to few abstract ones.

    For each layer: how many neurons are active in a row (their sum z above 0), how selective they
    are, and in how many directions its activity spreads, the participation ratio
    (Σ λ)² / Σ λ² of the variances λ along its main directions. A neuron's class selectivity is
    (μ₁ - μ₂) / (μ₁ + μ₂), μ₁ its mean activation over the class it answers to most and μ₂ the mean
    over the other classes; for a target of numbers it is the size of its correlation with it.

    Parameters
    ----------
    network : Network
        The network.
    x, y : array-like
        Rows as the network takes them, and their target.
    most_rows : int, default 2000
        Rows it is measured on, drawn at random from more.
    seed : int, default 0
        Seed of the draw.

    Returns
    -------
    Funnel
        The figures layer by layer, and whether the funnel holds: effective dimensions come down by
        5 % and selectivity goes up by 0.02 from the first hidden layer to the last.

    Raises
    ------
    InputError
        If the rows or the target cannot be used.

    Examples
    --------
    >>> import jax
    >>> from sklearn.datasets import load_iris
    >>> from fathom import Architecture, Dense, build
    >>> x, y = load_iris(return_X_y=True)
    >>> network = build(Architecture(
    ...     input_shape=(4,), loss="cross_entropy",
    ...     layers=(Dense(units=8), Dense(units=4), Dense(units=3, activation="softmax")),
    ... ), jax.random.key(0))
    >>> funnel = measure_funnel(network, x, y)
    >>> [layer.n_neurons for layer in funnel.layers]
    [4, 8, 4]

    References
    ----------
    Morcos, Barrett, Rabinowitz, Botvinick (2018). On the importance of single directions for
    generalization. arXiv:1803.06959. Gao et al. (2017). A theory of multineuronal dimensionality,
    dynamics and measurement. doi:10.1101/214262.

    Notes
    -----
    Where an activation function gives negative values, each neuron's least is set to 0 first.
    """
    require_pairs(x, y, None, None)
    rows = draw_rows(len(x), most_rows, seed)
    x = np.asarray(x)[rows]
    task, target = read_target(np.asarray(y)[rows])
    layers = []
    seen = representations(network, x)[:-1]
    for stage, layer in zip(stages(network)[:-1], seen, strict=True):
        sums = neuron_sums(network, x, stage) if stage.number else layer.flat
        # channels come last, so that what is laid out in a row can be put together again
        neurons = layer.flat.reshape(len(x), -1, sums.shape[1]).mean(axis=1)
        is_active = sums > 0
        layers.append(
            FunnelLayer(
                number=stage.number, name=stage.name, n_neurons=neurons.shape[1],
                n_alive=int(is_active.any(axis=0).sum()), share_active=float(is_active.mean()),
                selectivity=mean_selectivity(neurons, target, is_classes=task == "classes"),
                dimension=participation_ratio(layer.flat),
            )
        )  # fmt: skip
    is_classes = task == "classes"
    return Funnel(
        selectivity_name="class selectivity" if is_classes else "correlation with the target",
        n_rows=len(rows), layers=tuple(layers), findings=tuple(_findings(layers[1:])),
    )  # fmt: skip


def participation_ratio(values: np.ndarray) -> float:
    """Return in how many directions rows spread: (Σ λ)² / Σ λ², λ the variances along them.

    It is n where n directions have the same variance, 1 where all rows lie on a line, and 0 where
    they are all the same.

    Parameters
    ----------
    values : numpy.ndarray
        Rows, shape (rows, features).

    Examples
    --------
    >>> participation_ratio(np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]))
    2.0
    """
    centered = values.astype(np.float64) - values.mean(axis=0, dtype=np.float64)[None, :]
    n, k = centered.shape
    square = centered @ centered.T if n < k else centered.T @ centered
    size = float((square**2).sum())
    return float(np.trace(square)) ** 2 / size if size > FIRES_SELDOM**2 else 0.0


def mean_selectivity(values: np.ndarray, target: np.ndarray, *, is_classes: bool) -> float:
    """Return the mean selectivity of neurons that differ between rows; 0 where none does.

    Parameters
    ----------
    values : numpy.ndarray
        Activations, shape (rows, neurons).
    target : numpy.ndarray
        Class numbers, or numbers.
    is_classes : bool
        Which of the two.

    Examples
    --------
    >>> mean_selectivity(np.array([[1.0], [3.0], [1.0]]), np.array([0, 1, 0]), is_classes=True)
    0.5
    """
    values = values.astype(np.float64)
    varies = np.ptp(values, axis=0) > FIRES_SELDOM
    values = values[:, varies]
    if not varies.any():
        return 0.0
    if not is_classes:
        away = target - target.mean()
        centered = values - values.mean(axis=0)[None, :]
        size = np.linalg.norm(centered, axis=0) * (float(np.linalg.norm(away)) or 1.0)
        return float(np.abs(centered.T @ away / size).mean())
    values = values - np.minimum(values.min(axis=0), 0)[None, :]
    means = np.stack([values[target == number].mean(axis=0) for number in np.unique(target)])
    most = means.max(axis=0)
    others = (means.sum(axis=0) - most) / (len(means) - 1)
    return float(((most - others) / (most + others)).mean())


def _findings(hidden: list[FunnelLayer]) -> Iterator[Finding]:
    if len(hidden) < 2:
        yield find("funnel_shallow", n_hidden=len(hidden))
        return
    first, last = hidden[0], hidden[-1]
    facts = {
        "first_dimension": first.dimension, "last_dimension": last.dimension,
        "first_selectivity": first.selectivity, "last_selectivity": last.selectivity,
    }  # fmt: skip
    narrows = last.dimension <= NARROWER * first.dimension
    selects = last.selectivity >= first.selectivity + MORE_SELECTIVE
    if narrows and selects:
        yield find("funnel_holds", "good", **facts)
    else:
        code = "funnel_fails"
        if narrows or selects:
            code = "funnel_narrow_only" if narrows else "funnel_selective_only"
        yield find(code, "note", **facts)
    pairs = list(pairwise(hidden))
    if len(pairs) > 1:
        n_narrower = sum(after.dimension < before.dimension for before, after in pairs)
        n_selective = sum(after.selectivity > before.selectivity for before, after in pairs)
        yield find(
            "funnel_steps", n_narrower=n_narrower, n_steps=len(pairs), n_selective=n_selective
        )
