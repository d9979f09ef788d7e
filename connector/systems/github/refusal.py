"""Name GitHub's refusals by what happens next."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

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
from connector.ports import Request, Response
from connector.systems.github.api import MOVED, http_date

LEAST_WAIT: Final = timedelta(seconds=60)
"""GitHub's advice where a secondary limit names no time."""

_REPOSITORY_IN_PATH: Final = re.compile(r"/repos/([^/]+/[^/?]+)")
_WORD: Final = re.compile(r"[a-z_]{1,40}")


def refusal(request: Request, response: Response) -> ConnectorError | None:
    """Name a bad answer; None for a good one.  A 304 is good: nothing new."""
    status = response.status
    if 200 <= status < 300 or status == 304:
        return None
    said = _said(response)
    where = _where(request)
    match status:
        case _ if status in MOVED:
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


def _retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """Read seconds or an HTTP date, the latter against the answer's own date."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit() and len(text) < 8:
        return timedelta(seconds=int(text))
    until, now = http_date(text), http_date(headers.get("date", ""))
    return max(until - now, timedelta(0)) if until and now else None


def _until_reset(headers: Mapping[str, str]) -> timedelta | None:
    """Return how long until ``x-ratelimit-reset``, measured by the server's own clock."""
    reset, now = headers.get("x-ratelimit-reset", ""), http_date(headers.get("date", ""))
    if not (reset.isascii() and reset.isdigit() and len(reset) < 12) or now is None:
        return None
    # A second more: the header is in whole seconds and the quota comes back after, not at, it.
    return max(datetime.fromtimestamp(int(reset), UTC) - now, timedelta(0)) + timedelta(seconds=1)
