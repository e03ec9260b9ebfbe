"""Searches done again: the networks of a model, trained once more, are the same to the bit."""

import dataclasses

import jax
import numpy as np
import polars as pl
import pytest

from fathom.data import trees
from fathom.data.columns import infer_columns
from fathom.data.parsing import parse_table
from fathom.data.schema import Target
from fathom.deployment.comparison import find_differences
from fathom.errors import InputError, TrainingError
from fathom.search import design as designing
from fathom.search import strategy
from fathom.search.design import Plan, design
from fathom.search.record import digest_rows
from fathom.search.replay import replay
from fathom.search.space import Genes
from fathom.training.monitor import Deadline, Monitor

RNG = np.random.default_rng(0)
N = 210
X = RNG.normal(size=(N, 3))
CODES = RNG.integers(0, 14, N)
WORDS = ["deep", "sea", "anchor", "rope", "salty"]
CLASSES = ((X[:, 0] * X[:, 1] > 0) ^ (RNG.random(N) < 0.1)).astype(int)
NUMBERS = np.exp(X[:, 0] + (CODES == 2) + 0.1 * X[:, 2])[:, None]
LABELS = np.stack([X[:, 0] > 0, CODES > 6], axis=1).astype(float)
FRAME = pl.DataFrame({
    "a": X[:, 0], "b": X[:, 1], "c": [f"k{k}" for k in CODES],
    "t": [" ".join(RNG.choice(WORDS, 5)) for _ in range(N)],
})  # fmt: skip
PARSED = parse_table(FRAME, infer_columns(FRAME)[0])
TASKS = {
    "classes": (Target(task="classes", classes=("no", "yes")), CLASSES),
    "numbers": (Target(task="numbers"), NUMBERS),
    "labels": (Target(task="labels", n_outputs=2, is_flat=False), LABELS),
}
WEIGHT = np.where(np.arange(N) % 3, 1.0, 0.5).astype(np.float32)
SECONDS = 3.0


@pytest.fixture(autouse=True)
def _few_trees(monkeypatch):
    monkeypatch.setattr(trees, "N_FOREST", 40)
    monkeypatch.setattr(trees, "N_ROUNDS", dict.fromkeys((True, False), 10))


def members(has_trees):
    """Return a portfolio of quick networks, so that there are some however busy the machine is."""
    plain = [
        Genes(depth=0, input_form="quantile", epochs=12, batch_size=64),
        Genes(depth=1, width=16, epochs=12, batch_size=64),
    ]
    return [genes.model_copy(update={"has_trees": has_trees}) for genes in plain]


def search(task="classes", seconds=SECONDS, plan=None, *, has_trees=False, n_folds=2):
    target, y = TASKS[task]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strategy, "first_members", lambda *_, **__: members(has_trees))
        patch.setattr(designing, "FOLDS", max(n_folds, 2))
        patch.setattr(designing, "FOLD_SECONDS", 1e-9 if n_folds > 1 else 1e9)
        deadline = Deadline(seconds)
        return design(PARSED, target, y, WEIGHT, plan or Plan(5), deadline=deadline)[0]


def again(found, task="classes", **more):
    return replay(found, PARSED, TASKS[task][1], WEIGHT, **more)


def require_same(found, replayed):
    assert find_differences(found, replayed, PARSED) == ()
    assert replayed.report == found.report
    assert replayed.history == found.history
    assert replayed.record == found.record
    for one, other in zip(found.members, replayed.members, strict=True):
        assert (one.genes, one.weight, one.folds) == (other.genes, other.weight, other.folds)


@pytest.fixture(scope="module")
def plain():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trees, "N_FOREST", 40)
        patch.setattr(trees, "N_ROUNDS", dict.fromkeys((True, False), 10))
        return search(seconds=5.0)


CASES = [("classes", True, 2), ("numbers", True, 1), ("numbers", False, 2), ("labels", False, 1)]


@pytest.mark.parametrize(("task", "has_trees", "n_folds"), CASES)
def test_a_search_done_again_is_the_same_to_the_bit(task, has_trees, n_folds):
    found = search(task, has_trees=has_trees, n_folds=n_folds)
    assert found.report.n_folds == n_folds
    assert any(c.genes.has_trees for c in found.report.candidates) or not has_trees
    require_same(found, again(found, task))


@pytest.mark.parametrize("workers", [1, 3])
def test_it_does_not_matter_which_thread_trains_what(plain, monkeypatch, workers):
    monkeypatch.setattr("fathom.training.population.n_workers", lambda: workers)
    require_same(plain, again(plain))


def test_what_differs_is_said(plain):
    member = plain.members[0]
    doubled = tuple(jax.tree.map(lambda w: 2 * w, network) for network in member.networks)
    biased = dataclasses.replace(member, networks=doubled)
    changed = dataclasses.replace(plain, members=(biased, *plain.members[1:]), sharpness=2.0)
    said = " ".join(find_differences(plain, changed, PARSED))
    assert "weights of networks" in said
    assert "calibration" in said
    assert f"of {N} rows" in said
    fewer = dataclasses.replace(plain, members=plain.members[:0])
    assert find_differences(plain, fewer, PARSED) == ("the networks there are",)


def test_a_search_that_went_on_is_done_again_with_the_trees_each_network_saw(monkeypatch):
    monkeypatch.setattr(trees, "N_FOREST", 20)
    first = search("numbers", has_trees=True)
    monkeypatch.setattr(trees, "N_FOREST", 40)
    second = search("numbers", plan=Plan(5, earlier=first), has_trees=True)
    assert second.record.obstacle == ""
    old = {one.number for one in first.record.networks}
    grown = {
        growth[0]
        for one in second.record.networks
        for growth in [one.growth]
        if growth is not None and one.number in old
    }
    assert grown <= {20, 40}  # 40 where a network was trained on another fold only now
    assert {view.growth.n_trees for view in second.trees} <= {20, 40}
    require_same(second, again(second, "numbers"))


def test_a_search_that_went_on_in_memory_keeps_its_trees():
    target, y = TASKS["classes"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strategy, "first_members", lambda *_, **__: members(True))
        run = lambda plan: design(PARSED, target, y, WEIGHT, plan, deadline=Deadline(SECONDS))
        first, state = run(Plan(5))
        plan = Plan(
            5, earlier=tuple(state.tried), folds=state.material.folds,
            grown=state.material.grown, record=first.record,
        )  # fmt: skip
        second, later = run(plan)
    for fold, (view, _) in state.material.grown.items():
        assert later.material.grown[fold][0] is view
    require_same(second, again(second))


def test_other_rows_are_refused(plain):
    y = CLASSES.copy()
    y[7] = 1 - y[7]
    heavier = WEIGHT.copy()
    heavier[3] *= 2
    changed = (*PARSED.values[:1], PARSED.values[1][::-1], *PARSED.values[2:])
    other = dataclasses.replace(PARSED, values=changed)
    groups = np.arange(N) // 2
    for rows in (
        (other, CLASSES, WEIGHT), (PARSED, y, WEIGHT), (PARSED, CLASSES, heavier),
        (PARSED, CLASSES, WEIGHT, groups), (PARSED, CLASSES, WEIGHT, None, groups),
    ):  # fmt: skip
        with pytest.raises(InputError, match="the very rows"):
            replay(plain, *rows)


def test_only_which_groups_are_equal_counts():
    groups = RNG.integers(0, 9, N)
    given = (PARSED, CLASSES, WEIGHT)
    assert digest_rows(*given, groups, None) == digest_rows(*given, groups * 3.5 + 1, None)
    assert digest_rows(*given, groups, None) != digest_rows(*given, None, groups)


def test_a_model_without_its_record_is_refused(plain):
    with pytest.raises(InputError, match="an older version made it"):
        again(dataclasses.replace(plain, record=None))
    more = plain.record.model_copy(update={"networks": 2 * plain.record.networks})
    starts = tuple(s.model_copy(update={"steps": None}) for s in plain.history.starts)
    forgetful = plain.history.model_copy(update={"starts": starts})
    moved = [one.model_copy(update={"number": one.number + 1}) for one in plain.record.networks]
    moved = plain.record.model_copy(update={"networks": tuple(moved)})
    for change in ({"record": more}, {"history": forgetful}, {"record": moved}):
        with pytest.raises(InputError, match="a record"):
            again(dataclasses.replace(plain, **change))


@pytest.mark.parametrize("growth", [None, (10**5, 5, 9), (0, 5, 9), (9, 0, 0), (9, 4, 9)])
def test_trees_that_cannot_be_grown_are_refused(plain, growth):
    networks = tuple(one.model_copy(update={"growth": (9, 5, 9)}) for one in plain.record.networks)
    if growth is not None:
        networks = tuple(one.model_copy(update={"growth": growth}) for one in networks)
    record = plain.record.model_copy(update={"networks": networks})
    shown = tuple(
        dataclasses.replace(member, genes=member.genes.model_copy(update={"has_trees": True}))
        for member in plain.members
    )
    view = trees.TreeView(None, None, np.zeros(1), np.ones(1), growth=None)
    changed = dataclasses.replace(plain, record=record)
    if growth is None:
        changed = dataclasses.replace(changed, members=shown, trees=(view,) * len(plain.encodings))
    with pytest.raises(InputError, match="how far trees were grown"):
        again(changed)


def test_going_on_from_what_cannot_be_done_again_cannot_be_done_again_either(plain):
    forgotten = dataclasses.replace(plain, record=None)
    found = search(seconds=1.0, plan=Plan(5, earlier=forgotten))
    with pytest.raises(InputError, match="goes on from a search that was not recorded"):
        again(found)
    other = plain.record.model_copy(update={"rows": "0" * 64})
    with pytest.raises(InputError, match="very rows the model was trained on, to go on with it"):
        search(seconds=1.0, plan=Plan(5, earlier=dataclasses.replace(plain, record=other)))


class StopAtOnce(Monitor):
    def should_stop(self):
        return True


def test_a_stop_before_the_end_gives_no_model(plain):
    with pytest.raises(TrainingError, match="not trained to the end"):
        again(plain, monitor=StopAtOnce())
