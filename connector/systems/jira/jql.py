"""Write pieces of JQL: lists, times, and somebody else's query as a part of ours."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

_ORDER: Final = re.compile(r"order\s+by\b", re.IGNORECASE)


def listed(words: tuple[str, ...]) -> str:
    """Write words as a JQL list."""
    return ", ".join('"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"' for word in words)


def literal(at: datetime, zone: ZoneInfo | None) -> str:
    """Write a time as JQL takes it, never later than ``at``: whole minutes, in the account's zone.

    In the hour that the clocks go back through twice, Jira may mean the later one: the time is taken
    from before that hour.  Without a known zone it is taken 12 h earlier in UTC, which is early enough
    for every zone on earth.
    """
    if zone is None:
        return (at.astimezone(UTC) - timedelta(hours=12)).strftime("%Y-%m-%d %H:%M")
    local = at.astimezone(zone)
    while local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset():
        at -= timedelta(minutes=30)
        local = at.astimezone(zone)
    return local.strftime("%Y-%m-%d %H:%M")


def without_order(jql: str) -> str:
    """Drop an ORDER BY (outside quotes) from a search that becomes a part of ours."""
    quote = ""
    for at, letter in enumerate(jql):
        if quote:
            quote = "" if letter == quote and jql[at - 1] != "\\" else quote
        elif letter in "\"'":
            quote = letter
        elif _ORDER.match(jql, at) and (at == 0 or not jql[at - 1].isalnum()):
            return jql[:at].rstrip()
    return jql.strip()
