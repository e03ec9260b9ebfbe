"""Gathering: from a fitted model and rows with their target to what a report says."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from sklearn.utils.validation import check_is_fitted

from fathom.data.schema import ImageInput, Target
from fathom.data.target import read_target
from fathom.errors import InputError
from fathom.estimators.base import FathomEstimator
from fathom.estimators.checking import dense_target
from fathom.estimators.evaluation import Evaluation
from fathom.estimators.factoring import read_combinations
from fathom.estimators.reporting.answering import Answers, take
from fathom.estimators.reporting.asking import Asker, read_rows
from fathom.estimators.reporting.factors import asked_factors, judged_target, on_factors
from fathom.estimators.reporting.facts import (
    column_facts,
    curve_facts,
    network_facts,
    on_columns,
    on_search,
)
from fathom.estimators.reporting.judging import (
    class_facts,
    evaluate,
    find_verdict,
    held_out_facts,
    metric_facts,
    on_errors,
    on_losses,
    row_losses,
)
from fathom.estimators.reporting.looking import look_at_columns, look_inside
from fathom.estimators.reporting.mistakes import find_mistakes, find_surest
from fathom.inspection.findings import Finding, find
from fathom.inspection.report.contents import ReportContents, Scatter
from fathom.inspection.representations import draw_rows
from fathom.inspection.trust import Confusion, check_calibration, check_confusion, check_gap

MOST_POINTS = 1500  # in a chart of predicted numbers
MOST_CLASSES = 100  # up to which who is taken for whom is looked at
MOST_NAMED = 12  # classes in a sentence


def gather_report(
    model: FathomEstimator,
    X: Any,
    y: Any,
    *,
    model_name: str = "the model",
    data_name: str = "the data",
    target_name: str = "",
    is_training: bool | None = None,
    most_rows: int | None = None,
    row_names: Sequence[str] = (),
    seed: int = 0,
) -> ReportContents:
    """Find out what a report says of a fitted model on rows whose target is known.

    Parameters
    ----------
    model : FathomClassifier or FathomRegressor
        A fitted estimator.
    X : array-like or data frame
        Rows or pictures, as for ``predict``; best such as it was not trained on.
    y : array-like
        Their target, as for ``fit``; rows whose target is missing or unknown are left out.
    model_name, data_name, target_name : str
        What they are called; the target as in training where left out.
    is_training : bool, optional
        Whether these are the rows of training; guessed by their number where left out.
    most_rows : int, optional
        Rows looked at, drawn at random from more; all where left out.
    row_names : sequence of str, optional
        What each row is called, for example the file of a picture.
    seed : int, default 0
        Seed of every draw.

    Returns
    -------
    ReportContents
        Everything the report says; `fathom.inspection.report.write_report` makes a page of it.

    Raises
    ------
    InputError
        If no row has a target that is known to the model, or rows and targets do not agree.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fathom import Architecture, Dense, FathomClassifier
    >>> x, y = load_iris(return_X_y=True)
    >>> layers = (Dense(units=4, activation="tanh"), Dense(units=3, activation="softmax"))
    >>> described = Architecture(input_shape=(4,), layers=layers, loss="cross_entropy")
    >>> model = FathomClassifier(described, time_limit=5, random_state=0).fit(x, y)
    >>> contents = gather_report(model, x, y, data_name="iris")
    >>> [metric.name for metric in contents.metrics][:2], len(contents.confusion.classes)
    (['accuracy', 'balanced accuracy'], 3)
    """
    check_is_fitted(model, "networks_")
    asked = model.schema_.target
    target = judged_target(asked)
    truth, known = _read_truth(y, asked, len(X))
    rows, n_known = known, len(known)
    if most_rows is not None:
        rows = known[draw_rows(n_known, most_rows, seed)]
    asker = read_rows(model, take(X, rows))
    answers, guess = _answer(asker, truth[rows], rows + 1, target, target_name)
    if is_training is None:
        is_training = n_known == _count_learned(model)
    parts = _on_answers(answers, target)
    if asked.factors:
        prior = getattr(model, "prior", "training")
        parts |= on_factors(asker.raw(), answers.said, answers.y, asked, prior)
    about = _on_rows(asker, len(X) - n_known, len(rows), n_known, target_name)
    shown_target = target_name or ", ".join(target.names)
    importance, dependence, of = look_at_columns(answers, target, seed)
    return ReportContents(
        model=model_name, data=data_name, task=target.task,
        target=shown_target, classes=target.classes, n_rows=len(rows), n_all=len(X),
        verdict=tuple(
            find_verdict(
                model, answers.evaluation, guess, shown_target,
                _most_frequent(target, truth[rows]), is_training=is_training,
            )
        ),
        on_search=tuple(on_search(model)),
        **_on_target(answers.y, target), held_out=held_out_facts(model),
        metrics=metric_facts(answers.evaluation, guess),
        per_class=class_facts(answers.evaluation),
        networks=network_facts(model), loss_name=_loss_name(model),
        curves=curve_facts(model), gap=check_gap(model._comparable_history()),
        importance=importance, dependence=dependence, dependence_of=of,
        mistakes=find_mistakes(answers, target, importance, row_names),
        **about, **parts, **look_inside(answers, asked, seed),
    )  # fmt: skip


def _count_learned(model: FathomEstimator) -> int:
    """Return how many rows a search was given; 0 where there was none."""
    found = getattr(model, "design_", None)
    return 0 if found is None else found.n_rows


def _read_truth(y: Any, target: Target, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what is right for each row, and the rows of which it is known, one at least."""
    truth, is_known = _read_target(y, target)
    if len(truth) != n_rows:
        raise InputError(
            f"a target for each of {n_rows:,} rows", got=f"{len(truth):,}",
            hint="give X and y of the same rows",
        )  # fmt: skip
    known = np.flatnonzero(is_known)
    if not len(known):
        raise InputError(
            "a row whose target the model knows", got="none",
            hint="give rows of classes it was trained on",
        )  # fmt: skip
    return truth, known


def _read_target(y: Any, target: Target) -> tuple[np.ndarray, np.ndarray]:
    """Return class numbers (n,), or labels or numbers (n, outputs), and which rows have them.

    Of factors the numbers are places among all combinations.
    """
    if target.factors:
        places = read_combinations(y, target)
        return places, np.asarray(places >= 0)
    if target.task == "classes":
        numbers = read_target(y if isinstance(y, pl.Series) else np.asarray(y), target)
        return numbers, np.asarray(numbers >= 0)
    values = np.asarray(dense_target(y), np.float64)
    values = values.reshape(len(values), -1)
    if values.shape[1] != target.n_outputs:
        raise InputError(
            f"{target.n_outputs} columns of target", got=f"{values.shape[1]}",
            hint="give y as in training",
        )  # fmt: skip
    return values, np.asarray(np.isfinite(values).all(axis=1))


def _names(target: Target, name: str) -> tuple[Any, ...]:
    if target.task == "classes":
        return target.classes
    if len(target.names) == target.n_outputs:
        return target.names
    return (name,) if name and target.n_outputs == 1 else ()


def _answer(
    asker: Asker, y: np.ndarray, numbers: np.ndarray, target: Target, name: str
) -> tuple[Answers, Evaluation]:
    said = asker.outputs()
    evaluation, guess = evaluate(target.task, y, said, _names(target, name))
    losses = row_losses(target.task, y, said)
    return Answers(asker, y, said, losses, numbers, evaluation), guess


def _most_frequent(target: Target, y: np.ndarray) -> str:
    if target.task != "classes":
        return ""
    return str(target.classes[int(np.bincount(y).argmax())])


def _loss_name(model: FathomEstimator) -> str:
    report = getattr(model, "report_", None)
    if report is not None:
        return str(report.loss_name)
    return "squared error" if model.architecture_.loss == "squared_error" else "log loss"


def _on_rows(asker: Asker, n_unknown: int, n_rows: int, n_all: int, name: str) -> dict[str, Any]:
    """Say what the rows are."""
    model = asker.model
    found = [_asked(model.schema_.target, name)]
    if n_rows < n_all:
        found.append(find("data_rows_drawn", n_rows=n_rows, n_all=n_all))
    if n_unknown:
        found.append(find("data_no_target", n=n_unknown))
    described = model.schema_.input
    if isinstance(described, ImageInput):
        return {"on_data": tuple(found), "picture_shape": described.shape}
    if asker.parsed is None:
        return {"on_data": tuple(found)}
    columns = column_facts(model, asker.parsed)
    found += on_columns(columns, asker.parsed)
    before = getattr(getattr(model, "report_", None), "notes", ())
    notes = tuple(dict.fromkeys((*before, *asker.parsed.notes)))
    return {"on_data": tuple(found), "columns": columns, "notes": notes}


def _asked(target: Target, name: str) -> Finding:
    """Say what the model was made to answer."""
    if target.factors:
        return asked_factors(target)
    if target.task == "classes":
        classes = list(map(str, target.classes))
        few = ", ".join(classes[:MOST_NAMED]) + (", …" if len(classes) > MOST_NAMED else "")
        return find("asked_classes", n_classes=len(classes), classes=few)
    names = ", ".join(target.names[:MOST_NAMED]) + (", …" * (len(target.names) > MOST_NAMED))
    if target.task == "labels":
        return find("asked_labels", n_labels=target.n_outputs, labels=names or "–")
    return find("asked_numbers", target=name or names or "y")


def _on_target(y: np.ndarray, target: Target) -> dict[str, Any]:
    """Return how many rows there are of each class, or some of the right numbers."""
    if target.task == "classes":
        n = np.bincount(y, minlength=len(target.classes))
        return {"counts": tuple(zip(map(str, target.classes), n.tolist(), strict=True))}
    if target.task == "labels":
        names = target.names or tuple(f"{n + 1}" for n in range(target.n_outputs))
        n = (y > 0.5).sum(axis=0)
        return {"counts": tuple(zip(names, n.tolist(), strict=True))}
    return {"target_values": tuple(y[draw_rows(len(y), MOST_POINTS, 0), 0].tolist())}


def _on_answers(answers: Answers, target: Target) -> dict[str, Any]:
    """Look at where the answers go, and at the worst of them."""
    y, said = answers.y, answers.said
    found = on_losses(target.task, answers.losses)
    if target.task == "numbers":
        shown = draw_rows(len(y), MOST_POINTS, 0)
        name = target.names[0] if target.names else ""
        scatter = Scatter(name, y[shown, 0], said[shown, 0])
        return {
            "scatter": scatter, "on_answers": tuple(on_errors(y, said)),
            "on_mistakes": tuple(found),
        }  # fmt: skip
    if target.task == "labels":
        return {"on_mistakes": tuple(found)}
    p = said / said.sum(axis=1, keepdims=True)
    parts: dict[str, Any] = {"calibration": check_calibration(p, y)}
    if len(target.classes) <= MOST_CLASSES:
        confusion = check_confusion(y, p, target.classes)
        parts["confusion"] = _numbered(confusion, answers.numbers)
    return {**parts, "on_mistakes": (*find_surest(answers, target), *found)}


def _numbered(confusion: Confusion, numbers: np.ndarray) -> Confusion:
    """Return a confusion whose rows have the numbers they have in the data."""
    cells = tuple(
        cell.model_copy(update={"rows": tuple(numbers[list(cell.rows)].tolist())})
        for cell in confusion.cells
    )
    return confusion.model_copy(update={"cells": cells})
