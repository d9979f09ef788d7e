"""Trust what Slack's signature covers, and read each body into events or a reason to ignore it."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from connector.errors import Unreadable, Untrusted
from connector.event import Event
from connector.ports import Reveal
from connector.system import Inbound, Received, Trust
from connector.systems.slack.settings import Connection, Source
from connector.systems.slack.vocabulary import (
    SPOKEN,
    TOMBSTONE,
    channel_of,
    child,
    created,
    deleted,
    edit_of,
    moment,
    readable,
    root_of,
    ts,
    updated,
    word,
)

WINDOW: Final = timedelta(minutes=5)
"""How far a request's time may be from ours, either way; older ones may be replays."""

_SIGNATURE: Final = re.compile(r"v0=[0-9a-f]{64}")
_SECONDS: Final = re.compile(r"[0-9]{1,11}")


def verify(settings: Connection, inbound: Inbound, reveal: Reveal, now: datetime) -> Trust:
    """Check the signature over the raw body; raises `Untrusted`.

    A header sent twice arrives joined by a comma and is no well-formed signature.
    """
    if settings.webhook is None:
        raise Untrusted("this connection takes no webhooks: it has no signing secret", cause="no_secret")
    signature = inbound.headers.get("x-slack-signature", "")
    when = inbound.headers.get("x-slack-request-timestamp", "")
    if not _SIGNATURE.fullmatch(signature) or not _SECONDS.fullmatch(when):
        raise Untrusted("no well-formed Slack signature and timestamp", cause="signature:missing")
    if abs(now.timestamp() - int(when)) > WINDOW.total_seconds():
        raise Untrusted("the request is older (or newer) than five minutes", cause="signature:old")
    signed = b"v0:" + when.encode() + b":" + inbound.body
    good = False
    for ref in settings.webhook.secret:
        key = reveal(ref).reveal().encode()
        wanted = "v0=" + hmac.new(key, signed, hashlib.sha256).hexdigest()
        good |= hmac.compare_digest(wanted.encode(), signature.encode())
    if not good:
        raise Untrusted("the signature does not fit the body", cause="signature:wrong")
    return Trust.SIGNED


def receive(connection: str, _settings: Connection, inbound: Inbound, _trust: Trust) -> Received:
    """Read a body of the Events API; slash commands and interactions (forms) are ignored."""
    kind = inbound.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in {"application/x-www-form-urlencoded", "multipart/form-data"}:
        return Received(ignored="a slash command or an interaction; only events are used")
    body = _parsed(inbound)
    match body.get("type"):
        case "url_verification":
            challenge = body.get("challenge")
            if not isinstance(challenge, str):
                raise Unreadable("challenge: expected text", cause="member:challenge")
            return Received(reply=("text/plain", challenge.encode()))
        case "event_callback":
            return _callback(connection, body)
        case "app_rate_limited":
            return Received(ignored="Slack holds events back: more than 30,000 an hour; polling brings them")
        case other:
            return Received(ignored=f"not an event: {str(other)[:40]!r}")


def selects(source: Source, event: Event) -> str:
    """Return why a ``from:`` block does not cover an event, "" when it does."""
    if event.entity.scope not in source.channels:
        return f"channel {event.entity.scope} is not followed"
    if not source.bots and event.actor is not None and event.actor.get("bot"):
        return "posted by an app (bots: false)"
    return ""


def _parsed(inbound: Inbound) -> dict[str, Any]:
    try:
        found = inbound.json() if inbound.document is not None else readable(inbound.json())
    except (ValueError, RecursionError) as error:
        raise Unreadable("the body is not JSON", cause="not_json") from error
    if not isinstance(found, dict):
        raise Unreadable("the body is not an object", cause="not_an_object")
    return found


def _callback(connection: str, body: Mapping[str, Any]) -> Received:
    event = child(body, "event")
    if event.get("type") != "message":
        return Received(ignored=f"event {str(event.get('type'))[:40]!r} is not used")
    subtype = word(event, "subtype")
    match subtype:
        case "message_changed":
            return _changed(connection, event, body)
        case "message_deleted":
            return _deleted(connection, event, body)
        case _ if subtype in SPOKEN:
            return Received((created(connection, channel_of(event), event, raw=body),))
        case _:
            return Received(ignored=f"message subtype {subtype[:40]!r} is a notice, nobody's words")


def _changed(connection: str, event: Mapping[str, Any], body: Mapping[str, Any]) -> Received:
    """Tell an edit from the other changes: previews arriving, replies counted, a root turned tombstone."""
    channel, message, before = channel_of(event), child(event, "message"), child(event, "previous_message")
    if word(message, "subtype") == TOMBSTONE:
        own, at = ts(message, "ts"), moment(ts(event, "event_ts", word(event, "ts")))
        return Received((deleted(connection, channel, own, root_of(message), at=at, message=before, raw=body),))
    edited = edit_of(message)
    if not edited:
        return Received(ignored="the message changed, its words did not (a preview, a reply counted)")
    if before and edit_of(before) == edited:
        return Received(ignored="the message changed, but not by this edit, which was told before")
    return Received((updated(connection, channel, message, raw=body),))


def _deleted(connection: str, event: Mapping[str, Any], body: Mapping[str, Any]) -> Received:
    channel, own, before = channel_of(event), ts(event, "deleted_ts"), child(event, "previous_message")
    if word(before, "subtype") == TOMBSTONE:
        return Received(ignored="what was left of a deleted message is gone, too")
    root = ts(before, "thread_ts", own)
    at = moment(ts(event, "event_ts", word(event, "ts")))
    return Received((deleted(connection, channel, own, root, at=at, message=before, raw=body),))
