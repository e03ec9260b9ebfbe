"""Contents of a report: everything it says, as plain values, before a page is made of it."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from fathom.data.schema import ColumnKind, Label, Task
from fathom.inspection.dependence import Dependence
from fathom.inspection.drawing import Stage
from fathom.inspection.findings import Finding
from fathom.inspection.health import Health
from fathom.inspection.importance import Importance
from fathom.inspection.trust import Calibration, Confusion, Gap

CombinationMark: TypeAlias = Literal["", "rare", "new", "untold"]
NetworkState: TypeAlias = Literal["kept", "spare", "cut", "unfinished", "failed"]


@dataclass(frozen=True)
class ColumnFacts:
    """What one column of the data is.

    Attributes
    ----------
    name : str
        Its name.
    kind : str
        What it is taken for.
    values : str
        Its range, or its most frequent values.
    n_distinct : int
        Distinct values in training.
    missing : float
        Share of the rows without a value.
    missing_before : float or None
        The same in training; None where that is not known.
    n_strange : int
        Values not among the categories of training, or far outside its range.
    """

    name: str
    kind: ColumnKind
    values: str
    n_distinct: int
    missing: float
    missing_before: float | None = None
    n_strange: int = 0


@dataclass(frozen=True)
class MetricFacts:
    """One number for how good predictions are, and what guessing would have.

    Attributes
    ----------
    name : str
        Its name in English.
    value, low, high : float or None
        The metric and its 95 % interval; None where it is not defined.
    baseline : float or None
        The same for always giving the same answer.
    is_better_high : bool
        Whether more is better.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    baseline: float | None
    is_better_high: bool


@dataclass(frozen=True)
class ClassFacts:
    """How well one class or label is told from the others; None where there is nothing to say."""

    label: str
    precision: float | None
    recall: float | None
    f1: float | None
    n_rows: int


@dataclass(frozen=True)
class NetworkFacts:
    """One network that was tried.

    Attributes
    ----------
    number : int
        Its number, from 1.
    state : {"kept", "spare", "cut", "unfinished", "failed"}
        What became of it.
    weight : float
        Its share in the predictions.
    loss, train_loss : float or None
        On rows held out, and on those it learned.
    n_hidden, width : int
        Hidden layers, and neurons in each.
    traits : tuple of (str, str or float)
        What else was chosen about it: names as in `Labels.traits`, and values.
    best_epoch, n_epochs : int
        The epoch kept, and epochs trained.
    reason : Finding or None
        Why it was cut.
    """

    number: int
    state: NetworkState
    weight: float
    loss: float | None
    train_loss: float | None
    n_hidden: int
    width: int
    traits: tuple[tuple[str, str | float], ...]
    best_epoch: int
    n_epochs: int
    reason: Finding | None = None


@dataclass(frozen=True)
class CurveFacts:
    """The losses of one training, epoch by epoch.

    Attributes
    ----------
    network : int
        Number of the network, from 1.
    epochs : tuple of int
        Epochs.
    train, held_out : tuple of float
        Mean loss of the rows it learned, and of those held out; NaN where there were none.
    best_epoch : int
        The epoch whose weights were kept.
    n_alike : int
        Trainings of the same network on other rows, of which this is the first.
    """

    network: int
    epochs: tuple[int, ...]
    train: tuple[float, ...]
    held_out: tuple[float, ...]
    best_epoch: int
    n_alike: int = 1


@dataclass(frozen=True)
class Mistake:
    """A row the model did badly on.

    Attributes
    ----------
    row : int
        Its number in the data, from 1.
    loss : float
        Its loss: what is minimized in training, in nats or in squared standard deviations.
    truth, said : str
        What it is, and what the model said.
    sureness : float or None
        Probability of what was said; None for numbers.
    truth_share : float or None
        Probability of what it is; None for numbers.
    cells : tuple of (str, str)
        Columns and their values, the most important first; empty for pictures.
    picture : numpy.ndarray or None
        The picture: of ink, shape (height, width), from 0 (paper) to 1 (ink); or of levels from 0
        to 255, shape (height, width, channels), uint8.
    because : numpy.ndarray or None
        What each place of the picture contributed to what was said, shape (height, width).
    words : tuple of (str, float)
        A text in stretches, each with what it contributed to what was said.
    """

    row: int
    loss: float
    truth: str
    said: str
    sureness: float | None = None
    truth_share: float | None = None
    cells: tuple[tuple[str, str], ...] = ()
    picture: np.ndarray | None = None
    because: np.ndarray | None = None
    words: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Scatter:
    """Predicted numbers beside the right ones, of some of the rows.

    Attributes
    ----------
    name : str
        What is predicted.
    truth, said : numpy.ndarray
        Shape (rows,).
    """

    name: str
    truth: np.ndarray
    said: np.ndarray


@dataclass(frozen=True)
class FactorFacts:
    """How well one of several factors is told, whatever is said of the others.

    Attributes
    ----------
    name : str
        Its name.
    metrics, per_class : tuple
        How good the predictions of it are, in all and class by class.
    calibration : Calibration
        Whether its probabilities can be trusted.
    """

    name: str
    metrics: tuple[MetricFacts, ...]
    per_class: tuple[ClassFacts, ...]
    calibration: Calibration


@dataclass(frozen=True)
class CombinationFacts:
    """How one combination of factors fares.

    Attributes
    ----------
    name : str
        Its classes.
    n_seen : int
        Rows of it in training.
    mark : {"", "rare", "new", "untold"}
        Rare in training; never seen; never seen, and nothing that was seen tells it from others.
    n_rows : int
        Rows of it here.
    recall, low, high : float or None
        Share of them that are right, and its 95 % interval; None where there are none.
    recall_uniform : float or None
        The same with all combinations equally probable beforehand.
    n_taken : int
        Rows taken for it.
    mean_probability, share : float
        What it is given on average, and its share of the rows: alike where probabilities are true.
    """

    name: str
    n_seen: int
    mark: CombinationMark
    n_rows: int
    recall: float | None
    low: float | None
    high: float | None
    recall_uniform: float | None
    n_taken: int
    mean_probability: float
    share: float


@dataclass(frozen=True)
class PriorFacts:
    """What is right under one prior over combinations.

    Attributes
    ----------
    power : float or None
        The prior of training to that power: 1 as it is, 0 uniform; None for the model's own.
    accuracy : float
        Share of rows whose whole combination is right.
    mean : float
        Mean over the combinations of the share of their rows that are right.
    rare : float or None
        The same over those that are rare or were never seen; None where no row is of them.
    log_loss : float
        Mean log loss.
    """

    power: float | None
    accuracy: float
    mean: float
    rare: float | None
    log_loss: float


@dataclass(frozen=True)
class ReportContents:
    """Everything a report says, as plain values, in no language yet.

    Attributes
    ----------
    model, data : str
        What the model and the data are called.
    task : {"classes", "labels", "numbers"}
        What is predicted.
    target : str
        What it is called; empty where it has no name.
    classes : tuple
        The classes; empty for the other tasks.
    n_rows, n_all : int
        Rows looked at, and rows there are.
    verdict : tuple of Finding
        How good the model is, the first sentence first.
    on_data, on_search, on_curves, on_answers, on_factors, on_network, on_mistakes : tuple
        What is worth saying about each part.
    columns : tuple of ColumnFacts
        The columns of a table; empty for pictures.
    picture_shape : tuple of int
        Height, width and channels of pictures; empty for tables.
    notes : tuple of str
        What training noticed about its rows, in English.
    counts : tuple of (str, int)
        Rows of each class or label; empty for numbers.
    target_values : tuple of float
        Right numbers of some rows; empty for the other tasks.
    held_out : MetricFacts or None
        The score on rows held out in training, where it is known.
    metrics, per_class : tuple
        How good the predictions are, in all and class by class.
    networks, loss_name : tuple of NetworkFacts, str
        The networks tried, the best first, and what their losses are.
    curves : tuple of CurveFacts
        The trainings of the kept networks, the heaviest first.
    gap : Gap or None
        How the kept networks do on rows they learned and on others.
    confusion, calibration : Confusion, Calibration or None
        For classes: who is taken for whom, and whether probabilities can be trusted.
    scatter : Scatter or None
        For numbers: predicted ones beside the right ones.
    importance, dependence : Importance or None, tuple of Dependence
        What columns are worth, and how the prediction moves with the most important ones.
    dependence_of : str
        The class whose probability is looked at there; empty for numbers.
    stages : tuple of Stage
        The heaviest network at work on one row.
    layers : tuple of (str, str, int)
        Its layers: description, shape and parameters.
    first_weights : tuple of numpy.ndarray
        Weights of first-layer neurons as pictures.
    health : Health or None
        How its layers are.
    mistakes : tuple of Mistake
        The worst rows, the worst first.
    factors, combinations, priors : tuple of FactorFacts, CombinationFacts, PriorFacts
        Of a model of several factors: each by itself, every combination, and what a prior does.
    """

    model: str
    data: str
    task: Task
    target: str
    classes: tuple[Label, ...]
    n_rows: int
    n_all: int
    verdict: tuple[Finding, ...]
    on_data: tuple[Finding, ...] = ()
    on_search: tuple[Finding, ...] = ()
    on_curves: tuple[Finding, ...] = ()
    on_answers: tuple[Finding, ...] = ()
    on_factors: tuple[Finding, ...] = ()
    on_network: tuple[Finding, ...] = ()
    on_mistakes: tuple[Finding, ...] = ()
    columns: tuple[ColumnFacts, ...] = ()
    picture_shape: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    counts: tuple[tuple[str, int], ...] = ()
    target_values: tuple[float, ...] = ()
    held_out: MetricFacts | None = None
    metrics: tuple[MetricFacts, ...] = ()
    per_class: tuple[ClassFacts, ...] = ()
    networks: tuple[NetworkFacts, ...] = ()
    loss_name: str = ""
    curves: tuple[CurveFacts, ...] = ()
    gap: Gap | None = None
    confusion: Confusion | None = None
    calibration: Calibration | None = None
    scatter: Scatter | None = None
    importance: Importance | None = None
    dependence: tuple[Dependence, ...] = ()
    dependence_of: str = ""
    stages: tuple[Stage, ...] = ()
    layers: tuple[tuple[str, str, int], ...] = ()
    first_weights: tuple[np.ndarray, ...] = ()
    health: Health | None = None
    mistakes: tuple[Mistake, ...] = ()
    factors: tuple[FactorFacts, ...] = ()
    combinations: tuple[CombinationFacts, ...] = ()
    priors: tuple[PriorFacts, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All that is found, in the order of the report."""
        found = [*self.verdict, *self.on_data, *self.on_factors, *self.on_answers]
        found += self.confusion.findings if self.confusion else ()
        found += self.calibration.findings if self.calibration else ()
        found += self.on_search
        found += self.gap.findings if self.gap else ()
        found += self.on_curves
        found += self.importance.findings if self.importance else ()
        for one in self.dependence:
            found += one.findings
        found += self.on_network
        found += self.health.findings if self.health else ()
        return (*found, *self.on_mistakes)
