"""Tell what a person must decide between the two sides of a pair, and write down what was decided."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from connector.config import Connector
from connector.event import event_id
from connector.link import Link
from connector.merge import Conflict
from connector.richtext import plain
from workers.desk import Desk
from workers.inbox import Inbox
from workers.operating.acting import Actor, record, row_of
from workers.sides import asked_of, source_of
from workers.stores.conflicts import CONFLICTS

WHY: Mapping[str, str] = {
    "both": "both sides changed it before they could meet",
    "initial": "the sides differ, and it is not known that they were ever equal",
    "loop": "something puts it back again and again: it went to and fro more than five times in ten minutes",
    "slipped": "somebody changed it in the moment in which it was written over",
}


@dataclass(frozen=True, slots=True)
class Question:
    """A field of a pair that waits for a person."""

    connector: Connector
    pair: Link
    conflict: Conflict

    @property
    def id(self) -> str:
        """Its name for ever, in addresses: it tells the pair and the field."""
        return _digest(self.pair.source, self.conflict.name)

    @property
    def seen(self) -> str:
        """Names what is to be decided upon: another one once a side has changed again."""
        return _digest(self.conflict.wants, self.conflict.holds, self.conflict.lost)

    @property
    def why(self) -> str:
        """Why it is asked, in words."""
        return WHY.get(self.conflict.why, self.conflict.why)

    def concerns(self, item: str) -> bool:
        """Tell whether an item, by key or ref, is one side of the pair."""
        pair = self.pair
        return item.casefold() in {one.casefold() for one in (pair.key, pair.source_key, pair.source, pair.target)}

    def as_json(self) -> dict[str, Any]:
        """Return it for scripts."""
        pair, one = self.pair, self.conflict
        return {
            "id": self.id,
            "seen": self.seen,
            "connector": self.connector.name,
            "source": {"item": pair.source_key, "url": pair.source_url, "value": one.wants, "before": one.wanted},
            "target": {"item": pair.key, "url": pair.url, "value": one.holds, "before": one.held},
            "field": one.name,
            "why": one.why,
            "lost": one.lost,
            "since": one.at,
            "changed": {"source": dict(one.here), "target": dict(one.there)},
        }


def _digest(*parts: Any) -> str:
    packed = orjson.dumps(parts, option=orjson.OPT_SORT_KEYS, default=str)
    return hashlib.sha256(packed).hexdigest()[:16]


def questions(desk: Desk, connectors: Iterable[Connector]) -> Iterator[Question]:
    """Yield every open question of these connectors, the oldest of each first."""
    for connector in connectors:
        if connector.back is None:
            continue
        found = [
            Question(connector, pair, Conflict(**one))
            for pair in desk.deliveries(connector).questions()
            for one in pair.extra[CONFLICTS].values()
        ]
        yield from sorted(found, key=lambda question: question.conflict.at)


def question_of(desk: Desk, connector: Connector, name: str) -> Question | None:
    """Return an open question by its id; None where it is open no more."""
    return next((one for one in questions(desk, [connector]) if one.id == name), None)


def said_of(desk: Desk, question: Question) -> Mapping[str, Any] | None:
    """Return what was decided and waits for a worker: {take, value, by, at}."""
    name = question.conflict.name
    return desk.deliveries(question.connector).decisions(question.pair.source, [name]).get(name)


def decide(desk: Desk, inbox: Inbox, question: Question, by: Actor, *, take: str, value: Any = None) -> None:
    """Write down a decision and have the pair looked at: ``take`` is ``from``, ``to``, or ``value`` for a third one.

    A worker carries it out, if the question is still open then; deciding twice changes nothing.
    """
    connector, pair = question.connector, question.pair
    books, name = desk.deliveries(connector), question.conflict.name
    row = row_of(desk, "decide", connector, by, entity=pair.source_key, target=pair.key, fields=[name], take=take)
    books.decide(pair.source, name, {"take": take, "value": value, "by": by.name, "at": desk.now().isoformat()})
    record(desk, connector, row)
    asked = asked_of(source_of(pair), desk.now())
    again = replace(asked, id=event_id(asked.entity, asked.kind, version=f"decided-{secrets.token_hex(8)}"))
    inbox.accept_for(connector, [again], lane="live")


def spoken(value: Any) -> str:
    """Show a native value to a person in one line or more: rich text as plain words."""
    match value:
        case None:
            return "(nothing)"
        case {"type": "doc"}:
            return plain({"format": "adf", "content": value})
        case {"name": str(name)} | {"value": str(name)} | {"displayName": str(name)} | {"id": str(name)}:
            return name
        case {"key": str(name)} | {"accountId": str(name)}:
            return name
        case list():
            return ", ".join(spoken(one) for one in value) or "(nothing)"
        case _:
            return str(value) or "(nothing)"
