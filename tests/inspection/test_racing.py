"""Walks over two weights and along one, against steps by hand and valleys that are known."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fathom import Architecture, Dense
from fathom.errors import InputError
from fathom.inspection.curve import loss_along
from fathom.inspection.fog import first_seen, under_fog
from fathom.inspection.landscape import Landscape
from fathom.inspection.racing import Runner, race, try_rates
from fathom.inspection.stepping import judge_steps, suit_rates, valley_below
from fathom.inspection.surface import surface_over_weights
from fathom.nn.dense import DenseLayer
from fathom.nn.network import Network

PAIR = ("output.neuron1.weight1", "output.neuron1.weight2")
X = np.array([[2.0, 1.0], [1.0, 0.8], [-1.0, -0.3]])
Y = np.array([[1.5], [0.6], [-0.85]])
N = len(X)


@pytest.fixture(scope="module", autouse=True)
def exact():
    """Work in float64."""
    with jax.enable_x64(True):
        yield


def landscape_of(layers, x, y):
    built = Network(
        tuple(DenseLayer(jnp.array(w), jnp.array(b), activation) for w, b, activation in layers)
    )
    described = Architecture(
        input_shape=(x.shape[1],), loss="squared_error",
        layers=tuple(Dense(units=len(b), activation=activation) for _, b, activation in layers),
    )  # fmt: skip
    return Landscape(built, described, x, y)


@pytest.fixture(scope="module")
def bowl():
    """Return a linear neuron of two weights."""
    return landscape_of([([[0.5, 0.5]], [0.0], "identity")], X, Y)


@pytest.fixture(scope="module")
def chain():
    """Return two neurons in a chain: valleys where both weights have one sign, a ridge between."""
    x, y = np.array([[1.0], [-1.0]]), np.array([[0.8], [-0.8]])
    layers = [([[0.5]], [0.0], "tanh"), ([[0.5]], [0.0], "identity")]
    return landscape_of(layers, x, y)


def slope(w):
    return ((X @ w - Y[:, 0])[:, None] * X).mean(axis=0)


def test_walks_are_those_by_hand(bowl):
    start, rate = np.array([3.0, -2.0]), 0.1
    runners = [
        Runner(start=tuple(start), learning_rate=rate, optimizer=name)
        for name in ("momentum", "gradient_descent", "rmsprop")
    ]
    found = race(bowl, PAIR, runners, n_steps=12)
    plain, heavy, scaled = (start.copy() for _ in range(3))
    speed, square = np.zeros(2), np.zeros(2)
    for step in range(13):
        expected = [heavy, plain, scaled]
        for run, place in zip(found.runs, expected, strict=True):
            np.testing.assert_allclose([run.x[step], run.y[step]], place, rtol=1e-9)
            loss = 0.5 * np.mean((X @ place - Y[:, 0]) ** 2)
            assert run.losses[step] == pytest.approx(loss, rel=1e-9, abs=1e-15)
        plain = plain - rate * slope(plain)
        speed = 0.9 * speed + slope(heavy)
        heavy = heavy - rate * speed
        square = 0.9 * square + 0.1 * slope(scaled) ** 2
        scaled = scaled - rate * slope(scaled) / np.sqrt(square + 1e-8)
    assert [run.runner.optimizer for run in found.runs] == [one.optimizer for one in runners]


def test_a_ridge_divides_valleys_and_no_ridge_joins_them(bowl, chain):
    weights = ("layer1.neuron1.weight1", "output.neuron1.weight1")
    starts = [(1.0, 0.4), (-1.0, -0.6), (2.0, 1.0), (-0.5, -0.2)]
    found = race(chain, weights, [Runner(start=s, learning_rate=0.3) for s in starts])
    assert {frozenset(basin.runs) for basin in found.basins} == {
        frozenset({0, 2}), frozenset({1, 3})
    }  # fmt: skip
    for basin in found.basins:  # w2 tanh(w1) = 0.8
        assert basin.y * np.tanh(basin.x) == pytest.approx(0.8, abs=1e-3)
        assert basin.loss < 1e-6
    assert found.basin_of(3) == found.basin_of(1) != found.basin_of(0)
    many = [Runner(start=s, learning_rate=0.3) for s in ((-3, -3), (3, 3), (0, 4))]
    assert len(race(bowl, PAIR, many).basins) == 1


def test_rates_are_judged_by_the_limit_of_stability(bowl):
    largest = np.linalg.eigvalsh(X.T @ X / N)[-1]
    rates = [0.001, 1 / largest, 1.99 / largest, 2.2 / largest]
    found = try_rates(bowl, PAIR, (3.0, -2.0), rates=rates, n_steps=60)
    assert found.verdicts[0] == "too small"
    assert found.verdicts[1] == "right"
    assert found.verdicts[2] in ("right", "too large")
    assert found.verdicts[3] == "diverges"
    assert found.runs[3].is_diverged
    assert found.best in (1, 2)


def test_who_cannot_walk_is_refused(bowl):
    runner = Runner(start=(0.0, 0.0), learning_rate=0.1)
    with pytest.raises(InputError, match="two different weights"):
        race(bowl, (PAIR[0], PAIR[0]), [runner])
    with pytest.raises(InputError, match="1 to 12 walks"):
        race(bowl, PAIR, [])
    with pytest.raises(InputError, match="a weight"):
        race(bowl, (PAIR[0], "output.neuron9.weight1"), [runner])


def test_steps_along_one_weight_are_judged_by_its_curvature(bowl):
    curvature = float(np.mean(X[:, 0] ** 2))
    cases = {
        "too small": 0.002, "right": 1 / curvature, "too large": 1.99 / curvature,
        "diverges": 2.5 / curvature,
    }  # fmt: skip
    for verdict, rate in cases.items():
        curve = loss_along(bowl, PAIR[0], learning_rate=rate, n_steps=30, start=3.0, span=6.0)
        assert judge_steps(curve) == verdict
    still = loss_along(bowl, PAIR[0], learning_rate=0.1, n_steps=5, span=6.0)
    bottom = loss_along(
        bowl, PAIR[0], learning_rate=0.1, n_steps=5, start=float(still.lowest[0]), span=6.0
    )
    assert judge_steps(bottom) in ("at rest", "right")
    found = suit_rates(bowl, curve, n_steps=30)
    assert found.right == pytest.approx(1 / curvature, rel=0.5)
    assert found.too_small * 6 <= found.right < found.too_large


def test_of_rates_that_come_down_one_that_comes_to_rest_is_right(bowl):
    curve = loss_along(bowl, PAIR[0], learning_rate=0.1, n_steps=30, start=3.0, span=6.0)
    at = float(curve.lowest[0])
    to_and_fro = at + (3.0 - at) * np.array([1.0, *(0.15 * (-1.0) ** np.arange(30))])
    slowly = at + (3.0 - at) * 0.6 ** np.arange(31)
    walks = {0.1: slowly, 0.2: to_and_fro}

    def descend_along(position, start, rate, n_steps):
        losses = np.interp(walks[rate], curve.values, curve.losses)
        return walks[rate], losses, np.sign(walks[rate] - at)

    fake = SimpleNamespace(network=bowl.network, descend_along=descend_along)
    assert suit_rates(fake, curve, n_steps=30, rates=(0.1, 0.2)).right == 0.1
    assert suit_rates(fake, curve, n_steps=30, rates=(0.2,)).right == 0.2


def test_a_step_out_of_its_valley_leaps(chain):
    name = "layer1.neuron1.weight1"
    curve = loss_along(chain, name, learning_rate=1.0, n_steps=20, start=1.0, span=6.0)
    assert judge_steps(curve) == "right" or judge_steps(curve) == "too small"
    values = np.linspace(-3, 3, 601)
    heights = (values**2 - 1) ** 2
    valley = valley_below(values, heights, -0.4)
    assert (valley.low, valley.at, valley.high) == pytest.approx((-3, -1, 0), abs=0.011)
    leapt = curve.model_copy(
        update={
            "values": values, "losses": heights, "steps": [-1.5, 1.2, 1.0],
            "step_losses": [1.56, 0.19, 0.0], "step_slopes": [-7.5, 2.1, 0.0],
        }
    )  # fmt: skip
    assert judge_steps(leapt) == "leaps"


def test_the_fog_lifts_step_by_step(bowl):
    found = race(bowl, PAIR, [Runner(start=(2.0, -2.0), learning_rate=0.1)], n_steps=8)
    run = found.runs[0]
    surface = surface_over_weights(bowl, PAIR, span=3.0, n_points=21)
    seen = first_seen(surface, [(run.x, run.y)], 0.15)
    path = {"steps": np.arange(9), "x": run.x, "y": run.y, "losses": run.losses,
            "off": np.zeros(9)}  # fmt: skip
    fog = under_fog(surface.model_copy(update={"path": path}), 0.15)
    for step in (0, 3, 8):  # the same as the fog of one path, which is told elsewhere
        np.testing.assert_array_equal((seen >= 0) & (seen <= step), fog.known(step + 1))
    assert (seen < 0).any()
    both = first_seen(surface, [(run.x, run.y), (-run.x, -run.y)], 0.15)
    assert ((both >= 0) >= (seen >= 0)).all()
    assert (both >= 0).sum() > (seen >= 0).sum()
    with pytest.raises(InputError, match="radius"):
        first_seen(surface, [], 0.0)
