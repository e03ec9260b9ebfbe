"""The command and the library refuse the same tables, in words that name the same row."""

import re

import numpy as np
import polars as pl
import pytest

from fathom import FathomClassifier, FathomRegressor
from fathom.errors import InputError

N = 60
RNG = np.random.default_rng(0)
X = pl.DataFrame({"a": RNG.normal(size=N), "b": RNG.normal(size=N)})


def spoiled(values, **at):
    """Return values, some of them exchanged: ``row_5=None`` for that of the fifth row."""
    changes = {int(place.removeprefix("row_")) - 1: value for place, value in at.items()}
    return [changes.get(row, value) for row, value in enumerate(values)]


CLASSES = ["yes", "no"] * (N // 2)
NUMBERS = [row * 1.5 + 0.25 for row in range(N)]
ONES = [1.0] * N
REFUSED = [
    # row 52
    ({"y": spoiled(CLASSES, row_5=None, row_9=None)}, "2 of 60 rows without", "in row 5"),
    ({"y": spoiled(NUMBERS, row_5=None)}, "1 of 60 rows without", "in row 5"),
    # row 53
    ({"y": spoiled(NUMBERS, row_7=float("inf"))}, "a finite target y", "in row 7"),
    ({"y": spoiled(NUMBERS, row_7=float("-inf"))}, "a finite target y", "-inf"),
    # row 54
    ({"y": ["yes"] * N}, "classes", "yes"),
    # row 55
    ({"y": [7.5] * N}, "a target y that differs from row to row", "7.5 in all 60 rows"),
    # row 65
    ({"y": CLASSES, "w": spoiled(ONES, row_3=-1.0)}, "weight", "egative|in row 3"),
    ({"y": NUMBERS, "w": spoiled(ONES, row_3=None)}, "weight", "NaN|in row 3"),
    ({"y": NUMBERS, "w": spoiled(ONES, row_3=float("inf"))}, "weight", "inf"),
    ({"y": CLASSES, "w": [0.0] * N}, "weight", "above 0|non-zero"),
]


@pytest.mark.parametrize(("columns", "what", "where"), REFUSED)
def test_rows_52_53_54_55_65_are_refused_by_both(fathom, tmp_path, columns, what, where):
    X.with_columns(**{k: pl.Series(v) for k, v in columns.items()}).write_csv(tmp_path / "t.csv")
    asked = ("--weight", "w") if "w" in columns else ()
    said = fathom("train", "t.csv", "--target", "y", *asked, "--time-limit", 1).refusal
    kind = FathomClassifier if isinstance(columns["y"][0], str) else FathomRegressor
    weight = columns.get("w")
    if weight is not None:
        weight = np.array(weight, float)
    y = np.array(columns["y"], float if kind is FathomRegressor else object)
    with pytest.raises(ValueError, match=what) as error:
        kind(time_limit=1).fit(X, y, sample_weight=weight)
    for message in (said, str(error.value)):
        assert what in message
        assert re.search(where, message)


def test_row_65_rows_of_weight_0_take_no_part_by_both(given, tmp_path):
    weight = spoiled(ONES, row_3=0.0)
    X.with_columns(y=pl.Series(CLASSES), w=pl.Series(weight)).write_csv(tmp_path / "t.csv")
    found = given("t.csv", "--target", "y", "--weight", "w")["given"].weight
    assert np.flatnonzero(found == 0).tolist() == [2]
    model = FathomClassifier(time_limit=1).fit(X, CLASSES, sample_weight=weight)
    report = model.report_
    assert report.n_train + report.n_held_out == N - 1


def test_what_is_missing_in_any_target_is_found():
    for y in ([1.5, None, 2.0], np.array([1.5, np.nan, 2]), pl.Series([1.5, None, 2.0])):
        with pytest.raises(InputError, match="1 of 3 rows without"):
            FathomRegressor().fit(X[:3], y)
    with pytest.raises(InputError, match="in row 2"):
        FathomClassifier().fit(X[:3], ["a", float("nan"), "b"])
    with pytest.raises(InputError, match=r"y, column 1, that differs"):
        FathomRegressor().fit(X[:3], [[1, 2], [2, 2], [3, 2]])
