"""What the connectors of a connection share: limits, a breaker, a pause."""

from __future__ import annotations

from datetime import timedelta

import pytest
from redis import Redis

from tests.workers.stores.books import T0, Ticker
from workers.stores.connections import ALIGNED, STARTED, Bucket, Closure, Connections, Probes, Told

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


# --- lost answers, and what was not used ----------------------------------------------------------------------
class Twice(Connections):
    """Sends every script twice, as a client does whose first answer was lost."""

    def _run(self, name: str, connection: str, *arguments: object) -> object:
        super()._run(name, connection, *arguments)
        return super()._run(name, connection, *arguments)


def test_a_take_whose_answer_was_lost_takes_once(redis_client: Redis, ticker: Ticker) -> None:
    shared = Twice(redis_client, clock=ticker)
    assert shared.take("jira", [REST], 2).calls == 2
    assert shared.left("jira", [REST]) == {"rest": 3}
    assert shared.take("jira", [REST], 99).calls == 3
    assert shared.take("jira", [], 0, back=[(REST, 2)]).calls == 0
    assert shared.left("jira", [REST]) == {"rest": 2}, "given back once"


def test_what_is_given_back_is_there_again_and_never_more(shared: Connections, ticker: Ticker) -> None:
    assert shared.take("jira", [REST], 99).calls == 5
    ticker.move(300)
    shared.take("jira", [], 0, back=[(REST, 5)])
    assert shared.take("jira", [REST], 99).calls == 5
    ticker.move(500)
    assert shared.take("jira", [REST], 99).calls == 5, "the bucket was full, not fuller"


def test_a_token_of_the_near_future_is_kept_for_who_waits_for_it(shared: Connections, ticker: Ticker) -> None:
    shared.take("jira", [REST], 5)
    first, second = (shared.take("jira", [REST], patience=250) for _ in range(2))
    assert [(one.calls, one.wait) for one in (first, second)] == [(1, 100), (1, 200)]
    assert shared.take("jira", [REST], patience=250).calls == 0
    ticker.move(200)
    assert shared.take("jira", [REST]).calls == 0, "both are promised"


# --- windows ------------------------------------------------------------------------------------------------------
HOUR = 3_600_000
POINTS = Bucket("*:points", 0, 1000, cost=10, form=ALIGNED, period=HOUR, shared=True)
QUOTA = Bucket("*:calls", 0, 100, form=STARTED, period=HOUR)


def test_a_quota_is_there_at_once_and_comes_back_at_the_top_of_the_hour(shared: Connections, ticker: Ticker) -> None:
    ticker.at = (T0 // HOUR) * HOUR + 50 * 60_000
    assert shared.take("jira", [POINTS], 999).calls == 100
    ticker.move(5 * 60_000)
    refused = shared.take("jira", [POINTS])
    assert (refused.calls, refused.wait) == (0, 5 * 60_000), "no trickle"
    ticker.move(5 * 60_000)
    assert shared.take("jira", [POINTS], 999).calls == 100


def test_a_started_window_begins_with_its_first_call(shared: Connections, ticker: Ticker) -> None:
    assert shared.take("git", [QUOTA], 100).calls == 100
    ticker.move(HOUR - 1)
    assert shared.take("git", [QUOTA]).wait == 1
    ticker.move(1)
    assert shared.take("git", [QUOTA], 999).calls == 100
    assert shared.take("git", [], 0, back=[(QUOTA, 30)]).calls == 0
    assert shared.left("git", [QUOTA]) == {"*:calls": 30}


def test_a_backfill_leaves_a_part_of_the_hour_to_live_and_gets_it_when_the_hour_ends(
    shared: Connections, ticker: Ticker
) -> None:
    ticker.at = (T0 // HOUR) * HOUR
    assert shared.take("jira", [POINTS], 999, connector="web", lane="backfill").calls == 75
    assert 0 < shared.take("jira", [POINTS], connector="web", lane="backfill").wait <= 60_000
    assert shared.take("jira", [POINTS], 5, connector="web").calls == 5
    ticker.move(HOUR - 1000)
    assert shared.take("jira", [POINTS], 999, connector="web", lane="backfill").calls == 19


@pytest.mark.parametrize("lane", ["suspect", "of a newer version"])
def test_a_lane_that_limits_do_not_know_is_served_as_live(shared: Connections, lane: str) -> None:
    assert shared.take("jira", [POINTS], connector="web", lane=lane).calls == 1
    assert shared.take("jira", [Bucket("*", 20_000, 5, shared=True)], connector="web", lane=lane).calls == 1


def test_who_has_had_its_share_of_a_window_leaves_the_others_theirs(shared: Connections, ticker: Ticker) -> None:
    ticker.at = (T0 // HOUR) * HOUR
    assert shared.take("jira", [POINTS], connector="small").calls == 1
    assert shared.take("jira", [POINTS], 999, connector="large", weight=3).calls == 99 - 24, "its share, and no more"
    assert shared.take("jira", [POINTS], connector="large", weight=3).calls == 0
    assert shared.take("jira", [POINTS], 24, connector="small").calls == 24


# --- what the target says -------------------------------------------------------------------------------------------
def test_a_target_that_knows_of_less_is_believed_and_never_of_more(shared: Connections, ticker: Ticker) -> None:
    assert shared.lower("jira", [Told(REST, 2)])
    assert not shared.lower("jira", [Told(REST, 5)])
    assert shared.take("jira", [REST], 99).calls == 2
    assert shared.lower("git", [Told(QUOTA, 10, 60_000)])
    assert not shared.lower("git", [Told(QUOTA, 90, 60_000)])
    assert shared.take("git", [QUOTA], 99).calls == 10
    assert shared.take("git", [QUOTA]).wait == 60_000, "the target also says when it is back"
    ticker.move(60_000)
    assert shared.take("git", [QUOTA], 999).calls == 100


def test_a_window_that_the_target_has_begun_anew_is_believed(shared: Connections, ticker: Ticker) -> None:
    shared.take("git", [QUOTA], 100)
    ticker.move(HOUR // 2)
    shared.lower("git", [Told(QUOTA, 99, HOUR - 5000)])
    assert shared.take("git", [QUOTA], 999).calls == 99


def test_nothing_left_until_a_moment_is_nothing_until_then(shared: Connections, ticker: Ticker) -> None:
    shared.lower("jira", [Told(REST, 0, 7000)])
    assert shared.take("jira", [REST]).wait == 7000
    ticker.move(7000)
    assert shared.take("jira", [REST], 99).calls == 1


# --- one class ------------------------------------------------------------------------------------------------------
def test_a_closed_class_closes_no_other(shared: Connections, ticker: Ticker) -> None:
    shared.close("jira", timedelta(hours=2), "limit", "429", endpoint="search")
    refused = shared.take("jira", [REST], endpoint="search")
    assert (refused.calls, refused.wait, refused.kind) == (0, 7_200_000, "class")
    assert shared.take("jira", [REST], endpoint="put").calls == 1
    state = shared.state("jira")
    assert (state.closed_until, state.classes) == (0, {"search": Closure(T0 + 7_200_000, "429")})
    assert shared.close("jira", timedelta(seconds=1), "limit", "429", endpoint="search") == T0 + 7_200_000
    ticker.move(7_200_000)
    assert shared.take("jira", [REST], endpoint="search").calls == 1
    assert not shared.state("jira").classes
    shared.close("jira", timedelta(hours=2), "limit", "429", endpoint="search")
    shared.open("jira")
    assert shared.take("jira", [REST], endpoint="search").calls == 1, "a person opens everything"


# --- probes of a breaker --------------------------------------------------------------------------------------------
@pytest.fixture
def broken(shared: Connections, ticker: Ticker) -> Connections:
    for entity in "abc":
        shared.fail("jira", entity, "502")
    ticker.move(5000)
    return shared


def probes(shared: Connections) -> int:
    """Return how many calls a half-open breaker lets through now."""
    granted = 0
    while shared.take("jira", []).kind == "probe":
        granted += 1
        assert granted < 100
    return granted


def test_a_half_open_breaker_lets_one_call_through_then_two_then_four(broken: Connections) -> None:
    for allowed in (1, 2, 4):
        assert broken.state("jira").kind == "breaker"
        assert probes(broken) == allowed
        refused = broken.take("jira", [REST], 9)
        assert (refused.calls, refused.kind) == (0, "breaker")
        assert 0 < refused.wait <= 500
        for _ in range(allowed):
            broken.succeed("jira", probe=True)
    assert broken.state("jira").kind == ""
    assert broken.take("jira", [REST], 9).calls == 5


def test_a_failed_probe_opens_it_again_for_longer(broken: Connections, ticker: Ticker) -> None:
    assert probes(broken) == 1
    broken.succeed("jira", probe=True)
    assert probes(broken) == 2
    assert broken.fail("jira", "probe", "502") == ticker() + 10_000
    assert not broken.succeed("jira", probe=True), "the other probe of the round is too late"
    ticker.move(10_000)
    assert probes(broken) == 1, "it begins anew"


def test_other_successes_shut_no_breaker_whose_probes_are_counted(broken: Connections) -> None:
    assert probes(broken) == 1
    broken.succeed("jira")
    assert broken.state("jira").kind == "breaker"
    assert broken.state("jira").probes == Probes(1, 0, 0)


def test_a_probe_that_is_never_heard_of_is_replaced(broken: Connections, ticker: Ticker) -> None:
    assert probes(broken) == 1
    ticker.move(59_999)
    assert probes(broken) == 0
    ticker.move(1)
    assert probes(broken) == 1
