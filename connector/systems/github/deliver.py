"""Write issues and comments into a repository so that every write can be found again.

GitHub has no idempotency key: everything that is added carries our marker in a hidden HTML comment
(see `text`), and is looked up by *listing*, which is read directly, never by the search index.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, assert_never

from connector.errors import Forbidden, Rejected, Stale
from connector.event import Entity
from connector.ports import Request, Response, Site
from connector.system import Absent, Action, Change, Target, Written
from connector.systems.github.api import MOVED, PER_PAGE, found, get, is_gone, pages, read, split, write
from connector.systems.github.fields import KEPT_AS, LATER, SPEAKS, current, shape
from connector.systems.github.members import Json, moment
from connector.systems.github.poll import repository_place
from connector.systems.github.reread import issue_now, issue_repository
from connector.systems.github.settings import REPOSITORY
from connector.systems.github.settings import Target as Into
from connector.systems.github.text import bare, marked, markers, native
from connector.systems.github.vocabulary import Place, comment_snapshot, snapshot

SKEW: Final = timedelta(minutes=2)
"""How far GitHub's clock may be behind ours when we look for what we wrote."""

_ME: Final = timedelta(hours=1)
_CREATES: Final = ("title", "body", "labels", "assignees", "milestone")


# --- reading -------------------------------------------------------------------------------------
def text(_site: Site, _target: Into, words: Any) -> tuple[str, tuple[str, ...]]:
    """Turn a `Text` into the Markdown of a comment."""
    return native(words)


def read_entity(site: Site, _target: Into, entity: Entity) -> Mapping[str, Any] | None:
    """Return an issue as it is now; None where it is gone or was transferred away."""
    now = issue_now(site, entity)
    if now is None:
        return None
    issue, place = now
    return {"fields": current(issue), "data": snapshot(issue, place), "raw": {"issue": issue}}


# --- writing -------------------------------------------------------------------------------------
def write_change(site: Site, target: Into, change: Change) -> Written:
    """Perform a change; at most one thing is added."""
    match change.action:
        case Action.CREATE:
            return _create(site, target, change)
        case Action.UPDATE:
            return _update(site, change)
        case Action.COMMENT:
            return _comment(site, change, str(change.body or ""))
        case Action.EDIT_COMMENT:
            return _edit_comment(site, change)
        case Action.DELETE_COMMENT:
            return _delete_comment(site, change)
        case Action.RELATE:
            return _relate(site, change)
        case _:
            assert_never(change.action)


def _create(site: Site, target: Into, change: Change) -> Written:
    document = {name: change.fields[name] for name in _CREATES if name in change.fields}
    document["body"] = marked(str(document.get("body") or ""), change.marker)

    def request(repository: str) -> Request:
        return write("POST", f"/repos/{repository}/issues", document)

    issue = found(_send(site, target.repository, request), sent=True)
    place = repository_place(site, issue_repository(issue, target.repository))
    holds = {name: value for name, value in current(issue).items() if name in LATER}
    return Written(place.entity(issue), kept=_kept(issue, place, change.fields), holds=holds)


def _update(site: Site, change: Change) -> Written:
    """Set what differs, in one PATCH; nothing where all is as wanted.

    The markers that stand in the present body are put back: they are how the issue is known again
    when our store is lost.
    """
    entity, issue, place = _issue(site, change)
    present = current(issue)
    document = {name: value for name, value in change.fields.items() if present.get(name) != value}
    if not document:
        return Written(entity, kept=_kept(issue, place, change.fields))
    if "body" in document:
        document["body"] = marked(str(document["body"] or ""), *markers(issue.get("body") or ""))
    if "state_reason" in document:
        # GitHub ignores a reason that comes without the state.
        document["state"] = change.fields.get("state", present["state"])
    _, number = split(entity.key)
    request = write("PATCH", f"/repos/{place.name}/issues/{number}", document, entity=entity.ref)
    after = found(site.send(request), sent=True)
    return Written(place.entity(after), kept=_kept(after, place, change.fields))


def _comment(site: Site, change: Change, words: str) -> Written:
    entity = _target_of(change)
    document = {"body": marked(words, change.marker)}

    def request(repository: str) -> Request:
        _, number = split(entity.key)
        return write("POST", f"/repos/{repository}/issues/{number}/comments", document, entity=entity.ref)

    response = _send(site, split(entity.key)[0], request)
    return _written_comment(entity, found(response, sent=True), fresh=True)


def _edit_comment(site: Site, change: Change) -> Written:
    entity = _target_of(change)
    comment = _one_comment(site, change)
    if comment is None:
        message = f"the comment on {entity.key} is gone"
        raise Rejected(message, cause="gone")
    body = comment.get("body") or ""
    if bare(body) == str(change.body or ""):
        return _written_comment(entity, comment, fresh=True)
    document = {"body": marked(str(change.body or ""), *(markers(body) or (change.marker,)))}

    def request(repository: str) -> Request:
        return write("PATCH", _comment_path(change, repository), document, entity=entity.ref)

    response = _send(site, split(entity.key)[0], request)
    return _written_comment(entity, found(response, sent=True), fresh=True)


def _delete_comment(site: Site, change: Change) -> Written:
    """Delete a comment; one that is gone already is what was wanted."""
    entity = _target_of(change)
    repository = split(entity.key)[0]

    def request(where: str) -> Request:
        return write("DELETE", _comment_path(change, where), entity=entity.ref)

    try:
        _send(site, repository, request)
    except (Rejected, Forbidden) as error:
        if not is_gone(site, error, repository):
            raise
    return Written(entity, remote=change.remote)


def _relate(site: Site, change: Change) -> Written:
    """Say in a comment what the issue is linked to: GitHub has no remote links.

    Written once: the words hold only the key and URL, not a title or state that would go stale, so
    that the same words of ours are as good as the same marker.
    """
    entity = _target_of(change)
    words = relation_words(change.relation)
    there = _comment_with(site, change, None, words)
    if there is not None:
        return _written_comment(entity, there, fresh=False)
    return _comment(site, change, words)


def relation_words(relation: Mapping[str, Any]) -> str:
    """Return the comment that tells of a link."""
    url, key = str(relation.get("url") or ""), str(relation.get("key") or relation.get("url") or "")
    shown, _ = native({"format": "plain", "content": key})
    # Only a plain web address becomes a link; anything else would be shown as it is.
    safe = url.startswith(("https://", "http://")) and not set(url) & set(" ()<>\n")
    return f"Linked to [{shown.strip()}]({url})" if safe else f"Linked to {shown.strip()}"


def _send(site: Site, repository: str, request: Callable[[str], Request]) -> Response:
    """Send a write; where a redirect answered *instead* (a renamed repository), again under the new name.

    Known by its status: a transport may refuse a redirected write before our `refusal` is asked.
    """
    try:
        return site.send(request(repository))
    except (Stale, Rejected) as error:
        if error.status not in MOVED:
            raise
        now = str(found(site.send(get(f"/repos/{repository}"))).get("full_name", ""))
        if not REPOSITORY.fullmatch(now) or now.casefold() == repository.casefold():
            raise
    return site.send(request(now))


# --- looking up ----------------------------------------------------------------------------------
def look_up(site: Site, target: Into, change: Change, since: datetime) -> Written | Absent:
    """Find what an earlier send may have written.  Strong: listings are read directly."""
    match change.action:
        case Action.CREATE:
            return _created(site, target, change, since)
        case Action.COMMENT | Action.RELATE:
            comment = _comment_with(site, change, None if change.action is Action.RELATE else since)
            return Absent() if comment is None else _written_comment(_target_of(change), comment, fresh=False)
        case Action.UPDATE:
            entity, issue, place = _issue(site, change)
            present = current(issue)
            if any(present.get(name) != value for name, value in change.fields.items()):
                return Absent()
            return Written(entity, kept=_kept(issue, place, change.fields), fresh=False)
        case Action.EDIT_COMMENT:
            comment = _one_comment(site, change)
            if comment is None or bare(comment.get("body") or "") != str(change.body or ""):
                return Absent()
            return _written_comment(_target_of(change), comment, fresh=False)
        case Action.DELETE_COMMENT:
            entity = _target_of(change)
            return Absent() if _one_comment(site, change) is not None else Written(entity, change.remote, fresh=False)
        case _:
            assert_never(change.action)


def _created(site: Site, target: Into, change: Change, since: datetime) -> Written | Absent:
    """List our own newest issues; newest first, so the walk ends at the first one that is too old."""
    start = since - SKEW
    query = {
        "creator": _me(site),
        "since": start.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "state": "all",
        "sort": "created",
        "direction": "desc",
        "per_page": str(PER_PAGE),
    }
    for page in pages(site, get(f"/repos/{target.repository}/issues", query)):
        for issue in page:
            if str(change.marker) in markers(issue.get("body") or ""):
                place = repository_place(site, issue_repository(issue, target.repository))
                return Written(place.entity(issue), kept=_kept(issue, place, change.fields), fresh=False)
        if page and moment(page[-1], "created_at") < start:
            break
    return Absent()


def _comment_with(site: Site, change: Change, since: datetime | None, words: str = "") -> dict[str, Any] | None:
    """Return the comment that carries the change's marker, or any of ours that says ``words``."""
    repository, number = split(_target_of(change).key)
    query = {"per_page": str(PER_PAGE)}
    if since is not None:
        query["since"] = (since - SKEW).strftime("%Y-%m-%dT%H:%M:%SZ")
    for page in pages(site, get(f"/repos/{repository}/issues/{number}/comments", query)):
        for comment in page:
            body = comment.get("body") or ""
            ours = markers(body)
            if str(change.marker) in ours or (ours and words and bare(body) == words):
                return comment
    return None


def _me(site: Site) -> str:
    def load() -> str:
        return str(found(site.send(get("/user"))).get("login", ""))

    return str(site.memory("me", _ME, load))


# --- pieces --------------------------------------------------------------------------------------
def _target_of(change: Change) -> Entity:
    if change.entity is None:
        message = f"{change.action} names no entity"
        raise ValueError(message)
    return change.entity


def _issue(site: Site, change: Change) -> tuple[Entity, dict[str, Any], Place]:
    """Return the issue to write to, under its present name."""
    entity = _target_of(change)
    now = issue_now(site, entity)
    if now is None:
        message = f"{entity.key} was deleted or transferred"
        raise Rejected(message, cause="gone")
    issue, place = now
    return place.entity(issue), issue, place


def _comment_path(change: Change, repository: str) -> str:
    if not (change.remote.isascii() and change.remote.isdigit()):
        # Reviews and comments on code are only read, never written.
        raise Rejected("only comments of issues can be changed", cause="comment_id")
    return f"/repos/{repository}/issues/comments/{change.remote}"


def _one_comment(site: Site, change: Change) -> dict[str, Any] | None:
    repository = split(_target_of(change).key)[0]
    response = read(site, get(_comment_path(change, repository)), repository)
    return None if response is None else found(response)


def _written_comment(entity: Entity, comment: Json, *, fresh: bool) -> Written:
    said = comment_snapshot(comment)
    return Written(entity, remote=said["id"], kept={"comment": said}, fresh=fresh)


def _kept(issue: Json, place: Place, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return, for the fields written, what GitHub now shows: it drops labels and people silently."""
    data = snapshot(issue, place)
    keys = {key for name in fields for key in KEPT_AS.get(name, ())}
    return {key: data[key] for key in sorted(keys) if key in data}


TARGET: Final = Target(shape=shape, text=text, read=read_entity, write=write_change, look_up=look_up, speaks=SPEAKS)
