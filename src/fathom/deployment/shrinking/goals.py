"""Goals: how small or how fast a model is to become."""

import math
import re
from dataclasses import dataclass

from fathom.errors import InputError

_UNITS = {"b": 1, "kb": 1000, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_TIMES = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0}
_QUANTITY = re.compile(r"\s*([0-9.]+(?:e[+-]?[0-9]+)?)\s*([a-zµ]*)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Goal:
    """What a compression aims at.

    Attributes
    ----------
    most_bytes : int or None
        Largest file.
    most_seconds : float or None
        Longest time for a prediction of one row.
    words : str
        The same in words.
    """

    most_bytes: int | None
    most_seconds: float | None
    words: str


def parse_goal(to: str | float | None, latency: str | float | None, n_bytes: int) -> Goal:
    """Read what is asked for.

    Parameters
    ----------
    to : str, float or None
        A share of the present size, as ``0.25``, or a size, as ``200kB`` or ``1.5MiB``.
    latency : str, float or None
        Time for one row, as ``50us`` or ``2ms``, or in seconds.
    n_bytes : int
        The present size of the file.

    Raises
    ------
    InputError
        If neither is given, or one cannot be understood or reached by making anything smaller.

    Examples
    --------
    >>> parse_goal("0.25", None, 1000).most_bytes
    250
    >>> parse_goal("2kB", "50us", 9000).words
    'at most 2,000 bytes (of 9,000) and at most 50 µs for a row'
    """
    most_bytes = None if to is None else _read_size(to, n_bytes)
    most_seconds = None if latency is None else _read_time(latency)
    words = []
    if most_bytes is not None:
        words.append(f"at most {most_bytes:,} bytes (of {n_bytes:,})")
    if most_seconds is not None:
        words.append(f"at most {most_seconds * 1e6:,.4g} µs for a row")
    if not words:
        raise InputError(
            "a size or a time to aim at", got="neither",
            hint="--to 0.25 for a quarter of the size, --to 200kB, or --latency 50us",
        )  # fmt: skip
    return Goal(most_bytes, most_seconds, " and ".join(words))


def _parts(given: str | float) -> tuple[float, str]:
    found = _QUANTITY.fullmatch(str(given))
    try:
        return (float(found[1]), found[2].lower()) if found else (math.nan, "")
    except ValueError:
        return math.nan, ""


def _read_size(given: str | float, n_bytes: int) -> int:
    number, unit = _parts(given)
    is_share = not unit
    if is_share and not 0 < number < 1:
        raise InputError(
            "--to with a share of the size between 0 and 1, or a size such as 200kB",
            got=str(given)[:40],
            hint="--to 0.25 is a quarter of the size",
        )
    factor = n_bytes if is_share else _UNITS.get(unit, math.nan)
    size = number * factor
    if not 1 <= size < 2**62:
        units = "B, kB, MB, KiB, MiB"
        raise InputError(
            f"--to with a size in {units}", got=str(given)[:40], hint="--to 200kB, for example"
        )
    return int(size)


def _read_time(given: str | float) -> float:
    number, unit = _parts(given)
    seconds = number * _TIMES.get(unit or "s", math.nan)
    if not 0 < seconds < math.inf:
        raise InputError(
            "--latency with a time in us, ms or s", got=str(given)[:40],
            hint="--latency 50us, for example",
        )  # fmt: skip
    return seconds
