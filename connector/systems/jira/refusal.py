"""Name each refusal of Jira by what happens next.

Jira's messages are written in the language of the account, so nothing here reads them: a refusal is
told by its status, its headers and the *field keys* of its body.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

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

_NO_LOGIN: Final = ("AUTHENTICATED_FAILED", "AUTHENTICATION_DENIED")
_FIELD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}\Z")
_KEY_IN_PATH: Final = re.compile(r"/(?:issue|project|createmeta)/([A-Z][A-Z0-9_]+)(?:-\d+)?(?:/|\Z)")
_LONGEST_WAIT: Final = timedelta(hours=2)


def refusal(request: Request, response: Response) -> ConnectorError | None:
    """Name a bad answer by what happens next; None for a good one."""
    status = response.status
    reason = response.headers.get("x-seraph-loginreason", "")
    if any(word in reason for word in _NO_LOGIN):
        # Jira then goes on as anonymous: 404 for what exists, or 200 with nothing in it.
        return Unauthorized(
            f"Jira did not accept the credential ({reason}); renew the token", cause="login_failed", status=status
        )
    if 200 <= status < 300 or (status == 400 and request.path.endswith("/issue/bulk") and _tells_each(response)):
        return None
    make = _BY_STATUS.get(status)
    if make is not None:
        return make(request, response)
    if status >= 500:
        return _retryable(request, response)
    if 300 <= status < 400:
        return Rejected(
            "Jira redirects elsewhere: the connection's url is not the site's own, or a login page stands before it",
            cause="redirect",
            status=status,
        )
    return Rejected(f"Jira refused the request with {status}", cause=str(status), status=status)


def _tells_each(response: Response) -> bool:
    """Tell whether a bulk create that made nothing says of each element why; then that is an answer."""
    try:
        found = response.json()
    except ValueError:
        return False
    errors = found.get("errors") if isinstance(found, Mapping) else None
    return isinstance(errors, list) and any(isinstance(one, Mapping) and "failedElementNumber" in one for one in errors)


def _retryable(request: Request, response: Response) -> ConnectorError:
    return Retryable(
        f"Jira answered {response.status}; it may succeed later",
        sent=request.writes,
        cause=str(response.status),
        status=response.status,
        retry_after=_retry_after(response),
    )


def _stale(_request: Request, response: Response) -> ConnectorError:
    return Stale("the issue was changed by somebody else at the same time", status=response.status)


def _unauthorized(_request: Request, response: Response) -> ConnectorError:
    return Unauthorized("Jira refused the credential; renew the token", cause="401", status=response.status)


def _forbidden(request: Request, response: Response) -> ConnectorError:
    where = _where(request)
    place = f" in {where}" if where else ""
    return Forbidden(
        f"the account may not do this{place}; give it the permission", where=where, cause="403", status=response.status
    )


def _missing(_request: Request, response: Response) -> ConnectorError:
    return Rejected(
        "the issue or comment does not exist, or the account may not see it", cause="not_found", status=response.status
    )


def _full(_request: Request, response: Response) -> ConnectorError:
    # Per-issue caps: 5,000 comments, 2,000 remote links, 2,000 attachments.
    return Rejected(
        "the issue holds as many comments or links as Jira allows, or the request is too large; archive some",
        cause="issue_full",
        status=response.status,
    )


def _rejected(request: Request, response: Response) -> ConnectorError:
    """Classify a 400 by its field keys: a field that we did not send was *required*, one sent is *invalid*."""
    messages, errors = error_body(response)
    if "CONTENT_LIMIT_EXCEEDED" in messages:
        return Rejected("the text is longer than Jira allows", cause="too_long", status=response.status)
    sent = _sent_fields(request)
    required = sorted(name for name in errors if name not in sent)
    invalid = sorted(name for name in errors if name in sent)
    what = "; ".join([f"{name}: {text}" for name, text in sorted(errors.items())] or messages)
    if required and request.writes:
        cause = f"required:{_word(required[0])}"
        message = f"Jira requires {', '.join(required)}: add it to the mapping, or make it optional there ({what})"
    elif errors:
        cause = f"invalid:{_word((invalid or required)[0])}"
        message = f"Jira does not take the value: {what}"
    else:
        cause = str(response.status)
        message = f"Jira refused the request: {what or response.status}"
    return Rejected(message, fields=errors, cause=cause, status=response.status)


def _rate_limited(request: Request, response: Response) -> ConnectorError:
    reason = response.headers.get("ratelimit-reason", "")
    scope, name = Scope.CONNECTION, "connection"
    for part, known, word in _REASONS:
        if part in reason:
            scope, name = known, word
            break
    if scope is Scope.ENTITY and not request.entity:
        scope = Scope.ENDPOINT
    return RateLimited(
        f"Jira asks to wait ({reason or 'no reason given'})",
        scope=scope,
        retry_after=_retry_after(response),
        cause=f"rate:{name}",
        status=response.status,
    )


_REASONS: Final = (
    ("quota", Scope.CONNECTION, "quota"),
    ("burst", Scope.ENDPOINT, "burst"),
    ("per-issue", Scope.ENTITY, "issue"),
    ("cost", Scope.CONNECTION, "cost"),
)
"""Part of ``RateLimit-Reason`` -> how much to snooze.  None at all (Data Center, gateway): everything."""

_BY_STATUS: Final[Mapping[int, Callable[[Request, Response], ConnectorError]]] = {
    400: _rejected,
    401: _unauthorized,
    403: _forbidden,
    404: _missing,
    408: _retryable,
    409: _stale,
    412: _stale,
    413: _full,
    422: _rejected,
    425: _retryable,
    429: _rate_limited,
}


def error_body(response: Response) -> tuple[list[str], dict[str, str]]:
    """Return (errorMessages, errors) of Jira's error body; empty where the body is something else."""
    try:
        body = response.json()
    except ValueError:
        return [], {}
    if not isinstance(body, Mapping):
        return [], {}
    listed, named = body.get("errorMessages"), body.get("errors")
    messages = [str(text) for text in listed] if isinstance(listed, list) else []
    if not messages and isinstance(body.get("message"), str):
        messages = [body["message"]]
    return messages, {str(k): str(v) for k, v in named.items()} if isinstance(named, Mapping) else {}


def _sent_fields(request: Request) -> set[str]:
    body = request.json if isinstance(request.json, Mapping) else {}
    names = set(body)
    for part in ("fields", "update"):
        if isinstance(body.get(part), Mapping):
            names |= set(body[part])
    # Jira calls the body of a comment "comment".
    return names | ({"comment"} if "body" in body else set())


def _word(name: str) -> str:
    return name if _FIELD.match(name) else "field"


def _where(request: Request) -> str:
    found = _KEY_IN_PATH.search(request.path)
    if found:
        return found[1]
    fields = request.json.get("fields") if isinstance(request.json, Mapping) else None
    project = fields.get("project") if isinstance(fields, Mapping) else None
    return str(project.get("key", "")) if isinstance(project, Mapping) else ""


def _retry_after(response: Response) -> timedelta | None:
    """Read how long to wait: ``Retry-After``, else the time of reset, else Data Center's interval."""
    headers = response.headers
    given = headers.get("retry-after", "").strip()
    wait: timedelta | None = None
    if re.fullmatch(r"\d{1,9}", given):
        wait = timedelta(seconds=int(given))
    elif given:
        wait = _until(_http_date(given), headers)
    if wait is None:
        wait = _until(_iso(headers.get("x-ratelimit-reset", "")), headers)
    if wait is None and re.fullmatch(r"\d{1,6}", headers.get("x-ratelimit-interval-seconds", "")):
        wait = timedelta(seconds=int(headers["x-ratelimit-interval-seconds"]))
    return None if wait is None else min(max(wait, timedelta(0)), _LONGEST_WAIT)


def _until(then: datetime | None, headers: Mapping[str, str]) -> timedelta | None:
    # The answer's own Date is the server's clock; ours may be wrong, and is not needed.
    now = _http_date(headers.get("date", ""))
    return then - now if then is not None and now is not None else None


def _http_date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def _iso(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
