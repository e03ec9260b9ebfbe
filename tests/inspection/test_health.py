"""Health of networks made ill on purpose, against finite differences and arithmetic."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit

from fathom import (
    Activation,
    Architecture,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Recipe,
    Residual,
    build,
)
from fathom.errors import InputError
from fathom.inspection.health import Health, check_network

RNG = np.random.default_rng(0)
X = RNG.normal(size=(500, 4))
Y = RNG.integers(0, 3, 500)
SOFTMAX = Dense(units=3, activation="softmax")


def describe(*layers, shape=(4,), loss="cross_entropy"):
    return Architecture(input_shape=shape, layers=layers, loss=loss)


def check(described, *pairs, with_weights=None, x=X, y=Y, **more):
    network = build(described, jax.random.key(0))
    if pairs:
        network = with_weights(network, *pairs)
    return check_network(network, described, x, y, **more)


def codes(health):
    return [finding.code for finding in health.findings]


def test_neurons_that_never_fire_are_counted(with_weights):
    described = describe(Dense(units=64), SOFTMAX)
    weight, bias = RNG.normal(size=(64, 4)), np.zeros(64)
    bias[5:17] = -1000
    health = check(described, (weight, bias), with_weights=with_weights)
    assert (health.layers[0].n_neurons, health.layers[0].n_dead) == (64, 12)
    assert str(health.findings[0]) == (
        "Layer 1 (dense 64 relu): 12 of 64 neurons never fire on these 500 rows."
    )
    a = np.maximum(X @ weight.T + bias, 0)
    assert health.layers[0].share_saturated == pytest.approx((a == 0).mean(), abs=1e-3)
    assert health.layers[0].signal == pytest.approx(np.sqrt((a**2).mean()), rel=1e-5)


def test_neurons_stuck_on_their_flat_side_are_counted(with_weights):
    described = describe(Dense(units=3, activation="sigmoid"), SOFTMAX)
    health = check(described, (np.ones((3, 4)), [0, 100, -100]), with_weights=with_weights)
    assert health.layers[0].n_dead == 2
    assert health.findings[0].code == "stuck_units"


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_saturation_is_where_the_slope_is_a_twentieth(with_weights, activation):
    described = describe(Dense(units=2, activation=activation), SOFTMAX)
    weight = RNG.normal(size=(2, 4)) * 9
    health = check(described, (weight, np.zeros(2)), with_weights=with_weights)
    z = X @ weight.T
    slope = 4 * expit(z) * expit(-z) if activation == "sigmoid" else 1 - np.tanh(z) ** 2
    assert health.layers[0].share_saturated == pytest.approx((slope < 0.05).mean(), abs=2e-3)
    assert ("saturated" in codes(health)) == ((slope < 0.05).mean() > 0.5)
    calm = check(described, (weight / 30, np.zeros(2)), with_weights=with_weights)
    assert "saturated" not in codes(calm)
    assert codes(calm)[0] == "no_dead_units"


def test_neurons_of_normalized_layers_blocks_and_channels_are_looked_at():
    described = describe(
        Dense(units=6, activation="identity"), BatchNorm(), Activation(), Dropout(rate=0.5),
        Residual(layers=(Dense(units=6),)), SOFTMAX,
    )  # fmt: skip
    network = build(described, jax.random.key(0))
    network = eqx.tree_at(lambda n: n.layers[4].layers[0].bias, network, jnp.full(6, -99.0))
    health = check_network(network, described, X, Y)
    assert [(one.number, one.n_neurons) for one in health.layers] == [(1, 6), (5, 6), (6, 0)]
    assert [one.n_dead for one in health.layers] == [0, 6, 0]
    picture = describe(Conv2D(channels=4), Flatten(), SOFTMAX, shape=(3, 3, 1))
    seen = check(picture, x=RNG.normal(size=(20, 3, 3, 1)), y=Y[:20])
    assert seen.layers[0].n_neurons == 4
    assert seen.layers[0].gradient_ratio > 0


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy", "squared_error"])
def test_errors_and_gradients_are_finite_differences(float64, loss):
    output = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid"}.get(loss, "tanh")
    described = describe(
        Dense(units=5, activation="tanh"), Dense(units=3, activation=output), loss=loss
    )
    network = build(described, jax.random.key(0))
    network = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), network)
    x, y = X[:6], Y[:6] if loss == "cross_entropy" else RNG.uniform(size=(6, 3))
    health = check_network(network, described, x, y)
    w1, b1, w2, b2 = (
        np.asarray(part) for layer in network.layers for part in (layer.weight, layer.bias)
    )
    target = np.eye(3)[y] if loss == "cross_entropy" else y

    def total(hidden, w2=w2):
        z = hidden @ w2.T + b2
        if loss == "squared_error":
            return 0.5 * ((np.tanh(z) - target) ** 2).sum()
        if loss == "cross_entropy":
            return -(target * (z - np.log(np.exp(z).sum(axis=1, keepdims=True)))).sum()
        return -(target * np.log(expit(z)) + (1 - target) * np.log(expit(-z))).sum()

    hidden = np.tanh(x @ w1.T + b1)
    assert health.loss == pytest.approx(total(hidden) / 6)
    step = 1e-6
    slopes = [
        (total(hidden + step * one) - total(hidden - step * one)) / (2 * step)
        for one in np.eye(30).reshape(30, 6, 5)
    ]
    assert health.layers[0].error == pytest.approx(np.sqrt(np.square(slopes).sum() / 6), rel=1e-5)
    by_weight = [
        (total(hidden, w2 + step * one) - total(hidden, w2 - step * one)) / (2 * step) / 6
        for one in np.eye(15).reshape(15, 3, 5)
    ]
    expected = np.linalg.norm(by_weight) / np.linalg.norm(w2)
    assert health.layers[1].gradient_ratio == pytest.approx(expected, rel=1e-5)
    assert health.layers[1].update_ratio is None


def test_a_step_by_the_size_of_the_weights():
    described = describe(Dense(units=5, activation="tanh"), SOFTMAX)
    plain = check(described, recipe=Recipe(optimizer="gradient_descent", learning_rate=0.1))
    for one in plain.layers:
        assert one.update_ratio == pytest.approx(0.1 * one.gradient_ratio, rel=1e-4)
    adam = check(described, recipe=Recipe(optimizer="adam", learning_rate=0.01))
    weight = np.asarray(build(described, jax.random.key(0)).layers[0].weight)
    # Adam's first step moves every weight by the learning rate
    expected = 0.01 * np.sqrt(weight.size) / np.linalg.norm(weight)
    assert adam.layers[0].update_ratio == pytest.approx(expected, rel=1e-3)
    assert "updates_sound" in codes(adam)


@pytest.mark.parametrize(
    ("rate", "schedule", "code"),
    [
        (1e-9, "constant", "updates_small"), (5.0, "constant", "updates_large"),
        (5.0, "cosine", "updates_settle"), (1e-3, "constant", "updates_sound"),
    ],
)  # fmt: skip
def test_steps_too_small_and_too_large_are_said(rate, schedule, code):
    described = describe(Dense(units=5, activation="tanh"), SOFTMAX)
    recipe = Recipe(optimizer="adam", learning_rate=rate, schedule=schedule)
    assert code in codes(check(described, recipe=recipe))


@pytest.mark.parametrize(
    ("scale", "code"), [(0.01, "vanishing"), (1.0, "steady_gradients"), (30.0, "exploding")]
)
def test_errors_that_fade_or_grow_on_their_way_back_are_said(with_weights, scale, code):
    described = describe(*[Dense(units=4, activation="identity")] * 4, SOFTMAX)
    turned = [np.linalg.qr(RNG.normal(size=(4, 4)))[0] * scale for _ in range(4)]
    health = check(described, *[(w, np.zeros(4)) for w in turned], with_weights=with_weights)
    assert code in codes(health)
    # turning keeps lengths, so each layer multiplies the error by the scale
    ratios = [a.error / b.error for a, b in zip(health.layers, health.layers[1:-1], strict=False)]
    assert ratios == pytest.approx([scale] * 3, rel=1e-3)


def test_rows_are_drawn_and_health_goes_to_json():
    described = describe(Dense(units=5), SOFTMAX)
    health = check(described, most_rows=50)
    assert health.n_rows == 50
    assert Health.model_validate_json(health.model_dump_json()) == health
    alone = check(describe(SOFTMAX))
    assert len(alone.layers) == 1
    assert "steady_gradients" not in codes(alone)


@pytest.mark.parametrize(
    "given",
    [
        {"y": Y[:9]}, {"y": Y + 1}, {"y": Y * 1.5}, {"y": np.ones((500, 2))},
        {"x": X[:, :3]}, {"x": X * np.nan},
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(given):
    with pytest.raises(InputError):
        check(describe(Dense(units=5), SOFTMAX), **given)
