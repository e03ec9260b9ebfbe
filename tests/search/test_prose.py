"""How many networks for texts there is time for, and which of those judged is taken."""

import math

import numpy as np
import pytest

from fathom import Dense
from fathom.errors import TrainingError
from fathom.search.contest import Ground
from fathom.search.prose import (
    FEW,
    MOST_STARTS,
    Prepared,
    _affordable,
    _contest,
    _judge,
    _same_kind,
    text_entries,
)
from fathom.training.history import Epoch, StartHistory
from fathom.training.monitor import Deadline, Monitor
from fathom.training.plan import Examples

OUTPUT = Dense(units=3, activation="softmax")


def entries(length=300):
    return text_entries(length, 1000, OUTPUT, "cross_entropy", 2000, 0)


@pytest.mark.parametrize(("seconds", "longest", "least", "most"), [
    (None, 9.0, MOST_STARTS, MOST_STARTS), (1000.0, 1.0, MOST_STARTS, MOST_STARTS),
    (9.0, 10.0, 1, 1), (5.0, 10.0, 0, 0), (-60.0, 10.0, 0, 0),
])  # fmt: skip
def test_as_many_networks_as_time_allows_and_never_fewer_than_none(seconds, longest, least, most):
    deadline = Deadline(seconds)
    assert math.isinf(deadline.remaining()) == (seconds is None)
    assert least <= _affordable(deadline, longest) <= most


def test_texts_of_few_n_grams_are_left_more_of_them():
    dropped = [one.architecture.layers[0].dropout for n in (FEW - 8, FEW) for one in entries(n)[:1]]
    assert dropped[0] < dropped[1]


def test_two_ways_of_stepping_are_judged_before_depth():
    first, second, third = entries()
    assert first.recipe.optimizer != second.recipe.optimizer
    assert [len(one.architecture.layers) for one in (first, second)] == [3, 3]
    assert len(third.architecture.layers) > 3


def test_texts_of_few_n_grams_are_not_learned_by_momentum_and_the_chosen_kind_is_found_again():
    assert {one.recipe.optimizer for one in entries(FEW - 8)} == {"adamw"}
    for one in entries(FEW - 8):
        assert _same_kind(entries(FEW), one).architecture.layers[1:] == one.architecture.layers[1:]
    assert _same_kind(entries(FEW - 8), entries(FEW)[1]) == entries(FEW - 8)[0]
    assert _same_kind(entries(), None) == entries()[0]


def test_a_network_without_a_finite_loss_is_behind_every_other(monkeypatch):
    found = entries()
    losses = dict(zip([entry.name for entry in found], (None, 0.7, 0.5), strict=True))

    def train(number, entry, network, ground, deadline, monitor):
        loss = losses[entry.name]
        if loss is None:
            raise TrainingError("a finite loss", got="nan")
        epoch = Epoch(
            epoch=1, train_loss=0.1, train_score=1.0, validation_loss=loss, validation_score=0.9,
            learning_rate=0.1, seconds=1.0,
        )  # fmt: skip
        return f"network {number}", StartHistory(epochs=(epoch,), best_epoch=1)

    monkeypatch.setattr("fathom.search.prose.run_entry", train)
    ground = Ground(Examples(np.zeros(1), np.zeros(1), np.ones(1)), np.arange(1), None)
    judged = _judge(found, 0, ground, Deadline(None), Monitor())
    assert [one.loss for one in judged] == [math.inf, 0.7, 0.5]
    assert [one.network for one in judged] == [None, "network 1", "network 2"]
    assert "left out" in judged[0].history.events[0].text


def test_what_one_division_cannot_tell_apart_is_judged_by_further_ones(monkeypatch):
    """Losses by the texts held out: the first division alone would choose by chance."""
    losses = {
        "one hidden layer": (0.50, 0.50, 0.50),
        "one hidden layer, steps as long as the slope": (0.52, 0.40, 0.42),
        "three hidden layers": (0.90, 0.10, 0.10),  # out of the running after the first
    }

    def train(number, entry, network, ground, deadline, monitor):
        kind = next(kind for kind in losses if entry.name.endswith(f" {kind}"))
        loss = losses[kind][int(ground.held_out.x[0])]
        epoch = Epoch(
            epoch=1, train_loss=0.1, train_score=1.0, validation_loss=loss, validation_score=0.9,
            learning_rate=0.1, seconds=1.0,
        )  # fmt: skip
        return f"network {number}", StartHistory(epochs=(epoch,), best_epoch=1)

    monkeypatch.setattr("fathom.search.prose.run_entry", train)
    x = np.arange(3)
    prepare = lambda rows: Prepared(Examples(x, x, np.ones(3)), 900)
    describe = lambda prepared, n: text_entries(300, 900, OUTPUT, "cross_entropy", n, 0)
    divisions = [(np.delete(x, place), x[[place]]) for place in range(3)]
    starts, best = _contest(prepare, describe, divisions, Deadline(None), Monitor())
    assert best.entry.name.endswith("as long as the slope")
    assert best.network == "network 1"  # of the first division, whose codes are those kept
    assert len(starts) == 3 + 2 + 2
    _, alone = _contest(prepare, describe, divisions[:1], Deadline(None), Monitor())
    assert alone.entry.name.endswith("one hidden layer")
    starts, _ = _contest(prepare, describe, divisions, Deadline(1e-6), Monitor())
    assert len(starts) <= 3  # no time to ask others
