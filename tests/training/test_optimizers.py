"""Every optimizer against its equations, written out in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fathom.nn.architecture import Architecture
from fathom.nn.blocks import Flatten
from fathom.nn.convolution import Conv2D
from fathom.nn.dense import Dense
from fathom.nn.embedding import Columns, Gain
from fathom.nn.layer import partition
from fathom.nn.network import build
from fathom.training.optimizers import make_optimizer, rate_factors
from fathom.training.schedules import learning_rate_factors

GRADIENTS = np.random.default_rng(0).normal(size=(5, 4, 3))


def directions(name, gradients=GRADIENTS, **options):
    rule = make_optimizer(name, **options)
    with jax.numpy_dtype_promotion("standard"):
        parameters = {"w": jnp.zeros(gradients.shape[1:])}
        state, found = rule.init(parameters), []
        for g in gradients:
            d, state = rule.update({"w": jnp.asarray(g)}, state, parameters)
            found.append(np.asarray(d["w"]))
    return found


def adam_by_hand(beta_2=0.999):
    m = v = np.zeros_like(GRADIENTS[0])
    for t, g in enumerate(GRADIENTS, start=1):
        m, v = 0.9 * m + 0.1 * g, beta_2 * v + (1 - beta_2) * g**2
        yield m / (1 - 0.9**t) / (np.sqrt(v / (1 - beta_2**t)) + 1e-8)


def momentum_by_hand(nesterov):
    m = np.zeros_like(GRADIENTS[0])
    for g in GRADIENTS:
        m = 0.8 * m + g
        yield g + 0.8 * m if nesterov else m


def rmsprop_by_hand():
    v = np.zeros_like(GRADIENTS[0])
    for g in GRADIENTS:
        v = 0.9 * v + 0.1 * g**2
        yield g / np.sqrt(v + 1e-8)


BY_HAND = {
    "gradient_descent": lambda: iter(GRADIENTS),
    "momentum": lambda: momentum_by_hand(False),
    "nesterov": lambda: momentum_by_hand(True),
    "rmsprop": rmsprop_by_hand,
    "adam": adam_by_hand,
    "adamw": adam_by_hand,
}


@pytest.mark.parametrize("name", BY_HAND)
def test_directions_are_those_of_the_equations(float64, name):
    for found, expected in zip(directions(name, momentum=0.8), BY_HAND[name](), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_beta_2_is_the_share_kept_of_the_mean_of_squares(float64, name):
    for found, expected in zip(directions(name, beta_2=0.95), adam_by_hand(0.95), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


def test_beta_2_reaches_what_muon_leaves_to_adam():
    gradients = np.random.default_rng(2).normal(size=(3, 7)).astype(np.float32)
    options = {"gradients": gradients, "beta_2": 0.5}
    pairs = zip(directions("muon", **options), directions("adam", **options), strict=True)
    for muon, adam in pairs:
        np.testing.assert_allclose(muon, adam, rtol=1e-6)


def factors_of(*layers, shape):
    architecture = Architecture(input_shape=shape, layers=layers, loss="cross_entropy")
    network = build(architecture, jax.random.key(0))
    return rate_factors(partition(network)[0]).layers


def test_rates_by_role_are_those_of_the_table():
    columns = Columns(n_numbers=2, n_plain=1, codes=(3, 50), form="periodic")
    layers = (columns, Gain(), Dense(units=9), Dense(units=2, activation="softmax"))
    first, gain, hidden, last = factors_of(*layers, shape=(5,))
    assert first.frequency == first.phase == first.mix == first.shift == 0.1
    assert first.table == 1
    assert gain.gain == 6
    n_in = columns.output_shape((5,))[0]
    assert hidden.weight == pytest.approx(n_in**-0.5)
    assert last.weight == pytest.approx(9**-0.5)
    assert hidden.bias == last.bias == 0.1


def test_a_kernels_inputs_are_its_pixels_times_its_channels():
    layers = (Conv2D(channels=4, kernel=(3, 5)), Flatten(), Dense(units=2, activation="softmax"))
    kernel = factors_of(*layers, shape=(8, 8, 2))[0]
    assert kernel.kernel == pytest.approx((3 * 5 * 2) ** -0.5)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6)])
def test_muon_gives_matrices_an_orthogonal_direction_of_adams_size(shape):
    gradients = np.random.default_rng(1).normal(size=(3, *shape)).astype(np.float32)
    for found in directions("muon", gradients):
        singular = np.linalg.svd(found, compute_uv=False) / (0.2 * max(shape) ** 0.5)
        assert singular.min() > 0.5  # five Newton-Schulz steps bring them near 1, not onto it
        assert singular.max() < 1.3
        assert 0.1 < np.sqrt((found**2).mean()) < 0.3


def test_muon_leaves_vectors_and_kernels_to_adam():
    gradients = np.random.default_rng(2).normal(size=(3, 2, 2, 3, 4)).astype(np.float32)
    for muon, adam in zip(
        directions("muon", gradients), directions("adam", gradients), strict=True
    ):
        np.testing.assert_allclose(muon, adam, rtol=1e-6)


def test_clipping_shortens_long_gradients_only(float64):
    for found, g in zip(directions("gradient_descent", gradient_clip=2.0), GRADIENTS, strict=True):
        norm = np.linalg.norm(g)
        np.testing.assert_allclose(found, g * min(1, 2 / norm))


@pytest.mark.parametrize(
    ("schedule", "points"),
    [
        ("constant", {0: 1, 0.5: 1, 1: 1}),
        ("linear", {0: 1, 0.25: 0.75, 1: 0}),
        ("cosine", {0: 1, 0.5: 0.5, 1: 0}),
        ("flat_cosine", {0: 1, 0.5: 1, 0.75: 0.5, 1: 0}),
        ("one_cycle", {0: 0, 0.05: 0.5, 0.1: 1, 0.55: 0.5, 1: 0}),
        # four bumps from (2^k - 1) / 15 to (2^(k + 1) - 1) / 15, highest where 1 + 15 t = 2^(k + ½)
        (
            "cosine_bumps",
            {
                0: 0,
                1 / 15: 0,
                3 / 15: 0,
                7 / 15: 0,
                1: 0,
                (2**0.5 - 1) / 15: 1,
                (2**3.5 - 1) / 15: 1,
                (2**2.25 - 1) / 15: 0.5,
            },
        ),
    ],
)
def test_schedules_pass_through_their_points(schedule, points):
    factors = learning_rate_factors(schedule, np.array([*points]))
    np.testing.assert_allclose(factors, [*points.values()], rtol=0, atol=1e-12)
