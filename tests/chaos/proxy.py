"""Stand between two processes and spoil, by chance and for a while, what they say to each other.

A *line* listens on a port and carries bytes to one target.  What it can do to a request (of HTTP: head and body;
of a store or broker: whatever one read brought):

* ``delay``: forward it up to a second late, whether or not its sender still waits;
* ``hold``: the same, so late that its sender has given up; what it carried is noted in `Line.held`;
* ``drop_reply``: forward it, swallow the answer, reset the connection;
* ``reset``: forward nothing, reset the connection;
* ``blackhole``: forward nothing and say nothing, until the sender gives up or the line is healed;
* ``half_write``: forward its first half, then reset both sides;
* ``drip``: forward it, and let the answer through at a byte a second.

Written here rather than taken from elsewhere: the judge needs to know which effect was held and for how long, and
that is in none of the proxies that can be installed.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import threading
from asyncio import StreamReader, StreamWriter
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any, Final, Self

from connector.link import Marker

KINDS: Final = ("delay", "drop_reply", "reset", "blackhole", "half_write", "drip")
"""What every line can do; ``hold`` besides is for lines whose judge knows of it."""

_ADDS: Final = re.compile(rb"POST \S*(/rest/api/\d/issue|/comment|/comments|/issues|chat\.postMessage)(\?\S*)? ")
"""Requests that add something: a late landing of these is what look-ups are for."""

_PIECE: Final = 65_536
_LARGEST: Final = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Held:
    """A request that was kept back: the mark of its effect, when it came, when it went on."""

    marker: str
    came: datetime
    went: datetime


@dataclass(frozen=True, slots=True)
class Spoil:
    """A switch that is on: what is done, to which share of the requests, until when (event loop's clock)."""

    kind: str
    share: float
    until: float
    seconds: tuple[float, float]


class Line:
    """One listening port and its target; `spoil` and `heal` may be called from any thread."""

    def __init__(self, name: str, *, http: bool, chance: Random) -> None:
        self.name, self.http = name, http
        self.port = 0
        self.target: tuple[str, int] = ("127.0.0.1", 0)
        self.held: list[Held] = []
        self.struck: Counter[str] = Counter()
        self.requests = 0
        self._chance = chance
        self._spoil: Spoil | None = None
        self._calm = asyncio.Event()
        self._calm.set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """Host and port that senders are given."""
        return f"127.0.0.1:{self.port}"

    def switch(self, spoil: Spoil | None) -> None:
        """Turn a spoiling on or off; in the loop's thread."""
        self._spoil = spoil
        if spoil is None:
            self._calm.set()
        else:
            self._calm.clear()

    # --- connections ----------------------------------------------------------------------------------
    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Carry one connection from its first byte to its last."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            try:
                there, thence = await asyncio.open_connection(*self.target, limit=_PIECE)
            except OSError:
                _reset(writer)
                return
            await _Carried(self, (reader, writer), (there, thence)).run()
        except asyncio.CancelledError:  # the proxy closes; asyncio would report it
            _reset(writer)
        finally:
            self._tasks.discard(task)

    def strike(self, request: bytes) -> Spoil | None:
        """Decide whether this request is spoilt, and how."""
        spoil = self._spoil
        self.requests += self.http
        if spoil is None:
            return None
        if asyncio.get_running_loop().time() > spoil.until:
            self.switch(None)
            return None
        if self._chance.random() > spoil.share:
            return None
        if spoil.kind == "hold" and not (_ADDS.match(request) and _mark(request)):
            return None
        self.struck[spoil.kind] += 1
        return spoil

    def pause(self, spoil: Spoil) -> float:
        """Choose how long a request is kept, in seconds."""
        return self._chance.uniform(*spoil.seconds)

    @property
    def spoilt(self) -> bool:
        """Whether a spoiling is on."""
        return not self._calm.is_set()

    async def until_calm(self, most: float) -> None:
        """Wait until the line is healed, so many seconds at most."""
        try:
            await asyncio.wait_for(self._calm.wait(), max(0.0, most))
        except TimeoutError:
            return

    async def close(self) -> None:
        """End every connection."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class _Carried:
    """One connection: requests go one way by the unit, answers come back as they are."""

    def __init__(
        self, line: Line, here: tuple[StreamReader, StreamWriter], there: tuple[StreamReader, StreamWriter]
    ) -> None:
        self.line = line
        self._asks, self._hears = here
        self._answers, self._does = there
        self._swallow = False
        self._drip = False
        self._answered = asyncio.Event()

    async def run(self) -> None:
        back = asyncio.create_task(self._back())
        try:
            await self._forth()
        except (OSError, EOFError, asyncio.LimitOverrunError):
            pass  # one side went away: so does the other
        finally:
            self._hang_up()
            back.cancel()
            await asyncio.gather(back, return_exceptions=True)

    async def _forth(self) -> None:
        while request := await self._request():
            spoil = self.line.strike(request)
            if spoil is None:
                await self._forward(request)
                continue
            match spoil.kind:
                case "delay" | "hold":
                    came = datetime.now(UTC)
                    await asyncio.sleep(self.line.pause(spoil))
                    if spoil.kind == "hold":
                        self.line.held.append(Held(_mark(request), came, datetime.now(UTC)))
                    await self._forward(request)
                    if self._asks.at_eof() or self._asks.exception() is not None:
                        await self._let_finish()
                case "drop_reply":
                    self._swallow = True
                    await self._forward(request)
                    await self._let_finish()
                    return
                case "reset":
                    return
                case "blackhole":
                    gone = asyncio.create_task(self._asks.read(1))
                    calm = asyncio.create_task(self.line.until_calm(spoil.until - asyncio.get_running_loop().time()))
                    _, left = await asyncio.wait({gone, calm}, return_when=asyncio.FIRST_COMPLETED)
                    for task in left:
                        task.cancel()
                    await asyncio.gather(gone, calm, return_exceptions=True)
                    return
                case "half_write":
                    await self._forward(request[: len(request) // 2])
                    # A reset may overtake what was sent before it.
                    await asyncio.sleep(0.05)
                    return
                case "drip":
                    self._drip = True
                    await self._forward(request)
                case _:
                    raise AssertionError(spoil.kind)

    async def _request(self) -> bytes:
        if not self.line.http:
            return await self._asks.read(_PIECE)
        try:
            head = await self._asks.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return b""
        found = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
        return head + (await self._asks.readexactly(int(found[1])) if found else b"")

    async def _forward(self, request: bytes) -> None:
        self._does.write(request)
        await self._does.drain()

    async def _let_finish(self) -> None:
        """Let the target finish what it was asked though nobody listens: its answer is read, or it hangs up."""
        try:
            await asyncio.wait_for(self._answered.wait(), 5)
        except TimeoutError:
            return

    async def _back(self) -> None:
        try:
            while piece := await self._answers.read(_PIECE):
                self._answered.set()
                if self._swallow:
                    continue
                while self._drip and len(piece) > 1 and self.line.spoilt:
                    self._hears.write(piece[:1])
                    await self._hears.drain()
                    piece = piece[1:]
                    await self.line.until_calm(1.0)
                self._hears.write(piece)
                await self._hears.drain()
            # The target hung up: so do we, which wakes whoever reads the request side.
            self._hears.close()
        except OSError:
            _reset(self._hears)
        finally:
            self._answered.set()

    def _hang_up(self) -> None:
        _reset(self._hears)
        _reset(self._does)


class Proxy:
    """Carries many lines in a thread of its own; a context manager."""

    def __init__(self, chance: Random) -> None:
        self.lines: dict[str, Line] = {}
        self._chance = chance
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._servers: list[asyncio.Server] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def line(self, name: str, target: tuple[str, int] = ("127.0.0.1", 0), *, http: bool = False) -> Line:
        """Open a line; its ``target`` may also be given later, before anybody calls."""
        line = Line(name, http=http, chance=Random(self._chance.random()))
        line.target = target

        async def listen() -> None:
            server = await asyncio.start_server(line.serve, "127.0.0.1", 0, limit=_LARGEST)
            line.port = server.sockets[0].getsockname()[1]
            self._servers.append(server)

        self._do(listen())
        self.lines[name] = line
        return line

    def spoil(
        self, name: str, kind: str, *, share: float, seconds: float, pause: tuple[float, float] = (0.1, 1.0)
    ) -> None:
        """Spoil this share of what a line carries for so many seconds; ``pause`` is for delay and hold."""
        line = self.lines[name]

        def switch() -> None:
            line.switch(Spoil(kind, share, self._loop.time() + seconds, pause))

        self._loop.call_soon_threadsafe(switch)

    def heal(self, name: str) -> None:
        """Carry everything again; connections that hang in a black hole are reset."""
        self._loop.call_soon_threadsafe(self.lines[name].switch, None)

    @property
    def held(self) -> list[Held]:
        """Every request that was held, of all lines."""
        return [one for line in self.lines.values() for one in line.held]

    @property
    def struck(self) -> Counter[str]:
        """How many requests each spoiling hit, by ``line.kind``."""
        return Counter({f"{name}.{kind}": n for name, line in self.lines.items() for kind, n in line.struck.items()})

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        for line in self.lines.values():
            await line.close()

    def _do(self, what: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(10)


def _mark(request: bytes) -> str:
    found = Marker.find(request.decode("utf-8", "replace"))
    return str(found) if found else ""


def _reset(writer: StreamWriter) -> None:
    """Close so that the other side sees a reset, not an end."""
    peer: socket.socket | None = writer.get_extra_info("socket")
    if peer is not None and peer.fileno() >= 0:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


__all__ = ["KINDS", "Held", "Line", "Proxy", "Spoil"]
