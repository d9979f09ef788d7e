"""Filter, sort and page the pretended GitHub's lists, and answer conditional reads."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

from connector.sandbox import Answer, Call
from connector.systems.github.sandbox.change import invalid
from connector.systems.github.sandbox.state import Comment, Issue, Repository

T = TypeVar("T")
Dated = TypeVar("Dated", Issue, Comment)


def paged(url: str, call: Call, one: Repository | None, items: Sequence[T], show: Callable[[T], Any]) -> Answer:
    """Return one page with GitHub's Link header, whose URLs name the repository, if it is of one, by id."""
    size = min(max(as_number(call.first("per_page", "30"), 30), 1), 100)
    page = max(as_number(call.first("page", "1"), 1), 1)
    last = max((len(items) + size - 1) // size, 1)
    shown = [show(item) for item in items[(page - 1) * size : page * size]]
    tail = call.path.strip("/").split("/", 3 if call.path.startswith("/repos/") else 2)[-1]
    rest = {name: values[0] for name, values in call.query.items() if name != "page"}
    links = []
    for relation, number in (("prev", page - 1), ("next", page + 1), ("last", last), ("first", 1)):
        useful = number >= 1 and (page < last if relation in {"next", "last"} else page > 1)
        if useful:
            query = urlencode({**rest, "page": number})
            where = call.path.strip("/") if one is None else f"repositories/{one.id}/{tail}"
            links.append(f'<{url}/{where}?{query}>; rel="{relation}"')
    return Answer.of(200, shown, **({"link": ", ".join(links)} if links else {}))


def chosen(one: Repository, call: Call) -> list[Issue]:
    """Filter and sort a repository's issues as the query asks."""
    state, creator, assignee = call.first("state", "open"), call.first("creator"), call.first("assignee")
    labels = {name.strip().casefold() for name in call.first("labels").split(",") if name.strip()}
    if state not in {"open", "closed", "all"}:
        raise invalid("state", "invalid", value=state)
    found = [
        issue
        for issue in one.issues.values()
        if state in {"all", issue.state}
        and (not creator or issue.user.login.casefold() == creator.casefold())
        and (not assignee or assignee in issue.assignees)
        and labels <= issue.labels.keys()
    ]
    # Without `direction` GitHub shows the newest first.
    return ordered(found, call, direction="desc")


def ordered(items: Iterable[Dated], call: Call, direction: str = "asc") -> list[Dated]:
    """Filter by ``since`` and sort as the query asks, by creation where it does not."""
    found = since_asked(items, call)
    updated = call.first("sort", "created") == "updated"
    backwards = call.first("direction", direction) == "desc"
    return sorted(found, key=lambda one: (one.updated if updated else one.created, one.id), reverse=backwards)


def since_asked(items: Iterable[Dated], call: Call) -> list[Dated]:
    """Return what changed at or after ``since``."""
    text = call.first("since")
    if not text:
        return list(items)
    try:
        since = datetime.fromisoformat(text)
    except ValueError as error:
        raise invalid("since", "invalid", value=text) from error
    since = since if since.tzinfo else since.replace(tzinfo=UTC)
    # Times are shown in whole seconds, and compared so.
    return [one for one in items if one.updated.replace(microsecond=0) >= since]


def conditional(call: Call, answer: Answer) -> Answer:
    """Give good reads an ETag, and 304 to who has it already."""
    if call.method != "GET" or answer.status != 200:
        return answer
    etag = f'W/"{hashlib.sha256(answer.body).hexdigest()}"'
    if call.headers.get("if-none-match") == etag:
        return Answer(304, b"", {"etag": etag})
    return Answer(200, answer.body, {**answer.headers, "etag": etag})


def as_number(text: str, default: int = -1) -> int:
    """Read a number out of a path or query; ``default`` where it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else default
