"""Decoding against every alignment there is, and errors counted by hand."""

from collections import defaultdict
from itertools import groupby, product

import numpy as np
import pytest

from fathom.errors import InputError
from fathom.estimators.decoding import decode_by_beam, decode_greedily
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
