"""The report: what a search tried, what it kept, and why, as data and in words."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, FiniteFloat, StringConstraints

from fathom.search.space import Genes
from fathom.values import Value

Status: TypeAlias = Literal["kept", "spare", "cut", "unfinished", "failed"]
Sentence: TypeAlias = Annotated[str, StringConstraints(max_length=10_000)]
MOST_SCORES = 5  # outputs whose scores are said in words
NO_BETTER = 0.01  # relative; a model less than this better than guessing is no better
OVERFIT = 0.5  # relative gap between held-out and training loss that is worth a word


class Candidate(Value):
    """One network the search tried.

    Attributes
    ----------
    number : int
        Its number, from 0, in the order of beginning.
    genes : Genes
        What was chosen about it.
    origin : str
        Where its genes came from, in words.
    status : {"kept", "spare", "cut", "unfinished", "failed"}
        In the model; trained but not needed; cut for being behind; out of time; without any finite
        loss.
    weight : float
        Its share in the model's predictions; 0 unless kept.
    loss : float or None
        Held-out loss at its best epoch, over all folds it was trained on.
    train_loss : float or None
        Mean training loss at the same epochs.
    best_epoch : int
        The epoch whose weights were kept, in the first fold.
    n_epochs : int
        Epochs trained in the first fold.
    n_folds : int
        Folds it was trained on.
    seconds : float
        Time it took on one core.
    reason : str
        Why it was cut or stopped, in words.
    """

    number: int = Field(ge=0)
    genes: Genes
    origin: Sentence
    status: Status
    weight: FiniteFloat = Field(default=0.0, ge=0, le=1)
    loss: FiniteFloat | None = None
    train_loss: FiniteFloat | None = None
    best_epoch: int = Field(default=0, ge=0)
    n_epochs: int = Field(default=0, ge=0)
    n_folds: int = Field(default=0, ge=0)
    seconds: FiniteFloat = 0.0
    reason: Sentence = ""


class Score(Value):
    """How good the model is on held-out rows, as a user would ask for it.

    Attributes
    ----------
    name : {"accuracy", "RMSE"}
        Share of right answers, or root of the mean squared error in the unit of the target.
    output : str
        Which of several outputs it is of; empty where it is of all.
    value, baseline : float
        Of the model, and of always giving the same answer.
    """

    name: Literal["accuracy", "RMSE"]
    output: Sentence = ""
    value: FiniteFloat
    baseline: FiniteFloat


class Report(Value):
    """What a search tried, kept, and found out.

    Attributes
    ----------
    candidates : tuple of Candidate
        Every network tried.
    loss_name : {"log loss", "relative RMSE"}
        What the losses are; relative to the standard deviation of the target.
    n_train, n_held_out, n_folds : int
        Rows trained on in the first fold, rows held out in it, and how many folds there are.
    validation_loss : float or None
        Loss of the whole model on rows held out from each network.
    baseline_loss : float
        Loss of always predicting the mean, or the shares of the classes.
    scores : tuple of Score
        The same in the terms a user would ask for: one accuracy, or the RMSE of each output.
    temperature : float
        By how much the model was made less sure of itself (above 1) or more (below).
    seconds : float
        Time the whole fit took.
    stopped : str
        Why the search ended, in words.
    notes : tuple of str
        What was guessed, repaired or noticed, in words.

    Examples
    --------
    >>> kept = Candidate(number=0, genes=Genes(depth=2), origin="first", status="kept", weight=1)
    >>> Report(candidates=(kept,), loss_name="log loss", n_train=80, n_held_out=20, n_folds=1,
    ...        validation_loss=0.3, baseline_loss=0.7, seconds=9).gain
    0.5714
    """

    candidates: tuple[Candidate, ...] = Field(max_length=10_000)
    loss_name: Literal["log loss", "relative RMSE"]
    n_train: int = Field(ge=0)
    n_held_out: int = Field(ge=0)
    n_folds: int = Field(ge=1, le=1000)
    validation_loss: FiniteFloat | None = None
    baseline_loss: FiniteFloat
    scores: tuple[Score, ...] = Field(default=(), max_length=100_000)
    temperature: FiniteFloat = 1.0
    seconds: FiniteFloat
    stopped: Sentence = ""
    notes: tuple[Sentence, ...] = Field(default=(), max_length=10_000)

    @property
    def kept(self) -> tuple[Candidate, ...]:
        """The networks in the model, the heaviest first."""
        kept = [c for c in self.candidates if c.status == "kept"]
        return tuple(sorted(kept, key=lambda c: -c.weight))

    @property
    def gain(self) -> float:
        """Share of the baseline's loss that the model does away with, to 4 digits."""
        if self.validation_loss is None or self.baseline_loss == 0:
            return 0.0
        return round(1 - self.validation_loss / self.baseline_loss, 4)

    @property
    def headline(self) -> tuple[str, float | None]:
        """The one figure for how good the model is: its name and value, RMSE in the target's unit.

        With several outputs, whose units differ, the RMSE is relative to their spread.
        """
        if self.loss_name == "relative RMSE" and len(self.scores) == 1:
            return self.scores[0].name, self.scores[0].value
        return self.loss_name, self.validation_loss

    @property
    def is_no_better_than_guessing(self) -> bool:
        """Whether the model predicts no better than the mean or the shares of the classes."""
        return self.validation_loss is not None and self.gain < NO_BETTER

    @property
    def gap(self) -> float | None:
        """Held-out over training loss of the kept networks, less 1, weighted; None if unknown."""
        known = [(c.weight, c.loss, c.train_loss) for c in self.kept if c.loss and c.train_loss]
        total = sum(weight for weight, _, _ in known)
        if not total:
            return None
        return sum(weight * (a or 0) / (b or 1) for weight, a, b in known) / total - 1

    def words(self) -> tuple[str, ...]:
        """Say what was chosen and why, sentence by sentence."""
        return (*self._on_networks(), *self._on_cuts(), *self._on_overfitting(), self._on_worth())

    def _on_networks(self) -> list[str]:
        kept = self.kept
        folds = (
            f"each trained {self.n_folds} times, on other rows each time"
            if self.n_folds > 1
            else f"trained on {self.n_train:,} rows and judged on {self.n_held_out:,} held out"
        )
        networks = f"{len(kept)} of them" if len(kept) > 1 else "one of them"
        n = len(self.candidates)
        tried = f"{n} networks were tried; the model is {networks}"
        found = [f"{'1 network was tried, and is the model' if n == 1 else tried}, {folds}."]
        found += [f"{c.weight:4.0%} network {c.number + 1}: {c.genes}" for c in kept]
        if len(kept) > 1:
            found.append(f"What they share: {shared_traits(kept)}.")
        return found

    def _on_cuts(self) -> list[str]:
        cut = [c for c in self.candidates if c.status == "cut"]
        if not cut:
            return []
        found = [f"{len(cut)} were cut early, the last of them:"]
        return found + [f"  network {c.number + 1} ({c.genes}): {c.reason}" for c in cut[-3:]]

    def _on_overfitting(self) -> list[str]:
        gap = self.gap
        if gap is None or self.validation_loss is None:
            return []
        dropout = [c.genes.dropout for c in self.kept if c.genes.depth]
        steps = ["the best epoch of each was kept"]
        if dropout:
            low, high = f"{min(dropout):.0%}", f"{max(dropout):.0%}"
            span = low if low == high else f"{low} to {high}"
            steps.append(f"{span} of the neurons were dropped at random while learning")
        if len(self.kept) > 1 or self.n_folds > 1:
            steps.append("their predictions are averaged")
        if self.loss_name == "log loss":
            steps.append("probabilities are calibrated")
        done = " and ".join([", ".join(steps[:-1]), steps[-1]] if steps[1:] else steps)
        if gap > OVERFIT:
            return [
                f"On rows it has not seen a single network's {self.headline[0]} is {gap:.0%} "
                f"higher than on those it learned: it learned some by heart. Against it: {done}."
            ]
        return [f"No sign of overfitting: losses on seen and unseen rows are close; {done}."]

    def _on_worth(self) -> str:
        if self.validation_loss is None:
            return "How good the model is, is not known: nothing was held out."
        found, baseline = self._in_words()
        if self.is_no_better_than_guessing:
            return (
                f"No better than guessing: {found} on held-out rows, and {baseline} by always "
                "giving the same answer. The columns may say nothing about the target, or the "
                "time was too short."
            )
        verb = "be" if self.scores and self.scores[0].name == "accuracy" else "have"
        return f"{found} on held-out rows; always giving the same answer would {verb} {baseline}."

    def _in_words(self) -> tuple[str, str]:
        """Say how good the model is, and always giving the same answer."""
        scores, loss = self.scores[:MOST_SCORES], self.validation_loss
        if not scores:
            return f"{self.loss_name} {loss:.4f}", f"{self.baseline_loss:.4f}"
        if scores[0].name == "accuracy":
            one = scores[0]
            found = f"{one.value:.1%} right ({self.loss_name} {loss:.4f})"
            return found, f"{one.baseline:.1%} right ({self.baseline_loss:.4f})"
        if len(self.scores) == 1:
            return f"RMSE {scores[0].value:.5g}", f"{scores[0].baseline:.5g}"
        more = f" and {len(self.scores) - len(scores)} more" * (len(self.scores) > len(scores))
        found = ", ".join(f"{one.value:.5g} for {one.output}" for one in scores)
        return f"RMSE {found}{more}", ", ".join(f"{one.baseline:.5g}" for one in scores) + more


def shared_traits(kept: tuple[Candidate, ...]) -> str:
    """Say in words what the genes of several networks have in common."""
    genes = [c.genes for c in kept]
    deep = [g for g in genes if g.depth]
    forms = sorted({g.input_form.replace("_", " ") for g in genes})
    parts = [
        _span("depth", [g.depth for g in genes], "hidden layers"),
        _span("learning rate", [g.learning_rate for g in genes], ""),
        f"numbers as {', '.join(forms)}",
    ]
    if deep:
        parts += [
            _span("width", [g.width for g in deep], "neurons a layer"),
            _span("dropout", [g.dropout for g in deep], ""),
            f"{', '.join(sorted({g.activation for g in deep}))} neurons",
        ]
    return "; ".join(parts)


def _span(name: str, values: list[int] | list[float], unit: str) -> str:
    low, high = min(values), max(values)
    shown = f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
    return f"{shown} {unit}" if unit else f"{name} {shown}"
