"""Factors: what a network needs so that it answers several columns of classes together."""

import numpy as np

from fathom.data.schema import Target
from fathom.nn.architecture import Architecture
from fathom.nn.combination import Combination, CombinationLayer
from fathom.nn.dense import Dense
from fathom.nn.network import Network


def with_factors(architecture: Architecture, target: Target) -> Architecture:
    """Return a network with an output for each class of each factor, joined to combinations.

    Parameters
    ----------
    architecture : Architecture
        A network whose output layer, a `Dense` one, is replaced; it is taken as it is where it
        ends in the right `Combination` already, or where the target has no factors.
    target : Target
        What is predicted.
    """
    last = architecture.layers[-1]
    if not target.factors or not isinstance(last, Dense):
        return architecture
    share = np.array(target.counts) / sum(target.counts)
    sizes = tuple(len(factor.classes) for factor in target.factors)
    parts = last.model_copy(update={"units": sum(sizes), "activation": "identity"})
    joined = Combination(factors=sizes, seen=target.seen, offsets=tuple(np.log(share).tolist()))
    return Architecture(
        input_shape=architecture.input_shape, layers=(*architecture.layers[:-1], parts, joined),
        loss="cross_entropy", reduction=architecture.reduction,
    )  # fmt: skip


def offsets_of(network: Network) -> np.ndarray:
    """Return the offset of each combination in a network's sums, float64."""
    output = network.output
    assert isinstance(output, CombinationLayer)
    return np.asarray(output.bias, np.float64)


def centered(z: np.ndarray) -> np.ndarray:
    """Return sums of mean 0 in each row, float64, so that those of several networks add up."""
    z = z.astype(np.float64)
    return np.asarray(z - z.mean(axis=1, keepdims=True))
