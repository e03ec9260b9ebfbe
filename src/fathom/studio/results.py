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
from fathom.errors import InputError
from fathom.estimators.reporting.facts import on_search
from fathom.inspection.importance import measure_importance
from fathom.search.report import Candidate
from fathom.studio.held_out import (
    HeldOut,
    calibration_of,
    judge,
    rows_of_cell,
    spread_of,
    worst_rows,
)
from fathom.studio.row_messages import RowList
from fathom.studio.table_messages import (
    ColumnWorth,
    FormColumn,
    Place,
    Prediction,
    Result,
    Worth,
)
from fathom.studio.wording import in_both

MOST_MODELS = 3  # kept in memory
MOST_CATEGORIES = 200
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
        self._held: dict[tuple[str, int], HeldOut] = {}
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
        key = _key(path)
        with self._lock:
            if key not in self._models:
                self._models[key] = load(path)
                while len(self._models) > MOST_MODELS:
                    self._held.pop(self._models.popitem(last=False)[0], None)
            self._models.move_to_end(key)
            return self._models[key]

    def held_out(self, folder: Path) -> HeldOut | None:
        """Return what the model says of the rows kept apart; None where there are none."""
        model, key = self.model(folder), _key(folder / "model.fathom")
        place = folder / "test.parquet"
        if not place.is_file():
            return None
        with self._lock:
            if key not in self._held:
                rows = folder / "test_rows.npy"
                known = np.load(rows, allow_pickle=False) if rows.is_file() else None
                self._held[key] = judge(model, pl.read_parquet(place), known)
            return self._held[key]

    def require_held_out(self, folder: Path) -> HeldOut:
        """Return the same.

        Raises
        ------
        InputError
            If no rows were kept apart.
        """
        found = self.held_out(folder)
        if found is None:
            raise InputError(
                "rows kept apart to judge the model", got="none",
                hint="start a search that keeps rows apart",
            )  # fmt: skip
        return found

    def result(self, folder: Path) -> Result:
        """Return what came of a search: how good it is on rows kept apart, and what was tried."""
        model = self.model(folder)
        report, target = getattr(model, "report_", None), model.schema_.target
        held = self.held_out(folder)
        judged, guess = (held.evaluation, held.guess) if held else (None, None)
        first = held.frame if held else pl.read_parquet(folder / "train.parquet").head(1)
        candidates = sorted(
            report.candidates if report else (),
            key=lambda one: (one.status != "kept", one.loss is None, one.loss),
        )
        return Result(
            task=target.task, target=", ".join(target.names), classes=target.classes,
            n_test=held.frame.height if held else 0,
            metrics=judged.metrics if judged else (),
            baselines=tuple(one.value for one in guess.metrics) if guess else (),
            per_class=judged.per_class if judged else (),
            confusion=judged.confusion if judged else (),
            calibration=calibration_of(held) if held else None,
            spread=spread_of(held) if held else None,
            words=tuple(map(in_both, on_search(model))),
            notes=tuple(map(in_both, report.notes if report else ())),
            loss_name=report.loss_name if report else "",
            loss=report.validation_loss if report else None,
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
        return say_of_row(model, row)

    def cell_rows(self, folder: Path, truth: int, prediction: int) -> RowList:
        """Return rows of one class that were taken for another."""
        return rows_of_cell(self.require_held_out(folder), truth, prediction)

    def worst_rows(self, folder: Path) -> RowList:
        """Return the rows kept apart that the model is most wrong about."""
        return worst_rows(self.require_held_out(folder))

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


def _key(path: Path) -> tuple[str, int]:
    return str(path), path.stat().st_mtime_ns


def _test_rows(folder: Path) -> pl.DataFrame | None:
    place = folder / "test.parquet"
    return pl.read_parquet(place) if place.is_file() else None


def say_of_row(model: Any, row: pl.DataFrame) -> Prediction:
    """Return what a model says of a table of one row."""
    target = model.schema_.target
    if target.task == "classes":
        said = model.predict_proba(row)[0]
        return Prediction(classes=target.classes, probabilities=said.tolist(), numbers=())
    said = np.asarray(model.predict(row)).reshape(-1)
    return Prediction(classes=(), probabilities=(), numbers=said.tolist())


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
