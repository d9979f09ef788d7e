"""Build Slack's requests, follow its pages, and name its refusals by what happens next.

Slack answers nearly everything with 200 and says ``"ok": false`` with an error word inside; the word
decides, the status only where there is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

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
from connector.ports import Request, Response, Reveal, Site
from connector.system import Limit, Who
from connector.systems.slack.settings import Connection
from connector.systems.slack.vocabulary import readable

PER_PAGE: Final = 200
"""Slack recommends no more than 200 at a time."""

MAX_PAGES: Final = 50
"""Where a listing that should be short is given up."""

_WORD: Final = re.compile(r"[a-z_]{1,60}")

_UNAUTHORIZED: Final = frozenset(
    {"invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive", "org_login_required"}
)
_FORBIDDEN: Final[Mapping[str, str]] = {
    "not_in_channel": "the app is not a member of the channel: invite it",
    "channel_not_found": "the channel does not exist, or the app may not see it",
    "is_archived": "the channel is archived",
    "is_inactive": "the channel is archived",
    "restricted_action": "the workspace does not let this app post here",
    "restricted_action_read_only_channel": "the channel is read-only",
    "restricted_action_thread_only_channel": "the channel takes replies only",
    "restricted_action_thread_locked": "the thread is locked",
    "restricted_action_non_threadable_channel": "the channel takes no replies",
    "missing_scope": "the token lacks a scope",
    "no_permission": "the token may not do this",
    "access_denied": "the token may not do this",
    "not_allowed_token_type": "a token of this type may not do this",
    "ekm_access_denied": "the workspace's administrators have suspended posting",
    "team_access_not_granted": "the app is not granted this workspace",
}
_LIMITED: Final = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
_RETRYABLE: Final = frozenset(
    {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"}
)
"""``team_added_to_org``: the workspace is being moved and will be back."""


# --- requests ----------------------------------------------------------------------------------
def get(method: str, **query: str) -> Request:
    """Build a read; the method's name is the class that its rate limit speaks of."""
    return Request("GET", f"/{method}", query=query, endpoint=method)


def post(method: str, channel: str, **arguments: Any) -> Request:
    """Build a call that changes something.

    Only what *posts* is counted for the channel: one message a second is a limit of its own.
    """
    entity = channel if method == "chat.postMessage" else ""
    # Without a charset Slack warns in every answer.
    headers = {"Content-Type": "application/json; charset=utf-8"}
    body = {"channel": channel, **arguments}
    return Request("POST", f"/{method}", headers=headers, json=body, endpoint=method, entity=entity)


def authorize(settings: Connection, reveal: Reveal) -> Mapping[str, str]:
    """Return the header that carries the token."""
    return {"Authorization": f"Bearer {reveal(settings.auth.token).reveal()}"}


def limits(settings: Connection) -> Sequence[Limit]:
    """Return the limits to keep: one message a second in a channel, and the tier of each method used.

    In a channel Slack tolerates short bursts, so that limit is kept as a bucket; the tiers, of which it is not
    published how they come back, in any window.  Source: docs.slack.dev/apis/web-api/rate-limits.
    """
    ours, minute = settings.limits, timedelta(minutes=1)
    here = ours.messages_per_second
    return (
        Limit("chat.postMessage", here, timedelta(seconds=1), burst=max(1, here // 10), entity=True),
        Limit("chat.postMessage", ours.posts_per_minute, minute),
        Limit("chat.update", ours.updates_per_minute, minute),
        Limit("chat.delete", ours.updates_per_minute, minute),
        Limit("conversations.history", ours.history_per_minute, minute),
        Limit("conversations.replies", ours.history_per_minute, minute),
        Limit("conversations.list", ours.lists_per_minute, minute),
        Limit("users.info", ours.users_per_minute, minute),
        Limit("users.list", ours.lists_per_minute, minute),
    )


# --- answers -----------------------------------------------------------------------------------
def document(response: Response) -> dict[str, Any]:
    """Parse a good answer (`refusal` has seen that it is an object)."""
    found: dict[str, Any] = readable(response.json())
    return found


def messages(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the messages of an answer; what is not an object is no message."""
    listed = answer.get("messages")
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def next_cursor(answer: Mapping[str, Any]) -> str:
    """Return what asks for the next page, "" on the last one."""
    about = answer.get("response_metadata")
    cursor = about.get("next_cursor") if isinstance(about, dict) else ""
    return cursor if isinstance(cursor, str) else ""


def pages(site: Site, method: str, most: int = MAX_PAGES, /, **query: str) -> Iterator[dict[str, Any]]:
    """Read a listing page by page, ``most`` of them."""
    query["limit"] = str(PER_PAGE)
    for _ in range(most):
        answer = document(site.send(get(method, **query)))
        yield answer
        cursor = next_cursor(answer)
        if not cursor:
            return
        query["cursor"] = cursor
    raise Retryable(f"{method} has more than {most} pages", sent=False, cause="too_many_pages")


def probe(site: Site) -> Who:
    """Ask who the token belongs to; the scopes come in a header."""
    response = site.send(get("auth.test"))
    answer = document(response)
    scopes = tuple(s.strip() for s in response.headers.get("x-oauth-scopes", "").split(",") if s.strip())
    name = f"{answer.get('user', '')} ({answer.get('team', '')})"
    return Who(str(answer.get("user_id", "")), name, scopes, _date(response.headers.get("date", "")))


# --- refusals ----------------------------------------------------------------------------------
def refusal(request: Request, response: Response) -> ConnectorError | None:
    """Name a bad answer; None for a good one."""
    said = _said(response)
    if said.get("ok") is True and 200 <= response.status < 300:
        return None
    error = said.get("error")
    if isinstance(error, str) and error:
        return _by_word(request, response, said, error if _WORD.fullmatch(error) else "unreadable_word")
    return _by_status(request, response)


def _by_word(request: Request, response: Response, said: Mapping[str, Any], word: str) -> ConnectorError:
    status, where = response.status, _where(request)
    if word in _LIMITED:
        return _limited(response)
    if word in _UNAUTHORIZED:
        return Unauthorized(f"Slack refuses the token ({word}): install the app again", cause=word, status=status)
    if word in _FORBIDDEN:
        needed = said.get("needed") if word == "missing_scope" else ""
        more = f": {needed}" if isinstance(needed, str) and needed else ""
        return Forbidden(f"{_FORBIDDEN[word]}{more} ({where or 'workspace'})", where=where, cause=word, status=status)
    if word in _RETRYABLE:
        return Retryable(f"Slack failed ({word})", sent=request.writes, cause=word, status=status)
    if status >= 400:
        return _by_status(request, response)
    # A word that we do not know is about what we sent more often than not, and asking again forever
    # would hide it: a person looks.
    return Rejected(f"Slack refuses: {word}", cause=f"slack:{word}", status=status)


def _by_status(request: Request, response: Response) -> ConnectorError:
    status = response.status
    match status:
        case 401:
            return Unauthorized("Slack refuses the token", status=status)
        case 403:
            return Forbidden("Slack forbids the call", where=_where(request), status=status)
        case 408:
            return Retryable("Slack timed out", sent=request.writes, status=status)
        case 409 | 412:
            return Stale("Slack reports a conflict", status=status)
        case 429:
            return _limited(response)
        case _ if status < 400:
            # A good status without "ok": something between us and Slack has answered, or cut it short.
            return Retryable("the answer is not one of Slack's", sent=request.writes, cause="not_slack", status=status)
        case _ if status >= 500:
            wait = _retry_after(response.headers)
            return Retryable(f"Slack failed with {status}", sent=request.writes, status=status, retry_after=wait)
        case _:
            return Rejected(f"Slack refuses with {status}", status=status)


def _limited(response: Response) -> RateLimited:
    """Name the limit: Slack blocks the whole method for the workspace, not only the channel."""
    return RateLimited(
        "Slack asks to slow down",
        scope=Scope.ENDPOINT,
        retry_after=_retry_after(response.headers),
        cause="rate:method",
        status=response.status,
    )


def _said(response: Response) -> Mapping[str, Any]:
    try:
        said = response.json()
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _where(request: Request) -> str:
    arguments = request.json if isinstance(request.json, dict) else request.query
    channel = arguments.get("channel", "")
    return channel if isinstance(channel, str) else ""


def _retry_after(headers: Mapping[str, str]) -> timedelta | None:
    text = headers.get("retry-after", "").strip()
    return timedelta(seconds=int(text)) if text.isascii() and text.isdigit() and len(text) < 8 else None


def _date(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
