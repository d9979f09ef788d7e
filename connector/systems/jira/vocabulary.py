"""Translate Jira's JSON into the vocabulary of events: people, texts, issues, comments.

What is used is read strictly, so that a malformed member is told by name; what is not known is left.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from connector.errors import Unreadable
from connector.event import Entity, Person
from connector.systems.jira.settings import JiraConnection

Json = Mapping[str, Any]

_ISSUE_IN_SELF: Final = re.compile(r"/issue/(\d+)/comment/\d+")
_KEY: Final = re.compile(r"([A-Z][A-Z0-9_]*)-(\d{1,12})\Z")

CATEGORIES: Final = {"new": "new", "indeterminate": "active", "done": "done"}
"""Jira's status category key -> ours.  Others (``undefined``) are left out."""


# --- reading members, strictly where they are used ------------------------------------------------
def member(holder: Json, name: str) -> Json:
    """Return an object member; absent and null are an empty object, anything else is unreadable."""
    value = holder.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        message = f"{name} is not an object"
        raise Unreadable(message, cause=f"malformed:{name}")
    return value


def text(holder: Json, name: str) -> str:
    """Return a string member; absent and null are empty, an integer id becomes text."""
    value = holder.get(name)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        message = f"{name} is not text"
        raise Unreadable(message, cause=f"malformed:{name}")
    return str(value)


def moment(value: Any) -> datetime | None:
    """Read a time: Jira's ``2020-07-28T14:12:54.883-0700``, or milliseconds since 1970; None if neither."""
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return datetime.fromtimestamp(value / 1000, UTC)
        except (OverflowError, ValueError, OSError):
            return None
    if isinstance(value, str):
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            return None
        return found if found.tzinfo is not None else None
    return None


def millis(at: datetime) -> str:
    """Name a time by its milliseconds, whatever zone it was written in."""
    return str(round(at.timestamp() * 1000))


# --- people, texts, issues, comments --------------------------------------------------------------
def person(raw: Any) -> Person | None:
    """Read a user: accountId (Cloud), else key, else name (Data Center); None for nobody or unknown."""
    if not isinstance(raw, Mapping):
        return None
    found: Person = {}
    named = {name: raw[name] for name in ("accountId", "key", "name", "displayName", "emailAddress") if raw.get(name)}
    strings = {name: value for name, value in named.items() if isinstance(value, str)}
    who = strings.get("accountId") or strings.get("key") or strings.get("name")
    if not who:
        return None
    found["id"] = who
    if "displayName" in strings:
        found["name"] = strings["displayName"]
    if "name" in strings and "accountId" not in strings:
        found["login"] = strings["name"]
    if "emailAddress" in strings:
        found["email"] = strings["emailAddress"]
    if raw.get("accountType") == "app":
        found["bot"] = True
    return found


def rich(value: Any) -> dict[str, Any] | None:
    """Wrap rich text: a document is ADF (v3), a string is wiki markup (v2, webhooks, Data Center)."""
    if value is None or value == "":
        return None
    if isinstance(value, Mapping):
        return {"format": "adf", "content": dict(value)}
    if isinstance(value, str):
        return {"format": "wiki", "content": value}
    message = "a rich text is neither a document nor text"
    raise Unreadable(message, cause="malformed:text")


def _name(value: Any) -> str | None:
    found = value.get("name") if isinstance(value, Mapping) else None
    return found if isinstance(found, str) else None


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _labels(value: Any) -> list[str]:
    return [label for label in value if isinstance(label, str)] if isinstance(value, list) else []


def _time(value: Any) -> str | None:
    at = moment(value)
    return at.isoformat() if at else None


_READ: Final[Mapping[str, tuple[str, Callable[[Any], Any]]]] = {
    "summary": ("title", _string),
    "description": ("body", rich),
    "status": ("state", _name),
    "resolution": ("state_reason", _name),
    "labels": ("labels", _labels),
    "assignee": ("assignee", person),
    "reporter": ("reporter", person),
    "priority": ("priority", _name),
    "issuetype": ("type", _name),
    "created": ("created", _time),
    "updated": ("updated", _time),
    "duedate": ("due", _string),
}
"""Field of an issue -> (vocabulary key, how it is read).  Absent fields stay absent."""


def issue_data(settings: JiraConnection, issue: Json) -> dict[str, Any]:
    """Read an issue into the vocabulary; only what the body carries."""
    fields = member(issue, "fields")
    found: dict[str, Any] = {}
    for name, (key, read) in _READ.items():
        if name in fields:
            found[key] = read(fields[name])
    status = fields.get("status")
    category = status.get("statusCategory") if isinstance(status, Mapping) else None
    word = category.get("key") if isinstance(category, Mapping) else None
    if isinstance(word, str) and word in CATEGORIES:
        found["state_category"] = CATEGORIES[word]
    key = text(issue, "key")
    match = _KEY.match(key)
    if match:
        found |= {"key": key, "number": int(match[2]), "url": browse(settings, key)}
    project = scope_of(issue)
    if project:
        found["project"] = project
    return found


def browse(settings: JiraConnection, key: str) -> str:
    """Return the page that a person opens."""
    return f"{settings.browse}/browse/{key}"


def scope_of(issue: Json) -> str:
    """Return the project key: as the issue's fields say it, else as its key begins."""
    project = member(issue, "fields").get("project")
    named = project.get("key") if isinstance(project, Mapping) else None
    match = _KEY.match(text(issue, "key"))
    if match:
        # The key wins: an old Server shows a project under the key it was born with.
        return match[1]
    return named if isinstance(named, str) else ""


def issue_entity(connection: str, settings: JiraConnection, issue: Json) -> Entity:
    """Name an issue by its numeric id, which survives moves between projects."""
    number, key = text(issue, "id"), text(issue, "key")
    if not number.isdigit():
        message = "the issue has no numeric id"
        raise Unreadable(message, cause="malformed:issue.id")
    url = browse(settings, key) if key else ""
    return Entity(connection, "issue", number, key=key, url=url, scope=scope_of(issue))


def comment_entity(connection: str, comment: Json) -> Entity:
    """Name the issue of a comment whose webhook carries no issue: its id stands in the comment's URL."""
    match = _ISSUE_IN_SELF.search(text(comment, "self"))
    if match is None:
        message = "a comment came without its issue"
        raise Unreadable(message, cause="malformed:comment.self")
    return Entity(connection, "issue", match[1])


def visibility_of(comment: Json) -> str:
    """Tell who may read a comment: ``restricted`` to a role or group, ``internal`` to agents, or ``public``."""
    properties = comment.get("properties")
    for one in properties if isinstance(properties, list) else ():
        if isinstance(one, Mapping) and one.get("key") == "sd.public.comment":
            value = one.get("value")
            if isinstance(value, Mapping) and value.get("internal") in (True, "true"):
                return "internal"
    if comment.get("jsdPublic") is False:
        return "internal"
    return "restricted" if comment.get("visibility") else "public"


def comment_data(settings: JiraConnection, entity: Entity, comment: Json) -> dict[str, Any]:
    """Read a comment into the vocabulary's ``comment``."""
    number = comment_id(comment)
    found: dict[str, Any] = {"id": number, "body": rich(comment.get("body")), "visibility": visibility_of(comment)}
    author = person(comment.get("author"))
    if author:
        found["author"] = author
    for name in ("created", "updated"):
        at = _time(comment.get(name))
        if at:
            found[name] = at
    if entity.key:
        found["url"] = f"{browse(settings, entity.key)}?focusedCommentId={number}"
    return found


def comment_id(comment: Json) -> str:
    """Return the id of a comment."""
    number = text(comment, "id")
    if not number.isdigit():
        message = "the comment has no numeric id"
        raise Unreadable(message, cause="malformed:comment.id")
    return number
