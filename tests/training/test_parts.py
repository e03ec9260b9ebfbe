"""Rows in several arrays: steps see what they would of one, and pictures alone are ever changed."""

import jax
import jax.numpy as jnp
import numpy as np

from fathom.nn.architecture import Architecture
from fathom.nn.dense import Dense
from fathom.nn.network import build
from fathom.training.augmentation import augment
from fathom.training.compiled import can_loop
from fathom.training.loop import make_plan
from fathom.training.plan import EVALUATION_BATCH, Examples
from fathom.training.program import _prepare, join_parts, make_program
from fathom.training.recipe import Augmentation, Recipe

RNG = np.random.default_rng(0)
N = EVALUATION_BATCH
COLUMNS = RNG.normal(size=(N, 3)).astype(np.float32)
LEVELS = RNG.integers(0, 256, (N, 2, 4, 1)).astype(np.uint8)
PARTS = (jnp.asarray(COLUMNS), jnp.asarray(LEVELS))
ONE = jnp.asarray(np.hstack([COLUMNS, LEVELS.reshape(N, -1).astype(np.float32)]))
Y, WEIGHT = jnp.asarray(RNG.integers(0, 2, N).astype(np.int32)), jnp.ones(N, jnp.float32)
ROWS = jnp.asarray(RNG.integers(0, N, (3, 4)).astype(np.int32))
KEY = jax.random.key(7)


def gather(examples, rows, key, changes):
    return _prepare(jax.tree.map(lambda part: part[rows], examples), key, changes)


def test_what_steps_see_of_rows_in_several_arrays_is_what_they_see_of_one():
    np.testing.assert_array_equal(join_parts(PARTS), ONE)
    several, one = (gather(Examples(x, Y, WEIGHT), ROWS, KEY, None) for x in (PARTS, ONE))
    assert several.x.shape == (3, 4, 11)
    assert all(map(np.array_equal, several, one))


def test_augmentation_changes_the_pictures_of_a_row_and_nothing_else():
    changes = Augmentation(shift=1, light=0.5)
    steps = jax.jit(gather, static_argnums=3)  # as steps do
    found = steps(Examples(PARTS, Y, WEIGHT), ROWS, KEY, changes).x.reshape(12, 11)
    chosen = np.asarray(ROWS).reshape(-1)
    np.testing.assert_array_equal(found[:, :3], COLUMNS[chosen])
    pictures = jax.jit(augment, static_argnums=2)(
        jnp.asarray(LEVELS[chosen], jnp.float32), KEY, changes
    )  # fmt: skip
    np.testing.assert_allclose(found[:, 3:], pictures.reshape(12, 8), rtol=1e-4, atol=1e-2)
    assert not np.array_equal(found[:, 3:], LEVELS[chosen].reshape(12, 8))


def test_evaluation_takes_several_arrays_and_the_loops_leave_them_alone():
    layers = (Dense(units=2, activation="softmax"),)
    described = Architecture(input_shape=(11,), layers=layers, loss="cross_entropy")
    network, plan = build(described, KEY), make_plan(described, Recipe())
    program = make_program(plan)
    np.testing.assert_array_equal(program.combine(network, PARTS), program.combine(network, ONE))
    several, one = (program.evaluate(network, Examples(x, Y, WEIGHT)) for x in (PARTS, ONE))
    assert float(several.loss) == float(one.loss)
    assert can_loop(plan, network, ONE)
    assert not can_loop(plan, network, PARTS)
