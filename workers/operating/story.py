"""Tell the story of one item over all connectors: seen, filtered by what, waiting for what, written as what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from connector.config import Config, Connector
from connector.errors import ConnectorError
from connector.event import Event
from connector.routing import routes
from workers.desk import Desk
from workers.operating.standing import standing
from workers.stores.records import Letter

ROWS: Final = 10_000
"""Settled deliveries of a connector that are looked through; the store keeps about as many."""

LETTERS: Final = 5000
"""Deliveries in flight of a connector that are looked through."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened, or is happening, to the item.  ``at`` is ms; ``tone`` good, bad, wait or plain."""

    at: int
    connector: str
    what: str
    tone: str = "plain"
    delivery: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a connector would do with the item as it is now, and what it is linked to."""

    connector: str
    says: str
    takes: bool
    link_key: str = ""
    link_url: str = ""


@dataclass(frozen=True, slots=True)
class Story:
    """The story; ``found`` says where the item was found, ``entries`` are newest first."""

    asked: str
    found: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()
    verdicts: tuple[Verdict, ...] = ()


def tell(desk: Desk, config: Config, connectors: Sequence[Connector], asked: str) -> Story:
    """Find an item by key or URL, in the systems and in the books, and tell what is known of it."""
    asked = asked.strip()
    events = list(_find(desk, config, connectors, asked))
    refs = {event.entity.ref for event in events}
    keys = {event.entity.key.casefold() for event in events} | {asked.casefold()}
    entries: list[Entry] = []
    verdicts: list[Verdict] = []
    for connector in connectors:
        entries += _of(desk, connector, refs, keys)
        verdicts += _verdicts(desk, config, connector, events)
    found = tuple(f"{event.entity.key or event.entity.ref} in {event.entity.connection}" for event in events)
    return Story(asked, found, tuple(sorted(entries, key=lambda one: one.at, reverse=True)), tuple(verdicts))


def _find(desk: Desk, config: Config, connectors: Iterable[Connector], asked: str) -> Iterator[Event]:
    names = dict.fromkeys(name for one in connectors for name in (one.source.connection, one.target.connection))
    for name in names:
        if desk.connections.state(name).closed_until > desk.now_ms():
            continue  # it is not asked while it is closed; the books may still know
        site = desk.site(name, desk.ticks() + desk.call.total_seconds())
        try:
            yield desk.system_of(config, name).find(site, None, asked)
        except ConnectorError:
            continue  # not there, or no name of this system


def _of(desk: Desk, connector: Connector, refs: set[str], keys: set[str]) -> Iterator[Entry]:
    books = desk.deliveries(connector)

    def mine(entity: str, key: str) -> bool:
        return entity in refs or key.casefold() in keys

    for row in books.settled(most=ROWS):
        if mine(row.get("entity", ""), row.get("key", "")):
            told = f"{row['kind']}: {row['outcome']}" + (f" ({row['reason']})" if row.get("reason") else "")
            yield Entry(
                int(float(row["at"])), connector.name, told, "good" if row["outcome"] == "delivered" else "plain"
            )
    for letter in books.waiting(most=LETTERS):
        if mine(letter.entity, letter.key):
            yield Entry(letter.at, connector.name, f"{letter.kind}: {waits_for(desk, connector, letter)}", "wait")
    for delivery, row in books.dead_rows(("entity", "key", "kind", "died", "error", "message")):
        if mine(row.get("entity", ""), row.get("key", "")):
            told = f"{row.get('kind', '')}: dead letter: {row.get('error', '')}: {row.get('message', '')[:300]}"
            yield Entry(int(float(row.get("died", 0))), connector.name, told, "bad", delivery)
    for row_ in books.audit(most=ROWS):
        if str(row_.get("entity", "")).casefold() in keys or str(row_.get("target", "")).casefold() in keys:
            yield Entry(_at(row_), connector.name, _written(row_), "good")


def waits_for(desk: Desk, connector: Connector, letter: Letter) -> str:
    """Say what a delivery in flight waits for."""
    books = desk.deliveries(connector)
    subject = letter.fields.get("subject", letter.entity)
    owner = books.owner(subject)
    first = books.first_of(subject)
    last = f"; last error: {letter.fields['message'][:200]}" if letter.fields.get("message") else ""
    if first and first != letter.id:
        return f"waits behind delivery {first} of the same item{last}"
    if owner.startswith("p:dead-"):
        return f"waits behind dead letter {owner[7:]}, which blocks its item{last}"
    if owner.startswith("p:"):
        gate = books.gates().get(owner[2:], {})
        return f"is held: {gate.get('why', owner[2:])}{last}"
    if owner == "d":
        return f"is tried again later{last}"
    if owner.startswith("r:"):
        how = standing(desk, connector)
        return f"waits in lane {owner[2:]}" + (f"; {how.state}: {how.why}" if how.why else "") + last
    return f"is being delivered{last}"


def _verdicts(desk: Desk, config: Config, connector: Connector, events: Iterable[Event]) -> Iterator[Verdict]:
    books = desk.deliveries(connector)
    for event in events:
        link = books.link(event.entity.ref)
        if event.entity.connection == connector.source.connection:
            for route in routes(config, desk.systems, event, desk.tools):
                if route.connector.name == connector.name:
                    says = route.reason or ("followed only where it is linked already" if route.follows else "")
                    taken = not route.reason and (not route.follows or link is not None)
                    yield Verdict(
                        connector.name,
                        "takes it as it is now" if taken else f"does not take it as it is now: {says}",
                        taken,
                        link.key if link else "",
                        link.url if link else "",
                    )
        elif (back := books.link_back(event.entity.ref)) is not None:
            yield Verdict(connector.name, "writes it", takes=True, link_key=back.source_key, link_url=back.source_url)


def _written(row: dict[str, Any]) -> str:
    fields = ", ".join(row.get("fields", ()))
    return f"{row.get('action', '')} {row.get('target', '')}".strip() + (f": {fields}" if fields else "")


def _at(row: dict[str, Any]) -> int:
    try:
        return int(datetime.fromisoformat(str(row.get("at", ""))).timestamp() * 1000)
    except ValueError:
        return 0
