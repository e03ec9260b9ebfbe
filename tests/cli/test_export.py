"""The command ``fathom export``."""

import json

import numpy as np
import onnxruntime
import polars as pl
import pytest


def test_a_model_of_a_table_leaves_as_onnx(model, customers, fathom):
    done = fathom("export", model, "m.onnx")
    assert done.code == 0, done.err
    assert "since: days since 1970-01-01 (UTC)" in done.out
    assert "opset 17" in done.out


def test_what_the_graph_says_is_what_predict_says(model, trained, fathom, tmp_path):
    done = fathom("export", model, "m.onnx", "--json")
    events = [json.loads(line) for line in done.out.splitlines()]
    told = next(event for event in events if event["event"] == "exported")
    assert told["difference"] < 1e-4
    assert events[-1]["bytes"] == (tmp_path / "m.onnx").stat().st_size
    assert fathom("predict", model, trained[0] / "customers.csv", "--output", "p.csv").code == 0
    predicted = pl.read_csv(tmp_path / "p.csv")
    table = pl.read_csv(trained[0] / "customers.csv", try_parse_dates=True)
    feed = {}
    for name, says in told["inputs"].items():
        column = table[name].cast(pl.Int32) if "1970" in says else table[name]
        is_number = "number" in says
        array = (
            column.cast(pl.Float64).to_numpy() if is_number else column.to_numpy().astype(object)
        )
        feed[name] = array[:, None]
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    label, probabilities = session.run(None, feed)
    assert label.tolist() == predicted["churn"].to_list()
    shown = predicted.select(pl.col(pl.Float64)).to_numpy()
    np.testing.assert_allclose(probabilities, shown, atol=1e-4)


def test_a_model_of_a_table_leaves_as_a_program(model, trained, fathom, tmp_path):
    done = fathom("export", model, "m.py")
    assert done.code == 0, done.err
    assert "lines of plain NumPy: predict and predict_proba" in done.out
    assert fathom("predict", model, trained[0] / "customers.csv", "--output", "p.csv").code == 0
    space = {}
    exec((tmp_path / "m.py").read_text(), space)
    table = pl.read_csv(trained[0] / "customers.csv").to_dict(as_series=False)
    table["spent"] = [np.nan if value is None else value for value in table["spent"]]
    predicted = pl.read_csv(tmp_path / "p.csv")
    assert space["predict"](table).tolist() == predicted["churn"].to_list()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("m.txt",), "ends in .onnx or .py"), (("m.py", "--encoded"), "ends in .onnx"),
        (("absent/m.onnx",), "does not exist"),
    ],
)  # fmt: skip
def test_what_cannot_be_written(model, fathom, arguments, message, tmp_path):
    done = fathom("export", model, *arguments)
    assert done.code == 2
    assert message in done.err
    assert not list(tmp_path.iterdir())
