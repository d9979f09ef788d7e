"""Write into Jira: shape values to its live fields, add one thing at a time, find it again by its mark.

Our mark is an entity property (`api.PROPERTY`) that is sent *inside* the request that adds an issue or
a comment, and the ``globalId`` of a remote link.  Both official documents take ``properties`` there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from math import ceil
from typing import Any, Final

from connector.errors import Ambiguous, RateLimited, Rejected, Retryable
from connector.event import Entity
from connector.ports import Site
from connector.system import Absent, Action, Change, Shaped, Written
from connector.systems.jira import vocabulary
from connector.systems.jira.api import PROPERTY, call, get_or_none, marker_of, pages, search
from connector.systems.jira.metadata import Field, all_fields, create_screen, edit_screen, statuses
from connector.systems.jira.read import comment_of, issue_of, with_properties
from connector.systems.jira.settings import JiraTarget
from connector.systems.jira.shapes import compare, shape
from connector.systems.jira.text import words
from connector.systems.jira.transitions import move
from connector.systems.jira.vocabulary import member, moment

_LATER: Final = frozenset({"status", "resolution"})
_STATUS_NAMES: Final = frozenset({"status", "state"})
_SKEW: Final = timedelta(minutes=10)
"""How far our clock and Jira's may differ where a look-up is bounded by time."""
_SCAN: Final = 100


# --- shape ---------------------------------------------------------------------------------------------
def shaped(site: Site, target: JiraTarget, wanted: Mapping[str, Any], entity: Entity | None) -> Shaped:
    """Turn wanted values (by display name or field id) into what a write takes; *all* mistakes at once."""
    fields: dict[str, Any] = {}
    names: dict[str, str] = {}
    losses: list[str] = []
    wrong: list[Rejected] = []
    for name, value in wanted.items():
        try:
            if _is_status(site, name):
                fields |= _status_fields(site, target, entity, value)
                names |= dict.fromkeys(_LATER & fields.keys(), name)
                continue
            field = _field(site, target, entity, name)
            fields[field.id] = shape(site, target.project, field, value, losses)
            names[field.id] = name
        except Rejected as refused:
            if refused.status is not None:
                raise  # Jira's own refusal of a read: not a mistake in one value
            wrong.append(refused if name in refused.fields else _renamed(refused, name))
    if wrong:
        told = {name: text for refused in wrong for name, text in refused.fields.items()}
        raise Rejected("; ".join(str(refused) for refused in wrong), fields=told, cause=wrong[0].cause)
    return Shaped(fields, names, _LATER & fields.keys(), tuple(losses))


def _renamed(refused: Rejected, name: str) -> Rejected:
    """Say it of the field as the user wrote it."""
    text = next(iter(refused.fields.values()), str(refused))
    return Rejected(str(refused), fields={name: text}, cause=refused.cause)


def _is_status(site: Site, name: str) -> bool:
    if name.casefold() in _STATUS_NAMES:
        return True
    field = all_fields(site).get("status")
    return field is not None and field.name.casefold() == name.casefold()


def _status_fields(site: Site, target: JiraTarget, entity: Entity | None, value: Any) -> dict[str, Any]:
    """Read ``Done`` or ``{status: Done, resolution: Fixed}``; the status must exist in the project."""
    given = value if isinstance(value, Mapping) and "format" not in value else {"status": value}
    status, resolution = words(given.get("status")).strip(), given.get("resolution")
    known = statuses(site, (entity.scope if entity else "") or target.project)
    found = known.get(status.casefold())
    if found is None and status.casefold() not in {"new", "indeterminate", "done"}:
        offered = ", ".join(sorted(name for name, _ in known.values()))
        message = f"{status!r} is no status of {target.project}; there are {offered}"
        raise Rejected(message, fields={"Status": message}, cause="option:status")
    fields: dict[str, Any] = {"status": {"name": found[0] if found else status.casefold()}}
    if resolution:
        fields["resolution"] = {"name": words(resolution)}
    return fields


def _field(site: Site, target: JiraTarget, entity: Entity | None, name: str) -> Field:
    """Find a field that may be set here, by id or by display name in any case."""
    screen = create_screen(site, target)[1] if entity is None else edit_screen(site, target, entity)
    found = _named(screen, name)
    if found is None and entity is not None:
        found = _named(edit_screen(site, target, entity, fresh=True), name)
    if found is not None:
        return found
    elsewhere = _named(all_fields(site), name)
    if elsewhere is None:
        message = "there is no such field here"
        raise Rejected(f"{name}: {message}", fields={name: message}, cause="field")
    if elsewhere.id == "resolution":
        message = "can only be set together with a status: write {status: ..., resolution: ...}"
    else:
        which = "create" if entity is None else "edit"
        message = f"is not on the {which} screen of {target.project} / {target.type}: an administrator can add it"
    raise Rejected(f"{name}: {message}", fields={name: message}, cause=f"screen:{elsewhere.id}")


def _named(fields: Mapping[str, Field], name: str) -> Field | None:
    if name in fields:
        return fields[name]
    near = [field for field in fields.values() if field.name.casefold() == name.casefold()]
    if len(near) > 1:
        message = f"several fields have this name; write one of {', '.join(sorted(field.id for field in near))}"
        raise Rejected(f"{name}: {message}", fields={name: message}, cause="ambiguous")
    return near[0] if near else None


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
    for name in _LATER:
        if isinstance(fields.get(name), Mapping):
            fields[name] = {"name": member(member(issue, "fields"), name).get("name")}
    return {"fields": fields, "data": vocabulary.issue_data(site.settings, issue)}


def _kept(site: Site, entity: Entity) -> tuple[Entity, Mapping[str, Any]]:
    """Read back what a write left; nothing where that fails, for the write itself is done."""
    try:
        issue = issue_of(site, entity.id)
    except (Retryable, RateLimited):
        return entity, {}
    if issue is None:
        return entity, {}
    now = vocabulary.issue_entity(entity.connection, site.settings, issue)
    return now, vocabulary.issue_data(site.settings, issue)


# --- write ---------------------------------------------------------------------------------------------
def write(site: Site, target: JiraTarget, change: Change) -> Written:
    """Perform a change; see `connector.system.Target`."""
    match change.action:
        case Action.CREATE:
            return _create(site, target, change)
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


def _mark(change: Change) -> list[dict[str, Any]]:
    return [{"key": PROPERTY, "value": {"marker": str(change.marker)}}]


def _entity(change: Change) -> Entity:
    if change.entity is None:
        message = f"{change.action} needs an entity"
        raise ValueError(message)
    return change.entity


def _create(site: Site, target: JiraTarget, change: Change) -> Written:
    kind, _ = create_screen(site, target)
    now = {name: value for name, value in change.fields.items() if name not in _LATER and value not in (None, [])}
    fields = {"project": {"key": target.project}, "issuetype": {"id": kind}, **now}
    made = call(site, "POST", "/issue", json={"fields": fields, "properties": _mark(change)})
    if not isinstance(made, Mapping) or not str(made.get("id", "")).isdigit():
        raise Retryable("the create was answered without the issue's id", sent=True, cause="bad_answer")
    entity = vocabulary.issue_entity(site.connection, site.settings, made)
    entity, kept = _kept(site, entity)
    return Written(entity, kept=kept)


def _update(site: Site, target: JiraTarget, change: Change) -> Written:
    entity = _entity(change)
    plain = {name: value for name, value in change.fields.items() if name not in _LATER}
    if plain:
        call(site, "PUT", f"/issue/{entity.id}", json={"fields": plain}, entity=entity.id)
    if "status" in change.fields:
        move(site, target, entity, str(change.fields["status"]["name"]), change.fields)
    entity, kept = _kept(site, entity)
    return Written(entity, kept=kept)


def _add_comment(site: Site, target: JiraTarget, change: Change) -> Written:
    entity = _entity(change)
    properties = _mark(change)
    if target.internal_comments:
        # In the same call: a comment that is public for a moment has already been mailed to the customer.
        properties.append({"key": "sd.public.comment", "value": {"internal": True}})
    body = {"body": change.body, "properties": properties}
    made = call(site, "POST", f"/issue/{entity.id}/comment", json=body, entity=entity.id)
    if not isinstance(made, Mapping) or not str(made.get("id", "")).isdigit():
        raise Retryable("the comment was answered without its id", sent=True, cause="bad_answer")
    return _comment_written(site, entity, made)


def _comment_written(site: Site, entity: Entity, comment: Mapping[str, Any], *, fresh: bool = True) -> Written:
    kept = {"comment": vocabulary.comment_data(site.settings, entity, comment)}
    return Written(entity, str(comment["id"]), kept, fresh)


def _edit_comment(site: Site, change: Change) -> Written:
    """Replace a comment's text.

    Its visibility is read and sent along: whether Jira keeps one that an edit leaves out is not
    documented, and a restricted comment must never become public by our hand.
    """
    entity = _entity(change)
    now = comment_of(site, entity.id, change.remote)
    if now is None:
        raise Rejected("the comment does not exist any more", cause="not_found", status=404)
    body: dict[str, Any] = {"body": change.body}
    if now.get("visibility"):
        body["visibility"] = now["visibility"]
    path = f"/issue/{entity.id}/comment/{change.remote}"
    made = call(site, "PUT", path, json=body, entity=entity.id)
    return _comment_written(site, entity, made if isinstance(made, Mapping) and "id" in made else now)


def _delete_comment(site: Site, change: Change) -> Written:
    entity = _entity(change)
    try:
        call(site, "DELETE", f"/issue/{entity.id}/comment/{change.remote}", entity=entity.id)
    except Rejected as refused:
        # Gone already is the state that was wanted.
        if refused.status != 404:
            raise
    return Written(entity, change.remote)


def _relate(site: Site, change: Change) -> Written:
    """Put a link to the source onto the issue.  Jira upserts by ``globalId``, and clears what is left out."""
    entity = _entity(change)
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
    made = call(site, "POST", f"/issue/{entity.id}/remotelink", json=link, entity=entity.id)
    return Written(entity, str(made.get("id", "")) if isinstance(made, Mapping) else "")


# --- look up -------------------------------------------------------------------------------------------
def look_up(site: Site, target: JiraTarget, change: Change, since: datetime) -> Written | Absent:
    """Find what an earlier attempt may have written; sets are repeated instead, so theirs is absent."""
    match change.action:
        case Action.CREATE:
            return _look_up_issue(site, target, change, since)
        case Action.COMMENT:
            return _look_up_comment(site, change, since)
        case Action.RELATE:
            return _look_up_link(site, change)
        case Action.UPDATE | Action.EDIT_COMMENT | Action.DELETE_COMMENT:
            return Absent()


def _look_up_issue(site: Site, target: JiraTarget, change: Change, since: datetime) -> Written | Absent:
    """Scan our own recent creates for the mark.

    Properties cannot be searched by an API token, so the search only narrows; it lags behind writes,
    which is why an absence means *not written* only ``index_lag`` after the send.
    """
    wanted = str(change.marker)
    unmarked = False
    for issue in _own_recent(site, target, since):
        found = issue if "properties" in issue else issue_of(site, str(issue["id"]))
        if found is None:
            continue
        mark = marker_of(found.get("properties"))
        if mark == wanted:
            entity = vocabulary.issue_entity(site.connection, site.settings, found)
            entity, kept = _kept(site, entity)
            return Written(entity, kept=kept, fresh=False)
        summary = member(found, "fields").get("summary")
        unmarked = unmarked or (not mark and summary is not None and summary == change.fields.get("summary"))
    if unmarked:
        message = "an issue of ours with this summary carries no mark: this Jira may have dropped it; look and decide"
        raise Ambiguous(message, cause="ambiguous")
    return Absent(site.settings.index_lag)


def _own_recent(site: Site, target: JiraTarget, since: datetime) -> Iterator[dict[str, Any]]:
    # A relative time needs no time zone; it is rounded up to whole minutes.
    minutes = max(15, ceil((site.now() - since + _SKEW) / timedelta(minutes=1)))
    jql = (
        f'project = "{target.project}" AND creator = currentUser() AND created >= -{minutes}m'
        " ORDER BY created DESC, key DESC"
    )
    more = {"properties": PROPERTY} if site.settings.flavour.search_properties else {}
    token, start = "", 0
    while True:
        page = search(site, jql, fields="summary,project", size=_SCAN, token=token, start=start, **more)
        yield from page["issues"]
        start += len(page["issues"])
        token = page.get("nextPageToken") or ""
        total = page.get("total")
        more_offsets = isinstance(total, int) and start < total and bool(page["issues"])
        if not (token and not page.get("isLast")) and not more_offsets:
            return


def _look_up_comment(site: Site, change: Change, since: datetime) -> Written | Absent:
    entity = _entity(change)
    oldest = since - _SKEW
    rows = pages(site, f"/issue/{entity.id}/comment", ("comments",), orderBy="-created", expand="properties")
    for comment in rows:
        created = moment(comment.get("created"))
        if created is not None and created < oldest:
            break
        if marker_of(with_properties(site, comment)["properties"]) == str(change.marker):
            return _comment_written(site, entity, comment, fresh=False)
    return Absent()


def _look_up_link(site: Site, change: Change) -> Written | Absent:
    entity = _entity(change)
    found = get_or_none(site, f"/issue/{entity.id}/remotelink", globalId=str(change.marker))
    return Absent() if found is None else Written(entity, str(found.get("id", "")), fresh=False)
