"""Keep a connection's limits over all workers, in batches so that it costs no round trip a call.

The buckets stand in the store and are exact over any number of processes; see ``take_tokens.lua`` and
``docs/delivery.md``.  What a process reserved and did not use it gives back within two seconds; the weakness
that remains is that a process that dies takes what it held with it: at most a twentieth of a second's calls.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from connector.errors import ConnectorError, RateLimited, Retryable, Scope
from connector.ports import Request, Response
from connector.system import Left, Limit
from workers.behalf import Asker, asker
from workers.buckets import applies, batch, batch_name, bucket_for, by_entity
from workers.outcome import OWN_PACE, outcome_of
from workers.stores.connections import Bucket, Connections, Grant, Told
from workers.stores.scripts import StoreError

log = logging.getLogger("connector.limits")

SHORT: Final = 0.25
"""Seconds that a call may wait for a token in its thread; longer waits give the subject back.

At most this many seconds' worth of calls wait, over all workers: a fast limit keeps few threads, a slow one none.
"""

HELD: Final = 1.0
"""Seconds for which a reserved batch may be used."""

HEARD: Final = 1.0
"""Seconds between two times that a target's word on one limit is passed on to the store."""


@dataclass(slots=True)
class _Allowance:
    buckets: Sequence[Bucket]
    calls: int = 0
    until: float = 0.0


class _Mine(threading.local):
    """What this thread's last call took."""

    probing: bool = False
    buckets: Sequence[Bucket] = ()


@dataclass(slots=True)
class Limiter:
    """Takes tokens for the calls of one connection.

    ``store`` is None in a process without servers, which only looks: it takes nothing.  ``ticks`` is
    monotonic seconds; ``wait`` sleeps.  ``calls`` counts what was let through, by endpoint
    class, until `counted` collects it.  ``headroom`` reads what an answer tells of its limits.
    ``backoff`` is the first pause of the breaker.
    """

    connection: str
    limits: Sequence[Limit]
    store: Connections | None
    ticks: Callable[[], float]
    wait: Callable[[float], None]
    headroom: Callable[[Request, Response], Sequence[Left]] | None = None
    backoff: timedelta = timedelta(seconds=5)
    calls: Counter[str] = field(default_factory=Counter)
    _kept: dict[str, _Allowance] = field(default_factory=dict)
    _back: Counter[Bucket] = field(default_factory=Counter)
    _heard: dict[str, float] = field(default_factory=dict)
    _mine: _Mine = field(default_factory=_Mine)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, request: Request) -> None:
        """Take what the call costs; raises `RateLimited` (status None: it is our own budget) otherwise."""
        if self.store is None:
            return
        who = asker()
        applying = [limit for limit in self.limits if applies(limit, request)]
        buckets = [bucket_for(limit, request) for limit in applying]
        of_entity = any(by_entity(limit) for limit in applying)
        name = "" if of_entity else batch_name(request, applying, who)
        self._mine.probing, self._mine.buckets = False, buckets
        over = self.ticks() + SHORT
        while not (name and self._spend(name)):
            grant = self._ask(request, buckets, 1 if of_entity else batch(applying), who)
            if grant.calls:
                if grant.wait:
                    self.wait(grant.wait / 1000)
                if grant.calls > 1:
                    self._keep(name, buckets, grant.calls - 1)
                self._mine.probing = grant.kind == "probe"
                break
            if grant.kind != "limit" or grant.closed_until or self.ticks() + grant.wait / 1000 > over:
                raise _refusal(grant, request, applying)
            self.wait(grant.wait / 1000)
        with self._lock:
            self.calls[request.endpoint] += 1

    def _ask(self, request: Request, buckets: Sequence[Bucket], calls: int, who: Asker) -> Grant:
        assert self.store is not None  # noqa: S101 - `take` has looked
        return self.store.take(
            self.connection,
            buckets,
            calls,
            patience=int(SHORT * 1000),
            endpoint=request.endpoint,
            connector=who.connector,
            weight=who.weight,
            lane=who.lane,
            back=self._unused(),
        )

    def learn(self, request: Request, response: Response | None, error: ConnectorError | None, /) -> None:
        """Hear how a call went: what the target says of its limits counts for all workers.

        Where the store cannot be told, the answer still counts: it is worth more than what it says of limits.
        """
        if self.store is None:
            return
        try:
            self._learn(request, response, error)
        except StoreError as trouble:
            log.warning("%s: what an answer says of limits is not passed on: %s", self.connection, trouble)

    def _learn(self, request: Request, response: Response | None, error: ConnectorError | None) -> None:
        probing, buckets = self._mine.probing, self._mine.buckets
        self._mine.probing, self._mine.buckets = False, ()
        if isinstance(error, Retryable) and not error.sent:
            with self._lock:
                self._back.update({bucket: bucket.cost for bucket in buckets})
        elif response is not None and response.status == 304:
            self._spare(request)
        if isinstance(error, RateLimited):
            self._refused(request, error)
        elif response is not None and self.headroom is not None:
            self._hear(request, self.headroom(request, response))
        if probing:
            self._probed(error)

    def _refused(self, request: Request, error: RateLimited) -> None:
        """Give up what was reserved, for the target knows of calls that we don't, and close what it speaks of."""
        with self._lock:
            self._kept.clear()
        if self.store is None:
            return
        wait = outcome_of(error).wait
        if error.scope is Scope.CONNECTION:
            self.store.close(self.connection, wait, "limit", str(error))
        elif error.scope is Scope.ENDPOINT:
            self.store.close(self.connection, wait, "limit", str(error), endpoint=error.endpoint or request.endpoint)
        else:
            one = [limit for limit in self.limits if applies(limit, request) and by_entity(limit)]
            self.store.lower(self.connection, [Told(bucket_for(limit, request), 0, _ms(wait)) for limit in one])

    def _spare(self, request: Request) -> None:
        spared = [limit for limit in self.limits if limit.spares_unchanged and applies(limit, request)]
        with self._lock:
            for limit in spared:
                bucket = bucket_for(limit, request)
                self._back[bucket] += bucket.cost

    def _hear(self, request: Request, said: Sequence[Left]) -> None:
        if self.store is None:
            return
        told, now = [], self.ticks()
        for one in said:
            for limit in self.limits:
                if (limit.endpoint, limit.unit, limit.per) != (one.endpoint, one.unit, one.per):
                    continue
                bucket = bucket_for(limit, request)
                if self._heard.get(bucket.name, -HEARD) + HEARD <= now and one.left < bucket.burst:
                    self._heard[bucket.name] = now
                    told.append(Told(bucket, one.left, None if one.resets_in is None else _ms(one.resets_in)))
        if told:
            self.store.lower(self.connection, told)

    def _probed(self, error: ConnectorError | None) -> None:
        """Tell a half-open breaker how its probe went; a refusal is an answer too: the target is there."""
        if self.store is None:
            return
        if not isinstance(error, Retryable):
            self.store.succeed(self.connection, probe=True)
        elif error.cause != "lease":
            self.store.fail(self.connection, "probe", str(error), first=self.backoff)

    def counted(self) -> dict[str, int]:
        """Return and forget the calls made since the last time."""
        with self._lock:
            got, self.calls = dict(self.calls), Counter()
        return got

    def give_back(self) -> None:
        """Give back what was reserved and not used in time; called about once a second, and at the end."""
        if self.store is not None and (back := self._unused()):
            self.store.take(self.connection, (), 0, back=back)

    def _unused(self) -> list[tuple[Bucket, int]]:
        with self._lock:
            for name in [name for name, kept in self._kept.items() if kept.until < self.ticks()]:
                gone = self._kept.pop(name)
                for bucket in gone.buckets:
                    self._back[bucket] += bucket.cost * gone.calls
            back = [(bucket, units) for bucket, units in self._back.items() if units]
            self._back.clear()
        return back

    def _spend(self, name: str) -> bool:
        with self._lock:
            kept = self._kept.get(name)
            if kept is None or kept.calls < 1 or kept.until < self.ticks():
                return False
            kept.calls -= 1
            return True

    def _keep(self, name: str, buckets: Sequence[Bucket], calls: int) -> None:
        with self._lock:
            kept = self._kept.setdefault(name, _Allowance(buckets))
            kept.calls += calls
            kept.until = self.ticks() + HELD


def _refusal(grant: Grant, request: Request, limits: Sequence[Limit]) -> RateLimited:
    short = [limit for limit in limits if bucket_for(limit, request).name == grant.bucket]
    whole = any(limit.endpoint == "*" for limit in short)
    entity = any(limit.endpoint == "entity" for limit in short)
    cause = "closed"
    match grant.kind:
        case "class":
            scope, said = Scope.ENDPOINT, f"{request.endpoint} calls are closed for {grant.wait} ms"
        case "limit" if not grant.closed_until:
            scope = Scope.ENTITY if entity else Scope.CONNECTION if whole else Scope.ENDPOINT
            said, cause = f"no tokens left for {request.endpoint} calls; {grant.wait} ms to wait", OWN_PACE
        case _:
            scope, said = Scope.CONNECTION, f"the connection is closed ({grant.kind})"
    return RateLimited(
        said,
        scope=scope,
        retry_after=timedelta(milliseconds=max(1, grant.wait)),
        cause=cause,
        status=None,
        endpoint=request.endpoint if scope is Scope.ENDPOINT else "",
    )


def _ms(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)
