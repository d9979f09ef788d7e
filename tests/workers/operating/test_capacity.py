"""What a number of events needs follows from what events have cost, and something is too little first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis

from connector.system import Limit
from tests.workers.office import Office, bugs
from workers.operating.capacity import BELL, BUSY_PART, DAY, Capacity, Need, capacity, cost
from workers.scanner import note_days
from workers.stores.usage import BUSY, CALLS, CPU, POINTS, WRITES, add

HOUR = timedelta(hours=1)


@pytest.fixture
def office(valkey_url: str) -> Iterator[Office]:
    # A real server only: the fake one does not tell how much memory it has.
    with Redis.from_url(valkey_url) as client:
        made = Office(client, bugs(), bugs(name="more"))
        note_days(made.desk)
        yield made


def worked(office: Office, uid: str = "bugs", *, events: int = 1000, polls: int = 288) -> None:
    """Let a day's events have cost 2 ms of CPU, 4 calls of 0.1 s and 2 writes each."""
    counts: dict[str, int] = {
        "accepted": events,
        "calls:jira": 4 * events,
        CALLS + "jira": 4 * events,
        CALLS + "git": polls,
        POINTS + "jira": 8 * events,
        POINTS + "git": polls,
        WRITES + "jira": 2 * events,
        BUSY: 400 * events,
        CPU: 2000 * events,
    }
    add(office.client, {uid: counts})


def limited(office: Office, *limits: Limit, system: str = "jira") -> None:
    office.systems[system] = replace(office.systems[system], limits=lambda _settings: limits)


def reckoned(office: Office, events: int, *names: str, peak: float = 4.0) -> Capacity:
    chosen = [office.config.connectors[name] for name in names or office.config.connectors]
    return capacity(office.desk, office.config, chosen, events=events, peak=peak, last=7, threads=16)


def need(got: Capacity, what: str, where: str) -> Need:
    (one,) = [one for one in got.needs if one.what.startswith(what) and one.where == where]
    return one


def test_what_an_event_costs_is_what_it_has_cost(office: Office) -> None:
    worked(office)
    got = cost(office.desk, office.config.connectors["bugs"], 7)
    assert got.cpu == pytest.approx(0.002)
    assert got.busy == pytest.approx(0.402)
    assert (got.calls, got.writes, got.events) == ({"jira": 4.0}, {"jira": 2.0}, 1000)
    assert got.points["jira"] == pytest.approx(8.0)
    assert got.polls == {"git": 288.0, "jira": 0.0}


def test_too_few_events_say_nothing_and_defaults_stand_in(office: Office) -> None:
    worked(office, events=99)
    got = cost(office.desk, office.config.connectors["bugs"], 7)
    assert (got.events, got.calls) == (0, {"jira": 3.0})
    assert reckoned(office, 1000).measured == {"bugs": 0, "more": 0}


def test_workers_follow_the_peak(office: Office) -> None:
    worked(office)
    got = reckoned(office, 864_000)
    assert got.rate == 40.0
    assert got.threads == pytest.approx(40 * 0.402 / BUSY_PART, abs=1)
    assert got.processes == -(-got.threads // 16)
    alone = reckoned(office, 864_000, peak=1.0)
    assert alone.threads == pytest.approx(got.threads / 4, abs=1)


def test_processors_may_be_what_is_needed_more(office: Office) -> None:
    add(
        office.client,
        {"bugs": {"accepted": 1000, CALLS + "jira": 1000, "calls:jira": 1000, BUSY: 1000, CPU: 50_000_000}},
    )
    got = reckoned(office, 864_000)
    assert got.threads <= 16
    assert got.processes == -(-40 * (0.05 + BELL) // BUSY_PART)


@pytest.mark.parametrize(
    ("limit", "of_event"),
    [
        (Limit("*", 1000, HOUR), 4),
        (Limit("write", 1000, HOUR), 2),
        (Limit("*", 1000, HOUR, unit="points"), 8),
    ],
)
def test_a_limit_binds_where_the_peak_needs_all_of_it(limit: Limit, of_event: int, office: Office) -> None:
    worked(office)
    limited(office, limit)
    got = reckoned(office, 1000)
    (one,) = [one for one in got.needs if one.where == "jira"]
    assert one.needed == pytest.approx(1000 * of_event * 4 / 24, rel=0.01)
    assert one.binds_at == pytest.approx(1000 * 24 / 4 / of_event, abs=1)
    assert got.first == one


def test_a_class_of_calls_gets_its_part(office: Office) -> None:
    worked(office)
    limited(office, Limit("post", 1000, HOUR))
    office.desk.connections.count_calls("jira", {"post": 1, "get": 3})
    assert need(reckoned(office, 1000), "post", "jira").needed == pytest.approx(1000 * 4 / 4 * 4 / 24, rel=0.01)


def test_polls_cost_the_same_on_a_quiet_day(office: Office) -> None:
    worked(office)
    limited(office, Limit("*", 60, HOUR), system="git")
    quiet, busy = reckoned(office, 1, "bugs"), reckoned(office, 100_000, "bugs")
    # Those of the other connector, which had no events, are reckoned from its `poll:`.
    assert need(quiet, "all", "git").needed == need(busy, "all", "git").needed == pytest.approx(24, abs=0.1)
    assert need(quiet, "all", "git").binds_at is None


def test_what_others_take_of_a_limit_is_not_there(office: Office) -> None:
    worked(office)
    limited(office, Limit("*", 1000, HOUR))
    before = need(reckoned(office, 1000, "bugs"), "all", "jira")
    worked(office, "more", events=600)
    after = need(reckoned(office, 1000, "bugs"), "all", "jira")
    assert before.binds_at is not None
    assert after.binds_at == pytest.approx(before.binds_at - 600, abs=1)


def test_a_limit_for_each_item_is_left_out(office: Office) -> None:
    worked(office)
    limited(office, Limit("entity", 1, HOUR), Limit("chat.postMessage", 1, timedelta(seconds=1), entity=True))
    assert not [one for one in reckoned(office, 1000).needs if one.where == "jira"]


def test_a_connector_works_on_so_many_items_at_once(office: Office) -> None:
    worked(office)
    office.change(concurrency=1)
    one = need(reckoned(office, 1000), "items", "bugs")
    assert one.binds_at == pytest.approx(BUSY_PART / 0.402 * DAY / 4, rel=0.01)


def test_events_are_divided_as_they_were(office: Office) -> None:
    worked(office, events=300)
    worked(office, "more", events=100)
    got = reckoned(office, 1000)
    assert need(got, "items", "bugs").needed == pytest.approx(3 * need(got, "items", "more").needed, abs=0.01)


def test_a_store_with_a_limit_may_be_what_binds(valkey_url: str) -> None:
    with Redis.from_url(valkey_url) as client:
        office, server = Office(client, bugs()), client
        asked: Any = server
        note_days(office.desk)
        worked(office)
        assert need(reckoned(office, 1000), "memory", "store").binds_at is None
        asked.config_set("maxmemory", "100mb")
        try:
            got = reckoned(office, 1000)
        finally:
            asked.config_set("maxmemory", "0")
    memory = need(got, "memory", "store")
    assert memory.have == pytest.approx(0.8 * 100 * 1024 * 1024)
    assert memory.binds_at is not None
    assert 100 < memory.binds_at < 1000
    assert got.first == memory
    assert need(got, "disk", "store").needed == pytest.approx(3 * memory.needed)
