"""Decoding: from the probability of each sign at each moment to the signs that were meant."""

from collections import defaultdict
from collections.abc import Sequence

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
    return _follow(log_probabilities, width)[0]


def decode_together(log_probabilities: Sequence[np.ndarray], width: int = 16) -> tuple[int, ...]:
    """Return the signs that several networks, on average, hold for the most probable.

    p(y) = (1/n) Σ_m p_m(y), over all alignments of each network m: networks agree on what is said,
    but not on the moment at which they say each sign, so that the mean of their probabilities
    moment by moment would be that of no alignment. Every text that the beam of one of them ends
    with is asked about.

    Parameters
    ----------
    log_probabilities : sequence of numpy.ndarray
        ln a_t(k) of each network, shape (time, signs), the blank first.
    width : int, default 16
        Beginnings that the beam of each network keeps; 1 for the likeliest alignment of each.

    Examples
    --------
    >>> early, late = np.log([[0.1, 0.9], [0.9, 0.1]]), np.log([[0.9, 0.1], [0.1, 0.9]])
    >>> decode_together([early, late])
    (1,)
    """
    if len(log_probabilities) == 1:
        (only,) = log_probabilities
        return decode_by_beam(only, width) if width > 1 else decode_greedily(only)
    if width <= 1:
        found = {decode_greedily(one) for one in log_probabilities}
    else:
        found = {text for one in log_probabilities for text in _follow(one, width)}

    def believed(signs: tuple[int, ...]) -> float:
        return float(np.logaddexp.reduce([log_likelihood(one, signs) for one in log_probabilities]))

    return max(sorted(found), key=believed)


def log_likelihood(log_probabilities: np.ndarray, signs: Sequence[int]) -> float:
    """Return ln p(y) = ln Σ_π Π_t a_t(π_t), over all alignments π of the signs y.

    Parameters
    ----------
    log_probabilities : numpy.ndarray
        ln a_t(k), shape (time, signs), the blank first.
    signs : sequence of int
        Numbers of the signs y, 1 or more.

    Examples
    --------
    >>> round(float(np.exp(log_likelihood(np.log([[0.6, 0.4], [0.6, 0.4]]), (1,)))), 2)
    0.64
    """
    states = np.full(2 * len(signs) + 1, BLANK)
    states[1::2] = signs
    n = len(states)
    skips = np.zeros(n, bool)  # past the blank, to a sign unlike the one before
    skips[3::2] = states[3::2] != states[1:-2:2]
    alpha = np.full(n + 2, -np.inf)  # behind two states that are never
    alpha[2] = 0.0  # before the first moment: as if in the first blank
    for row in log_probabilities:
        stay, step, skip = alpha[2:], alpha[1:-1], np.where(skips, alpha[:-2], -np.inf)
        alpha[2:] = np.logaddexp(np.logaddexp(stay, step), skip) + row[states]
    return float(np.logaddexp.reduce(alpha[2:][-2:]))


def _follow(log_probabilities: np.ndarray, width: int) -> list[tuple[int, ...]]:
    """Return the texts that a beam ends with, the most probable first."""
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
    return sorted(beams, key=lambda one: -_add(*beams[one]))


def _add(a: float, b: float) -> float:
    """Return ln(e^a + e^b)."""
    if a < b:
        a, b = b, a
    return a if b == -np.inf else a + float(np.log1p(np.exp(b - a)))
