"""Networks for sound: a picture of time by frequency, how wide a network for the time there is."""

from fathom.nn.architecture import Architecture, Layer
from fathom.nn.blocks import Activation, Dropout, Flatten
from fathom.nn.convolution import GlobalAveragePool, MaxPool
from fathom.nn.dense import Dense
from fathom.nn.layer import Shape
from fathom.nn.named import LossName
from fathom.nn.normalization import BatchNorm
from fathom.search.contest import Entry
from fathom.search.picturing import (
    LEARNING_SHARE,
    SPEED,
    count_products,
    make_entry,
    normalized_convolution,
    residual_block,
)
from fathom.training.recipe import Augmentation

WIDTHS = (8, 12, 16, 24, 32)  # channels of the first stage, from the cheapest on
MOST_STAGES = 4
FEWEST_SIDE = 4  # moments or bands at which a stage still looks at neighbors
TRAINED = 60_000  # recordings, the same ones changed included, that a training should see at least
FEWEST_PASSES, MOST_PASSES = 8, 80
MOST_MOMENTS = 400  # of one recording; 4 s


def choose_width(n: int, shape: Shape, seconds: float) -> int:
    """Choose the widest network for which there is time enough on one core; each trains another.

    Parameters
    ----------
    n : int
        Number of recordings.
    shape : tuple of int
        Moments, bands and 1.
    seconds : float
        Time for training.

    Examples
    --------
    >>> choose_width(2000, (48, 40, 1), 60)
    8
    >>> choose_width(2000, (48, 40, 1), 600)
    16
    """
    passes = min(MOST_PASSES, max(FEWEST_PASSES, TRAINED / max(n, 1)))
    affordable = LEARNING_SHARE * seconds * SPEED / (n * passes)
    output = Dense(units=2, activation="softmax")
    chosen = WIDTHS[0]
    for width in WIDTHS:
        described = sound_network(shape, width, output, "cross_entropy")
        if 6.0 * count_products(described) <= affordable:
            chosen = width
    return chosen


def sound_network(
    shape: Shape,
    width: int,
    output: Dense,
    loss: LossName,
    *,
    dropout: float = 0.3,
    keeps_place: bool = True,
) -> Architecture:
    """Describe a convolutional network for pictures of sound.

    Stages of ever more channels on ever fewer moments and bands, as for pictures; then, unlike
    them, what was found where stays apart: a sound is another one an octave higher, and a word
    another one backwards.

    Parameters
    ----------
    shape : tuple of int
        Moments, bands and 1.
    width : int
        Channels of the first stage; each further stage has twice as many, up to four times.
    output : Dense
        The output layer.
    loss : str
        What is minimized.
    dropout : float, default 0.3
        Share of values dropped in front of the output layer while learning.
    keeps_place : bool, default True
        Whether the output layer sees every place, rather than each channel's mean.
    """
    layers: list[Layer] = [BatchNorm(momentum=0.8)]  # far from 0 and 1 at first, so it hurries
    side, channels = min(shape[:2]), width
    for stage in range(MOST_STAGES):
        layers += [*normalized_convolution(channels), Activation(activation="relu")]
        if side < 2 * FEWEST_SIDE or stage == MOST_STAGES - 1:
            break
        layers.append(MaxPool(size=2))
        side, channels = side // 2, min(2 * channels, 4 * width)
    layers += residual_block(channels)
    if keeps_place and side >= 2 * 2:
        layers.append(MaxPool(size=2))
    layers += [Flatten() if keeps_place else GlobalAveragePool(), Dropout(rate=dropout), output]
    return Architecture(input_shape=shape, layers=tuple(layers), loss=loss)


def sound_entries(
    shape: Shape, width: int, output: Dense, loss: LossName, n: int, seed: int
) -> tuple[Entry, ...]:
    """Describe the networks that compete for sound.

    They differ in how strongly recordings are changed while learning (moved in time, spoken faster
    or slower, by a longer or shorter throat, with noise, stretches of time and of frequency
    hidden), in whether they are also changed as by another microphone in another room, and in
    whether the place of what was found counts.

    Parameters
    ----------
    shape : tuple of int
        Moments, bands and 1.
    width : int
        Channels of the first stage.
    output, loss : Dense, str
        The output layer, and what is minimized.
    n : int
        Recordings to train on.
    seed : int
        Seed of every random choice.
    """
    moments, bands = shape[:2]
    usual = Augmentation(
        shift=bands / 16, slide=moments / 16, scale=0.15, light=0.2, noise=16.0, hide_rows=0.2,
        hide_columns=0.2,
    )  # fmt: skip
    elsewhere = usual.model_copy(update={"tone": 30.0, "floor": 60.0})
    strong = Augmentation(
        shift=bands / 10, slide=moments / 10, scale=0.25, shear=0.1, bend=bands / 40, light=0.35,
        noise=24.0, tone=40.0, floor=90.0, hide_rows=0.3, hide_columns=0.3,
    )  # fmt: skip
    there = sound_network(shape, width, output, loss)
    anywhere = sound_network(shape, width, output, loss, keeps_place=False)
    return (
        make_entry(f"{moments} moments, elsewhere", there, n, seed, elsewhere),
        make_entry(f"{moments} moments, changed as usual", there, n, seed, usual),
        make_entry(f"{moments} moments, changed strongly", there, n, seed, strong),
        make_entry(f"{moments} moments, elsewhere, in any order", anywhere, n, seed, elsewhere),
    )
