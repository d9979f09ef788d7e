"""List Jira's limits, and read what its answers say is left of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from connector.ports import Request, Response
from connector.system import Left, Limit, Period
from connector.systems.jira.flavour import CLOUD
from connector.systems.jira.settings import JiraConnection

_SECOND: Final = timedelta(seconds=1)
_HOUR: Final = timedelta(hours=1)
_MEMBER: Final = re.compile(r"\b([rt])=(\d{1,9})\b")
"""Of ``RateLimit: "global-app-quota";r=1200;t=1800``: what is left, and seconds until all is back."""


def limits(settings: JiraConnection) -> tuple[Limit, ...]:
    """List the limits to keep.

    Cloud publishes steady rates per endpoint and method, as token buckets (the rows are the lowest of each
    method; how much may come at once is not published, a tenth of a second is on the careful side), and two
    windows for writes on one issue.  The quota of points is for OAuth apps; it is there again at the top of the UTC
    hour and does not trickle before.  API tokens have none, so there is one only where the connection says
    so.  Data Center limits only where its administrator says so, each user by a token bucket.
    Source: developer.atlassian.com/cloud/jira/platform/rate-limiting (12 August 2026).
    """
    rows: list[Limit] = []
    if settings.flavour is CLOUD:
        rows += [
            _bucket("get", 100),
            _bucket("search", 100),
            _bucket("post", 100),
            _bucket("put", 50),
            _bucket("delete", 50),
            Limit("entity", 20, timedelta(seconds=2)),
            Limit("entity", 100, timedelta(seconds=30)),
        ]
    if settings.limits.requests_per_second:
        rows.append(_bucket("*", settings.limits.requests_per_second))
    if settings.limits.points_per_hour:
        rows.append(Limit("*", settings.limits.points_per_hour, _HOUR, unit="points", period=Period.ALIGNED))
    return tuple(rows)


def _bucket(endpoint: str, rate: int) -> Limit:
    return Limit(endpoint, rate, _SECOND, burst=max(1, rate // 10))


def headroom(_request: Request, response: Response) -> Sequence[Left]:
    """Read what a good answer says is left: of Cloud's quota of points, of Data Center's bucket of calls.

    ``Beta-RateLimit`` is for information only, and is not believed.  Cloud's ``X-RateLimit-Remaining`` does not
    say of which limit it speaks, except near its end, when it is the quota (it is never the bursts).
    """
    headers = response.headers
    if "x-ratelimit-fillrate" in headers:
        left = _number(headers, "x-ratelimit-remaining")
        return () if left is None else (Left("*", _SECOND, left, resets_in=_refill(headers) if left < 1 else None),)
    told = []
    for part in headers.get("ratelimit", "").split(","):
        policy, _, rest = part.partition(";")
        said = dict(_MEMBER.findall(rest))
        if "quota" in policy and "r" in said:
            back = timedelta(seconds=int(said["t"])) if "t" in said else None
            told.append(Left("*", _HOUR, int(said["r"]), "points", back))
    near = headers.get("x-ratelimit-nearlimit", "").lower() == "true"
    if not told and near and (left := _number(headers, "x-ratelimit-remaining")) is not None:
        told.append(Left("*", _HOUR, left, "points"))
    return (min(told, key=lambda one: one.left),) if told else ()


def _refill(headers: Mapping[str, str]) -> timedelta | None:
    """Return how long Data Center's bucket takes for one more call."""
    rate, interval = _number(headers, "x-ratelimit-fillrate"), _number(headers, "x-ratelimit-interval-seconds")
    return timedelta(seconds=interval / rate) if rate and interval else None


def _number(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name, "").strip()
    return int(text) if re.fullmatch(r"\d{1,9}", text) else None
