"""Serving: models, limits and an address put together, and run until told to end."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

from threadpoolctl import threadpool_limits

from fathom.deployment.server.answering import Desk
from fathom.deployment.server.app import Application
from fathom.deployment.server.bodies import Bodies
from fathom.deployment.server.connections import Server, listen
from fathom.deployment.server.guard import Guard, require_token
from fathom.deployment.server.metrics import Metrics
from fathom.deployment.server.shelf import Shelf, name_models

SWITCH_S = 5e-4  # after which a thread that predicts lets the one that speaks HTTP go on


@dataclass(frozen=True)
class Options:
    """How models are served.

    Attributes
    ----------
    models : tuple of str
        Files, each by its own name or as ``NAME=FILE``.
    host, port : str and int
        Where to listen; port 0 for any that is free.
    token : str or None
        What clients must show; needed where others than this machine reach the address.
    allowed_hosts : tuple of str
        Names under which the server may be asked besides its address.
    most_bytes : int
        Of one body.
    timeout_s : float
        Seconds that a body may take to come, and a request may wait for its turn.
    most_waiting : int
        Rows that may wait for one model.
    drain_s : float
        Seconds that requests in progress may take once the server is to end.
    """

    models: tuple[str, ...]
    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    most_bytes: int = 16 * 2**20
    timeout_s: float = 20.0
    most_waiting: int = 20_000
    drain_s: float = 30.0


class Serving:
    """A server whose models are loaded and whose address is its own.

    Parameters
    ----------
    options : Options
        What to serve, and how.
    on_drain : callable, optional
        Called when it is to end.

    Raises
    ------
    InputError, ModelFileError
        If an address, a token, a name or a file cannot be used.
    """

    def __init__(self, options: Options, on_drain: Callable[[], None] = lambda: None) -> None:
        require_token(options.host, options.token)
        files = name_models(options.models)
        self._socket = listen(options.host, options.port)
        try:
            metrics = Metrics()
            self.shelf = Shelf(files, metrics, options.most_waiting, options.timeout_s)
        except BaseException:
            self._socket.close()
            raise
        desk = Desk(self.shelf, metrics, Bodies(options.most_bytes, options.timeout_s))
        guard = Guard(options.host, options.token, options.allowed_hosts)
        self._application = Application(desk, guard)
        self._drain_s, self._on_drain = options.drain_s, on_drain
        self.host, self.port = options.host, int(self._socket.getsockname()[1])
        self.server: Server | None = None

    @property
    def address(self) -> str:
        """Where it listens."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Answer until told to end."""
        before = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_S)
        self.server = Server(
            self._application, self._drain_s, self.shelf.refresh, on_ready, self._on_drain
        )
        try:
            # A batch is a few milliseconds of one core; more threads would wait for each other.
            with threadpool_limits(1, user_api="blas"):
                self.server.run(sockets=[self._socket])
        finally:
            sys.setswitchinterval(before)
            self._socket.close()

    def stop(self) -> None:
        """Tell it to end, as SIGTERM does."""
        if self.server is not None:
            self.server.should_exit = True
