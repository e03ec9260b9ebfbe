"""Why: any number in a trace, by its formula with the numbers that stand in it."""

from collections.abc import Iterator

from pydantic import Field

from fathom.errors import InputError
from fathom.inspection.arithmetic import Line, Operand, notes_of, settle
from fathom.inspection.layers import LayerTrace
from fathom.inspection.names import Address, Index, Scene, parameter_name, parse_name, written
from fathom.inspection.traced import Trace
from fathom.inspection.why_backward import (
    explain_delta,
    explain_direction,
    explain_flow,
    explain_gradient,
    explain_new,
    explain_slope,
    slope,
)
from fathom.inspection.why_forward import (
    Reason,
    explain_activation,
    explain_exponential,
    explain_loss,
    explain_normalized,
    explain_statistic,
    explain_sum,
    exponential,
    normalized,
    statistic,
)
from fathom.values import Value

MEANINGS = {
    "z": "combination function", "a": "activation", "delta": "node error ∂L/∂z",
    "slope": "slope of the activation function", "gradient": "∂L/∂w", "new": "after one step",
    "direction": "direction of the step",
}  # fmt: skip
NOTE_COLUMN = 48  # beyond which notes stand right behind their line


class Explanation(Value):
    """Why a number in a trace is what it is.

    Attributes
    ----------
    name : str
        The number's name.
    meaning : str
        What it is, in words.
    formula : str
        How it comes about, symbolic.
    lines : tuple of str
        The same with numbers; joined they are an expression that Python evaluates, with `math`'s
        functions. Each is written with the fewest digits that give the result.
    notes : tuple of str
        What stands in each line.
    result : str
        The number as it is printed.
    value : float
        The number.
    operands : tuple of Operand
        What it is made of; those that have a name can be asked for in turn.
    """

    name: str
    meaning: str = ""
    formula: str
    lines: tuple[str, ...] = Field(min_length=1)
    notes: tuple[str, ...]
    result: str
    value: float
    operands: tuple[Operand, ...]

    @property
    def arithmetic(self) -> str:
        """The whole expression in one line."""
        whole = " ".join(" ".join(line.split()) for line in self.lines)
        return whole.replace("( ", "(").replace(" )", ")")

    def __str__(self) -> str:
        return "\n".join(self._written())

    def _written(self) -> Iterator[str]:
        meaning = f"    {self.meaning}" if self.meaning else ""
        yield f"{self.name} = {self.formula}{meaning}"
        width = max(len(line) for line in self.lines)
        for line, note in zip(self.lines, self.notes, strict=True):
            yield f"    {line:<{width}}   # {note}" if note else f"    {line}"
        yield f"  = {self.result}"


def why(trace: Trace, name: str) -> Explanation:
    """Explain a number of a trace by the numbers it is made of.

    Parameters
    ----------
    trace : Trace
        The trace.
    name : str
        Which number, all counted from 1; the last layer is called ``output``:

        ======================================= ==============================================
        ``input.3`` ``target.1`` ``loss``       what comes in, what should come out, the loss
        ``layer2.neuron1.z`` ``.a`` ``.delta``  sum, activation and node error of a neuron
        ``layer2.neuron1.slope``                f′(z)
        ``output.neuron1.probability`` ``.exp`` a and e^z of a neuron in a softmax layer
        ``layer2.neuron1.weight3`` ``.bias``    a weight, a bias; then ``.gradient``, ``.new``,
                                                ``.direction``
        ``layer1.neuron5,4,2.z``                in a picture: row, column, channel
        ``layer1.channel2.weight1,3,1``         a weight of a kernel: row, column, channel it sees
        ``layer3.inner2.neuron1.a``             a layer inside a residual block
        ``layer2.input3.gradient``              what flows back through a layer into its input
        ``row2.layer1.neuron1.z``               of another example than the first
        ======================================= ==============================================

    Returns
    -------
    Explanation
        Its formula, symbolic and with numbers, and the operands, each of which can be asked again.

    Raises
    ------
    InputError
        If there is no such number; says what there is.

    Examples
    --------
    >>> from fathom.inspection.example import INPUT, TARGET, hand_worked
    >>> from fathom.inspection.trace import trace
    >>> network, architecture = hand_worked()
    >>> traced = trace(network, [INPUT], [TARGET], loss=architecture.loss)
    >>> print(why(traced, "layer1.neuron1.z"))
    layer1.neuron1.z = Σ_i w_i · x_i + b    combination function
           1 *  1   # layer1.neuron1.weight1 · input.1
        + -2 * -1   # layer1.neuron1.weight2 · input.2
        + 1         # layer1.neuron1.bias
      = 4
    >>> why(traced, "output.neuron1.a").arithmetic
    '1 / (1 + exp(-0.4798))'
    """
    address = parse_name(trace, name)
    scene = Scene(trace, address.row)
    if address.kind == "loss":
        return _explain_the_loss(scene, name)
    if address.kind in ("input", "target") and not address.quantity:
        return _given(scene, address)
    is_backward = address.kind in ("input", "into") or address.quantity in (
        "delta", "gradient", "direction", "new",
    )  # fmt: skip
    if is_backward and trace.loss is None:
        raise InputError("a target, without which nothing flows back", got=repr(name))
    if address.kind in ("input", "into"):
        return _explain_flow(scene, address)
    if address.kind == "parameter":
        return _explain_parameter(scene, address)
    return _explain_unit(scene, address)


def _finish(operand: Operand, reason: Reason, meaning: str = "") -> Explanation:
    lines, result = settle(reason.lines, operand.value)
    found: dict[tuple[str, float, str], Operand] = {}
    for line in reason.lines:
        for one in line.operands.values():
            if one.name or one.note:
                found.setdefault((one.name, one.value, one.note), one)
    return Explanation(
        name=operand.name, meaning=meaning, formula=reason.formula, lines=tuple(lines),
        notes=tuple(notes_of(reason.lines)), result=result, value=operand.value,
        operands=tuple(found.values()),
    )  # fmt: skip


def _explain_the_loss(scene: Scene, name: str) -> Explanation:
    trace = scene.trace
    if trace.loss is None or trace.losses is None:
        raise InputError("a target, without which there is no loss", got=repr(name))
    is_row = name.strip().startswith("row")
    value = float(trace.losses[scene.row]) if is_row else trace.loss
    called = f"row{scene.row + 1}.loss" if is_row else "loss"
    meaning = trace.loss_name.replace("_", " ")
    reason = explain_loss(scene, of_row=is_row)
    return _finish(Operand(name=called, value=value), reason, meaning)


def _given(scene: Scene, address: Address) -> Explanation:
    trace = scene.trace
    array = trace.x if address.kind == "input" else trace.target
    assert array is not None
    value = float(array[(address.row, *address.index)])
    name = scene.named(f"{address.kind}.{written(address.index)}")
    note = "given"
    if address.kind == "input":
        called = scene.incoming(trace.layers[0], address.index).note
        note = f"given: {called}" if called else "given"
    return _leaf(name, value, note)


def _leaf(name: str, value: float, note: str) -> Explanation:
    line = Line("{x}", {"x": Operand(value=value, note=note)}, note)
    return _finish(Operand(name=name, value=value), Reason(note, [line]))


def _explain_flow(scene: Scene, address: Address) -> Explanation:
    layer = address.layer or scene.trace.layers[0]
    operand = scene.flowing_into(layer, address.index)
    if address.layer is None:
        name = scene.named(f"input.{written(address.index)}.gradient")
        operand = operand.model_copy(update={"name": name})
    reason = explain_flow(scene, layer, address.index)
    return _finish(operand, reason, "∂L/∂ what comes in")


def _explain_parameter(scene: Scene, address: Address) -> Explanation:
    layer, name, index = address.layer, address.parameter, address.index
    assert layer is not None
    operand = scene.parameter(layer, name, index, address.quantity)
    if address.quantity == "value":
        return _leaf(parameter_name(layer, name, index), operand.value, "learned")
    explain = {
        "gradient": explain_gradient, "new": explain_new, "direction": explain_direction
    }[address.quantity]  # fmt: skip
    reason = explain(scene, layer, name, index)
    return _finish(operand, reason, MEANINGS[address.quantity])


def _explain_unit(scene: Scene, address: Address) -> Explanation:
    layer, index, quantity = address.layer, address.index, address.quantity
    assert layer is not None
    quantity = "a" if quantity == "probability" else quantity
    meaning = MEANINGS.get(quantity, "")
    if quantity == "z":
        return _finish(scene.unit(layer, index, "z"), explain_sum(scene, layer, index), meaning)
    if quantity == "a":
        reason = explain_activation(scene, layer, index)
        return _finish(scene.unit(layer, index, "a"), reason, meaning)
    if quantity == "delta":
        reason = explain_delta(scene, layer, index)
        return _finish(scene.unit(layer, index, "delta"), reason, meaning)
    return _explain_part(scene, layer, index, quantity)


def _explain_part(scene: Scene, layer: LayerTrace, index: Index, quantity: str) -> Explanation:
    """Explain what only some neurons have."""
    is_softmax = layer.activation == "softmax"
    is_normalized = layer.kind in ("batch_norm", "layer_norm")
    if quantity == "slope" and not is_softmax:
        reason = explain_slope(scene, layer, index)
        return _finish(slope(scene, layer, index), reason, MEANINGS["slope"])
    if quantity == "exp" and is_softmax:
        reason = explain_exponential(scene, layer, index)
        return _finish(exponential(scene, layer, index), reason)
    if quantity == "normalized" and is_normalized:
        reason = explain_normalized(scene, layer, index)
        return _finish(normalized(scene, layer, index), reason)
    if quantity in ("mean", "variance") and is_normalized:
        reason = explain_statistic(scene, layer, index, quantity)
        return _finish(statistic(scene, layer, index, quantity), reason)
    owners = {"slope": "an elementwise activation", "exp": "softmax"}
    raise InputError(
        f"{quantity} of a layer with {owners.get(quantity, 'normalization')}",
        got=f"{layer.name}, which is {layer}",
    )
