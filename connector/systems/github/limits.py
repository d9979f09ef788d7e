"""List GitHub's limits, and read what its answers say is left of the quota."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from connector.ports import Request, Response
from connector.system import Left, Limit, Period
from connector.systems.github.api import http_date
from connector.systems.github.settings import Connection

_HOUR: Final = timedelta(hours=1)
_MINUTE: Final = timedelta(minutes=1)


def limits(settings: Connection) -> Sequence[Limit]:
    """Return the limits to keep: the hourly quota, and the secondary limits that GitHub publishes.

    The quota begins with the first call and is there again when ``x-ratelimit-reset`` says; a 304 costs none of
    it.  Of the secondary limits it is not published how they come back: they are kept in any window.  The
    hundred calls at once are not counted: at 900 points a minute they could only be reached by calls that take
    seven seconds each, and those are kept to few threads of a process.
    """
    ours = settings.limits
    return (
        Limit("*", ours.requests_per_hour, _HOUR, period=Period.STARTED, spares_unchanged=True),
        Limit("*", ours.points_per_minute, _MINUTE, unit="points"),
        Limit("write", ours.writes_per_minute, _MINUTE),
        Limit("write", ours.writes_per_hour, _HOUR),
    )


def headroom(_request: Request, response: Response) -> Sequence[Left]:
    """Read the quota's ``x-ratelimit-*``; other resources (search, GraphQL) have quotas of their own."""
    headers = response.headers
    left, reset = headers.get("x-ratelimit-remaining", ""), headers.get("x-ratelimit-reset", "")
    if headers.get("x-ratelimit-resource", "core") != "core" or not _whole(left):
        return ()
    # The answer's own Date is the server's clock; ours may be wrong, and is not needed.
    now = http_date(headers.get("date", ""))
    back = datetime.fromtimestamp(int(reset), UTC) - now if _whole(reset) and now is not None else None
    return (Left("*", _HOUR, int(left), resets_in=None if back is None else max(back, timedelta(0))),)


def _whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 12
