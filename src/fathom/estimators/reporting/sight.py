"""Sight: pictures that rows name, looked at once however often the other columns change."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from fathom.data.illustrated import RowEncoding, stack_pictures
from fathom.data.parsing import ParsedTable
from fathom.inspection.representations import BATCH_ROWS, run_in_batches
from fathom.nn.forward import activate_outputs
from fathom.nn.layer import AbstractLayer
from fathom.nn.network import Network
from fathom.nn.stems import StemsLayer
from fathom.nn.xla import Array, jitted


@jitted()
def _through(layers: tuple[AbstractLayer, ...], x: Array) -> Array:
    for layer in layers:
        x = layer(x)
    return x


@jitted()
def _combine(network: Network, x: Array) -> Array:
    return network.combine(x)


class Sight:
    """What the networks of a model make of each picture of a table, remembered.

    Convolutions are nearly all of what a row costs, and what they make of a picture depends on
    nothing else in its row: to shuffle a column is then to shuffle what was remembered.

    Parameters
    ----------
    model : FathomClassifier or FathomRegressor
        A model of rows that name pictures.
    parsed : ParsedTable
        The rows.
    """

    def __init__(self, model: Any, parsed: ParsedTable) -> None:
        encoding = model.encoding_
        assert isinstance(encoding, RowEncoding)
        self._model, self._encoding = model, encoding
        first = encoding.width - sum(math.prod(part.shape) for part in encoding.pictures)
        self._columns = {}  # where the picture of a column begins in a row: its place
        for place, column in enumerate(parsed.columns):
            if column.kind == "picture" and column.shape is not None:
                self._columns[first] = place
                first += math.prod(column.shape)
        self._made = [self._look(network, parsed) for network in model.networks_]

    def _look(self, network: Network, parsed: ParsedTable) -> dict[int, np.ndarray]:
        """Return what a network makes of the pictures of each column, the last of no picture."""
        first, made = network.layers[0], {}
        assert isinstance(first, StemsLayer)
        for (begin, shape), stem in zip(first.parts, first.stems, strict=True):
            if len(shape) != 3:
                continue
            place = self._columns[begin]
            values = [*parsed.values[place], None]
            seen: list[np.ndarray] = []
            for start in range(0, len(values), BATCH_ROWS):
                some = np.empty(len(values[start : start + BATCH_ROWS]), object)
                some[:] = values[start : start + BATCH_ROWS]
                levels = stack_pictures(some, (shape[0], shape[1], shape[2])).astype(np.float32)
                seen += run_in_batches(lambda part, stem=stem: (_through(stem, part),), levels)
            made[place] = np.concatenate(seen)
        return made

    def say(self, parsed: ParsedTable, pictures: Mapping[int, np.ndarray]) -> np.ndarray:
        """Return what the model says of rows, their pictures told by number.

        Parameters
        ----------
        parsed : ParsedTable
            The rows; pictures among them tell only whether there is one.
        pictures : mapping of int to numpy.ndarray
            For each column of pictures, by its place, the row whose picture each row has; -1 for
            none.

        Returns
        -------
        numpy.ndarray
            Probabilities or numbers, shape (rows, classes or outputs).
        """
        plain = self._encoding.encode_plain(parsed)
        rows = np.concatenate([*plain, np.zeros((parsed.n_rows, 0))], axis=1, dtype=np.float32)
        each = [
            self._sums(network, made, rows, pictures)
            for network, made in zip(self._model.networks_, self._made, strict=True)
        ]
        activation = self._model.architecture_.output_activation
        outputs = np.mean([activate_outputs(z.T, activation).T for z in each], axis=0)
        outputs = self._model._require_finite(np.asarray(outputs, np.float64))
        said: np.ndarray = np.asarray(self._model._from_outputs(outputs), np.float64)
        return said.reshape(len(said), -1)

    def _sums(
        self,
        network: Network,
        made: Mapping[int, np.ndarray],
        rows: np.ndarray,
        pictures: Mapping[int, np.ndarray],
    ) -> np.ndarray:
        first, parts = network.layers[0], []
        assert isinstance(first, StemsLayer)
        for (begin, shape), stem in zip(first.parts, first.stems, strict=True):
            if len(shape) == 3:
                place = self._columns[begin]
                parts.append(made[place][pictures[place]])
                continue
            part = rows[:, begin : begin + math.prod(shape)]
            parts += run_in_batches(lambda some, stem=stem: (_through(stem, some),), part)
        joined = np.concatenate(parts, axis=1)
        trunk = Network(network.layers[1:])
        return run_in_batches(lambda some: (_combine(trunk, some),), joined)[0]


def picture_numbers(values: np.ndarray, rows: np.ndarray) -> list[str | None]:
    """Return pictures as words that tell them by their rows; None where there is none."""
    return [None if values[row] is None else str(row) for row in rows.tolist()]
