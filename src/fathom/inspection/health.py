"""Health: neurons that never fire, errors that fade on their way back, steps too small or large."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from pydantic import Field, FiniteFloat

from fathom.errors import InputError
from fathom.inspection.aligned import align
from fathom.inspection.backward import Passage, run_forward
from fathom.inspection.charts import Series, line_chart
from fathom.inspection.findings import Finding, find
from fathom.inspection.pictures import side_by_side
from fathom.inspection.representations import Stage, as_rows, draw_rows, label, stages
from fathom.inspection.slopes import slope_of
from fathom.inspection.update import first_step
from fathom.nn.architecture import Architecture
from fathom.nn.layer import partition
from fathom.nn.losses import LOSSES
from fathom.nn.network import Network
from fathom.nn.tree import join
from fathom.nn.xla import Array, PyTree, jax, jitted, jnp
from fathom.training.recipe import Recipe
from fathom.values import Value

STEEPEST = {"sigmoid": 0.25}  # of an activation function's slope; about 1 for the others
STUCK = 1e-6  # of the steepest slope, from which nothing is learned
SATURATED = 0.05  # of the steepest slope
SQUASHING = ("sigmoid", "tanh")
RECTIFYING = ("relu",)
MUCH_SATURATED = 0.5
VANISHING, EXPLODING = 1e-3, 1e3  # the error at the first layer by that at the last hidden one
SMALLEST_UPDATE, LARGEST_UPDATE = 1e-6, 0.2
MOST_VALUES = 2**26  # of one layer, for all rows together


class LayerHealth(Value):
    """How one layer is.

    Attributes
    ----------
    number, name
        The layer, numbered as `Architecture` prints it.
    n_neurons : int
        Neurons with an activation function; of a convolution channels.
    n_dead : int
        Those on whose flat side every row lies, so that no row can teach them.
    share_saturated : float
        Share of all answers where the activation function's slope is below a twentieth of its
        steepest.
    signal : float
        Root mean square of what the layer gives (of the output layer: its sums z).
    error : float
        Length of ∂L/∂a, the error that comes back to the layer, root mean square over rows.
    gradient_ratio : float or None
        Length of the gradient of its weights by that of the weights; None where it has none.
    update_ratio : float or None
        Length of a step of its weights by that of the weights; None where it has none, or no recipe
        was given.
    """

    number: int = Field(ge=1)
    name: str
    n_neurons: int = Field(ge=0)
    n_dead: int = Field(ge=0)
    share_saturated: FiniteFloat
    signal: FiniteFloat
    error: FiniteFloat
    gradient_ratio: FiniteFloat | None = None
    update_ratio: FiniteFloat | None = None

    def __str__(self) -> str:
        return label(self.number, self.name)


class Health(Value):
    """How the layers of a network are.

    Attributes
    ----------
    n_rows : int
        Rows they were looked at on.
    loss : float
        Mean loss of these rows.
    layers : tuple of LayerHealth
        Every hidden layer and the output layer.
    findings : tuple of Finding
        What is worth saying about them.
    """

    n_rows: int = Field(ge=1)
    loss: FiniteFloat
    layers: tuple[LayerHealth, ...] = Field(min_length=1)
    findings: tuple[Finding, ...] = ()

    def __str__(self) -> str:
        rows = [("layer", "neurons", "dead", "flat", "signal", "error", "gradient/W", "step/W")]
        rows += [
            (str(one), f"{one.n_neurons:,}", f"{one.n_dead:,}", f"{one.share_saturated:.0%}",
             f"{one.signal:.3g}", f"{one.error:.2e}", _small(one.gradient_ratio),
             _small(one.update_ratio))
            for one in self.layers
        ]  # fmt: skip
        head = f"{self.n_rows:,} rows, mean loss {self.loss:.4f}"
        return "\n".join([head, align(rows), *map(str, self.findings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        places = [one.number for one in self.layers]
        errors = Series("", places, [one.error for one in self.layers], "both")
        drawn = [
            line_chart(
                [errors], title="The error on its way back", x_label="layer", y_label="|∂L/∂a|",
                log_y=True, width=340, height=230, description=str(self),
            )
        ]  # fmt: skip
        ratios = {
            "gradient by weights": [one.gradient_ratio for one in self.layers],
            "step by weights": [one.update_ratio for one in self.layers],
        }
        series = [
            Series(name, places, [float("nan") if v is None else v for v in values], "both")
            for name, values in ratios.items()
            if any(value for value in values)
        ]
        if series:
            drawn.append(
                line_chart(
                    series, title="How far weights move", x_label="layer", y_label="by their size",
                    log_y=True, width=340, height=230,
                )
            )  # fmt: skip
        return side_by_side(drawn)


def _small(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}"


def check_network(
    network: Network,
    architecture: Architecture,
    x: Any,
    y: Any,
    recipe: Recipe | None = None,
    *,
    most_rows: int = 500,
    seed: int = 0,
) -> Health:
    """Look at every layer for what keeps a network from learning.

    A neuron is dead where the slope f′(z) of its activation function is 0 (below a millionth of
    the steepest) on every row. The error that comes back to a layer is ∂L/∂a of each row; from
    layer to layer it should neither fade nor grow by much. A step should change weights by about
    a thousandth of their size; here it is the first one the recipe's optimizer would take on these
    rows, at the recipe's full learning rate.

    Parameters
    ----------
    network : Network
        The network, as it computes when trained.
    architecture : Architecture
        Its description.
    x, y : array-like
        Rows as the network takes them, and what the outputs should be: class numbers (n,) for a
        softmax layer, rows (n, outputs) otherwise.
    recipe : Recipe, optional
        How it is trained; without it no steps are looked at.
    most_rows : int, default 500
        Rows looked at, drawn at random from more; fewer where layers are very large.
    seed : int, default 0
        Seed of the draw.

    Returns
    -------
    Health
        The figures layer by layer, and what they mean.

    Raises
    ------
    InputError
        If rows or targets do not fit the network.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fathom import Architecture, Dense, build
    >>> x, y = load_iris(return_X_y=True)
    >>> described = Architecture(
    ...     input_shape=(4,), loss="cross_entropy",
    ...     layers=(Dense(units=8, activation="tanh"), Dense(units=3, activation="softmax")),
    ... )
    >>> network = build(described, jax.random.key(0))
    >>> health = check_network(network, described, (x - x.mean(0)) / x.std(0), y)
    >>> print(health.findings[0])
    Every neuron answers to some of these 150 rows.

    References
    ----------
    Hochreiter (1991), Bengio, Simard, Frasconi (1994) on errors that vanish. Glorot, Bengio (2010).
    Understanding the difficulty of training deep feedforward neural networks.
    """
    largest = max(int(np.prod(shape)) for shape in architecture.shapes)
    rows = draw_rows(len(x), max(1, min(most_rows, MOST_VALUES // largest)), seed)
    x, target = as_rows(network, np.asarray(x)[rows]), _read_aim(y, architecture, len(x))[rows]
    target = target.astype(x.dtype)
    if x.shape[1:] != architecture.input_shape:
        raise InputError(f"rows of shape {architecture.input_shape}", got=f"{x.shape[1:]}")
    found = stages(network)[1:]
    ends = tuple(stage.last for stage in found)
    arrays = (jnp.asarray(x), jnp.asarray(target))
    nothing = _shapes(network, arrays[0], ends)
    loss, (errors, gradient) = _backward(
        network, nothing, *arrays, ends, architecture.loss, architecture.output_activation
    )
    parameters = partition(network)[0]
    step = None if recipe is None else first_step(parameters, gradient, recipe).direction
    passages = run_forward(network.layers, x, None)
    layers, kinds = [], []
    for stage, error in zip(found, errors, strict=True):
        mine = passages[stage.first : stage.last + 1]
        seen = _counted(mine)
        size = _length(parameters, stage)
        slope, move = _length(gradient, stage), _length(step, stage)
        layers.append(
            LayerHealth(
                number=stage.number, name=stage.name, **seen,
                signal=_root_mean_square(mine[-1].z if stage is found[-1] else mine[-1].a),
                error=_root_mean_square(error) * float(np.prod(error.shape[1:])) ** 0.5,
                gradient_ratio=slope / size if size and slope is not None else None,
                update_ratio=recipe.learning_rate * move / size
                if recipe is not None and size and move is not None
                else None,
            )
        )  # fmt: skip
        kinds.append([passage.activation for passage in _with_activation(mine)])
    return Health(
        n_rows=len(x), loss=float(loss) / len(x), layers=tuple(layers),
        findings=(*_findings(layers, kinds, len(x)), *_on_steps(layers, recipe)),
    )  # fmt: skip


def _counted(passages: Sequence[Passage]) -> dict[str, Any]:
    """Count the neurons of a stage, the dead ones, and the share of answers that are flat."""
    slopes = [_slopes(passage) for passage in _with_activation(passages)]
    if not slopes:
        return {"n_neurons": 0, "n_dead": 0, "share_saturated": 0.0}
    is_flat = np.concatenate([(slope < SATURATED).mean(axis=0) for slope in slopes])
    return {
        "n_neurons": len(is_flat),
        "n_dead": sum(int((slope <= STUCK).all(axis=0).sum()) for slope in slopes),
        "share_saturated": float(is_flat.mean()),
    }


def _root_mean_square(values: Any) -> float:
    return float(np.sqrt(np.mean(np.square(np.asarray(values, np.float64)))))


def _read_aim(y: Any, architecture: Architecture, n: int) -> np.ndarray:
    """Return what the outputs should be, one row each."""
    aim = np.asarray(y)
    if len(aim) != n:
        raise InputError(f"a target for each of {n} rows", got=f"{len(aim)}")
    k = architecture.n_outputs
    if architecture.loss == "cross_entropy" and aim.ndim == 1:
        if aim.dtype.kind not in "iu" or aim.min() < 0 or aim.max() >= k:
            raise InputError(f"class numbers from 0 to {k - 1}", got=f"{aim.dtype} targets")
        return np.eye(k)[aim]
    aim = aim.astype(np.float64).reshape(n, -1)
    if aim.shape[1] != k or not np.isfinite(aim).all():
        raise InputError(f"{k} finite targets a row", got=f"shape {aim.shape}")
    return aim


@jitted(static_argnums=2)
def _shapes(network: Network, x: Array, ends: tuple[int, ...]) -> list[Array]:
    """Return zeros of the shape of what comes out of every stage."""
    return [jnp.zeros_like(a) for a in _forward(network, None, x, ends)]


def _forward(
    network: Network, added: list[Array] | None, x: Array, ends: tuple[int, ...]
) -> list[Array]:
    """Return what comes out of every stage, something being added there on the way."""
    found: list[Array] = []
    last = len(network.layers) - 1
    for position, layer in enumerate(network.layers):
        x = network.output.combine(x) if position == last else layer(x)
        if position in ends:
            x = x if added is None else x + added[len(found)]
            found.append(x)
    return found


@jitted(static_argnums=(4, 5, 6))
def _backward(
    network: Network,
    nothing: list[Array],
    x: Array,
    target: Array,
    ends: tuple[int, ...],
    loss: str,
    activation: str,
) -> tuple[Array, tuple[list[Array], PyTree]]:
    """Return the total loss, ∂L/∂a of every stage for each row, and the gradient of the mean."""
    parameters, others = partition(network)

    def total(added: list[Array], parameters: PyTree) -> Array:
        whole: Any = join(parameters, others)
        z = _forward(whole, added, x, ends)[-1]
        return jnp.sum(LOSSES[loss](z, target, activation))

    value, (errors, gradient) = jax.value_and_grad(total, (0, 1))(nothing, parameters)
    return value, (errors, jax.tree.map(lambda leaf: leaf / len(x), gradient))


def _with_activation(passages: Sequence[Passage]) -> Iterator[Passage]:
    """Yield the layers that have an activation function of each neuron's own."""
    for passage in passages:
        if passage.activation not in ("identity", "softmax"):
            yield passage
        yield from _with_activation(passage.inner)


def _slopes(passage: Passage) -> np.ndarray:
    """Return |f′(z)| by its steepest, one column a neuron, a line for each row and place."""
    slope = np.abs(slope_of(passage.activation, passage.z, passage.a))
    return slope.reshape(-1, slope.shape[-1]) / STEEPEST.get(passage.activation, 1.0)


def _length(tree: PyTree, stage: Stage) -> float | None:
    """Return the length of all weights (not biases) of a stage in a tree like a network's."""
    if tree is None:
        return None
    leaves = jax.tree.leaves(tree.layers[stage.first : stage.last + 1])
    squares = [
        float(np.square(np.asarray(leaf, np.float64)).sum()) for leaf in leaves if leaf.ndim > 1
    ]
    return float(np.sqrt(sum(squares))) if squares else None


def _findings(layers: list[LayerHealth], kinds: list[list[str]], n_rows: int) -> Iterator[Finding]:
    n_dead = 0
    for one, activations in zip(layers, kinds, strict=True):
        name = {"number": one.number, "layer": one.name}
        if one.n_dead:
            n_dead += one.n_dead
            fires = all(activation in RECTIFYING for activation in activations)
            yield find(
                "dead_units" if fires else "stuck_units", "warning", **name, n_dead=one.n_dead,
                n_units=one.n_neurons, n_rows=n_rows,
            )  # fmt: skip
        squashing = [kind for kind in activations if kind in SQUASHING]
        if squashing and one is not layers[-1] and one.share_saturated > MUCH_SATURATED:
            share = one.share_saturated
            yield find("saturated", "warning", **name, share=share, function=squashing[0])
    if not n_dead and any(one.n_neurons for one in layers):
        yield find("no_dead_units", "good", n_rows=n_rows)
    yield from _on_errors(layers[:-1])


def _on_errors(hidden: list[LayerHealth]) -> Iterator[Finding]:
    if len(hidden) < 2 or hidden[-1].error == 0:
        return
    last = hidden[-1].error
    worst = min(hidden, key=lambda one: one.error)
    largest = max(hidden, key=lambda one: one.error)
    for one, is_bad, code in (
        (worst, worst.error < VANISHING * last, "vanishing"),
        (largest, largest.error > EXPLODING * last, "exploding"),
    ):
        if is_bad:
            ratio = one.error / last
            yield find(code, "warning", number=one.number, layer=one.name, ratio=ratio)
            return
    yield find("steady_gradients", "good", ratio=hidden[0].error / last)


def _on_steps(layers: list[LayerHealth], recipe: Recipe | None) -> Iterator[Finding]:
    """Say whether steps suit the weights; what is too large at first may settle later."""
    ratios = [(one, one.update_ratio) for one in layers if one.update_ratio is not None]
    if not ratios:
        return
    comes_down = recipe is not None and recipe.schedule != "constant"
    bad = []
    for one, ratio in ratios:
        facts = {"number": one.number, "layer": one.name, "ratio": ratio}
        if ratio < SMALLEST_UPDATE:
            bad.append(find("updates_small", "warning", **facts))
        elif ratio > LARGEST_UPDATE:
            code = "updates_settle" if comes_down else "updates_large"
            bad.append(find(code, "note" if comes_down else "warning", **facts))
    yield from bad
    if not bad:
        every = [ratio for _, ratio in ratios]
        yield find("updates_sound", "good", low=min(every), high=max(every))
