"""Why: the arithmetic that is shown, evaluated by Python itself, gives the number that is shown."""

import json
import math
from collections import deque

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fathom.errors import InputError
from fathom.inspection.arithmetic import evaluate, write_number
from fathom.inspection.example import INPUT, SUMS, TARGET, hand_worked, softmax_layer
from fathom.inspection.trace import trace
from fathom.inspection.why import Explanation, why
from fathom.nn.activations import ACTIVATIONS
from fathom.nn.architecture import Architecture
from fathom.nn.blocks import Activation, Dropout, Flatten, Residual
from fathom.nn.combination import Combination
from fathom.nn.convolution import AveragePool, Conv2D, GlobalAveragePool, MaxPool
from fathom.nn.dense import Dense
from fathom.nn.embedding import Columns, Gain
from fathom.nn.initializers import Initializer
from fathom.nn.network import draw
from fathom.nn.normalization import BatchNorm, LayerNorm
from fathom.training.recipe import Recipe

SPREAD = Initializer(name="normal", scale=0.5)
NAMESPACE = {name: getattr(math, name) for name in dir(math)} | {
    "abs": abs, "max": max, "min": min, "int": int,
}  # fmt: skip


def recomputed(explanation):
    """Evaluate what is printed with Python and its math module, as a reader would."""
    printed = str(explanation).splitlines()
    assert printed[0].startswith(f"{explanation.name} = ")
    assert printed[-1].startswith("  = ")
    expression = "(" + "\n".join(printed[1:-1]) + "\n)"  # what stands behind # is a comment
    return eval(expression, {"__builtins__": {}}, NAMESPACE), printed[-1].removeprefix("  = ")


def check(explanation):
    found, printed = recomputed(explanation)
    assert write_number(found) == printed, explanation
    scale = max(abs(explanation.value), 1e-9)
    assert abs(float(printed) - explanation.value) <= 6e-4 * scale, explanation


def explain_all(traced, seeds, most):
    """Explain numbers and all they are made of; return how many."""
    waiting, seen = deque(seeds), set(seeds)
    while waiting and len(seen) < most:
        explanation = why(traced, waiting.popleft())
        check(explanation)
        for operand in explanation.operands:
            if not operand.name:
                continue
            again = why(traced, operand.name)
            assert again.name == operand.name
            assert again.value == pytest.approx(operand.value, rel=1e-9, abs=1e-300)
            if operand.name not in seen:
                seen.add(operand.name)
                waiting.append(operand.name)
    return len(seen)


FLAT, PICTURE = (4,), (6, 5, 2)
SOFTMAX = Dense(units=3, activation="softmax")


def two(activation):
    first = Dense(units=3, activation=activation, bias_initializer=SPREAD)
    return FLAT, (first, Dense(units=4, activation=activation))


def columns(form):
    first = Columns(
        n_numbers=2, n_plain=1, codes=(4, 12), form=form, bins=14, waves=3, units=3, most_one_hot=6
    )
    return (5,), (first, Gain(), Dense(units=3))


CASES = {
    **{name: two(name) for name in ACTIVATIONS if name != "softmax"},
    **{form: columns(form) for form in ("as_is", "piecewise", "thermometer", "periodic")},
    "wide": ((300,), (Dense(units=40, activation="tanh"), Dense(units=20, activation="silu"))),
    "norms": (
        FLAT,
        (
            BatchNorm(), Dense(units=5), LayerNorm(), Activation(activation="gelu"), Gain(),
            Dropout(rate=0.4),
        ),
    ),
    "residual": (
        FLAT,
        (
            Residual(layers=(Dense(units=4), LayerNorm())),
            Residual(layers=(Dense(units=6, activation="tanh"), Dropout(rate=0.3))),
        ),
    ),
    "convolution": (
        PICTURE,
        (
            Conv2D(channels=3, bias_initializer=SPREAD), MaxPool(),
            Conv2D(channels=2, kernel=(2, 3), stride=2, activation="tanh", has_bias=False),
            Flatten(),
        ),
    ),
    "picture norms": (
        PICTURE,
        (
            BatchNorm(), LayerNorm(), Conv2D(channels=2, padding="valid", activation="selu"),
            Dropout(rate=0.3), AveragePool(), GlobalAveragePool(),
        ),
    ),
    "picture block": (
        PICTURE,
        (
            Residual(layers=(Conv2D(channels=3, activation="identity"), BatchNorm(), Activation())),
            MaxPool(size=4), GlobalAveragePool(),
        ),
    ),
}  # fmt: skip


def traced_case(name, n_rows=1, *, is_learning=False, output=SOFTMAX, loss="cross_entropy", **more):
    shape, layers = CASES[name]
    described = Architecture(input_shape=shape, layers=(*layers, output), loss=loss)
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n_rows, *shape)).astype(np.float32)
    if isinstance(layers[0], Columns):
        x[:, 3], x[:, 4] = 2, 11
    y = rng.integers(0, 3, n_rows) if loss == "cross_entropy" else rng.random((n_rows, 3))
    network = draw(described, jax.random.key(0))
    moved = jax.tree.map(lambda leaf: leaf, network)
    if name == "picture norms":  # statistics as after some training
        at = lambda n: (n.layers[0].running_mean.value, n.layers[0].running_variance.value)
        moved = eqx.tree_at(at, network, (jnp.asarray([0.3, -0.2]), jnp.asarray([1.5, 0.7])))
    key = jax.random.key(3) if is_learning else None
    return trace(moved, x, y, loss=loss, key=key, **more)


def seeds_of(traced, rng):
    yield "loss"
    for layer in traced.every_layer():
        for _ in range(2):
            place = ",".join(str(rng.integers(side) + 1) for side in layer.a.shape[1:])
            for quantity in ("a", "delta"):
                yield f"{layer.name}.neuron{place}.{quantity}"
        for parameter in layer.parameters:
            place = ",".join(str(rng.integers(side) + 1) for side in parameter.value.shape)
            for quantity in ("gradient", "new", "direction"):
                yield f"{layer.name}.{parameter.name}{place}.{quantity}"
    place = ",".join(str(rng.integers(side) + 1) for side in traced.x.shape[1:])
    yield f"input.{place}.gradient"


@pytest.mark.parametrize("name", CASES)
def test_what_is_printed_evaluates_to_what_is_printed(name):
    traced = traced_case(name)
    assert explain_all(traced, list(seeds_of(traced, np.random.default_rng(0))), 150) > 30


@pytest.mark.parametrize("name", ["norms", "picture norms", "residual", "picture block"])
def test_also_of_a_batch_while_learning(name):
    traced = traced_case(name, 3, is_learning=True)
    assert explain_all(traced, list(seeds_of(traced, np.random.default_rng(0))), 120) > 30


@pytest.mark.parametrize(
    ("activation", "loss"),
    [("sigmoid", "binary_cross_entropy"), ("softmax", "squared_error"),
     ("identity", "squared_error"), ("tanh", "squared_error")],
)  # fmt: skip
@pytest.mark.parametrize("reduction", ["mean", "total"])
def test_of_every_output_and_loss(activation, loss, reduction):
    output = Dense(units=3, activation=activation)
    traced = traced_case("tanh", 2, output=output, loss=loss, reduction=reduction)
    seeds = ["loss", "row1.loss", "row2.loss", "row2.output.neuron3.delta", "input.2.gradient"]
    assert explain_all(traced, seeds, 100) > 20


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(
            optimizer=name, weight_decay=decay, gradient_clip=clip, rates=rates, learning_rate=0.07
        )
        for name in ("gradient_descent", "momentum", "nesterov", "rmsprop", "adam", "adamw", "muon")
        for decay, clip, rates in ((0.0, None, "equal"), (0.3, 0.01, "by_role"))
    ],
    ids=lambda r: f"{r.optimizer}-{r.weight_decay}",
)  # fmt: skip
def test_of_every_optimizer(recipe):
    traced = traced_case("tanh", recipe=recipe)
    for name in ("layer1.neuron2.weight3", "layer1.neuron2.bias", "output.neuron1.weight1"):
        for quantity in ("direction", "new"):
            check(why(traced, f"{name}.{quantity}"))


@pytest.mark.parametrize("scale", [1e-6, 40.0, 1000.0])
@pytest.mark.parametrize("activation", [a for a in ACTIVATIONS if a != "softmax"])
def test_far_out_too(activation, scale):
    shape = (2,)
    layers = (Dense(units=2, activation=activation), SOFTMAX)
    described = Architecture(input_shape=shape, layers=layers, loss="cross_entropy")
    network = draw(described, jax.random.key(0))
    for sign in (1, -1):
        traced = trace(network, [[sign * scale, -sign * scale / 2]], [1], loss="cross_entropy")
        seeds = ["loss", "layer1.neuron1.delta", "layer1.neuron2.delta", "output.neuron2.delta"]
        seeds += ["output.neuron1.probability", "layer1.neuron1.weight1.new"]
        explain_all(traced, seeds, 60)


def test_of_factors_each_sum_adds_up_one_number_of_each():
    seen = ((0, 0), (0, 2), (1, 1))
    output = Combination(factors=(2, 4), seen=seen, offsets=(-0.5, 0.2, -1.0))
    layers = (Dense(units=3, activation="tanh"), Dense(units=6, activation="identity"), output)
    described = Architecture(input_shape=FLAT, layers=layers, loss="cross_entropy")
    x = np.random.default_rng(0).normal(size=(2, 4))
    traced = trace(draw(described, jax.random.key(0)), x, [2, 0], loss="cross_entropy")
    z = why(traced, "row2.output.neuron2.z")
    names = [operand.name for operand in z.operands]
    assert names == ["row2.layer2.neuron1.a", "row2.layer2.neuron5.a", "output.neuron2.bias"]
    assert explain_all(traced, list(seeds_of(traced, np.random.default_rng(0))), 150) > 30
    # The third class of the second factor comes in no combination that was seen.
    assert why(traced, "layer2.neuron6.delta").arithmetic == "0"


def test_a_long_sum_shows_the_largest_terms_and_what_the_others_make():
    explanation = why(traced_case("wide"), "layer1.neuron7.z")
    terms = [line for line in explanation.lines if "*" in line]
    assert len(terms) == 10
    assert [note for note in explanation.notes if "the other" in note] == ["the other 290 terms"]
    shown = sorted((abs(evaluate(term.removeprefix("+ "))) for term in terms), reverse=True)
    traced = traced_case("wide")
    weight = traced.layers[0].parameter("weight").value[6]
    largest = np.sort(np.abs(weight * traced.x[0]))[::-1][:10]
    np.testing.assert_allclose(shown, largest, rtol=1e-2)
    assert len(explanation.lines) == 12


def test_the_hand_worked_network():
    network, architecture = hand_worked()
    traced = trace(network, [INPUT], [TARGET], loss=architecture.loss, learning_rate=0.5)
    z = why(traced, "layer1.neuron1.z")
    assert z.arithmetic == "1 * 1 + -2 * -1 + 1"
    assert z.result == "4"
    assert why(traced, "layer1.neuron2").arithmetic == "1 / (1 + exp(-(-2)))"
    assert why(traced, "layer3.neuron1.a").name == "output.neuron1.a"
    delta = why(traced, "layer2.neuron1.delta")
    assert [o.name for o in delta.operands] == [
        "output.neuron1.weight1", "output.neuron1.delta", "output.neuron2.weight1",
        "output.neuron2.delta", "layer2.neuron1.slope",
    ]  # fmt: skip
    new = why(traced, "layer2.neuron1.weight2.new")
    assert new.formula == "w − η · ∂L/∂w"
    assert new.arithmetic.startswith("-1 - 0.5 * ")
    again = Explanation.model_validate_json(new.model_dump_json())
    assert again == new
    assert json.loads(new.model_dump_json())["result"] == new.result


def test_softmax_shows_its_exponentials():
    network, architecture = softmax_layer()
    traced = trace(network, [SUMS], [0], loss=architecture.loss)
    probability = why(traced, "output.neuron1.probability")
    assert probability.arithmetic == "20.09 / (20.09 + 2.718 + 0.04979)"
    assert probability.result == "0.8789"
    assert why(traced, "output.neuron2.exp").arithmetic == "exp(1)"


def test_names_of_inputs_and_outputs_are_told():
    network, architecture = hand_worked()
    traced = trace(
        network, [INPUT], [TARGET], loss=architecture.loss,
        input_names=("age", "income"), output_names=("stays", "leaves"),
    )  # fmt: skip
    assert "input.2 (income)" in str(why(traced, "layer1.neuron1.z"))
    assert "output.neuron2.a (leaves)" in str(why(traced, "loss"))
    assert "age" in why(traced, "input.1").formula


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nonsense", "the name of a number"),
        ("layer9.neuron1.z", "one of layer1, layer2, output"),
        ("layer1.neuron3.z", r"a place in 2, counted from 1.*neuron3"),
        ("layer1.neuron0.z", "a place in 2"),
        ("layer1.neuron1.weight5", "a place in 2×2"),
        ("layer1.neuron1.exp", "softmax"),
        ("layer1.neuron1.mean", "normalization"),
        ("layer1.neuron1.sloppy", r"something layer1 has.*weight, bias"),
        ("layer1.neuron1.weight1.newer", "something layer1 has"),
        ("row2.loss", "a row from 1 to 1"),
        ("input.3", "a place in 2"),
        ("__import__('os')", "the name of a number"),
    ],
)
def test_what_is_not_there_is_refused(name, message):
    network, architecture = hand_worked()
    traced = trace(network, [INPUT], [TARGET], loss=architecture.loss)
    with pytest.raises(InputError, match=message):
        why(traced, name)


def test_without_a_target_nothing_flows_back():
    network, architecture = hand_worked()
    traced = trace(network, [INPUT], loss=architecture.loss)
    check(why(traced, "output.neuron1.a"))
    for name in ("loss", "target.1", "layer1.neuron1.delta", "layer1.neuron1.bias.new"):
        with pytest.raises(InputError, match="target"):
            why(traced, name)


def test_evaluation_understands_arithmetic_and_nothing_else():
    for text in ("2 ** 3 - 1 / 4", "-(-2)**2", "max(1, 2, min(3, 4))", "int(2 > 1)", "2 * pi"):
        assert evaluate(text) == pytest.approx(eval(text, {}, NAMESPACE))
    for text in ("__import__('os')", "x", "exp(1000)", "1 / 0", "log(0)", "[1]", "open"):
        assert math.isnan(evaluate(text))
