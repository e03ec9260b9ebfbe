"""Products of matrices that lie anywhere, a tile of the result at a time, held in registers.

A library's product wants both matrices laid out for it. What a convolution multiplies is there
already, only not as a matrix: the pieces that neighbors see of a row of pixels overlap. Tiles take
every number from where it lies, so that nothing is laid out first.
"""

from collections.abc import Callable
from itertools import chain
from typing import Any, NamedTuple

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fathom.loops.compiling import loop

_IS_WIDE = llvmlite.binding.get_host_cpu_features().get("avx512f", False)
LANES, VECTORS = (16, 2) if _IS_WIDE else (8, 1)  # numbers in a register, registers in a tile's row
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


_FLOAT, _WHOLE, _SHORT = ir.FloatType(), ir.IntType(64), ir.IntType(32)
_VECTOR, _MASK = ir.VectorType(_FLOAT, LANES), ir.VectorType(ir.IntType(1), LANES)
_POINTER, _ALIGNED = _VECTOR.as_pointer(), ir.Constant(_SHORT, 4)
_NONE, _ONE, _SIZE = (ir.Constant(_WHOLE, value) for value in (0, 1, 4))
_BYTE = ir.IntType(8).as_pointer()
_TO_BE_READ, _SECOND_NEAREST, _DATA = (ir.Constant(_SHORT, value) for value in (0, 2, 1))


def _after(builder: Any, address: Any, count: Any, stride: Any) -> Any:
    """Return the address of the number that is `count` times `stride` numbers further on."""
    return builder.add(address, builder.mul(builder.mul(count, stride), _SIZE))


def _spread(builder: Any, value: Any) -> Any:
    """Return a vector that is one number in all lanes."""
    empty = ir.Constant(ir.VectorType(value.type, LANES), ir.Undefined)
    zeros = ir.Constant(ir.VectorType(_SHORT, LANES), [0] * LANES)
    alone = builder.insert_element(empty, value, ir.Constant(_SHORT, 0))
    return builder.shuffle_vector(alone, empty, zeros)


def _fetch(builder: Any, address: Any) -> None:
    """Ask for a line of memory, without waiting for it."""
    name, kinds = "llvm.prefetch.p0i8", [_BYTE, _SHORT, _SHORT, _SHORT]
    known = builder.module.globals.get(name) or ir.Function(
        builder.module, ir.FunctionType(ir.VoidType(), kinds), name
    )
    place = builder.inttoptr(address, _BYTE)
    builder.call(known, [place, _TO_BE_READ, _SECOND_NEAREST, _DATA])


class _Rows:
    """Rows of vectors in memory, of the last of which some lanes may not be there."""

    def __init__(self, builder: Any, n_vectors: int, n_last: Any) -> None:
        self.builder = builder
        lanes = ir.Constant(ir.VectorType(_WHOLE, LANES), list(range(LANES)))
        full = [ir.Constant(_MASK, [True] * LANES)] * (n_vectors - 1)
        self.masks = [*full, builder.icmp_signed("<", lanes, _spread(builder, n_last))]

    def _known(self, name: str, *kinds: Any) -> Any:
        """Return one of LLVM's own functions: its name, what it returns, and what it takes."""
        name, module = f"llvm.masked.{name}.v{LANES}f32.p0v{LANES}f32", self.builder.module
        return module.globals.get(name) or ir.Function(
            module, ir.FunctionType(kinds[0], kinds[1:]), name
        )

    def _place(self, address: Any, number: int) -> Any:
        address = self.builder.add(address, ir.Constant(_WHOLE, 4 * LANES * number))
        return self.builder.inttoptr(address, _POINTER)

    def read(self, address: Any) -> list[Any]:
        load = self._known("load", _VECTOR, _POINTER, _SHORT, _MASK, _VECTOR)
        zeros = ir.Constant(_VECTOR, [0.0] * LANES)
        return [
            self.builder.call(load, [self._place(address, number), _ALIGNED, mask, zeros])
            for number, mask in enumerate(self.masks)
        ]

    def write(self, vectors: list[Any], address: Any) -> None:
        store = self._known("store", ir.VoidType(), _VECTOR, _POINTER, _SHORT, _MASK)
        for number, (vector, mask) in enumerate(zip(vectors, self.masks, strict=True)):
            place = self._place(address, number)
            self.builder.call(store, [vector, place, _ALIGNED, mask])


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
    builder: Any, lay: Lay, rows: _Rows, left: Any, right: Any, first: list[list[Any]],
    ahead: Ahead | None,
) -> list[list[Any]]:  # fmt: skip
    """Return the sums of a tile after all steps along k, until when they stay in registers."""
    before, body = builder.block, builder.append_basic_block("products")
    builder.branch(body)
    builder.position_at_end(body)
    step, inner, base, at, beside = (builder.phi(_WHOLE) for _ in range(5))
    sums = [[builder.phi(_VECTOR) for _ in row] for row in first]
    places = (_after(builder, at, ir.Constant(_WHOLE, r), lay.row) for r in range(len(first)))
    ones = (builder.load(builder.inttoptr(place, _FLOAT.as_pointer())) for place in places)
    if ahead is not None:
        _fetch(builder, builder.add(ahead.start, builder.mul(step, ahead.step)))
    added = _add_products(builder, [_spread(builder, x) for x in ones], rows.read(beside), sums)
    next_step, next_inner = builder.add(step, _ONE), builder.add(inner, _ONE)
    is_round = builder.icmp_signed("==", next_inner, lay.n_inner)
    next_base = builder.select(is_round, _after(builder, base, _ONE, lay.outer), base)
    changes = [
        (step, _NONE, next_step),
        (inner, _NONE, builder.select(is_round, _NONE, next_inner)),
        (base, left, next_base),
        (at, left, builder.select(is_round, next_base, _after(builder, at, _ONE, lay.inner))),
        (beside, right, _after(builder, beside, _ONE, lay.right)),
        *zip(chain(*sums), chain(*first), chain(*added), strict=True),
    ]
    for value, begin, then in changes:
        value.add_incoming(begin, before)
        value.add_incoming(then, body)
    after = builder.append_basic_block("done")
    builder.cbranch(builder.icmp_signed("<", next_step, lay.n), body, after)
    builder.position_at_end(after)
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
            _Rows(builder, n_vectors, n_last),
            [ir.Constant(_WHOLE, r) for r in range(n_rows)],
        )
        first = [rows.read(_after(builder, start, r, lay.start)) for r in numbers]
        sums = _add_up(builder, lay, rows, left, right, first, ahead if fetches else None)
        for r, row in zip(numbers, sums, strict=True):
            rows.write(row, _after(builder, result, r, lay.result))
        return context.get_dummy_value()

    def tile(context, lay, left, right, start, result, n_last, ahead):  # type: ignore[no-untyped-def]
        whole = types.int64
        kinds = [types.NamedUniTuple(whole, len(kind._fields), kind) for kind in (Lay, Ahead)]
        return types.void(kinds[0], whole, whole, whole, whole, whole, kinds[1]), generate

    return intrinsic(tile)


def _interleave(builder: Any, vectors: list[Any], apart: int) -> list[Any]:
    """Exchange lanes with those of the vector `apart` further on, of every 2 `apart` the half."""
    picks = [
        [lane if lane & apart == 0 else LANES + lane - apart for lane in range(LANES)],
        [lane + apart if lane & apart == 0 else LANES + lane for lane in range(LANES)],
    ]
    masks = [ir.Constant(ir.VectorType(_SHORT, LANES), pick) for pick in picks]
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
        reading, writing = _Rows(builder, 1, n_columns), _Rows(builder, 1, n_rows)
        last_row, last_column = (builder.sub(n, _ONE) for n in (n_rows, n_columns))
        numbers = [ir.Constant(_WHOLE, number) for number in range(LANES)]

        def at_most(number: Any, last: Any) -> Any:  # beyond the last one, the last one again
            return builder.select(builder.icmp_signed("<", number, last), number, last)

        vectors = [
            reading.read(_after(builder, start, at_most(number, last_row), stride))[0]
            for number in numbers
        ]
        for stage in range(LANES.bit_length() - 1):
            vectors = _interleave(builder, vectors, 1 << stage)
        for number, vector in reversed([*zip(numbers, vectors, strict=True)]):
            place = _after(builder, result, at_most(number, last_column), stride_of_result)
            writing.write([vector], place)
        return context.get_dummy_value()

    whole = types.int64
    return types.void(whole, whole, whole, whole, whole, whole), generate


_turn_square: Callable[..., None] = intrinsic(_make_square)


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
            _turn_square(
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
        rows = _Rows(builder, 1, n_columns)
        numbers = [ir.Constant(_WHOLE, r) for r in range(n_rows)]
        read = [rows.read(_after(builder, start, r, stride)) for r in numbers]
        for r, row in zip(numbers, read, strict=True):
            rows.write(row, _after(builder, result, r, stride_of_result))
        return context.get_dummy_value()

    def copied(context, start, stride, result, stride_of_result, n_columns):  # type: ignore[no-untyped-def]
        whole = types.int64
        return types.void(whole, whole, whole, whole, whole), generate

    return intrinsic(copied)


_tall_rows, _line_rows = _make_rows(TALL), _make_rows(1)


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


_tall_1, _low_1, _line_1 = (_make_tile(n_rows, 1) for n_rows in (TALL, LOW, 1))
_tall_2, _low_2, _line_2 = (_make_tile(n_rows, 2) for n_rows in (TALL, LOW, 1))
_fetching = _make_tile(TALL, VECTORS, fetches=True)


@loop
def address(numbers):  # type: ignore[no-untyped-def]
    """Return where an array's first number lies, signed, as all that is added to it is."""
    return np.int64(numbers.ctypes.data)


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
