"""List what a Slack app sees: channels, people, and the little that a message can be given.

Sources: Slack Web API, ``conversations.list`` and ``users.list`` (Tier 2 both).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from connector.errors import Forbidden
from connector.listed import Listed, Lister, Takes, matching
from connector.ports import Site
from connector.systems.slack.api import pages

Query = Mapping[str, str]

_MOST: Final = 500
"""Pages of a workspace with a hundred thousand people."""


def channels(site: Site) -> Iterator[dict[str, Any]]:
    """Yield public channels, and the private ones that the app is in, as Slack shows them; no archived ones.

    Slack refuses the question as a whole where the token may see only public ones (it lacks ``groups:read``):
    these are asked for again then.
    """
    kinds = "public_channel,private_channel"
    try:
        yield from _rows(site, "conversations.list", "channels", types=kinds, exclude_archived="true")
    except Forbidden as error:
        if error.cause != "missing_scope":
            raise
        # The first page is refused or none, so nothing is yielded twice.
        yield from _rows(site, "conversations.list", "channels", types="public_channel", exclude_archived="true")


def _channels(site: Site, query: Query) -> Iterator[Listed]:
    found = (
        Listed(
            row["id"],
            f"#{row['name']}",
            {
                "key": row["id"],
                "private": row.get("is_private") is True,
                "archived": row.get("is_archived") is True,
                "member": row.get("is_member") is True,
            },
        )
        for row in channels(site)
        if isinstance(row.get("id"), str) and isinstance(row.get("name"), str)
    )
    return matching(found, query)


def users(site: Site, query: Query) -> Iterator[Listed]:
    """Yield the people and bots of the workspace; addresses only where the token may see them."""
    return matching(
        (_user(row) for row in _rows(site, "users.list", "members") if isinstance(row.get("id"), str)), query
    )


def _user(row: Mapping[str, Any]) -> Listed:
    about = row.get("profile")
    profile: Mapping[str, Any] = about if isinstance(about, Mapping) else {}
    words = (profile.get("real_name"), profile.get("display_name"), row.get("name"))
    name = next((word for word in words if isinstance(word, str) and word), row["id"])
    facts: dict[str, Any] = {"active": row.get("deleted") is not True, "bot": row.get("is_bot") is True}
    if isinstance(row.get("name"), str):
        facts["login"] = row["name"]
    if isinstance(profile.get("email"), str):
        facts["email"] = profile["email"]
    return Listed(row["id"], name, facts)


def fields(_site: Site, query: Query) -> Iterator[Listed]:
    """Yield what a mapping may name of a message."""
    found = (
        Listed("text", "Text", {"takes": Takes.TEXT, "type": "mrkdwn", "required": True, "aliases": ["message"]}),
        Listed("unfurl", "Unfurl", {"takes": Takes.FLAG, "type": "boolean", "required": False}),
    )
    return matching(found, query)


def _rows(site: Site, method: str, name: str, **query: str) -> Iterator[dict[str, Any]]:
    for page in pages(site, method, _MOST, **query):
        rows = page.get(name)
        yield from (row for row in rows if isinstance(row, dict)) if isinstance(rows, list) else ()


LISTS: Final[Mapping[str, Lister]] = {
    "channels": Lister(_channels),
    "users": Lister(users),
    "fields": Lister(fields),
}
