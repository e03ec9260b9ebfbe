"""Sketches: within the error they state, whatever the order and the shape of what they see."""

import numpy as np
import polars as pl
import pytest

from fathom.data.sketches import QuantileSketch, WordCounts

N = 60_000
RNG = np.random.default_rng(5)
NORMAL = RNG.normal(size=N)
SHAPES = {
    "in any order": NORMAL,
    "ascending": np.sort(NORMAL),
    "descending": np.sort(NORMAL)[::-1],
    "few values": RNG.integers(0, 5, N).astype(float),
    "heavy tails": RNG.standard_cauchy(N) * 10.0 ** RNG.uniform(-100, 100, N),
    "a step": np.concatenate([np.zeros(N - 1), [1.0]]),
}
SHARES = np.linspace(0, 1, 201)


def sketch_of(values, n_pieces, capacity=256, seed=0):
    sketch = QuantileSketch(seed, capacity)
    for piece in np.array_split(values, n_pieces):
        sketch.update(piece)
    return sketch


def rank_errors(found, values):
    """Return by what share of the values each quantile lies beside where it should."""
    ordered = np.sort(values)
    low = np.searchsorted(ordered, found, "left") / len(values)
    high = np.searchsorted(ordered, found, "right") / len(values)
    return np.maximum(np.maximum(low - SHARES, SHARES - high), 0)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n_pieces", [3, 500])
def test_ranks_are_within_the_error_stated(shape, n_pieces):
    values = SHAPES[shape]
    sketch = sketch_of(values, n_pieces)
    assert (sketch.n, sketch.low, sketch.high) == (N, values.min(), values.max())
    assert sketch.size < 3 * 256 + 200
    assert 0 < sketch.rank_error() < 0.1
    found = sketch.quantiles(SHARES)
    assert rank_errors(found, values).max() <= sketch.rank_error() + 2 / N
    assert (found[0], found[-1]) == (values.min(), values.max())
    assert np.all(np.diff(found) >= 0)


def test_the_error_stated_is_not_idle():
    # By Azuma's bound at 32 % of chance, one in three of many sketches might lie outside.
    errors = [rank_errors(sketch_of(NORMAL, 40, seed=k).quantiles(SHARES), NORMAL)[100]
              for k in range(20)]  # fmt: skip
    stated = sketch_of(NORMAL, 40).rank_error()
    assert stated / 50 < max(errors) < stated
    larger = QuantileSketch(capacity=4096)
    for piece in np.array_split(NORMAL, 40):
        larger.update(piece)
    assert larger.rank_error() < stated / 4


def test_of_few_values_quantiles_are_exact():
    values = RNG.normal(size=300)
    sketch = sketch_of(values, 3, capacity=4096)
    assert sketch.rank_error() == 0
    assert sketch.quantiles(SHARES) == pytest.approx(np.quantile(values, SHARES), rel=1e-12)


@pytest.mark.parametrize("n_parts", [2, 7])
def test_merged_it_is_as_if_it_had_seen_all(n_parts):
    values = np.sort(NORMAL)
    whole = QuantileSketch(capacity=256)
    for number, part in enumerate(np.array_split(values, n_parts)):
        before = sketch_of(part, 20, seed=number)
        kept = before.copy()
        whole.merge(before)
        assert np.array_equal(before.quantiles(SHARES), kept.quantiles(SHARES))
    assert (whole.n, whole.low, whole.high) == (N, values[0], values[-1])
    assert whole.size < 3 * 256 + 200
    assert rank_errors(whole.quantiles(SHARES), values).max() <= whole.rank_error() + 2 / N


def test_missing_values_are_passed_over_and_nothing_is_known_of_nothing():
    sketch = QuantileSketch()
    assert np.isnan(sketch.quantiles([0.5])).all()
    sketch.update(np.full(10, np.nan))
    assert sketch.n == 0
    sketch.update(np.array([np.nan, 3.0, np.nan, 1.0]))
    assert sketch.quantiles([0, 0.5, 1]).tolist() == [1.0, 2.0, 3.0]


def test_words_are_counted_exactly_where_there_is_room():
    words = pl.Series([f"w{n % 40}" for n in range(1000)] + [None])
    counts = WordCounts(room=40)
    for begin in range(0, 1001, 77):
        counts.update(words[begin : begin + 77])
    assert counts.most_lost == 0
    assert counts.n == 1000
    assert counts.words.rows() == sorted([(f"w{n}", 25) for n in range(40)], key=lambda r: r[0])


@pytest.mark.parametrize("is_sorted", [False, True])
def test_without_room_frequent_words_are_kept_within_the_error(is_sorted):
    rng = np.random.default_rng(1)
    numbers = np.minimum(rng.zipf(1.4, 20_000), 10**6)
    words = pl.Series([f"w{n}" for n in (np.sort(numbers)[::-1] if is_sorted else numbers)])
    halves = [WordCounts(room=100), WordCounts(room=100)]
    for half, part in zip(halves, (words[:10_000], words[10_000:]), strict=True):
        for begin in range(0, 10_000, 1000):
            half.update(part[begin : begin + 1000])
    counts = halves[0]
    counts.merge(halves[1])
    exact = dict(words.value_counts(name="n").rows())
    found = dict(counts.words.rows())
    assert counts.n == 20_000
    assert 0 < counts.most_lost <= 20_000 / 101
    assert len(found) <= 100
    for word, n in exact.items():
        assert n - counts.most_lost <= found.get(word, 0) <= n
