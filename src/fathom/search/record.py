"""The record: what of a search the clock decided, so that it can be done again to the bit."""

import hashlib
import platform
from importlib.metadata import version
from typing import Annotated, TypeAlias

import numpy as np
from pydantic import Field, StringConstraints

from fathom.data.parsing import ParsedTable
from fathom.data.trees import Growth
from fathom.errors import InputError
from fathom.parallel.cores import n_cores
from fathom.training.machine import devices_in_words
from fathom.values import Value

PACKAGES = ("fathom-dnn", "jax", "jaxlib", "numba", "numpy", "scipy", "scikit-learn", "polars")
NO_RECORD = "goes on from a search that was not recorded"
STEPS_TOGETHER = "took the steps of its networks together, whose last bits depend on one another"

Count: TypeAlias = Annotated[int, Field(ge=0, le=100_000)]
GrowthRecord: TypeAlias = tuple[Count, Count, Count]
Short: TypeAlias = Annotated[str, StringConstraints(max_length=200)]


class NetworkRecord(Value):
    """How one network of the model came about, besides its genes and its steps.

    Attributes
    ----------
    number : int
        Number of its candidate, which with the search's seed gives the seed of its training.
    fold : int
        The division it was trained on.
    growth : tuple of int or None
        How far the trees it looked at were grown, see `Growth`; None for a network without trees.
    """

    number: int = Field(ge=0, lt=2**31)
    fold: int = Field(ge=0, lt=1000)
    growth: GrowthRecord | None = None


class Record(Value):
    """What it takes to train the networks of a model again without looking at the clock.

    Genes, folds and weights of the members are in the model itself, and how far each training got
    (`Steps`) in its history, network by network in the order of this record.

    Attributes
    ----------
    rows : str
        SHA-256 of all the search learned from, in hexadecimal digits.
    networks : tuple of NetworkRecord
        The networks of the model, member by member, folds ascending.
    made_with : tuple of str
        Versions and machine, on which the last bits of every number depend.
    obstacle : str
        Why the search cannot be done again all the same: an earlier one it ``goes on from``.
    """

    rows: str = Field(pattern="^[0-9a-f]{64}$")
    networks: tuple[NetworkRecord, ...] = Field(min_length=1, max_length=10_000)
    made_with: tuple[Short, ...] = Field(default=(), max_length=100)
    obstacle: Short = ""


def digest_rows(
    parsed: ParsedTable,
    y: np.ndarray,
    weight: np.ndarray,
    groups: np.ndarray | None,
    order: np.ndarray | None,
) -> str:
    """Return a SHA-256 of everything a search learns from, by which it is known again.

    Parameters
    ----------
    parsed : ParsedTable
        The rows; columns that are not used do not count.
    y, weight : numpy.ndarray
        Target and weight of each row.
    groups, order : numpy.ndarray or None
        Group and time of each row; only which are equal, and which come first, counts.
    """
    digest = hashlib.sha256()
    used = [v for c, v in zip(parsed.columns, parsed.values, strict=True) if c.is_used]
    beside = [None if part is None else np.unique(part, return_inverse=True)[1] for part in
              (groups, order)]  # fmt: skip
    for part in (*used, y.astype(np.float64), weight.astype(np.float32), *beside):
        if part is None:
            digest.update(b"none;")
            continue
        data = _as_bytes(part)
        digest.update(f"{part.dtype.kind} {part.shape} {len(data)};".encode())
        digest.update(data)
    return digest.hexdigest()


def _as_bytes(array: np.ndarray) -> bytes:
    if array.dtype == object:
        return "\0".join(array).encode("utf-8", "surrogatepass")
    return np.ascontiguousarray(array).tobytes()


def made_with() -> tuple[str, ...]:
    """Return what the last bits of a result depend on besides the data: versions and machine."""
    return (
        *(f"{name} {version(name)}" for name in PACKAGES),
        f"Python {platform.python_version()}",
        f"{platform.system()} {platform.machine()}",
        devices_in_words(),
        f"{n_cores()} cores",
    )


def find_obstacle(before: Record | None) -> str:
    """Return why a search that goes on from an earlier one cannot be done again, or nothing."""
    return NO_RECORD if before is None else before.obstacle


def require_same_rows(record: Record, rows: str, purpose: str) -> None:
    """Refuse rows that are not those a search learned from.

    Raises
    ------
    InputError
        If their digest is another.
    """
    if record.rows != rows:
        raise InputError(
            f"the very rows the model was trained on, to {purpose}",
            got="rows of which a value, a target, a weight, a group or a time is another",
            hint="give the same table, read in the same way, or begin anew",
        )


def require_record(record: Record | None, n_networks: int) -> Record:
    """Return the record of a model, once its networks can be trained again by it.

    Raises
    ------
    InputError
        If there is none, or something stands against it.
    """
    hint = "train anew with this version to get a model that can be replayed"
    if record is None:
        raise InputError(
            "a model that records what the clock decided in its search, to replay it",
            got="one without such a record: an older version made it", hint=hint,
        )  # fmt: skip
    if record.obstacle:
        raise InputError(
            "a model whose whole search is recorded, to replay it",
            got=f"one that {record.obstacle}", hint=hint,
        )  # fmt: skip
    if len(record.networks) != n_networks:
        raise InputError(
            f"a record of the {n_networks} networks in the model, to replay it",
            got=f"one of {len(record.networks)}", hint=hint,
        )  # fmt: skip
    return record


def grown_alike(record: NetworkRecord) -> Growth | None:
    """Return how far to grow the trees a network looks at."""
    return None if record.growth is None else Growth(*record.growth)
