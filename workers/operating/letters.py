"""Find dead letters, group them by cause, and open one with everything that is known of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any, Final

import orjson

from connector.config import Config, Connector
from workers.desk import Desk
from workers.operating.meaning import meaning_of
from workers.stores.records import Letter

FIELDS: Final = ("key", "entity", "kind", "error", "cause", "message", "fields", "died", "at", "attempts", "seq")
"""What a list shows of a letter; bodies and attempt logs stay in the store."""


@dataclass(frozen=True, slots=True)
class Dead:
    """A dead letter as a list shows it.  ``died`` and ``accepted`` are ms; ``wrong`` the target fields at fault."""

    id: str
    connector: str
    team: str
    target: str
    key: str
    entity: str
    kind: str
    error: str
    cause: str
    message: str
    wrong: tuple[str, ...]
    died: int
    accepted: int
    attempts: int
    uid: str = ""
    """The stable name of its connector, where that is another."""

    @property
    def group(self) -> str:
        """The name of its group: what died of the same cause, in the same connector, at the same field."""
        return group_name(self.uid or self.connector, self.error, self.cause, self.wrong)


def group_name(connector: str, error: str, cause: str, wrong: Iterable[str]) -> str:
    """Name the group of a cause in a connector (its stable name), for ever."""
    return _named("\0".join((connector, error, cause, *sorted(wrong))))


@lru_cache(maxsize=1024)
def _named(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def wrong_of(fields: Mapping[str, str]) -> list[str]:
    """Return the target fields that a letter's record names as wrong."""
    return sorted(orjson.loads(fields["fields"])) if fields.get("fields") else []


@dataclass(frozen=True, slots=True)
class Filter:
    """Which dead letters are meant; "" and 0 leave a criterion open.

    ``system`` is the target's; ``entity`` a key or part of one; ``text`` is looked for in the message;
    ``since`` and ``until`` bound the time of death, in ms.
    """

    connector: str = ""
    system: str = ""
    entity: str = ""
    error: str = ""
    cause: str = ""
    group: str = ""
    text: str = ""
    since: int = 0
    until: int = 0

    def takes(self, one: Dead) -> bool:
        """Tell whether a letter is meant."""
        return (
            self.system in {"", one.target}
            and self.error in {"", one.error}
            and self.cause in {"", one.cause}
            and self.group in {"", one.group}
            and self.entity.casefold() in f"{one.key} {one.entity}".casefold()
            and self.text.casefold() in one.message.casefold()
            and one.died >= self.since
            and (not self.until or one.died <= self.until)
        )


@dataclass(frozen=True, slots=True)
class Group:
    """Dead letters of one cause: how many, since when, until when, of which entities (the first few)."""

    name: str
    connector: str
    team: str
    target: str
    error: str
    cause: str
    wrong: tuple[str, ...]
    message: str
    count: int
    first: int
    last: int
    keys: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as a document."""
        return asdict(self)


def find(desk: Desk, config: Config, wanted: Filter, connectors: Iterable[Connector]) -> list[Dead]:
    """Return the dead letters of ``connectors`` that are meant, newest first."""
    found: list[Dead] = []
    for connector in connectors:
        if wanted.connector in {"", connector.name}:
            target = config.connections[connector.target.connection].system
            for delivery, row in desk.deliveries(connector).dead_rows(FIELDS):
                one = _dead(delivery, row, connector, target)
                if wanted.takes(one):
                    found.append(one)
    return sorted(found, key=lambda one: one.died, reverse=True)


def grouped(found: Iterable[Dead]) -> list[Group]:
    """Group letters by cause; the group with the newest letter first.  ``found`` is newest first."""
    boxes: dict[str, list[Dead]] = {}
    for one in found:
        boxes.setdefault(one.group, []).append(one)
    return [_group(name, letters) for name, letters in boxes.items()]


def _group(name: str, letters: list[Dead]) -> Group:
    newest = letters[0]
    return Group(
        name=name,
        connector=newest.connector,
        team=newest.team,
        target=newest.target,
        error=newest.error,
        cause=newest.cause,
        wrong=newest.wrong,
        message=newest.message,
        count=len(letters),
        first=letters[-1].died,
        last=newest.died,
        keys=tuple(dict.fromkeys(one.key for one in letters if one.key))[:5],
    )


def _dead(delivery: str, row: Mapping[str, str], connector: Connector, target: str) -> Dead:
    return Dead(
        id=delivery,
        connector=connector.name,
        team=connector.owner.team,
        target=target,
        key=row.get("key", ""),
        entity=row.get("entity", ""),
        kind=row.get("kind", ""),
        error=row.get("error", ""),
        cause=row.get("cause", ""),
        message=row.get("message", ""),
        wrong=tuple(wrong_of(row)),
        died=_ms(row.get("died")),
        accepted=_ms(row.get("at")),
        attempts=int(row.get("attempts") or 0),
        uid=connector.uid if connector.uid != connector.name else "",
    )


def _ms(text: str | None) -> int:
    return int(float(text or 0))


@dataclass(frozen=True, slots=True)
class Opened:
    """One dead letter with everything that is known of it: every attempt, its last intent, what to do."""

    dead: Dead
    event: str
    wrong: Mapping[str, str]
    status: str
    config: str
    made_by: str
    replays: int
    attempts: tuple[Mapping[str, Any], ...]
    traceback: str
    intent: Mapping[str, str]
    """The last write that was announced for it; {} where there was none."""
    source_url: str
    target_key: str
    target_url: str
    means: str
    act: str
    heading: str
    letter: Letter = field(repr=False)

    @property
    def unknown(self) -> bool:
        """Whether a write of it may have landed that nobody has looked for yet."""
        return self.intent.get("state") == "sent"


def opened(desk: Desk, config: Config, connector: Connector, delivery: str) -> Opened | None:
    """Open a dead letter; None where it is not dead (any more)."""
    books = desk.deliveries(connector)
    letter = books.letter(delivery)
    if letter is None or letter.state != "dead":
        return None
    fields = letter.fields
    link = books.link(letter.entity)
    meaning = meaning_of(fields.get("error", ""))
    row = {**fields, "key": letter.key, "entity": letter.entity, "kind": letter.kind}
    return Opened(
        dead=_dead(delivery, row, connector, config.connections[connector.target.connection].system),
        event=letter.event,
        wrong=orjson.loads(fields.get("fields") or "{}"),
        status=fields.get("status", ""),
        config=fields.get("config", ""),
        made_by=fields.get("made_by", ""),
        replays=int(fields.get("replays") or 0),
        attempts=tuple(orjson.loads(fields.get("log") or "[]")),
        traceback=fields.get("traceback", ""),
        intent=books.effect(fields["effect"]) if fields.get("effect") else {},
        source_url=link.source_url if link else "",
        target_key=link.key if link else "",
        target_url=link.url if link else "",
        means=meaning.means,
        act=meaning.act,
        heading=meaning.heading,
        letter=letter,
    )
