"""Products of matrices that lie anywhere, a tile of the result at a time, held in registers.

A library's product wants both matrices laid out for it. What a convolution multiplies is there
already, only not as a matrix: the pieces that neighbors see of a row of pixels overlap. Tiles take
every number from where it lies, so that nothing is laid out first.
"""

from collections.abc import Callable
from itertools import chain
from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fathom.loops.compiling import loop
from fathom.loops.registers import (
    FLOAT,
    LANES,
    NONE,
    ONE,
    SHORT,
    VECTOR,
    WHOLE,
    Rows,
    after,
    in_all_lanes,
)

VECTORS = 2 if LANES == 16 else 1  # registers in a tile's row
TALL, LOW = 8, 4  # rows of tiles


class Lay(NamedTuple):
    """How a product's numbers lie: result[r, j] = start[r, j] + Σ_k left[r, k] right[k, j].

    Attributes
    ----------
    row, outer, inner : int
        Numbers from one row of the left matrix to the next; and along k, which is two loops, one
        within the other.
    right : int
        Numbers from one row of the right matrix to the next; its columns lie side by side.
    start, result : int
        The same of what the sums start from, and of the result.
    n_inner, n : int
        How often the inner loop goes round, and how often both together.
    """

    row: int
    outer: int
    inner: int
    right: int
    start: int
    result: int
    n_inner: int
    n: int


class Ahead(NamedTuple):
    """Where lies what is needed next: fetched into nearer memory while products are formed.

    Attributes
    ----------
    start : int
        The address of its beginning.
    step : int
        Bytes from the place that one step along k asks for to that of the next step; 0: none asks,
        as asking takes some time itself.
    tile : int
        Bytes from where one tile begins to ask to where the next one does.
    """

    start: int
    step: int
    tile: int


_BYTE = ir.IntType(8).as_pointer()
_TO_BE_READ, _SECOND_NEAREST, _DATA = (ir.Constant(SHORT, value) for value in (0, 2, 1))


def _fetch(builder: Any, address: Any) -> None:
    """Ask for a line of memory, without waiting for it."""
    name, kinds = "llvm.prefetch.p0i8", [_BYTE, SHORT, SHORT, SHORT]
    known = builder.module.globals.get(name) or ir.Function(
        builder.module, ir.FunctionType(ir.VoidType(), kinds), name
    )
    place = builder.inttoptr(address, _BYTE)
    builder.call(known, [place, _TO_BE_READ, _SECOND_NEAREST, _DATA])


def _add_products(builder: Any, ones: list[Any], shared: list[Any], sums: list[list[Any]]) -> Any:
    """Return every sum with one more product: of a number of its row, one of its column."""
    fused = ("contract",)  # a product and the sum after it may be one instruction
    return [
        [
            builder.fadd(builder.fmul(one, other, flags=fused), total, flags=fused)
            for other, total in zip(shared, row, strict=True)
        ]
        for one, row in zip(ones, sums, strict=True)
    ]


def _add_up(
    builder: Any, lay: Lay, rows: Rows, left: Any, right: Any, first: list[list[Any]],
    ahead: Ahead | None,
) -> list[list[Any]]:  # fmt: skip
    """Return the sums of a tile after all steps along k, until when they stay in registers."""
    before, body = builder.block, builder.append_basic_block("products")
    builder.branch(body)
    builder.position_at_end(body)
    step, inner, base, at, beside = (builder.phi(WHOLE) for _ in range(5))
    sums = [[builder.phi(VECTOR) for _ in row] for row in first]
    places = (after(builder, at, ir.Constant(WHOLE, r), lay.row) for r in range(len(first)))
    ones = (builder.load(builder.inttoptr(place, FLOAT.as_pointer())) for place in places)
    if ahead is not None:
        _fetch(builder, builder.add(ahead.start, builder.mul(step, ahead.step)))
    spread = [in_all_lanes(builder, one) for one in ones]
    added = _add_products(builder, spread, rows.read(beside), sums)
    next_step, next_inner = builder.add(step, ONE), builder.add(inner, ONE)
    is_round = builder.icmp_signed("==", next_inner, lay.n_inner)
    next_base = builder.select(is_round, after(builder, base, ONE, lay.outer), base)
    changes = [
        (step, NONE, next_step),
        (inner, NONE, builder.select(is_round, NONE, next_inner)),
        (base, left, next_base),
        (at, left, builder.select(is_round, next_base, after(builder, at, ONE, lay.inner))),
        (beside, right, after(builder, beside, ONE, lay.right)),
        *zip(chain(*sums), chain(*first), chain(*added), strict=True),
    ]
    for value, begin, then in changes:
        value.add_incoming(begin, before)
        value.add_incoming(then, body)
    end = builder.append_basic_block("done")
    builder.cbranch(builder.icmp_signed("<", next_step, lay.n), body, end)
    builder.position_at_end(end)
    return added


def _make_tile(n_rows: int, n_vectors: int, *, fetches: bool = False) -> Callable[..., None]:
    """Return what works out a tile of so many rows, and registers a row.

    It takes a `Lay`, the addresses of the left and the right matrix, of the start and the result,
    how many numbers are in the last register of a row, and what is needed next.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        packed, left, right, start, result, n_last, next_packed = arguments
        lay = Lay(*(builder.extract_value(packed, k) for k in range(len(Lay._fields))))
        ahead = Ahead(*(builder.extract_value(next_packed, k) for k in range(len(Ahead._fields))))
        rows, numbers = (
            Rows(builder, n_vectors, n_last),
            [ir.Constant(WHOLE, r) for r in range(n_rows)],
        )
        first = [rows.read(after(builder, start, r, lay.start)) for r in numbers]
        sums = _add_up(builder, lay, rows, left, right, first, ahead if fetches else None)
        for r, row in zip(numbers, sums, strict=True):
            rows.write(row, after(builder, result, r, lay.result))
        return context.get_dummy_value()

    def tile(context, lay, left, right, start, result, n_last, ahead):  # type: ignore[no-untyped-def]
        whole = types.int64
        kinds = [types.NamedUniTuple(whole, len(kind._fields), kind) for kind in (Lay, Ahead)]
        return types.void(kinds[0], whole, whole, whole, whole, whole, kinds[1]), generate

    return intrinsic(tile)


_tall_1, _low_1, _line_1 = (_make_tile(n_rows, 1) for n_rows in (TALL, LOW, 1))
_tall_2, _low_2, _line_2 = (_make_tile(n_rows, 2) for n_rows in (TALL, LOW, 1))
_fetching = _make_tile(TALL, VECTORS, fetches=True)


@loop
def multiply(lay, left, right, start, result, n_rows, n_columns):  # type: ignore[no-untyped-def]
    """Work out result = start + left · right, float32.

    Parameters
    ----------
    lay : Lay
        How all four lie.
    left, right, start, result : int
        Addresses of their first numbers. Where start and result are one, products are added.
    n_rows, n_columns : int
        The size of the result.
    """
    multiply_ahead(lay, left, right, start, result, n_rows, n_columns, Ahead(right, 0, 0))


@loop
def multiply_ahead(lay, left, right, start, result, n_rows, n_columns, ahead):  # type: ignore[no-untyped-def]
    """Work out result = start + left · right, and fetch meanwhile what is needed next.

    Parameters
    ----------
    lay, left, right, start, result, n_rows, n_columns
        As for `multiply`.
    ahead : Ahead
        Where that lies.
    """
    soon = ahead.start
    for column in range(0, n_columns, LANES * VECTORS):
        wide = min(LANES * VECTORS, n_columns - column)
        beside, first, found = right + 4 * column, start + 4 * column, result + 4 * column
        row = 0
        while row < n_rows:
            n = _height(n_rows - row, n_rows, start == result)
            row = min(row, n_rows - n)
            a, b, c = (
                left + 4 * row * lay.row,
                first + 4 * row * lay.start,
                found + 4 * row * lay.result,
            )
            following = Ahead(soon, ahead.step, ahead.tile)
            n_last = wide - LANES * (VECTORS - 1)
            if n == TALL and n_last > 0 and ahead.step > 0:
                _fetching(lay, a, beside, b, c, n_last, following)
            elif wide <= LANES:
                if n == TALL:
                    _tall_1(lay, a, beside, b, c, wide, following)
                elif n == LOW:
                    _low_1(lay, a, beside, b, c, wide, following)
                else:
                    _line_1(lay, a, beside, b, c, wide, following)
            elif n == TALL:
                _tall_2(lay, a, beside, b, c, wide - LANES, following)
            elif n == LOW:
                _low_2(lay, a, beside, b, c, wide - LANES, following)
            else:
                _line_2(lay, a, beside, b, c, wide - LANES, following)
            row += n
            soon += ahead.tile


@loop
def _height(n_left, n_rows, adds):  # type: ignore[no-untyped-def]
    """Return the rows of the next tile: some twice rather than one by one, if nothing is added."""
    if adds:
        return TALL if n_left >= TALL else LOW if n_left >= LOW else 1
    return TALL if n_left > LOW and n_rows >= TALL else LOW if n_rows >= LOW else 1
