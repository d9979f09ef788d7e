"""Tell what happened to one issue since a time, from its changelog and its comments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from connector.event import Event, Kind, event_id
from connector.ports import Site
from connector.systems.jira import happening, mark, vocabulary
from connector.systems.jira.api import pages
from connector.systems.jira.vocabulary import Json, member, moment


def happened(site: Site, issue: Json, after: datetime) -> list[Event]:
    """List what happened to an issue from ``after`` on, oldest first."""
    settings = site.settings
    fields = member(issue, "fields")
    entity = vocabulary.issue_entity(site.connection, settings, issue)
    data = vocabulary.issue_data(settings, issue)
    raw = {"issue": {name: value for name, value in issue.items() if name != "changelog"}}
    borne = mark.of_issue(issue)
    events: list[Event] = []
    created = moment(fields.get("created"))
    if created is not None and created >= after:
        who = vocabulary.person(fields.get("creator"))
        kind = Kind.ISSUE_CREATED
        events.append(
            Event(event_id(entity, kind), kind, entity, created, data, actor=who, raw=raw, marker=borne, origin="poll")
        )
    for entry in _histories(site, issue, after):
        at = moment(entry.get("created"))
        if at is None or at < after:
            continue
        events.append(
            Event(
                id=happening.updated_id(entity, entry, at, data),
                kind=Kind.ISSUE_UPDATED,
                entity=entity,
                at=at,
                data=data,
                actor=vocabulary.person(entry.get("author")),
                change=happening.changes(entry.get("items")),
                raw={**raw, "changelog": entry},
                marker=borne,
                origin="poll",
            )
        )
    for comment in comments(site, issue):
        events += comment_events(site, issue, comment, after, raw)
    return sorted(events, key=lambda event: event.at)


def comment_events(site: Site, issue: Json, comment: Json, after: datetime, raw: Json) -> Iterator[Event]:
    """Yield the creation and the last edit of a comment, as far as they are not before ``after``."""
    settings = site.settings
    entity = vocabulary.issue_entity(site.connection, settings, issue)
    created, updated = moment(comment.get("created")), moment(comment.get("updated"))
    kinds: list[tuple[Kind, str]] = []
    if created is not None and created >= after:
        kinds.append((Kind.COMMENT_CREATED, "author"))
    if updated is not None and updated != created and updated >= after:
        kinds.append((Kind.COMMENT_UPDATED, "updateAuthor"))
    for kind, who in kinds:
        yield happening.comment_event(
            settings,
            entity,
            kind,
            comment,
            at=None,
            issue=issue,
            actor=vocabulary.person(comment.get(who)),
            raw={**raw, "comment": comment},
            origin="poll",
        )


def _histories(site: Site, issue: Json, after: datetime) -> Iterator[Json]:
    """Yield the changelog entries that may be newer than ``after``; read on where the search gave only some."""
    changelog = member(issue, "changelog")
    entries = [entry for entry in changelog.get("histories") or () if isinstance(entry, Mapping)]
    total = changelog.get("total")
    times = [at for entry in entries if (at := moment(entry.get("created"))) is not None]
    cut = isinstance(total, int) and total > len(entries) and (not times or min(times) >= after)
    if cut and site.settings.flavour.changelog_pages:
        yield from pages(site, f"/issue/{issue['id']}/changelog", ("values", "histories"))
    else:
        yield from entries


def comments(site: Site, issue: Json) -> Iterator[Json]:
    """Yield an issue's comments; those of long discussions are read in full, for an old one may be edited."""
    field = member(member(issue, "fields"), "comment")
    shown = [comment for comment in field.get("comments") or () if isinstance(comment, Mapping)]
    total = field.get("total")
    if isinstance(total, int) and total > len(shown):
        yield from pages(site, f"/issue/{issue['id']}/comment", ("comments",))
    else:
        yield from shown
