"""Hold a Slack workspace in memory: people, channels, messages, and what happens to them.

Nothing here knows HTTP.  Every change is an effect in the ledger and, where the app is a member, an
event for its webhook.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from connector.link import Marker
from connector.sandbox import Ledger

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
TEAM: Final = "T0SANDBOX"
APP: Final = "A0SANDBOX"
TEXT_LIMIT: Final = 40_000
"""Slack cuts a longer text without an error."""

Message = dict[str, Any]


class Refused(Exception):
    """An answer ``{"ok": false, "error": word}``, with ``more`` beside it."""

    def __init__(self, error: str, **more: Any) -> None:
        super().__init__(error)
        self.error = error
        self.more = more


@dataclass(slots=True)
class User:
    """A person, or the app's bot user where ``bot_id`` is set."""

    id: str
    name: str
    real_name: str
    email: str = ""
    bot_id: str = ""


@dataclass(slots=True)
class Channel:
    """A conversation; ``order`` holds the timestamps of its messages, ascending."""

    id: str
    name: str
    members: list[str]
    private: bool = False
    im: bool = False
    archived: bool = False
    messages: dict[str, Message] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    threads: dict[str, list[str]] = field(default_factory=dict)

    def between(self, stamps: list[str], oldest: str, latest: str, *, inclusive: bool) -> list[str]:
        """Return the timestamps inside a window, ascending; "" leaves a side open.

        They compare as numbers: a time before 2001 has a digit less.
        """
        left, right = (bisect.bisect_left, bisect.bisect_right)
        start = (left if inclusive else right)(stamps, Decimal(oldest), key=Decimal) if oldest else 0
        end = (right if inclusive else left)(stamps, Decimal(latest), key=Decimal) if latest else len(stamps)
        return stamps[start:end]


class Workspace:
    """The content of the sandbox, and the verbs that change it."""

    def __init__(self, ledger: Ledger, url: str) -> None:
        self.ledger = ledger
        self.url = url
        self.users: dict[str, User] = {}
        self.channels: dict[str, Channel] = {}
        self.happened: list[tuple[datetime, str, dict[str, Any]]] = []
        """(when, channel, event) that the app's webhook is still to be told of."""
        self._last = 0
        self._said = 0

    # --- looking up ------------------------------------------------------------------------------
    def channel(self, native: str) -> Channel:
        """Return a channel by id or name, as ``chat.*`` takes it."""
        found = self.channels.get(native)
        if found is None:
            name = native.removeprefix("#")
            found = next((c for c in self.channels.values() if c.name == name and not c.im), None)
        if found is None:
            raise Refused("channel_not_found")
        return found

    def stamp(self, now: datetime) -> str:
        """Return a timestamp that is later than every one before."""
        self._last = max(self._last + 1, (now - _EPOCH) // _MICROSECOND)
        return f"{self._last // 1_000_000}.{self._last % 1_000_000:06d}"

    def user_of_bot(self) -> User:
        """Return the app's own bot user."""
        return next(user for user in self.users.values() if user.bot_id)

    # --- changing --------------------------------------------------------------------------------
    def say(self, channel: Channel, who: User, now: datetime, arguments: Mapping[str, Any]) -> Message:
        """Post a message, into a thread where ``thread_ts`` names one."""
        if channel.archived:
            raise Refused("is_archived")
        root = str(arguments.get("thread_ts") or "")
        if root:
            first = channel.messages.get(root)
            if first is None:
                raise Refused("thread_not_found")
            # A reply's own ts is no thread: Slack files it under the thread that the reply is in.
            root = str(first.get("thread_ts") or root)
        message = self._message(channel, who, now, arguments, root)
        own = message["ts"]
        channel.messages[own] = message
        if not root or message.get("subtype") == "thread_broadcast":
            channel.order.append(own)
        if root:
            self._count(channel, channel.messages[root], message)
        self._effect(now, who, "add_message", channel, message, text=message["text"])
        self._tell(now, channel, {**message, "event_ts": own})
        return message

    def _message(self, channel: Channel, who: User, now: datetime, arguments: Mapping[str, Any], root: str) -> Message:
        own = self.stamp(now)
        message: Message = {
            "type": "message",
            "user": who.id,
            "text": str(arguments.get("text") or "")[:TEXT_LIMIT],
            "ts": own,
            "team": TEAM,
        }
        if who.bot_id:
            profile = {"id": who.bot_id, "deleted": False, "name": who.real_name, "updated": 1, "app_id": APP}
            icons = {f"image_{size}": f"https://sandbox.example/{size}.png" for size in (36, 48, 72)}
            message |= {"bot_id": who.bot_id, "app_id": APP}
            message["bot_profile"] = {**profile, "icons": icons, "team_id": TEAM}
        else:
            self._said += 1
            message["client_msg_id"] = f"00000000-0000-4000-8000-{self._said:012x}"
        for name in ("blocks", "attachments", "metadata"):
            if arguments.get(name):
                message[name] = arguments[name]
        if root:
            message |= {"thread_ts": root, "parent_user_id": channel.messages[root].get("user", "")}
            if arguments.get("reply_broadcast") is True:
                message["subtype"] = "thread_broadcast"
        return message

    def _count(self, channel: Channel, first: Message, reply: Message) -> None:
        replies = channel.threads.setdefault(first["ts"], [])
        replies.append(reply["ts"])
        people = sorted({*first.get("reply_users", ()), reply["user"]})
        first |= {
            "thread_ts": first["ts"],
            "reply_count": len(replies),
            "reply_users": people,
            "reply_users_count": len(people),
            "latest_reply": reply["ts"],
        }

    def edit(self, channel: Channel, who: User, now: datetime, arguments: Mapping[str, Any]) -> Message:
        """Change a message of one's own."""
        message = self._existing(channel, str(arguments.get("ts") or ""))
        if message.get("user") != who.id:
            raise Refused("cant_update_message")
        before = deepcopy(message)
        message["text"] = str(arguments.get("text") or "")[:TEXT_LIMIT]
        for name in ("blocks", "attachments", "metadata"):
            if arguments.get(name):
                message[name] = arguments[name]
        message["edited"] = {"user": who.id, "ts": self.stamp(now)}
        self._effect(now, who, "edit_message", channel, message, text=message["text"])
        self._changed(now, channel, message, before)
        return message

    def delete(self, channel: Channel, who: User, now: datetime, own: str) -> None:
        """Take a message away; a first message with replies leaves a tombstone."""
        message = self._existing(channel, own)
        if message.get("user") != who.id:
            raise Refused("cant_delete_message")
        self._effect(now, who, "delete_message", channel, message)
        if channel.threads.get(own):
            kept = {name: message[name] for name in ("ts", "thread_ts", "reply_count", "latest_reply", "reply_users")}
            tomb = {"type": "message", "subtype": "tombstone", "text": "This message was deleted.", **kept}
            channel.messages[own] = {**tomb, "user": "USLACKBOT", "hidden": True}
            self._changed(now, channel, channel.messages[own], message)
            return
        del channel.messages[own]
        if own in channel.order:
            channel.order.remove(own)
        self._uncount(channel, message)
        event = {"subtype": "message_deleted", "hidden": True, "deleted_ts": own, "previous_message": message}
        at = self.stamp(now)
        self._tell(now, channel, {"type": "message", **event, "ts": at, "event_ts": at})

    def _uncount(self, channel: Channel, message: Message) -> None:
        root: str = message.get("thread_ts") or message["ts"]
        replies = channel.threads.get(root, [])
        if message["ts"] in replies:
            replies.remove(message["ts"])
            first = channel.messages[root]
            first["reply_count"] = len(replies)
            if replies:
                first["latest_reply"] = replies[-1]
            else:
                for name in ("reply_count", "reply_users", "reply_users_count", "latest_reply", "thread_ts"):
                    first.pop(name, None)

    def _existing(self, channel: Channel, own: str) -> Message:
        message = channel.messages.get(own)
        if message is None or message.get("subtype") == "tombstone":
            raise Refused("message_not_found")
        return message

    def notice(self, channel: Channel, who: User, now: datetime, subtype: str, text: str) -> None:
        """Leave a notice, such as ``channel_join``: nobody's words."""
        own = self.stamp(now)
        message = {"type": "message", "subtype": subtype, "user": who.id, "text": text, "ts": own}
        channel.messages[own] = message
        channel.order.append(own)
        self._tell(now, channel, {**message, "event_ts": own})

    # --- telling ---------------------------------------------------------------------------------
    def _effect(self, now: datetime, who: User, action: str, channel: Channel, message: Message, **detail: Any) -> None:
        payload = message.get("metadata", {}).get("event_payload", {})
        found = Marker.find(str(payload.get("marker", "")))
        entity = f"{channel.id}/{message.get('thread_ts', message['ts'])}"
        self.ledger.add(now, who.id, action, entity, str(found) if found else "", ts=message["ts"], **detail)

    def _changed(self, now: datetime, channel: Channel, message: Message, before: Message) -> None:
        at = self.stamp(now)
        event = {"type": "message", "subtype": "message_changed", "hidden": True, "ts": at, "event_ts": at}
        self._tell(now, channel, {**event, "message": message, "previous_message": before})

    def _tell(self, now: datetime, channel: Channel, event: dict[str, Any]) -> None:
        if self.user_of_bot().id in channel.members:
            kind = "im" if channel.im else "group" if channel.private else "channel"
            self.happened.append((now, channel.id, deepcopy({**event, "channel": channel.id, "channel_type": kind})))

    def all_messages(self, channel: Channel) -> Iterator[Message]:
        """Yield every message of a channel, replies included, in order of time."""
        for own in sorted(channel.messages):
            yield channel.messages[own]
