"""The greedy ensemble against brute force, and against the promises of greed."""

from itertools import combinations_with_replacement

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.search.ensemble import FIRST, choose_ensemble

RNG = np.random.default_rng(0)
TRUTH = RNG.normal(size=30)


def error(prediction):
    return float(np.mean((prediction - TRUTH) ** 2))


def draw_members(n, seed):
    rng = np.random.default_rng(seed)
    spread = rng.uniform(0.1, 2, n)[:, None]
    return list(TRUTH + spread * rng.normal(size=(n, 30)) + rng.normal(size=(n, 1)))


def choose(members, **options):
    return choose_ensemble(members, [error(m) for m in members], error, **options)


def brute_force(members, n_picks):
    picks = combinations_with_replacement(range(len(members)), n_picks)
    return min(error(np.mean([members[m] for m in pick], axis=0)) for pick in picks)


@settings(deadline=None, max_examples=80)
@given(st.integers(1, 8), st.integers(0, 10_000))
def test_no_single_network_and_none_of_the_first_means_is_better(n, seed):
    members = draw_members(n, seed)
    weights, loss = choose(members)
    assert weights.sum() == pytest.approx(1)
    assert (weights >= 0).all()
    assert loss == pytest.approx(error(np.average(members, axis=0, weights=weights)))
    order = np.argsort([error(m) for m in members])
    for k in range(1, min(FIRST, n) + 1):
        assert loss <= error(np.mean([members[m] for m in order[:k]], axis=0)) * (1 + 1e-9)


def greedy_by_hand(members, most_picks):
    """Keep a list of picks, and work every mean out from it anew."""
    loss = lambda picks: error(np.mean([members[m] for m in picks], axis=0))
    order = sorted(range(len(members)), key=lambda m: error(members[m]))
    picks = min((order[:k] for k in range(1, min(FIRST, len(members)) + 1)), key=loss)
    while len(picks) < most_picks:
        longer = min(([*picks, m] for m in range(len(members))), key=loss)
        if loss(longer) >= loss(picks) * (1 - 1e-5):
            break
        picks = longer
    return picks, loss(picks)


@pytest.mark.parametrize("seed", range(12))
def test_it_is_the_greedy_choice_and_never_beats_the_best_of_all(seed):
    members = draw_members(4, seed)
    weights, loss = choose(members, most_picks=5)
    picks, expected = greedy_by_hand(members, 5)
    assert loss == pytest.approx(expected)
    np.testing.assert_allclose(weights, np.bincount(picks, minlength=4) / len(picks))
    assert min(brute_force(members, k) for k in range(1, 6)) <= loss * (1 + 1e-9)


def test_where_members_err_independently_it_is_the_best_of_all():
    rng = np.random.default_rng(0)
    members = [TRUTH + rng.normal(size=30) for _ in range(4)]
    _, loss = choose(members, most_picks=5)
    best = min(brute_force(members, k) for k in range(1, 6))
    assert loss <= best * 1.05


def test_picks_are_limited():
    members = draw_members(6, 3)
    weights, _ = choose(members, most_picks=4)
    assert np.count_nonzero(weights) <= 4


def test_one_network_is_the_ensemble():
    weights, loss = choose(draw_members(1, 0))
    assert weights.tolist() == [1.0]
    assert loss == error(draw_members(1, 0)[0])


def test_networks_that_say_the_same_are_taken_once():
    one = TRUTH + 0.3
    weights, _ = choose([one, one.copy(), TRUTH + 9])
    assert weights.tolist() == [1.0, 0.0, 0.0]


def test_what_errs_to_the_other_side_joins_though_it_is_poor():
    weights, loss = choose([TRUTH + 0.2, TRUTH + 0.21, TRUTH + 0.22, TRUTH - 0.3])
    assert weights[3] > 0
    assert loss < 2e-3


def test_choosing_changes_no_prediction():
    members = draw_members(5, 1)
    before = [m.copy() for m in members]
    choose(members)
    for a, b in zip(members, before, strict=True):
        np.testing.assert_array_equal(a, b)
