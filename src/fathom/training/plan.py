"""What a program is made of, what it is given and what it returns, as values."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Num

from fathom.nn.xla import Array
from fathom.training.machine import place
from fathom.training.recipe import Augmentation

EVALUATION_BATCH = 512  # examples evaluated at once
Inputs: TypeAlias = Num[Array, "rows ..."] | tuple[Num[Array, "rows ..."], ...]


class Examples(NamedTuple):
    """Examples as arrays of JAX, or of NumPy where loops learn from them.

    Attributes
    ----------
    x : array, or tuple of arrays
        Inputs, in the narrowest type that holds them exactly; steps turn them into float32. Of
        several arrays each holds a part of every row, which steps lay side by side.
    y : array
        Numbers of the classes, shape (rows,), or target values, shape (rows, outputs); of texts the
        numbers of their signs, filled up with 0.
    weight : array
        Weight of each example.
    """

    x: Any
    y: Any
    weight: Any


def hold(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> Examples:
    """Return examples where networks train, in the types of at most 32 bits that engines know.

    They are brought there once, and not in every call.
    """
    kinds = {np.dtype(np.float64): np.float32, np.dtype(np.int64): np.int32}
    return Examples(*(
        place(np.asarray(part, kinds.get(part.dtype, part.dtype))) for part in (x, y, weight)
    ))  # fmt: skip


class Knobs(NamedTuple):
    """Numbers of a recipe, float32, handed to the program rather than compiled into it."""

    weight_decay: Any
    label_smoothing: Any


class Sums(NamedTuple):
    """Totals over the examples seen, of which loss and score are made; score: shape (parts,)."""

    loss: Any
    score: Any
    weight: Any


@dataclass(frozen=True)
class Plan:
    """What is compiled into a program: everything that changes its equations."""

    loss: str
    reduction: str
    activation: str
    optimizer: str
    momentum: float
    beta_2: float
    rates: str
    gradient_clip: float | None
    augmentation: Augmentation | None
    is_scanned: bool
    products: Literal["float32", "bfloat16"] = "float32"
    """What matrix products take; they add up in float32, and weights are kept in it."""
    parts: int = 1
    """Parts a batch is worked through in, where it would not fit into memory as a whole."""
    evaluated: int = EVALUATION_BATCH
    """Examples evaluated at once; divides `EVALUATION_BATCH`."""
    moments: int | None = None
    """Moments of a sequence that a step works through, behind which it is silent; all, if None."""
