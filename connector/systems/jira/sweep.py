"""Read a search to its end over many calls, so that nobody's work in between hides a row.

Rows are ordered by *creation*, which never changes: somebody's edit cannot move a row across a page
boundary, as it would in the order of updates.  Where the last row of a page was created in a later
minute than the page began with, the next page is searched from that minute on.  Only within one
minute (a bulk import) Jira's own paging is used: the token on Cloud; on Data Center an offset, over
the last row once more, so that a deleted row that shifts the others is noticed.

Weakness: on Cloud, an issue that is deleted while others *of the same minute of creation* are being
paged might hide one of them, if a token means an offset; that is not published.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from connector.errors import Rejected
from connector.ports import Site
from connector.systems.jira.api import PROPERTY, get_object, search
from connector.systems.jira.jql import literal
from connector.systems.jira.vocabulary import Json, member, moment

SIZE: Final = 50
Place = Mapping[str, Any]
"""Where a sweep goes on (JSON): ``zone`` · ``created``, the JQL time literal that the page begins with
· ``token`` (Cloud) or ``start`` and ``last`` (Data Center: offset, id of the last row read)."""


def begin(site: Site) -> dict[str, Any]:
    """Return the place where a sweep begins.

    The account's time zone, in which Jira reads JQL times, is asked anew for every sweep: a person may
    change it in the profile.
    """
    zone = get_object(site, "/myself").get("timeZone")
    return {"zone": zone if isinstance(zone, str) else ""}


def step(site: Site, where: str, place: Place, **more: str) -> tuple[list[Json], dict[str, Any] | None]:
    """Read one page; return its issues and where to go on, None when the search is at its end."""
    condition = f'{where} AND created >= "{place["created"]}"' if place.get("created") else where
    start, token = place.get("start", 0), place.get("token", "")
    jql = f"{condition} ORDER BY created ASC, key ASC"
    minute = {name: place[name] for name in ("zone", "created") if name in place}
    if site.settings.flavour.search_properties:
        # Our mark comes along, so that nobody has to read each issue for it.
        more = {"properties": PROPERTY, **more}
    try:
        found = search(site, jql, fields="*all", size=SIZE, token=token, start=start, **more)
    except Rejected as refused:
        if refused.status != 400 or not token:
            raise
        # A token lives seven days: begin this minute again.
        return [], minute
    issues: list[Json] = found["issues"]
    if start and (not issues or issues[0].get("id") != place.get("last")):
        return [], minute
    return issues, _following(site, found, place, minute)


def _following(site: Site, found: Json, place: Place, minute: dict[str, Any]) -> dict[str, Any] | None:
    issues, start = found["issues"], place.get("start", 0)
    token = found.get("nextPageToken")
    total = found.get("total")
    if site.settings.flavour.tokens:
        if not token or found.get("isLast"):
            return None
    elif len(issues) <= (1 if start else 0) or (isinstance(total, int) and start + len(issues) >= total):
        return None
    if issues:
        last = moment(member(issues[-1], "fields").get("created"))
        begun = literal(last, zone_of(place)) if last else ""
        if begun > place.get("created", ""):
            return {**minute, "created": begun}
    if site.settings.flavour.tokens:
        return {**minute, "token": token}
    return {**minute, "start": start + len(issues) - 1, "last": issues[-1].get("id", "")}


def newest(site: Site, where: str) -> str:
    """Return the time (ISO, UTC) of the newest change that the index shows; empty where there is none."""
    found = search(site, f"{where} ORDER BY updated DESC, key DESC", fields="updated", size=1)
    return max((updated(issue) for issue in found["issues"]), default="")


def latest(site: Site, where: str, most: int) -> list[Json]:
    """Return the issues that changed last, whole, the newest first; as many as one page holds at most."""
    more: dict[str, str] = {"properties": PROPERTY} if site.settings.flavour.search_properties else {}
    found = search(site, f"{where} ORDER BY updated DESC, key DESC", fields="*all", size=most, start=0, **more)
    issues: list[Json] = found["issues"]
    return issues[:most]


def updated(issue: Json) -> str:
    """Return an issue's time of update in UTC; comparable as text."""
    at = moment(member(issue, "fields").get("updated"))
    return at.astimezone(UTC).isoformat(timespec="milliseconds") if at else ""


def zone_of(place: Place) -> ZoneInfo | None:
    """Return the time zone of a sweep; None where it is not known."""
    if not place.get("zone"):
        return None
    try:
        return ZoneInfo(place["zone"])
    except (ZoneInfoNotFoundError, ValueError):
        return None
