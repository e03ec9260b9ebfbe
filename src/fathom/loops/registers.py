"""Vector registers: how what fills them is read, written and spelled for LLVM."""

from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir

from fathom.loops.compiling import loop

_IS_WIDE = llvmlite.binding.get_host_cpu_features().get("avx512f", False)
LANES = 16 if _IS_WIDE else 8  # numbers in a register

FLOAT, WHOLE, SHORT = ir.FloatType(), ir.IntType(64), ir.IntType(32)
VECTOR, MASK = ir.VectorType(FLOAT, LANES), ir.VectorType(ir.IntType(1), LANES)
POINTER, ALIGNED = VECTOR.as_pointer(), ir.Constant(SHORT, 4)
NONE, ONE, SIZE = (ir.Constant(WHOLE, value) for value in (0, 1, 4))


def after(builder: Any, address: Any, count: Any, stride: Any) -> Any:
    """Return the address of the number that is `count` times `stride` numbers further on."""
    return builder.add(address, builder.mul(builder.mul(count, stride), SIZE))


def in_all_lanes(builder: Any, value: Any) -> Any:
    """Return a vector that is one number in all lanes."""
    empty = ir.Constant(ir.VectorType(value.type, LANES), ir.Undefined)
    zeros = ir.Constant(ir.VectorType(SHORT, LANES), [0] * LANES)
    alone = builder.insert_element(empty, value, ir.Constant(SHORT, 0))
    return builder.shuffle_vector(alone, empty, zeros)


class Rows:
    """Rows of vectors in memory, of the last of which some lanes may not be there."""

    def __init__(self, builder: Any, n_vectors: int, n_last: Any) -> None:
        self.builder = builder
        lanes = ir.Constant(ir.VectorType(WHOLE, LANES), list(range(LANES)))
        full = [ir.Constant(MASK, [True] * LANES)] * (n_vectors - 1)
        self.masks = [*full, builder.icmp_signed("<", lanes, in_all_lanes(builder, n_last))]

    def _known(self, name: str, *kinds: Any) -> Any:
        """Return one of LLVM's own functions: its name, what it returns, and what it takes."""
        name, module = f"llvm.masked.{name}.v{LANES}f32.p0v{LANES}f32", self.builder.module
        return module.globals.get(name) or ir.Function(
            module, ir.FunctionType(kinds[0], kinds[1:]), name
        )

    def _place(self, address: Any, number: int) -> Any:
        address = self.builder.add(address, ir.Constant(WHOLE, 4 * LANES * number))
        return self.builder.inttoptr(address, POINTER)

    def read(self, address: Any) -> list[Any]:
        """Return the vectors of the row that begins at an address; what is not there is 0."""
        load = self._known("load", VECTOR, POINTER, SHORT, MASK, VECTOR)
        zeros = ir.Constant(VECTOR, [0.0] * LANES)
        return [
            self.builder.call(load, [self._place(address, number), ALIGNED, mask, zeros])
            for number, mask in enumerate(self.masks)
        ]

    def write(self, vectors: list[Any], address: Any) -> None:
        """Write a row; what is not there stays as it was."""
        store = self._known("store", ir.VoidType(), VECTOR, POINTER, SHORT, MASK)
        for number, (vector, mask) in enumerate(zip(vectors, self.masks, strict=True)):
            place = self._place(address, number)
            self.builder.call(store, [vector, place, ALIGNED, mask])


@loop
def address(numbers):  # type: ignore[no-untyped-def]
    """Return where an array's first number lies, signed, as all that is added to it is."""
    return np.int64(numbers.ctypes.data)
