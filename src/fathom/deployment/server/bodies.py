"""Bodies: what comes with a request, read within limits of size and time."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fathom.data.cells import quoted
from fathom.deployment.server.refusals import Refusal, busy

MOST_AT_ONCE = 8  # bodies of the largest size, that all requests together may hold


class Bodies:
    """Reads bodies.

    Parameters
    ----------
    most_bytes : int
        Of one body, also once it is unpacked.
    most_seconds : float
        From its first byte to its last.
    """

    def __init__(self, most_bytes: int, most_seconds: float) -> None:
        self.most_bytes, self.most_seconds = most_bytes, most_seconds
        self._held = 0

    @asynccontextmanager
    async def reading(self, headers: dict[bytes, bytes], receive: Any) -> AsyncIterator[bytes]:
        """Give a body, unpacked, and hold its bytes against what all may have while it is used.

        Raises
        ------
        Refusal
            413 if it is too large, 408 if it does not come in time, 415 if it is packed in another
            way than gzip or deflate, 429 if others hold too much already.
        """
        stated = headers.get(b"content-length", b"0")
        if not stated.isdigit() or len(stated) > 18:
            raise Refusal(
                400, "expected a Content-Length in digits — got other signs", is_last=True
            )
        if int(stated) > self.most_bytes:
            raise self._too_large(f"{int(stated):,}")
        held = [0]
        try:
            try:
                async with asyncio.timeout(self.most_seconds):
                    body = await self._read(receive, held)
            except TimeoutError:
                raise Refusal(
                    408,
                    f"expected a whole body within {self.most_seconds:g} s — got a part of it — "
                        "send fewer rows at once",
                    is_last=True,
                ) from None  # fmt: skip
            packing = headers.get(b"content-encoding", b"identity").strip().lower()
            if packing != b"identity":
                body = self._unpack(body, packing)
                self._hold(len(body), held)
            yield body
        finally:
            self._held -= held[0]

    async def _read(self, receive: Any, held: list[int]) -> bytes:
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body"):
            body: bytes = message["body"]
            self._check(len(body))
            self._hold(len(body), held)
            return body
        parts = []
        n = 0
        while True:
            if message["type"] == "http.disconnect":
                raise Refusal(400, "expected a whole body — got the end of the connection")
            parts.append(message["body"])
            n += len(parts[-1])
            self._check(n)
            self._hold(len(parts[-1]), held)
            if not message.get("more_body"):
                return b"".join(parts)
            message = await receive()

    def _check(self, n: int) -> None:
        if n > self.most_bytes:
            raise self._too_large(f"{n:,} or more")

    def _hold(self, n: int, held: list[int]) -> None:
        if self._held and self._held + n > MOST_AT_ONCE * self.most_bytes:
            refusal = busy(f"{self._held:,} bytes of other requests", 1)
            refusal.is_last = True
            raise refusal
        self._held += n
        held[0] += n

    def _too_large(self, got: str) -> Refusal:
        return Refusal(
            413, f"expected a body of at most {self.most_bytes:,} bytes — got {got} — "
            "send fewer rows at once",
            is_last=True,
        )  # fmt: skip

    def _unpack(self, body: bytes, packing: bytes) -> bytes:
        windows = {b"gzip": 31, b"x-gzip": 31, b"deflate": 15}
        if packing not in windows:
            raise Refusal(
                415, "expected Content-Encoding gzip, deflate or none — got "
                f"{quoted(packing.decode('latin-1'))}",
            )  # fmt: skip
        unpacking = zlib.decompressobj(windows[packing])
        try:
            found = unpacking.decompress(body, self.most_bytes + 1)
        except zlib.error:
            raise Refusal(400, f"expected a body in {packing.decode()} — got other bytes") from None
        if len(found) > self.most_bytes or unpacking.unconsumed_tail:
            raise self._too_large("more once it is unpacked")
        if not unpacking.eof or unpacking.unused_data:
            raise Refusal(400, f"expected one whole {packing.decode()} body — got more or less")
        return found
