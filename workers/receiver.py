"""Take webhooks in: verify the raw bytes, read them, store them durably, and only then say so.

``POST /hooks/<connection>`` answers

=====  ==========================================================================================
202    every event is stored (or what our own code could not read is kept raw, for a person)
200    nothing to store: ignored with a reason, or the handshake a source asked for
401    not proven to come from its source, or for no connection of ours: nothing is stored, and the
       two cannot be told apart
4xx    a request that no honest source sends: an impossible name, wrong method or type, too large,
       too slow, JSON that means two things
429    a large body of a peer that keeps sending bad signatures
503    the store did not take it in time: the source must send it again (``Retry-After``)
=====  ==========================================================================================

A bug of ours in reading never makes a source switch its webhook off; a store that is away never gets a 2xx.
Cheap checks come first and the name in the path is only ever compared, never used to build anything.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol
from urllib.parse import parse_qs, parse_qsl

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from connector.declare import NAME
from connector.errors import ConnectorError, Untrusted
from connector.event import Event
from connector.system import Inbound, Received
from workers.addresses import Network
from workers.arrivals import Arrivals
from workers.doors import MEBIBYTE, NO_DOOR, Door
from workers.flood import Suspects
from workers.inbox import Unavailable
from workers.logs import is_sensitive, redact
from workers.outage import Outage
from workers.replies import Receive, Reply, Scope, Send
from workers.strictjson import Malformed, NotJson, parsed, strict

LARGEST: Final = 25 * MEBIBYTE
"""Bytes that no connection's body may exceed: GitHub's own cap."""
SMALL: Final = 64 * 1024
"""Bytes up to which a body is verified and read on the event loop (some hundred microseconds)."""

_log: Final = logging.getLogger(__name__)


class Inbox(Protocol):
    """Where events go; every method raises `Unavailable` when it is not certain that they are stored."""

    def accept(self, connection: str, events: Sequence[Event], /) -> Awaitable[Any]:
        """Store events durably for every connector that wants them."""
        ...

    def keep_unreadable(self, connection: str, body: bytes, headers: Mapping[str, str], why: str, /) -> Awaitable[Any]:
        """Keep a payload that could not be read."""
        ...

    def ready(self) -> Awaitable[bool]:
        """Tell whether the store answers."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """What the receiver puts up with.

    ``body``: time for a whole body.  ``store``: time for the store (Slack waits 3 s in all).  ``buffered``: bytes of
    bodies under way in this process.  ``proxies``: peers whose ``X-Forwarded-For`` is believed.
    """

    body: timedelta = timedelta(seconds=10)
    store: timedelta = timedelta(seconds=2)
    retry_after: timedelta = timedelta(seconds=10)
    buffered: int = 128 * MEBIBYTE
    proxies: tuple[Network, ...] = ()


class _Answer(Exception):
    """Stop here and answer; ``why`` is the word it is counted by."""

    def __init__(self, why: str, reply: Reply) -> None:
        super().__init__(why)
        self.why = why
        self.reply = reply


@dataclass(eq=False)
class Receiver(Collector):
    """The application; see `create_app`."""

    inbox: Inbox
    resolve: Callable[[str], Door | None]
    clock: Callable[[], datetime]
    limits: Limits
    suspects: Suspects
    registry: CollectorRegistry | None = None
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Requests by connection ("" where there is none) and outcome."""
    arrivals: Arrivals = field(default_factory=Arrivals)
    _outage: Outage = field(
        default_factory=lambda: Outage(
            _log, "webhooks are answered 503, their source must repeat them", "webhooks are stored again"
        )
    )
    _buffered: int = 0
    _large: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(2, thread_name_prefix="large-bodies"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        path: bytes = scope.get("raw_path") or scope["path"].encode()
        if path.startswith(b"/hooks/"):
            reply = await self._hook(path[7:], scope, receive)
        elif scope["method"] not in {"GET", "HEAD"}:
            reply = Reply.of(405, close=True, error="method")
        else:
            reply = await self._page(path)
        if reply is not None:
            await reply.send(send, receive)

    async def _page(self, path: bytes) -> Reply:
        match path:
            case b"/healthz":
                return Reply.of(200, ok=True)
            case b"/readyz":
                ready = await self._ready()
                return Reply.of(200 if ready else 503, ok=ready)
            case b"/metrics" if self.registry is not None:
                return Reply(200, generate_latest(self.registry), ((b"content-type", b"text/plain; version=0.0.4"),))
            case _:
                return Reply.of(404, error="not found")

    async def _ready(self) -> bool:
        try:
            async with asyncio.timeout(self.limits.store.total_seconds()):
                return await self.inbox.ready()
        except (TimeoutError, Unavailable, OSError):
            return False

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the counts for Prometheus."""
        family = CounterMetricFamily(
            "connector_webhooks", "Webhook requests by connection and outcome.", labels=("connection", "outcome")
        )
        for (connection, outcome), count in sorted(self.counts.items()):
            family.add_metric((connection, outcome), count)
        yield family

    # --- webhooks ----------------------------------------------------------------------------------
    async def _hook(self, name: bytes, scope: Scope, receive: Receive) -> Reply | None:
        connection = peer = more = ""
        held = 0
        try:
            door = self._door(name)
            connection = door.connection
            headers = _headers(scope["headers"])
            peer = self._peer(scope, headers)
            form, declared = self._acceptable(door, scope["method"], headers, peer)
            body = await self._body(door, receive, declared)
            held = len(body)
            self._buffered += held
            query = dict(parse_qsl(scope["query_string"].decode("latin-1"))) if scope["query_string"] else {}
            inbound = Inbound(headers, body, query, peer)
            if held <= SMALL:
                received = self._read(door, inbound, form)
            else:
                loop = asyncio.get_running_loop()
                received = await loop.run_in_executor(self._large, self._read, door, inbound, form)
            why, reply = await self._store(door, inbound, received)
            more = received.ignored if isinstance(received, Received) else ""
        except _Answer as answer:
            why, reply = answer.why, answer.reply
            if isinstance(answer.__cause__, Untrusted):
                more = str(answer.__cause__)
                self._suspect(connection, peer, answer.__cause__)
        except ConnectionAbortedError:
            self.counts[connection, "gone"] += 1
            return None
        finally:
            self._buffered -= held
        self.counts[connection, why] += 1
        if connection:
            self.arrivals.note(connection, self.clock(), why, more)
        return reply

    def _door(self, name: bytes) -> Door:
        text = name.decode("ascii", "replace")
        if not NAME.fullmatch(text):
            raise _Answer("unknown", Reply.of(404, close=True, error="not found"))
        try:
            return self.resolve(text) or NO_DOOR
        except Unavailable as error:
            # Whose it is cannot be told yet: its source must not be told that nobody wants it.
            self._outage.failed(error)
            raise self._busy("unavailable", error.retry_after) from None

    def _acceptable(self, door: Door, method: str, headers: Mapping[str, str], peer: str) -> tuple[bool, int]:
        """Check all that is known before the body; returns whether it is a form, and its declared length (-1: none)."""
        if method != "POST":
            raise _Answer("method", Reply(405, b"", ((b"allow", b"POST"),), close=True))
        if headers.get("content-encoding", "identity").lower() != "identity":
            # Compressed bodies are how a few bytes become gigabytes; no source we know sends them.
            raise _Answer("encoding", Reply.of(415, close=True, error="content-encoding"))
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        form = kind == "application/x-www-form-urlencoded" and "forms" in door.system.features
        if not form and kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
            raise _Answer("type", Reply.of(415, close=True, error="content-type"))
        length = headers.get("content-length", "")
        if length and not (length.isascii() and length.isdigit() and len(length) < 16):
            raise _Answer("length", Reply.of(400, close=True, error="content-length"))
        declared = int(length) if length else -1
        if declared > min(door.largest, LARGEST):
            raise _Answer("too large", Reply.of(413, close=True, error="too large"))
        wait = self.suspects.wait(peer, door.connection)
        if wait and not 0 <= declared <= SMALL:
            raise _Answer("flood", Reply.of(429, close=True, retry_after=wait, error="too many bad signatures"))
        return form, declared

    async def _body(self, door: Door, receive: Receive, declared: int) -> bytes:
        """Read the body within its size and time; raises ConnectionAbortedError when the peer is gone."""
        largest = min(door.largest, LARGEST)
        chunks: list[bytes] = []
        size = 0
        if self._buffered + max(declared, 0) > self.limits.buffered:
            raise self._busy("bodies")
        try:
            async with asyncio.timeout(self.limits.body.total_seconds()):
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        raise ConnectionAbortedError
                    chunk: bytes = message.get("body", b"")
                    size += len(chunk)
                    self._buffered += len(chunk)
                    chunks.append(chunk)
                    if size > largest:
                        raise _Answer("too large", Reply.of(413, close=True, error="too large"))
                    if self._buffered > self.limits.buffered:
                        raise self._busy("bodies")
                    if not message.get("more_body"):
                        return chunks[0] if len(chunks) == 1 else b"".join(chunks)
        except TimeoutError:
            raise _Answer("slow", Reply.of(408, close=True, error="too slow")) from None
        finally:
            self._buffered -= size

    def _read(self, door: Door, inbound: Inbound, form: bool) -> Received | str:
        """Verify, then read; returns what was read, or why it cannot be.  Raises `_Answer` for the sender's faults."""
        try:
            trust = door.system.verify(door.settings, inbound, door.reveal, self.clock())
        except Untrusted as error:
            raise _Answer("untrusted", Reply.of(401, error="not trusted")) from error
        except Exception:  # noqa: BLE001 - no secret to check against, or a bug in checking: nothing is proven
            _log.exception("%s: webhooks cannot be verified", door.connection)
            raise self._busy("cannot verify") from None
        try:
            return door.system.receive(door.connection, door.settings, _checked(inbound, form), trust)
        except Malformed as error:
            raise _Answer("malformed", Reply.of(400, error=str(error))) from None
        except (NotJson, ConnectorError) as error:
            return redact(str(error))
        except Exception as error:  # noqa: BLE001 - whatever our code trips over is kept: a bug loses nothing
            _log.exception("%s: a webhook could not be read", door.connection)
            return redact(f"{type(error).__name__}: {error}")

    async def _store(self, door: Door, inbound: Inbound, received: Received | str) -> tuple[str, Reply]:
        if isinstance(received, str):
            return await self._keep(door, inbound, received)
        if received.events:
            try:
                async with asyncio.timeout(self.limits.store.total_seconds()):
                    await self.inbox.accept(door.connection, received.events)
            except Unavailable as error:
                self._outage.failed(error)
                raise self._busy("unavailable", error.retry_after) from None
            except TimeoutError:
                self._outage.failed("the store does not answer in time")
                raise self._busy("unavailable") from None
            except Exception as error:  # noqa: BLE001 - routing is our code too: kept, not lost
                _log.exception("%s: a webhook could not be accepted", door.connection)
                return await self._keep(door, inbound, redact(f"{type(error).__name__}: {error}"))
            self._outage.over()
            if received.reply is None:
                return "accepted", Reply.of(202, accepted=len(received.events))
        if received.reply is not None:
            kind, body = received.reply
            return "replied", Reply(200, body, ((b"content-type", kind.encode()),))
        return "ignored", Reply.of(200, ignored=received.ignored or "it holds no event")

    async def _keep(self, door: Door, inbound: Inbound, why: str) -> tuple[str, Reply]:
        shown = {name: value for name, value in inbound.headers.items() if not is_sensitive(name)}
        try:
            async with asyncio.timeout(self.limits.store.total_seconds()):
                await self.inbox.keep_unreadable(door.connection, inbound.body, shown, why)
        except Exception as error:  # noqa: BLE001 - whatever the reason, it is not stored: the sender must know
            self._outage.failed(error)
            raise self._busy("unavailable") from None
        return "unreadable", Reply.of(202, accepted=0, kept="unreadable")

    def _suspect(self, connection: str, peer: str, error: Untrusted) -> None:
        if not self.suspects.wait(peer, connection):
            # In a flood the counter tells the rest.
            _log.warning("%s: an untrusted webhook from %s: %s", connection, peer, error)
        self.suspects.failed(peer, connection)

    def _busy(self, why: str, retry_after: timedelta | None = None) -> _Answer:
        wait = (retry_after or self.limits.retry_after).total_seconds()
        return _Answer(why, Reply.of(503, close=True, retry_after=wait, error="come again"))

    def _peer(self, scope: Scope, headers: Mapping[str, str]) -> str:
        """Return who sends: the last address of ``X-Forwarded-For`` that is not a proxy of ours."""
        peer = scope["client"][0] if scope.get("client") else ""
        if not self.limits.proxies:
            return peer
        for hop in reversed(["", *headers.get("x-forwarded-for", "").split(",")][1:]):
            if not self._is_proxy(peer):
                break
            peer = hop.strip() or peer
        return peer

    def _is_proxy(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        return any(address.version == net.version and address in net for net in self.limits.proxies)


def create_app(
    inbox: Inbox,
    resolve: Callable[[str], Door | None],
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ticks: Callable[[], float] = time.monotonic,
    limits: Limits | None = None,
    registry: CollectorRegistry | None = None,
) -> Receiver:
    """Return the ASGI application; ``ticks`` is a clock that never goes back, ``registry`` gives ``/metrics``."""
    app = Receiver(inbox, resolve, clock, limits or Limits(), Suspects(ticks), registry)
    if registry is not None:
        registry.register(app)
    return app


def _headers(pairs: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return headers by lower-case name; a repeated one is joined, so that two signatures match neither."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _checked(inbound: Inbound, form: bool) -> Inbound:
    """Return what systems may read; raises `Malformed` or `NotJson`."""
    if not form:
        body, document = parsed(inbound.body)
        return Inbound(inbound.headers, body, inbound.query, inbound.peer, document)
    try:
        fields = parse_qs(inbound.body.decode("ascii"), max_num_fields=1000)
    except ValueError as error:
        raise NotJson(f"not a form: {error}") from error
    for payload in fields.get("payload", ()):
        strict(payload.encode("utf-8", "surrogatepass"))
    return inbound
