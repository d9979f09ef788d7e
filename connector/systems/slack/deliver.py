"""Write threads into Slack: a first message that is kept up to date, and replies under it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from connector.errors import Ambiguous, Forbidden, Rejected
from connector.event import Entity
from connector.link import Marker
from connector.ports import Site
from connector.system import Absent, Action, Change, Shaped, Written
from connector.systems.slack.api import document, messages, pages, post
from connector.systems.slack.lists import channels
from connector.systems.slack.read import message
from connector.systems.slack.settings import CHANNEL_ID, OnAmbiguous, Target
from connector.systems.slack.text import native
from connector.systems.slack.vocabulary import (
    METADATA_TYPE,
    marker_of,
    said,
    split,
    stamp,
    thread,
)

FIELDS: Final[Mapping[str, str]] = {"text": "text", "message": "text", "unfurl": "unfurl"}
"""What a mapping may name (in any case) -> the argument it becomes."""

CHANNELS_LIFE: Final = timedelta(minutes=10)
SKEW: Final = timedelta(minutes=2)
"""How far our clock may run ahead of Slack's when a message is looked for."""


# --- values ------------------------------------------------------------------------------------
def shape(_site: Site, target: Target, wanted: Mapping[str, Any], entity: Entity | None) -> Shaped:
    """Turn wanted values into arguments of ``chat.postMessage``; raises `Rejected` naming what cannot be.

    ``Unfurl`` is for posting only: ``chat.update`` cannot change it.
    """
    wrong = {name: "Slack has no such field: use Text or Unfurl" for name in wanted if name.lower() not in FIELDS}
    fields: dict[str, Any] = {}
    names: dict[str, str] = {}
    losses: tuple[str, ...] = ()
    for name, value in wanted.items():
        match FIELDS.get(name.lower()):
            case "text":
                fields["text"], losses = native(value)
                names["text"] = name
                if not fields["text"].strip():
                    wrong[name] = "a message needs some text"
            case "unfurl" if not isinstance(value, bool):
                wrong[name] = "must be true or false"
            case "unfurl" if entity is None:
                fields["unfurl"], names["unfurl"] = value, name
            case _:
                continue
    if entity is None and "text" not in fields and not wrong:
        wrong["Text"] = "a message needs some text"
    if wrong:
        unknown = any(name.lower() not in FIELDS for name in wrong)
        empty = not fields.get("text", "").strip()
        cause = "unknown_field" if unknown else "required:text" if empty else "invalid:message"
        raise Rejected("the values do not make a Slack message", fields=wrong, cause=cause)
    if entity is None and "unfurl" not in fields:
        fields["unfurl"] = target.unfurl
        names["unfurl"] = "Unfurl"
    return Shaped(fields, names, losses=losses)


def text(_site: Site, _target: Target, words: Any) -> tuple[str, tuple[str, ...]]:
    """Write the body of a reply as mrkdwn."""
    return native(words)


def read(site: Site, _target: Target, entity: Entity) -> Mapping[str, Any] | None:
    """Return the first message of a thread as it is now, None where it was deleted."""
    channel, root = split(entity)
    now = message(site, channel, root, root)
    return None if now is None else {"fields": {"text": now.get("text", "")}, "data": said(channel, now)}


# --- telling -----------------------------------------------------------------------------------
def tell(site: Site, place: str, text: str) -> None:
    """Post a short Markdown text in a channel, for an alert; it calls nobody."""
    words, _ = native({"format": "markdown", "content": text})
    site.send(post("chat.postMessage", place, text=words, unfurl_links=False, unfurl_media=False))


# --- writing -----------------------------------------------------------------------------------
def write(site: Site, target: Target, change: Change) -> Written:
    """Perform a change."""
    match change.action:
        case Action.CREATE:
            return _create(site, target, change)
        case Action.COMMENT:
            return _reply(site, target, change)
        case Action.UPDATE:
            entity = _entity(change)
            channel, root = split(entity)
            words = change.fields.get("text")
            kept = _edit(site, channel, root, root, words, marker=change.marker) if words is not None else {}
            return Written(entity, kept=kept)
        case Action.EDIT_COMMENT:
            entity = _entity(change)
            channel, root = split(entity)
            _edit(site, channel, change.remote, root, change.body, marker=change.marker)
            return Written(entity, remote=change.remote)
        case Action.DELETE_COMMENT:
            return _delete(site, change)
        case Action.RELATE:
            # The message itself names its source; Slack has no place for a link beside it.
            return Written(_entity(change), fresh=False)


def _create(site: Site, target: Target, change: Change) -> Written:
    channel = channel_id(site, target.channel)
    answer = _post(site, channel, change.fields["text"], change.marker, unfurl=bool(change.fields.get("unfurl")))
    kept = answer.get("message")
    words = kept.get("text") if isinstance(kept, dict) else None
    entity = thread(site.connection, _said(answer, "channel", channel), _said(answer, "ts"))
    return Written(entity, kept=_kept(words if isinstance(words, str) else change.fields["text"]))


def _reply(site: Site, target: Target, change: Change) -> Written:
    entity = _entity(change)
    channel, root = split(entity)
    answer = _post(site, channel, change.body, change.marker, unfurl=target.unfurl, thread_ts=root)
    return Written(entity, remote=_said(answer, "ts"))


def _post(site: Site, channel: str, words: str, marker: Marker, *, unfurl: bool, **more: str) -> Mapping[str, Any]:
    """Post one message.  Names and links in copied text stay text: nobody is paged by a copy."""
    request = post(
        "chat.postMessage",
        channel,
        text=words,
        mrkdwn=True,
        link_names=False,
        parse="none",
        unfurl_links=unfurl,
        unfurl_media=unfurl,
        metadata=_metadata(marker),
        **more,
    )
    return document(site.send(request))


def _edit(site: Site, channel: str, own: str, root: str, words: str, *, marker: Marker) -> Mapping[str, Any]:
    """Set the text of a message of ours; does nothing where it already is so.

    The metadata goes along as it was, because whether Slack keeps it otherwise is not verified, and
    because the mark of what *created* a message is what finds it again.  ``parse`` goes along because
    an update without it falls back to ``client``.
    """
    now = message(site, channel, own, root)
    if now is None:
        raise Rejected("the message to edit has been deleted in Slack", cause="gone")
    if now.get("text") != words:
        metadata = now["metadata"] if marker_of(now) else _metadata(marker)
        request = post("chat.update", channel, ts=own, text=words, link_names=False, parse="none", metadata=metadata)
        site.send(request)
    return _kept(words)


def _delete(site: Site, change: Change) -> Written:
    entity = _entity(change)
    try:
        site.send(post("chat.delete", split(entity)[0], ts=change.remote))
    except Rejected as error:
        if error.cause != "slack:message_not_found":
            raise
        return Written(entity, remote=change.remote, fresh=False)
    return Written(entity, remote=change.remote)


def _metadata(marker: Marker) -> dict[str, Any]:
    return {"event_type": METADATA_TYPE, "event_payload": {"marker": str(marker)}}


def _kept(words: str) -> dict[str, Any]:
    return {"body": {"format": "mrkdwn", "content": words}}


def _entity(change: Change) -> Entity:
    if change.entity is None:
        raise Rejected(f"{change.action} needs a thread", cause="no_entity")
    return change.entity


def _said(answer: Mapping[str, Any], name: str, fallback: str = "") -> str:
    value = answer.get(name, fallback)
    return value if isinstance(value, str) else fallback


def channel_id(site: Site, channel: str) -> str:
    """Return the id of a channel; a ``#name`` is looked up and remembered for ten minutes.

    Needs ``channels:read`` (and ``groups:read`` for private ones); an id needs neither.
    """
    if CHANNEL_ID.fullmatch(channel):
        return channel

    def load() -> dict[str, str]:
        return {one["name"]: one["id"] for one in channels(site) if {"name", "id"} <= one.keys()}

    known: Mapping[str, str] = site.memory("channels", CHANNELS_LIFE, load)
    found = known.get(channel.removeprefix("#"))
    if found is None:
        raise Forbidden(f"there is no channel {channel} that the app can see", where=channel, cause="channel_not_found")
    return found


# --- looking again -----------------------------------------------------------------------------
def look_up(site: Site, target: Target, change: Change, since: datetime) -> Written | Absent:
    """Find what an unknown write left behind; a direct read, so an absence means *not written*.

    Where the history may not be read (no ``channels:history``, or not a member), nothing can be known:
    `Ambiguous`, unless the connection says to resend.
    """
    try:
        return _found(site, target, change, stamp(since - SKEW)) or Absent()
    except Forbidden as error:
        if site.settings.on_ambiguous is OnAmbiguous.RESEND:
            return Absent()
        raise Ambiguous(
            f"the message may or may not have been posted, and the channel cannot be read to find out: {error}",
            cause="ambiguous",
        ) from error


def _found(site: Site, target: Target, change: Change, oldest: str) -> Written | None:
    match change.action:
        case Action.CREATE:
            channel = channel_id(site, target.channel)
            query = {"channel": channel, "oldest": oldest}
            for one in _marked(site, "conversations.history", change.marker, query):
                entity = thread(site.connection, channel, one["ts"])
                return Written(entity, kept=_kept(one.get("text", "")), fresh=False)
        case Action.COMMENT:
            entity = _entity(change)
            channel, root = split(entity)
            query = {"channel": channel, "ts": root, "oldest": oldest}
            for one in _marked(site, "conversations.replies", change.marker, query):
                return Written(entity, remote=one["ts"], fresh=False)
        case Action.UPDATE | Action.EDIT_COMMENT | Action.DELETE_COMMENT:
            return _already(site, change)
        case Action.RELATE:
            return Written(_entity(change), fresh=False)
    return None


def _marked(site: Site, method: str, marker: Marker, query: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    for page in pages(site, method, inclusive="true", include_all_metadata="true", **query):
        for one in messages(page):
            if marker_of(one) == str(marker) and isinstance(one.get("ts"), str):
                yield one


def _already(site: Site, change: Change) -> Written | None:
    """Tell whether what a set or a removal wanted is so; doing it again is harmless otherwise."""
    entity = _entity(change)
    channel, root = split(entity)
    now = message(site, channel, change.remote or root, root)
    wanted = change.fields.get("text") if change.action is Action.UPDATE else change.body
    done = now is None if change.action is Action.DELETE_COMMENT else now is not None and now.get("text") == wanted
    return Written(entity, remote=change.remote, fresh=False) if done else None
