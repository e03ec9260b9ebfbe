"""What commands say of a table before a network learns from it."""

from pathlib import Path

from fathom.cli.screen import Screen
from fathom.cli.tables import (
    TableOptions,
    TrainingTable,
    is_address,
    shown_notes,
    shown_path,
)
from fathom.data.cells import listing, quoted
from fathom.data.schema import TableInput

OVERRUN_S = 2.0  # past the time limit that is no breach of it


def introduce(screen: Screen, table: TrainingTable, options: TableOptions) -> None:
    """Say what the table is, and what is predicted."""
    target, name = table.target, ", ".join(options.target)
    factors = " × ".join(str(len(factor.classes)) for factor in target.factors)
    what = {
        "classes": f"{factors} classes together, {len(target.classes)} combinations of them seen"
        if factors else f"one of {len(target.classes)} classes",
        "labels": f"{target.n_outputs} labels, each yes or no",
        "numbers": "a number" if target.n_outputs == 1 else f"{target.n_outputs} numbers",
    }[target.task]  # fmt: skip
    rows, columns = table.features.shape
    screen.emit(
        "data", file=shown_path(options.path), rows=rows, columns=columns,
        target=list(options.target), task=target.task, classes=len(target.classes),
        notes=list(table.notes),
    )  # fmt: skip
    shown = options.path if is_address(options.path) else Path(options.path).name
    screen.say(f"{shown_path(shown)}: {rows:,} rows, {columns:,} columns; {name} is {what}")
    for line in shown_notes(table.notes):
        screen.say(line)


def show_columns(
    screen: Screen, table: TableInput, time_column: str | None, *, is_new: bool
) -> None:
    """Say what each column was taken for, names by kind."""
    notes = [
        f"column {quoted(c.name)} orders the rows, and the latest judge; networks see it too: it "
        "tells of trends and seasons, but less the later new rows are (--kind "
        f"{quoted(c.name)}=identifier hides it)"
        for c in table.columns if c.name == time_column and c.is_used
    ]  # fmt: skip
    screen.emit(
        "columns",
        columns=[{"name": c.name, "kind": c.kind, "reason": c.reason} for c in table.columns],
        notes=notes,
    )
    names: dict[str, list[str]] = {}
    for column in table.columns:
        if column.is_used:
            names.setdefault(column.kind.replace("_", "/"), []).append(column.name)
        else:
            shown = f"{column.name} ({column.kind})"
            names.setdefault("left out", []).append(shown)
    for kind in sorted(names, key=lambda kind: kind == "left out"):
        screen.say(f"  {kind:<10}  {listing(names[kind])}")
    if is_new:
        screen.say("  (overrule with --kind COLUMN=KIND, for example --kind year=category)")
    for line in shown_notes(tuple(notes)):
        screen.say(line)


def warn_of_little_time(screen: Screen, limit: float, spent: float, rest: float) -> None:
    """Say so where the time limit cannot be kept."""
    if spent < limit and spent + rest - limit <= OVERRUN_S:
        return
    text = (
        f"{limit:g} s is too short: starting and reading alone took {spent:.1f} s; it will take "
        f"about {spent + rest:.0f} s, the least in which a network can be trained"
    )
    screen.emit("note", kind="late", text=text)
    screen.say(f"  · {text}")
