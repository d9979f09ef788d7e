"""Find what changed since a cursor, with the same event ids that the webhooks would have had.

A poll is a sweep (`sweep`) over everything updated since a little before the cursor.  The cursor moves
only when a sweep is complete; within one it holds where to go on, so a crash repeats a page and skips
nothing.

Cursor (JSON): ``v`` 1 · ``since`` ISO time of the newest change known · ``sweep``, only between pages:
``from``, the JQL time literal · ``after``, the exact time that events are wanted from · ``until``, the
newest change when the sweep began · ``place``, see `sweep.Place`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from connector.errors import Forbidden, Rejected
from connector.event import Event
from connector.ports import Site
from connector.system import Page
from connector.systems.jira import jql, sweep
from connector.systems.jira.api import call
from connector.systems.jira.flavour import CLOUD
from connector.systems.jira.history import comment_events, comments, happened
from connector.systems.jira.read import state_event, told_whole
from connector.systems.jira.settings import JiraSource
from connector.systems.jira.vocabulary import Json

_SLACK: Final = timedelta(seconds=30)
"""Beside the index lag, what the overlap allows for: clocks that differ, transactions that commit late."""

BLIND_SPOTS: Final = (
    "deleted issues and comments: a search does not show what is gone; only webhooks tell",
    "remote links and issue links seen from the other side: they do not move an issue's time of update",
    "a state between two changes: the history tells what changed, the values are those of now",
    "a comment edited twice between two polls is seen in its last form only",
)


def poll(site: Site, source: JiraSource, cursor: Mapping[str, Any], now: datetime) -> Page:
    """Return the next page of changes; an empty cursor starts at ``now``."""
    if not cursor:
        return Page((), {"v": 1, "since": now.astimezone(UTC).isoformat(timespec="milliseconds")})
    since: str = cursor["since"]
    on: Mapping[str, Any] = cursor.get("sweep") or _new_sweep(site, datetime.fromisoformat(since))
    # Types are not asked for here: `selects` decides, so that a changed type is still seen.
    where = f'project in ({jql.listed(source.projects)}) AND updated >= "{on["from"]}"'
    issues, place = sweep.step(site, where, on["place"], expand="changelog")
    if place is not None and "until" not in on:
        # The sweep takes several pages.  What changes meanwhile may lie on a page already read, so the
        # cursor must not move past this moment: note it, in the index's own time, and begin.
        until = sweep.newest(site, where)
        return Page((), {"v": 1, "since": since, "sweep": {**on, "until": until}}, more=True)
    after = datetime.fromisoformat(on["after"])
    events = tuple(event for issue in issues for event in happened(site, issue, after))
    if place is not None:
        return Page(events, {"v": 1, "since": since, "sweep": {**on, "place": place}}, more=True)
    high = on["until"] if "until" in on else max(map(sweep.updated, issues), default="")
    return Page(events, {"v": 1, "since": max(high, since)})


def _new_sweep(site: Site, since: datetime) -> dict[str, Any]:
    place = sweep.begin(site)
    after = since - site.settings.index_lag - _SLACK
    return {"from": jql.literal(after, sweep.zone_of(place)), "after": after.isoformat(), "place": place}


def newest(site: Site, source: JiraSource, most: int) -> Sequence[Event]:
    """Return the newest state of the issues that changed last, as far as the index knows them; one call."""
    where = f"project in ({jql.listed(source.projects)})"
    if source.types:
        where += f" AND issuetype in ({jql.listed(source.types)})"
    return [state_event(site, issue, "read") for issue in sweep.latest(site, where, most)]


# --- backfill --------------------------------------------------------------------------------------------
def backfill(site: Site, source: JiraSource, query: Mapping[str, Any], cursor: Mapping[str, Any]) -> Page:
    """Return a page of the past: each issue as it is now, and its comments.

    Cursor: ``v`` 1 · ``where``, the condition that the first page fixed · ``place``, see `sweep.Place`.
    """
    place: Mapping[str, Any] = cursor.get("place") or sweep.begin(site)
    where: str = cursor.get("where") or _condition(source, query, place)
    issues, further = sweep.step(site, where, place)
    events: list[Event] = []
    for issue in issues:
        events.append(state_event(site, issue, "backfill"))
        for comment in comments(site, issue):
            told = list(comment_events(site, issue, comment, _LONG_AGO, {"issue": issue}))
            events += [replace(event, origin="backfill") for event in told[:1]]
    done = {"v": 1, "where": where, "place": further or place}
    return Page(_with_comments(site, events), done, more=further is not None)


def _with_comments(site: Site, events: Sequence[Event]) -> tuple[Event, ...]:
    """Read the comments of a page with one call, where there is one; whose are not found are read one by one later.

    ``POST /comment/list`` takes up to 1,000 ids (official OpenAPI document of Cloud; Data Center has no such call).
    """
    ids = [int(event.sub) for event in events if event.partial and event.sub.isdigit()]
    if site.settings.flavour is not CLOUD or not ids:
        return tuple(events)
    read: dict[str, Json] = {}
    for start in range(0, len(ids), _MOST_COMMENTS):
        some = ids[start : start + _MOST_COMMENTS]
        try:
            query, cost = {"expand": "properties"}, 1 + len(some)
            found = call(site, "POST", "/comment/list", query=query, json={"ids": some}, cost=cost, reads=True)
        except (Rejected, Forbidden):
            break
        rows = found.get("values") if isinstance(found, Mapping) else None
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, Mapping) and isinstance(row.get("properties"), list):
                read[str(row.get("id"))] = row
    return tuple(
        told_whole(site, event, event.raw["issue"], read[event.sub]) if event.partial and event.sub in read else event
        for event in events
    )


_MOST_COMMENTS: Final = 1_000


_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


def _condition(source: JiraSource, query: Mapping[str, Any], place: Mapping[str, Any]) -> str:
    where = f"project in ({jql.listed(source.projects)})"
    if query.get("jql"):
        where += f" AND ({jql.without_order(str(query['jql']))})"
    if query.get("since"):
        since = datetime.fromisoformat(str(query["since"]))
        if since.tzinfo is None:
            raise Rejected("'since' needs a time zone", cause="since")
        where += f' AND updated >= "{jql.literal(since, sweep.zone_of(place))}"'
    return where
