"""Say which bucket of the store keeps which limit, and what a call takes from it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from math import ceil
from typing import Final

from connector.ports import Request
from connector.system import Limit, Period
from workers.behalf import Asker
from workers.stores.connections import ALIGNED, RATE, STARTED, Bucket

_FORMS: Final = {Period.ROLLING: RATE, Period.ALIGNED: ALIGNED, Period.STARTED: STARTED}


def buckets_of(limits: Sequence[Limit]) -> list[tuple[Limit, Bucket]]:
    """Return the limits that are not counted by entity, each with the bucket it is kept in."""
    bare = Request("GET", "/")
    return [(limit, bucket_for(limit, bare)) for limit in limits if not by_entity(limit)]


def by_entity(limit: Limit) -> bool:
    """Tell whether a limit is counted for each entity by itself."""
    return limit.endpoint == "entity" or limit.entity


def applies(limit: Limit, request: Request) -> bool:
    """Tell whether a call counts against a limit."""
    if limit.endpoint == "*":
        return True
    if limit.endpoint == "entity":
        return request.writes and bool(request.entity)
    if limit.endpoint == "write":
        return request.writes
    return limit.endpoint == request.endpoint


def bucket_for(limit: Limit, request: Request) -> Bucket:
    """Return the bucket that keeps a limit, and what the call costs there."""
    # Whole microseconds: a double holds today's time in microseconds with hardly a fraction to spare.
    # Without a burst of its own a limit holds in any window: a tenth of it may come at once, and the steady
    # rate leaves room for that, so that no window ever holds more than the amount.
    burst = limit.burst or max(1, limit.amount // 10)
    steady = limit.amount if limit.burst or limit.amount <= burst else limit.amount - burst
    if limit.period is not Period.ROLLING:
        burst = limit.amount
    name = f"{limit.endpoint}:{limit.unit}:{_ms(limit.per)}"
    if by_entity(limit):
        name += f":{request.entity}"
    cost = request.cost if limit.unit == "points" else 1
    return Bucket(
        name,
        ceil(limit.per / timedelta(microseconds=1) / steady),
        burst,
        min(cost, burst),
        _FORMS[limit.period],
        _ms(limit.per),
        shared=not by_entity(limit),
    )


def batch(limits: Sequence[Limit]) -> int:
    """Reserve about a twentieth of a second's worth of calls at once."""
    rates = [limit.amount / limit.per.total_seconds() for limit in limits]
    return max(1, min(10, int(min(rates) / 20))) if rates else 10


def batch_name(request: Request, limits: Sequence[Limit], who: Asker) -> str:
    """Return what calls must have in common to be paid from one batch."""
    cost = request.cost if any(limit.unit == "points" for limit in limits) else 1
    return f"{request.endpoint}:{request.writes}:{cost}:{who.lane}:{who.connector}"


def _ms(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)
