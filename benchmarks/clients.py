"""The server beside a client made by others: KServe's, in an environment of its own.

    python -m venv kserve && kserve/bin/pip install kserve
    python benchmarks/clients.py --kserve kserve/bin/python

A small model of a table is trained and served. KServe's `InferenceRESTClient`, which is too heavy
for the tests of this package, asks whether server and model are live and ready, and for
predictions with tensors in JSON and as bytes, words among them. What it is told is held against
the library, to the last bit; a model that is not there, and a tensor of a wrong name, are to be
refused in words that the client can read. A line for each question; the exit code is 1 where an
answer was not what it should be.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROWS = 40
WAYS = ("json", "binary")


# --- in the environment of the client -------------------------------------------------------------


def inputs_of(columns: dict[str, list], is_binary: bool) -> list[Any]:
    """Return a tensor for each column."""
    from kserve import InferInput

    found = []
    for name, values in columns.items():
        is_words = isinstance(values[0], str)
        array = np.array(values, object if is_words else np.float64).reshape(-1, 1)
        one = InferInput(name, list(array.shape), "BYTES" if is_words else "FP64")
        one.set_data_from_numpy(array, binary_data=is_binary)
        found.append(one)
    return found


async def ask(client: Any, address: str, columns: dict[str, list], way: str) -> dict[str, Any]:
    """Ask for predictions; return every output as plain values."""
    from kserve import InferRequest
    from kserve.protocol.infer_type import RequestedOutput

    is_binary = way == "binary"
    names = ("prediction", "probabilities")
    wanted = [RequestedOutput(name, {"binary_data": is_binary}) for name in names]
    request = InferRequest("m", inputs_of(columns, is_binary), request_id=f"r-{way}",
                           request_outputs=wanted)  # fmt: skip
    headers: dict[str, str] = {}
    answer = await client.infer(address, request, model_name="m", response_headers=headers)
    words = [one.decode() if isinstance(one, bytes) else str(one)
             for one in answer.outputs[0].as_numpy().ravel().tolist()]  # fmt: skip
    return {
        "id": answer.id, "model": answer.model_name, "prediction": words,
        "probabilities": np.asarray(answer.outputs[1].as_numpy(), np.float64).tolist(),
        "names": [one.name for one in answer.outputs],
        "is_binary": "inference-header-content-length" in headers,
    }  # fmt: skip


async def refused(call: Any) -> str:
    """Return in what words a client is refused."""
    try:
        await call
    except Exception as error:
        return str(error)
    return "not refused"


async def ask_all(address: str, columns: dict[str, list]) -> dict[str, Any]:
    """Ask everything there is to ask."""
    from kserve import InferenceRESTClient, InferRequest, RESTConfig

    client = InferenceRESTClient(RESTConfig(protocol="v2", retries=0, timeout=120))
    told: dict[str, Any] = {
        "live": await client.is_server_live(address),
        "ready": await client.is_server_ready(address),
        "model ready": await client.is_model_ready(address, "m"),
        "absent model ready": await client.is_model_ready(address, "absent"),
    }
    for way in WAYS:
        told[way] = await ask(client, address, columns, way)
    whole = InferRequest("absent", inputs_of(columns, False))
    odd = InferRequest("m", inputs_of({"other": columns["age"]}, False))
    told["no such model"] = await refused(client.infer(address, whole, model_name="absent"))
    told["no such tensor"] = await refused(client.infer(address, odd, model_name="m"))
    return told


def run_client(asked: list[str]) -> None:
    """Ask, as another program, and print what was told."""
    from importlib.metadata import version

    told = asyncio.run(ask_all(asked[0], json.loads(Path(asked[1]).read_text())))
    print(json.dumps({"version": version("kserve"), **told}))


# --- in that of Fathom ----------------------------------------------------------------------------


def train_model(folder: Path) -> tuple[Any, Path]:
    """Train a model of numbers, words and an output of two classes; save it."""
    import polars as pl

    from fathom import FathomClassifier, load, save

    rng = np.random.default_rng(0)
    table = pl.DataFrame({
        "age": rng.normal(45, 15, 400), "spent": rng.normal(30, 8, 400),
        "city": rng.choice(["Ulm", "Bonn", "Köln"], 400),
    })  # fmt: skip
    churn = np.where(table["age"].to_numpy() + 5 * rng.normal(size=400) > 50, "leaves", "stays")
    model = FathomClassifier(time_limit=3, random_state=0).fit(table, churn)
    path = save(model, folder / "m.fathom")
    return load(path), path


def compare(told: dict[str, Any], model: Any, columns: dict[str, list]) -> Iterator[tuple]:
    """Yield each question, whether the answer is right, and the answer."""
    import polars as pl

    rows = pl.DataFrame(columns)
    shares, words = model.predict_proba(rows), model.predict(rows).tolist()
    for question, right in (
        ("live", True), ("ready", True), ("model ready", True), ("absent model ready", False),
    ):  # fmt: skip
        yield question, told[question] is right, told[question]
    for way in WAYS:
        got = told[way]
        is_same = got["prediction"] == words and np.array_equal(got["probabilities"], shares)
        yield f"{way}: predictions", is_same, f"{len(words)} rows"
        yield f"{way}: request id", got["id"] == f"r-{way}", got["id"]
        yield f"{way}: bytes", got["is_binary"] == (way == "binary"), got["is_binary"]
    yield "no such model", "absent" in told["no such model"], told["no such model"]
    yield "no such tensor", "other" in told["no such tensor"], told["no such tensor"]


def main() -> int:
    from server import fathom_server

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kserve", type=Path, required=True, help="Python of that environment")
    asked = parser.parse_args()
    rng = np.random.default_rng(1)
    columns = {
        "age": rng.normal(45, 15, ROWS).tolist(), "spent": rng.normal(30, 8, ROWS).tolist(),
        "city": rng.choice(["Ulm", "Bonn", "Köln", "Rom"], ROWS).tolist(),
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        model, path = train_model(Path(name))
        rows = Path(name) / "rows.json"
        rows.write_text(json.dumps(columns))
        with fathom_server(path) as (port, _):
            command = [asked.kserve, __file__, "--ask", f"http://127.0.0.1:{port}", rows]
            found = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        told = json.loads(found.stdout.splitlines()[-1])
    results = list(compare(told, model, columns))
    print(f"kserve {told['version']}")
    for question, is_right, answer in results:
        print(f"{'right' if is_right else 'WRONG'}  {question}: {answer}")
    return int(not all(is_right for _, is_right, _ in results))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--ask"]:
        run_client(sys.argv[2:])
    else:
        sys.exit(main())
