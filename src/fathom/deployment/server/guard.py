"""The guard: who may ask, under which name, and how large a head a request may have."""

import hmac
import ipaddress
import socket
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from fathom.data.cells import quoted
from fathom.deployment.server.refusals import Refusal
from fathom.errors import InputError

MOST_HEADERS = 100
MOST_HEAD_BYTES = 64 * 2**10
LEAST_TOKEN = 16
OPEN_PATHS = frozenset({"/v2/health/live", "/v2/health/ready"})
ONCE = frozenset({b"host", b"authorization", b"content-length", b"content-encoding",
                  b"inference-header-content-length", b"origin", b"content-type"})  # fmt: skip


def is_loopback(host: str) -> bool:
    """Tell whether an address can be reached from this machine only.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise InputError(
            "--host with an address of this machine", got=quoted(host),
            hint="127.0.0.1 is this machine alone, 0.0.0.0 all of its addresses",
        ) from error  # fmt: skip
    return all(ipaddress.ip_address(str(one[4][0]).split("%")[0]).is_loopback for one in found)


def require_token(host: str, token: str | None) -> None:
    """Refuse to listen to other machines without a token, or with one that can be guessed.

    Raises
    ------
    InputError
        If that was asked for.
    """
    how = "for example FATHOM_TOKEN=$(python -c 'import secrets; print(secrets.token_urlsafe())')"
    if token is None:
        if not is_loopback(host):
            raise InputError(f"--token for an address that others reach ({host})", "none", how)
        return
    is_plain = token.isascii() and token.isprintable() and " " not in token
    if len(token) < LEAST_TOKEN or not is_plain:
        got = f"{len(token)} characters" if is_plain else "others"
        raise InputError(f"a token of {LEAST_TOKEN} plain characters or more", got=got, hint=how)


class Guard:
    """Looks at the head of every request before anything else is done.

    Parameters
    ----------
    host : str
        The address that is listened at.
    token : str or None
        What ``Authorization: Bearer …`` must hold, but for the two questions after health.
    allowed : sequence of str
        Names, besides those of the address itself, under which the server may be asked. A web
        page of someone else can bring its own name to point here; so unknown names are refused.
    """

    def __init__(self, host: str, token: str | None, allowed: Sequence[str] = ()) -> None:
        self._token = None if token is None else f"Bearer {token}".encode()
        self._names = {name.lower().rstrip(".") for name in (host, "localhost", *allowed)}
        self._is_local = is_loopback(host)
        self._known: set[bytes] = set()  # hosts that were let in before

    def admit(self, path: str, headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
        """Return the headers that matter by name, if the request may go on.

        Raises
        ------
        Refusal
            421 for another host, 403 for another origin, 401 without the token, 431 for too large
            a head, 400 for a header that is there twice.
        """
        found: dict[bytes, bytes] = {}
        n = size = 0
        for name, value in headers:
            n += 1
            size += len(name) + len(value)
            if name in ONCE:
                if name in found:
                    raise Refusal(400, f"expected one header {name.decode()} — got several")
                found[name] = value
        if n > MOST_HEADERS or size > MOST_HEAD_BYTES:
            got = f"{n} of {size:,} bytes"
            most = f"at most {MOST_HEADERS} headers of {MOST_HEAD_BYTES:,} bytes"
            raise Refusal(431, f"expected {most} — got {got}", is_last=True)
        host = found.get(b"host", b"")
        if host not in self._known:
            self._check_host(host)
        if b"origin" in found:
            self._check_origin(found[b"origin"], host)
        if self._token is not None and path not in OPEN_PATHS:
            self._check_token(found.get(b"authorization", b""))
        return found

    def _check_host(self, host: bytes) -> None:
        name = _name_of(host)
        if name is None or not (name in self._names or self._is_address(name)):
            shown = quoted(host.decode("latin-1"))
            raise Refusal(
                421, f"expected a host this server is known by — got {shown or 'none'} — "
                "start it with --allow-host NAME to be asked under another name",
            )  # fmt: skip
        if len(self._known) < 1000:
            self._known.add(host)

    def _is_address(self, name: str) -> bool:
        """Tell whether it is a number, which no other's name can be made to point from."""
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or not self._is_local

    def _check_origin(self, origin: bytes, host: bytes) -> None:
        if origin.partition(b"://")[2] != host:
            raise Refusal(
                403, "expected no page of another site — got Origin "
                f"{quoted(origin.decode('latin-1'))} — let your own server ask",
            )  # fmt: skip

    def _check_token(self, given: bytes) -> None:
        assert self._token is not None
        if not hmac.compare_digest(given, self._token):
            raise Refusal(
                401, "expected the header Authorization: Bearer with the server's token — got "
                f"{'another token' if given else 'none'}",
                {"www-authenticate": "Bearer"},
                is_last=True,
            )  # fmt: skip


def _name_of(host: bytes) -> str | None:
    """Return the name in a Host header without its port; None where it is no name."""
    try:
        parts: Any = urlsplit("//" + host.decode("ascii"))
        is_plain = not (parts.path or parts.query or parts.fragment or parts.username)
        name: str | None = parts.hostname
        _ = parts.port
    except ValueError:
        return None
    return name.rstrip(".") if name and is_plain else None
