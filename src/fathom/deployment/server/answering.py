"""Answering: the addresses that predict, from the bytes of a request to those of the answer."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic_core import from_json, to_json

from fathom.data.cells import quoted
from fathom.deployment.server.bodies import Bodies
from fathom.deployment.server.metrics import Metrics
from fathom.deployment.server.refusals import Refusal, refuse
from fathom.deployment.server.rows import Rows
from fathom.deployment.server.shelf import Place, Shelf
from fathom.deployment.server.tensors import parse_inference, write_inference
from fathom.errors import InputError

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

HEADERS, LABEL, READ = "fathom.headers", "fathom.label", "fathom.read"  # of ours in a scope
LARGE_BYTES = 2**18  # of a body from which it is taken apart in a thread
LARGE_ROWS = 1000  # rows from which the answer is written in a thread
VERSION = "1"  # the only one there is of a model
_LENGTH = b"inference-header-content-length"


@dataclass(frozen=True)
class Desk:
    """What every address needs."""

    shelf: Shelf
    metrics: Metrics
    bodies: Bodies


async def send_bytes(
    send: Send, body: bytes, kind: bytes, extra: tuple[tuple[bytes, bytes], ...] = ()
) -> None:
    """Send a whole answer."""
    length = str(len(body)).encode()
    headers = [(b"content-type", kind), (b"content-length", length), *extra]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def find_place(scope: Scope, shelf: Shelf) -> Place:
    """Return the model that an address names."""
    names = scope["path_params"]
    if names.get("version", VERSION) != VERSION:
        raise Refusal(404, f"expected version {VERSION} — got {quoted(names['version'])}")
    return shelf.find(names["name"]) if "name" in names else shelf.only()


def _parse_json(data: bytes | memoryview) -> Any:
    try:
        return from_json(bytes(data))
    except ValueError as error:
        refuse("JSON", got=f"{error}" if len(data) else "an empty body")


class Predict:
    """``POST /predict``: rows as objects by column name, or as lists; an object for each."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        desk = self._desk
        place = find_place(scope, desk.shelf)
        scope[LABEL] = place.name, "predict"
        async with desk.bodies.reading(scope[HEADERS], receive) as body:
            scope[READ] = True
            served, batcher = place.served, place.batcher

            def read() -> Rows:
                given = _parse_json(body)
                if not isinstance(given, dict) or not isinstance(given.get("rows"), list):
                    refuse(
                        'a JSON object with the list "rows"', got="one without it",
                        hint='for example {"rows": [{"column": value, …}, …]}',
                    )  # fmt: skip
                strange = given.keys() - {"rows"}
                if strange:
                    refuse('nothing beside "rows"', got=quoted(min(strange)))
                return _checked(served.intake.from_json, given["rows"])

            is_large = served.intake.is_slow or len(body) > LARGE_BYTES
            rows = await asyncio.to_thread(read) if is_large else read()
            answers = await batcher.predict(rows)

            def write() -> bytes:
                said: dict[str, Any] = {
                    "model": served.name, "predictions": served.answer(rows, answers),
                }  # fmt: skip
                if rows.notes:
                    said["notes"] = rows.notes
                return to_json(said)

            answer = await asyncio.to_thread(write) if rows.n > LARGE_ROWS else write()
        desk.metrics.on_rows(served, rows, answers)
        await send_bytes(send, answer, b"application/json")


class Infer:
    """``POST /v2/models/{name}/infer``: tensors, as JSON or as bytes behind it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        desk = self._desk
        place = find_place(scope, desk.shelf)
        scope[LABEL] = place.name, "infer"
        headers = scope[HEADERS]
        async with desk.bodies.reading(headers, receive) as body:
            scope[READ] = True
            served, batcher = place.served, place.batcher

            def read() -> Any:
                whole = memoryview(body)
                n = _head_length(headers, len(whole))
                asked = parse_inference(_parse_json(whole[:n]), whole[n:])
                return asked, _checked(served.intake.from_tensors, asked.inputs)

            is_large = served.intake.is_slow or len(body) > LARGE_BYTES
            asked, rows = await asyncio.to_thread(read) if is_large else read()
            answers = await batcher.predict(rows)

            def write() -> tuple[bytes, int | None]:
                given = served.answer_tensors(rows, answers)
                return write_inference(served.name, asked, given, rows.notes)

            is_large = rows.n > LARGE_ROWS
            answer, n_head = await asyncio.to_thread(write) if is_large else write()
        desk.metrics.on_rows(served, rows, answers)
        if n_head is None:
            await send_bytes(send, answer, b"application/json")
        else:
            extra = ((_LENGTH, str(n_head).encode()),)
            await send_bytes(send, answer, b"application/octet-stream", extra)


def _head_length(headers: dict[bytes, bytes], n: int) -> int:
    """Return how long the JSON of a request is, before the bytes of its tensors."""
    stated = headers.get(_LENGTH)
    if stated is None:
        return n
    if not stated.isdigit() or len(stated) > 18 or int(stated) > n:
        refuse(
            f"Inference-Header-Content-Length of at most the body's {n:,} bytes",
            got=quoted(stated.decode("latin-1")),
        )
    return int(stated)


def _checked(read: Callable[[Any], Rows], given: Any) -> Rows:
    """Read rows; what the library refuses is the client's to put right."""
    try:
        return read(given)
    except InputError as error:
        raise Refusal(400, str(error)) from None
