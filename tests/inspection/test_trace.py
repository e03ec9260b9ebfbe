"""Traces against JAX's own gradients, the hand-worked network, and a real step of training."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fathom.errors import InputError
from fathom.inspection.drawing import stages_of
from fathom.inspection.example import INPUT, SUMS, TARGET, hand_worked, softmax_layer
from fathom.inspection.formula import write_formula
from fathom.inspection.trace import trace
from fathom.inspection.traced import Trace
from fathom.nn.activations import ACTIVATIONS
from fathom.nn.architecture import Architecture
from fathom.nn.blocks import Activation, Dropout, Flatten, Residual
from fathom.nn.combination import Combination
from fathom.nn.convolution import AveragePool, Conv2D, GlobalAveragePool, MaxPool
from fathom.nn.dense import Dense, DenseLayer
from fathom.nn.embedding import Columns, Gain
from fathom.nn.initializers import Initializer
from fathom.nn.losses import LOSSES, reduce_loss
from fathom.nn.network import draw
from fathom.nn.normalization import BatchNorm, LayerNorm
from fathom.training.loop import make_plan
from fathom.training.plan import Examples, Knobs
from fathom.training.program import make_program
from fathom.training.recipe import Recipe

SMOOTH = [name for name in ACTIVATIONS if name != "softmax"]
SPREAD = Initializer(name="normal", scale=0.7)
ROWS = 3
names = st.sampled_from(SMOOTH)
flat_layers = st.one_of(
    st.builds(
        Dense, units=st.sampled_from((3, 4)), activation=names, has_bias=st.booleans(),
        bias_initializer=st.just(SPREAD),
    ),
    st.builds(Activation, activation=names),
    st.just(BatchNorm()), st.just(LayerNorm()), st.just(Gain()), st.just(Dropout(rate=0.4)),
    st.just(Residual(layers=(Dense(units=3, activation="tanh"), LayerNorm()))),
    st.just(Residual(layers=(Dense(units=5, activation="silu"), Dropout(rate=0.3)))),
)  # fmt: skip
picture_layers = st.one_of(
    st.builds(
        Conv2D, channels=st.sampled_from((2, 3)), kernel=st.sampled_from(((3, 3), (2, 3))),
        stride=st.sampled_from((1, 2)), activation=names, has_bias=st.booleans(),
        bias_initializer=st.just(SPREAD),
    ),
    st.builds(Activation, activation=names),
    st.just(MaxPool(size=2)), st.just(AveragePool(size=2)),
    st.just(BatchNorm()), st.just(LayerNorm()), st.just(Dropout(rate=0.4)),
    st.just(
        Residual(layers=(Conv2D(channels=3, activation="identity"), BatchNorm(), Activation()))
    ),
)  # fmt: skip
COLUMNS = [
    Columns(
        n_numbers=2, n_plain=1, codes=(4, 12), form=form, bins=3, waves=2, units=3, most_one_hot=6
    )
    for form in ("as_is", "piecewise", "thermometer", "periodic")
]  # fmt: skip
outputs = st.sampled_from((
    ("softmax", "cross_entropy"), ("sigmoid", "binary_cross_entropy"),
    ("identity", "squared_error"), ("softmax", "squared_error"), ("tanh", "squared_error"),
))  # fmt: skip


@st.composite
def drawn_layers(draw):
    """Draw a kind of input and random layers for it."""
    kind = draw(st.sampled_from(("flat", "table", "picture")))
    middle = draw(st.lists(flat_layers, max_size=3))
    if kind == "flat":
        shape, layers = (4,), middle
    elif kind == "table":
        shape, layers = (5,), [draw(st.sampled_from(COLUMNS)), *middle]
    else:
        joint = draw(st.sampled_from((Flatten(), GlobalAveragePool())))
        shape, layers = (6, 5, 2), [*draw(st.lists(picture_layers, max_size=2)), joint, *middle]
    return shape, layers, *draw(outputs), draw(st.sampled_from(("mean", "total")))


def describe(drawn):
    shape, layers, activation, loss, reduction = drawn
    output = Dense(units=3, activation=activation)
    try:
        return Architecture(
            input_shape=shape, layers=(*layers, output), loss=loss, reduction=reduction
        )
    except ValueError:  # pooled away
        return Architecture(input_shape=(4,), layers=(output,), loss=loss, reduction=reduction)


def examples_for(architecture, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(ROWS, *architecture.input_shape))
    if isinstance(architecture.layers[0], Columns):
        x[:, 3], x[:, 4] = rng.integers(0, 4, ROWS), rng.integers(0, 12, ROWS)
    y = rng.random((ROWS, 3))
    if architecture.loss == "cross_entropy":
        y = np.eye(3)[rng.integers(0, 3, ROWS)]
    return x, y


def unhurried(examples):
    """Every new shape is compiled, so that there is time for few examples and none to shrink."""
    return settings(
        max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow],
        phases=(Phase.explicit, Phase.reuse, Phase.generate),
    )  # fmt: skip


def in_float64(network):
    is_float = lambda leaf: jnp.issubdtype(leaf.dtype, jnp.floating)
    return jax.tree.map(lambda leaf: leaf.astype(float) if is_float(leaf) else leaf, network)


def loss_of(architecture, network, x, y, key):
    z = network.combine(x) if key is None else network.train(x, key)[0]
    values = LOSSES[architecture.loss](z, y, architecture.output_activation)
    return reduce_loss(values, jnp.ones(len(values)), architecture.reduction)


def close(found, expected, scale=1e-4):
    expected = np.asarray(expected)
    scale = max(float(np.abs(expected).max(initial=0)), scale)  # some are 0 but for rounding
    # Ten times as close as is promised; the last digits are each machine's own.
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-7 * scale)


def parameters_of(layers, module_layers):
    """Return each traced parameter beside the leaf of that name in a tree like the network."""
    for layer, module in zip(layers, module_layers, strict=True):
        for parameter in layer.parameters:
            yield parameter, getattr(module, parameter.name)
        if layer.inner:
            yield from parameters_of(layer.inner, module.layers)


@unhurried(2)
@given(drawn_layers(), st.integers(0, 2**16), st.booleans())
def test_gradients_are_those_of_jax_on_random_networks(drawn, seed, is_learning):
    architecture = describe(drawn)
    with jax.enable_x64(True):
        key = jax.random.key(seed) if is_learning else None
        network = in_float64(draw(architecture, jax.random.key(seed + 1)))
        x, y = examples_for(architecture, seed)
        traced = trace(
            network, x, y, loss=architecture.loss, reduction=architecture.reduction, key=key
        )
        expected_loss, (gradient, to_x) = eqx.filter_jit(
            eqx.filter_value_and_grad(
                lambda given: loss_of(architecture, *given, jnp.asarray(y), key)
            )
        )((network, jnp.asarray(x)))
        close(traced.loss, expected_loss)
        pairs = list(parameters_of(traced.layers, gradient.layers))
        assert sum(p.value.size for p, _ in pairs) == architecture.n_parameters
        # Behind a BatchNorm large errors cancel: what is left over is as exact as they are.
        largest = max(float(np.abs(layer.x_gradient).max(initial=0)) for layer in traced.layers)
        for parameter, expected in pairs:
            close(parameter.gradient, expected, largest)
        close(traced.layers[0].x_gradient, to_x, largest)
        if key is None:
            close(traced.output, network(jnp.asarray(x)))


@unhurried(2)
@given(drawn_layers(), st.integers(0, 2**16))
def test_node_errors_are_derivatives_by_the_sums(drawn, seed):
    architecture = describe(drawn)
    with jax.enable_x64(True):
        network = in_float64(draw(architecture, jax.random.key(seed)))
        x, y = examples_for(architecture, seed)
        traced = trace(network, x, y, loss=architecture.loss, reduction=architecture.reduction)
        for number, layer in enumerate(traced.layers):

            def rest(z, number=number, layer=layer):
                if number == len(traced.layers) - 1:
                    last = z
                else:
                    a = ACTIVATIONS[layer.activation](z)
                    for module in network.layers[number + 1 : -1]:
                        a = module(a)
                    last = network.output.combine(a)
                values = LOSSES[architecture.loss](
                    last, jnp.asarray(y), architecture.output_activation
                )
                return reduce_loss(values, jnp.ones(ROWS), architecture.reduction)

            close(layer.delta, jax.jit(jax.grad(rest))(jnp.asarray(layer.z)))


def test_a_combination_of_factors_is_traced_like_any_layer():
    output = Combination(factors=(2, 3), seen=((0, 0), (0, 2), (1, 1)), offsets=(-1.0, 0.2, -0.4))
    architecture = Architecture(
        input_shape=(4,), loss="cross_entropy",
        layers=(Dense(units=3, activation="tanh"), Dense(units=5, activation="identity"), output),
    )  # fmt: skip
    with jax.enable_x64(True):
        network = in_float64(draw(architecture, jax.random.key(1)))
        x, y = examples_for(architecture, 0)
        traced = trace(network, x, y, loss=architecture.loss)
        given = (architecture, network, jnp.asarray(x), jnp.asarray(y), None)
        gradient = eqx.filter_grad(lambda network: loss_of(given[0], network, *given[2:]))(network)
        pairs = list(parameters_of(traced.layers, gradient.layers))
        assert sum(p.value.size for p, _ in pairs) == architecture.n_parameters
        for parameter, expected in pairs:
            close(parameter.gradient, expected)
        to_x = jax.grad(lambda x: loss_of(architecture, network, x, *given[3:]))
        close(traced.layers[0].x_gradient, to_x(jnp.asarray(x)))
        close(traced.output, network(jnp.asarray(x)))
    drawn = stages_of(traced.x, traced.layers)[-1]
    np.testing.assert_array_equal(
        drawn.weights, [[1, 0, 1, 0, 0], [1, 0, 0, 0, 1], [0, 1, 0, 1, 0]]
    )
    assert write_formula(architecture).startswith("y = softmax(P³(W² tanh(W¹x + b¹) + b²) + b³)")


def test_the_hand_worked_network_and_its_backward_half_by_hand():
    network, architecture = hand_worked()
    traced = trace(network, [INPUT], [TARGET], loss=architecture.loss, learning_rate=0.5)
    for layer, printed in zip(
        traced.layers, ((0.98, 0.12), (0.86, 0.11), (0.62, 0.83)), strict=True
    ):
        np.testing.assert_allclose(np.round(layer.a[0], 2), printed, atol=1e-9)
    np.testing.assert_allclose(traced.layers[0].z[0], (4, -2), atol=1e-12)
    (a1, a2), w = traced.output[0], ((3, -1), (-1, 4))
    assert traced.loss == pytest.approx(((a1 - 1) ** 2 + a2**2) / 2, rel=1e-12)
    d3 = [(a1 - 1) * a1 * (1 - a1), a2 * a2 * (1 - a2)]
    np.testing.assert_allclose(traced.layer("output").delta[0], d3, rtol=1e-12)
    h = traced.layers[1].a[0]
    d2 = [(w[0][j] * d3[0] + w[1][j] * d3[1]) * h[j] * (1 - h[j]) for j in (0, 1)]
    np.testing.assert_allclose(traced.layer("layer2").delta[0], d2, rtol=1e-12)
    weight = traced.layer("output").parameter("weight")
    np.testing.assert_allclose(weight.gradient, np.outer(d3, h), rtol=1e-12)
    np.testing.assert_allclose(weight.new, np.asarray(w) - 0.5 * np.outer(d3, h), rtol=1e-12)


def test_the_softmax_layer_by_hand():
    network, architecture = softmax_layer()
    traced = trace(network, [SUMS], [0], loss=architecture.loss)
    e = np.exp(SUMS)
    np.testing.assert_allclose(traced.output[0], e / e.sum(), rtol=1e-12)
    np.testing.assert_allclose(np.round(traced.output[0], 2), (0.88, 0.12, 0.00), atol=1e-9)
    np.testing.assert_allclose(traced.layers[0].delta[0], e / e.sum() - (1, 0, 0), rtol=1e-9)
    assert traced.loss == pytest.approx(-np.log(e[0] / e.sum()))


SMALL = Architecture(
    input_shape=(4,),
    layers=(Dense(units=5, activation="silu"), Dense(units=3, activation="softmax")),
    loss="cross_entropy",
)
RECIPES = [
    Recipe(optimizer=name, learning_rate=0.05, weight_decay=decay, gradient_clip=clip, rates=rates)
    for name, decay, clip, rates in (
        ("gradient_descent", 0.0, None, "equal"), ("gradient_descent", 0.3, 0.1, "equal"),
        ("momentum", 0.0, None, "by_role"), ("nesterov", 0.2, None, "equal"),
        ("rmsprop", 0.0, None, "equal"), ("adam", 0.1, None, "equal"),
        ("adamw", 0.3, None, "by_role"), ("adamw", 0.3, 0.01, "by_role"),
        ("muon", 0.1, None, "equal"),
    )
]  # fmt: skip


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: f"{r.optimizer}-{r.rates}")
def test_the_new_values_are_those_of_a_step_of_training(recipe):
    recipe = recipe.model_copy(update={"label_smoothing": 0.1})
    network = draw(SMALL, jax.random.key(0))
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, 4)).astype(np.float32), rng.integers(0, 3, 7).astype(np.int32)
    program = make_program(make_plan(SMALL, recipe))
    knobs = Knobs(jnp.float32(recipe.weight_decay), jnp.float32(recipe.label_smoothing))
    state, _, _ = program.advance(
        program.start(network), Examples(jnp.asarray(x), jnp.asarray(y), jnp.ones(7)),
        jnp.arange(7)[None], jax.random.key(0), jnp.asarray([recipe.learning_rate]), knobs,
    )  # fmt: skip
    traced = trace(network, x, y, loss=SMALL.loss, recipe=recipe)
    for parameter, stepped in parameters_of(traced.layers, state.network.layers):
        moved = np.asarray(stepped, np.float64) - parameter.value
        np.testing.assert_allclose(parameter.new - parameter.value, moved, rtol=2e-3, atol=2e-6)


def test_a_trace_goes_to_json_and_back():
    network, architecture = hand_worked()
    for y in (None, [TARGET]):
        traced = trace(network, [INPUT], y, loss=architecture.loss)
        again = Trace.model_validate_json(traced.model_dump_json())
        assert again == traced
        assert hash(again) == hash(traced)
    assert traced != trace(network, [(1, 0)], [TARGET], loss=architecture.loss)
    with pytest.raises(ValueError, match="read-only"):
        traced.x[0] = 1


def test_without_a_target_there_is_the_forward_half_alone():
    network, architecture = hand_worked()
    traced = trace(network, [INPUT], loss=architecture.loss)
    assert traced.loss is traced.layers[0].delta is traced.update is None
    assert traced.layers[0].parameters[0].gradient is None
    np.testing.assert_allclose(np.round(traced.output[0], 2), (0.62, 0.83))


def test_a_single_number_as_target_of_a_single_output():
    layer = DenseLayer(jnp.asarray([[2.0, -1.0]]), None, "identity")
    from fathom.nn.network import Network

    traced = trace(Network((layer,)), [[1, 1], [0, 1]], [3, 0], loss="squared_error")
    np.testing.assert_allclose(traced.losses, [2, 0.5])
    assert traced.loss == pytest.approx(1.25)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([1, -1], None, "a batch of examples"),
        ([[1, -1, 2]], None, r"shape the network takes.*\(3,\)"),
        ([INPUT], [[1, 2, 3]], "2 finite targets for each of 1"),
        ([INPUT], [[1, np.nan]], "2 finite targets"),
        ([INPUT], [2], "classes from 0 to 1"),
        ([INPUT, INPUT], [1], "for each of 2 examples"),
    ],
)
def test_what_does_not_belong_together_is_refused(x, y, message):
    network, architecture = hand_worked()
    with pytest.raises(InputError, match=message):
        trace(network, x, y, loss=architecture.loss)
    with pytest.raises(InputError, match="a softmax output for the loss cross_entropy"):
        trace(network, [INPUT], [1], loss="cross_entropy")
