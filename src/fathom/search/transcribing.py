"""Networks that write down what was said: a sequence of moments becomes one of signs."""

import math

from fathom.nn.architecture import Architecture, Layer
from fathom.nn.blocks import Activation, Dropout, Residual
from fathom.nn.dense import Dense
from fathom.nn.layer import Shape
from fathom.nn.normalization import BatchNorm
from fathom.nn.sequence import Conv1D
from fathom.search.contest import Entry
from fathom.search.picturing import USABLE
from fathom.training.recipe import Augmentation, Recipe

SIZES = ((48, 2), (64, 3), (96, 3), (128, 3), (160, 4))
"""Neurons of every layer, and residual blocks, from the cheapest on."""

STEPS = {8: (4, 2), 4: (2, 2), 2: (2, 1)}
"""Strides of the first two layers, by how many moments become one."""

TRAINED, TRAINED_S = 60_000, 150.0  # recordings a training should see with so many seconds of cores
SPEED = 22e9  # operations a second of one core, training convolutions over time by XLA
FEWEST_PASSES, MOST_PASSES = 6, 60
LENGTHS_FROM_S = (0.0, 45.0, 150.0)  # seconds from which so many lengths are worth compiling
STRIDES = tuple(STEPS)  # moments that become one: the first for which texts leave room
KERNEL = 5  # moments seen by a neuron of the first two layers
REACH = 16  # moments that a neuron of a block sees beside its own, whatever the stride


def sequence_network(
    shape: Shape, width: int, n_blocks: int, n_signs: int, stride: int = STRIDES[0]
) -> Architecture:
    """Describe a convolutional network over time that gives a sign, or the blank, at each moment.

    What a sign is, is told by what stands around it: however many moments become one, the blocks
    see as far.

    Parameters
    ----------
    shape : tuple of int
        Moments and bands.
    width : int
        Neurons of every hidden layer.
    n_blocks : int
        Residual blocks, of two layers each.
    n_signs : int
        Signs there are, the blank not counted.
    stride : {2, 4, 8}, default 8
        Moments that become one.

    Examples
    --------
    >>> sequence_network((96, 40), 48, 1, 11).shapes[-1]
    (12, 12)
    """
    layers: list[Layer] = [BatchNorm(momentum=0.8)]
    for step in STEPS[stride]:
        layers += [*_convolution(width, KERNEL, step), Activation(activation="relu")]
    for _ in range(n_blocks):
        one, other = (_convolution(width, 1 + REACH // stride) for _ in range(2))
        inner = (*one, Activation(activation="relu"), *other)
        layers += [Residual(layers=inner), Activation(activation="relu")]
    output = Dense(units=n_signs + 1, activation="softmax")
    layers += [Dropout(rate=0.2), output]
    return Architecture(input_shape=shape, layers=tuple(layers), loss="ctc")


def _convolution(width: int, kernel: int, stride: int = 1) -> tuple[Conv1D, BatchNorm]:
    described = Conv1D(
        channels=width, kernel=kernel, stride=stride, activation="identity", has_bias=False
    )
    return described, BatchNorm()


def count_products(architecture: Architecture) -> int:
    """Return how many products of two numbers one recording costs on its way."""
    places = [shape[0] for shape in architecture.shapes[1:]]
    return sum(n * count for n, count in zip(places, architecture.parameter_counts, strict=True))


def choose_sequence(
    n: int, shape: Shape, n_signs: int, seconds: float, n_cores: int, stride: int
) -> Architecture:
    """Choose the largest network for which there is time enough.

    Of more time half goes to a larger network and half to more passes: both grow as its root.

    Parameters
    ----------
    n : int
        Number of recordings.
    shape : tuple of int
        Moments and bands of the longest.
    n_signs : int
        Signs there are, the blank not counted.
    seconds : float
        Time for training.
    n_cores : int
        Cores that it has to itself.
    stride : int
        Moments that become one.

    Examples
    --------
    >>> few, more = (choose_sequence(3000, (448, 40), 11, 75 * n, 2, 8) for n in (2, 8))
    >>> few.layers[1].channels, more.layers[1].channels
    (64, 96)

    References
    ----------
    Hoffmann and others (2022). Training compute-optimal large language models. arXiv:2203.15556.
    """
    trained = TRAINED * math.sqrt(seconds * n_cores / TRAINED_S)
    passes = min(MOST_PASSES, max(FEWEST_PASSES, trained / max(n, 1)))
    affordable = USABLE * seconds * n_cores * SPEED / (n * passes)
    chosen = sequence_network(shape, *SIZES[0], n_signs, stride)
    for size in SIZES:
        described = sequence_network(shape, *size, n_signs, stride)
        if 6.0 * count_products(described) <= affordable:
            chosen = described
    return chosen


def sequence_entry(architecture: Architecture, n: int, seed: int, seconds: float) -> Entry:
    """Describe how a network for sequences is trained in so many seconds.

    Recordings of like length share a batch. They are changed in every epoch: moved in time, spoken
    faster or slower, by a longer or shorter throat, with noise, stretches of time and of frequency
    hidden.
    """
    moments, bands = architecture.input_shape
    changes = Augmentation(
        shift=bands / 14, slide=moments / 40, scale=0.12, light=0.25, noise=20.0,
        hide_rows=0.05, hide_columns=0.2,
    )  # fmt: skip
    recipe = Recipe(
        learning_rate=3e-3, weight_decay=0.02, batch_size=16 if n < 2000 else 32,
        n_lengths=sum(seconds >= least for least in LENGTHS_FROM_S), epochs=10 * MOST_PASSES,
        augmentation=changes, gradient_clip=5.0, validation_fraction=0.1, seed=seed,
    )  # fmt: skip
    width = next(one.channels for one in architecture.layers if isinstance(one, Conv1D))
    n_blocks = sum(isinstance(one, Residual) for one in architecture.layers)
    what = f"{width} neurons over time, {n_blocks} blocks, {architecture.shapes[-1][0]} moments"
    return Entry(what, architecture, recipe)
