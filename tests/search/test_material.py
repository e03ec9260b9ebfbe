"""Material: losses are scikit-learn's, and what is held out has no part in what is shown."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss as sklearn_log_loss
from sklearn.metrics import mean_squared_error

from fathom.data import trees
from fathom.data.columns import infer_columns
from fathom.data.parsing import parse_table
from fathom.data.schema import Target
from fathom.data.splitting import make_folds
from fathom.data.views import TreeSample
from fathom.search.material import Material, TargetScale, log_offset

RNG = np.random.default_rng(0)
N = 150
NUMBERS = RNG.normal(size=N)
CODES = RNG.integers(0, 20, N)
CLASSES = RNG.integers(0, 3, N)
WEIGHT = RNG.uniform(0.5, 1.5, N).astype(np.float32)
POSITIVE = np.exp(2 * NUMBERS)[:, None]
LABELS = RNG.integers(0, 2, (N, 2))
FLAT = Target(task="numbers")
THREE = Target(task="classes", classes=("a", "b", "c"))
PAIR = Target(task="labels", n_outputs=2, is_flat=False)


@pytest.fixture(autouse=True, scope="module")
def _few_trees():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trees, "N_FOREST", 20)
        patch.setattr(trees, "N_ROUNDS", dict.fromkeys((True, False), 10))
        yield


def frame_of(numbers, codes):
    words = [f"k{k}" for k in codes]
    return pl.DataFrame({"a": numbers, "b": np.cos(7 * NUMBERS), "c": words})


COLUMNS, _ = infer_columns(frame_of(NUMBERS, CODES))


def make(target=FLAT, y=POSITIVE, numbers=NUMBERS, n_folds=3, codes=CODES):
    parsed = parse_table(frame_of(numbers, codes), COLUMNS)
    folds = make_folds(N, n_folds, 0.2, 0)
    return Material(parsed, target, y, WEIGHT, folds, 0)


@pytest.mark.parametrize("view", ["robust", "quantile", "bins", "tree_bins"])
@pytest.mark.parametrize("has_trees", [False, True])
def test_a_row_held_out_changes_nothing_that_the_others_are_shown(view, has_trees):
    plain = make()
    row = int(plain.folds[0].held_out[0])
    numbers, y, codes = NUMBERS.copy(), POSITIVE.copy(), CODES.copy()
    numbers[row], y[row], codes[row] = 3.0, POSITIVE.max(), (CODES[row] + 1) % 20
    # The scale of the target alone is that of all rows: the unit in which losses are told.
    other = make(numbers=numbers, y=y, codes=codes)
    other.scales, other._learned = plain.scales, plain.scales[False].encode(y)
    for material in (plain, other):
        assert row not in material.folds[0].training
    rows = plain.folds[0].training
    shown = [np.asarray(m.examples(0, view, False, has_trees).x)[rows] for m in (plain, other)]
    np.testing.assert_array_equal(*shown)
    held_out = [np.asarray(m.held_out(0, view, False, has_trees).x) for m in (plain, other)]
    np.testing.assert_array_equal(held_out[0][1:], held_out[1][1:])
    assert (held_out[0][0] != held_out[1][0]).any()


def test_a_target_held_out_is_not_in_its_own_rows_columns():
    material = make()
    row = int(material.folds[1].held_out[0])
    y = POSITIVE.copy()
    y[row] = POSITIVE.max() * 2
    other = make(y=y)
    other.scales, other._learned = material.scales, material.scales[False].encode(y)
    shown = [np.asarray(m.examples(1, "robust", False, True).x) for m in (material, other)]
    np.testing.assert_array_equal(*shown)


@pytest.mark.parametrize("has_trees", [False, True])
def test_a_shuffled_target_cannot_be_read_from_any_training_row(has_trees):
    found = []
    for seed in range(6):
        y = np.random.default_rng(seed).permutation(NUMBERS)[:, None]
        material = make(y=y, n_folds=1)
        rows, layout = material.folds[0].training, material.layout(has_trees)
        shown = np.asarray(material.examples(0, "robust", False, has_trees).x)[rows]
        columns = shown.T[: layout.n_numbers + layout.n_plain]
        found.append([np.corrcoef(column, y[rows, 0])[0, 1] for column in columns])
    agreement = np.mean(found, axis=0)  # chance gives one of 0.04
    assert agreement.max() < 0.16
    # What is learned from the other rows is a little low where the row itself is high.
    assert agreement.min() > -0.3


def test_examples_are_made_once_and_are_what_the_encoding_says():
    material = make()
    first = material.examples(0, "bins", False, False)
    assert material.examples(0, "bins", True, False).x is first.x
    encoding = material.encoding(0)
    rows = material.folds[0].held_out
    np.testing.assert_array_equal(
        first.x[rows], encoding.encode(material.parsed.take(rows), "bins")
    )
    held_out = material.held_out(0, "bins", False, False)
    np.testing.assert_array_equal(held_out.x, first.x[rows])
    np.testing.assert_array_equal(held_out.weight, WEIGHT[rows])


def test_thresholds_are_grown_for_the_second_network_and_the_same_whoever_asks_first(monkeypatch):
    grown, grow = [], TreeSample.grow
    monkeypatch.setattr(TreeSample, "grow", lambda self: grown.append(self) or grow(self))
    material, asked = make(), make().encoding(0)
    del grown[:]
    material.examples(0, "robust", False, False)
    assert not grown
    shown = np.asarray(material.held_out(0, "tree_bins", False, False).x)
    assert len(grown) == len(asked.numbers)
    rows = material.parsed.take(material.folds[0].held_out)
    np.testing.assert_array_equal(shown, asked.encode(rows, "tree_bins"))
    for ours, theirs in zip(material.encoding(0).numbers, asked.numbers, strict=True):
        assert isinstance(ours.tree, np.ndarray)
        np.testing.assert_array_equal(ours.thresholds, theirs.thresholds)


def test_trees_of_two_folds_grow_side_by_side_and_those_of_one_once(monkeypatch):
    material, both, grow, grown = make(), threading.Barrier(2), trees.TreeView.fit, []

    def fit(*given, **how):
        both.wait(60)  # for the other fold's
        grown.append(threading.get_ident())
        return grow(*given, **how)

    monkeypatch.setattr(trees.TreeView, "fit", fit)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(material.trees, (0, 1, 1, 0)))
    assert len(grown) == len(set(grown)) == 2
    assert found[0] is found[3]
    assert found[1] is found[2]
    assert found[0] is not found[1]


def test_columns_of_trees_for_held_out_rows_are_those_shown_in_prediction():
    material = make()
    rows = material.folds[0].held_out
    matrix = material.encoding(0).encode(material.parsed.take(rows), "robust")
    layout = material.encoding(0).layout
    at = layout.n_numbers + layout.n_plain
    shown = np.asarray(material.held_out(0, "robust", False, True).x)[:, at : at + 2]
    np.testing.assert_allclose(shown, material.trees(0).show(matrix), atol=1e-5)
    assert material.layout(True).width == layout.width + material.n_tree_columns


def test_losses_are_scikit_learns():
    rows = np.arange(40)
    p = RNG.dirichlet(np.ones(3), 40)
    expected = sklearn_log_loss(CLASSES[rows], p, sample_weight=WEIGHT[rows], labels=[0, 1, 2])
    assert make(THREE, CLASSES).loss(p, rows) == pytest.approx(expected)
    q = RNG.uniform(0.05, 0.95, (40, 2))
    each = [sklearn_log_loss(LABELS[rows, k], q[:, k], sample_weight=WEIGHT[rows], labels=[0, 1])
            for k in range(2)]  # fmt: skip
    assert make(PAIR, LABELS).loss(q, rows) == pytest.approx(np.mean(each))
    guess = POSITIVE[rows] + 1
    squared = mean_squared_error(POSITIVE[rows], guess, sample_weight=WEIGHT[rows])
    spread = POSITIVE.std()
    assert make().loss(guess, rows) == pytest.approx(squared**0.5 / spread, rel=1e-6)


@pytest.mark.parametrize(
    ("target", "y", "n"), [(THREE, CLASSES, 3), (PAIR, LABELS, 2), (FLAT, POSITIVE, 1)]
)
def test_the_essence_of_predictions_has_their_loss_and_means_of_it_theirs(target, y, n):
    material, rows = make(target, y), np.arange(5, 60)
    each = [material.predict(RNG.normal(size=(55, n)), False) for _ in range(2)]
    parts = [material.essence(p, rows) for p in each]
    for p, (essence, loss) in zip(each, parts, strict=True):
        assert loss(essence) == pytest.approx(material.loss(p, rows))
    mixed = 0.3 * each[0] + 0.7 * each[1]
    loss = parts[0][1]
    assert loss(0.3 * parts[0][0] + 0.7 * parts[1][0]) == pytest.approx(material.loss(mixed, rows))


def test_a_judge_rates_what_is_held_out_by_loss_and_score():
    material = make()
    rows = material.folds[0].held_out
    z = np.asarray(material.scales[False].encode(POSITIVE[rows]))
    loss, score = material.judge(0, False)(z)
    assert loss == pytest.approx(0, abs=1e-6)
    assert score == pytest.approx(1)
    loss, _ = material.judge(0, True)(np.asarray(material.scales[True].encode(POSITIVE[rows])))
    assert loss == pytest.approx(0, abs=1e-5)
    assert material.judge(0, False)(z * np.nan)[0] == np.inf
    classes = make(THREE, CLASSES)
    sure = 50 * np.eye(3)[CLASSES[classes.folds[0].held_out]]
    assert classes.judge(0, False)(sure) == (pytest.approx(0, abs=1e-5), pytest.approx(1))
    labels = make(PAIR, LABELS)
    sure = 50.0 * (2 * LABELS[labels.folds[0].held_out] - 1)
    assert labels.judge(0, False)(sure) == (pytest.approx(0, abs=1e-5), pytest.approx(1))


def test_the_baseline_is_the_best_answer_that_is_always_the_same():
    shares = np.bincount(CLASSES, WEIGHT) / WEIGHT.sum()
    expected = -np.average(np.log(shares)[CLASSES], weights=WEIGHT)
    assert make(THREE, CLASSES).baseline_loss() == pytest.approx(expected, rel=1e-5)
    material, rows = make(), np.arange(N)
    found = material.baseline_loss()
    mean = np.average(POSITIVE[:, 0], weights=WEIGHT)
    for other in (mean, mean + 0.5, mean - 0.5, 0.0):
        assert found <= material.loss(np.full((N, 1), other), rows) + 1e-6


targets = st.lists(st.floats(-1e300, 1e300), min_size=2, max_size=30)


@settings(deadline=None, max_examples=150)
@given(targets)
@example([1e300, -1e300])
@example([7.0, 7.0])
@example([0.0, 0.0])
@example([1e-310, 3e-310])
def test_any_target_becomes_mean_0_and_spread_1_and_comes_back(values):
    y = np.array(values)[:, None]
    scale = TargetScale.fit(y)
    encoded = scale.encode(y)
    assert np.isfinite(encoded).all()
    assert encoded.dtype == np.float32
    largest = max(np.abs(y).max(), 1e-300)
    assert np.abs(encoded.mean()) < 1e-3
    if np.ptp(y / largest) > 1e-6:
        assert encoded.std() == pytest.approx(1, rel=1e-3)
    np.testing.assert_allclose(scale.decode(encoded) / largest, y / largest, atol=1e-5)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1e300), min_size=2, max_size=30))
@example([0.0] * 20 + [1e300])
def test_logarithms_come_back_where_they_are_worth_trying(values):
    y = np.array(values)[:, None]
    offset = log_offset(y)
    if offset is None:
        return
    assert (y + offset > 0).all()
    scale = TargetScale.fit(y, offset)
    encoded = scale.encode(y)
    assert np.isfinite(encoded).all()
    np.testing.assert_allclose(scale.decode(encoded), y, rtol=1e-2, atol=1e-2 * max(offset, 1))


def test_a_logarithm_is_tried_for_skewed_numbers_of_0_and_more():
    assert log_offset(POSITIVE) == 0
    assert log_offset(np.r_[POSITIVE, [[0.0]]]) == pytest.approx(np.quantile(POSITIVE, 0.1))
    assert log_offset(POSITIVE - 1) is None
    assert log_offset(RNG.uniform(size=(50, 1))) is None
    assert log_offset(np.hstack([POSITIVE, POSITIVE])) is None
    assert log_offset(np.full((9, 1), 3.0)) is None
    scale = TargetScale.fit(POSITIVE, 0.0)
    np.testing.assert_allclose(scale.encode(POSITIVE).std(), 1, rtol=1e-5)
    assert scale.decode(np.full((1, 1), 1e9))[0, 0] < np.inf


def test_huge_targets_are_learned_like_any_other():
    plain, huge = make(y=NUMBERS[:, None]), make(y=1e300 * NUMBERS[:, None])
    for view in ("robust", "tree_bins"):
        a, b = (np.asarray(m.examples(0, view, False, True).x) for m in (plain, huge))
        np.testing.assert_allclose(a, b, atol=0.02)
    assert huge.baseline_loss() == pytest.approx(plain.baseline_loss())


def test_trees_are_grown_as_before_where_that_may_take_as_long():
    growth = {0: trees.Growth(n_trees=20, n_folds=2, rounds=2)}
    for seconds, is_same in ((10.0, True), (100.0, False)):
        material = make(n_folds=2)
        material.give_trees(20.0)
        material.grow_as_before(growth, seconds)
        assert (material.trees(0).growth == growth[0]) == is_same
