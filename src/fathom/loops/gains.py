"""The gain of every feature: a = g x, and errors back."""

from collections.abc import Callable
from typing import Any

from numba import types
from numba.extending import intrinsic

from fathom.loops.compiling import loop
from fathom.loops.moving import fill
from fathom.loops.numerics import ZERO
from fathom.loops.registers import LANES, Rows, address


def _make_product(*, adds: bool) -> Callable[..., None]:
    """Return what multiplies two rows no longer than a register, and writes or adds the products.

    It takes the addresses of both and of the result, and how many numbers they have.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        *factors, result, n = arguments
        rows = Rows(builder, 1, n)
        product = builder.fmul(*(rows.read(factor)[0] for factor in factors))
        if adds:
            product = builder.fadd(rows.read(result)[0], product, flags=("contract",))
        rows.write([product], result)
        return context.get_dummy_value()

    def product(context, left, right, result, n):  # type: ignore[no-untyped-def]
        whole = types.int64
        return types.void(whole, whole, whole, whole), generate

    return intrinsic(product)


_write_product, _add_product = _make_product(adds=False), _make_product(adds=True)


@loop
def forward_gain(x, gain, a):  # type: ignore[no-untyped-def]
    """Multiply every feature by its gain: a = g x, both of shape (batch, features)."""
    n = len(gain)
    taken, factors, found = address(x), address(gain), address(a)
    for r in range(len(x)):
        for column in range(0, n, LANES):
            place, wide = 4 * (r * n + column), min(LANES, n - column)
            _write_product(taken + place, factors + 4 * column, found + place, wide)


@loop
def backward_gain(x, gain, error, back, of_gain):  # type: ignore[no-untyped-def]
    """Work out ∂E/∂g = Σ x ∂E/∂a, and ∂E/∂x = g ∂E/∂a.

    Parameters
    ----------
    x, gain
        As for `forward_gain`.
    error : numpy.ndarray
        ∂E/∂a, shape (batch, features).
    back : numpy.ndarray
        Room for ∂E/∂x, of the same shape.
    of_gain : numpy.ndarray
        Room for ∂E/∂g.
    """
    n = len(gain)
    taken, errors, found = address(x), address(error), address(of_gain)
    fill(of_gain, ZERO)
    for r in range(len(x)):
        for column in range(0, n, LANES):
            place, wide = 4 * (r * n + column), min(LANES, n - column)
            _add_product(taken + place, errors + place, found + 4 * column, wide)
    forward_gain(error, gain, back)
