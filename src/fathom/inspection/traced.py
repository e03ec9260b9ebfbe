"""A trace as a value: every number of a network on a batch, forward and backward."""

from collections.abc import Iterator
from html import escape

import numpy as np
from pydantic import Field

from fathom.errors import InputError
from fathom.inspection.arithmetic import write_number
from fathom.inspection.arrays import Measured, Numbers
from fathom.inspection.drawing import draw_network, stages_of
from fathom.inspection.layers import LayerTrace, Update
from fathom.nn.named import LossName, ReductionName

FEW = 4  # numbers of a layer that are printed one by one


class Trace(Measured):
    """Every number of a network on a batch: what flowed forward, and what flowed back.

    Attributes
    ----------
    x : numpy.ndarray
        The inputs, one row of the first axis each.
    layers : tuple of LayerTrace
        From the first layer to the output layer: z, a, node errors δ, gradients, new values.
    loss_name, reduction : str
        What is minimized, and how the losses of a batch are joined.
    target : numpy.ndarray or None
        What the outputs should be, shape (batch, outputs); None for the forward half alone.
    losses : numpy.ndarray or None
        Loss of each example.
    loss : float or None
        Their mean or total L.
    update : Update or None
        How the gradients become new values.
    input_names, feature_names, output_names : tuple of str
        What inputs are, what the first layer makes of the columns of a table, and what outputs
        are; empty where they have no names.

    See Also
    --------
    trace : makes one.
    fathom.inspection.why.why : explains any number in it.
    """

    x: Numbers
    layers: tuple[LayerTrace, ...] = Field(min_length=1)
    loss_name: LossName
    reduction: ReductionName = "mean"
    target: Numbers | None = None
    losses: Numbers | None = None
    loss: float | None = None
    update: Update | None = None
    input_names: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    output_names: tuple[str, ...] = ()

    @property
    def n_rows(self) -> int:
        """Number of examples."""
        return len(self.x)

    @property
    def output(self) -> np.ndarray:
        """What the network says, shape (batch, outputs)."""
        return self.layers[-1].a

    def __str__(self) -> str:
        examples = "1 example" if self.n_rows == 1 else f"{self.n_rows} examples"
        loss = "" if self.loss is None else f", loss {write_number(self.loss)}"
        layers = "1 layer" if len(self.layers) == 1 else f"{len(self.layers)} layers"
        head = f"{examples} through {layers}{loss}"
        rows = [("layer", "", "z", "a", "δ"), ("input", "", "", _few(self.x[0]), "")]
        for layer in self.layers:
            error = "" if layer.delta is None else _few(layer.delta[0])
            rows.append((layer.name, str(layer), _few(layer.z[0]), _few(layer.a[0]), error))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        table = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        return "\n".join([head, *table])

    __repr__ = __str__

    def drawn(self, row: int = 0) -> str:
        """Return the network drawn as SVG, with the numbers of one example in it."""
        stages = stages_of(
            self.x, self.layers, row=row,
            input_names=self.input_names, feature_names=self.feature_names,
            output_names=self.output_names,
        )  # fmt: skip
        return draw_network(stages, title="network", description=str(self))

    def _repr_html_(self) -> str:
        numbers = f"<summary>numbers</summary><pre>{escape(str(self))}</pre>"
        return f"<div>{self.drawn()}<details>{numbers}</details></div>"

    def every_layer(self) -> Iterator[LayerTrace]:
        """Return the layers one after another, those inside a block before the block."""
        for layer in self.layers:
            yield from layer.inner
            yield layer

    def layer(self, name: str) -> LayerTrace:
        """Return a layer by its name: ``layer1``, ``output``, ``layer3.inner2``.

        Raises
        ------
        InputError
            If there is no such layer.
        """
        last = f"layer{len(self.layers)}"
        wanted = name.replace(last, "output", 1) if name.split(".")[0] == last else name
        found = next((layer for layer in self.every_layer() if layer.name == wanted), None)
        if found is None:
            names = ", ".join(layer.name for layer in self.layers)
            raise InputError(f"one of {names}", got=repr(name))
        return found


def _few(values: np.ndarray) -> str:
    """Write the numbers of one example, or how far they reach where there are many."""
    if values.size <= FEW:
        return ", ".join(write_number(value, 3) for value in values.flat)
    return f"{write_number(values.min(), 3)} to {write_number(values.max(), 3)}"
