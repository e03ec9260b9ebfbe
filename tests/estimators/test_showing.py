"""What values show of themselves in a notebook."""

import math
import re
import xml.etree.ElementTree as ET

import pytest
import sklearn
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fathom import Architecture, Dense, FathomClassifier, Recipe
from fathom.display import curves, table
from fathom.training.history import Epoch, History, StartHistory

EVIL = "<script>alert('&')</script>"


def make_architecture():
    layers = (Dense(units=6, activation="tanh"), Dense(units=3, activation="softmax"))
    return Architecture(input_shape=(4,), layers=layers, loss="cross_entropy")


def whole(html):
    """Return a piece of HTML as a tree; fails where elements are not closed."""
    return ET.fromstring(f"<div>{html}</div>")


def texts(tree):
    return ["".join(cell.itertext()) for cell in tree.iter() if cell.tag in ("td", "th")]


def test_an_architecture_shows_its_layers():
    cells = texts(whole(make_architecture()._repr_html_()))
    assert cells == [
        "layer", "shape", "parameters", "input", "4", "", "1 dense 6 tanh", "6", "30",
        "2 dense 3 softmax", "3", "21",
    ]  # fmt: skip


def make_history(held_out=(0.8, 0.4, 0.5)):
    epochs = tuple(
        Epoch(epoch=n, train_loss=1 / n, train_score=0.5, validation_loss=loss, learning_rate=0.1,
              seconds=n)
        for n, loss in enumerate(held_out, start=1)
    )  # fmt: skip
    start = StartHistory(epochs=epochs, best_epoch=2)
    return History(starts=(StartHistory(), start), kept=(1,), score_name="accuracy", seconds=3)


def test_a_history_shows_its_losses():
    tree = whole(make_history()._repr_html_())
    assert texts(tree)[4:] == ["2", "2 of 3", "0.5000", "0.4000"]
    lines = [e for e in tree.iter() if e.tag.endswith("polyline")]
    points = [[tuple(map(float, p.split(","))) for p in e.get("points").split()] for e in lines]
    assert [len(line) for line in points] == [3, 3]
    learned = [y for _, y in points[0]]
    assert learned == sorted(learned)  # less loss is farther down
    assert points[1][1][1] > points[1][2][1] > points[1][0][1]


def test_a_history_without_rows_held_out_or_epochs_shows_what_there_is():
    tree = whole(make_history((None, None, None))._repr_html_())
    assert len([e for e in tree.iter() if e.tag.endswith("polyline")]) == 1
    assert texts(tree)[-1] == "–"
    empty = History(starts=(StartHistory(),), kept=(0,), score_name="accuracy", seconds=0.5)
    assert whole(empty._repr_html_()).find("div").text == "1 start, 0 epochs in 0.5 s"


def test_an_estimator_shows_scikit_learns_diagram_and_what_was_found():
    x, y = load_iris(return_X_y=True)
    model = FathomClassifier(make_architecture(), Recipe(epochs=3), random_state=0)
    before = model._repr_html_()
    assert "FathomClassifier" in before
    assert "fathom-summary" not in before
    after = model.fit(x, y)._repr_html_()
    assert "sk-top-container" in after
    assert after.count("fathom-summary") == 1
    assert "1 dense 6 tanh" in after
    assert model._repr_mimebundle_()["text/html"].count("fathom-summary") == 1
    assert "FathomClassifier" in make_pipeline(StandardScaler(), model)._repr_html_()
    with sklearn.config_context(display="text"), pytest.raises(AttributeError):
        model._repr_html_  # noqa: B018


def test_a_search_shows_its_networks():
    x, y = load_iris(return_X_y=True)
    model = FathomClassifier(time_limit=4, random_state=0).fit(x, y)
    shown = model._repr_html_()
    assert "held-out log loss" in shown
    assert all(f">{one.weight:.0%}<" in shown for one in model.report_.kept[:10])


def test_texts_are_escaped():
    for html in (table([EVIL], [[EVIL]]), curves([(EVIL, [1.0, 2.0])], EVIL)):
        assert "<script" not in html
        whole(html)


def test_curves_leave_out_what_is_not_finite():
    drawn = curves([("a", [1.0, math.nan, math.inf, 4.0])], "loss")
    assert len(re.search(r'points="([^"]*)"', drawn)[1].split()) == 2
    assert curves([("a", [math.nan])], "loss") == ""
    assert "nan" not in curves([("a", [-1.0, 0.0])], "loss")
