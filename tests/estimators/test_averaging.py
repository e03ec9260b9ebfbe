"""What networks say of many rows is the same to the bit by NumPy and by loops."""

import pickle
import subprocess
import sys

import jax
import numpy as np
import pytest

from fathom.data.encoding import NearStandardization, Standardization
from fathom.estimators import averaging
from fathom.estimators.averaging import Chains, Mean
from fathom.nn.architecture import Architecture
from fathom.nn.blocks import Dropout, Residual
from fathom.nn.dense import Dense
from fathom.nn.forward import SPACE
from fathom.nn.network import build
from fathom.training import engines

RNG = np.random.default_rng(0)
SOFTMAX = Dense(units=3, activation="softmax")
FEATURES = 30
FAR = 1e7 + 1 / 3  # whose nearest float32 is not near enough to be taken from a row

BLAS = np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]
pytestmark = pytest.mark.skipif(
    BLAS != "scipy-openblas", reason="NumPy was not built as its wheels are"
)


@pytest.fixture(autouse=True)
def loops():
    engines.warm_up()


def near():
    centers = np.full(FEATURES, 0.3)
    centers[3] = FAR
    return NearStandardization(Standardization(centers, np.linspace(0.5, 2, FEATURES)), FEATURES)


def chains_of(layers, output=SOFTMAX, n=1):
    loss = "cross_entropy" if output.activation == "softmax" else "squared_error"
    described = Architecture(input_shape=(FEATURES,), layers=(*layers, output), loss=loss)
    networks = tuple(build(described, jax.random.key(seed)) for seed in range(n))
    given = near()
    mean = Mean.of(networks, given.inverse)
    return mean, Chains(mean.forwards, given), given


def by_numpy(mean, standardization, x):
    room = SPACE.given(FEATURES + 1, len(x))
    assert standardization.center_into(x, room)
    out = np.empty((len(x), mean.forwards[0].n_outputs))
    mean.write(room, out)
    return out


def by_loops(chains, x, n_outputs):
    assert chains.can(x)
    out = np.full((len(x), n_outputs), np.nan)
    assert chains.write(x, out)
    return out


def rows(n, dtype="float32"):
    x = RNG.normal(size=(n, FEATURES))
    x[:, 3] += FAR
    return x.astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_rows", [1, 15, 127, 128, 129, 300, 2048, 5003])
@pytest.mark.parametrize(
    ("layers", "output"),
    [
        ((), SOFTMAX),
        ((Dense(units=64, activation="relu"), Dense(units=64, activation="relu")), SOFTMAX),
        ((Dense(units=1, activation="relu"), Dropout(rate=0.5)), SOFTMAX),
        (
            (Dense(units=17, activation="leaky_relu"), Dense(units=200, activation="identity")),
            Dense(units=1, activation="identity"),
        ),
        (
            (Dense(units=5, activation="relu", has_bias=False),),
            Dense(units=20, activation="softplus"),
        ),
    ],
)
def test_bits_are_those_of_numpy(layers, output, n_rows, dtype):
    mean, chains, given = chains_of(layers, output)
    x = rows(n_rows, dtype)
    found = by_loops(chains, x, output.units)
    np.testing.assert_array_equal(found, by_numpy(mean, given, x))


def test_several_networks_are_averaged_alike():
    mean, chains, given = chains_of((Dense(units=9, activation="relu"),), n=3)
    x = rows(400)
    np.testing.assert_array_equal(by_loops(chains, x, 3), by_numpy(mean, given, x))


def test_sums_that_overflow_stay_what_they_are():
    mean, chains, given = chains_of((Dense(units=4, activation="relu"),) * 2)
    for forward in mean.forwards:
        forward.dense[0].weights[:] = np.float32(3e38)
        forward.dense[1].weights[:, ::2] *= np.float32(-1e30)
    x = rows(200)
    with np.errstate(all="ignore"):
        expected = by_numpy(mean, given, x)
        np.testing.assert_array_equal(by_loops(chains, x, 3), expected)
    assert np.isnan(expected).any()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_rows_that_may_not_be_near_are_left_to_numpy(value):
    _, chains, _ = chains_of((Dense(units=4, activation="relu"),))
    x = rows(300, "float64")
    x[290, 7] = value
    assert chains.can(x)
    assert not chains.write(x, np.empty((300, 3)))


@pytest.mark.parametrize(
    "layers",
    [
        (Dense(units=8, activation="tanh"),),
        (Dense(units=300, activation="relu"),),
        (Dense(units=8, activation="relu"), Residual(layers=(Dense(units=8),))),
    ],
)
def test_other_networks_go_by_numpy(layers):
    _, chains, _ = chains_of(layers)
    assert not chains.can(rows(10))


def test_other_rows_go_by_numpy():
    _, chains, _ = chains_of(())
    x = rows(10)
    assert chains.can(x)
    assert not chains.can(np.asfortranarray(x))
    assert not chains.can(x[:, ::-1])
    x.flags.writeable = False
    assert not chains.can(x)


def test_another_blas_goes_by_numpy(monkeypatch):
    _, chains, _ = chains_of(())
    monkeypatch.setattr(averaging, "multiply_address", lambda: None)
    assert not chains.can(rows(10))


def test_no_address_travels():
    mean, chains, given = chains_of((Dense(units=9, activation="relu"),))
    x = rows(300)
    assert chains.can(x)
    again = pickle.loads(pickle.dumps(chains))
    assert again._found is None
    np.testing.assert_array_equal(by_loops(again, x, 3), by_numpy(mean, given, x))


def test_who_only_predicts_loads_no_loops():
    code = """
import sys
import numpy as np
import jax
from fathom.estimators.averaging import Chains, Mean
from fathom.data.encoding import NearStandardization, Standardization
from fathom import Architecture, Dense, build
described = Architecture(
    input_shape=(2,), layers=(Dense(units=2, activation="softmax"),), loss="cross_entropy")
given = NearStandardization(Standardization(np.zeros(2), np.ones(2)), 2)
mean = Mean.of((build(described, jax.random.key(0)),), given.inverse)
assert not Chains(mean.forwards, given).can(np.zeros((10**6, 2)))
assert "numba" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
