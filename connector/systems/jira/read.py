"""Read one issue or comment as Jira holds it now: to complete a hint, to find what a person named."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from connector.errors import Rejected, Retryable
from connector.event import Event, Kind, event_id
from connector.ports import Site
from connector.system import Who
from connector.systems.jira import happening, mark, vocabulary
from connector.systems.jira.api import INTERNAL, PROPERTY, get_object, get_or_none, search
from connector.systems.jira.jql import without_order
from connector.systems.jira.vocabulary import Json, moment

_KEY: Final = re.compile(r"[A-Z][A-Z0-9_]*-\d{1,12}")


def probe(site: Site) -> Who:
    """Ask who the credential belongs to; a refusal is raised by the transport."""
    me = get_object(site, "/myself")
    who = vocabulary.person(me)
    if who is None:
        # A Server that answers an anonymous caller leaves everything out.
        return Who(site.settings.account, "", ())
    zone = me.get("timeZone")
    return Who(who["id"], who.get("name", who["id"]), (f"time zone {zone}",) if isinstance(zone, str) else ())


def issue_of(site: Site, name: str, *, expand: str = "") -> dict[str, Any] | None:
    """Read an issue by id or key with our property; None where there is none (or we may not see it).

    Old keys of moved issues keep resolving; the answer carries the new one.
    """
    more = {"expand": expand} if expand else {}
    return get_or_none(site, f"/issue/{name}", fields="*all", properties=PROPERTY, **more)


def issue_now(site: Site, number: str) -> dict[str, Any]:
    """Read an issue that must be there; raises `Rejected` where it is not."""
    return get_object(site, f"/issue/{number}", fields="*all", properties=PROPERTY)


def comment_of(site: Site, issue: str, number: str) -> dict[str, Any] | None:
    """Read a comment with its properties; None where there is none.

    ``expand=properties`` is in neither official document, and is answered by both products in
    practice; where a server leaves the member out, the two that matter are asked for by name: our
    mark, and whether a service desk hides the comment from customers.
    """
    found = get_or_none(site, f"/issue/{issue}/comment/{number}", expand="properties")
    return None if found is None else with_properties(site, found, (PROPERTY, INTERNAL))


def with_properties(site: Site, comment: dict[str, Any], names: tuple[str, ...] = (PROPERTY,)) -> dict[str, Any]:
    """Return the comment with its ``properties``, asking for ``names`` where the server left them out."""
    if isinstance(comment.get("properties"), list):
        return comment
    found = [get_or_none(site, f"/comment/{comment['id']}/properties/{name}") for name in names]
    return {**comment, "properties": [one for one in found if one is not None]}


def state_event(site: Site, issue: Json, origin: str) -> Event:
    """Describe an issue as it is now: the newest state event that it can have."""
    settings = site.settings
    entity = vocabulary.issue_entity(site.connection, settings, issue)
    data = vocabulary.issue_data(settings, issue)
    fields = vocabulary.member(issue, "fields")
    created, updated = moment(fields.get("created")), moment(fields.get("updated"))
    fresh = created is not None and created == updated
    return Event(
        id=event_id(entity, Kind.ISSUE_CREATED) if fresh else happening.updated_id(entity, None, updated, data),
        kind=Kind.ISSUE_CREATED if fresh else Kind.ISSUE_UPDATED,
        entity=entity,
        at=updated or created or site.now(),
        data=data,
        actor=vocabulary.person(fields.get("creator")) if fresh else None,
        raw={"issue": issue},
        marker=mark.of_issue(issue),
        origin=origin,
    )


def complete(site: Site, event: Event) -> Event | None:
    """Return the event with what it lacked, as Jira holds it now; None where the item is gone.

    A deletion is the other way round: it is believed only when the item really is not there any more,
    and None says that it still is.
    """
    match event.kind:
        case Kind.ISSUE_DELETED:
            return None if issue_of(site, event.entity.id) else replace(event, partial=False)
        case Kind.COMMENT_DELETED:
            if comment_of(site, event.entity.id, event.sub) is not None:
                return None
            issue = issue_of(site, event.entity.id)
            return replace(event, partial=False) if issue is None else _with_issue(site, event, issue)
        case Kind.COMMENT_CREATED | Kind.COMMENT_UPDATED:
            return _complete_comment(site, event)
        case _:
            issue = issue_of(site, event.entity.id)
            return None if issue is None else _with_issue(site, event, issue)


def tells_mark(event: Event) -> bool:
    """Tell whether an event shows our mark if its issue has one; a webhook brings no properties."""
    return bool(event.marker) or isinstance(vocabulary.member(event.raw, "issue").get("properties"), Mapping)


def _complete_comment(site: Site, event: Event) -> Event | None:
    comment = comment_of(site, event.entity.id, event.sub)
    # What we read ourselves a moment ago need not be read again for each of its comments.
    known = event.raw.get("issue") if event.origin in {"poll", "backfill"} else None
    issue = None if comment is None else known or issue_of(site, event.entity.id)
    if comment is None or issue is None:
        return None
    return told_whole(site, event, issue, comment)


def told_whole(site: Site, event: Event, issue: Json, comment: Json) -> Event:
    """Return the event of a comment with all that issue and comment (with its properties) say."""
    full = _with_issue(site, event, issue)
    data = vocabulary.comment_data(site.settings, full.entity, comment)
    author = vocabulary.person(comment.get("author" if event.kind is Kind.COMMENT_CREATED else "updateAuthor"))
    return replace(
        full.with_data(comment=data),
        actor=author or event.actor,
        raw={**full.raw, "comment": comment},
        marker=mark.of_comment(comment),
    )


def _with_issue(site: Site, event: Event, issue: Json) -> Event:
    # The body that came stays in raw where it says more than the issue (its changelog).
    return replace(
        event,
        entity=vocabulary.issue_entity(site.connection, site.settings, issue),
        data={**event.data, **vocabulary.issue_data(site.settings, issue)},
        raw={**event.raw, "issue": issue},
        partial=False,
        marker=mark.of_issue(issue) if event.kind.is_state else event.marker,
    )


def find(site: Site, source: Any, named: str) -> Event:
    """Return the newest state event of the issue that a person named by key, id or URL."""
    del source
    name = issue_name(named)
    issue = issue_of(site, name)
    if issue is None:
        raise Rejected(f"there is no issue {name} here, or the account may not see it", cause="not_found", status=404)
    return state_event(site, issue, "read")


def issue_name(named: str) -> str:
    """Take the key (or id) out of what a person wrote: ``WEB-12``, ``10234`` or a page's address."""
    stripped = named.strip()
    if stripped.isdigit():
        return stripped
    url = urlsplit(stripped)
    # The key is the last one in the path, or selectedIssue= of a board's address.
    where = f"{url.path}?{url.query}" if url.scheme else stripped.upper()
    found = _KEY.findall(where)
    if not found:
        raise Rejected(f"{named!r} is neither an issue key nor the address of one", cause="not_a_key")
    return str(found[-1])


def matches(site: Site, query: str, event: Event) -> bool:
    """Tell whether an issue satisfies a JQL query now.

    The index lags: where the search cannot be told to look at the issue itself (Data Center), a *no*
    about something that happened within the lag is not believed yet.
    """
    number = event.entity.id
    jql = f"id = {number} AND ({without_order(query)})"
    reconciles = site.settings.flavour.reconciles
    found = (
        search(site, jql, fields="id", size=1, reconcileIssues=number)
        if reconciles
        else search(site, jql, fields="id", size=1)
    )
    if found["issues"]:
        return True
    left = site.settings.index_lag - (site.now() - event.at)
    if not reconciles and left > timedelta(0):
        message = "the search index may not show the issue yet; it is asked again"
        raise Retryable(message, sent=False, cause="index_lag", retry_after=left)
    return False
