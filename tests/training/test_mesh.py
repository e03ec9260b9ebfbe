"""A network on many devices: it is what one device makes of it, and each holds its part."""

import json
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from fathom.errors import InputError
from fathom.nn.architecture import Architecture
from fathom.nn.blocks import Residual
from fathom.nn.convolution import Conv2D, GlobalAveragePool
from fathom.nn.dense import Dense
from fathom.nn.network import build
from fathom.nn.normalization import BatchNorm
from fathom.training.loop import make_plan, train
from fathom.training.mesh import MeshProgram, make_mesh
from fathom.training.program import Examples
from fathom.training.recipe import Augmentation, Recipe

CASES = Path(__file__).with_name("mesh_cases.py")
N_WEIGHTS = 8 * 12 + 12 + 2 * 12 + 2 * 12 + 2
N_STATISTICS = 2 * 12 + 1  # of the normalization; the rate of dropout
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def found():
    """Return what came of the trainings on four devices."""
    run = subprocess.run(
        [sys.executable, "-W", "error", str(CASES)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.parametrize("sharded", ["nothing", "optimizer", "weights"])
def test_after_100_steps_the_weights_are_those_of_one_device(found, sharded):
    assert found["moved"] > 0.1
    assert found[sharded]["distance"] < 1e-5


def test_each_device_holds_its_part(found):
    assert found["nothing"]["weights"] == N_WEIGHTS + N_STATISTICS
    assert found["nothing"]["memory"] == 2 * N_WEIGHTS + 1  # two means, and a count of steps
    assert found["optimizer"]["weights"] == N_WEIGHTS + N_STATISTICS
    assert found["optimizer"]["memory"] == 2 * N_WEIGHTS // 2 + 1
    # Of four, the two biases of the output layer have no part: they are everywhere.
    assert found["weights"]["weights"] == (N_WEIGHTS - 2) // 4 + 2 + N_STATISTICS
    assert found["weights"]["memory"] == 2 * ((N_WEIGHTS - 2) // 4 + 2) + 1


def test_what_is_worked_out_twice_is_the_same():
    layers = (
        Conv2D(channels=3), BatchNorm(),
        Residual(layers=(Conv2D(channels=3),)),
        GlobalAveragePool(), Dense(units=2, activation="softmax"),
    )  # fmt: skip
    described = Architecture(input_shape=(5, 4, 1), layers=layers, loss="cross_entropy")
    recipe = Recipe(epochs=3, batch_size=8, augmentation=Augmentation(shift=1.0))
    known = Examples(
        RNG.random((16, 5, 4, 1)).astype(np.float32), np.arange(16, dtype=np.int32) % 2,
        np.ones(16, np.float32),
    )  # fmt: skip
    network = build(described, jax.random.key(0))
    trained = []
    for program in (None, MeshProgram(
        make_plan(described, recipe, is_scanned=False), make_mesh(1), rematerialize=True
    )):  # fmt: skip
        found, _ = train(network, described, recipe, known, None, engine="xla", program=program)
        trained.append(jax.tree.leaves(found))
    for usual, again in zip(*trained, strict=True):
        np.testing.assert_allclose(again, usual, atol=1e-6)


def test_more_devices_than_there_are_is_an_error_that_says_how_to_have_them():
    with pytest.raises(InputError, match=r"at most 1 device, .* got 7 .* processes:7"):
        make_mesh(7)
