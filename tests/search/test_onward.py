"""Onward: more rows make networks better, and rows that do harm are forgotten."""

import numpy as np
import polars as pl
import pytest

from fathom.data.columns import infer_columns
from fathom.data.parsing import parse_table
from fathom.data.schema import Target
from fathom.data.splitting import make_folds
from fathom.search import rounds as in_rounds
from fathom.search import strategy
from fathom.search.design import Plan
from fathom.search.onward import Window, train_onward
from fathom.search.prediction import predict
from fathom.search.rounds import Rounds, design_in_rounds
from fathom.search.space import Genes
from fathom.training.monitor import Deadline

N, N_MORE = 400, 12_000
RNG = np.random.default_rng(3)
X = RNG.normal(size=(N + N_MORE, 4))
CHANCE = 1 / (1 + np.exp(-4 * X[:, 0] * X[:, 1]))
Y = (RNG.random(N + N_MORE) < CHANCE).astype(int)
FRAME = pl.DataFrame({name: X[:, n] for n, name in enumerate("abcd")})
COLUMNS, _ = infer_columns(FRAME[:N])
SAMPLE = parse_table(FRAME[:N], COLUMNS)
TARGET = Target(task="classes", classes=("no", "yes"))
WEIGHT = np.ones(N, np.float32)


@pytest.fixture(scope="module")
def searched():
    """Return a small search, and the division of its rows."""
    member = Genes(depth=2, width=32, input_form="robust", epochs=20, batch_size=64, dropout=0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strategy, "first_members", lambda *_, **__: [member])
        patch.setattr(in_rounds, "FOLDS", 2)
        found, search = design_in_rounds(
            SAMPLE, TARGET, Y[:N], WEIGHT, Plan(0), Rounds(address="here", n_rounds=1),
            deadline=Deadline(None),
        )  # fmt: skip
    return found, search.material.folds


def windows(y, size=3000):
    for begin in range(N, N + N_MORE, size):
        rows = slice(begin, begin + size)
        parsed = parse_table(FRAME[rows], COLUMNS)
        yield Window(parsed, y[rows], np.ones(size), (begin - N) / N_MORE)


def onward(searched, y=Y, seconds=None):
    found, folds = searched
    return train_onward(
        found, SAMPLE, Y[:N], WEIGHT, folds, windows(y), deadline=Deadline(seconds)
    )  # fmt: skip


def test_more_rows_make_the_model_better(searched):
    came = onward(searched)
    trained = sum(len(member.networks) for member in searched[0].members)
    assert (came.n_rows, came.n_networks) == (N_MORE, trained)
    assert came.n_better >= 1
    assert came.design.report.validation_loss < came.loss_before
    fresh = np.random.default_rng(9).normal(size=(4000, 4))
    rows = parse_table(pl.DataFrame({n: fresh[:, k] for k, n in enumerate("abcd")}), COLUMNS)
    chance = 1 / (1 + np.exp(-4 * fresh[:, 0] * fresh[:, 1]))

    def loss(design):
        said = predict(design, rows)[:, 1]
        return -np.mean(chance * np.log(said) + (1 - chance) * np.log(1 - said))

    assert loss(came.design) < loss(searched[0])


def test_it_is_the_same_twice(searched):
    one, other = onward(searched), onward(searched)
    assert np.array_equal(predict(one.design, SAMPLE), predict(other.design, SAMPLE))


def test_rows_that_do_harm_leave_the_model_as_it_was(searched):
    came = onward(searched, y=1 - Y)
    assert came.n_better == 0
    assert came.design.report.validation_loss == pytest.approx(came.loss_before, rel=1e-6)
    assert np.array_equal(predict(came.design, SAMPLE), predict(searched[0], SAMPLE))


def test_without_time_the_model_is_as_it_was(searched):
    came = onward(searched, seconds=0.0)
    assert (came.n_rows, came.n_better) == (0, 0)
    assert np.array_equal(predict(came.design, SAMPLE), predict(searched[0], SAMPLE))


def test_the_division_is_that_of_the_search(searched):
    _, folds = searched
    expected = make_folds(N, 2, 0.2, 0, classes=Y[:N], groups=None, order=None)
    assert all(
        np.array_equal(one.held_out, other.held_out)
        for one, other in zip(folds, expected, strict=True)
    )
