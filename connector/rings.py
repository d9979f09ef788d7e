"""Follow a link through both halves of a ring, and know our own writes when they come back.

Two connectors over the same two connections, one each way, are a ring: what one writes comes back to
the other as an event.  A link that either made holds for both; an echo is known by its value, once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from connector.config import Config, Connector
from connector.event import Event
from connector.link import Link, flipped

STAMPS: Final = "stamps"
"""In a link's ``extra``: per key of ``kept``, the delivery that left it there."""

SPENT: Final = "spent"
"""In a link's ``extra``: per vocabulary key of its *source*, the stamp of the other half's write whose echo
has come or can come no more."""


def echoes(event: Event, kept: Mapping[str, Any]) -> bool:
    """Tell by value whether an update is our own write coming back.

    Every changed key must be one that we wrote, with the value we left there; who did it and when
    does not matter.
    """
    return bool(event.change) and all(
        name in kept and name in event.data and kept[name] == event.data[name] for name in event.change
    )


def based(link: Link, fields: Mapping[str, Any], kept: Mapping[str, Any], stamp: str = "") -> Link:
    """Return the link after a write: what the target now holds, and (``stamp``) which delivery left it there."""
    extra = link.extra
    if kept:
        extra = {**extra, STAMPS: {**extra.get(STAMPS, {}), **dict.fromkeys(kept, stamp)}}
    return replace(link, base={**link.base, **fields}, kept={**link.kept, **kept}, extra=extra)


def unspent(own: Link | None, back: Link, half: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what a write of the other half ``half`` left on our source and may still echo, and all its stamps.

    A value alone would not do: we close an issue, a person opens it and closes it again; that closing
    has our value, and is no echo.
    """
    spent = own.extra.get(SPENT, {}) if own is not None else {}
    stamps = {name: f"{half}:{back.extra.get(STAMPS, {}).get(name, '')}" for name in back.kept}
    return {name: value for name, value in back.kept.items() if spent.get(name) != stamps[name]}, stamps


def spend(link: Link, event: Event, kept: Mapping[str, Any], stamps: Mapping[str, str]) -> Link:
    """Return the link knowing which echoes are over: those that came, and those that something overtook."""
    over = {
        name: stamp
        for name, stamp in stamps.items()
        if name in event.change or (name in kept and name in event.data and event.data[name] != kept[name])
    }
    spent = link.extra.get(SPENT, {})
    if all(spent.get(name) == stamp for name, stamp in over.items()):
        return link
    return replace(link, extra={**link.extra, SPENT: {**spent, **over}})


def siblings(config: Config, connector: Connector) -> tuple[tuple[Connector, bool], ...]:
    """Return the connectors over the same two connections, each with whether it goes the other way.

    A link that one of them made holds for all of them: ``github-to-jira`` and ``jira-to-github`` are
    two halves of one ring.
    """
    here, there = connector.source.connection, connector.target.connection
    found = []
    for other in config.connectors.values():
        ends = (other.source.connection, other.target.connection)
        if other.uid != connector.uid and ends in {(here, there), (there, here)}:
            found.append((other, ends == (there, here)))
    return tuple(found)


def mirrored(link: Link) -> Link:
    """Return the link of the other half, seen from this side; what it knows of *its* target is not ours."""
    return replace(flipped(link), base={}, kept={}, extra={})
