"""Bring events into the books of every connector that wants them, durably, before anybody is told.

The receiver goes through `workers.hall` (asynchronous, many requests share one round trip), the poller and
the command line through `accept`.  An event that several connectors take is kept as an envelope under its
connection until the last of them has it; `readmit` repeats what a crash left over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson

from connector.config import Config, Connector
from connector.event import Event, Kind
from connector.mapping import Tools
from connector.routing import routes
from connector.system import System
from workers.stores.deliveries import Accepted, Deliveries, Fresh
from workers.stores.envelopes import Envelopes
from workers.stores.records import Bell, pack_event


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
            if event.entity.connection not in config.connections:
                declined.append((event.id, "", "its connection was just removed"))
                continue
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


def summary(got: Mapping[str, Accepted]) -> bytes:
    """Return what a webhook's sender is told."""
    outcomes: dict[str, int] = {}
    for accepted in got.values():
        for one in accepted.outcomes:
            outcomes[one] = outcomes.get(one, 0) + 1
    return orjson.dumps(outcomes)
