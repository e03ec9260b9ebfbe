"""The story: what was done to make a model smaller, and what it cost, as a value in its file."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, FiniteFloat, StringConstraints

from fathom.compression.storage import Storage
from fathom.values import Value

Words: TypeAlias = Annotated[str, StringConstraints(max_length=1000)]
NOTEWORTHY = 1e-9


class Measured(Value):
    """What a model weighs, how fast and how good it is.

    Attributes
    ----------
    step : str
        What was done last, in words.
    bytes : int
        Of the model file.
    n_networks, n_parameters : int
        Networks, and trainable parameters of all of them.
    loss, score : float or None
        On held-out rows; None without rows. Log loss and accuracy, or RMSE and R².
    row_seconds, many_seconds : float or None
        For a prediction of one row by itself, and for each of many at once; None where not timed.
    """

    step: Words
    bytes: int = Field(ge=0)
    n_networks: int = Field(ge=1)
    n_parameters: int = Field(ge=0)
    loss: FiniteFloat | None = None
    score: FiniteFloat | None = None
    row_seconds: FiniteFloat | None = Field(default=None, ge=0)
    many_seconds: FiniteFloat | None = Field(default=None, ge=0)


class Tried(Value):
    """A way to make the model smaller that was tried, and how it did on the rows that choose.

    Attributes
    ----------
    way : str
        What was done, in words.
    bytes : int
        Of the file.
    loss : float or None
        On the rows that choose.
    fits : bool
        Whether it is as small, or as fast, as asked for.
    """

    way: Words
    bytes: int = Field(ge=0)
    loss: FiniteFloat | None = None
    fits: bool = True


class Compression(Value):
    """How a model was made smaller.

    Attributes
    ----------
    asked : str
        What was asked for, in words.
    is_met : bool
        Whether the file is as small, or as fast, as that.
    storage : {"float32", "float16", "int8"}
        How weights are kept in the file; what is computed with is float32.
    steps : tuple of Measured
        The model as it was, then after each step; the last one is what is in the file.
    tried : tuple of Tried
        All that was tried.
    loss_name, score_name : str
        What losses and scores are.
    n_rows : int
        Held-out rows that judged; 0 without data.
    tolerance : float
        Loss of score that is thought small, as a share.
    notes : tuple of str
        What a person should know.
    """

    asked: Words
    is_met: bool
    storage: Storage
    steps: tuple[Measured, ...] = Field(min_length=1, max_length=100)
    tried: tuple[Tried, ...] = Field(default=(), max_length=1000)
    loss_name: Literal["log loss", "RMSE"]
    score_name: Literal["accuracy", "R²"]
    n_rows: int = Field(default=0, ge=0)
    tolerance: FiniteFloat = Field(default=0.005, ge=0)
    notes: tuple[Words, ...] = Field(default=(), max_length=100)

    @property
    def lost(self) -> float | None:
        """By how much the score is lower than before; None without rows."""
        before, after = self.steps[0].score, self.steps[-1].score
        return None if before is None or after is None else before - after

    @property
    def is_worse(self) -> bool:
        """Whether more was lost than is thought small."""
        return self.lost is not None and self.lost > self.tolerance + NOTEWORTHY

    @property
    def times_smaller(self) -> float:
        """How many times smaller the file is."""
        return self.steps[0].bytes / max(self.steps[-1].bytes, 1)

    def words(self) -> tuple[str, ...]:
        """Say what was done, and what it cost."""
        first, last = self.steps[0], self.steps[-1]
        said = [
            f"{first.bytes:,} bytes became {last.bytes:,}, {self.times_smaller:.1f} times smaller: "
            + ", then ".join(step.step for step in self.steps[1:])
            + ("" if len(self.steps) > 1 else "nothing was done")
            + "."
        ]
        if not self.is_met:
            said.append(f"NOT REACHED: asked for was {self.asked}.")
        if self.lost is None:
            said.append("NOT JUDGED: without rows nobody knows what was lost; --data FILE tells.")
        elif self.is_worse:
            said.append(
                f"WORSE: {self._share(self.lost)} of {self.score_name} lost on {self.n_rows:,} "
                f"held-out rows, more than the {self._share(self.tolerance)} thought small."
            )
        return (*said, *self.notes)

    def _share(self, value: float) -> str:
        return f"{100 * value:.2f} points" if self.score_name == "accuracy" else f"{value:.4f}"
