"""Rows of a study: one network of a depth, and what it came to from every start."""

import numpy as np
from pydantic import Field, FiniteFloat, model_validator

from fathom.inspection.depth.shapes import Shape
from fathom.values import Value


class DepthRow(Value):
    """One network, trained from several starts.

    Attributes
    ----------
    shape : {"parameters", "neurons", "width"}
        What it has in common with the others of its kind.
    depth : int
        Hidden layers.
    widths : tuple of int
        Neurons of each.
    n_parameters, n_neurons : int
        Weights and biases in all, and hidden neurons.
    n_rows : int
        Training rows it learned from.
    learning_rate : float
        The learning rate with the lowest validation loss.
    errors, losses : tuple of float
        Error and loss on the test rows, one for each start.
    validation_losses : tuple of float
        Loss on the validation rows at the epoch that was kept.
    epochs : tuple of int
        That epoch.
    """

    shape: Shape
    depth: int = Field(ge=1)
    widths: tuple[int, ...]
    n_parameters: int
    n_neurons: int
    n_rows: int
    learning_rate: FiniteFloat
    errors: tuple[FiniteFloat, ...] = Field(min_length=1)
    losses: tuple[FiniteFloat, ...]
    validation_losses: tuple[FiniteFloat, ...]
    epochs: tuple[int, ...]

    @model_validator(mode="after")
    def _fits_together(self) -> "DepthRow":
        if len(self.widths) != self.depth or sum(self.widths) != self.n_neurons:
            raise ValueError("there is one width for each hidden layer, and they add up")
        if len({len(self.errors), len(self.losses), len(self.epochs)}) > 1:
            raise ValueError("there is one error, loss and epoch for each start")
        return self

    @property
    def median(self) -> float:
        """Median error over the starts."""
        return float(np.median(self.errors))

    @property
    def quartiles(self) -> tuple[float, float]:
        """First and third quartile of the error over the starts."""
        low, high = np.quantile(self.errors, (0.25, 0.75))
        return float(low), float(high)


class Need(Value):
    """How many training rows a depth needs for an error.

    Attributes
    ----------
    depth : int
        Hidden layers.
    n_rows : float or None
        Rows, interpolated; None where the error is not reached.
    is_bound : bool
        Whether the smallest size that was tried is already enough.
    """

    depth: int
    n_rows: FiniteFloat | None
    is_bound: bool = False
