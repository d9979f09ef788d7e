"""Run an ASGI application on uvicorn, behind limits that uvicorn does not have.

uvicorn (0.54, httptools) waits for ever for the end of a request's head and puts no bound on its size: five hundred
sockets that send one byte a second would hold it open.  `Doorkeeper` gives a head ten seconds and 64 kB, and a
process a number of connections.  Bodies are the application's to limit.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS: Final = 10.0
HEAD_BYTES: Final = 64 * 1024
CONNECTIONS: Final = 4096

_LATE: Final = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Doorkeeper(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol with a deadline and a size for each request's head."""

    head_seconds = HEAD_SECONDS
    most_connections = CONNECTIONS

    _timer: asyncio.TimerHandle | None = None
    _in_head = True
    _begun = False
    _head = 0
    _requests = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give the first head its deadline, or refuse one connection too many."""
        super().connection_made(transport)
        if len(self.connections) > self.most_connections:
            transport.abort()
            return
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline."""
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse; then see whether a head has begun, and is not too long."""
        before = self._requests
        if self._in_head:
            self._head += len(data)
        super().data_received(data)
        if self.transport.is_closing() or not self._in_head:
            return
        if self._begun or self._requests == before:
            # Also for line breaks before a request, which begin nothing and would keep the connection for ever.
            if self._head > HEAD_BYTES:
                self.send_400_response("The head of the request is too large.")
            elif self._timer is None:
                self._arm()

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._begun = True

    def on_headers_complete(self) -> None:
        """The head is whole; the body has limits of its own."""
        self._disarm()
        self._in_head = self._begun = False
        self._head = 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is whole; what follows is another head."""
        self._requests += 1
        self._in_head = True
        super().on_message_complete()

    def _arm(self) -> None:
        self._timer = self.loop.call_later(self.head_seconds, self._late)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.write(_LATE)
            self.transport.close()


def server(app: Any, *, host: str = "127.0.0.1", port: int = 8080, **more: Any) -> uvicorn.Server:
    """Return the server, not yet started; ``more`` goes to ``uvicorn.Config``."""
    for name in ("uvicorn.error", "uvicorn.access"):
        # "Invalid HTTP request received" a thousand times a second is an attacker's sentence, not news.
        logging.getLogger(name).setLevel(logging.ERROR)
    settings: dict[str, Any] = {
        "loop": "uvloop",
        "http": Doorkeeper,
        "ws": "none",
        "lifespan": "off",
        "proxy_headers": False,  # the application trusts the proxies it was told of, and no others
        "server_header": False,
        "date_header": False,
        "access_log": False,
        "log_config": None,
        "backlog": 2048,
        "timeout_keep_alive": 30,
        "timeout_graceful_shutdown": 10,
        **more,
    }
    return uvicorn.Server(uvicorn.Config(app, host=host, port=port, **settings))
