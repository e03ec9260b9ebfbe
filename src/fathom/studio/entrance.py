"""The entrance: the page and the key to it, at once, while what computes is still being loaded."""

import asyncio
import sys
import threading
from collections.abc import Callable
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


class Entrance:
    """Gives the files of the page and lets browsers in; passes all else on once it can be answered.

    Loading what computes takes seconds, in which a browser can have the page and draw it.

    Parameters
    ----------
    keys : Keys
        Tokens and cookies.
    port : int
        The port, a part of the cookie's name.
    load : callable
        Loads and returns the application behind; called once, in a thread of its own.

    Raises
    ------
    InputError
        If the page was not built.
    """

    def __init__(self, keys: Keys, port: int, load: Callable[[], App]) -> None:
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
        self._behind: Future[App] = Future()
        threading.Thread(
            target=self._load, args=(load,), name="studio-loading", daemon=True
        ).start()

    def _load(self, load: Callable[[], App]) -> None:
        try:
            self._behind.set_result(load())
        except BaseException as error:
            print(f"fathom: {type(error).__name__}: {error}", file=sys.stderr)
            self._behind.set_exception(error)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer at once, or pass on."""
        if scope["type"] == "http" and scope["path"] not in self._own:
            if not self._behind.done():
                # shielded: who goes away meanwhile cancels the loading for nobody else
                await asyncio.shield(asyncio.wrap_future(self._behind))
            behind = self._behind.result()
            await behind(scope, receive, send)
        else:
            await self._door(scope, receive, send)

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
