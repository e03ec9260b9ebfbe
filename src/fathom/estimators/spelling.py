"""How far what was written down is from what was said: words and characters wrong."""

from collections.abc import Sequence

import numpy as np

from fathom.errors import InputError
from fathom.estimators.evaluation import Evaluation, Metric

N_RESAMPLES = 1000


def edit_distance(a: Sequence[object], b: Sequence[object]) -> int:
    """Return the fewest insertions, deletions and replacements that turn one into the other.

    Examples
    --------
    >>> edit_distance("kitten", "sitting")
    3
    """
    before = list(range(len(b) + 1))
    for i, one in enumerate(a, start=1):
        now = [i]
        for j, other in enumerate(b, start=1):
            now.append(min(before[j] + 1, now[j - 1] + 1, before[j - 1] + (one != other)))
        before = now
    return before[-1]


def error_rate(right: Sequence[str], said: Sequence[str], *, of_words: bool = True) -> float:
    """Return the errors in all texts over the words (or characters) of what is right.

    Parameters
    ----------
    right, said : sequence of str
        What is right, and what was written down.
    of_words : bool, default True
        Whether words are counted, between blanks, rather than characters.

    Examples
    --------
    >>> error_rate(["one two three", "four"], ["one too three", "four five"])
    0.5
    """
    errors, lengths = _count(right, said, of_words)
    return float(errors.sum() / max(lengths.sum(), 1))


def evaluate_texts(right: Sequence[str], said: Sequence[str], seed: int = 0) -> Evaluation:
    """Rate what was written down: word and character error rate, and texts wholly right.

    Parameters
    ----------
    right, said : sequence of str
        What is right, and what was written down.
    seed : int, default 0
        Seed of the bootstrap.

    Raises
    ------
    InputError
        If there is no text.
    """
    if not right:
        raise InputError(
            "a text or more to hold against", got="none", hint="give the texts that are right"
        )
    draws = np.random.default_rng(seed).integers(0, len(right), (N_RESAMPLES, len(right)))
    metrics = []
    for name, of_words in (("word error rate", True), ("character error rate", False)):
        errors, lengths = _count(right, said, of_words)
        drawn = errors[draws].sum(axis=1) / np.maximum(lengths[draws].sum(axis=1), 1)
        metrics.append(_metric(name, errors.sum() / max(lengths.sum(), 1), drawn))
    is_right = np.array([a == b for a, b in zip(right, said, strict=True)], float)
    metrics.append(
        _metric("exact match", is_right.mean(), is_right[draws].mean(axis=1), is_better_high=True)
    )
    return Evaluation(task="text", n_rows=len(right), metrics=tuple(metrics))


def _metric(name: str, value: float, drawn: np.ndarray, *, is_better_high: bool = False) -> Metric:
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Metric(
        name=name, value=float(value), low=float(low), high=float(high),
        is_better_high=is_better_high,
    )  # fmt: skip


def _count(
    right: Sequence[str], said: Sequence[str], of_words: bool
) -> tuple[np.ndarray, np.ndarray]:
    pairs = [
        (a.split(), b.split()) if of_words else (list(a), list(b))
        for a, b in zip(right, said, strict=True)
    ]
    errors = np.array([edit_distance(a, b) for a, b in pairs], float)
    return errors, np.array([len(a) for a, _ in pairs], float)
