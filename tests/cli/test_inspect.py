"""Looking at one row from the command line: tables, pictures, plain numbers, and the example."""

import math
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fathom import Architecture, Dense, FathomClassifier, FathomRegressor, Recipe, save
from fathom.data.datasets import load_digits
from fathom.inspection.arithmetic import write_number
from fathom.inspection.traced import Trace
from fathom.inspection.why import Explanation

NAMESPACE = {name: getattr(math, name) for name in dir(math)} | {"abs": abs, "max": max, "int": int}
RECIPE = Recipe(epochs=2, validation_fraction=0.0)
DRAWN = load_digits("digits")


def evaluate_printed(out):
    """Evaluate the arithmetic that ``--why`` printed; return it and what it is said to be."""
    lines = out.split("\n\nAsk on")[0].splitlines()
    end = next(place for place, line in enumerate(lines) if line.startswith("  = "))
    value = eval("(" + "\n".join(lines[1:end]) + "\n)", {}, NAMESPACE)
    return write_number(value), lines[end].removeprefix("  = ")


def test_the_example_is_the_network_worked_out_by_hand(fathom):
    run = fathom("inspect", "--example")
    assert run.code == 0
    for part in (
        "a¹ = σ([1 −2; −1 1] x + [1; 0])", "z =  1 * 1 + -2 * -1 + 1 =  4   a = 0.982",
        "a = 0.6177", "a = 0.8291", "Loss, squared error", "target 1, 0", "Backward", "η = 0.5",
        "e^z =   20.09   a = 0.8789", "−Σ_k y_k · ln a_k", "--why output.neuron1.a",
    ):  # fmt: skip
        assert part in run.out, part


def test_the_example_in_json(fathom):
    events = fathom("inspect", "--example", "--json").events
    traces = [Trace.model_validate(event["trace"]) for event in events if event["event"] == "trace"]
    assert [np.round(t.output[0], 2).tolist() for t in traces] == [[0.62, 0.83], [0.88, 0.12, 0.0]]
    assert events[-1]["event"] == "done"


@pytest.mark.parametrize(
    "name",
    ["layer2.neuron1.delta", "output.neuron1.a", "layer1.neuron2.weight1.new", "loss",
     "layer1.neuron1.z", "layer2.neuron2.slope", "input.1.gradient"],
)  # fmt: skip
def test_what_why_prints_evaluates_to_what_it_says(fathom, name):
    run = fathom("inspect", "--example", "--why", name)
    found, printed = evaluate_printed(run.out)
    assert found == printed
    (event, _) = fathom("inspect", "--example", "--why", name, "--json").events
    explained = Explanation.model_validate({k: v for k, v in event.items() if k != "event"})
    assert explained.result == printed
    further = re.search(r"Ask on, for example: (.*)", run.out)
    if further:
        again = fathom(*further[1].split()[1:])
        assert again.code == 0, again.err


def test_a_row_of_the_table_it_was_trained_on(trained, fathom, customers):
    folder, _ = trained
    run = fathom("inspect", folder / "m.fathom", "--row", 7)
    assert run.code == 0, run.err
    assert "on row 7 of " in run.out
    assert f"it is {customers['churn'][6]}." in run.out
    assert re.search(rf"input\.1 +age +\S+ +of {customers['age'][6]}\n", run.out)
    assert f"for {customers['city'][6]}" in run.out
    for part in ("layer1 · columns", "layer2 · gain", "city = ", "output · dense 2 softmax",
                 "(leaves)", "Backward", "one step of adamw"):  # fmt: skip
        assert part in run.out, part
    assert max(map(len, run.out.splitlines())) < 200


def test_it_says_what_predict_says(model, fathom, customers, tmp_path):
    customers.head(12).drop("churn").write_csv(tmp_path / "new.csv")
    predicted = fathom("predict", model, "new.csv", "--json").events
    for row in (1, 12):
        first = fathom("inspect", model, "--data", "new.csv", "--row", row, "--json").events[0]
        values = next(e["values"] for e in predicted if e.get("row") == row)
        said = values["churn"] if "churn" in values else values["prediction"]
        assert first["prediction"].split(" (")[0] == said
        assert first["expected"] is None


def test_a_row_without_a_target_goes_forward_only(model, fathom, customers, tmp_path):
    customers.head(3).drop("churn").write_csv(tmp_path / "new.csv")
    run = fathom("inspect", model, "--data", "new.csv", "--row", 2)
    assert "Backward" not in run.out
    assert "nothing flows back" in run.out
    refusal = fathom(
        "inspect", model, "--data", "new.csv", "--why", "layer3.neuron1.delta"
    ).refusal  # fmt: skip
    assert "a target" in refusal


def test_why_and_formula_of_a_searched_network(model, fathom):
    run = fathom("inspect", model, "--row", 3, "--why", "output.neuron1.z")
    found, printed = evaluate_printed(run.out)
    assert found == printed
    run = fathom("inspect", model, "--row", 3, "--formula")
    assert "embed(x)" in run.out
    assert run.out.count("\ny = ") + run.out.startswith("y = ") == 2
    assert r"\operatorname{embed}" in fathom("inspect", model, "--latex").out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--row", 0), "--row from 1"),
        (("--row", 10**6), "--row from 1 to 200"),
        (("--network", 99), "--network (from 1 to|1, the only)"),
        (("--network", "a"), "--network with the number of a network"),
        (("--network", "1.99"), "a fold of network 1 from 1 to"),
        (("--why", "layer99.neuron1.z"), "one of layer1, layer2"),
        (("--why", "what"), "the name of a number"),
        (("--data", "absent.csv"), "absent.csv"),
        (("--example",), "a model file or --example"),
    ],
)
def test_what_is_not_there_is_refused(model, fathom, arguments, message):
    assert re.search(message, fathom("inspect", model, *arguments).refusal)


def test_neither_a_model_nor_the_example(fathom):
    assert "a model file, or --example" in fathom("inspect").refusal


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """Return a model that reads digits, hardly trained."""
    layers = (Dense(units=12, activation="tanh"), Dense(units=10, activation="softmax"))
    described = Architecture(input_shape=(256,), layers=layers, loss="cross_entropy")
    model = FathomClassifier(described, RECIPE, random_state=0)
    model.fit(DRAWN.x_train[:300], DRAWN.y_train[:300])
    return save(model, tmp_path_factory.mktemp("reader") / "d.fathom")


def test_a_picture_of_the_bundled_digits_or_of_a_file(reader, fathom, tmp_path):
    run = fathom("inspect", reader, "--row", 3)
    assert f"it is {DRAWN.y_test[2]}." in run.out
    assert "██" in run.out
    assert "pixel (" in run.out
    np.savez(tmp_path / "some.npz", x=DRAWN.x_test[:5], y=DRAWN.y_test[:5])
    other = fathom("inspect", reader, "--data", "some.npz", "--row", 3)
    cut = "Forward:"
    assert other.out.split(cut)[1].split("Next:")[0] == run.out.split(cut)[1].split("Next:")[0]
    Image.fromarray(255 - 255 * DRAWN.x_test[2].repeat(9, 0).repeat(9, 1)).save(tmp_path / "p.png")
    run = fathom("inspect", reader, "--data", "p.png")
    assert "the picture p.png" in run.out
    assert "Backward" not in run.out
    assert "--row from 1 to 5" in fathom(
        "inspect", reader, "--data", "some.npz", "--row", 6
    ).refusal  # fmt: skip


def test_a_model_of_plain_numbers(fathom, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(50, 9, size=(60, 2))
    frame = pd.DataFrame(x, columns=["height", "weight"])
    layers = (Dense(units=3, activation="tanh"), Dense(units=1, activation="identity"))
    described = Architecture(input_shape=(2,), layers=layers, loss="squared_error")
    model = FathomRegressor(described, RECIPE, random_state=0).fit(frame, 100 + x[:, 0])
    save(model, tmp_path / "n.fathom")
    frame[::-1][["weight", "height"]].to_csv(tmp_path / "n.csv", index=False)
    run = fathom("inspect", "n.fathom", "--data", "n.csv", "--row", 60)
    said = float(re.search(r"It says ([\d.]+)\.", run.out)[1])
    assert said == pytest.approx(model.predict(frame)[0], rel=1e-4)
    assert "input.1   height" in run.out
    center, scale = model.target_encoding_.center[0], model.target_encoding_.scale[0]
    assert f"a = (y − {center:.6g}) / {scale:.6g}" in run.out
    z = float(re.search(r"prediction\)  z = .* = +(-?[\d.]+)\n", run.out)[1])
    assert z * scale + center == pytest.approx(said, rel=1e-3)
    refusal = fathom("inspect", "n.fathom").refusal
    assert "--data FILE" in refusal
