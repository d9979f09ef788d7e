"""Read GitHub's JSON into events: the one place that webhooks, polls and reads share, so that ids agree.

Strict about members it uses: one that is missing or of the wrong kind raises `Unreadable`, which
names it.  Unknown members are never looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from connector.errors import Unreadable
from connector.event import Entity, Event, Kind, Person, Text, event_id, state_version
from connector.systems.github.members import Json, member, moment, optional
from connector.systems.github.text import bare, marker

CATEGORY: Final = {"open": "new", "closed": "done"}

_STATE_KEYS: Final = (
    "title",
    "body",
    "state",
    "state_reason",
    "labels",
    "milestone",
    "type",
    "draft",
    "merged",
    "branch",
)


# --- pieces ----------------------------------------------------------------------------------------
def person(user: Json | None) -> Person | None:
    """Return a user; None for a deleted account, which GitHub shows as null."""
    if user is None:
        return None
    login = member(user, "login", str)
    return {
        "id": str(member(user, "id", int)),
        "login": login,
        "name": login,  # payloads hold no display name
        "bot": user.get("type") == "Bot",
    }


def markdown(body: str | None) -> Text:
    """Return a body without our hidden markers."""
    return {"format": "markdown", "content": bare(body or "")}


def labels(item: Json) -> list[str]:
    """Return label names in one order, so that two readings of one state are equal."""
    names = []
    for label in optional(item, "labels", list) or ():
        match label:
            case {"name": str(name)} | str(name):
                names.append(name)
            case {"name": None}:  # the official schema allows it
                continue
            case _:
                raise Unreadable("labels: a label without a name", cause="member:labels")
    return sorted(names, key=str.casefold)


def people(item: Json) -> list[Person]:
    """Return the assignees in one order."""
    found = [person(user) for user in optional(item, "assignees", list) or () if isinstance(user, dict)]
    return sorted((p for p in found if p is not None), key=lambda p: p["login"].casefold())


def is_whole_pull(item: Json) -> bool:
    """Tell the JSON of a pull request itself; only that has a head."""
    return isinstance(item.get("head"), dict)


def is_pull(item: Json) -> bool:
    """Tell a pull request, also where it is shown as the issue that it is too."""
    return is_whole_pull(item) or isinstance(item.get("pull_request"), dict)


# --- where things are ----------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Place:
    """The repository that an item belongs to, as one connection sees it."""

    connection: str
    id: int
    name: str

    @classmethod
    def of(cls, connection: str, repository: Json) -> Place:
        """Read it from a repository object."""
        return cls(connection, member(repository, "id", int), member(repository, "full_name", str))

    def entity(self, item: Json) -> Entity:
        """Name an issue or a pull request (in either of its two JSON shapes).

        A pull request has two numeric ids (as an issue and as itself), and comment payloads carry
        only the first; repository id and number name it in both.
        """
        number = member(item, "number", int)
        pull = is_pull(item)
        return Entity(
            self.connection,
            "pull_request" if pull else "issue",
            f"{self.id}#{number}" if pull else str(member(item, "id", int)),
            key=f"{self.name}#{number}",
            url=member(item, "html_url", str),
            scope=self.name,
        )


def snapshot(item: Json, place: Place) -> dict[str, Any]:
    """Return the vocabulary of an issue or pull request; keys that the payload lacks are absent."""
    number = member(item, "number", int)
    data: dict[str, Any] = {
        "title": member(item, "title", str),
        "body": markdown(optional(item, "body", str)),
        "project": place.name,
        "key": f"{place.name}#{number}",
        "number": number,
        "url": member(item, "html_url", str),
        "created": moment(item, "created_at").isoformat(),
        "updated": moment(item, "updated_at").isoformat(),
    }
    if "labels" in item:
        data["labels"] = labels(item)
    if "assignees" in item:
        data["assignees"] = people(item)
    if "assignee" in item:
        data["assignee"] = person(optional(item, "assignee", dict))
    if "user" in item:
        data["reporter"] = person(optional(item, "user", dict))
    if "milestone" in item:
        milestone = optional(item, "milestone", dict)
        data["milestone"] = None if milestone is None else member(milestone, "title", str)
    state = optional(item, "state", str)
    if state is not None:
        data["state"], data["state_category"] = state, CATEGORY.get(state, "active")
    if "state_reason" in item:
        data["state_reason"] = optional(item, "state_reason", str)
    if "type" in item:
        kind = optional(item, "type", dict)
        data["type"] = None if kind is None else member(kind, "name", str)
    if is_pull(item):
        pull = item if is_whole_pull(item) else item["pull_request"]
        data["merged"] = bool(pull.get("merged") or pull.get("merged_at"))
        if "draft" in item:
            data["draft"] = bool(item["draft"])
    if is_whole_pull(item):
        data["branch"] = member(member(item, "head", dict), "ref", str)
    return data


def comment_snapshot(comment: Json) -> dict[str, Any]:
    """Return the ``comment`` vocabulary of an issue comment, a review, or a comment on code.

    A review has ``submitted_at`` instead of both times.
    """
    created = "created_at" if comment.get("created_at") is not None else "submitted_at"
    updated = "updated_at" if comment.get("updated_at") is not None else created
    return {
        "id": str(member(comment, "id", int)),
        "body": markdown(optional(comment, "body", str)),
        "author": person(optional(comment, "user", dict)),
        "created": moment(comment, created).isoformat(),
        "updated": moment(comment, updated).isoformat(),
        "url": member(comment, "html_url", str),
        "visibility": "public",
    }


# --- events ----------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Telling:
    """How we came to know: what a webhook adds to the item itself."""

    origin: str
    raw: Json
    actor: Person | None = None
    change: Mapping[str, Mapping[str, Any]] | None = None
    partial: bool = False


def item_event(place: Place, kind: Kind, item: Json, told: Telling) -> Event:
    """Make the event of an issue or a pull request.

    What happens once has no version.  Closing has the time of closing.  Every other state is named
    by ``updated_at`` (whole seconds) and a digest; the weakness is a state that is left and restored
    within one second: its last change looks like the first one, until the next change or read.
    """
    entity = place.entity(item)
    data = snapshot(item, place)
    at = moment(item, "updated_at")
    match kind:
        case Kind.ISSUE_CREATED | Kind.PULL_REQUEST_CREATED:
            version, at = "", moment(item, "created_at")
        case Kind.ISSUE_DELETED:
            version = ""
        case Kind.PULL_REQUEST_MERGED:
            version, at = "", moment(item, "merged_at")
        case Kind.PULL_REQUEST_CLOSED:
            at = moment(item, "closed_at")
            version = at.isoformat()
        case _:
            known: dict[str, Any] = {name: data.get(name) for name in _STATE_KEYS}
            known["assignees"] = [p["id"] for p in data.get("assignees", ())]
            version = state_version(data["updated"], known)
    return Event(
        event_id(entity, kind, version=version),
        kind,
        entity,
        at,
        data,
        actor=told.actor,
        change=told.change or {},
        raw=told.raw,
        # Recorded payloads of `pinned` lack the state and the labels: not enough to believe.
        partial=told.partial or "state" not in data or "labels" not in data,
        marker=marker(item.get("body") or ""),
        origin=told.origin,
    )


def comment_event(place: Place, kind: Kind, item: Json, comment: Json, told: Telling, *, prefix: str = "") -> Event:
    """Make the event of a comment; ``prefix`` keeps the id spaces of reviews and code comments apart.

    A comment on a pull request comes with the pull request's *issue* shape, which lacks the branch:
    such an event is a hint.
    """
    entity = place.entity(item)
    said = comment_snapshot(comment)
    sub = f"{prefix}{said['id']}"
    version = ""
    if kind is Kind.COMMENT_UPDATED:
        version = state_version(said["updated"], said["body"])
    return Event(
        event_id(entity, kind, sub=sub, version=version),
        kind,
        entity,
        datetime.fromisoformat(said["created" if kind is Kind.COMMENT_CREATED else "updated"]),
        {**snapshot(item, place), "comment": said},
        sub=sub,
        actor=told.actor,
        change=told.change or {},
        raw=told.raw,
        partial=told.partial or (is_pull(item) and not is_whole_pull(item)),
        marker=marker(comment.get("body") or ""),
        origin=told.origin,
    )


def state_kind(item: Json) -> Kind:
    """Name the newest state of an issue or pull request."""
    if not is_pull(item):
        return Kind.ISSUE_UPDATED
    if item.get("merged_at"):
        return Kind.PULL_REQUEST_MERGED
    return Kind.PULL_REQUEST_CLOSED if item.get("state") == "closed" else Kind.PULL_REQUEST_UPDATED
