"""Combining: what the kept networks of a search say together of combinations of factors."""

from collections.abc import Sequence

import numpy as np

from fathom.data.combinations import (
    Combined,
    combinations_of,
    fit_combined,
    log_likelihoods,
    log_prior,
    probabilities,
    with_scores,
)
from fathom.search.factors import centered, offsets_of
from fathom.search.material import Material
from fathom.search.report import Score
from fathom.search.tried import Tried
from fathom.training.calibration import fit_sharpness, log_loss
from fathom.training.population import combine_held_out


def combine_kept(kept: Sequence[Tried], material: Material) -> Combined:
    """Work out what turns the mean of the networks' sums into probabilities of combinations.

    Sums are averaged, not probabilities: the mean of sums over factors is one again, so that what
    is said of unseen combinations holds for the ensemble, and another prior only shifts it. Every
    row is judged by networks that did not learn from it.
    """
    sums, offsets, rows = _held_out_sums(kept, material)
    y, weight = material.y[rows], material.weight[rows]
    sharpness = fit_sharpness(sums, y, weight)
    combined = fit_combined(sums, offsets, weight, material.target, sharpness)
    return with_scores(combined, sums, offsets, y, material.target)


def judge_combined(
    combined: Combined, kept: Sequence[Tried], material: Material
) -> tuple[float, tuple[Score, ...]]:
    """Return log loss and scores of held-out rows, under the prior of training."""
    sums, offsets, rows = _held_out_sums(kept, material)
    target, found = material.target, combinations_of(material.target)
    likelihoods = log_likelihoods(sums, offsets, combined, target)
    p = probabilities(likelihoods, log_prior(target, "training"))
    y, weight = found.seen_at[material.y[rows]], material.weight[rows]
    right = p.argmax(axis=1) == y
    every = np.bincount(material.y, material.weight)
    baseline = float(every.max() / every.sum())
    value = float(np.average(right, weights=weight))
    score = Score(name="accuracy", value=value, baseline=baseline)
    return log_loss(p, y, weight), (score,)


def _held_out_sums(
    kept: Sequence[Tried], material: Material
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean sums of held-out rows, the offsets in them, and which rows they are."""
    sums, offsets, rows = [], [], []
    for number, fold in enumerate(material.folds):
        if not all(number in tried.trained for tried in kept):
            continue
        total = np.zeros((len(fold.held_out), len(material.target.classes)))
        inside = np.zeros(total.shape[1])
        for tried in kept:
            trained = tried.trained[number]
            assert trained.network is not None
            z = trained.z
            if z is None:
                z = combine_held_out(trained.job, trained.network)
            total += tried.weight * centered(z)
            inside += tried.weight * offsets_of(trained.network)
        sums.append(total)
        offsets.append(np.tile(inside, (len(total), 1)))
        rows.append(fold.held_out)
    return np.concatenate(sums), np.concatenate(offsets), np.concatenate(rows)
