"""Put the parts together: configuration, systems, stores, transports, doorbells."""

from __future__ import annotations

import json
import logging
import os
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from connector.config import Config, Connection, Connector
from connector.errors import ConnectorError, Unauthorized
from connector.mapping import Tools
from connector.ports import Request, Response, Reveal, Site
from connector.registry import SYSTEMS
from connector.system import System
from workers import epoch
from workers.addresses import Guard
from workers.clock import StoreClock
from workers.configuration import Source
from workers.desk import Desk
from workers.epoch import Epoch
from workers.holding import Holding
from workers.inbox import Inbox
from workers.limits import Limiter
from workers.metering import Meter
from workers.quarantine import own_name
from workers.settings import Settings
from workers.stopping import Stops
from workers.stores import usage
from workers.stores.client import open_store, time_of
from workers.stores.connections import Connections
from workers.stores.deliveries import Deliveries, Pace
from workers.stores.envelopes import Envelopes
from workers.stores.records import Bell, UnknownFormat
from workers.stores.scripts import StoreError
from workers.stores.stops import stops
from workers.threads import Threads
from workers.transport import Refused, Transport
from workers.unchanged import Unchanged

log = logging.getLogger("connector.wiring")

AUDIT_FILE: Final = "audit.jsonl"

LOOK_FIRST: Final = 2.0
"""Seconds in which every process has looked twice how far the books have come."""


class Remembered:
    """A `Memory` of one connection: what was learnt stays for its life, in this process."""

    def __init__(self, ticks: Callable[[], float]) -> None:
        self._ticks = ticks
        self._kept: dict[str, tuple[float, Any]] = {}
        self._lock = threading.Lock()

    def __call__(self, key: str, life: timedelta, load: Callable[[], Any], /) -> Any:
        """Return what is kept under ``key``, or load it; two threads may load the same thing once each."""
        kept = self._kept.get(key)
        if kept is not None and kept[0] > self._ticks():
            return kept[1]
        value = load()
        with self._lock:
            self._kept[key] = (self._ticks() + life.total_seconds(), value)
        return value

    def forget(self) -> None:
        """Forget everything: the next question is asked anew."""
        with self._lock:
            self._kept.clear()


@dataclass(slots=True)
class _Line:
    """One connection, ready to be called."""

    connection: Connection
    transport: Transport
    limiter: Limiter
    memory: Remembered
    unchanged: Unchanged | None = None


@dataclass(slots=True)
class Wiring:
    """One process's parts.

    ``source`` follows the configuration files; ``ring`` publishes doorbells; ``store_url`` is opened
    once and shared by all threads.
    """

    settings: Settings
    store_url: str
    source: Source
    reveal: Reveal
    ring: Callable[[Connector, Sequence[Bell]], None]
    tools: Tools
    forget: Callable[[], None] = lambda: None
    """Called when a credential was refused: the next call reads it anew."""
    buried: Callable[[Connector, str, Mapping[str, str]], None] = lambda *_: None
    held: Callable[[Connector, str, Mapping[str, str]], None] = lambda *_: None
    stopping: Callable[[], bool] = bool
    meter: Meter = field(default_factory=Meter)
    name: str = field(default_factory=own_name)
    """Names this process in its turns, so that they are known to be dead when it is."""
    systems: Mapping[str, System] = field(default_factory=lambda: SYSTEMS)
    _lines: dict[str, _Line] = field(default_factory=dict)
    _epoch: Epoch | None = None
    _books: dict[str, Deliveries] = field(default_factory=dict)
    _since: dict[str, float] = field(default_factory=dict)
    """When this process first knew of a connector, in monotonic seconds."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _threads: Threads | None = None
    _store: Any = None
    _clock: Callable[[], datetime] | None = None
    _desk: Desk | None = None
    _inbox: Inbox | None = None

    @property
    def threads(self) -> Threads:
        """Who may take a thread of this process."""
        with self._lock:
            if self._threads is None:
                settings = self.settings
                self._threads = Threads(
                    settings.worker_threads, time.monotonic, self.ring, patience=settings.ring.total_seconds()
                )
            return self._threads

    @property
    def store(self) -> Any:
        """The store's client; None in a process without servers, which can only look."""
        if self._store is None and self.store_url:
            self._store = open_store(self.store_url, connections=self.settings.worker_threads + 8)
        return self._store

    @property
    def clock(self) -> Callable[[], datetime]:
        """The time by the store's clock; our own in a process without servers."""
        if self._clock is None:
            store = self.store
            self._clock = StoreClock(lambda: time_of(store), time.monotonic, _wall) if store is not None else _wall
        return self._clock

    @property
    def epoch(self) -> Epoch:
        """What is remembered outside the store of how far it had come."""
        if self._epoch is None:
            self._epoch = Epoch(self.settings.home / ".connector" / epoch.FILE)
        return self._epoch

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self.source.current

    def books(self, connector: Connector) -> Deliveries:
        """Return the books of a connector."""
        kept = self._books.get(connector.uid)
        blocks = connector.on_dead == "block"
        if kept is None or (kept.concurrency, kept.blocks) != (connector.concurrency, blocks):
            kept = Deliveries(
                self.store,
                connector.uid,
                concurrency=connector.concurrency,
                pace=Pace(
                    ring=_ms(self.settings.ring),
                    slot=_ms(self.settings.slot),
                    scan=_ms(self.settings.scan),
                    crashes=self.settings.crashes,
                ),
                marks=self.epoch.marks,
                blocks=blocks,
                nonce=self.name,
            )
            kept.enter(known_for=int((time.monotonic() - self._known(connector)) * 1000))
            usage.begin_day(kept)
            self._books[connector.uid] = kept
        return kept

    def enter(self) -> None:
        """Enter every connector in the books, so that its polls begin now and not when it is first polled.

        Raises what the store raises; whoever calls again loses no time: what counts is when this process first
        knew of the connector.
        """
        for connector in self.config.connectors.values():
            self._known(connector)
        for connector in self.config.connectors.values():
            try:
                self.books(connector)
            except UnknownFormat as error:
                log.error("%s: %s", connector.name, error)  # noqa: TRY400 - the traceback says nothing more

    def store_was_away(self) -> None:
        """Note that the store did not answer."""
        self.store.broke = time.monotonic()

    def store_answered(self) -> bool:
        """Tell whether there is a store, and it was not found away just now."""
        return bool(self._store) and not (self._store.broke and time.monotonic() - self._store.broke < 30)

    def look_first(self) -> None:
        """Begin nothing right after the store was away: it may have come back older.

        Who knows how far it had come may be another process: within this time each of them has looked, and all of
        one home know what any of them wrote down.
        """
        if self.store.broke:
            time.sleep(max(0.0, self.store.broke + LOOK_FIRST - time.monotonic()))

    def _known(self, connector: Connector) -> float:
        return self._since.setdefault(connector.uid, time.monotonic())

    def site(self, connection: str, until: float) -> Site:
        """Return a site whose calls end by ``until`` (monotonic seconds)."""
        line, threads = self._line(connection), self.threads

        def send(request: Request) -> Response:
            line.transport.deadline = until
            try:
                with threads.calling(connection):
                    if line.unchanged is not None:
                        return line.unchanged.send(request, line.transport)
                    return line.transport(request)
            except ConnectorError as error:
                error.connection = connection
                if isinstance(error, Unauthorized):
                    self.forget()
                if isinstance(error.__cause__, Refused):
                    error.exchange = asdict(error.__cause__)
                raise

        return Site(
            connection,
            line.connection.settings,
            send,
            self.clock,
            instance=self.config.instance,
            memory=line.memory,
        )

    def _line(self, name: str) -> _Line:
        kept = self._lines.get(name)
        # An attempt that began before its connection went from the configuration may end with it.
        connection = self.config.connections.get(name) or (kept.connection if kept is not None else None)
        if connection is None:
            raise KeyError(name)
        if kept is not None and kept.connection == connection:
            return kept
        with self._lock:
            system = self.systems[connection.system]
            limiter = Limiter(
                name,
                system.limits(connection.settings) if self.store_url else (),
                Connections(self.store) if self.store_url else None,
                time.monotonic,
                time.sleep,
                system.headroom,
                self.settings.backoff,
            )
            transport = Transport(
                system,
                connection,
                self.reveal,
                limiter=limiter,
                guard=Guard(connection.http.private_addresses),
                on_call=lambda request, _status, *spent: self.meter.call(name, request, *spent),
            )
            unchanged = Unchanged() if system.conditional else None
            line = _Line(connection, transport, limiter, Remembered(time.monotonic), unchanged)
            self._lines[name] = line
            return line

    def flush_calls(self) -> None:
        """Write what was called and used since the last time into the store; give back unused tokens."""
        for name, line in list(self._lines.items()):
            line.limiter.give_back()
            if calls := line.limiter.counted():
                Connections(self.store).count_calls(name, calls)
        if used := self.meter.collect():
            try:
                usage.add(self.store, used)
            except StoreError:
                self.meter.put_back(used)
                raise

    def desk(self) -> Desk:
        """Return what turns work with."""
        if self._desk is None:
            self._desk = Desk(
                config=lambda: self.config,
                systems=self.systems,
                tools=self.tools,
                deliveries=self.books,
                connections=Connections(self.store),
                site=self.site,
                ring=self.ring,
                record=AuditFile(self.settings.home / ".connector" / AUDIT_FILE),
                now=self.clock,
                ticks=time.monotonic,
                jitter=random.random,
                stopping=self.stopping,
                buried=self.buried,
                held=self.held,
                holding=_holding(self.settings),
                turn=self.settings.turn,
                call=self.settings.call,
                probe=self.settings.probe,
                backoff=self.settings.backoff,
                crowded=self.threads.crowded,
                working=self.meter.working,
                stops=Stops(lambda: stops(self.store), time.monotonic),
            )
        return self._desk

    def inbox(self) -> Inbox:
        """Return the way in."""
        if self._inbox is None:
            self._inbox = Inbox(
                config=lambda: self.config,
                systems=self.systems,
                tools=self.tools,
                deliveries=self.books,
                envelopes=Envelopes(self.store),
                ring=self.ring,
            )
        return self._inbox


class AuditFile:
    """The audit's sink: one JSON object a line, appended; the store keeps only its tail.

    The file stays open.  Whoever rotates it may move or remove it: the next row begins a new one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._file: Any = None
        self._known: tuple[int, int, int] = (0, 0, 0)

    def __call__(self, row: Mapping[str, Any]) -> None:
        """Append a row; a full disk must not stop deliveries, but is said loudly."""
        line = json.dumps({"at": datetime.now(UTC).isoformat(), **row}, ensure_ascii=False) + "\n"
        try:
            with self._lock:
                self._opened().write(line.encode("utf-8", "replace"))
        except OSError as error:
            log.error("the audit file cannot be written: %s (the store keeps the last rows)", error)  # noqa: TRY400 - the traceback says nothing more

    def _opened(self) -> Any:
        if self._file is not None and self._here() == self._known:
            return self._file
        if self._file is not None:
            self._file.close()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered: a row is one write at the end of the file, whoever else writes there.
        self._file = self._path.open("ab", buffering=0)
        self._known = self._here()
        return self._file

    def _here(self) -> tuple[int, int, int]:
        """Say which file stands there for this process; a child that was forked opens it for itself."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return (0, 0, 0)
        return (found.st_dev, found.st_ino, os.getpid())


def _wall() -> datetime:
    return datetime.now(UTC)


def _holding(settings: Settings) -> Holding:
    longest = max(settings.canary, settings.canary_longest)
    return Holding(settings.hold_entities, settings.hold_window, settings.canary, longest)


def _ms(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)


__all__ = ["AuditFile", "Remembered", "Wiring"]
