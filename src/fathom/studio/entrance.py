"""The entrance: the page and the key to it at once, its first network next, the engine after."""

import asyncio
import atexit
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import fathom
from fathom.studio.door_messages import Session, Welcome
from fathom.studio.page import page_files
from fathom.studio.security import (
    MOST_UPLOAD_BYTES,
    SIGN_IN,
    App,
    Keys,
    Receive,
    RefusedError,
    Scope,
    Send,
    cookie_name,
)
from fathom.studio.wire import application_of, read, say

WELCOME = "/api/welcome"
NETWORK = "/api/network/"
PAUSE_S = 0.5  # from the first network to the engine: what a browser asks for and draws by then


class Room:
    """An application that is loaded when it is first needed, in a thread of its own.

    Parameters
    ----------
    name : str
        What the thread is called.
    load : callable
        Loads and returns the application; called once.
    """

    def __init__(self, name: str, load: Callable[[], App]) -> None:
        self._app: Future[App] = Future()
        self._thread = threading.Thread(target=self._load, args=(load,), name=name, daemon=True)
        self._lock, self.is_begun = threading.Lock(), False

    def begin(self) -> None:
        """Begin to load, unless that has begun."""
        with self._lock:
            if not self.is_begun:
                self.is_begun = True
                self._thread.start()
                atexit.register(self._thread.join)  # the interpreter must not end under its loading

    def _load(self, load: Callable[[], App]) -> None:
        try:
            self._app.set_result(load())
        except BaseException as error:
            print(f"fathom: {type(error).__name__}: {error}", file=sys.stderr)
            self._app.set_exception(error)

    def wait(self) -> None:
        """Return when it is loaded."""
        self.begin()
        self._thread.join()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as soon as it is loaded."""
        self.begin()
        if not self._app.done():
            # shielded: who goes away meanwhile cancels the loading for nobody else
            await asyncio.shield(asyncio.wrap_future(self._app))
        await self._app.result()(scope, receive, send)


class Entrance:
    """Gives the files of the page and lets browsers in; passes all else on once it can be answered.

    What the first network needs is loaded at once. The engine takes seconds, in which whatever else
    runs in this process waits: it is loaded when something asks for it, or some time after the
    first network was asked for, when a browser has it.

    Parameters
    ----------
    keys : Keys
        Tokens and cookies.
    port : int
        The port, a part of the cookie's name.
    load_first : callable
        Loads and returns the routes of the network page that need no engine.
    load : callable
        Loads and returns the application of everything else.

    Raises
    ------
    InputError
        If the page was not built.
    """

    def __init__(
        self, keys: Keys, port: int, load_first: Callable[[], Sequence[Route]],
        load: Callable[[], App],
    ) -> None:  # fmt: skip
        self._keys, self._cookie_name = keys, cookie_name(port)
        self._files = page_files()
        self._own = {SIGN_IN, WELCOME, *self._files}
        self._door = application_of(
            [
                Route(SIGN_IN, self.sign_in, methods=["POST"]),
                Route(WELCOME, self.welcome),
                *(Route(address, self.page) for address in self._files),
            ]
        )
        self._behind = Room("fathom-loading", lambda: self._load_behind(load))
        self._first = Room("fathom-first", lambda: application_of(load_first(), self._behind))
        self._first.begin()

    def _load_behind(self, load: Callable[[], App]) -> App:
        self._first.wait()  # one after another: two threads that load the same see half of it
        return load()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer at once, or pass on."""
        if scope["type"] != "http" or scope["path"] in self._own:
            await self._door(scope, receive, send)
        elif scope["path"].startswith(NETWORK):
            await self._first(scope, receive, send)
            if not self._behind.is_begun:
                asyncio.get_running_loop().call_later(PAUSE_S, self._behind.begin)
        else:
            await self._behind(scope, receive, send)

    async def page(self, request: Request) -> Response:
        """Give a file of the page."""
        content, kind = self._files[request.url.path]
        lasting = "max-age=31536000, immutable" if "/assets/" in request.url.path else "no-cache"
        return Response(content, media_type=kind, headers={"cache-control": lasting})

    async def sign_in(self, request: Request) -> Response:
        """Exchange the token of the link for a cookie."""
        session = await read(request, Session)
        cookie = self._keys.exchange(session.token)
        if cookie is None:
            raise RefusedError(
                401, "the newest link", "an older one", "open the one in the terminal"
            )
        response = _welcome()
        response.set_cookie(
            self._cookie_name, cookie, httponly=True, samesite="strict", path="/api"
        )
        return response

    async def welcome(self, request: Request) -> Response:
        """Tell the page what it has to know first."""
        return _welcome()


def _welcome() -> Response:
    return say(Welcome(version=fathom.__version__, most_upload_bytes=MOST_UPLOAD_BYTES))
