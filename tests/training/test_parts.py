"""Rows in several arrays: the same training as in one, and pictures alone are ever changed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fathom.nn.architecture import Architecture
from fathom.nn.dense import Dense
from fathom.nn.network import build
from fathom.nn.stems import Stem, Stems
from fathom.training.loop import train
from fathom.training.program import Examples, join_parts
from fathom.training.recipe import Augmentation, Recipe

RNG = np.random.default_rng(0)
COLUMNS = RNG.normal(size=(40, 3)).astype(np.float32)
LEVELS = RNG.integers(0, 256, (40, 2, 4, 1)).astype(np.uint8)
Y = jnp.asarray((COLUMNS[:, 0] > 0).astype(np.int32))
RECIPE = Recipe(epochs=2, batch_size=8, learning_rate=0.01)


def examples(x):
    return Examples(x, Y, jnp.ones(len(Y), jnp.float32))


def trained(x, recipe, first=0, width=11):
    stem = Stem(name="part", first=first, shape=(width,), layers=(Dense(units=2),))
    layers = (Stems(stems=(stem,)), Dense(units=2, activation="softmax"))
    described = Architecture(input_shape=(11,), layers=layers, loss="cross_entropy")
    network = build(described, jax.random.key(0))
    known = examples(x)
    after, history = train(network, described, recipe, known, known, engine="xla")
    return jax.tree.leaves(after), [epoch.validation_loss for epoch in history.epochs]


def test_rows_in_several_arrays_train_as_those_in_one():
    parts = (jnp.asarray(COLUMNS), jnp.asarray(LEVELS))
    one = np.hstack([COLUMNS, LEVELS.reshape(40, -1).astype(np.float32)])
    np.testing.assert_array_equal(join_parts(parts), one)
    (first, losses), (second, others) = trained(parts, RECIPE), trained(jnp.asarray(one), RECIPE)
    assert losses == others
    assert all(map(np.array_equal, first, second))


@pytest.mark.parametrize(("first", "width", "is_same"), [(0, 3, True), (3, 8, False)])
def test_augmentation_changes_the_pictures_of_a_row_and_nothing_else(first, width, is_same):
    parts = (jnp.asarray(COLUMNS), jnp.asarray(LEVELS))
    changed = RECIPE.model_copy(update={"augmentation": Augmentation(shift=1, light=0.5)})
    plain, moved = (trained(parts, recipe, first, width)[1] for recipe in (RECIPE, changed))
    assert (plain == moved) == is_same
