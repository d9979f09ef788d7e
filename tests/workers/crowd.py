"""Let many threads of several processes ask for the tokens of one connection, on a clock of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from fakeredis import FakeRedis

from connector.errors import RateLimited
from connector.ports import Request
from connector.system import Limit
from tests.workers.lockstep import Lockstep
from workers.behalf import on_behalf_of
from workers.limits import Limiter
from workers.stores.connections import Connections

POST = Request("POST", "/x", endpoint="post")
CALL = 0.05
"""Seconds that a call takes."""
AWAY = 0.2
"""Seconds until a connector that was refused is back after its wait: a scan, a doorbell, a turn."""


@dataclass(frozen=True, slots=True)
class Caller:
    """``threads`` that call on behalf of a connector as often as they may, or with a ``pause`` in between."""

    connector: str
    threads: int = 4
    weight: int = 1
    lane: str = "live"
    pause: float = 0.0


@dataclass(slots=True)
class Run:
    """What came of it: each call as (seconds, connector, lane), and who was refused how often."""

    seconds: float
    calls: list[tuple[float, str, str]] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    waited: dict[str, float] = field(default_factory=dict)
    """The longest that a connector waited between wishing and calling."""

    def rate(self, connector: str = "", lane: str = "", *, since: float = 2.0) -> float:
        """Return calls a second, after the first ``since`` seconds."""
        chosen = [at for at, who, its in self.calls if at >= since and connector in {"", who} and lane in {"", its}]
        return len(chosen) / (self.seconds - since)

    def refusals(self, rate: float, burst: float) -> int:
        """Return how many of the calls a target would refuse that keeps a token bucket of its own."""
        level, last, refused = burst, 0.0, 0
        for at, _, _ in sorted(self.calls):
            level, last = min(burst, level + (at - last) * rate), at
            if level >= 1:
                level -= 1
            else:
                refused += 1
        return refused


def run(
    callers: Sequence[Caller],
    *limits: Limit,
    seconds: float = 15.0,
    processes: int = 4,
    spoil: Callable[[Connections], Any] = lambda _: None,
) -> Run:
    """Let them call for so long; the threads of a caller are spread over the processes."""
    clock, client, got = Lockstep(), FakeRedis(), Run(seconds)
    limiters = []
    for _ in range(processes):
        store = Connections(client, clock=clock)
        spoil(store)
        limiters.append(Limiter("here", limits, store, clock.ticks, clock.wait))

    def calling(who: Caller, limiter: Limiter) -> Callable[[], None]:
        def once() -> None:
            wished = clock.seconds
            with on_behalf_of(who.connector, weight=who.weight, lane=who.lane):
                while True:
                    try:
                        limiter.take(POST)
                    except RateLimited as refused:
                        got.refused[who.connector] += 1
                        clock.wait((refused.retry_after or timedelta()).total_seconds() + AWAY)
                    else:
                        break
            got.waited[who.connector] = max(got.waited.get(who.connector, 0.0), clock.seconds - wished)
            got.calls.append((clock.seconds, who.connector, who.lane))
            clock.wait(CALL + who.pause)

        return once

    threads = [who for who in callers for _ in range(who.threads)]
    clock.run(seconds, *(calling(who, limiters[number % processes]) for number, who in enumerate(threads)))
    return got


def per_second(amount: int) -> Limit:
    """Return a limit that is a token bucket at the target: a tenth of a second at once."""
    return Limit("*", amount, timedelta(seconds=1), burst=max(1, amount // 10))
