"""The error surface of a network: its loss as a function of all its weights, on given data."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from fathom.errors import InputError
from fathom.nn.architecture import Architecture
from fathom.nn.layer import partition
from fathom.nn.losses import LOSSES, reduce_loss
from fathom.nn.network import Network
from fathom.nn.tree import join
from fathom.nn.xla import Array, PyTree, jax, jitted, jnp
from fathom.training.optimizers import make_optimizer
from fathom.training.plan import Examples
from fathom.training.recipe import OptimizerName


class Goal(NamedTuple):
    """What is minimized: everything of an architecture that the loss depends on."""

    loss: str
    activation: str
    reduction: str


class Landscape:
    """The error surface of a network on data.

    The loss is the one that is minimized: the mean (or total) over the examples, worked out as the
    trained network computes, so without dropout and with the running statistics of batch
    normalization.

    Parameters
    ----------
    network : Network
        The network; its own weights are the place all else is told from.
    architecture : Architecture
        Its description, which gives loss and reduction.
    x : array
        Examples, of the shape ``architecture.input_shape`` each.
    y : array
        Numbers of classes, shape (rows,), or target values, shape (rows, outputs).
    weight : array, optional
        Weight of each example, of mean 1; 1 each where left out.

    Raises
    ------
    InputError
        If examples and targets do not belong to the network or to each other.

    Examples
    --------
    >>> from fathom.inspection.example import hand_worked
    >>> network, architecture = hand_worked()
    >>> landscape = Landscape(network, architecture, [[1.0, -1.0]], [[1.0, 0.0]])
    >>> round(landscape.loss, 4), landscape.n_weights
    (0.4168, 18)
    """

    def __init__(
        self, network: Network, architecture: Architecture, x: Any, y: Any, weight: Any = None
    ) -> None:
        self.network, self.architecture = network, architecture
        self.goal = Goal(architecture.loss, architecture.output_activation, architecture.reduction)
        self.parameters, self.others = partition(network)
        flat, unpack = jax.flatten_util.ravel_pytree(self.parameters)
        self.weights: np.ndarray = np.asarray(flat)
        self._unpack: Callable[[Any], PyTree] = unpack
        self.examples = as_examples(architecture, x, y, weight, self.weights.dtype)
        self.loss = float(self.losses_at(self.weights[None])[0])

    @property
    def n_weights(self) -> int:
        """Number of all weights and biases: of the directions one could go."""
        return len(self.weights)

    @property
    def n_rows(self) -> int:
        """Number of examples."""
        return len(self.examples.weight)

    def at(self, weights: np.ndarray) -> Network:
        """Return the network with all its parameters given as one row."""
        parameters = self._unpack(jnp.asarray(weights, self.weights.dtype))
        network: Network = join(parameters, self.others)
        return network

    def losses_at(self, weights: np.ndarray) -> np.ndarray:
        """Return the loss at places, shape (places, parameters), as float64."""
        rows = jnp.asarray(weights, self.weights.dtype)
        return np.asarray(
            _losses_at(self.parameters, self.others, rows, self.examples, self.goal),
            np.float64,
        )

    def losses_on(self, directions: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Return the loss at the network's weights plus Σ stepᵢ directionᵢ.

        Parameters
        ----------
        directions : numpy.ndarray
            Shape (directions, parameters).
        steps : numpy.ndarray
            Shape (places, directions).

        Returns
        -------
        numpy.ndarray
            Shape (places,), float64; where all steps are 0 exactly the network's own loss.
        """
        ways, places = (jnp.asarray(a, self.weights.dtype) for a in (directions, steps))
        return np.asarray(
            _losses_on(self.parameters, self.others, ways, places, self.examples, self.goal),
            np.float64,
        )

    def gradient(self) -> np.ndarray:
        """Return the slope of the loss along every weight, shape (parameters,)."""
        return np.asarray(_gradient(self.parameters, self.others, self.examples, self.goal))

    def outputs_at(self, weights: np.ndarray, x: Any = None) -> np.ndarray:
        """Return the network's outputs at places, shape (places, rows, outputs).

        Parameters
        ----------
        weights : numpy.ndarray
            Shape (places, parameters).
        x : array, optional
            Examples; the landscape's own where left out.
        """
        rows = jnp.asarray(weights, self.weights.dtype)
        shown = self.examples.x if x is None else jnp.asarray(x, self.weights.dtype)
        return np.asarray(_outputs_at(self.parameters, self.others, rows, shown))

    def descend_along(
        self, position: int, start: float, learning_rate: float, n_steps: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Walk down along one weight, all others held: w ← w - η ∂L/∂w.

        Returns
        -------
        tuple of numpy.ndarray
            The weight, the loss and the slope at every step and the start, shape (n_steps + 1,).
        """
        dtype = self.weights.dtype
        walked = _walk_along(
            self.parameters, self.others, jnp.asarray(position), jnp.asarray(start, dtype),
            jnp.asarray(learning_rate, dtype), self.examples, self.goal, n_steps,
        )  # fmt: skip
        values, losses, slopes = (np.asarray(part, np.float64) for part in walked)
        return values, losses, slopes

    def walk_along(
        self,
        positions: Sequence[int],
        starts: np.ndarray,
        rates: np.ndarray,
        n_steps: int,
        optimizer: OptimizerName = "gradient_descent",
    ) -> tuple[np.ndarray, np.ndarray]:
        """Walk down along some weights, all others held, from several starts at once.

        Parameters
        ----------
        positions : sequence of int
            Which weights, by their places in the row of all.
        starts : numpy.ndarray
            Shape (walks, positions): the weights' values where each walk begins.
        rates : numpy.ndarray
            Shape (walks,): the learning rate of each.
        n_steps : int
            How many steps each takes.
        optimizer : str
            The rule of the steps; see `fathom.training.optimizers.make_optimizer`.

        Returns
        -------
        tuple of numpy.ndarray
            The weights, shape (walks, n_steps + 1, positions), and the losses, shape
            (walks, n_steps + 1), at the start and after every step.
        """
        dtype = self.weights.dtype
        walked = _race_along(
            self.parameters, self.others, jnp.asarray(list(positions)), jnp.asarray(starts, dtype),
            jnp.asarray(rates, dtype), self.examples, self.goal, optimizer, n_steps,
        )  # fmt: skip
        places, losses = (np.asarray(part, np.float64) for part in walked)
        return places, losses


def as_examples(
    architecture: Architecture, x: Any, y: Any, weight: Any = None, dtype: Any = np.float32
) -> Examples:
    """Return examples and targets as arrays on the device, or refuse what does not fit.

    Parameters
    ----------
    architecture : Architecture
        The network they are for.
    x, y, weight : array
        As for `Landscape`.
    dtype : numpy.dtype
        The type of the network's parameters.
    """
    rows = np.asarray(x, dtype)
    if rows.shape[1:] != architecture.input_shape or not len(rows):
        raise InputError(
            f"examples of shape {architecture.input_shape}, one at least", got=f"{rows.shape}"
        )
    target, n_outputs = np.asarray(y), architecture.n_outputs
    if target.ndim == 1 and target.dtype.kind in "iub" and architecture.loss == "cross_entropy":
        if target.min(initial=0) < 0 or target.max(initial=0) >= n_outputs:
            raise InputError(f"classes from 0 to {n_outputs - 1}", got=f"{target[:8].tolist()}")
        target = target.astype(np.int32)
    else:
        target = target.astype(dtype).reshape(len(target), -1)
        if target.shape[1] != n_outputs or not np.isfinite(target).all():
            raise InputError(
                f"{n_outputs} finite targets for each example", got=f"shape {np.shape(y)}"
            )
    if len(target) != len(rows):
        raise InputError(f"a target for each of {len(rows)} examples", got=f"{len(target)}")
    weights = np.ones(len(rows), dtype) if weight is None else np.asarray(weight, dtype)
    return Examples(jnp.asarray(rows), jnp.asarray(target), jnp.asarray(weights))


def _loss(network: Network, examples: Examples, goal: Goal) -> Float[Array, ""]:
    x, y = examples.x, examples.y
    assert not isinstance(x, tuple)
    z = network.combine(x)
    target = y if y.ndim == 2 else jax.nn.one_hot(y, z.shape[1], dtype=z.dtype)
    values = LOSSES[goal.loss](z, target, goal.activation)
    return reduce_loss(values, examples.weight, goal.reduction)


def _packed_loss(
    parameters: PyTree, others: PyTree, examples: Examples, goal: Goal
) -> tuple[Float[Array, " weights"], Callable[[Float[Array, " weights"]], Float[Array, ""]]]:
    """Return the row of all parameters, and the loss as a function of it."""
    flat, unpack = jax.flatten_util.ravel_pytree(parameters)
    return flat, lambda row: _loss(join(unpack(row), others), examples, goal)


@jitted(static_argnums=(4,))
def _losses_at(
    parameters: PyTree,
    others: PyTree,
    rows: Float[Array, "places weights"],
    examples: Examples,
    goal: Goal,
) -> Float[Array, " places"]:
    _, loss = _packed_loss(parameters, others, examples, goal)
    return jax.lax.map(loss, rows)


@jitted(static_argnums=(5,))
def _losses_on(
    parameters: PyTree,
    others: PyTree,
    directions: Float[Array, "directions weights"],
    steps: Float[Array, "places directions"],
    examples: Examples,
    goal: Goal,
) -> Float[Array, " places"]:
    flat, loss = _packed_loss(parameters, others, examples, goal)
    return jax.lax.map(lambda step: loss(flat + step @ directions), steps)


@jitted(static_argnums=(3,))
def _gradient(
    parameters: PyTree, others: PyTree, examples: Examples, goal: Goal
) -> Float[Array, " weights"]:
    flat, loss = _packed_loss(parameters, others, examples, goal)
    return jax.grad(loss)(flat)


@jitted()
def _outputs_at(
    parameters: PyTree,
    others: PyTree,
    rows: Float[Array, "places weights"],
    x: Any,
) -> Float[Array, "places rows out"]:
    _, unpack = jax.flatten_util.ravel_pytree(parameters)
    return jax.lax.map(lambda row: join(unpack(row), others)(x), rows)


@jitted(static_argnums=(6, 7))
def _walk_along(
    parameters: PyTree,
    others: PyTree,
    position: Any,
    start: Float[Array, ""],
    learning_rate: Float[Array, ""],
    examples: Examples,
    goal: Goal,
    n_steps: int,
) -> tuple[Float[Array, " steps"], Float[Array, " steps"], Float[Array, " steps"]]:
    flat, loss = _packed_loss(parameters, others, examples, goal)
    slope = jax.value_and_grad(lambda value: loss(flat.at[position].set(value)))

    def step(value: Float[Array, ""], _: None) -> tuple[Float[Array, ""], Any]:
        height, steepness = slope(value)
        return value - learning_rate * steepness, (value, height, steepness)

    _, walked = jax.lax.scan(step, start, length=n_steps + 1)
    return walked


@jitted(static_argnums=(6, 7, 8))
def _race_along(
    parameters: PyTree,
    others: PyTree,
    positions: Any,
    starts: Float[Array, "walks positions"],
    rates: Float[Array, " walks"],
    examples: Examples,
    goal: Goal,
    optimizer: str,
    n_steps: int,
) -> tuple[Float[Array, "walks steps positions"], Float[Array, "walks steps"]]:
    flat, loss = _packed_loss(parameters, others, examples, goal)
    slope = jax.value_and_grad(lambda place: loss(flat.at[positions].set(place)))
    rule = make_optimizer(optimizer)

    def walk(start: Float[Array, " positions"], rate: Float[Array, ""]) -> Any:
        def step(carried: Any, _: None) -> Any:
            place, state = carried
            height, steepness = slope(place)
            with jax.numpy_dtype_promotion("standard"):  # optax mixes the types of its counters
                direction, state = rule.update(steepness, state, place)
            return (place - rate * direction, state), (place, height)

        return jax.lax.scan(step, (start, rule.init(start)), length=n_steps + 1)[1]

    return jax.vmap(walk)(starts, rates)
