"""A network on many devices: it is what one device makes of it, and each holds its part."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fathom.errors import InputError
from fathom.training.mesh import make_mesh

CASES = Path(__file__).with_name("mesh_cases.py")
N_WEIGHTS = 8 * 12 + 12 + 2 * 12 + 2 * 12 + 2
N_STATISTICS = 2 * 12 + 1  # of the normalization; the rate of dropout


@pytest.fixture(scope="module")
def found():
    """Return what came of the trainings on four devices."""
    run = subprocess.run(
        [sys.executable, "-W", "error", str(CASES)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_after_100_steps_the_weights_are_those_of_one_device(found):
    """With all that can be divided and worked out twice; less of it is `test_supervision.py`'s."""
    assert found["moved"] > 0.1
    assert found["distance"] < 1e-5


def test_each_device_holds_its_part(found):
    assert found["nothing"]["weights"] == N_WEIGHTS + N_STATISTICS
    assert found["nothing"]["memory"] == 2 * N_WEIGHTS + 1  # two means, and a count of steps
    assert found["optimizer"]["weights"] == N_WEIGHTS + N_STATISTICS
    assert found["optimizer"]["memory"] == 2 * N_WEIGHTS // 2 + 1
    # Of four, the two biases of the output layer have no part: they are everywhere.
    assert found["weights"]["weights"] == (N_WEIGHTS - 2) // 4 + 2 + N_STATISTICS
    assert found["weights"]["memory"] == 2 * ((N_WEIGHTS - 2) // 4 + 2) + 1


def test_more_devices_than_there_are_is_an_error_that_says_how_to_have_them():
    with pytest.raises(InputError, match=r"at most 1 device, .* got 7 .* processes:7"):
        make_mesh(7)
