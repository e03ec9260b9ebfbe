"""History: what happened in training, epoch by epoch, start by start."""

from typing import Literal, TypeAlias

from pydantic import Field, FiniteFloat

from fathom.values import Value

EventKind: TypeAlias = Literal["rolled_back", "shortened", "stopped"]


class Epoch(Value):
    """One pass over the training set.

    Attributes
    ----------
    epoch : int
        Number of the epoch, from 1.
    train_loss, train_score : float
        Mean loss and score over the epoch's batches, each taken before its step.
    validation_loss, validation_score : float or None
        Loss and score on the held-out examples after the epoch; None where none are held out.
    learning_rate : float
        Learning rate at the epoch's last step.
    seconds : float
        Seconds since the training began.
    """

    epoch: int
    train_loss: FiniteFloat
    train_score: FiniteFloat
    validation_loss: FiniteFloat | None = None
    validation_score: FiniteFloat | None = None
    learning_rate: FiniteFloat
    seconds: FiniteFloat


class Event(Value):
    """Something worth saying that happened at an epoch.

    Attributes
    ----------
    epoch : int
        The epoch in which it happened.
    kind : str
        ``rolled_back`` (the loss was not finite), ``shortened`` (the time limit left fewer epochs
        than planned) or ``stopped``.
    text : str
        What happened, in words.
    """

    epoch: int
    kind: EventKind
    text: str


class StartHistory(Value):
    """What happened to one network from its random start to its last epoch.

    Attributes
    ----------
    epochs : tuple of Epoch
        The epochs that were kept (those rolled back are events).
    events : tuple of Event
        What was out of the ordinary, and why training stopped.
    best_epoch : int
        The epoch whose weights were kept; 0 is the random start.
    """

    epochs: tuple[Epoch, ...] = ()
    events: tuple[Event, ...] = ()
    best_epoch: int = 0

    @property
    def best(self) -> Epoch | None:
        """The epoch whose weights were kept, or None where it is the random start."""
        return next((e for e in self.epochs if e.epoch == self.best_epoch), None)


class History(Value):
    """The whole training: every start, which of them are in the model, and what it was worth.

    Attributes
    ----------
    starts : tuple of StartHistory
        One for each random start.
    kept : tuple of int
        Positions of the starts that make up the model.
    score_name : {"accuracy", "r2"}
        What the scores in it are.
    seconds : float
        Seconds that training took, compiling included.

    Examples
    --------
    >>> History(starts=(StartHistory(),), kept=(0,), score_name="accuracy", seconds=0.5)
    1 start, 0 epochs in 0.5 s
    """

    starts: tuple[StartHistory, ...] = Field(min_length=1)
    kept: tuple[int, ...]
    score_name: Literal["accuracy", "r2"]
    seconds: FiniteFloat

    @property
    def n_epochs(self) -> int:
        """Epochs over all starts."""
        return sum(len(start.epochs) for start in self.starts)

    def __str__(self) -> str:
        n = len(self.starts)
        head = f"{n} start{'s' * (n != 1)}, {self.n_epochs} epochs in {self.seconds:.1f} s"
        lines = [head]
        for number, start in enumerate(self.starts):
            if start.best is not None:
                best = start.best
                score = best.validation_score
                held_out = "validation" if score is not None else "training"
                score = best.train_score if score is None else score
                is_kept = "" if number in self.kept else ", not kept"
                lines.append(
                    f"start {number + 1}: epoch {start.best_epoch} of {len(start.epochs)} kept, "
                    f"{held_out} {self.score_name} {score:.4f}{is_kept}"
                )
            lines += [f"  epoch {event.epoch}: {event.text}" for event in start.events]
        return "\n".join(lines)

    __repr__ = __str__

    def thinned(self, most_epochs: int) -> "History":
        """Return the same history with at most about this many epochs, the kept ones among them."""
        every = -(-self.n_epochs // most_epochs)
        if every <= 1:
            return self

        def thin(start: StartHistory) -> StartHistory:
            epochs = tuple(
                e for e in start.epochs if e.epoch % every == 0 or e.epoch == start.best_epoch
            )
            return start.model_copy(update={"epochs": epochs})

        return self.model_copy(update={"starts": tuple(map(thin, self.starts))})
