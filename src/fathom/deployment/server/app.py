"""The application: every request from its head to its answer."""

import asyncio
import logging
import time
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route
from starlette.types import ASGIApp

import fathom
from fathom.data.cells import quoted
from fathom.deployment.server.answering import (
    HEADERS,
    LABEL,
    READ,
    Desk,
    Infer,
    Predict,
    Receive,
    Scope,
    Send,
)
from fathom.deployment.server.guard import Guard
from fathom.deployment.server.openapi import describe_predictions
from fathom.deployment.server.protocol import (
    Condition,
    Refused,
    add_descriptions,
    add_health,
    add_metadata,
)
from fathom.deployment.server.refusals import Refusal, error_body

LOG = logging.getLogger("fathom.serve")
LINGER_S = 1.0  # that the rest of a body is read and thrown away, so that the answer arrives
LINGER_BYTES = 64 * 2**20
_CLOSE = (b"connection", b"close")


class Application:
    """Answers HTTP requests; the part of the server that knows no sockets.

    Parameters
    ----------
    desk : Desk
        The models, what is counted, and what bodies may be.
    guard : Guard
        Who may ask.
    """

    def __init__(self, desk: Desk, guard: Guard) -> None:
        self.desk, self.condition = desk, Condition()
        self._guard = guard
        self._quick = _predicting_routes(desk)
        self._app = _make_app(desk, self.condition, self._quick)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        assert scope["type"] == "http"
        began = time.perf_counter()
        status = 0

        async def tell(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if self.condition.is_draining:
                    message["headers"] = [*message["headers"], _CLOSE]
            await send(message)

        try:
            scope[HEADERS] = self._guard.admit(scope["path"], scope["headers"])
            await self._find(scope)(scope, receive, tell)
        except Refusal as refusal:
            await _Refused(refusal)(scope, receive, tell)
        except Exception as error:
            if not status:  # otherwise the answer and the line in the log are there already
                await _fail(error)(scope, receive, tell)
        model, endpoint = scope.get(LABEL, ("", "other"))
        self.desk.metrics.on_request(model, endpoint, status, time.perf_counter() - began)

    def _find(self, scope: Scope) -> ASGIApp:
        """Return what answers: where it predicts, without all that lies before other routes."""
        if scope["method"] == "POST":
            for route in self._quick:
                match, found = route.matches(scope)
                if match is Match.FULL:
                    scope.update(found)
                    return route.app
        return self._app


class _Refused(Response):
    """An error as an answer; where the body was not read, the connection ends after it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__()
        self._refusal = refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal
        body = refusal.body
        headers = [
            (b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()),
            *((name.encode(), value.encode("latin-1")) for name, value in refusal.headers.items()),
        ]  # fmt: skip
        has_body = any(
            name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0"))
            for name, value in scope["headers"]
        )
        is_unread = has_body and not scope.get(READ)
        if refusal.is_last or is_unread:
            headers.append(_CLOSE)
        await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
        if is_unread:
            await send({"type": "http.response.body", "body": body, "more_body": True})
            await _throw_away(receive)
            body = b""
        await send({"type": "http.response.body", "body": body})


async def _throw_away(receive: Receive) -> None:
    """Read what is still coming: a connection that ends before that takes the answer with it."""
    n = 0
    try:
        async with asyncio.timeout(LINGER_S):
            while n < LINGER_BYTES:
                message = await receive()
                n += len(message.get("body", b""))
                if not message.get("more_body"):
                    return
    except TimeoutError:
        return


def _fail(error: Exception) -> Response:
    LOG.error("a request failed: %s", type(error).__name__, exc_info=error)
    body = error_body("the server failed; its log says why")
    return Response(body, 500, media_type="application/json")


def _predicting_routes(desk: Desk) -> list[Route]:
    predict, infer = Predict(desk), Infer(desk)
    post: dict[str, Any] = {"methods": ["POST"], "include_in_schema": False}
    return [
        Route("/predict", predict, **post),
        Route("/models/{name}/predict", predict, **post),
        Route("/v2/models/{name}/infer", infer, **post),
        Route("/v2/models/{name}/versions/{version}/infer", infer, **post),
    ]


def _make_app(desk: Desk, condition: Condition, predicting: list[Route]) -> FastAPI:
    app = FastAPI(
        title="Fathom", version=fathom.__version__, openapi_url=None, docs_url=None,
        redoc_url=None, redirect_slashes=False,
        description="Predictions of trained models, by column name or as tensors.",
    )  # fmt: skip
    app.router.routes += predicting  # they tell other methods off
    add_health(app, condition)
    add_metadata(app, desk)
    add_descriptions(app, desk)
    _add_openapi(app, desk)
    _add_refusals(app)
    return app


def _add_openapi(app: FastAPI, desk: Desk) -> None:
    made: dict[int, Any] = {}

    @app.get("/openapi.json", include_in_schema=False)
    async def describe() -> Any:
        version = desk.shelf.version
        if version not in made:
            app.openapi_schema = None
            found = app.openapi()
            every = [place.served for place in desk.shelf.places.values()]
            found["paths"] |= describe_predictions(every)
            schemas = found.setdefault("components", {}).setdefault("schemas", {})
            schemas["Refused"] = Refused.model_json_schema()
            made.clear()
            made[version] = found
        return made[version]


def _add_refusals(app: FastAPI) -> None:
    """Bring every refusal, whoever says it, to one form."""

    @app.exception_handler(Refusal)
    async def refused(request: Request, refusal: Refusal) -> Response:
        return _Refused(refusal)

    @app.exception_handler(HTTPException)
    async def no_such(request: Request, error: HTTPException) -> Response:
        scope, path = request.scope, quoted(request.scope["path"])
        if error.status_code == 404:
            message = f"expected an address of this server, see /openapi.json — got {path}"
        elif error.status_code == 405:
            allowed = (error.headers or {}).get("Allow", "another method")
            message = f"expected {allowed} at {path} — got {scope['method']}"
        else:
            message = str(error.detail)
        return _Refused(Refusal(error.status_code, message, dict(error.headers or {})))

    @app.exception_handler(RequestValidationError)
    async def not_valid(request: Request, error: RequestValidationError) -> Response:
        message = f"expected parameters as /openapi.json says — got {error.errors()[0]['msg']}"
        return _Refused(Refusal(400, message))

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        return _fail(error)
