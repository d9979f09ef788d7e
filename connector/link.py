"""Tie an entity here to an entity there, and mark what we write so that it can be found again."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, NewType

from connector.event import Entity, Event

EffectKey = NewType("EffectKey", str)
"""The idempotency key: names one effect for ever, across retries, replays and renames."""

_MARKER: Final = re.compile(r"jc1:([a-z0-9-]{1,40}):([a-z0-9-]{1,40}):([0-9a-f]{32})(?![0-9a-f])")


def effect_key(uid: str, entity: str, action: str, sub: str = "") -> EffectKey:
    """Name the effect of connector ``uid`` on behalf of source entity ``entity`` (its ``ref``).

    ``action`` is ``create``, ``comment``, ``message``, ``relate``...  ``sub`` is the comment id, or
    for messages the event id.  Never the mapping's version and never the connector's name: a changed
    mapping or a rename must not write anything twice.
    """
    text = f"{uid}\0{entity}\0{action}\0{sub}"
    return EffectKey(hashlib.sha256(text.encode()).hexdigest()[:32])


@dataclass(frozen=True, slots=True)
class Marker:
    """Our mark on something we wrote: ``jc1:<instance>:<source connection>:<effect>``.

    The instance keeps a staging copy from adopting production's links; the source connection lets a
    connector see that an entity *came from* where it is about to create it (rings).
    """

    instance: str
    origin: str
    effect: EffectKey

    def __str__(self) -> str:
        return f"jc1:{self.instance}:{self.origin}:{self.effect}"

    @classmethod
    def find(cls, text: str) -> Marker | None:
        """Return the first marker in ``text``, or None."""
        found = _MARKER.search(text)
        return cls(found[1], found[2], EffectKey(found[3])) if found else None


@dataclass(frozen=True, slots=True)
class Link:
    """``source`` here is ``target`` there; both are entity refs like ``jira:issue:10234``.

    ``key``, ``url`` and ``scope`` are the target's as they last were, ``source_*`` the source's.
    ``base`` holds, per target field, the native value we last wrote and the target kept; ``kept``
    holds, per vocabulary key of the *target*, the value that write left there, so that the echo of it
    is known by value.
    """

    source: str
    target: str
    key: str = ""
    url: str = ""
    scope: str = ""
    source_key: str = ""
    source_url: str = ""
    source_scope: str = ""
    base: Mapping[str, Any] = field(default_factory=dict)
    kept: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def between(cls, source: Entity, target: Entity, **more: Any) -> Link:
        """Tie two entities that nothing more is known of; ``more`` are members of the link."""
        return cls(
            source=source.ref,
            target=target.ref,
            key=target.key,
            url=target.url,
            scope=target.scope,
            source_key=source.key,
            source_url=source.url,
            source_scope=source.scope,
            **more,
        )


def flipped(link: Link) -> Link:
    """Return a pair as it is seen from its target; what is known of it stays as it is told from its source."""
    return replace(
        link,
        source=link.target,
        target=link.source,
        key=link.source_key,
        url=link.source_url,
        scope=link.source_scope,
        source_key=link.key,
        source_url=link.url,
        source_scope=link.scope,
    )


TOLD: Final = "told"
"""In a link's ``extra``: when its source was last updated, of the newest state that was told over it."""


def overtaken(link: Link | None, event: Event) -> bool:
    """Tell whether a newer state than the event's may have been told already.

    Webhooks arrive in any order: an edit that comes after the closing that followed it still says *open*.
    The same moment counts, since some sources count in seconds; whoever asks reads the source again.
    """
    told, updated = (link.extra.get(TOLD) if link else None), event.data.get("updated")
    if not (event.kind.is_state and told and updated):
        return False
    return datetime.fromisoformat(updated) <= datetime.fromisoformat(told)


BROUGHT: Final = "brought"
"""In a link's ``extra``: when something was last written for the pair (ISO), as far as it is known."""


def brought(link: Link, at: datetime) -> Link:
    """Return the link knowing when something was last written for it."""
    return replace(link, extra={**link.extra, BROUGHT: at.isoformat(timespec="seconds")})


def told(link: Link, event: Event) -> Link:
    """Return the link knowing that an event's state was told."""
    updated = event.data.get("updated")
    if not event.kind.is_state or not updated:
        return link
    before = link.extra.get(TOLD)
    if before and datetime.fromisoformat(updated) <= datetime.fromisoformat(before):
        return link
    return replace(link, extra={**link.extra, TOLD: updated})
