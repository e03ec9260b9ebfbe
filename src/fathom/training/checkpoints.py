"""Checkpoints: arrays and what is said of them in one file, which is whole or absent.

A line of JSON, the bytes of the arrays one after another, and the SHA-256 of all of it. Nothing
that is read back can run code.
"""

import contextlib
import hashlib
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fathom.errors import InputError

FORMAT = 1
DIGEST_BYTES = 32
MOST_HEAD_BYTES = 2**30
CHUNK = 2**24


def write_checkpoint(place: Path, notes: str, arrays: Iterable[np.ndarray]) -> None:
    """Write a checkpoint in the place of the last one; it is on the disk when this returns.

    Parameters
    ----------
    place : Path
        Where. Whatever is killed when, a whole checkpoint is there: the last one or this.
    notes : str
        What is said of the arrays, without line breaks.
    arrays : iterable of numpy.ndarray
        The arrays, each of which is asked for when the one before is written.
    """
    draft, digest = place.with_suffix(".draft"), hashlib.sha256()
    with draft.open("wb") as file:
        for part in _parts(notes, arrays):
            digest.update(part)
            file.write(part)
        file.write(digest.digest())
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, place)
    with contextlib.suppress(OSError):  # have its name on the disk, where folders can be synced
        handle = os.open(place.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _parts(notes: str, arrays: Iterable[np.ndarray]) -> Iterator[bytes | memoryview]:
    yield json.dumps({"format": FORMAT, "notes": notes}).encode() + b"\n"
    for array in arrays:
        head = {"type": array.dtype.str, "shape": list(array.shape)}
        yield json.dumps(head).encode() + b"\n"
        yield np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def read_notes(place: Path) -> str | None:
    """Return what a checkpoint says of its arrays, unchecked; None where there is none."""
    try:
        with place.open("rb") as file:
            return str(json.loads(file.readline(MOST_HEAD_BYTES))["notes"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_checkpoint(
    place: Path, like: Callable[[str], Iterable[tuple[tuple[int, ...], np.dtype[Any]]]]
) -> tuple[str, list[np.ndarray]]:
    """Return what a checkpoint says and its arrays, which stay on the disk until they are used.

    Parameters
    ----------
    place : Path
        Where it is.
    like : callable
        What the checkpoint says → shape and type of each array there has to be.

    Raises
    ------
    InputError
        If it is damaged, or of another network.
    """
    size = place.stat().st_size - DIGEST_BYTES
    if size < 0 or not _is_whole(place, size):
        raise _unusable(place, "one that was damaged")
    arrays = []
    with place.open("rb") as file:
        head = json.loads(file.readline(MOST_HEAD_BYTES))
        if head.get("format") != FORMAT:
            raise _unusable(place, "one of another version of Fathom")
        notes = str(head["notes"])
        for shape, kind in like(notes):
            line = file.readline(MOST_HEAD_BYTES) if file.tell() < size else b"{}"
            if json.loads(line) != {"type": kind.str, "shape": list(shape)}:
                raise _unusable(place, "one of another network")
            arrays.append(_map(place, file.tell(), shape, kind))
            file.seek(math.prod(shape) * kind.itemsize, os.SEEK_CUR)
        if file.tell() != size:
            raise _unusable(place, "one of another network")
    return notes, arrays


def _map(place: Path, offset: int, shape: tuple[int, ...], kind: np.dtype[Any]) -> np.ndarray:
    if 0 in shape:
        return np.zeros(shape, kind)
    mapped = np.memmap(place, kind, "r", offset, math.prod(shape))
    return np.asarray(mapped).reshape(shape)


def _is_whole(place: Path, size: int) -> bool:
    digest = hashlib.sha256()
    with place.open("rb") as file:
        while size:
            part = file.read(min(CHUNK, size))
            if not part:
                return False
            digest.update(part)
            size -= len(part)
        return file.read() == digest.digest()


def _unusable(place: Path, got: str) -> InputError:
    return InputError(
        "a checkpoint of this training", got=f"{place}, {got}",
        hint="remove it to begin anew, or name another folder",
    )  # fmt: skip
