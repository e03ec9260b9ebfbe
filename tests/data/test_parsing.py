"""Parsing reads new rows just as the rows of training, and counts what it cannot read."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.data import parsing
from fathom.data.cells import to_days, to_numbers
from fathom.data.columns import infer_columns
from fathom.data.parsing import MAX_TEXT_CHARS, parse_table
from fathom.data.schema import Column
from fathom.errors import InputError

NAN = float("nan")


@pytest.fixture
def training():
    return pl.DataFrame({
        "age": ["31", "44", "?", "25"] * 5,
        "job": ["cook", "smith", "Cook", "none"] * 5,
        "member": ["yes", "no", "yes", ""] * 5,
        "since": ["31/01/2020", "01/02/2021", "05/03/2022", ""] * 5,
        "words": [f"these are words of row {i}" for i in range(20)],
        "id": [str(i) for i in range(20)],
    })  # fmt: skip


@pytest.fixture
def columns(training):
    return infer_columns(training)[0]


def parse(frame, columns, **more):
    return parse_table(pl.DataFrame(frame), columns, **more)


def test_every_kind_becomes_its_array(training, columns):
    parsed = parse_table(training, columns)
    age, job, member, since, words, identifier = (array[:4].tolist() for array in parsed.values)
    np.testing.assert_equal(age, [31, 44, NAN, 25])
    assert job == [0, 1, 0, -1]
    assert member == [1, 0, 1, -1]
    np.testing.assert_equal(since, [18292, 18659, 19056, NAN])
    assert words[1] == "these are words of row 1"
    assert identifier == []
    assert parsed.n_rows == 20
    assert not parsed.is_unusual.any()
    assert [array.dtype for array in parsed.values[:5]] == [
        np.float64, np.int32, np.int32, np.float64, object,
    ]  # fmt: skip


def test_rows_can_be_taken(training, columns):
    parsed = parse_table(training, columns)
    some = parsed.take(np.array([1, 3]))
    assert some.n_rows == 2
    assert some.values[0].tolist() == [44, 25]
    assert len(some.values[5]) == 0
    assert parsed.take(np.arange(20) < 5).n_rows == 5


def test_a_row_is_read_alike_alone_and_among_others(training, columns):
    together = parse_table(training, columns)
    for i in range(training.height):
        alone = parse_table(training[i], columns)
        for column, one, every in zip(columns, alone.values, together.values, strict=True):
            np.testing.assert_array_equal(one, every[i : i + 1] if column.is_used else every)


def test_row_66_a_missing_column_is_refused_and_named(training, columns):
    with pytest.raises(InputError, match=r"2 are missing: age, job.*did you mean Age") as error:
        parse_table(training.drop("age", "job").with_columns(Age=pl.lit("1")), columns)
    assert "2 are missing" in str(error.value)
    parse_table(training.drop("id"), columns)  # not used, so not needed


def test_row_67_extra_columns_are_ignored_and_said_once(training, columns):
    parsed = parse_table(training.with_columns(a=pl.lit(1), b=pl.lit(2)), columns)
    assert parsed.notes == ("2 columns are not known from training and ignored: a, b",)


def test_row_68_order_of_columns_makes_no_difference(training, columns):
    one = parse_table(training, columns)
    other = parse_table(training.select(reversed(training.columns)), columns)
    for a, b in zip(one.values, other.values, strict=True):
        np.testing.assert_array_equal(a, b)


def test_row_69_unseen_categories_are_other_and_counted(training, columns):
    parsed = parse_table(training.with_columns(job=pl.lit("astronaut")), columns)
    assert (parsed.values[1] == len(columns[1].categories)).all()
    assert "20 values are not among the categories" in parsed.notes[0]
    assert parsed.is_unusual.all()


def test_row_70_words_where_numbers_were(training, columns):
    some = training.with_columns(age=pl.Series(["x", "1,000"] + ["3"] * 18))
    parsed = parse_table(some, columns)
    assert np.isnan(parsed.values[0][0])
    assert parsed.values[0][1] == 1000
    assert "1 value is not readable as numbers" in parsed.notes[0]
    with pytest.raises(InputError, match=r"numbers in column age.*'x' in row 1; 20 of 20"):
        parse_table(training.with_columns(age=pl.lit("x")), columns)
    with pytest.raises(InputError, match="dates in column since"):
        parse_table(training.with_columns(since=pl.lit("x")), columns)
    with pytest.raises(InputError, match="numbers in column age"):
        parse_table(training.with_columns(age=pl.lit(dt.date(2024, 1, 1))), columns)
    with pytest.raises(InputError, match="dates in column since"):
        parse_table(training.with_columns(since=pl.lit(True)), columns)


def test_row_70_numbers_where_words_were():
    columns, _ = infer_columns(pl.DataFrame({"c": ["1", "2", "2", "x"]}), {"c": "category"})
    for values in ([2, 1, 7], [2.0, 1.0, 7.5], ["2", "1.0", "7"]):
        assert parse({"c": values}, columns).values[0].tolist() == [0, 1, 3]


def test_row_71_no_rows(training, columns):
    parsed = parse_table(training.head(0), columns)
    assert parsed.n_rows == 0
    assert all(len(array) == 0 for array in parsed.values)
    assert parsed.notes == ()


def test_row_72_a_row_without_any_value_is_flagged(training, columns):
    empty = training.with_columns(
        pl.when(pl.int_range(20) == 3).then(None).otherwise(pl.all()).name.keep()
    )
    parsed = parse_table(empty, columns)
    assert np.flatnonzero(parsed.is_unusual).tolist() == [3]
    assert "1 row is without any value (first row 4)" in parsed.notes


def test_row_73_values_far_outside_are_flagged(training, columns):
    ages = pl.Series(["45", "63", "64", "4400"] * 5)  # training has 25 to 44
    parsed = parse_table(training.with_columns(age=ages), columns)
    assert parsed.is_unusual[:4].tolist() == [False, False, True, True]
    assert "far outside the range of training, 25 to 44" in parsed.notes[0]
    late = parse_table(training.with_columns(since=pl.lit("01/01/2099")), columns)
    assert late.is_unusual.all()
    assert "2099-01-01" in late.notes[0]


def test_row_74_the_target_may_be_there(training, columns):
    parsed = parse_table(training.with_columns(y=pl.lit(1)), columns, ignored=["y"])
    assert parsed.notes == ()


def test_row_75_columns_without_names_go_by_position(training, columns):
    nameless = training.rename(dict(zip(training.columns, "fedcba", strict=True)))
    parsed = parse_table(nameless, columns, is_named=False)
    np.testing.assert_equal(parsed.values[0][:4], [31, 44, NAN, 25])
    assert parse_table(
        nameless.with_columns(y=pl.lit(1)), columns, is_named=False, ignored=["y"]
    ).n_rows == 20  # fmt: skip
    with pytest.raises(InputError, match="6 columns, as in training — got 5 columns"):
        parse_table(nameless.drop("a"), columns, is_named=False)


def test_row_36_infinities_are_missing(training, columns):
    parsed = parse_table(training.with_columns(age=pl.Series([1e999] + [3.0] * 19)), columns)
    assert np.isnan(parsed.values[0][0])
    assert "1 value is infinite" in parsed.notes[0]


def test_row_39_impossible_dates_do_not_refuse_a_table(training, columns):
    parsed = parse_table(training.with_columns(since=pl.lit("31/12/9999")), columns)
    assert np.isnan(parsed.values[3]).all()
    assert "20 values are not readable as dates" in parsed.notes[0]


def test_row_32_words_that_are_missing_in_one_column():
    frame = pl.DataFrame({"c": ["unknown"] * 20 + [str(i) for i in range(30)]})
    columns, _ = infer_columns(frame)
    parsed = parse({"c": ["unknown"]}, columns)
    assert np.isnan(parsed.values[0]).all()
    assert "without any value" in parsed.notes[0]


def test_row_50_other_rows_do_not_care_for_an_outlier():
    columns, _ = infer_columns(pl.DataFrame({"c": [1.0, 2.0, 3.0]}))
    parsed = parse({"c": [1e300, 2.0]}, columns)
    assert parsed.values[0].tolist() == [1e300, 2.0]
    assert parsed.is_unusual.tolist() == [True, False]


def test_row_92_two_forms_of_one_letter_are_one():
    frame = pl.DataFrame({"c": [f"un caf\u00e9 avec du lait {i}" for i in range(30)]})
    columns, _ = infer_columns(frame)
    one, two = parse({"c": ["un caf\u00e9", "un cafe\u0301"]}, columns).values[0]
    assert one == two
    assert len(parse({"c": ["x" * (MAX_TEXT_CHARS + 9)]}, columns).values[0][0]) == MAX_TEXT_CHARS


@pytest.mark.parametrize("values", [[True, False], [1, 0], [1.0, 0.0], ["YES", "n"], ["1", "0.0"]])
def test_yes_and_no_in_any_form(values):
    columns, _ = infer_columns(pl.DataFrame({"c": ["no", "yes"]}))
    assert parse({"c": values}, columns).values[0].tolist() == [1, 0]


def test_own_words_for_yes_and_no():
    columns, _ = infer_columns(pl.DataFrame({"c": ["m", "f"]}), {"c": "yes_no"})
    assert parse({"c": ["f", "m", "yes", None]}, columns).values[0].tolist() == [0, 1, 2, -1]


def test_dates_of_any_kind_in_one_column():
    moments = [dt.datetime(2024, 1, 1, 12), dt.datetime(2024, 1, 2)]
    columns, _ = infer_columns(pl.DataFrame({"c": moments}))
    half, full = 19723.5, 19724.0
    berlin = pl.Series(moments).dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin")
    for values in (moments, berlin, ["2024-01-01 12:00", "2024-01-02"], ["2024-01-01T12:00Z",
                   "2024/01/02"]):  # fmt: skip
        assert parse({"c": values}, columns).values[0].tolist() == [half, full]
    compact, _ = infer_columns(pl.DataFrame({"date": ["20240101", "20240102"]}))
    assert parse({"date": [20240102, None]}, compact).values[0][0] == 19724
    stamps, _ = infer_columns(pl.DataFrame({"time": [1704067200, 1704153600]}))
    assert parse({"time": ["1704067200", "2024-01-02"]}, stamps).values[0].tolist() == [
        19723,
        19724,
    ]


def test_a_style_that_is_none_reads_nothing_and_runs_nothing():
    assert to_days(pl.Series(["2024-01-01"]), "%Q|%").to_list() == [19723]
    column = Column(name="c", kind="date", style="%Q%Q", low=0, high=1)
    assert parse({"c": ["1970-01-02"]}, (column,)).values[0].tolist() == [1]


@settings(max_examples=60, deadline=None)
@given(
    categories=st.lists(st.text(min_size=1, max_size=6), min_size=2, max_size=5, unique=True),
    is_yes_no=st.booleans(),
    data=st.data(),
)
def test_a_few_words_are_the_same_categories_as_many(categories, is_yes_no, data):
    if is_yes_no:
        categories = data.draw(st.sampled_from([["no", "yes"], ["No", "YES"], ["off", "on"]]))
    kind = "yes_no" if is_yes_no else "category"
    column = Column(name="c", kind=kind, categories=tuple(categories))
    words = st.one_of(
        st.sampled_from(categories), st.none(), st.text(max_size=6),
        st.sampled_from(categories).map(str.upper), st.sampled_from(["yes", "NO", "1.0", "a  b"]),
    )  # fmt: skip
    cells = data.draw(st.lists(words, min_size=1, max_size=8))
    frame = pl.DataFrame({"c": pl.Series(cells, dtype=pl.String)})
    alone = [parse_table(frame[row : row + 1], (column,)).values[0] for row in range(len(cells))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parsing, "FEW_ROWS", -1)
        together = parse_table(frame, (column,))
    np.testing.assert_array_equal(np.concatenate(alone), together.values[0])
    few = parse_table(frame, (column,))
    np.testing.assert_array_equal(few.values[0], together.values[0])
    assert few.values[0].dtype == together.values[0].dtype
    assert few.notes == together.notes


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(allow_nan=False), min_size=2, max_size=20, unique=True))
def test_numbers_come_through_a_file_unchanged(numbers):
    written = pl.Series([repr(number) for number in numbers])
    np.testing.assert_array_equal(to_numbers(written).to_numpy(), numbers)
    grouped = pl.Series([f"{number:,.3f}" for number in numbers if abs(number) < 1e15])
    expected = [float(f"{number:.3f}") for number in numbers if abs(number) < 1e15]
    np.testing.assert_array_equal(to_numbers(grouped, "thousands").to_numpy(), expected)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.datetimes(dt.datetime(1600, 1, 1), dt.datetime(2400, 1, 1)), min_size=1, max_size=9
    ),
    st.sampled_from(["%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S"]),
)
def test_dates_come_through_a_file_unchanged(moments, style):
    moments = [moment.replace(microsecond=0) for moment in moments]
    written = pl.Series([moment.strftime(style) for moment in moments])
    days = [(moment - dt.datetime(1970, 1, 1)) / dt.timedelta(days=1) for moment in moments]
    read = to_days(written, style.replace("%S", "%S%.f"))
    np.testing.assert_allclose(read.to_numpy(), days, rtol=1e-12)


cells = st.one_of(st.none(), st.text(max_size=6), st.integers(-99, 99).map(str))


@settings(deadline=None, max_examples=50)
@given(st.lists(cells, min_size=2, max_size=25), st.lists(cells, max_size=9))
def test_what_is_learned_from_any_text_reads_any_text(seen, new):
    frame = pl.DataFrame({"c": pl.Series(seen, dtype=pl.String), "z": range(len(seen))})
    columns, _ = infer_columns(frame)
    assert parse_table(frame, columns).n_rows == len(seen)
    other = pl.DataFrame({"c": pl.Series(new, dtype=pl.String), "z": range(len(new))})
    try:
        parsed = parse_table(other, columns)
    except InputError as error:
        assert "in column c" in str(error)  # noqa: PT017
    else:
        assert parsed.n_rows == len(new)


@pytest.mark.parametrize("name", ["titanic", "bike_sharing", "telco_churn"])
def test_a_file_and_a_data_frame_of_it_give_the_same(name, shared):
    path = shared / "tables" / f"{name}.csv"
    text, typed = pl.read_csv(path, infer_schema=False), pl.read_csv(path, try_parse_dates=True)
    columns, _ = infer_columns(text)
    one, other = parse_table(text, columns), parse_table(typed, columns)
    for a, b in zip(one.values, other.values, strict=True):
        np.testing.assert_array_equal(a, b)
