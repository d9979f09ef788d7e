"""Read messages as Slack holds them now: for events that lack something, and for people who name one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, cast
from urllib.parse import parse_qs, urlsplit

from connector.errors import Forbidden, Rejected, Unreadable
from connector.event import Event, Kind, Person
from connector.ports import Site
from connector.systems.slack.api import document, get, messages
from connector.systems.slack.settings import CHANNEL_ID, Source
from connector.systems.slack.vocabulary import (
    TOMBSTONE,
    author,
    created,
    marker_of,
    opening,
    said,
    split,
)

_PERSON_LIFE: Final = timedelta(hours=24)
_KEY: Final = re.compile(rf"({CHANNEL_ID.pattern})/([0-9]{{1,11}}\.[0-9]{{6}})")
_PERMALINK: Final = re.compile(rf"/archives/({CHANNEL_ID.pattern})/p([0-9]{{7,17}})/?")
_TS: Final = re.compile(r"[0-9]{1,11}\.[0-9]{6}")


def message(site: Site, channel: str, own: str, root: str) -> dict[str, Any] | None:
    """Return a message, None where it is gone; a direct read, so what was posted is seen at once.

    Raises `Forbidden` where the token may not read the channel's history.
    """
    window = {"oldest": own, "latest": own, "inclusive": "true", "include_all_metadata": "true"}
    if own == root:
        request = get("conversations.history", channel=channel, limit="1", **window)
    else:
        request = get("conversations.replies", channel=channel, ts=root, limit="2", **window)
    try:
        listed = messages(document(site.send(request)))
    except Rejected as error:
        if error.cause not in {"slack:thread_not_found", "slack:message_not_found"}:
            raise
        return None
    found = next((one for one in listed if one.get("ts") == own), None)
    return None if found is None or found.get("subtype") == TOMBSTONE else _sound(channel, found)


def _sound(channel: str, found: dict[str, Any]) -> dict[str, Any]:
    """Return a message that can be read; raises `Rejected` for one whose members are not as known."""
    try:
        said(channel, found)
    except Unreadable as error:
        raise Rejected(f"Slack's message cannot be read: {error}", cause=error.cause) from error
    return found


def complete(site: Site, event: Event) -> Event | None:
    """Return the event with names, metadata and, for a reply, the thread that it stands in."""
    channel, root = split(event.entity)
    if event.kind is Kind.MESSAGE_DELETED:
        return replace(event, partial=False)
    own = event.sub or root
    now = message(site, channel, own, root)
    if now is None:
        return None
    data = {**_opening(site, channel, own, root), **said(channel, now)}
    who = named(site, author(now))
    data["comment"] = {**data["comment"], "author": who}
    if data.get("reporter"):
        data["reporter"] = named(site, data["reporter"])
    mark = marker_of(now) or event.marker
    return replace(event, data=data, actor=who or event.actor, marker=mark, partial=False)


def _opening(site: Site, channel: str, own: str, root: str) -> dict[str, Any]:
    if own == root:
        return {}
    first = message(site, channel, root, root)
    return opening(first) if first else {}


def named(site: Site, person: Person | None) -> Person | None:
    """Return a person with the name and, where the scopes allow it, e-mail of their profile.

    Without ``users:read`` the id stands for the name: a message is not held up for it.
    """
    if person is None or person.get("bot") or person.get("name") != person.get("id"):
        return person
    native = person.get("id", "")

    def load() -> dict[str, str]:
        try:
            user = document(site.send(get("users.info", user=native))).get("user")
        except (Forbidden, Rejected):
            return {}
        return _profile(user) if isinstance(user, dict) else {}

    return cast("Person", {**person, **site.memory(f"user:{native}", _PERSON_LIFE, load)})


def _profile(user: Mapping[str, Any]) -> dict[str, str]:
    profile = user.get("profile")
    about: Mapping[str, Any] = profile if isinstance(profile, dict) else {}
    wanted = {
        "name": about.get("display_name") or about.get("real_name") or user.get("real_name") or user.get("name"),
        "login": user.get("name"),
        "email": about.get("email"),
    }
    return {name: value for name, value in wanted.items() if isinstance(value, str) and value}


def find(site: Site, source: Source | None, text: str) -> Event:
    """Return the thread that a person named by permalink, by our URL or by ``<channel id>/<ts>``."""
    channel, root = place(text)
    if source is not None and channel not in source.channels:
        raise Rejected(f"channel {channel} is not followed by this connector", cause="not_selected")
    now = message(site, channel, root, root)
    if now is None:
        raise Rejected("there is no such message, or it is a reply: name the thread's first one", cause="not_found")
    event = created(site.connection, channel, now, origin="read")
    return complete(site, event) or event


def place(text: str) -> tuple[str, str]:
    """Return channel and first message that a key or an address speaks of; raises `Rejected`."""
    wanted = text.strip()
    if key := _KEY.fullmatch(wanted):
        return key[1], key[2]
    parts = urlsplit(wanted)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    if link := _PERMALINK.fullmatch(parts.path):
        own = f"{link[2][:-6]}.{link[2][-6:]}"
        root = query.get("thread_ts", own)
        return link[1], root if _TS.fullmatch(root) else own
    channel, root = query.get("channel", ""), query.get("message_ts", "")
    if CHANNEL_ID.fullmatch(channel) and _TS.fullmatch(root):
        return channel, root
    raise Rejected("not a Slack message: give its link (Copy link) or CHANNEL/TS", cause="key")
