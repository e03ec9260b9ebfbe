"""The network of the network page: from what stands on the page to every number of it."""

from itertools import pairwise

import numpy as np

from fathom.errors import InputError
from fathom.inspection.example import BIASES, INPUT, LEARNING_RATE, SUMS, TARGET, WEIGHTS
from fathom.inspection.layers import LayerTrace
from fathom.inspection.names import Scene
from fathom.inspection.plain import PlainLayer, trace_dense
from fathom.inspection.traced import Trace
from fathom.inspection.why import Explanation, why
from fathom.inspection.why_forward import exponential
from fathom.studio.messages import (
    Ask,
    Descend,
    Descended,
    Example,
    ExampleName,
    LayerNumbers,
    LayerState,
    NetworkAnswer,
    NetworkNumbers,
    NetworkState,
    Passed,
    Step,
    Tape,
    TapeRequest,
)

MOST_PASSED = 100_000  # numbers of the networks a descent passed
EXCLUSIVE_OR = ((0.0, 0.0, 0.0), (0.0, 1.0, 1.0), (1.0, 0.0, 1.0), (1.0, 1.0, 0.0))


def example(name: ExampleName) -> NetworkState:
    """Return a network to begin with.

    Examples
    --------
    >>> example("hand_worked").layers[0].weights
    ((1.0, -2.0), (-1.0, 1.0))
    """
    if name == "hand_worked":
        layers = tuple(
            LayerState(activation="sigmoid", weights=weights, biases=biases)
            for weights, biases in zip(WEIGHTS, BIASES, strict=True)
        )
        shown = (Example(x=INPUT, target=TARGET),)
        return NetworkState(layers=layers, examples=shown, learning_rate=LEARNING_RATE)
    if name == "softmax":
        one = LayerState(activation="softmax", weights=np.eye(3).tolist(), biases=[0.0, 0.0, 0.0])
        shown = (Example(x=SUMS, target=(1.0, 0.0, 0.0)),)
        return NetworkState(
            layers=(one,), examples=shown, loss="cross_entropy", learning_rate=LEARNING_RATE
        )
    layers = (
        LayerState(activation="tanh", weights=[[0.6, -0.4], [-0.5, 0.3]], biases=[0.1, -0.1]),
        LayerState(activation="sigmoid", weights=[[0.7, -0.6]], biases=[0.0]),
    )
    rows = tuple(Example(x=row[:2], target=row[2:]) for row in EXCLUSIVE_OR)
    return NetworkState(layers=layers, examples=rows, row=1, loss="binary_cross_entropy")


def trace_state(state: NetworkState) -> Trace:
    """Return every number of a network on its examples.

    Raises
    ------
    InputError
        If layers do not fit together, or examples do not fit them.
    """
    check_shapes(state)
    layers = [
        PlainLayer(np.array(layer.weights), np.array(layer.biases), layer.activation)
        for layer in state.layers
    ]
    return trace_dense(
        layers, [one.x for one in state.examples], [one.target for one in state.examples],
        loss=state.loss, learning_rate=state.learning_rate,
    )  # fmt: skip


def check_shapes(state: NetworkState) -> None:
    """Refuse layers that do not fit together, and examples that do not fit them."""
    width = len(state.layers[0].weights[0])
    for number, layer in enumerate(state.layers, start=1):
        if any(len(row) != width for row in layer.weights):
            raise InputError(
                f"{width} weights for each neuron of layer {number}", got="more or fewer",
                hint="give each neuron a weight for each input of its layer",
            )  # fmt: skip
        if len(layer.biases) != len(layer.weights):
            raise InputError(
                f"{len(layer.weights)} biases in layer {number}", got=f"{len(layer.biases)}"
            )
        if layer.activation == "softmax" and number < len(state.layers):
            raise InputError(
                "softmax at the output layer only", got=f"softmax in layer {number}",
                hint="give that layer another activation, for example relu",
            )  # fmt: skip
        width = len(layer.weights)
    first = len(state.layers[0].weights[0])
    if any(len(one.x) != first or len(one.target) != width for one in state.examples):
        raise InputError(
            f"examples of {first} inputs and {width} targets", got="an example of another length",
            hint="give each example as many numbers as the network has inputs and outputs",
        )  # fmt: skip
    if state.row >= len(state.examples):
        raise InputError(f"an example from 0 to {len(state.examples) - 1}", got=f"{state.row}")


def answer(state: NetworkState) -> NetworkAnswer:
    """Return a network with its numbers.

    Examples
    --------
    >>> found = answer(example("hand_worked")).numbers
    >>> [round(a, 2) for a in found.layers[-1].a]
    [0.62, 0.83]
    """
    return _answered(state, trace_state(state))


def _answered(state: NetworkState, traced: Trace) -> NetworkAnswer:
    assert traced.losses is not None
    assert traced.loss is not None
    numbers = NetworkNumbers(
        layers=tuple(_numbers(traced, layer, state.row) for layer in traced.layers),
        outputs=traced.output.tolist(), losses=traced.losses.tolist(), loss=traced.loss,
    )  # fmt: skip
    return NetworkAnswer(state=state, numbers=numbers)


def _numbers(traced: Trace, layer: LayerTrace, row: int) -> LayerNumbers:
    assert layer.delta is not None
    scene, exponentials = Scene(traced, row), []
    if layer.activation == "softmax":
        exponentials = [exponential(scene, layer, (k,)).value for k in range(layer.z.shape[1])]
    return LayerNumbers(
        name=layer.name, z=layer.z[row].tolist(), a=layer.a[row].tolist(),
        delta=layer.delta[row].tolist(), exponentials=exponentials,
    )  # fmt: skip


def explain(asked: Ask) -> Explanation:
    """Explain a number of a network by its name, that of the chosen example where it is of one."""
    name, is_one = asked.name.strip(), len(asked.state.examples) == 1
    if not is_one and not name.startswith(("row", "loss")):
        name = f"row{asked.state.row + 1}.{name}"
    return why(trace_state(asked.state), name)


def descend(asked: Descend) -> Descended:
    """Take steps of gradient descent over all examples.

    Raises
    ------
    InputError
        If the weights leave what can be drawn.
    """
    state, losses, passed = asked.state, [], []
    n_numbers = sum(len(one.biases) * (1 + len(one.weights[0])) for one in state.layers)
    every = -(-n_numbers * asked.n_steps // MOST_PASSED)
    for step in range(asked.n_steps):
        traced = trace_state(state)
        if step % every == 0:
            passed.append(Passed(step=step, layers=state.layers))
        losses.append(float(traced.loss or 0.0))
        state = _stepped(state, traced)
    return Descended(answer=answer(state), losses=tuple(losses), passed=tuple(passed))


def _stepped(state: NetworkState, traced: Trace) -> NetworkState:
    layers = []
    for layer, before in zip(traced.layers, state.layers, strict=True):
        weight, bias = layer.parameter("weight"), layer.parameter("bias")
        assert weight is not None
        assert bias is not None
        try:
            layers.append(
                before.model_copy(
                    update={
                        "weights": np.asarray(weight.new).tolist(),
                        "biases": np.asarray(bias.new).tolist(),
                    }
                )
            )
        except InputError:
            raise InputError(
                "weights that stay below a million", got="a step that leaves them",
                hint="take a smaller learning rate",
            ) from None  # fmt: skip
    return state.model_copy(update={"layers": tuple(layers)})


def tape(asked: TapeRequest) -> Tape:
    """Return the order in which a network computes and learns, step by step.

    Forward from layer to layer: the products of each sum, the sum, the activation; the loss;
    backward from layer to layer the node errors; then every gradient with what it makes of its
    weight.

    Examples
    --------
    >>> [step.kind for step in tape(TapeRequest(n_inputs=1, units=(1,))).steps]
    ['product', 'product', 'sum', 'activation', 'loss', 'error', 'gradient', 'update', 'gradient',
     'update']
    """
    sides = (asked.n_inputs, *asked.units)
    n_layers = len(asked.units)
    steps: list[Step] = []
    for layer, (n_in, n_out) in enumerate(pairwise(sides)):
        is_softmax = asked.is_softmax and layer == n_layers - 1
        steps += _forward(layer, _name(layer, n_layers), n_in, n_out, is_softmax=is_softmax)
    steps.append(Step(kind="loss", name="loss", grain=2))
    for layer in reversed(range(n_layers)):
        n_out = sides[layer + 1]
        name = _name(layer, n_layers)
        steps += [
            Step(kind="error", name=f"{name}.neuron{unit + 1}.delta", layer=layer, unit=unit,
                 grain=2 if unit == n_out - 1 else 1)
            for unit in range(n_out)
        ]  # fmt: skip
    for layer, (n_in, n_out) in enumerate(pairwise(sides)):
        steps += _learning(layer, _name(layer, n_layers), n_in, n_out)
    return Tape(steps=tuple(steps))


def _name(layer: int, n_layers: int) -> str:
    return "output" if layer == n_layers - 1 else f"layer{layer + 1}"


def _forward(layer: int, name: str, n_in: int, n_out: int, *, is_softmax: bool) -> list[Step]:
    steps = []
    for unit in range(n_out):
        neuron, is_last = f"{name}.neuron{unit + 1}", unit == n_out - 1
        parts = [*range(n_in), -1]
        steps += [
            Step(kind="product", name=f"{neuron}.z", layer=layer, unit=unit, part=part)
            for part in parts
        ]
        steps.append(
            Step(kind="sum", name=f"{neuron}.z", layer=layer, unit=unit, grain=int(is_softmax))
        )
        if not is_softmax:
            steps.append(
                Step(kind="activation", name=f"{neuron}.a", layer=layer, unit=unit,
                     grain=1 + is_last)
            )  # fmt: skip
    if is_softmax:
        kinds = (("exponential", "exp", 0), ("activation", "a", 1))
        for kind, quantity, grain in kinds:
            steps += [
                Step(kind=kind, name=f"{name}.neuron{unit + 1}.{quantity}", layer=layer, unit=unit,
                     grain=grain * (1 + (unit == n_out - 1)))
                for unit in range(n_out)
            ]  # fmt: skip
    return steps


def _learning(layer: int, name: str, n_in: int, n_out: int) -> list[Step]:
    steps = []
    for unit in range(n_out):
        for part in [*range(n_in), -1]:
            weight = f"{name}.neuron{unit + 1}." + ("bias" if part < 0 else f"weight{part + 1}")
            grain = 0 if part >= 0 else 2 if unit == n_out - 1 else 1
            where = {"layer": layer, "unit": unit, "part": part}
            steps += [
                Step(kind="gradient", name=f"{weight}.gradient", **where),
                Step(kind="update", name=f"{weight}.new", grain=grain, **where),
            ]
    return steps
