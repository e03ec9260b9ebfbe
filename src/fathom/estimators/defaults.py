"""Sound defaults: a network and a recipe for the shape of the data."""

from fathom.data.schema import ImageInput, Schema
from fathom.nn.architecture import Architecture, Layer
from fathom.nn.blocks import Activation, Dropout, Flatten
from fathom.nn.convolution import Conv2D, MaxPool
from fathom.nn.dense import Dense
from fathom.nn.layer import Shape
from fathom.nn.losses import LossName
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


def deep_network(schema: Schema, widths: tuple[int, ...], dropout: float = 0.0) -> Architecture:
    """Describe a dense network: hidden layers of the given widths, each normalized.

    Parameters
    ----------
    schema : Schema
        What goes in and what comes out.
    widths : tuple of int
        Neurons of each hidden layer.
    dropout : float
        Dropout after each hidden layer.
    """
    shape: Shape = schema.input.shape
    layers: list[Layer] = [Flatten()] if len(shape) > 1 else []
    for width in widths:
        layers += [Dense(units=width, activation="identity", has_bias=False)]
        layers += [BatchNorm(), Activation(activation="relu")]
        layers += [Dropout(rate=dropout)] if dropout else []
    output, loss = output_layer(schema)
    return Architecture(input_shape=shape, layers=(*layers, output), loss=loss)


def convolutional_network(schema: Schema, channels: tuple[int, ...] = (32, 64)) -> Architecture:
    """Describe a convolutional network: stages of two convolutions, each closed by pooling.

    Parameters
    ----------
    schema : Schema
        What goes in, a picture, and what comes out.
    channels : tuple of int
        Channels of each stage; stages stop where the picture would become smaller than 4 pixels.
    """
    height, width, _ = shape = schema.input.shape
    layers: list[Layer] = []
    for count in channels:
        for _ in range(2):
            layers += [Conv2D(channels=count, activation="identity", has_bias=False)]
            layers += [BatchNorm(), Activation(activation="relu")]
        if min(height, width) >= 8:
            layers += [MaxPool(size=2)]
            height, width = height // 2, width // 2
    output, loss = output_layer(schema)
    layers += [Flatten(), Dropout(rate=0.3), output]
    return Architecture(input_shape=shape, layers=tuple(layers), loss=loss)


def default_architecture(schema: Schema, n_rows: int) -> Architecture:
    """Return a convolutional network for pictures of 8×8 and more, else a dense one."""
    shape = schema.input.shape
    if isinstance(schema.input, ImageInput) and min(shape[:2]) >= 8:
        return convolutional_network(schema)
    width = 256 if n_rows >= 5000 else 128
    return deep_network(schema, (width, width))


def default_recipe(schema: Schema, n_rows: int) -> Recipe:
    """Return a recipe: enough epochs for some thousand steps, pictures of ink moved a little."""
    batch_size = 32 if n_rows < 1000 else 128
    steps_per_epoch = max(1, n_rows // batch_size)
    epochs = min(MOST_EPOCHS, max(FEWEST_EPOCHS, STEPS // steps_per_epoch))
    is_ink = isinstance(schema.input, ImageInput) and schema.input.is_ink
    return Recipe(
        learning_rate=2e-3,
        batch_size=batch_size,
        epochs=epochs,
        weight_decay=0.01,
        patience=max(20, epochs // 4),
        augmentation=ink_augmentation(min(schema.input.shape[:2])) if is_ink else None,
    )


def ink_augmentation(side: int) -> Augmentation:
    """Return changes that leave a sign of this size readable: a tenth of its side, twelve degrees."""
    return Augmentation(
        shift=side * 0.09, rotate=12, scale=0.12, shear=0.15, bend=side * 0.035, threshold=0.5
    )
