"""The Open Inference Protocol: as its clients speak it, in JSON and in bytes."""

import struct

import numpy as np
import pandas as pd
import pytest
from tritonclient import http as triton
from tritonclient.utils import InferenceServerException

from fathom.deployment.server.intake import open_intake
from fathom.deployment.server.tensors import Tensor, parse_inference

CLOSE = {"rtol": 0, "atol": 1e-6}


@pytest.fixture(scope="module")
def client(server):
    found = triton.InferenceServerClient(f"127.0.0.1:{server.port}", concurrency=2)
    yield found
    found.close()


def test_health_and_metadata(client, server, files):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("table")
    assert client.is_model_ready("table", "1")
    assert not client.is_model_ready("absent")
    # both spellings that clients look for
    assert server.ask("GET", "/v2/health/live").json == {"live": True}
    assert server.ask("GET", "/v2/health/ready").json == {"live": True, "ready": True}
    about = client.get_server_metadata()
    assert set(about) == {"name", "version", "extensions"}
    assert "binary_tensor_data" in about["extensions"]
    assert server.ask("GET", "/v2/").json == about
    assert [one["name"] for one in client.get_model_repository_index()] == list(files)
    said = client.get_model_metadata("pictures")
    assert said == client.get_model_metadata("pictures", "1")
    assert said["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, 6, 6, 1]}]
    assert [one["name"] for one in said["outputs"]] == ["prediction", "probabilities"]
    assert said["outputs"][1]["parameters"] == {"classes": [0, 1, 2]}
    with pytest.raises(InferenceServerException, match="expected one of the models"):
        client.get_model_metadata("absent")


def given(name, values, datatype, *, binary):
    found = triton.InferInput(name, values.shape, datatype)
    found.set_data_from_numpy(values, binary_data=binary)
    return found


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("packing", [None, "gzip", "deflate"])
def test_columns_of_a_table(client, models, table, binary, packing):
    rows = table[:40]
    inputs = []
    for name in rows.columns:
        if rows[name].dtype.is_numeric():
            values = rows[name].cast(float).fill_null(np.nan).to_numpy().reshape(-1, 1)
            inputs.append(given(name, values, "FP64", binary=binary))
        else:
            words = np.array(rows[name].fill_null("").to_list(), object).reshape(-1, 1)
            inputs.append(given(name, words, "BYTES", binary=binary))
    outputs = [
        triton.InferRequestedOutput("probabilities", binary_data=binary),
        triton.InferRequestedOutput("prediction", binary_data=not binary),
        triton.InferRequestedOutput("is_unusual", binary_data=binary),
    ]
    answer = client.infer(
        "table", inputs, outputs=outputs, request_id="a-7", request_compression_algorithm=packing,
        response_compression_algorithm="gzip",
    )  # fmt: skip
    said = answer.get_response()
    assert (said["id"], said["model_name"]) == ("a-7", "table")
    assert [one["name"] for one in said["outputs"]] == [one.name() for one in outputs]
    expected = models["table"].predict_proba(rows)
    np.testing.assert_allclose(answer.as_numpy("probabilities"), expected, **CLOSE)
    words = answer.as_numpy("prediction")[:, 0].tolist()
    words = [word.decode() if isinstance(word, bytes) else word for word in words]
    assert words == models["table"].predict(rows).tolist()
    assert answer.as_numpy("is_unusual").shape == (40, 1)
    assert answer.as_numpy("is_unusual").dtype == bool


TYPES = ("FP32", "FP64", "INT8", "INT64", "UINT16", "BOOL")


@pytest.mark.parametrize(  # the client itself refuses FP16 in JSON
    ("datatype", "binary"), [("FP16", True), *((t, b) for t in TYPES for b in (True, False))]
)
def test_every_type_of_number(client, models, datatype, binary):
    x = (np.arange(12).reshape(4, 3) % 2).astype(triton.triton_to_np_dtype(datatype))
    answer = client.infer("numbers", [given("input", x, datatype, binary=binary)])
    found = np.hstack([answer.as_numpy(f"prediction_{n}") for n in (1, 2)])
    named = models["numbers"].predict(as_named(x.astype(float)))
    np.testing.assert_allclose(found, named, **CLOSE)


def as_named(x):
    return pd.DataFrame(x, columns=["a", "b", "c"])


def test_labels_pictures_and_a_table_without_names(client, models):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, 3))
    answer = client.infer("labels", [given("input", x, "FP64", binary=True)])
    expected = models["labels"].predict_proba(x)
    np.testing.assert_allclose(answer.as_numpy("probabilities"), expected, **CLOSE)
    assert answer.as_numpy("prediction_2")[:, 0].tolist() == (expected[:, 1] >= 0.5).tolist()
    pictures = (rng.random((3, 6, 6)) > 0.5).astype(np.uint8)
    for shape in ((3, 6, 6, 1), (3, 6, 6), (3, 36)):
        sent = given("input", pictures.reshape(shape), "UINT8", binary=True)
        found = client.infer("pictures", [sent])
        expected = models["pictures"].predict_proba(pictures)
        np.testing.assert_allclose(found.as_numpy("probabilities"), expected, **CLOSE)
        assert found.as_numpy("prediction")[:, 0].tolist() == expected.argmax(axis=1).tolist()
    x[0, 1] = np.nan
    answer = client.infer("plain", [given("input", x, "FP64", binary=True)])
    np.testing.assert_allclose(
        answer.as_numpy("prediction")[:, 0], models["plain"].predict(x), **CLOSE
    )


def test_no_rows_and_flat_nested_and_missing_json(server, models):
    def ask(shape, data, datatype="FP32"):
        one = {"name": "input", "shape": shape, "datatype": datatype, "data": data}
        answer = server.infer("plain", {"inputs": [one]})
        assert answer.status == 200, answer.body
        said = answer.json["outputs"][0]
        assert said["shape"] == [shape[0], 1]
        return said["data"]

    flat = ask([2, 3], [1, 2, 3, 4, 5, 0.1])
    assert flat == ask([2, 3], [[1, 2, 3], [4, 5, 0.1]])
    np.testing.assert_allclose(flat, models["plain"].predict([[1, 2, 3], [4, 5, 0.1]]), **CLOSE)
    missing = models["plain"].predict([[1, np.nan, 3.0]])
    np.testing.assert_allclose(ask([1, 3], [1, None, 3], "INT32"), missing, **CLOSE)
    assert ask([0, 3], []) == []


def test_sixteen_bits_of_a_brain_float(models):
    """BF16 is the upper half of a float32, which no client of Python writes."""
    halves = struct.pack("<3H", 0x3F80, 0xC000, 0x3E80)  # 1, -2, 0.25
    head = {
        "name": "input", "shape": [1, 3], "datatype": "BF16",
        "parameters": {"binary_data_size": 6},
    }  # fmt: skip
    found = parse_inference({"inputs": [head]}, memoryview(halves)).inputs["input"]
    assert isinstance(found, Tensor)
    intake = open_intake(models["labels"].schema_, None, None)
    assert intake.from_tensors({"input": found}).given.values.tolist() == [[1.0, -2.0, 0.25]]
