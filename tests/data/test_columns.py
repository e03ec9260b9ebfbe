"""Columns are taken for what a person would take them for, and every surprise is said."""

import datetime as dt

import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.data.cells import Notes, is_nothing, listing, quoted
from fathom.data.columns import MISSING, infer_columns
from fathom.data.schema import MAX_CATEGORIES, Column
from fathom.errors import InputError


def infer(values, kind=None, name="c"):
    """Infer one column beside a plain one; return it and its notes."""
    series = values if isinstance(values, pl.Series) else pl.Series(values, strict=False)
    frame = pl.DataFrame([series.alias(name), pl.Series("z", range(len(series)))])
    columns, notes = infer_columns(frame, {name: kind} if kind else {})
    return columns[0], " ".join(note for note in notes if f"column {name}:" in note)


@pytest.mark.parametrize(
    ("values", "kind", "style"),
    [
        (["1.5", "2", "-3e2"], "number", "plain"),
        (["0", "1", "1"], "number", "plain"),
        (["1,234", "2,500.5", "12"], "number", "thousands"),
        (["1'000", "2 500", "3"], "number", "thousands"),
        (["1,5", "2,25", "3"], "number", "decimal_comma"),
        (["5 €", "1.200,50 €", "3,5 €"], "number", "decimal_comma"),
        (["12:30", "01:15:30", "23:59"], "number", "clock"),
        (["31/01/2024", "01/02/2024"], "date", "%d/%m/%Y"),
        (["01/31/2024", "01/02/2024"], "date", "%m/%d/%Y"),
        (["31.12.99", "01.01.05"], "date", "%d.%m.%y"),
        (["20141013T000000", "20141209T000000"], "date", "%Y%m%d %H%M%S"),
        (["1/25/2024 3:04 PM", "1/2/2024 11:00 AM"], "date", "%m/%d/%Y %I:%M %p"),
        (["1.2.3", "1.10.3", "2.0.1"], "category", "plain"),
        (["low", "high", "low"], "category", "plain"),
        (["11th", "9th", "11th"], "category", "plain"),
        (["1 - 4 yrs", "> 7 yrs"], "category", "plain"),
        ([f"it is a fine day, number {i}" for i in range(30)], "text", "plain"),
        ([f"今天天气很好我们去公园{i}" for i in range(30)], "text", "plain"),
        ([f"u{i}x" for i in range(30)], "identifier", "plain"),
        (["a", "b", "c"], "category", "plain"),
    ],
)
def test_text_is_taken_for_what_it_says(values, kind, style):
    column, _ = infer(values)
    assert (column.kind, column.style) == (kind, style)
    assert column.reason


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2, 3], "number"),
        ([0, 1, 1], "number"),
        ([True, False, None], "yes_no"),
        ([dt.date(2024, 1, 1), dt.date(2024, 1, 2)], "date"),
        ([dt.timedelta(1), dt.timedelta(2)], "number"),
        ([dt.time(1), dt.time(2, 30)], "number"),
        (pl.Series(["1.5", "2.5"]).cast(pl.Decimal(10, 2)), "number"),
        (pl.Series([b"a", b"\xff"]), "category"),
        (pl.Series([2**64 - 1, 1], dtype=pl.UInt64), "number"),
        (pl.Series(["1", "2"], dtype=pl.Categorical), "category"),
        (pl.Series([None, None]), "constant"),
    ],
)
def test_row_48_types_of_data_frames(values, kind):
    assert infer(values)[0].kind == kind


def test_row_48_unused_categories_are_not_there():
    column, _ = infer(pl.Series(["b", "a"], dtype=pl.Enum(["a", "b", "never"])))
    assert set(column.categories) == {"a", "b"}


def test_row_48_lists_and_records_are_refused_by_name():
    for values in ([[1], [2]], [{"a": 1}, {"a": 2}]):
        with pytest.raises(InputError, match="in column c"):
            infer(pl.Series(values))


def test_row_31_one_bad_value_is_missing_and_its_row_named():
    column, note = infer([str(i) for i in range(20_000)] + ["x"] + ["7"] * 9)
    assert (column.kind, column.n_missing) == ("number", 1)
    assert "99.99 % are numbers" in note
    assert "row 20001: 'x'" in note
    assert infer(["1", "2", "3", "4", "x"])[0].kind == "number"
    assert infer(["1", "x", "3", "y"])[0].kind == "category"


def test_row_31_one_word_for_missing_does_not_make_words_of_numbers():
    column, note = infer(["unknown"] * 20 + [str(i) for i in range(30)])
    assert (column.kind, column.missing_words, column.n_missing) == ("number", ("unknown",), 20)
    assert "unknown" in note


def test_row_32_one_list_of_what_is_missing():
    words = ["NA", "N/A", "null", "None", "-", "?", "", "  ", " nan "]
    column, note = infer([*words, "1", "2", "3"])
    assert (column.kind, column.n_missing, column.n_distinct) == ("number", len(words), 3)
    assert "'NA' (1)" in note
    assert {word.strip().lower() for word in words} <= MISSING
    assert all(word == word.strip().casefold() for word in MISSING)


def test_row_33_thousands_percent_and_currency_are_read_and_said():
    for values, low, high in (
        (["1,234", "10", "-2,000"], -2000, 1234),
        (["10%", "5.5 %"], 5.5, 10),
        (["$5", "-$1,200.50", "($4.00)", "USD 7"], -1200.5, 7),
    ):
        column, note = infer(values)
        assert (column.kind, column.low, column.high) == ("number", low, high)
        assert "--kind c=category" in note
    assert "decimal comma, write a point" in infer(["1,234", "5,678"])[1]


def test_row_34_leading_zeros():
    column, note = infer(["00123", "00456", "1", "00123"])
    assert column.kind == "category"
    assert column.categories[0] == "00123"
    assert "leading zeros" in note
    assert "--kind c=number" in note
    assert infer(["00123", "00456", "1"], "number")[0].high == 456
    assert infer(["0", "0.5", "-0.25"])[0].kind == "number"


def test_row_35_numbers_too_big_for_floats():
    column, note = infer(["9" * 20, "1", "2", "3"])
    assert (column.kind, column.high) == ("number", 1e20)
    assert "lose their last digits" in note
    column, note = infer(["9" * 400, "1", "2", "3"])
    assert (column.kind, column.high, column.n_missing) == ("number", 3, 1)
    column, note = infer([str(10**18 + i // 2) for i in range(30)])
    assert (column.kind, column.n_distinct) == ("category", 15)
    assert "too long to be told apart" in note


def test_row_36_infinities_are_missing_and_counted():
    for values in (["inf", "-Infinity", "1e999", "1", "2"], [1.0, float("inf"), -float("inf"), 2]):
        column, note = infer(values)
        assert (column.low, column.high) == (1, 2)
        assert column.n_missing == len(values) - 2
        assert f"{len(values) - 2} infinite" in note


def test_row_37_yes_and_no():
    column, note = infer(["True", "false", "YES", "1"])
    assert column.kind == "yes_no"
    assert "are read as yes or no" in note
    assert infer(["n", "Y", "n"])[0].categories == ("n", "Y")
    assert infer(["no", "yes", "maybe"])[0].kind == "category"
    assert infer(["M", "F"])[0].kind == "category"


def test_row_38_day_or_month_first_is_one_choice_for_the_column():
    column, note = infer(["2024-01-01", "01/02/2024"])
    assert column.kind == "date"
    assert "may be day or month first" in note
    assert "more than one way" in note
    column, note = infer(["01/02/2024", "02/13/2024", "03/04/2024"])
    assert column.style == "%m/%d/%Y"
    assert not note


def test_row_39_dates_that_cannot_be():
    days = [f"2023-02-{day:02}" for day in range(1, 29)]
    column, note = infer([*days, "2023-02-29", "0001-01-01", "9999-12-31"])
    assert (column.kind, column.n_missing) == ("date", 3)
    assert "'2023-02-29'" in note
    column, _ = infer(["2024-01-01T00:00:00+02:00", "2024-01-01T00:00:00Z", "2024-01-02 00:00"])
    assert column.kind == "date"
    assert column.low == pytest.approx(19723 - 2 / 24)


def test_row_39_seconds_since_1970_only_when_clearly():
    stamps = [str(1_600_000_000_000 + i) for i in range(5)]
    assert infer(stamps, name="created_at")[0].style == "epoch_ms"
    assert infer([s[:-3] + "1" for s in stamps], name="ean")[0].kind != "date"
    assert infer(["20240131", "20240201", "20231231", "20230505", "20220606"])[0].kind == "date"
    assert infer(["20240131", "20240299", "20231231", "20230505", "20220606"])[0].kind == "number"


def test_row_40_constant_and_empty_columns_are_left_out():
    for values in (["a", "a"], [5, 5], [True, True], ["", "NA"], [None, None], ["inf", "inf"]):
        column, note = infer(values)
        assert column.kind == "constant"
        assert "left out" in note
    assert infer(["yes", None, "yes"])[0].kind == "category"  # missing or not is two values
    assert infer([5.0, None, 5.0])[0].kind == "category"


def test_row_41_a_column_almost_wholly_missing_is_kept_and_said():
    column, note = infer([None] * 1998 + [1.0, 2.0])
    assert column.kind == "number"
    assert "99.9 % of the values are missing" in note


def test_row_42_identifiers_are_left_out_and_numbers_never():
    assert infer(range(100, 200), name="PassengerId")[0].kind == "identifier"
    assert infer(range(1, 101), name="row_number")[0].kind == "identifier"
    column, note = infer([f"7590-{i}VH" for i in range(40)], name="code")
    assert column.kind == "identifier"
    assert "--kind code=category" in note
    for name in ("x", "year", "acid", "width"):
        assert infer(range(1, 101), name=name)[0].kind == "number"
    assert infer([i + 0.5 for i in range(100)], name="id")[0].kind == "number"
    assert infer([i % 10 for i in range(100)], name="user_id")[0].kind == "category"


def test_row_43_a_million_categories_in_bounded_memory():
    n = 1_000_000
    column, note = infer((pl.Series(range(n)) // 3).cast(pl.String) + "k")
    assert column.kind == "category"
    assert len(column.categories) == MAX_CATEGORIES
    assert "'other'" in note
    few = [f"k{i}" for i in range(2000)] + ["often"] * 3000
    assert infer(few)[0].categories == ("often",)


def test_row_44_spellings_of_one_word_are_one_category():
    column, note = infer(["Red", "red", "Red ", "e\u0301", "é", "b  c", "b c"])
    assert set(column.categories) == {"Red", "é", "b c"}
    assert "taken for the same" in note
    assert set(infer(["a", "A", "a", "b"])[0].categories) == {"a", "A", "b"}


def test_row_45_numbers_at_the_ends_of_floats():
    column, _ = infer([1e308, -1e308, 1e-308])
    assert (column.kind, column.low, column.high) == ("number", -1e308, 1e308)


def test_row_47_mixed_objects_are_as_from_a_file():
    mixed = pl.Series([1, "a", 2.5, None, True], dtype=pl.Object)
    written = pl.Series(["1", "a", "2.5", "", "True"])
    assert infer(mixed)[0] == infer(written)[0]


def test_row_23_a_huge_cell_is_cut():
    column, _ = infer(["x" * 5_000_000, "y", "y"])
    assert column.kind == "category"
    assert max(map(len, column.categories)) == 1000


def test_row_24_ten_thousand_columns():
    frame = pl.DataFrame({f"c{i}": ["1.5", "7", "2"] * 60 for i in range(10_000)})
    columns, notes = infer_columns(frame)
    assert len(columns) == 10_000
    assert len(notes) < 50


def test_kinds_overrule():
    assert infer([1, 2, 2, 3], "category")[0].categories == ("2", "1", "3")
    assert infer(["m", "f"], "yes_no")[0].categories == ("f", "m")
    assert infer([True, False], "yes_no")[0].categories == ("False", "True")
    assert infer(["x", "y"], "text")[0].kind == "text"
    assert infer(["x", "y"], "identifier")[0].kind == "identifier"
    assert infer(["20240131", "20240201"], "date")[0].style == "%Y%m%d"
    assert infer(["2024-01-31", "2024-02-01"], "date")[0].low == 19753
    assert infer([None, None], "number")[0].kind == "constant"
    assert infer([float("inf")] * 2, "number")[0].kind == "constant"
    assert infer(["1", "1"], "number")[0].kind == "number"


@pytest.mark.parametrize(
    ("values", "kind", "words"),
    [
        (["a", "b"], "number", "'a' in row 1 and 2 of 2"),
        (["x", "y"], "date", "dates in column c"),
        (["m", "f", "d"], "yes_no", "3: d, f, m"),
        (["m", "f"], "nubmer", "did you mean number"),
    ],
)
def test_a_kind_that_cannot_be_is_refused(values, kind, words):
    with pytest.raises(InputError, match=words):
        infer(values, kind)


def test_a_kind_for_no_column_names_the_nearest():
    with pytest.raises(InputError, match="did you mean age"):
        infer_columns(pl.DataFrame({"age": [1, 2], "b": [1, 2]}), {"agee": "number"})


def test_a_table_with_nothing_to_learn_from_is_refused():
    with pytest.raises(InputError, match="a column to learn from"):
        infer_columns(pl.DataFrame({"a": [1, 1]}))


def test_the_same_for_many_columns_is_said_once():
    notes = Notes()
    for i in range(100):
        notes.add("topic", f"c{i}", f"column c{i}: constant")
    assert len(notes.lines()) == 4
    assert "97 more columns" in notes.lines()[3]


def test_names_print_on_one_line():
    assert quoted("a\n\x1b[31mb") == "a��[31mb"
    assert len(quoted("x" * 10_000)) == 60
    assert listing(range(20), 2) == "0, 1 and 18 more"


def test_what_stands_for_nothing():
    assert is_nothing(pd.NA)
    assert is_nothing(pd.NaT)
    assert not is_nothing([1, 2])


def test_a_column_of_yes_and_no_has_two_categories():
    with pytest.raises(InputError, match="two categories"):
        Column(name="c", kind="yes_no")


values = st.one_of(
    st.none(), st.text(max_size=8), st.integers().map(str), st.floats().map(str),
    st.sampled_from(["", "NA", "yes", "no", "1,5", "2024-01-31", "$5", "00", "inf"]),
)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(st.lists(values, min_size=2, max_size=30))
def test_any_text_has_a_kind(cells):
    column, _ = infer(pl.Series(cells, dtype=pl.String))
    assert column.reason
    assert column.n_missing <= len(cells)
    assert column.low is None or column.low <= column.high


PEOPLE_SAY = {
    "adult": {"age": "number", "workclass": "category", "sex": "category"},
    "telco_churn": {"SeniorCitizen": "number", "Partner": "yes_no", "TotalCharges": "number",
                    "MultipleLines": "category"},
    "german_credit": {"telephone": "category", "foreign_worker": "yes_no",
                      "other_debtors": "category", "checking_balance": "category"},
    "titanic": {"pclass": "number", "age": "number", "adult_male": "yes_no", "deck": "category"},
    "bike_sharing": {"datetime": "date", "season": "number", "temp": "number"},
    "segmentation": {"region-pixel-count": "constant", "hue-mean": "number"},
    "ames": {"MS_SubClass": "category", "Central_Air": "yes_no", "Year_Built": "number",
             "Misc_Feature": "category", "Longitude": "number"},
    "soybean": {"date": "number", "leaves": "number"},
    "california_housing": {"ocean_proximity": "category", "total_bedrooms": "number"},
}  # fmt: skip


@pytest.mark.parametrize("name", PEOPLE_SAY)
def test_real_tables_are_read_as_a_person_would(name, shared):
    frame = pl.read_csv(shared / "tables" / f"{name}.csv", infer_schema=False)
    columns, _ = infer_columns(frame)
    kinds = {column.name: column.kind for column in columns}
    assert {key: kinds[key] for key in PEOPLE_SAY[name]} == PEOPLE_SAY[name]
