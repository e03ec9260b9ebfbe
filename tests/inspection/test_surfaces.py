"""The error surface: loss, slope, directions, paths and fog against NumPy by hand."""

from xml.etree import ElementTree

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.decomposition import PCA

from fathom import Activation, Architecture, BatchNorm, Conv2D, Dense, Flatten, Residual, build
from fathom.errors import InputError
from fathom.inspection.curve import LossCurve, loss_along
from fathom.inspection.descents import PLAIN, descend
from fathom.inspection.directions import WeightPath, filter_normalized, plane_of
from fathom.inspection.fog import Fog, under_fog
from fathom.inspection.landscape import Landscape
from fathom.inspection.surface import (
    LossSurface,
    surface_between,
    surface_over_directions,
    surface_over_path,
    surface_over_weights,
)
from fathom.inspection.weights import name_of, position_of
from fathom.nn.layer import partition
from fathom.training.loop import make_plan, pad_for_evaluation
from fathom.training.program import make_program

RNG = np.random.default_rng(3)
X = RNG.normal(size=(17, 3))
CLASSES = RNG.integers(0, 2, 17)
NUMBERS = RNG.normal(size=(17, 2))


def described(loss, reduction="mean"):
    output = {"cross_entropy": "softmax", "squared_error": "tanh"}[loss]
    layers = (Dense(units=4, activation="tanh"), Dense(units=2, activation=output))
    return Architecture(input_shape=(3,), layers=layers, loss=loss, reduction=reduction)


def exact_network(architecture, seed=0):
    return jax.tree.map(
        lambda leaf: jnp.asarray(np.asarray(leaf), jnp.float64),
        build(architecture, jax.random.key(seed)),
    )


def loss_by_hand(weights, loss, y, x=X, share=None):
    """Three inputs, four neurons of tanh, two outputs; weights as one row, layer by layer."""
    w1, b1 = weights[:12].reshape(4, 3), weights[12:16]
    w2, b2 = weights[16:24].reshape(2, 4), weights[24:26]
    z = np.tanh(x @ w1.T + b1) @ w2.T + b2
    if loss == "squared_error":
        each = 0.5 * ((np.tanh(z) - y) ** 2).sum(axis=1)
    else:
        each = np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), y]
    return float(np.mean(each if share is None else each * share))


@pytest.fixture(params=["cross_entropy", "squared_error"])
def known(request, float64):
    """Return a landscape in float64, and its loss by hand as a function of all weights."""
    y = CLASSES if request.param == "cross_entropy" else NUMBERS
    architecture = described(request.param)
    landscape = Landscape(exact_network(architecture), architecture, X, y)
    return landscape, lambda weights: loss_by_hand(weights, request.param, y)


def slope_by_differences(loss, weights, position, step=1e-6):
    ends = []
    for sign in (-1, 1):
        moved = weights.copy()
        moved[position] += sign * step
        ends.append(loss(moved))
    return (ends[1] - ends[0]) / (2 * step)


def test_the_loss_is_the_one_by_hand(known):
    landscape, loss = known
    assert landscape.loss == pytest.approx(loss(landscape.weights), rel=1e-12)


def test_weights_of_examples_and_totals_count(float64):
    architecture = described("squared_error", "total")
    share = np.linspace(0.5, 1.5, 17)
    landscape = Landscape(exact_network(architecture), architecture, X, NUMBERS, share)
    by_hand = 17 * loss_by_hand(landscape.weights, "squared_error", NUMBERS, share=share)
    assert landscape.loss == pytest.approx(by_hand, rel=1e-12)


def test_the_loss_is_what_training_evaluates():
    architecture = described("cross_entropy")
    landscape = Landscape(build(architecture, jax.random.key(1)), architecture, X, CLASSES)
    program = make_program(make_plan(architecture, PLAIN))
    sums = program.evaluate(landscape.network, pad_for_evaluation(landscape.examples))
    assert landscape.loss == pytest.approx(float(sums.loss) / 17, rel=1e-6)


def test_every_slope_agrees_with_finite_differences(known):
    landscape, loss = known
    gradient = landscape.gradient()
    for position in range(landscape.n_weights):
        name = name_of(landscape.network, position)
        curve = loss_along(landscape, name, n_steps=0, n_points=3)
        expected = slope_by_differences(loss, landscape.weights, position)
        assert curve.slope == pytest.approx(expected, abs=1e-8), name
        assert gradient[position] == pytest.approx(expected, abs=1e-8), name


def test_steps_along_a_weight_are_gradient_descent_with_the_others_held(known):
    landscape, loss = known
    position = position_of(landscape.network, "output.neuron2.weight3")
    curve = loss_along(
        landscape, "output.neuron2.weight3", learning_rate=0.7, n_steps=5, start=-1.5
    )
    value, weights = -1.5, landscape.weights.copy()
    for step in range(6):
        weights[position] = value
        assert curve.steps[step] == pytest.approx(value, abs=1e-7)
        assert curve.step_losses[step] == pytest.approx(loss(weights), abs=1e-9)
        slope = slope_by_differences(loss, weights, position)
        assert curve.step_slopes[step] == pytest.approx(slope, abs=1e-7)
        value -= 0.7 * slope
    assert curve.step == -0.7 * curve.slope


def test_the_curve_has_the_loss_of_the_changed_network(known):
    landscape, loss = known
    curve = loss_along(landscape, "layer1.neuron2.weight3", n_points=21)
    position = position_of(landscape.network, "layer1.neuron2.weight3")
    for value, height in zip(curve.values, curve.losses, strict=True):
        weights = landscape.weights.copy()
        weights[position] = value
        assert height == pytest.approx(loss(weights), abs=1e-10)
    assert curve.losses[curve.values == curve.value] == landscape.loss


def make_path(landscape, n=6, seed=1):
    """Make a path that ends at the landscape's network."""
    rng = np.random.default_rng(seed)
    drift = np.linspace(1, 0, n)[:, None] * rng.normal(size=landscape.n_weights)
    away = drift + 0.1 * rng.normal(size=(n, landscape.n_weights)) * np.linspace(1, 0, n)[:, None]
    return WeightPath(np.arange(n), landscape.weights + away)


def make_surfaces(landscape):
    path = make_path(landscape)
    other = landscape.weights + np.random.default_rng(5).normal(size=landscape.n_weights)
    weights = ("layer1.neuron1.weight2", "output.neuron1.bias")
    return (
        surface_over_weights(landscape, weights, path=path, n_points=9),
        surface_over_directions(landscape, path=path, n_points=9),
        surface_over_path(landscape, path, n_points=9),
        surface_between(landscape, path, other, n_points=9),
    )


def test_the_value_at_the_networks_own_weights_is_its_loss_exactly(known):
    landscape, loss = known
    for surface in make_surfaces(landscape):
        row = np.flatnonzero(surface.y == surface.at[1])
        column = np.flatnonzero(surface.x == surface.at[0])
        assert len(row) == len(column) == 1
        assert surface.losses[row[0], column[0]] == surface.loss == landscape.loss
    assert landscape.losses_on(np.ones((1, 26)), np.zeros((1, 1)))[0] == pytest.approx(
        loss(landscape.weights), rel=1e-12
    )


def test_a_surface_over_weights_has_the_loss_of_the_changed_network(known):
    landscape, loss = known
    surface = make_surfaces(landscape)[0]
    places = [position_of(landscape.network, axis.name) for axis in surface.axes]
    for row, column in ((0, 0), (8, 3), (2, 7), (5, 5)):
        weights = landscape.weights.copy()
        weights[places] = surface.x[column], surface.y[row]
        assert surface.losses[row, column] == pytest.approx(loss(weights), abs=1e-10)


def test_a_surface_over_directions_has_the_loss_along_them(known):
    landscape, loss = known
    random, plane = make_surfaces(landscape)[1:3]
    ways = {
        "random": filter_normalized(landscape.network, 0),
        "path": plane_of(make_path(landscape).weights)[0],
    }
    for surface in (random, plane):
        first, second = ways[surface.kind]
        for row, column in ((0, 0), (8, 3), (2, 7)):
            moved = landscape.weights + surface.x[column] * first + surface.y[row] * second
            assert surface.losses[row, column] == pytest.approx(loss(moved), abs=1e-10)


def test_the_paths_last_point_is_the_network_and_its_losses_are_true(known):
    landscape, loss = known
    path = make_path(landscape)
    for surface in make_surfaces(landscape):
        assert surface.path.x[-1] == pytest.approx(surface.at[0], abs=1e-12)
        assert surface.path.y[-1] == pytest.approx(surface.at[1], abs=1e-12)
        assert surface.path.off[-1] == pytest.approx(0, abs=1e-12)
        assert surface.path.losses[-1] == pytest.approx(landscape.loss, rel=1e-14)
        for weights, height in zip(path.weights, surface.path.losses, strict=True):
            assert height == pytest.approx(loss(weights), rel=1e-10)


def test_a_path_is_seen_from_the_nearest_place_of_the_surface(known):
    landscape, _ = known
    path = make_path(landscape)
    for surface, ways in (
        (make_surfaces(landscape)[1], filter_normalized(landscape.network, 0)),
        (make_surfaces(landscape)[2], plane_of(path.weights)[0]),
    ):
        shown = np.outer(surface.path.x, ways[0]) + np.outer(surface.path.y, ways[1])
        rest = path.weights - landscape.weights - shown
        np.testing.assert_allclose(rest @ ways.T, 0, atol=1e-10)
        np.testing.assert_allclose(surface.path.off, np.linalg.norm(rest, axis=1), atol=1e-12)


def test_over_two_weights_the_path_is_those_weights(known):
    landscape, _ = known
    surface, path = make_surfaces(landscape)[0], make_path(landscape)
    places = [position_of(landscape.network, axis.name) for axis in surface.axes]
    np.testing.assert_allclose(surface.path.x, path.weights[:, places[0]], atol=1e-12)
    np.testing.assert_allclose(surface.path.y, path.weights[:, places[1]], atol=1e-12)


def test_the_plane_between_holds_start_end_and_the_other_network(known):
    landscape, loss = known
    surface = make_surfaces(landscape)[3]
    other = landscape.weights + np.random.default_rng(5).normal(size=26)
    assert surface.path.off[0] == pytest.approx(0, abs=1e-10)
    x, y, height = surface.other
    assert (x, y) == (pytest.approx(np.linalg.norm(other - landscape.weights)), 0.0)
    assert height == pytest.approx(loss(other), abs=1e-10)
    assert surface.x[0] <= x <= surface.x[-1]


def test_the_principal_plane_is_that_of_the_covariance():
    path = np.random.default_rng(0).normal(size=(9, 14)) * np.linspace(3, 0.1, 14)
    directions, shares = plane_of(path)
    found = PCA(n_components=2).fit(path)
    np.testing.assert_allclose(shares, found.explained_variance_ratio_, rtol=1e-10)
    np.testing.assert_allclose(np.abs(directions @ found.components_.T), np.eye(2), atol=1e-8)
    assert ((path[0] - path[-1]) @ directions.T <= 0).all()


@pytest.mark.parametrize("weights", [np.ones((4, 5)), np.outer([1.0, 2, 4], [0, 1, 0, 2, 0])])
def test_a_path_without_a_plane_still_gets_two_directions_at_right_angles(weights):
    directions, shares = plane_of(weights)
    np.testing.assert_allclose(directions @ directions.T, np.eye(2), atol=1e-12)
    assert np.isfinite(shares).all()


def test_random_directions_are_as_long_as_the_weights_neuron_by_neuron():
    layers = (
        Conv2D(channels=5, kernel=3), BatchNorm(), Flatten(), Dense(units=4),
        Dense(units=3, activation="softmax"),
    )  # fmt: skip
    described = Architecture(input_shape=(6, 6, 2), layers=layers, loss="cross_entropy")
    network = build(described, jax.random.key(0))
    leaves, _ = jax.tree_util.tree_flatten_with_path(partition(network)[0])
    first, again, other = (filter_normalized(network, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    offset = 0
    for path, leaf in leaves:
        weights = np.asarray(leaf, np.float64)
        drawn = first[0, offset : offset + weights.size].reshape(weights.shape)
        offset += weights.size
        if weights.ndim == 1:
            assert (drawn == 0).all()
        elif path[-1].name == "kernel":
            for channel in range(5):
                norms = [np.linalg.norm(part[..., channel]) for part in (drawn, weights)]
                assert norms[0] == pytest.approx(norms[1], rel=1e-9)
        else:
            lengths = [np.linalg.norm(part, axis=1) for part in (drawn, weights)]
            np.testing.assert_allclose(*lengths, rtol=1e-9)
    assert offset == first.shape[1]


def test_a_real_descent_ends_at_the_center_of_its_surface():
    architecture = described("cross_entropy")
    walk = descend(architecture, X, CLASSES, PLAIN.model_copy(update={"epochs": 50}), n_looks=25)
    landscape = Landscape(walk.network, architecture, X, CLASSES)
    np.testing.assert_array_equal(walk.path.weights[-1], landscape.weights)
    surface = surface_over_path(landscape, walk.path, n_points=11)
    assert (surface.path.x[-1], surface.path.y[-1]) == (0.0, 0.0)
    assert surface.path.losses[-1] == surface.loss
    np.testing.assert_allclose(surface.path.losses, walk.descent.losses, rtol=1e-5)
    assert sum(axis.share for axis in surface.axes) > 0.9


def test_batch_normalization_counts_as_the_trained_network_has_it():
    layers = (Dense(units=4), BatchNorm(), Dense(units=2, activation="softmax"))
    architecture = Architecture(input_shape=(3,), layers=layers, loss="cross_entropy")
    walk = descend(architecture, X, CLASSES, PLAIN.model_copy(update={"epochs": 20}), n_looks=4)
    landscape = Landscape(walk.network, architecture, X, CLASSES)
    assert landscape.loss == pytest.approx(walk.descent.final_loss, rel=1e-5)
    a = np.asarray(walk.network(jnp.asarray(X, jnp.float32)))
    by_hand = -np.log(a[np.arange(17), CLASSES]).mean()
    assert landscape.loss == pytest.approx(by_hand, rel=1e-5)


@pytest.fixture(scope="module")
def fog():
    architecture = described("squared_error")
    walk = descend(architecture, X, NUMBERS, PLAIN.model_copy(update={"epochs": 40}), n_looks=8)
    landscape = Landscape(walk.network, architecture, X, NUMBERS)
    return under_fog(surface_over_path(landscape, walk.path, n_points=15), radius=0.2)


def test_fog_only_ever_lifts(fog):
    before = fog.known(0)
    assert not before.any()
    for n_places in range(1, fog.n_places + 1):
        now = fog.known(n_places)
        assert (now >= before).all()
        assert now.any()
        before = now
    np.testing.assert_array_equal(before, fog.known())
    assert 0 < fog.share_known(1) < fog.share_known() < 1


def test_what_is_known_lies_within_the_radius(fog):
    surface, known = fog.surface, fog.known(4)
    sides = np.array([np.ptp(surface.x), np.ptp(surface.y)])
    visited = np.stack([surface.path.x[:4], surface.path.y[:4]], axis=1)
    for row, y in enumerate(surface.y):
        for column, x in enumerate(surface.x):
            away = np.linalg.norm((visited - [x, y]) / sides, axis=1)
            assert known[row, column] == (away.min() <= 0.2)


def test_the_lowest_that_is_known_is_on_the_known_part(fog):
    x, y, seen = fog.lowest_known(3)
    row, column = np.flatnonzero(fog.surface.y == y)[0], np.flatnonzero(fog.surface.x == x)[0]
    assert fog.known(3)[row, column]
    assert seen == fog.surface.losses[fog.known(3)].min()
    assert seen >= fog.surface.lowest[2]


def test_values_go_to_json_and_back_and_draw_themselves(fog):
    architecture = described("cross_entropy")
    landscape = Landscape(build(architecture, jax.random.key(1)), architecture, X, CLASSES)
    surfaces = make_surfaces(landscape)
    values = (loss_along(landscape, "layer1.neuron1.bias"), *surfaces, fog)
    for value in values:
        assert type(value).model_validate_json(value.model_dump_json()) == value
        assert str(value) == repr(value)
        page = ElementTree.fromstring(f"<div>{value._repr_html_()}</div>")
        assert len(page) >= 1
    for value in (values[0], surfaces[0]):
        assert "损失" in value.to_svg(lambda label: {"loss": "损失"}.get(label, label))


def test_what_is_not_finite_is_shown_as_such():
    architecture = Architecture(
        input_shape=(3,), loss="squared_error",
        layers=(Dense(units=4), Dense(units=2, activation="identity")),
    )  # fmt: skip
    landscape = Landscape(build(architecture, jax.random.key(0)), architecture, X, NUMBERS)
    surface = surface_over_directions(landscape, span=1e19, n_points=5)
    assert np.isinf(surface.losses).any()
    assert np.isfinite(surface.lowest[2])
    again = LossSurface.model_validate_json(surface.model_dump_json())
    assert again == surface
    ElementTree.fromstring(surface.to_svg())
    curve = loss_along(landscape, "output.neuron1.bias", learning_rate=1e30, n_steps=9)
    assert not np.isfinite(curve.steps[-1])
    assert np.isfinite(curve.values).all()
    assert LossCurve.model_validate_json(curve.model_dump_json()) == curve
    ElementTree.fromstring(curve.to_svg())


def test_names_and_positions_belong_together():
    layers = (
        Conv2D(channels=2, kernel=3), BatchNorm(), Flatten(), Dense(units=3),
        Residual(layers=(Dense(units=4), Activation(), Dense(units=3))),
        Dense(units=2, activation="softmax"),
    )  # fmt: skip
    described = Architecture(input_shape=(5, 5, 1), layers=layers, loss="cross_entropy")
    network = build(described, jax.random.key(0))
    names = [name_of(network, position) for position in range(described.n_parameters)]
    assert len(set(names)) == described.n_parameters
    assert [position_of(network, name) for name in names] == list(range(described.n_parameters))
    assert "layer5.inner1.neuron4.weight3" in names
    assert names[-1] == "output.neuron2.bias"
    assert position_of(network, "layer6.neuron2.bias") == len(names) - 1


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("weight", "a weight by its name"),
        ("layer9.neuron1.bias", "there are layer1.neuron1…4.weight1…3"),
        ("layer1.neuron5.bias", "layer1.neuron1…4.bias"),
        ("layer1.neuron1.weight4", "layer1.neuron1…4.weight1…3"),
        ("layer1.neuron0.weight1", "layer1.neuron1…4.weight1…3"),
        ("layer1.neuron1.weight", "layer1.neuron1…4.weight1…3"),
    ],
)
def test_a_weight_there_is_not_is_refused(name, hint):
    network = build(described("cross_entropy"), jax.random.key(0))
    with pytest.raises(InputError, match=hint):
        position_of(network, name)


def test_what_does_not_belong_together_is_refused():
    architecture = described("cross_entropy")
    network = build(architecture, jax.random.key(0))
    for x, y, expected in (
        (X[:, :2], CLASSES, r"examples of shape \(3,\)"),
        (X[:0], CLASSES[:0], "one at least"),
        (X, CLASSES[:5], "a target for each of 17"),
        (X, CLASSES + 1, "classes from 0 to 1"),
        (X, NUMBERS[:, :1], "2 finite targets"),
    ):
        with pytest.raises(InputError, match=expected):
            Landscape(network, architecture, x, y)
    landscape = Landscape(network, architecture, X, CLASSES)
    with pytest.raises(InputError, match="two different weights"):
        surface_over_weights(landscape, ("layer1.neuron1.bias",) * 2)
    with pytest.raises(InputError, match="learning rate above 0"):
        loss_along(landscape, "layer1.neuron1.bias", learning_rate=0)
    with pytest.raises(InputError, match="a surface with a path"):
        under_fog(surface_over_directions(landscape, n_points=3))
    with pytest.raises(InputError, match="radius"):
        Fog(surface=surface_over_directions(landscape, n_points=3), radius=0)
