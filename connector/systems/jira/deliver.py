"""Write into Jira one thing at a time, each carrying our mark, and tell what Jira kept of it.

Our mark goes along *inside* the request that adds an issue or a comment (`mark`), and is the ``globalId``
of a remote link.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from connector.errors import ConnectorError, Forbidden, Rejected, Retryable
from connector.event import Entity
from connector.ports import Site
from connector.system import Action, Change, Written
from connector.systems.jira import mark, vocabulary
from connector.systems.jira.api import INTERNAL, PROPERTY, call
from connector.systems.jira.metadata import all_fields, create_screen
from connector.systems.jira.read import comment_of, issue_now, issue_of
from connector.systems.jira.readback import compare
from connector.systems.jira.settings import JiraTarget
from connector.systems.jira.transitions import move
from connector.systems.jira.vocabulary import Json, member
from connector.systems.jira.wanted import LATER

_NO_LINKS: Final = frozenset({403, 404, 405, 501})
"""How a Jira answers a remote link where there are none: 403 is documented, the others are not verified."""


# --- read ----------------------------------------------------------------------------------------------
def read(site: Site, target: JiraTarget, entity: Entity) -> Mapping[str, Any] | None:
    """Return the issue as it is now: native values comparable with shape's, and the vocabulary."""
    del target
    issue = issue_of(site, entity.id)
    if issue is None:
        return None
    known = all_fields(site)
    fields = {
        name: compare(known[name], value) if name in known else value for name, value in member(issue, "fields").items()
    }
    data = vocabulary.issue_data(site.settings, issue)
    return {"fields": fields | steps_of(issue), "data": data, "raw": {"issue": issue}}


def steps_of(issue: Json) -> dict[str, Any]:
    """Return status and resolution in the form in which they are wanted."""
    fields = member(issue, "fields")
    return {name: {"name": member(fields, name).get("name")} for name in LATER if isinstance(fields.get(name), Mapping)}


def kept_of(site: Site, entity: Entity) -> tuple[Entity, Mapping[str, Any]]:
    """Read back what a write left: the issue as it is now called, and its vocabulary."""
    return _told(site, entity, read_back(site, entity))


def read_back(site: Site, entity: Entity) -> dict[str, Any] | None:
    """Read the issue after a write; None where that fails, for the write itself is done.

    Whatever the reason: a token that ends in between would else be taken for a refusal of the write,
    which is then sent again.
    """
    try:
        return issue_of(site, entity.id)
    except ConnectorError:
        return None


def _told(site: Site, entity: Entity, issue: Json | None) -> tuple[Entity, Mapping[str, Any]]:
    if issue is None:
        return entity, {}
    now = vocabulary.issue_entity(entity.connection, site.settings, issue)
    return now, vocabulary.issue_data(site.settings, issue)


# --- write ---------------------------------------------------------------------------------------------
def write(site: Site, target: JiraTarget, change: Change) -> Written:
    """Perform a change; see `connector.system.Target`."""
    match change.action:
        case Action.CREATE:
            return create(site, target, change)
        case Action.UPDATE:
            return _update(site, target, change)
        case Action.COMMENT:
            return _add_comment(site, target, change)
        case Action.EDIT_COMMENT:
            return _edit_comment(site, change)
        case Action.DELETE_COMMENT:
            return _delete_comment(site, change)
        case Action.RELATE:
            return _relate(site, change)


def mark_of(change: Change) -> list[dict[str, Any]]:
    """Return the properties that carry our mark."""
    return [{"key": PROPERTY, "value": {"marker": str(change.marker)}}]


def entity_of(change: Change) -> Entity:
    """Return the issue that a change is about."""
    if change.entity is None:
        message = f"{change.action} needs an entity"
        raise ValueError(message)
    return change.entity


def fields_of(site: Site, target: JiraTarget, change: Change) -> dict[str, Any]:
    """Return the fields that create an issue; with our mark in the text where this site does not keep properties."""
    kind, screen = create_screen(site, target)
    now = {name: value for name, value in change.fields.items() if name not in LATER and value not in (None, [])}
    fields = {"project": {"key": target.project}, "issuetype": {"id": kind}, **now}
    if mark.kept(site, "issue") is not mark.Kept.PROPERTY and "description" in screen:
        fields["description"] = mark.with_anchor(fields.get("description"), str(change.marker))
    return fields


def create(site: Site, target: JiraTarget, change: Change) -> Written:
    """Create one issue."""
    made = mark.add(site, "issue", "/issue", {"fields": fields_of(site, target, change)}, mark_of(change))
    if not isinstance(made, Mapping) or not str(made.get("id", "")).isdigit():
        raise Retryable("the create was answered without the issue's id", sent=True, cause="bad_answer")
    entity = vocabulary.issue_entity(site.connection, site.settings, made)
    issue = read_back(site, entity)
    if issue is not None:
        mark.learn(site, "issue", issue.get("properties"))
    return made_of(site, entity, issue)


def made_of(site: Site, entity: Entity, issue: Json | None) -> Written:
    """Say what a create left, as far as it could be read back."""
    entity, kept = _told(site, entity, issue)
    return Written(entity, kept=kept, holds=steps_of(issue) if issue is not None else {})


def _update(site: Site, target: JiraTarget, change: Change) -> Written:
    entity = entity_of(change)
    plain = {name: value for name, value in change.fields.items() if name not in LATER}
    if plain:
        call(site, "PUT", f"/issue/{entity.id}", json={"fields": plain}, entity=entity.id)
    fresh, issue = bool(plain), None
    if "status" in change.fields:
        issue = issue_now(site, entity.id)
        if move(site, target, entity, change.fields, member(issue, "fields")):
            fresh, issue = True, None
    entity, kept = _told(site, entity, issue or read_back(site, entity))
    return Written(entity, kept=kept, fresh=fresh)


def _add_comment(site: Site, target: JiraTarget, change: Change) -> Written:
    entity = entity_of(change)
    properties = mark_of(change)
    if target.internal_comments:
        # In the same call: a comment that is public for a moment has already been mailed to the customer.
        properties.append({"key": INTERNAL, "value": {"internal": True}})
    before = mark.kept(site, "comment")
    sure = before is mark.Kept.PROPERTY
    body = {"body": change.body if sure else mark.with_anchor(change.body, str(change.marker))}
    made = mark.add(
        site,
        "comment",
        f"/issue/{entity.id}/comment",
        body,
        properties,
        entity=entity.id,
        needed=target.internal_comments,
    )
    if not isinstance(made, Mapping) or not str(made.get("id", "")).isdigit():
        raise Retryable("the comment was answered without its id", sent=True, cause="bad_answer")
    if before is mark.Kept.UNKNOWN and mark.kept(site, "comment") is before:
        _learn_of_comments(site, entity, str(made["id"]))
    return comment_written(site, entity, made)


def _learn_of_comments(site: Site, entity: Entity, number: str) -> None:
    try:
        comment = comment_of(site, entity.id, number)
    except ConnectorError:
        return  # The comment is written; the next one asks again.
    if comment is not None:
        mark.learn(site, "comment", comment.get("properties"))


def comment_written(site: Site, entity: Entity, comment: Mapping[str, Any], *, fresh: bool = True) -> Written:
    """Say what a comment became."""
    kept = {"comment": vocabulary.comment_data(site.settings, entity, comment)}
    return Written(entity, str(comment["id"]), kept, fresh)


def _edit_comment(site: Site, change: Change) -> Written:
    """Replace a comment's text.

    Its visibility is read and sent along: whether Jira keeps one that an edit leaves out is not
    documented, and a restricted comment must never become public by our hand.
    """
    entity = entity_of(change)
    now = comment_of(site, entity.id, change.remote)
    if now is None:
        raise Rejected("the comment does not exist any more", cause="not_found", status=404)
    borne = mark.in_text(now.get("body"))
    body: dict[str, Any] = {"body": mark.with_anchor(change.body, borne) if borne else change.body}
    if now.get("visibility"):
        body["visibility"] = now["visibility"]
    path = f"/issue/{entity.id}/comment/{change.remote}"
    made = call(site, "PUT", path, json=body, entity=entity.id)
    return comment_written(site, entity, made if isinstance(made, Mapping) and "id" in made else now)


def _delete_comment(site: Site, change: Change) -> Written:
    entity = entity_of(change)
    try:
        call(site, "DELETE", f"/issue/{entity.id}/comment/{change.remote}", entity=entity.id)
    except Rejected as refused:
        # Gone already is the state that was wanted.
        if refused.status != 404:
            raise
        return Written(entity, change.remote, fresh=False)
    return Written(entity, change.remote)


def _relate(site: Site, change: Change) -> Written:
    """Put a link to the source onto the issue.  Jira upserts by ``globalId``, and clears what is left out.

    Linking may be switched off for a whole site (403 by the official document; a server without the
    resource answers 404), or not be granted to us.  The link is an addition for people, so that is a
    loss that is told, and no reason to hold back the issue's state and comments.
    """
    entity = entity_of(change)
    relation = change.relation
    key = str(relation.get("key") or "")
    title = str(relation.get("title") or key or relation.get("url"))
    link = {
        "globalId": str(change.marker),
        "application": {"type": "jira-connector", "name": "Jira Connector"},
        "relationship": "relates to",
        "object": {
            "url": str(relation.get("url") or ""),
            "title": (f"{key}: {title}" if key and not title.startswith(key) else title)[:255],
            "summary": str(relation.get("state") or ""),
            "status": {"resolved": bool(relation.get("done"))},
        },
    }
    try:
        made = call(site, "POST", f"/issue/{entity.id}/remotelink", json=link, entity=entity.id)
    except (Rejected, Forbidden) as refused:
        if refused.status not in _NO_LINKS or issue_of(site, entity.id) is None:
            raise
        lost = (
            f"no link back on {entity.key or entity.id}: issue linking is off there, or not granted ({refused.status})"
        )
        return Written(entity, fresh=False, losses=(lost,))
    return Written(entity, str(made.get("id", "")) if isinstance(made, Mapping) else "")
