"""Formulas: what is written down, worked out by NumPy, is what the network says."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit
from scipy.special import softmax as scipy_softmax

from fathom.errors import InputError
from fathom.inspection.example import hand_worked
from fathom.inspection.formula import write_formula
from fathom.nn.architecture import Architecture
from fathom.nn.blocks import Activation, Dropout, Flatten, Residual
from fathom.nn.convolution import AveragePool, Conv2D, GlobalAveragePool, MaxPool
from fathom.nn.dense import Dense
from fathom.nn.embedding import Columns, Gain
from fathom.nn.initializers import Initializer
from fathom.nn.network import draw
from fathom.nn.normalization import BatchNorm, LayerNorm

RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹·−", "0123456789_-")
SPREAD = Initializer(name="normal", scale=0.5)
FUNCTIONS = {
    "sigma": expit, "tanh": np.tanh, "relu": lambda z: np.maximum(z, 0),
    "softmax": lambda z: scipy_softmax(z, axis=0), "silu": lambda z: z * expit(z), "np": np,
}  # fmt: skip


def architecture(*layers, n_inputs=3):
    return Architecture(
        input_shape=(n_inputs,),
        layers=(*layers, Dense(units=2, activation="softmax", bias_initializer=SPREAD)),
        loss="cross_entropy",
    )


def matrix(text):
    rows = [[float(value) for value in row.split()] for row in text[1].split(";")]
    return f"np.array({rows})"


def work_out(formula, x, arrays):
    """Work out a formula as it is written, for one example as a column."""
    known = {"x": x[:, None], **FUNCTIONS, **arrays}
    for line in formula.splitlines():
        if line.startswith("  "):
            break
        name, _, text = line.translate(RAISED).replace("σ", "sigma").partition(" = ")
        text = re.sub(r"(\]|\b[WS][\d_]+) ?(?=[a-z(])", r"\1 @ ", text)
        text = re.sub(r"\[([^\]]*)\]", matrix, text).replace("⊙", "*")
        known[name] = eval(text, {}, known)
    return known["y"][:, 0]


def named(network):
    """Return the arrays of a network by the names they have in its formula."""
    found = {}
    for number, layer in enumerate(network.layers, 1):
        for place, one in enumerate(getattr(layer, "layers", ()), 1):
            found[f"W{number}_{place}"] = np.asarray(one.weight, float)
            found[f"b{number}_{place}"] = np.asarray(one.bias, float)[:, None]
        for letter, name in (("W", "weight"), ("S", "projection")):
            if getattr(layer, name, None) is not None:
                found[f"{letter}{number}"] = np.asarray(getattr(layer, name), float)
        for letter, name in (("b", "bias"), ("g", "gain")):
            if getattr(layer, name, None) is not None:
                found[f"{letter}{number}"] = np.asarray(getattr(layer, name), float)[:, None]
    return found


CASES = {
    "deep": architecture(
        Dense(units=4, activation="sigmoid", bias_initializer=SPREAD),
        Dropout(rate=0.5),
        Dense(units=3, activation="tanh", bias_initializer=SPREAD),
        Activation(activation="silu"),
    ),
    "wide": architecture(Dense(units=40), Gain(), Dense(units=30, activation="tanh"), n_inputs=20),
    "residual": architecture(
        Dense(units=5, activation="tanh"),
        Residual(layers=(Dense(units=5), Dense(units=5, activation="tanh"))),
        Residual(layers=(Dense(units=7, activation="silu"),)),
    ),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("numbers", [True, False])
def test_the_formula_worked_out_is_the_network(name, numbers):
    network = draw(CASES[name], jax.random.key(1))
    x = np.random.default_rng(0).normal(size=CASES[name].input_shape).astype(np.float32)
    formula = write_formula(network, numbers=numbers, decimals=15)
    said = work_out(formula, x.astype(float), named(network))
    np.testing.assert_allclose(said, network(jnp.asarray(x)[None])[0], rtol=1e-5)
    if not numbers:
        assert write_formula(CASES[name]) == formula


def test_the_hand_worked_network():
    network, described = hand_worked()
    assert write_formula(described).splitlines() == [
        "y = σ(W³σ(W²σ(W¹x + b¹) + b²) + b³)",
        "  σ(z) = 1 / (1 + e⁻ᶻ)",
        "  W¹, W², W³: 2×2",
        "  b¹, b², b³: 2",
    ]
    assert write_formula(network, numbers=True).splitlines()[:3] == [
        "a¹ = σ([1 −2; −1 1] x + [1; 0])",
        "a² = σ([2 −1; −2 −1] a¹ + [0; 0])",
        "y = σ([3 −1; −1 4] a² + [−2; 2])",
    ]
    latex = write_formula(described, style="latex")
    assert r"y &= \sigma\left(W^{3} \sigma\left(W^{2} \sigma\left(W^{1} x + b^{1}" in latex
    assert r"\begin{pmatrix}1 & -2 \\ -1 & 1\end{pmatrix} x" in write_formula(
        network, style="latex", numbers=True
    )


EVERY_KIND = Architecture(
    input_shape=(8, 8, 2),
    layers=(
        BatchNorm(), Conv2D(channels=3), MaxPool(),
        Residual(layers=(Conv2D(channels=4, activation="identity"), LayerNorm(), Activation())),
        AveragePool(), Conv2D(channels=4, activation="gelu"), GlobalAveragePool(), Flatten(),
        Gain(), Dropout(rate=0.1), Dense(units=3, activation="mish"),
        Dense(units=2, activation="identity"),
    ),
    loss="squared_error",
)  # fmt: skip
TABLES = [
    Architecture(
        input_shape=(4,),
        layers=(Columns(n_numbers=3, codes=(4,), form=form), Dense(units=1, activation="elu")),
        loss="squared_error",
    )
    for form in ("as_is", "piecewise", "thermometer", "periodic")
]


@pytest.mark.parametrize("described", [EVERY_KIND, *TABLES])
@pytest.mark.parametrize("style", ["text", "latex"])
def test_every_kind_of_layer_has_its_place(described, style):
    network = draw(described, jax.random.key(0))
    for formula in (
        write_formula(described, style=style),
        write_formula(network, style=style, numbers=True),
    ):
        assert formula.count("(") == formula.count(")")
        assert formula.count("{") == formula.count("}")
        assert formula.count(r"\left") == formula.count(r"\right")
        signs = (
            ["BN", "LN", "maxpool", "meanpool", "gelu", "mish"]
            if described is EVERY_KIND
            else ["embed"]
        )
        assert all(sign in formula for sign in signs)
        assert "nan" not in formula


def test_an_array_too_large_is_told_by_shape_and_range():
    network = draw(CASES["wide"], jax.random.key(1))
    weight = np.asarray(network.layers[0].weight)
    found = re.search(r"W¹: 40×20 from (\S+) to (\S+)", write_formula(network, numbers=True))
    low, high = (float(text.replace("−", "-")) for text in found.groups())
    assert (low, high) == pytest.approx((weight.min(), weight.max()), abs=0.005)


def test_what_has_no_numbers_is_refused():
    _, described = hand_worked()
    with pytest.raises(InputError, match="a network, whose weights are numbers"):
        write_formula(described, numbers=True)
    with pytest.raises(InputError, match="decimals from 0 to 15"):
        write_formula(described, decimals=99)
