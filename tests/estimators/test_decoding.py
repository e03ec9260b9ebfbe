"""Decoding against every alignment there is, and errors counted by hand."""

from collections import defaultdict
from itertools import groupby, product

import numpy as np
import pytest

from fathom.errors import InputError
from fathom.estimators.decoding import (
    decode_by_beam,
    decode_greedily,
    decode_together,
    log_likelihood,
)
from fathom.estimators.spelling import edit_distance, error_rate, evaluate_texts


def collapse(path):
    return tuple(sign for sign, _ in groupby(path) if sign)


def by_enumeration(log_probabilities):
    """Return the probability of every text: that of all its alignments together."""
    time, signs = log_probabilities.shape
    found = defaultdict(float)
    for path in product(range(signs), repeat=time):
        found[collapse(path)] += np.exp(log_probabilities[np.arange(time), path].sum())
    return found


@pytest.mark.parametrize("seed", range(12))
def test_a_beam_as_wide_as_all_beginnings_finds_the_likeliest_text(seed):
    rng = np.random.default_rng(seed)
    time, signs = int(rng.integers(1, 6)), int(rng.integers(2, 5))
    log_probabilities = np.log(rng.dirichlet(np.full(signs, 0.7), time))
    found = by_enumeration(log_probabilities)
    assert sum(found.values()) == pytest.approx(1)
    best = max(found, key=found.get)
    assert found[decode_by_beam(log_probabilities, 10_000)] == pytest.approx(found[best])
    path = log_probabilities.argmax(axis=1)
    assert decode_greedily(log_probabilities) == collapse(path.tolist())


@pytest.mark.parametrize("seed", range(6))
def test_several_networks_say_what_is_likeliest_on_average(seed):
    rng = np.random.default_rng(seed)
    time, signs = int(rng.integers(2, 6)), int(rng.integers(2, 4))
    each = [np.log(rng.dirichlet(np.full(signs, 0.5), time)) for _ in range(3)]
    found = [by_enumeration(one) for one in each]
    for one, known in zip(each, found, strict=True):
        for text, p in known.items():
            assert np.exp(log_likelihood(one, text)) == pytest.approx(p)
        assert log_likelihood(one, (1,) * (time + 1)) == -np.inf  # longer than there are moments
    mean = {text: np.mean([known[text] for known in found]) for text in found[0]}
    assert mean[decode_together(each, 10_000)] == pytest.approx(max(mean.values()))
    assert decode_together(each[:1], 10_000) == decode_by_beam(each[0], 10_000)
    assert decode_together(each[:1], 1) == decode_greedily(each[0])


def test_networks_that_say_the_same_at_different_moments_agree():
    early, late = (
        np.log(np.array(p)) for p in ([[0.1, 0.9], [0.9, 0.1]], [[0.9, 0.1], [0.1, 0.9]])
    )
    assert decode_together([early, late]) == (1,)
    assert decode_together([early, late], 1) == (1,)


def test_the_likeliest_alignment_is_not_always_of_the_likeliest_text():
    log_probabilities = np.log([[0.6, 0.4], [0.6, 0.4]])  # blank, blank: 0.36; one sign: 0.64
    assert decode_greedily(log_probabilities) == ()
    assert decode_by_beam(log_probabilities) == (1,)


def test_a_sign_twice_needs_a_blank_between():
    sure = lambda *path: np.log(np.eye(3)[list(path)] * 0.98 + 0.01)
    assert decode_by_beam(sure(1, 1, 0, 1, 2)) == (1, 1, 2)
    assert decode_by_beam(sure(1, 1, 1, 2, 2)) == (1, 2)
    assert decode_by_beam(np.zeros((0, 3))) == ()
    assert decode_greedily(np.zeros((0, 3))) == ()


@pytest.mark.parametrize(
    ("a", "b", "distance"),
    [("", "", 0), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("ab", "ba", 2),
     ("flaw", "lawn", 2), (["one", "two"], ["two"], 1)],
)  # fmt: skip
def test_edit_distance_by_hand(a, b, distance):
    assert edit_distance(a, b) == edit_distance(b, a) == distance


def test_error_rates_by_hand():
    right = ["1 2 3 4", "5 6"]
    said = ["1 3 3", "5 6 6 6"]  # one replaced and one left out; two put in
    assert error_rate(right, said) == pytest.approx(4 / 6)
    assert error_rate(right, said, of_words=False) == pytest.approx((3 + 4) / 10)
    assert error_rate(right, right) == 0
    assert error_rate(["a b"], [""]) == 1


def test_what_is_written_down_is_judged_with_intervals():
    right = ["a b", "c", "d e f", "g"] * 20
    said = ["a b", "c", "d x f", ""] * 20
    found = evaluate_texts(right, said)
    assert found["word error rate"].value == pytest.approx(2 / 7)
    assert found["character error rate"].value == pytest.approx(2 / 10)
    assert found["exact match"].value == pytest.approx(0.5)
    for metric in found.metrics:
        assert metric.low < metric.value < metric.high
    assert "word error rate" in str(found)
    with pytest.raises(InputError):
        evaluate_texts([], [])
