"""Arrays in frozen values: compared, hashed, and to JSON and back, like any other plain data."""

import math
from typing import Annotated, Any, TypeAlias

import numpy as np
from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from fathom.values import Value


def _to_array(value: Any) -> np.ndarray:
    """Return a read-only float64 array, made of an array or of what JSON holds of one."""
    array = np.array(value, np.float64)
    array.flags.writeable = False
    return array


def _to_plain(array: np.ndarray) -> Any:
    """Return nested lists; JSON has no infinity, so what is not finite is written in words."""
    values = array.tolist()
    return values if np.isfinite(array).all() else _worded(values)


def _worded(values: Any) -> Any:
    if isinstance(values, list):
        return [_worded(value) for value in values]
    return values if math.isfinite(values) else str(values)


Numbers: TypeAlias = Annotated[
    np.ndarray,
    PlainValidator(_to_array),
    PlainSerializer(_to_plain),
    WithJsonSchema({"type": "array"}),
]
"""A float64 array that never changes."""


class Measured(Value):
    """A frozen value that holds arrays.

    Examples
    --------
    >>> class Point(Measured):
    ...     at: Numbers
    >>> Point(at=[1, 2]) == Point.model_validate_json(Point(at=[1, 2]).model_dump_json())
    True
    """

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return all(
            _is_same(getattr(self, name), getattr(other, name)) for name in type(self).model_fields
        )

    def __hash__(self) -> int:
        return hash((type(self), self.model_dump_json()))


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.array_equal(one, other, equal_nan=True)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_same(one[k], other[k]) for k in one)
    return bool(one == other)
