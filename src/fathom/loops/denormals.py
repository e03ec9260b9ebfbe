"""Numbers too small to have all their digits count as 0 while loops run.

A processor takes some fifty times as long with such a number, below 1.2e-38, as with others, and
none of them changes a weight. They are not rare: Adam's mean of a weight that gets no gradient any
more, as that of a rare category or a neuron that has died, is a tenth smaller after every step, and
after 800 steps as small as that, where rounding keeps it for ever.
"""

import platform
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fathom.loops.compiling import loop

_MACHINE = platform.machine().lower()
_IS_X86 = _MACHINE in ("x86_64", "amd64", "x86", "i386", "i686")
_IS_ARM = _MACHINE in ("aarch64", "arm64")
FLUSHED = 0x8040 if _IS_X86 else 1 << 24 if _IS_ARM else 0  # results, and on x86 inputs, are 0
_SHORT, _WHOLE = ir.IntType(32), ir.IntType(64)


def _known(builder: Any, name: str, result: Any, *taken: Any) -> Any:
    """Return one of LLVM's own functions."""
    module, kind = builder.module, ir.FunctionType(result, taken)
    return module.globals.get(name) or ir.Function(module, kind, name)


def _place(builder: Any) -> tuple[Any, Any]:
    """Return room for 32 bits, and its address as LLVM's functions take it."""
    room = builder.alloca(_SHORT)
    return room, builder.bitcast(room, ir.IntType(8).as_pointer())


def _make_read(context):  # type: ignore[no-untyped-def]
    """Describe how a thread's rules for numbers are read."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if _IS_X86:
            room, address = _place(builder)
            read = _known(builder, "llvm.x86.sse.stmxcsr", ir.VoidType(), address.type)
            builder.call(read, [address])
            return builder.zext(builder.load(room), _WHOLE)
        if _IS_ARM:
            return builder.call(_known(builder, "llvm.aarch64.get.fpcr", _WHOLE), [])
        return ir.Constant(_WHOLE, 0)

    return types.int64(), generate


def _make_write(context, rules):  # type: ignore[no-untyped-def]
    """Describe how a thread gets other rules for numbers."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if _IS_X86:
            room, address = _place(builder)
            builder.store(builder.trunc(arguments[0], _SHORT), room)
            write = _known(builder, "llvm.x86.sse.ldmxcsr", ir.VoidType(), address.type)
            builder.call(write, [address])
        elif _IS_ARM:
            write = _known(builder, "llvm.aarch64.set.fpcr", ir.VoidType(), _WHOLE)
            builder.call(write, arguments)
        return context.get_dummy_value()

    return types.void(types.int64), generate


_read: Callable[..., int] = intrinsic(_make_read)
_write: Callable[..., None] = intrinsic(_make_write)


@loop
def flush():  # type: ignore[no-untyped-def]
    """Have this thread take numbers without all their digits as 0.

    Returns
    -------
    int
        The rules it had, which it is to be given back by `restore`: they hold for all it computes.
    """
    before = _read()
    _write(before | FLUSHED)
    return before


@loop
def restore(rules):  # type: ignore[no-untyped-def]
    """Give this thread back the rules it had."""
    _write(rules)
