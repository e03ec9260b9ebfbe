"""The audit names what makes an estimate too good, and stays silent where nothing is wrong."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import rankdata

from fathom.data.audit import _ranks, audit, find_leaks
from fathom.data.columns import infer_columns
from fathom.data.parsing import parse_table
from fathom.data.schema import Target
from fathom.data.target import choose_target, parse_target

NUMBERS = Target(task="numbers")


def test_ranks_are_scipys(rng):
    for values in (rng.normal(size=50), rng.integers(0, 9, 50).astype(float), np.zeros(3)):
        np.testing.assert_array_equal(_ranks(values), rankdata(values))


def parsed(frame):
    frame = pl.DataFrame(frame)
    return parse_table(frame, infer_columns(frame)[0])


def classes(n):
    return Target(task="classes", classes=tuple(range(n)))


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def noise(rng, n, columns=6):
    return {f"noise{i}": rng.normal(size=n) for i in range(columns)}


@pytest.mark.parametrize("n_classes", [2, 3, 20])
def test_row_60_a_copy_of_the_class_is_named(rng, n_classes):
    y = rng.integers(0, n_classes, 2000)
    table = parsed({**noise(rng, 2000), "number": y, "word": [f"w{i}" for i in y]})
    assert set(find_leaks(table, classes(n_classes), y)) == {"number", "word"}
    assert any("column word predicts" in said for said in audit(table, classes(n_classes), y))


def test_row_60_a_copy_of_a_number_or_a_label_is_named(rng):
    y = rng.lognormal(size=(1000, 1))
    assert find_leaks(parsed({**noise(rng, 1000), "copy": y[:, 0]}), NUMBERS, y) == ("copy",)
    labels = rng.integers(0, 2, (1000, 3)).astype(float)
    table = parsed({**noise(rng, 1000), "copy": labels[:, 1]})
    target = Target(task="labels", n_outputs=3, is_flat=False)
    assert find_leaks(table, target, labels) == ("copy",)


def test_row_61_transforms_and_missing_values_that_give_it_away(rng):
    y = rng.normal(size=(1000, 1))
    table = parsed({**noise(rng, 1000), "exp": np.exp(5 * y[:, 0]), "cube": -(y[:, 0] ** 3)})
    assert set(find_leaks(table, NUMBERS, y)) == {"exp", "cube"}
    bad = (rng.random(1000) < 0.2).astype(int)
    table = parsed({
        **noise(rng, 1000),
        "repaid": [None if b else v for b, v in zip(bad, rng.normal(size=1000), strict=True)],
        "closed": ["yes" if b else None for b in bad],
    })  # fmt: skip
    assert set(find_leaks(table, classes(2), bad)) == {"repaid", "closed"}


def test_nothing_is_named_by_chance(rng):
    for n in (5, 30, 45, 200):
        table = parsed(noise(rng, n, 300))
        assert find_leaks(table, classes(2), rng.integers(0, 2, n)) == ()
        assert find_leaks(table, NUMBERS, rng.normal(size=(n, 1))) == ()


def test_many_categories_do_not_look_like_a_leak(rng):
    y = rng.integers(0, 2, 3000)
    table = parsed({"town": [f"t{i}" for i in rng.integers(0, 1200, 3000)], "z": range(3000)})
    assert find_leaks(table, classes(2), y) == ()


def test_an_easy_task_is_said_with_care(rng):
    y = rng.integers(0, 2, 500)
    table = parsed({f"c{i}": 20 * y + rng.normal(size=500) for i in range(5)})
    said = [line for line in audit(table, classes(2), y) if "each predict" in line]
    assert len(said) == 1
    assert "either the task is easy" in said[0]


def test_row_25_five_rows(rng):
    table = parsed(noise(rng, 5))
    assert any(line.startswith("5 rows are few") for line in audit(table, NUMBERS, np.ones((5, 1))))


def test_row_56_classes_of_few_rows_are_named(rng):
    y = np.array([0] * 60 + [1] * 60 + [2] * 3)
    said = audit(parsed(noise(rng, 123)), classes(3), rng.permutation(y))
    assert said == ("1 class has fewer than 5 rows, too few to be judged by: 2",)


def test_row_62_equal_rows_are_counted(rng):
    rows = {name: np.tile(column, 2) for name, column in noise(rng, 100).items()}
    words = [f"row {i} says this and that" for i in range(100)] * 2
    table = parsed({**rows, "words": words})
    said = audit(table, NUMBERS, rng.normal(size=(200, 1)))
    assert "200 rows are equal to another in all columns (100 %)" in said[0]
    assert "--group" in said[0]
    coins = parsed({"a": rng.integers(0, 2, 200), "b": rng.integers(0, 2, 200)})
    assert audit(coins, NUMBERS, rng.normal(size=(200, 1))) == ()


def test_row_62_rows_of_one_thing_belong_together(rng):
    table = parsed({**noise(rng, 200), "customer_id": rng.integers(0, 30, 200)})
    said = audit(table, NUMBERS, rng.normal(size=(200, 1)))
    assert any("--group customer_id" in line for line in said)
    assert audit(table, NUMBERS, rng.normal(size=(200, 1)), is_grouped=True) == ()


def test_row_63_rows_in_order_of_time(rng):
    y = np.cumsum(rng.normal(size=(500, 1)), axis=0)
    assert "--time" in audit(parsed(noise(rng, 500)), NUMBERS, y)[0]
    assert audit(parsed(noise(rng, 500)), NUMBERS, np.sort(y, axis=0)) == ()
    assert audit(parsed(noise(rng, 500)), NUMBERS, rng.permutation(y)) == ()
    weather = (np.sin(np.arange(500) / 8) + 0.2 * rng.normal(size=500) > 0).astype(int)
    assert "--time" in audit(parsed(noise(rng, 500)), classes(2), weather)[0]
    assert audit(parsed(noise(rng, 500)), classes(2), np.sort(weather)) == ()
    days = pl.datetime_range(pl.datetime(2024, 1, 1), pl.datetime(2025, 1, 1), "1d", eager=True)
    table = parsed({"day": days, **noise(rng, 367)})
    assert "--time day" in audit(table, NUMBERS, rng.normal(size=(367, 1)))[0]
    assert audit(table, NUMBERS, rng.normal(size=(367, 1)), is_ordered=True) == ()


def test_row_64_noise_is_not_called_anything(rng):
    assert audit(parsed(noise(rng, 500)), classes(2), rng.integers(0, 2, 500)) == ()


def test_row_46_equal_columns_do_no_harm(rng):
    column = rng.normal(size=200)
    table = parsed({"a": column, "b": column, "c": -2 * column})
    assert audit(table, NUMBERS, rng.normal(size=(200, 1))) == ()


def test_columns_left_out_are_named(rng):
    table = parsed({**noise(rng, 100), "same": [1] * 100})
    assert audit(table, NUMBERS, rng.normal(size=(100, 1))) == ("1 of 7 columns left out: same",)


@pytest.mark.parametrize("name", ["adult", "wine_quality", "california_housing", "bike_sharing"])
def test_honest_tables_have_no_leaks(name, shared):
    frame = pl.read_csv(shared / "tables" / f"{name}.csv", infer_schema=False)
    features, y = choose_target(frame, frame.columns[-1])
    target = parse_target(y)
    assert find_leaks(parsed(features), target.target, target.values) == ()
