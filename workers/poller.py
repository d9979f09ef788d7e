"""Ask a source what happened since the cursor, so that a webhook that never came loses nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from connector.config import Connector
from connector.errors import ConnectorError, Unauthorized
from connector.event import Kind
from connector.ports import Site
from connector.system import Page
from workers.behalf import on_behalf_of
from workers.desk import Desk
from workers.inbox import Inbox
from workers.outcome import DEFAULT_PAUSE, WAITS, Step, outcome_of
from workers.resting import AT_ONCE_MS, in_maintenance, may_poll
from workers.stores import moments
from workers.stores.deliveries import Deliveries

log = logging.getLogger("connector.poller")

PAGES: Final = 50
"""Pages that one poll reads before it lets others go first; the cursor keeps the place."""

MISSED_AFTER: Final = timedelta(minutes=20)
"""What a poll brought and no webhook has brought so long after was missed: Jira's slow flow trails by a
quarter of an hour."""


@dataclass(frozen=True, slots=True)
class Polled:
    """What a poll brought."""

    events: int = 0
    accepted: int = 0
    more: bool = False
    problem: str = ""


def due(desk: Desk, connector: Connector) -> bool:
    """Tell whether it is time to poll a connector, and claim it if so."""
    config = desk.config()
    polled = any(desk.system_of(config, face.source.connection).poll is not None for face in _faces(connector))
    if not polled or connector.poll_every <= timedelta(0) or connector.name in config.draining:
        return False
    if not any(may_poll(desk, config, face) for face in _faces(connector)):
        return False
    books = desk.deliveries(connector)
    if connector.poll_at is not None:
        last = int(connector.poll_at.last(desk.now()).timestamp() * 1000)
        return moments.claim(books, last, now=desk.now_ms(), late=AT_ONCE_MS)
    return books.claim_poll(int(connector.poll_every.total_seconds() * 1000))


def _faces(connector: Connector) -> tuple[Connector, ...]:
    return (connector,) if connector.back is None else (connector, connector.back)


def poll(desk: Desk, inbox: Inbox, connector: Connector) -> Polled:
    """Poll one connector's source, and both ends of a two-way one, from where it stopped.

    A refusal ends it, the cursor stays.
    """
    got = [_poll_face(desk, inbox, face) for face in _faces(connector)]
    return Polled(
        events=sum(one.events for one in got),
        accepted=sum(one.accepted for one in got),
        more=any(one.more for one in got),
        problem="; ".join(one.problem for one in got if one.problem),
    )


def _poll_face(desk: Desk, inbox: Inbox, connector: Connector) -> Polled:
    config, field = desk.config(), "poll_back" if connector.turned else "poll"
    name = connector.source.connection
    system = desk.system_of(config, name)
    books = desk.deliveries(connector)
    state = desk.connections.state(name)
    # What is being removed takes nothing new; its cursor stays, in case it is to stay itself.
    if system.poll is None or state.closed_until > desk.now_ms() or connector.name in config.draining:
        return Polled()
    if not may_poll(desk, config, connector):
        return Polled()
    ask = system.poll

    def page(site: Site, cursor: Mapping[str, Any]) -> Page:
        return ask(site, connector.source.settings, cursor, desk.now() if cursor else _beginning(desk, books))

    if not connector.turned and books.cursor(OWED) and books.halt() is None:
        # A recovery went on without its source.
        catch_up(desk, inbox, connector)
    webhooks = getattr(config.connections[name].settings, "webhook", None) is not None
    expected = system.kinds - system.polled_only if webhooks else frozenset()
    with on_behalf_of(connector.uid, weight=connector.weight), desk.working(connector.uid):
        got = _read(desk, inbox, connector, cursor=books.cursor(field), page=page, expected=expected, field=field)
    if state.failing and not got.problem:
        desk.connections.succeed(name)
    if missed := books.count_missed(int(MISSED_AFTER.total_seconds() * 1000)):
        log.warning("%s: %d events of %s were brought by no webhook", connector.name, missed, system.title)
    return got


OWED: Final = "owed"
"""The cursor that says from when on everything is to be read again: {since: ISO}."""

AGAIN: Final = "again"
"""The cursor of a `catch_up` that is under way."""


def owe(books: Deliveries, since: datetime) -> None:
    """Note that everything since ``since`` is to be read again; an earlier debt that reaches further back stays."""
    owed = books.cursor(OWED)
    if not owed or datetime.fromisoformat(owed["since"]) > since:
        books.drop_cursor(AGAIN)
        books.set_cursor(OWED, {"since": since.isoformat()})


def catch_up(desk: Desk, inbox: Inbox, connector: Connector) -> Polled:
    """Read again what is owed, beside the poll and its cursor; goes on where it was interrupted.

    What came in before is known by its id and adds nothing.
    """
    config, name = desk.config(), connector.source.connection
    ask, books, state = desk.system_of(config, name).poll, desk.deliveries(connector), desk.connections.state(name)
    owed = books.cursor(OWED)
    if ask is None or not owed:
        return Polled()
    since = datetime.fromisoformat(owed["since"])
    if state.closed_until > desk.now_ms():
        return Polled(problem=f"{name} is closed: {state.kind}: {state.why}")
    if not may_poll(desk, config, connector):
        return Polled(problem=f"{name} is not asked now: it is in maintenance, or {connector.name} is stopped")

    def page(site: Site, cursor: Mapping[str, Any]) -> Page:
        return ask(site, connector.source.settings, cursor, desk.now() if cursor else since)

    events = accepted = 0
    while True:
        got = _read(desk, inbox, connector, cursor=books.cursor(AGAIN), page=page, field=AGAIN)
        events, accepted = events + got.events, accepted + got.accepted
        if got.problem or desk.stopping():
            return Polled(events, accepted, problem=got.problem or "this process is ending")
        if not got.more:
            books.drop_cursor(AGAIN, OWED)
            return Polled(events, accepted)


def _beginning(desk: Desk, books: Deliveries) -> datetime:
    """Return where a first poll begins: when the connector was first seen, for webhooks may be refused since."""
    seen = books.activated()
    return datetime.fromtimestamp(seen / 1000, UTC) if seen else desk.now()


def _read(
    desk: Desk,
    inbox: Inbox,
    connector: Connector,
    *,
    cursor: Mapping[str, Any],
    page: Callable[[Site, Mapping[str, Any]], Page],
    expected: frozenset[Kind] = frozenset(),
    field: str = "poll",
) -> Polled:
    events = accepted = 0
    for _ in range(PAGES):
        site = desk.site(connector.source.connection, desk.ticks() + 2 * desk.call.total_seconds())
        try:
            got = page(site, cursor)
        except ConnectorError as error:
            _refused(desk, connector, error)
            return Polled(events, accepted, problem=str(error))
        if got.events or got.cursor != cursor:
            done = inbox.accept_for(connector, got.events, lane="live", cursor=(field, got.cursor), expected=expected)
            accepted += done.outcomes.count("accepted")
        events += len(got.events)
        # The first page of all only says where to begin; what has happened since is read at once.
        more = got.more or not cursor
        cursor = got.cursor
        if not more or desk.stopping():
            break
    else:
        return Polled(events, accepted, more=True)
    return Polled(events, accepted)


def _refused(desk: Desk, connector: Connector, error: ConnectorError) -> None:
    outcome, connection = outcome_of(error), connector.source.connection
    if in_maintenance(desk, desk.config(), connection) is not None:
        log.info("poll of %s ended, it is in maintenance: %s", connection, error)
        return
    if isinstance(error, Unauthorized):
        desk.connections.close(connection, DEFAULT_PAUSE, "paused", str(error))
    elif outcome.step is Step.CLOSE and error.status is not None:
        desk.connections.close(connection, outcome.wait, "limit", str(error))
    elif outcome.step is Step.RETRY and error.cause != "lease":
        # Polls are witnesses of an outage too: several connectors that cannot read open the breaker.
        desk.failing.add(connection)
        desk.connections.fail(connection, f"poll of {connector.name}", str(error), first=desk.backoff)
    log.warning("poll of %s ended: %s", connection, error)


def backfill(
    desk: Desk,
    inbox: Inbox,
    connector: Connector,
    query: Mapping[str, Any],
    *,
    told: Callable[[int, int], None],
    paused: Callable[[float], None],
) -> Polled:
    """Bring the past in by its own lane; ``told(events, accepted)`` after each page.

    Waits (through ``paused(seconds)``) where the source limits us, so that a backfill of any size ends.
    """
    system = desk.system_of(desk.config(), connector.source.connection)
    if system.backfill is None:
        return Polled(problem=f"{system.title} offers no way to read the past")
    if not may_poll(desk, desk.config(), connector):
        return Polled(problem="its source is in maintenance, or it is stopped; connector status says which")
    events = accepted = 0
    cursor: Mapping[str, Any] = {}
    while True:
        site = desk.site(connector.source.connection, desk.ticks() + 2 * desk.call.total_seconds())
        try:
            with on_behalf_of(connector.uid, weight=connector.weight, lane="backfill"), desk.working(connector.uid):
                got = system.backfill(site, connector.source.settings, query, cursor)
        except ConnectorError as error:
            outcome = outcome_of(error)
            if outcome.step in WAITS:
                paused(outcome.wait.total_seconds())
                continue
            return Polled(events, accepted, problem=str(error))
        done = inbox.accept_for(connector, got.events, lane="backfill")
        events += len(got.events)
        accepted += done.outcomes.count("accepted")
        told(events, accepted)
        cursor = got.cursor
        if not got.more:
            return Polled(events, accepted)
