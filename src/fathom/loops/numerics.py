"""Float32 arithmetic that fills vector registers: exponentials, waves, random bits.

The mathematical library's functions are called number by number; these are a few products and sums
each, which the compiler works out for sixteen numbers at a time.
"""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fathom.loops.compiling import exact, loop

ZERO, ONE, TWO, HALF = np.float32(0), np.float32(1), np.float32(2), np.float32(0.5)
_ONE_OVER = np.int32(0x7EF311C7)  # bits of 1 / x and of x add up to about that
_LOG2_E = np.float32(1.4426950408889634)
_LN_2_HIGH, _LN_2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_LOWEST, _HIGHEST = np.float32(-87.0), np.float32(88.0)
_E5, _E4, _E3 = (
    np.float32(1.9875691500e-4),
    np.float32(1.3981999507e-3),
    np.float32(8.3334519073e-3),
)
_E2, _E1, _E0 = np.float32(4.1665795894e-2), np.float32(1.6666665459e-1), np.float32(0.50000001201)
_ROOT_HALF = np.float32(0.7071067811865476)
_L8, _L7, _L6 = np.float32(7.0376836292e-2), np.float32(-0.11514610310), np.float32(0.11676998740)
_L5, _L4, _L3 = np.float32(-0.12420140846), np.float32(0.14249322787), np.float32(-0.16668057665)
_L2, _L1, _L0 = np.float32(0.20000714765), np.float32(-0.24999993993), np.float32(0.33333331174)
_ATANH = tuple(np.float32(2 / (2 * k + 1)) for k in range(7))
_ERFCX_REACH = np.float32(0.4)
_ERFCX = tuple(
    np.float32(coefficient)
    for coefficient in (
        0.22567586600780487, 0.22566957771778107, 0.2078431099653244, 0.16853931546211243,
        0.1414405107498169, -0.005624819081276655, 0.16910399496555328, -0.1829119473695755,
        0.050264544785022736,
    )
)  # fmt: skip
_QUARTER, _TURN = np.float32(0.25), np.float32(6.283185307179586)
_S3, _S5, _S7 = np.float32(-1 / 6), np.float32(1 / 120), np.float32(-1 / 5040)
_S9, _S11 = np.float32(1 / 362880), np.float32(-1 / 39916800)


def _read_as(kind: Any, bits: Any) -> Callable[[Any], Any]:
    """Return what reads the bits of one kind of number as another."""

    def read(context, number):  # type: ignore[no-untyped-def]
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.bitcast(arguments[0], bits)

        return kind(number), generate

    return cast(Callable[[Any], Any], intrinsic(read))


_as_float = _read_as(types.float32, ir.FloatType())  # of an int32
_as_bits = _read_as(types.int32, ir.IntType(32))  # of a float32


@loop
def reciprocal(x: np.float32) -> np.float32:
    """Return 1 / x for 1e-37 < |x| < 1e37; relative error below 1e-7.

    A first guess is read from the number's bits: the difference of exponents is right, and that of
    fractions wrong by an eighth at most. Twice, an error d = 1 - x y is made d³ by y (1 + d + d²).

    References
    ----------
    Householder (1970). The numerical treatment of a single nonlinear equation.
    """
    y = _as_float(np.int32(_ONE_OVER - _as_bits(x)))
    for _ in range(2):
        d = ONE - x * y
        y += y * (d * d + d)
    return y


@exact
def exponential(x: np.float32) -> np.float32:
    """Return e^x for -87 ≤ x ≤ 88, and e^-87 or e^88 beyond; relative error below 3e-7.

    e^x = 2^n e^r with n the nearest whole number to x / ln 2; e^r by a polynomial, 2^n by writing n
    where a float32 keeps its exponent.

    References
    ----------
    Moshier (1989). Methods and programs for mathematical functions (the polynomial).
    """
    x = min(max(x, _LOWEST), _HIGHEST)
    n = np.floor(x * _LOG2_E + HALF)
    r = x - n * _LN_2_HIGH - n * _LN_2_LOW
    series = ((((_E5 * r + _E4) * r + _E3) * r + _E2) * r + _E1) * r + _E0
    exponent = np.int32((np.int32(n) + np.int32(127)) << 23)
    return (series * r * r + r + ONE) * _as_float(exponent)


@exact
def logarithm(x: np.float32) -> np.float32:
    """Return ln x for a normal x > 0; error below 2e-7 of the larger of ln x and 1.

    x = 2^n m with √½ ≤ m < √2, where n is read from the exponent; ln m by a polynomial in m - 1.

    References
    ----------
    Moshier (1989). Methods and programs for mathematical functions (the polynomial).
    """
    bits = _as_bits(x)
    m = _as_float(np.int32((bits & np.int32(0x7FFFFF)) | np.int32(0x3F000000)))
    n = np.float32((bits >> np.int32(23)) - np.int32(126))
    is_low = m < _ROOT_HALF
    n, r = n - ONE if is_low else n, m + m - ONE if is_low else m - ONE
    series = ((((_L8 * r + _L7) * r + _L6) * r + _L5) * r + _L4) * r + _L3
    series = ((series * r + _L2) * r + _L1) * r + _L0
    low = series * r * r * r + n * _LN_2_LOW - HALF * r * r
    return r + low + n * _LN_2_HIGH


@exact
def logarithm_of_one_and(x: np.float32) -> np.float32:
    """Return ln(1 + x) for 0 ≤ x ≤ 1; relative error below 3e-7, also where 1 + x is 1.

    ln(1 + x) = 2 artanh(s) with s = x / (2 + x), as a series in s².
    """
    s = x / (TWO + x)
    square = s * s
    series = _ATANH[6] * square + _ATANH[5]
    series = ((series * square + _ATANH[4]) * square + _ATANH[3]) * square + _ATANH[2]
    return s * ((series * square + _ATANH[1]) * square + _ATANH[0])


@exact
def scaled_tail(x: np.float32) -> np.float32:
    """Return e^(x²) erfc(x) for x ≥ 0; relative error below 6e-7.

    t p(t) with t = 1 / (1 + 0.4 x), as by Hastings (1955), and a polynomial p of degree 8 with the
    least largest relative error, found by Lawson's weighted least squares.

    References
    ----------
    Hastings (1955). Approximations for digital computers.
    """
    t = ONE / (ONE + _ERFCX_REACH * x)
    p = ((_ERFCX[8] * t + _ERFCX[7]) * t + _ERFCX[6]) * t + _ERFCX[5]
    p = (((p * t + _ERFCX[4]) * t + _ERFCX[3]) * t + _ERFCX[2]) * t + _ERFCX[1]
    return (p * t + _ERFCX[0]) * t


@exact
def sine(turns: np.float32) -> np.float32:
    """Return sin(2π t); error below 2e-7, besides what t itself is rounded by."""
    t = turns - np.floor(turns + HALF)  # from -½ to ½
    quarter = _QUARTER - abs(abs(t) - _QUARTER)  # sin(π - x) = sin(x)
    x = _TURN * quarter
    square = x * x
    series = (((_S11 * square + _S9) * square + _S7) * square + _S5) * square + _S3
    height = x + x * square * series
    return height if t >= ZERO else -height


@exact
def cosine(turns: np.float32) -> np.float32:
    """Return cos(2π t) = sin(2π (t + ¼))."""
    return sine(turns + _QUARTER)


@exact
def random_bits(seed: np.uint32, place: np.uint32) -> np.uint32:
    """Return 32 random bits for a place, the same for the same seed.

    References
    ----------
    Appleby (2011), the finalizer of MurmurHash3, which spreads every bit over all others.
    """
    bits = np.uint32(seed + np.uint32(place * np.uint32(0x9E3779B9)))
    bits = np.uint32((bits ^ (bits >> np.uint32(16))) * np.uint32(0x85EBCA6B))
    bits = np.uint32((bits ^ (bits >> np.uint32(13))) * np.uint32(0xC2B2AE35))
    return np.uint32(bits ^ (bits >> np.uint32(16)))
