"""The encoding of a table as few large tensors, and back.

For each fold, where there is anything of the kind:

=========== ======================================================================================
lengths     (numbers, 3): how many quantiles, edges and thresholds each number has
numbers     all numbers one after another: fill, scale, quantiles, edges, thresholds
means       (codes of all columns, outputs): means of the target, one column's after the other's
text_weight (texts, hashes): weight of each n-gram
text_parts  (n-grams, 1 + parts): for n-grams with any part that is not 0, text · hashes + hash and
            the parts
=========== ======================================================================================
"""

import numpy as np

from fathom.data.features import (
    TEXT_HASHES,
    TEXT_PARTS,
    TableEncoding,
    TextParts,
    has_means,
    layout_of,
    n_codes,
    n_shown,
)
from fathom.data.schema import Column, Target
from fathom.data.views import MOST_QUANTILES, N_BINS, NumberViews
from fathom.deployment.container import Tensors
from fathom.errors import ModelFileError

FEWEST = (1, 1, 0)  # quantiles, edges and thresholds of a number
MOST = (MOST_QUANTILES, N_BINS + 1, N_BINS - 1)


def encoding_tensors(encoding: TableEncoding, prefix: str) -> dict[str, np.ndarray]:
    """Return the arrays of an encoding by name.

    Parameters
    ----------
    encoding : TableEncoding
        What was learned.
    prefix : str
        What every name begins with.
    """
    found: dict[str, np.ndarray] = {}
    if encoding.numbers:
        ragged = [(v.quantiles, v.edges, v.thresholds) for v in encoding.numbers]
        found["lengths"] = np.array([[len(part) for part in each] for each in ragged])
        pairs = [(v.fill, v.scale) for v in encoding.numbers]
        found["numbers"] = np.concatenate(
            [part for pair, each in zip(pairs, ragged, strict=True) for part in (pair, *each)]
        )
    if encoding.means:
        found["means"] = np.concatenate(list(encoding.means.values()))
    if encoding.texts:
        found["text_weight"] = np.stack([text.weight for text in encoding.texts.values()])
        parts = np.concatenate([text.parts for text in encoding.texts.values()])
        rows = np.flatnonzero(parts.any(axis=1))  # of a small table only few n-grams occur
        if len(rows):
            found["text_parts"] = np.column_stack([rows, parts[rows]])
    return {f"{prefix}.{name}": np.asarray(array, np.float64) for name, array in found.items()}


def restore_encodings(
    columns: tuple[Column, ...], target: Target, n_folds: int, tensors: Tensors
) -> tuple[TableEncoding, ...]:
    """Make the encodings again, once all that is in the file fits the columns.

    Parameters
    ----------
    columns : tuple of Column
        The columns.
    target : Target
        What is predicted.
    n_folds : int
        How many encodings there are.
    tensors : Tensors
        The tensors of the file; names begin with ``encoding.FOLD``.

    Raises
    ------
    ModelFileError
        If something is absent, of the wrong size, or in the wrong order.
    """
    n_classes = len(target.classes)
    sizes = {at: n_codes(c) for at, c in enumerate(columns) if has_means(c, n_classes)}
    texts = [at for at, c in enumerate(columns) if c.kind == "text"]
    n_means = n_shown(n_classes, target.n_outputs)
    layout = layout_of(columns, n_means * len(sizes))
    encodings = []
    for fold in range(n_folds):
        prefix, means = f"encoding.{fold}", {}
        if sizes:
            array = tensors.take(f"{prefix}.means", sum(sizes.values()), n_means)
            ends = np.cumsum(list(sizes.values()))
            means = dict(zip(sizes, np.split(array, ends[:-1]), strict=True))
        numbers = _restore_numbers(layout.n_numbers, tensors, prefix)
        found = _restore_texts(len(texts), tensors, prefix)
        words = dict(zip(texts, found, strict=True))
        encodings.append(TableEncoding(columns, numbers, means, words, layout))
    return tuple(encodings)


def _restore_numbers(n: int, tensors: Tensors, prefix: str) -> tuple[NumberViews, ...]:
    if n == 0:
        return ()
    lengths = tensors.take(f"{prefix}.lengths", n, 3)
    if (lengths < FEWEST).any() or (lengths > MOST).any() or (lengths % 1 != 0).any():
        raise ModelFileError(
            "lengths as an encoding has them", got=f"other lengths in {prefix}.lengths"
        )
    sizes = lengths.astype(int)
    values = tensors.take(f"{prefix}.numbers", int(sizes.sum()) + 2 * n)
    found, at = [], 0
    for each in sizes:
        fill, scale = values[at : at + 2]
        ends = at + 2 + np.cumsum(each)
        quantiles, edges, thresholds = np.split(values[at + 2 : ends[-1]], np.cumsum(each)[:-1])
        at = ends[-1]
        is_rising = (edges[1:] > edges[:-1]).all() and (thresholds[1:] > thresholds[:-1]).all()
        if scale < 0 or not is_rising or (quantiles[1:] < quantiles[:-1]).any():
            raise ModelFileError(
                "a scale of 0 or more and values in ascending order",
                got=f"a scale below 0 or values out of order in {prefix}",
            )  # fmt: skip
        found.append(NumberViews(float(fill), float(scale), quantiles, edges, thresholds))
    return tuple(found)


def _restore_texts(n: int, tensors: Tensors, prefix: str) -> list[TextParts]:
    if n == 0:
        return []
    weights = tensors.take(f"{prefix}.text_weight", n, TEXT_HASHES)
    rows, parts = np.zeros(0, int), np.zeros((0, TEXT_PARTS))
    if f"{prefix}.text_parts" in tensors:
        array = tensors.take(f"{prefix}.text_parts", None, 1 + TEXT_PARTS)
        places, parts = array[:, 0], array[:, 1:]
        is_apart = (places[1:] > places[:-1]).all() and (places % 1 == 0).all()
        if not is_apart or places[0] < 0 or places[-1] >= n * TEXT_HASHES:
            raise ModelFileError(
                "n-grams in ascending order", got=f"n-grams out of order in {prefix}.text_parts"
            )
        rows = places.astype(int)
    found = []
    for text, weight in enumerate(weights):
        first, last = np.searchsorted(rows, (text * TEXT_HASHES, (text + 1) * TEXT_HASHES))
        whole = np.zeros((TEXT_HASHES, TEXT_PARTS))
        whole[rows[first:last] - text * TEXT_HASHES] = parts[first:last]
        found.append(TextParts(weight, whole))
    return found
