"""Candidates as a search knows them: networks, their predictions, and what became of them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from fathom.data.trees import Growth
from fathom.nn.network import Network
from fathom.search.material import Material
from fathom.search.report import Candidate, Status
from fathom.search.space import Genes
from fathom.training.history import Epoch, StartHistory, Steps
from fathom.training.population import Job, Trained, combine_held_out

CURVE_POINTS = 20


@dataclass
class Tried:
    """A candidate as the strategy knows it.

    ``growth`` is, for networks of an earlier search, how far the trees were grown that they
    learned with.
    """

    number: int
    genes: Genes
    origin: str
    parent: int | None = None
    status: Status = "unfinished"
    is_promoted: bool = False
    is_first: bool = False
    started: set[int] = field(default_factory=set)
    trained: dict[int, Trained] = field(default_factory=dict)
    losses: dict[int, float] = field(default_factory=dict)
    predictions: np.ndarray | None = None
    loss: float = math.inf
    weight: float = 0.0
    seconds: float = 0.0
    curve: np.ndarray = field(default_factory=lambda: np.full(CURVE_POINTS, np.inf))
    reason: str = ""
    growth: dict[int, Growth | None] = field(default_factory=dict)

    @property
    def best_share(self) -> float:
        """Where in its planned epochs it was best, 0 to 1."""
        first = next(iter(self.trained.values()), None)
        return first.history.best_epoch / self.genes.epochs if first else 1.0

    @property
    def gap(self) -> float:
        """Held-out over training loss, less 1."""
        train = self.train_loss
        return 0.0 if not train or not math.isfinite(self.loss) else self.loss / train - 1

    @property
    def train_loss(self) -> float | None:
        """Mean training loss at the best epochs, in the unit of the held-out loss."""
        best = [t.history.best for t in self.trained.values()]
        losses = [b.train_loss for b in best if b is not None]
        if not losses:
            return None
        jobs = [t.job.architecture for t in self.trained.values()]
        if jobs[0].loss != "squared_error":
            return float(np.mean(losses))
        return float(np.mean(np.sqrt(2 * np.array(losses) / jobs[0].n_outputs)))


def retrace(
    tried: Tried,
    material: Material,
    networks: dict[int, Network],
    histories: Mapping[int, StartHistory] | None = None,
) -> None:
    """Give a candidate its networks back, with what they predict for the rows held out."""
    histories = histories or {}
    ends = np.cumsum([len(fold.held_out) for fold in material.folds])
    for fold, network in sorted(networks.items()):
        job = make_job(tried, fold, material, 0)
        z = combine_held_out(job, network)
        shown = material.predict(z, tried.genes.is_log_target)
        tried.losses[fold] = material.loss(shown, material.folds[fold].held_out)
        tried.trained[fold] = Trained(job, network, z, histories.get(fold, StartHistory()), 0.0)
        if tried.predictions is None:
            tried.predictions = np.full((ends[-1], shown.shape[1]), np.nan)
        tried.predictions[ends[fold] - len(shown) : ends[fold]] = shown
    tried.started = set(networks)


def make_job(
    tried: Tried, fold: int, material: Material, seed: int, steps: Steps | None = None
) -> Job:
    """Make the job of training a candidate on a fold, or of training it again by its steps."""
    genes = tried.genes
    return Job(
        number=tried.number,
        fold=fold,
        architecture=genes.architecture(material.layout(genes.has_trees), material.target),
        recipe=genes.recipe((seed + 7919 * tried.number) % 2**32),
        examples=material.examples(fold, genes.view, genes.is_log_target, genes.has_trees),
        held_out=material.held_out(fold, genes.view, genes.is_log_target, genes.has_trees),
        rows=material.folds[fold].training,
        judge=material.judge(fold, genes.is_log_target),
        steps=steps,
    )


def best_so_far(epochs: list[Epoch]) -> tuple[float, str | None]:
    """Return the lowest held-out loss, and why to end a training whose best is long past."""
    losses = [e.validation_loss for e in epochs if e.validation_loss is not None]
    best, at = min(losses), int(np.argmin(losses)) + 1
    if len(epochs) > 2 * at + 10:
        return best, f"best at epoch {at}, no better for {len(epochs) - at} epochs"
    return best, None


def as_candidate(tried: Tried) -> Candidate:
    """Return what became of a candidate, as data."""
    first = tried.trained.get(0) or next(iter(tried.trained.values()), None)
    return Candidate(
        number=tried.number,
        genes=tried.genes,
        origin=tried.origin,
        status=tried.status,
        weight=tried.weight,
        loss=tried.loss if math.isfinite(tried.loss) else tried.losses.get(0),
        train_loss=tried.train_loss,
        best_epoch=first.history.best_epoch if first else 0,
        n_epochs=len(first.history.epochs) if first else 0,
        n_folds=len(tried.trained),
        seconds=tried.seconds,
        reason=tried.reason,
    )
