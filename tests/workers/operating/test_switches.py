"""A switch stops what it names at once, keeps stopping what comes under it, and loses nothing."""

from __future__ import annotations

from typing import Any

import pytest
from redis import Redis

from connector.config import Connector, Owner
from tests.workers.office import CREATED, NEW, Office, bugs, event
from workers.operating.acting import Actor
from workers.operating.standing import standing
from workers.operating.switches import start, stop
from workers.poller import due
from workers.stopping import FRESH, Stops, covering
from workers.stores.stops import ALL, Stop, connector_scope, stops, team_scope

ANN = Actor("ann")


@pytest.fixture
def office(redis_client: Redis) -> Office:
    made = Office(redis_client, bugs(owner=Owner("payments")), bugs(name="web", owner=Owner("web")), bugs(name="free"))
    made.desk.stops = Stops(lambda: stops(redis_client), made.desk.ticks)
    return made


def there(office: Office) -> list[Connector]:
    return list(office.config.connectors.values())


def later(office: Office, seconds: float = FRESH) -> None:
    office.clock.move(int(seconds * 1000))


def worked(office: Office) -> set[str]:
    """Let an event come that all want; returns the connectors that nothing kept from looking at it."""
    office.accept(event(office.clock(), issue=office.clock(), title="Broken", state="open"))
    office.work()
    closed = {
        name
        for name, one in office.config.connectors.items()
        if int(office.books(one).condition().get("open_at", 0)) > office.clock()
    }
    assert all(office.books(office.config.connectors[one]).counts()["delivered"] == 0 for one in closed)
    return office.config.connectors.keys() - closed


@pytest.mark.parametrize(
    ("scope", "works"),
    [
        (ALL, set()),
        (team_scope("payments"), {"web", "free"}),
        (connector_scope("web"), {"bugs", "free"}),
        (team_scope(""), {"bugs", "web", "free"}),
    ],
)
def test_a_switch_stops_what_it_names(scope: str, works: set[str], office: Office) -> None:
    stop(office.desk, there(office), scope, ANN, "an incident")
    later(office)
    assert worked(office) == works
    assert start(office.desk, there(office), scope, ANN) is not None
    later(office)
    office.settle_down()
    for one in office.config.connectors.values():
        assert office.books(one).counts()["in_flight"] == 0


def test_a_turn_that_runs_ends_with_the_call_that_is_under_way(office: Office) -> None:
    office.declare(bugs(owner=Owner("payments")))
    for number in range(3):
        office.accept(event(number, issue=number, title="Broken", state="open"))
    office.jira.before_call = lambda on: (
        None if on != "create" else stop(office.desk, there(office), ALL, ANN, "now") and None
    )
    turn = office.work_once()
    assert turn.delivered == 1
    office.work()
    assert office.store.counts()["delivered"] == 1


def test_what_comes_under_a_switch_later_is_stopped_too(office: Office) -> None:
    stop(office.desk, there(office), team_scope("payments"), ANN, "an incident")
    later(office)
    office.declare(bugs(name="new", owner=Owner("payments")))
    assert worked(office) == set()


def test_what_leaves_a_stopped_team_goes_on_within_a_minute(office: Office) -> None:
    stop(office.desk, there(office), team_scope("payments"), ANN, "an incident")
    office.accept(CREATED)
    later(office)
    office.work()
    office.declare(bugs(owner=Owner("web")))
    office.later(61)
    assert office.did()[:1] == NEW[:1]


def test_a_narrower_switch_stays_when_a_wider_one_is_turned_back(office: Office) -> None:
    stop(office.desk, there(office), team_scope("payments"), ANN, "theirs")
    stop(office.desk, there(office), ALL, ANN, "ours")
    assert start(office.desk, there(office), ALL, ANN) == ["web", "free"]
    later(office)
    assert worked(office) == {"web", "free"}


def test_the_first_reason_stays(office: Office) -> None:
    stop(office.desk, there(office), ALL, ANN, "an incident")
    got, _ = stop(office.desk, there(office), ALL, Actor("bob"), "me too")
    assert (got.by, got.why) == ("ann", "an incident")
    assert sum(row["action"] == "stop" for row in office.audit) == 3, "one row for each connector, not two"


def test_who_stops_and_starts_stands_in_the_audit(office: Office) -> None:
    stop(office.desk, there(office), team_scope("payments"), ANN, "an incident")
    start(office.desk, there(office), team_scope("payments"), ANN)
    rows = office.store.audit()
    assert [(row["action"], row["actor"], row["scope"]) for row in rows] == [
        ("start", "ann", "team:payments"),
        ("stop", "ann", "team:payments"),
    ]
    assert rows[1]["reason"] == "an incident"


def test_a_switch_for_nobody_is_audited_too(office: Office) -> None:
    stop(office.desk, there(office), team_scope("nobody"), ANN, "an incident")
    start(office.desk, there(office), team_scope("nobody"), ANN)
    assert [(row["action"], row["scope"]) for row in office.audit] == [
        ("stop", "team:nobody"),
        ("start", "team:nobody"),
    ]


def test_what_is_not_stopped_is_not_started(office: Office) -> None:
    assert start(office.desk, there(office), ALL, ANN) is None
    assert office.audit == []


def test_what_is_stopped_is_not_polled_and_says_why(office: Office) -> None:
    one = office.config.connectors["bugs"]
    stop(office.desk, there(office), team_scope("payments"), ANN, "an incident")
    later(office)
    assert not due(office.desk, one)
    got = standing(office.desk, one)
    assert (got.state, got.why) == ("stopped", "stopped with team payments by ann: an incident")
    assert got.since == office.clock() - int(FRESH * 1000)


def test_a_pause_outlasts_a_switch(office: Office) -> None:
    from workers.operating.acting import pause

    one = office.config.connectors["bugs"]
    pause(office.desk, one, ANN, "by hand")
    stop(office.desk, there(office), ALL, ANN, "an incident")
    start(office.desk, there(office), ALL, ANN)
    later(office)
    assert standing(office.desk, one).state == "paused"


def test_the_store_is_asked_once_a_second() -> None:
    asked, now = [], [0.0]

    def read() -> dict[str, Stop]:
        asked.append(now[0])
        return {}

    mine, one = Stops(read, lambda: now[0]), bugs()
    for tick in range(21):
        now[0] = tick / 10
        mine(one)
    assert asked == [0.0, 1.0, 2.0]


def test_the_widest_switch_is_told() -> None:
    def thrown(*scopes: str) -> dict[str, Any]:
        return {scope: Stop(scope, "ann", "why", 0) for scope in scopes}

    one = bugs(owner=Owner("web"))
    assert covering(thrown("connector:bugs", "team:web", ALL), one).option == "--all"  # type: ignore[union-attr]
    assert covering(thrown("connector:bugs", "team:web"), one).option == "--team web"  # type: ignore[union-attr]
    assert covering(thrown("connector:bugs"), one).option == "--connector bugs"  # type: ignore[union-attr]
    assert covering(thrown("team:payments", "connector:other"), one) is None
    assert covering(thrown("team:"), bugs()) is None
