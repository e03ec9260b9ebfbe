"""The columns of a table on their way into a network, in NumPy, features first."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fathom.nn.embedding import ColumnsLayer
from fathom.nn.pointwise import SCRATCH, Space


@dataclass(frozen=True)
class Part:
    """What a layer of columns makes of some of its inputs.

    Attributes
    ----------
    n_features : int
        Numbers made of each row.
    write : callable
        Writes them, shape (features, rows), given the rows, shape (columns, rows).
    n_between : int
        Numbers made on the way.
    n_products : int
        Multiplications for each row.
    """

    n_features: int
    write: Callable[[np.ndarray, np.ndarray, Space], None]
    n_between: int = 0
    n_products: int = 0


def as_float32(values: Any) -> np.ndarray:
    """Return an array of a layer as NumPy's, float32, row after row in memory."""
    return np.ascontiguousarray(values, np.float32)


def columns_parts(layer: ColumnsLayer) -> list[Part]:
    """Return what a layer of columns makes, in the order of its outputs."""
    n, first_code = layer.n_numbers, layer.n_numbers + layer.n_plain
    forms = {"piecewise": _piecewise, "thermometer": _thermometer, "periodic": _periodic}
    parts = [forms[layer.form](layer)] if layer.form in forms and n else []
    if layer.form in ("as_is", "periodic"):
        parts.insert(0, _passing(0, n))
    parts.append(_passing(n, first_code))
    if layer.one_hot:
        parts.append(_one_hot(layer, first_code))
    if layer.table is not None:
        parts.append(_vectors(layer, as_float32(layer.table), first_code))
    return [part for part in parts if part.n_features]


def _passing(begin: int, end: int) -> Part:
    def write(x: np.ndarray, out: np.ndarray, space: Space) -> None:
        np.copyto(out, x[begin:end])

    return Part(end - begin, write)


def _thermometer(layer: ColumnsLayer) -> Part:
    n, n_steps = layer.n_numbers, layer.bins - 1
    steps = np.arange(1, layer.bins, dtype=np.float32)[None, :, None]

    def write(x: np.ndarray, out: np.ndarray, space: Space) -> None:
        filled = out.reshape(n, n_steps, x.shape[1])
        np.greater_equal(x[:n, None, :], steps, out=filled)

    return Part(n * n_steps, write)


def _piecewise(layer: ColumnsLayer) -> Part:
    steps = np.arange(layer.bins, dtype=np.float32)[None, :, None]

    def fill(x: np.ndarray, filled: np.ndarray) -> None:
        np.subtract(x, steps, out=filled)
        np.clip(filled, 0, 1, out=filled)
        filled -= 0.5

    return _mixed(layer, fill)


def _periodic(layer: ColumnsLayer) -> Part:
    frequency, phase = as_float32(layer.frequency)[:, :, None], as_float32(layer.phase)[:, :, None]

    def fill(x: np.ndarray, waves: np.ndarray) -> None:
        np.multiply(np.multiply(x, np.float32(2 * np.pi)), frequency, out=waves)
        waves += phase
        np.cos(waves, out=waves)

    return _mixed(layer, fill)


def _mixed(layer: ColumnsLayer, fill: Callable[[np.ndarray, np.ndarray], None]) -> Part:
    """Return W h + c of every number, h filled in from it."""
    mix = as_float32(np.asarray(layer.mix).transpose(0, 2, 1))
    shift = as_float32(layer.shift)[:, :, None]
    n, n_units, n_parts = mix.shape

    def write(x: np.ndarray, out: np.ndarray, space: Space) -> None:
        rows = x.shape[1]
        between = space.take(SCRATCH, n * n_parts, rows).reshape(n, n_parts, rows)
        fill(x[:n, None, :], between)
        mixed = out.reshape(n, n_units, rows)
        np.matmul(mix, between, out=mixed)
        mixed += shift

    return Part(n * n_units, write, n * n_parts, mix.size)


def _one_hot(layer: ColumnsLayer, first_code: int) -> Part:
    columns, codes = np.asarray(layer.one_hot).T
    places, wanted = first_code + columns, codes.astype(np.float32)[:, None]

    def write(x: np.ndarray, out: np.ndarray, space: Space) -> None:
        np.equal(x[places], wanted, out=out)

    return Part(len(places), write)


def _vectors(layer: ColumnsLayer, table: np.ndarray, first_code: int) -> Part:
    columns, offsets = np.asarray(layer.embedded).T
    places, firsts = first_code + columns, offsets.astype(np.int32)[:, None]
    n, n_units = len(places), table.shape[1]

    def write(x: np.ndarray, out: np.ndarray, space: Space) -> None:
        found = table.take(x[places].astype(np.int32) + firsts, axis=0, mode="clip")
        out.reshape(n, n_units, x.shape[1])[...] = found.transpose(0, 2, 1)

    return Part(n * n_units, write, n * n_units)
