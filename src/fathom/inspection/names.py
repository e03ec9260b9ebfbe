"""Names of the numbers in a trace: ``layer2.neuron1.delta``, ``input.3``, ``loss``."""

import re
from dataclasses import dataclass

from fathom.errors import InputError
from fathom.inspection.arithmetic import Operand
from fathom.inspection.layers import LayerTrace
from fathom.inspection.traced import Trace

UNIT_QUANTITIES = (
    "z", "a", "delta", "slope", "exp", "probability", "normalized", "mean", "variance",
)  # fmt: skip
PARAMETER_QUANTITIES = ("value", "gradient", "direction", "new")
EXAMPLES = "input.1, layer1.neuron2.z, output.neuron1.delta, layer1.neuron1.weight2.new, loss"
Index = tuple[int, ...]

_NUMBERS = r"\d+(?:,\d+)*"
_LAYER = r"(?P<layer>(?:layer\d+|output)(?:\.inner\d+)?)"
_PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?P<kind>loss)",
        rf"(?P<kind>input|target)\.(?P<unit>{_NUMBERS})(?:\.(?P<quantity>gradient))?",
        rf"{_LAYER}\.input(?P<into>{_NUMBERS})\.gradient",
        rf"{_LAYER}\.(?:neuron|channel)(?P<unit>{_NUMBERS})(?:\.(?P<quantity>\w+?))?",
        rf"{_LAYER}\.(?:neuron|channel)(?P<unit>{_NUMBERS})\.(?P<parameter>[a-z]+)"
        rf"(?P<index>{_NUMBERS})?(?:\.(?P<quantity>\w+))?",
        rf"{_LAYER}\.(?P<parameter>[a-z]+)(?P<index>{_NUMBERS})(?:\.(?P<quantity>\w+))?",
    )
)


@dataclass(frozen=True)
class Address:
    """Where a number is in a trace.

    Attributes
    ----------
    kind : str
        ``loss``, ``input``, ``target``, ``unit``, ``into`` (what flows back into a layer's
        input) or ``parameter``.
    row : int
        Which example, from 0.
    layer : LayerTrace or None
        The layer.
    index : tuple of int
        Place in the array, from 0.
    quantity : str
        What of it.
    parameter : str
        Name of the parameter.
    """

    kind: str
    row: int = 0
    layer: LayerTrace | None = None
    index: Index = ()
    quantity: str = ""
    parameter: str = ""


@dataclass(frozen=True)
class Scene:
    """A trace and one example in it: what gives its numbers their names.

    Attributes
    ----------
    trace : Trace
        The trace.
    row : int
        Which example, from 0.
    """

    trace: Trace
    row: int = 0

    @property
    def share(self) -> float:
        """How many examples the loss is divided by."""
        return float(self.trace.n_rows if self.trace.reduction == "mean" else 1)

    def at(self, row: int) -> "Scene":
        """Return the scene of another example."""
        return Scene(self.trace, row)

    def named(self, name: str) -> str:
        """Return a name with the example before it, where there is more than one."""
        return f"row{self.row + 1}.{name}" if self.trace.n_rows > 1 else name

    def unit(self, layer: LayerTrace, index: Index, quantity: str) -> Operand:
        """Return a number of one neuron: z, a or delta."""
        array = getattr(layer, quantity)
        name = f"{layer.name}.neuron{written(index)}.{quantity}"
        note = ""
        if layer.name == "output" and quantity == "a" and self.trace.output_names:
            note = self.trace.output_names[index[0]]
        elif quantity == "a":
            note = self.feature_name(layer.name, index)
        return Operand(name=self.named(name), value=float(array[(self.row, *index)]), note=note)

    def incoming(self, layer: LayerTrace, index: Index) -> Operand:
        """Return a number that comes into a layer."""
        value = float(layer.x[(self.row, *index)])
        if layer.source == "input":
            name, note = f"input.{written(index)}", self.input_name(index)
        else:
            name = f"{layer.source}.neuron{written(index)}.a"
            note = self.feature_name(layer.source, index)
        return Operand(name=self.named(name), value=value, note=note)

    def input_name(self, index: Index) -> str:
        """Return what an input is; nothing where it has no name."""
        flat = 0
        for place, side in zip(index, self.trace.x.shape[1:], strict=True):
            flat = flat * side + place
        names = self.trace.input_names
        return names[flat] if flat < len(names) else ""

    def feature_name(self, layer: str, index: Index) -> str:
        """Return what a number is that the first layer makes of the inputs, where it has a name."""
        first, names = self.trace.layers[0], self.trace.feature_names
        passes = ["layer1"]
        if first.kind == "flatten":
            names = self.trace.input_names
        elif first.kind != "columns":
            return ""
        elif len(self.trace.layers) > 1 and self.trace.layers[1].kind == "gain":
            passes.append("layer2")
        return names[index[0]] if layer in passes and index[0] < len(names) else ""

    def flowing_into(self, layer: LayerTrace, index: Index) -> Operand:
        """Return ∂L/∂ a number that comes into a layer."""
        assert layer.x_gradient is not None
        value = float(layer.x_gradient[(self.row, *index)])
        name = f"{layer.name}.input{written(index)}.gradient"
        return Operand(name=self.named(name), value=value)

    def parameter(
        self, layer: LayerTrace, name: str, index: Index, quantity: str = "value"
    ) -> Operand:
        """Return a parameter, or what becomes of it."""
        found = layer.parameter(name)
        assert found is not None
        array = getattr(found, quantity)
        called = parameter_name(layer, name, index)
        suffix = "" if quantity == "value" else f".{quantity}"
        return Operand(name=called + suffix, value=float(array[index]))

    def block_of(self, layer: LayerTrace) -> LayerTrace | None:
        """Return the residual block a layer is in; None for the others."""
        outer, dot, _ = layer.name.partition(".")
        return self.trace.layer(outer) if dot else None

    def behind(self, layer: LayerTrace) -> LayerTrace | None:
        """Return the next layer of the chain a layer is in; None for the last of it."""
        block = self.block_of(layer)
        chain = self.trace.layers if block is None else block.inner
        place = [one.name for one in chain].index(layer.name)
        return chain[place + 1] if place + 1 < len(chain) else None


def written(index: Index) -> str:
    """Write a place in an array, counted from 1."""
    return ",".join(str(place + 1) for place in index)


def parameter_name(layer: LayerTrace, name: str, index: Index) -> str:
    """Return the name of one parameter.

    Weights and biases belong to a neuron, kernels to a channel that many neurons share.
    """
    unit = "neuron" if layer.x.ndim == 2 else "channel"
    if name == "weight":
        return f"{layer.name}.neuron{index[0] + 1}.weight{index[1] + 1}"
    if name == "kernel":
        return f"{layer.name}.channel{index[-1] + 1}.weight{written(index[:-1])}"
    if name in ("bias", "gain") or (name in ("scale", "shift") and len(index) == 1):
        return f"{layer.name}.{unit}{index[0] + 1}.{name}"
    return f"{layer.name}.{name}{written(index)}"


def parse_name(trace: Trace, name: str) -> Address:
    """Find the number of a name.

    Raises
    ------
    InputError
        If there is none of that name; says what there is.
    """
    text = re.sub(r"\(([^()]*)\)", r"\1", name.strip()).replace(" ", "")
    row = 0
    if match := re.fullmatch(r"row(\d+)\.(.+)", text):
        row, text = int(match[1]) - 1, match[2]
        if not 0 <= row < trace.n_rows:
            raise InputError(f"a row from 1 to {trace.n_rows}", got=repr(name))
    for pattern in _PATTERNS:
        if match := pattern.fullmatch(text):
            address = _to_address(trace, match.groupdict(), row, name)
            if address is not None:
                return address
    raise InputError("the name of a number in the network", got=repr(name),
                     hint=f"for example {EXAMPLES}")  # fmt: skip


def _to_address(trace: Trace, parts: dict[str, str | None], row: int, name: str) -> Address | None:
    unit, quantity = _places(parts.get("unit")), parts.get("quantity") or ""
    kind = parts.get("kind")
    if kind is not None:
        if kind == "loss":
            return Address("loss", row)
        array = trace.x if kind == "input" else trace.target
        if array is None:
            raise InputError("a trace with a target", got=repr(name))
        return Address(kind, row, None, _inside(array.shape[1:], unit, name), quantity)
    layer = trace.layer(str(parts["layer"]))
    if parts.get("into"):
        index = _inside(layer.x.shape[1:], _places(parts["into"]), name)
        return Address("into", row, layer, index)
    parameter = parts.get("parameter")
    if parameter is not None:
        return _parameter_address(layer, parameter, unit, parts, row, name)
    if quantity and quantity not in UNIT_QUANTITIES:
        return None  # it may be a parameter
    index = _inside(layer.a.shape[1:], unit, name)
    return Address("unit", row, layer, index, quantity or "a")


def _parameter_address(
    layer: LayerTrace,
    parameter: str,
    unit: Index,
    parts: dict[str, str | None],
    row: int,
    name: str,
) -> Address | None:
    quantity, index = parts.get("quantity") or "value", _places(parts.get("index"))
    if unit and parameter == "weight":
        is_kernel = layer.parameter("kernel") is not None
        parameter, index = ("kernel", (*index, *unit)) if is_kernel else ("weight", (*unit, *index))
    elif unit:
        index = unit
    found = layer.parameter(parameter)
    if found is None or quantity not in PARAMETER_QUANTITIES:
        names = ", ".join(p.name for p in layer.parameters) or "none"
        raise InputError(
            f"something {layer.name} has: {', '.join(UNIT_QUANTITIES[:4])} of a neuron, or a "
            f"parameter ({names}), its gradient or its new value", got=repr(name),
        )  # fmt: skip
    return Address(
        "parameter", row, layer, _inside(found.value.shape, index, name), quantity, parameter
    )


def _places(text: str | None) -> Index:
    return tuple(int(part) - 1 for part in text.split(",")) if text else ()


def _inside(shape: tuple[int, ...], index: Index, name: str) -> Index:
    if len(index) != len(shape) or not all(
        0 <= place < side for place, side in zip(index, shape, strict=False)
    ):
        sides = "×".join(map(str, shape))
        raise InputError(
            f"a place in {sides}, counted from 1" + (", with commas" if len(shape) > 1 else ""),
            got=repr(name),
        )
    return index
