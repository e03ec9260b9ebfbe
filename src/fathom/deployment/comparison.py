"""Comparison: whether two designed ensembles are the same to the last byte, and in what not."""

import numpy as np

from fathom.data.parsing import ParsedTable
from fathom.deployment.designs import design_tensors
from fathom.search.design import Design
from fathom.search.prediction import predict


def find_differences(first: Design, second: Design, parsed: ParsedTable) -> tuple[str, ...]:
    """Compare two models of the same table: all their numbers, and what they predict.

    Parameters
    ----------
    first, second : Design
        The models.
    parsed : ParsedTable
        Rows to predict.

    Returns
    -------
    tuple of str
        What differs, in words; nothing where not a single byte does.
    """
    ours, theirs = design_tensors(first), design_tensors(second)
    if ours.keys() != theirs.keys():
        return ("the networks there are",)
    names = [name for name in ours if not _is_same(ours[name], theirs[name])]
    kinds = {
        "network.": "weights of networks", "encoding.": "encodings", "trees.": "trees",
        "target.": "the scale of the target",
    }  # fmt: skip
    found = []
    for prefix, what in kinds.items():
        n = sum(name.startswith(prefix) for name in names)
        if n:
            of = sum(name.startswith(prefix) for name in ours)
            found.append(f"{what} ({n} of {of} arrays)")
    if [m.weight for m in first.members] != [m.weight for m in second.members]:
        found.append("the weights of the members")
    if first.sharpness != second.sharpness:
        found.append("the calibration")
    shown = [predict(one, parsed) for one in (first, second)]
    if not _is_same(*shown):
        n = int((shown[0] != shown[1]).any(axis=1).sum())
        most = float(np.max(np.abs(shown[0] - shown[1])))
        found.append(f"predictions of {n:,} of {len(shown[0]):,} rows, by at most {most:.3g}")
    return tuple(found)


def _is_same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()
