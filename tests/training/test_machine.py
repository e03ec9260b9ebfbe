"""The machine: what a step needs, what there is, and batches worked through in parts."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fathom import Activation, Architecture, BatchNorm, Conv2D, Dense, Recipe, Residual
from fathom.errors import TrainingError
from fathom.nn.blocks import Flatten
from fathom.nn.network import build
from fathom.training import loop, machine
from fathom.training.loop import make_plan, train
from fathom.training.machine import evaluated_at_once, free_bytes, parts_for, step_bytes
from fathom.training.plan import Examples, Knobs
from fathom.training.program import make_program

OUTPUT = Dense(units=3, activation="softmax")
DENSE = Architecture(input_shape=(4,), layers=(Dense(units=8), OUTPUT), loss="cross_entropy")
CONVOLUTIONAL = Architecture(
    input_shape=(4, 4, 1), layers=(Conv2D(channels=2), Flatten(), OUTPUT), loss="cross_entropy"
)
RNG = np.random.default_rng(0)


def examples(architecture, n=24):
    x = RNG.normal(size=(n, *architecture.input_shape)).astype(np.float32)
    weight = RNG.uniform(0.5, 1.5, n).astype(np.float32)
    return Examples(*map(jnp.asarray, (x, RNG.integers(0, 3, n, np.int32), weight)))


def test_what_a_step_needs_is_counted_by_hand():
    # 4 + 8 + 3 values of each of 10 examples; (4 + 1) 8 + (8 + 1) 3 = 67 parameters.
    assert step_bytes(DENSE, 10) == 4 * (4 * 10 * 15 + 11 * 67)
    block = Residual(layers=(Dense(units=5), Dense(units=4)))
    with_block = DENSE.model_copy(update={"layers": (block, *DENSE.layers)})
    more = step_bytes(with_block, 10) - step_bytes(DENSE, 10)
    assert more == 4 * (4 * 10 * (4 + 5 + 4) + 11 * (5 * 5 + 6 * 4))


def test_a_batch_is_divided_as_little_as_it_must():
    whole, half = step_bytes(DENSE, 24), step_bytes(DENSE, 12)
    assert parts_for(DENSE, 24, None) == parts_for(DENSE, 24, whole) == 1
    assert parts_for(DENSE, 24, whole - 1) == parts_for(DENSE, 24, half) == 2
    assert parts_for(DENSE, 24, half - 1) == 3
    assert parts_for(DENSE, 7, step_bytes(DENSE, 3)) == 7  # parts are of equal size
    with pytest.raises(TrainingError, match=r"expected memory for a step .* free for a network"):
        parts_for(DENSE, 24, step_bytes(DENSE, 1) - 1)


def test_what_is_free_is_no_more_than_a_container_may_take(tmp_path):
    free = free_bytes()
    assert free is None or free > 2**20
    assert machine._free_of_group(tmp_path) is None
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("100\n")
    assert machine._free_of_group(tmp_path) is None
    (tmp_path / "memory.max").write_text("1500\n")
    assert machine._free_of_group(tmp_path) == 1400


def test_large_pictures_are_evaluated_in_fewer_at_once():
    assert evaluated_at_once(DENSE, 512) == 512
    wide = Architecture(
        input_shape=(512, 512, 1), layers=(Conv2D(channels=8), Flatten(), OUTPUT),
        loss="cross_entropy",
    )  # fmt: skip
    assert evaluated_at_once(wide, 512) == 32  # 512 · 512 · 8 · 32 = 2^26


@pytest.mark.parametrize(
    ("architecture", "reduction", "is_scanned"),
    [(DENSE, "total", True), (CONVOLUTIONAL, "mean", False)],
)
def test_a_step_in_parts_is_the_step_of_the_whole_batch(architecture, reduction, is_scanned):
    architecture = architecture.model_copy(update={"reduction": reduction})
    known, network = examples(architecture), build(architecture, jax.random.key(1))
    knobs = Knobs(jnp.float32(0.01), jnp.float32(0.1))
    rows = RNG.permutation(24).astype(np.int32)[None]
    found = []
    for parts in (1, 4):
        program = make_program(make_plan(architecture, Recipe(), is_scanned, parts))
        state = program.start(network)
        state, sums, is_finite = program.advance(
            state, known, rows, jax.random.key(0), np.full(1, 0.01, np.float32), knobs
        )
        assert is_finite
        found.append((jax.tree.leaves(program.weights(state)), sums))
    for whole, divided in zip(*(weights for weights, _ in found), strict=True):
        np.testing.assert_allclose(divided, whole, atol=2e-6)
    for whole, divided in zip(*(sums for _, sums in found), strict=True):
        np.testing.assert_allclose(divided, whole, rtol=1e-5)


def test_where_memory_is_short_training_goes_on_in_parts_and_says_so(monkeypatch):
    layers = (Dense(units=8), BatchNorm(), Activation(), OUTPUT)
    described = DENSE.model_copy(update={"layers": layers})
    known, recipe = examples(described), Recipe(batch_size=12, epochs=3)
    monkeypatch.setattr(loop, "SMALL", 0)
    monkeypatch.setattr(loop, "room_for_steps", lambda cores: step_bytes(described, 4))
    network = build(described, jax.random.key(0))
    trained, history = train(network, described, recipe, known, None)
    assert history.steps.parts == 3
    (told,) = [event.text for event in history.events if event.kind == "divided"]
    assert "12 examples" in told
    assert "3 parts of 4" in told
    before, after = (one.layers[1].running_mean.value for one in (network, trained))
    assert not np.allclose(before, after)  # batch normalization moved on
    monkeypatch.undo()  # memory enough: what was recorded is done again all the same
    again, _ = train(network, described, recipe, known, None, steps=history.steps)
    for one, other in itertools.zip_longest(jax.tree.leaves(trained), jax.tree.leaves(again)):
        np.testing.assert_array_equal(one, other)


def test_jax_is_asked_for_a_platform_only_where_there_may_be_one(monkeypatch):
    monkeypatch.setattr(machine, "is_loaded", lambda: False)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    for may, found in ((False, "cpu"), (True, "gpu")):
        monkeypatch.setattr(machine, "_may_be_accelerated", lambda may=may: may)
        assert machine.platform() == found
        assert isinstance(machine.place(np.ones(2)), jax.Array if may else np.ndarray)


def test_a_package_for_an_accelerator_is_noticed(monkeypatch):
    look = machine._may_be_accelerated.__wrapped__
    monkeypatch.setattr(machine.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(machine, "entry_points", lambda group: ())
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    assert not look()
    monkeypatch.setattr(machine, "entry_points", lambda group: (group,))
    assert look()
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert not look()
