"""The verb ``report``: one HTML file on a model, how good it is, why, and what is inside."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from fathom.cli.combinations import take_prior
from fathom.cli.engine import prepare_engine
from fathom.cli.evaluate import right_numbers, target_names
from fathom.cli.illustrated import placed
from fathom.cli.pictures import as_levels, read_judged
from fathom.cli.rows import read_numbers
from fathom.cli.screen import Screen
from fathom.cli.tables import (
    TableOptions,
    is_address,
    read_more,
    recall_run,
    refuse_overwriting,
    shown_path,
    started_at,
    table_of_training,
)
from fathom.data.datasets import NAMES, load_digits
from fathom.data.schema import ImageInput, NumbersInput, TableInput, Target
from fathom.data.target import parse_target
from fathom.deployment.archive import load
from fathom.errors import InputError
from fathom.estimators import FathomClassifier, FathomRegressor
from fathom.estimators.reporting import gather_report
from fathom.inspection.report import ReportContents, write_report
from fathom.inspection.tongues import as_language, say

MOST_SAID = 12


@dataclass(frozen=True)
class ReportOptions:
    """What is asked for, as the user said it."""

    output: str = "report.html"
    language: str = "en"
    rows: int | None = None
    prior: str | None = None


@dataclass(frozen=True)
class _Given:
    """Rows with their target, and where they came from."""

    x: Any
    y: Any
    name: str
    target: str
    is_training: bool | None
    names: tuple[str, ...] = ()


def run_report(model_path: str, options: TableOptions, asked: ReportOptions, is_json: bool) -> None:
    """Look at a model on rows whose target is known, and write what is found as a page."""
    began = started_at()
    screen = Screen(is_json)
    language = as_language(asked.language)
    if asked.rows is not None and asked.rows < 2:
        raise InputError("--rows of 2 or more", got=f"{asked.rows}")
    path = _checked_output(asked.output, model_path, options.path)
    prepare_engine()
    model = load(model_path)
    take_prior(model, asked.prior)
    given = _read(model, Path(model_path), options)
    screen.say(f"Looking at {model_path} on {len(given.x):,} rows of {given.name} …")
    contents = gather_report(
        model, given.x, given.y, model_name=Path(model_path).name, data_name=given.name,
        target_name=given.target, is_training=given.is_training, most_rows=asked.rows,
        row_names=given.names, seed=options.seed,
    )  # fmt: skip
    page = write_report(contents, language)
    try:
        path.write_text(page, encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(
            "--output that can be written to", got=f"{path} ({error.strerror})",
            hint="give another place",
        ) from None  # fmt: skip
    _tell(screen, contents, asked)
    seconds = round(time.monotonic() - began, 3)
    screen.say(f"\nWritten to {path} after {seconds:.1f} s: open it in any browser.")
    screen.emit("done", output=str(path), bytes=path.stat().st_size, seconds=seconds)


def _checked_output(output: str, *inputs: str) -> Path:
    path = Path(output)
    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError("--output that ends in .html", got=output)
    if not path.absolute().parent.is_dir():
        raise InputError(
            "--output in a folder that is there", got=output,
            hint="make the folder, or give another place",
        )  # fmt: skip
    refuse_overwriting(path, *(given for given in inputs if given))
    return path


def _tell(screen: Screen, contents: ReportContents, asked: ReportOptions) -> None:
    """Say the most important sentences, and all of them to programs."""
    language = as_language(asked.language)
    for metric in contents.metrics:
        screen.emit(
            "metric", name=metric.name, value=metric.value, low=metric.low, high=metric.high,
            guessing=metric.baseline,
        )  # fmt: skip
    for finding in contents.findings:
        screen.emit(
            "finding", code=finding.code, level=finding.level, numbers=dict(finding.numbers),
            text=say(finding, language),
        )  # fmt: skip
    screen.say()
    warned = [f for f in contents.findings if f.level == "warning" and f not in contents.verdict]
    for finding in [*contents.verdict, *warned][:MOST_SAID]:
        sign = "!" if finding.level == "warning" else "·"
        screen.say(f"  {sign} {say(finding, language)}")


def _read(
    model: FathomClassifier | FathomRegressor, model_path: Path, options: TableOptions
) -> _Given:
    described, target = model.schema_.input, model.schema_.target
    if isinstance(described, ImageInput):
        if described.is_photo:
            return _read_files(model, model_path, described, options)
        return _read_pictures(described, options.path)
    options = _table_of(model_path, options)
    if isinstance(described, NumbersInput):
        columns = tuple(described.names) or tuple(f"x{n}" for n in range(described.n_features))
        known = TableInput.model_validate({
            "columns": [{"name": name, "kind": "number"} for name in columns],
            "is_named": bool(described.names),
        })  # fmt: skip
    else:
        known = described
    table = read_more(options, model_path, known)
    used = {c.name for c in known.columns if c.is_used and known.is_named}
    names = target_names(table.frame, target, options, used)
    y = _truth(table.frame.select(names), target)
    features: Any = table.frame.drop(names)
    if isinstance(described, NumbersInput):
        features = _numbers(features, described)
    else:
        features, _ = placed(features, described, options)
    return _Given(
        features, y, _called(options.path), ", ".join(names), _is_training(model_path, options)
    )


def _called(path: str) -> str:
    """Return what a table is called on a page that may be passed on: no folders."""
    return shown_path(path) if is_address(path) else Path(path).name


def _table_of(model_path: Path, options: TableOptions) -> TableOptions:
    """Return the options with the table of training where none is named."""
    found = table_of_training(model_path, options, "rows whose target is known")
    return replace(found, seed=options.seed)


def _is_training(model_path: Path, options: TableOptions) -> bool | None:
    """Tell whether these are the rows of training; None where that is not known."""
    before = recall_run(model_path)
    if before is None:
        return None
    try:
        return True if Path(before.path).samefile(options.path) else None
    except OSError:
        return None


def _truth(frame: pl.DataFrame, target: Target) -> Any:
    """Return the right answers, one row each, with NaN where numbers or labels are not known."""
    if target.factors:
        return frame
    if target.task == "classes":
        return frame.to_series()
    if target.task == "labels":
        parsed = parse_target(frame, "labels", drop_missing=True)
        values = np.full((frame.height, parsed.values.shape[1]), np.nan)
        values[parsed.rows] = parsed.values
        return values
    return np.stack([right_numbers(frame[name]) for name in frame.columns], axis=1)


def _numbers(frame: pl.DataFrame, described: NumbersInput) -> Any:
    """Return rows for a model of plain numbers."""
    values = read_numbers(frame, described)
    return pl.DataFrame(values) if described.names else np.stack(list(values.values()), axis=1)


def _read_files(
    model: FathomClassifier | FathomRegressor,
    model_path: Path,
    described: ImageInput,
    options: TableOptions,
) -> _Given:
    """Read pictures, or recordings as pictures of what is heard, with their target."""
    options = _table_of(model_path, options)
    judged = read_judged(model, options)
    levels = as_levels(judged.x, described)
    y = _truth(judged.truth, model.schema_.target)
    target = ", ".join(judged.truth.columns)
    is_training = _is_training(model_path, options)
    return _Given(levels, y, _called(options.path), target, is_training, judged.names)


def _read_pictures(described: ImageInput, source: str) -> _Given:
    """Read pictures of digits with their classes: those kept for testing."""
    if not described.is_ink or described.height != described.width:
        raise InputError(
            "a model that reads pictures of ink, as fathom digits makes, or tables",
            got=f"one for pictures of {described.height}×{described.width} pixels",
            hint="fathom evaluate says how good this one is",
        )  # fmt: skip
    digits = load_digits(source or NAMES[0])
    if digits.x_test.shape[1:] != (described.height, described.width):
        raise InputError(
            f"pictures of {described.height}×{described.width} pixels",
            got="{}×{}".format(*digits.x_test.shape[1:]),
            hint="give pictures of the size it was trained on",
        )  # fmt: skip
    return _Given(digits.x_test, digits.y_test, f"{digits.name} (test)", "", False)
