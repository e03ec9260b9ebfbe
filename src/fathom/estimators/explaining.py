"""Explaining rows of texts and pictures: what in each of them spoke for what was said."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from fathom.data.illustrated import RowEncoding, stack_pictures
from fathom.data.parsing import ParsedTable, join_texts
from fathom.data.text import TextEncoding, normalize
from fathom.estimators.base import FathomEstimator
from fathom.estimators.naming import name_columns
from fathom.estimators.prose import WordShare, explain_text
from fathom.estimators.trunks import encode_parsed
from fathom.inspection.attribution import (
    Attribution,
    attribute,
    contributed_by_place,
    typical_row,
)
from fathom.inspection.stems import Way, ways_in
from fathom.nn.stems import Stems
from fathom.nn.xla import jnp

PartKind: TypeAlias = Literal["columns", "text", "picture"]


@dataclass(frozen=True)
class Part:
    """One part of a row, and what it spoke for, all other parts as they are.

    Attributes
    ----------
    name : str
        What it is called.
    kind : {"columns", "text", "picture"}
        What it is.
    without : float
        The sum z of the output with the part as nothing in particular: usual columns, no text, a
        picture that is its mean color all over.
    text : str
        The text, as networks are shown it.
    words : tuple of WordShare
        What each word added to z.
    picture : numpy.ndarray or None
        The picture, levels of shape (height, width, channels).
    places : numpy.ndarray or None
        What each place of it added to z, shape (height, width).
    columns : Attribution or None
        What each column added to z.
    """

    name: str
    kind: PartKind
    without: float
    text: str = ""
    words: tuple[WordShare, ...] = ()
    picture: np.ndarray | None = None
    places: np.ndarray | None = None
    columns: Attribution | None = None


@dataclass(frozen=True)
class ExplainedRow:
    """What the parts of a row spoke for.

    Attributes
    ----------
    z : float
        The sum of the output that is explained.
    parts : tuple of Part
        The parts that were looked at.
    """

    z: float
    parts: tuple[Part, ...]


def explain_row(
    model: FathomEstimator, parsed: ParsedTable, output: int, usual: ParsedTable | None = None
) -> ExplainedRow:
    """Say what each part of a row added to an output of a model of texts, or of rows with pictures.

    Parameters
    ----------
    model : FathomClassifier or FathomRegressor
        The model.
    parsed : ParsedTable
        The row, alone in its table.
    output : int
        Which output.
    usual : ParsedTable, optional
        Rows with whose columns those of this one are compared; without them columns are left out.
    """
    if isinstance(model.encoding_, TextEncoding):
        text = join_texts(parsed)[0]
        words, z, without = explain_text(model.networks_, model.encoding_, text, output)
        return ExplainedRow(z, (Part("text", "text", without, normalize(text), words),))
    encoding = model.encoding_
    assert isinstance(encoding, RowEncoding)
    stems = model.architecture_.layers[0]
    assert isinstance(stems, Stems)
    row = encode_parsed(model, parsed)
    sums = [network.combine(jnp.asarray(row)) for network in model.networks_]
    z = float(np.mean([np.asarray(one)[0, output] for one in sums]))
    each = [ways_in(network, row) for network in model.networks_]
    parts: list[Part] = []
    n_columns = 0 if encoding.table is None else encoding.table.layout.width
    for stem, ways in zip(stems.stems, zip(*each, strict=True), strict=True):
        if len(stem.shape) == 3:
            parts.append(_picture(stem.name, ways, parsed, z, output))
        elif stem.first == 0 and encoding.table is not None:
            if usual is not None:
                rows = encode_parsed(model, usual)[:, :n_columns]
                names, _ = name_columns(encoding.table, model.schema_.target)
                parts.append(_columns(stem.name, ways, rows, names, output))
        elif encoding.text is not None:
            text = join_texts(parsed)[0]
            networks = [way.network for way in ways]
            words, _, without = explain_text(networks, encoding.text, text, output)
            parts.append(Part(stem.name, "text", without, normalize(text), words))
    return ExplainedRow(z, tuple(parts))


def _picture(name: str, ways: Sequence[Way], parsed: ParsedTable, z: float, output: int) -> Part:
    """Explain a picture, on average of all networks; of a row without one there is nothing."""
    place = next(n for n, c in enumerate(parsed.columns) if c.name == name and c.kind == "picture")
    column, values = parsed.columns[place], parsed.values[place]
    if values[0] is None:
        return Part(name, "picture", z)
    assert column.shape is not None
    which = np.array([output])
    each = [contributed_by_place(way.network, way.x, which)[0] for way in ways]
    shares = np.mean(each, axis=0)
    picture = stack_pictures(values, column.shape)[0]
    return Part(name, "picture", z - float(shares.sum()), picture=picture, places=shares)


def _columns(
    name: str, ways: Sequence[Way], rows: np.ndarray, names: tuple[str, ...], output: int
) -> Part:
    """Explain columns, compared with the usual ones, on average of all networks."""
    usual = typical_row(ways[0].network, rows)
    first, *others = (
        attribute(way.network, way.x, output=output, baseline=usual, names=names) for way in ways
    )
    found = first
    if others:
        each = (first, *others)
        found = first.model_copy(
            update={
                "contributions": np.mean([one.contributions for one in each], axis=0),
                "sums": np.mean([one.sums for one in each], axis=0),
                "baseline_sum": float(np.mean([one.baseline_sum for one in each])),
            }
        )
    return Part(name, "columns", found.baseline_sum, columns=found)


def stretches(part: Part) -> tuple[tuple[str, float], ...]:
    """Return a text in stretches, each with what its word added to z.

    Parameters
    ----------
    part : Part
        A text.
    """
    begins = [0, *(word.place for word in part.words[1:])]
    ends = [*begins[1:], len(part.text)]
    return tuple(
        (part.text[begin:end], word.share)
        for begin, end, word in zip(begins, ends, part.words, strict=False)
    )
