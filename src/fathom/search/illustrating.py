"""Networks for tables that name pictures: a stem for each sort of input, and one trunk."""

import math
from collections.abc import Sequence
from typing import Any

from fathom.data.illustrated import RowEncoding
from fathom.nn.architecture import Architecture
from fathom.nn.bag import Bag
from fathom.nn.blocks import Activation, Dropout
from fathom.nn.dense import Dense
from fathom.nn.embedding import Columns, Gain
from fathom.nn.named import LossName
from fathom.nn.stems import Stem, Stems
from fathom.search.contest import Entry
from fathom.search.picturing import picture_layers
from fathom.training.recipe import Augmentation, Recipe

STEPS = 6000  # that a training aims at, within the limits of epochs
FEWEST_EPOCHS, MOST_EPOCHS = 8, 80
VALIDATION = 0.15  # share of the rows that judge
UNITS = 64  # of the layer behind the columns
WORD_UNITS = 32  # of the vector of a text
TRUNK = (128, 64)
LEAST_FOR_ALTERNATIVES = 300.0  # seconds from which other changes of pictures are tried as well


def illustrated_network(
    encoding: RowEncoding,
    width: int,
    output: Dense,
    loss: LossName,
    *,
    sees_pictures: bool = True,
) -> Architecture:
    """Describe a network for the rows of a table that names pictures.

    The columns come in as in the search on tables (numbers by waves of learned frequencies, a gain
    for each) and go through a layer of neurons; the n-grams of texts as a bag of vectors; each
    picture through convolutions to the means of its channels. What the stems make goes side by side
    into a trunk of dense layers.

    Parameters
    ----------
    encoding : RowEncoding
        How rows are shown.
    width : int
        Channels of the first stage of convolutions.
    output : Dense
        The output layer.
    loss : str
        What is minimized.
    sees_pictures : bool, default True
        Whether pictures have their stems; without them the network reads everything else.
    """
    layers: list[Any] = [Stems(stems=_stems(encoding, width, sees_pictures)), Dropout(rate=0.1)]
    for units in TRUNK:
        layers += [Dense(units=units, activation="relu"), Dropout(rate=0.2)]
    return Architecture(input_shape=(encoding.width,), layers=(*layers, output), loss=loss)


def _stems(encoding: RowEncoding, width: int, sees_pictures: bool) -> tuple[Stem, ...]:
    stems, first = [], 0
    if encoding.table is not None:
        layout = encoding.table.layout
        columns = Columns(
            n_numbers=layout.n_numbers, n_plain=layout.n_plain, codes=layout.codes,
            form="periodic" if layout.n_numbers else "as_is",
        )  # fmt: skip
        inner = (columns, Gain(), Dense(units=UNITS, activation="selu"))
        stems.append(Stem(name="columns", first=first, shape=(layout.width,), layers=inner))
        first = stems[-1].last
    if encoding.text is not None:
        bag = Bag(codes=encoding.text.n_codes, units=WORD_UNITS, dropout=0.3)
        words = (bag, Activation(activation="relu"))
        stems.append(
            Stem(name="text", first=first, shape=(2 * encoding.text.length,), layers=words)
        )
        first = stems[-1].last
    for name, shape in encoding.pictures if sees_pictures else ():
        seen = tuple(picture_layers(shape, width))
        stems.append(Stem(name=name, first=first, shape=shape, layers=seen))
        first = stems[-1].last
    return tuple(stems)


def illustrated_entries(
    encoding: RowEncoding,
    width: int,
    output: Dense,
    loss: LossName,
    n: int,
    seed: int,
    seconds: float,
) -> tuple[Entry, ...]:
    """Describe networks that see all of a row of a table that names pictures, the surest first.

    They differ in how strongly pictures are changed while learning.

    Parameters
    ----------
    encoding : RowEncoding
        How rows are shown.
    width : int
        Channels of the first stage of convolutions.
    output, loss : Dense, str
        The output layer, and what is minimized.
    n : int
        Rows to train on.
    seed : int
        Seed of every random choice.
    seconds : float
        Time there is.
    """
    side = min(min(part.shape[:2]) for part in encoding.pictures)
    slight = Augmentation(shift=side / 14, rotate=6, scale=0.1, light=0.05, edge="repeat")
    described = illustrated_network(encoding, width, output, loss)
    name = f"{_named(encoding)} together"
    entries = [_entry(name, described, n, seed, slight)]
    if seconds >= LEAST_FOR_ALTERNATIVES:
        strong = Augmentation(
            shift=side / 8, rotate=10, scale=0.2, light=0.2, mirror=True, edge="repeat"
        )
        entries.append(_entry(f"{name}, changed strongly", described, n, seed, strong))
        entries.append(_entry(f"{name}, as they are", described, n, seed, None))
    return tuple(entries)


def blind_entry(
    encoding: RowEncoding, output: Dense, loss: LossName, n: int, seed: int
) -> Entry | None:
    """Describe the network that reads all but the pictures; None where there is nothing else.

    Parameters
    ----------
    encoding : RowEncoding
        How rows are shown.
    output, loss : Dense, str
        The output layer, and what is minimized.
    n : int
        Rows to train on.
    seed : int
        Seed of every random choice.
    """
    if encoding.table is None and encoding.text is None:
        return None
    described = illustrated_network(encoding, 1, output, loss, sees_pictures=False)
    return _entry(f"{_named(encoding, False)} alone", described, n, seed, None)


def _entry(
    name: str, described: Architecture, n: int, seed: int, changes: Augmentation | None
) -> Entry:
    batch = 32 if n < 3000 else 64 if n < 20_000 else 128
    epochs = min(MOST_EPOCHS, max(FEWEST_EPOCHS, math.ceil(STEPS * batch / max(n, 1))))
    recipe = Recipe(
        learning_rate=3e-3, weight_decay=0.05, batch_size=batch, epochs=epochs, seed=seed,
        validation_fraction=VALIDATION, augmentation=changes,
    )  # fmt: skip
    return Entry(name, described, recipe)


def _named(encoding: RowEncoding, has_pictures: bool = True) -> str:
    parts: Sequence[str] = (
        *("columns",) * (encoding.table is not None),
        *("texts",) * (encoding.text is not None),
        *("pictures",) * has_pictures,
    )
    return ", ".join(parts[:-1]) + f" and {parts[-1]}" if len(parts) > 1 else parts[0]
