"""What the network page asks of the engine: the loss along a weight, weights anew, a page."""

from collections.abc import Sequence

import numpy as np

from fathom.errors import InputError
from fathom.inspection.curve import loss_along
from fathom.inspection.landscape import Landscape
from fathom.inspection.report.unfolded import write_network
from fathom.nn.architecture import Architecture
from fathom.nn.dense import Dense, DenseLayer
from fathom.nn.named import REQUIRED_ACTIVATIONS
from fathom.nn.network import Network, draw
from fathom.nn.xla import jax, jnp
from fathom.studio.messages import (
    Ask,
    Example,
    LayerState,
    NetworkAnswer,
    NetworkPage,
    NetworkState,
    PageWish,
    Reshape,
    ShownLoss,
    Slope,
)
from fathom.studio.networks import answer, check_shapes, trace_state

CURVE_POINTS = 81


def _built(state: NetworkState) -> Network:
    """Return the network itself, in float64."""
    check_shapes(state)
    with jax.enable_x64(True):
        layers = tuple(
            DenseLayer(
                jnp.asarray(np.array(layer.weights)), jnp.asarray(np.array(layer.biases)),
                layer.activation,
            )
            for layer in state.layers
        )  # fmt: skip
    return Network(layers)


def landscape_of(state: NetworkState) -> Landscape:
    """Return the error surface of a network on its examples, in float64.

    What is worked out of it belongs within ``jax.enable_x64``.
    """
    network, first = _built(state), state.examples[0]
    described = Architecture(
        input_shape=(len(first.x),), loss=state.loss,
        layers=tuple(
            Dense(units=len(layer.biases), activation=layer.activation) for layer in state.layers
        ),
    )  # fmt: skip
    with jax.enable_x64(True):
        return Landscape(
            network, described, np.array([one.x for one in state.examples]),
            np.array([one.target for one in state.examples]),
        )  # fmt: skip


def look_along(asked: Ask) -> Slope:
    """Return the loss along one weight or bias, and the steps downhill along it alone.

    Examples
    --------
    >>> from fathom.studio.networks import example
    >>> found = look_along(Ask(state=example("hand_worked"), name="output.neuron2.bias"))
    >>> round(found.loss, 4), round(found.slope, 4)
    (0.4168, 0.1175)
    """
    state = asked.state
    landscape = landscape_of(state)
    with jax.enable_x64(True):
        found = loss_along(
            landscape, asked.name, learning_rate=state.learning_rate, n_points=CURVE_POINTS
        )
    is_near = np.isfinite(found.steps) & np.isfinite(found.step_losses)
    return Slope(
        weight=found.weight, value=found.value, loss=found.loss, slope=found.slope,
        values=found.values.tolist(),
        losses=[one if np.isfinite(one) else None for one in found.losses.tolist()],
        steps=found.steps[is_near].tolist(), step_losses=found.step_losses[is_near].tolist(),
    )  # fmt: skip


def reshape(asked: Reshape) -> NetworkAnswer:
    """Give a network another shape: weights that are in both are kept, others drawn.

    The loss asked for is taken where it is defined for the output layer, else the one that suits.
    """
    if len(asked.activations) != len(asked.units):
        raise InputError(
            f"an activation function for each of {len(asked.units)} layers",
            got=f"{len(asked.activations)}",
        )
    loss = fitting_loss(asked.activations[-1], asked.loss, asked.units[-1])
    described = Architecture(
        input_shape=(asked.n_inputs,),
        layers=tuple(
            Dense(units=units, activation=activation)
            for units, activation in zip(asked.units, asked.activations, strict=True)
        ),
        loss=loss,
    )
    before = () if asked.draws_all else asked.state.layers
    layers = _kept_or_drawn(described, before, asked.seed)
    examples = tuple(
        Example(x=_resized(shown.x, asked.n_inputs), target=_resized(shown.target, asked.units[-1]))
        for shown in asked.state.examples
    )
    state = asked.state.model_copy(update={"layers": layers, "examples": examples, "loss": loss})
    return answer(state)


def _kept_or_drawn(
    described: Architecture, before: Sequence[LayerState], seed: int
) -> tuple[LayerState, ...]:
    """Return layers of a description: what was there before in its place, the others drawn."""
    layers = []
    drawn = draw(described, jax.random.key(seed))
    for place, (one, layer) in enumerate(zip(described.layers, drawn.layers, strict=True)):
        assert isinstance(one, Dense)
        assert isinstance(layer, DenseLayer)
        weights = np.asarray(layer.weight, np.float64).round(2)
        biases = np.zeros(len(weights))
        if place < len(before):
            old = np.array(before[place].weights)
            n_out, n_in = (min(pair) for pair in zip(old.shape, weights.shape, strict=True))
            weights[:n_out, :n_in] = old[:n_out, :n_in]
            biases[:n_out] = before[place].biases[:n_out]
        layers.append(
            LayerState(activation=one.activation, weights=weights.tolist(), biases=biases.tolist())
        )
    return tuple(layers)


def _resized(values: tuple[float, ...], n: int) -> tuple[float, ...]:
    return (*values[:n], *(0.0 for _ in range(n - len(values))))


def fitting_loss(activation: str, wanted: ShownLoss, n_outputs: int) -> ShownLoss:
    """Return the loss wanted, or one that an output layer of this kind has.

    Examples
    --------
    >>> fitting_loss("softmax", "binary_cross_entropy", 3)
    'cross_entropy'
    >>> fitting_loss("tanh", "cross_entropy", 3)
    'squared_error'
    """
    is_defined = REQUIRED_ACTIVATIONS.get(wanted, activation) == activation
    if activation == "softmax" and n_outputs >= 2:
        return wanted if wanted == "cross_entropy" or wanted == "squared_error" else "cross_entropy"
    return wanted if is_defined and wanted != "cross_entropy" else "squared_error"


def unfold(asked: PageWish) -> NetworkPage:
    """Return a network as a page of its own, with the formula of every number."""
    state = asked.state
    return NetworkPage(html=write_network(trace_state(state), state.row, asked.language))
