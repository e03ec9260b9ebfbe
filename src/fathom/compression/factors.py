"""Low rank: a wide dense layer as two narrow ones, where the batch leaves it no more than that."""

from dataclasses import dataclass

import numpy as np

from fathom.compression.sites import Check, Described, inputs_of, nothing
from fathom.nn.dense import Dense, DenseLayer
from fathom.nn.network import Network
from fathom.nn.xla import jnp

RIDGE = 1e-6  # of the inputs' mean square, so that what a batch leaves open counts a little


@dataclass(frozen=True)
class Spectrum:
    """What a dense layer loses with each rank.

    Attributes
    ----------
    place : int
        Which layer of the network.
    errors : numpy.ndarray
        Mean squared error of the layer's sums at rank 0, 1, ..., as a share of their mean square.
    pays_below : int
        Ranks below this make two layers of fewer weights than the one.
    """

    place: int
    errors: np.ndarray
    pays_below: int

    def rank_within(self, error: float) -> int | None:
        """Return the least rank at an error of at most so much; None where it does not pay."""
        rank = max(int(np.argmax(self.errors <= error)), 1)
        return rank if rank < self.pays_below else None


def find_spectra(network: Network, x: np.ndarray, check: Check = nothing) -> tuple[Spectrum, ...]:
    """Say of every hidden dense layer what it would lose with fewer ranks, on a batch."""
    places = [n for n, one in enumerate(network.layers[:-1]) if isinstance(one, DenseLayer)]
    seen = inputs_of(network, [(place,) for place in places], x, check)
    found = []
    for place in places:
        check()
        layer = network.layers[place]
        assert isinstance(layer, DenseLayer)
        n_out, n_in = layer.weight.shape
        values = _decompose(layer, seen[(place,)])[1] ** 2
        left = np.append(np.cumsum(values[::-1])[::-1], 0.0)
        errors = left / (left[0] or 1.0)
        found.append(Spectrum(place, errors, n_out * n_in // (n_out + n_in)))
    return tuple(found)


def factorize(described: Described, x: np.ndarray, ranks: dict[int, int]) -> Described:
    """Put two dense layers in the place of one: W ≈ U V with few rows of V.

    Of all products of that rank it is the one whose sums are closest to the layer's on the batch,
    by the singular values of W C with C Cᵀ the second moments of its inputs.

    Parameters
    ----------
    described : Described
        The network.
    x : numpy.ndarray
        A batch of examples as the network takes them.
    ranks : dict of int to int
        For the place of a dense layer the rank it is brought to.

    Returns
    -------
    Described
        A network in which each such layer is two: V without an activation function, then U.
    """
    seen = inputs_of(described.network, [(place,) for place in ranks], x)
    layers, descriptions = [], []
    pairs = zip(described.network.layers, described.architecture.layers, strict=True)
    for place, (layer, description) in enumerate(pairs):
        if place not in ranks:
            layers.append(layer)
            descriptions.append(description)
            continue
        assert isinstance(layer, DenseLayer)
        rank = ranks[place]
        left, values, right = _decompose(layer, seen[(place,)])
        inner = jnp.asarray(right[:rank], jnp.float32)
        outer = jnp.asarray(left[:, :rank] * values[:rank], jnp.float32)
        layers += [
            DenseLayer(inner, None, "identity"), DenseLayer(outer, layer.bias, layer.activation)
        ]  # fmt: skip
        descriptions += [Dense(units=rank, activation="identity", has_bias=False), description]
    architecture = described.architecture.model_copy(update={"layers": tuple(descriptions)})
    return Described(architecture, Network(tuple(layers)))


def _decompose(layer: DenseLayer, h: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return U, s and V of W = U s V, in the order of what they add to the layer's sums."""
    h = h.astype(np.float64)
    moments = h.T @ h / len(h)
    moments += RIDGE * (np.trace(moments) / len(moments) or 1.0) * np.eye(len(moments))
    root = np.linalg.cholesky(moments)
    left, values, right = np.linalg.svd(
        np.asarray(layer.weight, np.float64) @ root, full_matrices=False
    )
    return left, values, np.linalg.solve(root.T, right.T).T
