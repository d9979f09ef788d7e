"""Read what happened in channels since a cursor, threads included, never skipping and seldom repeating.

The cursor, all JSON::

    {"version": 1,
     "since": {"C012AB3CD": "1700000000.000100"},     newest thing seen, per channel
     "scan": {"channel": "C012AB3CD",                 while a round is under way: where it is,
              "oldest": "1699990000.000000",          how far back it reads,
              "page": "bmV4dF90czox",                 the next page of the channel, "" after the last,
              "threads": ["1699999000.000100"],       threads with new replies that are still to be read,
              "top": "1700000600.000200"}}            the newest thing when the round began

Slack lists the newest message first, so a channel's ``since`` moves only when its last page is read.
Each call reads one page or one thread and no more: with many threads and few calls a minute, every
call that was let through brings the round forward.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
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
_LONG_AGO: Final = datetime.fromtimestamp(0, UTC)
_ALL: Final = {"inclusive": "true", "include_all_metadata": "true"}


@dataclass(frozen=True, slots=True)
class Round:
    """What is read of one channel: events since ``floor``, in what was posted since ``oldest``."""

    channel: str
    oldest: str
    floor: datetime
    origin: str


def poll(site: Site, source: Source, cursor: Mapping[str, Any], now: datetime) -> Page:
    """Read one page or thread of the channel that is next; ``more`` until every channel is read."""
    if not cursor:
        return Page((), _cursor({channel: stamp(now) for channel in source.channels}))
    if cursor.get("version") != _VERSION:
        raise Rejected("the stored cursor was written by another version; reset it to start at now", cause="cursor")
    since = {channel: cursor["since"].get(channel, stamp(now)) for channel in source.channels}
    scan = _begun(source, cursor.get("scan"))
    channel = scan["channel"]
    floor = moment(since[channel]) - OVERLAP
    oldest = scan.get("oldest") or stamp(min(floor, now - source.threads))
    try:
        events, after = _step(site, Round(channel, oldest, floor, "poll"), scan)
    except Rejected as error:
        if error.cause != "slack:invalid_cursor" or not scan.get("page"):
            raise
        # The page's token has run out: the channel is begun anew; nothing of it was counted as seen.
        return Page((), _cursor(since, {"channel": channel}), more=True)
    if _unfinished(after):
        return Page(events, _cursor(since, after), more=True)
    since[channel] = max(since[channel], after["top"], key=moment)
    following = _next_channel(source, channel)
    return Page(events, _cursor(since, following), more=bool(following))


def backfill(site: Site, source: Source, query: Mapping[str, Any], cursor: Mapping[str, Any]) -> Page:
    """Read the past since ``query["since"]``: every message that was written after it, as it is now."""
    since = _since(query)
    scan = _begun(source, cursor)
    events, after = _step(site, Round(scan["channel"], stamp(since), since, "backfill"), scan)
    left = after if _unfinished(after) else _next_channel(source, scan["channel"])
    return Page(events, left or cursor, more=bool(left))


def newest(site: Site, source: Source, most: int) -> list[Event]:
    """Return the messages that were posted last, the newest first; one call a channel, replies left out."""
    events: list[Event] = []
    for channel in source.channels:
        what = Round(channel, "", _LONG_AGO, "backfill")
        query = {"channel": channel, "limit": str(min(most, PER_PAGE)), "include_all_metadata": "true"}
        try:
            for message in messages(document(site.send(get("conversations.history", **query)))):
                events += _events(site.connection, what, message)
        except Unreadable as error:
            raise Rejected(f"Slack's history cannot be read: {error}", cause=error.cause) from error
    events.sort(key=lambda event: event.at, reverse=True)
    return [replace(event, origin="read") for event in events[:most]]


def _cursor(since: Mapping[str, str], scan: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"version": _VERSION, "since": since, **({"scan": scan} if scan else {})}


def _begun(source: Source, scan: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return where a round is; at the first channel where there is none, or its channel was taken off."""
    return scan if scan and scan.get("channel") in source.channels else {"channel": source.channels[0]}


def _unfinished(scan: Mapping[str, Any]) -> bool:
    return bool(scan["page"] or scan["threads"])


def _next_channel(source: Source, channel: str) -> dict[str, Any]:
    after = source.channels[source.channels.index(channel) + 1 :]
    return {"channel": after[0]} if after else {}


def _since(query: Mapping[str, Any]) -> datetime:
    try:
        at = datetime.fromisoformat(query["since"])
    except (KeyError, TypeError, ValueError) as error:
        raise Rejected("Slack's past is asked for by `since`, an ISO time with a zone", cause="query") from error
    if at.tzinfo is None:
        raise Rejected("`since` has no time zone", cause="query")
    return at


def _step(site: Site, what: Round, scan: Mapping[str, Any]) -> tuple[tuple[Event, ...], dict[str, Any]]:
    """Read the next thread or page; returns its events in order of time, and where the round then is."""
    try:
        if scan.get("threads"):
            root, *threads = scan["threads"]
            events, after = _thread(site, what, root), {**scan, "threads": threads}
        else:
            events, after = _page(site, what, scan)
    except Unreadable as error:
        raise Rejected(f"Slack's history cannot be read: {error}", cause=error.cause) from error
    events.sort(key=lambda event: event.at)
    return tuple(events), after


def _page(site: Site, what: Round, scan: Mapping[str, Any]) -> tuple[list[Event], dict[str, Any]]:
    """Read a page of the channel.  A thread with new replies is left whole for later: in order, that is."""
    query = {"channel": what.channel, "oldest": what.oldest, "limit": str(PER_PAGE), **_ALL}
    if page := scan.get("page"):
        query["cursor"] = page
    answer = document(site.send(get("conversations.history", **query)))
    events: list[Event] = []
    threads: list[str] = []
    seen = [stamp(what.floor)]
    for message in messages(answer):
        own, latest, edited = ts(message, "ts"), word(message, "latest_reply"), edit_of(message)
        seen += [one for one in (own, latest, edited) if one]
        if latest and moment(ts(message, "latest_reply")) >= what.floor:
            threads.append(own)
        else:
            events += _events(site.connection, what, message)
    # Only the first page's newest: what came while later pages were read is for the next round.
    top = scan.get("top") or max(seen, key=moment)
    place = {"channel": what.channel, "oldest": what.oldest}
    return events, {**place, "page": next_cursor(answer), "threads": threads, "top": top}


def _thread(site: Site, what: Round, root: str) -> list[Event]:
    query = {"channel": what.channel, "ts": root, "oldest": stamp(what.floor), **_ALL}
    found: dict[str, Mapping[str, Any]] = {}
    try:
        for answer in pages(site, "conversations.replies", **query):
            # The first message comes along on every page.
            found |= {ts(message, "ts"): message for message in messages(answer)}
    except Rejected as error:
        if error.cause != "slack:thread_not_found":
            raise
    return [event for message in found.values() for event in _events(site.connection, what, message)]


def _events(connection: str, what: Round, message: Mapping[str, Any]) -> list[Event]:
    if word(message, "subtype") not in SPOKEN:  # notices, and the tombstone of a deleted first message
        return []
    more: dict[str, Any] = {"origin": what.origin, "raw": {"event": dict(message)}}
    events = []
    if moment(ts(message, "ts")) >= what.floor:
        events.append(created(connection, what.channel, message, **more))
    edited = edit_of(message)
    # Of the past only the last state is told, and the creation tells it.
    if edited and moment(edited) >= what.floor and what.origin == "poll":
        events.append(updated(connection, what.channel, message, **more))
    return events
