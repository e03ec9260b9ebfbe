"""Aims: what the outputs of a network should be, from what is predicted."""

import numpy as np

from fathom.data.encoding import Standardization
from fathom.data.schema import Target
from fathom.nn.architecture import Architecture


def fit_target_encoding(
    architecture: Architecture, target: Target, y: np.ndarray
) -> Standardization | None:
    """Learn center and scale of the targets, where they are standardized."""
    return Standardization.fit(y) if has_target_encoding(architecture, target) else None


def has_target_encoding(architecture: Architecture, target: Target) -> bool:
    """Tell whether targets are standardized: numbers, from an output layer that can give any."""
    return target.task == "numbers" and architecture.output_activation == "identity"


def aim_of(
    y: np.ndarray, architecture: Architecture, target: Target, encoding: Standardization | None
) -> np.ndarray:
    """Return what the outputs should be: class numbers, or rows of float32."""
    if target.task == "classes":
        if architecture.output_activation == "softmax":
            return y.astype(np.int32)
        if architecture.n_outputs == 1:
            return y[:, None].astype(np.float32)
        return np.eye(architecture.n_outputs, dtype=np.float32)[y]
    return y.astype(np.float32) if encoding is None else encoding.encode(y)
