"""The verb ``export``: a trained model as an ONNX graph, or as a program in plain NumPy."""

import time
from pathlib import Path

from fathom.cli.engine import prepare_engine
from fathom.cli.screen import Screen
from fathom.cli.tables import refuse_overwriting, started_at
from fathom.data.cells import quoted
from fathom.deployment.archive import load
from fathom.deployment.container import require_writable
from fathom.errors import InputError
from fathom.estimators import FathomClassifier, FathomRegressor

MOST_INPUTS = 12  # listed; JSON has all


def run_export(model_path: str, output: str, is_encoded: bool, is_json: bool) -> None:
    """Write a model in the form that the name of the output asks for."""
    began = started_at()
    screen, path = Screen(is_json), Path(output)
    suffix = path.suffix.lower()
    if suffix not in (".onnx", ".py"):
        raise InputError(
            "an output that ends in .onnx or .py", got=output,
            hint="for example fathom export MODEL model.onnx",
        )  # fmt: skip
    if is_encoded and suffix != ".onnx":
        raise InputError(
            "--encoded with an output that ends in .onnx", got=output,
            hint="leave --encoded out, or end the output in .onnx",
        )  # fmt: skip
    refuse_overwriting(path, model_path)
    require_writable(path)
    if suffix == ".onnx":
        from fathom.deployment.onnx import require_onnx

        require_onnx()
    prepare_engine()
    model = load(model_path)
    if suffix == ".onnx":
        _export_onnx(screen, model, path, is_encoded)
    else:
        _export_source(screen, model, path)
    screen.say(f"Written to {path} after {time.monotonic() - began:.1f} s.")
    seconds = round(time.monotonic() - began, 3)
    screen.emit("done", output=output, bytes=path.stat().st_size, seconds=seconds)


def _export_onnx(
    screen: Screen, model: FathomClassifier | FathomRegressor, path: Path, is_encoded: bool
) -> None:
    from fathom.deployment.onnx import export_onnx

    made = export_onnx(model, path, is_encoded=is_encoded)
    screen.emit(
        "exported", form="onnx", opset=made.opset, inputs=made.inputs, outputs=list(made.outputs),
        rows=made.n_rows, difference=made.difference,
    )  # fmt: skip
    n = len(model.networks_)
    screen.say(f"{n} network{'s' * (n > 1)} as one ONNX graph of opset {made.opset}; inputs:")
    for name, says in list(made.inputs.items())[:MOST_INPUTS]:
        screen.say(f"  {quoted(name)}: {says}")
    if len(made.inputs) > MOST_INPUTS:
        screen.say(f"  and {len(made.inputs) - MOST_INPUTS:,} more")
    screen.say(f"Outputs: {', '.join(made.outputs)}")
    screen.say(_tried(made.n_rows, made.difference, model))


def _export_source(screen: Screen, model: FathomClassifier | FathomRegressor, path: Path) -> None:
    from fathom.deployment.source import export_source

    made = export_source(model, path)
    lines = made.text.count("\n")
    screen.emit("exported", form="numpy", lines=lines, rows=made.n_rows, difference=made.difference)
    screen.say(f"{lines:,} lines of plain NumPy: predict" + _also(model))
    screen.say(_tried(made.n_rows, made.difference, model))


def _also(model: FathomClassifier | FathomRegressor) -> str:
    return " and predict_proba" if isinstance(model, FathomClassifier) else ""


def _tried(n_rows: int, difference: float, model: FathomClassifier | FathomRegressor) -> str:
    unit = "a probability" if isinstance(model, FathomClassifier) else "the target's spread"
    return (
        f"Tried on {n_rows:,} rows, random and at the edges: at most {difference:.1g} of {unit} "
        "from Fathom's own predictions."
    )
