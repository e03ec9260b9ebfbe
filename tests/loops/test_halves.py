"""Products by a matrix unit: nearly those of float32, however the matrices lie."""

import numpy as np
import pytest

from fathom.loops.halves import Side, multiply_halves, room_for_halves
from fathom.loops.matrix_unit import may_use_unit
from fathom.loops.moving import room
from fathom.loops.registers import address

pytestmark = pytest.mark.skipif(not may_use_unit(), reason="needs a processor with AMX")
RNG = np.random.default_rng(0)
SIZES = [(1, 1, 1), (32, 32, 32), (33, 31, 64), (16, 48, 17), (100, 70, 45), (7, 65, 300)]
GAP = 3  # numbers between rows


def lying(numbers, is_turned):
    """Return an array with gaps between its rows, and the numbers in it, turned or not."""
    rows = numbers.T if is_turned else numbers
    laid = np.full((len(rows), rows.shape[1] + GAP), np.nan, np.float32)
    laid[:, :-GAP] = rows
    return laid


def product(left, right, start, *, left_turned=False, right_turned=False, keeps_start=False):
    (n_rows, n), n_columns = left.shape, right.shape[1]
    a, b = lying(left, left_turned), lying(right, right_turned)
    result = np.full((n_rows, n_columns + GAP), np.nan, np.float32)
    begin = start.astype(np.float32)
    if keeps_start:
        result[:, :-GAP] = start
    aside = room(room_for_halves(n_rows, n))
    aside[:] = np.nan
    multiply_halves(
        Side(address(a), a.shape[1], not left_turned), Side(address(b), b.shape[1], right_turned),
        address(result if keeps_start else begin), n_columns + GAP if keeps_start else 0,
        address(result), n_columns + GAP, n_rows, n_columns, n, aside,
    )  # fmt: skip
    assert np.isnan(result[:, -GAP:]).all()
    return result[:, :-GAP]


@pytest.mark.parametrize(("n_rows", "n_columns", "n"), SIZES)
@pytest.mark.parametrize("left_turned", [False, True])
@pytest.mark.parametrize("right_turned", [False, True])
def test_sizes_and_ways_to_lie(n_rows, n_columns, n, left_turned, right_turned):
    left, right = RNG.normal(size=(n_rows, n)), RNG.normal(size=(n, n_columns))
    start = RNG.normal(size=n_columns)
    found = product(left, right, start, left_turned=left_turned, right_turned=right_turned)
    error = found - (start + left @ right)
    assert np.sqrt(np.mean(error**2)) < 8e-6 * np.sqrt(n)
    assert np.all(np.abs(error) <= 3 * 2**-16 * (np.abs(left) @ np.abs(right)) + 1e-6)


@pytest.mark.parametrize(("n_rows", "n_columns", "n"), SIZES)
def test_products_are_added_where_start_and_result_are_one(n_rows, n_columns, n):
    left, right = RNG.normal(size=(n_rows, n)), RNG.normal(size=(n, n_columns))
    start = RNG.normal(size=(n_rows, n_columns))
    found = product(left, right, start, keeps_start=True)
    np.testing.assert_allclose(found, start + left @ right, rtol=1e-4, atol=1e-3)


def test_what_has_few_digits_is_exact():
    """Whole numbers below 2¹⁶ are two halves and those below 2⁸ one; sums stay below 2²⁴."""
    left, right = RNG.integers(-60000, 60000, (40, 50)), RNG.integers(-4, 5, (50, 40))
    np.testing.assert_array_equal(product(left, right, np.zeros(40)), left @ right)


@pytest.mark.parametrize("size", [1e-30, 1e-12, 1e12, 1e30])
def test_small_and_large_numbers_are_as_exact(size):
    left, right = RNG.normal(size=(40, 50)) * size, RNG.normal(size=(50, 40))
    found = product(left, right, np.zeros(40))
    assert np.abs(found / size - left / size @ right).max() < 3e-4


@pytest.mark.parametrize("broken", [np.inf, -np.inf, np.nan])
def test_what_is_no_number_breaks_its_row_alone(broken):
    left, right = RNG.normal(size=(40, 50)), RNG.normal(size=(50, 40))
    left[7, 9] = broken
    found = product(left, right, np.zeros(40))
    assert not np.isfinite(found[7]).any()
    assert np.isfinite(np.delete(found, 7, axis=0)).all()
