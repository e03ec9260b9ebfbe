"""The export to ONNX: made, tried beside Fathom, and only then written."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from fathom.data.schema import TableInput
from fathom.deployment.container import write_file
from fathom.deployment.trials import encode_frame, find_difference, make_rows, require_exportable
from fathom.errors import InputError
from fathom.estimators import FathomClassifier, FathomRegressor

SEED = 0
_INSTALL = "pip install 'fathom-dnn[onnx]'"


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes
    ----------
    inputs : dict of str to str
        What each input takes, by its name.
    outputs : tuple of str
        Names of the outputs.
    opset : int
        Version of the operators (``ai.onnx``).
    n_rows : int
        Rows it was tried on.
    difference : float
        The largest difference from Fathom on them: of probabilities, or in spreads of the target.
    n_bytes : int
        Size of the file.
    """

    inputs: dict[str, str]
    outputs: tuple[str, ...]
    opset: int
    n_rows: int
    difference: float
    n_bytes: int


def export_onnx(
    model: FathomClassifier | FathomRegressor, path: str | Path, *, is_encoded: bool = False
) -> Exported:
    """Write a fitted estimator as one ONNX file: encoding, every network, weights, calibration.

    The graph is tried on random rows and on rows at the edges (missing values, unknown
    categories, extreme numbers) beside Fathom, by ONNX Runtime, and written only if the two agree
    to 1e-4.

    Parameters
    ----------
    model : FathomClassifier or FathomRegressor
        A fitted estimator.
    path : str or Path
        Where to; usually ``something.onnx``.
    is_encoded : bool
        Whether the inputs are encoded rows, as `encode_rows` makes them, in place of one input for
        each column of a table.

    Returns
    -------
    Exported
        What was written, and how near it is.

    Raises
    ------
    InputError
        If the packages are not there, ONNX cannot say the model, or it does not agree.
    ModelFileError
        If it cannot be written.
    """
    require_onnx()
    from fathom.deployment.onnx.graph import MOST_BYTES, OPSET
    from fathom.deployment.onnx.whole import to_graph

    require_exportable(model)
    if is_encoded and not isinstance(model.schema_.input, TableInput):
        raise InputError(
            "--encoded for a model of a table", got="one that encodes nothing apart",
            hint="leave --encoded out",
        )  # fmt: skip
    graph = to_graph(model, is_encoded=is_encoded)
    if graph.ByteSize() > MOST_BYTES:
        got = f"{graph.ByteSize():,} bytes"
        raise InputError(
            "a model of at most 2 GiB, which an ONNX file can hold", got=got,
            hint="make it smaller first: fathom compress",
        )  # fmt: skip
    content = graph.SerializeToString()
    n_rows, difference = compare(model, content, is_encoded=is_encoded)
    write_file(Path(path), content)
    return Exported(
        inputs={one.name: one.doc_string for one in graph.graph.input},
        outputs=tuple(one.name for one in graph.graph.output),
        opset=OPSET, n_rows=n_rows, difference=difference, n_bytes=len(content),
    )  # fmt: skip


def require_onnx() -> None:
    """Refuse to go on where ONNX or its runtime is not installed.

    Raises
    ------
    InputError
        Says how to install them.
    """
    absent = [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]
    if absent:
        raise InputError("the packages onnx and onnxruntime", got="none", hint=_INSTALL)


def encode_rows(model: FathomClassifier | FathomRegressor, rows: Any) -> dict[str, np.ndarray]:
    """Return rows of a table as a graph exported with ``is_encoded`` takes them.

    Parameters
    ----------
    model : FathomClassifier or FathomRegressor
        The estimator that was exported.
    rows : data frame or array
        Rows as its `predict` takes them.

    Returns
    -------
    dict of str to numpy.ndarray
        Tensors by the names of the inputs.
    """
    return encode_frame(model, rows)


def compare(
    model: FathomClassifier | FathomRegressor, content: bytes, *, is_encoded: bool = False
) -> tuple[int, float]:
    """Run a graph beside the model it was made of, on random rows and on edges.

    Returns
    -------
    tuple of int and float
        How many rows, and the largest difference.

    Raises
    ------
    InputError
        If the runtime cannot run it, or they do not agree.
    """
    rows, feed = make_rows(model, SEED, is_encoded=is_encoded)
    found = run(content, feed)
    difference = find_difference(model, rows, found)
    return len(next(iter(feed.values()))), difference


def run(content: bytes, feed: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Return what ONNX Runtime makes of tensors by name.

    Raises
    ------
    InputError
        If it cannot.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
        return list(session.run(None, dict(feed)))
    except Exception as error:  # its errors have no common root but this
        reason = " ".join(str(error).split())[:300]
        raise InputError(
            "a graph that ONNX Runtime runs", got=reason,
            hint="the file is not written; please report it",
        ) from None  # fmt: skip
