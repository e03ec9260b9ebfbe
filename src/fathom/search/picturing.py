"""Networks for pictures: how large a picture, how wide a network, for the time there is."""

import math
from typing import Any, NamedTuple

from fathom.nn.architecture import Architecture
from fathom.nn.blocks import Activation, Dropout, Residual
from fathom.nn.convolution import Conv2D, GlobalAveragePool, MaxPool
from fathom.nn.dense import Dense
from fathom.nn.layer import Shape
from fathom.nn.named import LossName
from fathom.nn.normalization import BatchNorm
from fathom.search.contest import Entry
from fathom.training.recipe import Augmentation, Recipe

SIZES = ((16, 8), (24, 8), (32, 12), (32, 16), (48, 16), (64, 16), (64, 24), (96, 24))
"""Side of the picture, and channels of the first stage, from the cheapest on."""

SPEED, SPEED_OF_LOOPS = 12e9, 30e9  # operations a second of one core, training convolutions
TRAINED = 60_000  # pictures, the same ones changed included, that a training should see at least
FEWEST_PASSES, MOST_PASSES = 6, 80
USABLE = 0.8  # share of the time in which steps are taken
LEARNING_SHARE = 0.6  # the same, of the networks that are kept
MOST_STAGES = 4
FEWEST_SIDE = 4  # pixels at which the last stage still looks at neighbors


class Size(NamedTuple):
    """Side of the picture in pixels, and channels of a network's first stage."""

    side: int
    width: int


def choose_size(n: int, native: int, seconds: float) -> Size:
    """Choose the largest size for which there is time enough on one core; each trains another.

    Parameters
    ----------
    n : int
        Number of pictures.
    native : int
        Side they have, in pixels; they are not enlarged.
    seconds : float
        Time for training.

    Examples
    --------
    >>> choose_size(1000, 300, 600)
    Size(side=48, width=16)
    >>> choose_size(1000, 28, 60)
    Size(side=24, width=8)
    """
    passes = min(MOST_PASSES, max(FEWEST_PASSES, TRAINED / max(n, 1)))
    affordable = LEARNING_SHARE * seconds * SPEED_OF_LOOPS / (n * passes)
    chosen = Size(min(native, SIZES[0][0]), SIZES[0][1])
    for side, width in SIZES:
        size = Size(min(native, side), width)
        if 6.0 * count_products(_body((size.side, size.side, 3), width)) <= affordable:
            chosen = size
    return chosen


def count_products(architecture: Architecture) -> int:
    """Return how many products of two numbers one picture costs on its way through a network."""
    total = 0
    for layer, shape, made in zip(
        architecture.layers, architecture.shapes[:-1], architecture.shapes[1:], strict=True
    ):
        if isinstance(layer, Conv2D):
            total += math.prod(layer.kernel) * shape[-1] * math.prod(made)
        elif isinstance(layer, Residual):
            n = sum(isinstance(inner, Conv2D) for inner in layer.layers)
            total += n * 9 * shape[-1] * math.prod(made)
        elif isinstance(layer, Dense):
            total += layer.n_parameters(shape)
    return total


def _body(shape: Shape, width: int) -> Architecture:
    output = Dense(units=2, activation="softmax")
    return picture_network(shape, width, output, "cross_entropy")


def picture_network(
    shape: Shape,
    width: int,
    output: Dense,
    loss: LossName,
    *,
    dropout: float = 0.2,
    has_residual: bool = True,
) -> Architecture:
    """Describe a convolutional network: stages of ever more channels on ever smaller pictures.

    Levels are normalized channel by channel, so pictures stay one byte a pixel until a step needs
    them. Each stage is a convolution (3×3), batch normalization and a rectifier, and halves the
    picture; the last has a residual block, and every channel's mean goes to the output layer.

    Parameters
    ----------
    shape : tuple of int
        Height, width and channels of a picture.
    width : int
        Channels of the first stage; each further stage has twice as many.
    output : Dense
        The output layer.
    loss : str
        What is minimized.
    dropout : float, default 0.2
        Share of channels dropped in front of the output layer while learning.
    has_residual : bool, default True
        Whether the last stage has a residual block.
    """
    layers = picture_layers(shape, width, has_residual=has_residual)
    layers += [Dropout(rate=dropout), output]
    return Architecture(input_shape=shape, layers=tuple(layers), loss=loss)


def picture_layers(shape: Shape, width: int, *, has_residual: bool = True) -> list[Any]:
    """Describe the layers of `picture_network` up to the mean of every channel."""
    layers: list[Any] = [BatchNorm(momentum=0.8)]  # far from 0 and 1 at first, so it hurries
    side, channels = min(shape[:2]), width
    for stage in range(MOST_STAGES):
        layers += [*normalized_convolution(channels), Activation(activation="relu")]
        if side < 2 * FEWEST_SIDE or stage == MOST_STAGES - 1:
            break
        layers.append(MaxPool(size=2))
        side, channels = side // 2, 2 * channels
    if has_residual:
        layers += residual_block(channels)
    return [*layers, GlobalAveragePool()]


def normalized_convolution(channels: int) -> tuple[Conv2D, BatchNorm]:
    """Describe a convolution (3×3) and the normalization that follows it."""
    described = Conv2D(channels=channels, kernel=(3, 3), activation="identity", has_bias=False)
    return described, BatchNorm()


def residual_block(channels: int) -> tuple[Residual, Activation]:
    """Describe two convolutions with a shortcut past them, and a rectifier."""
    inner = (
        *normalized_convolution(channels),
        Activation(activation="relu"),
        *normalized_convolution(channels),
    )
    return Residual(layers=inner), Activation(activation="relu")


def picture_entries(
    shape: Shape, width: int, output: Dense, loss: LossName, n: int, seed: int
) -> tuple[Entry, ...]:
    """Describe the networks that compete for pictures.

    They differ in how strongly pictures are changed in training, which is what keeps a network on
    few pictures from learning them by heart, and in their width.

    Parameters
    ----------
    shape : tuple of int
        Height, width and channels of a picture.
    width : int
        Channels of the first stage.
    output, loss : Dense, str
        The output layer, and what is minimized.
    n : int
        Pictures to train on.
    seed : int
        Seed of every random choice.
    """
    side = min(shape[:2])
    described = picture_network(shape, width, output, loss)
    size = f"{shape[0]}×{shape[1]}"
    if loss == "squared_error":  # where a number is asked for, the place may be the point
        return (make_entry(f"{size}, convolutional", described, n, seed, None),)
    usual = Augmentation(
        shift=side / 10, rotate=8, scale=0.15, light=0.2, mirror=True, edge="repeat"
    )
    strong = Augmentation(
        shift=side / 7, rotate=15, scale=0.3, shear=0.1, bend=side / 40, light=0.35, mirror=True,
        edge="repeat",
    )  # fmt: skip
    slight = Augmentation(shift=side / 14, rotate=8, scale=0.1, light=0.1, edge="repeat")
    return (
        make_entry(f"{size}, changed as usual", described, n, seed, usual),
        make_entry(f"{size}, changed strongly", described, n, seed, strong),
        make_entry(f"{size}, changed slightly, never mirrored", described, n, seed, slight),
    )


def make_entry(
    name: str, described: Architecture, n: int, seed: int, changes: Augmentation | None
) -> Entry:
    """Enter a convolutional network into a contest, with how it is trained.

    Parameters
    ----------
    name : str
        What sets it apart from the others, in words.
    described : Architecture
        The network.
    n : int
        Pictures, or recordings, to train on.
    seed : int
        Seed of every random choice.
    changes : Augmentation or None
        How they are changed while learning.
    """
    batch = 32 if n < 3000 else 64 if n < 20_000 else 128
    recipe = Recipe(
        learning_rate=3e-3, weight_decay=0.05, batch_size=batch, epochs=10 * MOST_PASSES,
        label_smoothing=0.05 if described.loss == "cross_entropy" else 0.0, augmentation=changes,
        validation_fraction=0.1, seed=seed,
    )  # fmt: skip
    stages = [layer.channels for layer in described.layers if isinstance(layer, Conv2D)]
    return Entry(f"{'-'.join(map(str, stages))} channels on {name}", described, recipe)
