"""Bring events into the books of every connector that wants them, durably, before anybody is told.

The receiver goes through `Hall` (asynchronous, many requests share one round trip), the poller and the
command line through `accept`.  An event that several connectors take is kept as an envelope under its
connection until the last of them has it; `readmit` repeats what a crash left over.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson

from connector.config import Config, Connector
from connector.event import Event, Kind
from connector.mapping import Tools
from connector.routing import routes
from connector.system import System
from workers.stores.client import AsyncStore
from workers.stores.deliveries import Accepted, Deliveries, Fresh
from workers.stores.envelopes import Envelopes
from workers.stores.records import Bell, pack_event
from workers.stores.scripts import StoreError, run_many


class Unavailable(Exception):
    """The store cannot take it now; the source must send it again after ``retry_after``."""

    def __init__(self, why: str, retry_after: timedelta = timedelta(seconds=10)) -> None:
        super().__init__(why)
        self.retry_after = retry_after


def delivery_id(uid: str, event: str) -> str:
    """Name the delivery of an event to a connector, for ever."""
    return hashlib.sha256(f"{uid}\0{event}".encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class Sorted:
    """Events sorted by who wants them, and what nobody wants: (event id, connector, why)."""

    wanted: Mapping[str, tuple[Connector, list[Fresh]]]
    declined: tuple[tuple[str, str, str], ...] = ()


@dataclass(slots=True)
class Inbox:
    """The way in.  ``config`` returns the configuration in force; ``deliveries`` the books of a connector."""

    config: Callable[[], Config]
    systems: Mapping[str, System]
    tools: Tools
    deliveries: Callable[[Connector], Deliveries]
    envelopes: Envelopes
    ring: Callable[[Connector, Sequence[Bell]], None]

    def sort(
        self, events: Iterable[Event], *, lane: str = "live", only: str = "", expected: frozenset[Kind] = frozenset()
    ) -> Sorted:
        """Find the connectors that want each event; ``only`` asks one of them; ``expected``: see `accept_for`."""
        config = self.config()
        wanted: dict[str, tuple[Connector, list[Fresh]]] = {}
        declined = []
        for event in events:
            body: bytes | None = None
            system = self.systems[config.connections[event.entity.connection].system]
            life = int(system.redelivers.total_seconds() * 1000)
            for route in routes(config, self.systems, event, self.tools):
                connector = route.connector
                if only and connector.name != only:
                    continue
                if route.reason:
                    declined.append((event.id, connector.name, route.reason))
                    continue
                body = body or pack_event(event)
                fresh = Fresh(
                    id=delivery_id(connector.uid, event.id),
                    event=event.id,
                    entity=event.entity.ref,
                    kind=event.kind.value,
                    key=event.entity.key,
                    body=body,
                    lane=lane,
                    life=life,
                    follows=route.follows,
                    expected=event.kind in expected,
                )
                wanted.setdefault(connector.name, (connector, []))[1].append(fresh)
        return Sorted(wanted, tuple(declined))

    def accept_for(
        self,
        connector: Connector,
        events: Sequence[Event],
        *,
        lane: str,
        cursor: tuple[str, Mapping[str, Any]] | None = None,
        expected: frozenset[Kind] = frozenset(),
    ) -> Accepted:
        """Store what one connector wants of a page of a poll, and move its cursor in the same commit.

        ``expected`` are the kinds that webhooks should bring as well.
        """
        wanted = self.sort(events, lane=lane, only=connector.name, expected=expected).wanted
        fresh = wanted[connector.name][1] if connector.name in wanted else []
        got = self.deliveries(connector).accept(fresh, cursor=cursor)
        self.ring(connector, got.bells)
        return got

    def accept(self, events: Sequence[Event], *, lane: str = "live", revive: bool = False) -> dict[str, Accepted]:
        """Store events for whoever wants them; returns what each connector did with them."""
        got: dict[str, Accepted] = {}
        for connector, fresh in self.sort(events, lane=lane).wanted.values():
            got[connector.name] = self.deliveries(connector).accept(fresh, revive=revive)
            self.ring(connector, got[connector.name].bells)
        return got

    def readmit(self, connection: str, *, older: timedelta = timedelta(seconds=30)) -> int:
        """Accept again what a crash left between the envelope and its last connector."""
        count = 0
        for name, events in self.envelopes.left(connection, older=older):
            # Not a repeat of its source's: what a person has given up meanwhile stays given up.
            self.accept(events)
            self.envelopes.drop(connection, [name])
            count += 1
        return count


@dataclass(slots=True)
class _Request:
    calls: list[tuple[str, str, tuple[Any, ...]]]
    books: list[Deliveries]
    connectors: list[Connector]
    answer: asyncio.Future[dict[str, Accepted]]
    envelope: tuple[str, str] | None = None


@dataclass(slots=True)
class Hall:
    """The asynchronous way in: requests that wait together go to the store together.

    ``budget`` is how long the store may take; past it the source is told to come again.
    """

    inbox: Inbox
    client: AsyncStore
    budget: timedelta = timedelta(seconds=2)
    most: int = 64
    full: Callable[[], bool] = bool
    """Tells whether the store is nearly full: then nothing new is taken, what is there can still leave."""
    _waiting: list[_Request] = field(default_factory=list)
    _books: dict[str, Deliveries] = field(default_factory=dict)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _writer: asyncio.Task[None] | None = None
    _closing: bool = False

    async def accept(self, connection: str, events: Sequence[Event]) -> dict[str, Accepted]:
        """Store events durably; raises `Unavailable` where that is not certain."""
        if self.full():
            raise Unavailable("the store is nearly full", timedelta(minutes=1))
        sorted_ = self.inbox.sort(events)
        if not sorted_.wanted:
            return {}
        request = _Request([], [], [], asyncio.get_running_loop().create_future())
        try:
            async with asyncio.timeout(self.budget.total_seconds()):
                for connector, fresh in sorted_.wanted.values():
                    books = await self._books_of(connector)
                    request.calls.append(("accept", books.tag, books.accept_arguments(fresh, revive=True)))
                    request.books.append(books)
                    request.connectors.append(connector)
                if len(request.calls) > 1:
                    name = await self.inbox.envelopes.keep(self.client, connection, events)
                    request.envelope = (connection, name)
                self._waiting.append(request)
                self._wake.set()
                if self._writer is None or self._writer.done():
                    self._writer = asyncio.create_task(self._write())
                return await request.answer
        except TimeoutError as error:
            raise Unavailable("the store does not answer in time") from error
        except StoreError as error:
            raise Unavailable(f"the store refused: {error}") from error

    async def _books_of(self, connector: Connector) -> Deliveries:
        """Open the books of a connector; the first time asks the store, which must not hold up everybody else."""
        kept = self._books.get(connector.uid)
        if kept is None or kept.concurrency != connector.concurrency:
            kept = self._books[connector.uid] = await asyncio.to_thread(self.inbox.deliveries, connector)
        return kept

    async def keep_unreadable(self, connection: str, body: bytes, headers: Mapping[str, str], why: str) -> str:
        """Keep a payload that we could not read, raw; raises `Unavailable`."""
        try:
            return await asyncio.wait_for(
                self.inbox.envelopes.keep_unread(self.client, connection, body, headers, why),
                self.budget.total_seconds(),
            )
        except (TimeoutError, StoreError) as error:
            raise Unavailable(f"the store refused: {error}") from error

    async def ready(self) -> bool:
        """Tell whether the store answers."""
        try:
            await asyncio.wait_for(self.client.ping(), self.budget.total_seconds())
        except (TimeoutError, StoreError, OSError):
            return False
        return True

    async def close(self) -> None:
        """Finish what waits and let the store go."""
        if self._writer is not None:
            # It ends by itself: a cancellation may be swallowed by the client whose answer it waits for.
            self._closing = True
            self._wake.set()
            await asyncio.wait([self._writer], timeout=self.budget.total_seconds())
            self._writer.cancel()
        await self.client.aclose()

    async def _write(self) -> None:
        while not self._closing:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch, self._waiting = self._waiting[: self.most], self._waiting[self.most :]
                await self._commit(batch)

    async def _commit(self, batch: list[_Request]) -> None:
        calls = [call for request in batch for call in request.calls]
        try:
            answers = await run_many(self.client, calls)
        except (StoreError, OSError) as error:
            answers = [StoreError(str(error))] * len(calls)
        position = 0
        done: dict[str, list[str]] = {}
        for request in batch:
            mine = answers[position : position + len(request.calls)]
            position += len(request.calls)
            wrong = next((one for one in mine if isinstance(one, Exception)), None)
            if wrong is not None:
                if not request.answer.done():
                    request.answer.set_exception(StoreError(str(wrong)))
                continue
            got = {}
            for books, connector, answer in zip(request.books, request.connectors, mine, strict=True):
                got[connector.name] = books.accepted(answer)
                if got[connector.name].bells:
                    self.inbox.ring(connector, got[connector.name].bells)
            if request.envelope:
                done.setdefault(request.envelope[0], []).append(request.envelope[1])
            if not request.answer.done():
                request.answer.set_result(got)
        for connection, names in done.items():
            try:
                await self.inbox.envelopes.dropped(self.client, connection, names)
            except (StoreError, OSError):
                continue  # the scanner repeats and then drops it; accepting twice changes nothing


def summary(got: Mapping[str, Accepted]) -> bytes:
    """Return what a webhook's sender is told."""
    outcomes: dict[str, int] = {}
    for accepted in got.values():
        for one in accepted.outcomes:
            outcomes[one] = outcomes.get(one, 0) + 1
    return orjson.dumps(outcomes)
