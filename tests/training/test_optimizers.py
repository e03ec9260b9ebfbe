"""Every optimizer against its equations, written out in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fathom.training.optimizers import make_optimizer
from fathom.training.schedules import learning_rate_factor

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


def adam_by_hand():
    m = v = np.zeros_like(GRADIENTS[0])
    for t, g in enumerate(GRADIENTS, start=1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        yield m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)


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
    ],
)
def test_schedules_pass_through_their_points(schedule, points):
    for progress, factor in points.items():
        assert learning_rate_factor(schedule, float(progress)) == pytest.approx(factor, abs=1e-12)
