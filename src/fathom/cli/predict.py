"""The verb ``predict``: rows of a table, or pictures, with a trained model."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from fathom.cli.drawing import draw_reading
from fathom.cli.engine import prepare_engine
from fathom.cli.screen import Screen
from fathom.cli.tables import TableOptions, read, shown_notes
from fathom.data.datasets import read_pictures
from fathom.data.images import IMAGE_SUFFIXES, read_grey, to_ink
from fathom.data.parsing import parse_table
from fathom.data.schema import ImageInput, TableInput, Target
from fathom.data.tables import write_table
from fathom.deployment.archive import load
from fathom.deployment.container import require_writable
from fathom.errors import InputError
from fathom.estimators import FathomClassifier, FathomRegressor

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
) -> None:
    """Predict rows of a table, or read pictures."""
    screen = Screen(is_json)
    prepare_engine()
    model = load(model_path)
    if isinstance(model.schema_.input, TableInput):
        if len(files) > 1:
            raise InputError("one table", got=f"{len(files)} files")
        _predict_table(screen, model, options, output, identity, keeps_all)
        return
    _predict_pictures(screen, model, model_path, files)


def _predict_table(
    screen: Screen,
    model: FathomClassifier | FathomRegressor,
    options: TableOptions,
    output: str | None,
    identity: list[str],
    keeps_all: bool,
) -> None:
    if output is not None:
        require_writable(Path(output))
    frame, schema = (table := read(options)).frame, model.schema_
    assert isinstance(schema.input, TableInput)
    for name in identity:
        if name not in frame.columns:
            raise InputError("--id a column of the table", got=repr(name))
    used = frame if schema.input.is_named else frame.drop(schema.target.names, strict=False)
    parsed = parse_table(
        used, schema.input.columns, is_named=schema.input.is_named, ignored=schema.target.names
    )
    predicted = predicted_columns(model, used)
    carried = frame if keeps_all else frame.select(identity)
    predicted = _beside(carried, predicted.with_columns(is_unusual=pl.Series(parsed.is_unusual)))
    for line in shown_notes((*table.notes, *parsed.notes)):
        screen.say(line)
    n_unusual = int(parsed.is_unusual.sum())
    if n_unusual:
        screen.say(
            f"{n_unusual:,} rows are unlike those of training (is_unusual): trust these less"
        )
    if output is not None:
        write_table(predicted, output)
        screen.say(f"{predicted.height:,} predictions written to {output}")
    else:
        _show(screen, predicted)
    if screen.is_json:
        for number, row in enumerate(predicted.iter_rows(named=True), start=1):
            screen.emit("row", row=number, **{"values": _plain(row)})
    screen.emit(
        "done", count=predicted.height, unusual=n_unusual, output=output,
        notes=[*table.notes, *parsed.notes],
    )  # fmt: skip


def predicted_columns(model: FathomClassifier | FathomRegressor, frame: pl.DataFrame) -> Any:
    """Return predictions as columns: the target, and a probability of each class or label."""
    target = model.schema_.target
    names = _target_names(target)
    if isinstance(model, FathomRegressor):
        numbers = model.predict(frame).reshape(frame.height, -1)
        return pl.DataFrame(dict(zip(names, numbers.T, strict=True)))
    p = model.predict_proba(frame)
    if target.task == "labels":
        labels = {name: (p[:, at] >= 0.5).astype(np.int64) for at, name in enumerate(names)}
        shares = {f"probability_{name}": p[:, at] for at, name in enumerate(names)}
        return pl.DataFrame(labels | shares)
    chosen = pl.Series(list(target.classes)).gather(p.argmax(axis=1))
    found = pl.DataFrame({names[0]: chosen})
    shares = {f"probability_{name}": p[:, at] for at, name in enumerate(target.classes)}
    return found.hstack(pl.DataFrame(shares).get_columns())


def _target_names(target: Target) -> tuple[str, ...]:
    if len(target.names) == target.n_outputs:
        return target.names
    return tuple(f"prediction_{n + 1}" for n in range(target.n_outputs))


def _beside(carried: pl.DataFrame, predicted: pl.DataFrame) -> pl.DataFrame:
    """Put columns that are carried over before predictions, which take other names if need be."""
    taken = set(carried.columns)
    names = {name: f"predicted_{name}" for name in predicted.columns if name in taken}
    return pl.concat([carried, predicted.rename(names)], how="horizontal")


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
    is_plain = (str, int, float, bool, type(None))
    return {name: v if isinstance(v, is_plain) else str(v) for name, v in row.items()}


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
        )
    names, pictures = _collect(files, described.height)
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


def _collect(files: list[str], size: int) -> tuple[list[str], np.ndarray]:
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
        raise InputError("a folder that can be read", got=f"{folder} ({error})") from None
    if not found:
        raise InputError(
            "pictures in the folder", got=f"none in {folder}",
            hint="PNG, JPEG, GIF, BMP, TIFF and WebP are read",
        )  # fmt: skip
    return found
