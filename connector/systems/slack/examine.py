"""Examine a channel before anything is written to it: there, not archived, joined, and the token's scopes.

Source: Slack Web API, ``auth.test`` (its header ``x-oauth-scopes``), ``conversations.info``, ``conversations.list``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from connector.errors import Forbidden, Rejected
from connector.examining import Finding, Gives, Level, Needs, listed, meant, misfit
from connector.listed import Takes
from connector.ports import Site
from connector.systems.slack.api import document, get, pages, probe
from connector.systems.slack.deliver import CHANNELS_LIFE, FIELDS, shape
from connector.systems.slack.settings import CHANNEL_ID, Target
from connector.systems.slack.text import LIMIT

_TO: Final = ("to", "channel")
_TAKES: Final[Mapping[str, Takes]] = {"text": Takes.TEXT, "unfurl": Takes.FLAG}


def examine(site: Site, target: Target, needs: Needs) -> Sequence[Finding]:
    """Return everything that was found; see `connector.system.Target`."""
    scopes = frozenset(probe(site).scopes)
    return [*_channel(site, target, scopes), *_scopes(scopes, needs), *_fields(site, target, needs)]


# --- the channel -------------------------------------------------------------------------------------------
def _channel(site: Site, target: Target, scopes: frozenset[str]) -> Iterator[Finding]:
    try:
        found = _by_id(site, target.channel) if CHANNEL_ID.fullmatch(target.channel) else _by_name(site, target.channel)
    except Forbidden as error:
        if error.cause != "missing_scope":
            act = "correct the id, or invite the app: /invite it in the channel"
            yield Finding(Level.PROBLEM, _TO, str(error), act, error.cause)
            return
        by_name = not CHANNEL_ID.fullmatch(target.channel)
        text = f"{target.channel} cannot be looked at: the token lacks channels:read (groups:read for private ones)"
        act = "give the app the scope" if by_name else "give the app the scope if the channel shall be examined"
        yield Finding(Level.PROBLEM if by_name else Level.WARNING, _TO, text, act, "scope:channels:read")
        return
    if isinstance(found, Finding):
        yield found
        return
    if found.get("is_archived") is True:
        yield Finding(
            Level.PROBLEM, _TO, f"{target.channel} is archived", "have it unarchived, or name another", "archived"
        )
    elif found.get("is_read_only") is True:
        yield Finding(Level.PROBLEM, _TO, f"{target.channel} is read-only", "let the app post there", "read_only")
    public = found.get("is_private") is not True
    if found.get("is_member") is False and not (public and "chat:write.public" in scopes):
        text = f"the app is not a member of {target.channel}"
        yield Finding(Level.PROBLEM, _TO, text, "invite it: /invite it in the channel", "not_in_channel")


def _by_id(site: Site, channel: str) -> Mapping[str, Any]:
    found = document(site.send(get("conversations.info", channel=channel))).get("channel")
    return found if isinstance(found, Mapping) else {}


def _by_name(site: Site, channel: str) -> Mapping[str, Any] | Finding:
    """Find a channel by name, archived ones too; or say that there is none."""

    def load() -> list[Mapping[str, Any]]:
        query = {"types": "public_channel,private_channel", "exclude_archived": "false"}
        lists = [page.get("channels") for page in pages(site, "conversations.list", **query)]
        rows = [one for channels in lists if isinstance(channels, list) for one in channels]
        return [one for one in rows if isinstance(one, Mapping) and one.get("name")]

    known: list[Mapping[str, Any]] = site.memory("channels examined", CHANNELS_LIFE, load)
    name = channel.removeprefix("#")
    same = [one for one in known if one["name"] == name]
    # A name becomes free when its channel is archived.
    living = [one for one in same if one.get("is_archived") is not True]
    if same:
        return (living or same)[0]
    near = meant(name, [str(one["name"]) for one in known])
    act = f"did you mean #{near}?" if near else "correct the name, or invite the app if it is a private one"
    return Finding(Level.PROBLEM, _TO, f"there is no channel {channel} that the app can see", act, "channel_not_found")


def _scopes(scopes: frozenset[str], needs: Needs) -> Iterator[Finding]:
    if not scopes:
        return  # not told
    if "chat:write" not in scopes:
        text = "the token lacks the scope chat:write, needed to post"
        yield Finding(Level.PROBLEM, ("to", "connection"), text, "give the app the scope", "scope:chat:write")
    if (needs.creates or needs.comments) and not scopes & {"channels:history", "groups:history"}:
        text = "the token lacks channels:history: a message of unknown outcome cannot be looked up"
        act = "give the app the scope, or say on_ambiguous: resend in the connection"
        yield Finding(Level.WARNING, ("to", "connection"), text, act, "scope:channels:history")


# --- fields ------------------------------------------------------------------------------------------------
def _fields(site: Site, target: Target, needs: Needs) -> Iterator[Finding]:
    texts = 0
    for fed in needs.fields:
        field = FIELDS.get(fed.name.lower())
        if field is None:
            near = meant(fed.name, ("Text", "Unfurl"))
            act = f"did you mean {near}?" if near else f"use {listed(('Text', 'Unfurl'))}"
            yield Finding(Level.PROBLEM, fed.path, "Slack messages have no such field", act, "field")
            continue
        texts += field == "text"
        found = [one for one in [misfit(fed, _TAKES[field])] if one is not None]
        if field == "text" and fed.gives is Gives.TEXT and fed.cut is None:
            text = (
                f"a message holds {LIMIT} characters, and the rule gives rich text of any length: the rest is cut off"
            )
            act = "write template: with the title and a link, or add transform: [plain, {truncate: ...}]"
            found.append(Finding(Level.WARNING, fed.path, text, act, "length"))
        for one in fed.named:
            given = {fed.name: one.value} if field == "text" else {"Text": "sample", fed.name: one.value}
            try:
                shape(site, target, given, None)
            except Rejected as refused:
                why = refused.fields.get(fed.name, str(refused))
                found.append(Finding(Level.PROBLEM, one.path, why, "correct it", refused.cause))
        yield from found or [Finding(Level.OK, fed.path, "exists")]
    if needs.creates and not texts:
        text = "a message needs some text, and the mapping gives none"
        yield Finding(Level.PROBLEM, ("mapping",), text, "map Text", "required:text")
