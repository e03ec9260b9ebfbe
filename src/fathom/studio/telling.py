"""Telling: what a job says, sent on as server-sent events."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from pathlib import Path
from typing import Protocol

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from fathom.values import Value

POLL_S = 0.1
HEARTBEAT_S = 15.0
MOST_BATCH = 500  # events sent together


class Source(Protocol):
    """What has jobs that say something."""

    def folder_of(self, name: str) -> Path:
        """Return where a job is kept; refuse what is no name of one."""

    def is_running(self, name: str) -> bool:
        """Tell whether a job goes on."""

    def facts(self, name: str) -> Value:
        """Return how a job stands."""

    def events(self, name: str, after: int) -> Iterator[tuple[int, Value]]:
        """Return what a job has said so far, numbered, from one on."""


def tell(request: Request, source: Source) -> Response:
    """Tell what a job says, as it says it; who comes again goes on where it was."""
    name = request.path_params["id"]
    source.folder_of(name)
    last = request.headers.get("last-event-id") or request.query_params.get("after") or "0"
    after = int(last) if last.isdecimal() and len(last) < 12 else 0
    return StreamingResponse(
        _stream(request, source, name, after), media_type="text/event-stream",
        headers={"cache-control": "no-store"},
    )  # fmt: skip


async def _stream(request: Request, source: Source, name: str, after: int) -> AsyncIterator[str]:
    quiet = 0.0
    while not await request.is_disconnected():
        is_running = source.is_running(name)
        batch = await run_in_threadpool(_some, source, name, after)
        if batch:
            after, quiet = batch[-1][0], 0.0
            told = ",".join(e.model_dump_json(exclude_none=True) for _, e in batch)
            yield f"id: {after}\nevent: search\ndata: [{told}]\n\n"
        elif not is_running:
            facts = source.facts(name).model_dump_json()
            yield f"id: {after}\nevent: end\ndata: {facts}\n\n"
            return
        else:
            quiet += POLL_S
            if quiet >= HEARTBEAT_S:
                quiet = 0.0
                yield ": still here\n\n"
            await asyncio.sleep(POLL_S)


def _some(source: Source, name: str, after: int) -> list[tuple[int, Value]]:
    return list(islice(source.events(name, after), MOST_BATCH))
