"""Find what an attempt of unknown outcome may have written, by the mark it carried."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from math import ceil
from typing import Any, Final

from connector.errors import Ambiguous
from connector.ports import Site
from connector.system import Absent, Action, Change, Written
from connector.systems.jira import mark, vocabulary
from connector.systems.jira.api import PROPERTY, get_or_none, pages, search
from connector.systems.jira.deliver import comment_written, entity_of, kept_of
from connector.systems.jira.read import issue_of, with_properties
from connector.systems.jira.settings import JiraTarget
from connector.systems.jira.vocabulary import member, moment

_SKEW: Final = timedelta(minutes=10)
"""How far our clock and Jira's may differ where a look-up is bounded by time."""

_SCAN: Final = 100


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
        borne = mark.of_issue(found)
        if borne == wanted:
            entity = vocabulary.issue_entity(site.connection, site.settings, found)
            entity, kept = kept_of(site, entity)
            return Written(entity, kept=kept, fresh=False)
        summary = member(found, "fields").get("summary")
        unmarked = unmarked or (not borne and summary is not None and summary == change.fields.get("summary"))
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
    entity = entity_of(change)
    oldest = since - _SKEW
    rows = pages(site, f"/issue/{entity.id}/comment", ("comments",), orderBy="-created", expand="properties")
    for comment in rows:
        created = moment(comment.get("created"))
        if created is not None and created < oldest:
            break
        borne = mark.in_text(comment.get("body")) or mark.of_comment(with_properties(site, comment))
        if borne == str(change.marker):
            return comment_written(site, entity, comment, fresh=False)
    return Absent()


def _look_up_link(site: Site, change: Change) -> Written | Absent:
    entity = entity_of(change)
    found = get_or_none(site, f"/issue/{entity.id}/remotelink", globalId=str(change.marker))
    return Absent() if found is None else Written(entity, str(found.get("id", "")), fresh=False)
