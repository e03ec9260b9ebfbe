"""Traces in plain text: what is printed is true, evaluated line by line, and can be read."""

import math
import re

import jax
import numpy as np
import pytest

from fathom.inspection.arithmetic import write_number
from fathom.inspection.example import INPUT, SUMS, TARGET, hand_worked, softmax_layer
from fathom.inspection.trace import trace
from fathom.inspection.writing import write_trace
from fathom.nn.architecture import Architecture
from fathom.nn.dense import Dense
from fathom.nn.network import draw

NAMESPACE = {name: getattr(math, name) for name in dir(math)} | {"abs": abs, "max": max, "int": int}


@pytest.fixture(scope="module")
def written():
    network, architecture = hand_worked()
    traced = trace(network, [INPUT], [TARGET], loss=architecture.loss, learning_rate=0.5)
    return write_trace(traced)


def sums(text):
    """Return every sum that is printed, with what it is said to be."""
    for match in re.finditer(r"(?:z|δ|loss) =([^=\n]+)= +(-?[\d.e-]+)", text):
        yield match[1].strip(), match[2]


def test_every_line_of_arithmetic_evaluates_to_what_it_says(written):
    found = list(sums(written))
    assert len(found) == 6 + 6 + 1
    for arithmetic, printed in found:
        assert write_number(eval(arithmetic, {}, NAMESPACE)) == printed, arithmetic


def test_the_hand_worked_numbers_are_there(written):
    assert "neuron 1  z =  1 * 1 + -2 * -1 + 1 =  4   a = 0.982" in written
    printed = [round(float(a), 2) for a in re.findall(r"a = ([\d.]+)", written)]
    assert printed == [0.98, 0.12, 0.86, 0.11, 0.62, 0.83]


def test_the_softmax_layer_shows_its_exponentials():
    network, architecture = softmax_layer()
    written = write_trace(trace(network, [SUMS], [0], loss=architecture.loss))
    shown = re.findall(r"e\^z =\s+([\d.]+)\s+a = ([\d.]+)", written)
    assert [tuple(map(float, pair)) for pair in shown] == [
        (20.09, 0.8789), (2.718, 0.1189), (0.04979, 0.002179),
    ]  # fmt: skip


def test_a_weight_table_says_what_one_step_does(written):
    rows = re.findall(r"neuron\d\.\w+ +(\S+) +(\S+) +(\S+)", written)
    assert len(rows) == 18
    for w, gradient, new in rows:
        assert float(new) == pytest.approx(float(w) - 0.5 * float(gradient), rel=2e-3, abs=1e-4)


def test_a_wide_network_is_told_by_its_strongest_neurons():
    layers = (Dense(units=40, activation="tanh"), Dense(units=3, activation="softmax"))
    described = Architecture(input_shape=(300,), layers=layers, loss="cross_entropy")
    x = np.random.default_rng(0).normal(size=(1, 300))
    traced = trace(draw(described, jax.random.key(0)), x, [1], loss="cross_entropy")
    written = write_trace(traced, most=3)
    assert len(written.splitlines()) < 60
    assert "40 neurons, a from " in written
    shown = re.findall(r"^  neuron (\d+) +z = +(\S+)", written.split("output")[0], re.MULTILINE)
    strongest = sorted(range(40), key=lambda j: -abs(traced.layers[0].a[0, j]))[:3]
    assert [int(neuron) - 1 for neuron, _ in shown] == strongest
    assert "and 12,037 more, less steep" in written


def test_without_a_target_only_forward():
    network, architecture = hand_worked()
    written = write_trace(trace(network, [INPUT], loss=architecture.loss))
    assert "Backward" not in written
    assert "Learning" not in written
