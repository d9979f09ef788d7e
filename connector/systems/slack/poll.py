"""Read what happened in channels since a cursor, threads included, never skipping and seldom repeating.

The cursor, all JSON::

    {"version": 1,
     "since": {"C012AB3CD": "1700000000.000100"},        newest thing seen, per channel
     "scan": {"channel": ..., "page": ..., "oldest": ..., "top": ...}}   while a round is under way

Slack lists the newest message first, so a channel's ``since`` moves only when its last page is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from connector.errors import Rejected, Unreadable
from connector.event import Event
from connector.ports import Site
from connector.system import Page
from connector.systems.slack.api import PER_PAGE, document, get, messages, next_cursor, pages
from connector.systems.slack.settings import Source
from connector.systems.slack.vocabulary import SPOKEN, created, edit_of, moment, stamp, ts, updated, word

OVERLAP: Final = timedelta(minutes=10)
"""What is read again each time: edits of the newest messages, and a clock of ours that runs ahead."""

BLIND_SPOTS: Final = (
    "Deleted messages are not seen.",
    "Replies in a thread, and edits of its first message, are seen only while that one is younger than `threads`.",
    "An edited reply is seen for sure only within ten minutes after it was written.",
    "Of several edits between two polls only the last is seen.",
)

_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Slice:
    """One page of one channel: its events, what asks for the next page, the newest ts it told of."""

    events: tuple[Event, ...]
    following: str
    top: str


def poll(site: Site, source: Source, cursor: Mapping[str, Any], now: datetime) -> Page:
    """Read one page of the channel that is next; ``more`` until every channel's last page is read."""
    if not cursor:
        return Page((), {"version": _VERSION, "since": {channel: stamp(now) for channel in source.channels}})
    _checked(cursor)
    since = {channel: cursor["since"].get(channel, stamp(now)) for channel in source.channels}
    scan = cursor.get("scan") or {}
    if scan.get("channel") not in since:
        scan = {"channel": source.channels[0]}
    channel = scan["channel"]
    floor = moment(since[channel]) - OVERLAP
    oldest = scan.get("oldest") or stamp(min(floor, now - source.threads))
    try:
        got = _slice(site, channel, oldest, floor, scan.get("page", ""))
    except Rejected as error:
        if error.cause != "slack:invalid_cursor" or not scan.get("page"):
            raise
        # The page's token has run out: the channel is begun anew; nothing of it was counted as seen.
        return Page((), {"version": _VERSION, "since": since, "scan": {"channel": channel}}, more=True)
    # Only the first page's newest: what came while later pages were read is for the next round.
    top = scan.get("top") or max(since[channel], got.top, key=moment)
    if got.following:
        left = {"channel": channel, "page": got.following, "oldest": oldest, "top": top}
        return Page(got.events, {"version": _VERSION, "since": since, "scan": left}, more=True)
    since[channel] = top
    after = source.channels[source.channels.index(channel) + 1 :]
    if after:
        return Page(got.events, {"version": _VERSION, "since": since, "scan": {"channel": after[0]}}, more=True)
    return Page(got.events, {"version": _VERSION, "since": since})


def backfill(site: Site, source: Source, query: Mapping[str, Any], cursor: Mapping[str, Any]) -> Page:
    """Read the past since ``query["since"]``: every message that was written after it, as it is now."""
    since = _since(query)
    scan = dict(cursor) or {"channel": source.channels[0], "page": ""}
    channel = scan["channel"]
    got = _slice(site, channel, stamp(since), since, scan["page"], origin="backfill")
    if got.following:
        return Page(got.events, {"channel": channel, "page": got.following}, more=True)
    after = source.channels[source.channels.index(channel) + 1 :]
    if after:
        return Page(got.events, {"channel": after[0], "page": ""}, more=True)
    return Page(got.events, cursor)


def _since(query: Mapping[str, Any]) -> datetime:
    try:
        at = datetime.fromisoformat(query["since"])
    except (KeyError, TypeError, ValueError) as error:
        raise Rejected("Slack's past is asked for by `since`, an ISO time with a zone", cause="query") from error
    if at.tzinfo is None:
        raise Rejected("`since` has no time zone", cause="query")
    return at


def _checked(cursor: Mapping[str, Any]) -> None:
    if cursor.get("version") != _VERSION:
        raise Rejected("the stored cursor was written by another version; reset it to start at now", cause="cursor")


def _slice(site: Site, channel: str, oldest: str, floor: datetime, page: str, *, origin: str = "poll") -> Slice:
    query = {"channel": channel, "oldest": oldest, "inclusive": "true", "include_all_metadata": "true"}
    answer = document(
        site.send(get("conversations.history", limit=str(PER_PAGE), **query, **({"cursor": page} if page else {})))
    )
    events: list[Event] = []
    seen = [stamp(floor)]
    try:
        for message in messages(answer):
            told = [ts(message, "ts"), word(message, "latest_reply"), edit_of(message)]
            seen += [one for one in told if one]
            events += _events(site.connection, channel, message, floor, origin)
            if told[1] and moment(told[1]) >= floor:
                events += _replies(site, channel, told[0], floor, origin)
    except Unreadable as error:
        raise Rejected(f"Slack's history cannot be read: {error}", cause=error.cause) from error
    events.sort(key=lambda event: event.at)
    return Slice(tuple(events), next_cursor(answer), max(seen, key=moment))


def _replies(site: Site, channel: str, root: str, floor: datetime, origin: str) -> list[Event]:
    events = []
    query = {
        "channel": channel,
        "ts": root,
        "oldest": stamp(floor),
        "inclusive": "true",
        "include_all_metadata": "true",
    }
    for answer in pages(site, "conversations.replies", **query):
        for reply in messages(answer):
            # The first message comes along on every page, and is known already.
            if reply.get("ts") != root:
                events += _events(site.connection, channel, reply, floor, origin)
    return events


def _events(connection: str, channel: str, message: Mapping[str, Any], floor: datetime, origin: str) -> list[Event]:
    subtype = word(message, "subtype")
    if subtype not in SPOKEN:  # notices, and the tombstone of a deleted first message
        return []
    events = []
    if moment(ts(message, "ts")) >= floor:
        events.append(created(connection, channel, message, origin=origin, raw={"event": dict(message)}))
    edited = edit_of(message)
    if edited and moment(edited) >= floor and origin == "poll":
        events.append(updated(connection, channel, message, origin=origin, raw={"event": dict(message)}))
    return events
