"""Pruning of whole neurons: a network that is really smaller, its next layer fitted anew."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fathom.compression.sites import (
    Check,
    Described,
    Place,
    Site,
    count_neurons,
    features_of,
    find_sites,
    inputs_of,
    layer_at,
    nothing,
    shape_weight,
    weight_of,
)
from fathom.nn.architecture import Architecture, Layer
from fathom.nn.blocks import Residual, ResidualLayer
from fathom.nn.convolution import Conv2D, Conv2DLayer
from fathom.nn.dense import Dense, DenseLayer
from fathom.nn.embedding import GainLayer
from fathom.nn.layer import AbstractLayer, Statistic
from fathom.nn.network import Network
from fathom.nn.normalization import BatchNormLayer
from fathom.nn.tree import changed, transform
from fathom.nn.xla import Array, jnp

RIDGE = 1e-6  # of the features' mean square, so that what a batch leaves open stays as it was
FEWEST = 2  # neurons a layer keeps


@dataclass(frozen=True)
class Order:
    """In which order a site's neurons can go, and what that costs.

    Attributes
    ----------
    site : Site
        Where they are.
    neurons : numpy.ndarray
        Their numbers, the one that is missed least first.
    errors : numpy.ndarray
        Mean squared error of the next layer's sums once this one and all before it are gone and
        the others' weights fitted anew, as a share of the sums' variance.
    """

    site: Site
    neurons: np.ndarray
    errors: np.ndarray

    def keep_within(self, error: float) -> int:
        """Return how few neurons can be kept at an error of at most so much."""
        n_gone = int(np.searchsorted(self.errors, error, side="right"))
        return max(len(self.neurons) - n_gone, min(FEWEST, len(self.neurons)))


def order_neurons(network: Network, x: np.ndarray, check: Check = nothing) -> tuple[Order, ...]:
    """Say of every site in which order its neurons are best left out.

    With H the inverse of the second moments of what the next layer sums over, leaving out neuron g
    costs tr(W_g (H_gg)⁻¹ W_gᵀ) once all other weights have moved to make up for it. The cheapest
    goes, H and W follow, and so on: an optimal brain surgeon for neurons.

    Parameters
    ----------
    network : Network
        The network.
    x : numpy.ndarray
        A batch of examples as the network takes them.
    check : callable
        Called for every neuron; what it raises ends the work.

    Returns
    -------
    tuple of Order
        One for each site, from the input to the output.

    References
    ----------
    Hassibi, Stork (1993). Second order derivatives for network pruning: optimal brain surgeon.
    NeurIPS.
    """
    sites = find_sites(network)
    seen = inputs_of(network, [site.consumer for site in sites], x, check)
    return tuple(_order(network, site, seen[site.consumer], check) for site in sites)


def _order(network: Network, site: Site, h: np.ndarray, check: Check) -> Order:
    check()
    consumer = layer_at(network, site.consumer)
    n = count_neurons(layer_at(network, site.producer))
    features = features_of(consumer, h, n).astype(np.float64)
    weight = weight_of(consumer, n)
    n_rows, _, size = features.shape
    center = features.mean(axis=0) if _takes_constant(network, site.consumer) else 0.0
    flat = (features - center).reshape(n_rows, -1)
    moments = flat.T @ flat / n_rows
    check()
    scale = np.trace(moments) / len(moments) or 1.0
    whole = weight.reshape(len(weight), -1)
    variance = float(np.einsum("oi,ij,oj->", whole, moments, whole)) or 1.0
    inverse = np.linalg.inv(moments + RIDGE * scale * np.eye(len(moments)))
    neurons, costs = _eliminate(whole.copy(), inverse, n, size, check)
    return Order(site, neurons, np.maximum.accumulate(np.cumsum(costs) / variance))


def _eliminate(
    weight: np.ndarray, inverse: np.ndarray, n: int, size: int, check: Check
) -> tuple[np.ndarray, np.ndarray]:
    """Leave out one neuron after another; return their order and what each costs."""
    left = np.arange(n)
    order, costs = [], []
    while len(left):
        check()
        blocks = inverse.reshape(len(left), size, len(left), size)
        own = blocks[np.arange(len(left)), :, np.arange(len(left)), :]  # (neurons, size, size)
        parts = weight.reshape(len(weight), len(left), size)
        solved = np.linalg.solve(own, parts.transpose(1, 2, 0))
        cost = np.einsum("ons,nso->n", parts, solved)
        at = int(cost.argmin())
        order.append(left[at])
        costs.append(max(float(cost[at]), 0.0))
        gone = slice(at * size, (at + 1) * size)
        lines = np.linalg.solve(own[at], inverse[gone])  # (size, all)
        weight = np.delete(weight - weight[:, gone] @ lines, np.r_[gone], axis=1)
        inverse = inverse - inverse[:, gone] @ lines
        inverse = np.delete(np.delete(inverse, np.r_[gone], axis=0), np.r_[gone], axis=1)
        left = np.delete(left, at)
    return np.asarray(order), np.asarray(costs)


def prune_neurons(
    described: Described,
    x: np.ndarray,
    keep: Mapping[Place, np.ndarray],
    check: Check = nothing,
) -> Described:
    """Leave out neurons, and fit the layers behind them anew by least squares.

    What is fitted is what is missing: the next layer's sums in the network as it was, less what
    the kept weights make of the kept neurons. Where nothing is missing, no weight changes.

    Parameters
    ----------
    described : Described
        The network.
    x : numpy.ndarray
        A batch of examples as the network takes them.
    keep : mapping of place to numpy.ndarray
        For layers of `find_sites` the numbers of the neurons to keep.
    check : callable
        Called for every layer and batch; what it raises ends the work.

    Returns
    -------
    Described
        The smaller network: rows and columns of its weights are gone.
    """
    network, before = described.network, described.network
    for site in find_sites(before):
        if site.producer not in keep:
            continue
        kept = np.sort(np.asarray(keep[site.producer]))
        n = count_neurons(layer_at(before, site.producer))
        if len(kept) == n:
            continue
        network = _prune_site(before, network, site, kept, x, check)
    architecture = _describe(described.architecture, network)
    return Described(architecture, network)


def _prune_site(
    before: Network,
    network: Network,
    site: Site,
    kept: np.ndarray,
    x: np.ndarray,
    check: Check,
) -> Network:
    old = layer_at(before, site.consumer)
    n = count_neurons(layer_at(before, site.producer))
    wanted = features_of(old, inputs_of(before, [site.consumer], x, check)[site.consumer], n)
    network = _cut_producer(network, site, kept)
    consumer = layer_at(network, site.consumer)
    cut = weight_of(consumer, n)[:, kept]
    seen = inputs_of(
        _with_layer(network, site.consumer, _reshaped(consumer, cut)), [site.consumer], x, check
    )[site.consumer]
    features = features_of(consumer, seen, len(kept)).reshape(len(wanted), -1).astype(np.float64)
    flat = cut.reshape(len(cut), -1)
    target = wanted.reshape(len(wanted), -1).astype(np.float64)
    missing = target @ weight_of(old, n).reshape(len(flat), -1).T - features @ flat.T
    missing += _bias(old) - _bias(consumer)
    has_constant = _takes_constant(network, site.consumer)
    middle = features.mean(axis=0) if has_constant else np.zeros(features.shape[1])
    shift = missing.mean(axis=0) if has_constant else np.zeros(missing.shape[1])
    features, missing = features - middle, missing - shift
    moments = features.T @ features
    scale = np.trace(moments) / len(moments) or 1.0
    moments += RIDGE * scale * np.eye(len(moments))
    change = np.linalg.solve(moments, features.T @ missing).T
    shift -= change @ middle
    fitted = _reshaped(consumer, (flat + change).reshape(cut.shape))
    network = _with_layer(network, site.consumer, fitted)
    return _with_constant(network, site.consumer, shift) if has_constant else network


def _bias(layer: AbstractLayer) -> np.ndarray | float:
    assert isinstance(layer, DenseLayer | Conv2DLayer)
    return 0.0 if layer.bias is None else np.asarray(layer.bias, np.float64)


def _takes_constant(network: Network, place: Place) -> bool:
    """Tell whether a constant can be added to a layer's sums: in its bias, or behind it."""
    layer = layer_at(network, place)
    assert isinstance(layer, DenseLayer | Conv2DLayer)
    return layer.bias is not None or isinstance(_behind(network, place), BatchNormLayer)


def _behind(network: Network, place: Place) -> AbstractLayer | None:
    layer = layer_at(network, place)
    if getattr(layer, "activation", "identity") != "identity":
        return None
    after = (*place[:-1], place[-1] + 1)
    try:
        return layer_at(network, after)
    except IndexError:
        return None


def _with_constant(network: Network, place: Place, shift: np.ndarray) -> Network:
    layer = layer_at(network, place)
    assert isinstance(layer, DenseLayer | Conv2DLayer)
    added = jnp.asarray(shift, jnp.float32)
    if layer.bias is not None:
        return _with_layer(network, place, changed(layer, bias=layer.bias + added))
    after = (*place[:-1], place[-1] + 1)
    norm = layer_at(network, after)
    assert isinstance(norm, BatchNormLayer)
    mean = norm.running_mean.value - added
    return _with_layer(network, after, changed(norm, running_mean=Statistic(mean)))


def _with_layer(network: Network, place: Place, layer: AbstractLayer) -> Network:
    """Return a network with another layer somewhere."""
    layers = list(network.layers)
    if len(place) == 1:
        layers[place[0]] = layer
    else:
        block = layers[place[0]]
        assert isinstance(block, ResidualLayer)
        inner = (*block.layers[: place[1]], layer, *block.layers[place[1] + 1 :])
        layers[place[0]] = ResidualLayer(inner, block.projection)
    return Network(tuple(layers))


def _reshaped(layer: AbstractLayer, weight: np.ndarray) -> AbstractLayer:
    """Return a layer with other weights, given as (out, channels, numbers of each)."""
    shaped = jnp.asarray(shape_weight(layer, weight))
    assert isinstance(layer, DenseLayer | Conv2DLayer)
    where = "weight" if isinstance(layer, DenseLayer) else "kernel"
    return changed(layer, **{where: shaped})


def _cut_producer(network: Network, site: Site, kept: np.ndarray) -> Network:
    """Return a network with some neurons of a layer alone, and of what stands behind it."""
    layer = layer_at(network, site.producer)
    if isinstance(layer, DenseLayer):
        layer = changed(layer, weight=layer.weight[kept], bias=_picked(layer.bias, kept))
    else:
        assert isinstance(layer, Conv2DLayer)
        layer = changed(layer, kernel=layer.kernel[..., kept], bias=_picked(layer.bias, kept))
    network = _with_layer(network, site.producer, layer)
    for position in range(site.producer[-1] + 1, site.consumer[-1]):
        place = (*site.producer[:-1], position)
        between = layer_at(network, place)
        if isinstance(between, GainLayer):
            between = GainLayer(between.gain[kept])
        elif isinstance(between, BatchNormLayer):
            between = transform(lambda array: array[kept], between)
        network = _with_layer(network, place, between)
    return network


def _picked(bias: Array | None, kept: np.ndarray) -> Array | None:
    return None if bias is None else bias[kept]


def describe_kept(architecture: Architecture, counts: Mapping[Place, int]) -> Architecture:
    """Return a description in which some layers have only so many neurons, by their place."""
    layers = list(architecture.layers)
    for place, n in counts.items():
        layer = layers[place[0]]
        if isinstance(layer, Residual):
            inner = list(layer.layers)
            inner[place[1]] = _with_count(inner[place[1]], n)
            layers[place[0]] = layer.model_copy(update={"layers": tuple(inner)})
        else:
            layers[place[0]] = _with_count(layer, n)
    return architecture.model_copy(update={"layers": tuple(layers)})


def _with_count(described: Any, n: int) -> Any:
    field = "channels" if isinstance(described, Conv2D) else "units"
    return described.model_copy(update={field: n})


def counts_within(
    architecture: Architecture, orders: Sequence[Order], most_parameters: float
) -> dict[Place, int] | None:
    """Return how many neurons each site keeps so that the network has few enough parameters.

    All sites lose as much: the largest share of error that every one may have is as small as it
    can be.

    Returns
    -------
    dict of place to int, or None
        None where even the fewest neurons are too many.
    """
    levels = np.unique(np.concatenate([np.zeros(0), *(order.errors for order in orders)]))
    low, high, found = 0, len(levels), None
    while low < high:
        middle = (low + high) // 2
        counts = {one.site.producer: one.keep_within(float(levels[middle])) for one in orders}
        if describe_kept(architecture, counts).n_parameters <= most_parameters:
            found, high = counts, middle
        else:
            low = middle + 1
    return found


def _describe(architecture: Architecture, network: Network) -> Architecture:
    """Return the description of a network whose layers have fewer neurons than before."""
    pairs = zip(architecture.layers, network.layers, strict=True)
    return architecture.model_copy(update={"layers": tuple(_counted(*pair) for pair in pairs)})


def _counted(described: Layer, layer: AbstractLayer) -> Layer:
    if isinstance(described, Residual):
        assert isinstance(layer, ResidualLayer)
        pairs = zip(described.layers, layer.layers, strict=True)
        return described.model_copy(update={"layers": tuple(_counted(*pair) for pair in pairs)})
    if isinstance(described, Dense):
        return described.model_copy(update={"units": count_neurons(layer)})
    if isinstance(described, Conv2D):
        return described.model_copy(update={"channels": count_neurons(layer)})
    return described
