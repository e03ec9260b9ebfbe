"""Stopping: which weights are worth keeping, and when to give up."""

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Best:
    """The best epoch so far: lowest validation loss, the later of two equal ones.

    Where no examples are held out the last epoch is the best one.
    """

    epoch: int = 0
    loss: float = math.inf

    def is_beaten_by(self, validation_loss: float | None) -> bool:
        """Tell whether an epoch with this validation loss is to be kept instead."""
        return validation_loss is None or validation_loss <= self.loss

    def after(self, epoch: int, validation_loss: float | None) -> "Best":
        """Return the best epoch once this one is known."""
        if not self.is_beaten_by(validation_loss):
            return self
        loss = math.inf if validation_loss is None else validation_loss
        return replace(self, epoch=epoch, loss=loss)

    def is_out_of_patience(self, epoch: int, patience: int | None) -> bool:
        """Tell whether the best epoch is more than ``patience`` epochs ago."""
        return patience is not None and epoch - self.epoch >= patience
