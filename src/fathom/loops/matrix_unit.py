"""The matrix unit of a processor with AMX, as LLVM spells it: tiles, and numbers split for them.

One instruction multiplies a tile of 16 × 32 bfloat16 numbers by one of 32 × 16, and adds the
products to a tile of float32: twenty times as many as vector registers do meanwhile. Where there is
no such unit, what is written here does nothing, and is not to be called.
"""

import ctypes
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import config
from numba.extending import intrinsic

from fathom.loops.registers import LANES, SHORT, VECTOR, WHOLE, Rows

SIDE = 16  # rows of a tile, each of which has as many numbers, or pairs of halves
TILE = SIDE * SIDE  # numbers it takes the place of
_ARCH_PRCTL, _ASK, _TILES = 158, 0x1023, 18  # a system call: may this process use tiles?
_BYTE = ir.IntType(8)
_PLACE, _BITS = _BYTE.as_pointer(), ir.VectorType(SHORT, LANES)
_UPPER = ir.Constant(_BITS, [-(2**16)] * LANES)  # the bits of a number that its half has
_HALF_STEP = ir.Constant(_BITS, [2**15] * LANES)
_ALL_WHOLE = bytes([1, *[0] * 15, *[4 * SIDE, 0] * 8, *[0] * 16, *[SIDE] * 8, *[0] * 8])


def _is_there() -> bool:
    """Tell whether loops are compiled for a processor with a unit, which users may say by names."""
    told = config.CPU_FEATURES  # type: ignore[attr-defined]
    features = llvmlite.binding.get_host_cpu_features().flatten() if told is None else told
    return LANES == SIDE and {"+amx-tile", "+amx-bf16"} <= set(features.split(","))


_IS_THERE = _is_there()


@lru_cache(maxsize=1)
def may_use_unit() -> bool:
    """Tell whether there is a matrix unit that this process may use, for which it asks Linux."""
    if not _IS_THERE or sys.platform != "linux":
        return False
    return bool(ctypes.CDLL(None).syscall(_ARCH_PRCTL, _ASK, _TILES) == 0)


def _call(builder: Any, name: str, *given: Any) -> None:
    """Call one of the unit's instructions."""
    name, module = f"llvm.x86.{name}", builder.module
    kind = ir.FunctionType(ir.VoidType(), [value.type for value in given])
    builder.call(module.globals.get(name) or ir.Function(module, kind, name), given)


def _tile(number: int) -> Any:
    return ir.Constant(_BYTE, number)


def _further(builder: Any, address: Any, n_bytes: int) -> Any:
    return builder.add(address, ir.Constant(WHOLE, n_bytes))


def _move_four(builder: Any, name: str, address: Any, stride: Any) -> None:
    """Read or write the four tiles of a block, whose rows are so many bytes apart."""
    below = builder.add(address, builder.mul(stride, ir.Constant(WHOLE, SIDE)))
    right = (_further(builder, place, 4 * SIDE) for place in (address, below))
    places = [*zip((address, below), right, strict=True)]
    for number, place in enumerate([place for row in places for place in row]):
        _call(builder, name, _tile(number), builder.inttoptr(place, _PLACE), stride)


def _begin(builder: Any, start: Any, stride: Any) -> None:
    _move_four(builder, "tileloadd64", start, stride)


def _end(builder: Any, result: Any, stride: Any) -> None:
    _move_four(builder, "tilestored64", result, stride)


_ORDER = (  # of the products of a block: tile of the result, tile of the left, of the right
    (0, 2, 0), (2, 3, 0), (1, 2, 1), (3, 3, 1),  # low halves by high ones
    (0, 0, 0), (1, 0, 1), (2, 1, 0), (3, 1, 1),  # high by high
    (0, 0, 2), (2, 1, 2), (1, 0, 3), (3, 1, 3),  # high by low
)  # fmt: skip


def _add(builder: Any, left: Any, right: Any) -> None:
    """Add products to a block; each tile is read right before it is first needed."""
    stride = ir.Constant(WHOLE, 4 * SIDE)
    held: dict[int, int] = {}
    for total, *sides in _ORDER:
        registers = []
        for number, (place, address) in enumerate(zip(sides, (left, right), strict=True)):
            register = 4 + 2 * number + place % 2
            if held.get(register) != place:
                at = _further(builder, address, 4 * TILE * place)
                _call(builder, "tileloadd64", _tile(register), builder.inttoptr(at, _PLACE), stride)
                held[register] = place
            registers.append(register)
        _call(builder, "tdpbf16ps", *map(_tile, (total, *registers)))


def _configure(builder: Any) -> None:
    kind, name = ir.ArrayType(_BYTE, len(_ALL_WHOLE)), "fathom_all_tiles_whole"
    kept = builder.module.globals.get(name)
    if kept is None:
        kept = ir.GlobalVariable(builder.module, kind, name)
        kept.linkage, kept.global_constant = "internal", True
        kept.initializer = ir.Constant(kind, bytearray(_ALL_WHOLE))
    _call(builder, "ldtilecfg", builder.bitcast(kept, _PLACE))


def _release(builder: Any) -> None:
    _call(builder, "tilerelease")


def _split(builder: Any, first: Any, second: Any, n_first: Any, n_second: Any, tiles: Any) -> None:
    def rounded(numbers: Any) -> Any:  # to the nearest half, with some bits beyond it
        return builder.add(builder.bitcast(numbers, _BITS), _HALF_STEP)

    def paired(one: Any, other: Any) -> Any:
        below = builder.lshr(one, ir.Constant(_BITS, [16] * LANES))
        return builder.bitcast(builder.or_(below, builder.and_(other, _UPPER)), VECTOR)

    places = (first, n_first), (second, n_second)
    numbers = [Rows(builder, 1, n).read(place)[0] for place, n in places]
    highs = [rounded(one) for one in numbers]
    kept = [builder.bitcast(builder.and_(high, _UPPER), VECTOR) for high in highs]
    lows = [rounded(builder.fsub(one, of)) for one, of in zip(numbers, kept, strict=True)]
    whole = Rows(builder, 1, ir.Constant(WHOLE, LANES))
    whole.write([paired(*highs)], tiles)
    whole.write([paired(*lows)], _further(builder, tiles, 2 * 4 * TILE))


_of_loops: Any = intrinsic  # that what it makes takes no context is not seen by a type checker


def _written_by(write: Callable[..., None]) -> Callable[..., Any]:
    """Return what Numba asks for of something that loops can call, of what writes it for LLVM."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if _IS_THERE:
            write(builder, *arguments)
        return context.get_dummy_value()

    return generate


@_of_loops
def configure(context):  # type: ignore[no-untyped-def]
    """Tell this thread's unit that all its tiles are whole; before anything else of it."""
    return types.void(), _written_by(_configure)


@_of_loops
def release(context):  # type: ignore[no-untyped-def]
    """Leave the unit: what its tiles hold then need not be kept when threads change places."""
    return types.void(), _written_by(_release)


@_of_loops
def begin(context, start, stride):  # type: ignore[no-untyped-def]
    """Read the sums of a block of 32 by 32, at an address, whose rows are so many bytes apart."""
    return types.void(types.int64, types.int64), _written_by(_begin)


@_of_loops
def add(context, left, right):  # type: ignore[no-untyped-def]
    """Add products to the block: of four tiles of halves each, at two addresses, see `split`."""
    return types.void(types.int64, types.int64), _written_by(_add)


@_of_loops
def end(context, result, stride):  # type: ignore[no-untyped-def]
    """Write the sums of the block."""
    return types.void(types.int64, types.int64), _written_by(_end)


@_of_loops
def split(context, first, second, n_first, n_second, tiles):  # type: ignore[no-untyped-def]
    """Write the halves of up to 16 numbers at each of two addresses, as pairs of one of either.

    High ones as a row of a tile, low ones as the same row of the tile that is two further on; 0
    where there are no more numbers.
    """
    return types.void(*[types.int64] * 5), _written_by(_split)
