"""A search where there is an accelerator: many networks at once, those alike as one program.

There is none here: JAX is said to have one, and XLA computes on the processor after all.
"""

import contextlib
import threading

import jax
import numpy as np
import polars as pl
import pytest

from fathom.data.columns import infer_columns
from fathom.data.parsing import parse_table
from fathom.data.schema import Target
from fathom.data.splitting import make_folds
from fathom.search import design as designing
from fathom.search import strategy
from fathom.search.design import Plan, design
from fathom.search.material import Material
from fathom.search.prediction import predict
from fathom.search.record import STEPS_TOGETHER
from fathom.search.space import Genes
from fathom.search.tried import Tried, make_job
from fathom.training import together as meeting
from fathom.training.monitor import Deadline, Monitor
from fathom.training.population import THREAD_NAME, train_job, train_population

RNG = np.random.default_rng(2)
N = 160
X = RNG.normal(size=(N, 3))
Y = (X[:, 0] + 0.3 * X[:, 1] > 0).astype(int)
FRAME = pl.DataFrame({name: X[:, n] for n, name in enumerate("abc")})
PARSED = parse_table(FRAME, infer_columns(FRAME)[0])
TWO = Target(task="classes", classes=("no", "yes"))
WEIGHT = np.ones(N, np.float32)
USUAL = Genes(
    input_form="robust", depth=1, width=8, batch_size=32, epochs=2, dropout=0.1, spread=1.0
)
ALIKE = (USUAL, USUAL.model_copy(update={"learning_rate": 0.01, "weight_decay": 0.2}))


class All:
    """Asks for jobs in order and hears how they went."""

    def __init__(self, jobs):
        self.waiting, self.trained = list(jobs), []

    @property
    def is_done(self):
        return not self.waiting

    def next_job(self):
        job = self.waiting.pop(0)
        return lambda: job

    def on_epoch(self, job, epochs):
        return None

    def on_trained(self, trained):
        self.trained.append(trained)


@pytest.fixture
def sizes(monkeypatch):
    """Return how many networks each call of a program was for."""
    found, answer = [], meeting._answer

    def count(program, group):
        found.append(len(group))
        answer(program, group)

    monkeypatch.setattr(meeting, "_answer", count)
    return found


def test_candidates_and_folds_of_one_structure_are_what_each_is_alone(sizes, monkeypatch):
    all_there, join = threading.Barrier(3), meeting.Together.join

    @contextlib.contextmanager
    def join_and_wait(*given):
        with join(*given) as program:
            all_there.wait(120)
            yield program

    monkeypatch.setattr(meeting.Together, "join", join_and_wait)
    folds = make_folds(N, 2, 0.2, 0, classes=Y, groups=None, order=None)
    material = Material(PARSED, TWO, Y, WEIGHT, folds, 0)
    jobs = [make_job(Tried(n, ALIKE[n], ""), fold, material, 7)
            for n, fold in ((0, 0), (0, 1), (1, 1))]  # fmt: skip
    director = All(jobs)
    train_population(director, workers=3, takes_steps_together=True)
    assert sizes == [3] * USUAL.epochs
    for trained in director.trained:
        alone = train_job(trained.job, monitor=Monitor(), engine="xla")
        assert alone.history.best_epoch == trained.history.best_epoch
        np.testing.assert_allclose(trained.z, alone.z, atol=1e-5)
        for one, other in zip(
            jax.tree.leaves(trained.network), jax.tree.leaves(alone.network), strict=True
        ):
            np.testing.assert_allclose(one, other, atol=1e-5)


class Enough(Monitor):
    """Asks to stop once the first networks are in the model."""

    def __init__(self):
        self.n_complete = 0

    def on_network(self, event):
        self.n_complete += event.status == "complete"

    def should_stop(self):
        return self.n_complete >= 2


def test_a_search_trains_many_at_once_and_says_that_it_cannot_be_replayed(monkeypatch, sizes):
    monkeypatch.setattr(jax, "default_backend", lambda: "elsewhere")
    monkeypatch.setattr(strategy, "first_members", lambda *_, **__: list(ALIKE))
    monkeypatch.setattr(designing, "FOLDS", 2)
    asked = {}

    def population(*given, **more):
        asked.update(more)
        train_population(*given, **{**more, "workers": 4})

    monkeypatch.setattr(designing, "train_population", population)
    found, _ = design(PARSED, TWO, Y, WEIGHT, Plan(), deadline=Deadline(300.0), monitor=Enough())
    for thread in threading.enumerate():  # which were left behind while they trained
        if thread.name.startswith(THREAD_NAME):
            thread.join(120)
    assert asked["workers"] == meeting.MOST
    assert found.record.obstacle == STEPS_TOGETHER
    assert sum(sizes) > 0
    assert all(start.steps.engine == "xla" for start in found.history.starts)
    assert found.report.validation_loss < found.report.baseline_loss
    assert (predict(found, PARSED)[:, 1].round() == Y).mean() > 0.7
