"""Combinations: several columns of classes as factors of one answer, and their probabilities.

With energies E_j(x) of each factor j, features are taken to come about as

    p(x | z) = exp(-Σ_j E_j(x)[z_j]) / Z(z),   so that   p(z | x) ∝ exp(G(x, z) - B*(z)) q(z)

for any prior q over the combinations z, seen in training or not. G is minus the total energy and
B* = log Z is worked out afterwards, so another prior needs no other training.

References
----------
Mahajan, Pezeshki, Arnal, Mitliagkas, Ahuja, Vincent (2025). Compositional risk minimization. ICML.
arXiv:2410.06303.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from pydantic import Field, FiniteFloat

from fathom.data.cells import listing, nearest, quoted
from fathom.data.frames import tell_apart
from fathom.data.schema import MAX_COMBINATIONS, MAX_FACTORS, Factor, Label, Target
from fathom.errors import InputError
from fathom.values import Value

Prior: TypeAlias = str | float | Mapping[Any, float]
RARE_SHARE = 0.25  # of an even share: below it a combination is called rare
_SURE = 1e-6


class CombinationScore(Value):
    """How one combination fared on rows that were held out.

    Attributes
    ----------
    n_rows : int
        Rows of it.
    right : int
        Rows that were taken for it under the prior of training.
    right_uniform : int
        The same, all combinations being equally probable beforehand.
    """

    n_rows: int = Field(ge=0)
    right: int = Field(ge=0)
    right_uniform: int = Field(ge=0)


class Combined(Value):
    """What turns a trained network's sums into probabilities of all combinations.

    Attributes
    ----------
    sharpness : float
        The factor β that calibrates the sums.
    log_partition : tuple of float
        B*(z) of every combination, seen or not, in the order of `Combinations.every`.
    scores : tuple of CombinationScore
        How each fared on held-out rows; empty where none were.
    """

    sharpness: FiniteFloat = Field(default=1.0, gt=0, le=100)
    log_partition: tuple[FiniteFloat, ...] = Field(min_length=1, max_length=MAX_COMBINATIONS)
    scores: tuple[CombinationScore, ...] = Field(default=(), max_length=MAX_COMBINATIONS)


@dataclass(frozen=True)
class Combinations:
    """Every combination of a target's factors.

    Attributes
    ----------
    every : numpy.ndarray
        Class numbers, shape (combinations, factors), the last factor's changing fastest.
    seen_at : numpy.ndarray
        The place of each combination that training saw.
    counts : numpy.ndarray
        How many training rows each has.
    spread : numpy.ndarray
        Shape (combinations, seen): how sums of those seen make the sums of all. Of those seen it
        is their own part that is a sum over factors.
    is_told : numpy.ndarray
        Whether its sum follows from those seen; where not, only the part that does is taken.
    names : tuple of str
        Each in words.
    """

    every: np.ndarray
    seen_at: np.ndarray
    counts: np.ndarray
    spread: np.ndarray
    is_told: np.ndarray
    names: tuple[str, ...]

    def to_seen(self, places: np.ndarray) -> np.ndarray:
        """Return numbers among the combinations seen, -1 for others, from places among all."""
        numbers = np.full(len(self.every) + 1, -1)
        numbers[self.seen_at] = np.arange(len(self.seen_at))
        return np.asarray(numbers[places])

    @property
    def is_rare(self) -> np.ndarray:
        """Whether a combination has less than a quarter of an even share of the rows."""
        return self.counts < RARE_SHARE * self.counts.sum() / len(self.counts)


@lru_cache(maxsize=64)
def combinations_of(target: Target) -> Combinations:
    """Return every combination of a target's factors, and what is known of them.

    Examples
    --------
    >>> factors = (
    ...     Factor(name="sex", classes=("f", "m")), Factor(name="hair", classes=("dark", "fair"))
    ... )
    >>> target, y = join_factors(factors, np.array([[0, 1], [0, 0], [1, 0], [1, 0]]))
    >>> found = combinations_of(target)
    >>> dict(zip(found.names, found.counts.tolist()))
    {'f + dark': 1, 'f + fair': 1, 'm + dark': 2, 'm + fair': 0}
    >>> y
    array([1, 0, 2, 2])
    """
    sizes = [len(factor.classes) for factor in target.factors]
    every = np.array(list(itertools.product(*map(range, sizes))))
    seen_at = np.ravel_multi_index(tuple(np.array(target.seen).T), sizes)
    counts = np.zeros(len(every), np.int64)
    counts[seen_at] = target.counts
    parts = np.zeros((len(every), sum(sizes)))
    np.put_along_axis(parts, every + np.cumsum([0, *sizes[:-1]]), 1.0, axis=1)
    inverse = np.linalg.pinv(parts[seen_at])
    spread = parts @ inverse
    is_told = np.abs(spread @ parts[seen_at] - parts).max(axis=1) < _SURE
    # What is added to all sums of a row is to be added to those made of them, too.
    spread -= (spread.sum(axis=1, keepdims=True) - 1) / len(seen_at)
    names = _in_words([factor.classes for factor in target.factors], every)
    return Combinations(every, seen_at, counts, spread, is_told, names)


def _in_words(classes: Sequence[tuple[Label, ...]], every: np.ndarray) -> tuple[str, ...]:
    words = [
        " + ".join(str(names[number]) for names, number in zip(classes, one, strict=True))
        for one in every
    ]
    return tuple(tell_apart(words))


def join_factors(factors: Sequence[Factor], numbers: np.ndarray) -> tuple[Target, np.ndarray]:
    """Return the target of several factors, and the number of each row's combination.

    Parameters
    ----------
    factors : sequence of Factor
        The factors.
    numbers : numpy.ndarray
        Class numbers, shape (rows, factors).
    """
    sizes = [len(factor.classes) for factor in factors]
    if len(factors) > MAX_FACTORS or math.prod(sizes) > MAX_COMBINATIONS:
        raise InputError(
            f"at most {MAX_FACTORS} targets of {MAX_COMBINATIONS:,} combinations together",
            got=f"{len(factors)} of {' × '.join(map(str, sizes))} classes",
            hint="predict fewer columns together, or join rare classes",
        )
    flat = np.ravel_multi_index(tuple(numbers.T), sizes)
    found, inverse, counts = np.unique(flat, return_inverse=True, return_counts=True)
    if len(found) < 2:
        raise InputError(
            "two combinations or more", got="the same one in all rows",
            hint="predict one column alone",
        )  # fmt: skip
    seen = np.stack(np.unravel_index(found, sizes), axis=1)
    every = np.array(list(itertools.product(*map(range, sizes))))
    words = _in_words([factor.classes for factor in factors], every)
    target = Target(
        task="classes", classes=tuple(words[place] for place in found), is_flat=False,
        names=tuple(factor.name for factor in factors), factors=tuple(factors),
        seen=tuple(map(tuple, seen.tolist())), counts=tuple(counts.tolist()),
    )  # fmt: skip
    return target, inverse.reshape(-1)


def log_prior(target: Target, prior: Prior) -> np.ndarray:
    """Return the logarithm of what is probable before anything is known of a row.

    Parameters
    ----------
    target : Target
        Of several factors.
    prior : "training", "uniform", float, or mapping of combination to share
        ``training``: as frequent as in the training rows, one further row being shared evenly by
        all combinations. ``uniform``: all alike. A number from 0 to 1: training to that power,
        which goes from uniform (0) to training (1). A mapping: one's own shares, by the classes of
        each combination (a tuple, or text with + between them); what it leaves out is impossible.

    Returns
    -------
    numpy.ndarray
        One for each combination, in the order of `Combinations.every`; -inf where impossible.

    Raises
    ------
    InputError
        If it is none of these, or names a combination that is none.
    """
    found = combinations_of(target)
    n = len(found.every)
    training = np.log((found.counts + 1 / n) / (found.counts.sum() + 1))
    power = _as_power(prior)
    if power is None:
        assert isinstance(prior, Mapping)
        share = np.zeros(n)
        for name, value in prior.items():
            share[_place_of(name, found, target)] = _as_share(name, value)
        if not share.sum() > 0:
            raise InputError(
                "a prior with a share above 0", got="0 for every combination",
                hint="give a share to one at least",
            )  # fmt: skip
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(share / share.sum()))
    moved = power * training
    return np.asarray(moved - _log_sum(moved[None])[0])


def check_prior(prior: object) -> None:
    """Refuse what can be no prior for any target.

    Raises
    ------
    InputError
        If it is none.
    """
    if not isinstance(prior, Mapping):
        _as_power(prior)


def _as_power(prior: object) -> float | None:
    """Return the power of the training prior that is meant; None for one's own shares."""
    if isinstance(prior, Mapping):
        return None
    if prior in ("training", "uniform"):
        return float(prior == "training")
    is_number = isinstance(prior, int | float | np.number) and not isinstance(prior, bool)
    if not (is_number and 0 <= float(prior) <= 1):  # type: ignore[arg-type]
        raise InputError(
            "a prior: training, uniform, a number from 0 (uniform) to 1 (training), or shares of "
            "your own", got=repr(prior)[:80],
        )  # fmt: skip
    return float(prior)  # type: ignore[arg-type]


def _as_share(name: object, value: object) -> float:
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not (is_number and math.isfinite(float(value)) and float(value) >= 0):  # type: ignore[arg-type]
        raise InputError(f"a share of 0 or more for {quoted(name)}", got=repr(value)[:80])
    return float(value)  # type: ignore[arg-type]


def _place_of(name: object, found: Combinations, target: Target) -> int:
    """Return the place of a combination that a user names."""
    words = name if isinstance(name, str) else None
    if isinstance(name, tuple | list):
        words = " + ".join(str(_plain(part)) for part in name)
    if words is None or words not in found.names:
        shown = words if words is not None else str(name)
        raise InputError(
            f"combinations of {listing(target.names)} in the prior, such as "
            f"'{quoted(found.names[0])}'",
            got=f"'{quoted(shown)}'", hint=nearest(shown, list(found.names)),
        )  # fmt: skip
    return found.names.index(words)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def fit_combined(
    sums: np.ndarray,
    offsets: np.ndarray,
    weight: np.ndarray,
    target: Target,
    sharpness: float = 1.0,
) -> Combined:
    """Work out B*: how much of the features' space each combination fills.

    B*(z) = log mean_i [ exp G(x_i, z) / Σ_z' exp s(z' | x_i) ], z' over the combinations seen and
    s = G + offset the sums learned in training. It makes the mean probability of each seen
    combination what its share was, and holds for unseen ones too.

    Parameters
    ----------
    sums : numpy.ndarray
        s of each row, shape (rows, seen); what is added to a whole row changes nothing.
    offsets : numpy.ndarray
        The offset of each combination seen, which its sums contain.
    weight : numpy.ndarray
        Weight of each row.
    target : Target
        Of several factors.
    sharpness : float
        What sums are multiplied by.
    """
    found = combinations_of(target)
    whole = sharpness * sums.astype(np.float64)
    scores = sharpness * (sums - offsets) @ found.spread.T
    level = scores - _log_sum(whole)[:, None]
    with np.errstate(divide="ignore"):
        share = np.log(weight / weight.sum())
    partition = _log_sum((level + share[:, None]).T)
    return Combined(sharpness=sharpness, log_partition=tuple(partition.tolist()))


def with_scores(
    combined: Combined, sums: np.ndarray, offsets: np.ndarray, y: np.ndarray, target: Target
) -> Combined:
    """Say how each combination fares on rows that took no part in training.

    Parameters
    ----------
    combined : Combined
        What was worked out.
    sums, offsets : numpy.ndarray
        As for `fit_combined`, of these rows.
    y : numpy.ndarray
        Number of each row's combination among those seen.
    target : Target
        Of several factors.
    """
    found = combinations_of(target)
    likelihoods = log_likelihoods(sums, offsets, combined, target)
    places = found.seen_at[y]
    told: list[np.ndarray] = []
    for prior in ("training", "uniform"):
        right = probabilities(likelihoods, log_prior(target, prior)).argmax(axis=1) == places
        told.append(np.bincount(places, right, len(found.every)).astype(int))
    n_rows = np.bincount(places, minlength=len(found.every))
    each = tuple(
        CombinationScore(n_rows=int(n), right=int(a), right_uniform=int(b))
        for n, a, b in zip(n_rows, *told, strict=True)
    )
    return combined.model_copy(update={"scores": each})


def log_likelihoods(
    sums: np.ndarray, offsets: np.ndarray | float, combined: Combined, target: Target
) -> np.ndarray:
    """Return log p(x | z) of every combination, up to what all of a row have in common.

    Parameters
    ----------
    sums, offsets : numpy.ndarray
        As for `fit_combined`.
    combined : Combined
        What was worked out from the training's rows.
    target : Target
        Of several factors.
    """
    spread = combinations_of(target).spread
    scores = combined.sharpness * ((sums - offsets) @ spread.T)
    return np.asarray(scores - np.array(combined.log_partition))


def probabilities(likelihoods: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Return p(z | x) from log p(x | z) and log q(z), rows summing to 1."""
    joint = likelihoods + prior
    return np.exp(joint - _log_sum(joint)[:, None])


def marginals(p: np.ndarray, target: Target) -> list[np.ndarray]:
    """Return the probability of each factor's classes, from those of the combinations."""
    every = combinations_of(target).every
    return [
        p @ (every[:, [j]] == np.arange(len(factor.classes))).astype(float)
        for j, factor in enumerate(target.factors)
    ]


def _log_sum(values: np.ndarray) -> np.ndarray:
    """Return log Σ exp along the last axis."""
    highest = values.max(axis=-1, keepdims=True)
    total = np.log(np.exp(values - highest).sum(axis=-1)) + highest[..., 0]
    return np.asarray(total)
