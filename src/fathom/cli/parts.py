"""Rows of several inputs as commands look into them: what columns, words and pictures spoke for."""

from pathlib import Path

import numpy as np
import polars as pl

from fathom.cli.contributions import CellWords, grid_lines, grid_of, list_inputs
from fathom.cli.illustrated import placed
from fathom.cli.screen import Screen
from fathom.cli.tables import TableOptions, read_more
from fathom.cli.texts import as_plain, list_words, what_is_said
from fathom.data.cells import quoted
from fathom.data.illustrated import RowEncoding
from fathom.data.schema import TableInput
from fathom.estimators import FathomClassifier, FathomRegressor
from fathom.estimators.explaining import Part, explain_row
from fathom.estimators.naming import name_columns
from fathom.inspection.aligned import align
from fathom.inspection.arithmetic import write_number

MOST_USUAL = 64  # rows, and so pictures read, that tell what columns usually are
COMPARED = {"columns": "the usual columns", "text": "no text", "picture": "its mean color alone"}


def usual_rows(model_path: Path, described: TableInput, options: TableOptions) -> pl.DataFrame:
    """Return some rows of a table, evenly taken from all of it, with paths that can be followed."""
    frame = read_more(options, model_path, described).frame
    some = np.unique(np.linspace(0, frame.height - 1, MOST_USUAL).astype(int))
    return placed(frame[some], described, options)[0]


def show_parts(
    screen: Screen,
    model: FathomClassifier | FathomRegressor,
    row: pl.DataFrame,
    usual: pl.DataFrame,
    expected: str | None,
    origin: str,
) -> None:
    """Show what a model of rows with pictures says of one, and what each part of it spoke for.

    Parameters
    ----------
    screen : Screen
        Where to.
    model : FathomClassifier or FathomRegressor
        A model of rows that name pictures.
    row : polars.DataFrame
        The row, its paths such as can be followed.
    usual : polars.DataFrame
        Rows with whose columns its own are compared.
    expected : str or None
        What it should say, where that is known.
    origin : str
        Where the row comes from, in words.
    """
    parsed = model._parse_rows(row)
    said = what_is_said(model, parsed)
    truth = f"; it is {expected}" if expected is not None else ""
    screen.say(f"{origin}: the model says {said.words}{truth}.")
    screen.say()
    screen.say(str(model.architecture_))
    found = explain_row(model, parsed, said.output, model._parse_rows(usual))
    screen.emit(
        "parts", origin=origin, prediction=said.words, expected=expected, output=said.name,
        z=found.z, parts=[_plain(part, found.z) for part in found.parts],
    )  # fmt: skip
    screen.say()
    screen.say(f"z of {said.name} is {write_number(found.z)}. What each part changes in it, the")
    screen.say("others as they are:")
    lines = [("part", "compared with", "contribution")]
    lines += [
        (quoted(one.name, 40), COMPARED[one.kind], f"{found.z - one.without:+.4f}")
        for one in found.parts
    ]
    for line in align(lines).splitlines():
        screen.say(f"  {line}")
    for part in found.parts:
        _show_part(screen, model, part, row, usual)


def _show_part(
    screen: Screen,
    model: FathomClassifier | FathomRegressor,
    part: Part,
    row: pl.DataFrame,
    usual: pl.DataFrame,
) -> None:
    encoding = model.encoding_
    assert isinstance(encoding, RowEncoding)
    if part.columns is not None and encoding.table is not None:
        names, codes = name_columns(encoding.table, model.schema_.target)
        lines = list_inputs(part.columns, CellWords(names, codes, row, usual))
        lines += map(str, part.columns.findings)
    elif part.words:
        lines = list_words(part.words)
    elif part.places is not None:
        lines = ["What each part contributed, as it lies in the picture:"]
        lines += grid_lines(grid_of(part.places))
    else:
        return
    screen.say(f"\n{quoted(part.name, 40)}:")
    for line in lines:
        screen.say(line if line.startswith("  ") else f"  {line}")


def _plain(part: Part, z: float) -> dict[str, object]:
    """Return a part as plain values for programs."""
    found: dict[str, object] = {
        "name": part.name, "kind": part.kind, "without": part.without,
        "contribution": z - part.without,
    }  # fmt: skip
    if part.columns is not None:
        pairs = zip(part.columns.names, part.columns.contributions[0].tolist(), strict=True)
        found["columns"] = [{"name": name, "contribution": share} for name, share in pairs]
    if part.words:
        found["words"] = as_plain(part.words)
    if part.places is not None:
        found["places"] = grid_of(part.places).tolist()
    return found
