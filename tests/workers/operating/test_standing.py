"""How a connector stands is told in one word, with the reason."""

from __future__ import annotations

from datetime import timedelta

import pytest
from redis import Redis

from connector.config import Mode, Owner
from connector.errors import ConnectorError, Forbidden, RateLimited, Retryable, Scope, Unauthorized
from tests.workers.office import CREATED, Office, bugs, event
from workers.operating.standing import Standing, all_standings, standing
from workers.scanner import scan


def told(office: Office) -> Standing:
    return standing(office.desk, office.config.connectors["bugs"])


def test_a_connector_without_trouble_runs(redis_client: Redis) -> None:
    office = Office(redis_client, bugs(owner=Owner("payments")))
    office.accept(CREATED)
    waiting = told(office)
    assert (waiting.state, waiting.team, waiting.why, waiting.until) == ("running", "payments", "", 0)
    assert waiting.backlog["live"] == 1
    assert waiting.oldest == office.clock()
    office.work()
    done = told(office)
    assert (done.oldest, done.counts["delivered"], done.backlog["live"]) == (0, 1, 0)


@pytest.mark.parametrize(
    ("error", "state", "why"),
    [
        (Unauthorized("the token has expired", status=401), "refused", "jira: the token has expired"),
        (
            RateLimited("slow down", scope=Scope.CONNECTION, retry_after=timedelta(hours=2), status=429),
            "throttled",
            "jira: slow down",
        ),
    ],
)
def test_what_closed_a_connection_is_what_its_connector_says(
    redis_client: Redis, error: ConnectorError, state: str, why: str
) -> None:
    office = Office(redis_client)
    office.accept(CREATED)
    office.jira.breaks("create", lambda: error, times=-1)
    office.work()
    one = told(office)
    assert (one.state, one.why) == (state, why)
    assert one.until > office.clock()


def test_an_open_breaker_is_told(redis_client: Redis) -> None:
    office = Office(redis_client)
    office.jira.breaks("create", lambda: Retryable("no answer", sent=False), times=-1)
    office.accept(*(event(n, issue=n, title="Broken", state="open") for n in range(3)))
    office.work()
    assert told(office).state == "open"


def test_a_person_or_the_file_can_pause(redis_client: Redis) -> None:
    office = Office(redis_client)
    office.store.close(office.clock() + 10**9, "paused by ada: upgrade")
    assert (told(office).state, told(office).why) == ("paused", "paused by ada: upgrade")
    office.store.close(0, "")
    office.change(mode=Mode.PAUSED)
    assert told(office).state == "paused"
    office.change(mode=Mode.SHADOW)
    assert told(office).state == "shadow"


def test_what_is_held_is_told_though_the_connector_runs(redis_client: Redis) -> None:
    office = Office(redis_client)
    office.jira.breaks("create", lambda: Forbidden("no permission", cause="jira:no_permission"), times=-1)
    for number in range(6):
        office.accept(event(number, issue=number, title="Broken", state="open"))
        office.work()
    one = told(office)
    assert one.state == "running"
    assert sum(shut["parked"] for shut in one.held.values()) > 0


def test_all_connectors_are_told_by_name(redis_client: Redis) -> None:
    office = Office(redis_client, bugs(name="web"), bugs(name="api"))
    assert [one.connector for one in all_standings(office.desk, office.config)] == ["api", "web"]
    office.declare()
    assert all_standings(office.desk, office.config) == []


def test_that_nobody_serves_a_connector_is_told(office: Office) -> None:
    for number in range(10):
        office.accept(event(number, issue=number, title="Broken", state="open"))
    assert told(office).why == "", "its first doorbells may still be answered"
    office.bells.clear()
    office.clock.move(21_000)
    scan(office.desk)
    got = told(office)
    assert got.state == "running"
    assert "no worker has answered its last 8 doorbells" in got.why
    office.work()
    assert told(office).why == ""
