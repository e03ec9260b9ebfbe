"""Reading: what trained networks make of a drawing, layer by layer, and what a neuron looks for."""

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fathom.data.datasets import Digits, load_digits
from fathom.deployment.archive import load
from fathom.errors import InputError
from fathom.estimators import FathomClassifier
from fathom.inspection.features import first_weights, look_at_neuron
from fathom.inspection.representations import SILENT, Stage, stages
from fathom.inspection.tongues import name_layer, say
from fathom.nn.convolution import Conv2DLayer
from fathom.nn.dense import DenseLayer
from fathom.nn.network import Network
from fathom.nn.xla import Array, jitted, jnp
from fathom.studio.digit_messages import (
    SIDE,
    DigitReading,
    DigitReadings,
    FirstWeights,
    LayerFlow,
    NeuronLook,
    NeuronWish,
    Picture,
    ReaderName,
    StrongPicture,
)
from fathom.studio.drawings import as_grid, as_text, fit

DECIMALS = 4
N_STRONGEST = 8
MOST_WEIGHTS = 64  # neurons of the first layer whose weights are shown
MOST_LOOKS = 500  # remembered


class Reader:
    """A trained network that reads drawings.

    Parameters
    ----------
    network : {"dnn", "cnn"}
        Which one it is.
    run : str
        The training it comes from.
    path : Path
        Its model file.
    """

    def __init__(self, network: ReaderName, run: str, path: Path) -> None:
        model = load(path)
        assert isinstance(model, FathomClassifier)
        self.network, self.run, self.model = network, run, model
        self._first: Network = model.networks_[0]
        self._stages = stages(self._first)[1:]
        self._looks: dict[tuple[int, int], NeuronLook] = {}
        self._lock = threading.Lock()

    def read(self, grid: np.ndarray) -> DigitReading:
        """Return what the network makes of a drawing, shape (16, 16)."""
        row = grid.astype(np.float32)[None, :, :, None]
        ends = tuple(_end(self._first, stage) for stage in self._stages)
        values = flow(self._first, jnp.asarray(row), ends)
        layers = tuple(
            self._layer(stage, np.asarray(value)[0])
            for stage, value in zip(self._stages, values, strict=True)
        )
        chances = self.model.predict_proba(grid[None])[0]
        return DigitReading(
            network=self.network, run=self.run, n_networks=len(self.model.networks_),
            probabilities=tuple(chances.astype(float).tolist()), layers=layers,
        )  # fmt: skip

    def _layer(self, stage: Stage, values: np.ndarray) -> LayerFlow:
        is_map = values.ndim == 3
        height, width = values.shape[:2] if is_map else (1, 1)
        units = values.reshape(height * width, -1).T if is_map else values.reshape(-1, 1)
        return LayerFlow(
            number=stage.number, name_en=stage.name, name_zh=name_layer(stage.name, "zh"),
            height=height, width=width, units=units.astype(float).round(DECIMALS).tolist(),
            can_look=isinstance(self._first.layers[stage.first], DenseLayer | Conv2DLayer),
        )  # fmt: skip

    def look(self, wish: NeuronWish, digits: Digits) -> NeuronLook:
        """Show what a neuron looks for; a second look at it costs nothing.

        Raises
        ------
        InputError
            If there is no such neuron.
        """
        key = (wish.layer, wish.neuron)
        with self._lock:  # one at a time: it is seconds of work for a large network
            if key not in self._looks:
                if len(self._looks) >= MOST_LOOKS:
                    self._looks.clear()
                self._looks[key] = self._looked(wish, digits)
            return self._looks[key]

    def _looked(self, wish: NeuronWish, digits: Digits) -> NeuronLook:
        x = digits.x_train[..., None].astype(np.float32)
        view = look_at_neuron(
            self._first, x, digits.y_train, layer=wish.layer, neuron=wish.neuron,
            n_strongest=N_STRONGEST,
        )  # fmt: skip
        strongest = tuple(
            StrongPicture(ink=as_text(example), label=label, sum=z)
            for example, label, z in zip(view.examples, view.labels, view.sums, strict=True)
        )
        return NeuronLook(
            network=self.network, run=self.run, layer=view.number, neuron=wish.neuron,
            weights=self._weights_of(view.number, wish.neuron),
            excited=_as_picture(view.excited.reshape(SIDE, SIDE)), excited_sum=view.excited_sum,
            share_active=view.share_active, strongest=strongest,
            said_en=" ".join(say(one, "en") for one in view.findings),
            said_zh="".join(say(one, "zh") for one in view.findings),
        )  # fmt: skip

    def _weights_of(self, layer: int, neuron: int) -> Picture | None:
        found = first_weights(self._first, (SIDE, SIDE), n_shown=neuron_count(self._first, layer))
        if found.number != layer:
            return None
        return _as_picture(found.images[found.neurons.index(neuron)])

    def weights(self) -> FirstWeights:
        """Return the weights of the first layer's neurons as pictures, in the neurons' order."""
        found = first_weights(self._first, (SIDE, SIDE), n_shown=MOST_WEIGHTS)
        order = np.argsort(found.neurons)
        return FirstWeights(
            network=self.network, run=self.run, layer=found.number,
            neurons=tuple(found.neurons[at] for at in order),
            pictures=tuple(_as_picture(found.images[at]) for at in order),
        )  # fmt: skip


def _end(network: Network, stage: Stage) -> int:
    """Return the position of the last layer of a stage that changes a number: a map stays a map."""
    here = range(stage.first, stage.last + 1)
    return max(at for at in here if not isinstance(network.layers[at], SILENT))


def neuron_count(network: Network, layer: int) -> int:
    """Return how many neurons, or channels, a layer has; 0 where it has no weights."""
    found = network.layers[layer - 1]
    if isinstance(found, DenseLayer):
        return len(found.weight)
    return found.kernel.shape[-1] if isinstance(found, Conv2DLayer) else 0


@jitted(static_argnums=2)
def flow(network: Network, x: Array, ends: tuple[int, ...]) -> list[Array]:
    """Return what comes out of each of the layers that end a stage, the probabilities last.

    Parameters
    ----------
    network : Network
        The network.
    x : jax.Array
        Drawings, shape (n, 16, 16, 1).
    ends : tuple of int
        Positions of those layers.
    """
    found = []
    for position, layer in enumerate(network.layers):
        x = layer(x)
        if position in ends:
            found.append(x)
    return found


def _as_picture(values: np.ndarray) -> Picture:
    return tuple(tuple(row) for row in values.astype(float).round(DECIMALS).tolist())


class Readers:
    """The networks that read now, loaded when they are first asked for.

    Parameters
    ----------
    find : callable
        Returns the training whose network reads, and its model file; nothing where none does.
    """

    def __init__(self, find: Callable[[ReaderName], tuple[str, Path]]) -> None:
        self._find, self._lock = find, threading.Lock()
        self._known: dict[ReaderName, Reader] = {}
        self._digits: Digits | None = None

    @property
    def digits(self) -> Digits:
        """The pictures that the networks learn from, and those they are tested on."""
        with self._lock:
            if self._digits is None:
                self._digits = load_digits("digits")
            return self._digits

    def reader(self, network: ReaderName) -> Reader | None:
        """Return the network that reads now; None where none is trained yet."""
        with self._lock:
            run, path = self._find(network)
            known = self._known.get(network)
            if run and (known is None or known.run != run):
                known = self._known[network] = Reader(network, run, path)
            return known if run else None

    def require(self, network: ReaderName) -> Reader:
        """Return the network that reads now.

        Raises
        ------
        InputError
            If none is trained yet.
        """
        found = self.reader(network)
        if found is None:
            raise InputError("a trained network", got="none yet", hint="train one first")
        return found

    def read(self, ink: str, *, fits: bool) -> DigitReadings:
        """Return what each network makes of a drawing."""
        grid = fit(as_grid(ink)) if fits else as_grid(ink)
        names: tuple[ReaderName, ...] = ("dnn", "cnn")
        readers = [self.reader(name) for name in names]
        return DigitReadings(
            seen=as_text(grid), readings=tuple(one.read(grid) for one in readers if one is not None)
        )
