"""History: what happened in training, epoch by epoch, start by start."""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from pydantic import Field, FiniteFloat, model_serializer

from fathom.display import curves, note, table
from fathom.values import Value

MOST_SHOWN = 10  # starts in a table
_COLUMNS = ("start", "epoch kept", "loss learned from", "loss held out")

EngineName: TypeAlias = Literal["xla", "loops"]
EventKind: TypeAlias = Literal["divided", "rolled_back", "shortened", "stopped"]
NetworkStatus: TypeAlias = Literal["begun", "cut", "complete", "failed", "chosen", "dropped"]


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
        ``divided`` (batches are worked through in parts, for want of memory), ``rolled_back`` (the
        loss was not finite), ``shortened`` (the time limit left fewer epochs than planned) or
        ``stopped``.
    text : str
        What happened, in words.
    """

    epoch: int
    kind: EventKind
    text: str


class NetworkEvent(Value):
    """What became of one network of a search, told as it happens.

    Attributes
    ----------
    number : int
        Number of the network, from 0, in the order of beginning.
    status : str
        ``begun``; ``cut`` for being behind; ``complete``; ``failed``, without any finite loss;
        ``chosen`` into the ensemble; ``dropped`` from it.
    structure : str
        What the network is like, in words.
    reason : str
        Where it came from (``begun``), or why it was cut or its training ended, in words.
    epoch : int or None
        Epochs it has trained, in the first fold; None where that is not known.
    epochs : int
        Epochs it is given.
    loss : float or None
        Its held-out loss: the best so far when it is cut, that of all folds when it is complete.
    behind : float or None
        For a network that is cut: how much higher its loss is than that of the best, as a share.
    loss_name : str
        What losses are: ``log loss``; ``RMSE`` in the target's unit; with several outputs
        ``relative RMSE``, in standard deviations.
    ensemble_loss : float or None
        Held-out loss of the ensemble as it is chosen now; None before there is one.
    members : tuple of int
        Numbers of the networks in it, the heaviest first.
    """

    number: int = Field(ge=0)
    status: NetworkStatus
    structure: str
    reason: str = ""
    epoch: int | None = None
    epochs: int
    loss: FiniteFloat | None = None
    behind: FiniteFloat | None = None
    loss_name: str
    ensemble_loss: FiniteFloat | None = None
    members: tuple[int, ...] = ()


class Steps(Value):
    """What clock and memory decided in a training, with which it can be done again to the bit.

    Attributes
    ----------
    n_calls : int
        Calls of the compiled program, each of several steps, that ended well.
    hurried : tuple of tuple of int
        Calls begun with time for fewer than were left: calls that ended well and rollbacks before,
        together, and how many calls the schedule was stretched over, itself included.
    engine : {"xla", "loops"}
        What took the steps; the other's differ in rounding and in what dropout drops.
    parts : int
        Parts each batch was worked through in; more than one where memory was short.
    """

    n_calls: int = Field(ge=0)
    hurried: tuple[tuple[int, int], ...] = ()
    engine: EngineName = "xla"
    parts: int = Field(default=1, ge=1)

    @model_serializer(mode="wrap")
    def _as_ever(self, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """Say nothing of parts where there is one, as files did before there were several."""
        said = handler(self)
        if self.parts == 1:
            said.pop("parts", None)
        return said


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
    steps : Steps or None
        What the clock decided; None where it was not recorded.
    """

    epochs: tuple[Epoch, ...] = ()
    events: tuple[Event, ...] = ()
    best_epoch: int = 0
    steps: Steps | None = None

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

    def _repr_html_(self) -> str:
        n = len(self.starts)
        head = f"{n} start{'s' * (n != 1)}, {self.n_epochs} epochs in {self.seconds:.1f} s"
        first = next((self.starts[k] for k in self.kept if self.starts[k].epochs), None)
        if first is None:
            return note(head)
        held_out = [e.validation_loss for e in first.epochs]
        named = [("learned from", [e.train_loss for e in first.epochs])]
        named += [("held out", [float("nan") if v is None else v for v in held_out])] * any(
            v is not None for v in held_out
        )
        drawn = curves(named, f"loss, epochs 1 to {first.epochs[-1].epoch} of the first kept")
        return note(head) + drawn + table(_COLUMNS, [*self._kept_lines()])

    def _kept_lines(self) -> list[tuple[str, ...]]:
        """Return for the kept starts the epoch kept, and its losses."""
        kept = [(k, self.starts[k], self.starts[k].best) for k in self.kept]
        return [
            (f"{k + 1}", f"{start.best_epoch} of {len(start.epochs)}", f"{best.train_loss:.4f}",
             "–" if best.validation_loss is None else f"{best.validation_loss:.4f}")
            for k, start, best in kept[:MOST_SHOWN] if best is not None
        ]  # fmt: skip

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
