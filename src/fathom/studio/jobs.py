"""Jobs: searches that go on in processes of their own, whoever is looking.

A job is the command ``fathom train`` in a folder of its own, which says what it does to a file
there. So it survives a closed tab and a restarted studio, and what the page starts is what a
terminal would.
"""

import json
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field

from fathom.data.splitting import hold_out
from fathom.data.target import choose_target, parse_target
from fathom.errors import InputError
from fathom.studio.processes import begun_at, last_event
from fathom.studio.table_messages import JobFacts, JobRequest, JobState, SearchEvent
from fathom.studio.tables import ID, ID_BYTES, Tables, known_folder
from fathom.values import Value

TEST_SHARE = 0.2
MOST_RUNNING = 2
POLL_S = 0.1
STOP_PATIENCE_S = 60.0  # for a first network, before a stop is passed on all the same
MOST_LINE = 2**20


class Ticket(Value):
    """What a job was started with, kept beside it."""

    request: JobRequest
    name: str
    task: str
    n_train: int
    n_test: int
    arguments: tuple[str, ...]
    began: float
    process: int
    process_began: str
    earlier_seconds: float = Field(default=0.0, ge=0)


class Jobs:
    """All jobs of a studio.

    Parameters
    ----------
    folder : Path
        Where they are kept.
    tables : Tables
        What they learn from.
    """

    def __init__(self, folder: Path, tables: Tables) -> None:
        self._folder, self._tables = folder, tables
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)

    def every(self) -> tuple[JobFacts, ...]:
        """Return all jobs, the newest first."""
        found = [
            (path.stat().st_mtime, path.name)
            for path in self._folder.iterdir()
            if ID.fullmatch(path.name) and (path / "ticket.json").is_file()
        ]
        return tuple(self.facts(name) for _, name in sorted(found, reverse=True))

    def folder_of(self, name: str) -> Path:
        """Return where a job is kept."""
        return known_folder(self._folder, name)

    def ticket(self, name: str) -> Ticket:
        """Return what a job was started with."""
        place = self.folder_of(name) / "ticket.json"
        return Ticket.model_validate_json(place.read_text(encoding="utf-8"))

    def start(self, request: JobRequest) -> JobFacts:
        """Start a search.

        Raises
        ------
        InputError
            If the table or the target cannot be used, or too many searches go on already.
        """
        table = self._tables.read(request.table)
        frame, task, training, test = _divide(table.frame, request)
        with self._lock:
            self._refuse_crowd()
            name = secrets.token_hex(ID_BYTES)
            folder = self._folder / name
            folder.mkdir(mode=0o700)
            frame[training].write_parquet(folder / "train.parquet")
            if test is not None:
                frame[test].write_parquet(folder / "test.parquet")
            arguments = [
                "train", "train.parquet", f"--target={request.target}",
                f"--time-limit={request.time_limit:g}", f"--task={task}",
                f"--seed={request.seed}", "--output=model.fathom", "--json",
                *(f"--kind={column}={kind}" for column, kind in request.kinds.items()
                  if column != request.target),
            ]  # fmt: skip
            draft = Ticket(
                request=request, name=self._tables.name_of(request.table), task=task,
                n_train=len(training), n_test=0 if test is None else len(test),
                arguments=tuple(arguments), began=0.0, process=0, process_began="",
            )  # fmt: skip
            self._run(name, draft)
        return self.facts(name)

    def go_on(self, name: str, time_limit: float) -> JobFacts:
        """Give a search that has ended more time; it goes on where it stopped."""
        with self._lock:
            facts, before = self.facts(name), self.ticket(name)
            if not facts.has_model:
                raise InputError(
                    "a search that has ended with a model, to go on with it",
                    got=f"one that is {facts.state}",
                    hint="wait for its end, or start another search",
                )  # fmt: skip
            self._refuse_crowd()
            arguments = (
                "train", "train.parquet", f"--target={before.request.target}",
                f"--time-limit={time_limit:g}", "--continue=model.fathom", "--json",
            )  # fmt: skip
            folder = self.folder_of(name)
            for one in ("stop", "report-en.html", "report-zh.html"):
                (folder / one).unlink(missing_ok=True)
            request = before.request.model_copy(update={"time_limit": time_limit})
            update = {
                "request": request, "arguments": arguments, "earlier_seconds": facts.seconds,
            }  # fmt: skip
            self._run(name, before.model_copy(update=update))
        return self.facts(name)

    def _refuse_crowd(self) -> None:
        running = [one for one in self.every() if one.state in ("running", "stopping")]
        if len(running) >= MOST_RUNNING:
            raise InputError(
                f"at most {MOST_RUNNING} searches at once", got=f"{len(running)} that go on",
                hint="stop one, or wait for its end",
            )  # fmt: skip

    def _run(self, name: str, draft: Ticket) -> None:
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
        (folder / "ticket.json").write_text(text, encoding="utf-8")

    def is_running(self, name: str) -> bool:
        """Tell whether the process of a job lives."""
        child = self._children.get(name)
        if child is not None:
            return child.poll() is None
        ticket = self.ticket(name)
        return bool(ticket.process_began) and begun_at(ticket.process) == ticket.process_began

    def facts(self, name: str) -> JobFacts:
        """Return how a job stands."""
        folder, ticket = self.folder_of(name), self.ticket(name)
        is_running = self.is_running(name)
        last = last_event(folder / "events.jsonl")
        has_model = (folder / "model.fathom").is_file()
        state: JobState = "done" if last.get("event") == "done" else "failed"
        if is_running:
            state = "stopping" if (folder / "stop").exists() else "running"
        seconds = float(last.get("seconds") or 0.0) + ticket.earlier_seconds
        if is_running:
            seconds = time.time() - ticket.began + ticket.earlier_seconds
        message = ""
        if state == "failed":
            message = str(last.get("message") or "the search ended before there was a model")
        return JobFacts(
            id=name, name=ticket.name, target=ticket.request.target, task=ticket.task,
            time_limit=ticket.request.time_limit + ticket.earlier_seconds, state=state,
            seconds=seconds, n_train=ticket.n_train, n_test=ticket.n_test,
            has_model=has_model and not is_running, message=message,
            command=shlex.join(["fathom", *ticket.arguments]),
        )  # fmt: skip

    def stop(self, name: str) -> JobFacts:
        """Ask a search to end with the best it has; asking twice asks once."""
        folder = self.folder_of(name)
        if self.is_running(name):
            try:
                (folder / "stop").touch(exist_ok=False)
            except FileExistsError:
                return self.facts(name)
            threading.Thread(target=self._stop_in_time, args=(name,), daemon=True).start()
        return self.facts(name)

    def _stop_in_time(self, name: str) -> None:
        """Pass the wish to stop on once there is something to keep."""
        place = self.folder_of(name) / "events.jsonl"
        end = time.monotonic() + STOP_PATIENCE_S
        while self.is_running(name) and time.monotonic() < end:
            if b'"status": "chosen"' in place.read_bytes():
                break
            time.sleep(POLL_S)
        if self.is_running(name):
            os.kill(self.ticket(name).process, signal.SIGINT)

    def remove(self, name: str) -> None:
        """Remove a job that has ended, with its model.

        Raises
        ------
        InputError
            If it goes on.
        """
        folder = self.folder_of(name)
        if (folder / "ticket.json").is_file() and self.is_running(name):
            raise InputError(
                "a search that has ended", got="one that goes on", hint="stop it first"
            )
        shutil.rmtree(folder, ignore_errors=True)

    def events(self, name: str, after: int) -> Iterator[tuple[int, SearchEvent]]:
        """Return what a job has said so far, with the number of each line, from one on."""
        place = self.folder_of(name) / "events.jsonl"
        with place.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if number <= after:
                    continue
                if not line.endswith(b"\n"):
                    return  # it is being written
                if len(line) > MOST_LINE:
                    continue
                yield number, SearchEvent.model_validate(_drawn(json.loads(line)))


def _drawn(event: dict[str, Any]) -> dict[str, Any]:
    known = SearchEvent.model_fields
    return {key: value for key, value in event.items() if key in known}


def _divide(frame: pl.DataFrame, request: JobRequest) -> tuple[pl.DataFrame, str, Any, Any]:
    """Leave out rows without a target; keep some apart that no network will see."""
    _, goal = choose_target(frame, request.target)
    parsed = parse_target(goal.to_series(), request.task, drop_missing=True)
    kept = frame[parsed.rows]
    classes = parsed.values if parsed.target.task == "classes" else None
    share = TEST_SHARE if request.keeps_test_rows else 0.0
    training, test = hold_out(kept.height, share, request.seed, classes)
    return kept, parsed.target.task, training, test
