"""A contest whose winner learns from everything, what judged included."""

import jax.numpy as jnp
import numpy as np
import pytest

from fathom.nn.architecture import Architecture
from fathom.nn.dense import Dense
from fathom.search import everything
from fathom.search.contest import Entry, Ground
from fathom.search.everything import judge_and_learn, learn_more
from fathom.training.monitor import Deadline, Monitor
from fathom.training.plan import Examples
from fathom.training.recipe import Recipe
from fathom.training.starts import n_workers

CORNERS = np.array([[2, 0], [-2, 0], [0, 3]], np.float32)  # of the last class only judges know


def make_rows():
    rng = np.random.default_rng(0)
    classes = np.arange(150, dtype=np.int32) % 2
    classes[100:] = np.arange(50) % 3
    x = (CORNERS[classes] + 0.3 * rng.normal(size=(150, 2))).astype("f4")
    return Examples(jnp.asarray(x), jnp.asarray(classes), jnp.ones(150, jnp.float32))


def enter(rate, epochs=30):
    output = Dense(units=3, activation="softmax")
    described = Architecture(input_shape=(2,), layers=(output,), loss="cross_entropy")
    recipe = Recipe(learning_rate=rate, batch_size=32, epochs=epochs, seed=3)
    return Entry(f"rate {rate}", described, recipe)


class Ear(Monitor):
    """Hears all, and asks to stop once the first judged network is done, where told to."""

    def __init__(self, *, stops=False):
        self.events, self.epochs, self.stops = [], {}, stops

    def on_network(self, event):
        self.events.append(event)

    def on_epoch(self, start, epoch):
        self.epochs.setdefault(start, []).append(epoch)

    def should_stop(self):
        return self.stops and any(event.status == "complete" for event in self.events)


def run(ear, entries=None, seconds=600.0):
    entries = entries or (enter(1e-4), enter(0.05))
    examples = make_rows()
    judges = Examples(*(part[100:] for part in examples))
    ground = Ground(examples, np.arange(100), judges)
    return judge_and_learn(
        entries, ground, np.arange(150), deadline=Deadline(seconds), monitor=ear
    )  # fmt: skip


@pytest.fixture(scope="module")
def learned():
    ear = Ear()
    return run(ear), ear


def right(network):
    examples = make_rows()
    z = np.asarray(network.combine(examples.x))
    return float((z.argmax(axis=1) == np.asarray(examples.y)).mean())


def test_the_best_judged_is_trained_on_what_judged_it_too(learned):
    found, _ = learned
    assert found.entry.name == "rate 0.05"
    assert len(found.networks) >= n_workers()
    for network in found.networks:
        assert right(network) > 0.95  # also of the class that nobody but judges knew


def test_what_was_judged_and_what_learned_stand_in_the_history(learned):
    found, ear = learned
    judged, others = found.starts[:2], found.starts[2:]
    assert found.kept == tuple(range(2, 2 + len(others)))
    assert len(others) == found.entry.recipe.n_starts == len(found.networks)
    assert all(start.best.validation_loss is not None for start in judged)
    assert all(start.best.validation_loss is None for start in others)
    assert "cut after its trial" in judged[0].events[-1].text
    assert {number: len(epochs) for number, epochs in ear.epochs.items()} == {
        number: len(start.epochs) for number, start in enumerate(found.starts)
    }
    last = {event.number: event.status for event in ear.events}
    assert last == {0: "cut", **dict.fromkeys(range(1, len(found.starts)), "complete")}


def test_who_asks_to_stop_gets_the_network_that_was_judged():
    found = run(Ear(stops=True))
    assert len(found.networks) == 1
    (number,) = found.kept
    losses = [start.best.validation_loss for start in found.starts if start.best]
    assert found.starts[number].best.validation_loss == min(losses)


def test_more_networks_are_averaged_with_those_there_are(learned):
    found, _ = learned
    more = learn_more(found, make_rows(), deadline=Deadline(600.0), monitor=Monitor())
    n = len(found.networks)
    assert more.networks[:n] == found.networks
    assert more.starts[: len(found.starts)] == found.starts
    assert len(more.networks) == len(more.kept) == n + n_workers()
    assert right(more.networks[-1]) > 0.95
    first, new = (np.asarray(more.networks[place].combine(make_rows().x)) for place in (0, -1))
    assert not np.allclose(first, new)  # of another start


def expect_loops(monkeypatch, n_asked):
    """Have loops be compiled once they have been asked for so often."""
    answers = iter([False] * n_asked + [True] * 1000)
    monkeypatch.setattr(everything, "ASKED_EVERY_S", 0.0)
    monkeypatch.setattr(everything, "expected_loops", lambda *_: "pictures")
    monkeypatch.setattr(everything, "are_loops_ready", lambda name: next(answers))


def test_until_loops_are_compiled_the_surest_is_trained_and_then_all_are_judged(monkeypatch):
    expect_loops(monkeypatch, 5)
    ear = Ear()
    found = run(ear)
    early, *judged = found.starts[:3]
    assert len(early.epochs) == 6
    assert any("loops are compiled now (rate 0.0001)" in event.text for event in early.events)
    assert [len(start.epochs) for start in judged] == [30, 30]
    assert found.entry.name == "rate 0.05"
    assert found.kept == tuple(range(3, len(found.starts)))
    begun = [(event.number, event.structure) for event in ear.events if event.status == "begun"]
    assert begun[0] == (0, "rate 0.0001")
    assert sorted(begun[1:3]) == [(1, "rate 0.0001"), (2, "rate 0.05")]


def test_where_little_time_is_left_then_the_surest_learns_from_everything(monkeypatch):
    expect_loops(monkeypatch, 0)
    found = run(Ear(), seconds=everything.LEAST_S - 1)
    assert found.entry.name == "rate 0.0001"
    assert len(found.starts[0].epochs) == 1
    assert found.kept == tuple(range(1, len(found.starts)))
    assert all(start.best.validation_loss is None for start in found.starts[1:])


def test_where_loops_come_too_late_what_was_trained_meanwhile_is_the_model(monkeypatch):
    expect_loops(monkeypatch, 1000)
    found = run(Ear())
    assert found.entry.name == "rate 0.0001"
    assert found.kept == (0,)
    assert len(found.starts) == len(found.networks) == 1
    assert len(found.starts[0].epochs) == 30


@pytest.mark.parametrize(("first", "second"), [(5, 30), (3, 3)])
def test_trials_of_unequal_length_or_few_steps_decide_nothing(first, second):
    found = run(Ear(), (enter(1e-3, epochs=first), enter(0.05, epochs=second)))
    losses = [start.best.validation_loss for start in found.starts[:2]]
    assert losses[1] < losses[0]
    assert found.entry.name == "rate 0.001"
    said = f"trials of {first} to {second} epochs say nothing"
    assert said in found.starts[1].events[-1].text


def test_side_by_side_all_are_judged_and_none_is_missing():
    examples, ear = make_rows(), Ear()
    ground = Ground(examples, np.arange(120), Examples(*(part[120:] for part in examples)))
    found = everything.learn_side_by_side(
        enter(0.05), ground, 2, deadline=Deadline(600.0), monitor=ear
    )
    assert found.kept == (0, 1)
    assert len(found.networks) == found.entry.recipe.n_starts == 2
    assert all(start.best.validation_loss is not None for start in found.starts)
    done = [event for event in ear.events if event.status == "complete"]
    assert sorted(event.number for event in done) == [0, 1]
    assert all(event.loss is not None for event in done)
