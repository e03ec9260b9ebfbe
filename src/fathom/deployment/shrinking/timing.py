"""Timing: what a model weighs, how good it is on rows, and how long a prediction takes."""

import time
from typing import Any

import numpy as np

from fathom.compression.story import Measured
from fathom.deployment.shrinking.rows import Part, predictions, rate, take_rows
from fathom.deployment.shrinking.steps import n_parameters, size_of
from fathom.deployment.shrinking.units import open_units

MANY = 10_000  # rows predicted at once, for their time
ROUNDS, ROUNDS_OF_ONE = 3, 50
TIMED_ROWS, MOST_TIMED_S = 256, 1.0  # rows that tell how many can be timed in so many seconds


def measure(words: str, model: Any, part: Part | None, *, is_timed: bool) -> Measured:
    """Say what a model weighs, how good it is on rows, and how fast."""
    loss = score = one = many = None
    if part is not None:
        loss, score = rate(predictions(model, part.x), part.y, model.schema_.target)
        if is_timed:
            one, many = time_rows(model, part.x, 1), time_rows(model, part.x, MANY)
    return Measured(
        step=words, bytes=size_of(model), n_networks=len(open_units(model)),
        n_parameters=n_parameters(model), loss=loss, score=score, row_seconds=one,
        many_seconds=many,
    )  # fmt: skip


def time_rows(model: Any, x: Any, n: int) -> float:
    """Return the seconds a prediction takes for each of so many rows, the lower quartile of some.

    What other programs take from the machine lengthens many times, but makes no model slower.
    Of more rows than can be predicted in about a second, as many as can stand for all.
    """
    n_rows = x.n_rows if hasattr(x, "n_rows") else len(x)
    few = take_rows(x, np.arange(min(n, TIMED_ROWS)) % n_rows)
    predictions(model, few)  # the first prepares
    n_rounds = ROUNDS_OF_ONE if n == 1 else ROUNDS
    if n > TIMED_ROWS:
        began = time.perf_counter()
        predictions(model, few)
        each = (time.perf_counter() - began) / TIMED_ROWS
        n = int(np.clip(MOST_TIMED_S / n_rounds / max(each, 1e-9), TIMED_ROWS, n))
    rows = take_rows(x, np.arange(n) % n_rows)
    seconds: list[float] = []
    while len(seconds) < n_rounds and (len(seconds) < ROUNDS or sum(seconds) < MOST_TIMED_S):
        began = time.perf_counter()
        predictions(model, rows)
        seconds.append(time.perf_counter() - began)
    return float(np.quantile(seconds, 0.25)) / n


def row_seconds(model: Any, part: Part) -> float:
    """Return about how long each of many rows takes, once all is prepared."""
    few = take_rows(part.x, np.arange(min(len(part.y), TIMED_ROWS)))
    began = time.perf_counter()
    predictions(model, few)
    return (time.perf_counter() - began) / min(len(part.y), TIMED_ROWS)
