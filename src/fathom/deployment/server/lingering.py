"""Lingering: who is told to stop while still speaking is listened to until the answer is heard."""

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any

ENDING_S = 0.01  # in which connections learn that they are lost
LINGER_S = 5.0  # that a client may take to fall silent
MOST_LINGERING_BYTES = 2**24  # that it may still say meanwhile


class Lingering:
    """A transport that, once closed, sends no more, but takes what comes until its client ends.

    A socket that is closed with bytes nobody has read resets the connection, and what was answered
    may be lost on its way: a client that was refused would not learn why.

    Parameters
    ----------
    transport : asyncio.Transport
        The transport of one connection.
    protocol : asyncio.Protocol
        Who is told of the end of the connection.
    loop : asyncio.AbstractEventLoop
        The loop they live in.

    References
    ----------
    RFC 9112, HTTP/1.1 (2022), section 9.6.
    """

    def __init__(self, transport: Any, protocol: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._protocol, self._loop = transport, protocol, loop
        self._is_ending = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Tell whether nothing more can be said."""
        return self._is_ending or self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Say something, unless the end was said already."""
        if not self._is_ending:
            self._transport.write(data)

    def close(self) -> None:
        """Say the end, and listen until the client has, for a while."""
        if self._is_ending:
            return
        self._is_ending = True
        if not self._transport.is_closing():
            self._transport.set_protocol(_Unheard(self._transport, self._protocol))
            with contextlib.suppress(OSError):  # it has left already
                self._transport.write_eof()
                self._transport.resume_reading()
                self._loop.call_later(LINGER_S, self._transport.close)
                return
        self._transport.close()

    def close_at_once(self) -> None:
        """End the connection without listening any more."""
        self._is_ending = True
        self._transport.close()


async def end_connections(connections: Iterable[Any]) -> None:
    """End what is open still when a server ends: a loop cannot close around it.

    Parameters
    ----------
    connections : iterable of asyncio.Protocol
        Each with its ``transport``; those listened to for a while yet are among them.
    """
    for connection in list(connections):
        connection.transport.abort()
    await asyncio.sleep(ENDING_S)


class _Unheard(asyncio.Protocol):
    """Takes what nobody reads, and passes on how the connection fares."""

    def __init__(self, transport: Any, protocol: Any) -> None:
        self._transport, self._protocol = transport, protocol
        self._left = MOST_LINGERING_BYTES

    def data_received(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()
