"""The strategy by itself: networks are made up, and what it asks for next is looked at."""

import math

import jax
import numpy as np
import polars as pl
import pytest

from fathom.data.columns import infer_columns
from fathom.data.parsing import parse_table
from fathom.data.schema import Target
from fathom.data.splitting import make_folds
from fathom.nn.network import build
from fathom.search.material import Material
from fathom.search.portfolio import first_members
from fathom.search.space import Genes
from fathom.search.strategy import COMPILE_S, Strategy
from fathom.training.history import Epoch, Event, StartHistory
from fathom.training.monitor import Deadline, Monitor
from fathom.training.population import Trained

RNG = np.random.default_rng(0)
N = 120
X = RNG.normal(size=(N, 2))
Y = (X[:, 0] > 0).astype(int)
FRAME = pl.DataFrame({"a": X[:, 0], "b": X[:, 1]})
COLUMNS, _ = infer_columns(FRAME)
TARGET = Target(task="classes", classes=(0, 1))


class Clock(Deadline):
    """A deadline whose time stands still until it is moved."""

    def __init__(self, seconds):
        super().__init__(None)
        self.left = seconds

    def remaining(self):
        return self.left


def make(n_folds=3, seconds=1e6, seed=0, workers=2, earlier=(), monitor=None):
    folds = make_folds(N, n_folds, 0.2, 0, classes=Y)
    parsed = parse_table(FRAME, COLUMNS)
    material = Material(parsed, TARGET, Y, np.ones(N, np.float32), folds, 0)
    return Strategy(material, Clock(seconds), seed, workers, earlier, monitor)


def epoch(number, loss, train_loss=None):
    return Epoch(
        epoch=number, train_loss=loss if train_loss is None else train_loss, train_score=0.5,
        validation_loss=loss, validation_score=0.5, learning_rate=0.01, seconds=0.01 * number,
    )  # fmt: skip


def sums(rows, error):
    """Return sums z whose log loss rises with the error, the same for every row."""
    return ((1 - error) * 4 * (2 * np.eye(2)[Y[rows]] - 1)).astype(np.float32)


def finish(strategy, job, error=0.2, z=None, n_epochs=2):
    """Tell the strategy that a network of this error was trained; None for one that failed."""
    rows = strategy.material.folds[job.fold].held_out
    stopped = Event(epoch=n_epochs, kind="stopped", text="all epochs done")
    if error is None:
        strategy.on_trained(Trained(job, None, None, StartHistory(events=(stopped,)), 0.1))
        return
    z = sums(rows, error) if z is None else z
    history = StartHistory(
        epochs=tuple(epoch(n, 0.5) for n in range(1, n_epochs + 1)), events=(stopped,),
        best_epoch=n_epochs,
    )  # fmt: skip
    network = build(job.architecture, jax.random.key(0))
    strategy.on_trained(Trained(job, network, z, history, 0.1))


def complete(strategy, errors):
    """Train candidates one after another on every fold they are asked for."""
    for error in errors:
        number = len(strategy.tried)
        make_it = strategy.next_job()
        while make_it is not None:
            finish(strategy, make_it(), error)
            tried = strategy.tried[number]
            more = tried.is_promoted and len(tried.started) < len(strategy.material.folds)
            make_it = strategy.next_job() if more else None


def test_the_portfolio_comes_first_in_its_order():
    strategy = make(n_folds=1)
    expected = first_members(
        strategy._usual, is_classes=True, has_numbers=True, has_trees=strategy._has_trees
    )
    complete(strategy, [0.3] * len(expected))
    assert [t.genes.input_form for t in strategy.tried] == [g.input_form for g in expected]
    assert {t.origin for t in strategy.tried} == {"portfolio"}
    complete(strategy, [0.3, 0.3])
    assert all(t.origin != "portfolio" for t in strategy.tried[len(expected) :])


def test_a_good_candidate_is_trained_on_every_fold_before_another_begins():
    strategy = make()
    jobs = []
    for _ in range(3):
        jobs.append(strategy.next_job()())
        finish(strategy, jobs[-1])
    assert [(job.number, job.fold) for job in jobs] == [(0, 0), (0, 1), (0, 2)]
    assert strategy.tried[0].status == "kept"
    assert strategy.tried[0].weight == 1
    for job in jobs:
        fold = strategy.material.folds[job.fold]
        np.testing.assert_array_equal(job.rows, fold.training)
        assert len(job.held_out.weight) == len(fold.held_out)


def test_what_is_far_behind_on_the_first_fold_is_cut_and_says_why():
    strategy = make()
    complete(strategy, [0.1, 0.1, 0.6])
    behind = strategy.tried[2]
    assert behind.status == "cut"
    assert behind.started == {0}
    assert not behind.trained
    assert "behind the best" in behind.reason
    assert [t.status for t in strategy.tried[:2]].count("kept") >= 1


def test_what_is_poor_but_helps_the_others_is_trained_on():
    strategy = make()
    rows = [fold.held_out for fold in strategy.material.folds]

    def z(fold, is_even, right, wrong):  # right on one half, wrong on the other
        sign = np.where((rows[fold] % 2 == 0) == is_even, right, -wrong)[:, None]
        return (sign * (2 * np.eye(2)[Y[rows[fold]]] - 1)).astype(np.float32)

    for number in range(2):
        for _ in range(3):
            job = strategy.next_job()()
            finish(strategy, job, z=z(job.fold, True, 2.0, 0.3))
        assert strategy.tried[number].status in ("kept", "spare")
    job = strategy.next_job()()
    finish(strategy, job, z=z(0, False, 1.2, 0.6))
    tried = strategy.tried[2]
    assert tried.losses[0] > 1.3 * min(t.losses[0] for t in strategy.tried[:2])
    assert tried.is_promoted


def test_where_some_are_always_right_the_others_are_cut_without_an_error():
    strategy = make()
    complete(strategy, [-50.0, -50.0, 0.6])  # the loss of the first is 0
    assert strategy.tried[2].status == "cut"


def test_a_network_without_a_finite_loss_is_failed_and_the_search_goes_on():
    strategy = make()
    complete(strategy, [None, 0.2])
    assert [t.status for t in strategy.tried] == ["failed", "kept"]
    assert strategy.record()[0].loss is None


def test_the_ensembles_loss_is_that_of_its_members_and_never_rises():
    strategy = make()
    losses = []
    for error in (0.5, 0.4, 0.45, 0.3, 0.42):
        complete(strategy, [error])
        losses.append(strategy.loss)
    assert losses == sorted(losses, reverse=True)
    kept = [t for t in strategy.tried if t.weight]
    assert sum(t.weight for t in kept) == pytest.approx(1)
    mean = sum(t.weight * t.predictions for t in kept)
    assert strategy.material.loss(mean, strategy.held_out) == pytest.approx(losses[-1])
    best = min(t.loss for t in strategy.tried if t.status in ("kept", "spare"))
    assert losses[-1] <= best * (1 + 1e-6)


def test_one_that_falls_behind_while_it_trains_is_cut_in_the_middle_only():
    strategy = make(n_folds=1)
    for _ in range(2):  # two rivals with curves
        job = strategy.next_job()()
        n = strategy.tried[job.number].genes.epochs
        epochs = [epoch(k, 0.3 - 1e-4 * k) for k in range(1, n + 1)]
        for k in range(1, n + 1):
            assert strategy.on_epoch(job, epochs[:k]) is None
        finish(strategy, job, 0.2 + 0.01 * job.number, n_epochs=n)
    for tried in strategy.tried:
        tried.weight = 0.5
    job = strategy.next_job()()
    tried = strategy.tried[job.number]
    assert tried.genes.depth > 0
    n = tried.genes.epochs
    early = [epoch(k, 0.9) for k in range(1, max(2, n // 8))]
    assert strategy.on_epoch(job, early) is None
    reason = strategy.on_epoch(job, [epoch(k, 0.9 - 1e-4 * k) for k in range(1, n // 2 + 1)])
    assert "behind what the best had there" in reason
    assert tried.status == "cut"


def test_one_that_has_long_been_at_its_best_is_stopped():
    strategy = make()
    job = strategy.next_job()()
    losses = [0.5, 0.4, 0.3] + [0.6] * 14
    epochs = [epoch(k, loss) for k, loss in enumerate(losses, start=1)]
    assert strategy.on_epoch(job, epochs[:16]) is None
    assert "best at epoch 3" in strategy.on_epoch(job, epochs)


@pytest.mark.parametrize("has_failed", [False, True])
def test_the_first_network_is_alone_until_it_has_shown_something(has_failed):
    strategy, told = make(n_folds=1), []
    strategy.opening_s, strategy.at_first_epoch = math.inf, lambda: told.append("now")
    first = strategy.next_job()()
    assert strategy.next_job() is None
    assert not strategy.is_done
    assert not told
    if has_failed:
        finish(strategy, first, error=None)
    else:
        strategy.on_epoch(first, [epoch(1, 0.5)])
    assert strategy.next_job() is not None
    strategy.on_epoch(first, [epoch(1, 0.5), epoch(2, 0.5)])
    assert told == ["now"]


def test_it_ends_when_nothing_makes_the_model_better():
    strategy = make(n_folds=1)
    for _ in range(80):
        if strategy.is_done:
            break
        make_it = strategy.next_job()
        if make_it is not None:
            finish(strategy, make_it(), 0.2)
    assert strategy.is_done
    assert "made the model no better" in strategy.stopped
    assert 16 <= len(strategy.tried) <= 40


def test_it_ends_when_the_time_is_over_but_not_while_a_network_is_trained():
    strategy = make(n_folds=1)
    first, second = strategy.next_job()(), strategy.next_job()()
    strategy.deadline.left = -0.1
    assert strategy.next_job() is None
    assert not strategy.is_done
    finish(strategy, first)
    finish(strategy, second)
    assert strategy.next_job() is None
    assert strategy.is_done
    assert "time" in strategy.stopped


def test_in_little_time_there_are_fewer_epochs_and_something_all_the_same():
    hurried, relaxed = make(n_folds=1, seconds=0.2), make(n_folds=1, seconds=1e6)
    assert hurried._usual.epochs < relaxed._usual.epochs
    assert hurried.next_job() is not None
    assert relaxed._usual.epochs == 64


def test_two_networks_of_a_structure_nobody_has_compiled_are_not_begun_at_once(monkeypatch):
    monkeypatch.setattr("fathom.search.strategy.are_loops_ready", lambda: False)
    strategy = make(n_folds=1, workers=4)
    structures = [strategy.tried[strategy.next_job()().number].genes.structure for _ in range(4)]
    assert len(set(structures)) == 4


def test_while_trees_are_grown_for_one_network_others_go_first(monkeypatch):
    monkeypatch.setattr("fathom.search.strategy.are_loops_ready", lambda: True)
    strategy = make(n_folds=2)
    kinds = [(True, 1), (True, 2), (False, 1), (False, 2), (True, 3)]
    strategy._waiting = [Genes(has_trees=has_trees, depth=depth) for has_trees, depth in kinds]

    def begin():
        """Return which network is begun, on which fold, and how it is made."""
        before = {(tried.number, fold) for tried in strategy.tried for fold in tried.started}
        make_it = strategy.next_job()
        after = {(tried.number, fold) for tried in strategy.tried for fold in tried.started}
        ((number, fold),) = after - before
        genes = strategy.tried[number].genes
        return (genes.has_trees, genes.depth), fold, make_it

    first, second, third = begin(), begin(), begin()
    assert [one[:2] for one in (first, second, third)] == [
        ((True, 1), 0), ((False, 1), 0), ((False, 2), 0)
    ]  # fmt: skip
    assert strategy.next_job() is None  # the others need trees that nobody has grown yet
    finish(strategy, first[2]())
    assert set(strategy.material.grown) == {0}
    promoted, other = begin(), begin()
    assert promoted[:2] == ((True, 1), 1)
    assert other[:2] == ((True, 2), 0)
    finish(strategy, other[2]())  # near the best as well, so that it needs trees of the other fold
    assert begin()[:2] == ((True, 3), 0)
    assert set(strategy.material.grown) == {0}
    finish(strategy, promoted[2]())
    assert set(strategy.material.grown) == {0, 1}
    assert begin()[:2] == ((True, 2), 1)


def test_where_loops_are_compiled_no_structure_costs_anything_to_begin(monkeypatch):
    costs = []
    for is_ready in (False, True):
        monkeypatch.setattr("fathom.search.strategy.are_loops_ready", lambda r=is_ready: r)
        costs.append(make(n_folds=1)._preparation(Genes()))
    assert costs == [COMPILE_S, 0.0]


def test_the_same_seed_asks_for_the_same_networks():
    def run(seed):
        strategy = make(n_folds=1, seed=seed)
        strategy._learn_speed = lambda *_: None  # which is measured
        complete(strategy, 0.2 + 0.1 * np.random.default_rng(0).random(22))
        return [t.genes for t in strategy.tried]

    assert run(1) == run(1)
    assert run(1)[-8:] != run(2)[-8:]


def test_a_search_that_goes_on_begins_with_what_was_there():
    strategy = make()
    complete(strategy, [0.3, 0.2, 0.25])
    again = make(earlier=tuple(strategy.tried))
    assert again.loss == pytest.approx(strategy.loss)
    job = again.next_job()()
    assert job.number == 3
    assert again.tried[3].genes.model_copy(update={"epochs": 1}) not in {
        t.genes.model_copy(update={"epochs": 1}) for t in strategy.tried
    }
    complete(again, [0.1])
    assert again.loss <= strategy.loss


def test_the_record_says_what_became_of_every_candidate():
    strategy = make()
    complete(strategy, [0.1, 0.1, 0.6, None])
    record = strategy.record()
    assert [c.number for c in record] == list(range(4))
    assert [c.status for c in record][2:] == ["cut", "failed"]
    assert sum(c.weight for c in record) == pytest.approx(1)
    kept = next(c for c in record if c.status == "kept")
    assert (kept.n_folds, kept.best_epoch, kept.n_epochs) == (3, 2, 2)
    assert kept.seconds == pytest.approx(0.3)
    assert kept.train_loss == 0.5


class Ear(Monitor):
    """Writes down what it hears of networks."""

    def __init__(self):
        self.heard = []

    def on_network(self, event):
        self.heard.append(event)

    def of(self, number):
        return [event for event in self.heard if event.number == number]


def test_the_monitor_hears_what_becomes_of_every_network():
    ear = Ear()
    strategy = make(monitor=ear)
    complete(strategy, [0.1, 0.1, 0.6, None])
    told = [[event.status for event in ear.of(number)] for number in range(4)]
    assert told[0] == ["begun", "complete", "chosen"]
    assert told[1][:2] == ["begun", "complete"]
    assert told[2:] == [["begun", "cut"], ["begun", "failed"]]
    for number, tried in enumerate(strategy.tried):
        begun = ear.of(number)[0]
        assert begun.structure == str(tried.genes)
        assert (begun.epochs, begun.reason) == (tried.genes.epochs, tried.origin)
    first = ear.of(0)[1]
    assert first.loss == strategy.tried[0].loss == pytest.approx(first.ensemble_loss)
    assert (first.members, first.epoch, first.reason) == ((0,), 2, "all epochs done")
    cut = ear.of(2)[1]
    best = min(t.losses[0] for t in strategy.tried[:2])
    assert cut.loss == strategy.tried[2].losses[0]
    assert cut.behind == pytest.approx(cut.loss / best - 1)
    assert (cut.epoch, cut.reason) == (2, strategy.tried[2].reason)
    assert f"{cut.behind:.0%} behind" in cut.reason


def test_choosing_and_dropping_is_told_so_that_the_ensemble_can_be_followed():
    ear = Ear()
    strategy = make(monitor=ear)
    complete(strategy, [0.5, 0.45, 0.4, 0.1, 0.38, 0.05])
    members, statuses = set(), [event.status for event in ear.heard]
    assert "dropped" in statuses
    for event in ear.heard:
        if event.status == "chosen":
            assert event.number not in members
            members.add(event.number)
        if event.status == "dropped":
            members.remove(event.number)
    kept = sorted((t for t in strategy.tried if t.weight), key=lambda t: -t.weight)
    assert ear.heard[-1].members == tuple(t.number for t in kept)
    assert members == {t.number for t in kept}
    mean = sum(t.weight * t.predictions for t in kept)
    loss = strategy.material.loss(mean, strategy.held_out)
    assert ear.heard[-1].ensemble_loss == pytest.approx(loss)


def test_a_cut_while_it_trains_says_at_which_epoch_and_by_how_much():
    ear = Ear()
    strategy = make(n_folds=1, monitor=ear)
    for _ in range(2):
        job = strategy.next_job()()
        n = strategy.tried[job.number].genes.epochs
        epochs = [epoch(k, 0.3) for k in range(1, n + 1)]
        for k in range(1, n + 1):
            strategy.on_epoch(job, epochs[:k])
        finish(strategy, job, 0.2, n_epochs=n)
    for tried in strategy.tried:
        tried.weight = 0.5
    job = strategy.next_job()()
    half = strategy.tried[job.number].genes.epochs // 2
    strategy.on_epoch(job, [epoch(k, 0.6) for k in range(1, half)] + [epoch(half, 0.45)])
    cut = ear.heard[-1]
    assert (cut.number, cut.status, cut.epoch, cut.loss) == (job.number, "cut", half, 0.45)
    assert cut.behind == pytest.approx(0.45 / 0.3 - 1)
    assert cut.reason.startswith(f"cut at epoch {half} of {cut.epochs}: its loss was 50% behind")


def test_a_search_that_goes_on_tells_which_networks_it_has():
    strategy = make()
    complete(strategy, [0.3, 0.2])
    ear = Ear()
    again = make(earlier=tuple(strategy.tried), monitor=ear)
    assert {event.status for event in ear.heard} == {"chosen"}
    assert {event.number for event in ear.heard} == {t.number for t in again.tried if t.weight}
    assert ear.heard[0].ensemble_loss == pytest.approx(strategy.loss)
