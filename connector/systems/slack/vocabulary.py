"""Read Slack's messages into events: the one place that webhooks, polls and reads share, so that ids agree.

The entity is a *thread*, named ``<channel id>/<ts of its first message>``; every message in it, the
first included, is an event with the message's own ``ts`` as its sub-id.  Ids are built from channel and
ts, not from Slack's ``event_id``, which a poll never sees.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from connector.errors import Unreadable
from connector.event import Entity, Event, Kind, Person, event_id
from connector.link import Marker
from connector.systems.slack.settings import CHANNEL_ID
from connector.systems.slack.text import title
from connector.systems.slack.words import words_of

Json = Mapping[str, Any]

METADATA_TYPE: Final = "jira_connector"
"""``event_type`` of the metadata that carries our marker."""

SPOKEN: Final = frozenset({"", "bot_message", "me_message", "file_share", "thread_broadcast"})
"""Subtypes that somebody said; all others are notices about the channel (joined, renamed, ...)."""

TOMBSTONE: Final = "tombstone"
"""What is left of a deleted first message that had replies."""

_TS: Final = re.compile(r"[0-9]{1,11}\.[0-9]{1,9}")
_USER: Final = re.compile(r"[A-Z0-9]{1,40}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


# --- members -----------------------------------------------------------------------------------
def word(of: Json, name: str) -> str:
    """Return a member that is text; absent and null are ""."""
    value = of.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Unreadable(f"{name}: expected text, found {type(value).__name__}", cause=f"member:{name}")
    return value


def child(of: Json, name: str) -> dict[str, Any]:
    """Return a member that is an object; absent and null are an empty one."""
    value = of.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Unreadable(f"{name}: expected an object, found {type(value).__name__}", cause=f"member:{name}")
    return value


def ts(of: Json, name: str, fallback: str = "") -> str:
    """Return a member that is a Slack timestamp, which is text: every digit counts."""
    value = word(of, name) or fallback
    if not _TS.fullmatch(value):
        raise Unreadable(f"{name}: not a Slack timestamp", cause=f"member:{name}")
    return value


def channel_of(of: Json) -> str:
    """Return the member ``channel``, a channel's id."""
    value = word(of, "channel")
    if not CHANNEL_ID.fullmatch(value):
        raise Unreadable("channel: not a channel id", cause="member:channel")
    return value


def moment(stamp: str) -> datetime:
    """Return the time that a timestamp tells, exactly to the microsecond."""
    seconds, _, fraction = stamp.partition(".")
    return _EPOCH + timedelta(seconds=int(seconds), microseconds=int(fraction[:6].ljust(6, "0")))


def stamp(at: datetime) -> str:
    """Return a time as a Slack timestamp."""
    micros = (at - _EPOCH) // timedelta(microseconds=1)
    return f"{micros // 1_000_000}.{micros % 1_000_000:06d}"


def readable(value: Any) -> Any:
    r"""Replace lone surrogates (``"\ud800"`` is legal JSON) which no encoder would take later."""
    match value:
        case str():
            return value if value.isascii() else value.encode("utf-8", "replace").decode()
        case dict():
            return {readable(name): readable(one) for name, one in value.items()}
        case list():
            return [readable(one) for one in value]
        case _:
            return value


# --- pieces ------------------------------------------------------------------------------------
def url_of(channel: str, message: str) -> str:
    """Return an address that opens a message.

    Built, not asked for: the exact permalink needs the workspace's domain, which events do not carry.
    That Slack follows ``message_ts`` in it is not verified; it does open the channel.
    """
    return "https://slack.com/app_redirect?" + urlencode({"channel": channel, "message_ts": message})


def thread(connection: str, channel: str, root: str) -> Entity:
    """Name a thread by its channel and its first message."""
    native = f"{channel}/{root}"
    return Entity(connection, "thread", native, key=native, url=url_of(channel, root), scope=channel)


def split(entity: Entity) -> tuple[str, str]:
    """Return channel and first message of a thread."""
    channel, _, root = entity.id.partition("/")
    return channel, root


def marker_of(message: Json) -> str:
    """Return our marker in a message's metadata, "" where there is none."""
    metadata = message.get("metadata")
    payload = metadata.get("event_payload") if isinstance(metadata, dict) else None
    held = payload.get("marker") if isinstance(payload, dict) else None
    found = Marker.find(held) if isinstance(held, str) else None
    return str(found) if found else ""


def author(message: Json) -> Person | None:
    """Return who wrote a message; for apps the name comes along, for people only their id."""
    user, bot = word(message, "user"), word(message, "bot_id")
    native = user or bot
    if not _USER.fullmatch(native):
        return None
    profile, about = child(message, "bot_profile"), child(message, "user_profile")
    name = word(message, "username") or word(profile, "name") or word(about, "real_name")
    person: Person = {"id": native, "name": name or native}
    if bot or word(message, "subtype") == "bot_message":
        person["bot"] = True
    return person


def root_of(message: Json) -> str:
    """Return the ts of the first message of the thread that a message stands in."""
    return ts(message, "thread_ts", ts(message, "ts"))


def text_of(message: Json) -> str:
    """Return what a message says; a text of another type than text is unreadable."""
    text = word(message, "text")
    return text if text.strip() else words_of(message)


def said(channel: str, message: Json) -> dict[str, Any]:
    """Return the vocabulary of one message: ``comment`` always, title and body where it starts a thread."""
    own, root = ts(message, "ts"), root_of(message)
    text = {"format": "mrkdwn", "content": text_of(message)}
    created, who = moment(own).isoformat(), author(message)
    edited = edit_of(message)
    comment = {
        "id": own,
        "body": text,
        "author": who,
        "created": created,
        "url": url_of(channel, own),
        "visibility": "public",
        **({"updated": moment(edited).isoformat()} if edited else {}),
    }
    place = {"project": channel, "key": f"{channel}/{root}", "url": url_of(channel, root), "comment": comment}
    if own != root:
        return place
    return {**place, **opening(message)}


def opening(message: Json) -> dict[str, Any]:
    """Return what the first message of a thread says about the thread."""
    text, edited = text_of(message), edit_of(message)
    created = moment(ts(message, "ts")).isoformat()
    return {
        "title": title(text),
        "body": {"format": "mrkdwn", "content": text},
        "reporter": author(message),
        "created": created,
        "updated": moment(edited).isoformat() if edited else created,
    }


def edit_of(message: Json) -> str:
    """Return the ts of the latest edit, "" for a message as it was first written."""
    edited = child(message, "edited")
    return ts(edited, "ts") if edited else ""


# --- events ------------------------------------------------------------------------------------
def created(connection: str, channel: str, message: Json, **more: Any) -> Event:
    """Return the event of a message that was posted."""
    own = ts(message, "ts")
    entity = thread(connection, channel, root_of(message))
    identity = event_id(entity, Kind.MESSAGE_CREATED, sub=own)
    return _event(
        Event(identity, Kind.MESSAGE_CREATED, entity, moment(own), said(channel, message), own), message, more
    )


def updated(connection: str, channel: str, message: Json, **more: Any) -> Event:
    """Return the event of a message whose text was edited; each edit has a ts of its own."""
    own, edited = ts(message, "ts"), edit_of(message)
    entity = thread(connection, channel, root_of(message))
    identity = event_id(entity, Kind.MESSAGE_UPDATED, sub=own, version=edited)
    at = moment(edited or own)
    return _event(Event(identity, Kind.MESSAGE_UPDATED, entity, at, said(channel, message), own), message, more)


def deleted(connection: str, channel: str, own: str, root: str, *, at: datetime, message: Json, **more: Any) -> Event:
    """Return the event of a message that was taken away; ``message`` is what it was, as far as known."""
    entity = thread(connection, channel, root)
    identity = event_id(entity, Kind.MESSAGE_DELETED, sub=own)
    place = {"project": channel, "key": entity.key, "url": entity.url}
    data = {**place, "comment": {"id": own, "url": url_of(channel, own), "visibility": "public"}}
    event = Event(identity, Kind.MESSAGE_DELETED, entity, at, data, own, marker=marker_of(message))
    return replace(event, **more)


def _event(event: Event, message: Json, more: Mapping[str, Any]) -> Event:
    """Add who and our marker.

    Partial, because Slack tells people by id only, a reply without its thread, and (an observation of
    others, not verified) an app's message event without its metadata: `complete` reads all three.
    """
    return replace(event, actor=author(message), marker=marker_of(message), partial=True, **more)
