"""One model, whoever asks it: the library, the command and the server say the same of every table.

    python benchmarks/agree.py --data DIR --keep FOLDER [--tables a,b] [--rows 1000]
        [--time-limit 6] [--output agree.jsonl]
    python benchmarks/agree.py --report [--output agree.jsonl]

DIR is as for ``benchmarks/tables.py``. A model is trained on 80 % of the rows of each table, saved
to FOLDER and used as its file from then on. Random rows of the whole table are predicted

- by the library, from a pandas frame in the types that pandas gives it;
- by ``fathom predict``, in a process of its own, from the lines of the CSV file as they are;
- by ``fathom serve``, in a process of its own: ``POST /predict`` with all rows in one request, and
  again in requests of 1 to 200; and Triton's client with a tensor of bytes for each column.

Told are, for each, how many answers differ, how many numbers (probabilities, or predictions in
spreads of the target) are another to the last bit, and by how much at most. The test part is then
predicted by ONNX Runtime and by the program of NumPy, as ``benchmarks/onnx_tables.py`` does. A
table is one line of the output, and is not run again unless it failed; the exit code is 1 where an
answer differs.
"""

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from tritonclient import http as triton

from fathom import FathomClassifier, FathomRegressor, load, save
from onnx_tables import export
from server import fathom_server
from tables import read_frame, split

MOST_AT_ONCE = 200
CLOSE = 1e-6  # as far as a prediction may depend on the rows beside it


class Said(NamedTuple):
    """What is said of rows: the answers as words, and probabilities or numbers."""

    words: list[str]
    numbers: np.ndarray


# --- models and rows ------------------------------------------------------------------------------


def train(table: dict, folder: Path, limit: float, keep: Path) -> tuple[Path, pd.DataFrame]:
    """Train a model of a table, unless it is there; return its file and the test rows."""
    x, y, test, _, classes = split(table, folder, 0)
    path = keep / f"{table['name']}.fathom"
    if not path.exists():
        kind = FathomRegressor if classes is None else FathomClassifier
        save(kind(time_limit=limit, random_state=0).fit(x, y), path)
    return path, test


def draw_rows(table: dict, folder: Path, n: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return random rows as pandas reads them, and the same as the words of the file."""
    frame = read_frame(folder / table["file"])
    words = pd.read_csv(folder / table["file"], dtype=str, keep_default_na=False)
    rng = np.random.default_rng(0)
    places = rng.choice(len(frame), n, replace=n > len(frame))
    return frame.drop(columns=table["target"]).iloc[places], words.iloc[places]


# --- who is asked ---------------------------------------------------------------------------------


def ask_library(model: Any, frame: pd.DataFrame) -> Said:
    """Predict with the estimator."""
    answers = model.predict(frame)
    is_numbers = isinstance(model, FathomRegressor)
    numbers = answers[:, None] if is_numbers else model.predict_proba(frame)
    return Said([] if is_numbers else [str(one) for one in answers], np.asarray(numbers))


def said_by(columns: dict[str, list], target: str, classes: list[str]) -> Said:
    """Return what columns of an answer say."""
    if not classes:
        return Said([], np.array(columns[target], float)[:, None])
    shares = [np.array(columns[f"probability_{one}"], float) for one in classes]
    return Said([str(one) for one in columns[target]], np.stack(shares, axis=1))


def ask_command(path: Path, words: pd.DataFrame, target: str, classes: list[str]) -> Said:
    """Predict with ``fathom predict``, from a CSV file to a CSV file."""
    with tempfile.TemporaryDirectory() as place:
        given, found = Path(place) / "rows.csv", Path(place) / "predicted.csv"
        words.to_csv(given, index=False)
        command = [sys.executable, "-m", "fathom", "predict", path, given, "--output", found]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        told = pd.read_csv(found, dtype=str, keep_default_na=False)
    return said_by({name: told[name].tolist() for name in told}, target, classes)


def plain(value: Any) -> Any:
    """Return a cell as JSON has it."""
    if pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat(sep=" ")
    return value.item() if isinstance(value, np.generic) else value


def ask_server(port: int, rows: list[dict], target: str, classes: list[str]) -> Said:
    """Predict with one request of objects."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    connection.request("POST", "/predict", json.dumps({"rows": rows}))
    answer = connection.getresponse()
    told = json.loads(answer.read())
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{answer.status}: {told}")
    predictions = told["predictions"]
    columns = {name: [row[name] for row in predictions] for name in predictions[0]}
    return said_by(columns, target, classes)


def in_parts(rows: list[dict]) -> Iterator[list[dict]]:
    """Yield rows in pieces of random length."""
    rng, begin = np.random.default_rng(1), 0
    while begin < len(rows):
        length = int(rng.integers(1, MOST_AT_ONCE + 1))
        yield rows[begin : begin + length]
        begin += length


def ask_triton(port: int, frame: pd.DataFrame) -> Said:
    """Predict with Triton's client: a tensor for each column, as bytes."""
    client = triton.InferenceServerClient(f"127.0.0.1:{port}", network_timeout=600)
    about = client.get_model_metadata("m")
    inputs = []
    for one in about["inputs"]:
        series = frame[one["name"]]
        if one["datatype"] == "FP64":
            values = pd.to_numeric(series, errors="coerce").to_numpy(np.float64)[:, None]
        else:
            cells = [plain(value) for value in series.tolist()]
            values = np.array(["" if cell is None else str(cell) for cell in cells], object)
            values = values[:, None]
        tensor = triton.InferInput(one["name"], values.shape, one["datatype"])
        tensor.set_data_from_numpy(values)
        inputs.append(tensor)
    answer = client.infer("m", inputs)
    client.close()
    names = [one["name"] for one in about["outputs"]]
    first = answer.as_numpy(names[0])
    if "probabilities" not in names:
        return Said([], np.asarray(first, float))
    words = [one.decode() if isinstance(one, bytes) else str(one) for one in first.ravel().tolist()]
    return Said(words, answer.as_numpy("probabilities"))


# --- figures --------------------------------------------------------------------------------------


def differences(name: str, said: Said, expected: Said, scale: float) -> dict[str, Any]:
    """Return how far what was said is from what the library says."""
    apart = np.abs(said.numbers - expected.numbers) / scale
    found: dict[str, Any] = {
        name: float(apart.max()),
        f"{name} bits": int((said.numbers != expected.numbers).sum()),
    }
    if expected.words:
        pairs = zip(said.words, expected.words, strict=True)
        found[f"{name} answers"] = sum(one != other for one, other in pairs)
    return found


def judge(table: dict, asked: argparse.Namespace) -> dict[str, Any]:
    """Ask everyone about one table."""
    path, test = train(table, asked.data, asked.time_limit, asked.keep)
    model = load(path)
    frame, words = draw_rows(table, asked.data, asked.rows)
    is_numbers = isinstance(model, FathomRegressor)
    classes = [] if is_numbers else [str(one) for one in model.classes_]
    target = model.schema_.target.names[0] if model.schema_.target.names else "prediction"
    scale = float(model.design_.scales[False].scale[0]) if is_numbers else 1.0
    expected = ask_library(model, frame)
    told: dict[str, Any] = {
        "table": table["name"], "rows": len(frame), "networks": len(model.networks_),
        "numbers": expected.numbers.size,
    }  # fmt: skip
    told |= differences("command", ask_command(path, words, target, classes), expected, scale)
    rows = [{name: plain(v) for name, v in row.items()} for row in frame.to_dict("records")]
    with fathom_server(path) as (port, _):
        whole = ask_server(port, rows, target, classes)
        parts = [ask_server(port, part, target, classes) for part in in_parts(rows)]
        bytewise = ask_triton(port, frame)
    words = [one for part in parts for one in part.words]
    split_up = Said(words, np.concatenate([part.numbers for part in parts]))
    for name, said in (("server", whole), ("parts", split_up), ("bytes", bytewise)):
        told |= differences(name, said, expected, scale)
    return told | {"test rows": len(test)} | export(model, test) | {"load": os.getloadavg()[0]}


def is_right(told: dict[str, Any]) -> bool:
    """Tell whether all say the same of a table."""
    if "failed" in told:
        return False
    far = [told[name] for name in ("command", "server", "parts", "bytes")]
    answers = [n for name, n in told.items() if name.endswith(" answers")]
    exported = [told[name] for name in ("onnx", "numpy") if name in told]
    return max(far) <= CLOSE and not sum(answers) and max(exported) <= 1e-4


def report(path: Path) -> int:
    """Print a line for each table; return 1 where something differs."""
    found = [json.loads(line) for line in path.read_text().splitlines()]
    every = list({told["table"]: told for told in found}.values())  # the last of each
    names = ("command", "server", "parts", "bytes", "onnx", "numpy")
    print("| table | networks | " + " | ".join(names) + " | answers that differ |")
    print("|" + "---|" * (len(names) + 3))
    for told in every:
        if "failed" in told:
            print(f"| {told['table']} | {told['failed']} |")
            continue
        far = [f"{told[name]:.1e}" if name in told else "–" for name in names]
        n = sum(count for name, count in told.items() if name.endswith(" answers"))
        print(f"| {told['table']} | {told['networks']} | {' | '.join(far)} | {n} |")
    wrong = [told["table"] for told in every if not is_right(told)]
    print(f"{len(every)} tables, {len(wrong)} wrong: {', '.join(wrong) or 'none'}")
    return int(bool(wrong))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--tables", default="")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--time-limit", type=float, default=6.0)
    parser.add_argument("--output", type=Path, default=Path("agree.jsonl"))
    parser.add_argument("--report", action="store_true")
    asked = parser.parse_args()
    if asked.report:
        return report(asked.output)
    asked.keep.mkdir(parents=True, exist_ok=True)
    lines = asked.output.read_text().splitlines() if asked.output.exists() else []
    found = [json.loads(line) for line in lines]
    done = {told["table"] for told in found if "failed" not in told}
    chosen = [name for name in asked.tables.split(",") if name]
    for table in json.loads((asked.data / "suite.json").read_text()):
        name = table["name"]
        if name in done or (chosen and name not in chosen):
            continue
        try:
            told = judge(table, asked)
        except Exception as error:  # of one table, so that the others are still judged
            told = {"table": name, "failed": f"{type(error).__name__}: {error}"[:500]}
        with asked.output.open("a") as file:
            file.write(json.dumps(told) + "\n")
        print(json.dumps(told), flush=True)
    return report(asked.output)


if __name__ == "__main__":
    sys.exit(main())
