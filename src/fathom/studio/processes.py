"""Commands in processes of their own, each in a folder of its own, whoever is looking.

What one was started with is kept beside it, and what it says goes to a file there. So it survives
a closed tab and a restarted studio, and what the page starts is what a terminal would.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

from fathom.studio.table_messages import JobState
from fathom.studio.tables import ID, ID_BYTES, known_folder
from fathom.values import Value

MOST_LINE = 2**20
POLL_S = 0.1


class Ticket(Value):
    """What a command was started with, kept beside it."""

    arguments: tuple[str, ...]
    began: float = 0.0
    process: int = 0
    process_began: str = ""


AnyTicket = TypeVar("AnyTicket", bound=Ticket)


class Commands(Generic[AnyTicket]):
    """Commands of one kind: started, looked after, stopped.

    Parameters
    ----------
    folder : Path
        Where they are kept.
    kind : type of Ticket
        What each is started with.
    worth : bytes
        What a command says once it has something to keep.
    patience : float
        Seconds to wait for that before a stop is passed on all the same.
    """

    def __init__(self, folder: Path, kind: type[AnyTicket], worth: bytes, patience: float) -> None:
        self._folder, self._kind, self._worth, self._patience = folder, kind, worth, patience
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def folder_of(self, name: str) -> Path:
        """Return where a command is kept."""
        return known_folder(self._folder, name)

    def names(self) -> list[str]:
        """Return the ids of all commands, the newest first."""
        found = [
            path.name
            for path in self._folder.iterdir()
            if ID.fullmatch(path.name) and (path / "ticket.json").is_file()
        ]
        return sorted(found, key=lambda name: -self.ticket(name).began)

    def ticket(self, name: str) -> AnyTicket:
        """Return what a command was started with."""
        text = (self.folder_of(name) / "ticket.json").read_text(encoding="utf-8")
        return self._kind.model_validate_json(text)

    def new_folder(self) -> Path:
        """Make a folder for a command that is to come."""
        folder = self._folder / secrets.token_hex(ID_BYTES)
        folder.mkdir(mode=0o700)
        return folder

    def run(self, name: str, draft: AnyTicket) -> None:
        """Start a command, or start it once more, in its folder."""
        folder = self._folder / name
        with (
            (folder / "events.jsonl").open("ab") as said,
            (folder / "errors.txt").open("wb") as ill,
        ):
            child = subprocess.Popen(
                [sys.executable, "-m", "fathom", *draft.arguments], cwd=folder,
                stdin=subprocess.DEVNULL, stdout=said, stderr=ill, start_new_session=True,
            )  # fmt: skip
        self._children[name] = child
        started = {
            "process": child.pid, "process_began": begun_at(child.pid), "began": time.time()
        }  # fmt: skip
        text = draft.model_copy(update=started).model_dump_json()
        (folder / "ticket.new").write_text(text, encoding="utf-8")
        (folder / "ticket.new").replace(folder / "ticket.json")  # read by others at any moment

    def is_running(self, name: str) -> bool:
        """Tell whether the process of a command lives."""
        child = self._children.get(name)
        if child is not None:
            return child.poll() is None
        ticket = self.ticket(name)
        return bool(ticket.process_began) and begun_at(ticket.process) == ticket.process_began

    def last_event(self, name: str) -> dict[str, Any]:
        """Return the last whole line a command said."""
        return last_event(self.folder_of(name) / "events.jsonl")

    def state(self, name: str) -> JobState:
        """Tell how a command stands."""
        if self.is_running(name):
            return "stopping" if (self.folder_of(name) / "stop").exists() else "running"
        return "done" if self.last_event(name).get("event") == "done" else "failed"

    def ask_to_stop(self, name: str) -> None:
        """Ask a command to end with the best it has; asking twice asks once."""
        if not self.is_running(name):
            return
        try:
            (self.folder_of(name) / "stop").touch(exist_ok=False)
        except FileExistsError:
            return
        threading.Thread(target=self._stop_in_time, args=(name,), daemon=True).start()

    def _stop_in_time(self, name: str) -> None:
        """Pass the wish to stop on once there is something to keep."""
        place = self.folder_of(name) / "events.jsonl"
        end = time.monotonic() + self._patience
        while self.is_running(name) and time.monotonic() < end:
            if self._worth in place.read_bytes():
                break
            time.sleep(POLL_S)
        if self.is_running(name):
            os.kill(self.ticket(name).process, signal.SIGINT)

    def said(self, name: str, after: int) -> Iterator[tuple[int, dict[str, Any]]]:
        """Return what a command has said so far, with the number of each line, from one on."""
        with (self.folder_of(name) / "events.jsonl").open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    return  # it is being written
                if number > after and len(line) <= MOST_LINE:
                    yield number, json.loads(line)


def begun_at(process: int) -> str:
    """Return when a process began, as the system tells it; nothing where it does not live."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace")
        fields = text.rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return "" if Path("/proc/self/stat").exists() else _is_alive(process)
    return "" if fields[0] == "Z" else fields[19]


def _is_alive(process: int) -> str:
    try:
        os.kill(process, 0)
    except OSError:
        return ""
    return "alive"


def last_event(path: Path) -> dict[str, Any]:
    """Return the last whole line of a file of events."""
    try:
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - MOST_LINE, 0))
            lines = [line for line in file.read().split(b"\n") if line]
        return dict(json.loads(lines[-1])) if lines else {}
    except (OSError, ValueError):
        return {}
