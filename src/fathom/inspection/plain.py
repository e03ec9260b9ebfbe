"""Dense layers traced by NumPy alone: the same numbers as by `trace`, and no engine to wait for.

`fathom.inspection.trace.trace` computes whatever a network is made of, with the layers' own
equations; this one knows dense layers and gradient descent, is there at once, and is tested against
the other.
"""

from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from fathom.inspection.goal import output_errors, targets_of
from fathom.inspection.layers import LayerTrace, ParameterTrace, Update
from fathom.inspection.slopes import SELU_DEPTH, SELU_SCALE, sigmoid, slope_of
from fathom.inspection.traced import Trace
from fathom.nn.named import ActivationName, LossName


class PlainLayer(NamedTuple):
    """A dense layer as plain numbers: rows of weights are neurons."""

    weights: np.ndarray
    biases: np.ndarray
    activation: ActivationName


def trace_dense(
    layers: Sequence[PlainLayer], x: Any, y: Any, *, loss: LossName, learning_rate: float
) -> Trace:
    """Compute a batch forward and backward through dense layers, and keep every number.

    Forward, z = W x + b and a = f(z); backward, δ = ∂L/∂a ⊙ f′(z), ∂L/∂W = δᵀ x, ∂L/∂b = Σ δ and
    ∂L/∂x = δ W, summed over the batch; the losses of a batch are joined by their mean.

    Parameters
    ----------
    layers : sequence of PlainLayer
        The layers, which fit together.
    x, y : array
        Examples and what the outputs should be, as for `fathom.inspection.trace.trace`.
    loss : str
        The loss, by the name an `Architecture` gives it.
    learning_rate : float
        The step size η of gradient descent, above 0.

    Returns
    -------
    Trace
        What `fathom.inspection.trace.trace` returns of the same network.

    Raises
    ------
    InputError
        If the targets do not belong to the examples, or the loss not to the output layer.

    Examples
    --------
    >>> identity = PlainLayer(np.eye(2), np.array([0.0, 1.0]), "sigmoid")
    >>> traced = trace_dense(
    ...     [identity], [[4.0, -2.0]], [[1.0, 0.0]], loss="squared_error", learning_rate=0.5
    ... )
    >>> traced.output.round(2)
    array([[0.98, 0.27]])
    """
    rows = np.asarray(x, np.float64)
    last = layers[-1]
    target = targets_of(y, (len(rows), len(last.biases)), last.activation, loss)
    with np.errstate(all="ignore"):  # weights may be drawn to where numbers end
        passed = _forward(layers, rows)
        losses = _losses(passed[-1][1], passed[-1][2], target, loss)
        described = _backward(layers, passed, target, loss, learning_rate)
        gradients = [p.gradient for layer in described for p in layer.parameters]
        norm = np.sqrt(sum(np.sum(g**2) for g in gradients if g is not None))
    update = Update(learning_rate=learning_rate, gradient_norm=float(norm))
    return Trace(
        x=rows, layers=described, loss_name=loss, target=target, losses=losses,
        loss=float(losses.mean()), update=update,
    )  # fmt: skip


def _forward(layers: Sequence[PlainLayer], x: np.ndarray) -> list[tuple[np.ndarray, ...]]:
    """Return what comes in, z and a of each layer."""
    passed: list[tuple[np.ndarray, ...]] = []
    for layer in layers:
        z = x @ layer.weights.T + layer.biases
        a = FUNCTIONS[layer.activation](z)
        passed.append((x, z, a))
        x = a
    return passed


def _backward(
    layers: Sequence[PlainLayer], passed: list[tuple[np.ndarray, ...]], target: np.ndarray,
    loss: LossName, learning_rate: float,
) -> tuple[LayerTrace, ...]:  # fmt: skip
    """Return every layer with what flows back through it."""
    described: list[LayerTrace] = []
    upstream = np.empty(0)
    for number in range(len(layers), 0, -1):
        layer, (x, z, a) = layers[number - 1], passed[number - 1]
        if number == len(layers):
            delta = output_errors(z, a, layer.activation, target, loss, 1 / len(x))
        else:
            delta = upstream * slope_of(layer.activation, z, a)
        upstream = delta @ layer.weights
        gradients = {"weight": delta.T @ x, "bias": delta.sum(axis=0)}
        values = {"weight": layer.weights, "bias": layer.biases}
        described.append(
            LayerTrace(
                name="output" if number == len(layers) else f"layer{number}", kind="dense",
                source="input" if number == 1 else f"layer{number - 1}",
                activation=layer.activation,
                x=x, z=z, a=a, delta=delta, x_gradient=upstream,
                parameters=tuple(
                    ParameterTrace(
                        name=name, value=value, gradient=gradients[name],
                        direction=gradients[name], new=value - learning_rate * gradients[name],
                    )
                    for name, value in values.items()
                ),
            )
        )  # fmt: skip
    return tuple(reversed(described))


def _losses(z: np.ndarray, a: np.ndarray, target: np.ndarray, loss: LossName) -> np.ndarray:
    """Return the loss of each example, of cross entropies by the sums, which cannot overflow."""
    if loss == "squared_error":
        return 0.5 * np.sum((a - target) ** 2, axis=1)
    if loss == "binary_cross_entropy":
        return np.sum(np.logaddexp(z, 0) - target * z, axis=1)
    shifted = z - z.max(axis=1, keepdims=True)
    logarithms = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -np.sum(target * logarithms, axis=1)


def _elu(z: np.ndarray) -> np.ndarray:
    return np.where(z > 0, z, np.expm1(np.minimum(z, 0)))


def _selu(z: np.ndarray) -> np.ndarray:
    return SELU_SCALE * np.where(z > 0, z, SELU_DEPTH * np.expm1(np.minimum(z, 0)))


def _gelu(z: np.ndarray) -> np.ndarray:
    from scipy.special import erfc  # the one function here that NumPy has not

    return 0.5 * z * erfc(-z * np.sqrt(0.5))


def _softmax(z: np.ndarray) -> np.ndarray:
    powers = np.exp(z - z.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


FUNCTIONS: MappingProxyType[str, Callable[[np.ndarray], np.ndarray]] = MappingProxyType(
    {
        "identity": lambda z: z,
        "sigmoid": sigmoid,
        "tanh": np.tanh,
        "relu": lambda z: np.maximum(z, 0),
        "leaky_relu": lambda z: np.where(z >= 0, z, 0.01 * z),
        "elu": _elu,
        "selu": _selu,
        "gelu": _gelu,
        "silu": lambda z: z * sigmoid(z),
        "mish": lambda z: z * np.tanh(np.logaddexp(z, 0)),
        "softplus": lambda z: np.logaddexp(z, 0),
        "softmax": _softmax,
    }
)
"""Every activation function by name, in float64."""
