"""What the connectors of a connection share: limits, a breaker, a pause."""

from __future__ import annotations

from datetime import timedelta

import pytest
from redis import Redis

from tests.workers.stores.books import T0, Ticker
from workers.stores.connections import Bucket, Connections

REST = Bucket("rest", gap=100_000, burst=5)
"""Ten calls a second, five at once."""


@pytest.fixture
def ticker() -> Ticker:
    return Ticker()


@pytest.fixture
def shared(redis_client: Redis, ticker: Ticker) -> Connections:
    return Connections(redis_client, clock=ticker)


def test_a_burst_is_granted_and_then_the_rate(shared: Connections, ticker: Ticker) -> None:
    assert shared.take("jira", [REST], 99).calls == 5
    refused = shared.take("jira", [REST])
    assert (refused.calls, refused.wait, refused.kind) == (0, 100, "limit")
    granted = 0
    for _ in range(1000):
        ticker.move(10)
        granted += shared.take("jira", [REST]).calls
    assert granted == 100


def test_all_buckets_grant_or_none(shared: Connections) -> None:
    small = Bucket("writes", gap=1_000_000, burst=1)
    assert shared.take("jira", [REST, small]).calls == 1
    assert shared.take("jira", [REST, small]).calls == 0
    assert shared.take("jira", [REST], 99).calls == 4, "the refused call must have cost nothing"


def test_a_dear_call_costs_more(shared: Connections) -> None:
    assert shared.take("jira", [Bucket("points", 1000, 10, cost=4)], 99).calls == 2


def test_several_entities_in_a_row_open_the_breaker_and_a_success_shuts_it(shared: Connections, ticker: Ticker) -> None:
    assert [shared.fail("jira", "a", "502") for _ in range(5)] == [0] * 5
    assert shared.fail("jira", "b", "502") == 0
    assert shared.fail("jira", "c", "502") == T0 + 5000
    assert shared.take("jira", [REST]).kind == "breaker"
    ticker.move(5001)
    assert shared.fail("jira", "a", "502") == ticker() + 10_000, "it stays open, for twice as long"
    assert shared.succeed("jira")
    assert shared.state("jira").closed_until == 0
    assert not shared.succeed("jira")


def test_a_success_in_between_forgets_the_failures(shared: Connections) -> None:
    for entity in "abcdef":
        assert shared.fail("jira", entity, "502") == 0
        shared.succeed("jira")


@pytest.mark.parametrize("kind", ["limit", "paused"])
def test_a_straggling_success_opens_no_limit_and_no_pause(shared: Connections, kind: str) -> None:
    shared.close("jira", timedelta(seconds=60), kind, "why")
    shared.succeed("jira")
    assert shared.state("jira").kind == kind
    assert shared.take("jira", [REST]).closed_until == T0 + 60_000


def test_a_pause_outlasts_its_time_and_remembers_its_beginning(shared: Connections, ticker: Ticker) -> None:
    for _ in range(3):
        shared.close("jira", timedelta(seconds=1), "paused", "401")
        ticker.move(2000)
    state = shared.state("jira")
    assert (state.kind, state.since) == ("paused", T0)
    shared.close("jira", timedelta(seconds=9), "limit", "429")
    assert shared.state("jira").kind == "paused", "a lesser kind must not hide it"
    shared.open("jira")
    assert shared.state("jira").kind == ""


def test_a_new_limit_begins_anew(shared: Connections, ticker: Ticker) -> None:
    shared.close("jira", timedelta(seconds=1), "limit", "429")
    ticker.move(5000)
    shared.close("jira", timedelta(seconds=1), "limit", "429")
    assert shared.state("jira").since == ticker()


def test_a_closing_is_never_shortened(shared: Connections) -> None:
    shared.close("jira", timedelta(seconds=60), "limit", "429")
    assert shared.close("jira", timedelta(seconds=1), "limit", "429") == T0 + 60_000


def test_connections_do_not_know_each_other(shared: Connections) -> None:
    shared.close("jira", timedelta(seconds=60), "limit", "429")
    assert shared.take("git", [REST]).calls == 1


def test_one_at_a_time_probes(shared: Connections) -> None:
    assert shared.claim_probe("jira", timedelta(seconds=9))
    assert not shared.claim_probe("jira", timedelta(seconds=9))


def test_calls_are_counted_by_class(shared: Connections) -> None:
    shared.count_calls("jira", {"rest": 2, "search": 1})
    shared.count_calls("jira", {"rest": 3})
    assert shared.calls("jira") == {"rest": 5, "search": 1}
