"""The quick door gives what the whole way gives, whatever comes, or leaves it to that."""

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fathom.data.columns import infer_columns
from fathom.data.schema import TableInput
from fathom.deployment.server.cells import TableDoor
from fathom.deployment.server.refusals import Refusal
from fathom.errors import InputError

N = 60
FRAME = pl.DataFrame({
    "size": [str(n / 4) for n in range(N)],
    "price": [f"{n},{n % 10}50" if n else "0" for n in range(N)],
    "hue": [("red", "Blue", "1", "né", "ruby")[n % 5] for n in range(N)],
    "is new": [("no", "yes")[n % 2] for n in range(N)],
    "day": [f"{1 + n % 28:02}/0{1 + n % 9}/2024" for n in range(N)],
    "story": [f"a long tale of number {n} and of its {n * 7} friends" for n in range(N)],
})  # fmt: skip
COLUMNS, _ = infer_columns(FRAME, {"story": "text", "hue": "category"})
WORDS = [
    "", " ", "na", "NaN", "none", "1", "1.0", "01", "-0", "3,5", "1.234,5", "1,234", "12:30", "1e3",
    "inf", "red", "RED", " red ", "Red\u00a0", "ne\u0301", "yes", "No", "true", "TRUE", "t", "0",
    "01/02/2024",
    "2024-01-31", "31/31/2024", "20240101", "a long tale", "x" * 300, "a\x1fb", "\x1f",
]  # fmt: skip
CELL = st.one_of(
    st.sampled_from([None, True, False, 0, 1, 2, 15, 10**9, -(10**20), 10**400, float("nan"),
                     float("inf"), -0.0, 1.0, 7.25, 1e300]),
    st.sampled_from(WORDS), st.integers(-20, 40), st.floats(-20, 40), st.text(max_size=6),
)  # fmt: skip


def read(way, cells, n):
    try:
        return way(cells, n)
    except (InputError, Refusal) as error:
        return str(error)


def test_every_kind_of_column_is_here():
    kinds = [column.kind for column in COLUMNS]
    assert kinds == ["number", "number", "category", "yes_no", "date", "text"]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_the_quick_door_and_the_whole_way_agree(data):
    n = data.draw(st.integers(1, 3))
    cells = {
        column.name: data.draw(st.lists(
            st.one_of(st.sampled_from(FRAME[column.name].to_list()), CELL), min_size=n, max_size=n
        ))
        for column in COLUMNS
    }  # fmt: skip
    door = TableDoor(TableInput(columns=COLUMNS), ())
    whole = read(door._whole, cells, n)  # after which it knows these words
    quick = door._quick(cells, n)
    if quick is None:
        return
    assert not isinstance(whole, str)
    for ours, theirs in zip(quick.given.values, whole.given.values, strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    assert not whole.given.is_unusual.any()
    assert whole.notes == ()
    assert +quick.drift == whole.drift


@pytest.mark.parametrize("n", [1, 5])
def test_plain_rows_go_through_the_quick_door(n):
    door = TableDoor(TableInput(columns=COLUMNS), ())
    rows = FRAME[:n].with_columns(pl.col("size").cast(float))
    cells = {name: rows[name].to_list() for name in rows.columns}
    cells["is new"] = [word == "yes" for word in cells["is new"]]
    assert door._quick(cells, n) is None  # the dates and prices are new to it
    door.read(cells, n, frozenset())
    assert door._quick(cells, n).n == n
