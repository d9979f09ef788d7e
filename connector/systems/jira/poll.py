"""Find what changed since a cursor, with the same event ids that the webhooks would have had.

A poll is a *sweep*: a search by ``updated`` from a little before the cursor, over as many pages as it
takes.  The cursor moves only when a sweep is complete; within one it holds where to go on, so a crash
repeats a page and skips nothing.

Cursor (JSON): ``v`` 1 · ``since`` ISO time of the newest change known · ``sweep``, only between pages:
``{from, after, high, token | start, last}``: the JQL time literal, the exact time events are wanted
from, the newest change seen so far, and the place in the search (Cloud: the token; Data Center: the
offset, and the id of the last issue read, to see rows shift).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from connector.errors import Rejected
from connector.event import Event, Kind, event_id
from connector.ports import Site
from connector.system import Page
from connector.systems.jira import vocabulary
from connector.systems.jira.api import get_object, pages, search
from connector.systems.jira.read import state_event
from connector.systems.jira.settings import JiraSource
from connector.systems.jira.vocabulary import Json, member, moment

_SIZE: Final = 50
_ORDER: Final = re.compile(r"order\s+by\b", re.IGNORECASE)
_SLACK: Final = timedelta(seconds=30)
"""Beside the index lag, what the overlap allows for: clocks that differ, transactions that commit late."""

BLIND_SPOTS: Final = (
    "deleted issues and comments: a search does not show what is gone; only webhooks tell",
    "remote links and issue links seen from the other side: they do not move an issue's time of update",
    "a state between two changes: the history tells what changed, the values are those of now",
    "a comment edited twice between two polls is seen in its last form only",
)


# --- poll ------------------------------------------------------------------------------------------
def poll(site: Site, source: JiraSource, cursor: Mapping[str, Any], now: datetime) -> Page:
    """Return the next page of changes; an empty cursor starts at ``now``."""
    if not cursor:
        return Page((), {"v": 1, "since": now.astimezone(UTC).isoformat()})
    sweep = cursor.get("sweep") or _new_sweep(site, datetime.fromisoformat(cursor["since"]))
    try:
        found = _search(site, _jql(source, sweep["from"]), sweep)
    except Rejected as refused:
        if refused.status != 400 or not sweep.get("token"):
            raise
        # A token lives seven days, and dies with a change of the search: begin the sweep again.
        return Page((), {"v": 1, "since": cursor["since"]}, more=True)
    issues: list[Json] = found["issues"]
    if sweep.get("start") and (not issues or issues[0].get("id") != sweep["last"]):
        # Rows before the offset were changed and moved to the end: the page that slid past is read again.
        return Page((), {"v": 1, "since": cursor["since"], "sweep": {**sweep, "start": 0, "last": ""}}, more=True)
    after = datetime.fromisoformat(sweep["after"])
    events = tuple(event for issue in issues for event in _happened(site, issue, after))
    high = max([sweep["high"], *(_updated(issue) for issue in issues)])
    following = _following(site, sweep, found, high)
    if following is None:
        return Page(events, {"v": 1, "since": high} if high > cursor["since"] else {"v": 1, "since": cursor["since"]})
    return Page(events, {"v": 1, "since": cursor["since"], "sweep": following}, more=True)


def _new_sweep(site: Site, since: datetime) -> dict[str, Any]:
    after = since - site.settings.index_lag - _SLACK
    return {"from": literal(after, _zone(site)), "after": after.isoformat(), "high": since.isoformat()}


def _search(site: Site, jql: str, sweep: Mapping[str, Any]) -> Any:
    return search(
        site,
        jql,
        fields="*all",
        size=_SIZE,
        expand="changelog",
        token=sweep.get("token", ""),
        start=sweep.get("start", 0),
    )


def _jql(source: JiraSource, since: str) -> str:
    # Types are not asked for here: `selects` decides, so that a changed type is still seen.
    return f'project in ({_listed(source.projects)}) AND updated >= "{since}" ORDER BY updated ASC, key ASC'


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(f'"{word}"' for word in words)


def _updated(issue: Json) -> str:
    at = moment(member(issue, "fields").get("updated"))
    return at.astimezone(UTC).isoformat() if at else ""


def _following(site: Site, sweep: Mapping[str, Any], found: Json, high: str) -> dict[str, Any] | None:
    """Return where the sweep goes on, None when it is complete."""
    issues = found["issues"]
    place = {"from": sweep["from"], "after": sweep["after"], "high": high}
    if site.settings.flavour.tokens:
        token = found.get("nextPageToken")
        return {**place, "token": token} if token and not found.get("isLast") else None
    start = sweep.get("start", 0)
    total = found.get("total")
    if not issues or len(issues) == (1 if start else 0) or (isinstance(total, int) and start + len(issues) >= total):
        return None
    newer = literal(datetime.fromisoformat(_updated(issues[-1]) or high), _zone(site))
    if newer > sweep["from"]:
        # The last row lies in a later minute: search from there, which no shifting of rows can hurt.
        return {**place, "from": newer}
    # More than a page within one minute: go on by offset, over the last row once more to see shifts.
    return {**place, "start": start + len(issues) - 1, "last": issues[-1].get("id", "")}


# --- JQL times ---------------------------------------------------------------------------------------
def _zone(site: Site) -> ZoneInfo | None:
    """Return the account's time zone, in which Jira reads JQL times; None where it does not tell.

    Not remembered: a person may change it in the profile, and one call a sweep is cheap.
    """
    name = get_object(site, "/myself").get("timeZone")
    if not isinstance(name, str):
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return None


def literal(at: datetime, zone: ZoneInfo | None) -> str:
    """Write a time as JQL takes it, never later than ``at``: whole minutes, in the account's zone.

    In the hour that the clocks go back through twice, Jira may mean the later one: the time is taken
    from before that hour.  Without a known zone it is taken 12 h earlier in UTC, which is early enough
    for every zone on earth.
    """
    if zone is None:
        return (at.astimezone(UTC) - timedelta(hours=12)).strftime("%Y-%m-%d %H:%M")
    local = at.astimezone(zone)
    while local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset():
        at -= timedelta(minutes=30)
        local = at.astimezone(zone)
    return local.strftime("%Y-%m-%d %H:%M")


# --- what happened to one issue ------------------------------------------------------------------------
def _happened(site: Site, issue: Json, after: datetime) -> list[Event]:
    """List what happened to an issue from ``after`` on, oldest first."""
    settings = site.settings
    fields = member(issue, "fields")
    entity = vocabulary.issue_entity(site.connection, settings, issue)
    data = vocabulary.issue_data(settings, issue)
    raw = {"issue": {name: value for name, value in issue.items() if name != "changelog"}}
    events: list[Event] = []
    created = moment(fields.get("created"))
    if created is not None and created >= after:
        who = vocabulary.person(fields.get("creator"))
        kind = Kind.ISSUE_CREATED
        events.append(Event(event_id(entity, kind), kind, entity, created, data, actor=who, raw=raw, origin="poll"))
    for entry in _histories(site, issue, after):
        at = moment(entry.get("created"))
        if at is None or at < after:
            continue
        events.append(
            Event(
                id=vocabulary.updated_id(entity, entry, at, data),
                kind=Kind.ISSUE_UPDATED,
                entity=entity,
                at=at,
                data=data,
                actor=vocabulary.person(entry.get("author")),
                change=vocabulary.changes(entry.get("items")),
                raw={**raw, "changelog": entry},
                origin="poll",
            )
        )
    for comment in _comments(site, issue):
        events += _comment_events(site, issue, comment, after, raw)
    return sorted(events, key=lambda event: event.at)


def _comment_events(site: Site, issue: Json, comment: Json, after: datetime, raw: Json) -> Iterator[Event]:
    settings = site.settings
    entity = vocabulary.issue_entity(site.connection, settings, issue)
    created, updated = moment(comment.get("created")), moment(comment.get("updated"))
    kinds: list[tuple[Kind, str]] = []
    if created is not None and created >= after:
        kinds.append((Kind.COMMENT_CREATED, "author"))
    if updated is not None and updated != created and updated >= after:
        kinds.append((Kind.COMMENT_UPDATED, "updateAuthor"))
    for kind, who in kinds:
        yield vocabulary.comment_event(
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


def _comments(site: Site, issue: Json) -> Iterator[Json]:
    """Yield an issue's comments; those of long discussions are read in full, for an old one may be edited."""
    field = member(member(issue, "fields"), "comment")
    shown = [comment for comment in field.get("comments") or () if isinstance(comment, Mapping)]
    total = field.get("total")
    if isinstance(total, int) and total > len(shown):
        yield from pages(site, f"/issue/{issue['id']}/comment", ("comments",))
    else:
        yield from shown


# --- backfill --------------------------------------------------------------------------------------------
def backfill(site: Site, source: JiraSource, query: Mapping[str, Any], cursor: Mapping[str, Any]) -> Page:
    """Return a page of the past: each issue as it is now, and its comments.

    Cursor: ``v`` 1 · ``jql``, fixed by the first page · ``token`` or ``start``.  Ordered by creation,
    which never changes, so offsets do not shift while people work.
    """
    jql = cursor.get("jql") or _backfill_jql(site, source, query)
    found = search(site, jql, fields="*all", size=_SIZE, token=cursor.get("token", ""), start=cursor.get("start", 0))
    issues: list[Json] = found["issues"]
    events: list[Event] = []
    for issue in issues:
        events.append(state_event(site, issue, "backfill"))
        long_ago = datetime.min.replace(tzinfo=UTC)
        for comment in _comments(site, issue):
            told = list(_comment_events(site, issue, comment, long_ago, {"issue": issue}))
            events += [replace(event, origin="backfill") for event in told[:1]]
    place: dict[str, Any] = {"v": 1, "jql": jql}
    if site.settings.flavour.tokens:
        token = found.get("nextPageToken")
        more = bool(token) and not found.get("isLast")
        return Page(tuple(events), {**place, "token": token} if more else place, more=more)
    start = cursor.get("start", 0) + len(issues)
    total = found.get("total")
    return Page(
        tuple(events), {**place, "start": start}, more=bool(issues) and isinstance(total, int) and start < total
    )


def _backfill_jql(site: Site, source: JiraSource, query: Mapping[str, Any]) -> str:
    where = f"project in ({_listed(source.projects)})"
    if query.get("jql"):
        where += f" AND ({without_order(str(query['jql']))})"
    if query.get("since"):
        since = datetime.fromisoformat(str(query["since"]))
        if since.tzinfo is None:
            raise Rejected("'since' needs a time zone", cause="since")
        where += f' AND updated >= "{literal(since, _zone(site))}"'
    return f"{where} ORDER BY created ASC, key ASC"


def without_order(jql: str) -> str:
    """Drop an ORDER BY (outside quotes) from a search that becomes a part of ours."""
    quote = ""
    for at, letter in enumerate(jql):
        if quote:
            quote = "" if letter == quote and jql[at - 1] != "\\" else quote
        elif letter in "\"'":
            quote = letter
        elif _ORDER.match(jql, at) and (at == 0 or not jql[at - 1].isalnum()):
            return jql[:at].rstrip()
    return jql.strip()
