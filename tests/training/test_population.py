"""Populations: every job is trained and told of, in order, until the end that was set."""

import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fathom.nn.architecture import Architecture
from fathom.nn.dense import Dense
from fathom.nn.network import build
from fathom.training.loop import train
from fathom.training.monitor import Deadline, Monitor
from fathom.training.plan import Examples
from fathom.training.population import Director, Job, train_population
from fathom.training.recipe import Recipe

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int32)
HELD_OUT = np.arange(90, 120)


def judge(z):
    return float(np.mean(z.argmax(axis=1) != Y[HELD_OUT])), 0.0


def make_job(number, fold=0, x=X, **changes):
    layers = (Dense(units=3, activation="tanh"), Dense(units=2, activation="softmax"))
    architecture = Architecture(input_shape=(4,), layers=layers, loss="cross_entropy")
    recipe = Recipe(**{"epochs": 3, "batch_size": 30, "learning_rate": 0.05, **changes})
    every = Examples(jnp.asarray(x), jnp.asarray(Y), jnp.ones(120, jnp.float32))
    held_out = Examples(*(part[HELD_OUT] for part in every))
    return Job(number, fold, architecture, recipe, every, held_out, np.arange(90), judge)


class Queue:
    """Hands out jobs in order; cuts the numbers it is told to."""

    def __init__(self, jobs, cut=()):
        self.waiting, self.cut = list(jobs), cut
        self.given, self.epochs, self.trained = [], {}, []
        self.threads, self.inside = set(), 0

    def _enter(self):
        assert self.inside == 0, "two calls at once"
        self.inside += 1
        self.threads.add(threading.get_ident())
        time.sleep(0.001)
        self.inside -= 1

    @property
    def is_done(self):
        return not self.waiting and len(self.trained) == len(self.given)

    def next_job(self):
        self._enter()
        if not self.waiting:
            return None
        job = self.waiting.pop(0)
        self.given.append(job if callable(job) else job.number)
        return job if callable(job) else lambda: job

    def on_epoch(self, job, epochs):
        self._enter()
        self.epochs.setdefault((job.number, job.fold), []).append(epochs[-1].epoch)
        return "behind" if job.number in self.cut else None

    def on_trained(self, trained):
        self._enter()
        self.trained.append(trained)


@pytest.mark.parametrize("workers", [1, 2])
def test_every_job_is_trained_and_told_of(workers):
    queue = Queue([make_job(number, fold) for number in range(3) for fold in range(2)])
    assert isinstance(queue, Director)
    train_population(queue, workers=workers)
    assert queue.given == [0, 0, 1, 1, 2, 2]
    assert sorted((t.job.number, t.job.fold) for t in queue.trained) == sorted(queue.epochs)
    assert all(epochs == [1, 2, 3] for epochs in queue.epochs.values())
    assert len(queue.threads) == workers
    if workers == 1:
        assert [t.job.number for t in queue.trained] == queue.given


def test_a_network_is_the_one_that_the_loop_gives_alone():
    queue = Queue([make_job(1, fold=2, seed=5)])
    train_population(queue, workers=1)
    (trained,) = queue.trained
    job = trained.job
    network = build(job.architecture, jax.random.fold_in(jax.random.key(5), 2))
    alone, history = train(
        network, job.architecture, job.recipe, job.examples, job.held_out,
        start=2, rows=job.rows, judge=judge,
    )  # fmt: skip
    for a, b in zip(jax.tree.leaves(trained.network), jax.tree.leaves(alone), strict=True):
        np.testing.assert_array_equal(a, b)
    assert trained.history.best_epoch == history.best_epoch
    z = alone.combine(jnp.asarray(X[HELD_OUT]))
    np.testing.assert_allclose(trained.z, z, atol=1e-5)
    assert trained.z.shape == (30, 2)
    assert judge(trained.z)[0] == trained.history.best.validation_loss
    assert trained.seconds > 0


def test_a_cut_network_ends_at_once_and_says_why():
    queue = Queue([make_job(0, epochs=50), make_job(1)], cut={0})
    train_population(queue, workers=1)
    assert queue.epochs == {(0, 0): [1], (1, 0): [1, 2, 3]}
    assert queue.trained[0].history.events[-1].text == "behind"
    assert queue.trained[1].history.events[-1].text == "all epochs done"


def test_a_network_without_a_finite_loss_is_told_of_and_the_others_go_on():
    queue = Queue([make_job(0, x=np.full_like(X, np.inf)), make_job(1)])
    train_population(queue, workers=1)
    failed, good = queue.trained
    assert failed.network is None
    assert failed.z is None
    assert "left out: expected a finite loss" in failed.history.events[0].text
    assert good.network is not None


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_another_kind_ends_it_at_once_and_is_raised(workers):
    def broken():
        raise MemoryError("no room")

    queue = Queue([make_job(0), broken, make_job(1, epochs=20)])
    began = time.process_time()
    with pytest.raises(MemoryError, match="no room"):
        train_population(queue, workers=workers, deadline=Deadline(30.0))
    assert time.process_time() - began < 10


def test_the_deadline_is_kept():
    queue = Queue([make_job(n, epochs=100_000) for n in range(50)])
    began = time.process_time()
    train_population(queue, workers=2, deadline=Deadline(0.5))
    assert time.process_time() - began < 8  # all of them take minutes
    assert 1 <= len(queue.trained) < 50


def test_rates_come_down_by_the_deadline(ticking):
    queue = Queue([make_job(n, epochs=100_000) for n in range(50)])
    train_population(queue, workers=1, deadline=Deadline(1.5))
    assert 1 <= len(queue.trained) < 50
    last = queue.trained[0].history.epochs[-1]
    assert last.learning_rate < 0.02


def test_a_deadline_that_is_past_still_gives_one_network():
    queue = Queue([make_job(n) for n in range(5)])
    train_population(queue, workers=1, deadline=Deadline(0.0))
    assert len(queue.trained) == 1
    assert queue.trained[0].network is not None


class Stop(Monitor):
    def __init__(self, after):
        self.seen, self.after = [], after

    def on_epoch(self, start, epoch):
        self.seen.append((start, epoch.epoch))

    def should_stop(self):
        return len(self.seen) >= self.after


def test_a_request_to_stop_ends_all_and_keeps_what_is_there():
    queue, monitor = Queue([make_job(n) for n in range(9)]), Stop(after=5)
    train_population(queue, workers=1, monitor=monitor)
    assert monitor.seen == [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2)]
    assert [t.job.number for t in queue.trained] == [0, 1]
    assert queue.trained[1].history.events[-1].text == "stopped by request"
    assert queue.trained[1].network is not None


class Late(Queue):
    """Has a second job only once the first is trained."""

    def next_job(self):
        if self.given and not self.trained:
            return None
        return super().next_job()


def test_a_thread_without_work_waits_for_more():
    queue = Late([make_job(0, epochs=30), make_job(1)])
    train_population(queue, workers=2)
    assert [t.job.number for t in queue.trained] == [0, 1]
