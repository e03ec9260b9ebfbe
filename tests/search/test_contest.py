"""A contest of networks: the best is trained on, the others are cut and say so."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fathom.nn.architecture import Architecture
from fathom.nn.dense import Dense
from fathom.search import contest as contests
from fathom.search.contest import Entry, Ground, challenge, contest
from fathom.search.picturing import choose_size, count_products, picture_entries, picture_network
from fathom.training.monitor import Deadline, Monitor
from fathom.training.plan import Examples
from fathom.training.recipe import Recipe

OUTPUT = Dense(units=2, activation="softmax")


class Ear(Monitor):
    def __init__(self):
        self.heard = []

    def on_network(self, event):
        self.heard.append((event.number, event.status))


@pytest.fixture(scope="module")
def ground():
    """Return two rings that a line cannot part."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 2)).astype(np.float32)
    y = (np.hypot(*x.T) > 1.1).astype(np.int32)
    examples = Examples(jnp.asarray(x), jnp.asarray(y), jnp.ones(300))
    held_out = Examples(*(part[200:] for part in examples))
    return Ground(examples, np.arange(200), held_out)


def entries(epochs=15):
    line = Architecture(input_shape=(2,), layers=(OUTPUT,), loss="cross_entropy")
    deep = Architecture(input_shape=(2,), layers=(Dense(units=32, activation="tanh"), OUTPUT),
                        loss="cross_entropy")  # fmt: skip
    recipe = Recipe(learning_rate=0.02, epochs=epochs, batch_size=20)
    return Entry("a line", line, recipe), Entry("deep", deep, recipe)


def test_the_better_network_is_trained_on_and_the_other_says_why_it_was_cut(ground):
    ear = Ear()
    found = contest(entries(), ground, deadline=Deadline(600.0), monitor=ear)
    assert found.entry.name == "deep"
    assert len(found.starts) == 3
    assert "cut after its trial (a line)" in found.starts[0].events[-1].text
    assert found.starts[0].events[-2].text == "all epochs done (a line)"
    assert found.starts[2].events[-1].text == "all epochs done (deep)"
    assert ear.heard == [
        (0, "begun"), (0, "complete"), (1, "begun"), (1, "complete"), (0, "cut"),
        (1, "begun"), (1, "complete"),
    ]  # fmt: skip
    best = [start.best.validation_loss for start in found.starts]
    assert best[2] <= best[1] < best[0]


@pytest.mark.parametrize("first", [0, 1])
def test_a_challenger_is_kept_where_it_is_better_and_otherwise_cut(ground, first):
    order = [entries()[first], entries()[1 - first]]
    options = {"deadline": Deadline(600.0), "monitor": Monitor()}
    found = contest(order[:1], ground, **options)
    after = challenge(found, order[1], ground, **options)
    assert after.entry.name == "deep"
    assert after.kept == 1 - first
    assert after.entry.architecture.n_parameters == sum(
        leaf.size for leaf in jax.tree.leaves(after.network)
    )
    texts = [start.events[-1].text for start in after.starts]
    assert "cut after its trial (a line)" in texts[first]
    assert "cut" not in texts[1 - first]


def test_a_challenger_whose_loss_is_not_finite_leaves_the_winner(ground):
    options = {"deadline": Deadline(600.0), "monitor": Monitor()}
    line, deep = entries(epochs=2)
    found = contest([line], ground, **options)
    huge = ground.examples._replace(x=ground.examples.x * jnp.float32(np.inf))
    after = challenge(found, deep, replace(ground, examples=huge), **options)
    assert after.kept == 0
    assert after.network is found.network
    assert "left out (deep): " in after.starts[1].events[-1].text


def test_with_little_time_the_first_is_trained_alone(ground):
    ear = Ear()
    found = contest(entries(2), ground, deadline=Deadline(20.0), monitor=ear)
    assert found.entry.name == "a line"
    assert {number for number, _ in ear.heard} == {0}


def test_what_followed_a_trial_is_dropped_where_it_is_worse(ground, monkeypatch):
    run, calls = contests.run_entry, []

    def spoil(number, entry, network, *rest):
        trained, history = run(number, entry, network, *rest)
        calls.append(trained)
        if network is None:
            return trained, history
        best = history.best.model_copy(update={"validation_loss": 99.0})
        return trained, history.model_copy(update={"epochs": (best,), "best_epoch": best.epoch})

    monkeypatch.setattr(contests, "run_entry", spoil)
    found = contest(entries(3), ground, deadline=Deadline(600.0), monitor=Monitor())
    assert found.network in calls[:2]


def test_a_network_for_pictures_learns_by_its_recipe_what_a_picture_shows():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 90, (96, 16, 16, 3)).astype(np.uint8)
    y = (np.arange(96) % 2).astype(np.int32)
    for picture, kind, place in zip(x, y, rng.integers(0, 8, (96, 2)), strict=True):
        picture[place[0] : place[0] + 8, place[1] : place[1] + 8, 2 * kind] += 150
    examples = Examples(jnp.asarray(x), jnp.asarray(y), jnp.ones(96))
    held_out = Examples(*(part[64:] for part in examples))
    entry = picture_entries((16, 16, 3), 4, OUTPUT, "cross_entropy", 64, 0)[0]
    entry = replace(entry, recipe=entry.recipe.model_copy(update={"epochs": 25}))
    ground = Ground(examples, np.arange(64), held_out)
    found = contest([entry], ground, deadline=Deadline(None), monitor=Monitor())
    assert found.starts[0].best.validation_score > 0.9


def test_products_are_those_counted_by_hand():
    described = picture_network((16, 16, 3), 4, OUTPUT, "cross_entropy", has_residual=False)
    by_hand = 9 * 3 * 4 * 256 + 9 * 4 * 8 * 64 + 9 * 8 * 16 * 16 + 16 * 2 + 2
    assert count_products(described) == by_hand


def test_more_time_and_fewer_pictures_give_larger_ones():
    sides = [choose_size(1000, 300, seconds).side for seconds in (1, 30, 300, 3000)]
    assert sides == sorted(sides)
    assert sides[0] < sides[-1]
    assert choose_size(100_000, 300, 60).side < choose_size(1000, 300, 60).side
    assert choose_size(1000, 20, 3000).side == 20


def test_every_entry_for_pictures_can_be_built_at_any_size():
    for side in (8, 11, 28, 96):
        for entry in picture_entries((side, side, 3), 8, OUTPUT, "cross_entropy", 500, 0):
            assert entry.architecture.n_outputs == 2
            assert entry.recipe.augmentation is not None
