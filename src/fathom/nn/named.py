"""The names of activation functions and losses: what a description says, and needs nothing for."""

from types import MappingProxyType
from typing import Literal, TypeAlias

ActivationName: TypeAlias = Literal[
    "identity",
    "sigmoid",
    "tanh",
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "mish",
    "softplus",
    "softmax",
]
LossName: TypeAlias = Literal["squared_error", "cross_entropy", "binary_cross_entropy", "ctc"]
ReductionName: TypeAlias = Literal["mean", "total"]

REQUIRED_ACTIVATIONS: MappingProxyType[str, str] = MappingProxyType(
    {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid", "ctc": "softmax"}
)
"""The only activation function of the output layer a loss is defined for; absent where any is."""
