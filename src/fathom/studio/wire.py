"""The wire: messages read from requests, and said in answers."""

import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fathom.errors import FathomError, InputError
from fathom.studio.security import App, RefusedError
from fathom.values import Value

MOST_DEPTH = 20  # of nested JSON
Sent = TypeVar("Sent", bound=Value)


async def read(request: Request, kind: type[Sent]) -> Sent:
    """Read a message; what is none is refused with the field at fault."""
    try:
        text = (await request.body()).decode()
        _check_depth(text)
        return kind.model_validate_json(text)
    except UnicodeDecodeError:
        raise InputError("JSON in UTF-8", got="bytes that are not") from None
    except ValidationError as error:
        raise InputError.from_validation(error) from None


def _check_depth(text: str) -> None:
    depth = 0
    for sign in text:
        depth += (sign in "[{") - (sign in "]}")
        if depth > MOST_DEPTH:
            raise InputError(
                f"JSON nested at most {MOST_DEPTH} deep", got="deeper", hint="send it flatter"
            )


def say(message: Value) -> Response:
    """Answer with a message."""
    return say_json(message.model_dump_json())


def say_json(text: str, status: int = 200) -> Response:
    """Answer with JSON, which nobody keeps."""
    return Response(
        text, status, media_type="application/json", headers={"cache-control": "no-store"}
    )


def application_of(routes: Sequence[Route], otherwise: App | None = None) -> App:
    """Return an application of routes; what goes wrong in one is said without an inside.

    Another may answer at all other addresses.
    """
    handlers: dict[Any, Callable[..., Any]] = {
        FathomError: _unusable, HTTPException: _absent, RefusedError: _refused,
        Exception: _broken,
    }  # fmt: skip
    inner = Starlette(routes=routes, exception_handlers=handlers)
    inner.router.redirect_slashes = False
    if otherwise is not None:
        inner.router.default = otherwise
    return inner


async def _unusable(request: Request, error: Exception) -> Response:
    assert isinstance(error, FathomError)
    return _say_no(422, str(error), error.expected, error.got, error.hint)


async def _absent(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = "there is nothing at this address" if error.status_code == 404 else error.detail
    return _say_no(error.status_code, message)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    return say_json(error.said(), error.status)


async def _broken(request: Request, error: Exception) -> Response:
    print(f"fathom: {request.url.path}: {type(error).__name__}: {error}", file=sys.stderr)
    return _say_no(500, "something went wrong; the terminal says what")


def _say_no(status: int, *parts: str) -> Response:
    from fathom.studio.wording import refusal  # the door opens before words are there

    return say_json(refusal(*parts).model_dump_json(), status)
