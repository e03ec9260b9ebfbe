"""Products of matrices whose numbers are split into halves, for a processor's matrix unit.

A number of float32 is nearly the sum of two of bfloat16, x = h + l + r: h the nearest one to x, l
the nearest one to x − h, and |r| ≤ 2⁻¹⁶ |x|. So a b = h_a h_b + h_a l_b + l_a h_b, but for
3 · 2⁻¹⁶ |a b| at most; of sums of products some 5e-6 of what they usually are (Henry, Tang and
Heinecke 2019, arXiv:1904.06376). The unit forms three products in a sixth of the time that vector
registers take for one.
"""

from typing import NamedTuple

from fathom.loops.compiling import loop
from fathom.loops.layouts import lay_out, turn_square
from fathom.loops.matrix_unit import SIDE, TILE, add, begin, configure, end, release, split
from fathom.loops.registers import address

DEEP = 2 * SIDE  # products that are added up at once
FEWEST = 24  # inputs, neurons or channels from which the unit pays
BLOCK = 2 * SIDE  # rows and columns of the result that are worked out together, in four tiles


class Side(NamedTuple):
    """One of two matrices that are multiplied.

    Attributes
    ----------
    start : int
        Address of its first number.
    stride : int
        Numbers from one row, as it lies, to the next.
    is_along : bool
        Whether a sum goes along one of these rows, or from each to the next.
    """

    start: int
    stride: int
    is_along: bool


@loop
def _whole(n):  # type: ignore[no-untyped-def]
    return (n + BLOCK - 1) // BLOCK * BLOCK


@loop
def room_for_side(n_lines, n):  # type: ignore[no-untyped-def]
    """Return how many numbers the halves of a side take: of so many sums, each of n products."""
    return _whole(n_lines) * _whole(n)


@loop
def room_for_halves(n_rows, n):  # type: ignore[no-untyped-def]
    """Return how many numbers `multiply_halves` needs aside: both sides' halves, and a block."""
    return BLOCK * BLOCK + room_for_side(n_rows, n) + room_for_side(BLOCK, n)


@loop
def multiply_halves(  # type: ignore[no-untyped-def]
    left, right, start, start_stride, result, stride, n_rows, n_columns, n, aside
):
    """Work out result = start + left · right, float32, by halves.

    Parameters
    ----------
    left, right : Side
        The matrices.
    start, result : int
        Addresses of the first numbers of what the sums start from, and of the result.
    start_stride, stride : int
        Numbers from one of their rows to the next.
    n_rows, n_columns, n : int
        The size of the result, and how many products are added up for each of its numbers.
    aside : numpy.ndarray
        Room to work in, at a line.
    """
    block = address(aside)
    panel = block + 4 * BLOCK * BLOCK
    lefts = panel + 4 * room_for_side(BLOCK, n)
    split_side(left, n_rows, n, True, lefts, block)
    configure()
    for column in range(0, n_columns, BLOCK):
        wide = min(BLOCK, n_columns - column)
        split_part(right, column, wide, n, False, panel, block)
        _multiply_panel(
            lefts, panel, n, start + 4 * column, start_stride, result + 4 * column, stride,
            n_rows, wide, block,
        )  # fmt: skip
    release()


@loop
def multiply_split(  # type: ignore[no-untyped-def]
    lefts, rights, start, start_stride, result, stride, n_rows, n_columns, n, aside
):
    """Work out result = start + left · right of sides that are split already.

    Parameters
    ----------
    lefts, rights : int
        Addresses of their halves.
    start, result, start_stride, stride, n_rows, n_columns, n
        As for `multiply_halves`.
    aside : int
        Address of room for a block, at a line.
    """
    size = 4 * room_for_side(BLOCK, n)
    configure()
    for column in range(0, n_columns, BLOCK):
        _multiply_panel(
            lefts, rights + column // BLOCK * size, n, start + 4 * column, start_stride,
            result + 4 * column, stride, n_rows, min(BLOCK, n_columns - column), aside,
        )  # fmt: skip
    release()


@loop
def _multiply_panel(  # type: ignore[no-untyped-def]
    lefts, panel, n, start, start_stride, result, stride, n_rows, n_columns, aside
):
    """Work out some columns of a result, no more than a block has, of sides that are split."""
    size = 4 * room_for_side(BLOCK, n)
    for row in range(0, n_rows, BLOCK):
        first, found = start + 4 * row * start_stride, result + 4 * row * stride
        halves = lefts + row // BLOCK * size
        tall = min(BLOCK, n_rows - row)
        if tall == BLOCK and n_columns == BLOCK:
            _multiply_block(halves, panel, n, first, start_stride, found, stride)
        else:
            lay_out(first, start_stride, tall, n_columns, aside, BLOCK)
            _multiply_block(halves, panel, n, aside, BLOCK, aside, BLOCK)
            lay_out(aside, BLOCK, tall, n_columns, found, stride)


@loop
def _multiply_block(left, right, n, start, start_stride, result, stride):  # type: ignore[no-untyped-def]
    begin(start, 4 * start_stride)
    for k in range(0, n, DEEP):
        add(left + 4 * BLOCK * k, right + 4 * BLOCK * k)
    end(result, 4 * stride)


@loop
def split_side(side, n_lines, n, is_left, result, aside):  # type: ignore[no-untyped-def]
    """Write the halves of a side, block after block.

    Parameters
    ----------
    side : Side
        The matrix.
    n_lines, n : int
        How many of its rows or columns are multiplied, and how many products each sum has.
    is_left : bool
        Whether it is the left matrix.
    result, aside : int
        Addresses of room for the halves, at a line, and for two tiles.
    """
    size = 4 * room_for_side(BLOCK, n)
    for line in range(0, n_lines, BLOCK):
        there = min(BLOCK, n_lines - line)
        split_part(side, line, there, n, is_left, result + line // BLOCK * size, aside)


@loop
def split_part(side, first, n_lines, n, is_left, result, aside):  # type: ignore[no-untyped-def]
    """Write the halves of a side's part of a block, as the unit wants them.

    For every `DEEP` products of the sums four tiles: two of high halves, and two of low ones. In
    the left one's sums go along rows, in the right one's from row to row; what lies the other way
    is turned, pairs of halves as one number.
    """
    turns = side.is_along != is_left
    for k in range(0, n, DEEP):
        for part in range(2):
            line, tiles = first + SIDE * part, result + 4 * (BLOCK * k + TILE * part)
            written = aside if turns else tiles
            _split_square(side, line, min(SIDE, n_lines - SIDE * part), k, n, written)
            if turns:
                for half in range(0, 4 * TILE, 2 * TILE):
                    turn_square(aside + 4 * half, SIDE, tiles + 4 * half, SIDE, SIDE, SIDE)


@loop
def _split_square(side, line, n_lines, k, n, tiles):  # type: ignore[no-untyped-def]
    """Write the halves of up to 16 sums and 32 products, as they lie; what is not there is 0.

    A pair is of two products that are 16 apart, which on both sides is the same.
    """
    place, step = side.start, 4 * side.stride
    if side.is_along:
        place, apart = place + line * step + 4 * k, 4 * SIDE
        n_rows, n_paired, n_first, n_second = n_lines, n_lines, n - k, n - k - SIDE
    else:
        place, apart = place + k * step + 4 * line, SIDE * step
        n_rows, n_paired, n_first, n_second = n - k, n - k - SIDE, n_lines, n_lines
    n_rows, n_paired = min(SIDE, max(0, n_rows)), min(SIDE, max(0, n_paired))
    for row in range(n_paired):
        at = place + row * step
        split(at, at + apart, n_first, n_second, tiles + 4 * SIDE * row)
    for row in range(n_paired, n_rows):
        split(place + row * step, place, n_first, 0, tiles + 4 * SIDE * row)
    for row in range(n_rows, SIDE):
        split(place, place, 0, 0, tiles + 4 * SIDE * row)
