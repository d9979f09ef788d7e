"""Build events and the ids that webhook and poll share.

The body of a webhook and the answer of the API hold the same issue, so both readers come here: that
is what makes their event ids equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from connector.errors import Unreadable
from connector.event import Entity, Event, EventId, Kind, Person, event_id, state_version
from connector.systems.jira.settings import JiraConnection
from connector.systems.jira.vocabulary import Json, comment_data, comment_id, issue_data, millis, moment, person

CHANGED: Final = {
    "summary": "title",
    "description": "body",
    "status": "state",
    "resolution": "state_reason",
    "labels": "labels",
    "assignee": "assignee",
    "reporter": "reporter",
    "priority": "priority",
    "issuetype": "type",
    "project": "project",
    "key": "key",
    "duedate": "due",
}
"""Changelog ``field`` (lower case) -> vocabulary key; other fields keep Jira's own name."""


def changes(items: Any) -> dict[str, dict[str, Any]]:
    """Read changelog items into ``Event.change``; people keep their id beside the shown name.

    ``from`` and ``to`` are null in practice more often than not, also where the documents say text.
    Fields that hold several things (components, links, attachments) tell one item for each: their sides
    become lists of what went and what came.
    """
    found: dict[str, dict[str, Any]] = {}
    several: set[str] = set()
    for item in items if isinstance(items, list) else ():
        name = item.get("field") if isinstance(item, Mapping) else None
        if not isinstance(name, str):
            continue
        key = CHANGED.get(name.lower(), name)
        sides = {"from": _side(key, item, "from"), "to": _side(key, item, "to")}
        if key not in found:
            found[key] = sides
            continue
        if key not in several:
            several.add(key)
            found[key] = {side: [] if value is None else [value] for side, value in found[key].items()}
        for side, value in sides.items():
            found[key][side] += [] if value is None else [value]
    return found


def _side(key: str, item: Json, side: str) -> Any:
    shown, native = item.get(f"{side}String"), item.get(side)
    if key == "labels":
        return shown.split() if isinstance(shown, str) else []
    if key in {"assignee", "reporter"}:
        who: Person = {"id": str(native)} if native else {}
        return {**who, "name": str(shown)} if native and shown else (who or None)
    if key == "due":
        return native or None
    return shown if shown not in (None, "") else None


def updated_id(entity: Entity, changelog: Any, updated: datetime | None, data: Json) -> EventId:
    """Name an update: by the changelog entry where there is one, else by the state that was seen.

    The rich text is left out of the state: a webhook brings wiki markup where the API brings ADF.
    """
    entry = changelog.get("id") if isinstance(changelog, Mapping) else None
    if isinstance(entry, str | int) and not isinstance(entry, bool) and str(entry):
        return event_id(entity, Kind.ISSUE_UPDATED, version=str(entry))
    known = {key: value for key, value in data.items() if key not in {"body", "created", "updated"}}
    version = state_version(millis(updated) if updated else "", known)
    return event_id(entity, Kind.ISSUE_UPDATED, version=version)


def comment_event(
    settings: JiraConnection,
    entity: Entity,
    kind: Kind,
    comment: Json,
    *,
    at: datetime | None,
    issue: Json,
    actor: Person | None,
    raw: Json,
    origin: str,
) -> Event:
    """Build the event of a comment.  Partial: marker, visibility and ADF need a read of the comment."""
    number = comment_id(comment)
    created, updated = moment(comment.get("created")), moment(comment.get("updated"))
    happened = {Kind.COMMENT_CREATED: created, Kind.COMMENT_UPDATED: updated}.get(kind) or at or updated or created
    if happened is None:
        message = "the comment has no time"
        raise Unreadable(message, cause="malformed:comment.created")
    version = millis(updated or happened) if kind is Kind.COMMENT_UPDATED else ""
    return Event(
        id=event_id(entity, kind, sub=number, version=version),
        kind=kind,
        entity=entity,
        at=happened,
        data={**issue_data(settings, issue), "comment": comment_data(settings, entity, comment)},
        sub=number,
        # Who deleted a comment is told by `user` alone: its authors are not the ones.
        actor=actor if kind is Kind.COMMENT_DELETED else actor or _writer(kind, comment),
        raw=raw,
        partial=True,
        origin=origin,
    )


def _writer(kind: Kind, comment: Json) -> Person | None:
    return person(comment.get("author" if kind is Kind.COMMENT_CREATED else "updateAuthor"))
