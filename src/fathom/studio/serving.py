"""Serving: the studio on a port of this machine alone, until it is asked to end."""

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from fathom.deployment.server.lingering import Lingering, end_connections
from fathom.errors import InputError
from fathom.studio.entrance import Entrance
from fathom.studio.security import App, Guard, Keys

LOOPBACK = "127.0.0.1"
MOST_CONNECTIONS = 200
BACKLOG = 128


class _Connection(H11Protocol):
    """A connection whose client hears why it was refused, though it had more to say."""

    def connection_made(self, transport: Any) -> None:
        self._line = Lingering(transport, self, self.loop)
        super().connection_made(self._line)  # type: ignore[arg-type]

    def shutdown(self) -> None:
        if not self.transport.is_closing():
            super().shutdown()
        if self.transport.is_closing():  # nothing is being answered, and the whole server waits
            self._line.close_at_once()


class _Server(uvicorn.Server):
    """A server that, asked to end, ends: it does not pass the request on once it has."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        await end_connections(self.server_state.connections)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(number, self.handle_exit) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)


class Served:
    """A studio that listens.

    Parameters
    ----------
    folder : Path
        Where tables and searches are kept.
    port : int
        The port; 0 for any that is free.
    is_port_fixed : bool
        Whether another port will not do where this one is taken.
    on_link : callable, optional
        Told each new link, one of which lets one browser in.

    Raises
    ------
    InputError
        If the port cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        port: int = 0,
        *,
        is_port_fixed: bool = True,
        on_link: Callable[[str], None] | None = None,
    ) -> None:
        self.folder, self._on_link = folder, on_link
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._socket = _listen(port, is_port_fixed=is_port_fixed)
        self.port = int(self._socket.getsockname()[1])
        self.keys = Keys(self._tell_link)
        guard = Guard(self._entrance(), self.keys, self.port)
        self._server = _Server(
            uvicorn.Config(
                guard, http=_Connection, ws="none", lifespan="off", log_level="critical",
                access_log=False, server_header=False, proxy_headers=False,
                limit_concurrency=MOST_CONNECTIONS, timeout_graceful_shutdown=1,
            )
        )  # fmt: skip

    def _entrance(self) -> App:
        def load_first() -> list[Route]:
            from fathom.studio import networks  # noqa: F401  # the first request finds it loaded
            from fathom.studio.network_routes import network_routes

            return network_routes()

        def load() -> App:
            from fathom.studio.app import Studio

            return Studio(self.folder).application()

        return Entrance(self.keys, self.port, load_first, load)

    @property
    def link(self) -> str:
        """The address that lets one browser in; the token is in its fragment, which is not sent."""
        return f"http://{LOOPBACK}:{self.port}/#token={self.keys.token}"

    def _tell_link(self) -> None:
        if self._on_link is not None:
            self._on_link(self.link)

    def run(self) -> None:
        """Serve until the process is asked to end."""
        self._server.run(sockets=[self._socket])

    def close(self) -> None:
        """Ask a server that runs in another thread to end."""
        self._server.should_exit = True


def _listen(port: int, *, is_port_fixed: bool) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((LOOPBACK, port))
    except (OSError, OverflowError) as error:
        if is_port_fixed:
            listening.close()
            reason = error.strerror if isinstance(error, OSError) else "no such port"
            raise InputError(
                "--port that is free", got=f"{port} ({reason})", hint="leave it out for any"
            ) from None
        listening.bind((LOOPBACK, 0))
    listening.listen(BACKLOG)
    return listening
