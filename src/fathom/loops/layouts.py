"""Matrices laid out anew, a register or a square of them at a time: turned, or row after row."""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fathom.loops.compiling import loop
from fathom.loops.registers import LANES, ONE, SHORT, WHOLE, Rows, after

TALL = 8  # rows that are copied at once


def _interleave(builder: Any, vectors: list[Any], apart: int) -> list[Any]:
    """Exchange lanes with those of the vector `apart` further on, of every 2 `apart` the half."""
    picks = [
        [lane if lane & apart == 0 else LANES + lane - apart for lane in range(LANES)],
        [lane + apart if lane & apart == 0 else LANES + lane for lane in range(LANES)],
    ]
    masks = [ir.Constant(ir.VectorType(SHORT, LANES), pick) for pick in picks]
    return [
        builder.shuffle_vector(
            vectors[number & ~apart], vectors[number | apart], masks[bool(number & apart)]
        )
        for number in range(LANES)
    ]


def _make_square(context, start, stride, result, stride_of_result, n_rows, n_columns):  # type: ignore[no-untyped-def]
    """Describe how a square of `LANES` numbers a side, or less of one, is turned."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        start, stride, result, stride_of_result, n_rows, n_columns = arguments
        reading, writing = Rows(builder, 1, n_columns), Rows(builder, 1, n_rows)
        last_row, last_column = (builder.sub(n, ONE) for n in (n_rows, n_columns))
        numbers = [ir.Constant(WHOLE, number) for number in range(LANES)]

        def at_most(number: Any, last: Any) -> Any:  # beyond the last one, the last one again
            return builder.select(builder.icmp_signed("<", number, last), number, last)

        vectors = [
            reading.read(after(builder, start, at_most(number, last_row), stride))[0]
            for number in numbers
        ]
        for stage in range(LANES.bit_length() - 1):
            vectors = _interleave(builder, vectors, 1 << stage)
        for number, vector in reversed([*zip(numbers, vectors, strict=True)]):
            place = after(builder, result, at_most(number, last_column), stride_of_result)
            writing.write([vector], place)
        return context.get_dummy_value()

    whole = types.int64
    return types.void(whole, whole, whole, whole, whole, whole), generate


turn_square: Callable[..., None] = intrinsic(_make_square)


@loop
def turn(start, n_rows, n_columns, result, stride):  # type: ignore[no-untyped-def]
    """Write a matrix, whose rows lie one after another, column by column, float32.

    Parameters
    ----------
    start, result : int
        Addresses of the first numbers.
    n_rows, n_columns : int
        Its size.
    stride : int
        Numbers from one column to the next in the result.
    """
    for row in range(0, n_rows, LANES):
        for column in range(0, n_columns, LANES):
            turn_square(
                start + 4 * (row * n_columns + column),
                n_columns,
                result + 4 * (column * stride + row),
                stride,
                min(LANES, n_rows - row),
                min(LANES, n_columns - column),
            )


def _make_rows(n_rows: int) -> Callable[..., None]:
    """Return what copies so many rows, no longer than a register, from where they lie to elsewhere.

    It takes the address of the first row and the numbers from one to the next, the same of the
    copies, and how many numbers a row has.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        start, stride, result, stride_of_result, n_columns = arguments
        rows = Rows(builder, 1, n_columns)
        numbers = [ir.Constant(WHOLE, r) for r in range(n_rows)]
        read = [rows.read(after(builder, start, r, stride)) for r in numbers]
        for r, row in zip(numbers, read, strict=True):
            rows.write(row, after(builder, result, r, stride_of_result))
        return context.get_dummy_value()

    def copied(context, start, stride, result, stride_of_result, n_columns):  # type: ignore[no-untyped-def]
        whole = types.int64
        return types.void(whole, whole, whole, whole, whole), generate

    return intrinsic(copied)


_tall_rows, _line_rows = _make_rows(TALL), _make_rows(1)


def _make_sum(context, start, result, n_columns):  # type: ignore[no-untyped-def]
    """Describe how a row no longer than a register is added to another."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        start, result, n_columns = arguments
        rows = Rows(builder, 1, n_columns)
        total = builder.fadd(rows.read(result)[0], rows.read(start)[0])
        rows.write([total], result)
        return context.get_dummy_value()

    whole = types.int64
    return types.void(whole, whole, whole), generate


_add_line: Callable[..., None] = intrinsic(_make_sum)


@loop
def lay_out(start, stride, n_rows, n_columns, result, width):  # type: ignore[no-untyped-def]
    """Write some columns of a matrix as rows that lie one after another, float32.

    Long rows, many of which begin amid a line, are slower to read again and again.

    Parameters
    ----------
    start : int
        Address of the first number.
    stride : int
        Numbers from one row of the matrix to the next.
    n_rows, n_columns : int
        How many.
    result : int
        Address of the first number written.
    width : int
        Numbers from one row to the next there.
    """
    for column in range(0, n_columns, LANES):
        wide, row = min(LANES, n_columns - column), 0
        while row < n_rows:
            n = TALL if n_rows >= TALL else 1
            row = min(row, n_rows - n)  # some twice rather than one by one
            read, written = start + 4 * (row * stride + column), result + 4 * (row * width + column)
            if n == TALL:
                _tall_rows(read, stride, written, width, wide)
            else:
                _line_rows(read, stride, written, width, wide)
            row += n


@loop
def take_rows(start, rows, n_columns, result, width):  # type: ignore[no-untyped-def]
    """Write those rows of a matrix that are asked for, one after another.

    Parameters
    ----------
    start, result : int
        Addresses of the first number of the matrix, and of the first one written.
    rows : numpy.ndarray
        Which rows.
    n_columns : int
        Numbers in a row of the matrix, all of which are written.
    width : int
        Numbers from one row to the next in the result.
    """
    for place in range(len(rows)):
        read = start + 4 * np.int64(rows[place]) * n_columns
        written = result + 4 * place * width
        for column in range(0, n_columns, LANES):
            wide = min(LANES, n_columns - column)
            _line_rows(read + 4 * column, 0, written + 4 * column, 0, wide)


@loop
def add_to_rows(start, width, rows, n_columns, result):  # type: ignore[no-untyped-def]
    """Add one row after another to those of a matrix that are told: the way back of `take_rows`.

    Parameters
    ----------
    start, result : int
        Addresses of the first number that is added, and of the first one of the matrix.
    width : int
        Numbers from one row that is added to the next.
    rows : numpy.ndarray
        To which rows.
    n_columns : int
        Numbers in a row of the matrix.
    """
    for place in range(len(rows)):
        read = start + 4 * place * width
        written = result + 4 * np.int64(rows[place]) * n_columns
        for column in range(0, n_columns, LANES):
            wide = min(LANES, n_columns - column)
            _add_line(read + 4 * column, written + 4 * column, wide)
