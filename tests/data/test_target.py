"""Targets come back as they were given, and what cannot be predicted is refused with the row."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.data.target import choose_target, parse_target, read_target
from fathom.errors import InputError


def target(values, task="auto", **more):
    series = values if isinstance(values, pl.Series) else pl.Series("y", values, strict=False)
    return parse_target(series, task, **more)


def test_row_51_a_target_that_is_not_there_names_the_nearest():
    frame = pl.DataFrame({"price": [1], "size": [2]})
    with pytest.raises(InputError, match="got prise — did you mean price"):
        choose_target(frame, "prise")
    with pytest.raises(InputError, match="it has price, size"):
        choose_target(frame, ["q"])
    with pytest.raises(InputError, match="besides the target"):
        choose_target(frame, ["size", "price"])
    with pytest.raises(InputError, match="several different ones"):
        choose_target(frame, ["size", "size"])
    features, y = choose_target(frame, "size")
    assert (features.columns, y.columns) == (["price"], ["size"])


def test_row_52_missing_targets_are_refused_or_dropped():
    for values in (
        [1.5, None, 2.5, None],
        ["1.5", "NA", "2.5", ""],
        [1.5, float("nan"), 2.5, None],
    ):
        with pytest.raises(InputError, match="2 of 4 rows without, the first in row 2") as error:
            target(values)
        assert "--drop-missing-target" in str(error.value)
        parsed = target(values, drop_missing=True)
        assert parsed.rows.tolist() == [0, 2]
        assert parsed.values.tolist() == [[1.5], [2.5]]
        assert "2 rows are left out" in parsed.notes[0]
    with pytest.raises(InputError, match="'x' in row 4"):
        target(["1.5", None, "2.5", "x"], "numbers", drop_missing=True)
    for values in ([None, None], []):
        with pytest.raises(InputError):
            target(pl.Series("y", values, dtype=pl.Float64), drop_missing=True)


def test_row_53_infinite_targets_are_refused():
    for values in ([1.5, float("inf"), 2.5], ["1.5", "1e999", "2.5"]):
        with pytest.raises(InputError, match=r"finite target y.*in row 2"):
            target(values)
    with pytest.raises(InputError, match="finite"):
        target([1.0, float("inf")], "classes")


def test_row_54_one_class_is_refused():
    for values in (["a", "a"], [1, 1], [True, True]):
        with pytest.raises(InputError, match="two classes or more in y"):
            target(values)


def test_row_55_a_constant_number_is_refused():
    with pytest.raises(InputError, match=r"7\.5 in all 3 rows"):
        target([7.5, 7.5, 7.5])


def test_row_56_a_class_with_one_row_is_kept_and_said():
    parsed = target(["a", "a", "b"])
    assert parsed.target.classes == ("a", "b")
    assert "one row only: b" in parsed.notes[0]


def test_row_57_many_classes():
    parsed = target([f"c{i}" for i in range(5000)] * 2)
    assert len(parsed.target.classes) == 5000
    assert "5,000 classes" in parsed.notes[0]
    with pytest.raises(InputError, match="come more than once"):
        target([f"c{i}" for i in range(30)])


def test_row_58_one_target_however_it_is_stored():
    numbers = [0, 1, 1, 0]
    for values in (
        numbers, [0.0, 1.0, 1.0, 0.0], ["0", "1", "1", "0"], ["0.0", "1.0", "1", "+0"],
        pl.Series("y", numbers, dtype=pl.UInt8), pl.Series("y", ["0", "1", "1", "0"]).cast(
            pl.Categorical),
    ):  # fmt: skip
        parsed = target(values)
        assert parsed.target.classes == (0, 1)
        assert type(parsed.target.classes[0]) is int
        assert parsed.values.tolist() == numbers
    for values, classes in (([False, True, True, False], (False, True)),
                            (["no", "yes", "yes", "no"], ("no", "yes"))):  # fmt: skip
        parsed = target(values)
        assert parsed.target.classes == classes
        assert type(parsed.target.classes[0]) is type(classes[0])
        assert parsed.values.tolist() == numbers


def test_row_59_what_was_inferred_is_said_with_the_flag_that_overrules():
    parsed = target(list(range(3, 10)) * 30)
    assert parsed.target.task == "classes"
    assert "--task numbers" in parsed.notes[0]
    parsed = target(list(range(1, 29)) * 30)
    assert parsed.target.task == "numbers"
    assert "--task classes" in parsed.notes[0]
    assert target(list(range(3, 10)) * 30, "numbers").notes == ()


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["a", "b"], "classes"), ([True, False], "classes"), ([1, 2, 2], "classes"),
        ([-1.0, 1.0], "classes"), (["01", "02", "03"] * 3, "classes"), ([1.5, 2.25], "numbers"),
        ([*range(10)] * 5, "classes"), ([*range(0, 100, 10)] * 5, "numbers"),
        ([*range(800)] * 10, "numbers"), (["$1,200", "$3", "$7", "$9"], "numbers"),
        (["1", "2", "unknown"] * 9, "classes"),
    ],
)  # fmt: skip
def test_tasks_are_inferred_as_a_person_would(values, task):
    assert target(values).target.task == task


def test_words_for_missing_may_be_classes():
    parsed = target(["+", "-", "+", "-"])
    assert parsed.target.classes == ("+", "-")
    assert "class of its own" in parsed.notes[0]
    assert target(["none", "mild"] * 5).target.classes == ("mild", "none")
    with pytest.raises(InputError, match="1 of 101 rows without"):
        target(["mild", "severe"] * 50 + ["none"])
    with pytest.raises(InputError, match="where it is '-'"):
        target(["1.5", "-", "2.5", "-", "3.5", "-"])


def test_classes_are_told_apart_as_written():
    assert target(["Red", "red"] * 3).target.classes == ("Red", "red")
    assert "differ in case only" in target(["Red", "red"] * 3).notes[0]
    assert target(["e\u0301", "é", "x "] * 2).target.classes == ("x", "é")
    assert target(["007", "7"] * 2).target.classes == ("007", "7")
    assert target(["0.5", "1.5"] * 2, "classes").target.classes == (0.5, 1.5)
    assert target([0.5, 1.5] * 2, "classes").target.classes == (0.5, 1.5)
    assert target([-0.0, 0.0, 0.5, 0.5], "classes").target.classes == (0.0, 0.5)
    assert target(["9" * 20, "1"] * 2, "classes").target.classes == ("1", "9" * 20)
    big = pl.Series("y", [2**64 - 1, 5, 5], dtype=pl.UInt64)
    assert target(big, "classes").target.classes == (str(2**64 - 1), "5")


def test_labels():
    frame = pl.DataFrame({"a": [0, 1], "b": [True, False], "c": ["no", "1.0"], "d": [1, 1]})
    parsed = parse_target(frame)
    assert (parsed.target.task, parsed.target.names) == ("labels", ("a", "b", "c", "d"))
    assert parsed.values.tolist() == [[0, 1, 0, 1], [1, 0, 1, 1]]
    assert "always the same" in parsed.notes[1]
    with pytest.raises(InputError, match="'7' in row 2"):
        parse_target(pl.DataFrame({"a": [0, 7]}), "labels")
    with pytest.raises(InputError, match="two classes or more in d"):
        parse_target(frame, "classes")
    with pytest.raises(InputError, match="classes in b and numbers in a"):
        parse_target(pl.DataFrame({"a": [0.5, 1], "b": ["x", "y"]}))


def test_several_numbers_and_shapes():
    parsed = parse_target(np.array([[1.0, 2.5], [3.0, 4.0]]))
    assert (parsed.target.n_outputs, parsed.target.is_flat) == (2, False)
    assert parse_target(np.array([1.0, 2.5, 3])).target.is_flat
    assert not parse_target(np.array([[1.0], [2.5]])).target.is_flat
    assert parse_target(pl.DataFrame({"p": [1.5, 2.5]})).target.is_flat
    for shape in ((3, 0), (2, 2, 2)):
        with pytest.raises(InputError, match="shape"):
            parse_target(np.zeros(shape))
    with pytest.raises(InputError, match="without columns"):
        parse_target(pl.DataFrame())


@pytest.mark.parametrize(
    ("array", "classes"),
    [
        (np.array(["a", "b", "a"]), ("a", "b")),
        (np.array(["a", "b", "a"], dtype=object), ("a", "b")),
        (np.array([1, 2.0, 1], dtype=object), (1, 2)),
        (np.array([True, False, True], dtype=object), (False, True)),
        (np.array([np.int8(1), "x", 1], dtype=object), ("1", "x")),
        (np.array([1, 2, 1], np.float16), (1, 2)),
        (np.array([1, 2, 1], np.int8)[::-1], (1, 2)),
    ],
)
def test_arrays_of_any_type(array, classes):
    parsed = parse_target(array)
    assert parsed.target.classes == classes
    assert parsed.target.names == ()


def test_dates_are_no_target():
    days = [dt.date(2024, 1, 1) + dt.timedelta(i) for i in range(40)]
    for values in (days, [str(day) for day in days]):
        with pytest.raises(InputError, match="dates in y, such as 2024-01-01"):
            target(values)


def test_a_number_that_is_none_is_refused_with_its_row():
    with pytest.raises(InputError, match=r"'x' in row 3 \(1 such"):
        target(["1.5", "2.5", "x", *map(str, range(100))])
    with pytest.raises(InputError, match="a task"):
        target([1, 2], "classs")


def test_classes_of_other_rows_are_read_alike():
    truth = target([True, False]).target
    assert read_target(pl.Series(["FALSE", "true", "0", "1", "?"]), truth).tolist() == [
        0, 1, 0, 1, -1,
    ]  # fmt: skip
    assert read_target(np.array([True, False]), target([0, 1]).target).tolist() == [1, 0]
    assert read_target(np.array(["b", "c"]), target(["a", "b"]).target).tolist() == [1, -1]
    halves = target([0.5, 1.0, 0.5], "classes").target
    assert read_target(pl.Series(["1", "0.5"]), halves).tolist() == [1, 0]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=2, max_size=9, unique=True))
def test_whole_classes_come_back(labels):
    parsed = target(pl.Series("y", labels * 2, dtype=pl.Int64), "classes")
    assert [parsed.target.classes[i] for i in parsed.values] == labels * 2
    written = parse_target(pl.Series("y", [str(label) for label in labels * 2]), "classes")
    assert [str(written.target.classes[i]) for i in written.values] == list(map(str, labels * 2))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text(max_size=6), min_size=1, max_size=12), st.booleans())
def test_any_text_is_a_target_or_refused_in_words(words, is_dropped):
    try:
        parsed = parse_target(pl.Series("y", words), drop_missing=is_dropped)
    except InputError as error:
        assert str(error).startswith("expected ")  # noqa: PT017
    else:
        assert len(parsed.values) == len(parsed.rows)


TASKS = {"wine_quality": 7, "abalone": 0, "bike_sharing": 0, "letter": 26, "titanic": 2, "ames": 0}


@pytest.mark.parametrize("name", TASKS)
def test_real_targets(name, shared):
    last = pl.read_csv(shared / "tables" / f"{name}.csv", infer_schema=False)[:, -1]
    assert len(parse_target(last).target.classes) == TASKS[name]
