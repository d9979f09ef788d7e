"""Build GitHub's requests and read its answers, page by page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from connector.errors import (
    Forbidden,
    Rejected,
    Retryable,
)
from connector.event import Entity
from connector.ports import Request, Response, Reveal, Site
from connector.system import Who
from connector.systems.github.members import readable
from connector.systems.github.settings import REPOSITORY, Connection

PER_PAGE: Final = 100
"""The most GitHub gives; more is silently clamped."""

MAX_PAGES: Final = 100
"""Where a listing that should be short is given up."""

VERSION: Final = "2022-11-28"
"""Pinned: later API versions hold breaking changes, and without the header the default may move."""

HEADERS: Final[Mapping[str, str]] = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": VERSION}

MOVED: Final = frozenset({301, 302, 303, 307, 308})
"""Statuses of a renamed repository or a transferred issue."""

READ_COST: Final = 1
WRITE_COST: Final = 5
"""Points of the secondary limit (900 a minute): a read costs 1, a write 5."""

_KEY: Final = re.compile(rf"(?P<repository>{REPOSITORY.pattern})#(?P<number>[0-9]{{1,18}})")


# --- requests --------------------------------------------------------------------------------------
def get(path: str, query: Mapping[str, str] | None = None, etag: str = "") -> Request:
    """Build a read; ``etag`` makes it conditional, and the 304 that may answer it costs no quota."""
    headers = {**HEADERS, "If-None-Match": etag} if etag else HEADERS
    return Request("GET", path, query=query or {}, headers=headers, cost=READ_COST)


def write(method: str, path: str, json: Any = None, entity: str = "") -> Request:
    """Build a call that changes something."""
    return Request(method, path, headers=HEADERS, json=json, endpoint="write", cost=WRITE_COST, entity=entity)


def split(key: str) -> tuple[str, int]:
    """Split ``owner/name#12``; raises `Rejected` for anything else, so that no odd path is built."""
    found = _KEY.fullmatch(key)
    if found is None:
        message = f"{key!r} is not a key like owner/name#12"
        raise Rejected(message, cause="key")
    return found["repository"], int(found["number"])


def issue_path(entity: Entity) -> str:
    """Return the path of an issue; pull requests are issues too there."""
    repository, number = split(entity.key)
    return f"/repos/{repository}/issues/{number}"


def authorize(settings: Connection, reveal: Reveal) -> Mapping[str, str]:
    """Return the header that carries the token."""
    return {"Authorization": f"Bearer {reveal(settings.auth.token).reveal()}"}


# --- answers ---------------------------------------------------------------------------------------
def document(response: Response, *, sent: bool = False) -> Any:
    """Parse a good answer; one that is no JSON came from something in between and may be asked again."""
    try:
        return readable(response.json())
    except (ValueError, RecursionError) as error:
        raise Retryable("GitHub's answer is not JSON", sent=sent, cause="not_json") from error


def listed(response: Response) -> list[dict[str, Any]]:
    """Parse a good answer that must be a list of objects."""
    found = document(response)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise Retryable("GitHub's answer is not a list of objects", sent=False, cause="not_a_list")
    return found


def found(response: Response, *, sent: bool = False) -> dict[str, Any]:
    """Parse a good answer that must be an object."""
    one = document(response, sent=sent)
    if not isinstance(one, dict):
        raise Retryable("GitHub's answer is not an object", sent=sent, cause="not_an_object")
    return one


def next_page(response: Response) -> str:
    """Return the URL of the next page, "" on the last one."""
    for part in response.headers.get("link", "").split(","):
        url, _, relation = part.partition(";")
        if re.search(r'\brel="?next\b', relation):
            return url.strip().strip("<>")
    return ""


def pages(site: Site, request: Request) -> Iterator[list[dict[str, Any]]]:
    """Read a listing page by page.

    The next page is asked for by its page number on our own path, so that a base URL behind a proxy
    keeps working where the links name another host.
    """
    for _ in range(MAX_PAGES):
        response = site.send(request)
        yield listed(response)
        following = dict(parse_qsl(urlsplit(next_page(response)).query)).get("page", "")
        if not following:
            return
        request = replace(request, query={**request.query, "page": following})
    raise Retryable(f"a listing has more than {MAX_PAGES} pages", sent=False, cause="too_many_pages")


def read(site: Site, request: Request, repository: str) -> Response | None:
    """Send a read; None where the item is gone.

    A 410 says so.  A 404 may as well be a missing permission: only when the repository itself can
    still be read is it taken for *gone*, otherwise the `Forbidden` is raised.
    """
    try:
        return site.send(request)
    except (Rejected, Forbidden) as error:
        if not is_gone(site, error, repository):
            raise
    return None


def is_gone(site: Site, error: Rejected | Forbidden, repository: str) -> bool:
    """Tell whether a refusal means that the item does not exist (see `read`)."""
    if error.cause == "gone":
        return True
    if error.cause != "not_found":
        return False
    try:
        site.send(get(f"/repos/{repository}"))
    except (Forbidden, Rejected):
        return False
    return True


def probe(site: Site) -> Who:
    """Ask who the token belongs to; classic tokens also tell their scopes."""
    response = site.send(get("/user"))
    user = found(response)
    scopes = tuple(s.strip() for s in response.headers.get("x-oauth-scopes", "").split(",") if s.strip())
    return Who(str(user.get("id", "")), str(user.get("login", "")), scopes, http_date(response.headers.get("date", "")))


def http_date(text: str) -> datetime | None:
    """Read a ``Date`` header; None where it is none."""
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
