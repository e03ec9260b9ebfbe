"""The goal of a trace: what the outputs should be, and the node errors of the output layer."""

from typing import Any

import numpy as np

from fathom.errors import InputError
from fathom.inspection.slopes import slope_of, through_softmax
from fathom.nn.named import REQUIRED_ACTIVATIONS, LossName


def targets_of(
    y: Any, shape: tuple[int, int], activation: str, loss: LossName, smoothing: float = 0.0
) -> np.ndarray:
    """Return what the outputs should be, smoothed where they are probabilities.

    Parameters
    ----------
    y : array
        Numbers of classes, shape (batch,), or rows (batch, outputs).
    shape : tuple of int
        Number of examples, and of outputs.
    activation, loss : str
        The output layer's activation function, and the loss.
    smoothing : float, default 0
        The share that is spread evenly.

    Raises
    ------
    InputError
        If the loss is not defined for the layer, or the targets do not belong to the examples.
    """
    needed = REQUIRED_ACTIVATIONS.get(loss)
    if needed is not None and activation != needed:
        raise InputError(f"a {needed} output for the loss {loss}", got=activation)
    values, (n_rows, n_outputs) = np.asarray(y), shape
    if values.ndim == 1 and values.dtype.kind in "iub" and n_outputs > 1:
        if values.min(initial=0) < 0 or values.max(initial=0) >= n_outputs:
            raise InputError(f"classes from 0 to {n_outputs - 1}", got=f"{values[:8].tolist()}")
        target = np.eye(n_outputs)[values.astype(int)]
    else:
        target = values.astype(np.float64).reshape(len(values), -1)
    if target.shape != (n_rows, n_outputs) or not np.isfinite(target).all():
        raise InputError(
            f"{n_outputs} finite targets for each of {n_rows} examples",
            got=f"shape {values.shape}",
        )
    if loss == "squared_error":
        return target
    evenly = 1 / 2 if loss == "binary_cross_entropy" else 1 / n_outputs
    return (1 - smoothing) * target + smoothing * evenly


def output_errors(
    z: np.ndarray, a: np.ndarray, activation: str, target: np.ndarray, loss: str, share: float
) -> np.ndarray:
    """Return the node errors of the output layer, ∂L/∂z.

    ==================== ==========================================
    cross_entropy        a_k Σ_j y_j - y_k, which is a_k - y_k
    binary_cross_entropy a_k - y_k
    squared_error        (a_k - y_k) f′(z_k)
    ==================== ==========================================

    Parameters
    ----------
    z, a : numpy.ndarray
        Sums and activations of the output layer.
    activation : str
        Name of its activation function f.
    target : numpy.ndarray
        What the outputs should be, shape (batch, outputs).
    loss : str
        Name of the loss.
    share : float
        What one example counts for: 1 / batch for a mean.
    """
    if loss == "cross_entropy":
        return share * (a * target.sum(axis=1, keepdims=True) - target)
    if loss == "binary_cross_entropy":
        return share * (a - target)
    if activation == "softmax":
        return share * through_softmax(a, a - target)
    return share * (a - target) * slope_of(activation, z, a)
