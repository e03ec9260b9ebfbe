"""Connections: sockets, their limits of time and number, and how the server ends."""

import asyncio
import contextlib
import logging
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from fathom.data.cells import quoted
from fathom.deployment.server.app import Application
from fathom.deployment.server.guard import MOST_HEAD_BYTES
from fathom.deployment.server.lingering import Lingering, end_connections
from fathom.deployment.server.refusals import error_body
from fathom.errors import InputError

LOG = logging.getLogger("fathom.serve")
HEAD_S = 10.0  # from the first byte of a head, or from a new connection, to the end of the head
IDLE_S = 75  # between two requests of a connection
WRITE_S = 30.0  # that a client may take nothing of an answer
MOST_CONNECTIONS = 800  # below the 1,024 open files that many systems allow
GRACE_S = 0.3  # in which requests on open connections are still taken once the server is to end
_PHRASES = {400: "Bad Request", 408: "Request Timeout", 429: "Too Many Requests",
            431: "Request Header Fields Too Large"}  # fmt: skip


class Connection(HttpToolsProtocol):
    """One connection; its heads come in time and are not too large, and its answers are taken."""

    head_s = HEAD_S

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a head."""
        self._line = Lingering(transport, self, self.loop)
        super().connection_made(self._line)  # type: ignore[arg-type]
        self._head_since: float | None = self.loop.time()
        self._n_head = 0
        self._has_begun = False
        self._unwritten, self._unwritten_since = 0, 0.0
        if len(self.connections) > MOST_CONNECTIONS:
            self._refuse(429, f"at most {MOST_CONNECTIONS} connections", "one more")
            self._line.close_at_once()  # there are too many to wait for any

    def shutdown(self) -> None:
        """End once what is being answered is."""
        if not self.transport.is_closing():
            super().shutdown()
        if self.transport.is_closing():  # nothing is being answered, and the whole server waits
            self._line.close_at_once()

    def data_received(self, data: bytes) -> None:
        """Take bytes; a head that does not end is refused."""
        if self.transport.is_closing():
            return
        if self._head_since is None and (self.cycle is None or self.cycle.response_complete):
            self._head_since = self.loop.time()  # also for what is no head, as empty lines
        if self._head_since is not None:
            self._n_head += len(data)
        super().data_received(data)
        if self._head_since is not None and self._n_head > MOST_HEAD_BYTES:
            self._refuse(431, f"headers of at most {MOST_HEAD_BYTES:,} bytes", "more")

    def on_message_begin(self) -> None:
        """Begin to wait for the rest of a head."""
        super().on_message_begin()
        self._has_begun = True
        if self._head_since is None:
            self._head_since = self.loop.time()

    def on_headers_complete(self) -> None:
        """Stop waiting."""
        self._head_since, self._n_head, self._has_begun = None, 0, False
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        self._refuse(400, "a request in HTTP/1.1", "something else")

    def _refuse(self, status: int, expected: str, got: str) -> None:
        if self.transport.is_closing():
            return
        body = error_body(f"expected {expected} — got {got}")
        head = (
            f"HTTP/1.1 {status} {_PHRASES[status]}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n{'retry-after: 1' * (status == 429)}"
            f"{chr(13) + chr(10) if status == 429 else ''}connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def look_after(self, now: float) -> None:
        """End the connection if its client is too slow."""
        since = self._head_since
        if since is not None and now - since > self.head_s:
            if self._has_begun:
                self._refuse(408, f"a whole head within {self.head_s:g} s", "a part of it")
            else:
                self.transport.close()
        left = self.transport.get_write_buffer_size()
        if left == 0 or left < self._unwritten or not self._unwritten:
            self._unwritten, self._unwritten_since = left, now
        elif now - self._unwritten_since > WRITE_S:
            self.transport.abort()


class Server(uvicorn.Server):
    """Listens until it is told to end; then answers what has come, and leaves.

    Parameters
    ----------
    application : Application
        What answers.
    drain_s : float
        Seconds that requests in progress may take once the server is to end.
    tick : callable
        Called about every second.
    on_ready : callable
        Called once it listens.
    """

    def __init__(
        self,
        application: Application,
        drain_s: float,
        tick: Callable[[], Awaitable[None]],
        on_ready: Callable[[], None],
        on_drain: Callable[[], None],
    ) -> None:
        super().__init__(uvicorn.Config(
            application, http=Connection, ws="none", lifespan="off", log_config=None,
            access_log=False, server_header=False, proxy_headers=False, backlog=2048,
            timeout_keep_alive=IDLE_S, timeout_graceful_shutdown=max(1, round(drain_s)),
        ))  # fmt: skip
        self._application = application
        self._tick, self._on_ready, self._on_drain = tick, on_ready, on_drain

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and begin to look after models and connections."""
        await super().startup(sockets)
        self._looking = [asyncio.create_task(self._look()), asyncio.create_task(self._ticks())]
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, answer what has come, and end."""
        self._application.condition.is_draining = True
        self._on_drain()
        for listener in self.servers:
            listener.close()
        if not self.force_exit:
            await asyncio.sleep(GRACE_S)
        await super().shutdown(sockets)
        await end_connections(self.server_state.connections)
        for task in self._looking:
            task.cancel()

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        gauge = self._application.desk.metrics.connections
        while True:
            await asyncio.sleep(min(1.0, Connection.head_s / 2))
            now = loop.time()
            connections: list[Any] = list(self.server_state.connections)
            gauge.set(len(connections))
            for connection in connections:
                connection.look_after(now)

    async def _ticks(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            try:
                await self._tick()
            except Exception:
                LOG.exception("looking after the models failed")

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End in good order when asked to, with exit code 0; at once when asked again."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(number, self._hear) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)

    def _hear(self, number: int, frame: Any) -> None:
        if self.should_exit:
            self.force_exit = True
        self.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address.

    Raises
    ------
    InputError
        If the address is not of this machine, or is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        found = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        bound = socket.socket(found[0][0], socket.SOCK_STREAM)
    except (OSError, UnicodeError, OverflowError) as error:
        raise InputError(
            "--host with an address of this machine", got=f"{quoted(host)}: {error}",
            hint="127.0.0.1 is this machine alone, 0.0.0.0 all of its addresses",
        ) from None  # fmt: skip
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(found[0][4])
    except (OSError, OverflowError) as error:
        bound.close()
        raise InputError(
            f"an address that is free: {quoted(host)}, port {port}",
            got=getattr(error, "strerror", "") or str(error), hint="give another --port",
        ) from None  # fmt: skip
    return bound
