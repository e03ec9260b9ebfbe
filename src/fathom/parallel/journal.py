"""The journal: every result of a search on disk before anything is concluded from it."""

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from fathom.errors import InputError
from fathom.parallel.executor import Result

FORMAT = 1
_FILE, _LOCK = "journal.jsonl", "lock"


class Journal:
    """Results by the key of their task, in memory, and in a folder where one is given.

    A line of ``journal.jsonl`` is one thing that happened; the file is synced to the disk with
    every line, and a result's bytes lie in a file of their own that is complete before its line.
    So whatever is killed when, what the journal says it has, it has.

    Parameters
    ----------
    folder : Path or None
        Where; None keeps results in memory only.
    subject : str
        Key of the data; a journal of other data is refused.

    Raises
    ------
    InputError
        If the folder holds a journal of something else, or another process writes to it.
    """

    def __init__(self, folder: Path | None, subject: str) -> None:
        self.folder, self.subject = folder, subject
        self._results: dict[str, Result] = {}
        self._stored: dict[str, dict[str, Any]] = {}
        self._file: int | None = None
        if folder is not None:
            self._open(folder)

    def _open(self, folder: Path) -> None:
        try:
            (folder / "results").mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(folder / _LOCK, timeout=0.0)
            self._lock.acquire()
        except Timeout:
            raise InputError(
                "a journal that no other process writes to", got=str(folder),
                hint="wait for the other search, or end it",
            ) from None  # fmt: skip
        except OSError as error:
            raise InputError(
                "a folder for the journal that can be written to",
                got=f"{folder}: {error.strerror or error}",
                hint="name another one",
            ) from None
        try:
            self._read(folder / _FILE)
        except BaseException:
            self._lock.release()
            raise
        if not self._has_head:
            self.note("search", format=FORMAT, subject=self.subject)

    def _read(self, place: Path) -> None:
        """Take in what an earlier process wrote, as far as it is whole."""
        data = place.read_bytes() if place.exists() else b""
        end, self._has_head = 0, False
        for line in data.splitlines(keepends=True):
            if not line.endswith(b"\n"):
                break
            try:
                entry = json.loads(line)
                kind = entry["what"]
            except (ValueError, TypeError, KeyError):
                break
            if not self._has_head:
                self._require_same(entry, place)
                self._has_head = True
            elif kind == "done":
                self._stored[str(entry.get("task"))] = entry
            end += len(line)
        if data and not self._has_head and not self._is_torn(data):
            self._require_same({}, place)
        self._file = os.open(place, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        os.ftruncate(self._file, end)  # a line that was cut short by the end of its writer

    @staticmethod
    def _is_torn(data: bytes) -> bool:
        """Tell whether this is the beginning of a first line, which holds nothing yet."""
        return b"\n" not in data and data.startswith(b'{"')

    def _require_same(self, entry: dict[str, Any], place: Path) -> None:
        if entry.get("what") == "search" and entry.get("format") == FORMAT:
            if entry.get("subject") == self.subject:
                return
            got = f"{place} of other rows, another seed or another version"
        else:
            got = f"{place}, which is none"
        raise InputError(
            "the journal of this very search, to go on from it", got=got,
            hint="name another folder, or remove this one to begin anew",
        )  # fmt: skip

    def note(self, what: str, **fields: object) -> None:
        """Write a line about something that happened, and have it on the disk."""
        if self._file is None:
            return
        line = json.dumps({"what": what, **fields}, allow_nan=False) + "\n"
        os.write(self._file, line.encode())
        os.fsync(self._file)

    def find(self, key: str) -> Result | None:
        """Return the result of a task, once its bytes are those that were written."""
        if key in self._results:
            return self._results[key]
        entry = self._stored.get(key)
        if entry is None or self.folder is None:
            return None
        with contextlib.suppress(OSError):
            payload = self._place(key).read_bytes()
            if hashlib.sha256(payload).hexdigest() == entry.get("sha256"):
                return Result(payload, str(entry.get("notes", "{}")))
        return None

    def keep(
        self, key: str, result: Result, *, node: str, seconds: float, config: str = ""
    ) -> None:
        """Have a result on the disk, and beside it who gave it and what was asked for."""
        if self.folder is None:
            self._results[key] = result
            return
        place = self._place(key)
        draft = place.with_suffix(".draft")
        with draft.open("wb") as file:
            file.write(result.payload)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, place)
        _sync_folder(place.parent)
        digest = hashlib.sha256(result.payload).hexdigest()
        entry = {"task": key, "sha256": digest, "notes": result.notes, "node": node,
                 "seconds": round(seconds, 3), "config": config}  # fmt: skip
        self.note("done", **entry)
        self._stored[key] = entry

    def forget(self, key: str) -> None:
        """Let go of a result that is in memory only."""
        self._results.pop(key, None)

    def _place(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / "results" / f"{key}.bin"

    def close(self) -> None:
        """Let go of the folder."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
            self._lock.release()

    def remove(self) -> None:
        """Remove what was written, once nothing is to go on from it."""
        self.close()
        if self.folder is not None:
            remove_journal(self.folder)


def remove_journal(folder: Path) -> None:
    """Remove a journal, and its folder where nothing else is in it."""
    for place in (folder / "results").glob("*"):
        if place.suffix in (".bin", ".draft"):
            place.unlink(missing_ok=True)
    for name in (_FILE, _LOCK):
        (folder / name).unlink(missing_ok=True)
    for place in (folder / "results", folder):
        with contextlib.suppress(OSError):
            place.rmdir()


def _sync_folder(folder: Path) -> None:
    """Have the name of a new file on the disk, where folders can be synced."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
