"""The loop: it learns, keeps the best, survives divergence, keeps its deadline, and repeats."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fathom.errors import InputError, TrainingError
from fathom.nn.architecture import Architecture
from fathom.nn.blocks import Activation, Dropout, Flatten
from fathom.nn.convolution import Conv2D, MaxPool
from fathom.nn.dense import Dense
from fathom.nn.network import build
from fathom.nn.normalization import BatchNorm
from fathom.training.history import History, StartHistory
from fathom.training.loop import split_epoch, train
from fathom.training.metrics import score, score_sums
from fathom.training.monitor import Deadline, Monitor
from fathom.training.plan import Examples, Knobs, Plan
from fathom.training.program import make_program
from fathom.training.recipe import Augmentation, Recipe
from fathom.training.rows import RowStream
from fathom.training.starts import train_starts
from fathom.training.stopping import Best

RNG = np.random.default_rng(0)
X = RNG.normal(size=(203, 6)).astype(np.float32)
Y = (X[:, 0] * X[:, 1] > 0).astype(np.int32)


def examples(x=X, y=Y):
    return Examples(jnp.asarray(x), jnp.asarray(y), jnp.ones(len(y), jnp.float32))


def dense(*hidden, n_in=6, **changes):
    layers = [Dense(units=n, activation="tanh") for n in hidden]
    given = {
        "input_shape": (n_in,),
        "layers": (*layers, Dense(units=2, activation="softmax")),
        "loss": "cross_entropy",
    }
    return Architecture(**{**given, **changes})


def recipe(**changes):
    return Recipe(**{"epochs": 30, "batch_size": 32, "learning_rate": 0.01, **changes})


def run(architecture=None, given=None, held_out=True, **options):
    architecture = architecture or dense(16)
    network = build(architecture, jax.random.key(0), jnp.asarray(X))
    half = examples(X[:150], Y[:150])
    other = examples(X[150:], Y[150:]) if held_out else None
    return train(network, architecture, given or recipe(), half, other, **options)


@pytest.mark.parametrize(
    "optimizer",
    ["gradient_descent", "momentum", "nesterov", "rmsprop", "adam", "adamw", "muon"],
)
def test_every_optimizer_learns(optimizer):
    rate = {"gradient_descent": 1.0, "momentum": 0.2, "nesterov": 0.2}.get(optimizer, 0.02)
    _, history = run(given=recipe(optimizer=optimizer, learning_rate=rate, epochs=60))
    assert history.epochs[-1].train_score > 0.9
    assert history.epochs[-1].train_loss < 0.5 * history.epochs[0].train_loss


@pytest.mark.parametrize("loss", ["squared_error", "binary_cross_entropy"])
@pytest.mark.parametrize("reduction", ["mean", "total"])
def test_other_losses_and_total_learn_too(loss, reduction):
    layers = (Dense(units=16), Dense(units=2, activation="sigmoid"))
    architecture = dense(layers=layers, loss=loss, reduction=reduction)
    _, history = run(architecture, recipe(epochs=60, learning_rate=0.03))
    assert history.epochs[-1].train_score > 0.9


def test_the_best_epoch_is_kept():
    network, history = run(given=recipe(epochs=60, learning_rate=0.3))
    losses = [epoch.validation_loss for epoch in history.epochs]
    assert losses[history.best_epoch - 1] == min(losses)
    z = network.combine(jnp.asarray(X[150:]))
    loss = -jax.nn.log_softmax(z)[np.arange(53), Y[150:]].mean()
    assert float(loss) == pytest.approx(min(losses), rel=1e-4)
    assert history.best_epoch < 60  # otherwise nothing was chosen


def test_without_held_out_examples_the_last_epoch_is_kept():
    _, history = run(held_out=False)
    assert history.best_epoch == 30
    assert history.epochs[-1].validation_loss is None


def test_only_the_rows_named_are_trained_on():
    spoilt = np.where(np.arange(203)[:, None] < 50, np.float32(np.nan), X)
    network = build(dense(16), jax.random.key(0))
    _, history = train(
        network, dense(16), recipe(), examples(spoilt), None, rows=np.arange(50, 203)
    )
    assert len(history.epochs) == 30  # none was rolled back
    assert history.events[-1].text == "all epochs done"


def test_training_on_all_rows_named_is_training_on_all():
    named, _ = run(rows=np.arange(150))
    plain, _ = run()
    for a, b in zip(jax.tree.leaves(named), jax.tree.leaves(plain), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_judge_chooses_the_best_epoch_by_the_sums_it_is_shown():
    shown = []

    def judge(z):
        shown.append(z)
        return abs(len(shown) - 4.0), 0.25

    network, history = run(given=recipe(epochs=9), judge=judge)
    assert history.best_epoch == 4
    assert [epoch.validation_loss for epoch in history.epochs] == [3, 2, 1, 0, 1, 2, 3, 4, 5]
    assert {epoch.validation_score for epoch in history.epochs} == {0.25}
    assert {z.shape for z in shown} == {(53, 2)}  # without what fills up the batch
    np.testing.assert_allclose(network.combine(jnp.asarray(X[150:])), shown[3], atol=1e-5)


def test_a_loss_that_its_judge_finds_infinite_is_rolled_back():
    losses = iter([0.5, float("inf"), 0.4, 0.3])
    _, history = run(given=recipe(epochs=3), judge=lambda z: (next(losses), 0.0))
    assert [event.kind for event in history.events] == ["rolled_back", "stopped"]
    assert [epoch.validation_loss for epoch in history.epochs] == [0.5, 0.4, 0.3]


def test_patience():
    _, history = run(given=recipe(epochs=500, learning_rate=0.1, patience=7))
    assert len(history.epochs) == history.best_epoch + 7
    assert "for 7 epochs" in history.events[-1].text


def test_same_seed_same_weights_and_other_seed_others():
    first, second = (run(given=recipe(seed=3))[0] for _ in range(2))
    other, _ = run(given=recipe(seed=4))
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first.layers[0].weight, other.layers[0].weight)


def test_a_diverging_run_is_rolled_back_at_half_the_learning_rate_and_says_so():
    huge = recipe(optimizer="gradient_descent", learning_rate=64.0, epochs=20)
    layers = (Dense(units=16), Dense(units=2, activation="identity"))
    network, history = run(dense(layers=layers, loss="squared_error"), huge)
    rollbacks = [event for event in history.events if event.kind == "rolled_back"]
    assert rollbacks
    assert "halved to 32" in rollbacks[0].text
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(network))
    assert all(np.isfinite(epoch.train_loss) for epoch in history.epochs)


def test_a_hopeless_run_is_an_error_that_says_so():
    x = np.where(np.arange(6) == 0, np.float32(np.inf), X)
    network = build(dense(4), jax.random.key(0))
    with pytest.raises(TrainingError, match="smaller learning_rate"):
        train(network, dense(4), recipe(), examples(x), None)


class Stop(Monitor):
    def __init__(self, after):
        self.epochs, self.after = [], after

    def on_epoch(self, start, epoch):
        self.epochs.append(epoch)

    def should_stop(self):
        return len(self.epochs) >= self.after


def test_a_request_to_stop_keeps_the_best_so_far():
    monitor = Stop(after=5)
    _, history = run(monitor=monitor)
    assert tuple(monitor.epochs) == history.epochs
    assert len(history.epochs) == 5
    assert history.events[-1].text == "stopped by request"


def test_the_deadline_is_kept():
    began = time.process_time()
    run(given=recipe(epochs=100_000), deadline=Deadline(0.5))
    assert time.process_time() - began < 6  # 100,000 epochs take minutes


def test_the_learning_rate_comes_down_by_the_deadline(ticking):
    _, history = run(given=recipe(epochs=100_000), deadline=Deadline(1.5))
    assert 100 < len(history.epochs) < 1500
    assert history.epochs[-1].learning_rate < 0.002
    assert [event.kind for event in history.events] == ["shortened", "stopped"]


def test_what_a_deadline_cut_short_is_done_again_to_the_bit(monkeypatch, ticking):
    monkeypatch.setattr("fathom.training.loop.CALL_FLOP", 1e5)  # several calls an epoch
    given = recipe(epochs=3000, schedule="cosine")
    first, history = run(given=given, deadline=Deadline(1.0))
    assert history.steps.hurried
    again, repeated = run(given=given, steps=history.steps)
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(a, b)
    rates = lambda h: [(e.learning_rate, e.validation_loss) for e in h.epochs]
    assert rates(repeated) == rates(history)
    assert StartHistory.model_validate_json(history.model_dump_json()) == history


def test_what_was_cut_from_outside_is_done_again_to_the_bit():
    class Cut(Monitor):
        n = 0

        def on_epoch(self, start, epoch):
            self.n += 1

        def should_stop(self):
            return self.n >= 7

    first, history = run(monitor=Cut())
    again, repeated = run(steps=history.steps)
    assert len(repeated.epochs) == len(history.epochs) == 7
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_deadline_that_is_past_still_gives_a_trained_network():
    _, history = run(deadline=Deadline(0.0))
    assert len(history.epochs) == 1


def test_rows_come_in_permutations_and_batches_are_full():
    stream = RowStream(np.arange(10), np.random.default_rng(0))
    rows = np.concatenate([stream.take(4) for _ in range(10)])
    for begin in range(0, 40, 10):
        assert sorted(rows[begin : begin + 10]) == list(range(10))


def test_an_epoch_is_split_into_calls_of_equal_length():
    large = dense(1000, 1000, n_in=1000)
    calls, steps = split_epoch(1000, large, 1000)
    assert calls > 10
    assert 1000 <= calls * steps < 1000 + calls
    assert split_epoch(7, dense(4), 8) == (1, 7)
    assert split_epoch(10, large, 800) == (5, 2)  # rather than 4 calls of 3 steps


def test_steps_in_a_scan_are_steps_one_by_one():
    architecture = Architecture(
        input_shape=(6, 6, 1),
        layers=(
            Conv2D(channels=3, activation="identity"), BatchNorm(), Activation(), MaxPool(),
            Flatten(), Dense(units=2, activation="softmax"),
        ),
        loss="cross_entropy",
    )  # fmt: skip
    given = examples(RNG.normal(size=(40, 6, 6, 1)).astype(np.float32), Y[:40])
    rows = RNG.integers(0, 40, (5, 8)).astype(np.int32)
    knobs, rates = Knobs(jnp.float32(0.1), jnp.float32(0.1)), np.full(5, 0.01, np.float32)
    plan = ("cross_entropy", "mean", "softmax", "adamw", 0.9, 0.999, "equal", None, None)
    scanned, single = make_program(Plan(*plan, True)), make_program(Plan(*plan, False))
    network = build(architecture, jax.random.key(0))
    key = jax.random.key(1)
    together, sums, _ = scanned.advance(scanned.start(network), given, rows, key, rates, knobs)
    state, total = single.start(network), 0.0
    for i in range(5):
        part = single.advance(state, given, rows[i : i + 1], key, rates[:1], knobs)
        state, total = part[0], total + float(part[1].loss)
    for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(state), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    assert float(sums.loss) == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("optimizer", ["gradient_descent", "adam", "adamw"])
def test_a_step_with_decay_and_smoothing_is_the_equation(optimizer):
    architecture = Architecture(
        input_shape=(6,), layers=(Dense(units=2, activation="softmax"),), loss="cross_entropy"
    )
    network = build(architecture, jax.random.key(0))
    plan = Plan(
        "cross_entropy", "mean", "softmax", optimizer, 0.9, 0.999, "equal", None, None, True
    )
    program = make_program(plan)
    knobs = Knobs(jnp.float32(0.5), jnp.float32(0.2))
    rows, rates = np.arange(9, dtype=np.int32)[None], np.float32([0.1])
    state, _, _ = program.advance(
        program.start(network), examples(), rows, jax.random.key(0), rates, knobs
    )
    w, b = (np.asarray(v, np.float64) for v in (network.layers[0].weight, network.layers[0].bias))
    z = X[:9] @ w.T + b
    a = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    delta = a - (0.8 * np.eye(2)[Y[:9]] + 0.1)
    gw, gb = delta.T @ X[:9] / 9, delta.mean(axis=0)
    first = lambda g: g / (np.abs(g) + 1e-8)  # Adam's first direction
    if optimizer == "gradient_descent":
        gw, gb = gw + 0.5 * w, gb
    elif optimizer == "adam":
        gw, gb = first(gw + 0.5 * w), first(gb)
    else:
        gw, gb = first(gw) + 0.5 * w, first(gb)
    np.testing.assert_allclose(state.network.layers[0].weight, w - 0.1 * gw, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(state.network.layers[0].bias, b - 0.1 * gb, rtol=1e-4, atol=1e-6)


def test_several_starts_and_the_best_of_them():
    networks, history = train_starts(
        dense(3), recipe(n_starts=5), examples(X[:150], Y[:150]), examples(X[150:], Y[150:])
    )
    assert len(networks) == 1
    losses = [start.best.validation_loss for start in history.starts]
    assert history.kept == (int(np.argmin(losses)),)
    assert len(set(losses)) == 5
    assert History.model_validate_json(history.model_dump_json()) == history


def test_several_starts_averaged_are_the_starts_one_by_one():
    given = recipe(n_starts=3, combine="average", epochs=5)
    networks, history = train_starts(dense(3), given, examples())
    assert history.kept == (0, 1, 2)
    for start, network in enumerate(networks):
        key = jax.random.fold_in(jax.random.key(given.seed), start)
        alone, _ = train(build(dense(3), key), dense(3), given, examples(), None, start=start)
        for a, b in zip(jax.tree.leaves(network), jax.tree.leaves(alone), strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_start_that_fails_is_left_out_and_said(monkeypatch):
    def fail_second(*arguments, start, **options):
        if start == 1:
            raise TrainingError("a finite loss", got="NaN")
        return train(*arguments, start=start, **options)

    monkeypatch.setattr("fathom.training.starts.train", fail_second)
    given = recipe(n_starts=3, combine="average", epochs=2)
    networks, history = train_starts(dense(3), given, examples())
    assert history.kept == (0, 2)
    assert len(networks) == 2
    assert "left out: expected a finite loss" in str(history)

    def fail(*arguments, **options):
        raise TrainingError("a finite loss", got="NaN")

    monkeypatch.setattr("fathom.training.starts.train", fail)
    with pytest.raises(TrainingError, match="NaN"):
        train_starts(dense(3), given, examples())


def test_dropout_and_augmentation_train():
    layers = (Flatten(), Dropout(rate=0.1), Dense(units=2, activation="softmax"))
    architecture = Architecture(input_shape=(5, 5, 1), layers=layers, loss="cross_entropy")
    images = RNG.integers(0, 2, (60, 5, 5, 1)).astype(np.uint8)
    given = recipe(augmentation=Augmentation(shift=1, bend=0.5, threshold=0.5), epochs=3)
    network = build(architecture, jax.random.key(0))
    _, history = train(network, architecture, given, examples(images, Y[:60]), None)
    assert len(history.epochs) == 3


def test_accuracy_and_r2_against_scikit_learn():
    from sklearn.metrics import accuracy_score, r2_score

    weight = RNG.uniform(0.5, 2, 20).astype(np.float32)
    a, classes = RNG.normal(size=(20, 3)).astype(np.float32), RNG.integers(0, 3, 20)
    target = np.eye(3, dtype=np.float32)[classes]

    def ours(activation, a, target):
        arrays = (jnp.asarray(v) for v in (a, target, weight))
        return score(score_sums(*arrays, activation), float(weight.sum()), activation)

    accuracy = accuracy_score(classes, a.argmax(axis=1), sample_weight=weight)
    assert ours("softmax", a, target) == pytest.approx(accuracy, rel=1e-5)
    y = RNG.normal(size=(20, 1)).astype(np.float32) + 3
    r2 = r2_score(y, a[:, :1] + 3, sample_weight=weight)
    assert ours("identity", a[:, :1] + 3, y) == pytest.approx(r2, rel=1e-3)
    labels = (RNG.random((20, 3)) > 0.5).astype(np.float32)
    shares = ((a >= 0.5) == labels).mean(axis=1)
    expected = np.average(shares, weights=weight)
    assert ours("sigmoid", a, labels) == pytest.approx(expected, rel=1e-5)


def test_the_later_of_two_equal_epochs_is_the_best():
    best = Best().after(1, 0.5).after(2, 0.7).after(3, 0.5)
    assert best.epoch == 3
    assert not best.is_out_of_patience(4, 2)
    assert best.is_out_of_patience(5, 2)


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "adamm"}, {"learning_rate": 0}, {"learning_rate": float("nan")},
        {"epochs": 0}, {"batch_size": -1}, {"label_smoothing": 1}, {"n_starts": 0},
        {"seed": -1}, {"unknown": 1}, {"augmentation": {"shift": -1}},
    ],
    ids=str,
)  # fmt: skip
def test_a_recipe_refuses_what_cannot_be(changes):
    with pytest.raises(InputError, match=next(iter(changes))):
        Recipe(**changes)


def test_a_recipe_goes_to_json_and_back():
    given = recipe(augmentation=Augmentation(shift=2.0), gradient_clip=1.0)
    assert Recipe.model_validate_json(given.model_dump_json()) == given
