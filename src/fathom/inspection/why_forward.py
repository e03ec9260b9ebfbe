"""Why a number flowed forward: sums, activations and the loss, with their operands."""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import product as places_of
from typing import NamedTuple

from fathom.inspection.arithmetic import Line, Operand, product, total
from fathom.inspection.layers import LayerTrace
from fathom.inspection.names import Index, Scene
from fathom.inspection.slopes import CONSTANTS, EQUATIONS

OVERFLOWING = 300.0  # a sum from which its exponential is shown relative to the largest
LEAST_SHARE = 1e-12  # from which a probability, or what is left of it, has a logarithm


class Reason(NamedTuple):
    """A formula, symbolic and as lines of arithmetic."""

    formula: str
    lines: list[Line]


def explain_sum(scene: Scene, layer: LayerTrace, index: Index) -> Reason:
    """Say how z of a neuron comes about."""
    return _SUMS[layer.kind](scene, layer, index)


def _dense(scene: Scene, layer: LayerTrace, index: Index) -> Reason:
    terms = [
        product(w=scene.parameter(layer, "weight", (*index, i)), x=scene.incoming(layer, (i,)))
        for i in range(layer.x.shape[1])
    ]
    return Reason("Σ_i w_i · x_i" + _plus_bias(layer), [*total(terms), *_bias(scene, layer, index)])


def _plus_bias(layer: LayerTrace) -> str:
    return " + b" if layer.parameter("bias") is not None else ""


def _bias(scene: Scene, layer: LayerTrace, index: Index) -> list[Line]:
    if layer.parameter("bias") is None:
        return []
    return [product(b=scene.parameter(layer, "bias", index[-1:]))]


def patch_of(layer: LayerTrace, index: Index) -> Iterator[tuple[Index, Index]]:
    """Return, for a neuron of a convolution, places in its kernel beside places it looks at.

    What it sees beyond the border is 0 and left out.
    """
    kernel = layer.parameter("kernel")
    assert kernel is not None
    sides, stride = kernel.value.shape[:2], int(layer.settings["stride"])
    first = [
        stride * place - before for place, before in zip(index, padding_before(layer), strict=False)
    ]
    for i, j, channel in places_of(*(range(n) for n in (*sides, layer.x.shape[-1]))):
        row, column = first[0] + i, first[1] + j
        if 0 <= row < layer.x.shape[1] and 0 <= column < layer.x.shape[2]:
            yield (i, j, channel, index[2]), (row, column, channel)


def padding_before(layer: LayerTrace) -> tuple[int, int]:
    """Return how many rows and columns of zeros stand before a picture."""
    if layer.settings["padding"] != "same":
        return 0, 0
    kernel, stride = layer.parameter("kernel"), int(layer.settings["stride"])
    assert kernel is not None
    before = []
    for axis in (0, 1):
        n_in, n_out = layer.x.shape[1 + axis], layer.z.shape[1 + axis]
        before.append(max((n_out - 1) * stride + kernel.value.shape[axis] - n_in, 0) // 2)
    return before[0], before[1]


def _convolution(scene: Scene, layer: LayerTrace, index: Index) -> Reason:
    terms = [
        product(w=scene.parameter(layer, "kernel", at), x=scene.incoming(layer, seen))
        for at, seen in patch_of(layer, index)
    ]
    formula = "Σ w · x over the patch it sees" + _plus_bias(layer)
    return Reason(formula, [*total(terms), *_bias(scene, layer, index)])


def square_of(layer: LayerTrace, index: Index) -> list[Index]:
    """Return the places that a neuron of a pooling layer looks at."""
    size = int(layer.settings["size"])
    rows, columns = (range(size * place, size * (place + 1)) for place in index[:2])
    return [(row, column, index[2]) for row, column in places_of(rows, columns)]


def _max_pool(scene: Scene, layer: LayerTrace, index: Index) -> Reason:
    seen = [scene.incoming(layer, place) for place in square_of(layer, index)]
    largest = sorted(seen, key=lambda operand: -operand.value)[:4]
    shown = [operand for operand in seen if operand in largest] if len(seen) > 12 else seen
    keys = {f"x{n}": operand for n, operand in enumerate(shown, 1)}
    others = len(seen) - len(shown)
    note = f"the largest; {others} others are smaller" if others else ""
    arguments = ", ".join(f"{{{key}}}" for key in keys)
    template = f"max({arguments})" if len(keys) > 1 else arguments
    return Reason("max of the square", [Line(template, keys, note)])


def _mean_of(scene: Scene, layer: LayerTrace, places: Sequence[Index], formula: str) -> Reason:
    terms = [product(x=scene.incoming(layer, place)) for place in places]
    return Reason(formula, [Line("("), *total(terms), Line(f") / {len(places)}")])


def _average_pool(scene: Scene, layer: LayerTrace, index: Index) -> Reason:
    return _mean_of(scene, layer, square_of(layer, index), "mean of the square")


def _global_average_pool(scene: Scene, layer: LayerTrace, index: Index) -> Reason:
    rows, columns = (range(side) for side in layer.x.shape[1:3])
    places = [(row, column, index[0]) for row, column in places_of(rows, columns)]
    return _mean_of(scene, layer, places, "mean of the channel over the picture")


def flat_source(layer: LayerTrace, index: Index) -> Index:
    """Return the place in a picture that a place in its flat row was."""
    rest, place = index[0], []
    for side in reversed(layer.x.shape[1:]):
        rest, at = divmod(rest, side)
        place.append(at)
    return tuple(reversed(place))


def _flatten(scene: Scene, layer: LayerTrace, index: Index) -> Reason:
    x = scene.incoming(layer, flat_source(layer, index))
    return Reason("the same number, laid out in a row", [Line("{x}", {"x": x})])


def _dropout(scene: Scene, layer: LayerTrace, index: Index) -> Reason:
    x = {"x": scene.incoming(layer, index)}
    if "kept" not in layer.constants:
        return Reason("x: a trained network drops nothing", [Line("{x}", x)])
    rate = layer.settings["rate"]
    if layer.constants["kept"][(scene.row, *index)]:
        return Reason("x / (1 − p), as it is kept", [Line(f"{{x}} / (1 - {rate:.17g})", x)])
    return Reason("0, as it is dropped", [Line("0 * {x}", x)])


def _activation(scene: Scene, layer: LayerTrace, index: Index) -> Reason:
    return Reason("x: what comes in", [Line("{x}", {"x": scene.incoming(layer, index)})])


def _gain(scene: Scene, layer: LayerTrace, index: Index) -> Reason:
    gain, x = scene.parameter(layer, "gain", index), scene.incoming(layer, index)
    return Reason("g · x", [product(g=gain, x=x)])


def statistic(scene: Scene, layer: LayerTrace, index: Index, name: str) -> Operand:
    """Return the mean or the variance a normalized neuron went by."""
    array = layer.constants[name]
    per_row = layer.kind == "layer_norm"
    place = (scene.row, *index[:-1], 0) if per_row else index[-1:]
    called = scene.named(f"{layer.name}.neuron{','.join(str(i + 1) for i in index)}.{name}")
    return Operand(name=called, value=float(array[place]))


def normalized(scene: Scene, layer: LayerTrace, index: Index) -> Operand:
    """Return (x - μ) / √(σ² + ε) of a neuron."""
    x, mean, variance = (
        scene.incoming(layer, index).value,
        statistic(scene, layer, index, "mean").value,
        statistic(scene, layer, index, "variance").value,
    )
    value = (x - mean) / math.sqrt(variance + float(layer.settings["epsilon"]))
    called = f"{layer.name}.neuron{','.join(str(i + 1) for i in index)}.normalized"
    return Operand(name=scene.named(called), value=value)


def parts_of(layer: LayerTrace, index: Index) -> list[int]:
    """Return which numbers a combination adds up: one for each factor."""
    return [int(place) for place in layer.constants["parts"][index[0]]]


def _combination(scene: Scene, layer: LayerTrace, index: Index) -> Reason:
    terms = [product(x=scene.incoming(layer, (place,))) for place in parts_of(layer, index)]
    return Reason(
        "Σ_j x_j over its class of each factor + b", [*total(terms), *_bias(scene, layer, index)]
    )


def _norm(scene: Scene, layer: LayerTrace, index: Index) -> Reason:
    operands = {
        "scale": scene.parameter(layer, "scale", index[-1:]),
        "x": normalized(scene, layer, index),
        "shift": scene.parameter(layer, "shift", index[-1:]),
    }
    return Reason(
        "γ · x̂ + β, with x̂ = (x − μ) / √(σ² + ε)", [Line("{scale} * {x} + {shift}", operands)]
    )


def explain_normalized(scene: Scene, layer: LayerTrace, index: Index) -> Reason:
    """Say how x̂ of a normalized neuron comes about."""
    operands = {
        "x": scene.incoming(layer, index),
        "mean": statistic(scene, layer, index, "mean"),
        "variance": statistic(scene, layer, index, "variance"),
    }
    template = f"({{x}} - {{mean}}) / sqrt({{variance}} + {layer.settings['epsilon']})"
    return Reason("(x − μ) / √(σ² + ε)", [Line(template, operands)])


def explain_statistic(scene: Scene, layer: LayerTrace, index: Index, name: str) -> Reason:
    """Say how the mean or the variance of a normalized neuron comes about."""
    own = statistic(scene, layer, index, name)
    if layer.kind == "batch_norm" and not layer.settings["uses_batch"]:
        note = f"the running {name} of training"
        return Reason(note, [Line("{x}", {"x": Operand(value=own.value, note=note)})])
    seen = list(_seen_together(scene, layer, index))
    whose = "its batch" if layer.kind == "batch_norm" else "its layer"
    end = [Line(f") / {len(seen)}")]
    if name == "mean":
        terms = [product(x=operand) for operand in seen]
        return Reason(f"mean over {whose}", [Line("("), *total(terms), *end])
    mean = statistic(scene, layer, index, "mean")
    terms = [
        Line("({x} - {mean})**2", {"x": operand, "mean": mean}, operand.label, True)
        for operand in seen
    ]
    return Reason(f"mean of (x − μ)² over {whose}", [Line("("), *total(terms), *end])


def _seen_together(scene: Scene, layer: LayerTrace, index: Index) -> Iterator[Operand]:
    """Return the numbers whose mean and variance normalize a neuron."""
    if layer.kind == "layer_norm":
        for place in range(layer.x.shape[-1]):
            yield scene.incoming(layer, (*index[:-1], place))
        return
    for at in places_of(*(range(side) for side in layer.x.shape[:-1])):
        yield scene.at(at[0]).incoming(layer, (*at[1:], index[-1]))


def _residual(scene: Scene, layer: LayerTrace, index: Index) -> Reason:
    last = scene.unit(layer.inner[-1], index, "a")
    if layer.parameter("projection") is None:
        return Reason("x + f(x)", [product(x=scene.incoming(layer, index)), product(f=last)])
    terms = [
        product(
            s=scene.parameter(layer, "projection", (index[-1], i)),
            x=scene.incoming(layer, (*index[:-1], i)),
        )
        for i in range(layer.x.shape[-1])
    ]
    return Reason("Σ_i s_i · x_i + f(x)", [*total(terms), product(f=last)])


def _columns(scene: Scene, layer: LayerTrace, index: Index) -> Reason:
    settings, place = layer.settings, index[0]
    n_numbers, n_plain = int(settings["n_numbers"]), int(settings["n_plain"])
    per_number = _outputs_per_number(layer)
    if place < n_numbers * per_number:
        return _number_form(scene, layer, place)
    place -= n_numbers * per_number
    if place < n_plain:
        x = scene.incoming(layer, (n_numbers + place,))
        return Reason("x: it passes", [Line("{x}", {"x": x})])
    place -= n_plain
    one_hot = _pairs(str(settings["one_hot"]))
    if place < len(one_hot):
        column, code = one_hot[place]
        x = scene.incoming(layer, (n_numbers + n_plain + column,))
        return Reason(
            "1 where the code is this one, else 0", [Line(f"int({{x}} == {code})", {"x": x})]
        )
    return _vector(scene, layer, place - len(one_hot))


def _outputs_per_number(layer: LayerTrace) -> int:
    form, mix = layer.settings["form"], layer.parameter("mix")
    if form == "thermometer":
        return int(layer.settings["bins"]) - 1
    if mix is None:
        return 1
    return mix.value.shape[-1] + (form == "periodic")


def _pairs(text: str) -> list[tuple[int, int]]:
    parted = (pair.split(",") for pair in text.split())
    return [(int(first), int(second)) for first, second in parted]


def _vector(scene: Scene, layer: LayerTrace, place: int) -> Reason:
    """Say which entry of a learned table a number is."""
    table, settings = layer.parameter("table"), layer.settings
    assert table is not None
    which, unit = divmod(place, table.value.shape[1])
    column, first = _pairs(str(settings["embedded"]))[which]
    x = scene.incoming(layer, (int(settings["n_numbers"]) + int(settings["n_plain"]) + column,))
    entry = scene.parameter(layer, "table", (first + int(x.value), unit))
    note = f"{entry.name}, learned for code {x.value:.0f} of {x.label}"
    return Reason("the entry of its code in a learned table", [Line("{t}", {"t": entry}, note)])


def _number_form(scene: Scene, layer: LayerTrace, place: int) -> Reason:
    """Say how a number comes into the network."""
    form, n_numbers = layer.settings["form"], int(layer.settings["n_numbers"])
    if form == "as_is" or (form == "periodic" and place < n_numbers):
        return Reason("x: as it is", [Line("{x}", {"x": scene.incoming(layer, (place,))})])
    if form == "thermometer":
        number, step = divmod(place, int(layer.settings["bins"]) - 1)
        shown = {"x": scene.incoming(layer, (number,))}
        return Reason("1 where x ≥ step, else 0", [Line(f"int({{x}} >= {step + 1})", shown)])
    mix = layer.parameter("mix")
    assert mix is not None
    number, unit = divmod(place - n_numbers * (form == "periodic"), mix.value.shape[-1])
    x = scene.incoming(layer, (number,))
    shift = product(c=scene.parameter(layer, "shift", (number, unit)))
    terms = [
        _form_term(scene, layer, x, (number, part, unit)) for part in range(mix.value.shape[1])
    ]
    formula = (
        "Σ_j w_j · (min(max(x − j, 0), 1) − ½) + c" if form == "piecewise"
        else "Σ_k w_k · cos(2π · x · f_k + φ_k) + c"
    )  # fmt: skip
    return Reason(formula, [*total(terms), shift])


def _form_term(scene: Scene, layer: LayerTrace, x: Operand, index: Index) -> Line:
    number, part, _ = index
    operands = {"w": scene.parameter(layer, "mix", index), "x": x}
    if layer.settings["form"] == "piecewise":
        template = f"{{w}} * (min(max({{x}} - {part}, 0), 1) - 0.5)"
    else:
        operands["f"] = scene.parameter(layer, "frequency", (number, part))
        operands["p"] = scene.parameter(layer, "phase", (number, part))
        template = "{w} * cos(2 * pi * {x} * {f} + {p})"
    return Line(template, operands, "", is_term=True)


_SUMS: dict[str, Callable[[Scene, LayerTrace, Index], Reason]] = {
    "dense": _dense,
    "conv2d": _convolution,
    "max_pool": _max_pool,
    "average_pool": _average_pool,
    "global_average_pool": _global_average_pool,
    "flatten": _flatten,
    "dropout": _dropout,
    "activation": _activation,
    "gain": _gain,
    "batch_norm": _norm,
    "layer_norm": _norm,
    "residual": _residual,
    "columns": _columns,
    "combination": _combination,
}


def explain_activation(scene: Scene, layer: LayerTrace, index: Index) -> Reason:
    """Say how a of a neuron comes about."""
    if layer.activation == "identity":
        return explain_sum(scene, layer, index)
    z = scene.unit(layer, index, "z")
    if layer.activation == "softmax":
        terms = [product(e=exponential(scene, layer, (j,))) for j in range(layer.z.shape[1])]
        own = exponential(scene, layer, index)
        return Reason(
            "softmax(z) = e^z / Σ_j e^(z_j)",
            [Line("{e} / (", {"e": own}), *total(terms, "exponentials"), Line(")")],
        )
    equation = EQUATIONS[layer.activation]
    return Reason(equation.formula, [Line(equation.arithmetic(z.value), {"z": z, **_constants()})])


def _constants() -> dict[str, Operand]:
    return {key: Operand(value=value) for key, value in CONSTANTS.items()}


def _top(scene: Scene, layer: LayerTrace) -> float:
    """Return what is taken off sums before their exponentials: 0 unless they would overflow."""
    largest = float(layer.z[scene.row].max())
    return largest if abs(largest) > OVERFLOWING else 0.0


def exponential(scene: Scene, layer: LayerTrace, index: Index) -> Operand:
    """Return e^z of a neuron in a softmax layer."""
    value = math.exp(layer.z[(scene.row, *index)] - _top(scene, layer))
    return Operand(name=scene.named(f"{layer.name}.neuron{index[0] + 1}.exp"), value=value)


def explain_exponential(scene: Scene, layer: LayerTrace, index: Index) -> Reason:
    """Say what the exponential of a neuron's sum is."""
    z, top = scene.unit(layer, index, "z"), _top(scene, layer)
    if top == 0:
        return Reason("e^z", [Line("exp({z})", {"z": z})])
    largest = Operand(value=top, note="the largest sum of the layer, so that nothing overflows")
    return Reason("e^(z − largest z)", [Line("exp({z} - {top})", {"z": z, "top": largest})])


def explain_loss(scene: Scene, *, of_row: bool) -> Reason:
    """Say how the loss comes about: of one example, or of the whole batch."""
    trace = scene.trace
    if trace.n_rows > 1 and not of_row:
        assert trace.losses is not None
        terms = [
            product(e=Operand(name=f"row{row + 1}.loss", value=float(value)))
            for row, value in enumerate(trace.losses)
        ]
        if trace.reduction == "total":
            return Reason("Σ of the losses of the examples", total(terms, "examples"))
        lines = [Line("("), *total(terms, "examples"), Line(f") / {trace.n_rows}")]
        return Reason("mean of the losses of the examples", lines)
    return _LOSSES[trace.loss_name](scene)


def target(scene: Scene, k: int) -> Operand:
    """Return what an output should be."""
    assert scene.trace.target is not None
    value = float(scene.trace.target[scene.row, k])
    return Operand(name=scene.named(f"target.{k + 1}"), value=value)


def _squared_error(scene: Scene) -> Reason:
    layer = scene.trace.layers[-1]
    terms = [
        Line("({a} - {y})**2", {"a": scene.unit(layer, (k,), "a"), "y": target(scene, k)}, "", True)
        for k in range(layer.a.shape[1])
    ]
    return Reason("½ Σ_k (a_k − y_k)²", [Line("0.5 * ("), *total(terms), Line(")")])


def _cross_entropy(scene: Scene) -> Reason:
    layer = scene.trace.layers[-1]
    terms = []
    for k in range(layer.a.shape[1]):
        y, a = target(scene, k), scene.unit(layer, (k,), "a")
        if y.value == 0:
            continue
        if a.value > LEAST_SHARE:
            terms.append(Line("{y} * log({a})", {"y": y, "a": a}, "", True))
        else:  # its logarithm from the sums, as the probability is nearly 0
            rest = Operand(value=_log_total(scene), note="ln Σ e^z")
            z = scene.unit(layer, (k,), "z")
            terms.append(Line("{y} * ({z} - {rest})", {"y": y, "z": z, "rest": rest}, "", True))
    return Reason("−Σ_k y_k · ln a_k", [Line("-("), *total(terms), Line(")")])


def _log_total(scene: Scene) -> float:
    z = scene.trace.layers[-1].z[scene.row]
    return float(z.max() + math.log(sum(math.exp(value - z.max()) for value in z)))


def _binary_cross_entropy(scene: Scene) -> Reason:
    layer = scene.trace.layers[-1]
    terms = []
    for k in range(layer.a.shape[1]):
        y, a, z = target(scene, k), scene.unit(layer, (k,), "a"), scene.unit(layer, (k,), "z")
        if LEAST_SHARE < a.value < 1 - LEAST_SHARE:
            template = "-({y} * log({a}) + (1 - {y}) * log(1 - {a}))"
            terms.append(Line(template, {"y": y, "a": a}, "", True))
        else:  # the same from the sum, as a probability is nearly 0 or 1
            template = "max({z}, 0) + log1p(exp(-abs({z}))) - {y} * {z}"
            terms.append(Line(template, {"z": z, "y": y}, "", True))
    return Reason("−Σ_k (y_k · ln a_k + (1 − y_k) · ln(1 − a_k))", total(terms))


_LOSSES: dict[str, Callable[[Scene], Reason]] = {
    "squared_error": _squared_error,
    "cross_entropy": _cross_entropy,
    "binary_cross_entropy": _binary_cross_entropy,
}
