"""Who may speak to the studio, and what a page from it may do.

The studio reads files and trains, so only the person who started it may use it, through the page it
serves: it listens on this machine alone, knows its own addresses, wants a cookie that only the link
in the terminal gives, and takes orders from its own page alone.
"""

import asyncio
import hmac
import secrets
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any, TypeAlias

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

TOKEN_BYTES = 32
MOST_JSON_BYTES = 2**20
MOST_UPLOAD_BYTES = 256 * 2**20
JSON_SECONDS, UPLOAD_SECONDS = 10.0, 120.0  # in which a body has to be here
METHODS = ("GET", "HEAD", "POST", "DELETE")
SIGN_IN = "/api/session"
UPLOAD = "/api/tables"

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", CONTENT_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)

_FROM_ELSEWHERE = (
    "a request from the studio's own page", "one from elsewhere", "open the link in the terminal"
)  # fmt: skip


class Keys:
    """The token of the link, good for one exchange, and the cookies given for it.

    Parameters
    ----------
    on_exchange : callable, optional
        Told after each exchange, when there is a new token.

    Examples
    --------
    >>> keys = Keys()
    >>> token = keys.token
    >>> cookie = keys.exchange(token)
    >>> keys.is_known(cookie), keys.exchange(token), keys.is_known("guess")
    (True, None, False)
    """

    def __init__(self, on_exchange: Callable[[], None] | None = None) -> None:
        self._lock, self._on_exchange = threading.Lock(), on_exchange
        self._token = secrets.token_urlsafe(TOKEN_BYTES)
        self._cookies: list[str] = []

    @property
    def token(self) -> str:
        """The token that the next browser exchanges."""
        return self._token

    def exchange(self, token: str) -> str | None:
        """Return a cookie for the token, which is not good any more; None for a wrong one."""
        with self._lock:
            if not hmac.compare_digest(token.encode(), self._token.encode()):
                return None
            self._token = secrets.token_urlsafe(TOKEN_BYTES)
            cookie = secrets.token_urlsafe(TOKEN_BYTES)
            self._cookies.append(cookie)
        if self._on_exchange is not None:
            self._on_exchange()
        return cookie

    def is_known(self, cookie: str) -> bool:
        """Tell whether a cookie was given by us; every one is compared, each in constant time."""
        given, known = cookie.encode(), False
        for one in self._cookies:
            known |= hmac.compare_digest(given, one.encode())
        return known


def cookie_name(port: int) -> str:
    """Return the name of the cookie of a studio: cookies do not know ports, so it says its own."""
    return f"fathom-studio-{port}"


class RefusedError(Exception):
    """A request that is not answered: the status, and why."""

    def __init__(self, status: int, expected: str, got: str, hint: str = "") -> None:
        super().__init__(expected)
        self.status, self.parts = status, (expected, got, hint)

    def said(self) -> str:
        """Return the message as JSON."""
        from fathom.studio.wording import refusal  # the door opens before words are there

        expected, got, hint = self.parts
        parts = (f"expected {expected}", f"got {got}", hint)
        return refusal(" — ".join(filter(None, parts)), *self.parts).model_dump_json()


class Guard:
    """Stands before the application and refuses whatever is not from its own page.

    Parameters
    ----------
    app : ASGI application
        What is guarded.
    keys : Keys
        Tokens and cookies.
    port : int
        The port it listens on, a part of its own addresses.
    """

    def __init__(self, app: App, keys: Keys, port: int) -> None:
        self._app, self._keys = app, keys
        self.cookie_name = cookie_name(port)
        names = ("127.0.0.1", "localhost", "[::1]")
        self._hosts = {f"{name}:{port}".encode() for name in names}
        if port == 80:
            self._hosts |= {name.encode() for name in names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no web sockets here
            await send({"type": "websocket.close", "code": 1008})
            return
        answered = _Answered(send)
        try:
            headers = _Headers(scope["headers"])
            self._check(scope, headers)
            body = _bounded(receive, scope, headers)
            await self._app(scope, body, answered)
        except RefusedError as refused:
            if not answered.has_begun:
                await _refuse(answered, refused)
        except Exception:  # said already; what it was is no business of the other side
            if not answered.has_begun:
                await _refuse(
                    answered,
                    RefusedError(
                        500,
                        "an answer",
                        "a mistake of ours",
                        "try again, and report it if it comes again",
                    ),
                )

    def _check(self, scope: Scope, headers: "_Headers") -> None:
        host = headers.only(b"host")
        if host not in self._hosts:
            raise RefusedError(
                403, "the address in the terminal", "another", "open the link the terminal shows"
            )
        if scope["method"] not in METHODS:
            raise RefusedError(405, "GET, POST or DELETE", "another method")
        is_reading = scope["method"] in ("GET", "HEAD")
        site = headers.only(b"sec-fetch-site", b"same-origin")
        is_ours = (b"same-origin", b"none") if is_reading else (b"same-origin",)
        path = scope["path"]
        if path.startswith("/api/") and site not in is_ours:
            raise RefusedError(403, *_FROM_ELSEWHERE)
        if not is_reading:
            origin = headers.only(b"origin")
            if origin != b"http://" + host:
                raise RefusedError(403, *_FROM_ELSEWHERE)
            self._check_kind(scope, headers)
        if path.startswith("/api/") and path != SIGN_IN and not self._has_cookie(headers):
            raise RefusedError(
                401, "a page that was opened by its link", "one without its key",
                "open the newest link in the terminal",
            )  # fmt: skip

    def _check_kind(self, scope: Scope, headers: "_Headers") -> None:
        kind = headers.only(b"content-type", b"").split(b";")[0].strip().lower()
        wanted = b"application/octet-stream" if scope["path"] == UPLOAD else b"application/json"
        if scope["method"] == "POST" and kind != wanted:
            raise RefusedError(415, f"content of the type {wanted.decode()}", "another type")

    def _has_cookie(self, headers: "_Headers") -> bool:
        jar: SimpleCookie = SimpleCookie()
        try:
            jar.load(headers.only(b"cookie", b"").decode("latin-1"))
        except CookieError:
            return False
        morsel = jar.get(self.cookie_name)
        return morsel is not None and self._keys.is_known(morsel.value)


class _Headers:
    """Headers of a request; one that may be there once only is refused when it is there twice."""

    def __init__(self, pairs: list[tuple[bytes, bytes]]) -> None:
        self._pairs = pairs

    def only(self, name: bytes, absent: bytes = b"") -> bytes:
        found = [value for key, value in self._pairs if key.lower() == name]
        if len(found) > 1:
            raise RefusedError(400, f"one header {name.decode()}", f"{len(found)} of them")
        return found[0] if found else absent


def _bounded(receive: Receive, scope: Scope, headers: _Headers) -> Receive:
    """Return what reads a body, which ends in a refusal once it is too long or too slow."""
    is_upload = scope["path"] == UPLOAD and scope["method"] == "POST"
    most = MOST_UPLOAD_BYTES if is_upload else MOST_JSON_BYTES
    said = headers.only(b"content-length", b"0")
    if not said.isdigit() or int(said[:20]) > most:
        raise RefusedError(413, f"at most {most:,} bytes", f"{said[:20].decode('latin-1')}")
    loop = asyncio.get_running_loop()
    end = loop.time() + (UPLOAD_SECONDS if is_upload else JSON_SECONDS)
    n_bytes, is_whole = 0, scope["method"] in ("GET", "HEAD")

    async def read() -> Message:
        nonlocal n_bytes, is_whole
        if is_whole:
            return await receive()
        try:
            async with asyncio.timeout_at(end):
                message = await receive()
        except TimeoutError:
            raise RefusedError(
                408, "a whole request in time", "a part of it", "try again"
            ) from None
        n_bytes += len(message.get("body", b""))
        if n_bytes > most:
            raise RefusedError(413, f"at most {most:,} bytes", "more")
        is_whole = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    return read


class _Answered:
    """Sends an answer with the headers every answer has."""

    def __init__(self, send: Send) -> None:
        self._send, self.has_begun = send, False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_begun = True
            own = {name for name, _ in message.get("headers", [])}
            message["headers"] = [
                *message.get("headers", []),
                *(pair for pair in HEADERS if pair[0] not in own),
            ]
        await self._send(message)


async def _refuse(send: Send, refused: RefusedError) -> None:
    body = refused.said().encode()
    headers = [
        (b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"), (b"connection", b"close"),
    ]  # fmt: skip
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
