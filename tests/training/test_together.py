"""Networks alike that take their steps together: each is what it would be alone."""

import threading
from contextlib import ExitStack

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fathom.nn.architecture import Architecture
from fathom.nn.blocks import Dropout
from fathom.nn.dense import Dense
from fathom.nn.network import build
from fathom.training import together as meeting
from fathom.training.loop import make_plan, train
from fathom.training.plan import Examples, Knobs
from fathom.training.population import Job, train_population
from fathom.training.program import make_program
from fathom.training.recipe import Recipe
from fathom.training.starts import train_starts
from fathom.training.together import Together

RNG = np.random.default_rng(0)
ROWS, HELD_OUT = 120, slice(90, 120)
X = jnp.asarray(RNG.normal(size=(ROWS, 4)), jnp.float32)
Y = jnp.asarray(X[:, 0] > 0, jnp.int32)
KNOWN = Examples(X, Y, jnp.ones(ROWS, jnp.float32))


def described(width):
    layers = Dense(units=width, activation="tanh"), Dense(units=2, activation="softmax")
    return Architecture(input_shape=(4,), layers=layers, loss="cross_entropy")


def judge(z):
    return float(np.mean(z.argmax(axis=1) != Y[HELD_OUT])), 0.0


class Everything:
    """Asks for jobs in order, and cuts one."""

    def __init__(self, jobs, cut):
        self.waiting, self.cut, self.trained = list(jobs), cut, {}

    @property
    def is_done(self):
        return not self.waiting

    def next_job(self):
        job = self.waiting.pop(0)
        return lambda: job

    def on_epoch(self, job, epochs):
        return "behind" if job.number == self.cut else None

    def on_trained(self, trained):
        self.trained[trained.job.number] = trained


def jobs_of(widths, epochs):
    return [
        Job(
            number, 0, described(width),
            Recipe(
                epochs=n, batch_size=30, learning_rate=0.01 * (number + 1), seed=number,
                weight_decay=0.01 * number,
            ),
            KNOWN, Examples(*(part[HELD_OUT] for part in KNOWN)), np.arange(90), judge,
        )
        for number, (width, n) in enumerate(zip(widths, epochs, strict=True))
    ]  # fmt: skip


def assert_as_alone(jobs, cut, atol):
    """Train a population together and each network alone, and compare."""
    director = Everything(jobs, cut)
    train_population(director, workers=len(jobs), takes_steps_together=True)
    for job in jobs:
        trained = director.trained[job.number]
        assert len(trained.history.epochs) == (1 if job.number == cut else job.recipe.epochs)
        network = build(job.architecture, jax.random.fold_in(jax.random.key(job.recipe.seed), 0))
        recipe = job.recipe.model_copy(update={"epochs": len(trained.history.epochs)})
        if job.number == cut:
            continue
        alone, history = train(
            network, job.architecture, recipe, job.examples, job.held_out,
            rows=job.rows, judge=judge, engine="xla",
        )  # fmt: skip
        losses = [epoch.train_loss for epoch in history.epochs]
        found = [epoch.train_loss for epoch in trained.history.epochs]
        np.testing.assert_allclose(found, losses, rtol=100 * atol)
        if history.best_epoch == trained.history.best_epoch:
            pairs = zip(jax.tree.leaves(trained.network), jax.tree.leaves(alone), strict=True)
            for one, other in pairs:
                np.testing.assert_allclose(one, other, atol=atol)


@pytest.mark.slow
def test_a_population_of_several_structures_and_lengths_is_as_each_alone():
    assert_as_alone(jobs_of([3, 3, 5, 3], [3, 3, 3, 2]), cut=2, atol=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(jax.default_backend() == "cpu", reason="needs an accelerator")
def test_a_population_on_an_accelerator_is_as_each_alone():
    assert_as_alone(jobs_of([64] * 8 + [128] * 4, [5] * 12), cut=2, atol=2e-2)


def ask_at_once(program, known, n):
    """Have n networks join, and then each ask for two steps of its own.

    ``known`` gives each its examples, one after another and over again.
    """
    plan_shape, found = (2, 30), {}
    networks = [build(described(3), jax.random.key(k)) for k in range(n)]
    rows = [RNG.integers(0, len(FEWER.weight), plan_shape).astype(np.int32) for _ in range(n)]
    rates = np.full(2, 0.01, np.float32)
    together = Together()
    with ExitStack() as stack:
        joined = [
            stack.enter_context(together.join(program, one, known[k % len(known)], plan_shape))
            for k, one in enumerate(networks)
        ]

        def ask(k):
            key, knobs = jax.random.key(k), Knobs(jnp.float32(0.1 * k), jnp.float32(0))
            mine = known[k % len(known)]
            asked = joined[k].start(networks[k]), mine, rows[k], key, rates, knobs
            try:
                found[k] = joined[k].advance(*asked), program.advance(*asked)
            except RuntimeError as error:
                found[k] = error

        threads = [threading.Thread(target=ask, args=(k,)) for k in range(n)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return found


OTHERS = Examples(KNOWN.x[::-1] + 1, 1 - KNOWN.y, 2 * KNOWN.weight)
FEWER = Examples(*(part[:100] for part in KNOWN))


@pytest.mark.parametrize(
    ("n", "known", "expected"),
    [
        (1, [KNOWN], [1]), (3, [KNOWN], [3]), (4, [KNOWN], [4]),
        (4, [KNOWN, OTHERS], [4]),  # of other folds
        (3, [KNOWN, FEWER], [1, 2]),  # of other shapes
    ],
)  # fmt: skip
def test_what_is_asked_at_once_is_one_call(n, known, expected, monkeypatch):
    sizes, answer = [], meeting._answer

    def count(program, group):
        sizes.append(len(group))
        answer(program, group)

    monkeypatch.setattr(meeting, "_answer", count)
    program = make_program(make_plan(described(3), Recipe()))
    found = ask_at_once(program, known, n)
    assert sorted(sizes) == expected
    for (state, sums, is_finite), (own, own_sums, _) in found.values():
        assert is_finite
        np.testing.assert_allclose(sums.loss, own_sums.loss, rtol=1e-5)
        for one, other in zip(
            jax.tree.leaves(state.network), jax.tree.leaves(own.network), strict=True
        ):
            np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_call_that_fails_fails_for_all_and_nobody_waits():
    def broken(*_):
        raise RuntimeError("out of memory")

    program = make_program(make_plan(described(3), Recipe()))
    found = ask_at_once(program._replace(advance=broken), [KNOWN], 3)
    assert [str(error) for error in found.values()] == ["out of memory"] * 3


def test_dropout_is_each_networks_own():
    layers = Dropout(rate=0.5), Dense(units=2, activation="softmax")
    architecture = Architecture(input_shape=(4,), layers=layers, loss="cross_entropy")
    job = jobs_of([3], [2])[0]
    alike = [
        Job(k, 0, architecture, job.recipe.model_copy(update={"seed": seed}), *vars_of(job))
        for k, seed in enumerate([7, 7, 8])
    ]
    director = Everything(alike, cut=None)
    train_population(director, workers=3, takes_steps_together=True)
    first, again, other = (director.trained[k].history.epochs[-1].train_loss for k in range(3))
    assert first == pytest.approx(again, rel=1e-5)
    assert first != pytest.approx(other, rel=1e-5)


def vars_of(job):
    return job.examples, job.held_out, job.rows, job.judge


def test_starts_come_out_the_same_whether_together_or_not(monkeypatch):
    recipe = Recipe(epochs=2, batch_size=30, n_starts=3, combine="average")
    held_out = Examples(*(part[HELD_OUT] for part in KNOWN))
    usual, _ = train_starts(described(3), recipe, KNOWN, held_out)
    monkeypatch.setattr("fathom.training.starts.jax.default_backend", lambda: "elsewhere")
    found, _ = train_starts(described(3), recipe, KNOWN, held_out)
    assert len(found) == len(usual) == 3
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(usual), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-4)
