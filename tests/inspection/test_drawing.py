"""Drawings of networks: well-formed, escaped, with the numbers they are of."""

import re
from xml.etree import ElementTree as ET

import jax
import numpy as np
import pytest

from fathom.inspection.drawing import Labels, Stage, draw_network, stages_of
from fathom.inspection.example import INPUT, TARGET, hand_worked
from fathom.inspection.trace import trace
from fathom.nn.architecture import Architecture
from fathom.nn.blocks import Dropout, Flatten
from fathom.nn.convolution import Conv2D, MaxPool
from fathom.nn.dense import Dense
from fathom.nn.network import draw

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def traced():
    network, architecture = hand_worked()
    return trace(
        network, [INPUT], [TARGET], loss=architecture.loss,
        input_names=("a <b> & c", "年齡"), output_names=("x", "y"),
    )  # fmt: skip


def texts(root):
    return [element.text for element in root.iter(f"{SVG}text")]


def test_the_hand_worked_network_is_drawn_with_its_numbers(traced):
    root = ET.fromstring(traced.drawn())
    said = texts(root)
    for number in ("0.982", "0.119", "0.864", "0.111", "0.618", "0.829", "z 4", "z −2", "b −2"):
        assert number in said, number
    assert "δ −0.0458" in said
    assert "a <b> & c" in said
    assert len(list(root.iter(f"{SVG}circle"))) == 8
    assert len(list(root.iter(f"{SVG}rect"))) == 6  # a box for each bias


def test_a_line_is_wide_as_its_weight_is_large_and_dashed_where_it_is_below_0():
    weights = np.array([[4.0, -2.0, 0.0]])
    stages = [
        Stage("in", values=np.ones(3)), Stage("out", values=np.ones(1), weights=weights)
    ]  # fmt: skip
    root = ET.fromstring(draw_network(stages, title="t"))
    lines = [line.attrib for line in root.iter(f"{SVG}line")][:3]
    widths = [float(line["stroke-width"]) for line in lines]
    assert widths[0] > widths[1] > widths[2] > 0
    assert ["stroke-dasharray" in line for line in lines] == [False, True, False]
    assert lines[0]["stroke"] != lines[1]["stroke"]


def test_of_a_wide_layer_the_strongest_are_drawn():
    values = np.zeros(100)
    values[[3, 50, 99]] = 5, -7, 6
    root = ET.fromstring(draw_network([Stage("in", values=values)], title="t", most=4))
    said = texts(root)
    assert {"5", "−7", "6"} <= set(said)
    assert "97 more" in said
    assert len(list(root.iter(f"{SVG}circle"))) == 3


def test_words_are_the_callers():
    labels = Labels("正權重", "負權重", "和", "誤差", "偏", lambda n: f"還有 {n} 個")
    stages = [
        Stage("輸入", values=np.ones(20)),
        Stage("輸出", values=np.ones(1), sums=np.ones(1), errors=np.ones(1), biases=np.ones(1),
              weights=np.ones((1, 20))),
    ]  # fmt: skip
    drawn = draw_network(stages, title="網路", labels=labels)
    said = " ".join(filter(None, texts(ET.fromstring(drawn))))
    for word in ("正權重", "負權重", "和 1", "誤差 1", "偏 1", "還有 13 個", "輸入"):
        assert word in said
    assert not re.search(r">[^<]*[a-z]{4,}[^<]*</text>", drawn)


def test_layers_without_weights_are_boxes():
    layers = (
        Conv2D(channels=3), MaxPool(), Dropout(rate=0.1), Flatten(), Dense(units=4),
        Dense(units=2, activation="softmax"),
    )  # fmt: skip
    described = Architecture(input_shape=(4, 4, 1), layers=layers, loss="cross_entropy")
    network = draw(described, jax.random.key(0))
    picture = trace(network, np.ones((1, 4, 4, 1)), [1], loss="cross_entropy")
    stages = stages_of(picture.x, picture.layers)
    assert [stage.title for stage in stages] == [
        "input", "conv2d 4×4×3", "max pool", "layer5 · relu", "output · softmax",
    ]  # fmt: skip
    assert [stage.values is None for stage in stages] == [True, True, True, False, False]
    root = ET.fromstring(picture.drawn())
    assert len(list(root.iter(f"{SVG}circle"))) == 6


def test_a_notebook_gets_static_html(traced):
    html = traced._repr_html_()
    assert "<svg" in html
    assert "<script" not in html
    assert "prefers-color-scheme:dark" in html
    assert "http" not in html.replace("http://www.w3.org/2000/svg", "")
    assert "a <b>" not in html
    ET.fromstring(html)
