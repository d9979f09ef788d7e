"""Do what an operator does: each action once, with an audit row, and its doorbells rung."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from connector.config import Connector
from connector.documents import written
from connector.errors import ConnectorError
from workers.desk import Desk
from workers.examination import Examined, look
from workers.operating.letters import Dead
from workers.stores import orders
from workers.stores.orders import Order

LONG_MS: Final = 10 * 365 * 86_400_000
"""How far away a person's pause ends."""

CHUNK: Final = 500
"""Letters that one script gives up at a time."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and from where (``cli``, or the address of a browser)."""

    name: str
    origin: str = "cli"


def row_of(desk: Desk, action: str, connector: Connector, by: Actor, **more: Any) -> dict[str, Any]:
    """Build the audit row of an operator's action."""
    return {
        "at": desk.now().isoformat(),
        "action": action,
        "connector": connector.name,
        "actor": by.name,
        "from": by.origin,
        **more,
    }


def pause(desk: Desk, connector: Connector, by: Actor, why: str) -> None:
    """Stop delivering; events are still taken in, and wait."""
    desk.deliveries(connector).close(desk.now_ms() + LONG_MS, f"paused by {by.name}: {why}")
    record(desk, connector, row_of(desk, "pause", connector, by, reason=why))


def resume(desk: Desk, connector: Connector, by: Actor, *, gate: str = "") -> int:
    """Go on: open one gate, or (without a name) the connector, its gates and its connections.

    Returns how many parked subjects are ready again.  A gate of a blocking dead letter is opened by that
    letter's replay or discard, and by nothing else.
    """
    books = desk.deliveries(connector)
    row = row_of(desk, "resume", connector, by, **({"gate": gate} if gate else {}))
    ready = 0
    for name in [gate] if gate else books.gates():
        if not name.startswith("dead-"):
            count, bells = books.open_gate(name, _packed(row))
            ready += count
            desk.ring(connector, bells)
    if not gate:
        for name in dict.fromkeys((connector.source.connection, connector.target.connection)):
            desk.connections.open(name)
        if bell := books.close(0, ""):
            desk.ring(connector, [bell])
    desk.record(row)
    return ready


def credentials(desk: Desk, connector: Connector, by: Actor) -> list[tuple[str, bool, str]]:
    """Ask both connections of a connector who we are, with credentials read anew: (connection, good, what it said).

    One that was paused and works again is opened.
    """
    found = []
    config = desk.config()
    for name in dict.fromkeys((connector.source.connection, connector.target.connection)):
        try:
            who = desk.system_of(config, name).probe(desk.site(name, desk.ticks() + desk.call.total_seconds()))
        except ConnectorError as error:
            found.append((name, False, f"{type(error).__name__}: {error}"))
            continue
        if desk.connections.state(name).kind == "paused":
            desk.connections.open(name)
        found.append((name, True, f"works as {who.name} ({who.id})"))
    record(desk, connector, row_of(desk, "test", connector, by, what=[f"{n}: {t}"[:200] for n, _, t in found]))
    return found


def examine(desk: Desk, connector: Connector, by: Actor) -> Examined:
    """Hold a connector against its target now, and keep what was found."""
    found = look(desk, connector)
    what = [written(one.path) for one in found.problems]
    record(desk, connector, row_of(desk, "examine", connector, by, what=what))
    return found


def new_order() -> str:
    """Return a fresh order id; a form carries it, so that sending the form twice is one order."""
    return secrets.token_hex(8)


def replay(
    desk: Desk,
    connector: Connector,
    letters: Sequence[Dead],
    by: Actor,
    *,
    order: str,
    rate: float,
    reason: str,
    absent: bool = False,
) -> Order:
    """Order dead letters of one connector back into their mailboxes at ``rate`` a second; see `stores.orders`."""
    books = desk.deliveries(connector)
    what = summary(letters)
    more = {"letters": len(letters), "what": what, "rate": rate, "reason": reason, "absent": absent}
    row = row_of(desk, "replay", connector, by, order=order, **more)
    ids = [one.id for one in letters]
    known = orders.order_of(books, order)
    if known is None:
        story = {"actor": by.name, "reason": reason, "what": what}
        orders.give(books, order, ids, rate=rate, audit=_packed(row), absent=absent, **story)
        desk.record(row)
    # The first go at once, in case nobody scans just now.
    ((_, bells),) = orders.step(books.client, [books])
    desk.ring(connector, bells)
    found = orders.order_of(books, order)
    if found is None:
        raise LookupError(order)
    return found


def cancel(desk: Desk, connector: Connector, order: str, by: Actor) -> bool:
    """Cancel an order; what it has not brought back stays dead."""
    row = row_of(desk, "cancel", connector, by, order=order)
    done = orders.cancel(desk.deliveries(connector), order, _packed(row))
    if done:
        desk.record(row)
    return done


def discard(desk: Desk, connector: Connector, ids: Sequence[str], by: Actor, reason: str) -> int:
    """Give dead letters up, for a reason; returns how many were dead until now."""
    gone = 0
    for start in range(0, len(ids), CHUNK):
        some = ids[start : start + CHUNK]
        row = row_of(desk, "discard", connector, by, deliveries=list(some), reason=reason)
        done, bells = desk.deliveries(connector).discard(some, reason, _packed(row))
        desk.ring(connector, bells)
        if done:
            desk.record({**row, "deliveries": done})
        gone += len(done)
    return gone


def bury(desk: Desk, connector: Connector, by: Actor, gate: str, reason: str) -> int:
    """Make dead letters of what is held behind a gate; returns how many.

    Who comes back behind it meanwhile stands at its end and is left alone.
    """
    books = desk.deliveries(connector)
    left = books.gates().get(gate, {}).get("parked", 0)
    row = row_of(desk, "bury", connector, by, gate=gate, reason=reason)
    buried = 0
    while left > 0:
        ids, bells = books.bury_held(gate, _packed(row), most=min(CHUNK, left))
        desk.ring(connector, bells)
        buried += len(ids)
        left -= CHUNK
    if buried:
        desk.record({**row, "letters": buried})
    return buried


def looked(desk: Desk, connector: Connector, by: Actor, action: str, **more: Any) -> None:
    """Write down that somebody looked at what a list does not show, or took it out."""
    record(desk, connector, row_of(desk, action, connector, by, **more))


def noted(desk: Desk, by: Actor, action: str, **more: Any) -> None:
    """Write down what was done to no connector's things; it goes to the audit's sink only."""
    desk.record({"at": desk.now().isoformat(), "action": action, "actor": by.name, "from": by.origin, **more})


def summary(letters: Sequence[Dead]) -> str:
    """Say in a few words which letters are meant."""
    causes = dict.fromkeys(f"{one.error} {one.cause}".strip() for one in letters)
    named = ", ".join(list(causes)[:3]) + (f" and {len(causes) - 3} more causes" if len(causes) > 3 else "")
    return f"{len(letters)} dead {'letter' if len(letters) == 1 else 'letters'}: {named}" if letters else "nothing"


def record(desk: Desk, connector: Connector, row: Mapping[str, Any]) -> None:
    """Write an operator's action (`row_of`) into the audit: the store's tail and its sink."""
    desk.deliveries(connector).note(_packed(row))
    desk.record(row)


def _packed(row: Mapping[str, Any]) -> str:
    return orjson.dumps(row).decode()
