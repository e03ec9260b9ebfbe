"""Embedding: how the columns of a table come into a network."""

import math
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float, Int
from pydantic import Field, model_validator

from fathom.errors import ArchitectureError
from fathom.nn.initializers import draw_normal, draw_uniform
from fathom.nn.keys import RandomKey, lay, split
from fathom.nn.layer import AbstractLayer, LayerDescription, Shape
from fathom.nn.tree import fixed
from fathom.nn.xla import Array, jnp

NumberForm: TypeAlias = Literal["as_is", "piecewise", "thermometer", "periodic"]
PERIODIC_SPREAD = 0.25  # bounds of the first weights behind the waves


class ColumnsLayer(AbstractLayer):
    """Numbers in one of four forms, other columns as they are, categories as vectors."""

    form: str = fixed()
    bins: int = fixed()
    n_numbers: int = fixed()
    n_plain: int = fixed()
    one_hot: tuple[tuple[int, int], ...] = fixed()  # column and code of each output
    embedded: tuple[tuple[int, int], ...] = fixed()  # column and first table row
    frequency: Float[Array, "numbers waves"] | None
    phase: Float[Array, "numbers waves"] | None
    mix: Float[Array, "numbers parts units"] | None
    shift: Float[Array, "numbers units"] | None
    table: Float[Array, "codes category_units"] | None

    def __call__(self, x: Float[Array, "batch columns"]) -> Float[Array, "batch features"]:
        """Bring every column into the form the dense layers get."""
        numbers, rest = x[:, : self.n_numbers], x[:, self.n_numbers :]
        parts = [self._embed_numbers(numbers), rest[:, : self.n_plain]]
        codes = rest[:, self.n_plain :]
        if self.one_hot:
            columns, wanted = np.asarray(self.one_hot).T
            is_code = codes[:, columns] == jnp.asarray(wanted, x.dtype)[None, :]
            parts.append(is_code.astype(x.dtype))
        if self.table is not None:
            columns, offsets = np.asarray(self.embedded).T
            rows = codes[:, columns].astype(jnp.int32) + offsets[None, :].astype(np.int32)
            parts.append(self._look_up(rows))
        return jnp.concatenate(parts, axis=1)

    def _look_up(self, rows: Int[Array, "batch embedded"]) -> Float[Array, "batch features"]:
        assert self.table is not None
        return self.table[rows].reshape(rows.shape[0], -1)

    def _embed_numbers(self, x: Float[Array, "batch numbers"]) -> Float[Array, "batch features"]:
        if self.form == "as_is":
            return x
        if self.form == "thermometer":
            steps = jnp.arange(1, self.bins, dtype=x.dtype)[None, None, :]
            return (x[:, :, None] >= steps).astype(x.dtype).reshape(x.shape[0], -1)
        assert self.mix is not None
        assert self.shift is not None
        if self.form == "piecewise":
            steps = jnp.arange(self.bins, dtype=x.dtype)[None, None, :]
            filled = jnp.clip(x[:, :, None] - steps, 0, 1) - 0.5
            mixed = jnp.einsum("bnp,npu->bnu", filled, self.mix) + self.shift[None]
            return mixed.reshape(x.shape[0], -1)
        assert self.frequency is not None
        assert self.phase is not None
        waves = jnp.cos(2 * jnp.pi * x[:, :, None] * self.frequency[None] + self.phase[None])
        mixed = jnp.einsum("bnp,npu->bnu", waves, self.mix) + self.shift[None]
        return jnp.concatenate([x, mixed.reshape(x.shape[0], -1)], axis=1)


class Columns(LayerDescription):
    """The way into a network for the columns of a table, as its first layer.

    The input is numbers, then plain columns, then codes of categories (0 is missing or unknown).
    Plain columns pass. A category of few codes becomes one-hot, all zeros for code 0; one of more
    codes a learned vector. Each number x becomes, by ``form``:

    =========== =======================================================================
    as_is       x
    piecewise   W h + c, h_j = min(max(x - j, 0), 1) - ½ for j = 0 .. bins - 1
    thermometer h_j = 1 where x ≥ j, else 0, for j = 1 .. bins - 1
    periodic    (x, W h + c), h_k = cos(2π f_k x + φ_k) with learned f and φ
    =========== =======================================================================

    For piecewise and thermometer x is a bin coordinate: the number of the bin a value lies in plus
    how far it is through it.

    Parameters
    ----------
    n_numbers, n_plain : int
        Numbers, and columns that pass.
    codes : tuple of int
        Codes of each category column, code 0 included.
    form : str, default "as_is"
        The form of the numbers.
    bins : int, default 16
        Bins of piecewise and thermometer.
    waves : int, default 16
        Frequencies of periodic.
    units : int, default 4
        Outputs for each number, W having that many rows (one fewer for periodic, besides x).
    spread : float, default 0.1
        Standard deviation of the first frequencies.
    most_one_hot : int, default 10
        Codes up to which a category becomes one-hot.
    category_units : int, default 8
        Length of a learned vector.

    Examples
    --------
    >>> Columns(n_numbers=2, codes=(3, 50)).output_shape((4,))
    (12,)

    References
    ----------
    Gorishniy, Rubachev, Babenko (2022). On embeddings for numerical features in tabular deep
    learning. arXiv:2203.05556. Holzmüller, Grinsztajn, Steinwart (2024). Better by default.
    arXiv:2407.04491 (the form and the first values of periodic).

    Notes
    -----
    Bins have width 1 here: where they lie in a column's own unit is the business of the encoding.
    """

    kind: Literal["columns"] = "columns"
    n_numbers: int = Field(ge=0, le=1_000_000)
    n_plain: int = Field(default=0, ge=0, le=1_000_000)
    codes: tuple[int, ...] = Field(default=(), max_length=100_000)
    form: NumberForm = "as_is"
    bins: int = Field(default=16, ge=2, le=1024)
    waves: int = Field(default=16, ge=1, le=1024)
    units: int = Field(default=4, ge=2, le=256)
    spread: float = Field(default=0.1, gt=0, le=1000)
    most_one_hot: int = Field(default=10, ge=1, le=1000)
    category_units: int = Field(default=8, ge=1, le=1024)

    @model_validator(mode="after")
    def _has_columns(self) -> "Columns":
        if not self.n_numbers + self.n_plain + len(self.codes):
            raise ArchitectureError("at least one column", got="none")
        if any(not 2 <= n <= 1_000_000 for n in self.codes):
            raise ArchitectureError("from 2 to 1,000,000 codes a category", got=f"{self.codes}")
        return self

    def _one_hot(self) -> tuple[tuple[int, int], ...]:
        few = [(c, n) for c, n in enumerate(self.codes) if n <= self.most_one_hot]
        return tuple((c, code) for c, n in few for code in range(1, n))

    def _embedded(self) -> tuple[tuple[int, int], ...]:
        found, first = [], 0
        for column, n in enumerate(self.codes):
            if n > self.most_one_hot:
                found.append((column, first))
                first += n
        return tuple(found)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the number of features, as a shape of one part."""
        n_columns = self.n_numbers + self.n_plain + len(self.codes)
        if input_shape != (n_columns,):
            raise ArchitectureError(f"an input of shape ({n_columns},)", got=f"{input_shape}")
        per_number = {"as_is": 1, "thermometer": self.bins - 1}.get(self.form, self.units)
        vectors = len(self._embedded()) * self.category_units
        n_one_hot = sum(n - 1 for n in self.codes if n <= self.most_one_hot)
        return (self.n_numbers * per_number + self.n_plain + n_one_hot + vectors,)

    def n_parameters(self, input_shape: Shape) -> int:
        """Return the weights of the numbers' embeddings and of the categories' vectors."""
        table = self.category_units * sum(n for n in self.codes if n > self.most_one_hot)
        if self.form == "piecewise":
            return self.n_numbers * (self.bins + 1) * self.units + table
        if self.form == "periodic":
            return self.n_numbers * (2 * self.waves + (self.waves + 1) * (self.units - 1)) + table
        return table

    def build(self, input_shape: Shape, key: RandomKey) -> ColumnsLayer:
        """Draw frequencies, phases, mixtures and vectors."""
        keys = split(key, 5)
        n, units = self.n_numbers, self.units
        frequency = phase = mix = shift = table = None
        if self.form == "periodic":
            frequency = draw_normal(keys[0], (n, self.waves), self.spread)
            phase = draw_uniform(keys[1], (n, self.waves), math.pi)
            mix = draw_uniform(keys[2], (n, self.waves, units - 1), PERIODIC_SPREAD)
            shift = draw_uniform(keys[3], (n, units - 1), PERIODIC_SPREAD)
        if self.form == "piecewise":
            mix = draw_normal(keys[2], (n, self.bins, units), 2 * self.bins**-0.5)
            shift = lay(key, np.zeros((n, units)))
        embedded = self._embedded()
        if embedded:
            n_rows = sum(n for n in self.codes if n > self.most_one_hot)
            table = draw_normal(keys[4], (n_rows, self.category_units), 1.0)
        return ColumnsLayer(
            self.form, self.bins, n, self.n_plain, self._one_hot(), embedded,
            frequency, phase, mix, shift, table,
        )  # fmt: skip

    def __str__(self) -> str:
        parts = [f"{self.n_numbers} numbers {self.form.replace('_', ' ')}"] * (self.n_numbers > 0)
        parts += [f"{self.n_plain} plain"] * (self.n_plain > 0)
        parts += [f"{len(self.codes)} categories"] * bool(self.codes)
        return "columns: " + ", ".join(parts)


class GainLayer(AbstractLayer):
    """Every input times a learned gain: y = g x."""

    gain: Float[Array, " features"]

    def __call__(self, x: Float[Array, "batch features"]) -> Float[Array, "batch features"]:
        """Multiply every column by its gain."""
        return x * self.gain[None, :]


class Gain(LayerDescription):
    """A learned gain for every input, y = g x, at first 1: inputs that help grow, others fade.

    References
    ----------
    Holzmüller, Grinsztajn, Steinwart (2024). arXiv:2407.04491, the scaling layer.
    """

    kind: Literal["gain"] = "gain"

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape unchanged."""
        if len(input_shape) != 1:
            raise ArchitectureError("a flat input of shape (features,)", got=f"{input_shape}")
        return input_shape

    def n_parameters(self, input_shape: Shape) -> int:
        """Return one gain for each input."""
        return input_shape[0]

    def build(self, input_shape: Shape, key: RandomKey) -> GainLayer:
        """Start with gains of 1."""
        return GainLayer(lay(key, np.ones(input_shape)))

    def __str__(self) -> str:
        return self.kind
