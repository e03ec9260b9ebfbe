"""Sound defaults: a network and a recipe for the shape of the data."""

from collections.abc import Sequence

from fathom.data.schema import ImageInput, Label, Schema, Target
from fathom.nn.architecture import Architecture, Layer
from fathom.nn.blocks import Activation, Dropout, Flatten
from fathom.nn.convolution import Conv2D, MaxPool
from fathom.nn.dense import Dense
from fathom.nn.layer import Shape
from fathom.nn.named import LossName
from fathom.nn.normalization import BatchNorm
from fathom.training.recipe import Augmentation, Recipe

STEPS = 4000  # steps a default training aims at, within the limits below
FEWEST_EPOCHS, MOST_EPOCHS = 20, 200


def output_layer(schema: Schema) -> tuple[Dense, LossName]:
    """Return the output layer a target needs, and its loss."""
    target = schema.target
    if target.task == "classes":
        return Dense(units=len(target.classes), activation="softmax"), "cross_entropy"
    if target.task == "labels":
        return Dense(units=target.n_outputs, activation="sigmoid"), "binary_cross_entropy"
    return Dense(units=target.n_outputs, activation="identity"), "squared_error"


def normalized(layer: Dense | Conv2D) -> list[Layer]:
    """Return a layer followed by batch normalization and a rectifier."""
    return [layer, BatchNorm(), Activation(activation="relu")]


def deep_network(schema: Schema, widths: tuple[int, ...]) -> Architecture:
    """Describe a dense network: hidden layers of the given widths, each normalized.

    Parameters
    ----------
    schema : Schema
        What goes in and what comes out.
    widths : tuple of int
        Neurons of each hidden layer.
    """
    shape: Shape = schema.input.shape
    layers: list[Layer] = [Flatten()] if len(shape) > 1 else []
    for width in widths:
        layers += normalized(Dense(units=width, activation="identity", has_bias=False))
    output, loss = output_layer(schema)
    return Architecture(input_shape=shape, layers=(*layers, output), loss=loss)


def convolutional_network(schema: Schema) -> Architecture:
    """Describe a convolutional network: features of strokes, then of parts, then the classes.

    Convolutions of 32 channels (5×5 pixels), 64 and 128 (3×3), then a dense layer of 128 neurons,
    each normalized; the picture is halved after the first two where it has 8 pixels or more.

    Parameters
    ----------
    schema : Schema
        What goes in, a picture, and what comes out.
    """
    shape = schema.input.shape
    side = min(shape[:2])
    layers: list[Layer] = []
    for channels, kernel in ((32, 5), (64, 3), (128, 3)):
        described = Conv2D(
            channels=channels, kernel=(kernel, kernel), activation="identity", has_bias=False
        )
        layers += normalized(described)
        if side >= 8 and channels < 128:
            layers += [MaxPool(size=2)]
            side //= 2
    output, loss = output_layer(schema)
    head = Dense(units=128, activation="identity", has_bias=False)
    layers += [Flatten(), *normalized(head), Dropout(rate=0.3), output]
    return Architecture(input_shape=shape, layers=tuple(layers), loss=loss)


def default_architecture(schema: Schema, n_rows: int) -> Architecture:
    """Return a convolutional network for pictures of 8×8 and more, else a dense one."""
    if is_picture(schema):
        return convolutional_network(schema)
    width = 256 if n_rows >= 5000 else 128
    return deep_network(schema, (width, width))


def is_picture(schema: Schema) -> bool:
    """Tell whether the input is a picture large enough for convolutions."""
    return isinstance(schema.input, ImageInput) and min(schema.input.shape[:2]) >= 8


def default_recipe(schema: Schema, architecture: Architecture, n_rows: int) -> Recipe:
    """Return a recipe with enough epochs for some thousand steps.

    Ink to be classified is taken for a sign, which means the same wherever on the paper it stands,
    and is moved a little; where a number is asked of it the place may be the point.
    """
    is_ink = isinstance(schema.input, ImageInput) and schema.input.is_ink
    can_move = len(architecture.input_shape) == 3 and schema.target.task == "classes"
    if is_ink and can_move:
        has_convolution = any(isinstance(layer, Conv2D) for layer in architecture.layers)
        kind = "cnn" if has_convolution else "dnn"
        return reading_recipe(min(architecture.input_shape[:2]), kind)
    batch_size = 32 if n_rows < 1000 else 128
    steps_per_epoch = max(1, n_rows // batch_size)
    epochs = min(MOST_EPOCHS, max(FEWEST_EPOCHS, STEPS // steps_per_epoch))
    return Recipe(
        learning_rate=2e-3,
        batch_size=batch_size,
        epochs=epochs,
        weight_decay=0.01,
        patience=max(20, epochs // 4),
    )


def reading_network(classes: Sequence[Label], side: int, kind: str) -> Architecture:
    """Return a network that reads signs of ink on a square grid.

    Parameters
    ----------
    classes : sequence
        What the signs may be.
    side : int
        Side of the grid, in pixels.
    kind : {"dnn", "cnn"}
        Three dense layers of 512 neurons, or the convolutional network.
    """
    schema = Schema(
        input=ImageInput(height=side, width=side, channels=1, is_ink=True),
        target=Target(task="classes", classes=tuple(classes)),
    )
    if kind == "cnn":
        return convolutional_network(schema)
    return deep_network(schema, (512, 512, 512))


def reading_recipe(side: int, kind: str) -> Recipe:
    """Return the recipe for signs of ink: many epochs, never the same picture twice.

    Two starts are averaged. Every picture is shifted, turned, scaled, sheared and bent by amounts
    that leave a sign of the given side readable; a dense network, which has to learn from examples
    that a shifted stroke is the same stroke, is given more of it and more epochs.

    Parameters
    ----------
    side : int
        Side of the picture, in pixels.
    kind : {"dnn", "cnn"}
        Which network is trained.
    """
    common = {"learning_rate": 3e-3, "weight_decay": 0.05, "n_starts": 2, "combine": "average"}
    if kind == "cnn":
        changes = Augmentation(
            shift=side / 16, rotate=8, scale=0.1, shear=0.1, bend=side / 32, threshold=0.5
        )
        return Recipe(batch_size=64, epochs=100, augmentation=changes, **common)
    changes = Augmentation(
        shift=side * 3 / 32, rotate=12, scale=0.12, shear=0.15, bend=side * 0.0375, threshold=0.5
    )
    return Recipe(batch_size=128, epochs=200, augmentation=changes, **common)


def small_reading_network(classes: Sequence[Label], side: int, kind: str) -> Architecture:
    """Return a network that reads signs of ink and is small enough to be looked at whole.

    Parameters
    ----------
    classes : sequence
        What the signs may be.
    side : int
        Side of the grid, in pixels, at least 4.
    kind : {"dnn", "cnn"}
        Dense layers of 64 and 32 neurons, or convolutions of 8 and 16 channels, each with a pool,
        and a dense layer of 32. Every layer has its bias and nothing is normalized, so that an
        activation is what its weights say: a = relu(W x + b).
    """
    schema = Schema(
        input=ImageInput(height=side, width=side, channels=1, is_ink=True),
        target=Target(task="classes", classes=tuple(classes)),
    )
    output, loss = output_layer(schema)
    layers: tuple[Layer, ...] = (Flatten(), Dense(units=64), Dense(units=32), output)
    if kind == "cnn":
        layers = (
            Conv2D(channels=8, kernel=(5, 5)), MaxPool(size=2),
            Conv2D(channels=16, kernel=(3, 3)), MaxPool(size=2),
            Flatten(), Dense(units=32), output,
        )  # fmt: skip
    return Architecture(input_shape=schema.input.shape, layers=layers, loss=loss)


def small_reading_recipe(side: int, kind: str) -> Recipe:
    """Return the recipe for `small_reading_network`: one start, and done within seconds.

    Parameters
    ----------
    side : int
        Side of the picture, in pixels.
    kind : {"dnn", "cnn"}
        Which network is trained.
    """
    changes = Augmentation(
        shift=side / 16, rotate=8, scale=0.1, shear=0.1, bend=side / 40, threshold=0.5
    )
    return Recipe(
        learning_rate=3e-3, weight_decay=0.02, batch_size=32, augmentation=changes,
        epochs=16 if kind == "cnn" else 40,
    )  # fmt: skip
