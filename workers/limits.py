"""Keep a connection's published limits over all workers, in batches so that it costs no round trip a call.

The algorithm is GCRA in Redis: exact over any number of processes.  Its weakness: tokens that a process
reserved in a batch and did not use within a second are lost, at most one batch a second and process.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from math import ceil
from typing import Final

from connector.errors import ConnectorError, RateLimited, Scope
from connector.ports import Request, Response
from connector.system import Limit
from workers.stores.connections import Bucket, Connections

SHORT: Final = 0.1
"""Seconds that a call may wait for a token in its thread; longer waits give the subject back."""

HELD: Final = 1.0
"""Seconds for which a reserved batch may be used."""


@dataclass(slots=True)
class _Allowance:
    calls: int = 0
    until: float = 0.0


@dataclass(slots=True)
class Limiter:
    """Takes tokens for the calls of one connection.

    ``store`` is None in a process without servers, which only looks: it takes nothing.  ``ticks`` is
    monotonic seconds; ``wait`` sleeps.  ``calls`` counts what was let through, by endpoint
    class, until `counted` collects it.
    """

    connection: str
    limits: Sequence[Limit]
    store: Connections | None
    ticks: Callable[[], float]
    wait: Callable[[float], None]
    calls: Counter[str] = field(default_factory=Counter)
    _kept: dict[str, _Allowance] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, request: Request) -> None:
        """Take what the call costs; raises `RateLimited` (status None: it is our own budget) otherwise."""
        if self.store is None:
            return
        applying = [limit for limit in self.limits if _applies(limit, request)]
        by_entity = any(limit.endpoint == "entity" or limit.entity for limit in applying)
        name = "" if by_entity else _batch_name(request, applying)
        for _ in range(4):
            if name and self._spend(name):
                break
            asked = 1 if by_entity else _batch(applying)
            grant = self.store.take(self.connection, [_bucket(limit, request) for limit in applying], asked)
            if grant.calls:
                if name and grant.calls > 1:
                    self._keep(name, grant.calls - 1)
                break
            if grant.kind not in {"limit", ""} or grant.closed_until or grant.wait / 1000 > SHORT:
                raise _refusal(grant.wait, grant.kind, request, applying, by_entity=by_entity)
            self.wait(grant.wait / 1000)
        else:
            raise _refusal(int(SHORT * 1000), "limit", request, applying, by_entity=by_entity)
        with self._lock:
            self.calls[request.endpoint] += 1

    def learn(self, _request: Request, _response: Response | None, error: ConnectorError | None, /) -> None:
        """Give up what was reserved once the target itself refuses: it knows of calls that we don't."""
        if isinstance(error, RateLimited):
            with self._lock:
                self._kept.clear()

    def counted(self) -> dict[str, int]:
        """Return and forget the calls made since the last time."""
        with self._lock:
            got, self.calls = dict(self.calls), Counter()
        return got

    def _spend(self, name: str) -> bool:
        with self._lock:
            kept = self._kept.get(name)
            if kept is None or kept.calls < 1 or kept.until < self.ticks():
                return False
            kept.calls -= 1
            return True

    def _keep(self, name: str, calls: int) -> None:
        with self._lock:
            kept = self._kept.setdefault(name, _Allowance())
            fresh = kept.until >= self.ticks()
            kept.calls = (kept.calls if fresh else 0) + calls
            kept.until = self.ticks() + HELD


def _applies(limit: Limit, request: Request) -> bool:
    if limit.endpoint == "*":
        return True
    if limit.endpoint == "entity":
        return request.writes and bool(request.entity)
    if limit.endpoint == "write":
        return request.writes
    return limit.endpoint == request.endpoint


def _bucket(limit: Limit, request: Request) -> Bucket:
    # Whole microseconds: a double holds today's time in microseconds with hardly a fraction to spare.
    # Without a burst of its own a limit is a window: a tenth of it may come at once, and the steady rate
    # leaves room for that, so that no window ever holds more than the amount.
    burst = limit.burst or max(1, limit.amount // 10)
    steady = limit.amount if limit.burst or limit.amount <= burst else limit.amount - burst
    name = f"{limit.endpoint}:{limit.unit}:{int(limit.per.total_seconds() * 1000)}"
    if limit.endpoint == "entity" or limit.entity:
        name += f":{request.entity}"
    return Bucket(
        name, ceil(limit.per / timedelta(microseconds=1) / steady), burst, request.cost if limit.unit == "points" else 1
    )


def _batch(limits: Sequence[Limit]) -> int:
    """Reserve about a twentieth of a second's worth of calls at once."""
    rates = [limit.amount / limit.per.total_seconds() for limit in limits]
    return max(1, min(10, int(min(rates) / 20))) if rates else 10


def _batch_name(request: Request, limits: Sequence[Limit]) -> str:
    cost = request.cost if any(limit.unit == "points" for limit in limits) else 1
    return f"{request.endpoint}:{request.writes}:{cost}"


def _refusal(wait: int, kind: str, request: Request, limits: Sequence[Limit], *, by_entity: bool) -> RateLimited:
    entity_only = by_entity and all(limit.endpoint == "entity" for limit in limits if limit.endpoint != "*")
    scope = Scope.ENTITY if entity_only and kind in {"limit", ""} else Scope.ENDPOINT
    return RateLimited(
        f"no tokens left for {request.endpoint} calls; {wait} ms to wait"
        if kind in {"limit", ""}
        else f"the connection is closed ({kind})",
        scope=scope,
        retry_after=timedelta(milliseconds=max(1, wait)),
        cause="own_budget",
        status=None,
        endpoint=request.endpoint if scope is Scope.ENDPOINT else "",
    )
