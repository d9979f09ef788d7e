"""Tell of the pairs of a connector how each stands, and end one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import orjson

from connector.config import Connector
from connector.errors import Rejected, Retryable
from connector.link import BROUGHT, Link
from connector.planning import UNFINISHED
from connector.rings import siblings
from workers.desk import Desk
from workers.operating.acting import Actor, row_of
from workers.stores.conflicts import CONFLICTS
from workers.stores.deliveries import Deliveries

PATIENCE: Final = 30.0
"""Seconds to wait for a worker that holds a pair; a turn is at it for less, unless its target is slow."""

_STEP: Final = 0.2

HELD: Final = "a worker is at it"
HALTED: Final = "the books of the connector are being put right; see 'connector status'"


@dataclass(frozen=True, slots=True)
class Pair:
    """A pair and how it stands.

    ``state`` is ``in sync`` (nothing is owed, as far as it is known here), ``waiting`` (something came in that is not
    worked on yet, or is being), ``unfinished`` (its first state is not brought over whole), ``conflict``, or ``held``;
    ``why`` names the fields in conflict or what holds it.
    """

    connector: str
    link: Link
    state: str
    why: str = ""

    @property
    def brought(self) -> str:
        """When something was last written for it (ISO); "" where that is not known."""
        return str(self.link.extra.get(BROUGHT, ""))

    def as_json(self) -> dict[str, Any]:
        """Return it for scripts."""
        link = self.link
        return {
            "connector": self.connector,
            "source": {"item": link.source_key, "url": link.source_url, "ref": link.source},
            "target": {"item": link.key, "url": link.url, "ref": link.target},
            "state": self.state,
            "why": self.why,
            "brought": self.brought or None,
        }


def concerns(link: Link, item: str) -> bool:
    """Tell whether an item, by key, URL or ref, is one side of a pair."""
    names = (link.key, link.source_key, link.url, link.source_url, link.source, link.target)
    return item.casefold() in {one.casefold() for one in names if one}


def pairs(
    books: Deliveries, name: str, *, item: str = "", looked: Callable[[int], None] = lambda _: None
) -> Iterator[Pair]:
    """Yield the pairs of a connector, in no order, as they are read; ``looked`` hears how many were looked at."""
    count = 0
    for page in books.pages():
        count += len(page)
        some = [link for link in page if not item or concerns(link, item)]
        owners = books.whereabouts([ref for link in some for ref in (link.source, link.target)])
        looked(count)
        for number, link in enumerate(some):
            (owner, dead), (_, dead_there) = owners[2 * number : 2 * number + 2]
            yield Pair(name, link, *_state(link, owner, dead=dead or dead_there))


def _state(link: Link, owner: str, *, dead: bool) -> tuple[str, str]:
    if fields := link.extra.get(CONFLICTS):
        return "conflict", ", ".join(sorted(fields))
    if owner.startswith("p:"):
        return "held", f"behind {owner[2:]}"
    if owner == "s":
        return "held", "in quarantine"
    if dead:
        return "held", "a dead letter"
    if link.extra.get(UNFINISHED):
        return "unfinished", ""
    if owner:
        return "waiting", "to be tried again" if owner == "d" else ""
    return "in sync", ""


def found(books: Deliveries, connector: Connector, item: str, looked: Callable[[int], None]) -> Link:
    """Return the pair that an item belongs to, by key, URL or ref; raises `Rejected`."""
    link = books.link(item) or books.link_back(item)
    of_item = [link] if link else [one.link for one in pairs(books, connector.name, item=item, looked=looked)]
    if not of_item:
        raise Rejected(f"{item} is in no pair of {connector.name}; 'connector links' shows them", cause="no_pair")
    if len(of_item) > 1:
        refs = ", ".join(one.source for one in of_item)
        raise Rejected(f"{item} is in several pairs; name one of {refs}", cause="several_pairs")
    return of_item[0]


def patiently(
    ask: Callable[[], str], *, patience: float = PATIENCE, pause: Callable[[float], None] = time.sleep
) -> str:
    """Ask the books again while a worker holds what is asked about; raises `Retryable` after ``patience`` seconds."""
    left = patience
    while (answer := ask()) in {"held", "halted"}:
        if left <= 0:
            message = f"{HELD if answer == 'held' else HALTED}: nothing was changed; try again later"
            raise Retryable(message, sent=False, cause=answer)
        pause(_STEP)
        left -= _STEP
    return answer


def unlink(desk: Desk, connector: Connector, link: Link, by: Actor, reason: str, *, patience: float = PATIENCE) -> None:
    """End a pair: nothing flows between its items any more, and neither is copied anew.

    Both stay as they are, with our marks.  Raises `Rejected` where the pair is gone, `Retryable` where a worker holds
    it for longer than ``patience`` seconds.
    """
    books = desk.deliveries(connector)
    stone = {
        "source": link.source,
        "target": link.target,
        "source_key": link.source_key,
        "key": link.key,
        "by": by.name,
        "reason": reason,
        "at": desk.now().isoformat(timespec="seconds"),
    }
    row = row_of(
        desk,
        "unlink",
        connector,
        by,
        entity=link.source_key or link.source,
        target=link.key or link.target,
        reason=reason,
    )
    packed = orjson.dumps(stone).decode(), orjson.dumps(row).decode()
    if patiently(lambda: books.unlink(link.source, *packed), patience=patience) == "none":
        raise Rejected(f"{link.source_key or link.source} is in no pair any more", cause="no_pair")
    desk.record(row)


def also_tied(desk: Desk, connector: Connector, link: Link) -> list[str]:
    """Return the other connectors over the same connections that tie either item of a pair."""
    names = []
    for other, reverse in siblings(desk.config(), connector):
        books = desk.deliveries(other)
        source, target = (link.target, link.source) if reverse else (link.source, link.target)
        if books.link(source) is not None or books.link_back(target) is not None:
            names.append(other.name)
    return names
