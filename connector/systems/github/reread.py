"""Read an item again, as GitHub holds it now: to complete an event, or because a person named it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Final

from connector.errors import Rejected
from connector.event import Entity, Event, Kind
from connector.ports import Site
from connector.systems.github.api import found, get, read, split
from connector.systems.github.poll import repository_place
from connector.systems.github.settings import REPOSITORY, Source
from connector.systems.github.text import marker
from connector.systems.github.vocabulary import (
    Place,
    Telling,
    comment_snapshot,
    is_pull,
    item_event,
    snapshot,
    state_kind,
)

_URL: Final = re.compile(
    rf"https?://[^/\s]+/(?P<repository>{REPOSITORY.pattern})/(?:issues|pull)/(?P<number>[0-9]{{1,18}})\b.*"
)
_NUMBER: Final = re.compile(r"#?([0-9]{1,18})")


def issue_now(site: Site, entity: Entity) -> tuple[dict[str, Any], Place] | None:
    """Return an issue (or a pull request in its issue shape) and its place; None where it is gone.

    Reads follow redirects, so a renamed repository is found under its new name.  An issue that was
    *transferred* has another id there: here it is gone.
    """
    repository, number = split(entity.key)
    response = read(site, get(f"/repos/{repository}/issues/{number}"), repository)
    if response is None:
        return None
    issue = found(response)
    place = repository_place(site, issue_repository(issue, repository))
    if place.entity(issue).id != entity.id:
        return None
    return issue, place


def issue_repository(issue: dict[str, Any], default: str) -> str:
    """Return the ``owner/name`` that an issue says it is in."""
    inside = re.search(rf"/repos/({REPOSITORY.pattern})\Z", str(issue.get("repository_url", "")))
    return inside[1] if inside else default


def complete(site: Site, event: Event) -> Event | None:
    """Return an event with what it lacked; None where its item is gone.

    A deletion needs nothing more.  Reviews and comments on code keep the words that their signed
    webhook carried: only the pull request is read again.
    """
    if event.kind in {Kind.ISSUE_DELETED, Kind.COMMENT_DELETED}:
        return replace(event, partial=False)
    now = issue_now(site, event.entity)
    if now is None:
        return None
    issue, place = now
    if is_pull(issue):
        number = split(place.entity(issue).key)[1]
        issue = found(site.send(get(f"/repos/{place.name}/pulls/{number}")))
    entity, data = place.entity(issue), snapshot(issue, place)
    raw = {**event.raw, "pull_request" if entity.type == "pull_request" else "issue": issue}
    if event.kind.is_state:
        mark = marker(issue.get("body") or "")
        return replace(event, entity=entity, data=data, raw=raw, marker=mark, partial=False)
    mark, comment = event.marker, event.data.get("comment")
    if event.sub.isdigit():
        response = read(site, get(f"/repos/{place.name}/issues/comments/{event.sub}"), place.name)
        if response is None:
            return None
        one = found(response)
        mark, comment, raw = marker(one.get("body") or ""), comment_snapshot(one), {**raw, "comment": one}
    return replace(event, entity=entity, data={**data, "comment": comment}, raw=raw, marker=mark, partial=False)


def find(site: Site, source: Source | None, text: str) -> Event:
    """Return the newest state of what a person named: ``acme/web#12``, its URL, or ``#12``.

    The number alone is enough where the source follows one repository.
    """
    repository, number = _named(source, text.strip())
    response = read(site, get(f"/repos/{repository}/issues/{number}"), repository)
    if response is None:
        message = f"there is no issue or pull request {repository}#{number}"
        raise Rejected(message, cause="gone")
    item = found(response)
    place = repository_place(site, issue_repository(item, repository))
    name = "issue"
    if is_pull(item):
        name = "pull_request"
        item = found(site.send(get(f"/repos/{place.name}/pulls/{split(place.entity(item).key)[1]}")))
    raw = {name: item, "repository": {"id": place.id, "full_name": place.name}}
    return item_event(place, state_kind(item), item, Telling("read", raw))


def _named(source: Source | None, text: str) -> tuple[str, int]:
    url = _URL.fullmatch(text)
    if url is not None:
        return url["repository"], int(url["number"])
    alone = _NUMBER.fullmatch(text)
    if alone is not None and source is not None and len(source.repositories) == 1:
        return source.repositories[0], int(alone[1])
    return split(text)
