"""A trace in plain text: forward and backward, term by term where there is room."""

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

from fathom.inspection.arithmetic import Line, value_of, write_number
from fathom.inspection.layers import LayerTrace
from fathom.inspection.names import Index, Scene, parameter_name, written
from fathom.inspection.slopes import EQUATIONS
from fathom.inspection.traced import Trace
from fathom.inspection.why import Explanation, why
from fathom.inspection.why_backward import explain_delta, slope
from fathom.inspection.why_forward import explain_sum

FEW = 8  # neurons of a layer, and inputs of each, up to which everything is written out
FEW_PARAMETERS = 20  # of a layer, up to which all are listed
MOST = 5  # neurons of a wider layer that are shown
STRONGEST = 3  # terms of a long sum that are shown
PASSING = ("flatten", "dropout")


def write_trace(trace: Trace, *, row: int = 0, most: int = MOST) -> str:
    r"""Write a trace as text: every sum of a small network, the strongest neurons of a wide one.

    Parameters
    ----------
    trace : Trace
        The trace.
    row : int, default 0
        Which example.
    most : int, default 5
        Neurons of a wide layer that are shown.

    Examples
    --------
    >>> from fathom.inspection.example import INPUT, hand_worked
    >>> from fathom.inspection.trace import trace
    >>> network, architecture = hand_worked()
    >>> text = write_trace(trace(network, [INPUT], loss=architecture.loss))
    >>> print("\n".join(text.splitlines()[:6]))
    Forward: each neuron sums what comes in, z = Σ w · x + b, and bends it, a = f(z)
    <BLANKLINE>
    input    1, -1
    layer1 · dense 2 sigmoid    a = σ(z) = 1 / (1 + e^(−z))
      neuron 1  z =  1 * 1 + -2 * -1 + 1 =  4   a = 0.982
      neuron 2  z = -1 * 1 +  1 * -1 + 0 = -2   a = 0.1192
    """
    scene = Scene(trace, row)
    return "\n".join(line.rstrip() for line in _everything(scene, most))


def _everything(scene: Scene, most: int) -> Iterator[str]:
    trace = scene.trace
    yield "Forward: each neuron sums what comes in, z = Σ w · x + b, and bends it, a = f(z)"
    yield ""
    if trace.x[0].size <= FEW:
        yield f"input    {', '.join(write_number(value) for value in trace.x[scene.row].flat)}"
    for layer in trace.every_layer():
        yield from _forward(scene, layer, most)
    if trace.loss is None:
        return
    name = f"row{scene.row + 1}.loss" if trace.n_rows > 1 else "loss"
    explained = why(trace, name)
    yield ""
    yield f"Loss, {explained.meaning}: {explained.formula}"
    assert trace.target is not None
    targets = trace.target[scene.row]
    if len(targets) <= FEW:
        yield f"  target {', '.join(write_number(value) for value in targets)}"
    yield f"  loss = {explained.arithmetic} = {explained.result}"
    yield ""
    yield "Backward: how much the loss changes with each sum, the node error δ = ∂L/∂z"
    yield ""
    for layer in _back_to_front(trace):
        yield from _backward(scene, layer, most)
    yield ""
    yield from _learning(scene, most)


def _back_to_front(trace: Trace) -> Iterator[LayerTrace]:
    for layer in reversed(trace.layers):
        yield layer
        yield from reversed(layer.inner)


def _heading(layer: LayerTrace) -> str:
    return f"{layer.name} · {layer}"


def _is_small(layer: LayerTrace) -> bool:
    return layer.a[0].size <= FEW and layer.x[0].size <= FEW


def _units(layer: LayerTrace) -> list[Index]:
    return list(product(*(range(side) for side in layer.a.shape[1:])))


def _forward(scene: Scene, layer: LayerTrace, most: int) -> Iterator[str]:
    """Write what one layer made of what came in."""
    formula = ""
    if layer.activation in EQUATIONS and layer.activation != "identity":
        formula = f"    a = {EQUATIONS[layer.activation].formula}"
    elif layer.activation == "softmax":
        formula = "    a = e^z / Σ e^z"
    elif layer.kind == "columns":
        formula = "    every column in its form"
    elif layer.kind not in ("dense", "conv2d"):
        formula = f"    {explain_sum(scene, layer, _units(layer)[0]).formula}"
    yield f"{_heading(layer)}{formula}"
    if layer.kind in PASSING and "kept" not in layer.constants:
        return
    if _is_small(layer):
        yield from _all_neurons(scene, layer)
        return
    yield f"  {_spread(layer.a[scene.row])}; the strongest:"
    rows = [_strong_forward(scene, layer, index) for index in _strongest(layer.a[scene.row], most)]
    yield from _aligned(rows)


def _all_neurons(scene: Scene, layer: LayerTrace) -> Iterator[str]:
    rows = []
    for index in _units(layer):
        name = f"{layer.name}.neuron{written(index)}"
        own = scene.named(name)
        cells = [_called(scene, layer, index), "z =", *_cells(why(scene.trace, f"{own}.z"))]
        if layer.activation == "softmax":
            power = why(scene.trace, f"{own}.exp")
            cells += ["  e^z =", power.result, "  a =", why(scene.trace, own).result]
        elif layer.activation != "identity":
            cells += ["  a =", why(scene.trace, own).result]
        rows.append(cells)
    yield from _aligned(rows)


def _cells(explanation: Explanation) -> list[str]:
    """Return the terms of an explanation, and its result, as cells of a table."""
    cells: list[str] = []
    is_open = False
    for line in (" ".join(line.split()) for line in explanation.lines):
        if cells and (is_open or line.startswith(")")):
            cells[-1] += line  # brackets stand with what is in them
        elif line.startswith("+ "):
            cells += ["+", line[2:]]
        else:
            cells.append(line)
        is_open = line.endswith("(")
    return cells if cells == [explanation.result] else [*cells, "=", explanation.result]


def _called(scene: Scene, layer: LayerTrace, index: Index) -> str:
    note = scene.unit(layer, index, "a").note
    return f"neuron {written(index)}" + (f" ({note}) " if note else " ")


def _spread(values: np.ndarray) -> str:
    """Say how many neurons there are, how many are silent, and how far the others reach."""
    n_silent = int((values == 0).sum())
    silent = f", {n_silent:,} of them 0" if n_silent else ""
    low, high = write_number(float(values.min()), 3), write_number(float(values.max()), 3)
    return f"{values.size:,} neurons{silent}, a from {low} to {high}"


def _strongest(values: np.ndarray, most: int) -> list[Index]:
    """Return the places of the values farthest from 0, the farthest first."""
    order = np.argsort(-np.abs(values.ravel()), kind="stable")[:most]
    return [tuple(map(int, place)) for place in zip(*np.unravel_index(order, values.shape))]  # noqa: B905


def _strong_forward(scene: Scene, layer: LayerTrace, index: Index) -> list[str]:
    z = scene.unit(layer, index, "z")
    cells = [_called(scene, layer, index), "z =", write_number(z.value)]
    if layer.activation != "identity":
        cells += ["  a =", write_number(float(layer.a[(scene.row, *index)]))]
    return [*cells, f"  {_main_terms(explain_sum(scene, layer, index).lines)}"]


def _main_terms(lines: Sequence[Line]) -> str:
    """Return the largest terms of a sum, with what they are."""
    terms = [line for line in lines if line.is_term and "rest" not in line.operands]
    if len(terms) < 2:
        return ""
    terms = sorted(terms, key=lambda term: -abs(value_of(term)))[:STRONGEST]
    return "mostly " + ", ".join(_term_text(term) for term in terms)


def _term_text(term: Line) -> str:
    operands = term.operands
    what = operands.get("x") or operands.get("d") or list(operands.values())[-1]
    label = what.note or what.name.removesuffix(".a").removesuffix(".delta")
    return f"{write_number(value_of(term), 3)} from {label}"


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lay out cells side by side: names and signs to the left, arithmetic to the right."""
    width = max(map(len, rows), default=0)
    if any(len(row) != width for row in rows):  # sums of different lengths
        yield from ("  " + " ".join(row) for row in rows)
        return
    sides = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.ljust(side) if place in (0, width - 1) else cell.rjust(side)
            for place, (cell, side) in enumerate(zip(row, sides, strict=True))
        ]
        yield "  " + " ".join(cells).rstrip()


def _backward(scene: Scene, layer: LayerTrace, most: int) -> Iterator[str]:
    """Write the node errors of one layer."""
    assert layer.delta is not None
    errors = layer.delta[scene.row]
    strongest = _strongest(errors, most)
    formula = explain_delta(scene, layer, strongest[0]).formula
    yield f"{_heading(layer)}    δ = {formula}"
    if layer.kind in PASSING and "kept" not in layer.constants:
        return
    behind = scene.behind(layer)
    is_small = errors.size <= FEW and (behind is None or behind.a[0].size <= FEW)
    if is_small:
        names = [f"{layer.name}.neuron{written(index)}.delta" for index in _units(layer)]
        rows = [
            [_called(scene, layer, index), "δ =", *_cells(why(scene.trace, scene.named(name)))]
            for index, name in zip(_units(layer), names, strict=True)
        ]
        yield from _aligned(rows)
        return
    n_silent = int((errors == 0).sum())
    length = write_number(float(np.sqrt(np.sum(errors**2))), 3)
    silent = f", {n_silent:,} of them 0" if n_silent else ""
    yield f"  {errors.size:,} node errors{silent}, together of length {length}; the largest:"
    yield from _aligned([_strong_backward(scene, layer, index) for index in strongest])


def _strong_backward(scene: Scene, layer: LayerTrace, index: Index) -> list[str]:
    error = scene.unit(layer, index, "delta")
    cells = [_called(scene, layer, index), "δ =", write_number(error.value)]
    if layer.activation not in ("identity", "softmax"):
        cells += ["  f′(z) =", write_number(slope(scene, layer, index).value)]
    return [*cells, f"  {_main_terms(explain_delta(scene, layer, index).lines)}"]


def _learning(scene: Scene, most: int) -> Iterator[str]:
    """Write what becomes of the weights."""
    update = scene.trace.update
    assert update is not None
    rate = write_number(update.learning_rate)
    rule = "w − η · ∂L/∂w" if update.optimizer == "gradient_descent" else "w − η · d"
    yield (
        f"Learning: ∂L/∂w = x · δ, and one step of {update.optimizer.replace('_', ' ')} makes "
        f"w into {rule}, η = {rate}"
    )
    if scene.trace.n_rows > 1:
        yield f"  the gradients are sums over the {scene.trace.n_rows} examples"
    yield ""
    for layer in _back_to_front(scene.trace):
        if layer.parameters:
            yield _heading(layer)
            yield from _aligned(list(_parameter_rows(scene, layer, most)))


def _parameter_rows(scene: Scene, layer: LayerTrace, most: int) -> Iterator[list[str]]:
    """Return rows of a table: name, value, gradient, new value; of many the steepest."""
    yield ["", "w", "∂L/∂w", "new w", ""]
    found = []
    for parameter in layer.parameters:
        assert parameter.gradient is not None
        for index in product(*(range(side) for side in parameter.value.shape)):
            found.append((abs(float(parameter.gradient[index])), parameter.name, index))
            if len(found) > 50 * most and len(found) % 1000 == 0:
                found = sorted(found, reverse=True)[: 10 * most]
    if sum(parameter.value.size for parameter in layer.parameters) > FEW_PARAMETERS:
        found = sorted(found, key=lambda one: -one[0])[:most]
    for _, name, index in found:
        values = (
            scene.parameter(layer, name, index, quantity).value
            for quantity in ("value", "gradient", "new")
        )
        called = parameter_name(layer, name, index).removeprefix(f"{layer.name}.")
        yield [called, *(write_number(value) for value in values), ""]
    n_more = sum(parameter.value.size for parameter in layer.parameters) - len(found)
    if n_more > 0:
        yield [f"and {n_more:,} more, less steep", "", "", "", ""]
