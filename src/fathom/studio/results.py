"""Results: what a search found, as the data page shows it."""

import subprocess
import sys
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from fathom.data.schema import Column, TableInput, Target
from fathom.data.target import parse_target, read_target
from fathom.deployment.archive import load
from fathom.errors import FathomError, InputError
from fathom.estimators.base import FathomEstimator
from fathom.estimators.evaluation import (
    Evaluation,
    evaluate_classes,
    evaluate_numbers,
)
from fathom.estimators.reporting.facts import on_search
from fathom.inspection.importance import measure_importance
from fathom.search.report import Candidate
from fathom.studio.table_messages import (
    CellRows,
    ColumnWorth,
    FormColumn,
    Place,
    Prediction,
    Result,
    Worth,
)
from fathom.studio.wording import in_both

MOST_MODELS = 3  # kept in memory
MOST_ROWS, MOST_CATEGORIES = 50, 200
MOST_JUDGED = 1000  # rows by which columns are weighed
PAGE_SECONDS = 600
PAGE_OPTIONS = {  # of the command that writes a page of this kind
    "report": (f"--rows={MOST_JUDGED}",),
    "descent": ("--time-limit=30", "--rows=1000"),
    "space": ("--time-limit=30", "--rows=1000"),
}


class Results:
    """Models that jobs have made, opened once."""

    def __init__(self) -> None:
        self._models: OrderedDict[tuple[str, int], Any] = OrderedDict()
        self._lock = threading.Lock()

    def model(self, folder: Path) -> Any:
        """Return the model in a folder.

        Raises
        ------
        InputError
            If there is none yet.
        """
        path = folder / "model.fathom"
        if not path.is_file():
            raise InputError(
                "a model of this search", got="none yet",
                hint="wait until it has one, or start another search",
            )  # fmt: skip
        key = (str(path), path.stat().st_mtime_ns)
        with self._lock:
            if key not in self._models:
                self._models[key] = load(path)
                while len(self._models) > MOST_MODELS:
                    self._models.popitem(last=False)
            self._models.move_to_end(key)
            return self._models[key]

    def result(self, folder: Path) -> Result:
        """Return what came of a search: how good it is on rows kept apart, and what was tried."""
        model, report = self.model(folder), self.model(folder).report_
        target, test = model.schema_.target, _test_rows(folder)
        judged = guess = None
        if test is not None:
            judged, guess = _judge(model, test, target)
        first = test if test is not None else pl.read_parquet(folder / "train.parquet").head(1)
        candidates = sorted(
            report.candidates, key=lambda one: (one.status != "kept", one.loss is None, one.loss)
        )
        return Result(
            task=target.task, target=", ".join(target.names), classes=target.classes,
            n_test=0 if test is None else test.height,
            metrics=judged.metrics if judged else (),
            baselines=tuple(one.value for one in guess.metrics) if guess else (),
            per_class=judged.per_class if judged else (),
            confusion=judged.confusion if judged else (),
            calibration=judged.calibration if judged else (),
            words=tuple(map(in_both, on_search(model))),
            notes=tuple(map(in_both, report.notes)),
            loss_name=report.loss_name, loss=report.validation_loss,
            places=tuple(_place(one) for one in candidates),
            form=tuple(_form(model.schema_.input, first)),
        )  # fmt: skip

    def predict(self, folder: Path, values: dict[str, str | None]) -> Prediction:
        """Return what the model says of one row."""
        model = self.model(folder)
        columns = [column.name for column in model.schema_.input.columns]
        row = pl.DataFrame(
            {name: [values.get(name) or None] for name in columns},
            schema=dict.fromkeys(columns, pl.String),
        )
        target = model.schema_.target
        if target.task == "classes":
            said = model.predict_proba(row)[0]
            return Prediction(classes=target.classes, probabilities=said.tolist(), numbers=())
        said = np.asarray(model.predict(row)).reshape(-1)
        return Prediction(classes=(), probabilities=(), numbers=said.tolist())

    def cell_rows(self, folder: Path, truth: int, prediction: int) -> CellRows:
        """Return rows of one class that were taken for another, the surest first."""
        model, test = self.model(folder), _test_rows(folder)
        target: Target = model.schema_.target
        if test is None or target.task != "classes":
            raise InputError(
                "a model of classes, and rows kept apart to judge it",
                got="a model of numbers, or no rows kept apart",
                hint="start a search that keeps rows apart",
            )  # fmt: skip
        said = model.predict_proba(test)
        right = read_target(test[target.names[0]], target)
        at = np.flatnonzero((right == truth) & (said.argmax(axis=1) == prediction))
        sure = said[at].max(axis=1, initial=0.0)
        chosen = at[np.argsort(-sure, kind="stable")[:MOST_ROWS]]
        shown = test[chosen].with_columns(pl.all().cast(pl.String, strict=False))
        return CellRows(
            columns=tuple(shown.columns), rows=tuple(shown.rows()),
            sure=tuple(said[chosen].max(axis=1, initial=0.0).tolist()), n_all=len(at),
        )  # fmt: skip

    def worth(self, folder: Path) -> Worth:
        """Return what each column is worth: by how much the score falls when it is shuffled."""
        model, test = self.model(folder), _test_rows(folder)
        if test is None:
            test = pl.read_parquet(folder / "train.parquet")
        target: Target = model.schema_.target
        known = {column.name for column in model.schema_.input.columns}
        x = test.select(name for name in test.columns if name in known)
        if target.task == "classes":
            right = read_target(test[target.names[0]], target)
            found = measure_importance(
                model.predict_proba, x, right, classes=range(len(target.classes)), n_repeats=3,
                most_rows=MOST_JUDGED,
            )  # fmt: skip
        else:
            right = parse_target(test[target.names[0]], "numbers").values
            found = measure_importance(
                model.predict, x, right.reshape(-1), n_repeats=3, most_rows=MOST_JUDGED
            )
        columns = tuple(
            ColumnWorth(column=one.column, drop=one.drop, low=one.low, high=one.high)
            for one in found.columns
        )
        return Worth(score_name=found.score_name, columns=columns)

    def page_on(self, folder: Path, kind: str, language: str) -> Path:
        """Return a page on a model as a file, written by the command that writes such pages.

        Parameters
        ----------
        folder : Path
            Where the model is.
        kind : {"report", "descent", "space"}
            How good it is and why; the error surface its network descends; what its layers do to
            the rows.
        language : {"en", "zh"}
            Of the page.

        Raises
        ------
        InputError
            If there is no such page, or the model is none for it.
        """
        if kind not in PAGE_OPTIONS:
            raise InputError(f"a page: {', '.join(PAGE_OPTIONS)}", got=kind[:40])
        name = f"{kind}-{language}.html"
        place = folder / name
        if not place.is_file():
            has_test = (folder / "test.parquet").is_file() and kind != "descent"
            data = "test.parquet" if has_test else "train.parquet"
            command = [
                sys.executable, "-m", "fathom", kind, "model.fathom", f"--data={data}",
                f"--output=new-{name}", *PAGE_OPTIONS[kind],
                f"--lang={language}",
            ]  # fmt: skip
            done = subprocess.run(
                command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, check=False,
                timeout=PAGE_SECONDS,
            )  # fmt: skip
            if done.returncode:
                said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
                raise InputError(
                    f"a model for the {kind} page", got=said[:300],
                    hint="download the model and ask the command for it",
                )  # fmt: skip
            (folder / f"new-{name}").replace(place)
        return place


def _test_rows(folder: Path) -> pl.DataFrame | None:
    place = folder / "test.parquet"
    return pl.read_parquet(place) if place.is_file() else None


def _judge(
    model: FathomEstimator, test: pl.DataFrame, target: Target
) -> tuple[Evaluation | None, Evaluation | None]:
    """Return how good the model is on rows it has not seen, and how good guessing is."""
    asked: Any = model
    try:
        if target.task == "classes":
            right = read_target(test[target.names[0]], target)
            rows = np.flatnonzero(right >= 0)
            said, right = asked.predict_proba(test[rows]), right[rows]
            shares = np.bincount(right, minlength=said.shape[1]) / len(right)
            guess = np.tile(shares, (len(right), 1))
            return (
                evaluate_classes(right, said, target.classes),
                evaluate_classes(right, guess, target.classes, n_resamples=0),
            )
        truth = parse_target(test[target.names[0]], "numbers").values.reshape(-1, 1)
        said = np.asarray(asked.predict(test)).reshape(-1, 1)
        mean = np.full_like(truth, truth.mean())
        return (
            evaluate_numbers(truth, said, target.names),
            evaluate_numbers(truth, mean, target.names, n_resamples=0),
        )
    except FathomError:
        return None, None  # too few rows to judge by


def _place(one: Candidate) -> Place:
    return Place(
        network=one.number + 1, status=one.status, structure=in_both(str(one.genes)),
        weight=one.weight,
        loss=one.loss, train_loss=one.train_loss, epochs=one.n_epochs, seconds=one.seconds,
        origin=in_both(one.origin), reason=in_both(one.reason),
    )  # fmt: skip


def _form(table: TableInput, rows: pl.DataFrame) -> list[FormColumn]:
    first = rows.head(1).with_columns(pl.all().cast(pl.String, strict=False))
    values = first.row(0, named=True) if first.height else {}
    return [_field(column, values.get(column.name)) for column in table.columns if column.is_used]


def _field(column: Column, value: str | None) -> FormColumn:
    is_number = column.kind == "number" and column.low is not None and column.high is not None
    is_whole = is_number and column.low == round(column.low or 0) and (
        column.high == round(column.high or 0) and "." not in (value or "")
    )  # fmt: skip
    return FormColumn(
        name=column.name, kind=column.kind, low=column.low if is_number else None,
        high=column.high if is_number else None, is_whole=bool(is_whole),
        categories=column.categories[:MOST_CATEGORIES], value=value,
    )  # fmt: skip
