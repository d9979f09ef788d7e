"""Read what happened since a cursor, one page a call, so that nothing between two polls is skipped.

Each repository has two streams: its issues and pull requests, and the comments on them.  A stream
remembers the newest ``updated_at`` it has seen and asks again from a little before it.  Within a walk
over many pages the *time* moves on, not the page number: an item that is updated meanwhile jumps to
the end of the listing, and counting pages would skip the one that takes its place.

    {"v": 1, "streams": {"acme/web issues": {"from": ISO, "at": ISO, "etag": str, "walk": {...}}},
     "turn": 1, "refused": ["acme/old"], "ended": ISO}

``turn`` and what follows it exist only inside a round over several pages.  A poll cannot tell a
comment from an edit as the reason why ``updated_at`` moved, so it also brings state events of issues
that were only commented on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from connector.errors import Forbidden, Rejected, Unreadable
from connector.event import Event, Kind
from connector.ports import Request, Site
from connector.system import Page
from connector.systems.github.api import PER_PAGE, found, get, listed, next_page, read
from connector.systems.github.members import Json, member, moment
from connector.systems.github.settings import Source
from connector.systems.github.vocabulary import (
    Place,
    Telling,
    comment_event,
    is_pull,
    is_whole_pull,
    item_event,
    person,
    state_kind,
)

OVERLAP: Final = timedelta(minutes=2)
"""Asked again at each poll, for replicas that lag; what was seen already has the same ids."""

TICK: Final = timedelta(seconds=1)
"""GitHub's clock; ``since`` may or may not include its own second."""

ROUND_ENDS: Final = timedelta(seconds=30)
"""Within this time the refusals of a round are reported; later a new round begins."""

_LIFE: Final = timedelta(hours=1)
_PATHS: Final = {"issues": "issues", "comments": "issues/comments"}


@dataclass(frozen=True, slots=True)
class Step:
    """What one page brought and the stream after it; ``more`` while the walk goes on."""

    events: tuple[Event, ...]
    stream: Mapping[str, Any]
    more: bool


def poll(site: Site, source: Source, cursor: Mapping[str, Any], now: datetime) -> Page:
    """Read the next page of the next stream; a repository that is new here starts at ``now``.

    A repository that refuses does not keep the others from being read: it is passed over, and its
    `Forbidden` is raised when the round is through.
    """
    names = _streams(source)
    # What is no longer followed is forgotten: followed again, it starts anew.
    streams = {name: stream for name, stream in cursor.get("streams", {}).items() if name in names}
    # GitHub's times are whole seconds: what happens within this one must not lie before it.
    start = _iso(now.replace(microsecond=0))
    new = {name: {"from": start, "at": start} for name in names if name not in streams}
    if new:
        return Page((), {**cursor, "v": 1, "streams": {**streams, **new}}, more=bool(cursor))
    turn, refused = cursor.get("turn", 0), list(cursor.get("refused", ()))
    if turn >= len(names):
        if refused and now - datetime.fromisoformat(cursor["ended"]) < ROUND_ENDS:
            message = f"these repositories cannot be read: {', '.join(refused)}"
            raise Forbidden(message, where=refused[0], cause="poll:refused")
        turn, refused = 0, []
    name = names[turn]
    try:
        step = walk(site, name, streams[name], "poll")
    except Forbidden:
        if len(source.repositories) == 1:
            raise
        step = Step((), streams[name], more=False)
        refused = sorted({*refused, name.split(" ")[0]})
    streams[name] = step.stream
    after: dict[str, Any] = {"v": 1, "streams": streams}
    turn += 0 if step.more else 1
    if turn >= len(names) and not refused:
        return Page(step.events, after)
    after.update(turn=turn, refused=refused)
    if turn >= len(names):
        after["ended"] = _iso(now)
    return Page(step.events, after, more=True)


def backfill(site: Site, source: Source, query: Mapping[str, Any], cursor: Mapping[str, Any]) -> Page:
    """Read the past since ``query["since"]``: the present state of each item, and its comments."""
    if set(query) != {"since"}:
        raise Rejected("GitHub is read back by a date only: since", cause="query")
    names = _streams(source)
    turn = cursor.get("turn", 0)
    if turn >= len(names):
        return Page((), cursor)
    since = moment(query, "since")
    stream = cursor.get("stream") or {"from": _iso(since), "at": _iso(since)}
    step = walk(site, names[turn], stream, "backfill")
    if step.more:
        return Page(step.events, {"v": 1, "turn": turn, "stream": step.stream}, more=True)
    return Page(step.events, {"v": 1, "turn": turn + 1}, more=turn + 1 < len(names))


def newest(site: Site, source: Source, most: int) -> list[Event]:
    """Return the newest state of the issues and pull requests that changed last; one call a repository.

    "List repository issues" of the REST API, whose pages hold 100 at most; each pull request is read by itself.
    """
    query = {"state": "all", "sort": "updated", "direction": "desc", "per_page": str(min(most, PER_PAGE))}
    items = [
        (moment(item, "updated_at"), repository, item)
        for repository in source.repositories
        for item in listed(site.send(get(f"/repos/{repository}/issues", query)))
    ]
    items.sort(key=lambda one: one[0], reverse=True)
    events: list[Event] = []
    for at, repository, item in items[:most]:
        events += _item_events(site, repository_place(site, repository), item, at, "backfill")
    return [replace(event, origin="read") for event in events]


def walk(site: Site, name: str, stream: Mapping[str, Any], origin: str) -> Step:
    """Read one page of one stream."""
    repository, kind = name.split(" ")
    began, at = _at(stream["from"]), _at(stream["at"])
    floor = max(began, at - OVERLAP)
    going: Mapping[str, Any] = stream.get("walk") or {"since": _iso(floor), "page": 1, "high": stream["at"]}
    first = "walk" not in stream
    response = site.send(
        _listing(f"/repos/{repository}/{_PATHS[kind]}", kind, going, str(stream.get("etag", "")) if first else "")
    )
    if response.status == 304:
        return Step((), stream, more=False)
    items = listed(response)
    place = repository_place(site, repository)
    if kind == "issues":
        events = [event for item in items for event in _item_events(site, place, item, floor, origin)]
    else:
        events = _comment_events(site, place, items, floor, origin)
    last = max((moment(item, "updated_at") for item in items), default=at)
    high = max(_at(going["high"]), last)
    kept = {"from": stream["from"], "at": stream["at"]}
    if next_page(response):
        since, page = _at(going["since"]), going["page"] + 1
        if last - TICK > since:
            since, page = last - TICK, 1
        return Step(
            tuple(events), {**kept, "walk": {"since": _iso(since), "page": page, "high": _iso(high)}}, more=True
        )
    # A full page is the same page when the next item comes after it: its ETag would hide that one.
    if first and len(items) < PER_PAGE and "etag" in response.headers:
        kept["etag"] = response.headers["etag"]
    return Step(tuple(events), {**kept, "at": _iso(high)}, more=False)


def _listing(path: str, kind: str, going: Mapping[str, Any], etag: str) -> Request:
    query = {"since": _zulu(_at(going["since"])), "sort": "updated", "direction": "asc", "per_page": str(PER_PAGE)}
    if kind == "issues":
        query["state"] = "all"
    if going["page"] > 1:
        query["page"] = str(going["page"])
    return get(path, query, etag)


def _item_events(site: Site, place: Place, item: Json, floor: datetime, origin: str) -> list[Event]:
    """Tell what the listing shows of one item as webhooks would have told it."""
    if is_pull(item):
        number = member(item, "number", int)
        item = found(site.send(get(f"/repos/{place.name}/pulls/{number}")))
        raw: Json = {"pull_request": item, **_repository(place)}
        once = (Kind.PULL_REQUEST_CREATED, "created_at"), _ending(item)
    else:
        raw = {"issue": item, **_repository(place)}
        once = (Kind.ISSUE_CREATED, "created_at"), (Kind.OTHER, "")
    told = Telling(origin, raw)
    if origin == "backfill":
        return [item_event(place, state_kind(item), item, told)]
    events, told_of = [], floor
    for kind, name in once:
        if not name:
            continue
        at = moment(item, name)
        told_of = max(told_of, at)
        if at >= floor:
            actor = person(item.get("user")) if name == "created_at" else None
            events.append(item_event(place, kind, item, Telling(origin, raw, actor)))
    if moment(item, "updated_at") > told_of or not events:
        kind = Kind.PULL_REQUEST_UPDATED if is_whole_pull(item) else Kind.ISSUE_UPDATED
        events.append(item_event(place, kind, item, told))
    return events


def _ending(pull: Json) -> tuple[Kind, str]:
    if pull.get("merged_at"):
        return Kind.PULL_REQUEST_MERGED, "merged_at"
    if pull.get("closed_at"):
        return Kind.PULL_REQUEST_CLOSED, "closed_at"
    return Kind.OTHER, ""


def _comment_events(
    site: Site, place: Place, comments: list[dict[str, Any]], floor: datetime, origin: str
) -> list[Event]:
    issues: dict[int, dict[str, Any] | None] = {}
    events = []
    for comment in comments:
        number = _number(member(comment, "issue_url", str))
        if number not in issues:
            response = read(site, get(f"/repos/{place.name}/issues/{number}"), place.name)
            issues[number] = None if response is None else found(response)
        issue = issues[number]
        if issue is None:
            # The issue was deleted since, and its comments with it.
            continue
        raw = {"issue": issue, "comment": comment, **_repository(place)}
        told = Telling(origin, raw, person(comment.get("user")))
        created = moment(comment, "created_at")
        if created >= floor or origin == "backfill":
            events.append(comment_event(place, Kind.COMMENT_CREATED, issue, comment, told))
        if moment(comment, "updated_at") > created and origin != "backfill":
            edited = Telling(origin, raw)
            events.append(comment_event(place, Kind.COMMENT_UPDATED, issue, comment, edited))
    return events


def repository_place(site: Site, repository: str) -> Place:
    """Return where a repository is now; listings of issues do not hold its id."""

    def load() -> dict[str, Any]:
        one = found(site.send(get(f"/repos/{repository}")))
        return {"id": member(one, "id", int), "full_name": member(one, "full_name", str)}

    return Place.of(site.connection, site.memory(f"repository:{repository.casefold()}", _LIFE, load))


def _repository(place: Place) -> dict[str, Any]:
    return {"repository": {"id": place.id, "full_name": place.name}}


def _number(url: str) -> int:
    tail = url.rpartition("/")[2]
    if not (tail.isascii() and tail.isdigit() and len(tail) < 19):
        raise Unreadable("issue_url: does not end with a number", cause="member:issue_url")
    return int(tail)


def _streams(source: Source) -> list[str]:
    return [f"{repository.casefold()} {kind}" for repository in source.repositories for kind in _PATHS]


def _iso(at: datetime) -> str:
    return at.isoformat()


def _zulu(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)
