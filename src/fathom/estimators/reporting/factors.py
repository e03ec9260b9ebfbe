"""Factors for a report: each by itself, every combination, and what a prior does."""

from typing import Any, NamedTuple

import numpy as np

from fathom.data.combinations import (
    Combinations,
    Prior,
    combinations_of,
    log_prior,
    marginals,
    probabilities,
)
from fathom.data.schema import Target
from fathom.estimators.reporting.judging import class_facts, evaluate, metric_facts
from fathom.inspection.findings import Finding, find
from fathom.inspection.judging import wilson
from fathom.inspection.report.contents import (
    CombinationFacts,
    CombinationMark,
    FactorFacts,
    PriorFacts,
)
from fathom.inspection.trust import check_calibration
from fathom.training.calibration import log_loss

POWERS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the prior of training that are tried
MOST_NAMED = 6  # factors in a sentence
MATTERS = 0.005  # a share from which what a prior changes is worth a word


class _Right(NamedTuple):
    """How many rows of each combination there are, and how many are right."""

    rows: np.ndarray
    right: np.ndarray

    @property
    def recall(self) -> np.ndarray:
        """Share of right rows of each combination; NaN where there is no row."""
        return np.where(self.rows > 0, self.right / np.maximum(self.rows, 1), np.nan)

    def over(self, chosen: np.ndarray) -> float | None:
        """Return the mean share over some combinations that have rows; None where none has."""
        each = self.recall[chosen & (self.rows > 0)]
        return float(each.mean()) if len(each) else None


def judged_target(target: Target) -> Target:
    """Return what rows are judged by: of factors every combination as a class, or the target."""
    if not target.factors:
        return target
    names = combinations_of(target).names
    return Target(task="classes", classes=names, names=target.names, is_flat=False)


def asked_factors(target: Target) -> Finding:
    """Say what a model of several factors was made to answer."""
    named = ", ".join(factor.name for factor in target.factors[:MOST_NAMED])
    named += ", …" * (len(target.factors) > MOST_NAMED)
    return find(
        "asked_factors", n_factors=len(target.factors), factors=named, n_seen=len(target.seen),
        n_all=len(combinations_of(target).every),
    )  # fmt: skip


def on_factors(
    likelihoods: np.ndarray, said: np.ndarray, y: np.ndarray, target: Target, prior: Prior
) -> dict[str, Any]:
    """Find out what a report says of factors.

    Parameters
    ----------
    likelihoods : numpy.ndarray
        log p(row | combination), shape (rows, combinations).
    said : numpy.ndarray
        Probabilities of the combinations under the model's own prior, same shape.
    y : numpy.ndarray
        Place of each row's combination.
    target : Target
        Of several factors.
    prior : prior
        The model's own.
    """
    every = combinations_of(target)
    under = {power: probabilities(likelihoods, log_prior(target, power)) for power in POWERS}
    factors = _each_factor(said, y, target, every)
    combinations = _each_combination(said, under[0.0], y, every)
    priors = [_under(p, y, every, power) for power, p in under.items()]
    if prior not in ("training", "uniform", *POWERS):
        priors.append(_under(said, y, every, None))
    return {
        "factors": factors, "combinations": combinations, "priors": tuple(priors),
        "on_factors": tuple(_findings(factors, priors, under, y, every, prior)),
    }  # fmt: skip


def _each_factor(
    said: np.ndarray, y: np.ndarray, target: Target, every: Combinations
) -> tuple[FactorFacts, ...]:
    found = []
    shares = marginals(said, target)
    for place, (factor, p) in enumerate(zip(target.factors, shares, strict=True)):
        truth = every.every[y, place]
        evaluation, guess = evaluate("classes", truth, p, factor.classes)
        found.append(
            FactorFacts(
                name=factor.name, metrics=metric_facts(evaluation, guess),
                per_class=class_facts(evaluation),
                calibration=check_calibration(p / p.sum(axis=1, keepdims=True), truth),
            )
        )  # fmt: skip
    return tuple(found)


def _count(p: np.ndarray, y: np.ndarray) -> _Right:
    n = p.shape[1]
    is_right = p.argmax(axis=1) == y
    return _Right(np.bincount(y, minlength=n), np.bincount(y[is_right], minlength=n))


def _mark(every: Combinations, place: int) -> CombinationMark:
    if not every.counts[place]:
        return "new" if every.is_told[place] else "untold"
    return "rare" if every.is_rare[place] else ""


def _each_combination(
    said: np.ndarray, uniform: np.ndarray, y: np.ndarray, every: Combinations
) -> tuple[CombinationFacts, ...]:
    """Return how every combination fares, the most frequent in training first."""
    own, even = _count(said, y), _count(uniform, y)
    taken = np.bincount(said.argmax(axis=1), minlength=said.shape[1])
    mean = said.mean(axis=0)
    found = []
    for place in np.argsort(-every.counts, kind="stable").tolist():
        rows, right = int(own.rows[place]), int(own.right[place])
        low, high = wilson(right, rows) if rows else (None, None)
        found.append(
            CombinationFacts(
                name=every.names[place], n_seen=int(every.counts[place]),
                mark=_mark(every, place), n_rows=rows, recall=right / rows if rows else None,
                low=low, high=high, recall_uniform=float(even.recall[place]) if rows else None,
                n_taken=int(taken[place]), mean_probability=float(mean[place]),
                share=rows / len(y),
            )
        )  # fmt: skip
    return tuple(found)


def _is_scarce(every: Combinations) -> np.ndarray:
    """Tell which combinations are rare in training, or not there at all."""
    return every.is_rare | (every.counts == 0)


def _under(p: np.ndarray, y: np.ndarray, every: Combinations, power: float | None) -> PriorFacts:
    """Return how all rows fare under one prior."""
    counted = _count(p, y)
    mean = counted.over(np.ones(len(every.counts), bool))
    assert mean is not None  # a report has rows
    return PriorFacts(
        power=power, accuracy=float(counted.right.sum() / len(y)), mean=mean,
        rare=counted.over(_is_scarce(every)), log_loss=log_loss(p, y, np.ones(len(y))),
    )  # fmt: skip


def _findings(
    factors: tuple[FactorFacts, ...],
    priors: list[PriorFacts],
    under: dict[float, np.ndarray],
    y: np.ndarray,
    every: Combinations,
    prior: Prior,
) -> list[Finding]:
    found = [_hardest(factors)]
    found += _on_scarce(under, y, every)
    known = {one.power: one for one in priors}
    training, uniform = known[1.0], known[0.0]
    if max(abs(training.accuracy - uniform.accuracy), abs(training.mean - uniform.mean)) > MATTERS:
        found.append(
            find("factors_prior", accuracy=training.accuracy, accuracy_uniform=uniform.accuracy,
                 mean=training.mean, mean_uniform=uniform.mean)
        )  # fmt: skip
    else:
        found.append(find("factors_prior_idle"))
    if prior not in ("training", 1.0):
        shown = f"{prior}" if isinstance(prior, str | int | float) else "–"
        found.append(find("factors_own_prior", prior=shown))
    return found


def _hardest(factors: tuple[FactorFacts, ...]) -> Finding:
    """Say which factor is told worst, by what is left of the loss of guessing."""

    def left(one: FactorFacts) -> float:
        loss = next(metric for metric in one.metrics if metric.name == "log loss")
        return (loss.value or 0.0) / (loss.baseline or 1.0)

    worst = max(factors, key=left)
    accuracy = next(metric for metric in worst.metrics if metric.name == "accuracy")
    return find(
        "factors_hardest", factor=worst.name, value=accuracy.value, baseline=accuracy.baseline,
        gain=1 - left(worst),
    )  # fmt: skip


def _on_scarce(under: dict[float, np.ndarray], y: np.ndarray, every: Combinations) -> list[Finding]:
    """Say how combinations fare that are rare, or were never seen."""
    own, even = _count(under[1.0], y), _count(under[0.0], y)
    is_new = every.counts == 0
    found = []
    for code, chosen in (("factors_rare", every.is_rare & ~is_new), ("factors_new", is_new)):
        n, rows = int(chosen.sum()), int(own.rows[chosen].sum())
        if not n:
            continue
        if not rows:
            found.append(find(f"{code}_absent", n=n))
            continue
        facts = {"n": n, "n_rows": rows, "right": own.right[chosen].sum() / rows}
        found.append(find(code, **facts, uniform=even.right[chosen].sum() / rows))
    untold = int((is_new & ~every.is_told).sum())
    if untold:
        found.append(find("factors_untold", "warning", n=untold))
    return found
