"""Answer ASGI requests with values."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

import orjson

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


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

    async def send(self, send: Send) -> None:
        """Send it."""
        headers = [*self.headers, (b"content-length", str(len(self.body)).encode())]
        if self.close:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})
