"""Keep what each connector used, day by day (UTC), without a command for any delivery.

``counts`` only grows.  When a day begins, how far it had come is written down once (``days``); what was used on a day
is the difference between two of these.  Where no worker runs when a day ends, what comes in until one does counts to
the day before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

import orjson
from redis import Redis

from workers.stores.deliveries import Deliveries
from workers.stores.keys import connector_tag
from workers.stores.scripts import run

DAYS: Final = 90
"""Days that are kept; ``lua/day.lua`` is told."""

CALLS: Final = "used:calls:"
"""Fields of ``counts``: API calls by connection, polls included; those that write; what they cost in points."""
WRITES: Final = "used:writes:"
POINTS: Final = "used:points:"
CPU: Final = "used:cpu"
"""CPU of turns and polls, in microseconds."""
BUSY: Final = "used:busy"
"""Time that threads spent in API calls, in ms."""
SENT: Final = "used:sent"
RECEIVED: Final = "used:received"
"""Bytes of API calls, headers included, as they were on the wire (packed, before TLS)."""

_EPOCH: Final = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Day:
    """What a connector's books counted on one day (UTC), by field of ``counts``."""

    day: date
    counted: Mapping[str, int]


def add(client: Redis, used: Mapping[str, Mapping[str, int]]) -> None:
    """Add what was used to the counts of connectors (by uid), in one round trip."""
    pipeline: Any = client.pipeline(transaction=False)
    for uid, spent in used.items():
        for name, number in spent.items():
            if number:
                pipeline.hincrby(connector_tag(uid) + "counts", name, number)
    pipeline.execute()


def begin_day(books: Deliveries) -> int:
    """Write down how far the counts are, unless somebody has today; returns today's number since 1970."""
    return int(run(books.client, "day", books.tag, *books.head(), DAYS))


def days(books: Deliveries) -> list[Day]:
    """Return what was counted on each day that anything is known of, oldest first."""
    pipeline = books.client.pipeline(transaction=False)
    pipeline.hgetall(books.tag + "days")
    pipeline.hgetall(books.tag + "counts")
    begun, now = pipeline.execute()
    marks = sorted((int(day), _paired(orjson.loads(at))) for day, at in begun.items())
    totals = _numbers({name.decode(): value for name, value in now.items()})
    # A store that went back in time may have counted less at a later mark: such a day is worth nothing, not less.
    return [
        Day(_EPOCH + timedelta(days=day), {name: max(0, n - at.get(name, 0)) for name, n in after.items()})
        for (day, at), (_, after) in pairwise([*marks, (0, totals)])
    ]


def day_of(ms: int) -> date:
    """Return the day (UTC) of a time in ms."""
    return datetime.fromtimestamp(ms / 1000, UTC).date()


def by_connection(counted: Mapping[str, int], prefix: str) -> dict[str, int]:
    """Return the numbers of one kind (`CALLS`, `WRITES`, `POINTS`) by connection."""
    return {name.removeprefix(prefix): n for name, n in sorted(counted.items()) if name.startswith(prefix)}


def _paired(flat: Any) -> dict[str, int]:
    # Names and values in turns; Lua writes an empty list as {}.
    return _numbers(dict(zip(flat[::2], flat[1::2], strict=True))) if flat else {}


def _numbers(counts: Mapping[str, Any]) -> dict[str, int]:
    return {name: int(value) for name, value in counts.items()}
