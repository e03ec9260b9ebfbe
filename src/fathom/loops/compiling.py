"""How loops are compiled: once a machine, kept in a cache, outside Python's lock."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.lowering import Lower
from numba.core.typed_passes import NativeLowering

Function = TypeVar("Function", bound=Callable[..., Any])
# Sums may be formed in any order, so that they fill vector registers; NaN stays NaN.
_RELAXED = {"reassoc", "contract", "arcp", "nsz"}


def loop(function: Function) -> Function:
    """Compile a loop over arrays when it is first called, and keep it for later processes.

    What is kept is found again by the file of the function alone, so that what is older than any
    of the loops has to go; `fathom.training.engines` sees to it.
    """
    return _compile(function, _RELAXED)


def exact(function: Function) -> Function:
    """Compile a formula of single numbers, in the order it is written."""
    return _compile(function, False)


class _Lower(Lower):
    """Writes a function for LLVM, and that it may fill the widest registers there are.

    LLVM fills halves of those of AVX-512 by itself, as some processors slow down where whole ones
    are used; tiles use whole ones anyway.
    """

    def setup_function(self, fndesc: Any) -> None:
        super().setup_function(fndesc)
        set.add(self.function.attributes, '"prefer-vector-width"="512"')  # not in llvmlite's list


@register_pass(mutates_CFG=True, analysis_only=False)
class _Lowering(NativeLowering):
    _name = "native_lowering_for_wide_registers"

    @property
    def lowering_class(self) -> type[Lower]:
        return _Lower


class _Compiler(CompilerBase):
    """Compiles as `njit` does, but for whole registers."""

    def define_pipelines(self) -> list[PassManager]:
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.passes = [
            (_Lowering if kind is NativeLowering else kind, says) for kind, says in passes.passes
        ]
        passes.finalize()
        return [passes]


def _compile(function: Function, relaxed: set[str] | bool) -> Function:
    options: dict[str, Any] = {
        "nogil": True, "error_model": "numpy", "fastmath": relaxed, "pipeline_class": _Compiler
    }  # fmt: skip
    try:
        return cast(Function, njit(cache=True, **options)(function))
    except RuntimeError:  # there is no folder to keep it in
        return cast(Function, njit(**options)(function))
