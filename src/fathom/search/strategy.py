"""The strategy: what to train next, what to cut, and when nothing more is worth its time."""

import math
import time
from collections.abc import Callable

import numpy as np

from fathom.search.ensemble import choose_ensemble
from fathom.search.material import Material
from fathom.search.news import News
from fathom.search.portfolio import first_members
from fathom.search.report import Candidate
from fathom.search.space import FEWEST_EPOCHS, WIDTHS, Genes, draw_genes, mutate
from fathom.search.tried import CURVE_POINTS, Tried, as_candidate, best_so_far, make_job
from fathom.training.engines import are_loops_ready
from fathom.training.history import Epoch
from fathom.training.monitor import Deadline, Monitor
from fathom.training.population import Job, Trained

FRESH_SHARE = 0.15  # of the members after the portfolio: drawn from the prior, not mutated
PARENTS = 6  # best candidates that are mutated
COMPILE_S = 2.0  # first guess of what a new structure costs
COMPILE_SHARE = 0.12  # of the time left that a new structure may cost, once there are a few
FEW_STRUCTURES = 4
MOST_LINEAR = 3  # linear models tried while the first deep network is compiled
TREE_S = 4e-5  # seconds a row below which growing trees is not worth beginning
FLOP_PER_S = 5e10  # first guess of what a core does in training; too high does least harm
OVERHEAD_S = 0.003  # first guess of what an epoch costs besides its steps
LEAST_PROGRESS, MOST_PROGRESS = 0.25, 0.75  # of its epochs, between which one may be cut
MARGIN, MARGIN_EARLY = 0.05, 0.3  # relative loss behind the ensemble's members at which one is cut
NEAR, NEAR_ROWS = 0.03, 1.0  # relative loss behind the best that is near, and what chance adds
POOL = 40  # candidates the ensemble is chosen from
MIN_PATIENCE = 16  # candidates without a better ensemble after which the search ends
LEAST_PROGRESS_MADE = 5e-4  # relative gain of the ensemble that counts as better
SOUND_EPOCHS = 12  # that candidates are given where there is time for any
WANTED = 8  # candidates the time should be enough for, for their epochs to be planned


class Strategy:
    """Directs a population: a portfolio first, then mutations of the best.

    Every candidate is trained on the first fold; those that are near the best there, or that would
    improve the ensemble, on the others. One that falls behind while it trains is cut. After each
    that is complete the ensemble is chosen anew on held-out predictions, so that there is a valid
    best model at any moment.

    Parameters
    ----------
    material : Material
        The table.
    deadline : Deadline
        When training has to be over.
    seed : int
        Seed of every choice.
    workers : int
        Networks trained at once.
    earlier : sequence of Tried
        Candidates of an earlier search that this one continues.
    monitor : Monitor, optional
        Told what becomes of candidates and of the ensemble.
    """

    def __init__(
        self,
        material: Material,
        deadline: Deadline,
        seed: int,
        workers: int,
        earlier: tuple[Tried, ...] = (),
        monitor: Monitor | None = None,
    ) -> None:
        self.material, self.deadline, self.workers = material, deadline, workers
        self._rng, self.seed = np.random.default_rng([seed, len(earlier)]), seed
        self.tried: list[Tried] = list(earlier)
        self.news = News(monitor, material)
        self._has_numbers = material.layout(False).n_numbers > 0
        self.after_each: Callable[[], None] = lambda: None  # that is complete
        self.at_first_epoch: Callable[[], None] = lambda: None
        self.opening_s = 0.0  # the first network has Python to itself until it has had an epoch
        self._is_opening, self._opens = not earlier, -math.inf
        self._compiled: set[object] = set()
        self._compiling: set[object] = set()
        self._tree_folds: set[int] = set()  # whose trees a network was begun with
        self._compile_s, self._running, self._finished = COMPILE_S, 0, False
        self._speed, self._seconds = FLOP_PER_S, min(deadline.remaining(), 3600.0)
        self._n_folds = len(material.folds)
        self._has_trees = self._can_grow_trees()
        self._plan()
        self.loss, self._n_at_best = math.inf, 0
        self.stopped = ""
        if earlier:
            self._choose()

    # What is trained next

    @property
    def is_done(self) -> bool:
        """Whether nothing more is to be trained."""
        return self._finished

    def next_job(self) -> Callable[[], Job] | None:
        """Return how to make the next job, or None where there is none just now."""
        if self._is_opening and self.tried and time.monotonic() < self._opens:
            return None
        remaining = self.deadline.remaining()
        for tried in sorted(self.tried, key=lambda t: t.losses.get(0, math.inf)):
            if tried.is_promoted:
                for fold in range(self._n_folds):
                    if fold not in tried.started and not self._waits_for_trees(tried.genes, fold):
                        return self._start(tried, fold)
        reason = self._why_end(remaining)
        candidate = None if reason else self._next_candidate(remaining)
        if candidate is None:
            if self._running == 0:
                self._finished = True
                self.stopped = reason or self.stopped or "the time that was given is used"
            return None
        if not self.tried:
            self._opens = time.monotonic() + self.opening_s
        self.tried.append(candidate)
        self.news.tell(candidate, "begun", reason=candidate.origin, epoch=0)
        return self._start(candidate, 0)

    def _why_end(self, remaining: float) -> str:
        done = sum(t.status in ("spare", "kept", "cut") for t in self.tried)
        patience = max(MIN_PATIENCE, done // 2)
        if done - self._n_at_best >= patience:
            return f"the last {patience} networks made the model no better"
        return "" if remaining > 0 or not self.tried else "the time that was given is used"

    def _start(self, tried: Tried, fold: int) -> Callable[[], Job]:
        tried.started.add(fold)
        self._running += 1
        if tried.genes.has_trees:
            self._tree_folds.add(fold)
        structure = tried.genes.structure
        if not self._has_program(structure):
            self._compiling.add(structure)
            tried.is_first = fold == 0
        return lambda: make_job(tried, fold, self.material, self.seed)

    def _waits_for_trees(self, genes: Genes, fold: int) -> bool:
        """Tell whether trees are being grown for another network that these genes need, too."""
        return genes.has_trees and fold in self._tree_folds - self.material.grown.keys()

    def _is_held_up(self, genes: Genes) -> bool:
        """Tell whether what a candidate begins with is just being made for another."""
        return genes.structure in self._compiling or self._waits_for_trees(genes, 0)

    def _next_candidate(self, remaining: float) -> Tried | None:
        """Return a candidate there is time for, from the portfolio or bred."""
        for genes in self._waiting:
            if self._is_held_up(genes) or not self._is_worth_compiling(genes, remaining):
                continue
            fitted = self._fit_in(genes, remaining)
            if fitted is not None:
                self._waiting.remove(genes)
                return Tried(len(self.tried), fitted, "portfolio")
        complete = self._complete()
        is_all_linear = all(tried.genes.depth == 0 for tried in complete)
        if not complete or (is_all_linear and self._compiling and len(complete) > MOST_LINEAR):
            return None  # the first deep network is about to come
        for _ in range(20):
            genes, origin, parent = self._breed(complete)
            if self._is_held_up(genes) or not self._is_worth_compiling(genes, remaining):
                continue
            fitted = self._fit_in(genes, remaining)
            if fitted is not None:
                return Tried(len(self.tried), fitted, origin, parent)
        return None

    def _breed(self, complete: list[Tried]) -> tuple[Genes, str, int | None]:
        if self._rng.random() < FRESH_SHARE:
            genes = draw_genes(self._rng, self._usual, has_numbers=self._has_numbers)
            return genes, "drawn at random", None
        best = sorted(complete, key=lambda t: (-t.weight, t.loss))[:PARENTS]
        chances = np.array([0.05 + t.weight for t in best])
        parent = best[int(self._rng.choice(len(best), p=chances / chances.sum()))]
        genes, change = mutate(
            parent.genes, self._rng, has_numbers=self._has_numbers,
            best_share=parent.best_share, gap=parent.gap, can_log=self.material.can_log,
            has_trees=self._has_trees,
        )  # fmt: skip
        return genes, f"network {parent.number + 1} with {change}", parent.number

    # What it costs

    def _plan(self) -> None:
        """Plan width and epochs by the speed known so far, and the members still to be begun."""
        self._planned_speed, self._usual = self._speed, self._plan_size()
        begun = {_kind(tried.genes) for tried in self.tried}
        members = first_members(
            self._usual, is_classes=self.material.target.task != "numbers",
            has_numbers=self._has_numbers, has_trees=self._has_trees,
        )  # fmt: skip
        self._waiting = [genes for genes in members if _kind(genes) not in begun]

    def _can_grow_trees(self) -> bool:
        """Give the trees their share of the time; tell whether it is worth beginning with."""
        self.material.give_trees(self.deadline.remaining())
        n = len(self.material.folds[0].training)
        return self.material.n_tree_columns > 0 and self.material.tree_seconds > TREE_S * n

    def _plan_size(self) -> Genes:
        """Return width, batch and epochs for which the time is enough for several candidates."""
        n = len(self.material.folds[0].training)
        batch = 64 if n < 800 else 128 if n < 4000 else 256 if n < 40_000 else 512
        batch = 1024 if n >= 150_000 else batch
        budget = self._seconds * self.workers * 0.7
        usual = Genes(batch_size=min(batch, n), epochs=64, width=WIDTHS[-2])
        for width in (256, 128, 64):
            usual = usual.model_copy(update={"width": width})
            per_epoch = self._epoch_cost(usual)
            affordable = budget / (WANTED * self._n_folds * per_epoch)
            if affordable >= 16 or width == 64:
                break
        single = affordable * WANTED / self.workers  # for one candidate on every core
        epochs = int(min(max(affordable, min(single, SOUND_EPOCHS), FEWEST_EPOCHS), 64))
        return usual.model_copy(update={"epochs": epochs})

    def _epoch_cost(self, genes: Genes) -> float:
        architecture = genes.architecture(
            self.material.layout(genes.has_trees), self.material.target
        )
        n = len(self.material.folds[0].training)
        flop = 6.0 * n * (architecture.n_parameters + 3000)
        return flop / self._speed + OVERHEAD_S

    def _has_program(self, structure: object) -> bool:
        """Tell whether networks of a structure can be trained at once, nothing compiled first."""
        return structure in self._compiled or are_loops_ready()

    def _is_worth_compiling(self, genes: Genes, remaining: float) -> bool:
        """Tell whether the genes' program is there, or there is time enough to make it."""
        known = len(self._compiled) + len(self._compiling)
        if self._has_program(genes.structure) or known == 0:
            return True
        if known < FEW_STRUCTURES:
            return 2 * self._compile_s < remaining
        return self._compile_s < COMPILE_SHARE * remaining

    def _cost(self, genes: Genes) -> float:
        """Return the seconds a candidate takes until it is complete, on all cores."""
        rounds = 1 + math.ceil((self._n_folds - 1) / self.workers)
        return self._preparation(genes) + rounds * genes.epochs * self._epoch_cost(genes)

    def _preparation(self, genes: Genes) -> float:
        """Return the seconds before the first step: compiling, and growing trees."""
        new = 0.0 if self._has_program(genes.structure) else self._compile_s
        return new + (self.material.seconds_for_trees() if genes.has_trees else 0.0)

    def _fit_in(self, genes: Genes, remaining: float) -> Genes | None:
        """Return genes that can be trained in the time, with fewer epochs where need be."""
        if not self._complete() and len(self.tried) < self.workers:
            return genes  # there must be something
        cost = self._cost(genes)
        if cost <= remaining:
            return genes
        new = self._preparation(genes)
        epochs = int(genes.epochs * (remaining - new) / max(cost - new, 1e-9))
        if epochs < max(FEWEST_EPOCHS, 0.4 * genes.epochs):
            return None
        return genes.model_copy(update={"epochs": epochs})

    # What is cut

    def on_epoch(self, job: Job, epochs: list[Epoch]) -> str | None:
        """Hear of an epoch; return a reason to cut the network, or None."""
        tried = self.tried[job.number]
        self._open()
        self._settle(tried.genes)
        best, reason = best_so_far(epochs)
        if reason is not None:
            return reason
        if job.fold != 0:
            return None
        progress = len(epochs) / tried.genes.epochs
        tried.curve[min(int(progress * CURVE_POINTS), CURVE_POINTS) - 1 :] = best
        if not LEAST_PROGRESS <= progress <= MOST_PROGRESS or tried.genes.depth == 0:
            return None
        rivals = [t.curve for t in self._complete() if t.weight > 0]
        if len(rivals) < 2:
            return None
        point = min(int(progress * CURVE_POINTS), CURVE_POINTS) - 1
        theirs = float(np.median([curve[point] for curve in rivals]))
        margin = MARGIN + MARGIN_EARLY * (1 - progress)
        if not best > theirs * (1 + margin):
            return None
        tried.status = "cut"
        behind, n = _behind(best, theirs), len(epochs)
        reason = f"cut at epoch {n} of {tried.genes.epochs}: its loss was {behind:.0%} behind "
        reason += "what the best had there"
        self.news.tell(tried, "cut", reason=reason, epoch=n, loss=best, behind=behind)
        return reason

    def _open(self) -> None:
        """Let everything else begin, now that the first network has shown something."""
        if self._is_opening:
            self._is_opening = False
            self.at_first_epoch()

    def _settle(self, genes: Genes) -> None:
        self._compiled.add(genes.structure)
        self._compiling.discard(genes.structure)

    def on_trained(self, trained: Trained) -> None:
        """Hear of a network that is trained; promote, cut or complete its candidate."""
        tried = self.tried[trained.job.number]
        self._running -= 1
        self._open()
        self._settle(tried.genes)
        tried.seconds += trained.seconds
        stops = [e.text for e in trained.history.events if e.kind == "stopped"]
        tried.reason = stops[-1] if stops else ""
        self._learn_speed(tried, trained)
        if trained.network is None or trained.z is None or not trained.history.epochs:
            tried.status, tried.is_promoted = "failed", False
            self.news.tell(tried, "failed", reason=tried.reason)
            return
        if tried.status == "cut":
            return
        fold, genes = trained.job.fold, tried.genes
        rows = self.material.folds[fold].held_out
        if tried.predictions is None:
            held_out = self.held_out
            shape = (len(held_out), trained.z.shape[1])
            tried.predictions = np.full(shape, np.nan)
        shown = self.material.predict(trained.z, genes.is_log_target)
        tried.predictions[self._places(fold)] = shown
        tried.trained[fold] = trained
        tried.losses[fold] = self.material.loss(shown, rows)
        if len(tried.trained) == self._n_folds:
            self._complete_one(tried)
            self.after_each()
        elif fold == 0:
            self._promote_or_cut(tried)

    def _learn_speed(self, tried: Tried, trained: Trained) -> None:
        epochs, genes = trained.history.epochs, tried.genes
        if len(epochs) < 3:
            return
        seconds = (epochs[-1].seconds - epochs[0].seconds) / (len(epochs) - 1)
        if tried.is_first and trained.job.fold == 0:
            compiling = trained.seconds - len(epochs) * seconds
            self._compile_s += 0.5 * (max(compiling, 0.1) - self._compile_s)
        seen = self._epoch_cost(genes) / max(seconds, 1e-6) * self._speed
        self._speed += 0.3 * (min(max(seen, 1e8), 1e13) - self._speed)
        if self._waiting and not 0.6 < self._speed / self._planned_speed < 1.6:
            self._plan()

    def _promote_or_cut(self, tried: Tried) -> None:
        rivals = [t.losses[0] for t in self.tried if t.is_promoted or t.status in ("spare", "kept")]
        loss = tried.losses[0]
        chance = NEAR_ROWS / math.sqrt(len(self.material.folds[0].held_out))
        is_near = len(rivals) < 2 or loss <= min(rivals) * (1 + NEAR + chance)
        if is_near or self._helps(tried):
            tried.is_promoted = True
            return
        tried.status = "cut"
        behind = _behind(loss, min(rivals))
        tried.reason = (
            f"cut after the first of {self._n_folds} folds: its loss was {behind:.0%} behind "
            "the best there and it did not help the others"
        )
        n = len(tried.trained[0].history.epochs)
        self.news.tell(tried, "cut", reason=tried.reason, epoch=n, loss=loss, behind=behind)
        tried.trained.clear()

    def _helps(self, tried: Tried) -> bool:
        """Tell whether the ensemble would predict the first fold better with this candidate."""
        kept = [t for t in self._complete() if t.weight > 0]
        if not kept or tried.predictions is None:
            return True
        rows, places = self.material.folds[0].held_out, self._places(0)
        ensemble = sum(t.weight * t.predictions[places] for t in kept if t.predictions is not None)
        own = tried.predictions[places]
        without = self.material.loss(np.asarray(ensemble), rows)
        shares = (0.15, 0.4)
        losses = [self.material.loss((1 - s) * ensemble + s * own, rows) for s in shares]
        return min(losses) < without * (1 - 1e-3)

    # What is kept

    @property
    def held_out(self) -> np.ndarray:
        """Rows that some fold holds out, fold after fold."""
        return self.material.held_out_rows

    def _places(self, fold: int) -> slice:
        sizes = [len(f.held_out) for f in self.material.folds]
        return slice(sum(sizes[:fold]), sum(sizes[: fold + 1]))

    def _complete(self) -> list[Tried]:
        return [t for t in self.tried if t.status in ("spare", "kept")]

    def _complete_one(self, tried: Tried) -> None:
        assert tried.predictions is not None
        tried.loss = self.material.loss(tried.predictions, self.held_out)
        tried.status = "spare"
        self._choose(tried)

    def _choose(self, latest: Tried | None = None) -> None:
        """Choose the ensemble anew, and let go of networks that are far from it."""
        complete = sorted(self._complete(), key=lambda t: t.loss)
        for tried in complete[POOL:]:
            tried.trained.clear()
            tried.predictions, tried.weight, tried.status = None, 0.0, "spare"
        pool = [t for t in complete[:POOL] if t.predictions is not None]
        if not pool:
            return
        rows = self.held_out
        pairs = [
            self.material.essence(t.predictions, rows) for t in pool if t.predictions is not None
        ]
        weights, loss = choose_ensemble([p for p, _ in pairs], [t.loss for t in pool], pairs[0][1])
        for tried, weight in zip(pool, weights, strict=True):
            tried.weight = float(weight)
            tried.status = "kept" if weight > 0 else "spare"
        if loss < self.loss * (1 - LEAST_PROGRESS_MADE):
            self._n_at_best = sum(t.status in ("spare", "kept", "cut") for t in self.tried)
        self.loss = min(loss, self.loss)
        self.news.choose([t for t in pool if t.weight > 0], loss, latest)

    def record(self) -> tuple[Candidate, ...]:
        """Return what became of every candidate, as data."""
        return tuple(as_candidate(tried) for tried in self.tried)


def _behind(loss: float, theirs: float) -> float:
    """Return by what share a loss is above another, at most a hundredfold."""
    return loss / max(theirs, loss / 101, 1e-300) - 1


def _kind(genes: Genes) -> tuple[object, ...]:
    """Return what tells members of the portfolio apart, whatever was planned about their size."""
    return (
        genes.input_form, genes.depth, genes.activation, genes.spread, genes.has_trees,
        genes.dropout,
    )  # fmt: skip
