"""The container of a model file: a strict reader and writer of the safetensors layout.

A file is an 8-byte little-endian length, a JSON header of that length, and the values of the
tensors. Every file written here is a valid safetensors file; of all valid ones only those are read
back whose header leaves nothing open: no name twice, no hole, no trailing byte, no type but those
in use, nothing that is not finite.
"""

import contextlib
import json
import math
import os
import re
import stat
import struct
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fathom.errors import ModelFileError

MAX_HEADER_BYTES = 8 * 2**20
MAX_FILE_BYTES = 8 * 2**30
MAX_TENSORS = 10_000
MAX_RANK = 8
MAX_NAME = 256
MAX_DIGITS = 19
DTYPES: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"), "F64": np.dtype("<f8"),
    "F16": np.dtype("<f2"), "I8": np.dtype("i1"),  # of compressed networks alone
}  # fmt: skip
_CODES = {dtype: code for code, dtype in DTYPES.items()}
LEFT_S = 60.0  # seconds after which a temporary file may be one that was left
_PART = ".part-"  # in the names of temporary files, which eight random signs end
_METADATA = "__metadata__"
_SURROGATE = re.compile(r"\\u[dD]")


def parse_json(text: str, what: str) -> Any:  # noqa: C901 (one small rule for each kind of value)
    """Parse JSON that says everything once and nothing that is not finite.

    Parameters
    ----------
    text : str
        The JSON text.
    what : str
        What it is, for the error.

    Raises
    ------
    ModelFileError
        For a key given twice, NaN, infinity, a number of more than 19 digits, too deep a nesting,
        a lone surrogate, or anything that is not JSON.
    """

    def refuse(reason: str) -> ModelFileError:
        return ModelFileError(f"{what} in plain JSON", got=reason)

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise refuse("a key given twice")
        return found

    def integer(digits: str) -> int:
        if len(digits.lstrip("-")) > MAX_DIGITS:
            raise refuse(f"a number of {len(digits)} digits")
        return int(digits)

    def real(digits: str) -> float:
        value = float(digits)
        if len(digits) > 64 or not math.isfinite(value):
            raise refuse(f"the number {digits[:40]}")
        return value

    def constant(name: str) -> float:
        raise refuse(name)

    try:
        value = json.loads(
            text, object_pairs_hook=once, parse_int=integer, parse_float=real,
            parse_constant=constant,
        )  # fmt: skip
        text.encode()
        if _SURROGATE.search(text):  # one may be hidden in an escape
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except RecursionError:
        raise refuse("brackets nested too deep") from None
    except UnicodeEncodeError:
        raise refuse("half of a character pair") from None
    except json.JSONDecodeError as error:
        raise refuse(f"an error at character {error.pos}") from None


def pack(
    tensors: Mapping[str, np.ndarray], describe: Callable[[bytes], dict[str, str]]
) -> tuple[bytes, bytes]:
    """Return header (with its length) and data of a file.

    Parameters
    ----------
    tensors : mapping of str to numpy.ndarray
        Arrays by name, of the types of `DTYPES`; finite.
    describe : callable
        Gives the metadata, text by name, for the data part.

    Raises
    ------
    ModelFileError
        If a value is not finite or the header would be longer than 8 MiB.
    """
    entries: dict[str, Any] = {}
    parts, end = [], 0
    # Widest types first, as the safetensors library writes them, so that all stay aligned.
    for name in sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name)):
        array = np.ascontiguousarray(tensors[name])
        if not np.isfinite(array).all():
            raise ModelFileError(
                "finite weights to save", got=f"NaN or infinity in {name}",
                hint="train it again: training went astray",
            )  # fmt: skip
        data = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        entries[name] = {
            "dtype": _CODES[array.dtype.newbyteorder("<")],
            "shape": list(tensors[name].shape),
            "data_offsets": [end, end + len(data)],
        }
        parts.append(data)
        end += len(data)
    content = b"".join(parts)
    header = {_METADATA: describe(content), **entries}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > MAX_HEADER_BYTES or len(tensors) > MAX_TENSORS:
        raise ModelFileError(
            "a model whose description fits into 8 MiB",
            got=f"{len(text):,} bytes and {len(tensors):,} tensors",
            hint="leave columns out, above all those of many categories",
        )  # fmt: skip
    return struct.pack("<Q", len(text)) + text, content


def unpack(content: bytes) -> tuple[dict[str, np.ndarray], dict[str, str], bytes]:
    """Return tensors, metadata and the data part of a file's content.

    Raises
    ------
    ModelFileError
        If anything at all is not as it must be.
    """
    header, data = _split(content)
    metadata = header.pop(_METADATA, None)
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise _damaged("no readable metadata")
    if len(header) > MAX_TENSORS:
        raise _damaged(f"{len(header):,} tensors")
    spans = sorted((_check_entry(name, entry), name) for name, entry in header.items())
    end = 0
    for (begin, stop), _ in spans:
        if begin != end:
            raise _damaged("tensors that overlap or leave a hole")
        end = stop
    if end != len(data):
        raise _damaged(f"{len(data):,} bytes of data where {end:,} are described")
    tensors = {}
    for (begin, stop), name in spans:
        entry = header[name]
        array = np.frombuffer(data[begin:stop], DTYPES[entry["dtype"]]).reshape(entry["shape"])
        if not np.isfinite(array).all():
            raise _damaged(f"weights that are not finite in {name!r}")
        tensors[name] = array
    return tensors, metadata, data


def _split(content: bytes) -> tuple[dict[str, Any], bytes]:
    if len(content) < 8:
        raise _no_model(f"{len(content)} bytes in all")
    length = struct.unpack("<Q", content[:8])[0]
    if length >> 56:  # no file of ours, however damaged, begins with eight bytes like these
        raise _no_model("a file of another kind")
    if not 2 <= length <= min(MAX_HEADER_BYTES, len(content) - 8):
        raise _damaged(f"a header length of {length:,}")
    raw = content[8 : 8 + length]
    if raw[:1] != b"{":
        raise _damaged("a header that is no JSON object")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise _damaged("a header that is not UTF-8") from None
    header: dict[str, Any] = parse_json(text, "a header")
    return header, content[8 + length :]


def _check_entry(name: str, entry: object) -> tuple[int, int]:
    """Check one tensor's entry by itself; return where its data begins and ends."""
    if not 0 < len(name) <= MAX_NAME or not name.isprintable():
        raise _damaged("a tensor with an unusable name")
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise _damaged(f"an unusable entry for {name!r}")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise _damaged(f"the unknown type {str(dtype)[:20]!r} of {name!r}")
    is_count = lambda n: type(n) is int and 0 <= n < 2**48  # noqa: E731
    is_shape = isinstance(shape, list) and len(shape) <= MAX_RANK and all(map(is_count, shape))
    if not is_shape or 0 in shape:
        raise _damaged(f"an unusable shape of {name!r}")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(map(is_count, offsets)):
        raise _damaged(f"unusable offsets of {name!r}")
    begin, stop = offsets
    if stop - begin != math.prod(shape) * DTYPES[dtype].itemsize:
        raise _damaged(f"{stop - begin:,} bytes for {name!r} of shape {str(shape)[:60]}")
    return begin, stop


def _no_model(got: str) -> ModelFileError:
    return ModelFileError(
        "a model file", got=got,
        hint="give what Fathom has saved; in a command it comes before the data",
    )  # fmt: skip


def _damaged(got: str) -> ModelFileError:
    return ModelFileError("a whole model file", got=got)


class Tensors:
    """The tensors of a file, each handed out once, and only in the shape that is asked for.

    Parameters
    ----------
    tensors : mapping of str to numpy.ndarray
        All of them by name.
    """

    def __init__(self, tensors: Mapping[str, np.ndarray]) -> None:
        self._left = dict(tensors)

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def take(self, name: str, *shape: int | None, dtype: type = np.float64) -> np.ndarray:
        """Return a tensor.

        Parameters
        ----------
        name : str
            Its name.
        *shape : int or None
            Its shape; None for a length that is free.
        dtype : type
            Its type.

        Raises
        ------
        ModelFileError
            If it is not there, or of another shape or type.
        """
        array = self._left.pop(name, None)
        if array is None:
            raise _unlike(f"none named {name!r}")
        is_like = array.ndim == len(shape) and array.dtype == dtype
        if not is_like or any(n not in (None, m) for n, m in zip(shape, array.shape, strict=True)):
            raise _unlike(f"{name!r} of shape {str(array.shape)[:60]} and type {array.dtype}")
        return array

    def require_none_left(self) -> None:
        """Refuse tensors that nothing asked for."""
        if self._left:
            raise _unlike(f"another, {min(self._left)!r}")


def _unlike(got: str) -> ModelFileError:
    return ModelFileError("the tensors the card describes", got=got)


def read_file(path: Path) -> bytes:
    """Read a regular file whole.

    Raises
    ------
    ModelFileError
        If it is absent, no regular file, unreadable or larger than 8 GiB.
    """
    try:
        with open(path, "rb", opener=_open_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ModelFileError(
                    "a model file", got=f"{path}, which is no regular file",
                    hint="give a file that Fathom has saved",
                )  # fmt: skip
            if status.st_size > MAX_FILE_BYTES:
                raise ModelFileError(
                    "a model file of at most 8 GiB", got=f"{status.st_size:,} bytes in {path}",
                    hint="give a file that Fathom has saved",
                )  # fmt: skip
            return file.read(status.st_size + 1)
    except FileNotFoundError:
        raise ModelFileError(
            "a model file", got=f"{path}, which does not exist",
            hint="check the path, or train one: fathom train DATA --target COLUMN",
        ) from None  # fmt: skip
    except (OSError, ValueError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(
            "a readable model file", got=f"{path} ({error})", hint="check its permissions"
        ) from None


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # a pipe must not block


def require_writable(path: Path) -> None:
    """Refuse a place that a file could not be written to, before long work is done for it.

    Raises
    ------
    ModelFileError
        If the folder is absent or closed, or something other than a file is there.
    """
    try:
        is_taken, folder = path.exists() and not path.is_file(), path.resolve().parent
        is_open = folder.is_dir() and os.access(folder, os.W_OK)
    except (OSError, RuntimeError, ValueError) as error:
        raise ModelFileError(
            "a file to write to", got=f"{str(path)[:200]} ({error})",
            hint="give another place with --output",
        ) from None  # fmt: skip
    if is_taken:
        raise ModelFileError(
            "a file to write to", got=f"{path}, which is no regular file",
            hint="give another place with --output",
        )  # fmt: skip
    if not is_open:
        reason = "is closed to writing" if folder.is_dir() else "does not exist"
        raise ModelFileError(
            f"a folder to write {path.name} into", got=f"{folder}, which {reason}",
            hint="make it, or give another place with --output",
        )  # fmt: skip


def write_file(path: Path, *parts: bytes) -> None:
    """Write a file whole or not at all: to a temporary one beside it, to disk, then in its place.

    What a writer that was killed has left beside it is removed after that.

    Raises
    ------
    ModelFileError
        If it cannot be written; what was there before is left as it was.
    """
    require_writable(path)
    target = path.resolve()
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}{_PART}", dir=target.parent)
    except OSError as error:
        raise _unwritable(path, error) from None
    guard = _lock(handle)
    try:
        with os.fdopen(handle, "wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, target)
        _sync_folder(target.parent)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise _unwritable(path, error) from None
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    finally:
        if guard is not None:
            os.close(guard)
    _remove_leftovers(target)


def _lock(handle: int) -> int | None:
    """Lock a file for as long as what is returned is open, so that nobody takes it for left."""
    if os.name != "posix":
        return None
    import fcntl

    with contextlib.suppress(OSError):  # some file systems know no locks; there its age protects it
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return os.dup(handle)


def _remove_leftovers(target: Path) -> None:
    """Remove temporary files of writers of the same file that are no more.

    Who writes holds a lock, which ends with its process however that ends; a file that is not a
    minute old is left alone even so, as it may be about to be locked.
    """
    if os.name != "posix":
        return
    import fcntl

    is_part = re.compile(re.escape(f".{target.name}{_PART}") + "[a-z0-9_]{8}").fullmatch
    with contextlib.suppress(OSError):
        for entry in os.scandir(target.parent):
            if is_part(entry.name) is None or not entry.is_file(follow_symlinks=False):
                continue
            if time.time() - entry.stat(follow_symlinks=False).st_mtime < LEFT_S:
                continue
            with contextlib.suppress(OSError):
                handle = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW)
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(entry.path)
                finally:
                    os.close(handle)


def _unwritable(path: Path, error: OSError) -> ModelFileError:
    return ModelFileError(
        f"to write {path}", got=f"{error.strerror or error}",
        hint="give another place with --output",
    )  # fmt: skip


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
