"""Directions among all weights: random ones of fair length, and the plane a path lies in."""

from dataclasses import dataclass

import numpy as np

from fathom.nn.layer import partition
from fathom.nn.network import Network
from fathom.nn.xla import jax


@dataclass(frozen=True)
class WeightPath:
    """All weights of a network at chosen steps of its descent.

    Attributes
    ----------
    steps : numpy.ndarray
        Numbers of the steps, ascending; 0 is the start.
    weights : numpy.ndarray
        Shape (steps, parameters): all parameters as one row.
    """

    steps: np.ndarray
    weights: np.ndarray

    def __len__(self) -> int:
        return len(self.steps)


def filter_normalized(network: Network, seed: int = 0, n: int = 2) -> np.ndarray:
    """Draw random directions in which every neuron's part is as long as the neuron's weights.

    d ← d ‖w‖ / ‖d‖ for each neuron (or filter of a convolution), so that a network whose weights
    are large is not shown flatter than one that computes the same with small ones. Parameters that
    are one number a neuron, such as biases, stay where they are.

    Parameters
    ----------
    network : Network
        The network.
    seed : int
        Which directions.
    n : int
        How many.

    Returns
    -------
    numpy.ndarray
        Shape (n, parameters), float64.

    Examples
    --------
    >>> from fathom.inspection.example import hand_worked
    >>> directions = filter_normalized(hand_worked()[0])
    >>> np.linalg.norm(directions[:, :2], axis=1).round(4)  # the first neuron is (1, -2)
    array([2.2361, 2.2361])

    References
    ----------
    Li, Xu, Taylor, Studer, Goldstein (2018). Visualizing the loss landscape of neural nets.
    arXiv:1712.09913.
    """
    rng = np.random.default_rng(seed)
    leaves, _ = jax.tree_util.tree_flatten_with_path(partition(network)[0])
    directions = []
    for _ in range(n):
        parts = []
        for path, leaf in leaves:
            weights = np.asarray(leaf, np.float64)
            is_kernel = getattr(path[-1], "name", "") == "kernel"
            parts.append(_normalized(rng.standard_normal(weights.shape), weights, is_kernel))
        directions.append(np.concatenate([part.reshape(-1) for part in parts]))
    return np.stack(directions)


def _normalized(drawn: np.ndarray, weights: np.ndarray, is_kernel: bool) -> np.ndarray:
    """Give a random direction the length of the weights, neuron by neuron."""
    if weights.ndim < 2:
        return np.zeros_like(weights)
    neuron = weights.ndim - 1 if is_kernel else 0  # the axis that counts neurons
    axes = tuple(axis for axis in range(weights.ndim) if axis != neuron)
    wanted = np.sqrt(np.sum(weights**2, axis=axes, keepdims=True))
    return drawn * wanted / np.sqrt(np.sum(drawn**2, axis=axes, keepdims=True))


def plane_of(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the two principal directions of a path, and how much of it lies along each.

    The singular value decomposition of the weights about their mean, W - w̄ = U S Vᵀ: the first
    two rows of Vᵀ, of length 1 and at right angles; the start of the path on their negative side.

    Parameters
    ----------
    weights : numpy.ndarray
        Shape (steps, parameters); steps that are not finite do not count.

    Returns
    -------
    tuple of numpy.ndarray
        Directions, shape (2, parameters), and shares of the variance, shape (2,).
    """
    finite = weights[np.isfinite(weights).all(axis=1)].astype(np.float64)
    spread = finite - finite.mean(axis=0)
    _, sizes, rows = np.linalg.svd(spread, full_matrices=False)
    directions = np.zeros((2, weights.shape[1]))
    n = min(2, len(rows))
    directions[:n] = rows[:n]
    _complete(directions, sizes)
    start = (finite[0] - finite[-1]) @ directions.T
    directions[start > 0] *= -1
    total = float(np.sum(sizes**2)) or 1.0
    shares = np.zeros(2)
    shares[:n] = sizes[:n] ** 2 / total
    return directions, shares


def _complete(directions: np.ndarray, sizes: np.ndarray) -> None:
    """Put any direction at right angles where the path has none left."""
    for number in range(2):
        if number < len(sizes) and sizes[number] > 1e-12 * (sizes[0] or 1.0) and sizes[0] > 0:
            continue
        for place in range(directions.shape[1]):
            candidate = np.zeros(directions.shape[1])
            candidate[place] = 1
            candidate -= directions[:number].T @ (directions[:number] @ candidate)
            if np.linalg.norm(candidate) > 0.5:
                directions[number] = candidate / np.linalg.norm(candidate)
                break
