"""Features: what neurons answer to, worked out by hand, and the funnel of networks made for it."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_digits, load_iris

from fathom import Activation, BatchNorm, Columns, Conv2D, Dense, Dropout, Flatten, MaxPool
from fathom.errors import InputError
from fathom.inspection.features import (
    NeuronView,
    WeightImages,
    find_stage,
    first_weights,
    look_at_neuron,
    neuron_sums,
)
from fathom.inspection.funnel import (
    Funnel,
    mean_selectivity,
    measure_funnel,
    participation_ratio,
)

X, Y = load_iris(return_X_y=True)
SOFTMAX = Dense(units=3, activation="softmax")


def test_sums_stand_before_the_activation_function(make_network):
    x = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    network = make_network(
        Dense(units=4, activation="identity"), BatchNorm(), Activation(activation="tanh"),
        Dropout(rate=0.5), Dense(units=5, activation="gelu"), SOFTMAX, n_in=3,
    )  # fmt: skip
    z = x @ np.asarray(network.layers[0].weight).T / np.sqrt(1 + 1e-5)
    np.testing.assert_allclose(neuron_sums(network, x, find_stage(network, 1)), z, atol=1e-6)
    np.testing.assert_allclose(neuron_sums(network, x, find_stage(network, 3)), z, atol=1e-6)
    second = np.tanh(z) @ np.asarray(network.layers[4].weight).T
    np.testing.assert_allclose(neuron_sums(network, x, find_stage(network, 5)), second, atol=1e-6)


def test_the_sum_of_a_channel_is_the_largest_over_the_picture(make_network):
    network = make_network(Conv2D(channels=2), MaxPool(size=2), Flatten(), SOFTMAX, n_in=(4, 4, 1))
    x = np.random.default_rng(0).normal(size=(3, 4, 4, 1)).astype(np.float32)
    z = np.asarray(network.layers[0].combine(jnp.asarray(x)))
    found = neuron_sums(network, x, find_stage(network, 1))
    np.testing.assert_allclose(found, z.max(axis=(1, 2)), atol=1e-6)


def test_the_input_made_for_a_linear_neuron_is_a_corner_of_the_range(make_network, with_weights):
    network = make_network(Dense(units=2, activation="tanh"), SOFTMAX, n_in=4)
    network = with_weights(network, ([[3, -0.01, 2, 0.5], [0, 0, 0, 0]], [1, 0]))
    view = look_at_neuron(network, X, Y, layer=1, neuron=1)
    corner = np.where(np.array([3, -0.01, 2, 0.5]) > 0, X.max(axis=0), X.min(axis=0))
    np.testing.assert_allclose(view.excited, corner, atol=1e-5)
    assert view.excited_sum == pytest.approx(corner @ [3, -0.01, 2, 0.5] + 1, abs=1e-4)
    z = X @ [3, -0.01, 2, 0.5] + 1
    assert view.rows == tuple(np.argsort(-z.astype(np.float32), kind="stable")[:9])
    np.testing.assert_allclose(view.sums, np.sort(z)[::-1][:9], atol=1e-5)
    np.testing.assert_allclose(view.activations, np.tanh(view.sums), atol=1e-6)
    np.testing.assert_allclose(view.examples, X[list(view.rows)], atol=1e-6)
    assert view.labels == tuple(map(str, Y[list(view.rows)]))
    assert view.share_active == (z > 0).mean()


def test_decay_draws_the_input_to_the_mean(make_network, with_weights):
    network = make_network(Dense(units=1, activation="identity"), SOFTMAX, n_in=4)
    weight = np.array([0.4, -0.2, 0.3, 0.1])
    network = with_weights(network, ([weight], [0]))
    view = look_at_neuron(network, X, layer=1, neuron=1, decay=2.0)
    # the maximum of w x - ½ λ |x - mean|² lies at mean + w / λ, within the range here
    np.testing.assert_allclose(view.excited, X.mean(axis=0) + weight / 2, atol=5e-3)


def test_the_input_made_for_a_neuron_excites_it_more_than_any_row(make_network):
    x, y = load_digits(return_X_y=True)
    network = make_network(
        Dense(units=20), Dense(units=10, activation="tanh"), Dense(units=10, activation="softmax"),
        n_in=64,
    )  # fmt: skip
    for layer, neuron in ((1, 3), (2, 7), (3, 10)):
        view = look_at_neuron(network, x / 16, y, layer=layer, neuron=neuron)
        assert view.excited_sum > view.sums[0]
        assert (view.excited >= 0).all()
        assert (view.excited <= (x / 16).max(axis=0) + 1e-6).all()
        assert view.findings[0].code in ("neuron_class", "neuron_mixed")


def test_what_a_neuron_answers_to_is_said(make_network, with_weights):
    network = make_network(Dense(units=3), SOFTMAX, n_in=4)
    network = with_weights(network, ([[0, 0, -1, 0], [0, 0, 0, 0], [0, 1, 0, 0]], [3, -1, 0]))
    setosa = look_at_neuron(network, X, Y, layer=1, neuron=1).findings[0]
    assert (setosa.code, setosa["label"], setosa["share"]) == ("neuron_class", "0", 1)
    dead = look_at_neuron(network, X, Y, layer=1, neuron=2)
    assert dead.findings[0].code == "neuron_dead"
    assert dead.share_active == 0
    assert not look_at_neuron(network, X, layer=1, neuron=3).findings
    tanh = make_network(Dense(units=1, activation="tanh"), SOFTMAX, n_in=4)
    tanh = with_weights(tanh, ([[0, 1, 0, 0]], [-9]))  # always below 0, but alive
    assert look_at_neuron(tanh, X, Y, layer=1, neuron=1).findings[0].code == "neuron_class"
    names = np.arange(150) // 2
    assert look_at_neuron(tanh, X, names, layer=1, neuron=1).findings[0].code == "neuron_mixed"
    assert NeuronView.model_validate_json(dead.model_dump_json()) == dead


def test_codes_of_categories_stay_codes(make_network):
    network = make_network(Columns(n_numbers=1, codes=(4,)), Dense(units=3), SOFTMAX, n_in=2)
    x = np.stack([np.linspace(-1, 1, 40), np.arange(40) % 4], axis=1)
    view = look_at_neuron(network, x, layer=2, neuron=1)
    assert view.excited[1] in range(4)
    assert view.excited_sum >= view.sums[0]


@pytest.mark.parametrize("given", [(0, 1), (9, 1), (1, 0), (1, 9)])
def test_neurons_that_are_not_there_are_refused(make_network, given):
    network = make_network(Dense(units=8), SOFTMAX, n_in=4)
    with pytest.raises(InputError):
        look_at_neuron(network, X, layer=given[0], neuron=given[1])
    with pytest.raises(InputError):
        look_at_neuron(network, X, layer=1, neuron=1, decay=-1)


def test_first_weights_are_the_weights_the_largest_first(make_network, with_weights):
    network = make_network(Dense(units=2), SOFTMAX, n_in=6)
    weights = np.arange(12.0).reshape(2, 6)
    network = with_weights(network, (weights, [0, 0]))
    found = first_weights(network, (2, 3))
    assert found.neurons == (2, 1)
    np.testing.assert_array_equal(found.images, weights[::-1].reshape(2, 2, 3))
    assert WeightImages.model_validate_json(found.model_dump_json()) == found
    for shape in (None, (2, 2), (6,)):
        with pytest.raises(InputError, match="picture of 6 numbers"):
            first_weights(network, shape)


def test_kernels_are_summed_over_channels(make_network):
    network = make_network(Conv2D(channels=3, kernel=(2, 3)), Flatten(), SOFTMAX, n_in=(4, 4, 2))
    found = first_weights(network)
    kernel = np.asarray(network.layers[0].kernel)
    first = found.neurons[0] - 1
    np.testing.assert_allclose(found.images[0], kernel[:, :, :, first].sum(axis=2), atol=1e-6)
    assert np.linalg.norm(kernel[..., first]) == max(
        np.linalg.norm(kernel[..., c]) for c in range(3)
    )


def test_the_participation_ratio_by_hand():
    # variances 4 and 1: (4 + 1)² / (16 + 1)
    x = np.array([[2, 0], [-2, 0], [0, 1], [0, -1]]) * np.sqrt(2)
    assert participation_ratio(x) == pytest.approx(25 / 17)
    assert participation_ratio(x + 100) == pytest.approx(25 / 17)
    assert participation_ratio(np.eye(5)) == pytest.approx(4)  # five points fill four dimensions
    assert participation_ratio(np.ones((4, 3))) == 0
    wide = np.random.default_rng(0).normal(size=(6, 30))
    variances = np.linalg.svd(wide - wide.mean(axis=0), compute_uv=False) ** 2
    expected = variances.sum() ** 2 / (variances**2).sum()
    assert participation_ratio(wide) == pytest.approx(expected)


def test_selectivity_by_hand():
    y = np.array([0, 0, 1, 1, 2, 2])
    blind = [2, 2, 2, 2, 2, 2]
    only = [0, 0, 3, 5, 0, 0]  # means 0, 4, 0: 1
    some = [1, 1, 3, 3, 0, 2]  # means 1, 3, 1: (3 - 1) / (3 + 1)
    assert mean_selectivity(np.array([only]).T * 1.0, y, is_classes=True) == 1
    found = mean_selectivity(np.array([blind, only, some]).T * 1.0, y, is_classes=True)
    assert found == pytest.approx((1 + 0.5) / 2)
    signed = np.array(some)[:, None] - 5.0  # its least, -5, becomes 0
    assert mean_selectivity(signed, y, is_classes=True) == pytest.approx(0.5)
    assert mean_selectivity(np.ones((6, 2)), y, is_classes=True) == 0
    a = np.random.default_rng(0).normal(size=(6, 2))
    expected = np.mean([abs(np.corrcoef(a[:, i], y)[0, 1]) for i in range(2)])
    assert mean_selectivity(a, y.astype(float), is_classes=False) == pytest.approx(expected)


def funnel_of(make_network, with_weights, *weights, y=None):
    layers = [Dense(units=len(weight), activation="relu") for weight in weights]
    network = make_network(*layers, SOFTMAX, n_in=3)
    network = with_weights(network, *[(weight, np.zeros(len(weight))) for weight in weights])
    rng = np.random.default_rng(0)
    classes = np.arange(90) % 3
    x = np.eye(3)[classes] + 0.2 * rng.uniform(size=(90, 3))
    return measure_funnel(network, x, classes if y is None else y(x))


WIDE = np.ones((3, 3)) + np.diag([0.3, 0.2, 0.1])
SHARP = np.array([[9, -4.6, -4.6]])
ALIKE = 50 + np.eye(3)


def test_a_funnel_is_seen(make_network, with_weights):
    funnel = funnel_of(make_network, with_weights, WIDE, SHARP)
    assert funnel.findings[0].code in ("funnel_holds", "funnel_selective_only")
    first, last = funnel.layers[1:]
    assert last.selectivity > first.selectivity + 0.3
    assert first.share_active == 1
    assert 0.3 < last.share_active < 0.4  # it answers to one class of three
    assert (first.n_alive, last.n_alive) == (3, 1)
    assert last.dimension == pytest.approx(1)


@pytest.mark.parametrize(
    ("weights", "code"),
    [
        ((np.eye(3), np.eye(3)), "funnel_fails"),
        ((np.eye(3), np.ones((1, 3))), "funnel_narrow_only"),
        ((ALIKE, np.linalg.inv(ALIKE)), "funnel_selective_only"),
        ((np.eye(3) + 0.3, np.array([[2, -1, -0.9], [2, -0.9, -1.0]])), "funnel_holds"),
        ((np.eye(3),), "funnel_shallow"),
    ],
)
def test_what_does_not_hold_is_said(make_network, with_weights, weights, code):
    funnel = funnel_of(make_network, with_weights, *weights)
    assert funnel.findings[0].code == code
    assert Funnel.model_validate_json(funnel.model_dump_json()) == funnel


def test_steps_of_the_funnel_are_counted(make_network, with_weights):
    funnel = funnel_of(make_network, with_weights, WIDE, np.eye(3), SHARP)
    steps = funnel.findings[1]
    by_layer = [(layer.dimension, layer.selectivity) for layer in funnel.layers[1:]]
    down, up = np.diff(by_layer, axis=0).T
    assert (steps["n_narrower"], steps["n_selective"]) == ((down < 0).sum(), (up > 0).sum())
    assert steps["n_steps"] == 2


def test_numbers_have_a_funnel_by_correlation(make_network, with_weights):
    funnel = funnel_of(
        make_network, with_weights, WIDE, [[1.0, 0, 0]], y=lambda x: x @ [1.3, 1.0, 1.0]
    )
    assert funnel.selectivity_name == "correlation with the target"
    assert funnel.layers[2].selectivity == pytest.approx(1, abs=1e-6)


def test_a_convolution_is_counted_by_channels(make_network):
    network = make_network(Conv2D(channels=5), Flatten(), SOFTMAX, n_in=(3, 3, 1))
    network = eqx.tree_at(lambda n: n.layers[0].bias, network, jnp.array([0, 0, -99, -99, -99.0]))
    x = np.random.default_rng(0).normal(size=(30, 3, 3, 1))
    funnel = measure_funnel(network, x, np.arange(30) % 3)
    assert (funnel.layers[1].n_neurons, funnel.layers[1].n_alive) == (5, 2)
