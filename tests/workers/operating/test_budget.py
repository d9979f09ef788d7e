"""On-call staff see what is left of each limit, what is closed, and how the breaker stands."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from connector.system import Limit, Period
from tests.workers.office import Office
from tests.workers.stores.books import T0
from workers.buckets import buckets_of
from workers.operating.budget import Remaining, budgets

LIMITS = (
    Limit("put", 50, timedelta(seconds=1), burst=5),
    Limit("*", 1000, timedelta(hours=1), unit="points", period=Period.ALIGNED),
    Limit("write", 80, timedelta(minutes=1)),
    Limit("entity", 20, timedelta(seconds=2)),
)


@pytest.fixture
def limited(office: Office) -> Office:
    office.systems["jira"] = replace(office.systems["jira"], limits=lambda _settings: LIMITS)
    return office


def test_each_limit_says_how_much_of_it_is_left(limited: Office) -> None:
    (_, put), (_, points), _ = buckets_of(LIMITS)
    limited.desk.connections.take("jira", [put], 3)
    limited.desk.connections.take("jira", [replace(points, cost=40)], 2)
    found = budgets(limited.desk, limited.config, ["jira", "git", "jira"])
    assert sorted(found) == ["git", "jira"]
    assert found["jira"].limits == (
        Remaining("put: 50 calls in 1 s", 2, 5),
        Remaining("all: 1000 points in 1 h", 920, 1000),
        Remaining("writing: 80 calls in 1 min", 8, 8),
    )
    assert (found["jira"].breaker, found["jira"].closed_until) == ("shut", 0)


def test_closed_classes_are_named_until_they_open(limited: Office) -> None:
    limited.desk.connections.close("jira", timedelta(minutes=5), "limit", "Jira asks to wait", endpoint="search")
    found = budgets(limited.desk, limited.config, ["jira"])["jira"]
    assert found.classes == {"search": {"until": T0 + 300_000, "why": "Jira asks to wait"}}
    limited.clock.move(300_000)
    assert budgets(limited.desk, limited.config, ["jira"])["jira"].classes == {}


def test_the_breaker_is_open_then_half_open_then_shut(limited: Office) -> None:
    shared = limited.desk.connections
    for entity in "abc":
        shared.fail("jira", entity, "502")

    def look() -> tuple[str, str, int]:
        found = budgets(limited.desk, limited.config, ["jira"])["jira"]
        return found.breaker, found.probes or found.why, found.closed_until

    assert look() == ("open", "502", T0 + 5000)
    limited.clock.move(5000)
    assert look() == ("half open", "502", 0)
    shared.take("jira", [])
    assert look() == ("half open", "1 of 1 probes out, 0 went well", 0)
    shared.succeed("jira", probe=True)
    assert look()[1] == "0 of 2 probes out, 0 went well"
    shared.open("jira")
    assert look() == ("shut", "", 0)
