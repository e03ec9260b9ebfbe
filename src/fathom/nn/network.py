"""The network: one function, a chain of layers."""

from jaxtyping import Float, Key

from fathom.errors import ArchitectureError
from fathom.nn.architecture import Architecture
from fathom.nn.blocks import scale_through, train_through
from fathom.nn.combination import CombinationLayer
from fathom.nn.dense import DenseLayer
from fathom.nn.keys import RandomKey, fold_in
from fathom.nn.layer import AbstractLayer, every_layer
from fathom.nn.tree import Module
from fathom.nn.xla import Array


class Network(Module):
    """A network: the chain of its layers, y = f_L(... f_2(f_1(x))).

    The last layer is the output layer. Losses are worked out from its sums z rather than from its
    activations, so `combine` gives z and calling the network gives a = f(z).
    """

    layers: tuple[AbstractLayer, ...]

    @property
    def output(self) -> DenseLayer | CombinationLayer:
        """The output layer."""
        layer = self.layers[-1]
        assert isinstance(layer, (DenseLayer, CombinationLayer))
        return layer

    @property
    def has_convolution(self) -> bool:
        """Whether any layer is a convolution."""
        return any(layer.is_convolution for layer in self.layers)

    def combine(self, x: Float[Array, "batch *shape"]) -> Float[Array, "batch *time out"]:
        """Return the sums z of the output layer, as the trained network forms them."""
        for layer in self.layers[:-1]:
            x = layer(x)
        return self.output.combine(x)

    def __call__(self, x: Float[Array, "batch *shape"]) -> Float[Array, "batch *time out"]:
        """Return the network's outputs: probabilities, or numbers for a regression."""
        for layer in self.layers:
            x = layer(x)
        return x

    def train(
        self, x: Float[Array, "batch *shape"], key: Key[Array, ""]
    ) -> tuple[Float[Array, "batch *time out"], "Network"]:
        """Return z while learning (dropout on), and the network with its statistics updated."""
        hidden, layers = train_through(self.layers[:-1], x, key)
        return self.output.combine(hidden), Network((*layers, self.output))


def build(
    architecture: Architecture,
    key: RandomKey,
    data: Float[Array, "batch *shape"] | None = None,
) -> Network:
    """Make the network an architecture describes.

    Parameters
    ----------
    architecture : Architecture
        The description.
    key : jax.Array or numpy.ndarray
        Random key; the same key gives the same weights. The numbers of a key, as
        `fathom.nn.keys.host_key` has them, give them as arrays of NumPy, with no JAX to load.
    data : jax.Array, optional
        Examples for layers whose initializer is ``data_scaled``.

    Returns
    -------
    Network
        With float32 parameters.

    Raises
    ------
    ArchitectureError
        If a layer's initializer needs data and none were given.

    Examples
    --------
    >>> import jax
    >>> from fathom.nn.dense import Dense
    >>> described = Architecture(
    ...     input_shape=(2,), layers=(Dense(units=1, activation="sigmoid"),), loss="squared_error"
    ... )
    >>> build(described, jax.random.key(0))(jax.numpy.zeros((5, 2))).shape
    (5, 1)
    """
    network = draw(architecture, key)
    if not needs_data(architecture):
        return network
    if data is None:
        raise ArchitectureError(
            "examples to scale the weights on",
            got="none, and an initializer named data_scaled",
            hint="call build(architecture, key, data=x_train)",
        )
    return Network(scale_through(network.layers, data)[0])


def draw(architecture: Architecture, key: RandomKey) -> Network:
    """Make the network with its weights as drawn, not yet scaled on any data."""
    layers = tuple(
        layer.build(shape, fold_in(key, number))
        for number, (layer, shape) in enumerate(
            zip(architecture.layers, architecture.shapes[:-1], strict=True)
        )
    )
    return Network(layers)


def needs_data(architecture: Architecture) -> bool:
    """Tell whether any layer's initializer is scaled on the training data."""
    layers = every_layer(architecture.layers)
    initializers = [getattr(layer, "initializer", None) for layer in layers]
    return any(i is not None and i.name == "data_scaled" for i in initializers)
