"""Numbers too small to have all their digits: 0 while loops run, and as ever after them."""

import numpy as np
import pytest

from fathom.loops.compiling import loop
from fathom.loops.denormals import FLUSHED, flush, restore
from fathom.nn.architecture import Architecture
from fathom.nn.dense import Dense
from fathom.nn.keys import host_key
from fathom.nn.network import build
from fathom.training.compiled import make_loop_program
from fathom.training.loop import make_plan
from fathom.training.plan import Knobs, hold
from fathom.training.recipe import Recipe

SMALL = np.float32(1e-40)  # has not all its digits
IS_KNOWN_HOW = FLUSHED != 0  # for this processor; on any other numbers stay as they are


@loop
def halve(numbers):
    """Halve numbers."""
    for i in range(len(numbers)):
        numbers[i] *= np.float32(0.5)


def test_small_numbers_are_zero_until_the_rules_are_restored():
    numbers = np.full(40, SMALL)
    rules = flush()
    halve(numbers)
    restore(rules)
    assert numbers.any() != IS_KNOWN_HOW
    numbers[:] = SMALL
    halve(numbers)
    np.testing.assert_array_equal(numbers, SMALL / np.float32(2))


@pytest.mark.parametrize(("units", "batch", "cores"), [(8, 4, 1), (1000, 100, 1), (1000, 100, 2)])
def test_no_mean_stays_small_for_ever_and_numpy_computes_as_before(units, batch, cores):
    # The second and third networks are wide: another loop takes their steps.
    layers = (*[Dense(units=units)] * 2, Dense(units=2, activation="softmax"))
    described = Architecture(input_shape=(3,), layers=layers, loss="cross_entropy")
    program = make_loop_program(make_plan(described, Recipe(batch_size=batch)), (3,), cores)
    x = np.random.default_rng(0).normal(size=(batch, 3)).astype(np.float32)
    x[:, 2] = 0  # whose weights get no gradient
    known = hold(x, np.arange(batch) % 2, np.ones(batch))
    state = program.start(build(described, host_key(0)))
    own = slice(2, 3 * units, 3)  # the weights of that input, in the rows of the first layer
    first = int(state.packing.chain.layers[0]["weight"])
    mean = state.learner.mean[first:]
    mean[own] = 1.2e-38  # a step later it has not all its digits
    rows, knobs = np.arange(batch, dtype=np.int32)[None], Knobs(np.float32(0), np.float32(0))
    program.advance(state, known, rows, (0,), np.full(1, 1e-3, np.float32), knobs)
    assert mean[own].any() != IS_KNOWN_HOW
    assert mean[: 3 * units].any()
    program.combine(program.weights(state), x)
    assert SMALL * np.float32(0.5) > 0
