"""Why a number flowed backward: node errors, what flows into a layer, gradients, new values."""

from collections.abc import Callable
from itertools import product as places_of

import numpy as np

from fathom.inspection.arithmetic import Line, Operand, product, total
from fathom.inspection.layers import LayerTrace, ParameterTrace, Update
from fathom.inspection.names import Index, Scene
from fathom.inspection.slopes import CONSTANTS, EQUATIONS, slope_of
from fathom.inspection.why_forward import (
    Reason,
    flat_source,
    normalized,
    padding_before,
    parts_of,
    patch_of,
    statistic,
    target,
)
from fathom.training.recipe import DECOUPLED, MUON_STEP, RMSPROP_DECAY

BY_CHAIN_RULE = "by the chain rule through the layer"
STABLE = 1e-8  # what optimizers add to a root, so that nothing is divided by 0


def slope(scene: Scene, layer: LayerTrace, index: Index) -> Operand:
    """Return f′(z) of a neuron."""
    place = (scene.row, *index)
    value = slope_of(layer.activation, layer.z[place][None], layer.a[place][None])[0]
    name = f"{layer.name}.neuron{','.join(str(i + 1) for i in index)}.slope"
    return Operand(name=scene.named(name), value=float(value))


def explain_slope(scene: Scene, layer: LayerTrace, index: Index) -> Reason:
    """Say how f′(z) of a neuron comes about."""
    equation = EQUATIONS[layer.activation]
    z, a = (scene.unit(layer, index, quantity) for quantity in ("z", "a"))
    template = equation.slope_arithmetic(z.value)
    known = {"z": z, "a": a, **{key: Operand(value=v) for key, v in CONSTANTS.items()}}
    operands = {key: operand for key, operand in known.items() if f"{{{key}}}" in template}
    return Reason(equation.slope_formula, [Line(template, operands)])


def explain_delta(scene: Scene, layer: LayerTrace, index: Index) -> Reason:
    """Say how δ = ∂L/∂z of a neuron comes about."""
    if layer.name == "output":
        return _output_error(scene, layer, index)
    formula, lines = _upstream(scene, layer, index)
    if layer.activation == "identity":
        return Reason(formula, lines)
    own = slope(scene, layer, index)
    if len(lines) == 1:
        only = lines[0]._replace(is_term=False)
        bare = only.template.count("{") == 1 and only.template.endswith("}")
        template = f"{only.template if bare else f'({only.template})'} * {{slope}}"
        return Reason(
            f"({formula}) · f′(z)",
            [Line(template, {**only.operands, "slope": own}, only.note)],
        )
    return Reason(f"({formula}) · f′(z)", [Line("("), *lines, Line(") * {slope}", {"slope": own})])


def _output_error(scene: Scene, layer: LayerTrace, index: Index) -> Reason:
    """Say how the node error of an output neuron comes about."""
    trace = scene.trace
    operands = {"a": scene.unit(layer, index, "a"), "y": target(scene, index[0])}
    formula, template = "a − y", "{a} - {y}"
    assert trace.target is not None
    whole = float(trace.target[scene.row].sum())
    if trace.loss_name == "cross_entropy" and abs(whole - 1) > 1e-9:
        operands["total"] = Operand(value=whole, note="Σ_j y_j")
        formula, template = "a · Σ_j y_j − y", "{a} * {total} - {y}"
    elif trace.loss_name == "squared_error" and layer.activation == "softmax":
        a, y = layer.a[scene.row], trace.target[scene.row]
        operands["mean"] = Operand(value=float(np.sum((a - y) * a)), note="Σ_j (a_j − y_j) · a_j")
        formula = "a · ((a − y) − Σ_j (a_j − y_j) · a_j)"
        template = "{a} * (({a} - {y}) - {mean})"
    elif trace.loss_name == "squared_error" and layer.activation != "identity":
        operands["slope"] = slope(scene, layer, index)
        formula, template = "(a − y) · f′(z)", "({a} - {y}) * {slope}"
    if scene.share != 1:
        formula, template = f"({formula}) / n", f"({template}) / {scene.share:.0f}"
    return Reason(formula, [Line(template, operands)])


def _upstream(scene: Scene, layer: LayerTrace, index: Index) -> Reason:
    """Say how ∂L/∂a of a hidden neuron comes about, from the layer behind it."""
    behind = scene.behind(layer)
    if behind is None:  # the last layer of a residual block: what it gives is added
        block = scene.block_of(layer)
        assert block is not None
        return Reason("δ of the block", [product(d=scene.unit(block, index, "delta"))])
    return explain_flow(scene, behind, index)


def explain_flow(scene: Scene, layer: LayerTrace, index: Index) -> Reason:
    """Say how ∂L/∂ a number that comes into a layer comes about."""
    return _FLOWS[layer.kind](scene, layer, index)


def _into_dense(scene: Scene, layer: LayerTrace, index: Index) -> Reason:
    terms = [
        product(w=scene.parameter(layer, "weight", (k, *index)), d=scene.unit(layer, (k,), "delta"))
        for k in range(layer.z.shape[1])
    ]
    return Reason("Σ_k w_k · δ_k", total(terms))


def _into_convolution(scene: Scene, layer: LayerTrace, index: Index) -> Reason:
    kernel, stride = layer.parameter("kernel"), int(layer.settings["stride"])
    assert kernel is not None
    height, width = kernel.value.shape[:2]
    before, terms = padding_before(layer), []
    for i, j in places_of(range(height), range(width)):
        row, row_rest = divmod(index[0] + before[0] - i, stride)
        column, column_rest = divmod(index[1] + before[1] - j, stride)
        is_place = 0 <= row < layer.z.shape[1] and 0 <= column < layer.z.shape[2]
        if row_rest or column_rest or not is_place:
            continue
        for k in range(layer.z.shape[3]):
            weight = scene.parameter(layer, "kernel", (i, j, index[2], k))
            terms.append(product(w=weight, d=scene.unit(layer, (row, column, k), "delta")))
    return Reason("Σ w · δ over the neurons that see it", total(terms))


def _pooled(layer: LayerTrace, index: Index) -> Index | None:
    """Return the pooling neuron that sees a place; None at a border that is left over."""
    size = int(layer.settings["size"])
    place = (index[0] // size, index[1] // size, index[2])
    is_inside = place[0] < layer.z.shape[1] and place[1] < layer.z.shape[2]
    return place if is_inside else None


def _into_max_pool(scene: Scene, layer: LayerTrace, index: Index) -> Reason:
    place = _pooled(layer, index)
    if place is None or layer.x[(scene.row, *index)] < layer.z[(scene.row, *place)]:
        return Reason("0: another one is the largest of its square", [Line("0")])
    size = int(layer.settings["size"])
    square = layer.x[
        scene.row, place[0] * size : (place[0] + 1) * size,
        place[1] * size : (place[1] + 1) * size, index[2],
    ]  # fmt: skip
    n_largest = int((square == layer.z[(scene.row, *place)]).sum())
    delta = {"d": scene.unit(layer, place, "delta")}
    if n_largest == 1:
        return Reason("δ of the square, whose largest it is", [Line("{d}", delta)])
    formula = "δ of the square, shared among its largest"
    return Reason(formula, [Line(f"{{d}} / {n_largest}", delta)])


def _into_average_pool(scene: Scene, layer: LayerTrace, index: Index) -> Reason:
    place = _pooled(layer, index)
    if place is None:
        return Reason("0: at the border, outside every square", [Line("0")])
    area = int(layer.settings["size"]) ** 2
    delta = {"d": scene.unit(layer, place, "delta")}
    return Reason("δ of the square / its area", [Line(f"{{d}} / {area}", delta)])


def _into_global_average(scene: Scene, layer: LayerTrace, index: Index) -> Reason:
    area = layer.x.shape[1] * layer.x.shape[2]
    delta = {"d": scene.unit(layer, index[2:], "delta")}
    return Reason("δ of the channel / area of the picture", [Line(f"{{d}} / {area}", delta)])


def _into_flatten(scene: Scene, layer: LayerTrace, index: Index) -> Reason:
    place = 0
    for at, side in zip(index, layer.x.shape[1:], strict=True):
        place = place * side + at
    assert flat_source(layer, (place,)) == index
    return Reason(
        "δ of the same number", [Line("{d}", {"d": scene.unit(layer, (place,), "delta")})]
    )


def _into_dropout(scene: Scene, layer: LayerTrace, index: Index) -> Reason:
    delta = {"d": scene.unit(layer, index, "delta")}
    if "kept" not in layer.constants:
        return Reason("δ of the same number", [Line("{d}", delta)])
    if not layer.constants["kept"][(scene.row, *index)]:
        return Reason("0, as it is dropped", [Line("0 * {d}", delta)])
    rate = layer.settings["rate"]
    return Reason("δ / (1 − p), as it is kept", [Line(f"{{d}} / (1 - {rate:.17g})", delta)])


def _into_activation(scene: Scene, layer: LayerTrace, index: Index) -> Reason:
    return Reason("δ of the activation", [Line("{d}", {"d": scene.unit(layer, index, "delta")})])


def _into_gain(scene: Scene, layer: LayerTrace, index: Index) -> Reason:
    gain, delta = scene.parameter(layer, "gain", index), scene.unit(layer, index, "delta")
    return Reason("g · δ", [product(g=gain, d=delta)])


def _into_norm(scene: Scene, layer: LayerTrace, index: Index) -> Reason:
    operands = {
        "scale": scene.parameter(layer, "scale", index[-1:]),
        "d": scene.unit(layer, index, "delta"),
        "variance": statistic(scene, layer, index, "variance"),
    }
    root = f"sqrt({{variance}} + {layer.settings['epsilon']})"
    if layer.kind == "batch_norm" and not layer.settings["uses_batch"]:
        return Reason("γ · δ / √(σ² + ε)", [Line(f"{{scale}} * {{d}} / {root}", operands)])
    x = normalized(scene, layer, index)
    flows, shown = _normalized_together(scene, layer, index)
    operands |= {
        "mean": Operand(value=float(flows.mean()), note="mean of γ · δ"),
        "x": x,
        "tilt": Operand(value=float((flows * shown).mean()), note="mean of γ · δ · x̂"),
    }
    template = f"({{scale}} * {{d}} - {{mean}} - {{x}} * {{tilt}}) / {root}"
    formula = "(γ · δ − mean(γ · δ) − x̂ · mean(γ · δ · x̂)) / √(σ² + ε)"
    return Reason(formula, [Line(template, operands)])


def _normalized_together(
    scene: Scene, layer: LayerTrace, index: Index
) -> tuple[np.ndarray, np.ndarray]:
    """Return γ · δ and x̂ of all the numbers that are normalized together with one."""
    scale = layer.parameter("scale")
    assert scale is not None
    assert layer.delta is not None
    spread = np.sqrt(layer.constants["variance"] + float(layer.settings["epsilon"]))
    shown = (layer.x - layer.constants["mean"]) / spread
    flows = layer.delta * scale.value
    if layer.kind == "layer_norm":
        place = (scene.row, *index[:-1])
        return flows[place], shown[place]
    return flows[..., index[-1]], shown[..., index[-1]]


def _into_residual(scene: Scene, layer: LayerTrace, index: Index) -> Reason:
    through = product(f=scene.flowing_into(layer.inner[0], index))
    projection = layer.parameter("projection")
    if projection is None:
        own = product(d=scene.unit(layer, index, "delta"))
        return Reason("δ + what flows back through f", [own, through])
    terms = [
        product(
            s=scene.parameter(layer, "projection", (k, index[-1])),
            d=scene.unit(layer, (*index[:-1], k), "delta"),
        )
        for k in range(layer.z.shape[-1])
    ]
    return Reason("Σ_k s_k · δ_k + what flows back through f", [*total(terms), through])


def _into_combination(scene: Scene, layer: LayerTrace, index: Index) -> Reason:
    terms = [
        product(d=scene.unit(layer, (k,), "delta"))
        for k in range(layer.z.shape[1])
        if index[0] in parts_of(layer, (k,))
    ]
    if not terms:
        return Reason("0: no combination that was seen has it", [Line("0")])
    return Reason("Σ_k δ_k over the combinations that have it", total(terms))


def _into_columns(scene: Scene, layer: LayerTrace, index: Index) -> Reason:
    own = Operand(value=scene.flowing_into(layer, index).value, note=BY_CHAIN_RULE)
    return Reason(BY_CHAIN_RULE, [Line("{d}", {"d": own}, BY_CHAIN_RULE)])


_FLOWS: dict[str, Callable[[Scene, LayerTrace, Index], Reason]] = {
    "dense": _into_dense,
    "conv2d": _into_convolution,
    "max_pool": _into_max_pool,
    "average_pool": _into_average_pool,
    "global_average_pool": _into_global_average,
    "flatten": _into_flatten,
    "dropout": _into_dropout,
    "activation": _into_activation,
    "gain": _into_gain,
    "batch_norm": _into_norm,
    "layer_norm": _into_norm,
    "residual": _into_residual,
    "columns": _into_columns,
    "combination": _into_combination,
}


def explain_gradient(scene: Scene, layer: LayerTrace, name: str, index: Index) -> Reason:
    """Say how ∂L/∂ a parameter comes about: a · δ, summed over all it had a part in."""
    terms = []
    scenes = [scene.at(row) for row in range(scene.trace.n_rows)]
    places = list(places_of(*(range(side) for side in layer.z.shape[1:-1])))
    if name in ("bias", "shift") and layer.kind != "columns":
        at = [(one, (*place, *index[-1:])) for one in scenes for place in places]
        terms = [product(d=one.unit(layer, unit, "delta")) for one, unit in at]
        return Reason("δ" if len(terms) == 1 else "Σ δ", total(terms))
    if name in ("weight", "projection"):
        at = [(one, place) for one in scenes for place in places]
        terms = [
            product(
                x=one.incoming(layer, (*place, index[1])),
                d=one.unit(layer, (*place, index[0]), "delta"),
            )
            for one, place in at
        ]
    elif name == "kernel":
        for one in scenes:
            terms += _kernel_terms(one, layer, index)
    elif name in ("gain", "scale"):
        get = normalized if name == "scale" else Scene.incoming
        for one, place in ((one, (*place, *index)) for one in scenes for place in places):
            shown = get(one, layer, place)
            terms.append(product(x=shown, d=one.unit(layer, place, "delta")))
    else:
        own = scene.parameter(layer, name, index, "gradient")
        given = Operand(value=own.value, note=BY_CHAIN_RULE)
        return Reason(BY_CHAIN_RULE, [Line("{g}", {"g": given}, BY_CHAIN_RULE)])
    symbol = "x̂" if name == "scale" else "x"
    return Reason(f"{symbol} · δ" if len(terms) == 1 else f"Σ {symbol} · δ", total(terms))


def _kernel_terms(scene: Scene, layer: LayerTrace, index: Index) -> list[Line]:
    terms = []
    for row, column in places_of(range(layer.z.shape[1]), range(layer.z.shape[2])):
        unit = (row, column, index[3])
        seen = dict(patch_of(layer, unit))
        if index in seen:
            x = scene.incoming(layer, seen[index])
            terms.append(product(x=x, d=scene.unit(layer, unit, "delta")))
    return terms


def explain_new(scene: Scene, layer: LayerTrace, name: str, index: Index) -> Reason:
    """Say what a parameter becomes: w − η · ∂L/∂w, or η times what the optimizer makes of it."""
    update, parameter = scene.trace.update, layer.parameter(name)
    assert update is not None
    assert parameter is not None
    is_plain = _is_plain(update, parameter)
    quantity = "gradient" if is_plain else "direction"
    operands = {
        "w": scene.parameter(layer, name, index),
        "rate": Operand(value=update.learning_rate, note="learning rate η"),
        "d": scene.parameter(layer, name, index, quantity),
    }
    formula = "w − η · ∂L/∂w" if is_plain else f"w − η · d, the direction {update.optimizer} takes"
    return Reason(formula, [Line("{w} - {rate} * {d}", operands)])


def _is_plain(update: Update, parameter: ParameterTrace) -> bool:
    """Tell whether the step is the gradient itself."""
    is_rule = update.optimizer in ("gradient_descent", "momentum")
    is_clipped = update.gradient_clip is not None and update.gradient_norm > update.gradient_clip
    return is_rule and not is_clipped and not parameter.decays and parameter.rate == 1


def explain_direction(scene: Scene, layer: LayerTrace, name: str, index: Index) -> Reason:
    """Say what the optimizer makes of a gradient in its first step."""
    update, parameter = scene.trace.update, layer.parameter(name)
    assert update is not None
    assert parameter is not None
    if update.optimizer == "muon" and parameter.value.ndim == 2:
        what = f"{MUON_STEP} · √max(in, out) · the orthogonal matrix nearest to the gradients"
        own = scene.parameter(layer, name, index, "direction")
        return Reason(what, [Line("{d}", {"d": Operand(value=own.value, note=what)}, what)])
    operands = {"g": scene.parameter(layer, name, index, "gradient")}
    decay = update.weight_decay if parameter.decays else 0.0
    gradient, symbol = "{g}", "g"
    is_decoupled = update.optimizer in DECOUPLED
    if decay:
        operands["w"] = scene.parameter(layer, name, index)
        operands["decay"] = Operand(value=decay, note="weight decay λ")
    if decay and not is_decoupled:
        gradient, symbol = "({g} + {decay} * {w})", "(g + λ · w)"
    clip = update.gradient_clip
    if clip is not None and update.gradient_norm > clip:
        operands["norm"] = Operand(value=update.gradient_norm, note="length of all gradients")
        gradient, symbol = f"{gradient} * {clip} / {{norm}}", f"{symbol} · clip / |g|"
    template, formula = _rule(update, gradient, symbol)
    if parameter.rate != 1:
        operands["rate"] = Operand(value=parameter.rate, note="factor of its role")
        template, formula = f"{{rate}} * {template}", f"r · {formula}"
    if decay and is_decoupled:
        template, formula = f"{template} + {{decay}} * {{w}}", f"{formula} + λ · w"
    return Reason(formula, [Line(template, operands)])


def _rule(update: Update, gradient: str, symbol: str) -> tuple[str, str]:
    """Return the first step of an optimizer as arithmetic and as a formula."""
    if update.optimizer in ("gradient_descent", "momentum"):
        return gradient, symbol
    g = gradient if gradient == "{g}" else f"({gradient})"
    if update.optimizer == "nesterov":
        return f"(1 + {update.momentum}) * {g}", f"(1 + μ) · {symbol}"
    if update.optimizer == "rmsprop":
        share = f"{1 - RMSPROP_DECAY:.4g}"
        return (
            f"{g} / sqrt({share} * {g}**2 + {STABLE})",
            f"{symbol} / √({share} · ({symbol})² + {STABLE})",
        )
    # In a first step m̂ and √v̂ are the gradient and its size.
    return f"{g} / (abs({g}) + {STABLE})", f"{symbol} / (|{symbol}| + {STABLE})"
