"""Stand in for a chat's API: answer every POST, and tell how many there were and when they came.

It answers as ``chat.postMessage`` does, so that the product and a hand-written task can both write to it.  It
remembers no message: what it costs is no part of what is measured.  The first part of the path says how it behaves:

``/api/…``               answers at once
``/wait-MS/api/…``       answers after so many ms
``/bucket-RATE-BURST/…`` answers 429 where a token bucket of that size is empty
``/throttle-S/…``        answers 429 with a Retry-After of so many seconds
``/drip/…``              answers a byte a second

``GET /`` tells of all, ``GET /?of=wait-50`` of one behaviour: how many were answered well and how many refused;
with ``&last=100`` also which of the last ones came when: ``[issue number, monotonic seconds]``, 0 where the message
names no issue.  Who only waits does not ask for the list: making it would cost what is measured its CPU.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final, cast
from urllib.parse import parse_qs

import uvloop

_LENGTH: Final = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_ISSUE: Final = re.compile(rb"[A-Z]-(\d+)")


@dataclass(slots=True)
class Bucket:
    """A vendor's token bucket; ``rate`` tokens a second, ``burst`` at once."""

    rate: float
    burst: float
    level: float = 0.0
    at: float = 0.0

    def takes(self, now: float) -> bool:
        """Take a token; False where there is none."""
        if not self.at:
            self.level, self.at = self.burst, now
        self.level = min(self.burst, self.level + (now - self.at) * self.rate)
        self.at = now
        if self.level < 1:
            return False
        self.level -= 1
        return True


@dataclass(slots=True)
class Tally:
    """What one behaviour has seen."""

    count: int = 0
    refused: int = 0
    came: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=20_000))
    bucket: Bucket | None = None


_tallies: Final[dict[str, Tally]] = {}


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
            body, self._waiting = self._waiting[end + 4 : whole], self._waiting[whole:]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        method, path = head.split(b" ", 2)[:2]
        if method == b"GET":
            asked = parse_qs(path.decode().partition("?")[2])
            self._send(_told(asked.get("of", [""])[0], int(asked.get("last", ["0"])[0])))
            return
        how = path.decode().split("/")[1]
        kind, *numbers = how.split("-")
        status, extra = b"200 OK", b""
        # What a noisy neighbour sends is counted apart, also where it shares a connection with the quiet one.
        tally = _tallies.setdefault("noise" if b"NOISE-" in body else how, Tally())
        if kind == "bucket":
            tally.bucket = tally.bucket or Bucket(float(numbers[0]), float(numbers[1]))
            if not tally.bucket.takes(time.monotonic()):
                status, extra = b"429 Too Many Requests", b"retry-after: 1\r\n"
        elif kind == "throttle":
            status, extra = b"429 Too Many Requests", b"retry-after: %d\r\n" % int(numbers[0])
        if not status.startswith(b"200"):
            tally.refused += 1
            self._send(b'{"ok":false,"error":"ratelimited"}', status, extra)
            return
        answer = _posted(tally, body)
        if kind == "wait":
            asyncio.get_running_loop().call_later(int(numbers[0]) / 1000, self._send, answer)
        elif kind == "drip":
            self._drip(_whole(answer))
        else:
            self._send(answer)

    def _send(self, body: bytes, status: bytes = b"200 OK", extra: bytes = b"") -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(_whole(body, status, extra))

    def _drip(self, left: bytes) -> None:
        if left and self._transport is not None and not self._transport.is_closing():
            self._transport.write(left[:1])
            asyncio.get_running_loop().call_later(1.0, self._drip, left[1:])


def _whole(body: bytes, status: bytes = b"200 OK", extra: bytes = b"") -> bytes:
    return b"HTTP/1.1 %b\r\ncontent-type: application/json\r\n%bcontent-length: %d\r\n\r\n%b" % (
        status,
        extra,
        len(body),
        body,
    )


def _told(how: str, last: int) -> bytes:
    chosen = [_tallies.get(how, Tally())] if how else list(_tallies.values())
    came = sorted((row for one in chosen for row in one.came), key=itemgetter(1))[-last:] if last else []
    return json.dumps(
        {"count": sum(one.count for one in chosen), "refused": sum(one.refused for one in chosen), "came": came}
    ).encode()


def _posted(tally: Tally, body: bytes) -> bytes:
    issue = _ISSUE.search(body)
    tally.came.append((int(issue[1]) if issue else 0, time.monotonic()))
    tally.count += 1
    return b'{"ok":true,"channel":"C0BENCH","ts":"17%08d.%06d","message":{"text":"kept"}}' % divmod(
        tally.count, 1_000_000
    )


async def serve(port: int) -> None:
    """Answer until the process is ended."""
    server = await asyncio.get_running_loop().create_server(Conversation, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
