"""Estimators that design their own networks for recordings."""

from typing import Any

import numpy as np

from fathom.data.audio import Recordings, resample
from fathom.data.hearing import fit_length, hear, hear_words_at, usual_length
from fathom.data.schema import ImageInput, Schema, Target
from fathom.errors import InputError
from fathom.estimators.defaults import output_layer
from fathom.estimators.photographs import (
    Earlier,
    Found,
    photograph_rows,
    search_levels,
    time_for,
)
from fathom.search.listening import MOST_MOMENTS, choose_width, sound_entries
from fathom.training.monitor import Deadline, Monitor


def search_sounds(
    recordings: Recordings,
    y: np.ndarray,
    target: Target,
    weight: np.ndarray,
    seed: int,
    *,
    monitor: Monitor | None,
    deadline: Deadline,
    groups: np.ndarray | None = None,
    earlier: tuple[Schema, Earlier] | None = None,
) -> Found:
    """Find a convolutional network for recordings within a time.

    Parameters
    ----------
    recordings : Recordings
        What is heard.
    y : numpy.ndarray
        Class numbers (n,), or labels or numbers (n, outputs).
    target : Target
        What is predicted.
    weight : numpy.ndarray
        Weight of each recording, mean 1.
    seed : int
        Seed of every random choice.
    monitor : Monitor or None
        Told of what happens, and asked whether to stop.
    deadline : Deadline
        When to be done.
    groups : numpy.ndarray, optional
        Group of each recording, for example who speaks: those of one never both train and judge.
    earlier : tuple of Schema and Earlier, optional
        A network that is trained on instead, and how it hears.

    Raises
    ------
    InputError
        If the target has several factors.
    """
    if target.factors:
        raise InputError(
            "one target for recordings", got=f"{len(target.factors)} factors of one answer",
            hint="train one model for each",
        )  # fmt: skip
    watch: dict[str, Any] = {"monitor": monitor, "deadline": deadline, "groups": groups}
    if earlier is not None:
        schema, network = earlier
        assert isinstance(schema.input, ImageInput)
        levels = sound_rows(recordings, schema.input).reshape(-1, *schema.input.shape)
        return search_levels(levels, y, schema, weight, seed, (), earlier=network, **watch)
    hearing = hear_words_at(recordings.rate)
    pictures = hear(recordings.waves, hearing)
    length = usual_length(pictures, MOST_MOMENTS, hearing.stretch)
    x = fit_length(pictures, length, hearing.stretch)
    described = ImageInput(
        height=x.shape[1], width=x.shape[2], channels=1, is_photo=True, hearing=hearing
    )
    schema = Schema(input=described, target=target)
    output, loss = output_layer(schema)
    n = int(np.count_nonzero(weight))
    width = choose_width(n, x.shape[1:], time_for(deadline))
    entries = sound_entries(x.shape[1:], width, output, loss, n, seed)
    return search_levels(x, y, schema, weight, seed, entries, **watch)


def sound_rows(x: Any, described: ImageInput) -> np.ndarray:
    """Return recordings, or pictures of them, as rows of the levels a network takes.

    Raises
    ------
    InputError
        If they are neither.
    """
    hearing = described.hearing
    assert hearing is not None
    if isinstance(x, Recordings):
        same = resample(x, hearing.rate)
        if not len(same):
            return np.zeros((0, described.n_features), np.uint8)
        pictures = hear(same.waves, hearing)
        return fit_length(pictures, described.height, hearing.stretch).reshape(len(same), -1)
    levels = np.asarray(x)
    if levels.ndim not in (3, 4) or levels.shape[1:3] != described.shape[:2]:
        raise InputError(
            "recordings, as in fit", got=f"{type(x).__name__} of shape {np.shape(x)}",
            hint="read files with fathom.Recordings.read(paths)",
        )  # fmt: skip
    return photograph_rows(levels, described)


def require_recordings(estimator: Any, recordings: Recordings, y: Any) -> np.ndarray:
    """Return the target of recordings as an array, one value or row for each.

    Raises
    ------
    InputError
        If there are too few, or the estimator was given a network of its own.
    """
    if estimator.architecture is not None or estimator.recipe is not None:
        raise InputError(
            "neither architecture nor recipe with recordings", got="one of them, or both",
            hint="give pictures of sound as arrays: fathom.data.hearing makes them",
        )  # fmt: skip
    values = np.asarray(y)
    if not values.ndim or len(values) != len(recordings):
        raise InputError(
            f"a target for each of {len(recordings):,} recordings", got=f"shape {values.shape}"
        )
    if len(recordings) < 2:
        raise InputError("two recordings or more", got=f"{len(recordings)}")
    return values
