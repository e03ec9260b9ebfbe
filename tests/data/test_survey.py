"""Surveys: what all rows hold, where a sample cannot know it."""

import datetime

import numpy as np
import polars as pl
import pytest

from fathom.data.columns import infer_columns
from fathom.data.features import TableEncoding
from fathom.data.parsing import parse_table
from fathom.data.survey import survey
from fathom.errors import InputError

N, N_SAMPLE = 6000, 300
RNG = np.random.default_rng(0)
DAY = datetime.date(2020, 1, 1)
VALUES = np.sort(RNG.lognormal(sigma=3, size=N))  # the largest are in the last piece
TABLE = pl.DataFrame({
    "amount": pl.Series(VALUES.round(4).astype(str)).scatter([N - 1], "?"),
    "size": VALUES,
    "town": ["Rome" if n % 3 else "Oslo" for n in range(N - 4)] + ["LIMA", "Lima", "lima", "Lima"],
    "day": [DAY + datetime.timedelta(days=n // 3) for n in range(N)],
    "told": [f"there are {n} words in this of {n % 7}" for n in range(N)],
    "ok": ["yes" if n % 2 else "no" for n in range(N)],
})  # fmt: skip
PLACES = np.sort(RNG.choice(N - 100, N_SAMPLE, replace=False))
SAMPLE = TABLE[PLACES]
REST = TABLE[np.setdiff1d(np.arange(N), PLACES)]


def pieces(frame, size=500):
    return (frame[begin : begin + size] for begin in range(0, frame.height, size))


@pytest.fixture(scope="module")
def found():
    columns, _ = infer_columns(SAMPLE)
    return survey(columns, SAMPLE, pieces(REST))


def test_ranges_categories_and_missing_values_are_those_of_all_rows(found):
    columns = {column.name: column for column in found.columns}
    assert {name: column.kind for name, column in columns.items()} == {
        "amount": "number", "size": "number", "town": "category", "day": "date", "told": "text",
        "ok": "yes_no",
    }  # fmt: skip
    assert (columns["size"].low, columns["size"].high) == (VALUES[0], VALUES[-1])
    assert (columns["amount"].n_missing, columns["size"].n_missing) == (1, 0)
    assert columns["amount"].high == pytest.approx(VALUES[-2], abs=1e-4)
    assert columns["town"].categories == ("Rome", "Oslo", "Lima")  # spelled as most often
    assert columns["day"].high - columns["day"].low == (N - 1) // 3
    assert any("1 of 3 categories came from rows outside" in note for note in found.notes)
    assert found.n_rows == N - N_SAMPLE


def test_facts_are_those_of_numpy(found):
    facts = {fact.name: fact for fact in found.facts}
    size = facts["size"]
    assert (size.n_present, size.n_missing) == (N, 0)
    assert size.mean == pytest.approx(VALUES.mean(), rel=1e-9)
    assert size.spread == pytest.approx(VALUES.std(), rel=1e-9)
    ranks = np.searchsorted(VALUES, size.quantiles) / N
    assert np.abs(ranks - (0.01, 0.25, 0.5, 0.75, 0.99)).max() <= size.rank_error + 2 / N
    assert facts["town"].frequent[-1] == ("Lima", 4)
    assert facts["ok"].n_present == facts["told"].n_present == N
    assert size.model_dump(mode="json")["quantiles"] == list(size.quantiles)


def test_quantiles_of_an_encoding_are_those_of_training_rows_and_the_rest(found):
    parsed = parse_table(SAMPLE, found.columns)
    training = np.arange(0, N_SAMPLE, 2)
    y = RNG.integers(0, 2, len(training))
    encoding, _ = TableEncoding.fit(parsed.take(training), y, 2, 0, found.beyond)
    views = encoding.numbers[1]  # of sizes
    known = np.concatenate([SAMPLE["size"].to_numpy()[training], REST["size"].to_numpy()])
    error = found.beyond["size"].rank_error() + 2 / N
    for value, share in ((views.fill, 0.5), (views.edges[1], 1 / 16), (views.quantiles[-2], None)):
        share = 1 - 1 / (len(views.quantiles) - 1) if share is None else share
        assert np.mean(known < value) == pytest.approx(share, abs=error + 0.01)
    assert (views.edges[0], views.edges[-1]) == (known.min(), known.max())
    again, _ = TableEncoding.fit(parsed.take(training), y, 2, 0, found.beyond)
    assert np.array_equal(again.numbers[1].quantiles, views.quantiles)


def test_a_column_of_which_the_rest_cannot_be_read_is_refused_before_any_search():
    columns, _ = infer_columns(SAMPLE)
    spoiled = REST.with_columns(amount=pl.lit("seven"))
    with pytest.raises(InputError, match=r"numbers in column amount.*got 'seven' and 5,700 of"):
        survey(columns, SAMPLE, pieces(spoiled))
    # Of a part nothing is refused: it may hold the only ones of its kind.
    parsed = parse_table(spoiled[:5], columns, is_part=True)
    assert np.isnan(parsed.values[0]).all()


def test_rows_that_were_not_read_are_not_claimed():
    columns, _ = infer_columns(SAMPLE)
    nothing = survey(columns, SAMPLE, iter(()))
    assert nothing.n_rows == 0
    assert nothing.beyond["size"].n == 0
    assert [c.high for c in nothing.columns if c.name == "size"] == [SAMPLE["size"].max()]
