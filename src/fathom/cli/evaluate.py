"""The verb ``evaluate``: how good a model is on rows whose target is known."""

import os
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from fathom.cli.combinations import say_evaluated, take_prior
from fathom.cli.engine import prepare_engine
from fathom.cli.illustrated import TakenRows, placed
from fathom.cli.pictures import read_judged
from fathom.cli.screen import Screen
from fathom.cli.tables import (
    TableOptions,
    read_more,
    recall_run,
    shown_notes,
    shown_path,
    split_names,
    started_at,
)
from fathom.cli.transcripts import judge_texts
from fathom.data.cells import listing, nearest, quoted, to_cells, to_numbers
from fathom.data.combinations import combinations_of
from fathom.data.parsing import parse_table
from fathom.data.readings import read_as_numbers
from fathom.data.schema import ImageInput, Label, TableInput, Target
from fathom.data.target import parse_target, read_target
from fathom.deployment.archive import load_any
from fathom.errors import InputError
from fathom.estimators import FathomClassifier, FathomRegressor, FathomTranscriber
from fathom.estimators.evaluation import (
    Evaluation,
    evaluate_classes,
    evaluate_labels,
    evaluate_numbers,
)
from fathom.estimators.factoring import read_combinations

SEEN = (
    "the model was trained on these very rows, so the figures are too good; rows it has not seen "
    "tell how good it is"
)


def run_evaluate(
    model_path: str, options: TableOptions, is_json: bool, prior: str | None = None
) -> None:
    """Predict the rows of a table and hold the predictions against the truth."""
    began = started_at()
    screen = Screen(is_json)
    prepare_engine()
    model = load_any(model_path)
    take_prior(model, prior)
    schema = model.schema_
    if isinstance(model, FathomTranscriber):
        judge_texts(screen, model, options, began)
        return
    if isinstance(schema.input, ImageInput) and schema.input.is_photo:
        known = read_judged(model, options)
        evaluation, more = evaluate(model, known.x, known.truth)
        notes = (*known.notes, *more)
        _show(screen, evaluation, notes, model, model_path, options, began, len(known.names))
        return
    if not isinstance(schema.input, TableInput):
        raise InputError(
            "a model of a table", got=f"{model_path}, which is none",
            hint="in Python model.score(x, y) judges any model",
        )  # fmt: skip
    table = read_more(options, Path(model_path), schema.input)
    used = {c.name for c in schema.input.columns if c.is_used and schema.input.is_named}
    names = target_names(table.frame, schema.target, options, used)
    features, odd = placed(table.frame.drop(names), schema.input, options)
    parsed = parse_table(
        features, schema.input.columns, is_named=schema.input.is_named, ignored=schema.target.names
    )
    truth = table.frame.select(names)
    rows = TakenRows(parsed) if schema.input.has_pictures else features
    evaluation, notes = evaluate(model, rows, truth)
    notes = (*_if_seen(model, Path(model_path), options, table.frame.height), *table.notes, *odd,
             *parsed.notes, *notes)  # fmt: skip
    _show(screen, evaluation, notes, model, model_path, options, began, table.frame.height)


def _show(
    screen: Screen,
    evaluation: Evaluation,
    notes: tuple[str, ...],
    model: FathomClassifier | FathomRegressor,
    model_path: str,
    options: TableOptions,
    began: float,
    n_rows: int,
) -> None:
    shown = shown_path(options.path)
    screen.say(f"{model_path} on {n_rows:,} rows of {shown}")
    for line in shown_notes(notes):
        screen.say(line)
    screen.say()
    screen.say(str(evaluation))
    if isinstance(model, FathomClassifier) and model.schema_.target.factors:
        say_evaluated(screen, evaluation, model)
    screen.emit("evaluation", **evaluation.model_dump(mode="json"), notes=list(notes))
    first = evaluation.metrics[0]
    seconds = round(time.monotonic() - began, 3)
    screen.emit("done", metric=first.name, score=first.value, seconds=seconds, output=None)


def _if_seen(
    model: FathomClassifier | FathomRegressor, path: Path, options: TableOptions, n_rows: int
) -> tuple[str, ...]:
    """Say so where the table is the file the model was trained on, on this machine."""
    known = recall_run(path)
    if known is None or _n_learned(model) > n_rows:
        return ()
    if (known.query, known.sheet) != (options.query, options.sheet):
        return ()
    try:
        is_same = os.path.samefile(known.path, options.path)
    except (OSError, ValueError):
        return ()
    return (SEEN,) if is_same else ()


def _n_learned(model: FathomClassifier | FathomRegressor) -> int:
    return model.design_.n_rows if hasattr(model, "design_") else 0


def target_names(
    frame: pl.DataFrame, target: Target, options: TableOptions, used: Collection[str]
) -> list[str]:
    """Return the columns of a table that hold the right answers, none of them among those used."""
    names = list(split_names(options.target, frame.columns) or target.names)
    if set(names) == set(target.names):
        names = list(target.names)  # in the order of training
    wanted = len(target.factors) or (1 if target.task == "classes" else target.n_outputs)
    if len(names) != wanted or len(set(names)) != wanted:
        what = "the column" if wanted == 1 else f"the {wanted} columns"
        raise InputError(
            f"--target with {what} of right answers", got=listing(names) or "none",
            hint="name as many columns as in training",
        )  # fmt: skip
    for name in names:
        if name not in frame.columns:
            raise InputError(
                f"the target {quoted(name)} in the table", got="no such column",
                hint=nearest(name, frame.columns) or "name it with --target COLUMN",
            )  # fmt: skip
        if name in used:
            raise InputError(
                "--target with a column of right answers",
                got=f"{quoted(name)}, from which the model predicts",
                hint="name the column that training predicted",
            )  # fmt: skip
    return names


def evaluate(
    model: FathomClassifier | FathomRegressor, features: Any, truth: pl.DataFrame
) -> tuple[Evaluation, tuple[str, ...]]:
    """Return how good predictions are, and what rows had to be left out.

    Parameters
    ----------
    model : FathomClassifier or FathomRegressor
        A fitted model of a table.
    features, truth : polars.DataFrame
        The rows (or an array of pictures), and the columns of their target.

    Raises
    ------
    InputError
        If no row has a target that is known to the model.
    """
    target = model.schema_.target
    if isinstance(model, FathomRegressor):
        numbers = np.stack([right_numbers(truth[name]) for name in truth.columns], axis=1)
        rows = np.flatnonzero(np.isfinite(numbers).all(axis=1))
        note = _left_out(truth.height - len(rows), "without a number as target")
        _require_rows(rows, "a number")
        predictions = model.predict(features[rows]).reshape(len(rows), -1)
        return evaluate_numbers(numbers[rows], predictions, _names(truth)), note
    if target.task == "labels":
        parsed = parse_target(truth, "labels", drop_missing=True)
        note = _left_out(truth.height - len(parsed.rows), "without labels")
        probabilities = model.predict_proba(features[parsed.rows])
        return evaluate_labels(parsed.values, probabilities, _names(truth)), note
    y = (
        read_combinations(truth, target)
        if target.factors
        else read_target(truth.to_series(), target)
    )
    classes: Sequence[Label] = target.classes
    rows = np.flatnonzero(y >= 0)
    note = _left_out(len(y) - len(rows), "with a class that is missing or unknown to the model")
    _require_rows(rows, f"one of {listing(classes)}")
    if target.factors:
        classes = combinations_of(target).names
        probabilities = model.predict_combination_proba(features[rows])
    else:
        probabilities = model.predict_proba(features[rows])
    return evaluate_classes(y[rows], probabilities, classes), note


def right_numbers(series: pl.Series) -> np.ndarray:
    """Read the right numbers as training reads them; NaN where there is none."""
    cells = to_cells(series)
    reading = read_as_numbers(cells) if cells.dtype == pl.String and cells.count() else None
    values = reading.values if reading else to_numbers(cells)
    return values.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _names(truth: pl.DataFrame) -> list[str]:
    return [quoted(name) for name in truth.columns]


def _left_out(n: int, what: str) -> tuple[str, ...]:
    rows = "row" if n == 1 else "rows"
    return (f"{n:,} {rows} {what} left out",) if n else ()


def _require_rows(rows: np.ndarray, what: str) -> None:
    if not len(rows):
        raise InputError(
            f"{what} as target", got="no such row",
            hint="name the right answers with --target COLUMN",
        )  # fmt: skip
