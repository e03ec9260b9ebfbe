"""Held out: rows that no network has seen, what they are, and what the model says of them."""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from fathom.data.schema import Label, Target
from fathom.data.target import parse_target, read_target
from fathom.errors import FathomError, InputError
from fathom.estimators.base import FathomEstimator
from fathom.estimators.evaluation import Evaluation
from fathom.estimators.reporting.judging import evaluate, on_errors, row_losses
from fathom.inspection.representations import draw_rows
from fathom.inspection.spread import check_spread
from fathom.inspection.svg import Axis
from fathom.inspection.trust import check_calibration, check_confusion
from fathom.studio.row_messages import HeldOutRow, RowList
from fathom.studio.table_messages import CalibrationFacts, Point, SpreadFacts
from fathom.studio.wording import in_both

MOST_LISTED = 50
MOST_POINTS = 400


@dataclass(frozen=True)
class HeldOut:
    """Rows that no network has seen, and what the model says of them.

    Attributes
    ----------
    frame : polars.DataFrame
        All rows kept apart, as they came.
    places : numpy.ndarray or None
        Their numbers in the table, from 0, where those are known.
    target : Target
        What is predicted.
    rows : numpy.ndarray
        Numbers of those whose target the model knows; the arrays below are of these.
    truth : numpy.ndarray
        Class numbers, shape (n,), or numbers, shape (n, 1).
    said : numpy.ndarray
        Probabilities, shape (n, classes), or numbers, shape (n, 1).
    evaluation, guess : Evaluation or None
        How good that is, and how good always giving the same answer is; None of too few rows.
    """

    frame: pl.DataFrame
    places: np.ndarray | None
    target: Target
    rows: np.ndarray
    truth: np.ndarray
    said: np.ndarray
    evaluation: Evaluation | None
    guess: Evaluation | None


def judge(model: FathomEstimator, frame: pl.DataFrame, places: np.ndarray | None = None) -> HeldOut:
    """Ask a model about rows kept apart, and say how good its answers are.

    Parameters
    ----------
    model : FathomClassifier or FathomRegressor
        The model.
    frame : polars.DataFrame
        The rows, with the target.
    places : numpy.ndarray, optional
        Their numbers in the table, from 0.
    """
    target, asked = model.schema_.target, _asked(model)
    goal = frame[target.names[0]]
    names: Iterable[Any] = target.names
    if target.task == "classes":
        truth = read_target(goal, target)
        rows, names = np.flatnonzero(truth >= 0), target.classes
    else:
        truth = _numbers(goal)
        rows = np.flatnonzero(np.isfinite(truth[:, 0]))
    truth = truth[rows]
    said = asked(frame[rows]) if len(rows) else np.zeros((0, target.n_outputs))
    said = np.asarray(said, np.float64).reshape(len(rows), -1)
    found: Evaluation | None = None
    guess: Evaluation | None = None
    with contextlib.suppress(FathomError, ValueError):  # too few rows to judge by
        found, guess = evaluate(target.task, truth, said, tuple(names))
    return HeldOut(frame, places, target, rows, truth, said, found, guess)


def _asked(model: FathomEstimator) -> Any:
    return getattr(model, "predict_proba", None) or getattr(model, "predict")  # noqa: B009


def _numbers(goal: pl.Series) -> np.ndarray:
    try:
        return parse_target(goal, "numbers").values.reshape(-1, 1)
    except FathomError:  # the same number in all of them
        return goal.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy().reshape(-1, 1)


def calibration_of(held: HeldOut) -> CalibrationFacts | None:
    """Say whether probabilities can be taken at their word; None where there are none."""
    if held.target.task != "classes" or held.evaluation is None:
        return None
    found = check_calibration(held.said, held.truth)
    return CalibrationFacts(
        n_rows=found.n_rows, accuracy=found.accuracy, confidence=found.confidence,
        error=found.error, chance_error=found.chance_error, bins=found.bins,
        said=tuple(map(in_both, found.findings)),
    )  # fmt: skip


def spread_of(held: HeldOut) -> SpreadFacts | None:
    """Say whether predicted numbers can be taken at their word; None where there are none."""
    if held.target.task != "numbers" or held.truth.shape[1:] != (1,) or not len(held.rows):
        return None
    said, right = held.said[:, 0], held.truth[:, 0]
    found = check_spread(said, right)
    low, high = float(min(said.min(), right.min())), float(max(said.max(), right.max()))
    if low == high:
        low, high = low - 1.0, high + 1.0
    points = tuple(
        Point(row=held.rows[place], right=right[place], predicted=said[place])
        for place in draw_rows(len(said), MOST_POINTS, 0)
    )
    findings = (*found.findings, *on_errors(held.truth, held.said))
    return SpreadFacts(
        n_rows=found.n_rows, half=found.half, most=found.most, bands=found.bands, points=points,
        low=low, high=high, ticks=tuple(Axis(low, high, 0.0, 1.0).ticks(5)),
        said=tuple(map(in_both, findings)),
    )  # fmt: skip


def rows_of_cell(held: HeldOut, truth: int, prediction: int) -> RowList:
    """Return the rows of one class that were taken for another.

    Of mistakes the surest come first, of right answers the least sure.

    Raises
    ------
    InputError
        If there are no such classes.
    """
    classes = held.target.classes
    if held.target.task != "classes" or not max(truth, prediction) < len(classes):
        raise InputError(
            "two numbers of classes", got=f"{truth} and {prediction}",
            hint="choose a cell of the table of mistakes",
        )  # fmt: skip
    found = check_confusion(held.truth, held.said, classes, most_rows=MOST_LISTED)
    wanted = (cell for cell in found.cells if (cell.truth, cell.prediction) == (truth, prediction))
    cell = next(wanted, None)
    return _listed(held, cell.rows if cell else (), cell.n if cell else 0)


def worst_rows(held: HeldOut) -> RowList:
    """Return the rows the model is most wrong about, the worst first."""
    losses = row_losses(held.target.task, held.truth, held.said)
    order = np.argsort(-losses, kind="stable")[:MOST_LISTED]
    return _listed(held, order.tolist(), len(losses))


def _listed(held: HeldOut, places: Iterable[int], n_all: int) -> RowList:
    chosen = list(places)
    shown = held.frame.drop(held.target.names[0])[held.rows[chosen].tolist()]
    cells = shown.with_columns(pl.all().cast(pl.String, strict=False)).rows()
    return RowList(
        columns=tuple(shown.columns), n_all=n_all,
        rows=tuple(
            HeldOutRow(
                row=int(held.rows[which]), place=_place(held, which), cells=line,
                **_told(held, which),
            )
            for which, line in zip(chosen, cells, strict=True)
        ),
    )  # fmt: skip


def _place(held: HeldOut, which: int) -> int | None:
    return None if held.places is None else int(held.places[held.rows[which]]) + 1


def _told(held: HeldOut, place: int) -> dict[str, Any]:
    said, truth = held.said[place], held.truth[place]
    if held.target.task != "classes":
        return {"truth": float(truth[0]), "said": float(said[0]), "sure": None, "truth_share": None}
    guess, right = int(said.argmax()), int(truth)
    classes: tuple[Label, ...] = held.target.classes
    return {
        "truth": classes[right], "said": classes[guess], "sure": float(said[guess]),
        "truth_share": float(said[right]),
    }  # fmt: skip
