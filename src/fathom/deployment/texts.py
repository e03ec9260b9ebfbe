"""The encoding of texts as tensors, and back.

=================== ==============================================================================
encoding.hashes     (n-grams, 2): of each n-gram with a code the upper and the lower 32 bits of its
                    hash, ascending
encoding.rarity     (n-grams,): how much each counts
=================== ==============================================================================
"""

import numpy as np

from fathom.data.schema import Schema, TableInput, Target
from fathom.data.text import LONGEST, MOST_CODES, TextEncoding
from fathom.errors import ModelFileError
from fathom.nn.architecture import Architecture
from fathom.nn.bag import Bag

MOST_RARITY = 1e6  # far above the logarithm of any number of texts
_HALF = np.uint64(32)
_LOW = np.uint64(2**32 - 1)


def text_tensors(encoding: TextEncoding) -> dict[str, np.ndarray]:
    """Return the arrays of an encoding by name."""
    halves = np.stack([encoding.hashes >> _HALF, encoding.hashes & _LOW], axis=1)
    return {
        "encoding.hashes": halves.astype(np.float64),
        "encoding.rarity": encoding.rarity.astype(np.float64),
    }


def text_shapes(architecture: Architecture) -> dict[str, tuple[tuple[int, ...], type]]:
    """Return shape and type of the arrays that belong to a network for texts."""
    n = _bag(architecture).codes - 1
    return {"encoding.hashes": ((n, 2), np.float64), "encoding.rarity": ((n,), np.float64)}


def require_texts(architecture: Architecture, schema: Schema) -> None:
    """Refuse a network for texts that does not go with its table or its target.

    Raises
    ------
    ModelFileError
        If the table has no text, or has anything else, or the outputs are others than asked for.
    """
    table, target = schema.input, schema.target
    assert isinstance(table, TableInput)
    kinds = {column.kind for column in table.columns if column.is_used}
    if kinds != {"text"}:
        raise ModelFileError("columns of text alone", got=", ".join(sorted(kinds)) or "none")
    if len({column.name for column in table.columns}) != len(table.columns):
        raise ModelFileError("columns of different names", got="a name given twice")
    require_outputs(architecture, target)
    if any(isinstance(layer, Bag) for layer in architecture.layers[1:]):
        raise ModelFileError("a bag as the first layer alone", got="no bag there, or one after it")
    n_inputs = architecture.input_shape[0]
    if _bag(architecture).codes > MOST_CODES or n_inputs > 2 * LONGEST:
        raise ModelFileError("no more n-grams than a text can have", got=f"{n_inputs // 2}")


def require_outputs(architecture: Architecture, target: Target) -> None:
    """Refuse a network that designed itself whose outputs are others than the target asks for.

    Raises
    ------
    ModelFileError
        If they are.
    """
    wanted = {
        "classes": (len(target.classes), "softmax"),
        "labels": (target.n_outputs, "sigmoid"),
        "numbers": (target.n_outputs, "identity"),
    }.get(target.task)
    found = (architecture.n_outputs, architecture.output_activation)
    if wanted is None or found != wanted:
        raise ModelFileError(
            f"outputs for {target.task}" if wanted is None else
            f"an output layer of {wanted[0]} {wanted[1]}",
            got=f"{found[0]} {found[1]}",
        )  # fmt: skip


def restore_texts(architecture: Architecture, tensors: dict[str, np.ndarray]) -> TextEncoding:
    """Make the encoding again, once its arrays can be one.

    Raises
    ------
    ModelFileError
        If hashes are none, or not in ascending order, or something counts less than nothing.
    """
    length = architecture.input_shape[0] // 2
    return restore_grams(tensors["encoding.hashes"], tensors["encoding.rarity"], length)


def restore_grams(halves: np.ndarray, rarity: np.ndarray, length: int) -> TextEncoding:
    """Make an encoding of so many codes a row; see `restore_texts`."""
    if (halves < 0).any() or (halves >= 2**32).any() or (halves % 1 != 0).any():
        raise ModelFileError(
            "hashes of 64 bits in two halves", got="numbers that are no such halves"
        )
    upper, lower = halves.astype(np.uint64).T
    hashes = (upper << _HALF) | lower
    if (hashes[1:] <= hashes[:-1]).any():
        raise ModelFileError("hashes in ascending order", got="hashes out of order")
    if not ((rarity > 0) & (rarity < MOST_RARITY)).all():
        raise ModelFileError("weights of n-grams above 0", got="a weight of 0 or less")
    return TextEncoding(hashes, rarity.astype(np.float32), length)


def _bag(architecture: Architecture) -> Bag:
    bag = architecture.layers[0]
    assert isinstance(bag, Bag)
    return bag
