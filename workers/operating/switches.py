"""Stop and start: one connector, those of a team, all; and say what is stopped."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from connector.config import Connector
from workers.desk import Desk
from workers.operating.acting import Actor, noted, record, row_of
from workers.resting import AT_ONCE_MS
from workers.stopping import Stops, covering
from workers.stores.stops import Stop, lift, put, stops

STOPPED: Final = "stopped"
"""How the reason of what is closed by a switch begins."""


def stop(desk: Desk, connectors: Iterable[Connector], scope: str, by: Actor, why: str) -> tuple[Stop, list[str]]:
    """Throw a switch; returns it, and the names of those connectors, of all there are, that it stops.

    Nothing is written and nothing polled any more, from the next call on; webhooks are still taken in, and wait.
    Where it is thrown already the first reason stays.
    """
    client = desk.connections.client
    fresh = put(client, Stop(scope, by.name, why, desk.now_ms()))
    _forget(desk)
    thrown = stops(client)
    covered = [one for one in connectors if _under(one, thrown[scope])]
    for one in covered:
        hold(desk, one, thrown[scope])
        if fresh:
            record(desk, one, row_of(desk, "stop", one, by, scope=scope, reason=why))
    if fresh and not covered:
        noted(desk, by, "stop", scope=scope, reason=why)
    return thrown[scope], [one.name for one in covered]


def start(desk: Desk, connectors: Iterable[Connector], scope: str, by: Actor) -> list[str] | None:
    """Turn a switch back; returns the names of the connectors that go on, None where it was not thrown.

    What another switch stops stays stopped.
    """
    client = desk.connections.client
    thrown = stops(client)
    if not lift(client, scope):
        return None
    _forget(desk)
    rest = stops(client)
    freed = [one for one in connectors if _under(one, thrown[scope]) and covering(rest, one) is None]
    for one in freed:
        books = desk.deliveries(one)
        if books.condition().get("open_why", "").startswith(STOPPED) and (bell := books.close(0, "")):
            desk.ring(one, [bell])
        record(desk, one, row_of(desk, "start", one, by, scope=scope))
    if not freed:
        noted(desk, by, "start", scope=scope)
    return [one.name for one in freed]


def hold(desk: Desk, connector: Connector, by: Stop) -> None:
    """Keep a stopped connector's books closed for a while."""
    if bell := desk.deliveries(connector).close(desk.now_ms() + AT_ONCE_MS, by.words):
        desk.ring(connector, [bell])


def thrown(desk: Desk) -> Iterable[Stop]:
    """Return the switches that are thrown."""
    return stops(desk.connections.client).values()


def _forget(desk: Desk) -> None:
    if isinstance(desk.stops, Stops):
        desk.stops.forget()


def _under(connector: Connector, switch: Stop) -> bool:
    return covering({switch.scope: switch}, connector) is not None
