"""Refusals: a request that gets no prediction, and why."""

import math
from typing import NoReturn

from pydantic_core import to_json

from fathom.data.cells import quoted
from fathom.errors import FathomError

LONGEST_MESSAGE = 1000


class Refusal(Exception):  # noqa: N818 (it is an answer)
    """What a client is told instead of a prediction.

    Parameters
    ----------
    status : int
        Of HTTP, from 400.
    message : str
        What was expected, what came, what to do.
    headers : dict of str to str
        Headers besides those of any answer.

    Attributes
    ----------
    is_last : bool
        Whether the connection ends with it, because the rest of the request is not read.
    """

    def __init__(
        self,
        status: int,
        message: str,
        headers: dict[str, str] | None = None,
        *,
        is_last: bool = False,
    ) -> None:
        super().__init__(message)
        self.status, self.message = status, message
        self.headers, self.is_last = headers or {}, is_last

    @property
    def body(self) -> bytes:
        """The answer as JSON: ``{"error": …}``."""
        return error_body(self.message)


def error_body(message: str) -> bytes:
    """Return ``{"error": …}``; the message stays in one line, whatever came in."""
    return to_json({"error": quoted(message, LONGEST_MESSAGE)})


def refuse(expected: str, got: str = "", hint: str = "") -> NoReturn:
    """Refuse a request that says what cannot be predicted from."""
    raise Refusal(400, str(FathomError(expected, got, hint)))


def busy(what: str, seconds: float) -> Refusal:
    """Return the refusal of a server that has too much to do, and when to try again."""
    wait = str(max(1, min(60, math.ceil(seconds))))
    message = str(FathomError("room for one more request", got=what, hint=f"try again in {wait} s"))
    return Refusal(429, message, {"retry-after": wait})
