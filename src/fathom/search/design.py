"""Design: from a parsed table to an ensemble of networks that chose itself."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from fathom.data.combinations import Combined
from fathom.data.features import TableEncoding
from fathom.data.parsing import ParsedTable
from fathom.data.schema import Target
from fathom.data.sketches import QuantileSketch
from fathom.data.splitting import Fold, make_folds
from fathom.data.trees import Growth, TreeView
from fathom.errors import TrainingError
from fathom.nn.architecture import Architecture
from fathom.nn.forward import Forward
from fathom.nn.network import Network
from fathom.parallel.cores import n_cores
from fathom.search.checkpoints import Checkpoints
from fathom.search.combining import combine_kept, judge_combined
from fathom.search.material import Grown, Material, TargetScale
from fathom.search.record import (
    NO_RECORD,
    STEPS_TOGETHER,
    NetworkRecord,
    Record,
    digest_rows,
    find_obstacle,
    grown_alike,
    made_with,
    require_same_rows,
)
from fathom.search.report import Report, Score
from fathom.search.scoring import score_predictions
from fathom.search.space import Genes
from fathom.search.strategy import Strategy
from fathom.search.tried import Tried, retrace
from fathom.training.calibration import fit_sharpness, sharpen
from fathom.training.engines import cores_each
from fathom.training.history import History, StartHistory
from fathom.training.machine import platform
from fathom.training.monitor import Deadline, Monitor
from fathom.training.population import train_population
from fathom.training.together import MOST

FOLDS, FEW_FOLDS = 5, 3
OPENING_S = 2.0  # at most that a first network is alone, as long as it has shown nothing
FOLD_SECONDS = 4e-3  # seconds of one core that one row in one fold costs, over all candidates
TEXT_COST = 3  # what a column of text costs beside all others, for its encoding in every fold
LEAST_HELD_OUT, MOST_SHARE, LEAST_SHARE = 500, 0.2, 0.1
LEAST_OTHER, SCARCE_SHARE = 50, 0.25  # rows of other classes than the most frequent, that judge
RESERVE_SHARE, RESERVE_S = 0.02, 0.35  # of the time, kept for choosing and calibrating at the end


@dataclass(frozen=True)
class Member:
    """One candidate in the model: its networks, one for each fold it was trained on."""

    genes: Genes
    weight: float
    architecture: Architecture
    folds: tuple[int, ...]
    networks: tuple[Network, ...]

    @cached_property
    def forwards(self) -> tuple[Forward, ...]:
        """The networks as NumPy computes them; a search makes none with convolutions."""
        return tuple(map(Forward, self.networks))


@dataclass(frozen=True)
class Design:
    """An ensemble that chose itself.

    Attributes
    ----------
    target : Target
        What is predicted.
    encodings : tuple of TableEncoding
        One for each fold.
    trees : tuple of TreeView
        One for each fold, or none where no member looks at them.
    members : tuple of Member
        The networks; each member's are averaged over folds, and members by weight.
    sharpness : float
        The exponent that calibrates probabilities.
    scales : dict of bool to TargetScale
        For numbers: of the target, and of its logarithm.
    low, high : numpy.ndarray
        For numbers: smallest and largest value in training, which no prediction leaves.
    report : Report
        What was tried, and why this was kept.
    history : History
        The epochs of the kept networks.
    seed : int
        Seed of the search; with the same rows it gives the same division again.
    n_rows : int
        Rows the search was given.
    record : Record or None
        What it takes to train the networks again; None where it was not recorded.
    combined : Combined or None
        For factors: what turns sums into probabilities of all combinations.
    """

    target: Target
    encodings: tuple[TableEncoding, ...]
    trees: tuple[TreeView, ...]
    members: tuple[Member, ...]
    sharpness: float
    scales: dict[bool, TargetScale]
    low: np.ndarray
    high: np.ndarray
    report: Report
    history: History
    seed: int = 0
    n_rows: int = 0
    record: Record | None = None
    combined: Combined | None = None


@dataclass(frozen=True)
class Plan:
    """How a search divides rows and time.

    Attributes
    ----------
    seed : int
        Seed of every random choice.
    groups, order : numpy.ndarray or None
        Group and time of each row, for dividing them.
    earlier : tuple of Tried, or Design
        Candidates of an earlier search on the same rows, to go on from; or the ensemble kept of
        it, whose candidates are brought back as far as they are known.
    folds : tuple of Fold or None
        The divisions of that earlier search; worked out again where left out.
    grown : dict of int to trees
        Its trees, where they are still there.
    record : Record or None
        Its record; that of the ensemble counts where ``earlier`` is one.
    beyond : mapping of str to QuantileSketch, optional
        By name of a column, its values in rows that are not in memory.
    """

    seed: int = 0
    groups: np.ndarray | None = None
    order: np.ndarray | None = None
    earlier: tuple[Tried, ...] | Design = ()
    folds: tuple[Fold, ...] | None = None
    grown: Grown = field(default_factory=dict)
    record: Record | None = None
    beyond: Mapping[str, QuantileSketch] | None = None


def design(
    parsed: ParsedTable,
    target: Target,
    y: np.ndarray,
    weight: np.ndarray,
    plan: Plan,
    *,
    deadline: Deadline,
    monitor: Monitor | None = None,
    keep: Callable[[Design], None] | None = None,
    at_first_epoch: Callable[[], None] = lambda: None,
) -> tuple[Design, Strategy]:
    """Find networks for a table within a time.

    Parameters
    ----------
    parsed : ParsedTable
        The rows.
    target : Target
        What is predicted.
    y : numpy.ndarray
        Class numbers (n,), or labels or numbers (n, outputs).
    weight : numpy.ndarray
        Weight of each row, above 0, mean 1.
    plan : Plan
        How rows are divided, and what to go on from.
    deadline : Deadline
        When it has to be over.
    monitor : Monitor, optional
        Told of every epoch under the candidate's number, and asked whether to stop.
    keep : callable, optional
        Given the model as it stands now and then, to keep it safe; the search waits for it.
    at_first_epoch : callable
        Called once a network has had an epoch; the search waits for it.

    Returns
    -------
    tuple of Design and Strategy
        The ensemble, and the search as it stands, from which it can go on.

    Raises
    ------
    InputError
        If it goes on from a search on other rows.
    TrainingError
        If no network found a finite loss.
    """
    began = time.monotonic()
    is_on_processor = platform() == "cpu"
    workers = n_cores() if is_on_processor else MOST  # which there take their steps together
    with cores_each(1):  # which also decides the last bits of what encodings learn
        classes = y if target.task == "classes" else None
        n_texts = sum(column.kind == "text" for column in parsed.columns)
        affordable = deadline.remaining() / (1 + TEXT_COST * n_texts)
        folds = plan.folds or divide(len(y), classes, plan, affordable)
        material = Material(parsed, target, y, weight, folds, plan.seed, beyond=plan.beyond)
        rows = digest_rows(parsed, y, weight, plan.groups, plan.order)
        reserve = RESERVE_S + RESERVE_SHARE * min(deadline.remaining(), 600.0)
        training = Deadline(_seconds(max(deadline.remaining() - reserve, 0.05)))
        earlier, before = plan.earlier, plan.record
        if isinstance(earlier, Design):
            before = earlier.record
        if before is not None:
            require_same_rows(before, rows, "go on with it")
            material.grown.update(plan.grown)
        if isinstance(earlier, Design):
            material.give_trees(training.remaining())
            earlier = bring_back(earlier, material)
        for tried in earlier:
            _reopen(tried, len(folds))
        strategy = Strategy(material, training, plan.seed, workers, earlier, monitor)
        strategy.at_first_epoch, strategy.opening_s = at_first_epoch, OPENING_S
        obstacle = find_obstacle(before) if earlier else ""
        obstacle = obstacle or ("" if is_on_processor else STEPS_TOGETHER)
        if keep is not None:
            strategy.after_each = Checkpoints(
                lambda: finish(strategy, began, None, rows, obstacle), keep
            ).consider
        train_population(strategy, monitor=monitor, deadline=training, workers=workers)
        found = finish(strategy, began, monitor, rows, obstacle)
        if earlier and len(strategy.tried) == len(earlier):
            found = replace(found, report=_with_nothing_new(found.report))
        return found, strategy


def _with_nothing_new(report: Report) -> Report:
    """Say of a search that went on that it came to no new network."""
    return report.model_copy(update={"stopped": f"{report.stopped}, before any new network began"})


def bring_back(found: Design, material: Material) -> tuple[Tried, ...]:
    """Return the candidates of an ensemble, its networks with their held-out predictions."""
    folds = (fold for member in found.members for fold in member.folds)
    growths = zip(folds, (growth for _, growth in _recorded(found)), strict=True)
    known = {fold: growth for fold, growth in growths if growth is not None}
    material.grow_as_before(known, found.report.seconds)
    members, back, recorded = iter(found.members), [], _recorded(found)
    for candidate in found.report.candidates:
        tried = Tried(
            candidate.number, candidate.genes, candidate.origin, status=candidate.status,
            loss=math.inf if candidate.loss is None else candidate.loss,
            losses={} if candidate.loss is None else {0: candidate.loss},
            seconds=candidate.seconds, reason=candidate.reason,
        )  # fmt: skip
        back.append(tried)
        if candidate.status != "kept":
            continue
        member = next(members)  # members stand in the order of their candidates
        networks = dict(zip(member.folds, member.networks, strict=True))
        told = [next(recorded) for _ in networks]
        histories = dict(zip(networks, (history for history, _ in told), strict=True))
        retrace(tried, material, networks, histories)
        tried.growth = {fold: growth for fold, (_, growth) in zip(networks, told, strict=True)}
    return tuple(back)


def _recorded(found: Design) -> Iterator[tuple[StartHistory, Growth | None]]:
    """Return of each network what happened, and how far the trees it saw were grown, if known."""
    n = sum(len(member.networks) for member in found.members)
    starts = found.history.starts if len(found.history.starts) == n else (StartHistory(),) * n
    record = found.record
    if record is None or len(record.networks) != n:
        return zip(starts, [None] * n, strict=True)
    return zip(starts, map(grown_alike, record.networks), strict=True)


def _reopen(tried: Tried, n_folds: int) -> None:
    """Let a candidate that is in the model but not complete be trained on its other folds."""
    if 0 < len(tried.trained) < n_folds:
        tried.status, tried.weight, tried.is_promoted = "unfinished", 0.0, True
        tried.started = set(tried.trained)


def _seconds(remaining: float) -> float | None:
    return remaining if math.isfinite(remaining) else 600.0


def divide(n: int, classes: np.ndarray | None, plan: Plan, seconds: float) -> tuple[Fold, ...]:
    """Divide rows: several folds where the time allows, one held-out part otherwise.

    Folds let every row both train and judge, and networks of other rows average out; they cost as
    many trainings. A held-out part is max(10 %, min(20 %, 500 / n)) of the rows. Where that holds
    few rows of other classes than the most frequent one, the ensemble would be chosen by chance:
    a few folds then, or if there is no time for them a quarter of the rows.
    """
    affordable = seconds * n_cores() / FOLD_SECONDS
    share = max(LEAST_SHARE, min(MOST_SHARE, LEAST_HELD_OUT / n))
    n_other = n if classes is None else n - int(np.bincount(classes).max())
    is_scarce = share * n_other < LEAST_OTHER
    if isinstance(plan.earlier, Design):
        n_folds = plan.earlier.report.n_folds
    elif FOLDS * n <= affordable:
        n_folds = FOLDS
    else:
        n_folds = FEW_FOLDS if is_scarce and FEW_FOLDS * n <= affordable else 1
    if is_scarce:
        share = max(share, SCARCE_SHARE)
    return make_folds(
        n, min(n_folds, n), share, plan.seed,
        classes=classes, groups=plan.groups, order=plan.order,
    )  # fmt: skip


def finish(
    strategy: Strategy, began: float, monitor: Monitor | None, rows: str, obstacle: str
) -> Design:
    """Make the model of what is there: the chosen ensemble, or what comes nearest to one."""
    material = strategy.material
    kept = [t for t in strategy.tried if t.weight > 0 and t.trained] or _nearest(strategy)
    sharpness, loss, scores = calibrate(kept, material)
    if monitor is not None and monitor.should_stop():
        strategy.stopped = monitor.stop_reason
    first, numbers = material.folds[0], material.target.task == "numbers"
    seconds = time.monotonic() - began
    report = Report(
        candidates=strategy.record(),
        loss_name="relative RMSE" if numbers else "log loss",
        n_train=len(first.training),
        n_held_out=len(first.held_out),
        n_folds=len(material.folds),
        validation_loss=loss,
        baseline_loss=material.baseline_loss(),
        scores=scores,
        temperature=1 / sharpness,
        seconds=seconds,
        stopped=strategy.stopped or "the time that was given is used",
    )
    starts = tuple(t.trained[fold].history for t in kept for fold in sorted(t.trained))
    history = History(
        starts=starts,
        kept=tuple(range(len(starts))),
        score_name="r2" if numbers else "accuracy",
        seconds=seconds,
    )
    record = _record(kept, material, rows, obstacle)
    found = assemble(kept, material, sharpness, report, history)
    return replace(found, seed=strategy.seed, record=record)


def _record(kept: Sequence[Tried], material: Material, rows: str, obstacle: str) -> Record:
    """Return what it takes to train the kept networks again."""
    networks = []
    for tried in kept:
        for fold in sorted(tried.trained):
            growth = tried.growth.get(fold)
            if growth is None and tried.genes.has_trees:
                growth = material.trees(fold).growth
            networks.append(NetworkRecord(number=tried.number, fold=fold, growth=growth))
    trained = [one for tried in kept for one in tried.trained.values()]
    if not obstacle and any(one.history.steps is None for one in trained):
        obstacle = NO_RECORD
    return Record(
        rows=rows, networks=tuple(networks), made_with=made_with(), obstacle=obstacle
    )  # fmt: skip


def assemble(
    kept: Sequence[Tried],
    material: Material,
    sharpness: float,
    report: Report,
    history: History,
) -> Design:
    """Make the model of candidates that are trained.

    Parameters
    ----------
    kept : sequence of Tried
        The candidates, with their weights.
    material : Material
        The table as they see it.
    sharpness : float
        The exponent that calibrates probabilities.
    report, history : Report, History
        What the model says of how it came about.
    """
    members = tuple(_member(tried, material) for tried in kept)
    y = material.y.reshape(len(material.y), -1)
    used = sorted({fold for member in members for fold in member.folds})
    looked_at = {fold for m in members if m.genes.has_trees for fold in m.folds}
    # What no member uses is not worked out at the end; another fold's stands in its place.
    places = [fold if fold in used else used[0] for fold in range(len(material.folds))]
    encodings = tuple(material.encoding(fold) for fold in places)
    shown = [fold if fold in looked_at else min(looked_at) for fold in places] if looked_at else []
    trees = tuple(material.trees(fold) for fold in shown)
    return Design(
        material.target, encodings, trees, members, sharpness, dict(material.scales),
        y.min(axis=0).astype(np.float64), y.max(axis=0).astype(np.float64), report, history,
        combined=combine_kept(kept, material) if material.target.factors else None,
    )  # fmt: skip


def calibrate(
    kept: Sequence[Tried], material: Material
) -> tuple[float, float | None, tuple[Score, ...]]:
    """Return the sharpness that calibrates the kept networks' mean, its loss and scores then."""
    if material.target.factors:
        combined = combine_kept(kept, material)
        return combined.sharpness, *judge_combined(combined, kept, material)
    rows = material.held_out_rows
    total = sum(t.weight * t.predictions for t in kept if t.predictions is not None)
    mean = np.asarray(total)
    is_known = np.isfinite(mean).all(axis=1)  # rows of folds there was time for
    mean, rows = mean[is_known], rows[is_known]
    sharpness = 1.0
    if material.target.task == "classes":
        logs = np.log(np.maximum(mean, 1e-7))
        sharpness = fit_sharpness(logs, material.y[rows], material.weight[rows])
        mean = sharpen(mean, sharpness)
    return sharpness, material.loss(mean, rows), score_predictions(material, mean, rows)


def _nearest(strategy: Strategy) -> list[Tried]:
    """Return the candidate trained furthest, for a search that ended before any was complete."""
    begun = [t for t in strategy.tried if t.trained]
    if not begun:
        raise TrainingError(
            "a network with a finite loss", got="none in the time there was",
            hint="give a longer time_limit",
        )  # fmt: skip
    best = min(begun, key=lambda t: (-len(t.trained), float(np.mean(list(t.losses.values())))))
    best.weight, best.status = 1.0, "kept"
    strategy.news.choose([best], float(np.mean(list(best.losses.values()))))
    return [best]


def _member(tried: Tried, material: Material) -> Member:
    folds = tuple(sorted(tried.trained))
    networks = tuple(tried.trained[fold].network for fold in folds)
    layout = material.layout(tried.genes.has_trees)
    architecture = tried.genes.architecture(layout, material.target)
    return Member(
        tried.genes, tried.weight, architecture, folds, tuple(n for n in networks if n is not None)
    )
