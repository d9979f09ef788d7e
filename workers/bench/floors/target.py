"""Stand in for a chat's API: answer every POST at once, and tell how many there were and when they came.

It answers as ``chat.postMessage`` does, so that the product and a hand-written task can both write to it.  It
limits nothing and remembers no message: what it costs is no part of what is measured.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections import deque
from typing import Final, cast

import uvloop

_LENGTH: Final = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")

_came: deque[float] = deque(maxlen=1000)
_count = 0


class Conversation(asyncio.Protocol):
    """One connection: requests in, answers out, in order."""

    def __init__(self) -> None:
        self._waiting = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        self._waiting += data
        while (end := self._waiting.find(b"\r\n\r\n")) >= 0:
            head = self._waiting[:end]
            found = _LENGTH.search(head)
            whole = end + 4 + (int(found[1]) if found else 0)
            if len(self._waiting) < whole:
                return
            self._waiting = self._waiting[whole:]
            if self._transport is not None:
                self._transport.write(_answer(head))


def _answer(head: bytes) -> bytes:
    body = json.dumps({"count": _count, "came": list(_came)}).encode() if head.startswith(b"GET ") else _posted()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def _posted() -> bytes:
    global _count  # noqa: PLW0603 - one process, one thread, one number
    _came.append(time.monotonic())
    _count += 1
    return b'{"ok":true,"channel":"C0BENCH","ts":"17%08d.%06d","message":{"text":"kept"}}' % divmod(_count, 1_000_000)


async def serve(port: int) -> None:
    """Answer until the process is ended."""
    server = await asyncio.get_running_loop().create_server(Conversation, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
