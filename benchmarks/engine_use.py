"""Using a trained network, and waiting for the first: predictions, and the first epoch's time."""

import compileall
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import fathom
from engine_cases import SMALL
from engine_systems import CORES, is_installed

MANY = 10_000
TABLE_ROWS, TABLE_SECONDS = 1000, 10


# --- predictions --------------------------------------------------------------------------------


class Predictors:
    """One and the same network in every system that predicts; scikit-learn's own of its shape."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self._x = rng.normal(size=(MANY, SMALL[0])).astype(np.float32)
        y = (self._x[:, :5].sum(axis=1) > 0).astype(int)
        self._systems = _make_predictors(self._x, y)

    def measure(self, seconds: float, rounds: int) -> dict[str, dict[str, float]]:
        """Time class probabilities for one row and for many.

        Returns
        -------
        dict of str to dict
            For ``row`` and ``many`` the seconds of each, the shortest of the rounds' medians.
        """
        times: dict[str, dict[str, list[float]]] = {"row": {}, "many": {}}
        for _ in range(rounds):
            for name, predict in self._systems.items():
                for what, rows in (("row", self._x[:1]), ("many", self._x)):
                    found = _median_s(partial(predict, rows), seconds)
                    times[what].setdefault(name, []).append(found)
        return {
            what: {name: min(found) for name, found in by.items()} for what, by in times.items()
        }


def _make_predictors(x: np.ndarray, y: np.ndarray) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Return what each system predicts by, held against Fathom's predictions."""
    model = _fit_fathom(x, y)
    systems = {"Fathom": model.predict_proba, "scikit-learn": _fit_sklearn(x, y).predict_proba}
    layers = _layers_of(model)
    if is_installed("torch"):
        systems["torch"] = _as_torch(layers)
    if is_installed("onnx") and is_installed("onnxruntime"):
        systems["ONNX Runtime"] = _as_onnx(layers)
    truth = model.predict_proba(x)
    for name, predict in systems.items():
        if name != "scikit-learn" and not np.allclose(predict(x), truth, atol=1e-5):
            raise RuntimeError(f"{name} predicts otherwise than Fathom with the same weights")
    return systems


def _median_s(call: Callable[[], object], seconds: float) -> float:
    call()
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def _fit_fathom(x: np.ndarray, y: np.ndarray) -> Any:
    from fathom import Architecture, FathomClassifier, Recipe
    from fathom.nn.dense import Dense

    hidden = [Dense(units=units) for units in SMALL[1:-1]]
    output = Dense(units=SMALL[-1], activation="softmax")
    network = Architecture(input_shape=SMALL[:1], layers=(*hidden, output), loss="cross_entropy")
    recipe = Recipe(epochs=2, batch_size=256)
    return FathomClassifier(network, recipe, time_limit=None, random_state=0).fit(x, y)


def _layers_of(model: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return weights (in, out) and biases of each layer, the standardization in the first."""
    found = [(np.asarray(a.weight).T, np.asarray(a.bias)) for a in model.networks_[0].layers]
    first, bias = found[0]
    zero = model.encoding_.encode(np.zeros((1, SMALL[0]), np.float32))[0]
    slope = model.encoding_.encode(np.ones((1, SMALL[0]), np.float32))[0] - zero
    found[0] = (slope[:, None] * first).astype(np.float32), (bias + zero @ first).astype(np.float32)
    return found


def _fit_sklearn(x: np.ndarray, y: np.ndarray) -> Any:
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(SMALL[1:-1], batch_size=256, random_state=0)
    return model.partial_fit(x, y, classes=[0, 1])


def _as_torch(layers: list[tuple[np.ndarray, np.ndarray]]) -> Callable[[np.ndarray], np.ndarray]:
    import torch

    torch.set_num_threads(CORES)
    parts: list[Any] = []
    for weight, bias in layers:
        linear = torch.nn.Linear(*weight.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weight.T.copy()))
            linear.bias.copy_(torch.from_numpy(bias.copy()))
        parts += [linear, torch.nn.ReLU()]
    model = torch.nn.Sequential(*parts[:-1], torch.nn.Softmax(dim=1)).eval()

    def predict(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return model(torch.from_numpy(x)).numpy()

    return predict


def _as_onnx(layers: list[tuple[np.ndarray, np.ndarray]]) -> Callable[[np.ndarray], np.ndarray]:
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    nodes, weights, name = [], [], "x"
    for place, (weight, bias) in enumerate(layers):
        weights += [numpy_helper.from_array(weight, f"w{place}")]
        weights += [numpy_helper.from_array(bias, f"b{place}")]
        nodes += [helper.make_node("Gemm", [name, f"w{place}", f"b{place}"], [f"z{place}"])]
        name = f"a{place}"
        last = place == len(layers) - 1
        nodes += [helper.make_node("Softmax" if last else "Relu", [f"z{place}"], [name])]
    shape = lambda n: [None, n]
    graph = helper.make_graph(
        nodes, "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape(SMALL[0]))],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape(SMALL[-1]))], weights,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = CORES
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda x: session.run(None, {"x": x})[0]


# --- the first epoch ----------------------------------------------------------------------------


def measure_first_epoch(rounds: int) -> dict[str, float]:
    """Time `fathom train` on a table of 1000 rows from the command to the end of its first epoch.

    Returns
    -------
    dict of str to float
        Shortest seconds, ``cold`` with an empty cache of compiled programs, ``warm`` with the one a
        whole command left.
    """
    compileall.compile_dir(str(Path(fathom.__file__).parent), quiet=1)  # as installing does
    cold, warm = [], []
    for _ in range(rounds):
        # Where a command had loops compiled, that may go on there.
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
            folder = Path(name)
            _write_table(folder / "table.csv")
            cold.append(_first_epoch_s(folder, to_end=True))
            _compile_loops(folder)
            warm.append(_first_epoch_s(folder, to_end=False))
    return {"cold": min(cold), "warm": min(warm)}


def _environment(folder: Path) -> dict[str, str]:
    """Return the environment of a user whose caches lie in a folder."""
    return {
        **os.environ, "FATHOM_CACHE": str(folder / "cache"),
        "NUMBA_CACHE_DIR": str(folder / "loops"),
    }  # fmt: skip


def _compile_loops(folder: Path) -> None:
    """Compile the loops, as they are compiled some time after a first search."""
    command = "from fathom.training.engines import warm_up; warm_up()"
    subprocess.run([sys.executable, "-c", command], env=_environment(folder), check=True)


def _write_table(path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(TABLE_ROWS, 10)).round(4)
    y = np.where(x[:, 0] * x[:, 1] + x[:, 2] > 0, "yes", "no")
    lines = [",".join(f"x{column}" for column in range(10)) + ",bought"]
    lines += [",".join(map(str, row)) + f",{word}" for row, word in zip(x, y, strict=True)]
    path.write_text("\n".join(lines) + "\n")


def _first_epoch_s(folder: Path, *, to_end: bool) -> float:
    """Run the command; return seconds to its first epoch, and end it then where told so."""
    command = [
        sys.executable, "-m", "fathom", "train", str(folder / "table.csv"), "--target", "bought",
        "--time-limit", str(TABLE_SECONDS), "--output", str(folder / "model.fathom"), "--json",
    ]  # fmt: skip
    began, found = time.perf_counter(), float("nan")
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=_environment(folder),
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line).get("event") == "epoch" and np.isnan(found):
                found = time.perf_counter() - began
                if not to_end:
                    process.kill()
                    break
    return found
