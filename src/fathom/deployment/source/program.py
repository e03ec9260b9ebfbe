"""The program: a model written out, tried beside Fathom, and only then put in its place."""

import ast
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import polars as pl

from fathom.data.cells import listing
from fathom.data.schema import ImageInput, TableInput
from fathom.deployment.container import write_file
from fathom.deployment.normal import MIDDLE, TAIL
from fathom.deployment.source import parts
from fathom.deployment.source.models import write_described, write_designed
from fathom.deployment.trials import find_difference, make_rows, require_exportable
from fathom.errors import InputError
from fathom.estimators import FathomClassifier, FathomRegressor

SEED = 0
_MODULES = {
    "base64": "import base64",
    "math": "import math",
    "unicodedata": "import unicodedata",
    "SimpleNamespace": "from types import SimpleNamespace",
    "Any": "from typing import Any",
}


@dataclass(frozen=True)
class Program:
    """What was written.

    Attributes
    ----------
    text : str
        The program.
    n_rows : int
        Rows it was tried on.
    difference : float
        The largest difference from Fathom on them: of probabilities, or in spreads of the target.
    """

    text: str
    n_rows: int
    difference: float


def export_source(model: FathomClassifier | FathomRegressor, path: str | Path) -> Program:
    """Write a fitted estimator as one program of plain NumPy that reads like a textbook.

    Every layer is one line, z = W x + b and an activation function; what tables need besides
    (views of numbers, codes of words, trees, the weights of an ensemble) is there too. The program
    is tried on random rows and rows at the edges beside Fathom, and written only if the two agree
    to 1e-4.

    Parameters
    ----------
    model : FathomClassifier or FathomRegressor
        A fitted estimator.
    path : str or Path
        Where to; usually ``something.py``.

    Returns
    -------
    Program
        What was written, and how near it is.

    Raises
    ------
    InputError
        If the model reads text, or the program does not agree.
    ModelFileError
        If it cannot be written.
    """
    require_exportable(model)
    text = to_program(model)
    rows, _ = make_rows(model, SEED, is_encoded=False)
    found = run(text, model, rows)
    difference = find_difference(model, rows, found)
    write_file(Path(path), text.encode())
    return Program(text, len(found[0]), difference)


def to_program(model: FathomClassifier | FathomRegressor) -> str:
    """Return a fitted estimator as the text of a program."""
    described = model.schema_.input
    if isinstance(described, TableInput):
        texts = [column.name for column in described.columns if column.kind == "text"]
        if texts:
            raise InputError(
                "a table without columns of text, for a program", got=f"text in {listing(texts)}",
                hint="write an .onnx file with --encoded",
            )  # fmt: skip
        section = write_designed(model)
    else:
        section = write_described(model)
    functions = _used_functions("\n".join([section.functions, section.numbers]))
    body = "\n\n\n".join([section.functions, *functions])
    constants = [
        f"{name} = {value!r}"
        for name, value in (("MIDDLE", MIDDLE), ("TAIL", TAIL))
        if name in _names(body)
    ]
    numbers = "\n".join([*constants, section.numbers])
    used = _names(body + "\n" + numbers)
    imports = [line for name, line in _MODULES.items() if name in used]
    head = "\n".join([_docstring(model), "", *imports, "", "import numpy as np"])
    return f"{head}\n\n\n{body}\n\n\n{numbers}\n"


def _docstring(model: FathomClassifier | FathomRegressor) -> str:
    n, described = len(model.networks_), model.schema_.input
    networks = "One network" if n == 1 else f"{n:,} networks"
    if isinstance(described, TableInput):
        takes = (
            "a table as values by column, for example {'age': [31, nan], 'city': ['Ulm', None]},\n"
            "dates as text (2024-12-31), datetime64 or days since 1970"
        )
    elif isinstance(described, ImageInput):
        takes = f"pictures of shape {described.shape}, pixels as in training"
    else:
        # A quotation mark in a name must not end the text it stands in.
        shown = ", ".join(map(ascii, described.names)).replace('"', "″")
        names = f": {shown}" if shown else ""
        takes = f"rows of {described.n_features} numbers{names}"
    is_alone = model.schema_.target.task == "numbers"
    gives = "predict takes" if is_alone else "predict_proba and predict take"
    return (
        f'r"""{networks}, written out by Fathom {version("fathom-dnn")}; needs nothing but NumPy.'
        f'\n\n{gives} {takes}.\n"""'
    )


def _used_functions(text: str) -> list[str]:
    """Return the source of every function of `parts` a program calls, and of those they call."""
    every = {
        name: inspect.getsource(function).rstrip()
        for name, function in vars(parts).items()
        if isinstance(function, FunctionType) and function.__module__ == parts.__name__
    }
    found: set[str] = set()
    wanted = _names(text) & every.keys()
    while wanted:
        found |= wanted
        wanted = {name for one in wanted for name in _names(every[one])} & every.keys() - found
    return [source for name, source in every.items() if name in found]


def _names(text: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}


def run(text: str, model: FathomClassifier | FathomRegressor, rows: Any) -> list[np.ndarray]:
    """Return what a program predicts, in the order of a graph's outputs."""
    space: dict[str, Any] = {"__name__": "exported"}
    exec(compile(text, "exported.py", "exec"), space)  # a program we have just written ourselves
    given = rows
    if isinstance(model.schema_.input, TableInput):
        given = to_values(rows, model.schema_.input)
    elif isinstance(rows, pl.DataFrame):
        given = rows.to_numpy()
    with np.errstate(all="ignore"):
        if isinstance(model, FathomRegressor):
            return [np.asarray(space["predict"](given)).reshape(len(rows), -1)]
        return [space["predict"](given), space["predict_proba"](given)]


def to_values(frame: pl.DataFrame, table: TableInput) -> Mapping[str, Any]:
    """Return a frame as a program takes it."""
    return {
        column.name: series.to_list() if series.dtype == pl.String else series.to_numpy()
        for column in table.columns
        if column.is_used
        for series in [frame.get_column(column.name)]
    }
