"""Look at the two sides of a pair: where each is, what it holds, and whether two values are one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, cast

from connector import richtext
from connector.config import Connector
from connector.event import Entity, Event, Kind, Text, event_id
from connector.expression import MISSING
from connector.link import Link
from connector.merge import Move
from connector.ports import Site
from connector.system import Shaped, Target


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a pair: how it is reached and written, and which entity it is."""

    system: Target
    settings: Any
    site: Site
    entity: Entity
    connector: Connector
    """The face of the connector that writes here."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one side holds now; ``shaped`` (of the source) is that in the target's form, ``mapped`` before it was."""

    fields: Mapping[str, Any]
    event: Event
    shaped: Shaped = field(default_factory=Shaped)
    mapped: Mapping[str, Any] = field(default_factory=dict)


def target_of(pair: Link) -> Entity:
    """Return the target of a pair as it was last called."""
    connection, kind, native = pair.target.split(":", 2)
    return Entity(connection, kind, native, key=pair.key, url=pair.url, scope=pair.scope)


def source_of(pair: Link) -> Entity:
    """Return the source of a pair as it was last called."""
    connection, kind, native = pair.source.split(":", 2)
    return Entity(connection, kind, native, key=pair.source_key, url=pair.source_url, scope=pair.source_scope)


NEVER: Final = {"jc": "never"}
"""Stands for what a source wanted where that is not known: equal to nothing that it could want."""


def values(natives: Sequence[str], fields: Mapping[str, Any], *, missing: Any = MISSING) -> Any:
    """Return the value of a field, or of the several natives that a field is made of."""
    if len(natives) == 1:
        return fields.get(natives[0], missing)
    if missing is MISSING and any(native not in fields for native in natives):
        return MISSING
    return {native: fields.get(native) for native in natives}


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are the same; nothing is like an empty text and an empty list."""
    return one is not MISSING and other is not MISSING and (one == other or (_is_nothing(one) and _is_nothing(other)))


def _is_nothing(value: Any) -> bool:
    return value is None or value in ("", [])


def shown(entity: Entity, read: Mapping[str, Any], now: datetime) -> Event:
    """Show what was read to a mapping as an event would."""
    data = dict(read["data"])
    entity = replace(entity, key=data.get("key") or entity.key, url=data.get("url") or entity.url)
    return replace(asked_of(entity, now), data=data, raw=read.get("raw", {}), partial=False)


def asked_of(entity: Entity, now: datetime) -> Event:
    """Return an event that says nothing but which item it is about: what it lacks is read."""
    kind = Kind.ISSUE_UPDATED
    return Event(event_id(entity, kind, version="read"), kind, entity, now, {}, partial=True, origin="read")


def newer(source: Event, target: Event) -> Move | None:
    """Tell which side changed later, by the clocks of both systems; None where that is not told, or the same."""
    here, there = source.data.get("updated"), target.data.get("updated")
    if not here or not there:
        return None
    one, other = datetime.fromisoformat(here), datetime.fromisoformat(there)
    return None if one == other else Move.TO if one > other else Move.FROM


def last(seen: Event, events: Iterable[Event], key: str) -> dict[str, str]:
    """Return when a side was last changed, and by whom: where one of its ``events`` tells of this very field.

    Otherwise it is known only when anything of the item was changed last.
    """
    for event in reversed([*events]):
        if event.actor is not None and any(word in event.change for word in words_of(key)):
            by = event.actor.get("name") or event.actor.get("login") or ""
            return {"at": event.at.isoformat(), **({"by": by} if by else {})}
    return {"at": str(seen.data.get("updated") or "")}


def words_of(key: str) -> tuple[str, ...]:
    """Return the names under which an event tells that a value of a vocabulary has changed."""
    # What is told of a state besides is told where the state changes.
    return (key, "state", "status") if key.startswith("state") else (key,)


def in_words(native: Any, told: Any) -> dict[str, str]:
    """Say for people what a native value cannot: ``told`` is the same in a vocabulary."""
    if isinstance(native, str) and isinstance(told, Mapping) and "format" in told:
        return {"format": str(told["format"])}
    if isinstance(native, Mapping) and native.get("type") != "doc" and told:
        return {"words": _called(told)}
    if isinstance(native, list) and isinstance(told, list) and any(isinstance(one, Mapping) for one in native):
        return {"words": "\n".join(_called(one) for one in told)}
    return {}


def _called(told: Any) -> str:
    return str(told.get("name") or told.get("login") or "") if isinstance(told, Mapping) else str(told)


def merged_text(before: Mapping[str, Any], rendered: Mapping[str, Any], edited: Mapping[str, Any]) -> Text:
    """Return a rich text with the edit that was made of how it is rendered on the other side; all are `Text`."""
    merged = richtext.merge_back(cast("Text", before), cast("Text", rendered), cast("Text", edited))
    return {**merged.text, "settled": True}
