"""Rows whose target is known, as a model file needs them to be looked at."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from fathom.cli.evaluate import right_numbers, target_names
from fathom.cli.tables import TableOptions, read_more, shown_path, table_of_training
from fathom.data.cells import listing, quoted
from fathom.data.combinations import combinations_of
from fathom.data.datasets import load_digits
from fathom.data.schema import ImageInput, NumbersInput, TableInput, Target
from fathom.data.target import parse_target, read_target
from fathom.errors import InputError
from fathom.estimators import FathomClassifier, FathomRegressor
from fathom.estimators.factoring import read_combinations


@dataclass(frozen=True)
class KnownRows:
    """Rows with their target, for `fathom.estimators.opening.open_model`.

    Attributes
    ----------
    x, y : array-like
        As ``predict`` and ``fit`` of the model take them.
    origin : str
        Where they came from, in words.
    n_rows : int
        How many there are.
    n_all : int
        Of how many with a known target they were drawn.
    numbers : numpy.ndarray
        Number of each in the data, from 1.
    """

    x: Any
    y: Any
    origin: str
    n_rows: int
    n_all: int
    numbers: np.ndarray

    def __str__(self) -> str:
        of_all = "" if self.n_rows == self.n_all else f" of {self.n_all:,}"
        return f"{self.n_rows:,}{of_all} {'row' if self.n_rows == 1 else 'rows'} of {self.origin}"


def parse_network(text: str, counts: tuple[int, ...]) -> tuple[int, int]:
    """Return member and fold, from 0, of a network named ``2``, or ``2.3`` for its third fold.

    Parameters
    ----------
    text : str
        As the user named it.
    counts : tuple of int
        How many networks each member has, as `fathom.estimators.opening.count_networks` says.

    Raises
    ------
    InputError
        If there is no such network.

    Examples
    --------
    >>> parse_network("2.3", (1, 5))
    (1, 2)
    """
    parts = text.split(".")
    if len(parts) > 2 or not all(part.isdecimal() and int(part) for part in parts):
        raise InputError(
            "--network with the number of a network, for example 2, or 2.3 for its third fold",
            got=repr(text)[:80],
        )
    member, fold = int(parts[0]), int(parts[1]) if len(parts) == 2 else 1
    if member > len(counts):
        wanted = "--network 1, the only one" if len(counts) == 1 else (
            f"--network from 1 to {len(counts)}"
        )  # fmt: skip
        raise InputError(wanted, got=f"{member}")
    if fold > counts[member - 1]:
        raise InputError(
            f"a fold of network {member} from 1 to {counts[member - 1]}", got=f"{fold}"
        )
    return member - 1, fold - 1


def read_known_rows(
    model: FathomClassifier | FathomRegressor,
    model_path: Path,
    options: TableOptions,
    most: int,
    *,
    is_fresh: bool = False,
) -> KnownRows:
    """Read rows with their target for a model, at most so many, drawn by the options' seed.

    Parameters
    ----------
    model : FathomClassifier or FathomRegressor
        A fitted model.
    model_path : Path
        Its file, by which what it was trained on is remembered.
    options : TableOptions
        Names a table, or digits by name or path; where it names none, what the model was trained
        on, or the bundled digits.
    most : int
        How many rows at most.
    is_fresh : bool, default False
        Whether pictures are those kept for testing rather than those learned from.

    Raises
    ------
    InputError
        If there are no such rows, or their target is not among them.
    """
    described = model.schema_.input
    if isinstance(described, ImageInput):
        return _read_pictures(described, model.schema_.target, options, most, is_fresh=is_fresh)
    found = table_of_training(model_path, options, "rows and their target")
    options = replace(found, seed=options.seed)
    as_table = described if isinstance(described, TableInput) else _as_table(described)
    frame = read_more(options, model_path, as_table).frame
    target = model.schema_.target
    names = target_names(frame, target, options, ())
    rows, y = _known_targets(frame.select(names), target)
    chosen = _draw(len(rows), most, options.seed)
    features = frame.drop(names)[rows[chosen]]
    if isinstance(described, NumbersInput):
        features = pl.DataFrame(read_numbers(features, described))
    where = shown_path(options.path)
    return KnownRows(features, y[chosen], where, len(chosen), len(rows), rows[chosen] + 1)


def _draw(n: int, most: int, seed: int) -> np.ndarray:
    """Return which of so many rows are taken, in their order."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, most, replace=False))


def _known_targets(truth: pl.DataFrame, target: Target) -> tuple[np.ndarray, Any]:
    """Return the rows whose target is known to the model, and their targets."""
    if target.task == "labels":
        parsed = parse_target(truth, "labels", drop_missing=True)
        return parsed.rows, parsed.values
    if target.factors:
        rows = np.flatnonzero(
            combinations_of(target).to_seen(read_combinations(truth, target)) >= 0
        )
        y: Any = truth[rows]
    elif target.task == "classes":
        series = truth.to_series()
        rows = np.flatnonzero(read_target(series, target) >= 0)
        y = series[rows]
    else:
        numbers = np.stack([right_numbers(truth[name]) for name in truth.columns], axis=1)
        rows = np.flatnonzero(np.isfinite(numbers).all(axis=1))
        y = numbers[rows]
    if not len(rows):
        raise InputError(
            "rows whose target the model knows", got="none",
            hint="name the right answers with --target COLUMN",
        )  # fmt: skip
    return rows, y


def _as_table(described: NumbersInput) -> TableInput:
    names = described.names or tuple(f"x{n}" for n in range(described.n_features))
    columns = [{"name": name, "kind": "number"} for name in names]
    return TableInput.model_validate({"columns": columns, "is_named": bool(described.names)})


def choose_columns(frame: pl.DataFrame, described: NumbersInput) -> pl.DataFrame:
    """Return the columns that a model of plain numbers was trained on.

    Raises
    ------
    InputError
        If one is missing or, where they have no names, they are more or fewer.
    """
    if described.names:
        missing = [name for name in described.names if name not in frame.columns]
        if missing:
            raise InputError(
                f"a column {quoted(missing[0])} in the table", got="none of that name",
                hint="give a table with the columns of training",
            )  # fmt: skip
        frame = frame.select(described.names)
    elif frame.width != described.n_features:
        raise InputError(
            f"{described.n_features} columns of numbers", got=f"{frame.width} columns",
            hint="leave the others out",
        )  # fmt: skip
    return frame


def read_numbers(frame: pl.DataFrame, described: NumbersInput) -> dict[str, np.ndarray]:
    """Return the columns of a model of plain numbers by name.

    Raises
    ------
    InputError
        If the columns are not those of training, or a cell is no number.
    """
    frame = choose_columns(frame, described)
    values = {name: right_numbers(frame[name]) for name in frame.columns}
    if not all(np.isfinite(column).all() for column in values.values()):
        raise InputError(
            "a number in every cell, for a model of numbers",
            got="a cell that is empty or no number", hint="fill it, or leave its row out",
        )  # fmt: skip
    return values


def _read_pictures(
    described: ImageInput, target: Target, options: TableOptions, most: int, *, is_fresh: bool
) -> KnownRows:
    source = options.path or "digits"
    digits = load_digits(source, seed=options.seed)
    pictures, classes = digits.x_train, digits.y_train
    if is_fresh:
        pictures, classes = digits.x_test, digits.y_test
    if pictures.shape[1:] != (described.height, described.width):
        raise InputError(
            f"--data with pictures of {described.height}×{described.width} pixels",
            got=f"{pictures.shape[1]}×{pictures.shape[2]}",
            hint="give pictures of the size it was trained on",
        )  # fmt: skip
    known = np.flatnonzero(read_target(classes, target) >= 0)
    if not len(known):
        raise InputError(
            f"pictures of {listing(list(map(str, target.classes)))}", got="none",
            hint="give pictures of classes it was trained on",
        )  # fmt: skip
    chosen = known[_draw(len(known), most, options.seed)]
    name = "the bundled digits" if source == "digits" else source
    name += " kept for testing" if is_fresh else ""
    return KnownRows(
        pictures[chosen], classes[chosen], name, len(chosen), len(known), chosen + 1
    )  # fmt: skip
