"""Tables as commands read them: the options, the target and the columns beside it, the record."""

import hashlib
import json
import os
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from fathom.data.cells import to_days, to_numbers
from fathom.data.datasets import cache_folder
from fathom.data.readings import read_as_dates
from fathom.data.schema import Target
from fathom.data.tables import Table, read_table
from fathom.data.target import choose_target, parse_target
from fathom.errors import InputError

MOST_NOTES = 8  # shown; JSON has all


@dataclass(frozen=True)
class TableOptions:
    """How a table is read and what its columns are for, as the user said it."""

    path: str
    target: tuple[str, ...] = ()
    task: str = "auto"
    group: str | None = None
    time: str | None = None
    weight: str | None = None
    class_weight: str | None = None
    drop_missing_target: bool = False
    kinds: dict[str, str] = field(default_factory=dict)
    separator: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    no_header: bool = False
    query: str | None = None
    seed: int = 0


@dataclass(frozen=True)
class TrainingTable:
    """A table taken apart for training."""

    features: pl.DataFrame
    target: Target
    y: np.ndarray
    weight: np.ndarray | None
    groups: np.ndarray | None
    order: np.ndarray | None
    notes: tuple[str, ...]


def started_at() -> float:
    """Return when this process began, on the clock of `time.monotonic`, as well as is known."""
    now = time.monotonic()
    try:
        with open("/proc/self/stat", encoding="ascii", errors="replace") as stat:
            ticks = float(stat.read().rsplit(")", 1)[1].split()[19])
        with open("/proc/uptime", encoding="ascii") as uptime:
            since_boot = float(uptime.read().split()[0])
        age = since_boot - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return now - 0.3  # what importing the command takes
    return now - max(age, 0.0)


def read(options: TableOptions) -> Table:
    """Read the file the options name."""
    return read_table(
        options.path,
        separator=options.separator,
        decimal=options.decimal,
        encoding=options.encoding,
        has_header=False if options.no_header else None,
        query=options.query,
    )


def parse_kinds(given: list[str] | None) -> dict[str, str]:
    """Return the kinds of ``column=kind`` options."""
    found = {}
    for text in given or []:
        name, sign, kind = text.rpartition("=")
        if not sign or not name:
            raise InputError("--kind column=kind, for example postcode=category", got=repr(text))
        found[name] = kind.strip().replace("-", "_").replace("/", "_")
    return found


def take_apart(table: Table, options: TableOptions) -> TrainingTable:
    """Part a table into features, target, and what stands beside them."""
    frame = table.frame
    asked = {"--group": options.group, "--time": options.time, "--weight": options.weight}
    beside = {flag: name for flag, name in asked.items() if name}
    for flag, name in beside.items():
        if name not in frame.columns:
            _, _ = choose_target(frame, name)  # names the nearest columns
        if name in options.target:
            raise InputError(f"{flag} other than the target", got=repr(name))
    features, goal = choose_target(frame, options.target)
    parsed = parse_target(
        goal if goal.width > 1 else goal.to_series(),
        options.task,  # type: ignore[arg-type]
        drop_missing=options.drop_missing_target,
    )
    kept = frame[parsed.rows]
    # A table in order of time is still told by its dates; groups and weights tell nothing more.
    dropped = [name for name in (options.group, options.weight) if name]
    return TrainingTable(
        features=features[parsed.rows].drop(dropped),
        target=parsed.target,
        y=parsed.values,
        weight=_weights(kept, options.weight),
        groups=None if options.group is None else _numbered(kept[options.group]),
        order=None if options.time is None else _order(kept[options.time]),
        notes=(*table.notes, *parsed.notes),
    )


def _weights(frame: pl.DataFrame, name: str | None) -> np.ndarray | None:
    if name is None:
        return None
    values = to_numbers(frame[name]).cast(pl.Float64).to_numpy()
    if not np.isfinite(values).all() or (values < 0).any() or not (values > 0).any():
        bad = int(np.argmax(~(values >= 0))) if not (values >= 0).all() else 0
        raise InputError(
            f"weights of 0 or more in {name}, some above 0", got=f"{values[bad]} in row {bad + 1}"
        )
    return np.asarray(values)


def _numbered(series: pl.Series) -> np.ndarray:
    return series.cast(pl.String).fill_null("").rank("dense").to_numpy()


def _order(series: pl.Series) -> np.ndarray:
    """Return when each row was, as numbers: dates where they are dates, else numbers or words."""
    if series.dtype == pl.String:
        reading = read_as_dates(series)
        values = to_days(series, reading.style) if reading else to_numbers(series)
        if values.null_count():
            row = int(values.is_null().arg_max() or 0) + 1
            raise InputError(
                f"a date or a number in every row of {series.name}, for --time",
                got=f"{series[row - 1]!r} in row {row}",
            )
        return values.to_numpy()
    return series.rank("dense").to_numpy()


def shown_notes(notes: tuple[str, ...]) -> list[str]:
    """Return the notes a person is shown: the first ones, and how many more there are."""
    few = [f"  · {note}" for note in notes[:MOST_NOTES]]
    more = len(notes) - len(few)
    return [*few, f"  · and {more} more (--json shows all)"] if more else few


def record_run(model_path: Path, options: TableOptions) -> None:
    """Remember beside the cache what a model was trained on, so that its search can go on.

    A model file holds no path; this record does, on this machine only.
    """
    place = _record_place(model_path)
    fields = asdict(replace(options, path=str(Path(options.path).resolve())))
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = place.with_suffix(f".{os.getpid()}")
        beside.write_text(json.dumps(fields), encoding="utf-8")
        beside.replace(place)
    except OSError:
        return  # continuing then needs the table by name


def recall_run(model_path: Path) -> TableOptions | None:
    """Return what a model was trained on, where it was trained on this machine."""
    try:
        fields: dict[str, Any] = json.loads(_record_place(model_path).read_text(encoding="utf-8"))
        return TableOptions(**{**fields, "target": tuple(fields["target"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _record_place(model_path: Path) -> Path:
    digest = hashlib.sha256(model_path.read_bytes()).hexdigest()
    return cache_folder() / "runs" / f"{digest}.json"
