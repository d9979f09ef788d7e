"""Say what messages an event owes, and let them wait for each other where the connector asks for a digest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from connector.config import Connector, Message
from connector.errors import Rejected
from connector.event import Event, Kind, Text
from connector.link import Marker
from connector.mapping import Tools

UPDATES: Final = frozenset({Kind.ISSUE_UPDATED, Kind.PULL_REQUEST_UPDATED})
"""Kinds of which ``changed:`` is asked."""

LONGEST: Final = 3_000
"""Characters of Markdown in one digest.  Slack advises 4,000 a message; what is over makes a message of its own."""


@dataclass(frozen=True, slots=True)
class Digest:
    """Events whose messages go as one, in order; ``name`` is the sub-id of the effect that this is."""

    name: str
    events: tuple[Event, ...]


def messages_for(connector: Connector, event: Event) -> tuple[Message, ...]:
    """Return the messages that this event owes (conditions on its values are asked later)."""
    return tuple(
        message
        for message in connector.messages
        if event.kind in message.on
        and (not message.changed or event.kind not in UPDATES or bool(message.changed & event.change.keys()))
    )


def expired(connector: Connector, event: Event, now: datetime) -> bool:
    """Tell whether an event is too old to be worth a message, by the connector's ``expire:``."""
    life = connector.expire.get(event.kind.value.partition(".")[0]) or connector.expire.get("message")
    return life is not None and now - event.at > life


# --- digests ---------------------------------------------------------------------------------------
def patience(connector: Connector, event: Event) -> timedelta | None:
    """Return for how long what an event says may wait for company; None where it is told at once, and alone.

    Alone is told what owes any message without ``digest:``, a comment that is copied besides, what comes back
    to where it was written, and that an item was deleted.
    """
    owed = messages_for(connector, event)
    spans = [message.digest for message in owed if message.digest is not None]
    mark = Marker.find(event.marker) if event.marker and event.kind.is_append else None
    if (
        not owed
        or len(spans) < len(owed)
        or event.kind is Kind.ISSUE_DELETED
        or event.entity.type == "pull_request"
        or (connector.comments.copied and event.kind.is_append)
        or (mark is not None and mark.origin == connector.target.connection)
    ):
        return None
    return min(spans)


def company(connector: Connector, events: Sequence[Event], tools: Tools) -> int:
    """Return how many of the first events are told as one digest; the first of them must have `patience`.

    States that owe no message join where they stand between: the newest tells them.
    """
    room = LONGEST
    for count, event in enumerate(events):
        plain = event.kind.is_state and not messages_for(connector, event)
        joins = event.entity.ref == events[0].entity.ref and (plain or patience(connector, event) is not None)
        if joins:
            try:
                room -= sum(len(str(text["content"])) + 2 for text in said(connector, event, tools))
            except Rejected:
                joins = False  # it fails alone
        if not joins or (count and room < 0):
            return max(count, 1)
    return len(events)


def said(connector: Connector, event: Event, tools: Tools) -> Iterator[Text]:
    """Yield the messages of one event, written out."""
    view = None
    for message in messages_for(connector, event):
        view = view if view is not None else tools.view(event)
        if not message.when or tools.holds(message.when, view):
            yield tools.render(message.text, view)


def digested(connector: Connector, events: Sequence[Event], tools: Tools, now: datetime) -> Text | None:
    """Return what the events say as one text, a paragraph for each; None where none of it is worth saying any more."""
    told = [event for event in events if not expired(connector, event, now)]
    parts = [str(text["content"]).strip() for event in told for text in said(connector, event, tools)]
    return {"format": "markdown", "content": "\n\n".join(parts)} if parts else None
