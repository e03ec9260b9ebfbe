"""Whole searches: in time, honest about held-out rows, and able to go on."""

import dataclasses
import time

import jax
import numpy as np
import polars as pl
import pytest

from fathom.data import trees
from fathom.data.columns import infer_columns
from fathom.data.parsing import parse_table
from fathom.data.schema import Target
from fathom.errors import TrainingError
from fathom.parallel.cores import n_cores
from fathom.search.design import FOLD_SECONDS, Plan, bring_back, design, divide
from fathom.search.material import Material
from fathom.search.prediction import predict
from fathom.training.monitor import Deadline, Monitor

RNG = np.random.default_rng(0)
N = 220
X = RNG.normal(size=(N, 3))
CODES = RNG.integers(0, 4, N)
NOISE = RNG.random(N) < 0.1
CLASSES = ((X[:, 0] * X[:, 1] > 0) ^ NOISE).astype(int)
NUMBERS = (X[:, 0] + (CODES == 2) + 0.1 * X[:, 2])[:, None]
LABELS = np.stack([X[:, 0] > 0, CODES > 1], axis=1).astype(float)
FRAME = pl.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": [f"k{k}" for k in CODES]})
COLUMNS, _ = infer_columns(FRAME)
PARSED = parse_table(FRAME, COLUMNS)
TWO = Target(task="classes", classes=("no", "yes"))
FLAT = Target(task="numbers")
PAIR = Target(task="labels", n_outputs=2, is_flat=False)
TASKS = {"classes": (TWO, CLASSES), "numbers": (FLAT, NUMBERS), "labels": (PAIR, LABELS)}
WEIGHT = np.ones(N, np.float32)


@pytest.fixture(autouse=True, scope="module")
def _few_trees():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trees, "N_FOREST", 20)
        patch.setattr(trees, "N_ROUNDS", dict.fromkeys((True, False), 10))
        yield


def search(task="classes", seconds=2.0, plan=None, **more):
    target, y = TASKS[task]
    plan = plan or Plan()
    return design(PARSED, target, y, WEIGHT, plan, deadline=Deadline(seconds), **more)


@pytest.fixture(scope="module")
def searched():
    return {task: search_to_the_end(task) for task in TASKS}


def search_to_the_end(task):
    """Search until a candidate is complete, which may take longer on a busy machine."""
    for seconds in (4.0, 16.0, 64.0):
        found, strategy = search(task, seconds=seconds)
        if found.report.validation_loss is not None:
            return found, strategy
    raise AssertionError("no candidate was complete in 64 s")


@pytest.mark.parametrize("task", TASKS)
def test_a_search_finds_what_there_is_and_keeps_its_promises(searched, task):
    found, strategy = searched[task]
    report = found.report
    assert sum(m.weight for m in found.members) == pytest.approx(1)
    assert len(found.members) == len(report.kept)
    assert report.n_folds == len(found.encodings) == len(strategy.material.folds)
    assert report.validation_loss < report.baseline_loss
    p = predict(found, PARSED)
    assert np.isfinite(p).all()
    if task == "classes":
        np.testing.assert_allclose(p.sum(axis=1), 1)
    elif task == "labels":
        assert ((p > 0.5) == LABELS).mean() > 0.75
    else:
        assert p.min() >= NUMBERS.min()
        assert p.max() <= NUMBERS.max()
        assert np.corrcoef(p[:, 0], NUMBERS[:, 0])[0, 1] > 0.7


def test_prediction_is_the_mean_of_members_over_folds(searched):
    found, _ = searched["numbers"]
    total = 0.0
    for member in found.members:
        for fold, network in zip(member.folds, member.networks, strict=True):
            alone = dataclasses.replace(member, weight=1.0, folds=(fold,), networks=(network,))
            wide = {"low": np.array([-np.inf]), "high": np.array([np.inf])}
            one = dataclasses.replace(found, members=(alone,), **wide)
            total += member.weight / len(member.folds) * predict(one, PARSED)
    expected = np.clip(total, NUMBERS.min(), NUMBERS.max())
    np.testing.assert_allclose(predict(found, PARSED), expected, atol=1e-6)


def test_predictions_do_not_depend_on_how_many_rows_come_at_once(searched):
    for task in TASKS:
        found, _ = searched[task]
        whole = predict(found, PARSED)
        for rows in (np.array([3]), np.arange(7, 60)):
            np.testing.assert_allclose(predict(found, PARSED.take(rows)), whole[rows], atol=1e-6)
        assert predict(found, PARSED.take(np.zeros(0, int))).shape == (0, whole.shape[1])


def test_the_reported_loss_is_that_of_held_out_predictions(searched):
    found, strategy = searched["numbers"]
    kept = [t for t in strategy.tried if t.weight > 0 and t.trained]
    total = np.zeros((N, 1))
    for tried in kept:
        for fold, trained in tried.trained.items():
            z = np.asarray(trained.z)
            rows = strategy.material.folds[fold].held_out
            total[rows] += tried.weight * strategy.material.predict(z, tried.genes.is_log_target)
    rows = strategy.held_out
    loss = strategy.material.loss(total[rows], rows)
    assert found.report.validation_loss == pytest.approx(loss, rel=1e-5)


def test_going_on_is_no_worse_and_keeps_what_was_there(searched):
    first, strategy = searched["numbers"]
    plan = Plan(earlier=tuple(strategy.tried), folds=strategy.material.folds)
    second, _ = search("numbers", plan=plan)
    losses = [d.report.validation_loss for d in (first, second)]
    assert losses[1] <= losses[0] * (1 + 1e-6)
    begun = [c.genes for c in first.report.candidates]
    assert [c.genes for c in second.report.candidates[: len(begun)]] == begun
    assert len(second.report.candidates) >= len(begun)


@pytest.mark.parametrize("task", ["classes", "numbers"])
def test_going_on_from_the_ensemble_alone_is_no_worse(searched, task):
    first, _ = searched[task]
    second, _ = search(task, seconds=3.5, plan=Plan(first.seed, earlier=first))
    losses = [d.report.validation_loss for d in (first, second)]
    # Trees are grown anew as far as time allows, which on a busy machine is not far.
    assert losses[1] <= losses[0] * 1.05
    assert second.report.stopped


def test_trees_of_what_is_brought_back_take_their_share_of_the_time(searched, monkeypatch):
    found, _ = searched["classes"]

    class LookedError(Exception):
        pass

    def look(_, material):
        raise LookedError(material.tree_seconds * len(material.folds))

    monkeypatch.setattr("fathom.search.design.bring_back", look)
    with pytest.raises(LookedError) as looked:
        search(seconds=5.0, plan=Plan(found.seed, earlier=found))
    assert 0 < looked.value.args[0] <= 0.3 * 5


def test_what_is_brought_back_predicts_held_out_rows_as_before(searched):
    found, before = searched["classes"]
    material = Material(PARSED, TWO, CLASSES, WEIGHT, before.material.folds, found.seed)
    back = bring_back(found, material)
    assert len(back) == len(found.report.candidates)
    for tried, old in zip(back, before.tried, strict=True):
        is_whole = old.status == "kept" and len(old.trained) == len(material.folds)
        if is_whole:
            np.testing.assert_allclose(tried.predictions, old.predictions, atol=1e-5)
            assert tried.losses == pytest.approx(old.losses, rel=1e-4)


def test_members_that_differ_in_their_start_only_come_back_each_as_itself(searched):
    found, before = searched["classes"]
    member = max(found.members, key=lambda m: len(m.folds))
    twin = dataclasses.replace(
        member,
        weight=0.5,
        networks=tuple(jax.tree.map(lambda w: 2 * w, n) for n in member.networks),
    )
    one = dataclasses.replace(member, weight=0.5)
    candidate = next(c for c in found.report.kept if c.genes == member.genes)
    candidates = tuple(candidate.model_copy(update={"number": n, "weight": 0.5}) for n in range(2))
    report = found.report.model_copy(update={"candidates": candidates})
    doubled = dataclasses.replace(found, members=(one, twin), report=report)
    material = Material(PARSED, TWO, CLASSES, WEIGHT, before.material.folds, found.seed)
    first, second = bring_back(doubled, material)
    assert not np.array_equal(first.trained[member.folds[0]].z, second.trained[member.folds[0]].z)


def test_an_unfinished_search_goes_on_with_what_it_had():
    first, strategy = search("numbers", seconds=0.3)
    plan = Plan(earlier=tuple(strategy.tried), folds=strategy.material.folds)
    second, _ = search("numbers", seconds=2.0, plan=plan)
    third, _ = search("numbers", seconds=1.0, plan=Plan(first.seed, earlier=first))
    for found in (second, third):
        assert np.isfinite(predict(found, PARSED)).all()
        assert found.report.kept


class Stop(Monitor):
    stop_reason = "stopped by hand"

    def __init__(self):
        self.seen = set()

    def on_epoch(self, start, epoch):
        self.seen.add(start)

    def should_stop(self):
        return len(self.seen) >= 2


def test_a_request_to_stop_gives_the_model_there_is():
    began = time.process_time()
    found, _ = search(seconds=30.0, monitor=Stop())
    assert time.process_time() - began < 15
    assert found.report.stopped == "stopped by hand"
    assert np.isfinite(predict(found, PARSED)).all()


def test_the_time_is_kept():
    search(seconds=1.0)  # compiles
    began = time.process_time()
    found, _ = search(seconds=2.0)
    assert time.process_time() - began < 6
    assert found.report.stopped
    assert found.report.seconds < 6


class StopAtOnce(Monitor):
    def should_stop(self):
        return True


def test_a_search_stopped_before_anything_is_an_error_that_says_so():
    with pytest.raises(TrainingError, match="finite loss"):
        search(monitor=StopAtOnce())


def test_rows_are_divided_once_where_time_is_short_and_in_five_where_it_is_not():
    classes = np.arange(1000) % 2
    assert len(divide(1000, classes, Plan(), 1e4)) == 5
    (fold,) = divide(1_000_000, None, Plan(), 1.0)
    assert len(fold.held_out) == pytest.approx(100_000, rel=0.01)
    (fold,) = divide(4000, None, Plan(), 0.1)
    assert len(fold.held_out) == pytest.approx(500, rel=0.01)
    assert len(divide(3, None, Plan(), 1e4)) == 3
    rare = (np.arange(10_000) % 50 == 0).astype(int)
    seconds = lambda rows: rows * FOLD_SECONDS / n_cores()  # for which there is time in a fold
    assert len(divide(10_000, rare, Plan(), seconds(40_000))) == 3  # too few rare ones judge
    (fold,) = divide(10_000, rare, Plan(), seconds(20_000))
    assert rare[fold.held_out].sum() == 50
    (fold,) = divide(10_000, np.arange(10_000) % 2, Plan(), seconds(40_000))
    assert len(fold.held_out) == pytest.approx(1000, rel=0.01)
    groups = np.repeat([0, 1], 500)
    for fold in divide(1000, classes, Plan(groups=groups), 1e4):
        assert not set(groups[fold.training]) & set(groups[fold.held_out])
