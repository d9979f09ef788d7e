"""Limits are kept over all processes, cost no round trip a call, and refuse without sending."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis

from connector.errors import RateLimited, Rejected, Retryable, Scope
from connector.ports import Request, Response
from connector.system import Left, Limit, Period
from workers.buckets import bucket_for
from workers.limits import Limiter
from workers.stores.connections import Connections, Probes
from workers.stores.scripts import StoreError

POST = Request("POST", "/x", endpoint="post")
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


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


def limiter(client: Redis, time: Time, *limits: Limit, **more: Any) -> Limiter:
    return Limiter("here", limits, Connections(client, clock=time), time.ticks, time.wait, **more)


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


def test_a_call_dearer_than_all_that_may_come_at_once_is_let_through_when_all_of_it_is_there(
    redis_client: Redis,
) -> None:
    time = Time()
    one = limiter(redis_client, time, Limit("*", 60, MINUTE, unit="points", burst=10))
    assert taken(one, Request("GET", "/x", cost=25)) == 1
    time.ms += 10_000
    assert taken(one, Request("GET", "/x", cost=25)) == 1


def test_a_gap_is_whole_microseconds() -> None:
    assert isinstance(bucket_for(Limit("post", 7, SECOND), POST).gap, int)


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


# --- what was not used ------------------------------------------------------------------------------------------
def test_a_batch_that_nobody_used_is_given_back(redis_client: Redis) -> None:
    time = Time()
    limit = Limit("post", 500, SECOND, burst=20)
    one, two = limiter(redis_client, time, limit), limiter(redis_client, time, limit)
    one.take(POST)
    assert taken(two, most=30) <= 30
    time.ms += 1500
    left = Connections(redis_client, clock=time)
    bucket = bucket_for(limit, POST)
    one.give_back()
    two.give_back()
    assert left.left("here", [bucket]) == {bucket.name: 20}
    one.give_back()
    assert left.left("here", [bucket]) == {bucket.name: 20}


def test_a_call_that_never_left_costs_nothing(redis_client: Redis) -> None:
    one = limiter(redis_client, Time(), Limit("*", 10, HOUR, period=Period.STARTED))
    for _ in range(30):
        one.take(POST)
        one.learn(POST, None, Retryable("connection refused", sent=False))
    assert taken(one) == 10


def test_an_answer_that_nothing_is_new_costs_no_quota_where_the_target_says_so(redis_client: Redis) -> None:
    quota = Limit("*", 10, HOUR, period=Period.STARTED, spares_unchanged=True)
    points = Limit("*", 25, MINUTE, unit="points", burst=25)
    one, get = limiter(redis_client, Time(), quota, points), Request("GET", "/x", endpoint="get")
    for _ in range(20):
        one.take(get)
        one.learn(get, Response(304), None)
    assert taken(one, get) == 5, "the points were taken"


# --- what the target says -----------------------------------------------------------------------------------------
def told(left: int) -> Any:
    """Read every answer as one that says how much is left."""

    def headroom(_request: Request, _response: Response) -> Sequence[Left]:
        return (Left("*", HOUR, left, resets_in=MINUTE),)

    return headroom


def test_what_others_use_of_the_same_account_is_believed(redis_client: Redis) -> None:
    time = Time()
    one = limiter(redis_client, time, Limit("*", 100, HOUR, period=Period.STARTED), headroom=told(7))
    one.take(POST)
    one.learn(POST, Response(200), None)
    assert taken(one) == 7
    time.ms += 60_000
    assert taken(one) == 100


def test_a_refused_class_is_closed_for_every_process_and_others_go_on(redis_client: Redis) -> None:
    time = Time()
    one, two = limiter(redis_client, time), limiter(redis_client, time)
    one.take(POST)
    slow = RateLimited("slow down", scope=Scope.ENDPOINT, retry_after=timedelta(hours=2))
    one.learn(POST, Response(429), slow)
    with pytest.raises(RateLimited) as caught:
        two.take(POST)
    assert (caught.value.scope, caught.value.endpoint) == (Scope.ENDPOINT, "post")
    assert caught.value.retry_after == timedelta(hours=2)
    two.take(Request("PUT", "/x", endpoint="put"))


def test_a_refused_quota_closes_the_connection_for_every_process(redis_client: Redis) -> None:
    time = Time()
    one, two = limiter(redis_client, time), limiter(redis_client, time)
    one.take(POST)
    one.learn(POST, Response(429), RateLimited("quota", scope=Scope.CONNECTION, retry_after=MINUTE))
    with pytest.raises(RateLimited, match="closed") as caught:
        two.take(Request("PUT", "/x", endpoint="put"))
    assert caught.value.scope is Scope.CONNECTION


def test_a_refused_entity_keeps_others_from_it_alone(redis_client: Redis) -> None:
    time = Time()
    one = limiter(redis_client, time, Limit("entity", 20, SECOND * 2))
    first, second = Request("PUT", "/1", entity="1"), Request("PUT", "/2", entity="2")
    one.take(first)
    one.learn(first, Response(429), RateLimited("too many", scope=Scope.ENTITY, retry_after=SECOND * 9))
    with pytest.raises(RateLimited) as caught:
        limiter(redis_client, time, Limit("entity", 20, SECOND * 2)).take(first)
    assert caught.value.scope is Scope.ENTITY
    assert caught.value.retry_after == SECOND * 9
    one.take(second)


def test_an_empty_quota_speaks_of_the_whole_connection(redis_client: Redis) -> None:
    one = limiter(redis_client, Time(), Limit("*", 2, HOUR, period=Period.ALIGNED), Limit("post", 100, SECOND))
    assert taken(one) == 2
    with pytest.raises(RateLimited) as caught:
        one.take(POST)
    assert caught.value.scope is Scope.CONNECTION


def test_an_answer_is_worth_more_than_what_it_says_of_limits(redis_client: Redis) -> None:
    class Away(Connections):
        def _run(self, name: str, connection: str, *arguments: Any) -> Any:
            if name == "take_tokens":
                return super()._run(name, connection, *arguments)
            raise StoreError("the store went away")

    time = Time()
    quota = Limit("*", 100, HOUR, period=Period.STARTED)
    one = Limiter("here", (quota,), Away(redis_client, clock=time), time.ticks, time.wait, headroom=told(7))
    one.take(POST)
    one.learn(POST, Response(200), None)
    one.learn(POST, Response(429), RateLimited("slow down", scope=Scope.ENDPOINT))


# --- probes --------------------------------------------------------------------------------------------------------
def broken(client: Redis, time: Time) -> Connections:
    store = Connections(client, clock=time)
    for entity in "abc":
        store.fail("here", entity, "502")
    time.ms += 5000
    return store


def test_calls_that_are_probes_tell_how_they_went_reads_too(redis_client: Redis) -> None:
    time = Time()
    store, one = broken(redis_client, time), limiter(redis_client, time)
    get = Request("GET", "/x", endpoint="get")
    for calls in (1, 2, 4):
        assert store.state("here").kind == "breaker"
        for _ in range(calls):
            one.take(get)
            one.learn(get, Response(200), None)
    assert store.state("here").kind == ""


@pytest.mark.parametrize("error", [Retryable("502", sent=True), Retryable("refused", sent=False)])
def test_a_probe_that_fails_opens_the_breaker_again(redis_client: Redis, error: Retryable) -> None:
    time = Time()
    store, one = broken(redis_client, time), limiter(redis_client, time)
    one.take(POST)
    one.learn(POST, None, error)
    assert store.state("here").closed_until == time.ms + 10_000
    with pytest.raises(RateLimited, match="breaker"):
        one.take(POST)


def test_a_probe_that_is_refused_has_found_its_target(redis_client: Redis) -> None:
    time = Time()
    store, one = broken(redis_client, time), limiter(redis_client, time)
    one.take(POST)
    one.learn(POST, Response(400), Rejected("no"))
    assert store.state("here").probes == Probes(2, 2, 0)
