"""The digits page: networks that read what is drawn, and learn while one looks on."""

import secrets
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from fathom.errors import InputError
from fathom.studio.digit_messages import (
    DigitReadings,
    DigitRun,
    DigitsFacts,
    Drawing,
    FirstWeights,
    KeepWish,
    NeuronLook,
    NeuronWish,
    OwnDrawing,
    ReaderName,
    TestDigit,
    TrainWish,
)
from fathom.studio.digit_runs import DigitRuns
from fathom.studio.drawings import Drawings, as_text

if TYPE_CHECKING:
    from fathom.studio.digit_reading import Readers


class DigitRoom:
    """Everything on the digits page, kept in a folder.

    Parameters
    ----------
    folder : Path
        Where trainings, networks and drawings are kept.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.runs, self.drawings = DigitRuns(folder / "runs"), Drawings(folder)

    @cached_property
    def readers(self) -> "Readers":
        """The networks that read; what they need is loaded when the page is first opened."""
        from fathom.studio.digit_reading import Readers

        return Readers(self._reading)

    def _reading(self, network: ReaderName) -> tuple[str, Path]:
        name = self.runs.reader(network)
        return name, (self.runs.folder_of(name) / "model.fathom" if name else Path())

    def facts(self) -> DigitsFacts:
        """Return what there is."""
        return DigitsFacts(runs=self.runs.every(), drawings=self.drawings.every())

    def read(self, drawing: Drawing) -> DigitReadings:
        """Return what each network makes of a drawing."""
        return self.readers.read(drawing.ink, fits=drawing.fits)

    def look(self, wish: NeuronWish) -> NeuronLook:
        """Show what a neuron looks for."""
        return self.readers.require(wish.network).look(wish, self.readers.digits)

    def weights(self, network: str) -> FirstWeights:
        """Return the weights of the first layer's neurons as pictures.

        Raises
        ------
        InputError
            If there is no such network, or none is trained yet.
        """
        known: dict[str, ReaderName] = {"dnn": "dnn", "cnn": "cnn"}
        if network not in known:
            raise InputError("dnn or cnn", got=repr(network)[:80])
        return self.readers.require(known[network]).weights()

    def train(self, wish: TrainWish) -> DigitRun:
        """Start a training."""
        return self.runs.start(wish, self.drawings.every())

    def keep(self, wish: KeepWish) -> OwnDrawing:
        """Keep a drawing, to learn from."""
        return self.drawings.keep(wish)

    def example(self) -> TestDigit:
        """Return a picture of the test part, at random."""
        digits = self.readers.digits
        row = secrets.randbelow(len(digits.y_test))
        return TestDigit(ink=as_text(digits.x_test[row]), label=int(digits.y_test[row]))
