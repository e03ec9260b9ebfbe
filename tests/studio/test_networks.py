"""The network of the studio's page: every number against sums by hand and finite differences."""

import numpy as np
import pytest

from fathom.errors import FathomError
from fathom.inspection.arithmetic import evaluate
from fathom.inspection.why import why
from fathom.studio import networks
from fathom.studio.messages import Ask, Descend, NetworkState, Reshape, TapeRequest
from fathom.studio.networks import (
    answer,
    descend,
    example,
    explain,
    tape,
    trace_state,
)
from fathom.studio.program import write_script
from fathom.studio.reshaping import fitting_loss, look_along, reshape


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def by_hand(state):
    """Return the loss of a network of sigmoid neurons, written down once more."""
    losses = []
    for one in state.examples:
        a = np.array(one.x)
        for layer in state.layers:
            a = sigmoid(np.array(layer.weights) @ a + np.array(layer.biases))
        losses.append(0.5 * ((a - np.array(one.target)) ** 2).sum())
    return np.mean(losses)


def changed(state, layer, unit, part, by):
    layers = [one.model_dump() for one in state.layers]
    rows = [list(row) for row in layers[layer]["weights"]]
    rows[unit][part] += by
    layers[layer]["weights"] = rows
    return state.model_copy(update={"layers": layers})


def test_the_hand_worked_network_is_what_it_is():
    numbers = answer(example("hand_worked")).numbers
    z = [np.array(layer.z) for layer in numbers.layers]
    a = [np.array(layer.a) for layer in numbers.layers]
    np.testing.assert_allclose(z[0], [4, -2], atol=1e-12)
    np.testing.assert_allclose(a[0], sigmoid(np.array([4, -2])), atol=1e-12)
    np.testing.assert_allclose(a[0].round(2), [0.98, 0.12])
    np.testing.assert_allclose(a[1].round(2), [0.86, 0.11])
    np.testing.assert_allclose(a[2].round(2), [0.62, 0.83])


def test_softmax_shows_its_exponentials():
    numbers = answer(example("softmax")).numbers
    np.testing.assert_allclose(np.round(numbers.layers[0].exponentials, 2), [20.09, 2.72, 0.05])
    np.testing.assert_allclose(np.round(numbers.layers[0].a, 2), [0.88, 0.12, 0.0])


def test_gradients_are_those_of_finite_differences():
    state = example("hand_worked")
    two = [*(one.model_dump() for one in state.examples), {"x": (0.0, 0.5), "target": (0.0, 1.0)}]
    state = state.model_copy(update={"examples": two})
    assert answer(state).numbers.loss == pytest.approx(by_hand(state), abs=1e-12)
    traced = trace_state(state)
    for layer, unit, part in ((0, 0, 1), (1, 1, 0), (2, 0, 0)):
        high, low = (by_hand(changed(state, layer, unit, part, by)) for by in (1e-5, -1e-5))
        found = traced.layers[layer].parameter("weight")
        gradient = found.gradient[unit, part]
        assert gradient == pytest.approx((high - low) / 2e-5, rel=1e-6)
        weight = state.layers[layer].weights[unit][part]
        assert found.new[unit, part] == pytest.approx(
            weight - state.learning_rate * gradient, abs=1e-12
        )


def test_the_curve_along_a_weight_is_the_loss_there():
    state = example("hand_worked")
    found = look_along(Ask(state=state, name="layer2.neuron1.weight2"))
    for value, loss in list(zip(found.values, found.losses, strict=True))[::20]:
        moved = changed(state, 1, 0, 1, value - found.value)
        assert loss == pytest.approx(by_hand(moved), abs=1e-9)
    gradient = trace_state(state).layers[1].parameter("weight").gradient
    assert found.slope == pytest.approx(gradient[0, 1], rel=1e-6)
    assert found.steps[0] == found.value
    assert found.steps[1] == pytest.approx(found.value - state.learning_rate * found.slope)
    assert list(found.step_losses) == sorted(found.step_losses, reverse=True)


def test_any_number_is_explained_down_to_what_is_given():
    for name in ("hand_worked", "softmax", "exclusive_or"):
        state, waiting, seen = example(name), ["loss", "layer1.neuron1.bias.new"], set()
        traced = trace_state(state)
        if len(state.layers) == 1:
            waiting[1] = "output.neuron1.bias.new"
        while waiting:
            asked = waiting.pop()
            if asked in seen:
                continue
            seen.add(asked)
            found = why(traced, asked)
            # what is printed comes out when it is evaluated
            said = evaluate(f"({' '.join(found.lines)})")
            assert said == pytest.approx(found.value, rel=1e-3, abs=1e-9), found
            waiting += [operand.name for operand in found.operands if operand.name]
        assert any(name.startswith(("input", "row2.input")) for name in seen)
        assert any(name.startswith(("target", "row2.target")) for name in seen)
        assert len(seen) > 10
    found = explain(Ask(state=example("exclusive_or"), name="output.neuron1.a"))
    assert found.name == "row2.output.neuron1.a"  # of the example that is shown


@pytest.mark.parametrize("is_softmax", [False, True])
def test_the_walk_visits_every_number_once_and_all_have_a_reason(is_softmax):
    wanted = reshape(
        Reshape(
            state=example("hand_worked"), n_inputs=3, units=(4, 2),
            activations=("tanh", "softmax" if is_softmax else "tanh"),
        )
    ).state  # fmt: skip
    steps = tape(TapeRequest(n_inputs=3, units=(4, 2), is_softmax=is_softmax)).steps
    names = [step.name for step in steps if step.kind != "product"]
    assert len(names) == len(set(names))
    n_units, n_parameters = 4 + 2, 4 * 3 + 4 + 2 * 4 + 2
    # sum, activation and error of each neuron; gradient and new value of each parameter; the loss
    assert len(names) == 3 * n_units + 2 * n_parameters + 1 + 2 * is_softmax
    assert sum(step.kind == "product" for step in steps) == n_parameters
    traced = trace_state(wanted)
    for step in steps:
        assert why(traced, step.name).lines
    kinds = [step.kind for step in steps]
    assert kinds.index("loss") > max(k for k, kind in enumerate(kinds) if kind == "activation")
    errors = [step.layer for step in steps if step.kind == "error"]
    assert errors == sorted(errors, reverse=True)


def test_another_shape_keeps_what_is_in_both():
    before = example("hand_worked")
    wish = Reshape(
        state=before, n_inputs=3, units=(2, 4, 1), activations=("relu", "tanh", "identity")
    )
    after = reshape(wish).state
    for old, new in zip(before.layers, after.layers, strict=True):
        n_out = min(len(old.weights), len(new.weights))
        n_in = min(len(old.weights[0]), len(new.weights[0]))
        assert [row[:n_in] for row in new.weights[:n_out]] == [
            row[:n_in] for row in old.weights[:n_out]
        ]
    assert [layer.activation for layer in after.layers] == ["relu", "tanh", "identity"]
    assert after.examples[0].x == (1.0, -1.0, 0.0)
    assert after.examples[0].target == (1.0,)
    drawn = reshape(wish.model_copy(update={"draws_all": True})).state
    assert drawn.layers[0].weights[0][0] != 1.0


def test_the_loss_is_one_the_output_has():
    assert fitting_loss("softmax", "squared_error", 3) == "squared_error"
    assert fitting_loss("softmax", "binary_cross_entropy", 3) == "cross_entropy"
    assert fitting_loss("sigmoid", "binary_cross_entropy", 1) == "binary_cross_entropy"
    assert fitting_loss("relu", "binary_cross_entropy", 1) == "squared_error"


def test_descent_learns_the_exclusive_or():
    state = example("exclusive_or").model_copy(update={"learning_rate": 3.0})
    found = descend(Descend(state=state, n_steps=150))
    outputs = np.array(found.answer.numbers.outputs)[:, 0]
    assert ((outputs > 0.5) == [False, True, True, False]).all()
    assert found.losses[-1] < found.losses[0]
    assert [one.step for one in found.passed] == list(range(150))
    assert found.passed[0].layers == state.layers
    for one in (found.passed[40], found.passed[149]):
        before = answer(state.model_copy(update={"layers": one.layers}))
        assert before.numbers.loss == pytest.approx(found.losses[one.step], rel=1e-12)


def test_of_a_large_network_fewer_of_those_passed_are_given(monkeypatch):
    monkeypatch.setattr(networks, "MOST_PASSED", 9 * 4)  # numbers of a network, and networks
    found = descend(Descend(state=example("exclusive_or"), n_steps=10))
    assert [one.step for one in found.passed] == [0, 3, 6, 9]


def test_steps_that_leave_the_page_are_refused():
    state = example("hand_worked").model_copy(
        update={"learning_rate": 1000.0, "examples": [{"x": (1e6, 1e6), "target": (1e6, -1e6)}]}
    )
    with pytest.raises(FathomError, match="smaller learning rate"):
        descend(Descend(state=state, n_steps=50))


@pytest.mark.parametrize(
    "change",
    [
        {"layers": [{"activation": "tanh", "weights": [[1, 2], [3]], "biases": [0, 0]}]},
        {"layers": [{"activation": "tanh", "weights": [[1, 2]], "biases": [0, 0]}]},
        {"layers": [{"activation": "exec", "weights": [[1, 2]], "biases": [0]}]},
        {"layers": [{"activation": "tanh", "weights": [[1, 2]], "biases": [0]}]},  # one target
        {"examples": [{"x": [1], "target": [0, 0]}]},
        {"examples": [{"x": [float("inf"), 1], "target": [0, 0]}]},
        {"row": 1},
        {"learning_rate": 0},
        {"loss": "cross_entropy"},
    ],
)
def test_a_network_that_cannot_be_is_refused(change):
    with pytest.raises(FathomError):
        answer(NetworkState(**{**example("hand_worked").model_dump(), **change}))


@pytest.mark.parametrize("name", ["hand_worked", "softmax", "exclusive_or"])
def test_the_program_of_a_network_gives_the_numbers_of_the_page(name, capsys):
    state = example(name)
    found: dict = {}
    exec(compile(write_script(state).text, "network.py", "exec"), found)
    mine = trace_state(state)
    np.testing.assert_allclose(found["seen"].output, mine.output, atol=1e-6)
    assert found["seen"].loss == pytest.approx(mine.loss, abs=1e-6)
    printed = capsys.readouterr().out
    shown = "row2." if name == "exclusive_or" else ""
    assert f"{shown}output.neuron1.a = " in printed
