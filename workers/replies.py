"""Answer ASGI requests with values."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import orjson

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

SWALLOWED: Final = 64 * 1024 * 1024
"""Bytes of a refused body that are read, so that the refusal is heard."""
PAUSE: Final = timedelta(milliseconds=100)
"""A sender that says nothing for so long has stopped."""
LONGEST: Final = timedelta(seconds=3)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; ``close`` also ends the connection, because the rest of its body is not wanted."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    close: bool = False

    @classmethod
    def of(cls, status: int, close: bool = False, retry_after: float = 0.0, **document: Any) -> Reply:
        """Make a JSON answer."""
        headers = [(b"content-type", b"application/json")]
        if retry_after:
            headers.append((b"retry-after", str(max(1, round(retry_after))).encode()))
        return cls(status, orjson.dumps(document), tuple(headers), close)

    async def send(self, send: Send, receive: Receive) -> None:
        """Send it; where the request is too large, listen on for a moment, so that the answer is heard."""
        headers = [*self.headers, (b"content-length", str(len(self.body)).encode())]
        if self.close:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        lingers = self.status == 413
        await send({"type": "http.response.body", "body": self.body, "more_body": lingers})
        if lingers:
            await _swallow(receive)
            await send({"type": "http.response.body", "body": b""})


async def _swallow(receive: Receive) -> None:
    """Read on and keep nothing, until the sender stops, pauses, or has said far too much.

    A connection that is closed over unread bytes is reset, and a sender that is still sending then sees a
    broken connection instead of the answer.
    """
    left = SWALLOWED
    try:
        async with asyncio.timeout(LONGEST.total_seconds()):
            while left > 0:
                async with asyncio.timeout(PAUSE.total_seconds()):
                    message = await receive()
                if message["type"] != "http.request" or not message.get("more_body"):
                    return
                left -= len(message.get("body", b""))
    except TimeoutError:
        return  # It has been answered; now the connection is closed.
