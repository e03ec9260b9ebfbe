"""Bad requests: each gets its own 4xx with one line as {"error": …}, and never a traceback."""

import gzip
import importlib
import json
import zlib

import pytest

from fathom.cli import main
from fathom.deployment.server.guard import Guard, is_loopback, require_token
from fathom.deployment.server.refusals import Refusal
from fathom.deployment.server.shelf import name_models
from fathom.errors import InputError

PREDICT, INFER = "/models/{}/predict", "/v2/models/{}/infer"
GOOD = {"age": 30, "spent": 3.5, "city": "Ulm", "is member": "no", "since": "2023-05-06",
        "remark": "x"}  # fmt: skip


def tensor(**change):
    return {"name": "input", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]} | change


def inputs(*tensors, **more):
    return {"inputs": list(tensors), **more}


BAD = [
    # what is no request at all
    (PREDICT, "numbers", b"", "JSON — got an empty body"),
    (PREDICT, "numbers", b'{"rows": [', "JSON"),
    (PREDICT, "numbers", b"\xff\xfe", "JSON"),
    (PREDICT, "numbers", b"[" * 100_000, "recursion limit"),
    (PREDICT, "numbers", b'{"rows": [[1,2,' + b"9" * 5000 + b"]]}", "number out of range"),
    (PREDICT, "numbers", b'"\\ud800"', "JSON"),
    (PREDICT, "numbers", [], "rows"),
    (PREDICT, "numbers", {"rows": 3}, "rows"),
    (PREDICT, "numbers", {"rows": [], "model": "x"}, "model"),
    # rows that are not what the model takes
    (PREDICT, "numbers", {"rows": [[1, 2]]}, "3 numbers in row 1 — got 2"),
    (PREDICT, "numbers", {"rows": [[1, 2, 3], 5]}, "row 2"),
    (PREDICT, "numbers", {"rows": [[1, 2, "3"]]}, "column c"),
    (PREDICT, "numbers", {"rows": [[1, None, 3]]}, "knows no missing values"),
    (PREDICT, "numbers", b'{"rows": [[1, NaN, 3]]}', "finite number in column b"),
    (PREDICT, "numbers", b'{"rows": [[1, 1e999, 3]]}', "inf"),
    (PREDICT, "numbers", {"rows": [[1, True, 3]]}, "True"),
    (PREDICT, "numbers", {"rows": [[1, 10**400, 3]]}, "finite"),
    (PREDICT, "numbers", {"rows": [{"a": 1, "b": 2, "d": 3}]}, "the column c in row 1 — got d"),
    (PREDICT, "table", {"rows": [GOOD, GOOD | {"age": [1]}]}, "age"),
    (PREDICT, "table", {"rows": [GOOD | {"city": {"a": 1}}]}, "city"),
    (PREDICT, "table", {"rows": [GOOD, "row"]}, "all as objects or all as lists"),
    (PREDICT, "table", {"rows": [[1, 2]]}, "6 values in row 1"),
    (PREDICT, "table", {"rows": [GOOD, {k: v for k, v in GOOD.items() if k != "city"}]},
     "the column city in row 2"),
    (PREDICT, "table", {"rows": [{("agee" if k == "age" else k): v for k, v in GOOD.items()}]},
     "did you mean agee?"),
    (PREDICT, "table", b'{"rows": [' + json.dumps(GOOD).encode().replace(b"30", b"1e999") + b"]}",
     "finite number in column age"),
    (PREDICT, "table", {"rows": [GOOD | {"age": "old"}]}, "numbers in column age"),
    (PREDICT, "pictures", {"rows": [[[0, 1], [1, 0]]]}, "shape [6, 6, 1]"),
    (PREDICT, "pictures", {"rows": [[[0] * 6] * 5 + [[0] * 5]]}, "different lengths"),
    (PREDICT, "pictures", {"rows": [[[2] * 6] * 6]}, "from 0 (paper) to 1 (ink)"),
    (PREDICT, "pictures", {"rows": [[["a" * 9] * 6] * 6]}, "no number"),
    (PREDICT, "pictures", {"rows": [7]}, "lists of pixels"),
    # tensors that are not what the protocol or the model says
    (INFER, "labels", {"inputs": []}, "an empty list"),
    (INFER, "labels", {}, "no inputs"),
    (INFER, "labels", inputs(tensor(), tensor()), "twice"),
    (INFER, "labels", inputs(tensor(name="x")), "inputs input — got x"),
    (INFER, "labels", inputs(tensor(name=5)), "name"),
    (INFER, "labels", inputs(tensor(shape=[1, 4])), "4 values"),
    (INFER, "labels", inputs(tensor(shape=[1, 4], data=[1, 2, 3, 4])), "[1, 3]"),
    (INFER, "labels", inputs(tensor(shape=[3])), "shape"),
    (INFER, "labels", inputs(tensor(shape=[-1, 3])), "[-1, 3]"),
    (INFER, "labels", inputs(tensor(shape=[2**62, 8])), "values"),
    (INFER, "labels", inputs(tensor(shape=[2**70, 3])), "shape"),
    (INFER, "labels", inputs(tensor(shape=[0, 2**62], data=[])), "shape"),
    (INFER, "labels", inputs(tensor(shape=[1.0, 3])), "shape"),
    (INFER, "labels", inputs(tensor(shape=[True, 3])), "shape"),
    (INFER, "labels", inputs(tensor(shape=[])), "shape"),
    (INFER, "labels", inputs(tensor(datatype="FP8")), "FP8"),
    (INFER, "labels", inputs(tensor(datatype=["FP32"])), "datatype"),
    (INFER, "labels", inputs(tensor(data=[1, 2, "3"])), "numbers in input input of FP32"),
    (INFER, "labels", inputs(tensor(data=[1, None, 3])), "knows no missing values"),
    (INFER, "labels", inputs(tensor(data=[[1, 2], [3]])), "as its shape"),
    (INFER, "labels", inputs(tensor(data=[[1, 2, [3]]])), "lists"),
    (INFER, "labels", inputs(tensor(data="abc")), "data as a list"),
    (INFER, "labels", inputs(tensor(datatype="INT8", data=[1, 2, 300])), "INT8"),
    (INFER, "labels", inputs(tensor(datatype="INT8", data=[1, 2, 0.5])), "a fraction"),
    (INFER, "labels", inputs(tensor(datatype="UINT64", data=[1, 2, -1])), "UINT64"),
    (INFER, "labels", inputs(tensor(datatype="BYTES", data=["1", "2", "3"])), "got BYTES"),
    (INFER, "labels", inputs(tensor(), id=5), "id as text"),
    (INFER, "labels", inputs(tensor(), outputs=[{"name": "no"}]), "got no"),
    (INFER, "labels", inputs(tensor(), outputs="all"), "outputs as a list"),
    (INFER, "labels", inputs(tensor(), outputs=[{"name": "prediction_1"}] * 2), "once"),
    (INFER, "labels", inputs(tensor(), parameters=[1]), "parameters"),
    (INFER, "labels", inputs(tensor(parameters={"binary_data_size": 12})), "both"),
    (INFER, "labels", inputs(tensor(parameters={"shared_memory_region": "r"})), "shared memory"),
    (INFER, "labels",
     inputs(tensor(), outputs=[{"name": "prediction_1", "parameters": {"classification": 2}}]),
     "classification"),
    (INFER, "table", inputs(tensor(name="age", shape=[1, 1], data=[1])), "age, spent, city"),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(BAD)))
def test_a_bad_request_is_refused_in_one_line(server, case):
    path, name, body, message = BAD[case]
    answer = server.ask("POST", path.format(name), body)
    assert (answer.status, message in answer.error) == (400, True), answer.body
    assert answer.error.startswith("expected ")
    assert server.ask("GET", "/v2/health/live").status == 200


def binary(body, tail, n=None):
    head = json.dumps(body).encode()
    return head + tail, {"Inference-Header-Content-Length": str(len(head) if n is None else n)}


def sized(n, **change):
    found = tensor(parameters={"binary_data_size": n}, **change)
    del found["data"]
    return inputs(found)


@pytest.mark.parametrize(
    ("body", "tail", "n", "message"),
    [
        (sized(12), b"\0" * 11, None, "11 bytes left"),
        (sized(12), b"\0" * 13, None, "1 bytes more"),
        (sized(8), b"\0" * 8, None, "12 bytes in input input"),
        (sized(-1), b"", None, "binary_data_size"),
        (sized("x"), b"", None, "binary_data_size"),
        (sized(2**64), b"", None, "binary_data_size"),
        (sized(0, shape=[2**40, 3]), b"", None, "bytes in input"),
        (sized(12), b"\0\0\x80\x7f" * 3, None, "infinity"),
        (sized(12, datatype="BYTES"), b"\xff\xff\xff\xff" * 3, None, "whole texts"),
        (sized(15, datatype="BYTES"), b"\x01\0\0\0\xff" * 3, None, "UTF-8"),
        (sized(5, datatype="BYTES"), b"\x01\0\0\0a", None, "3 texts"),
        (sized(3, datatype="BOOL"), b"\x01\x00\x07", None, "0 and 1"),
        (sized(12), b"\0" * 12, 10**9, "Inference-Header-Content-Length"),
        (sized(12), b"\0" * 12, "x", "Inference-Header-Content-Length"),
        (sized(12), b"\0" * 12, 5, "JSON"),
    ],
)
def test_bytes_that_are_not_as_the_json_says(server, body, tail, n, message):
    answer = server.infer("labels", *binary(body, tail, n))
    assert (answer.status, message in answer.error) == (400, True), answer.body


def test_unknown_addresses_models_methods_and_versions(server):
    for method, path, status in [
        ("GET", "/nothing", 404), ("POST", "/predict", 404), ("GET", "/models/no", 404),
        ("POST", "/models/no/predict", 404), ("POST", "/v2/models/no/infer", 404),
        ("GET", "/v2/models/no", 404), ("GET", "/v2/models/no/ready", 404),
        ("POST", "/v2/models/labels/versions/2/infer", 404), ("GET", "/v2/models/stats", 404),
        ("POST", "/v2/repository/models/labels/load", 404),
        ("GET", "/v2/models/labels/config", 404),
        ("GET", "/models/table/predict", 405), ("DELETE", "/models", 405), ("PUT", "/metrics", 405),
        ("OPTIONS", "/models/table/predict", 405), ("GET", "/models/..%2f..%2fetc/predict", 404),
        ("GET", "/models/%00", 404), ("GET", "/docs", 404),
    ]:  # fmt: skip
        answer = server.ask(method, path, b"{}" if method == "POST" else None)
        assert (answer.status, bool(answer.error)) == (status, True), (method, path, answer.body)
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert server.ask("DELETE", "/models").headers["allow"] == "GET"


def test_bodies_that_are_too_large_or_packed_otherwise(server):
    rows = json.dumps({"rows": [[1, 2, 3]]}).encode()
    good = {"gzip": gzip.compress(rows), "deflate": zlib.compress(rows), "identity": rows}
    for packing, body in good.items():
        answer = server.ask("POST", "/models/labels/predict", body, {"Content-Encoding": packing})
        assert answer.status == 200
    for status, packing, body in [
        (413, "identity", b" " * 200_001), (413, "gzip", gzip.compress(b" " * 10_000_000)),
        (415, "br", rows), (400, "gzip", rows), (400, "gzip", good["gzip"][:-9]),
        (400, "gzip", good["gzip"] * 2),
    ]:  # fmt: skip
        answer = server.ask("POST", "/models/labels/predict", body, {"Content-Encoding": packing})
        assert (answer.status, bool(answer.error)) == (status, True), packing


@pytest.mark.parametrize(
    "host", ["evil.example.com", "127.0.0.1.evil.com", "localhost.evil.com", "", "10.0.0.1", "a@b",
             "127.0.0.1:x", "localhost/x", "[::1", "0x7f.1"],
)  # fmt: skip
def test_other_hosts_are_refused(server, host):
    answer = server.ask("GET", "/v2/health/live", headers={"Host": host})
    assert (answer.status, bool(answer.error)) == (421, True)


@pytest.mark.parametrize(
    "host", ["localhost:80", "LOCALHOST", "127.0.0.1", "[::1]:9", "localhost."]
)
def test_names_of_this_machine_are_known(server, host):
    assert server.ask("GET", "/v2/health/live", headers={"Host": host}).status == 200


def test_pages_of_other_sites_are_refused(server):
    own = f"http://127.0.0.1:{server.port}"
    for origin, status in ((own, 200), ("http://evil.com", 403), ("null", 403), (own + "1", 403)):
        answer = server.ask("POST", "/models/labels/predict", {"rows": []}, {"Origin": origin})
        assert answer.status == status, origin


TOKEN = "0123456789abcdef-token"


def test_every_address_but_health_needs_the_token(run_server, files):
    with run_server(files["labels"], token=TOKEN) as server:
        application = server.serving._application
        paths = {route.path for route in application._app.router.routes}
        assert {"/predict", "/metrics", "/openapi.json", "/v2", "/models/{name}"} < paths
        for path in paths:
            is_open = path.startswith("/v2/health/")
            path = path.replace("{name}", "labels").replace("{version}", "1")
            for headers in (
                {}, {"Authorization": "Bearer "}, {"Authorization": f"Bearer {TOKEN}x"},
                {"Authorization": f"Basic {TOKEN}"}, {"Authorization": TOKEN},
            ):  # fmt: skip
                for method in ("GET", "POST"):
                    answer = server.ask(method, path, b"{}" * (method == "POST"), headers)
                    assert answer.status in ((200, 405) if is_open else (401,)), path
                    assert TOKEN not in str(answer)
        answer = server.ask("GET", "/v2", headers={"Authorization": "Bearer " + "x" * 10**6})
        assert answer.status in (400, 431)
        good = {"Authorization": f"Bearer {TOKEN}"}
        answer = server.ask("POST", "/predict", {"rows": [[1, 2, 3]]}, good)
        assert (answer.status, len(answer.json["predictions"])) == (200, 1)


@pytest.mark.parametrize(
    ("host", "token", "message"),
    [("0.0.0.0", None, "--token"), ("::", None, "--token"), ("127.0.0.1", "short", "16"),
     ("0.0.0.0", "a b" * 20, "plain"), ("no.such.host.invalid", None, "--host")],
)  # fmt: skip
def test_an_address_that_others_reach_needs_a_good_token(host, token, message):
    with pytest.raises(InputError, match=message):
        require_token(host, token)


def test_elsewhere_than_on_loopback_numbers_are_known_and_names_must_be_listed():
    guard = Guard("0.0.0.0", TOKEN, ["fathom.example.com"])
    token = (b"authorization", f"Bearer {TOKEN}".encode())
    for host in (b"10.1.2.3:8000", b"fathom.example.com", b"[fd00::1]:80"):
        guard.admit("/v2", [(b"host", host), token])
    with pytest.raises(Refusal, match="--allow-host"):
        guard.admit("/v2", [(b"host", b"evil.example.com"), token])
    with pytest.raises(Refusal, match="several"):
        guard.admit("/v2", [(b"host", b"10.1.2.3"), (b"host", b"10.1.2.3"), token])
    assert is_loopback("localhost")


def test_names_of_models():
    assert list(name_models(["a/b.fathom", "x=c.fathom", "d=e/f=g.fathom"])) == ["b", "x", "d"]
    for given in (["a.fathom", "b/a.fathom"], ["ä.fathom"], ["a b.fathom"], ["/.fathom"],
                  ["stats.fathom"], ["x" * 65 + "=a.fathom"]):  # fmt: skip
        with pytest.raises(InputError):
            name_models(given)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["absent.fathom"], "absent.fathom"), (["--host", "0.0.0.0", "{}"], "--token"),
     (["{}", "{}"], "twice"), (["{}", "--port", "99999"], "--port"),
     (["{}", "--max-body", "nan"], "--max-body"), (["{}", "--timeout", "0"], "--timeout"),
     (["{}", "--host", "192.0.2.1", "--token", TOKEN], "free")],
)  # fmt: skip
def test_the_command_refuses_in_one_line(files, arguments, message, monkeypatch, capsys):
    arguments = [one.format(files["labels"]) for one in arguments]
    monkeypatch.setattr("sys.argv", ["fathom", "serve", *arguments])
    monkeypatch.setattr("fathom.cli._leave", lambda code: (_ for _ in ()).throw(SystemExit(code)))
    verb = importlib.import_module("fathom.cli.serve")  # not the function of that name
    monkeypatch.setattr(verb, "prepare_engine", lambda: None)
    monkeypatch.delenv("FATHOM_TOKEN", raising=False)
    with pytest.raises(SystemExit, match="2"):
        main()
    said = capsys.readouterr().err
    assert said.startswith("fathom: expected ")
    assert message in said
    assert len(said.splitlines()) == 1


def test_without_the_extra_the_command_says_how_to_get_it(monkeypatch):
    verb = importlib.import_module("fathom.cli.serve")
    monkeypatch.setattr(verb, "NEEDED", ("json", "no_such_library"))
    with pytest.raises(InputError, match=r"no no_such_library — pip install 'fathom-dnn\[serve\]'"):
        verb._require_extra()
