"""ONNX and plain NumPy beside Fathom, on rows no model has seen, for every table.

python benchmarks/onnx_tables.py --data DIR [--tables a,b] [--time-limit 5]

DIR is as for ``benchmarks/tables.py``. A model is trained on 80 % of the rows and exported twice;
the others are predicted by Fathom from the frame, by ONNX Runtime from tensors made of it column
by column, and by the program of NumPy. Told is the largest difference of a probability, or of a
prediction in spreads of the target, and how many answers differ.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fathom import FathomClassifier, FathomRegressor
from fathom.data.schema import Column
from fathom.deployment.inputs import Marks
from fathom.deployment.onnx import encode_rows, export_onnx
from fathom.deployment.onnx.exporting import run
from fathom.deployment.source import export_source
from tables import split


def values_of(column: Column, series: pd.Series) -> Any:
    """Return a column as another program would hand it over."""
    if column.kind == "date":
        days = (pd.to_datetime(series) - pd.Timestamp(0)) / pd.Timedelta(days=1)
        return days.to_numpy("float64")
    if column.kind == "number":
        return pd.to_numeric(series, errors="coerce").to_numpy("float64")
    return np.array(["" if pd.isna(value) else str(value) for value in series], object)


def compare(name: str, model: Any, wanted: np.ndarray, answers: Any, found: list) -> dict:
    """Return how far predictions are from Fathom's."""
    if isinstance(model, FathomRegressor):
        scale = float(model.design_.scales[False].scale[0])
        return {name: float(np.max(np.abs(np.ravel(found[0]) - wanted)) / scale)}
    differing = int((np.asarray(found[0]) != answers).sum())
    return {name: float(np.max(np.abs(found[1] - wanted))), f"{name} answers": differing}


def judge(table: dict, folder: Path, limit: float) -> dict:
    """Train on one table, export, and predict its test part in three ways."""
    x, y, test, _, classes = split(table, folder, 0)
    kind = FathomRegressor if classes is None else FathomClassifier
    model = kind(time_limit=limit, random_state=0).fit(x, y)
    told = {"table": table["name"], "rows": len(test), "networks": len(model.networks_)}
    return told | export(model, test)


def export(model: Any, test: pd.DataFrame) -> dict:
    """Export a model twice, and predict rows in three ways."""
    told: dict[str, Any] = {}
    columns = model.schema_.input.columns
    is_numbers = isinstance(model, FathomRegressor)
    is_encoded = any(column.kind == "text" for column in columns)
    wanted = model.predict(test) if is_numbers else model.predict_proba(test)
    answers = None if is_numbers else model.predict(test)
    values = {c.name: values_of(c, test[c.name]) for c in columns if c.is_used}
    with tempfile.TemporaryDirectory() as place:
        graph, program = Path(place) / "m.onnx", Path(place) / "m.py"
        began = time.monotonic()
        told["MB"] = round(export_onnx(model, graph, is_encoded=is_encoded).n_bytes / 1e6, 1)
        told["seconds"] = round(time.monotonic() - began, 1)
        marks = zip(columns, Marks.of(model.schema_.input).names, strict=True)
        feed = {name: values[c.name][:, None] for c, name in marks if name}
        feed = encode_rows(model, test) if is_encoded else feed
        told |= compare("onnx", model, wanted, answers, run(graph.read_bytes(), feed))
        if not is_encoded:
            export_source(model, program)
            space: dict[str, Any] = {}
            exec(program.read_text(), space)
            names = ["predict"] if is_numbers else ["predict", "predict_proba"]
            found = [space[one](values) for one in names]
            told |= compare("numpy", model, wanted, answers, found)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tables", default="")
    parser.add_argument("--time-limit", type=float, default=5.0)
    asked = parser.parse_args()
    chosen = [name for name in asked.tables.split(",") if name]
    for table in json.loads((asked.data / "suite.json").read_text()):
        if chosen and table["name"] not in chosen:
            continue
        try:
            told = judge(table, asked.data, asked.time_limit)
        except Exception as error:  # of one table, so that the others are still judged
            told = {"table": table["name"], "failed": f"{type(error).__name__}: {error}"}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
