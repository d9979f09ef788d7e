"""Answer the methods of Slack's Web API that the product and its users' scripts call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from connector.systems.slack.sandbox.arguments import Arguments, Caller, cut, text, truth
from connector.systems.slack.sandbox.workspace import TEAM, Channel, Message, Refused, User, Workspace

Json = dict[str, Any]


# --- people ------------------------------------------------------------------------------------
def _profile(user: User) -> Json:
    about = {"real_name": user.real_name, "display_name": user.name, "email": user.email}
    return {
        "id": user.id,
        "team_id": TEAM,
        "name": user.name,
        "real_name": user.real_name,
        "deleted": False,
        "is_bot": bool(user.bot_id),
        "is_app_user": False,
        "updated": 1,
        "profile": {**about, "real_name_normalized": user.real_name, "avatar_hash": "", "team": TEAM},
    }


def _auth_test(space: Workspace, caller: Caller, _: Arguments) -> Json:
    who = caller.user
    names = {"team": "Sandbox", "user": who.name, "team_id": TEAM, "user_id": who.id}
    bot = {"bot_id": who.bot_id} if who.bot_id else {}
    return {"url": f"{space.url}/", **names, **bot, "is_enterprise_install": False}


def _api_test(_space: Workspace, _caller: Caller, arguments: Arguments) -> Json:
    if arguments.get("error"):
        raise Refused(str(arguments["error"]), args=dict(arguments))
    return {"args": dict(arguments)} if arguments else {}


def _users_info(space: Workspace, _: Caller, arguments: Arguments) -> Json:
    user = space.users.get(text(arguments, "user", "user_not_found"))
    if user is None:
        raise Refused("user_not_found")
    return {"user": _profile(user)}


def _users_list(space: Workspace, _: Caller, arguments: Arguments) -> Json:
    page, following = cut([_profile(user) for user in space.users.values()], arguments)
    return {"members": page, "cache_ts": 1, "response_metadata": {"next_cursor": following}}


def _users_by_email(space: Workspace, _: Caller, arguments: Arguments) -> Json:
    email = text(arguments, "email", "users_not_found").lower()
    user = next((u for u in space.users.values() if u.email == email), None)
    if user is None:
        raise Refused("users_not_found")
    return {"user": _profile(user)}


# --- channels ----------------------------------------------------------------------------------
def _channel(channel: Channel, caller: Caller) -> Json:
    about = {"value": "", "creator": "", "last_set": 0}
    if channel.im:
        other = next((m for m in channel.members if m != caller.user.id), caller.user.id)
        return {"id": channel.id, "created": 1, "is_im": True, "is_org_shared": False, "user": other, "priority": 0}
    return {
        "id": channel.id,
        "name": channel.name,
        "name_normalized": channel.name,
        "is_channel": not channel.private,
        "is_group": False,
        "is_im": False,
        "is_mpim": False,
        "is_private": channel.private,
        "is_archived": channel.archived,
        "is_general": channel.name == "general",
        "is_member": caller.user.id in channel.members,
        "is_shared": False,
        "is_ext_shared": False,
        "is_org_shared": False,
        "created": 1,
        "creator": next(iter(channel.members), "U0"),
        "unlinked": 0,
        "topic": about,
        "purpose": about,
        "previous_names": [],
        "num_members": len(channel.members),
    }


def _seen(space: Workspace, caller: Caller, arguments: Arguments) -> Channel:
    """Return the channel named by id, if the caller may see it."""
    channel = space.channels.get(text(arguments, "channel"))
    if channel is None or ((channel.private or channel.im) and caller.user.id not in channel.members):
        raise Refused("channel_not_found")
    return channel


def _read(space: Workspace, caller: Caller, arguments: Arguments) -> Channel:
    channel = _seen(space, caller, arguments)
    if caller.user.bot_id and caller.user.id not in channel.members:
        raise Refused("not_in_channel")
    return channel


def _conversations_list(space: Workspace, caller: Caller, arguments: Arguments) -> Json:
    kinds = set((text(arguments, "types") or "public_channel").split(","))
    found = []
    for channel in space.channels.values():
        kind = "im" if channel.im else "private_channel" if channel.private else "public_channel"
        hidden = kind != "public_channel" and caller.user.id not in channel.members
        if kind in kinds and not hidden and not (channel.archived and truth(arguments, "exclude_archived")):
            found.append(_channel(channel, caller))
    page, following = cut(found, arguments)
    return {"channels": page, "response_metadata": {"next_cursor": following}}


def _conversations_info(space: Workspace, caller: Caller, arguments: Arguments) -> Json:
    return {"channel": _channel(_seen(space, caller, arguments), caller)}


def _conversations_members(space: Workspace, caller: Caller, arguments: Arguments) -> Json:
    page, following = cut(_seen(space, caller, arguments).members, arguments)
    return {"members": page, "response_metadata": {"next_cursor": following}}


def _conversations_join(space: Workspace, caller: Caller, arguments: Arguments) -> Json:
    channel = _seen(space, caller, arguments)
    if caller.user.id not in channel.members:
        channel.members.append(caller.user.id)
        space.notice(channel, caller.user, caller.now, "channel_join", f"<@{caller.user.id}> has joined the channel")
    return {"channel": _channel(channel, caller)}


def _conversations_open(space: Workspace, caller: Caller, arguments: Arguments) -> Json:
    wanted = [one for one in text(arguments, "users").split(",") if one]
    if not wanted:
        raise Refused("users_list_not_supplied")
    if not set(wanted) <= space.users.keys():
        raise Refused("user_not_found")
    members = sorted({caller.user.id, *wanted})
    found = next((c for c in space.channels.values() if c.im and c.members == members), None)
    opened = found is not None
    if found is None:
        found = Channel(f"D0DM{len(space.channels):05d}", "", members, im=True)
        space.channels[found.id] = found
    return {"channel": {"id": found.id}, "no_op": opened, "already_open": opened}


def _shown(message: Message, arguments: Arguments) -> Message:
    if truth(arguments, "include_all_metadata") or "metadata" not in message:
        return message
    return {name: value for name, value in message.items() if name != "metadata"}


def _conversations_history(space: Workspace, caller: Caller, arguments: Arguments) -> Json:
    channel = _read(space, caller, arguments)
    window = (text(arguments, "oldest"), text(arguments, "latest"))
    found = channel.between(channel.order, *window, inclusive=truth(arguments, "inclusive"))
    page, following = cut(found[::-1], arguments)
    return {
        "messages": [_shown(channel.messages[own], arguments) for own in page],
        "has_more": bool(following),
        "pin_count": 0,
        "channel_actions_ts": None,
        "channel_actions_count": 0,
        **({"response_metadata": {"next_cursor": following}} if following else {}),
    }


def _conversations_replies(space: Workspace, caller: Caller, arguments: Arguments) -> Json:
    channel = _read(space, caller, arguments)
    asked = channel.messages.get(text(arguments, "ts"))
    if asked is None:
        raise Refused("thread_not_found")
    root: str = asked.get("thread_ts") or asked["ts"]
    window = (text(arguments, "oldest"), text(arguments, "latest"))
    found = channel.between(channel.threads.get(root, []), *window, inclusive=truth(arguments, "inclusive"))
    page, following = cut(found, arguments)
    return {
        "messages": [_shown(channel.messages[own], arguments) for own in (root, *page)],
        "has_more": bool(following),
        **({"response_metadata": {"next_cursor": following}} if following else {}),
    }


# --- messages ----------------------------------------------------------------------------------
def _words(arguments: Arguments) -> None:
    if not any(arguments.get(name) for name in ("text", "blocks", "attachments")):
        raise Refused("no_text")
    metadata = arguments.get("metadata")
    if metadata is not None and not (
        isinstance(metadata, dict)
        and isinstance(metadata.get("event_type"), str)
        and isinstance(metadata.get("event_payload"), dict)
    ):
        raise Refused("invalid_metadata_format")


def _chat_post(space: Workspace, caller: Caller, arguments: Arguments) -> Json:
    channel = space.channel(text(arguments, "channel", "channel_not_found"))
    if caller.user.id not in channel.members:
        raise Refused("channel_not_found" if channel.private or channel.im else "not_in_channel")
    _words(arguments)
    message = space.say(channel, caller.user, caller.now, arguments)
    return {"channel": channel.id, "ts": message["ts"], "message": message}


def _chat_update(space: Workspace, caller: Caller, arguments: Arguments) -> Json:
    channel = _seen(space, caller, arguments)
    _words(arguments)
    message = space.edit(channel, caller.user, caller.now, arguments)
    return {"channel": channel.id, "ts": message["ts"], "text": message["text"], "message": message}


def _chat_delete(space: Workspace, caller: Caller, arguments: Arguments) -> Json:
    channel = _seen(space, caller, arguments)
    own = text(arguments, "ts", "message_not_found")
    space.delete(channel, caller.user, caller.now, own)
    return {"channel": channel.id, "ts": own}


def _chat_ephemeral(space: Workspace, caller: Caller, arguments: Arguments) -> Json:
    channel = _seen(space, caller, arguments)
    _words(arguments)
    if text(arguments, "user") not in channel.members:
        raise Refused("user_not_in_channel")
    own = space.stamp(caller.now)
    space.ledger.add(caller.now, caller.user.id, "add_ephemeral", channel.id, ts=own, to=arguments["user"])
    return {"message_ts": own}


def _chat_permalink(space: Workspace, caller: Caller, arguments: Arguments) -> Json:
    channel = _seen(space, caller, arguments)
    own = text(arguments, "message_ts")
    message = channel.messages.get(own)
    if message is None:
        raise Refused("message_not_found")
    link = f"{space.url}/archives/{channel.id}/p{own.replace('.', '')}"
    root = message.get("thread_ts", own)
    return {"channel": channel.id, "permalink": link if root == own else f"{link}?thread_ts={root}&cid={channel.id}"}


@dataclass(frozen=True, slots=True)
class Method:
    """How a method is answered, the scope it needs, and its calls a minute."""

    answer: Callable[[Workspace, Caller, Arguments], Json]
    scope: str = ""
    tier: int = 50


METHODS: Final[Mapping[str, Method]] = {
    "api.test": Method(_api_test, tier=100),
    "auth.test": Method(_auth_test, tier=300),
    "chat.postMessage": Method(_chat_post, "chat:write", tier=600),
    "chat.update": Method(_chat_update, "chat:write"),
    "chat.delete": Method(_chat_delete, "chat:write"),
    "chat.postEphemeral": Method(_chat_ephemeral, "chat:write", tier=100),
    "chat.getPermalink": Method(_chat_permalink, tier=300),
    "conversations.list": Method(_conversations_list, "channels:read", tier=20),
    "conversations.info": Method(_conversations_info, "channels:read"),
    "conversations.members": Method(_conversations_members, "channels:read", tier=100),
    "conversations.join": Method(_conversations_join, "channels:join"),
    "conversations.open": Method(_conversations_open, "im:write"),
    "conversations.history": Method(_conversations_history, "channels:history"),
    "conversations.replies": Method(_conversations_replies, "channels:history"),
    "users.info": Method(_users_info, "users:read", tier=100),
    "users.list": Method(_users_list, "users:read", tier=20),
    "users.lookupByEmail": Method(_users_by_email, "users:read.email"),
}
