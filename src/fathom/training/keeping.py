"""Keeping: a training as it stands between two calls of its program, to go on from it later."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import Field, FiniteFloat

from fathom.training.history import Epoch, Event
from fathom.values import Value


class Notes(Value):
    """All that a training knows besides its arrays.

    Attributes
    ----------
    epochs, events : tuple
        What happened so far.
    progress, rate_factor, learning_rate : float
        How far along the schedule it is, what rollbacks left of the learning rate, the last one.
    n_calls, n_rollbacks : int
        Calls of the program that ended well, and those taken back.
    hurried, is_shortened
        What the clock decided.
    seconds : float
        How long it took.
    rows : str
        Where the stream of rows is.
    call : int
        Calls of this epoch that are done; 0 between two epochs.
    total : tuple or None
        Loss, parts of the score and weight, summed over those calls.
    """

    epochs: tuple[Epoch, ...] = ()
    events: tuple[Event, ...] = ()
    progress: FiniteFloat
    rate_factor: FiniteFloat
    learning_rate: FiniteFloat
    n_calls: int = Field(ge=0)
    n_rollbacks: int = Field(ge=0)
    hurried: tuple[tuple[int, int], ...] = ()
    is_shortened: bool
    seconds: FiniteFloat
    rows: str
    call: int = Field(ge=0)
    total: tuple[FiniteFloat, tuple[FiniteFloat, ...], FiniteFloat] | None = None


@dataclass(frozen=True)
class Moment:
    """A training as it stands between two calls of its program.

    Attributes
    ----------
    notes : Notes
        Everything but arrays.
    good : object
        The state at the end of the last epoch that ended well.
    kept : object
        The best weights so far.
    now : object or None
        The state, where an epoch is under way.
    """

    notes: Notes
    good: Any
    kept: Any
    now: Any | None


class Keeper(ABC):
    """Keeps a training as it stands now and then."""

    @abstractmethod
    def recall(self, start: Any) -> Moment | None:
        """Return what was kept last, its arrays laid out as those of a first state; None for none.

        Parameters
        ----------
        start : object
            The state in which the training would begin.
        """

    @abstractmethod
    def consider(self, look: Callable[[], Moment]) -> None:
        """Keep the training where it is time for that.

        Parameters
        ----------
        look : callable
            Returns it as it stands.
        """
