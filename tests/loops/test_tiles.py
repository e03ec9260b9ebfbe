"""Products of tiles: those of NumPy, wherever the numbers lie, and not a number beside them."""

import numpy as np
import pytest

from fathom.loops.layouts import add_to_rows, lay_out, take_rows, turn
from fathom.loops.moving import LINE, room
from fathom.loops.registers import LANES
from fathom.loops.tiles import LOW, TALL, VECTORS, Ahead, Lay, multiply, multiply_ahead

RNG = np.random.default_rng(0)
WIDE = LANES * VECTORS


def guarded(n_rows, n_columns, apart):
    """Return rows that lie apart, among numbers that must stay as they are."""
    room = np.full(n_rows * apart + 2 * WIDE, 7, np.float32)
    rows = room[WIDE : WIDE + n_rows * apart].reshape(n_rows, apart)[:, :n_columns]
    return room, rows


@pytest.mark.parametrize("n_columns", [1, LANES - 1, LANES, LANES + 1, WIDE, WIDE + 3, 3 * WIDE])
@pytest.mark.parametrize("n_rows", [1, 2, LOW - 1, LOW, LOW + 1, TALL - 1, TALL, TALL + 3, 21])
@pytest.mark.parametrize("adds", [False, True])
def test_a_product_of_any_size(n_rows, n_columns, adds):
    n, apart = 5, n_columns + 2
    left, right = (
        RNG.normal(size=size).astype(np.float32) for size in ((n_rows, n), (n, n_columns))
    )
    bias = RNG.normal(size=n_columns).astype(np.float32)
    room, result = guarded(n_rows, n_columns, apart)
    result[:] = RNG.normal(size=result.shape) if adds else np.nan
    expected = left @ right + (result if adds else bias)
    start, step = (result.ctypes.data, apart) if adds else (bias.ctypes.data, 0)
    lay = Lay(n, 0, 1, n_columns, step, apart, n, n)
    where = left.ctypes.data, right.ctypes.data, start, result.ctypes.data
    multiply(lay, *where, n_rows, n_columns)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)
    result[:] = 7
    assert np.all(room == 7)


def test_rows_that_overlap_and_two_loops_within_each_other():
    """Each row sees 3 numbers of each of 2 lines of 9, and begins 2 after the one before."""
    lines, kernel = RNG.normal(size=(2, 9)).astype(np.float32), RNG.normal(size=(6, 4))
    kernel = kernel.astype(np.float32)
    seen = np.array([lines[:, begin : begin + 3].ravel() for begin in (0, 2, 4, 6)])
    result, zeros = np.empty((4, 4), np.float32), np.zeros(4, np.float32)
    lay = Lay(2, 9, 1, 4, 0, 4, 3, 6)
    where = (each.ctypes.data for each in (lines, kernel, zeros, result))
    multiply(lay, *where, 4, 4)
    np.testing.assert_allclose(result, seen @ kernel, rtol=1e-5, atol=1e-6)


def test_columns_times_rows():
    """The sum over examples of what lies example by example: both matrices are read downward."""
    delta, x = (RNG.normal(size=(13, n)).astype(np.float32) for n in (6, 10))
    result, zeros = np.empty((6, 10), np.float32), np.zeros(10, np.float32)
    where = (each.ctypes.data for each in (delta, x, zeros, result))
    multiply(Lay(1, 0, 6, 10, 0, 10, 13, 13), *where, 6, 10)
    np.testing.assert_allclose(result, delta.T @ x, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("start", [0, 2**46])
def test_what_is_fetched_meanwhile_changes_nothing_and_need_not_be_there(start):
    left, right = (RNG.normal(size=size).astype(np.float32) for size in ((21, 5), (5, WIDE + 3)))
    zeros, lay = np.zeros(WIDE + 3, np.float32), Lay(5, 0, 1, WIDE + 3, 0, WIDE + 3, 5, 5)
    found = []
    for ahead in (None, Ahead(start, 100, 500)):
        result = np.empty((21, WIDE + 3), np.float32)
        given = lay, *(each.ctypes.data for each in (left, right, zeros, result)), 21, WIDE + 3
        multiply(*given) if ahead is None else multiply_ahead(*given, ahead)
        found.append(result)
    assert np.array_equal(*found)


@pytest.mark.parametrize("n_rows", [1, 3, LANES - 1, LANES, LANES + 1, 3 * LANES + 2])
@pytest.mark.parametrize("n_columns", [1, 2, LANES, LANES + 5, 2 * LANES])
def test_rows_become_columns_and_nothing_beside_them_changes(n_rows, n_columns):
    matrix = RNG.normal(size=(n_rows, n_columns)).astype(np.float32)
    whole, columns = guarded(n_columns, n_rows, n_rows + 3)
    turn(matrix.ctypes.data, n_rows, n_columns, columns.ctypes.data, n_rows + 3)
    assert np.array_equal(columns, matrix.T)
    columns[:] = 7
    assert np.all(whole == 7)


@pytest.mark.parametrize("n_rows", [1, TALL - 1, TALL, TALL + 1, 3 * TALL + 2])
@pytest.mark.parametrize("n_columns", [1, LANES, LANES + 1, WIDE, WIDE + 3])
def test_columns_are_laid_out_and_nothing_beside_them_changes(n_rows, n_columns):
    matrix = RNG.normal(size=(n_rows, n_columns + 5)).astype(np.float32)
    whole, laid = guarded(n_rows, n_columns, n_columns + 3)
    start = matrix[:, 2:].ctypes.data
    lay_out(start, n_columns + 5, n_rows, n_columns, laid.ctypes.data, n_columns + 3)
    assert np.array_equal(laid, matrix[:, 2:-3])
    laid[:] = 7
    assert np.all(whole == 7)


@pytest.mark.parametrize("n_columns", [1, LANES, LANES + 1, WIDE + 3])
def test_rows_are_taken_in_any_order_and_nothing_beside_them_changes(n_columns):
    matrix = RNG.normal(size=(20, n_columns)).astype(np.float32)
    rows = np.array([19, 0, 7, 7, 3], np.int32)
    whole, taken = guarded(5, n_columns, n_columns + 3)
    take_rows(matrix.ctypes.data, rows, n_columns, taken.ctypes.data, n_columns + 3)
    assert np.array_equal(taken, matrix[rows])
    taken[:] = 7
    assert np.all(whole == 7)


@pytest.mark.parametrize("n_columns", [1, LANES, LANES + 1, WIDE + 3])
def test_rows_are_added_where_they_belong_and_nothing_beside_them_changes(n_columns):
    added = RNG.normal(size=(5, n_columns + 3)).astype(np.float32)
    rows = np.array([19, 0, 7, 7, 3], np.int32)
    whole, total = guarded(20, n_columns, n_columns)
    total[:] = 1
    expected = np.ones((20, n_columns))
    np.add.at(expected, rows, added[:, :n_columns].astype(float))
    add_to_rows(added.ctypes.data, n_columns + 3, rows, n_columns, total.ctypes.data)
    np.testing.assert_allclose(total, expected, rtol=1e-5)
    total[:] = 7
    assert np.all(whole == 7)


@pytest.mark.parametrize("n", [0, 1, 5, 1000])
def test_room_begins_a_line_of_memory(n):
    found = [room(n) for _ in range(8)]
    assert [len(one) for one in found] == [n] * 8
    assert all(one.ctypes.data % (4 * LINE) == 0 for one in found)
