"""Jobs: searches of the data page, the command ``fathom train`` in processes of their own."""

import shlex
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from fathom.data.dividing import divide
from fathom.errors import InputError
from fathom.studio.processes import Commands, Ticket
from fathom.studio.table_messages import JobFacts, JobRequest, SearchEvent
from fathom.studio.tables import Tables
from fathom.studio.wording import in_both

TEST_SHARE = 0.2
MOST_RUNNING = 2
SAID = ("structure", "reason", "text")  # of an event, what is words
STOP_PATIENCE_S = 60.0  # for a first network, before a stop is passed on all the same


class JobTicket(Ticket):
    """What a search was started with."""

    request: JobRequest
    name: str
    task: str
    n_train: int
    n_test: int
    earlier_seconds: float = Field(default=0.0, ge=0)
    times: tuple[float, ...] = ()  # each time it was given


class Jobs(Commands[JobTicket]):
    """All jobs of a studio.

    Parameters
    ----------
    folder : Path
        Where they are kept.
    tables : Tables
        What they learn from.
    """

    def __init__(self, folder: Path, tables: Tables) -> None:
        super().__init__(folder, JobTicket, b'"status": "chosen"', STOP_PATIENCE_S)
        self._tables, self._lock = tables, threading.Lock()

    def every(self) -> tuple[JobFacts, ...]:
        """Return all jobs, the newest first."""
        return tuple(self.facts(name) for name in self.names())

    def start(self, request: JobRequest) -> JobFacts:
        """Start a search.

        Raises
        ------
        InputError
            If the table or the target cannot be used, or too many searches go on already.
        """
        table = self._tables.read(request.table, request.sheet)
        share = TEST_SHARE if request.keeps_test_rows else 0.0
        parts = divide(
            table.frame, request.target, task=request.task, fraction=share, seed=request.seed
        )
        task, has_test = parts.target.task, len(parts.test) > 0
        with self._lock:
            self._refuse_crowd()
            folder = self.new_folder()
            parts.frame[parts.training].write_parquet(folder / "train.parquet")
            if has_test:
                parts.frame[parts.test].write_parquet(folder / "test.parquet")
                np.save(folder / "test_rows.npy", parts.rows[parts.test])
            arguments = [
                "train", "train.parquet", f"--target={request.target}",
                f"--time-limit={request.time_limit:g}", f"--task={task}",
                f"--seed={request.seed}", "--output=model.fathom", "--json",
                *(f"--kind={column}={kind}" for column, kind in request.kinds.items()
                  if column != request.target),
            ]  # fmt: skip
            draft = JobTicket(
                request=request, name=self._tables.name_of(request.table), task=task,
                n_train=len(parts.training), n_test=len(parts.test),
                arguments=tuple(arguments), times=(request.time_limit,),
            )  # fmt: skip
            self.run(folder.name, draft)
        return self.facts(folder.name)

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
            for one in (folder / "stop", *folder.glob("*.html")):  # pages on the model before
                one.unlink(missing_ok=True)
            request = before.request.model_copy(update={"time_limit": time_limit})
            update = {
                "request": request, "arguments": arguments, "earlier_seconds": facts.seconds,
                "times": (*(before.times or (before.request.time_limit,)), time_limit),
            }  # fmt: skip
            self.run(name, before.model_copy(update=update))
        return self.facts(name)

    def _refuse_crowd(self) -> None:
        running = [one for one in self.every() if one.state in ("running", "stopping")]
        if len(running) >= MOST_RUNNING:
            raise InputError(
                f"at most {MOST_RUNNING} searches at once", got=f"{len(running)} that go on",
                hint="stop one, or wait for its end",
            )  # fmt: skip

    def facts(self, name: str) -> JobFacts:
        """Return how a job stands."""
        ticket, state, last = self.ticket(name), self.state(name), self.last_event(name)
        is_running = state in ("running", "stopping")
        has_model = (self.folder_of(name) / "model.fathom").is_file()
        passed = time.time() - ticket.began if is_running else float(last.get("seconds") or 0.0)
        message = None
        if state == "failed":
            said = last.get("message") or "the search ended before there was a model"
            message = in_both(str(said))
        return JobFacts(
            id=name, name=ticket.name, target=ticket.request.target, task=ticket.task,
            time_limit=ticket.request.time_limit + ticket.earlier_seconds, state=state,
            seconds=passed + ticket.earlier_seconds, n_train=ticket.n_train, n_test=ticket.n_test,
            has_model=has_model and not is_running, message=message,
            command=shlex.join(["fathom", *ticket.arguments]),
        )  # fmt: skip

    def stop(self, name: str) -> JobFacts:
        """Ask a search to end with the best it has; asking twice asks once."""
        self.ask_to_stop(name)
        return self.facts(name)

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
        for number, event in self.said(name, after):
            yield number, SearchEvent.model_validate(_drawn(event))


def _drawn(event: dict[str, Any]) -> dict[str, Any]:
    known = SearchEvent.model_fields
    return {
        key: in_both(value) if key in SAID and isinstance(value, str) else value
        for key, value in event.items()
        if key in known
    }
