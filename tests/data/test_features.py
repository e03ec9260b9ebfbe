"""Encodings: columns where the layout says, and no row ever told by its own target."""

import warnings
from typing import get_args

import numpy as np
import pandas as pd
import polars as pl
import pytest

from fathom.data.columns import infer_columns
from fathom.data.features import (
    MOST_CODES,
    TEXT_PARTS,
    TableEncoding,
    join_trees,
    layout_of,
    n_codes,
    with_trees,
)
from fathom.data.parsing import parse_table
from fathom.data.schema import Column
from fathom.data.views import View
from fathom.errors import InputError

RNG = np.random.default_rng(0)
N = 240
WORDS = ["deep", "sea", "anchor", "rope", "salty", "wave", "ship", "storm", "captain", "lost"]
FRAME = pl.DataFrame({
    "number": RNG.normal(size=N),
    "gaps": [None if i % 7 == 0 else float(i % 23) for i in range(N)],
    "few": RNG.choice(["a", "b", "c"], N),
    "many": [f"k{k}" for k in RNG.integers(0, 30, N)],
    "is": RNG.choice(["yes", "no"], N),
    "day": pl.Series(pd.date_range("2023-11-30 06:00", periods=N, freq="31h").to_numpy()),
    "text": [" ".join(RNG.choice(WORDS, 8)) + f" {k}" for k in range(N)],
    "constant": ["c"] * N,
})  # fmt: skip
COLUMNS, _ = infer_columns(FRAME)
PARSED = parse_table(FRAME, COLUMNS)
NUMBERS = RNG.normal(size=N)
CLASSES = RNG.integers(0, 3, N)


def fit(frame=FRAME, y=NUMBERS, n_classes=0):
    parsed = parse_table(frame, infer_columns(frame)[0])
    encoding, own = TableEncoding.fit(parsed, y, n_classes, seed=0)
    return parsed, encoding, own


def frame_of(codes):
    return pl.DataFrame({"c": [f"k{k}" for k in codes]})


def test_columns_are_where_the_layout_says():
    parsed, encoding, own = fit()
    kinds = [c.kind for c in parsed.columns]
    assert kinds == ["number", "number", "category", "category", "yes_no", "date", "text",
                     "constant"]  # fmt: skip
    layout = encoding.layout
    assert layout.n_numbers == 2 + 5 + 1  # with a date's parts and one mean of the target
    assert layout.n_plain == 1 + 6 + TEXT_PARTS
    assert layout.codes == (4, 31, 3)
    assert layout == layout_of(parsed.columns, 1)
    for view in get_args(View):
        matrix = encoding.encode(parsed, view, own)
        assert matrix.shape == (N, layout.width)
        assert matrix.dtype == np.float32
        assert np.isfinite(matrix).all()
    gaps = matrix[:, layout.n_numbers]
    np.testing.assert_array_equal(gaps, np.arange(N) % 7 == 0)
    codes = matrix[:, -3:]
    assert codes[:, 0].min() == 1
    assert codes.max(axis=0).tolist() == [3, 30, 2]


def test_parts_of_dates_are_those_of_pandas():
    parsed, encoding, own = fit()
    layout = encoding.layout
    days = pd.Series(FRAME["day"].to_list())
    cycles = encoding.encode(parsed, "robust", own)[:, layout.n_numbers + 1 :][:, :6]
    hours = days.dt.hour + days.dt.minute / 60
    parts = ((days.dt.month - 1, 12), (days.dt.day_of_week, 7), (hours, 24))
    for place, (part, period) in enumerate(parts):
        angle = 2 * np.pi * part / period
        expected = np.stack([np.sin(angle), np.cos(angle)], axis=1)
        np.testing.assert_allclose(cycles[:, 2 * place : 2 * place + 2], expected, atol=1e-4)


def test_unknown_and_missing_categories_are_code_0_and_known_ones_keep_theirs():
    parsed, encoding, _ = fit()
    other = FRAME.with_columns(
        few=pl.Series(["new", None] + ["a"] * (N - 2)), many=FRAME["many"], **{"is": FRAME["is"]}
    )
    matrix = encoding.encode(parse_table(other, parsed.columns), "robust")
    assert matrix[:2, -3].tolist() == [0, 0]
    assert len(np.unique(matrix[2:, -3])) == 1


def test_a_row_is_not_told_its_own_target_through_its_category():
    codes = np.repeat(np.arange(N // 2), 2)  # pairs: in sample, a pair's mean gives it away
    y = RNG.integers(0, 2, N)
    parsed, encoding, own = fit(frame_of(codes), y, 2)
    assert abs(np.corrcoef(own[:, 0], y)[0, 1]) < 0.25
    naive = encoding.target_means(parsed)[:, 0]
    assert np.corrcoef(naive, y)[0, 1] > 0.6
    changed = y.copy()
    changed[0] = 1 - y[0]
    _, _, after = fit(frame_of(codes), changed, 2)
    assert after[0, 0] == pytest.approx(own[0, 0], abs=1e-12)
    assert after[1, 0] != own[1, 0] or after[2:, 0].tolist() != own[2:, 0].tolist()


def test_means_are_drawn_towards_the_overall_one_by_ten_rows():
    codes = np.repeat(np.arange(12), 20)
    y = RNG.normal(size=N) + codes
    parsed, encoding, own = fit(frame_of(codes), y)
    found = encoding.target_means(parsed)[:, 0]
    expected = [(y[codes == c].sum() + 10 * y.mean()) / 30 for c in codes]
    np.testing.assert_allclose(found, expected)
    for row in (0, 100):
        others = np.flatnonzero((codes == codes[row]) & (own[:, 0] != own[row, 0]))
        assert row not in others
        assert abs(own[row, 0] - codes[row]) < 6


@pytest.mark.parametrize(
    ("y", "n_classes", "n_means"),
    [(CLASSES, 3, 3), (CLASSES % 2, 2, 1), (NUMBERS, 0, 1), (np.eye(3)[CLASSES], 0, 3),
     (CLASSES % 12, 12, 0)],
)  # fmt: skip
def test_number_of_means_of_the_target(y, n_classes, n_means):
    parsed, encoding, own = fit(FRAME.select("many"), y, n_classes)
    assert own.shape == encoding.target_means(parsed).shape == (N, n_means)
    assert encoding.encode(parsed, "robust", own).shape == (N, n_means + 1)


def test_numbers_only_learn_from_the_rows_they_are_given():
    first = TableEncoding.fit(PARSED.take(np.arange(100)), NUMBERS[:100], 0, 0)[0]
    changed = FRAME.with_columns(number=FRAME["number"].scatter(range(100, N), 1e9))
    parsed = parse_table(changed, COLUMNS)
    second = TableEncoding.fit(parsed.take(np.arange(100)), NUMBERS[:100], 0, 0)[0]
    rows = PARSED.take(np.arange(100))
    for view in get_args(View):
        np.testing.assert_array_equal(first.encode(rows, view), second.encode(rows, view))


def test_texts_of_like_words_are_shown_alike():
    texts = [" ".join(RNG.choice(WORDS[:4], 9)) for _ in range(120)]
    texts += [" ".join(RNG.choice(WORDS[6:], 9)) for _ in range(120)]
    column = Column(name="text", kind="text")
    parsed = parse_table(pl.DataFrame({"text": texts}), (column,))
    encoding, _ = TableEncoding.fit(parsed, NUMBERS, 0, seed=0)
    first = encoding.encode(parsed, "robust")[:, :2]
    assert np.isfinite(first).all()
    halves = first[:120], first[120:]
    apart = np.linalg.norm(halves[0].mean(axis=0) - halves[1].mean(axis=0))
    assert apart > 2 * max(half.std(axis=0).max() for half in halves)
    empty = parse_table(pl.DataFrame({"text": [None, "", "漢字 ✨"]}), (column,))
    assert np.isfinite(encoding.encode(empty, "robust")).all()


def test_one_text_and_texts_all_the_same_are_no_error():
    column = Column(name="text", kind="text")
    for texts in (["deep sea", "salt"], ["same words"] * 30):
        parsed = parse_table(pl.DataFrame({"text": texts}), (column,))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            encoding, _ = TableEncoding.fit(parsed, NUMBERS[: len(texts)], 0, seed=0)
        assert np.isfinite(encoding.encode(parsed, "robust")).all()


def test_more_categories_than_codes_share_code_0():
    codes = np.r_[np.repeat(np.arange(2000), 2)]
    parsed, encoding, _ = fit(frame_of(codes), RNG.normal(size=4000))
    shown = encoding.encode(parsed, "robust")[:, -1]
    assert n_codes(parsed.columns[0]) <= MOST_CODES
    assert shown.max() < MOST_CODES
    assert encoding.layout.codes[0] <= MOST_CODES


def test_rows_one_by_one_are_rows_together():
    parsed, encoding, _ = fit()
    whole = encoding.encode(parsed, "quantile")
    for row in (0, 7, 100):
        single = encoding.encode(parsed.take(np.array([row])), "quantile")
        np.testing.assert_allclose(single[0], whole[row], atol=1e-5)
    assert encoding.encode(parsed.take(np.zeros(0, int)), "quantile").shape == (0, whole.shape[1])


def test_columns_of_trees_come_behind_the_plain_ones():
    parsed, encoding, own = fit()
    matrix, layout = encoding.encode(parsed, "robust", own), encoding.layout
    joined = join_trees(matrix, layout, np.full((N, 2), 9.0))
    at = layout.n_numbers + layout.n_plain
    assert (joined[:, at : at + 2] == 9).all()
    np.testing.assert_array_equal(np.delete(joined, [at, at + 1], axis=1), matrix)
    assert with_trees(layout, 2).width == joined.shape[1]


def test_a_table_of_nothing_to_learn_from_is_refused():
    columns = (Column(name="c", kind="constant"), Column(name="i", kind="identifier"))
    parsed = parse_table(pl.DataFrame({"c": ["a", "a"], "i": [1, 2]}), columns)
    with pytest.raises(InputError, match="differs from row to row"):
        TableEncoding.fit(parsed, NUMBERS[:2], 0, 0)
