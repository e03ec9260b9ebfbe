"""Combinations of factors: B* by brute force, priors, and what follows from what was seen."""

import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.data.combinations import (
    combinations_of,
    fit_combined,
    log_likelihoods,
    log_prior,
    marginals,
    probabilities,
    with_scores,
)
from fathom.data.target import parse_target
from fathom.errors import InputError

SIZES = (2, 3)


def make(counts):
    """Return a target of two factors with so many rows of each combination, and their numbers."""
    pairs = list(itertools.product(("f", "m"), ("dark", "fair", "red")))
    rows = [pair for pair, count in zip(pairs, counts, strict=True) for _ in range(count)]
    frame = pl.DataFrame({"sex": [a for a, _ in rows], "hair": [b for _, b in rows]})
    parsed = parse_target(frame)
    return parsed.target, parsed.values


TARGET, Y = make((40, 10, 9, 10, 30, 0))


def test_several_columns_of_classes_are_factors_of_one_answer():
    assert TARGET.names == ("sex", "hair")
    assert [factor.classes for factor in TARGET.factors] == [("f", "m"), ("dark", "fair", "red")]
    assert TARGET.classes[1] == "f + fair"
    assert TARGET.counts == (40, 10, 9, 10, 30)
    assert np.bincount(Y).tolist() == list(TARGET.counts)


def energies(n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 2)), rng.normal(size=(n, 3)), rng.normal(size=5)


def test_log_partition_is_that_of_brute_force():
    first, second, offsets = energies(7)
    weight = np.random.default_rng(1).uniform(0.5, 2, 7)
    every = list(itertools.product(range(2), range(3)))
    seen = [place for place, pair in enumerate(every) if pair != (1, 2)]
    g = np.array([[first[i, a] + second[i, b] for a, b in every] for i in range(7)])
    sums = g[:, seen] + offsets
    combined = fit_combined(sums + 100.0, offsets, weight, TARGET)  # what all share is nothing
    for place in range(6):
        parts = [
            weight[i] / weight.sum() * np.exp(g[i, place]) / np.exp(sums[i]).sum() for i in range(7)
        ]
        np.testing.assert_allclose(combined.log_partition[place], np.log(sum(parts)), atol=1e-9)
    found = probabilities(log_likelihoods(sums, offsets, combined, TARGET), np.log([1 / 6] * 6))
    joint = np.exp(g - np.array(combined.log_partition))
    np.testing.assert_allclose(found, joint / joint.sum(axis=1, keepdims=True), rtol=1e-7)


def test_a_calibrated_network_keeps_its_probabilities_under_the_prior_of_training():
    """Where mean probabilities are the shares, B* gives back what was learned."""
    first, second, offsets = energies(400, 2)
    every = np.array(list(itertools.product(range(2), range(3))))[:5]
    sums = first[:, every[:, 0]] + second[:, every[:, 1]] + offsets
    p = np.exp(sums) / np.exp(sums).sum(axis=1, keepdims=True)
    counts = np.round(p.mean(axis=0) * 1e6).astype(int)
    target = TARGET.model_copy(update={"counts": tuple(counts.tolist())})
    combined = fit_combined(sums, offsets, np.ones(400), target)
    found = probabilities(
        log_likelihoods(sums, offsets, combined, target), log_prior(target, "training")
    )
    np.testing.assert_allclose(found[:, :5], p, atol=1e-4)
    assert (found[:, 5] > 0).all()  # never seen, and yet possible


def test_priors_go_from_uniform_to_training():
    shares = np.array([40, 10, 9, 10, 30, 0]) / 99
    np.testing.assert_allclose(np.exp(log_prior(TARGET, "training")), shares, atol=0.011)
    np.testing.assert_allclose(np.exp(log_prior(TARGET, "uniform")), 1 / 6)
    np.testing.assert_allclose(log_prior(TARGET, 0), log_prior(TARGET, "uniform"))
    np.testing.assert_allclose(log_prior(TARGET, 1.0), log_prior(TARGET, "training"))
    half = log_prior(TARGET, 0.5)
    np.testing.assert_allclose(np.exp(half).sum(), 1)
    np.testing.assert_allclose(half[0] - half[4], np.log((40 + 1 / 6) / (30 + 1 / 6)) / 2)


def test_ones_own_prior_counts_and_what_it_leaves_out_is_impossible():
    prior = log_prior(TARGET, {("m", "red"): 3, "f + dark": 1})
    np.testing.assert_allclose(np.exp(prior), [0.25, 0, 0, 0, 0, 0.75])
    p = probabilities(np.zeros((2, 6)), prior)
    np.testing.assert_allclose(p, [[0.25, 0, 0, 0, 0, 0.75]] * 2)


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        ("evenly", "a prior: training, uniform"),
        (1.5, "from 0 .uniform. to 1 .training."),
        (True, "a prior"),
        ({("m", "blue"): 1}, "such as 'f . dark' — got 'm . blue'"),
        ({("m", "red"): -1}, "a share of 0 or more for"),
        ({("m", "red"): float("nan")}, "a share of 0 or more"),
        ({("m", "red"): 0}, "a prior with a share above 0"),
    ],
)
def test_priors_that_are_none(prior, message):
    with pytest.raises(InputError, match=message):
        log_prior(TARGET, prior)


def test_marginals_add_up_combinations():
    p = np.random.default_rng(0).dirichlet(np.ones(6), 4)
    sex, hair = marginals(p, TARGET)
    np.testing.assert_allclose(sex, p.reshape(4, 2, 3).sum(axis=2))
    np.testing.assert_allclose(hair, p.reshape(4, 2, 3).sum(axis=1))


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(0, 3).map(lambda n: 2 * n), min_size=6, max_size=6), st.integers(0, 1000)
)
def test_sums_of_all_follow_from_those_seen_where_they_can(counts, seed):
    table = np.reshape(counts, SIZES)
    if not (table.sum(axis=1).all() and table.sum(axis=0).all()):
        return
    target, _ = make(counts)
    found = combinations_of(target)
    rng = np.random.default_rng(seed)
    first, second, shift = rng.normal(size=2), rng.normal(size=3), rng.normal()
    every = first[found.every[:, 0]] + second[found.every[:, 1]] + shift
    made = found.spread @ every[found.seen_at]
    np.testing.assert_allclose(made[found.is_told], every[found.is_told], atol=1e-9)
    np.testing.assert_allclose(found.spread.sum(axis=1), 1)
    assert found.is_told[found.seen_at].all()


def test_two_that_share_nothing_do_not_tell_the_others():
    parsed = parse_target(pl.DataFrame({"a": ["x", "y"] * 3, "b": ["p", "q"] * 3}))
    assert combinations_of(parsed.target).is_told.tolist() == [True, False, False, True]


def test_held_out_rows_are_counted_under_both_priors():
    first, second, offsets = (
        np.zeros((99, 2)),
        np.zeros((99, 3)),
        np.log(np.array([40, 10, 9, 10, 30]) / 99),
    )
    sums = np.tile(offsets, (99, 1)) + first[:, [0]] + second[:, [0]]
    combined = fit_combined(sums, offsets, np.ones(99), TARGET)
    scores = with_scores(combined, sums, offsets, Y, TARGET).scores
    assert [s.n_rows for s in scores] == [40, 10, 9, 10, 30, 0]
    assert [s.right for s in scores] == [40, 0, 0, 0, 0, 0]  # nothing is known but the prior


BAD = {
    "one class only": (pl.DataFrame({"a": ["x"] * 9, "b": list("pqr") * 3}), "two classes or more"),
    "measures": (
        pl.DataFrame({"a": list("xyz") * 9, "b": np.linspace(0, 1, 27)}),
        "all numbers, or all classes — got classes in a and numbers in b",
    ),
    "missing": (pl.DataFrame({"a": ["x", "y", None] * 9, "b": list("pqr") * 9}), "in every row"),
    "too many": (
        pl.DataFrame({name: [f"c{n % 99}" for n in range(198)] for name in "ab"}),
        "1,024 combinations together",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_targets_that_are_no_factors(name):
    frame, message = BAD[name]
    with pytest.raises(InputError, match=message):
        parse_target(frame)


def test_labels_stay_labels_unless_classes_are_asked_for():
    frame = pl.DataFrame({"a": [0, 1, 1, 0], "b": [1, 1, 0, 0]})
    parsed = parse_target(frame)
    assert parsed.target.task == "labels"
    assert "--task classes takes them as factors" in parsed.notes[0]
    assert len(parse_target(frame, "classes").target.factors) == 2
    with pytest.raises(InputError, match="classes in b — got numbers"):
        parse_target(frame.with_columns(b=pl.Series([0.5, 1.5, 0.5, 1.5])), "classes")
