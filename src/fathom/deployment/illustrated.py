"""A model of a table that names pictures as tensors, and back.

Besides the encodings of its columns (``encoding.0``, see `fathom.deployment.encodings`) and of its
texts (see `fathom.deployment.texts`), where it has any:

============================= ====================================================================
network.NUMBER                every weight of a network in one row of float32, layer after layer
target_encoding.center, scale for numbers: mean and spread of each output in training
============================= ====================================================================
"""

from typing import Any, NamedTuple

import numpy as np

from fathom.data.encoding import Standardization
from fathom.data.features import TableEncoding
from fathom.data.illustrated import RowEncoding, has_columns, has_texts
from fathom.data.schema import Schema, TableInput
from fathom.data.text import LONGEST, MOST_CODES, TextEncoding
from fathom.deployment.container import Tensors
from fathom.deployment.designs import require_usable
from fathom.deployment.encodings import encoding_tensors, restore_encodings
from fathom.deployment.texts import require_outputs, restore_grams, text_tensors
from fathom.deployment.weights import fill, take_weights, weight_tensors
from fathom.errors import ModelFileError
from fathom.estimators.aims import has_target_encoding
from fathom.nn.architecture import Architecture
from fathom.nn.bag import Bag
from fathom.nn.embedding import Columns
from fathom.nn.network import Network
from fathom.nn.stems import Stem, Stems
from fathom.nn.tree import on_device
from fathom.nn.vectors import outline_of


class RestoredRows(NamedTuple):
    """What a file holds of such a model besides its card."""

    networks: tuple[Network, ...]
    encoding: RowEncoding
    target_encoding: Standardization | None


def illustrated_tensors(model: Any) -> dict[str, np.ndarray]:
    """Return the arrays of a fitted estimator by name."""
    encoding: RowEncoding = model.encoding_
    tensors: dict[str, np.ndarray] = {}
    for number, network in enumerate(model.networks_):
        tensors |= weight_tensors(network, f"network.{number}", "float32")
    if encoding.table is not None:
        tensors |= encoding_tensors(encoding.table, "encoding.0")
    if encoding.text is not None:
        tensors |= text_tensors(encoding.text)
    scale = model.target_encoding_
    if scale is not None:
        tensors["target_encoding.center"] = np.asarray(scale.center, np.float64)
        tensors["target_encoding.scale"] = np.asarray(scale.scale, np.float64)
    return tensors


def restore_illustrated(
    architecture: Architecture, schema: Schema, n_networks: int, arrays: dict[str, np.ndarray]
) -> RestoredRows:
    """Make networks and encodings again, once all that is in the file belongs together.

    Parameters
    ----------
    architecture : Architecture
        What its networks have in common.
    schema : Schema
        What goes in and out.
    n_networks : int
        How many networks there are.
    arrays : dict of str to numpy.ndarray
        The tensors of the file.

    Raises
    ------
    ModelFileError
        If a tensor is absent, not asked for, or not what card and schema make of it.
    """
    _require_columns(schema)
    require_outputs(architecture, schema.target)
    n_described = n_networks * architecture.n_parameters
    n_found = sum(array.size for array in arrays.values())
    if n_described > n_found:  # before anything is made that is as large as what is described
        raise ModelFileError(
            f"a file with the {n_described:,} weights of its card", got=f"{n_found:,} numbers"
        )
    tensors = Tensors(arrays)
    encoding = _restore_encoding(architecture, schema, tensors)
    _require_stems(architecture, encoding)
    outline = outline_of(architecture)
    stored = [
        take_weights(tensors, f"network.{n}", outline, "float32") for n in range(n_networks)
    ]  # fmt: skip
    scale = None
    if has_target_encoding(architecture, schema.target):
        n = schema.target.n_outputs
        ends = (tensors.take(f"target_encoding.{name}", n) for name in ("center", "scale"))
        scale = Standardization(*ends)
        if (scale.scale <= 0).any():
            raise ModelFileError("scales above 0", got="a scale of 0 or less")
    tensors.require_none_left()
    networks = tuple(on_device(fill(outline, one, "float32")) for one in stored)
    return RestoredRows(networks, encoding, scale)


def _require_columns(schema: Schema) -> None:
    table = schema.input
    assert isinstance(table, TableInput)
    require_usable(table.columns)
    pictures = [column for column in table.columns if column.kind == "picture"]
    if not pictures or any(column.shape is None for column in pictures):
        raise ModelFileError("columns of pictures, each of a known size", got="none, or another")
    if schema.target.factors:
        raise ModelFileError("one target where rows name pictures", got="several factors")


def _restore_encoding(architecture: Architecture, schema: Schema, tensors: Tensors) -> RowEncoding:
    assert isinstance(schema.input, TableInput)
    columns = schema.input.columns
    table: TableEncoding | None = None
    if has_columns(columns):
        plain = tuple(column for column in columns if column.kind != "text")
        table = restore_encodings(plain, schema.target, 1, tensors)[0]
    text: TextEncoding | None = None
    if has_texts(columns):
        codes, length = _words_of(architecture)
        halves = tensors.take("encoding.hashes", codes - 1, 2)
        text = restore_grams(halves, tensors.take("encoding.rarity", codes - 1), length)
    return RowEncoding(columns, table, text)


def _stems_of(architecture: Architecture) -> tuple[Stem, ...]:
    first = architecture.layers[0]
    assert isinstance(first, Stems)
    return first.stems


def _words_of(architecture: Architecture) -> tuple[int, int]:
    """Return how many n-grams have codes, and how many of them a row can have."""
    for stem in _stems_of(architecture):
        bag = stem.layers[0]
        if isinstance(bag, Bag):
            length = stem.shape[0] // 2
            if bag.codes > MOST_CODES or length > LONGEST:
                raise ModelFileError("no more n-grams than a text can have", got=f"{length}")
            return bag.codes, length
    raise ModelFileError("a stem for texts, which are among the columns", got="none")


def _require_stems(architecture: Architecture, encoding: RowEncoding) -> None:
    """Refuse stems that read other parts of a row than there are."""
    parts: dict[tuple[int, tuple[int, ...]], Any] = {}
    first = 0
    if encoding.table is not None:
        layout = encoding.table.layout
        parts[first, (layout.width,)] = (layout.n_numbers, layout.n_plain, layout.codes)
        first += layout.width
    if encoding.text is not None:
        parts[first, (2 * encoding.text.length,)] = encoding.text.n_codes
        first += 2 * encoding.text.length
    for part in encoding.pictures:
        parts[first, part.shape] = None
        first += int(np.prod(part.shape))
    is_like = architecture.input_shape == (encoding.width,)
    for stem in _stems_of(architecture):
        way, key = stem.layers[0], (stem.first, stem.shape)
        found: Any = None
        if isinstance(way, Columns):
            found = (way.n_numbers, way.n_plain, way.codes)
        elif isinstance(way, Bag):
            found = way.codes
        is_like = is_like and key in parts and parts[key] == found
    if not is_like:
        raise ModelFileError(
            "stems that read the columns of the card", got="stems of other columns"
        )
