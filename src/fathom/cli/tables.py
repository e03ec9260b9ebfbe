"""Tables as commands read them: the options, the target and the columns beside it, the record."""

import contextlib
import hashlib
import json
import os
import shlex
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from fathom.cli.screen import Screen
from fathom.data.cache import cache_folder
from fathom.data.cells import first_row, nearest, quoted, to_cells, to_days, to_numbers
from fathom.data.folders import list_named
from fathom.data.readings import read_as_dates
from fathom.data.schema import TableInput, Target
from fathom.data.tables import Table, read_table
from fathom.data.target import choose_target, parse_target
from fathom.data.textfiles import read_loose_texts, read_text_folder
from fathom.errors import InputError

MOST_NOTES = 8  # shown; JSON has all
_DOUBTFUL = r"^\s*[+-]?[1-9]\d{0,2}(?:,\d{3})+\s*$"
_POINTED = r"^\s*[+-]?\d+(?:,\d{3})*\.\d+\s*$"
_HOW_TO_READ = ("path", "separator", "decimal", "encoding", "no_header", "query", "sheet")


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
    sheet: str | None = None
    image_column: str | None = None
    sound_column: str | None = None
    names: str | None = None
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


def read(options: TableOptions, *, may_be_empty: bool = False) -> Table:
    """Read the file the options name, the folder of texts, or names of files as a table."""
    if options.names is not None:
        if not is_folder(options.path):
            raise InputError(
                "--names with a folder", got=quoted(shown_path(options.path)),
                hint="name a folder of files, or leave --names out",
            )  # fmt: skip
        return Table(list_named(Path(options.path), options.names))
    if is_folder(options.path):
        if may_be_empty:
            return read_loose_texts(Path(options.path))
        return read_text_folder(Path(options.path))
    return read_table(
        options.path,
        separator=options.separator,
        decimal=options.decimal,
        encoding=options.encoding,
        has_header=False if options.no_header else None,
        query=options.query,
        sheet=options.sheet,
        may_be_empty=may_be_empty,
    )


def read_with_target(options: TableOptions) -> tuple[Table, TableOptions]:
    """Read the file the options name; return it, and them with the targets told apart."""
    table = read(options)
    return table, replace(options, target=split_names(options.target, table.frame.columns))


def read_more(
    options: TableOptions, model_path: Path, known: TableInput, *, may_be_empty: bool = False
) -> Table:
    """Read rows for a model as its training rows were read, where they leave it open.

    Rows without names have none here either, and commas that may be decimal marks or those of
    thousands are what they were in training, where the model was trained on this machine.
    """
    if _is_of_unnamed_file(known):
        options = replace(options, no_header=True)
    table = read(options, may_be_empty=may_be_empty)
    if options.decimal is not None or table.decimal == "," or not _is_in_doubt(table.frame):
        return table
    before = recall_run(model_path)
    if before is None or before.decimal != ",":
        return table
    return read(replace(options, decimal=","), may_be_empty=may_be_empty)


def _is_of_unnamed_file(known: TableInput) -> bool:
    """Tell whether a model learned from a file without names, not from an array in Python."""
    return not known.is_named and not all(
        column.name == f"x{place}" for place, column in enumerate(known.columns)
    )


def _is_in_doubt(frame: pl.DataFrame) -> bool:
    """Tell whether numbers have commas that may be decimal marks, and none has a point."""
    words = frame.select(pl.col(pl.String))
    if not words.width:
        return False
    has_comma = words.select(pl.any_horizontal(pl.all().str.contains(_DOUBTFUL).any())).item()
    has_point = words.select(pl.any_horizontal(pl.all().str.contains(_POINTED).any())).item()
    return bool(has_comma) and not has_point


def split_names(given: tuple[str, ...], columns: Sequence[str]) -> tuple[str, ...]:
    """Return the names of columns in one text: its parts between commas, unless it is a name."""
    if len(given) != 1 or given[0] in columns:
        return given
    return tuple(name.strip() for name in given[0].split(",") if name.strip())


def is_address(path: str) -> bool:
    """Tell whether a table is in a database, whose address may hold a password."""
    return "://" in path


def is_folder(path: str) -> bool:
    """Tell whether a path is that of a folder."""
    return bool(path) and not is_address(path) and "\0" not in path and Path(path).is_dir()


def shown_path(path: str) -> str:
    """Return how a table is called where it is shown."""
    return f"{path.partition('://')[0]}://…" if is_address(path) else path


def say_saved(
    screen: Screen, path: Path, data: str, seconds: float, known: str, *more: str
) -> None:
    """Say where a model is and what can be done with it, as commands to copy.

    Parameters
    ----------
    screen : Screen
        Where to.
    path : Path
        The model's file.
    data : str
        What it was trained on.
    seconds : float
        How long all of it took.
    known : str
        What it can be evaluated on.
    *more : str
        Further commands, ``{name}`` for the model.
    """
    name, shown = shlex.quote(str(path)), shlex.quote(shown_path(data))
    screen.say()
    screen.say(f"Saved as {path} after {seconds:.1f} s. Next:")
    screen.say(f"  fathom predict {name} {shown} --output predictions.csv")
    screen.say(f"  fathom evaluate {name} {known}")
    for line in more:
        screen.say("  " + line.replace("{name}", name))


def require_table(options: TableOptions) -> None:
    """Refuse to learn without a table or a target.

    Raises
    ------
    InputError
        If either is not named.
    """
    if not options.path:
        hint = "fathom train TABLE.csv --target COLUMN"
        raise InputError("a table to learn from", got="none", hint=hint)
    if not options.target:
        hint = "name a column of the table: --target COLUMN"
        raise InputError("--target, the column to predict", got="none", hint=hint)


def refuse_overwriting(output: str | Path, *inputs: str) -> None:
    """Refuse to write over a file that is read.

    Raises
    ------
    InputError
        If the output is one of the inputs.
    """
    for given in inputs:
        try:
            is_same = os.path.samefile(output, given)
        except (OSError, ValueError):
            continue
        if is_same:
            raise InputError(
                "--output other than what is read", got=str(output), hint="give another name"
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
    _check_beside(frame, options)
    features, goal = choose_target(frame, options.target)
    parsed = parse_target(
        goal if goal.width > 1 else goal.to_series(),
        options.task,  # type: ignore[arg-type]
        drop_missing=options.drop_missing_target,
    )
    kept = frame[parsed.rows]
    # A table in order of time is still told by its dates; groups and weights tell nothing more.
    dropped = {name for name in (options.group, options.weight) if name}
    features = features[parsed.rows].drop(dropped)
    if not features.width:
        raise InputError(
            "columns to predict from besides the target", got="none",
            hint="add columns that may have to do with it, or leave fewer out",
        )  # fmt: skip
    return TrainingTable(
        features=features,
        target=parsed.target,
        y=parsed.values,
        weight=None if not options.weight else read_weights(kept[options.weight], parsed.rows),
        groups=None if not options.group else _numbered(kept[options.group]),
        order=None if not options.time else _order(kept[options.time], parsed.rows),
        notes=(*table.notes, *parsed.notes),
    )


def _check_beside(frame: pl.DataFrame, options: TableOptions) -> None:
    """Refuse columns beside the target that are not there, or are the target."""
    asked = {"--group": options.group, "--time": options.time, "--weight": options.weight}
    for flag, name in asked.items():
        if not name:
            continue
        if name not in frame.columns:
            raise InputError(
                f"{flag} to name a column of the table", got=quoted(name),
                hint=nearest(name, frame.columns),
            )  # fmt: skip
        if name in options.target:
            raise InputError(
                f"{flag} other than the target", got=quoted(name),
                hint="name another column, or leave it out",
            )  # fmt: skip


def read_weights(series: pl.Series, rows: np.ndarray, *, is_part: bool = False) -> np.ndarray:
    """Return the weights of rows, whose numbers in the table are given; a part's may all be 0."""
    values = to_numbers(to_cells(series)).cast(pl.Float64).fill_null(np.nan).to_numpy()
    wrong = np.flatnonzero(~((values >= 0) & (values < np.inf)))
    if len(wrong):
        written = quoted(series[int(wrong[0])], 30)
        raise InputError(
            f"a weight of 0 or more in every row of {quoted(series.name)}",
            got=f"'{written}' {first_row(rows[wrong])}",
            hint="correct these weights, or leave their rows out",
        )  # fmt: skip
    if not is_part and not (values > 0).any():
        raise InputError(
            f"weights above 0 in {quoted(series.name)}", got="0 in every row",
            hint="leave --weight out to count all rows alike",
        )  # fmt: skip
    return np.asarray(values)


def _numbered(series: pl.Series) -> np.ndarray:
    return series.cast(pl.String).fill_null("").rank("dense").to_numpy()


def _order(series: pl.Series, rows: np.ndarray) -> np.ndarray:
    """Return when each row was, as numbers: of dates the days, of numbers the numbers."""
    cells = to_cells(series)
    dates = read_as_dates(cells) if cells.dtype == pl.String else None
    if dates is not None or cells.dtype == pl.Datetime:
        values = to_days(cells, dates.style if dates else "%Y-%m-%d")
    else:
        values = to_numbers(cells)
    array = values.cast(pl.Float64).fill_null(np.nan).to_numpy()
    wrong = np.flatnonzero(np.isnan(array))
    if len(wrong):
        written = quoted(series[int(wrong[0])], 30)
        raise InputError(
            f"a date or a number in every row of {quoted(series.name)}, for --time",
            got=f"'{written}' {first_row(rows[wrong])}",
            hint="correct these, leave their rows out, or leave --time out",
        )  # fmt: skip
    return np.asarray(array)


def shown_notes(notes: tuple[str, ...]) -> list[str]:
    """Return the notes a person is shown: the first ones, and how many more there are."""
    few = [f"  · {note}" for note in notes[:MOST_NOTES]]
    more = len(notes) - len(few)
    return [*few, f"  · and {more} more (--json shows all)"] if more else few


def record_run(model_path: Path, options: TableOptions, decimal: str) -> None:
    """Remember beside the cache what a model was trained on, so that its search can go on.

    A model file holds no path; this record does, on this machine only.
    """
    if is_address(options.path):
        return  # it may hold a password
    place = _record_place(model_path)
    mark = options.decimal or ("," if decimal == "," else None)
    known = asdict(replace(options, path=str(Path(options.path).resolve()), decimal=mark))
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = place.with_suffix(f".{os.getpid()}")
        beside.write_text(json.dumps(known), encoding="utf-8")
        beside.replace(place)
    except OSError:
        return  # continuing then needs the table by name


def forget_run(model_path: Path) -> None:
    """Forget what a model was trained on, where the file is about to go."""
    with contextlib.suppress(OSError):
        _record_place(model_path).unlink()


def recall_run(model_path: Path) -> TableOptions | None:
    """Return what a model was trained on, where it was trained on this machine."""
    try:
        known: dict[str, Any] = json.loads(_record_place(model_path).read_text(encoding="utf-8"))
        return TableOptions(**{**known, "target": tuple(known["target"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def table_of_training(model_path: Path, options: TableOptions, wanted: str) -> TableOptions:
    """Return the options, or those of the model's training where they name no table.

    Raises
    ------
    InputError
        If that table is not known on this machine, or no longer there.
    """
    if options.path:
        return options
    known = recall_run(model_path)
    if known is None or not Path(known.path).exists():
        raise InputError(
            f"--data FILE with {wanted}", got="none",
            hint="the table the model was trained on is not known on this machine",
        )  # fmt: skip
    return known


def join_run(known: TableOptions, asked: TableOptions) -> TableOptions:
    """Return the options of a run that goes on: as it began, except how the table is read.

    Raises
    ------
    InputError
        If something else is asked for than it began with.
    """
    changes = {}
    for one in fields(TableOptions):
        value, before = getattr(asked, one.name), getattr(known, one.name)
        if value in ("", (), None, {}, False, 0, "auto"):
            continue
        if one.name == "target":
            value = split_names(value, known.target)
        if one.name in _HOW_TO_READ:
            changes[one.name] = value
        elif value != before:
            flag = f"--{'kind' if one.name == 'kinds' else one.name.replace('_', '-')}"
            raise InputError(
                f"{flag} as in the first training, or left out", got=f"{value!r}"[:80],
                hint="train anew, without --continue or --replay, to change it",
            )  # fmt: skip
    return replace(known, **changes)


def _record_place(model_path: Path) -> Path:
    digest = hashlib.sha256(model_path.read_bytes()).hexdigest()
    return cache_folder() / "runs" / f"{digest}.json"
