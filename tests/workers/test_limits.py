"""Limits are kept over all processes, cost no round trip a call, and refuse without sending."""

from __future__ import annotations

from datetime import timedelta

import pytest
from redis import Redis

from connector.errors import RateLimited, Scope
from connector.ports import Request
from connector.system import Limit
from workers.limits import Limiter, _bucket
from workers.stores.connections import Connections

POST = Request("POST", "/x", endpoint="post")
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


class Time:
    def __init__(self) -> None:
        self.ms = 1_795_505_134_461
        self.waited = 0.0

    def __call__(self) -> int:
        return self.ms

    def ticks(self) -> float:
        return self.ms / 1000

    def wait(self, seconds: float) -> None:
        self.waited += seconds
        self.ms += max(1, round(seconds * 1000))


def limiter(client: Redis, time: Time, *limits: Limit) -> Limiter:
    return Limiter("here", limits, Connections(client, clock=time), time.ticks, time.wait)


def taken(one: Limiter, request: Request = POST, most: int = 1000) -> int:
    for number in range(most):
        try:
            one.take(request)
        except RateLimited:
            return number
    return most


def asked(one: Limiter) -> int:
    """Take a token, or return how many ms to wait for one."""
    try:
        one.take(POST)
    except RateLimited as refused:
        return max(1, int((refused.retry_after or SECOND).total_seconds() * 1000))
    return 0


@pytest.mark.parametrize(
    ("amount", "per"), [(10, SECOND), (7, SECOND), (3, SECOND), (80, MINUTE), (1, SECOND), (333, MINUTE)]
)
def test_a_fresh_budget_grants_at_least_one_call(redis_client: Redis, amount: int, per: timedelta) -> None:
    one = limiter(redis_client, Time(), Limit("post", amount, per))
    one.take(POST)


def test_no_window_ever_holds_more_than_the_limit(redis_client: Redis) -> None:
    time = Time()
    one = limiter(redis_client, time, Limit("post", 80, MINUTE))
    at: list[int] = []
    while time.ms < 1_795_505_134_461 + 180_000:
        if wait := asked(one):
            time.ms += wait
        else:
            at.append(time.ms)
    assert max(sum(1 for other in at if start <= other < start + 60_000) for start in at) <= 80
    assert len(at) >= 0.85 * 3 * 80, "and most of what is allowed is used"


def test_two_processes_share_one_budget(redis_client: Redis) -> None:
    time = Time()
    limit = Limit("post", 20, MINUTE, burst=20)
    one, two = limiter(redis_client, time, limit), limiter(redis_client, time, limit)
    assert taken(one) + taken(two) == 20


def test_a_refusal_of_our_own_is_no_refusal_of_the_target(redis_client: Redis) -> None:
    one = limiter(redis_client, Time(), Limit("post", 1, MINUTE))
    one.take(POST)
    with pytest.raises(RateLimited) as caught:
        one.take(POST)
    assert caught.value.status is None
    assert caught.value.scope is Scope.ENDPOINT
    assert caught.value.retry_after is not None


def test_writes_of_one_entity_are_limited_without_touching_others(redis_client: Redis) -> None:
    one = limiter(redis_client, Time(), Limit("entity", 2, MINUTE, burst=2))
    first, second = Request("PUT", "/1", entity="1"), Request("PUT", "/2", entity="2")
    assert taken(one, first) == 2
    with pytest.raises(RateLimited) as caught:
        one.take(first)
    assert caught.value.scope is Scope.ENTITY
    assert taken(one, second) == 2


def test_a_short_wait_is_waited_out(redis_client: Redis) -> None:
    time = Time()
    one = limiter(redis_client, time, Limit("post", 50, SECOND, burst=1))
    for _ in range(10):
        one.take(POST)
    assert 0.1 < time.waited < 0.5


def test_a_closed_connection_grants_nothing(redis_client: Redis) -> None:
    time = Time()
    one = limiter(redis_client, time, Limit("post", 50, SECOND))
    Connections(redis_client, clock=time).close("here", timedelta(seconds=30), "paused", "no token")
    with pytest.raises(RateLimited, match="paused"):
        one.take(POST)


def test_points_are_counted_by_their_cost(redis_client: Redis) -> None:
    one = limiter(redis_client, Time(), Limit("*", 100, MINUTE, unit="points", burst=100))
    assert taken(one, Request("GET", "/x", cost=25)) == 4


def test_a_gap_is_whole_microseconds() -> None:
    assert isinstance(_bucket(Limit("post", 7, SECOND), POST).gap, int)


def test_calls_are_counted_once(redis_client: Redis) -> None:
    one = limiter(redis_client, Time(), Limit("post", 50, SECOND, burst=50))
    one.take(POST)
    one.take(POST)
    assert one.counted() == {"post": 2}
    assert one.counted() == {}


def test_a_refusal_by_the_target_gives_the_reserved_tokens_up(redis_client: Redis) -> None:
    one = limiter(redis_client, Time(), Limit("post", 500, SECOND, burst=10))
    one.take(POST)
    one.learn(POST, None, RateLimited("slow down", scope=Scope.ENDPOINT))
    assert not one._kept
