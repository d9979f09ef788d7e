"""Build GitHub's requests, follow its pages, and name its refusals by what happens next."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from connector.errors import (
    ConnectorError,
    Forbidden,
    RateLimited,
    Rejected,
    Retryable,
    Scope,
    Stale,
    Unauthorized,
)
from connector.event import Entity
from connector.ports import Request, Response, Reveal, Site
from connector.system import Limit, Who
from connector.systems.github.settings import REPOSITORY, Connection
from connector.systems.github.vocabulary import readable

PER_PAGE: Final = 100
"""The most GitHub gives; more is silently clamped."""

MAX_PAGES: Final = 100
"""Where a listing that should be short is given up."""

VERSION: Final = "2022-11-28"
"""Pinned: later API versions hold breaking changes, and without the header the default may move."""

HEADERS: Final[Mapping[str, str]] = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": VERSION}

READ_COST: Final = 1
WRITE_COST: Final = 5
"""Points of the secondary limit (900 a minute): a read costs 1, a write 5."""

LEAST_WAIT: Final = timedelta(seconds=60)
"""GitHub's advice where a secondary limit names no time."""

_KEY: Final = re.compile(rf"(?P<repository>{REPOSITORY.pattern})#(?P<number>[0-9]{{1,18}})")
_REPOSITORY_IN_PATH: Final = re.compile(r"/repos/([^/]+/[^/?]+)")
_WORD: Final = re.compile(r"[a-z_]{1,40}")


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


def limits(settings: Connection) -> Sequence[Limit]:
    """Return the limits to keep: the hourly quota and the secondary limits that GitHub publishes."""
    ours = settings.limits
    return (
        Limit("*", ours.requests_per_hour, timedelta(hours=1)),
        Limit("*", ours.points_per_minute, timedelta(minutes=1), unit="points"),
        Limit("write", ours.writes_per_minute, timedelta(minutes=1)),
        Limit("write", ours.writes_per_hour, timedelta(hours=1)),
    )


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
    return Who(str(user.get("id", "")), str(user.get("login", "")), scopes, _date(response.headers.get("date", "")))


# --- refusals ----------------------------------------------------------------------------------
def refusal(request: Request, response: Response) -> ConnectorError | None:
    """Name a bad answer; None for a good one.  A 304 is good: nothing new."""
    status = response.status
    if 200 <= status < 300 or status == 304:
        return None
    said = _said(response)
    where = _where(request)
    match status:
        case 301 | 302 | 303 | 307 | 308:
            return Stale("the repository or issue has moved", cause="moved", status=status)
        case 401:
            return Unauthorized("GitHub refuses the token: it is wrong, expired or revoked", status=status)
        case 403 | 429:
            return _limited(request, response, said) or _forbidden(response, where)
        case 404:
            message = f"GitHub shows nothing here: it does not exist, or the token may not see it ({where or 'here'})"
            return Forbidden(message, where=where, cause="not_found", status=status)
        case 408:
            return Retryable("GitHub timed out", sent=request.writes, status=status)
        case 409 | 412:
            return Stale("GitHub reports a conflict", status=status)
        case 410:
            return Rejected("it was deleted, or issues are switched off here", cause="gone", status=status)
        case 422:
            return _invalid(said)
        case 451:
            return Rejected("blocked for legal reasons", cause="legal", status=status)
        case _ if status >= 500:
            return Retryable(
                f"GitHub failed with {status}",
                sent=request.writes,
                status=status,
                retry_after=_retry_after(response.headers),
            )
        case _:
            return Rejected(f"GitHub refuses with {status}: {_text(said)}", status=status)


def _limited(request: Request, response: Response, said: Mapping[str, Any]) -> RateLimited | None:
    """Tell a limit from a missing permission, in GitHub's own order: retry-after, remaining, wording."""
    words = _text(said).casefold()
    wait = _retry_after(response.headers)
    if response.headers.get("x-ratelimit-remaining") == "0" and "secondary" not in words:
        return RateLimited(
            "GitHub's hourly quota is used up",
            scope=Scope.CONNECTION,
            retry_after=wait or _until_reset(response.headers),
            cause="rate:primary",
            status=response.status,
        )
    secondary = "secondary rate limit" in words or "abuse detection" in words
    if not secondary and wait is None and response.status != 429:
        return None
    # "temporarily blocked from content creation" speaks of writes only; reads go on.
    creation = "content creation" in words and request.writes
    return RateLimited(
        "GitHub asks to slow down",
        scope=Scope.ENDPOINT if creation else Scope.CONNECTION,
        retry_after=wait or LEAST_WAIT,
        cause="rate:secondary",
        status=response.status,
    )


def _forbidden(response: Response, where: str) -> Forbidden:
    if "x-github-sso" in response.headers:
        return Forbidden("the token is not authorised for this organisation's single sign-on", where=where, cause="sso")
    return Forbidden(f"the token may not do this in {where or 'this account'}", where=where, cause="forbidden")


def _invalid(said: Mapping[str, Any]) -> Rejected:
    """Read GitHub's validation errors: a list of {resource, field, code, message}, or of strings."""
    fields: dict[str, str] = {}
    causes = []
    errors = said.get("errors")
    for error in errors if isinstance(errors, list) else ():
        if not isinstance(error, dict):
            continue
        field, code = _word(error.get("field")), _word(error.get("code"))
        fields[field or "?"] = str(error.get("message") or code or "invalid")
        causes.append(f"{'required' if code == 'missing_field' else 'invalid'}:{field or code or '?'}")
    message = f"GitHub refuses the values: {_text(said) or 'validation failed'}"
    return Rejected(message, fields=fields, cause=next(iter(causes), "invalid"), status=422)


def _said(response: Response) -> Mapping[str, Any]:
    try:
        said = response.json()
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _text(said: Mapping[str, Any]) -> str:
    return str(said.get("message", ""))[:300]


def _word(value: Any) -> str:
    return value if isinstance(value, str) and _WORD.fullmatch(value) else ""


def _where(request: Request) -> str:
    inside = _REPOSITORY_IN_PATH.match(urlsplit(request.path).path)
    return inside[1] if inside else ""


def _date(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """Read seconds or an HTTP date, the latter against the answer's own date."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit() and len(text) < 8:
        return timedelta(seconds=int(text))
    until, now = _date(text), _date(headers.get("date", ""))
    return max(until - now, timedelta(0)) if until and now else None


def _until_reset(headers: Mapping[str, str]) -> timedelta | None:
    """Return how long until ``x-ratelimit-reset``, measured by the server's own clock."""
    reset, now = headers.get("x-ratelimit-reset", ""), _date(headers.get("date", ""))
    if not (reset.isascii() and reset.isdigit() and len(reset) < 12) or now is None:
        return None
    # A second more: the header is in whole seconds and the quota comes back after, not at, it.
    return max(datetime.fromtimestamp(int(reset), UTC) - now, timedelta(0)) + timedelta(seconds=1)
