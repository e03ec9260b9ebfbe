"""A network written as the function it is: y = σ(W³σ(W²σ(W¹x + b¹) + b²) + b³)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from fathom.errors import InputError
from fathom.inspection.backward import kind_of
from fathom.nn.architecture import Architecture
from fathom.nn.blocks import ResidualLayer
from fathom.nn.combination import CombinationLayer
from fathom.nn.layer import AbstractLayer
from fathom.nn.network import Network
from fathom.nn.vectors import outline_of

Style: TypeAlias = Literal["text", "latex"]
MOST_ENTRIES = 16  # of a matrix whose numbers are written out
MOST_SIGNS = 100  # of a formula in one line; longer ones are written layer by layer
_RAISED = str.maketrans("0123456789.", "⁰¹²³⁴⁵⁶⁷⁸⁹·")
_LOWERED = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")

# Name, and equation of what is no letter of its own, in text and in LaTeX.
_FUNCTIONS = {
    "sigmoid": ("σ", r"\sigma", "1 / (1 + e⁻ᶻ)", r"\frac{1}{1 + e^{-z}}"),
    "tanh": ("tanh", r"\tanh", "", ""),
    "relu": ("relu", r"\operatorname{relu}", "max(0, z)", r"\max(0, z)"),
    "leaky_relu": ("lrelu", r"\operatorname{lrelu}", "max(0.01 z, z)", r"\max(0.01\,z, z)"),
    "elu": ("elu", r"\operatorname{elu}", "z where z > 0, else eᶻ − 1",
            r"z \text{ where } z > 0, \text{ else } e^{z} - 1"),
    "selu": ("selu", r"\operatorname{selu}", "1.0507 (z where z > 0, else 1.6733 (eᶻ − 1))",
             r"1.0507\,(z \text{ where } z > 0, \text{ else } 1.6733\,(e^{z} - 1))"),
    "gelu": ("gelu", r"\operatorname{gelu}", "z Φ(z)", r"z\,\Phi(z)"),
    "silu": ("silu", r"\operatorname{silu}", "z / (1 + e⁻ᶻ)", r"\frac{z}{1 + e^{-z}}"),
    "mish": ("mish", r"\operatorname{mish}", "z tanh(ln(1 + eᶻ))", r"z \tanh(\ln(1 + e^{z}))"),
    "softplus": ("softplus", r"\operatorname{softplus}", "ln(1 + eᶻ)", r"\ln(1 + e^{z})"),
    "softmax": ("softmax", r"\operatorname{softmax}", "eᶻ / Σ eᶻ",
                r"\frac{e^{z}}{\sum e^{z}}"),
}  # fmt: skip
_NUMBER_FORMS = {
    "as_is": ("v", "v"),
    "piecewise": ("W h + c, hⱼ = min(max(v − j, 0), 1) − ½",
                  r"W h + c, \; h_j = \min(\max(v - j, 0), 1) - \tfrac{1}{2}"),
    "thermometer": ("h, hⱼ = 1 where v ≥ j, else 0",
                    r"h, \; h_j = 1 \text{ where } v \ge j, \text{ else } 0"),
    "periodic": ("(v, W h + c), hₖ = cos(2π fₖ v + φₖ)",
                 r"(v, W h + c), \; h_k = \cos(2\pi f_k v + \varphi_k)"),
}  # fmt: skip


class _Term(NamedTuple):
    """A piece of a formula; an atom needs no brackets around it."""

    text: str
    is_atom: bool = True


def write_formula(
    network: Network | Architecture,
    *,
    style: Style = "text",
    numbers: bool = False,
    decimals: int = 2,
) -> str:
    """Write a network as the function it is.

    A superscript is the number of the layer: W³ are the weights of layer 3. Where one line would be
    too long, there is one for each layer. Below stands what the signs are.

    Parameters
    ----------
    network : Network or Architecture
        The network, or its description, which has no numbers.
    style : {"text", "latex"}
        Plain text, or LaTeX to stand between dollar signs.
    numbers : bool, default False
        Whether matrices of up to 16 numbers are written out, and larger ones by shape and range.
    decimals : int, default 2
        Digits behind the point of each, 0 to 15.

    Returns
    -------
    str
        The formula, in one or several lines.

    Raises
    ------
    InputError
        If numbers are asked of a description.

    Examples
    --------
    >>> from fathom.inspection.example import hand_worked
    >>> network, architecture = hand_worked()
    >>> print(write_formula(architecture).splitlines()[0])
    y = σ(W³σ(W²σ(W¹x + b¹) + b²) + b³)
    >>> print(write_formula(network, numbers=True).splitlines()[0])
    a¹ = σ([1 −2; −1 1] x + [1; 0])
    """
    if not 0 <= decimals <= 15:
        raise InputError("decimals from 0 to 15", got=f"{decimals}")
    layers = _layers_of(network, numbers=numbers)
    in_one = _Writer(False, False, decimals).write(layers, is_stepwise=False)
    is_long = len(in_one) > 1 or len(in_one[0]) > MOST_SIGNS or numbers
    writer = _Writer(style == "latex", numbers, decimals)
    lines = writer.write(layers, is_stepwise=is_long)
    where = list(writer.explained())
    if style == "latex":
        every = [
            line.replace(" = ", " &= ", 1) if " = " in line else line.replace(" : ", " &: ", 1)
            for line in [*lines, *where]
        ]
        return "\\begin{aligned}\n" + " \\\\\n".join(every) + "\n\\end{aligned}"
    return "\n".join([*lines, *(f"  {line}" for line in where)])


def _layers_of(network: Network | Architecture, *, numbers: bool) -> tuple[AbstractLayer, ...]:
    """Return the layers of a network; of a description, layers of shapes without values."""
    if not isinstance(network, Architecture):
        return network.layers
    if numbers:
        raise InputError(
            "a network, whose weights are numbers", got="an Architecture",
            hint="build it, or leave numbers out",
        )  # fmt: skip
    return outline_of(network).layers


@dataclass
class _Writer:
    """Writes formulas, and remembers which signs are to be explained."""

    latex: bool
    numbers: bool
    decimals: int
    arrays: dict[str, Any] = field(default_factory=dict)
    functions: dict[str, str] = field(default_factory=dict)

    def write(self, layers: tuple[AbstractLayer, ...], *, is_stepwise: bool) -> list[str]:
        """Return the lines of the formula."""
        term, lines = _Term("x"), []
        for number, layer in enumerate(layers, start=1):
            is_last = number == len(layers)
            name = self._named("a", number - 1)
            if isinstance(layer, ResidualLayer) and number > 1 and term != name:
                lines.append(f"{name.text} = {term.text}")
                term = name  # it stands in the formula of the block twice
            before = term
            term = self._layer(layer, f"{number}", term)
            if is_stepwise and not is_last and term != before:
                name = self._named("a", number)
                lines.append(f"{name.text} = {term.text}")
                term = name
        return [*lines, f"y = {term.text}"]

    def _named(self, letter: str, number: object) -> _Term:
        raised = f"^{{{number}}}" if self.latex else str(number).translate(_RAISED)
        return _Term(letter + raised)

    def _layer(self, layer: AbstractLayer, number: str, x: _Term) -> _Term:
        """Return what a layer makes of a term."""
        kind, parts = kind_of(layer), vars(layer)
        if kind in ("dense", "conv2d"):
            return self._weighted(kind, parts, number, x)
        if kind == "combination":
            return self._combined(layer, number, x)
        if kind == "activation":
            return self._call(*self._function(parts["activation"]), x)
        if kind == "gain":
            gain = self._array("g", number, parts["gain"])
            times = r" \odot " if self.latex else " ⊙ "
            return _Term(f"{gain}{times}{self._bracketed(x)}", is_atom=False)
        if kind == "residual":
            return self._residual(layer, number, x)
        if kind in ("batch_norm", "layer_norm"):
            return self._normalized(kind, parts, number, x)
        if kind == "columns":
            self._explain_columns(parts, number)
            return self._call("embed", r"\operatorname{embed}", x)
        if kind == "dropout":
            return x  # a trained network drops nothing
        name = {
            "flatten": "flat", "max_pool": "maxpool", "average_pool": "meanpool",
            "global_average_pool": "mean",
        }[kind]  # fmt: skip
        size = str(parts.get("size", ""))
        low = size.translate(_LOWERED)
        latex = rf"\operatorname{{{name}}}" + (f"_{{{size}}}" if size else "")
        return self._call(name + low, latex, x)

    def _weighted(self, kind: str, parts: dict[str, Any], number: str, x: _Term) -> _Term:
        if kind == "dense":
            weight = self._array("W", number, parts["weight"])
            product = self._times(weight, x)
        else:
            kernel = self._array("K", number, parts["kernel"])
            sign = r" * " if self.latex else " ∗ "
            product = f"{kernel}{sign}{self._bracketed(x)}"
        has_bias = parts["bias"] is not None
        bias = f" + {self._array('b', number, parts['bias'])}" if has_bias else ""
        total = _Term(product + bias, is_atom=False)
        if parts["activation"] == "identity":
            return total
        return self._call(*self._function(parts["activation"]), total)

    def _combined(self, layer: AbstractLayer, number: str, x: _Term) -> _Term:
        """Write what adds up one number of each factor: P is of 0 and 1, and learns nothing."""
        assert isinstance(layer, CombinationLayer)
        product = self._times(self._array("P", number, layer.weight), x)
        bias = self._array("b", number, layer.bias)
        return self._call(*self._function("softmax"), _Term(f"{product} + {bias}", is_atom=False))

    def _residual(self, layer: AbstractLayer, number: str, x: _Term) -> _Term:
        assert isinstance(layer, ResidualLayer)
        inner = x
        for place, one in enumerate(layer.layers, start=1):
            inner = self._layer(one, f"{number}.{place}", inner)
        own = self._bracketed(x)
        if layer.projection is not None:
            own = self._times(self._array("S", number, layer.projection), x)
        return _Term(f"{own} + {inner.text}", is_atom=False)

    def _normalized(self, kind: str, parts: dict[str, Any], number: str, x: _Term) -> _Term:
        short = "BN" if kind == "batch_norm" else "LN"
        latex = rf"\mathrm{{{short}}}^{{{number}}}"
        name = latex if self.latex else short + number.translate(_RAISED)
        for letter, part in (("γ", "scale"), ("β", "shift")):
            self._array(letter, number, parts[part], may_be_numbers=False)
        whose = {
            "batch_norm": "mean and variance of training",
            "layer_norm": "mean and variance of v itself",
        }[kind]
        epsilon = f"{parts['epsilon']:g}"
        if not self.latex:
            meaning = f"γ ⊙ (v − μ) / √(σ² + {epsilon}) + β, μ and σ² the {whose}"
            self.functions[f"{short}(v)"] = meaning
            return self._call(name, name, x)
        if "e-" in epsilon:
            factor, power = epsilon.split("e-")
            epsilon = (rf"{factor} \cdot " if factor != "1" else "") + f"10^{{-{int(power)}}}"
        self.functions[rf"\mathrm{{{short}}}(v)"] = (
            rf"\gamma \odot \frac{{v - \mu}}{{\sqrt{{\sigma^2 + {epsilon}}}}} + \beta, "
            rf"\; \mu, \sigma^2 \text{{ the {whose}}}"
        )
        return self._call(name, name, x)

    def _explain_columns(self, parts: dict[str, Any], number: str) -> None:
        text, latex = _NUMBER_FORMS[parts["form"]]
        rest = "other columns as they are, categories as 0 and 1 or as learned vectors"
        if self.latex:
            self.functions[r"\operatorname{embed}(v)"] = (
                rf"{latex} \text{{ for each number; {rest}}}"
            )
        else:
            self.functions["embed(v)"] = f"{text} for each number; {rest}"
        for letter, part in (("f", "frequency"), ("φ", "phase"), ("W", "mix"), ("c", "shift")):
            if parts[part] is not None:
                self._array(letter, number, parts[part], may_be_numbers=False)

    def _function(self, activation: str) -> tuple[str, str]:
        text, latex, equation, latex_equation = _FUNCTIONS.get(activation, ("", "", "", ""))
        if equation:
            name = latex if self.latex else text
            self.functions[f"{name}(z)"] = latex_equation if self.latex else equation
        return text, latex

    def _call(self, text: str, latex: str, x: _Term) -> _Term:
        if not (text or latex):
            return x
        if self.latex:
            return _Term(rf"{latex}\left({x.text}\right)")
        return _Term(f"{text}({x.text})")

    def _bracketed(self, x: _Term) -> str:
        if x.is_atom:
            return x.text
        return rf"\left({x.text}\right)" if self.latex else f"({x.text})"

    def _times(self, matrix: str, x: _Term) -> str:
        """Return a matrix times a term, with a space where their signs would run together."""
        right = self._bracketed(x)
        is_word = len(right) > 1 and right[:2].isalpha() and right[:2].isascii()
        return f"{matrix}{' ' if self.latex or is_word or matrix.endswith(']') else ''}{right}"

    def _array(self, letter: str, number: str, array: Any, *, may_be_numbers: bool = True) -> str:
        """Return a name for an array, or its numbers where they are asked for and few."""
        name = self._named(_GREEK.get(letter, letter) if self.latex else letter, number).text
        if self.numbers and may_be_numbers and array.size <= MOST_ENTRIES and array.ndim <= 2:
            return self._matrix(np.asarray(array, np.float64))
        self.arrays[name] = array
        return name

    def _matrix(self, array: np.ndarray) -> str:
        rows = [[self._number(value) for value in np.atleast_1d(row)] for row in array]
        if self.latex:
            body = r" \\ ".join(" & ".join(row) for row in rows)
            return rf"\begin{{pmatrix}}{body}\end{{pmatrix}}"
        return "[" + "; ".join(" ".join(row) for row in rows) + "]"

    def _number(self, value: float) -> str:
        rounded = f"{value:.{self.decimals}f}"
        if "." in rounded:
            rounded = rounded.rstrip("0").removesuffix(".")
        rounded = "0" if rounded in ("-0", "") else rounded
        return rounded if self.latex else rounded.replace("-", "−")

    def explained(self) -> Iterator[str]:
        """Return what the signs in the formula are: functions, and arrays by shape and range."""
        for name, meaning in self.functions.items():
            yield f"{name} = {meaning}"
        shapes: dict[str, list[str]] = {}
        for name, array in self.arrays.items():
            said = "×".join(map(str, array.shape))
            if self.numbers:
                low, high = (self._number(float(end)) for end in (array.min(), array.max()))
                said += f" from {low} to {high}"
            shapes.setdefault(said, []).append(name)
        for said, names in shapes.items():
            if self.latex:
                said = said.replace("×", r" \times ")
                for word in (" from ", " to "):
                    said = said.replace(word, rf" \text{{{word}}} ")
                yield rf"{', '.join(names)} : {said}"
            else:
                yield f"{', '.join(names)}: {said}"


_GREEK = {"γ": r"\gamma", "β": r"\beta", "φ": r"\varphi"}
