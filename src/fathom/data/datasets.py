"""Handwritten digits: bundled, by name, or from a path, as 16×16 ink or no ink."""

import difflib
import gzip
import lzma
import math
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fathom.data.cache import cache_folder
from fathom.data.images import IMAGE_SUFFIXES, INK_SIZE, all_to_ink, read_grey, to_ink
from fathom.data.splitting import hold_out
from fathom.errors import DatasetError

TEST_FRACTION = 0.2
MAX_IDX_BYTES = 2**31


@dataclass(frozen=True)
class Digits:
    """A data set of signs written by hand, in two parts.

    Attributes
    ----------
    name : str
        Where it came from.
    x_train, x_test : numpy.ndarray
        Pictures, shape (n, 16, 16), uint8, 1 is ink.
    y_train, y_test : numpy.ndarray
        Their classes.
    is_official_split : bool
        Whether the two parts are those the data set comes with.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    is_official_split: bool


@dataclass(frozen=True)
class _Remote:
    """A data set on OpenML, and what it must turn out to be."""

    openml_name: str
    version: int
    rows: int
    pixels: int
    n_train: int | None  # rows of the official training part, which come first
    first_label: int = 0


_REMOTE = {
    "semeion": _Remote("semeion", 1, 1593, 256, None, first_label=1),
    "usps": _Remote("USPS", 2, 9298, 256, 7291, first_label=1),
    "mnist": _Remote("mnist_784", 1, 70000, 784, 60000),
}
X_NAMES = ("x_train", "train_data", "x", "data", "images")
Y_NAMES = ("y_train", "train_target", "y", "target", "labels")
NAMES = ("digits", *_REMOTE)


def load_digits(source: str = "digits", *, seed: int = 0) -> Digits:
    """Load handwritten digits (or other signs) as ink on a 16×16 grid.

    Parameters
    ----------
    source : str
        ``digits`` (1797 bundled with scikit-learn, no download), ``semeion``, ``usps`` or
        ``mnist`` (from OpenML, kept in a local cache), or a path: an ``.npz`` file, an IDX file
        or a folder of them, or a folder with one sub-folder of pictures per class.
    seed : int
        Seed of the split, where the data set does not come with one: a fifth is for testing.

    Returns
    -------
    Digits
        The pictures and classes.

    Raises
    ------
    DatasetError
        If the name is unknown (the nearest are listed), there is no network for a download (says
        which file to put where), or a file is damaged or of the wrong shape.

    Examples
    --------
    >>> load_digits("digits").x_train.shape
    (1438, 16, 16)
    """
    if source in NAMES:
        return _bundled(seed) if source == "digits" else _named(source, seed)
    try:
        path = Path(source).expanduser()
        if path.exists():
            return _from_path(path, seed)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DatasetError(
            "a data set that can be read", got=f"{source[:200]} ({reason})",
            hint="check its permissions",
        ) from None  # fmt: skip
    near = difflib.get_close_matches(source.lower(), NAMES, n=3, cutoff=0.4) or list(NAMES)
    raise DatasetError(
        f"a data set ({', '.join(NAMES)}) or a path",
        got=repr(source)[:200],
        hint=f"did you mean {' or '.join(near)}?",
    )


def _bundled(seed: int) -> Digits:
    from sklearn.datasets import load_digits as load_bundled

    x, y = load_bundled(return_X_y=True)
    return _split("digits", all_to_ink(x.reshape(-1, 8, 8)), y.astype(np.int64), seed)


def _split(name: str, x: np.ndarray, y: np.ndarray, seed: int) -> Digits:
    classes, numbers = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise DatasetError(
            "at least 2 classes", got=f"{len(classes)} in {name}",
            hint="add pictures of other classes",
        )  # fmt: skip
    train, test = hold_out(len(y), TEST_FRACTION, seed, numbers)
    if test is None:
        raise DatasetError(
            "enough pictures to test on a fifth of them",
            got=f"{len(y)} in {name} for {len(classes)} classes",
            hint="add more pictures",
        )
    return Digits(name, x[train], y[train], x[test], y[test], is_official_split=False)


def _named(name: str, seed: int) -> Digits:
    folder = cache_folder() / "datasets"
    for local in (folder / f"{name}.npz", folder / name):
        if local.exists():
            found = _from_path(local, seed)
            _check_rows(name, len(found.y_train) + len(found.y_test), local)
            return found
    remote = _REMOTE[name]
    x, y = _download(name, remote, folder)
    _check_rows(name, len(y), "OpenML")
    if x.shape[1:] != (remote.pixels,):
        raise DatasetError(
            f"{remote.pixels} pixels a picture in {name}", got=f"{x.shape[1:]}",
            hint="report it: the data set there has changed",
        )  # fmt: skip
    side = math.isqrt(remote.pixels)
    ink, y = all_to_ink(x.reshape(-1, side, side)), y - remote.first_label
    n = remote.n_train
    if n is None:
        _keep(folder / f"{name}.npz", x=ink, y=y)
        return _split(name, ink, y, seed)
    train, test = (ink[:n], y[:n]), (ink[n:], y[n:])
    _keep(
        folder / f"{name}.npz", x_train=train[0], y_train=train[1], x_test=test[0], y_test=test[1]
    )
    return _official(name, train, test)


def _keep(path: Path, **arrays: np.ndarray) -> None:
    """Keep what was downloaded in a form that is read fast; where that fails, no harm is done."""
    part = path.with_suffix(".part.npz")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(part, allow_pickle=False, **arrays)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)


def _check_rows(name: str, rows: int, where: object) -> None:
    if rows != _REMOTE[name].rows:
        raise DatasetError(
            f"{_REMOTE[name].rows} pictures in {name}",
            got=f"{rows} from {where}",
            hint="remove that copy and try again",
        )


def _download(name: str, remote: _Remote, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import fetch_openml

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            bunch: Any = fetch_openml(
                remote.openml_name, version=remote.version, as_frame=False, parser="liac-arff",
                data_home=str(folder / "openml"), n_retries=1, delay=0.2,
            )  # fmt: skip
        return np.asarray(bunch.data, np.float32), np.asarray(bunch.target).astype(np.int64)
    except Exception as error:  # the network, the server and the parser each raise their own kinds
        raise DatasetError(
            f"to download {name} from OpenML",
            got=f"no answer that could be used ({type(error).__name__}: {error})"[:200],
            hint=f"put {name}.npz (arrays x and y) or a folder {name} of IDX files into {folder}, "
            "or use --data digits, which needs no download",
        ) from None


def _from_path(path: Path, seed: int) -> Digits:
    if path.is_dir():
        return _from_folder(path, seed)
    if not path.is_file():
        raise DatasetError(
            "a file or a folder", got=f"{path}, which is neither", hint="check the path"
        )
    if path.suffix == ".npz":
        return _from_npz(path, seed)
    if "idx" in path.name:
        images = path if "images" in path.name else _idx_partner(path, "labels", "images")
        x, y = _read_idx_pair(images)
        return _split(path.name, x, y, seed)
    raise DatasetError(
        "an .npz file, an IDX file (…idx3-ubyte.gz) or a folder of pictures per class",
        got=str(path),
    )


def _from_npz(path: Path, seed: int) -> Digits:
    arrays = _read_npz(path)
    x, y = _pick(arrays, *X_NAMES), _pick(arrays, *Y_NAMES)
    x_test, y_test = _pick(arrays, "x_test", "test_data"), _pick(arrays, "y_test", "test_target")
    if x is None or y is None:
        raise DatasetError(
            "arrays x and y (or x_train, y_train, x_test, y_test) in the file",
            got=f"{', '.join(sorted(arrays)) or 'nothing'} in {path}",
            hint="numpy.savez(FILE, x=pictures, y=classes) writes such a file",
        )  # fmt: skip
    if x_test is None or y_test is None:
        return _split(path.name, *_as_examples(x, y, path), seed)
    return _official(path.name, _as_examples(x, y, path), _as_examples(x_test, y_test, path))


def _official(
    name: str, train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray]
) -> Digits:
    """Join the two parts a data set comes in, once they agree on the classes."""
    unknown = np.setdiff1d(test[1], train[1])
    if len(unknown) or len(np.unique(train[1])) < 2:
        raise DatasetError(
            "2 classes or more to learn from, and no others to be tested on",
            got=f"{', '.join(map(str, unknown[:3])) or 'one class'} in {name}",
            hint="give both parts the same classes",
        )  # fmt: skip
    return Digits(name, *train, *test, is_official_split=True)


def read_pictures(path: Path, size: int = INK_SIZE) -> np.ndarray:
    """Read the pictures of an ``.npz`` file as ink, shape (n, size, size).

    Raises
    ------
    DatasetError
        If the file is damaged or has no array of pictures.
    """
    arrays = _read_npz(path)
    x = _pick(arrays, *X_NAMES)
    if x is None:
        raise DatasetError(
            "an array x of pictures in the file",
            got=f"{', '.join(sorted(arrays)) or 'nothing'} in {path}",
            hint="numpy.savez(FILE, x=pictures, y=classes) writes such a file",
        )  # fmt: skip
    return _as_ink(x, path, size)


def read_classes(path: Path) -> np.ndarray | None:
    """Read the classes beside the pictures of an ``.npz`` file, or None where there are none."""
    return _pick(_read_npz(path), *Y_NAMES)


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise DatasetError("an .npz file", got=f"{path}, which is no file", hint="check the path")
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {key.lower(): file[key] for key in file.files}
    except (OSError, ValueError, EOFError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(path, error) from None
    except (zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError) as error:
        raise _damaged(path, error) from None
    return {key: array for key, array in arrays.items() if isinstance(array, np.ndarray)}


def _pick(arrays: dict[str, np.ndarray], *names: str) -> np.ndarray | None:
    return next((arrays[name] for name in names if name in arrays), None)


def _damaged(path: Path, error: Exception) -> DatasetError:
    return DatasetError(
        "a whole data file", got=f"{path}, which is damaged ({error})"[:300],
        hint="fetch the file again",
    )  # fmt: skip


def _as_examples(x: np.ndarray, y: np.ndarray, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Check pictures and classes from a file and bring the pictures to ink."""
    if y.shape != x.shape[:1] or y.dtype.kind not in "biuU":
        raise DatasetError(
            f"a class for each of the {len(x) if x.ndim else 0} pictures, whole numbers or text",
            got=f"{y.dtype} of shape {y.shape} in {path}",
            hint="give y as many values as x has pictures",
        )  # fmt: skip
    return _as_ink(x, path), y.astype(np.int64) if y.dtype.kind in "biu" else y


def _as_ink(x: np.ndarray, path: Path, size: int = INK_SIZE) -> np.ndarray:
    """Check pictures from a file and bring them to ink."""
    side = math.isqrt(x.shape[1]) if x.ndim == 2 else 0
    if side and side * side == x.shape[1]:
        x = x.reshape(-1, side, side)
    if x.ndim == 4 and x.shape[-1] == 1:
        x = x[..., 0]
    if x.ndim != 3 or min(x.shape) < 1 or x.dtype.kind not in "biuf":
        raise DatasetError(
            "pictures as numbers of shape (n, height, width) or (n, side · side)",
            got=f"{x.dtype} of shape {x.shape} in {path}",
        )
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        raise DatasetError(
            "finite pixels", got=f"NaN or infinity in {path}",
            hint="correct these pixels, or leave their pictures out",
        )  # fmt: skip
    return all_to_ink(x, size)


def _from_folder(folder: Path, seed: int) -> Digits:
    images = sorted(p for p in folder.iterdir() if "idx3" in p.name and "images" in p.name)
    if images:
        train = [p for p in images if p.name.startswith("train")]
        test = [p for p in images if p.name.startswith("t10k") or p.name.startswith("test")]
        if len(train) == len(test) == 1:
            return _official(folder.name, _read_idx_pair(train[0]), _read_idx_pair(test[0]))
        return _split(folder.name, *_read_idx_pair(images[0]), seed)
    return _from_class_folders(folder, seed)


def _from_class_folders(folder: Path, seed: int) -> Digits:
    classes = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    x, y = [], []
    for class_folder in classes:
        for path in sorted(class_folder.iterdir()):
            if path.suffix.lower() in IMAGE_SUFFIXES:
                x.append(to_ink(read_grey(path)))
                y.append(class_folder.name)
    if not x:
        raise DatasetError(
            "IDX files, or one sub-folder of pictures for each class",
            got=f"neither in {folder}",
            hint="for example digits/0/a.png, digits/1/b.png",
        )
    labels = np.asarray(y)
    if all(name.isdecimal() and str(int(name)) == name for name in y):
        labels = labels.astype(np.int64)
    return _split(folder.name, np.stack(x), labels, seed)


def _idx_partner(path: Path, mine: str, other: str) -> Path:
    swaps: tuple[Callable[[str], str], ...] = (
        lambda name: name.replace(mine, other),
        lambda name: name.replace(mine, other).replace("idx3", "idx1"),
        lambda name: name.replace(mine, other).replace("idx1", "idx3"),
    )
    for swap in swaps:
        partner = path.with_name(swap(path.name))
        if partner != path and partner.is_file():
            return partner
    raise DatasetError(
        f"the {other} beside {path.name}", got=f"none in {path.parent}",
        hint="put both files into one folder",
    )  # fmt: skip


def _read_idx_pair(images: Path) -> tuple[np.ndarray, np.ndarray]:
    x, y = read_idx(images), read_idx(_idx_partner(images, "images", "labels"))
    return _as_examples(x, y, images)


def read_idx(path: Path) -> np.ndarray:
    """Read an IDX file of unsigned bytes, packed with gzip or not.

    Parameters
    ----------
    path : Path
        The file. Its layout: two zero bytes, type 8, number of axes, each axis as a big-endian
        32-bit number, then the values.

    Returns
    -------
    numpy.ndarray
        uint8 array of the shape the file states.

    Raises
    ------
    DatasetError
        If the file is not of this layout or its length is not what it states.
    """
    try:
        with path.open("rb") as raw:
            is_packed = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path) if is_packed else path.open("rb") as file:
            start = file.read(4)
            if len(start) < 4 or start[:3] != b"\0\0\x08" or not 1 <= start[3] <= 4:
                raise DatasetError(
                    "an IDX file of unsigned bytes", got=f"{path}, which is none",
                    hint="fetch the file again",
                )  # fmt: skip
            sides = file.read(4 * start[3])
            if len(sides) < 4 * start[3]:
                raise DatasetError(
                    "an IDX file with its whole header", got=f"{path}, cut short",
                    hint="fetch the file again",
                )  # fmt: skip
            shape = struct.unpack(f">{start[3]}I", sides)
            n = math.prod(shape)
            if n > MAX_IDX_BYTES:
                raise DatasetError(
                    "an IDX file of at most 2 GiB", got=f"{n:,} bytes in {path}",
                    hint="give a part of it",
                )  # fmt: skip
            content = file.read(n + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, error) from None
    if len(content) != n:
        raise DatasetError(
            f"{n:,} values of shape {shape}, as the header of {path.name} states",
            got=f"{len(content):,} or more" if len(content) > n else f"{len(content):,}",
            hint="fetch the file again",
        )
    return np.frombuffer(content, np.uint8).reshape(shape)
