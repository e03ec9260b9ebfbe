"""The verb ``predict``: rows of a table, or pictures, with a trained model."""

import io
import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from fathom.cli.combinations import take_prior
from fathom.cli.drawing import draw_reading
from fathom.cli.engine import prepare_engine
from fathom.cli.illustrated import placed
from fathom.cli.pictures import predict_files
from fathom.cli.screen import Screen
from fathom.cli.tables import (
    TableOptions,
    read_more,
    refuse_overwriting,
    shown_notes,
    started_at,
)
from fathom.cli.transcripts import write_down
from fathom.data.cells import nearest, quoted
from fathom.data.datasets import read_pictures
from fathom.data.frames import tell_apart
from fathom.data.images import IMAGE_SUFFIXES, read_grey, to_ink
from fathom.data.parsing import parse_table
from fathom.data.schema import ImageInput, TableInput
from fathom.data.tables import require_format, write_csv, write_table
from fathom.deployment.answers import predicted_columns
from fathom.deployment.archive import load_any
from fathom.deployment.container import require_writable
from fathom.errors import InputError
from fathom.estimators import FathomClassifier, FathomRegressor, FathomTranscriber

MOST_DRAWN = 4  # pictures drawn one by one; more are listed in lines
MOST_SHOWN = 10  # rows of a table shown where no file is written


def run_predict(
    model_path: str,
    files: list[str],
    options: TableOptions,
    output: str | None,
    identity: list[str],
    keeps_all: bool,
    is_json: bool,
    prior: str | None = None,
) -> None:
    """Predict rows of a table, or read pictures."""
    began = started_at()
    prepare_engine()
    model = load_any(model_path)
    take_prior(model, prior)
    described = model.schema_.input
    if isinstance(described, ImageInput) and described.is_photo:
        if output is not None:
            refuse_overwriting(output, model_path, *files)
        _predict_files(model, files, options, output, identity, keeps_all, is_json, began)
        return
    assert not isinstance(model, FathomTranscriber)
    if not isinstance(described, TableInput):
        _require_none({"--output": output, "--id": identity, "--keep": keeps_all})
        _predict_pictures(Screen(is_json), model, model_path, files)
        return
    if len(files) > 1:
        raise InputError(
            "one table", got=f"{len(files)} files", hint="predict them one after another"
        )
    if output is not None:
        require_format(output)
        refuse_overwriting(output, model_path, options.path)
        require_writable(Path(output))
    is_stream = output is None and not is_json and not sys.stdout.isatty()
    screen = Screen(is_json, is_aside=is_stream)
    predicted, is_unusual, notes = _predict_table(model, model_path, options, identity, keeps_all)
    for line in shown_notes(notes):
        screen.say(line)
    n_unusual = int(is_unusual.sum())
    if n_unusual:
        what = "1 row is" if n_unusual == 1 else f"{n_unusual:,} rows are"
        screen.say(f"{what} unlike those of training (is_unusual): trust these predictions less")
    _give(screen, predicted, output, is_stream=is_stream)
    screen.emit(
        "done", count=predicted.height, unusual=n_unusual, notes=list(notes),
        seconds=round(time.monotonic() - began, 3), output=output,
    )  # fmt: skip


def _require_none(table_options: dict[str, Any]) -> None:
    """Refuse options that only tables have, with a model of pictures."""
    for flag, is_given in table_options.items():
        if is_given:
            raise InputError(f"{flag} with a table", got="a model of pictures", hint="leave it out")


def _predict_files(
    model: FathomClassifier | FathomRegressor | FathomTranscriber,
    files: list[str],
    options: TableOptions,
    output: str | None,
    identity: list[str],
    keeps_all: bool,
    is_json: bool,
    began: float,
) -> None:
    """Predict pictures or recordings in files, of whatever size."""
    if identity or keeps_all:
        raise InputError(
            "--id and --keep with a table", got="a model of pictures or recordings",
            hint="leave them out: the names of the files are written anyway",
        )  # fmt: skip
    if output is not None:
        require_format(output)
        require_writable(Path(output))
    is_stream = output is None and not is_json and not sys.stdout.isatty()
    screen = Screen(is_json, is_aside=is_stream)
    if isinstance(model, FathomTranscriber):
        predicted, notes = write_down(model, files, options)
    else:
        names, pictures, notes = predict_files(model, files, options)
        predicted = _beside(names, predicted_columns(model, pictures))
    for line in shown_notes(notes):
        screen.say(line)
    _give(screen, predicted, output, is_stream=is_stream)
    screen.emit(
        "done", count=predicted.height, notes=list(notes),
        seconds=round(time.monotonic() - began, 3), output=output,
    )  # fmt: skip


def _give(screen: Screen, predicted: pl.DataFrame, output: str | None, *, is_stream: bool) -> None:
    """Write predictions to a file, as lines of JSON or CSV, or show the first."""
    if output is not None:
        write_table(predicted, output)
        screen.say(f"{predicted.height:,} predictions written to {output}")
    elif is_stream:
        whole = io.BytesIO()  # Polars hides that a pipe was closed by its reader
        write_csv(predicted, whole)
        sys.stdout.buffer.write(whole.getbuffer())
        sys.stdout.buffer.flush()
    elif screen.is_json:
        for number, row in enumerate(predicted.iter_rows(named=True), start=1):
            screen.emit("row", row=number, values=_plain(row))
    else:
        _show(screen, predicted)


def _predict_table(
    model: FathomClassifier | FathomRegressor,
    model_path: str,
    options: TableOptions,
    identity: list[str],
    keeps_all: bool,
) -> tuple[pl.DataFrame, np.ndarray, tuple[str, ...]]:
    """Return predictions beside what is carried over, which rows are unusual, and notes."""
    schema = model.schema_
    assert isinstance(schema.input, TableInput)
    columns, is_named = schema.input.columns, schema.input.is_named
    table = read_more(options, Path(model_path), schema.input, may_be_empty=True)
    frame = used = table.frame
    for name in identity:
        if name not in frame.columns:
            raise InputError(
                "--id to name a column of the table", got=quoted(name),
                hint=nearest(name, frame.columns),
            )  # fmt: skip
    if not is_named and frame.width > len(columns):
        used = frame.drop(schema.target.names, strict=False)
    used, odd = placed(used, schema.input, options)
    parsed = parse_table(used, columns, is_named=is_named, ignored=schema.target.names)
    predicted = predicted_columns(model, parsed if schema.input.has_pictures else used)
    predicted = predicted.with_columns(pl.Series(_free("is_unusual", predicted), parsed.is_unusual))
    carried = frame if keeps_all else frame.select(list(dict.fromkeys(identity)))
    return _beside(carried, predicted), parsed.is_unusual, (*table.notes, *odd, *parsed.notes)


def _free(name: str, frame: pl.DataFrame) -> str:
    return tell_apart([*frame.columns, name])[-1]


def _beside(carried: pl.DataFrame, predicted: pl.DataFrame) -> pl.DataFrame:
    """Put columns that are carried over before predictions, which take other names if need be."""
    taken = set(carried.columns)
    names = [f"predicted_{name}" if name in taken else name for name in predicted.columns]
    final = tell_apart([*carried.columns, *names])[carried.width :]
    renamed = [
        column.alias(name) for column, name in zip(predicted.iter_columns(), final, strict=True)
    ]
    return pl.DataFrame([*carried.iter_columns(), *renamed])


def _show(screen: Screen, predicted: pl.DataFrame) -> None:
    with pl.Config(
        tbl_rows=MOST_SHOWN, tbl_cols=8, tbl_hide_dataframe_shape=True, float_precision=4,
        tbl_hide_column_data_types=True, tbl_width_chars=100, fmt_str_lengths=30,
        tbl_formatting="UTF8_FULL_CONDENSED" if screen.can_draw else "ASCII_FULL_CONDENSED",
    ):  # fmt: skip
        screen.say(str(predicted.head(MOST_SHOWN)))
    if predicted.height > MOST_SHOWN:
        screen.say(f"and {predicted.height - MOST_SHOWN:,} more; --output FILE.csv writes all")


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Return values that JSON has."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, float) and not math.isfinite(value):
            found[name] = None
        else:
            is_plain = isinstance(value, str | int | float | bool | None)
            found[name] = value if is_plain else str(value)
    return found


def _predict_pictures(
    screen: Screen,
    model: FathomClassifier | FathomRegressor,
    model_path: str,
    files: list[str],
) -> None:
    """Read every picture and say which class it is, and how sure the model is."""
    described = model.schema_.input
    if (
        not isinstance(model, FathomClassifier)
        or not isinstance(described, ImageInput)
        or not described.is_ink
    ):
        raise InputError(
            "a model that reads pictures of ink, as fathom digits makes, or tables",
            got=f"{model_path}, which takes {described.n_features} numbers",
            hint="in Python fathom.load(MODEL).predict(rows)",
        )  # fmt: skip
    names, pictures = collect_pictures(files, described.height)
    probabilities = model.predict_proba(pictures)
    classes = [label.item() for label in model.classes_]
    for name, picture, row in zip(names, pictures, probabilities, strict=True):
        best = int(row.argmax())
        shares = {str(label): round(float(p), 6) for label, p in zip(classes, row, strict=True)}
        is_blank = not picture.any()
        screen.emit(
            "prediction", file=name, prediction=classes[best], probability=float(row[best]),
            probabilities=shares, is_blank=is_blank,
        )  # fmt: skip
        screen.say(f"{name}: {classes[best]} ({row[best]:.2f})" + " (no ink found)" * is_blank)
        if len(names) <= MOST_DRAWN:
            screen.say(draw_reading(picture, classes, row, blocks=screen.can_draw))
            screen.say()
    screen.emit("done", count=len(names))


def collect_pictures(files: list[str], size: int) -> tuple[list[str], np.ndarray]:
    """Return a name and the ink of every picture in files, folders and arrays."""
    names: list[str] = []
    pictures: list[np.ndarray] = []
    for given in files:
        path = Path(given)
        if path.suffix == ".npz":
            for number, picture in enumerate(read_pictures(path, size)):
                names.append(f"{path}[{number}]")
                pictures.append(picture)
            continue
        for file in _pictures_in(path) if path.is_dir() else [path]:
            names.append(str(file))
            pictures.append(to_ink(read_grey(file), size))
    return names, np.stack(pictures)


def _pictures_in(folder: Path) -> list[Path]:
    try:
        found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    except OSError as error:
        raise InputError(
            "a folder that can be read", got=f"{folder} ({error})", hint="check its permissions"
        ) from None
    if not found:
        raise InputError(
            "pictures in the folder", got=f"none in {folder}",
            hint="PNG, JPEG, GIF, BMP, TIFF and WebP are read",
        )  # fmt: skip
    return found
