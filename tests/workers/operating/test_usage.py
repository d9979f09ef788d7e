"""Usage adds up: by connector, by team, by day."""

from __future__ import annotations

from datetime import timedelta

import pytest
from redis import Redis

from connector.config import Owner
from tests.workers.office import CREATED, Office, bugs, event
from tests.workers.operating.test_letters import refuse
from tests.workers.operating.test_metrics import key, samples
from workers.operating.usage import Used, grouped, usage
from workers.scanner import note_days
from workers.stores.keys import DAY_MS
from workers.stores.usage import CALLS, CPU, RECEIVED, SENT, WRITES, add, day_of


@pytest.fixture
def office(redis_client: Redis) -> Office:
    made = Office(
        redis_client,
        bugs(owner=Owner("payments")),
        bugs(name="more", owner=Owner("payments")),
        bugs(name="web", owner=Owner("web")),
    )
    note_days(made.desk)
    return made


def test_what_happened_is_told_for_each_connector_and_day(office: Office) -> None:
    office.declare(bugs())
    office.accept(CREATED)
    office.work()
    add(
        office.client,
        {"bugs": {CPU: 2_500_000, CALLS + "jira": 4, CALLS + "git": 1, WRITES + "jira": 2, SENT: 10, RECEIVED: 20}},
    )
    office.clock.move(DAY_MS)
    note_days(office.desk)
    office.accept(event(2, title="Broken", state="closed"))
    office.work()
    rows = usage(office.desk, office.config.connectors.values(), 7)
    first, second = day_of(office.clock()) - timedelta(days=1), day_of(office.clock())
    mine = {one.day: one.used for one in rows if one.connector == "bugs"}
    assert mine[first] == Used(1, 1, 0, writes=2, calls=5, cpu=2.5, sent=10, received=20)
    assert mine[second] == Used(events=1, delivered=1)
    assert {one.day for one in usage(office.desk, office.config.connectors.values(), 1)} == {second}


def test_teams_and_days_are_sums(office: Office) -> None:
    office.accept(CREATED)
    office.work()
    rows = usage(office.desk, office.config.connectors.values(), 7)
    assert {name: one.events for name, one in grouped(rows, "team").items()} == {"payments": 2, "web": 1}
    assert {name: one.events for name, one in grouped(rows, "connector").items()} == {"bugs": 1, "more": 1, "web": 1}
    assert [one.events for one in grouped(rows, "day").values()] == [3]


def test_failures_are_counted(office: Office) -> None:
    office.declare(bugs())
    refuse(office, "a", "b")
    assert grouped(usage(office.desk, office.config.connectors.values(), 1), "connector")["bugs"].dead == 2


def test_the_same_is_told_to_prometheus(office: Office) -> None:
    add(office.client, {"web": {CPU: 2_500_000, CALLS + "jira": 4, WRITES + "jira": 2, SENT: 10, RECEIVED: 20}})
    told, web = samples(office), {"connector": "web", "team": "web"}
    assert told[key("connector_calls_total", **web)] == 4
    assert told[key("connector_writes_total", **web)] == 2
    assert told[key("connector_cpu_seconds_total", **web)] == 2.5
    assert told[key("connector_bytes_total", **web, direction="sent")] == 10
    assert told[key("connector_bytes_total", **web, direction="received")] == 20
    assert told[key("connector_deaths_total", **web)] == 0
