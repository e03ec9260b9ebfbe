"""Decoding: from the probability of each sign at each moment to the signs that were meant."""

from collections import defaultdict

import numpy as np

BLANK = 0
LEAST = -30.0  # logarithm of a probability below which a sign is not followed


def decode_greedily(log_probabilities: np.ndarray) -> tuple[int, ...]:
    """Return the signs of the most probable alignment.

    Parameters
    ----------
    log_probabilities : numpy.ndarray
        ln a_t(k), shape (time, signs), the blank first.

    Examples
    --------
    >>> decode_greedily(np.log([[0.1, 0.9], [0.2, 0.8], [0.7, 0.3], [0.4, 0.6]]))
    (1, 1)
    """
    best = log_probabilities.argmax(axis=1)
    is_new = np.diff(best, prepend=-1) != 0
    return tuple(best[is_new & (best != BLANK)].tolist())


def decode_by_beam(log_probabilities: np.ndarray, width: int = 16) -> tuple[int, ...]:
    """Return the most probable signs, over all their alignments, among those a beam keeps.

    The probability of signs is that of all their alignments together; those that end in the blank
    and those that end in the last sign are kept apart, as only after the former the same sign may
    follow itself.

    Parameters
    ----------
    log_probabilities : numpy.ndarray
        ln a_t(k), shape (time, signs), the blank first.
    width : int, default 16
        Beginnings kept at each moment.

    Examples
    --------
    >>> decode_by_beam(np.log([[0.6, 0.4], [0.6, 0.4]]))
    (1,)

    References
    ----------
    Graves, Jaitly (2014). Towards end-to-end speech recognition with recurrent neural networks.
    ICML. Hannun, Maas, Jurafsky, Ng (2014). arXiv:1408.2873.

    Notes
    -----
    With a beam as wide as there are beginnings the answer is exact.
    """
    beams: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, -np.inf)}
    for row in log_probabilities.tolist():
        following: defaultdict[tuple[int, ...], list[float]] = defaultdict(
            lambda: [-np.inf, -np.inf]
        )
        signs = [k for k, value in enumerate(row) if value > LEAST and k != BLANK]
        for signs_so_far, (in_blank, in_sign) in beams.items():
            whole = _add(in_blank, in_sign)
            same = following[signs_so_far]
            same[0] = _add(same[0], whole + row[BLANK])
            if signs_so_far:
                same[1] = _add(same[1], in_sign + row[signs_so_far[-1]])
            for k in signs:
                is_repeated = bool(signs_so_far) and k == signs_so_far[-1]
                more = following[(*signs_so_far, k)]
                more[1] = _add(more[1], (in_blank if is_repeated else whole) + row[k])
        kept = sorted(following.items(), key=lambda one: -_add(*one[1]))[:width]
        beams = {one: (parts[0], parts[1]) for one, parts in kept}
    return max(beams, key=lambda one: _add(*beams[one]))


def _add(a: float, b: float) -> float:
    """Return ln(e^a + e^b)."""
    if a < b:
        a, b = b, a
    return a if b == -np.inf else a + float(np.log1p(np.exp(b - a)))
