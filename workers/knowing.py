"""Know an item before anything is planned: its link, what it says now, and whether another half is at it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import orjson

from connector.config import Connector
from connector.errors import RateLimited, Rejected, Scope
from connector.event import Event, Kind
from connector.link import Link, Marker, flipped, overtaken
from connector.messages import Digest
from connector.planning import Known
from connector.rings import mirrored, siblings, unspent
from workers.doubt import Doubt
from workers.stores.deliveries import Deliveries

if TYPE_CHECKING:
    from workers.attempt import Attempt

LONGEST_WAIT: Final = timedelta(minutes=10)
"""Between two looks for a link that the other half of a ring is about to make."""

ECHO_WAIT: Final = timedelta(seconds=1)
"""The first wait for a write of the other half of a ring to be settled; it doubles."""


def know(attempt: Attempt) -> Known:
    """Return what the books say of the item: its link, found here or in the other half, and what may echo."""
    entity = attempt.event.entity
    own = link = attempt.links.get(entity.ref)
    if attempt.connector.turned and (pair := attempt.store.link_back(entity.ref)) is not None:
        link = flipped(pair)
    kept: dict[str, Any] = {}
    ours = False
    for other, reverse in siblings(attempt.config, attempt.connector):
        books = attempt.desk.deliveries(other)
        if reverse:
            back = books.link_back(entity.ref)
            if back is not None:
                _let_settle(attempt, other, books, back)
                ours = own is None
                fresh, stamps = unspent(own, back, other.uid)
                kept |= fresh
                attempt.kept |= back.kept
                attempt.stamps |= stamps
                link = link or mirrored(back)
        elif link is None:
            ahead = books.link(entity.ref)
            link = replace(ahead, base={}, kept={}) if ahead else None
    return Known(link, kept, ours)


def unlinked(attempt: Attempt, known: Known) -> str:
    """Say why nothing is done for an item whose pair a person has ended, here or in the other half; "" otherwise."""
    stone = attempt.letter.fields.get("unlinked") or ""
    if not stone and known.link is None:
        for other, _ in siblings(attempt.config, attempt.connector):
            stone = stone or attempt.desk.deliveries(other).tombstone(attempt.event.entity.ref)
    if not stone:
        return ""
    told = orjson.loads(stone)
    return f"unlinked by {told['by']}: {told['reason']}; 'connector link' ties it again"


def _let_settle(attempt: Attempt, other: Connector, books: Deliveries, back: Link) -> None:
    """Wait while the other half writes to our source: what it leaves there is not in its books yet.

    Its echo may be faster than its settlement, and would be taken for a person's change: a state that people
    have moved on from would be written over theirs.  An update of ours that is in doubt itself does not wait,
    or two could wait for each other; nothing waits longer than `LONGEST_WAIT`, as a dead letter keeps its doubt.
    """
    if attempt.event.kind is not Kind.ISSUE_UPDATED or attempt.letter.fields.get("unsure"):
        return
    age = timedelta(milliseconds=attempt.desk.now_ms() - int(attempt.letter.fields.get("at", "0")))
    if age < LONGEST_WAIT and books.unsure(back.source):
        message = f"{other.name} is writing to {attempt.event.entity.key}; this may be what it writes"
        wait = min(max(ECHO_WAIT, age), LONGEST_WAIT)
        raise RateLimited(message, scope=Scope.ENTITY, retry_after=wait, cause="echo_awaited", status=None)


def awaited(attempt: Attempt, known: Known) -> Known:
    """Wait for a link that the other half is about to make: it has made the entity, or may have.

    Between that write and its settlement, which an unknown outcome can make long, people may already
    comment on it; without the link that would be nobody's business here.
    """
    kind = attempt.event.kind
    if known.link or not (kind.is_append or kind is Kind.ISSUE_UPDATED) or not _in_ring(attempt):
        return known
    mark = Marker.find(_mark_of_entity(attempt))
    if mark is None or mark.instance != attempt.config.instance:
        return known
    for other, reverse in (
        *siblings(attempt.config, attempt.connector),
        (attempt.whole, attempt.whole.back is not None),
    ):
        if not reverse:
            continue
        books = attempt.desk.deliveries(other)
        made = books.effect(mark.effect)
        if not made and (lost := Doubt.of(books.forgotten())) is not None and lost.is_young(attempt.desk.now()):
            message = f"{attempt.event.entity.key} was made by {other.name}, whose books are being put right"
            raise RateLimited(
                message, scope=Scope.ENTITY, retry_after=attempt.desk.backoff, cause="unlinked", status=None
            )
        if made:
            if made["state"] == "done":
                return know(attempt)
            age = timedelta(milliseconds=attempt.desk.now_ms() - int(made["at"]))
            message = f"{attempt.event.entity.key} was made by {other.name}, which has not linked it yet"
            wait = min(max(attempt.desk.backoff, age), LONGEST_WAIT)
            raise RateLimited(message, scope=Scope.ENTITY, retry_after=wait, cause="unlinked", status=None)
    return known


def _mark_of_entity(attempt: Attempt) -> str:
    if attempt.event.kind.is_state:
        return attempt.event.marker
    here = attempt.post(attempt.connector.source.connection, attempt.until)
    # A comment carries its own mark; that of the issue is found with the issue.
    issue = attempt.source.complete(here, replace(attempt.event, kind=Kind.ISSUE_UPDATED, sub=""))
    return issue.marker if issue is not None else ""


def read_again(attempt: Attempt, known: Known) -> Event | None:
    """Return the event with what it lacks, or as its source has it now where it may be stale; None where it is gone."""
    event = attempt.event
    replayed = attempt.letter.fields.get("replays") and event.kind.is_state
    ring = known.link is None and event.kind.is_state and not attempt.source.tells_mark(event) and _in_ring(attempt)
    late = overtaken(attempt.links.get(event.entity.ref), event)
    # What was told of it may be forgotten, and newer than this.
    doubtful = attempt.doubt is not None and attempt.doubt.of_states and event.kind.is_state
    if not (event.partial or replayed or ring or late or doubtful):
        return event
    here = attempt.post(attempt.connector.source.connection, attempt.until)
    return attempt.source.complete(here, event)


def whole_digest(attempt: Attempt) -> Digest | None:
    """Return the digest with what its events lack; what is gone or not the source's own has nothing to say."""
    if attempt.batch is None or attempt.batch.digest is None:
        return None
    here = attempt.post(attempt.connector.source.connection, attempt.until)
    whole = [attempt.source.complete(here, one) if one.partial else one for one in attempt.batch.digest.events]
    settings = attempt.connector.source.settings
    events = tuple(one for one in whole if one is not None and not attempt.source.selects(settings, one))
    return replace(attempt.batch.digest, events=events)


def _in_ring(attempt: Attempt) -> bool:
    return attempt.whole.back is not None or any(reverse for _, reverse in siblings(attempt.config, attempt.connector))


def matches(attempt: Attempt) -> bool:
    """Ask the source whether the item satisfies ``when.jql``."""
    if attempt.source.matches is None:
        message = f"{attempt.source.title} knows no queries, so when.jql cannot be asked"
        raise Rejected(message, cause="no_query")
    here = attempt.post(attempt.connector.source.connection, attempt.until)
    return attempt.source.matches(here, attempt.connector.when.jql, attempt.event)
