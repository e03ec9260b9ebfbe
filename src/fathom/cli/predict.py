"""The verb ``predict``: read pictures with a trained model."""

from pathlib import Path

import numpy as np

from fathom.cli.drawing import draw_reading
from fathom.cli.engine import prepare_engine
from fathom.cli.screen import Screen
from fathom.data.datasets import read_pictures
from fathom.data.images import IMAGE_SUFFIXES, read_grey, to_ink
from fathom.data.schema import ImageInput
from fathom.deployment.archive import load
from fathom.errors import InputError
from fathom.estimators import FathomClassifier

MOST_DRAWN = 4  # pictures drawn one by one; more are listed in lines


def run_predict(model_path: str, files: list[str], is_json: bool) -> None:
    """Read every picture and say which class it is, and how sure the model is."""
    screen = Screen(is_json)
    prepare_engine()
    model = load(model_path)
    described = model.schema_.input
    if (
        not isinstance(model, FathomClassifier)
        or not isinstance(described, ImageInput)
        or not described.is_ink
    ):
        raise InputError(
            "a model that reads pictures of ink, as fathom digits makes",
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
